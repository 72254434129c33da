"""What scripts ask of other systems: only who may be asked, and whatever comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outside_system import Mood, OutsideSystem, cuts, outside_system, says, sends

from cordboard.addresses import is_under
from cordboard.enquiries import BODY_AT_MOST, Enquiries
from cordboard.errors import PeerError, UserError
from cordboard.ivr.turns import Request

SAVE = {"tariff": "customer.contracts.0.tariff", "limit": "customer.limit"}


@pytest.fixture
async def other() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as system:
        yield system


def request(url: str, **more: Any) -> Request:
    values: dict[str, Any] = {"method": "GET", "body": None, "secret": None, "save": SAVE} | more
    return Request("step", url=url, deadline=2.0, **values)


async def asked(url: str, allow: str, secrets: Any = None, **more: Any) -> dict[str, Any]:
    enquiries = Enquiries([allow], secrets or {})
    try:
        return await enquiries.ask(request(url, **more))
    finally:
        await enquiries.close()


async def test_what_a_script_saves_is_found_in_the_answer(other: OutsideSystem) -> None:
    contracts = [{"tariff": "Pro\u0007 100"}]
    other.mood = says({"customer": {"contracts": contracts, "limit": 12.5}})
    found = await asked(f"{other.base}/ivr/x?n=7", f"{other.base}/ivr/")
    assert found == {"tariff": "Pro 100", "limit": Decimal("12.5")}


async def test_what_is_not_there_or_is_no_plain_value_is_left_out(other: OutsideSystem) -> None:
    other.mood = says({"customer": {"contracts": [], "limit": {"a": 1}}})
    assert await asked(f"{other.base}/", f"{other.base}/") == {}


async def test_a_body_is_sent_as_json_and_the_token_as_a_header(
    other: OutsideSystem, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("abc123\n")
    body = {"account": "7", "amount": Decimal("10.50")}
    secrets = {"crm": tmp_path / "token"}
    await asked(
        f"{other.base}/", f"{other.base}/", secrets, method="POST", body=body, secret="crm", save={}
    )
    (heard,) = other.heard
    assert heard.body == b'{"account": "7", "amount": 10.5}'
    assert heard.headers["Authorization"] == "Bearer abc123"


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (says({}, status=500), "HTTP 500"),
        (sends(b"", 302, Location="http://127.0.0.1/"), "HTTP 302"),
        (sends(b"[" * (BODY_AT_MOST + 1)), "more than"),
        (sends(b"{'a'"), "not JSON"),
        (cuts, "payload|disconnect|reset|Cannot"),
    ],
)
async def test_whatever_else_comes_is_told_in_words(
    other: OutsideSystem, mood: Mood, why: str
) -> None:
    other.mood = mood
    with pytest.raises(PeerError, match=why):
        await asked(f"{other.base}/", f"{other.base}/")


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://crm.example.com/ivr/x", True),
        ("https://crm.example.com/ivr/", True),
        ("https://crm.example.com:443/ivr/x?a=../..", True),
        ("https://crm.example.com/ivrs", False),
        ("https://crm.example.com/", False),
        ("https://crm.example.com/ivr/../admin", False),
        ("https://crm.example.com/ivr/%2e%2e/admin", False),
        ("https://crm.example.com/ivr/..%2fadmin", False),
        ("https://crm.example.com/ivr/..\\admin", False),
        ("http://crm.example.com/ivr/x", False),
        ("https://crm.example.com:8443/ivr/x", False),
        ("https://crm.example.com.evil.org/ivr/x", False),
        ("https://evil.org/https://crm.example.com/ivr/", False),
    ],
)
def test_only_what_is_under_an_allowed_beginning_may_be_asked(url: str, is_allowed: bool) -> None:
    assert is_under(url, "https://crm.example.com/ivr/") == is_allowed


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "file:///etc/passwd", "http://user:pw@127.0.0.1/", "x"],
)
async def test_no_url_leads_where_it_must_not(url: str) -> None:
    with pytest.raises(PeerError):
        await asked(url, url)


async def test_a_name_leads_into_no_closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(*args: Any, **more: Any) -> Any:
        return [(2, 1, 6, "", ("10.0.0.7", 80))]

    monkeypatch.setattr("socket.getaddrinfo", here)
    with pytest.raises(PeerError, match="closed network"):
        await asked("http://crm.example.com/", "http://crm.example.com/")


def test_a_token_that_cannot_be_read_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"scripts\.secrets"):
        Enquiries([], {"crm": tmp_path / "gone"})
