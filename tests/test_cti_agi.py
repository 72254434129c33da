"""The AGI codec: quoting, replies in all their shapes, HANGUP anywhere."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.cti.agi import (
    AgiSyntaxError,
    AgiValueError,
    Reply,
    ReplyReader,
    caller,
    command,
    environment,
)


def replies(*lines: str) -> list[Reply]:
    reader = ReplyReader()
    return [reply for line in lines if (reply := reader.feed(line)) is not None]


@pytest.mark.parametrize(
    ("told", "number"),
    [("79161234567", "79161234567"), ("100", "100"), ("unknown", ""), ("Anonymous", ""), ("", "")],
)
def test_a_withheld_number_is_none(told: str, number: str) -> None:
    assert caller({"agi_callerid": told}) == number
    assert caller({}) == ""


def test_arguments_are_quoted_as_asterisk_unquotes_them() -> None:
    assert command("SET VARIABLE", "A", 'say "hi" \\ done') == (
        b'SET VARIABLE "A" "say \\"hi\\" \\\\ done"\n'
    )


@pytest.mark.parametrize("bad", ["a\nHANGUP", "a\rb", "a\0b", "x" * 9000])
def test_what_would_become_a_second_command_is_refused(bad: str) -> None:
    with pytest.raises(AgiValueError):
        command("SET VARIABLE", "A", bad)


@given(st.text(max_size=200))
def test_one_command_is_always_one_line(argument: str) -> None:
    try:
        data = command("VERBOSE", argument)
    except (AgiValueError, UnicodeEncodeError):
        return
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")


@pytest.mark.parametrize(
    ("line", "code", "result", "data", "rest"),
    [
        ("200 result=1", 200, "1", None, {}),
        ("200 result=", 200, "", None, {}),
        ("200 result=1 (a) b)", 200, "1", "a) b", {}),
        ("200 result=0 endpos=640", 200, "0", None, {"endpos": "640"}),
        ("200 result=1 (speech) endpos=640", 200, "1", "speech", {"endpos": "640"}),
        ("200 result=42 (timeout)", 200, "42", "timeout", {}),
        ("200 result=-1", 200, "-1", None, {}),
        ("510 Invalid or unknown command", 510, "", None, {}),
        ("511 Command Not Permitted on a dead channel", 511, "", None, {}),
    ],
)
def test_a_reply_is_taken_apart(
    line: str, code: int, result: str, data: str | None, rest: dict[str, str]
) -> None:
    (reply,) = replies(line)
    assert (reply.code, reply.result, reply.data, reply.rest) == (code, result, data, rest)


def test_only_a_200_without_a_negative_result_is_ok() -> None:
    assert [reply.ok for reply in replies("200 result=1", "200 result=-1", "510 x")] == [
        True,
        False,
        False,
    ]


def test_a_usage_text_of_many_lines_is_one_reply() -> None:
    usage, after = replies(
        "520-Invalid command syntax.  Proper usage follows:",
        "Usage: SAY DIGITS number",
        "520 End of proper usage.",
        "200 result=0",
    )
    assert (usage.code, after.code) == (520, 200)
    assert "SAY DIGITS" in usage.text


@pytest.mark.parametrize("place", [0, 1, 2])
def test_hangup_shifts_no_reply_wherever_it_comes(place: int) -> None:
    reader = ReplyReader()
    lines = ["200 result=1", "200 result=2"]
    lines.insert(place, "HANGUP")
    found = [reply.result for line in lines if (reply := reader.feed(line))]
    assert found == ["1", "2"]
    assert reader.hung_up


@pytest.mark.parametrize("line", ["hello", "", "GET / HTTP/1.1", "20 result=1"])
def test_a_line_that_is_no_reply_is_said(line: str) -> None:
    with pytest.raises(AgiSyntaxError):
        ReplyReader().feed(line)


@given(st.text(max_size=60))
def test_no_line_raises_anything_else(line: str) -> None:
    with contextlib.suppress(AgiSyntaxError):
        ReplyReader().feed(line)


def test_lines_that_a_caller_put_into_the_environment_are_not_believed() -> None:
    """As a real Asterisk wrote it for a caller with line feeds in both numbers, in a dialplan that
    cleans neither."""
    env, tampered = environment(
        [
            "agi_channel: PJSIP/inbound-00000000",
            "agi_uniqueid: 1.2",
            *("agi_callerid: 100", "agi_arg_1: 6.6", "agi_uniqueid: 6.6", "junk"),
            "agi_calleridname: M",
            *("agi_extension: 7495", "agi_arg_1: 7.7"),
            "agi_threadid: 139757437667008",
            "agi_arg_1: 1.2",
            *("agi_arg_2: 7495", "agi_arg_1: 7.7"),
            "agi_arg_3: ",
        ]
    )
    assert tampered
    assert env == {
        "agi_channel": "PJSIP/inbound-00000000",
        "agi_uniqueid": "1.2",
        "agi_callerid": "100",
        "agi_calleridname": "M",
        "agi_extension": "7495",
        "agi_threadid": "139757437667008",
        "agi_arg_2": "7495",
        "agi_arg_3": "",
    }


def test_an_environment_as_asterisk_writes_it_is_not_tampered_with() -> None:
    env, tampered = environment(["agi_uniqueid: 1.2", "agi_callerid: 100: x"])
    assert (env, tampered) == ({"agi_uniqueid": "1.2", "agi_callerid": "100: x"}, False)
