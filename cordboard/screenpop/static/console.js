/** The operator's console: the card of the call, the wrap-up, what is left between calls. */
import { callerName, Desk, dirty, phaseSince } from "./cards.js";
import { Cases, Facts, History, Why } from "./customer.js";
import { DialForm } from "./dialling.js";
import { Bar, Colleagues } from "./floor.js";
import { Forms, pressedForm } from "./form.js";
import { clock, languageName, phone, withheld } from "./format.js";
import { _, load } from "./i18n.js";
import { main, me, stream, useOperator } from "./live.js";
import { MissedCalls } from "./missed.js";
import { Path } from "./path.js";
import { hasPerson, isOfList, pressedRespondent, Respondents } from "./respondents.js";
import { Banners, pressedState } from "./states.js";
import { afterPaint } from "./stream.js";
import {
  Alarms,
  Icon,
  speaks,
  StaleBanner,
  startClock,
  StatePill,
  StatusBadge,
  Timer,
  Unseen,
  useStream,
  word,
} from "./ui.js";
import {
  html,
  render,
  useEffect,
  useLayoutEffect,
  useReducer,
  useRef,
  useState,
} from "./vendor/htm-preact.js";

/** @typedef {import("./cards.js").Card} Card */
/** @typedef {import("./cards.js").Recent} Recent */

/** @type {string[]} */
const results = JSON.parse(main.dataset.results ?? "[]");

export { stream };
export const desk = new Desk(stream, me, typing);

const JUST_TYPED = 3000;
let typedAt = 0;
addEventListener("input", () => (typedAt = Date.now()), true);

/** The text field that has the focus. */
function field() {
  const element = document.activeElement;
  const text =
    element instanceof HTMLTextAreaElement ||
    (element instanceof HTMLInputElement && element.type !== "radio");
  return text ? element : null;
}

/** Whether the operator is in the middle of writing: nothing may take the focus away then. */
function typing() {
  const element = field();
  return Boolean(element && (element.value.trim() || Date.now() - typedAt < JUST_TYPED));
}

function useDesk() {
  const [, again] = useReducer((/** @type {number} */ count) => count + 1, 0);
  useLayoutEffect(() => desk.on(() => again(null)), []);
}

/* The desk. */

function Console() {
  useDesk();
  useStream(stream, ["snapshot", "respondent", "respondent-end"]);
  const card = desk.current;
  useLayoutEffect(() => retitle());
  return html`
    <${StaleBanner} stream=${stream} />
    <${Alarms} stream=${stream} />
    <${Banners} />
    ${card &&
    html`<div class="strip">
      <${Tabs} />
      <${Keys} card=${card} />
    </div>`}
    <div class="desk-grid">
      <div class="desk-main">
        <${Respondents} />
        ${card
          ? html`<${CallCard} key=${card.id} card=${card} version=${card.pop} />`
          : !hasPerson() && html`<${Idle} />`}
      </div>
      <aside class="rail">
        ${card && !isOfList(card.call) && html`<${WrapUp} key=${card.id} card=${card} />`}
        ${card && html`<${MissedCalls} desk=${desk} />`}
        <${Colleagues} />
      </aside>
    </div>
    <${Offer} />
  `;
}

const plainTitle = document.title;

function retitle() {
  const ringing = desk.cards.find((card) => card.phase === "ringing");
  const title = ringing ? `☎ ${callerName(ringing.pop) || phone(ringing.pop.call.from)}` : plainTitle;
  if (document.title !== title) document.title = title;
}

function shortName(/** @type {Card} */ card) {
  return callerName(card.pop) || phone(card.pop.call.from);
}

function Tabs() {
  return html`<nav class="tabs" aria-label=${_("Open cards")}>
    ${desk.cards.map(
      (card) => html`<button
        key=${card.id}
        type="button"
        class="tab"
        aria-current=${card.id === desk.front ? "true" : null}
        data-testid="tab"
        data-pop-id=${card.id}
        data-phase=${card.phase}
        onClick=${() => desk.show(card.id)}
      >
        <${Icon} name=${card.phase} />
        <span class="tab-name">${shortName(card)}</span>
        ${card.phase !== "missed" && html`<${Timer} key=${card.phase} since=${phaseSince(card)} />`}
        ${dirty(card) &&
        html`<span class="tab-dirty" title=${_("Not saved yet")}><span class="dot"></span></span>`}
      </button>`,
    )}
  </nav>`;
}

