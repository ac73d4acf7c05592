"""`from_response`: answers that somebody has opened already."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gzip
import http.client
import sys
import threading
import unittest
import urllib.request
import warnings
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpclient
import sse
from tests.server import (
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    Connection,
    Server,
    answer,
    chunk,
    head,
    stream,
)


class FromResponse(unittest.TestCase):
    """Answers of `httpclient`; those of other libraries are tried in the extended tests."""

    def open(self, server: Server) -> Any:
        return httpclient.get(server.url, stream=True)

    def test_a_type_with_parameters(self) -> None:
        for wanted in ("text/event-stream; charset=utf-8", "Text/Event-Stream", None):
            with self.subTest(wanted), Server(stream("data: x\n\n")) as server:
                events = sse.EventSource.from_response(self.open(server), content_type=wanted)
                self.assertEqual([event.data for event in events], ["x"])

    def test_what_is_refused_is_closed(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED, status="404 x"), chunk("no"))
            conn.stall()

        with Server(script) as server, mock.patch.object(sse, "_BODY_SECONDS", 0.1):
            with self.assertRaises(sse.SSEHTTPError) as caught:
                sse.EventSource.from_response(self.open(server))
            self.assertEqual(caught.exception.body, b"no")
            server.wait_gone(1)

    def test_no_option_is_named_that_there_is_not(self) -> None:
        async def awaited(server: Server) -> None:
            response = await httpclient.async_get(server.url, stream=True)
            await anext(sse.AsyncEventSource.from_response(response))

        with Server(*2 * [answer("no", status="503 x")]) as server:
            for step in (
                lambda: sse.EventSource.from_response(self.open(server)),
                lambda: asyncio.run(awaited(server)),
            ):
                with self.assertRaisesRegex(sse.SSEHTTPError, "HTTP 503 x: no$") as caught:
                    step()
                self.assertEqual(str(copy.copy(caught.exception)), str(caught.exception))

    def test_what_is_refused_in_a_coding_that_is_unknown(self) -> None:
        """The status is what counts; the body is left out."""
        with Server(answer("no", "Content-Encoding: br", status="404 x")) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("GET", "/")
            with self.assertRaises(sse.SSEHTTPError) as caught:
                sse.EventSource.from_response(connection.getresponse())
            connection.close()
        self.assertEqual((caught.exception.status_code, caught.exception.body), (404, b""))

    def test_codings_of_http_client(self) -> None:
        """Each event may be a member of its own (RFC 1952, 2.2), and deflate come without a head."""
        one, two = b"data: 1\n\n", b"data: 2\n\n"
        members, headless = gzip.compress(one) + gzip.compress(two), zlib.compressobj(wbits=-15)
        for coding, body in (
            ("gzip", members),
            ("none, gzip", members),
            ("gzip", gzip.compress(one) + bytes(9) + gzip.compress(two) + b"\r\n"),
            ("deflate", zlib.compress(one + two)),
            ("deflate", zlib.compress(one + two) + bytes(9) + b"\n"),
            ("deflate", headless.compress(one + two) + headless.flush()),
        ):
            for size in (1, len(body)):
                pieces = [body[at : at + size] for at in range(0, len(body), size)]
                script = stream(*pieces, lines=(f"Content-Encoding: {coding}",))
                with self.subTest(coding, size=size), Server(script) as server:
                    with urllib.request.urlopen(server.url) as response:
                        events = sse.EventSource.from_response(response)
                        self.assertEqual([event.data for event in events], ["1", "2"])

    def test_the_connection_of_http_client_serves_the_next_request(self) -> None:
        body = b"data: x\n\n"
        for first in (answer(body), head(CHUNKED) + chunk(body) + LAST_CHUNK, NO_CONTENT):

            def twice(conn: Connection, first: bytes = first) -> None:
                conn.send(first)
                conn.read_request()
                conn.send(answer("data: again\n\n"))

            with self.subTest(first), Server(twice) as server:
                connection = http.client.HTTPConnection("127.0.0.1", server.port)
                for _ in range(2):
                    connection.request("GET", "/")
                    events = [*sse.EventSource.from_response(connection.getresponse())]
                connection.close()
                self.assertEqual([event.data for event in events], ["again"])

    def test_what_zlib_holds_back(self) -> None:
        """All that it was given is used up, and a little more than a piece came of it."""
        for size in range(sse._PIECE + 1, sse._PIECE + 9):
            compressor = zlib.compressobj(wbits=-15)
            pieces = iter([compressor.compress(bytes(size)) + compressor.flush()])
            read = sse._decoded(partial(next, pieces, b""), ["deflate"])
            self.assertEqual(b"".join(iter(read, b"")), bytes(size))

    def test_what_comes_before_a_break_in_a_coding(self) -> None:
        packer = zlib.compressobj(wbits=31)
        good = packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
        ended = gzip.compress(b"data: 1\n\n")
        for pieces, seen in (
            ([good + b"\xff" * 20], ["1"]),
            ([good, b"\xff" * 20], ["1"]),
            ([ended + b"garbage"], ["1"]),
            ([ended[:-8] + bytes(8)], ["1"]),
            ([b"this is not gzip"], []),
        ):
            script = stream(*pieces, lines=("Content-Encoding: gzip",))
            with self.subTest(pieces), Server(script) as server:
                with urllib.request.urlopen(server.url) as response:
                    events, got = sse.EventSource.from_response(response), []
                    with self.assertRaisesRegex(ConnectionError, "the body is not valid gzip"):
                        for event in events:
                            got.append(event.data)
                    self.assertEqual(got, seen)

    def test_closed_by_another_thread(self) -> None:
        """The libraries' own `close()` waits for a read that blocks, or leaves it blocked."""

        def follow(events: sse.EventSource, told: threading.Event, ends: list[object]) -> None:
            try:
                for _ in events:
                    told.set()
                ends.append(None)
            except Exception as error:
                ends.append(error)

        for opened in (urllib.request.urlopen, partial(httpclient.get, stream=True)):
            with self.subTest(opened), Server(stream("data: x\n\n", end="open")) as server:
                events, told, ends = sse.EventSource.from_response(opened(server.url)), threading.Event(), []
                thread = threading.Thread(target=follow, args=(events, told, ends))
                thread.start()
                told.wait()
                events.close()
                thread.join()
                self.assertEqual((ends, [*events]), ([None], []))
                server.wait_gone(1)

    def test_closed_by_another_task(self) -> None:
        async def main(url: str) -> list[str]:
            events = sse.AsyncEventSource.from_response(await httpclient.async_get(url, stream=True))
            told, seen = asyncio.Event(), []

            async def follow() -> None:
                async for event in events:
                    seen.append(event.data)
                    told.set()

            following = asyncio.create_task(follow())
            await told.wait()
            await asyncio.sleep(0)  # it waits for the next one
            await events.aclose()
            await following
            return seen

        with Server(stream("data: x\n\n", end="open")) as server:
            self.assertEqual(asyncio.run(main(server.url)), ["x"])
            server.wait_gone(1)

    @unittest.skipUnless(sys.implementation.name == "cpython", "this Python closes what is inside a step")
    def test_closed_while_nothing_ends_the_wait(self) -> None:
        """There is nothing else to be closed under a generator that is inside a step."""

        async def main() -> None:
            async def lines() -> AsyncIterator[str]:
                await asyncio.Event().wait()
                yield ""

            events = sse.AsyncEventSource(lines())
            following = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            with self.assertRaisesRegex(RuntimeError, "already running"):
                await events.aclose()
            following.cancel()

        asyncio.run(main())

    def test_what_was_closed_or_read_before(self) -> None:
        """http.client, urllib3 and requests then read nothing, as they do at the end of a body."""

        def left(response: http.client.HTTPResponse) -> None:
            with response:
                pass

        ends: list[Any] = [http.client.HTTPResponse.close, http.client.HTTPResponse.read, left]
        body = "data: x\n\n"
        for end in ends:
            for script in (answer(body), stream(body), head() + body.encode()):
                with self.subTest(end=end), Server(script) as server:
                    with urllib.request.urlopen(server.url) as response:
                        end(response)
                        with self.assertRaisesRegex(ValueError, "closed, or its body read, before"):
                            sse.EventSource.from_response(response)

    def test_an_empty_body_is_no_closed_answer(self) -> None:
        for script in (answer(""), stream(), NO_CONTENT):
            with self.subTest(script), Server(script) as server:
                with urllib.request.urlopen(server.url) as response:
                    self.assertEqual([*sse.EventSource.from_response(response)], [])

    def test_an_answer_that_belongs_to_no_request(self) -> None:
        """As httpx makes it of `Response(200, content=...)` in tests: it raises for its URL."""

        class Made(SimpleNamespace):
            @property
            def url(self) -> str:
                raise RuntimeError("The request instance has not been set on this response.")

        kind = {"content-type": "text/event-stream"}
        made = Made(status_code=200, headers=kind, iter_bytes=lambda: iter([b"data: x\n\n"]))
        self.assertEqual([e.data for e in sse.EventSource.from_response(made)], ["x"])
        made = Made(status_code=404, headers=kind, iter_bytes=lambda: iter([b"no"]))
        with self.assertRaisesRegex(sse.SSEHTTPError, "^HTTP 404: no"):
            sse.EventSource.from_response(made)

    def test_errors_without_a_url(self) -> None:
        """http.client does not tell it."""
        for script, text in (
            (answer("no", status="404 x"), "HTTP 404 x: no"),
            (answer("{}", type="a/json"), "not an event stream but content type 'a/json'"),
        ):
            with self.subTest(text), Server(script) as server:
                connection = http.client.HTTPConnection("127.0.0.1", server.port)
                connection.request("GET", "/")
                with self.assertRaisesRegex(sse.SSEError, f"^{text}"):
                    sse.EventSource.from_response(connection.getresponse())
                connection.close()

    def test_what_is_refused_is_closed_in_async(self) -> None:
        async def main(server: Server) -> None:
            response = await httpclient.async_get(server.url, stream=True)
            with self.assertRaises(sse.SSEHTTPError):
                async for _ in sse.AsyncEventSource.from_response(response):
                    pass

        with Server(answer("no", status="404 x")) as server, warnings.catch_warnings():
            warnings.simplefilter("error")
            asyncio.run(main(server))

    def test_what_is_refused_under_another_event_loop(self) -> None:
        """Such as trio's, of which asyncio knows nothing: the beginning of the body has the bounds
        that it has everywhere, of time between two pieces, and the answer is closed behind it.
        """

        async def pieces(*said: bytes) -> AsyncIterator[bytes]:
            for piece in said:
                clock.return_value += 1
                yield piece

        async def gone() -> AsyncIterator[bytes]:
            yield b"no"
            raise ConnectionResetError

        for status, kind, said, begins in (
            (401, "text/event-stream", pieces(b"", b"no"), b"no"),
            (200, "text/html", pieces(b"<html>", b"</html>"), b"<html></html>"),
            (404, "text/html", gone(), b"no"),
            (404, "text/html", pieces(*[b"a"] * 9), b"a" * 5),
            (404, "text/html", pieces(*[b"a" * 40000] * 3), b"a" * 65536),
        ):
            aclose = mock.AsyncMock()
            made = SimpleNamespace(
                status_code=status, headers={"Content-Type": kind}, url="http://h/", aclose=aclose,
                aiter_bytes=lambda said=said: said,
            )  # fmt: skip
            events = sse.AsyncEventSource.from_response(made)
            with self.subTest(begins[:9]), mock.patch("time.monotonic", return_value=9.0) as clock:
                with self.assertRaises((sse.SSEHTTPError, sse.SSEContentTypeError)) as caught:
                    anext(events).__await__().send(None)  # all it needs is there
                self.assertEqual(caught.exception.body, begins)
                aclose.assert_awaited_once()

    def test_what_is_no_answer(self) -> None:
        for source in (sse.EventSource, sse.AsyncEventSource):
            for thing in ("x", None, 5, [b"data: x"]):
                with self.subTest(source=source, thing=thing), self.assertRaisesRegex(TypeError, "httpx"):
                    source.from_response(thing)

    def test_what_is_not_open_yet(self) -> None:
        """As what `httpx.stream()` and a coroutine without `await` are."""

        @contextlib.contextmanager
        def opening() -> Iterator[None]: ...  # type: ignore[empty-body]

        async def awaited() -> None: ...

        with contextlib.closing(awaited()) as coroutine:
            for source in (sse.EventSource, sse.AsyncEventSource):
                for thing in (opening(), coroutine):
                    with self.subTest(source=source), self.assertRaisesRegex(TypeError, "`with` or"):
                        source.from_response(thing)

    def test_an_answer_of_the_other_world(self) -> None:
        """As httpx's are, whose `stream` can be iterated in one way alone."""

        class Awaited:
            def __aiter__(self) -> None: ...

        class Blocking:
            def __iter__(self) -> None: ...

        for body, source, other in (
            (Awaited(), sse.EventSource, "is for AsyncEventSource"),
            (Blocking(), sse.AsyncEventSource, "is for EventSource"),
        ):
            kind = {"content-type": "text/event-stream"}
            opened = SimpleNamespace(status_code=200, headers=kind, url="http://h/", stream=body)
            with self.subTest(other), self.assertRaisesRegex(TypeError, other):
                source.from_response(opened)

    def test_an_awaited_answer_with_the_names_of_one_that_blocks(self) -> None:
        """As openai's `with_streaming_response` gives it out."""

        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: x"
            yield b"\n\n"

        async def main(made: Any) -> list[str]:
            events = sse.AsyncEventSource.from_response(made)
            seen = [event.data async for event in events]
            await events.aclose()
            return seen

        kind, close = {"content-type": "text/event-stream"}, mock.AsyncMock()
        made = SimpleNamespace(status_code=200, headers=kind, url="", iter_bytes=pieces, close=close)
        self.assertEqual(asyncio.run(main(made)), ["x"])
        close.assert_awaited_once()
        with self.assertRaisesRegex(TypeError, "is for AsyncEventSource"):
            sse.EventSource.from_response(made)

    def test_our_own_answers_of_the_other_world(self) -> None:
        async def main(server: Server) -> None:
            async with await httpclient.async_get(server.url, stream=True) as awaited:
                with self.assertRaisesRegex(TypeError, "is for AsyncEventSource"):
                    sse.EventSource.from_response(awaited)

        with Server(stream("data: x\n\n"), stream("data: x\n\n")) as server:
            with self.open(server) as response, self.assertRaisesRegex(TypeError, "is for EventSource"):
                sse.AsyncEventSource.from_response(response)
            asyncio.run(main(server))

    def test_a_response_is_no_iterable_of_lines(self) -> None:
        with Server(stream("data: x\n\n")) as server, self.open(server) as response:
            for source in (sse.EventSource, sse.AsyncEventSource):
                with self.assertRaisesRegex(TypeError, "from_response"):
                    source(response)
