"""Who calls, and where the call goes: what is learnt before, and beside, the call itself. Pure.

AGI and AMI are two connections, and either may bring the news of a call first.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from cordboard.crm_core.model import Card
from cordboard.crm_core.outside import merged
from cordboard.cti.facts import Offered
from cordboard.desk.commands import Command, FindCustomer, Save, SendRoute
from cordboard.desk.facts import CustomerFound, RouteAsked, ScriptStep
from cordboard.desk.model import Call, PathStep, Rules
from cordboard.desk.records import decided_record, reasons_json
from cordboard.events import Linkedid, OperatorName, PbxName
from cordboard.queue.decisions import Decision, Destination
from cordboard.queue.floor import Floor
from cordboard.queue.routing import Approach, Caller, Inputs, Seat, Situation, unmet, weigh

ENGAGED = frozenset({"offered", "talking", "on-hold", "wrap-up", "paused"})
"""The states of an operator whom no caller of their own is brought, also not at the mobile."""

Opinion = tuple[Decision, Inputs]
"""What the policy says of a caller, and what it looked at."""

ARRIVAL_KEPT = 3600.0
"""Seconds. What we learnt of a caller whose call never showed up is forgotten after this."""
PATH_AT_MOST = 40
"""Steps of the way through scripts that are kept for the card: the last."""
AGAIN_AFTER = 5.0
"""Seconds from a lookup that failed to the next try."""
AGAIN_AT_ONCE = 20
"""Lookups that a tick begins at most, besides those of new callers."""


@dataclass(slots=True)
class Arrival:
    """What is known of a caller before, and beside, the call itself: AGI and AMI are two
    connections, and either may bring the news of a call first."""

    number: str
    dialled: str
    at: float
    ask: str | None = None
    ivr: Mapping[str, str] = field(default_factory=dict)
    callback: bool = False
    wish: Destination | None = None
    found: CustomerFound | None = None
    decision: Decision | None = None
    unsaved: tuple[tuple[float, Decision, Inputs], ...] = ()
    """What was decided when and on which values, until the call is there that it is kept with."""
    path: tuple[PathStep, ...] = ()
    """Through scripts."""
    asked_at: float = 0.0
    """When it was asked last who it is."""


class Arrivals:
    """The callers of whom something is known, by PBX and Linkedid."""

    def __init__(self, rules: Rules, floor: Floor) -> None:
        self.rules = rules
        self._floor = floor
        self._arrivals: dict[tuple[PbxName, Linkedid], Arrival] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    def heard(
        self, pbx: PbxName, linkedid: Linkedid, number: str, dialled: str, now: float
    ) -> list[Command]:
        """Somebody calls, or is called from the desk. Who it is is looked up once."""
        if (pbx, linkedid) in self._arrivals:
            return []
        self._arrivals[pbx, linkedid] = Arrival(number, dialled, now, asked_at=now)
        since = self._midnight(now) if "calls_today" in self.rules.policy.keys else None
        return [FindCustomer(pbx, linkedid, number, since)]

    def asked(self, fact: RouteAsked, now: float) -> list[Command]:
        """The dialplan waits for a route, and gets it when it is known who calls."""
        commands = self.heard(fact.pbx, fact.linkedid, fact.number, fact.dialled, now)
        arrival = self._arrivals[fact.pbx, fact.linkedid]
        arrival.ask, arrival.dialled = fact.ask, fact.dialled
        arrival.ivr, arrival.callback, arrival.wish = fact.ivr, fact.callback, fact.wish
        return commands + self._decide(arrival, now)

    def found(self, fact: CustomerFound, now: float) -> list[Command]:
        arrival = self._arrivals.get((fact.pbx, fact.linkedid))
        if arrival is None:
            return []
        arrival.found = _renewed(arrival.found, fact)
        return self._decide(arrival, now)

    def walked(self, fact: ScriptStep, now: float) -> tuple[PathStep, ...]:
        """The way through scripts of this caller, with the step that he has left now."""
        arrival = self._arrivals.get((fact.pbx, fact.linkedid))
        if arrival is None:
            return ()
        step = PathStep(fact.script, fact.step, fact.title, fact.way, fact.entered, now)
        arrival.path = (*arrival.path, step)[-PATH_AT_MOST:]
        return arrival.path

    def card(self, pbx: PbxName, linkedid: Linkedid) -> Card | None:
        """Who calls, as far as it is known, also where there is no call yet."""
        arrival = self._arrivals.get((pbx, linkedid))
        if arrival is None or arrival.found is None:
            return None
        return _card(arrival.found, arrival.number)

    def wished(self, call: Call, wish: Destination, now: float) -> Decision | None:
        """What would be decided of a caller whom a script wants there; None where it is not known
        yet who it is."""
        arrival = self._arrivals.get((call.pbx, call.linkedid))
        if arrival is None or arrival.found is None:
            return None
        return self._weigh(replace(arrival, wish=wish), arrival.found, now)[0]

    def changed(self, call: Call, card: Card) -> Card:
        """Our store's card is now so; this is the one to show."""
        arrival = self._arrivals.get((call.pbx, call.linkedid))
        if arrival is None or arrival.found is None:
            return card
        arrival.found = replace(arrival.found, card=card, failed=False)
        return merged(card, arrival.found.reports, call.number) or card

    def look_up(self, call: Call, now: float) -> list[Command]:
        """Who this is has to be asked anew."""
        key = (call.pbx, call.linkedid)
        arrival = self._arrivals.get(key)
        if arrival is None or arrival.found is None:
            return []
        arrival.asked_at = now
        return [FindCustomer(*key, arrival.number, again=True)]

    def due(
        self, waiting: Container[tuple[PbxName, Linkedid]], now: float
    ) -> list[tuple[PbxName, Linkedid]]:
        """Whom to look up again: those whose lookup failed, and where it is wished those who wait;
        the ones who were asked for longest ago, and no more than can be asked at once."""
        refresh = self.rules.refresh
        due = [
            (arrival.asked_at, key)
            for key, arrival in self._arrivals.items()
            if arrival.found is not None
            and (
                (now - arrival.asked_at >= AGAIN_AFTER and _is_lacking(arrival.found))
                or (refresh and now - arrival.asked_at >= refresh and key in waiting)
            )
        ]
        return [key for _, key in sorted(due)[:AGAIN_AT_ONCE]]

    def is_found(self, pbx: PbxName, linkedid: Linkedid) -> bool:
        """Whether the lookup is over, with or without a customer."""
        arrival = self._arrivals.get((pbx, linkedid))
        return arrival is not None and arrival.found is not None

    def known(self, call: Call) -> Call:
        """The call, with what has been learnt of its caller."""
        arrival = self._arrivals[call.pbx, call.linkedid]
        found, decision = arrival.found, arrival.decision or call.decision
        fresh = decision is not None and decision is not call.decision
        return replace(
            call,
            card=(found and _card(found, arrival.number)) or call.card,
            lookup_failed=found.failed if found else call.lookup_failed,
            number=(found and found.e164) or call.number,
            # Where Newchannel was kept back, the dialplan alone still knows what was dialled.
            dialled=arrival.dialled or call.dialled,
            decision=decision,
            why=reasons_json(decision.reasons) if decision and fresh else call.why,
            path=arrival.path or call.path,
        )

    def over(self, pbx: PbxName, linkedid: Linkedid) -> None:
        """The call has ended, or is part of another."""
        self._arrivals.pop((pbx, linkedid), None)

    def tick(self, now: float, live: Container[tuple[PbxName, Linkedid]]) -> None:
        """Forgets those who are not among the `live` after a while."""
        for key, arrival in list(self._arrivals.items()):
            if now - arrival.at > ARRIVAL_KEPT and key not in live:
                del self._arrivals[key]

    def decided(self, call: Call) -> list[Command]:
        """What was decided of the call since this was asked last, to be kept with its inputs."""
        arrival = self._arrivals.get((call.pbx, call.linkedid))
        if arrival is None:
            return []
        fresh, arrival.unsaved = arrival.unsaved, ()
        return [Save(decided_record(call.id, *each)) for each in fresh]

    def opinion(self, call: Call, now: float) -> Opinion | None:
        """What the policy says of a caller by now; None where it is not known yet who it is.
        Nothing comes of it by itself: the call is where it is."""
        arrival = self._arrivals.get((call.pbx, call.linkedid))
        if arrival is None or arrival.found is None:
            return None
        return self._weigh(arrival, arrival.found, now, call.callback)

    def settle(self, call: Call, opinion: Opinion, now: float) -> Call:
        """The call, for which this counts from now on."""
        decision, _ = opinion
        self._keep(self._arrivals[call.pbx, call.linkedid], opinion, now)
        return replace(call, decision=decision, why=reasons_json(decision.reasons))

    def _decide(self, arrival: Arrival, now: float) -> list[Command]:
        found, ask = arrival.found, arrival.ask
        if found is None or ask is None:
            return []
        arrival.ask = None
        opinion = self._weigh(arrival, found, now)
        refused = self._refused(arrival, found, opinion[0], now)
        if refused is not None:
            arrival.wish = None
            return [SendRoute(ask, opinion[0], refused)]
        self._keep(arrival, opinion, now)
        return [SendRoute(ask, opinion[0])]

    def _refused(
        self, arrival: Arrival, found: CustomerFound, decision: Decision, now: float
    ) -> str | None:
        """Why the call cannot go where a script wants it to go."""
        wish, queues = arrival.wish, self._floor.queues
        if wish is None:
            return None
        if wish.target == "queue" and queues and decision.queue not in queues:
            return f"there is no queue {decision.queue}"
        return unmet(self.rules.policy, self._situation(arrival, found, now))

    def _keep(self, arrival: Arrival, opinion: Opinion, now: float) -> None:
        arrival.decision = opinion[0]
        arrival.unsaved = (*arrival.unsaved, (now, *opinion))

    def _weigh(
        self, arrival: Arrival, found: CustomerFound, now: float, callback: bool = False
    ) -> Opinion:
        return weigh(self.rules.policy, self._situation(arrival, found, now, callback))

    def _situation(
        self, arrival: Arrival, found: CustomerFound, now: float, callback: bool = False
    ) -> Situation:
        number = found.e164 or arrival.number
        return Situation(
            Caller(
                number,
                found.country,
                _card(found, arrival.number),
                found.failed,
                found.failures,
            ),
            Approach(
                arrival.dialled,
                arrival.ivr,
                arrival.callback or callback,
                found.calls_today,
                arrival.wish,
            ),
            datetime.fromtimestamp(now, self.rules.zone),
            partial(self._floor.standing, now=now),
            self._seat,
        )

    def _seat(self, name: OperatorName) -> Seat | None:
        operator = self._floor.operator(name)
        if operator is None:
            return None
        # A phone that serves no queue tells nothing of itself: it is rung, and says how it is.
        unknown = operator.work == "idle" and not (operator.memberships or operator.posts)
        ready = unknown or operator.state == "ready"
        return Seat(operator.phone, ready, operator.state in ENGAGED)

    def _midnight(self, now: float) -> float:
        local = datetime.fromtimestamp(now, self.rules.zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _card(found: CustomerFound, number: str) -> Card | None:
    """The card that is shown and decided by."""
    return merged(found.card, found.reports, found.e164 or number)


def _is_lacking(found: CustomerFound) -> bool:
    return found.failed or bool(found.failures)


def _renewed(before: CustomerFound | None, fact: CustomerFound) -> CustomerFound:
    """What was known stays where asking again came to nothing."""
    if before is None:
        return fact
    kept = tuple(report for report in before.reports if report.source in fact.failures)
    lacking = tuple(name for name in fact.failures if name in before.failures)
    card, failed = (before.card, before.failed) if fact.failed else (fact.card, False)
    today = before.calls_today if fact.calls_today is None else fact.calls_today
    reports = (*fact.reports, *kept)
    return replace(
        fact, card=card, failed=failed, calls_today=today, reports=reports, failures=lacking
    )


def new_call(fact: Offered, now: float) -> Call:
    """The call as the PBX shows it first."""
    return Call(
        id=fact.call,
        pbx=fact.pbx,
        boot=fact.boot,
        linkedid=fact.linkedid,
        uniqueid=fact.uniqueid,
        channel=fact.channel,
        number=fact.number,
        name=fact.name,
        dialled=fact.dialled,
        state="routing",
        started=now - fact.age,
    )
