"""The operator's form: a script as a page, kept answer by answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import structlog
from pydantic import Field, TypeAdapter

from cordboard.crm_core.database import as_id, new_id
from cordboard.crm_core.model import ROLES, Card, RefusalRecord, Respondent, RunRecord
from cordboard.crm_core.script_runs import FormDraft
from cordboard.crm_core.store import Store
from cordboard.errors import PeerError
from cordboard.ivr import form
from cordboard.ivr.form import ENTRIES_AT_MOST, Entry, Filled, Item
from cordboard.ivr.people import names_of
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run, run_id
from cordboard.ivr.script import Script
from cordboard.ivr.texts import written
from cordboard.ivr.turns import Find, Request
from cordboard.screenpop.charts import Library, reader_of
from cordboard.screenpop.faults import ApiError, invalid
from cordboard.screenpop.routes import Ask, Route
from cordboard.screenpop.schemas import Given, Query, Taken
from cordboard.screenpop.views import Message, moment

if TYPE_CHECKING:
    from cordboard.screenpop.api import Api

log = structlog.get_logger()

Opened = Callable[[str, datetime], bool]
"""Whether a calendar is open at a local time."""
Enquire = Callable[[Request], Awaitable[Mapping[str, Any]]]
"""Asks another system. Raises `PeerError`."""
ASKED_AT_MOST = 20
"""Times that others are asked before the next answer of a person."""
ENDED = "this form is over, and can only be read"
CHANGED = "somebody has entered something here since; look at it, and enter yours again"


def never_open(calendar: str, at: datetime) -> bool:
    return False


async def nobody_answers(request: Request) -> Mapping[str, Any]:
    raise PeerError("there is nobody to ask")


class Forms:
    """`opened` asks the calendars of the routing rules, `enquire` other systems."""

    def __init__(
        self,
        library: Library | None,
        store: Store,
        timezone: str,
        opened: Opened = never_open,
        enquire: Enquire = nobody_answers,
    ) -> None:
        self._library = library
        self._store = store
        self._zone = ZoneInfo(timezone)
        self._opened = opened
        self._enquire = enquire

    @property
    def scripts(self) -> Mapping[str, Script]:
        return self._library.scripts if self._library else {}

    async def open(
        self, name: str, identity: str, about: Mapping[str, Any], language: str | None
    ) -> Message:
        """The form of a script, begun or gone on with. Raises `ApiError` 404 also where a script
        is for the telephone alone."""
        script = self.scripts.get(name)
        if script is None or not (script.survey or script.form or about["respondent_id"]):
            raise ApiError(404, "not-found", "there is no form of such a script")
        found = await self._store.run(identity)
        if found is not None:
            return await self.shown(found)
        card = await self._card(about["customer_id"])
        spoken = language or (card.customer.language if card else None)
        run = Run.start(
            script, identity, "form", time.time(),
            **about,
            status=card.customer.status if card else None,
            language=spoken if spoken in script.languages else script.languages[0],
        )  # fmt: skip
        await self._store.write([run.record])
        draft = await self._draft(run.record)
        scope = await self._scope(run.record)
        _, entries = await self._settled(script, scope, [], draft.language)
        if entries:  # others were asked before the first question
            await self._store.keep_draft(replace(draft, version=1, entries=_kept(entries)))
        return await self.shown(run.record)

    async def shown(self, record: RunRecord) -> Message:
        draft = await self._draft(record)
        script = self._script(record)
        entries, scope = _entries(draft), await self._scope(record)
        customers = await self._customers(entries)
        filled, _ = form.fill(script, scope, entries, draft.language, customers=customers)
        return _form(record, script, draft, filled)

    async def enter(self, record: RunRecord, body: NewEntry) -> Message:
        """Raises `ApiError` 409 where another device was quicker, or the form is over."""
        if record.outcome is not None:
            raise ApiError(409, "ended", ENDED)
        draft = await self._draft(record)
        if body.version != draft.version:
            raise ApiError(409, "changed", CHANGED)
        script, scope, now = self._script(record), await self._scope(record), time.time()
        entries = _entries(draft)
        if body.step is not None:
            entries = form.changed(entries, body.place, Entry(body.step, body.text, now))
        language = body.language if body.language in script.languages else draft.language
        refusals = await self._refusals(record, script, scope, draft)
        filled, entries = await self._settled(script, scope, entries, language)
        if len(entries) > ENTRIES_AT_MOST:
            raise ApiError(409, "too-long", "this form has too many entries")
        if filled.fault:
            # What is no answer is told, and is not kept.
            return _form(record, script, draft, filled)
        kept = FormDraft(record.id, draft.version + 1, language, _kept(entries))
        if not await self._store.keep_draft(kept):
            raise ApiError(409, "changed", CHANGED)
        await self._write(record, script, scope, kept, None)
        for refusal in refusals - await self._refusals(record, script, scope, kept):
            await self._store.forget_refusal(refusal)  # it was a slip of the finger
        return _form(record, script, kept, filled)

    async def end(self, record: RunRecord, outcome: Outcome, no_more: str | None) -> Message:
        """What was answered stays; `no_more`: this person is asked no more."""
        draft, script = await self._draft(record), self._script(record)
        scope = await self._scope(record)
        if no_more is not None:
            now, which = time.time(), record.script if no_more == "this" else None
            refusal = RefusalRecord(new_id(now), record.customer_id, record.number, which, now)
            await self._store.write([refusal])
        if record.outcome is not None:
            return {"id": record.id, "outcome": record.outcome}
        ended = await self._write(record, script, scope, draft, outcome)
        return {"id": record.id, "outcome": ended.outcome}

    async def of_call(self, call_id: str, operator: str | None) -> list[Message]:
        found = await self._store.runs_of_call(call_id)
        return [
            {
                "id": each.id,
                "script": each.script,
                "outcome": each.outcome,
                "started": moment(each.started_at),
            }
            for each in found
            if each.channel == "form" and operator in (None, each.operator)
        ]

    # ---- inside

    async def _settled(
        self, script: Script, scope: Scope, entries: list[Entry], language: str
    ) -> tuple[Filled, list[Entry]]:
        """The form, and the entries with what others have answered on the way."""
        for _ in range(ASKED_AT_MOST):
            customers = await self._customers(entries)
            filled, _ = form.fill(script, scope, entries, language, customers=customers)
            wants = filled.wants
            if wants is None:
                break
            got = await self._asked(wants.action)
            entry = Entry(wants.action.step, wants.mark, time.time(), got)
            entries = form.changed(entries, wants.place, entry)
        return filled, entries

    async def _asked(self, action: Find | Request) -> dict[str, Any]:
        """What came of it, for `Entry.got`; nothing where it came to nothing."""
        if isinstance(action, Find):
            if action.by == "account":
                card = await self._store.card_by_attribute(action.attribute, action.value)
            else:
                card = await self._store.card_by_number(action.value)
            return {"customer": card.customer_id} if card else {}
        try:
            async with asyncio.timeout(action.deadline):
                return form.answer_of(await self._enquire(action))
        except (PeerError, TimeoutError) as error:
            log.warning("form.unanswered", step=action.step, why=str(error) or "too late")
            return {}

    async def _customers(self, entries: Sequence[Entry]) -> dict[str, Mapping[str, Any]]:
        cards = {each: await self._store.card(each) for each in form.found_in(entries)}
        return {each: names_of(card) for each, card in cards.items() if card}

    async def _write(
        self,
        record: RunRecord,
        script: Script,
        scope: Scope,
        draft: FormDraft,
        outcome: Outcome | None,
    ) -> RunRecord:
        """The run and its answers as they are by what was entered; answers to what is not asked
        any more are taken back."""
        run = self._again(record, script, draft)
        entries = _entries(draft)
        customers = await self._customers(entries)
        filled, records = form.fill(script, scope, entries, draft.language, run, customers)
        if outcome is not None:
            records += run.ended(outcome, time.time())
        before = await self._store.answers([record.id])
        gone = [each.question for each in before if each.question not in filled.asked]
        if gone:
            await self._store.withdraw(record.id, gone)
        await self._store.write([run.record, *records])
        return run.record

    async def _refusals(
        self, record: RunRecord, script: Script, scope: Scope, draft: FormDraft
    ) -> set[str]:
        """What the person does not want to be asked, by what was entered."""
        run = self._again(record, script, draft)
        entries = _entries(draft)
        customers = await self._customers(entries)
        _, records = form.fill(script, scope, entries, draft.language, run, customers)
        return {each.id for each in records if isinstance(each, RefusalRecord)}

    @staticmethod
    def _again(record: RunRecord, script: Script, draft: FormDraft) -> Run:
        """The run from its beginning."""
        return Run.start(
            script, record.id, "form", record.started_at,
            call_id=record.call_id, customer_id=record.customer_id, number=record.number,
            operator=record.operator, queue=record.queue, status=record.status,
            language=draft.language, respondent_id=record.respondent_id,
        )  # fmt: skip

    async def _draft(self, record: RunRecord) -> FormDraft:
        found = await self._store.draft(record.id)
        return found or FormDraft(record.id, 0, record.language)

    def _script(self, record: RunRecord) -> Script:
        """That of the version it began with, while it is known; else today's."""
        library = self._library
        found = library.script(record.script, record.version) if library else None
        found = found or self.scripts.get(record.script)
        if found is None:
            raise ApiError(409, "gone", "this script is not there any more")
        return found

    async def _card(self, customer_id: str | None) -> Card | None:
        return await self._store.card(customer_id) if customer_id else None

    async def _scope(self, record: RunRecord) -> Scope:
        card = await self._card(record.customer_id)
        local = datetime.fromtimestamp(record.started_at, self._zone)
        call = {
            "number": record.number,
            "dialled": "",
            "queue": record.queue,
            "operator": record.operator,
        }
        names = names_of(card) if card else None
        return Scope(names, call, local, lambda name: self._opened(name, local))


