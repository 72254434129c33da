/** The operator's own state: logging in to queues, pauses, the wrap-up's time, and what was done to them. */
import { _ } from "./i18n.js";
import { me, stream, useOperator } from "./live.js";
import { refusal } from "./refusals.js";
import { Countdown, Icon, pauseReason, pauses, PHONE_LOST, StatePill, useStream } from "./ui.js";
import { html, useEffect, useLayoutEffect, useReducer, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Operator} Operator */
/** @typedef {import("./stream.js").Notice} Notice */

const ADDRESS = `/api/v1/operators/${encodeURIComponent(me)}/actions`;
const LAST_PHONE = `cordboard_phone_${me}`;
/** Seconds that one press adds to a wrap-up. */
const MORE = 30;

/** What is under way, and what went wrong with the last one; the same for bar, menu and banners. */
const asked = {
  busy: false,
  error: "",
  open: false,
  /** @type {Set<() => void>} */
  listeners: new Set(),
};

function changed() {
  for (const again of asked.listeners) again();
}

function useAsked() {
  const [, again] = useReducer((/** @type {number} */ count) => count + 1, 0);
  useLayoutEffect(() => {
    const listener = () => again(null);
    asked.listeners.add(listener);
    return () => void asked.listeners.delete(listener);
  }, []);
}

let running = "";
/** @type {Promise<unknown>} */
let last = Promise.resolve();

/** Asks for an action upon oneself, one after the other; the same one but once. */
function ask(/** @type {string} */ action, /** @type {Record<string, any>} */ args = {}) {
  if (running === action) return Promise.resolve(false);
  running = action;
  const before = last;
  const asking = before.then(() => send(action, args));
  last = asking;
  return asking;
}

async function send(/** @type {string} */ action, /** @type {Record<string, any>} */ args) {
  Object.assign(asked, { busy: true, error: "" });
  changed();
  try {
    const outcome = await stream.act(ADDRESS, action, args);
    if (!outcome.ok) throw new Error(refusal(outcome));
    asked.open = false;
    return true;
  } catch (failure) {
    asked.error = failure instanceof Error ? failure.message : String(failure);
    return false;
  } finally {
    asked.busy = false;
    if (running === action) running = "";
    changed();
  }
}

/* The bar. */

export function OwnState() {
  const own = useOperator(me);
  useStream(stream, ["snapshot"]);
  useAsked();
  if (!own) return null;
  const out = own.queues.length === 0;
  return html`<span class="own" data-testid="own-state" data-out=${out}>
    <${StatePill} state=${own.state} group="operator" since=${own.since} />
    ${own.state === "paused" && own.reason && html`<span class="own-reason" data-testid="own-reason">${pauseReason(own.reason)}</span>`}
    ${own.due && html`<${Countdown} until=${own.due} testid="own-due" label=${own.state === "wrap-up" ? _("left for the wrap-up") : _("left of the pause")} />`}
    ${own.state === "wrap-up" && html`<${InWrapUp} own=${own} />`}
    ${out && mayLogIn()
      ? html`<button type="button" class="primary" data-testid="login-open" aria-expanded=${asked.open} onClick=${toggle}>
          ${_("Log in to queues")} <kbd>F9</kbd>
        </button>`
      : !out &&
        html`<button type="button" data-testid="state-menu" aria-haspopup="menu" aria-expanded=${asked.open} onClick=${toggle}>
          ${own.state === "paused" ? _("Ready or another pause") : _("Pause")} <kbd>F9</kbd>
        </button>`}
    ${asked.open && (out ? html`<${LoginForm} />` : html`<${Menu} own=${own} />`)}
    ${!asked.open && asked.error && html`<span class="form-error" role="alert" data-testid="state-error">${asked.error}</span>`}
  </span>`;
}

function mayLogIn() {
  return Boolean(stream.state?.user.queues?.length);
}

function toggle() {
  Object.assign(asked, { open: !asked.open, error: "" });
  changed();
}

/** The own cards that there were when last looked. */
let cards = new Set();

/** A call that begins to ring takes the menu away: who calls stands under it, and a digit meant for
 * the card is not to choose a pause. */
function cardsCame() {
  const pops = [...(stream.state?.pops.values() ?? [])].filter((pop) => pop.operator === me);
  const menu = asked.open && stream.state?.operators.get(me)?.queues.length; // no form to log in
  if (menu && pops.some((pop) => !cards.has(pop.id))) toggle();
  cards = new Set(pops.map((pop) => pop.id));
}

