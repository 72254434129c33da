"""Recordings from the field: older Asterisks, other configurations, recordings cut anywhere.

Each recorded trace is rewritten as such a PBX would have sent it, and must tell the same story, for
the people at the phones experienced the same. Where a person who reads it could not tell the whole
story any more it is not asked for; `NOT_YET` names what the model alone cannot tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from telling import TRACES, recorded, sentences, told

from cordboard.replay import facts_of

Headers = dict[str, str]
Rewrite = Callable[[Headers], Headers | None]
"""One event as another PBX would have sent it; None where that one sends none."""

ENDS = "cleared completed"
NAMES = sorted(path.stem for path in TRACES.glob("*.ami"))


def rewritten(data: bytes, *rewrites: Rewrite) -> bytes:
    """Replies and what is no event at all stay as they are."""
    frames = []
    for frame in data.split(b"\r\n\r\n"):
        text = frame.decode("utf-8", "surrogateescape")
        banner, event, rest = text.rpartition("Event: ")
        if not event or "\r\n" in banner:
            frames.append(frame)
            continue
        headers: Headers | None = {}
        for line in (event + rest).split("\r\n"):
            headers[line.partition(": ")[0]] = line.partition(": ")[2]
        for rewrite in rewrites:
            if headers is not None:
                headers = rewrite(dict(headers))
        if headers is not None:
            lines = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
            frames.append((banner + lines).encode("utf-8", "surrogateescape"))
    return b"\r\n\r\n".join(frames)


# ---- what differs from one PBX to the other -----------------------------------------------------


def sip_channels(headers: Headers) -> Headers:
    """chan_sip: SIP/1001-00000001."""
    return {name: re.sub(r"\bPJSIP/", "SIP/", value) for name, value in headers.items()}


def no_timestamp(headers: Headers) -> Headers:
    """`timestampevents` is off unless somebody turns it on."""
    return {name: value for name, value in headers.items() if name != "Timestamp"}


def no_agent_events(headers: Headers) -> Headers | None:
    """Before Asterisk 12 they come only with `eventwhencalled`, which nobody sets."""
    return None if headers["Event"].startswith("Agent") else headers


OLD_QUEUE_EVENTS = {
    "QueueCallerJoin": ("Join", "Channel CallerIDNum CallerIDName Queue Position Count Uniqueid"),
    "QueueCallerLeave": ("Leave", "Channel Queue Count Position Uniqueid"),
    "QueueCallerAbandon": (
        "QueueCallerAbandon",
        "Queue Uniqueid Position OriginalPosition HoldTime",
    ),
}


def old_queue_events(headers: Headers) -> Headers:
    """Asterisk 1.8 to 11."""
    if headers["Event"] not in OLD_QUEUE_EVENTS:
        return headers
    name, kept = OLD_QUEUE_EVENTS[headers["Event"]]
    told = {key: headers[key] for key in kept.split() if key in headers}
    return {"Event": name, "Privilege": headers.get("Privilege", "call,all"), **told}


def no_linkedid(headers: Headers) -> Headers:
    """Before Asterisk 12 hardly any event has one."""
    return {name: value for name, value in headers.items() if not name.endswith("Linkedid")}


def no_dial_state(headers: Headers) -> Headers | None:
    """It came with Asterisk 14."""
    return None if headers["Event"] == "DialState" else headers


SPARE = re.compile(
    r"(Dest|Target|Transferee|Transferer|TransferTarget|OrigTransferer|SecondTransferer|"
    r"LocalOne|LocalTwo|Parkee|Retriever)"
    r"(ChannelState(Desc)?|CallerID(Num|Name)|ConnectedLine(Num|Name)|Language|AccountCode|"
    r"Context|Exten|Priority)"
)


def few_headers(headers: Headers) -> Headers:
    """Only names and ids of the channels that an event names besides its own."""
    return {name: value for name, value in headers.items() if not SPARE.fullmatch(name)}


def no_dialplan_of_ours(headers: Headers) -> Headers | None:
    """No user events say why a caller left a queue."""
    return None if headers["Event"] == "UserEvent" else headers


def no_details(headers: Headers) -> Headers:
    """What a frugal configuration or a proxy in between leaves out."""
    spare = {"Privilege", "SystemName", "BridgeNumChannels", "BridgeTechnology", "BridgeType"}
    return {name: value for name, value in headers.items() if name not in spare}


def unknown_headers(headers: Headers) -> Headers:
    return {**headers, "X-Vendor": "anything: at all", "Uniqueid2": "1.1", "ChannelStateText": "?"}


DIALECTS: dict[str, tuple[Rewrite, ...]] = {
    "chan_sip": (sip_channels,),
    "no Timestamp": (no_timestamp,),
    "no Agent events": (no_agent_events,),
    "Join and Leave": (old_queue_events,),
    "no DialState": (no_dial_state,),
    "few headers": (few_headers,),
    "another dialplan": (no_dialplan_of_ours,),
    "unknown headers": (unknown_headers,),
    "no details": (no_details,),
    "no Linkedid": (no_linkedid,),
    "all of these": (
        sip_channels,
        no_timestamp,
        no_agent_events,
        old_queue_events,
        no_dial_state,
        few_headers,
        no_dialplan_of_ours,
        no_linkedid,
    ),
}

UNTELLABLE = {
    **dict.fromkeys(
        ("forwarded_by_the_phone", "forwarded_by_a_phone_of_the_queue"),
        "that a pipe was laid for the phone that sent the call on shows in Linkedid alone",
    ),
    "keyed_semi_attended_recalled": "whom the phone rings for again shows in Linkedid alone",
    **dict.fromkeys(
        (
            "link_lost_in_mid_call",
            "snapshot_after_a_transfer",
            "snapshot_mid_call",
            "snapshot_of_a_held_call",
            "snapshot_of_a_parked_call",
        ),
        "lists without Linkedid do not tell which channels are one call",
    ),
}
"""Without Linkedid."""
NOT_YET = {
    (dialect, name): reason
    for dialect in ("no Linkedid", "all of these")
    for name, reason in UNTELLABLE.items()
}


def _marked(*case: object, reason: str | None) -> Any:
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(*case, marks=marks, id="-".join(str(part) for part in case))


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        _marked(dialect, name, reason=NOT_YET.get((dialect, name)))
        for dialect in DIALECTS
        for name in NAMES
    ],
)
def test_an_older_pbx_tells_the_same_story(dialect: str, name: str) -> None:
    assert sentences(rewritten(recorded(name), *DIALECTS[dialect])) == told(name)


@pytest.mark.parametrize("name", NAMES)
def test_events_that_nobody_knows_change_nothing(name: str) -> None:
    strange = (
        b"Event: VendorThing\r\nPrivilege: call,all\r\nChannel: PJSIP/1001-00000001\r\n"
        b"Uniqueid: 1.1\r\nLinkedid: 1.1\r\nChannelState: 6\r\nState: up: and away\r\n\r\n"
    )
    data = recorded(name)
    assert sentences(data.replace(b"\r\n\r\nEvent: ", b"\r\n\r\n" + strange + b"Event: ")) == told(
        name
    )


@pytest.mark.parametrize("name", sorted({*NAMES} - {"forged_from_user"}))
def test_a_recording_that_went_through_an_editor_tells_the_same_story(name: str) -> None:
    assert sentences(recorded(name).replace(b"\r\n", b"\n")) == told(name)


class Asterisk11:
    """Before Asterisk 12: Dial, Bridge and Unlink, Join and Leave, Hold with a status."""

    def __init__(self) -> None:
        self._bridges: dict[str, list[tuple[str, str]]] = {}

    def __call__(self, headers: Headers) -> Headers | None:
        match headers["Event"]:
            case "DialBegin":
                return {
                    "Event": "Dial",
                    "Privilege": "call,all",
                    "SubEvent": "Begin",
                    "Channel": headers["Channel"],
                    "Destination": headers["DestChannel"],
                    "CallerIDNum": headers["CallerIDNum"],
                    "CallerIDName": headers["CallerIDName"],
                    "UniqueID": headers["Uniqueid"],
                    "DestUniqueID": headers["DestUniqueid"],
                    "Dialstring": headers["DialString"],
                }
            case "DialEnd" if headers["DialStatus"] != "ANSWER":
                return {
                    "Event": "Dial",
                    "Privilege": "call,all",
                    "SubEvent": "End",
                    "Channel": headers["Channel"],
                    "UniqueID": headers["Uniqueid"],
                    "DialStatus": headers["DialStatus"],
                }
            case "BridgeEnter":
                inside = self._bridges.setdefault(headers["BridgeUniqueid"], [])
                inside.append((headers["Channel"], headers["Uniqueid"]))
                return self._pair("Bridge", inside, Bridgestate="Link", Bridgetype="core")
            case "BridgeLeave":
                inside = self._bridges[headers["BridgeUniqueid"]]
                parted = self._pair("Unlink", inside)
                inside.remove((headers["Channel"], headers["Uniqueid"]))
                return parted
            case "Hold" | "Unhold":
                on = "On" if headers["Event"] == "Hold" else "Off"
                named = {key: headers[key] for key in ("Channel", "Uniqueid")}
                return {"Event": "Hold", "Privilege": "call,all", "Status": on, **named}
            case "DialEnd" | "DialState" | "BridgeCreate" | "BridgeDestroy" | "DeviceStateChange":
                return None
        return no_linkedid(old_queue_events(headers))

    def _pair(self, event: str, inside: list[tuple[str, str]], **more: str) -> Headers | None:
        """What used to be told of two; the caller, who enters after the phone, comes first."""
        if len(inside) != 2:
            return None
        (second, second_id), (first, first_id) = inside
        return {
            "Event": event,
            "Privilege": "call,all",
            **more,
            "Channel1": first,
            "Channel2": second,
            "Uniqueid1": first_id,
            "Uniqueid2": second_id,
        }


@pytest.mark.parametrize(
    "name",
    [
        "direct_call_answered",
        "direct_call_busy",
        "direct_call_cancelled",
        "direct_call_no_answer",
        "direct_call_rejected",
        "held_and_retrieved",
        "queue_abandoned",
        "queue_answered_caller_hangs_up",
        "queue_answered_operator_hangs_up",
        "two_calls_interleaved",
    ],
)
def test_asterisk_11_tells_the_same_story(name: str) -> None:
    older = rewritten(recorded(name), sip_channels, no_timestamp, no_agent_events, Asterisk11())
    assert sentences(older) == told(name)


# ---- recordings that begin or end in mid-call ------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_that_ends_early_tells_the_beginning_and_invents_no_end(name: str) -> None:
    data = recorded(name)
    whole = list(facts_of(data))
    for part in range(1, 12):
        cut = len(data) * part // 12  # mostly in the middle of an event
        begun = list(facts_of(data[:cut]))
        assert begun == whole[: len(begun)]


# From that event on; what happened before nobody can know, what comes after anybody can.
LATE = {
    ("direct_call_answered", "Newstate", "Ringing"): ["offered", "rings 1007", "talks 1007", ENDS],
    ("direct_call_answered", "DialEnd", ""): ["offered", "talks 1007", ENDS],
    ("direct_call_answered", "BridgeEnter", ""): ["offered", "talks 1007", ENDS],
    ("direct_call_answered", "HangupRequest", ""): ["offered", ENDS],
    ("direct_call_busy", "DialState", ""): ["offered", "rings 1007", "cleared busy"],
    ("direct_call_busy", "DialEnd", ""): ["offered", "cleared busy"],
    ("direct_call_cancelled", "DialState", ""): ["offered", "rings 1007", "cleared cancelled"],
    ("direct_call_cancelled", "HangupRequest", ""): ["offered", "cleared cancelled"],
    # Phones ring for him who is at the head.
    ("queue_answered_caller_hangs_up", "AgentCalled", ""): [
        "offered",
        "queued 1",
        "rings 1001",
        "talks 1001",
        ENDS,
    ],
    ("queue_answered_caller_hangs_up", "AgentConnect", ""): ["offered", "talks 1001", ENDS],
    ("queue_abandoned", "DialState", ""): [
        "offered",
        "rings 1001",
        "abandoned",
        "cleared cancelled",
    ],
    ("queue_timeout", "QueueCallerAbandon", ""): ["offered", "cleared no-answer"],
    ("held_and_retrieved", "Unhold", ""): ["offered", "retrieved by 1001", ENDS],
    ("referred_blind", "BlindTransfer", ""): [
        "offered",
        "1001 transfers inbound to 1008, blind",
        "rings 1008",
        "talks 1008",
        ENDS,
    ],
    ("keyed_attended", "AttendedTransfer", ""): [
        "offered",
        "1001 transfers inbound to 1008, attended",
        ENDS,
    ],
    ("picked_up", "Pickup", ""): [
        "offered",
        "goes to 1008 instead of 1001",
        "talks 1008",
        ENDS,
    ],
    ("local_member", "LocalOptimizationBegin", ""): ["offered", ENDS],
}


_WHOSE = "whose call it is shows only later, and nothing is told of a call without its caller"
LATE_NOT_YET = {
    ("queue_abandoned", "DialState"): "nothing says in which queue the caller waits",
    ("held_and_retrieved", "Unhold"): _WHOSE,
    ("keyed_attended", "AttendedTransfer"): _WHOSE,
    ("picked_up", "Pickup"): _WHOSE,
    ("local_member", "LocalOptimizationBegin"): _WHOSE,
}


@pytest.mark.parametrize(
    ("name", "event", "word"),
    [_marked(*case, reason=LATE_NOT_YET.get(case[:2])) for case in LATE],
)
def test_a_recording_that_begins_late_tells_the_rest(name: str, event: str, word: str) -> None:
    frames = recorded(name).split(b"\r\n\r\n")
    first = next(
        number
        for number, frame in enumerate(frames)
        if f"Event: {event}\r\n".encode() in frame and word.encode() in frame
    )
    assert sentences(b"\r\n\r\n".join(frames[first:])) == LATE[name, event, word]
