"""An AMI connection that keeps every byte it hears, for recordings and tests."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from cordboard.errors import PeerError


class AmiTap:
    """An AMI connection whose every received byte is kept."""

    def __init__(self, account: dict[str, Any]) -> None:
        self._account = account
        self.heard = bytearray()
        self._writer: asyncio.StreamWriter | None = None
        self._pump: asyncio.Task[None] | None = None
        self._number = 0

    async def open(self) -> None:
        """Connect and log in; once more after `close`, and what is heard goes on."""
        begun = len(self.heard)
        reader, self._writer = await asyncio.open_connection(
            self._account["host"], self._account["port"]
        )

        async def pump() -> None:
            while chunk := await reader.read(65536):
                self.heard += chunk

        self._pump = asyncio.create_task(pump())
        await self.ask(
            "Login", Username=self._account["user"], Secret=self._account["secret"], Events="on"
        )
        await self.until(b"Event: FullyBooted", since=begun)

    async def ask(self, action: str, **headers: str) -> None:
        """Send one action and wait for the first line of its answer."""
        assert self._writer is not None
        self._number += 1
        mark = f"record-{self._number}"
        lines = [f"Action: {action}", f"ActionID: {mark}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self.until(f"ActionID: {mark}".encode())

    async def until(
        self, words: bytes, seconds: float = 30, *, within: bytes = b"", since: int = 0
    ) -> None:
        """Wait until these bytes have come, in one message with those `within`, behind the first
        `since` bytes."""
        for _ in range(round(seconds / 0.02)):
            if any(words in one and within in one for one in self.heard[since:].split(b"\r\n\r\n")):
                return
            await asyncio.sleep(0.02)
        raise PeerError(f"Asterisk did not send {words!r}")

    def channels(self, prefix: str) -> list[str]:
        """The channels with such a name that were heard of, in order."""
        found = re.findall(rf"\r\nChannel: ({re.escape(prefix)}\S+)", self.heard.decode("latin-1"))
        return list(dict.fromkeys(found))

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
