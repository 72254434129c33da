"""Live streams end with the login behind them."""

from __future__ import annotations

from typing import Any

import pytest
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk

from cordboard.screenpop import sessions
from cordboard.screenpop.hub import SIGNED_OUT


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logins are rechecked all the time, not every few seconds."""
    assert sessions.RECHECK_SECONDS < 5
    monkeypatch.setattr(sessions, "RECHECK_SECONDS", 0.05)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens, happens without a recheck."""
    monkeypatch.setattr(sessions, "RECHECK_SECONDS", 3600)


async def test_logging_out_closes_the_streams_of_that_login_at_once(
    unhurried: None, desk: Desk
) -> None:
    one, two = await desk.browser("anna"), await desk.browser("anna")
    async with (
        desk.stream("anna", headers=one.headers) as mine,
        desk.stream("anna", headers=two.headers) as other,
    ):
        session = (await mine.next())["session"]
        await other.next()
        status, _, _ = await desk.ask(
            "POST", "/logout", headers=one.headers, data={"csrf": one.headers["X-CSRF-Token"]}
        )
        assert status == 303
        assert await mine.closed() == SIGNED_OUT
        await other.echo()
    async with desk.stream("anna", f"?session={session}&after=0") as again:
        assert (await again.next())["type"] == "snapshot"


@pytest.mark.parametrize("change", [{"role": "supervisor"}, {"active": False}])
async def test_another_role_or_a_closed_account_closes_the_streams(
    hurried: None, desk: Desk, change: dict[str, Any]
) -> None:
    async with desk.stream("anna") as anna, desk.stream("boris") as boris:
        await anna.next()
        await boris.next()
        await desk.store.update_user("anna", change)
        assert await anna.closed() == SIGNED_OUT
        await boris.echo()


async def test_a_revoked_token_closes_its_streams(hurried: None, desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        await anna.next()
        await desk.store.revoke_tokens("anna")
        assert await anna.closed() == SIGNED_OUT
