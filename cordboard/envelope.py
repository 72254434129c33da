"""What a webhook carries: a call's fact as others read it, its signature, and when it is sent
again. Pure: moments, and what is drawn by chance, are arguments.

The signature is that of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over id, timestamp
and body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERSION = 1
"""Of the body's shape. Fields may be added under the same version; nothing else changes."""

FIRST_DELAY, LONGEST_DELAY = 1.0, 600.0
"""Seconds to the first repetition, and between two later ones."""
SECRET_AT_LEAST = 16
"""Bytes."""

_PUBLISHED: dict[str, tuple[str, Mapping[str, str]]] = {
    "offered": ("call.offered", {"name": "name"}),
    "decided": ("call.routed", {}),
    "queued": ("call.queued", {"queue": "queue"}),
    "moved": ("call.moved", {"queue": "queue", "from": "from", "to": "to"}),
    "kept": ("call.place_kept", {"queue": "queue", "priority": "priority"}),
    "back": ("call.came_back", {"queue": "queue", "priority": "priority"}),
    "queueleft": ("call.left_queue", {"queue": "queue", "outcome": "outcome"}),
    "abandoned": ("call.abandoned", {"queue": "queue"}),
    "called": ("call.phone_called", {"channel": "peer", "queue": "queue"}),
    "delivered": ("call.ringing", {"channel": "peer", "queue": "queue"}),
    "undelivered": ("call.not_answered", {"channel": "peer", "cause": "cause"}),
    "callback": ("call.callback_promised", {"queue": "queue"}),
    "taken": ("call.taken", {"channel": "peer", "queue": "queue"}),
    "reached": ("call.called_back", {}),
    "established": ("call.answered", {"channel": "peer", "queue": "queue"}),
    "held": ("call.held", {"channel": "by"}),
    "retrieved": ("call.retrieved", {"channel": "by"}),
    "transferred": ("call.transferred", {"kind": "kind", "by": "by", "channel": "peer"}),
    "diverted": ("call.diverted", {"by": "by", "channel": "peer"}),
    "merged": ("call.merged", {"into": "into"}),
    "peercleared": ("call.party_left", {"channel": "peer", "lost": "lost"}),
    "detoured": ("call.detoured", {"kind": "kind", "status": "status"}),
    "handled": ("call.handled", {"queue": "queue", "operator": "operator", "seconds": "seconds"}),
    "unseen": ("call.unseen", {"since": "since", "until": "until"}),
    "cleared": ("call.ended", {"cause": "cause"}),
}
"""By the fact's name in the store: how its event is called, and what of it is told under which
name. What is not listed stays in the house."""

EVENTS: tuple[str, ...] = tuple(name for name, _ in _PUBLISHED.values())
KINDS: tuple[str, ...] = tuple(_PUBLISHED)
_ROUTED = ("action", "to", "queue", "priority", "language", "rule", "policy")

_NUMBER = re.compile(r"\d{7,}")
_NUMBERED = re.compile(r"-[0-9a-f]{8}(;[12])?$")
"""What Asterisk puts behind the name of a phone."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A fact as it stands in the store, `position` being its place there, and the call as it is
    now: nothing is known of one whose row is not there."""

    position: int
    id: str
    call_id: str
    at: float
    kind: str
    data: str
    linkedid: str | None
    number: str | None
    dialled: str | None
    queue: str | None
    operator: str | None
    customer_id: str | None


def event_of(kind: str) -> str | None:
    """How the event of this fact is called; None for one that is not told."""
    published = _PUBLISHED.get(kind)
    return published[0] if published else None


def body(happening: Happening, *, mask: bool = False) -> bytes:
    """The JSON that is sent. `mask` hides all but the first and last digits of numbers."""
    event, fields = _PUBLISHED[happening.kind]
    said = json.loads(happening.data)
    data = {name: said.get(source) for name, source in fields.items()}
    if happening.kind == "decided":
        data |= {name: said.get("decision", said).get(name) for name in _ROUTED}
    hide = masked if mask else str
    data = {name: hide(value) if isinstance(value, str) else value for name, value in data.items()}
    if happening.kind == "merged":
        data["into"] = said.get("into")  # an id
    told = {
        "id": happening.id,
        "type": event,
        "version": VERSION,
        "at": datetime.fromtimestamp(happening.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "call": {
            "id": happening.call_id,
            "linkedid": happening.linkedid,
            "from": happening.number and hide(happening.number),
            "to": happening.dialled and hide(happening.dialled),
            "queue": happening.queue,
            "operator": happening.operator,
            "customer": happening.customer_id,
        },
        "data": data,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def masked(text: str) -> str:
    """Numbers keep their first three digits and the last two. The eight hexadecimal digits behind
    the name of a phone are no number."""
    own = _NUMBERED.search(text)
    end = own.start() if own else len(text)
    return _NUMBER.sub(_mask, text[:end]) + text[end:]


def _mask(found: re.Match[str]) -> str:
    digits = found[0]
    return f"{digits[:3]}{'*' * (len(digits) - 5)}{digits[-2:]}"


# The signature


def read_keys(text: str) -> list[bytes]:
    """The keys of a secret file, one a line: `whsec_` and base64, or any text. While a key is
    changed, the new one stands first and the old one second. Raises `ValueError`, in words."""
    keys = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("whsec_"):
            try:
                key = base64.b64decode(line.removeprefix("whsec_"), validate=True)
            except binascii.Error:
                raise ValueError("what follows whsec_ is not base64") from None
        else:
            key = line.encode()
        if len(key) < SECRET_AT_LEAST:
            raise ValueError(f"a key has {len(key)} bytes, at least {SECRET_AT_LEAST} are safe")
        keys.append(key)
    return keys


def headers(identity: str, at: int, content: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """What goes with the body, signed with each key; `at` is the moment of sending in seconds."""
    signed = b"%s.%d.%s" % (identity.encode(), at, content)
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in digests),
    }


# When it is sent again


def delay(attempts: int, drawn: float, asked: float = 0.0) -> float:
    """Seconds after so many attempts have failed: twice as long each time, and by chance (`drawn`
    from 0 to 1) up to a half less, so that not all come back at once. Who `asked` for a longer
    time has it, within an hour."""
    full = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempts - 1, 30))
    return max(full * (1 - drawn / 2), min(asked, 3600.0))


def asked_delay(retry_after: str | None) -> float:
    """The seconds of a Retry-After header; 0 for a date, or for what is neither."""
    fits = retry_after is not None and re.fullmatch(r"[0-9]{1,6}", retry_after.strip())
    return float(retry_after) if fits and retry_after else 0.0


def give_up(at: float, now: float, hours: float) -> bool:
    """Whether an event of this moment is too old to be sent again."""
    return now - at >= hours * 3600


def schema() -> dict[str, Any]:
    """The JSON schema of a body."""
    text: dict[str, Any] = {"type": "string"}
    perhaps: dict[str, Any] = {"type": ["string", "null"]}
    call = {
        "id": text | {"format": "uuid"},
        "linkedid": perhaps,
        "from": perhaps,
        "to": perhaps,
        "queue": perhaps,
        "operator": perhaps,
        "customer": perhaps,
    }
    fields = {
        "id": text | {"format": "uuid"},
        "type": {"enum": list(EVENTS)},
        "version": {"const": VERSION},
        "at": text | {"format": "date-time"},
        "call": {"type": "object", "properties": call, "required": list(call)},
        "data": {"type": "object"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A webhook of cordboard",
        "type": "object",
        "properties": fields,
        "required": list(fields),
    }
