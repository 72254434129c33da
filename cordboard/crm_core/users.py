"""Users, their passwords, sessions and tokens.

The database holds only digests: Argon2id of passwords, SHA-256 of session ids and tokens, which
are random enough (256 bits) to need no salt and no slow hash.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection, Executable, Row, delete, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from cordboard.crm_core.database import Database, new_id
from cordboard.crm_core.model import User
from cordboard.crm_core.phones import normalise
from cordboard.crm_core.rules import (
    CustomerRules,
    FieldsError,
    password_faults,
    tidy,
    user_faults,
    user_key,
)
from cordboard.crm_core.tables import api_token, app_user, session
from cordboard.errors import PeerError
from cordboard.events import QueueName

PASSWORD_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's least for Argon2id. More would be spent from the cores that route callers."""
SESSION_SECONDS = 12 * 3600.0
"""A shift and its overtime; then the operator logs in again."""
TOUCH_SECONDS = 60.0
"""How stale `last_seen_at` may be: a busy console must not mean a write for every request."""
TOUCH_WITHIN = 0.5
HASHING_AT_MOST = 2

_USER_COLUMNS = (
    app_user.c.id,
    app_user.c.name,
    app_user.c.display_name,
    app_user.c.role,
    app_user.c.phone,
    app_user.c.mobile,
    app_user.c.language,
    app_user.c.active,
    app_user.c.queues,
)
_CHANGEABLE = frozenset({"display_name", "role", "phone", "mobile", "language", "active", "queues"})


