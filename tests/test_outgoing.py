"""Attempts to call from the desk: one at a time, made once, and always told about."""

from __future__ import annotations

from cordboard.cti.facts import Originated
from cordboard.desk.commands import Originate, Tell
from cordboard.desk.facts import ActionAsked, ActionDone
from cordboard.desk.outgoing import ANSWER_WITHIN, Outgoing
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, Uniqueid
from cordboard.queue.operators import Operator

ANNA = Operator(OperatorName("anna"), "Anna", "PJSIP/1001")
PBX = PbxName("pbx")


def asked(identity: str = "a1") -> ActionAsked:
    args = {"number": "+79031112233"}
    return ActionAsked(identity, ANNA.name, "operator", "operator", "anna", "call", args, "")


def placed(outgoing: Outgoing, identity: str = "a1", now: float = 0.0) -> Linkedid:
    command = outgoing.place(asked(identity), ANNA, PBX, now)
    assert isinstance(command, Originate)
    return command.channel_id


def told(outgoing: Outgoing, linkedid: Linkedid, reason: int) -> list[str | None]:
    commands = outgoing.originated(Originated(PBX, Uniqueid(linkedid), reason))
    return [command.error for command in commands if isinstance(command, Tell)]


def test_the_answer_of_the_phone_is_told_once_however_often_it_comes() -> None:
    outgoing = Outgoing()
    linkedid = placed(outgoing)
    assert told(outgoing, linkedid, 4) == [None]
    assert told(outgoing, linkedid, 4) == []
    attempt = outgoing.of(linkedid)
    assert attempt is not None
    assert outgoing.answered(attempt) == []


def test_an_attempt_without_any_word_is_told_as_failed_after_its_time() -> None:
    outgoing = Outgoing()
    linkedid = placed(outgoing)
    assert outgoing.tick(ANSWER_WITHIN) == []
    (command,) = outgoing.tick(ANSWER_WITHIN + 0.1)
    assert isinstance(command, Tell)
    assert command.error
    assert told(outgoing, linkedid, 4) == []


def test_a_second_attempt_waits_for_the_first_to_be_told() -> None:
    outgoing = Outgoing()
    linkedid = placed(outgoing)
    assert outgoing.place(asked("a2"), ANNA, PBX, 1.0) == Tell(
        "a2", ANNA.name, "this operator is in a call"
    )
    assert told(outgoing, linkedid, 0) != []
    placed(outgoing, "a3")


def test_an_operator_who_talks_or_has_no_phone_and_a_pbx_that_is_away_are_refused() -> None:
    outgoing = Outgoing()
    talking = Operator(ANNA.name, "Anna", "PJSIP/1001", "talking", CallId("c"))
    bare = Operator(ANNA.name, "Anna", None)
    for operator, pbx in ((talking, PBX), (bare, PBX), (None, PBX), (ANNA, None)):
        command = outgoing.place(asked(), operator, pbx, 0.0)
        assert isinstance(command, Tell)
        assert command.error


def test_what_the_pbx_would_not_begin_leaves_the_operator_free() -> None:
    outgoing = Outgoing()
    placed(outgoing)
    assert outgoing.refused(ActionDone("a1", ANNA.name, "no such extension"))
    assert not outgoing.refused(ActionDone("other", ANNA.name, None))
    placed(outgoing, "a2")


def test_a_call_of_somebody_else_is_no_attempt() -> None:
    assert Outgoing().originated(Originated(PBX, Uniqueid("1790000000.1"), 4)) == []
