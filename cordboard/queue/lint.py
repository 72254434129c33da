"""What is well formed in a rule file but cannot be meant: names that nobody has, rules that no call
can reach, conditions that can never hold. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

from cordboard.crm_core import phones
from cordboard.queue.conditions import Condition, Is, OneOf
from cordboard.queue.policy import LANGUAGE, Policy, Ready, Rule
from cordboard.queue.sources import Lines

KNOWN = Is("known", True)
OF_CUSTOMERS = ("status", "segment", "tags", "balance", "days_since_contact", "last_operator")
"""Conditions that hold of a customer only; so do those of attributes, and what is not refused by
`= false`."""


@dataclass(frozen=True, slots=True)
class House:
    """What there is. `queues` are None where they could not be found out; then they are not looked
    at; nor are `operators`, by their logins. Empty `segments`: the house has no list of them.
    `spoken` are the languages of the consoles; with none, they are not looked at."""

    statuses: Collection[str]
    languages: Collection[str]
    segments: Collection[str] = ()
    queues: Collection[str] | None = None
    operators: Collection[str] | None = None
    spoken: Collection[str] = ()


def faults(policy: Policy, text: str, house: House) -> list[str]:
    """One line a fault, in the order of the file, each beginning with its line in `text`."""
    lines = Lines(text)
    found = [*_of_file(policy, lines, house)]
    for index, ready in enumerate(policy.ready):
        found += _of_rule(policy, index, ready, lines, house)
    found += _unreachable(policy.ready, lines)
    return [f"{line}: {fault}" for line, fault in sorted(dict.fromkeys(found))]


Fault = tuple[int, str]


def _of_file(policy: Policy, lines: Lines, house: House) -> Iterator[Fault]:
    yield from _queues(policy.default_queue, lines.of("default_queue"), house)
    if policy.default_language not in house.languages:
        yield lines.of("default_language"), f"unknown language {policy.default_language!r}"
    for country, language in policy.languages_by_country.items():
        line = lines.of("languages_by_country", country)
        if language not in house.languages:
            yield line, f"languages_by_country: unknown language {language!r}"
        if not phones.is_country(country):
            yield line, f"languages_by_country: {_no_country(country)}"
    for name, calendar in policy.calendar.items():
        if not calendar.ever_open:
            line = lines.of("calendar", name)
            yield line, f"calendar {name!r} is never open: give its days hours"
    seen: dict[str, int] = {}
    for index, rule in enumerate(policy.rule):
        line = lines.of("rule", index, "name")
        if rule.name in seen:
            yield line, f"rule {rule.name!r} has the name of the one on line {seen[rule.name]}"
        seen.setdefault(rule.name, line)


def _of_rule(
    policy: Policy, index: int, ready: Ready, lines: Lines, house: House
) -> Iterator[Fault]:
    rule, named = ready.rule, f"rule {ready.rule.name!r}"

    def at(*place: str) -> int:
        return lines.of("rule", index, *place)

    when = rule.when
    for key, words, known, has in (
        ("status", when.status, house.statuses, "the CRM has"),
        ("segment", when.segment, house.segments, "the CRM has"),
        ("language", when.language, house.languages, "there are"),
    ):
        for word in words or ():
            if known and word not in known:
                listed = ", ".join(known)
                yield at("when", key), f"{named}: unknown {key} {word!r}; {has} {listed}"
    for country in when.country or ():
        if not phones.is_country(country):
            yield at("when", "country"), f"{named}: {_no_country(country)}"
    for login in when.last_operator if isinstance(when.last_operator, list) else ():
        if house.operators is not None and login not in house.operators:
            there = "there is no user of this login; see cordboard user list"
            yield at("when", "last_operator"), f"{named}: last_operator {login!r}: {there}"
    for key, calendar in (("open", when.open), ("closed", when.closed)):
        if calendar is not None and calendar not in policy.calendar:
            add = f"add [calendar.{calendar}]"
            yield at("when", key), f"{named}: there is no calendar {calendar!r}; {add}"
    for language in rule.why:
        if house.spoken and language not in house.spoken:
            there = f"no console speaks it; there are {', '.join(house.spoken)}"
            yield at("why"), f"{named}: why: {language!r}: {there}"
    for condition in _impossible(ready):
        yield at("when", _word(condition)), f"{named} can never hold: {_contradiction(condition)}"
    for one, other in _contradictions(ready):
        yield (
            at("when", _word(other)),
            f"{named} can never hold: {one.key} and {other.key} contradict each other",
        )
    spoken = [each for each in when.language or () if each in house.languages]
    languages = spoken or house.languages
    for queue, line in (
        (rule.queue, at("queue")),
        (when.queue and when.queue.name, at("when", "queue")),
        (rule.overflow and rule.overflow.queue, at("overflow")),
    ):
        if queue:
            yield from _queues(queue, line, house, languages)
    queue = rule.queue or policy.default_queue
    yield from (
        (at(key), f"{named}: {words}") for key, words in _of_outcome(rule, queue, languages)
    )


def _word(condition: Condition) -> str:
    """By which word the condition stands in the file."""
    if condition == Is(condition.key, False) and condition.key.startswith("open."):
        return "closed"
    word = condition.key.partition(".")[0]
    return {"time": "hours", "weekday": "weekdays"}.get(word, word)


def _impossible(ready: Ready) -> Iterator[Condition]:
    return (check.condition for check in ready.checks if not check.condition.is_possible)


def _contradiction(condition: Condition) -> str:
    wish = condition.wish
    if "one_of" in wish or "any_of" in wish:
        return f"{condition.key} allows nothing"
    return f"nothing is at_least {wish['at_least']:g} and below {wish['below']:g}"


def _contradictions(ready: Ready) -> Iterator[tuple[Condition, Condition]]:
    conditions = [check.condition for check in ready.checks]
    for one, other in combinations(conditions, 2):
        if isinstance(one, Is) and isinstance(other, Is) and one.key == other.key:
            yield one, other  # open and closed: a rule names each condition but once
    if Is("known", False) in conditions:
        for other in conditions:
            if _is_of_customer(other):
                yield Is("known", False), other


def _is_of_customer(condition: Condition) -> bool:
    key = condition.key.partition(".")[0]
    if isinstance(condition, Is) and key != "attributes":
        return condition.wanted and key in ("manager", "last_operator", "do_not_disturb")
    return key in OF_CUSTOMERS or key == "attributes"


def _no_country(word: str) -> str:
    return f"{word!r} is no country; write its ISO code, such as BG"


def _of_outcome(rule: Rule, queue: str, languages: Collection[str]) -> Iterator[tuple[str, str]]:
    """`queue` is where the rule leads, and `languages` are those that its callers may have."""
    growth, overflow = rule.growth, rule.overflow
    if growth and growth.up_to <= rule.priority:
        yield "raise", f"up_to = {growth.up_to} is not above priority = {rule.priority}"
    then = overflow.queue if overflow else None
    if then and rule.action == "queue":
        for language in languages if LANGUAGE in queue + then else [""]:
            goes, whose = then.replace(LANGUAGE, language), f" who speaks {language}"
            if goes == queue.replace(LANGUAGE, language):
                words = f"where the caller{whose if language else ''} waits already"
                yield "overflow", f"leads to {goes!r}, {words}"
    if overflow and rule.callback and rule.callback.after >= overflow.after:
        yield "callback", f"is offered after {rule.callback.after} s, when overflow has taken him"
    if rule.first and not (rule.first.desk or (rule.first.mobile and rule.first.who == "manager")):
        yield "first", "leaves no telephone to ring: let desk or mobile be true"


def _queues(
    template: str, line: int, house: House, languages: Collection[str] | None = None
) -> Iterator[Fault]:
    """`languages`: those that callers may have, if not all of the house."""
    if house.queues is None:
        return
    spoken = house.languages if languages is None else languages
    for language in spoken if LANGUAGE in template else [""]:
        queue = template.replace(LANGUAGE, language)
        if queue not in house.queues:
            yield line, f"queue {queue!r} is on no PBX; add it to queues.conf"


def _unreachable(rules: Sequence[Ready], lines: Lines) -> Iterator[Fault]:
    """A rule whose conditions say, each or together with what they imply, all that an earlier one
    asks for: whenever it holds, the earlier one did."""
    by_value: dict[tuple[str, object], list[int]] = {}
    others: list[int] = []
    for index, ready in enumerate(rules):
        said = _said(ready)
        # Of the earlier rules that ask for one of several values, those alone can cover this one
        # that allow any of its own, such as the first.
        near = [
            by_value.get((key, next(iter(each.allowed), None)), [])
            for key, conditions in said.items()
            for each in conditions
            if isinstance(each, OneOf)
        ]
        for earlier in sorted({*others, *chain(*near)}):
            if all(_is_said(check.condition, said) for check in rules[earlier].checks):
                how = "holds whenever it does" if rules[earlier].checks else "always holds"
                words = f"is never reached: {rules[earlier].rule.name!r} {how}"
                yield lines.of("rule", index), f"rule {ready.rule.name!r} {words}"
                break
        choice = next((c.condition for c in ready.checks if isinstance(c.condition, OneOf)), None)
        if choice is None:
            others.append(index)
        else:
            for value in choice.allowed:
                by_value.setdefault((choice.key, value), []).append(index)


def _said(ready: Ready) -> dict[str, list[Condition]]:
    """The conditions of a rule by what they look at, with those that they imply."""
    found: dict[str, list[Condition]] = {}
    for check in ready.checks:
        found.setdefault(check.key, []).append(check.condition)
        if _is_of_customer(check.condition):
            found.setdefault("known", []).append(KNOWN)
    return found


def _is_said(wanted: Condition, said: dict[str, list[Condition]]) -> bool:
    return any(wanted.covers(each) for each in said.get(wanted.key, ()))
