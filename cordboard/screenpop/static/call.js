/** What befell one call, in order, and why it was decided so. */
import { get } from "./api.js";
import { clockSeconds, languageName, moment, phone } from "./format.js";
import { _, language, load } from "./i18n.js";
import { Icon, reasonText, StatusBadge, Unseen, word } from "./ui.js";
import { html, render } from "./vendor/htm-preact.js";

/** @typedef {{condition: string, wish: Record<string, any>, value: any, misfit: boolean}} Failed */
/** @typedef {{rule: string, held: boolean, failed: Failed | null}} Tried */
/** @typedef {{at: string, policy: string, rule: string | null, decision: any,
 *   inputs: Record<string, any>, tried: Tried[] | null, same: boolean | null}} Decided */
/** @typedef {{at: string, event: string, phone: string | null, operator_name: string | null,
 *   data: Record<string, any>}} Told */

const main = /** @type {HTMLElement} */ (document.getElementById("call"));
/** The names that people see, by login name. @type {Record<string, string>} */
let people = {};
/** AGISTATUS of a route that did not come, as the server calls it. @type {Record<string, string>} */
const HOW = { SUCCESS: "interrupted", HANGUP: "late" };

function Call(/** @type {{call: any, events: Told[], decisions: Decided[]}} */ { call, events, decisions }) {
  const first = person(decisions.map(({ decision }) => decision.personal?.name).findLast(Boolean));
  let away = false;
  /** A phone outside that rings while the place is kept is that of whoever is rung first. */
  const whose = (/** @type {Told} */ { event, operator_name, phone: device }) => {
    if (event === "kept" || event === "back") away = event === "kept";
    return operator_name ?? (away && device ? first : device) ?? "";
  };
  return html`
    <header class="story-head">
      <h1 data-testid="story-who">
        ${call.customer?.name || call.name || phone(call.from)}
        ${call.customer && html`<${StatusBadge} status=${call.customer.status} />`}
      </h1>
      <p class="soft">
        ${phone(call.from)} → ${call.to} · ${moment(call.started_at)}
        ${call.cause && ` · ${word("outcome", call.cause)}`} · <span class="story-id">${call.linkedid}</span>
      </p>
      <${Unseen} gaps=${call.unseen} />
    </header>
    <div class="story">
      <section class="panel">
        <h2>${_("What befell the call")}</h2>
        <ol class="timeline" data-testid="timeline">
          ${events.map(
            (told) => html`<li data-event=${told.event}>
              <time datetime=${told.at}>${clockSeconds(told.at)}</time>
              <span>${eventText(told, whose(told), first)}</span>
            </li>`,
          )}
        </ol>
      </section>
      <section class="panel">
        <h2>${_("Why it was decided so")}</h2>
        ${decisions.length
          ? decisions.map((decided) => html`<${Decision} decided=${decided} />`)
          : html`<p class="soft" data-testid="undecided">${_("No route was decided for this call.")}</p>`}
      </section>
    </div>
  `;
}

function Decision(/** @type {{decided: Decided}} */ { decided }) {
  const { decision, inputs, tried, same } = decided;
  return html`<article class="decided" data-testid="decided">
    <p>
      <time datetime=${decided.at}>${clockSeconds(decided.at)}</time>
      <b> ${decided.rule ? _("Rule “{rule}”", { rule: decided.rule }) : _("No rule held")}</b>: ${outcome(decision)}
    </p>
    <ul class="decided-more">${more(decision).map((text) => html`<li>${text}</li>`)}</ul>
    <ul class="decided-why">${decision.reasons.map((/** @type {any} */ reason) => html`<li>${because(reason)}</li>`)}</ul>
    ${tried
      ? html`<h3>${_("Rules in the order in which they were tried")}</h3>
          <ol class="tried" data-testid="tried">
            ${tried.map(
              (one) => html`<li data-held=${one.held}>
                <${Icon} name=${one.held ? "ready" : "missed"} /><b>${one.rule}</b>
                <span>${one.failed ? failure(one.failed) : _("all its conditions held")}</span>
              </li>`,
            )}
          </ol>
          <p class="soft" data-testid="same" data-same=${same}>
            ${same
              ? _("These rules, tried again on the values of then, come to the same.")
              : _("These rules, tried again on the values of then, come to something else: this release reads them otherwise.")}
          </p>`
      : html`<p class="soft">${_("The rules of then are not at hand.")}</p>`}
    <h3>${_("What was looked at, as it was then")}</h3>
    <dl class="inputs" data-testid="inputs">
      ${Object.entries(inputs).map(
        ([key, value]) => html`<div><dt>${named(key, inputs)}</dt><dd>${shown(value, key)}</dd></div>`,
      )}
    </dl>
  </article>`;
}

