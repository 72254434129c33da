"""Phones, mobiles and callers, each a SIPp process that ends with us.

    async with Phones(status, [PhoneSpec("1001"), PhoneSpec("1002", (Manner("busy"),))]):
        result = await call(status, "79161234567", "Анна", stay=10)

Start them from the main thread: the kernel kills them when the thread that started them ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shlex
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack

from cordboard.errors import PeerError
from cordboard.sandbox import scenarios
from cordboard.sandbox.line import Line
from cordboard.sandbox.ports import LOOPBACK, free, listened_to
from cordboard.sandbox.scenarios import Dialling, Manner
from cordboard.sandbox.tether import tethered

Outcome = Literal["completed", "refused", "cancelled", "failed"]


@dataclass(frozen=True)
class PhoneSpec:
    """One of the sandbox's phones, and how it treats calls."""

    user: str
    manners: tuple[Manner, ...] = (Manner(),)


@dataclass
class CallResult:
    """How a call went, seen from the caller. Times are of `loop.time()`, in seconds."""

    outcome: Outcome
    status: int  # the final SIP status of the INVITE; 0 when none came
    started: float
    answered: float | None
    ended: float
    hung_up: Literal["us", "them"] | None = None

    @property
    def duration(self) -> float:
        """From the answer to the end; 0 for a call that was not answered."""
        return 0.0 if self.answered is None else self.ended - self.answered


class _Ports:
    """Free UDP ports of one sandbox's range, handed out in turn."""

    def __init__(self, first: int, last: int) -> None:
        ring = list(range(first, last + 1, 4))
        start = random.randrange(len(ring))  # noqa: S311 - so that two processes rarely meet
        self._ring = itertools.cycle(ring[start:] + ring[:start])
        self._size = len(ring)

    def take(self) -> int:
        """The first of four: SIP, control, and media with its control."""
        for _ in range(self._size):
            port = next(self._ring)
            if all(free(port + step, socket.SOCK_DGRAM) for step in range(4)):
                return port
        raise PeerError("no free UDP ports left for another SIPp")


_rings: dict[tuple[int, int], _Ports] = {}


class Sipp:
    """One SIPp process in a scratch folder of its own, removed when it ends."""

    def __init__(self, status: Mapping[str, Any], *, audio: bool = False) -> None:
        self._status = status
        self._command = shlex.split(status["sipp"])
        self._target = f"{status['sip']['host']}:{status['sip']['port']}"
        first, last = status["sipp_ports"]
        self._ports = _rings.setdefault((first, last), _Ports(first, last))
        self._process: asyncio.subprocess.Process | None = None
        self._with_audio = audio
        self._prepare()

    def _prepare(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="cordboard-sipp-"))
        self.log = self._scratch / "log"
        self.port = 0
        self.audio: str | None = None
        if self._with_audio:
            tone = self._scratch / "tone.al"
            tone.write_bytes(_TONE)
            self.audio = str(tone)

    def renew(self) -> None:
        """After `stop`: as new, for other ports."""
        self._prepare()

    async def start(
        self, scenario: str, *extra: str, port: int | None = None, data: str | None = None
    ) -> int:
        """Start it and return its SIP port. `data` is the text of a data file (-inf)."""
        script = self._scratch / "scenario.xml"
        script.write_text(scenario, encoding="utf-8")
        base = self._ports.take()
        self.port = port or base
        words = ["-sf", str(script), "-i", LOOPBACK, "-nostdin", "-skip_rlimit"]
        words += ["-p", str(self.port), "-cp", str(base + 1)]
        words += ["-min_rtp_port", str(base + 2), "-max_rtp_port", str(base + 3)]
        words += ["-trace_logs", "-log_file", str(self.log)]
        words += ["-trace_err", "-error_file", str(self._scratch / "errors")]
        if data is not None:
            lines = self._scratch / "data.csv"
            lines.write_text(data, encoding="utf-8")
            words += ["-inf", str(lines)]
        with (self._scratch / "screen").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *tethered([*self._command, *words, *extra, self._target]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                cwd=self._scratch,
                env={"PATH": os.environ.get("PATH", ""), "TERM": "dumb", "LC_ALL": "C.UTF-8"},
            )
        return self.port

    async def listening(self, port: int) -> None:
        """Wait until it holds its port."""
        for _ in range(3000):
            if listened_to(port):
                return
            if self._process is None or self._process.returncode is not None:
                break
            await asyncio.sleep(0.01)
        raise PeerError(f"SIPp does not listen: {self.complaint()}")

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def hang_up(self) -> None:
        """Its calls end as callers end them, by BYE or CANCEL, and with them the process: at the
        second SIGUSR1 it does not wait for its scenario any more."""
        for _ in range(2):
            if self._process is not None and self._process.returncode is None:
                self._process.send_signal(signal.SIGUSR1)
                await asyncio.sleep(0.05)  # two that come as one are one

    def complaint(self) -> str:
        """The end of what it said when something was wrong."""
        for name in ("errors", "screen"):
            with contextlib.suppress(OSError):
                text = (self._scratch / name).read_text(encoding="utf-8", errors="replace").strip()
                if text:
                    return text[-800:]
        return "it said nothing"

    @property
    def lost_its_port(self) -> bool:
        return "Unable to bind" in self.complaint()

    def said(self) -> list[str]:
        """The lines its scenario logged so far."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []

    async def stop(self) -> None:
        """Kill it, if it still runs, and remove its folder."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)


