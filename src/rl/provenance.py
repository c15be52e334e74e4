"""Where a result comes from: the command, the versions and the commit that made it."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("onebook", "numpy", "numba", "onnxruntime", "torch", "stable-baselines3", "optuna")
ROOT = Path(__file__).parents[2]


def provenance() -> dict[str, Any]:
    """`command`, `versions` and `commit` ("" outside a checkout) of this run."""
    return {"command": _command(), "versions": _versions(), "commit": _commit()}


def _command() -> str:
    """As somebody would type it: no folder of this machine before the script's own."""
    script = Path(sys.argv[0])
    name = f"scripts/{script.name}" if script.parent.name == "scripts" else script.name
    return shlex.join(["python", name, *sys.argv[1:]])


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # an extra that is not installed
    return found


def _commit() -> str:
    """The short name of the commit, with + when files have changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
