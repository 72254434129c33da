"""`cordboard pbx ...`: the sandbox from the command line."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from cordboard.errors import PeerError
from cordboard.sandbox import record as recorder
from cordboard.sandbox.packages import speakers
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.plays import PLAYS

pbx_app = typer.Typer(
    name="pbx", help="A real Asterisk in a folder, for trying and testing.", no_args_is_help=True
)


def default_directory() -> Path:
    """Where the sandbox lives unless --dir says otherwise."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "cordboard/pbx"


Directory = Annotated[
    Path | None,
    typer.Option("--dir", help="The sandbox's folder; by default ~/.local/state/cordboard/pbx."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]


def _pbx(directory: Path | None) -> SandboxPbx:
    return SandboxPbx(directory or default_directory())


@pbx_app.command()
def up(directory: Directory = None) -> None:
    """Start Asterisk in the background. The first time fetches about 95 MB of packages."""
    pbx = _pbx(directory)
    began = time.monotonic()
    started = pbx.up()
    status = pbx.status()
    words = f"started in {time.monotonic() - began:.1f} s" if started else "is running already"
    typer.echo(f"Asterisk {status['version']} {words}, in {status['directory']}")
    typer.echo(
        f"calls to sip:{status['sip']['inbound']}@{status['sip']['host']}:{status['sip']['port']}"
    )
    typer.echo(f"cordboard serve --config {status['config']}")


@pbx_app.command()
def down(directory: Directory = None) -> None:
    """Stop Asterisk. Its folder stays."""
    pbx = _pbx(directory)
    stopped = pbx.down()
    typer.echo(f"{'stopped' if stopped else 'nothing runs'} in {pbx.directory}")


@pbx_app.command()
def status(directory: Directory = None, as_json: Json = False) -> None:
    """Whether it runs, and what to connect to. Exit code 1 when it does not run."""
    told = _pbx(directory).status()
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    elif not told["running"]:
        typer.echo(f"nothing runs in {told['directory']}")
    else:
        typer.echo(f"Asterisk {told['version']}, process {told['pid']}, in {told['directory']}")
        for name in ("ami", "agi", "sip", "mobile"):
            typer.echo(f"{name:7} {told[name]['host']}:{told[name]['port']}")
        typer.echo(f"queues  {', '.join(told['queues'])}")
        typer.echo(f"phones  {', '.join(phone['user'] for phone in told['phones'])}")
        typer.echo("secrets: cordboard pbx status --json")
    if not told["running"]:
        raise typer.Exit(1)


@pbx_app.command(context_settings={"ignore_unknown_options": True})
def cli(words: list[str], directory: Directory = None) -> None:
    """Ask Asterisk's own command line, such as `cordboard pbx cli queue show`."""
    typer.echo(_pbx(directory).cli(" ".join(words)), nl=False)


@pbx_app.command()
def voices() -> None:
    """Fetch programs that speak, about 170 MB: RHVoice for Russian, espeak-ng for others.

    The demo finds them; a server of your own finds them on PATH, in the folder that is printed.
    """
    folder = speakers(fetch=True)
    typer.echo(folder or "RHVoice-test and espeak-ng are installed")


_NAMES = ", ".join(PLAYS)


@pbx_app.command(help=f"Record raw AMI into OUT/PLAY.ami. Plays: all, {_NAMES}.")
def record(
    play: str,
    out: Annotated[Path, typer.Option("--out", help="A folder.")] = Path(),
) -> None:
    failed = []
    for name in PLAYS if play == "all" else [play]:
        try:
            path = asyncio.run(recorder.record(name, out))
        except PeerError as wrong:  # one in a hundred may fail: the others are wanted all the same
            failed.append(name)
            typer.echo(f"{name}: {wrong}: record it again", err=True)
        else:
            typer.echo(f"{path}: {path.stat().st_size} bytes")
    if failed:
        typer.echo(f"not recorded: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def demo(
    port: Annotated[
        int | None, typer.Option(help="The port of the pages; 8088 or a free one if not given.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Make calls for so long, then end with a summary.")
    ] = None,
    calls_per_minute: Annotated[float, typer.Option(min=0, max=600)] = 12.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line when up, one at the end.")
    ] = False,
) -> None:
    """Show cordboard at work with a real Asterisk, simulated callers and simulated phones."""
    from cordboard.sandbox.demo import demonstrate

    raise typer.Exit(asyncio.run(demonstrate(port, seconds, calls_per_minute, as_json)))
