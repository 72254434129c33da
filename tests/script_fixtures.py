"""Scripts and calls that nobody thought of, for the tests of the language."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.script import Script
from cordboard.ivr.source import Source
from cordboard.ivr.turns import (
    Action,
    Answered,
    CallBack,
    Collect,
    Dial,
    Dialled,
    Done,
    End,
    Failed,
    Find,
    Found,
    Go,
    HungUp,
    Keyed,
    Missing,
    Outcome,
    Recorded,
    Refused,
    Request,
    Say,
    Take,
    Turn,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IDS = ["one", "two", "three", "four", "five", "six", "seven"]
WAYS = ("noinput", "nomatch", "error", "hangup", "missing", "noanswer", "refused")
SECRET = "734961"
TEXTS = st.sampled_from(["Hi.", "{customer.name}", "{count|number}", "{answers.mark}", "{value}"])
CONDITIONS = st.sampled_from(
    [
        "answers.mark <= 6",
        "answers.mark > 10",
        "answers.mark >= 0",
        "answers.mark == '9'",
        "answers.key == '1' or answers.sure",
        "answers.sure and not answers.sure",
        "customer.status == 'vip'",
        "customer.status in ['vip', 'debtor'] and customer.balance < 0",
        "customer.balance > 5 and customer.balance < 5",
        "now.hour < 9 and now.hour > 18",
        "now.weekday in [6, 7] or now.time >= '18:00'",
        "open('office')",
        "count < 3",
        "count == None",
        "known(pin)",
        "length(code) > 2",
        "language == 'de'",
        "customer.attributes.tariff == 'base'",
        "1 if answers.mark else 0",
        "lower(customer.name) == 'ivan'",
    ]
)
SUMS = st.sampled_from(
    ["1", "count + 1", "count + 1 if known(count) else 1", "'a'", "answers.mark * 2", "pin", "None"]
)


def steps(targets: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    maybe = st.none() | targets
    question = {"prompt": TEXTS, "retries": st.sampled_from([0, 0, 2])}
    keys = st.sampled_from(["1", "2", "0", "12", "*"])
    verbs = st.one_of(
        st.fixed_dictionaries({"say": TEXTS}),
        st.fixed_dictionaries(
            {
                "menu": st.fixed_dictionaries(
                    {
                        **question,
                        "choices": st.dictionaries(
                            keys, st.fixed_dictionaries({}, optional={"goto": targets}), min_size=1
                        ),
                    },
                    optional={"question": st.just("key")},
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "ask": st.fixed_dictionaries(
                    {
                        **question,
                        "kind": st.just("scale"),
                        "question": st.just("mark"),
                        "scale": st.sampled_from(["0-10", "1-5"]),
                    }
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "ask": st.fixed_dictionaries(
                    {**question, "kind": st.just("yes_no"), "question": st.just("sure")}
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "ask": st.fixed_dictionaries(
                    {
                        **question,
                        "kind": st.just("digits"),
                        "save": st.just("pin"),
                        "secret": st.just(True),
                    },
                    optional={"confirm": st.just(True)},
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "ask": st.fixed_dictionaries(
                    {**question, "kind": st.just("money"), "save": st.just("code")},
                    optional={"confirm": st.just(True), "check": st.just("value > 5")},
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "record": st.fixed_dictionaries(
                    {"prompt": TEXTS}, optional={"question": st.just("why")}
                )
            }
        ),
        st.fixed_dictionaries({"set": st.fixed_dictionaries({"count": SUMS})}),
        st.fixed_dictionaries({"look_up": st.just({"by": "caller", "pin": "pin"})}),
        st.fixed_dictionaries({"route": st.sampled_from([{"queue": "a"}, {"script": "menu"}])}),
        st.fixed_dictionaries({"transfer": st.just({"to": "{customer.manager.mobile}"})}),
        st.fixed_dictionaries({"callback": st.just({"queue": "a"})}),
        st.fixed_dictionaries(
            {"call_api": st.just({"url": "https://a.example/{code}", "save": {"code": "x"}})}
        ),
        st.fixed_dictionaries({"goto": targets}),
        st.just({"hangup": ""}),
    )
    ways = st.fixed_dictionaries({}, optional=dict.fromkeys(WAYS, targets))
    rest = st.fixed_dictionaries({"when": st.none() | CONDITIONS, "next": maybe, "on": ways})
    return st.builds(_step, verbs, rest)


def _step(verb: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    return {**verb, **{key: value for key, value in rest.items() if value}}


def _written(ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    targets = st.sampled_from([*ids, "end"])
    found = st.lists(steps(targets), min_size=len(ids), max_size=len(ids))
    on = st.fixed_dictionaries({}, optional={"noinput": targets, "error": targets})

    def written(steps: list[dict[str, Any]], on: dict[str, Any]) -> dict[str, Any]:
        named = [{"id": each, **step} for each, step in zip(ids, steps, strict=True)]
        return {"version": 1, "name": "menu", "languages": ["en"], "on": on, "steps": named}

    return st.builds(written, found, on)


WRITTEN = st.one_of([_written(IDS[:length]) for length in range(1, len(IDS) + 1)])
SCRIPTS = WRITTEN.map(Script.model_validate)
"""Scripts that can be read, whatever they mean."""
SOURCES = WRITTEN.map(lambda script: Source(json.dumps(script, indent=0)))
"""The same as files: JSON is YAML, too."""


DIGITS = st.sampled_from(
    ["", "", "", "", "1", "2", "0", "12", "9", "10", "*", "#", SECRET, "9" * 200]
)
CUSTOMER = {
    "name": "Ivan",
    "status": "vip",
    "balance": Decimal("-5.50"),
    "attributes": {"tariff": "base"},
    "manager": {"name": "Anna", "mobile": "+79031112233"},
}


def outcomes(action: Action) -> st.SearchStrategy[Outcome]:
    """What may become of an action."""
    failed: st.SearchStrategy[Outcome] = st.just(Failed("no answer"))
    found: st.SearchStrategy[Outcome]
    match action:
        case Say():
            found = st.just(Done())
        case Collect():
            found = st.builds(Keyed, DIGITS)
        case Take():
            found = st.sampled_from([Recorded(""), Recorded("a.wav", 3)])
        case Find():
            found = st.just(Found(CUSTOMER)) | st.just(Missing()) | failed
        case Request():
            found = st.just(Answered({"code": "base"})) | st.just(Answered({"code": None})) | failed
        case Dial():
            ends = st.sampled_from(["answered", "noanswer", "busy"])
            found = st.builds(Dialled, ends) | failed
        case CallBack():
            found = st.just(Done()) | st.just(Refused()) | failed
        case Go():
            found = failed
        case End():
            found = st.nothing()
    return found if isinstance(action, End) else st.one_of(found, found, found, st.just(HungUp()))


def scope(draw: Draw) -> Scope:
    hour, is_open = draw(st.integers(0, 23)), draw(st.booleans())
    call = {"number": draw(st.sampled_from(["", "+79031234567"]))}
    customer = draw(st.sampled_from([None, CUSTOMER]))
    return Scope(customer, call, NOON.replace(hour=hour), lambda name: is_open)


def played(draw: Draw, script: Script, turns_at_most: int = 60) -> list[Turn]:
    """One call, or the beginning of a long one."""
    where = scope(draw)
    turns = [begin(script, where)]
    while not turns[-1].is_over and len(turns) < turns_at_most:
        outcome = draw(outcomes(turns[-1].action))
        turns.append(advance(script, turns[-1].position, outcome, where))
    return turns
