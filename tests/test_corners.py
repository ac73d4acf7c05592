"""What is reached seldom: mistakes of callers, answers of other libraries, what systems refuse."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import errno
import gzip
import http.client
import importlib.util
import os
import pickle
import random
import socket
import ssl
import sys
import unittest
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import httpclient
import sse
from httpclient import InvalidRequestError, ProtocolError, ProxyError, ResponseParser
from sse import (
    AsyncEventSource,
    EventSource,
    SSEConnectionError,
    SSEContentTypeError,
    SSEEvent,
    SSEEventTooLargeError,
    SSEHTTPError,
    SSEParser,
)
from tests.server import CHUNKED, LAST_CHUNK, Server, answer, chunk, head
from tests.worlds import Checked, World, in_both_worlds

STREAM = b"id: 1\ndata: x\n\nid: 2\ndata: y\n\n"
EVENTS = [SSEEvent(data="x", id="1"), SSEEvent(data="y", id="2")]


@dataclasses.dataclass(frozen=True)
class Numbered(SSEEvent):
    number: int = 0


class Plain(SSEEvent):
    __match_args__ = ("event", "number")  # type: ignore[assignment]

    def __init__(self, *values: Any, number: int = 0, **fields: Any) -> None:
        super().__init__(*values, **fields)
        self.number = number


class Events(unittest.TestCase):
    def test_replace(self) -> None:
        """`copy.replace()` of Python 3.13 calls this."""
        event = SSEEvent("a", "b", "c", 4)
        self.assertEqual(event.__replace__(data="x"), SSEEvent("a", "x", "c", 4))
        self.assertEqual(event.__replace__(), event)

    def test_classes_derived_keep_what_they_add(self) -> None:
        for event in (Numbered("a", number=7), Plain("a", number=7)):
            copies = [copy.copy(event), copy.deepcopy(event)]
            copies += [pickle.loads(pickle.dumps(event, protocol)) for protocol in range(6)]
            for twin in copies:
                with self.subTest(event):
                    self.assertIs(type(twin), type(event))
                    self.assertEqual((twin.event, twin.number), ("a", 7))
                    with self.assertRaises(dataclasses.FrozenInstanceError):
                        twin.data = "x"  # type: ignore[misc]
        plain = Plain("a", number=7)
        plain.number = 8
        del plain.number
        self.assertEqual(repr(plain), "Plain(event='a', data='', id='', retry=None)")
        self.assertEqual(plain.__replace__(data="x").data, "x")

    def test_what_a_stream_cannot_carry(self) -> None:
        for event in (
            SSEEvent(event="a\nb"), SSEEvent(event="a\rb"), SSEEvent(id="a\nb"), SSEEvent(id="\0"),
            SSEEvent(event=""), SSEEvent(data="a\rb"), SSEEvent(retry=-1),
            SSEEvent(retry=86_400_001), SSEEvent(data="\ud800"),
            SSEEvent(retry=1.5),  # type: ignore[arg-type]
        ):  # fmt: skip
            with self.subTest(event), self.assertRaises(ValueError):
                event.encode()

    def test_as_a_dataclass_it_is_made_once(self) -> None:
        self.assertEqual(dataclasses.asdict(SSEEvent(id="1"))["id"], "1")
        self.assertIs(dataclasses.fields(SSEEvent)[0], dataclasses.fields(SSEEvent)[0])

    def test_each_fault_is_told_by_itself(self) -> None:
        for event, text in (
            (SSEEvent(event=""), "the type of an event cannot be empty on the wire"),
            (SSEEvent(data="a\rb"), "the data of an event cannot have CR on the wire, only LF"),
            (SSEEvent(event="a\nb"), "the type of an event cannot have line breaks on the wire"),
            (SSEEvent(id="\0"), "the id of an event cannot have line breaks or NUL on the wire"),
            (SSEEvent(retry=-1), "retry is a whole number of ms"),
        ):
            with self.subTest(event), self.assertRaises(ValueError) as caught:
                event.encode()
            self.assertIn(text, str(caught.exception))

    def test_what_it_can(self) -> None:
        for event in (
            SSEEvent(), SSEEvent("a", "b\nc\n", "d", 0), SSEEvent(data=" x", retry=86_400_000),
            SSEEvent(event="\0", data="\0"), SSEEvent(retry=True),
        ):  # fmt: skip
            with self.subTest(event):
                self.assertEqual(SSEParser().feed(event.encode()), [event])

    def test_made_in_parallel(self) -> None:
        """As free-threaded Python makes them."""
        made = sse._make_event_in_parallel("a", "b", "c", 4)
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
            (EventSource, "http://h/events", r"connect\(url\)"),
            (AsyncEventSource, "HTTPS://h/events", r"async_connect\(url\)"),
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
        for kind, text in (
            ("image/png", "not an event stream but content type 'image/png' [content_type=None acc"),
            ("application/json", "[does the request ask for a stream?]"),
            ("application/x-ndjson; charset=utf-8", "[lines of JSON: httpclient.request("),
            ("application/jsonl", "[lines of JSON: httpclient.request("),
            ("application/stream+json", "[lines of JSON: httpclient.request("),
        ):
            with self.subTest(kind):
                self.assertIn(text, str(SSEContentTypeError(kind, "http://a/")))
        error = SSEContentTypeError("text/html", "http://a/", wanted="text/x")
        self.assertIn("not 'text/x' but content type 'text/html'", str(error))
        self.assertEqual(str(pickle.loads(pickle.dumps(error))), str(error))


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
                make(SimpleNamespace(status_code=200, headers={"Content-Type": "text/event-stream"}))


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
        httpclient._context(False)  # type: ignore[attr-defined]  # loads ssl for all
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


class Requests(unittest.TestCase):
    def test_what_does_not_go_together(self) -> None:
        given: list[tuple[dict[str, Any], str]] = [
            ({"json": 1, "content": b"x"}, "not both"),
            ({"proxy": "http://127.0.0.1:1", "uds": "/x"}, "not both"),
            ({"timeout": 0}, "seconds above 0"),
            ({"idle_timeout": "5"}, "seconds above 0"),
        ]
        for options, text in given:
            with self.subTest(text), self.assertRaisesRegex((TypeError, ValueError), text):
                httpclient.post("http://127.0.0.1:1/", **options)

    def test_readable_certificates_that_are_none(self) -> None:
        """Are no error of the system's; that none was accepted will be told."""
        paths, context = SimpleNamespace(cafile=__file__), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with (
            mock.patch.object(ssl, "get_default_verify_paths", return_value=paths),
            mock.patch.object(ssl, "create_default_context", return_value=context),
            mock.patch.dict(httpclient._contexts, clear=True),  # type: ignore[attr-defined]
        ):
            self.assertIs(httpclient._context(True), context)  # type: ignore[attr-defined]
            paths.cafile += "/missing"
            with self.assertRaises(OSError):
                httpclient._context(True)  # type: ignore[attr-defined]

    def test_a_coroutine_that_suspends_is_for_the_other_world(self) -> None:
        async def suspends() -> None:
            await asyncio.sleep(0)

        step = suspends()
        with self.assertRaisesRegex(RuntimeError, "suspended"):
            httpclient._run(lambda: step)  # type: ignore[attr-defined]
        step.close()


