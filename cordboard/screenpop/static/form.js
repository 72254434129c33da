/**
 * A script as a form: what is to be read out, and one question after the other, by the keyboard
 * alone. Each answer is kept as it is given; what could not be sent stays here and is sent again.
 */
import { get, post } from "./api.js";
import { clockSeconds, languageName } from "./format.js";
import { _ } from "./i18n.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {{step: string, place: number, title: string, text: string, field: string | null,
 *   options: {key: string, value: string, text: string}[], value: string | null,
 *   offer: string | null, required: boolean}} Item */
/** @typedef {{id: string, script: string, title: string, survey: boolean, languages: string[],
 *   language: string, version: number, outcome: string | null, items: Item[], current: number | null,
 *   goes: string, fault: string}} FormState */

const ALL = "form-all";
/** Milliseconds until what could not be sent is sent again. */
const AGAIN_AFTER = 3000;
/** Keys that choose, on a form as on a telephone. */
const CHOOSES = ["choice", "scale", "yes_no"];

export function Form(/** @type {{run: string, ended?: (outcome: string, run: string) => void}} */ { run, ended }) {
  const [form, setForm] = useState(/** @type {FormState | null} */ (null));
  const [place, setPlace] = useState(/** @type {number | null} */ (null));
  const [said, setSaid] = useState("");
  const [saved, setSaved] = useState("");
  const [all, setAll] = useState(localStorage.getItem(ALL) === "1");
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const sending = useRef(false);
  const ahead = useRef(/** @type {string[]} */ ([]));

  const load = async () => {
    try {
      setForm(await get(`/api/v1/forms/${run}`));
      setSaid("");
    } catch (error) {
      setSaid(/** @type {Error} */ (error).message);
    }
  };
  useEffect(() => void load(), [run]);
  const at = form && !form.outcome ? (place ?? form.current) : null;
  // In one step with what is shown: a key that is pressed in between would be nobody's.
  useLayoutEffect(() => {
    const field = root.current?.querySelector("[data-now] input, [data-now] textarea, [data-now] button, [data-finish]");
    /** @type {HTMLElement | null} */ (field ?? null)?.focus();
    typeAhead(/** @type {HTMLInputElement | null} */ (field ?? null));
  }, [form?.id, at, form?.version]);
  if (!form) return said ? html`<p class="notice" role="alert">${said}</p>` : null;

  const send = async (/** @type {Record<string, any>} */ body) => {
    if (sending.current) return;
    sending.current = true;
    try {
      const next = await post(`/api/v1/forms/${run}/entries`, { ...body, version: form.version });
      sending.current = false;
      if (next.fault) ahead.current = [];
      setForm(next);
      if (next.fault) {
        setSaid(next.fault === "noinput" ? _("An answer is needed here.") : _("This is no answer to this question."));
        return;
      }
      setPlace(null);
      setSaid("");
      setSaved(_("saved {time}", { time: clockSeconds(Date.now()) }));
    } catch (error) {
      const { status, message } = /** @type {any} */ (error);
      sending.current = false;
      ahead.current = [];
      if (status === 0 || status === 503) setTimeout(() => void send(body), AGAIN_AFTER);
      if (status === 409) await load();
      setSaid(status === 409 ? _("Somebody has entered something here since: look at it, and enter yours again.") : _("Not saved: {error}", { error: message }));
    }
  };
  const answer = (/** @type {Item} */ item, /** @type {string} */ text) => send({ step: item.step, place: item.place, text });
  const finish = async (/** @type {Record<string, any>} */ how) => {
    try {
      const done = await post(`/api/v1/forms/${run}/end`, how);
      setForm({ ...form, outcome: done.outcome });
      ended?.(done.outcome, run);
    } catch (error) {
      setSaid(/** @type {Error} */ (error).message);
    }
  };
  const asked = form.items.filter((item) => item.field);
  const back = () => {
    const before = form.items.slice(0, at ?? form.items.length).findLastIndex((item) => item.field);
    if (before >= 0) setPlace(before);
  };
  /** What was pressed while an answer was on its way is for the question that came. */
  function typeAhead(/** @type {HTMLInputElement | null} */ field) {
    const item = at === null ? null : form?.items[at];
    if (!item || !ahead.current.length) return;
    if (CHOOSES.includes(item.field ?? "")) {
      const option = options(item).find((each) => each.key === ahead.current[0]);
      ahead.current = option ? ahead.current.slice(1) : [];
      if (option) void answer(item, option.value);
      return;
    }
    const end = ahead.current.indexOf("Enter");
    const text = ahead.current.slice(0, end < 0 ? undefined : end).join("");
    ahead.current = end < 0 ? [] : ahead.current.slice(end + 1);
    if (end >= 0) void answer(item, text);
    else if (field) {
      field.value = text;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const types = event.key.length === 1 || (event.key === "Enter" && !event.shiftKey);
    if (sending.current && types && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      ahead.current.push(event.key);
      return;
    }
    if ((event.key === "Enter" && event.shiftKey) || (event.key === "ArrowLeft" && event.altKey)) {
      event.preventDefault();
      back();
      return;
    }
    const item = at === null ? null : form.items[at];
    // What is pressed here is the form's, and no result of the call.
    if (/^.$/.test(event.key)) event.stopPropagation();
    if (!item || !CHOOSES.includes(item.field ?? "") || event.ctrlKey || event.altKey || event.metaKey) return;
    const option = options(item).find((each) => each.key === event.key);
    if (option) {
      event.preventDefault();
      void answer(item, option.value);
    }
  };
  const shown = all || form.outcome ? form.items.map((_item, index) => index) : around(form, at);

  return html`<section class="form panel" ref=${root} onKeyDown=${pressed} data-testid="form" data-run=${run} aria-label=${form.title}>
    <header class="form-head">
      <h2>${form.title}</h2>
      <span class="soft" role="status" data-testid="form-saved">${said ? "" : saved}</span>
      <div class="choices" role="group" aria-label=${_("Language of the texts")}>
        ${form.languages.map((code) => html`<button key=${code} type="button" aria-pressed=${code === form.language} onClick=${() => send({ language: code })}>${languageName(code)}</button>`)}
      </div>
      <label class="field-inline soft"><input type="checkbox" checked=${all} data-testid="form-all" onChange=${(/** @type {any} */ event) => {
        localStorage.setItem(ALL, event.target.checked ? "1" : "");
        setAll(event.target.checked);
      }} />${_("all questions")}</label>
    </header>
    <progress max=${asked.length + (form.current === null ? 0 : 1)} value=${asked.filter((item) => item.value !== null).length} aria-label=${_("Progress")}></progress>
    <ol class="form-items">
      ${shown.map((index) => html`<${Line} key=${`${form.items[index].step}-${form.items[index].place}-${index}`} item=${form.items[index]} now=${index === at}
        go=${(/** @type {string} */ text) => answer(form.items[index], text)} edit=${form.outcome ? null : () => setPlace(index)} />`)}
    </ol>
    ${said && html`<p class="form-fault" role="alert" data-testid="form-fault">${said}</p>`}
    ${form.outcome
      ? html`<p class="form-end" data-testid="form-ended">${form.outcome === "refused" ? _("Refused; what was answered is kept.") : _("Done. Everything is kept.")}</p>`
      : at === null &&
        html`<p class="form-end">${goes(form.goes)} <button type="button" class="primary" data-finish data-testid="form-finish" onClick=${() => finish({ outcome: "completed" })}>${_("Finish")}</button></p>`}
    ${!form.outcome &&
    html`<p class="form-foot">
      <button type="button" class="quiet" data-testid="form-back" onClick=${back} disabled=${!asked.length}>${_("Back")}</button>
      ${form.survey && html`<button type="button" class="quiet" data-testid="form-refused" onClick=${() => finish({ outcome: "refused" })}>${_("Does not want to answer")}</button>
        <button type="button" class="quiet" data-testid="form-never" onClick=${() => finish({ outcome: "refused", do_not_ask: "all" })}>${_("Never ask again")}</button>`}
      <span class="soft">${_("Enter: on · Shift+Enter: back · digits: choose")}</span>
    </p>`}
  </section>`;
}

function Line(/** @type {{item: Item, now: boolean, go: (text: string) => void, edit: (() => void) | null}} */ { item, now, go, edit }) {
  if (!item.field) return html`<li class="form-say"><p>${item.text}</p></li>`;
  if (!now) {
    const told = html`<span>${item.title || item.text}</span> <b>${value(item)}</b>`;
    return html`<li class="form-done" data-step=${item.step}>
      ${edit ? html`<button type="button" class="quiet" onClick=${edit} title=${_("Change")}>${told}</button>` : html`<p>${told}</p>`}
    </li>`;
  }
  return html`<li class="form-now" data-now data-step=${item.step} data-testid="form-question"><p class="form-prompt">${item.text}</p>
    ${CHOOSES.includes(item.field) ? html`<${Choices} item=${item} go=${go} />` : html`<${Text} item=${item} go=${go} />`}
    ${!item.required && html`<button type="button" class="quiet" onClick=${() => go("")}>${_("Leave it out")}</button>`}
  </li>`;
}

function Choices(/** @type {{item: Item, go: (text: string) => void}} */ { item, go }) {
  return html`<div class=${`form-choices form-${item.field}`} role="group">
    ${options(item).map(
      (each) => html`<button key=${each.value} type="button" data-value=${each.value} aria-pressed=${item.value === each.value || (item.value === null && item.offer === each.value)}
        onClick=${() => go(each.value)}><kbd>${each.key}</kbd>${each.text && html` <span>${each.text}</span>`}</button>`,
    )}
  </div>`;
}

function Text(/** @type {{item: Item, go: (text: string) => void}} */ { item, go }) {
  const [text, setText] = useState(item.value ?? item.offer ?? "");
  const enter = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    go(text);
  };
  const input = (/** @type {any} */ event) => setText(event.target.value);
  const type = item.field === "date" ? "date" : "text";
  const keys = item.field === "number" || item.field === "money" ? "decimal" : item.field === "digits" ? "numeric" : "text";
  return html`<div class="form-text">
    ${item.field === "text"
      ? html`<textarea rows="3" value=${text} onInput=${input} onKeyDown=${enter} aria-label=${item.text}></textarea>`
      : html`<input type=${type} inputmode=${keys} value=${text} onInput=${input} onKeyDown=${enter} aria-label=${item.text} autocomplete="off" />`}
    <button type="button" class="primary" onClick=${() => go(text)}>${_("Next")}</button>
  </div>`;
}

