"""Go on after a restart where the last run stopped.

python3 -m tests.recipes.checkpoint https://example.com/feed feed.checkpoint
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sse import SSEEvent, connect


def follow(
    url: str, checkpoint: Path, handle: Callable[[SSEEvent], object], **options: Any
) -> None:
    """Call `handle` for each event, and then write its ID to the file `checkpoint`.

    In this order an event is handled at least once: again, if the program died between the two. To
    have it exactly once, save the ID in the transaction that saves what the event brought.
    """
    last = checkpoint.read_text("utf-8") if checkpoint.exists() else ""
    with connect(url, last_event_id=last, **options) as events:
        for event in events:
            handle(event)
            if events.last_event_id != last:
                last = events.last_event_id
                save(checkpoint, last)


def save(path: Path, text: str) -> None:
    """All of it or nothing, whenever the program dies."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, "utf-8")
    os.replace(new, path)


if __name__ == "__main__":
    import sys

    follow(sys.argv[1], Path(sys.argv[2]), lambda event: print(event.id, event.data))
