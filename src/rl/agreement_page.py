"""The page of `scripts/live_vs_backtest.py`: one live run beside the backtests of its strategy."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rl import figures
from rl.agreement import STEP_MS, live_curves, minute_pnl
from rl.contest import Episodes
from rl.page import document, grid, what_was_run
from rl.svg import Chart, bounds
from strategies.trader import Trader

Json = Mapping[str, Any]

LABELS = {
    "pnl_per_minute": "P&L a minute",
    "orders_per_minute": "orders a minute",
    "fills_per_minute": "fills a minute",
    "refusals_per_minute": "refusals a minute",
    "lots_per_minute": "lots a minute",
    "fill_rate": "fill rate",
    "captured_spread": "captured spread, ticks",
    "realized_spread": "realized spread, ticks",
    "mean_abs_position": "mean |position|, lots",
    "max_abs_position": "largest |position|, lots",
    "max_drawdown": "largest drawdown",
}
PACE = {
    "between_decisions_ms": "market time between decisions",
    "decide_ms": "the strategy's decision",
    "answer_ms": "from command to answer",
    "view_age_ms": "market time from what was seen to the command's effect",
}
BACKTEST, LIVE = "s0", "s1"  # colors


def write_agreement(path: Path, report: Json, trader: Trader, backtest: Episodes) -> None:
    """Write the page. report: of `compare_live`, with what was run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(agreement_page(report, trader, backtest), encoding="utf-8")


def verdict(report: Json) -> str:
    """The result in one sentence."""
    if not report["same_pace"]:
        return (
            f"{report['strategy']} decided every {amount(report['live']['between_decisions_ms']['p50'])} "
            f"ms of market time and not every {amount(STEP_MS)} as its backtests: no comparison. "
            "The machine does not keep up with this --speed."
        )
    of = report["figures"]["pnl_per_minute"]
    lies = "lies within" if report["within"] else "does NOT lie within"
    return (
        f"{report['strategy']} live over {report['n_minutes']} min: {amount(of['live'])} a minute, "
        f"at percentile {amount(of['percentile'])} of {report['backtests']} backtests; it {lies} their "
        f"central 95% ({amount(of['low'])} … {amount(of['high'])})."
    )


def amount(value: float | None) -> str:
    """As many digits as are worth reading."""
    if value is None:
        return "-"
    return f"{value:,.{0 if abs(value) >= 1000 else 1 if abs(value) >= 20 else 2}f}"


def agreement_page(report: Json, trader: Trader, backtest: Episodes) -> str:
    """The whole page as text."""
    lead = (
        f"<h1>Live against backtest</h1><p class='lead'><b>{escape(verdict(report))}</b></p>"
        f"<p class='legend'><span><i class='key {BACKTEST}'></i>backtests</span>"
        f"<span><i class='key {LIVE}'></i>live</span></p>"
    )
    charts = _charts(report, trader, backtest)
    body = lead + _section("Where live lies", charts + _figures(report)) + _minutes(report)
    title = f"{report['strategy']}: live against backtest"
    return document(title, body + _pace(report) + _what_was_run(report))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _charts(report: Json, trader: Trader, backtest: Episodes) -> str:
    minutes = report["n_minutes"]
    live, there = live_curves(trader, minutes), minute_pnl(backtest.equity)
    of_live = minute_pnl(live.equity)
    charts = (
        _marked("mean P&L a minute of a run", there.mean(axis=1), of_live.mean(keepdims=True)),
        _marked("P&L of a single minute", there.ravel(), of_live),
        _with_live("equity", backtest.equity, live.equity, minutes, "tick-lots"),
        _with_live("position", backtest.position, live.position, minutes, "lots"),
    )
    note = (
        "<p>Bars: backtests, what lies outside is counted in the outermost ones; lines: live. Below, the "
        "middle 50% and 90% of backtests and the live run.</p>"
    )
    return note + grid(chart.svg(zero=False) for chart in charts)


def _marked(title: str, values: Any, live: Any) -> Chart:
    """Backtests as a histogram, live values as lines."""
    x = bounds(np.quantile(values, [0.002, 0.998]), live)
    chart = figures.bars(f"{title}", values, BACKTEST, x, "% of backtests")
    for value in live:
        chart.segment((value, 0), (value, chart.y[1]), f"mark {LIVE}")
    return chart


def _with_live(title: str, curves: Any, live: Any, minutes: int, unit: str) -> Chart:
    return figures.fan(title, curves, BACKTEST, minutes, unit, paths=[live], path_style=LIVE)


def _figures(report: Json) -> str:
    """Each figure of the live run, and where it lies."""
    rows = [
        (LABELS[name], of["live"], of["mean"], of["sd"], of["low"], of["high"], of["percentile"])
        for name, of in report["figures"].items()
    ]
    head = ("", "live", "backtests: mean", "sd", "2.5%", "97.5%", "live at percentile")
    return _table(head, rows)


def _minutes(report: Json) -> str:
    """The live run minute by minute."""
    of = report["minute"]
    rows = [
        (f"{i + 1}", minute["pnl"], minute["percentile"])
        for i, minute in enumerate(report["minutes"])
    ]
    said = (
        f"<p>{of['n_within']} of {report['n_minutes']} minutes lie within the central 95% of single "
        f"backtest minutes, {amount(of['low'])} … {amount(of['high'])} (mean {amount(of['mean'])}, "
        f"sd {amount(of['sd'])}).</p>"
    )
    return _section("Minute by minute", said + _table(("minute", "P&L", "at percentile"), rows))


def _pace(report: Json) -> str:
    """What only a live run has: latency, refusals, trouble."""
    live = report["live"]
    rows = [(label, live[key]["p50"], live[key]["p99"]) for key, label in PACE.items()]
    refused = ", ".join(f"{name} {n}" for name, n in live["refusals"].items()) or "none"
    errors = "; ".join(live["errors"]) or "none"
    said = (
        f"<p>{live['decisions']:,} decisions. Refusals: {escape(refused)}. "
        f"Trouble on the way: {escape(errors)}.</p>"
    )
    return _section("Pace", said + _table(("milliseconds", "median", "99th percentile"), rows))


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    heads = "".join(f"<th>{escape(label)}</th>" for label in head)
    body = "".join(
        f"<tr><th>{escape(name)}</th>" + "".join(f"<td>{amount(v)}</td>" for v in values) + "</tr>"
        for name, *values in rows
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{body}</table></div>'


def _what_was_run(report: Json) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    return what_was_run(
        {
            "command": report["command"],
            "commit": report["commit"] or "unknown",
            "parameters": " ".join(report["parameters"]) or "defaults",
            "seeds": "live {}, backtests {}–{}".format(report["seed"], *report["backtest_seeds"]),
            "live": f"speed {report['speed']:g}, {report['live_wall_s']} s of wall time with the start",
            "versions": versions,
        }
    )
