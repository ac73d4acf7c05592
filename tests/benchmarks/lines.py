"""Lines that somebody else has split: `EventSource(lines)` beside the peers that take a line at a time."""

from __future__ import annotations

from functools import partial

import peers
from measure import Row, Section, at_least, interleaved, ratios, scaled

SHAPES = [(10, 1, 20), (100, 3, 50), (1000, 1, 200), (100, 1, 2000)]  # events, data lines each, characters each


def run(found: list[str], quick: bool) -> list[Section]:
    parsers = {name: peers.LINES[name]() for name in found if name in peers.LINES}
    rows = []
    for events, count, length in SHAPES:
        lines = []
        for n in range(events):
            lines += ["event: update", f"id: {n}", *[f"data: {'x' * length}"] * count, ""]
        for name, parse in parsers.items():
            assert parse(lines) == events, name
        calls = {name: partial(parse, lines) for name, parse in parsers.items()}
        cells = scaled(interleaved(calls, 0.3 if quick else 4.0), 1e6 / events)
        row = Row(f"{events:,} x {count} x {length}", "µs/event", cells)
        if "httpx-sse" in cells:
            row.targets.append(at_least(1.5, ratios(cells)["httpx-sse"], "over httpx-sse"))
        if (events, count, length) == SHAPES[1]:
            row.chart = "Lines: 100 events of 3 x 50 characters"
        rows.append(row)
    return [Section("Lines, events x data lines x characters", rows)]
