"""Threads: two parsers in two threads beside one alone.

Two bring twice as much only where no lock is held by whoever runs Python code: on a free-threaded build.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import parsing
import peers
from measure import Row, Section, at_least, turns

WORKLOADS = ["OpenAI", "named with id", "30 lines"]


def run(found: list[str], quick: bool) -> list[Section]:
    parsers = {name: partial(peers.parser, name) for name in found if name in peers.PARSERS}
    rows = []
    for workload in WORKLOADS:
        events = parsing.streams()[workload]
        for size, chunks in {"4 KiB": parsing.cut(b"".join(events), 4096), "tiny": events}.items():
            case = f"{workload}, " + ("one event per chunk" if size == "tiny" else size)
            row = Row(case, "times one", gains(parsers, chunks, 0.3 if quick else 2.0))
            if free_threaded():
                row.targets.append(
                    at_least(1.6, float(row.cells[peers.OURS]), "two parsers over one")
                )
            rows.append(row)
    lock = "free-threaded" if free_threaded() else "one lock for all threads"
    return [Section(f"Two parsers in two threads, events a second ({lock})", rows)]


def free_threaded() -> bool:
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


def gains(parsers: dict[str, Callable[[], peers.Parse]], chunks: list[bytes], seconds: float) -> dict[str, float]:
    """How many times as many events two threads find as one does, each at its best."""
    best: dict[str, list[float]] = {name: [0.0, 0.0] for name in parsers}
    end = time.monotonic() + seconds * len(parsers)
    for n, turn in enumerate(turns(list(parsers), 1000)):
        if n >= 5 and time.monotonic() > end:
            break
        for name in turn:
            for threads in (1, 2):
                rate = threads / elapsed(threads, parsers[name], chunks)
                best[name][threads - 1] = max(best[name][threads - 1], rate)
    return {name: two / one for name, (one, two) in best.items()}


def elapsed(
    count: int, make: Callable[[], peers.Parse], chunks: list[bytes], times: int = 10
) -> float:
    """Seconds in which each of `count` threads parses the chunks so many times, by what it makes."""
    start = threading.Barrier(count + 1)

    def work() -> None:
        parse = make()
        start.wait()
        for _ in range(times):
            parse(chunks)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin
