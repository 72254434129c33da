"""The routing policy: who is calling decides where the call goes, and says why. Pure.

`decide` applies a `Policy` to a `Situation`. The same `decide` runs in the server, in the
simulator and in every test; it looks at nothing but its arguments. `weigh` also says what was
looked at, and with that, `explain` tries the same rules on the same values at any later time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cordboard.crm_core.model import Card, Customer
from cordboard.events import OperatorName, QueueName
from cordboard.queue.calendars import WEEKDAYS, clock
from cordboard.queue.conditions import Value, Wish
from cordboard.queue.decisions import Decision, Destination, Personal, Reason, Standing
from cordboard.queue.policy import LANGUAGE, First, Policy, Ready


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `country` is the ISO code of the number's country, `lookup_failed` means that
    the store did not answer in time; `failures` are the outside lookups that did not."""

    number: str
    country: str | None
    card: Card | None
    lookup_failed: bool = False
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approach:
    """How the call comes. `ivr` are the answers that the caller has given to a menu; `today` is
    how many calls came from this number since midnight, with this one, None where nobody knows.
    `wish` is where a script wants the call to go."""

    dialled: str = ""
    ivr: Mapping[str, str] = field(default_factory=dict)
    callback: bool = False
    today: int | None = None
    wish: Destination | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """An operator's desk: its `phone` is an interface such as PJSIP/1001. `quiet` is who
    cannot be disturbed, also on the mobile."""

    phone: str | None
    ready: bool
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision may look at. `local` is the time at the desk, in the desk's zone."""

    caller: Caller
    approach: Approach
    local: datetime
    standing: Callable[[QueueName], Standing | None] = lambda queue: None
    seat: Callable[[OperatorName], Seat | None] = lambda name: None


