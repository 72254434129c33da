"""The operators: what their phones and their work say they are doing. Pure.

Two things are independent: the work at hand (a call offered, talked, written up), whose
transitions stand in `WORK`, and whether the phone is there and the operator paused, which
Asterisk tells. `Operator.state` is the one word that both make.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cordboard.events import CallId, OperatorName, PbxName, QueueName

Work = Literal["idle", "offered", "talking", "on-hold", "wrap-up"]
OwnPause = Literal["wrap-up", "missed", "declined", "phone-lost", "forced"]
"""Reasons for a pause that are the desk's own; all others come from the configured list."""
WorkEvent = Literal["offer", "release", "answer", "hold", "retrieve", "hang-up", "done"]
OperatorState = Literal["offline", "ready", "offered", "talking", "on-hold", "wrap-up", "paused"]

WORK: dict[tuple[Work, WorkEvent], Work] = {
    ("idle", "offer"): "offered",
    ("idle", "answer"): "talking",  # a call that we first see when it talks already
    ("offered", "offer"): "offered",  # the next call of the same ring
    ("offered", "release"): "idle",
    ("offered", "answer"): "talking",
    ("offered", "done"): "offered",  # the note of the call before, written while it rings
    ("talking", "hold"): "on-hold",
    ("talking", "retrieve"): "talking",  # from a hold that was not seen
    ("talking", "hang-up"): "wrap-up",
    ("talking", "done"): "talking",  # a note saved while still talking
    ("on-hold", "retrieve"): "talking",
    ("on-hold", "hang-up"): "wrap-up",
    ("on-hold", "done"): "on-hold",
    ("wrap-up", "offer"): "offered",
    ("wrap-up", "answer"): "talking",
    ("wrap-up", "done"): "idle",
    ("idle", "done"): "idle",
}

WRAP_UP: OwnPause = "wrap-up"
MISSED: OwnPause = "missed"
DECLINED: OwnPause = "declined"
PHONE_LOST: OwnPause = "phone-lost"

AVAILABLE = frozenset({1, 2, 3, 6, 7, 8})
"""The device states of a phone that is there: free, in use, busy, ringing, both, on hold."""

TALKING = frozenset({2, 3, 7, 8})


Post = tuple[QueueName, int]


class Surprise(Exception):  # noqa: N818 - not an error of ours
    """The PBX told of a step that the table does not have; the picture is kept as it was."""


@dataclass(frozen=True, slots=True)
class Membership:
    """One queue that an operator serves, as Asterisk told last."""

    pbx: PbxName
    queue: QueueName
    interface: str
    status: int
    paused: bool
    reason: str
    in_call: bool
    dynamic: bool = False
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    """What the desk knows of an operator's state beside Asterisk. `due` is when a wrap-up ends or
    the time for a pause is over, `at_most` until when a wrap-up may be extended. `misses` counts
    the calls in a row that were let ring or declined."""

    due: float | None = None
    at_most: float | None = None
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """`since` is when `state` became what it is, on our clock. `phone` is where calls ring: a
    `fixed` one, or the one chosen at the login, None before it. `posts` are the queues to serve and
    the penalty in each."""

    name: OperatorName
    display_name: str
    phone: str | None
    work: Work = "idle"
    call: CallId | None = None
    since: float = 0.0
    memberships: tuple[Membership, ...] = ()
    fixed: bool = True
    has_login: bool = True
    """False for a member whom queues.conf names and no user's record."""
    posts: tuple[Post, ...] = ()
    duty: Duty = Duty()

    @property
    def state(self) -> OperatorState:
        if self.work != "idle":
            return self.work
        if not any(m.status in AVAILABLE for m in self.memberships):
            return "offline"
        if any(m.status in TALKING for m in self.memberships):
            return "talking"  # with somebody whom no queue and no trunk brought
        if self.reason == WRAP_UP:
            return "wrap-up"  # until Asterisk has heard that it is over
        return "paused" if self.reason is not None else "ready"

    @property
    def reason(self) -> str | None:
        """Why paused, perhaps an empty string; None when not paused everywhere."""
        if not self.memberships or not all(m.paused for m in self.memberships):
            return None
        return self.memberships[0].reason

    @property
    def queues(self) -> tuple[QueueName, ...]:
        return tuple(sorted({m.queue for m in self.memberships}))


def advance(operator: Operator, event: WorkEvent, call: CallId | None, now: float) -> Operator:
    """The operator after a step of work. Raises `Surprise` where the table has none."""
    work = WORK.get((operator.work, event))
    if work is None:
        raise Surprise(f"{operator.name}: {event} while {operator.work}")
    if event in ("offer", "answer"):
        kept = call
    else:
        kept = operator.call if work != "idle" else None
    return _dated(operator, replace(operator, work=work, call=kept), now)


def with_membership(operator: Operator, seen: Membership, now: float) -> Operator:
    """The operator after Asterisk told of one of their queues."""
    others = [m for m in operator.memberships if (m.pbx, m.queue) != (seen.pbx, seen.queue)]
    memberships = tuple(sorted([*others, seen], key=lambda m: (m.pbx, m.queue)))
    return _dated(operator, replace(operator, memberships=memberships), now)


def with_phone(operator: Operator, pbx: PbxName, status: int, now: float) -> Operator:
    """The operator after a PBX told of the phone's own state; a member's state is its phone's."""
    memberships = tuple(
        replace(m, status=status) if m.pbx == pbx else m for m in operator.memberships
    )
    return _dated(operator, replace(operator, memberships=memberships), now)


def without_membership(operator: Operator, pbx: PbxName, queue: QueueName, now: float) -> Operator:
    kept = tuple(m for m in operator.memberships if (m.pbx, m.queue) != (pbx, queue))
    return _dated(operator, replace(operator, memberships=kept), now)


def with_pause(
    operator: Operator, pbx: PbxName, interface: str, paused: bool, reason: str, now: float
) -> Operator:
    """The operator after a PBX did as it was asked, in all queues of this member's."""
    memberships = tuple(
        replace(m, paused=paused, reason=reason) if (m.pbx, m.interface) == (pbx, interface) else m
        for m in operator.memberships
    )
    return _dated(operator, replace(operator, memberships=memberships), now)


def _dated(before: Operator, after: Operator, now: float) -> Operator:
    same = before.state == after.state and before.call == after.call
    if after.state == "paused" and before.reason != after.reason:
        same = False
    return after if same and before.since else replace(after, since=now)
