"""People of lists on the desk: called once, followed by what their telephones tell, let go with a
result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from board_desk import ANNA, BORIS, PBX, PHONES, WRAPUP, Desk, customer

from cordboard.crm_core.model import (
    AttemptRecord,
    RefusalRecord,
    Respondent,
    RespondentList,
    WrapUp,
)
from cordboard.crm_core.respondent_states import UNWRITTEN
from cordboard.cti import facts as cti
from cordboard.desk.commands import EndPop, EndRespondent, Originate, ShowRespondent, Tell
from cordboard.desk.facts import (
    ActionAsked,
    ActionDone,
    CustomerChanged,
    Remembered,
    RespondentTaken,
    Tick,
)
from cordboard.desk.refusals import refusal
from cordboard.desk.respondents import HELD_FOR, WRITTEN_WITHIN, channel_of
from cordboard.events import CallId, Linkedid, OperatorName, Uniqueid

NUMBER = "+79031112233"
WHOSE = RespondentList("l1", "Prices", "prices", "ru", None, 2, 60.0, 0.0, "maria")
PERSON = Respondent(
    "01900000-0000-7000-8000-000000000001", "l1", 0, NUMBER, "Пётр", "c1", "ru", {"city": "Омск"}
)


def given(operator: OperatorName = ANNA, **more: Any) -> RespondentTaken:
    taken = replace(PERSON, state="taken", revision=1, taken_by=operator, taken_at=999.0, **more)
    return RespondentTaken(operator, taken, WHOSE, customer())


def asks(action: str, by: OperatorName = ANNA, number: int = 1, **args: Any) -> ActionAsked:
    return ActionAsked(f"a{number}", by, "operator", "respondent", PERSON.id, action, args, "")


def result(said: str, **more: Any) -> ActionAsked:
    return asks("result", result=said, number=9, **more)


class Person:
    """The facts of the calls to him, as the call model tells them of a call from the desk."""

    def __init__(self, dial: int = 1, operator: OperatorName = ANNA) -> None:
        self.linkedid = channel_of(replace(PERSON, dials=dial))
        self.call = CallId(f"0000-{dial}")
        self.about = (None, self.call, self.linkedid, f"{PHONES[operator]}-000000aa")
        self.peer = ("PJSIP/trunk-000000bb", Uniqueid(f"{self.linkedid}-peer"))

    def offered(self) -> cti.Offered:
        uniqueid = Uniqueid(self.linkedid)
        return cti.Offered(*self.about, PBX, "boot", uniqueid, "1001", "Anna", NUMBER)

    def answers(self) -> cti.Established:
        return cti.Established(*self.about, *self.peer, None)

    def cleared(self, cause: cti.Cause = "completed") -> cti.Cleared:
        return cti.Cleared(*self.about, cause)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def states(desk: Desk) -> list[str]:
    return [each.state for each in desk.saved(Respondent)]


def called(desk: Desk, dial: int = 1) -> Person:
    """Anna has him, has pressed the key, and her phone is answered."""
    person = Person(dial)
    desk.tell(asks("dial"), person.offered())
    return person


def test_a_person_who_is_given_is_shown_with_what_is_known(desk: Desk) -> None:
    desk.tell(given())
    shown = desk.last(ShowRespondent).holding
    assert (shown.operator, shown.respondent.number, shown.whose.script) == (ANNA, NUMBER, "prices")
    assert shown.card == customer()
    desk.commands.clear()
    assert desk.tell(given()) == []


def test_a_call_is_named_after_the_person_and_made_once_however_often_the_key_is_pressed(
    desk: Desk,
) -> None:
    desk.tell(given())
    desk.tell(asks("dial", number=1), asks("dial", number=2))
    (made,) = desk.all(Originate)
    assert (made.number, made.phone) == (NUMBER, PHONES[ANNA])
    assert made.channel_id == f"cordboard-respondent-{PERSON.id}-1"
    assert Tell("a2", ANNA, None) in desk.commands
    assert states(desk) == ["dialled"]
    (attempt,) = desk.saved(AttemptRecord)
    assert (attempt.dial, attempt.operator, attempt.pbx) == (1, ANNA, PBX)


def test_who_answers_is_talked_to_and_the_result_ends_the_wrap_up(desk: Desk) -> None:
    desk.tell(given())
    person = called(desk)
    desk.tell(person.answers())
    assert desk.last(ShowRespondent).holding.respondent.state == "talking"
    desk.tell(person.cleared(), after=20.0)
    assert desk.last(ShowRespondent).holding.respondent.state == "talked"
    assert desk.state(ANNA) == "wrap-up"
    desk.tell(result("done", note="all answered", run="r1"))
    ended = desk.last(EndRespondent)
    assert (ended.respondent.state, ended.respondent.run_id) == ("done", "r1")
    assert ended.respondent.ended_at == desk.now
    assert desk.state(ANNA) == "ready"
    assert desk.last(EndPop).saved
    assert desk.last(Tell) == Tell("a9", ANNA, None)
    last = desk.saved(AttemptRecord)[-1]
    assert (last.call_id, last.result, last.ended_at) == (person.call, "done", desk.now)
    (note,) = desk.saved(WrapUp)
    assert (note.call_id, note.note, note.first) == (person.call, "all answered", True)


@pytest.mark.parametrize(
    ("cause", "state", "said"),
    [
        ("no-answer", "no-answer", "no-answer"),
        ("busy", "busy", "busy"),
        ("rejected", "busy", "rejected"),
        ("failed", "no-answer", "failed"),
    ],
)
def test_who_does_not_take_the_call_goes_back_to_the_list_without_a_word_of_the_operator(
    desk: Desk, cause: cti.Cause, state: str, said: str
) -> None:
    desk.tell(given())
    person = called(desk)
    desk.tell(person.cleared(cause), after=30.0)
    ended = desk.last(EndRespondent).respondent
    assert (ended.state, ended.tries, ended.due_at) == (state, 1, desk.now + 3600)
    assert ended.taken_by is None
    assert desk.saved(AttemptRecord)[-1].result == said
    assert desk.state(ANNA) == "ready"


def test_after_the_last_try_he_is_given_up(desk: Desk) -> None:
    desk.tell(given(tries=1, dials=1))
    person = called(desk, dial=2)
    desk.tell(person.cleared("no-answer"))
    ended = desk.last(EndRespondent).respondent
    assert (ended.state, ended.result, ended.due_at) == ("given-up", "no-answer", None)
    assert ended.ended_at == desk.now


def fails_at_the_pbx(desk: Desk, channel: Linkedid) -> None:
    desk.tell(ActionDone("a1", ANNA, "no such extension"))


def is_not_answered(desk: Desk, channel: Linkedid) -> None:
    desk.tell(cti.Originated(PBX, Uniqueid(channel), 1))


def has_no_word(desk: Desk, channel: Linkedid) -> None:
    desk.tell(Tick(), after=61.0)


@pytest.mark.parametrize("befalls", [fails_at_the_pbx, is_not_answered, has_no_word])
def test_a_call_that_never_reached_him_counts_as_no_try_and_the_next_has_another_name(
    desk: Desk, befalls: Any
) -> None:
    desk.tell(given())
    desk.tell(asks("dial"))
    befalls(desk, desk.last(Originate).channel_id)
    assert states(desk) == ["dialled", "taken"]
    assert desk.saved(AttemptRecord)[-1].result == "unplaced"
    desk.tell(asks("dial", number=2))
    assert desk.last(Originate).channel_id.endswith("-2")
    assert desk.saved(Respondent)[-1].tries == 0


def test_the_operator_who_gives_up_while_it_rings_still_has_him(desk: Desk) -> None:
    desk.tell(given())
    person = called(desk)
    desk.tell(person.cleared("cancelled"))
    assert states(desk)[-1] == "taken"
    assert desk.all(EndRespondent) == []


def test_nobody_acts_on_whom_another_has_and_no_state_is_skipped(desk: Desk) -> None:
    desk.tell(given())
    desk.tell(asks("dial", by=BORIS))
    assert desk.last(Tell) == Tell("a1", BORIS, refusal("respondent-gone"))
    desk.tell(result("done"))
    assert desk.last(Tell).error == refusal("respondent-state", state="taken")
    desk.tell(asks("dial"))
    desk.tell(asks("release"))
    assert desk.last(Tell).error == refusal("respondent-state", state="dialled")
    assert states(desk) == ["dialled"]


def test_who_is_let_go_waits_as_before(desk: Desk) -> None:
    desk.tell(given(result="callback", due_at=500.0, due_for=ANNA))
    desk.tell(asks("release"))
    ended = desk.last(EndRespondent).respondent
    assert (ended.state, ended.due_at, ended.due_for) == ("callback", 500.0, ANNA)
    desk.commands.clear()
    assert desk.tell(given(result="callback", due_at=500.0)) == []  # told late


def test_a_callback_is_due_when_the_person_said_and_for_whom(desk: Desk) -> None:
    desk.tell(given())
    person = called(desk)
    desk.tell(person.answers(), result("callback", at=9000.0, mine=True, note="after work"))
    ended = desk.last(EndRespondent).respondent
    assert (ended.state, ended.due_at, ended.due_for) == ("callback", 9000.0, ANNA)
    assert (ended.note, ended.ended_at) == ("after work", None)
    desk.commands.clear()
    desk.tell(person.cleared())  # and the talk goes on to its end without him
    assert desk.saved(Respondent) == []


def test_a_refusal_is_kept_for_all_surveys_only_where_that_was_said(desk: Desk) -> None:
    desk.tell(given())
    desk.tell(result("refused"))
    assert desk.saved(RefusalRecord) == []
    desk.tell(replace(given(), respondent=replace(given().respondent, taken_at=1000.5)))
    desk.tell(result("refused", never=True))
    (refused,) = desk.saved(RefusalRecord)
    assert (refused.number, refused.customer_id, refused.script) == (NUMBER, "c1", None)
    assert desk.last(EndRespondent).respondent.state == "refused"


def test_whoever_takes_one_and_does_nothing_and_whoever_logs_out_go_on_without(desk: Desk) -> None:
    desk.tell(given())
    desk.tell(Tick(), after=HELD_FOR)
    assert desk.all(EndRespondent) == []
    desk.tell(Tick(), after=1.0)
    assert desk.last(EndRespondent).respondent.state == "waiting"
    desk.tell(replace(given(BORIS), respondent=replace(given(BORIS).respondent, revision=5)))
    desk.tell(ActionAsked("b", BORIS, "operator", "operator", BORIS, "logout", {}, ""))
    assert desk.last(EndRespondent).operator == BORIS
    assert desk.last(EndRespondent).respondent.revision == 6


def test_a_talk_of_which_nothing_is_said_is_over_in_the_end(desk: Desk) -> None:
    desk.tell(given())
    person = called(desk)
    desk.tell(person.answers(), person.cleared())
    desk.tell(Tick(), after=WRAPUP + 1)
    assert desk.all(EndRespondent) == []
    desk.tell(Tick(), after=WRITTEN_WITHIN)
    ended = desk.last(EndRespondent).respondent
    assert (ended.state, ended.result) == ("done", UNWRITTEN)


def test_nobody_is_called_out_of_hours(desk: Desk) -> None:
    hours = replace(given(), whose=replace(WHOSE, hours="nowhere"))
    desk.tell(hours)
    desk.tell(asks("dial"))
    assert desk.last(Tell).error == refusal("respondent-no-hours", hours="nowhere")
    assert desk.all(Originate) == []


def test_a_card_that_changes_is_shown(desk: Desk) -> None:
    desk.tell(given())
    desk.tell(CustomerChanged(customer("vip")))
    shown = desk.last(ShowRespondent).holding.card
    assert shown is not None
    assert shown.customer.status == "vip"


def remembered(state: Any) -> tuple[Remembered, Person]:
    person = Person()
    held = replace(given().respondent, state=state, dials=1)
    attempt = AttemptRecord("t1", PERSON.id, 1, ANNA, PBX, 900.0, person.call)
    one = RespondentTaken(ANNA, held, WHOSE, customer(), attempt)
    return Remembered((), (), respondents=(one,)), person


def test_over_a_restart_the_call_to_him_is_found_again(desk: Desk) -> None:
    before, person = remembered("dialled")
    desk.tell(before, cti.LinkUp(PBX, "boot", "22.10.1"), Tick())
    assert states(desk) == []
    desk.tell(person.offered(), cti.SnapshotDone(PBX))
    assert states(desk) == []
    desk.tell(asks("dial"))
    assert desk.all(Originate) == []
    desk.tell(person.answers())
    assert states(desk) == ["talking"]


@pytest.mark.parametrize(("state", "then"), [("dialled", "taken"), ("talking", "talked")])
def test_a_call_that_ended_while_nobody_looked_is_over(desk: Desk, state: str, then: str) -> None:
    before, _ = remembered(state)
    desk.tell(before, cti.LinkUp(PBX, "boot", "22.10.1"), cti.SnapshotDone(PBX))
    assert states(desk) == [then]
    assert desk.last(ShowRespondent).holding.respondent.state == then
