/**
 * The flow chart of a script, with what callers did on its arrows.
 *
 * The chart is one stop of the Tab key; inside, the arrow keys go to the step or arrow that is next
 * in their direction, and its figures are shown beside the chart.
 */
import { get } from "./api.js";
import { languageName, moment, phone } from "./format.js";
import { _, language, load, ngettext } from "./i18n.js";
import { html, render } from "./vendor/htm-preact.js";

/** @typedef {{times: number, callers: number, of: number | null, median: number | null,
 *   p90: number | null, n: number, runs: string[]}} Figure */
/** @typedef {{step: string, way: string | null}} Place */
/** @typedef {Record<string, any>} Chart */

const main = /** @type {HTMLElement} */ (document.getElementById("script"));
const name = main.dataset.script ?? "";
const address = new URLSearchParams(location.search);
const ZOOM_STEP = 1.2;
const ZOOM_LEAST = 0.2;
const ZOOM_MOST = 3;
/** Smaller than this nothing can be read: rather is the chart broader than its place. */
const LEGIBLE = 0.55;

let days = address.get("days") === "1" ? "1" : "7";
let texts = address.get("language") ?? "";
/** @type {Chart | null} */
let chart = null;
/** @type {Place | null} */
let chosen = null;
let fault = "";
/** How large the chart is shown; null: as broad as the page has room. @type {number | null} */
let zoom = null;

