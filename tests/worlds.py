"""Runs one and the same test in the synchronous and in the asynchronous world.

A scenario is written once, in plain synchronous style, against the methods of `World`. In the asynchronous world
`Blocking` stands between: it runs each coroutine to its end on the test's own event loop, in debug mode. In both,
every warning, every exception nobody saw, and every thread, task or socket left behind fails the test.
"""

from __future__ import annotations

import asyncio
import asyncio.constants
import contextlib
import faulthandler
import gc
import inspect
import linecache
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import unittest
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import httpclient
import sse
from tests.server import PATIENCE

Function = Callable[..., Any]
ROUNDS = int(os.environ.get("SSE_TEST_ROUNDS", "1"))  # how often what depends on chance is repeated

# A finalizer runs at the moment the last reference goes, or when a collector finds the time: PyPy.
needs_prompt_finalizers = unittest.skipUnless(
    sys.implementation.name == "cpython", "this Python finalizes what was dropped when it likes"
)

# Without a handler of its own, what a test provokes would be printed between the dots.
for _name in ("sse", "asyncio"):
    logging.getLogger(_name).addHandler(logging.NullHandler())



def _run_on(name: str) -> None:
    """Makes every event loop from now on such a one: `uvloop`, or `eager` (tasks start at once; Python 3.12)."""
    if name == "uvloop":
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        class Loop(uvloop.Loop):  # type: ignore[misc, unused-ignore]
            async def getaddrinfo(self, host: Any, *args: Any, **options: Any) -> Any:
                """By the function that tests replace; uvloop's own goes past it. Connecting asks it again."""
                if str(host).replace(".", "").isdigit():
                    return await super().getaddrinfo(host, *args, **options)
                return await self.run_in_executor(None, lambda: socket.getaddrinfo(host, *args, **options))

        make: Callable[[], asyncio.AbstractEventLoop] = Loop
    elif name == "eager":
        standard_loop = asyncio.new_event_loop

        def make() -> asyncio.AbstractEventLoop:
            loop = standard_loop()
            loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
            return loop
    else:
        raise ValueError(f"SSE_TEST_LOOP: uvloop or eager, not {name!r}")
    asyncio.new_event_loop = asyncio.events.new_event_loop = make


if LOOP := os.environ.get("SSE_TEST_LOOP"):  # a whole run on another event loop
    _run_on(LOOP)

# Debug mode notes for each callback who asked for it; ten frames deep that is a fifth of the time of all tests.
asyncio.constants.DEBUG_STACK_DEPTH = 1
linecache.checkcache = lambda filename=None: None  # no file changes meanwhile, and it would look each time


