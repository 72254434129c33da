"""The store: everything that cordboard remembers, in SQLite or PostgreSQL.

One object with the methods of the nouns it is made of, which share two engines: customers and
cards, calls and their accounting, interactions, users with their sessions and tokens, runs of
scripts with their answers, lists of people to be called, and what webhooks still owe. All methods
raise `PeerError` where the database is away or fails; deadlines are the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from argon2 import PasswordHasher

from cordboard.crm_core.calls import Calls, calls_from
from cordboard.crm_core.customers import Customers, card_asked, card_of
from cordboard.crm_core.database import Database
from cordboard.crm_core.identification import Identification
from cordboard.crm_core.interactions import Interactions
from cordboard.crm_core.migrations import check
from cordboard.crm_core.model import Card
from cordboard.crm_core.outbox import Outbox
from cordboard.crm_core.respondents import Respondents
from cordboard.crm_core.rules import CustomerRules
from cordboard.crm_core.script_runs import ScriptRuns
from cordboard.crm_core.users import PASSWORD_HASHER, SESSION_SECONDS, Users

STATUSES = ("new", "regular", "vip", "debtor", "blocked")
LANGUAGES = ("ru", "bg", "en")


class Store(Customers, Identification, Calls, Interactions, Users, Outbox, ScriptRuns, Respondents):
    """`region` reads national telephone numbers (ISO 3166); `statuses`, `languages` and
    `segments` are the configured lists; `clock` gives seconds since the epoch."""

    def __init__(
        self,
        url: str,
        region: str = "RU",
        statuses: Sequence[str] = STATUSES,
        languages: Sequence[str] = LANGUAGES,
        segments: Sequence[str] = (),
        *,
        session_seconds: float = SESSION_SECONDS,
        hasher: PasswordHasher = PASSWORD_HASHER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises `UserError` for a database that is not supported."""
        database = Database(url)
        self.database = database
        """For this package's own bulk work; everybody else uses the methods."""
        self.clock = clock
        rules = CustomerRules(tuple(statuses), tuple(languages), region, tuple(segments))
        Identification.__init__(self, database, hasher, clock)
        Customers.__init__(self, database, rules, clock, self.pin_hash)
        Calls.__init__(self, database)
        Interactions.__init__(self, database)
        Outbox.__init__(self, database)
        ScriptRuns.__init__(self, database)
        Respondents.__init__(self, database, rules, clock)
        Users.__init__(self, database, rules, clock, hasher, session_seconds)

    async def open(self) -> None:
        """Raises `PeerError` where the database is away, `UserError` where its tables are not
        those of this release and `cordboard db upgrade` is due."""
        self.database.open()
        try:
            await check(self.database)
        except BaseException:
            await self.database.close()
            raise

    async def caller(
        self, number: str, since: float | None = None, *, but: tuple[str, str] = ("", "")
    ) -> tuple[Card | None, int]:
        """The card of whoever calls from `number`, in E.164, as `card_by_number` gives it, and how
        often he has called since then, as `calls_from` counts; 0 where that is not asked. A call
        waits for it, so it is one hop to the database."""
        if since is None:
            (rows,) = await self.database.read([card_asked(number)])
            return card_of(rows), 0
        asked = card_asked(number), calls_from(number, since, but=but)
        rows, ((count,),) = await self.database.read(asked)
        return card_of(rows), int(count)

    async def close(self) -> None:
        await self.database.close()
