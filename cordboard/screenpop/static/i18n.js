/** The page's language: gettext over the catalogue that the server gives at /i18n/LANGUAGE.json. */

/** @typedef {{language: string, messages: Record<string, string | Record<string, string>>}} Catalog */

export const language = document.documentElement.lang || "en";
const rules = new Intl.PluralRules(language);

/** @type {Catalog["messages"]} */
let messages = {};

/** Fetches the catalogue. Pages show themselves after this; without it they speak English. */
export async function load() {
  if (language === "en") return;
  try {
    const response = await fetch(`/i18n/${language}.json`);
    if (response.ok) messages = /** @type {Catalog} */ (await response.json()).messages;
  } catch {
    console.warn(`the texts in ${language} did not come; the page stays English`);
  }
}

/**
 * The text of `message` in the page's language, its `{name}` placeholders filled in.
 * @param {string} message
 * @param {Record<string, string | number>} [values]
 */
export function _(message, values) {
  const text = messages[message];
  return fill(typeof text === "string" ? text : message, values);
}

/**
 * The text for `n` things; `{n}` is the number as this language writes it.
 * @param {string} one
 * @param {string} many
 * @param {number} n
 */
export function ngettext(one, many, n) {
  const forms = messages[one];
  const form = typeof forms === "object" ? (forms[rules.select(n)] ?? forms.other ?? forms.many) : "";
  return fill(form || (n === 1 ? one : many), { n: n.toLocaleString(language) });
}

/**
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
function fill(text, values) {
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
