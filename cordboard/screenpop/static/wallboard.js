/** The supervisor's wallboard: queues, who waits in them and why, what the operators do, and whom they owe a call. */
import { Operators } from "./crew.js";
import { percent, phone } from "./format.js";
import { _, language, load, ngettext } from "./i18n.js";
import { MoveButton, MoveForm } from "./moving.js";
import { PersonalCalls } from "./personal.js";
import { Stream } from "./stream.js";
import {
  Alarms,
  Icon,
  LinkState,
  reasonText,
  StaleBanner,
  startClock,
  StatusBadge,
  Timer,
  Unseen,
  useStreamByFrame,
} from "./ui.js";
import { Component, html, render } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Level} Level */
/** @typedef {import("./stream.js").Queue} Queue */
/** @typedef {import("./stream.js").Waiting} Waiting */

export const stream = new Stream();

const main = /** @type {HTMLElement} */ (document.getElementById("wallboard"));
const ALARM_FACTOR = 3;
const LOW_PERCENT = 80;
const WAITING_SHOWN = 12;
/** From so many queues on, their tiles are made smaller: whoever waits is to be seen beneath them. */
const DENSE = 5;

function Wallboard() {
  return html`
    <${StaleBanner} stream=${stream} freeze=${true} />
    <${Alarms} stream=${stream} />
    <${Queues} />
    <${Legend} />
    <div class="board-grid">
      <${WaitingCallers} />
      <${Operators} stream=${stream} />
      <${PersonalCalls} stream=${stream} />
    </div>
  `;
}

/* Queues. */

function queuesNow() {
  return [...(stream.state?.queues.values() ?? [])].sort(
    (one, other) => trouble(other) - trouble(one) || one.name.localeCompare(other.name, language),
  );
}

/** How bad it is, in steps: tiles must not trade places with every second. */
function trouble(/** @type {Queue} */ queue) {
  if (!queue.waiting || !queue.longest_since) return 0;
  const waited = stream.now() - Date.parse(queue.longest_since);
  const threshold = queue.service_level.threshold * 1000;
  return waited > threshold * ALARM_FACTOR ? 3 : waited > threshold ? 2 : 1;
}

function Queues() {
  useStreamByFrame(stream, ["snapshot", "queues"]);
  const queues = queuesNow();
  return html`<section class="tiles" aria-label=${_("Queues")} data-dense=${queues.length >= DENSE}>
    ${queues.map((queue) => html`<${QueueTile} key=${queue.name} queue=${queue} />`)}
  </section>`;
}

class QueueTile extends Component {
  shouldComponentUpdate(/** @type {{queue: Queue}} */ next) {
    return next.queue !== this.props.queue;
  }

  render() {
    const { queue } = /** @type {{queue: Queue}} */ (this.props);
    const level = queue.service_level;
    const waiting = ngettext("{n} caller is waiting", "{n} callers are waiting", queue.waiting);
    const threshold = level.threshold * 1000;
    const low = level.percent !== null && level.percent < LOW_PERCENT;
    return html`<article class="tile-queue" data-testid=${`queue-${queue.name}`} data-waiting=${queue.waiting}>
      <h2>${queue.name}</h2>
      <div class="tile-figures">
        <div class="tile-waiting" title=${waiting}>
          <b aria-label=${waiting} data-testid="queue-waiting">${queue.waiting}</b>
          <span>${_("waiting")}</span>
        </div>
        <div class="tile-longest" title=${_("longest wait")}>
          ${queue.waiting > 0 && queue.longest_since
            ? html`<${Timer} since=${queue.longest_since} warn=${threshold} alarm=${threshold * ALARM_FACTOR} testid="queue-longest" />`
            : html`<span class="timer none">–</span>`}
          <span>${_("longest wait")}</span>
        </div>
      </div>
      <div class="level" data-testid="service-level" data-low=${low} title=${sum(level)}>
        <div class="level-words">
          <span>${_("Service level")}</span>
          <b>${low && html`<${Icon} name="warning" />`}${level.percent === null ? "—" : percent(level.percent)}</b>
        </div>
        <svg class="level-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="level-back" width="100" height="4" />
          <rect class="level-fill" width=${level.percent ?? 0} height="4" />
        </svg>
        <p class="level-counts">${counts(level)}</p>
      </div>
    </article>`;
  }
}

function counts(/** @type {Level} */ level) {
  if (level.percent === null) return _("No calls yet today");
  const answered = ngettext("{n} answered", "{n} answered", level.answered);
  const abandoned = ngettext("{n} abandoned", "{n} abandoned", level.abandoned);
  return `${answered} · ${abandoned}`;
}

/** The service level as it was worked out, in figures. */
function sum(/** @type {Level} */ level) {
  if (level.percent === null) return _("No calls yet today");
  const { answered, answered_in_time, abandoned, short_abandoned } = level;
  return `${answered_in_time} ÷ (${answered} + ${abandoned} − ${short_abandoned}) = ${percent(level.percent)}`;
}

function Legend() {
  useStreamByFrame(stream, ["snapshot", "queues"]);
  /** @type {Map<string, Level>} */
  const kinds = new Map();
  for (const { service_level } of stream.state?.queues.values() ?? []) {
    kinds.set(`${service_level.threshold}/${service_level.short_abandon}`, service_level);
  }
  return html`<div class="legend">
    ${[...kinds.values()].map(
      (level) =>
        html`<p>
          ${_("Service level of the day = answered within {threshold} s ÷ (answered + abandoned − abandoned within {short} s)", {
            threshold: level.threshold,
            short: level.short_abandon,
          })}
        </p>`,
    )}
  </div>`;
}

/* Who waits. */

