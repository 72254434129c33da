"""The dialplan's side of one session: asks where a call goes, and waits for CB_DONE."""

from __future__ import annotations

import asyncio
import time

from bench.common import LOOPBACK

_ENVIRONMENT = (
    "agi_network: yes\nagi_network_script: route\nagi_request: agi://127.0.0.1/route\n"
    "agi_channel: PJSIP/inbound-00000001\nagi_language: en\nagi_type: PJSIP\n"
    "agi_uniqueid: {call}\nagi_version: 22.10.1\nagi_callerid: {number}\n"
    "agi_calleridname: Анна Ким\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\n"
    "agi_callingtns: 0\nagi_dnid: 74951234567\nagi_rdnis: unknown\nagi_context: cordboard-call\n"
    "agi_extension: s\nagi_priority: 3\nagi_enhanced: 0.0\nagi_accountcode: \n"
    "agi_threadid: 140000000000000\nagi_arg_1: {call}\nagi_arg_2: pbx\n\n"
)


def environment(call: str, number: str) -> bytes:
    return _ENVIRONMENT.format(call=call, number=number).encode()


class Session(asyncio.Protocol):
    """Says yes to every command. `done` gives the variables once CB_DONE is among them."""

    def __init__(self, told: bytes) -> None:
        self.done: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._told = told
        self._variables: dict[str, str] = {}
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._told)

    def data_received(self, data: bytes) -> None:
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            _, _, words = line.decode().partition("SET VARIABLE ")
            name, _, value = words.partition(" ")
            self._variables[name.strip('"')] = value.strip('"')
            self._transport.write(b"200 result=1\n")
        if "CB_DONE" in self._variables and not self.done.done():
            self.done.set_result(self._variables)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("no CB_DONE"))


async def ask_route(port: int, call: str, number: str) -> tuple[float, dict[str, str]]:
    """Seconds from the start of the connection to CB_DONE, and all that was set."""
    told = environment(call, number)
    began = time.perf_counter()
    _, session = await asyncio.get_running_loop().create_connection(
        lambda: Session(told), LOOPBACK, port
    )
    try:
        variables = await session.done
        return time.perf_counter() - began, variables
    finally:
        session._transport.close()
