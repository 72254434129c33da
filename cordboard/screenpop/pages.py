"""The pages: console, wallboard, logging in and out, and how a page says what went wrong."""

from __future__ import annotations

import functools
from collections.abc import Container
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape

from cordboard.config import Settings
from cordboard.crm_core.database import as_id
from cordboard.crm_core.model import ROLES, Role
from cordboard.screenpop import translations
from cordboard.screenpop.faults import ApiError, json_response
from cordboard.screenpop.sessions import (
    COOKIE,
    PEER,
    Doors,
    Login,
    TooManyAttemptsError,
    require_csrf,
    require_own_origin,
)

HERE = Path(__file__).parent
STATIC = HERE / "static"


@functools.cache
def environment(language: str) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True),
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        translations.load(language), newstyle=False
    )
    return made


class Pages:
    def __init__(self, settings: Settings, doors: Doors) -> None:
        self._settings = settings
        self._doors = doors

    async def console(self, request: web.Request) -> web.Response:
        return await self._page(request, "console.html", ROLES)

    async def wallboard(self, request: web.Request) -> web.Response:
        return await self._page(request, "wallboard.html", ("supervisor", "admin"))

    async def call(self, request: web.Request) -> web.Response:
        """The story of one call; whose it is to see, the API says."""
        call = as_id(request.match_info["id"])
        if call is None:
            raise web.HTTPNotFound
        return await self._page(request, "call.html", ROLES, call=call)

    async def lists(self, request: web.Request) -> web.Response:
        return await self._page(request, "lists.html", ("supervisor", "admin"))

    async def scripts(self, request: web.Request) -> web.Response:
        return await self._page(request, "scripts.html", ("supervisor", "admin"))

    async def form(self, request: web.Request) -> web.Response:
        """The form of a run; whether it may be seen, the API says."""
        run = as_id(request.match_info["run"])
        if run is None:
            raise web.HTTPNotFound
        return await self._page(request, "form.html", ROLES, run=run)

    async def surveys(self, request: web.Request) -> web.Response:
        return await self._page(request, "surveys.html", ("supervisor", "admin"))

    async def script(self, request: web.Request) -> web.Response:
        """The chart of one script; whether there is one, the API says."""
        script = request.match_info["script"]
        return await self._page(request, "script.html", ("supervisor", "admin"), script=script)

    async def login(self, request: web.Request) -> web.Response:
        """The form, or on to the page for whom is logged in already."""
        where = local_path(request.query.get("next", ""))
        if await self._doors.who(request) is not None:
            raise web.HTTPSeeOther(where)
        return self._render(request, "login.html", None, next=where)

    async def log_in(self, request: web.Request) -> web.Response:
        """Takes the form. A wrong name and a wrong password are told apart by nothing."""
        require_own_origin(request)
        form = await request.post()
        name, password, where = (_text(form.get(key)) for key in ("name", "password", "next"))
        peer = request[PEER]
        _ = translations.load(self._language(request, None)).gettext
        try:
            opaque = await self._doors.log_in(name, password, peer, request.cookies.get(COOKIE))
        except PermissionError:
            answer = self._login_again(request, 401, _("Wrong name or password."), name, where)
        except TooManyAttemptsError as error:
            text = _("Too many attempts. Wait a few minutes, then try again.")
            answer = self._login_again(request, 429, text, name, where)
            answer.headers["Retry-After"] = str(int(error.wait) + 1)
        else:
            answer = web.Response(status=303, headers={"Location": local_path(where)})
            answer.set_cookie(
                COOKIE, opaque, path="/", httponly=True, samesite="Strict", secure=peer.secure
            )
        return answer

    async def log_out(self, request: web.Request) -> web.Response:
        """Takes the form that every page has, whose `csrf` stands for the header of the API."""
        require_own_origin(request)
        login = await self._doors.who(request)
        opaque = request.cookies.get(COOKIE)
        if login is not None and opaque is not None:
            form = await request.post()
            require_csrf(login, _text(form.get("csrf")) or request.headers.get("X-CSRF-Token", ""))
            await self._doors.log_out(opaque)
        answer = web.Response(status=303, headers={"Location": "/login"})
        answer.del_cookie(COOKIE, path="/")
        return answer

    async def catalog(self, request: web.Request) -> web.Response:
        """The texts of a language for the pages' scripts."""
        language = request.match_info["language"]
        if language not in translations.LANGUAGES:
            raise web.HTTPNotFound
        return json_response(translations.catalog(language), headers={"Cache-Control": "no-cache"})

    def refusal(self, request: web.Request, error: ApiError) -> web.Response:
        """The page that says what went wrong, in the reader's language where we have the words."""
        _ = translations.load(self._language(request, None)).gettext
        known = {
            403: (_("Not for you"), _("Your role does not see this page.")),
            404: (_("Not found"), _("There is no such page.")),
            503: (_("Not available"), _("The server is busy or its database is away. Try again.")),
        }
        title, message = known.get(error.status, (_("Something went wrong"), error.message))
        if error.status == 403 and error.code != "forbidden":
            message = error.message
        answer = self._render(
            request, "error.html", None, status=error.status, title=title, message=message
        )
        answer.set_status(error.status)
        answer.headers.update(error.headers)
        return answer

    async def _page(
        self, request: web.Request, template: str, roles: Container[Role], **more: Any
    ) -> web.Response:
        login = await self._doors.who(request)
        if login is None:
            raise web.HTTPSeeOther(f"/login?next={request.rel_url.raw_path}")
        if login.user.role not in roles:
            raise ApiError(403, "forbidden", "not for this role")
        return self._render(request, template, login, **more)

    def _login_again(
        self, request: web.Request, status: int, error: str, name: str, where: str
    ) -> web.Response:
        answer = self._render(
            request, "login.html", None, error=error, name=name, next=local_path(where)
        )
        answer.set_status(status)
        return answer

    def _render(
        self, request: web.Request, template: str, login: Login | None, **more: Any
    ) -> web.Response:
        language = self._language(request, login)
        crm = self._settings.crm
        text = (
            environment(language)
            .get_template(template)
            .render(
                user=login.user if login else None,
                csrf=(login and login.csrf) or "",
                language=language,
                results=crm.results,
                statuses=crm.statuses,
                languages=crm.languages,
                currency=crm.currency,
                pauses=[pause.model_dump() for pause in self._settings.pause],
                **more,
            )
        )
        return web.Response(text=text, content_type="text/html")

    def _language(self, request: web.Request, login: Login | None) -> str:
        return translations.choose(
            request.cookies.get(translations.COOKIE),
            login.user.language if login else None,
            request.headers.get("Accept-Language"),
        )


def local_path(text: str) -> str:
    """`text` where it is a path of this server, else the console: a link to our own login must
    not lead to somebody else's page."""
    if not text.startswith("/") or text[1:2] in ("/", "\\") or not text.isprintable():
        return "/"
    return text if text.isascii() and "\\" not in text else "/"


def _text(value: Any) -> str:
    """A field of a form; a file in its place is nothing."""
    return value if isinstance(value, str) else ""
