"""`user_programs.py` under the type checkers, however the two files came to the user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = [HERE.parents[1] / name for name in ("sse.py", "httpclient.py")]
PROGRAMS = (HERE / "user_programs.py").read_text(encoding="utf-8")


def copied(folder: Path) -> None:
    for file in FILES:
        shutil.copy(file, folder)
    (folder / "programs.py").write_text(PROGRAMS)


def vendored(folder: Path) -> None:
    vendor = folder / "myapp/vendor"
    vendor.mkdir(parents=True)
    for package in (vendor.parent, vendor):
        (package / "__init__.py").touch()
    for file in FILES:
        shutil.copy(file, vendor)
    text = PROGRAMS.replace(
        "\nimport httpclient\nimport sse\n", "\nfrom myapp.vendor import httpclient, sse\n"
    )
    (folder / "programs.py").write_text(
        text.replace("from sse import", "from myapp.vendor.sse import")
    )


def installed(folder: Path) -> None:
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    for file in FILES:
        shutil.copy(file, packages)
    (folder / "programs.py").write_text(PROGRAMS)


Layout = Callable[[Path], None]
layouts = pytest.mark.parametrize("layout", [copied, vendored, installed])


def check(folder: Path, *command: str) -> None:
    """Neither an error nor a line that should be one and is not."""
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@layouts
def test_mypy(layout: Layout, tmp_path: Path) -> None:
    """PEP 561 knows packages only: whoever installs single files has to say that they are typed."""
    pytest.importorskip("mypy")
    layout(tmp_path)
    options = ["--strict", "--cache-dir", str(tmp_path / "cache")]
    if layout is installed:
        options += ["--python-executable", "venv/bin/python", "--follow-untyped-imports"]
    check(tmp_path, sys.executable, "-m", "mypy", *options, "programs.py")


@pytest.mark.needs("pyright")
@layouts
def test_pyright(layout: Layout, tmp_path: Path) -> None:
    layout(tmp_path)
    settings = {"reportUnnecessaryTypeIgnoreComment": "error", "include": ["programs.py"]}
    if layout is installed:
        settings |= {"venvPath": ".", "venv": "venv"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    check(tmp_path, "pyright")
