"""What people ask for of a call at their consoles, as the command that does it. Pure.

Who may ask for what was settled before (screenpop.api).
"""

from __future__ import annotations

from cordboard.desk import ActionAsked, Call, Command, HangUp, SaveWrapUp, Tell
from cordboard.events import CallId


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
                return Tell(asked.id, asked.actor, "the call is over")
            return HangUp(asked.id, asked.actor, call.pbx, call.channel, call.uniqueid)
    return Tell(asked.id, asked.actor, f"no such action: {asked.action}")
