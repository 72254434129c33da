"""What machines ask the server about itself: alive, ready, measured."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from cordboard.config import Settings
from cordboard.crm_core.store import Store
from cordboard.errors import PeerError
from cordboard.screenpop.faults import json_response
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.sessions import PEER, Doors

log = structlog.get_logger(__name__)

DATABASE_SECONDS = 2


class Probes:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        doors: Doors,
        registry: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._doors = doors
        self._registry = registry

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers."""
        return json_response({"alive": True})

    async def readyz(self, request: web.Request) -> web.Response:
        """503, with what is missing, until every PBX can be seen, and the database answers
        and has everything."""
        missing = []
        for pbx in self._settings.pbx:
            state = self._hub.picture.pbx.get(pbx.name, {}).get("state", "connecting")
            if state != "up":
                missing.append(f"pbx {pbx.name}: {state}")
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                await self._store.user("")
        except (TimeoutError, PeerError) as error:
            log.warning("the database is away", error=str(error))
            missing.append("database: does not answer")
        unsaved = self._registry.get_sample_value("cordboard_unsaved_records")
        if unsaved:
            missing.append(f"database: lacks {unsaved:.0f} records, which wait in the spool")
        return json_response(
            {"ready": not missing, "missing": missing}, status=503 if missing else 200
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """For a scraper on this machine, or an admin's token. Raises `ApiError` 401 or 403."""
        peer = request[PEER]
        if not (peer.direct and peer.loopback):
            await self._doors.admit(request, ("admin",))
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