def _entries(draft: FormDraft) -> list[Entry]:
    return [Entry(*each) for each in draft.entries]


def _kept(entries: Sequence[Entry]) -> tuple[tuple[Any, ...], ...]:
    return tuple((each.step, each.text, each.at, each.got) for each in entries)


def _form(record: RunRecord, script: Script, draft: FormDraft, filled: Filled) -> Message:
    title = script.title
    languages = tuple(script.languages)
    return {
        "id": record.id,
        "script": script.name,
        "title": script.name if title is None else written(title, filled.language, languages, {}),
        "survey": script.survey,
        "languages": list(script.languages),
        "language": filled.language,
        "version": draft.version,
        "outcome": record.outcome,
        "items": [_item(each) for each in filled.items],
        "current": filled.current,
        "goes": filled.goes,
        "fault": filled.fault,
    }


def _item(item: Item) -> Message:
    return {
        "step": item.step,
        "place": item.place,
        "title": item.title,
        "text": item.text,
        "field": item.field,
        "options": [
            {"key": each.key, "value": each.value, "text": each.text} for each in item.options
        ],
        "value": item.value,
        "offer": item.offer,
        "required": item.required,
    }


# Shapes

Outcome = Literal["completed", "refused", "interrupted"]


class OptionGiven(Given):
    key: str
    value: str
    text: str


