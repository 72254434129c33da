"""The `cordboard` command."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Annotated, Literal, TextIO, cast

import structlog
import typer

from cordboard import __version__
from cordboard.administration import db_app, import_app, token, user_app
from cordboard.config import load
from cordboard.errors import UserError
from cordboard.reconciliation import reconcile
from cordboard.sandbox.commands import pbx_app
from cordboard.sandbox.demo import demo

app = typer.Typer(
    help="A contact-centre and CTI server for Asterisk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(pbx_app, name="pbx")
app.add_typer(user_app, name="user")
app.add_typer(db_app, name="db")
app.add_typer(import_app, name="import")
app.command("token")(token)
app.command("reconcile")(reconcile)
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
def check(config: Config = None) -> None:
    """Say everything that is wrong with the configuration and what it points at, all at once."""
    from cordboard.checks import find_faults

    faults = asyncio.run(find_faults(config))
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("All is well.")


@app.command()
def replay(
    file: Annotated[str, typer.Argument(help="Raw AMI bytes as Asterisk sent them; - for stdin.")],
) -> None:
    """Print the call facts of a recording, one JSON object a line."""
    from cordboard.replay import facts_of

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    for line in facts_of(data):
        typer.echo(line)


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
