/** The operators on the wallboard: what each does, where, since when, and what a supervisor may do about it. */
import { phone } from "./format.js";
import { _, ngettext } from "./i18n.js";
import { refusal } from "./refusals.js";
import { Countdown, Icon, pauseReason, pauses, StatePill, Unseen, useStreamByFrame, word } from "./ui.js";
import { Component, html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Call} Call */
/** @typedef {import("./stream.js").Operator} Operator */
/** @typedef {import("./stream.js").Stream} Stream */

/** Trouble first, those who are away last; within a state the longest in it first. */
const ORDER = ["on-hold", "wrap-up", "paused", "offered", "talking", "ready", "offline"];
const LONG_RING = 15_000;
/** From so many operators on, their tiles are made smaller. */
const DENSE = 18;

export function Operators(/** @type {{stream: Stream}} */ { stream }) {
  useStreamByFrame(stream, ["snapshot", "operators", "call", "call-end"]);
  const [managed, manage] = useState("");
  const { state } = stream;
  const all = [...(state?.operators.values() ?? [])];
  if (!state || !all.length) return html`<section class="panel"></section>`;
  const groups = ORDER.map((name) => ({
    name,
    operators: all
      .filter((operator) => operator.state === name)
      .sort((one, other) => one.since.localeCompare(other.since)),
  })).filter((group) => group.operators.length);
  const chosen = state.operators.get(managed);
  return html`<section class="panel operators-panel">
    <h2>
      ${_("Operators")}
      <span class="counts">
        ${groups.map(
          (group) => html`<span class="count" data-state=${group.name === "offered" ? "ringing" : group.name}>
            <${Icon} name=${group.name === "offered" ? "ringing" : group.name} /><b>${group.operators.length}</b>
            ${word("operator", group.name)}
          </span>`,
        )}
      </span>
    </h2>
    ${chosen && html`<${Manage} key=${managed} stream=${stream} operator=${chosen} close=${() => manage("")} />`}
    <ul class="operators" data-dense=${all.length > DENSE}>
      ${groups
        .flatMap((group) => group.operators)
        .map(
          (operator) =>
            html`<${OperatorTile} key=${operator.name} operator=${operator} call=${operator.call ? state.calls.get(operator.call) : undefined} manage=${manage} />`,
        )}
    </ul>
  </section>`;
}

/** @typedef {{operator: Operator, call?: Call, manage: (name: string) => void}} TileProps */

class OperatorTile extends Component {
  shouldComponentUpdate(/** @type {TileProps} */ next) {
    const { operator, call } = /** @type {TileProps} */ (this.props);
    return next.operator !== operator || next.call !== call;
  }

  render() {
    const { operator, call, manage } = /** @type {TileProps} */ (this.props);
    const who = call && (call.customer?.name || call.name || phone(call.from));
    const detail = operator.state === "paused" ? pauseReason(operator.reason) : who;
    const place = [operator.phone, operator.queues.join(", ")].filter(Boolean).join(" · ");
    const misses = operator.misses ?? 0;
    return html`<li class="operator" data-testid=${`operator-${operator.name}`} data-state=${operator.state === "offered" ? "ringing" : operator.state}>
      <b class="operator-name">${operator.display_name}</b>
      <${StatePill}
        state=${operator.state}
        group="operator"
        since=${operator.state === "offline" ? undefined : operator.since}
        warn=${operator.state === "offered" ? LONG_RING : undefined}
      />
      ${operator.due && html`<${Countdown} until=${operator.due} testid="operator-due" label=${_("left of the time for this")} />`}
      <span class="operator-detail" data-testid="operator-detail" title=${detail || ""}>${detail}</span>
      <span class="operator-place" data-testid="operator-place" title=${place}>${operator.queues.length ? place : _("not logged in")}</span>
      ${misses > 0 &&
      html`<span class="operator-misses" data-testid="operator-misses"><${Icon} name="missed" />${ngettext("{n} call not taken", "{n} calls not taken", misses)}</span>`}
      <button
        type="button"
        class="quiet operator-manage"
        data-testid=${`manage-${operator.name}`}
        aria-label=${_("Change the state of {name}", { name: operator.display_name })}
        onClick=${() => manage(operator.name)}
      >
        …
      </button>
      <${Unseen} gaps=${call?.unseen} />
    </li>`;
  }
}

/** Another's state, changed with a reason that the operator reads. */
function Manage(/** @type {{stream: Stream, operator: Operator, close: () => void}} */ { stream, operator, close }) {
  const first = useRef(/** @type {HTMLSelectElement | null} */ (null));
  const [action, setAction] = useState(operator.state === "paused" ? "unpause" : "pause:forced");
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  useLayoutEffect(() => first.current?.focus(), []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      const [verb, pause] = action.split(":");
      const address = `/api/v1/operators/${encodeURIComponent(operator.name)}/actions`;
      const outcome = await stream.act(address, verb, pause ? { pause } : {}, undefined, why.trim());
      if (!outcome.ok) throw new Error(refusal(outcome));
      close();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close();
  return html`<form class="manage" data-testid="manage-form" onSubmit=${submit} onKeyDown=${pressed}>
    <b>${operator.display_name}</b>
    <label
      >${_("State")}
      <select ref=${first} value=${action} data-testid="manage-action" onChange=${(/** @type {any} */ event) => setAction(event.target.value)}>
        <option value="unpause">${_("Ready")}</option>
        <option value="pause:forced">${pauseReason("forced")}</option>
        ${pauses.map((pause) => html`<option key=${pause.name} value=${`pause:${pause.name}`}>${_("Pause: {reason}", { reason: pauseReason(pause.name) ?? "" })}</option>`)}
        <option value="logout">${_("Log out of the queues")}</option>
      </select>
    </label>
    <label class="manage-why"
      >${_("Why, for the operator to read")}
      <input
        value=${why}
        maxlength="80"
        required
        autocomplete="off"
        data-testid="manage-why"
        onInput=${(/** @type {any} */ event) => setWhy(event.target.value)}
      />
    </label>
    <button type="submit" class="primary" disabled=${busy} data-testid="manage-submit">${_("Change")} <kbd>Enter</kbd></button>
    <button type="button" class="quiet" onClick=${close}>${_("Cancel")} <kbd>Esc</kbd></button>
    ${error && html`<p class="form-error" role="alert" data-testid="manage-error">${error}</p>`}
  </form>`;
}
