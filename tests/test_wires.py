"""The wires: whose an exception is, what a system does to a process, systems other than Linux."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import errno
import gc
import gzip
import itertools
import os
import pickle
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest import mock

import httpclient
import sse
from httpclient import BodyError, ConnectError, RequestTimeout
from tests import worlds
from tests.server import (
    CA,
    CHUNKED,
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
    AsyncWorld,
    Interrupting,
    World,
    in_both_worlds,
    is_async,
    needs_prompt_finalizers,
    signalled,
)

HERE = answer("data: here\n\n")
SIGNALS = hasattr(signal, "pthread_kill")
LINUX = sys.platform == "linux"


class Wires(World):
    """What a client asks of a link, in plain synchronous style."""

    def exchange(self, **options: Any) -> Any:
        kind = httpclient.AsyncExchange if is_async(self) else httpclient.Exchange
        return kind(**{"verify": CA, "proxy": "", **options})

    def step(self, coroutine: Any) -> Any:
        return self.run_async(coroutine) if is_async(self) else httpclient._run(lambda: coroutine)

    def open(self, exchange: Any, url: str, timeout: float | None = 30.0, **options: Any) -> Any:
        request = httpclient.Request(
            options.pop("method", "GET"), url, None, options.pop("content", None)
        )
        return self.step(exchange.open(request, timeout))

    @contextlib.contextmanager
    def released(self, exchange: Any) -> Iterator[Any]:
        try:
            yield exchange
        finally:
            self.step(exchange.release())


@contextlib.contextmanager
def phases() -> Iterator[dict[str, tuple[str, dict[str, Any], dict[str, Any]]]]:
    """All that a request may wait for: a URL, options of the exchange and of the request."""
    with contextlib.ExitStack() as stack:
        mute = stack.enter_context(Server(silent, repeat=True, read=False))
        deaf = stack.enter_context(Server(lambda conn: conn.wait("never"), repeat=True, read=False))
        listening = stack.enter_context(Server(silent, repeat=True))
        secure = stack.enter_context(Server(silent, repeat=True, tls=True))
        known: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
            "the proxy's answer to CONNECT": ("https://a.test/", {"proxy": mute.url}, {}),
            "handshake": (f"https://{mute.authority}/", {}, {}),
            "sending": (deaf.url, {}, {"method": "POST", "content": b"x" * 20_000_000}),
            "head": (listening.url, {}, {}),
            "head over TLS": (secure.url, {}, {}),
        }
        if LINUX:  # other systems do not leave a full backlog unanswered
            port = stack.enter_context(unanswered_port())
            known["connecting"] = (f"http://127.0.0.1:{port}/", {}, {})
        yield known


class Mine(OSError):
    """What a handler of the user raises, of a class that looks like the connection's."""


def raising(error: BaseException) -> Callable[..., None]:
    def handler(signum: int, frame: Any) -> None:
        raise error

    return handler


RAISED = [
    TimeoutError("deadline"), ConnectionResetError("mine"), BlockingIOError(errno.EAGAIN, "mine"),
    Mine("mine"),
    BrokenPipeError("mine"), RequestTimeout("mine"), BodyError("mine"), InterruptedError("mine"),
    ValueError("mine"), KeyboardInterrupt(), SystemExit(7),
]  # fmt: skip


