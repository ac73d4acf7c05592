"""A server on the official MCP SDK, with an event store, for the tests of the MCP recipe."""

from __future__ import annotations

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage
from starlette.applications import Starlette


class Memory(EventStore):
    """Keeps all that was sent; the ID of an event is its place."""

    def __init__(self) -> None:
        self.events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        place = int(last_event_id)
        stream = self.events[place - 1][0]
        for number, (stream_id, message) in enumerate(self.events[place:], place + 1):
            if stream_id == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


server = MCPServer("numbers")


@server.tool()
async def count(to: int, hang_up_after: int, ctx: Context) -> str:
    """Counts, and at one point ends the stream, so that the client has to come back for the rest."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to)
        if number == hang_up_after:
            await ctx.close_sse_stream()
            # The client is back by then. What the SDK is given while it replays what it has stored
            # would be in neither, the replay or the new stream.
            await anyio.sleep(0.5)
    return f"counted to {to}"


@server.tool()
async def broken() -> str:
    """Fails."""
    raise ValueError("this tool is broken")


def events() -> Starlette:
    return server.streamable_http_app(event_store=Memory(), retry_interval=20)


def plain() -> Starlette:
    """Without an event store, and with JSON for answers."""
    return server.streamable_http_app(json_response=True)
