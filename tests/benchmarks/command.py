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
EARLIER = ["--max-retries", "0"]  # what all versions know; the end of the stream is status 1
FORMS = ("text", "data", "jsonl", "raw")
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
            commands = {
                ("together", "floor"): [curl, "-sN", bulk],
                ("singly", "floor"): [curl, "-sN", few],
                ("nothing", OURS): [python, "-I", "-S", "-c", "pass"],
            }
            for name, path in space.versions.items():
                output(python, "-I", "-S", "-m", "compileall", "-q", str(path))
                once = ["--no-reconnect"] if name == OURS else EARLIER
                ours = [python, "-I", "-S", "-c", RUN.format(path=str(path)), *once]
                for form in FORMS:
                    commands[f"{form}, together", name] = [*ours, "--format", form, bulk]
                commands["text, singly", name] = [*ours, few]
            best = dict.fromkeys(commands, inf)
            for turn in turns(list(commands), 3 if quick else 9):
                for key in turn:
                    best[key] = min(best[key], cpu(commands[key]))
            code = "import platform; print(platform.python_version())"
            version = output(python, "-I", "-S", "-c", code).strip()
            for case in [*(f"{form}, together" for form in FORMS), "text, singly"]:
                form, _, how = case.partition(", ")
                cells = {name: best[case, name] for name in space.versions}
                count, floor = FEW if how == "singly" else EVENTS, best[how, "floor"]
                title = f"Python {version}, {form}, {count:,} events that come {how} (floor: curl)"
                row = Row(title, "ms CPU", cells | {"floor": floor})
                if how == "together" and form in LIMITS:
                    row.targets.append(at_most(LIMITS[form], cells[OURS] / floor, "times curl's"))
                rows.append(row)
            case = f"Python {version}, of which an interpreter that does nothing"
            rows.append(Row(case, "ms CPU", {OURS: best["nothing", OURS]}))
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
    if process.returncode != (EARLIER[0] in command):
        raise subprocess.CalledProcessError(process.returncode, command)
    return (usage.ru_utime + usage.ru_stime) * 1e3
