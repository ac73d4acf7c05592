"""TLS: the first event of a fresh and of a warm process, events one by one, and throughput."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import Any

import peers
from endtoend import WORLDS, Costs, all_workers, best_of, cpu
from measure import OURS, Row, Section, at_most, turns
from processes import Failed, Workspace, take_turns


def first(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    """Cold: everything in a new interpreter, imports included. Warm: the next stream of the same process."""
    acks = space.acks()
    keys = [(w, n) for w, made in WORLDS.items() for n in [*found, "floor"] if n in made or n == "floor"]
    figures: dict[tuple[str, str, str], list[float]] = {}
    with space.server(acks, tls=True) as url:
        for turn in turns(keys, 2 if quick else 9):
            for world, name in turn:
                with space.worker(world, name, acks, tls=True) as client:
                    try:
                        cold = client.call("first", url=f"{url}/idle")["wall"]
                        warm = [client.call("first", url=f"{url}/idle")["wall"] for _ in range(5)]
                    except (Failed, TimeoutError) as error:
                        print(f"  {world} {name}: first event over TLS: {error}", flush=True)
                        continue
                figures.setdefault((world, "cold", name), []).append(cold * 1e3)
                figures.setdefault((world, "warm", name), []).append(statistics.median(warm) * 1e3)
    rows = []
    for world in WORLDS:
        for state in ("cold", "warm"):
            cells: dict[str, float | str] = {
                n: statistics.median(f) for (w, s, n), f in figures.items() if (w, s) == (world, state)
            }
            chart = f"First event over TLS, {world}, fresh process" if state == "cold" else ""
            rows.append(Row(f"{world}, {state}", "ms", cells, chart=chart))
    return [Section("Time to the first event over TLS", rows)]


def singly(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    """Events that come one by one, as from a language model, in several generations of processes.

    Beside them is what the standard library's own TLS takes (`ssl.SSLSocket`, a bare protocol over
    asyncio's), and an SSL object in memory that a socket, or a bare protocol, carries the bytes for.
    """
    generations, rounds, n = (1, 2, 300) if quick else (4, 4, 2000)
    acks = space.acks()
    costs: Costs = {}
    for _ in range(generations):
        with ExitStack() as stack:
            url = stack.enter_context(space.server(acks, tls=True))
            workers = all_workers(
                stack, space, found, acks, tls=True, floors=("floor", "ssl object")
            )
            cells = cpu(workers, rounds, "single", f"{url}/single?n={n}&size=180", n)
            costs = best_of(costs, cells) if costs else cells
    rows = []
    for world, cells in costs.items():
        own, object_ = cells.pop("floor", "failed"), cells.pop("ssl object", "failed")
        floors = {"sync": ("an SSL object and a socket", object_, "ssl.SSLSocket", own)}
        floors["async"] = ("asyncio's own TLS", own, "an SSL object in a bare protocol", object_)
        name, floor, other, figure = floors[world]
        row = Row(f"{world} (floor: {name})", "µs/event", cells | {"floor": floor})
        row.chart = f"Flushed singly over TLS, {world}, CPU"
        if isinstance(ours := cells.get(OURS), float) and isinstance(floor, float):
            bound = {"sync": 1.7, "async": 1.35}[world]
            row.targets.append(at_most(bound, ours / floor, "times the floor"))
        rows += [row, Row(f"{world}, {other}", "µs/event", {"floor": figure})]
    return [Section("Flushed singly over TLS, CPU of the client", rows)]


def throughput(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    """Events of 1 KB and bodies in chunks of 16 KB, in bulk: CPU of the client and time on the clock."""
    events, chunks, rounds = (3000, 300, 2) if quick else (30000, 3000, 5)
    cells: dict[tuple[str, str, str, str], dict[str, float | str]] = {}
    for transport in ("plain", "TLS"):
        acks = space.acks()
        with ExitStack() as stack:
            tls = transport == "TLS"
            url = stack.enter_context(space.server(acks, tls))
            workers = all_workers(stack, space, found, acks, tls)
            task: dict[str, Any] = {"url": f"{url}/bulk?n={events}&size=1000", "n": events, "mode": "bulk"}
            megabytes = events * 1008 / 1e6
            take_turns(workers, 1, "stream", remark=f"warming up {transport}", **task)
            for (world, name), answers in take_turns(workers, rounds, "stream", **task).items():
                note(cells, ("events", transport, world), name, answers, megabytes)
            bodies = {k: w for k, w in workers.items() if k[1] in (*peers.BODIES, "floor")}
            for (world, name), answers in take_turns(
                bodies, rounds, "body", url=f"{url}/bulk?n={chunks}&size=16000"
            ).items():
                note(cells, ("body", transport, world), name, answers, chunks * 16008 / 1e6)
    rows = []
    for what in ("events", "body"):
        for world in WORLDS:
            for unit in ("ms CPU/MB", "MB/s"):
                for transport in ("plain", "TLS"):
                    kind = "events of 1 KB" if what == "events" else "the body alone"
                    found_cells = cells.get((what, transport, world, unit), {})
                    row = Row(f"{kind}, {world}, {transport}", unit, found_cells)
                    if (what, transport, unit) == ("events", "TLS", "ms CPU/MB"):
                        row.chart = f"Events over TLS, {world}, CPU"
                    rows.append(row)
    return [Section("Throughput over TLS and plain (the body: httpx under httpx-sse)", rows)]


def note(
    cells: dict[tuple[str, str, str, str], dict[str, float | str]],
    key: tuple[str, str, str],
    name: str,
    answers: list[dict[str, float]],
    megabytes: float,
) -> None:
    cells.setdefault((*key, "ms CPU/MB"), {})[name] = min(a["cpu"] for a in answers) * 1e3 / megabytes
    cells.setdefault((*key, "MB/s"), {})[name] = megabytes / min(a["wall"] for a in answers)
