"""Members of queues and their phones: the last word counts, and a copy is no word."""

from __future__ import annotations

from cordboard.cti.ami import Message
from cordboard.cti.facts import MemberSeen, PhoneSeen
from cordboard.cti.members import COPIES_KNOWN, Members
from cordboard.events import PbxName


def status(at: float, state: str, queue: str = "support") -> Message:
    return Message(
        {
            "Event": "QueueMemberStatus",
            "Timestamp": str(at),
            "Queue": queue,
            "MemberName": "Anna",
            "Interface": "PJSIP/1001",
            "Status": state,
        }
    )


def test_a_late_copy_of_a_members_state_does_not_bring_it_back() -> None:
    members = Members(PbxName("pbx"))
    told = [members.read(status(at, state), 1) for at, state in ((1.0, "3"), (2.0, "1"))]
    assert [[fact.status for fact in facts if isinstance(fact, MemberSeen)] for facts in told] == [
        [3],
        [1],
    ]
    assert members.read(status(1.0, "3"), 1) == []
    assert members.read(status(1.0, "3", "sales"), 1) != []


def test_a_late_copy_of_a_phones_state_does_not_bring_it_back() -> None:
    members = Members(PbxName("pbx"))

    def change(at: str, state: str) -> list[int]:
        event = {"Event": "DeviceStateChange", "Device": "PJSIP/1001", "State": state}
        facts = members.read(Message({**event, "Timestamp": at}), 1)
        return [fact.status for fact in facts if isinstance(fact, PhoneSeen)]

    assert (change("1.0", "INUSE"), change("2.0", "NOT_INUSE")) == ([2], [1])
    assert change("1.0", "INUSE") == []
    assert (change("", "INUSE"), change("", "NOT_INUSE")) == ([2], [1])  # no Timestamp: believed


def test_a_list_says_the_same_again_and_few_copies_are_remembered() -> None:
    members = Members(PbxName("pbx"))
    item = Message({"Event": "QueueMember", "Queue": "q", "Location": "PJSIP/1001", "Status": "1"})
    assert members.read(item, 1) == members.read(item, 2) != []
    for at in range(COPIES_KNOWN + 1):
        members.read(status(float(at), "1"), 2)
    assert members.read(status(0.0, "3"), 2) != []
