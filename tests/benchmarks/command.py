"""The command line beside curl: CPU time of the whole process, from its start to its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from math import inf

from imports import output
from measure import OURS, Row, Section, at_most, turns
from processes import Workspace

RUN = "import sys; sys.path.insert(0, {path!r}); import sse; sys.exit(sse.main())"
EVENTS, FEW = 100_000, 1_000
LIMITS = {"text": 3.0, "jsonl": 5.0}  # times curl's


def run(quick: bool, space: Workspace, pythons: list[str]) -> list[Section]:
    curl = shutil.which("curl")
    if curl is None:
        print("  command: there is no curl to be compared with", flush=True)
        return []
    rows = []
    with space.server(space.acks()) as url:
        bulk, few = f"{url}/bulk?n={EVENTS}", f"{url}/slow?n={FEW}&every=0.0002"
        for python in dict.fromkeys([sys.executable, *pythons]):
            output(python, "-I", "-S", "-m", "compileall", "-q", str(space.modules))
            ours = [python, "-I", "-S", "-c", RUN.format(path=str(space.modules)), "--no-reconnect"]
            commands = {
                f"{form}, together": [*ours, "--format", form, bulk]
                for form in ("text", "data", "jsonl", "raw")
            }
            commands |= {"curl, together": [curl, "-sN", bulk], "curl, singly": [curl, "-sN", few]}
            commands |= {
                "text, singly": [*ours, few],
                "nothing": [python, "-I", "-S", "-c", "pass"],
            }
            best = dict.fromkeys(commands, inf)
            for turn in turns(list(commands), 3 if quick else 9):
                for name in turn:
                    best[name] = min(best[name], cpu(commands[name]))
            version = output(
                python, "-I", "-S", "-c", "import platform; print(platform.python_version())"
            )
            for name, figure in best.items():
                form, _, how = name.partition(", ")
                if form == "curl" or not how:
                    continue
                count, floor = FEW if how == "singly" else EVENTS, best[f"curl, {how}"]
                case = f"Python {version.strip()}, {form}, {count:,} events that come {how} (floor: curl)"
                row = Row(case, "ms CPU", {OURS: figure, "floor": floor})
                if how == "together" and form in LIMITS:
                    row.targets.append(at_most(LIMITS[form], figure / floor, "times curl's"))
                rows.append(row)
            case = f"Python {version.strip()}, of which an interpreter that does nothing"
            rows.append(Row(case, "ms CPU", {OURS: best["nothing"]}))
    return [Section("The command line, into a pipe", rows)]


def cpu(command: list[str]) -> float:
    """Milliseconds of a process whose output is read as it comes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    while process.stdout.read(1 << 20):
        pass
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return (usage.ru_utime + usage.ru_stime) * 1e3
