"""The AMI codec: bytes in, messages out; actions in, bytes out. Pure, no socket.

What comes from a PBX is not to be trusted to be well formed: a SIP caller can put CR, LF and
whole header lines into a user name, and Asterisk passes them on raw (docs/asterisk.md, "Forged
frames"). So a frame with anything odd in it is still read, as well as it can be, but says so in
`Message.oddities`; the link decides what an odd frame may do.

The common frame is decoded by one `split` and one `dict`; only frames that this cannot read
exactly (a repeated key, a line without a separator, a control character) take the careful path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cordboard.errors import CordboardError

FRAME_LIMIT = 8 * 1024 * 1024
"""Bytes. The longest frame that is kept; Asterisk was seen to send events of 2 MB."""

LINE_LIMIT = 1024
"""Bytes. Asterisk answers `line too long` to a longer line and drops it."""

HEADERS_LIMIT = 128
"""Asterisk refuses an action with more lines than this."""

_REPEATABLE = ("ChanVariable", "DestChanVariable", "Variable", "Output")
"""Keys that Asterisk itself writes more than once in a frame."""

_CONTROL = bytes(range(32)) + b"\x7f"


class ActionError(CordboardError, ValueError):
    """An action that must not be sent: it would not arrive as it was meant."""


class Message:
    """One frame. `headers` has the first value of each key, `repeated` all values of the keys
    that came more than once, `oddities` what was wrong with it (empty for nearly every frame)."""

    __slots__ = ("headers", "oddities", "repeated")

    def __init__(
        self,
        headers: dict[str, str],
        repeated: dict[str, list[str]] | None = None,
        oddities: tuple[str, ...] = (),
    ) -> None:
        self.headers = headers
        self.repeated = repeated
        self.oddities = oddities

    def __getitem__(self, key: str) -> str:
        """The value of `key`, or an empty string: Asterisk leaves out what it does not know."""
        return self.headers.get(key, "")

    def all(self, key: str) -> list[str]:
        """Every value of a key that may come more than once, in order."""
        if self.repeated and key in self.repeated:
            return self.repeated[key]
        return [self.headers[key]] if key in self.headers else []

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Message)
            and (self.headers, self.repeated) == (other.headers, other.repeated)
            and self.oddities == other.oddities
        )

    __hash__ = None  # type: ignore[assignment]  # mutable inside, never a key

    def __repr__(self) -> str:
        return f"Message({self.headers!r}, {self.repeated!r}, {self.oddities!r})"


class Decoder:
    """Turns the bytes of one connection into messages, however they are cut.

    `banner` is Asterisk's greeting once it has come. `dropped` names the events that are not worth
    parsing; they are skipped by their first line.
    """

    def __init__(self, dropped: Iterable[str] = (), limit: int = FRAME_LIMIT) -> None:
        self.banner: str | None = None
        self.oversize = 0
        self._dropped = tuple(b"Event: " + name.encode() + b"\r\n" for name in dropped)
        self._limit = limit
        self._buffer = b""
        self._searched = 0
        self._skipping = False

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame; at the end of a connection they are a cut-off tail."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. Never raises, whatever the bytes are."""
        data = self._buffer + data if self._buffer else data
        if self.banner is None:
            data = self._greet(data)
        found: list[Message] = []
        begin = 0
        search = max(0, self._searched - 3)
        while (end := data.find(b"\r\n\r\n", search)) >= 0:
            if self._skipping:
                self._skipping = False
            elif end > begin:
                frame = data[begin:end]
                if not (self._dropped and frame.startswith(self._dropped)) or _is_cut(frame):
                    _decode(frame, found)
            begin = search = end + 4
        self._buffer = data[begin:] if begin else data
        self._searched = len(self._buffer)
        if len(self._buffer) > self._limit:
            self.oversize += not self._skipping
            self._skipping = True
            self._buffer = self._buffer[-3:]
            self._searched = 0
        return found

    def _greet(self, data: bytes) -> bytes:
        """Takes the greeting off; a stream that begins without one (a recording, a proxy that cut
        it away) is read from its first byte."""
        data = data.removeprefix(b"\xef\xbb\xbf")  # an editor's, at the head of a recording
        prefix = b"Asterisk Call Manager/"
        line, newline, rest = data.partition(b"\n")
        if newline or len(data) >= len(prefix):
            if not data.startswith(prefix):
                self.banner = ""
                return data
            if newline:
                self.banner = line.strip().decode("ascii", "replace")
                return rest
        elif not prefix.startswith(data):
            self.banner = ""
        return data


def _is_cut(frame: bytes) -> bool:
    """A channel is described, but not to the end: what comes next is a forger's (`cti.forgery`)."""
    return b"\r\nChannelState: " in frame and b"\r\nLinkedid: " not in frame


