"""Parsing bytes: seven kinds of stream, in pieces of three sizes and with one event per piece.

What arrives is either much at once, or an event alone, or less than one: each is judged by a mean
and a worst case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import peers
from measure import Row, Section, at_least, each_ratio, geometric_mean, interleaved, scaled

EVENTS = 1000
SIZES = {"64 B": 64, "4 KiB": 4096, "64 KiB": 65536}
ALONE = "one event per chunk"
CHARTED = [("OpenAI", "4 KiB"), ("OpenAI", ALONE), ("OpenAI", "64 B"), ("MCP", ALONE)]


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
        "MCP": [mcp(n) for n in range(EVENTS)],
        "30 lines": [f"{lines}\n".encode()] * EVENTS,
        "heartbeats": [b": ping\n\ndata: {}\n\n"] * EVENTS,
    }


def mcp(n: int) -> bytes:
    """An answer of a server for the Model Context Protocol, as sse-starlette writes it."""
    content = [{"type": "text", "text": "some words that a tool has found"}]
    answer = {"jsonrpc": "2.0", "id": n, "result": {"content": content, "isError": False}}
    return f"id: {n}\r\nevent: message\r\ndata: {json.dumps(answer)}\r\n\r\n".encode()


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[i : i + size] for i in range(0, len(stream), size)]


def run(found: list[str], quick: bool) -> list[Section]:
    parsers = {name: peers.parser(name) for name in found if name in peers.PARSERS}
    seconds = 0.3 if quick else 4.0  # for each case
    rows: dict[str, list[Row]] = {size: [] for size in [*SIZES, ALONE]}
    wrong: set[str] = set()
    for workload, events in streams().items():
        pieces = {size: cut(b"".join(events), n) for size, n in SIZES.items()}
        pieces[ALONE] = events
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
            chart = f"Parsing: {workload}, {size}" if (workload, size) in CHARTED else ""
            rows[size].append(Row(f"{workload}, {size}", "µs/event", cells, chart=chart))
    for name in sorted(wrong):
        print(f"  {name} finds another number of events in the streams marked 'wrong'", flush=True)
    return [
        Section("Parsing bytes, 1,000 events", [row for size in rows.values() for row in size]),
        judged(rows),
        floors(seconds),
    ]


def judged(rows: dict[str, list[Row]]) -> Section:
    bulk = Compared("4 and 64 KiB", rows["4 KiB"] + rows["64 KiB"])
    alone = Compared(ALONE, rows[ALONE])
    small = Compared("64 B", rows["64 B"])
    little = Compared(f"{ALONE} and 64 B", rows[ALONE] + rows["64 B"])
    bulk.demand("httpx-sse", mean=2.5, worst=1.8)
    bulk.demand("launchdarkly", worst=1.2)
    little.demand("httpx-sse", mean=1.6, worst=1.1)
    alone.demand("launchdarkly", mean=0.9)
    judged = [row for part in (bulk, alone, small, little) for row in (part.mean, part.worst)]
    return Section("Parsing bytes, how many times faster", judged)


class Compared:
    """How many times ours a peer takes over some rows: the geometric mean, and the worst case."""

    def __init__(self, title: str, rows: list[Row]) -> None:
        self.ratios = each_ratio(rows)
        means = {name: geometric_mean(ratios) for name, ratios in self.ratios.items()}
        worst = {name: min(ratios) for name, ratios in self.ratios.items()}
        self.mean = Row(f"{title}, geometric mean", "times sse", means)
        self.worst = Row(f"{title}, worst", "times sse", worst)

    def demand(self, peer: str, mean: float | None = None, worst: float | None = None) -> None:
        for bound, row, word in ((mean, self.mean, "mean"), (worst, self.worst, "worst")):
            if bound is not None and peer in self.ratios:
                figure = row.cells[peer]
                assert isinstance(figure, float)
                row.targets.append(at_least(bound, figure, f"{word} over {peer}"))


def floors(seconds: float) -> Section:
    """What it costs to make the events alone: by calling the class, and the way the parser makes them."""
    import sse

    ways = {"SSEEvent(...)": sse.SSEEvent, "the parser's way": getattr(sse, "_make_event", None)}
    calls = {name: partial(construct, make) for name, make in ways.items() if make is not None}
    best = scaled(interleaved(calls, seconds), 1e6 / EVENTS)
    return Section(
        "Floor: the events alone",
        [Row(name, "µs/event", {"floor": figure}) for name, figure in best.items()],
    )


def construct(make: Callable[[str, str, str, None], object]) -> list[object]:
    return [make("message", "data", "id", None) for _ in range(EVENTS)]
