"""What is believed of frames that a caller may have written into, and what the PBX is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from cordboard.cti import doubts as doubts_module
from cordboard.cti.ami import Decoder, Message
from cordboard.cti.connection import UNINTERESTING
from cordboard.cti.doubts import WAITING, Doubts
from cordboard.cti.forgery import NO_TAIL, Judged, Sieve, beginning, number_of, printable
from cordboard.errors import PeerError

TRACES = Path(__file__).parent / "traces"
LISTS = {"list-1"}
CHANNEL = "PJSIP/inbound-00000007"
UNIQUE, VICTIM = "1800000000.7", "1800000000.1"


def block(
    number: str = "100", exten: str = "200", unique: str = UNIQUE, channel: str = CHANNEL
) -> str:
    """A channel as Asterisk describes it, with what its caller put into two of the values."""
    return (
        f"Channel: {channel}\r\nChannelState: 4\r\nChannelStateDesc: Ring\r\n"
        f"CallerIDNum: {number[:79]}\r\nCallerIDName: M\r\nConnectedLineNum: <unknown>\r\n"
        "ConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: \r\nContext: in\r\n"
        f"Exten: {exten[:79]}\r\nPriority: 1\r\nUniqueid: {unique}\r\nLinkedid: {unique}\r\n"
    )


def event(
    name: str, *values: str, after: str = "", unique: str = UNIQUE, channel: str = CHANNEL
) -> str:
    body = block(*values, unique=unique, channel=channel)
    return f"Event: {name}\r\nPrivilege: call,all\r\nTimestamp: 1.0\r\n{body}{after}\r\n"


def judge(*frames: str, sieve: Sieve | None = None) -> list[Judged]:
    return (sieve or Sieve()).sift(Decoder().feed("".join(frames).encode()), LISTS)


def believed(judged: list[Judged]) -> list[str]:
    return [f"{one.message['Event']} {one.message['Uniqueid']}" for one in judged if not one.why]


def heads(judged: list[Judged]) -> list[str]:
    return [one.message["Event"] for one in judged if one.head]


@pytest.mark.parametrize("trace", sorted(TRACES.glob("*.ami")), ids=lambda path: path.stem)
def test_everything_that_asterisk_wrote_itself_is_believed(trace: Path) -> None:
    doubted = []
    for connection in trace.read_bytes().split(b"Asterisk Call Manager/"):
        sieve, decoder = Sieve(), Decoder(UNINTERESTING)
        messages = decoder.feed(b"Asterisk Call Manager/" + connection)
        events = [one for one in messages if "Event" in one.headers or not one["Response"]]
        lists = {message["ActionID"] for message in events if message["ActionID"]}
        doubted += [one for one in sieve.sift(events, lists) if one.why]
    if trace.stem == "forged_from_user":
        assert [(one.message["Event"], one.head) for one in doubted] == [
            ("Newchannel", True),
            ("QueueCallerJoin", False),
        ]
    else:
        assert doubted == []


FORGED = {
    "a line": ("1\r\nUniqueid: 6.6",),
    "a line that the event has not": ("1\r\nDestUniqueid: 6.6",),
    "an event": ("\r\n\r\nEvent: Hangup\r\nPrivilege: c\r\nUniqueid: 6.6\r\n\r\n",),
    "an event without privilege": ("\r\n\r\nEvent: Hangup\r\nUniqueid: 6.6",),
    "by line feeds": ("1\n\nEvent: Hangup\nPrivilege: c\nUniqueid: 6.6\nX: ",),
    "a tail of his own": (
        "\r\n\r\nLinkedid: 1\r\n\r\nEvent: Hangup\r\nPrivilege: c\r\nUniqueid: 6.6\r\n\r\n",
    ),
    "lines in both": ("\r\n\r\nEvent: Hangup\r\nPrivilege: c", "7\r\nUniqueid: 6.6"),
    "the rest of a channel": ("1", "7\r\nPriority: 1\r\nUniqueid: 6.6\r\nLinkedid: 6.6\r\n\r\n"),
    "the rest, and an event": (
        "1",
        "7\r\nPriority: 1\r\nUniqueid: 1\r\nLinkedid: 1\r\n\r\nEvent: Hangup\r\nUniqueid: 6.6",
    ),
    "the rest, and an event of no name": (
        "1",
        "7\r\nPriority: 1\r\nUniqueid: 6.6\r\nLinkedid: 6.6\r\n\r\nEvent: F\r\nPrivilege: c",
    ),
    "a reply": ("\r\n\r\nResponse: Success\r\nActionID: 1\r\n\r\n",),
    "an item": ("\r\n\r\nEvent: QueueEntry\r\nQueue: q\r\nChannel: x\r\nUniqueid: 6.6\r\n\r\n",),
    "the PBX": ("\r\n\r\nEvent: FullyBooted\r\nPrivilege: s\r\n\r\nEvent: Shutdown\r\n\r\n",),
}


@pytest.mark.parametrize("how", FORGED)
def test_of_a_forged_event_only_the_head_is_kept_and_the_next_event_is_believed(how: str) -> None:
    judged = judge(event("Newchannel", *FORGED[how]), event("Newstate"))
    assert believed(judged) == [f"Newstate {UNIQUE}"]
    assert heads(judged) == ["Newchannel"]
    head = next(one.message for one in judged if one.head)
    assert beginning(head)["Channel"] == CHANNEL
    assert "Uniqueid" not in beginning(head)


@pytest.mark.parametrize("how", FORGED)
def test_it_makes_no_difference_how_the_bytes_are_cut(how: str) -> None:
    data = (event("Newchannel", *FORGED[how]) + event("Newstate")).encode()
    for size in (1, 5, 64, len(data)):
        decoder, sieve = Decoder(), Sieve()
        judged = [
            one
            for place in range(0, len(data), size)
            for one in sieve.sift(decoder.feed(data[place : place + size]), LISTS)
        ]
        if "the rest" in how and size < len(data):
            continue  # the next test
        assert believed(judged) == [f"Newstate {UNIQUE}"], size


def test_an_event_completed_by_the_forger_whose_tail_comes_later_is_found_out_by_the_next() -> None:
    sieve = Sieve()
    first, rest = event("Newchannel", *FORGED["the rest of a channel"]).split("\r\n\r\n", 1)
    assert believed(judge(first, "\r\n\r\n", sieve=sieve)) == ["Newchannel 6.6"]
    judged = judge(rest, event("Newstate"), sieve=sieve)
    assert (believed(judged), heads(judged)) == ([], ["Newstate"])


@pytest.mark.parametrize(
    "name", ["DialBegin", "AgentCalled", "Hangup", "QueueCallerJoin", "Rename"]
)
def test_an_event_that_lacks_what_asterisk_always_writes_is_not_believed(name: str) -> None:
    frame = f"Event: {name}\r\nPrivilege: c\r\nUniqueid: {VICTIM}\r\nDestUniqueid: 6.6\r\n\r\n"
    assert believed(judge(frame)) == []


def test_the_hangup_of_a_live_call_by_another_name_is_not_believed() -> None:
    sieve = Sieve()
    judge(event("Newchannel", unique=VICTIM, channel="PJSIP/1001-00000001"), sieve=sieve)
    assert believed(judge(event("Hangup", unique=VICTIM), sieve=sieve)) == []
    true = event("Hangup", unique=VICTIM, channel="PJSIP/1001-00000001")
    assert believed(judge(true, sieve=sieve)) == [f"Hangup {VICTIM}"]


def test_a_channel_that_changes_its_name_is_the_same() -> None:
    sieve = Sieve()
    names = f"Channel: {CHANNEL}\r\nNewname: X/1\r\nUniqueid: {UNIQUE}"
    renamed = f"Event: Rename\r\nPrivilege: c\r\n{names}\r\n\r\n"
    frames = event("Newchannel"), renamed, event("Newstate", channel="X/1")
    assert len(believed(judge(*frames, sieve=sieve))) == 3
    assert believed(judge(event("Newstate"), sieve=sieve)) == []


def test_invalid_utf8_in_a_name_is_no_forgery() -> None:
    data = event("Newchannel").encode().replace(b"CallerIDName: M", b"CallerIDName: Zo\xeb")
    assert believed(Sieve().sift(Decoder().feed(data), LISTS)) == [f"Newchannel {UNIQUE}"]


def test_channel_variables_and_headers_of_later_versions_are_believed() -> None:
    variables = "ChanVariable: A=1\r\nChanVariable: B=2\r\n"
    newer = event("Hangup", after=f"Cause: 16\r\n{variables}").replace(
        "Context:", "Tenantid: t\r\nContext:"
    )
    assert believed(judge(newer)) == [f"Hangup {UNIQUE}"]


def test_a_head_whose_tail_never_comes_does_not_make_the_link_deaf() -> None:
    cut = event("Newchannel").partition("CallerIDName")[0] + "\r\n"
    others = ("Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: x\r\n\r\n",) * 40
    judged = judge(cut, *others)
    assert NO_TAIL in {one.why for one in judged}
    assert believed(judged)


def test_items_of_our_own_list_are_believed_and_those_of_others_are_not() -> None:
    ours = f"Event: CoreShowChannel\r\nActionID: list-1\r\n{block()}BridgeId: \r\n\r\n"
    assert believed(judge(ours)) == [f"CoreShowChannel {UNIQUE}"]
    assert believed(judge(ours.replace("list-1", "list-2"))) == []


def test_a_dropped_event_that_was_cut_is_seen_so_that_what_follows_is_not_believed() -> None:
    forged = "\r\n\r\n" + event("Hangup", unique="6.6")
    data = event("Newexten", "1").replace("CallerIDNum: 1", "CallerIDNum: 1" + forged)
    whole, decoder, sieve = (data + event("Newstate")).encode(), Decoder(UNINTERESTING), Sieve()
    judged = [one for byte in whole for one in sieve.sift(decoder.feed(bytes([byte])), LISTS)]
    assert believed(judged) == [f"Newstate {UNIQUE}"]


def test_random_names_of_events_do_not_fill_the_memory() -> None:
    sieve = Sieve()
    judge(*(f"Event: E{i}\r\nPrivilege: c\r\nK{i}: 1\r\n\r\n" for i in range(5000)), sieve=sieve)
    judge(
        *(event("Newstate", unique=f"1.{i}", channel=f"c/{i}") for i in range(60_000)), sieve=sieve
    )
    assert sum(len(shapes) for shapes in sieve._whole.values()) <= 1001
    assert len(sieve._names) <= 50_000


@pytest.mark.parametrize(
    ("text", "number"),
    [("100\r\nUniqueid: 6", "100"), ("+7 (916) 1", "+79161"), ("<b>", ""), ("100\n2", "100")],
)
def test_of_a_number_only_what_can_be_dialled_is_left(text: str, number: str) -> None:
    assert number_of(text) == number


def test_nothing_of_a_forger_reaches_the_log_as_it_is() -> None:
    assert printable("a\r\nb\x1b[31m\u2028") == r"a\r\nb\x1b[31m\u2028"
    assert len(printable("x" * 5000)) == 61


# Asking the PBX


class Pbx:
    """Answers to Getvar, by channel and variable."""

    def __init__(self, **channels: str) -> None:
        self.channels = {CHANNEL: UNIQUE} | channels
        self.number = "100"
        self.away = False
        self.asked = 0
        self.told: list[Message] = []
        self.resyncs: list[str] = []
        self.sieve = Sieve()
        self.doubts = Doubts(
            self.sieve, self.ask, lambda message, _: self.told.append(message), self.resyncs.append
        )

    async def ask(self, action: str, fields: Mapping[str, str]) -> Message:
        self.asked += 1
        if self.away:
            raise PeerError("not connected to the PBX")
        unique = self.channels.get(fields["Channel"])
        if unique is None:
            return Message({"Response": "Error", "Message": "No such channel"})
        known = {
            "CHANNEL(uniqueid)": unique,
            "CHANNEL(linkedid)": unique,
            "CALLERID(num)": self.number,
            "CALLERID(name)": "M\x1b\\",
            "EXTEN": "200",
        }
        return Message({"Response": "Success", "Value": known[fields["Variable"]]})

    async def hear(self, *frames: str) -> list[str]:
        for judged in judge(*frames, sieve=self.sieve):
            if judged.head:
                self.doubts.add(judged, 0.0)
        asking = asyncio.create_task(self.doubts.run())
        await self.doubts.settle()
        asking.cancel()
        return [f"{message['Event']} {message['Uniqueid']}" for message in self.told]


FORGED_EVENT = FORGED["an event"]


async def test_a_confirmed_head_is_told_with_the_pbxs_own_values() -> None:
    pbx = Pbx()
    pbx.number = "100\r\n\r\nEvent: x"
    assert await pbx.hear(event("Newchannel", *FORGED_EVENT)) == [f"Newchannel {UNIQUE}"]
    (message,) = pbx.told
    assert message["CallerIDNum"] == "100"
    assert message["CallerIDName"] == r"M\\x1b\\"
    assert (message["ChannelState"], message["Exten"], message["Linkedid"]) == ("4", "200", UNIQUE)
    assert pbx.resyncs == []


async def test_a_head_that_the_pbx_does_not_confirm_is_told_to_nobody() -> None:
    pbx = Pbx()
    pbx.channels.clear()
    assert await pbx.hear(event("Newchannel", *FORGED_EVENT)) == []


async def test_a_hangup_is_believed_when_the_channel_is_gone() -> None:
    pbx = Pbx()
    await pbx.hear(event("Newchannel", *FORGED_EVENT))
    pbx.channels.clear()
    told = await pbx.hear(event("HangupRequest", *FORGED_EVENT), event("Hangup", *FORGED_EVENT))
    assert told[1:] == [f"HangupRequest {UNIQUE}", f"Hangup {UNIQUE}"]
    assert pbx.resyncs == []


async def test_a_hangup_that_is_not_confirmed_brings_a_snapshot() -> None:
    pbx = Pbx()
    assert await pbx.hear(event("Hangup", *FORGED_EVENT)) == []
    assert len(pbx.resyncs) == 1


@pytest.mark.parametrize("name", ["QueueCallerJoin", "DialBegin", "AgentCalled", "DialEnd"])
async def test_what_stands_behind_the_number_is_asked_for_by_a_snapshot(name: str) -> None:
    pbx = Pbx()
    assert await pbx.hear(event(name, *FORGED_EVENT)) == []
    assert pbx.resyncs == [f"a doubtful {name}"]


async def test_a_confirmed_phone_that_rings_is_told_as_an_item_of_a_list() -> None:
    pbx = Pbx()
    told = await pbx.hear(event("Newstate", *FORGED_EVENT))
    assert told == [f"CoreShowChannel {UNIQUE}", "CoreShowChannelsComplete "]


async def test_a_false_uniqueid_that_was_believed_is_mended() -> None:
    pbx = Pbx()
    judge(event("Newchannel", unique="6.6"), sieve=pbx.sieve)
    assert await pbx.hear(event("Newchannel")) == [f"Newchannel {UNIQUE}"]
    assert len(pbx.resyncs) == 1
    assert believed(judge(event("Newstate"), sieve=pbx.sieve)) == [f"Newstate {UNIQUE}"]


async def test_while_the_pbx_does_not_answer_nothing_is_told_and_a_snapshot_is_due() -> None:
    pbx = Pbx()
    pbx.away = True
    assert await pbx.hear(event("Newchannel", *FORGED_EVENT)) == []
    assert len(pbx.resyncs) == 1


async def test_a_flood_of_forged_calls_is_not_asked_about_without_end() -> None:
    pbx = Pbx()
    frames = [event("Newchannel", *FORGED_EVENT) for _ in range(WAITING + 50)]
    await pbx.hear(*frames)
    assert len(pbx.told) == WAITING
    assert len(pbx.resyncs) == 50


async def test_waiting_for_answers_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts_module, "SETTLED_WITHIN", 0.01)
    pbx = Pbx()
    pbx.doubts.add(judge(event("Newchannel", *FORGED_EVENT))[0], 0.0)
    await pbx.doubts.settle()
    assert pbx.told == []


async def test_a_cut_item_of_a_list_keeps_its_bridge_and_makes_the_list_whole() -> None:
    pbx = Pbx()
    bridged = event("BridgeEnter", *FORGED_EVENT).replace(
        "Channel:", "BridgeUniqueid: b\r\nChannel:", 1
    )
    item = (
        f"Event: CoreShowChannel\r\nActionID: list-1\r\n{block(*FORGED_EVENT)}BridgeId: b\r\n\r\n"
    )
    told = await pbx.hear(bridged, item)
    assert told[1:] == [f"CoreShowChannel {UNIQUE}", "CoreShowChannelsComplete "]
    assert pbx.told[1]["BridgeId"] == "b"
