"""What is traded, and the only conversion between ticks and lots inside and decimals outside.

Exact and without floats: a decimal that is no whole number of ticks or lots is refused.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

from exchange.engine.records import FEE_UNITS

_KNOWN_MAX = 16_384  # texts and numbers remembered, since a market's prices come again and again
_DECIMAL = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,12}))?", re.ASCII)


@dataclass(frozen=True)
class _Grid:
    """Multiples of a step such as 0.05: `count` units of 10**-digits."""

    digits: int
    count: int
    _texts: dict[int, str] = field(default_factory=dict, repr=False, compare=False)
    _multiples: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, step: Decimal) -> "_Grid":
        exponent = step.normalize().as_tuple().exponent
        if not isinstance(exponent, int) or step <= 0 or -exponent > 12:
            raise ValueError(f"a tick or lot size is positive, with at most 12 digits: {step}")
        places = max(-exponent, 0)
        return cls(places, int(step.scaleb(places)))

    def parse(self, text: str, what: str) -> int:
        multiple = self._multiples.get(text)
        if multiple is None:
            multiple = self._parse(text, what)
            if len(self._multiples) < _KNOWN_MAX:
                self._multiples[text] = multiple
        return multiple

    def _parse(self, text: str, what: str) -> int:
        found = _DECIMAL.fullmatch(text)
        if found is None:
            raise ValueError(f"{what} {text[:40]!r} is not a plain decimal such as '100.05'")
        whole, fraction = found[1], (found[2] or "").rstrip("0")
        if len(fraction) <= self.digits:
            multiple, rest = divmod(int(whole + fraction.ljust(self.digits, "0")), self.count)
            if rest == 0:
                return multiple
        raise ValueError(f"{what} {text} is not a multiple of {self.format(1)}")

    def format(self, multiple: int) -> str:
        text = self._texts.get(multiple)
        if text is None:
            text = _fixed(multiple * self.count, self.digits)
            if len(self._texts) < _KNOWN_MAX:
                self._texts[multiple] = text
        return text


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
    _price: _Grid = field(init=False, repr=False, compare=False)
    _quantity: _Grid = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z0-9][A-Z0-9_.-]{0,15}", self.symbol):
            raise ValueError(f"symbol {self.symbol!r} is not 1-16 of A-Z 0-9 _ . -")
        object.__setattr__(self, "_price", _Grid.of(self.tick_size))
        object.__setattr__(self, "_quantity", _Grid.of(self.lot_size))

    def ticks(self, price: str) -> int:
        """Ticks in a decimal price. Raises ValueError when it is none or between two ticks."""
        return self._price.parse(price, "price")

    def lots(self, quantity: str) -> int:
        """Lots in a decimal quantity. Raises ValueError when it is none or between two lots."""
        return self._quantity.parse(quantity, "quantity")

    def price_text(self, ticks: int) -> str:
        """Write ticks as the decimal price, always with the tick's number of digits."""
        return self._price.format(ticks)

    def quantity_text(self, lots: int) -> str:
        """Write lots (negative: a short position) as the decimal quantity."""
        return self._quantity.format(lots)

    def money_text(self, tick_lots: int, fee_units: int = 0) -> str:
        """Write tick-lots less millionths of a tick-lot (fees) as exact money."""
        units = (tick_lots * FEE_UNITS - fee_units) * self._price.count * self._quantity.count
        digits = self._price.digits + self._quantity.digits
        if units % FEE_UNITS == 0:
            return _fixed(units // FEE_UNITS, digits)
        return _fixed(units, digits + 6)
