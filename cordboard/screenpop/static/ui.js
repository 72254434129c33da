/** What the console and the wallboard share: words, icons, timers, badges, the stale banner. */
import { clock, clockSeconds, duration, languageName } from "./format.js";
import { _, language, ngettext } from "./i18n.js";
import { interruptedText, scriptText } from "./path.js";
import { Component, html, useEffect, useLayoutEffect, useReducer, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Stream} Stream */
/** @typedef {import("./stream.js").Reason} Reason */
/** @typedef {import("./stream.js").Gap} Gap */
/** @typedef {import("./stream.js").Alarm} Alarm */

/* Words for the codes that come over the stream. Made on first use: the catalogue is there by then. */

/** @type {Record<string, () => Record<string, string>>} */
const WORDS = {
  operator: () => ({
    offline: _("Offline"),
    ready: _("Ready"),
    offered: _("Ringing"),
    talking: _("Talking"),
    "on-hold": _("On hold"),
    "wrap-up": _("Wrap-up"),
    paused: _("Paused"),
  }),
  phase: () => ({
    ringing: _("Ringing"),
    talking: _("Talking"),
    "on-hold": _("On hold"),
    "wrap-up": _("Wrap-up"),
    missed: _("Call is gone"),
  }),
  status: () => ({
    new: _("New"),
    regular: _("Regular"),
    vip: _("VIP"),
    debtor: _("Debtor"),
    blocked: _("Blocked"),
  }),
  result: () => ({
    resolved: _("Resolved"),
    callback: _("Call back"),
    complaint: _("Complaint"),
    order: _("Order"),
    "wrong-number": _("Wrong number"),
    other: _("Other"),
  }),
  outcome: () => ({
    completed: _("Talked"),
    abandoned: _("Caller gave up waiting"),
    "no-answer": _("No answer"),
    busy: _("Busy"),
    rejected: _("Declined"),
    cancelled: _("Cancelled"),
    failed: _("Failed"),
    lost: _("Connection lost"),
    "timed-out": _("Waited too long"),
    moved: _("Moved elsewhere"),
  }),
  missed: () => ({
    "answered-elsewhere": _("A colleague answered"),
    "no-answer": _("You did not answer"),
    rejected: _("You declined"),
    busy: _("Your phone was busy"),
    "caller-left": _("The caller hung up"),
    failed: _("Your phone could not be reached"),
    lost: _("The call was lost from view"),
    done: _("Not written up"),
  }),
  case: () => ({
    open: _("Open"),
    waiting: _("Waiting for the customer"),
    escalated: _("Escalated"),
    closed: _("Closed"),
  }),
};
/** @type {Record<string, Record<string, string>>} */
const made = {};

/** The word for a code; a code of the administrator's own is shown as it is written. */
export function word(/** @type {keyof typeof WORDS} */ group, /** @type {string} */ code) {
  made[group] ??= WORDS[group]();
  const own = code.replaceAll(/[-_]/g, " ");
  return made[group][code] ?? own.charAt(0).toLocaleUpperCase(language) + own.slice(1);
}

/** In which language to talk to the customer. */
export function speaks(/** @type {string} */ code) {
  if (code === "ru") return _("Speaks Russian");
  if (code === "bg") return _("Speaks Bulgarian");
  if (code === "en") return _("Speaks English");
  return _("Language: {language}", { language: languageName(code) });
}

/** A pause that the server itself sets. */
export const PHONE_LOST = "phone-lost";

/** The configured reasons for a pause, in the order of their keys.
 * @type {{name: string, minutes: number | null, text: Record<string, string>}[]} */
export const pauses = JSON.parse(document.querySelector("main")?.dataset.pauses ?? "[]");

/** Why an operator is paused; a reason that somebody set on the PBX is shown as it stands there. */
export function pauseReason(/** @type {string | null} */ reason) {
  switch (reason) {
    case PHONE_LOST:
      return _("Phone lost");
    case "missed":
      return _("Calls not taken");
    case "declined":
      return _("Declined a call");
    case "forced":
      return _("Paused by a supervisor");
    case "wrap-up":
      return _("Wrap-up");
  }
  const text = pauses.find((pause) => pause.name === reason)?.text;
  return text?.[language] ?? text?.en ?? (text && Object.values(text)[0]) ?? reason;
}

