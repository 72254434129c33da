"""The reference: that editors are told what the server takes, and readers what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from script_fixtures import WRITTEN

from cordboard.crm_core.model import Card, Customer, Manager
from cordboard.ivr.domains import CALL, CUSTOMER, NOW
from cordboard.ivr.finding import House
from cordboard.ivr.lint import findings
from cordboard.ivr.people import names_of
from cordboard.ivr.position import Position
from cordboard.ivr.reference import page, schema
from cordboard.ivr.rehearsal import Case, cases, rehearse, scope_of
from cordboard.ivr.script import Script
from cordboard.ivr.source import Source

HERE = Path(__file__).parent.parent
GUIDE = (HERE / "docs/scripts.md").read_text(encoding="utf-8")
EDITORS = Draft202012Validator(schema())
SHIPPED = sorted(path for path in (HERE / "scripts").glob("*.yaml") if ".test." not in path.name)


class Core(yaml.SafeLoader):
    """YAML as editors read it, by its core schema: `no` is a text, 012 a number."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own)


for tag, pattern, first in (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?[0-9]*\.[0-9]+", "-+.0123456789"),
    ("null", r"|~|null", ["~", "n", ""]),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), first)


def told(text: str) -> list[str]:
    return [error.message for error in EDITORS.iter_errors(yaml.load(text, Loader=Core))]


def example(number: int) -> str:
    found: list[str] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    return found[number]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_files_are_those_that_the_models_make() -> None:
    written = json.loads((HERE / "config/script.schema.json").read_text(encoding="utf-8"))
    assert written == schema(), "cordboard script schema > config/script.schema.json"
    assert GUIDE.endswith(page()), (
        "put what `cordboard script reference` prints into docs/scripts.md"
    )


def test_every_key_has_a_meaning() -> None:
    unsaid = [
        line
        for line in page().splitlines()
        if line.endswith("|  |") and not re.match(r"\| `(method|least|most)` ", line)
    ]
    assert unsaid == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_editors_find_nothing_wrong_in_the_scripts_that_are_shipped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert told(text) == []
    assert text.startswith("# yaml-language-server: $schema=../config/script.schema.json\n")


@given(WRITTEN)
@settings(max_examples=50)
def test_what_the_server_reads_editors_take(written: dict[str, Any]) -> None:
    Script.model_validate(written)
    assert [error.message for error in EDITORS.iter_errors(_without_empty(written))] == []


def _without_empty(written: dict[str, Any]) -> dict[str, Any]:
    """`hangup: ""` is what we read of `hangup:`, which is null to others."""
    steps = [{key: value or None for key, value in step.items()} for step in written["steps"]]
    return {**written, "steps": steps}


@pytest.mark.parametrize(
    "step",
    [
        "sai: Hello.",
        "{ say: Hello., goto: end }",
        "{ say: Hello., sey: x }",
        "{ goto: end, bargein: true }",
        "menu: { prompt: x, choices: { a: end } }",
        "ask: { prompt: x, kind: colour }",
        "ask: { prompt: x, kind: digits, retries: 10 }",
        "set: { A-b: x }",
        "{ say: x, on: { noinpt: end } }",
        "say: { english: x }",
    ],
)
def test_editors_tell_what_the_server_refuses(step: str) -> None:
    text = "version: 1\nname: a\nlanguages: [en]\nsteps:\n  - {}\n"
    assert told(text.format(step))
    assert not told(text.format("say: Hello."))


def test_the_script_of_the_guide_is_well_and_its_tests_hold() -> None:
    source = Source(example(0))
    script = Script.of(source)
    house = House(queues=["support-en", "support-ru"], statuses=["regular", "vip"])
    assert findings(script, source, house) == []
    done = [rehearse(script, case) for case in cases(example(1))]
    assert len(done) == 2
    assert [each.differences for each in done] == [[], []]
    assert told(example(0)) == []


def test_names_are_those_that_scripts_are_given() -> None:
    manager = Manager("anna", "Anna", "+79031112233")
    customer = Customer("c", "person", "Ivan", (), "vip", None, manager, None, 0, 0)
    card = Card(customer, ())
    assert set(names_of(card)) == set(CUSTOMER)
    assert names_of(card)["manager"].keys() == CUSTOMER["manager"].keys()  # type: ignore[attr-defined]
    scope = scope_of(Case(name="x"))
    names = Position("a", "en").names(scope)
    assert set(names["now"]) == set(NOW)
    assert set(scope.call) == set(CALL)
