"""Messages of the stream as the board would publish them."""

from __future__ import annotations

from typing import Any

from cordboard.screenpop.views import Message, moment

NOW = 1_790_000_000.0


def call_id(number: int) -> str:
    return f"01900000-0000-7000-8000-{number:012d}"


def call(number: int, operator: str | None = None, state: str = "ringing", **more: Any) -> Message:
    return {
        "id": call_id(number),
        "linkedid": f"1790000000.{number}",
        "pbx": "pbx",
        "from": "+79161234567",
        "name": "Анна & <b>Co</b>",
        "to": "8800",
        "customer": {"id": call_id(99), "name": "Иван", "status": "vip"},
        "queue": "sales",
        "operator": operator,
        "direction": "in",
        "state": state,
        "cause": None,
        "started_at": moment(NOW + number),
        "answered_at": None,
        "ended_at": None,
        "unseen": [],
        **more,
    }


def call_message(number: int, operator: str | None = None, state: str = "ringing") -> Message:
    return {"type": "call", "call": call(number, operator, state)}


def pop(number: int, operator: str, of_call: int, **more: Any) -> Message:
    shown = call(of_call, None)
    keys = ("id", "linkedid", "from", "name", "to", "queue", "direction", "state", "unseen")
    return {
        "type": "screenpop",
        "id": f"pop-{number}",
        "operator": operator,
        "call": {key: shown[key] for key in keys},
        "customer": None,
        "history": [],
        "cases": [],
        "route": {"queue": "sales", "priority": 5, "action": "queue", "why": []},
        "path": [],
        "at": moment(NOW + number),
        **more,
    }


def pop_end(number: int, reason: str = "answered-elsewhere") -> Message:
    return {"type": "screenpop-end", "id": f"pop-{number}", "reason": reason}


def operator(name: str, state: str = "ready") -> Message:
    return {
        "name": name,
        "display_name": name.title(),
        "state": state,
        "since": moment(NOW),
        "reason": None,
        "call": None,
        "queues": ["sales"],
        "phone": f"PJSIP/{name}",
        "due": None,
        "at_most": None,
        "misses": 0,
    }


def operators(*changed: Message) -> Message:
    return {"type": "operators", "changed": list(changed)}


def queue(name: str, waiting: int = 0) -> Message:
    return {
        "name": name,
        "waiting": waiting,
        "longest_since": None,
        "service_level": {
            "percent": None,
            "threshold": 20,
            "short_abandon": 5,
            "answered": 0,
            "answered_in_time": 0,
            "abandoned": 0,
            "short_abandoned": 0,
        },
    }


def queues(*changed: Message) -> Message:
    return {"type": "queues", "changed": list(changed)}


def waiting(queue_name: str, *calls: int) -> Message:
    entries = [
        {
            "queue": queue_name,
            "call": call_id(number),
            "position": place,
            "name": "",
            "from": "+79161234567",
            "status": None,
            "priority": 0,
            "since": moment(NOW),
            "away": None,
            "why": [],
            "unseen": [],
            "callback": False,
        }
        for place, number in enumerate(calls, 1)
    ]
    return {"type": "waiting", "queue": queue_name, "entries": entries}


def alarm(kind: str, count: int = 1) -> Message:
    shown = {"kind": kind, "count": count, "detail": "", "since": moment(NOW), "last": moment(NOW)}
    return {"type": "alarm", "alarm": shown}


def missed(number: int, operator: str) -> Message:
    shown = {"id": f"missed-{number}-{operator}", "operator": operator, "call": call_id(number)}
    shown |= {"operator_name": operator.title(), "from": "+79161234567", "name": ""}
    more: Message = {"customer": None, "why": "not-taken", "at": moment(NOW + number)}
    more |= {"state": "open", "since": moment(NOW + number)}
    return {"type": "missed", "missed": shown | more}


def missed_end(number: int, operator: str) -> Message:
    return {"type": "missed-end", "id": f"missed-{number}-{operator}", "operator": operator}


def respondent(number: int, operator: str, state: str = "taken") -> Message:
    shown: Message = {"id": f"person-{number}", "operator": operator, "state": state}
    shown |= {"number": "+79161234567", "name": "", "attributes": {"city": "Омск"}}
    return {"type": "respondent", "respondent": shown}


def respondent_end(number: int, operator: str) -> Message:
    shown: Message = {"id": f"person-{number}", "operator": operator, "state": "done"}
    return {"type": "respondent-end", **shown, "result": "done", "due_at": None}


def alarm_end(kind: str) -> Message:
    return {"type": "alarm-end", "kind": kind}


def pbx(state: str, name: str = "pbx") -> Message:
    link = {"name": name, "state": state, "since": moment(NOW), "stale_since": None, "reason": ""}
    link["unavailable"] = []
    return {"type": "pbx", "pbx": link}


def notice(about: str, action: str = "pause") -> Message:
    said = {"by": "olga", "by_name": "Olga", "why": "Meeting at ten", "at": moment(NOW)}
    return {"type": "notice", "notice": {"operator": about, "action": action, **said}}


def notice_end(about: str) -> Message:
    return {"type": "notice-end", "operator": about}