/** What may be chosen, each with its key: ten has the key 0 where nought has none. */
function options(/** @type {Item} */ item) {
  if (item.field === "yes_no")
    return [
      { key: "1", value: "yes", text: _("yes") },
      { key: "2", value: "no", text: _("no") },
    ];
  return item.options.map((each) => (each.value === "10" && item.field === "scale" ? { ...each, key: "+", text: "10" } : each));
}

function value(/** @type {Item} */ item) {
  if (item.value === null) return "";
  const chosen = options(item).find((each) => each.value === item.value);
  return chosen?.text || item.value;
}

/** Of a form that shows one question at a time: what is read out before it, and itself. */
function around(/** @type {FormState} */ form, /** @type {number | null} */ at) {
  const last = at ?? form.items.length - 1;
  let first = last;
  while (first > 0 && !form.items[first - 1].field) first -= 1;
  return Array.from({ length: last - first + 1 }, (_each, index) => first + index);
}

function goes(/** @type {string} */ where) {
  const [target, ...to] = where.split(" ");
  if (target === "callback") return _("The script offers a callback here.");
  if (!target || target === "hangup") return _("This is the end of the script.");
  return _("The script sends the caller on here: {where}.", { where: [target, ...to].join(" ") });
}

/**
 * The forms of a call, or the one of a respondent: which scripts there are, and the one that is open.
 * @param {{call?: string, respondent?: string, script?: string, language?: string,
 *   ended?: (outcome: string, run: string) => void}} about
 */
