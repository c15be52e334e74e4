"""LOBSTER files for tests: random orders that could have come, written as the venue prints them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

CENT = 100  # of LOBSTER's price units
OPEN = 34_200.0  # seconds after midnight


def write_lobster(path: Path, seconds: Sequence[float], seeds: Sequence[int]) -> Path:
    """Random orders over the spans in `seconds`, one after the other, each with its own seed.

    Files with the same first spans and seeds are the same, line by line, until those end.
    """
    book = RandomBook()
    now = 0.0
    for span, seed in zip(seconds, seeds, strict=True):
        random = np.random.default_rng(seed)
        end = now + span
        while (now := now + float(random.exponential(0.02))) < end:
            book.event(now, random)
        now = end
    book.add(now, np.random.default_rng(0))  # so that all files end at the same time
    path.write_text("\n".join(book.lines) + "\n")
    return path


class RandomBook:
    """Orders that rest, by id: [side, price in cents, lots]."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self.lines: list[str] = []
        self.n_orders = 0
        self.mid = 10_000

    def event(self, now: float, random: np.random.Generator) -> None:
        """One more line: an arrival, a cancel, a partial cancel or an execution."""
        kind = random.choice(4, p=[0.45, 0.25, 0.1, 0.2]) if len(self.orders) > 60 else 0
        kind = 1 if len(self.orders) > 150 else kind
        if kind == 0:
            self.add(now, random)
        elif kind == 3:
            self._execute(now, random)
        else:
            order = int(random.choice(list(self.orders)))
            lots = self.orders[order][2]
            if kind == 2 and lots > 1:
                self._print(now, 2, order, int(random.integers(1, lots)))
            else:
                self._print(now, 3, order, lots)

    def add(self, now: float, random: np.random.Generator) -> None:
        """An order that rests."""
        self.mid += int(random.integers(-1, 2)) if random.random() < 0.05 else 0
        side = int(random.choice([1, -1]))
        best = [o[1] for o in self.orders.values() if o[0] == -side]
        price = self.mid - side * int(random.integers(1, 12))
        if best:  # it must not trade
            price = min(price, min(best) - 1) if side == 1 else max(price, max(best) + 1)
        self.n_orders += 1
        lots = int(random.integers(1, 20))
        self.orders[self.n_orders] = [side, price, lots]
        self._print(now, 1, self.n_orders, lots, taken=0)

    def _execute(self, now: float, random: np.random.Generator) -> None:
        side = int(random.choice([1, -1]))
        queue = [(-side * o[1], number) for number, o in self.orders.items() if o[0] == side]
        if queue:
            order = min(queue)[1]
            self._print(now, 4, order, int(random.integers(1, self.orders[order][2] + 1)))

    def _print(
        self, now: float, kind: int, order: int, lots: int, taken: int | None = None
    ) -> None:
        side, price, left = self.orders[order]
        self.lines.append(f"{OPEN + now:.9f},{kind},{order},{lots},{price * CENT},{side}")
        left -= lots if taken is None else taken
        self.orders[order][2] = left
        if left == 0:
            del self.orders[order]
