/** A form as a page of its own. */
import { Form } from "./form.js";
import { load } from "./i18n.js";
import { html, render } from "./vendor/htm-preact.js";

const main = /** @type {HTMLElement} */ (document.getElementById("form"));
await load();
render(html`<${Form} run=${main.dataset.run ?? ""} />`, main);
