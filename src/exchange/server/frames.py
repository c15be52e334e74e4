"""WebSocket frames as bytes (RFC 6455): built once for all readers, unmasked and uncompressed."""

from struct import pack

FINAL_TEXT, FINAL_CLOSE = 0x81, 0x88
LENGTH_7_BITS_MAX, LENGTH_16_BITS_MAX = 125, 65_535


def text_frame(payload: bytes) -> bytes:
    """A whole text message."""
    return _header(FINAL_TEXT, len(payload)) + payload


def close_frame(code: int, reason: str) -> bytes:
    """The last frame; reason: at most 123 bytes."""
    payload = pack("!H", code) + reason.encode()
    return _header(FINAL_CLOSE, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length <= LENGTH_7_BITS_MAX:
        return bytes((first, length))
    if length <= LENGTH_16_BITS_MAX:
        return pack("!BBH", first, 126, length)
    return pack("!BBQ", first, 127, length)
