"""The backtest: what strategies are shown, in which order they act, and what is written down."""

from math import inf, sqrt
from typing import Any

import numpy as np
import pytest

from exchange.engine.door import Door
from exchange.engine.records import DEPTH, Markets, new_markets
from exchange.engine.resting import resting_orders
from exchange.server.settings import Settings
from exchange.simulation.presets import new_simulated_markets
from strategies.backtest import STEP_NS, Backtest, Entrant, run_backtest
from strategies.mirror import BookMirror, Event
from strategies.registry import new_strategy
from strategies.skew import SkewMaker
from strategies.strategy import Quote, Take, View
from strategies.trader import Observer

BUY, SELL = 0, 1
CROWD = 0


class Script:
    """Does what it is told, step by step, and remembers what it saw."""

    def __init__(self, *wishes: Quote) -> None:
        self.wishes = list(wishes)
        self.views: list[View] = []

    def decide(self, view: View) -> Quote:
        self.views.append(view)
        return self.wishes[min(len(self.views), len(self.wishes)) - 1]


def plain_market(**terms: Any) -> Markets:
    """20 lots on each side of 98 x 102 (price base aside), and nobody who moves."""
    markets = new_markets(1, open_price=10_000, **terms)
    door = Door(markets)
    door.enter(0, CROWD, BUY, 9_998, 20, 0, 0)
    door.enter(0, CROWD, SELL, 10_002, 20, 0, 0)
    return markets


def still(markets: Markets, instrument: int, until_ns: int) -> int:
    """Let time pass, and nobody trade."""
    return Door(markets).advance(instrument, until_ns)


def test_a_take_is_filled_at_once_and_written_down_with_fee_and_mid() -> None:
    markets = plain_market(taker_fee_ppm=100)
    buyer = Script(Quote(take=Take(True, 10_002, 5)), Quote())
    backtest = Backtest(markets, [Entrant(buyer, 4)], 2, advance=still)
    (trader,) = backtest.run()

    (fill,) = trader.fills.array()
    assert (fill["price"], fill["quantity"], fill["is_buy"], fill["is_maker"]) == (10_002, 5, 1, 0)
    assert (fill["fee"], fill["mid_twice"], fill["time_ns"]) == (10_002 * 5 * 100, 20_000, 0)
    assert trader.samples.array()["position"].tolist() == [0, 5, 5]
    metrics = trader.metrics()
    assert metrics.pnl == -15.001  # 5 lots x 2 ticks, and a fee of 5.001
    assert metrics.fill_rate == 1.0
    assert metrics.captured_spread == -2.0


def test_strategies_see_the_market_before_each_others_commands() -> None:
    markets = plain_market()
    first = Script(Quote(9_999, 1, 10_001, 1))
    second = Script(Quote(take=Take(True, 10_002, 1)), Quote())
    third = Script(Quote(bid_price=10_001, bid_quantity=1), Quote())
    entrants = [Entrant(third, 6), Entrant(first, 4), Entrant(second, 5)]
    traders = Backtest(markets, entrants, 1, advance=still).run()

    assert all(script.views[0].best_ask == 10_002 for script in (first, second, third))
    # the account numbers decide, not the order of the list: 5 takes what 4 has just quoted
    assert [len(trader.fills) for trader in traders] == [0, 1, 1]
    assert traders[1].fills.array()["price"].tolist() == [10_001]
    # and by then 10,001 is free again, so that the last one's bid rests
    assert traders[0].refusals == {}


def test_a_post_only_quote_that_would_trade_is_refused_and_counted() -> None:
    markets = plain_market()
    early, late = Script(Quote(9_999, 1, 10_000, 1)), Script(Quote(10_000, 1, 10_001, 1))
    traders = Backtest(markets, [Entrant(early, 4), Entrant(late, 5)], 1, advance=still).run()
    assert traders[0].refusals == {}
    assert traders[1].refusals == {"post_only_would_trade": 1}
    assert (traders[1].n_orders, traders[1].lots_ordered) == (1, 1)


