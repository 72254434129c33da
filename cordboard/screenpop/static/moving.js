/** Moving a waiting caller by hand: supervisors, with a reason, which the audit keeps. */
import { phone } from "./format.js";
import { _ } from "./i18n.js";
import { refusal } from "./refusals.js";
import { Icon } from "./ui.js";
import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Stream} Stream */
/** @typedef {import("./stream.js").Waiting} Waiting */

const PRIORITY_AT_MOST = 1000;

/** The row's button that opens the form. */
export function MoveButton(
  /** @type {{entry: Waiting, open: boolean, onOpen: (call: string) => void}} */ { entry, open, onOpen },
) {
  const title = _("Move {name} in the queue", { name: entry.name || phone(entry.from) });
  return html`<button
    type="button"
    class="move-open"
    title=${title}
    aria-label=${title}
    aria-expanded=${open}
    data-testid=${`move-${entry.call}`}
    onClick=${() => onOpen(entry.call)}
  >
    <${Icon} name="move" />
  </button>`;
}

/**
 * Where to, and why. It stands apart from the rows, which change places under the hand. `entry` is
 * null once the caller waits no more.
 * @param {{stream: Stream, call: string, name: string, entry: Waiting | null, onClose: () => void}} props
 */
export function MoveForm({ stream, call, name, entry, onClose }) {
  const [reason, setReason] = useState("");
  const [priority, setPriority] = useState("");
  const [state, setState] = useState({ busy: false, error: "" });
  const first = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => {
    first.current?.focus();
    // Wherever the focus is: a button that was disabled meanwhile has lost it.
    const escape = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && onClose();
    document.addEventListener("keydown", escape);
    return () => document.removeEventListener("keydown", escape);
  }, []);
  const move = (/** @type {Record<string, unknown>} */ args) => ask("move", args);
  const ask = async (/** @type {string} */ action, /** @type {Record<string, unknown>} */ args) => {
    if (!reason.trim()) {
      setState({ busy: false, error: _("Say why: the reason is kept.") });
      first.current?.focus();
      return;
    }
    setState({ busy: true, error: "" });
    try {
      const address = `/api/v1/calls/${encodeURIComponent(call)}/actions`;
      const outcome = await stream.act(address, action, args, undefined, reason.trim());
      setState({ busy: false, error: outcome.ok ? "" : refusal(outcome) });
    } catch (failure) {
      setState({ busy: false, error: failure instanceof Error ? failure.message : String(failure) });
    }
  };
  const { busy, error } = state;
  const head = () => void move({ to: "head" });
  const set = () => void move({ priority: Number(priority) });
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || busy || !entry || !(event.target instanceof HTMLInputElement)) return;
    if (event.target === first.current) head();
    else if (priority.trim()) set();
  };
  const step = (/** @type {string} */ to, /** @type {string} */ icon, /** @type {string} */ text) =>
    html`<button type="button" disabled=${busy || !entry} data-testid=${`move-to-${to}`} onClick=${() => void move({ to })}>
      <${Icon} name=${icon} />${text}
    </button>`;
  return html`<div class="move-form" role="group" aria-label=${name} data-testid="move-form" onKeyDown=${pressed}>
    <p class="move-who">
      <b>${name}</b>
      ${entry
        ? html`<span data-testid="move-place"
            >${_("place {place}, priority {priority}", { place: entry.position, priority: entry.priority })}</span
          >`
        : html`<span data-testid="move-gone">${_("does not wait any more")}</span>`}
    </p>
    <label class="move-reason"
      >${_("Reason")}
      <input
        ref=${first}
        value=${reason}
        maxlength="80"
        required
        autocomplete="off"
        data-testid="move-reason"
        onInput=${(/** @type {any} */ event) => setReason(event.target.value)}
      />
    </label>
    <div class="move-steps">
      ${step("head", "head", _("To the head"))} ${step("up", "up", _("Up"))} ${step("down", "down", _("Down"))}
      <label
        >${_("Priority")}
        <input
          type="number"
          min="0"
          max=${PRIORITY_AT_MOST}
          value=${priority}
          data-testid="move-priority"
          onInput=${(/** @type {any} */ event) => setPriority(event.target.value)}
        />
      </label>
      <button type="button" disabled=${busy || !entry || !priority.trim()} data-testid="move-set" onClick=${set}>
        ${_("Set")}
      </button>
      ${entry?.callback &&
      html`<button type="button" disabled=${busy} data-testid="callback-cancel" onClick=${() => void ask("hangup", {})}>
        <${Icon} name="close" />${_("Take the callback back")}
      </button>`}
      <button type="button" data-testid="move-close" onClick=${onClose}>${_("Close")}</button>
    </div>
    ${error && html`<p class="form-error" role="alert" data-testid="move-error">${error}</p>`}
  </div>`;
}
