"""Nothing on a page is left in English for a reader of Russian or Bulgarian."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from cordboard.screenpop import translations

PAGES = Path(translations.__file__).parent
VENDOR = PAGES / "static" / "vendor"
PLACEHOLDER = re.compile(r"\{\w+\}")


def message_ids() -> set[str | tuple[str, str]]:
    scripts = f"{translations.__name__}:{translations.extract_javascript.__name__}"
    methods = [
        ("static/vendor/**", "ignore"),
        ("templates/**.html", "jinja2"),
        ("static/**.js", scripts),
        ("pages.py", "python"),
        ("charts.py", "python"),
    ]
    charts = [("graph.py", "python"), ("funnel.py", "python")]
    found = (
        *extract_from_dir(PAGES, methods),
        *extract_from_dir(PAGES.parent / "ivr", charts),
    )
    return {message for _, _, message, _, _ in found}


@pytest.mark.parametrize("language", ["ru", "bg"])
def test_every_text_is_translated(language: str) -> None:
    texts = translations.load(language)
    messages = translations.catalog(language)["messages"]
    ids = message_ids()
    assert len(ids) > 100
    missing = {one for one in ids if (one[0] if isinstance(one, tuple) else one) not in messages}
    assert missing == set()
    for one in ids:
        singular = one[0] if isinstance(one, tuple) else one
        found = messages[singular]
        assert isinstance(found, dict) == isinstance(one, tuple), one
        forms = list(found.values()) if isinstance(found, dict) else [found]
        for form in forms:
            assert form.strip(), one
            assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(singular)), one
        if isinstance(one, str):
            assert texts.gettext(one) == found


@pytest.mark.parametrize("language", ["ru", "bg"])
def test_no_translation_is_left_over(language: str) -> None:
    ids = {one[0] if isinstance(one, tuple) else one for one in message_ids()}
    assert set(translations.catalog(language)["messages"]) - ids == set()


def test_plural_forms_are_those_of_the_language() -> None:
    russian = translations.load("ru")
    counted = [russian.ngettext("{n} answered", "{n} answered", n) for n in (1, 2, 5, 11, 21, 22)]
    one, other = "{n} принят", "{n} принято"
    assert counted == [one, other, other, other, one, other]
    forms = translations.catalog("ru")["messages"]["{n} ready"]
    assert forms == {"one": "{n} готов", "few": "{n} готовы", "many": "{n} готовы"}
    assert set(translations.catalog("bg")["messages"]["{n} ready"]) == {"one", "other"}


@pytest.mark.parametrize(
    ("cookie", "user", "header", "chosen"),
    [
        ("bg", "ru", "en", "bg"),
        (None, "ru", "en", "ru"),
        ("xx", "yy", "bg-BG,bg;q=0.9,en;q=0.8", "bg"),
        (None, None, "de, en;q=0.3, ru;q=0.7", "ru"),
        (None, None, "ru;q=0, de", "en"),
        (None, None, "*", "en"),
        (None, None, ";;;q=, ru;q=abc,,", "en"),
        (None, None, None, "en"),
    ],
)
def test_language_is_chosen(
    cookie: str | None, user: str | None, header: str | None, chosen: str
) -> None:
    assert translations.choose(cookie, user, header) == chosen


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = json.loads((VENDOR / "MANIFEST.json").read_text())
    licences = {name for entry in manifest.values() for name in entry["licences"].values()}
    described = {"MANIFEST.json", "htm-preact.d.ts", *manifest, *licences}
    assert {path.name for path in VENDOR.iterdir()} == described
    for name, entry in manifest.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == entry["sha256"]


def test_pages_put_text_nowhere_but_in_text_nodes() -> None:
    scripts = list((PAGES / "static").glob("*.js"))
    assert len(scripts) > 5
    for path in scripts:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", path.read_text()
        )
        assert found == [], path
    for path in (PAGES / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|\|\s*safe", text), (
            path
        )
