"""`cordboard replay`: the call facts of a recording. Pure.

A recording is not subject to the live link's quarantine: it may come from an older Asterisk, begin
in mid-call, or hold what a forger sent, and is shown as the model understands it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

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
from cordboard.events import PbxName

SETTLED_AFTER = 5.0
"""Seconds. What the model waits for has not come at the end of a recording, and will not."""

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
    yield from _lines(model.tick(now + SETTLED_AFTER))


def _lines(facts: list[Fact]) -> Iterator[str]:
    for fact in facts:
        if isinstance(fact, CallFact) and type(fact) in CSTA:
            yield json.dumps(_printed(fact), ensure_ascii=False)


def _printed(fact: CallFact) -> dict[str, Any]:
    common = {"event": CSTA[type(fact)], "at": fact.at, "call": fact.linkedid}
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