function Page() {
  if (!chart) return html`<p class="notice" role="alert" data-testid="chart-fault">${fault}</p>`;
  return html`
    <header class="chart-head">
      <h1 class="page-title">${chart.title}</h1>
      <div class="choices" role="group" aria-label=${_("Period")}>
        <${Choice} on=${days === "1"} pick=${() => change({ days: "1" })} testid="days-1">${_("Last 24 hours")}<//>
        <${Choice} on=${days === "7"} pick=${() => change({ days: "7" })} testid="days-7">${_("Last 7 days")}<//>
      </div>
      <div class="choices" role="group" aria-label=${_("Language of the texts")}>
        ${chart.languages.map(
          (/** @type {string} */ code) =>
            html`<${Choice} on=${chart?.language === code} pick=${() => change({ texts: code })} testid=${`texts-${code}`}>
              ${languageName(code)}
            <//>`,
        )}
      </div>
      <div class="choices" role="group" aria-label=${_("Size")}>
        <button type="button" title=${_("Smaller")} aria-label=${_("Smaller")} onClick=${() => scale(1 / ZOOM_STEP)}>−</button>
        <button type="button" title=${_("Larger")} aria-label=${_("Larger")} onClick=${() => scale(ZOOM_STEP)}>+</button>
        <button type="button" data-testid="fit" onClick=${() => fit(null)}>${_("Fit")}</button>
      </div>
    </header>
    ${fault && html`<p class="notice" role="alert" data-testid="chart-fault">${fault}</p>`}
    <div class="chart-grid">
      <div class="panel chart-paper" id="paper" data-testid="chart"></div>
      <aside class="rail" aria-live="polite">
        ${chosen ? html`<${Figures} place=${chosen} chart=${chart} />` : html`<${Whole} chart=${chart} />`}
        <${Strays} chart=${chart} />
        <section class="panel chart-legend">
          <h2>${_("How it is counted")}</h2>
          ${chart.legend.map((/** @type {string} */ line) => html`<p>${line}</p>`)}
        </section>
      </aside>
    </div>
  `;
}

function Choice(/** @type {any} */ { on, pick, testid, children }) {
  return html`<button type="button" aria-pressed=${on ? "true" : "false"} data-testid=${testid} onClick=${pick}>${children}</button>`;
}

function Whole(/** @type {{chart: Chart}} */ { chart }) {
  return html`<section class="panel" data-testid="whole">
    <h2>${_("All runs")}</h2>
    <p class="chart-big">${number(chart.runs)}</p>
    <dl class="inputs">
      ${Object.entries(chart.outcomes).map(
        ([how, times]) => html`<div><dt>${chart.words[how] ?? how}</dt><dd>${number(times)}</dd></div>`,
      )}
    </dl>
    <p class="soft">${_("Pick a step or an arrow: its figures and the last runs behind them are shown here.")}</p>
  </section>`;
}

function Figures(/** @type {{place: Place, chart: Chart}} */ { place, chart }) {
  const step = chart.steps.find((/** @type {any} */ each) => each.step === place.step);
  if (place.way === null) return step ? html`<${Step} step=${step} chart=${chart} />` : html`<${Whole} chart=${chart} />`;
  const way = chart.ways.find((/** @type {any} */ each) => each.step === place.step && each.way === place.way);
  if (!way) return html`<${Whole} chart=${chart} />`;
  const parts = Object.entries(way.parts).filter(([, times]) => times);
  return html`<section class="panel" data-testid="figures">
    <h2>${_("Arrow")}</h2>
    <p class="chart-name">${way.from} → ${way.to}</p>
    ${way.label && html`<p>${way.label}</p>`}
    <${Amount} figure=${way.count} />
    ${parts.length > 1 &&
    html`<dl class="inputs">
      ${parts.map(([each, times]) => html`<div><dt>${chart.words[each] ?? each}</dt><dd>${number(times)}</dd></div>`)}
    </dl>`}
    <${Seconds} figure=${way.count} />
    <${Runs} figure=${way.count} chart=${chart} />
  </section>`;
}

function Step(/** @type {{step: any, chart: Chart}} */ { step, chart }) {
  const left = chart.ways.filter((/** @type {any} */ way) => way.step === step.step && way.count.times);
  const rows = [
    ...left.map((/** @type {any} */ way) => [way.label || way.to, way.count]),
    ...Object.entries(step.ended).map(([how, figure]) => [chart.words[how] ?? how, figure]),
    [chart.words.hangup, step.hung_up],
    ...Object.entries(step.broken).map(([how, figure]) => [chart.words[how] ?? how, figure]),
    [_("still here"), step.here],
  ].filter(([, figure]) => figure.times);
  return html`<section class="panel" data-testid="figures">
    <h2>${step.verb.replace("_", " ")}</h2>
    <p class="chart-name">${step.title}</p>
    ${step.lines.map((/** @type {string} */ line) => html`<p class="chart-said">${line}</p>`)}
    <p class="chart-big">${number(step.reached.times)}</p>
    <p class="soft">
      ${_("times reached")}${step.reached.callers !== step.reached.times &&
      html`, ${ngettext("by {n} caller", "by {n} callers", step.reached.callers)}`}
    </p>
    <dl class="inputs" data-testid="rows">
      ${rows.map(
        ([what, figure]) => html`<div>
          <dt>${what}</dt>
          <dd>${number(figure.times)} · ${share(figure.times, step.reached.times)}</dd>
        </div>`,
      )}
    </dl>
    <${Seconds} figure=${step.reached} />
    ${step.hung_up.times > 0 && html`<h3>${_("Hung up here")}</h3><${Runs} figure=${step.hung_up} chart=${chart} />`}
    ${step.reached.times > 0 && html`<h3>${_("Last runs")}</h3><${Runs} figure=${step.reached} chart=${chart} />`}
  </section>`;
}

function Amount(/** @type {{figure: Figure}} */ { figure }) {
  return html`<p class="chart-big">${number(figure.times)}</p>
    <p class="soft">
      ${_("{share} of {whole} who reached the step", { share: share(figure.times, figure.of ?? 0), whole: number(figure.of ?? 0) })}${figure.callers !== figure.times &&
      html`, ${ngettext("by {n} caller", "by {n} callers", figure.callers)}`}
    </p>`;
}

function Seconds(/** @type {{figure: Figure}} */ { figure }) {
  if (figure.median === null || figure.p90 === null) return null;
  return html`<p data-testid="seconds">
    ${_("Time at the step: median {median} s, 90 % within {p90} s (n = {n})", {
      median: seconds(figure.median),
      p90: seconds(figure.p90),
      n: number(figure.n),
    })}
  </p>`;
}

function Runs(/** @type {{figure: Figure, chart: Chart}} */ { figure, chart }) {
  const runs = figure.runs.map((id) => chart.last[id]).filter(Boolean);
  if (!runs.length) return null;
  return html`<ul class="chart-runs" data-testid="runs">
    ${runs.map((run) => {
      const who = run.number ? phone(run.number) : (channels()[run.channel] ?? run.channel);
      const when = moment(run.started_at);
      return html`<li>
        ${run.call ? html`<a href=${`/calls/${run.call}`}>${when}</a>` : when}
        <span>${who}</span>
        <span class="soft">${chart.words[run.outcome ?? "running"] ?? run.outcome}</span>
      </li>`;
    })}
  </ul>`;
}

function Strays(/** @type {{chart: Chart}} */ { chart }) {
  if (!chart.strays.length) return null;
  return html`<section class="panel" data-testid="strays">
    <h2>${_("Ways of older versions")}</h2>
    <p class="soft">${_("They are not on the chart, since the script has no such way any more.")}</p>
    <dl class="inputs">
      ${chart.strays.map(
        (/** @type {any} */ { step, way, count }) =>
          html`<div><dt>${step} › ${chart.words[way] ?? way}</dt><dd>${number(count.times)}</dd></div>`,
      )}
    </dl>
  </section>`;
}

/** @returns {Record<string, string>} */
function channels() {
  return { phone: _("phone"), form: _("form"), terminal: _("terminal") };
}

function number(/** @type {number} */ value) {
  return value.toLocaleString(language);
}

function share(/** @type {number} */ part, /** @type {number} */ whole) {
  const value = whole ? part / whole : 0;
  return value.toLocaleString(language, { style: "percent", maximumFractionDigits: value < 0.1 ? 1 : 0 });
}

function seconds(/** @type {number} */ value) {
  return value.toLocaleString(language, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/* The picture. */

function paper() {
  return /** @type {HTMLElement} */ (document.getElementById("paper"));
}

function picture() {
  return /** @type {SVGSVGElement | null} */ (paper()?.querySelector("svg"));
}

/** @returns {SVGGElement[]} what can be picked */
function places() {
  return [...(picture()?.querySelectorAll("g[data-step]") ?? [])].filter(
    (place) => place.getAttribute("data-step") !== "" && !place.getAttribute("data-step")?.startsWith("end/"),
  );
}

function placeOf(/** @type {Element} */ element) {
  return { step: element.getAttribute("data-step") ?? "", way: element.getAttribute("data-way") };
}

function isChosen(/** @type {Element} */ element) {
  const { step, way } = placeOf(element);
  return chosen !== null && chosen.step === step && chosen.way === way;
}

/** Puts the chart of the answer on the paper. */
function paint() {
  if (!chart) return;
  const made = new DOMParser().parseFromString(chart.svg, "image/svg+xml").documentElement;
  paper().replaceChildren(document.importNode(made, true));
  fit(zoom);
  mark();
}

function mark() {
  const all = places();
  const current = all.find(isChosen);
  for (const place of all) {
    place.setAttribute("aria-pressed", place === current ? "true" : "false");
    place.setAttribute("tabindex", place === (current ?? all[0]) ? "0" : "-1");
  }
}

function fit(/** @type {number | null} */ size) {
  const svg = picture();
  if (!svg) return;
  zoom = size;
  const { width, height } = svg.viewBox.baseVal;
  const shown = size ?? Math.max(LEGIBLE, Math.min(1, (paper().clientWidth - 2) / width));
  svg.setAttribute("width", String(width * shown));
  svg.setAttribute("height", String(height * shown));
}

function scale(/** @type {number} */ by) {
  const svg = picture();
  if (!svg) return;
  const now = svg.width.baseVal.value / svg.viewBox.baseVal.width;
  fit(Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, now * by)));
}

function choose(/** @type {Place | null} */ place) {
  chosen = place;
  mark();
  show();
}

/** The middle of what people see of a place: of an arrow, its label. */
function middle(/** @type {Element} */ place) {
  const seen = place.querySelector(".flow-pill, .flow-shape, .flow-line") ?? place;
  const { left, right, top, bottom } = seen.getBoundingClientRect();
  return { x: (left + right) / 2, y: (top + bottom) / 2 };
}

const DIRECTIONS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** The next place in a direction: near, and not far to the side. */
function next(/** @type {Element} */ from, /** @type {number[]} */ [dx, dy]) {
  const start = middle(from);
  let best = null;
  let least = Infinity;
  for (const place of places()) {
    const at = middle(place);
    const along = (at.x - start.x) * dx + (at.y - start.y) * dy;
    const aside = Math.abs((at.x - start.x) * dy) + Math.abs((at.y - start.y) * dx);
    if (place !== from && along > 2 && along + 2 * aside < least) {
      least = along + 2 * aside;
      best = place;
    }
  }
  return best;
}

function listen() {
  const sheet = paper();
  sheet.addEventListener("click", (event) => {
    const place = /** @type {Element} */ (event.target).closest("g[data-step]");
    if (place && places().includes(/** @type {any} */ (place))) {
      /** @type {any} */ (place).focus({ preventScroll: true });
      choose(placeOf(place));
    } else choose(null);
  });
  sheet.addEventListener("focusin", (event) => {
    const place = /** @type {Element} */ (event.target).closest("g[data-step]");
    if (place?.matches(":focus-visible") && !isChosen(place)) choose(placeOf(place));
  });
  sheet.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const direction = DIRECTIONS[/** @type {keyof typeof DIRECTIONS} */ (event.key)];
    const at = /** @type {Element} */ (event.target).closest("g[data-step]");
    if (direction && at) {
      /** @type {any} */ (next(at, direction))?.focus();
      event.preventDefault();
    } else if (at && (event.key === "Enter" || event.key === " ")) {
      choose(placeOf(at));
      event.preventDefault();
    } else if (event.key === "Escape") choose(null);
    else if (event.key === "+" || event.key === "=") scale(ZOOM_STEP);
    else if (event.key === "-") scale(1 / ZOOM_STEP);
    else if (event.key === "0") fit(null);
  });
  new ResizeObserver(() => zoom === null && fit(null)).observe(sheet);
}

function show() {
  render(html`<${Page} />`, main);
}

async function change(/** @type {{days?: string, texts?: string}} */ wish) {
  const before = { days, texts };
  days = wish.days ?? days;
  texts = wish.texts ?? texts;
  await fetched(before);
}

async function fetched(/** @type {{days: string, texts: string} | null} */ before) {
  const query = new URLSearchParams({ days, ...(texts && { language: texts }) });
  try {
    chart = await get(`/api/v1/scripts/${encodeURIComponent(name)}/chart?${query}`);
    fault = "";
    history.replaceState(null, "", `?${query}`);
  } catch (error) {
    fault = /** @type {Error} */ (error).message;
    if (before) ({ days, texts } = before);
  }
  const isFirst = !paper();
  show();
  if (!chart) return;
  if (isFirst) listen();
  if (!fault) paint();
}

await load();
await fetched(null);
