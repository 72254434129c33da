"""Prompts for a PBX that fetches them by HTTP.

Asterisk knows no login, so they are given to the configured PBXs and to this machine alone, and by
names that nobody can guess. Its media cache asks again with the ETag.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web

from cordboard.screenpop.faults import ApiError
from cordboard.screenpop.sessions import PEER

PATH = "/prompts/{name}"
_RESOLVED_SECONDS = 60.0


class PromptFiles:
    """`find` is `Prompts.file`; `hosts` are those of the configured PBXs."""

    def __init__(self, find: Callable[[str], Path | None], hosts: Iterable[str]) -> None:
        self._find = find
        self._hosts = frozenset(hosts)
        self._addresses: frozenset[str] = frozenset()
        self._resolved = float("-inf")

    async def get(self, request: web.Request) -> web.StreamResponse:
        peer = request[PEER]
        if not peer.loopback and not await self._is_pbx(peer.address):
            raise ApiError(403, "forbidden", "prompts are for the configured PBXs alone")
        path = self._find(request.match_info["name"])
        if path is None:
            raise ApiError(404, "not-found", "there is no such prompt")
        # The text of a prompt is part of its name, so that one never changes.
        headers = {"Content-Type": "audio/wav", "Cache-Control": "private, max-age=3600"}
        return web.FileResponse(path, headers=headers)

    async def _is_pbx(self, address: str) -> bool:
        if address in self._hosts or address in self._addresses:
            return True
        now = time.monotonic()
        if now - self._resolved < _RESOLVED_SECONDS:
            return False
        self._resolved = now
        self._addresses = frozenset([found for host in self._hosts for found in await _all(host)])
        return address in self._addresses


async def _all(host: str) -> list[str]:
    """The addresses of a host; none where it is not known."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]) for entry in found]
