"""WebSocket frames (RFC 6455) without compression: built once for all readers, read one by one."""

from collections.abc import Callable
from struct import Struct, pack

FINAL_TEXT, FINAL_CLOSE, FINAL_PONG = 0x81, 0x88, 0x8A
PING_FRAME = bytes((0x89, 0))
LENGTH_7_BITS_MAX, LENGTH_16_BITS_MAX = 125, 65_535
_pack_16_bits = Struct("!BBH").pack


def text_frame(payload: bytes) -> bytes:
    """A whole text message."""
    return _header(FINAL_TEXT, len(payload)) + payload


def close_frame(code: int, reason: str) -> bytes:
    """The last frame; reason: at most 123 bytes."""
    payload = pack("!H", code) + reason.encode()
    return _header(FINAL_CLOSE, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _header(FINAL_PONG, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length <= LENGTH_7_BITS_MAX:
        return bytes((first, length))
    if length <= LENGTH_16_BITS_MAX:
        return _pack_16_bits(first, 126, length)
    return pack("!BBQ", first, 127, length)


# --- what clients send ----------------------------------------------------------------------------

MESSAGE_BYTES_MAX = 64 * 1024
CONTROL_BYTES_MAX = 125
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL = 0x80
NO_MASK = bytes(4)
PARTS_MAX = 1_000  # frames of one message
PROTOCOL_ERROR, NOT_UTF8, MESSAGE_TOO_BIG = 1002, 1007, 1009


class BadFrame(Exception):
    """What a client must not send; the connection ends with this close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class FrameReader:
    """Cuts the bytes of one client into messages."""

    def __init__(self, take: Callable[[int, bytes], None]) -> None:
        """take: told each message, TEXT, BINARY, CLOSE, PING or PONG, and its payload."""
        self._take = take
        self._rest = b""  # a frame whose end is missing
        self._parts: list[bytes] = []  # of a message in several frames
        self._kind = CONTINUATION  # of that message

    def read(self, data: bytes) -> None:
        """Take the messages that these bytes complete. Raises BadFrame, after those before it."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        place, end = 0, len(data)
        while end - place >= 2:
            first, length = data[place], data[place + 1] ^ 0x80
            start = place + 2
            if first != FINAL_TEXT or length > 0x7F:
                _check_header(first, length)
            if length > LENGTH_7_BITS_MAX:
                n_bytes = 2 if length == 126 else 8
                length = int.from_bytes(data[start : start + n_bytes], "big")
                start += n_bytes
                if start <= end and length > MESSAGE_BYTES_MAX:
                    raise BadFrame(MESSAGE_TOO_BIG, "message too big")
            start += 4
            if start + length > end:
                break
            place = start + length
            payload = _unmasked(data[start - 4 : start], data[start:place])
            kind = first & ~FINAL
            if first & FINAL and kind != CONTINUATION and (not self._parts or kind >= CLOSE):
                self._take(kind, payload)
            else:
                self._gather(first, payload)
        self._rest = data[place:]

    def _gather(self, first: int, payload: bytes) -> None:
        """Keep a part of a message; take the message when it is the last."""
        kind = first & ~FINAL
        if (kind == CONTINUATION) != bool(self._parts):
            raise BadFrame(PROTOCOL_ERROR, "a continuation of nothing, or none where one is due")
        self._kind = kind or self._kind
        self._parts.append(payload)
        n_bytes = sum(map(len, self._parts))
        if n_bytes > MESSAGE_BYTES_MAX or len(self._parts) > PARTS_MAX:
            raise BadFrame(MESSAGE_TOO_BIG, "message too big")
        if first & FINAL:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._take(self._kind, whole)


def _check_header(first: int, length: int) -> None:
    """Raises BadFrame unless the first byte is one of ours and the frame is masked."""
    kind = first & ~FINAL
    if kind not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise BadFrame(PROTOCOL_ERROR, "an unknown kind of frame, or reserved bits")
    if length >= 0x80:
        raise BadFrame(PROTOCOL_ERROR, "a client's frames are masked")
    if kind >= CLOSE and (length > CONTROL_BYTES_MAX or not first & FINAL):
        raise BadFrame(PROTOCOL_ERROR, "a control frame is short and whole")


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    if mask == NO_MASK:
        return payload
    length = len(payload)
    mask = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
