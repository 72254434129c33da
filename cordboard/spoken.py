"""`cordboard script prompts`: has spoken what scripts say, and removes what none says any more."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cordboard.config import load
from cordboard.errors import UserError

if TYPE_CHECKING:
    from cordboard.ivr.utterances import Line


def prompts(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration file.")
    ] = None,
) -> None:
    """Speak what the scripts say and is not there yet; remove what none of them says any more.

    A server does the first by itself when a script changes. Exit code 1 when something was not
    spoken.
    """
    from cordboard import library
    from cordboard.ivr.prompts import prompts_of

    settings = load(config)
    lines = lines_of(library.files(settings.scripts.path))
    known = prompts_of(settings)
    known.settle()
    done = asyncio.run(known.prepare(lines))
    removed = known.prune(lines, time.time())
    typer.echo(f"{done.spoken} spoken, {done.kept} there already, {removed} removed")
    if done.faults:
        raise UserError("\n".join(done.faults))


def lines_of(files: list[Path]) -> list[Line]:
    """What these scripts say. Raises `UserError` for those that cannot be read: what they say would
    be removed."""
    from cordboard import library
    from cordboard.ivr.utterances import usual_utterances, utterances

    found = [library.read(path) for path in files]
    if faults := [fault for each in found for fault in each.faults if each.script is None]:
        raise UserError("\n".join(faults))
    scripts = [(each.script, each) for each in found if each.script is not None]
    lines = [
        line for script, each in scripts for line in utterances(script, str(each.path), each.source)
    ]
    languages = dict.fromkeys(language for script, _ in scripts for language in script.languages)
    return [*lines, *usual_utterances(languages)]
