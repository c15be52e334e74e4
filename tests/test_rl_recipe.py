"""A recipe is refused before the training, in one line that names the setting."""

import json
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from rl.recipe import PRESETS, Recipe, RecipeError, bounds, read_config, with_settings


def test_every_number_has_a_lowest_and_a_highest_value() -> None:
    recipe = Recipe()
    numbers = {name for name, value in vars(recipe).items() if type(value) in (int, float)}
    assert numbers == set(bounds())
    for name, (lowest, highest) in bounds().items():
        assert -inf < lowest < highest < inf, name
        assert all(lowest <= getattr(preset, name) <= highest for preset in PRESETS.values())


@pytest.mark.parametrize("value", [nan, inf, -inf, "nan", "inf", "1e999"])
def test_no_number_is_other_than_finite(value: Any) -> None:
    for name in bounds():
        with pytest.raises(RecipeError, match=name):
            with_settings(Recipe(), {name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("clip_range", 0, "clip_range lies within 1e-06 .. 10, not 0"),
        ("clip_range", "-0.2", "not -0.2"),
        ("learning_rate", 0, "learning_rate lies within 1e-09 .. 1, not 0"),
        ("learning_rate", "-1e-3", "not -0.001"),
        ("learning_rate_end", -1e-5, "learning_rate_end lies within 0 .. 1"),
        ("entropy", -1, "entropy lies within 0 .. 10"),
        ("validations", -1, "validations lies within 0 .. 10000, not -1"),
        ("validation_seeds", 0, "validation_seeds lies within 2 .. 1000, not 0"),
        ("validation_seeds", 1, "not 1"),
        ("validation_seeds", 1_001, "not 1001"),
        ("teacher_quantity", 0, "teacher_quantity lies within 1 .. 10, not 0"),
        ("teacher_quantity", 11, "not 11"),
        ("teacher_half_spread", -1, "teacher_half_spread lies within 0 .. 10"),
        ("lesson_steps", 0, "lesson_steps lies within 1"),
        ("n_envs", 100_000, "n_envs lies within 1 .. 10000, not 100000"),
        ("batch_size", 1, "batch_size lies within 2"),
        ("seed", -1, "seed lies within 0 .. 9999"),
        ("timesteps", 0, "timesteps lies within 1"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        with_settings(Recipe(), {name: value})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_run_is_whole_rollouts() -> None:
    recipe = with_settings(Recipe(), {"n_envs": 8, "n_steps": 4, "timesteps": 65})
    assert recipe.whole_timesteps == 96
    assert with_settings(recipe, {"algorithm": "dqn"}).whole_timesteps == 72
    assert with_settings(recipe, {"timesteps": 64}).whole_timesteps == 64


def test_what_an_update_remembers_is_bounded() -> None:
    for settings in ({"n_envs": 10_000, "n_steps": 1_000}, {"n_steps": 100_000}):
        with pytest.raises(RecipeError, match=r"an update needs 2 \.\. 4,000,000 decisions"):
            with_settings(Recipe(), settings)


def test_an_update_needs_two_decisions() -> None:
    with pytest.raises(RecipeError, match=r"needs 2 \.\."):
        with_settings(Recipe(), {"n_envs": 1, "n_steps": 1})
    assert with_settings(Recipe(), {"n_envs": 1, "n_steps": 2}).n_envs == 1


def test_a_batch_may_be_larger_than_an_update_and_validations_may_be_none() -> None:
    changed = with_settings(Recipe(), {"n_envs": 2, "n_steps": 2, "validations": 0})
    assert (changed.batch_size, changed.validations) == (Recipe().batch_size, 0)


@pytest.mark.parametrize("content", [[], 3, {"task": 3}, {"training": [1]}, {"other": {}}])
def test_a_config_file_of_another_form_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecipeError, match=r"run\.json is not of the form"):
        read_config(path, "tuned")
