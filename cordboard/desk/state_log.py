"""The log of the operators' states, as the rows that reports judge the day by. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cordboard.crm_core.model import StateRecord
from cordboard.desk.commands import Command, Save
from cordboard.events import OperatorName, PbxName, derived_id
from cordboard.queue.operators import Operator


class StateLog:
    """The open row of each operator. Nothing is kept before `begin`: what the phones do is not
    known until a PBX has told."""

    def __init__(self) -> None:
        self._rows: dict[OperatorName, StateRecord] = {}
        self._recalled: set[OperatorName] = set()
        self._begun = False

    def remember(self, rows: Iterable[StateRecord]) -> None:
        """The rows that the server before this one left open."""
        for row in rows:
            self._rows[OperatorName(row.operator)] = row
            self._recalled.add(OperatorName(row.operator))

    def begin(self) -> None:
        self._begun = True

    def remembered(self, name: OperatorName) -> StateRecord | None:
        """What the server before this one knew of this operator, until a PBX has told."""
        return self._rows.get(name) if name in self._recalled else None

    def recalled(self, operator: Operator, pbx: PbxName) -> StateRecord | None:
        """What the server before this one knew of an operator who is a member on `pbx` now and was
        then; told once."""
        row = self.remembered(operator.name)
        if row is None or row.pbx != pbx:
            return None
        if not any(m.pbx == pbx for m in operator.memberships):
            return None
        self._recalled.discard(operator.name)
        return row

    def keep(self, operator: Operator, boot: str) -> list[Command]:
        """The row that ends and the one that begins, where the operator's state is another."""
        if not self._begun or not operator.has_login:
            return []
        before, row = self._rows.get(operator.name), _row(operator, boot)
        if before is not None and _same(before, row):
            row = replace(row, id=before.id, since=before.since)
            if row == before:
                return []
            self._rows[operator.name] = row
            return [Save(row)]
        self._rows[operator.name] = row
        if before is None:
            return [Save(row)]
        return [Save(replace(before, until=max(row.since, before.since))), Save(row)]


def _row(operator: Operator, boot: str) -> StateRecord:
    millis = int(operator.since * 1000)
    reason = operator.reason if operator.state == "paused" else None
    return StateRecord(
        id=derived_id(millis, "state", operator.name, operator.state, reason or ""),
        operator=operator.name,
        state=operator.state,
        reason=reason,
        since=operator.since,
        until=None,
        due=operator.duty.due,
        pbx=operator.memberships[0].pbx if operator.memberships else "",
        boot=boot if operator.memberships else "",
        phone=operator.phone or "",
    )


def _same(one: StateRecord, other: StateRecord) -> bool:
    return (one.state, one.reason, one.phone) == (other.state, other.reason, other.phone)
