"""The operators' work as a shift: log-ins, pauses, wrap-ups, calls that were let ring. Pure.

Whether a member is paused, and why, stands in Asterisk, where it outlives us. A rule of ours says
what should stand there, and `_converge` asks for it until it does: after each fact for those whom
it changed, and each second for all. So it does not matter who was away, or which word was lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cordboard.crm_core.model import StateRecord
from cordboard.cti.facts import Cause, LinkUp, SnapshotDone
from cordboard.desk.alarms import Alarms
from cordboard.desk.cards import Cards
from cordboard.desk.commands import (
    Command,
    EndNotice,
    LogIn,
    LogOut,
    PauseMember,
    Remark,
    ShowNotice,
    Tell,
)
from cordboard.desk.facts import ActionAsked, ActionDone, AlarmRaised
from cordboard.desk.links import Links
from cordboard.desk.model import Notice, Rules
from cordboard.desk.refusals import refusal
from cordboard.desk.state_log import StateLog
from cordboard.events import CallId, OperatorName, PbxName, QueueName
from cordboard.queue.floor import Floor
from cordboard.queue.operators import (
    DECLINED,
    MISSED,
    WRAP_UP,
    Duty,
    Membership,
    Operator,
    OwnPause,
)

DECLINED_FOR = 10.0
"""Seconds in which whoever declined a call is not rung, unless it is over or rang elsewhere before
that: longer than the shipped queues take to ring somebody else. A single operator is rung again
after it, since a caller whom nobody else can serve must not wait for good."""

AGAIN_AFTER = 5.0
"""Seconds after which what the PBX refused is asked for again."""

ANSWER_WITHIN = 60.0
"""Seconds for the PBX's answer, which a link that is lost takes along."""

SHOWN_WITHIN = 5.0
"""Seconds for the event that shows a log-in or log-out which the PBX has granted. Whoever asked is
answered after it: what is looked up on the word that it is done, is so."""

_PASSING = (None, WRAP_UP, DECLINED)
"""Pauses that end by themselves, and none: over these one that stays is put."""
_VAIN = ("no-answer", "busy", "rejected")


@dataclass(frozen=True, slots=True)
class _Pending:
    """What was asked of the PBX and has no answer yet. `asked` is None for a rule of ours."""

    operator: OperatorName
    command: PauseMember | LogIn | LogOut
    at: float
    asked: ActionAsked | None = None
    but: str | None = None
    """What remains to be said when it has worked."""
    granted: bool = False
    """The PBX has done it, at `at`; its event is still to come."""


@dataclass(frozen=True, slots=True)
class _Declined:
    call: CallId
    until: float


@dataclass(frozen=True, slots=True)
class _Imposed:
    """A pause that is to be set, and has not been yet."""

    reason: str


