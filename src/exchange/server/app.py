"""The sockets: REST routes and the WebSocket on aiohttp, and a server with an orderly end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import WSMsgType, web
from pydantic import ValidationError

from exchange.messages.answers import Hello
from exchange.server.auth import Caller
from exchange.server.connection import SERVER_AWAY, Connection
from exchange.server.errors import ApiError, overloaded, unreadable
from exchange.server.openapi import openapi
from exchange.server.page import add_page
from exchange.server.reading import complaint
from exchange.server.routes import ROUTES, Route
from exchange.server.service import Exchange
from exchange.server.session import Session
from exchange.version import VERSION

BODY_BYTES_MAX = 64 * 1024
MESSAGE_BYTES_MAX = 64 * 1024
PING_S = 30.0  # a client that does not answer a WebSocket ping within half of this is gone
CLOSING_S = 2.0  # the time that clients have to take the close frame
JSON_HEADERS = {"Content-Type": "application/json"}
EXCHANGE = web.AppKey("exchange", Exchange)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def new_app(exchange: Exchange) -> web.Application:
    """The web application of one exchange."""
    app = web.Application(middlewares=[answer_errors], client_max_size=BODY_BYTES_MAX)
    app[EXCHANGE] = exchange
    add_page(app)
    app.router.add_get("/hello", get_hello)
    app.router.add_get("/v1/openapi.json", _openapi_handler())
    app.router.add_get("/v1/ws", get_socket)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(exchange, route))
    return app


async def get_hello(_request: web.Request) -> web.Response:
    """The cheapest answer there is."""
    return web.Response(body=HELLO, headers=JSON_HEADERS)


HELLO = Hello(hello="onebook", version=VERSION).model_dump_json().encode()


def _openapi_handler() -> Handler:
    described = web.json_response(openapi(ROUTES)).body

    async def get_openapi(_request: web.Request) -> web.Response:
        return web.Response(body=described, headers=JSON_HEADERS)

    return get_openapi


def add_shortcuts(server: web.Server, exchange: Exchange) -> None:
    """Find routes with a fixed path by one look-up: aiohttp's own way costs a fifth of an order."""
    shortcuts = {
        (route.method, route.path): _handler(exchange, route)
        for route in ROUTES
        if "{" not in route.path
    }
    resolve = cast(Handler, server.request_handler)

    async def dispatch(request: web.Request) -> web.StreamResponse:
        handler = shortcuts.get((request.method, request.raw_path))
        if handler is None:
            return await resolve(request)
        return await answer_errors(request, handler)

    server.request_handler = dispatch  # type: ignore[assignment]


