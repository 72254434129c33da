"""The flight recorder's language: what goes into the core, and what comes of it, as JSON. Pure.

A recording is a folder of segments. A segment's first line, its head, holds the whole state of the
core (`Core`) at that moment; each line after it one item with its `now` and what was decided. So a
segment can be replayed without those before it.

State and items are written by one rule: a dataclass, or an object of ours, with its fields by
name; `!` says what it is, or which of those before in the same line it is once more. What a string
becomes (`Pseudonyms`) hangs on the type of its field, then on the field's name; one that neither
speaks for is private.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic_core import to_json

from cordboard import __version__
from cordboard.core import Core, Item
from cordboard.crm_core import model as crm
from cordboard.cti import stays
from cordboard.cti.ami import Message
from cordboard.cti.facts import PbxMessage
from cordboard.cti.parties import caller_name
from cordboard.cti.people import DIAL_FAILURES
from cordboard.desk import commands as cmd
from cordboard.errors import UserError
from cordboard.events import OperatorName, PbxName
from cordboard.pseudonyms import Pseudonyms, Rule, kept
from cordboard.queue.decisions import Personal
from cordboard.queue.policy import Policy

Kind = Literal["kept", "clean", "channel", "private"]
Field = tuple[str, Kind, Rule, Any]
"""A field's name, what its strings are, their rule, and its default."""


class _Plan(NamedTuple):
    """How objects of one class are written. `fields` is None for one that is no dataclass."""

    tag: str
    fields: list[Field] | None


_FIELDS: dict[Kind, str] = {
    "clean": """id ask boot version action code operator queue state cause outcome language kind
        country customer_id target phone desk interface state_interface message written taken_by
        due_for""",
    "kept": """call_id pbx linkedid uniqueid bridge held_in gaps why turns rule policy to who
        hours source sources lookup failures script step way path""",
    "channel": "channel peer by stays diverted_from",
}
FIELDS: dict[str, Kind] = {name: kind for kind, names in _FIELDS.items() for name in names.split()}
"""Fields of type `str` that are not private, by name."""

LOGINS = (crm.User, crm.Manager, Personal)
"""Whose `name` is a login; ids are made of it."""

ATTRIBUTES: dict[str, Kind] = {
    **dict.fromkeys(
        [
            *("_legs", "_calls", "_bridges", "_linked", "_arrivals", "_gone", "undecided"),
            *("_turns", "_late", "_departures", "_hands"),
            *("_heard", "_spoken", "_open", "_waiting", "_reached", "_left", "_decisions"),
            *("_attempts", "_told"),
        ],
        "kept",
    ),
    "_locals": "channel",
    "_masked": "channel",
}
"""Strings in objects that are no dataclasses stand there as keys mostly; `clean` where not here."""

TRANSIENT = ("out", "facts")
"""What a step leaves behind and the next one begins by throwing away."""

_HEADERS: dict[Kind, str] = {
    "kept": """Event Timestamp DialStatus BridgeUniqueid BridgeId OrigTransfererUniqueid
        SecondTransfererUniqueid TransferTargetUniqueid BridgeTechnology Duration ListItems DestType
        State Result Cause Queue Position Priority Wait UserEvent Paused InCall Membership
        Penalty""",
    "clean": "Interface Location StateInterface Forward Device",
    "channel": "Newname",
    "private": "MemberName Name PausedReason Reason Status Where",
}
_OF_PARTIES: dict[Kind, str] = {
    "kept": "Uniqueid Linkedid ChannelState",
    "channel": "Channel",
    "private": "CallerIDNum CallerIDName Exten",
}
PARTIES = ("", "Dest", "Target", "Parkee", "Transferee", "Transferer")
"""What stands before the headers that describe a channel, where an event speaks of several."""
HEADERS: dict[str, Kind] = {
    name: kind for kind, names in _HEADERS.items() for name in names.split()
} | {
    party + name: kind
    for kind, names in _OF_PARTIES.items()
    for name in names.split()
    for party in PARTIES
}
"""The headers that the call model reads; no other is recorded."""

