"""A desk with scripted calls, to look at the pages and to test them without a PBX.

The server is the real one, over a real store; the telephone is made up. Look (the name is `anna`,
the password `correct horse`):

    python tests/fake_desk.py --scene talking --language bg --port 8090
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from aiohttp import web
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry

from cordboard.config import Settings
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.model import Role
from cordboard.crm_core.store import Store
from cordboard.desk.facts import ActionAsked, CustomerChanged
from cordboard.screenpop import render, translations
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
        self.phone: str | None = "PJSIP/1001"
        self.serves = ("sales", "support")
        self.url = ""
        self.opaque = ""
        """The session's cookie."""
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
            app = make_app(Settings(), store, self.hub, self._submit, self.registry)
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

    def _submit(self, fact: ActionAsked | CustomerChanged) -> None:
        """Does what the core would do."""
        if isinstance(fact, CustomerChanged):
            shown = render.customer(fact.card.customer, "RUB")
            for pop in list(self._pops.values()):
                if pop["call"]["from"] in shown["phones"]:
                    self._pops[pop["id"]] = pop | {"customer": shown}
                    self.hub.publish({"type": "screenpop", **self._pops[pop["id"]]})
            return
        self.asked.append(fact)
        error, self.refuse = self.refuse, None
        outcome = {"type": "result", "id": fact.id, "ok": error is None, "error": error}
        self.hub.publish(outcome, to=self.name)
        for pop in list(self._pops.values()):
            if error is None and pop["call"]["id"] == fact.target:
                self.end(pop["id"], "done")


# -- people


def customer(name: str, status: str = "regular", **more: Any) -> dict[str, Any]:
    manager = {"name": "elena", "display_name": "Elena Petrova"}
    return {
        "id": identity(name),
        "kind": "person",
        "name": name,
        "phones": ["+79123456789"],
        "status": status,
        "language": "ru",
        "manager": manager,
        "balance": 1250.5,
        "currency": "RUB",
    } | more


def reason(code: str, text: dict[str, str] | None = None, **args: Any) -> dict[str, Any]:
    return {"code": code, "args": args, "text": text}


VIP_FIRST = reason(
    "rule",
    {
        "en": "VIP customers go to the head of the queue",
        "ru": "VIP-клиенты идут в начало очереди",
        "bg": "VIP клиентите са в началото на опашката",
    },
    rule="vip",
)
DEBTOR = reason(
    "rule",
    {
        "en": "Debt on the account: finance takes the call",
        "ru": "На счёте долг: звонок принимает финансовый отдел",
        "bg": "Задължение по сметката: обаждането поема финансовият отдел",
    },
    rule="debtor",
)
WORDS = {
    "en": {
        "vip": "Catherine Montgomery",
        "vip_language": "en",
        "organisation": "Northern Lights Trading House",
        "notes": [
            "Asked about the delivery of order 1187. Promised for Thursday, before noon.",
            "Invoice sent again to the accounting department.",
            "Wants a call before the courier comes.",
        ],
        "case": "Courier did not come on Thursday",
        "typed": "The courier was late again; wants the delivery moved to Monday.",
        "manager": "Elena Petrova",
        "me": "Anna Sergeeva",
        "others": ["Boris Ivanov", "Vera Nikolova", "George Hill", "Daria Smirnova", "Peter Stone"],
    },
    "ru": {
        "vip": "Екатерина Монтгомери-Оболенская",
        "vip_language": "ru",
        "organisation": "Торговый дом «Северное сияние»",
        "notes": [
            "Спрашивала о доставке заказа 1187. Обещали в четверг до полудня.",
            "Счёт повторно отправлен в бухгалтерию.",
            "Просит звонить до приезда курьера.",
        ],
        "case": "Курьер не приехал в четверг",
        "typed": "Курьер опять опоздал; просит перенести доставку на понедельник.",
        "manager": "Елена Петрова",
        "me": "Анна Сергеева",
        "others": [
            "Борис Иванов",
            "Вера Николова",
            "Георгий Холмов",
            "Дарья Смирнова",
            "Пётр Каменев",
        ],
    },
    "bg": {
        "vip": "Александра Константинова-Хаджигеоргиева",
        "vip_language": "bg",
        "organisation": "Търговска къща „Северно сияние“",
        "notes": [
            "Попита за доставката на поръчка 1187. Обещана за четвъртък преди обяд.",
            "Фактурата е изпратена отново на счетоводството.",
            "Иска да ѝ се обадят, преди да дойде куриерът.",
        ],
        "case": "Куриерът не дойде в четвъртък",
        "typed": "Куриерът пак закъсня; иска доставката да се премести за понеделник.",
        "manager": "Елена Петрова",
        "me": "Анна Сергеева",
        "others": [
            "Борис Иванов",
            "Вера Николова",
            "Георги Хълмов",
            "Дария Смирнова",
            "Петър Каменов",
        ],
    },
}


