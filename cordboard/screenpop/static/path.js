/** What is told of scripts: the way that a caller took through them, and what they did with the call. */
import { _, language } from "./i18n.js";
import { html } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Pop} Pop */
/** @typedef {import("./stream.js").PathStep} PathStep */

/** The way that the caller took through menus, and what was pressed there. */
export function Path(/** @type {{pop: Pop}} */ { pop }) {
  const steps = (pop.path ?? []).filter((step) => step.way !== "skip");
  if (!steps.length) return null;
  return html`<section class="why path">
    <h2>${_("On the way here")}</h2>
    <ul data-testid="script-path">
      ${steps.map(
        (step) => html`<li data-way=${step.way}>
          ${stepTitle(step)}${step.entered && html` <kbd>${step.entered}</kbd>`}${missed(step.way)}
        </li>`,
      )}
    </ul>
  </section>`;
}

/** What people call a step of a script. */
function stepTitle(/** @type {PathStep} */ { title, step }) {
  return title[language] ?? title[""] ?? title.en ?? Object.values(title)[0] ?? step;
}

/** That a step did not end as it should. */
function missed(/** @type {string} */ way) {
  const words = {
    noinput: _("no answer"),
    nomatch: _("not understood"),
    missing: _("not found"),
    error: _("failed"),
    noanswer: _("nobody answered"),
    busy: _("busy"),
  };
  const said = words[/** @type {keyof typeof words} */ (way)];
  return said ? html` <span class="soft">${said}</span>` : "";
}

/** Where a script sent the call. */
export function scriptText(/** @type {Record<string, unknown>} */ args) {
  const [script, to] = [String(args.script), String(args.to)];
  switch (args.target) {
    case "queue":
      return to ? _("The script {script} chose the queue {to}", { script, to }) : _("The script {script} failed: the usual queue", { script });
    case "operator":
      return _("The script {script} chose {to}", { script, to });
    case "manager":
      return _("The script {script} chose the personal manager", { script });
  }
  return _("The script {script} chose {to}", { script, to });
}

/** We were away, or too slow, while the caller was in a script. */
export function interruptedText(/** @type {Record<string, unknown>} */ { script, step }) {
  return _("IVR interrupted at step {step} of {script}: the PBX's default queue took the call", {
    step: String(step),
    script: String(script),
  });
}
