"""WebSocket frames as clients may send them, over real sockets and through the reader alone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.server.frames import BINARY, PING, PONG, TEXT, BadFrame, FrameReader
from server_kit import Stage, serving

UPGRADE = (
    "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING_REQUEST = b'{"op":"ping","id":7}'


def frame(
    kind: int, payload: bytes, *, final: bool = True, mask: bytes = b"\x01\x82\x73\xf4"
) -> bytes:
    """As a client sends it, masked."""
    length = len(payload)
    if length < 126:
        head = bytes((final << 7 | kind, 0x80 | length))
    elif length < 65_536:
        head = bytes((final << 7 | kind, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((final << 7 | kind, 0xFF)) + length.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


class Wire:
    """An upgraded connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> tuple[int, bytes]:
        """One frame of the server: its kind and payload."""
        async with asyncio.timeout(10):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2), "big")
            return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """Read on until the close frame, and then until the connection is closed."""
        while True:
            kind, payload = await self.hear()
            if kind == 8:
                self.writer.write(frame(8, payload))
                assert await asyncio.wait_for(self.reader.read(), 10) == b""
                return int.from_bytes(payload[:2], "big")


@contextlib.asynccontextmanager
async def wire(stage: Stage, upgrade: str = UPGRADE) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    try:
        writer.write(upgrade.encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert b"101 Switching Protocols" in head
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # of RFC 6455
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_frames_in_pieces_and_messages_in_frames_are_answered():
    async with serving() as stage, wire(stage) as own:
        for byte in frame(TEXT, PING_REQUEST):
            own.writer.write(bytes([byte]))
            await own.writer.drain()
        assert json.loads((await own.hear())[1])["re"] == 7
        parts = frame(TEXT, PING_REQUEST[:5], final=False) + frame(
            0, PING_REQUEST[5:9], final=False
        )
        own.writer.write(parts + frame(PING, b"alive?") + frame(0, PING_REQUEST[9:]))
        heard = [await own.hear(), await own.hear()]
        assert (PONG, b"alive?") in heard
        assert any(kind == TEXT and json.loads(text)["re"] == 7 for kind, text in heard)
        own.writer.write(frame(TEXT, PING_REQUEST) * 50)
        for _ in range(50):
            assert json.loads((await own.hear())[1])["op"] == "ping"


async def test_messages_sent_with_the_handshake_are_not_lost():
    async with serving() as stage:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(UPGRADE.encode() + frame(TEXT, PING_REQUEST))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert json.loads((await Wire(reader, writer).hear())[1])["re"] == 7
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x02{}", 1002),  # not masked
        (frame(TEXT | 0x40, b"{}"), 1002),  # a reserved bit
        (frame(3, b"{}"), 1002),  # no such kind
        (frame(0, b"{}"), 1002),  # goes on with nothing
        (frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", final=False), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"x" * 70_000), 1009),
        (frame(TEXT, b"x" * 40_000, final=False) * 1 + frame(0, b"x" * 40_000), 1009),
        (frame(8, b"\x03\xe8bye"), 1000),
    ],
)
async def test_what_a_client_must_not_send_ends_its_connection_with_the_code_for_it(sent, code):
    async with serving() as stage:
        async with wire(stage) as own:
            own.writer.write(sent)
            assert await own.close_code() == code
        async with asyncio.timeout(10):
            while stage.exchange.feed.connections:
                await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade", "Connection: keep-alive"),
        ("Version: 13", "Version: 7"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        ("dGhlIHNhbXBsZSBub25jZQ==", ""),
    ],
)
async def test_a_handshake_that_is_none_is_refused(old, new):
    async with serving() as stage:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(UPGRADE.replace(old, new).encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 400")
        writer.close()
        await writer.wait_closed()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([TEXT, BINARY]),
            st.binary(max_size=300),
            st.binary(min_size=4, max_size=4),
        )
    ),
    st.lists(st.integers(1, 40)),
)
def test_messages_come_out_as_they_went_in_however_the_bytes_are_cut(messages, cuts):
    sent = b"".join(frame(kind, payload, mask=mask) for kind, payload, mask in messages)
    heard = []
    reader = FrameReader(lambda kind, payload: heard.append((kind, payload)))
    for cut in cuts:
        reader.read(sent[:cut])
        sent = sent[cut:]
    reader.read(sent)
    assert heard == [(kind, payload) for kind, payload, _ in messages]


@given(st.binary(max_size=200))
def test_no_bytes_at_all_are_more_than_a_bad_frame(data):
    with contextlib.suppress(BadFrame):
        FrameReader(lambda kind, payload: None).read(data)
