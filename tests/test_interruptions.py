"""The caller's interruptions, and the system's, as the clients meet them.

What the wires make of them is in test_wires.py; every place and every step one by one in
extended/interruptions.py.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dis
import errno
import gc
import inspect
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import unittest
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any
from unittest import mock

import httpclient
import sse
from sse import SSEConnectionError
from tests.server import (
    CA,
    CHUNKED,
    NO_CONTENT,
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
from tests.test_wires import forked
from tests.worlds import (
    AsyncWorld,
    Interrupting,
    SyncWorld,
    World,
    in_both_worlds,
    is_async,
    needs_prompt_finalizers,
    signalled,
)

LINUX = sys.platform == "linux"
X = "id: 1\ndata: x\n\n"


@unittest.skipUnless(
    sys.implementation.name == "cpython" and sys.version_info >= (3, 11),
    "here it is no table that says what a try covers",
)
class Compiled(unittest.TestCase):
    """CPython runs signal handlers at jumps back, and compiles some of them, such as that of a
    loop whose last statement is an `if`, outside of the `try` around the loop: then what a handler
    raises there passes by its `finally`. Which of them, differs from version to version.
    """

    def test_no_handler_can_pass_by_a_finally(self) -> None:
        jumps = 0
        for module in (sse, httpclient):
            source = Path(module.__file__ or "").read_text()
            tries = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Try)]
            guarded = [(node.body[0].lineno, node.body[-1]) for node in tries if node.finalbody]
            codes = [compile(source, str(module.__file__), "exec")]
            for code in codes:
                codes += [const for const in code.co_consts if isinstance(const, CodeType)]
                bytecode: Any = dis.Bytecode(code)
                covered = [range(entry.start, entry.end) for entry in bytecode.exception_entries]
                for instruction in bytecode:
                    line = instruction.positions.lineno or 0
                    if instruction.opname == "JUMP_BACKWARD" and any(
                        first <= line <= last.end_lineno for first, last in guarded
                    ):
                        jumps += 1
                        inside = any(instruction.offset in offsets for offsets in covered)
                        self.assertTrue(inside, f"{code.co_name}, line {line} of {module}")
        self.assertGreater(jumps, 3)


@unittest.skipUnless(sys.implementation.name == "cpython", "handlers come at any instruction here")
class HandedOver(unittest.TestCase):
    """What is noted as handed over is handed over: CPython runs signal handlers at calls and jumps
    (3.10 also at jumps ahead), and what one of them raises would keep the event from its caller.
    """

    def test_no_handler_between_the_note_and_the_return(self) -> None:
        for step in (sse.SSEClient.__next__, sse.AsyncSSEClient.__anext__):
            noted, returns = False, 0
            for instruction in dis.get_instructions(inspect.unwrap(step)):
                name = instruction.opname
                if name == "STORE_ATTR" and instruction.argval == "last_event_id":
                    noted = True
                elif name == "RETURN_VALUE":
                    self.assertTrue(noted)
                    noted, returns = False, returns + 1
                elif re.search("CALL|JUMP|FOR_ITER|SEND|YIELD", name):
                    noted = False
            self.assertEqual(returns, 2, step)


class Deadline(TimeoutError):
    """What a handler raises to limit the time of something."""


def unfinished_error(conn: Connection) -> None:
    conn.send(head(CHUNKED, status="500 Oh", type="text/plain"), chunk("What happened is"))
    conn.stall()


def cut_short(conn: Connection) -> None:
    conn.send(head(CHUNKED), chunk("retry: 3600000\n\n"))
    conn.cut()


@contextlib.contextmanager
def phases(asynchronous: bool) -> Iterator[dict[str, tuple[str, dict[str, Any]]]]:
    """Everything that a step of a client may wait for: URL and options, by name."""
    with contextlib.ExitStack() as stack:

        def served(script: Any, **options: Any) -> Server:
            return stack.enter_context(Server(script, repeat=True, **options))

        mute = served(silent, read=False)
        deaf = served(lambda conn: conn.wait("never"), read=False)
        listening = served(silent)
        secure = served(silent, tls=True)
        quiet = served(stream(X, end="open"))
        post = {"method": "POST", "content": b"x" * 20_000_000}
        known: dict[str, tuple[str, dict[str, Any]]] = {
            "connect of a proxy": ("https://a.test/", {"proxy": mute.url}),
            "handshake": (f"https://{mute.authority}/", {"verify": CA}),
            "sending": (deaf.url, {"reconnect": True, **post}),
            "head": (listening.url, {}),
            "head over TLS": (secure.url, {"verify": CA}),
            "body of an error": (served(unfinished_error).url, {}),
            "reading": (quiet.url, {}),
            "reading over TLS": (served(stream(X, end="open"), tls=True).url, {"verify": CA}),
            "waiting": (served(cut_short).url, {}),
            "head behind transport=": (listening.url, {"transport": plain(asynchronous)}),
            "reading behind transport=": (quiet.url, {"transport": plain(asynchronous)}),
        }
        if LINUX:  # other systems do not leave a full backlog unanswered
            known["connecting"] = (
                f"http://127.0.0.1:{stack.enter_context(unanswered_port())}/",
                {},
            )
        if asynchronous:
            known["in-process"] = ("http://a/", {"transport": httpclient.ASGITransport(endless)})
            known["making headers"] = (quiet.url, {"headers": never_made})
        yield known


async def endless(scope: Any, receive: Any, send: Any) -> None:
    lines = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": X.encode(), "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def never_made() -> Any:
    await asyncio.Event().wait()


def plain(asynchronous: bool) -> Callable[..., Any]:
    """A transport of the user's."""

    def send(method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        return httpclient.get(url, headers=headers, timeout=timeout, stream=True)

    async def asend(method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        return await httpclient.async_get(url, headers=headers, timeout=timeout, stream=True)

    return asend if asynchronous else send


@unittest.skipUnless(hasattr(signal, "pthread_kill"), "signals cannot be sent to a thread here")
class Signals(Interrupting, SyncWorld):
    """What a handler raises comes out of the call that it interrupts, as it is."""

    @contextlib.contextmanager
    def alarm(self, handler: Callable[..., Any]) -> Iterator[None]:
        """The handler is called once, soon: as a rule while the client waits for something."""
        gc.collect()  # what a handler raises in a finalizer is lost
        with signalled(handler, 0.02) as begin:
            begin()
            yield

    def test_in_each_phase(self) -> None:
        with phases(False) as known:
            for name, (url, options) in known.items():
                for error in (Deadline("mine"), LookupError("mine"), KeyboardInterrupt()):
                    error.__traceback__ = error.__context__ = None

                    def handler(signum: int, frame: Any, error: Any = error) -> None:
                        raise error

                    with self.subTest(name, error=error):
                        client = self.connect(url, hasty=False, **options)
                        try:
                            with self.assertRaises(type(error)) as caught, self.alarm(handler):
                                list(client)
                            self.assertIs(caught.exception, error)
                            self.assertNotEqual(client.state, "closed")
                        finally:
                            client.close()
                        self.assertEqual(list(client), [])

    def test_while_the_socket_of_an_address_that_failed_is_closed(self) -> None:
        drop, interruptions = httpclient._BlockingWire.drop, [KeyboardInterrupt]

        def interrupted(wire: Any, sock: Any) -> None:
            if interruptions:
                raise interruptions.pop()
            drop(wire, sock)

        with mock.patch.object(httpclient._BlockingWire, "drop", interrupted):
            with self.assertRaises(KeyboardInterrupt):
                httpclient.get(f"http://127.0.0.1:{refused_port()}/")

    @needs_prompt_finalizers
    def test_nothing_is_left_to_the_garbage_collector(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)
        with Server(silent) as mute, Server(stream(X, end="open"), repeat=True) as quiet:
            for url in (mute.url, quiet.url):
                for error in (Deadline, LookupError, KeyboardInterrupt):

                    def handler(signum: int, frame: Any, error: Any = error) -> None:
                        raise error

                    with self.subTest(url, error=error):
                        client = self.connect(url, hasty=False)
                        with contextlib.suppress(error), self.alarm(handler):
                            list(client)
                        client.close()
                        gone = weakref.ref(client)
                        del client
                        self.assertIsNone(gone())
                    if url == mute.url:
                        break

    def test_a_handler_that_closes_and_exits(self) -> None:
        with phases(False) as known:
            for name, (url, options) in known.items():
                with self.subTest(name):
                    client = self.connect(url, hasty=False, **options)

                    def handler(signum: int, frame: Any, client: Any = client) -> None:
                        client.close()
                        sys.exit(7)

                    with self.assertRaises(SystemExit) as caught, self.alarm(handler):
                        list(client)
                    self.assertEqual(caught.exception.code, 7)
                    self.assertEqual(client.state, "closed")

    def test_a_handler_that_deletes_what_it_was_given(self) -> None:
        def handler(signum: int, frame: Any) -> None:
            del signum, frame
            raise Deadline("mine")

        def transport(*request: Any, **options: Any) -> Any:
            signal.raise_signal(signal.SIGUSR2)

        self.addCleanup(signal.signal, signal.SIGUSR2, signal.signal(signal.SIGUSR2, handler))
        client = self.connect("http://localhost", transport=transport, max_retries=1)
        self.assertRaises(Deadline, next, client)

    def test_an_error_that_was_wrapped_with_its_traceback(self) -> None:
        """As urllib3 does it to what it takes for a lost connection."""

        def transport(*request: Any, **options: Any) -> Any:
            try:
                signal_raised(mine)
            except OSError as error:
                wrapper = ConnectionError("aborted", error)
                raise wrapper.with_traceback(error.__traceback__) from None

        mine = Deadline("mine")
        with self.assertRaises(Deadline) as caught:
            next(self.connect("http://localhost", transport=transport, max_retries=1))
        self.assertIs(caught.exception, mine)

    def test_a_deadline_that_was_dealt_with_is_not_raised_again(self) -> None:
        """What the caller is handling when he asks for more is no interruption of that."""
        drop = stream("data: x\n\n", end="cut")
        for transport in (None, plain(False)):
            with self.subTest(transport=transport), Server(drop, drop, NO_CONTENT) as server:
                with self.connect(server.url, transport=transport) as client:
                    try:
                        signal_raised(Deadline("dealt with"))
                    except Deadline:
                        self.assertEqual([event.data for event in client], ["x", "x"])

    def test_while_a_name_is_resolved(self) -> None:
        def resolve(*args: Any, **options: Any) -> Any:
            signal_raised(Deadline("mine"))

        with mock.patch("socket.getaddrinfo", resolve):
            client = self.connect("http://service.test/")
            with self.assertRaisesRegex(Deadline, "mine"):
                next(client)
            client.close()

    def test_while_a_module_is_loaded(self) -> None:
        """What is done without it where it cannot be loaded, is not done without an interruption."""

        class Finder:
            def find_spec(self, name: str, *args: object) -> None:
                if name == wanted:
                    signal_raised(Deadline("mine"))

        busy = answer("", "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", status="503 x")
        for wanted in ("logging", "email.utils"):
            with self.subTest(wanted), Server(busy) as server:
                client = self.connect(server.url, retry_on_status={503}, max_retries=1)
                finders = [Finder(), *sys.meta_path]
                with mock.patch.dict(sys.modules), mock.patch.object(sys, "meta_path", finders):
                    sys.modules.pop(wanted, None)
                    with self.assertRaisesRegex(Deadline, "mine"):
                        next(client)

    @unittest.skipIf(
        sys.implementation.name == "cpython" and sys.version_info >= (3, 12),
        "here not every instruction is traced, and some are outside of the `try` around them",
    )
    def test_at_any_instruction_of_a_step(self) -> None:
        """Where PyPy runs handlers; the client is not left as one that somebody waits for."""

        def transport(*_: Any, headers: Any, **options: Any) -> Any:
            response = Response([X.encode()])
            response.status_code = 204 if "Last-Event-ID" in headers else 200
            return response

        def call(frame: Any, event: str, argument: Any) -> Any:
            frame.f_trace_opcodes = frame.f_code is sse.SSEClient._advance.__code__
            return instruction if frame.f_trace_opcodes else None

        def instruction(frame: Any, event: str, argument: Any) -> Any:
            nonlocal left
            left -= event == "opcode"
            if left == 0 and event == "opcode":
                raise KeyboardInterrupt
            return instruction

        warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that were never awaited
        place, left, before = 0, 0, sys.gettrace()
        while left <= 0:
            place += 1
            left, got = place, []
            client = self.connect("http://a/", transport=transport)
            try:
                while client.state != "closed":
                    with contextlib.suppress(KeyboardInterrupt):
                        sys.settrace(call)
                        for event in client:
                            got.append(event.id)
                    sys.settrace(before)
            finally:
                sys.settrace(before)
            self.assertEqual(got, ["1"])
        self.assertGreater(place, 100)

    def test_a_post_is_not_sent_again(self) -> None:
        """Neither when its answer was not awaited, nor when its failure was on the way."""

        def expire(signum: int, frame: Any) -> None:
            raise Deadline

        with Server(silent) as server:
            client = self.connect(server.url, hasty=False, method="POST")
            with self.assertRaises(Deadline), self.alarm(expire):
                next(client)
            with self.assertRaisesRegex(SSEConnectionError, "the caller gave the attempt up"):
                next(client)
        with Server(stream(X, end="cut")) as server:
            client = self.connect(server.url, method="POST")
            next(client)
            with mock.patch.object(sse._Reconnection, "failed", side_effect=KeyboardInterrupt):
                with self.assertRaises(KeyboardInterrupt):
                    next(client)
            with self.assertRaisesRegex(SSEConnectionError, "cut short"):
                next(client)

    def test_in_the_callers_functions(self) -> None:
        """Handed over is handed over, and only that: the event comes with the next step."""
        for name in ("until", "on_comment", "on_open"):
            broken: list[bool] = []

            def function(value: Any, broken: list[bool] = broken) -> bool:
                if not broken:
                    broken.append(True)
                    signal_raised(KeyboardInterrupt())
                return False

            first = stream(": hello\n\n" + X + "id: 2\ndata: y\n\n", end="open")
            with self.subTest(name), Server(first, repeat=True) as server:
                client = self.connect(server.url, **{name: function})
                for inside in (False, True):
                    broken.clear()
                    with self.assertRaises(KeyboardInterrupt):
                        client.__enter__() if not inside and name == "on_open" else next(client)
                    self.assertEqual(client.last_event_id, "")
                    self.assertEqual([next(client).id, next(client).id], ["1", "2"])
                    client.close()
                    client = self.connect(server.url, **{name: function})
                    if name == "on_open":
                        break
                    broken.append(True)
                    client.__enter__()
                client.close()

    def test_between_an_end_and_what_follows_from_it(self) -> None:
        """The error of an answer is told, however often the client is kept from it."""
        with Server(answer(status="404 Not Found"), repeat=True) as server:
            client = self.connect(server.url)
            for _ in range(3):
                with mock.patch.object(sse._Reconnection, "failed", side_effect=KeyboardInterrupt):
                    with self.assertRaises(KeyboardInterrupt):
                        next(client)
            with self.assertRaises(sse.SSEHTTPError):
                next(client)
            self.assertEqual(len(server.requests), 1)

    def test_another_one_while_the_first_is_dealt_with(self) -> None:
        """The event that the first one took with it comes again."""
        events, interruptions = [b"id: 1\ndata: x\n\n", b"id: 2\ndata: y\n\n"], [KeyboardInterrupt]

        def transport(*_: Any, headers: Any, **options: Any) -> Any:
            response = Response([b"".join(events[int(headers.get("Last-Event-ID", 0)) :])])
            response.status_code = 204 if headers.get("Last-Event-ID") == "2" else 200
            return response

        def take(item: Any) -> Any:
            """As a handler does that runs when the item is there, and not yet stored."""
            if interruptions:
                raise interruptions.pop()
            return item

        client: Any = self.connect("http://a/", transport=transport, until=lambda event: False)
        self.assertEqual(next(client).id, "1")
        client._attempt.parser._items = map(take, client._attempt.parser._items)
        with mock.patch.object(sse.SSEClient, "_broken_off", side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                next(client)
        self.assertEqual([event.id for event in client], ["2"])

    def test_while_a_response_is_closed(self) -> None:
        response = Response([X.encode()])
        response.close = lambda: signal_raised(Deadline("mine"))  # type: ignore[method-assign]
        client = self.connect("http://a/", transport=lambda *_, **__: response)
        next(client)
        with self.assertRaisesRegex(Deadline, "mine"):
            next(client)
        response.close = lambda: None  # type: ignore[method-assign]
        client.close()


def signal_raised(error: BaseException) -> None:
    """Have a signal's handler raise it, here and now."""

    def handler(signum: int, frame: Any) -> None:
        raise error

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


class Response:
    """Of another library, as a transport returns it."""

    status_code, url, headers = 200, "http://a/", {"Content-Type": "text/event-stream"}

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces, self.closed = pieces, 0

    def iter_bytes(self) -> Iterator[bytes]:
        yield from self.pieces

    async def aiter_bytes(self) -> Any:
        for piece in self.pieces:
            yield piece
        await asyncio.Event().wait()

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.closed += 1


class Cancelled(AsyncWorld):
    def test_in_each_phase(self) -> None:
        """Whatever else is done in the same turn: who is cancelled ends cancelled."""
        orders = ["cancel", "cancel close", "close cancel", "cancel reconnect", "reconnect cancel"]
        with phases(True) as known:
            for name, (url, options) in known.items():
                for deeds in orders:
                    for turns in (1, 3, 40):
                        with self.subTest(name, deeds=deeds, turns=turns):
                            ended = self.run_async(self.trial(url, options, turns, deeds.split()))
                            self.assertEqual(ended, "cancelled")

    async def trial(self, url: str, options: dict[str, Any], turns: int, deeds: list[str]) -> str:
        """What becomes of a task that follows, to which this is done after some turns."""
        client = sse.async_connect(url, **options)

        async def follow() -> None:
            async for _ in client:
                pass

        task, closing = asyncio.ensure_future(follow()), None
        for _ in range(turns):
            await asyncio.sleep(0)
        for deed in deeds:
            if deed == "close":
                closing = asyncio.ensure_future(client.close())
                await asyncio.sleep(0) if deeds[0] == "cancel" else None
            else:
                task.cancel() if deed == "cancel" else client.reconnect()
        done, _ = await asyncio.wait([task], timeout=20.0)
        await client.close()
        if closing is not None:
            await closing
        if not done:
            task.cancel()
            return "hangs"
        return "cancelled" if task.cancelled() else f"ended: {task.exception()!r}"

    def test_while_a_name_is_resolved(self) -> None:
        answered = threading.Event()

        def resolve(*args: Any, **options: Any) -> Any:
            answered.wait(20.0)
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        with mock.patch("socket.getaddrinfo", resolve):
            for deeds in (["cancel"], ["cancel", "close"], ["reconnect", "cancel"]):
                trial = self.trial("http://service.test/", {}, 3, deeds)
                self.assertEqual(self.run_async(trial), "cancelled")
            answered.set()

    def test_steps_that_are_given_up_wait_no_longer(self) -> None:
        """A wait ends at a fixed moment, however short the steps of the caller."""

        async def main(url: str) -> int:
            steps = 0
            async with sse.async_connect(url, retry_interval=150) as client:
                while True:
                    steps += 1
                    try:
                        event = await asyncio.wait_for(anext(client), 0.04)
                    except asyncio.TimeoutError:
                        continue
                    if event.data == "y":
                        return steps

        with Server(stream(X, end="cut"), stream("data: y\n\n", end="open"), repeat=True) as server:
            self.assertGreater(self.run_async(main(server.url)), 3)

    def test_attempts_that_are_given_up_count(self) -> None:
        async def main(server: Server) -> None:
            client = sse.async_connect(server.url, retry_interval=1, max_retries=2)
            for number in (1, 2, 3):
                step = asyncio.ensure_future(anext(client))
                while len(server.requests) < number:
                    await asyncio.sleep(0.001)
                step.cancel()
                await asyncio.wait([step])
            await anext(client)

        with Server(silent, silent, silent) as server:
            with self.assertRaisesRegex(SSEConnectionError, "the caller gave the attempt up"):
                self.run_async(main(server))

    def test_a_response_is_given_back_once(self) -> None:
        """However often who gives it back is cancelled: once, twice, or in each turn."""

        async def main(response: Response, cancels: int) -> None:
            async def transport(*args: Any, **options: Any) -> Any:
                return response

            async with sse.async_connect("http://a/", transport=transport) as client:
                await anext(client)

        for cancels in (0, 1, 2, 3, 100):
            response = Response([X.encode()])
            with self.subTest(cancels=cancels):

                async def run(response: Response = response, cancels: int = cancels) -> None:
                    task = asyncio.ensure_future(main(response, cancels))
                    for turn in range(100):
                        await asyncio.sleep(0)
                        if turn >= 4 and turn < 4 + cancels:
                            task.cancel()
                    await asyncio.wait([task])
                    self.assertEqual(task.cancelled(), cancels > 0)

                self.run_async(run())
                self.assertEqual(response.closed, 1)

    def test_headers_that_are_cancelled(self) -> None:
        """By somebody else: the request is not sent without them."""

        async def main(url: str) -> None:
            refresh = asyncio.ensure_future(asyncio.Event().wait())

            async def headers() -> Any:
                await asyncio.shield(refresh)

            asyncio.get_running_loop().call_later(0.02, refresh.cancel)
            async with sse.async_connect(url, headers=headers, method="POST"):
                pass

        with Server() as server:
            with self.assertRaisesRegex(SSEConnectionError, "was cancelled"):
                self.run_async(main(server.url))
            self.assertEqual(server.connections, [])

    def test_reconnect_while_a_name_is_resolved(self) -> None:
        """The old attempt is not waited for."""
        answered, asked = threading.Event(), threading.Event()
        resolve = socket.getaddrinfo

        def slow(host: str, *args: Any, **options: Any) -> Any:
            if asked.is_set():
                return resolve("127.0.0.1", *args, **options)
            asked.set()
            answered.wait(20.0)
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        async def main(port: int) -> None:
            async with contextlib.AsyncExitStack() as stack:
                client = sse.async_connect(f"http://service.test:{port}/", proxy="")
                task = asyncio.ensure_future(stack.enter_async_context(client))
                while not asked.is_set():
                    await asyncio.sleep(0)
                client.reconnect()
                await asyncio.wait_for(task, 60.0)
                answered.set()

        with Server(stream(X, end="open")) as server, mock.patch("socket.getaddrinfo", slow):
            self.run_async(main(server.port))


class Closing(SyncWorld):
    def test_a_response_that_comes_after_close(self) -> None:
        """It was not there yet to be closed, so it is closed when it comes."""
        response, sent, closed = Response([]), threading.Event(), threading.Event()

        def transport(*args: Any, **options: Any) -> Any:
            sent.set()
            closed.wait(20.0)
            return response

        client = self.connect("http://a/", transport=transport)
        thread = threading.Thread(target=lambda: self.assertEqual(list(client), []))
        thread.start()
        sent.wait(20.0)
        client.close()
        closed.set()
        thread.join()
        self.assertEqual(response.closed, 1)

    def test_two_threads(self) -> None:
        """The second is refused, also where the first one takes the short way."""
        with Server(stream(X, end="open")) as server, self.connect(server.url) as client:
            next(client)
            thread = threading.Thread(target=lambda: self.assertEqual(list(client), []))
            thread.start()
            while not client._busy:
                pass
            with self.assertRaisesRegex(RuntimeError, "another task or thread"):
                next(client)
            client.close()
            thread.join()

    def test_reconnect_while_a_name_is_resolved(self) -> None:
        """It cannot be interrupted, and when it ends the next attempt begins at once."""
        resolve, client = socket.getaddrinfo, None

        def failing(*args: Any, **options: Any) -> Any:
            if len(asked) == 0:
                asked.append(True)
                client.reconnect()  # type: ignore[union-attr]
                raise socket.gaierror(socket.EAI_NONAME, "not known")
            return resolve("127.0.0.1", *args[1:], **options)

        asked: list[bool] = []
        with Server(stream(X, end="open")) as server, mock.patch("socket.getaddrinfo", failing):
            url = f"http://service.test:{server.port}/"
            client = self.connect(url, proxy="", max_retries=0)
            with client:
                self.assertEqual((next(client).data, client.waits), ("x", []))


@in_both_worlds
class Outages(World):
    def test_headers_that_cannot_be_made(self) -> None:
        """In the very outage that broke the stream; on the first attempt, too."""
        made: list[int] = []

        def headers() -> Any:
            made.append(1)
            if len(made) in (1, 3, 4):
                raise ConnectionRefusedError(errno.ECONNREFUSED, "the token server is down")
            return {"Authorization": f"token {len(made)}"}

        told: list[Any] = []
        scripts = stream(X, end="cut"), stream("data: y\n\n", end="open")
        with Server(*scripts) as server:
            options = {"on_error": lambda error, wait: told.append(type(error).__name__)}
            with self.connect(server.url, headers=headers, **options) as client:
                self.assertEqual([next(client).data, next(client).data], ["x", "y"])
            self.assertEqual(told, ["ConnectionRefusedError", "BodyError", *told[:1], *told[:1]])
            tokens = [request.header("authorization") for request in server.requests]
            self.assertEqual(tokens, ["token 2", "token 5"])

    def test_an_interval_of_nothing_is_no_hot_loop(self) -> None:
        with Server(answer("retry: 0\n\n"), repeat=True) as server:
            client = self.connect(server.url, max_retries=4)
            with self.assertRaises(SSEConnectionError), client:
                next(client)
            self.assertEqual(client.waits, [0.1, 0.1, 0.1])  # beside the first, of nothing

    def test_keepalive_finds_the_peer_gone(self) -> None:
        """It is told in the system's words, and followed by the next attempt."""
        gone = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        told: list[str] = []

        def on_error(error: Any, wait: Any) -> None:
            told.append(str(error))

        for idle_timeout in (None, 300.0):
            with Server(stream(X, end="open"), stream("data: y\n\n", end="open")) as server:
                options = {"idle_timeout": idle_timeout, "on_error": on_error}
                with self.subTest(idle_timeout), self.connect(server.url, **options) as client:
                    next(client)
                    link = getattr(client, "inner", client)._attempt.link
                    if is_async(self):
                        link._wire.connection_lost(gone)
                    else:
                        link._wire._receive = map(raising, [gone])
                        server.connections[0].send(chunk(": wake up\n"))
                    self.assertEqual(next(client).data, "y")
                    self.assertIn(os.strerror(errno.ETIMEDOUT), told.pop())

    def test_an_event_that_ends_the_stream_is_not_lost(self) -> None:
        """When a signal comes while the client ends itself behind it, and nobody else ends it."""
        for method in ("GET", "POST"):
            for inside in (False, True):
                for ended in (False, True):
                    with self.subTest(method, inside=inside, ended=ended):
                        self.end_interrupted(method, inside, ended)

    def test_a_failure_is_not_lost(self) -> None:
        """When a signal comes while it is dealt with: the next step raises it."""
        from_handler, broken = sse._from_handler, []

        def interrupted(error: BaseException) -> Any:
            if isinstance(error, sse.SSEHTTPError) and not broken:
                broken.append(True)
                signal_raised(Deadline("mine"))
            return from_handler(error)

        with Server(answer(status="404 Not Found")) as server:
            client = self.connect(server.url)
            with mock.patch.object(sse, "_from_handler", interrupted):
                with self.assertRaisesRegex(Deadline, "mine"):
                    next(client)
            with self.assertRaises(sse.SSEHTTPError):
                next(client)
            self.assertEqual(list(client), [])

    def end_interrupted(self, method: str, inside: bool, ended: bool) -> None:
        interrupt, broken = httpclient.Exchange.interrupt, []

        def interrupted(exchange: Any) -> None:
            interrupt(exchange)
            if not broken:
                broken.append(True)
                signal_raised(Deadline("mine"))

        with Server(stream(X + "data: y\n\n", end="open")) as server:
            client = self.connect(server.url, method=method, until=lambda event: True)
            if inside:
                client.__enter__()
            with mock.patch.object(httpclient.Exchange, "interrupt", interrupted):
                with self.assertRaisesRegex(Deadline, "mine"):
                    next(client)
            self.assertEqual((client.state, client.last_event_id), ("closed", ""))
            if ended:
                client.close()
            self.assertEqual([event.data for event in client], [] if ended else ["x"])
            self.assertEqual(client.last_event_id, "" if ended else "1")
            self.assertEqual([event.data for event in client], [])

    def test_a_bad_certificate_behind_a_transport(self) -> None:
        """Deep in the chain of what the library raises: it is not tried again, and named."""
        bad = ssl.SSLCertVerificationError(1, "certificate verify failed: expired")
        bad.verify_code, bad.verify_message = 10, "certificate has expired"
        middle = OSError("a wrapper")
        middle.__cause__ = bad

        def send(*args: Any, **options: Any) -> Any:
            raise ConnectionError("Max retries exceeded") from middle

        async def asend(*args: Any, **options: Any) -> Any:
            send()

        client = self.connect("http://a/", transport=asend if is_async(self) else send)
        with self.assertRaisesRegex(SSEConnectionError, "certificate has expired"), client:
            pass
        self.assertEqual(client.waits, [])


def raising(error: BaseException) -> None:
    raise error


@unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
@in_both_worlds
class Forks(World):
    def test_what_a_child_does_behind_a_transport(self) -> None:
        """The library's response is not closed there, for what it says then reaches the server."""
        response = Response([X.encode(), b"data: y\n\n"])

        def send(*args: Any, **options: Any) -> Any:
            return response

        async def asend(*args: Any, **options: Any) -> Any:
            return response

        ours, theirs = socket.socketpair()
        response.connection = mock.Mock(sock=ours)  # where requests keeps it
        transport = asend if is_async(self) else send
        client = self.connect("http://a/", transport=transport, max_event_size=100)
        self.assertEqual(next(client).data, "x")
        inner = getattr(client, "inner", client)

        def close() -> None:
            step = inner.close()
            if step is not None:
                with contextlib.suppress(StopIteration):
                    step.send(None)
            inner.__del__()
            assert response.closed == 0
            assert is_async(self) or ours.fileno() < 0

        forked(close)
        self.assertEqual(next(client).data, "y")
        self.assertGreaterEqual(ours.fileno(), 0)
        client.close()
        ours.close()
        theirs.close()

    def test_what_a_child_does_with_a_client(self) -> None:
        """Nothing of it reaches the stream, which is the parent's."""

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: 0\n\n"))
            for number in range(1, 4):
                conn.wait(str(number))
                conn.send(chunk(f"data: {number}\n\n"))
            conn.stall()

        for tls in (False, True):
            with self.subTest(tls=tls), Server(script, tls=tls) as server:
                client = self.connect(server.url, verify=CA, method="POST")
                with client:
                    self.assertEqual(next(client).data, "0")
                    inner = getattr(client, "inner", client)

                    def close(inner: Any = inner) -> None:
                        step = inner.close()
                        if step is not None:  # as far as it comes without the parent's loop
                            with contextlib.suppress(StopIteration):
                                step.send(None)

                    def leave(client: Any = client, inner: Any = inner) -> None:
                        if is_async(self):
                            step = inner.__aexit__(None, None, None)
                            with contextlib.suppress(StopIteration):
                                step.send(None)
                        else:
                            client.__exit__(None, None, None)

                    def drop(inner: Any = inner) -> None:
                        inner.__del__()  # whose warning would be an error
                        assert inner._attempt.link._wire.closed

                    for number, deed in enumerate((close, leave, drop), 1):
                        forked(deed)
                        server.signal(str(number))
                        self.assertEqual(next(client).data, str(number))


PROGRAM = """
    import asyncio, gc, sys, warnings
    import sse
    url = sys.argv[1]
"""


def program(text: str, *arguments: str, options: tuple[str, ...] = ()) -> Any:
    path = os.path.dirname(os.path.abspath(sse.__file__))
    source = textwrap.dedent(PROGRAM) + textwrap.dedent(text)
    command = [sys.executable, *options, "-c", source, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=pipe, stderr=pipe, text=True
    )


class Processes(World):
    def test_the_end_of_the_interpreter(self) -> None:
        """It is silent, whatever was left open and where; a client that was dropped is closed."""
        started = []
        sync = """
            def main():
                global kept
                client = sse.connect(url)
                next(client)
                {}
            main()
        """
        asynchronous = """
            async def main():
                global kept
                client = sse.async_connect(url)
                await anext(client)
                {}
            loop = asyncio.new_event_loop()
            loop.run_until_complete(main())
        """
        ends = {"a global": "kept = client", "a cycle": "kept = [client]; kept.append(kept)"}
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(stream(X, end="open"), repeat=True))
            for name, end in ends.items():
                for text in (sync, asynchronous):
                    process = program(textwrap.dedent(text).format(end), server.url)
                    started.append((name, stack.enter_context(process)))
            for name, process in started:
                with self.subTest(name):
                    self.assertEqual(process.communicate(timeout=60), ("", ""))

    def test_a_dropped_client_closes_before_it_warns(self) -> None:
        """Where warnings are errors, too."""
        text = """
            async def main():
                client = sse.async_connect(url)
                await anext(client)
                del client
                gc.collect()
                await asyncio.sleep(0)
                wires = asyncio.get_running_loop()._selector.get_map()
                print(len(wires))
            asyncio.run(main())
        """
        with Server(stream(X, end="open")) as server:
            with program(text, server.url, options=("-W", "error")) as process:
                out, error = process.communicate(timeout=60)
        self.assertEqual(out, "1\n")  # the loop's own
        self.assertIn("ResourceWarning: unclosed <AsyncSSEClient", error)
        self.assertEqual(error.count("Exception ignored"), 1)

    def test_a_loop_closed_under_a_task(self) -> None:
        text = """
            async def follow(**options):
                async with sse.async_connect(url, **options) as client:
                    async for event in client:
                        pass
            async def transport(method, url, **options):
                await asyncio.sleep(100)
            loop = asyncio.new_event_loop()
            tasks = [loop.create_task(follow()), loop.create_task(follow(transport=transport))]
            loop.run_until_complete(asyncio.sleep(0.2))
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False
            loop.close()
            del tasks, task
            gc.collect()
        """
        with Server(stream(X, end="open")) as server:
            with program(text, server.url) as process:
                self.assertEqual(process.communicate(timeout=60), ("", ""))

    @unittest.skipUnless(LINUX, "as Linux counts descriptors")
    def test_descriptors_run_out(self) -> None:
        """That is a drop like any other: also the first one, for which nothing is loaded then."""
        text = """
            import resource
            def scarce():
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            told = []
            def on_error(error, wait):
                told.append(str(error))
                if len(told) == 3:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            options = dict(retry_interval=1, on_error=on_error)
            def sync():
                with sse.connect(url, **options) as client:
                    print(next(client).data)
                    scarce()
                    print(next(client).data)
            async def asynchronous():
                async with sse.async_connect(url, **options) as client:
                    print((await anext(client)).data)
                    scarce()
                    print((await anext(client)).data)
            sync() if sys.argv[2] == "sync" else asyncio.run(asynchronous())
            print(sum("Too many open files" in text for text in told) > 0)
        """
        scripts = stream(X, end="cut"), stream("data: y\n\n", end="open")
        with contextlib.ExitStack() as stack:
            started = []
            for world in ("sync", "async"):
                server = stack.enter_context(Server(*scripts))
                process = stack.enter_context(program(text, server.url, world))
                started.append((world, process))
            for world, process in started:
                out, error = process.communicate(timeout=60)
                with self.subTest(world):
                    self.assertEqual((out, error.count("Traceback")), ("x\ny\nTrue\n", 0), error)

    @unittest.skipUnless(hasattr(signal, "SIGSTOP"), "processes cannot be stopped here")
    def test_stopped_for_longer_than_the_limit_on_silence(self) -> None:
        """What has arrived meanwhile is looked at first, so the stream goes on."""
        never = threading.Event()
        texts = {
            "sync": """
                with sse.connect(url, idle_timeout=0.5, max_retries=0) as client:
                    for event in client: print(event.data, flush=True)
            """,
            "async": """
                async def main():
                    async with sse.async_connect(url, idle_timeout=0.5, max_retries=0) as client:
                        async for event in client: print(event.data, flush=True)
                asyncio.run(main())
            """,
        }

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(X))
            while not conn.server.signalled("stopped"):  # no silence before
                conn.send(chunk(":\n"))
                never.wait(0.02)
            conn.send(chunk("data: y\n\n"))
            while not conn.server.signalled("seen"):
                conn.send(chunk(":\n"))
                never.wait(0.02)
            conn.cut()

        with contextlib.ExitStack() as stack:
            started = []
            for text in texts.values():
                server = stack.enter_context(Server(script))
                process = stack.enter_context(program(text, server.url))
                started.append((server, process))
            for server, process in started:
                self.assertEqual(process.stdout.readline(), "x\n")
                process.send_signal(signal.SIGSTOP)
                server.signal("stopped")
            never.wait(0.7)
            for _, process in started:
                process.send_signal(signal.SIGCONT)
            for server, process in started:
                self.assertEqual(process.stdout.readline(), "y\n")
                server.signal("seen")
                process.communicate(timeout=60)


del World, AsyncWorld, SyncWorld

if __name__ == "__main__":
    gc.collect()
    unittest.main()
