"""From the server's `send` to the event in the caller's hands, in two processes that share a clock."""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from endtoend import WORLDS, all_workers
from measure import OURS, Row, Section, at_most, percentile
from processes import Workspace, take_turns

ALLOWED = {"sync": 30.0, "async": 50.0}  # µs over a bare recv


def run(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    acks = space.acks()
    n, rounds = (200, 2) if quick else (1000, 9)
    with ExitStack() as stack:
        url = stack.enter_context(space.server(acks))
        workers = all_workers(stack, space, found, acks)
        task = {"url": f"{url}/latency?n={n}", "n": n, "mode": "latency"}
        take_turns(workers, 1, "stream", remark="warming up", **task)
        answers = take_turns(workers, rounds, "stream", remark="latency", **task)
    # The median of the rounds: a best round would hide how often a late event is normal.
    cells: dict[tuple[str, float], dict[str, float | str]] = {}
    for (world, name), rounds_ in answers.items():
        for percent in (50, 99):
            figures = [percentile(answer["delays"], percent) / 1e3 for answer in rounds_]
            cells.setdefault((world, percent), {})[name] = statistics.median(figures)
    rows = []
    bare = cells[("sync", 50)].get("floor")
    for world in WORLDS:
        for percent in (50, 99):
            row = Row(f"p{percent}, {world}", "µs", cells[(world, percent)])
            if percent == 50:
                row.chart = f"Latency, p50, {world}"
                ours = row.cells.get(OURS)
                if isinstance(ours, float) and isinstance(bare, float):
                    row.targets.append(at_most(ALLOWED[world], ours - bare, "µs over a bare recv"))
            rows.append(row)
    return [Section("Latency from send to hand", rows)]
