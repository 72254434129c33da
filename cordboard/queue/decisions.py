"""What the policy may say of a call: where it goes, how long it waits, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cordboard.events import QueueName

Action = Literal["queue", "number", "message", "voicemail", "script"]
Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence of why: `code` and `args` for a program, `text` by language where the rule
    file gave it."""

    code: str
    args: dict[str, str]
    text: Texts | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How busy a queue is at a moment. Waits are in seconds; `estimated_wait` is that of a caller
    who would join now, None where nothing is known yet. `ready` are the operators who could take
    a call at once."""

    waiting: int
    longest_wait: float
    estimated_wait: float | None
    ready: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A priority that grows with the wait: `by` more each `every` seconds, `up_to` at most."""

    by: int
    every: float
    up_to: int

    def at(self, base: int, waited: float) -> int:
        """The priority after `waited` seconds of one that was `base`; never under it."""
        return max(base, min(self.up_to, base + self.by * int(waited // self.every)))

    def next(self, base: int, waited: float) -> float | None:
        """How many seconds of waiting after `waited` it takes to grow again; None where it has
        grown as far as it may."""
        if self.at(base, waited) >= self.up_to:
            return None
        return self.every - waited % self.every


@dataclass(frozen=True, slots=True)
class Personal:
    """Who is rung before the queue, while the caller's place in it is kept. `desk` is a phone's
    interface such as PJSIP/1001; `mobile` is E.164, and only a digit takes the call there. Each of
    them rings for `seconds` at most."""

    who: Literal["manager", "last-operator", "operator"]
    name: str
    desk: str | None
    mobile: str | None
    seconds: int


@dataclass(frozen=True, slots=True)
class Penalties:
    """Which members of the queue serve this caller: those whose penalty, which is how far they
    are from his matter, lies between. Asterisk's QUEUE_MIN_PENALTY, QUEUE_MAX_PENALTY and
    QUEUE_RAISE_PENALTY."""

    least: int | None = None
    most: int | None = None
    at_least: int | None = None

    def counted(self, penalty: int) -> int:
        """What a member's penalty counts as for this caller."""
        return max(penalty, self.at_least or 0)

    def allow(self, penalty: int) -> bool:
        """Whether a member with this penalty may serve the caller."""
        counted = self.counted(penalty)
        return (self.least or 0) <= counted and (self.most is None or counted <= self.most)


@dataclass(frozen=True, slots=True)
class Overflow:
    """What becomes of a caller who has waited for `after` seconds: `to` is a queue, a number in
    E.164, a mailbox, or a sound."""

    after: int
    kind: Literal["queue", "number", "voicemail", "message"]
    to: str


@dataclass(frozen=True, slots=True)
class CallbackOffer:
    """After `after` seconds of waiting the caller may hang up and be called back in his turn, at
    hours that allow it (`hours` of the local day, as 09:00-21:00)."""

    after: int
    hours: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a `script` that the caller has been through wants the call to go: `target` is a kind,
    such as queue or manager, and `to` what it is called, empty where the kind says it all (of a
    queue: the rule file's default). `rules` leaves it to the rules. `language` is the one in which
    the script has talked to him."""

    script: str
    target: Literal["queue", "operator", "manager", "number", "voicemail", "rules"]
    to: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the call goes. `queue` and what follows it are those of the action `queue`, and of
    the way back to it from any other; `to` is the number (E.164), the sound, the mailbox or the
    script of the action of that name. `rule` is None where none held; `policy` is the fingerprint
    of the rule file that was in force."""

    action: Action
    queue: QueueName
    priority: int
    language: str
    reasons: tuple[Reason, ...]
    to: str | None = None
    growth: Growth | None = None
    penalties: Penalties | None = None
    personal: Personal | None = None
    overflow: Overflow | None = None
    callback: CallbackOffer | None = None
    rule: str | None = None
    policy: str = ""
