"""What app_queue says of its members and queues, as facts. Pure."""

from __future__ import annotations

from cordboard.cti.ami import Message
from cordboard.cti.facts import MemberGone, MemberSeen, PhoneSeen, QueueFact, QueueSeen
from cordboard.events import PbxName, QueueName

LARGEST = 2**31 - 1

COPIES_KNOWN = 200
"""Events of members and phones that are known again when they come twice."""

_TOLD_APART = ("Event", "Timestamp", "Queue", "Interface", "Device")

DEVICE_STATES = {
    "UNKNOWN": 0,
    "NOT_INUSE": 1,
    "INUSE": 2,
    "BUSY": 3,
    "INVALID": 4,
    "UNAVAILABLE": 5,
    "RINGING": 6,
    "RINGINUSE": 7,
    "ONHOLD": 8,
}
"""The words of DeviceStateChange as the AST_DEVICE numbers that app_queue says."""


class Members:
    """The members of one PBX's queues. `read` takes the messages that are named in `EVENTS`."""

    EVENTS = (
        "QueueMember",
        "QueueMemberAdded",
        "QueueMemberStatus",
        "QueueMemberPause",
        "QueueMemberPenalty",
        "QueueMemberRemoved",
        "QueueParams",
        "DeviceStateChange",
    )

    def __init__(self, pbx: PbxName) -> None:
        self._pbx = pbx
        self._seen_in: dict[tuple[QueueName, str], int] = {}
        self._phones: dict[str, int] = {}
        self._read: dict[tuple[str, ...], None] = {}

    def read(self, message: Message, snapshot: int) -> list[QueueFact]:
        """`snapshot` is the number of the last snapshot that began. A copy of an event that was
        read before, which may come late, is nothing new."""
        if self._is_copy(message):
            return []
        if message["Event"] == "DeviceStateChange":
            return self._phone(message["Device"], DEVICE_STATES.get(message["State"], 0))
        queue = QueueName(message["Queue"])
        # A list item says Name and Location where an event says MemberName and Interface.
        interface = message["Interface"] or message["Location"]
        match message["Event"]:
            case "QueueParams":
                return [QueueSeen(self._pbx, queue)]
            case "QueueMemberRemoved":
                known = self._seen_in.pop((queue, interface), None)
                return [] if known is None else [MemberGone(self._pbx, queue, interface)]
        self._seen_in[queue, interface] = snapshot
        return [
            MemberSeen(
                self._pbx,
                queue,
                interface,
                name=message["MemberName"] or message["Name"],
                state_interface=message["StateInterface"] or interface,
                status=number(message["Status"], 0),
                paused=message["Paused"] == "1",
                reason=message["PausedReason"],
                in_call=message["InCall"] == "1",
                dynamic=message["Membership"] == "dynamic",
                penalty=number(message["Penalty"], 0),
            )
        ]

    def _is_copy(self, message: Message) -> bool:
        if not message["Timestamp"]:  # an item of a list, or a PBX that gives none
            return False
        key = tuple(message[name] for name in _TOLD_APART)
        if key in self._read:
            return True
        self._read[key] = None
        if len(self._read) > COPIES_KNOWN:
            del self._read[next(iter(self._read))]
        return False

    def _phone(self, phone: str, status: int) -> list[QueueFact]:
        """A device that has no slash in its name is none: a queue, a hint, a parking space."""
        if "/" not in phone or phone.startswith("Local/") or self._phones.get(phone) == status:
            return []
        self._phones[phone] = status
        return [PhoneSeen(self._pbx, phone, status)]

    def missing(self, snapshot: int) -> list[QueueFact]:
        """Those whom the snapshot left out; they are forgotten."""
        gone = [key for key, seen_in in self._seen_in.items() if seen_in < snapshot]
        for key in gone:
            del self._seen_in[key]
        return [MemberGone(self._pbx, queue, interface) for queue, interface in gone]


def number(value: str, default: int) -> int:
    """Asterisk writes `<unknown>`, nothing at all or a negative where it has no number. What is
    over its own range is no number of its."""
    try:
        found = int(value)
    except ValueError:
        return default
    return found if abs(found) <= LARGEST else default
