"""Logging in and out, and which page may act for whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from screenpop_server import *  # noqa: F403
from screenpop_server import PASSWORD, Desk, Place, open_desk
from websockets.exceptions import InvalidStatus

from cordboard.crm_core.model import User
from cordboard.crm_core.store import Store
from cordboard.screenpop.sessions import COOKIE, Attempts, csrf_of


async def log_in(
    desk: Desk, name: str = "anna", password: str = PASSWORD, **more: Any
) -> tuple[int, str, Any]:
    headers = {"Origin": desk.origin, **more.pop("headers", {})}
    form = {"name": name, "password": password, **more}
    status, text, response = await desk.ask("POST", "/login", headers=headers, data=form)
    return status, text, response


async def test_logging_in_gives_a_cookie_that_scripts_and_other_sites_cannot_use(
    desk: Desk,
) -> None:
    status, _, response = await log_in(desk, next="/wallboard?x=1")
    assert (status, response.headers["Location"]) == (303, "/wallboard?x=1")
    cookie = response.headers["Set-Cookie"]
    assert set(cookie.split("; ")[1:]) == {"HttpOnly", "Path=/", "SameSite=Strict"}
    opaque = response.cookies[COOKIE].value
    assert (await desk.store.session_user(opaque)).name == "anna"  # type: ignore[union-attr]


async def test_the_cookie_is_for_tls_alone_where_the_proxy_speaks_it(place: Place) -> None:
    async with open_desk(place, trusted_proxies=["127.0.0.1"]) as desk:
        headers = {"X-Forwarded-Proto": "https", "Origin": desk.origin.replace("http:", "https:")}
        status, _, response = await log_in(desk, headers=headers)
        assert status == 303
        assert "Secure" in response.headers["Set-Cookie"].split("; ")
        assert "Strict-Transport-Security" in response.headers


async def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nothing(desk: Desk) -> None:
    answers = []
    for name in ("anna", "nobody"):
        status, text, response = await log_in(desk, name, "wrong horse")
        assert status == 401
        assert "Set-Cookie" not in response.headers
        answers.append(text.replace(name, "NAME"))
    assert answers[0] == answers[1]
    assert "Wrong name or password" in answers[0]


async def test_a_login_that_failed_keeps_the_name_as_text(desk: Desk) -> None:
    _, text, _ = await log_in(desk, '"><script>alert(1)</script>', "x")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


async def test_an_account_is_guessed_at_ten_times_in_five_minutes(desk: Desk) -> None:
    for name in ("anna", "nobody"):
        for _ in range(10):
            assert (await log_in(desk, name, "wrong"))[0] == 401
        status, _, response = await log_in(desk, name.upper(), PASSWORD)
        assert status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 301
    assert (await log_in(desk, "boris"))[0] == 303
    desk.clock.now += 301
    assert (await log_in(desk, "anna"))[0] == 303


async def test_an_address_guesses_a_hundred_times_in_five_minutes(desk: Desk) -> None:
    for number in range(100):
        assert (await log_in(desk, f"user{number}", "wrong"))[0] == 401
    assert (await log_in(desk, "anna"))[0] == 429
    desk.clock.now += 301
    assert (await log_in(desk, "anna"))[0] == 303


async def test_who_gets_in_starts_anew(desk: Desk) -> None:
    for _ in range(3):
        for _ in range(9):
            assert (await log_in(desk, "anna", "wrong"))[0] == 401
        assert (await log_in(desk, "anna"))[0] == 303


async def test_an_office_that_logs_in_at_nine_is_no_attacker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def right(self: Store, name: str, password: str) -> User:
        return desk.users["anna"]

    monkeypatch.setattr(Store, "verify_password", right)
    for number in range(110):
        assert (await log_in(desk, f"user{number}"))[0] == 303


def test_attempts_remember_a_bounded_number_of_keys() -> None:
    attempts = Attempts(1, 300, keys=3)
    for number in range(10):
        attempts.count(str(number), 0)
    assert [attempts.wait(str(number), 0) > 0 for number in range(10)] == [False] * 7 + [True] * 3


async def test_logging_in_ends_the_session_that_the_browser_had(desk: Desk) -> None:
    former = await desk.browser("anna")
    _, _, response = await log_in(desk, headers={"Cookie": f"{COOKIE}={former.opaque}"})
    assert response.cookies[COOKIE].value != former.opaque
    assert await desk.store.session_user(former.opaque) is None


async def test_logging_out_ends_the_session(desk: Desk) -> None:
    browser = await desk.browser("anna")
    status, _, response = await desk.ask("POST", "/logout", headers=browser.headers)
    assert (status, response.headers["Location"]) == (303, "/login")
    assert response.cookies[COOKIE].value == ""
    assert await desk.store.session_user(browser.opaque) is None
    assert (await desk.ask("GET", "/api/v1/me", headers=browser.headers))[0] == 401


async def test_logging_out_needs_the_pages_token(desk: Desk) -> None:
    browser = await desk.browser("anna")
    del browser.headers["X-CSRF-Token"]
    assert (await desk.ask("POST", "/logout", headers=browser.headers))[0] == 403
    assert await desk.store.session_user(browser.opaque) is not None


@pytest.mark.parametrize(
    "next_page",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\evil", "/\n/evil", "", "x"],
)
async def test_logging_in_never_leads_to_another_site(desk: Desk, next_page: str) -> None:
    _, _, response = await log_in(desk, next=next_page)
    assert response.headers["Location"] == "/"


async def test_a_page_for_nobody_leads_to_the_login_and_back(desk: Desk) -> None:
    status, _, response = await desk.ask("GET", "/wallboard")
    assert (status, response.headers["Location"]) == (303, "/login?next=/wallboard")
    status, page, _ = await desk.ask("GET", "/login?next=/wallboard")
    assert status == 200
    assert re.search(r'name="next" value="/wallboard"', page)


async def test_the_login_page_sends_on_whom_it_knows(desk: Desk) -> None:
    browser = await desk.browser("anna")
    assert (await desk.ask("GET", "/login", headers=browser.headers))[0] == 303


def origins(desk: Desk) -> dict[str, str | None]:
    return {
        "absent": None,
        "null": "null",
        "empty": "",
        "suffix": f"{desk.origin}.evil.example",
        "prefix": f"http://evil.{desk.origin.removeprefix('http://')}",
        "path": f"{desk.origin}/",
        "case": desk.origin.upper(),
        "port": f"http://127.0.0.1:{desk.port + 1}",
        "no port": "http://127.0.0.1",
        "scheme": desk.origin.replace("http", "https"),
        "other name": f"http://localhost:{desk.port}",
        "userinfo": desk.origin.replace("//", "//x@"),
        "two": f"{desk.origin} {desk.origin}",
    }


async def test_a_browser_streams_from_our_own_pages_alone(desk: Desk) -> None:
    browser = await desk.browser("anna")
    for name, origin in origins(desk).items():
        headers = {"Cookie": browser.headers["Cookie"]}
        if origin is not None:
            headers["Origin"] = origin
        with pytest.raises(InvalidStatus) as refused:
            async with desk.dial("anna", headers=headers):
                pass
        assert refused.value.response.status_code == 403, name
    headers = {"Cookie": browser.headers["Cookie"], "Origin": desk.origin}
    async with desk.stream("anna", headers=headers) as anna:
        assert (await anna.next())["user"]["name"] == "anna"


async def test_a_browser_acts_from_our_own_pages_alone(desk: Desk) -> None:
    browser = await desk.browser("anna")
    body = {"name": "Иван"}
    for name, origin in origins(desk).items():
        headers = {k: v for k, v in browser.headers.items() if k != "Origin"}
        if origin is not None:
            headers["Origin"] = origin
        for path in ("/api/v1/customers", "/logout", "/login"):
            sent: dict[str, Any] = {"json": body} if path.startswith("/api") else {"data": body}
            assert (await desk.ask("POST", path, headers=headers, **sent))[0] == 403, (name, path)
    status, _, _ = await desk.ask("POST", "/api/v1/customers", headers=browser.headers, json=body)
    assert status == 201


async def test_a_browser_acts_with_its_own_sessions_token_alone(desk: Desk) -> None:
    browser, other = await desk.browser("anna"), await desk.browser("anna")
    for token in (None, "", "x", other.headers["X-CSRF-Token"], browser.opaque, "ё"):
        headers = {k: v for k, v in browser.headers.items() if k != "X-CSRF-Token"}
        if token is not None:
            headers["X-CSRF-Token"] = token
        answer = await desk.ask("POST", "/api/v1/customers", headers=headers, json={"name": "Иван"})
        assert (answer[0], answer[1]["error"]["code"]) == (403, "bad-csrf")


async def test_the_page_carries_the_sessions_token(desk: Desk) -> None:
    browser = await desk.browser("anna")
    status, page, _ = await desk.ask("GET", "/", headers=browser.headers)
    assert status == 200
    assert csrf_of(browser.opaque) in page
    assert browser.opaque not in page


async def test_a_program_needs_neither_origin_nor_token(desk: Desk) -> None:
    body = {"name": "Иван"}
    assert (await desk.ask("POST", "/api/v1/customers", "anna", json=body))[0] == 201
    strange = {"Origin": "https://elsewhere.example"}
    answer = await desk.ask("POST", "/api/v1/customers", "anna", json=body, headers=strange)
    assert answer[0] == 201


@pytest.mark.parametrize(
    "header", ["Bearer x", "Bearer ", "Bearer", "Basic YTpi", "", "bearer\txx"]
)
async def test_a_token_that_does_not_hold_is_nobody_whatever_the_cookie(
    desk: Desk, header: str
) -> None:
    browser = await desk.browser("anna")
    headers = {**browser.headers, "Authorization": header}
    status, answer, response = await desk.ask("GET", "/api/v1/me", headers=headers)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone(place: Place) -> None:
    def headers(number: int) -> dict[str, str]:
        return {"X-Forwarded-For": f"6.6.6.6, 203.0.113.{number}, 127.0.0.1"}

    async with open_desk(place, trusted_proxies=["127.0.0.0/8"]) as desk:
        for number in range(110):
            name = f"user{number}"
            assert (await log_in(desk, name, "wrong", headers=headers(number)))[0] == 401
        for number in range(100):
            name = f"other{number}"
            assert (await log_in(desk, name, "wrong", headers=headers(201)))[0] == 401
        assert (await log_in(desk, "anna", headers=headers(201)))[0] == 429
        assert (await log_in(desk, "anna", headers=headers(202)))[0] == 303


async def test_without_a_trusted_proxy_the_forwarded_address_changes_nothing(desk: Desk) -> None:
    for number in range(100):
        headers = {"X-Forwarded-For": f"203.0.113.{number}", "X-Forwarded-Proto": "https"}
        assert (await log_in(desk, f"user{number}", "wrong", headers=headers))[0] == 401
    assert (await log_in(desk, "anna"))[0] == 429
