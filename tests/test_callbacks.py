"""Callbacks: promised once, in their turn, tried again, made anew where the PBX lost them."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from board_desk import RULES

from cordboard.crm_core.model import CallbackRecord
from cordboard.desk.arrivals import Arrivals
from cordboard.desk.callbacks import LEFT_QUEUE, SEEN_WITHIN, Callbacks, channel_of
from cordboard.desk.commands import AskCallbacks, CallBack, Command, Hush, Save, SendCallback
from cordboard.desk.facts import CallbackAsked, CallbacksMade, CustomerFound
from cordboard.desk.model import Call, Calling
from cordboard.events import CallId, Linkedid, PbxName, QueueName, Uniqueid
from cordboard.queue.decisions import CallbackOffer, Decision, Growth, Penalties
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry, Line
from cordboard.queue.policy import Policy

PBX, QUEUE = PbxName("pbx"), QueueName("support-ru")
NOON = 12 * 3600.0
NUMBER = "+79161234567"
OFFER = CallbackOffer(60)
THRICE = Calling()


def caller(identity: str = "1", offer: CallbackOffer | None = OFFER, number: str = NUMBER) -> Call:
    decision = Decision("queue", QUEUE, 0, "ru", (), callback=offer, penalties=Penalties(most=3))
    return Call(
        id=CallId(f"0190-{identity}"),
        pbx=PBX,
        boot="boot",
        linkedid=Linkedid(f"{identity}.0"),
        uniqueid=Uniqueid(f"{identity}.0"),
        channel=f"PJSIP/inbound-{identity}",
        number=number,
        name="Ivan",
        dialled="100",
        state="routing",
        started=0.0,
        decision=decision,
    )


def entry(call: Call, entered: float, priority: int = 0) -> Entry:
    skills = call.decision.penalties if call.decision else None
    identity = f"e{call.id}"
    return Entry(identity, call.id, call.uniqueid, QUEUE, priority, entered, skills=skills)


class Turn:
    """Callbacks of one queue."""

    def __init__(self, calling: Calling = THRICE) -> None:
        self.callbacks = Callbacks(calling, ZoneInfo("UTC"))
        self.line = Line(QUEUE)

    def lines(self, queue: QueueName) -> Line:
        assert queue == QUEUE
        return self.line

    def asks(
        self,
        call: Call,
        entered: float = NOON - 100,
        now: float = NOON,
        number: str | None = NUMBER,
    ) -> list[Command]:
        self.callbacks.left(call.id, entry(call, entered))
        fact = CallbackAsked(f"ask {call.id}", PBX, call.linkedid, number)
        return self.callbacks.asked(fact, call, self.lines, now)

    def promised(self, call: Call | None = None, now: float = NOON) -> CallBack:
        return only(CallBack, self.asks(call or caller(), now=now))

    def tick(self, now: float) -> list[Command]:
        return self.callbacks.tick([PBX], self.lines, now)

    def call(self, made: CallBack, **fields: object) -> Call:
        """What the call model shows of it."""
        of = replace(caller("9"), linkedid=made.channel_id, decision=None, **fields)  # type: ignore[arg-type]
        return self.callbacks.known(of)


def only(kind: type, commands: list[Command]):  # type: ignore[no-untyped-def]
    (found,) = [command for command in commands if isinstance(command, kind)]
    return found


def saved(commands: list[Command]) -> CallbackRecord:
    records = [c.record for c in commands if isinstance(c, Save)]
    return [record for record in records if isinstance(record, CallbackRecord)][-1]


def refusal(commands: list[Command]) -> str | None:
    return only(SendCallback, commands).refused


def test_a_promise_is_kept_stored_and_made_at_once() -> None:
    callbacks = Turn()
    commands = callbacks.asks(caller())
    assert refusal(commands) is None
    made, record = only(CallBack, commands), saved(commands)
    assert (made.number, made.queue, made.shown) == (NUMBER, QUEUE, "100")
    assert made.skills == Penalties(most=3)
    assert made.channel_id == channel_of(record)
    assert (record.made, record.result) == (1, None)
    shown = callbacks.call(made)
    assert (shown.number, shown.callback) == (NUMBER, True)
    assert shown.decision is not None
    assert shown.decision.penalties == Penalties(most=3)


@pytest.mark.parametrize(
    ("offer", "number", "why"),
    [
        (None, NUMBER, "not-offered"),
        (CallbackOffer(60), None, "number"),
        (CallbackOffer(60, "09:00-11:00"), NUMBER, "hours"),
        (CallbackOffer(60, "22:00-06:00"), NUMBER, "hours"),
        (CallbackOffer(60, "09:00-21:00"), NUMBER, None),
    ],
)
def test_who_may_not_have_one_is_told_so_and_goes_on_waiting(
    offer: CallbackOffer | None, number: str | None, why: str | None
) -> None:
    commands = Turn().asks(caller(offer=offer), number=number)
    assert refusal(commands) == why
    assert (len(commands) == 1) == (why is not None)


def test_a_number_is_promised_one_callback() -> None:
    callbacks = Turn()
    callbacks.promised()
    assert refusal(callbacks.asks(caller("2"))) == "double"
    assert refusal(callbacks.asks(caller("2"), number="+79161234568")) is None


def test_who_did_not_wait_in_a_queue_cannot_ask() -> None:
    callbacks = Turn()
    fact = CallbackAsked("ask", PBX, Linkedid("1.0"), NUMBER)
    for call in (caller(), None):
        commands = callbacks.callbacks.asked(fact, call, callbacks.lines, NOON)
        assert refusal(commands) == "not-offered"


def test_his_place_is_behind_those_who_came_before_him_also_where_they_are_called_back() -> None:
    callbacks = Turn()
    ahead, behind = caller("1"), caller("3", number="+79160000003")
    callbacks.line.join(entry(ahead, NOON - 200), 1)
    callbacks.line.join(entry(behind, NOON - 50), 2)
    made = callbacks.promised(caller("2"))
    assert made.position == 2
    shown = callbacks.call(made)
    stands = Entry("x", shown.id, Uniqueid(f"{made.channel_id};2"), QUEUE, 0, NOON)
    stands = replace(stands, since=shown.waits_since)
    callbacks.line.join(stands, 2)
    callbacks.line.leave(behind.uniqueid, "moved", NOON)
    later = only(CallBack, callbacks.asks(behind, NOON - 50, NOON + 1, "+79160000003"))
    assert later.position == 3
    # One who is more important stands before all of them, whenever he came.
    callbacks.line.join(entry(caller("4"), NOON, priority=10), 1)
    late = callbacks.asks(caller("5"), NOON - 500, NOON + 2, "+79160000005")
    assert only(CallBack, late).position == 2


def test_one_who_does_not_answer_is_called_again_later_and_not_for_ever() -> None:
    callbacks = Turn(Calling(tries=2, again=900))
    made = callbacks.promised()
    callbacks.callbacks.reached(made.channel_id)
    callbacks.callbacks.failed(made.channel_id, "BUSY")
    record = saved(callbacks.callbacks.over(callbacks.call(made, cause="busy"), NOON + 60))
    assert (record.tries, record.result, record.due_at) == (1, None, NOON + 960)
    assert callbacks.tick(NOON + 959) == []
    again = only(CallBack, callbacks.tick(NOON + 960))
    assert again.channel_id != made.channel_id
    callbacks.callbacks.reached(again.channel_id)
    record = saved(callbacks.callbacks.over(callbacks.call(again, cause="no-answer"), NOON + 999))
    assert (record.tries, record.result) == (2, "no-answer")
    assert callbacks.tick(NOON + 9999) == []


def test_one_who_was_reached_is_done() -> None:
    callbacks = Turn()
    made = callbacks.promised()
    callbacks.callbacks.reached(made.channel_id)
    call = callbacks.call(made, answered=NOON + 1, cause="completed")
    assert saved(callbacks.callbacks.over(call, NOON + 2)).result == "answered"
    assert refusal(callbacks.asks(caller("2"))) is None


def test_one_who_calls_again_himself_is_not_called_back() -> None:
    callbacks = Turn()
    made = callbacks.promised()
    assert callbacks.callbacks.came_himself(callbacks.call(made), NOON + 1) == []
    commands = callbacks.callbacks.came_himself(caller("2"), NOON + 2)
    assert saved(commands).result == "called-again"
    assert only(Hush, commands).channel_id == made.channel_id
    assert callbacks.callbacks.over(callbacks.call(made), NOON + 3) == []


def test_one_that_is_cancelled_ends() -> None:
    callbacks = Turn()
    made = callbacks.promised()
    commands = callbacks.callbacks.cancel(made.channel_id, NOON + 1)
    assert saved(commands).result == "cancelled"
    assert only(Hush, commands).channel_id == made.channel_id
    assert callbacks.callbacks.cancel(made.channel_id, NOON + 2) == []


def test_nobody_is_called_outside_the_hours_and_the_promise_is_kept_for_the_next_day() -> None:
    callbacks = Turn()
    made = callbacks.promised(caller(offer=CallbackOffer(60, "09:00-13:00")))
    assert callbacks.tick(NOON + 3599) == []
    commands = callbacks.tick(NOON + 3600)
    assert only(Hush, commands).channel_id == made.channel_id
    assert callbacks.tick(NOON + 7200) == []
    assert only(CallBack, callbacks.tick(NOON + 21 * 3600)).number == NUMBER


def test_what_the_pbx_has_lost_is_made_again() -> None:
    callbacks = Turn()
    made = callbacks.promised()
    snapshot = callbacks.callbacks.snapshot
    assert snapshot(PBX, {made.channel_id}, NOON + 60) == []
    assert snapshot(PBX, (), NOON + SEEN_WITHIN) == []  # it may be on its way
    assert snapshot(PBX, (), NOON + 60) == [AskCallbacks(PBX)]
    assert callbacks.tick(NOON + 61) == []
    assert saved(callbacks.callbacks.made(CallbacksMade(PBX, {}), NOON + 61)).due_at == NOON + 61
    assert only(CallBack, callbacks.tick(NOON + 62)).number == NUMBER


def test_what_the_pbx_has_made_while_nobody_looked_is_not_made_again() -> None:
    before = Turn()
    record = saved(before.asks(caller()))
    for status, result in (("ANSWER", "answered"), ("BUSY", "busy")):
        after = Turn(Calling(tries=1))
        after.callbacks.remember([record], {})
        assert after.callbacks.snapshot(PBX, (), NOON + 60) == [AskCallbacks(PBX)]
        fact = CallbacksMade(PBX, {record.id.replace("-", ""): status})
        assert saved(after.callbacks.made(fact, NOON + 61)).result == result
        assert after.tick(NOON + 9999) == []


def test_a_call_that_ended_with_the_pbx_is_made_again() -> None:
    callbacks = Turn()
    made = callbacks.promised()
    assert saved(callbacks.callbacks.over(callbacks.call(made, cause="lost"), NOON + 5)).tries == 0
    assert callbacks.callbacks.tick([], callbacks.lines, NOON + 6) == []  # its PBX is away
    assert only(CallBack, callbacks.tick(NOON + 7)).number == NUMBER


def test_a_queue_that_takes_nobody_is_tried_again_after_a_while() -> None:
    callbacks = Turn()
    made = callbacks.promised()
    callbacks.callbacks.over(callbacks.call(made, cause="no-answer"), NOON)
    assert callbacks.tick(NOON + LEFT_QUEUE - 1) == []
    again = only(CallBack, callbacks.tick(NOON + LEFT_QUEUE))
    assert saved(callbacks.callbacks.not_made(again.channel_id, NOON + 70)).due_at == NOON + 130


def test_a_restart_remembers_them() -> None:
    before, after = Turn(), Turn()
    record = saved(before.asks(caller()))
    after.callbacks.remember([record], {})
    assert refusal(after.asks(caller("2"))) == "double"
    channel = channel_of(record)
    assert after.callbacks.snapshot(PBX, {channel}, NOON + 100) == []
    found = after.callbacks.of(channel)
    assert found is not None
    assert found.number == NUMBER


def test_a_restart_loses_neither_the_growth_nor_the_penalties_of_who_is_called_back() -> None:
    """They are those of the call in which it was asked for; he goes on growing from his old wait,
    also where the PBX has lost the channel."""
    growth, skills = Growth(1, 30.0, 20), Penalties(most=3, at_least=2)
    asked = caller()
    assert asked.decision is not None
    decision = replace(asked.decision, growth=growth, penalties=skills, rule="all")
    before, after = Turn(), Turn()
    commands = before.asks(replace(asked, decision=decision), entered=NOON - 100)
    record, made = saved(commands), only(CallBack, commands)
    assert (made.priority, made.skills) == (3, skills)
    after.callbacks.remember([record], {record.call_id: decision})
    after.callbacks.snapshot(PBX, {channel_of(record)}, NOON + 100)
    shown = after.call(made)
    assert shown.decision == before.call(made).decision
    assert shown.decision is not None
    assert (shown.decision.growth, shown.decision.penalties) == (growth, skills)
    after.callbacks.over(replace(shown, cause="lost"), NOON + 200)
    again = only(CallBack, after.tick(NOON + 201))
    assert (again.priority, again.skills) == (10, skills)


def test_the_rules_know_it_where_they_are_asked_of_somebody_who_is_called_back() -> None:
    rules = """
        default_queue = "support-ru"
        [[rule]]
        name = "promised"
        when = { callback = true }
        action = "queue"
        priority = 7
    """
    desk_rules = replace(RULES, policy=Policy.parse(rules))
    arrivals = Arrivals(desk_rules, Floor(desk_rules.threshold, desk_rules.short_abandon))
    turn = Turn()
    call = turn.call(turn.promised())
    arrivals.heard(PBX, call.linkedid, NUMBER, "100", NOON)
    arrivals.found(CustomerFound(PBX, call.linkedid, NUMBER, "RU", None), NOON)
    for one, priority in ((call, 7), (replace(call, callback=False), 0)):
        opinion = arrivals.opinion(one, NOON)
        assert opinion is not None
        assert opinion[0].priority == priority