def _decode(frame: bytes, found: list[Message]) -> None:
    try:
        text = frame.decode()
        pairs = [line.split(": ", 1) for line in text.split("\r\n")]
        headers: dict[str, str] = dict(pairs)  # raises for a line without a separator
    except ValueError:
        _decode_carefully(frame, found)
        return
    # A translate that deletes nothing is the cheapest test for a stray control character: the
    # only ones that may stand here are the line ends, two bytes for each line but the last.
    if len(frame.translate(None, _CONTROL)) != len(frame) - 2 * (len(pairs) - 1):
        _decode_carefully(frame, found)
    elif len(headers) == len(pairs):
        found.append(Message(headers))
    else:
        found.append(_with_repeated(headers, pairs))


def _with_repeated(headers: dict[str, str], pairs: list[list[str]]) -> Message:
    """A frame in which keys come more than once: channel variables, lines of output."""
    repeated: dict[str, list[str]] = {}
    left = len(pairs) - len(headers)
    for key in _REPEATABLE:
        if key in headers:
            values = [value for name, value in pairs if name == key]
            if len(values) > 1:
                headers[key] = values[0]
                repeated[key] = values
                left -= len(values) - 1
    if not left:
        return Message(headers, repeated)
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    repeated = {key: values for key, values in found.items() if len(values) > 1}
    odd = tuple(f"{key} twice" for key in repeated if key not in _REPEATABLE)
    return Message({key: values[0] for key, values in found.items()}, repeated, odd)


def _decode_carefully(frame: bytes, found: list[Message]) -> None:
    oddities: list[str] = []
    try:
        text = frame.decode()
    except UnicodeDecodeError:
        text = frame.decode(errors="replace")
        oddities.append("invalid UTF-8")
    headers: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line:
            # Only bare line feeds can make an empty line inside a frame. Asterisk's own stray
            # ones stand beside a reply; a forger's begin a frame of their own.
            oddities.append("bare line feed")
            if headers:
                found.append(Message(headers, repeated or None, tuple(oddities)))
                headers, repeated = {}, {}
            continue
        key, colon, value = line.partition(":")
        key = key.strip()
        if not colon or not key:
            oddities.append("line without a key")
            continue
        value = value.removeprefix(" ")
        if key not in headers:
            headers[key] = value
            continue
        repeated.setdefault(key, [headers[key]]).append(value)
        if key not in _REPEATABLE:
            oddities.append(f"{key} twice")
    stripped = text.replace("\r\n", "")
    if "\n" in stripped:
        oddities.append("bare line feed")
    if any(char < " " or char == "\x7f" for char in stripped if char != "\n"):
        oddities.append("control character")
    if headers:
        found.append(Message(headers, repeated or None, tuple(dict.fromkeys(oddities))))


def encode(action: str, fields: Mapping[str, str | int | Iterable[str]], action_id: str) -> bytes:
    """The bytes of one action. A field with several values becomes several lines.

    Raises `ActionError` for CR, LF or NUL anywhere, a line over `LINE_LIMIT` bytes, or too many
    lines: Asterisk would run the rest of such a value as an action of its own.
    """
    lines = [_line("Action", action), _line("ActionID", action_id)]
    for key, value in fields.items():
        values = (value,) if isinstance(value, str | int) else value
        lines += [_line(key, str(item)) for item in values]
    if len(lines) > HEADERS_LIMIT:
        raise ActionError(f"{action}: {len(lines)} lines, Asterisk takes {HEADERS_LIMIT}")
    return b"".join(lines) + b"\r\n"


def _line(key: str, value: str) -> bytes:
    line = f"{key}: {value}"
    if any(char in line for char in "\r\n\0"):
        raise ActionError(f"{key}: carriage return, line feed or NUL in the value")
    if not key or ":" in key or key != key.strip():
        raise ActionError(f"{key!r} is no key")
    data = line.encode(errors="strict")
    if len(data) > LINE_LIMIT - 2:
        raise ActionError(f"{key}: {len(data)} bytes, Asterisk takes {LINE_LIMIT - 2} in a line")
    return data + b"\r\n"


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def unescape(value: str) -> str:
    """A caller's name as it was before Asterisk wrote it with C escapes.

    Channel events carry names so; queue entries, originate answers and user events carry them as
    they are, and must not be passed through here.
    """
    if "\\" not in value:
        return value
    parts, chars = [], iter(value)
    for char in chars:
        if char == "\\":
            char = next(chars, "\\")
            char = _ESCAPES.get(char, char)
        parts.append(char)
    return "".join(parts)
