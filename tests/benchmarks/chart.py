"""The picture for the README: one group of bars for each charted row, shorter is better."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from measure import OURS, Row, Section, short

LABEL, BAR, FIGURE, LINE, GROUP, TOP = 150, 430, 110, 20, 44, 58
COLUMNS = 2
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 13px; font-weight: 600 }
  .head { font-size: 17px; font-weight: 600 }
  .note { fill: #57606a }
  .peer { fill: #afb8c1 }
  .ours { fill: #1a7f37 }
  .floor { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #8d96a0 } .peer { fill: #484f58 } .ours { fill: #3fb950 }
  }
"""


def svg(sections: Iterable[Section], note: str) -> str:
    rows = [row for section in sections for row in section.rows if row.chart and bars(row)]
    heights = [0] * COLUMNS
    shapes = []
    for row in rows:
        column = heights.index(min(heights))
        x, y = column * (LABEL + BAR // COLUMNS + FIGURE + 20) + 12, TOP + heights[column]
        shapes += group(row, x, y)
        heights[column] += GROUP + LINE * len(bars(row))
    width = COLUMNS * (LABEL + BAR // COLUMNS + FIGURE + 20) + 4
    height = TOP + max(heights)
    head = [
        '<text class="head" x="12" y="24">SSE clients for Python: shorter is better</text>',
        f'<text class="note" x="12" y="42">{escape(note)}</text>',
    ]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<style>{STYLE}</style>",
        *head,
        *shapes,
        "</svg>\n",
    ])  # fmt: skip


def bars(row: Row) -> list[tuple[str, float]]:
    """Ours first, then the peers from the fastest to the slowest, the floor last."""
    cells = [(name, figure) for name, figure in row.cells.items() if isinstance(figure, float)]
    order = {OURS: 0, "floor": 2}
    return sorted(cells, key=lambda cell: (order.get(cell[0], 1), cell[1])) if OURS in dict(cells) else []


def group(row: Row, x: int, y: int) -> list[str]:
    shapes = [f'<text class="title" x="{x}" y="{y + 12}">{escape(row.chart)} ({escape(row.unit)})</text>']
    figures = dict(bars(row))
    longest = max(figures.values())
    for i, (name, figure) in enumerate(figures.items()):
        top = y + 20 + i * LINE
        width = max(1.0, figure / longest * BAR / COLUMNS)
        kind = {OURS: "ours", "floor": "floor"}.get(name, "peer")
        ratio = f", {short(figure / figures[OURS])}x" if kind == "peer" else ""
        shapes += [
            f'<text x="{x + LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{x + LABEL}" y="{top + 2}" width="{width:.1f}" height="14" rx="2"/>',
            f'<text class="note" x="{x + LABEL + 6 + width:.1f}" y="{top + 13}">{short(figure)}{ratio}</text>',
        ]
    return shapes
