"""A damaged policy file is refused in one line that names it and says what to do."""

import json
import zipfile
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategies.policy import (
    ADVICE,
    CARD_NAME,
    ONNX_CARD_KEY,
    WEIGHTS_NAME,
    PolicyError,
    load_policy,
)
from strategies.rl_mm import SHIPPED_POLICY

ONNX = SHIPPED_POLICY.with_suffix(".onnx")


def shipped_card() -> dict[str, Any]:
    with zipfile.ZipFile(SHIPPED_POLICY) as source:
        card: dict[str, Any] = json.loads(source.read(CARD_NAME))
        return card


def with_card(path: Path, card: Any) -> Path:
    """A copy of the shipped policy with another card."""
    with zipfile.ZipFile(SHIPPED_POLICY) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr(CARD_NAME, card if isinstance(card, bytes) else json.dumps(card))
        target.writestr(WEIGHTS_NAME, source.read(WEIGHTS_NAME))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PolicyError) as refused:
        load_policy(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


BOX = {"kind": "box", "low": [-1.0] * 32, "high": [1.0] * 32, "squashed": True}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output": {}}, "no policy has the output {}"),
        ({"output": {"kind": "zzz", "sizes": [11, 11, 10]}}, "no policy has the output"),
        ({"output": {"kind": ["choices"]}}, "no policy has the output"),
        ({"output": {"kind": "choices"}}, "no policy has the output"),
        ({"output": {"kind": "choices", "sizes": 32}}, "no policy has the output"),
        ({"output": {"kind": "choices", "sizes": [33, -1]}}, "no policy has the output"),
        ({"output": {"kind": "joint", "sizes": ["32"]}}, "no policy has the output"),
        ({"output": {**BOX, "low": None}}, "no policy has the output"),
        ({"output": {**BOX, "high": [1.0]}}, "no policy has the output"),
        ({"output": {**BOX, "low": [2.0] * 32}}, "no policy has the output"),
        ({"output": {**BOX, "high": [inf] * 32}}, "no policy has the output"),
        ({"output": {**BOX, "squashed": "no"}}, "no policy has the output"),
        ({"output": {**BOX, "low": ["x"] * 32}}, "could not convert"),
        ({"output": "choices"}, "lacks 'output', or it is damaged"),
        ({"task": 3}, "lacks 'task', or it is damaged"),
        ({"task": None}, "lacks 'task', or it is damaged"),
        ({"features": 3}, "lacks 'features', or it is damaged"),
        ({"features": [3]}, "unknown feature 3"),
        ({"feature_table": {}}, "lacks 'feature_table', or it is damaged"),
        ({"format": "1"}, "lacks 'format', or it is damaged"),
        ({"task": {**shipped_card()["task"], "predictor": "x"}}, "could not convert"),
        ({"task": {**shipped_card()["task"], "predictor": [[1.0]]}}, "columns"),
    ],
)
def test_a_damaged_card_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    told = refusal(with_card(tmp_path / "damaged.zip", {**shipped_card(), **changes}))
    assert said in told
    assert told.endswith(ADVICE)


@pytest.mark.parametrize("card", [[], 3, None, "card", b"{", b"\xff"])
def test_a_card_that_is_no_json_object_is_refused(tmp_path: Path, card: Any) -> None:
    assert "JSON" in refusal(with_card(tmp_path / "damaged.zip", card))


def test_a_box_of_the_right_form_passes(tmp_path: Path) -> None:
    policy = load_policy(with_card(tmp_path / "box.zip", {**shipped_card(), "output": BOX}))
    assert policy.act(np.zeros(len(policy.features), np.float32)).shape == (32,)


@pytest.mark.parametrize("name", ["weight_0", "bias_0", "weight_2", "bias_2"])
def test_an_onnx_weight_that_is_no_number_is_refused(tmp_path: Path, name: str) -> None:
    onnx = pytest.importorskip("onnx", reason="writing an .onnx file needs the extra rl")
    pytest.importorskip("onnxruntime", reason="an .onnx policy needs the extra serve")
    model = onnx.load(ONNX)
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    weights = onnx.numpy_helper.to_array(tensor).copy()
    weights.flat[3] = nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(weights, name))
    path = tmp_path / "astray.onnx"
    onnx.save(model, path)
    assert "not all finite" in refusal(path)


def test_a_damaged_card_of_an_onnx_file_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="writing an .onnx file needs the extra rl")
    pytest.importorskip("onnxruntime", reason="an .onnx policy needs the extra serve")
    model = onnx.load(ONNX)
    onnx.helper.set_model_props(model, {ONNX_CARD_KEY: json.dumps({"task": 3})})
    path = tmp_path / "damaged.onnx"
    onnx.save(model, path)
    assert "lacks 'format', or it is damaged" in refusal(path)
