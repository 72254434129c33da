"""A desk to which facts are told, for the tests of the board's rules."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest

from cordboard.crm_core.model import (
    Card,
    Customer,
    Manager,
    User,
)
from cordboard.cti import facts as cti
from cordboard.desk.board import Board
from cordboard.desk.commands import Command, Save, ShowOperator
from cordboard.desk.facts import AnyFact, CustomerFound, RouteAsked, UsersChanged
from cordboard.desk.model import Rules
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.policy import Policy

POLICY = Policy.parse((Path(__file__).parent.parent / "config/routing.toml").read_text())
WRAPUP = 30
RULES = Rules(POLICY, ZoneInfo("UTC"), wrapup=WRAPUP, threshold=20, short_abandon=5)
PBX, QUEUE = PbxName("pbx"), QueueName("support-ru")
CALLER = "PJSIP/inbound-00000001"
ANNA, BORIS = OperatorName("anna"), OperatorName("boris")
PHONES = {ANNA: "PJSIP/1001", BORIS: "PJSIP/1002"}

T = TypeVar("T")


def customer(status: str = "regular", mobile: str | None = None) -> Card:
    manager = Manager("anna", "Anna", mobile) if mobile else None
    return Card(
        Customer("c1", "person", "Ivan", ("+79161234567",), status, "ru", manager, None, 0, 0), ()
    )


class Desk:
    """A board with two operators, and the commands it has given."""

    def __init__(self) -> None:
        self.board = Board(RULES)
        self.now = 1000.0
        self.commands: list[Command] = []
        users = [User(n, n, n.title(), "operator", p, None, None, True) for n, p in PHONES.items()]
        self.tell(UsersChanged(tuple(users)))
        for phone in PHONES.values():
            self.tell(cti.MemberSeen(PBX, QUEUE, phone, phone, phone, 1, False, "", False))
        self.tell(cti.LinkUp(PBX, "boot", "22.10.1"), cti.SnapshotDone(PBX))
        self.commands.clear()

    def tell(self, *facts: AnyFact, after: float = 0.0) -> list[Command]:
        given: list[Command] = []
        self.now += after
        for fact in facts:
            given += self.board.apply(fact, self.now)
            given += self.board.show_queues()
        self.commands += given
        return given

    def all(self, kind: type[T]) -> list[T]:
        return [command for command in self.commands if isinstance(command, kind)]

    def last(self, kind: type[T]) -> T:
        return self.all(kind)[-1]

    def saved(self, kind: type[T]) -> list[T]:
        return [save.record for save in self.all(Save) if isinstance(save.record, kind)]

    def state(self, name: OperatorName) -> str:
        shown = [s.operator for s in self.all(ShowOperator) if s.operator.name == name]
        return shown[-1].state


class Caller:
    """The facts of one call, as the call model tells them."""

    def __init__(self, number: int = 1) -> None:
        self.linkedid = Linkedid(f"100{number}.0")
        self.channel = f"PJSIP/inbound-0000000{number}"
        self.about = (None, CallId(f"0000-{number}"), self.linkedid, self.channel)
        self.uniqueid = Uniqueid(self.linkedid)

    def offered(self) -> cti.Offered:
        return cti.Offered(*self.about, PBX, "boot", self.uniqueid, "79161234567", "Ivan P", "100")

    def asked(self) -> RouteAsked:
        return RouteAsked("ask", PBX, self.linkedid, "79161234567", "100")

    def found(self, card: Card | None, failed: bool = False) -> CustomerFound:
        return CustomerFound(PBX, self.linkedid, "+79161234567", "RU", card, failed)

    def queued(self, position: int = 1) -> cti.Queued:
        return cti.Queued(*self.about, self.uniqueid, QUEUE, position)

    def left(self, outcome: cti.EntryOutcome = "connected") -> cti.QueueLeft:
        return cti.QueueLeft(*self.about, self.uniqueid, QUEUE, outcome)

    def peer(self, name: OperatorName) -> tuple[str, Uniqueid]:
        return f"{PHONES[name]}-000000aa", Uniqueid(f"{self.linkedid}-{name}")

    def called(self, name: OperatorName) -> cti.Called:
        return cti.Called(*self.about, *self.peer(name), QUEUE)

    def rings(self, name: OperatorName) -> cti.Delivered:
        return cti.Delivered(*self.about, *self.peer(name), QUEUE)

    def misses(self, name: OperatorName, cause: cti.Cause = "no-answer") -> cti.Undelivered:
        return cti.Undelivered(*self.about, *self.peer(name), cause)

    def talks(self, name: OperatorName) -> cti.Established:
        return cti.Established(*self.about, *self.peer(name), QUEUE)

    def hangs_up(self, name: OperatorName) -> cti.PeerCleared:
        return cti.PeerCleared(*self.about, *self.peer(name))

    def cleared(self, cause: cti.Cause = "completed") -> cti.Cleared:
        return cti.Cleared(*self.about, cause)

    def arrives(self, card: Card | None) -> list[AnyFact]:
        return [self.offered(), self.asked(), self.found(card), self.queued()]

    def is_answered_by(self, name: OperatorName) -> list[AnyFact]:
        return [self.called(name), self.rings(name), self.left(), self.talks(name)]

    def ends(self, name: OperatorName) -> list[AnyFact]:
        return [self.hangs_up(name), self.cleared()]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def call() -> Caller:
    return Caller()
