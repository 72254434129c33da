"""What the desk asks of the PBX, as the bytes that it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from cordboard.cti.ami import Message, encode
from cordboard.cti.link import AmiLink
from cordboard.desk.commands import Announce, CallBack
from cordboard.errors import PeerError
from cordboard.events import Linkedid, PbxName, QueueName, Uniqueid
from cordboard.exchange import Exchange

PBX = PbxName("pbx")


class Wire:
    """Takes actions as a link does, down to their bytes; says yes to each but to `refused`."""

    def __init__(self, refused: str = "", why: str = "") -> None:
        self.sent: list[bytes] = []
        self.refused, self.why = refused, why

    async def act(
        self, action: str, fields: Mapping[str, str | int | Iterable[str]] | None = None
    ) -> Message:
        self.sent.append(encode(action, fields or {}, "1"))
        if action == self.refused:
            return Message({"Response": "Error", "Message": self.why})
        return Message({"Response": "Success"})

    def actions(self) -> list[str]:
        return [sent.split(b"\r\n", 1)[0].decode() for sent in self.sent]


@pytest.mark.parametrize(
    ("name", "arrives"),
    [
        ("Анна Ким", '"Анна Ким"'),
        (
            "Anna\r\nAction: Command\r\nCommand: core stop now",
            '"AnnaAction: CommandCommand: core stop now"',
        ),
        ('Anna "A" <script> \\ \x00\x07', '"Anna A script  "'),
        ("", '""'),
    ],
)
async def test_whatever_a_caller_calls_himself_he_is_called_back(name: str, arrives: str) -> None:
    wire = Wire()
    exchange = Exchange({PBX: cast(AmiLink, wire)}, {})
    given: dict[str, Any] = {"shown": "100", "language": "ru", "skills": None}
    await exchange.call_back(
        CallBack(
            pbx=PBX,
            channel_id=Linkedid("cordboard-callback-1-1"),
            number="+79161234567",
            name=name,
            queue=QueueName("support-ru"),
            priority=0,
            position=1,
            **given,
        )
    )
    (sent,) = wire.sent
    lines = sent.decode().split("\r\n")
    assert f"CallerID: {arrives} <+79161234567>" in lines
    assert [line for line in lines if line.startswith(("Action:", "Command:"))] == [
        "Action: Originate"
    ]


def announcement(offer: str | None) -> Announce:
    return Announce(PBX, Linkedid("cordboard-say-1"), Uniqueid("1.7"), "ru", 1, 2, offer)


async def test_an_offer_may_be_taken_up_before_it_is_told() -> None:
    wire = Wire()
    exchange = Exchange({PBX: cast(AmiLink, wire)}, {})
    await exchange.announce(announcement(None))
    assert wire.actions() == ["Action: Originate"]
    await exchange.announce(announcement("+79161234567"))
    assert wire.actions()[1:] == ["Action: Setvar", "Action: Originate"]
    allowed = wire.sent[1].decode().split("\r\n")
    assert {"Channel: 1.7", "Variable: CB_OFFER", "Value: 1"} <= set(allowed)


async def test_nothing_is_told_to_one_who_is_gone_or_could_not_take_it_up() -> None:
    gone = Wire("Setvar", "No such channel")
    await Exchange({PBX: cast(AmiLink, gone)}, {}).announce(announcement("+79161234567"))
    assert gone.actions() == ["Action: Setvar"]
    denied = Wire("Setvar", "Permission denied")
    with pytest.raises(PeerError, match="Permission denied"):
        await Exchange({PBX: cast(AmiLink, denied)}, {}).announce(announcement("+79161234567"))
    assert denied.actions() == ["Action: Setvar"]
