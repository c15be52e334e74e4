"""A recording as the market of environments."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange.engine.depth import write_depth
from exchange.engine.records import DEPTH, TRAINING_MARKET
from exchange.simulation.recorded.flow import RecordedFlow, new_recorded_markets
from lobster_kit import write_lobster
from rl.baselines import quoter
from rl.batch import MarketBatch
from rl.config import ConfigError, TaskConfig
from rl.contest import Contestant, run_episodes
from rl.evaluate import evaluate_quoter
from rl.step import AGENT
from strategies.skew import SkewMaker

LENGTH_S, CHANGE_S = 120, 60
NO_QUOTE = np.zeros(4)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "random_message.csv"
    return write_lobster(path, [CHANGE_S, LENGTH_S - CHANGE_S], [1, 2])


def task_of(file: Path, **settings: Any) -> TaskConfig:
    return TaskConfig(
        market=str(file),
        features="extended",
        **{"episode_steps": 60, "market_part": "all"} | settings,
    )


def test_without_the_agent_the_market_is_the_recording(file: Path) -> None:
    batch = MarketBatch(4, task_of(file), range(4))
    batch.reset()
    assert batch.markets.dtype == TRAINING_MARKET
    starts = batch.markets["now_ns"].copy()
    assert len(set(starts.tolist())) > 1
    for _ in range(60):
        batch.step_quotes(np.tile(NO_QUOTE, (4, 1)))
    for row in range(4):
        flow = RecordedFlow.open(file, "lobster")
        markets = new_recorded_markets(flow)
        until_ns = int(starts[row]) + 60 * 250_000_000
        while markets[0]["now_ns"] < until_ns:
            flow.advance(markets, 0, until_ns)
        depth = np.zeros(1, DEPTH)[0]
        write_depth(markets[0], depth)
        for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity"):
            assert batch.depths[row][name].tolist() == depth[name].tolist()
        assert depth["bid_quantity"][-1] > 0  # all ten levels were compared


def test_a_row_is_the_same_alone_as_in_a_batch_and_the_agent_trades(file: Path) -> None:
    quotes = quoter(SkewMaker(half_spread=0.5, quantity=3))
    batch = MarketBatch(5, task_of(file), range(10, 15))
    alone = MarketBatch(1, task_of(file), [12])
    for one in (batch, alone):
        one.reset()
        for _ in range(60):
            one.step_quotes(quotes(one))
    assert batch.markets[2].tobytes() == alone.markets[0].tobytes()
    assert batch.observations[2].tobytes() == alone.observations[0].tobytes()
    assert batch.markets["accounts"]["n_fills"][:, AGENT].sum() > 10
    positions = batch.markets["accounts"]["position"]
    assert (positions.sum(axis=1) == 0).all()


def test_the_parts_of_a_recording_do_not_overlap(file: Path) -> None:
    ends = []
    for part in ("train", "validation", "test"):
        task = task_of(file, episode_steps=20).on(part)
        batch = MarketBatch(32, task, range(32))
        batch.reset()
        begun = batch.markets["now_ns"]
        ends += [int(begun.min()), int(begun.max()) + 20 * 250_000_000]
    assert ends == sorted(ends)
    assert len(set(ends)) >= 4  # one may begin where another ends


def test_nothing_changes_until_the_recorded_future_does(file: Path, tmp_path: Path) -> None:
    other = write_lobster(tmp_path / "other.csv", [CHANGE_S, LENGTH_S - CHANGE_S], [1, 99])
    quotes = quoter(SkewMaker(half_spread=0.5, quantity=3))
    seen: dict[Path, list[Any]] = {}
    for path in (file, other):
        batch = MarketBatch(8, task_of(path, episode_steps=200), range(8))
        batch.reset()
        seen[path] = [[] for _ in range(8)]
        for _ in range(200):
            now = batch.markets["now_ns"].copy()
            decided = quotes(batch)
            observations, rewards, _ = batch.step_quotes(decided)
            for row in range(8):
                past = bool(now[row] + 250_000_000 < CHANGE_S * 10**9)
                shown = (observations[row].tobytes(), rewards[row].item(), decided[row].tolist())
                seen[path][row].append((past, shown))
    n_before = n_different_after = 0
    for mine, others in zip(seen[file], seen[other], strict=True):
        for (past, shown), (_, shown_other) in zip(mine, others, strict=True):
            if past:
                n_before += 1
                assert shown == shown_other
            else:
                n_different_after += shown != shown_other
    assert n_before > 200
    assert n_different_after > 200


def test_a_score_is_of_the_part_that_it_is_asked_for(file: Path) -> None:
    quotes = quoter(SkewMaker())
    task = task_of(file, episode_steps=20)
    trained, tested = (
        evaluate_quoter(quotes, task.on(part), range(8)) for part in ("train", "test")
    )
    assert np.isfinite(trained.pnl).all()
    assert trained.pnl.tolist() != tested.pnl.tolist()


def test_what_a_recording_cannot_be_is_said(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file, and none of"):
        TaskConfig(market=str(tmp_path / "nowhere.csv"))
    with pytest.raises(ConfigError, match="no parameters to override"):
        task_of(file, overrides={"noise_weight": 1.0})
    with pytest.raises(ConfigError, match="market_part 'future'"):
        task_of(file, market_part="future")
    with pytest.raises(ConfigError, match=r"an episode 250 s: shorten it"):
        MarketBatch(1, task_of(file, episode_steps=1_000))
    with pytest.raises(ConfigError, match="market_split"):
        task_of(file, market_split=(0.9, 0.1))
    broken = tmp_path / "broken.csv"
    broken.write_text("not,a,recording\n")
    with pytest.raises(ConfigError, match="broken"):
        MarketBatch(1, task_of(broken))


def test_the_classes_that_trade_live_are_compared_on_a_recording(file: Path) -> None:
    """Each episode is run twice, by the backtest and by the environment; their accounts must agree."""
    task = task_of(file)
    skew = Contestant("skew", ("half_spread=0.5", "quantity=3"))
    found = run_episodes(skew, task, range(10, 16))
    assert found["n_fills"].sum() > 10
    quotes = quoter(SkewMaker(half_spread=0.5, quantity=3))
    scores = evaluate_quoter(quotes, task, range(10, 16))
    assert np.allclose(found["reward"], scores.reward)
    assert np.allclose(found["pnl_others_mid"], scores.pnl)
