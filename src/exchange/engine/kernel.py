"""The one place that knows how rules are compiled: numba's flags and where its cache lies.

Numba's cache notices an edit of the file a kernel stands in, but not of one that it calls: it would
run stale rules. So the cache folder is named after a hash of every source that can hold a kernel.
`NUMBA_DISABLE_JIT=1` runs the same lines as plain Python; `NUMBA_BOUNDSCHECK=1` checks every index.
"""

import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding as llvm

if platform.machine() in ("x86_64", "AMD64"):
    # LLVM would make branches of choices between numbers. Here most choices (which side, is there an
    # order behind) are as good as random, and a wrong guess costs more than both numbers.
    llvm.set_option("onebook", "-x86-cmov-converter=0")

PACKAGES = ("exchange", "strategies", "rl")
CACHE_FOLDERS_MAX = 6  # older sets of compiled rules are deleted
_FOLDER_NAME = re.compile("[0-9a-f]{16}")  # nothing else in the cache's home is ours to delete


def _kernel_sources() -> list[Path]:
    """Every source that a compiled function can depend on, in a fixed order."""
    root = Path(__file__).parents[2]
    engine_and_simulation = [
        path
        for folder in ("engine", "simulation")
        for path in (root / "exchange" / folder).glob("**/*.py")
    ]
    others = [
        path
        for package in PACKAGES
        for path in (root / package).glob("**/*.py")
        if b"kernel import" in path.read_bytes()
    ]
    return sorted(set(engine_and_simulation + others))


def _cache_folder() -> Path:
    digest = hashlib.sha256(f"{numba.__version__} {numba.config.BOUNDSCHECK}".encode())
    for path in _kernel_sources():
        digest.update(path.name.encode() + path.read_bytes())
    home = os.environ.get("ONEBOOK_CACHE_DIR") or Path.home() / ".cache" / "onebook"
    folder = Path(home) / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home: compile into a folder of this process's user
        folder = Path(tempfile.gettempdir()) / f"onebook-{os.getuid()}" / folder.name
        folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    ours = [path for path in folder.parent.iterdir() if _FOLDER_NAME.fullmatch(path.name)]
    for stale in sorted(ours, key=_age)[CACHE_FOLDERS_MAX:]:
        shutil.rmtree(stale, ignore_errors=True)
    return folder


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:  # deleted by another process meanwhile
        return 0.0


CACHE_FOLDER = _cache_folder()


@contextmanager
def _our_cache() -> Iterator[None]:
    """Point numba's cache at our folder while a kernel is declared, and no longer."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(CACHE_FOLDER)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Any = None, /, *, signature: Any = None, inline: bool = True) -> Any:
    """Compile a rule over plain records. With a signature it is compiled at once, for that only.

    inline: LLVM puts it into its callers, which makes an array of commands a third faster; turn it
    off for a large kernel with many callers.
    """

    def compile_(function: Callable[..., Any]) -> Any:
        with _our_cache():
            return numba.njit(
                signature,
                cache=True,
                nogil=True,
                error_model="numpy",
                fastmath=False,
                forceinline=inline,
            )(function)

    return compile_ if function is None else compile_(function)


def batch_kernel(function: Callable[..., Any]) -> Any:
    """Compile a loop over the markets of a batch (`numba.prange`), one thread a share of rows."""
    with _our_cache():
        return numba.njit(
            cache=True, nogil=True, error_model="numpy", fastmath=False, parallel=True
        )(function)


def entry_point(compiled: Any, signature: Any) -> Callable[..., Any]:
    """A kernel for arguments of these types, without numba's choice among types: a microsecond of a call.

    Nobody checks the arguments of the calls then: each must be of its type, an array of the same dtype,
    dimensions and layout.
    """
    call: Callable[..., Any] = compiled
    if not numba.config.DISABLE_JIT:
        if signature not in compiled.overloads:
            compiled.compile(signature)
        call = compiled.overloads[signature].entry_point
    return call