class Users:
    """The users of a store."""

    def __init__(
        self,
        database: Database,
        rules: CustomerRules,
        clock: Callable[[], float],
        hasher: PasswordHasher,
        session_seconds: float,
    ) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._hasher = hasher
        self._session_seconds = session_seconds
        self._hashing = asyncio.Semaphore(HASHING_AT_MOST)
        self._decoy: str | None = None

    async def add_user(
        self,
        name: str,
        role: str,
        password: str,
        *,
        display_name: str | None = None,
        phone: str | None = None,
        mobile: str | None = None,
        language: str | None = None,
        queues: Sequence[tuple[str, int]] = (),
    ) -> User:
        """`phone` is a queue member's interface (PJSIP/1001), `mobile` is read as telephone
        numbers are, `queues` are pairs of name and penalty. Raises `FieldsError`, also where the
        name or the phone is taken."""
        key, e164 = user_key(name), self._mobile(mobile)
        faults = user_faults(key, role, phone, e164, language, self._rules.languages, queues)
        faults += password_faults(password)
        if faults:
            raise FieldsError(faults)
        row = {
            "id": new_id(self._clock()),
            "name": key,
            "display_name": tidy(display_name or "") or name.strip(),
            "role": role,
            "password_hash": await self._hash(password),
            "phone": phone,
            "mobile": e164,
            "language": language,
            "active": True,
            "queues": json.dumps(list(queues)),
        }
        await self._write_user(insert(app_user).values(row))
        added = await self.user(key)
        assert added is not None
        return added

    async def update_user(self, name: str, changes: Mapping[str, Any]) -> User | None:
        """`changes` may hold display_name, role, phone, mobile, language, active and queues. A
        new role or none at all ends the user's sessions. None for an unknown name. Raises
        `FieldsError`."""
        known = await self.user(name)
        if known is None:
            return None
        unknown = sorted(changes.keys() - _CHANGEABLE)
        if unknown:
            raise FieldsError([(field, "there is no such field") for field in unknown])
        values = dict(changes)
        if "mobile" in values:
            values["mobile"] = self._mobile(values["mobile"])
        role, phone = values.get("role", known.role), values.get("phone", known.phone)
        mobile, language = values.get("mobile"), values.get("language")
        queues = values.get("queues", known.queues)
        languages = self._rules.languages
        faults = user_faults(known.name, role, phone, mobile, language, languages, queues)
        if faults:
            raise FieldsError(faults)
        if "queues" in values:
            values["queues"] = json.dumps(list(queues))
        if values:
            await self._write_user(update(app_user).where(app_user.c.id == known.id).values(values))
        if role != known.role or not values.get("active", True):
            await self.close_sessions(known.name)
        return await self.user(known.name)

    async def set_password(self, name: str, password: str) -> bool:
        """False for an unknown name. Ends the user's sessions. Raises `FieldsError`."""
        faults = password_faults(password)
        if faults:
            raise FieldsError(faults)
        digest = await self._hash(password)
        changed = await self._execute(
            update(app_user).where(app_user.c.name == user_key(name)).values(password_hash=digest)
        )
        await self.close_sessions(name)
        return changed == 1

    async def verify_password(self, name: str, password: str) -> User | None:
        """The active user of this name and password. It takes as long for unknown names and
        closed accounts, so the time tells nobody which names exist."""
        if self._decoy is None:
            self._decoy = await self._hash(secrets.token_urlsafe())
        rows = await self._database.rows(
            select(*_USER_COLUMNS, app_user.c.password_hash).where(
                app_user.c.name == user_key(name)
            )
        )
        digest = rows[0].password_hash if rows else self._decoy
        async with self._hashing:
            right = await asyncio.to_thread(self._verify, digest, password)
        return _user(rows[0]) if rows and right and rows[0].active else None

    async def users(self) -> list[User]:
        """All users, closed accounts too, by name."""
        rows = await self._database.rows(select(*_USER_COLUMNS).order_by(app_user.c.name))
        return [_user(row) for row in rows]

    async def user(self, name: str) -> User | None:
        chosen = select(*_USER_COLUMNS).where(app_user.c.name == user_key(name))
        rows = await self._database.rows(chosen)
        return _user(rows[0]) if rows else None

    async def open_session(self, user: User) -> str:
        """A new session's opaque id, for the cookie; it is not kept and cannot be read back."""
        opaque, now = secrets.token_urlsafe(32), self._clock()
        row = {
            "id": _digest(opaque),
            "user_id": user.id,
            "created_at": now,
            "expires_at": now + self._session_seconds,
            "last_seen_at": now,
        }
        await self._execute(
            delete(session).where(session.c.expires_at <= now), insert(session).values(row)
        )
        return opaque

    async def session_user(self, opaque: str) -> User | None:
        """The active user of a session that has not ended."""
        now, key = self._clock(), _digest(opaque)
        rows = await self._database.rows(
            select(*_USER_COLUMNS, session.c.last_seen_at)
            .join(session, session.c.user_id == app_user.c.id)
            .where(session.c.id == key, session.c.expires_at > now, app_user.c.active == true())
        )
        if not rows:
            return None
        if rows[0].last_seen_at < now - TOUCH_SECONDS:
            await self._touch(key, now)
        return _user(rows[0])

    async def close_session(self, opaque: str) -> None:
        """Logging out; an unknown session is no fault."""
        await self._execute(delete(session).where(session.c.id == _digest(opaque)))

    async def close_sessions(self, name: str) -> None:
        """Ends all sessions of a user."""
        await self._execute(delete(session).where(session.c.user_id.in_(_id_of(name))))

    async def issue_token(self, user: User) -> str:
        """A new bearer token, shown only now."""
        token = "cb_" + secrets.token_urlsafe(32)
        row = {"id": _digest(token), "user_id": user.id, "created_at": self._clock()}
        await self._execute(insert(api_token).values(row))
        return token

    async def token_user(self, token: str) -> User | None:
        """The active user of a token that was not revoked."""
        rows = await self._database.rows(
            select(*_USER_COLUMNS)
            .join(api_token, api_token.c.user_id == app_user.c.id)
            .where(
                api_token.c.id == _digest(token),
                api_token.c.revoked_at.is_(None),
                app_user.c.active == true(),
            )
        )
        return _user(rows[0]) if rows else None

    async def holders(self, sessions: Sequence[str], tokens: Sequence[str]) -> dict[str, User]:
        """Who holds each of these open sessions and tokens, in two queries; those that have ended
        are left out. Looking does not count as use."""
        found: dict[str, User] = {}
        live = session.c.expires_at > self._clock()
        valid = api_token.c.revoked_at.is_(None)
        for table, secret_ids, holds in ((session, sessions, live), (api_token, tokens, valid)):
            digests = {_digest(secret): secret for secret in secret_ids}
            if digests:
                rows = await self._database.rows(
                    select(*_USER_COLUMNS, table.c.id.label("holding"))
                    .join(table, table.c.user_id == app_user.c.id)
                    .where(table.c.id.in_(digests), holds, app_user.c.active == true())
                )
                found |= {digests[row.holding]: _user(row) for row in rows}
        return found

    async def revoke_tokens(self, name: str) -> int:
        """Revokes all tokens of a user; how many there were."""
        return await self._execute(
            update(api_token)
            .where(api_token.c.user_id.in_(_id_of(name)), api_token.c.revoked_at.is_(None))
            .values(revoked_at=self._clock())
        )

    def _mobile(self, raw: str | None) -> str | None:
        """E.164, or the empty string where `raw` is no number."""
        return None if raw is None else normalise(raw, self._rules.region) or ""

    async def _write_user(self, statement: Any) -> None:
        try:
            await self._execute(statement)
        except PeerError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            # Both drivers name the column: app_user.name, uq_app_user_name
            field = "phone" if "phone" in str(error) else "name"
            raise FieldsError([(field, "is taken by another user")]) from None

    async def _execute(self, *statements: Executable) -> int:
        """Runs `statements` in one transaction; how many rows the last one touched."""

        def write(connection: Connection) -> int:
            return [connection.execute(statement) for statement in statements][-1].rowcount

        return await self._database.write(write)

    async def _touch(self, key: str, now: float) -> None:
        """Notes that a session is in use, if the database takes it soon: while it can be read but
        not written to, nobody is sent home for that."""
        seen = update(session).where(session.c.id == key).values(last_seen_at=now)
        with contextlib.suppress(PeerError, TimeoutError):
            async with asyncio.timeout(TOUCH_WITHIN):
                await self._execute(seen)

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False


def _id_of(name: str) -> Any:
    return select(app_user.c.id).where(app_user.c.name == user_key(name))


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        display_name=row.display_name,
        role=row.role,
        phone=row.phone,
        mobile=row.mobile,
        language=row.language,
        active=row.active,
        queues=tuple((QueueName(queue), penalty) for queue, penalty in json.loads(row.queues)),
    )
