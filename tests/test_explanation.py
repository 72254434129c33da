"""What `cordboard explain` prints for a person, and whom it names."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

from cordboard.crm_core.model import FactRecord, User
from cordboard.explanation import lines
from cordboard.screenpop import story

PERSONAL = {
    "name": "maria", "who": "manager", "desk": "PJSIP/1002", "mobile": None, "seconds": 20,
}  # fmt: skip
DECISION: dict[str, Any] = {
    "action": "queue", "queue": "sales", "to": "", "priority": 5, "policy": "f00", "rule": "vip",
    "personal": PERSONAL, "growth": None, "penalties": None, "overflow": None, "callback": None,
    "reasons": [],
}  # fmt: skip


def user(name: str, display_name: str) -> User:
    return User(f"id-{name}", name, display_name, "operator", None, None, None, True)


USERS = [user("maria", "Мария Иванова"), user("vera", "Вера Ким"), user("boris", "Борис")]


def facts() -> list[FactRecord]:
    inputs = {"manager.name": "maria", "tags": ["press"], "attributes.owner": "maria"}
    moved = {"reasons": [{"code": "moved-by-hand", "args": {"operator": "vera"}}]}
    return [
        FactRecord("c", 1.0, "decided", json.dumps({"decision": DECISION, "inputs": inputs})),
        FactRecord("c", 2.0, "moved", json.dumps(moved)),
    ]


def test_people_are_those_of_whom_the_facts_speak() -> None:
    assert story.people(facts(), USERS) == {"maria": "Мария Иванова", "vera": "Вера Ким"}
    assert story.people([], USERS) == {}


def test_a_manager_is_named_as_people_call_him() -> None:
    call = {
        "id": "c", "linkedid": "1.1", "pbx": "pbx", "customer": None, "name": "", "from": "+7916",
        "to": "100", "started_at": "2026-11-22T09:00:00.000000Z",
    }  # fmt: skip
    told = {
        "call": call,
        "decisions": story.decisions(facts(), {"f00": None}),
        "events": [],
        "people": story.people(facts(), USERS),
    }
    said = [line.strip() for line in lines(told, ZoneInfo("Europe/Sofia"))]
    assert "first Мария Иванова (manager) for 20 s at PJSIP/1002" in said
    assert "manager.name = Мария Иванова" in said
    assert "attributes.owner = maria" in said  # the customer's, whatever it means
