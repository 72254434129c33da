"""The door: a caller's AGI session asks where the call goes, and waits for the board's answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from prometheus_client import Histogram

from cordboard.clock import Clock
from cordboard.cti.fastagi import AgiSession
from cordboard.desk import CallbackAsked, RouteAsked, SendCallback, SendRoute
from cordboard.errors import PeerError
from cordboard.events import Linkedid, PbxName, derived_id
from cordboard.queue.decisions import Decision

ROUTE_WITHIN = 1.0
"""Seconds beyond the lookup's deadline for the board to answer; the dialplan's lease is 5 s."""
ANSWERS_AT_MOST = 20
ANSWERS_CHARACTERS = 1000
CALLBACK = "callback"
"""The one answer that is ours: `callback=1` is a call that we call back."""
_ANSWER = re.compile(r"([a-z][a-z0-9_]{0,31})=([^\x00-\x1f\x7f&=]{0,80})")
Question = RouteAsked | CallbackAsked
Answer = SendRoute | SendCallback
FORGED = "forged"
"""The dialplan's word for a caller id with control characters in it."""


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
        self._dialable = dialable
        self._asks: dict[str, asyncio.Future[Answer]] = {}
        self._asked = 0

    def answer(self, command: Answer) -> None:
        """What the board has decided; nothing where the session is gone."""
        asked = self._asks.get(command.ask)
        if asked and not asked.done():
            asked.set_result(command)

    async def callback(self, session: AgiSession) -> None:
        """Asks the board whether the caller is to be called back; without an answer he is not."""
        linkedid, number, pbx_name = (*session.arguments, *[""] * 3)[:3]
        pbx = PbxName(pbx_name) if pbx_name in self._pbxs else self._pbxs[0]
        self._asked += 1
        known = Linkedid(linkedid or session.env["agi_uniqueid"])
        ask = derived_id(int(self._clock() * 1000), pbx, known, str(self._asked))
        answer = await self._wait(CallbackAsked(ask, pbx, known, self._dialable(number)))
        assert isinstance(answer, SendCallback)
        await session.set_variable("CB_ANSWER", answer.refused or "yes")

    async def serve(self, session: AgiSession) -> None:
        await (self.callback if session.path == "callback" else self.route)(session)

    async def route(self, session: AgiSession) -> None:
        """Asks the board where this call goes, and tells the dialplan. CB_DONE comes last: without
        it the dialplan takes nothing of what we said and goes to the default queue."""
        began = asyncio.get_running_loop().time()
        decision = await self._ask(session)
        self._seconds.observe(asyncio.get_running_loop().time() - began)
        variables: dict[str, str | int] = {
            "CB_ACTION": decision.action,
            "CB_QUEUE": decision.queue,
            "CB_PRIO": decision.priority,
            "CB_LANG": decision.language,
            "CB_OFFER": int(decision.callback is not None),
        }
        if decision.personal and decision.personal.mobile:
            variables["CB_ACTION"] = "manager"
            variables["CB_NUMBER"] = decision.personal.mobile
            variables["CB_RETURN_PRIO"] = decision.priority
        if decision.action == "message" and decision.to:
            variables["CB_MESSAGE"] = decision.to
        for name, value in variables.items():
            await session.set_variable(name, value)
        await session.set_variable("CB_DONE", 1)

    async def _ask(self, session: AgiSession) -> Decision:
        linkedid, dialled, pbx_name, mark, said = (*session.arguments, *[""] * 5)[:5]
        pbx = PbxName(pbx_name) if pbx_name in self._pbxs else self._pbxs[0]
        if mark == FORGED or session.tampered:
            self._forger(pbx, session.env.get("agi_channel", ""))
        self._asked += 1
        known = Linkedid(linkedid or session.env["agi_uniqueid"])
        ask = derived_id(int(self._clock() * 1000), pbx, known, str(self._asked))
        number = session.env.get("agi_callerid", "")
        dialled = dialled or session.env.get("agi_extension", "")
        ivr = answers(said)
        callback = ivr.pop(CALLBACK, "") == "1"
        fact = RouteAsked(ask, pbx, known, number, dialled, ivr, callback)
        sent = await self._wait(fact)
        assert isinstance(sent, SendRoute)
        return sent.decision

    async def _wait(self, fact: Question) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asks[fact.ask] = answer
        try:
            if not self._put(fact):
                raise PeerError("too many callers ask at once")
            async with asyncio.timeout(self._within):
                return await answer
        finally:
            del self._asks[fact.ask]


def answers(said: str) -> dict[str, str]:
    """What a caller answered to the menus before us, from `key=value&key=value`; what is not
    written so, or is too much, is left out."""
    found = (_ANSWER.fullmatch(pair) for pair in said[:ANSWERS_CHARACTERS].split("&"))
    return dict([(each[1], each[2]) for each in found if each][:ANSWERS_AT_MOST])
