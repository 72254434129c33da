/**
 * The cards on an operator's desk: which are open, which is in front, and what has been typed.
 *
 * A card comes with its pop and outlives it while something typed on it is unsaved. Drafts stand in
 * the tab's sessionStorage, so a reload loses nothing.
 */
import { post } from "./api.js";
import { _ } from "./i18n.js";
import { refusal } from "./refusals.js";

/** @typedef {import("./stream.js").Stream} Stream */
/** @typedef {import("./stream.js").Pop} Pop */
/** @typedef {import("./stream.js").Call} Call */
/** @typedef {"ringing" | "talking" | "on-hold" | "wrap-up" | "missed"} Phase */
/** @typedef {{note: string, result: string, name: string, phone: string | null}} Draft */
/**
 * `closed` is why the pop ended, null while it is open. `elsewhere`: another device of the operator's
 * has saved it. `talked` is whether the operator had the call. `noticed` is when this page first saw the present phase.
 * @typedef {{id: string, pop: Pop, call: Call, draft: Draft, phase: Phase, noticed: number,
 *   talked: boolean, closed: string | null, elsewhere: boolean, saving: boolean, error: string,
 *   adding: boolean, addError: string}} Card
 */
/**
 * A call of today that is over for this operator.
 * @typedef {{id: string, pop: Pop, call: Call, at: number, talked: boolean, reason: string,
 *   result: string, saved: boolean}} Recent
 */

const DRAFT = "cordboard:card:";
const RECENT = "cordboard:recent";
const OWNER = "cordboard:user";
const RECENT_LIMIT = 12;
/** Milliseconds: the own phone rings for half a minute, and the server knows after a minute. */
const PLACED_WITHIN = 65_000;

/** @returns {Draft} */
const emptyDraft = () => ({ note: "", result: "", name: "", phone: null });

/** Whether something typed or chosen on this card would be lost with it. */
export function dirty(/** @type {Card} */ card) {
  const { note, result, name } = card.draft;
  return Boolean(note.trim() || result || (name.trim() && !card.pop.customer));
}

/** Whom the card is about: the customer's name, else what the network says, else nothing. */
export function callerName(/** @type {Pop} */ pop) {
  return pop.customer?.name || pop.call.name || "";
}

/** When the present phase of the card began, in the server's milliseconds. */
export function phaseSince(/** @type {Card} */ card) {
  const popped = Date.parse(card.pop.at);
  if (card.phase === "ringing") return popped;
  if (card.phase === "wrap-up" && card.call.ended_at) return Date.parse(card.call.ended_at);
  if (card.phase === "talking" && card.call.answered_at) {
    return Math.max(popped, Date.parse(card.call.answered_at));
  }
  return card.noticed;
}

export class Desk {
  /**
   * @param {Stream} stream
   * @param {string} user
   * @param {() => boolean} typing whether the operator is in the middle of writing something
   */
  constructor(stream, user, typing) {
    this.stream = stream;
    this.user = user;
    this.typing = typing;
    /** @type {Card[]} */
    this.cards = [];
    /** @type {string | null} */
    this.front = null;
    /** @type {Recent[]} */
    this.recent = [];
    /** @type {Set<string>} */
    this.saved = new Set();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.#restore();
    stream.on(["snapshot", "screenpop", "screenpop-end", "call", "operators"], (message) =>
      this.#take(message),
    );
  }

  /** Calls `listener` whenever a card or the order of cards has changed. */
  on(/** @type {() => void} */ listener) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The card in front. */
  get current() {
    return this.cards.find((card) => card.id === this.front) ?? null;
  }

  /** The cards whose call rings or runs while another card is in front. */
  get behind() {
    return this.cards.filter((card) => card.id !== this.front && live(card));
  }

  show(/** @type {string} */ id) {
    this.front = id;
    this.#changed();
  }

