"""The door: a caller's AGI session asks where the call goes, or which place was kept for it, and
waits for the board's answer."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from prometheus_client import Histogram

from cordboard.clock import Clock
from cordboard.cti.agi import caller
from cordboard.cti.fastagi import AgiSession
from cordboard.desk.commands import SendCallback, SendPlace, SendRoute
from cordboard.desk.facts import BackAsked, CallbackAsked, RouteAsked
from cordboard.dialplan import OFFER, bounds_of
from cordboard.errors import PeerError
from cordboard.events import Linkedid, PbxName, QueueName, derived_id
from cordboard.queue.decisions import Decision

ROUTE_WITHIN = 1.0
"""Seconds beyond the lookup's deadline for the board to answer; the dialplan's lease is 5 s."""
ANSWERS_AT_MOST = 20
ANSWERS_CHARACTERS = 1000
CALLBACK = "callback"
"""The one answer that is ours: `callback=1` is a call that we call back."""
_ANSWER = re.compile(r"([a-z][a-z0-9_]{0,31})=([^\x00-\x1f\x7f&=]{0,80})")
FORGED = "forged"
"""The dialplan's word for a caller id with control characters in it."""

Question = RouteAsked | BackAsked | CallbackAsked
Answer = SendRoute | SendPlace | SendCallback
Variables = dict[str, str | int]


class Scripts(Protocol):
    def has(self, name: str) -> bool:
        """Whether this script is run here, rather than by the dialplan."""

    def asks_after(self, queue: str, linkedid: str) -> bool:
        """Whether a caller who goes to this queue is asked something after the talk."""


class _NoScripts:
    def has(self, name: str) -> bool:
        return False

    def asks_after(self, queue: str, linkedid: str) -> bool:
        return False


