"""The HTTP API under /api/v1/: what each address does, and for whom.

`ROUTES` is the one table: the server answers from it, OpenAPI is written from it, and the tests
walk every row with every role.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import structlog
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from cordboard.config import Settings
from cordboard.crm_core import phones
from cordboard.crm_core.database import as_id, new_id
from cordboard.crm_core.model import ROLES, Draft, FactRecord, Role
from cordboard.crm_core.rules import user_key
from cordboard.crm_core.store import Store
from cordboard.desk.facts import ActionAsked, CustomerChanged, CustomerStale, RespondentTaken
from cordboard.errors import PeerError
from cordboard.events import OperatorName
from cordboard.screenpop import charts, forms, render, respondents, schemas, shapes, story, surveys
from cordboard.screenpop.faults import ApiError, invalid, json_response
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.routes import Ask, Route
from cordboard.screenpop.sessions import Doors
from cordboard.screenpop.views import Message
from cordboard.strict_json import read_json

log = structlog.get_logger(__name__)

BODY_SECONDS = 10
"""Within which a body must have come whole."""

EXTENSION = re.compile("[0-9]{3,5}")

Submit = Callable[[ActionAsked | CustomerChanged | CustomerStale | RespondentTaken], None]
"""Puts a fact into the core's inbox. Never waits; raises `PeerError` where the inbox is full."""

Reach = Literal["own", "any"]

PERMITTED: dict[tuple[str, str], dict[Role, Reach]] = {
    ("call", "hangup"): {"operator": "own", "supervisor": "any", "admin": "any"},
    ("call", "move"): {"supervisor": "any", "admin": "any"},
    ("call", "wrapup"): {"operator": "own", "supervisor": "any", "admin": "any"},
    ("operator", "login"): {"operator": "own", "supervisor": "own", "admin": "own"},
    ("operator", "logout"): {"operator": "own", "supervisor": "any", "admin": "any"},
    ("operator", "extend"): {"operator": "own", "supervisor": "own", "admin": "own"},
    ("operator", "done"): {"operator": "own", "supervisor": "own", "admin": "own"},
    ("operator", "pause"): {"operator": "own", "supervisor": "any", "admin": "any"},
    ("operator", "unpause"): {"operator": "own", "supervisor": "any", "admin": "any"},
    ("operator", "call"): {"operator": "own", "supervisor": "own", "admin": "own"},
    ("operator", "seen"): {"operator": "own", "supervisor": "own", "admin": "own"},
}
"""Who may do what: to their own calls and themselves, or to any; a role that is not named, not."""


