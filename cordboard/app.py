"""The composition root: builds everything once, joins it up, and runs it.

One consumer takes items from the inbox and asks the model and the board what they mean; what the
board commands is carried out here, outside the consumer, and each result comes back through the
inbox as a fact.
"""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import ssl
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from cordboard import memory
from cordboard.attendant import Attendant
from cordboard.clock import Clock
from cordboard.config import Settings, split_address
from cordboard.core import Core, Due, Item, QueuesDue
from cordboard.crm_core import phones
from cordboard.crm_core.model import PolicyRecord, User
from cordboard.crm_core.store import Store
from cordboard.cti import facts as cti
from cordboard.cti.fastagi import FastAgiServer
from cordboard.cti.forgery import printable
from cordboard.cti.link import AmiLink
from cordboard.desk.commands import (
    Command,
    FindCustomer,
    ForgetCustomer,
    Remark,
    Save,
    SendCallback,
    SendPlace,
    SendRoute,
    ShowPop,
    Tell,
)
from cordboard.desk.facts import (
    AlarmEnded,
    AlarmRaised,
    AnyFact,
    PolicyChanged,
    Tick,
    UsersChanged,
)
from cordboard.desk.model import AlarmKind, Announcing, Calling, Rules
from cordboard.door import Door
from cordboard.errands import Errand, Errands
from cordboard.errors import PeerError, UserError
from cordboard.events import PbxName
from cordboard.exchange import Exchange
from cordboard.gauges import Counters, lag, watch
from cordboard.inbox import Inbox
from cordboard.ivr import lint as ivr
from cordboard.ivr.prompts import prompts_of
from cordboard.ivr.script import Script
from cordboard.ivr.utterances import usual_utterances, utterances
from cordboard.ledger import Ledger, Trouble
from cordboard.library import LOOK_EVERY, Library, house_of
from cordboard.lookups import Lookups, Own
from cordboard.queue.lint import House
from cordboard.queue.policy import Policy
from cordboard.recorder import Recorder
from cordboard.roster import Roster
from cordboard.rulebook import Rulebook
from cordboard.screenpop import render
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.translations import LANGUAGES
from cordboard.screenpop.web import make_app
from cordboard.spool import Spool
from cordboard.webhooks import Webhooks

log = structlog.get_logger(__name__)

T = TypeVar("T")

INBOX_LIMIT = 20_000
USERS_EVERY = 10.0
WARM_UP_AFTER = 5.0
"""Seconds; a start has enough to do."""
QUEUES_EVERY = 0.25
"""Seconds between two looks at the lines of waiting callers."""


