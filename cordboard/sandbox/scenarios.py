"""SIPp scenarios, as XML text.

SIPp's own `<pause>` hears nothing while it lasts. So every wait here is a `<recv>` for what may
come meanwhile (CANCEL, BYE) with a timeout that leads on.

A phone that talks also takes *orders*: requests with methods of our own (`line.Line` sends them),
each of which makes it send what a phone sends when its user presses that button.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Answers = Literal["answer", "busy", "reject", "away", "no-answer", "forward"]
_REFUSALS = {
    "busy": "486 Busy Here",
    "reject": "603 Decline",
    "away": "480 Temporarily Unavailable",
}
_NEVER = 3600.0


@dataclass(frozen=True)
class Manner:
    """How a phone treats one call. Times in seconds.

    `talk` counts from the answer; after it the phone hangs up itself, unless the other side did.
    `digits` are pressed `digits_after` seconds after the answer. With `hold` (after, for) the
    phone puts the caller on hold that long after the answer or the digits, and takes him back.
    A phone that answers `forward` sends the call on to `forward_to`. With several manners a
    phone draws one for each call, by `weight`.
    """

    answers: Answers = "answer"
    ring: float = 1.0
    talk: float = _NEVER
    digits: str = ""
    digits_after: float = 1.0
    hold: tuple[float, float] | None = None
    forward_to: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        _digits(self.digits)
        _digits(self.forward_to)
        if min(self.ring, self.talk, self.digits_after, self.weight, *(self.hold or (0,))) < 0:
            raise ValueError(f"negative time or weight: {self}")


def phone(manners: Sequence[Manner], *, audio: str | None) -> str:
    """Takes calls for ever. `audio`: a file of A-law that it sends while it talks."""
    if not manners:
        raise ValueError("a phone needs at least one manner")
    total = sum(manner.weight for manner in manners)
    parts = [
        _recv_invite(),
        _send(f"SIP/2.0 180 Ringing\n{_ECHO}\n{_CONTACT}\nContent-Length: 0"),
    ]
    left = total
    for number, manner in enumerate(manners[:-1]):
        parts.append(f'<nop next="m{number}" chance="{manner.weight / left:.6f}"/>')
        left -= manner.weight
    parts.append(f'<nop next="m{len(manners) - 1}"/>')
    for number, manner in enumerate(manners):
        parts += _treat(f"m{number}", manner, audio)
    # SIPp refuses a scenario with a variable that is only set, as in a phone that never answers.
    return _scenario("phone", [*parts, '<Reference variables="peer"/>'])


def _treat(label: str, manner: Manner, audio: str | None) -> list[str]:
    answers = manner.answers
    ring = _NEVER if answers == "no-answer" else manner.ring
    parts = [
        f'<label id="{label}"/>',
        f'<recv request="CANCEL" timeout="{_ms(ring)}" ontimeout="{label}a"'
        f' next="{label}c"></recv>',
        f'<label id="{label}c"/>',
        _send(f"SIP/2.0 200 OK\n{_ECHO_LAST}\nContent-Length: 0"),
        _send(f"SIP/2.0 487 Request Terminated\n{_ECHO}\nContent-Length: 0", retrans=True),
        '<recv request="ACK" next="end"></recv>',
        f'<label id="{label}a"/>',
    ]
    if answers != "answer":
        refusal = _REFUSALS.get(answers, "480 Temporarily Unavailable")
        if answers == "forward":
            contact = f"Contact: <sip:{manner.forward_to}@[remote_ip]:[remote_port]>"
            refusal = f"302 Moved Temporarily\n{contact}"
        return [
            *parts,
            _send(f"SIP/2.0 {refusal}\n{_ECHO}\nContent-Length: 0", retrans=True),
            '<recv request="ACK" next="end"></recv>',
        ]
    return [
        *parts,
        _send(f"SIP/2.0 200 OK\n{_ECHO}\n{_CONTACT}\n{_SDP}", retrans=True),
        '<recv request="ACK"></recv>',
        _log("line [call_id] [pid]p[call_number] [$peer]"),
        *_audio(audio),
        *_talk(label, manner.digits, manner.digits_after, manner.talk, _IN_CALLED, manner.hold),
    ]


@dataclass(frozen=True)
class Dialling:
    """One call to make. Times in seconds.

    `patience` is how long it may stay unanswered before the caller cancels; `stay` is how long
    he keeps an answered call before he hangs up. `ear` is the port to which the PBX sends its
    sound, where somebody else than SIPp listens.
    """

    number: str
    name: str
    to: str
    patience: float = 60.0
    stay: float = _NEVER
    digits: str = ""
    digits_after: float = 1.0
    ear: int = 0
    user: str | None = None  # a registered phone's name, which proves itself with `secret`
    secret: str = ""

    def __post_init__(self) -> None:
        _digits(self.digits)
        for text in (self.number, self.name, self.to, self.user or "", self.secret):
            # `[` begins SIPp's own words, `]]>` would end the XML, line ends the header.
            if any(character in text for character in "[]\r\n\0"):
                raise ValueError(f"not for a SIPp scenario: {text!r}")


def caller(call: Dialling, *, audio: str | None) -> str:
    """Makes one call and tells each step in its log: `answered`, `refused 486`, `bye us|them`."""
    name = call.name.replace("\\", "\\\\").replace('"', '\\"')
    sender = f'"{name}" <sip:{call.number}@[local_ip]>;tag=[pid]c[call_number]'
    head = (
        f"From: {sender}\nTo: <sip:{call.to}@[remote_ip]:[remote_port]>{{tag}}\n"
        "Call-ID: [call_id]\nMax-Forwards: 70"
    )
    uri = f"sip:{call.to}@[remote_ip]:[remote_port]"
    contact = f"Contact: <sip:{call.user or 'caller'}@[local_ip]:[local_port]>"
    via = "Via: SIP/2.0/UDP [local_ip]:[local_port];branch="
    sdp = _SDP.replace("[media_port]", str(call.ear)) if call.ear else _SDP
    untagged = head.format(tag="")

    def invite(cseq: int, extra: str) -> str:
        return _send(
            f"INVITE {uri} SIP/2.0\n{via}[branch]\n{untagged}\nCSeq: {cseq} INVITE\n"
            f"{contact}\n{extra}{sdp}",
            retrans=True,
        )

    def acked(cseq: int) -> str:
        return _send(
            f"ACK {uri} SIP/2.0\n[last_Via:]\n{head.format(tag='[peer_tag_param]')}\n"
            f"CSeq: {cseq} ACK\nContent-Length: 0"
        )

    parts = [invite(1, "")]
    cseq = 1
    if call.user is not None:
        parts += [
            '<recv response="100" optional="true"></recv>',
            '<recv response="401" auth="true"></recv>',
            acked(1),
            invite(2, f"[authentication username={call.user} password={call.secret}]\n"),
        ]
        cseq = 2
    # SIPp looks at the time limit of the first of the alternatives only: each one carries it.
    limit = f'timeout="{_ms(call.patience)}" ontimeout="cancel"'
    line = '<log message="line [call_id] [pid]c[call_number] [peer_tag_param]"/>'
    provisional = [
        f'<recv response="{code}" optional="true" {limit}>'
        f"{f'<action>{line}</action>' if code == 180 else ''}</recv>"
        for code in (100, 180, 181, 182, 183)
    ]
    refusals = [
        f'<recv response="{code}" optional="true" {limit} next="refused">'
        f'<action><log message="refused {code}"/></action></recv>'
        for code in (400, 403, 404, 408, 480, 484, 486, 488, 500, 501, 502, 503, 600, 603)
    ]
    parts += [
        *provisional,
        *refusals,
        f'<recv response="200" rrs="true" {limit} next="answered">'
        f'<action><log message="answered"/>{line}</action></recv>',
        # Given up before the answer. It may come all the same, on the wire at the same time.
        '<label id="cancel"/>',
        _log("cancelled"),
        _send(
            f"CANCEL {uri} SIP/2.0\n[last_Via:]\n{untagged}\nCSeq: {cseq} CANCEL\n"
            "Content-Length: 0",
            retrans=True,
        ),
        '<recv response="200"></recv>',
        '<recv response="487" next="refused"></recv>',
        '<label id="refused"/>',
        _send(
            f"ACK {uri} SIP/2.0\n[last_Via:]\n{head.format(tag='[peer_tag_param]')}\n"
            f"CSeq: {cseq} ACK\nContent-Length: 0"
        ),
        '<nop next="end"/>',
        '<label id="answered"/>',
        _send(
            f"ACK [next_url] SIP/2.0\n{via}[branch]\n"
            f"{head.format(tag='[peer_tag_param]')}\nCSeq: {cseq} ACK\nContent-Length: 0"
        ),
        *_audio(audio),
        *_talk(
            "t",
            call.digits,
            call.digits_after,
            call.stay,
            f"From: {sender}\nTo: <sip:{call.to}@[remote_ip]:[remote_port]>[peer_tag_param]",
        ),
    ]
    return _scenario("caller", parts)


def register(*, expires: int) -> str:
    """Registers each line of the data file `user;secret;port`; `expires` 0 takes it back."""
    request = (
        "REGISTER sip:[remote_ip]:[remote_port] SIP/2.0\n"
        "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]\n"
        "From: <sip:[field0]@[remote_ip]>;tag=[pid]r[call_number]\n"
        "To: <sip:[field0]@[remote_ip]>\nCall-ID: [call_id]\nCSeq: {cseq} REGISTER\n"
        "Contact: <sip:[field0]@[local_ip]:[field2]>\nMax-Forwards: 70\n"
        f"Expires: {expires}\n{{auth}}Content-Length: 0"
    )
    proof = "[authentication username=[field0] password=[field1]]\n"
    return _scenario(
        "register",
        [
            _send(request.format(cseq=1, auth=""), retrans=True),
            '<recv response="401" auth="true"></recv>',
            _send(request.format(cseq=2, auth=proof), retrans=True),
            '<recv response="200"></recv>',
        ],
    )


# ---- pieces ---------------------------------------------------------------------------------

_CONTACT = "Contact: <sip:[local_ip]:[local_port]>"
# The INVITE's own headers, kept since: other requests come in between.
_ECHO = (
    "Via:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]p[call_number]\nCall-ID: [call_id]\nCSeq:[$cseq]"
)
_ECHO_LAST = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]"
# What an order asks for, and the CSeq of the request that it makes the phone send.
_ORDERED = "".join(
    f'<ereg regexp="[^ ]+" search_in="hdr" header="{header}:" assign_to="{name}"/>'
    for header, name in (("X-Goal", "goal"), ("X-Number", "number"))
)
_NUMBER = "[$number]"
_IN_CALLED = "From:[$to];tag=[pid]p[call_number]\nTo:[$from]"
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 53655765 2353687637 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20"""


