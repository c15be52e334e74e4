"""The cap on connections, over real sockets and on both event loops that an exchange may run on."""

import asyncio
import importlib.util
import json
import socket
from collections.abc import Callable, Coroutine

import pytest

from exchange.server.run import new_loop
from exchange.server.settings import Settings
from server_kit import Stage, serving

N_MAX = 3
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
Story = Callable[[Stage], Coroutine[None, None, None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

no_uvloop = importlib.util.find_spec("uvloop") is None


@pytest.fixture(
    params=[
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(
            new_loop, id="uvloop", marks=pytest.mark.skipif(no_uvloop, reason="no uvloop here")
        ),
    ]
)
def tell(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Runs a story with an exchange that takes N_MAX connections, on one of the loops."""

    async def with_stage(story: Story) -> None:
        async with serving(Settings(connections_max=N_MAX)) as stage:
            async with asyncio.timeout(20):
                await story(stage)

    def run(story: Story) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(with_stage(story))

    return run


async def ask(stage: Stage) -> Streams:
    """A new connection that asks at once, as clients do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(HELLO)
    return reader, writer


async def hear(reader: asyncio.StreamReader) -> tuple[int, bytes, dict[str, object]]:
    """One answer: status, head, body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), head, json.loads(await reader.readexactly(length))


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def test_beyond_the_cap_a_connection_is_told_so_and_hung_up(tell: Callable[[Story], None]) -> None:
    async def story(stage: Stage) -> None:
        inside = [await ask(stage) for _ in range(N_MAX)]
        assert [(await hear(reader))[0] for reader, _ in inside] == [200] * N_MAX
        for _ in range(20):
            reader, writer = await ask(stage)
            status, head, body = await hear(reader)
            assert (status, b"Retry-After: 1" in head) == (503, True)
            error = body["error"]
            assert isinstance(error, dict)
            assert (error["code"], error["retryable"]) == ("overloaded", True)
            assert await reader.read() == b""
            await leave(writer)
        for reader, writer in inside:  # those inside notice nothing
            writer.write(HELLO)
            assert (await hear(reader))[0] == 200
            await leave(writer)

    tell(story)


def test_the_refusal_reaches_who_speaks_first(tell: Callable[[Story], None]) -> None:
    """With blocking sockets the request is there before the exchange looks: no reset may follow."""

    def knock(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as knocking:
            knocking.sendall(HELLO)
            answer = b""
            while piece := knocking.recv(4096):
                answer += piece
            return answer

    async def story(stage: Stage) -> None:
        inside = [await ask(stage) for _ in range(N_MAX)]
        for reader, _ in inside:
            await hear(reader)
        for _ in range(50):
            answer = await asyncio.to_thread(knock, stage.port)
            assert answer.startswith(b"HTTP/1.1 503") and answer.endswith(b"}")
        for _, writer in inside:
            await leave(writer)

    tell(story)


def test_who_leaves_makes_room(tell: Callable[[Story], None]) -> None:
    async def story(stage: Stage) -> None:
        inside = [await ask(stage) for _ in range(N_MAX)]
        for reader, _ in inside:
            await hear(reader)
        await leave(inside.pop()[1])
        status = 0
        while status != 200:  # the exchange learns of it a moment later
            reader, writer = await ask(stage)
            status = (await hear(reader))[0]
            if status != 200:
                await leave(writer)
        inside.append((reader, writer))
        reader, writer = await ask(stage)
        assert (await hear(reader))[0] == 503
        for _, open_writer in [*inside, (reader, writer)]:
            await leave(open_writer)

    tell(story)
