"""Which branches of both files the whole suite takes, and which it does not:

    python tests/extended/covered.py [--plain] [--keep FOLDER]

Runs each module of the plain suite, and then the extended tests (not with `--plain`), under
coverage, with all the processes that they start, and prints the branches that were never taken. A
test that looks at what a fresh interpreter loads, or how fast it is, may fail here, because the
measurement is loaded, too; what failed is printed. `LEFT_OUT` cannot be run so. Needs `coverage`,
and for the extended tests what they need; those whose packages are missing are skipped.

Each line and branch that was not taken is printed with the reason from `REASONS`, or as one
without.

`--keep FOLDER` leaves the data there. In it each line knows the modules that ran it, which
mutate.py uses.
"""

from __future__ import annotations

import argparse
import json
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
# Why some are not taken, by a part of the line or of one of the two before; the first that fits.
HANDLER = "what a signal's handler raises within this call: seldom, and LEFT_OUT does it everywhere"
RACE = "closed by another thread between two lines"
UVLOOP = "on uvloop: SSE_TEST_LOOP=uvloop runs the plain suite on it"
NEWER = "in other versions of Python or of a library"
APART = "niquests, which lives in an environment of its own"
REASONS = [
    ("_read_niquests", APART),
    ("await raw.read1", APART),
    ("is_closed", "an answer that its pool has taken back"),
    ("for byte in self._since[-1]", "a piece that breaks as a whole breaks byte by byte, too"),
    ("self._outgoing.pending", "an update of keys, which Python's ssl as a server cannot ask for"),
    ("co_flags & _OPTIMIZED", "a module's frame in a traceback"),
    ("isinstance(values, dict)", NEWER),
    ("isinstance(error, ssl.SSLError) and _is_systems(error)", HANDLER),
    ("while waiting or running", "the system's list of addresses is never empty"),
    ('hasattr(transport, "max_size")', UVLOOP),
    ("uvloop", UVLOOP),
    ("_abandoned.append", UVLOOP),
    ("_from_handler(error)", HANDLER),
    ("self.sock.close()", UVLOOP),
    ("sock.close()", UVLOOP),
    ("if not _is_systems(error)", HANDLER),
    ("except OSError as error:", "a system that has no SO_RCVTIMEO"),
    ("if sock is None", RACE),
    ("if not self.closed", RACE),
    ("if self.closed", RACE),
    ("if self._interrupted", RACE),
    ("self._transport is not None", "an answer that came before the request was sent"),
    ("if self._parser is None", RACE),
    ("elif wire is not None", RACE),
    ("if not self._cancelled", "cancelled twice within one grace"),
    ("if answered", "cancelled in the grace after a whole answer"),
    ("_make_event = _make_event_in_parallel", "free-threaded Python"),
    ("_is_gil_enabled", "free-threaded Python"),
    ("if _from_handler", HANDLER),
    ("asyncio.TimeoutError", "a refusal whose body breaks in a way that is no drop"),
    ("_read_old_urllib3", NEWER),
    ("_read_framed", NEWER),
    ("raw._init_decoder", NEWER),
    ("raw._decode", NEWER),
    ("release_conn", NEWER),
    ("if data or not piece", NEWER),
    ("if data or ended", APART),
    ("            return data", APART),
    ("while True", NEWER),
    ("while hasattr(sock", "TLS within TLS"),
    ("socket.socket.shutdown if known", "not connected any more"),
    ("except OSError", "not connected any more"),
    ("except (ImportError, OSError)", "no descriptor is left to load logging with"),
    ("is not on sys.path (python -P", "a copy of sse.py alone, which is not measured"),
    ("os.path.exists(os.path.join", "python -P"),
    ("if time.monotonic() < deadline", "the time is over while the connection is lost"),
    ('hasattr(response, "close")', "an awaitable that is no coroutine"),
    ("self._response is not None", RACE),
    ("task.cancelled()", RACE),
    ("if self.terminal", "a terminal: another process, which is killed"),
    ("for event in events", "the time is over between two events"),
    ("raise theirs from None", HANDLER),
    ("attempt.give_up()", HANDLER),
    ("attempt.end = _GIVEN_UP", HANDLER),
    ("attempt.end = item", HANDLER),
    ("if item is _GIVEN_UP", HANDLER),
    ("if not code.co_flags", "a module's frame in a traceback"),
    ("except RuntimeError", "woken twice in one wait"),
    ("gate.release()", "woken twice in one wait"),
    ("if self._closer.done()", "another library that takes longer than its grace to close"),
    ("if not TYPE_CHECKING", "type checkers"),
    ('__name__ == "__main__"', "as a program, which most tests start without what measures"),
]
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
        if extended:  # each by itself, for some of what they try ends the measurement of a process
            for module in sorted((ROOT / "tests/extended").glob("test_*.py")):
                pytest = "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=300"
                workers.submit(run, f"extended-{module.stem}", *pytest, str(module))
        for module in sorted((ROOT / "tests").glob("test_*.py")):
            workers.submit(run, module.stem, __file__, "--run-plain", module.stem)
    settings, data = folder / "settings-test_parser", folder / "report.json"
    for step in (["combine", "-q"], ["report"], ["json", "-q", "-o", str(data)]):
        subprocess.run([*coverage, *step, f"--rcfile={settings}"], cwd=ROOT, check=False)
    explain(json.loads(data.read_text()))


def explain(report: dict[str, Any]) -> None:
    """Print what was not taken, each with its reason."""
    without = 0
    for file, found in report["files"].items():
        source = ["", *(ROOT / file).read_text().splitlines()]
        missed = {(line, line) for line in found["missing_lines"]}
        missed |= {(a, b) for a, b in found["missing_branches"] if a not in found["missing_lines"]}
        for line, to in sorted(missed):
            if to in found["missing_lines"] and line != to:
                continue  # the line itself is told of
            places = source[line], source[line - 1], source[max(0, line - 2)]
            reasons = (why for part, why in REASONS for text in places if part in text)
            why = next(reasons, "NO REASON")
            without += why == "NO REASON"
            where = f"{line}" if line == to else f"{line}->{'end' if to < 0 else to}"
            print(f"{file}:{where:12} {source[line].strip()[:60]:60}  {why}")
    print(f"{without} without a reason")


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
