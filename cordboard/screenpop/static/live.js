/** What all parts of the operator's console share: the stream, who sits here, and the floor. */
import { Stream } from "./stream.js";
import { useStream } from "./ui.js";
import { useRef } from "./vendor/htm-preact.js";

/** @typedef {import("./stream.js").Operator} Operator */

export const main = /** @type {HTMLElement} */ (document.getElementById("console"));
export const { user: me = "", currency = "RUB" } = main.dataset;
export const stream = new Stream();

/** An operator by login name, live; renders again only when this one changes. */
export function useOperator(/** @type {string | undefined} */ name) {
  const seen = useRef(/** @type {Operator | undefined} */ (undefined));
  seen.current = name ? stream.state?.operators.get(name) : undefined;
  useStream(
    stream,
    ["operators", "snapshot"],
    () => Boolean(name) && stream.state?.operators.get(name ?? "") !== seen.current,
  );
  return seen.current;
}
