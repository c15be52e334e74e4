"""One HTML page of a comparison, complete in itself: no script, no other file, nothing fetched."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from rl import figures
from rl.contest import Episodes

STYLE = Path(__file__).with_name("page.css")
Json = Mapping[str, Any]

MAIN = {
    "sharpe": "Sharpe",
    "pnl": "P&L",
    "reward": "reward",
    "max_drawdown": "largest drawdown",
}
BEHIND = {
    "captured_spread": "captured spread",
    "realized_spread": "realized spread",
    "adverse_selection_1s": "adverse after 1 s",
    "adverse_selection_5s": "adverse after 5 s",
    "fill_rate": "fill rate",
    "mean_abs_position": "mean |position|",
    "max_abs_position": "largest |position|",
    "volume": "lots traded",
    "turnover": "turnover",
    "pnl_others_mid": "P&L at the others' mid",
}
NOTES = """Means over episodes; below them 95% bootstrap intervals over episodes. Ticks, lots and
tick-lots. Sharpe: mean / standard deviation of the episodes' P&L, not annualized. Spreads are ticks a
lot against the mid at the trade (captured) and 5 s later (realized); adverse selection is what the mid
moved against the fill. Fill rate: lots filled of each lot ordered. Mean |position| is weighted by
time."""


def write_page(path: Path, results: Mapping[str, Episodes], report: Json) -> None:
    """Write the page. report: of `rl.comparison.compare`, with what was run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(results, report), encoding="utf-8")


def check_writable(path: Path) -> None:
    """Raise OSError where nothing can be written: before hours of work, not after. Leaves no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8"):
        pass
    if is_new:
        path.unlink()


def page(results: Mapping[str, Episodes], report: Json) -> str:
    """The whole page as text."""
    series = {name: f"s{i % 8}" for i, name in enumerate(results)}
    title = f"{', '.join(results)} on {report['market']}"
    sections = (
        _summary(report, series),
        _differences(report, series),
        _pictures(results, report, series),
        _provenance(report),
    )
    return document(title, _heading(report) + "".join(sections))


def document(title: str, body: str) -> str:
    """A whole page around its body."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def standalone(chart: str) -> str:
    """A chart of `rl.figures` as the text of an SVG file, with its colors and a background."""
    head, _, rest = chart.partition(">")
    style = STYLE.read_text(encoding="utf-8")
    back = '<rect width="100%" height="100%" style="fill: var(--panel)"/>'
    return f"{head}><style>{style}</style>{back}{rest}\n"


def _heading(report: Json) -> str:
    first, last = report["seeds"]
    steps, step_s = report["task"]["episode_steps"], report["task"]["step_ns"] / 1e9
    return (
        f"<h1>Backtest comparison</h1><p class='lead'>Market <b>{escape(report['market'])}</b>: "
        f"{report['episodes']:,} episodes of {steps:,} decisions, {step_s:g} s apart, the same "
        f"seeds {first:,}–{last:,} for every strategy.</p>"
    )


def _summary(report: Json, series: Mapping[str, str]) -> str:
    strategies = report["strategies"]
    known = [name for name in strategies if strategies[name]["sharpe"]["mean"] is not None]
    best = max(known, key=lambda name: strategies[name]["sharpe"]["mean"], default="-")
    main = _table(MAIN, strategies, series)
    behind = _table(BEHIND, strategies, series)
    return (
        f"<section><h2>Result</h2><p>Highest Sharpe: <b>{escape(best)}</b>.</p>{main}"
        f"<h3>Behind it</h3>{behind}<p class='note'>{NOTES}</p></section>"
    )


def _table(columns: Mapping[str, str], rows: Mapping[str, Json], series: Mapping[str, str]) -> str:
    head = "".join(f"<th>{escape(label)}</th>" for label in columns.values())
    body = "".join(
        f'<tr><th><i class="key {series[name]}"></i>{escape(name)}</th>'
        + "".join(f"<td>{_interval(row[key])}</td>" for key in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _interval(value: Json) -> str:
    if value["mean"] is None:
        return "–"
    low, high = _number(value["low"]), _number(value["high"])
    return f"{_number(value['mean'])}<small>{low} … {high}</small>"


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 20 else 2
    return f"{value:,.{digits}f}".replace("-", "−")


def _differences(report: Json, series: Mapping[str, str]) -> str:
    if not report["paired"]:
        return ""
    reference = report["reference"]
    charts = grid(
        figures.differences(f"{label}: {reference} less", report["paired"], key, series)
        for key, label in MAIN.items()
        if any(found[key]["mean"] is not None for found in report["paired"].values())
    )
    return (
        f"<section><h2>{escape(reference)} less each other strategy</h2><p>Differences paired by seed, "
        f"with 95% intervals: one that does not touch the line is no accident of the seeds.</p>{charts}"
        f"{_table(MAIN, report['paired'], series)}</section>"
    )


def _pictures(results: Mapping[str, Episodes], report: Json, series: Mapping[str, str]) -> str:
    minutes = report["task"]["episode_steps"] * report["task"]["step_ns"] / 60e9
    shown = figures.histogram_range(results)
    everybody = [(name, episodes, series[name]) for name, episodes in results.items()]
    overview = [
        *figures.frontiers(report["strategies"], series),
        figures.mean_curves(results, series, minutes),
    ]
    equity = (figures.equity_chart(*of_one, minutes) for of_one in everybody)
    positions = (figures.position_chart(*of_one, minutes) for of_one in everybody)
    pnl = (figures.histogram(name, of["pnl"], style, shown) for name, of, style in everybody)
    legend = "".join(f'<span><i class="key {s}"></i>{escape(n)}</span>' for n, s in series.items())
    return (
        f"<section><h2>Mean against risk</h2><p>Dotted: equal Sharpe.</p>"
        f"<p class='legend'>{legend}</p>{grid(overview)}</section>"
        f"<section><h2>Equity</h2><p>Mean, and the middle 50% and 90% of episodes; each picture has its "
        f"own scale.</p>{grid(equity)}</section>"
        f"<section><h2>Position</h2><p>The middle 50% and 90% of episodes, and the first three "
        f"themselves.</p>{grid(positions)}</section>"
        f"<section><h2>P&amp;L of single episodes</h2><p>One scale for all; what lies outside is counted "
        f"in the outermost bars. The colored line is the mean.</p>{grid(pnl)}</section>"
    )


def grid(charts: Iterable[str]) -> str:
    """Charts side by side, as many as there is room for."""
    return f'<div class="grid">{"".join(f"<figure>{chart}</figure>" for chart in charts)}</div>'


def _provenance(report: Json) -> str:
    rows = {
        "command": report["command"],
        "commit": report["commit"] or "unknown",
        "seeds": "{:,}–{:,}".format(*report["seeds"]),
        "parameters": "; ".join(
            f"{name}: {' '.join(words) or 'defaults'}"
            for name, words in report["parameters"].items()
        ),
        "versions": ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
        "speed": f"{report['decisions_per_s']:,} decisions/s in {report['processes']} processes",
        "task": json.dumps(report["task"], indent=1),
    }
    return what_was_run(rows)


def what_was_run(rows: Mapping[str, str]) -> str:
    """The section that says how to come by the same result."""
    body = "".join(
        f"<dt>{name}</dt><dd><pre>{escape(text)}</pre></dd>" for name, text in rows.items()
    )
    return f"<section><h2>What was run</h2><dl>{body}</dl></section>"
