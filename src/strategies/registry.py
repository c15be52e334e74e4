"""Strategies by name, or out of a file, with their parameters read from text."""

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.momentum import Momentum
from strategies.rl_mm import RLMarketMaker
from strategies.skew import SkewMaker
from strategies.strategy import Strategy
from strategies.symmetric_mm import SymmetricMaker
from strategies.taker import RandomTaker

STRATEGIES: dict[str, type[Any]] = {
    "symmetric": SymmetricMaker,
    "skew": SkewMaker,
    "avellaneda_stoikov": AvellanedaStoikov,
    "glft": Glft,
    "rl": RLMarketMaker,
    "momentum": Momentum,
    "taker": RandomTaker,
}


class StrategyError(ValueError):
    """No such strategy, or parameters that it does not take; the message names the choices."""


def new_strategy(name: str, parameters: Sequence[str] = ()) -> Strategy:
    """A strategy by its registered name or `path/to/file.py:Class`, with `key=value` parameters."""
    strategy_class = find_strategy(name)
    values = parse_parameters(name, strategy_class, parameters)
    try:
        strategy = strategy_class(**values)
    except (ValueError, TypeError) as error:
        raise StrategyError(f"{name}: {error}") from error
    if not callable(getattr(strategy, "decide", None)):
        raise StrategyError(f"{name} is no strategy: it has no method decide(view)")
    return strategy  # type: ignore[no-any-return]


def find_strategy(name: str) -> type[Any]:
    """The class behind a registered name or `path/to/file.py:Class`."""
    if name in STRATEGIES:
        return STRATEGIES[name]
    if ":" not in name:
        choices = ", ".join(STRATEGIES)
        raise StrategyError(f"no strategy {name!r}: choose {choices}, or path/to/file.py:Class")
    path, class_name = name.rsplit(":", 1)
    module = _load(Path(path))
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        classes = [key for key, value in vars(module).items() if hasattr(value, "decide")]
        choices = ", ".join(classes) or "none"
        raise StrategyError(f"no class {class_name!r} in {path}; with a decide method: {choices}")
    return found


def _load(path: Path) -> Any:
    if not path.is_file():
        raise StrategyError(f"no file {path} to load a strategy from")
    spec = importlib.util.spec_from_file_location(f"own_strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their annotations up there
    folder = str(path.absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # what lies beside it can be imported, as by `python file.py`
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody's file does when it is loaded
        raise StrategyError(f"{path} does not load: {type(error).__name__}: {error}") from error
    return module


def parse_parameters(
    name: str, strategy_class: type[Any], parameters: Sequence[str]
) -> dict[str, Any]:
    """Read `key=value` texts as the types of the class's fields."""
    known = _parameter_types(strategy_class)
    values: dict[str, Any] = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals:
            raise StrategyError(f"parameter {text!r} is not key=value")
        if key not in known:
            choices = describe_parameters(strategy_class) or "none"
            raise StrategyError(f"{name} has no parameter {key!r}; it has: {choices}")
        values[key] = _parse_value(name, key, value, known[key])
    return values


def _parameter_types(strategy_class: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(strategy_class)
    return {item.name: hints[item.name] for item in _parameters(strategy_class)}


def _parameters(strategy_class: type[Any]) -> list[Field[Any]]:
    if not is_dataclass(strategy_class):
        return []
    return [item for item in fields(strategy_class) if item.init]


def describe_parameters(strategy_class: type[Any]) -> str:
    """The parameters of a strategy with their defaults: "half_spread=1.0, quantity=3"."""
    return ", ".join(
        item.name if item.default is MISSING else f"{item.name}={item.default}"
        for item in _parameters(strategy_class)
    )


def _parse_value(name: str, key: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            choices = ", ".join(get_args(kind))
            raise StrategyError(f"{name}: {key} is one of {choices}, not {text!r}")
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise StrategyError(f"{name}: {key} is true or false, not {text!r}")
        return text == "true"
    if kind not in (int, float, str):
        raise StrategyError(f"{name}: {key} cannot be set from text")
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise StrategyError(f"{name}: {key} is {wanted}, not {text!r}") from None