  /** The ringing card, else the one after the card in front. */
  showNext() {
    const next = this.behind[0] ?? this.cards[(this.#place() + 1) % this.cards.length];
    if (next) this.show(next.id);
  }

  write(/** @type {Card} */ card, /** @type {Partial<Draft>} */ part) {
    Object.assign(card.draft, part);
    card.error = "";
    this.#keep(card);
    this.#changed();
  }

  /** Clears away the cards whose pop is over and on which nothing was written. */
  #tidy() {
    for (const card of this.cards.filter((one) => one.closed && !dirty(one))) this.#remove(card);
  }

  /** Puts a card away without saving what was typed on it. */
  dismiss(/** @type {Card} */ card) {
    this.#remove(card);
    this.#changed();
  }

  /** Brings the card of a past call back, to look at it or to add the note that was missed. */
  reopen(/** @type {Recent} */ entry) {
    if (!this.cards.some((card) => card.id === entry.id)) {
      const card = this.#add(entry.pop);
      card.call = entry.call;
      card.talked = entry.talked;
      card.closed = entry.reason;
      card.phase = entry.talked ? "wrap-up" : "missed";
    }
    this.show(entry.id);
  }

  /** Saves note and result to the customer's history. On failure the text stays. */
  async save(/** @type {Card} */ card) {
    if (card.saving || card.phase !== "wrap-up") return;
    if (!card.draft.result) {
      card.error = _("Choose a result first.");
      this.#changed();
      return;
    }
    card.saving = true;
    card.error = "";
    this.#changed();
    const { note, result } = card.draft;
    const customer = card.pop.customer?.id ?? null;
    try {
      const address = `/api/v1/calls/${encodeURIComponent(card.call.id)}/actions`;
      // Whoever has been told that it is saved, and saves all the same, means it.
      const first = !card.elsewhere && !this.#wasSaved(card);
      const args = { note: note.trim(), result, customer, first };
      const outcome = await this.stream.act(address, "wrapup", args);
      if (outcome.code === "saved-elsewhere") {
        card.elsewhere = true;
        throw new Error(_("Already saved on another device. Your text is kept here: save again to replace what was saved there."));
      }
      if (!outcome.ok) {
        throw new Error(outcome.code === "other" ? _("Not saved: {error}", { error: outcome.error ?? "" }) : refusal(outcome));
      }
      this.saved.add(card.id);
      this.#remove(card);
      this.#remember(card, { result, saved: true });
    } catch (error) {
      card.error = error instanceof Error ? error.message : String(error);
    }
    card.saving = false;
    this.#changed();
  }

  /**
   * Has the own phone ring and then the number dialled; back when the phone was answered.
   * @param {string} number
   * @returns {Promise<string>} what went wrong, in words, or nothing
   */
  async place(number) {
    try {
      const address = `/api/v1/operators/${encodeURIComponent(this.user)}/actions`;
      const outcome = await this.stream.act(address, "call", { number }, PLACED_WITHIN);
      return outcome.ok ? "" : refusal(outcome);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Makes a customer of an unknown number. */
  async addCustomer(/** @type {Card} */ card) {
    const name = card.draft.name.trim();
    const phone = (card.draft.phone ?? card.pop.call.from).trim();
    if (!name || card.adding) return;
    card.adding = true;
    card.addError = "";
    this.#changed();
    try {
      const customer = await post("/api/v1/customers", {
        kind: "person",
        name,
        phones: phone ? [phone] : [],
      });
      // The stream brings the card anew; whichever comes first is shown.
      if (!card.pop.customer?.id) card.pop = { ...card.pop, customer };
      card.draft.name = "";
      this.#keep(card);
    } catch (error) {
      card.addError = error instanceof Error ? error.message : String(error);
    }
    card.adding = false;
    this.#changed();
  }

  #take(/** @type {any} */ message) {
    switch (message.type) {
      case "snapshot":
        this.#reconcile();
        break;
      case "screenpop":
        if (message.operator !== this.user || this.saved.has(message.id)) return;
        this.#arrive(this.#known(message.id));
        break;
      case "screenpop-end":
        if (!this.#finish(message.id, message.reason, message.saved)) return;
        break;
      case "call":
        if (!this.cards.some((card) => card.call.id === message.call.id)) return;
        break;
      case "operators":
        if (!message.changed.some((/** @type {any} */ one) => one.name === this.user)) return;
        if (!this.cards.length) return;
        break;
    }
    this.#follow();
    this.#changed();
  }

  #known(/** @type {string} */ id) {
    return /** @type {Pop} */ (this.stream.state?.pops.get(id));
  }

  /** Makes the cards agree with a fresh snapshot. */
  #reconcile() {
    const pops = this.stream.state?.pops ?? new Map();
    for (const card of [...this.cards]) {
      if (!pops.has(card.id) && !card.closed) this.#finish(card.id, "lost");
    }
    for (const pop of pops.values()) {
      if (pop.operator === this.user && !this.saved.has(pop.id)) this.#arrive(pop);
    }
    if (!this.current) this.front = this.#next()?.id ?? null;
  }

  #arrive(/** @type {Pop} */ pop) {
    const card = this.cards.find((one) => one.id === pop.id);
    if (card) {
      card.pop = pop;
      card.closed = null;
      return;
    }
    this.#tidy();
    this.#add(pop);
    if (!this.current || !this.typing()) this.front = pop.id;
  }

