"""Which rules wrote a journal: the sources that decide what becomes of a command."""

import hashlib
import platform
from functools import lru_cache
from pathlib import Path

import numba

from exchange.version import VERSION

RULES = ("engine", "simulation")  # folders; all that a market's bytes depend on


@lru_cache
def program() -> dict[str, str]:
    """The rules' hash, and what else floating-point results may depend on."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for folder in RULES for path in (root / folder).glob("**/*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return {
        "rules": digest.hexdigest()[:16],
        "onebook": VERSION,
        "numba": numba.__version__,
        "machine": platform.machine(),
    }


def differences(wrote: dict[str, str]) -> list[str]:
    """What is different about the present program, in words."""
    return [
        f"{name} {wrote.get(name)} then, {value} now"
        for name, value in program().items()
        if wrote.get(name) != value and name != "onebook"
    ]
