/**
 * What people answered: totals for each question, CSAT and NPS with their formulas, a cross-table,
 * and behind each figure the runs that it is made of. What is chosen stands in the address.
 */
import { get } from "./api.js";
import { moment, money, percent } from "./format.js";
import { _, language, load, ngettext } from "./i18n.js";
import { html, render } from "./vendor/htm-preact.js";

/** @typedef {{count: number, n: number, share: number | null, interval: number[] | null}} Share */
/** @typedef {{high: number, low: number, n: number, score: number | null, interval: number[] | null}} Nps */
/** @typedef {Record<string, any>} Question */
/** @typedef {{question: string, value: string | null, by: string | null, row: string, title: string}} Cell */

const main = /** @type {HTMLElement} */ (document.getElementById("surveys"));
const address = new URLSearchParams(location.search);
const PERIODS = ["7", "30", "90", "365"];
const MONTH = "month";
const DIMENSIONS = ["status", "operator", "queue", "channel", "language", "version"];
/** Answers of a question that are shown as bars; of more, such as sums of money, the figures say enough. */
const BARS_AT_MOST = 25;

/** @type {{name: string, title: string, survey: boolean, runs: number}[]} */
let surveys = [];
let survey = address.get("survey") ?? "";
let days = [...PERIODS, MONTH].includes(address.get("days") ?? "") ? String(address.get("days")) : "30";
let since = address.get("since") ?? "";
let until = address.get("until") ?? "";
let question = address.get("question") ?? "";
let by = address.get("by") ?? "";
/** @type {Record<string, any> | null} */
let results = null;
/** @type {Cell | null} */
let cell = null;
/** @type {{count: number, runs: Record<string, any>[]} | null} */
let behind = null;
let fault = "";

/** @type {Record<string, () => string>} */
const NAMED = {
  status: () => _("Status"),
  operator: () => _("Operator"),
  queue: () => _("Queue"),
  channel: () => _("Channel"),
  language: () => _("Language"),
  version: () => _("Version"),
  completed: () => _("completed"),
  routed: () => _("routed"),
  "hung-up": () => _("hung up"),
  refused: () => _("refused"),
  interrupted: () => _("interrupted"),
  failed: () => _("failed"),
  "under-way": () => _("under way"),
  phone: () => _("phone"),
  form: () => _("form"),
  terminal: () => _("terminal"),
  yes: () => _("yes"),
  no: () => _("no"),
  "…": () => _("in own words"),
};
const named = (/** @type {string} */ word) => NAMED[word]?.() ?? word;

function period() {
  const query = new URLSearchParams();
  if (since) query.set("since", since);
  else query.set("since", day(days === MONTH ? new Date().getDate() - 1 : Number(days) - 1));
  if (until) query.set("until", until);
  else query.set("until", day(0));
  return query;
}

