"""The demo's screen: the top of the book, the newest trades, what each strategy earns."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

N_LEVELS = 8
N_TRADES = 2 * N_LEVELS + 1
BAR_WIDTH = 16
PICTURE_WIDTH = 100
HEIGHT = 2 * N_LEVELS + 5
BID, ASK, QUIET = "green", "red", "grey58"


class Show:
    """Keeps what was seen last and draws it whenever rich asks."""

    def __init__(self, symbol: str, names: list[str]) -> None:
        self.symbol, self.names = symbol, names
        self.address = ""
        self.pages: dict[str, Any] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.start = time.monotonic()

    def __call__(self, pages: dict[str, Any], reports: dict[str, dict[str, Any]]) -> None:
        """Take what the exchange and the strategies said."""
        self.pages, self.reports = dict(pages), reports

    def __rich__(self) -> RenderableType:
        """Draw everything."""
        if not self.pages:
            seconds = time.monotonic() - self.start
            return Text(f"starting ... {seconds:.0f} s", style=QUIET)
        top = Layout()
        top.split_row(
            Layout(Panel(self._book(), title=f"{self.symbol} book", border_style=QUIET), ratio=3),
            Layout(Panel(self._trades(), title="trades", border_style=QUIET), ratio=2),
        )
        top.size = None
        frame = Layout(size=HEIGHT)
        frame.split_row(*top.children)
        foot = f"exchange at {self.address}; every strategy is a process of its own; Ctrl-C ends it"
        return Group(_Fixed(frame), self._strategies(), Text(foot, style=QUIET))

    def save(self, path: Path) -> None:
        """Write the last screen as an SVG picture."""
        console = Console(record=True, width=PICTURE_WIDTH, file=StringIO(), force_terminal=True)
        console.print(self)
        path.parent.mkdir(parents=True, exist_ok=True)
        console.save_svg(str(path), title="make demo")

    def _book(self) -> Table:
        book = self.pages["book"]
        table = Table(box=None, expand=True, header_style=QUIET)
        for name in ("bids", "lots", "price", "lots", "asks"):
            table.add_column(name, justify="right" if name != "asks" else "left")
        largest = max((float(q) for _, q in book["bids"] + book["asks"]), default=1.0)
        for price, quantity in reversed(book["asks"]):
            bar = Text(_bar(quantity, largest), style=ASK)
            table.add_row("", "", Text(price, style=ASK), quantity, bar)
        for price, quantity in book["bids"]:
            bar = Text(_bar(quantity, largest), style=BID)
            table.add_row(bar, quantity, Text(price, style=BID), "", "")
        return table

    def _trades(self) -> Table:
        table = Table(box=None, expand=True, header_style=QUIET)
        for name in ("time", "price", "lots"):
            table.add_column(name, justify="right")
        for trade in reversed(self.pages["trades"]):
            style = BID if trade["taker_side"] == "buy" else ASK
            seconds = trade["time_ns"] / 1e9
            clock = f"{int(seconds) // 60}:{seconds % 60:05.2f}"
            table.add_row(clock, Text(trade["price"], style=style), trade["quantity"])
        return table

    def _strategies(self) -> Table:
        table = Table(expand=True, header_style=QUIET, border_style=QUIET)
        table.add_column("strategy")
        for name in ("P&L", "position", "orders", "fills", "fill rate", "drawdown", "answer, ms"):
            table.add_column(name, justify="right")
        for name in self.names:
            report = self.reports.get(name)
            if not report:
                table.add_row(name, Text("connecting", style=QUIET))
                continue
            pnl = report["pnl"]
            latency = report["latency_ms"]["p50"]
            table.add_row(
                name,
                Text(f"{pnl:+.2f}", style=BID if pnl >= 0 else ASK),
                f"{report['position']:+d}",
                str(report["orders"]),
                str(report["fills"]),
                "-" if report["fill_rate"] is None else f"{report['fill_rate']:.0%}",
                f"{report['max_drawdown']:.2f}",
                "-" if latency is None else f"{latency:.1f}",
            )
        return table


@contextmanager
def shown(show: Show, console: Console) -> Iterator[None]:
    """Draw it four times a second; without a terminal once, at the end."""
    try:
        with Live(show, console=console, refresh_per_second=4):
            yield
    finally:
        if not console.is_terminal:  # rich ends its last line in a terminal only
            console.line()


class _Fixed:
    """A layout at its own height instead of the terminal's."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def __rich_console__(self, console: Console, options: Any) -> Any:
        yield from console.render(self.layout, options.update(height=HEIGHT))


def _bar(quantity: str, largest: float) -> str:
    return "█" * max(round(BAR_WIDTH * float(quantity) / largest), 1)
