"""People who are to be called, list by list: who is on it, who is next, what became of each.

One person is given to one operator: whoever is taken is taken in the database, by comparing and
setting. From then on the desk alone writes the row (`Calls.write`), until it is open again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from cordboard.crm_core import phones
from cordboard.crm_core.database import Database, as_id, new_id, records
from cordboard.crm_core.model import (
    AttemptRecord,
    Attribute,
    Respondent,
    RespondentList,
    RespondentState,
)
from cordboard.crm_core.respondent_states import HELD, OPEN, after
from cordboard.crm_core.rules import NAME_AT_MOST, CustomerRules, Fault, FieldsError, tidy
from cordboard.crm_core.tables import (
    app_user,
    customer,
    customer_attribute,
    interaction,
    phone,
    respondent,
    respondent_attempt,
    respondent_list,
    survey_refusal,
)
from cordboard.errors import PeerError

BATCH = 500
PEOPLE_AT_MOST = 500
LISTS_AT_MOST = 500
OVERDUE = 1800.0
"""Seconds after which a callback that one operator promised is anybody's."""

_LIST = select(*(respondent_list.c[each.name] for each in fields(RespondentList)))
_RESPONDENT = select(*(respondent.c[each.name] for each in fields(Respondent)))
_ATTEMPT = select(*(respondent_attempt.c[each.name] for each in fields(AttemptRecord)))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is to come on a list, from the `line` of a file or from our customers."""

    line: int
    name: str
    phones: tuple[str, ...]
    language: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    customer_id: str | None = None


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """Which customers; what is None, or empty, does not matter. `tags`: all of them. `after` and
    `before` are when the last contact began; who never had one is before any time."""

    statuses: tuple[str, ...] = ()
    segment: str | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    manager: str | None = None
    after: float | None = None
    before: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Added:
    """What came of people who were to be added. `known` are on the list already, `left_out` has
    the line, the name and the reason."""

    added: int = 0
    known: int = 0
    left_out: list[tuple[int, str, str]] = field(default_factory=list)


class Respondents:
    """The lists of a store. All methods raise `PeerError` where the database is away."""

    def __init__(
        self, database: Database, rules: CustomerRules, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock

    # Lists

    async def create_list(
        self,
        name: str,
        script: str,
        by: str,
        *,
        tries: int = 3,
        again_minutes: float = 60.0,
        hours: str | None = None,
        language: str | None = None,
    ) -> RespondentList:
        """Raises `FieldsError`; names are each used once."""
        name, faults = tidy(name), list[Fault]()
        if not name or len(name) > NAME_AT_MOST:
            faults.append(("name", f"needs 1 to {NAME_AT_MOST} characters"))
        if language is not None and language not in self._rules.languages:
            faults.append(("language", f"must be one of {', '.join(self._rules.languages)}"))
        if faults:
            raise FieldsError(faults)
        now = self._clock()
        made = RespondentList(
            new_id(now), name, script, language, hours, tries, again_minutes, now, by
        )

        def write(connection: Connection) -> RespondentList:
            taken = select(respondent_list.c.id).where(respondent_list.c.name == name)
            if connection.execute(taken).first() is not None:
                raise FieldsError([("name", f"there is a list {name!r} already")])
            connection.execute(insert(respondent_list), asdict(made))
            return made

        return await self._database.write(write)

    async def lists(self) -> list[tuple[RespondentList, dict[str, int]]]:
        """All lists, newest first, each with how many people are in which state; `due` counts
        those who may be called now."""
        chosen = _LIST.order_by(respondent_list.c.created_at.desc()).limit(LISTS_AT_MOST)
        found = records(RespondentList, await self._database.rows(chosen))
        counts = await self._counts()
        return [(each, counts.get(each.id, {})) for each in found]

    async def respondent_list(self, list_id: str) -> RespondentList | None:
        key = as_id(list_id)
        found = await self._database.rows(_LIST.where(respondent_list.c.id == key)) if key else ()
        return records(RespondentList, found)[0] if found else None

    async def list_named(self, name: str) -> RespondentList | None:
        found = await self._database.rows(_LIST.where(respondent_list.c.name == tidy(name)))
        return records(RespondentList, found)[0] if found else None

    async def counts(self, list_id: str) -> dict[str, int]:
        """How many people of a list are in which state, and how many are `due`."""
        return (await self._counts(list_id)).get(list_id, {})

    async def _counts(self, list_id: str | None = None) -> dict[str, dict[str, int]]:
        is_due = and_(
            respondent.c.state.in_(OPEN),
            or_(respondent.c.due_at.is_(None), respondent.c.due_at <= self._clock()),
        )
        counted: Select[Any] = select(
            respondent.c.list_id,
            respondent.c.state,
            func.count().label("people"),
            func.sum(case((is_due, 1), else_=0)).label("due"),
        ).group_by(respondent.c.list_id, respondent.c.state)
        if list_id is not None:
            counted = counted.where(respondent.c.list_id == list_id)
        found: dict[str, dict[str, int]] = {}
        for row in await self._database.rows(counted):
            told = found.setdefault(row.list_id, {"due": 0})
            told[row.state] = row.people
            told["due"] += int(row.due)
        return found

    async def close_list(self, list_id: str) -> bool:
        """Nobody of it is given to an operator any more; False where there is no such list. Who
        is at a telephone may finish."""
        key, now = as_id(list_id), self._clock()
        closed = (
            update(respondent_list)
            .where(respondent_list.c.id == key)
            .values(closed_at=func.coalesce(respondent_list.c.closed_at, now))
        )
        return key is not None and await self._database.write(
            lambda connection: bool(connection.execute(closed).rowcount)
        )

    # People

    async def add_people(
        self, whose: RespondentList, people: Iterable[Person], blocked: Sequence[str] = ()
    ) -> Added:
        """Adds those who may be called and are not on the list; a number comes on it once. What
        was told of a batch stays, so a run that broke off may be started again. `blocked`: see
        `phones.may_be_called`."""
        done, source = Added(), iter(people)
        while batch := list(islice(source, BATCH)):
            fit = [each for person in batch if (each := self._checked(person, blocked, done))]
            part = await self._database.write(
                partial(_add, whose=whose, batch=fit, now=self._clock())
            )
            done.added += part.added
            done.known += part.known
            done.left_out += part.left_out
        return done

    def _checked(self, person: Person, blocked: Sequence[str], done: Added) -> Person | None:
        """With its one number, in E.164; None, and the reason told, for whom nobody may call."""

        written = [each for each in person.phones if each.strip()]
        numbers = [n for each in written if (n := phones.normalise(each, self._rules.region))]
        fit = [each for each in numbers if phones.may_be_called(each, blocked)]
        language = person.language
        if not written:
            reason = "there is no number"
        elif not numbers:
            reason = f"{tidy(written[0])[:40]!r} is not a telephone number"
        elif not fit:
            reason = f"{numbers[0]} may not be called"
        elif language is not None and language not in self._rules.languages:
            reason = f"the language must be one of {', '.join(self._rules.languages)}"
        else:
            name = tidy(person.name)[:NAME_AT_MOST]
            return replace(person, name=name, phones=(fit[0],))
        done.left_out.append((person.line, tidy(person.name)[:NAME_AT_MOST], reason))
        return None

    async def customers_for(self, wanted: CustomerFilter) -> list[Person]:
        """The customers whom the filter lets through, by name, with all their numbers."""
        chosen = (
            select(customer.c.id, customer.c.name, customer.c.language, customer.c.tags)
            .add_columns(phone.c.e164)
            .join(phone, phone.c.customer_id == customer.c.id)
            .order_by(customer.c.search, customer.c.id, phone.c.position)
        )
        rows = await self._database.rows(_narrowed(chosen, wanted))
        found: dict[str, Person] = {}
        for row in rows:
            if not set(wanted.tags).issubset(row.tags or ()):
                continue
            known = found.get(row.id)
            if known is None:
                found[row.id] = Person(0, row.name, (row.e164,), row.language, {}, row.id)
            else:
                found[row.id] = replace(known, phones=(*known.phones, row.e164))
        return list(found.values())

    async def people(
        self,
        list_id: str,
        states: Collection[RespondentState] = (),
        *,
        after: int = -1,
        limit: int = PEOPLE_AT_MOST,
    ) -> list[Respondent]:
        """Those of a list behind the position `after`, in order."""
        key = as_id(list_id)
        chosen = _RESPONDENT.where(respondent.c.list_id == key, respondent.c.position > after)
        if states:
            chosen = chosen.where(respondent.c.state.in_(list(states)))
        rows = await self._database.rows(chosen.order_by(respondent.c.position).limit(limit))
        return [_respondent(row) for row in rows]

    async def respondent(self, respondent_id: str) -> Respondent | None:
        key = as_id(respondent_id)
        rows = await self._database.rows(_RESPONDENT.where(respondent.c.id == key)) if key else ()
        return _respondent(rows[0]) if rows else None

    async def attempts(self, respondent_id: str) -> list[AttemptRecord]:
        """The calls to one person, in order."""
        chosen = _ATTEMPT.where(respondent_attempt.c.respondent_id == as_id(respondent_id))
        rows = await self._database.rows(chosen.order_by(respondent_attempt.c.dial))
        return records(AttemptRecord, rows)

    # Who is whose

    async def held(self) -> list[tuple[Respondent, RespondentList]]:
        """Those whom operators have, each with the list."""
        rows = await self._database.rows(_RESPONDENT.where(respondent.c.state.in_(HELD)))
        found = [_respondent(row) for row in rows]
        ids = {each.list_id for each in found}
        lists = await self._database.rows(_LIST.where(respondent_list.c.id.in_(ids)))
        known = {each.id: each for each in records(RespondentList, lists)}
        return [(each, known[each.list_id]) for each in found]

    async def take_respondent(self, list_id: str, operator: str) -> Respondent | None:
        """The next one of a list for this operator, or the one whom he has already, of whatever
        list; None where nobody is due. Callbacks that were promised go first, then those to be
        tried again, then the others in order. Whoever does not want to be asked any more is taken
        out on the way."""
        key, now = as_id(list_id), self._clock()
        if key is None:
            return None
        while True:
            try:
                found, again = await self._database.write(
                    lambda connection: _take(connection, key, operator, now)
                )
            except PeerError as error:
                if not isinstance(error.__cause__, IntegrityError):
                    raise
                continue  # another console of his was quicker
            if not again:
                return found


def _narrowed(chosen: Select[Any], wanted: CustomerFilter) -> Select[Any]:
    if wanted.statuses:
        chosen = chosen.where(customer.c.status.in_(list(wanted.statuses)))
    if wanted.segment is not None:
        chosen = chosen.where(customer.c.segment == wanted.segment)
    if wanted.language is not None:
        chosen = chosen.where(customer.c.language == wanted.language)
    if wanted.manager is not None:
        chosen = chosen.join(app_user, app_user.c.id == customer.c.manager_id)
        chosen = chosen.where(app_user.c.name == wanted.manager)
    for name, value in wanted.attributes.items():
        has = select(customer_attribute.c.customer_id).where(
            customer_attribute.c.name == name, customer_attribute.c.value == value
        )
        chosen = chosen.where(customer.c.id.in_(has))
    last = (
        select(func.max(interaction.c.started_at))
        .where(interaction.c.customer_id == customer.c.id)
        .correlate(customer)
        .scalar_subquery()
    )
    if wanted.after is not None:
        chosen = chosen.where(last >= wanted.after)
    if wanted.before is not None:
        chosen = chosen.where(or_(last.is_(None), last < wanted.before))
    return chosen


def _add(
    connection: Connection, whose: RespondentList, batch: Sequence[Person], now: float
) -> Added:
    done = Added()
    numbers = [person.phones[0] for person in batch]
    there = select(respondent.c.number).where(
        respondent.c.list_id == whose.id, respondent.c.number.in_(numbers)
    )
    on_list = set(connection.execute(there).scalars())
    owners = _owners(connection, numbers)
    batch = [_joined(person, owners) for person in batch]
    undisturbed = _undisturbed(connection, [each.customer_id for each in batch])
    refused_ids, refused_numbers = _refused(connection, whose.script, batch)
    last = select(func.max(respondent.c.position)).where(respondent.c.list_id == whose.id)
    position = connection.execute(last).scalar()
    position = -1 if position is None else int(position)
    rows = []
    for person in batch:
        number, key = person.phones[0], person.customer_id
        if number in on_list:
            done.known += 1
        elif key in undisturbed or any(each.quiet for each in owners.get(number, ())):
            done.left_out.append((person.line, person.name, "does not want to be disturbed"))
        elif number in refused_numbers or key in refused_ids:
            done.left_out.append((person.line, person.name, "does not want to be asked"))
        else:
            on_list.add(number)
            position += 1
            made = Respondent(
                new_id(now), whose.id, position, number, person.name, key,
                person.language or whose.language, person.attributes,
            )  # fmt: skip
            rows.append(_row(made))
    if rows:
        connection.execute(insert(respondent), rows)
    done.added = len(rows)
    return done


def _row(made: Respondent) -> dict[str, Any]:
    row = {each.name: getattr(made, each.name) for each in fields(made)}
    return row | {"attributes": dict(made.attributes)}


class _Owner(NamedTuple):
    id: str
    name: str
    language: str | None
    quiet: bool


def _owners(connection: Connection, numbers: Sequence[str]) -> dict[str, list[_Owner]]:
    """The customers of these numbers."""
    owned = (
        select(phone.c.e164, customer.c.id, customer.c.name, customer.c.language)
        .add_columns(customer.c.do_not_disturb)
        .join(customer, customer.c.id == phone.c.customer_id)
        .where(phone.c.e164.in_(list(numbers)))
    )
    found: dict[str, list[_Owner]] = {}
    for number, *owner in connection.execute(owned):
        found.setdefault(number, []).append(_Owner(*owner))
    return found


def _joined(person: Person, owners: Mapping[str, list[_Owner]]) -> Person:
    """With the customer whose number it is; with nobody where several share it."""
    known = owners.get(person.phones[0], [])
    if person.customer_id is not None or len(known) != 1:
        return person
    (owner,) = known
    return replace(
        person,
        customer_id=owner.id,
        name=person.name or owner.name,
        language=person.language or owner.language,
    )


def _undisturbed(connection: Connection, customers: Iterable[str | None]) -> set[str]:
    """Those of these customers who do not want to be called."""
    wish = select(customer.c.id).where(
        customer.c.id.in_([each for each in customers if each]), customer.c.do_not_disturb
    )
    return set(connection.execute(wish).scalars())


def _refused(
    connection: Connection, script: str, batch: Sequence[Person]
) -> tuple[set[str], set[str]]:
    """The customers and the numbers among these who do not want to be asked by this script."""
    said = select(survey_refusal.c.customer_id, survey_refusal.c.number).where(
        or_(survey_refusal.c.script.is_(None), survey_refusal.c.script == script),
        or_(
            survey_refusal.c.number.in_([each.phones[0] for each in batch]),
            survey_refusal.c.customer_id.in_([p.customer_id for p in batch if p.customer_id]),
        ),
    )
    rows = connection.execute(said).all()
    return {row[0] for row in rows if row[0]}, {row[1] for row in rows if row[1]}


def _take(
    connection: Connection, list_id: str, operator: str, now: float
) -> tuple[Respondent | None, bool]:
    """Whom he has now; and whether to look again, since another was quicker, or that one must not
    be called."""
    mine = _RESPONDENT.where(respondent.c.taken_by == operator, respondent.c.state.in_(HELD))
    if has := connection.execute(mine).first():
        return _respondent(has), False
    found = connection.execute(_LIST.where(respondent_list.c.id == list_id)).first()
    if found is None or found.closed_at is not None:
        return None, False
    (whose,) = records(RespondentList, [found])
    at, whom = respondent.c.due_at, respondent.c.due_for
    chosen = (
        _RESPONDENT.where(
            respondent.c.list_id == list_id,
            respondent.c.state.in_(OPEN),
            or_(at.is_(None), at <= now),
            or_(whom.is_(None), whom == operator, at <= now - OVERDUE),
        )
        .order_by(
            case((respondent.c.result == "callback", 0), (at.is_not(None), 1), else_=2),
            at,
            respondent.c.position,
        )
        .limit(1)
    )
    first = connection.execute(chosen).first()
    if first is None:
        return None, False
    before = _respondent(first)
    reason = _why_not(connection, before, whose.script)
    if reason is None:
        then = after(before, "take", whose, now, operator=operator)
    else:
        then = after(before, "exclude", whose, now, result=reason)
    changed = connection.execute(
        update(respondent)
        .where(
            respondent.c.id == before.id,
            respondent.c.state.in_(OPEN),
            respondent.c.revision == before.revision,
        )
        .values(_row(then))
    )
    return then, reason is not None or not changed.rowcount


def _why_not(connection: Connection, person: Respondent, script: str) -> str | None:
    """Why he must not be called who could be when he came on the list; None where he may be."""
    owners = _owners(connection, [person.number]).get(person.number, [])
    if any(each.quiet for each in owners) or _undisturbed(connection, [person.customer_id]):
        return "do-not-disturb"
    asked = Person(0, "", (person.number,), customer_id=person.customer_id)
    ids, numbers = _refused(connection, script, [asked])
    return "refused-before" if ids or numbers else None


def _respondent(row: Row[Any]) -> Respondent:
    (made,) = records(Respondent, [row])
    return made if made.attributes else replace(made, attributes={})
