"""Events carried by other HTTP libraries (`transport=`, `from_chunks`) and by applications in-process."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import aiohttp.http_exceptions
import apps
import flask
import httpx
import pytest
import requests
import transports
from conftest import follow, run_and_settle
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from httpclient import ASGITransport, WSGITransport
from sse import (
    AsyncEventSource,
    EventSource,
    SSEConnectionError,
    SSEContentTypeError,
    SSEEvent,
    SSEHTTPError,
    async_connect,
    connect,
)
from tests.server import (
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    Connection,
    Server,
    answer,
    chunk,
    head,
    silent,
    stream,
)


def a_stream(*events: str) -> str:
    return "".join(f"id: {event}\ndata: {event}\n\n" for event in events)


# transport=


def over_httpx(url: str, idle_timeout: float = 60, **options: Any) -> list[SSEEvent]:
    with httpx.Client() as client:
        transport = transports.httpx_transport(client, idle_timeout)
        with connect(url, transport=transport, **options) as events:
            return list(events)


def over_requests(url: str, idle_timeout: float = 60, **options: Any) -> list[SSEEvent]:
    with requests.Session() as session:
        transport = transports.requests_transport(session, idle_timeout)
        with connect(url, transport=transport, **options) as events:
            return list(events)


def over_async_httpx(url: str, **options: Any) -> list[SSEEvent]:
    async def main() -> list[SSEEvent]:
        async with httpx.AsyncClient() as client:
            transport = transports.async_httpx_transport(client)
            async with async_connect(url, transport=transport, **options) as events:
                return [event async for event in events]

    return run_and_settle(main())


def over_aiohttp(url: str, **options: Any) -> list[SSEEvent]:
    async def main() -> list[SSEEvent]:
        async with aiohttp.ClientSession() as session:
            transport = transports.aiohttp_transport(session)
            async with async_connect(url, transport=transport, **options) as events:
                return [event async for event in events]

    return run_and_settle(main())


Over = Callable[..., list[SSEEvent]]


@pytest.fixture(params=[over_httpx, over_requests, over_async_httpx, over_aiohttp])
def over(request: pytest.FixtureRequest) -> Over:
    collect: Over = request.param
    return collect


def data(events: list[SSEEvent]) -> list[str]:
    return [event.data for event in events]


class TestForeignTransports:
    @pytest.mark.parametrize("end", ["clean", "cut", "reset"])
    def test_resumes(self, end: str, over: Over) -> None:
        errors: list[Exception | None] = []
        def first(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(a_stream("1", "2")), chunk("id: lost\ndata: lost"))
            # A reset may destroy what is on its way; aiohttp discards what arrives together with a cut.
            if end == "reset" or over is over_aiohttp:
                conn.wait("2")
            {"clean": lambda: conn.send(LAST_CHUNK), "cut": conn.cut, "reset": conn.reset}[end]()

        with Server(first, stream(a_stream("3")), NO_CONTENT) as server:
            seen = over(
                server.url + "/a?b=c",
                retry_interval=1,
                on_error=lambda error, delay: errors.append(error),
                until=lambda event: server.signal(event.data),  # never true
            )
        assert data(seen) == ["1", "2", "3"]
        assert [request.header("Last-Event-ID") for request in server.requests] == [None, "2", "3"]
        assert [request.target for request in server.requests] == ["/a?b=c"] * 3
        assert [error is None for error in errors] == [end == "clean", True]
        if end != "clean":
            assert isinstance(errors[0], (OSError, EOFError))

    def test_request(self, over: Over) -> None:
        body = a_stream("1")
        with Server(answer(body), NO_CONTENT) as server:
            headers = {"X-Token": "t", "accept": "text/*"}
            over(server.url, headers=headers, retry_interval=1, last_event_id="ž1")
        request = server.requests[0]
        assert request.header("X-Token") == "t"
        assert request.header("Accept") == "text/*"
        assert request.header("Cache-Control") == "no-cache"
        assert request.header("Accept-Encoding") == "identity"
        assert request.header("Last-Event-ID") == "ž1"

    def test_posts_once(self, over: Over) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(a_stream("1")), chunk("data: cut off"))
            conn.wait("1")
            conn.cut()

        with Server(script) as server:
            with pytest.raises(SSEConnectionError) as caught:
                over(server.url, method="POST", json={"a": 1}, until=lambda event: server.signal(event.data))
        assert caught.value.delivered == 1
        assert server.requests[0].body == b'{"a":1}'
        assert server.requests[0].header("Content-Type") == "application/json"

    def test_refused(self, over: Over) -> None:
        with Server() as server:
            url = server.url
        with pytest.raises(SSEConnectionError) as caught:
            over(url, max_retries=2, retry_interval=1)
        assert caught.value.retries == 2
        assert isinstance(caught.value.last_error, OSError)

    def test_status(self, over: Over) -> None:
        with Server(answer('{"error": "no such feed"}', status="404 Not Found")) as server:
            with pytest.raises(SSEHTTPError, match="no such feed") as caught:
                over(server.url)
        assert (caught.value.status_code, caught.value.json()) == (404, {"error": "no such feed"})

    def test_content_type(self, over: Over) -> None:
        with Server(answer("<html>", type="text/html")) as server:
            with pytest.raises(SSEContentTypeError, match="text/html"):
                over(server.url)

    @pytest.mark.parametrize("framing", ["chunked", "until close", "gzip"])
    def test_delivered_at_once(self, framing: str, over: Over) -> None:
        """The server goes on only when the event has been handed over."""

        def script(conn: Connection) -> None:
            packer = zlib.compressobj(wbits=31)
            lines = {"chunked": [CHUNKED], "gzip": [CHUNKED, "Content-Encoding: gzip"]}.get(framing, [])
            conn.send(head(*lines))
            for number in "123":
                piece = a_stream(number).encode()
                if framing == "gzip":
                    piece = packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
                conn.send(piece if framing == "until close" else chunk(piece))
                conn.wait(number)
            if framing != "until close":
                conn.send(chunk(packer.flush()) if framing == "gzip" else b"", LAST_CHUNK)

        def last(event: SSEEvent) -> bool:
            server.signal(event.data)
            return event.data == "3"

        with Server(script) as server:
            assert data(over(server.url, until=last)) == ["1", "2", "3"]

    def test_redirect(self, over: Over) -> None:
        # httpx would go on with a connection that it was not told to be closed
        there = answer(b"", "Location: /b", "Connection: close", status="302 Found")
        with Server(there, answer(a_stream("1")), NO_CONTENT) as server:
            assert data(over(server.url + "/a", retry_interval=1)) == ["1"]
        assert [request.target for request in server.requests] == ["/a", "/b", "/a"]

    def test_silence(self, over: Over) -> None:
        """A stream that says nothing, and then a server that does not answer."""
        with Server(stream(a_stream("1"), end="open"), silent) as server:
            with pytest.raises(SSEConnectionError) as caught:
                over(server.url, timeout=0.3, idle_timeout=0.3, max_retries=1, retry_interval=1)
        assert (caught.value.delivered, caught.value.last_event_id) == (1, "1")
        assert [request.header("Last-Event-ID") for request in server.requests] == [None, "1"]

    @pytest.mark.parametrize("option", [{"verify": False}, {"proxy": ""}, {"uds": "/tmp/socket"}])
    def test_options_of_our_own_transport(self, option: dict[str, Any], over: Over) -> None:
        with pytest.raises(TypeError):
            over("http://127.0.0.1:9/", **option)


# from_chunks, and what iter_lines() of others get wrong

SEPARATORS = "id: 1\r\ndata: a\u2028b\u0085c\x0bd\r\ndata: second line\r\n\r\ndata: last\r\n\r\n"
EXPECTED = [SSEEvent(data="a\u2028b\u0085c\x0bd\nsecond line", id="1"), SSEEvent(data="last", id="1")]


def every_cut(conn: Connection) -> None:
    """Each byte is a chunk of its own."""
    conn.send(head(CHUNKED), *(chunk(bytes([byte])) for byte in SEPARATORS.encode()), LAST_CHUNK)


class TestFromChunks:
    def test_requests(self) -> None:
        with Server(every_cut) as server, requests.get(server.url, stream=True) as response:
            assert list(EventSource.from_chunks(response.iter_content(None))) == EXPECTED

    def test_httpx(self) -> None:
        with Server(every_cut) as server, httpx.stream("GET", server.url) as response:
            assert list(EventSource.from_chunks(response.iter_bytes())) == EXPECTED

    def test_async_httpx(self) -> None:
        async def main(url: str) -> list[SSEEvent]:
            async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
                return [event async for event in AsyncEventSource.from_chunks(response.aiter_bytes())]

        with Server(every_cut) as server:
            assert run_and_settle(main(server.url), debug=False) == EXPECTED

    def test_aiohttp(self) -> None:
        async def main(url: str) -> list[SSEEvent]:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return [event async for event in AsyncEventSource.from_chunks(response.content.iter_any())]

        with Server(every_cut) as server:
            assert run_and_settle(main(server.url), debug=False) == EXPECTED

    def test_lines_of_aiohttp_are_right_if_short(self) -> None:
        """Its content is an iterator over lines, which LF ends, CR alone not."""

        async def main(url: str) -> list[SSEEvent]:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return [event async for event in AsyncEventSource(response.content)]

        with Server(every_cut) as server:
            assert run_and_settle(main(server.url), debug=False) == EXPECTED


class TestWhatOthersLinesGetWrong:
    """Not wishes but the state of things: a failure here says that the README's warning is out of date."""

    def test_requests_cuts_crlf_at_the_border_of_a_chunk(self) -> None:
        with Server(every_cut) as server, requests.get(server.url, stream=True) as response:
            events = list(EventSource(response.iter_lines(chunk_size=None)))
        assert events != EXPECTED
        assert events[0].data != EXPECTED[0].data

    def test_httpx_splits_at_what_is_data(self) -> None:
        with Server(answer(SEPARATORS)) as server, httpx.stream("GET", server.url) as response:
            events = list(EventSource(response.iter_lines()))
        assert events[0].data == "a\nsecond line"  # what followed U+2028 is lost

    def test_aiohttp_refuses_long_lines(self) -> None:
        async def main(url: str) -> None:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                async for _ in AsyncEventSource(response.content):
                    pass

        with Server(answer(f"data: {'x' * 2**20}\n\n")) as server:
            with pytest.raises((ValueError, aiohttp.ClientError, aiohttp.http_exceptions.LineTooLong)):
                run_and_settle(main(server.url), debug=False)

    def test_ours_are_right(self) -> None:
        from httpclient import get

        with Server(every_cut) as server, get(server.url, stream=True) as response:
            assert list(EventSource(response.iter_lines())) == EXPECTED


