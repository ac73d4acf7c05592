"""One event of many megabytes: does the time for a byte stay the same, and how much memory does it take?

Each figure comes from a process of its own. Making the pieces is measured by itself and taken off.
"""

from __future__ import annotations

import math

from measure import OURS, Row, Section, at_most
from processes import Failed, Workspace

MB = 10**6
PIECES = {"16 B": 16, "1 KiB": 1024, "64 KiB": 65536}
SHAPES = {
    "data": "one data line",
    "id": "one id line",
    "comment": "one comment line",
    "lines": "data lines of 40 characters",
}
LIMIT = 10.0  # seconds for a peer; some take hours
# aiohttp-sse-client has no parser that could be fed piece by piece.
PEERS = ["httpx-sse", "launchdarkly", "sseclient-py", "openai", "requests-sse"]


def run(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    acks = space.acks()
    rounds = 1 if quick else 3
    time_rows, memory_rows = [], []
    for shape, title in SHAPES.items():
        # 100,000 lines of 47 bytes; a quarter of them to compare with.
        small, large = (100_000 * 47 // 4, 100_000 * 47) if shape == "lines" else (16 * MB, 64 * MB)
        if quick:
            small, large = small // 4, large // 4
        sizes = "25,000 → 100,000" if shape == "lines" else f"{small // MB} → {large // MB} MB"
        for piece, n in PIECES.items():
            before: dict[str, float | str] = {}
            after: dict[str, float | str] = {}
            measured = [p for p in PEERS if p in found and n >= 1024 and shape in ("data", "lines")]
            names = [OURS, *measured]
            for name in names:
                repeat = rounds if name == OURS else 1
                before[name] = best(space, acks, name, repeat, shape, small, n)
                after[name] = best(space, acks, name, repeat, shape, large, n)
            case = f"{title}, {sizes}, pieces of {piece}"
            grown: dict[str, float | str] = {}
            for name, small_figure in before.items():
                large_figure = after[name]
                if isinstance(small_figure, float) and isinstance(large_figure, float):
                    grown[name] = large_figure / small_figure
            row = Row(case, "ns/byte", after)
            growth = Row("… times the smaller one's", "times", grown)
            if isinstance(ours := after[OURS], float) and isinstance(times := grown.get(OURS), float):
                # Linear, or so fast that it does not matter.
                if ours <= 3.0 and times > 1.5:
                    row.targets.append(at_most(3.0, ours, "ns/byte"))
                else:
                    growth.targets.append(at_most(1.5, times, "growth"))
            time_rows += [row, growth]
        for piece, n in PIECES.items():
            measured = [p for p in PEERS if p in found and n == 65536 and shape in ("data", "lines")]
            cells = {name: memory(space, acks, name, shape, large, n) for name in [OURS, *measured]}
            row = Row(f"{title}, {large / MB:.3g} MB, pieces of {piece}", "times its size", cells)
            if isinstance(ours := cells[OURS], float):
                row.targets.append(at_most(3.0, ours, "peak"))
            memory_rows.append(row)
    return [Section("One large event, time", time_rows), Section("One large event, peak memory", memory_rows)]


def best(space: Workspace, acks: str, name: str, rounds: int, shape: str, size: int, piece: int) -> float | str:
    figures = []
    for _ in range(rounds):
        answer = ask(space, acks, name, shape, size, piece, memory=False)
        if isinstance(answer, str):
            return answer
        figures.append(max(answer["cpu"], 1e-6) / answer["bytes"] * 1e9)
    return min(figures, default=math.nan)


def memory(space: Workspace, acks: str, name: str, shape: str, size: int, piece: int) -> float | str:
    answer = ask(space, acks, name, shape, size, piece, memory=True)
    return answer if isinstance(answer, str) else answer["peak"] / answer["event"]


def ask(
    space: Workspace, acks: str, name: str, shape: str, size: int, piece: int, memory: bool
) -> dict[str, float] | str:
    """A remark instead of figures where a candidate takes too long or gives up."""
    limit = 120.0 if name == OURS else LIMIT
    with space.worker("sync", name, acks) as client:
        try:
            return client.call("large", limit=limit, shape=shape, size=size, piece=piece, memory=memory)
        except TimeoutError:
            return f"> {limit:.0f} s"
        except Failed as error:
            print(f"  {name}: {SHAPES[shape]} of {size} bytes failed: {error}", flush=True)
            return "failed"
