"""Pseudonyms for what a recording must not tell: keyed, consistent, and without effect on what is
decided. Pure.

The same number, name or note gives the same pseudonym wherever it stands, as long as the key is
the same, and two different ones give two. What decisions go by stays: the shape of a number and
all but its last seven digits, extensions, ids, and the words that rules and tables are written in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import blake2b

Rule = Callable[[str], str]

SUBSCRIBER = 7
"""Digits at the end of a number that are replaced. They are the same however it is written:
+7 916 123-45-67, 89161234567, 79161234567."""

REMEMBERED = 50_000
"""Pseudonyms kept at hand, by each rule."""

_NUMBER = re.compile(r"[+(]?\d[\d\s()./~-]{5,}\d")
_RUN = re.compile(r"\d{7,}")
_EXTENSION = re.compile(r"[*#+]?\d{1,6}[*#]?")
_ID = re.compile(
    r"(?:[a-z]+-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # ours, bridges
    r"|(?:[A-Za-z][\w.-]*-)?[12]\d{9}\.\d{1,7}",  # a channel's: seconds and a number
    re.ASCII,
)
_OWN_NUMBER = re.compile(r"-[0-9a-f]{8}(?:;[12])?(?:<[A-Z]+>)?$")
"""What Asterisk puts behind the name of a phone to make that of a channel."""


kept: Rule = str
"""The rule for what is nobody's: ids of calls and channels, queues, states."""


class _Known(dict[str, str]):
    """What a rule has made so far; looked up without a step of Python."""

    def __init__(self, make: Rule) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: str) -> str:
        if len(self) >= REMEMBERED:
            self.clear()
        found = self[value] = self._make(value)
        return found


class Pseudonyms:
    """`key` is secret: who has it can find out whose number a pseudonym is, by trying all.
    `words` are never replaced, such as statuses and what stands in the rule file."""

    def __init__(self, key: bytes, words: Iterable[str] = ()) -> None:
        self._key = key
        self._words = {"", "<unknown>", *words}
        self._known = _Known(self._hide)
        self.private: Rule = self._known.__getitem__
        """The rule for whatever people are called, have, or say: a number gives a number of the
        same shape, any other text `~` and twelve hexadecimal digits."""
        self.clean: Rule = _Known(self._mask).__getitem__
        """The rule for names of our own and of the PBX's, which may have a number in them:
        `Local/+79161234567@mobile`."""
        self.channel: Rule = _Known(self._mask_channel).__getitem__
        """The rule for names of channels: `clean`, but for the hexadecimal number at the end."""

    def know(self, words: Iterable[str]) -> None:
        """More words that are never replaced."""
        new = set(words) - self._words
        if new:
            self._words |= new
            self._known.clear()

    def _hide(self, value: str) -> str:
        if value in self._words or _EXTENSION.fullmatch(value) or _ID.fullmatch(value):
            return value
        if _NUMBER.fullmatch(value) and sum(map(str.isdigit, value)) >= SUBSCRIBER:
            return self._number(value)
        return f"~{self._digest(value.encode(errors='surrogatepass'), 6).hex()}"

    def _mask(self, value: str) -> str:
        if _ID.fullmatch(value):
            return value
        return _RUN.sub(lambda run: self._number(run[0]), value)

    def _mask_channel(self, value: str) -> str:
        own = _OWN_NUMBER.search(value)
        end = own.start() if own else len(value)
        return self.clean(value[:end]) + value[end:]

    def _number(self, text: str) -> str:
        """`text` with its last digits replaced, whatever stands between them left."""
        places = [place for place, char in enumerate(text) if char.isdigit()][-SUBSCRIBER:]
        if len(places) < SUBSCRIBER:
            return text
        chars = list(text)
        new = self._permuted("".join(str(int(chars[place])) for place in places))
        for place, digit in zip(places, new, strict=True):
            chars[place] = digit
        return "".join(chars)

    def _permuted(self, digits: str) -> str:
        """Seven digits for seven digits, one to one: a Feistel network over three and four."""
        left, right = int(digits[:3]), int(digits[3:])
        for turn in range(4):
            left = (left + self._drawn(turn, b"l", right)) % 1_000
            right = (right + self._drawn(turn, b"r", left)) % 10_000
        return f"{left:03}{right:04}"

    def _drawn(self, turn: int, side: bytes, value: int) -> int:
        return int.from_bytes(self._digest(b"%d%s%d" % (turn, side, value), 8), "big")

    def _digest(self, data: bytes, size: int) -> bytes:
        return blake2b(data, key=self._key[:64], digest_size=size).digest()