/** How the PBX's default way came to be taken. */
function fallbackText(/** @type {unknown} */ how) {
  if (how === "interrupted") return _("The routing broke off half way: the PBX's default queue took the call");
  if (how === "late") return _("cordboard did not answer in time: the PBX's default queue took the call");
  return _("cordboard could not be reached: the PBX's default queue took the call");
}

/** What became of a phone that was called, from Asterisk's DIALSTATUS. */
function dialled(/** @type {unknown} */ status) {
  if (status === "UNCONFIRMED") return _("answered, but not confirmed by a digit");
  const codes = { BUSY: "busy", CANCEL: "cancelled", CHANUNAVAIL: "failed", CONGESTION: "failed", DECLINED: "rejected" };
  const code = codes[/** @type {keyof typeof codes} */ (String(status))] ?? "no-answer";
  return word("outcome", code).toLocaleLowerCase(language);
}

/** Why whoever the call went to in person did not take it. */
function notReached(/** @type {Record<string, any>} */ args) {
  const outcome = dialled(args.status);
  if (!args.operator) return _("Rang at the personal manager's: {outcome}", { outcome });
  const values = { operator: String(args.operator), outcome };
  return args.where === "desk"
    ? _("Rang at the desk of {operator}: {outcome}", values)
    : _("Rang at the mobile of {operator}: {outcome}", values);
}

/** A routing reason in words. */
export function reasonText(/** @type {Reason} */ reason) {
  const text = reason.text?.[language] ?? reason.text?.en ?? Object.values(reason.text ?? {})[0];
  if (text) return text;
  const args = reason.args ?? {};
  switch (reason.code) {
    case "customer-unknown":
      return _("The number is not known");
    case "customer-lookup-failed":
      return _("The customer could not be looked up in time");
    case "lookup-failed":
      return _("{lookup} did not say in time who this is", { lookup: String(args.lookup) });
    case "language":
      return _("Caller's language: {language}", { language: languageName(String(args.language)) });
    case "rule":
      return _("Routing rule: {rule}", { rule: String(args.rule) });
    case "closed":
      return closedText(args);
    case "back-from-manager":
      return _("Came back from the personal manager");
    case "manager-not-reached":
      return notReached(args);
    case "personal-away":
      return _("{operator} could not be rung: busy, paused or away", { operator: String(args.operator) });
    case "number-not-reached":
      return _("Rang at a number outside: {outcome}", { outcome: dialled(args.status) });
    case "voicemail-failed":
      return _("No message could be left: the mailbox is not there");
    case "script-failed":
      return _("The dialplan's script is not there, or does not end");
    case "overflow":
      return _("Has waited as long as the rule lets him");
    case "callback-not-taken":
      return _("Was called back: {outcome}", { outcome: dialled(args.status) });
    case "transfer-not-taken":
      return _("Was transferred and came back: {outcome}", { outcome: dialled(args.status) });
    case "phone-lost":
      return _("The phone of {operator} went away in the middle of the call: the caller goes first", {
        operator: String(args.operator),
      });
    case "raised":
      return _("Raised to {priority} after {time} of waiting", {
        priority: String(args.priority),
        time: duration(Number(args.seconds) * 1000),
      });
    case "status-changed":
      return args.before
        ? _("Became “{status}” while waiting, was “{before}”", {
            status: word("status", String(args.status)),
            before: word("status", String(args.before)),
          })
        : _("Became “{status}” while waiting", { status: word("status", String(args.status)) });
    case "customer-changed":
      return _("The customer's record was changed while they waited");
    case "stays":
      return _("By now the rules would not put this call into a queue; it stays, since it waits already");
    case "moved-by-hand":
      return _("Moved by {operator}: {reason}", {
        operator: String(args.operator),
        reason: String(args.reason),
      });
    case "script":
      return scriptText(args);
    case "fallback":
      return args.how === "script" ? interruptedText(args) : fallbackText(args.how);
    case "no-decision":
      return _("cordboard was away when the call came: the PBX's own queue took it");
  }
  const details = Object.entries(args).map(([name, value]) => `${name}: ${value}`);
  return [reason.code, ...details].join(" · ");
}

