/** The people of a list on the operator's console: the next one by a key, called by the same key, and what came of it. */
import { get, post } from "./api.js";
import { History } from "./customer.js";
import { Forms } from "./form.js";
import { languageName, moment, phone } from "./format.js";
import { _ } from "./i18n.js";
import { me, stream } from "./live.js";
import { stateWord } from "./people.js";
import { refusal } from "./refusals.js";
import { Icon, StatusBadge, Timer, useStream } from "./ui.js";
import { html, useEffect, useLayoutEffect, useReducer, useRef } from "./vendor/htm-preact.js";

/** @typedef {import("./people.js").List} List */
/** @typedef {import("./stream.js").Held} Held */
/** @typedef {{result: string, note: string, at: string, mine: boolean, never: boolean, run: string}} Draft */

const CHOSEN = `cordboard_list_${me}`;
const DRAFT = "cordboard:respondent:";
/** Milliseconds: the own phone rings for half a minute, and the server knows after a minute. */
const DIALLED_WITHIN = 65_000;
const LOOK_EVERY = 30_000;

/** What may be said of a talk, by the keys 1 to 5. */
const RESULTS = ["done", "refused", "callback", "no-answer", "wrong-number"];
/** What may be said before it. */
const UNCALLED = ["refused", "callback", "wrong-number"];

/** The same for the panel and the keys. */
const here = {
  /** @type {List[]} */
  lists: [],
  chosen: localStorage.getItem(CHOSEN) ?? "",
  /** What is asked for and not answered yet. */
  busy: "",
  error: "",
  /** Whom the operator had last, and what came of it. */
  last: "",
  /** @type {string} Whose draft it is. */
  of: "",
  /** @type {Draft} */
  draft: empty(),
  /** @type {Set<() => void>} */
  listeners: new Set(),
};

/** @returns {Draft} */
function empty() {
  return { result: "", note: "", at: "", mine: true, never: false, run: "" };
}

function changed() {
  for (const again of here.listeners) again();
}

function useHere() {
  const [, again] = useReducer((/** @type {number} */ count) => count + 1, 0);
  useLayoutEffect(() => {
    const listener = () => again(null);
    here.listeners.add(listener);
    return () => void here.listeners.delete(listener);
  }, []);
}

/** Whom the operator has. */
function held() {
  return stream.state?.respondents.get(me);
}

export function hasPerson() {
  return Boolean(held());
}

/** Whether this call is the one to the person whom the operator has: what came of it is said there.
 * @param {import("./stream.js").Call} call
 */
export function isOfList(call) {
  const person = held();
  if (!person) return false;
  return person.call === call.id || (person.state === "dialled" && person.number === call.from);
}

async function look() {
  try {
    here.lists = (await get("/api/v1/lists")).lists.filter((/** @type {List} */ one) => !one.closed_at);
    if (!here.lists.some((one) => one.id === here.chosen)) here.chosen = here.lists[0]?.id ?? "";
  } catch {
    return; // it is looked again
  }
  changed();
}

stream.on(["snapshot", "respondent-end"], (message) => {
  if (message.type === "respondent-end" && message.operator !== me) return;
  if (message.type === "respondent-end") {
    const again = message.due_at ? ` · ${_("again {time}", { time: moment(message.due_at, stream.now()) })}` : "";
    here.last = `${here.last.split(" — ")[0]} — ${stateWord(message.state)}${again}`;
    sessionStorage.removeItem(DRAFT + message.id);
    Object.assign(here, { of: "", draft: empty(), error: "" });
  }
  void look();
});

stream.on(["snapshot", "respondent"], () => {
  const person = held();
  if (!person || person.id === here.of) return;
  here.of = person.id;
  here.last = person.name || phone(person.number);
  here.error = "";
  try {
    here.draft = { ...empty(), ...JSON.parse(sessionStorage.getItem(DRAFT + person.id) ?? "{}") };
  } catch {
    here.draft = empty();
  }
  changed();
});

/* What is asked for. */

/** @type {Promise<void>} */
let last = Promise.resolve();

/** Asks for one thing after the other, the same one but once: who comes on the screen before the
 * request for him is answered can be called, or let go, at once.
 * @param {string} name
 * @param {() => Promise<string>} what gives what went wrong
 */
function ask(name, what) {
  if (here.busy === name) return last;
  here.busy = name;
  last = last.then(() => send(name, what));
  return last;
}