function Keys(/** @type {{card: Card}} */ { card }) {
  return html`<p class="keys" aria-hidden="true">
    ${desk.cards.length > 1 && html`<span><kbd>F8</kbd> ${_("next card")}</span>`}
    ${card.phase !== "missed" && html`<span><kbd>F2</kbd> ${_("result ⇄ note")}</span>`}
  </p>`;
}

/** A call that rings or runs behind the card in front, offered without taking anything away. */
function Offer() {
  const card = desk.behind[0];
  useAck(card);
  if (!card) return html`<div role="status" class="offer-place"></div>`;
  const { pop } = card;
  return html`<div role="status" class="offer-place">
    <div class="offer" data-testid="incoming-banner" data-pop-id=${card.id} data-phase=${card.phase}>
      <${StatePill} key=${card.phase} state=${card.phase} group="phase" since=${phaseSince(card)} />
      <div class="offer-who">
        <b>${shortName(card)}</b>
        ${pop.customer?.status && html`<${StatusBadge} status=${pop.customer.status} />`}
        ${callerName(pop) && html`<span class="soft">${phone(pop.call.from)}</span>`}
      </div>
      <button type="button" class="primary" onClick=${() => desk.show(card.id)}>
        ${_("Show")} <kbd>F8</kbd>
      </button>
    </div>
  </div>`;
}

/** Tells the server, once the browser has painted it, that this pop is on the screen. */
function useAck(/** @type {Card | null | undefined} */ card) {
  useLayoutEffect(() => {
    if (!card || card.closed) return;
    const { id } = card;
    afterPaint(() => {
      performance.mark(`pop-painted:${id}`);
      stream.ack(id);
    });
  }, [card?.pop, card?.closed]);
}

/* The card. */

function CallCard(/** @type {{card: Card}} */ { card }) {
  useAck(card);
  const { pop, call, phase } = card;
  const { customer } = pop;
  const name = callerName(pop);
  return html`<article
    class="card"
    data-testid="pop-card"
    data-pop-id=${card.id}
    data-phase=${phase}
    data-closed=${card.closed ?? ""}
    aria-label=${name || phone(call.from)}
  >
    <header class="card-head">
      <div class="who">
        <h1 data-testid="customer-name">${name || phone(call.from)}</h1>
        <p class="who-line">
          ${customer?.status
            ? html`<${StatusBadge} status=${customer.status} testid="customer-status" />`
            : html`<span class="badge" data-status="unknown" data-testid="customer-status"
                ><${Icon} name="people" />${pop.lookup_failed ? _("Not looked up") : _("Unknown number")}</span
              >`}
          ${customer?.kind === "organisation" &&
          html`<span class="fact"><${Icon} name="building" />${_("Organisation")}</span>`}
          ${customer?.language &&
          html`<span class="fact" data-testid="customer-language"><${Icon} name="speech" />${speaks(customer.language)}</span>`}
          ${call.direction === "out" &&
          html`<span class="fact" data-testid="call-direction"><${Icon} name="talking" />${_("You called")}</span>`}
          ${name &&
          html`<span class="fact number" data-testid="call-from">${phone(call.from)}</span>`}
        </p>
      </div>
      <${CallState} card=${card} />
    </header>

    ${card.closed && html`<${Closed} card=${card} />`}
    ${pop.lookup_failed &&
    html`<p class="form-error" role="status" data-testid="history-unavailable">
      <${Icon} name="warning" />${_("History unavailable: the database did not answer. The caller may be a known customer.")}
    </p>`}
    ${customer && html`<${Facts} pop=${pop} desk=${desk} />`}
    ${!customer?.id && !pop.lookup_failed && !isOfList(call) && html`<${NewCustomer} card=${card} />`}
    <${Why} pop=${pop} />
    <${Path} pop=${pop} />
    ${phase !== "missed" && !isOfList(call) && html`<${Forms} key=${call.id} call=${call.id} language=${customer?.language ?? ""} />`}
    ${customer?.id &&
    html`<div class="card-columns">
      <${History} pop=${pop} />
      <${Cases} pop=${pop} />
    </div>`}
  </article>`;
}

