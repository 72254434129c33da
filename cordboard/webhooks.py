"""Webhooks: other systems are told what happens to calls, at least once, in order for each call.

A webhook reads the store's facts, so what is told has been written before, and calls never wait for
it. What is sent at one time is bounded, and noted in the store as delivered or owed: a restart
finds all of it, and repeats no more than what was not noted yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from cordboard import config
from cordboard.clock import Clock
from cordboard.crm_core.outbox import OWED_AT_MOST, Mark, Outbox
from cordboard.envelope import (
    Happening,
    asked_delay,
    body,
    delay,
    event_of,
    give_up,
    headers,
    read_keys,
)
from cordboard.errors import PeerError, UserError
from cordboard.outbound import client, read_secret

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.25
"""Seconds between two looks for what has happened."""
NOTE_EVERY = 0.05
"""Seconds between two notes of what was delivered, where there is no hurry."""
AT_ONCE = 200
"""Facts that are read at one time, and wait in memory to be sent."""
UNNOTED = 64
"""Events at most that are in flight, or were delivered and are not noted yet."""
BEYOND = 16
"""Delivered events that one which takes long may hold up from being noted."""
STANDSTILL = 5
"""Calls whose events failed, and none of another was delivered since: then one event is tried at a
time, at long intervals."""
STUBBORN = 5
"""Failures of one event after which people are told."""
AWAY = 1.0
"""Seconds to the next try when the database is away."""
LOG_EVERY = 60.0
"""Seconds between two log lines of failures."""
TOLD_FOR = 3600.0
"""Seconds for which it is told that events were given up."""
GONE = 410


@dataclass(slots=True)
class _Item:
    """An event that is not delivered. `happening` is left out while it waits for long, and read
    again. `noted` says that the store has it as owed, with these attempts."""

    position: int
    at: float
    attempts: int = 0
    due: float = 0.0
    happening: Happening | None = None
    noted: int | None = None


class _Figures:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "cordboard_webhook_events",
            "Events by what came of sending them",
            ["webhook", "outcome"],
            registry=registry,
        )
        self.owed = Gauge(
            "cordboard_webhook_owed",
            "Events that were tried in vain and wait, and those behind them",
            ["webhook"],
            registry=registry,
        )
        self.behind = Gauge(
            "cordboard_webhook_behind_seconds",
            "Age of the oldest event that is known and not delivered",
            ["webhook"],
            registry=registry,
        )


class Webhook:
    """One receiver. `changed` is told whenever `trouble` may be another."""

    def __init__(
        self,
        settings: config.Webhook,
        outbox: Outbox,
        clock: Clock,
        figures: _Figures,
        changed: Callable[[], None],
    ) -> None:
        """Raises `UserError` for a secret that cannot be used."""
        self.name = settings.name
        self._settings, self._outbox, self._clock = settings, outbox, clock
        self._figures, self._changed = figures, changed
        self._keys = keys_of(settings)
        self._wanted = frozenset(settings.events)
        self._read = 0
        self._gone: str | None = None
        self._lines: dict[str, deque[_Item]] = {}
        self._sending: set[str] = set()
        self._known: set[int] = set()
        self._delivered: dict[int, bool] = {}
        self._noted = Mark(0)
        self._looked_at = self._noted_at = 0.0
        self._failing: set[str] = set()
        self._tries = 0
        self._logged_at = -LOG_EVERY
        self._still_until = 0.0
        self._told_until = 0.0
        self._woken = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        figures.owed.labels(self.name).set_function(self._owed)
        figures.behind.labels(self.name).set_function(self._behind)

    @property
    def trouble(self) -> bool:
        """Whether people should know: nobody is there, events fail again and again, or some were
        given up within the last hour."""
        stubborn = any(line[0].attempts >= STUBBORN for line in self._lines.values())
        told = self._clock() < self._told_until
        return self._gone is not None or self._stands or stubborn or told

    @property
    def _stands(self) -> bool:
        return len(self._failing) >= STANDSTILL

    async def run(self) -> None:
        """Until it is cancelled, or the receiver says that nobody is there any more."""
        try:
            await self._begin()
            async with asyncio.TaskGroup() as tasks:
                while self._gone is None:
                    self._woken.clear()
                    try:
                        await self._look()
                        await self._send_due(tasks)
                        await self._note()
                    except PeerError as error:
                        log.debug("webhook.store-away", webhook=self.name, reason=str(error))
                        await asyncio.sleep(AWAY)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):
                            await self._woken.wait()
        finally:
            await self._end()

    async def _begin(self) -> None:
        while True:
            try:
                self._noted = await self._outbox.mark(self.name)
                owed = await self._outbox.owed(self.name)
                break
            except PeerError:
                await asyncio.sleep(AWAY)
        self._read = self._noted.position
        if self._noted.gone == self._settings.url:
            self._say_gone()
        for one in owed:
            item = _Item(one.position, one.at, one.attempts, one.due, noted=one.attempts)
            self._lines.setdefault(one.call_id, deque()).append(item)
            self._known.add(one.position)

    async def _end(self) -> None:
        try:
            with contextlib.suppress(PeerError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._note(last=True)
        finally:
            if self._session:
                await self._session.close()

    # Reading

    async def _look(self) -> None:
        """What has happened since; not while nothing of it could be sent."""
        if self._time() < self._looked_at + LOOK_EVERY:
            return
        known = sum(map(len, self._lines.values()))
        fresh = sum(line[0].attempts == 0 for line in self._lines.values())
        # At a standstill a fresh event is what tells an outage from a few that nobody takes.
        if fresh >= (1 if self._stands else AT_ONCE) or known >= OWED_AT_MOST:
            return
        found = await self._outbox.happenings(self._read, AT_ONCE)
        if len(found) < AT_ONCE:
            self._looked_at = self._time()
        for each in found:
            self._read = each.position
            wanted = not self._wanted or event_of(each.kind) in self._wanted
            if wanted and each.position not in self._known:
                line = self._lines.setdefault(each.call_id, deque())
                waits = bool(line) and line[0].attempts > 0
                line.append(_Item(each.position, each.at, happening=None if waits else each))
        self._known = {position for position in self._known if position > self._read}

    # Sending

    async def _send_due(self, tasks: asyncio.TaskGroup) -> None:
        now = self._clock()
        if now < self._still_until:
            return
        room = min(self._settings.connections, UNNOTED - len(self._delivered)) - len(self._sending)
        if self._stands:
            room = min(room, 1 - len(self._sending))
        if room <= 0:
            return
        due = sorted(
            (self._stands and line[0].attempts > 0, line[0].due, line[0].position, call)
            for call, line in self._lines.items()
            if call not in self._sending and line[0].due <= now
        )[:room]
        chosen = {call: self._lines[call][0] for *_, call in due}
        left_out = [item.position for item in chosen.values() if item.happening is None]
        read = {one.position: one for one in await self._outbox.happenings_at(left_out)}
        if self._gone is not None:  # said while the store was asked
            return
        for call, item in chosen.items():
            item.happening = item.happening or read.get(item.position)
            if item.happening is None:  # the fact was erased meanwhile
                self._settle(call)
                continue
            self._sending.add(call)
            tasks.create_task(self._send(call, item, item.happening))

    async def _send(self, call: str, item: _Item, happening: Happening) -> None:
        try:
            status, asked, why = await self._post(happening)
        finally:
            self._sending.discard(call)
            self._woken.set()
        now = self._clock()
        if 200 <= status < 300:
            self._figures.events.labels(self.name, "delivered").inc()
            self._settle(call)
            self._delivers()
            return
        item.attempts += 1
        self._figures.events.labels(self.name, "failed").inc()
        if status == GONE:
            self._say_gone()
            return
        if give_up(item.at, now, self._settings.retry_hours):
            self._figures.events.labels(self.name, "given-up").inc()
            log.error("webhook.given-up", webhook=self.name, id=happening.id, reason=why)
            self._told_until = now + TOLD_FOR
            self._settle(call)
        else:
            item.due = now + delay(item.attempts, _drawn(), asked)
            for each in self._lines[call]:
                each.happening = None
        stood = self._stands
        self._failing.add(call)
        if self._time() - self._logged_at >= LOG_EVERY:
            self._logged_at = self._time()
            log.warning("webhook.failed", webhook=self.name, reason=why, calls=len(self._failing))
        if self._stands:
            self._tries = self._tries + 1 if stood else 1
            self._still_until = now + delay(self._tries, _drawn(), asked)
        self._changed()

    async def _post(self, happening: Happening) -> tuple[int, float, str]:
        """The status (0 for none), for how long the receiver wants to be left alone, and why it
        failed."""
        settings = self._settings
        content = body(happening, mask=settings.mask_numbers)
        named = headers(happening.id, int(self._clock()), content, self._keys)
        if self._session is None:
            self._session = client(
                settings.url, {}, settings.connections, allow_private=settings.allow_private
            )
        try:
            async with (
                asyncio.timeout(settings.timeout_seconds),
                self._session.post(
                    settings.url, data=content, headers=named, allow_redirects=False
                ) as response,
            ):
                await response.content.read(1024)  # a short answer leaves the connection open
                asked = asked_delay(response.headers.get("Retry-After"))
                return response.status, asked, f"HTTP {response.status}"
        except TimeoutError:
            return 0, 0.0, f"no answer within {settings.timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return 0, 0.0, (str(error) or type(error).__name__)[:200]

    def _settle(self, call: str) -> None:
        """The first of this call's is delivered, or given up."""
        line = self._lines[call]
        item = line.popleft()
        if not line:
            del self._lines[call]
        self._delivered[item.position] = item.noted is not None
        self._woken.set()

    def _delivers(self) -> None:
        if not self._failing:
            return
        if self._stands:
            log.info("webhook.delivers", webhook=self.name)
            for line in self._lines.values():  # most of them waited for the receiver as a whole
                line[0].due = min(line[0].due, self._clock() + 1.0)
        self._failing.clear()
        self._still_until = 0.0
        self._changed()

    def _say_gone(self) -> None:
        self._gone = self._settings.url
        log.error("webhook.gone", webhook=self.name, advice="give it another url to start it again")
        self._changed()
        self._woken.set()

    # Noting

    async def _note(self, last: bool = False) -> None:
        """Everything up to the mark is delivered or owed. What was never tried holds the mark up,
        unless it holds up too much."""
        if (
            not last
            and self._time() < self._noted_at + NOTE_EVERY
            and len(self._delivered) < BEYOND
        ):
            return
        self._noted_at = self._time()
        items: dict[int, _Item] = {}
        owing: set[int] = set()
        for line in self._lines.values():
            for item in line:
                items[item.position] = item
                if line[0].attempts:
                    owing.add(item.position)
        fresh = [p for p, item in items.items() if p not in owing and item.noted is None]
        position = min(fresh) - 1 if fresh else self._read
        beyond = [each for each in self._delivered if each > position]
        if len(beyond) >= BEYOND or (last and beyond):
            position = max(beyond)
            owing.update(place for place in fresh if place <= position)
        owed = {
            place: (items[place].attempts, items[place].due)
            for place in owing
            if items[place].noted != items[place].attempts
        }
        mark = Mark(max(position, self._noted.position), self._gone)
        settled = [each for each in self._delivered if each <= mark.position]
        if mark == self._noted and not owed and not settled:
            return
        rows = [each for each in settled if self._delivered[each]]
        await self._outbox.note(self.name, mark, rows, owed)
        self._noted = mark
        for each in settled:
            del self._delivered[each]
        for place, (attempts, _) in owed.items():
            items[place].noted = attempts
            # It may have been delivered while this was written.
            if place in self._delivered:
                self._delivered[place] = True

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    # What is measured

    def _owed(self) -> float:
        return float(sum(len(line) for line in self._lines.values() if line[0].attempts))

    def _behind(self) -> float:
        oldest = min((line[0].at for line in self._lines.values()), default=None)
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest)


class Webhooks:
    """All of them. `failing` is told how many are in trouble, and their names."""

    def __init__(
        self,
        configured: Sequence[config.Webhook],
        outbox: Outbox,
        clock: Clock,
        registry: CollectorRegistry,
        failing: Callable[[int, str], None],
    ) -> None:
        """Raises `UserError`."""
        figures = _Figures(registry)
        self._failing = failing
        self._webhooks = [Webhook(each, outbox, clock, figures, self.tell) for each in configured]

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._webhooks:
                tasks.create_task(each.run())

    def tell(self) -> None:
        """Who is in trouble; to be asked now and then, for trouble also ends by time alone."""
        names = [each.name for each in self._webhooks if each.trouble]
        self._failing(len(names), ", ".join(names))


def _drawn() -> float:
    """By chance, so that not all come back at once."""
    return random.random()  # noqa: S311


def keys_of(settings: config.Webhook) -> list[bytes]:
    """Raises `UserError`."""
    where = f"[[webhook]] {settings.name}"
    text = read_secret(where, settings.secret_file)
    try:
        return read_keys(text)
    except ValueError as error:
        raise UserError(f"{where}: secret_file {settings.secret_file}: {error}") from None
