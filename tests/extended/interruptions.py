"""Interruptions at every place: a signal wherever Python runs handlers, a cancellation before
every callback of the event loop.

Whole scenarios run again and again (connect, read, drop, wait, reconnect, to the end), and each
time they are interrupted at another place. The caller takes what comes out of the call and goes on
iterating. It must be what was raised, every numbered event must arrive once and in order, nothing
may be left behind, and nothing may hang.

    python -m tests.extended.interruptions                        # all places, once and twice
    python -m tests.extended.interruptions --stride 50 tls proxy  # some places of two scenarios
    python -m tests.extended.interruptions cancellations          # of one kind; the other: signals

**Signals.** Python runs handlers after calls, at jumps back and when a function begins. A trace
function sets a signal pending before the n-th instruction, by an operation behind which nothing is
checked, so the handler runs at the next place where Python would have run it, and not before.

**Cancellations.** The task that iterates is cancelled before the n-th callback that the event loop
runs, whoever it belongs to: once, twice with k callbacks in between, or again and again until the
call is left, as anyio's cancel scopes do.
"""

from __future__ import annotations

import _thread
import argparse
import asyncio
import collections
import contextlib
import dis
import faulthandler
import functools
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import httpclient
import sse
from tests.server import (
    CA,
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    Connection,
    Server,
    answer,
    chunk,
    head,
)

TOTAL = 6  # events in a scenario
PER_CONNECTION = 2
GONE = answer("It is gone.", status="410 Gone", type="text/plain")
PATIENCE = 30.0  # seconds that a run may take before it counts as a hang

# The server, in a process of its own, so that every descriptor here is the client's


def numbered(conn: Connection) -> None:
    """The events behind the one that the client has, two for a connection, then another end."""
    del conn.server.connections[:-100], conn.server.requests[:-100], conn.server._threads[1:-100]
    request = conn.request
    if request.target.startswith("/from"):
        to = "/events" + request.target.removeprefix("/from")
        conn.send(head(f"Location: {to}", "Content-Length: 0", status="307 Temporary Redirect"))
        conn.request = conn.read_request()
    seen = int(conn.request.header("Last-Event-ID") or "0")
    if "authorized" in conn.request.target and conn.request.header("Authorization") != "token":
        raise AssertionError("sent without its token")
    if seen >= TOTAL:
        conn.send(GONE if "gone" in conn.request.target else NO_CONTENT)
        return
    conn.send(head(CHUNKED), chunk(": comment\n\nretry: 1\n\n"))
    for number in range(seen + 1, min(seen + PER_CONNECTION, TOTAL) + 1):
        text = f"id: {number}\ndata: event {number}\n\n"
        conn.send(chunk(text[:9]))
        conn.send(chunk(text[9:]))
    conn.send(chunk("id: 99\ndata: unfinished"))
    if seen % 4:
        conn.cut()
    else:
        conn.send(LAST_CHUNK)


def proxied(conn: Connection) -> None:
    conn.send("HTTP/1.1 200 Connection established\r\n\r\n")
    conn.start_tls()
    conn.read_request()
    numbered(conn)


