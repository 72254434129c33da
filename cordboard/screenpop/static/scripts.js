/** The list of scripts. */
import { get } from "./api.js";
import { languageName } from "./format.js";
import { _, language, load, ngettext } from "./i18n.js";
import { html, render } from "./vendor/htm-preact.js";

/** @typedef {{name: string, title: string, languages: string[], version: string | null, steps: number,
 *   survey: boolean, faults: string[], runs_today: number}} Script */

const main = /** @type {HTMLElement} */ (document.getElementById("scripts"));

function Scripts(/** @type {{scripts: Script[], faults: string[]}} */ { scripts, faults }) {
  return html`
    <h1 class="page-title">${_("Scripts")}</h1>
    ${faults.map((fault) => html`<p class="script-faults" role="alert">${fault}</p>`)}
    ${scripts.length
      ? html`<ul class="scripts" data-testid="scripts">
          ${scripts.map((script) => html`<${Row} key=${script.name} script=${script} />`)}
        </ul>`
      : html`<p class="soft" data-testid="no-scripts">${_("There are no scripts yet: put a file into the scripts folder.")}</p>`}
  `;
}

function Row(/** @type {{script: Script}} */ { script }) {
  const { name, title, languages, version, steps, faults } = script;
  return html`<li class="panel script-row" data-script=${name}>
    <h2>${version ? html`<a href=${`/scripts/${name}`}>${title}</a>` : title}</h2>
    <p class="soft">
      ${[name, script.survey && _("survey"), version && ngettext("{n} step", "{n} steps", steps), languages.map(languageName).join(", ")]
        .filter(Boolean)
        .join(" · ")}
    </p>
    <p class="script-runs">
      <b>${script.runs_today.toLocaleString(language)}</b> ${_("runs today")}
    </p>
    ${faults.length > 0 &&
    html`<div class="script-faults" role="alert">
      <p>${version ? _("The file has faults; the last good version is in force.") : _("The file has faults and was never in force.")}</p>
      <ul>${faults.map((fault) => html`<li>${fault}</li>`)}</ul>
    </div>`}
  </li>`;
}

await load();
try {
  const { scripts, faults } = await get("/api/v1/scripts");
  render(html`<${Scripts} scripts=${scripts} faults=${faults} />`, main);
} catch (error) {
  render(html`<p class="notice" role="alert">${/** @type {Error} */ (error).message}</p>`, main);
}
