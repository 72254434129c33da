"""`cordboard explain`: why a call was decided so, and what became of it, for a person or a
program."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cordboard.config import Settings, load
from cordboard.errors import UserError

PERSONS = ("manager.name", "last_operator.name")
"""Inputs that are the login names of users."""


def explain(
    call: Annotated[str, typer.Argument(help="The call's id, or Asterisk's Linkedid of it.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The configuration; cordboard.toml here if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> None:
    """Say why a call went where it went: the rules that were tried, the one that held, what each
    value was at that moment, and what befell the call since."""
    settings = load(config)
    told = asyncio.run(_told(settings, call))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    zone = ZoneInfo(settings.desk.timezone)
    for line in lines(told, zone):
        typer.echo(line)


async def _told(settings: Settings, word: str) -> dict[str, Any]:
    from cordboard.crm_core.store import Store
    from cordboard.screenpop import shapes, story

    crm = settings.crm
    store = Store(settings.database.url, settings.phone.region, crm.statuses, crm.languages)
    await store.open()
    try:
        record = await store.call(word)
        if record is None:
            named = await store.calls_named(word)
            if not named:
                raise UserError(f"there is no call {word}; give its id, or its Linkedid")
            # Linkedids come again after a restart of the PBX.
            record = named[0]
        facts = await store.call_facts(record.id)
        texts = {each: await store.policy(each) for each in story.policies(facts)}
        customer = await store.customer(record.customer_id) if record.customer_id else None
        gaps = (await store.gaps([record.id])).get(record.id, ())
        users = await store.users()
        return {
            "call": shapes.remembered_call(record, customer, gaps),
            "decisions": story.decisions(facts, texts),
            "events": story.timeline(facts, users),
            "people": story.people(facts, users),
        }
    finally:
        await store.close()


def lines(told: dict[str, Any], zone: ZoneInfo) -> list[str]:
    """What `_told` says, for a person."""
    call = told["call"]
    who = call["customer"]["name"] if call["customer"] else call["name"] or "somebody unknown"
    said = [
        f"Call {call['id']} ({call['linkedid']} on {call['pbx']})",
        f"from {call['from']}, {who}, to {call['to']},"
        f" {_when(call['started_at'], zone, '%Y-%m-%d %H:%M:%S')}",
    ]
    if not told["decisions"]:
        said += ["", "No route was decided for it: the PBX alone sent it where it went, or it was"]
        said += ["placed by an operator."]
    for decision in told["decisions"]:
        said += ["", *_decision(decision, zone, told["people"])]
    said += ["", "What befell it"]
    said += [f"  {_when(event['at'], zone)}  {_event(event)}" for event in told["events"]]
    return said


def _decision(told: dict[str, Any], zone: ZoneInfo, people: dict[str, str]) -> list[str]:
    decision = told["decision"]
    rule = f"rule {told['rule']!r}" if told["rule"] else "no rule held: the default queue"
    said = [f"{_when(told['at'], zone)}  {rule}", f"  leads to {_outcome(decision)}"]
    said += [f"  {line}" for line in _more(decision, people)]
    said.append("  looked at")
    for key, value in told["inputs"].items():
        name = people.get(value) if key in PERSONS else None
        said.append(f"    {key} = {name or _value(value)}")
    if told["tried"] is None:
        said.append(f"  The rules of then are not at hand (policy {told['policy']}).")
        return said
    said.append("  tried")
    width = max((len(trial["rule"]) for trial in told["tried"]), default=0)
    for trial in told["tried"]:
        why = "holds" if trial["held"] else _failure(trial["failed"])
        said.append(f"    {trial['rule']:<{width}}  {why}")
    again = "which comes to the same" if told["same"] else "WHICH COMES TO ANOTHER DECISION"
    said.append(f"  These are the rules of then (policy {told['policy']}), tried again, {again}.")
    return said


def _outcome(decision: dict[str, Any]) -> str:
    if decision["action"] == "queue":
        return f"queue {decision['queue']} with priority {decision['priority']}"
    return f"{decision['action']} {decision['to']}"


def _more(decision: dict[str, Any], people: dict[str, str]) -> list[str]:
    growth, first = decision["growth"], decision["personal"]
    overflow, callback = decision["overflow"], decision["callback"]
    said = []
    if first:
        where = " and ".join(filter(None, (first["desk"], first["mobile"])))
        name = people.get(first["name"], first["name"])
        said.append(f"first {name} ({first['who']}) for {first['seconds']} s at {where}")
    if growth:
        by, every, up_to = growth["by"], growth["every"], growth["up_to"]
        said.append(f"priority grows by {by} every {every:g} s, up to {up_to}")
    if decision["penalties"]:
        bounds = (f"{name} {n}" for name, n in decision["penalties"].items() if n is not None)
        said.append(f"penalties {', '.join(bounds)}")
    if overflow:
        said.append(f"after {overflow['after']} s to {overflow['kind']} {overflow['to']}")
    if callback:
        said.append(f"a call back is offered after {callback['after']} s")
    return said


def _failure(failed: dict[str, Any]) -> str:
    value, wish = failed["value"], failed["wish"]
    wanted = {
        "is": lambda want: _value(want),
        "one_of": lambda want: f"one of {', '.join(want)}",
        "any_of": lambda want: f"any of {', '.join(want)}",
        "at_least": lambda want: f"at least {want:g}",
        "below": lambda want: f"below {want:g}",
        "during": lambda want: f"within {want}",
    }
    words = " and ".join(wanted[key](want) for key, want in wish.items())
    why = ", which is not of that kind" if failed["misfit"] else ""
    return f"no: {failed['condition']} is {_value(value)}{why}; it wants {words}"


def _value(value: Any) -> str:
    match value:
        case None:
            return "not known"
        case True | False:
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "none"
    return str(value)


def _event(event: dict[str, Any]) -> str:
    whose = event["operator_name"] or event["phone"]
    more = {key: value for key, value in event["data"].items() if value not in (None, "", [], {})}
    if event["event"] == "decided":
        more = {"rule": more.get("rule", "none")}
    told = ", ".join(f"{key} {_value(value)}" for key, value in more.items())
    return " ".join(filter(None, (event["event"], whose, told and f"({told})")))


def _when(iso: str, zone: ZoneInfo, form: str = "%H:%M:%S.%f") -> str:
    from datetime import datetime

    text = datetime.fromisoformat(iso).astimezone(zone).strftime(form)
    return text[:-3] if form.endswith("%f") else text
