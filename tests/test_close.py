"""Leaving, at every point and by every door: `close()`, cancellation, Ctrl-C, being forgotten. And a week of it.

`SSE_TEST_ROUNDS` multiplies how often each way is gone (100 turns the hundreds into thousands).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import unittest
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import sse
from tests.server import (
    CA,
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    PATIENCE,
    Connection,
    Server,
    answer,
    chunk,
    head,
    refused_port,
    silent,
    stream,
    unanswered_port,
)
from tests.worlds import (
    ROUNDS,
    AsyncWorld,
    HastyAsyncSSEClient,
    HastySSEClient,
    SyncWorld,
    World,
    at_once,
    in_both_worlds,
    needs_prompt_finalizers,
)

OPEN = stream("data: x\n\n", end="open")
LINUX = sys.platform == "linux"


def stalled_error(conn: Connection) -> None:
    conn.send(head(CHUNKED, status="500 x"), chunk("wait for it"))
    conn.stall()


class Point:
    """A client that has got so far and no farther; `reached` tells when it has."""

    def __init__(self, url: str, reached: Callable[[], bool], **options: Any) -> None:
        self.url, self.reached = url, reached
        self.options = {"verify": CA, **options}
        self.events: list[str] = []


@contextlib.contextmanager
def points() -> Iterator[dict[str, Callable[[], Point]]]:
    """Everything a client may be waiting for."""
    with contextlib.ExitStack() as stack:

        def serve(*scripts: Any, **options: Any) -> Server:
            return stack.enter_context(Server(*scripts, repeat=True, **options))

        mute, tls_mute = serve(silent), serve(silent, tls=True)
        handshake = serve(silent, read=False)
        feed, tls_feed = serve(OPEN), serve(OPEN, tls=True)
        failing = serve(stalled_error)
        refused = f"http://127.0.0.1:{refused_port()}/"

        def requested(server: Server) -> Point:
            before = len(server.requests)
            return Point(server.url, lambda: len(server.requests) > before)

        def accepted(server: Server) -> Point:
            before = len(server.connections)
            return Point(f"https://{server.authority}/", lambda: len(server.connections) > before)

        def reading(server: Server) -> Point:
            point = Point(server.url, lambda: bool(point.events))
            return point

        def waiting(**options: Any) -> Point:
            failures: list[Any] = []
            options.setdefault("url", refused)
            return Point(
                reached=lambda: bool(failures),
                on_error=lambda *args: failures.append(args),
                retry_interval=3_600_000,
                **options,
            )

        known = {
            "handshake": lambda: accepted(handshake),
            "head": lambda: requested(mute),
            "head over TLS": lambda: requested(tls_mute),
            "error body": lambda: requested(failing),
            "read": lambda: reading(feed),
            "read over TLS": lambda: reading(tls_feed),
            "wait": waiting,
        }
        if LINUX:  # other systems do not leave a full backlog unanswered
            port = stack.enter_context(unanswered_port())
            known["connect"] = lambda: lasting(f"http://127.0.0.1:{port}/")
        yield known


def lasting(url: str) -> Point:
    """A connect gives no sign of itself, but it lasts: a moment later it is most likely going on."""
    moment = time.monotonic() + 0.003
    return Point(url, lambda: time.monotonic() > moment)


def wait_until(condition: Callable[[], bool]) -> None:
    """Polls what has no event to wait for."""
    limit = threading.Event()
    timer = threading.Timer(PATIENCE, limit.set)
    timer.start()
    try:
        while not condition():
            if limit.wait(0.0005):
                raise AssertionError("waited in vain")
    finally:
        timer.cancel()
        timer.join()


async def wait_until_async(condition: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.0005)

    await asyncio.wait_for(poll(), PATIENCE)


class Reader(threading.Thread):
    """Follows a client to its end in a thread of its own, as programs do that close it from elsewhere."""

    def __init__(self, client: Any, events: list[str], *, enter: bool = True) -> None:
        super().__init__(daemon=True)
        self.client, self.events, self.enter = client, events, enter
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with self.client if self.enter else contextlib.nullcontext():
                for event in self.client:
                    self.events.append(event.data)
        except BaseException as error:
            self.error = error

    def finish(self) -> None:
        self.join(PATIENCE)
        if self.is_alive():
            raise AssertionError("the iteration did not end")
        if self.error:
            raise self.error


async def follow(client: Any, events: list[str], *, enter: bool = True) -> None:
    async with client if enter else contextlib.nullcontext():
        async for event in client:
            events.append(event.data)


class SyncClose(SyncWorld):
    def test_at_every_point(self) -> None:
        with points() as known:
            for name, reach in known.items():
                for number in range(20 * ROUNDS):
                    with self.subTest(name, number=number):
                        point = reach()
                        client = sse.connect(point.url, **point.options)
                        reader = Reader(client, point.events, enter=number % 2 == 0)
                        wait_until(point.reached)
                        client.close()
                        reader.finish()
                        self.assertEqual(client.state, "closed")

    def test_at_any_moment(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(answer("data: x\n\n"))

        chance = random.Random(1)
        never = threading.Event()
        for tls in (False, True):
            with Server(script, repeat=True, read=True, tls=tls) as server:
                for number in range(60 * ROUNDS):
                    with self.subTest(tls=tls, number=number):
                        client = sse.connect(server.url, verify=CA, retry_interval=0)
                        reader = Reader(client, [])
                        never.wait(chance.uniform(0, 0.005))
                        client.close()
                        reader.finish()

    def test_from_many_threads(self) -> None:
        with points() as known:
            for name, reach in known.items():
                with self.subTest(name):
                    point = reach()
                    client = sse.connect(point.url, **point.options)
                    reader = Reader(client, point.events)
                    wait_until(point.reached)
                    closers = [threading.Thread(target=client.close) for _ in range(10)]
                    for closer in closers:
                        closer.start()
                    for closer in closers:
                        closer.join(PATIENCE)
                        self.assertFalse(closer.is_alive())
                    reader.finish()

    def test_what_was_not_yet_handed_over_is_discarded(self) -> None:
        with Server(stream("data: 1\n\ndata: 2\n\n", end="open")) as server, sse.connect(server.url) as client:
            next(client)
            client.close()
            self.assertEqual(list(client), [])

    def test_from_callbacks(self) -> None:
        def check(name: str, script: Any) -> None:
            with self.subTest(name), Server(script) as server:
                client = self.connect(server.url, **{name: lambda *args: client.close()})
                with client:
                    self.assertEqual(list(client), [])
                self.assertEqual(client.state, "closed")

        check("on_open", OPEN)
        check("on_comment", stream(":\n", end="open"))
        check("on_error", b"")

    def test_from_a_timer(self) -> None:
        """A deadline of the caller's own, which holds although the client would wait for ever."""
        client = sse.connect(f"http://127.0.0.1:{refused_port()}/", retry_interval=10)
        timer = threading.Timer(0.1, client.close)
        timer.start()
        with client:
            self.assertEqual((client.state, list(client)), ("closed", []))
        timer.join()

    def test_reconnect_from_another_thread(self) -> None:
        with Server(OPEN, OPEN, stream("data: y\n\n", end="open")) as server:
            client, events = sse.connect(server.url), []
            reader = Reader(client, events)
            for count in (1, 2):
                wait_until(lambda count=count: len(events) == count)
                client.reconnect()
            wait_until(lambda: len(events) == 3)
            self.assertEqual(events, ["x", "x", "y"])
            client.close()
            reader.finish()

    def test_reconnect_ends_a_wait(self) -> None:
        waiting = threading.Event()
        with Server(b"", OPEN) as server:
            client, events = sse.connect(server.url, retry_interval=3_600_000, on_error=lambda *a: waiting.set()), []
            reader = Reader(client, events)
            waiting.wait(PATIENCE)
            client.reconnect()
            wait_until(lambda: events == ["x"])
            client.close()
            reader.finish()


