"""The tables of the configuration that are about scripts; the others stand in `config`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def shipped_scripts() -> Path:
    """The ready scripts: at the top of a checkout, inside the package in a wheel."""
    packed = Path(__file__).parent / "share" / "scripts"
    return packed if packed.exists() else Path(__file__).parent.parent / "scripts"


Word = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]


class Scripts(Table):
    """IVR and survey scripts: the folder with the files, the beginnings of the URLs that call_api
    may ask, the files with the tokens for them by name, and where recorded answers are kept."""

    path: Path | None = None
    allow: list[Annotated[str, Field(pattern=r"^https?://[^\s{}/]+/")]] = []
    allow_private: bool = False
    secrets: dict[Word, Path] = {}
    recordings: Path = Path("var/recordings")


class Survey(Table):
    """What callers are asked who stay on the line when the operator has hung up. Without a
    `script`: nothing. Without `queues`: after the talks of all."""

    script: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]{0,39})?$")] = ""
    queues: list[str] = []
    every_days: float = Field(default=30, ge=0)
    share: float = Field(default=1.0, ge=0, le=1)


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
VoiceName = Annotated[str, Field(pattern=r"^(rhvoice|espeak-ng|piper):[\w./+][\w./+-]*$")]


class Prompts(Table):
    """What callers hear of scripts. `recorded` are the languages whose core sounds the PBX has."""

    path: Path = Path("var/prompts")
    personal: Path = Path("var/prompts-personal")
    url: str = ""
    voices: dict[Language, VoiceName] = {}
    recorded: list[str] = ["en", "ru"]
    deadline_ms: int = Field(default=1500, ge=0, le=5000)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s\"&|,/]+(/[\w./-]*)?", value):
            raise ValueError("write it as the PBX reaches this server: http://HOST:PORT/prompts")
        return value

    @field_validator("recorded")
    @classmethod
    def _put_together(cls, value: list[str]) -> list[str]:
        if set(value) - {"en", "ru"}:
            raise ValueError("only of the English and Russian sounds values are put together")
        return value
