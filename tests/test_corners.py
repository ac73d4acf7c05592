"""What is reached seldom: mistakes of callers, answers of other libraries, what systems refuse."""

from __future__ import annotations

import asyncio
import errno
import gzip
import http.client
import os
import socket
import ssl
import sys
import unittest
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpclient
import sse
from httpclient import InvalidRequestError, ProtocolError, ProxyError, ResponseParser
from sse import (
    AsyncEventSource,
    EventSource,
    SSEContentTypeError,
    SSEEvent,
    SSEHTTPError,
    SSEParser,
)
from tests.server import CHUNKED, LAST_CHUNK, Server, answer, chunk, head
from tests.worlds import Checked, World, in_both_worlds

STREAM = b"id: 1\ndata: x\n\nid: 2\ndata: y\n\n"
EVENTS = [SSEEvent(data="x", id="1"), SSEEvent(data="y", id="2")]


class Events(unittest.TestCase):
    def test_replace(self) -> None:
        """`copy.replace()` of Python 3.13 calls this."""
        event = SSEEvent("a", "b", "c", 4)
        self.assertEqual(event.__replace__(data="x"), SSEEvent("a", "x", "c", 4))
        self.assertEqual(event.__replace__(), event)

    def test_what_a_stream_cannot_carry(self) -> None:
        for event in (
            SSEEvent(event="a\nb"), SSEEvent(event="a\rb"), SSEEvent(id="a\nb"), SSEEvent(id="\0"),
            SSEEvent(event=""), SSEEvent(data="a\rb"), SSEEvent(retry=-1),
            SSEEvent(retry=86_400_001), SSEEvent(data="\ud800"),
            SSEEvent(retry=1.5),  # type: ignore[arg-type]
        ):  # fmt: skip
            with self.subTest(event), self.assertRaises(ValueError):
                event.encode()

    def test_what_it_can(self) -> None:
        for event in (
            SSEEvent(), SSEEvent("a", "b\nc\n", "d", 0), SSEEvent(data=" x", retry=86_400_000),
            SSEEvent(event="\0", data="\0"),
        ):  # fmt: skip
            with self.subTest(event):
                self.assertEqual(SSEParser().feed(event.encode()), [event])

    def test_made_in_parallel(self) -> None:
        """As free-threaded Python makes them."""
        made = sse._event_in_parallel("a", "b", "c", 4)
        self.assertEqual(made, SSEEvent("a", "b", "c", 4))
        self.assertIs(type(made), SSEEvent)


class Mistakes(Checked):
    def test_no_iterable_of_lines(self) -> None:
        async def asynchronous() -> Any:
            yield ""

        response = SimpleNamespace(status=200, headers={})
        source = asynchronous()
        for make, given, hint in (
            (EventSource, "data: x\n\n", "EventSource.from_chunks"),
            (EventSource, bytearray(b"data: x\n\n"), "EventSource.from_chunks"),
            (AsyncEventSource, b"data: x\n\n", "AsyncEventSource.from_chunks"),
            (EventSource, response, "EventSource.from_response"),
            (AsyncEventSource, response, "AsyncEventSource.from_response"),
            (EventSource, source, "for it: AsyncEventSource"),
            (AsyncEventSource, ["data: x"], "for it: EventSource"),
            (EventSource, 5, "int is no iterable of lines"),
        ):
            with self.subTest(hint), self.assertRaisesRegex(TypeError, hint) as caught:
                make(given)  # type: ignore[arg-type]
            if given == 5:
                self.assertNotIn("for it", str(caught.exception))

    def test_what_is_cut_off(self) -> None:
        source = EventSource(["data: x\n", "\n", "event: cut\n", "data: off\n"])
        self.assertEqual(list(source), [SSEEvent(data="x")])
        self.assertEqual(source.unfinished, SSEEvent("cut", "off"))

    def test_nothing_is_cut_off_while_events_are_ready(self) -> None:
        """Whoever asks between two events of one piece."""
        source = EventSource.from_chunks([b"data: x\n\ndata: y\n\n"])
        next(source)
        self.assertIsNone(source.unfinished)
        self.assertEqual([event.data for event in source], ["y"])

    def test_a_parser_that_was_broken_off_says_so(self) -> None:
        parser = SSEParser()
        parser._items.close()  # type: ignore[attr-defined]
        with self.assertRaisesRegex(RuntimeError, "broken off"):
            parser.feed(b"data: x\n\n")
        source = EventSource(["data: x"])
        source._parser._items.close()  # type: ignore[attr-defined]
        with self.assertRaisesRegex(RuntimeError, "broken off"):
            next(source)

    def test_a_name_that_is_none(self) -> None:
        with self.assertRaisesRegex(InvalidRequestError, "not a valid international name"):
            httpclient.get(f"http://{'é' * 70}.test/")

    def test_a_client_is_entered_once(self) -> None:
        with Server(answer(STREAM)) as server:
            client = sse.connect(server.url, reconnect=False)
            with client:
                self.assertEqual(list(client), EVENTS)
            with self.assertRaisesRegex(RuntimeError, "entered already"):
                client.__enter__()

    def test_the_other_worlds_functions(self) -> None:
        async def later(*_: Any, **__: Any) -> Any:
            await asyncio.sleep(0)

        for options in ({"transport": lambda *_, **__: later()}, {"headers": lambda: later()}):
            with self.subTest(options), self.assertRaisesRegex(TypeError, "asynchronous"):
                with sse.connect("http://127.0.0.1:1/", **options):  # type: ignore[arg-type]
                    pass

        async def wrong() -> None:
            with self.assertRaisesRegex(TypeError, "a synchronous transport"):
                transport: Any = lambda *_, **__: response  # noqa: E731
                async with sse.async_connect("http://127.0.0.1:1/", transport=transport):
                    pass

        closed: list[bool] = []
        response = SimpleNamespace(close=lambda: closed.append(True))
        asyncio.run(wrong())
        self.assertEqual(closed, [True])

    def test_another_content_type(self) -> None:
        error = SSEContentTypeError("image/png", "http://a/")
        self.assertIn("content_type=None accepts any", str(error))


