"""One feed, told by four frameworks. Each function makes the application for the server of its kind.

`/feed` numbers its events and goes on after `Last-Event-ID`. Query: `gap` seconds before each event, `burst`
events on one connection and then silence, `end` the last number there is, after which comes 204. The data of
an event says when it was sent, by which process, and which `Last-Event-ID` that connection had brought.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Feed:
    resumed: str
    gap: float
    burst: int
    end: int

    @classmethod
    def asked(cls, headers: Mapping[str, str], query: Mapping[str, str]) -> Feed:
        return cls(
            headers.get("Last-Event-ID", ""),
            float(query.get("gap", "0.01")),
            int(query.get("burst", "1000000")),
            int(query.get("end", "1000000")),
        )

    @property
    def over(self) -> bool:
        return int(self.resumed or 0) >= self.end

    def events(self) -> Iterator[dict[str, str]]:
        first = int(self.resumed or 0) + 1
        for number in range(first, min(first + self.burst, self.end + 1)):
            data = {"sent": time.time(), "process": os.getpid(), "resumed": self.resumed}
            yield {"id": str(number), "event": "tick", "data": json.dumps(data)}

    @property
    def silent(self) -> bool:
        """Whether silence, not the end, follows the burst."""
        return int(self.resumed or 0) + self.burst < self.end

    async def paced(self) -> AsyncIterator[dict[str, str]]:
        events = self.events()
        while True:
            await asyncio.sleep(self.gap)
            event = next(events, None)
            if event is None:
                break
            yield event
        if self.silent:
            await asyncio.Event().wait()

    def lines(self) -> Iterator[str]:
        events = self.events()
        while True:
            time.sleep(self.gap)
            event = next(events, None)
            if event is None:
                break
            yield "".join(f"{name}: {value}\n" for name, value in event.items()) + "\n"
        while self.silent:
            time.sleep(1)
            yield ": still here\n"


def starlette_app() -> Any:
    """With sse-starlette, for uvicorn."""
    from sse_starlette import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def feed(request: Request) -> Response:
        asked = Feed.asked(request.headers, request.query_params)
        return Response(status_code=204) if asked.over else EventSourceResponse(asked.paced())

    return Starlette(routes=[Route("/feed", feed)])


def aiohttp_app(argv: list[str] | None = None) -> Any:
    """With aiohttp-sse, for aiohttp's own server."""
    from aiohttp import web
    from aiohttp_sse import sse_response

    async def feed(request: web.Request) -> web.StreamResponse:
        asked = Feed.asked(request.headers, request.query)
        if asked.over:
            return web.Response(status=204)
        async with sse_response(request) as response:
            async for event in asked.paced():
                await response.send(**event)
        return response

    app = web.Application()
    app.router.add_get("/feed", feed)
    return app


def flask_app() -> Any:
    """Plain WSGI, for gunicorn and waitress."""
    import flask

    app = flask.Flask(__name__)

    @app.get("/feed")
    def feed() -> flask.Response:
        asked = Feed.asked(flask.request.headers, flask.request.args)
        if asked.over:
            return flask.Response(status=204)
        return flask.Response(asked.lines(), content_type="text/event-stream")

    return app
