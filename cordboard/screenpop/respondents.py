"""Lists of people in the API: made and looked at by supervisors, worked off by operators."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, TypeAdapter

from cordboard.config import Settings
from cordboard.crm_core.database import as_id, new_id
from cordboard.crm_core.model import ROLES, RespondentList, RespondentState, Role
from cordboard.crm_core.respondent_files import people_in
from cordboard.crm_core.respondent_states import STATES, Result
from cordboard.crm_core.respondents import Added, CustomerFilter, Person
from cordboard.crm_core.rules import user_key
from cordboard.crm_core.store import Store
from cordboard.desk.facts import ActionAsked, RespondentTaken
from cordboard.desk.model import Holding
from cordboard.errors import PeerError, UserError
from cordboard.events import OperatorName
from cordboard.screenpop import render
from cordboard.screenpop.charts import Library
from cordboard.screenpop.faults import ApiError, invalid
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.routes import Ask, Route
from cordboard.screenpop.schemas import (
    Accepted,
    Attribute,
    Customer,
    Given,
    Interaction,
    OneLine,
    Taken,
    Words,
)
from cordboard.screenpop.views import Message, moment

if TYPE_CHECKING:
    from cordboard.screenpop.api import Api

FILE_BYTES = 8 * 2**20
"""Some hundred thousand people."""
FILE_SECONDS = 60
TOLD_AT_MOST = 200
"""Rows that were not added are told with their reasons up to so many."""
CALLBACK_WITHIN = 366 * 86_400.0
SUPERVISORS: tuple[Role, ...] = ("supervisor", "admin")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES = ("text/csv", XLSX, "application/vnd.ms-excel", "application/octet-stream")
"""What browsers call such files, by what the machine has installed."""

Submit = Callable[[ActionAsked | RespondentTaken], None]


class Lists:
    """What the handlers need."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        submit: Submit,
        library: Library | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._submit = submit
        self._library = library
        self._clock = clock

    async def listed(self, *, closed: bool) -> Message:
        found = await self._store.lists()
        rows = [_list(each, counts) for each, counts in found if closed or each.closed_at is None]
        return {"lists": rows}

    async def one(self, list_id: str) -> Message:
        whose = await self.whose(list_id)
        return _list(whose, await self._store.counts(whose.id))

    async def whose(self, list_id: str) -> RespondentList:
        """Raises `ApiError` 404."""
        found = await self._store.respondent_list(list_id)
        if found is None:
            raise ApiError(404, "not-found", "there is no such list")
        return found

    async def make(self, new: NewList, by: str) -> Message:
        if self._library is not None and new.script not in self._library.scripts:
            raise invalid([("script", f"there is no script {new.script!r}")])
        made = await self._store.create_list(
            new.name,
            new.script,
            by,
            tries=new.tries,
            again_minutes=new.again_minutes,
            hours=new.hours,
            language=new.language,
        )
        return _list(made, {})

    async def add_file(self, list_id: str, request: web.Request) -> Message:
        whose = await self._open(list_id)
        if request.content_type not in FILES:
            raise ApiError(415, "unsupported-media-type", "send a CSV or XLSX file")
        content = await _content(request)
        faults: list[tuple[int, str]] = []
        try:
            people = await asyncio.to_thread(_people, content, faults)
        except UserError as error:
            raise invalid([("file", str(error))]) from error
        return _added(await self._add(whose, people), faults)

    async def add_customers(self, list_id: str, wanted: CustomersWanted) -> Message:
        whose = await self._open(list_id)
        after, before = _time("after", wanted.after), _time("before", wanted.before)
        people = await self._store.customers_for(
            CustomerFilter(
                tuple(wanted.statuses),
                wanted.segment,
                tuple(wanted.tags),
                wanted.language,
                user_key(wanted.manager) if wanted.manager is not None else None,
                after,
                before,
                wanted.attributes,
            )
        )
        return _added(await self._add(whose, people), [])

    async def people(self, list_id: str, query: PeopleQuery) -> Message:
        whose = await self.whose(list_id)
        states = [each for each in STATES if each in (query.state or "").split(",")]
        if query.state is not None and len(states) != len(query.state.split(",")):
            raise invalid([("state", f"must be some of {', '.join(STATES)}")])
        found = await self._store.people(whose.id, states, after=query.after, limit=query.limit + 1)
        people = [render.respondent(each) for each in found[: query.limit]]
        return {"people": people, "next": people[-1]["position"] if found[query.limit :] else None}

    async def close(self, list_id: str) -> Message:
        if not await self._store.close_list(list_id):
            raise ApiError(404, "not-found", "there is no such list")
        return await self.one(list_id)

    async def take(self, list_id: str, name: str) -> Message:
        """The next one for this operator, whose console is told of it by the desk."""
        whose = await self.whose(list_id)
        found = await self._store.take_respondent(whose.id, name)
        if found is None:
            return {"respondent": None}
        if found.list_id != whose.id:  # he has somebody of another one
            whose = await self.whose(found.list_id)
        operator = OperatorName(name)
        card = await self._store.card(found.customer_id) if found.customer_id else None
        shown = self._hub.picture.respondents.get(name)
        if shown is not None and shown["id"] == found.id:
            return {"respondent": shown}
        self._tell(RespondentTaken(operator, found, whose, card))
        holding = Holding(operator, found, whose, card, self._clock())
        names = {user.name: user.display_name for user in await self._store.users()}
        return {"respondent": render.held(holding, self._settings.crm.currency, names)}

    async def act(self, ask: Ask) -> Message:
        """On the person whom the asker has; whether that is so, the desk knows."""
        target = as_id(ask.path["id"])
        if target is None:
            raise ApiError(404, "not-found", "there is no such person")
        args: dict[str, Any] = ask.body.args.model_dump()
        if isinstance(ask.body, EndRespondent):
            args["at"] = self._callback(ask.body.args)
            args["run"] = await self._form(ask.body.args.run, target)
        action_id, user = new_id(time.time()), ask.login.user
        name, action = OperatorName(user.name), ask.body.action
        asked = ActionAsked(action_id, name, user.role, "respondent", target, action, args, "")
        self._tell(asked)
        return {"id": action_id}

    async def _form(self, run: str | None, respondent_id: str) -> str | None:
        """The run of this person's form."""
        found = await self._store.run(run) if run else None
        if run and (found is None or found.respondent_id != respondent_id):
            raise invalid([("args.run", "is no form of this person")])
        return found.id if found else None

    def _callback(self, args: EndArgs) -> float | None:
        """When the person wants to be called."""
        at = _time("args.at", args.at)
        if (at is None) == (args.result == "callback"):
            raise invalid([("args.at", "is for a callback, which needs it")])
        now = self._clock()
        if at is not None and not now < at < now + CALLBACK_WITHIN:
            raise invalid([("args.at", "must be in the future, and within a year")])
        return at

    async def _open(self, list_id: str) -> RespondentList:
        whose = await self.whose(list_id)
        if whose.closed_at is not None:
            raise invalid([("", "the list is closed")])
        return whose

    async def _add(self, whose: RespondentList, people: list[Person]) -> Added:
        return await self._store.add_people(whose, people, self._settings.callback.blocked)

    def _tell(self, fact: ActionAsked | RespondentTaken) -> None:
        try:
            self._submit(fact)
        except PeerError as error:
            raise ApiError(503, "busy", str(error), headers={"Retry-After": "1"}) from error