class Standard(Checked):
    """Answers of the standard library's own clients."""

    def open(self, server: Server) -> Any:
        return urllib.request.urlopen(server.url)

    def events(self, script: Any, **options: Any) -> list[SSEEvent]:
        with Server(script) as server, self.open(server) as response:
            return list(EventSource.from_response(response, **options))

    def test_in_each_coding(self) -> None:
        for coding, body in (
            ("", STREAM),
            ("none", STREAM),
            ("gzip", gzip.compress(STREAM)),
            ("X-Gzip", gzip.compress(STREAM)),
            ("deflate", zlib.compress(STREAM)),
        ):
            line = f"Content-Encoding: {coding}"
            with self.subTest(coding):
                self.assertEqual(self.events(answer(body, line)), EVENTS)
                chunks = head(CHUNKED, line) + chunk(body[:9]) + chunk(body[9:]) + LAST_CHUNK
                self.assertEqual(self.events(chunks), EVENTS)

    def test_a_coding_not_known_here(self) -> None:
        with self.assertRaisesRegex(ValueError, "content coding br"):
            self.events(answer(b"x", "Content-Encoding: br"))

    def test_cut_short(self) -> None:
        whole = gzip.compress(STREAM)
        for script in (
            head("Content-Length: 99") + STREAM,
            answer(whole[:-9], "Content-Encoding: gzip"),
        ):
            with self.subTest(script), Server(script) as server, self.open(server) as response:
                source, got = EventSource.from_response(response), []
                with self.assertRaisesRegex(ConnectionError, "cut short"):
                    for event in source:
                        got.append(event)
                self.assertEqual(got, EVENTS)

    def test_refused(self) -> None:
        with Server(answer("no", status="404 Not Here")) as server:
            with self.assertRaises(urllib.error.HTTPError) as caught, self.open(server):
                pass
            with caught.exception as response, self.assertRaises(SSEHTTPError) as refused:
                EventSource.from_response(response)
        error = refused.exception
        self.assertEqual((error.status_code, error.reason, error.body), (404, "Not Here", b"no"))
        with self.assertRaises(SSEContentTypeError) as other:
            self.events(answer("<html>", type="text/html"))
        self.assertEqual(
            (other.exception.content_type, other.exception.body), ("text/html", b"<html>")
        )

    def test_any_type(self) -> None:
        self.assertEqual(self.events(answer(STREAM, type="text/plain"), content_type=None), EVENTS)

    def test_a_refusal_that_is_lost(self) -> None:
        with self.assertRaises(SSEContentTypeError) as caught:
            self.events(head("Content-Length: 99", type="text/plain") + b"x")
        self.assertEqual(caught.exception.body, b"x")

    def test_no_answer(self) -> None:
        for make in (EventSource.from_response, AsyncEventSource.from_response):
            with self.subTest(make), self.assertRaisesRegex(TypeError, "no open answer"):
                make(SimpleNamespace(status_code=200, headers={}))


