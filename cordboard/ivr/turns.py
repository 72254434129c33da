"""What passes between the interpreter and whoever runs a script. Pure records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cordboard.ivr.answers import Keys
from cordboard.ivr.position import Position
from cordboard.ivr.speech import Piece
from cordboard.ivr.steps import Ask, Menu, Record

# What a runner is to do


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said, as a voice has it and as it is read."""

    pieces: tuple[Piece, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    step: str
    speech: Speech
    bargein: bool


@dataclass(frozen=True, slots=True)
class Collect:
    """Say it and listen for keys. On a form it is `ask` or `menu` that is answered; both are None
    where the question is one of ours, which only the telephone asks."""

    step: str
    speech: Speech
    keys: Keys
    ask: Ask | None = None
    menu: Menu | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """Record what the caller says."""

    step: str
    speech: Speech
    record: Record
    ask: Ask | None = None
    """A question that a form has typed."""


@dataclass(frozen=True, slots=True)
class Find:
    """Look up a customer. `pin` is what he entered, None where none is asked for."""

    step: str
    by: Literal["caller", "phone", "account"]
    value: str
    attribute: str
    pin: str | None = None

    def __repr__(self) -> str:
        return f"Find({self.step!r}, {self.by!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """Ask another system."""

    step: str
    method: str
    url: str
    body: Mapping[str, Any] | None
    secret: str | None
    deadline: float
    save: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dial:
    """Call `number` while the caller waits."""

    step: str
    number: str
    seconds: int


@dataclass(frozen=True, slots=True)
class CallBack:
    """Call the caller back at `number` in his turn in `queue`."""

    step: str
    number: str
    queue: str


@dataclass(frozen=True, slots=True)
class Go:
    """The call goes on elsewhere, and the script is over unless that `Failed`."""

    step: str
    target: str
    to: str


@dataclass(frozen=True, slots=True)
class End:
    """The script is over: say this, if anything, and hang up."""

    step: str
    speech: Speech
    outcome: Literal["completed", "hung-up", "failed"]


Action = Say | Collect | Take | Find | Request | Dial | CallBack | Go | End


# What became of it


@dataclass(frozen=True, slots=True)
class Done:
    """It was said."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """What was pressed, without the terminator; empty where nothing was."""

    digits: str

    def __repr__(self) -> str:
        return f"Keyed({len(self.digits)} digits)"


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed or chosen on a form; empty where it was left out."""

    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Nothing was said where `file` is empty."""

    file: str
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Found:
    customer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Missing:
    """There is nobody, or the PIN is another."""


@dataclass(frozen=True, slots=True)
class Answered:
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialled:
    status: Literal["answered", "noanswer", "busy"]


@dataclass(frozen=True, slots=True)
class Refused:
    """He is not called back."""


@dataclass(frozen=True, slots=True)
class Failed:
    why: str


@dataclass(frozen=True, slots=True)
class HungUp:
    pass


Outcome = (
    Done
    | Keyed
    | Given
    | Recorded
    | Found
    | Missing
    | Answered
    | Dialled
    | Refused
    | Failed
    | HungUp
)


# What is to be remembered of it


@dataclass(frozen=True, slots=True)
class Passed:
    """A step was left. `way` is a key of a menu, `next`, `skip`, `goto`, `noinput`, `nomatch`,
    `error`, `missing`, `found`, `noanswer`, `busy`, `answered`, `taken`, `refused`, `declined`,
    `hangup`, `route` or `end`."""

    step: str
    way: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, to be stored; a later one to the same question replaces it."""

    question: str
    step: str
    kind: str
    value: str
    file: str | None = None
    scale: str | None = None


@dataclass(frozen=True, slots=True)
class NeverAgain:
    """This person does not want to be asked any more: this, or where `all` anything."""

    all: bool


Note = Passed | Kept | NeverAgain


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do next, where the script stands until it is done, and what happened before."""

    position: Position
    action: Action
    notes: tuple[Note, ...] = ()

    @property
    def is_over(self) -> bool:
        return isinstance(self.action, End)