# --- REST -----------------------------------------------------------------------------------------


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in the form that docs/PROTOCOL.md gives it."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error)
    except ValidationError as error:
        return error_response(complaint(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return error_response(_http_error(error))


def error_response(error: ApiError) -> web.Response:
    """An ApiError as it is sent."""
    headers = dict(JSON_HEADERS)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(round(error.retry_after_s), 1))
    body = error.answer.model_dump_json().encode()
    return web.Response(body=body, status=error.status, headers=headers)


def _http_error(error: web.HTTPException) -> ApiError:
    """What aiohttp itself refuses."""
    words = {
        404: ("unknown_path", "there is nothing at this path; see /v1/openapi.json"),
        405: ("method_not_allowed", "this path does not take this method"),
        413: ("body_too_large", f"a body has at most {BODY_BYTES_MAX} bytes"),
    }
    code, message = words.get(error.status, ("refused", error.reason))
    limit = str(BODY_BYTES_MAX) if error.status == 413 else None
    return ApiError(error.status, code, message, limit=limit)


def _handler(exchange: Exchange, route: Route) -> Handler:
    """Read, authenticate, ask, answer."""
    has_order_id = "{order_id}" in route.path

    async def handle(request: web.Request) -> web.Response:
        body = await _body(request)
        arguments: list[object] = []
        if route.who != "anybody":
            caller = _authenticate(exchange, route, request, body)
            if route.command:
                caller.rate.take(1, exchange.monotonic_ns() / 1e9)
            arguments.append(caller)
        if has_order_id:
            arguments.append(_order_id(request.match_info["order_id"]))
        if route.query is not None:
            arguments.append(route.query.model_validate(_query(request)))
        elif "?" in request.raw_path:
            raise unreadable("this path takes no query")
        if route.body is not None:
            arguments.append(route.body.model_validate_json(body))
        answer = route.handler(exchange, *arguments)
        if route.command:
            exchange.after_command()
        payload = answer if isinstance(answer, bytes) else answer.model_dump_json().encode()
        return web.Response(body=payload, status=route.status, headers=JSON_HEADERS)

    return handle


async def _body(request: web.Request) -> bytes:
    """The raw body; usually all of it has come with the head."""
    content = request.content
    if content.is_eof() and content.total_bytes <= BODY_BYTES_MAX:
        return content.read_nowait()
    return await request.read()


def _authenticate(exchange: Exchange, route: Route, request: web.Request, body: bytes) -> Caller:
    headers = request.headers
    key, timestamp = headers.get("X-API-KEY"), headers.get("X-TIMESTAMP")
    signature = headers.get("X-SIGNATURE")
    if key is None or timestamp is None or signature is None:
        raise ApiError(
            401, "unauthenticated", "send X-API-KEY, X-TIMESTAMP and X-SIGNATURE with this request"
        )
    signed = f"{request.method}{request.raw_path}".encode(errors="surrogateescape") + body
    caller = exchange.keys.check(key, timestamp, signature, signed, exchange.unix_ms())
    if caller.role != route.who:
        raise ApiError(403, "forbidden", f"this is for the role {route.who!r}")
    return caller


def _query(request: web.Request) -> dict[str, str]:
    if len(request.query) != len(set(request.query)):
        raise unreadable("a query parameter stands twice")
    return dict(request.query)


def _order_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise unreadable("an order id is a whole number", "order_id")
    return int(text)


# --- WebSocket ------------------------------------------------------------------------------------


async def get_socket(request: web.Request) -> web.WebSocketResponse:
    """One WebSocket connection, from its first message to its last."""
    exchange = request.app[EXCHANGE]
    if len(exchange.feed.connections) >= exchange.settings.sockets_max:
        raise overloaded("too many WebSocket connections")
    socket = web.WebSocketResponse(
        max_msg_size=MESSAGE_BYTES_MAX, compress=False, heartbeat=PING_S, timeout=CLOSING_S
    )
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    connection = Connection(transport, exchange.next_connection())
    exchange.feed.connections[connection] = None
    session = Session(exchange, connection)
    try:
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                session.receive(message.data)
            elif message.type == WSMsgType.BINARY:
                session.refuse_binary()
    finally:
        session.close()
    return socket


# --- the server -----------------------------------------------------------------------------------


class Server:
    """One exchange listening on one port, and the task that lets its time pass."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.failed: BaseException | None = None  # why time stopped, if it did
        self.stopping = asyncio.Event()
        self._runner = web.AppRunner(
            new_app(exchange), access_log=None, handle_signals=False, shutdown_timeout=CLOSING_S
        )
        self._listener: asyncio.Server | None = None
        self._pacer: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and let time pass; returns the port. Raises OSError when it cannot listen."""
        await self._runner.setup()
        assert self._runner.server is not None
        add_shortcuts(self._runner.server, self.exchange)
        self._listener = await asyncio.get_running_loop().create_server(
            self._new_protocol, host, port, backlog=1024, reuse_address=True
        )
        self._pacer = asyncio.create_task(self._pace())
        self._pacer.add_done_callback(self._pacer_ended)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, tell those there are, let time stop."""
        if self._listener is not None:
            self._listener.close()
        if self._pacer is not None:
            self._pacer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._pacer])
        self.exchange.say_goodbye()
        for connection in list(self.exchange.feed.connections):
            connection.close(SERVER_AWAY, "server going away")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone(), CLOSING_S)
        for connection in list(self.exchange.feed.connections):
            connection.transport.abort()
        await self._runner.cleanup()

    async def _all_gone(self) -> None:
        while self.exchange.feed.connections:
            await asyncio.sleep(0.01)

    async def _pace(self) -> None:
        period_s = self.exchange.tick_ns / 1e9
        while True:
            await asyncio.sleep(period_s)
            self.exchange.tick()

    def _pacer_ended(self, task: asyncio.Task[None]) -> None:
        """Without time there is no market: end the process, loudly."""
        if not task.cancelled() and task.exception() is not None:
            self.failed = task.exception()
            self.stopping.set()

    def _new_protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= self.exchange.settings.connections_max:
            return _Refuse()
        return server()


class _Refuse(asyncio.Protocol):
    """Too many connections: says so and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer before anything is asked."""
        out = cast(asyncio.Transport, transport)
        body = overloaded("too many connections").answer.model_dump_json()
        out.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nRetry-After: 1\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        out.close()
