"""How figures are taken, judged and printed: the same for every workload.

Machines are noisy, and noise only ever adds. So the candidates of a comparison take turns within one run,
each keeps its best round, and what is judged is the ratio of two figures from the same run. Work is measured
in CPU time, which does not count what other processes do. The garbage collector stays on, as it is where the
libraries are used.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

OURS = "sse"
T = TypeVar("T")


@dataclass
class Target:
    """One demand and what came out. `sign` says on which side of `bound` the figure has to be."""

    text: str
    figure: float
    sign: str
    bound: float

    @property
    def reached(self) -> bool:
        return self.figure >= self.bound if self.sign == "≥" else self.figure <= self.bound

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        return f"{self.text} {self.sign} {short(self.bound)}: {verdict}, {short(self.figure)}"


def at_least(bound: float, figure: float, text: str) -> Target:
    return Target(text, figure, "≥", bound)


def at_most(bound: float, figure: float, text: str) -> Target:
    return Target(text, figure, "≤", bound)


@dataclass
class Row:
    """One line of the table: a figure (or a remark) for each candidate, and the demands it answers.

    `chart` is the title under which the row appears in the picture; rows without one do not.
    """

    case: str
    unit: str
    cells: Mapping[str, float | str]
    targets: list[Target] = field(default_factory=list)
    chart: str = ""


@dataclass
class Section:
    title: str
    rows: list[Row]


def interleaved(candidates: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The best CPU time of one call for each candidate; they take turns for about `seconds`.

    Short calls are repeated until a sample lasts 2 ms, or the clock would be what is measured. The order
    turns from round to round, so that nobody is always the first.
    """
    # What is loaded by now belongs to all candidates; the collector need not walk it in the middle of one.
    gc.collect()
    gc.freeze()
    repeats: dict[str, int] = {}
    for name, call in candidates.items():
        call()
        start = time.process_time()
        call()
        repeats[name] = max(1, math.ceil(0.002 / max(time.process_time() - start, 1e-7)))
    best = dict.fromkeys(candidates, math.inf)
    end = time.monotonic() + seconds
    for n, turn in enumerate(turns(list(candidates), 1000)):
        if n >= 15 and time.monotonic() > end:
            break
        for name in turn:
            call, times = candidates[name], range(repeats[name])
            gc.collect()
            start = time.process_time()
            for _ in times:
                call()
            best[name] = min(best[name], (time.process_time() - start) / len(times))
    gc.unfreeze()
    return best


def turns(names: list[T], rounds: int) -> Iterable[list[T]]:
    """The names once for each round, in an order that turns."""
    for n in range(rounds):
        at = n % len(names)
        yield names[at:] + names[:at]


def scaled(seconds: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: value * factor for name, value in seconds.items()}


def ratios(cells: Mapping[str, float | str]) -> dict[str, float]:
    """How many times our figure each other figure is."""
    ours = cells[OURS]
    assert isinstance(ours, float)
    return {n: value / ours for n, value in cells.items() if isinstance(value, float) and n != OURS}


def each_ratio(rows: Iterable[Row]) -> dict[str, list[float]]:
    collected: dict[str, list[float]] = {}
    for row in rows:
        for name, ratio in ratios(row.cells).items():
            collected.setdefault(name, []).append(ratio)
    return collected


def geometric_mean(values: Iterable[float]) -> float:
    return statistics.geometric_mean(values)


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


def short(value: float | str) -> str:
    """Three significant digits, which is more than such figures bear."""
    if isinstance(value, str):
        return value
    if value == 0 or not math.isfinite(value):
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}" if digits < 6 else f"{value:.1e}"


def table(sections: Iterable[Section], columns: list[str]) -> str:
    """One Markdown table, its columns aligned so that it can be read as it is."""
    rows = [row for section in sections for row in section.rows]
    used = [name for name in columns if any(name in row.cells for row in rows)]
    lines = [["workload", "unit", *used, "target"]]
    for section in sections:
        lines.append([f"**{section.title}**", *[""] * (len(used) + 2)])
        for row in section.rows:
            cells = [short(row.cells.get(name, "")) for name in used]
            lines.append([row.case, row.unit, *cells, "; ".join(map(str, row.targets))])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    right = range(2, 2 + len(used))
    out = []
    for line in lines:
        padded = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        out.append(f"| {' | '.join(padded)} |")
        if line is lines[0]:
            rules = ["-" * (w - 1) + ":" if i in right else "-" * w for i, w in enumerate(widths)]
            out.append(f"| {' | '.join(rules)} |")
    return "\n".join(out)


def summary(sections: Iterable[Section]) -> str:
    targets = [(s.title, row.case, t) for s in sections for row in s.rows for t in row.targets]
    missed = [f"  {title}: {case}: {t}" for title, case, t in targets if not t.reached]
    return "\n".join([f"targets reached: {len(targets) - len(missed)} of {len(targets)}", *missed])
