"""What Asterisk said before version 12, in the words it uses since. Pure.

Bridges had no names and no single steps then: an event told that two channels were connected, and
another that they were not any more.
"""

from __future__ import annotations

from cordboard.cti.ami import Message

OLD_EVENTS = ("Dial", "Bridge", "Link", "Unlink", "Join", "Leave")


def modern(message: Message) -> list[Message]:
    """The events that an Asterisk of today would have sent for one of `OLD_EVENTS`."""
    headers = message.headers
    match headers["Event"]:
        case "Join":
            return [_said("QueueCallerJoin", headers)]
        case "Leave":
            return [_said("QueueCallerLeave", headers)]
        case "Dial":
            channel = {"Channel": message["Channel"], "Uniqueid": message["UniqueID"]}
            if message["SubEvent"] == "End":
                return [_said("DialEnd", {**channel, "DialStatus": message["DialStatus"]})]
            rings = {
                "DestChannel": message["Destination"],
                "DestUniqueid": message["DestUniqueID"],
                "DestChannelState": "0",
            }
            return [_said("DialBegin", {**headers, **channel, **rings})]
    apart = headers["Event"] == "Unlink" or message["Bridgestate"] == "Unlink"
    bridge = "-".join(sorted((message["Uniqueid1"], message["Uniqueid2"])))
    return [
        _said(
            "BridgeLeave" if apart else "BridgeEnter",
            {
                "Channel": message[f"Channel{side}"],
                "Uniqueid": message[f"Uniqueid{side}"],
                "BridgeUniqueid": bridge,
                "Timestamp": message["Timestamp"],
            },
        )
        for side in "21"
    ]


def _said(event: str, headers: dict[str, str]) -> Message:
    return Message({**headers, "Event": event})