class ItemGiven(Given):
    """Without a `field` it is to be read out. `offer` is what the card says already."""

    step: str
    place: int
    title: str
    text: str
    field: str | None
    options: list[OptionGiven]
    value: str | None
    offer: str | None
    required: bool


class FormGiven(Given):
    """`current` is the number of the item that is asked, None at the end, where `goes` says what
    the script would do with a caller. `version` goes with the next entry. An entry with a `fault`
    was not kept."""

    id: str
    script: str
    title: str
    survey: bool
    languages: list[str]
    language: str
    version: int
    outcome: str | None
    items: list[ItemGiven]
    current: int | None
    goes: str
    fault: str


class FormRow(Given):
    id: str
    script: str
    outcome: str | None
    started: str


class FormList(Given):
    """The forms of a call, and which scripts there are to begin one with."""

    forms: list[FormRow]
    scripts: list[FormScript]


class FormScript(Given):
    name: str
    title: str


class FormEnded(Given):
    id: str
    outcome: str | None


class FormQuery(Query):
    call: str | None = Field(default=None, max_length=100)


class NewForm(Taken):
    """About a live or past call, a customer, or the respondent of a list; at most one of them."""

    script: str = Field(max_length=40)
    call: str | None = Field(default=None, max_length=100)
    customer: str | None = Field(default=None, max_length=100)
    respondent: str | None = Field(default=None, max_length=100)
    language: str | None = Field(default=None, max_length=10)


class NewEntry(Taken):
    """`place` is that of the item; without a step only the language changes."""

    step: str | None = Field(default=None, max_length=60)
    place: int = Field(default=0, ge=0, le=1000)
    text: str = Field(default="", max_length=2000)
    language: str | None = Field(default=None, max_length=10)
    version: int = Field(ge=0)


class FormEnd(Taken):
    outcome: Outcome = "completed"
    do_not_ask: Literal["this", "all"] | None = None


_NEW_FORM: TypeAdapter[Any] = TypeAdapter(NewForm)
_NEW_ENTRY: TypeAdapter[Any] = TypeAdapter(NewEntry)
_FORM_END: TypeAdapter[Any] = TypeAdapter(FormEnd)


# Handlers