class Door:
    """`lookup` is the deadline for the caller's card, in seconds. `put` takes a question to the
    board and says whether there was room; `forger` is told who wrote into his own number;
    `dialable` gives the number in E.164 that a caller may have us call, or None."""

    def __init__(
        self,
        pbxs: Sequence[PbxName],
        lookup: float,
        clock: Clock,
        put: Callable[[Question], bool],
        forger: Callable[[PbxName, str], None],
        seconds: Histogram,
        dialable: Callable[[str], str | None],
    ) -> None:
        self._pbxs = pbxs
        self._within = lookup + ROUTE_WITHIN
        self._clock = clock
        self._put = put
        self._forger = forger
        self._seconds = seconds
        self.dialable = dialable
        self._scripts: Scripts = _NoScripts()
        self._asks: dict[str, asyncio.Future[Answer]] = {}
        self._asked = 0

    def attend(self, scripts: Scripts) -> None:
        """Which scripts there are, and who is asked after the talk."""
        self._scripts = scripts

    def answer(self, command: Answer) -> None:
        """What the board has decided; nothing where the session is gone."""
        asked = self._asks.get(command.ask)
        if asked and not asked.done():
            asked.set_result(command)

    async def serve(self, session: AgiSession) -> None:
        """Answers what the dialplan asks. CB_DONE comes last: without it the dialplan takes nothing
        of what we said, and the caller goes on without us."""
        ways = {"back": self._back, "callback": self._callback}
        variables = await ways.get(session.path, self._route)(session)
        for name, value in variables.items():
            await session.set_variable(name, value)
        await session.set_variable("CB_DONE", 1)

    async def _route(self, session: AgiSession) -> Variables:
        began = asyncio.get_running_loop().time()
        linkedid, dialled, pbx_name, mark, said = (*session.arguments, *[""] * 5)[:5]
        pbx = self.pbx(pbx_name)
        if mark == FORGED or session.tampered:
            self._forger(pbx, session.env.get("agi_channel", ""))
        known = Linkedid(linkedid or session.env["agi_uniqueid"])
        number = caller(session.env)
        dialled = dialled or session.env.get("agi_extension", "")
        ivr = answers(said)
        callback = ivr.pop(CALLBACK, "") == "1"
        ask = self.name(pbx, known)
        answer = await self.ask(RouteAsked(ask, pbx, known, number, dialled, ivr, callback))
        assert isinstance(answer, SendRoute)
        self._seconds.observe(asyncio.get_running_loop().time() - began)
        found = variables(answer.decision)
        if answer.decision.action == "script" and self._scripts.has(answer.decision.to or ""):
            found["CB_OURS"] = 1
        if self._scripts.asks_after(answer.decision.queue, known):
            found["CB_SURVEY"] = 1
        return found

    async def _back(self, session: AgiSession) -> Variables:
        linkedid, queue, pbx_name, priority, waited = (*session.arguments, *[""] * 5)[:5]
        pbx = self.pbx(pbx_name)
        known = Linkedid(linkedid or session.env["agi_uniqueid"])
        answer = await self.ask(
            BackAsked(
                self.name(pbx, known),
                pbx,
                known,
                QueueName(queue),
                int(priority) if priority.isascii() and priority.isdigit() else 0,
                _seconds(waited),
            )
        )
        assert isinstance(answer, SendPlace)
        place = "" if answer.position is None else answer.position
        return {"CB_PRIO": answer.priority, "CB_POSITION": place}

    async def _callback(self, session: AgiSession) -> Variables:
        """Without an answer he is not called back, and goes on waiting."""
        linkedid, number, pbx_name = (*session.arguments, *[""] * 3)[:3]
        pbx = self.pbx(pbx_name)
        known = Linkedid(linkedid or session.env["agi_uniqueid"])
        ask = self.name(pbx, known)
        answer = await self.ask(CallbackAsked(ask, pbx, known, self.dialable(number)))
        assert isinstance(answer, SendCallback)
        return {"CB_CALLBACK": answer.refused or "yes"}

    def pbx(self, name: str) -> PbxName:
        return PbxName(name) if name in self._pbxs else self._pbxs[0]

    def name(self, pbx: PbxName, linkedid: Linkedid) -> str:
        """Of the next question."""
        self._asked += 1
        return derived_id(int(self._clock() * 1000), pbx, linkedid, str(self._asked))

    async def ask(self, question: Question) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asks[question.ask] = answer
        try:
            if not self._put(question):
                raise PeerError("too many callers ask at once")
            async with asyncio.timeout(self._within):
                return await answer
        finally:
            del self._asks[question.ask]


def variables(decision: Decision) -> Variables:
    """The decision as the dialplan knows it; it has emptied them all before it asked."""
    found: Variables = {
        "CB_ACTION": decision.action,
        "CB_QUEUE": decision.queue,
        "CB_PRIO": decision.priority,
        "CB_LANG": decision.language,
    }
    if decision.callback:
        found[OFFER] = 1
    if decision.to:
        found["CB_TO"] = decision.to
    if first := decision.personal:
        found["CB_FIRST_RING"] = first.seconds
        found |= {"CB_FIRST_DESK": first.desk} if first.desk else {}
        found |= {"CB_FIRST_MOBILE": first.mobile} if first.mobile else {}
    bounds = bounds_of(decision.penalties)
    found |= {name: bound for name, bound in bounds.items() if bound is not None}
    if then := decision.overflow:
        found["CB_WAIT"] = then.after
        found["CB_THEN"] = f"{then.kind}:{then.to}"
    return found


def answers(said: str) -> dict[str, str]:
    """What a caller answered to the menus before us, from `key=value&key=value`; what is not
    written so, or is too much, is left out."""
    found = (_ANSWER.fullmatch(pair) for pair in said[:ANSWERS_CHARACTERS].split("&"))
    return dict([(each[1], each[2]) for each in found if each][:ANSWERS_AT_MOST])


def _seconds(said: str) -> float:
    """What the dialplan has counted; nothing where its clock was set meanwhile."""
    try:
        seconds = float(said)
    except ValueError:
        return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