@unittest.skipUnless(SIGNALS, "signals cannot be sent to a thread here")
@in_both_worlds
class Signals(Interrupting, Wires):
    """What a signal handler raises comes out unchanged, whatever its class; nothing is left."""

    def setUp(self) -> None:
        super().setUp()
        before = signal.getsignal(signal.SIGUSR1)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

    @contextlib.contextmanager
    def interrupted(self, handler: Callable[..., Any], after: float = 0.1) -> Iterator[None]:
        """The signal comes when the wire waits for something, as long as it waits."""
        with signalled(handler, 0.002) as begin:
            poll, beginning = httpclient._poll, [begin]

            def waiting(sock: Any, events: int, seconds: float) -> int:
                if seconds > after and beginning:
                    beginning.pop()()
                return poll(sock, events, seconds)

            with mock.patch("httpclient._poll", waiting):
                yield

    def test_while_waiting(self) -> None:
        if is_async(self):
            return  # there the loop waits, and what a handler raises leaves the loop
        with phases() as known:
            for name, (url, options, sent) in known.items():
                for error in RAISED:
                    with self.subTest(name, error=type(error).__name__):
                        error.__traceback__ = error.__context__ = None
                        exchange = self.exchange(**options)
                        with (
                            self.interrupted(raising(error)),
                            self.assertRaises(type(error)) as caught,
                        ):
                            self.open(exchange, url, **sent)
                        self.assertIs(caught.exception, error)

    def test_in_the_body_reading_goes_on(self) -> None:
        """And no byte is lost."""
        if is_async(self):
            return
        for tls in (False, True):
            for error in RAISED:
                error.__traceback__ = error.__context__ = None

                def script(conn: Connection) -> None:
                    conn.send(head(CHUNKED), chunk("one"))
                    conn.wait("interrupted")
                    conn.send(chunk("two"))
                    conn.stall()

                with self.subTest(type(error).__name__, tls=tls), Server(script, tls=tls) as server:
                    with self.released(self.exchange(idle_timeout=300.0)) as exchange:
                        self.open(exchange, server.url)
                        self.assertEqual(self.step(exchange.read()), b"one")
                        with (
                            self.interrupted(raising(error)),
                            self.assertRaises(type(error)) as caught,
                        ):
                            self.step(exchange.read())
                        self.assertIs(caught.exception, error)
                        self.assertTrue(exchange.whole)
                        server.signal("interrupted")
                        self.assertEqual(self.step(exchange.read()), b"two")

    def test_a_handler_that_closes_and_raises(self) -> None:
        if is_async(self):
            return
        with phases() as known:
            for name, (url, options, sent) in known.items():
                for error in (SystemExit(7), TimeoutError("deadline")):
                    with self.subTest(name, error=error):
                        exchange = self.exchange(**options)

                        def handler(
                            signum: int, frame: Any, error: Any = error, exchange: Any = exchange
                        ) -> None:
                            exchange.interrupt()
                            raise error

                        with self.interrupted(handler), self.assertRaises(type(error)) as caught:
                            self.open(exchange, url, **sent)
                        self.assertIs(caught.exception, error)

    def test_a_handler_that_only_closes(self) -> None:
        if is_async(self):
            return
        with phases() as known:
            for name, (url, options, sent) in known.items():
                with self.subTest(name):
                    exchange = self.exchange(**options)
                    with (
                        self.interrupted(lambda *_, ended=exchange: ended.interrupt()),
                        self.assertRaises(ConnectError),
                    ):
                        self.open(exchange, url, **sent)

    def test_while_something_is_done(self) -> None:
        """In frames of ours, in both worlds; then bytes are on their way."""

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED))
            conn.wait("opened")
            conn.send(chunk("data: x\n\n"))
            conn.stall()

        for error in RAISED[:-2]:
            signal.signal(signal.SIGUSR1, raising(error))
            for method in ("feed", "receive"):
                inner = getattr(httpclient.ResponseParser, method)

                def outer(parser: Any, data: bytes, inner: Any = inner) -> Any:
                    signal.raise_signal(signal.SIGUSR1)
                    return inner(parser, data)

                error.__traceback__ = error.__context__ = None
                patch = mock.patch.object(httpclient.ResponseParser, method, outer)
                with self.subTest(type(error).__name__, method=method), Server(script) as server:
                    with self.released(self.exchange()) as exchange:
                        if method == "feed":
                            with patch, self.assertRaises(type(error)) as caught:
                                self.open(exchange, server.url)
                        else:
                            self.open(exchange, server.url)
                            exchange._parser.read()
                            server.signal("opened")
                            with patch, self.assertRaises(type(error)) as caught:
                                self.step(exchange.read())
                        self.assertIs(caught.exception, error)
                        self.assertFalse(exchange.whole)

    def test_while_a_name_is_resolved(self) -> None:
        if is_async(self):
            return

        def resolve(*args: Any, **options: Any) -> Any:
            signal.raise_signal(signal.SIGUSR1)

        for error in RAISED:
            error.__traceback__ = error.__context__ = None
            signal.signal(signal.SIGUSR1, raising(error))
            with self.subTest(type(error).__name__), mock.patch("socket.getaddrinfo", resolve):
                with self.assertRaises(type(error)) as caught:
                    self.open(self.exchange(), "http://service.test/")
                self.assertIs(caught.exception, error)

    def test_whose_it_is(self) -> None:
        """By the frame that a handler is given, however it takes it."""

        class Handler:
            def __call__(self, *both: Any) -> None:
                self.deeper()

            def deeper(self) -> None:
                raise Mine

        def named(signum: int, frame: Any) -> None:
            raise Mine

        def keyword_only(*both: Any, other: int = 0) -> None:
            raise Mine

        def careful(signum: int, frame: Any) -> None:
            del signum, frame
            Handler().deeper()

        for handler in (Handler(), named, keyword_only, careful, lambda *_: Handler().deeper()):
            signal.signal(signal.SIGUSR1, handler)
            self.assertTrue(self.judged(lambda: signal.raise_signal(signal.SIGUSR1)))
        self.assertFalse(self.judged(Handler().deeper))
        self.assertFalse(self.judged(lambda: named(0, None)))

    def judged(self, function: Callable[[], object]) -> bool:
        try:
            function()
        except Mine as error:  # assertRaises would take its traceback away
            return httpclient._is_from_handler(error)
        raise AssertionError


