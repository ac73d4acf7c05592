"""Talk to an MCP server over Streamable HTTP: a session, requests, progress, resuming lost answers.

    python3 -m tests.recipes.mcp_session http://localhost:8000/mcp

A request is a POST, and is never sent twice. Its answer is JSON or an event stream; if that stream
ends before the answer was in it, because the line broke or because the server wants to be asked
again later, the rest is had by a GET with the last event ID.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any

import httpclient
from sse import EventSource, SSEEvent, connect

Message = dict[str, Any]
Messages = Generator[Message, None, None]


class MCPError(Exception):
    """The server answered a request with an error."""


class MCPSession:
    """A context manager. `on_message` gets what the server says before it answers, as progress."""

    def __init__(
        self, url: str, token: str = "", on_message: Callable[[Message], object] | None = None
    ) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._on_message = on_message
        self._numbers = itertools.count(1)

    def __enter__(self) -> MCPSession:
        me = {"name": "recipe", "version": "1"}
        wanted = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": me}
        self.headers["MCP-Protocol-Version"] = self.request("initialize", wanted)["protocolVersion"]
        self.notify("notifications/initialized")
        return self

    def __exit__(self, *exception: object) -> None:
        if "Mcp-Session-Id" in self.headers:
            httpclient.request("DELETE", self.url, headers=self.headers)  # a 405 is an answer, too

    def request(self, method: str, params: Message | None = None) -> Any:
        """The result of a request."""
        number = next(self._numbers)
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        with closing(self._answers(call)) as messages:
            for message in messages:
                if message.get("id") == number and "method" not in message:
                    if "error" in message:
                        raise MCPError(message["error"])
                    return message["result"]
                self._received(message)
        raise ConnectionError(f"{method}: no answer")

    def notify(self, method: str, params: Message | None = None) -> None:
        """Tell the server something that has no answer but a 202."""
        self._post({"jsonrpc": "2.0", "method": method, "params": params or {}}).close()

    def messages(self) -> Messages:
        """What the server says of its own accord, for ever; a 405 says that it never does."""
        with connect(self.url, headers=self.headers) as events:
            yield from decoded(events)

    def _received(self, message: Message) -> None:
        if message.get("method") == "ping":
            self._post({"jsonrpc": "2.0", "id": message["id"], "result": {}}).close()
        elif self._on_message is not None:
            self._on_message(message)

    def _post(self, message: Message) -> httpclient.Response:
        headers = {"Accept": "application/json, text/event-stream", **self.headers}
        response = httpclient.post(self.url, json=message, headers=headers, stream=True)
        if not response.ok:
            with response:
                body = response.read().decode(errors="replace")
                raise MCPError(f"HTTP {response.status_code}: {body}")
        if session := response.headers.get("mcp-session-id"):
            self.headers["Mcp-Session-Id"] = session
        return response

    def _answers(self, call: Message) -> Messages:
        with self._post(call) as response:
            if response.headers.get("content-type", "").lower().startswith("application/json"):
                response.read()
                yield response.json()
                return
            stream = EventSource.from_chunks(response.iter_bytes())
            try:
                yield from decoded(stream)
            except OSError:
                if not stream.last_event_id:
                    raise
        if stream.last_event_id:
            wait = 1000 if stream.retry is None else stream.retry
            time.sleep(wait / 1000)
            with connect(
                self.url,
                headers=self.headers,
                last_event_id=stream.last_event_id,
                retry_interval=wait,
                max_retries=10,
            ) as events:
                yield from decoded(events)


def decoded(events: Iterable[SSEEvent]) -> Messages:
    for event in events:
        if event.data:  # the first event of a stream only brings an ID to resume from
            yield event.json()


if __name__ == "__main__":
    import sys

    with MCPSession(sys.argv[1], on_message=print) as session:
        for tool in session.request("tools/list")["tools"]:
            print(tool["name"], "-", tool.get("description", ""))
