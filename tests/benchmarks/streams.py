"""Many streams on one asyncio loop: what one of them holds, and what it costs to open."""

from __future__ import annotations

import resource

import peers
from measure import OURS, Row, Section, at_most, turns
from processes import Failed, Workspace

# The peers hold fewer: some take seconds for a thousand.
FEWER = {name: 1000 for name in peers.NAMES if name not in (OURS, peers.BEFORE)}
FEWER |= {"launchdarkly": 2000, "aiohttp-sse-client": 2000}
COLLECTED = 20_000  # streams, in the figure for the collector


def run(found: list[str], quick: bool, space: Workspace, streams: int) -> list[Section]:
    if quick:
        streams = min(streams, 500)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and streams > hard - 200:
        print(f"  {hard} open files are allowed here: {hard - 200} streams instead of {streams}", flush=True)
        streams = hard - 200
    rows = []
    for tls in (False, True):
        rows += many(found, 1 if quick else 1 if tls else 3, space, streams, tls)
    return [Section(f"{streams:,} idle streams on one asyncio loop (the peers fewer)", rows)]


def many(found: list[str], rounds: int, space: Workspace, streams: int, tls: bool) -> list[Row]:
    names = [n for n in [*found, "floor"] if n in peers.ASYNC or n == "floor"]
    counts = {n: min(streams, FEWER.get(n, streams)) for n in names}
    if tls:
        counts["floor"] = min(streams, 1000)  # asyncio's own TLS takes gigabytes for more
    scales = {"memory": 1 / 1024, "awaited": 1 / 1024, "cpu": 1e6, "objects": 1.0}
    scales["collection"] = 1e3 * COLLECTED
    cells: dict[str, dict[str, float | str]] = {what: {} for what in scales}
    for turn in turns(names, rounds):
        for name in turn:
            acks = space.acks()
            # A server of its own for each: nobody meets the other's closing connections.
            with space.server(acks, tls) as url, space.worker("async", name, acks, tls) as client:
                try:
                    answer = client.call("many", limit=600.0, url=f"{url}/idle", n=counts[name])
                except (Failed, TimeoutError) as error:
                    print(f"  {name}: {counts[name]} streams failed: {error}", flush=True)
                    continue
            for what, scale in scales.items():
                if what in answer:
                    figure = answer[what] * scale
                    cells[what][name] = min(figure, float(cells[what].get(name, figure)))
    world = "TLS" if tls else "plain"
    held = Row(f"{world}, memory", "KiB/stream", cells["memory"], chart=f"Memory of an idle stream, {world}")
    opened = Row(f"{world}, CPU to open and take one event", "µs", cells["cpu"])
    ours, bare = cells["cpu"].get(OURS), cells["cpu"].get("floor")
    if isinstance(kept := cells["memory"].get(OURS), float):
        held.targets.append(at_most(48.0 if tls else 8.0, kept, "KiB"))
    if not tls and isinstance(ours, float) and isinstance(bare, float):
        opened.targets.append(at_most(1.4, ours / bare, "times a bare protocol"))
        opened.chart = "CPU to open a stream, plain"
    awaited = Row(f"{world}, memory with a task that awaits it", "KiB/stream", cells["awaited"])
    objects = Row(f"{world}, objects that the collector tracks", "per stream", cells["objects"])
    case = f"{world}, collector, {COLLECTED:,} such streams"
    collection = Row(case, "ms CPU", cells["collection"])
    return [held, awaited, opened, objects, collection]