def test_an_unchanged_quote_is_sent_once_and_keeps_its_place() -> None:
    markets = plain_market()
    maker = Script(Quote(9_999, 3, 10_001, 3))
    (trader,) = Backtest(markets, [Entrant(maker, 4)], 10, advance=still).run()
    assert trader.n_orders == 2
    assert [view.own_bid for view in maker.views][:2] == [None, maker.views[-1].own_bid]
    assert maker.views[-1].own_ask.quantity == 3


def test_time_left_and_volumes_are_shown() -> None:
    markets = plain_market()
    watcher = Script(Quote(take=Take(True, 10_002, 2)), Quote(take=Take(False, 9_998, 1)), Quote())
    Backtest(markets, [Entrant(watcher, 4)], 4, advance=still).run()
    assert [view.time_left_s for view in watcher.views] == [1.0, 0.75, 0.5, 0.25]
    assert [(view.bought, view.sold) for view in watcher.views] == [(0, 0), (2, 0), (0, 1), (0, 0)]
    assert [view.time_ns for view in watcher.views] == [n * STEP_NS for n in range(4)]


def test_two_strategies_cannot_share_an_account_in_one_market() -> None:
    with pytest.raises(ValueError, match="share one account"):
        Backtest(plain_market(), [Entrant(Script(), 4), Entrant(Script(), 4)], 1)


def test_an_account_has_the_limits_that_the_exchange_gives() -> None:
    markets = plain_market()
    greedy = Script(Quote(9_990, 501), Quote(9_990, 500))
    (trader,) = run_backtest(markets, [Entrant(greedy, 4)], 2)
    assert greedy.views[0].position_max == Settings().position_max
    assert dict(trader.refusals) == {"account_quantity_max": 1}
    assert trader.n_orders == 1
    markets["accounts"]["position_max"][0, 4] = 7  # own limits stay
    run_backtest(markets, [Entrant(greedy, 4)], 1)
    assert greedy.views[-1].position_max == 7


