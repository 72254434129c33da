"""A recording as short sentences: who rang, who talked, how it ended."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path
from typing import Any

from cordboard.replay import facts_of

TRACES = Path(__file__).parent / "traces"


@functools.cache
def recorded(name: str) -> bytes:
    return (TRACES / f"{name}.ami").read_bytes()


def replayed(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in facts_of(recorded(name))]


def phone(channel: str) -> str:
    return channel.rpartition("-")[0]


@functools.cache
def told(name: str) -> list[str]:
    return sentences(recorded(name))


def sentences(data: bytes) -> list[str]:
    """Phones go by their names, without the technology and the counter of the channel. Where there
    is more than one call each sentence begins with the number of its call. Phones that ring at
    the same time come by name: their order is chance.

    `rings` and `talks` tell for whom only where that is not the caller, whose channel `offered`
    names. The end tells whose call it was when that is somebody else's."""
    facts = [json.loads(line) for line in facts_of(data)]
    calls = list(dict.fromkeys(fact["call"] for fact in facts))
    callers: dict[str, str] = {}
    told: list[tuple[str, str]] = []
    for fact in facts:
        call = fact["call"]
        if fact["event"] == "offered":
            callers[call] = fact.get("channel")
        number = f"{calls.index(call) + 1}: " if len(calls) > 1 else ""
        told.append((number, _sentence(fact, callers.get(call, ""))))
    lines: list[str] = []
    for _, together in itertools.groupby(told, lambda one: (one[0], one[1].startswith("rings "))):
        said = [number + sentence for number, sentence in together]
        lines += sorted(said) if "rings " in said[0] else said
    return lines


def _sentence(fact: dict[str, Any], caller: str) -> str:
    other = fact.get("channel") != caller
    match fact["event"]:
        case "delivered":
            rings = " ".join(_name(peer) for peer in fact["peers"])
            return f"rings {rings}" + (f" for {_name(fact['channel'])}" if other else "")
        case "established":
            talks = f"talks {_name(fact['peer'])}"
            return talks + (f" with {_name(fact['channel'])}" if other else "")
        case "transferred":
            goes = " ".join(_name(peer) for peer in fact["peers"]) or "nobody"
            stays, by = _name(fact["channel"]), _name(fact["by"])
            return f"{by} transfers {stays} to {goes}, {fact['kind']}"
        case "diverted":
            return f"goes to {_name(fact['peers'][0])} instead of {_name(fact['by'])}"
        case "held" | "retrieved":
            return f"{fact['event']} by {_name(fact['by'])}"
        case "queued":
            return f"queued {fact['position']}"
        case "cleared":
            whose = f" of {_name(fact['channel'])}" if other else ""
            return f"cleared {fact['cause']}{whose}"
        case word:
            return str(word)


def _name(channel: str) -> str:
    return phone(channel).removeprefix("PJSIP/").removeprefix("SIP/")
