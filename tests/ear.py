"""What a caller hears: the sound that Asterisk sends to his phone, as loudness by time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

LOUD = 300
"""Mean of the samples, of 32,256 at most: more than a silent line."""
VOICE = 1500
"""More than the tone that SIPp's phones send."""


def _decoded(byte: int) -> int:
    """A sample of A-law (G.711), without its sign."""
    byte ^= 0x55
    exponent, mantissa = (byte & 0x70) >> 4, (byte & 0x0F) << 4
    return mantissa + 8 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)


_SAMPLES = [_decoded(byte) for byte in range(256)]


class Ear(asyncio.DatagramProtocol):
    """Listens on `port`. Times are those of `time.time`."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[tuple[float, float]] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        sound = data[12:]
        if sound and data[1] & 0x7F == 8:
            mean = sum(_SAMPLES[byte] for byte in sound) / len(sound)
            self.heard.append((time.time(), mean))

    def loud(self, since: float = 0.0, level: float = LOUD) -> list[float]:
        """When something was to be heard."""
        return [at for at, loudness in self.heard if loudness > level and at >= since]

    async def hears(self, within: float = 45.0, since: float = 0.0) -> float:
        """When it first hears something after `since`; fails the test after `within` seconds."""
        for _ in range(round(within / 0.02)):
            if loud := self.loud(since):
                return loud[0]
            await asyncio.sleep(0.02)
        raise AssertionError(f"nothing was heard in {within} s; {len(self.heard)} packets came")


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(
        Ear, local_addr=("127.0.0.1", 0)
    )
    ear.port = transport.get_extra_info("sockname")[1]
    try:
        yield ear
    finally:
        transport.close()
