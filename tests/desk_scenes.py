"""People and scenes for the pages of a fake desk, in each language. To look at them (the name is
`anna`, the password `correct horse`):

    python tests/desk_scenes.py --scene talking --language bg --port 8090
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

from fake_desk import FakeDesk, ago, identity

from cordboard.screenpop import translations

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
