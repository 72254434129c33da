"""The `cordboard` command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO, cast

import structlog
import typer

from cordboard import __version__
from cordboard.administration import audit, db_app, import_app, token, user_app
from cordboard.config import load
from cordboard.errors import UserError
from cordboard.explanation import explain
from cordboard.reconciliation import reconcile
from cordboard.respondents import respondents_app
from cordboard.sandbox.commands import demo, pbx_app
from cordboard.scripting import script_app
from cordboard.trial import simulate, traffic

if TYPE_CHECKING:
    from cordboard.replay import Flight

app = typer.Typer(
    help="A contact-centre and CTI server for Asterisk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(pbx_app, name="pbx")
app.add_typer(user_app, name="user")
app.add_typer(db_app, name="db")
app.add_typer(script_app, name="script")
app.add_typer(import_app, name="import")
app.add_typer(respondents_app, name="respondents")
app.command("token")(token)
app.command("audit")(audit)
app.command("reconcile")(reconcile)
app.command("explain")(explain)
app.command("simulate")(simulate)
app.command("traffic")(traffic)
app.command("demo")(demo)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; cordboard.toml here if not given."),
]


@app.command()
def serve(
    config: Config = None,
    log: Annotated[
        Literal["auto", "json", "text"],
        typer.Option(help="Log lines for a program (json) or a person (text)."),
    ] = "auto",
) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    from cordboard.app import App

    log_to_stderr(as_json=log == "json" or (log == "auto" and not sys.stderr.isatty()))
    settings = load(config)
    if not asyncio.run(App(settings).serve()):
        raise typer.Exit(1)


@app.command()
def check(
    config: Config = None,
    number: Annotated[
        str | None,
        typer.Option("--number", help="Ask the lookups for this number and print what they say."),
    ] = None,
) -> None:
    """Say everything that is wrong with the configuration and what it points at, all at once."""
    from cordboard.checks import answers, find_faults, remarks

    if number is not None:
        for line in asyncio.run(answers(config, number)):
            typer.echo(line)
    faults = asyncio.run(find_faults(config))
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("All is well.")
    for remark in asyncio.run(remarks(config)):
        typer.echo(remark)


@app.command()
def replay(
    file: Annotated[
        str,
        typer.Argument(
            help="Raw AMI bytes as Asterisk sent them; with --decisions a segment of the flight"
            " recorder, or its folder; - for stdin."
        ),
    ],
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Decide again what the flight recorder wrote down.")
    ] = False,
) -> None:
    """Print the call facts of a recording, or the decisions, one JSON object a line."""
    from cordboard.replay import Flight, facts_of

    try:
        if decisions:
            flight = Flight()
            for path in _segments(file):
                for line in _decided(flight, path):
                    typer.echo(line)
            return
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    for line in facts_of(data):
        typer.echo(line)


def _segments(file: str) -> list[Path | None]:
    """Oldest first; None stands for stdin."""
    from cordboard.recorder import segments

    if file == "-" or not Path(file).is_dir():
        return [None if file == "-" else Path(file)]
    found = segments(Path(file))
    if not found:
        raise UserError(f"{file}: no segment of a flight recorder in this folder")
    return list(found)


def _decided(flight: Flight, path: Path | None) -> Iterator[str]:
    """Raises `UserError` with the place of the first difference."""
    from cordboard.flight import RecordingError

    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(path.open("rb")) if path else sys.stdin.buffer
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break  # the server was killed in the middle of it
            try:
                for decision in flight.take(line):
                    yield json.dumps(decision, ensure_ascii=False)
            except RecordingError as error:
                raise UserError(f"{path or 'stdin'}:{number}: {error}") from None


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show:
        typer.echo(f"cordboard {__version__}")
        raise typer.Exit


def log_to_stderr(as_json: bool, level: int = logging.INFO) -> None:
    """Log lines go to stderr; what a command prints as its result goes to stdout."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
    # What fails of ours is logged by ours; of what strangers send, aiohttp would log a traceback.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


class _Stderr:
    """Where log lines go. One that cannot be written, because the disk of the log is full, must
    not stop the calls."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def main() -> None:
    """The console script. What the person can mend is one line a fault and exit code 1."""
    try:
        app()
    except UserError as error:
        for line in str(error).splitlines():
            typer.echo(f"cordboard: {line}", err=True)
        raise SystemExit(1) from None
