"""The pictures of a comparison: paths, positions, distributions, the frontier, differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rl.contest import Episodes
from rl.svg import Chart, bounds, number

Json = Mapping[str, Any]
QUANTILES = (0.05, 0.25, 0.75, 0.95)
N_BINS = 40
TAIL = (
    0.005  # of the episodes left out of a histogram on each side, so that one does not flatten all
)
LETTER_WIDTH, LINE_HEIGHT, DOT = 6.5, 12, 6  # pixels, about
SHARPE_LINES = (0.5, 1.0, 1.5, 2.0, 3.0)
FAR = 2.5  # times the median: beyond, a strategy gets a picture with the others only once
N_PATHS = 3  # single episodes drawn in a picture of positions


def mean_curves(results: Mapping[str, Episodes], series: Mapping[str, str], minutes: float) -> str:
    """Mean equity of everybody over the episode, in one picture."""
    means = {name: episodes.equity.mean(axis=0) for name, episodes in results.items()}
    chart = Chart("mean equity", (0, minutes), bounds(*means.values()), "minutes", "tick-lots")
    for name, mean in means.items():
        chart.line(np.linspace(0, minutes, len(mean)), mean, series[name], name)
    return chart.svg()


def equity_chart(name: str, episodes: Episodes, style: str, minutes: float) -> str:
    """Mean and quantiles of one strategy's equity."""
    return fan(f"{name}: equity", episodes.equity, style, minutes, "tick-lots").svg()


def position_chart(name: str, episodes: Episodes, style: str, minutes: float) -> str:
    """Quantiles of one strategy's position, with the first episodes themselves."""
    of = episodes.position
    return fan(f"{name}: position", of, style, minutes, "lots", paths=of[:N_PATHS]).svg()


def fan(
    title: str,
    curves: Any,
    style: str,
    minutes: float,
    unit: str,
    *,
    paths: Any = (),
    path_style: str = "",
) -> Chart:
    """The middle 50% and 90% of curves (n, n_points), with single paths or else their mean."""
    low, quarter, upper, high = np.quantile(curves, QUANTILES, axis=0)
    chart = Chart(title, (0, minutes), bounds(low, high, *paths), "minutes", unit)
    x = np.linspace(0, minutes, curves.shape[1])
    chart.band(x, low, high, style)
    chart.band(x, quarter, upper, style)
    for path in paths:
        chart.line(x, path, path_style or f"thin {style}")
    if not len(paths):
        chart.line(x, curves.mean(axis=0), style, "mean")
    return chart


def histogram(name: str, pnl: Any, style: str, x: tuple[float, float]) -> str:
    """Episodes by their P&L; x: the range shown, the same for everybody."""
    chart = bars(f"{name}: P&L of an episode", pnl, style, x, "% of episodes")
    chart.segment((pnl.mean(), 0), (pnl.mean(), chart.y[1]), f"mark {style}")
    return chart.svg(zero=False)


def bars(title: str, values: Any, style: str, x: tuple[float, float], y_label: str) -> Chart:
    """A histogram of tick-lots; x: the range shown, what lies outside is in the outermost bars."""
    edges = np.linspace(*x, N_BINS + 1)
    counts = np.histogram(np.clip(values, *x), edges)[0]
    share = 100 * counts / len(values)
    chart = Chart(title, x, (0, share.max() * 1.08), "tick-lots", y_label)
    chart.bars(edges, share, style)
    if x[0] < 0 < x[1]:
        chart.segment((0, 0), (0, chart.y[1]), "zero")
    return chart


def histogram_range(results: Mapping[str, Episodes]) -> tuple[float, float]:
    """Wide enough for nearly all episodes of most strategies."""
    ends = [np.quantile(episodes["pnl"], [TAIL, 1 - TAIL]) for episodes in results.values()]
    low, high = np.median(ends, axis=0)  # one wild strategy must not flatten the others
    found: tuple[float, float] = bounds([low, high], margin=0.3, floor_at=0.0)
    return found


