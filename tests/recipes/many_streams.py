"""Follow many streams at once on one asyncio loop.

python3 -m tests.recipes.many_streams https://example.com/feed/a https://example.com/feed/b
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sse import SSEEvent, async_connect

Handle = Callable[[str, SSEEvent], Awaitable[object]]


async def follow_all(urls: Iterable[str], handle: Handle, **options: Any) -> None:
    """Await `handle(url, event)` for each event of each stream, until all of them have ended.

    Each stream waits for its own handler only, and reconnects on its own. The first one that fails
    for good ends the others. From Python 3.11 on its error comes in an `ExceptionGroup`.
    """

    async def follow(url: str) -> None:
        async with async_connect(url, **options) as events:
            async for event in events:
                await handle(url, event)

    if sys.version_info >= (3, 11):
        async with asyncio.TaskGroup() as group:
            for url in urls:
                group.create_task(follow(url))
    else:
        tasks = [asyncio.create_task(follow(url)) for url in urls]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def show(url: str, event: SSEEvent) -> None:
    print(url, event.event, event.data)


if __name__ == "__main__":
    asyncio.run(follow_all(sys.argv[1:], show))