/** So many days ago, by this machine's calendar. */
function day(/** @type {number} */ ago) {
  const then = new Date();
  then.setDate(then.getDate() - ago);
  return [then.getFullYear(), then.getMonth() + 1, then.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

async function change(/** @type {Partial<Record<"survey" | "days" | "since" | "until" | "question" | "by", string>>} */ to) {
  if (to.survey !== undefined) {
    survey = to.survey;
    question = by = "";
  }
  if (to.days !== undefined) {
    days = to.days;
    since = until = "";
  }
  if (to.since !== undefined) since = to.since;
  if (to.until !== undefined) until = to.until;
  if (to.question !== undefined) question = to.question;
  if (to.by !== undefined) by = to.by;
  cell = behind = null;
  const kept = new URLSearchParams({ survey, days, since, until, question, by });
  for (const [key, value] of [...kept]) if (!value) kept.delete(key);
  history.replaceState(null, "", `?${kept}`);
  await read();
}

async function read() {
  fault = "";
  try {
    if (!survey) return show();
    const query = period();
    if (question && by) {
      query.set("question", question);
      query.set("by", by);
    }
    results = await get(`/api/v1/surveys/${encodeURIComponent(survey)}/results?${query}`);
  } catch (error) {
    fault = /** @type {Error} */ (error).message;
  }
  show();
}

async function open(/** @type {Cell} */ chosen) {
  const query = period();
  query.set("question", chosen.question);
  if (chosen.value !== null) query.set("value", chosen.value);
  if (chosen.by) {
    query.set("by", chosen.by);
    query.set("row", chosen.row);
  }
  try {
    behind = await get(`/api/v1/surveys/${encodeURIComponent(survey)}/runs?${query}`);
    cell = chosen;
  } catch (error) {
    fault = /** @type {Error} */ (error).message;
  }
  show();
  document.getElementById("behind")?.focus();
}

function Page() {
  return html`
    <header class="chart-head">
      <h1 class="page-title">${_("Surveys")}</h1>
      <label class="field-inline">${_("Survey")}
        <select data-testid="survey" onChange=${(/** @type {any} */ event) => change({ survey: event.target.value })}>
          <option value="" selected=${!survey}>${_("choose")}</option>
          ${surveys.map((each) => html`<option key=${each.name} value=${each.name} selected=${each.name === survey}>
            ${each.title} (${each.runs.toLocaleString(language)})
          </option>`)}
        </select>
      </label>
      <div class="choices" role="group" aria-label=${_("Period")}>
        ${PERIODS.map((each) => html`<button key=${each} type="button" aria-pressed=${!since && days === each} data-testid=${`days-${each}`}
          onClick=${() => change({ days: each })}>${ngettext("{n} day", "{n} days", Number(each))}</button>`)}
        <button type="button" aria-pressed=${!since && days === MONTH} data-testid="days-month" onClick=${() => change({ days: MONTH })}>${_("This month")}</button>
      </div>
      <span class="survey-dates"><label class="field-inline">${_("from")}
        <input type="date" value=${since} onChange=${(/** @type {any} */ event) => change({ since: event.target.value })} />
      </label>
      <label class="field-inline">${_("to")}
        <input type="date" value=${until} onChange=${(/** @type {any} */ event) => change({ until: event.target.value })} />
      </label></span>
    </header>
    ${fault && html`<p class="notice" role="alert" data-testid="survey-fault">${fault}</p>`}
    ${!surveys.length && html`<p class="soft" data-testid="no-surveys">${_("No survey has any answers yet.")}</p>`}
    ${results && survey && html`<${Results} />`}
  `;
}

function Results() {
  if (!results) return null;
  const { runs, response, outcomes, questions, complete } = results;
  const file = (/** @type {string} */ format) => `/api/v1/surveys/${encodeURIComponent(survey)}/export?${period()}&format=${format}`;
  return html`
    <section class="panel survey-outline" data-testid="outline">
      <p><b>${runs.toLocaleString(language)}</b> ${ngettext("person was asked", "people were asked", runs)}</p>
      <p title=${interval(response)}><b>${shown(response.share)}</b> ${_("answered")}</p>
      <p class="soft">${Object.entries(outcomes).map(([name, count]) => `${named(name)} ${count}`).join(" · ")}</p>
      <p class="survey-files">
        ${[["csv", "CSV"], ["xlsx", "XLSX"], ["xlsform", "XLSForm"]].map(([format, name]) => html`<a key=${format} class="button" href=${file(format)}>${name}</a>`)}
      </p>
      ${!complete && html`<p class="soft">${_("Only the last runs are counted: choose a shorter period.")}</p>`}
    </section>
    ${runs === 0 && html`<p class="soft">${_("Nobody was asked in this period.")}</p>`}
    <div class="survey-questions">${questions.map((/** @type {Question} */ each) => html`<${Total} key=${each.question} total=${each} />`)}</div>
    ${results.table && html`<${Table} table=${results.table} />`}
    ${cell && behind && html`<${Behind} />`}
  `;
}

function Total(/** @type {{total: Question}} */ { total }) {
  const others = (results?.questions ?? []).filter((/** @type {Question} */ each) => each.question !== total.question);
  const bars = total.answers.length <= BARS_AT_MOST ? marks(total) : [];
  const all = () => open({ question: total.question, value: null, by: null, row: "", title: total.prompt || total.question });
  return html`<section class="panel survey-question" data-testid=${`question-${total.question}`}>
    <h2>${total.prompt || total.question}</h2>
    <p class="soft">
      <button type="button" class="survey-all" title=${_("Behind this figure")} data-testid=${`all-${total.question}`} disabled=${!total.answered} onClick=${all}>
        ${_("{answered} of {asked} answered", { answered: total.answered, asked: total.asked })}
      </button>
      ${total.left > 0 && html` · ${_("{n} hung up here", { n: total.left })}`}
      ${total.small && html` · <span class="survey-small" title=${_("Fewer than 30 answers: chance weighs more than opinion.")}>${_("few answers")}</span>`}
    </p>
    <p class="survey-scores">
      ${total.nps && html`<${Score} name="NPS" all=${all} value=${signed(total.nps.score)} n=${total.nps.n} testid=${`nps-${total.question}`}
        formula=${_("{high} gave 9 or 10, {low} gave 0 to 6, of {n}: the share of the first less that of the second", total.nps)}
        range=${total.nps.interval?.map((/** @type {number} */ each) => signed(each)).join(" … ")} />`}
      ${total.csat && html`<${Score} name="CSAT" all=${all} value=${shown(total.csat.share)} n=${total.csat.n} testid=${`csat-${total.question}`}
        formula=${_("{count} of {n} gave one of the two highest marks", total.csat)} range=${interval(total.csat)} />`}
      ${total.mean !== null && html`<${Score} name=${_("mean")} all=${all} value=${amount(total, total.mean)} n=${total.answered} formula="" range="" />`}
      ${total.median !== null && html`<${Score} name=${_("median")} all=${all} value=${amount(total, total.median)} n=${total.answered} formula="" range="" />`}
    </p>
    <ul class="survey-bars">${bars.map((/** @type {any} */ answer) => html`<${Bar} key=${answer.value} total=${total} answer=${answer} />`)}</ul>
    <label class="field-inline soft">${_("compare by")}
      <select data-testid=${`by-${total.question}`} onChange=${(/** @type {any} */ event) => change({ question: total.question, by: event.target.value })}>
        <option value="">—</option>
        ${[...DIMENSIONS.map((each) => [each, named(each)]), ...others.map((/** @type {Question} */ each) => [`?${each.question}`, each.prompt || each.question])].map(
          ([value, text]) => html`<option key=${value} value=${value} selected=${question === total.question && by === value}>${text}</option>`,
        )}
      </select>
    </label>
  </section>`;
}

function Score(/** @type {any} */ { name, value, n, formula, range, testid, all }) {
  return html`<span class="survey-score" data-testid=${testid} title=${[formula, range && _("95 %: {range}", { range })].filter(Boolean).join("\n")}>
    <b>${value}</b> ${name} <button type="button" class="survey-all soft" title=${_("Behind this figure")} onClick=${all}>n = ${n.toLocaleString(language)}</button>
    ${formula && html`<small class="soft survey-formula">${formula}</small>`}
  </span>`;
}

/** The answers of a question; of a scale all marks, since those that nobody gave say something, too. */
function marks(/** @type {Question} */ total) {
  const [least, most] = (total.scale ?? "").split("-").map(Number);
  if (total.kind !== "scale" || !total.answered || most === undefined) return total.answers;
  const scale = Array.from({ length: most - least + 1 }, (_none, place) => String(least + place));
  const rest = total.answers.filter((/** @type {any} */ each) => !scale.includes(each.value));
  const none = { count: 0, n: total.answered, share: 0, interval: null };
  return [...scale.map((value) => total.answers.find((/** @type {any} */ each) => each.value === value) ?? { value, text: "", share: none }), ...rest];
}

function Bar(/** @type {{total: Question, answer: any}} */ { total, answer }) {
  const { share } = answer;
  const text = answer.text ? `${answer.value} · ${answer.text}` : total.kind === "money" ? money(Number(answer.value) / 100, results?.currency) : named(answer.value);
  const width = Math.round(1000 * (share.share ?? 0)) / 10;
  const title = `${total.prompt || total.question}: ${text}`;
  return html`<li>
    <button type="button" class="survey-bar" title=${share.interval && _("95 %: {range}", { range: interval(share) })} disabled=${!share.count} data-testid=${`bar-${total.question}-${answer.value}`}
      onClick=${() => open({ question: total.question, value: answer.value, by: null, row: "", title })}>
      <span class="survey-value">${text}</span>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="10" class="survey-ground" /><rect width=${width} height="10" class="survey-share" />
        ${share.interval && html`<rect x=${100 * share.interval[0]} y="4" width=${100 * (share.interval[1] - share.interval[0])} height="2" class="survey-range" />`}</svg>
      <span class="survey-count">${shown(share.share)} · ${share.count.toLocaleString(language)}</span>
    </button>
  </li>`;
}

function Table(/** @type {{table: any}} */ { table }) {
  const total = results?.questions.find((/** @type {Question} */ each) => each.question === table.question);
  const values = total?.answers.length <= BARS_AT_MOST ? marks(total).map((/** @type {any} */ each) => each.value) : [];
  const shares = table.rows.flatMap((/** @type {any} */ row) => Object.values(row.answers).map((count) => Number(count) / row.answered));
  const most = Math.max(...shares, Number.MIN_VALUE);
  const head = table.by.startsWith("?") ? results?.questions.find((/** @type {Question} */ each) => `?${each.question}` === table.by)?.prompt || table.by.slice(1) : named(table.by);
  return html`<section class="panel survey-table" data-testid="table">
    <h2>${total?.prompt || table.question} · ${head}</h2>
    <div class="survey-scroll"><table>
      <thead><tr><th scope="col">${head}</th><th scope="col">n</th>
        ${total?.nps && html`<th scope="col">NPS</th>`}${total?.csat && html`<th scope="col">CSAT</th>`}${total?.mean !== null && html`<th scope="col">${_("mean")}</th>`}
        ${values.map((/** @type {string} */ value) => html`<th scope="col" key=${value}>${named(value)}</th>`)}
      </tr></thead>
      <tbody>${table.rows.map(
        (/** @type {any} */ row) => html`<tr key=${row.name} data-row=${row.name}>
          <th scope="row">${row.name ? named(row.name) : _("unknown")} ${row.small && html`<small class="soft">${_("few answers")}</small>`}</th>
          <td>${row.answered > 0 && html`<button type="button" title=${_("Behind this figure")}
            onClick=${() => open({ question: table.question, value: null, by: table.by, row: row.name, title: `${head}: ${row.name ? named(row.name) : _("unknown")}` })}>${row.answered}</button>`}</td>
          ${total?.nps && html`<td>${signed(row.nps?.score ?? null)}</td>`}${total?.csat && html`<td>${shown(row.csat?.share ?? null)}</td>`}
          ${total?.mean !== null && html`<td>${row.mean === null ? "" : amount(total, row.mean)}</td>`}
          ${values.map((/** @type {string} */ value) => {
            const count = row.answers[value] ?? 0;
            const heat = count ? Math.max(1, Math.round((4 * count) / row.answered / most)) : 0;
            const title = `${row.name ? named(row.name) : _("unknown")}: ${named(value)}`;
            return html`<td key=${value} class=${`heat-${heat}`}>${count > 0 &&
            html`<button type="button" onClick=${() => open({ question: table.question, value, by: table.by, row: row.name, title })}>${count}</button>`}</td>`;
          })}
        </tr>`,
      )}</tbody>
    </table></div>
  </section>`;
}

function Behind() {
  if (!behind || !cell) return null;
  return html`<section class="panel survey-behind" id="behind" tabindex="-1" data-testid="behind" aria-label=${_("Behind this figure")}>
    <h2>${cell.title} <span class="soft">n = ${behind.count.toLocaleString(language)}</span></h2>
    ${behind.runs.length < behind.count && html`<p class="soft">${ngettext("the last {n} is shown", "the last {n} are shown", behind.runs.length)}</p>`}
    <ul>${behind.runs.map(
      (run) => html`<li key=${run.id}>
        <p>${run.call ? html`<a href=${`/calls/${run.call}`}>${moment(run.at)}</a>` : moment(run.at)}
          <span class="soft"> · ${[named(run.channel), run.operator, run.queue, run.status, run.outcome && named(run.outcome)].filter(Boolean).join(" · ")}</span></p>
        <p>${run.answers.map(
          (/** @type {any} */ answer) => html`<span class="survey-answer" key=${answer.question}>
            <span class="soft">${answer.question}</span> ${answer.kind === "money" ? money(Number(answer.value) / 100, results?.currency) : named(answer.value)}
            ${answer.recorded && html`<audio controls preload="none" src=${`/api/v1/runs/${run.id}/answers/${encodeURIComponent(answer.question)}/recording`}></audio>`}
          </span>`,
        )}</p>
      </li>`,
    )}</ul>
  </section>`;
}

/** A share as people read it. */
function shown(/** @type {number | null} */ share) {
  return share === null ? "—" : percent(100 * share);
}

function signed(/** @type {number | null} */ score) {
  return score === null ? "—" : `${score > 0 ? "+" : score < 0 ? "−" : ""}${Math.abs(Math.round(score))}`;
}

function interval(/** @type {Share} */ share) {
  return share.interval ? share.interval.map((each) => percent(100 * each)).join(" … ") : "";
}

function amount(/** @type {Question | undefined} */ total, /** @type {number} */ value) {
  if (total?.kind === "money") return money(value, results?.currency);
  return value.toLocaleString(language, { maximumFractionDigits: 2 });
}

const show = () => render(html`<${Page} />`, main);

await load();
try {
  ({ surveys } = await get("/api/v1/surveys"));
  if (!survey && surveys.length) survey = (surveys.find((each) => each.survey && each.runs > 0) ?? surveys.find((each) => each.runs > 0) ?? surveys[0]).name;
} catch (error) {
  fault = /** @type {Error} */ (error).message;
}
await read();
