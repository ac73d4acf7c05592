"""Which branches of both files the whole suite takes, and which it does not:

    python tests/extended/covered.py [--plain] [--keep FOLDER]

Runs the plain suite and then the extended tests (not with `--plain`) under coverage, with all the processes that
they start, and prints the branches that were never taken. A test that looks at what a fresh interpreter loads, or
how fast it is, may fail here, because the measurement is loaded too; what failed is listed. `LEFT_OUT` cannot be
run so. Needs `coverage`, and for the extended tests what they need; those whose packages are missing are skipped.

`--keep FOLDER` leaves the data there; with it, each line knows the tests that ran it, which `mutate.py` can use.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A signal handler that raises anywhere, in coverage's own code, too, which then keeps its lock for ever.
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
{context}
[report]
show_missing = true
exclude_also =
    if TYPE_CHECKING:
"""


def measure(folder: Path, suites: list[list[str]], contexts: bool) -> None:
    settings = folder / "settings"
    context = "dynamic_context = test_function" if contexts else ""
    settings.write_text(SETTINGS.format(folder=folder, root=ROOT, context=context))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    coverage = [sys.executable, "-m", "coverage"]
    for suite in suites:
        print("\n$", *suite, flush=True)
        command = [*coverage, "run", f"--rcfile={settings}", *suite]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
    for step in (["combine", "-q"], ["report"]):
        subprocess.run([*coverage, *step, f"--rcfile={settings}"], cwd=ROOT, check=False)


def run_plain() -> None:
    """The plain suite, without what is left out."""

    def without(suite: unittest.TestSuite) -> None:
        for number, test in enumerate(suite):
            if isinstance(test, unittest.TestSuite):
                without(test)
            elif test.id().rpartition(".")[2] in LEFT_OUT:
                suite._tests[number] = unittest.TestSuite()  # type: ignore[attr-defined]

    sys.path[0] = str(ROOT)
    suite = unittest.defaultTestLoader.discover("tests", top_level_dir=".")
    without(suite)
    unittest.TextTestRunner(verbosity=1).run(suite)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--plain", action="store_true", help="only the plain suite")
    options.add_argument("--keep", type=Path, help="folder for the data, which knows the tests of each line")
    options.add_argument("--run-plain", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run_plain:
        return run_plain()
    suites = [[__file__, "--run-plain"]]
    if not given.plain:
        suites.append(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=300"])
    with tempfile.TemporaryDirectory() as folder:
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
        measure(given.keep.resolve() if given.keep else Path(folder), suites, bool(given.keep))
    return None


if __name__ == "__main__":
    main()