HEAD = b'{"recorded_by":'
"""How a head begins, and no other line."""

SUM = 8
"""Bytes of the checksum over the segment so far, which stands behind each group of lines."""

USER_EVENTS = "Cordboard"
"""How the names of our own user events begin; others may say anything."""


class RecordingError(UserError):
    """A recording that cannot be read, or does not replay."""


# Writing


class Writer:
    """`names` is None where there is nothing to hide: in a replay, which has pseudonyms only."""

    def __init__(self, names: Pseudonyms | None) -> None:
        self._names = names
        self._rules: dict[Kind, Rule] = {
            "kept": kept,
            "clean": names.clean if names else kept,
            "channel": names.channel if names else kept,
            "private": names.private if names else kept,
        }
        self._headers = {name: self._rules[kind] for name, kind in HEADERS.items()}
        self._plans: dict[type, _Plan] = {}
        self._seen: dict[int, int] = {}
        if names:
            names.know(_literals())

    def head(self, core: Core, at: float) -> bytes:
        """The first line of a segment."""
        self._seen = {}
        rules = self._any(core.rules, kept)
        state = {
            "recorded_by": __version__,
            "at": at,
            "rules": rules,
            "models": {pbx: self._object(model) for pbx, model in core.models.items()},
            "board": self._object(core.board),
        }
        return _line(state)

    def line(self, item: Item, now: float, decided: list[Any]) -> bytes:
        """The line of one item. `decided` are the decisions on it, or the error that it met."""
        self._seen = {}
        said: dict[str, Any] = {"at": now}
        if type(item) is PbxMessage:
            said["pbx"], said["ami"] = item.pbx, self._headers_of(item.message)
        else:
            said["item"] = self._object(item)
        if decided:
            said["decided"] = decided
        return _line(said)

    def decisions(self, commands: list[cmd.Command]) -> list[dict[str, Any]]:
        """The commands as what they decide, without what people see of it."""
        return [self.decision(command) for command in commands]

    def _any(self, value: Any, rule: Rule) -> Any:
        kind = type(value)
        if kind is str:
            return rule(value)
        if value is None or kind is float or kind is bool or kind is int:
            return value
        if kind is tuple:
            return [self._any(one, rule) for one in value]
        if kind is dict:
            pairs = [[self._key(k, rule), self._value(k, v, rule)] for k, v in value.items()]
            return {"!": "dict", "of": pairs}
        if kind is list or kind is set or kind is frozenset:
            return {"!": kind.__name__, "of": [self._any(one, rule) for one in value]}
        if kind is Message:
            return {"!": "Message", "of": self._headers_of(value)}
        if kind is ZoneInfo:
            return {"!": "ZoneInfo", "of": value.key}
        return self._object(value)

    def _key(self, key: Any, rule: Rule) -> Any:
        """A name that a program may give to an argument stays."""
        named = type(key) is str and key.isascii() and key.isidentifier() and key.islower()
        return key if named else self._any(key, rule)

    def _value(self, key: Any, value: Any, rule: Rule) -> Any:
        """A value in a dictionary; where its key is the name of a field, as in that field."""
        named = FIELDS.get(key) if type(key) is str else None
        return self._any(value, self._rules[named] if named else rule)

    def _object(self, value: Any) -> Any:
        kind = type(value)
        known = self._seen.get(id(value))
        if known is not None:
            return {"!": known}
        plan = self._plans.get(kind) or self._plan(kind)
        said: dict[str, Any] = {"!": plan.tag}
        if isinstance(value, BaseModel):
            known_as = value.meaning if isinstance(value, Policy) else None
            said["of"] = known_as or value.model_dump(mode="json", exclude_defaults=True)
            if self._names:
                self._names.know(_words(said["of"]))
            return said
        self._seen[id(value)] = len(self._seen)
        if plan.fields is not None:
            for name, _, rule, default in plan.fields:
                part = getattr(value, name)
                if default is dataclasses.MISSING or part != default:
                    said[name] = self._any(part, rule)
        else:
            for name, part in vars(value).items():
                if name not in TRANSIENT and not _is_code(part):
                    said[name] = self._any(part, self._rules[ATTRIBUTES.get(name, "clean")])
        return said

    def _plan(self, kind: type) -> _Plan:
        fields: list[Field] | None = None
        if dataclasses.is_dataclass(kind):
            fields, hints = [], typing.get_type_hints(kind)
            for field in dataclasses.fields(kind):
                what = _kind_of(kind, field.name, hints[field.name])
                fields.append((field.name, what, self._rules[what], field.default))
        plan = self._plans[kind] = _Plan(_tag(kind), fields)
        return plan

    def _headers_of(self, message: Message) -> dict[str, str]:
        rules = self._headers
        said = {
            key: rules[key](value)
            for key, value in message.headers.items()
            if value and key in rules  # one that is missing reads as empty
        }
        for party in PARTIES:
            if party + "CallerIDName" in said:  # escaped or not, by the event
                name = caller_name(message, party)
                said[party + "CallerIDName"] = self._rules["private"](name)
        return said

    # What the commands decide

    def decision(self, command: cmd.Command) -> dict[str, Any]:
        """Ids, names of our own, states and figures: all that tells one decision from another."""
        clean = self._rules["clean"]
        match command:
            case cmd.Save(record):
                return self._saved(record)
            case cmd.ShowCall(call):
                return {
                    "decision": "call",
                    "call": call.id,
                    "state": call.state,
                    "queue": call.queue,
                    "operator": call.operator and clean(call.operator),
                    "customer": call.card.customer_id if call.card else None,
                    "cause": call.cause,
                }
            case cmd.ShowOperator(operator):
                return {
                    "decision": "operator",
                    "operator": clean(operator.name),
                    "state": operator.state,
                    "call": operator.call,
                }
            case cmd.ShowPop(pop, first):
                card = pop.call.card
                return {
                    "decision": "pop" if first else "pop-again",
                    "pop": pop.id,
                    "operator": clean(pop.operator),
                    "call": pop.call.id,
                    "customer": card.customer_id if card else None,
                    "queue": pop.call.decision.queue if pop.call.decision else None,
                }
            case cmd.EndPop(pop_id, name, reason):
                who = clean(name)
                return {"decision": "pop-end", "pop": pop_id, "operator": who, "reason": reason}
            case cmd.EndCall(call_id):
                return {"decision": "call-end", "call": call_id}
            case cmd.FindCustomer(_, linkedid):
                return {"decision": "find", "linkedid": linkedid}
            case cmd.SendRoute(ask, decision):
                return {
                    "decision": "route",
                    "ask": ask,
                    "action": decision.action,
                    "queue": decision.queue,
                    "priority": decision.priority,
                    "language": decision.language,
                    "why": [[why.code, self._args(why.args)] for why in decision.reasons],
                }
            case cmd.ShowQueue(queue, waiting, since, level):
                counts = [level.answered, level.answered_in_time, level.abandoned]
                counts.append(level.short_abandoned)
                return {
                    "decision": "queue",
                    "queue": queue,
                    "waiting": waiting,
                    "since": since,
                    "counts": counts,
                }
            case cmd.ShowWaiting(queue, entries, estimates):
                calls = [entry.call for entry, *_ in entries]
                return {
                    "decision": "waiting",
                    "queue": queue,
                    "calls": calls,
                    "estimates": list(estimates),
                }
            case cmd.Reorder(_, queue, moves):
                to = [[move.uniqueid, move.priority] for move in moves]
                return {"decision": "reorder", "queue": queue, "moves": to}
            case _:
                return {"decision": _dashed(type(command).__name__), **self._telling(command)}

    def _saved(self, record: crm.Record) -> dict[str, Any]:
        clean = self._rules["clean"]
        what: dict[str, Any]
        match record:
            case crm.FactRecord():
                return {"decision": "save-fact", "call": record.call_id, "kind": record.kind}
            case crm.PolicyRecord():
                return {"decision": "save-policy"}
            case crm.CallRecord():
                what = {"decision": "save-call", "call": record.id, "state": record.state}
            case crm.EntryRecord():
                what = {"decision": "save-entry", "entry": record.id, "outcome": record.outcome}
            case crm.StateRecord():
                what = {"decision": "save-state", "state": record.state}
                why = record.reason
                what["reason"] = why and self._rules["private"](why)
            case crm.Interaction():
                what = {"decision": "save-contact", "call": record.call_id}
            case crm.AuditRecord():
                return {"decision": "save-audit", "audit": record.id, "action": record.action}
            case crm.CallbackRecord():
                made = {"made": record.made, "tries": record.tries, "due": record.due_at}
                return {"decision": "save-callback", "callback": record.id, **made}
            case crm.WrapUp():
                what = {"decision": "save-note", "call": record.call_id}
            case crm.RunRecord():
                what = {"decision": "save-run", "run": record.id, "outcome": record.outcome}
            case crm.AnswerRecord():
                return {"decision": "save-answer", "run": record.run_id}
            case crm.RefusalRecord():
                return {"decision": "save-refusal", "refusal": record.id}
            case crm.Respondent():
                what = {"decision": "save-respondent", "respondent": record.id}
                return what | {"state": record.state, "revision": record.revision}
            case crm.AttemptRecord():
                what = {"decision": "save-attempt", "attempt": record.id, "result": record.result}
        what["operator"] = record.operator and clean(record.operator)
        return what

    def _args(self, args: dict[str, str]) -> dict[str, str]:
        return {key: self._value(key, arg, self._rules["private"]) for key, arg in args.items()}

    def _telling(self, value: Any) -> dict[str, Any]:
        """What any record tells without private text."""
        said: dict[str, Any] = {}
        plan = self._plans.get(type(value)) or self._plan(type(value))
        for name, what, rule, _ in plan.fields or ():
            part = getattr(value, name)
            if dataclasses.is_dataclass(part):
                said[name] = self._telling(part)
            elif isinstance(part, str) and what != "private":
                said[name] = rule(part)
            elif isinstance(part, int | float):
                said[name] = part
        return said


