"""The market-making task as Gymnasium and Stable-Baselines3 know it, and its configuration."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra `rl`")

from gymnasium.utils.env_checker import check_env  # noqa: E402
from gymnasium.vector import AutoresetMode  # noqa: E402

import rl  # noqa: E402
from rl.batch import MarketBatch  # noqa: E402
from rl.config import ConfigError, TaskConfig  # noqa: E402
from rl.lob_env import MarketMakingEnv  # noqa: E402
from rl.render import RenderError  # noqa: E402
from rl.vector_env import MarketMakingVectorEnv  # noqa: E402

KINDS = ["multi_discrete", "box", "reservation"]
SEED = 21


def actions_for(env: Any, n_steps: int) -> list[np.ndarray[Any, Any]]:
    env.action_space.seed(3)
    return [env.action_space.sample() for _ in range(n_steps)]


# --- one market -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", KINDS)
def test_gymnasium_finds_nothing_wrong_with_the_environment(action):
    env = gymnasium.make(rl.ENV_ID, action=action, episode_steps=30, render_mode="rgb_array")
    check_env(env.unwrapped)  # its warnings are errors here


@pytest.mark.parametrize("action", KINDS)
def test_stable_baselines3_finds_nothing_wrong_with_it(action):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gymnasium.make(rl.ENV_ID, action=action, features="extended", episode_steps=30)
    checker.check_env(env.unwrapped, warn=True)


def test_the_default_spaces_are_the_guides():
    env = gymnasium.make(rl.ENV_ID)
    assert env.action_space == gymnasium.spaces.MultiDiscrete([11, 11, 10])
    assert env.observation_space.shape == (13,)
    assert env.spec.id == "OneBook/MarketMaking-v0"


def test_an_episode_ends_by_truncation_and_tells_how_it_went():
    env = MarketMakingEnv(episode_steps=5)
    env.reset(seed=SEED)
    for _ in range(4):
        *_, terminated, truncated, info = env.step(np.array([1, 1, 2]))
        assert (terminated, truncated, info) == (False, False, {})
    *_, terminated, truncated, info = env.step(np.array([1, 1, 2]))
    assert (terminated, truncated) == (False, True)
    assert info["summary"]["l"] == 5
    assert info["summary"]["seed"] == SEED
    assert info["summary"]["r"] == info["summary"]["reward"]
    with pytest.raises(gymnasium.error.ResetNeeded, match="after an end"):
        env.step(np.array([1, 1, 2]))
    env.reset()
    env.step(np.array([1, 1, 2]))


def test_one_market_needs_a_reset_and_an_action_of_three_numbers():
    env = MarketMakingEnv()
    with pytest.raises(gymnasium.error.ResetNeeded, match="before the first step"):
        env.step(np.array([1, 1, 2]))
    env.reset(seed=SEED)
    for action in (0, [1, 2], [[1, 2, 3]], None):
        with pytest.raises(ValueError, match="an action is 3 numbers, not"):
            env.step(action)
    env.step([1, 1, 2])


def test_a_choice_beyond_the_last_is_the_last():
    far, last = MarketMakingEnv(), MarketMakingEnv()
    for env in (far, last):
        env.reset(seed=SEED)
    asked = far.step(np.array([99, -3, 2.9])), last.step(np.array([10, 0, 2]))
    assert asked[0][0].tobytes() == asked[1][0].tobytes()


def test_one_market_is_a_row_of_a_batch():
    env, batch = MarketMakingEnv(), MarketBatch(1, seeds=[SEED])
    observation, _ = env.reset(seed=SEED)
    assert observation.tobytes() == batch.reset().tobytes()
    for action in actions_for(env, 50):
        observation, reward, *_ = env.step(action)
        observations, rewards, _ = batch.step(action[None])
        assert observation.tobytes() == observations[0].tobytes()
        assert reward == rewards[0]


def test_environments_that_are_not_seeded_differ():
    first, second = MarketMakingEnv().reset()[0], MarketMakingEnv().reset()[0]
    assert first.tobytes() != second.tobytes()


# --- many markets -----------------------------------------------------------------------------------


def test_make_vec_gives_the_native_vector_environment_with_autoreset_in_the_next_step():
    env = gymnasium.make_vec(
        rl.ENV_ID, num_envs=3, vectorization_mode="vector_entry_point", episode_steps=4
    )
    assert isinstance(env.unwrapped, MarketMakingVectorEnv)
    assert env.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    first, _ = env.reset(seed=SEED)
    for step in range(1, 5):
        observations, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        assert truncated.tolist() == [step == 4] * 3
        assert not terminated.any()
    assert infos["summary"]["l"].tolist() == [4, 4, 4]
    assert infos["summary"]["seed"].tolist() == [SEED, SEED + 1, SEED + 2]
    last = observations
    observations, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
    assert rewards.tolist() == [0, 0, 0]
    assert not truncated.any()
    assert infos == {}
    assert observations.tobytes() != last.tobytes()
    for step in range(1, 5):
        *_, truncated, infos = env.step(env.action_space.sample())
        assert truncated.tolist() == [step == 4] * 3
    again, _ = env.reset(seed=SEED)
    assert again.tobytes() == first.tobytes()


def test_a_vector_environment_can_be_seeded_and_reset_row_by_row():
    env = MarketMakingVectorEnv(3)
    one, _ = env.reset(seed=[5, 6, 7])
    two, _ = MarketMakingVectorEnv(3).reset(seed=5)
    assert one.tobytes() == two.tobytes()
    env.step(np.zeros((3, 3), int))
    mask = np.array([False, True, False])
    three, _ = env.reset(seed=[None, 6, None], options={"reset_mask": mask})
    assert three[1].tobytes() == one[1].tobytes()
    assert env.batch.episodes["n_steps"].tolist() == [1, 0, 1]


def test_observations_that_were_returned_are_not_overwritten():
    env = MarketMakingVectorEnv(2)
    kept, _ = env.reset(seed=SEED)
    copy = kept.copy()
    for _ in range(5):
        env.step(np.zeros((2, 3), int))
    assert kept.tobytes() == copy.tobytes()


def test_the_sb3_environment_resets_in_the_same_step_and_keeps_the_last_observation():
    sb3_env = pytest.importorskip("rl.sb3_env", reason="needs the extra `rl`")
    env, batch = sb3_env.MarketMakingVecEnv(2, episode_steps=3, seed=SEED), None
    batch = MarketBatch(2, TaskConfig(episode_steps=3), [SEED, SEED + 1])
    assert env.reset().tobytes() == batch.reset().tobytes()
    for step in range(1, 8):
        action = np.full((2, 3), step % 3)
        observations, rewards, dones, infos = env.step(action)
        last, expected, _ = batch.step(action)
        assert rewards.tolist() == expected.tolist()
        assert dones.tolist() == [step % 3 == 0] * 2
        if step % 3:
            assert infos == [{}, {}]
        else:
            assert infos[1]["terminal_observation"].tobytes() == last[1].tobytes()
            assert infos[1]["TimeLimit.truncated"]
            assert infos[1]["episode"]["l"] == 3
            batch.reset()
        assert observations.tobytes() == batch.observations.tobytes()
    env.seed(SEED)
    assert env.reset().tobytes() == MarketBatch(2, seeds=[SEED, SEED + 1]).reset().tobytes()
    assert env.get_attr("render_mode") == [None, None]
    env.close()


def test_sb3_learns_on_it():
    stable_baselines3 = pytest.importorskip("stable_baselines3", reason="needs the extra `rl`")
    sb3_env = pytest.importorskip("rl.sb3_env")
    env = sb3_env.MarketMakingVecEnv(4, episode_steps=10, features="extended", seed=1)
    model = stable_baselines3.PPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1, seed=0)
    model.learn(64)
    assert len(model.ep_info_buffer) == 4


# --- drawing ----------------------------------------------------------------------------------------


def test_text_shows_the_book_and_the_own_quotes():
    env = MarketMakingEnv(render_mode="ansi")
    env.reset(seed=SEED)
    env.step(np.array([2, 2, 3]))
    own = env.batch.histories["own"][0]
    lines = env.render().splitlines()
    marked = [line for line in lines if line.endswith(" lots")]
    for line, side in zip(marked, ("ask", "bid"), strict=True):
        assert str(int(own[f"{side}_price"])) in line.split()
        assert line.endswith(f"{int(own[f'{side}_quantity'])} lots")
    assert "position" in lines[0]


def test_an_image_shows_bids_asks_and_own_quotes():
    env = MarketMakingEnv(render_mode="rgb_array")
    env.reset(seed=SEED)
    before = env.render()
    env.step(np.array([2, 2, 3]))
    image = env.render()
    assert image.shape == before.shape
    assert image.dtype == np.uint8
    colors = {tuple(color) for color in image.reshape(-1, 3).tolist()}
    assert {(38, 166, 124), (214, 84, 84), (245, 197, 66)} <= colors
    assert (245, 197, 66) not in {tuple(color) for color in before.reshape(-1, 3).tolist()}


def test_rendering_needs_a_mode_that_exists():
    with pytest.raises(RenderError, match="none of"):
        MarketMakingEnv(render_mode="human")
    env = MarketMakingEnv()
    env.reset(seed=1)
    with pytest.raises(RenderError, match="choose a render_mode"):
        env.render()


# --- configuration ----------------------------------------------------------------------------------


def test_a_task_survives_its_way_through_json(tmp_path):
    task = TaskConfig(
        market="volatile",
        overrides={"noise_weight": 0.1, "open_price": 500},
        ranges={"value_sd": [0.1, 0.3]},
        features=("spread", "inventory"),
        action="box",
        reward={"equity_change": 1.0, "position_squared": 0.02},
        latency_steps=1,
        reward_scale=0.1,
    )
    (tmp_path / "task.json").write_text(task.to_json())
    assert TaskConfig.read(tmp_path / "task.json") == task
    assert TaskConfig.from_dict(task.as_dict()) == task
    assert TaskConfig.from_dict({}) == TaskConfig()
    assert json.loads(task.to_json())["features"] == ["spread", "inventory"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"market": "mars"}, "unknown market 'mars'"),
        ({"overrides": {"gravity": 1.0}}, "unknown parameter 'gravity'"),
        ({"overrides": {"value_sd": -1.0}}, "not within"),
        ({"ranges": {"value_sd": [0.3, 0.1]}}, "not \\[lowest, highest\\]"),
        ({"features": "all"}, "unknown features 'all'"),
        ({"features": ["spread", "mid_skew", "spread"]}, "feature 'spread' is given twice"),
        ({"action": "dance"}, "'dance': choose of multi_discrete, box, reservation$"),
        ({"action": "quote"}, "unknown action 'quote'"),
        ({"reward": {}}, "pays nothing"),
        ({"reward": {"fees": 0, "equity_change": 0.0}}, "pays nothing"),
        ({"predictor": "x"}, "predictor: could not convert"),
        ({"predictor": [1, 2, 3]}, "predictor: .* shape \\(3,\\)"),
        ({"predictor": [[1], [2, 3]]}, "predictor: "),
        ({"predictor": 3}, "predictor: "),
        ({"reward": {"luck": 1.0}}, "unknown reward term 'luck'"),
        ({"reward": {"equity_change": float("nan")}}, "not finite"),
        ({"reward": {"terminal_position_squared": 1.0}}, "needs the feature time_left"),
        ({"market": "poisson", "reward": {"value_captured": 1.0}}, "no hidden value"),
        ({"episode_steps": 0}, "episode_steps 0 is not a whole number within 1"),
        ({"episode_steps": 2.5}, "not a whole number"),
        ({"latency_steps": 9}, "latency_steps 9"),
        ({"maker_fee_ppm": 5_000}, "maker_fee_ppm 5000"),
        ({"speed": 3}, "unknown setting 'speed'"),
    ],
)
def test_a_task_that_cannot_be_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        TaskConfig.from_dict(settings)


def test_settings_can_be_given_one_by_one():
    env = MarketMakingEnv({"episode_steps": 7, "features": "extended"}, episode_steps=9)
    assert (env.config.episode_steps, env.config.features) == (9, "extended")
    with pytest.raises(ConfigError, match="unknown setting"):
        MarketMakingEnv(length=3)


def test_trading_needs_neither_gymnasium_nor_torch():
    code = (
        "import sys; sys.modules['gymnasium'] = sys.modules['torch'] = None\n"
        "import strategies.features, strategies.actions, strategies.backtest, rl.batch"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_gymnasiums_own_statistics_can_be_kept():
    env = gymnasium.wrappers.RecordEpisodeStatistics(
        gymnasium.make("OneBook/MarketMaking-v0", episode_steps=3)
    )
    env.reset(seed=1)
    info = [env.step(env.action_space.sample())[4] for _ in range(3)][-1]
    assert (info["episode"]["l"], info["summary"]["l"]) == (3, 3)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_action_that_is_no_number_is_refused(number: float):
    env = MarketMakingEnv(TaskConfig(action="box"))
    env.reset(seed=1)
    with pytest.raises(ValueError, match="finite"):
        env.step(np.full(3, number))