function outcome(/** @type {any} */ { action, queue, priority, to }) {
  if (action === "queue") return _("queue {queue}, priority {priority}", { queue, priority });
  const words = {
    number: _("an outside number: {to}", { to: phone(to) }),
    message: _("a message: {to}", { to }),
    voicemail: _("a mailbox: {to}", { to }),
    script: _("a script: {to}", { to }),
  };
  return words[/** @type {keyof typeof words} */ (action)] ?? `${action} ${to}`;
}

function more(/** @type {any} */ { personal, growth, penalties, overflow, callback }) {
  const texts = [];
  if (personal) {
    const where = [personal.desk, personal.mobile && phone(personal.mobile)].filter(Boolean).join(", ");
    texts.push(_("First {name} is rung: {where}", { name: person(personal.name), where }));
  }
  if (growth) {
    const { by, every, up_to } = growth;
    texts.push(_("The priority grows by {by} every {every} s, up to {up_to}", { by, every, up_to }));
  }
  if (penalties) {
    const { least, most } = penalties;
    texts.push(_("Operators of penalty {least} to {most} serve it", { least: least ?? 0, most: most ?? "∞" }));
  }
  if (overflow) {
    const { after, kind, to } = overflow;
    const where = kind === "queue" ? _("Queue: {queue}", { queue: to }) : outcome({ action: kind, to });
    texts.push(_("After {after} s: {where}", { after, where }));
  }
  if (callback) texts.push(_("After {after} s a call back is offered", { after: callback.after }));
  return texts;
}

function failure(/** @type {Failed} */ { condition, wish, value, misfit }) {
  const found = _("{what} was: {value}", { what: named(condition), value: shown(value, condition) });
  const kind = misfit ? ` (${_("which is of another kind")})` : "";
  return `${found}${kind}; ${_("wanted: {wish}", { wish: wanted(wish) })}`;
}

function wanted(/** @type {Record<string, any>} */ wish) {
  const texts = [];
  if ("is" in wish) texts.push(shown(wish.is));
  if ("one_of" in wish) texts.push(shown(wish.one_of));
  if ("any_of" in wish) texts.push(shown(wish.any_of));
  if ("during" in wish) texts.push(wish.during);
  if ("at_least" in wish) texts.push(`≥ ${shown(wish.at_least)}`);
  if ("below" in wish) texts.push(`< ${shown(wish.below)}`);
  return texts.join(", ");
}

function shown(/** @type {any} */ value, key = "") {
  if (key === "status" && value) return word("status", value);
  if (key === "language") return languageName(value);
  if (key === "manager.name" || key === "last_operator.name") value = person(value);
  if (key === "manager.mobile" && value) return phone(value);
  if (key === "lookup") {
    const words = { found: _("found"), unknown: _("nobody has this number"), failed: _("no answer in time") };
    return words[/** @type {keyof typeof words} */ (value)] ?? value;
  }
  if (value === null || value === undefined) return _("not known");
  if (value === true) return _("yes");
  if (value === false) return _("no");
  if (Array.isArray(value)) return value.join(", ") || _("none");
  return typeof value === "number" ? value.toLocaleString(language) : String(value);
}

/** What a condition looks at, in words. */
function named(/** @type {string} */ key, /** @type {Record<string, any>} */ inputs = {}) {
  const words = {
    lookup: _("Customer looked up"),
    lookups_failed: _("Lookups without an answer"),
    status: _("Status"),
    segment: _("Segment"),
    tags: _("Tags"),
    language: _("Language"),
    known: _("Known customer"),
    manager: _("Manager can be rung"),
    "manager.name": _("Personal manager"),
    "manager.desk": _("Manager's desk phone, if ready"),
    "manager.mobile": _("Manager's mobile, if it may be rung"),
    last_operator: _("Last operator"),
    "last_operator.name": _("Last operator"),
    "last_operator.ready": _("Last operator is ready"),
    "last_operator.desk": _("Last operator's phone, if ready"),
    do_not_disturb: _("Customer is not to be disturbed"),
    balance: _("Balance"),
    days_since_contact: _("Days since the last contact"),
    dialled: _("Number that was called"),
    country: _("Country of the number"),
    calls_today: _("Calls from this number today"),
    callback: _("A call back"),
    time: _("Time"),
    weekday: _("Day of the week"),
  };
  const plain = words[/** @type {keyof typeof words} */ (key)];
  if (plain) return plain;
  const [noun, ...rest] = key.split(".");
  const name = rest.join(".");
  if (noun === "ivr") return _("Chosen in the menu: {name}", { name });
  if (noun === "open") return _("Open now: {name}", { name });
  if (noun === "closed") return _("Closed: {name}", { name });
  if (noun === "queue") {
    const figure = rest.at(-1) ?? "";
    const queue = rest.slice(0, -1).join(".").replace("{language}", inputs.language ?? "{language}");
    const figures = {
      waiting: _("callers who wait"),
      ready: _("operators who are ready"),
      longest_wait: _("longest wait, s"),
      estimated_wait: _("estimated wait, s"),
    };
    return `${queue}: ${figures[/** @type {keyof typeof figures} */ (figure)] ?? figure}`;
  }
  return name || key;
}

