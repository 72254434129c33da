/** The calls that operators should have taken in person: whose they were, and who has talked to the caller since. */
import { clock, phone } from "./format.js";
import { _, language, ngettext } from "./i18n.js";
import { Icon, StatusBadge, useStreamByFrame } from "./ui.js";
import { html } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Missed} Missed */
/** @typedef {import("./stream.js").Stream} Stream */

/** Rows of one operator; what is still to be done comes first. */
const SHOWN = 6;

function why(/** @type {Missed} */ missed) {
  switch (missed.why) {
    case "engaged":
      return _("Could not be rung: the caller went to the queue");
    case "caller-left":
      return _("The caller hung up while the phone rang");
  }
  return _("Did not answer: the caller went to the queue");
}

function since(/** @type {Missed} */ missed) {
  if (missed.state === "talked") return _("Talked at {time}", { time: clock(missed.since) });
  return missed.state === "seen" ? _("Seen, not called back") : _("Not called back");
}

export function PersonalCalls(/** @type {{stream: Stream}} */ { stream }) {
  useStreamByFrame(stream, ["snapshot", "missed", "missed-end"]);
  /** @type {Map<string, Missed[]>} */
  const byOperator = new Map();
  for (const one of stream.state?.missed.values() ?? []) {
    byOperator.set(one.operator, [...(byOperator.get(one.operator) ?? []), one]);
  }
  if (!byOperator.size) return null;
  const all = [...byOperator.values()].map((calls) => {
    const owed = calls.filter((one) => one.state !== "talked").sort(latest);
    return { owed: owed.length, calls: [...owed, ...calls.filter((one) => one.state === "talked").sort(latest)] };
  });
  all.sort((one, other) => other.owed - one.owed || name(one.calls).localeCompare(name(other.calls), language));
  return html`<section class="panel personal-panel" data-testid="personal-calls">
    <h2>${_("Missed personal calls")}</h2>
    <div class="personal-operators">
      ${all.map((one) => html`<${OfOperator} key=${one.calls[0]?.operator} ...${one} />`)}
    </div>
  </section>`;
}

function latest(/** @type {Missed} */ one, /** @type {Missed} */ other) {
  return other.at.localeCompare(one.at);
}

function name(/** @type {Missed[]} */ calls) {
  return calls[0]?.operator_name ?? "";
}

function OfOperator(/** @type {{owed: number, calls: Missed[]}} */ { owed, calls }) {
  const hidden = calls.length - SHOWN;
  return html`<div data-testid=${`personal-${calls[0]?.operator}`}>
    <h3>
      ${name(calls)}
      <span class="personal-owed" data-owed=${owed} data-testid="personal-owed">${ngettext("{n} not called back", "{n} not called back", owed)}</span>
    </h3>
    <ul>
      ${calls.slice(0, SHOWN).map(
        (one) => html`<li key=${one.id} data-testid="personal-call" data-state=${one.state}>
          <time>${clock(one.at)}</time>
          <span class="missed-who">
            <a href=${`/calls/${one.call}`} target="_blank" rel="noopener"><b>${one.name || phone(one.from)}</b></a>
            ${one.customer && html`<${StatusBadge} status=${one.customer.status} />`}
            <span class="personal-state"><${Icon} name=${one.state === "talked" ? "ready" : "missed"} />${since(one)}</span>
            <span class="soft">${why(one)}</span>
          </span>
        </li>`,
      )}
    </ul>
    ${hidden > 0 && html`<p class="soft">${ngettext("and {n} more", "and {n} more", hidden)}</p>`}
  </div>`;
}
