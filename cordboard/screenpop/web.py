"""The web application: all addresses, and what holds for every answer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry

from cordboard.config import Settings
from cordboard.crm_core.database import NoRoomError
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.store import Store
from cordboard.errors import PeerError
from cordboard.screenpop import prompts as prompt_files
from cordboard.screenpop.api import ROUTES, Api, Submit
from cordboard.screenpop.charts import Charts, Library
from cordboard.screenpop.faults import (
    CODES,
    ApiError,
    error_response,
    invalid,
    json_response,
)
from cordboard.screenpop.forms import Enquire, Forms, Opened, never_open, nobody_answers
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.openapi import describe
from cordboard.screenpop.pages import STATIC, Pages
from cordboard.screenpop.peers import Peers
from cordboard.screenpop.probes import Probes
from cordboard.screenpop.prompts import PromptFiles
from cordboard.screenpop.respondents import Lists
from cordboard.screenpop.routes import PREFIX
from cordboard.screenpop.sessions import PEER, Doors
from cordboard.screenpop.surveys import Surveys
from cordboard.screenpop.views import Message

log = structlog.get_logger(__name__)

BODY_BYTES = 128 * 1024
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; font-src 'self'; media-src 'self';"
    " manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": under that, browsers send the Origin of a form as null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "cordboard",
}


def make_app(
    settings: Settings,
    store: Store,
    hub: Hub,
    submit: Submit,
    registry: CollectorRegistry,
    clock: Callable[[], float] = time.monotonic,
    prompts: Callable[[str], Path | None] | None = None,
    library: Library | None = None,
    opened: Opened = never_open,
    enquire: Enquire = nobody_answers,
) -> web.Application:
    """Pages, API, stream and probes of one server, over an open `store`.

    While the application runs it rechecks the logins behind all streams; when it stops it says
    goodbye to them. `hub.run()` is the caller's to run beside it. `submit` hands what people ask
    for to the core; `prompts` finds the file of a prompt, `library` has the scripts in force,
    `opened` asks the calendars, `enquire` other systems.
    Raises `UserError` for trusted proxies that are no addresses.
    """
    doors = Doors(store, hub, clock)
    pages = Pages(settings, doors)
    charts = Charts(library, store, settings.desk.timezone)
    surveys = Surveys(library, store, settings)
    lists = Lists(settings, store, hub, submit, library)
    forms = Forms(library, store, settings.desk.timezone, opened, enquire)
    api = Api(settings, store, hub, doors, submit, charts, surveys, lists, forms)
    probes = Probes(settings, store, hub, doors, registry)
    app = web.Application(
        client_max_size=BODY_BYTES, middlewares=[_refusals(pages), _peers(settings)]
    )
    app.on_response_prepare.append(_secure)
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, api.handler(route))
    if prompts is not None:
        files = PromptFiles(prompts, [pbx.host for pbx in settings.pbx])
        app.router.add_get(prompt_files.PATH, files.get)

    async def openapi(request: web.Request) -> web.Response:
        # Half a second's work, which calls need not wait for, nor a server that starts.
        return json_response(await asyncio.to_thread(document))

    app.add_routes(
        [
            web.get(f"{PREFIX}/openapi.json", openapi),
            web.get("/", pages.console),
            web.get("/wallboard", pages.wallboard),
            web.get("/calls/{id}", pages.call),
            web.get("/lists", pages.lists),
            web.get("/scripts", pages.scripts),
            web.get("/surveys", pages.surveys),
            web.get("/forms/{run}", pages.form),
            web.get("/scripts/{script}", pages.script),
            web.get("/login", pages.login),
            web.post("/login", pages.log_in),
            web.post("/logout", pages.log_out),
            web.get("/i18n/{language}.json", pages.catalog),
            web.static("/static", STATIC),
            web.get("/healthz", probes.healthz),
            web.get("/readyz", probes.readyz),
            web.get("/metrics", probes.metrics),
        ]
    )

    async def keep(app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(doors.recheck())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def goodbye(app: web.Application) -> None:
        await hub.close()

    app.cleanup_ctx.append(keep)
    app.on_shutdown.append(goodbye)
    return app


@functools.cache
def document() -> Message:
    """The description of the API: of the table of routes, which does not change."""
    return describe(ROUTES)


def _peers(settings: Settings) -> Middleware:
    peers = Peers(settings.http.trusted_proxies)

    @web.middleware
    async def see_peer(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[PEER] = peer = peers.of(request)
        if not peer.secure and not peer.trusted and request.path != "/healthz":
            # Somebody walks around the proxy that speaks TLS for us.
            raise ApiError(403, "insecure", "use the https address of this server")
        return await handler(request)

    return see_peer


def _refusals(pages: Pages) -> Middleware:
    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            headers = {k: v for k, v in error.headers.items() if k in ("Allow", "Retry-After")}
            code = CODES.get(error.status, "refused")
            refused = ApiError(error.status, code, error.reason, headers=headers)
        except ApiError as error:
            refused = error
        except FieldsError as error:
            refused = invalid(error.faults)
        except NoRoomError as error:
            log.warning("the disk is full", path=request.path, error=str(error))
            words = "the database's disk is full: nothing was saved"
            refused = ApiError(507, "insufficient-storage", words, headers={"Retry-After": "60"})
        except PeerError as error:
            log.warning("the database is away", path=request.path, error=str(error))
            words = "the database does not answer"
            refused = ApiError(503, "unavailable", words, headers={"Retry-After": "5"})
        except ConnectionError:
            raise
        except Exception:
            log.exception("a request failed", method=request.method, path=request.path)
            refused = ApiError(500, "failed", "the server failed; its log says why")
        plain = request.path.startswith(("/api/", "/healthz", "/readyz", "/metrics", "/prompts/"))
        return error_response(refused) if plain else pages.refusal(request, refused)

    return refuse


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    peer = request.get(PEER)
    if peer is not None and peer.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
