/** Lists of people, for supervisors: how far each is, who is on it, and new ones from files and from our customers. */
import { get, post, send } from "./api.js";
import { languageName, moment, phone } from "./format.js";
import { _, language, load, ngettext } from "./i18n.js";
import { Progress, STATE_NAMES, stateWord } from "./people.js";
import { word } from "./ui.js";
import { html, render, useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./people.js").List} List */
/** @typedef {import("./people.js").Person} Person */
/** @typedef {{added: number, known: number, left_out: number, reasons: {line: number, name: string, reason: string}[]}} Added */

const main = /** @type {HTMLElement} */ (document.getElementById("lists"));
/** @type {string[]} */
const statuses = JSON.parse(main.dataset.statuses ?? "[]");
/** @type {string[]} */
const languages = JSON.parse(main.dataset.languages ?? "[]");
const LOOK_EVERY = 10_000;
const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

function Lists() {
  const [lists, setLists] = useState(/** @type {List[] | null} */ (null));
  const [error, setError] = useState("");
  const [making, setMaking] = useState(false);
  const [open, setOpen] = useState(location.hash.slice(1));
  const look = async () => {
    try {
      setLists((await get("/api/v1/lists")).lists);
      setError("");
    } catch (failure) {
      setError(/** @type {Error} */ (failure).message);
    }
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), LOOK_EVERY);
    return () => clearInterval(timer);
  }, []);
  const show = (/** @type {string} */ id) => {
    const next = id === open ? "" : id;
    history.replaceState(null, "", next ? `#${next}` : location.pathname);
    setOpen(next);
  };
  return html`
    <div class="lists-head">
      <h1 class="page-title">${_("Lists")}</h1>
      <button type="button" class=${making ? "" : "primary"} aria-expanded=${making} data-testid="list-new" onClick=${() => setMaking(!making)}>
        ${making ? _("Close") : _("New list")}
      </button>
    </div>
    ${error && html`<p class="notice" role="alert">${error}</p>`}
    ${making && html`<${NewList} made=${(/** @type {List} */ list) => (setMaking(false), show(list.id), look())} />`}
    ${lists && !lists.length && html`<p class="soft" data-testid="no-lists">${_("There are no lists yet.")}</p>`}
    <ul class="lists" data-testid="lists">
      ${(lists ?? []).map((list) => html`<${Row} key=${list.id} list=${list} open=${open === list.id} show=${show} look=${look} />`)}
    </ul>
  `;
}

/** @param {{list: List, open: boolean, show: (id: string) => void, look: () => Promise<void>}} props */
function Row({ list, open, show, look }) {
  const facts = [
    list.script,
    ngettext("{n} person", "{n} people", list.people),
    !list.closed_at && _("{n} due now", { n: list.due.toLocaleString(language) }),
    list.hours,
    list.closed_at ? _("closed {time}", { time: moment(list.closed_at) }) : _("made {time}", { time: moment(list.created_at) }),
  ];
  return html`<li class="card panel list-row" data-testid="list" data-id=${list.id} data-closed=${Boolean(list.closed_at)}>
    <h2><button type="button" aria-expanded=${open} data-testid="list-open" onClick=${() => show(list.id)}>${list.name}</button></h2>
    <p class="soft">${facts.filter(Boolean).join(" · ")}</p>
    ${list.people > 0 && html`<${Progress} list=${list} />`}
    ${open && html`<${Detail} list=${list} look=${look} />`}
  </li>`;
}

/** @param {{list: List, look: () => Promise<void>}} props */
function Detail({ list, look }) {
  const [sure, setSure] = useState(false);
  const [filling, setFilling] = useState(!list.people);
  const close = async () => {
    await post(`/api/v1/lists/${list.id}/close`, {});
    await look();
  };
  return html`
    <${People} list=${list} />
    ${!list.closed_at &&
    html`<details class="list-fill" open=${filling} onToggle=${(/** @type {any} */ event) => setFilling(event.target.open)}>
      <summary data-testid="list-fill">${_("Add people")}</summary>
      <${Fill} list=${list} look=${look} />
    </details>`}
    ${!list.closed_at &&
    html`<div class="list-actions">
      ${sure
        ? html`<span>${_("Nobody of it is given to operators any more.")}</span>
            <button type="button" class="primary" data-testid="list-close-sure" onClick=${() => void close()}>${_("Close the list")}</button>
            <button type="button" class="quiet" onClick=${() => setSure(false)}>${_("Cancel")}</button>`
        : html`<button type="button" data-testid="list-close" onClick=${() => setSure(true)}>${_("Close the list…")}</button>`}
    </div>`}
  `;
}

/* Who is on it. */

