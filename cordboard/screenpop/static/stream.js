/**
 * The live stream of docs/stream.md: one snapshot, then numbered messages folded into it.
 *
 * A gap in the numbers or an unknown session loads a fresh snapshot; a broken connection is taken
 * up where it stopped. While the server is away the picture stays as it was, with the time from
 * which it is old.
 */
import { post } from "./api.js";
import { _ } from "./i18n.js";

/** @typedef {{code: string, args?: Record<string, any>, text?: Record<string, string> | null}} Reason */
/** @typedef {{id: string, linkedid?: string, pbx?: string, from: string, name: string, to?: string, customer?: {id: string | null, name: string, status: string | null} | null, queue: string | null, operator?: string | null, direction?: string, state: string, cause?: string | null, started_at?: string, answered_at?: string | null, ended_at?: string | null, unseen?: Gap[]}} Call */
/** When a call was not seen.
 * @typedef {{since: string, until: string}} Gap */
/** @typedef {{id: string | null, kind: string, name: string, phones: string[], status: string | null, language: string | null, manager: {name: string, display_name: string} | null, balance: number | null, currency: string, segment?: string | null, tags?: string[], do_not_disturb?: boolean, attributes?: Record<string, string | number | boolean>}} Customer */
/** @typedef {{id: string, operator: string | null, operator_name?: string | null, queue: string | null, started_at: string, ended_at: string | null, outcome: string | null, result: string | null, note: string}} Interaction */
/** @typedef {{id: string, title: string, state: string, opened_at: string}} Case */
/** @typedef {{id: string, operator: string, call: Call, customer: Customer | null, history: Interaction[], cases: Case[], others?: number, sources?: Record<string, string>, lookup_failed?: boolean, route: {queue: string | null, priority?: number, action?: string, why: Reason[]} | null, path?: PathStep[], at: string}} Pop */
/** @typedef {{script: string, step: string, title: Record<string, string>, way: string, entered: string, at: string}} PathStep */
/** @typedef {{name: string, display_name: string, state: string, since: string, reason: string | null, call: string | null, queues: string[], phone?: string | null, due?: string | null, at_most?: string | null, misses?: number}} Operator */
/** What a supervisor did to an operator.
 * @typedef {{operator: string, action: string, by: string, by_name: string, why: string, at: string}} Notice */
/** @typedef {{percent: number | null, threshold: number, short_abandon: number, answered: number, answered_in_time: number, abandoned: number, short_abandoned: number}} Level */
/** @typedef {{name: string, waiting: number, longest_since: string | null, service_level: Level}} Queue */
/** @typedef {{queue: string, call: string, position: number, name: string, from: string, status: string | null, priority: number, since: string, away?: Away | null, estimated_wait?: number | null, callback?: boolean, why: Reason[], unseen?: Gap[]}} Waiting */
/** @typedef {{name: string, state: "up" | "connecting" | "down", since: string, stale_since: string | null, reason: string | null, unavailable?: string[], boot?: string, restarting?: boolean}} Pbx */
/** @typedef {{name: string, display_name: string, role: string, phone: string | null, language: string | null, queues?: string[]}} User */
/** @typedef {{kind: string, count: number, detail: string, since: string, last: string}} Alarm */
/** @typedef {{who: string | null, operator: string | null, operator_name: string | null}} Away */
/** @typedef {{id: string, operator: string, operator_name: string, call: string, from: string, name: string, customer: {id: string, name: string, status: string} | null, why: string, at: string, state: "open" | "seen" | "talked", since: string}} Missed */
/** A person of a list, whom `operator` has.
 * @typedef {import("./people.js").Person & {operator: string, list: {id: string, name: string, script: string, tries: number}, customer: Customer | null, history: Interaction[], call: string | null, answered_at: string | null, ended_at: string | null, since: string}} Held */
/** @typedef {{id: string, ok: boolean, error: string | null, code: string | null, args: Record<string, string>}} Outcome */

/**
 * What is known now; every list of the snapshot by its key.
 * @typedef {{session: string, seq: number, user: User, pbx: Map<string, Pbx>,
 *   operators: Map<string, Operator>, queues: Map<string, Queue>, waiting: Map<string, Waiting[]>,
 *   calls: Map<string, Call>, pops: Map<string, Pop>, missed: Map<string, Missed>,
 *   respondents: Map<string, Held>, alarms: Map<string, Alarm>, notices: Map<string, Notice>}} State
 */

