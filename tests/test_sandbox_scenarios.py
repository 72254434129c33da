"""The scenarios as text: whole XML, labels that exist, nothing smuggled in."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree

import pytest

from cordboard.sandbox import scenarios
from cordboard.sandbox.line import Order
from cordboard.sandbox.scenarios import Dialling, Manner

CALL = Dialling("79161234567", "Анна", "74951234567")


def texts() -> list[str]:
    manners = [Manner(answers) for answers in ("answer", "busy", "reject", "no-answer", "forward")]
    return [
        scenarios.phone([Manner()], audio=None),
        scenarios.phone([*manners, Manner(digits="12", hold=(1, 2))], audio="/tmp/tone"),
        scenarios.caller(CALL, audio=None),
        scenarios.caller(
            Dialling("1001", "", "1002", digits="1#", user="1001", secret="s"), audio="/tmp/tone"
        ),
        scenarios.register(expires=3600),
    ]


@pytest.mark.parametrize("text", texts())
def test_every_jump_has_its_label(text: str) -> None:
    root = ElementTree.fromstring(text)
    labels = [label.get("id") for label in root.iter("label")]
    assert len(labels) == len(set(labels))
    jumps = {
        step.get(kind) for step in root.iter() for kind in ("next", "ontimeout") if step.get(kind)
    }
    assert jumps <= set(labels)


@pytest.mark.parametrize("text", texts())
def test_no_pause_that_would_be_deaf(text: str) -> None:
    assert "<pause" not in text


@pytest.mark.parametrize("bad", ["[call_id]", "a]]>b", "a\r\nX: y", "a\0b"])
def test_words_of_sipp_and_line_ends_are_refused(bad: str) -> None:
    for fields in ((bad, "n", "1"), ("1", bad, "1"), ("1", "n", bad)):
        with pytest.raises(ValueError, match="not for a SIPp scenario"):
            Dialling(*fields)


@pytest.mark.parametrize("digits", ["x", "1 2", "1\r\n"])
def test_only_digits_are_pressed(digits: str) -> None:
    with pytest.raises(ValueError, match="not DTMF"):
        Manner(digits=digits)


def test_times_are_not_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        Manner(ring=-1)


def test_a_phone_has_manners() -> None:
    with pytest.raises(ValueError, match="manner"):
        scenarios.phone([], audio=None)


def test_a_phone_that_talks_takes_every_order() -> None:
    for text in (scenarios.phone([Manner()], audio=None), scenarios.caller(CALL, audio=None)):
        heard = {step.get("request") for step in ElementTree.fromstring(text).iter("recv")}
        assert set(get_args(Order)) <= heard


def test_weights_become_chances_in_turn() -> None:
    text = scenarios.phone([Manner(weight=1), Manner(weight=1), Manner(weight=2)], audio=None)
    chances = [step.get("chance") for step in ElementTree.fromstring(text).iter("nop")]
    assert [chance for chance in chances if chance] == ["0.250000", "0.333333"]