class _Group:
    """SIPp processes that live as long as an `async with`."""

    def __init__(self, status: Mapping[str, Any], *, audio: bool = False) -> None:
        self._status = status
        self._audio = audio
        self._running: list[Sipp] = []

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        return

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._close()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(sipp.stop() for sipp in self._running))
        self._running.clear()

    async def _listen(self, manners: Sequence[Manner], port: int | None = None) -> Sipp:
        """Start one that takes calls."""
        while True:
            sipp = Sipp(self._status, audio=self._audio)
            self._running.append(sipp)
            taken = await sipp.start(scenarios.phone(manners, audio=sipp.audio), port=port)
            try:
                await sipp.listening(taken)
            except PeerError:
                # Between our look and SIPp's bind somebody else was quicker: the next port then.
                if port is not None or not sipp.lost_its_port:
                    raise
            else:
                return sipp


class Phones(_Group):
    """Registered phones that take calls until the context ends."""

    def __init__(
        self, status: Mapping[str, Any], specs: Iterable[PhoneSpec], *, audio: bool = False
    ) -> None:
        super().__init__(status, audio=audio)
        self._specs = list(specs)
        self._secrets = {phone["user"]: phone["secret"] for phone in status["phones"]}
        self.ports: dict[str, int] = {}
        self.lines: dict[str, Line] = {}

    async def _open(self) -> None:
        sipps = await asyncio.gather(*(self._listen(spec.manners) for spec in self._specs))
        for spec, sipp in zip(self._specs, sipps, strict=True):
            self.ports[spec.user] = sipp.port
            self.lines[spec.user] = Line(sipp)
        await self.register(3600)

    async def kill(self) -> None:
        """All of them at once: no BYE, as when the power fails. They stay registered."""
        await self._stop()

    async def _close(self) -> None:
        with contextlib.suppress(PeerError):  # the PBX may be gone by now
            await self.register(0)

    async def register(self, expires: int = 3600) -> None:
        """Once more, as after a restart of the PBX; `expires` 0 takes it back."""
        if not self.ports:
            return
        lines = [f"{user};{self._secrets[user]};{port}" for user, port in self.ports.items()]
        complaint = ""
        # SIPp gives up at a second challenge, which a busy PBX may send. When they leave, the PBX
        # may be dead.
        seconds = "30" if expires else "2"
        for _ in range(3):
            sipp = Sipp(self._status)
            try:
                await sipp.start(
                    scenarios.register(expires=expires),
                    *("-m", str(len(lines)), "-r", "50", "-timeout", seconds, "-timeout_error"),
                    data="SEQUENTIAL\n" + "\n".join(lines) + "\n",
                )
                if await sipp.wait() == 0:
                    return
                complaint = sipp.complaint()
            finally:
                await sipp.stop()
        raise PeerError(f"phones did not register: {complaint}")


