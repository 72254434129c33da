"""Who is asking: session cookies of browsers, bearer tokens of programs, and the door itself."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

import structlog
from aiohttp import web

from cordboard.crm_core.model import Role, User
from cordboard.crm_core.rules import PASSWORD_AT_MOST, user_key
from cordboard.crm_core.store import Store
from cordboard.errors import PeerError
from cordboard.screenpop.faults import ApiError
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.peers import Peer, own_origin
from cordboard.screenpop.views import Viewer

log = structlog.get_logger(__name__)

COOKIE = "cordboard_session"
RECHECK_SECONDS = 3
KNOWN_SECONDS = 600
KNOWN_AT_MOST = 2000
"""For how long, and how many of, those who were let in are known while the database is away."""
NAME_AT_MOST = 64
_BAD_ORIGIN = (
    "the Origin header is not that of this server's pages (a proxy in front must pass Host and"
    " X-Forwarded-Proto on, and stand in [http] trusted_proxies)"
)

PEER: web.RequestKey[Peer] = web.RequestKey("peer", Peer)


@dataclass(frozen=True, slots=True)
class Login:
    """A user whom we know. `credential` is what they showed: secret, never to be logged. `csrf`
    is the token that a browser's session must send along; None for a program."""

    user: User
    credential: str
    csrf: str | None

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.user.name, self.user.role)


