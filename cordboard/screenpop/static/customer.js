/** What the card tells of the customer: facts, why the call is here, last contacts, open cases. */
import { DialNumber } from "./dialling.js";
import { moment, money } from "./format.js";
import { _, language, ngettext } from "./i18n.js";
import { currency, me, stream, useOperator } from "./live.js";
import { Icon, reasonText, word } from "./ui.js";
import { html } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Pop} Pop */
/** @typedef {import("./cards.js").Desk} Desk */

const HISTORY_SHOWN = 6;

export function Facts(/** @type {{pop: Pop, desk: Desk}} */ { pop, desk }) {
  const { customer, others = 0 } = pop;
  if (!customer) return null;
  const { balance } = customer;
  const unit = customer.currency || currency;
  return html`<dl class="facts">
    <div class="tile" data-debt=${balance !== null && balance < 0}>
      <dt>${balance !== null && balance < 0 ? _("Debt") : _("Balance")}</dt>
      <dd data-testid="customer-balance">
        ${balance !== null && balance < 0 && html`<${Icon} name="warning" />`}
        ${balance === null || balance === undefined ? html`<span class="soft">—</span>` : money(Math.abs(balance), unit)}
      </dd>
    </div>
    <div class="tile">
      <dt>${_("Personal manager")}</dt>
      <dd data-testid="customer-manager">
        ${customer.manager
          ? html`<${Manager} manager=${customer.manager} />`
          : html`<span class="soft">${_("none")}</span>`}
      </dd>
    </div>
    <div class="tile">
      <dt>${ngettext("Number", "Numbers", customer.phones.length)}</dt>
      <dd class="phones">
        ${customer.phones.map(
          (number) =>
            html`<${DialNumber} desk=${desk} number=${number} calling=${number === pop.call.from} />`,
        )}
        ${others > 0 &&
        html`<span class="soft" data-testid="customer-others"
          >${ngettext("{n} more customer has this number", "{n} more customers have this number", others)}</span
        >`}
      </dd>
    </div>
    <${Elsewhere} pop=${pop} />
  </dl>
  <${Traits} pop=${pop} />`;
}

/** What the house tells its customers apart by: segment, tags, attributes. */
function Traits(/** @type {{pop: Pop}} */ { pop }) {
  const { segment, tags = [], attributes = {}, do_not_disturb } = pop.customer ?? {};
  const named = Object.entries(attributes);
  if (!segment && !tags.length && !named.length && !do_not_disturb) return null;
  const told = (/** @type {any} */ value) =>
    value === true ? _("yes") : value === false ? _("no") : typeof value === "number" ? value.toLocaleString(language) : value;
  const source = (/** @type {string} */ name) => pop.sources?.[`attributes.${name}`];
  return html`<ul class="traits" data-testid="customer-traits">
    ${do_not_disturb && html`<li class="trait-warning">${_("Is not to be disturbed")}</li>`}
    ${segment && html`<li><b>${segment}</b></li>`}
    ${tags.map((/** @type {string} */ tag) => html`<li>${tag}</li>`)}
    ${named.map(
      ([name, value]) => html`<li data-testid="attribute" data-name=${name}>
        <span class="soft">${name}</span> ${told(value)}
        ${source(name) && html`<span class="soft"> ${_("from {source}", { source: source(name) })}</span>`}
      </li>`,
    )}
  </ul>`;
}

/** Which of the card's values are other systems'. */
function Elsewhere(/** @type {{pop: Pop}} */ { pop }) {
  const sources = pop.sources ?? {};
  /** @type {Map<string, string[]>} */
  const said = new Map();
  for (const [field, source] of Object.entries(sources)) {
    if (!field.startsWith("attributes.")) said.set(source, [...(said.get(source) ?? []), fieldName(field)]);
  }
  return html`${[...said].map(
    ([source, fields]) => html`<div class="tile" key=${`from ${source}`}>
      <dt>${_("From {source}", { source })}</dt>
      <dd class="soft" data-testid="source" data-source=${source}>${fields.join(", ")}</dd>
    </div>`,
  )}`;
}

