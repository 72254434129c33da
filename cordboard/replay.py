"""`cordboard replay`: what a recording means. Pure.

Of bytes from Asterisk, the call facts; of the flight recorder's lines, the decisions, held against
those that were made at the time.

A recording of bytes is not subject to the live link's quarantine: it may come from an older
Asterisk, begin in mid-call, or hold what a forger sent, and is shown as the model understands it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from hashlib import blake2b
from itertools import zip_longest
from typing import Any

from cordboard.core import Core
from cordboard.cti.ami import Decoder
from cordboard.cti.calls import CallModel
from cordboard.cti.facts import (
    CSTA,
    Abandoned,
    CallFact,
    Cleared,
    Delivered,
    Diverted,
    Established,
    Fact,
    Held,
    Offered,
    Queued,
    Retrieved,
    Transferred,
)
from cordboard.cti.legs import stands_in
from cordboard.events import PbxName
from cordboard.flight import SUM, Reader, RecordingError, Writer, broken, other_version

_BANNER = re.compile(rb"^Asterisk Call Manager/[\d.]+\r?\n", re.MULTILINE)


def facts_of(data: bytes) -> Iterator[str]:
    """One JSON object a line, in the order in which the PBX told of them."""
    if b"\r\n" not in data:
        # A recording that went through an editor or a mail has bare line feeds everywhere.
        data = data.replace(b"\n", b"\r\n")
    model, now = CallModel(PbxName("replay")), 0.0
    connections = [part for part in _BANNER.split(data) if part]
    for number, connection in enumerate(connections):
        # Behind a second greeting the link was lost, and a list tells what has become of the calls.
        open_list = number > 0
        if open_list:
            model.link_lost(now)
            model.snapshot_began(now)
        for message in Decoder().feed(connection):
            # Where there is no Timestamp the model goes on from the last moment it was told.
            with contextlib.suppress(ValueError):
                moment = float(message["Timestamp"])
                now = moment if math.isfinite(moment) else now
            yield from _lines(model.feed(message, now))
            if open_list and message["Event"] == "CoreShowChannelsComplete":
                open_list = False
                yield from _lines(model.snapshot_done(now))


def _lines(facts: list[Fact]) -> Iterator[str]:
    for fact in facts:
        if isinstance(fact, CallFact) and type(fact) in CSTA:
            yield json.dumps(_printed(fact), ensure_ascii=False)


def _printed(fact: CallFact) -> dict[str, Any]:
    common: dict[str, Any] = {"event": CSTA[type(fact)], "at": fact.at, "call": fact.linkedid}
    if not stands_in(fact.channel):  # who is to be called back has no channel yet
        common["channel"] = fact.channel
    match fact:
        case Offered(number=number, name=name, dialled=dialled):
            return {**common, "number": number, "name": name, "dialled": dialled}
        case Queued(queue=queue, position=position):
            return {**common, "queue": queue, "position": position}
        case Delivered(peer=peer, queue=queue):
            return {**common, "peers": [peer], **_queue(queue)}
        case Established(peer=peer, queue=queue):
            return {**common, "peer": peer, **_queue(queue)}
        case Held(by=by) | Retrieved(by=by):
            return {**common, "by": by}
        case Transferred(kind=kind, by=by, peer=peer):
            return {**common, "kind": kind, "by": by, "peers": [peer] if peer else []}
        case Diverted(by=by, peer=peer):
            return {**common, "by": by, "peers": [peer]}
        case Abandoned(queue=queue):
            return {**common, "queue": queue}
        case Cleared(cause=cause):
            return {**common, "cause": cause}
        case _:
            return common


def _queue(queue: str | None) -> dict[str, str]:
    return {} if queue is None else {"queue": queue}


class Flight:
    """Takes the lines of a recording, in order, and says what was decided on each."""

    def __init__(self) -> None:
        self._core: Core | None = None
        self._writer = Writer(None)
        self._sum = blake2b(digest_size=SUM)
        self._by = ""

    def take(self, line: bytes) -> Iterator[dict[str, Any]]:
        """The decisions on the item of this line. Raises `RecordingError` where they are not those
        that were recorded, or the line is not as it was written."""
        try:
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError("no object")
        except ValueError as error:
            raise RecordingError(f"not a line of a recording: {error}") from None
        if "sum" in said:
            if said["sum"] != self._sum.hexdigest():
                raise RecordingError("what stands before it in this segment was changed or cut")
            return
        if "recorded_by" in said:
            self._core, self._sum = Reader().core(said), blake2b(digest_size=SUM)
            self._by = other_version(said)
        self._sum.update(line)
        if "recorded_by" not in said:
            yield from self._step(said)

    def _step(self, said: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self._core is None:
            raise RecordingError("a segment begins with its head, and this one has none")
        if not isinstance(said.get("at"), float | int):
            raise RecordingError("an item without its moment")
        item = Reader().item(said)
        name = said["ami"].get("Event") if "ami" in said else type(item).__name__
        recorded = said.get("decided", [])
        try:
            decided = self._writer.decisions(self._core.take(item, said["at"]))
        except Exception as error:
            decided = [broken(error)]  # perhaps the incident itself
        for at, (then, now) in enumerate(zip_longest(recorded, _plain(decided))):
            if then != now:
                raise RecordingError(
                    f"{name}: decision {at + 1} was {_shown(then)} and is {_shown(now)}{self._by}"
                )
        for decision in decided:
            yield {"at": said["at"], "item": name, **decision}


def _plain(decided: list[dict[str, Any]]) -> Any:
    """As they come out of JSON."""
    return json.loads(json.dumps(decided))


def _shown(decision: Any) -> str:
    return "nothing" if decision is None else json.dumps(decision, ensure_ascii=False)