def _kind_of(kind: type, name: str, hint: Any) -> Kind:
    leaves = set(_leaves(hint))
    if str in leaves or Any in leaves or object in leaves:
        return "clean" if name == "name" and kind in LOGINS else FIELDS.get(name, "private")
    return "clean" if OperatorName in leaves else "kept"


def _leaves(hint: Any) -> Iterator[Any]:
    inside = () if typing.get_origin(hint) is Literal else typing.get_args(hint)
    if not inside:
        yield hint
    for part in inside:
        yield from _leaves(part)


def _literals() -> frozenset[str]:
    """The words that our own tables and types are written in."""
    return frozenset((*stays.QUEUE_STATUSES, *DIAL_FAILURES)).union(*map(_words_of, _modules()))


@functools.cache
def _words_of(module: str) -> frozenset[str]:
    """Of its types; looked for once, since there are many modules and recorders in one process."""
    values = vars(sys.modules[module]).values()
    types = [value for value in values if typing.get_origin(value) is Literal]
    words = (word for each in types for word in typing.get_args(each))
    return frozenset(word for word in words if isinstance(word, str))


def _modules() -> list[str]:
    return [name for name in sys.modules if name.startswith("cordboard.")]


def _words(value: Any) -> Iterator[str]:
    """All strings in something that came from TOML."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _words(part)
    elif isinstance(value, list):
        for part in value:
            yield from _words(part)


def _tag(kind: type) -> str:
    return f"{kind.__module__.removeprefix('cordboard.')}.{kind.__name__}"


def _is_code(value: Any) -> bool:
    """A function, or a table of functions: a fresh object has the same."""
    return callable(value) or (
        isinstance(value, dict) and any(callable(one) for one in value.values())
    )


def _dashed(name: str) -> str:
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def _line(said: dict[str, Any]) -> bytes:
    try:
        return to_json(said, inf_nan_mode="constants") + b"\n"
    except ValueError:  # half a character, which JSON can only escape
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def broken(error: BaseException) -> dict[str, Any]:
    """In the place of decisions where a rule of our own broke."""
    return {"decision": "broken", "error": type(error).__name__}


# Reading


class Reader:
    """Makes of a line what was written in it. Raises `RecordingError` for what nobody wrote so."""

    def __init__(self) -> None:
        self._seen: list[Any] = []

    def core(self, head: dict[str, Any]) -> Core:
        """The core as it was when the segment began."""
        try:
            core = Core(self._any(head["rules"]), map(PbxName, head["models"]))
            for pbx, said in head["models"].items():
                self._fill(core.models[PbxName(pbx)], said)
            self._fill(core.board, head["board"])
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise RecordingError(
                f"the head cannot be read: {_what(error)}{other_version(head)}"
            ) from error
        return core

    def item(self, line: dict[str, Any]) -> Item:
        self._seen = []
        try:
            if "ami" in line:
                return PbxMessage(PbxName(line["pbx"]), Message(dict(line["ami"])), 0.0)
            item: Item = self._any(line["item"])
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise RecordingError(f"the item cannot be read: {_what(error)}") from error
        return item

    def _any(self, said: Any) -> Any:
        if isinstance(said, list):
            return tuple(self._any(one) for one in said)
        if not isinstance(said, dict):
            return said
        kind = said["!"]
        if isinstance(kind, int):
            return self._seen[kind]
        if make := _MADE.get(kind):
            return make(self, said["of"])
        found = _class(kind)
        if issubclass(found, BaseModel):
            return found.model_validate(said["of"])
        value = found.__new__(found)
        self._seen.append(value)
        if dataclasses.is_dataclass(found):
            for field in dataclasses.fields(found):
                object.__setattr__(value, field.name, self._field(field, said))
        else:
            for name, part in said.items():
                if name != "!":
                    setattr(value, name, self._any(part))
        return value

    def _field(self, field: dataclasses.Field[Any], said: dict[str, Any]) -> Any:
        if field.name in said:
            return self._any(said[field.name])
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        if field.default is dataclasses.MISSING:
            raise ValueError(f"{said['!']} without {field.name}")
        return field.default

    def _fill(self, value: Any, said: dict[str, Any]) -> None:
        """Gives a fresh object its state. Those that it is made of are filled in their places,
        because they know each other."""
        self._seen.append(value)
        for name, part in said.items():
            if name == "!":
                continue
            now = getattr(value, name, None)
            own = isinstance(part, dict) and part.get("!") == _tag(type(now))
            if own and hasattr(now, "__dict__") and not isinstance(now, BaseModel):
                self._fill(now, part)
            else:
                setattr(value, name, self._any(part))


_MADE: dict[Any, Callable[[Reader, Any], Any]] = {
    "dict": lambda reader, of: {reader._any(key): reader._any(value) for key, value in of},
    "list": lambda reader, of: [reader._any(one) for one in of],
    "set": lambda reader, of: {reader._any(one) for one in of},
    "frozenset": lambda reader, of: frozenset(reader._any(one) for one in of),
    "Message": lambda reader, of: Message(dict(of)),
    "ZoneInfo": lambda reader, of: ZoneInfo(of),
}


def _class(kind: str) -> type:
    """One of our own classes; what is not loaded with the core is none that it is made of."""
    module, _, name = kind.rpartition(".")
    found = getattr(sys.modules.get(f"cordboard.{module}"), name, None)
    if not isinstance(found, type) or _tag(found) != kind:
        raise ValueError(f"{kind} is unknown here")
    return found


def _what(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def other_version(head: dict[str, Any]) -> str:
    """By which version, if it was another."""
    by = head.get("recorded_by")
    return "" if by == __version__ else f"; it was recorded by {by}, this is {__version__}"
