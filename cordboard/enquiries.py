"""What scripts ask of other systems over HTTP: only those that `[scripts] allow` names, within the
deadline, and no more of an answer than fits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import hdrs
from yarl import URL

from cordboard.addresses import is_under, origin_of, url_fault
from cordboard.errors import PeerError, UserError
from cordboard.ivr.turns import Request
from cordboard.outbound import client, read_secret
from cordboard.strict_json import read_json

BODY_AT_MOST = 64 * 1024
CONNECTIONS = 20
"""To one system at a time."""
TEXT_AT_MOST = 500
"""Characters of a value that a script saves."""


class Enquiries:
    """`allow` are beginnings of URLs; `secrets` are files by name, each with a bearer token."""

    def __init__(
        self, allow: Sequence[str], secrets: Mapping[str, Path], *, allow_private: bool = False
    ) -> None:
        """Raises `UserError` for a secret that cannot be read."""
        self._allow = tuple(allow)
        self._private = allow_private
        self._secrets = {
            name: read_secret(f"[scripts.secrets] {name}", path).strip()
            for name, path in secrets.items()
        }
        if bad := [name for name, said in self._secrets.items() if not said.isprintable()]:
            raise UserError(f"[scripts.secrets] {bad[0]}: the file must hold one line, the token")
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def ask(self, request: Request) -> dict[str, Any]:
        """The values that the script saves, those that are there. The deadline is the caller's.
        Raises `PeerError`."""
        if fault := url_fault(request.url) or self._not_allowed(request.url):
            raise PeerError(f"{origin_of(request.url)} {fault}")
        headers: dict[str, str] = {hdrs.ACCEPT: "application/json"}
        if request.secret is not None:
            if request.secret not in self._secrets:
                raise PeerError(f"[scripts.secrets] has no {request.secret}")
            headers[hdrs.AUTHORIZATION] = f"Bearer {self._secrets[request.secret]}"
        body = None
        if request.body is not None:
            body = json.dumps(request.body, default=_plain).encode()
            headers[hdrs.CONTENT_TYPE] = "application/json"
        try:
            data = await self._fetch(request.method, request.url, headers, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerError(str(error)[:200] or type(error).__name__) from error
        return _saved(data, request.save) if request.save else {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    def _not_allowed(self, url: str) -> str | None:
        if any(is_under(url, start) for start in self._allow):
            return None
        return "is not in [scripts] allow"

    async def _fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> bytes:
        origin = origin_of(url)
        session = self._sessions.get(origin)
        if session is None:
            session = client(url, {}, CONNECTIONS, allow_private=self._private)
            self._sessions[origin] = session
        request = session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        )
        async with request as response:
            if not 200 <= response.status < 300:
                raise PeerError(f"{origin}: HTTP {response.status}")
            if response.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
                raise PeerError(f"{origin}: the body is packed, which was not asked for")
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > BODY_AT_MOST:
                    response.close()
                    raise PeerError(f"{origin}: the body has more than {BODY_AT_MOST} bytes")
            return bytes(data)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is nothing that is sent")


def _saved(data: bytes, wanted: Mapping[str, str]) -> dict[str, Any]:
    """Of the JSON answer, what stands at these places and is a plain value."""
    try:
        answer = read_json(data)
    except ValueError as error:
        raise PeerError(f"the answer: {error}") from error
    found = {}
    for name, path in wanted.items():
        value = _at(answer, path)
        if isinstance(value, str):
            value = "".join(char for char in value if char.isprintable())[:TEXT_AT_MOST]
        if isinstance(value, str | int | Decimal):
            found[name] = value
    return found


def _at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(answer, dict):
            answer = answer.get(part)
        elif isinstance(answer, list) and part.isdigit() and int(part) < len(answer):
            answer = answer[int(part)]
        else:
            return None
    return answer