  #add(/** @type {Pop} */ pop) {
    /** @type {Card} */
    const card = {
      id: pop.id,
      pop,
      call: pop.call,
      // Somebody whom another system alone knows has a name already.
      draft: { ...emptyDraft(), name: pop.customer?.id === null ? pop.customer.name : "" },
      phase: "ringing",
      noticed: this.stream.now(),
      talked: false,
      closed: null,
      elsewhere: false,
      saving: false,
      error: "",
      adding: false,
      addError: "",
    };
    this.cards.push(card);
    return card;
  }

  /** Brings every card's call and phase up to date. */
  #follow() {
    const { state } = this.stream;
    const me = state?.operators.get(this.user);
    for (const card of this.cards) {
      card.call = state?.calls.get(card.pop.call.id) ?? { ...card.pop.call, ...over(card) };
      const phase = this.#phase(card, me);
      if (phase === card.phase) continue;
      const answered = phase === "talking" && card.phase === "ringing";
      card.phase = phase;
      card.noticed = this.stream.now();
      if (answered && !this.typing()) this.front = card.id;
    }
  }

  /**
   * @param {Card} card
   * @param {import("./stream.js").Operator | undefined} me
   * @returns {Phase}
   */
  #phase(card, me) {
    const { call } = card;
    const mine = me?.call === call.id ? me.state : "";
    if (card.closed) return card.talked ? "wrap-up" : "missed";
    if (call.state === "ended") {
      card.talked ||= Boolean(call.answered_at);
      return card.talked ? "wrap-up" : "missed";
    }
    if (call.state === "talking" && (!call.operator || call.operator === this.user)) {
      card.talked = true;
      return mine === "on-hold" ? "on-hold" : "talking";
    }
    if (mine === "wrap-up") card.talked = true;
    return card.talked ? "wrap-up" : "ringing";
  }

  /** Ends the pop of a card; the card stays while something on it is unsaved. */
  #finish(/** @type {string} */ id, /** @type {string} */ reason, saved = false) {
    const card = this.cards.find((one) => one.id === id);
    if (!card) return false;
    card.closed = reason;
    if (reason === "done") card.talked = true;
    if (card.saving) return true;
    card.elsewhere = saved;
    this.#remember(card, saved ? { saved } : {});
    // The server's time for the wrap-up may be over while the operator still thinks about it: a
    // card that is looked at stays until the next call comes or it is closed by hand.
    const looked = card.talked && reason === "done" && !saved && this.front === id;
    if (!dirty(card) && !looked) this.#remove(card);
    return true;
  }

  #remove(/** @type {Card} */ card) {
    this.cards = this.cards.filter((one) => one !== card);
    sessionStorage.removeItem(DRAFT + card.id);
    if (this.front === card.id) this.front = this.#next()?.id ?? null;
  }

  #next() {
    return this.cards.find(live) ?? this.cards.at(-1);
  }

  /** Whether a card that was opened once more has its note in the history already. */
  #wasSaved(/** @type {Card} */ card) {
    return this.recent.some((one) => one.id === card.id && one.saved);
  }

  #place() {
    return this.cards.findIndex((card) => card.id === this.front);
  }

  #remember(/** @type {Card} */ card, /** @type {Partial<Recent>} */ part) {
    const { id, pop, call, talked } = card;
    const entry = { id, pop, call, talked, at: this.stream.now(), reason: card.closed ?? "done" };
    const before = this.recent.find((one) => one.id === id);
    this.recent = [
      { result: "", saved: false, ...before, ...entry, ...part },
      ...this.recent.filter((one) => one !== before),
    ].slice(0, RECENT_LIMIT);
    store(RECENT, this.recent);
  }

  #keep(/** @type {Card} */ card) {
    const { pop, call, draft, talked } = card;
    if (dirty(card)) store(DRAFT + card.id, { pop, call, draft, talked });
    else sessionStorage.removeItem(DRAFT + card.id);
  }

  #restore() {
    if (sessionStorage.getItem(OWNER) !== this.user) sessionStorage.clear();
    sessionStorage.setItem(OWNER, this.user);
    const midnight = new Date().setHours(0, 0, 0, 0);
    this.recent = (read(RECENT) ?? []).filter((/** @type {Recent} */ one) => one.at >= midnight);
    for (const key of Object.keys(sessionStorage).filter((name) => name.startsWith(DRAFT))) {
      const kept = read(key);
      if (!kept) continue;
      const card = this.#add(kept.pop);
      Object.assign(card, { call: kept.call, draft: kept.draft, talked: kept.talked });
    }
  }

  #changed() {
    for (const listener of this.listeners) listener();
  }
}

/** Whether a card's call rings or runs. */
function live(/** @type {Card} */ card) {
  return !card.closed && ["ringing", "talking", "on-hold"].includes(card.phase);
}

/** What is known of a call that is no longer in the live picture. */
function over(/** @type {Card} */ card) {
  const { answered_at, ended_at, operator } = card.call;
  const gone = card.talked || card.call.state === "ended";
  return { answered_at, ended_at, operator, ...(gone ? { state: "ended" } : {}) };
}

function store(/** @type {string} */ key, /** @type {unknown} */ value) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn("a draft could not be kept for a reload", error);
  }
}

/** @returns {any} */
function read(/** @type {string} */ key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}
