"""HTTP to other systems: no redirects, no cookies, no proxies of the environment, and no address
that `addresses` refuses, whatever a name leads to at the moment of connecting."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from cordboard import __version__
from cordboard.addresses import literal, means_private, refusal
from cordboard.errors import UserError

RESOLVERS = 2
"""Threads, each system's own: names that nobody answers for hold up no other work."""
HEADER_BYTES = 8190
REACH_WITHIN = 3.0
"""Seconds to find out whether a system is there."""


class Resolver(AbstractResolver):
    def __init__(self, private: bool) -> None:
        self._private = private
        self._threads = ThreadPoolExecutor(RESOLVERS, "cordboard-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises `OSError` where the name leads nowhere, or where it must not lead."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _addresses, host, port, family)
        allowed: list[ResolveResult] = []
        why = f"{host} has no address"
        for kind, address in found:
            refused = refusal(address, private=self._private)
            if refused is None:
                allowed.append(
                    ResolveResult(
                        hostname=host,
                        host=address,
                        port=port,
                        family=kind,
                        proto=0,
                        flags=socket.AI_NUMERICHOST,
                    )
                )
            else:
                why = f"{host} leads to {refused}"
        if not allowed:
            raise OSError(None, why)
        return allowed

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int, family: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(int(one[0]), str(one[4][0])) for one in found]


def client(
    url: str, headers: Mapping[str, str], connections: int, *, allow_private: bool
) -> aiohttp.ClientSession:
    """Connections to the one system at `url`. Deadlines are the caller's."""
    resolver = Resolver(allow_private or means_private(url))
    connector = aiohttp.TCPConnector(
        limit=connections, resolver=resolver, ttl_dns_cache=30, happy_eyeballs_delay=None
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "User-Agent": f"cordboard/{__version__}",
            "Accept-Encoding": "identity",
            **headers,
        },
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )


async def reach(url: str, *, allow_private: bool) -> str | None:
    """Why nothing can be said to the system at `url`, in words; None where a connection stands. No
    request is made."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    resolver = Resolver(allow_private or means_private(url))
    try:
        async with asyncio.timeout(REACH_WITHIN):
            address = host
            if literal(host) is None:
                address = (await resolver.resolve(host, port))[0]["host"]
            tls = ssl.create_default_context() if parts.scheme == "https" else None
            _, writer = await asyncio.open_connection(
                address, port, ssl=tls, server_hostname=host if tls else None
            )
            writer.transport.abort()
    except TimeoutError:
        return f"no answer within {REACH_WITHIN:g} s"
    except (OSError, ssl.SSLError) as error:
        return str(error) or type(error).__name__
    finally:
        await resolver.close()
    return None


async def is_public(url: str) -> bool:
    """Whether what is said to `url` leaves this machine and closed networks; not so where the name
    leads nowhere."""
    host = urlsplit(url).hostname or ""
    if literal(host) is not None:
        return refusal(host, private=False) is None
    resolver = Resolver(private=False)
    try:
        async with asyncio.timeout(REACH_WITHIN):
            return bool(await resolver.resolve(host))
    except (TimeoutError, OSError):
        return False
    finally:
        await resolver.close()


def secret_headers(where: str, path: Path | None) -> dict[str, str]:
    """The headers in a secret file, one a line as `Name: value`. Raises `UserError`."""
    headers: dict[str, str] = {}
    for number, line in enumerate(read_secret(where, path).splitlines() if path else (), 1):
        name, colon, value = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        fits = colon and name and all(char.isalnum() or char in "-_" for char in name)
        if not fits or not name.isascii() or not value.strip().isprintable():
            raise UserError(
                f"{where}: secret_file {path}:{number}: is no header; write it as"
                " Authorization: Bearer ..."
            )
        headers[name] = value.strip()
    return headers


def read_secret(where: str, path: Path) -> str:
    """Raises `UserError` where the file cannot be read or is empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not UTF-8"
        raise UserError(f"{where}: secret_file {path}: {why}") from error
    if not text.strip():
        raise UserError(f"{where}: secret_file {path} is empty")
    return text