/** A field of the customer, as the card names it. */
function fieldName(/** @type {string} */ field) {
  switch (field) {
    case "name":
      return _("Name");
    case "status":
      return _("Status");
    case "language":
      return _("Language");
    case "balance":
      return _("Balance");
    case "manager":
      return _("Personal manager");
    case "segment":
      return _("Segment");
    case "tags":
      return _("Tags");
    case "do_not_disturb":
      return _("Do not disturb");
  }
  return field;
}

function Manager(/** @type {{manager: {name: string, display_name: string}}} */ { manager }) {
  const operator = useOperator(manager.name);
  const own = manager.name === me;
  return html`<span class="manager">
    ${own ? _("You, {name}", { name: manager.display_name }) : manager.display_name}
    ${!own && operator && html`<span class="presence" data-state=${operator.state}><${Icon} name=${operator.state === "offered" ? "ringing" : operator.state} />${word("operator", operator.state)}</span>`}
  </span>`;
}

export function Why(/** @type {{pop: Pop}} */ { pop }) {
  const reasons = pop.route?.why ?? [];
  const queue = pop.route?.queue ?? pop.call.queue;
  if (!reasons.length && !queue) return null;
  return html`<section class="why">
    <h2>
      ${_("Why this call is here")}
      <a class="more" href=${`/calls/${pop.call.id}`} target="_blank" rel="noopener" data-testid="call-story">${_("The whole story")}</a>
    </h2>
    <ul data-testid="route-why">
      ${queue && html`<li>${_("Queue: {queue}", { queue })}</li>`}
      ${reasons.map((reason) => html`<li data-code=${reason.code}>${reasonText(reason)}</li>`)}
    </ul>
  </section>`;
}

/** Whether the reader may see the whole of a past contact. */
function mine(/** @type {{call?: string | null, operator: string | null}} */ { call, operator }) {
  return Boolean(call) && (operator === me || stream.state?.user.role !== "operator");
}

export function History(/** @type {{pop: Pop}} */ { pop }) {
  const history = pop.history ?? [];
  return html`<section class="history-section">
    <h2>${_("Last contacts")}</h2>
    ${history.length
      ? html`<ol class="history" data-testid="history">
          ${history.slice(0, HISTORY_SHOWN).map(
            (one) => html`<li key=${one.id} data-testid="interaction">
              <p class="history-head">
                <time datetime=${one.started_at}>${mine(one)
                  ? html`<a href=${`/calls/${one.call}`} target="_blank" rel="noopener">${moment(one.started_at, stream.now())}</a>`
                  : moment(one.started_at, stream.now())}</time>
                <b>${one.result ? word("result", one.result) : one.outcome ? word("outcome", one.outcome) : ""}</b>
                <span class="soft">${[one.operator_name ?? one.operator, one.queue].filter(Boolean).join(" · ")}</span>
              </p>
              ${one.note && html`<p class="note">${one.note}</p>`}
            </li>`,
          )}
        </ol>`
      : html`<p class="soft" data-testid="history">${_("No contacts yet: this is the first.")}</p>`}
  </section>`;
}

export function Cases(/** @type {{pop: Pop}} */ { pop }) {
  const cases = pop.cases ?? [];
  return html`<section class="cases-section">
    <h2>${_("Open cases")}</h2>
    ${cases.length
      ? html`<ul class="cases" data-testid="cases">
          ${cases.map(
            (one) => html`<li key=${one.id}>
              <b>${one.title}</b>
              <span class="soft">${word("case", one.state)} · ${moment(one.opened_at, stream.now())}</span>
            </li>`,
          )}
        </ul>`
      : html`<p class="soft" data-testid="cases">${_("None.")}</p>`}
  </section>`;
}
