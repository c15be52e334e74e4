"""Live over real sockets and backtest without any: the same orders, fills and P&L to the byte."""

import asyncio
from math import inf
from typing import Any

import numpy as np
import pytest

from exchange.server.settings import Settings
from live_exchange import LiveExchange, live_exchange
from strategies.backtest import Backtest, Entrant
from strategies.live import LiveRun
from strategies.registry import new_strategy
from strategies.report import counted, status_line, summary
from strategies.skew import SkewMaker
from strategies.strategy import DecisionError, Quote, View
from strategies.taker import RandomTaker
from strategies.trader import Trader
from tampering_proxy import tampering_proxy

N_STEPS = 240
Spec = tuple[str, list[str]]


async def run_in_lockstep(live: LiveExchange, specs: list[Spec]) -> tuple[list[Trader], bytes]:
    """Run strategies as clients of their own; the traders, and the market as they left it.

    Nobody disconnects before all have seen the last step, so the market stands still there.
    """
    all_done = asyncio.Barrier(len(specs) + 1)
    async with asyncio.TaskGroup() as tasks:
        runs = [
            tasks.create_task(run_one(live, row, spec, all_done)) for row, spec in enumerate(specs)
        ]
        await all_done.wait()
        market = live.exchange.venue.markets.tobytes()
        await all_done.wait()
    return [run.result() for run in runs], market


async def run_one(live: LiveExchange, row: int, spec: Spec, all_done: asyncio.Barrier) -> Trader:
    async with live.client(row, lockstep=True) as client:
        run = LiveRun(client, await client.open("SIM"), new_strategy(*spec))
        await run.run_steps(N_STEPS)
        await all_done.wait()
        await all_done.wait()
        assert list(client.errors) == []
        return run.trader


def assert_same_run(live: Trader, offline: Trader) -> None:
    np.testing.assert_array_equal(live.fills.array(), offline.fills.array())
    np.testing.assert_array_equal(live.samples.array(), offline.samples.array())
    assert live.refusals == offline.refusals
    assert (live.n_orders, live.lots_ordered) == (offline.n_orders, offline.lots_ordered)
    assert live.metrics() == offline.metrics()


@pytest.mark.parametrize(
    "specs",
    [
        [("skew", [])],
        [("skew", ["half_spread=0.5"]), ("avellaneda_stoikov", []), ("taker", ["rate=2"])],
        [("momentum", ["entry=0.3", "exit=0.1"]), ("glft", ["form=exact", "volatility=0"])],
        [("rl", []), ("symmetric", [])],
    ],
    ids=["one", "makers_and_a_taker", "running_estimates", "the_shipped_policy"],
)
async def test_lockstep_and_backtest_give_the_same_bytes(specs: list[Spec]) -> None:
    settings = Settings(lockstep=True, lockstep_clients=len(specs))
    async with live_exchange(settings, maker_fee_ppm=-20, taker_fee_ppm=50) as live:
        markets = live.exchange.venue.markets.copy()
        entrants = [
            Entrant(new_strategy(*spec), live.accounts[row].account)
            for row, spec in enumerate(specs)
        ]
        offline = Backtest(markets, entrants, N_STEPS).run()

        online, market = await run_in_lockstep(live, specs)

        assert market == markets.tobytes()
        for live_trader, offline_trader in zip(online, offline, strict=True):
            assert_same_run(live_trader, offline_trader)
        assert all(len(trader.fills) > 0 for trader in online)