def _recv_invite() -> str:
    kept = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{header}:" assign_to="{name}"/>'
        for header, name in (("Via", "via"), ("From", "from"), ("To", "to"), ("CSeq", "cseq"))
    )
    kept += '<ereg regexp=";tag=[^;]+" search_in="hdr" header="From:" assign_to="peer"/>'
    return f'<recv request="INVITE" rrs="true"><action>{kept}</action></recv>'


def _talk(
    label: str,
    digits: str,
    digits_after: float,
    talk: float,
    head: str,
    hold: tuple[float, float] | None = None,
) -> list[str]:
    """From the answer to the end: by the other side, or by us after `talk` seconds."""

    def request(method: str, cseq: int | str, body: str) -> str:
        return _send(
            f"{method} [next_url] SIP/2.0\n"
            # SIPp's branch tells steps of the scenario apart, not their repetitions.
            f"Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]-{cseq}\n"
            f"{head}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\nMax-Forwards: 70\n{body}",
            retrans=True,
        )

    def wait(step: str, seconds: float, orders: Sequence[str] = ()) -> list[str]:
        """Listen for that long; a BYE ends the call, a re-INVITE is agreed to."""
        limit = f'timeout="{_ms(seconds)}" ontimeout="{label}{step}o"'
        return [
            f'<label id="{label}{step}"/>',
            f'<recv request="INVITE" optional="true" {limit} next="{label}{step}r"></recv>',
            f'<recv request="UPDATE" optional="true" {limit} next="{label}{step}u"></recv>',
            f'<recv request="NOTIFY" optional="true" {limit} next="{label}{step}n"></recv>',
            *(
                f'<recv request="{order}" optional="true" {limit} next="{label}{order}">'
                f"<action>{_ORDERED}</action></recv>"
                for order in orders
            ),
            f'<recv request="BYE" {limit} next="{label}bye">'
            '<action><log message="bye them"/></action></recv>',
            f'<label id="{label}{step}r"/>',
            _send(f"SIP/2.0 200 OK\n{_ECHO_LAST}\n{_CONTACT}\n{_SDP}", retrans=True),
            f'<recv request="ACK" next="{label}{step}"></recv>',
            f'<label id="{label}{step}u"/>',
            _send(f"SIP/2.0 200 OK\n{_ECHO_LAST}\n{_CONTACT}\n{_SDP}"),
            f'<nop next="{label}{step}"/>',
            f'<label id="{label}{step}n"/>',
            _send(f"SIP/2.0 200 OK\n{_ECHO_LAST}\nContent-Length: 0"),
            f'<nop next="{label}{step}"/>',
            f'<label id="{label}{step}o"/>',
        ]

    def reinvite(cseq: int | str, direction: str) -> list[str]:
        return [
            request("INVITE", cseq, f"{_CONTACT}\n{_SDP}\na={direction}"),
            '<recv response="100" optional="true"></recv>',
            '<recv response="200"></recv>',
            request("ACK", cseq, "Content-Length: 0").replace(' retrans="500"', ""),
        ]

    def press(cseq: int | str, digit: str) -> list[str]:
        body = (
            "Content-Type: application/dtmf-relay\nContent-Length: [len]\n\n"
            f"Signal={digit}\nDuration=160\n"
        )
        return [request("INFO", cseq, body), '<recv response="200"></recv>']

    refer = request("REFER", _NUMBER, f"{_CONTACT}\nRefer-To:[$goal]\nContent-Length: 0")
    obeys = {
        "HOLD": reinvite(_NUMBER, "sendonly"),
        "RETRIEVE": reinvite(_NUMBER, "sendrecv"),
        "PRESS": [*press(_NUMBER, "[$goal]"), _log(f"pressed {_NUMBER}")],
        "TRANSFER": [refer, '<recv response="202"></recv>'],
    }

    parts: list[str] = []
    for number, digit in enumerate(digits):
        parts += wait(f"d{number}", digits_after if number == 0 else 0.3)
        parts += press(10 + number, digit)
    for number, seconds in enumerate(hold or ()):
        parts += wait(f"h{number}", seconds)
        parts += reinvite(50 + number, ("sendonly", "sendrecv")[number])
    parts += wait("w", talk, [*obeys, "HANGUP"])
    parts.append(f'<nop next="{label}HANGUP"/>')
    for order, steps in obeys.items():
        parts += [f'<label id="{label}{order}"/>', *steps, f'<nop next="{label}w"/>']
    return [
        *parts,
        f'<label id="{label}HANGUP"/>',
        _log("bye us"),
        request("BYE", 90, "Content-Length: 0"),
        # Both may hang up at once: answer theirs, ours is answered too.
        f'<recv request="BYE" optional="true" next="{label}bye"></recv>',
        '<recv response="200" next="end"></recv>',
        f'<label id="{label}bye"/>',
        _send(f"SIP/2.0 200 OK\n{_ECHO_LAST}\nContent-Length: 0"),
        '<nop next="end"/>',
    ]


def _audio(path: str | None) -> list[str]:
    if path is None:
        return []
    return [f'<nop><action><exec rtp_stream="{path},-1,8,PCMA/8000"/></action></nop>']


def _log(words: str) -> str:
    return f'<nop><action><log message="{words}"/></action></nop>'


def _send(message: str, *, retrans: bool = False) -> str:
    # SIPp sends the text as it stands between the marks, each line ended with CR LF.
    repeat = ' retrans="500"' if retrans else ""
    tail = "\n" if "\n\n" in message else "\n\n"
    return f"<send{repeat}><![CDATA[\n\n{message}{tail}]]></send>"


def _scenario(name: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        f'<scenario name="{name}">\n{body}\n<label id="end"/>\n</scenario>\n'
    )


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _digits(text: str) -> None:
    if any(digit not in "0123456789*#ABCD" for digit in text):
        raise ValueError(f"not DTMF digits: {text!r}")