/** Why nobody is at the desk, and until when. */
function closedText(/** @type {Record<string, unknown>} */ { because, holiday, opens }) {
  const why =
    because === "holiday"
      ? _("Closed today: {holiday}", { holiday: String(holiday) })
      : because === "hours"
        ? _("Closed at this hour")
        : _("Closed today");
  if (!opens) return why;
  // Local time of the desk, whatever the browser's own zone is.
  const when = new Intl.DateTimeFormat(language, {
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC",
  }).format(new Date(`${opens}:00Z`));
  return `${why} (${_("opens {when}", { when })})`;
}

/* Icons, 20 by 20, drawn with the colour of the text. */

/** @type {Record<string, string>} */
const PATHS = {
  ringing: "M4 5c0 6 5 11 11 11l1-3-4-2-1.5 1.5c-1.5-.7-2.7-1.9-3.5-3.5L8.5 7.5 7 4zM13 3.5a4 4 0 0 1 3.5 3.5M12.7 6.2a1.7 1.7 0 0 1 1.2 1.2",
  talking: "M4 5c0 6 5 11 11 11l1-3-4-2-1.5 1.5c-1.5-.7-2.7-1.9-3.5-3.5L8.5 7.5 7 4z",
  "on-hold": "M7.5 5v10M12.5 5v10",
  "wrap-up": "M4 16l.8-3.5L13 4.3a1.4 1.4 0 0 1 2 0l.7.7a1.4 1.4 0 0 1 0 2L7.5 15.2z",
  paused: "M5 7h8v4.5a3.5 3.5 0 0 1-3.5 3.5h-1A3.5 3.5 0 0 1 5 11.5zM13 8h1.5a1.8 1.8 0 0 1 0 3.6H13M7.5 3v1.5M10.5 3v1.5",
  ready: "M4.5 10.5l3.5 3.5 7.5-8",
  offline: "M5 10h10",
  missed: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  star: "M10 3l2.1 4.6 5 .5-3.8 3.3 1.1 4.9L10 13.7l-4.4 2.6 1.1-4.9L2.9 8.1l5-.5z",
  debt: "M10 4.5v6.5M10 14.8v.4",
  blocked: "M4.7 4.7l10.6 10.6M10 2.7a7.3 7.3 0 1 1 0 14.6 7.3 7.3 0 0 1 0-14.6z",
  new: "M10 4.5v11M4.5 10h11",
  speech: "M3.5 4.5h13v8.5H9l-3.5 3v-3h-2z",
  move: "M7 3.5v13M7 3.5L4 6.5M7 3.5l3 3M13 16.5v-13M13 16.5l-3-3M13 16.5l3-3",
  head: "M4 4h12M10 16.5V7.5M10 7.5L6.5 11M10 7.5l3.5 3.5",
  up: "M10 16V5M10 5L6 9M10 5l4 4",
  down: "M10 4v11M10 15l-4-4M10 15l4-4",
  clock: "M10 2.7a7.3 7.3 0 1 1 0 14.6 7.3 7.3 0 0 1 0-14.6zM10 6v4.2l2.8 1.7",
  warning: "M10 3l7.5 13.5h-15zM10 8v4M10 14v.3",
  people: "M7.5 9.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM2.5 16c0-3 2-4.7 5-4.7s5 1.7 5 4.7M13 9.2a2.4 2.4 0 1 0-.8-4.6M14 11.4c2.2.3 3.5 1.9 3.5 4.2",
  close: "M6 6l8 8M14 6l-8 8",
  building: "M5 17V4h7v13M12 8h3.5v9M3.5 17h13M7.5 7h2M7.5 10h2M7.5 13h2",
};

