"""Which branches of both files the whole suite takes, and which it does not:

    python tests/extended/covered.py [--plain] [--keep FOLDER]

Runs each module of the plain suite, and then the extended tests (not with `--plain`), under
coverage, with all the processes that they start, and prints the branches that were never taken. A
test that looks at what a fresh interpreter loads, or how fast it is, may fail here, because the
measurement is loaded, too; what failed is printed. `LEFT_OUT` cannot be run so. Needs `coverage`,
and for the extended tests what they need; those whose packages are missing are skipped.

`--keep FOLDER` leaves the data there. In it each line knows the modules that ran it, which
mutate.py uses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# A signal handler that raises anywhere: in coverage's own code, too, which then keeps its lock.
LEFT_OUT = {"test_a_handler_that_raises_loses_no_event"}
SETTINGS = """\
[run]
branch = true
parallel = true
data_file = {folder}/data
include = {root}/sse.py, {root}/httpclient.py
patch = subprocess, _exit
sigterm = true
disable_warnings = no-data-collected, module-not-measured, trace-changed
context = {context}
[report]
show_missing = true
exclude_also =
    if TYPE_CHECKING:
"""


def measure(folder: Path, extended: bool) -> None:
    coverage = [sys.executable, "-m", "coverage"]

    def run(name: str, *arguments: str) -> None:
        settings = folder / f"settings-{name}"
        settings.write_text(SETTINGS.format(folder=folder, root=ROOT, context=name))
        done = subprocess.run(
            [*coverage, "run", f"--rcfile={settings}", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        failed = done.returncode not in (0, -9)
        print(f"{name}: {done.stdout if failed else done.stdout.strip()[-150:]}", flush=True)

    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for module in sorted((ROOT / "tests").glob("test_*.py")):
            workers.submit(run, module.stem, __file__, "--run-plain", module.stem)
    if extended:
        run("extended", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=300")
    settings = folder / "settings-test_parser"
    for step in (["combine", "-q"], ["report"]):
        subprocess.run([*coverage, *step, f"--rcfile={settings}"], cwd=ROOT, check=False)


def all_tests(suite: Any) -> Iterator[Any]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from all_tests(test)
        else:
            yield test


def run_plain(module: str) -> None:
    """One module of the plain suite, without what is left out."""
    sys.path[0] = str(ROOT)
    tests = all_tests(unittest.defaultTestLoader.loadTestsFromName(f"tests.{module}"))
    suite = unittest.TestSuite(t for t in tests if t.id().rpartition(".")[2] not in LEFT_OUT)
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    sys.exit(not result.wasSuccessful())


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--plain", action="store_true", help="only the plain suite")
    options.add_argument("--keep", type=Path, help="folder for the data")
    options.add_argument("--run-plain", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run_plain:
        return run_plain(given.run_plain)
    with tempfile.TemporaryDirectory() as folder:
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
        measure(given.keep.resolve() if given.keep else Path(folder), not given.plain)
    return None


if __name__ == "__main__":
    main()
