"""What becomes of a respondent, step by step: one table of transitions. Pure.

An operator has a person from `take` on until there is a result, the person goes back to the list,
or a call in vain says when it is worth trying again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from cordboard.crm_core.model import Respondent, RespondentList, RespondentState

Step = Literal[
    "take",
    "release",
    "exclude",
    "dial",
    "unplaced",
    "no-answer",
    "busy",
    "answer",
    "hang-up",
    "done",
    "refused",
    "wrong-number",
    "callback",
]
"""`unplaced`: the person was not called at all, since the operator's own phone was not answered, or
was put down at once. `exclude`: the person must not be called."""

Result = Literal["done", "refused", "no-answer", "wrong-number", "callback"]
RESULTS: tuple[Result, ...] = ("done", "refused", "callback", "no-answer", "wrong-number")
"""What an operator may say of a talk. `no-answer`: a machine took the call."""

OPEN: tuple[RespondentState, ...] = ("waiting", "no-answer", "busy", "callback")
"""Who may be given to an operator when it is time."""
HELD: tuple[RespondentState, ...] = ("taken", "dialled", "talking", "talked")
"""Who is an operator's."""
OVER: tuple[RespondentState, ...] = (
    "done",
    "refused",
    "wrong-number",
    "given-up",
    "do-not-call",
)
STATES: tuple[RespondentState, ...] = OPEN + HELD + OVER

_SAID: dict[Step, RespondentState] = {
    "done": "done",
    "refused": "refused",
    "wrong-number": "wrong-number",
    "callback": "callback",
    "no-answer": "no-answer",
}
TRANSITIONS: dict[RespondentState, dict[Step, RespondentState]] = {
    **{state: {"take": "taken", "exclude": "do-not-call"} for state in OPEN},
    "taken": {
        "dial": "dialled",
        "release": "waiting",
        "exclude": "do-not-call",
        "refused": "refused",
        "wrong-number": "wrong-number",
        "callback": "callback",
    },
    "dialled": {
        "answer": "talking",
        "no-answer": "no-answer",
        "busy": "busy",
        "unplaced": "taken",
    },
    "talking": {"hang-up": "talked", **_SAID},
    "talked": {"dial": "dialled", **_SAID},
}
"""A person is called again at once where the line broke. Whatever is not here does not happen."""

UNWRITTEN = "unwritten"
"""The result of a talk of which the operator never said one, or not yet when he called again."""


class StepError(Exception):
    """There is no such step from here."""


def after(
    respondent: Respondent,
    step: Step,
    whose: RespondentList,
    now: float,
    *,
    operator: str | None = None,
    due_at: float | None = None,
    due_for: str | None = None,
    result: str | None = None,
) -> Respondent:
    """The respondent after this step. `operator` is who takes; a callback is due `due_at`, for
    this operator or anybody. Raises `StepError`."""
    state = TRANSITIONS.get(respondent.state, {}).get(step)
    if state is None:
        raise StepError(f"no {step} from {respondent.state}")
    if respondent.state == "dialled" and respondent.result == UNWRITTEN and state != "talking":
        state = "talked"  # there was a talk, whatever came of calling once more
    next_one = replace(respondent, state=state, revision=respondent.revision + 1)
    if state in HELD:
        if step == "take":
            next_one = replace(next_one, taken_by=operator, taken_at=now)
        elif step == "dial":
            next_one = replace(next_one, dials=respondent.dials + 1)
            if respondent.state == "talked":
                next_one = replace(next_one, result=UNWRITTEN)
        return next_one
    next_one = replace(next_one, taken_by=None, taken_at=None)
    if step == "release":
        return replace(next_one, state=_standing(respondent))
    said = result or (step if state != "do-not-call" else state)
    next_one = replace(next_one, result=said, due_at=None, due_for=None)
    if step == "callback":
        return replace(next_one, due_at=due_at, due_for=due_for)
    if state in ("no-answer", "busy"):
        next_one = replace(next_one, tries=respondent.tries + 1)
        if next_one.tries < whose.tries:
            return replace(next_one, due_at=now + whose.again_minutes * 60)
        next_one = replace(next_one, state="given-up")
    return replace(next_one, ended_at=now)


def can(respondent: Respondent, step: Step) -> bool:
    return step in TRANSITIONS.get(respondent.state, {})


def _standing(respondent: Respondent) -> RespondentState:
    """How somebody waits who was let go, as before."""
    for state in OPEN:
        if state == respondent.result:
            return state
    return "waiting"
