"""Calls, stays in queues and facts: what the telephone's side writes, in groups, and reads back
after a restart, for the day's service level and for the accounting against queue_log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Select,
    Table,
    bindparam,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.sql.compiler import SQLCompiler

from cordboard.crm_core.database import Asked, Database, as_id, records
from cordboard.crm_core.interactions import wrap_up
from cordboard.crm_core.model import (
    AnswerRecord,
    AttemptRecord,
    AuditRecord,
    CallbackRecord,
    CallRecord,
    EntryRecord,
    FactRecord,
    Interaction,
    PolicyRecord,
    Record,
    RefusalRecord,
    Respondent,
    RunRecord,
    StateRecord,
    WrapUp,
    link_id,
)
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.tables import (
    answer,
    audit,
    call,
    call_fact,
    callback,
    customer,
    interaction,
    operator_state,
    policy,
    queue_entry,
    respondent,
    respondent_attempt,
    script_run,
    survey_refusal,
)
from cordboard.errors import PeerError
from cordboard.events import derived_id

RECENT_AT_MOST = 500
COUNTED_AT_MOST = 1000
"""Calls from one number: somebody's machine that calls all day must not cost him time, too."""
IDS_AT_ONCE = 500
"""SQLite takes no statement with any number of parameters."""

LONGEST_CALL = 86_400.0
"""Seconds after its beginning in which a call may come into a queue."""


class CallerRow(NamedTuple):
    """What routing goes by of a customer."""

    status: str
    language: str | None
    manager_id: str | None
    balance_minor: int | None
    segment: str | None
    tags: list[str] | None


Row = (
    CallRecord
    | EntryRecord
    | FactRecord
    | PolicyRecord
    | Interaction
    | AuditRecord
    | StateRecord
    | CallbackRecord
    | RunRecord
    | AnswerRecord
    | RefusalRecord
    | Respondent
    | AttemptRecord
)
"""The records that are rows of a table as they are."""

_TABLES: dict[type[Row], Table] = {
    CallRecord: call,
    EntryRecord: queue_entry,
    Interaction: interaction,
    FactRecord: call_fact,
    StateRecord: operator_state,
    AuditRecord: audit,
    CallbackRecord: callback,
    PolicyRecord: policy,
    RunRecord: script_run,
    AnswerRecord: answer,
    RefusalRecord: survey_refusal,
    Respondent: respondent,
    AttemptRecord: respondent_attempt,
}
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in _TABLES}
_NEW = "new_"
"""Begins the parameters' names: SQLAlchemy keeps those of the columns to itself."""
_CALL = select(*(call.c[name] for name in _NAMES[CallRecord]))
_ENTRY = select(*(queue_entry.c[name] for name in _NAMES[EntryRecord]))
_AUDIT = select(*(audit.c[name] for name in _NAMES[AuditRecord]))
_CALLBACK = select(*(callback.c[name] for name in _NAMES[CallbackRecord]))
_FACT = select(*(call_fact.c[name] for name in _NAMES[FactRecord]))
_STATE = select(*(operator_state.c[name] for name in _NAMES[StateRecord]))


def _calls_from() -> Select[Any]:
    counted = (
        select(literal_column("1"))
        .where(
            call.c.number == bindparam("number"),
            call.c.started_at >= bindparam("since"),
            call.c.direction == "in",
            (call.c.pbx != bindparam("pbx")) | (call.c.linkedid != bindparam("linkedid")),
        )
        .limit(COUNTED_AT_MOST)
        .subquery()
    )
    return select(func.count()).select_from(counted)


_CALLS_FROM = _calls_from()


def calls_from(number: str, since: float, *, but: tuple[str, str]) -> Asked:
    """How many calls came from this number at `since` or later, `but` the one of that PBX and
    Linkedid, which may stand there already or not yet; no more than a thousand are counted."""
    return _CALLS_FROM, {"number": number, "since": since, "pbx": but[0], "linkedid": but[1]}


class RecordsError(PeerError):
    """The database refused these records of a group; all others were written. Writing them again
    would be refused again: say it, count it, go on."""

    def __init__(self, refused: Sequence[tuple[Record, str]]) -> None:
        kinds = ", ".join(f"{type(record).__name__}: {reason}" for record, reason in refused[:3])
        super().__init__(f"the database refused {len(refused)} records ({kinds})")
        self.refused: tuple[tuple[Record, str], ...] = tuple(refused)