/** One fact of the call in words: `who` it is about, and `first` whoever was rung before the queue. */
function eventText(/** @type {Told} */ { event, data }, who = "", first = "") {
  switch (event) {
    case "offered":
      return _("The call came in");
    case "decided":
      return _("Routed: {outcome}", { outcome: outcome(data) });
    case "queued":
      return _("Waits in {queue} at place {position}", { queue: data.queue, position: data.position });
    case "queueleft":
      return data.outcome === "connected" ? _("Is taken from the queue") : _("Left the queue: {outcome}", { outcome: outcomeWord(data.outcome) });
    case "abandoned":
      return _("Hung up while waiting");
    case "delivered":
      return _("Rings: {who}", { who });
    case "undelivered":
      return _("Stopped ringing: {who} ({outcome})", { who, outcome: outcomeWord(data.cause) });
    case "established":
      return _("Talks: {who}", { who });
    case "held":
      return _("Put on hold: {who}", { who });
    case "retrieved":
      return _("Taken back from hold: {who}", { who });
    case "transferred":
      return _("Transferred to {who}", { who });
    case "diverted":
      return _("Goes to {who} instead", { who });
    case "merged":
      return _("Became part of another call");
    case "peercleared":
      return data.lost ? _("The phone was lost: {who}", { who }) : _("Hung up: {who}", { who });
    case "detoured":
      return detourText(data, first);
    case "taken":
      return _("Takes the call, and hears the customer's phone ring: {who}", { who });
    case "reached":
      return _("The customer's turn has come: he is called back");
    case "callback":
      return _("A callback is promised: the place in {queue} is kept", { queue: data.queue });
    case "unseen":
      return _("Was not seen for a while");
    case "kept":
      return _("The place in {queue} is kept", { queue: data.queue });
    case "back":
      return _("Comes back to place {place} in {queue}", { place: data.place, queue: data.queue });
    case "moved":
      return movedText(data);
    case "cleared":
      return _("The call is over: {outcome}", { outcome: outcomeWord(data.cause) });
  }
  const details = Object.entries(data)
    .filter(([, value]) => value !== null && typeof value !== "object" && value !== "")
    .map(([name, value]) => `${name}: ${value}`);
  return [event, who, ...details].filter(Boolean).join(" · ");
}

/** What the dialplan did with the call because it could not go where it was meant to go. */
function detourText(/** @type {any} */ { kind, status, where }, /** @type {string} */ first) {
  if (kind === "overflow") {
    const words = { queue: _("another queue"), number: _("an outside number"), voicemail: _("a mailbox"), message: _("a message") };
    const to = words[/** @type {keyof typeof words} */ (status)] ?? status;
    return _("Has waited as long as the rule lets him, and goes to {to}", { to });
  }
  const codes = {
    fallback: "fallback",
    manager: "manager-not-reached",
    transfer: "transfer-not-taken",
    number: "number-not-reached",
    voicemail: "voicemail-failed",
    script: "script-failed",
    callback: "callback-not-taken",
  };
  const code = codes[/** @type {keyof typeof codes} */ (kind)] ?? kind;
  return reasonText({ code, args: { status, where, how: HOW[status], operator: first } });
}

function movedText(/** @type {any} */ { queue, from, to, reasons = [] }) {
  const why = reasons.map(because).join(", ");
  const [place, priority] = [to?.place ?? to?.position ?? "?", to?.priority ?? "?"];
  const moved = _("Moved in {queue} to place {place}, priority {priority}", { queue: to?.queue ?? queue ?? from?.queue, place, priority });
  return why ? `${moved}: ${why}` : moved;
}

function person(/** @type {any} */ name) {
  return people[name] ?? name;
}

/** A reason as `reasonText`, with the name of whoever it names. */
function because(/** @type {any} */ reason) {
  const { args = {} } = reason;
  return reasonText({ ...reason, args: args.operator ? { ...args, operator: person(args.operator) } : args });
}

function outcomeWord(/** @type {string} */ code) {
  return word("outcome", code).toLocaleLowerCase(language);
}

await load();
try {
  const path = `/api/v1/calls/${main.dataset.call}`;
  const [{ call, events, people: known }, { decisions }] = await Promise.all([
    get(`${path}/timeline`),
    get(`${path}/explanation`),
  ]);
  people = known;
  render(html`<${Call} call=${call} events=${events} decisions=${decisions} />`, main);
} catch (error) {
  render(html`<p class="notice" role="alert" data-testid="story-error">${/** @type {Error} */ (error).message}</p>`, main);
}
