"""What the consoles see: the fold of all published messages, and who may see what. Pure.

The messages are those of docs/stream.md. A `Picture` on the server takes in every message; a
snapshot is its content as one viewer may see it. The same class folds a client's snapshot and
messages, which is how the tests hold that snapshot + messages = a fresh snapshot.

A published message belongs to the picture: whoever made it never changes it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cordboard.crm_core.model import Role

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes: a user's name and role."""

    name: str
    role: Role

    @property
    def sees_all(self) -> bool:
        return self.role != "operator"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who receives a message: `everyone`, or all supervisors and admins, the named `operators`
    (a supervisor of that name is none of them), and one `user` of whatever role."""

    everyone: bool = False
    supervisors: bool = False
    operators: frozenset[str] = frozenset()
    user: str | None = None

    def __contains__(self, viewer: Viewer) -> bool:
        own = self.supervisors if viewer.sees_all else viewer.name in self.operators
        return self.everyone or own or viewer.name == self.user


EVERYONE = Audience(everyone=True)
SUPERVISORS = Audience(supervisors=True)

Delivery = tuple[Message, Audience]


def owned(operators: Iterable[str]) -> Audience:
    """The operators whose business it is, and all supervisors."""
    return Audience(supervisors=True, operators=frozenset(operators))


class Picture:
    """The live state that consoles show."""

    def __init__(self) -> None:
        self.pbx: dict[str, Message] = {}
        self.operators: dict[str, Message] = {}
        self.queues: dict[str, Message] = {}
        self.waiting: dict[str, list[Message]] = {}
        self.calls: dict[str, Message] = {}
        self.pops: dict[str, Message] = {}
        self.alarms: dict[str, Message] = {}
        self.notices: dict[str, Message] = {}
        self.missed: dict[str, Message] = {}
        self.respondents: dict[str, Message] = {}
        self._pops_of: dict[str, set[str]] = {}

    def apply(self, message: Message, to: str | None = None) -> list[Delivery]:
        """Takes `message` in and says what must be sent, and to whom.

        That is the message itself, and where an operator comes to see a call or loses sight of it
        (calls change hands), the call or its end for that operator alone. `to` names the one
        addressee of a `result`. Raises `ValueError` for a type that docs/stream.md does not have.
        """
        match message["type"]:
            case "screenpop":
                return self._screenpop(message)
            case "screenpop-end":
                return self._screenpop_end(message)
            case "call":
                return self._call(message)
            case "call-end":
                audience = owned(self.owners(message["id"]))
                return [(message, audience)] if self.calls.pop(message["id"], None) else []
            case "operators":
                self.operators.update((item["name"], item) for item in message["changed"])
                return [(message, EVERYONE)]
            case "notice":
                about = message["notice"]["operator"]
                self.notices[about] = message["notice"]
                return [(message, owned([about]))]
            case "notice-end":
                about = message["operator"]
                return [(message, owned([about]))] if self.notices.pop(about, None) else []
            case "queues":
                self.queues.update((item["name"], item) for item in message["changed"])
                return [(message, EVERYONE)]
            case "waiting":
                self.waiting[message["queue"]] = message["entries"]
                return [(message, SUPERVISORS)]
            case "pbx":
                self.pbx[message["pbx"]["name"]] = message["pbx"]
                return [(message, EVERYONE)]
            case "alarm":
                self.alarms[message["alarm"]["kind"]] = message["alarm"]
                return [(message, SUPERVISORS)]
            case "alarm-end":
                known = self.alarms.pop(message["kind"], None)
                return [(message, SUPERVISORS)] if known else []
            case "missed":
                missed = message["missed"]
                self.missed[missed["id"]] = missed
                return [(message, owned([missed["operator"]]))]
            case "missed-end":
                gone = self.missed.pop(message["id"], None)
                return [(message, owned([message["operator"]]))] if gone else []
            case "respondent":
                held = message["respondent"]
                self.respondents[held["operator"]] = held
                return [(message, owned([held["operator"]]))]
            case "respondent-end":
                about = message["operator"]
                gone = self.respondents.pop(about, None)
                return [(message, owned([about]))] if gone else []
            case "result":
                return [(message, Audience(user=to))]
            case unknown:
                raise ValueError(f"no message of the stream is called {unknown!r}")

    def sees_call(self, call: Message, viewer: Viewer) -> bool:
        """Operators see the calls that are theirs, or that a pop of theirs shows."""
        return viewer in owned(self.owners(call["id"]))

    def snapshot_for(self, viewer: Viewer) -> Message:
        """What `viewer` may see now: the lists of a snapshot, each in a fixed order."""
        return {
            "pbx": _by_name(self.pbx),
            "operators": _by_name(self.operators),
            "queues": _by_name(self.queues),
            "waiting": [
                entry
                for _, entries in sorted(self.waiting.items())
                for entry in entries
                if viewer in SUPERVISORS
            ],
            "calls": sorted(
                (call for call in self.calls.values() if self.sees_call(call, viewer)),
                key=lambda call: (call["started_at"], call["id"]),
            ),
            "pops": sorted(
                (pop for pop in self.pops.values() if viewer in owned([pop["operator"]])),
                key=lambda pop: (pop["at"], pop["id"]),
            ),
            "notices": [
                notice for about, notice in sorted(self.notices.items()) if viewer in owned([about])
            ],
            "missed": sorted(
                (one for one in self.missed.values() if viewer in owned([one["operator"]])),
                key=lambda one: (one["at"], one["id"]),
            ),
            "respondents": [
                held for name, held in sorted(self.respondents.items()) if viewer in owned([name])
            ],
            "alarms": [alarm for _, alarm in sorted(self.alarms.items()) if viewer in SUPERVISORS],
        }

    def _screenpop(self, message: Message) -> list[Delivery]:
        pop = {key: value for key, value in message.items() if key != "type"}
        before = self.pops.get(pop["id"])
        calls = {pop["call"]["id"]} | ({before["call"]["id"]} if before else set())
        seen = {call: self.owners(call) for call in calls}
        self._drop_pop(pop["id"])
        self._put_pop(pop)
        return [(message, owned([pop["operator"]])), *self._sight(seen)]

    def _screenpop_end(self, message: Message) -> list[Delivery]:
        pop = self.pops.get(message["id"])
        if pop is None:
            return []
        seen = {pop["call"]["id"]: self.owners(pop["call"]["id"])}
        self._drop_pop(message["id"])
        return [(message, owned([pop["operator"]])), *self._sight(seen)]

    def _call(self, message: Message) -> list[Delivery]:
        call = message["call"]
        seen = self.owners(call["id"])
        self.calls[call["id"]] = call
        lost = seen - self.owners(call["id"])
        sent: list[Delivery] = [(message, owned(self.owners(call["id"])))]
        if lost:
            sent.append(({"type": "call-end", "id": call["id"]}, Audience(operators=lost)))
        return sent

    def _sight(self, seen: dict[str, frozenset[str]]) -> list[Delivery]:
        """The messages that keep the operators' lists of calls true after their pops changed."""
        sent: list[Delivery] = []
        for call_id, before in seen.items():
            call, after = self.calls.get(call_id), self.owners(call_id)
            if call is None:
                continue
            if gained := after - before:
                sent.append(({"type": "call", "call": call}, Audience(operators=gained)))
            if lost := before - after:
                sent.append(({"type": "call-end", "id": call_id}, Audience(operators=lost)))
        return sent

    def owners(self, call_id: str) -> frozenset[str]:
        """The operators whose call it is, or who have a pop of it open."""
        call = self.calls.get(call_id)
        own = {call["operator"]} if call is not None and call["operator"] is not None else set()
        pops = self._pops_of.get(call_id, ())
        return frozenset(own.union(self.pops[pop]["operator"] for pop in pops))

    def calls_back(self, call_id: str) -> bool:
        """Whether this call waits in the stead of somebody who is to be called back."""
        entries = (entry for queue in self.waiting.values() for entry in queue)
        return any(entry["call"] == call_id and entry["callback"] for entry in entries)

    def _put_pop(self, pop: Message) -> None:
        self.pops[pop["id"]] = pop
        self._pops_of.setdefault(pop["call"]["id"], set()).add(pop["id"])

    def _drop_pop(self, pop_id: str) -> None:
        pop = self.pops.pop(pop_id, None)
        if pop is not None:
            siblings = self._pops_of[pop["call"]["id"]]
            siblings.discard(pop_id)
            if not siblings:
                del self._pops_of[pop["call"]["id"]]


def _by_name(items: dict[str, Message]) -> list[Message]:
    return [items[name] for name in sorted(items)]


def moment(seconds: float) -> str:
    """An instant of the Unix epoch as the stream writes times: RFC 3339, UTC, microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
