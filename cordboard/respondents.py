"""`cordboard respondents`: lists of people who are to be called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cordboard.administration import Config, with_store
from cordboard.config import Settings, load
from cordboard.errors import UserError
from cordboard.moments import moment

if TYPE_CHECKING:
    from cordboard.crm_core.model import RespondentList
    from cordboard.crm_core.respondents import Added, Person
    from cordboard.crm_core.store import Store

BY = "cordboard respondents"
"""Who made a list that was made here."""

respondents_app = typer.Typer(help="Lists of people who are to be called.", no_args_is_help=True)

ListName = Annotated[
    str, typer.Option("--list", help="The list; it is made where there is none of that name.")
]
ScriptName = Annotated[
    str | None, typer.Option("--script", help="The script of a list that is to be made.")
]
Tries = Annotated[int, typer.Option(min=1, max=20, help="How often somebody is called in vain.")]
Again = Annotated[float, typer.Option("--again-minutes", min=1, help="Minutes in between.")]
Hours = Annotated[
    str | None, typer.Option(help="The calendar of the rule file in which they may be called.")
]
Language = Annotated[
    str | None, typer.Option(help="The language of people of whom no other is known.")
]
Shown = Annotated[int, typer.Option("--show", min=0, help="How many of those left out to print.")]


@respondents_app.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX with titles in the first line: phone, and if you like name and"
            " language; all other columns are what is known of the person."
        ),
    ],
    name: ListName,
    script: ScriptName = None,
    tries: Tries = 3,
    again: Again = 60.0,
    hours: Hours = None,
    language: Language = None,
    show: Shown = 20,
    config: Config = None,
) -> None:
    """Put the people of a file on a list. A number comes on it once, so a file may be imported
    again. Exits with 1 where rows could not be read."""
    from cordboard.crm_core.respondent_files import people_in

    settings = load(config)
    faults: list[tuple[int, str]] = []
    try:
        people = list(people_in(file, lambda line, reason: faults.append((line, reason))))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error

    async def work(store: Store) -> Added:
        whose = await _list(store, settings, name, script, tries, again, hours, language)
        return await store.add_people(whose, people, settings.callback.blocked)

    done = with_store(config, work)
    left = sorted([*faults, *((line, f"{who}: {why}") for line, who, why in done.left_out)])
    for line, reason in left[:show]:
        typer.echo(f"{file}:{line}: {reason}", err=True)
    _tell(done, len(left), show)
    if faults:
        raise typer.Exit(1)


@respondents_app.command("from-customers")
def from_customers(
    name: ListName,
    script: ScriptName = None,
    status: Annotated[list[str] | None, typer.Option(help="A status; again for more.")] = None,
    segment: Annotated[str | None, typer.Option(help="The segment.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag that they all have.")] = None,
    speaks: Annotated[str | None, typer.Option(help="The customer's language.")] = None,
    manager: Annotated[str | None, typer.Option(help="The personal manager's login.")] = None,
    after: Annotated[str | None, typer.Option(help="Last contact on this day or later.")] = None,
    before: Annotated[str | None, typer.Option(help="No contact since this day.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE that they have; again for more.")
    ] = None,
    tries: Tries = 3,
    again: Again = 60.0,
    hours: Hours = None,
    language: Language = None,
    show: Shown = 20,
    config: Config = None,
) -> None:
    """Put customers on a list."""
    from cordboard.crm_core.respondents import CustomerFilter

    settings = load(config)
    zone = ZoneInfo(settings.desk.timezone)
    wanted = CustomerFilter(
        tuple(status or ()),
        segment,
        tuple(tag or ()),
        speaks,
        manager,
        None if after is None else moment("--after", after, zone),
        None if before is None else moment("--before", before, zone),
        dict(_pair(each) for each in attribute or ()),
    )

    async def work(store: Store) -> Added:
        people: list[Person] = await store.customers_for(wanted)
        whose = await _list(store, settings, name, script, tries, again, hours, language)
        return await store.add_people(whose, people, settings.callback.blocked)

    done = with_store(config, work)
    for _, who, reason in done.left_out[:show]:
        typer.echo(f"{who}: {reason}", err=True)
    _tell(done, len(done.left_out), show)


@respondents_app.command("list")
def show_lists(config: Config = None) -> None:
    """Print all lists, newest first, and how far each is."""

    async def work(store: Store) -> list[tuple[RespondentList, dict[str, int]]]:
        return await store.lists()

    for whose, counts in with_store(config, work):
        states = {key: count for key, count in counts.items() if key != "due"}
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        closed = ", closed" if whose.closed_at is not None else ""
        due = f"{counts.get('due', 0)} due" if not closed else "none due"
        typer.echo(f"{whose.name} ({whose.script}{closed}): {sum(states.values())} people, {due}")
        if told:
            typer.echo(f"  {told}")


async def _list(
    store: Store,
    settings: Settings,
    name: str,
    script: str | None,
    tries: int,
    again: float,
    hours: str | None,
    language: str | None,
) -> RespondentList:
    """The list of this name. Raises `UserError` where there is none and it cannot be made."""
    known = await store.list_named(name)
    if known is not None:
        if known.closed_at is not None:
            raise UserError(f"--list {name}: the list is closed")
        if script not in (None, known.script):
            raise UserError(f"--script {script}: the list {name} is for {known.script}")
        return known
    if script is None:
        raise UserError(f"--list {name}: there is no such list; give --script to make it")
    folder = settings.scripts.path
    if folder is not None and not (folder / f"{script}.yaml").is_file():
        raise UserError(f"--script {script}: there is no {folder / f'{script}.yaml'}")
    if hours is not None:
        from cordboard.queue.policy import Policy

        rules = Policy.parse(settings.routing.path.read_text(encoding="utf-8"))
        if hours not in rules.calendar:
            raise UserError(f"--hours {hours}: no such calendar in {settings.routing.path}")
    return await store.create_list(
        name, script, BY, tries=tries, again_minutes=again, hours=hours, language=language
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--attribute {text}: write NAME=VALUE")
    return name.strip(), value.strip()


def _tell(done: Added, left: int, shown: int) -> None:
    if left > shown:
        typer.echo(f"… and {left - shown} more left out (--show {left})", err=True)
    typer.echo(f"{done.added} added, {done.known} on the list already, {left} left out.")
