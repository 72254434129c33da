"""What is told of a call afterwards: what befell it, in order, and why it was decided so. Pure."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from cordboard.crm_core.model import FactRecord, User
from cordboard.desk.records import HANDLED
from cordboard.queue.decisions import Decision
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Trial, explain
from cordboard.screenpop.views import Message, moment

DECIDED = "decided"
PLUMBING = frozenset(
    ["at", "call", "linkedid", "channel", "uniqueid", "peer_uniqueid", "pbx", "boot", "age"]
)
"""What facts carry that tells people nothing."""
QUIET = frozenset(["called", "placed", HANDLED])
"""Facts that say nothing which those around them do not say better."""

_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)


def timeline(facts: Iterable[FactRecord], users: Iterable[User]) -> list[Message]:
    """The facts of a call as people may read them, in the order of their times; `users` tell whose
    phones they speak of."""
    names = {user.phone: user for user in users if user.phone and user.active}
    return [_event(fact, names) for fact in _in_time(facts) if fact.kind not in QUIET]


def decisions(facts: Iterable[FactRecord], texts: Mapping[str, str | None]) -> list[Message]:
    """Each decision of a call with what it looked at, and the rules that were tried for it: those
    of the very rule file that was in force, which `texts` has by its fingerprint, on the very
    values. They are tried anew, and `same` says whether that comes to the same decision; where the
    rule file is not there, or this release cannot read it, `tried` and `same` are null."""
    return [_decided(fact, texts) for fact in _in_time(facts) if fact.kind == DECIDED]


def policies(facts: Iterable[FactRecord]) -> set[str]:
    """The fingerprints of the rule files that the decisions of a call were made by."""
    return {json.loads(fact.data)["decision"]["policy"] for fact in facts if fact.kind == DECIDED}


def veiled(told: list[Message], facts: Iterable[FactRecord]) -> list[Message]:
    """The same for operators: of a manager's mobile, which is nobody's business, they see the last
    two digits, wherever it stands."""
    found = [json.loads(fact.data) for fact in facts if fact.kind == DECIDED]
    mobiles = {one["inputs"].get("manager.mobile") for one in found}
    mobiles |= {(one["decision"]["personal"] or {}).get("mobile") for one in found}
    return [
        _veiled(message, {str(each).removeprefix("+") for each in mobiles if each})
        for message in told
    ]


def _veiled(value: Any, numbers: Collection[str]) -> Any:
    match value:
        case str():
            for number in numbers:
                value = value.replace(number, "*" * (len(number) - 2) + number[-2:])
        case list():
            return [_veiled(each, numbers) for each in value]
        case dict():
            return {key: _veiled(each, numbers) for key, each in value.items()}
    return value


def _in_time(facts: Iterable[FactRecord]) -> list[FactRecord]:
    """They are kept as they came, by one connection or another; those of one time stay so."""
    return sorted(facts, key=lambda fact: fact.at)


def people(facts: Iterable[FactRecord], users: Iterable[User]) -> dict[str, str]:
    """The display names, by login name, of the users of whom these facts speak."""
    spoken = {word for fact in facts for word in _words(json.loads(fact.data))}
    return {user.name: user.display_name for user in users if user.name in spoken}


def _words(told: Any) -> Iterator[str]:
    """Every text in what JSON holds."""
    match told:
        case str():
            yield told
        case dict() | list():
            for each in told.values() if isinstance(told, dict) else told:
                yield from _words(each)


def _event(fact: FactRecord, names: Mapping[str, User]) -> Message:
    data: dict[str, Any] = json.loads(fact.data)
    channel = data.pop("peer", None) or data.pop("by", None)
    phone = channel.rpartition("-")[0] if channel else None
    operator = names.get(phone) if phone else None
    if fact.kind == DECIDED:
        data = data["decision"]
    return {
        "at": moment(fact.at),
        "event": fact.kind,
        "phone": phone,
        "operator": operator and operator.name,
        "operator_name": operator and operator.display_name,
        "data": {key: value for key, value in data.items() if key not in PLUMBING},
    }


def _decided(fact: FactRecord, texts: Mapping[str, str | None]) -> Message:
    told: dict[str, Any] = json.loads(fact.data)
    decision, inputs = told["decision"], told["inputs"]
    tried, same = _again(texts.get(decision["policy"]), decision, inputs)
    return {
        "at": moment(fact.at),
        "policy": decision["policy"],
        "rule": decision["rule"],
        "decision": decision,
        "inputs": inputs,
        "tried": tried,
        "same": same,
    }


def _again(
    text: str | None, decision: dict[str, Any], inputs: dict[str, Any]
) -> tuple[list[Message] | None, bool | None]:
    if text is None:
        return None, None
    try:
        again, trials = explain(_policy(text), inputs)
    except (ValueError, KeyError):  # the grammar of another release
        return None, None
    return _tried(trials), _DECISION.dump_python(again, mode="json") == decision


@functools.lru_cache(maxsize=8)
def _policy(text: str) -> Policy:
    return Policy.parse(text)


def _tried(trials: Sequence[Trial]) -> list[Message]:
    return [
        {
            "rule": trial.rule,
            "held": trial.failed is None,
            "failed": trial.failed
            and {
                "condition": trial.failed.key,
                "wish": trial.failed.wish,
                "value": trial.failed.value,
                "misfit": trial.failed.misfit,
            },
        }
        for trial in trials
    ]
