"""What holds for every answer, the pages and the probes."""

from __future__ import annotations

import asyncio

import pytest
import screenpop_messages as say
from screenpop_server import *  # noqa: F403
from screenpop_server import USERS, Desk

from cordboard.crm_core.store import Store
from cordboard.errors import PeerError, UserError
from cordboard.screenpop.peers import Peers
from cordboard.screenpop.web import HEADERS


@pytest.mark.parametrize(
    "path",
    ["/", "/login", "/wallboard", "/nowhere", "/api/v1/me", "/api/v1/nowhere", "/healthz",
     "/api/v1/openapi.json", "/static/page.js", "/static/nothing.js", "/i18n/ru.json"],
)  # fmt: skip
async def test_every_answer_carries_the_security_headers(desk: Desk, path: str) -> None:
    _, _, response = await desk.ask("GET", path)
    for name, value in HEADERS.items():
        assert response.headers.getall(name) == [value]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"]


async def test_the_wallboard_is_for_supervisors(desk: Desk) -> None:
    for name, role in USERS.items():
        browser = await desk.browser(name)
        status, page, _ = await desk.ask("GET", "/wallboard", headers=browser.headers)
        assert status == (403 if role == "operator" else 200)
        assert page.startswith("<!doctype html>")
        assert (await desk.ask("GET", "/", headers=browser.headers))[0] == 200


async def test_pages_speak_the_language_that_was_picked(desk: Desk) -> None:
    for language in ("ru", "bg", "en"):
        for headers in (
            {"Cookie": f"cordboard_language={language}"},
            {"Accept-Language": f"{language}-XX;q=0.9,de"},
        ):
            _, page, _ = await desk.ask("GET", "/login", headers=headers)
            assert f'<html lang="{language}">' in page


async def test_the_texts_of_a_language_are_there_and_others_are_not(desk: Desk) -> None:
    assert (await desk.ask("GET", "/i18n/ru.json"))[1]["language"] == "ru"
    for language in ("xx", "..%2fru", "RU"):
        assert (await desk.ask("GET", f"/i18n/{language}.json"))[0] == 404


@pytest.mark.parametrize(
    "path", ["../web.py", "%2e%2e/web.py", "..%2fweb.py", "%2fetc/passwd", "..\\web.py", ""]
)
async def test_nothing_but_the_static_files_is_given(desk: Desk, path: str) -> None:
    status, text, _ = await desk.ask("GET", f"/static/{path}")
    assert status in (403, 404)
    assert "make_app" not in text


async def test_a_static_file_is_asked_for_again_and_not_sent_again(desk: Desk) -> None:
    _, _, response = await desk.ask("GET", "/static/page.js")
    assert response.headers["Cache-Control"] == "no-cache"
    tag = response.headers["Etag"]
    assert (await desk.ask("GET", "/static/page.js", headers={"If-None-Match": tag}))[0] == 304


async def test_a_page_that_is_not_there_says_so_on_a_page(desk: Desk) -> None:
    status, page, _ = await desk.ask("GET", "/<script>alert(1)</script>")
    assert status == 404
    assert page.startswith("<!doctype html>")
    assert "<script>alert" not in page
    assert (await desk.ask("POST", "/"))[0] == 405


async def test_the_server_is_ready_when_the_pbx_and_the_database_are(desk: Desk) -> None:
    status, answer, _ = await desk.ask("GET", "/readyz")
    assert (status, answer) == (503, {"ready": False, "missing": ["pbx pbx: connecting"]})
    desk.hub.publish(say.pbx("up"))
    assert (await desk.ask("GET", "/readyz"))[:2] == (200, {"ready": True, "missing": []})
    desk.hub.publish(say.pbx("down"))
    assert (await desk.ask("GET", "/readyz"))[0] == 503
    assert (await desk.ask("GET", "/healthz"))[:2] == (200, {"alive": True})


async def test_the_server_is_not_ready_without_its_database(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: Store, name: str) -> None:
        raise PeerError("the database is away: connection refused")

    desk.hub.publish(say.pbx("up"))
    monkeypatch.setattr(Store, "user", away)
    status, answer, _ = await desk.ask("GET", "/readyz")
    assert status == 503
    assert answer["missing"] == ["database: does not answer"]


async def test_metrics_are_for_this_machine_and_for_admins(desk: Desk) -> None:
    status, text, _ = await desk.ask("GET", "/metrics")
    assert status == 200
    assert "cordboard_pops_total 0.0" in text
    through_a_proxy = {"X-Forwarded-For": "203.0.113.1"}
    for name in (None, *USERS):
        status, _, _ = await desk.ask("GET", "/metrics", name, headers=through_a_proxy)
        assert status == {None: 401, "root": 200}.get(name, 403)


async def test_a_failure_of_ours_is_logged_and_not_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Store, token: str) -> None:
        raise LookupError("secret detail")

    monkeypatch.setattr(Store, "token_user", broken)
    status, answer, _ = await desk.ask("GET", "/api/v1/me", "anna")
    assert (status, answer["error"]["code"]) == (500, "failed")
    assert "secret" not in str(answer)


async def test_a_body_that_does_not_come_is_not_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cordboard.screenpop.api.BODY_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(
        (
            f"POST /api/v1/customers HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\n"
            f"Authorization: Bearer {desk.tokens['anna']}\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{"
        ).encode()
    )
    async with asyncio.timeout(60):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_two_lengths_are_one_too_many(desk: Desk) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(
        b"POST /api/v1/customers HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    )
    async with asyncio.timeout(60):
        assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_who_walks_around_the_proxy_without_tls_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiohttp import web

    monkeypatch.setattr(web.Request, "remote", property(lambda self: "203.0.113.7"))
    status, answer, _ = await desk.ask("GET", "/api/v1/me", "anna")
    assert (status, answer["error"]["code"]) == (403, "insecure")
    assert (await desk.ask("GET", "/login"))[0] == 403
    assert (await desk.ask("GET", "/healthz"))[0] == 200


def test_trusted_proxies_are_addresses() -> None:
    with pytest.raises(UserError, match="trusted_proxies"):
        Peers(["proxy.example"])
