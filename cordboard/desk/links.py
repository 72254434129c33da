"""The links to the PBXs, as people see them. Pure."""

from __future__ import annotations

from cordboard.cti.facts import LinkDown, LinkFact, LinkUp, SnapshotDone
from cordboard.desk.commands import Command, Save, ShowLink
from cordboard.desk.model import Link, LinkState, Part
from cordboard.desk.records import link_record
from cordboard.events import PbxName

_PARTS: dict[str, Part] = {
    "CoreShowChannels": "calls",
    "QueueStatus": "queues",
    "DeviceStateList": "phones",
}
"""What is missing where a list of the snapshot is refused. A PBX without parking is whole."""

_STATES: dict[type[LinkFact], LinkState] = {SnapshotDone: "up", LinkDown: "down"}


class Links:
    """Each step returns what is to be kept and shown."""

    def __init__(self) -> None:
        self._links: dict[PbxName, Link] = {}

    def up(self) -> list[PbxName]:
        """The PBXs that are there."""
        return [pbx for pbx, link in self._links.items() if link.state == "up"]

    def boot(self, pbx: PbxName) -> str | None:
        """When the PBX was started, as calls are named by it."""
        link = self._links.get(pbx)
        return link.boot if link is not None and link.boot else None

    def telling(self, part: Part) -> set[PbxName]:
        """The PBXs that are there and tell of this part of theirs."""
        return {
            p
            for p, link in self._links.items()
            if link.state == "up" and part not in link.unavailable
        }

    def keep(self, fact: LinkFact, now: float) -> list[Command]:
        """For the store; nothing where the link was so before."""
        before = self._links.get(fact.pbx)
        told = before is not None and before.state == _STATES.get(type(fact))
        return [] if told else [Save(link_record(fact, now))]

    def connecting(self, fact: LinkUp, now: float) -> list[Command]:
        return self._put(fact.pbx, "connecting", now, boot=fact.boot)

    def seen(self, fact: SnapshotDone, now: float) -> list[Command]:
        """The snapshot is there, but for what was refused."""
        unavailable = tuple(_PARTS[name] for name in fact.refused if name in _PARTS)
        before = self._links.get(fact.pbx)
        if before and (before.state, before.unavailable) == ("up", unavailable):
            return []
        return self._put(fact.pbx, "up", now, unavailable=unavailable)

    def down(self, fact: LinkDown, now: float) -> list[Command]:
        stale = now - fact.unseen
        return self._put(fact.pbx, "down", now, fact.reason, stale, restarting=fact.restarting)

    def _put(
        self,
        pbx: PbxName,
        state: LinkState,
        now: float,
        reason: str = "",
        since: float | None = None,
        *,
        unavailable: tuple[Part, ...] = (),
        boot: str | None = None,
        restarting: bool = False,
    ) -> list[Command]:
        before = self._links.get(pbx)
        stale = before.stale_since if before else None
        if state == "down":
            stale = stale if stale is not None else since
        if boot is None:
            boot = before.boot if before else ""
        shown_stale = None if state == "up" else stale
        link = Link(pbx, state, now, shown_stale, reason, unavailable, boot, restarting)
        self._links[pbx] = link
        return [ShowLink(link)]