class Cancelled(AsyncWorld):
    """Who awaits is cancelled by nobody but its caller, and then always."""

    def trial(self, url: str, sent: dict[str, Any], exchange: Any, turns: int, *deeds: str) -> Any:
        """What becomes of a task that opens, to which `deeds` are done at once after some turns."""

        async def main() -> Any:
            request = httpclient.Request(sent.get("method", "GET"), url, None, sent.get("content"))
            task = asyncio.ensure_future(exchange.open(request, 30.0))
            for _ in range(turns):
                await asyncio.sleep(0)
            for deed in deeds:
                task.cancel() if deed == "cancel" else exchange.interrupt()
            await asyncio.wait([task], timeout=20.0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return "cancelled" if task.cancelled() else type(task.exception())

        return self.run_async(main())

    def test_in_each_phase(self) -> None:
        with phases() as known:
            for name, (url, options, sent) in known.items():
                for turns in (1, 2, 3, 5, 30):
                    for deeds in (("cancel",), ("cancel", "interrupt"), ("interrupt", "cancel")):
                        with self.subTest(name, turns=turns, deeds=deeds):
                            exchange = httpclient.AsyncExchange(
                                **{"verify": CA, "proxy": "", **options}
                            )
                            self.assertEqual(
                                self.trial(url, sent, exchange, turns, *deeds), "cancelled"
                            )
                    with self.subTest(name, turns=turns):
                        exchange = httpclient.AsyncExchange(
                            **{"verify": CA, "proxy": "", **options}
                        )
                        self.assertEqual(
                            self.trial(url, sent, exchange, turns, "interrupt"), httpclient._Closed
                        )

    def test_while_a_name_is_resolved(self) -> None:
        asked, answered = threading.Event(), threading.Event()

        def resolve(*args: Any, **options: Any) -> Any:
            asked.set()
            answered.wait(20.0)
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        with mock.patch("socket.getaddrinfo", resolve):
            for deeds in (("cancel",), ("cancel", "interrupt"), ("interrupt", "cancel")):
                exchange = httpclient.AsyncExchange(proxy="")
                self.assertEqual(
                    self.trial("http://service.test/", {}, exchange, 3, *deeds), "cancelled"
                )
            exchange = httpclient.AsyncExchange(proxy="")
            self.assertIs(
                self.trial("http://service.test/", {}, exchange, 3, "interrupt"), httpclient._Closed
            )
            asked.wait(20.0)
            answered.set()

    @unittest.skipUnless(LINUX, "other systems do not leave a full backlog unanswered")
    def test_at_the_moment_of_our_own_limit(self) -> None:
        """Both may win; the task ends in either case, and a cancellation asked for is one."""

        async def main(port: int) -> None:
            for _ in range(20):
                get = httpclient.async_get(f"http://127.0.0.1:{port}/", timeout=0.01)
                task = asyncio.ensure_future(get)
                asked = []
                loop = asyncio.get_running_loop()
                loop.call_later(0.01, lambda: asked.append(task.cancel()))  # noqa: B023
                done, _ = await asyncio.wait([task], timeout=20.0)
                self.assertTrue(done)
                if not task.cancelled():
                    self.assertIsInstance(task.exception(), RequestTimeout)
                    self.assertNotIn(True, asked)

        with unanswered_port() as port:
            self.run_async(main(port))

    def test_reading_goes_on(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("one"))
            conn.wait("cancelled")
            conn.send(chunk("two"))
            conn.stall()

        async def main(server: Server) -> None:
            exchange = httpclient.AsyncExchange(CA)
            await exchange.open(httpclient.Request("GET", server.url, None, None))
            self.assertEqual(await exchange.read(), b"one")
            for _ in range(3):
                task = asyncio.ensure_future(exchange.read())
                await asyncio.sleep(0)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertTrue(exchange.whole)
            server.signal("cancelled")
            self.assertEqual(await exchange.read(), b"two")
            await exchange.release()

        for tls in (False, True):
            with self.subTest(tls=tls), Server(script, tls=tls) as server:
                self.run_async(main(server))

    def test_while_others_run_between_two_unpacked_pieces(self) -> None:
        """Nothing is on its way then, so reading goes on and no byte is lost."""
        turns = itertools.count()

        def turn(exchange: Any) -> Any:
            task = asyncio.current_task()
            if task is not None and next(turns) % 2:
                task.cancel()
            return httpclient._Turn()

        async def main(server: Server) -> None:
            exchange = httpclient.AsyncExchange(CA)
            await exchange.open(httpclient.Request("GET", server.url, None, None))
            received, piece, cancelled = b"", b"", 0
            while piece or not received:
                task = asyncio.ensure_future(exchange.read())
                await asyncio.wait([task])
                if task.cancelled():
                    self.assertTrue(exchange.whole)
                    cancelled += 1
                else:
                    piece = task.result()
                    received += piece
            self.assertEqual(received, content)
            self.assertGreater(cancelled, 2)

        content = bytes(range(256)) * 2000
        zipped = answer(gzip.compress(content), "Content-Encoding: gzip")
        for tls in (False, True):
            with self.subTest(tls=tls), Server(zipped, tls=tls) as server:
                with mock.patch.object(httpclient.AsyncExchange, "_turn", turn):
                    self.run_async(main(server))

    def test_a_second_cancellation(self) -> None:
        """As anyio's scopes send it, in each turn."""

        async def main(server: Server) -> None:
            task = asyncio.ensure_future(httpclient.async_get(server.url, stream=True))
            while not server.requests:
                await asyncio.sleep(0.001)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            self.assertTrue(task.cancelled())

        with Server(silent) as server:
            self.run_async(main(server))
            self.turn()
            server.wait_gone(1)


@needs_prompt_finalizers
@unittest.skipUnless(sse._GIL, "here the thread that made something finalizes it, when it gets to that")
class Dropped(AsyncWorld):
    def test_in_another_thread(self) -> None:
        """The loop is told, and closes the connection, though it has nothing else to do."""

        async def exchange(server: Server) -> Any:
            opened = httpclient.AsyncExchange()
            await opened.open(httpclient.Request("GET", server.url, None, None))
            return opened

        async def response(server: Server) -> Any:
            return await httpclient.async_get(server.url, stream=True)

        async def application(server: Server) -> Any:
            async def app(scope: Any, receive: Any, send: Any) -> None:
                await send({"type": "http.response.start", "status": 200})
                while (await receive())["type"] != "http.disconnect":
                    pass
                server.signal("gone")

            return await httpclient.ASGITransport(app)("GET", "http://a/")

        async def client(server: Server) -> Any:
            events = sse.async_connect(server.url)
            await anext(events)
            return events

        def drop(kept: list[Any], seen: Callable[[], object]) -> None:
            kept.clear()
            seen()

        async def main(make: Callable[[Server], Any], server: Server) -> None:
            kept = [await make(server)]
            in_process = make is application
            seen = partial(server.wait, "gone") if in_process else partial(server.wait_gone, 1)
            await asyncio.get_running_loop().run_in_executor(None, drop, kept, seen)

        for make in (exchange, response, application, client):
            scripts = [] if make is application else [stream("data: 1\n\n", end="open")]
            with self.subTest(make.__name__), Server(*scripts) as server:
                self.run_async(main(make, server))
                self.turn()
                self.assertIn("ResourceWarning", self.unseen.pop())
                self.assertEqual(self.unseen, [])


def forked(work: Callable[[], object]) -> None:
    """Do it in a child, and wait for that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are threads: the child does not use what they hold
        child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status


@unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
@in_both_worlds
class Forks(Wires):
    def test_what_a_child_does_with_it(self) -> None:
        """Nothing of it reaches the connection, which is the parent's."""

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("0"))
            for number in range(1, 5):
                conn.wait(str(number))
                conn.send(chunk(str(number)))
            conn.stall()

        for tls in (False, True):
            with self.subTest(tls=tls), Server(script, tls=tls) as server:
                with self.released(self.exchange()) as exchange:
                    self.open(exchange, server.url)
                    self.assertEqual(self.step(exchange.read()), b"0")

                    def release(exchange: Any = exchange) -> None:
                        with contextlib.suppress(StopIteration):
                            exchange.release().send(None)

                    def drop(exchange: Any = exchange) -> None:
                        lock = getattr(exchange._wire, "_lock", None)
                        if lock is not None:  # that another thread held at the moment of the fork
                            threading.Thread(target=lock.acquire).start()
                        wire = exchange._wire
                        if is_async(self):
                            exchange.__del__()
                        exchange.interrupt()
                        assert wire._sock.fileno() < 0
                        del wire._sock, wire._transport
                        gc.collect()
                        assert not self.unseen, self.unseen

                    deeds = [
                        exchange.interrupt,
                        exchange.stop,
                        release,
                        drop if is_async(self) else exchange.interrupt,
                    ]
                    for number, deed in enumerate(deeds, 1):
                        forked(deed)
                        server.signal(str(number))
                        self.assertEqual(self.step(exchange.read()), str(number).encode())

    def test_a_child_that_drops_a_connect(self) -> None:
        """The parent's selector goes on watching it."""
        if not is_async(self) or not LINUX:
            return

        async def main(port: int) -> None:
            exchange, loop = httpclient.AsyncExchange(), asyncio.get_running_loop()
            steps = exchange.open(
                httpclient.Request("GET", f"http://127.0.0.1:{port}/", None, None), 30.0
            )
            task = asyncio.ensure_future(steps)
            while not exchange._wire or not exchange._wire._wakeup.waiting():
                await asyncio.sleep(0)

            def drop() -> None:
                with mock.patch.object(loop, "remove_writer", side_effect=AssertionError):
                    steps.close()

            forked(drop)
            task.cancel()
            await asyncio.wait([task])

        with unanswered_port() as port:
            self.run_async(main(port))