/** A snapshot as a state. */
export function begin(/** @type {any} */ snapshot) {
  /** @type {State} */
  const state = {
    session: snapshot.session,
    seq: snapshot.seq,
    user: snapshot.user,
    pbx: new Map(),
    operators: new Map(),
    queues: new Map(),
    waiting: new Map(),
    calls: new Map(),
    pops: new Map(),
    missed: new Map(),
    respondents: new Map(),
    alarms: new Map(),
    notices: new Map(),
  };
  for (const pbx of snapshot.pbx) state.pbx.set(pbx.name, pbx);
  for (const operator of snapshot.operators) state.operators.set(operator.name, operator);
  for (const queue of snapshot.queues) state.queues.set(queue.name, queue);
  for (const call of snapshot.calls) state.calls.set(call.id, call);
  for (const pop of snapshot.pops) state.pops.set(pop.id, pop);
  for (const missed of snapshot.missed) state.missed.set(missed.id, missed);
  for (const held of snapshot.respondents ?? []) state.respondents.set(held.operator, held);
  for (const alarm of snapshot.alarms) state.alarms.set(alarm.kind, alarm);
  for (const notice of snapshot.notices ?? []) state.notices.set(notice.operator, notice);
  for (const entry of snapshot.waiting) {
    const entries = state.waiting.get(entry.queue);
    if (entries) entries.push(entry);
    else state.waiting.set(entry.queue, [entry]);
  }
  return state;
}

/** Changes `state` by one message. An object that changes is replaced, never written into. */
export function fold(/** @type {State} */ state, /** @type {any} */ message) {
  state.seq = message.seq;
  switch (message.type) {
    case "screenpop": {
      const { type, seq, ...pop } = message;
      state.pops.set(pop.id, pop);
      break;
    }
    case "screenpop-end":
      state.pops.delete(message.id);
      break;
    case "call":
      state.calls.set(message.call.id, message.call);
      break;
    case "call-end":
      state.calls.delete(message.id);
      break;
    case "operators":
      for (const operator of message.changed) state.operators.set(operator.name, operator);
      break;
    case "queues":
      for (const queue of message.changed) state.queues.set(queue.name, queue);
      break;
    case "waiting":
      if (message.entries.length) state.waiting.set(message.queue, message.entries);
      else state.waiting.delete(message.queue);
      break;
    case "pbx":
      state.pbx.set(message.pbx.name, message.pbx);
      break;
    case "missed":
      state.missed.set(message.missed.id, message.missed);
      break;
    case "missed-end":
      state.missed.delete(message.id);
      break;
    case "respondent":
      state.respondents.set(message.respondent.operator, message.respondent);
      break;
    case "respondent-end":
      state.respondents.delete(message.operator);
      break;
    case "alarm":
      state.alarms.set(message.alarm.kind, message.alarm);
      break;
    case "notice":
      state.notices.set(message.notice.operator, message.notice);
      break;
    case "notice-end":
      state.notices.delete(message.operator);
      break;
    case "alarm-end":
      state.alarms.delete(message.kind);
      break;
  }
}

const FIRST_RETRY = 500;
const LAST_RETRY = 10_000;
const PING_EVERY = 10_000;
const SILENT_AFTER = 25_000;
const OUTCOME_WITHIN = 15_000;
const CLOCK_JUMP = 2_000;
/** The server's close code for a login that has ended. */
const SIGNED_OUT = 4001;

/** @typedef {"connecting" | "live" | "away"} Link */

export class Stream {
  /** @param {string} [path] */
  constructor(path = "/api/v1/stream") {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    /** @type {State | null} */
    this.state = null;
    /** @type {Link} */
    this.link = "connecting";
    /** The moment from which the picture is old, in the server's milliseconds. @type {number | null} */
    this.staleSince = null;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.offset = 0;
    this.attempts = 0;
    this.heardAt = Date.now();
    this.drift = Date.now() - performance.now();
    this.retry = 0;
    /** @type {Map<string, Set<(message: any) => void>>} */
    this.listeners = new Map();
    /** @type {Set<string>} */
    this.painted = new Set();
    /** @type {Map<string, Outcome>} */
    this.outcomes = new Map();
    /** @type {Map<string, (outcome: Outcome) => void>} */
    this.awaited = new Map();
  }

