"""What people ask for of a call at their consoles, as the command that does it. Pure.

Who may ask for what was settled before (screenpop.api).
"""

from __future__ import annotations

import json
from typing import Any

from cordboard.crm_core.model import AuditRecord
from cordboard.desk.commands import Audit, Command, HangUp, SaveWrapUp, Tell
from cordboard.desk.facts import ActionAsked
from cordboard.desk.model import Call
from cordboard.desk.refusals import refusal
from cordboard.events import CallId

AUDITED = frozenset({("call", "move")})
"""What is written down, with its reason, before it is done; so is all that is done to another
operator."""


def is_audited(asked: ActionAsked) -> bool:
    forced = asked.kind == "operator" and asked.actor != asked.target
    return forced or (asked.kind, asked.action) in AUDITED


def audited(asked: ActionAsked, before: dict[str, Any], now: float) -> Audit:
    """The command to write down who asks for what, and why; `before` is how things stand."""
    record = AuditRecord(
        asked.id,
        now,
        asked.actor,
        asked.role,
        asked.kind,
        asked.action,
        asked.target,
        asked.reason,
        json.dumps(before, ensure_ascii=False),
        json.dumps(asked.args, ensure_ascii=False),
    )
    return Audit(asked, record)


def command_for(asked: ActionAsked, call: Call | None) -> Command:
    """`call` is what the action is aimed at, None where there is none. What cannot be done is
    answered at once, in words."""
    match asked.kind, asked.action:
        case "call", "wrapup":
            # Also for a call that is over and forgotten: the store knows it.
            return SaveWrapUp(
                asked.id,
                asked.actor,
                CallId(asked.target),
                asked.args.get("customer"),
                str(asked.args.get("note", "")),
                asked.args.get("result"),
                bool(asked.args.get("first", False)),
            )
        case "call", "hangup":
            if call is None or call.state == "ended":
                return Tell(asked.id, asked.actor, refusal("call-over"))
            return HangUp(asked.id, asked.actor, call.pbx, call.channel, call.uniqueid)
        case "call", "move":
            return Tell(asked.id, asked.actor, _not_waiting(call))
    return Tell(asked.id, asked.actor, refusal("no-such-action", action=asked.action))


def _not_waiting(call: Call | None) -> str:
    if call is None or call.state == "ended":
        return refusal("caller-hung-up")
    if call.state == "talking":
        return refusal("caller-answered")
    return refusal("caller-not-waiting")
