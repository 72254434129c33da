/** The floor around the operator's desk: queues, colleagues. */
import { _, ngettext } from "./i18n.js";
import { me, stream, useOperator } from "./live.js";
import { OwnState } from "./states.js";
import { Icon, LinkState, StatePill, Timer, useStream } from "./ui.js";
import { Component, html, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Operator} Operator */

export function Bar() {
  return html`<${OwnState} /><${QueueFigures} /><${LinkState} stream=${stream} />`;
}

const BAR_QUEUES = 3;
/** In these states the bar has no room for more than one. */
const BUSY_BAR = ["wrap-up", "paused"];

function QueueFigures() {
  useStream(stream, ["queues", "snapshot"]);
  const own = useOperator(me);
  const all = [...(stream.state?.queues.values() ?? [])];
  const queues = own?.queues.length ? all.filter((queue) => own.queues.includes(queue.name)) : all;
  if (!queues.length) return null;
  const longest = queues
    .map((queue) => queue.longest_since)
    .filter((since) => since !== null)
    .sort()[0];
  const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0);
  if (queues.length > (own && BUSY_BAR.includes(own.state) ? 1 : BAR_QUEUES)) {
    return html`<span class="figures" data-testid="queue-figures">
      <${Figure} name=${_("Queues")} waiting=${waiting} longest=${longest} />
    </span>`;
  }
  return html`<span class="figures" data-testid="queue-figures">
    ${queues.map(
      (queue) =>
        html`<${Figure} key=${queue.name} name=${queue.name} waiting=${queue.waiting} longest=${queue.longest_since} />`,
    )}
  </span>`;
}

function Figure(/** @type {{name: string, waiting: number, longest?: string | null}} */ props) {
  const { name, waiting, longest } = props;
  const title = ngettext("{n} caller is waiting", "{n} callers are waiting", waiting);
  return html`<span class="figure" data-busy=${waiting > 0} title=${`${name}: ${title}`}>
    <span class="figure-name">${name}</span>
    <${Icon} name="people" /><b aria-label=${title}>${waiting}</b>
    ${waiting > 0 && longest && html`<${Timer} since=${longest} />`}
  </span>`;
}

/* Colleagues: folded away until somebody asks, for there may be hundreds. */

export function Colleagues() {
  useStream(stream, ["operators", "snapshot"]);
  const [open, setOpen] = useState(false);
  const all = [...(stream.state?.operators.values() ?? [])].filter((one) => one.name !== me);
  if (!all.length) return null;
  const ready = all.filter((one) => one.state === "ready").length;
  const toggled = (/** @type {any} */ event) => setOpen(event.target.open);
  return html`<details class="colleagues" data-testid="colleagues" onToggle=${toggled}>
    <summary>
      <span>${_("Colleagues")}</span>
      <span class="soft">${ngettext("{n} ready", "{n} ready", ready)}</span>
    </summary>
    ${open && html`<ul>${all.sort(byState).map((one) => html`<${Colleague} key=${one.name} operator=${one} />`)}</ul>`}
  </details>`;
}

const ORDER = ["ready", "offered", "talking", "on-hold", "wrap-up", "paused", "offline"];

function byState(/** @type {Operator} */ one, /** @type {Operator} */ other) {
  return (
    ORDER.indexOf(one.state) - ORDER.indexOf(other.state) ||
    one.display_name.localeCompare(other.display_name)
  );
}

class Colleague extends Component {
  shouldComponentUpdate(/** @type {{operator: Operator}} */ next) {
    return next.operator !== this.props.operator;
  }

  render() {
    const { operator } = /** @type {{operator: Operator}} */ (this.props);
    return html`<li>
      <span class="colleague-name">${operator.display_name}</span>
      <${StatePill} state=${operator.state} group="operator" since=${operator.state === "offline" ? undefined : operator.since} />
    </li>`;
  }
}
