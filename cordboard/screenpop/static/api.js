/** Requests to the server's API, with the session's cookie and its CSRF token. */
import { _ } from "./i18n.js";

const csrf = document.querySelector("meta[name=csrf]")?.getAttribute("content") ?? "";
/** Milliseconds. */
const WITHIN = 10_000;
const FILE_WITHIN = 120_000;

/** What went wrong, in words for the operator. */
class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 where the server was not reached
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<any>} the answer's JSON
 */
export function post(path, body) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  });
}

/**
 * Sends a file as it is.
 * @param {string} path
 * @param {Blob} file
 * @param {string} type
 * @returns {Promise<any>} the answer's JSON
 */
export function send(path, file, type) {
  const headers = { "Content-Type": type, "X-CSRF-Token": csrf };
  return ask(path, { method: "POST", headers, body: file }, FILE_WITHIN);
}

/** @returns {Promise<any>} the answer's JSON */
export function get(/** @type {string} */ path) {
  return ask(path, {});
}

async function ask(/** @type {string} */ path, /** @type {RequestInit} */ how, within = WITHIN) {
  let response;
  try {
    response = await fetch(path, { ...how, signal: AbortSignal.timeout(within) });
  } catch {
    throw new ApiError(_("The server cannot be reached."), 0);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  if (response.status === 401) {
    throw new ApiError(_("Your session has ended: log in again. The text stays here."), 401);
  }
  throw new ApiError(words(answer) || _("The server refused ({status}).", { status: response.status }), response.status);
}

/** The reason in an error answer, whichever of the usual places it stands in. */
function words(/** @type {any} */ answer) {
  for (const place of [answer?.detail, answer?.error, answer?.message, answer?.title]) {
    if (typeof place === "string") return place;
    if (typeof place?.message === "string") return place.message;
    if (Array.isArray(place)) return place.map((item) => item.msg ?? item.message ?? "").join("; ");
  }
  return "";
}