stream.on(["snapshot", "screenpop"], cardsCame);

function InWrapUp(/** @type {{own: Operator}} */ { own }) {
  const last = own.due === own.at_most;
  return html`<span class="own-wrapup">
    <button type="button" disabled=${asked.busy || last} data-testid="wrapup-extend" onClick=${() => void ask("extend", { seconds: MORE })}>
      ${_("+{n} s", { n: MORE })} <kbd>F7</kbd>
    </button>
    <button type="button" disabled=${asked.busy} data-testid="wrapup-done" onClick=${() => void ask("done")}>
      ${_("Done")} <kbd>F4</kbd>
    </button>
  </span>`;
}

/** The phone to work at, where the login has none of its own. */
function LoginForm() {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [phone, setPhone] = useState(localStorage.getItem(LAST_PHONE) ?? "PJSIP/");
  const fixed = stream.state?.user.phone;
  useLayoutEffect(() => {
    const element = input.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const args = fixed ? {} : { phone: phone.trim() };
    if ((await ask("login", args)) && !fixed) localStorage.setItem(LAST_PHONE, phone.trim());
  };
  return html`<form class="own-menu" data-testid="login-form" onSubmit=${submit}>
    ${fixed
      ? html`<p>${_("Your phone: {phone}", { phone: fixed })}</p>`
      : html`<label
          >${_("The phone at which you sit")}
          <input
            ref=${input}
            value=${phone}
            maxlength="100"
            autocomplete="off"
            spellcheck=${false}
            data-testid="login-phone"
            onInput=${(/** @type {any} */ event) => setPhone(event.target.value)}
          />
        </label>`}
    <p class="soft">${_("Queues: {queues}", { queues: (stream.state?.user.queues ?? []).join(", ") })}</p>
    <button type="submit" class="primary" disabled=${asked.busy} data-testid="login-submit">
      ${_("Log in to queues")} <kbd>Enter</kbd>
    </button>
    ${asked.error && html`<p class="form-error" role="alert" data-testid="state-error">${asked.error}</p>`}
  </form>`;
}

/** Ready, the reasons for a pause, and the way out; each with its key. */
function Menu(/** @type {{own: Operator}} */ { own }) {
  const first = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useLayoutEffect(() => first.current?.focus(), []);
  return html`<div class="own-menu" role="menu" aria-label=${_("Your state")} data-testid="state-list">
    <button ref=${first} type="button" role="menuitem" disabled=${asked.busy} data-testid="state-ready" onClick=${() => void ask("unpause")}>
      <kbd>0</kbd><span>${_("Ready")}</span>
    </button>
    ${pauses.map(
      (pause, place) => html`<button
        key=${pause.name}
        type="button"
        role="menuitem"
        disabled=${asked.busy}
        aria-current=${own.reason === pause.name ? "true" : null}
        data-testid=${`state-pause-${pause.name}`}
        onClick=${() => void ask("pause", { pause: pause.name })}
      >
        ${place < 9 ? html`<kbd>${place + 1}</kbd>` : html`<span></span>`}
        <span>${pauseReason(pause.name)}</span>
        ${pause.minutes && html`<span class="soft">${_("{n} min", { n: pause.minutes })}</span>`}
      </button>`,
    )}
    ${mayLogIn() &&
    html`<button type="button" role="menuitem" disabled=${asked.busy} data-testid="state-logout" onClick=${() => void ask("logout")}>
      <kbd>-</kbd><span>${_("Log out of the queues")}</span>
    </button>`}
    ${asked.error && html`<p class="form-error" role="alert" data-testid="state-error">${asked.error}</p>`}
  </div>`;
}

/* Banners: what the operator did not ask for. */

export function Banners() {
  const own = useOperator(me);
  useStream(stream, ["snapshot", "notice", "notice-end"], about);
  useAsked();
  const [seen, setSeen] = useState("");
  const over = useOver(own);
  if (!own) return null;
  const notice = stream.state?.notices.get(me);
  const shown = notice && notice.at !== seen ? notice : undefined;
  return html`
    ${own.reason === PHONE_LOST &&
    html`<${Banner} testid="phone-lost" button=${_("My phone works again")} buttonid="phone-is-back">
      ${_("Your phone went away in the middle of a call. The caller is back at the head of the queue, and you are paused. Check the phone before you go on.")}
    <//>`}
    ${own.reason === "missed" &&
    html`<${Banner} testid="missed" button=${_("I am here: ready")} buttonid="missed-ready">
      ${_("Calls rang at your phone and were not taken, so no more come to you.")}
    <//>`}
    ${own.state === "paused" &&
    over &&
    html`<${Banner} testid="pause-over" button=${_("Ready")} buttonid="over-ready">
      ${_("Your pause lasts longer than it may: {reason}. Supervisors see it.", { reason: pauseReason(own.reason) ?? "" })}
    <//>`}
    ${shown &&
    html`<div class="phone-lost" role="alert" data-testid="notice" data-action=${shown.action}>
      <${Icon} name="warning" />
      <span>${noticeText(shown)}${shown.why && html` <b>${shown.why}</b>`}</span>
      <button type="button" data-testid="notice-close" onClick=${() => setSeen(shown.at)}>${_("I have read it")}</button>
    </div>`}
  `;
}

function about(/** @type {any} */ message) {
  return message.type === "snapshot" || (message.notice?.operator ?? message.operator) === me;
}

/** Whether the time for the present state is over; renders again when it comes to be. */
function useOver(/** @type {Operator | undefined} */ own) {
  const [, again] = useReducer((/** @type {number} */ count) => count + 1, 0);
  const left = own?.due ? Date.parse(own.due) - stream.now() : null;
  useEffect(() => {
    if (left === null || left <= 0) return undefined;
    const timer = setTimeout(() => again(null), Math.min(left + 50, 2 ** 30));
    return () => clearTimeout(timer);
  }, [own?.due]);
  return left !== null && left <= 0;
}

function noticeText(/** @type {Notice} */ { action, by_name }) {
  const by = by_name;
  if (action === "logout") return _("{by} logged you out of the queues.", { by });
  if (action === "unpause") return _("{by} made you ready.", { by });
  return _("{by} paused you.", { by });
}

/** Says why no calls come, with the way back. */
function Banner(/** @type {{testid: string, button: string, buttonid: string, children?: any}} */ props) {
  return html`<div class="phone-lost" role="alert" data-testid=${props.testid}>
    <${Icon} name="warning" />
    <span>${props.children}${asked.error && html`<b> ${asked.error}</b>`}</span>
    <button type="button" class="primary" disabled=${asked.busy} data-testid=${props.buttonid} onClick=${() => void ask("unpause")}>
      ${props.button} <kbd>F4</kbd>
    </button>
  </div>`;
}

/* The keyboard. */

/** F9 the menu, F4 ready or done, F7 more time; whether the key was one of ours.
 * @param {KeyboardEvent} event
 */
export function pressedState(event) {
  const own = stream.state?.operators.get(me);
  if (!own || event.ctrlKey || event.altKey || event.metaKey) return false;
  const inField = document.activeElement instanceof HTMLInputElement || document.activeElement instanceof HTMLTextAreaElement;
  if (event.key === "F9") toggle();
  else if (event.key === "F4" && own.state === "wrap-up") void ask("done");
  else if (event.key === "F4" && own.state === "paused") void ask("unpause");
  else if (event.key === "F7" && own.state === "wrap-up") void ask("extend", { seconds: MORE });
  else if (asked.open && event.key === "Escape") toggle();
  else if (asked.open && own.queues.length && !inField && /^[-0-9]$/.test(event.key)) choose(event.key);
  else if (asked.open && (event.key === "ArrowDown" || event.key === "ArrowUp")) walk(event.key === "ArrowDown" ? 1 : -1);
  else return false;
  event.preventDefault();
  return true;
}

function choose(/** @type {string} */ key) {
  if (key === "0") void ask("unpause");
  else if (key === "-") void ask("logout");
  else {
    const pause = pauses[Number(key) - 1];
    if (pause) void ask("pause", { pause: pause.name });
  }
}

/** The item above or below the one in focus. */
function walk(/** @type {number} */ step) {
  const items = [...document.querySelectorAll("[role=menuitem]")];
  const place = items.indexOf(/** @type {Element} */ (document.activeElement)) + step;
  const next = /** @type {HTMLElement | undefined} */ (items[(place + items.length) % items.length]);
  next?.focus();
}