class AsyncClose(AsyncWorld):
    def with_points(self, main: Callable[[dict[str, Callable[[], Point]]], Awaitable[None]]) -> None:
        with points() as known:
            self.run_async(main(known))

    def test_at_every_point(self) -> None:
        async def main(known: dict[str, Callable[[], Point]]) -> None:
            for name, reach in known.items():
                for number in range(20 * ROUNDS):
                    with self.subTest(name, number=number):
                        point = reach()
                        client = sse.async_connect(point.url, **point.options)
                        task = asyncio.ensure_future(follow(client, point.events, enter=number % 2 == 0))
                        await wait_until_async(point.reached)
                        await client.close()
                        await asyncio.wait_for(task, PATIENCE)
                        self.assertEqual(client.state, "closed")

        self.with_points(main)

    def test_after_any_number_of_steps_of_the_loop(self) -> None:
        async def main(server: Server, steps: int, cancel: bool) -> None:
            client = sse.async_connect(server.url, verify=CA, retry_interval=0)
            task = asyncio.ensure_future(follow(client, []))
            for _ in range(steps):
                await asyncio.sleep(0)
            if cancel:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait_for(task, PATIENCE)
            await client.close()
            if not cancel:
                await asyncio.wait_for(task, PATIENCE)

        for tls in (False, True):
            with Server(answer("data: x\n\n"), repeat=True, tls=tls) as server:
                for steps in range(50 * ROUNDS):
                    for cancel in (False, True):
                        with self.subTest(tls=tls, steps=steps, cancel=cancel):
                            self.run_async(main(server, steps, cancel))

    def test_from_many_tasks(self) -> None:
        async def main(known: dict[str, Callable[[], Point]]) -> None:
            for name, reach in known.items():
                with self.subTest(name):
                    point = reach()
                    client = sse.async_connect(point.url, **point.options)
                    task = asyncio.ensure_future(follow(client, point.events))
                    await wait_until_async(point.reached)
                    await asyncio.gather(*(client.close() for _ in range(5)), *(client.aclose() for _ in range(5)))
                    await asyncio.wait_for(task, PATIENCE)

        self.with_points(main)

    def test_cancelled_at_every_point(self) -> None:
        async def main(known: dict[str, Callable[[], Point]]) -> None:
            for name, reach in known.items():
                for number in range(6 * ROUNDS):
                    with self.subTest(name, number=number):
                        point = reach()
                        client = sse.async_connect(point.url, **point.options)
                        task = asyncio.ensure_future(follow(client, point.events))
                        await wait_until_async(point.reached)
                        task.cancel()
                        with self.assertRaises(asyncio.CancelledError):
                            await asyncio.wait_for(task, PATIENCE)
                        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

        self.with_points(main)

    def test_what_a_cancel_says_arrives(self) -> None:
        async def main(server: Server) -> None:
            said = []

            async def step() -> None:
                try:
                    await client.__anext__()
                except asyncio.CancelledError as error:
                    said.append(error.args)
                    raise

            async with sse.async_connect(server.url) as client:
                await client.__anext__()
                task = asyncio.ensure_future(step())
                await asyncio.sleep(0)
                task.cancel("enough")
                await asyncio.wait({task})
                self.assertTrue(task.cancelled())
                self.assertEqual((said, client.state), ([("enough",)], "open"))

        with Server(OPEN) as server:
            self.run_async(main(server))

    def test_two_tasks_cannot_wait_for_one_stream(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: 1\n\n"))
            conn.wait("refused")
            conn.send(chunk("data: 2\n\n"))
            conn.stall()

        async def main(server: Server) -> None:
            async with sse.async_connect(server.url) as client:
                await client.__anext__()
                first = asyncio.ensure_future(client.__anext__())
                await asyncio.sleep(0)
                with self.assertRaises(RuntimeError):
                    await client.__anext__()
                server.signal("refused")
                self.assertEqual((await first).data, "2")

        with Server(script) as server:
            self.run_async(main(server))

    def test_cancelled_outside_of_with(self) -> None:
        async def main(server: Server) -> None:
            client = sse.async_connect(server.url)
            await client.__anext__()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(client.__anext__(), 0.01)

        with Server(OPEN) as server:
            self.run_async(main(server))
            server.wait_gone(1)

    def test_cancelled_within_with_the_loop_can_be_resumed(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: 1\n\ndata:"))
            conn.wait("cancelled")
            conn.send(chunk(" 2\n\n"))
            conn.stall()

        async def main(server: Server) -> None:
            async with sse.async_connect(server.url, verify=CA) as client:
                self.assertEqual((await client.__anext__()).data, "1")
                for _ in range(3):
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(client.__anext__(), 0.01)
                server.signal("cancelled")
                self.assertEqual((await client.__anext__()).data, "2")

        for tls in (False, True):
            with Server(script, tls=tls) as server:
                self.run_async(main(server))

    @needs_prompt_finalizers
    def test_a_client_that_outlives_its_loop(self) -> None:
        async def main(url: str) -> sse.AsyncSSEClient:
            client = sse.async_connect(url)
            await client.__anext__()
            return client

        with Server(OPEN) as server:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                client = asyncio.run(main(server.url))
                del client
                gc.collect()
                self.assertEqual({warning.category for warning in caught}, {ResourceWarning})
                caught.clear()  # a warning keeps what it is about: the client, the socket
                gc.collect()
            server.wait_gone(1)

    def test_a_deadline_of_the_callers_own(self) -> None:
        async def main(url: str) -> None:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(follow(sse.async_connect(url, retry_interval=10), []), 0.1)

        self.run_async(main(f"http://127.0.0.1:{refused_port()}/"))
        with Server(silent) as server:
            self.run_async(main(server.url))
            server.wait_gone(1)

    def test_reconnect_ends_a_wait(self) -> None:
        async def main(server: Server) -> None:
            waiting, events = asyncio.Event(), []
            client = sse.async_connect(server.url, retry_interval=3_600_000, on_error=lambda *args: waiting.set())
            task = asyncio.ensure_future(follow(client, events))
            await waiting.wait()
            client.reconnect()
            await wait_until_async(lambda: events == ["x"])
            await client.close()
            await task

        with Server(b"", OPEN) as server:
            self.run_async(main(server))

    def test_from_a_callback(self) -> None:
        async def main(name: str, url: str) -> None:
            closing: list[asyncio.Future[None]] = []
            options = {name: lambda *args: closing.append(asyncio.ensure_future(client.close()))}
            client = HastyAsyncSSEClient(url, **options)
            await asyncio.wait_for(follow(client, []), PATIENCE)
            await asyncio.gather(*closing)
            self.assertEqual(client.state, "closed")

        for name, script in (("on_open", OPEN), ("on_comment", stream(":\n", end="open"))):
            with self.subTest(name), Server(script) as server:
                self.run_async(main(name, server.url))

    def test_reconnect_from_another_task(self) -> None:
        async def main(server: Server) -> None:
            client, events = sse.async_connect(server.url), []
            task = asyncio.ensure_future(follow(client, events))
            for count in (1, 2):
                await wait_until_async(lambda count=count: len(events) == count)
                client.reconnect()
            await wait_until_async(lambda: len(events) == 3)
            self.assertEqual(events, ["x", "x", "y"])
            await client.close()
            await task

        with Server(OPEN, OPEN, stream("data: y\n\n", end="open")) as server:
            self.run_async(main(server))


@in_both_worlds
class Reconnected(World):
    def test_while_the_server_goes_on_sending(self) -> None:
        def flood(conn: Connection) -> None:
            conn.send(head())
            while True:
                conn.send(f"data: {'x' * 1000}\n\n" * 10)

        with Server(flood, stream("data: y\n\n", end="open")) as server, self.connect(server.url) as client:
            next(client)
            client.reconnect()
            self.assertIn("y", (next(client).data for _ in range(50_000)))


@in_both_worlds
class Forgotten(World):
    def test_a_client_dropped_unclosed(self) -> None:
        for tls in (False, True):
            with Server(OPEN, tls=tls) as server:
                client = self.connect(server.url, verify=CA)
                next(client)
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    del client
                    gc.collect()
                    self.turn()
                self.assertEqual([warning.category for warning in caught], [ResourceWarning])
                self.assertIn("SSEClient", str(caught[0].message))
                server.wait_gone(1)

    def test_a_client_never_used(self) -> None:
        self.connect("http://127.0.0.1/")
        gc.collect()

    def test_a_client_at_its_end(self) -> None:
        with Server(stream("data: x\n\n")) as server:
            client = self.connect(server.url, reconnect=False)
            list(client)
            del client
            gc.collect()

    @needs_prompt_finalizers
    def test_no_drop_leaves_work_for_the_garbage_collector(self) -> None:
        def take(client: Any) -> None:
            with contextlib.suppress(sse.SSEConnectionError):
                for _ in client:
                    pass

        async def take_async(client: Any) -> None:  # not by `Blocking`: an error that leaves a task makes a cycle
            with contextlib.suppress(sse.SSEConnectionError):
                async for _ in client:
                    pass

        def dropped(script: Any, **options: Any) -> weakref.ref[Any]:
            with Server(script, script, NO_CONTENT) as server:
                client = self.connect(server.url, **options)
                if isinstance(self, AsyncWorld):
                    client = client.inner
                    self.run_async(take_async(client))
                else:
                    take(client)
                self.assertTrue(server.requests)
                return weakref.ref(client)

        ways: dict[str, Any] = {end: stream("data: x\n\n", end=end) for end in ("clean", "cut", "reset")}
        ways |= {"inside a chunk": head(CHUNKED) + chunk("data: x\n\n")[:-5], "silent": OPEN, "no answer": b""}
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for name, script in ways.items():
            for options in ({}, {"max_retries": 0}):
                with self.subTest(name, **options):
                    client = dropped(script, idle_timeout=0.05, **options)
                    self.turn()
                    self.assertIsNone(client())


PROGRAM = """
import asyncio, logging, signal, sys
from sse import connect, async_connect
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)  # see `Interrupted`
logging.disable()
url = sys.argv[1]
def sync_main():
    with connect(url, retry_interval=3600000, on_error=lambda *a: print("waiting", flush=True)) as events:
        for event in events:
            print(event.data, flush=True)
async def async_main():
    if sys.version_info < (3, 11):  # there Ctrl-C may break asyncio itself, unless it is told of it
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asyncio.current_task().cancel)
    async with async_connect(url, retry_interval=3600000, on_error=lambda *a: print("waiting", flush=True)) as events:
        async for event in events:
            print(event.data, flush=True)
try:
    sync_main() if sys.argv[2] == "sync" else asyncio.run(async_main())
except (KeyboardInterrupt, asyncio.CancelledError):
    print("interrupted", flush=True)
signal.setitimer(signal.ITIMER_REAL, 0)
"""

RESUMING = """
import signal, sys
from sse import connect
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)  # see `Interrupted`
def follow():
    for event in events:
        print(event.data, flush=True)
with connect(sys.argv[1], retry_interval=0) as events:
    while True:
        try:
            follow()
            break
        except KeyboardInterrupt:
            print("interrupted", flush=True)
signal.setitimer(signal.ITIMER_REAL, 0)
"""


@unittest.skipIf(sys.platform == "win32", "signals are different there")
class Interrupted(unittest.TestCase):
    """Ctrl-C, in a process of its own.

    Of a signal that comes in the last moment before a system call (one in eight of those that are
    aimed there), Python takes no notice until that call ends: so a timer of the process ends it.
    """

    @contextlib.contextmanager
    def program(self, source: str, *args: str, last: str = "\n") -> Iterator[subprocess.Popen[str]]:
        path = os.path.dirname(os.path.abspath(sse.__file__))
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(source), *args]
        with subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            timer = threading.Timer(PATIENCE, process.kill)
            timer.start()
            try:
                yield process
                output, errors = process.communicate()
            finally:
                timer.cancel()
                timer.join()
                process.kill()
            self.assertEqual((process.returncode, errors), (0, ""), output)
            self.assertTrue(output.endswith(last), output)

    def test_at_every_point(self) -> None:
        def interrupt(world: str, script: Any, sign: str) -> None:
            with (
                Server(script) as server,
                self.program(PROGRAM, server.url, world, last="interrupted\n") as process,
            ):
                assert process.stdout is not None
                if sign:
                    self.assertEqual(process.stdout.readline(), sign)
                else:
                    server.wait_requests(1)
                process.send_signal(signal.SIGINT)

        points = (OPEN, "x\n"), (silent, ""), (b"", "waiting\n")
        worlds = "sync", "async"
        at_once([partial(interrupt, world, *point) for world in worlds for point in points])

    def test_the_loop_can_be_resumed(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("id: 1\ndata: 1\n\ndata:"))
            conn.wait("interrupted")  # if it was between two steps, the connection is still there
            conn.send(chunk(" 2\n\n"), LAST_CHUNK)

        with (
            Server(script, stream("data: 2\n\n"), NO_CONTENT) as server,
            self.program(RESUMING, server.url) as process,
        ):
            assert process.stdout is not None
            self.assertEqual(process.stdout.readline(), "1\n")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.stdout.readline(), "interrupted\n")
            server.signal("interrupted")
            self.assertEqual(process.stdout.readline(), "2\n")
        self.assertEqual(server.requests[1].header("Last-Event-ID"), "1")


