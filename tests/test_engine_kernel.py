"""Compiled rules are cached in a folder named after their sources, so that none goes stale."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from exchange.engine import kernel as kernel_module
from exchange.engine.kernel import CACHE_FOLDERS_MAX, kernel

ENGINE = Path(kernel_module.__file__).parent


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Two sources of kernels, and a cache of their own."""
    paths = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in paths:
        path.write_text("rule = 1\n")
    monkeypatch.setattr(kernel_module, "_kernel_sources", lambda: paths)
    monkeypatch.setenv("ONEBOOK_CACHE_DIR", str(tmp_path / "cache"))
    return paths


def test_the_cache_folder_changes_with_every_source_and_back(sources):
    before = kernel_module._cache_folder()
    seen = {before}
    for path in sources:
        path.write_text("rule = 2\n")
        seen.add(kernel_module._cache_folder())
        path.write_text("rule = 1\n")
    assert len(seen) == 3
    assert all(folder.is_dir() for folder in seen)
    assert kernel_module._cache_folder() == before


def test_code_that_checks_its_indexes_has_a_cache_of_its_own(sources, monkeypatch):
    before = kernel_module._cache_folder()
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 0 if numba.config.BOUNDSCHECK else 1)
    assert kernel_module._cache_folder() != before


def test_every_file_of_the_engine_is_a_source_and_so_is_who_imports_kernels():
    sources = kernel_module._kernel_sources()
    assert set(ENGINE.glob("*.py")) <= set(sources)
    importers = {
        path
        for path in ENGINE.parents[1].glob("**/*.py")
        if re.search(r"from exchange\.engine\.kernel import", path.read_text())
    }
    assert importers <= set(sources)


def test_old_cache_folders_are_deleted_and_nothing_else_is(sources):
    home = sources[0].parent / "cache"
    kept = home / "my papers"
    kept.mkdir(parents=True)
    os.utime(kept, (0, 0))
    for version in range(CACHE_FOLDERS_MAX + 3):
        sources[0].write_text(f"rule = {version}\n")
        newest = kernel_module._cache_folder()
        os.utime(newest, (version, version))
    assert kept.is_dir()
    folders = [path for path in home.iterdir() if path != kept]
    assert len(folders) <= CACHE_FOLDERS_MAX + 1
    assert newest in folders


def test_a_home_that_cannot_be_written_is_no_obstacle(sources, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ONEBOOK_CACHE_DIR", str(tmp_path / "file"))  # no folder can be made in it
    monkeypatch.setattr(kernel_module.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    folder = kernel_module._cache_folder()
    assert folder.is_dir()
    assert folder.parents[1] == tmp_path / "tmp"


def test_declaring_a_kernel_leaves_numbas_own_cache_where_it_was():
    before = numba.config.CACHE_DIR

    @kernel
    def one() -> int:
        return 1

    assert before == numba.config.CACHE_DIR
    assert one() == 1


def test_an_edited_rule_is_compiled_anew(tmp_path):
    """What numba's own cache does not notice: an edit of a kernel in another file."""
    for folder in ("exchange/engine", "exchange/simulation"):
        (tmp_path / folder).mkdir(parents=True)
    engine = tmp_path / "exchange" / "engine"
    for folder in (engine.parent, engine):
        (folder / "__init__.py").write_text("")
    (engine / "kernel.py").write_text((ENGINE / "kernel.py").read_text())
    (engine / "caller.py").write_text(
        "from exchange.engine.kernel import kernel\n"
        "from exchange.engine.rule import rule\n\n"
        "@kernel\ndef call():\n    return rule()\n\n"
        "print(call())\n"
    )
    answers = []
    for number in (1, 2):
        (engine / "rule.py").write_text(
            "from exchange.engine.kernel import kernel\n\n"
            f"@kernel\ndef rule():\n    return {number}\n"
        )
        run = subprocess.run(
            [sys.executable, "-m", "exchange.engine.caller"],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": str(tmp_path), "ONEBOOK_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        answers.append(run.stdout.strip())
    assert answers == ["1", "2"]