class Checked(unittest.TestCase):
    """A test that leaves nothing behind: no warning, no thread, no exception that only a hook has seen."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        gc.collect()
        if hasattr(gc, "freeze"):  # PyPy has none
            gc.freeze()  # what is here before a test need not be looked at after each of them

    def setUp(self) -> None:
        self.unseen: list[str] = []
        faulthandler.dump_traceback_later(180 * ROUNDS, exit=True)  # a test that hangs says where
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        threads = set(threading.enumerate())
        catcher = warnings.catch_warnings()
        catcher.__enter__()
        self.addCleanup(catcher.__exit__, None, None, None)
        warnings.simplefilter("error")
        for module, hook in ((sys, "unraisablehook"), (threading, "excepthook")):
            patch = mock.patch.object(module, hook, self._record)
            patch.start()
            self.addCleanup(patch.stop)
        self.addCleanup(self._check, threads)
        environment = mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            del os.environ[name]

    def _record(self, seen: Any) -> None:
        self.unseen.append("".join(traceback.format_exception(seen.exc_type, seen.exc_value, seen.exc_traceback)))

    def _check(self, threads: set[threading.Thread]) -> None:
        for _ in range(1 if sys.implementation.name == "cpython" else 3):  # PyPy runs finalizers between collections
            gc.collect()  # an unclosed socket speaks up when it is collected
        self.assertEqual(self.unseen, [])
        self.assertEqual(set(threading.enumerate()) - threads, set())


def at_once(works: list[Callable[[], object]]) -> None:
    """Runs each in a thread of its own, from the same moment on. The first failure is raised."""
    start = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait(PATIENCE)
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive(), f"{thread.name} does not end"
    if failures:
        raise failures[0]


@contextlib.contextmanager
def signalled(handler: Callable[[int, Any], object], pause: float) -> Iterator[Callable[[], None]]:
    """Yields a function; `pause` seconds after it was called a signal has `handler` called, once.

    The signal is sent again until then: of one that comes in the last moment before a system call,
    Python takes no notice until that call ends. Nothing is done here, where the handler may
    interrupt it, that takes more than one step of the interpreter.
    """
    main, begin, over, due = threading.get_ident(), threading.Lock(), threading.Event(), [handler]

    def once(signum: int, frame: Any) -> None:
        if due:
            due.pop()(signum, frame)

    def keep_sending() -> None:
        begin.acquire()
        while not over.wait(pause) and due:
            signal.pthread_kill(main, signal.SIGUSR2)

    begin.acquire()
    before = signal.signal(signal.SIGUSR2, once)
    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        yield begin.release
    finally:
        due.clear()
        over.set()
        if begin.locked():
            begin.release()
        sender.join()
        signal.signal(signal.SIGUSR2, before)


def patiently(scenario: Callable[[int], object]) -> None:
    """For what has to succeed within a limit: on a busy machine it is tried again with a larger one.

    `scenario` is given what to multiply its times by.
    """
    for factor in (1, 5):
        try:
            scenario(factor)
            return
        except Exception:  # an assertion, or a limit that was exceeded
            pass
    scenario(25)


class Waits:
    """Mixed into a client: the waits between its attempts are noted instead of waited for."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.waits: list[float] = []
        super().__init__(*args, **options)

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) > 10_000:  # without waits it would go on at full speed, and look like a hang
            raise AssertionError(f"reconnects without end, waits: {self.waits[-3:]}")


class HastySSEClient(Waits, sse.SSEClient):
    pass


class HastyAsyncSSEClient(Waits, sse.AsyncSSEClient):
    pass


@dataclass
class Result:
    """What came of a request whose answer was read to its end."""

    status_code: int
    url: str
    headers: Any
    events: list[sse.SSEEvent]

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.events]


class World(Checked):
    """What a scenario may use. `SyncWorld` and `AsyncWorld` provide it; nothing else differs between them."""

    def connect(self, url: str, *, hasty: bool = True, **options: Any) -> Any:
        """A client to be used synchronously; a hasty one has `waits` instead of waiting."""
        raise NotImplementedError

    def request(self, method: str, url: str, **options: Any) -> Any:
        raise NotImplementedError

    def forms(self) -> list[Callable[[Function], Function]]:
        """What a function may be turned into where this world takes one that it may have to await."""
        return [lambda function: function]

    def get(self, url: str, **options: Any) -> Any:
        return self.request("GET", url, **options)

    def turn(self) -> None:
        """Lets the event loop do what it has to do next, where there is one."""

    def idle(self, until: Callable[[], bool]) -> None:
        """Uses the client no further until something has happened; its event loop goes on meanwhile."""
        never = threading.Event()
        while not until():
            self.turn()
            never.wait(0.01)

    def fetch(self, url: str, *, method: str = "GET", **options: Any) -> Result:
        """Requests `url` and reads the answer to its end, one way or another."""
        with self.request(method, url, stream=True, **options) as response:
            events = sse.SSEParser().feed(b"".join(response.iter_bytes()))
            return Result(response.status_code, response.url, response.headers, events)


class Interrupting(World):
    """Mixed into a world: signal handlers raise, wherever that is."""

    def _record(self, seen: Any) -> None:
        late = sys.implementation.name == "cpython" and sys.version_info >= (3, 11)
        if not late and "was never awaited" in str(seen.exc_value):
            return  # a handler can run between the call that makes a coroutine and its start
        super()._record(seen)


class SyncWorld(World):
    def connect(self, url: str, *, hasty: bool = True, **options: Any) -> Any:
        return (HastySSEClient if hasty else sse.SSEClient)(url, **options)

    def request(self, method: str, url: str, **options: Any) -> Any:
        return httpclient.request(method, url, **options)


