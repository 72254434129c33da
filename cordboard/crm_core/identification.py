"""Who a caller is, by what he has entered: an account, and the PIN that proves it is his.

Of a PIN there is only an Argon2id digest. It has few digits, so what keeps it is that nobody may
try often: wrong ones are counted by account and by the number that called, and an answer takes as
long whether or not there is such an account.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import select

from cordboard.crm_core.customers import card_of, card_with_id
from cordboard.crm_core.database import Database, as_id
from cordboard.crm_core.model import Card
from cordboard.crm_core.tables import customer, customer_attribute

WRONG_AT_MOST = 5
WRONG_WITHIN = 3600.0
"""So many wrong PINs in so many seconds, and no PIN is the right one."""
REMEMBERED = 20_000
"""Accounts and numbers of which wrong PINs are remembered."""
HASHING_AT_MOST = 2


class Attempts:
    """Wrong PINs, by whatever they were tried at or from. Time is an argument."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def is_locked(self, key: str, now: float) -> bool:
        wrong = self._wrong.get(key)
        if wrong is None:
            return False
        while wrong and wrong[0] <= now - WRONG_WITHIN:
            wrong.popleft()
        return len(wrong) >= WRONG_AT_MOST

    def note(self, key: str, now: float) -> None:
        self._wrong.setdefault(key, deque(maxlen=WRONG_AT_MOST)).append(now)
        self._wrong.move_to_end(key)
        if len(self._wrong) > REMEMBERED:
            self._wrong.popitem(last=False)

    def forget(self, key: str) -> None:
        self._wrong.pop(key, None)


class Identification:
    """The part of a store that knows accounts and PINs."""

    def __init__(
        self, database: Database, hasher: PasswordHasher, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._pin_hasher = hasher
        self._pin_clock = clock
        self._attempts = Attempts()
        self._pins = asyncio.Semaphore(HASHING_AT_MOST)
        self._nobodys = ""

    async def card_by_attribute(self, name: str, value: str) -> Card | None:
        """The card of the one customer of whom it is so; None where several are."""
        owners = select(customer_attribute.c.customer_id).where(
            customer_attribute.c.name == name, customer_attribute.c.value == value
        )
        rows = await self._database.rows(owners.limit(2)) if value else ()
        if len(rows) != 1:
            return None
        return card_of(await self._database.rows(*card_with_id(rows[0].customer_id)))

    async def is_proven(self, customer_id: str | None, pin: str, account: str, number: str) -> bool:
        """Whether it is this customer's PIN. `account` is what was entered, whether or not there is
        such a one, and `number` the caller's."""
        keys = [f"account {account}", *([f"number {number}"] if number else [])]
        locked = any(self._attempts.is_locked(key, self._pin_clock()) for key in keys)
        found = as_id(customer_id) if customer_id else None
        asked = select(customer.c.pin_hash).where(customer.c.id == found)
        rows = await self._database.rows(asked) if found else ()
        digest = rows[0].pin_hash if rows else None
        async with self._pins:
            right = await asyncio.to_thread(self._is_right, digest, pin)
        if right and not locked:
            self._attempts.forget(keys[0])
            return True
        for key in keys:
            self._attempts.note(key, self._pin_clock())
        return False

    def pin_hash(self, pin: str) -> str:
        """Takes a while."""
        return self._pin_hasher.hash(pin)

    def _is_right(self, digest: str | None, pin: str) -> bool:
        if not self._nobodys:
            self._nobodys = self._pin_hasher.hash("nobody's")
        try:
            return self._pin_hasher.verify(digest or self._nobodys, pin) and digest is not None
        except (Argon2Error, InvalidHashError):
            return False