async def form_list(api: Api, ask: Ask) -> Message:
    viewer, language = ask.login.viewer, reader_of(ask)
    call = as_id(ask.query.call) if ask.query.call else None
    own = None if viewer.sees_all else viewer.name
    return {
        "forms": await api.forms.of_call(call, own) if call else [],
        "scripts": [
            {
                "name": name,
                "title": name
                if script.title is None
                else written(script.title, language, tuple(script.languages), {}),
            }
            for name, script in sorted(api.forms.scripts.items())
            if script.survey or script.form
        ],
    }


async def new_form(api: Api, ask: Ask) -> Message:
    body: NewForm = ask.body
    if sum(each is not None for each in (body.call, body.customer, body.respondent)) > 1:
        raise invalid([("call", "give one of call, customer and respondent")])
    about, identity = await _about(api, ask, body)
    return await api.forms.open(body.script, identity, about, body.language)


async def _about(api: Api, ask: Ask, body: NewForm) -> tuple[dict[str, Any], str]:
    """Whom it is about, and the run's id: a call, or a person of a list, has one form of each
    script and operator."""
    name, store, now = ask.login.user.name, api.store, time.time()
    about: dict[str, Any] = {"operator": name, "call_id": None, "customer_id": None}
    about |= {"number": "", "queue": None, "respondent_id": None}
    if body.call is not None:
        call, own = await api.call_of(ask, body.call)
        if not own and not ask.login.viewer.sees_all:
            raise ApiError(403, "forbidden", "this is another operator's call")
        about["call_id"], about["queue"] = call["id"], call["queue"]
        about["number"] = call["from"]
        about["customer_id"] = (call["customer"] or {}).get("id")
        millis = int(call["id"].replace("-", "")[:12], 16)
        return about, run_id(millis / 1000, "form", call["id"], body.script, name)
    if body.respondent is not None:
        person = await store.respondent(body.respondent)
        if person is None or (person.taken_by != name and not ask.login.viewer.sees_all):
            raise ApiError(404, "not-found", "this person is not yours to ask")
        about["respondent_id"], about["customer_id"] = person.id, person.customer_id
        about["number"] = person.number
        about["operator"] = person.taken_by or name
        return about, await _of_attempt(store, person, body.script, about["operator"])
    if body.customer is not None:
        customer = await store.customer(body.customer)
        if customer is None:
            raise ApiError(404, "not-found", "there is no such customer")
        about["customer_id"] = customer.id
        about["number"] = customer.phones[0] if customer.phones else ""
    return about, new_id(now)


async def _of_attempt(store: Store, person: Respondent, script: str, operator: str) -> str:
    """The run of the call that there is now to this person; or that of an earlier one of the same
    operator's, where it was not gone through."""
    at = int(person.id.replace("-", "")[:12], 16) / 1000
    runs = [
        run_id(at, "form", person.id, script, operator, str(dials))
        for dials in range(person.dials, -1, -1)
    ]
    for identity in runs[1:] if await store.run(runs[0]) is None else ():
        before = await store.run(identity)
        if before is not None and before.outcome is None:
            return identity
    return runs[0]


async def the_form(api: Api, ask: Ask) -> Message:
    return await api.forms.shown(await _run(api, ask))


async def enter(api: Api, ask: Ask) -> Message:
    return await api.forms.enter(await _run(api, ask), ask.body)


async def end_form(api: Api, ask: Ask) -> Message:
    body: FormEnd = ask.body
    return await api.forms.end(await _run(api, ask), body.outcome, body.do_not_ask)


async def _run(api: Api, ask: Ask) -> RunRecord:
    found = await api.store.run(ask.path["run"])
    if found is None or found.channel != "form":
        raise ApiError(404, "not-found", "there is no such form")
    if found.operator != ask.login.user.name and not ask.login.viewer.sees_all:
        raise ApiError(403, "forbidden", "this is another operator's form")
    return found


ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/forms", form_list, ROLES,
        "The forms of a call (operators: own), and the scripts that there are forms of", FormList,
        query=FormQuery,
    ),
    Route(
        "POST", "/forms", new_form, ROLES, "Begin or go on with the form of a script", FormGiven,
        status=201, body=_NEW_FORM,
    ),
    Route("GET", "/forms/{run}", the_form, ROLES, "A form (operators: own)", FormGiven),
    Route(
        "POST", "/forms/{run}/entries", enter, ROLES,
        "Enter an answer, change one, or another language (operators: own)", FormGiven,
        body=_NEW_ENTRY,
    ),
    Route(
        "POST", "/forms/{run}/end", end_form, ROLES, "A form is over (operators: own)", FormEnded,
        body=_FORM_END,
    ),
)  # fmt: skip
