/** People of lists in words: what state each is in, what came of it, and how far a list is. */
import { _ } from "./i18n.js";
import { html } from "./vendor/htm-preact.js";

/** @typedef {{id: string, name: string, script: string, language: string | null, hours: string | null, tries: number, again_minutes: number, created_at: string, created_by: string, closed_at: string | null, people: number, due: number, states: Record<string, number>}} List */
/** @typedef {{id: string, position: number, number: string, name: string, language: string | null, attributes: Record<string, string | number | boolean>, state: string, dials: number, tries: number, due_at: string | null, due_for: string | null, taken_by: string | null, result: string | null, run: string | null, note: string}} Person */

/** @type {Record<string, () => string>} */
const STATES = {
  waiting: () => _("Waiting"),
  taken: () => _("With an operator"),
  dialled: () => _("Being called"),
  talking: () => _("Talking"),
  talked: () => _("Result awaited"),
  done: () => _("Done"),
  refused: () => _("Refused"),
  "no-answer": () => _("No answer"),
  busy: () => _("Busy"),
  callback: () => _("Call back"),
  "wrong-number": () => _("Wrong number"),
  "given-up": () => _("Given up"),
  "do-not-call": () => _("Not to be called"),
};

export const STATE_NAMES = Object.keys(STATES);

export function stateWord(/** @type {string} */ state) {
  return STATES[state]?.() ?? state;
}

/** The parts of the bar, in order; each is some states. */
const PARTS = [
  { part: "done", states: ["done"], word: () => _("Done") },
  { part: "refused", states: ["refused", "do-not-call", "wrong-number"], word: () => _("Refused, or not to be called") },
  { part: "vain", states: ["given-up"], word: () => _("Given up") },
  { part: "again", states: ["no-answer", "busy", "callback"], word: () => _("To be called again") },
  { part: "now", states: ["taken", "dialled", "talking", "talked"], word: () => _("With operators") },
  { part: "waiting", states: ["waiting"], word: () => _("Waiting") },
];

/** How far a list is: a bar, and the same in words. */
export function Progress(/** @type {{list: List}} */ { list }) {
  const parts = PARTS.map(({ part, states, word }) => ({
    part,
    word: word(),
    count: states.reduce((sum, state) => sum + (list.states[state] ?? 0), 0),
  })).filter(({ count }) => count);
  return html`<div class="progress" data-testid="list-progress">
    <svg class="progress-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      ${parts.map(({ part, count }, place) => {
        const before = parts.slice(0, place).reduce((sum, one) => sum + one.count, 0);
        return html`<rect
          key=${part}
          data-part=${part}
          x=${(before / list.people) * 100}
          width=${(count / list.people) * 100}
          height="6"
        />`;
      })}
    </svg>
    <ul class="progress-words">
      ${parts.map(
        ({ part, word, count }) => html`<li key=${part} data-part=${part}><span class="dot"></span>${word} <b>${count}</b></li>`,
      )}
    </ul>
  </div>`;
}
