"""The floor: all operators and all lines of waiting callers. Pure.

Phones tell which operator a channel belongs to. What changes is remembered until it is asked for,
so that each operator and each queue is shown once however many events changed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cordboard.crm_core.model import EntryRecord, User
from cordboard.cti.facts import MemberGone, MemberSeen, PhoneSeen
from cordboard.events import CallId, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.decisions import Standing
from cordboard.queue.forecast import Crew, Handled, Paces, waits
from cordboard.queue.lines import Entry, Line, Outcome, ServiceLevel
from cordboard.queue.operators import (
    Duty,
    Membership,
    Operator,
    WorkEvent,
    advance,
    with_membership,
    with_pause,
    with_phone,
    without_membership,
)


class Floor:
    """`threshold` and `short` are those of `ServiceLevel`, `handling` what a call takes of an
    operator before any was measured; all in seconds."""

    def __init__(self, threshold: float, short: float, handling: float = 180.0) -> None:
        self._fresh = ServiceLevel(threshold, short)
        self._paces = Paces(handling)
        self._crew = Crew()
        self._operators: dict[OperatorName, Operator] = {}
        self._phones: dict[str, OperatorName] = {}
        self._lines: dict[QueueName, Line] = {}
        self._levels: dict[QueueName, ServiceLevel] = {}
        self._changed_operators: dict[OperatorName, None] = {}
        self._changed_queues: dict[QueueName, None] = {}

    @property
    def has_changed_queues(self) -> bool:
        return bool(self._changed_queues)

    def changed_operators(self) -> list[Operator]:
        """The operators who changed since this was asked last."""
        names, self._changed_operators = self._changed_operators, {}
        return [self._operators[name] for name in names if name in self._operators]

    def changed_queues(self) -> list[QueueName]:
        """The queues that changed since this was asked last."""
        names, self._changed_queues = self._changed_queues, {}
        return list(names)

    # Operators

    @property
    def operators(self) -> list[Operator]:
        """All of them."""
        return list(self._operators.values())

    @property
    def touched(self) -> list[Operator]:
        """Those who will be among `changed_operators` when it is asked."""
        return [self._operators[n] for n in self._changed_operators if n in self._operators]

    def operator(self, name: OperatorName) -> Operator | None:
        return self._operators.get(name)

    def is_busy(self, name: OperatorName) -> CallId | None:
        """The call that this operator is in, if any."""
        operator = self._operators.get(name)
        busy = operator is not None and operator.work in ("talking", "on-hold")
        return operator.call if operator and busy else None

    def sits_at(self, phone: str) -> OperatorName | None:
        """Whose phone this is now."""
        return self._phones.get(phone)

    def at_phone(self, channel: str) -> OperatorName | None:
        """Whose phone a channel is: its name is the phone's with a number of its own behind."""
        return self._phones.get(channel.rpartition("-")[0])

    def step(self, name: OperatorName, event: WorkEvent, call: CallId, now: float) -> None:
        """A step of an operator's work. One that ends a call which is not theirs any more changes
        nothing. Raises `Surprise` where the table has no such step."""
        operator = self._operators[name]
        if event in ("release", "hang-up", "done") and operator.call not in (call, None):
            return
        after = advance(operator, event, call, now)
        self._put(after)
        if after.work == "idle":
            self._paces.end(name, now)
        elif operator.work == "idle" or (operator.work == "wrap-up" and event != "done"):
            self._paces.begin(name, now)

    def take(self, name: OperatorName, entry: Entry) -> None:
        """The call that this operator is in came from a queue."""
        self._paces.take(name, entry.call, entry.queue)

    def handled(self) -> list[Handled]:
        """The calls of queues that operators finished with since this was asked last."""
        return self._paces.handled()

    def reassign(self, name: OperatorName, part: CallId, whole: CallId) -> None:
        """The call that an operator is in turned out to be part of another."""
        operator = self._operators.get(name)
        if operator is not None and operator.call == part:
            self._put(replace(operator, call=whole))

    def employ(self, users: Iterable[User], now: float) -> None:
        """All who may log in, as they are now. An operator is who has a phone, or queues to serve
        from whatever phone is free."""
        for user in users:
            if (user.phone is None and not user.queues) or not user.active:
                continue
            name = OperatorName(user.name)
            known = self._operators.get(name)
            phone = user.phone
            if phone is None and known is not None and not known.fixed:
                phone = known.phone
            # The phone may have been seen in a queue before its owner was known.
            stranger = self._operators.pop(self._phones.get(phone or "", name), None)
            if stranger:
                self._crew.drop(stranger.name)
            if known is not None and known.phone not in (None, phone):
                known = self._moved(known)
            before = known if known is not None and known.memberships else stranger or known
            if phone is not None:
                self._phones[phone] = name
            self._put(
                Operator(
                    name,
                    user.display_name,
                    phone,
                    memberships=before.memberships if before else (),
                    work=before.work if before else "idle",
                    call=before.call if before else None,
                    since=before.since if before else now,
                    fixed=user.phone is not None,
                    posts=user.queues,
                    duty=before.duty if before else Duty(),
                )
            )

    def _moved(self, operator: Operator) -> Operator:
        """An operator who has another phone now: what was a member there is somebody else's."""
        assert operator.phone
        if self._phones.get(operator.phone) == operator.name:
            del self._phones[operator.phone]
        return replace(operator, memberships=())

    def member_seen(self, fact: MemberSeen, now: float) -> None:
        self.line(fact.queue)
        phone = fact.state_interface if fact.state_interface in self._phones else fact.interface
        name = self._phones.get(phone)
        if name is None:
            name = self._phones[phone] = self._newcomer(fact, phone, now)
        seen = Membership(
            fact.pbx,
            fact.queue,
            fact.interface,
            fact.status,
            fact.paused,
            fact.reason,
            fact.in_call,
            fact.dynamic,
            fact.penalty,
        )
        operator = replace(self._operators[name], phone=phone)
        self._put(with_membership(operator, seen, now))

    def _newcomer(self, fact: MemberSeen, phone: str, now: float) -> OperatorName:
        """Who sits at a phone of which nothing was known: whoever logged in at it, under whose
        name the queue has it."""
        name = OperatorName(fact.name)
        operator = self._operators.get(name)
        if fact.dynamic and operator is not None and not operator.fixed:
            if operator.phone is not None:
                del self._phones[operator.phone]
            return name
        # A member without a login still works here, under the name that the queue gives.
        name = OperatorName(phone)
        self._operators[name] = Operator(
            name, fact.name or phone, phone, since=now, has_login=False
        )
        return name

    def phone_seen(self, fact: PhoneSeen, now: float) -> None:
        """What the device itself says, whichever queues its operator serves."""
        name = self._phones.get(fact.phone)
        if name is not None:
            self._put(with_phone(self._operators[name], fact.pbx, fact.status, now))

    def member_gone(self, fact: MemberGone, now: float) -> None:
        gone = (fact.pbx, fact.queue, fact.interface)
        for operator in list(self._operators.values()):
            if any((m.pbx, m.queue, m.interface) == gone for m in operator.memberships):
                self._put(without_membership(operator, fact.pbx, fact.queue, now))

    def pause(
        self, name: OperatorName, pbx: PbxName, interface: str, reason: str | None, now: float
    ) -> None:
        """The PBX says that it has paused this member, or unpaused where `reason` is None."""
        operator = self._operators.get(name)
        if operator is not None:
            paused = reason is not None
            self._put(with_pause(operator, pbx, interface, paused, reason or "", now))

    def touch_operator(self, name: OperatorName) -> None:
        """This operator is to be looked at and shown again."""
        if name in self._operators:
            self._changed_operators[name] = None

    def instruct(self, name: OperatorName, duty: Duty) -> None:
        """What the desk knows of this operator's state has changed."""
        self._put(replace(self._operators[name], duty=duty))

    def redate(self, name: OperatorName, since: float) -> None:
        """The state of this operator has lasted since then."""
        self._put(replace(self._operators[name], since=since))

    def _put(self, operator: Operator) -> None:
        idle = operator.work == "idle" and not operator.memberships
        if idle and not operator.fixed and operator.phone is not None:
            del self._phones[operator.phone]  # whoever comes next may sit down there
            operator = replace(operator, phone=None)
        if self._operators.get(operator.name) != operator:
            self._operators[operator.name] = operator
            self._changed_operators[operator.name] = None
            self._crew.put(operator)

    # Queues

    def line(self, queue: QueueName) -> Line:
        """The line of `queue`, made at first sight."""
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = Line(queue)
            self._levels.setdefault(queue, self._fresh)
            self.touch(queue)
        return line

    def lines(self) -> Iterable[Line]:
        return self._lines.values()

    @property
    def queues(self) -> frozenset[QueueName]:
        return frozenset(self._lines)

    def level(self, queue: QueueName) -> ServiceLevel:
        return self._levels[queue]

    def touch(self, queue: QueueName) -> None:
        """`queue` is to be shown again: something about its callers changed."""
        self._changed_queues[queue] = None

    def standing(self, queue: QueueName, now: float) -> Standing:
        """How busy a queue is; one that was never seen is empty, and nobody serves it."""
        line = self._lines.get(queue)
        waiting, since = (len(line), line.longest_since) if line else (0, None)
        longest = now - since if since is not None else 0.0
        return Standing(waiting, longest, self.waits(queue, 1)[-1], self._crew.ready(queue))

    def waits(self, queue: QueueName, more: int = 0) -> list[float | None]:
        """The estimated waits of all who stand in the line, in their order, and of so many `more`
        who would join at its end, and whom all members may serve: see `forecast`. A place that is
        kept counts as one that is taken."""
        line = self._lines.get(queue)
        entries = line.entries if line else ()
        callers = len(entries) + more
        if not callers:
            return []
        waiting = {name: len(other) for name, other in self._lines.items() if len(other)}
        calls = {entry.call for entry in entries}
        teams = self._crew.teams(queue, calls, callers, waiting, self._paces)
        skills = [*(entry.skills for entry in entries), *([None] * more)]
        return waits(skills, teams, self._paces.of(queue).leaving)

    def wait(self, entry: Entry) -> float | None:
        """How long this caller has still to wait, in seconds, by our own forecast."""
        entries = self.line(entry.queue).entries
        return self.waits(entry.queue)[entries.index(entry)]

    def join(self, entry: Entry, position: int) -> None:
        self.line(entry.queue).join(entry, position)
        self.touch(entry.queue)

    def leave(
        self, queue: QueueName, uniqueid: Uniqueid, outcome: Outcome, now: float
    ) -> Entry | None:
        """The finished entry, counted; None when this caller does not wait there."""
        entry = self.line(queue).leave(uniqueid, outcome, now)
        if entry:
            self._count(queue, outcome, now - entry.entered)
        return entry

    def recall(self, finished: EntryRecord) -> None:
        """Counts a stay of this day that the store remembers."""
        queue = QueueName(finished.queue)
        self.line(queue)
        if finished.outcome is not None and finished.left_at is not None:
            self._count(queue, finished.outcome, finished.left_at - finished.entered_at)

    def recall_handled(self, handled: Iterable[Handled]) -> None:
        """What calls took of their operators before the start, oldest first."""
        for each in handled:
            self._paces.recall(each.queue, each.seconds)

    def new_day(self) -> None:
        for queue in self._levels:
            self._levels[queue] = self._fresh
            self.touch(queue)

    def _count(self, queue: QueueName, outcome: str, wait: float) -> None:
        self._levels[queue] = self._levels[queue].counting(outcome, wait)
        self._paces.stay(queue, outcome, wait)
        self.touch(queue)