def frontiers(strategies: Mapping[str, Json], series: Mapping[str, str]) -> list[str]:
    """The frontier of everybody and, where some are far out, of the others once more."""
    risk = sorted(found["pnl_sd"] for found in strategies.values())
    near = {
        name: of for name, of in strategies.items() if of["pnl_sd"] <= FAR * risk[len(risk) // 2]
    }
    pictures = [frontier("mean against risk", strategies, series)]
    if len(near) < len(strategies):
        pictures.append(frontier("the same, without those far out", near, series))
    return pictures


def frontier(title: str, strategies: Mapping[str, Json], series: Mapping[str, str]) -> str:
    """Mean P&L against its standard deviation, with intervals of the mean and lines of one Sharpe."""
    risk = {name: found["pnl_sd"] for name, found in strategies.items()}
    ends = [found["pnl"][end] for found in strategies.values() for end in ("low", "high")]
    reach_x = (0, max(risk.values()) * 1.3 or 1.0)
    reach_y = bounds(ends, margin=0.12, floor_at=0.0)
    label = "standard deviation of an episode's P&L"
    chart = Chart(title, reach_x, reach_y, label, "mean P&L", height=300)
    for ratio in SHARPE_LINES:
        _draw_sharpe(chart, ratio)
    for name, found in strategies.items():
        mean, style = found["pnl"], series[name]
        chart.segment((risk[name], mean["low"]), (risk[name], mean["high"]), f"interval {style}")
        tip = f"{name}: mean {mean['mean']:.1f}, sd {risk[name]:.1f}"
        chart.dot(risk[name], mean["mean"], style, tip)
    _name_dots(chart, {name: (risk[name], of["pnl"]["mean"]) for name, of in strategies.items()})
    return chart.svg()


def _draw_sharpe(chart: Chart, ratio: float) -> None:
    """The line on which mean = ratio x standard deviation, named at its end."""
    x, y = chart.x[1], chart.y[1]
    if ratio * x <= y:
        chart.segment((0, 0), (x, ratio * x), "iso")
        chart.text(x, ratio * x, f"{ratio:g}", anchor="end", dy=-3)
    else:
        chart.segment((0, 0), (y / ratio, y), "iso")
        chart.text(y / ratio, y, f"{ratio:g}", anchor="end", dx=-3, dy=10)


def _name_dots(chart: Chart, dots: Mapping[str, tuple[float, float]]) -> None:
    """Names right or left of their dots, as little below as other dots and names allow."""
    places = {name: (chart.place_x(x), chart.place_y(y)) for name, (x, y) in dots.items()}
    taken = [(x - DOT, x + DOT, y) for x, y in places.values()]
    for name, (x, y) in sorted(places.items(), key=lambda item: item[1][1]):
        width = LETTER_WIDTH * len(name)
        spots = [
            (x + side * (DOT + 2) - (width if side < 0 else 0), down, side)
            for down in range(0, chart.height, 3)
            for side in (1, -1)
        ]
        start, down, side = next(
            (s for s in spots if _is_free(chart, s, y, width, taken)), spots[0]
        )
        taken.append((start, start + width, y + down))
        anchor = "start" if side > 0 else "end"
        chart.text(*dots[name], name, anchor=anchor, dx=side * (DOT + 2), dy=down + 4)


def _is_free(
    chart: Chart,
    spot: tuple[float, int, int],
    y: float,
    width: float,
    taken: Sequence[tuple[float, float, float]],
) -> bool:
    """Whether a name fits there: spot is where it starts, how far below y, on which side."""
    start, down, _ = spot
    if start < chart.left or start + width > chart.width:
        return False
    return not any(
        start < end and begin < start + width and abs(y + down - height) < LINE_HEIGHT
        for begin, end, height in taken
    )


def differences(
    title: str, paired: Mapping[str, Json], figure: str, series: Mapping[str, str]
) -> str:
    """The reference less each other strategy: means with intervals, against 0."""
    names = list(paired)[::-1]  # the first on top
    known = {
        name: paired[name][figure] for name in names if paired[name][figure]["mean"] is not None
    }
    reach = {name: max(abs(of["low"]), abs(of["high"])) for name, of in known.items()}
    limit = FAR * float(np.median(list(reach.values())))
    ends = [
        of[end] for name, of in known.items() for end in ("low", "high") if reach[name] <= limit
    ]
    rows = (-0.6, len(known) - 0.4)
    shown = bounds(ends, [0.0])
    chart = Chart(title, shown, rows, "", "", height=70 + 24 * len(known), left=128)
    chart.y_names(list(known))
    chart.segment((0, rows[0]), (0, rows[1]), "zero")
    for i, (name, of) in enumerate(known.items()):
        if reach[name] > limit:  # its row would leave no room for the others
            where = shown[1] if of["mean"] > 0 else shown[0]
            anchor = "end" if of["mean"] > 0 else "start"
            chart.text(where, i, f"far out: {number(round(of['mean']))}", anchor=anchor)
            continue
        chart.interval(i, of["low"], of["high"], series[name])
        tip = f"{name}: {of['mean']:.2f} [{of['low']:.2f}, {of['high']:.2f}]"
        chart.dot(of["mean"], i, series[name], tip)
    return chart.svg(y_numbers=False, zero=False)
