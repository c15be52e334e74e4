"""Small charts as SVG text: axes, bands, lines, bars, intervals. No library, no script.

Colors are classes (`s0`, `s1`, ... for series; `axis`, `grid`, `zero`), so the page or the file around
a chart decides them and dark mode needs no second picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = Sequence[float] | npt.NDArray[Any]
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 24, 36
TICK_STEPS = (1, 2, 2.5, 5, 10)


@dataclass
class Chart:
    """One plot in its own coordinates; `svg()` is the element."""

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str = ""
    y_label: str = ""
    width: int = 400
    height: int = 250
    left: int = LEFT
    _parts: list[str] = field(default_factory=list, init=False)

    def place_x(self, value: float) -> float:
        """Where a value lies, in pixels from the left."""
        low, high = self.x
        return self.left + (value - low) / (high - low) * (self.width - self.left - RIGHT)

    def place_y(self, value: float) -> float:
        low, high = self.y
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - TOP - BOTTOM)

    def points(self, x: Numbers, y: Numbers) -> str:
        pairs = zip(x, y, strict=True)
        return " ".join(f"{self.place_x(a):.1f},{self.place_y(b):.1f}" for a, b in pairs)

    def line(self, x: Numbers, y: Numbers, series: str, title: str = "") -> None:
        """A line through all points."""
        tip = f"<title>{escape(title)}</title>" if title else ""
        points = self.points(x, y)
        self._parts.append(f'<polyline class="line {series}" points="{points}">{tip}</polyline>')

    def band(self, x: Numbers, low: Numbers, high: Numbers, series: str) -> None:
        """The area between two lines."""
        there, back = self.points(x, low), self.points(list(x)[::-1], list(high)[::-1])
        self._parts.append(f'<polygon class="band {series}" points="{there} {back}"/>')

    def bars(self, edges: Numbers, heights: Numbers, series: str) -> None:
        """A histogram: n + 1 edges, n heights."""
        base = self.place_y(max(self.y[0], 0.0))
        for a, b, height in zip(edges[:-1], edges[1:], heights, strict=True):
            left, right, top = self.place_x(a), self.place_x(b), self.place_y(height)
            self._parts.append(
                f'<rect class="bar {series}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(right - left - 0.5, 0.5):.1f}" height="{max(base - top, 0):.1f}"/>'
            )

    def interval(self, y: float, low: float, high: float, series: str) -> None:
        """A horizontal interval at height y."""
        self.segment((low, y), (high, y), f"interval {series}")

    def segment(self, start: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """A straight line between two points, cut off at the plot's edges by whoever calls."""
        x1, y1, x2, y2 = (
            *(self.place_x(start[0]), self.place_y(start[1])),
            *(self.place_x(end[0]), self.place_y(end[1])),
        )
        self._parts.append(
            f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        )

    def dot(self, x: float, y: float, series: str, title: str) -> None:
        """One point, with a title that shows where a pointer rests on it."""
        self._parts.append(
            f'<circle class="dot {series}" cx="{self.place_x(x):.1f}" cy="{self.place_y(y):.1f}" '
            f'r="4"><title>{escape(title)}</title></circle>'
        )

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", dx: float = 0, dy: float = 4
    ) -> None:
        """Words at a point of the plot, moved by some pixels."""
        self._write(self.place_x(x) + dx, self.place_y(y) + dy, words, anchor, "note")

    def _write(self, x: float, y: float, words: str, anchor: str, style: str) -> None:
        self._parts.append(
            f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def y_names(self, names: Sequence[str]) -> None:
        """Names in place of numbers: name i stands at height i."""
        for i, name in enumerate(names):
            self._write(self.left - 6, self.place_y(i) + 4, name, "end", "note")

    def svg(self, *, y_numbers: bool = True, zero: bool = True) -> str:
        """The element, with title, grid, axes and labels behind what was drawn."""
        drawn, self._parts = self._parts, []
        self._grid(y_numbers)
        if zero and self.y[0] < 0 < self.y[1]:
            self.segment((self.x[0], 0), (self.x[1], 0), "zero")
        self._labels()
        parts, self._parts = "".join(self._parts + drawn), drawn
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" '
            f'xmlns="http://www.w3.org/2000/svg" aria-label="{escape(self.title)}">{parts}</svg>'
        )

    def _grid(self, y_numbers: bool) -> None:
        for value in ticks(*self.x):
            self.segment((value, self.y[0]), (value, self.y[1]), "grid")
            bottom = self.height - BOTTOM + 14
            self._write(self.place_x(value), bottom, number(value), "middle", "tick")
        for value in ticks(*self.y) if y_numbers else []:
            self.segment((self.x[0], value), (self.x[1], value), "grid")
            self._write(self.left - 5, self.place_y(value) + 3.5, number(value), "end", "tick")

    def _labels(self) -> None:
        self._write(4, 14, self.title, "start", "title")
        right = self.width - RIGHT
        if self.x_label:
            self._write(right, self.height - 6, self.x_label, "end", "label")
        if self.y_label:
            self._write(right, 14, self.y_label, "end", "label")


def ticks(low: float, high: float, n_wanted: int = 5) -> list[float]:
    """Round numbers within low .. high, about n_wanted of them."""
    rough = (high - low) / n_wanted
    power = 10.0 ** floor(log10(rough))
    step = next(power * s for s in TICK_STEPS if power * s >= rough * 0.999)
    return [i * step for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A short number for an axis."""
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.6g}".replace("-", "−")


def bounds(*values: Numbers, margin: float = 0.05, floor_at: float | None = None) -> Any:
    """(low, high) around all finite values, a little wider; never empty."""
    found = np.concatenate([np.asarray(part, np.float64).ravel() for part in values])
    found = found[np.isfinite(found)]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    if floor_at is not None:
        low = min(low, floor_at)
    room = (high - low) * margin or max(abs(high), 1.0) * 0.5
    return low - room, high + room