PROGRAM = """
    import asyncio, contextlib, gc, os, sys, warnings
    import httpclient
    url = sys.argv[1]
"""


def program(
    text: str, *arguments: str, options: tuple[str, ...] = (), **more: Any
) -> subprocess.Popen[str]:
    path = os.path.dirname(os.path.abspath(httpclient.__file__))
    command = [
        sys.executable,
        *options,
        "-c",
        textwrap.dedent(PROGRAM) + textwrap.dedent(text),
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": path}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **more
    )


class Processes(World):
    @unittest.skipUnless(hasattr(signal, "SIGSTOP"), "processes cannot be stopped here")
    def test_stopped_for_longer_than_the_limit_on_silence(self) -> None:
        """What has arrived meanwhile is looked at first."""
        never = threading.Event()
        texts = {
            "sync": """
                with httpclient.get(url, stream=True, idle_timeout=0.5) as response:
                    for line in response.iter_lines(): print(line, flush=True)
            """,
            "async": """
                async def main():
                    got = await httpclient.async_get(url, stream=True, idle_timeout=0.5)
                    async with got as response:
                        async for line in response.aiter_lines(): print(line, flush=True)
                asyncio.run(main())
            """,
        }

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("one\n"))
            while not conn.server.signalled("stopped"):  # no silence before
                conn.send(chunk("-"))
                never.wait(0.02)
            conn.send(chunk("\n"), "0\r\n\r\n")

        with contextlib.ExitStack() as stack:
            started = []
            for text in texts.values():
                server = stack.enter_context(Server(script))
                process = stack.enter_context(program(text, server.url))
                started.append((server, process))
            for server, process in started:
                assert process.stdout is not None
                self.assertEqual(process.stdout.readline(), "one\n")
                process.send_signal(signal.SIGSTOP)
                server.signal("stopped")
            never.wait(0.7)
            for _, process in started:
                process.send_signal(signal.SIGCONT)
            for _, process in started:
                line, error = process.communicate(timeout=60)
                self.assertRegex(line, "^-*\n$")
                self.assertEqual(error, "")

    def test_the_end_of_the_interpreter(self) -> None:
        """Nothing is said about what is left in a global, in a cycle, or with a closed loop."""
        texts = {
            "a global": "kept = response",
            "a cycle": "kept = [response]; kept.append(kept)",
            "a dropped one": "del response",
        }
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(stream("x", end="open"), repeat=True))
            started = {}
            for name, text in texts.items():
                for options in ((), ("-W", "error")):
                    script = f"""
                        async def main():
                            global kept, response
                            response = await httpclient.async_get(url, stream=True)
                            {text}
                        loop = asyncio.new_event_loop()
                        loop.run_until_complete(main())
                        {"loop.close()" if options else ""}
                        sys.stdout.write("done")
                    """
                    if name != "a dropped one" or not options:  # else the warning is an error
                        process = stack.enter_context(program(script, server.url, options=options))
                        started[name, options] = process
            for which, process in started.items():
                with self.subTest(which):
                    self.assertEqual(process.communicate(timeout=60), ("done", ""))

    def test_a_loop_closed_under_a_task(self) -> None:
        script = """
            async def main():
                async with await httpclient.async_get(url, stream=True) as response:
                    async for _ in response.aiter_bytes():
                        print("read", flush=True)
                        read.set()
            async def opening():
                await httpclient.async_get(url, stream=True)
            loop = asyncio.new_event_loop()
            tasks = [loop.create_task(main())] + [loop.create_task(opening()) for _ in range(2)]
            read = asyncio.Event()
            loop.run_until_complete(read.wait())
            loop.run_until_complete(asyncio.sleep(0.05))  # and the others are waiting, most likely
            for task in tasks: task._log_destroy_pending = False
            loop.close()
            del tasks, task
            gc.collect()
        """
        with Server(stream("x", end="open"), silent, silent) as server:
            with program(script, server.url) as process:
                self.assertEqual(process.communicate(timeout=60), ("read\n", ""))

    def test_nothing_is_imported_when_a_connection_is_lost(self) -> None:
        """Descriptors may have run out."""
        script = """
            class Refusing:
                def find_spec(self, name, *_): raise OSError(24, "Too many open files: " + name)
            def attempt(get):
                try: get()
                except httpclient.HTTPClientError as error: print(type(error).__name__)
            async def read():
                await httpclient.async_get(url)
            for get in (lambda: httpclient.get(url), lambda: asyncio.run(read())):
                attempt(get)
                sys.meta_path.insert(0, Refusing())
                attempt(get)
                sys.meta_path.pop(0)
        """
        with Server(stream("x", end="cut"), repeat=True) as server:
            with program(script, server.url) as process:
                self.assertEqual(process.communicate(timeout=60), ("BodyError\n" * 4, ""))