class Calls:
    """The calls of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, group: Sequence[Record]) -> None:
        """Writes a group in one transaction: calls and entries by id, a later one over an
        earlier; interactions the same, and by call and operator, whichever id they come under;
        facts, rule files, audits and refusals appended, one that is there already but once; runs
        of scripts and respondents by id, and answers by run and question, an older never over a
        newer; wrap-ups
        as by `Interactions.save_wrapup`. So a group whose fate is not known, because the deadline
        passed in the middle of its commit, may be written again.

        Over an interaction or a call that has them already, a customer, a result and a note are
        kept where the record has none, and an interaction's customer also where it has another
        one: those are the operator's to say, see `Interactions.save_wrapup`. A customer who was
        erased meanwhile is left out.

        Raises `PeerError` where nothing was written, `RecordsError` where all but a few were.
        """
        if not group:
            return
        try:
            await self._database.write(partial(_write_together, group))
        except PeerError as error:
            if not isinstance(error.__cause__, (IntegrityError, DataError)):
                raise
            await self._write_singly(group)

    async def _write_singly(self, group: Sequence[Record]) -> None:
        """One refused record must not take the accounting of the other calls with it."""

        def write(connection: Connection) -> list[tuple[Record, str]]:
            tried = ((record, _try(connection, record)) for record in group)
            return [(record, reason) for record, reason in tried if reason is not None]

        if refused := await self._database.write(write):
            raise RecordsError(refused)

    async def call(self, call_id: str) -> CallRecord | None:
        """None for an id that no call has."""
        key = as_id(call_id)
        rows = await self._database.rows(_CALL.where(call.c.id == key)) if key else ()
        return records(CallRecord, rows)[0] if rows else None

    async def calls_named(self, linkedid: str) -> list[CallRecord]:
        """The calls that a PBX knew by this Linkedid, which comes again after a restart; newest
        first."""
        chosen = _CALL.where(call.c.linkedid == linkedid).order_by(call.c.started_at.desc())
        return records(CallRecord, await self._database.rows(chosen.limit(RECENT_AT_MOST)))

    async def policy(self, fingerprint: str) -> str | None:
        """The rule file with this fingerprint."""
        chosen = select(policy.c.text).where(policy.c.fingerprint == fingerprint)
        rows = await self._database.rows(chosen)
        return rows[0].text if rows else None

    async def recent_calls(self, limit: int = 50) -> list[CallRecord]:
        """The last calls, newest first."""
        limit = max(1, min(limit, RECENT_AT_MOST))
        rows = await self._database.rows(_CALL.order_by(call.c.started_at.desc()).limit(limit))
        return records(CallRecord, rows)

    async def open_calls(self, pbx: str, boot: str | None = None) -> list[CallRecord]:
        """The calls of `pbx` that have not ended, oldest first; `boot` None means of every boot,
        so that the calls of a boot that is over can be closed."""
        chosen = _CALL.where(call.c.pbx == pbx, call.c.ended_at.is_(None))
        if boot is not None:
            chosen = chosen.where(call.c.boot == boot)
        rows = await self._database.rows(chosen.order_by(call.c.started_at))
        return records(CallRecord, rows)

    async def open_callbacks(self, pbx: str) -> list[CallbackRecord]:
        """Who is still to be called back by `pbx`, in the order in which they asked for it."""
        chosen = _CALLBACK.where(callback.c.pbx == pbx, callback.c.ended_at.is_(None))
        rows = await self._database.rows(chosen.order_by(callback.c.asked_at))
        return records(CallbackRecord, rows)

    async def call_entries(self, call_id: str) -> list[EntryRecord]:
        """The stays in queues of one call, in order."""
        key = as_id(call_id)
        chosen = _ENTRY.where(queue_entry.c.call_id == key).order_by(queue_entry.c.entered_at)
        return records(EntryRecord, await self._database.rows(chosen)) if key else []

    async def calls_in(
        self, since: float, until: float
    ) -> list[tuple[CallRecord, CallerRow | None, list[EntryRecord]]]:
        """The incoming calls that began at `since` or later and before `until`, in order, each
        with what is known of its caller now and with its stays in queues."""
        began = (call.c.started_at >= since, call.c.started_at < until, call.c.direction == "in")
        found = await self._database.rows(_CALL.where(*began).order_by(call.c.started_at))
        callers = await self._database.rows(
            select(call.c.id, *(customer.c[name] for name in CallerRow._fields))
            .join(customer, customer.c.id == call.c.customer_id)
            .where(*began)
        )
        known = {row[0]: CallerRow._make(row[1:]) for row in callers}
        stays: dict[str, list[EntryRecord]] = {}
        for entry in await self.entries_since(since, until + LONGEST_CALL):
            stays.setdefault(entry.call_id, []).append(entry)
        calls = records(CallRecord, found)
        return [(each, known.get(each.id), stays.get(each.id, [])) for each in calls]

    async def last_fact_at(self) -> float | None:
        """When the last fact of any call was learnt; None in a fresh store."""
        last = select(call_fact.c.at).order_by(call_fact.c.id.desc()).limit(1)
        rows = await self._database.rows(last)
        return rows[0][0] if rows else None

    async def gaps(self, call_ids: Sequence[str]) -> dict[str, tuple[tuple[float, float], ...]]:
        """When each of these calls was not seen, since and until, in order; a call that was seen
        all the time is left out."""
        found: dict[str, tuple[tuple[float, float], ...]] = {}
        for fact in await self.facts_of(call_ids, "unseen"):
            told = json.loads(fact.data)
            gap = (told["since"], told["until"])
            found[fact.call_id] = (*found.get(fact.call_id, ()), gap)
        return found

    async def facts_of(self, call_ids: Sequence[str], kind: str) -> list[FactRecord]:
        """The facts of a kind of these calls, those of one call as they came."""
        found: list[FactRecord] = []
        for first in range(0, len(call_ids), IDS_AT_ONCE):
            few = call_ids[first : first + IDS_AT_ONCE]
            chosen = _FACT.where(call_fact.c.call_id.in_(few), call_fact.c.kind == kind)
            rows = await self._database.rows(chosen.order_by(call_fact.c.id))
            found += records(FactRecord, rows)
        return found

    async def call_facts(self, call_id: str) -> list[FactRecord]:
        """The facts of one call as they came."""
        key = as_id(call_id)
        chosen = _FACT.where(call_fact.c.call_id == key).order_by(call_fact.c.id)
        return records(FactRecord, await self._database.rows(chosen)) if key else []

    async def queued_facts(self, since: float, until: float, *, pbx: str) -> list[FactRecord]:
        """The facts of all calls that began a stay in a queue in this time, and of those that
        they became part of, as they came."""
        in_time = queue_entry.c.entered_at.between(since, until) & (queue_entry.c.pbx == pbx)
        wanted = select(queue_entry.c.call_id).where(in_time)
        rows = await self._database.rows(
            _FACT.where(call_fact.c.call_id.in_(wanted)).order_by(call_fact.c.id)
        )
        facts = records(FactRecord, rows)
        known = {fact.call_id for fact in facts}
        more = {json.loads(fact.data)["into"] for fact in facts if fact.kind == "merged"} - known
        while more:
            known |= more
            found = [fact for call_id in sorted(more) for fact in await self.call_facts(call_id)]
            facts += found
            more = {json.loads(f.data)["into"] for f in found if f.kind == "merged"} - known
        return facts

    async def link_facts(self, pbx: str) -> list[tuple[FactRecord, float | None]]:
        """The facts of the link to a PBX as they came, each with the time of what was recorded
        before it, of whatever call; None for the very first."""
        before = call_fact.alias()
        last = (
            select(before.c.at)
            .where(before.c.id < call_fact.c.id)
            .order_by(before.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        chosen = (
            _FACT.add_columns(last.label("before"))
            .where(call_fact.c.call_id == link_id(pbx))
            .order_by(call_fact.c.id)
        )
        rows = await self._database.rows(chosen)
        return [(FactRecord(row.call_id, row.at, row.kind, row.data), row.before) for row in rows]

    async def audits(self, since: float = 0.0, target: str | None = None) -> list[AuditRecord]:
        """What was done by force since then, to this call or operator if one is named, in order."""
        chosen = _AUDIT.where(audit.c.at >= since)
        if target is not None:
            chosen = chosen.where(audit.c.target == target)
        rows = await self._database.rows(chosen.order_by(audit.c.at, audit.c.id))
        return records(AuditRecord, rows)

    async def last_audits(
        self, limit: int, *, after: str | None = None, who: str | None = None
    ) -> list[AuditRecord]:
        """The last that was done by force, newest first: what follows the record `after`, which
        is nothing where there is none, and of `who` did it or had it done to them."""
        chosen = _AUDIT.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
        if after is not None:
            last = select(audit.c.at).where(audit.c.id == after).scalar_subquery()
            earlier = (audit.c.at == last) & (audit.c.id < after)
            chosen = chosen.where((audit.c.at < last) | earlier)
        if who is not None:
            chosen = chosen.where((audit.c.actor == who) | (audit.c.target == who))
        return records(AuditRecord, await self._database.rows(chosen))

    async def facts_since(self, since: float, kind: str) -> list[FactRecord]:
        """The facts of a kind that came at `since` or later, in order."""
        # A digest begins with the time of its fact, and has an index.
        first = f"{max(0, int(since * 1000)):012x}"
        chosen = _FACT.where(
            call_fact.c.digest >= f"{first[:8]}-{first[8:]}-0000-0000-000000000000",
            call_fact.c.kind == kind,
        )
        rows = await self._database.rows(chosen.order_by(call_fact.c.id))
        return records(FactRecord, rows)

    async def open_states(self) -> list[StateRecord]:
        """The states of operators that had not ended when they were last heard of."""
        chosen = _STATE.where(operator_state.c.until.is_(None))
        rows = await self._database.rows(chosen.order_by(operator_state.c.since))
        return records(StateRecord, rows)

    async def states(self, since: float, until: float) -> list[StateRecord]:
        """The states in which operators were between these moments, in order."""
        over = operator_state.c.until.is_(None) | (operator_state.c.until > since)
        chosen = _STATE.where(operator_state.c.since < until, over)
        rows = await self._database.rows(chosen.order_by(operator_state.c.since))
        return records(StateRecord, rows)

    async def entries_since(
        self, since: float, until: float | None = None, *, pbx: str | None = None
    ) -> list[EntryRecord]:
        """The stays in queues that began at `since` or later and before `until`, in order."""
        chosen = _ENTRY.where(queue_entry.c.entered_at >= since)
        if until is not None:
            chosen = chosen.where(queue_entry.c.entered_at < until)
        if pbx is not None:
            chosen = chosen.where(queue_entry.c.pbx == pbx)
        rows = await self._database.rows(chosen.order_by(queue_entry.c.entered_at))
        return records(EntryRecord, rows)


_Shape = tuple[type[Row], tuple[str, ...]]
"""A kind of record and the columns that say which row it is."""

_SHAPES: tuple[_Shape, ...] = (
    (CallRecord, ("id",)),
    (EntryRecord, ("id",)),
    (Interaction, ("id",)),
    (Interaction, ("call_id", "operator")),
    (FactRecord, ("digest",)),
    (StateRecord, ("id",)),
    (AuditRecord, ("id",)),
    (CallbackRecord, ("id",)),
    (PolicyRecord, ("fingerprint",)),
    (RunRecord, ("id",)),
    (AnswerRecord, ("run_id", "question")),
    (RefusalRecord, ("id",)),
    (Respondent, ("id",)),
    (AttemptRecord, ("id",)),
)


def _shape(record: Row) -> _Shape:
    if isinstance(record, FactRecord):
        return FactRecord, ("digest",)
    if isinstance(record, PolicyRecord):
        return PolicyRecord, ("fingerprint",)
    if isinstance(record, AnswerRecord):
        return AnswerRecord, ("run_id", "question")
    if isinstance(record, Interaction) and record.call_id and record.operator:
        return Interaction, ("call_id", "operator")
    return type(record), ("id",)


def _write_together(group: Sequence[Record], connection: Connection) -> None:
    shapes: dict[_Shape, list[Row]] = {shape: [] for shape in _SHAPES}
    written: list[WrapUp] = []
    for record in _latest(group):
        if isinstance(record, WrapUp):
            written.append(record)
        else:
            shapes[_shape(record)].append(record)
    for shape, found in shapes.items():
        if found:
            upsert = _upsert(shape, connection.dialect)
            connection.exec_driver_sql(upsert.sql, [upsert.row(record) for record in found])
    for one in written:  # last: they find their calls, and no contact takes a note away
        _wrap_up(connection, one)


def _wrap_up(connection: Connection, written: WrapUp) -> None:
    try:
        wrap_up(written, connection)
    except FieldsError:  # the customer was erased meanwhile; the note is not lost for that
        wrap_up(replace(written, customer_id=None), connection)


_OVERWRITTEN = EntryRecord | StateRecord | CallbackRecord | RunRecord | Respondent | AttemptRecord


def _latest(group: Iterable[Record]) -> Iterable[Record]:
    """`group` with each call, entry and state but once, as it would be after all of it: a
    call is told again and again in the second in which it comes in."""
    rows: dict[str, Record] = {}
    others: list[Record] = []  # facts; and interactions, of which the last is not all: see `_build`
    for record in group:
        if isinstance(record, CallRecord):
            before = rows.get(record.id)
            if record.customer_id is None and isinstance(before, CallRecord):
                record = replace(record, customer_id=before.customer_id)
            rows[record.id] = record
        elif isinstance(record, _OVERWRITTEN):
            rows[record.id] = record
        else:
            others.append(record)
    return [*rows.values(), *others]


def _try(connection: Connection, record: Record) -> str | None:
    """Writes one record; why not, where the database refuses it."""
    try:
        with connection.begin_nested():
            _write_together((record,), connection)
    except (IntegrityError, DataError) as error:
        return str(error.orig).partition("\n")[0]
    return None


def _digest(fact: FactRecord) -> str:
    words = (fact.call_id, fact.at.hex(), fact.kind, fact.data)
    clean = (word.encode("utf-8", "replace").decode() for word in words)
    return derived_id(int(fact.at * 1000), *clean)


class _Upsert:
    """The statement that writes the records of one shape, as the driver takes it. SQLAlchemy makes
    it but once: to bind and check it anew for each group costs as much as SQLite does."""

    def __init__(self, shape: _Shape, dialect: Dialect) -> None:
        compiled = _build(*shape, dialect).compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.sql = compiled.string
        self._columns: list[tuple[Callable[[Any], Any], Callable[[Any], Any] | None]] = []
        for parameter in compiled.positiontup or ():
            name = parameter.removeprefix(_NEW)
            read = _digest if name == "digest" else attrgetter(name)
            kind = compiled.binds[parameter].type.dialect_impl(dialect)
            self._columns.append((read, kind.bind_processor(dialect)))

    def row(self, record: Row) -> tuple[Any, ...]:
        """The parameters, in the order and the types that the driver wants."""
        values = []
        for read, bind in self._columns:
            value = read(record)
            values.append(bind(value) if bind else value)
        return tuple(values)


_UPSERTS: dict[tuple[_Shape, str], _Upsert] = {}


def _upsert(shape: _Shape, dialect: Dialect) -> _Upsert:
    key = shape, dialect.name
    if key not in _UPSERTS:
        _UPSERTS[key] = _Upsert(shape, dialect)
    return _UPSERTS[key]


def _build(kind: type[Row], known_by: tuple[str, ...], dialect: Dialect) -> Insert:
    table = _TABLES[kind]
    names = [*_NAMES[kind], *(["digest"] if kind is FactRecord else [])]
    values: dict[str, Any] = {
        name: bindparam(f"{_NEW}{name}", type_=table.c[name].type) for name in names
    }
    if "customer_id" in values:
        values["customer_id"] = (
            select(customer.c.id).where(customer.c.id == values["customer_id"]).scalar_subquery()
        )
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(values)
    if kind in (FactRecord, PolicyRecord, AuditRecord, RefusalRecord):
        return statement.on_conflict_do_nothing(index_elements=list(known_by))
    new, old = statement.excluded, table.c
    changes: dict[str, Any] = {name: new[name] for name in names if name not in ("id", *known_by)}
    if kind is CallRecord:
        changes["customer_id"] = func.coalesce(new.customer_id, old.customer_id)
    if kind is Interaction:
        changes["customer_id"] = func.coalesce(old.customer_id, new.customer_id)
        changes["result"] = func.coalesce(new.result, old.result)
        changes["note"] = case((new.note == literal_column("''"), old.note), else_=new.note)
    is_newer: ColumnElement[bool] | None = None
    if kind is RunRecord:  # what a replay brings late takes no end away
        is_newer = old.ended_at.is_(None) | new.ended_at.is_not(None)
    elif kind is AnswerRecord:
        is_newer = new["at"] >= old["at"]
    elif kind is Respondent:
        is_newer = new.revision >= old.revision
    return statement.on_conflict_do_update(
        index_elements=list(known_by), set_=changes, where=is_newer
    )
