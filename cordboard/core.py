"""All that decides, behind one door: items in, commands out. Pure.

`take` looks at nothing but the item, its moment, and what came before. So a recording of the items
(`flight`), each with its `now`, leads to the same commands again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cordboard.cti import facts as cti
from cordboard.cti.calls import CallModel
from cordboard.desk.board import Board
from cordboard.desk.commands import Command
from cordboard.desk.facts import AnyFact
from cordboard.desk.model import Rules
from cordboard.events import PbxName


@dataclass(frozen=True, slots=True)
class QueuesDue:
    """It is time to show the queues that changed."""


@dataclass(frozen=True, slots=True)
class Due:
    """A call model put something off until now."""


Item = cti.LinkItem | AnyFact | QueuesDue | Due


class Core:
    """The call models, one for each PBX, and the board. One consumer calls `take`, nobody else."""

    def __init__(self, rules: Rules, pbxs: Iterable[PbxName]) -> None:
        self.board = Board(rules)
        self.models = {pbx: CallModel(pbx) for pbx in pbxs}

    @property
    def rules(self) -> Rules:
        return self.board.rules

    def take(self, item: Item, now: float) -> list[Command]:
        """What is to be done about `item`, in order."""
        if isinstance(item, QueuesDue):
            return self.board.show_queues()
        commands: list[Command] = []
        for fact in self._facts(item, now):
            commands += self.board.apply(fact, now)
        return commands

    def _facts(self, item: cti.LinkItem | AnyFact | Due, now: float) -> list[AnyFact]:
        match item:
            case cti.PbxMessage():
                return list(self.models[item.pbx].feed(item.message, now))
            case cti.Forged():
                return []  # for the shell to count
            case cti.LinkUp():
                return [item, *self.models[item.pbx].linked(item.boot, now)]
            case cti.SnapshotBegan():
                return [item, *self.models[item.pbx].snapshot_began(now)]
            case cti.SnapshotDone():
                return [*self.models[item.pbx].snapshot_done(now), item]
            case cti.LinkDown():
                return [*self.models[item.pbx].link_lost(now, item.unseen), item]
            case Due():
                return [fact for model in self.models.values() for fact in model.tick(now)]
            case _:
                return [item]