async function send(/** @type {string} */ name, /** @type {() => Promise<string>} */ what) {
  here.error = "";
  changed();
  try {
    here.error = await what();
  } catch (failure) {
    here.error = failure instanceof Error ? failure.message : String(failure);
  }
  if (here.busy === name) here.busy = "";
  changed();
}

function take() {
  return ask("take", async () => {
    const { respondent } = await post(`/api/v1/lists/${here.chosen}/next`, {});
    if (!respondent) {
      void look();
      return _("Nobody of this list is due now.");
    }
    return "";
  });
}

async function act(/** @type {string} */ action, args = {}, within = 15_000) {
  const person = held();
  if (!person) return;
  await ask(action, async () => {
    const outcome = await stream.act(`/api/v1/respondents/${person.id}/actions`, action, args, within);
    return outcome.ok ? "" : refusal(outcome);
  });
}

const dial = () => act("dial", {}, DIALLED_WITHIN);
/** Not while the own phone rings for the person: that decides. */
const release = () => (here.busy === "dial" ? last : act("release"));

function save() {
  const { result, note, at, mine, never, run } = here.draft;
  if (!result) {
    here.error = _("Choose what came of it.");
    changed();
    return;
  }
  /** @type {Record<string, unknown>} */
  const args = { result, note: note.trim(), ...(run ? { run } : {}) };
  if (result === "callback") {
    if (!at || Date.parse(at) <= stream.now()) {
      here.error = _("When is the person to be called?");
      changed();
      return;
    }
    Object.assign(args, { at: new Date(at).toISOString(), mine });
  }
  if (result === "refused") args.never = never;
  void act("result", args);
}

function write(/** @type {Partial<Draft>} */ part) {
  Object.assign(here.draft, part);
  here.error = "";
  try {
    sessionStorage.setItem(DRAFT + here.of, JSON.stringify(here.draft));
  } catch (error) {
    console.warn("a draft could not be kept for a reload", error);
  }
  changed();
}

/* The panel. */

export function Respondents() {
  useHere();
  useStream(stream, ["snapshot", "respondent", "respondent-end"]);
  useEffect(() => {
    const timer = setInterval(() => void look(), LOOK_EVERY);
    return () => clearInterval(timer);
  }, []);
  const person = held();
  if (person) return html`<${Person} key=${person.id} person=${person} />`;
  if (!here.lists.length) return null;
  const list = here.lists.find((one) => one.id === here.chosen);
  const choose = (/** @type {any} */ event) => {
    here.chosen = event.target.value;
    localStorage.setItem(CHOSEN, here.chosen);
    here.error = "";
    changed();
  };
  return html`<section class="card respondent-next" data-testid="respondent-next">
    <label
      >${_("People to call")}
      <select value=${here.chosen} onChange=${choose} data-testid="respondent-list">
        ${here.lists.map((one) => html`<option key=${one.id} value=${one.id}>${one.name}</option>`)}
      </select>
    </label>
    <button type="button" class="primary" disabled=${here.busy === "take"} data-testid="respondent-take" onClick=${take}>
      ${_("Take the next person")} <kbd>F6</kbd>
    </button>
    <span class="soft" data-testid="respondent-due">${_("{due} of {people} are due", { due: list?.due ?? 0, people: list?.people ?? 0 })}</span>
    ${here.last.includes(" — ") && html`<p class="respondent-last" role="status" data-testid="respondent-last">${here.last}</p>`}
    ${here.error && html`<p class="form-error" role="alert" data-testid="respondent-error">${here.error}</p>`}
  </section>`;
}

/** How its pill is coloured: the words of calls and operators. */
const COLOURS = new Map([
  ["taken", "ready"],
  ["dialled", "ringing"],
  ["talking", "talking"],
  ["talked", "wrap-up"],
]);

