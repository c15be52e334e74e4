"""What a live run tells its user: one line now and then, and the summary at the end."""

from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import Any

from strategies.client import ExchangeClient
from strategies.live import LiveRun
from strategies.metrics import Metrics, in_money

DIGITS = 6  # of money in reports; the record behind it is exact


def summary(name: str, run: LiveRun, client: ExchangeClient) -> dict[str, Any]:
    """The run as one JSON object; money in the instrument's currency, `errors` as sentences."""
    metrics = in_money(run.trader.metrics(), run.desk.instrument)
    figures = {key: _rounded(value) for key, value in metrics.as_dict().items()}
    return {
        "name": name,
        "symbol": run.desk.symbol,
        "orders": run.trader.n_orders,
        "fills": figures.pop("n_fills"),
        **figures,
        "latency_ms": latency_ms(list(client.latencies_ns)),
        "refusals": dict(run.trader.refusals),
        "errors": list(client.errors),
    }


def latency_ms(latencies_ns: list[int]) -> dict[str, float | None]:
    """Median and 99th percentile (nearest rank) of the time from a command to its answer."""
    ordered = sorted(latencies_ns)
    return {"p50": _percentile(ordered, 50), "p99": _percentile(ordered, 99)}


def _percentile(ordered: list[int], percent: int) -> float | None:
    if not ordered:
        return None
    rank = max(ceil(len(ordered) * percent / 100), 1)
    return round(ordered[rank - 1] / 1e6, 3)


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def status_line(name: str, run: LiveRun, client: ExchangeClient) -> str:
    """The market and the strategy in one line of text."""
    desk, instrument = run.desk, run.desk.instrument
    if not client.connected(desk):
        return f"{name} {desk.symbol}: connecting"
    bid, ask = desk.book.best_bids(1), desk.book.best_asks(1)
    market = " / ".join(instrument.price_text(side[0][0]) if side else "-" for side in (bid, ask))
    own = (desk.blotter.own_bid, desk.blotter.own_ask)
    quote = " / ".join(instrument.price_text(order.price) if order else "-" for order in own)
    line = f"{name} {desk.symbol}: market {market}, quote {quote}"
    if len(run.trader.samples) == 0:
        return line
    metrics = in_money(run.trader.metrics(), instrument)
    latency = latency_ms(list(client.latencies_ns))["p50"]
    answer = "" if latency is None else f", answer in {latency:.1f} ms"
    return (
        f"{line}, position {metrics.position:+d}, fills {metrics.n_fills}, "
        f"P&L {metrics.pnl:+.2f}{answer}"
    )


def summary_text(name: str, metrics: Metrics, run: LiveRun, client: ExchangeClient) -> str:
    """The summary for people; metrics in money."""
    latency = latency_ms(list(client.latencies_ns))
    rows = [
        ("orders, fills, lots", f"{run.trader.n_orders}, {metrics.n_fills}, {metrics.volume}"),
        ("P&L", f"{metrics.pnl:+.4f}"),
        ("  realized", f"{metrics.realized:+.4f}"),
        ("  unrealized", f"{metrics.unrealized:+.4f}"),
        ("  fees", f"{metrics.fees:.4f}"),
        ("position", f"{metrics.position:+d} lots, {metrics.mean_abs_position:.1f} on average"),
        ("fill rate", _or_dash(metrics.fill_rate, ".1%")),
        ("captured spread", _or_dash(metrics.captured_spread, ".5f")),
        ("realized spread", _or_dash(metrics.realized_spread, ".5f")),
        ("adverse selection", _or_dash(metrics.adverse_selection, ".5f")),
        ("Sharpe, annualized", _or_dash(metrics.sharpe, ".1f")),
        ("largest drawdown", f"{metrics.max_drawdown:.4f}"),
        ("answer time, ms", f"p50 {latency['p50']}, p99 {latency['p99']}"),
        ("refusals", ", ".join(f"{k} {v}" for k, v in run.trader.refusals.items()) or "none"),
        ("errors", counted(client.errors) or "none"),
    ]
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:<{width}}  {value}" for label, value in rows]
    return "\n".join([f"{name} on {run.desk.symbol}, {metrics.duration_s:.1f} s", *lines])


def counted(sentences: Iterable[str]) -> str:
    """Each sentence once, with how often it was said: a lost exchange is missed again and again."""
    counts = Counter(sentences)
    return "; ".join(text if n == 1 else f"{text} ({n} times)" for text, n in counts.items())


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
