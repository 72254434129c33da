"""The AGI codec: the lines of one FastAGI session, as values. Pure, no socket.

AGI has no framing but the line. An argument with a line feed in it is a second command to
Asterisk, and a command longer than its buffer is cut, the rest run as a command of its own; both
are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cordboard.errors import CordboardError, PeerError

COMMAND_LIMIT = 8191
"""Bytes. Asterisk reads no more of one line."""

ENV_LINES = 200
"""More environment lines than this is not Asterisk."""


class AgiValueError(CordboardError, ValueError):
    """A command that must not be sent: it would not arrive as it was meant."""


class AgiSyntaxError(PeerError):
    """A line that AGI does not know."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`200 result=1 (speech) endpos=640` is Reply(200, "1", "speech", {"endpos": "640"}).

    511 means that the channel is dead, 510 that Asterisk does not know the command, 520 that it
    does not like its arguments; `text` then says why.
    """

    code: int
    result: str
    data: str | None
    rest: dict[str, str]
    text: str

    @property
    def ok(self) -> bool:
        return self.code == 200 and not self.result.startswith("-")


def command(*words: str | int) -> bytes:
    """The bytes of one command; words after the first are quoted as Asterisk unquotes them.

    Raises `AgiValueError` for CR, LF or NUL anywhere and for a line over `COMMAND_LIMIT` bytes.
    """
    verb, *arguments = (str(word) for word in words)
    line = " ".join([verb, *(quote(argument) for argument in arguments)])
    if any(char in line for char in "\r\n\0"):
        raise AgiValueError(f"{verb}: carriage return, line feed or NUL in an argument")
    data = line.encode()
    if len(data) >= COMMAND_LIMIT:
        raise AgiValueError(f"{verb}: {len(data)} bytes, AGI takes {COMMAND_LIMIT - 1}")
    return data + b"\n"


def quote(argument: str) -> str:
    """An argument as AGI reads it: in double quotes, with `"` and a backslash escaped."""
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


_BEFORE_THE_CALLER = frozenset(
    (
        *("agi_network", "agi_network_script", "agi_request", "agi_channel", "agi_language"),
        *("agi_type", "agi_uniqueid", "agi_version", "agi_callerid"),
    )
)
"""What Asterisk writes before any word of the caller's."""


def environment(lines: list[str]) -> tuple[dict[str, str], bool]:
    """The `agi_…` lines that open a session, and whether somebody wrote some of them by way of a
    line feed in a caller id or an extension: a key comes twice, or a line is none of Asterisk's.

    Of two with one key the first is true where Asterisk writes it before the caller's words. Of
    the rest nobody can tell, the dialplan's arguments included, and it is left out.
    """
    found: dict[str, list[str]] = {}
    tampered = False
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.startswith("agi_"):
            found.setdefault(key, []).append(value.removeprefix(" "))
        else:
            tampered = True
    env: dict[str, str] = {}
    for key, values in found.items():
        tampered = tampered or len(values) > 1
        if len(values) == 1 or key in _BEFORE_THE_CALLER:
            env[key] = values[0]
    return env, tampered


def caller(env: Mapping[str, str]) -> str:
    """The caller's number; empty where it is withheld. Asterisk says `unknown` then, and trunks
    have other words for it."""
    number = env.get("agi_callerid", "")
    return number if any(char.isdigit() for char in number) else ""


_REPLY = re.compile(
    r"(?P<code>\d{3})(?: result=(?P<result>-?[^\s(]*))?(?P<tail>.*)", re.ASCII | re.DOTALL
)


class ReplyReader:
    """Assembles replies from lines. `hung_up` becomes true at a HANGUP line, which Asterisk puts
    between, before or in place of replies when the caller goes."""

    def __init__(self) -> None:
        self.hung_up = False
        self._usage: list[str] | None = None

    def feed(self, line: str) -> Reply | None:
        """The reply that `line` completes, or None. Raises `AgiSyntaxError`."""
        line = line.rstrip("\r\n")
        if line == "HANGUP":
            self.hung_up = True
            return None
        if self._usage is not None:
            self._usage.append(line)
            if line.startswith("520 "):
                text, self._usage = "\n".join(self._usage), None
                return Reply(520, "", None, {}, text)
            if len(self._usage) > ENV_LINES:
                raise AgiSyntaxError("a 520- reply that does not end")
            return None
        if line.startswith("520-"):
            self._usage = [line]
            return None
        match = _REPLY.fullmatch(line)
        if not match:
            raise AgiSyntaxError(f"not an AGI reply: {line[:80]!r}")
        tail = match["tail"].strip()
        data = None
        # The data in brackets may hold brackets itself: "(a) b)". What follows the last one are
        # key=value pairs.
        if tail.startswith("(") and ")" in tail:
            data, _, tail = tail[1:].rpartition(")")
        rest = dict(pair.split("=", 1) for pair in tail.split() if "=" in pair)
        return Reply(int(match["code"]), match["result"] or "", data, rest, line)
