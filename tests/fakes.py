"""Hand-written stand-ins, for what a real Asterisk does not do on request.

Each stands beside tests with the real part; none is the proof of a feature.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cordboard.cti.link import SNAPSHOT

BOOTED = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"


class FakePbx:
    """An AMI port that greets, lets everybody in, and answers as its tables say.

    `answers` maps an action to its reply without ActionID ("" for no reply at all); what is not
    named is answered with Success. `send` writes raw bytes on every event connection.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {
            "CoreStatus": "Response: Success\r\nCoreStartupDate: 2026-11-22\r\n"
            "CoreStartupTime: 10:00:00\r\n",
            "CoreSettings": "Response: Success\r\nAsteriskVersion: 22.10.1\r\n",
        }
        self.greeting = b"Asterisk Call Manager/11.0.0\r\n"
        self.booted = True
        self.actions: list[str] = []
        self.connections = 0
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._events: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Condition()

    def send(self, data: bytes) -> None:
        for writer in self._events:
            writer.write(data)

    def drop(self) -> None:
        """Resets all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._events.clear()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something that clients did makes `condition` true."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        writer.write(self.greeting)
        try:
            while True:
                frame = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in frame.split("\r\n") if line)
                self._answer(fields, writer)
                async with self._changed:
                    self.actions.append(fields["Action"])
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, fields: dict[str, str], writer: asyncio.StreamWriter) -> None:
        action, action_id = fields["Action"], f"ActionID: {fields['ActionID']}\r\n"
        reply = self.answers.get(action, "Response: Success\r\n")
        if reply:
            head, _, rest = reply.partition("\r\n")
            writer.write(f"{head}\r\n{action_id}{rest}\r\n".encode())
        if action == "Login" and fields["Events"] == "on" and "Success" in reply:
            self._events.append(writer)
            if self.booted:
                writer.write(BOOTED.encode())
        if action in SNAPSHOT and "Success" in reply:
            end = f"Event: {action}Complete\r\n{action_id}EventList: Complete\r\n\r\n"
            writer.write(end.encode())


@asynccontextmanager
async def fake_pbx() -> AsyncIterator[FakePbx]:
    pbx = FakePbx()
    server = await asyncio.start_server(pbx.serve, "127.0.0.1", 0)
    pbx.port = server.sockets[0].getsockname()[1]
    try:
        yield pbx
    finally:
        server.close()
        pbx.drop()
        await server.wait_closed()