class Api:
    """The handlers, and what they need."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        doors: Doors,
        submit: Submit,
        charted: charts.Charts,
        asked: surveys.Surveys,
        lists: respondents.Lists,
        forms_of: forms.Forms,
    ) -> None:
        self.charts = charted
        self.surveys = asked
        self.lists = lists
        self.forms = forms_of
        self._settings = settings
        self.store = store
        self._hub = hub
        self._doors = doors
        self._submit = submit

    def handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What aiohttp calls for this row."""

        async def answer(request: web.Request) -> web.StreamResponse:
            login = await self._doors.admit(request, route.roles)
            query = _query(request, route.query) if route.query else None
            body = await _body(request, route.body, self._customer_faults) if route.body else None
            given = await route.do(self, Ask(request, login, request.match_info, query, body))
            if isinstance(given, web.StreamResponse):
                return given
            return json_response(given, route.status)

        return answer

    # -- customers

    async def create_customer(self, ask: Ask) -> Message:
        new: schemas.NewCustomer = ask.body
        created = await self.store.create_customer(_draft(new.model_dump()))
        await self._tell_of(created.customer.id)
        return {
            **self._customer(created.customer),
            "duplicates": [self._customer(other) for other in created.duplicates],
        }

    async def find_customers(self, ask: Ask) -> Message:
        query: schemas.CustomerQuery = ask.query
        if query.phone is None and query.text is None:
            raise invalid([("phone", "give phone or text to search by")])
        phone = query.phone
        if phone is not None and phone.startswith(" "):
            phone = f"+{phone[1:]}"  # a plus that was not written as %2B
        found = await self.store.find_customers(phone=phone, text=query.text, limit=query.limit)
        return {"customers": [self._customer(each) for each in found]}

    async def customer(self, ask: Ask) -> Message:
        found = await self.store.customer(ask.path["id"])
        if found is None:
            raise _no("customer")
        return self._customer(found)

    async def change_customer(self, ask: Ask) -> Message:
        body: schemas.CustomerChanges = ask.body
        changes = body.model_dump(include=body.model_fields_set)
        for field in changes.keys() & {"phones", "tags"}:
            changes[field] = tuple(changes[field])
        if "balance" in changes:
            changes["balance_minor"] = _minor(changes.pop("balance"))
        changed = await self.store.update_customer(ask.path["id"], changes)
        if changed is None:
            raise _no("customer")
        await self._tell_of(changed.id)
        return self._customer(changed)

    async def interactions(self, ask: Ask) -> Message:
        card = await self.store.card(ask.path["id"])
        if card is None:
            raise _no("customer")
        names = {user.name: user.display_name for user in await self.store.users()}
        return {"interactions": [render.interaction(each, names) for each in card.history]}

    async def customer_stale(self, ask: Ask) -> Message:
        body: schemas.StaleCustomer = ask.body
        if (body.phone is None) == (body.customer is None):
            raise invalid([("", "give phone or customer, one of the two")])
        number = customer = None
        if body.phone is not None:
            number = phones.normalise(body.phone, self._settings.phone.region)
            if number is None:
                raise invalid([("phone", "is not a telephone number")])
        else:
            customer = as_id(body.customer or "")
            if customer is None:
                raise invalid([("customer", "is no customer's id")])
        try:
            self._submit(CustomerStale(number, customer))
        except PeerError as error:
            raise _busy(error) from error
        return {"phone": number, "customer": customer}

    # -- calls, queues, operators

    async def calls(self, ask: Ask) -> Message:
        query: schemas.CallQuery = ask.query
        viewer = ask.login.viewer
        live = self._hub.picture.snapshot_for(viewer)["calls"]
        # Of an operator's calls there may be few among the last, so more are looked through.
        last = await self.store.recent_calls(500 if not viewer.sees_all else query.recent)
        known = {call["id"] for call in live}
        over = [
            call
            for call in last
            if call.id not in known and (viewer.sees_all or call.operator == viewer.name)
        ][: query.recent]
        ids = {call.customer_id for call in over if call.customer_id is not None}
        customers = {each: await self.store.customer(each) for each in sorted(ids)}
        gaps = await self.store.gaps([call.id for call in over])
        remembered = [
            shapes.remembered_call(
                call, customers.get(call.customer_id or ""), gaps.get(call.id, ())
            )
            for call in over
        ]
        return {"calls": live + remembered}

    async def call(self, ask: Ask) -> Message:
        call, own = await self.call_of(ask, ask.path["id"])
        if not own and not ask.login.viewer.sees_all:
            raise _not_yours("call")
        return call

    async def timeline(self, ask: Ask) -> Message:
        call = await self.call(ask)
        facts = await self.store.call_facts(call["id"])
        users = await self.store.users()
        told = _for(ask, story.timeline(facts, users), facts)
        return {"call": call, "events": told, "people": story.people(facts, users)}

    async def explanation(self, ask: Ask) -> Message:
        call = await self.call(ask)
        facts = await self.store.call_facts(call["id"])
        texts = {each: await self.store.policy(each) for each in story.policies(facts)}
        # To read thousands of rules takes its time.
        told = await asyncio.to_thread(story.decisions, facts, texts)
        people = story.people(facts, await self.store.users())
        return {"call": call, "decisions": _for(ask, told, facts), "people": people}

    async def queues(self, ask: Ask) -> Message:
        return {"queues": self._hub.picture.snapshot_for(ask.login.viewer)["queues"]}

    async def operators(self, ask: Ask) -> Message:
        return {"operators": self._hub.picture.snapshot_for(ask.login.viewer)["operators"]}

    async def audit(self, ask: Ask) -> Message:
        query: schemas.AuditQuery = ask.query
        after = None if query.after is None else as_id(query.after)
        if query.after is not None and after is None:
            raise invalid([("after", "is no id of the audit")])
        who = None if query.who is None else user_key(query.who)
        found = await self.store.last_audits(query.limit + 1, after=after, who=who)
        names = {user.name: user.display_name for user in await self.store.users()}
        audits = [shapes.audited(record, names) for record in found[: query.limit]]
        return {"audits": audits, "next": audits[-1]["id"] if found[query.limit :] else None}

    async def me(self, ask: Ask) -> Message:
        return shapes.user(ask.login.user)

    # -- actions

    async def call_action(self, ask: Ask) -> Message:
        call, own = await self.call_of(ask, ask.path["id"])
        if ask.body.action == "wrapup":
            self._check_wrapup(ask.body.args)
        return self._act(ask, "call", call["id"], own)

    async def operator_action(self, ask: Ask) -> Message:
        name = user_key(ask.path["name"])
        own = name == ask.login.user.name
        if ask.login.viewer.sees_all and name not in self._hub.picture.operators:
            raise _no("operator")
        match ask.body:
            case schemas.Place(args=args):
                args.number = self._dialled(args.number)
            case schemas.Login(args=args):
                self._check_phone(args.phone)
            case schemas.Pause(args=args, reason=reason):
                args.pause = self._pause(args.pause, reason, own)
        return self._act(ask, "operator", name, own)

    async def stream(self, ask: Ask) -> web.StreamResponse:
        return await self._hub.connect(ask.request, ask.login.user, ask.login.credential)

    # -- inside

    def _act(self, ask: Ask, kind: Literal["call", "operator"], target: str, own: bool) -> Message:
        action, user = ask.body, ask.login.user
        reach = PERMITTED[kind, action.action].get(user.role)
        if reach is None:
            raise ApiError(403, "forbidden", "this is for supervisors")
        if not own and reach == "own":
            raise _not_yours(kind)
        if not own and not _says_why(action.reason) and self._is_forced(kind, target, action):
            raise invalid([("reason", "is needed: say why, it is kept and told")])
        action_id = new_id(time.time())
        asked = ActionAsked(
            id=action_id,
            actor=OperatorName(user.name),
            role=user.role,
            kind=kind,
            target=target,
            action=action.action,
            args=action.args.model_dump(),
            reason=action.reason,
        )
        try:
            self._submit(asked)
        except PeerError as error:
            raise _busy(error) from error
        return {"id": action_id}

    def _is_forced(self, kind: str, target: str, action: Any) -> bool:
        """Whether it is written into the audit, which is of no use without a reason."""
        withdrawn = action.action == "hangup" and self._hub.picture.calls_back(target)
        return kind == "operator" or action.action == "move" or withdrawn

    async def call_of(self, ask: Ask, text: str) -> tuple[Message, bool]:
        """The call with this id, live or remembered, and whether it is the asker's own."""
        call_id, name = as_id(text), ask.login.user.name
        picture = self._hub.picture
        if call_id is not None and (live := picture.calls.get(call_id)):
            return live, name in picture.owners(call_id)
        record = await self.store.call(call_id) if call_id is not None else None
        if record is None:
            raise _no("call")
        customer = await self.store.customer(record.customer_id) if record.customer_id else None
        gaps = (await self.store.gaps([record.id])).get(record.id, ())
        return shapes.remembered_call(record, customer, gaps), record.operator == name

    def _dialled(self, number: str) -> str:
        """E.164, or an extension of the PBX as it is: nothing else becomes a dial string."""
        bare = number.strip()
        if EXTENSION.fullmatch(bare):
            return bare
        e164 = phones.normalise(bare, self._settings.phone.region)
        if e164 is None:
            raise invalid([("args.number", "is neither a telephone number nor an extension")])
        return e164

    def _check_phone(self, phone: str | None) -> None:
        pattern = self._settings.desk.phones
        if phone is not None and not re.fullmatch(pattern, phone, re.ASCII):
            raise invalid([("args.phone", "is no phone to log in at")])

    def _pause(self, name: str | None, reason: str, own: bool) -> str:
        """The reason that stands in Asterisk: one of the list, so that the day can be judged."""
        known = [pause.name for pause in self._settings.pause]
        if name is None and own:
            name = reason or known[0]
        elif name is None:
            name = reason if reason in known else "forced"
        if name != "forced" and name not in known:
            raise invalid([("args.pause", f"must be one of {', '.join(known)}")])
        if name == "forced" and own:
            raise invalid([("args.pause", "is for others")])
        return name

    def _check_wrapup(self, args: schemas.WrapupArgs) -> None:
        faults = []
        if args.result is not None and args.result not in self._settings.crm.results:
            known = ", ".join(self._settings.crm.results)
            faults.append(("args.result", f"must be one of {known}"))
        if args.customer is not None and as_id(args.customer) is None:
            faults.append(("args.customer", "is no customer's id"))
        if faults:
            raise invalid(faults)

    async def _tell_of(self, customer_id: str) -> None:
        """Lets open cards take on what was saved. It is saved all the same where the core is too
        busy to hear of it: an error now would make somebody save it twice."""
        card = await self.store.card(customer_id)
        if card is not None:
            try:
                self._submit(CustomerChanged(card))
            except PeerError:
                log.warning("open cards were not told of a customer", customer=customer_id)

    async def _customer_faults(self, raw: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What the rules of customers say of those fields whose types are right, where others'
        are not: somebody who mends a form wants to mend it once."""
        fields = {key: raw[key] for key in ("name", "kind", "status", "manager") if key in raw}
        fields |= {"phones": tuple(raw.get("phones", ())), "language": raw.get("language")}
        draft = Draft(**{"name": "-"} | fields)
        return self.store.rules.check(draft, await self.store.managers())[1]

    def _customer(self, customer: Any) -> Message:
        return render.customer(customer, self._settings.crm.currency)


def _draft(values: dict[str, Any]) -> Draft:
    balance = values.pop("balance")
    lists = {field: tuple(values[field]) for field in ("phones", "tags")}
    return Draft(**values | lists | {"balance_minor": _minor(balance)})


def _minor(balance: Any) -> int | None:
    return None if balance is None else int(balance * 100)


def _says_why(reason: str) -> bool:
    """Whether there is anything to be read in it: what is called blank by some is not by all."""
    return any(letter.isprintable() and not letter.isspace() for letter in reason)


def _busy(error: PeerError) -> ApiError:
    return ApiError(503, "busy", str(error), headers={"Retry-After": "1"})


def _no(noun: str) -> ApiError:
    return ApiError(404, "not-found", f"there is no such {noun}")


def _not_yours(noun: str) -> ApiError:
    message = "this call is not yours" if noun == "call" else "you are not this operator"
    return ApiError(403, "forbidden", message)


def _for(ask: Ask, told: list[Message], facts: list[FactRecord]) -> list[Message]:
    """What is told of a call, as the one who asks may see it."""
    return told if ask.login.viewer.sees_all else story.veiled(told, facts)


def _query(request: web.Request, model: type[BaseModel]) -> BaseModel:
    """Raises `ApiError` 422."""
    values = dict(request.query)
    if len(values) != len(request.query):
        raise invalid([("", "the same parameter is given twice")])
    if any("\0" in text for text in values.values()):
        raise invalid([("", "a parameter has a NUL character")])
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(_faults(error)) from None


async def _body(
    request: web.Request,
    model: TypeAdapter[Any],
    more: Callable[[Mapping[str, Any]], Awaitable[list[tuple[str, str]]]],
) -> Any:
    """The checked body. Raises `ApiError` 400, 408, 413, 415 or 422 with all faults at once;
    `more` finds those that only the rules of customers know."""
    if request.content_type != "application/json" or (request.charset or "utf-8") != "utf-8":
        raise ApiError(415, "unsupported-media-type", "send application/json in UTF-8")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, "unsupported-media-type", "send the body uncompressed")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            data = await request.read()
    except TimeoutError:
        raise ApiError(408, "too-slow", "the body did not come in time") from None
    try:
        value = read_json(data)
    except ValueError as error:
        raise ApiError(400, "bad-request", str(error)) from None
    try:
        return model.validate_python(value)
    except ValidationError as error:
        faults = _faults(error)
        if model in (_NEW_CUSTOMER, _CUSTOMER_CHANGES) and isinstance(value, dict):
            wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
            faults += await more({k: v for k, v in value.items() if k not in wrong})
        raise invalid(faults) from None


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    found = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        kind, where = fault["type"], list(fault["loc"])
        if kind == "union_tag_invalid" or kind == "union_tag_not_found":
            found.append(("action", "is needed, and must be one that this address knows"))
            continue
        if where and where[0] in _ACTIONS:
            del where[0]  # pydantic's name for the chosen kind of action
        words = {
            "extra_forbidden": "there is no such field",
            "missing": "is needed",
            "model_type": "must be an object",
            "dict_type": "must be an object",
        }
        if kind == "string_pattern_mismatch" and where[-1:] == ["reason"]:
            found.append(("reason", "must be one line that says why"))
            continue
        found.append((_field(where), words.get(kind) or fault["msg"].removeprefix("Value error, ")))
    return found


def _field(where: list[int | str]) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_ACTIONS = frozenset([*(action for _, action in PERMITTED), *respondents.ACTIONS])
_NEW_CUSTOMER: TypeAdapter[Any] = TypeAdapter(schemas.NewCustomer)
_CUSTOMER_CHANGES: TypeAdapter[Any] = TypeAdapter(schemas.CustomerChanges)
_STALE_CUSTOMER: TypeAdapter[Any] = TypeAdapter(schemas.StaleCustomer)
_CALL_ACTION: TypeAdapter[Any] = TypeAdapter(schemas.CallAction)
_OPERATOR_ACTION: TypeAdapter[Any] = TypeAdapter(schemas.OperatorAction)

ROUTES: tuple[Route, ...] = (
    Route(
        "POST", "/customers", Api.create_customer, ROLES, "Create a customer",
        schemas.CreatedCustomer, status=201, body=_NEW_CUSTOMER,
    ),
    Route(
        "GET", "/customers", Api.find_customers, ROLES, "Find customers by number or name",
        schemas.Customers, query=schemas.CustomerQuery,
    ),
    Route(
        "POST", "/customers/changed", Api.customer_stale, ("supervisor", "admin"),
        "Say that somebody changed in another system: live calls are looked up again",
        schemas.LookedUp, status=202, body=_STALE_CUSTOMER,
    ),
    Route("GET", "/customers/{id}", Api.customer, ROLES, "A customer", schemas.Customer),
    Route(
        "PATCH", "/customers/{id}", Api.change_customer, ROLES, "Change a customer",
        schemas.Customer, body=_CUSTOMER_CHANGES,
    ),
    Route(
        "GET", "/customers/{id}/interactions", Api.interactions, ROLES,
        "A customer's last contacts, newest first", schemas.Interactions,
    ),
    Route(
        "GET", "/calls", Api.calls, ROLES, "Live calls, then those that are over (operators: own)",
        schemas.Calls, query=schemas.CallQuery,
    ),
    Route("GET", "/calls/{id}", Api.call, ROLES, "A call (operators: own)", schemas.Call),
    Route(
        "GET", "/calls/{id}/timeline", Api.timeline, ROLES,
        "What befell a call, in order (operators: own)", schemas.Timeline,
    ),
    Route(
        "GET", "/calls/{id}/explanation", Api.explanation, ROLES,
        "Why a call was decided so (operators: own)", schemas.Explanation,
    ),
    Route(
        "POST", "/calls/{id}/actions", Api.call_action, ROLES, "Act on a call (operators: own)",
        schemas.Accepted, status=202, body=_CALL_ACTION,
    ),
    Route("GET", "/queues", Api.queues, ROLES, "All queues", schemas.Queues),
    Route("GET", "/operators", Api.operators, ROLES, "All operators", schemas.Operators),
    Route(
        "POST", "/operators/{name}/actions", Api.operator_action, ROLES,
        "Act on an operator (operators: on themselves)",
        schemas.Accepted, status=202, body=_OPERATOR_ACTION,
    ),
    Route(
        "GET", "/audit", Api.audit, ("supervisor", "admin"),
        "What was done to others and their calls, and why; newest first",
        schemas.Audits, query=schemas.AuditQuery,
    ),
    Route("GET", "/me", Api.me, ROLES, "The user who asks", schemas.Me),
    Route(
        "GET", "/stream", Api.stream, ROLES, "The live stream, a WebSocket: see docs/stream.md",
        None, status=101, query=schemas.StreamQuery,
    ),
    *charts.ROUTES,
    *respondents.ROUTES,
    *surveys.ROUTES,
    *forms.ROUTES,
)  # fmt: skip