class Applications(Checked):
    """WSGI applications that do something seldom done."""

    def get(self, app: Any) -> Any:
        transport = httpclient.WSGITransport(app)
        return transport("GET", "http://a/", headers={}, content=None, timeout=5)

    def test_framing_is_not_for_the_application(self) -> None:
        def app(environ: Any, start: Any) -> list[bytes]:
            start("200 OK", [("Transfer-Encoding", "chunked"), ("X", "y")])
            return [b"5\r\n"]

        with self.get(app) as response:
            self.assertEqual((response.headers["X"], response.read()), ("y", b"5\r\n"))

    def test_a_failure_behind_the_head(self) -> None:
        def app(environ: Any, start: Any) -> Any:
            start("200 OK", [])
            yield b"x"
            try:
                raise KeyError("of the application")
            except KeyError:
                start("500 x", [], sys.exc_info())

        with self.get(app) as response, self.assertRaisesRegex(KeyError, "of the application"):
            response.read()

    def test_no_head(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "start_response"):
            self.get(lambda environ, start: [b"x"])


class ASGIApplications(Checked):
    def test_an_answer_that_is_not_completed(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x", "more_body": True})

        async def run() -> None:
            transport = httpclient.ASGITransport(app)
            response = await transport("GET", "http://a/", headers={}, content=None, timeout=5)
            with self.assertRaisesRegex(httpclient.BodyError, "ended before"):
                await response.aread()

        asyncio.run(run())

    def test_messages_in_the_wrong_order(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.body", "body": b"x"})

        async def run() -> None:
            transport = httpclient.ASGITransport(app)
            with self.assertRaisesRegex(RuntimeError, "'http.response.body' where"):
                await transport("GET", "http://a/", headers={}, content=None, timeout=5)

        asyncio.run(run())


class Clients(Checked):
    def test_closed_in_until(self) -> None:
        """Nothing is handed over any more, not even the event that was looked at."""

        def until(event: SSEEvent) -> bool:
            client.close()
            return False

        with Server(answer(STREAM)) as server:
            with sse.connect(server.url, until=until) as client:
                self.assertEqual(list(client), [])

    def test_closed_by_its_own_transport(self) -> None:
        closed: list[bool] = []

        def transport(*_: Any, **__: Any) -> Any:
            client.close()
            return SimpleNamespace(
                status_code=200,
                headers={"Content-Type": "text/event-stream"},
                url="http://a/",
                iter_bytes=lambda: iter([STREAM]),
                close=lambda: closed.append(True),
            )

        client = sse.connect("http://a/", transport=transport)
        self.assertEqual(list(client), [])
        self.assertIn(True, closed)

    def test_a_certificate_that_another_library_refused(self) -> None:
        """Wherever it is among the causes, another attempt would meet it again."""

        def transport(*_: Any, **__: Any) -> Any:
            attempts.append(1)
            refused = ssl.SSLCertVerificationError(1, "x")
            refused.verify_code, refused.verify_message = 20, "no issuer"
            raise ConnectionError("lost") from OSError(refused)

        attempts: list[int] = []
        with self.assertRaisesRegex(sse.SSEConnectionError, "no issuer"):
            next(sse.connect("http://a/", transport=transport, max_retries=3, retry_interval=1))
        self.assertEqual(len(attempts), 1)

    def test_a_coroutine_of_headers_that_is_cancelled(self) -> None:
        """By somebody else is a drop, not a cancellation of who iterates."""

        async def headers() -> Any:
            raise asyncio.CancelledError

        async def run() -> None:
            with self.assertRaises(sse.SSEConnectionError) as caught:
                async with sse.async_connect("http://a/", headers=headers, max_retries=0):
                    pass
            self.assertIn("was cancelled", str(caught.exception))

        asyncio.run(run())

    def test_empty_pieces_are_no_end(self) -> None:
        async def pieces() -> Any:
            for piece in (b"", STREAM[:5], b"", STREAM[5:]):
                yield piece

        async def transport(*_: Any, **__: Any) -> Any:
            return SimpleNamespace(
                status_code=200,
                headers={"Content-Type": "text/event-stream"},
                url="http://a/",
                aiter_bytes=pieces,
            )

        async def run() -> list[SSEEvent]:
            async with sse.async_connect("http://a/", transport=transport, reconnect=False) as c:
                return [event async for event in c]

        self.assertEqual(asyncio.run(run()), EVENTS)

    def test_what_a_function_may_hand_over(self) -> None:
        """Pieces of any kind that the parser takes; else it is said what is wrong."""

        def outcome(pieces: list[Any], headers: Any) -> Any:
            def transport(*_: Any, **__: Any) -> Any:
                return SimpleNamespace(
                    status_code=200, headers=headers, url="", iter_bytes=lambda: iter(pieces)
                )

            async def asynchronous(*_: Any, **__: Any) -> Any:
                async def each() -> Any:
                    for piece in pieces:
                        yield piece

                return SimpleNamespace(
                    status_code=200, headers=headers, url="", aiter_bytes=each
                )

            async def run() -> list[SSEEvent]:
                client = sse.async_connect("http://a/", transport=asynchronous, reconnect=False)
                return [event async for event in client]

            found: list[Any] = []
            for trial in (
                lambda: [*sse.connect("http://a/", transport=transport, reconnect=False)],
                lambda: asyncio.run(run()),
            ):
                try:
                    found.append(trial())
                except TypeError as error:
                    found.append(str(error))
            self.assertEqual(found[0], found[1])
            return found[0]

        kind, text = {"Content-Type": "text/event-stream"}, STREAM.decode()
        for pieces in ([bytearray(STREAM)], [memoryview(STREAM)], [text], [None, STREAM[:9], None,
                       memoryview(STREAM)[9:]]):  # fmt: skip
            with self.subTest(pieces):
                self.assertEqual(outcome(pieces, kind), EVENTS)
        self.assertEqual(outcome([5], kind), "a piece is bytes or str, not int")
        for headers in (None, [*kind.items()]):
            self.assertRegex(outcome([STREAM], headers), "headers of an answer are a mapping")

    def test_without_the_sibling(self) -> None:
        """The client says which file is missing, and where it was looked for."""
        for package in ("", "vendor_without_sibling"):
            with self.subTest(package), mock.patch.dict(sys.modules):
                name = f"{package}.sse" if package else "sse_alone"
                sibling = f"{package}.httpclient" if package else "httpclient"
                if package:
                    sys.modules[package] = module = ModuleType(package)
                    module.__path__ = []
                spec = importlib.util.spec_from_file_location(name, sse.__file__)
                assert spec is not None
                assert spec.loader is not None
                alone = sys.modules[name] = importlib.util.module_from_spec(spec)
                sys.modules[sibling] = None  # type: ignore[assignment]
                spec.loader.exec_module(alone)
                with self.assertRaises(ImportError):
                    alone.connect("http://a/")
                with self.assertRaises(ImportError):
                    alone.connect("http://a/", transport=5)
                client = alone.connect("http://a/", transport=lambda *_, **__: None)
                self.assertEqual(client.state, "connecting")

    def test_media_types_that_are_none(self) -> None:
        for value in ("text/event-stream, x", "text/event-stream, */*", "x, text/event-stream;a"):
            with self.subTest(value), Server(answer(STREAM, type=value)) as server:
                with sse.connect(server.url, reconnect=False) as client:
                    self.assertEqual(list(client), EVENTS)


class CommandLine(unittest.TestCase):
    def test_nowhere_to_say_it(self) -> None:
        with mock.patch.object(sys, "stderr", None):
            self.assertEqual(sse.main(["--format", "x", "http://a/"]), 2)
        with mock.patch.object(sys, "stderr") as stderr:
            stderr.write.side_effect = OSError
            self.assertEqual(sse.main(["--format", "x", "http://a/"]), 2)

    def test_interrupted(self) -> None:
        with mock.patch.object(sse, "_print_events", side_effect=KeyboardInterrupt):
            self.assertEqual(sse.main(["http://a/"]), 130)


class Others(unittest.TestCase):
    def test_size_of_lines_that_utf8_cannot_carry(self) -> None:
        lines = ["data: " + 9 * "\ud800", ""]
        self.assertEqual(len(list(EventSource(lines, max_event_size=27))), 1)
        with self.assertRaises(SSEEventTooLargeError):
            list(EventSource(lines, max_event_size=26))

    def test_a_proxy_that_fails_is_a_drop_though_its_class_is_that_of_a_status(self) -> None:
        """As aiohttp's classes are derived."""
        kind: Any = Exception
        for name in ("ClientError", "ClientResponseError", "ClientHttpProxyError"):
            kind = type(name, (kind,), {"__module__": "aiohttp.client_exceptions"})
        for failure, told in ((kind, 2), (kind.__base__, 0)):
            errors: list[Any] = []

            def fail(*_: Any, failure: Any = failure, **__: Any) -> Any:
                raise failure("502")

            with self.subTest(failure=failure), self.assertRaises(Exception) as caught:
                events = sse.connect(
                    "http://a/", transport=fail, retry_interval=0, max_retries=1,
                    on_error=lambda error, delay, errors=errors: errors.append(error),
                )  # fmt: skip
                list(events)
            self.assertEqual(len(errors), told)
            self.assertIsInstance(caught.exception, SSEConnectionError if told else failure)


class Derived(unittest.TestCase):
    def test_both_names_of_closing_are_one(self) -> None:
        closed = []

        class Client(sse.AsyncSSEClient):
            async def close(self) -> None:
                closed.append("client")

        class Source(AsyncEventSource):
            async def aclose(self) -> None:
                closed.append("source")

        async def nothing() -> Any:
            yield b""

        async def main() -> None:
            async with contextlib.aclosing(Client("http://127.0.0.1/")):
                pass
            await Source.from_chunks(nothing()).close()

        asyncio.run(main())
        self.assertEqual(closed, ["client", "source"])


class Refusals(Checked):
    """What is read of an answer that is no stream, over asyncio."""

    def refusal(self, script: Any) -> SSEHTTPError:
        async def run(url: str) -> None:
            source = AsyncEventSource.from_response(await httpclient.async_get(url, stream=True))
            try:
                await anext(source)
            finally:
                await source.aclose()

        with Server(script) as server, self.assertRaises(SSEHTTPError) as caught:
            asyncio.run(run(server.url))
        return caught.exception

    def test_its_beginning(self) -> None:
        body = b"x" * 65536 + b"y" * 65536
        self.assertEqual(self.refusal(answer(body, status="500 x")).body, body[:65536])

    def test_what_came_before_it_was_lost(self) -> None:
        error = self.refusal(head("Content-Length: 99", status="500 x") + b"beginning")
        self.assertEqual(error.body, b"beginning")


@in_both_worlds
class HeaderLines(World):
    def test_pairs(self) -> None:
        """Of which a name may come twice, given as they are or by a callable."""
        pairs = [("X-Twice", "a"), ("X-Twice", "b"), ("accept", "x/y")]
        for headers in (pairs, tuple(pairs), lambda: iter(pairs)):
            with self.subTest(headers), Server(answer(STREAM)) as server:
                with self.connect(server.url, reconnect=False, headers=headers) as client:
                    self.assertEqual(list(client), EVENTS)
                (request,) = server.requests
                lines = [
                    line for line in request.headers if line[0].lower() in ("x-twice", "accept")
                ]
                self.assertEqual(lines, pairs)


class Parser(unittest.TestCase):
    """Where the short ways of the parser meet the general one."""

    def test_nothing_is_taken_from_a_value(self) -> None:
        """Values that begin as their field does, or with what is not removed."""
        for value in ("X", "Xy", "data: x", "event: x", "id: x", " x", ":", ": x", "retry: 1"):
            stream = f"event: {value}\nid: {value}\ndata: {value}\ndata: {value}\n\n"
            expected = SSEEvent(value, f"{value}\n{value}", value)
            with self.subTest(value):
                self.assertEqual(SSEParser().feed(stream), [expected])
                for lines in (stream.split("\n")[:-1], stream.splitlines(keepends=True)):
                    self.assertEqual(list(EventSource(lines)), [expected])
                    self.assertEqual(list(EventSource([x.encode() for x in lines])), [expected])

    def test_a_field_is_known_by_its_beginning(self) -> None:
        for line in (": id: ", "x: id: ", ": event: ", "x: event: ", ": data: ", "x data: "):
            with self.subTest(line):
                events = SSEParser().feed(f"id: 1\n{line}\ndata: y\n\n")
                self.assertEqual(events, [SSEEvent(data="y", id="1")])

    def test_empty_data_beside_lines_with_their_ends(self) -> None:
        for lines in (
            [":\n", "event: a\n", "data\n", "\n"],
            [":\r\n", "id: 1\r\n", "data:\r\n", "\r\n"],
            [":", "event: a\n", "data", ""],  # only some of them have one
        ):
            with self.subTest(lines):
                self.assertEqual([event.data for event in EventSource(lines)], [""])
        self.assertEqual(list(EventSource(["event: a\n", "id: b\n", "\n"])), [])

    def test_an_unfinished_event_is_refused_at_the_limit(self) -> None:
        """In lines however few; with and without the type and the ID."""
        for first in ("", "event: abc\n", "id: abc\n"):
            for size in (90, 400, 999):
                parser, told = SSEParser(max_event_size=1000), 0
                parser.feed(first)
                with self.subTest(first=first, size=size), self.assertRaises(sse.SSEError):
                    for _ in range(3000 // size):
                        told += size
                        parser.feed(f"data: {'x' * size}\n")
                self.assertLessEqual(told, 2000 + size)
        fits = SSEParser(max_event_size=1000)
        self.assertEqual(fits.feed("data: " + "x" * 1000 + "\n\n")[0].data, "x" * 1000)
        for total in (999, 1000):  # of data, with the line break between, type and ID
            text = f"event: ab\nid: c\ndata: {'x' * 500}\ndata: {'y' * (total - 504)}\n\n"
            self.assertEqual(len(SSEParser(max_event_size=1000).feed(text)), 1)
        over = SSEParser(max_event_size=1000)
        self.assertEqual(over.feed(text.replace("ab", "abc")), [])
        with self.assertRaises(sse.SSEEventTooLargeError):
            over.feed("")

    def refuses(self, parser: SSEParser, *pieces: str) -> bool:
        """Within a few bytes behind these pieces."""
        try:
            for piece in (*pieces, "y", "y", "y"):
                parser.feed(piece)
        except sse.SSEEventTooLargeError:
            return True
        return False

    def test_an_unfinished_line_is_refused_at_the_limit(self) -> None:
        """One of data; others may be somewhat longer, and what is ignored may be of any length."""
        for pieces, refused in (
            (["data: " + "x" * 990], False),
            (["\ufeffdata: " + "x" * 990], False),
            (["data: " + "x" * 5000], True),
            (["\ufeffdata: " + "x" * 5000], True),
            (["id: " + "x" * 20_000], True),
            (["event: " + "x" * 20_000], True),
            ([": " + "x" * 20_000], False),
            (["ignored: " + "x" * 20_000], False),
        ):
            with self.subTest(pieces[-1][:9], size=len(pieces[-1])):
                self.assertIs(self.refuses(SSEParser(max_event_size=1000), *pieces), refused)
        # behind another line of data
        for first, more, refused in ((9000, 900, False), (9000, 5000, True), (2400, 7500, False),
                                     (2400, 8000, True)):  # fmt: skip
            pieces = [f"data: {'x' * first}\n", f"data: {'x' * more}"]
            with self.subTest(first=first, more=more):
                self.assertIs(self.refuses(SSEParser(max_event_size=10_000), *pieces), refused)
        told = SSEParser(max_event_size=1000, on_comment=lambda text: None)
        self.assertTrue(self.refuses(told, ": " + "x" * 20_000))

    def test_what_is_unfinished(self) -> None:
        for text, expected in (
            ("data: x", SSEEvent(data="x")),
            ("data: x\n", SSEEvent(data="x")),
            ("data: x\nretry: 5", SSEEvent(data="x", retry=5)),
            ("retry: 5\ndata: x", SSEEvent(data="x", retry=5)),
            ("id: 1\nevent: e\ndata: x\ndata: y\n", SSEEvent("e", "x\ny", "1")),
            ("data: x\n\nid: 2\ndata: ", SSEEvent(data="", id="2")),
            ("id: 2\nevent: e\n", None),
            ("data: x\n\n", None),
            ("", None),
            ("\ufeffdata: x", SSEEvent(data="x")),
            (": c\n\ufeffdata: x", None),  # no byte order mark, so it is another field
            ("\n\ufeffdata: x", None),
        ):
            with self.subTest(text):
                parser = SSEParser()
                parser.feed(text)
                self.assertEqual(parser.unfinished, expected)
                self.assertEqual(parser.unfinished, expected)  # to ask changes nothing


class Reconnections(unittest.TestCase):
    def reconnection(self, **options: Any) -> Any:
        client = sse.connect("http://a/", **options)
        return client._reconnection

    def test_a_wait_ends_at_a_fixed_moment(self) -> None:
        """It begins when it is asked for, and who asks again is told what is left of it."""
        reconnection = self.reconnection(retry_interval=2000)
        self.assertEqual(reconnection.failed(None, 100.0, 0), 2.0)
        self.assertEqual(reconnection.left(101.0), 2.0)
        self.assertEqual(reconnection.left(101.5), 1.5)
        self.assertEqual(reconnection.left(104.0), 0.0)
        self.assertEqual(reconnection.failed(None, 104.0, 0), 2.0)
        self.assertEqual(reconnection.left(200.0), 2.0)

    def test_what_starts_the_row_anew(self) -> None:
        reconnection = self.reconnection(max_retries=1, retry_interval=0)
        for opened, now, delivered, again in (
            (None, 0.0, 0, True),
            (0.0, 9.9, 0, False),  # open, but not for long
            (0.0, 10.0, 0, True),
            (None, 20.0, 0, False),
            (None, 20.0, 1, True),  # an event came
            (None, 20.0, 1, False),
        ):
            reconnection.opened = opened
            waits = reconnection.failed(None, now, delivered)
            self.assertEqual((waits is not None, reconnection.opened), (again, None))

    def test_times_to_wait_that_servers_ask_for(self) -> None:
        clock = ("Date", "Wed, 01 Jan 2020 00:00:00 GMT")
        for value, seconds in (
            ("0", 0.0), ("7", 7.0), ("007", 7.0), ("3600", 3600.0), ("3601", 3600.0),
            ("9" * 5000, 3600.0), ("", 0.0), ("-1", 0.0), ("x", 0.0), ("1.5", 1.5), ("\xb2", 0.0),
            ("Wed, 01 Jan 2020 00:00:05 GMT", 5.0), ("Wed, 01 Jan 2020 00:00:05 -0000", 5.0),
            ("Wed, 01 Jan 2020 01:00:05 +0100", 5.0), ("Tue, 31 Dec 2019 23:59:59 GMT", 0.0),
            ("Thu, 02 Jan 2020 00:00:00 GMT", 3600.0),
        ):  # fmt: skip
            with self.subTest(value[:40]):
                headers = httpclient.Headers([("retry-after", value), clock])
                self.assertEqual(sse._retry_after(headers), seconds)
        self.assertEqual(sse._retry_after(httpclient.Headers()), 0.0)


class Boundaries(unittest.TestCase):
    def test_ports(self) -> None:
        for digits in ("0", "000", "65536", "650000", "100080", "9" * 5000):
            with self.subTest(digits[:9]), self.assertRaises(InvalidRequestError):
                httpclient.URL(f"http://a:{digits}/")  # type: ignore[attr-defined]
        for digits, port in (("1", 1), ("65535", 65535), ("0" * 50 + "8080", 8080)):
            url = httpclient.URL(f"http://a:{digits}/")  # type: ignore[attr-defined]
            self.assertEqual(url.port, port)

    def test_what_a_proxy_refuses_for_good(self) -> None:
        """What is the caller's fault; all else may pass."""
        for status in (199, 300, 302, 399, 400, 403, 407, 408, 425, 429, 499, 500, 502, 599):
            parser = ResponseParser("CONNECT")
            if status >= 200:
                parser.feed(b"HTTP/1.1 %d x\r\n\r\n" % status)
            else:
                parser.status_code = status
            url = httpclient.URL("https://a/")  # type: ignore[attr-defined]
            route = httpclient._Route(url, "http://p:1", None)  # type: ignore[attr-defined]
            with self.subTest(status), self.assertRaises(ProxyError) as caught:
                route.enter_tunnel(parser)
            fatal = status in (400, 403, 407, 499)
            self.assertEqual((caught.exception.fatal, route.name), (fatal, "the proxy p:1"))
        for status in (200, 204, 299):
            parser = ResponseParser("CONNECT")
            parser.feed(b"HTTP/1.1 %d x\r\n\r\n" % status)
            route = httpclient._Route(url, "http://p:1", None)  # type: ignore[attr-defined]
            route.enter_tunnel(parser)
            self.assertEqual((route.proxy, route.name), (None, "a"))

    def test_nothing_is_pending_before_anything_came(self) -> None:
        parser = ResponseParser()
        self.assertFalse(parser.pending)
        parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        self.assertTrue(parser.pending)
        self.assertEqual((parser.read(), parser.read()), (b"x", b""))

    def test_what_a_decoder_still_holds_is_pending(self) -> None:
        """A small piece may decode to much, which is given out step by step."""
        body = gzip.compress(b"x" * 200_000)[:-8]
        parser = ResponseParser()
        parser.feed(head(CHUNKED, "Content-Encoding: gzip") + chunk(body))
        sizes = []
        while parser.pending:
            sizes.append(len(parser.read() or b""))
        self.assertEqual(sum(sizes), 200_000)
        self.assertEqual(max(sizes), 65536)

    def test_codings_are_what_they_are_called(self) -> None:
        """gzip is not deflate; what deflate refers to may be as far back as its window is wide."""
        noise = random.Random(1).randbytes(30_000)
        raw = zlib.compressobj(wbits=-15)
        for coding, body, good in (
            ("gzip", gzip.compress(noise + noise), True),
            ("gzip", zlib.compress(noise), False),
            ("deflate", zlib.compress(noise + noise), True),
            ("deflate", raw.compress(noise + noise) + raw.flush(), True),
            ("deflate", gzip.compress(noise), False),
        ):
            parser, data = ResponseParser(), b""
            with self.subTest(coding, good=good):
                parser.feed(answer(body, f"Content-Encoding: {coding}"))
                try:
                    while piece := parser.read():
                        data += piece
                except httpclient.BodyError:
                    self.assertFalse(good)
                else:
                    self.assertEqual((good, data), (True, noise + noise))

    def test_what_is_kept_of_a_coded_body_is_bounded(self) -> None:
        """A few pieces, to decode what comes before a break; not all of a long stream."""
        coder, parser = zlib.compressobj(wbits=31), ResponseParser()
        parser.feed(head(CHUNKED, "Content-Encoding: gzip"))
        for number in range(100):
            piece = coder.compress(b"%d" % number) + coder.flush(zlib.Z_SYNC_FLUSH)
            self.assertEqual(parser.receive(chunk(piece)), b"%d" % number)
            self.assertLessEqual(len(parser._decoder._since), 17)

    def test_a_name_with_its_dot_needs_no_proxy(self) -> None:
        matches = httpclient._matches  # type: ignore[attr-defined]
        for host, rule, expected in (
            ("a.test.", "a.test", True), ("a.test.", ".test", True), ("a.test", "a.test.", True),
            ("a.test.", "b.test", False), ("ba.test", "a.test", False),
        ):  # fmt: skip
            url = httpclient.URL(f"http://{host}/")  # type: ignore[attr-defined]
            self.assertIs(matches(url, rule), expected, (host, rule))