@in_both_worlds
class Systems(Wires):
    def test_descriptors_run_out(self) -> None:
        scarce = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        with self.subTest("socket"), mock.patch("httpclient._Connecting", side_effect=scarce):
            with self.assertRaises(ConnectError) as caught:
                self.open(self.exchange(), "http://127.0.0.1:9/")
            self.assertIn("Too many open files", str(caught.exception))
            self.assertFalse(caught.exception.fatal)
        empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        certificates = mock.patch.dict(os.environ, {"SSL_CERT_FILE": CA, "SSL_CERT_DIR": "/none"})
        kept = mock.patch.dict(httpclient._contexts, clear=True)
        with self.subTest("certificates"), certificates, kept, Server(HERE, tls=True) as server:
            made = mock.patch("ssl.create_default_context", return_value=empty)
            with made, mock.patch("builtins.open", side_effect=scarce):
                with self.assertRaises(ConnectError) as caught:
                    self.open(self.exchange(verify=True), server.url)
            self.assertFalse(caught.exception.fatal)
            with self.released(self.exchange(verify=True)) as exchange:
                self.assertEqual(self.open(exchange, server.url).status_code, 200)

    def test_threads_run_out(self) -> None:
        """The asynchronous world takes one to look up a name; the end of all threads is no lack."""
        if not is_async(self):
            return
        failed = {
            "can't start new thread": True,
            "can't create new thread at interpreter shutdown": False,
            "cannot schedule new futures after shutdown": False,
        }
        for text, passes in failed.items():
            error: Any = RuntimeError(text)
            with self.subTest(text), mock.patch("threading.Thread.start", side_effect=error):
                with self.assertRaises(ConnectError if passes else RuntimeError) as caught:
                    self.open(self.exchange(), "http://a.test/")
                if passes:
                    self.assertFalse(caught.exception.fatal)
                    self.assertRegex(str(caught.exception), "^cannot connect to a.test: no thread")
                else:
                    self.assertIs(caught.exception, error)

    def test_keepalive_finds_the_peer_gone(self) -> None:
        """In the system's words, not as a limit of ours."""
        gone = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

        def recv(*args: Any) -> bytes:
            raise gone

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("one"))
            conn.wait("patched")
            conn.send("0")
            conn.stall()

        if is_async(self) and not hasattr(self.loop, "_selector"):
            self.skipTest("this loop does not receive through the socket")
        for idle in (None, 300.0):
            with self.subTest(idle=idle), Server(script) as server, contextlib.ExitStack() as stack:
                exchange = stack.enter_context(self.released(self.exchange(idle_timeout=idle)))
                self.open(exchange, server.url)
                self.assertEqual(self.step(exchange.read()), b"one")
                if is_async(self):
                    stack.enter_context(mock.patch.object(socket.socket, "recv", recv, create=True))
                else:
                    exchange._wire._receive = map(recv, [1, 2, 3])
                server.signal("patched")
                with self.assertRaises(BodyError) as caught:
                    self.step(exchange.read())
                self.assertIn(os.strerror(errno.ETIMEDOUT), str(caught.exception))
                self.assertNotIsInstance(caught.exception, TimeoutError)

    def test_ended_by_us(self) -> None:
        error = httpclient._Closed()
        self.assertIsInstance(error, ConnectError)
        for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            self.assertEqual((type(other), str(other)), (type(error), str(error)))

    def test_an_option_that_the_system_refuses(self) -> None:
        def refuse(sock: Any, *option: Any) -> None:
            raise OSError(errno.ENOPROTOOPT, "no such option")

        with (
            Server(HERE) as server,
            mock.patch.object(socket.socket, "setsockopt", refuse, create=True),
        ):
            with self.released(self.exchange()) as exchange:
                self.open(exchange, server.url)
                self.assertEqual(self.step(exchange.read()), b"data: here\n\n")

    def test_a_clock_that_stands_still(self) -> None:
        """A limit on silence holds though somebody, a test most likely, has frozen the time."""
        server = Server(stream("x", end="open"), repeat=True)
        with server, mock.patch("httpclient.monotonic", float):
            for slices in ({}, {"_WAKES": False, "_SLICE": 0.02}):
                limits = mock.patch.multiple(httpclient, **slices) if slices else None
                with limits or contextlib.nullcontext():
                    with self.released(self.exchange(idle_timeout=0.05)) as exchange:
                        self.open(exchange, server.url)
                        self.assertEqual(self.step(exchange.read()), b"x")
                        with self.assertRaises(RequestTimeout):
                            self.step(exchange.read())

    def test_texts_of_winsock(self) -> None:
        table = {errno.ECONNREFUSED: "No connection could be made."}
        with (
            mock.patch("socket.errorTab", table, create=True),
            mock.patch("os.strerror", return_value="Unknown error"),
        ):
            with self.assertRaises(ConnectError) as caught:
                self.open(self.exchange(), f"http://127.0.0.1:{refused_port()}/")
        self.assertIsInstance(caught.exception.__cause__, ConnectionRefusedError)
        self.assertIn("No connection could be made", str(caught.exception.__cause__))

    def test_no_unix_sockets(self) -> None:
        with (
            mock.patch("httpclient.socket", mock.Mock(spec=[])),
            self.assertRaises(ValueError) as caught,
        ):
            httpclient.check(True, None, "/run/x")
        self.assertIn("Unix sockets", str(caught.exception))

    @unittest.skipUnless(hasattr(socket, "AF_UNIX") and LINUX, "as Linux does it")
    def test_a_full_backlog_of_a_unix_socket(self) -> None:
        never = threading.Event()
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            path = os.path.join(folder, "socket")
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen(0)
            full, waiting = 0, 0
            while not full:  # PyPy lets in one more than CPython
                filler = stack.enter_context(socket.socket(socket.AF_UNIX))
                filler.setblocking(False)
                full = filler.connect_ex(path)
                waiting += not full
            with self.assertRaises(RequestTimeout):
                self.open(self.exchange(uds=path), "http://a/", timeout=0.1)
            exchange = self.exchange(uds=path)
            threading.Timer(0.05, exchange.interrupt).start()
            if not is_async(self):
                with self.assertRaises(httpclient._Closed):
                    self.open(exchange, "http://a/")

            def serve() -> None:
                never.wait(0.05)
                for _ in range(waiting + 1):
                    sock = stack.enter_context(listener.accept()[0])
                sock.recv(65536)
                sock.sendall(HERE)

            thread = threading.Thread(target=serve)
            thread.start()
            with self.released(self.exchange(uds=path)) as exchange:
                self.open(exchange, "http://a/")
                self.assertEqual(self.step(exchange.read()), b"data: here\n\n")
            thread.join()

    @needs_prompt_finalizers
    def test_a_dropped_exchange_closes_before_it_warns(self) -> None:
        if not is_async(self):
            return  # there the socket itself does so
        with Server(stream("x", end="open")) as server:
            exchange = self.exchange()
            self.open(exchange, server.url)
            del exchange
            gc.collect()
            self.turn()
            server.wait_gone(1)
            self.assertIn("ResourceWarning", self.unseen.pop())

    def test_silence_while_signals_keep_coming(self) -> None:
        if not SIGNALS or is_async(self):
            return
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.007, 0.007)
            with Server(stream("x", end="open")) as server:
                with self.released(self.exchange(idle_timeout=0.2)) as exchange:
                    self.open(exchange, server.url)
                    self.step(exchange.read())
                    with self.assertRaises(RequestTimeout):
                        self.step(exchange.read())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


