"""The one way into the desk: a bounded queue with two lanes and one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Callers who wait for a route, and results that somebody waits for, go before events.

    Bounded: `put` refuses when its lane is full, and the sender does what is right for it (the
    link comes back with a snapshot, the AGI session lets the dialplan go on, the API says busy).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: deque[Item] = deque()
        self._normal: deque[Item] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._normal)

    def put(self, item: Item, urgent: bool = False) -> bool:
        """False when there is no room; nothing was taken then."""
        lane = self._urgent if urgent else self._normal
        if len(lane) >= self._limit:
            return False
        lane.append(item)
        self._filled.set()
        return True

    async def get(self) -> Item:
        while not (self._urgent or self._normal):
            self._filled.clear()
            await self._filled.wait()
        return self._urgent.popleft() if self._urgent else self._normal.popleft()