Inputs = Mapping[str, Value]
"""The values that a decision looked at, by the keys of the conditions."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The first condition of a rule that did not hold. `misfit`: the value was not even of the
    kind that the condition asks for, such as text in the place of a number."""

    key: str
    wish: Wish
    value: Value
    misfit: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule that was tried; the one that held has nothing that `failed`."""

    rule: str
    failed: Failed | None


def decide(policy: Policy, situation: Situation) -> Decision:
    """The first rule that holds.

    There is always an answer: a caller whom nothing is known of goes to a queue by the country of
    the number, and to the default queue when even that says nothing.
    """
    return _outcome(policy, _Values(policy, situation))


def weigh(policy: Policy, situation: Situation) -> tuple[Decision, Inputs]:
    """The decision, and all that it looked at."""
    values = _Values(policy, situation)
    return _outcome(policy, values), dict(values)


def unmet(policy: Policy, situation: Situation) -> str | None:
    """Why what a script wishes cannot be, as far as operators go; None where it can."""
    wish, values = situation.approach.wish, _Values(policy, situation)
    if wish is not None and wish.target in _IN_PERSON and _in_person(values) is None:
        who = f"operator {wish.to}" if wish.target == "operator" else "the personal manager"
        return f"{who} cannot be rung now"
    return None


def explain(policy: Policy, inputs: Inputs) -> tuple[Decision, list[Trial]]:
    """The same decision from what it looked at, and the rules that were tried for it."""
    values = _Recorded(inputs)
    trials = []
    for ready in policy.ready:
        if _is_passed_over(ready, values):
            continue
        failed = _failed(ready, values)
        trials.append(Trial(ready.rule.name, failed))
        if failed is None:
            break
    return _outcome(policy, values), trials


def _is_passed_over(ready: Ready, values: Mapping[str, Value]) -> bool:
    """Where a script has said where the call goes, the rules say with which priority, and those
    that send it anywhere but to a queue say nothing."""
    return values.get(_WISHED) is not None and ready.rule.action != "queue"


def _outcome(policy: Policy, values: dict[str, Value]) -> Decision:
    decided = _by_rule(policy, values)
    return decided if values.get(_WISHED) is None else _as_wished(policy, decided, values)


def _as_wished(policy: Policy, decided: Decision, values: dict[str, Value]) -> Decision:
    """`decided` by the rules, but to where a script sends the call."""
    target, to = str(values[_WISHED]), str(values["wish.to"])
    reason = Reason("script", {"script": str(values["wish.script"]), "target": target, "to": to})
    plain = replace(decided, personal=None, reasons=(*decided.reasons, reason))
    match target:
        case "number" | "voicemail":
            return replace(plain, action="number" if target == "number" else "voicemail", to=to)
        case "queue":
            queue = _queue(to or policy.default_queue, decided.language)
            # Penalties are those of one queue's members.
            same = queue == decided.queue
            return replace(plain, queue=queue, penalties=decided.penalties if same else None)
    return replace(plain, personal=_in_person(values))


_WISHED = "wish.target"
_IN_PERSON = ("operator", "manager")
WISHED_RING = 25
"""Seconds for which the phones of somebody whom a script chose ring, each."""


def _in_person(values: dict[str, Value]) -> Personal | None:
    """Whom a script wants to be rung, where that can be."""
    if values[_WISHED] == "manager":
        return _personal(First(who="manager", seconds=WISHED_RING), values)
    name = str(values["wish.to"])
    desk = values[f"operator.{name}.desk"]
    return Personal("operator", name, str(desk), None, WISHED_RING) if desk else None


def _by_rule(policy: Policy, values: dict[str, Value]) -> Decision:
    for number, checks in policy.sieve.left(values):
        if _is_passed_over(policy.ready[number], values):
            continue
        for key, holds, _ in checks:
            if not holds(values[key]):
                break
        else:
            return _decision(policy, policy.ready[number], values)
    language = str(values["language"])
    return Decision(
        "queue",
        _queue(policy.default_queue, language),
        0,
        language,
        (*_who(values), Reason("language", {"language": language})),
        policy=policy.fingerprint,
    )


def _decision(policy: Policy, ready: Ready, values: dict[str, Value]) -> Decision:
    rule, language = ready.rule, str(values["language"])
    reasons = _who(values)
    reasons.append(Reason("rule", {"rule": rule.name}, rule.why or None))
    if rule.when.closed is not None:
        reasons.append(_closed(rule.when.closed, values))
    personal = _personal(rule.first, values) if rule.first else None
    if rule.first and personal is None and (name := values[f"{_KEY_OF[rule.first.who]}.name"]):
        reasons.append(Reason("personal-away", {"who": rule.first.who, "operator": str(name)}))
    return Decision(
        action=rule.action,
        queue=_queue(rule.queue or policy.default_queue, language),
        priority=rule.priority,
        language=language,
        reasons=(*reasons, Reason("language", {"language": language})),
        to=rule.to,
        growth=ready.growth,
        penalties=ready.penalties,
        personal=personal,
        overflow=rule.overflow.made(language) if rule.overflow else None,
        callback=ready.callback,
        rule=rule.name,
        policy=policy.fingerprint,
    )


def _who(values: dict[str, Value]) -> list[Reason]:
    """What the decision was made without, and whether it is known who calls."""
    missing = values["lookups_failed"]
    names = missing if isinstance(missing, list | tuple) else ()
    reasons = [Reason("lookup-failed", {"lookup": name}) for name in names]
    match values["lookup"]:
        case "failed":
            reasons.append(Reason("customer-lookup-failed", {}))
        case "unknown":
            reasons.append(Reason("customer-unknown", {}))
    return reasons


def _closed(calendar: str, values: dict[str, Value]) -> Reason:
    """Why nobody is there, and when somebody will be."""
    told = {
        key: str(values[f"closed.{calendar}.{key}"])
        for key in ("because", "holiday", "opens")
        if values[f"closed.{calendar}.{key}"] is not None
    }
    return Reason("closed", {"calendar": calendar, **told})


_KEY_OF = {"manager": "manager", "last-operator": "last_operator"}


def _personal(first: First, values: dict[str, Value]) -> Personal | None:
    """Who is to be rung before the queue, where there is a telephone to ring."""
    who = _KEY_OF[first.who]
    name = values[f"{who}.name"]
    desk = values[f"{who}.desk"] if first.desk else None
    mobile = values["manager.mobile"] if first.mobile and first.who == "manager" else None
    if not name or not (desk or mobile):
        return None
    return Personal(
        first.who,
        str(name),
        str(desk) if desk else None,
        str(mobile) if mobile else None,
        first.seconds,
    )


def _queue(template: str, language: str) -> QueueName:
    return QueueName(template.replace(LANGUAGE, language))


def _failed(ready: Ready, values: dict[str, Value]) -> Failed | None:
    for key, holds, condition in ready.checks:
        value = values[key]
        if not holds(value):
            misfit = value is not None and not condition.fits(value)
            return Failed(key, condition.wish, value, misfit)
    return None


class _Recorded(dict[str, Value]):
    """What was looked at then; what was not is not known."""

    def __missing__(self, key: str) -> Value:
        return None


class _Values(dict[str, Value]):
    """What there is to look at, each fetched when it is first looked at, and kept."""

    def __init__(self, policy: Policy, situation: Situation) -> None:
        super().__init__()
        self._policy = policy
        self._situation = situation
        self._customer = situation.caller.card.customer if situation.caller.card else None
        wish = situation.approach.wish
        if wish is not None:
            if wish.language:
                self["language"] = wish.language
            if wish.target != "rules":
                self["wish.script"], self["wish.to"] = wish.script, wish.to
                self[_WISHED] = wish.target

    def __missing__(self, key: str) -> Value:
        value = self[key] = self._look(key)
        return value

    def _look(self, key: str) -> Value:
        caller, approach = self._situation.caller, self._situation.approach
        noun, _, rest = key.partition(".")
        match noun:
            case "lookup":
                return "failed" if caller.lookup_failed else "found" if caller.card else "unknown"
            case "lookups_failed":
                return list(caller.failures)
            case "known":
                return caller.card is not None
            case "language":
                return self._language()
            case "country":
                return caller.country
            case "dialled":
                return approach.dialled
            case "callback":
                return approach.callback
            case "calls_today":
                return approach.today
            case "ivr":
                return approach.ivr.get(rest)
            case "time":
                return clock(self._situation.local)
            case "weekday":
                return WEEKDAYS[self._situation.local.weekday()]
            case "open" | "closed":
                return self._opening(noun, rest)
            case "queue":
                return self._standing(rest)
            case "manager":
                return self._manager(rest)
            case "last_operator":
                return self._last_operator(rest)
            case "operator":
                seat = self._situation.seat(OperatorName(rest.rpartition(".")[0]))
                return seat.phone if seat and seat.ready else None
            case "days_since_contact":
                return self._days_since_contact()
            case "do_not_disturb":
                return self._customer is not None and self._customer.do_not_disturb
        return _of_customer(self._customer, caller.card, noun, rest)

    def _language(self) -> str:
        if self._customer is not None and self._customer.language:
            return self._customer.language
        policy = self._policy
        country = self._situation.caller.country or ""
        return policy.languages_by_country.get(country, policy.default_language)

    def _opening(self, noun: str, rest: str) -> Value:
        """`open.NAME`, and `closed.NAME.because`: a calendar's name may have dots."""
        name, key = (rest, "open") if noun == "open" else rest.rsplit(".", 1)
        calendar = self._policy.calendar.get(name)
        if calendar is None:
            return None
        found: Value = getattr(calendar.at(self._situation.local), key)
        return found

    def _standing(self, rest: str) -> Value:
        template, _, figure = rest.rpartition(".")
        standing = self._situation.standing(_queue(template, str(self["language"])))
        found: Value = getattr(standing, figure) if standing else None
        return found

    def _manager(self, rest: str) -> Value:
        manager = self._customer.manager if self._customer else None
        seat = self._situation.seat(OperatorName(manager.name)) if manager else None
        match rest:
            case "name":
                return manager.name if manager else None
            case "desk":
                return seat.phone if seat and seat.ready else None
            case "mobile":
                return manager.mobile if manager and not (seat and seat.quiet) else None
        return bool(self["manager.desk"] or self["manager.mobile"])

    def _last_operator(self, rest: str) -> Value:
        card = self._situation.caller.card
        history = card.history if card else ()
        name = next((contact.operator for contact in history if contact.operator), None)
        if rest in ("", "name"):
            return name
        seat = self._situation.seat(OperatorName(name)) if name else None
        desk = seat.phone if seat and seat.ready else None
        return desk if rest == "desk" else desk is not None

    def _days_since_contact(self) -> Value:
        card = self._situation.caller.card
        if card is None or not card.history:
            return None
        seconds = self._situation.local.timestamp() - card.history[0].started_at
        return max(0, int(seconds // 86_400))


def _of_customer(customer: Customer | None, card: Card | None, noun: str, rest: str) -> Value:
    if customer is None or card is None:
        return None
    match noun:
        case "status":
            return customer.status
        case "segment":
            return customer.segment
        case "tags":
            return list(customer.tags)
        case "balance":
            return None if customer.balance_minor is None else customer.balance_minor / 100
        case "attributes":
            found = customer.attributes.get(rest)
            return found if isinstance(found, str | int | float) else None
    raise KeyError(noun)
