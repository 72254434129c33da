"""Why a call went another way than was decided, as the dialplan tells it. Pure."""

from __future__ import annotations

from cordboard.cti.facts import Detour, Detoured
from cordboard.desk.model import Call
from cordboard.queue.decisions import Reason

_FALLBACKS = {"SUCCESS": "interrupted", "HANGUP": "late"}
"""AGISTATUS, in our words. A server that dies half way is SUCCESS to Asterisk, one that hangs until
the lease is over is HANGUP; every other one was never reached."""

_DETOURS: dict[Detour, str] = {
    "callback": "callback-not-taken",
    "transfer": "transfer-not-taken",
    "number": "number-not-reached",
    "voicemail": "voicemail-failed",
    "script": "script-failed",
    "overflow": "overflow",
}


def reason(fact: Detoured, call: Call) -> Reason:
    """What befell the call, for its card and its timeline."""
    match fact.kind:
        case "fallback" if fact.where:
            script, _, step = fact.where.partition("/")
            return interrupted(script, step)
        case "fallback":
            return Reason("fallback", {"how": _FALLBACKS.get(fact.status, "unreachable")})
        case "manager":
            first = call.personal
            whose = {"who": first.who, "operator": first.name} if first else {}
            where = fact.where or "mobile"
            return Reason("manager-not-reached", {"status": fact.status, "where": where, **whose})
    return Reason(_DETOURS[fact.kind], {"status": fact.status})


def interrupted(script: str, step: str) -> Reason:
    """We were gone, or too slow, while the caller was at this step of a script."""
    return Reason("fallback", {"how": "script", "script": script, "step": step})
