/** The calls that were the operator's own and that somebody else had to take, until they have seen them. */
import { DialNumber } from "./dialling.js";
import { clock, phone } from "./format.js";
import { _ } from "./i18n.js";
import { me, stream } from "./live.js";
import { Icon, StatusBadge, useStream } from "./ui.js";
import { html } from "./vendor/htm-preact.js";

/** @typedef {import("./cards.js").Desk} Desk */
/** @typedef {import("./stream.js").Missed} Missed */

function text(/** @type {Missed} */ missed) {
  switch (missed.why) {
    case "engaged":
      return _("You could not be rung: the caller went to the queue");
    case "caller-left":
      return _("The caller hung up while your phone rang");
  }
  return _("You did not answer: the caller went to the queue");
}

export function MissedCalls(/** @type {{desk: Desk}} */ { desk }) {
  useStream(stream, ["snapshot", "missed", "missed-end"]);
  const own = [...(stream.state?.missed.values() ?? [])].filter(
    (one) => one.operator === me && one.state === "open",
  );
  if (!own.length) return null;
  const seen = (/** @type {string} */ id) =>
    stream.act(`/api/v1/operators/${encodeURIComponent(me)}/actions`, "seen", { id });
  return html`<section class="missed-calls" data-testid="missed-calls">
    <h2><${Icon} name="missed" />${_("Calls for you that you missed")}</h2>
    <ul>
      ${own.reverse().map(
        (one) => html`<li key=${one.id} data-testid="missed-call" data-why=${one.why}>
          <time>${clock(one.at)}</time>
          <span class="missed-who">
            <b>${one.name || phone(one.from)}</b>
            ${one.customer && html`<${StatusBadge} status=${one.customer.status} />`}
            <span class="soft">${text(one)}</span>
          </span>
          <${DialNumber} desk=${desk} number=${one.from} calling=${false} />
          <button type="button" class="quiet" data-testid="missed-seen" onClick=${() => void seen(one.id).catch(() => undefined)}>
            ${_("Seen")}
          </button>
        </li>`,
      )}
    </ul>
  </section>`;
}
