"""From the socket to the caller's hands: CPU time of the client process for each event over loopback.

CPU time, not time on the clock: the server has a process of its own, and what a client leaves of the
processor is what a program can use. Sessions are made beforehand, the connection is part of the figure.
"""

from __future__ import annotations

from contextlib import ExitStack

import peers
from measure import OURS, Row, Section, at_least, ratios
from processes import Client, Workspace, take_turns

WORLDS = {"sync": peers.SYNC, "async": peers.ASYNC}


def run(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    acks = space.acks()
    with ExitStack() as stack:
        url = stack.enter_context(space.server(acks))
        workers = all_workers(stack, space, found, acks)
        bulk, single = (2000, 300) if quick else (20000, 2000)
        rounds = 2 if quick else 7
        costs = {
            mode: cpu(workers, rounds, mode, f"{url}/{mode}?n={n}&size=180", n)
            for mode, n in (("bulk", bulk), ("single", single))
        }
    rows = []
    for world in WORLDS:
        cells = costs["bulk"][world]
        row = Row(f"in bulk, {world}", "µs/event", cells, chart=f"End to end in bulk, {world}, CPU")
        for name, bound in (("httpx-sse", 7.0), ("aiohttp-sse-client", 3.5)):
            if isinstance(cells.get(name), float) and isinstance(cells.get(OURS), float):
                row.targets.append(at_least(bound, ratios(cells)[name], f"over {name}"))
        rows.append(row)
    for world in WORLDS:
        chart = f"End to end flushed singly, {world}, CPU"
        rows.append(Row(f"flushed singly, {world}", "µs/event", costs["single"][world], chart=chart))
    floors = {world: costs["single"][world].get("floor") for world in WORLDS}
    for world, below, name in (
        ("sync", "sync", "recv"),
        ("async", "sync", "recv"),
        ("async", "async", "a bare asyncio protocol"),
    ):
        floor, figures = floors[below], costs["single"][world]
        if not isinstance(floor, float):
            continue
        above = {n: figure - floor for n, figure in figures.items() if n != "floor" and isinstance(figure, float)}
        row = Row(f"flushed singly, {world}, above {name}", "µs/event", above)
        for peer, bound in (("httpx-sse", 4.0), ("aiohttp-sse-client", 1.5)):
            if name == "recv" and peer in above and OURS in above:
                row.targets.append(at_least(bound, ratios(above)[peer], f"over {peer}"))
        rows.append(row)
    return [Section("End to end over loopback, CPU of the client", rows)]


def all_workers(
    stack: ExitStack, space: Workspace, found: list[str], acks: str, tls: bool = False
) -> dict[tuple[str, str], Client]:
    """A client process for each candidate in each of its worlds, and for the two floors."""
    return {
        (world, name): stack.enter_context(space.worker(world, name, acks, tls))
        for world, made in WORLDS.items()
        for name in [*found, "floor"]
        if name in made or name == "floor"
    }


def cpu(
    workers: dict[tuple[str, str], Client], rounds: int, mode: str, url: str, n: int
) -> dict[str, dict[str, float | str]]:
    """The best of the rounds in µs per event; the first round of each worker only warms it up."""
    take_turns(workers, 1, "stream", remark=f"warming up {mode}", url=url, n=n, mode=mode)
    cells: dict[str, dict[str, float | str]] = {world: {} for world in WORLDS}
    for (world, name), answers in take_turns(workers, rounds, "stream", url=url, n=n, mode=mode).items():
        complete = all(answer["taken"] == n for answer in answers)
        best = min(answer["cpu"] for answer in answers) / n * 1e6
        cells[world][name] = best if complete else "incomplete"
    return cells
