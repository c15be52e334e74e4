"""The book and the agent's quotes of one market, drawn without any drawing library."""

from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

N_TICKS = 12  # prices shown on either side of the mid
ROW_HEIGHT, MARGIN, LOTS_WIDE = 12, 6, 40
WIDTH = 2 * (MARGIN + 5 * LOTS_WIDE)
BACKGROUND, GRID = (18, 22, 28), (40, 46, 54)
BID, ASK, OWN = (38, 166, 124), (214, 84, 84), (245, 197, 66)
POSITION = (96, 140, 220)


class RenderError(ValueError):
    """No such render mode."""


def write(batch: Any, row: int) -> str:
    """One market as text: prices from the highest down, own quotes marked."""
    own = batch.histories[row]["own"]
    mine = {int(own["ask_price"]): int(own["ask_quantity"])}
    mine[int(own["bid_price"])] = int(own["bid_quantity"])
    episode, mid = batch.episodes[row], int(batch.histories[row]["mid_twice"]) / 2
    lines = [
        f"step {int(episode['n_steps'])}  mid {mid:.1f}  position {_position(batch, row)}  "
        f"equity {float(episode['equity']):.1f}",
        f"{'bids':>10} {'price':^9} {'asks':<10} own",
    ]
    bids, asks = _sides(batch.depths[row])
    for price in _prices(batch, row):
        note = f"{mine[price]} lots" if mine.get(price) else ""
        text = f"{bids.get(price, ''):>10} {price:^9} {asks.get(price, ''):<10} {note}"
        lines.append(text.rstrip())
    return "\n".join(lines)


def draw(batch: Any, row: int) -> Image:
    """One market as an image, uint8 (height, width, 3): bids left, asks right, own quotes yellow.

    A line a tick, the highest price on top; 5 pixels a lot. The bar at the bottom is the position.
    """
    prices = _prices(batch, row)
    image = np.empty((ROW_HEIGHT * len(prices) + 3 * MARGIN, WIDTH, 3), np.uint8)
    image[:] = BACKGROUND
    middle = WIDTH // 2
    bids, asks = _sides(batch.depths[row])
    own = batch.histories[row]["own"]
    for line, price in enumerate(prices):
        top = MARGIN + line * ROW_HEIGHT
        image[top + ROW_HEIGHT - 1, MARGIN:-MARGIN] = GRID
        for sign, lots, color in ((-1, bids.get(price, 0), BID), (1, asks.get(price, 0), ASK)):
            _bar(image, top, middle, sign, lots, color)
        if price == own["bid_price"]:
            _bar(image, top, middle, -1, int(own["bid_quantity"]), OWN)
        if price == own["ask_price"]:
            _bar(image, top, middle, 1, int(own["ask_quantity"]), OWN)
    position = _position(batch, row)
    _bar(
        image, image.shape[0] - 2 * MARGIN, middle, int(np.sign(position)), abs(position), POSITION
    )
    image[:, middle] = GRID
    return image


def _bar(
    image: Image, top: int, middle: int, sign: int, lots: int, color: tuple[int, int, int]
) -> None:
    length = min(5 * lots, WIDTH // 2 - MARGIN)
    left, right = (middle - length, middle) if sign < 0 else (middle, middle + length)
    image[top : top + min(ROW_HEIGHT - 2, image.shape[0] - top), left:right] = color


def _prices(batch: Any, row: int) -> range:
    middle = int(batch.histories[row]["mid_twice"]) // 2
    return range(middle + N_TICKS, middle - N_TICKS, -1)


def _sides(depth: Any) -> tuple[dict[int, int], dict[int, int]]:
    sides = []
    for name in ("bid", "ask"):
        pairs = zip(
            depth[f"{name}_price"].tolist(), depth[f"{name}_quantity"].tolist(), strict=True
        )
        sides.append({price: lots for price, lots in pairs if lots > 0})
    return sides[0], sides[1]


def _position(batch: Any, row: int) -> int:
    return int(batch.histories[row]["position"])