def vip(language: str) -> dict[str, Any]:
    words = WORDS[language]
    return customer(
        words["vip"],
        "vip",
        language=words["vip_language"],
        phones=["+359888123456", "+35929812345"],
        manager={"name": "elena", "display_name": words["manager"]},
        balance=18400,
        currency="EUR" if language == "bg" else "RUB",
    )


def history(language: str) -> list[dict[str, Any]]:
    notes = WORDS[language]["notes"]
    rows = [
        (3 * 3600, "boris", "callback"),
        (26 * 3600, "anna", "resolved"),
        (40 * 86400, "vera", "order"),
    ]
    return [
        {
            "id": f"i{place}",
            "operator": operator,
            "queue": "sales",
            "started_at": ago(seconds),
            "ended_at": ago(seconds - 190),
            "outcome": "completed",
            "result": result,
            "note": note,
        }
        for place, ((seconds, operator, result), note) in enumerate(zip(rows, notes, strict=True))
    ]


def case(language: str) -> dict[str, Any]:
    return {
        "id": "c1",
        "title": WORDS[language]["case"],
        "state": "open",
        "opened_at": ago(2 * 86400),
    }


# -- scenes


def office(desk: FakeDesk, language: str) -> None:
    words = WORDS[language]
    states = [("talking", 312), ("ready", 41), ("wrap-up", 22), ("paused", 640), ("on-hold", 48)]
    desk.pbx("up")
    names = ("boris", "vera", "george", "daria", "peter")
    for name, shown, (state, seconds) in zip(names, words["others"], states, strict=True):
        rest = {"reason": "lunch", "due": ago(-120)} if state == "paused" else {}
        desk.operator(name, shown, state, seconds, **rest)
    desk.operator("elena", words["manager"], "ready", 95)
    desk.operator("maria", "Maria Antoinette Papadopoulou-Christodoulou", "offline", 40_000)
    desk.queue("sales", waiting=3, longest=44)
    desk.queue("support", waiting=0, answered=28, in_time=20)
    desk.me("ready", 75)


def ringing(desk: FakeDesk, language: str, seconds: float = 4) -> None:
    desk.ring(
        "p1",
        "+359888123456",
        vip(language),
        seconds=seconds,
        why=[reason("language", language=WORDS[language]["vip_language"]), VIP_FIRST],
        history=history(language),
        cases=[case(language)],
    )
    desk.me("offered", seconds, call=identity("p1"))


def talking(desk: FakeDesk, language: str) -> None:
    ringing(desk, language, 90)
    desk.answer("p1", 83)
    desk.me("talking", 83, call=identity("p1"))


def wrap_up(desk: FakeDesk, language: str) -> None:
    ringing(desk, language, 210)
    desk.answer("p1", 200)
    desk.hang_up("p1", 17)
    desk.me("wrap-up", 17, call=identity("p1"), due=ago(-13), at_most=ago(-583))


def missed_calls(desk: FakeDesk, language: str) -> None:
    brief = {"id": "c", "name": WORDS[language]["vip"], "status": "vip"}
    desk.missed(brief["name"], "+359888123456", "not-taken", 340, customer=brief)
    desk.missed("", "+79265550147", "caller-left", 120)
    desk.missed("Jane Smith", "+442079460018", "engaged", 20)


def unknown(desk: FakeDesk, language: str) -> None:
    desk.ring("p2", "+79265550147", seconds=6)
    desk.me("offered", 6, call=identity("p2"))


def outside(desk: FakeDesk, language: str) -> None:
    """A caller of whom billing alone knows, and another system said nothing."""
    known = {"id": None, "phones": ["+79265550147"], "manager": None, "balance": -12.5}
    known |= {"attributes": {"tariff": "Business 100", "open_tickets": 2, "contract": True}}
    why = [reason("lookup-failed", lookup="crm"), reason("customer-unknown")]
    fields = ("name", "status", "balance", "segment", "do_not_disturb")
    sources = dict.fromkeys((*fields, *(f"attributes.{key}" for key in known["attributes"])))
    sources = dict.fromkeys(sources, "billing")
    shown = customer(WORDS[language]["vip"], "vip", **known)
    desk.ring("p9", "+79265550147", shown, seconds=4, why=why, sources=sources)
    desk.me("offered", 4, call=identity("p9"))