# Applications in-process


class Application:
    """An endless feed, written twice, and the traces that it left."""

    def __init__(self) -> None:
        self.resumed: list[str | None] = []
        self.bodies: list[bytes] = []
        self.ended: list[str] = []

    def starlette(self) -> Any:
        async def endless(request: Request) -> Response:
            self.resumed.append(request.headers.get("last-event-id"))

            async def numbers() -> AsyncIterator[str]:
                try:
                    for number in range(1, 1_000_000):
                        yield a_stream(str(number))
                        await asyncio.sleep(0)
                finally:
                    self.ended.append("endless")

            return StreamingResponse(numbers(), media_type="text/event-stream")

        async def silent(request: Request) -> Response:
            async def one() -> AsyncIterator[str]:
                try:
                    yield a_stream("1")
                    await asyncio.Event().wait()
                finally:
                    self.ended.append("silent")

            return StreamingResponse(one(), media_type="text/event-stream")

        async def broken(request: Request) -> Response:
            async def one() -> AsyncIterator[str]:
                yield a_stream("1")
                raise KeyError("the application's own")

            return StreamingResponse(one(), media_type="text/event-stream")

        async def posted(request: Request) -> Response:
            self.bodies.append(await request.body())
            return StreamingResponse(iter([a_stream("1", "2")]), media_type="text/event-stream")

        async def missing(request: Request) -> Response:
            return PlainTextResponse("no such feed", status_code=404)

        async def packed(request: Request) -> Response:
            body = gzip.compress(a_stream("1", "2").encode())
            return Response(body, media_type="text/event-stream", headers={"Content-Encoding": "gzip"})

        routes = [endless, silent, broken, posted, missing, packed]
        return Starlette(
            routes=[Route(f"/{route.__name__}", route, methods=["GET", "POST"]) for route in routes]
        )

    def flask(self) -> Any:
        app = flask.Flask(__name__)
        app.testing = True

        def events(chunks: Iterator[str]) -> flask.Response:
            return flask.Response(chunks, content_type="text/event-stream")

        @app.get("/endless")
        def endless() -> flask.Response:
            self.resumed.append(flask.request.headers.get("last-event-id"))

            def numbers() -> Iterator[str]:
                try:
                    for number in range(1, 1_000_000):
                        yield a_stream(str(number))
                finally:
                    self.ended.append("endless")

            return events(numbers())

        @app.get("/silent")
        def silent() -> flask.Response:
            def one() -> Iterator[str]:
                try:
                    yield a_stream("1")
                    time.sleep(3600)
                finally:
                    self.ended.append("silent")

            return events(one())

        @app.get("/broken")
        def broken() -> flask.Response:
            def one() -> Iterator[str]:
                yield a_stream("1")
                raise KeyError("the application's own")

            return events(one())

        @app.post("/posted")
        def posted() -> flask.Response:
            self.bodies.append(flask.request.get_data())
            return events(iter([a_stream("1", "2")]))

        @app.get("/missing")
        def missing() -> flask.Response:
            return flask.Response("no such feed", 404)

        @app.get("/packed")
        def packed() -> flask.Response:
            body = gzip.compress(a_stream("1", "2").encode())
            headers = {"Content-Encoding": "gzip"}
            return flask.Response(body, content_type="text/event-stream", headers=headers)

        return app