async def _content(request: web.Request) -> bytes:
    """The file of a request, which may be larger than other bodies. Raises `ApiError`."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, "unsupported-media-type", "send the file uncompressed")
    content = bytearray()
    try:
        async with asyncio.timeout(FILE_SECONDS):
            async for chunk in request.content.iter_any():
                content += chunk
                if len(content) > FILE_BYTES:
                    words = f"the file has more than {FILE_BYTES >> 20} MB: split it"
                    raise ApiError(413, "too-large", words)
    except TimeoutError:
        raise ApiError(408, "too-slow", "the file did not come in time") from None
    return bytes(content)


def _people(content: bytes, faults: list[tuple[int, str]]) -> list[Person]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        return list(people_in(path, lambda line, reason: faults.append((line, reason))))


def _list(whose: RespondentList, counts: Mapping[str, int]) -> Message:
    states = {state: counts[state] for state in STATES if counts.get(state)}
    return {
        "id": whose.id,
        "name": whose.name,
        "script": whose.script,
        "language": whose.language,
        "hours": whose.hours,
        "tries": whose.tries,
        "again_minutes": whose.again_minutes,
        "created_at": moment(whose.created_at),
        "created_by": whose.created_by,
        "closed_at": None if whose.closed_at is None else moment(whose.closed_at),
        "people": sum(states.values()),
        "due": counts.get("due", 0),
        "states": states,
    }


def _added(done: Added, faults: list[tuple[int, str]]) -> Message:
    rows = [(line, "", reason) for line, reason in faults] + done.left_out
    told = [{"line": line, "name": name, "reason": why} for line, name, why in sorted(rows)]
    return {
        "added": done.added,
        "known": done.known,
        "left_out": len(rows),
        "reasons": told[:TOLD_AT_MOST],
    }


def _time(field: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError
        return found.timestamp()
    except (ValueError, OverflowError):
        reason = "must be a time with its zone, such as 2026-11-22T09:30:00+03:00"
        raise invalid([(field, reason)]) from None


# What comes in and goes out


class NewList(Taken):
    """`script` is the name of the script; who does not answer is called again after
    `again_minutes`, `tries` times in all. `hours` is a calendar of the rule file."""

    name: Words
    script: Words
    tries: Annotated[int, Field(ge=1, le=20)] = 3
    again_minutes: Annotated[float, Field(ge=1, le=43_200)] = 60.0
    hours: Words | None = None
    language: Annotated[str, Field(max_length=10)] | None = None


class CustomersWanted(Taken):
    """Which of our customers; what is left out does not matter. `after` and `before` are when the
    last contact was, in RFC 3339."""

    statuses: list[Words] = Field(default_factory=list, max_length=100)
    segment: Words | None = None
    tags: list[Words] = Field(default_factory=list, max_length=50)
    language: Words | None = None
    manager: Words | None = None
    after: Words | None = None
    before: Words | None = None
    attributes: dict[str, Words] = Field(default_factory=dict, max_length=20)


class PeopleQuery(Taken):
    """`state` is one or several, with commas; `after` the position after which to go on."""

    state: str | None = Field(default=None, max_length=200)
    after: Annotated[int, Field(ge=-1, strict=False)] = -1
    limit: Annotated[int, Field(ge=1, le=200, strict=False)] = 50


class NoArgs(Taken):
    pass


class DialRespondent(Taken):
    """The operator's phone rings, then the person is dialled; twice is once."""

    action: Literal["dial"]
    args: NoArgs = NoArgs()
    reason: OneLine = ""