class Alarm(Exception):
    """What a handler of the user raises to end a step that takes long."""


@in_both_worlds
class Silence(Wires):
    """The limit on it, for who gives up a step when nothing comes, and asks again later."""

    def setUp(self) -> None:
        super().setUp()
        self.passed = 0.0  # seconds that were only claimed to have passed
        real, poll = httpclient.monotonic, httpclient._poll
        if is_async(self):
            if worlds.LOOP == "uvloop":
                self.skipTest("its clock cannot be set forward")
            clock = self.loop.time
            self.loop.time = lambda: clock() + self.passed

        def waiting(socks: Any, events: int, seconds: float) -> int:
            ready = poll(socks, events, min(seconds, 0.01))
            if not ready and seconds > 0.01:
                raise Alarm
            return ready

        self.patches = {"monotonic": lambda: real() + self.passed, "_poll": waiting}

    def poll(self, exchange: Any) -> bytes:
        """A step that takes no longer than a moment; `b""`: nothing came."""
        try:
            if is_async(self):
                return self.step(asyncio.wait_for(exchange.read(), 0.02))  # type: ignore[no-any-return]
            with mock.patch.multiple(httpclient, **self.patches):
                return self.step(exchange.read())  # type: ignore[no-any-return]
        except (Alarm, asyncio.TimeoutError) as error:
            if isinstance(error, RequestTimeout):
                raise
            self.assertTrue(exchange.whole)
            return b""

    def script(self, conn: Connection) -> None:
        conn.send(head(CHUNKED), chunk("one"))
        for piece in ("two", "three"):
            conn.wait(piece)
            conn.send(chunk(piece))
            conn.server.signal(f"sent {piece}")
        conn.stall()

    def test_a_step_given_up_does_not_begin_it_anew(self) -> None:
        for tls in (False, True):
            with self.subTest(tls=tls), Server(self.script, tls=tls) as server:
                with self.released(self.exchange(idle_timeout=100.0)) as exchange:
                    self.open(exchange, server.url)
                    self.assertEqual(self.poll(exchange), b"one")
                    for _ in range(2):
                        self.assertEqual(self.poll(exchange), b"")
                        self.passed += 60.0
                    with self.assertRaisesRegex(RequestTimeout, "silence for idle_timeout=100 s"):
                        self.poll(exchange)

    def test_what_is_no_silence(self) -> None:
        """What the caller does between a byte and the first step that waits; and what arrives while
        nobody waits, however late it is looked at.
        """
        for tls in (False, True):
            with self.subTest(tls=tls), Server(self.script, tls=tls) as server:
                with self.released(self.exchange(idle_timeout=100.0)) as exchange:
                    self.open(exchange, server.url)
                    self.assertEqual(self.poll(exchange), b"one")
                    for piece in ("two", "three"):
                        self.passed += 1000.0
                        self.assertEqual(self.poll(exchange), b"")
                        self.passed += 60.0
                        self.assertEqual(self.poll(exchange), b"")
                        self.passed += 1000.0
                        server.signal(piece)
                        server.wait(f"sent {piece}")
                        self.assertEqual(self.poll(exchange), piece.encode())

    def test_steps_that_are_given_up_at_once(self) -> None:
        class Interrupted:
            def __next__(self) -> None:
                raise Alarm

        async def at_once(exchange: Any) -> None:
            task = asyncio.ensure_future(exchange.read())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0.01)  # the caller does something else
            self.assertTrue(task.cancelled() or task.result())

        with Server(self.script) as server:
            with self.released(self.exchange(idle_timeout=100.0)) as exchange:
                self.open(exchange, server.url)
                self.assertEqual(self.poll(exchange), b"one")
                if not is_async(self):
                    exchange._wire._receive = Interrupted()
                with self.assertRaises(RequestTimeout):
                    for _ in range(20):
                        self.step(at_once(exchange)) if is_async(self) else self.poll(exchange)
                        self.passed += 60.0