function People(/** @type {{list: List}} */ { list }) {
  const [state, setState] = useState("");
  const [people, setPeople] = useState(/** @type {Person[]} */ ([]));
  const [next, setNext] = useState(/** @type {number | null} */ (null));
  const address = `/api/v1/lists/${list.id}/people?${state ? `state=${state}&` : ""}`;
  useEffect(() => {
    void get(`${address}limit=50`).then((found) => {
      setPeople(found.people);
      setNext(found.next);
    });
  }, [state, JSON.stringify(list.states)]);
  const more = async () => {
    const found = await get(`${address}limit=50&after=${next}`);
    setPeople([...people, ...found.people]);
    setNext(found.next);
  };
  if (!list.people) return null;
  return html`
    <label class="list-show"
      >${_("Show")}
      <select value=${state} data-testid="list-state" onChange=${(/** @type {any} */ event) => setState(event.target.value)}>
        <option value="">${_("everybody")}</option>
        ${STATE_NAMES.filter((name) => list.states[name]).map((name) => html`<option key=${name} value=${name}>${stateWord(name)} (${list.states[name]})</option>`)}
      </select>
    </label>
    <table class="people-table" data-testid="list-people">
      <thead>
        <tr>
          <th scope="col">${_("Name")}</th>
          <th scope="col">${_("Phone")}</th>
          <th scope="col">${_("State")}</th>
          <th scope="col">${_("Tries")}</th>
          <th scope="col">${_("Again")}</th>
          <th scope="col">${_("Note")}</th>
        </tr>
      </thead>
      <tbody>
        ${people.map(
          (one) => html`<tr key=${one.id} data-testid="list-person" data-state=${one.state}>
            <td>${one.name}</td>
            <td class="number">${phone(one.number)}</td>
            <td>${stateWord(one.state)}${one.taken_by && html` <span class="soft">${one.taken_by}</span>`}</td>
            <td>${one.tries || ""}</td>
            <td>${one.due_at ? moment(one.due_at) : ""}</td>
            <td>${one.note}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${next !== null && html`<div><button type="button" data-testid="list-more" onClick=${() => void more()}>${_("Show more")}</button></div>`}
  `;
}

/* New ones. */

/** @param {{made: (list: List) => void}} props */
function NewList({ made }) {
  const [scripts, setScripts] = useState(/** @type {{name: string, title: string}[]} */ ([]));
  const [error, setError] = useState("");
  const name = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    name.current?.focus();
    void get("/api/v1/scripts").then((found) => setScripts(found.scripts.filter((/** @type {any} */ one) => one.version)));
  }, []);
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const text = (/** @type {string} */ key) => String(form.get(key) ?? "").trim();
    try {
      made(
        await post("/api/v1/lists", {
          name: text("name"),
          script: text("script"),
          tries: Number(text("tries")),
          again_minutes: Number(text("again")),
          language: text("language") || null,
          hours: text("hours") || null,
        }),
      );
    } catch (failure) {
      setError(/** @type {Error} */ (failure).message);
    }
  };
  return html`<form class="card panel list-form" data-testid="list-form" onSubmit=${submit}>
    <div class="fields">
      <label>${_("Name")}<input ref=${name} name="name" required maxlength="200" autocomplete="off" data-testid="list-name" /></label>
      <label
        >${_("Script")}
        <select name="script" required data-testid="list-script">
          ${scripts.map((one) => html`<option key=${one.name} value=${one.name}>${one.title}</option>`)}
        </select>
      </label>
      <label>${_("Tries")}<input name="tries" type="number" min="1" max="20" value="3" required /></label>
      <label>${_("Minutes in between")}<input name="again" type="number" min="1" max="43200" value="60" required /></label>
      <label
        >${_("Language, where none is known")}
        <select name="language">
          <option value=""></option>
          ${languages.map((one) => html`<option key=${one} value=${one}>${languageName(one)}</option>`)}
        </select>
      </label>
      <label>${_("Calendar of the rule file")}<input name="hours" maxlength="80" autocomplete="off" /></label>
      <button type="submit" class="primary" data-testid="list-make">${_("Make the list")}</button>
    </div>
    ${error && html`<p class="form-error" role="alert" data-testid="list-error">${error}</p>`}
  </form>`;
}

/** Why somebody was left out, as the server says it, and in the reader's language.
 * @type {[RegExp, (...said: string[]) => string][]} */
const REASONS = [
  [/^there is no number$/, () => _("there is no number")],
  [/^(.+) is not a telephone number$/, (said) => _("{number} is not a telephone number", { number: said })],
  [/^(.+) may not be called$/, (said) => _("{number} may not be called", { number: said })],
  [/^the language must be one of (.+)$/, (said) => _("the language must be one of {languages}", { languages: said })],
  [/^does not want to be disturbed$/, () => _("does not want to be disturbed")],
  [/^does not want to be asked$/, () => _("does not want to be asked")],
  [/^row: has (\d+) cells under (\d+) titles$/, (cells, titles) => _("{cells} cells under {titles} titles", { cells, titles })],
  [/^row: holds bytes/, () => _("bytes that are no text in the file's encoding")],
  [/^(.+): at most (\d+) characters fit$/, (name, n) => _("{name}: at most {n} characters fit", { name, n })],
  [/look for a quotation mark that is not doubled$/, () => _("a quotation mark that is not doubled")],
];

function reason(/** @type {string} */ said) {
  for (const [pattern, words] of REASONS) {
    const found = pattern.exec(said);
    if (found) return words(...found.slice(1));
  }
  return said;
}

/** People from a file, or from our customers.
 * @param {{list: List, look: () => Promise<void>}} props */
function Fill({ list, look }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const [added, setAdded] = useState(/** @type {Added | null} */ (null));
  const add = async (/** @type {() => Promise<Added>} */ how) => {
    setBusy(true);
    setError("");
    setAdded(null);
    try {
      setAdded(await how());
      await look();
    } catch (failure) {
      setError(/** @type {Error} */ (failure).message);
    }
    setBusy(false);
  };
  const upload = (/** @type {any} */ event) => {
    event.preventDefault();
    const file = event.target.elements.file.files[0];
    if (!file) return;
    const type = file.name.toLowerCase().endsWith(".xlsx") ? XLSX : "text/csv";
    void add(() => send(`/api/v1/lists/${list.id}/people`, file, type));
  };
  const choose = (/** @type {any} */ event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const text = (/** @type {string} */ key) => String(form.get(key) ?? "").trim();
    const day = (/** @type {string} */ key) => (text(key) ? new Date(`${text(key)}T00:00`).toISOString() : null);
    const [attribute, value] = text("attribute").split("=");
    void add(() =>
      post(`/api/v1/lists/${list.id}/customers`, {
        statuses: form.getAll("status"),
        segment: text("segment") || null,
        tags: text("tags").split(",").map((one) => one.trim()).filter(Boolean),
        language: text("language") || null,
        after: day("after"),
        before: day("before"),
        attributes: value === undefined || !attribute ? {} : { [attribute.trim()]: value.trim() },
      }),
    );
  };
  return html`<div class="list-form">
    <form onSubmit=${upload} data-testid="list-upload">
      <fieldset disabled=${busy}>
        <legend>${_("From a file")}</legend>
        <label>${_("CSV or XLSX; the first line names the columns: phone, name, language and any others")}
          <input type="file" name="file" accept=".csv,.xlsx,text/csv" required data-testid="list-file" /></label>
        <button type="submit" data-testid="list-add-file">${busy ? _("Adding…") : _("Add")}</button>
      </fieldset>
    </form>
    <form onSubmit=${choose} data-testid="list-filter">
      <fieldset disabled=${busy}>
        <legend>${_("From our customers")}</legend>
        <div class="ticks" role="group" aria-label=${_("Status")}>
          ${statuses.map((one) => html`<label class="tick" key=${one}><input type="checkbox" name="status" value=${one} />${word("status", one)}</label>`)}
        </div>
        <label>${_("Segment")}<input name="segment" maxlength="80" /></label>
        <label>${_("Tags, all of them")}<input name="tags" maxlength="200" /></label>
        <label>${_("Language")}
          <select name="language"><option value=""></option>${languages.map((one) => html`<option key=${one} value=${one}>${languageName(one)}</option>`)}</select></label>
        <label>${_("Last contact from")}<input name="after" type="date" /></label>
        <label>${_("No contact since")}<input name="before" type="date" /></label>
        <label>${_("Attribute, such as tariff=max")}<input name="attribute" maxlength="200" pattern="[^=]+=.*" /></label>
        <button type="submit" data-testid="list-add-customers">${busy ? _("Adding…") : _("Add")}</button>
      </fieldset>
    </form>
    ${error && html`<p class="form-error" role="alert" data-testid="list-fill-error">${error}</p>`}
    ${added &&
    html`<div role="status" data-testid="list-added">
      <p>${_("{added} added, {known} on the list already, {left} left out", { added: added.added, known: added.known, left: added.left_out })}</p>
      ${added.reasons.length > 0 &&
      html`<ul class="left-out">
        ${added.reasons.map((one, place) => html`<li key=${place}>${one.line ? `${_("line {n}", { n: one.line })}: ` : ""}${one.name && html`<b>${one.name}</b>: `}${reason(one.reason)}</li>`)}
      </ul>`}
    </div>`}
  </div>`;
}

await load();
render(html`<${Lists} />`, main);
