"""Ids and primitives that every package shares. Pure: no clock, no sockets, no database.

Times are seconds since the Unix epoch, UTC, as float. `at` is the PBX's own clock (None where
Asterisk gave no Timestamp), `now` is ours, at the moment the item entered the inbox.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NewType

CallId = NewType("CallId", str)
"""A UUIDv7 given at first sight of a call; see `call_id`."""

Linkedid = NewType("Linkedid", str)
"""Asterisk's name for a call. It changes when bridges merge and comes again after a restart, so it
is an alias of a `CallId` together with the PBX and its boot, never a key of its own."""

Uniqueid = NewType("Uniqueid", str)
"""Asterisk's name for a channel: epoch.sequence. Unique only within one boot of one PBX."""

PbxName = NewType("PbxName", str)
OperatorName = NewType("OperatorName", str)
QueueName = NewType("QueueName", str)


def derived_id(millis: int, *names: str) -> str:
    """A UUIDv7 whose random bits are a digest of `names`: the same names give the same id.

    Ids made so need no clock and no random source, so a recorded inbox replays to the same ids,
    and a restart in mid-call finds the call under the id it had.
    """
    digest = int.from_bytes(blake2b("\x1f".join(names).encode(), digest_size=10).digest(), "big")
    value = (millis & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (digest >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | digest & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def call_id(pbx: PbxName, boot: str, linkedid: Linkedid, now: float) -> CallId:
    """The id of the call that `linkedid` names on this boot of this PBX.

    A Linkedid begins with the second at which its channel was made (unless somebody chose it with
    ChannelId), so the id sorts by the start of the call and does not depend on when we saw it.
    """
    seconds = linkedid.partition(".")[0].rpartition("-")[2]
    began = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) == 10 else now
    return CallId(derived_id(int(began * 1000), pbx, boot, linkedid))