def other_system(test: unittest.TestCase) -> None:
    """Windows and macOS, as far as they can be had here: a shutdown wakes nobody, sockets have no
    timeout of the system's, there is no poll(), and a loop that watches no descriptors.
    """
    limits = {"_WAKES": False, "_QUICK": False, "_SLICE": 0.02}
    patches = [mock.patch.object(httpclient, name, value) for name, value in limits.items()]
    patches.append(mock.patch.object(httpclient, "_shut_down", lambda sock: None))
    patches.append(
        mock.patch.object(httpclient, "select", mock.Mock(spec=["select"], select=select.select))
    )
    patches.append(
        mock.patch.object(asyncio.SelectorEventLoop, "add_writer", side_effect=NotImplementedError)
    )
    for patch in patches:
        patch.start()
        test.addCleanup(patch.stop)


@in_both_worlds
class OtherSystems(Wires):
    def setUp(self) -> None:
        super().setUp()
        other_system(self)

    def test_requests(self) -> None:
        for tls in (False, True):
            body = b"y" * 3_000_000
            with self.subTest(tls=tls), Server(answer("x" * 1_000_000), tls=tls) as server:
                response = self.request("POST", server.url, content=body, verify=CA)
                self.assertEqual(len(response.content), 1_000_000)
                self.assertEqual(server.requests[0].body, body)

    def test_silence(self) -> None:
        with (
            Server(stream("x", end="open")) as server,
            self.released(self.exchange(idle_timeout=0.1)) as exchange,
        ):
            self.open(exchange, server.url)
            self.assertEqual(self.step(exchange.read()), b"x")
            with self.assertRaises(RequestTimeout):
                self.step(exchange.read())

    def test_a_limit_in_each_phase(self) -> None:
        with phases() as known:
            for name, (url, options, sent) in known.items():
                with self.subTest(name), self.assertRaises(RequestTimeout):
                    self.open(self.exchange(**options), url, timeout=0.05, **sent)

    def test_refused(self) -> None:
        with self.assertRaises(ConnectError) as caught:
            self.open(self.exchange(), f"http://127.0.0.1:{refused_port()}/")
        self.assertIn(os.strerror(errno.ECONNREFUSED), str(caught.exception))

    def test_ended_from_outside_in_each_phase(self) -> None:
        """From another thread, or another task, while nothing wakes who waits."""
        with phases() as known:
            for name, (url, options, sent) in known.items():
                with self.subTest(name):
                    exchange = self.exchange(**options)
                    if is_async(self):
                        self.loop.call_later(0.03, exchange.interrupt)
                    else:
                        threading.Timer(0.03, exchange.interrupt).start()
                    with self.assertRaises(httpclient._Closed):
                        self.open(exchange, url, **sent)

    def test_stopped(self) -> None:
        """Nothing that had arrived is lost, and what comes later is not waited for."""

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("one"), chunk("two"))
            conn.stall()

        with Server(script) as server, self.released(self.exchange()) as exchange:
            self.open(exchange, server.url)
            if is_async(self):
                self.loop.call_later(0.03, exchange.stop)
            else:
                threading.Timer(0.03, exchange.stop).start()
            received = b""
            with self.assertRaises(BodyError):
                while True:
                    received += self.step(exchange.read())
            self.assertEqual(received, b"onetwo")