class AsyncWorld(World):
    def setUp(self) -> None:
        super().setUp()
        self.loop = asyncio.new_event_loop()
        self.loop.set_debug(True)
        self.loop.set_exception_handler(lambda _, context: self.unseen.append(str(context)))
        self.addCleanup(self._end_loop)

    def _end_loop(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        self.run_async(self.loop.shutdown_asyncgens())
        self.run_async(self.loop.shutdown_default_executor())
        self.loop.close()
        self.assertEqual(tasks, set())

    def run_async(self, awaitable: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await awaitable

        return self.loop.run_until_complete(run())

    def turn(self) -> None:
        self.run_async(asyncio.sleep(0))

    def connect(self, url: str, *, hasty: bool = True, **options: Any) -> Any:
        client = (HastyAsyncSSEClient if hasty else sse.AsyncSSEClient)(url, **options)
        return Blocking(self.run_async, client)

    def request(self, method: str, url: str, **options: Any) -> Any:
        return Blocking(self.run_async, self.run_async(httpclient.async_request(method, url, **options)))

    def forms(self) -> list[Callable[[Function], Function]]:
        def as_coroutine_function(function: Function) -> Function:
            async def coroutine_function(*args: Any) -> Any:
                await asyncio.sleep(0)
                return function(*args)

            return coroutine_function

        return [*super().forms(), as_coroutine_function]


class Blocking:
    """An asynchronous client or response with the interface of its synchronous twin."""

    def __init__(self, run: Callable[[Awaitable[Any]], Any], inner: Any) -> None:
        self.run, self.inner = run, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return repr(self.inner)

    def __enter__(self) -> Blocking:
        self.run(self.inner.__aenter__())
        return self

    def __exit__(self, *exc_info: Any) -> Any:
        return self.run(self.inner.__aexit__(*exc_info))

    def __iter__(self) -> Blocking:
        return self

    def __next__(self) -> Any:
        try:
            return self.run(self.inner.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def iter_bytes(self) -> Iterator[bytes]:
        return Blocking(self.run, self.inner.aiter_bytes().__aiter__())

    def iter_lines(self) -> Iterator[str]:
        return Blocking(self.run, self.inner.aiter_lines().__aiter__())

    def read(self) -> bytes:
        return self.run(self.inner.aread())  # type: ignore[no-any-return]

    def close(self) -> None:
        self.run(self.inner.aclose())


class ByConnect(World):
    """Mixed into a world: requests are made by the clients, whose errors are seen through to their causes."""

    def turn(self) -> None:
        """Lets the event loop do what it has to do next, where there is one."""

    def idle(self, until: Callable[[], bool]) -> None:
        """Uses the client no further until something has happened; its event loop goes on meanwhile."""
        never = threading.Event()
        while not until():
            self.turn()
            never.wait(0.01)

    def fetch(self, url: str, *, method: str = "GET", **options: Any) -> Result:
        try:
            with self.connect(url, method=method, reconnect=False, content_type=None, **options) as client:
                response = client.response
                return Result(response.status_code, response.url, response.headers, list(client))
        except sse.SSEConnectionError as error:
            raise error.last_error from error


class ConnectSyncWorld(ByConnect, SyncWorld):
    pass


class ConnectAsyncWorld(ByConnect, AsyncWorld):
    pass


WORLDS = {"Sync": SyncWorld, "Async": AsyncWorld}
WAYS = {"Get": SyncWorld, "AsyncGet": AsyncWorld, "Connect": ConnectSyncWorld, "AsyncConnect": ConnectAsyncWorld}


def in_each_of(worlds: dict[str, type[World]]) -> Callable[[type[World]], None]:
    """A decorator that puts one test case for each world into the module, in place of the class it is applied to."""

    def decorate(scenarios: type[World]) -> None:
        module = sys.modules[scenarios.__module__]
        for suffix, world in worlds.items():
            name = scenarios.__name__ + suffix
            setattr(module, name, type(name, (scenarios, world), {"__module__": module.__name__}))

    return decorate


in_both_worlds = in_each_of(WORLDS)
in_all_ways = in_each_of(WAYS)


def is_async(test: World) -> bool:
    return isinstance(test, AsyncWorld)


def attributes(error: BaseException) -> dict[str, Any]:
    """What an exception carries, to compare two of them."""
    return {name: value for name, value in vars(error).items() if not inspect.isroutine(value)}
