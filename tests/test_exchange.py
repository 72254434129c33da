"""What the desk asks of the PBX, as the bytes that it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from cordboard.cti.ami import Message, encode
from cordboard.cti.link import AmiLink
from cordboard.desk.commands import CallBack
from cordboard.events import Linkedid, PbxName, QueueName
from cordboard.exchange import Exchange

PBX = PbxName("pbx")


class Wire:
    """Takes actions as a link does, down to their bytes; says yes to each."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def act(
        self, action: str, fields: Mapping[str, str | int | Iterable[str]] | None = None
    ) -> Message:
        self.sent.append(encode(action, fields or {}, "1"))
        return Message({"Response": "Success"})


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
    given: dict[str, Any] = {"shown": "100", "language": "ru", "least": None, "most": None}
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
