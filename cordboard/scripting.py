"""`cordboard script`: looks scripts through, plays them in the terminal, runs the tests beside
them."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cordboard.config import Settings, load
from cordboard.drawing import draw
from cordboard.errors import UserError
from cordboard.questionnaires import import_form
from cordboard.sections import shipped_scripts
from cordboard.spoken import prompts

if TYPE_CHECKING:
    from cordboard.ivr.rehearsal import Case, Rehearsed
    from cordboard.ivr.script import Script
    from cordboard.ivr.turns import Outcome, Turn
    from cordboard.library import Read

_NOT_UTF8 = "not UTF-8 at byte {}; save it as UTF-8"

script_app = typer.Typer(
    help="IVR and survey scripts: look through, play, test, draw.", no_args_is_help=True
)
script_app.command("draw")(draw)
script_app.command("prompts")(prompts)
script_app.command("import")(import_form)

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Scripts; if none is given those of [scripts] path, or the ready ones."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; cordboard.toml here if not given."),
]


@script_app.command()
def check(files: Files = None, config: Config = None) -> None:
    """Say everything that is wrong with scripts, all at once, each with its line."""
    from cordboard.ivr.prompts import prompts_of
    from cordboard.ivr.utterances import utterances
    from cordboard.library import files as files_of
    from cordboard.library import house_of, read, together

    settings = load(config)
    paths = files or files_of(settings.scripts.path or shipped_scripts())
    # The others of the folder may be named, too.
    names = {path.name.removesuffix(".yaml") for path in paths}
    beside = [
        other
        for folder in {path.parent for path in paths}
        for other in (files_of(folder) if folder.is_dir() else [])
        if other.name.removesuffix(".yaml") not in names
    ]
    house = house_of(settings, _calendars(settings), None, None)
    found = together((read(path) for path in (*paths, *beside)), house)[: len(paths)]
    unplayable = prompts_of(settings).unplayable(
        line
        for each in found
        if each.script is not None
        for line in utterances(each.script, str(each.path), each.source)
    )
    for each in found:
        for line in (*each.faults, *(f"{line} (advice)" for line in each.advice)):
            typer.echo(line, err=True)
    for line in unplayable:
        typer.echo(line, err=True)
    if unplayable or any(each.faults for each in found):
        raise typer.Exit(1)
    typer.echo(f"All is well with {_counted(len(found), 'script')}.")


@script_app.command("test")
def try_out(files: Files = None, config: Config = None) -> None:
    """Run the tests that stand beside scripts, in NAME.test.yaml."""
    from cordboard.ivr.rehearsal import cases, rehearse, unvisited
    from cordboard.ivr.script import ScriptError
    from cordboard.library import TESTS
    from cordboard.library import files as files_of

    settings = load(config)
    failed = played = 0
    for path in files or files_of(settings.scripts.path or shipped_scripts()):
        beside = path.with_name(path.name.removesuffix(".yaml") + TESTS)
        script = _good(path)
        if not beside.exists():
            typer.echo(f"{path}: has no tests; write {beside.name} beside it")
            continue
        try:
            wanted = cases(beside.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(f"{beside}: {_NOT_UTF8.format(error.start)}") from None
        except ScriptError as error:
            faults = "\n".join(f"{beside}:{line}: {words}" for line, words in error.faults)
            raise UserError(faults) from None
        done = [rehearse(script, case) for case in wanted]
        for each in done:
            played += 1
            failed += not each.is_good
            for line in _told(path, each):
                typer.echo(line)
        if left := unvisited(script, done):
            typer.echo(f"{path}: no test comes to {', '.join(left)}")
    typer.echo(f"{_counted(played, 'test')}, {failed} failed")
    if failed or not played:
        raise typer.Exit(1)


def _told(path: Path, each: Rehearsed) -> Iterator[str]:
    yield f"{'ok    ' if each.is_good else 'FAILED'}  {path.stem}: {each.case.name}"
    for line in each.differences:
        yield f"        {line}"
    if not each.is_good:
        yield f"        heard: {' / '.join(each.heard)}"


@script_app.command()
def run(
    file: Annotated[Path, typer.Argument(help="The script.")],
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="The caller's, where it is known.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option("--customer", help="Who calls: a number of the store's customers.")
    ] = None,
    at: Annotated[
        datetime | None, typer.Option("--at", help="The time of the call; now if not given.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="What the caller does: a test's inputs.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Keep the run and its answers in the store.")
    ] = False,
    config: Config = None,
) -> None:
    """Play a script in the terminal: what would be said is shown, keys are typed."""
    asyncio.run(_play(load(config), file, language, customer, at, answers, store))


@script_app.command()
def schema() -> None:
    """Print the JSON Schema of scripts, by which editors complete and check."""
    from cordboard.ivr.reference import schema as schema_of

    typer.echo(json.dumps(schema_of(), ensure_ascii=False, indent=2))


@script_app.command()
def reference() -> None:
    """Print the reference of the language, as docs/scripts.md has it."""
    from cordboard.ivr.reference import page

    typer.echo(page(), nl=False)


async def _play(
    settings: Settings,
    file: Path,
    language: str | None,
    number: str | None,
    at: datetime | None,
    answers: Path | None,
    keep: bool,
) -> None:
    from zoneinfo import ZoneInfo

    from cordboard.crm_core import phones
    from cordboard.crm_core.store import Store
    from cordboard.ivr.interpreter import advance, begin
    from cordboard.ivr.people import names_of
    from cordboard.ivr.position import Scope
    from cordboard.ivr.runs import Run, run_id
    from cordboard.ivr.turns import End, Go

    script = _good(file)
    given = _inputs(answers) if answers else None
    e164 = None
    if number is not None and (e164 := phones.normalise(number, settings.phone.region)) is None:
        raise UserError(f"--customer {number} is not a telephone number")
    crm = settings.crm
    kept = Store(settings.database.url, settings.phone.region, crm.statuses, crm.languages)
    if keep or e164:
        await kept.open()
    try:
        card = await kept.card_by_number(e164) if e164 else None
        if e164 and card is None:
            raise UserError(f"--customer {number}: no customer has this number")
        now = at or datetime.now(ZoneInfo(settings.desk.timezone))
        names = names_of(card) if card else None
        scope = Scope(
            names,
            {"number": e164 or "", "dialled": "", "queue": None, "operator": None},
            now,
            _opened(settings, now),
        )
        spoken = language or (names["language"] if names else None)
        began = time.time()
        turn = begin(script, scope, spoken)
        run = Run.start(
            script,
            run_id(began, "terminal", script.name, str(time.monotonic_ns())),
            "terminal",
            began,
            customer_id=names["id"] if names else None,
            number=e164 or "",
            status=names["status"] if names else None,
            language=turn.position.language,
        )
        while True:
            records = run.take(turn, time.time())
            for line in _seen(turn):
                typer.echo(line)
            over = isinstance(turn.action, End)
            outcome = None if over else _asked(turn, given)
            if isinstance(turn.action, Go) and type(outcome).__name__ == "Done":
                records += run.ended("routed", time.time())
                over = True
            if keep:
                await kept.write(records)
            if over:
                break
            assert outcome is not None
            turn = advance(script, turn.position, outcome, scope)
    finally:
        await kept.close()


def _seen(turn: Turn) -> Iterator[str]:
    """What happened since, and what would be said."""
    from cordboard.ivr.turns import CallBack, Dial, End, Find, Go, Kept, NeverAgain, Passed, Request

    for note in turn.notes:
        match note:
            case Passed(step=step, way=way):
                yield f"    · {step} → {way}"
            case Kept(question=question, value=value, file=file):
                yield f"    · kept {question} = {value or file}"
            case NeverAgain(all=everything):
                yield f"    · is not to be asked again{' by anything' if everything else ''}"
    action = turn.action
    speech = getattr(action, "speech", None)
    if speech is not None and speech.text:
        yield f"[{action.step}] {speech.text}"
    match action:
        case Find(by=by):
            yield f"[{action.step}] looks up the customer by {by}"
        case Request(method=method, url=url):
            yield f"[{action.step}] asks {method} {url}"
        case Dial(number=number):
            yield f"[{action.step}] calls {number}"
        case CallBack(number=number, queue=queue):
            yield f"[{action.step}] {number} is to be called back, in {queue}"
        case Go(target=target, to=to):
            yield f"[{action.step}] goes on: {target} {to}".rstrip()
        case End(outcome=outcome):
            yield f"The call is over: {outcome}."


def _asked(turn: Turn, given: list[dict[str, Any]] | None) -> Outcome:
    """What came of it: from the file, or by whoever sits at the terminal."""
    from cordboard.ivr.rehearsal import EXPECTED, InputError, outcome_of
    from cordboard.ivr.turns import Collect, Done, Say, Take

    if isinstance(turn.action, Say):
        return Done()
    if given is not None:
        if not given:
            fits = EXPECTED[type(turn.action)]
            if "done" in fits:
                return Done()
            raise UserError(f"{turn.action.step}: waits, and --answers has no more inputs")
        ((word, value),) = given.pop(0).items()
        try:
            return outcome_of(turn, word, value)
        except InputError as error:
            raise UserError(str(error)) from None
    words = EXPECTED[type(turn.action)]
    while True:
        asks = "keys> " if isinstance(turn.action, Collect) else f"{' | '.join(words)}> "
        secret = isinstance(turn.action, Collect) and turn.action.keys.secret
        typed = _line(asks, is_shown=not secret)
        if typed is None:
            typed = "hangup"
        word, _, value = typed.partition(" ")
        if isinstance(turn.action, Collect) and word != "hangup":
            word, value = ("keys", typed) if typed else ("nothing", "")
        elif isinstance(turn.action, Take) and not word:
            word = "nothing"
        elif not word and "done" in words:
            word = "done"
        with suppress(InputError):
            return outcome_of(turn, word, _said(word, value))
        typer.echo(f"    one of {', '.join(words)}")


def _said(word: str, value: str) -> Any:
    """`found name=Ivan status=vip` and `answers tariff=base` name values."""
    if word not in ("found", "answers"):
        return value
    return dict(pair.split("=", 1) for pair in value.split() if "=" in pair)


def _line(prompt: str, *, is_shown: bool = True) -> str | None:
    """None at the end of what is typed. What is not to be shown the terminal does not show."""
    if sys.stdin.isatty() and not is_shown:
        with suppress(EOFError):
            return getpass.getpass(prompt).strip()
        return None
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        seen = line if is_shown else "•" * len(line.strip())
        sys.stdout.write(seen if seen.endswith("\n") else f"{seen}\n")
    return line.strip() if line else None


def _inputs(path: Path) -> list[dict[str, Any]]:
    from cordboard.ivr.rehearsal import cases
    from cordboard.ivr.script import ScriptError

    try:
        text = path.read_text(encoding="utf-8")
        found: list[Case] = cases(text)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {_NOT_UTF8.format(error.start)}") from None
    except ScriptError as error:
        lines = (f"{path}:{line}: {words}" for line, words in error.faults)
        raise UserError("\n".join(lines)) from None
    return [dict(each) for case in found[:1] for each in case.inputs]


def _good(path: Path) -> Script:
    from cordboard.library import read

    found: Read = read(path)
    if found.script is None or found.faults:
        raise UserError("\n".join(found.faults))
    return found.script


def _calendars(settings: Settings) -> Any:
    from cordboard import rulebook

    return rulebook.read(settings.routing.path)[0].calendar


def _opened(settings: Settings, now: datetime) -> Any:
    calendars = _calendars(settings)

    def is_open(name: str) -> bool:
        return name in calendars and calendars[name].at(now).open

    return is_open


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
