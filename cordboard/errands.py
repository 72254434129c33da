"""What the board commands that takes time: asked of the store, the PBXs and other systems, outside
the consumer. Each result comes back as a fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from cordboard.clock import Clock
from cordboard.crm_core.interactions import checked_wrapup
from cordboard.crm_core.model import Record, WrapUp
from cordboard.crm_core.store import Store
from cordboard.cti import facts as cti
from cordboard.desk.commands import (
    Announce,
    AskCallbacks,
    Audit,
    CallBack,
    CountFallbacks,
    FindCustomer,
    HangUp,
    Hush,
    LogIn,
    LogOut,
    Originate,
    PauseMember,
    Reorder,
    Requeue,
    SaveWrapUp,
)
from cordboard.desk.facts import (
    ActionDone,
    AnyFact,
    Audited,
    CallbacksMade,
    Requeued,
    WrapUpSaved,
)
from cordboard.errors import CordboardError, PeerError
from cordboard.events import PbxName, Uniqueid
from cordboard.exchange import Exchange
from cordboard.ledger import WRITE_WITHIN, Ledger
from cordboard.lookups import Lookups
from cordboard.roster import Roster

log = structlog.get_logger(__name__)

T = TypeVar("T")

OfTheTelephone = HangUp | Originate | LogIn | LogOut | PauseMember
OfTheVoice = Announce | CallBack | Hush
Errand = (
    FindCustomer
    | SaveWrapUp
    | Audit
    | CountFallbacks
    | AskCallbacks
    | Reorder
    | Requeue
    | OfTheTelephone
    | OfTheVoice
)


class Errands:
    """`result` takes each outcome to the inbox; `fell_back` is told how many callers took a PBX's
    default way."""

    def __init__(
        self,
        exchange: Exchange,
        roster: Roster,
        lookups: Lookups,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        result: Callable[[AnyFact], None],
        fell_back: Callable[[PbxName, int], None],
    ) -> None:
        self._exchange = exchange
        self._roster = roster
        self._lookups = lookups
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._result = result
        self._fell_back = fell_back

    async def run(self, command: Errand) -> None:
        match command:
            case FindCustomer():
                self._result(await self._lookups.found(command))
            case SaveWrapUp():
                await self._save_wrapup(command)
            case Audit():
                await self._audit(command)
            case CountFallbacks():
                await self._count_fallbacks(command.pbx)
            case AskCallbacks():
                await self._ask_callbacks(command.pbx)
            case Reorder():
                self._result(await self._exchange.reorder(command))
            case Requeue():
                await self._requeue(command)
            case Announce() | CallBack() | Hush():
                await self._speak(command)
            case _:
                await self._ask_exchange(command)

    async def _save_wrapup(self, command: SaveWrapUp) -> None:
        try:
            written = checked_wrapup(
                command.call,
                command.actor,
                command.customer,
                command.note,
                command.result,
                self._clock(),
                first=command.first,
            )
            await self._write_wrapup(written)
        except CordboardError as error:
            self._result(ActionDone(command.id, command.actor, str(error)))
        else:
            self._result(WrapUpSaved(command.id, command.actor, command.call))

    async def _write_wrapup(self, written: WrapUp) -> None:
        """What an operator wrote is not asked for twice. Raises `FieldsError`, and `PeerError`
        where there is no room for it."""
        # From the spool nobody can be told any more that another device was first.
        await self._write(self._store.write_wrapup, written, replace(written, first=False))

    async def _write(
        self, write: Callable[[T], Coroutine[Any, Any, object]], what: T, spooled: Record
    ) -> None:
        """Into the database, else into the spool. Raises `PeerError` where there is no room."""
        reason = "the database lacks what came before"
        if not self._ledger.behind:
            try:
                async with asyncio.timeout(WRITE_WITHIN):
                    await write(what)
                return
            except (PeerError, TimeoutError) as error:
                reason = str(error) or "no answer"
        await self._ledger.keep(spooled, reason)

    async def _audit(self, command: Audit) -> None:
        error = None
        try:
            await self._write(self._store.write, [command.record], command.record)
        except PeerError as failure:
            error = str(failure)
        self._result(Audited(command.asked, error))

    async def _ask_callbacks(self, pbx: PbxName) -> None:
        try:
            made = await self._exchange.callbacks_made(pbx)
        except PeerError as error:
            log.warning("callbacks.unknown", pbx=pbx, reason=str(error))  # until the next snapshot
            return
        self._result(CallbacksMade(pbx, made))

    async def _speak(self, command: OfTheVoice) -> None:
        try:
            match command:
                case Announce():
                    await self._exchange.announce(command)
                case CallBack():
                    await self._exchange.call_back(command)
                case Hush():
                    await self._exchange.hush(command)
        except PeerError as error:
            log.warning("voice.failed", pbx=command.pbx, reason=str(error))
            self._result(cti.Originated(command.pbx, Uniqueid(command.channel_id), 0))

    async def _ask_exchange(self, command: OfTheTelephone) -> None:
        error = None
        try:
            match command:
                case HangUp():
                    await self._exchange.hang_up(command)
                case Originate():
                    await self._exchange.originate(command)
                    return  # what became of it comes as an event
                case LogIn():
                    await self._roster.log_in(command)
                case LogOut():
                    await self._roster.log_out(command)
                case PauseMember():
                    await self._roster.pause(command)
        except CordboardError as failure:
            error = str(failure)
        self._result(ActionDone(command.id, command.actor, error))

    async def _requeue(self, command: Requeue) -> None:
        error = None
        try:
            await self._exchange.requeue(command)
        except PeerError as failure:
            error = str(failure)
        about = (command.pbx, command.uniqueid, command.queue, command.to)
        self._result(Requeued(*about, error))

    async def _count_fallbacks(self, pbx: PbxName) -> None:
        try:
            new = await self._exchange.new_fallbacks(pbx)
        except PeerError as error:
            log.warning("fallbacks.uncounted", pbx=pbx, reason=str(error))
            return
        if new:
            self._fell_back(pbx, new)