function CallState(/** @type {{card: Card}} */ { card }) {
  const { phase, call } = card;
  return html`<div class="call-state" data-state=${phase}>
    <span class="call-word">
      <${Icon} name=${phase} />
      <span data-testid="call-state" data-value=${phase}>${word("phase", phase)}</span>
    </span>
    ${phase !== "missed" &&
    html`<${Timer} key=${phase} since=${phaseSince(card)} testid="call-timer" />`}
    ${call.queue && html`<span class="call-queue">${call.queue}</span>`}
    <${Unseen} gaps=${call.unseen} />
  </div>`;
}

/** Why a card is still here although its call has gone. */
function Closed(/** @type {{card: Card}} */ { card }) {
  const text = card.elsewhere
    ? _("Already saved on another device. Your text is kept here: save it to replace what was saved there, or discard it.")
    : card.closed === "done"
      ? _("The wrap-up time is over. You can still save the result and a note.")
      : card.talked
        ? _("The call is over.")
        : word("missed", card.closed ?? "lost");
  return html`<div class="closed" data-testid="card-closed">
    <span>${text}</span>
    <button type="button" class="quiet" onClick=${() => desk.dismiss(card)}>
      ${dirty(card) ? html`<${Icon} name="close" />${_("Discard and close")}` : html`${_("Close the card")} <kbd>Esc</kbd>`}
    </button>
  </div>`;
}

function NewCustomer(/** @type {{card: Card}} */ { card }) {
  const { draft, pop } = card;
  const name = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    if (!field()) name.current?.focus();
  }, []);
  const number = draft.phone ?? (withheld(pop.call.from) ? "" : pop.call.from);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void desk.addCustomer(card);
  };
  return html`<form class="new-customer" data-testid="new-customer-form" onSubmit=${submit}>
    <h2>${_("New customer")}</h2>
    <div class="fields">
      <label
        >${_("Name")}
        <input
          ref=${name}
          data-testid="new-customer-name"
          value=${draft.name}
          maxlength="200"
          autocomplete="off"
          required
          disabled=${card.adding}
          onInput=${(/** @type {any} */ event) => desk.write(card, { name: event.target.value })}
        />
      </label>
      <label
        >${_("Phone")}
        <input
          data-testid="new-customer-phone"
          type="tel"
          value=${number}
          maxlength="40"
          autocomplete="off"
          required
          disabled=${card.adding}
          onInput=${(/** @type {any} */ event) => desk.write(card, { phone: event.target.value })}
        />
      </label>
      <button type="submit" class="primary" disabled=${card.adding} data-testid="new-customer-save">
        ${card.adding ? _("Saving…") : _("Save")} <kbd>Enter</kbd>
      </button>
    </div>
    ${card.addError && html`<p class="form-error" role="alert" data-testid="new-customer-error">${card.addError}</p>`}
  </form>`;
}

/* The wrap-up. */

function WrapUp(/** @type {{card: Card}} */ { card }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const ready = card.phase === "wrap-up";
  useEffect(() => {
    if (ready && !field()) resultInput(form.current)?.focus();
  }, [ready]);
  if (card.phase === "missed" && !dirty(card)) return null;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void desk.save(card);
  };
  return html`<form
    ref=${form}
    class="wrapup"
    data-ready=${ready}
    data-testid="wrapup-form"
    aria-label=${_("Wrap-up")}
    onSubmit=${submit}
  >
    <div class="wrapup-head">
      <h2>${ready ? _("Wrap-up") : _("Notes")}</h2>
      <span class="soft" data-testid="wrapup-hint">${ready ? "" : _("saved after the call")}</span>
    </div>
    <div class="results" role="radiogroup" aria-label=${_("Result")}>
      ${results.map(
        (code, place) => html`<label class="result" key=${code} data-testid=${`wrapup-result-${code}`}>
          <input
            type="radio"
            name="result"
            value=${code}
            checked=${card.draft.result === code}
            disabled=${card.saving}
            onChange=${() => desk.write(card, { result: code })}
          />
          ${place < 9 && html`<kbd aria-hidden="true">${place + 1}</kbd>`}
          <span>${word("result", code)}</span>
        </label>`,
      )}
    </div>
    <label class="note-label"
      >${_("Note for the customer's history")}
      <textarea
        data-testid="wrapup-note"
        rows="7"
        maxlength="4000"
        value=${card.draft.note}
        readonly=${card.saving}
        onInput=${(/** @type {any} */ event) => desk.write(card, { note: event.target.value })}
      ></textarea>
    </label>
    ${card.error && html`<p class="form-error" role="alert" data-testid="wrapup-error">${card.error}</p>`}
    <div>
      <button type="submit" class="primary" data-testid="wrapup-save" disabled=${!ready || card.saving}>
        ${card.saving ? _("Saving…") : _("Save")} <kbd>Ctrl</kbd><kbd>Enter</kbd>
      </button>
    </div>
  </form>`;
}

