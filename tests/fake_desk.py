"""A desk with scripted calls, to test the pages without a PBX; `desk_scenes` shows it.

The server is the real one, over a real store; the telephone is made up.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from aiohttp import web
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry

from cordboard.config import Settings
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.model import Respondent, Role
from cordboard.crm_core.respondent_states import HELD, Step, after
from cordboard.crm_core.store import Store
from cordboard.desk.facts import ActionAsked, CustomerChanged, RespondentTaken
from cordboard.desk.model import Holding
from cordboard.screenpop import render
from cordboard.screenpop.charts import Library
from cordboard.screenpop.hub import Hub, Limits
from cordboard.screenpop.sessions import COOKIE
from cordboard.screenpop.web import make_app

PASSWORD = "correct horse"


def ago(seconds: float) -> str:
    """So many seconds before now; a negative number is a time to come."""
    when = datetime.now(UTC) - timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def identity(word: str) -> str:
    """Always the same UUID for the same word."""
    return str(uuid5(NAMESPACE_OID, word))


class FakeDesk:
    """One operator's desk, and a wallboard for whoever opens it. Everything in it is real but for
    the telephone and what the core would do with what is asked of it."""

    def __init__(
        self,
        language: str | None = "en",
        role: Role = "operator",
        display_name: str = "Anna Sergeeva",
    ) -> None:
        self.name = "anna"
        self.display_name = display_name
        self.role = role
        self.language = language
        self.registry = CollectorRegistry()
        self.hub = Hub(self.registry, Limits(closing=0.5))
        self.asked: list[ActionAsked] = []
        self.refuse: str | None = None
        """What the next wrap-up is refused with."""
        self.library: Library | None = None
        self.phone: str | None = "PJSIP/1001"
        self.serves = ("sales", "support")
        self.url = ""
        self.opaque = ""
        """The session's cookie."""
        self._taken: RespondentTaken | None = None
        self._attempt: dict[str, Any] = {}
        self._pops: dict[str, dict[str, Any]] = {}
        self._calls: dict[str, dict[str, Any]] = {}

    # -- what happens on the telephone

    def operator(
        self, name: str, display_name: str, state: str, seconds: float = 0, **more: Any
    ) -> None:
        shown = {
            "name": name,
            "display_name": display_name,
            "state": state,
            "since": ago(seconds),
            "reason": None,
            "call": None,
            "queues": ["sales", "support"],
            "phone": "PJSIP/1001",
            "due": None,
            "at_most": None,
            "misses": 0,
        }
        self.hub.publish({"type": "operators", "changed": [shown | more]})

    def notice(self, action: str, why: str, by_name: str = "Olga Supervisor") -> None:
        said = {"by": "olga", "by_name": by_name, "why": why, "at": ago(0)}
        shown = {"operator": self.name, "action": action, **said}
        self.hub.publish({"type": "notice", "notice": shown})

    def me(self, state: str, seconds: float = 0, **more: Any) -> None:
        self.operator(self.name, self.display_name, state, seconds, **more)

    def queue(
        self,
        name: str,
        waiting: int = 0,
        longest: float = 0,
        answered: int = 40,
        in_time: int = 36,
        abandoned: int = 3,
        short: int = 1,
    ) -> None:
        divisor = answered + abandoned - short
        level = {
            "percent": round(in_time / divisor * 100, 1) if divisor else None,
            "threshold": 20,
            "short_abandon": 5,
            "answered": answered,
            "answered_in_time": in_time,
            "abandoned": abandoned,
            "short_abandoned": short,
        }
        since = ago(longest) if waiting else None
        shown = {"name": name, "waiting": waiting, "longest_since": since, "service_level": level}
        self.hub.publish({"type": "queues", "changed": [shown]})

    def waiting(self, queue: str, entries: list[dict[str, Any]]) -> None:
        full = [
            {"queue": queue, "position": place, "priority": 0, "why": []} | entry
            for place, entry in enumerate(entries, 1)
        ]
        self.hub.publish({"type": "waiting", "queue": queue, "entries": full})

    def missed(self, name: str, number: str, why: str, seconds: float = 0, **more: Any) -> None:
        """A call that was this operator's own, or as `more` says another's."""
        shown = {"id": identity(f"missed {name}"), "operator": self.name, "name": name}
        shown |= {"operator_name": self.display_name, "call": identity(name), "from": number}
        shown |= {"customer": None, "why": why, "at": ago(seconds)}
        shown |= {"state": "open", "since": ago(seconds)}
        self.hub.publish({"type": "missed", "missed": shown | more})

    def pbx(
        self,
        state: str,
        stale: float | None = None,
        *unavailable: str,
        restarting: bool = False,
    ) -> None:
        shown = {
            "name": "pbx",
            "state": state,
            "since": ago(stale or 0),
            "stale_since": None if stale is None else ago(stale),
            "reason": None,
            "unavailable": list(unavailable),
            "restarting": restarting,
        }
        self.hub.publish({"type": "pbx", "pbx": shown})

    def alarm(self, kind: str, count: int = 1, detail: str = "") -> None:
        shown = {
            "kind": kind,
            "count": count,
            "detail": detail,
            "since": ago(300),
            "last": ago(0),
        }
        self.hub.publish({"type": "alarm", "alarm": shown})

    def ring(
        self,
        pop: str,
        number: str,
        customer: dict[str, Any] | None = None,
        seconds: float = 0,
        why: list[dict[str, Any]] | None = None,
        operator: str | None = None,
        **more: Any,
    ) -> None:
        call_id = identity(pop)
        call = {"id": call_id, "linkedid": f"{pop}.1", "from": number, "name": more.pop("name", "")}
        call |= {"to": "4951000", "queue": more.pop("queue", "sales"), "state": "ringing"}
        unknown = {"code": "customer-unknown", "args": {}, "text": None}
        self._pops[pop] = {
            "id": pop,
            "operator": operator or self.name,
            "call": call,
            "customer": customer,
            "history": [],
            "cases": [],
            "route": {
                "queue": call["queue"],
                "priority": 0,
                "action": "queue",
                "why": why if why is not None else [unknown],
            },
            "at": ago(seconds),
        } | more
        self._calls[call_id] = call | {
            "pbx": "pbx",
            "customer": customer and {key: customer[key] for key in ("id", "name", "status")},
            "operator": None,
            "cause": None,
            "started_at": ago(seconds + 12),
            "answered_at": None,
            "ended_at": None,
        }
        self.hub.publish({"type": "call", "call": self._calls[call_id]})
        self.hub.publish({"type": "screenpop", **self._pops[pop]})

    def call(self, pop: str, **changes: Any) -> None:
        call_id = self._pops[pop]["call"]["id"]
        self._calls[call_id] = self._calls[call_id] | changes
        self.hub.publish({"type": "call", "call": self._calls[call_id]})

    def answer(self, pop: str, seconds: float = 0, operator: str | None = None) -> None:
        name = operator or self.name
        self.call(pop, state="talking", operator=name, answered_at=ago(seconds))

    def hang_up(self, pop: str, seconds: float = 0) -> None:
        self.call(pop, state="ended", cause="completed", ended_at=ago(seconds))

    def end(self, pop: str, reason: str) -> None:
        """The pop ends; the call with it, but for one whose wrap-up may still be saved: there is
        no call in the store, to which the API would turn."""
        call = self._pops.pop(pop)["call"]["id"]
        self.hub.publish({"type": "screenpop-end", "id": pop, "reason": reason})
        if reason != "done":
            self.hub.publish({"type": "call-end", "id": call})

    # -- people of lists

    def _follow(self, person: Respondent, **more: Any) -> None:
        """The operator has this person, or has him no longer."""
        self._attempt |= more
        if person.state in HELD:
            self._taken = replace(self._taken, respondent=person) if self._taken else None
            assert self._taken
            holding = Holding(
                self._taken.operator, person, self._taken.whose, self._taken.card, time.time()
            )
            shown = render.held(holding, "RUB", {self.name: self.display_name})
            self.hub.publish({"type": "respondent", "respondent": shown | self._attempt})
            return
        self._taken = None
        self._ending = asyncio.create_task(self._end(person))

    async def _end(self, person: Respondent) -> None:
        await self.store.write([person])
        end = {"type": "respondent-end", "operator": self.name, **render.respondent(person)}
        self.hub.publish(end)

    def listed(self, step: Step, **more: Any) -> None:
        """What the telephones tell of the person whom the operator has."""
        assert self._taken
        whose = self._taken.whose
        self._follow(after(self._taken.respondent, step, whose, time.time()), **more)

    def _of_list(self, fact: ActionAsked) -> None:
        assert self._taken
        step = fact.args.get("result", fact.action)
        due = {"due_at": fact.args["at"]} if fact.args.get("at") else {}
        person, whose = self._taken.respondent, self._taken.whose
        self._follow(after(person, step, whose, time.time(), **due))

    @property
    def cookie(self) -> Any:
        """What a browser that is logged in holds."""
        return {"name": COOKIE, "value": self.opaque, "url": self.url}

    def cut(self) -> None:
        """The stream breaks and cannot be had again until `mend`."""
        self.hub._closed = True
        for client in list(self.hub._clients.values()):
            client.cut("test")

    def mend(self) -> None:
        self.hub._closed = False

    @property
    def acked(self) -> float:
        return self.registry.get_sample_value("cordboard_pops_acked_total") or 0.0

    # -- the server

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0, database: str | None = None) -> AsyncIterator[FakeDesk]:
        """`database` is the URL of an empty one of this release; without it one is made."""
        with tempfile.TemporaryDirectory() as folder:
            if database is None:
                database = f"sqlite:///{folder}/cordboard.db"
                await upgrade(database)
            store = Store(database, hasher=PasswordHasher(1, 8, 1))
            await store.open()
            self.store = store
            user = await store.add_user(
                self.name,
                self.role,
                PASSWORD,
                display_name=self.display_name,
                phone=self.phone,
                queues=[(queue, 0) for queue in self.serves],
                language=self.language,
            )
            self.opaque = await store.open_session(user)
            app = make_app(
                Settings(), store, self.hub, self._submit, self.registry, library=self.library
            )
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                await runner.cleanup()
                await store.close()

    def _submit(self, fact: ActionAsked | CustomerChanged | RespondentTaken) -> None:
        """Does what the core would do."""
        if isinstance(fact, RespondentTaken):
            self._taken, self._attempt = fact, {}
            self._follow(fact.respondent)
            return
        if isinstance(fact, CustomerChanged):
            shown = render.customer(fact.card.customer, "RUB")
            for pop in list(self._pops.values()):
                if pop["call"]["from"] in shown["phones"]:
                    self._pops[pop["id"]] = pop | {"customer": shown}
                    self.hub.publish({"type": "screenpop", **self._pops[pop["id"]]})
            return
        self.asked.append(fact)
        error, self.refuse = self.refuse, None
        outcome = {"type": "result", "id": fact.id, **render.outcome(error)}
        self.hub.publish(outcome, to=self.name)
        if error is None and fact.kind == "respondent":
            self._of_list(fact)
        for pop in list(self._pops.values()):
            if error is None and pop["call"]["id"] == fact.target:
                self.end(pop["id"], "done")
