"""The addresses of other systems: what the configuration may name, and where a name may lead. Pure.

An address that the administrator wrote down as figures, or as localhost, is meant. One that a name
leads to is another's to choose, today or later, so a name may not lead into the machine or its
network unless that was allowed; and nothing leads to where a cloud tells its machines' secrets.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
_PLACEHOLDER = re.compile(r"{([^{}]*)}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def literal(host: str) -> Address | None:
    """The address that `host` is in figures, else None."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def refusal(address: str, *, private: bool) -> str | None:
    """Why no connection is made to this address (in figures), None where it may be; `private`
    allows those of this machine and of closed networks."""
    found = literal(address)
    if found is None:
        return f"{address} is no address"
    site_local = isinstance(found, ipaddress.IPv6Address) and found.is_site_local
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    closed = site_local or found.is_loopback or not found.is_global
    if found in _METADATA or found.is_link_local or found.is_multicast or found.is_unspecified:
        return f"{address} is link-local, multicast, or where a cloud keeps its machines' secrets"
    if not found.is_loopback and found.is_reserved:
        return f"{address} belongs to nobody"
    if closed and not private:
        return f"{address} is of this machine or of a closed network, see allow_private"
    return None


def means_private(url: str) -> bool:
    """Whether the URL itself says that it leads into this machine or a closed network."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or literal(host) is not None


def url_fault(url: str, placeholders: tuple[str, ...] = ()) -> str | None:
    """What is wrong with the URL of another system, in words; None for a good one.
    `placeholders` may stand in its path and query."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "has characters that no URL has; write them percent-encoded"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if "@" in parts.netloc:
        return "has a name or password in it; put it into secret_file as a header"
    if parts.fragment or url.endswith("#"):
        return "has a #, which is never sent; write %23"
    found = literal(host)
    if found is None and not _HOST.fullmatch(host):
        return "has no host name; placeholders stand behind it"
    if found is not None and (why := refusal(host, private=True)):
        return why
    known = set(_PLACEHOLDER.findall(url))
    if unknown := known - set(placeholders):
        return f"has the placeholder {{{sorted(unknown)[0]}}}; there are {_named(placeholders)}"
    if set("{}") & set(_PLACEHOLDER.sub("", url)):
        return "has a brace that belongs to no placeholder"
    return None


def placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text))


def filled(template: str, values: dict[str, str]) -> str:
    """The URL with its placeholders filled in, whatever the values are made of."""
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), template)


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in names) or "none"


def is_under(url: str, start: str) -> bool:
    """Whether `url` is what the administrator allowed with `start`: the same system, and a path
    that begins with whole segments of that one."""
    try:
        if origin_of(url) != origin_of(start):
            return False
    except ValueError:
        return False
    one, other = urlsplit(url), urlsplit(start)
    path = one.path or "/"
    low = path.lower()
    if any(part in (".", "..") for part in low.replace("%2e", ".").split("/")) or "\\" in path:
        return False
    if "%2f" in low or "%5c" in low:
        return False
    base = other.path.rstrip("/")
    return path == base or path.startswith(f"{base}/")


def origin_of(url: str) -> str:
    """Scheme, host and port. Raises `ValueError`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}"