class App:
    """The running server. `serve` runs it until a signal; tests use `start` and `stop`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        """Raises `UserError` for what the settings alone can tell is wrong."""
        if not settings.pbx:
            raise UserError("no [[pbx]] in the configuration: name the Asterisk to connect to")
        desk = settings.desk
        self.settings = settings
        self._clock = clock or Clock()
        self.registry = CollectorRegistry()
        self.store = Store(
            settings.database.url,
            settings.phone.region,
            settings.crm.statuses,
            settings.crm.languages,
            settings.crm.segments,
        )
        self.hub = Hub(self.registry, wall=self._clock, missed=self._pop_missed)
        self._inbox: Inbox[tuple[Item, float]] = Inbox(INBOX_LIMIT)
        spool = settings.spool
        self._spool = Spool(spool.path, spool.megabytes * 2**20)
        self._ledger = Ledger(self.store, self._spool, self._show, self._trouble)
        self.prompts = prompts_of(settings)
        self._rulebook = Rulebook(
            settings.routing.path, self._house, self._policy_changed, self._policy_refused
        )
        self._library = Library(settings.scripts.path, self._script_house, self._scripts_refused)
        rules = Rules(
            self._rulebook.policy,
            ZoneInfo(desk.timezone),
            desk.wrapup_limit_seconds if desk.wrapup == "until-done" else desk.wrapup_seconds,
            desk.service_level_seconds,
            desk.short_abandon_seconds,
            desk.handling_seconds,
            Announcing(
                **settings.announce.model_dump(), language=self._rulebook.policy.default_language
            ),
            Calling(settings.callback.tries, settings.callback.again_minutes * 60),
            wrapup_limit=desk.wrapup_limit_seconds,
            misses=desk.misses,
            pauses={pause.name: pause.seconds for pause in settings.pause},
            refresh=min(
                (each.refresh_seconds for each in settings.lookup if each.refresh_seconds),
                default=0,
            ),
        )
        self._core = Core(rules, [PbxName(pbx.name) for pbx in settings.pbx])
        self._board, self._models = self._core.board, self._core.models
        crm = settings.crm
        self._recorder = Recorder(
            settings.recorder,
            self._core,
            [*crm.statuses, *crm.languages, *crm.results, *(p.name for p in settings.pause)],
            stopped=lambda why: self.alarm("recorder-stopped", detail=why),
            resumed=lambda: self.alarm_over("recorder-stopped"),
        )
        self.links = {
            PbxName(pbx.name): AmiLink(
                PbxName(pbx.name), pbx.host, pbx.port, pbx.user, pbx.secret(), self._take
            )
            for pbx in settings.pbx
        }
        contexts = {PbxName(pbx.name): pbx.dial_context for pbx in settings.pbx}
        self._counters = Counters(self.registry)
        self._lookups = Lookups(
            settings,
            self._find,
            self.registry,
            lambda count, names: self._tell_state("lookup-failing", count, names),
        )
        self._errands = Errands(
            Exchange(self.links, contexts),
            Roster(self.links),
            self._lookups,
            self.store,
            self._ledger,
            self._clock,
            self._result,
            self._fell_back,
        )
        self._webhooks = Webhooks(
            settings.webhook,
            self.store,
            self._clock,
            self.registry,
            lambda count, names: self._tell_state("webhook-failing", count, names),
        )
        self._door = Door(
            list(self._models),
            desk.lookup_deadline_ms / 1000,
            self._clock,
            self._urgent,
            self._note_forger,
            self._counters.route_seconds,
            self._dialable,
        )
        self._attendant = Attendant(
            settings,
            self.store,
            self._ledger,
            self._door,
            self._clock,
            self.prompts.sounds,
            self._library.script,
            self._board.caller,
            lambda: self._core.rules,
            lambda step: self._inbox.put((step, 0.0)),
        )
        self._door.attend(self._attendant)
        host, port = split_address(settings.agi.listen)
        self.agi = FastAgiServer(host, port, self._attendant.serve, settings.agi.sessions)
        self._forgers: deque[tuple[PbxName, str]] = deque(maxlen=1000)
        self._broken = False
        self._queues_at = 0.0
        self._queues_timer: asyncio.TimerHandle | None = None
        self._due_timer: asyncio.TimerHandle | None = None
        self._users: tuple[User, ...] = ()
        self._names: dict[str, str] = {}
        self._told: dict[AlarmKind, tuple[int, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        watch(
            self.registry,
            board=self._board,
            inbox=self._inbox,
            ledger=self._ledger,
            spool=self._spool,
            recorder=self._recorder,
            links=self.links.values(),
            agi=self.agi,
            prompts=self.prompts.counters,
        )

    @property
    def http_address(self) -> tuple[str, int]:
        assert self._runner
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Raises `UserError` when an address is taken, the database is not ready, or the spool
        cannot be written."""
        self._spool.open()
        try:
            await self.store.open()
        except PeerError as error:
            self._spool.close()
            raise UserError(f"[database] url: {error}") from error
        try:
            await self._open_doors()
        except BaseException:
            await self.stop()
            raise

    async def _open_doors(self) -> None:
        now, desk = self._clock(), self.settings.desk
        await self._load_users()
        waiting = await asyncio.to_thread(lambda: list(self._spool.records()))
        remembered = await memory.remembered(
            self.store,
            waiting,
            list(self._models),
            now,
            self._day_began(now),
            desk.wrapup_seconds,
            desk.wrapup_limit_seconds,
        )
        self._inbox.put((remembered, 0.0))
        last = await self.store.last_fact_at()
        if last is not None:
            for model in self._models.values():
                model.link_lost(last)  # nothing was seen since the server before this one
        # From here on all that the core is told is an item.
        self._recorder.start()
        self._spawn(self._recorder.run())
        self._spawn(self._consume())
        self._spawn(self._ledger.run())
        self._spawn(self.hub.run())
        self._spawn(self._webhooks.run())
        self._spawn(self._tick())
        self._keep_policy()
        self._spawn(self._rulebook.watch())
        await asyncio.to_thread(self._library.read)
        self._spawn(self._library.watch())
        try:
            await self.agi.start()
        except OSError as error:
            where = self.settings.agi.listen
            raise UserError(f"[agi] listen {where}: {error.strerror}") from error
        self._attendant.open()
        self.prompts.open()
        self._spawn(self._speak_scripts())
        await self._open_http()
        for link in self.links.values():
            self._spawn(link.run())

    async def _open_http(self) -> None:
        http = self.settings.http
        app = make_app(
            self.settings,
            self.store,
            self.hub,
            self.submit,
            self.registry,
            prompts=self.prompts.file,
            library=self._library,
            opened=self._is_open,
            enquire=self._attendant.enquiries.ask,
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        host, port = split_address(http.listen)
        tls = None
        if http.certificate and http.key:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                tls.load_cert_chain(http.certificate, http.key)
            except (OSError, ssl.SSLError) as error:
                raise UserError(f"[http] certificate {http.certificate}: {error}") from error
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=tls, shutdown_timeout=3).start()
        except OSError as error:
            raise UserError(f"[http] listen {http.listen}: {error.strerror}") from error

    async def stop(self) -> None:
        """Closes the doors, then writes what is left. Callers in an AGI session go to the default
        queue; calls that stand in Asterisk are not touched."""
        await self.agi.stop()
        await self._attendant.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for timer in (self._queues_timer, self._due_timer):
            if timer:
                timer.cancel()
        await self._ledger.flush()
        await self._recorder.close()
        await self._lookups.close()
        await self.prompts.close()
        await self.hub.close()
        if self._runner:
            await self._runner.cleanup()
        await self.store.close()
        self._spool.close()

    async def serve(self) -> bool:
        """Runs until SIGTERM or SIGINT; False when it was a broken rule of our own that ended
        it."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.start()
        gc.collect()
        gc.freeze()  # what is there by now stays, and no caller waits for it to be looked through
        host, port = self.http_address
        log.info("serving", http=f"{host}:{port}", agi=self.settings.agi.listen)
        await stop.wait()
        log.info("stopping")
        await self.stop()
        return not self._broken

    # Into the inbox

    def submit(self, fact: AnyFact) -> None:
        """A fact from the API. Raises `PeerError` when the desk is too busy to take it."""
        if not self._urgent(fact):
            raise PeerError("the desk is too busy; try again in a moment")

    def _urgent(self, fact: AnyFact) -> bool:
        return self._inbox.put((fact, 0.0), urgent=True)

    def _take(self, item: cti.LinkItem) -> bool:
        born = item.born if isinstance(item, cti.PbxMessage) else 0.0
        # That the link came or went must be known even when events overflow the inbox.
        return self._inbox.put((item, born), urgent=isinstance(item, cti.LinkDown))

    def _result(self, fact: AnyFact) -> None:
        if not self._urgent(fact):
            log.error("inbox.full", lost=type(fact).__name__)

    def alarm(self, kind: AlarmKind, count: int = 1, detail: str = "") -> None:
        """Tells the supervisors. `count` more events, or the present figure of a state."""
        self._result(AlarmRaised(kind, count, detail))

    def _trouble(self, kind: Trouble, count: int) -> None:
        if count:
            self.alarm(kind, count)
        else:
            self.alarm_over(kind)

    def alarm_over(self, kind: AlarmKind) -> None:
        self._result(AlarmEnded(kind))

    def _tell_state(self, kind: AlarmKind, figure: int, detail: str = "") -> None:
        """An alarm of a state, told when its figure changes; 0 is no alarm."""
        if (figure, detail) != self._told.get(kind, (0, "")):
            self._told[kind] = (figure, detail)
            if figure:
                self.alarm(kind, figure, detail)
            else:
                self.alarm_over(kind)

    def _house(self) -> House:
        crm, queues = self.settings.crm, self._board.queues(self._models)
        names = self._names or None
        return House(crm.statuses, crm.languages, crm.segments, queues, names, LANGUAGES)

    def _policy_changed(self, policy: Policy) -> None:
        self._keep_policy()
        self._result(PolicyChanged(policy))

    def _keep_policy(self) -> None:
        """So that what is decided by it can be explained when the file is another."""
        policy, text = self._rulebook.policy, self._rulebook.text
        self._ledger.post([Save(PolicyRecord(policy.fingerprint, self._clock(), text))], None)

    def _policy_refused(self, faults: list[str] | None) -> None:
        if faults is None:
            self.alarm_over("policy-refused")
        else:
            self.alarm("policy-refused", len(faults), faults[0])

    def _script_house(self) -> ivr.House:
        queues, names = self._board.queues(self._models), self._names
        return house_of(self.settings, self._rulebook.policy.calendar, queues, names)

    def _is_open(self, calendar: str, local: datetime) -> bool:
        found = self._rulebook.policy.calendar.get(calendar)
        return found is not None and found.at(local).open

    def _scripts_refused(self, faults: list[str] | None) -> None:
        if faults is None:
            self.alarm_over("scripts-refused")
        else:
            self.alarm("scripts-refused", len(faults), faults[0])

    async def _speak_scripts(self) -> None:
        """What scripts say is spoken at the start, and when they have changed. Calls do not wait
        for it."""
        told: list[str] = []
        done: dict[str, Script] | None = None
        clock = asyncio.get_running_loop().time
        warm = clock() + WARM_UP_AFTER
        while True:
            scripts = self._library.scripts
            languages = {each for script in scripts.values() for each in script.languages}
            if scripts is not done:
                lines = [line for each in scripts.values() for line in utterances(each, each.name)]
                prepared = await self.prompts.prepare([*lines, *usual_utterances(languages)])
                if prepared.faults != told and (told := prepared.faults):
                    log.warning("scripts.unspoken", faults=told)
                done = scripts
            if clock() >= warm:
                await self.prompts.warm_up(languages)
            await asyncio.sleep(LOOK_EVERY)

    def _note_forger(self, pbx: PbxName, channel: str) -> None:
        """The link and the dialplan may both tell of him, and each more than once."""
        if (pbx, channel) in self._forgers:
            return
        self._forgers.append((pbx, channel))
        self._counters.forged.inc()
        self.alarm("forged-callers")
        log.warning("forged.caller", pbx=pbx, channel=printable(channel))

    async def _tick(self) -> None:
        users_at = 0.0
        while True:
            await asyncio.sleep(1)
            self._inbox.put((Tick(), 0.0))
            self._attendant.tick()
            self._clock.follow(quiet=not self._board.live_calls)
            self._tell_state("clock-stepped", round(abs(self._clock.behind())))
            self._tell_state("behind", round(lag(self.links.values())))
            self._webhooks.tell()
            users_at += 1
            if users_at >= USERS_EVERY:
                users_at = 0.0
                try:
                    await self._load_users()
                except PeerError as error:
                    log.warning("users.unread", reason=str(error))

    async def _load_users(self) -> None:
        users = tuple(await self.store.users())
        if users != self._users:
            self._users = users
            self._names = {user.name: user.display_name for user in users}
            self._lookups.employ(users)
            self._result(UsersChanged(users))

    def _day_began(self, now: float) -> float:
        zone = ZoneInfo(self.settings.desk.timezone)
        local = datetime.fromtimestamp(now, zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    # The consumer

    async def _consume(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            item, born = await self._inbox.get()
            if isinstance(item, cti.Forged):
                self._note_forger(item.pbx, item.channel)
            now = self._clock()
            commands = self._decide(item, now)
            if commands:
                self._carry_out(commands, born or None)
            due = min(model.due for model in self._models.values())
            if due < math.inf and self._due_timer is None:
                self._due_timer = loop.call_later(
                    min(max(due - now, 0.0), 1.0) + 0.01, self._models_due
                )
            if self._board.queues_changed and self._queues_timer is None:
                self._queues_timer = loop.call_later(
                    self._queues_at + QUEUES_EVERY - loop.time(), self._show_queues
                )

    def _models_due(self) -> None:
        self._due_timer = None
        self._inbox.put((Due(), 0.0))

    def _show_queues(self) -> None:
        self._queues_timer = None
        self._queues_at = asyncio.get_running_loop().time()
        self._ledger.post(self._decide(QueuesDue(), self._clock()), None)

    def _decide(self, item: Item, now: float) -> list[Command]:
        """What the core says to `item`, written down; also where it breaks a rule of our own."""
        try:
            commands = self._core.take(item, now)
        except Exception as error:
            self._recorder.take(item, now, error)
            raise
        self._recorder.take(item, now, commands)
        return commands

    def _carry_out(self, commands: list[Command], born: float | None) -> None:
        kept: list[Command] = []
        for command in commands:
            match command:
                case SendRoute() | SendPlace() | SendCallback():
                    self._door.answer(command)
                case ForgetCustomer():
                    self._lookups.forget(command.number, command.customer)
                case _ if isinstance(command, Errand):
                    self._spawn(self._errands.run(command))
                case Remark():
                    self._counters.surprises.inc()
                    log.info("surprise", what=command.what)
                    if command.pbx is not None:
                        self.links[command.pbx].resync(command.what)
                case _:
                    kept.append(command)
        if kept:
            self._ledger.post(kept, born)

    def _show(self, command: Command, born: float | None) -> None:
        if isinstance(command, Save) or not isinstance(command, render.Shown):
            raise TypeError(f"{type(command).__name__} is not for showing")
        self.hub.publish(
            render.message(command, self.settings.crm.currency, self._names),
            to=command.actor if isinstance(command, Tell) else None,
            born=born if isinstance(command, ShowPop) and command.first else None,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # One of our own rules is broken. Better to stop, be started again and take a
            # snapshot than to go on with a picture that may be wrong.
            self._broken = True
            log.critical("broken", exc_info=error)
            signal.raise_signal(signal.SIGTERM)

    def _fell_back(self, pbx: PbxName, count: int) -> None:
        self._counters.fallbacks.inc(count)
        self.alarm("fallback-routed", count)
        log.warning("fallback.callers", pbx=pbx, count=count)

    def _pop_missed(self, operator: str) -> None:
        log.warning("pop.missed", operator=operator)
        self.alarm("pops-missed", detail=self._names.get(operator, operator))

    # Commands

    def _dialable(self, number: str) -> str | None:
        e164 = phones.normalise(number, self.settings.phone.region)
        blocked = self.settings.callback.blocked
        return e164 if e164 and phones.may_be_called(e164, blocked) else None

    async def _find(self, command: FindCustomer, number: str) -> Own:
        """The calls of today with this one, where a rule asks."""
        this = (command.pbx, command.linkedid)
        card, calls = await self.store.caller(number, command.since, but=this)
        return card, None if command.since is None else 1 + calls
