"""Broken off at any moment, in the middle of any step: what the client then does is what it would have done."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
import unittest
import warnings
from typing import Any
from unittest import mock

import sse
from sse import EventSource, SSEConnectionError, SSEEventTooLargeError
from tests.server import (
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    PATIENCE,
    Connection,
    Server,
    chunk,
    head,
    refused_port,
    stream,
)
from tests.worlds import AsyncWorld, Interrupting, SyncWorld, World, in_both_worlds, is_async

OPEN = stream("id: 1\ndata: x\n\n", end="open")


class Cancelled(AsyncWorld):
    def trial(self, turns: int, **options: Any) -> list[str]:
        """What comes of a step that is cancelled `turns` turns after the connection was cut, and of those after it."""

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("id: 1\ndata: 1\n\n"))
            conn.wait("cut")
            conn.send(chunk("data: half"))

        async def main(server: Server) -> list[str]:
            seen = []
            async with sse.async_connect(server.url, retry_interval=0, **options) as events:
                seen.append((await anext(events)).data)
                step = asyncio.ensure_future(anext(events, None))
                await asyncio.sleep(0)
                server.signal("cut")
                wire = events._attempt.link._wire
                while wire._end is None:
                    await asyncio.sleep(0)
                for _ in range(turns):
                    await asyncio.sleep(0)
                step.cancel()
                while len(seen) < 2:
                    try:
                        event = await step
                        seen.append(event.data if event else "end")
                    except asyncio.CancelledError:
                        step = asyncio.ensure_future(anext(events, None))
                    except SSEConnectionError as error:
                        seen.append(f"cut off, {error.unfinished.data if error.unfinished else None}")
            return seen

        with Server(script, *[stream("data: 2\n\n", end="open")] * 2) as server:  # a step may end in connecting again
            return asyncio.run(main(server))

    def test_in_the_turn_of_a_drop(self) -> None:
        for turns in range(8):
            with self.subTest(turns):
                self.assertEqual(self.trial(turns), ["1", "2"])

    def test_half_an_answer_never_looks_whole(self) -> None:
        for turns in range(8):
            with self.subTest(turns):
                self.assertEqual(self.trial(turns, method="POST"), ["1", "cut off, half"])


@in_both_worlds
class Ended(World):
    def test_the_last_event_does_not_wait_for_the_end(self) -> None:
        with Server(OPEN) as server, self.connect(server.url, until=lambda event: True) as client:
            self.assertEqual((next(client).data, client.state), ("x", "closed"))
            self.assertEqual(list(client), [])
            server.wait_gone(1)

    def test_close_within_on_comment(self) -> None:
        """What was not handed over by then is discarded."""

        def close(text: str) -> None:
            client._end(None)

        with Server(stream(":\ndata: x\n\n", end="open")) as server:
            client = self.connect(server.url, on_comment=close)
            self.assertEqual((list(client), client.state), ([], "closed"))

    def test_reconnect_while_a_name_is_resolved(self) -> None:
        """It is not remembered for the next drop, which is reported like any."""
        errors: list[Any] = []
        resolve = socket.getaddrinfo

        def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
            if host == "service.test" and not asked:
                asked.append(host)
                if is_async(self):  # whose names are resolved in a thread
                    self.loop.call_soon_threadsafe(client.reconnect)  # type: ignore[attr-defined]
                else:
                    client.reconnect()
            return resolve("127.0.0.1" if host == "service.test" else host, *args, **options)

        asked: list[str] = []
        answered: list[str] = []

        def script(conn: Connection) -> None:  # the first attempt may come as far as a connection
            answered.append("")
            conn.send(head(CHUNKED) + chunk("data: y\n\n") if len(answered) == 1 else NO_CONTENT)

        with Server(script, repeat=True) as server, mock.patch("socket.getaddrinfo", getaddrinfo):
            url = f"http://service.test:{server.port}/"
            client = self.connect(url, retry_interval=10, on_error=lambda *told: errors.append(told))
            self.assertEqual([event.data for event in client][-1], "y")
            self.assertEqual(len(errors), 1)

    def test_a_transport_whose_responses_fail_to_close(self) -> None:
        with self.connect("http://service.test/", transport=self.failing_transport(), until=lambda e: True) as client:
            self.assertEqual([event.data for event in client], ["x"])

    def test_a_body_is_not_asked_for_more_after_its_end(self) -> None:
        """The iterator over a queue, say, would wait for ever."""
        asked: list[str] = []

        class Body:
            def __init__(self) -> None:
                self.pieces = iter((b"data: x\n\n", b"data: y\n\n", b""))

            def __iter__(self) -> Body:
                return self

            __aiter__ = __iter__

            def __next__(self) -> bytes:
                asked.append("")
                piece = next(self.pieces)
                if not piece:
                    raise StopIteration
                return piece

            async def __anext__(self) -> bytes:
                try:
                    return self.__next__()
                except StopIteration:
                    raise StopAsyncIteration from None

        class Response:
            status_code, headers, url = 200, {"Content-Type": "text/event-stream"}, "http://service.test/"
            iter_bytes = aiter_bytes = staticmethod(Body)

            def close(self) -> None: ...

            async def aclose(self) -> None: ...

        def transport(*args: Any, **options: Any) -> Any:
            return Response()

        async def atransport(*args: Any, **options: Any) -> Any:
            return Response()

        chosen = atransport if is_async(self) else transport
        client = self.connect("http://service.test/", transport=chosen, reconnect=False)
        self.assertEqual(([event.data for event in client], len(asked)), (["x", "y"], 3))

    def failing_transport(self) -> Any:
        class Response:
            status_code, headers, url = 200, {"Content-Type": "text/event-stream"}, "http://service.test/"

            def iter_bytes(self) -> Any:
                yield b"data: x\n\n"

            async def aiter_bytes(self) -> Any:
                yield b"data: x\n\n"

            def close(self) -> None:
                raise OSError("closing")

            async def aclose(self) -> None:
                raise OSError("closing")

        def transport(*args: Any, **options: Any) -> Any:
            return Response()

        async def atransport(*args: Any, **options: Any) -> Any:
            return Response()

        return atransport if is_async(self) else transport


class Together(AsyncWorld):
    """One client for two tasks, which is refused to the second without harm to the first."""

    def test_at_every_point(self) -> None:
        async def main(server: Server, *, enter: bool, **options: Any) -> None:
            client = sse.async_connect(server.url, **options)
            async with client if enter else contextlib.nullcontext():
                first = asyncio.ensure_future(anext(client))
                await asyncio.sleep(0)
                with self.assertRaisesRegex(RuntimeError, "another task"):
                    await anext(client)
                server.signal("go")
                self.assertEqual((await first).data, "x")
            await client.close()

        def connecting(conn: Connection) -> None:
            conn.wait("go")
            conn.send(head(), "data: x\n\n")
            conn.stall()

        def opened(conn: Connection) -> None:
            conn.send(head())
            conn.wait("go")
            conn.send("data: x\n\n")
            conn.stall()

        for options in ({}, {"method": "POST"}, {"until": lambda event: False}):
            for script in (connecting, opened):
                with self.subTest(script.__name__, **options), Server(script) as server:
                    asyncio.run(main(server, enter=script is opened, **options))
                    self.assertEqual(len(server.requests), 1)


    def test_a_second_task_that_reads_the_response(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: x\n\n"))
            conn.wait("go")
            conn.send(chunk("data: y\n\n"))
            conn.stall()

        async def main(server: Server) -> None:
            async with sse.async_connect(server.url) as client:
                await anext(client)
                first = asyncio.ensure_future(anext(client))
                await asyncio.sleep(0)
                with self.assertRaisesRegex(RuntimeError, "another task"):
                    await anext(client.response.aiter_bytes())
                server.signal("go")
                self.assertEqual((await first).data, "y")

        with Server(script) as server:
            self.run_async(asyncio.wait_for(main(server), PATIENCE))


class Tokens(AsyncWorld):
    """A coroutine that makes headers, and does not come to an end."""

    async def hang(self) -> Any:
        await asyncio.Event().wait()

    def test_close(self) -> None:
        async def main() -> None:
            client = sse.async_connect("http://127.0.0.1:1/", headers=self.hang)
            step = asyncio.ensure_future(anext(client, "end"))
            for _ in range(3):
                await asyncio.sleep(0)
            await client.close()
            self.assertEqual(await step, "end")

        asyncio.run(main())

    def test_timeout(self) -> None:
        async def main() -> None:
            client = sse.async_connect("http://127.0.0.1:1/", headers=self.hang, timeout=0.05, max_retries=0)
            with self.assertRaisesRegex(SSEConnectionError, "headers or params took longer than timeout=0.05 seconds"):
                await anext(client)

        asyncio.run(main())


@unittest.skipUnless(hasattr(signal, "setitimer"), "there are no interval timers here")
class Signals(Interrupting, SyncWorld):
    def test_close_in_a_handler(self) -> None:
        client = sse.connect(f"http://127.0.0.1:{refused_port()}/", retry_interval=1)
        before = signal.signal(signal.SIGALRM, lambda *_: client.close())
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            self.assertEqual(list(client), [])
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_a_handler_that_raises_loses_no_event(self) -> None:
        """Whatever it interrupts, the connection is made anew, and what was not handed over is asked for again."""
        last = 8000

        def script(conn: Connection) -> None:
            start = int(conn.request.header("Last-Event-ID") or 0) + 1
            conn.send(head(CHUNKED))
            for first in range(start, last + 1, 50):
                events = range(first, min(first + 50, last + 1))
                conn.send(chunk("".join(f"id: {number}\ndata: {number}\n\n" for number in events)))
            conn.send(LAST_CHUNK)

        class Break(BaseException):
            pass

        def interrupt(*_: Any) -> None:
            if seen < last:
                raise Break

        ignoring = warnings.catch_warnings()
        ignoring.__enter__()
        warnings.simplefilter("ignore", ResourceWarning)  # a handler can come before a new socket has a name
        self.addCleanup(ignoring.__exit__, None, None, None)
        for _ in range(3):  # before that, for PyPy warns when it collects, and finalizes between collections
            self.addCleanup(gc.collect)
        before = signal.signal(signal.SIGALRM, interrupt)
        seen, broken = 0, 0
        try:
            with Server(script, repeat=True) as server, sse.connect(server.url, retry_interval=0) as client:

                def follow() -> None:  # a function: Python 3.12 and 3.13 do not guard the end of a loop in `try`
                    nonlocal seen
                    signal.setitimer(signal.ITIMER_REAL, 0.004)
                    while seen < last:
                        event = next(client)
                        self.assertEqual((event.id, event.data), (str(seen + 1), str(seen + 1)))
                        seen += 1

                while seen < last:
                    try:
                        follow()
                    except Break:
                        broken += 1
                        seen = int(client.last_event_id or 0)  # it may have come right before `event`
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        self.assertGreater(broken, 0)


class Broken(SyncWorld):
    def test_ctrl_c_between_a_drop_and_what_follows_from_it(self) -> None:
        script = stream("data: x\n\n", end="cut")
        errors: list[Any] = []
        with Server(script, stream("data: y\n\n", end="open")) as server:
            client = self.connect(server.url, on_error=lambda error, delay: errors.append(error))
            with client:
                next(client)
                with mock.patch.object(sse.SSEClient, "_judge", side_effect=KeyboardInterrupt):
                    with self.assertRaises(KeyboardInterrupt):
                        while True:
                            next(client)
                self.assertEqual(next(client).data, "y")
            self.assertEqual((len(errors), len(server.requests)), (1, 2))  # it is told of the drop


class Sources(unittest.TestCase):
    def test_too_large_stays_so(self) -> None:
        source = EventSource(["data: 12345", "data: 12345", "", "data: x", ""], max_event_size=8)
        for _ in range(2):
            with self.assertRaises(SSEEventTooLargeError):
                next(source)

    def test_many_lines_without_a_limit(self) -> None:
        (event,) = EventSource(["data: x"] * 100_000 + [""], max_event_size=None)
        self.assertEqual(len(event.data), 199_999)


class Waking(unittest.TestCase):
    def test_a_reader_in_another_thread(self) -> None:
        """Of two threads the second is refused, before anything is sent twice."""

        def script(conn: Connection) -> None:
            conn.wait("go")
            conn.send(head(), "data: x\n\n")
            conn.stall()

        with Server(script) as server:
            client = sse.connect(server.url, method="POST")
            events: list[Any] = []
            thread = threading.Thread(target=lambda: events.append(next(client)))
            thread.start()
            server.wait_requests(1)
            with contextlib.closing(client):
                with self.assertRaisesRegex(RuntimeError, "another task or thread"):
                    next(client)
                server.signal("go")
                thread.join()
                self.assertEqual([event.data for event in events], ["x"])
            self.assertEqual(len(server.requests), 1)
