"""Networks of dense layers: compiled, or on ONNX Runtime. A few microseconds an observation."""

from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.kernel import kernel

Floats = npt.NDArray[np.float32]
WEIGHTS_MAX = 10_000_000  # numbers in one network; a policy that decides in time has far fewer
ACTIVATIONS = {"relu": 0, "tanh": 1}


class MlpNetwork:
    """Dense layers with one activation between them, compiled.

    Sums run in a fixed order, so one observation gives the same bytes alone and in a batch.
    """

    def __init__(self, layers: list[Floats], activation: str) -> None:
        """Layers: weights (n_in, n_out) and bias (n_out,) in turn, float32."""
        shapes = [layer.shape for layer in layers]
        fits = len(layers) >= 2 and len(layers) % 2 == 0
        for i in range(0, len(layers) - 1, 2):
            fits = fits and len(shapes[i]) == 2 and shapes[i + 1] == (shapes[i][1],)
            fits = fits and (i == 0 or shapes[i][0] == shapes[i - 2][1])
        if not fits or sum(layer.size for layer in layers) > WEIGHTS_MAX:
            raise ValueError(f"weights of shapes {shapes} are no chain of dense layers")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is none of {', '.join(ACTIVATIONS)}")
        self.sizes = np.array([shapes[0][0], *(shape[0] for shape in shapes[1::2])], np.int64)
        self.parameters = np.concatenate([layer.ravel() for layer in layers])
        self.activation = ACTIVATIONS[activation]
        self._scratch = np.zeros((2, int(self.sizes.max())), np.float32)

    @property
    def n_inputs(self) -> int:
        return int(self.sizes[0])

    @property
    def n_outputs(self) -> int:
        return int(self.sizes[-1])

    def __call__(self, observation: Floats) -> Floats:
        outputs = np.empty(self.n_outputs, np.float32)
        forward(self.parameters, self.sizes, self.activation, observation, self._scratch, outputs)
        return outputs

    def batch(self, observations: Floats) -> Floats:
        """Observations (n, n_inputs) -> outputs (n, n_outputs), row by row as alone."""
        outputs = np.empty((len(observations), self.n_outputs), np.float32)
        forward_rows(
            self.parameters, self.sizes, self.activation, observations, self._scratch, outputs
        )
        return outputs


class OnnxNetwork:
    """The same on ONNX Runtime."""

    def __init__(self, session: Any) -> None:
        self._run = session.run
        self._input = session.get_inputs()[0].name
        self.n_inputs = int(session.get_inputs()[0].shape[1])
        self.n_outputs = int(session.get_outputs()[0].shape[1])

    def __call__(self, observation: Floats) -> Floats:
        outputs: Floats = self._run(None, {self._input: observation[None]})[0][0]
        return outputs

    def batch(self, observations: Floats) -> Floats:
        """Observations (n, n_inputs) -> outputs (n, n_outputs)."""
        outputs: Floats = self._run(None, {self._input: observations})[0]
        return outputs


@kernel
def forward(parameters, sizes, activation, observation, scratch, outputs):
    """One observation through all layers; scratch (2, widest layer) is overwritten."""
    n_layers = len(sizes) - 1
    place = 0
    for i in range(sizes[0]):
        scratch[0, i] = observation[i]
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        source, target = scratch[layer % 2], scratch[1 - layer % 2]
        dense(parameters, place, n_in, n_out, source, target)
        place += (n_in + 1) * n_out
        if layer < n_layers - 1:
            activate(activation, n_out, target)
    for i in range(sizes[n_layers]):
        outputs[i] = scratch[n_layers % 2, i]


@kernel
def dense(parameters, place, n_in, n_out, source, target):
    """Write source @ weights + bias to target, input by input: the inner loop is vectorized."""
    bias = place + n_in * n_out
    for j in range(n_out):
        target[j] = parameters[bias + j]
    for i in range(n_in):
        value = source[i]
        for j in range(n_out):
            target[j] += value * parameters[place + i * n_out + j]


@kernel
def activate(activation, n, values):
    for j in range(n):
        if activation == 0:
            values[j] = max(values[j], np.float32(0.0))
        else:
            values[j] = np.tanh(values[j])


@kernel
def forward_rows(parameters, sizes, activation, observations, scratch, outputs):
    """`forward` for each row."""
    for row in range(len(observations)):
        forward(parameters, sizes, activation, observations[row], scratch, outputs[row])


def choices(outputs: Floats, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The most likely choice of each part: outputs (sum of sizes,) -> (n_parts,) int64."""
    actions = np.empty(len(sizes), np.int64)
    choose(outputs, sizes, actions)
    return actions


@kernel
def choose(outputs, sizes, actions):
    """The first largest output of each part."""
    place = 0
    for part in range(len(sizes)):
        best = 0
        for i in range(1, sizes[part]):
            if outputs[place + i] > outputs[place + best]:
                best = i
        actions[part] = best
        place += sizes[part]


@kernel
def choose_rows(outputs, sizes, actions):
    """`choose` for each row."""
    for row in range(len(outputs)):
        choose(outputs[row], sizes, actions[row])