async def test_the_client_sees_the_records_that_the_engine_holds() -> None:
    """ACCOUNT and DEPTH at every step, as the backtest would show them."""
    seen: list[tuple[Any, Any]] = []

    class Witness(SkewMaker):
        def decide(self, view: View) -> Quote:
            seen.append((view.depth, view.account))
            return super().decide(view)

    async with live_exchange(Settings(lockstep=True)) as live:
        markets = live.exchange.venue.markets.copy()
        async with live.client(lockstep=True) as client:
            run = LiveRun(client, await client.open("SIM"), Witness(half_spread=0.5))
            await run.run_steps(N_STEPS)
        online, seen[:] = list(seen), []
        Backtest(markets, [Entrant(Witness(half_spread=0.5), 4)], N_STEPS).run()

    assert len(online) == len(seen) == N_STEPS
    for (depth, account), (engine_depth, engine_account) in zip(online, seen, strict=True):
        assert depth.tobytes() == engine_depth.tobytes()
        given = account.copy()
        # of a pulled or filled quote the engine keeps the stale id, the client keeps none
        for name in ("bid_quote_id", "ask_quote_id"):
            if given[name] == 0 or given["n_open"] < 2:
                given[name] = engine_account[name]
        assert given.tobytes() == engine_account.tobytes()


async def test_a_lockstep_run_goes_on_after_a_lost_connection() -> None:
    """The step that was under way is told and answered again."""
    async with (
        live_exchange(Settings(lockstep=True)) as live,
        tampering_proxy(live.url) as proxy,
        live.client(url=proxy.url, lockstep=True) as client,
    ):
        desk = await client.open("SIM")
        run = LiveRun(client, desk, SkewMaker(half_spread=0.5))
        task = asyncio.create_task(run.run_steps(N_STEPS))
        for step in (20, 50):
            while desk.step < step:
                await client.wait(desk, 0.1)
            await proxy.cut()
            proxy.open_to_sockets = True
        await task
        assert proxy.n_sockets == 3
        assert len(client.errors) == 2
        ledger = live.exchange.venue.ledger(0, live.accounts[0].account)
        last = run.trader.samples.array()[-1]
        assert (last["position"], last["cash"]) == (ledger.position, ledger.cash)
        assert len(run.trader.fills) == ledger.n_fills


async def test_at_wall_speed_a_maker_trades_with_a_taker_and_leaves_no_orders_behind() -> None:
    async with live_exchange(Settings(speed=50.0)) as live:
        async with live.client(0) as maker_client, live.client(1) as taker_client:
            desk = await maker_client.open("SIM")
            maker = LiveRun(maker_client, desk, SkewMaker(half_spread=0.5))
            taker = LiveRun(taker_client, await taker_client.open("SIM"), RandomTaker(rate=5.0))
            both = asyncio.gather(maker.run(20.0, 0.005, 50.0), taker.run(inf, 0.005, 50.0))
            while len(maker.trader.fills) < 5 or len(taker.trader.fills) < 5:
                await asyncio.sleep(0.01)
            assert "SIM: market " in status_line("skew", maker, maker_client)
            maker.stop()
            taker.stop()
            await both
            await maker.finish()
            await taker.finish()

        venue = live.exchange.venue
        for row, run, client in ((0, maker, maker_client), (1, taker, taker_client)):
            ledger = venue.ledger(0, live.accounts[row].account)
            told = summary("it", run, client)
            assert ledger.n_open == 0
            assert told["position"] == ledger.position
            assert told["fills"] == ledger.n_fills == len(run.trader.fills)
            assert told["volume"] == ledger.bought + ledger.sold
            assert told["latency_ms"]["p50"] > 0
            assert told["errors"] == []


async def test_a_strategy_that_fails_takes_its_run_with_it() -> None:
    class Broken:
        def decide(self, view: View) -> Quote:
            return Quote(bid_price=view.best_ask, bid_quantity=1, ask_price=1, ask_quantity=1)

    async with live_exchange() as live, live.client() as client:
        run = LiveRun(client, await client.open("SIM"), Broken())
        with pytest.raises(DecisionError, match="not below ask"):
            await run.run(5.0, 0.01)


def test_an_error_that_comes_again_is_told_once_with_its_count() -> None:
    assert counted(["lost", "gap", "lost"]) == "lost (2 times); gap"
    assert counted([]) == ""
