/** How numbers, money, times and telephone numbers look. */
import { _, language } from "./i18n.js";

/** 75 000 ms as `1:15`, an hour and more as `1:02:03`; never less than nothing. */
export function duration(/** @type {number} */ milliseconds) {
  const total = Math.max(0, Math.floor(milliseconds / 1000)) || 0;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = String(total % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

const clockFormat = new Intl.DateTimeFormat(language, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const dayFormat = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const yearFormat = new Intl.DateTimeFormat(language, {
  day: "numeric",
  month: "short",
  year: "numeric",
});

/** `10:02` in the browser's own time zone. */
export function clock(/** @type {string | number} */ when) {
  return clockFormat.format(new Date(when));
}

const secondsFormat = new Intl.DateTimeFormat(language, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** `10:02:11` in the browser's own time zone. */
export function clockSeconds(/** @type {string | number} */ when) {
  return secondsFormat.format(new Date(when));
}

/** `today 10:02`, `3 Nov 10:02`, or `3 Nov 2025`, seen from `now`. */
export function moment(/** @type {string | number} */ when, now = Date.now()) {
  const date = new Date(when);
  const today = new Date(now);
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return _("today {time}", { time: clock(when) });
  if (date.toDateString() === yesterday.toDateString()) {
    return _("yesterday {time}", { time: clock(when) });
  }
  if (date.getFullYear() === today.getFullYear()) return `${dayFormat.format(date)} ${clock(when)}`;
  return yearFormat.format(date);
}

/** An amount of the given currency, its kopecks or cents only where there are any. */
export function money(/** @type {number} */ amount, /** @type {string} */ currency) {
  try {
    return new Intl.NumberFormat(language, {
      style: "currency",
      currency,
      currencyDisplay: "narrowSymbol",
      ...(Number.isInteger(amount) ? { maximumFractionDigits: 0 } : {}),
    }).format(amount);
  } catch {
    return `${amount.toLocaleString(language)} ${currency}`;
  }
}

/** 83.4 as `83 %` the way this language writes it. */
export function percent(/** @type {number} */ value) {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(
    value / 100,
  );
}

/** Where the countries we serve put the spaces: what follows +, and the lengths of the groups. */
const PLANS = [
  { start: /^7(?=\d{10}$)/, groups: [3, 3, 2, 2] },
  { start: /^1(?=\d{10}$)/, groups: [3, 3, 4] },
  { start: /^359(?=\d{9}$)/, groups: [2, 3, 4] },
  { start: /^359(?=2\d{7}$)/, groups: [1, 3, 4] },
  { start: /^(?:3[578]\d|37\d|42\d|9[679]\d)(?=\d{6,})/, groups: [2, 3, 4] },
  { start: /^(?:2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])(?=\d{7,})/, groups: [3, 3, 4] },
];

/** A telephone number for the eye: `+79123456789` as `+7 912 345-67-89`; others are left as they are. */
export function phone(/** @type {string | null | undefined} */ number) {
  if (!number || number === "anonymous") return _("number withheld");
  const digits = /^\+(\d{7,15})$/.exec(number)?.[1];
  const plan = digits && PLANS.find((candidate) => candidate.start.test(digits));
  if (!digits || !plan) return number;
  const country = plan.start.exec(digits)?.[0] ?? "";
  const parts = [];
  let rest = digits.slice(country.length);
  for (const length of plan.groups) {
    if (rest) parts.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  if (rest) parts[parts.length - 1] += rest;
  const joined = country === "7" ? `${parts[0]} ${parts.slice(1).join("-")}` : parts.join(" ");
  return `+${country} ${joined}`;
}

/** Whether the caller hid the number. */
export function withheld(/** @type {string | null | undefined} */ number) {
  return !number || number === "anonymous";
}

/** The name of language `code` in the page's language. */
export function languageName(/** @type {string} */ code) {
  try {
    return new Intl.DisplayNames([language], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}