class Feed:
    """A server for very many connections: one thread, nothing kept. Each brings the next two events and ends in
    another way: cleanly, by a cut, by a cut in a block, by a reset, or before the head.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        seen = 0
        while seen < self.last:
            sock, _ = self.listener.accept()
            with sock:
                request = sock.recv(65536)
                seen = int((request.partition(b"Last-Event-ID: ")[2].partition(b"\r\n")[0]) or 0)
                self.connections += 1
                self.answer(sock, seen)
        self.listener.close()

    def answer(self, sock: socket.socket, seen: int) -> None:
        if seen >= self.last:
            sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        events = b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in (seen + 1, seen + 2))
        way = self.connections % 5
        if way == 0:
            return
        sock.sendall(head(CHUNKED) + chunk(events))
        if way == 1:
            sock.sendall(b"0\r\n\r\n")
        elif way == 2:
            sock.sendall(chunk(b"id: 999999\ndata: cut\n"))
        elif way == 3:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Growth:
    """What a process holds, before and after."""

    def __init__(self) -> None:
        gc.collect()
        self.blocks = sys.getallocatedblocks() if hasattr(sys, "getallocatedblocks") else 0
        self.memory = tracemalloc.get_traced_memory()[0] if ROUNDS > 1 else 0
        self.sockets = len(os.listdir("/proc/self/fd")) if LINUX else 0
        self.threads = threading.active_count()
        self.objects = len(gc.get_objects())


class Week(World):
    """A feed followed over very many reconnects: every event once, and nothing grows."""

    EVENTS = 1200 * ROUNDS

    def setUp(self) -> None:
        super().setUp()
        if ROUNDS > 1:  # what it tells beyond the number of blocks takes three times as long
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
        self.feed = Feed(self.EVENTS)
        self.addCleanup(self.feed.thread.join, PATIENCE)
        self.seen = 0
        self.before: Growth | None = None

    def see(self, event: sse.SSEEvent) -> None:
        self.seen += 1
        self.assertEqual((event.id, event.data), (str(self.seen), str(self.seen)))
        if self.seen == self.EVENTS // 4:  # by then all caches are warm
            self.before = Growth()

    def assert_no_growth(self) -> None:
        assert self.before is not None
        after = Growth()
        self.assertEqual(self.seen, self.EVENTS)
        self.assertGreater(self.feed.connections, self.EVENTS // 2)
        self.assertLess(after.memory - self.before.memory, 100_000)
        self.assertLess(after.blocks - self.before.blocks, 500)
        self.assertLess(after.objects - self.before.objects, 200)
        self.assertLessEqual(after.sockets, self.before.sockets)
        self.assertLessEqual(after.threads, self.before.threads)

    def test_sync(self) -> None:
        with HastySSEClient(self.feed.url) as client:
            for event in client:
                self.see(event)
                client.waits.clear()
            self.assert_no_growth()

    def test_async(self) -> None:
        async def main() -> None:
            async with HastyAsyncSSEClient(self.feed.url) as client:
                async for event in client:
                    self.see(event)
                    client.waits.clear()
                    if len(asyncio.all_tasks()) > 1:
                        raise AssertionError(asyncio.all_tasks())
                self.assert_no_growth()

        asyncio.run(main())
