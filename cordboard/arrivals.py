"""Who calls, and where the call goes: what is learnt before, and beside, the call itself. Pure.

AGI and AMI are two connections, and either may bring the news of a call first.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from datetime import datetime

from cordboard.cti.facts import Offered
from cordboard.desk import (
    Arrival,
    Call,
    Command,
    CustomerFound,
    FindCustomer,
    RouteAsked,
    Rules,
    SendRoute,
)
from cordboard.events import Linkedid, PbxName
from cordboard.queue.decisions import Decision
from cordboard.queue.routing import Caller, decide
from cordboard.records import reasons_json

ARRIVAL_KEPT = 3600.0
"""Seconds. What we learnt of a caller whose call never showed up is forgotten after this."""


class Arrivals:
    """The callers of whom something is known, by PBX and Linkedid."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._arrivals: dict[tuple[PbxName, Linkedid], Arrival] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    def heard(
        self, pbx: PbxName, linkedid: Linkedid, number: str, dialled: str, now: float
    ) -> list[Command]:
        """Somebody calls, or is called from the desk. Who it is is looked up once."""
        if (pbx, linkedid) in self._arrivals:
            return []
        self._arrivals[pbx, linkedid] = Arrival(number, dialled, now)
        return [FindCustomer(pbx, linkedid, number)]

    def asked(self, fact: RouteAsked, now: float) -> list[Command]:
        """The dialplan waits for a route, and gets it when it is known who calls."""
        commands = self.heard(fact.pbx, fact.linkedid, fact.number, fact.dialled, now)
        arrival = self._arrivals[fact.pbx, fact.linkedid]
        arrival.ask, arrival.dialled = fact.ask, fact.dialled
        return commands + self._decide(arrival, now)

    def found(self, fact: CustomerFound, now: float) -> list[Command]:
        arrival = self._arrivals.get((fact.pbx, fact.linkedid))
        if arrival is None:
            return []
        arrival.found = fact
        return self._decide(arrival, now)

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
            card=(found and found.card) or call.card,
            lookup_failed=found.failed if found else call.lookup_failed,
            number=(found and found.e164) or call.number,
            # Where Newchannel was kept back, the dialplan alone still knows what was dialled.
            dialled=arrival.dialled or call.dialled,
            decision=decision,
            why=reasons_json(decision.reasons) if decision and fresh else call.why,
        )

    def again(self, call: Call, now: float) -> Decision | None:
        """What the policy says of a caller by now; None where it is not known yet who it is."""
        arrival = self._arrivals.get((call.pbx, call.linkedid))
        if arrival is None or arrival.found is None:
            return None
        failed = arrival.found.failed and call.card is None
        return self._decision(arrival, replace(arrival.found, card=call.card, failed=failed), now)

    def settle(self, call: Call, decision: Decision) -> Call:
        """The call, with another decision than before."""
        self._arrivals[call.pbx, call.linkedid].decision = decision
        return replace(call, decision=decision, why=reasons_json(decision.reasons))

    def over(self, pbx: PbxName, linkedid: Linkedid) -> None:
        """The call has ended, or is part of another."""
        self._arrivals.pop((pbx, linkedid), None)

    def tick(self, now: float, live: Container[tuple[PbxName, Linkedid]]) -> None:
        """Forgets those who are not among the `live` after a while."""
        for key, arrival in list(self._arrivals.items()):
            if now - arrival.at > ARRIVAL_KEPT and key not in live:
                del self._arrivals[key]

    def _decide(self, arrival: Arrival, now: float) -> list[Command]:
        found, ask = arrival.found, arrival.ask
        if found is None or ask is None:
            return []
        arrival.ask, arrival.decision = None, self._decision(arrival, found, now)
        return [SendRoute(ask, arrival.decision)]

    def _decision(self, arrival: Arrival, found: CustomerFound, now: float) -> Decision:
        caller = Caller(
            found.e164 or arrival.number, found.country, arrival.dialled, found.card, found.failed
        )
        local = datetime.fromtimestamp(now, self._rules.zone)
        return decide(self._rules.policy, caller, local)


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
