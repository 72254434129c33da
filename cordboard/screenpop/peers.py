"""Where a request really comes from: the address and the scheme, seen through trusted proxies."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

from cordboard.errors import UserError


@dataclass(frozen=True, slots=True)
class Peer:
    """`direct` is false where a proxy spoke for the client, trusted or not; `trusted` where the
    connection itself comes from loopback or a trusted proxy."""

    address: str
    secure: bool
    direct: bool
    trusted: bool

    @property
    def loopback(self) -> bool:
        address = _address(self.address)
        return address is not None and address.is_loopback


class Peers:
    """`trusted` are addresses or networks whose X-Forwarded-For and -Proto are believed.

    Raises `UserError` for what is neither.
    """

    def __init__(self, trusted: list[str]) -> None:
        try:
            self._trusted = [ip_network(text, strict=False) for text in trusted]
        except ValueError as error:
            raise UserError(
                f"[http] trusted_proxies: {error}; write addresses such as 10.0.0.5 or 10.0.0.0/24"
            ) from None

    def of(self, request: web.Request) -> Peer:
        address = _plain(request.remote or "")
        forwarded = [
            part.strip()
            for header in request.headers.getall("X-Forwarded-For", [])
            for part in header.split(",")
        ]
        protocol = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip()
        direct = not forwarded and not protocol and "Forwarded" not in request.headers
        own = _address(address)
        near = self._is_trusted(address) or (own is not None and own.is_loopback)
        secure = request.secure
        if self._is_trusted(address):
            secure = secure or protocol.lower() == "https"
            # The nearest proxy's word stands last. What stands before the first address that we
            # do not know may have been written by anybody.
            while forwarded and self._is_trusted(address):
                before = _address(forwarded.pop())
                if before is None:
                    break
                address = str(before)
        return Peer(address, secure, direct, near)

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)


def own_origin(request: web.Request, peer: Peer) -> str:
    """The one Origin from which a browser's session may act: that of the page it is on."""
    return f"{'https' if peer.secure else 'http'}://{request.host}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(_plain(text))
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Without what a socket that speaks both families writes around an IPv4 address."""
    return text.partition("%")[0].removeprefix("::ffff:")
