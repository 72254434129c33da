"""What a caller hears and presses, as commands of AGI.

Digits are kept that are pressed before they are asked for. What is pressed while Asterisk waits
for our next command is lost: so nothing here takes long, and the digits of a long entry are
gathered by Asterisk itself.

Every command renews the lease: the time after which Asterisk takes the caller away from a server
that says nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from cordboard.cti.agi import Reply
from cordboard.cti.fastagi import STEP_WITHIN, AgiSession, HungUp
from cordboard.errors import CordboardError
from cordboard.ivr.answers import Keys
from cordboard.ivr.steps import Record

log = structlog.get_logger(__name__)

T = TypeVar("T")

DIGITS = "0123456789*#"
"""Those of telephones. Asterisk also knows A to D, which mean nothing here."""
AHEAD_AT_MOST = 64
"""Digits that are kept until they are asked for."""
DOUBLED = 0.06
"""Seconds within which nobody presses one key twice: it came by two ways, such as RFC 4733 and in
the sound."""
LIMIT = 15
"""Entries as long as this have no length that people know; what comes after is a fault of theirs
and no answer to the next question."""
GAP = 0.4
"""Seconds without a digit after which that flood is over."""
FLOOD = 30.0
"""Seconds that a flood may last: Asterisk gives digits out one by one, 60 to 125 ms each, however
fast they came, so that 200 take 12 to 25 s."""
UNKNOWN_SOUND = 90.0
"""Seconds that a sound may last which lies on another machine and has not been played yet. One that
lasted longer would be taken for a server that hangs."""
BYTES_A_SECOND = {"wav": 16000, "gsm": 1650, "ulaw": 8000, "alaw": 8000, "g722": 8000, "sln": 16000}
RATE = 8000
"""Samples a second: how Asterisk measures sounds."""
AT_ONCE = 5
"""Digits that Asterisk gathers in one go."""
SLOW = 0.2
"""Seconds after which somebody who waits for something is listened to meanwhile."""


class UnwrittenError(CordboardError):
    """The PBX could not write a recording."""


class Lengths:
    """How long sounds last, in seconds: by the file where it is here, else as they were played.
    `folder` is where the PBX has its own sounds, once it is known."""

    AT_MOST = 5000

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._known: OrderedDict[str, float] = OrderedDict()

    def of(self, sound: str, language: str) -> float:
        key = f"{language} {sound}"
        known = self._known.get(key)
        if known is None:
            found = self._of_file(sound, language)
            known = UNKNOWN_SOUND if found is None else found
            self.note(key, known)
        return known

    def played(self, sound: str, language: str, seconds: float) -> None:
        self.note(f"{language} {sound}", seconds)

    def _of_file(self, sound: str, language: str) -> float | None:
        """Asterisk plays whichever format is the cheapest: the longest is reckoned with."""
        if sound.startswith("/"):
            places = [Path(sound)]
        elif self.folder is not None and "://" not in sound:
            places = [self.folder / language / sound, self.folder / sound]
        else:
            places = []
        for place in places:
            found = []
            for ending, rate in BYTES_A_SECOND.items():
                with contextlib.suppress(OSError):
                    found.append(Path(f"{place}.{ending}").stat().st_size / rate)
            if found:
                return max(found)
        return None

    def note(self, sound: str, seconds: float) -> None:
        self._known[sound] = seconds
        if len(self._known) > self.AT_MOST:
            self._known.popitem(last=False)


class Handset:
    """The caller's end of one session. Raises `PeerError` when nobody is there any more; then
    `is_overdue` tells whether it was the lease that was over."""

    def __init__(self, session: AgiSession, lease: float, lengths: Lengths) -> None:
        self._session = session
        self._lease = lease
        self._lengths = lengths
        self._ahead = ""
        self._last = ("", -math.inf)
        self._due = math.inf
        self._skip = ""
        self._language = "en"
        self._missing: set[str] = set()

    @property
    def is_overdue(self) -> bool:
        """Whether Asterisk has taken the caller away, because we were too slow."""
        return _now() >= self._due - 0.2

    async def mark(self, place: str) -> None:
        """Where the caller is, for the dialplan to tell if we are gone."""
        await self._session.set_variable("CB_STEP", place)

    async def speak(self, language: str) -> None:
        """Asterisk's own sounds are those of this language."""
        await self._session.set_variable("CHANNEL(language)", language)
        self._language = language
        if self._lengths.folder is None:
            told = await self._session.execute("GET FULL VARIABLE", "${ASTDATADIR}")
            self._lengths.folder = Path(told.data or "/nonexistent") / "sounds"

    async def release(self) -> None:
        """The lease is over: the caller goes on without us."""
        await self._session.execute("SET AUTOHANGUP", 0)
        self._due = math.inf

    async def play(self, sounds: Sequence[str], bargein: bool) -> None:
        """Where it may be broken into a digit ends it all, and is kept."""
        if not bargein:
            self._ahead = self._skip = ""
        for sound in sounds:
            if bargein and self._ahead:
                return
            await self._stream(sound, DIGITS if bargein else "")

    async def collect(self, sounds: Sequence[str], keys: Keys) -> str:
        """What is pressed, without the terminator; empty where nothing is."""
        await self.play(sounds, keys.bargein)
        entered, seconds = "", keys.timeout
        while True:
            if entered and not self._ahead and _is_long(keys):
                chunk, is_over = await self._several(keys, entered)
            else:
                chunk = await self._digit(seconds)
                if not entered and chunk and chunk == self._skip:
                    self._skip = ""
                    continue
                is_over = not chunk or chunk == keys.terminator
                chunk = "" if is_over else chunk
            self._skip = ""
            entered, seconds = entered + chunk, keys.between
            if is_over:
                return entered
            if keys.is_whole(entered):
                # Whoever knows the terminator presses it, also where it is not waited for.
                self._skip = keys.terminator
                if len(entered) >= LIMIT:
                    await self._drain()
                return entered

    async def record(self, path: str, sounds: Sequence[str], record: Record) -> float:
        """The seconds that were recorded; 0 where nothing was said. Also when the caller hangs up
        over it, which the next command will tell. Raises `UnwrittenError`."""
        await self.play(sounds, True)
        if self._ahead.startswith(record.terminator or " "):
            self._ahead = self._ahead[1:]
            return 0.0
        self._ahead = ""
        silence = math.ceil(record.silence)
        words: list[str | int] = ["RECORD FILE", path, "wav", record.terminator]
        words += [record.seconds * 1000, *(["BEEP"] if record.beep else [])]
        words += [f"s={silence}"] if silence else []
        reply = await self._do(record.seconds + 0.5, *words)
        if not reply.ok and reply.data != "hangup" and not self._session.hung_up:
            raise UnwrittenError(f"{path}.wav: the PBX could not write it: {reply.text}")
        try:
            seconds = int(reply.rest.get("endpos", "0")) / RATE
        except ValueError:
            seconds = 0.0
        said = seconds - (silence if silence and reply.data == "timeout" else 0)
        return seconds if said > 0.3 else 0.0

    async def while_waiting(self, work: Awaitable[T], seconds: float) -> T:
        """What `work` comes to, which takes so many seconds at most. Digits meanwhile are kept."""
        task = asyncio.ensure_future(work)
        try:
            await self._hold(seconds)
            await asyncio.wait([task], timeout=SLOW)
            while not task.done():
                digit = await self._wait(SLOW, seconds)
                if digit:
                    self._ahead = (self._ahead + digit)[:AHEAD_AT_MOST]
            return await task
        finally:
            task.cancel()

    async def _stream(self, sound: str, escapes: str) -> None:
        length = self._lengths.of(sound, self._language)
        reply = await self._do(length, "STREAM FILE", sound, escapes)
        position = reply.rest.get("endpos", "0")
        seconds = int(position) / RATE if position.isdigit() else 0.0
        if not reply.ok:
            if self._session.hung_up:
                raise HungUp("STREAM FILE")
            if seconds == 0 and sound not in self._missing:
                self._missing.add(sound)
                log.warning("prompt.missing", sound=sound)
            return
        code = int(reply.result or 0)
        if code:
            self._keep(chr(code))
        elif seconds:
            self._lengths.played(sound, self._language, seconds)

    async def _several(self, keys: Keys, entered: str) -> tuple[str, bool]:
        """The next digits, which Asterisk gathers itself, so that none is lost between two commands
        of ours; and whether that was all. Few at a time: the lease has to last for all of them."""
        most = min(keys.most - len(entered), AT_ONCE)
        wait = int(keys.between * 1000)
        reply = await self._do(most * keys.between, "GET DATA", "", wait, most)
        if not reply.ok:
            raise HungUp("GET DATA")
        chunk = "".join(digit for digit in reply.result if digit in DIGITS)
        self._last = "", -math.inf
        return chunk, reply.data == "timeout" or len(reply.result) < most

    async def _digit(self, seconds: float) -> str:
        """The next one; empty after so many seconds."""
        if self._ahead:
            digit, self._ahead = self._ahead[0], self._ahead[1:]
            return digit
        return await self._wait(seconds, seconds)

    async def _wait(self, seconds: float, lease: float) -> str:
        until = _now() + seconds
        while (left := until - _now()) > 0:
            reply = await self._do(max(left, lease), "WAIT FOR DIGIT", max(1, int(left * 1000)))
            code = int(reply.result or 0)
            if code < 0:
                raise HungUp("WAIT FOR DIGIT")
            if code == 0:
                return ""
            if self._is_one(chr(code)):
                return chr(code)
        return ""

    async def _drain(self) -> None:
        """Lets a flood of digits go by."""
        self._ahead, until = "", _now() + FLOOD
        while _now() < until and await self._wait(GAP, GAP):
            pass

    def _keep(self, digit: str) -> None:
        if self._is_one(digit) and len(self._ahead) < AHEAD_AT_MOST:
            self._ahead += digit

    def _is_one(self, digit: str) -> bool:
        """Whether it is a key that somebody pressed, and not the same once more."""
        last, at = self._last
        self._last = digit, _now()
        return digit in DIGITS and not (digit == last and _now() - at < DOUBLED)

    async def _do(self, seconds: float, *words: str | int) -> Reply:
        """A command that lasts so long."""
        await self._hold(seconds)
        return await self._session.execute(*words, within=seconds + self._lease + STEP_WITHIN)

    async def _hold(self, seconds: float) -> None:
        """Asterisk waits so long, and the lease, until it takes the caller away from us. One that
        lasts about as long is not renewed: what is pressed meanwhile is lost."""
        left = self._due - _now()
        if seconds + 0.6 * self._lease <= left <= seconds + self._lease + 1:
            return
        await self._session.execute("SET AUTOHANGUP", f"{seconds + self._lease:.1f}")
        self._due = _now() + seconds + self._lease


def _is_long(keys: Keys) -> bool:
    """Whether it is an entry that GET DATA can gather: it ends at the hash key alone."""
    return keys.terminator == "#" and not keys.complete and keys.most > 1


def _now() -> float:
    return asyncio.get_running_loop().time()