class ReleaseRespondent(Taken):
    """The person goes back to the list."""

    action: Literal["release"]
    args: NoArgs = NoArgs()
    reason: OneLine = ""


class EndArgs(Taken):
    """`at` is when to call back, in RFC 3339, and `mine` that the same operator does; `never`: no
    survey at all any more; `run` is the form's."""

    result: Result
    note: Annotated[str, Field(max_length=4000)] = ""
    at: Words | None = None
    mine: bool = False
    never: bool = False
    run: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")] | None = None


class EndRespondent(Taken):
    """What came of the person."""

    action: Literal["result"]
    args: EndArgs
    reason: OneLine = ""


RespondentAction = Annotated[
    DialRespondent | ReleaseRespondent | EndRespondent, Field(discriminator="action")
]
ACTIONS = ("dial", "release", "result")


class ListRow(Given):
    """`people` are all of it, `due` those who may be called now, `states` how many there are of
    each."""

    id: str
    name: str
    script: str
    language: str | None
    hours: str | None
    tries: int
    again_minutes: float
    created_at: str
    created_by: str
    closed_at: str | None
    people: int
    due: int
    states: dict[RespondentState, int]


class ListRows(Given):
    lists: list[ListRow]


class PersonRow(Given):
    """`due_at` is when the person may be given to an operator, and `due_for` to whom before others;
    `result` what came of it last, `run` the form's."""

    id: str
    position: int
    number: str
    name: str
    language: str | None
    attributes: dict[str, Attribute]
    state: RespondentState
    dials: int
    tries: int
    due_at: str | None
    due_for: str | None
    taken_by: str | None
    result: str | None
    run: str | None
    note: str