def second(desk: FakeDesk, language: str, seconds: float = 3) -> None:
    debtor = customer(
        WORDS[language]["organisation"],
        "debtor",
        kind="organisation",
        balance=-48210.75,
        phones=["+74959876543"],
        manager=None,
    )
    desk.ring("p3", "+74959876543", debtor, seconds=seconds, why=[DEBTOR], queue="support")
    desk.me("offered", seconds, call=identity("p3"))


def debtor(desk: FakeDesk, language: str) -> None:
    second(desk, language, 40)
    desk.answer("p3", 31)
    desk.me("talking", 31, call=identity("p3"))


def board(desk: FakeDesk, language: str) -> None:
    words = WORDS[language]
    calls = [("p4", "boris", words["organisation"]), ("p5", "peter", "Nikolay Todorov")]
    for pop, operator, name in calls:
        desk.ring(pop, "+74951112233", customer(name), operator=operator)
        desk.answer(pop, 300, operator=operator)
    desk.operator("boris", words["others"][0], "talking", 312, call=identity("p4"))
    desk.operator("peter", words["others"][4], "on-hold", 48, call=identity("p5"))
    desk.queue("sales", waiting=4, longest=71, answered=212, in_time=187, abandoned=14, short=6)
    desk.queue("support", waiting=1, longest=28, answered=96, in_time=61, abandoned=11, short=2)
    desk.queue("finance", waiting=0, answered=0, in_time=0, abandoned=0, short=0)
    language_first = reason("language", language="bg")
    desk.waiting(
        "sales",
        [
            {
                "call": "w1",
                "name": words["vip"],
                "from": "+359888123456",
                "status": "vip",
                "priority": 10,
                "since": ago(18),
                "why": [language_first, VIP_FIRST],
            },
            {
                "call": "w2",
                "name": "Jane Smith",
                "from": "+442079460018",
                "status": "regular",
                "since": ago(71),
                "away": {"who": "manager", "operator": "elena", "operator_name": words["manager"]},
                "why": [reason("language", language="en")],
            },
            {
                "call": "w3",
                "name": "",
                "from": "+79265550147",
                "status": None,
                "since": ago(33),
                "why": [reason("customer-unknown")],
            },
            {
                "call": "w4",
                "name": words["organisation"],
                "from": "+74959876543",
                "status": "new",
                "since": ago(9),
                "why": [],
            },
        ],
    )
    desk.waiting(
        "support",
        [
            {
                "call": "w5",
                "name": "Пётр Долгов",
                "from": "+79031234567",
                "status": "debtor",
                "since": ago(28),
                "why": [DEBTOR],
            }
        ],
    )
    missed_calls(desk, language)
    elena = {"operator": "elena", "operator_name": words["manager"]}
    desk.missed("Nikolay Todorov", "+359888777666", "not-taken", 900, state="talked", **elena)
    brief = {"id": "d", "name": words["organisation"], "status": "debtor"}
    desk.missed(
        brief["name"], "+74959876543", "engaged", 700, state="seen", customer=brief, **elena
    )


def paused(desk: FakeDesk, language: str) -> None:
    """A pause that lasts too long, and a supervisor's word."""
    desk.me("paused", 1200, reason="break", due=ago(300))
    desk.notice("pause", {"en": "Back at ten", "ru": "Сбор в десять"}.get(language, "Сбор в десет"))


def missed(desk: FakeDesk, language: str) -> None:
    desk.me("paused", 40, reason="missed", misses=3)


def out(desk: FakeDesk, language: str) -> None:
    """Nobody is logged in at this desk."""
    desk.phone = None
    desk.me("offline", 40, phone=None, queues=[])


SCENES: dict[str, Callable[[FakeDesk, str], None]] = {
    "idle": lambda desk, language: None,
    "ringing": ringing,
    "talking": talking,
    "wrap-up": wrap_up,
    "unknown": unknown,
    "paused": paused,
    "missed": missed,
    "out": out,
    "two": lambda desk, language: (wrap_up(desk, language), second(desk, language))[0],
    "debtor": debtor,
    "outside": outside,
    "missed-calls": missed_calls,
    "wallboard": board,
}


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--language", choices=translations.LANGUAGES, default="en")
    parser.add_argument("--scene", choices=SCENES, default="ringing")
    asked = parser.parse_args()
    desk = FakeDesk(asked.language, "supervisor" if asked.scene == "wallboard" else "operator")
    office(desk, asked.language)
    SCENES[asked.scene](desk, asked.language)
    async with desk.serve(asked.port):
        print(desk.url)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
