"""What somebody gives up: a wait, a step, an attempt, a client. Over the own wires and `transport=`."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import threading
import unittest
import warnings
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import sse
from sse import SSEConnectionError, SSEHTTPError
from tests.server import CHUNKED, NO_CONTENT, PATIENCE, Connection, Server, chunk, head, stream
from tests.worlds import Checked, World, in_both_worlds, needs_prompt_finalizers, patiently

STREAM = {"Content-Type": "text/event-stream"}
STATUS = {"status_code": 200, "headers": STREAM, "url": "http://a/"}
STALLED = head("Content-Length: 100", status="401 Unauthorized")


class Session:
    """A blocking client that looks like that of requests: its first answer comes when it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go, self.closed = (threading.Event() for _ in range(3))

    def request(self, method: str, url: str, **options: Any) -> Any:
        close = self.closed.set if not self.asked.is_set() else lambda: None
        if not self.asked.is_set():
            self.asked.set()
            assert self.let_go.wait(PATIENCE)
        return SimpleNamespace(status_code=204, headers={}, url=url, iter_bytes=lambda: iter(()), close=close)


Session.__module__ = "requests.sessions"


class HeadOfAClientThatBlocks(Checked):
    """No library can be interrupted while it waits for a head, but who waits for the library can."""

    def setUp(self) -> None:
        super().setUp()
        self.session = Session()

    def tearDown(self) -> None:
        """The answer that nobody waits for any more is closed."""
        self.session.let_go.set()
        self.assertTrue(self.session.closed.wait(PATIENCE))

    def connect(self, **options: Any) -> Any:
        return sse.connect("http://a/", transport=self.session, **{"timeout": PATIENCE, **options})

    def meanwhile(self, work: Callable[[], object]) -> None:
        def run() -> None:
            self.session.asked.wait(PATIENCE)
            work()

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_closed(self) -> None:
        client = self.connect()
        self.meanwhile(client.close)
        self.assertEqual([*client], [])

    def test_reconnected(self) -> None:
        client = self.connect()
        self.meanwhile(client.reconnect)
        self.assertEqual([*client], [])

    def test_time_limit(self) -> None:
        with self.assertRaisesRegex(SSEConnectionError, "no answer within timeout=0.05 seconds"):
            next(self.connect(timeout=0.05, max_retries=0))

    @unittest.skipUnless(hasattr(signal, "setitimer"), "there are no such signals here")
    def test_interrupted(self) -> None:
        class Mine(Exception):
            pass

        def handler(*_: object) -> None:
            raise Mine

        before = signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        client = self.connect()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with self.assertRaises(Mine):
            next(client)
        client.close()

    def test_its_own_error_comes_out(self) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise KeyError("of the library")

        session, self.session.request = self.session, refuse  # type: ignore[method-assign]
        with self.assertRaisesRegex(KeyError, "of the library"):
            next(self.connect())
        session.closed.set()

    def test_variables_of_the_context(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
        variable.set("of the caller")
        seen = []
        request = self.session.request
        self.session.request = lambda *args, **options: (seen.append(variable.get()), request(*args))[1]  # type: ignore
        self.session.let_go.set()
        self.assertEqual([*self.connect()], [])
        self.assertEqual(seen, ["of the caller"])


class Pieces:
    """An answer of a coroutine function: pieces that are put into a queue, then the end."""

    status_code, headers, url = 200, STREAM, "http://a/"

    def __init__(self, *pieces: bytes) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = False
        for piece in pieces:
            self.queue.put_nowait(piece)

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        while piece := await self.queue.get():
            yield piece

    async def aclose(self) -> None:
        self.closed = True


def answering(*answers: Any) -> Any:
    left = iter(answers)

    async def transport(*_: Any, **__: Any) -> Any:
        return next(left)

    return transport


class AwaitedTransports(Checked):
    def run_async(self, awaitable: Any) -> None:
        asyncio.run(asyncio.wait_for(awaitable, PATIENCE))

    def test_reconnect_delivers_what_has_arrived(self) -> None:
        """Whether somebody waits for it, has waited, or has not asked yet."""

        async def main(wait: str) -> None:
            first, second = Pieces(b"data: a\n\n"), Pieces(b"data: new\n\n")
            async with sse.async_connect("http://a/", transport=answering(first, second)) as client:
                self.assertEqual((await anext(client)).data, "a")
                task = None
                if wait == "given up":
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(anext(client), 0.01)
                elif wait == "goes on":
                    task = asyncio.ensure_future(anext(client))
                    await asyncio.sleep(0)
                first.queue.put_nowait(b"data: b\n\n")
                first.queue.put_nowait(b"data: c\n\n")
                client.reconnect()
                data = [(await task).data] if task else []
                while "new" not in data:
                    data.append((await anext(client)).data)
                self.assertEqual(data, ["b", "c", "new"])
                self.assertTrue(first.closed)

        for wait in ("none", "given up", "goes on"):
            with self.subTest(wait):
                self.run_async(main(wait))

    def test_reconnect_ends_the_wait_for_what_does_not_come(self) -> None:
        async def main() -> None:
            answers = Pieces(b"data: a\n\n"), Pieces(b"data: new\n\n")
            async with sse.async_connect("http://a/", transport=answering(*answers), idle_timeout=None) as client:
                await anext(client)
                task = asyncio.ensure_future(anext(client))
                await asyncio.sleep(0)
                client.reconnect()
                self.assertEqual((await task).data, "new")

        self.run_async(main())

    def test_reconnect_is_not_put_off_by_what_goes_on_arriving(self) -> None:
        class Endless(Pieces):
            async def aiter_bytes(self) -> AsyncIterator[bytes]:
                while True:
                    yield b"data: old\n\n"
                    await asyncio.sleep(0.002)

        async def main() -> None:
            answers = Endless(), Pieces(b"data: new\n\n")
            async with sse.async_connect("http://a/", transport=answering(*answers)) as client:
                await anext(client)
                client.reconnect()
                while (await anext(client)).data != "new":
                    pass

        self.run_async(main())

    def test_a_task_factory_that_knows_no_contexts(self) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_task_factory(lambda loop, coroutine: asyncio.Task(coroutine, loop=loop))
            async with sse.async_connect("http://a/", transport=answering(Pieces(b"data: x\n\n"))) as client:
                self.assertEqual((await anext(client)).data, "x")

        self.run_async(main())

    def test_an_answer_that_cannot_be_read_is_closed(self) -> None:
        async def main() -> None:
            blocking = SimpleNamespace(**STATUS, iter_bytes=lambda: iter(()), close=lambda: closed.append(True))
            with self.assertRaisesRegex(TypeError, "client that blocks"):
                await anext(sse.async_connect("http://a/", transport=answering(blocking)))

        closed: list[bool] = []
        self.run_async(main())
        self.assertEqual(closed, [True])

    def test_silence_is_noticed_by_who_polls(self) -> None:
        """Each poll is shorter than the limit, which all of them together exceed."""

        async def main() -> None:
            transport = answering(Pieces(b"data: x\n\n"))
            options = {"idle_timeout": 0.2, "max_retries": 0}
            async with sse.async_connect("http://a/", transport=transport, **options) as client:
                await anext(client)
                with self.assertRaisesRegex(SSEConnectionError, "silence for idle_timeout=0.2 seconds"):
                    while True:
                        try:
                            await asyncio.wait_for(anext(client), 0.04)
                        except asyncio.TimeoutError:
                            pass

        self.run_async(main())

    def test_a_generator_keeps_its_context(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

        class Bound(Pieces):
            async def aiter_bytes(self) -> AsyncIterator[bytes]:
                token = variable.set("of the generator")
                yield b"data: a\n\n"
                self.seen = variable.get()
                variable.reset(token)
                yield b"data: b\n\n"

        async def main() -> None:
            answer = Bound()
            client = sse.async_connect("http://a/", transport=answering(answer), reconnect=False)
            if sys.version_info < (3, 11):  # no task can be given a context
                return await client.close()
            self.assertEqual([event.data async for event in client], ["a", "b"])
            self.assertEqual(answer.seen, "of the generator")

        self.run_async(main())

    @needs_prompt_finalizers
    def test_a_client_dropped_unclosed(self) -> None:
        async def main(elsewhere: bool) -> None:
            answer = Pieces(b"data: a\n\n")
            clients = [sse.async_connect("http://a/", transport=answering(answer))]
            await anext(clients[0])
            if elsewhere:
                await asyncio.get_running_loop().run_in_executor(None, clients.clear)
            else:
                clients.clear()
            while not answer.closed:
                await asyncio.sleep(0)

        for elsewhere in (False, True):
            with self.subTest(elsewhere=elsewhere), warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                self.run_async(main(elsewhere))


class Attempts(Checked):
    def test_what_an_answer_says_is_told_to_who_polls(self) -> None:
        """Its body may take longer than any poll."""

        async def main(server: Server, seconds: float) -> None:
            async with sse.async_connect(server.url, retry_interval=1) as client:
                await anext(client)
                with self.assertRaises(asyncio.TimeoutError):  # it reads the body of the error
                    await asyncio.wait_for(anext(client), seconds)
                with self.assertRaisesRegex(SSEHTTPError, "401 Unauthorized"):
                    await anext(client)

        def refuse(conn: Connection) -> None:
            conn.send(STALLED)
            conn.stall()

        def scenario(factor: int) -> None:
            with Server(stream("data: x\n\n"), refuse) as server:
                asyncio.run(main(server, 0.15 * factor))
                self.assertEqual(len(server.requests), 2)

        patiently(scenario)

    def test_headers_that_took_too_long_have_ended(self) -> None:
        """When the step is over, so that no two of them run at once."""

        async def main() -> None:
            running, ended = [0], asyncio.Event()

            async def headers() -> dict[str, str]:
                running[0] += 1
                try:
                    await asyncio.sleep(PATIENCE)
                finally:
                    await asyncio.sleep(0.05)
                    running[0] -= 1
                    ended.set()
                return {}

            client = sse.async_connect("http://127.0.0.1:9/", headers=headers, timeout=0.01, max_retries=0)
            with self.assertRaisesRegex(SSEConnectionError, "took longer than timeout=0.01"):
                await anext(client)
            self.assertEqual((running, ended.is_set()), ([0], True))
            client = sse.async_connect("http://127.0.0.1:9/", headers=headers)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(client), 0.05)
            self.assertEqual(running, [0])
            await client.close()

        asyncio.run(main())

    def test_a_step_that_is_closed_while_headers_are_made(self) -> None:
        async def main() -> None:
            made = []

            async def headers() -> dict[str, str]:
                made.append(True)
                await asyncio.sleep(0 if len(made) > 1 else PATIENCE)
                return {}

            options: Any = {"headers": headers, "retry_interval": 1}
            client = sse.async_connect("http://a/", transport=answering(Pieces(b"data: x\n\n")), **options)
            step = client.__anext__()
            step.send(None)
            await asyncio.sleep(0)
            step.close()
            self.assertEqual((await anext(client)).data, "x")
            await client.close()

        asyncio.run(asyncio.wait_for(main(), PATIENCE))

    def test_params_are_not_made_for_who_closes_while_headers_are(self) -> None:
        async def main() -> None:
            begun: list[str] = []

            async def make(name: str) -> dict[str, str]:
                begun.append(name)
                await asyncio.sleep(PATIENCE)
                return {}

            options: Any = {"headers": lambda: make("headers"), "params": lambda: make("params")}
            client = sse.async_connect("http://a/", timeout=None, **options)
            task = asyncio.ensure_future(anext(client, None))
            while not begun:
                await asyncio.sleep(0)
            await client.close()
            self.assertIsNone(await task)
            self.assertEqual(begun, ["headers"])

        asyncio.run(asyncio.wait_for(main(), PATIENCE))

    def test_an_error_whose_arguments_were_changed(self) -> None:
        error = SSEConnectionError("http://a/", 1, None)
        error.args = ("more",)
        self.assertIn("the server ended the stream", str(error))

    def test_the_time_that_headers_and_params_take_is_of_the_attempt(self) -> None:
        async def main() -> None:
            seen: list[float] = []

            async def slow() -> dict[str, str]:
                await asyncio.sleep(0.05)
                return {}

            async def transport(*_: Any, timeout: float, **__: Any) -> Any:
                seen.append(timeout)
                return SimpleNamespace(**{**vars(Pieces), "status_code": 204, "aiter_bytes": Pieces().aiter_bytes})

            client = sse.async_connect("http://a/", transport=transport, headers=slow, params=slow, timeout=PATIENCE)
            self.assertEqual([event async for event in client], [])
            self.assertLess(seen[0], PATIENCE - 0.09)

        asyncio.run(main())

    def test_none_at_all_after_the_first(self) -> None:
        """With `max_retries=0` a step that is given up keeps the connection, `with` or not."""

        async def main(server: Server) -> None:
            client = sse.async_connect(server.url, max_retries=0)
            self.assertEqual((await anext(client)).data, "x")
            for _ in range(3):
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(client), 0.01)
            server.signal("more")
            self.assertEqual((await anext(client)).data, "y")
            await client.close()

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: x\n\n"))
            conn.wait("more")
            conn.send(chunk("data: y\n\n"))
            conn.stall()

        with Server(script) as server:
            asyncio.run(main(server))

    @unittest.skipUnless(hasattr(signal, "setitimer"), "there are no such signals here")
    def test_reconnect_in_a_handler_ends_a_wait(self) -> None:
        async def main(server: Server) -> None:
            async with sse.async_connect(server.url, retry_interval=3_600_000) as client:
                await anext(client)
                before = signal.signal(signal.SIGALRM, lambda *_: client.reconnect())
                self.addCleanup(signal.signal, signal.SIGALRM, before)
                task = asyncio.ensure_future(anext(client))
                while client.state == "open":
                    await asyncio.sleep(0)
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                self.assertEqual((await task).data, "y")

        with Server(stream("data: x\n\n"), stream("data: y\n\n", end="open")) as server:
            asyncio.run(asyncio.wait_for(main(server), PATIENCE))

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_reconnect_in_a_child_takes_nothing_of_the_parents(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: 1\n\n"))
            conn.wait("more")
            conn.send(chunk("data: 2\n\n"))
            conn.server.signal("sent")
            conn.stall()

        with Server(script, stream("data: the child's\n\n", end="open")) as server:
            with sse.connect(server.url) as client, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # there are threads: the child does not use what they hold
                self.assertEqual(next(client).data, "1")
                server.signal("more")
                server.wait("sent")
                child = os.fork()
                if not child:
                    signal.alarm(int(PATIENCE))
                    try:
                        client.reconnect()
                        os._exit(next(client).data != "the child's")
                    finally:
                        os._exit(1)
                self.assertEqual(os.waitpid(child, 0)[1], 0)
                self.assertEqual(next(client).data, "2")


class Closed(Checked):
    def test_before_it_is_known_which_connection_to_interrupt(self) -> None:
        """By another thread, between the look whether it is closed and the attempt."""

        class Blocking(sse.SSEClient):
            def _new_link(self) -> Any:
                link = super()._new_link()
                self.close()
                return link

        class Awaited(sse.AsyncSSEClient):
            def _new_link(self) -> Any:
                link = super()._new_link()
                self._end()
                return link

        with Server() as server:
            self.assertEqual([*Blocking(server.url, timeout=None)], [])
            asyncio.run(asyncio.wait_for(anext(Awaited(server.url, timeout=None), None), PATIENCE))  # type: ignore
            self.assertEqual(server.connections, [])


@in_both_worlds
class Hooks(World):
    def test_a_coroutine_is_refused(self) -> None:
        """Of a function that does not look like a coroutine function, as decorators make them."""

        async def coroutine(*_: Any) -> bool:
            return False

        for name in ("on_open", "on_error", "on_comment", "until"):
            hook = {name: lambda *args: coroutine(*args)}
            with self.subTest(name), Server(stream(":\n", "data: x\n\n"), NO_CONTENT) as server:
                with self.assertRaisesRegex(TypeError, f"{name} must be a plain function.* returns a coroutine"):
                    with self.connect(server.url, **hook) as client:
                        [*client]


class Tasks(Checked):
    def test_a_hook_may_return_what_goes_on(self) -> None:
        async def main(server: Server) -> None:
            done = []

            async def note() -> None:
                done.append(True)

            options: Any = {"on_open": lambda response: asyncio.ensure_future(note())}
            async with sse.async_connect(server.url, **options) as client:
                self.assertEqual((await anext(client)).data, "x")
            self.assertEqual(done, [True])

        with Server(stream("data: x\n\n", end="open")) as server:
            asyncio.run(main(server))


if __name__ == "__main__":
    unittest.main()
