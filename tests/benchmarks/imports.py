"""What `from sse import EventSource` adds to `import dataclasses`, and what a client for http has loaded.

Interpreters are started with `-I -S`: no environment, no site hooks that have imported half of it before.
"""

from __future__ import annotations

import subprocess
import sys
from math import inf

from measure import OURS, Row, Section, at_most, turns
from peers import PEERS
from processes import Workspace

TIMED = """
import sys
sys.path.insert(0, {path!r})
from time import perf_counter
before = perf_counter()
import dataclasses
between = perf_counter()
from {module} import {name}
after = perf_counter()
print((between - before) * 1e3, (after - between) * 1e3)
"""
LOADED = """
import sys
sys.path.insert(0, {path!r})
sys.dont_write_bytecode = True
from sse import connect
with connect({url!r}) as events:
    next(iter(events))
    print(*sorted(name.partition(".")[0] for name in sys.modules))
"""
NAMES = {"httpx-sse": "EventSource", "launchdarkly": "SSEClient", "sseclient-py": "SSEClient"}
NAMES |= {"requests-sse": "EventSource", "aiohttp-sse-client": "client", "openai": "Stream"}
NAMES |= {"httpx2": "EventSource", "niquests": "Session"}
NAMES |= {"wreq + sse": "Client", "pyreqwest + sse": "client"}
# Promised of the parser and the iterators, and of a client for http.
NOT_FOR_EVENT_SOURCE = {"asyncio", "ssl", "socket", "http", "email", "argparse", "logging", "json"}
NOT_FOR_HTTP = {"ssl", "asyncio", "json", "zlib"}


def run(found: list[str], quick: bool, space: Workspace, pythons: list[str]) -> list[Section]:
    rows = []
    for python in dict.fromkeys([sys.executable, *pythons]):
        version = output(python, "-I", "-S", "-c", "import platform; print(platform.python_version())").strip()
        # Compiled code of this interpreter, kept away from what the others find.
        path = str(space.modules)
        for modules in space.versions.values():
            output(python, "-I", "-S", "-m", "compileall", "-q", str(modules))
        code = {
            name: ("-S", TIMED.format(path=str(modules), module="sse", name="EventSource"))
            for name, modules in space.versions.items()
        }
        if python == sys.executable:  # the one that has the peers
            for name, _, module in PEERS:
                if name in found:
                    code[name] = ("-I", TIMED.format(path=path, module=module, name=NAMES[name]))
        floor, best = inf, dict.fromkeys(code, inf)
        for turn in turns(list(code), 5 if quick else 40):
            for name in turn:
                if name != OURS and best[name] < inf and best[name] > 50:
                    continue  # a peer that takes this long need not be measured forty times
                option, text = code[name]
                dataclasses, figure = map(float, output(python, "-I", option, "-c", text).split())
                best[name] = min(best[name], figure)
                if name == OURS:
                    floor = min(floor, dataclasses)
        cells: dict[str, float | str] = {**best, "floor": floor}
        row = Row(f"Python {version} (floor: import dataclasses)", "ms", cells)
        row.targets.append(at_most(4.0, best[OURS], "ms"))
        rows.append(row)
        case = f"Python {version}, loaded for EventSource that should not be"
        loaded = f"import sys; sys.path.insert(0, {path!r}); from sse import EventSource; print(*sys.modules)"
        rows.append(absent(python, loaded, NOT_FOR_EVENT_SOURCE, case))
        with space.server(space.acks()) as url:
            case = f"Python {version}, loaded for a client of http that should not be"
            rows.append(absent(python, LOADED.format(path=path, url=f"{url}/idle"), NOT_FOR_HTTP, case))
    return [Section("Import of EventSource, beyond dataclasses", rows)]


def absent(python: str, code: str, unwanted: set[str], case: str) -> Row:
    try:
        loaded = set(output(python, "-I", "-S", "-c", code).split())
    except subprocess.CalledProcessError as error:
        print(f"  {case}: {error.stderr.strip().rpartition(chr(10))[2]}", flush=True)
        return Row(case, "modules", {OURS: "failed"})
    there = sorted(unwanted & loaded)
    count = at_most(0.0, float(len(there)), f"of {', '.join(sorted(unwanted))}")
    return Row(case, "modules", {OURS: ", ".join(there) or "none"}, [count])


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
