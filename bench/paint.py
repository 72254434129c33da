"""The floor of the pop: bytes read from a socket, sent by a bare aiohttp WebSocket, a node put
into a page, painted. A process of its own, as the server is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from multiprocessing.connection import Connection

from aiohttp import web

from bench.common import LOOPBACK

PAGE = """<!doctype html><title>floor</title><main></main><script>
window.painted = {};
const socket = new WebSocket(`ws://${location.host}/ws`);
socket.onmessage = (event) => {
  const pop = JSON.parse(event.data);
  const card = document.createElement("article");
  const name = document.createElement("h1");
  name.textContent = pop.name;
  card.append(name, pop.from);
  document.querySelector("main").replaceChildren(card);
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      window.painted[pop.id] = performance.timeOrigin + performance.now();
      socket.send(JSON.stringify({type: "ack", id: pop.id}));
    };
    channel.port2.postMessage(null);
  });
};
</script>"""


def serve(pipe: Connection) -> None:
    """Tells the ports of its page and of its events, and serves until it is told to stop."""
    sockets: set[web.WebSocketResponse] = set()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def stream(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        sockets.add(ws)
        async for _ in ws:
            pass
        sockets.discard(ws)
        return ws

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while line := await reader.readline():
                pop = {"id": line.decode().strip(), "name": "Анна Ким", "from": "+79161234567"}
                for ws in sockets:
                    await ws.send_str(json.dumps(pop))
        writer.close()

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.get("/", page), web.get("/ws", stream)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, 0).start()
        listener = await asyncio.start_server(events, LOOPBACK, 0)
        pipe.send((runner.addresses[0][1], listener.sockets[0].getsockname()[1]))
        await asyncio.to_thread(pipe.recv)
        listener.close()
        await runner.cleanup()

    asyncio.run(run())
