"""The scripts that search, judge and predict: what is wrong is said in one line, before the work."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from strategies.policy import CARD_NAME, WEIGHTS_NAME
from strategies.rl_mm import SHIPPED_POLICY

SCRIPTS = Path(__file__).parents[1] / "scripts"
EXTRAS = ("optuna", "torch", "stable_baselines3", "gymnasium", "onnx", "onnxruntime")
# as if the extras were not installed
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys({extras!r}))
sys.path.insert(0, {folder!r})
sys.argv = {words!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def run_without(extras: tuple[str, ...], *words: str) -> subprocess.CompletedProcess[str]:
    words = (str(SCRIPTS / words[0]), *words[1:])
    program = WITHOUT.format(extras=extras, folder=str(SCRIPTS), words=list(words))
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("script", "words", "extra"),
    [
        ("tune_strategy.py", ("--strategy", "skew"), "tune"),
        ("judge_policy.py", (), "tune"),
        ("train_predictor.py", (), "rl"),
        ("train_rl.py", (), "rl"),
    ],
)
def test_without_the_extras_there_is_help_and_the_name_of_the_one_to_install(
    script: str, words: tuple[str, ...], extra: str
) -> None:
    helped = run_without(EXTRAS, script, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith("usage:")
    refused = run_without(EXTRAS, script, *words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"pip install -e '.[{extra}]'" in only_line(refused)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("tune_strategy.py", ("--strategy", "skew", "--save")),
        ("tune_strategy.py", ("--strategy", "skew", "--storage")),
        ("judge_policy.py", ("--out",)),
        ("train_predictor.py", ("--save-path",)),
    ],
)
def test_a_path_that_cannot_be_written_is_found_before_the_work(
    tmp_path: Path, script: str, words: tuple[str, ...]
) -> None:
    for extra in ("optuna", "torch"):
        pytest.importorskip(extra, reason="needs the extras tune and rl")
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "out.json", tmp_path):
        done = run(script, *words, path)
        assert (done.returncode, str(tmp_path) in only_line(done)) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--markets", "0"), "--markets lies within 1 .. 10000, not 0"),
        (("--markets", "1000000000"), "not 1000000000"),
        (("--test-markets", "1"), "--test-markets lies within 2 .. 1000, not 1"),
        (("--n-hidden", "0"), "--n-hidden lies within 1 .. 1024, not 0"),
        (("--n-epochs", "-3"), "--n-epochs lies within 1 .. 1000, not -3"),
        (("--seed", "-1"), "--seed lies within 0 .. 9999, not -1"),
        (("--task", "episode_steps=3"), "an episode of 3 steps has no 1 s"),
    ],
)
def test_numbers_that_no_predictor_has_are_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    pytest.importorskip("torch", reason="needs the extra rl")
    done = run("train_predictor.py", "--save-path", tmp_path / "predictor.json", *words)
    assert (done.returncode, said in only_line(done)) == (2, True), done.stderr


def with_card(path: Path, changes: dict[str, Any]) -> Path:
    """A copy of the shipped policy with a changed card."""
    with zipfile.ZipFile(SHIPPED_POLICY) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr(CARD_NAME, json.dumps(json.loads(source.read(CARD_NAME)) | changes))
        target.writestr(WEIGHTS_NAME, source.read(WEIGHTS_NAME))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": 3}, "the training on its card"),
        ({"training": {"timesteps": None}}, "the training on its card"),
        ({"training": {"validation": 3}}, "the training on its card"),
        ({"task": {"speed": 3}}, "the task on its card"),
        ({"task": {"reward": 3}}, "the task on its card"),
    ],
)
def test_a_card_that_cannot_be_judged_is_found_before_the_work(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    pytest.importorskip("optuna", reason="needs the extra tune")
    path = with_card(tmp_path / "damaged.zip", changes)
    for words in (("--model-path", path, "--budget", "1"), ("--runs", path)):
        line = only_line(run("judge_policy.py", *words))
        assert str(path) in line
        assert said in line


@pytest.mark.parametrize("n_processes", [1, 2])
def test_ctrl_c_ends_the_judge_with_its_processes_and_leaves_no_result(
    tmp_path: Path, n_processes: int
) -> None:
    pytest.importorskip("optuna", reason="needs the extra tune")
    words = ["--tuning-seeds", "10", "--budget", "200000", "--out", str(tmp_path / "out.json")]
    command = [sys.executable, str(SCRIPTS / "judge_policy.py"), *words]
    command += ["--processes", str(n_processes)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as judge:
        assert judge.stderr is not None
        assert judge.stderr.readline().startswith("tuned symmetric")  # seven more searches to come
        os.killpg(judge.pid, signal.SIGINT)  # as a terminal sends it: to the workers too
        _, said = judge.communicate(timeout=20)  # when the last process has closed the pipe
    assert judge.returncode == 130, said
    assert said.splitlines()[-1] == "judge_policy: stopped"
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
