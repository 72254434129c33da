"""The pages' languages: English in the sources, Russian and Bulgarian in `locale/*/cordboard.po`.

The `.po` files are read as they stand, so a fresh clone has nothing to compile. After a text of a
page has changed, bring them up to date and fill in what is new:

    mkdir -p var
    python -m babel.messages.frontend extract -F babel.cfg --no-location --no-wrap \\
        -o var/cordboard.pot .
    python -m babel.messages.frontend update -D cordboard -d cordboard/screenpop/locale \\
        -i var/cordboard.pot --no-fuzzy-matching --no-wrap

Placeholders are written `{name}`, in Python, Jinja2 and JavaScript alike.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES: tuple[str, ...] = ("en", "ru", "bg")
DOMAIN = "cordboard"
LOCALE = Path(__file__).parent / "locale"

COOKIE = "cordboard_language"
"""Where a browser keeps the language that was picked on a page; `static/page.js` writes it."""

_PLURALS = {"en": ("one", "other"), "ru": ("one", "few", "many"), "bg": ("one", "other")}
"""CLDR's names of the plural forms, in the order in which the `.po` file has them."""


@functools.cache
def load(language: str) -> NullTranslations:
    """gettext and ngettext of a language. Give them to Jinja2's i18n extension."""
    if language == "en":
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, _read(language))
    compiled.seek(0)
    return Translations(compiled, DOMAIN)


@functools.cache
def catalog(language: str) -> dict[str, Any]:
    """What the browser needs of a language: each message's text, or its plural forms by name."""
    messages: dict[str, str | dict[str, str]] = {}
    if language != "en":
        for message in _read(language):
            if not message.id or not message.string:
                continue
            if isinstance(message.id, str):
                messages[message.id] = str(message.string)
            else:
                messages[message.id[0]] = dict(zip(_PLURALS[language], message.string, strict=True))
    return {"language": language, "messages": messages}


def choose(cookie: str | None, user_language: str | None, accept_language: str | None) -> str:
    """The language of a page: as picked in this browser, else the user's, else the browser's."""
    for wish in (cookie, user_language):
        if wish in LANGUAGES:
            return wish
    for wish in _accepted(accept_language or ""):
        primary = wish.partition("-")[0].lower()
        if primary in LANGUAGES:
            return primary
    return LANGUAGES[0]


def _accepted(header: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, parameters = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameters)
        if tag and (weight or not parameters):
            weighed.append((float(weight[1]) if weight else 1.0, tag.strip()))
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]


@functools.cache
def _read(language: str) -> Catalog:
    if language not in LANGUAGES:
        raise KeyError(f"no such language: {language}")
    with (LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as source:
        return read_po(source, locale=language, domain=DOMAIN, abort_invalid=True)


_STRING = r'"((?:[^"\\\n]|\\.)*)"'
_CALL = re.compile(rf"(?<![\w$.])(_|ngettext)\(\s*{_STRING}(?:\s*,\s*{_STRING})?")


def extract_javascript(
    fileobj: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, str, str | tuple[str, str], list[str]]]:
    """Babel's extraction for our scripts: `_("…")` and `ngettext("…", "…", n)`, double quotes.

    Babel's own JavaScript lexer loses its place in templates within templates, of which a page
    made with htm is full.
    """
    source = fileobj.read().decode()
    for found in _CALL.finditer(source):
        name, first, second = found[1], _unescape(found[2]), _unescape(found[3] or "")
        line = source.count("\n", 0, found.start()) + 1
        yield line, name, (first, second) if name == "ngettext" else first, []


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: match[1], text)
