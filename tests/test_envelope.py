"""What a webhook carries, how it is signed, and when it is sent again."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from signatures import verify

from cordboard.cti.facts import AnyCallFact
from cordboard.desk.records import fact_kind
from cordboard.envelope import (
    EVENTS,
    KINDS,
    LONGEST_DELAY,
    Happening,
    asked_delay,
    body,
    delay,
    event_of,
    give_up,
    headers,
    masked,
    read_keys,
    schema,
)
from cordboard.events import derived_id

DOCUMENT = Path(__file__).parent.parent / "docs/webhooks.md"
KEY = b"0123456789abcdef"


def happening(kind: str, data: Mapping[str, Any], **more: Any) -> Happening:
    values: dict[str, Any] = {
        "position": 7,
        "id": derived_id(1_790_000_000_000, "fact"),
        "call_id": derived_id(1_790_000_000_000, "call"),
        "at": 1_790_000_000.25,
        "kind": kind,
        "data": json.dumps(data),
        "linkedid": "1790000000.1",
        "number": "+79161234567",
        "dialled": "88001234567",
        "queue": "support-ru",
        "operator": "anna",
        "customer_id": derived_id(1, "customer"),
    }
    return Happening(**values | more)


def test_a_body_says_what_happened_when_and_to_which_call() -> None:
    fact = happening("established", {"peer": "PJSIP/1001-000000aa", "queue": "sales", "age": 0.5})
    said = json.loads(body(fact))
    assert said == {
        "id": fact.id,
        "type": "call.answered",
        "version": 1,
        "at": "2026-09-21T14:13:20.250000Z",
        "call": {
            "id": fact.call_id,
            "linkedid": "1790000000.1",
            "from": "+79161234567",
            "to": "88001234567",
            "queue": "support-ru",
            "operator": "anna",
            "customer": fact.customer_id,
        },
        "data": {"channel": "PJSIP/1001-000000aa", "queue": "sales"},
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", [False, True])
def test_every_body_is_as_the_schema_says_also_of_a_call_that_has_no_row(
    kind: str, mask: bool
) -> None:
    validator = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for more in ({}, dict.fromkeys(("linkedid", "number", "dialled", "queue", "operator"))):
        validator.validate(json.loads(body(happening(kind, {"peer": "x"}, **more), mask=mask)))


def test_every_fact_of_a_call_is_told_or_kept_back_on_purpose() -> None:
    kept_back = {"placed"}  # shown, and never written
    assert {fact_kind(kind) for kind in get_args(AnyCallFact)} - set(KINDS) == kept_back
    assert len(set(EVENTS)) == len(EVENTS) == len(KINDS)
    assert event_of("linkup") is None


def test_the_document_has_the_schema_and_every_event() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (block,) = [part for part in text.split("```json\n")[1:] if "$schema" in part]
    assert json.loads(block.partition("```")[0]) == schema()
    assert [name for name in EVENTS if f"`{name}`" not in text] == []


def test_what_was_decided_is_told_without_what_it_was_decided_by() -> None:
    decision = {
        "action": "queue",
        "queue": "sales",
        "priority": 10,
        "rule": "vip",
        "language": "ru",
    }
    inputs = {"balance": -500, "attributes.tariff": "gold", "status": "vip"}
    text = body(happening("decided", {"decision": decision, "inputs": inputs})).decode()
    assert json.loads(text)["data"]["rule"] == "vip"
    assert "gold" not in text
    assert "-500" not in text


def test_keys_that_callers_press_are_never_told() -> None:
    for kind in KINDS:
        text = body(happening(kind, {"digits": "4711", "dtmf": "4711", "ivr": {"pin": "4711"}}))
        assert b"4711" not in text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("+79161234567", "+791******67"),
        ("Local/+79161234567@mobile-0000001a;1", "Local/+791******67@mobile-0000001a;1"),
        ("PJSIP/1001-12345678", "PJSIP/1001-12345678"),
        ("112", "112"),
        ("anonymous", "anonymous"),
        ("", ""),
    ],
)
def test_a_masked_number_keeps_its_ends(text: str, hidden: str) -> None:
    assert masked(text) == hidden


def test_a_masked_body_has_no_number_and_all_its_ids() -> None:
    fact = happening("merged", {"into": derived_id(1_790_000_000_000, "other")})
    said = json.loads(body(fact, mask=True))
    assert said["data"]["into"] == derived_id(1_790_000_000_000, "other")
    assert (said["id"], said["call"]["id"]) == (fact.id, fact.call_id)
    assert (said["call"]["from"], said["call"]["linkedid"]) == ("+791******67", "1790000000.1")
    named = body(happening("offered", {"name": "Иван 89161234567"}), mask=True)
    assert b"1234567" not in named


def test_line_ends_in_names_and_numbers_stay_inside_the_json() -> None:
    evil = "x\r\nwebhook-id: 1\r\n\r\n{}"
    fact = happening("offered", {"name": evil}, number=evil, dialled=evil)
    content = body(fact)
    assert b"\r" not in content
    assert b"\n" not in content
    assert json.loads(content)["data"]["name"] == evil
    assert not any(set("\r\n") & set(text) for text in headers(fact.id, 1, content, [KEY]).values())


# The signature


@pytest.mark.parametrize(
    "text",
    ["0123456789abcdef", "whsec_" + base64.b64encode(KEY).decode(), "  0123456789abcdef \n\n"],
)
def test_a_signature_is_verified_by_an_implementation_of_its_own(text: str) -> None:
    content = body(happening("cleared", {"cause": "completed"}))
    sent = headers("evt-1", 1_790_000_000, content, read_keys(text))
    assert verify(KEY, sent, content)
    assert not verify(KEY, sent, content + b" ")
    assert not verify(KEY, sent | {"webhook-id": "evt-2"}, content)
    assert not verify(KEY, sent | {"webhook-timestamp": "1790000001"}, content)
    assert not verify(b"another key, long", sent, content)


def test_while_a_key_is_changed_both_sign() -> None:
    old, new = b"the old key of ours", b"the new key of ours"
    sent = headers("evt-1", 1, b"{}", read_keys(f"{new.decode()}\n{old.decode()}\n"))
    assert verify(old, sent, b"{}")
    assert verify(new, sent, b"{}")
    assert len(sent["webhook-signature"].split()) == 2


def test_the_published_example_of_standard_webhooks_has_our_signature() -> None:
    """From the reference libraries of standardwebhooks.com."""
    keys = read_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sent = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', keys)
    assert sent["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "text", ["short", "whsec_!!!!", "whsec_" + base64.b64encode(b"x").decode()]
)
def test_a_key_that_guards_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|at least"):
        read_keys(text)


# When


def test_each_delay_is_twice_the_one_before_by_chance_up_to_a_half_less_and_never_too_long() -> (
    None
):
    assert [delay(n, 0.0) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert [delay(n, 1.0) for n in (1, 2, 3)] == [0.5, 1, 2]
    assert delay(10_000, 0.0) == LONGEST_DELAY
    assert delay(1, 0.5, asked=120) == 120
    assert delay(1, 0.0, asked=1e9) == 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        (None, 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("-1", 0),
        ("1e9", 0),
    ],
)
def test_only_seconds_are_read_of_retry_after(text: str | None, seconds: float) -> None:
    assert asked_delay(text) == seconds


def test_an_event_is_given_up_when_it_is_as_old_as_configured() -> None:
    assert not give_up(1000, 1000 + 24 * 3600 - 1, 24)
    assert give_up(1000, 1000 + 24 * 3600, 24)