  start() {
    this.#connect();
    setInterval(() => this.#watch(), PING_EVERY / 2);
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#retryNow();
    });
  }

  /** The server's clock, in milliseconds since the epoch. */
  now() {
    return Date.now() + this.offset;
  }

  /**
   * Calls `listener` after each message of the given types; "snapshot" and "link" are among them.
   * @param {string[]} types
   * @param {(message: any) => void} listener
   * @returns {() => void} takes it off again
   */
  on(types, listener) {
    for (const type of types) {
      const set = this.listeners.get(type) ?? new Set();
      this.listeners.set(type, set.add(listener));
    }
    return () => types.forEach((type) => this.listeners.get(type)?.delete(listener));
  }

  /** Tells the server that the card of this pop has been painted. */
  ack(/** @type {string} */ id) {
    this.painted.add(id);
    this.#send({ type: "ack", id });
  }

  /**
   * What became of an action that the API accepted under this id.
   * @param {string} id
   * @param {number} [within] milliseconds
   * @returns {Promise<Outcome | null>} null where no word came in time
   */
  outcome(id, within = OUTCOME_WITHIN) {
    const known = this.outcomes.get(id);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.awaited.delete(id);
        resolve(null);
      }, within);
      this.awaited.set(id, (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      });
    });
  }

  /**
   * Asks for an action and waits for its outcome. Throws, in words, where none comes.
   * @param {string} address
   * @param {string} action
   * @param {Record<string, any>} [args]
   * @param {number} [within] milliseconds
   * @param {string} [reason] in words
   * @returns {Promise<Outcome>}
   */
  async act(address, action, args = {}, within = OUTCOME_WITHIN, reason = "") {
    const answer = await post(address, { action, args, reason });
    const outcome = await this.outcome(answer.id, within);
    if (!outcome) throw new Error(_("No answer from the server; try again."));
    return outcome;
  }

  #connect() {
    const { state } = this;
    const resume = state && `?session=${encodeURIComponent(state.session)}&after=${state.seq}`;
    const socket = new WebSocket(this.url + (resume ?? ""));
    let opened = false;
    this.socket = socket;
    socket.onopen = () => {
      opened = true;
      this.heardAt = Date.now();
      this.#send({ type: "ping" });
      if (resume) this.#live();
    };
    socket.onmessage = (event) => {
      if (socket === this.socket) this.#receive(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      this.#lost(opened, this.now());
      if (event.code === SIGNED_OUT) location.reload();
    };
  }

  /** Leaves the socket that there is, whether it knows of its end or not. */
  #drop(/** @type {number} */ since) {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.#lost(true, since);
  }

  #lost(/** @type {boolean} */ opened, /** @type {number} */ since) {
    this.socket = null;
    this.attempts += 1;
    const pause = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (this.attempts - 1));
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.#connect(), pause * (0.75 + Math.random() / 2));
    if (!opened && this.attempts > 1) void this.#askForLogin();
    this.staleSince ??= since;
    this.#setLink("away");
  }

  #retryNow() {
    if (this.socket) {
      this.#send({ type: "ping" });
      return;
    }
    clearTimeout(this.retry);
    this.#connect();
  }

  #receive(/** @type {any} */ message) {
    this.heardAt = Date.now();
    this.attempts = 0;
    if (message.type === "snapshot") {
      this.state = begin(message);
      this.offset = Date.parse(message.now) - Date.now();
      this.drift = Date.now() - performance.now();
      this.#live();
      this.#tell(message);
      return;
    }
    const { state } = this;
    if (!state || typeof message.seq !== "number" || message.seq <= state.seq) return;
    if (message.seq !== state.seq + 1) {
      this.#reload();
      return;
    }
    fold(state, message);
    if (message.type === "result") this.#settle(message);
    if (message.type === "screenpop-end") this.painted.delete(message.id);
    this.#tell(message);
  }

  /** Asks for a fresh snapshot, keeping the old picture until it is here. */
  #reload() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    if (this.state) this.state.session = "";
    this.#connect();
  }

  #live() {
    this.staleSince = null;
    for (const id of this.painted) {
      if (this.state?.pops.has(id)) this.#send({ type: "ack", id });
      else this.painted.delete(id);
    }
    this.#setLink("live");
  }

  #settle(/** @type {Outcome} */ outcome) {
    this.awaited.get(outcome.id)?.(outcome);
    this.awaited.delete(outcome.id);
    this.outcomes.set(outcome.id, outcome);
    if (this.outcomes.size > 50) this.outcomes.delete(this.outcomes.keys().next().value ?? "");
  }

  #watch() {
    const drift = Date.now() - performance.now();
    if (!this.socket) return;
    if (Date.now() - this.heardAt > SILENT_AFTER) {
      this.#drop(this.heardAt + this.offset);
    } else if (this.link === "live" && Math.abs(drift - this.drift) > CLOCK_JUMP) {
      this.#reload(); // the desk slept or its clock was set: the snapshot brings the time anew
    } else {
      this.#send({ type: "ping" });
    }
  }

  async #askForLogin() {
    const answer = await fetch("/api/v1/queues").catch(() => null);
    if (answer?.status === 401) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    }
  }

  #send(/** @type {object} */ message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #setLink(/** @type {Link} */ link) {
    const changed = link !== this.link;
    this.link = link;
    if (changed) this.#tell({ type: "link" });
  }

  #tell(/** @type {any} */ message) {
    for (const listener of this.listeners.get(message.type) ?? []) listener(message);
  }
}

/**
 * Runs `then` when the browser has painted what the page shows now.
 * In a tab that nobody sees it waits until somebody does.
 */
export function afterPaint(/** @type {() => void} */ then) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      then();
    };
    channel.port2.postMessage(null);
  });
}
