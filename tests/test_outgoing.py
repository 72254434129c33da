"""Attempts to call from the desk: one at a time, made once, and always told about."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from cordboard.crm_core.model import User
from cordboard.cti.facts import LinkDown, Originated, SnapshotDone
from cordboard.desk.arrivals import Arrivals
from cordboard.desk.commands import FindCustomer, Originate, Tell
from cordboard.desk.facts import ActionAsked, ActionDone
from cordboard.desk.links import Links
from cordboard.desk.model import Rules
from cordboard.desk.outgoing import ANSWER_WITHIN, Outgoing
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.floor import Floor
from cordboard.queue.policy import Policy

ANNA = OperatorName("anna")
PBX = PbxName("pbx")
NUMBER = "+79031112233"
RULES = Rules(
    Policy.parse('default_queue = "support-ru"'),
    ZoneInfo("UTC"),
    wrapup=3.0,
    threshold=20.0,
    short_abandon=5.0,
)


class Desk:
    """Anna at her phone, and a PBX that is there."""

    def __init__(self) -> None:
        self.floor, self.links = Floor(20.0, 5.0), Links()
        self.links.seen(SnapshotDone(PBX), 0.0)
        self.employ("PJSIP/1001")
        self.outgoing = Outgoing(self.floor, self.links, Arrivals(RULES, self.floor))

    def employ(self, phone: str | None) -> None:
        queues = ((QueueName("support-ru"), 0),)
        anna = User("u1", ANNA, "Anna", "operator", phone, None, "ru", True, queues)
        self.floor.employ([anna], 0.0)


def asked(identity: str = "a1", target: str = ANNA) -> ActionAsked:
    args = {"number": NUMBER}
    return ActionAsked(identity, ANNA, "operator", "operator", target, "call", args, "")


def placed(outgoing: Outgoing, identity: str = "a1", now: float = 0.0) -> Linkedid:
    command, *lookup = outgoing.place(asked(identity), now)
    assert isinstance(command, Originate)
    assert lookup == [FindCustomer(PBX, command.channel_id, NUMBER, None)]
    return command.channel_id


def told(outgoing: Outgoing, linkedid: Linkedid, reason: int) -> list[str | None]:
    commands = outgoing.originated(Originated(PBX, Uniqueid(linkedid), reason))
    return [command.error for command in commands if isinstance(command, Tell)]


def test_the_answer_of_the_phone_is_told_once_however_often_it_comes() -> None:
    outgoing = Desk().outgoing
    linkedid = placed(outgoing)
    assert told(outgoing, linkedid, 4) == [None]
    assert told(outgoing, linkedid, 4) == []
    attempt = outgoing.of(linkedid)
    assert attempt is not None
    assert outgoing.answered(attempt) == []


def test_an_attempt_without_any_word_is_told_as_failed_after_its_time() -> None:
    outgoing = Desk().outgoing
    linkedid = placed(outgoing)
    assert outgoing.tick(ANSWER_WITHIN) == []
    (command,) = outgoing.tick(ANSWER_WITHIN + 0.1)
    assert isinstance(command, Tell)
    assert command.error
    assert told(outgoing, linkedid, 4) == []


def test_a_second_attempt_waits_for_the_first_to_be_told() -> None:
    outgoing = Desk().outgoing
    linkedid = placed(outgoing)
    assert outgoing.place(asked("a2"), 1.0) == [Tell("a2", ANNA, "this operator is in a call")]
    assert told(outgoing, linkedid, 0) != []
    placed(outgoing, "a3")


def talks(desk: Desk) -> None:
    desk.floor.step(ANNA, "answer", CallId("c"), 0.0)


@pytest.mark.parametrize(
    "befalls",
    [
        talks,
        lambda desk: desk.employ(None),
        lambda desk: desk.links.down(LinkDown(PBX, "cut"), 0.0),
    ],
    ids=["talking", "no phone", "pbx away"],
)
def test_an_operator_who_talks_or_has_no_phone_and_a_pbx_that_is_away_are_refused(
    befalls: Callable[[Desk], object],
) -> None:
    desk = Desk()
    befalls(desk)
    (command,) = desk.outgoing.place(asked(), 0.0)
    assert isinstance(command, Tell)
    assert command.error


def test_nobody_calls_from_the_desk_of_an_operator_whom_nobody_knows() -> None:
    (command,) = Desk().outgoing.place(asked(target="nobody"), 0.0)
    assert isinstance(command, Tell)
    assert command.error


def test_what_the_pbx_would_not_begin_leaves_the_operator_free() -> None:
    outgoing = Desk().outgoing
    placed(outgoing)
    assert outgoing.refused(ActionDone("a1", ANNA, "no such extension"))
    assert not outgoing.refused(ActionDone("other", ANNA, None))
    placed(outgoing, "a2")


def test_a_call_of_somebody_else_is_no_attempt() -> None:
    assert Desk().outgoing.originated(Originated(PBX, Uniqueid("1790000000.1"), 4)) == []
