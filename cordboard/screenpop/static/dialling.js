/** Calling from the desk: a number of the card by one click, any other from the idle page. */
import { phone } from "./format.js";
import { _ } from "./i18n.js";
import { me, useOperator } from "./live.js";
import { Icon } from "./ui.js";
import { html, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./cards.js").Desk} Desk */

/** States in which the own phone is free for a call of one's own. */
const FREE = ["ready", "paused", "wrap-up", "offline"];

/** One attempt at a time: whether it runs, and what went wrong with the last one. */
function useAttempt(/** @type {Desk} */ desk) {
  const [state, setState] = useState({ busy: false, error: "" });
  const place = async (/** @type {string} */ number) => {
    setState({ busy: true, error: "" });
    setState({ busy: false, error: await desk.place(number) });
  };
  return { ...state, place };
}

/** A number of the customer's that can be called with a click while the own phone is free. */
export function DialNumber(/** @type {{desk: Desk, number: string, calling: boolean}} */ props) {
  const { desk, number, calling } = props;
  const own = useOperator(me);
  const { busy, error, place } = useAttempt(desk);
  const name = calling ? "number calling" : "number";
  if (!own || !FREE.includes(own.state)) return html`<span class=${name}>${phone(number)}</span>`;
  return html`<span class=${name}>
    <button
      type="button"
      class="dial"
      disabled=${busy}
      title=${_("Call this number: your phone rings first")}
      data-testid="dial"
      onClick=${() => void place(number)}
    >
      <${Icon} name="talking" />${busy ? _("Your phone rings…") : phone(number)}
    </button>
    ${error && html`<span class="form-error" role="alert" data-testid="dial-error">${error}</span>`}
  </span>`;
}

/** Any number, typed. */
export function DialForm(/** @type {{desk: Desk}} */ { desk }) {
  const [number, setNumber] = useState("");
  const { busy, error, place } = useAttempt(desk);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (number.trim()) void place(number.trim());
  };
  return html`<form class="dial-form" data-testid="dial-form" onSubmit=${submit}>
    <label
      >${_("Call a number")}
      <input
        type="tel"
        value=${number}
        maxlength="40"
        autocomplete="off"
        readonly=${busy}
        data-testid="dial-number"
        onInput=${(/** @type {any} */ event) => setNumber(event.target.value)}
      />
    </label>
    <button type="submit" disabled=${busy || !number.trim()} data-testid="dial-place">
      <${Icon} name="talking" />${busy ? _("Your phone rings…") : _("Call")}
    </button>
    ${error && html`<p class="form-error" role="alert" data-testid="dial-error">${error}</p>`}
  </form>`;
}
