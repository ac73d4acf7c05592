"""From the socket to the caller's hands: CPU time of the client process for each event over loopback.

CPU time, not time on the clock: the server has a process of its own, and what a client leaves of the
processor is what a program can use. Sessions are made beforehand, the connection is part of the figure.

What is flushed singly is measured in several generations of processes, for where the memory of a process happens to
lie makes a third; and before they do anything else, for one that has read in bulk has taught malloc() to keep the large
blocks that asyncio asks for at each read, instead of mapping and unmapping them. "After that" are the same processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

import peers
from measure import OURS, Row, Section, at_least, ratios
from processes import Client, Workspace, take_turns

WORLDS = {"sync": peers.SYNC, "async": peers.ASYNC}
SINGLY = {"httpx-sse": 4.0, "aiohttp-sse-client": 1.5}  # how many times more they may cost above recv
Costs = dict[str, dict[str, "float | str"]]


def run(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    generations, rounds, bulk, single = (1, 2, 2000, 300) if quick else (4, 4, 20000, 2000)
    acks = space.acks()
    costs: dict[str, Costs] = {}

    def measure(name: str, mode: str, n: int) -> None:
        cells = cpu(workers, rounds if mode == "single" or quick else 7, mode, f"{url}/{mode}?n={n}&size=180", n)
        costs[name] = best_of(costs.get(name, cells), cells)

    for generation in range(generations):
        with ExitStack() as stack:
            url = stack.enter_context(space.server(acks))
            workers = all_workers(stack, space, found, acks)
            measure("flushed singly", "single", single)
            if generation == 0:
                measure("in bulk", "bulk", bulk)
                measure("flushed singly after that", "single", single)
        with ExitStack() as stack:
            url = stack.enter_context(space.server(acks))
            few = [name for name in found if name in (OURS, peers.BEFORE, *SINGLY)]
            workers = all_workers(stack, space, few, acks, silence=0)
            measure("flushed singly, no limit on silence", "single", single)
    rows = []
    for world in WORLDS:
        row = Row(f"in bulk, {world}", "µs/event", costs["in bulk"][world], chart=f"End to end in bulk, {world}, CPU")
        aim(row, {"httpx-sse": 7.0, "aiohttp-sse-client": 3.5})
        rows.append(row)
    for world in WORLDS:
        chart = f"End to end flushed singly, {world}, CPU"
        rows.append(Row(f"flushed singly, {world}", "µs/event", costs["flushed singly"][world], chart=chart))
    for name in ("flushed singly", "flushed singly, no limit on silence", "flushed singly after that"):
        floors = {world: costs[name][world].get("floor") for world in WORLDS}
        for world, below, what in (
            ("sync", "sync", "recv"),
            ("async", "sync", "recv"),
            ("async", "async", "a bare asyncio protocol"),
        ):
            floor, figures = floors[below], costs[name][world]
            if not isinstance(floor, float):
                continue
            above = {n: figure - floor for n, figure in figures.items() if n != "floor" and isinstance(figure, float)}
            row = Row(f"{name}, {world}, above {what}", "µs/event", above)
            if what == "recv" and not name.endswith("after that"):
                aim(row, SINGLY)
            rows.append(row)
    return [Section("End to end over loopback, CPU of the client", rows)]


def aim(row: Row, bounds: dict[str, float]) -> None:
    for peer, bound in bounds.items():
        if isinstance(row.cells.get(peer), float) and isinstance(row.cells.get(OURS), float):
            row.targets.append(at_least(bound, ratios(row.cells)[peer], f"over {peer}"))


def all_workers(
    stack: ExitStack,
    space: Workspace,
    found: list[str],
    acks: str,
    tls: bool = False,
    silence: float = 300.0,
    floors: Iterable[str] = ("floor",),
) -> dict[tuple[str, str], Client]:
    """A client process for each candidate in each of its worlds, and for the floors."""
    return {
        (world, name): stack.enter_context(space.worker(world, name, acks, tls, silence))
        for world, made in WORLDS.items()
        for name in [*found, *floors]
        if name in made or name in floors
    }


def best_of(one: Costs, other: Costs) -> Costs:
    def best(a: float | str, b: float | str) -> float | str:
        return min(a, b) if isinstance(a, float) and isinstance(b, float) else a if isinstance(a, str) else b

    return {world: {name: best(one[world][name], other[world][name]) for name in one[world]} for world in one}


def cpu(workers: dict[tuple[str, str], Client], rounds: int, mode: str, url: str, n: int) -> Costs:
    """The best of the rounds in µs per event; the first round of each worker only warms it up."""
    take_turns(workers, 1, "stream", remark=f"warming up {mode}", url=url, n=n, mode=mode)
    cells: Costs = {world: {} for world in WORLDS}
    for (world, name), answers in take_turns(workers, rounds, "stream", url=url, n=n, mode=mode).items():
        complete = all(answer["taken"] == n for answer in answers)
        best = min(answer["cpu"] for answer in answers) / n * 1e6
        cells[world][name] = best if complete else "incomplete"
    return cells