class PlainWakeup:
    """`httpclient._Wakeup` in terms of `asyncio.Future`: the task runs in the loop's next turn."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] | None = None

    def __await__(self) -> Any:
        if self.waiting():
            raise RuntimeError("another task is waiting for this connection")
        self._future = self._loop.create_future()
        return self._future.__await__()

    def waiting(self) -> bool:
        return self._future is not None and not self._future.done()

    def now(self) -> None:
        if self.waiting():
            self._future.set_result(None)

    soon = now


class Entered(unittest.TestCase):
    def test_what_is_raised_before_the_first_step(self) -> None:
        """As by a signal handler: no coroutine is left over that was never awaited."""

        class Interrupted(Exception):
            pass

        def trace(frame: Any, event: str, argument: Any) -> None:
            if frame.f_code is httpclient._run.__code__:
                raise Interrupted

        before = sys.gettrace()
        with warnings.catch_warnings(record=True) as caught, self.assertRaises(Interrupted):
            warnings.simplefilter("always")
            sys.settrace(trace)
            try:
                httpclient.get("http://127.0.0.1:1/")
            finally:
                sys.settrace(before)
        self.assertEqual([w for w in caught if "never awaited" in str(w.message)], [])


class Wakeups(AsyncWorld):
    def test_a_task_that_runs_the_loop(self) -> None:
        """As nest_asyncio allows: then another task cannot be run inside `data_received`."""

        async def main() -> None:
            wire = httpclient._AsyncWire(None)
            task = asyncio.ensure_future(wire.recv())
            await asyncio.sleep(0)
            wire.data_received(b"one")  # while this task is running
            wire.data_received(b"two")
            self.assertEqual(await task, b"onetwo")
            wire.interrupt()

        self.run_async(main())

    def test_two_tasks(self) -> None:
        async def main() -> None:
            wire = httpclient._AsyncWire(None)
            task = asyncio.ensure_future(wire.recv())
            await asyncio.sleep(0)
            with self.assertRaises(RuntimeError):
                await wire.recv()
            wire.data_received(b"one")
            self.assertEqual(await task, b"one")
            wire.interrupt()

        self.run_async(main())

    def test_an_end_behind_the_limit_on_silence(self) -> None:
        """It is what ends the wire, though nobody waits as long as the loop looks for it."""

        async def main() -> None:
            wire = httpclient._AsyncWire(None)
            wire.idle = 0.001
            task = asyncio.ensure_future(wire.recv())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            while self.loop.time() < wire.until:
                await asyncio.sleep(0.001)
            wire.eof_received()
            wire(again=True)
            self.assertEqual(await wire.recv(), b"")
            wire.interrupt()

        self.run_async(main())

    @unittest.skipUnless(hasattr(asyncio, "eager_task_factory"), "tasks do not start at once here")
    def test_eager_tasks(self) -> None:
        with Server(HERE, repeat=True) as server:

            async def main() -> None:
                asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
                tasks = [asyncio.ensure_future(httpclient.async_get(server.url)) for _ in range(5)]
                for task in tasks:
                    self.assertEqual((await task).text, "data: here\n\n")

            self.run_async(main())


def with_plain_wakeups() -> None:
    """The same scenarios, waiting for futures of asyncio."""

    def setUp(self: Any) -> None:
        patch = mock.patch.object(httpclient, "_Wakeup", PlainWakeup)
        patch.start()
        self.addCleanup(patch.stop)
        super(type(self), self).setUp()

    for case in (
        Cancelled,
        globals()["SystemsAsync"],
        globals()["SilenceAsync"],
        globals()["OtherSystemsAsync"],
        globals()["ForksAsync"],
    ):
        name = "Plain" + case.__name__
        globals()[name] = type(name, (case,), {"setUp": setUp, "__module__": __name__})


with_plain_wakeups()
