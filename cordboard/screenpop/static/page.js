/**
 * What every page has: the language buttons and the log-out button.
 *
 * The language is kept in a cookie that `translations.choose` reads before anything else.
 */

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    const language = /** @type {HTMLElement} */ (button).dataset.language;
    document.cookie =
      `cordboard_language=${language}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    location.reload();
  });
}

// Drafts and the list of calls hold customers' data: the next user of this tab has no business there.
document.querySelector("[data-logout]")?.addEventListener("submit", () => sessionStorage.clear());
