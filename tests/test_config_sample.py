"""The commented sample configuration names every key there is, with its default, and loads."""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cordboard.config import Settings, load, share

SAMPLE = share("cordboard.toml")
EXAMPLES = {
    *("http.certificate", "http.key", "routing.path", "scripts.path", "database.url"),
    *("recorder.key_file", "pause.minutes", "pause.text"),
    *("lookup.body", "lookup.secret_file", "lookup.values"),
}
"""Keys that the sample shows with a value of its own: their default is none, or a place that
depends on where cordboard is installed or started."""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for section in Settings.model_fields:
        for key in _fields(section):
            monkeypatch.delenv(f"CORDBOARD_{section}__{key}".upper(), raising=False)
        monkeypatch.delenv(f"CORDBOARD_{section}".upper(), raising=False)


def _fields(section: str) -> dict[str, Any]:
    kind = Settings.model_fields[section].annotation
    (model,) = typing.get_args(kind) or (kind,)
    assert issubclass(model, BaseModel)
    return dict(model.model_fields)


def _with_all_keys(text: str) -> str:
    """The sample with the comments taken off its optional keys; prose has a space behind its #."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def _keys(data: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, content in data.items()
        for table in (content if isinstance(content, list) else [content])
        for key, value in table.items()
    }


def test_the_sample_names_exactly_the_keys_there_are() -> None:
    named = set(_keys(tomllib.loads(_with_all_keys(SAMPLE.read_text(encoding="utf-8")))))
    known = {f"{section}.{key}" for section in Settings.model_fields for key in _fields(section)}
    assert named == known


def test_each_optional_key_shows_its_default() -> None:
    shown = _keys(tomllib.loads(_with_all_keys(SAMPLE.read_text(encoding="utf-8"))))
    for name, value in shown.items():
        section, key = name.split(".")
        field = _fields(section)[key]
        if name in EXAMPLES or field.is_required():
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            default = default.model_dump()
        assert value == (str(default) if isinstance(default, Path) else default), name


@pytest.mark.parametrize("all_keys", [False, True])
def test_the_sample_loads(tmp_path: Path, all_keys: bool) -> None:
    text = SAMPLE.read_text(encoding="utf-8").replace('#method = "GET"', '#method = "POST"')
    path = tmp_path / "cordboard.toml"
    path.write_text(_with_all_keys(text) if all_keys else text, encoding="utf-8")
    (tmp_path / "ami.secret").write_text("s3cret\n", encoding="utf-8")
    settings = load(path)
    assert settings.pbx[0].secret() == "s3cret"
    assert settings.database.url == f"sqlite:///{tmp_path}/var/cordboard.db"
    assert settings.desk == Settings().desk
    assert settings.pause == Settings().pause


def test_what_callbacks_need_of_a_queue_is_said_where_they_are_offered_and_is_shipped() -> None:
    """Nothing warns of a queue without it: the caller is told to press 1, and 1 does nothing."""
    queues = share("asterisk/22/queues.conf").read_text(encoding="utf-8")
    (context,) = re.findall(r"^context = (\S+)", queues, re.MULTILINE)
    names = re.findall(r"^\[(\S+?)\](\S*)", queues, re.MULTILINE)
    others = [name for name, kind in names if kind != "(cordboard-queue)"]
    assert others == ["general", "cordboard-queue"]
    dialplan = share("asterisk/22/extensions.conf").read_text(encoding="utf-8")
    assert f"[{context}]" in dialplan
    rules = share("routing.toml").read_text(encoding="utf-8")
    offer = rules[rules.index("#     callback  ") : rules.index("#   number  ")]
    guide = Path(__file__).parent.parent / "docs/administration.md"
    for text in (offer, guide.read_text(encoding="utf-8")):
        assert f"`context = {context}`" in text
