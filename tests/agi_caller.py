"""Asterisk's side of an AGI session, with a caller who presses digits: for tests that need no PBX.

Time does not pass: whoever presses nothing is taken to have waited."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


class AgiCaller:
    """`digits` are pressed as soon as somebody listens; `-` is a timeout, `!` the end of the call.
    `heard` are the sounds that were begun, `said` all commands, `variables` what was set last."""

    def __init__(
        self, digits: str = "", missing: Iterable[str] = (), recorded: int = 40_000
    ) -> None:
        self.digits = deque(digits)
        self.heard: list[str] = []
        self.said: list[str] = []
        self.variables: dict[str, str] = {}
        self.leases: list[float] = []
        self.is_gone = False
        self._missing = set(missing)
        self._recorded = recorded

    async def call(
        self, port: int, path: str, *arguments: str, number: str = "79161234567"
    ) -> None:
        """Until the session ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        env = {
            "agi_network": "yes",
            "agi_network_script": path,
            "agi_channel": "PJSIP/inbound-1",
            "agi_uniqueid": "1790000000.1",
            "agi_callerid": number,
            "agi_dnid": "74951234567",
        }
        env |= {f"agi_arg_{n}": value for n, value in enumerate(arguments, 1)}
        writer.write("".join(f"{k}: {v}\n" for k, v in env.items()).encode() + b"\n")
        try:
            while line := await reader.readline():
                reply = self._reply(line.decode().rstrip("\n"))
                writer.write(reply.encode())
                if self.is_gone:
                    break
        finally:
            writer.close()

    def _reply(self, line: str) -> str:
        self.said.append(line)
        words = _WORD.findall(line)
        if line.startswith("SET VARIABLE"):
            self.variables[words[0]] = words[1]
            return "200 result=1\n"
        if line.startswith("SET AUTOHANGUP"):
            self.leases.append(float(words[0]))
            return "200 result=0\n"
        if line.startswith("GET FULL VARIABLE"):
            return "200 result=1 (/nowhere)\n"
        if line.startswith("STREAM FILE"):
            return self._stream(*words)
        if line.startswith("WAIT FOR DIGIT"):
            pressed = self._pressed()
            return f"200 result={ord(pressed) if pressed else 0}\n" if not self.is_gone else _GONE
        if line.startswith("GET DATA"):
            got, most = "", int(words[2])
            while len(got) < most and not self.is_gone:
                pressed = self._pressed()
                if not pressed:
                    return f"200 result={got} (timeout)\n" if not self.is_gone else _GONE
                if pressed == "#":
                    break
                got += pressed
            return f"200 result={got}\n"
        if line.startswith("RECORD FILE"):
            if self.digits and self.digits[0] == "!":
                self.is_gone = True
                return f"200 result=-1 (hangup) endpos={self._recorded}\nHANGUP\n"
            return f"200 result=0 (timeout) endpos={self._recorded}\n"
        return "510 Invalid or unknown command\n"

    def _stream(self, sound: str, escapes: str) -> str:
        if sound in self._missing:
            return "200 result=-1 endpos=0\n"
        self.heard.append(sound)
        if self.digits and self.digits[0] == "!":
            self.is_gone = True
            return "200 result=-1 endpos=800\nHANGUP\n"
        if self.digits and self.digits[0] != "-" and self.digits[0] in escapes:
            return f"200 result={ord(self.digits.popleft())} endpos=1600\n"
        return "200 result=0 endpos=8000\n"

    def _pressed(self) -> str:
        if not self.digits:
            return ""
        pressed = self.digits.popleft()
        if pressed == "!":
            self.is_gone = True
        return "" if pressed in "-!" else pressed


_GONE = "200 result=-1\nHANGUP\n"
