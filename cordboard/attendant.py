"""The automatic attendant: callers who are in scripts, and those who are asked after the talk.

The dialplan asks `script` of us for a caller whom the rules sent there, and `survey` for one whose
operator has hung up. Here a run of a script (`ivr/phone.py`) gets what it asks of the house.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

import structlog

from cordboard import config
from cordboard.clock import Clock
from cordboard.crm_core import phones
from cordboard.crm_core.model import RunRecord
from cordboard.crm_core.store import Store
from cordboard.cti.agi import caller
from cordboard.cti.fastagi import AgiSession
from cordboard.desk.commands import Save, SendCallback, SendRoute
from cordboard.desk.facts import CallbackAsked, RouteAsked, ScriptStep
from cordboard.desk.model import Known, Rules
from cordboard.door import Door, answers, variables
from cordboard.enquiries import Enquiries
from cordboard.errors import PeerError, UserError
from cordboard.events import Linkedid, PbxName, QueueName
from cordboard.ivr.handset import Handset, Lengths
from cordboard.ivr.people import names_of
from cordboard.ivr.phone import PhoneRun, Title, Went
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run, Written, run_id
from cordboard.ivr.script import Script
from cordboard.ivr.speech import Piece
from cordboard.ivr.texts import shown
from cordboard.ivr.turns import CallBack, Dial, Dialled, Find, Go, HungUp, Request, Turn
from cordboard.ledger import Ledger
from cordboard.queue.decisions import Destination

log = structlog.get_logger(__name__)

LEASE = 5.0
"""Seconds, where the dialplan does not say how long a silent server may hold a caller."""
DAY = 86_400.0

Sounds = Callable[[Sequence[Piece], str], Awaitable[list[str]]]
_DIALLED = {"ANSWER": "answered", "BUSY": "busy"}


class Attendant:
    """`known` tells of a call what the board knows, `rules` are those it goes by, `put` takes a
    fact to it. `script` finds a script that may be run now."""

    def __init__(
        self,
        settings: config.Settings,
        store: Store,
        ledger: Ledger,
        door: Door,
        clock: Clock,
        sounds: Sounds,
        script: Callable[[str], Script | None],
        known: Callable[[PbxName, Linkedid], Known],
        rules: Callable[[], Rules],
        put: Callable[[ScriptStep], object],
    ) -> None:
        """Raises `UserError`."""
        self.settings = settings
        self.store, self.ledger, self.door, self.clock = store, ledger, door, clock
        self.sounds, self.script, self.known = sounds, script, known
        self.rules, self.put = rules, put
        own = settings.scripts
        self.enquiries = Enquiries(own.allow, own.secrets, allow_private=own.allow_private)
        self.recordings = own.recordings.absolute()
        self.lengths = Lengths()
        self.live = 0
        self._written: set[str] = set()
        self._fresh: dict[str, RunRecord] = {}
        """By id, the runs that were written since the last tick, and how far they are by now."""
        self._waiting: dict[tuple[PbxName, Linkedid], tuple[PhoneRun, _Visit]] = {}

    def open(self) -> None:
        """Raises `UserError` where there is no place for recordings."""
        try:
            self.recordings.mkdir(parents=True, exist_ok=True, mode=0o770)
        except OSError as error:
            raise UserError(
                f"[scripts] recordings {self.recordings}: {error.strerror}; name a folder in which"
                " the PBX may write and this server may read"
            ) from error

    def has(self, name: str) -> bool:
        return self.script(name) is not None

    def asks_after(self, queue: str, linkedid: str) -> bool:
        """Whether a caller who is sent to this queue is one of those who are asked after the
        talk. The same call is always the same share."""
        survey = self.settings.survey
        if not survey.script or (survey.queues and queue not in survey.queues):
            return False
        drawn = int.from_bytes(blake2b(linkedid.encode(), digest_size=4).digest(), "big")
        return drawn < survey.share * 2**32

    async def serve(self, session: AgiSession) -> None:
        """Answers the dialplan. Without CB_DONE, which comes last, it goes on without us."""
        ways = {"script": self._script, "survey": self._survey}
        way = ways.get(session.path)
        if way is None:
            await self.door.serve(session)
            return
        self.live += 1
        try:
            said = await way(session)
        finally:
            self.live -= 1
        if said is not None:
            for name, value in said.items():
                await session.set_variable(name, value)
            await session.set_variable("CB_DONE", 1)

    def keep(self, records: Iterable[Written]) -> None:
        """A run that goes on is written once a second at most, however fast its steps are."""
        for record in records:
            if isinstance(record, RunRecord):
                if record.ended_at is None and record.id in self._written:
                    self._fresh[record.id] = record
                    continue
                self._fresh.pop(record.id, None)
                self._written.add(record.id)
            self.ledger.post([Save(record)], None)

    def tick(self) -> None:
        """Writes how far the runs have come, and looks after those who wait for somebody who is
        dialled."""
        self.ledger.post([Save(record) for record in self._fresh.values()], None)
        self._written = set(self._fresh)
        self._fresh.clear()
        for key, (run, _) in list(self._waiting.items()):
            call = self.known(*key).call
            if call is None:
                del self._waiting[key]
                run.close(HungUp())
            elif call.state == "talking" and run.is_waiting:
                run.close(Dialled("answered"))

    async def close(self) -> None:
        self.ledger.post([Save(record) for record in self._fresh.values()], None)
        await self.enquiries.close()

    async def _script(self, session: AgiSession) -> dict[str, str | int] | None:
        linkedid, name, pbx_name, lease, said, dialled = (*session.arguments, *[""] * 6)[:6]
        pbx = self.door.pbx(pbx_name)
        key = pbx, Linkedid(linkedid or session.env["agi_uniqueid"])
        handset = Handset(session, _seconds(lease), self.lengths)
        if dialled:
            if key not in self._waiting:
                raise PeerError(f"script {name}: nobody knows who was dialled")
            run, visit = self._waiting.pop(key)
            if not run.is_waiting:
                return {"CB_ACTION": "hangup"}
            status: Any = _DIALLED.get(dialled, "noanswer")
            visit.variables = {}
            return await self._see_through(run, visit, run.resume(handset, Dialled(status)))
        script = self.script(name)
        if script is None:
            raise PeerError(f"there is no script {name}")
        visit = _Visit(self, key, session, answers(said))
        run = PhoneRun(handset, visit)
        return await self._see_through(run, visit, run.start(script, visit.language))

    async def _survey(self, session: AgiSession) -> dict[str, str | int] | None:
        linkedid, queue, pbx_name, lease = (*session.arguments, *[""] * 4)[:4]
        pbx = self.door.pbx(pbx_name)
        key = pbx, Linkedid(linkedid or session.env["agi_uniqueid"])
        visit = _Visit(self, key, session, {}, after=queue)
        script = self.script(self.settings.survey.script)
        over: dict[str, str | int] = {"CB_ACTION": "hangup"}
        if script is None or not self.asks_after(queue, key[1]) or not await visit.may_be_asked():
            return over
        run = PhoneRun(Handset(session, _seconds(lease), self.lengths), visit)
        await self._see_through(run, visit, run.start(script, visit.language))
        return over

    async def _see_through(
        self, run: PhoneRun, visit: _Visit, work: Any
    ) -> dict[str, str | int] | None:
        """The variables for the dialplan; None where the caller is not ours any more."""
        try:
            leaving = await work
        except PeerError:
            raise
        except BaseException as error:
            run.interrupt()
            if isinstance(error, Exception):
                log.exception("script.broken", script=run.script.name)
                return None
            raise
        if leaving == "dial":
            self._waiting[visit.key] = run, visit
        if leaving == "lost":
            return None
        return {"CB_ACTION": "hangup"} if leaving == "hangup" else visit.variables


class _Visit:
    """One call in the house. `after`: the queue of the talk that has just ended."""

    def __init__(
        self,
        attendant: Attendant,
        key: tuple[PbxName, Linkedid],
        session: AgiSession,
        ivr: Mapping[str, str],
        after: str | None = None,
    ) -> None:
        self.key = key
        self.variables: dict[str, str | int] = {}
        self._attendant = attendant
        self._ivr = dict(ivr)
        self._after = after
        self._runs = 0
        known = attendant.known(*key)
        self._call_id, self._call = known.id, known.call
        call, card = known.call, known.card
        region = attendant.settings.phone.region
        raw = caller(session.env)
        self._number = phones.normalise(raw, region) or raw
        self._dialled = (call and call.dialled) or session.env.get("agi_dnid", "")
        self._customer = names_of(card) if card else None
        self._operator = call.operator if call and after is not None else None

    @property
    def language(self) -> str:
        """That of the route, in which the caller is talked to so far, or his own."""
        decision = self._call.decision if self._call else None
        if decision is not None:
            return decision.language
        own = (self._customer or {}).get("language")
        return own or self._attendant.rules().policy.default_language

    async def may_be_asked(self) -> bool:
        """Not whoever wants no questions, nor whoever was asked of late."""
        store, survey = self._attendant.store, self._attendant.settings.survey
        customer = (self._customer or {}).get("id")
        if await store.has_refused(customer, self._number, survey.script):
            return False
        last = await store.last_asked(customer, self._number, [survey.script])
        return last is None or last <= self.now() - survey.every_days * DAY

    # What a run asks for

    def now(self) -> float:
        return self._attendant.clock()

    def scope(self) -> Scope:
        rules = self._attendant.rules()
        local = datetime.fromtimestamp(self.now(), rules.zone)

        def is_open(name: str) -> bool:
            calendar = rules.policy.calendar.get(name)
            return calendar is not None and calendar.at(local).open

        call = {
            "number": self._number,
            "dialled": self._dialled,
            "queue": self._after,
            "operator": self._operator,
        }
        return Scope(self._customer, call, local, is_open)

    def script(self, name: str) -> Script | None:
        return self._attendant.script(name)

    def begin(self, script: Script, language: str) -> Run:
        self._runs += 1
        now, customer = self.now(), self._customer or {}
        spoken = language if language in script.languages else script.languages[0]
        return Run.start(
            script,
            run_id(now, *self.key, script.name, str(self._runs)),
            "phone",
            now,
            call_id=self._call_id,
            customer_id=customer.get("id"),
            number=self._number,
            operator=self._operator,
            queue=self._after,
            status=customer.get("status"),
            language=spoken,
        )

    def recording(self) -> tuple[str, str]:
        name = secrets.token_hex(16)
        return str(self._attendant.recordings / name), f"{name}.wav"

    def passed(self, script: Script, step: str, title: Title, way: str, entered: str) -> None:
        if self._after is None:
            self._attendant.put(ScriptStep(*self.key, script.name, step, title, way, entered))

    def keep(self, records: Iterable[Written]) -> None:
        self._attendant.keep(records)

    def found(self, customer: Mapping[str, Any]) -> None:
        self._customer = dict(customer)

    async def sounds(self, pieces: Sequence[Piece], language: str) -> list[str]:
        return await self._attendant.sounds(pieces, language)

    async def find(self, action: Find) -> Mapping[str, Any] | None:
        store = self._attendant.store
        if action.by == "account":
            card = await store.card_by_attribute(action.attribute, action.value)
        else:
            card = await store.card_by_number(action.value)
        if action.pin is not None:
            account = f"{action.by}:{action.attribute}:{action.value}"
            who = card.customer_id if card else None
            if not await store.is_proven(who, action.pin, account, self._number):
                return None
        return names_of(card) if card else None

    async def request(self, action: Request) -> Mapping[str, Any]:
        return await self._attendant.enquiries.ask(action)

    async def go(self, action: Go, script: Script, turn: Turn) -> Went:
        target: Any = action.target
        wish = Destination(script.name, target, action.to, turn.position.language)
        given = {name: shown(value) for name, value in turn.position.answers.items()}
        self._ivr |= {name: text for name, text in given.items() if text}
        door, (pbx, linkedid) = self._attendant.door, self.key
        ask = door.name(pbx, linkedid)
        asked = RouteAsked(ask, pbx, linkedid, self._number, self._dialled, dict(self._ivr))
        answer = await door.ask(replace(asked, wish=wish))
        assert isinstance(answer, SendRoute)
        if answer.refused is not None:
            return Went(answer.refused)
        decision = answer.decision
        if decision.action == "script" and self._attendant.has(decision.to or ""):
            return Went(script=decision.to)
        self.variables = variables(decision)
        if self._attendant.asks_after(decision.queue, linkedid):
            self.variables["CB_SURVEY"] = 1
        return Went()

    async def call_back(self, action: CallBack, script: Script, turn: Turn) -> bool:
        door, (pbx, linkedid) = self._attendant.door, self.key
        number = door.dialable(action.number)
        ask, queue = door.name(pbx, linkedid), QueueName(action.queue)
        answer = await door.ask(CallbackAsked(ask, pbx, linkedid, number, queue))
        assert isinstance(answer, SendCallback)
        return answer.refused is None

    def dial(self, action: Dial) -> bool:
        number = self._attendant.door.dialable(action.number)
        if number is None:
            return False
        self.variables = {"CB_ACTION": "dial", "CB_TO": number, "CB_RING_FOR": action.seconds}
        return True


def _seconds(said: str) -> float:
    return float(said) if said.isascii() and said.isdigit() else LEASE
