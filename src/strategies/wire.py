"""The words of docs/PROTOCOL.md from the trader's side: signatures, decimals, commands."""

import hashlib
import hmac
from fractions import Fraction
from typing import Any

from exchange.engine.records import FEE_UNITS
from exchange.instrument import Instrument
from strategies.quoting import Command, SendQuote

Json = dict[str, Any]


def sign(secret: str, timestamp: str, method: str, path: str, body: bytes = b"") -> str:
    """HMAC-SHA256 over timestamp, method, path with its query and raw body, in hex."""
    message = f"{timestamp}{method}{path}".encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def command_message(instrument: Instrument, command: Command) -> Json:
    """A strategy's command as the exchange takes it over the WebSocket."""
    if isinstance(command, SendQuote):
        return {
            "op": "quote",
            "symbol": instrument.symbol,
            **_side(instrument, "bid", command.bid_price, command.bid_quantity),
            **_side(instrument, "ask", command.ask_price, command.ask_quantity),
            "post_only": True,
            "self_trade_prevention": "cancel_newest",
        }
    return {
        "op": "enter",
        "symbol": instrument.symbol,
        "side": "buy" if command.is_buy else "sell",
        "type": "limit",
        "price": instrument.price_text(command.price),
        "quantity": instrument.quantity_text(command.quantity),
        "time_in_force": "ioc",
        "self_trade_prevention": "cancel_newest",
    }


def _side(instrument: Instrument, side: str, price: int, quantity: int) -> Json:
    text = instrument.price_text(price) if quantity > 0 else None
    return {f"{side}_price": text, f"{side}_quantity": instrument.quantity_text(quantity)}


def signed_lots(instrument: Instrument, text: str) -> int:
    """Lots of a position, negative when short."""
    return -instrument.lots(text[1:]) if text.startswith("-") else instrument.lots(text)


def tick_lots(instrument: Instrument, money: str) -> int:
    """Whole tick-lots in an amount of money. Raises ValueError when it is between two."""
    return _whole(Fraction(money) / _tick_lot(instrument), money)


def fee_units(instrument: Instrument, money: str) -> int:
    """Millionths of a tick-lot in an amount of money."""
    return _whole(Fraction(money) / _tick_lot(instrument) * FEE_UNITS, money)


def mid_twice(instrument: Instrument, mid: str | None) -> int:
    """Best bid + best ask in ticks; 0 when the mid was unknown."""
    return 0 if mid is None else _whole(2 * Fraction(mid) / Fraction(instrument.tick_size), mid)


def _tick_lot(instrument: Instrument) -> Fraction:
    return Fraction(instrument.tick_size) * Fraction(instrument.lot_size)


def _whole(value: Fraction, text: str) -> int:
    if value.denominator != 1:
        raise ValueError(f"{text} is no whole number of units")
    return value.numerator
