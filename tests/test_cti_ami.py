"""The AMI codec against the bytes that Asterisk, and those who forge its events, can send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.cti.ami import FRAME_LIMIT, ActionError, Decoder, Message, encode, unescape

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = (
    BANNER
    + "".join(
        [
            "Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n",
            "Event: Newchannel\r\nPrivilege: call,all\r\nCallerIDName: Мария Иванова\r\n"
            "AccountCode: \r\nChanVariable: A=1\r\nChanVariable: B=x: y\r\nUniqueid: 1.2\r\n\r\n",
            "Response: Success\r\nActionID: 2\r\nOutput: a: b\r\nOutput: \r\nOutput: c\r\n\r\n",
        ]
    ).encode()
)


def decode(data: bytes, size: int | None = None) -> list[Message]:
    decoder = Decoder()
    chunks = [data[i : i + size] for i in range(0, len(data), size)] if size else [data]
    return [message for chunk in chunks for message in decoder.feed(chunk)]


def test_the_whole_stream_is_read_exactly() -> None:
    login, channel, output = decode(STREAM)
    assert login["Message"] == "Authentication accepted"
    assert channel["CallerIDName"] == "Мария Иванова"
    assert channel["AccountCode"] == ""
    assert channel.all("ChanVariable") == ["A=1", "B=x: y"]
    assert output.all("Output") == ["a: b", "", "c"]
    assert not any(message.oddities for message in (login, channel, output))


def test_a_cut_at_any_byte_changes_nothing() -> None:
    whole = decode(STREAM)
    for cut in range(len(STREAM) + 1):
        decoder = Decoder()
        assert decoder.feed(STREAM[:cut]) + decoder.feed(STREAM[cut:]) == whole, cut


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_of_any_size_change_nothing(size: int) -> None:
    assert decode(STREAM, size) == decode(STREAM)


def test_the_banner_is_kept_and_a_stream_without_one_is_read_from_its_first_byte() -> None:
    with_banner, without = Decoder(), Decoder()
    with_banner.feed(STREAM)
    assert with_banner.banner == "Asterisk Call Manager/11.0.0"
    assert without.feed(STREAM.removeprefix(BANNER)) == decode(STREAM)
    assert without.banner == ""


def test_a_partial_tail_stays_pending_and_is_no_message() -> None:
    decoder = Decoder()
    assert decoder.feed(b"Event: Hangup\r\nUniqueid: 1.2\r\n") == []
    assert decoder.pending > 0


def test_a_line_without_space_after_the_colon_is_read() -> None:
    (message,) = decode(b"Event:Hangup\r\nCause:  16\r\n\r\n")
    assert (message["Event"], message["Cause"]) == ("Hangup", " 16")


def test_a_keyless_line_is_an_oddity_and_the_rest_is_read() -> None:
    (message,) = decode(b"Event: Hangup\r\nnothing here\r\nCause: 16\r\n\r\n")
    assert message["Cause"] == "16"
    assert message.oddities == ("line without a key",)


def test_a_repeated_single_value_key_is_an_oddity_and_the_first_wins() -> None:
    (message,) = decode(b"Event: Newchannel\r\nUniqueid: 1.2\r\nUniqueid: forged\r\n\r\n")
    assert message["Uniqueid"] == "1.2"
    assert message.oddities == ("Uniqueid twice",)


def test_a_bare_line_feed_ends_a_line_and_is_an_oddity() -> None:
    (message,) = decode(b"Response: Success\nMessage: Park successful\n\r\n\r\n")
    assert message["Message"] == "Park successful"
    assert "bare line feed" in message.oddities


def test_an_event_smuggled_in_by_bare_line_feeds_is_its_own_odd_message() -> None:
    first, second = decode(b"Event: A\r\nX: 1\n\nEvent: Forged\nY: 2\r\n\r\n")
    assert (first["X"], second["Event"]) == ("1", "Forged")
    assert first.oddities
    assert second.oddities


def test_invalid_utf8_is_replaced_and_is_an_oddity() -> None:
    (message,) = decode(b"Event: Newchannel\r\nCallerIDName: Zo\xeb\r\n\r\n")
    assert message["CallerIDName"] == "Zo\ufffd"
    assert message.oddities == ("invalid UTF-8",)


def test_nul_and_escape_are_oddities() -> None:
    (message,) = decode(b"Event: Newchannel\r\nCallerIDNum: 1\x002\x1b\r\n\r\n")
    assert message.oddities == ("control character",)


def test_a_byte_order_mark_hides_no_key() -> None:
    decoder = Decoder()
    (message,) = decoder.feed(b"\xef\xbb\xbfEvent: Hangup\r\nCause: 16\r\n\r\n")
    assert message["Event"] == "Hangup"


def test_an_event_of_two_megabytes_is_read() -> None:
    (message,) = decode(b"Event: UserEvent\r\nData: " + b"x" * 2_000_000 + b"\r\n\r\n", 65536)
    assert len(message["Data"]) == 2_000_000


def test_a_frame_without_end_is_given_up_and_the_next_is_read() -> None:
    decoder = Decoder(limit=1000)
    decoder.feed(b"Event: Endless\r\n" + b"X: 1\r\n" * 500)
    (message,) = decoder.feed(b"\r\nEvent: Hangup\r\nCause: 16\r\n\r\n")
    assert message["Event"] == "Hangup"
    assert decoder.oversize == 1
    assert FRAME_LIMIT > 2_000_000


def test_dropped_events_are_skipped_by_their_first_line() -> None:
    decoder = Decoder(dropped=["VarSet"])
    data = b"Event: VarSet\r\nValue: 1\r\n\r\nEvent: VarSetter\r\nValue: 2\r\n\r\n"
    assert [message["Event"] for message in decoder.feed(data)] == ["VarSetter"]


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_no_bytes_make_the_decoder_raise_or_depend_on_the_cuts(chunks: list[bytes]) -> None:
    decoder = Decoder()
    cut = [message for chunk in chunks for message in decoder.feed(chunk)]
    assert cut == decode(b"".join(chunks))


keys = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)
values = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)


@given(st.dictionaries(keys, values, min_size=1, max_size=12), st.integers(1, 50))
def test_what_was_written_is_what_is_read(headers: dict[str, str], size: int) -> None:
    data = "".join(f"{key}: {value}\r\n" for key, value in headers.items()).encode() + b"\r\n"
    decoder = Decoder()
    decoder.banner = ""
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    (message,) = [message for chunk in chunks for message in decoder.feed(chunk)]
    assert message.headers == headers


def test_an_action_is_written_line_by_line() -> None:
    data = encode("QueuePause", {"Interface": "PJSIP/1001", "Paused": "true"}, "a-1")
    assert data == (
        b"Action: QueuePause\r\nActionID: a-1\r\nInterface: PJSIP/1001\r\nPaused: true\r\n\r\n"
    )


def test_a_field_with_several_values_becomes_several_lines() -> None:
    data = encode("Originate", {"Variable": ["A=1", "B=2"]}, "a-1")
    assert data.endswith(b"Variable: A=1\r\nVariable: B=2\r\n\r\n")


@pytest.mark.parametrize("bad", ["1\r\nAction: Command", "1\nX: y", "1\r", "a\0b"])
@pytest.mark.parametrize("place", ["action", "key", "value", "id"])
def test_a_line_end_or_nul_is_refused_wherever_it_stands(bad: str, place: str) -> None:
    fields = {bad if place == "key" else "Channel": bad if place == "value" else "x"}
    with pytest.raises(ActionError):
        encode(bad if place == "action" else "Hangup", fields, bad if place == "id" else "a-1")


def test_a_line_or_an_action_too_long_for_asterisk_is_refused() -> None:
    with pytest.raises(ActionError, match="1022 in a line"):
        encode("Setvar", {"Value": "x" * 1100}, "a-1")
    with pytest.raises(ActionError, match="128"):
        encode("Originate", {"Variable": ["A=1"] * 130}, "a-1")


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        ("O\\'Brien", "O'Brien"),
        ('\\"x\\"', '"x"'),
        ("a\\tb", "a\tb"),
        ("Иван", "Иван"),
        ("\\", "\\"),
    ],
)
def test_names_of_channel_events_are_unescaped(escaped: str, name: str) -> None:
    assert unescape(escaped) == name