class People(Given):
    """`next` is the `after` with which to go on, null at the end."""

    people: list[PersonRow]
    next: int | None


class LeftOut(Given):
    line: int
    name: str
    reason: str


class AddedPeople(Given):
    """`known` are on the list already; `reasons` are of the first ones who were left out."""

    added: int
    known: int
    left_out: int
    reasons: list[LeftOut]


class OfList(Given):
    id: str
    name: str
    script: str
    tries: int


class Held(PersonRow):
    """A person whom an operator has: as on the stream."""

    operator: str
    customer: Customer | None
    history: list[Interaction]
    list: OfList
    call: str | None
    answered_at: str | None
    ended_at: str | None
    since: str


class NextPerson(Given):
    """Null where nobody is due."""

    respondent: Held | None


# Handlers


async def respondent_lists(api: Api, ask: Ask) -> Message:
    return await api.lists.listed(closed=ask.login.viewer.sees_all)


async def create_list(api: Api, ask: Ask) -> Message:
    return await api.lists.make(ask.body, ask.login.user.name)


async def respondent_list(api: Api, ask: Ask) -> Message:
    return await api.lists.one(ask.path["id"])


async def list_people(api: Api, ask: Ask) -> Message:
    return await api.lists.people(ask.path["id"], ask.query)


async def add_people(api: Api, ask: Ask) -> Message:
    return await api.lists.add_file(ask.path["id"], ask.request)


async def add_customers(api: Api, ask: Ask) -> Message:
    return await api.lists.add_customers(ask.path["id"], ask.body)


async def close_list(api: Api, ask: Ask) -> Message:
    return await api.lists.close(ask.path["id"])


async def next_respondent(api: Api, ask: Ask) -> Message:
    return await api.lists.take(ask.path["id"], ask.login.user.name)


async def respondent_action(api: Api, ask: Ask) -> Message:
    return await api.lists.act(ask)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/lists", respondent_lists, ROLES,
        "Lists of people to be called (operators: the open ones)", ListRows,
    ),
    Route(
        "POST", "/lists", create_list, SUPERVISORS, "Make a list", ListRow, status=201,
        body=TypeAdapter(NewList),
    ),
    Route("GET", "/lists/{id}", respondent_list, ROLES, "A list, and how far it is", ListRow),
    Route(
        "GET", "/lists/{id}/people", list_people, SUPERVISORS, "The people of a list", People,
        query=PeopleQuery,
    ),
    Route(
        "POST", "/lists/{id}/people", add_people, SUPERVISORS,
        "Add the people of a CSV or XLSX file, whose first line names the columns", AddedPeople,
        upload=FILES,
    ),
    Route(
        "POST", "/lists/{id}/customers", add_customers, SUPERVISORS,
        "Add those of our customers whom a filter lets through", AddedPeople,
        body=TypeAdapter(CustomersWanted),
    ),
    Route("POST", "/lists/{id}/close", close_list, SUPERVISORS, "Close a list", ListRow),
    Route(
        "POST", "/lists/{id}/next", next_respondent, ROLES,
        "Take the next person, or the one whom the asker has", NextPerson,
    ),
    Route(
        "POST", "/respondents/{id}/actions", respondent_action, ROLES,
        "Act on the person whom the asker has", Accepted, status=202,
        body=TypeAdapter(RespondentAction),
    ),
)  # fmt: skip