function Person(/** @type {{person: Held}} */ { person }) {
  const { state, customer } = person;
  const attributes = Object.entries(person.attributes);
  const leaving = here.busy === "dial" || here.busy === "release";
  const since = state === "talking" ? person.answered_at : state === "talked" ? person.ended_at : person.since;
  return html`<section class="card respondent" data-testid="respondent" data-id=${person.id} data-state=${state}>
    <header class="card-head">
      <div class="who">
        <h1 data-testid="respondent-name">${person.name || phone(person.number)}</h1>
        <p class="who-line">
          <span class="fact number" data-testid="respondent-number">${phone(person.number)}</span>
          ${person.language && html`<span class="fact"><${Icon} name="speech" />${languageName(person.language)}</span>`}
          ${customer?.status && html`<${StatusBadge} status=${customer.status} />`}
          <span class="fact soft">${person.list.name}</span>
          ${person.tries > 0 && html`<span class="fact soft">${_("called in vain {n} of {tries} times", { n: person.tries, tries: person.list.tries })}</span>`}
        </p>
      </div>
      <div class="call-state" data-state=${COLOURS.get(state)}>
        <span class="call-word" data-testid="respondent-state" data-value=${state}>
          <${Icon} name=${COLOURS.get(state) ?? "ready"} />${state === "taken" ? _("Yours to call") : stateWord(state)}
        </span>
        <${Timer} key=${state} since=${Date.parse(since ?? person.since)} />
      </div>
    </header>
    ${attributes.length > 0 &&
    html`<dl class="facts" data-testid="respondent-attributes">
      ${attributes.map(([name, value]) => html`<div class="tile" key=${name}><dt>${name.replaceAll("_", " ")}</dt><dd>${String(value)}</dd></div>`)}
    </dl>`}
    ${person.note && html`<p class="note" data-testid="respondent-before">${_("Last time: {note}", { note: person.note })}</p>`}
    ${state === "taken" && customer && html`<${History} pop=${person} />`}
    ${state === "taken" &&
    html`<div class="respondent-actions">
      <button type="button" class="primary" disabled=${leaving} data-testid="respondent-dial" onClick=${dial}>
        <${Icon} name="talking" />${here.busy === "dial" ? _("Your phone rings…") : _("Call")} <kbd>F6</kbd>
      </button>
      <button type="button" disabled=${leaving} data-testid="respondent-release" onClick=${release}>
        ${_("Let go")} <kbd>⇧</kbd><kbd>F6</kbd>
      </button>
    </div>`}
    ${state === "dialled" && html`<p class="soft" role="status">${_("The phone rings. What comes of it is noted by itself.")}</p>`}
    ${(state === "talking" || state === "talked") &&
    html`<div class="respondent-form" data-respondent=${person.id}>
      <${Forms} respondent=${person.id} script=${person.list.script} language=${person.language ?? ""} ended=${asked} />
    </div>`}
    ${state !== "dialled" && html`<${Outcome} person=${person} results=${state === "taken" ? UNCALLED : RESULTS} />`}
    ${here.error && html`<p class="form-error" role="alert" data-testid="respondent-error">${here.error}</p>`}
  </section>`;
}

/** The form is through: what came of it is as good as said. */
function asked(/** @type {string} */ outcome, /** @type {string} */ run) {
  const result = outcome === "refused" ? "refused" : "done";
  write({ result, run });
  focusNext(result);
}

/** What came of the person. */
function Outcome(/** @type {{person: Held, results: string[]}} */ { person, results }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const { draft } = here;
  const talked = person.state === "talked";
  useEffect(() => {
    const active = document.activeElement;
    const typing = active instanceof HTMLTextAreaElement || active instanceof HTMLInputElement;
    if (talked && !typing && !active?.closest("[data-respondent]")) first(form.current)?.focus();
  }, [talked]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    save();
  };
  return html`<form
    ref=${form}
    class="respondent-outcome"
    data-ready=${talked}
    data-testid="respondent-outcome"
    aria-label=${_("What came of it")}
    onSubmit=${submit}
  >
    <h2>${_("What came of it")} ${person.state !== "taken" && html`<kbd>F6</kbd>`}</h2>
    <div class="results respondent-results" role="radiogroup" aria-label=${_("What came of it")}>
      ${results.map(
        (result) => html`<label class="result" key=${result} data-testid=${`respondent-result-${result}`}>
          <input
            type="radio"
            name="respondent-result"
            value=${result}
            checked=${draft.result === result}
            disabled=${here.busy === "result"}
            onChange=${() => write({ result })}
          />
          ${person.state !== "taken" && html`<kbd aria-hidden="true">${RESULTS.indexOf(result) + 1}</kbd>`}
          <span>${stateWord(result)}</span>
        </label>`,
      )}
    </div>
    ${draft.result === "callback" && html`<${When} />`}
    ${draft.result === "refused" &&
    html`<label class="tick"
      ><input type="checkbox" checked=${draft.never} data-testid="respondent-never" onChange=${(/** @type {any} */ event) => write({ never: event.target.checked })} />
      ${_("Do not ask again, in no survey")}
    </label>`}
    ${draft.result &&
    html`<label
        >${_("Note")}
        <textarea
          rows="2"
          maxlength="4000"
          value=${draft.note}
          data-testid="respondent-note"
          onInput=${(/** @type {any} */ event) => write({ note: event.target.value })}
        ></textarea>
      </label>
      <div>
        <button type="submit" class="primary" disabled=${here.busy === "result"} data-testid="respondent-save">
          ${here.busy === "result" ? _("Saving…") : _("Save")} <kbd>Ctrl</kbd><kbd>Enter</kbd>
        </button>
      </div>`}
  </form>`;
}

