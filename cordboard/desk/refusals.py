"""Why something that was asked for is not done: a sentence for people, and the code behind it with
what it names, for pages that say it in their reader's language. Pure.

Whoever refuses makes the sentence here, and it travels as a sentence: through facts, recordings and
logs, and beside those that Asterisk or the database wrote.
"""

from __future__ import annotations

import functools
import re

REFUSALS = {
    # calls
    "call-over": "the call is over",
    "caller-answered": "the caller has already been answered",
    "caller-hung-up": "the caller has already hung up",
    "caller-left": "the caller has already left the queue",
    "caller-not-waiting": "the caller does not wait in a queue",
    "caller-first": "the caller is first already",
    "caller-last": "the caller is last already",
    "caller-on-the-way": "the caller is on the way to another place",
    "caller-not-moved": "the caller was not moved: he {said}",
    "too-many-alike": "too many stand there with the same priority: send the caller to the head",
    "moves-unknown": "this PBX cannot move callers who wait",
    "moves-need-release": "this PBX cannot move callers: it needs Asterisk 18.20, 20.5 or later",
    # calls from the desk
    "no-phone": "no phone belongs to this operator",
    "in-a-call": "this operator is in a call",
    "phone-unanswered": "your phone did not answer",
    "phone-not-there": "your phone did not take the call: it is busy, declined it, or is not there",
    "no-word": "the PBX did not say what became of it",
    "no-extension": "the PBX has no extension {number} in {context}",
    "link-broke": "the link to the PBX broke before the call was made",
    "link-lost": "the link to the PBX is lost; your phone may ring yet",
    # people of a list
    "respondent-gone": "this person is not yours any more",
    "respondent-state": "this cannot be done now: the person is {state}",
    "respondent-hours": "nobody of this list is called at this hour",
    "respondent-no-hours": "the list's calendar {hours} is not in the rule file",
    # states
    "no-desk": "this operator has neither a phone nor queues: see cordboard user",
    "no-queues": "no queues are set for this operator: see cordboard user change --queue",
    "choose-a-phone": "choose a phone to work at",
    "phone-is": "your phone is {phone}: log in there",
    "logged-in-at": "you are logged in at {phone}: log out there first",
    "phone-taken": "{name} works at {phone}: two cannot share a phone",
    "phone-fixed": "{phone} is a fixed member of {queues} in queues.conf",
    "phone-being-taken": "{name} is just logging in at {phone}",
    "logging-in": "you are just logging in",
    "phone-unknown": "the PBX has no phone {phone}",
    "member-fixed": "a fixed member of {queues} in queues.conf cannot log out there; pause instead",
    "not-logged-in": "this operator is not logged in",
    "no-queue-served": "this operator serves no queue",
    "no-wrapup": "there is no wrap-up to extend",
    "wrapup-limit": "a wrap-up may last {n} s at most",
    # whatever it was
    "no-link": "there is no link to the PBX; try again when it is back",
    "not-connected": "not connected to the PBX",
    "no-such-action": "no such action: {action}",
    "saved-elsewhere": "already saved on another device",
    "disk-full": "the server's disk is full: nothing was saved, try again later",
    "database-away": "the database is away: {said}",
}
OTHER = "other"
"""The code of what others wrote; `said` is it."""


def refusal(code: str, **args: object) -> str:
    """The sentence, in English. Raises `KeyError` for what is not in the table."""
    return REFUSALS[code].format(**args)


def read(sentence: str) -> tuple[str, dict[str, str]]:
    """The code behind a sentence, and what it names."""
    for code, pattern in _patterns().items():
        if found := pattern.fullmatch(sentence):
            return code, found.groupdict()
    return OTHER, {"said": sentence}


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {code: re.compile(_pattern(text), re.DOTALL) for code, text in REFUSALS.items()}


def _pattern(text: str) -> str:
    parts = re.split(r"{(\w+)}", text)
    return "".join(
        f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
