"""What a row of the API's table is, and what its handler is given. The handlers stand with their
nouns: `api.py`, `charts.py`, `respondents.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from cordboard.crm_core.model import Role
from cordboard.screenpop.sessions import Login
from cordboard.screenpop.views import Message

if TYPE_CHECKING:
    from cordboard.screenpop.api import Api

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was let in and understood."""

    request: web.Request
    login: Login
    path: Mapping[str, str]
    query: Any
    body: Any


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the API. `answer` is the model of the answer's body, None for the stream
    and for files."""

    method: str
    path: str
    do: Callable[[Api, Ask], Awaitable[Message | web.StreamResponse]]
    roles: tuple[Role, ...]
    summary: str
    answer: type[BaseModel] | None
    status: int = 200
    query: type[BaseModel] | None = None
    body: TypeAdapter[Any] | None = None
    files: tuple[str, ...] = ()
    """The types of files that it may answer with."""
    upload: tuple[str, ...] = ()
    """The types of the file that it takes; its handler reads it."""
