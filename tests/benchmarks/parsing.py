"""Parsing bytes: six kinds of stream, cut into pieces of three sizes and into one event per piece."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import peers
from measure import Row, Section, at_least, each_ratio, geometric_mean, interleaved, scaled

EVENTS = 1000
SIZES = {"64 B": 64, "4 KiB": 4096, "64 KiB": 65536}


def streams() -> dict[str, list[bytes]]:
    """The events of each workload, encoded one by one."""
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "some words"}}
    anthropic = f"event: content_block_delta\ndata: {json.dumps(delta)}\n\n".encode()
    start = '{"id":"chatcmpl-9x","object":"chat.completion.chunk","choices":[{"delta":{"content":"'
    openai = f'data: {start}{"w" * (180 - len(start) - 4)}"}}}}]}}\n\n'.encode()
    lines = "".join(f"data: line {n:2} of an event that has many of them\n" for n in range(30))
    return {
        "OpenAI": [openai] * EVENTS,
        "Anthropic": [anthropic] * EVENTS,
        "named with id": [b"event: update\nid: %d\ndata: %s\n\n" % (n, b"x" * 200) for n in range(EVENTS)],
        "CRLF": [b"event: update\r\nid: %d\r\ndata: %s\r\n\r\n" % (n, b"x" * 100) for n in range(EVENTS)],
        "30 lines": [f"{lines}\n".encode()] * EVENTS,
        "heartbeats": [b": ping\n\ndata: {}\n\n"] * EVENTS,
    }


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[i : i + size] for i in range(0, len(stream), size)]


def run(found: list[str], quick: bool) -> list[Section]:
    parsers = {name: peers.parser(name) for name in found}
    seconds = 0.3 if quick else 4.0  # for each case
    rows: dict[str, list[Row]] = {size: [] for size in [*SIZES, "tiny"]}
    wrong: set[str] = set()
    for workload, events in streams().items():
        pieces = {size: cut(b"".join(events), n) for size, n in SIZES.items()}
        pieces["tiny"] = events
        for size, chunks in pieces.items():
            cells: dict[str, float | str] = {}
            calls: dict[str, Callable[[], object]] = {}
            for name, parse in parsers.items():
                # The reader of launchdarkly reports comments as well.
                comments = EVENTS if (name, workload) == ("launchdarkly", "heartbeats") else 0
                if parse(chunks) == EVENTS + comments:
                    calls[name] = partial(parse, chunks)
                else:
                    cells[name] = "wrong"
                    wrong.add(name)
            cells.update(scaled(interleaved(calls, seconds), 1e6 / EVENTS))
            case = f"{workload}, one event per chunk" if size == "tiny" else f"{workload}, {size}"
            chart = f"Parsing: {workload}, 4 KiB chunks" if (workload, size) == ("OpenAI", "4 KiB") else ""
            rows[size].append(Row(case, "µs/event", cells, chart=chart))
    for name in sorted(wrong):
        print(f"  {name} finds another number of events in the streams marked 'wrong'", flush=True)
    return [
        Section("Parsing bytes, 1,000 events", [row for size in rows.values() for row in size]),
        judged(rows),
        floors(seconds),
    ]


def judged(rows: dict[str, list[Row]]) -> Section:
    large = each_ratio(rows["4 KiB"] + rows["64 KiB"])
    small = each_ratio(rows["64 B"] + rows["tiny"])
    mean = Row("4 and 64 KiB, geometric mean", "times sse", {n: geometric_mean(r) for n, r in large.items()})
    worst = Row("4 and 64 KiB, worst", "times sse", {n: min(r) for n, r in large.items()})
    tiny = Row("64 B and one event per chunk, worst", "times sse", {n: min(r) for n, r in small.items()})
    if "httpx-sse" in large:
        mean.targets.append(at_least(2.5, geometric_mean(large["httpx-sse"]), "mean over httpx-sse"))
        worst.targets.append(at_least(1.8, min(large["httpx-sse"]), "worst over httpx-sse"))
        tiny.targets.append(at_least(1.0, min(small["httpx-sse"]), "worst over httpx-sse"))
    if "launchdarkly" in large:
        worst.targets.append(at_least(1.2, min(large["launchdarkly"]), "worst over launchdarkly"))
    return Section("Parsing bytes, how many times faster", [mean, worst, tiny])


def floors(seconds: float) -> Section:
    """What it costs to make the events alone: by calling the class, and the way the parser makes them."""
    import sse

    ways = {"SSEEvent(...)": sse.SSEEvent, "the parser's way": getattr(sse, "_event", None)}
    calls = {name: partial(construct, make) for name, make in ways.items() if make is not None}
    best = scaled(interleaved(calls, seconds), 1e6 / EVENTS)
    return Section(
        "Floor: the events alone",
        [Row(name, "µs/event", {"floor": figure}) for name, figure in best.items()],
    )


def construct(make: Callable[[str, str, str, None], object]) -> list[object]:
    return [make("message", "data", "id", None) for _ in range(EVENTS)]
