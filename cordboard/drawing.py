"""`cordboard script draw`: a script as a flow chart, with what callers did on it."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cordboard.config import load
from cordboard.errors import UserError

if TYPE_CHECKING:
    from cordboard.ivr.flowchart import Notes
    from cordboard.ivr.funnel import Funnel
    from cordboard.ivr.script import Script

DAY = 86_400


def draw(
    file: Annotated[Path, typer.Argument(help="The script.")],
    form: Annotated[
        Literal["svg", "mermaid"],
        typer.Option("--format", "-f", help="A picture, or text for Markdown."),
    ] = "svg",
    language: Annotated[
        str | None,
        typer.Option("--language", "-l", help="Of the texts; the script's first if not given."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; stdout if not given.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="With it, what callers did is shown on the arrows."),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=366, help="Of how many days, until now.")
    ] = 7,
) -> None:
    """Draw a script as a flow chart; with --config, show on it how many callers went which way,
    where they hung up, and how long they took."""
    from cordboard.ivr.flowchart import draw as svg
    from cordboard.ivr.flowchart import mermaid
    from cordboard.ivr.funnel import notes_of
    from cordboard.ivr.graph import graph_of
    from cordboard.screenpop import translations
    from cordboard.screenpop.pages import STATIC

    script = _read(file)
    spoken = language or script.languages[0]
    if spoken not in script.languages:
        raise UserError(f"{file}: speaks no {spoken}; it has {', '.join(script.languages)}")
    known = spoken if spoken in translations.LANGUAGES else translations.LANGUAGES[0]
    words = translations.load(known).gettext
    flow = graph_of(script, spoken, words)
    notes: Notes | None = None
    if config is not None:
        notes = notes_of(asyncio.run(_funnel(config, script, days)), flow, days, words)
    if form == "mermaid":
        text = mermaid(flow, notes)
    else:
        text = svg(flow, notes, (STATIC / "flowchart.css").read_text(encoding="utf-8"))
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output}: {error.strerror}") from error


def _read(file: Path) -> Script:
    from cordboard.ivr.script import Script, ScriptError

    try:
        return Script.parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except ScriptError as error:
        raise UserError(
            "\n".join(f"{file}:{line}: {words}" for line, words in error.faults)
        ) from None


async def _funnel(config: Path, script: Script, days: int) -> Funnel:
    from cordboard.crm_core.store import Store
    from cordboard.ivr.funnel import Walk, funnel_of

    settings = load(config)
    crm = settings.crm
    store = Store(settings.database.url, settings.phone.region, crm.statuses, crm.languages)
    now = time.time()
    await store.open()
    try:
        runs = await store.runs(script.name, now - days * DAY, now)
    finally:
        await store.close()
    return funnel_of(map(Walk.of, runs), script.fingerprint, now - days * DAY, now)