class LowLevel(Standard):
    def open(self, server: Server) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        return connection.getresponse()

    def test_refused(self) -> None:
        with Server(answer("no", status="404 Not Here")) as server, self.open(server) as response:
            with self.assertRaises(SSEHTTPError) as caught:
                EventSource.from_response(response)
        self.assertEqual((caught.exception.status_code, caught.exception.body), (404, b"no"))


class Own(Checked):
    """Answers of `httpclient`."""

    def test_both_worlds(self) -> None:
        async def awaiting(url: str) -> list[SSEEvent]:
            response = await httpclient.async_get(url, stream=True)
            source = AsyncEventSource.from_response(response)
            events = [event async for event in source]
            await source.aclose()
            return events

        script = head(CHUNKED) + chunk(STREAM[:9]) + chunk(STREAM[9:]) + LAST_CHUNK
        with Server(script, script) as server:
            with httpclient.get(server.url, stream=True) as response:
                self.assertEqual(list(EventSource.from_response(response)), EVENTS)
            self.assertEqual(asyncio.run(awaiting(server.url)), EVENTS)

    def test_refused(self) -> None:
        async def awaiting(url: str) -> None:
            source = AsyncEventSource.from_response(await httpclient.async_get(url, stream=True))
            await anext(source)

        script = answer("no", status="404 x")
        with Server(script, script) as server:
            with httpclient.get(server.url, stream=True) as response:
                with self.assertRaises(SSEHTTPError):
                    EventSource.from_response(response)
            with self.assertRaises(SSEHTTPError) as caught:
                asyncio.run(awaiting(server.url))
            self.assertEqual(caught.exception.body, b"no")


class Answers(unittest.TestCase):
    def test_a_protocol_that_nobody_asked_for(self) -> None:
        with self.assertRaisesRegex(ProtocolError, "switched protocols"):
            ResponseParser().feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")


@in_both_worlds
class Tunnels(World):
    def test_more_than_the_answer(self) -> None:
        with Server(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n") as proxy:
            with self.assertRaisesRegex(ProxyError, "sent more than its answer"):
                self.fetch("https://service.test/", proxy=proxy.url)


class Authorities(unittest.TestCase):
    """The system's certificates cannot be read."""

    def setUp(self) -> None:
        patch = mock.patch.dict(httpclient._contexts, clear=True)  # type: ignore[attr-defined]
        patch.start()
        self.addCleanup(patch.stop)

    def test_for_want_of_descriptors(self) -> None:
        for number in (errno.EMFILE, errno.ENOMEM):
            failure = OSError(number, os.strerror(number))
            with mock.patch.object(ssl, "create_default_context", side_effect=failure):
                with self.assertRaises(OSError) as caught:
                    httpclient._context(True)  # type: ignore[attr-defined]
            self.assertEqual(caught.exception.errno, number)
        self.assertEqual(httpclient._contexts, {})  # type: ignore[attr-defined]

    def test_a_directory_that_cannot_be_listed(self) -> None:
        paths = SimpleNamespace(cafile=None, capath="/", openssl_cafile="", openssl_capath="")
        with mock.patch.object(ssl, "get_default_verify_paths", return_value=paths):
            with mock.patch.object(os, "listdir", side_effect=PermissionError):
                text = httpclient._missing_authorities()  # type: ignore[attr-defined]
        self.assertIn("verify=", text)


class Handlers(unittest.TestCase):
    """What a signal's handler raises in the midst of a system call is not that call's failure."""

    def test_in_a_socket(self) -> None:
        class Broken:
            """Each call is interrupted by a handler, or fails by itself."""

            family = socket.AF_INET

            def __init__(self, interrupted: bool) -> None:
                self.interrupted = interrupted

            def shutdown(self, *_: object) -> None:
                if self.interrupted:
                    handler(2, sys._getframe())
                raise OSError(errno.ENOTCONN, "x")

            setsockopt = shutdown

        def handler(number: int, frame: object) -> None:
            raise OSError("of the handler")

        uses: list[Callable[[Any], None]] = [
            httpclient._tune,  # type: ignore[attr-defined]
            httpclient._shut_down,  # type: ignore[attr-defined]
        ]
        for use in uses:
            use(Broken(False))
            with self.assertRaisesRegex(OSError, "of the handler"):
                use(Broken(True))