function WaitingCallers() {
  useStreamByFrame(stream, ["snapshot", "waiting", "queues"]); // who waits may be told before the queue is
  const { state } = stream;
  if (!state) return html`<section class="panel"><p class="soft">${_("Connecting…")}</p></section>`;
  const queues = queuesNow().filter((queue) => state.waiting.get(queue.name)?.length);
  return html`<section class="panel waiting-panel">
    <h2>${_("Waiting callers")}</h2>
    ${queues.length
      ? queues.map((queue) => html`<${WaitingQueue} key=${queue.name} queue=${queue} entries=${state.waiting.get(queue.name)} />`)
      : html`<p class="calm" data-testid="nobody-waits"><${Icon} name="ready" />${_("Nobody is waiting.")}</p>`}
  </section>`;
}

class WaitingQueue extends Component {
  /** @type {{moving: {call: string, name: string} | null, all: boolean}} */
  state = { moving: null, all: false };

  shouldComponentUpdate(
    /** @type {{queue: Queue, entries: Waiting[]}} */ next,
    /** @type {{moving: {call: string, name: string} | null, all: boolean}} */ state,
  ) {
    const { queue, entries } = /** @type {any} */ (this.props);
    return (
      next.entries !== entries ||
      state.moving !== this.state.moving ||
      state.all !== this.state.all ||
      next.queue.service_level.threshold !== queue.service_level.threshold
    );
  }

  open(/** @type {string} */ call) {
    const { entries } = /** @type {{entries: Waiting[]}} */ (this.props);
    const entry = entries.find((one) => one.call === call);
    const again = !entry || this.state.moving?.call === call;
    this.setState({ moving: again ? null : { call, name: entry.name || phone(entry.from) } });
  }

  close() {
    const call = this.state.moving?.call;
    this.setState({ moving: null });
    /** @type {HTMLElement | null} */ (document.querySelector(`[data-testid="move-${call}"]`))?.focus();
  }

  render() {
    const { queue, entries } = /** @type {{queue: Queue, entries: Waiting[]}} */ (this.props);
    const { moving, all } = this.state;
    const threshold = queue.service_level.threshold * 1000;
    const shown = all ? entries : entries.slice(0, WAITING_SHOWN);
    const hidden = entries.length - shown.length;
    return html`<div class="waiting-queue" data-testid=${`waiting-queue-${queue.name}`}>
      <h3>${queue.name}</h3>
      ${moving &&
      html`<${MoveForm}
        key=${moving.call}
        stream=${stream}
        call=${moving.call}
        name=${moving.name}
        entry=${entries.find((one) => one.call === moving.call) ?? null}
        onClose=${() => this.close()}
      />`}
      <ol>
        ${shown.map(
          (entry) => html`<li key=${entry.call} class="waiting" data-away=${Boolean(entry.away)} data-testid=${`waiting-${entry.call}`}>
            <span class="position">${entry.position}</span>
            <span class="waiting-who">
              <span class="waiting-name">
                <a href=${`/calls/${entry.call}`} target="_blank" rel="noopener"><b>${entry.name || phone(entry.from)}</b></a>
                ${entry.status && html`<${StatusBadge} status=${entry.status} />`}
                ${entry.callback && html`<span class="estimate" title=${_("The caller has hung up and is called back in his turn")} data-testid="callback">${_("callback")}</span>`}
                <${Estimate} seconds=${entry.estimated_wait} />
              </span>
              ${entry.away && html`<span class="waiting-away" data-testid="away"><${Icon} name="ringing" />${awayText(entry.away)}</span>`}
              <span class="waiting-why">
                ${entry.priority > 0 &&
                html`<b class="waiting-priority" data-testid="priority">${_("Priority {priority}", { priority: entry.priority })}</b> · `}
                ${entry.why.map(reasonText).join(" · ")}
              </span>
              <${Unseen} gaps=${entry.unseen} />
            </span>
            <${Timer} since=${entry.since} warn=${threshold} alarm=${threshold * ALARM_FACTOR} />
            <${MoveButton} entry=${entry} open=${moving?.call === entry.call} onOpen=${(/** @type {string} */ call) => this.open(call)} />
          </li>`,
        )}
      </ol>
      ${entries.length > WAITING_SHOWN &&
      html`<button
        type="button"
        class="quiet waiting-more"
        aria-expanded=${all}
        data-testid=${`waiting-more-${queue.name}`}
        onClick=${() => this.setState({ all: !all })}
      >
        ${all ? _("Show the first {n} alone", { n: WAITING_SHOWN }) : ngettext("and {n} more", "and {n} more", hidden)}
      </button>`}
    </div>`;
  }
}

/** Where a caller is whose place is kept. */
function awayText(/** @type {import("./stream.js").Away} */ away) {
  const values = { operator: away.operator_name ?? "" };
  if (away.who === "operator") return _("At the phone of {operator}: this place is kept", values);
  return away.who === "last-operator"
    ? _("At the phone of {operator}, the last operator: this place is kept", values)
    : _("At the phone of {operator}, the personal manager: this place is kept", values);
}

/** How long the wait will be from now, in whole minutes: it is an estimate. */
function Estimate(/** @type {{seconds?: number | null}} */ { seconds }) {
  if (seconds === null || seconds === undefined) return null;
  const text = _("≈ {n} min", { n: Math.max(1, Math.round(seconds / 60)) });
  return html`<span class="estimate" title=${_("Estimated wait from now on")} data-testid="estimate">${text}</span>`;
}

await load();
startClock(() => stream.now());
render(
  html`<${LinkState} stream=${stream} />`,
  /** @type {HTMLElement} */ (document.getElementById("bar")),
);
render(html`<${Wallboard} />`, main);
stream.start();