class Attempts:
    """Failed logins of one kind of key, such as addresses. Keeps the last `keys` keys only.

    `now` is monotonic seconds everywhere.
    """

    def __init__(self, allowed: int, within: float, keys: int = 10_000) -> None:
        self._allowed = allowed
        self._within = within
        self._keys = keys
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` may try again; 0 where it may now."""
        moments = self._failed.get(key)
        if moments is None or len(moments) < self._allowed:
            return 0
        return max(0.0, moments[0] + self._within - now)

    def count(self, key: str, now: float) -> None:
        """One more attempt, which is taken back where it succeeds."""
        moments = self._failed.setdefault(key, deque(maxlen=self._allowed))
        while moments and moments[0] <= now - self._within:
            moments.popleft()
        moments.append(now)
        self._failed.move_to_end(key)
        if len(self._failed) > self._keys:
            self._failed.popitem(last=False)

    def take_back(self, key: str) -> None:
        """The last attempt was none: it got in."""
        if moments := self._failed.get(key):
            moments.pop()

    def forget(self, key: str) -> None:
        self._failed.pop(key, None)


class TooManyAttemptsError(Exception):
    """`wait` seconds must pass before the next login."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many attempts; wait {wait:.0f} s")
        self.wait = wait


class Doors:
    """Logging in and out, and finding out who asks."""

    def __init__(self, store: Store, hub: Hub, clock: Callable[[], float]) -> None:
        self._store = store
        self._hub = hub
        self._clock = clock
        self._of_account = Attempts(10, 300)
        self._seen: OrderedDict[str, tuple[User, float]] = OrderedDict()
        # An office behind one address has many people who mistype, and all log in at nine.
        self._of_address = Attempts(100, 300)

    async def log_in(self, name: str, password: str, peer: Peer, former: str | None) -> str:
        """The opaque id of a new session, for the cookie; `former` is the cookie that the browser
        had, which ends here.

        Raises `TooManyAttemptsError`; `PermissionError` for a wrong name or password alike, after
        the same time.
        """
        account, now = user_key(name)[:NAME_AT_MOST], self._clock()
        wait = max(self._of_account.wait(account, now), self._of_address.wait(peer.address, now))
        if wait > 0:
            raise TooManyAttemptsError(wait)
        # Counted before the slow part, or a burst of attempts would all be let through.
        self._of_account.count(account, now)
        self._of_address.count(peer.address, now)
        user = await self._store.verify_password(account, password[: PASSWORD_AT_MOST + 1])
        if user is None:
            log.warning("login refused", address=peer.address)
            raise PermissionError("wrong name or password")
        self._of_account.forget(account)
        self._of_address.take_back(peer.address)
        if former is not None:
            await self.log_out(former)
        return await self._store.open_session(user)

    async def log_out(self, opaque: str) -> None:
        """Ends a session, and its streams at once; an unknown one is no fault."""
        self._seen.pop(opaque, None)
        await self._store.close_session(opaque)
        self._hub.drop_session(_of_cookie(opaque))

    async def who(self, request: web.Request) -> Login | None:
        """Who sent this request, None for nobody. A bearer token that is there but does not hold
        is nobody, whatever the cookie. Raises `PeerError`."""
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            user = None
            if scheme.lower() == "bearer" and token.strip():
                user = await self._holder(self._store.token_user, token.strip())
            return Login(user, f"token {token.strip()}", None) if user else None
        opaque = request.cookies.get(COOKIE)
        user = await self._holder(self._store.session_user, opaque) if opaque else None
        return Login(user, _of_cookie(opaque), csrf_of(opaque)) if opaque and user else None

    async def _holder(
        self, ask: Callable[[str], Awaitable[User | None]], secret: str
    ) -> User | None:
        """Who holds a session or token. While the database is away, those who were let in shortly
        before are known all the same: what they write about a call is not lost for that."""
        now = self._clock()
        try:
            user = await ask(secret)
        except PeerError:
            user, seen = self._seen.get(secret, (None, 0.0))
            if user is None or now - seen > KNOWN_SECONDS:
                raise
            return user
        self._seen.pop(secret, None)
        if user is not None:
            self._seen[secret] = user, now
            if len(self._seen) > KNOWN_AT_MOST:
                self._seen.popitem(last=False)
        return user

    async def admit(self, request: web.Request, roles: Container[Role]) -> Login:
        """The user who sent this request, whose role is one of `roles`.

        A browser's session is believed only where the page that acts is our own: Origin for a
        WebSocket, and Origin and the CSRF token for everything that is not merely read. Raises
        `ApiError` 401 or 403, `PeerError`.
        """
        login = await self.who(request)
        if login is None:
            bearer = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "unauthorized", "log in, or send a bearer token", headers=bearer)
        if login.csrf is not None:
            upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
            if upgrade or request.method not in ("GET", "HEAD"):
                require_own_origin(request)
            if request.method not in ("GET", "HEAD"):
                require_csrf(login, request.headers.get("X-CSRF-Token", ""))
        if login.user.role not in roles:
            raise ApiError(403, "forbidden", f"this is not for the role {login.user.role}")
        return login

    async def recheck(self) -> None:
        """Ends the streams of those whose session, token, account or role is no longer what it
        was. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            behind = self._hub.credentials()
            kinds: dict[str, list[str]] = {"token": [], "session": []}
            for credential in behind:
                kind, _, secret = credential.partition(" ")
                kinds[kind].append(secret)
            try:
                holders = await self._store.holders(kinds["session"], kinds["token"])
            except PeerError:
                continue  # the database is away; nobody is sent home for that
            now = self._clock()
            self._seen |= {secret: (user, now) for secret, user in holders.items()}
            for credential, viewer in behind.items():
                user = holders.get(credential.partition(" ")[2])
                if user is None or Viewer(user.name, user.role) != viewer:
                    self._seen.pop(credential.partition(" ")[2], None)
                    log.info("signed out", user=viewer.name)
                    self._hub.drop_session(credential)


def csrf_of(opaque: str) -> str:
    """The token that a page of this session carries. Whoever knows it does not know the session."""
    return hmac.new(opaque.encode(), b"cordboard csrf", hashlib.sha256).hexdigest()


def require_own_origin(request: web.Request) -> None:
    """Raises `ApiError` 403 where the request does not say that it comes from our own page."""
    origins = request.headers.getall("Origin", [])
    if origins != [own_origin(request, request[PEER])]:
        raise ApiError(403, "bad-origin", _BAD_ORIGIN)


def require_csrf(login: Login, given: str) -> None:
    """Raises `ApiError` 403."""
    if login.csrf is None or not hmac.compare_digest(login.csrf.encode(), given.encode()):
        raise ApiError(403, "bad-csrf", "the X-CSRF-Token header is not that of this session")


def _of_cookie(opaque: str) -> str:
    return f"session {opaque}"
