"""A script on the telephone: the interpreter's actions carried out in AGI sessions of one call.

What is not the telephone's (customers, other systems, the desk, the store) is asked of `House`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

import structlog

from cordboard.errors import PeerError
from cordboard.ivr.handset import Handset, UnwrittenError
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Over, Run, Written
from cordboard.ivr.script import END, Script
from cordboard.ivr.speech import Piece
from cordboard.ivr.texts import Recorded as SoundFile
from cordboard.ivr.turns import (
    Action,
    Answered,
    CallBack,
    Collect,
    Dial,
    Dialled,
    Done,
    End,
    Failed,
    Find,
    Found,
    Go,
    HungUp,
    Keyed,
    Missing,
    Outcome,
    Passed,
    Recorded,
    Refused,
    Request,
    Say,
    Speech,
    Take,
    Turn,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

SCRIPTS_AT_MOST = 9
"""Of one call."""
FIND_WITHIN = 3.0
MASK = "••••"
"""In the place of digits that nobody is to see. It does not tell how many they were."""

Title = Mapping[str, str]
"""What a step is called, by language, or with "" in any."""


@dataclass(frozen=True, slots=True)
class Went:
    """Whether the call goes on where the script sent it; with an `error` it does not, with a
    `script` it goes on in that one."""

    error: str | None = None
    script: str | None = None


class House(Protocol):
    """What the run of a script on the phone asks of the rest. Raises `PeerError` for what cannot
    be done."""

    def now(self) -> float: ...

    def scope(self) -> Scope: ...

    def script(self, name: str) -> Script | None: ...

    def begin(self, script: Script, language: str) -> Run:
        """The run of a script that begins now."""

    def recording(self) -> tuple[str, str]:
        """Where the next recording is to be, as the PBX knows it, and how it is called."""

    def passed(self, script: Script, step: str, title: Title, way: str, entered: str) -> None:
        """A step was left, and what was pressed at it."""

    def keep(self, records: Iterable[Written]) -> None: ...

    def found(self, customer: Mapping[str, Any]) -> None:
        """This is who calls."""

    async def sounds(self, pieces: Sequence[Piece], language: str) -> list[str]: ...

    async def find(self, action: Find) -> Mapping[str, Any] | None: ...

    async def request(self, action: Request) -> Mapping[str, Any]: ...

    async def go(self, action: Go, script: Script, turn: Turn) -> Went: ...

    async def call_back(self, action: CallBack, script: Script, turn: Turn) -> bool: ...

    def dial(self, action: Dial) -> bool:
        """Whether it is a number that may be called. The PBX dials it when the session is over, and
        comes back if nobody takes it."""


Leaving = Literal["hangup", "went", "dial", "lost"]
"""How a session ends: the caller is to be hung up; goes where he was sent; waits for somebody who
is dialled; or is not there any more, or not ours."""


class PhoneRun:
    """The scripts of one call, one after the other. `start`, then `resume` after each `dial`."""

    def __init__(self, handset: Handset, house: House) -> None:
        self._handset = handset
        self._house = house
        self._scripts = 0
        self._spoken = ""
        self._entered: dict[str, str] = {}
        self._went_wrong = False
        self._script: Script
        self._run: Run
        self._turn: Turn

    @property
    def script(self) -> Script:
        return self._script

    @property
    def is_waiting(self) -> bool:
        """For somebody who is dialled."""
        return isinstance(self._turn.action, Dial) and self._run.record.outcome is None

    async def start(self, script: Script, language: str) -> Leaving:
        self._begin(script, language)
        return await self._go_on()

    async def resume(self, handset: Handset, outcome: Dialled | HungUp) -> Leaving:
        """In another session, once it is known what became of the dialling."""
        self._handset, self._spoken = handset, ""
        try:
            await handset.speak(self._turn.position.language)
        except PeerError:  # the lease of this session was over before we came to it
            self._end("interrupted")
            return "lost"
        self._advance(outcome)
        return await self._go_on()

    def close(self, outcome: Dialled | HungUp) -> None:
        """The call is over, or is talked in: nobody comes back."""
        self._advance(outcome)
        if self._run.record.outcome is None:
            self._end("hung-up")

    def interrupt(self) -> None:
        """It is our own fault that nothing more comes."""
        self._end("interrupted")

    def _begin(self, script: Script, language: str) -> None:
        self._scripts += 1
        self._script = script
        self._run = self._house.begin(script, language)
        self._entered = {}
        self._take(begin(script, self._house.scope(), language))

    def _advance(self, outcome: Outcome) -> None:
        position = self._turn.position
        self._take(advance(self._script, position, outcome, self._house.scope()))

    def _take(self, turn: Turn) -> None:
        """What is to be remembered of this turn is told, before anything comes of it. A script that
        could not send the caller where it wanted, and has nothing else to say, has failed."""
        action = turn.action
        if self._went_wrong and isinstance(action, End) and action.step == END:
            turn = replace(turn, action=replace(action, outcome="failed"))
        self._turn = turn
        records = self._run.take(turn, self._house.now())
        for note in turn.notes:
            if isinstance(note, Passed):
                self._tell(note.step, note.way)
        self._house.keep(records)

    def _tell(self, step: str, way: str) -> None:
        title = self._script.called(step)
        named = {"": title} if isinstance(title, str) else {}
        if isinstance(title, Mapping):
            named = {k: v for k, v in title.items() if not isinstance(v, SoundFile)}
        entered = self._entered.pop(step, "")
        self._house.passed(self._script, step, named or {"": step}, way, entered)

    def _end(self, outcome: Over) -> None:
        step = self._run.record.step
        records = self._run.ended(outcome, self._house.now())
        if records and outcome == "routed":
            self._tell(step, "route")
        self._house.keep(records)

    async def _go_on(self) -> Leaving:
        while True:
            turn = self._turn
            if isinstance(turn.action, End) and (
                turn.position.gone or turn.action.outcome == "hung-up"
            ):
                return "lost"
            try:
                if not turn.position.gone:
                    await self._mark(turn)
                outcome = await self._act(turn.action)
            except PeerError as error:
                if turn.position.gone:
                    outcome = Failed(str(error))
                elif self._handset.is_overdue:
                    self._end("interrupted")
                    return "lost"
                else:
                    outcome = HungUp()
            if self._handset.is_overdue and not turn.position.gone:
                self._end("interrupted")
                return "lost"
            if isinstance(outcome, str):
                if outcome != "dial" and not turn.position.gone:
                    await self._handset.release()
                return outcome
            if outcome is not None:
                self._went_wrong = isinstance(outcome, Failed)
                self._advance(outcome)

    async def _mark(self, turn: Turn) -> None:
        at = turn.position
        if at.step != END:
            await self._handset.mark(f"{self._script.name}/{at.step}")
        if at.language != self._spoken:
            self._spoken = at.language
            await self._handset.speak(at.language)

    async def _act(self, action: Action) -> Outcome | Leaving | None:
        """What becomes of it, or how the session ends by it; None where another script has begun
        instead."""
        handset, house = self._handset, self._house
        match action:
            case Say():
                await handset.play(await self._sounds(action.speech), action.bargein)
                return Done()
            case Collect():
                digits = await handset.collect(await self._sounds(action.speech), action.keys)
                if digits:
                    self._entered[action.step] = MASK if action.keys.secret else digits
                return Keyed(digits)
            case Take():
                place, name = house.recording()
                sounds = await self._sounds(action.speech)
                try:
                    seconds = await handset.record(place, sounds, action.record)
                except UnwrittenError as error:
                    return self._failed(action.step, error)
                return Recorded(name if seconds else "", seconds)
            case Find():
                return await self._find(action)
            case Request():
                return await self._request(action)
            case Dial():
                if house.dial(action):
                    return "dial"
                return self._failed(action.step, PeerError("no number that may be called"))
            case CallBack():
                try:
                    taken = await house.call_back(action, self._script, self._turn)
                except PeerError as error:
                    return self._failed(action.step, error)
                return Done() if taken else Refused()
            case Go():
                return await self._leave(action)
            case End():
                return await self._finish(action)

    async def _sounds(self, speech: Speech) -> list[str]:
        return await self._house.sounds(speech.pieces, self._turn.position.language)

    async def _find(self, action: Find) -> Outcome:
        work = self._house.find(action)
        try:
            found = await self._waited(work, FIND_WITHIN)
        except (_NotDoneError, TimeoutError) as error:
            return self._failed(action.step, error)
        if found is None:
            return Missing()
        self._house.found(found)
        return Found(found)

    async def _request(self, action: Request) -> Outcome:
        try:
            return Answered(await self._waited(self._house.request(action), action.deadline))
        except (_NotDoneError, TimeoutError) as error:
            return self._failed(action.step, error)

    async def _waited(self, work: Awaitable[T], seconds: float) -> T:
        """The caller is listened to meanwhile; that he has gone is another trouble than that the
        work came to nothing."""
        guarded = _guarded(work, seconds)
        if self._turn.position.gone:
            return await guarded
        return await self._handset.while_waiting(guarded, seconds)

    def _failed(self, step: str, error: Exception) -> Failed:
        why = str(error) or "no answer in time"
        log.warning("script.failed", script=self._script.name, step=step, reason=why)
        return Failed(why)

    async def _leave(self, action: Go) -> Outcome | Leaving | None:
        if action.target == "script":
            went = Went(script=action.to)
        else:
            try:
                went = await self._house.go(action, self._script, self._turn)
            except PeerError as error:
                return self._failed(action.step, error)
        if went.error is None and went.script is not None:
            script = self._house.script(went.script)
            if script is None or self._scripts >= SCRIPTS_AT_MOST:
                why = "there is no such script" if script is None else "too many scripts in a call"
                went = Went(f"{went.script}: {why}")
            else:
                self._end("routed")
                self._begin(script, self._turn.position.language)
                return None
        if went.error is not None:
            return self._failed(action.step, PeerError(went.error))
        self._end("routed")
        return "went"

    async def _finish(self, action: End) -> Leaving:
        """Nobody is hung up on because a script has failed."""
        if action.outcome == "failed":
            anywhere = Go(action.step, "queue", "")
            await self._house.go(anywhere, self._script, self._turn)
            return "went"
        if action.speech.pieces:
            await self._handset.play(await self._sounds(action.speech), False)
        return "hangup"


class _NotDoneError(Exception):
    """The work came to nothing."""


async def _guarded(work: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except PeerError as error:
        raise _NotDoneError(str(error)) from error