export function Forms({ call, respondent, script, language, ended }) {
  const [listed, setListed] = useState(/** @type {{forms: any[], scripts: {name: string, title: string}[]} | null} */ (null));
  const [run, setRun] = useState("");
  const [said, setSaid] = useState("");
  const open = async (/** @type {string} */ name) => {
    const about = respondent ? { respondent } : call ? { call } : {};
    try {
      const form = await post("/api/v1/forms", { script: name, ...about, ...(language ? { language } : {}) });
      setRun(form.id);
      setSaid("");
    } catch (error) {
      setSaid(/** @type {Error} */ (error).message);
    }
  };
  useEffect(() => {
    setRun("");
    if (script) {
      void open(script);
      return;
    }
    get(`/api/v1/forms${call ? `?call=${call}` : ""}`).then(
      (found) => {
        setListed(found);
        const begun = found.forms.find((/** @type {any} */ each) => !each.outcome);
        if (begun) setRun(begun.id);
      },
      (error) => setSaid(error.message),
    );
  }, [call, respondent, script]);
  if (run) return html`<${Form} key=${run} run=${run} ended=${ended} />`;
  if (said) return html`<p class="form-fault" role="alert">${said}</p>`;
  if (!listed?.scripts.length) return null;
  return html`<p class="form-choices" data-testid="form-scripts">
    ${listed.scripts.map(
      (each, index) => html`<button key=${each.name} type="button" class="quiet" data-script=${each.name} data-opens-form=${index === 0} onClick=${() => open(each.name)}>
        ${each.title}${index === 0 && html` <kbd>F3</kbd>`}
      </button>`,
    )}
  </p>`;
}

/** F3 opens the first form that there is, or goes to the one that is open. Whether the key was ours. */
export function pressedForm(/** @type {KeyboardEvent} */ event) {
  if (event.key !== "F3" || event.ctrlKey || event.altKey || event.metaKey) return false;
  const now = document.querySelector(".form [data-now] button, .form [data-now] input, .form [data-now] textarea, .form [data-finish]");
  const opens = document.querySelector("[data-opens-form=true]");
  event.preventDefault();
  if (now) /** @type {HTMLElement} */ (now).focus();
  else /** @type {HTMLElement | null} */ (opens)?.click();
  return true;
}