/** When to call back: an hour from now, tomorrow at ten, or any time. */
function When() {
  const { at, mine } = here.draft;
  const soon = new Date(stream.now() + 3_600_000);
  const tomorrow = new Date(stream.now());
  tomorrow.setDate(tomorrow.getDate() + 1);
  tomorrow.setHours(10, 0, 0, 0);
  return html`<div class="respondent-when">
    <label
      >${_("When")}
      <input
        type="datetime-local"
        value=${at}
        required
        data-testid="respondent-at"
        onInput=${(/** @type {any} */ event) => write({ at: event.target.value })}
      />
    </label>
    <button type="button" data-testid="respondent-in-an-hour" onClick=${() => write({ at: local(soon) })}>${_("in an hour")}</button>
    <button type="button" data-testid="respondent-tomorrow" onClick=${() => write({ at: local(tomorrow) })}>${_("tomorrow at 10")}</button>
    <label class="tick"
      ><input type="checkbox" checked=${mine} data-testid="respondent-mine" onChange=${(/** @type {any} */ event) => write({ mine: event.target.checked })} />
      ${_("I call back myself")}
    </label>
  </div>`;
}

/** As a datetime-local field has it: the reader's own time, without seconds. */
function local(/** @type {Date} */ when) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const day = [when.getFullYear(), two(when.getMonth() + 1), two(when.getDate())].join("-");
  return `${day}T${two(when.getHours())}:${two(when.getMinutes())}`;
}

/** @returns {HTMLInputElement | null | undefined} the chosen result, else the first */
function first(/** @type {Element | null} */ form) {
  return form?.querySelector("input[type=radio]:checked") ?? form?.querySelector("input[type=radio]");
}

/* The keyboard. */

/** F6 takes the next person, calls him, and then asks what came of it; ⇧F6 lets go; 1 to 5 are results. Whether the key was one of ours.
 * @param {KeyboardEvent} event
 */
export function pressedRespondent(event) {
  const person = held();
  const talks = person?.state === "talking" || person?.state === "talked";
  const outcome = document.querySelector("[data-testid=respondent-outcome]");
  const active = document.activeElement;
  const inField = active instanceof HTMLTextAreaElement || (active instanceof HTMLInputElement && !["radio", "checkbox"].includes(active.type));
  if (event.key === "F6" && !event.ctrlKey && !event.altKey && !event.metaKey) {
    if (!person && !here.chosen) return false;
    if (event.repeat) {
      // A key that is held takes somebody, and does not go on to call him.
    } else if (!person) void take();
    else if (person.state === "taken") void (event.shiftKey ? release() : dial());
    else if (talks) first(outcome)?.focus();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    if (!talks && !outcome?.contains(active)) return false;
    if (!here.draft.result || (inField && !outcome?.contains(active))) return false;
    save();
  } else if (talks && /^[1-5]$/.test(event.key) && !inField && !event.ctrlKey && !event.altKey && !event.metaKey) {
    if (active?.closest("[data-respondent]")) return false; // the form's own keys
    const result = RESULTS[Number(event.key) - 1];
    if (here.busy === "result" || !result) return false;
    write({ result });
    focusNext(result);
  } else return false;
  event.preventDefault();
  return true;
}

/** Where there is more to say of this result, else the note, once it is on the page. */
function focusNext(/** @type {string} */ result) {
  const where = result === "callback" ? "respondent-at" : "respondent-note";
  requestAnimationFrame(() => {
    const element = document.querySelector(`[data-testid=${where}]`);
    if (element instanceof HTMLElement) element.focus();
  });
}
