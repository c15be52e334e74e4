"""A proxy between client and exchange that loses, changes and cuts what it carries."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

Tamper = Callable[[dict[str, Any]], dict[str, Any] | None]


class TamperingProxy:
    """Carries REST and WebSocket to `upstream`; `tamper` says what the client gets of it."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.session = session
        self.url = ""
        self.tamper: Tamper = lambda message: message
        self.open_to_sockets = True
        self.sockets: list[web.WebSocketResponse] = []
        self.n_sockets = 0

    async def cut(self) -> None:
        """Cut every WebSocket connection, and refuse new ones until `open_to_sockets` again."""
        self.open_to_sockets = False
        for socket in list(self.sockets):
            await socket.close()

    async def rest(self, request: web.Request) -> web.Response:
        skipped = ("Host", "Content-Length", "Transfer-Encoding")
        headers = {key: value for key, value in request.headers.items() if key not in skipped}
        address = self.upstream + request.raw_path
        body = await request.read()
        async with self.session.request(
            request.method, address, headers=headers, data=body or None
        ) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), content_type="application/json"
            )

    async def socket(self, request: web.Request) -> web.StreamResponse:
        if not self.open_to_sockets:
            return web.Response(status=503)
        client = web.WebSocketResponse()
        await client.prepare(request)
        self.sockets.append(client)
        self.n_sockets += 1
        async with self.session.ws_connect(self.upstream + "/v1/ws") as server:
            upward = asyncio.create_task(self.carry_up(client, server))
            async for message in server:
                if message.type == WSMsgType.TEXT and not client.closed:
                    passed = self.tamper(json.loads(message.data))
                    if passed is not None:
                        await client.send_str(json.dumps(passed))
            await client.close()
            await upward
        self.sockets.remove(client)
        return client

    @staticmethod
    async def carry_up(
        client: web.WebSocketResponse, server: aiohttp.ClientWebSocketResponse
    ) -> None:
        async for message in client:
            await server.send_str(message.data)
        await server.close()


@asynccontextmanager
async def tampering_proxy(upstream: str) -> AsyncIterator[TamperingProxy]:
    """A proxy on a free port of this machine."""
    async with aiohttp.ClientSession() as session:
        proxy = TamperingProxy(upstream, session)
        app = web.Application()
        app.router.add_get("/v1/ws", proxy.socket)
        app.router.add_route("*", "/{path:.*}", proxy.rest)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        proxy.url = f"http://{host}:{port}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