def serve() -> None:
    with (
        Server(numbered, repeat=True) as plain,
        Server(numbered, repeat=True, tls=True) as tls,
        Server(proxied, repeat=True) as proxy,
    ):
        print(json.dumps({"plain": plain.url, "tls": tls.url, "proxy": proxy.url}), flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def server() -> Iterator[dict[str, str]]:
    """The server's URLs. That a script of it has failed is raised at the end."""
    command = [sys.executable, "-m", __name__ if __name__ != "__main__" else MODULE, "--serve"]
    root = Path(__file__).resolve().parents[2]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()
    assert process.returncode == 0, "a script of the server failed, see above"


MODULE = "tests.extended.interruptions"

# The scenarios


def scenarios(urls: dict[str, str], asynchronous: bool) -> dict[str, tuple[str, dict[str, Any]]]:
    """URL and options of the client, by name."""
    token = {"Authorization": "token"}

    async def renewed() -> dict[str, str]:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return token

    def send(method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        return httpclient.request(method, url, headers=headers, timeout=timeout, stream=True)

    async def asend(method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        return await httpclient.async_request(
            method, url, headers=headers, timeout=timeout, stream=True
        )

    plain = urls["plain"] + "/events"
    return {
        "plain": (plain, {}),
        "tls": (urls["tls"] + "/events", {"verify": CA}),
        "proxy": ("https://127.0.0.1/events", {"proxy": urls["proxy"], "verify": CA}),
        "redirect": (urls["plain"] + "/from", {}),
        "headers": (
            plain + "?authorized",
            {"headers": renewed if asynchronous else lambda: token},
        ),
        "callbacks": (
            plain,
            {
                "until": lambda event: event.id == "-1",
                "on_comment": lambda text: text.strip(),
                "on_open": lambda response: response.headers.get("x"),
                "on_error": lambda error, wait: str(error),
            },
        ),
        "until": (plain, {"until": lambda event: event.id == str(TOTAL)}),
        "failure": (plain + "?gone", {}),
        "transport": (plain, {"transport": asend if asynchronous else send}),
        "in-process": (
            "http://app/events",
            {
                "transport": httpclient.ASGITransport(asgi)
                if asynchronous
                else httpclient.WSGITransport(wsgi)
            },
        ),
    }


def pieces(seen: int) -> Iterator[bytes]:
    yield b": comment\n\nretry: 1\n\n"
    for number in range(seen + 1, min(seen + PER_CONNECTION, TOTAL) + 1):
        yield f"id: {number}\ndata: eve".encode()
        yield f"nt {number}\n\n".encode()
    yield b"id: 99\ndata: unfinished"


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    seen = int(environ.get("HTTP_LAST_EVENT_ID", "0"))
    if seen >= TOTAL:
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return pieces(seen)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    seen = int(dict(scope["headers"]).get(b"last-event-id", b"0"))
    lines = [(b"content-type", b"text/event-stream")]
    status = 204 if seen >= TOTAL else 200
    await send({"type": "http.response.start", "status": status, "headers": lines})
    for piece in pieces(seen) if status == 200 else ():
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


# What both kinds of interruption share


# What the collector may find: a new socket that nobody knew yet, and a coroutine before its first
# step, for a handler can run before either has a name.
INEVITABLE = ("laddr=('0.0.0.0', 0)", "was never awaited")


class Wrong(AssertionError):
    """A run that did not come out as it must."""


@contextlib.contextmanager
def nothing_left() -> Iterator[list[str]]:
    """Of a run nothing is left: no descriptor, thread, warning or exception that nobody saw.

    Yields a list for the places at which it was interrupted.
    """
    unseen: list[str] = []
    where: list[str] = []

    def record(seen: Any) -> None:
        text = str(seen.exc_value)
        if any(known in text for known in INEVITABLE):
            return
        # A plain request was interrupted, and then what it did because of that, or on the way of
        # its answer from where it was complete to the caller.
        names = {place.split()[-1] for place in where}
        on_the_way = names & {"_run", "_request", "request", "send"}
        if "unclosed <socket" in text and (len(where) > 1 or on_the_way):
            return
        unseen.append(
            f"{seen.exc_type.__name__}: {seen.exc_value} in {getattr(seen, 'object', '')!r}"
        )

    before = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    with (
        warnings.catch_warnings(),
        mock.patch.object(sys, "unraisablehook", record),
        mock.patch.object(threading, "excepthook", record),
        mock.patch.object(sse, "_LEAST_AGAIN", 1.0),
    ):
        warnings.simplefilter("error")
        yield where
        gc.collect()
    faulthandler.cancel_dump_traceback_later()
    after = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
    if unseen or before != after:
        left = unseen or [a ^ b for a, b in zip(before, after, strict=True)]
        raise Wrong(f"left behind: {left}, interrupted at {where}")


def check(got: list[str], whole: bool, where: object) -> None:
    if got != [str(number) for number in range(1, (TOTAL if whole else len(got)) + 1)]:
        raise Wrong(f"events {got}, interrupted at {where}")


def check_failures(count: int, least: int, most: int, where: object) -> None:
    if not least <= count <= most:
        raise Wrong(f"{count} failures came out, interrupted at {where}")


# Signals

SIGNAL = signal.SIGUSR1
CHECKING = ("CALL", "JUMP", "POP_JUMP", "RESUME", "WITH", "SEND", "YIELD", "RETURN", "FOR_ITER")


class Deadline(TimeoutError):
    """What a handler raises that limits the time of something, of a class like the system's own."""


@functools.cache
def _checked(code: types.CodeType) -> frozenset[int]:
    """Where in a function an instruction may be followed by a look for signals, about."""
    return frozenset(
        instruction.offset
        for instruction in dis.get_instructions(code)
        if any(name in instruction.opname for name in CHECKING)
    )


def _functions(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _functions(constant)


FILES = {sse.__file__, httpclient.__file__, __file__}
HERE = {"<lambda>", "pieces", "wsgi", "renewed"}  # what here is called by the client


def _is_traced(code: types.CodeType) -> bool:
    return code.co_filename in FILES and (code.co_filename != __file__ or code.co_name in HERE)


class Signals:
    """A signal is pending from before the instructions with the given numbers on."""

    def __init__(
        self, places: list[int], error: Callable[[], BaseException], where: list[str]
    ) -> None:
        self.places, self.make, self.where = places, error, where
        self.count = 0
        self.raised: list[BaseException] = []
        # Looking something up calls this, and behind a look-up Python does not check for signals.
        self.pending: Any = collections.defaultdict(partial(_thread.interrupt_main, SIGNAL))

    def handler(self, signum: int, frame: Any) -> None:
        error = self.make()
        self.raised.append(error)
        where = (
            f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_name}"
        )
        self.where.append(where)
        if len(self.raised) < len(self.places):
            self._resume(frame)
        raise error

    if sys.version_info >= (3, 12):
        TOOL = 3

        def __enter__(self) -> Signals:
            self.before = signal.signal(SIGNAL, self.handler)
            self._resume(None)
            return self

        def _resume(self, frame: Any) -> None:
            events = sys.monitoring.events
            sys.monitoring.register_callback(self.TOOL, events.INSTRUCTION, self._instruction)

        def _pause(self) -> None:
            sys.monitoring.register_callback(self.TOOL, sys.monitoring.events.INSTRUCTION, None)

        def _instruction(self, code: types.CodeType, offset: int) -> None:
            if offset in _checked(code):
                self.count += 1
                if self.count in self.places:
                    self._pause()
                    self.pending[self.count]

    else:

        def __enter__(self) -> Signals:
            self.before = signal.signal(SIGNAL, self.handler)
            self._resume(None)
            return self

        def _resume(self, frame: Any) -> None:
            sys.settrace(self._call)
            while frame is not None:
                if _is_traced(frame.f_code):
                    frame.f_trace = self._instruction
                frame = frame.f_back

        def _pause(self) -> None:
            sys.settrace(None)

        def _call(self, frame: Any, event: str, argument: Any) -> Any:
            if not _is_traced(frame.f_code):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return self._instruction

        def _instruction(self, frame: Any, event: str, argument: Any) -> Any:
            if event == "opcode" and frame.f_lasti in _checked(frame.f_code):
                self.count += 1
                if self.count in self.places:
                    self._pause()
                    self.pending[self.count]
                    return None
            return self._instruction

    def stop(self) -> None:
        """From here on no signal will be pending; one that is comes out of this call."""
        self._pause()

    def __exit__(self, *exception: object) -> None:
        self._pause()
        signal.signal(SIGNAL, self.before)


def _watch_instructions() -> None:
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        if monitoring.get_tool(Signals.TOOL) is None:
            monitoring.use_tool_id(Signals.TOOL, "interruptions")
        for code in [
            found
            for thing in gc.get_objects()
            if isinstance(thing, types.FunctionType)
            for found in _functions(thing.__code__)
        ]:
            if _is_traced(code):
                monitoring.set_local_events(Signals.TOOL, code, monitoring.events.INSTRUCTION)


def interrupted(
    url: str, options: dict[str, Any], places: list[int], kind: str, inside: bool
) -> Signals:
    """A run of the synchronous client, inside of `with` or not, in which a handler raises."""
    client: Any = None

    def error() -> BaseException:
        if kind == "closing":
            client.close()
            return SystemExit(7)
        return {"deadline": Deadline, "ctrl-c": KeyboardInterrupt, "custom": LookupError}[kind]()

    got: list[str] = []
    failures: list[sse.SSEHTTPError] = []
    seen: list[BaseException] = []

    def forget(*errors: BaseException) -> None:
        for error in errors:  # a frame may hold what is to be closed
            error.__traceback__ = error.__context__ = None

    def note(raised: Any) -> None:
        if raised is not signals.raised[-1]:
            raise Wrong(f"{raised!r} came out, interrupted {where}") from raised
        forget(raised)
        seen.append(raised)

    def follow() -> None:
        while True:
            try:
                if inside and client._inside is None:
                    client.__enter__()
                for event in client:
                    got.append(event.id)
                client.close()
                signals.stop()
                return
            except sse.SSEHTTPError as failure:
                failures.append(failure)
                failure.__context__ = None  # what was dealt with here before
            except BaseException as raised:
                note(raised)

    with nothing_left() as where:
        client = sse.connect(url, retry_interval=1, **options)
        signals = Signals(places, error, where)
        with signals:
            while True:
                try:
                    follow()
                    break
                except Wrong:
                    raise
                except BaseException as raised:  # it came late, between two steps
                    note(raised)
        client.close()
        client = None
        forget(*signals.raised)  # also those that others have replaced
    if seen[-1:] != signals.raised[-1:]:  # of two at nearly the same moment the second may be seen
        raise Wrong(f"raised {where}, came out {seen}")
    whole = not (kind == "closing" and seen)
    check(got, whole, where)
    check_failures(len(failures), whole and "gone" in url, "gone" in url, where)
    return signals


# Cancellations


class Cancellations:
    """Cancels a task before the n-th callback that its loop runs, and perhaps again after `again`
    more of them, or, with -1, before each until the call is left.
    """

    def __init__(self, first: int, again: int) -> None:
        self.first, self.again = first, again
        self.count = self.asked = self.came = 0
        self.task: Any = None
        self.where = ""

    def __enter__(self) -> Cancellations:
        run = asyncio.Handle._run

        def counted(handle: asyncio.Handle) -> None:
            if self.task is not None:
                self.count += 1
                self._cancel(handle)
            run(handle)

        self.patch = mock.patch.object(asyncio.Handle, "_run", counted)
        self.patch.start()
        return self

    def _cancel(self, handle: Any) -> None:
        behind = self.count - self.first
        if behind == 0 or (behind == self.again and behind > 0):
            if self.task.cancel():
                self.asked += 1
                self.where = f"{handle!r}"[:200]
        elif behind > 0 and self.again < 0 and not self.came:
            waiter = self.task._fut_waiter  # anyio looks at it, too
            if not isinstance(waiter, asyncio.Future) or not waiter.done():
                self.task.cancel()

    def __exit__(self, *exception: object) -> None:
        self.patch.stop()


def cancelled(
    url: str, options: dict[str, Any], first: int, again: int, inside: bool
) -> Cancellations:
    """A run of the asynchronous client, inside of `with` or not, whose task is cancelled."""
    got: list[str] = []
    failures: list[sse.SSEHTTPError] = []
    cancellations = Cancellations(first, again)

    async def follow(client: sse.AsyncSSEClient) -> None:
        cancellations.task = asyncio.current_task()
        while True:
            try:
                if inside and client._inside is None:
                    await client.__aenter__()
                async for event in client:
                    got.append(event.id)
                await client.close()
                return
            except sse.SSEHTTPError as failure:
                failures.append(failure)
            except asyncio.CancelledError:
                cancellations.came += 1

    async def main() -> None:
        client = sse.async_connect(url, retry_interval=1, **options)
        task = asyncio.ensure_future(follow(client))
        await asyncio.wait([task])
        cancellations.task = None
        if task.cancelled():
            cancellations.came += 1
            await client.close()
        else:
            task.result()
        for _ in range(20):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            raise Wrong(f"tasks left: {left}")

    complaints: list[str] = []
    with nothing_left():
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
        try:
            with cancellations:
                loop.run_until_complete(main())
            left = list(loop._selector.get_map().values())  # type: ignore[attr-defined]
        finally:
            loop.close()
    if len(left) > 1:  # one is the loop's own
        raise Wrong(f"sockets left in the loop: {left}")
    if complaints:
        raise Wrong(f"the loop complains: {complaints}")
    most = 2 if again > 0 else 1
    if not min(cancellations.asked, 1) <= cancellations.came <= most:
        raise Wrong(f"cancelled {cancellations.asked} times, came out {cancellations.came} times")
    check(got, True, cancellations.where)
    check_failures(len(failures), "gone" in url, "gone" in url, cancellations.where)
    return cancellations


# Everything


KINDS = ("deadline", "ctrl-c", "custom", "closing")
AGAIN = (1, 2, 3, 5, 9, 20)


def signal_points(
    url: str, options: dict[str, Any], stride: int, start: int
) -> Iterator[tuple[str, Callable[[], Any]]]:
    _watch_instructions()
    every = interrupted(url, options, [], "custom", True).count
    for number, place in enumerate(range(1 + start % stride, every + 1, stride)):
        inside = number % 2 == 0
        kind = KINDS[number // 2 % len(KINDS)]
        run = partial(interrupted, url, options, [place], kind, inside)
        yield f"signal {place} {kind} inside={inside}", run
        places = [place, place + 1 + number % 97]
        kind = KINDS[number // 4 % (len(KINDS) - 1)]
        run = partial(interrupted, url, options, places, kind, inside)
        yield f"signals {places} {kind} inside={inside}", run


def cancel_points(
    url: str, options: dict[str, Any], stride: int, start: int
) -> Iterator[tuple[str, Callable[[], Any]]]:
    every = cancelled(url, options, 0, 0, True).count
    for number, first in enumerate(range(1 + start % stride, every + 1, stride)):
        for inside in (True, False):
            again = AGAIN if stride == 1 else (AGAIN[number % len(AGAIN)],)
            for more in (0, -1, *again):
                run = partial(cancelled, url, options, first, more, inside)
                yield f"cancelled {first} {more:+} inside={inside}", run


def points(
    urls: dict[str, str], only: list[str], stride: int, start: int = 0
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every run, by the name of its place; of scenarios, kinds of interruption, or both."""
    kinds = [kind for kind in ("signals", "cancellations") if kind in only]
    names = [name for name in only if name not in kinds]
    for kind, make in (("signals", signal_points), ("cancellations", cancel_points)):
        for name, (url, options) in scenarios(urls, make is cancel_points).items():
            if (not kinds or kind in kinds) and (not names or name in names):
                for place, run in make(url, options, stride, start):
                    yield f"{name}: {place}", run


def failed(run: Callable[[], Any]) -> str:
    """What is wrong with a run; "" if nothing is."""
    try:
        run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("only", nargs="*", help="names of scenarios, signals, cancellations")
    parser.add_argument("--stride", type=int, default=1, help="only every n-th place")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    logging.getLogger("sse").addHandler(logging.NullHandler())
    count: collections.Counter[str] = collections.Counter()
    wrong = 0
    _watch_instructions()
    gc.collect()
    gc.freeze()  # what is here before need not be looked at after each run
    with server() as urls:
        for name, run in points(urls, options.only, options.stride, options.start):
            failure = failed(run)
            scenario, _, place = name.partition(":")
            count[f"{scenario} {place.split()[0].rstrip('s')}"] += 1
            if failure:
                wrong += 1
                print(f"{name}\n    {failure}", flush=True)
    for name, number in count.items():
        print(f"{number:7} {name}")
    print(f"{sum(count.values()):7} runs, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