export function Icon(/** @type {{name: string}} */ { name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${PATHS[name] ?? PATHS.offline} /></svg>`;
}

/* Timers: one clock for the page, which writes only the texts that changed. */

const timers = new Set();
/** @type {() => number} */
let now = Date.now;
let frozen = false;

/** Starts the page's clock, by which all timers go. */
export function startClock(/** @type {() => number} */ source) {
  now = source;
  const beat = () => {
    if (!frozen) for (const timer of timers) timer.paint();
    setTimeout(beat, 1000 - (now() % 1000));
  };
  beat();
}

/** Stops the timers while the picture is old: a time that goes on would be a claim. */
function freezeClock(/** @type {boolean} */ stop) {
  frozen = stop;
}

/** A time on the page that paints itself, each second and when what it is told changes. */
class Running extends Component {
  shouldComponentUpdate(/** @type {object} */ next) {
    this.props = next;
    this.paint();
    return false;
  }

  componentDidMount() {
    timers.add(this);
    this.paint();
  }

  componentWillUnmount() {
    timers.delete(this);
  }

  /** What it shows now. */
  paint() {}

  /** Writes only what is another than before. */
  show(/** @type {string} */ text, /** @type {string} */ level) {
    const element = /** @type {HTMLElement} */ (this.base);
    if (element.textContent !== text) element.textContent = text;
    if ((element.dataset.level ?? "") !== level) element.dataset.level = level;
  }
}

/**
 * Time since `since` (the server's milliseconds or a time as text), running. From `warn` and from
 * `alarm` milliseconds on it carries `data-level`, for the style.
 * @typedef {{since: number | string, warn?: number, alarm?: number, testid?: string}} TimerProps
 */
export class Timer extends Running {
  paint() {
    const { since, warn, alarm } = /** @type {TimerProps} */ (this.props);
    const passed = now() - (typeof since === "number" ? since : Date.parse(since));
    const level = alarm && passed >= alarm ? "alarm" : warn && passed >= warn ? "warn" : "";
    this.show(duration(passed), level);
  }

  render() {
    const { testid } = /** @type {TimerProps} */ (this.props);
    return html`<span class="timer" role="timer" data-testid=${testid}></span>`;
  }
}

/**
 * Time left until `until`, running; once it is over, by how much, with a plus.
 * @typedef {{until: string, label: string, testid?: string}} CountdownProps
 */
export class Countdown extends Running {
  paint() {
    const { until, label } = /** @type {CountdownProps} */ (this.props);
    const element = /** @type {HTMLElement} */ (this.base);
    const left = Date.parse(until) - now();
    const text = left < 0 ? `+${duration(-left)}` : duration(left + 999);
    this.show(text, left < 0 ? "alarm" : left < 10_000 ? "warn" : "");
    if (element.title !== label) element.title = label;
  }

  render() {
    const { testid } = /** @type {CountdownProps} */ (this.props);
    return html`<span class="timer countdown" role="timer" data-testid=${testid}></span>`;
  }
}

/* Badges. */

/** @type {Record<string, string>} */
const STATUS_ICONS = { vip: "star", debtor: "debt", blocked: "blocked", new: "new" };

export function StatusBadge(/** @type {{status: string, testid?: string}} */ { status, testid }) {
  const icon = STATUS_ICONS[status];
  return html`<span class="badge" data-status=${status} data-testid=${testid}
    >${icon && html`<${Icon} name=${icon} />`}${word("status", status)}</span
  >`;
}

/**
 * A state as a pill: icon, word, and the time in it. Never the colour alone.
 * @param {{state: string, group: string, since?: number | string, testid?: string, warn?: number}} props
 */
export function StatePill({ state, group, since, testid, warn }) {
  const shown = state === "offered" ? "ringing" : state;
  return html`<span class="pill" data-state=${shown}>
    <${Icon} name=${shown} />
    <span data-testid=${testid && `${testid}-state`} data-value=${state}>${word(group, state)}</span>
    ${since !== undefined &&
    html`<${Timer} since=${since} warn=${warn} testid=${testid && `${testid}-timer`} />`}
  </span>`;
}

/* Following the stream. */

/**
 * Renders the component again after each message of these types for which `wanted` says so.
 * @param {Stream} stream
 * @param {string[]} types
 * @param {(message: any) => boolean} [wanted]
 */
export function useStream(stream, types, wanted) {
  const [, again] = useReducer((/** @type {number} */ count) => count + 1, 0);
  useLayoutEffect(
    () => stream.on(types, (message) => (!wanted || wanted(message) ? again(null) : undefined)),
    [],
  );
}

/**
 * The same for a page of many changes: it renders once a frame at most.
 * @param {Stream} stream
 * @param {string[]} types
 */
export function useStreamByFrame(stream, types) {
  const [, again] = useReducer((/** @type {number} */ count) => count + 1, 0);
  useLayoutEffect(() => {
    let due = 0;
    const off = stream.on(types, () => {
      due ||= requestAnimationFrame(() => {
        due = 0;
        again(null);
      });
    });
    return () => {
      off();
      cancelAnimationFrame(due);
    };
  }, []);
}

/** When a call could not be seen; the last of several gaps, all of them in the title. */
export function Unseen(/** @type {{gaps?: Gap[]}} */ { gaps }) {
  if (!gaps?.length) return null;
  const texts = gaps.map(({ since, until }) =>
    _("between {since} and {until} not seen", { since: clockSeconds(since), until: clockSeconds(until) }),
  );
  return html`<span class="unseen" data-testid="unseen" title=${texts.join("; ")}>
    <${Icon} name="warning" />${texts.at(-1)}
  </span>`;
}

/** What a PBX does not tell of, in words. */
function missing(/** @type {string} */ part) {
  switch (part) {
    case "calls":
      return _("Calls are unavailable: the PBX does not list its channels. What you see may be old.");
    case "queues":
      return _("Queues are unavailable: the PBX does not list them. What you see may be old.");
    default:
      return _("The states of phones are unavailable: the PBX does not list them.");
  }
}

const BLIP = 1000;

/** Says from when the picture is old, while the server or a PBX is away. */
export function StaleBanner(/** @type {{stream: Stream, freeze?: boolean}} */ { stream, freeze }) {
  useStream(stream, ["snapshot", "pbx", "link"]);
  const [late, setLate] = useState(false);
  const away = stream.link === "away";
  useEffect(() => {
    if (!away) return setLate(false);
    const timer = setTimeout(() => setLate(true), BLIP);
    return () => clearTimeout(timer);
  }, [away]);

  const links = [...(stream.state?.pbx.values() ?? [])];
  const stale = links.filter((pbx) => pbx.state !== "up" || pbx.stale_since);
  const none = away || (links.length > 0 && stale.length === links.length);
  useEffect(() => {
    if (freeze) freezeClock(none);
    document.documentElement.classList.toggle("is-stale", none && (late || !away));
  }, [none, late, away]);

  /** @type {string[]} */
  const texts = [];
  if (away && late && stream.state) {
    texts.push(
      _("Stale since {time}: the connection to the server is lost. Calls go on; reconnecting…", {
        time: clock(stream.staleSince ?? stream.now()),
      }),
    );
  } else if (away && late) {
    texts.push(_("The server cannot be reached. Trying again…"));
  } else {
    for (const pbx of stale) {
      const values = { time: clock(pbx.stale_since ?? pbx.since), pbx: pbx.name };
      if (pbx.restarting && pbx.state !== "up") {
        texts.push(_("Stale since {time}: the PBX “{pbx}” is restarting. No new calls until it is back.", values));
        continue;
      }
      texts.push(
        links.length > 1
          ? _("Stale since {time}: no link to the PBX “{pbx}”. Calls go on; what you see may be old.", values)
          : _("Stale since {time}: no link to the PBX. Calls go on; what you see may be old.", values),
      );
    }
  }
  texts.push(...new Set(links.flatMap((pbx) => (pbx.unavailable ?? []).map(missing))));
  if (!texts.length) return null;
  return html`<div class="stale" role="status" data-testid="stale-banner">
    <${Icon} name="warning" />
    <div>${texts.map((text) => html`<p>${text}</p>`)}</div>
  </div>`;
}

/** What a supervisor must know of, in words. */
function alarmText(/** @type {Alarm} */ { kind, count, detail }) {
  switch (kind) {
    case "forged-callers":
      return ngettext(
        "{n} message with a forged caller id was held back. Somebody may be attacking the PBX: filter calls before they reach it.",
        "{n} messages with forged caller ids were held back. Somebody may be attacking the PBX: filter calls before they reach it.",
        count,
      );
    case "fallback-routed":
      return ngettext(
        "{n} caller went to the PBX's default queue because cordboard did not answer in time.",
        "{n} callers went to the PBX's default queue because cordboard did not answer in time.",
        count,
      );
    case "phone-lost":
      return _("A phone went away in the middle of a call: {detail}", { detail });
    case "calls-missed":
      return ngettext(
        "{n} operator let calls ring and is paused: {detail}",
        "{n} operators let calls ring and are paused, the last one {detail}",
        count,
      ).replace("{detail}", detail);
    case "pause-over":
      return ngettext(
        "{n} pause lasts longer than it may: {detail}",
        "{n} pauses last longer than they may, the latest that of {detail}",
        count,
      ).replace("{detail}", detail);
    case "pops-missed":
      return ngettext(
        "{n} card was not shown in time by an open console, the last for {detail}.",
        "{n} cards were not shown in time by an open console, the last for {detail}.",
        count,
      ).replace("{detail}", detail);
    case "spooling":
      return ngettext(
        "The database is away. {n} record waits on disk and will be written when it is back.",
        "The database is away. {n} records wait on disk and will be written when it is back.",
        count,
      );
    case "disk-full":
      return _("The disk is full: nothing can be kept. Calls go on. Make room on the server.");
    case "records-lost":
      return ngettext("{n} record could not be kept.", "{n} records could not be kept.", count);
    case "behind":
      return ngettext(
        "Everything here comes {n} second late: the PBX tells more than can be taken in. Calls go on.",
        "Everything here comes {n} seconds late: the PBX tells more than can be taken in. Calls go on.",
        count,
      );
    case "clock-stepped":
      return ngettext(
        "The server's clock was set {n} second away. Times shown are of the old clock until no call is left.",
        "The server's clock was set {n} seconds away. Times shown are of the old clock until no call is left.",
        count,
      );
    case "lookup-failing":
      return _("Callers are routed without what {detail} knows: it does not answer, or answers rubbish.", { detail });
    case "webhook-failing":
      return _("Webhooks that fail: {detail}. Their events wait and are sent again; what is too old is given up.", { detail });
    case "policy-refused":
      return _("The changed routing rules are faulty, so the last good ones stay in force: {detail}", { detail });
    case "scripts-refused":
      return _("Scripts with faults; the last good version of each stays in force: {detail}", { detail });
    case "recorder-stopped":
      return _("The flight recorder has stopped: {detail}", { detail });
  }
  return detail ? `${kind}: ${detail}` : kind;
}

/** The alarms that stand, for supervisors; others are sent none. */
export function Alarms(/** @type {{stream: Stream}} */ { stream }) {
  useStream(stream, ["snapshot", "alarm", "alarm-end"]);
  const alarms = [...(stream.state?.alarms.values() ?? [])];
  if (!alarms.length) return null;
  return html`<ul class="alarms" role="status" data-testid="alarms">
    ${alarms.map(
      (alarm) => html`<li key=${alarm.kind} class="alarm" data-testid="alarm" data-kind=${alarm.kind}>
        <${Icon} name="warning" />
        <span>${alarmText(alarm)}</span>
        <time datetime=${alarm.since}>${_("since {time}", { time: clock(alarm.since) })}</time>
      </li>`,
    )}
  </ul>`;
}

/** Whether the page hears from the server, small, for the bar. */
export function LinkState(/** @type {{stream: Stream}} */ { stream }) {
  useStream(stream, ["snapshot", "link"]);
  const words = {
    live: _("Live"),
    connecting: _("Connecting…"),
    away: _("Reconnecting…"),
  };
  return html`<span class="link" data-link=${stream.link} data-testid="link-state"
    >${words[stream.link]}</span
  >`;
}
