"""Who calls: asked of our store and of the configured other systems at the same time, within the
deadline. Whatever is there by then decides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import aiohttp
import structlog
from aiohttp import hdrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from yarl import URL

from cordboard import config
from cordboard.addresses import filled
from cordboard.crm_core import phones
from cordboard.crm_core.model import Card, Manager, Report, User
from cordboard.crm_core.outside import (
    OF_THE_ANSWER,
    Breaker,
    Cache,
    Fault,
    Known,
    NoAnswerError,
    question,
    read_answer,
)
from cordboard.desk.commands import FindCustomer
from cordboard.desk.facts import CustomerFound
from cordboard.errors import PeerError
from cordboard.outbound import client, secret_headers

log = structlog.get_logger(__name__)

T = TypeVar("T")

BODY_AT_MOST = 64 * 1024
LOG_EVERY = 600.0
"""Seconds between two log lines of one kind of fault of one lookup."""

Own = tuple[Card | None, int | None]
"""What our store says: the card, and how often this number has called today with this call, None
where that was not asked."""
Finding = Callable[[FindCustomer, str], Awaitable[Own]]
"""Our own store's lookup, by E.164. Raises `PeerError`."""


class _Figures:
    """What is measured of all lookups."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.asked = Counter(
            "cordboard_lookups",
            "Questions to outside systems by what came of them",
            ["lookup", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "cordboard_lookup_seconds",
            "How long outside systems took for an answer, or to fail",
            ["lookup"],
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5),
        )
        self.resting = Gauge(
            "cordboard_lookup_resting",
            "1 while an outside system is left alone, because it failed",
            ["lookup"],
            registry=registry,
        )


class Lookup:
    """One outside system. `turned` is told when it comes to be left alone, and when it is back."""

    def __init__(
        self,
        settings: config.Lookup,
        rank: int,
        deadline: float,
        figures: _Figures,
        turned: Callable[[], None],
    ) -> None:
        """Raises `UserError` for a secret file that cannot be read."""
        self.name = settings.name
        self._settings, self._rank = settings, rank
        self._headers = secret_headers(f"[[lookup]] {self.name}", settings.secret_file)
        self._within = min(settings.deadline_ms / 1000, deadline)
        self._figures, self._turned = figures, turned
        self._breaker = Breaker(settings.breaker.failures, settings.breaker.seconds)
        self._cache: Cache[Report | None] = Cache(settings.cache_size, settings.cache_seconds)
        self._flying: dict[tuple[str, ...], asyncio.Task[Report | None]] = {}
        self._running: set[asyncio.Task[Report | None]] = set()
        self._logged: dict[Fault, float] = {}
        self._session: aiohttp.ClientSession | None = None
        figures.resting.labels(self.name).set_function(lambda: float(self.is_resting))

    @property
    def is_resting(self) -> bool:
        return self._breaker.is_open

    @property
    def needs_customer(self) -> bool:
        return "customer" in self._settings.asked_by

    async def ask(
        self, number: str, customer: str | None, known: Known, *, again: bool = False
    ) -> Report | None:
        """None where nobody is known there. `again` takes no answer from before; a question that
        is open already is shared. Raises `NoAnswerError`."""
        if self.needs_customer and customer is None:
            return None
        key = (number, customer or "") if self.needs_customer else (number,)
        kept = None if again else self._cache.get(key, self._now())
        if kept is not None:
            self._figures.asked.labels(self.name, "cached").inc()
            return kept[0]
        flying = self._flying.get(key)
        if flying is None:
            if len(self._running) >= self._settings.connections:
                raise self._failed(NoAnswerError("busy", "too many questions are open"))
            flying = asyncio.create_task(self._answer(key, known))
            self._flying[key] = flying
            self._running.add(flying)
            flying.add_done_callback(lambda task: self._landed(key, task))
        return await asyncio.shield(flying)

    def forget(self, word: str) -> None:
        """The number or customer has changed: no answer from before, nor the one on its way, is
        any good."""
        self._cache.forget(word)
        for key in [key for key in self._flying if word in key]:
            del self._flying[key]

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session:
            await self._session.close()

    def _landed(self, key: tuple[str, ...], task: asyncio.Task[Report | None]) -> None:
        self._running.discard(task)
        if self._flying.get(key) is task:
            del self._flying[key]
            if not task.cancelled() and task.exception() is None:
                self._cache.put(key, task.result(), self._now())
        elif not task.cancelled():
            task.exception()  # nobody waits for it any more

    async def _answer(self, key: tuple[str, ...], known: Known) -> Report | None:
        if not self._breaker.allows(self._now()):
            raise self._failed(NoAnswerError("resting", "left alone, because it failed before"))
        began, well, rested = self._now(), False, self.is_resting
        try:
            report = await self._request(key, known)
            well = True
        except NoAnswerError as fault:
            well = fault.kind in OF_THE_ANSWER
            raise self._failed(fault) from None
        finally:
            self._breaker.settle(well, self._now())
            self._figures.seconds.labels(self.name).observe(self._now() - began)
            if rested != self.is_resting:
                log.warning("lookup.turned", lookup=self.name, resting=self.is_resting)
                self._turned()
        self._figures.asked.labels(self.name, "known" if report else "unknown").inc()
        return report

    async def _request(self, key: tuple[str, ...], known: Known) -> Report | None:
        values = {"number": key[0], "customer": key[-1]}
        try:
            async with asyncio.timeout(self._within):
                data = await self._body(values)
        except TimeoutError:
            raise NoAnswerError("slow", f"no answer within {self._within:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise NoAnswerError("unreachable", why[:200]) from None
        return read_answer(data, self._settings, known, self._rank) if data else None

    async def _body(self, values: dict[str, str]) -> bytes:
        """Empty where nobody is known. Raises `NoAnswerError`, and what aiohttp raises."""
        settings, body = self._settings, None
        headers = {hdrs.ACCEPT: "application/json"}
        if settings.body is not None:
            body = json.dumps(question(settings.body, values)).encode()
            headers[hdrs.CONTENT_TYPE] = "application/json"
        if self._session is None:
            self._session = client(
                settings.url,
                self._headers,
                settings.connections,
                allow_private=settings.allow_private,
            )
        url = URL(filled(settings.url, values), encoded=True)
        request = self._session.request(
            settings.method, url, headers=headers, data=body, allow_redirects=False
        )
        async with request as response:
            if response.status in (204, 404):
                return b""
            if 300 <= response.status < 400:
                raise NoAnswerError(
                    "redirect", f"HTTP {response.status}: redirects are not followed"
                )
            if response.status != 200:
                raise NoAnswerError("status", f"HTTP {response.status}")
            if response.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
                raise NoAnswerError("encoded", "the body is packed, which was not asked for")
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > BODY_AT_MOST:
                    response.close()
                    raise NoAnswerError("too-large", f"the body has more than {BODY_AT_MOST} bytes")
            return bytes(data).strip()

    def _failed(self, fault: NoAnswerError) -> NoAnswerError:
        self._figures.asked.labels(self.name, fault.kind).inc()
        now = self._now()
        if now - self._logged.get(fault.kind, -LOG_EVERY) >= LOG_EVERY:
            self._logged[fault.kind] = now
            log.warning("lookup.failed", lookup=self.name, kind=fault.kind, reason=str(fault))
        return fault

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _nobody(command: FindCustomer, number: str) -> Own:
    return None, None


class Lookups:
    """All that are asked who calls. `resting` is told how many outside systems are left alone, and
    their names."""

    def __init__(
        self,
        settings: config.Settings,
        find: Finding = _nobody,
        registry: CollectorRegistry | None = None,
        resting: Callable[[int, str], None] = lambda count, names: None,
    ) -> None:
        """Raises `UserError`."""
        self._find, self._resting = find, resting
        self._region = settings.phone.region
        self._within = settings.desk.lookup_deadline_ms / 1000
        figures = _Figures(registry or CollectorRegistry())
        self._lookups = [
            Lookup(each, rank, self._within, figures, self._turned)
            for rank, each in enumerate(settings.lookup)
        ]
        self._crm = settings.crm
        self._known = Known(tuple(self._crm.statuses), tuple(self._crm.languages), {})

    def employ(self, users: Sequence[User]) -> None:
        """Who may be somebody's manager."""
        managers = {
            user.name: Manager(user.name, user.display_name, user.mobile)
            for user in users
            if user.active
        }
        self._known = Known(self._known.statuses, self._known.languages, managers)

    async def found(self, command: FindCustomer) -> CustomerFound:
        """Never raises for what our store or another system does, nor takes longer than the
        deadline."""
        number = phones.normalise(command.number, self._region)
        if number is None:
            return CustomerFound(command.pbx, command.linkedid, None, None, None)
        own: asyncio.Task[Own] = asyncio.create_task(_run(self._find(command, number)))
        asked: dict[str, asyncio.Task[Report | None]] = {
            each.name: asyncio.create_task(self._outside(each, number, own, command.again))
            for each in self._lookups
        }
        everything: list[asyncio.Task[Any]] = [own, *asked.values()]
        await asyncio.wait(everything, timeout=self._within)
        for task in everything:
            task.cancel()  # nothing, where it is done
        card, today, failed = None, None, False
        try:
            card, today = _result(own)
        except PeerError as error:
            failed = True
            if not command.again:
                log.warning("lookup.failed", lookup="store", reason=str(error))
        reports, failures = [], []
        for name, task in asked.items():
            try:
                if (report := _result(task)) is not None:
                    reports.append(report)
            except PeerError:
                failures.append(name)
        return CustomerFound(
            command.pbx,
            command.linkedid,
            number,
            phones.country(number),
            card,
            failed,
            today,
            reports=tuple(reports),
            failures=tuple(failures),
        )

    async def say(self, number: str, customer: str | None) -> list[tuple[str, str]]:
        """What each outside system says of this number in E.164, by its name, in words."""
        said = []
        for each in self._lookups:
            try:
                report = await each.ask(number, customer, self._known, again=True)
            except PeerError as error:
                said.append((each.name, f"failed: {error}"))
            else:
                said.append((each.name, str(report) if report else "knows nobody"))
        return said

    def forget(self, number: str | None, customer: str | None) -> None:
        for each in self._lookups:
            for word in filter(None, (number, customer)):
                each.forget(word)

    async def close(self) -> None:
        for each in self._lookups:
            await each.close()

    async def _outside(
        self, lookup: Lookup, number: str, own: asyncio.Task[Own], again: bool
    ) -> Report | None:
        customer = None
        if lookup.needs_customer:
            try:
                card, _ = await asyncio.shield(own)
            except PeerError as error:
                raise NoAnswerError("store", str(error)) from None
            customer = card.customer_id if card else None
        return await lookup.ask(number, customer, self._known, again=again)

    def _turned(self) -> None:
        names = [each.name for each in self._lookups if each.is_resting]
        self._resting(len(names), ", ".join(names))


async def _run(work: Awaitable[T]) -> T:
    return await work


def _result(task: asyncio.Task[T]) -> T:
    """Raises `PeerError` where it failed or was late."""
    if not task.done() or task.cancelled():
        raise PeerError("no answer in time")
    return task.result()
