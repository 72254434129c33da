"""Users, passwords, sessions and tokens, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import pytest
from sqlalchemy import select
from store_fixtures import *  # noqa: F403
from store_fixtures import Clock

from cordboard.crm_core.database import Database
from cordboard.crm_core.model import Draft, User
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.store import Store
from cordboard.crm_core.tables import api_token, app_user, session
from cordboard.crm_core.users import SESSION_SECONDS

PASSWORD = "correct horse"


async def add(store: Store, name: str = "anna", **more: Any) -> User:
    return await store.add_user(name, more.pop("role", "operator"), PASSWORD, **more)


async def test_a_user_logs_in_with_the_right_password_only(store: Store) -> None:
    anna = await add(store, phone="PJSIP/1001", mobile="8 916 123-45-67", language="ru")
    assert (anna.phone, anna.mobile, anna.active) == ("PJSIP/1001", "+79161234567", True)
    assert await store.verify_password("anna", PASSWORD) == anna
    for name, password in (
        ("anna", "wrong horse"),
        ("anna", "\ud800"),
        ("nobody", PASSWORD),
        ("", ""),
    ):
        assert await store.verify_password(name, password) is None


async def test_names_differ_by_more_than_case(store: Store) -> None:
    anna = await add(store, "Анна", display_name="Анна Иванова")
    assert (anna.name, anna.display_name) == ("анна", "Анна Иванова")
    assert await store.user("АННА") == await store.verify_password("анНА", PASSWORD) == anna
    with pytest.raises(FieldsError) as raised:
        await add(store, "аННа")
    assert dict(raised.value.faults).keys() == {"name"}


async def test_a_phone_rings_for_one_active_user_only(store: Store) -> None:
    await add(store, phone="PJSIP/1001")
    with pytest.raises(FieldsError) as raised:
        await add(store, "maria", phone="PJSIP/1001")
    assert dict(raised.value.faults).keys() == {"phone"}
    await store.update_user("anna", {"active": False})
    assert (await add(store, "maria", phone="PJSIP/1001")).phone == "PJSIP/1001"
    with pytest.raises(FieldsError):
        await store.update_user("anna", {"active": True})


async def test_all_faults_of_a_user_are_told_at_once(store: Store) -> None:
    with pytest.raises(FieldsError) as raised:
        await store.add_user("a b", "king", "short", phone="1001", mobile="12", language="xx")
    fields = {"name", "role", "password", "phone", "mobile", "language"}
    assert dict(raised.value.faults).keys() == fields
    assert await store.users() == []


@pytest.mark.parametrize("password", ["", "seven77", "x" * 129, "correct \ud800 horse"])
async def test_a_password_that_is_too_short_too_long_or_cannot_be_typed_is_refused(
    store: Store, password: str
) -> None:
    await add(store)
    with pytest.raises(FieldsError):
        await store.set_password("anna", password)
    assert await store.verify_password("anna", PASSWORD) is not None


async def test_a_closed_account_neither_logs_in_nor_keeps_sessions_or_tokens(store: Store) -> None:
    anna = await add(store)
    opaque, token = await store.open_session(anna), await store.issue_token(anna)
    assert await store.session_user(opaque) == await store.token_user(token) == anna
    closed = await store.update_user("anna", {"active": False})
    assert closed is not None
    assert not closed.active
    assert await store.verify_password("anna", PASSWORD) is None
    assert await store.session_user(opaque) is None
    assert await store.token_user(token) is None
    await store.update_user("anna", {"active": True})
    assert await store.session_user(opaque) is None


async def test_a_new_role_or_password_ends_the_sessions(store: Store) -> None:
    anna = await add(store)
    opaque = await store.open_session(anna)
    await store.update_user("anna", {"display_name": "Anna", "role": "operator"})
    assert await store.session_user(opaque) is not None
    await store.update_user("anna", {"role": "supervisor"})
    assert await store.session_user(opaque) is None
    opaque = await store.open_session(anna)
    assert await store.set_password("ANNA", "another horse")
    assert await store.session_user(opaque) is None
    assert await store.verify_password("anna", PASSWORD) is None
    assert await store.verify_password("anna", "another horse") is not None
    assert not await store.set_password("nobody", "another horse")


async def test_a_session_ends_by_logout_and_by_time(store: Store, clock: Clock) -> None:
    anna = await add(store)
    first, second = await store.open_session(anna), await store.open_session(anna)
    assert first != second
    await store.close_session(first)
    await store.close_session("never opened")
    assert await store.session_user(first) is None
    clock.now += SESSION_SECONDS - 1
    assert await store.session_user(second) == anna
    clock.now += 1
    assert await store.session_user(second) is None


async def test_ended_sessions_are_swept_away_by_the_next_login(store: Store, clock: Clock) -> None:
    anna = await add(store)
    await store.open_session(anna)
    clock.now += SESSION_SECONDS
    await store.open_session(anna)
    assert len(await store.database.rows(select(session.c.id))) == 1


async def test_a_sessions_last_sight_is_written_at_most_once_a_minute(
    store: Store, clock: Clock
) -> None:
    opaque = await store.open_session(await add(store))
    opened = clock.now

    async def seen() -> float:
        await store.session_user(opaque)
        return float((await store.database.rows(select(session.c.last_seen_at)))[0][0])

    clock.now += 59
    assert await seen() == opened
    clock.now += 2
    assert await seen() == clock.now


async def test_the_database_holds_no_secret_that_opens_anything(store: Store) -> None:
    anna = await add(store)
    secrets = (PASSWORD, await store.open_session(anna), await store.issue_token(anna))
    kept = ""
    for table in (app_user, session, api_token):
        kept += str([tuple(row) for row in await store.database.rows(select(table))])
    assert "$argon2id$" in kept
    assert not any(secret in kept for secret in secrets)


async def test_tokens_are_revoked_all_together(store: Store) -> None:
    anna = await add(store)
    tokens = [await store.issue_token(anna) for _ in range(2)]
    assert await store.revoke_tokens("anna") == 2
    assert [await store.token_user(token) for token in tokens] == [None, None]
    assert await store.token_user("cb_nonsense") is None


async def test_a_manager_who_goes_leaves_the_customers(store: Store) -> None:
    await add(store)
    created = await store.create_customer(Draft("A", manager="anna"))
    await store.update_user("anna", {"active": False})
    kept = await store.customer(created.customer.id)
    assert kept is not None
    assert kept.manager is not None
    with pytest.raises(FieldsError):
        await store.create_customer(Draft("B", manager="anna"))


async def test_unknown_users_change_nothing(store: Store) -> None:
    assert await store.update_user("nobody", {"role": "admin"}) is None
    await add(store)
    with pytest.raises(FieldsError):
        await store.update_user("anna", {"password_hash": "x"})


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(sqlite_url: str) -> None:
    store = Store(sqlite_url)
    await store.open()
    await add(store)
    hashes: list[str] = []
    verify = store._verify

    def spy(digest: str, password: str) -> bool:
        hashes.append(digest)
        return verify(digest, password)

    store._verify = spy  # type: ignore[method-assign]
    for name in ("anna", "nobody"):
        await store.verify_password(name, "wrong horse")
    await store.close()
    known, decoy = (digest.rsplit("$", 2)[0] for digest in hashes)
    assert known == decoy


async def test_hashing_does_not_hold_up_the_event_loop(sqlite_url: str) -> None:
    store = Store(sqlite_url)
    await store.open()
    await add(store)
    gaps = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            gaps.append(time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    hashing = time.perf_counter()
    await store.verify_password("anna", PASSWORD)
    hashing = time.perf_counter() - hashing
    watching.cancel()
    await store.close()
    assert len(gaps) > 20
    assert statistics.median(gaps) < hashing / 5


def test_a_database_that_is_not_open_says_so(sqlite_url: str) -> None:
    with pytest.raises(LookupError, match="not open"):
        asyncio.run(Database(sqlite_url).rows(select(1)))
