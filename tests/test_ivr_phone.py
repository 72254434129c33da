"""Scripts on the telephone, before a stand-in for Asterisk: digits in any manner, callers who go
away, and what cannot be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from agi_caller import AgiCaller

from cordboard.cti.fastagi import AgiSession, FastAgiServer
from cordboard.errors import PeerError
from cordboard.ivr import handset
from cordboard.ivr.handset import Handset, Lengths
from cordboard.ivr.phone import MASK, Leaving, PhoneRun, Title, Went
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run, Written
from cordboard.ivr.script import Script
from cordboard.ivr.speech import Piece, Sound
from cordboard.ivr.turns import CallBack, Dial, Dialled, Find, Go, HungUp, Request, Turn

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEAD = "version: 1\nname: NAME\nlanguages: [en]\non: { noinput: sorry, nomatch: sorry }\nsteps:\n"
TAIL = "\n  - id: bye\n    hangup: { sound: bye }\n  - id: sorry\n    hangup: { sound: sorry }\n"
CODE = (
    "ask: { kind: digits, question: code, prompt: { sound: code }, length: { least: 1, most: 6 } }"
)


def script(*steps: str, name: str = "one") -> Script:
    return Script.parse(HEAD.replace("NAME", name) + "".join(f"  - {s}\n" for s in steps) + TAIL)


class Home:
    """What a run asks of the rest, as a test wants it."""

    def __init__(self, *others: Script) -> None:
        self.others = {each.name: each for each in others}
        self.records: list[Written] = []
        self.steps: list[tuple[str, str, str]] = []
        self.went: list[Go] = []
        self.dialled: list[Dial] = []
        self.refuses: str | None = None
        self.customer: Mapping[str, Any] | None = None
        self.answer: Callable[[], Awaitable[Any]] = _nobody
        self.runs: list[Run] = []

    def now(self) -> float:
        return 1000.0

    def scope(self) -> Scope:
        return Scope(self.customer, {"number": "+79161234567"}, NOON)

    def script(self, name: str) -> Script | None:
        return self.others.get(name)

    def begin(self, script: Script, language: str) -> Run:
        self.runs.append(Run.start(script, f"r{len(self.runs)}", "phone", 1000.0))
        return self.runs[-1]

    def recording(self) -> tuple[str, str]:
        return "/rec/abc", "abc.wav"

    def passed(self, script: Script, step: str, title: Title, way: str, entered: str) -> None:
        self.steps.append((step, way, entered))

    def keep(self, records: Iterable[Written]) -> None:
        self.records += records

    def found(self, customer: Mapping[str, Any]) -> None:
        self.customer = customer

    async def sounds(self, pieces: Sequence[Piece], language: str) -> list[str]:
        return [each.name for each in pieces if isinstance(each, Sound)]

    async def find(self, action: Find) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = await self.answer()
        return found

    async def request(self, action: Request) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.answer()
        return found

    async def go(self, action: Go, script: Script, turn: Turn) -> Went:
        self.went.append(action)
        return Went(self.refuses if action.to else None)

    async def call_back(self, action: CallBack, script: Script, turn: Turn) -> bool:
        return self.refuses is None

    def dial(self, action: Dial) -> bool:
        self.dialled.append(action)
        return self.refuses is None


async def _nobody() -> Any:
    return None


class Told:
    """A run that is over."""

    def __init__(self, home: Home, caller: AgiCaller, leaving: Leaving, run: PhoneRun) -> None:
        self.home, self.caller, self.leaving, self.run = home, caller, leaving, run

    @property
    def answers(self) -> dict[str, str]:
        found = [record for record in self.home.records if hasattr(record, "question")]
        return {each.question: each.value for each in found}

    @property
    def outcome(self) -> str | None:
        return self.home.runs[-1].record.outcome


async def called(
    one: Script, digits: str = "", home: Home | None = None, caller: AgiCaller | None = None
) -> Told:
    home, caller = home or Home(), caller or AgiCaller(digits)
    over: asyncio.Future[tuple[Leaving, PhoneRun]] = asyncio.get_running_loop().create_future()

    async def serve(session: AgiSession) -> None:
        run = PhoneRun(Handset(session, 5.0, Lengths()), home)
        try:
            over.set_result((await run.start(one, "en"), run))
        except BaseException as error:
            over.set_exception(error)
            raise

    server = FastAgiServer("127.0.0.1", 0, serve, 10)
    await server.start()
    try:
        await caller.call(server.address[1], "script")
        leaving, run = await asyncio.wait_for(over, 20)
    finally:
        await server.stop()
    return Told(home, caller, leaving, run)


# ---- digits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digits", "answer"),
    [
        ("12#", "12"),
        ("12-", "12"),
        ("123456", "123456"),
        ("A1B2C3D#", "123"),
        ("-12#", "12"),
        ("#12#", "12"),
        ("*#12#", "12"),
        ("1*2#12#", "12"),
    ],
)
async def test_an_entry_ends_with_the_hash_key_its_length_or_silence(
    digits: str, answer: str
) -> None:
    told = await called(script(CODE), digits)
    assert told.answers == {"code": answer}
    assert (told.leaving, told.outcome) == ("hangup", "completed")


@pytest.mark.parametrize("digits", ["", "---", "***#***#***#", "###"])
async def test_whoever_answers_nothing_is_asked_again_and_then_led_on(digits: str) -> None:
    told = await called(script(CODE), digits)
    assert told.answers == {}
    assert told.caller.heard.count("code") == 3
    assert told.caller.heard[-1] == "sorry"


async def test_two_hundred_digits_answer_one_question() -> None:
    ask = "ask: { kind: digits, question: QUESTION, prompt: { sound: code } }"
    one = script(ask.replace("QUESTION", "a"), ask.replace("QUESTION", "b"))
    told = await called(one, "1234567890" * 20 + "-42#")
    assert told.answers == {"a": ("1234567890" * 4)[:32], "b": "42"}


async def test_what_is_pressed_ahead_answers_the_next_questions() -> None:
    menu = "menu: { prompt: { sound: m }, question: QUESTION, choices: { '1': next1, '2': bye } }"
    one = script(
        menu.replace("QUESTION", "a").replace("next1", "second"),
        "id: second\n    " + CODE,
    )
    told = await called(one, "14711#")
    assert told.answers == {"a": "1", "code": "4711"}


async def test_the_terminator_behind_an_entry_that_was_full_is_no_answer() -> None:
    one = script(CODE, CODE.replace("question: code", "question: more"))
    told = await called(one, "123456#78#")
    assert told.answers == {"code": "123456", "more": "78"}


async def test_a_prompt_that_may_not_be_broken_into_clears_what_was_pressed() -> None:
    one = script("say: { sound: law }\n    bargein: false", CODE)
    caller = AgiCaller("12#")
    told = await called(one, caller=caller)
    assert [line for line in caller.said if "law" in line] == ['STREAM FILE "law" ""']
    assert told.answers == {"code": "12"}


async def test_one_key_that_came_by_two_ways_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    menu = "menu: { prompt: { sound: m }, question: QUESTION, choices: { '1': THEN, '2': bye } }"
    one = script(
        menu.replace("QUESTION", "a").replace("THEN", "second"),
        "id: second\n    " + menu.replace("QUESTION", "b").replace("THEN", "bye"),
    )
    told = await called(one, "112")
    assert told.answers == {"a": "1", "b": "2"}
    monkeypatch.setattr(handset, "DOUBLED", 0.0)
    told = await called(one, "112")
    assert told.answers == {"a": "1", "b": "1"}


async def test_a_mark_off_the_scale_is_asked_again() -> None:
    ask = "ask: { kind: scale, scale: 1-5, question: mark, prompt: { sound: mark } }"
    told = await called(script(ask), "905")
    assert told.answers == {"mark": "5"}
    assert told.caller.heard.count("mark") == 3


async def test_a_key_of_a_menu_is_taken_at_once_and_one_that_it_has_not_is_not() -> None:
    one = script("menu: { prompt: { sound: m }, question: a, choices: { '1': bye, '12': bye } }")
    assert (await called(one, "12")).answers == {"a": "12"}
    assert (await called(one, "1-")).answers == {"a": "1"}
    assert (await called(one, "7-1-")).answers == {"a": "1"}


# ---- what is told -----------------------------------------------------------------------------


async def test_what_was_pressed_is_told_by_step_and_what_is_secret_is_masked() -> None:
    secret = "ask: { kind: digits, save: pin, secret: true, prompt: { sound: pin } }"
    told = await called(script(CODE, secret), "12#4711#")
    assert told.home.steps[:2] == [("ask-1", "next", "12"), ("ask-2", "next", MASK)]
    everything = [*told.caller.said, *told.caller.variables.values(), *told.home.records]
    assert "4711" not in str([*everything, told.home.steps])


async def test_the_dialplan_knows_where_the_caller_is() -> None:
    told = await called(script("id: hello\n    say: { sound: hello }"))
    assert told.caller.variables["CB_STEP"] == "one/bye"
    assert 'SET VARIABLE "CB_STEP" "one/hello"' in told.caller.said


async def test_the_lease_covers_each_step_and_is_taken_off_at_the_end() -> None:
    told = await called(script(CODE), "1-")
    *during, last = told.caller.leases
    assert last == 0
    assert all(lease >= 5 for lease in during)


async def test_a_missing_sound_is_passed_over() -> None:
    told = await called(script("say: { sound: gone }", CODE), caller=AgiCaller("1#", ["gone"]))
    assert told.answers == {"code": "1"}


# ---- the caller goes away ---------------------------------------------------------------------


@pytest.mark.parametrize("digits", ["!", "-!", "12!"])
async def test_a_caller_who_hangs_up_ends_the_run_where_he_was(digits: str) -> None:
    told = await called(script(CODE), digits)
    assert (told.leaving, told.outcome) == ("lost", "hung-up")
    assert told.home.runs[-1].path[-1][:2] == ("ask-1", "hangup")
    assert told.answers == {}


async def test_a_recording_that_the_caller_ended_by_hanging_up_is_kept() -> None:
    one = script("record: { prompt: { sound: speak }, question: why, silence: 0 }")
    told = await called(one, "-!", caller=AgiCaller("!"))
    assert told.outcome == "hung-up"
    told = await called(one, caller=AgiCaller(""))
    answer = next(each for each in told.home.records if hasattr(each, "question"))
    assert (answer.file, answer.kind) == ("abc.wav", "recording")


async def test_silence_is_no_recorded_answer() -> None:
    one = script("record: { prompt: { sound: speak }, question: why, silence: 3 }")
    told = await called(one, caller=AgiCaller("", recorded=3 * 8000))
    assert told.answers == {}


async def test_what_is_to_be_done_after_he_has_gone_is_done() -> None:
    asked = []

    async def answer() -> Any:
        asked.append(1)
        return {}

    home = Home()
    home.answer = answer
    one = script(
        CODE + "\n    on: { hangup: note }",
        "id: note\n    call_api: { url: 'https://crm.example.com/x' }",
    )
    told = await called(one, "!", home)
    assert (asked, told.outcome) == ([1], "hung-up")


# ---- what is asked of the rest ------------------------------------------------------------------


async def test_who_is_found_is_the_customer_from_then_on() -> None:
    home = Home()

    async def answer() -> Any:
        return {"id": "c1", "name": "Anna", "status": "vip"}

    home.answer = answer
    one = script(
        "look_up: { by: caller }", "when: customer.status == 'vip'\n    say: { sound: vip }"
    )
    told = await called(one, home=home)
    assert "vip" in told.caller.heard
    assert told.home.runs[-1].record.customer_id == "c1"


@pytest.mark.parametrize("trouble", [PeerError("the database is away"), None])
async def test_what_comes_to_nothing_takes_the_error_way(trouble: PeerError | None) -> None:
    home = Home()

    async def answer() -> Any:
        if trouble is not None:
            raise trouble
        await asyncio.sleep(60)

    home.answer = answer
    api = "call_api: { url: 'https://crm.example.com/x', deadline: 0.5 }\n    on: { error: sorry }"
    told = await called(script(api), home=home)
    assert told.caller.heard == ["sorry"]
    assert told.home.steps[0] == ("call-api-1", "error", "")


async def test_digits_are_kept_that_are_pressed_while_another_system_is_asked() -> None:
    home = Home()

    async def answer() -> Any:
        await asyncio.sleep(handset.SLOW + 0.3)
        return {}

    home.answer = answer
    told = await called(script("call_api: { url: 'https://crm.example.com/x' }", CODE), "47#", home)
    assert told.answers == {"code": "47"}


async def test_a_route_that_cannot_be_takes_the_error_way() -> None:
    home = Home()
    home.refuses = "there is no queue no-such"
    told = await called(script("route: { queue: no-such }\n    on: { error: sorry }"), home=home)
    assert (told.caller.heard, told.leaving) == (["sorry"], "hangup")


async def test_nobody_is_hung_up_on_because_a_route_cannot_be() -> None:
    home = Home()
    home.refuses = "there is no queue no-such"
    text = "version: 1\nname: one\nlanguages: [en]\nsteps:\n  - route: { queue: no-such }\n"
    told = await called(Script.parse(text), home=home)
    assert (told.leaving, told.outcome) == ("went", "failed")
    assert [go.to for go in home.went] == ["no-such", ""]


async def test_another_script_goes_on_in_the_same_call_nine_of_them_at_most() -> None:
    text = "version: 1\nname: NAME\nlanguages: [en]\nsteps:\n  - route: { script: NEXT }\n"
    ring = [
        Script.parse(text.replace("NAME", name).replace("NEXT", then))
        for name, then in (("a", "b"), ("b", "a"))
    ]
    told = await called(ring[0], home=Home(*ring))
    outcomes = [run.record.outcome for run in told.home.runs]
    assert outcomes == ["routed"] * 8 + ["failed"]
    assert told.leaving == "went"


async def test_whoever_is_dialled_is_waited_for_outside_the_session() -> None:
    one = script("transfer: { to: '+79031110001' }\n    on: { busy: sorry, noanswer: bye }")
    told = await called(one)
    assert told.leaving == "dial"
    assert told.run.is_waiting
    assert 'SET AUTOHANGUP "0"' not in told.caller.said  # the dialplan takes it off
    told.run.close(Dialled("answered"))
    assert told.outcome == "completed"
    told = await called(one)
    told.run.close(HungUp())
    assert told.outcome == "hung-up"


async def test_a_number_that_may_not_be_called_takes_the_error_way() -> None:
    home = Home()
    home.refuses = "blocked"
    told = await called(
        script("transfer: { to: '+79031110001' }\n    on: { error: sorry }"), home=home
    )
    assert told.caller.heard == ["sorry"]


@pytest.mark.parametrize(
    ("digits", "way"), [("1", "taken"), ("0", "declined"), ("23#1", "declined")]
)
async def test_a_callback_is_offered_and_the_number_may_be_another(digits: str, way: str) -> None:
    told = await called(script("callback: { queue: support, prompt: { sound: offer } }"), digits)
    ways = {step: way for step, way, _ in told.home.steps}
    assert ways["callback-1"] == way


async def test_a_recording_that_the_pbx_cannot_write_takes_the_error_way() -> None:
    class Full(AgiCaller):
        def _reply(self, line: str) -> str:
            if line.startswith("RECORD FILE"):
                return "200 result=-1 (writefile)\n"
            return super()._reply(line)

    one = script("record: { prompt: { sound: speak }, question: why }\n    on: { error: sorry }")
    told = await called(one, caller=Full())
    assert told.caller.heard[-1] == "sorry"