def in_process(world: str, application: Application, path: str, **options: Any) -> list[str]:
    """The data of the events of a path of the application."""
    make = WSGITransport if world == "sync" else ASGITransport
    app = application.flask() if world == "sync" else application.starlette()
    return data(follow(world, "http://application" + path, transport=make(app), **options))


class TestInProcess:
    def test_endless(self, world: str) -> None:
        application = Application()
        assert in_process(world, application, "/endless", count=3) == ["1", "2", "3"]
        assert application.ended == ["endless"]  # it was told that the client has gone

    def test_silent_after_the_first(self, world: str) -> None:
        application = Application()
        assert in_process(world, application, "/silent", count=1) == ["1"]
        assert application.ended == ["silent"]

    def test_feeds_of_real_servers(self, world: str) -> None:
        """sse-starlette and Flask; the connection ends after five events, the next one is answered by 204."""
        make, app = (WSGITransport, apps.flask_app) if world == "sync" else (ASGITransport, apps.starlette_app)
        url = "http://application/feed?gap=0&end=5"
        events = follow(world, url, transport=make(app()), retry_interval=1, last_event_id="2")
        assert [event.id for event in events] == ["3", "4", "5"]

    def test_closed_by_another_task(self) -> None:
        application = Application()

        async def main() -> list[str]:
            transport = ASGITransport(application.starlette())
            seen: list[str] = []
            async with async_connect("http://application/silent", transport=transport) as events:
                async for event in events:
                    seen.append(event.data)
                    closing = asyncio.create_task(events.close())
            await closing
            return seen

        assert run_and_settle(main()) == ["1"]
        assert application.ended == ["silent"]

    def test_lifespan(self) -> None:
        seen: list[str] = []

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            seen.append("startup")
            yield
            seen.append("shutdown")

        async def feed(request: Request) -> Response:
            seen.append("request")
            return StreamingResponse(iter([a_stream("1")]), media_type="text/event-stream")

        async def main() -> None:
            async with ASGITransport(Starlette(routes=[Route("/", feed)], lifespan=lifespan)) as transport:
                async with async_connect("http://application/", transport=transport) as events:
                    async for event in events:
                        seen.append(event.data)
                        break

        run_and_settle(main())
        assert seen == ["startup", "request", "1", "shutdown"]

    def test_exception_of_the_application(self, world: str) -> None:
        seen: list[str] = []
        with pytest.raises(KeyError, match="the application's own"):
            in_process(world, Application(), "/broken", on_open=lambda response: seen.append("open"))
        assert seen == ["open"]

    def test_post(self, world: str) -> None:
        application = Application()
        options = {"method": "POST", "json": {"prompt": "hello"}}
        assert in_process(world, application, "/posted", **options) == ["1", "2"]
        assert [body.replace(b" ", b"") for body in application.bodies] == [b'{"prompt":"hello"}']

    def test_status(self, world: str) -> None:
        with pytest.raises(SSEHTTPError, match="no such feed") as caught:
            in_process(world, Application(), "/missing")
        assert caught.value.status_code == 404

    def test_gzip(self, world: str) -> None:
        assert in_process(world, Application(), "/packed", reconnect=False) == ["1", "2"]

    def test_resumes_where_told(self, world: str) -> None:
        application = Application()
        in_process(world, application, "/endless", count=1, last_event_id="ž7")
        assert [(resumed or "").encode("latin-1").decode() for resumed in application.resumed] == ["ž7"]
