"""What is traded, and the only conversion between ticks and lots inside and decimals outside.

Exact and without floats: a decimal that is no whole number of ticks or lots is refused.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

from exchange.engine.records import FEE_UNITS

_KNOWN_MAX = 16_384  # texts and numbers remembered, since a market's prices come again and again
_DECIMAL = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,12}))?", re.ASCII)


class _Texts(dict[int, str]):
    """Multiples of a step such as 0.05 as decimals, each worked out when it is first asked for."""

    def __init__(self, digits: int, count: int) -> None:
        super().__init__()
        self.digits, self.count = digits, count  # the step is `count` units of 10**-digits

    def __missing__(self, multiple: int) -> str:
        text = _fixed(multiple * self.count, self.digits)
        if len(self) < _KNOWN_MAX:
            self[multiple] = text
        return text


class _Multiples(dict[str, int]):
    """The way back: decimals as multiples of a step. Raises ValueError for a text that is none."""

    def __init__(self, what: str, digits: int, count: int) -> None:
        super().__init__()
        self.what, self.digits, self.count = what, digits, count

    def __missing__(self, text: str) -> int:
        multiple = self._parse(text)
        if len(self) < _KNOWN_MAX:
            self[text] = multiple
        return multiple

    def _parse(self, text: str) -> int:
        found = _DECIMAL.fullmatch(text)
        if found is None:
            raise ValueError(f"{self.what} {text[:40]!r} is not a plain decimal such as '100.05'")
        whole, fraction = found[1], (found[2] or "").rstrip("0")
        if len(fraction) <= self.digits:
            multiple, rest = divmod(int(whole + fraction.ljust(self.digits, "0")), self.count)
            if rest == 0:
                return multiple
        step = _fixed(self.count, self.digits)
        raise ValueError(f"{self.what} {text} is not a multiple of {step}")


def _units(step: Decimal) -> tuple[int, int]:
    """Digits and count such that the step is `count` units of 10**-digits. Raises ValueError."""
    exponent = step.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or step <= 0 or -exponent > 12:
        raise ValueError(f"a tick or lot size is positive, with at most 12 digits: {step}")
    digits = max(-exponent, 0)
    return digits, int(step.scaleb(digits))


def _fixed(units: int, digits: int) -> str:
    """Format 12345 units of 10**-2 as "123.45"."""
    if digits == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    text = str(abs(units)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}"


@dataclass(frozen=True)
class Instrument:
    """A symbol with its tick size (smallest price change) and lot size (smallest quantity)."""

    symbol: str
    tick_size: Decimal = Decimal("0.01")
    lot_size: Decimal = Decimal(1)
    _price_texts: _Texts = field(init=False, repr=False, compare=False)
    _quantity_texts: _Texts = field(init=False, repr=False, compare=False)
    _ticks: _Multiples = field(init=False, repr=False, compare=False)
    _lots: _Multiples = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z0-9][A-Z0-9_.-]{0,15}", self.symbol):
            raise ValueError(f"symbol {self.symbol!r} is not 1-16 of A-Z 0-9 _ . -")
        tick, lot = _units(self.tick_size), _units(self.lot_size)
        known = {
            "_price_texts": _Texts(*tick),
            "_quantity_texts": _Texts(*lot),
            "_ticks": _Multiples("price", *tick),
            "_lots": _Multiples("quantity", *lot),
        }
        for name, table in known.items():
            object.__setattr__(self, name, table)

    def ticks(self, price: str) -> int:
        """Ticks in a decimal price. Raises ValueError when it is none or between two ticks."""
        return self._ticks[price]

    def lots(self, quantity: str) -> int:
        """Lots in a decimal quantity. Raises ValueError when it is none or between two lots."""
        return self._lots[quantity]

    def price_text(self, ticks: int) -> str:
        """Write ticks as the decimal price, always with the tick's number of digits."""
        return self._price_texts[ticks]

    def quantity_text(self, lots: int) -> str:
        """Write lots (negative: a short position) as the decimal quantity."""
        return self._quantity_texts[lots]

    def money_text(self, tick_lots: int, fee_units: int = 0) -> str:
        """Write tick-lots less millionths of a tick-lot (fees) as exact money."""
        price, quantity = self._price_texts, self._quantity_texts
        units = (tick_lots * FEE_UNITS - fee_units) * price.count * quantity.count
        digits = price.digits + quantity.digits
        if units % FEE_UNITS == 0:
            return _fixed(units // FEE_UNITS, digits)
        return _fixed(units, digits + 6)
