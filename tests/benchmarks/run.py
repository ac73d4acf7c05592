r"""The benchmarks: `python3 tests/benchmarks/run.py` measures `sse` beside the other SSE clients it finds.

Nothing is installed; what is missing is named. For all of it:

    pip install httpx httpx-sse httpx2 launchdarkly-eventsource sseclient-py requests-sse \
        aiohttp-sse-client openai wreq pyreqwest

and for niquests, which puts its own library in the place of urllib3, an environment of its own.

Processes that give way to all others keep the processors awake (`processes.awake` says why).

`--before DIRECTORY` measures the `sse.py` and `httpclient.py` that lie there as one more candidate,
in turns with these.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import chart  # noqa: E402
import coldstart  # noqa: E402
import command  # noqa: E402
import endtoend  # noqa: E402
import fairness  # noqa: E402
import imports  # noqa: E402
import large  # noqa: E402
import latency  # noqa: E402
import lines  # noqa: E402
import measure  # noqa: E402
import parsing  # noqa: E402
import peers  # noqa: E402
import streams  # noqa: E402
import threads  # noqa: E402
import tls  # noqa: E402
from processes import Workspace, awake  # noqa: E402


def main() -> int:
    options = arguments()
    space = Workspace(options.before)
    try:
        with awake():
            return measured(options, space)
    finally:
        space.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="one workload; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small and few: to see that everything runs")
    known = [name for name, _, _ in peers.PEERS]
    parser.add_argument(
        "--peers", nargs="*", choices=known, help="these peers alone; without a name: none"
    )
    parser.add_argument("--before", type=Path, help="a directory with another sse.py, to compare")
    parser.add_argument("--streams", type=int, default=10_000, help="how many idle streams")
    parser.add_argument("--pythons", nargs="+", default=[], help="more interpreters for `command` and `import`")
    parser.add_argument("--svg", type=Path, help="where the picture goes; of a complete run: results.svg here")
    parser.add_argument("--json", type=Path, help="where the figures go, as JSON")
    return parser.parse_args()


Options = argparse.Namespace
WORKLOADS: dict[str, Callable[[list[str], Options, Workspace], list[measure.Section]]] = {
    "parse": lambda found, o, space: parsing.run(found, o.quick),
    "lines": lambda found, o, space: lines.run(found, o.quick),
    "endtoend": lambda found, o, space: endtoend.run(found, o.quick, space),
    "latency": lambda found, o, space: latency.run(found, o.quick, space),
    "threads": lambda found, o, space: threads.run(found, o.quick),
    "large": lambda found, o, space: large.run(found, o.quick, space),
    "streams": lambda found, o, space: streams.run(found, o.quick, space, o.streams),
    "fairness": lambda found, o, space: fairness.run(found, o.quick, space),
    "first": lambda found, o, space: tls.first(found, o.quick, space),
    "coldstart": lambda found, o, space: coldstart.run(found, o.quick, space),
    "command": lambda found, o, space: command.run(o.quick, space, o.pythons),
    "import": lambda found, o, space: imports.run(found, o.quick, space, o.pythons),
    "singly": lambda found, o, space: tls.singly(found, o.quick, space),
    "tls": lambda found, o, space: tls.throughput(found, o.quick, space),
}


def measured(options: Options, space: Workspace) -> int:
    found, missing = peers.find()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    about = f"{python}, {platform.system()}, {processor()}"
    print(about)
    print("found:", ", ".join(f"{name} {version}" for name, version in found.items()) or "no peer")
    if missing:
        print("not found:", ", ".join(missing))
    if options.peers is not None:
        found = {name: version for name, version in found.items() if name in options.peers}
    candidates = [peers.OURS, *found]
    if options.before is not None:
        peers.add_before(options.before)
        candidates.insert(1, peers.BEFORE)
    sections = []
    failed = False
    for name in options.only or WORKLOADS:
        start = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            sections += WORKLOADS[name](candidates, options, space)
        except Exception:
            # The other workloads are still worth having; the exit status tells.
            traceback.print_exc()
            failed = True
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    print()
    print(measure.table(sections, [*peers.NAMES, "floor"]))
    print()
    print(measure.summary(sections))
    if options.json:
        rows = [{"section": s.title, **asdict(row)} for s in sections for row in s.rows]
        options.json.write_text(json.dumps({"about": about, "peers": found, "rows": rows}, indent=1))
    partial = options.only or options.quick or options.peers is not None or options.before
    complete = not (partial or failed)
    if options.svg or complete:  # a part of it does not replace the whole
        options.svg = options.svg or HERE / "results.svg"
        options.svg.write_text(chart.svg(sections, f"{about}; python3 tests/benchmarks/run.py"))
        print(f"picture: {options.svg}")
    return failed


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