class Mobile(_Group):
    """Answers whatever the PBX dials out through its trunk, until the context ends."""

    def __init__(self, status: Mapping[str, Any], *manners: Manner, audio: bool = False) -> None:
        super().__init__(status, audio=audio)
        self._manners = manners or (Manner(digits="1"),)

    async def _open(self) -> None:
        await self._listen(self._manners, self._status["mobile"]["port"])


@dataclass
class LiveCall:
    """A call under way: `await` its `result`, `hang_up`, hang up hard with `drop`; `line` has the
    buttons of the caller's phone."""

    result: asyncio.Task[CallResult]
    sipp: Sipp
    line: Line
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def hang_up(self) -> CallResult:
        """The caller hangs up now."""
        await self.sipp.hang_up()
        result = await self.result
        if result.outcome == "failed":
            result.outcome = "cancelled" if result.answered is None else "completed"
            result.hung_up = "us"
        return result

    async def drop(self) -> None:
        """Kill the caller's phone: no BYE, as when a network fails."""
        self.result.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.result


class How(TypedDict, total=False):
    """The optional fields of `Dialling`, and whether the caller sends sound."""

    patience: float
    stay: float
    digits: str
    digits_after: float
    ear: int
    audio: bool


async def call(
    status: Mapping[str, Any],
    number: str,
    name: str = "",
    to: str | None = None,
    **how: Unpack[How],
) -> CallResult:
    """Make one call from the outer world, to the inbound number unless `to`, and see it through."""
    return await dial(status, number, name, to, **how).result


def dial(
    status: Mapping[str, Any],
    number: str,
    name: str = "",
    to: str | None = None,
    **how: Unpack[How],
) -> LiveCall:
    """As `call`, but returns at once."""
    audio = how.pop("audio", False)
    details: Any = how
    return _dial(status, Dialling(number, name, to or status["sip"]["inbound"], **details), audio)


def phone_call(status: Mapping[str, Any], user: str, to: str, **how: Unpack[How]) -> LiveCall:
    """A call that one of the sandbox's phones makes, with its own name and secret."""
    audio = how.pop("audio", False)
    secret = next(phone["secret"] for phone in status["phones"] if phone["user"] == user)
    details: Any = how
    return _dial(status, Dialling(user, "", to, user=user, secret=secret, **details), audio)


def _dial(status: Mapping[str, Any], dialling: Dialling, audio: bool) -> LiveCall:
    answered, sipp = asyncio.Event(), Sipp(status, audio=audio)
    task = asyncio.ensure_future(_make(sipp, dialling, answered))
    return LiveCall(task, sipp, Line(sipp), answered)


async def _make(sipp: Sipp, dialling: Dialling, answered: asyncio.Event) -> CallResult:
    clock = asyncio.get_running_loop().time
    result = CallResult("failed", 0, clock(), None, 0.0)
    read = 0
    again = False
    try:
        await sipp.start(scenarios.caller(dialling, audio=sipp.audio), "-m", "1")
        ended = asyncio.ensure_future(sipp.wait())
        while True:
            over = ended.done()
            lines = sipp.said()
            for words in lines[read:]:
                _note(result, words, clock())
            read = len(lines)
            if result.answered is not None:
                answered.set()
            if over:
                break
            await asyncio.wait([ended], timeout=0.02)
        result.ended = clock()
        if result.outcome == "failed" and result.hung_up is not None:
            result.outcome = "completed"
        again = result.status == 0 and sipp.lost_its_port
    finally:
        await sipp.stop()
    if again:
        sipp.renew()
        return await _make(sipp, dialling, answered)
    return result


def _note(result: CallResult, line: str, now: float) -> None:
    match line.split():
        case ["answered"]:
            result.answered, result.status = now, 200
        case ["refused", code]:
            result.outcome, result.status = "refused", int(code)
        case ["cancelled"]:
            result.outcome, result.status = "cancelled", 487
        case ["bye", "us" | "them" as who]:
            result.hung_up = who


# One second of a quiet 400 Hz tone in A-law, a period of 20 samples.
_TONE = bytes.fromhex("d5 f4 fd e4 e0 e1 e0 e4 fd f4 d5 74 7d 64 60 61 60 64 7d 74") * 400