/** The chosen result's button, else the first one. */
function resultInput(/** @type {Element | null} */ form) {
  /** @type {HTMLInputElement | null | undefined} */
  const chosen = form?.querySelector("input[name=result]:checked");
  /** @type {HTMLInputElement | null | undefined} */
  const first = form?.querySelector("input[name=result]");
  return chosen ?? first;
}

function wrapUpForm() {
  return main.querySelector("[data-testid=wrapup-form]");
}

/* Between calls. */

function Idle() {
  const own = useOperator(me);
  const { state } = stream;
  let text = _("Connecting…");
  if (state) {
    text = !state.user.phone && !state.user.queues?.length
      ? _("No phone belongs to your login, so no calls come here. An administrator can set one.")
      : own?.state === "paused"
        ? _("You are paused: calls pass you by.")
        : own && !own.queues.length && state.user.queues?.length
          ? _("You are not logged in to your queues: press F9.")
        : !own || own.state === "offline"
          ? _("Your phone is not logged in to a queue.")
          : _("The caller's card opens here when your phone rings.");
  }
  return html`<section class="idle" data-testid="idle">
    <div class="idle-head">
      <img src="/static/cord.svg" alt="" width="44" height="44" />
      <h1>${own?.state === "ready" ? _("Ready for the next call") : _("No call now")}</h1>
      <p class="soft">${text}</p>
    </div>
    ${(own?.phone ?? state?.user.phone) && html`<${DialForm} desk=${desk} />`}
    <${MissedCalls} desk=${desk} />
    <${RecentCalls} />
  </section>`;
}

function RecentCalls() {
  const { recent } = desk;
  if (!recent.length) return null;
  return html`<section class="recent" data-testid="recent">
    <h2>${_("Your last calls today")}</h2>
    <ul>
      ${recent.map(
        (one) => html`<li key=${one.id}>
          <button type="button" onClick=${() => desk.reopen(one)} data-testid="recent-call" data-pop-id=${one.id}>
            <time>${clock(one.pop.at)}</time>
            <b>${callerName(one.pop) || phone(one.call.from)}</b>
            ${one.pop.customer?.status ? html`<${StatusBadge} status=${one.pop.customer.status} />` : html`<span></span>`}
            <span class=${one.saved ? "" : "recent-open"}>
              <${Icon} name=${one.saved ? "ready" : one.talked ? "wrap-up" : "missed"} />
              ${one.saved ? word("result", one.result) : word("missed", one.reason)}
            </span>
          </button>
        </li>`,
      )}
    </ul>
  </section>`;
}

/* The keyboard. */

/** @param {KeyboardEvent} event */
function pressed(event) {
  const card = desk.current;
  if (event.isComposing || pressedState(event) || pressedRespondent(event) || pressedForm(event)) return;
  if (event.key === "F8" && desk.cards.length > 1) {
    event.preventDefault();
    desk.showNext();
    return;
  }
  if (!card) return;
  const form = wrapUpForm();
  const note = form?.querySelector("textarea");
  const inField = field();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    if (inField && inField !== note) return;
    event.preventDefault();
    void desk.save(card);
  } else if (event.key === "F2" && note) {
    event.preventDefault();
    if (inField === note) resultInput(form)?.focus();
    else note.focus();
  } else if (event.key === "Escape" && inField) {
    inField.blur();
    if (inField === note) resultInput(form)?.focus();
  } else if (event.key === "Escape" && card.closed && !dirty(card)) {
    desk.dismiss(card);
  } else if (/^[1-9]$/.test(event.key) && !inField && !event.ctrlKey && !event.altKey && !event.metaKey) {
    const code = results[Number(event.key) - 1];
    if (!code || !note || card.saving) return;
    event.preventDefault();
    desk.write(card, { result: code });
    note.focus();
  }
}

await load();
startClock(() => stream.now());
render(html`<${Bar} />`, /** @type {HTMLElement} */ (document.getElementById("bar")));
render(html`<${Console} />`, main);
addEventListener("keydown", pressed);
stream.start();