@pytest.mark.parametrize(
    ("account", "instrument", "said"),
    [
        (0, 0, "account 0 is no trader's: those are 4 .. 7"),
        (-1, 0, "account -1 is no"),
        (8, 0, "account 8 is no"),
        (4, 1, "no market 1: there are 1"),
    ],
)
def test_a_seat_that_does_not_exist_is_refused(account: int, instrument: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run_backtest(plain_market(), [Entrant(Script(Quote()), account, instrument)], 1)


def test_strategies_trade_in_different_markets_of_one_venue() -> None:
    markets = new_simulated_markets(2, [1, 2])
    entrants = [Entrant(SkewMaker(), 4, instrument=0), Entrant(SkewMaker(), 4, instrument=1)]
    traders = run_backtest(markets, entrants, 200)
    for row, trader in enumerate(traders):
        account = markets[row].accounts[4]
        assert trader.samples.array()["position"][-1] == account.position
        assert len(trader.fills) == account.n_fills > 0


@pytest.mark.parametrize(
    "name", ["symmetric", "skew", "avellaneda_stoikov", "glft", "momentum", "taker"]
)
def test_every_strategys_record_agrees_with_the_engines_account(name: str) -> None:
    markets = new_simulated_markets(1, [3], maker_fee_ppm=-20, taker_fee_ppm=50)
    (trader,) = run_backtest(markets, [Entrant(new_strategy(name), 4)], 400)
    account, fills = markets[0].accounts[4], trader.fills.array()
    signed = np.where(fills["is_buy"] == 1, fills["quantity"], -fills["quantity"])
    assert signed.sum() == account.position
    assert -(signed * fills["price"]).sum() == account.cash
    assert fills["fee"].sum() == account.fees
    metrics = trader.metrics()
    total = metrics.realized + metrics.unrealized - metrics.fees
    assert metrics.pnl == pytest.approx(total, abs=1e-9)
    assert len(trader.samples) == 401


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> bytes:
        markets = new_simulated_markets(1, [5])
        entrants = [Entrant(new_strategy(name), 4 + n) for n, name in enumerate(("skew", "taker"))]
        traders = run_backtest(markets, entrants, 200)
        records = [trader.fills.array().tobytes() for trader in traders]
        return markets.tobytes() + b"".join(records)

    assert run() == run()


def test_the_mirror_knows_the_best_prices_after_every_event() -> None:
    """Against the depth, one command at a time, with every kind of event on the way."""
    markets = new_markets(1)
    door, random = Door(markets), np.random.default_rng(1)
    mirror = BookMirror(resting_orders(markets[0]))
    for _ in range(3_000):
        account, side = int(random.integers(4, 8)), int(random.integers(0, 2))
        price, lots = int(random.integers(9_995, 10_006)), int(random.integers(1, 9))
        resting = resting_orders(markets[0])
        resting = resting["order_id"][resting["account"] == account]
        order_id = int(resting[random.integers(len(resting))]) if len(resting) else 0
        match int(random.integers(0, 6)):
            case 0 | 1 | 2:
                options = int(random.choice([0, 1, 2, 8])) | int(random.choice([32, 64, 96]))
                door.enter(0, account, side, price, lots, options, 0)
            case 3:
                door.cancel(0, account, order_id)
            case 4:
                door.replace(0, account, order_id, price, lots)
            case 5:
                door.quote(0, account, price, lots, price + 2, lots, 32, 0)
        for row in door.events(0).tolist():
            mirror.apply(Event._make(row))
        market = markets[0]
        both = market.best_bid != 0 and market.best_ask != 0
        best = market.best_bid + market.best_ask + 2 * market.price_base
        assert mirror.mid_twice() == (best if both else 0)


# --- what views remember -------------------------------------------------------------------------


def depth(time_ns: int, bid: int, ask: int) -> Any:
    record = np.zeros(1, DEPTH)[0]
    record["time_ns"], record["last_price"] = time_ns, 50
    record["bid_price"][0], record["bid_quantity"][0] = bid, int(bid > 0)
    record["ask_price"][0], record["ask_quantity"][0] = ask, int(ask > 0)
    return record


def test_volatility_is_the_moving_average_of_squared_changes_per_second() -> None:
    observer, account = Observer(), new_markets(1)[0].accounts[4]
    mids = [100, 102, 102, 99]
    for n, mid in enumerate(mids):
        view = observer.view(depth(n * 250_000_000, mid - 1, mid + 1), account, None, None, 0)
    kept = np.exp(-0.25 / 60)
    weights = (1 - kept) * kept ** np.array([2, 1, 0])
    squares = np.array([4, 0, 9]) / 0.25
    assert view.volatility == pytest.approx(sqrt((weights * squares).sum() / weights.sum()))
    assert view.time_left_s == inf


def test_without_both_sides_the_mid_is_the_last_known_one() -> None:
    observer, account = Observer(), new_markets(1)[0].accounts[4]
    assert observer.view(depth(0, 0, 0), account, None, None, 0).mid == 50  # the last trade
    assert observer.view(depth(1, 98, 101), account, None, None, 0).mid == 99.5
    view = observer.view(depth(2, 98, 0), account, None, None, 0)
    assert (view.mid, view.best_bid, view.best_ask, view.asks) == (99.5, 98, None, ())


def test_fills_are_told_also_in_a_market_that_was_silent():
    markets = new_simulated_markets(1, [7])
    markets["silent"] = 1
    (trader,) = run_backtest(markets, [Entrant(SkewMaker(), 4)], 400)
    assert len(trader.fills) == markets["accounts"]["n_fills"][0, 4] > 0