class Shifts:
    """Each step returns what is to be done, kept and shown."""

    def __init__(self, rules: Rules, floor: Floor, cards: Cards, links: Links, alarms: Alarms):
        self._rules = rules
        self._floor = floor
        self._cards = cards
        self._links = links
        self._alarms = alarms
        self._log = StateLog()
        self._pending: dict[str, _Pending] = {}
        self._number = 0
        self._now = 0.0
        self._imposed: dict[OperatorName, _Imposed] = {}
        self._declined: dict[OperatorName, _Declined] = {}
        self._rung: dict[OperatorName, CallId] = {}
        self._hold: dict[OperatorName, float] = {}
        self._overdue: dict[OperatorName, float] = {}
        self._notices: dict[OperatorName, Notice] = {}
        self._boots: dict[PbxName, str] = {}
        self._before: dict[PbxName, tuple[Operator, ...]] = {}

    def standing(self, name: OperatorName) -> dict[str, str | None]:
        """The state of an operator, for the audit."""
        operator = self._floor.operator(name)
        if operator is None:
            return {}
        return {"state": operator.state, "reason": operator.reason, "phone": operator.phone}

    # What people ask for

    def asked(self, fact: ActionAsked, now: float) -> list[Command]:
        """An operator's own wish, or a supervisor's. What cannot be done is said at once."""
        self._now = now
        operator = self._floor.operator(OperatorName(fact.target))
        if operator is None:
            return _answer(fact, refusal("no-desk"))
        match fact.action:
            case "login":
                return self._log_in(fact, operator)
            case "logout":
                return self._log_out(fact, operator)
            case "pause" | "unpause":
                return self._pause(fact, operator)
            case "extend":
                return self._extend(fact, operator)
        return _answer(fact, None)  # done: the board has ended the wrap-up

    def _log_in(self, fact: ActionAsked, operator: Operator) -> list[Command]:
        phone = operator.phone or fact.args.get("phone") or ""
        up = tuple(self._links.up())
        fault = self._phone_fault(operator, phone, fact.args.get("phone"))
        if not operator.posts:
            fault = refusal("no-queues")
        elif not up:
            fault = refusal("no-link")
        if fault:
            return _answer(fact, fault)
        command = LogIn(fact.id, fact.actor, operator.name, up, phone, operator.posts)
        if operator.memberships and operator.reason is not None:
            command = replace(command, paused=operator.reason)
        self._miss(operator, 0)
        return self._ask(operator, command, fact)

    def _phone_fault(self, operator: Operator, phone: str, chosen: str | None) -> str | None:
        if not phone:
            return refusal("choose-a-phone")
        if chosen and chosen != phone:
            if operator.fixed:
                return refusal("phone-is", phone=phone)
            return refusal("logged-in-at", phone=phone)
        sits = self._floor.operator(self._floor.sits_at(phone) or operator.name)
        if sits is not None and sits.name != operator.name:
            if sits.has_login:
                return refusal("phone-taken", name=sits.display_name, phone=phone)
            return refusal("phone-fixed", phone=phone, queues=", ".join(sits.queues))
        for other in self._pending.values():
            command = other.command
            if isinstance(command, LogIn) and command.phone == phone:
                if other.operator != operator.name:
                    return refusal("phone-being-taken", name=other.operator, phone=phone)
                return refusal("logging-in")
        return None

    def _log_out(self, fact: ActionAsked, operator: Operator) -> list[Command]:
        fixed = sorted({m.queue for m in operator.memberships if not m.dynamic})
        stays = None
        if fixed:
            queues = ", ".join(fixed)
            stays = refusal("member-fixed", queues=queues)
        out: list[Command] = []
        for (pbx, interface), members in _by_member(operator).items():
            names = tuple(QueueName(m.queue) for m in members if m.dynamic)
            if names:
                identity = fact.id if not out else self._next()
                command = LogOut(identity, fact.actor, pbx, interface, names)
                out += self._ask(operator, command, fact if not out else None, stays)
        if out:
            return out
        return _answer(fact, stays or refusal("not-logged-in"))

    def _pause(self, fact: ActionAsked, operator: Operator) -> list[Command]:
        if not operator.memberships:
            return _answer(fact, refusal("no-queue-served"))
        reason = str(fact.args["pause"]) if fact.action == "pause" else None
        self._imposed.pop(operator.name, None)
        self._declined.pop(operator.name, None)
        self._miss(operator, 0)
        out: list[Command] = []
        for pbx, interface in _by_member(operator):
            identity = fact.id if not out else self._next()
            command = _pause(identity, fact.actor, pbx, interface, reason)
            out += self._ask(operator, command, fact if not out else None)
        return out

    def _extend(self, fact: ActionAsked, operator: Operator) -> list[Command]:
        if operator.work != "wrap-up":
            return _answer(fact, refusal("no-wrapup"))
        if not self._cards.extend(operator.name, float(fact.args["seconds"])):
            limit = round(self._rules.wrapup_limit)
            return _answer(fact, refusal("wrapup-limit", n=limit))
        self._floor.instruct(operator.name, self._duty(operator))
        return _answer(fact, None)

    # What the desk decides by itself

    def impose(self, name: OperatorName, reason: OwnPause) -> None:
        """A pause that stays until somebody ends it."""
        self._imposed[name] = _Imposed(reason)

    def rang_in_vain(
        self, name: OperatorName, call: CallId, cause: Cause, now: float
    ) -> list[Command]:
        """A call rang at this operator's phone and was not taken."""
        operator = self._floor.operator(name)
        if operator is None or not operator.has_login or cause not in _VAIN:
            return []
        if self._rung.get(name) != call:
            return []  # the call was for this operator, whatever the queue
        misses = operator.duty.misses + 1
        self._miss(operator, misses)
        if self._rules.misses and misses >= self._rules.misses:
            self.impose(name, MISSED)
            told = AlarmRaised("calls-missed", detail=operator.display_name)
            return self._alarms.raised(told, now)
        if cause != "no-answer":
            self._declined[name] = _Declined(call, now + DECLINED_FOR)
            self.impose(name, DECLINED)
        return []

    def answered(self, name: OperatorName) -> None:
        operator = self._floor.operator(name)
        if operator is not None:
            self._miss(operator, 0)

    def rings(self, name: OperatorName, call: CallId, queue: QueueName | None) -> None:
        """The call rings at this operator's, out of `queue` if it is one's: whoever declined it
        before may be rung again."""
        self._rung.pop(name, None)
        if queue is not None:
            self._rung[name] = call
        self._undecline(n for n, d in self._declined.items() if d.call == call and n != name)

    def left(self, call: CallId) -> None:
        """The call waits no more."""
        self._undecline(n for n, d in self._declined.items() if d.call == call)

    def tick(self, now: float) -> list[Command]:
        self._now = now
        self._undecline(n for n, d in self._declined.items() if d.until <= now)
        self._pending = {i: p for i, p in self._pending.items() if now - p.at < ANSWER_WITHIN}
        out = self._granted(now)
        for operator in self._floor.operators:
            out += self._converge(operator, now)
            due = operator.duty.due
            if operator.state != "paused" or due is None or due > now:
                continue
            if self._overdue.get(operator.name) != operator.since:
                self._overdue[operator.name] = operator.since
                told = AlarmRaised("pause-over", detail=operator.display_name)
                out += self._alarms.raised(told, now)
        return out

    def settle(self, now: float) -> list[Command]:
        """What follows for those whom the last fact changed, and the rows of what they do."""
        self._now = now
        changed = self._floor.touched
        out = self._granted(now) if changed else []
        for touched in changed:
            self._floor.instruct(touched.name, self._duty(touched))
            operator = self._floor.operator(touched.name)
            assert operator
            out += self._converge(operator, now)
            pbx = operator.memberships[0].pbx if operator.memberships else PbxName("")
            out += self._log.keep(operator, self._boots.get(pbx, ""))
        return out

    def _converge(self, operator: Operator, now: float) -> list[Command]:
        """What Asterisk is to be asked so that the member is paused, or not, as it should be."""
        name, seen = operator.name, operator.reason
        imposed = self._imposed.get(name)
        want: str | None
        if imposed is not None and seen in _PASSING and seen != imposed.reason:
            want = imposed.reason
        elif seen is None and operator.has_login and self._writes(operator, now):
            want = WRAP_UP
        elif (seen == WRAP_UP and operator.work == "idle") or (
            seen == DECLINED and name not in self._declined
        ):
            want = None
        else:
            return []
        if now < self._hold.get(name, 0.0) or self._is_asked(name):
            return []
        up, out = self._links.up(), list[Command]()
        for pbx, interface in _by_member(operator):
            if pbx in up:
                command = _pause(self._next(), name, pbx, interface, want)
                out += self._ask(operator, command, None)
        return out

    @staticmethod
    def _writes(operator: Operator, now: float) -> bool:
        """Whether the operator has time to write; with none at all the next call may ring."""
        return operator.work == "wrap-up" and (operator.duty.due or 0.0) > now

    def _is_asked(self, name: OperatorName) -> bool:
        return any(
            p.operator == name and isinstance(p.command, PauseMember)
            for p in self._pending.values()
        )

    def _undecline(self, names: Iterable[OperatorName]) -> None:
        for name in list(names):
            del self._declined[name]
            if self._imposed.get(name) == _Imposed(DECLINED):
                del self._imposed[name]
            self._floor.touch_operator(name)

    def _miss(self, operator: Operator, misses: int) -> None:
        known = self._floor.operator(operator.name)
        if known is not None and known.duty.misses != misses:
            self._floor.instruct(operator.name, replace(known.duty, misses=misses))

    def _duty(self, operator: Operator) -> Duty:
        due = at_most = None
        if operator.work == "wrap-up":
            due, at_most = self._cards.wrapup(operator.name)
        elif operator.state == "paused":
            limit = self._rules.pauses.get(operator.reason or "")
            due = None if limit is None else operator.since + limit
        return replace(operator.duty, due=due, at_most=at_most)

    # What the PBX answers

    def done(self, fact: ActionDone, now: float) -> list[Command] | None:
        """The outcome of what was asked of the PBX; None where it was nothing of ours."""
        pending = self._pending.pop(fact.id, None)
        if pending is None:
            return None
        name, command, asked = pending.operator, pending.command, pending.asked
        if fact.error is None and asked is not None and not self._is_seen(pending):
            self._pending[fact.id] = replace(pending, granted=True, at=now)
            return []
        out: list[Command] = []
        if fact.error is None and isinstance(command, PauseMember):
            reason = command.reason if command.paused else None
            self._floor.pause(name, command.pbx, command.interface, reason, now)
            if self._imposed.get(name) == _Imposed(command.reason):
                del self._imposed[name]
        elif fact.error is not None and asked is None:
            self._hold[name] = now + AGAIN_AFTER
            out.append(Remark(f"{name}: {fact.error}"))
        if asked is not None:
            out += self._told(asked, fact.error or pending.but, fact.error is None, now)
        self._floor.touch_operator(name)
        return out

    def _is_seen(self, pending: _Pending) -> bool:
        """Whether the picture shows what the PBX has granted. A pause goes by the reply itself."""
        operator, command = self._floor.operator(pending.operator), pending.command
        if operator is None or isinstance(command, PauseMember):
            return True
        at = command.phone if isinstance(command, LogIn) else command.interface
        serves = {m.queue for m in operator.memberships if m.interface == at}
        if isinstance(command, LogIn):
            return serves.issuperset(queue for queue, _ in command.queues)
        return serves.isdisjoint(command.queues)

    def _granted(self, now: float) -> list[Command]:
        """The answers to what the picture shows by now, or will not show any more."""
        out: list[Command] = []
        for identity, pending in list(self._pending.items()):
            late = now - pending.at >= SHOWN_WITHIN
            if pending.granted and pending.asked and (late or self._is_seen(pending)):
                del self._pending[identity]
                out += self._told(pending.asked, pending.but, True, now)
        return out

    def _told(self, asked: ActionAsked, said: str | None, done: bool, now: float) -> list[Command]:
        out: list[Command] = [Tell(asked.id, asked.actor, said)]
        return out + self._notice(asked, now) if done else out

    def _notice(self, asked: ActionAsked, now: float) -> list[Command]:
        name = OperatorName(asked.target)
        if asked.actor != name:
            notice = Notice(name, asked.action, asked.actor, asked.reason, now)
            self._notices[name] = notice
            return [ShowNotice(notice)]
        return [EndNotice(name)] if self._notices.pop(name, None) else []

    # When the PBX, or we ourselves, were away

    def remember(self, rows: tuple[StateRecord, ...]) -> None:
        self._log.remember(rows)

    def resumes_wrapup(self, name: OperatorName, default: float) -> float | None:
        """When the wrap-up ends that a restart cut into; `default` where nothing was written
        down; None where the operator had ended it."""
        row = self._log.remembered(name)
        if row is None:
            return default
        return (row.due or default) if row.state == "wrap-up" else None

    def linked(self, fact: LinkUp) -> None:
        """A PBX that was restarted has forgotten the pauses of its fixed members."""
        known = self._boots.get(fact.pbx)
        if known is not None and known != fact.boot and fact.pbx not in self._before:
            self._before[fact.pbx] = tuple(
                operator
                for operator in self._floor.operators
                if any(m.pbx == fact.pbx for m in operator.memberships)
            )
        self._boots[fact.pbx] = fact.boot

    def seen(self, fact: SnapshotDone, now: float) -> list[Command]:
        """Sets again what the PBX has forgotten; what it tells otherwise is so."""
        self._now = now
        if "QueueStatus" in fact.refused:
            return []
        out: list[Command] = []
        for before in self._before.pop(fact.pbx, ()):
            out += self._restore(before, fact.pbx)
        for operator in self._floor.operators:
            row = self._log.recalled(operator, fact.pbx)
            if row is None:
                continue
            if row.boot != self._boots.get(fact.pbx) and row.state == "paused" and row.reason:
                self._impose_again(operator.name, row.reason)
            if (row.state, row.phone) == (operator.state, operator.phone or "") and (
                row.state != "paused" or row.reason == operator.reason
            ):
                self._floor.redate(operator.name, row.since)
        self._log.begin()
        for operator in self._floor.operators:
            self._floor.touch_operator(operator.name)
        return out

    def _restore(self, before: Operator, pbx: PbxName) -> list[Command]:
        now = self._floor.operator(before.name)
        if now is None:
            return []
        if before.reason is not None:
            self._impose_again(before.name, before.reason)
        serves = {m.queue for m in now.memberships if m.pbx == pbx}
        lost = [m for m in before.memberships if m.pbx == pbx and m.queue not in serves]
        posts = tuple((m.queue, m.penalty) for m in lost if m.dynamic)
        if not posts:
            return []
        name, phone = before.name, lost[0].interface
        command = LogIn(self._next(), name, name, (pbx,), phone, posts, before.reason)
        return self._ask(before, command, None)

    def _impose_again(self, name: OperatorName, reason: str) -> None:
        operator = self._floor.operator(name)
        if reason not in _PASSING and operator is not None and operator.reason != reason:
            self._imposed[name] = _Imposed(reason)

    # Inside

    def _next(self) -> str:
        """The name of a command that nobody asked for."""
        self._number += 1
        return f"shift-{self._number}"

    def _ask(
        self,
        operator: Operator,
        command: PauseMember | LogIn | LogOut,
        asked: ActionAsked | None,
        but: str | None = None,
    ) -> list[Command]:
        self._pending[command.id] = _Pending(operator.name, command, self._now, asked, but)
        return [command]


def _answer(fact: ActionAsked, fault: str | None) -> list[Command]:
    return [Tell(fact.id, fact.actor, fault)]


def _pause(
    identity: str, actor: OperatorName, pbx: PbxName, interface: str, reason: str | None
) -> PauseMember:
    return PauseMember(identity, actor, pbx, interface, reason is not None, reason or "")


def _by_member(operator: Operator) -> dict[tuple[PbxName, str], list[Membership]]:
    """The memberships by what a pause speaks of."""
    found: dict[tuple[PbxName, str], list[Membership]] = {}
    for each in operator.memberships:
        found.setdefault((each.pbx, each.interface), []).append(each)
    return found
