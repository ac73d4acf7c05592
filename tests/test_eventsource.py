"""EventSource and AsyncEventSource: any source of lines or chunks, one table of scenarios for both worlds."""

from __future__ import annotations

import ast
import asyncio
import functools
import io
import os
import random
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

from sse import AsyncEventSource, EventSource, SSEEvent, SSEEventTooLargeError
from tests.vectors import BOM, VECTORS, Event, split_lines

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def fields(event: SSEEvent) -> Event:
    return (event.event, event.data, event.id, event.retry)


class Source:
    """Items one by one (an exception among them is raised), counting what was pulled and noting the close."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = iter(items)
        self.pulled = 0
        self.closed = 0

    def take(self, end: type[Exception]) -> Any:
        for item in self.items:
            self.pulled += 1
            if isinstance(item, Exception):
                raise item
            return item
        raise end


class SyncSource(Source):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.take(StopIteration)

    def close(self) -> None:
        self.closed += 1


class AsyncSource(Source):
    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        return self.take(StopAsyncIteration)

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1


class Sync:
    """EventSource as the scenarios see it."""

    source = SyncSource
    lines: Callable[..., Any] = EventSource
    chunks: Callable[..., Any] = EventSource.from_chunks

    @staticmethod
    async def step(events: Any) -> SSEEvent | None:
        return next(iter(events), None)

    @staticmethod
    async def take(events: Any, count: int) -> list[SSEEvent]:
        """Events from a loop that is left early."""
        taken: list[SSEEvent] = []
        for event in events:
            taken.append(event)
            if len(taken) == count:
                break
        return taken

    @staticmethod
    async def rest(events: Any) -> list[SSEEvent]:
        return list(events)

    @staticmethod
    async def close(events: Any) -> None:
        events.close()

    @staticmethod
    def generator(items: Iterable[Any], log: list[str]) -> Any:
        def generate() -> Iterator[Any]:
            try:
                yield from items
            finally:
                log.append("closed")

        return generate()


class Async:
    """AsyncEventSource as the scenarios see it."""

    source = AsyncSource
    lines: Callable[..., Any] = AsyncEventSource
    chunks: Callable[..., Any] = AsyncEventSource.from_chunks

    @staticmethod
    async def step(events: Any) -> SSEEvent | None:
        async for event in events:
            assert isinstance(event, SSEEvent)
            return event
        return None

    @staticmethod
    async def take(events: Any, count: int) -> list[SSEEvent]:
        taken: list[SSEEvent] = []
        async for event in events:
            taken.append(event)
            if len(taken) == count:
                break
        return taken

    @staticmethod
    async def rest(events: Any) -> list[SSEEvent]:
        return [event async for event in events]

    @staticmethod
    async def close(events: Any) -> None:
        await events.aclose()

    @staticmethod
    def generator(items: Iterable[Any], log: list[str]) -> Any:
        async def generate() -> AsyncIterator[Any]:
            try:
                for item in items:
                    await asyncio.sleep(0)
                    yield item
            finally:
                log.append("closed")

        return generate()


World = Any  # Sync or Async, the classes themselves


def in_both_worlds(scenario: Callable[[Any, World], Awaitable[None]]) -> Callable[[Any], None]:
    """Run a scenario with EventSource and with AsyncEventSource."""

    @functools.wraps(scenario)
    def test(self: Any) -> None:
        for world in (Sync, Async):
            with self.subTest(world.__name__):

                async def run(world: World = world) -> None:
                    await scenario(self, world)

                asyncio.run(run())

    return test


LINES = ["event: greeting", "data: hello", "", "data: line 1", "data: line 2", ""]
GREETINGS = [SSEEvent("greeting", "hello"), SSEEvent("message", "line 1\nline 2")]


def terminated(lines: Iterable[Any], end: str) -> list[Any]:
    return [line + (end if isinstance(line, str) else end.encode()) for line in lines]


def encoded(lines: Iterable[str]) -> list[bytes]:
    return [line.encode() for line in lines]


class Lines(unittest.TestCase):
    maxDiff = 2000

    def test_a_list(self) -> None:
        got = [(event.event, event.data) for event in EventSource(LINES)]
        self.assertEqual(got, [("greeting", "hello"), ("message", "line 1\nline 2")])

    def test_other_iterables(self) -> None:
        for source in (
            tuple(LINES),
            iter(LINES),
            (line for line in LINES),
            dict.fromkeys(["data: a", ""]),
            map(str, LINES),
        ):
            with self.subTest(type(source).__name__):
                wanted = [SSEEvent(data="a")] if isinstance(source, dict) else GREETINGS
                self.assertEqual(list(EventSource(source)), wanted)

    @in_both_worlds
    async def test_with_and_without_terminators(self, world: World) -> None:
        for lines in (LINES, encoded(LINES)):
            for end in ("", "\n", "\r\n", "\r"):
                with self.subTest(end=end, type=type(lines[0])):
                    self.assertEqual(await world.rest(world.lines(world.source(terminated(lines, end)))), GREETINGS)

    @in_both_worlds
    async def test_terminators_in_turns(self, world: World) -> None:
        lines = [
            "data: a",
            "\r",
            "data: b\r\n",
            "\n",
            "data: c\r",
            "data: d",
            "\r\n",
            "data: e\n",
            "",
            "data: f\r",
            "\n",
        ]
        wanted = [SSEEvent(data=data) for data in ("a", "b", "c\nd", "e", "f")]
        for form in (lines, encoded(lines)):
            # each item is a line: a CR that ends one and an LF that is the next one are two line ends
            self.assertEqual(await world.rest(world.lines(world.source(form))), wanted)

    @in_both_worlds
    async def test_every_vector(self, world: World) -> None:
        for vector in VECTORS:
            lines, rest = split_lines(vector.stream)
            forms: list[tuple[str, list[Any]]] = [
                ("without terminators", [content for content, end in lines]),
                ("with their terminators", [content + end for content, end in lines]),
            ]
            if vector.text is not None:
                forms += [(f"{name}, text", [item.decode() for item in items]) for name, items in forms[:2]]
            for name, items in forms:
                source = world.lines(world.source(items))
                got = tuple(map(fields, await world.rest(source)))
                # every line there is has ended, so this is the state after the whole stream
                if (got, source.last_event_id, source.retry) != (
                    vector.events,
                    vector.last_event_id,
                    vector.retry,
                ):
                    with self.subTest(vector.name, form=name):
                        self.assertEqual(got, vector.events, vector.rule)
                        self.assertEqual((source.last_event_id, source.retry), (vector.last_event_id, vector.retry))
            if rest:
                with self.subTest(vector.name, form="unfinished line"):
                    source = world.lines(world.source([content + end for content, end in lines] + [rest]))
                    self.assertEqual(tuple(map(fields, await world.rest(source))), vector.events)
                    self.assertEqual(source.last_event_id, vector.last_event_id)

    @in_both_worlds
    async def test_a_bom(self, world: World) -> None:
        for lines in (
            ["\ufeffdata: a\n", "\n"], ["\ufeffdata: a", ""], [BOM + b"data: a\r\n", b"\r\n"],
            [BOM + b"data: a", b""],
            ["\ufeff", "data: a", ""], ["\ufeff\r\n", "data: a\r\n", "\r\n"], [BOM, b"data: a", b""],
        ):  # fmt: skip
            self.assertEqual(await world.rest(world.lines(world.source(lines))), [SSEEvent(data="a")], lines)

    @in_both_worlds
    async def test_one_bom_at_the_beginning_only(self, world: World) -> None:
        for lines in (
            ["\ufeff\ufeffdata: a", "data: b", ""], ["", "\ufeffdata: a", "data: b", ""], ["\ufeff",
            "\ufeffdata: a", "data: b", ""],
            [b"", BOM + b"data: a", b"data: b", b""], ["data: b", "\ufeffdata: a", ""], [b"\n",
            BOM + b"data: a\n", b"data: b\n", b"\n"],
        ):  # fmt: skip
            self.assertEqual(await world.rest(world.lines(world.source(lines))), [SSEEvent(data="b")], lines)

    @in_both_worlds
    async def test_other_line_separators_are_data(self, world: World) -> None:
        for char in "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e":
            for end in ("", "\n", "\r\n", "\r"):
                source = world.source(terminated([f"data: a{char}b{char}", ""], end))
                self.assertEqual(await world.rest(world.lines(source)), [SSEEvent(data=f"a{char}b{char}")])

    @in_both_worlds
    async def test_malformed_bytes(self, world: World) -> None:
        source = world.source([b"data: \xff\xe2\x82\n", b"\n"])
        self.assertEqual(await world.rest(world.lines(source)), [SSEEvent(data="\ufffd\ufffd")])

    @in_both_worlds
    async def test_text_that_is_not_utf8(self, world: World) -> None:
        (event,) = await world.rest(world.lines(world.source(["data: a\udcffb", ""])))
        self.assertRegex(event.data, "^a(\udcff|\ufffd+)b$")

    @in_both_worlds
    async def test_nothing(self, world: World) -> None:
        for lines in (
            [],
            [""],
            ["\n", "\n"],
            [b""],
            ["data: unfinished"],
            ["data: unfinished\n"],
            [": x", ""],
        ):
            events = world.lines(world.source(lines))
            self.assertEqual(await world.rest(events), [])
            self.assertEqual(await world.rest(events), [])
            self.assertEqual((events.last_event_id, events.retry), ("", None))


class Mistakes(unittest.TestCase):
    @in_both_worlds
    async def test_str_and_bytes_mixed(self, world: World) -> None:
        mixtures: tuple[list[Any], ...] = (
            ["data: a", "", b"data: b", b""], [b"data: a", b"", "data: b", ""], ["data: a", "", b""],
            [b"data: a\n", b"\n", "\n"],
            ["data: a", "", "data: b", b"", ""], ["data: a", "", b"data: b", b"", "data: c", "", "data: d"],
        )  # fmt: skip
        for lines in mixtures:
            with self.subTest(lines=lines):
                source = world.source(lines)
                events = world.lines(source)
                self.assertEqual(await world.take(events, 1), [SSEEvent(data="a")])
                kinds = ("bytes", "str") if isinstance(lines[0], bytes) else ("str", "bytes")
                told = "lines must all be {}, as the first was; this one is {}".format(*kinds)
                with self.assertRaisesRegex(TypeError, f"^{told}$"):
                    await world.rest(events)
                # at that item, or at the latest with the block it is in
                first_other = next(n for n, line in enumerate(lines) if type(line) is not type(lines[0]))
                end_of_block = next(n for n, line in enumerate(lines) if n >= first_other and not line.strip())
                self.assertIn(source.pulled, range(first_other + 1, end_of_block + 2))

    @in_both_worlds
    async def test_items_that_are_no_lines(self, world: World) -> None:
        for items in ([1], [None], [["data: a"]], [{"data": "a"}], list(b"data: a\n\n")):
            with self.subTest(items=items), self.assertRaisesRegex(TypeError, "str or bytes|is no iterable"):
                await world.rest(world.lines(world.source(items)))

    @in_both_worlds
    async def test_an_item_with_a_line_break_inside(self, world: World) -> None:
        for item in (
            "data: b\ndata: c", "data: b\rdata: c", "data: b\r\ndata: c", "data: b\ndata: c\n",
            "data: b\n\n", "\n\n", "\n\r", "\r\r",
            "\r\r\n", "\r\n\r\n", "\ndata: b", "\rdata: b", "data: b\r\r\n", "data: b\r\n\r", ": b\n:\n",
            "\n\r\n",
        ):  # fmt: skip
            for first, offender in ((LINES[:3], item), (encoded(LINES[:3]), item.encode())):
                with self.subTest(item=offender):
                    events = world.lines(world.source([*first, offender]))
                    self.assertEqual(await world.take(events, 1), GREETINGS[:1])
                    with self.assertRaisesRegex(ValueError, "from_chunks"):
                        await world.rest(events)
                    with self.assertRaisesRegex(ValueError, "from_chunks"):
                        await world.rest(world.lines(world.source([offender])))

    @in_both_worlds
    async def test_chunks_taken_for_lines_are_noticed_at_the_first(self, world: World) -> None:
        # a blank line may never come, and a live stream would just seem to hang
        for chunk in ("data: a\n\n", b"data: a\r\n\r\n", "id: 1\ndata: a"):
            source = world.source([chunk] * 1000)
            with self.assertRaisesRegex(ValueError, "from_chunks"):
                await world.rest(world.lines(source))
            self.assertEqual(source.pulled, 1)

    @in_both_worlds
    async def test_what_the_source_raises_reaches_the_caller(self, world: World) -> None:
        for make, items in (
            (world.lines, LINES[:3]),
            (world.chunks, ["event: greeting\ndata: hello\n\ndata: x\n"]),
        ):
            events = make(world.source([*items, OSError("cable pulled")]))
            self.assertEqual(await world.take(events, 1), GREETINGS[:1])
            with self.assertRaisesRegex(OSError, "cable pulled"):
                await world.rest(events)

    @in_both_worlds
    async def test_too_large(self, world: World) -> None:
        for make, items in (
            (world.lines, ["data: a", "", "data: 12345", "data: 78901", "", "data: b", ""]),
            (world.lines, [b"data: a\n", b"\n", b"data: 12345678901\n", b"\n", b"data: b\n", b"\n"]),
            (world.chunks, ["data: a\n\ndata: 12345678901\n\ndata: b\n\n"]),
            (world.chunks, [b"data: a\n\ndata: 123456", b"78901\n\ndata: b\n\n"]),
        ):
            with self.subTest(items=items):
                events = make(world.source(items), max_event_size=10)
                self.assertEqual(await world.take(events, 1), [SSEEvent(data="a")])
                with self.assertRaises(SSEEventTooLargeError) as caught:
                    await world.rest(events)
                self.assertEqual(caught.exception.limit, 10)

    @in_both_worlds
    async def test_sizes_are_bytes(self, world: World) -> None:
        for data, size in (("\u20ac" * 5, 15), ("\u20ac" * 50, 150), ("\u00e9x", 3), ("\U0001f600" * 9, 36)):
            for lines in ([f"data: {data}", ""], [f"data:{data}\n", "\n"]):
                for form in (lines, encoded(lines)):
                    fitting = world.lines(world.source(form), max_event_size=size)
                    self.assertEqual(await world.rest(fitting), [SSEEvent(data=data)])
                    with self.assertRaises(SSEEventTooLargeError, msg=form):
                        await world.rest(world.lines(world.source(form), max_event_size=size - 1))

    @in_both_worlds
    async def test_lines_without_end_are_bounded(self, world: World) -> None:
        limit = 16384
        for size in (0, 1000, limit // 2, 10_000, limit + 1):
            source = world.source(b"data: " + b"x" * size for _ in range(10 * limit))
            tracemalloc.start()
            try:
                with self.subTest(size=size):
                    with self.assertRaises(SSEEventTooLargeError):
                        await world.rest(world.lines(source, max_event_size=limit))
                    self.assertLess(tracemalloc.get_traced_memory()[1], 10 * limit)
            finally:
                tracemalloc.stop()

    @in_both_worlds
    async def test_just_not_too_large(self, world: World) -> None:
        for make, items in (
            (world.lines, ["data: 12345", "data: 7890", ""] * 3),
            (world.lines, [b"data: 1234567890\n", b"\n"] * 3),
            (world.chunks, ["data: 1234567890\n\n" * 3]),
            (world.chunks, [b"data: 123456", b"7890\n\n"] * 3),
        ):
            self.assertEqual(len(await world.rest(make(world.source(items), max_event_size=10))), 3)
            self.assertEqual(len(await world.rest(make(world.source(items), max_event_size=None))), 3)


class Iteration(unittest.TestCase):
    @in_both_worlds
    async def test_no_line_is_read_ahead(self, world: World) -> None:
        lines = ["", ": x", "id: 1", "", "data: a", "", "", "data: b", "data: c", "", "data: d"]
        for end in ("", "\n", "\r\n", "\r"):
            source = world.source(terminated(lines, end))
            events = world.lines(source)
            self.assertEqual(source.pulled, 0)
            for data, pulled in (("a", 6), ("b\nc", 10)):
                event = await world.step(events)
                self.assertEqual((event.data, source.pulled), (data, pulled), repr(end))
            self.assertIsNone(await world.step(events))
            self.assertEqual(source.pulled, 11)

    @in_both_worlds
    async def test_no_chunk_is_read_ahead(self, world: World) -> None:
        for text in (False, True):
            chunks = [b"data: a\n", b"\ndata: b\n\ndata: c\r", b"\r", b"\n", b"data: d\r\n\r", b"\ndata: e"]
            source = world.source([chunk.decode() for chunk in chunks] if text else chunks)
            events = world.chunks(source)
            self.assertEqual(source.pulled, 0)
            for data, pulled in (("a", 2), ("b", 2), ("c", 3), ("d", 5)):
                event = await world.step(events)
                self.assertEqual((event.data, source.pulled), (data, pulled))
            self.assertIsNone(await world.step(events))
            self.assertEqual(source.pulled, 6)

    @in_both_worlds
    async def test_goes_on_where_a_loop_was_left(self, world: World) -> None:
        stream = "".join(f"id: {n}\ndata: {n}\n\n" for n in range(20)) + "data: unfinished\n"
        wanted = [str(n) for n in range(20)]
        sources: list[tuple[str, Callable[[], Any]]] = [
            ("lines", lambda: world.lines(world.source(stream.splitlines()))),
            ("a generator of lines", lambda: world.lines(world.generator(stream.splitlines(), []))),
            ("one chunk", lambda: world.chunks(world.source([stream]))),
            (
                "chunks",
                lambda: world.chunks(
                    world.source([stream.encode()[start : start + 50] for start in range(0, 500, 50)])
                ),
            ),
        ]
        if world is Sync:
            sources.append(("a list", lambda: EventSource(stream.splitlines())))
        for name, make in sources:
            for count in (1, 3, 7):
                with self.subTest(name, count=count):
                    events = make()
                    got: list[str] = []
                    while taken := await world.take(events, count):
                        got += [event.data for event in taken]
                    self.assertEqual(got, wanted)

    @in_both_worlds
    async def test_goes_on_where_the_source_raised(self, world: World) -> None:
        # a source that is not a generator may raise and go on: a timeout, an interrupt by the user
        for make, items in (
            (world.lines, ["id: 1", TimeoutError(), "data: a", TimeoutError(), "", TimeoutError(),
            "data: b", "", TimeoutError()]),
            (world.chunks, ["id: 1\nda", TimeoutError(), "ta: a\n", TimeoutError(), "\ndata: b\n\n", TimeoutError()]),
        ):  # fmt: skip
            events = make(world.source(items))
            got: list[SSEEvent] = []
            interrupted = 0
            while True:
                try:
                    event = await world.step(events)
                except TimeoutError:
                    interrupted += 1
                    continue
                if event is None:
                    break
                got.append(event)
            self.assertEqual(got, [SSEEvent("message", "a", "1"), SSEEvent("message", "b", "1")])
            self.assertEqual(interrupted, sum(isinstance(item, TimeoutError) for item in items))

    @in_both_worlds
    async def test_goes_on_inside_a_block(self, world: World) -> None:
        for end in ("", "\n"):
            lines = ["event: t", TimeoutError(), "id: 1", "data: a", TimeoutError(), "data: b", "", "data: c", ""]
            events = world.lines(world.source(line + end if isinstance(line, str) else line for line in lines))
            for _ in range(2):
                with self.assertRaises(TimeoutError):
                    await world.step(events)
            self.assertEqual(await world.rest(events), [SSEEvent("t", "a\nb", "1"), SSEEvent("message", "c", "1")])

    @in_both_worlds
    async def test_unfinished_where_the_source_raised(self, world: World) -> None:
        """Of lines with an end and without, behind each other."""
        lines = ["event: t", "data: a", "event: u\r\n", "id: 1\n", "data: b\r\n", TimeoutError(), "data: c", ""]
        events = world.lines(world.source(lines))
        with self.assertRaises(TimeoutError):
            await world.step(events)
        self.assertEqual(events.unfinished, SSEEvent("u", "a\nb", "1"))
        self.assertEqual(await world.rest(events), [SSEEvent("u", "a\nb\nc", "1")])

    def test_goes_on_where_it_was_cancelled(self) -> None:
        async def scenario(make: Callable[[Any], AsyncEventSource], items: list[str]) -> None:
            queue: asyncio.Queue[str] = asyncio.Queue()

            class Queued:
                def __aiter__(self) -> AsyncIterator[str]:
                    return self

                async def __anext__(self) -> str:
                    return await queue.get()

            events = make(Queued())
            for item in items[:-1]:
                step = asyncio.ensure_future(Async.step(events))
                queue.put_nowait(item)
                while not queue.empty():
                    await asyncio.sleep(0)
                step.cancel()  # while it waits for the next item
                with self.assertRaises(asyncio.CancelledError):
                    await step
            queue.put_nowait(items[-1])
            self.assertEqual(await Async.step(events), SSEEvent("message", "a", "1"))

        asyncio.run(scenario(AsyncEventSource, ["id: 1", "data: a", ""]))
        asyncio.run(scenario(AsyncEventSource.from_chunks, ["id: 1\nda", "ta: a\n", "\n"]))

    @in_both_worlds
    async def test_leaving_a_loop_does_not_close_the_source(self, world: World) -> None:
        for make, items in ((world.lines, LINES), (world.chunks, ["data: a\n\n", "data: b\n\n"])):
            log: list[str] = []
            events = make(world.generator(items, log))
            self.assertEqual(len(await world.take(events, 1)), 1)
            self.assertEqual(log, [])
            self.assertEqual(len(await world.rest(events)), 1)

    @in_both_worlds
    async def test_last_event_id_is_that_of_the_event_handed_over(self, world: World) -> None:
        stream = "data: a\n\nid: 1\ndata: b\n\ndata: c\n\nid: 2\n\nid\ndata: d\n\nid: 3\ndata: e\n\n"
        stream += "id: 4\n\nid: 5\n"
        # an id in a block of its own is in force once everything before it was handed over,
        # which may show at once where it came in the same chunk
        steps = [("a", "", ""), ("b", "1", "1"), ("c", "1", "2"), ("d", "", ""), ("e", "3", "4")]
        for name, events in (
            ("lines", world.lines(world.source(stream.splitlines()))),
            ("one chunk", world.chunks(world.source([stream]))),
            ("bytes", world.chunks(world.source([bytes([byte]) for byte in stream.encode()]))),
        ):
            with self.subTest(name):
                self.assertEqual(events.last_event_id, "")
                for data, last_event_id, or_later in steps:
                    event = await world.step(events)
                    self.assertEqual((event.data, event.id), (data, last_event_id))
                    self.assertIn(
                        events.last_event_id,
                        (last_event_id, or_later if name == "one chunk" else last_event_id),
                    )
                self.assertIsNone(await world.step(events))
                self.assertEqual(events.last_event_id, "4")

    @in_both_worlds
    async def test_starts_from_a_given_id(self, world: World) -> None:
        for make, items in (
            (world.lines, ["data: a", "", "id", "data: b", ""]),
            (world.chunks, [b"data: a\n\nid\ndata: b\n\n"]),
        ):
            events = make(world.source(items), last_event_id="seed")
            self.assertEqual(events.last_event_id, "seed")
            self.assertEqual([event.id for event in await world.rest(events)], ["seed", ""])
            self.assertEqual(events.last_event_id, "")

    @in_both_worlds
    async def test_retry_can_be_read(self, world: World) -> None:
        events = world.lines(
            world.source(["retry: 5", "data: a", "", "data: b", "", "retry: 6", "retry: x", "", "data: c"])
        )
        self.assertIsNone(events.retry)
        for wanted in (("a", 5), ("b", None)):
            event = await world.step(events)
            self.assertEqual((event.data, event.retry, events.retry), (*wanted, 5))
        self.assertIsNone(await world.step(events))
        self.assertEqual(events.retry, 6)
        events = world.chunks(world.source([b"retry: 7\nda", b"ta: a\n\n"]))
        self.assertEqual([event.retry for event in await world.rest(events)], [7])
        self.assertEqual(events.retry, 7)

    @in_both_worlds
    async def test_retry_is_in_force_when_its_line_has_ended(self, world: World) -> None:
        # also where the source breaks right after it, and a new connection is to be made with it
        for make, items in (
            (world.lines, ["retry: 5", OSError()]),
            (world.lines, [b"data: a\n", b"retry: 5\n", b"data: b\n", OSError()]),
            (world.chunks, [b"retry: 5\n", OSError()]),
            (world.chunks, ["data: a\nretry: 5\rdata: b", OSError()]),
        ):
            events = make(world.source(items))
            with self.assertRaises(OSError):
                await world.rest(events)
            self.assertEqual(events.retry, 5)


class Closing(unittest.TestCase):
    @in_both_worlds
    async def test_closes_a_generator(self, world: World) -> None:
        for make, items in ((world.lines, LINES), (world.chunks, ["data: a\n\n", "data: b\n\n"])):
            log: list[str] = []
            events = make(world.generator(items, log))
            await world.take(events, 1)
            await world.close(events)
            self.assertEqual(log, ["closed"])
            self.assertEqual(await world.rest(events), [])
            await world.close(events)
            self.assertEqual(log, ["closed"])

    @in_both_worlds
    async def test_closes_an_object(self, world: World) -> None:
        for make in (world.lines, world.chunks):
            for steps in (0, 1):
                source = world.source(["data: a\n", "\n", "data: b\n", "\n"])
                events = make(source)
                await world.take(events, steps) if steps else None
                await world.close(events)
                self.assertEqual(source.closed, 1)

    def test_by_the_source_itself(self) -> None:
        """What it hands over then, and all that it could, is not for who closed it."""
        for make, items in ((EventSource, LINES), (EventSource.from_chunks, ["data: a\n\n", "data: b\n\n"])):
            with self.subTest(make):

                def source(items: Iterable[str] = items) -> Iterator[str]:
                    for item in items:
                        events.close()  # noqa: B023  # it is made below, in the same turn
                        yield item

                events: Any = make(map(str, source()))  # a map has no close()
                self.assertEqual(list(events), [])
                self.assertEqual(list(events), [])

    def test_closes_the_object_given_not_only_its_iterator(self) -> None:
        class Response:
            closed = False

            def __iter__(self) -> Iterator[str]:
                yield from LINES

            def close(self) -> None:
                self.closed = True

        for steps in (0, 1):
            response = Response()
            events = EventSource(response)
            for _ in range(steps):
                next(iter(events))
            events.close()
            self.assertTrue(response.closed)

    def test_closes_the_async_object_given_not_only_its_iterator(self) -> None:
        class Response:
            closed = False

            async def __aiter__(self) -> AsyncIterator[str]:
                for line in LINES:
                    yield line

            async def aclose(self) -> None:
                self.closed = True

        async def scenario(steps: int) -> bool:
            response = Response()
            events = AsyncEventSource(response)
            if steps:
                await Async.take(events, steps)
            await events.aclose()
            return response.closed

        for steps in (0, 1):
            self.assertTrue(asyncio.run(scenario(steps)))

    @in_both_worlds
    async def test_what_cannot_be_closed_is_left_alone(self, world: World) -> None:
        events: Any = EventSource(LINES)
        if world is Async:

            class Bare:
                def __init__(self) -> None:
                    self.lines = iter(LINES)

                def __aiter__(self) -> AsyncIterator[str]:
                    return self

                async def __anext__(self) -> str:
                    for line in self.lines:
                        return line
                    raise StopAsyncIteration

            events = AsyncEventSource(Bare())
        self.assertEqual(await world.take(events, 1), GREETINGS[:1])
        await world.close(events)
        await world.close(events)

    def test_a_file_is_closed(self) -> None:
        file = io.StringIO("data: a\n\ndata: b\n\n")
        events = EventSource(file)
        next(iter(events))
        events.close()
        self.assertTrue(file.closed)


class Chunks(unittest.TestCase):
    maxDiff = 2000

    @in_both_worlds
    async def test_every_vector(self, world: World) -> None:
        random_source = random.Random(5)
        for vector in VECTORS:
            forms: list[Any] = [vector.stream] if vector.text is None else [vector.stream, vector.text]
            for stream in forms:
                cut = random_source.randrange(len(stream) + 1)
                step = 1 + len(stream) // 500  # byte by byte but for the long ones
                for chunks in (
                    [stream],
                    [stream[:cut], stream[cut:]],
                    [stream[start : start + step] for start in range(0, len(stream), step)],
                ):
                    events = world.chunks(world.source(chunks))
                    got = (tuple(map(fields, await world.rest(events))), events.last_event_id, events.retry)
                    if got != (vector.events, vector.last_event_id, vector.retry):
                        with self.subTest(vector.name, rule=vector.rule):
                            self.assertEqual(got, (vector.events, vector.last_event_id, vector.retry))
                        break

    @in_both_worlds
    async def test_cut_anywhere(self, world: World) -> None:
        stream = "\ufeffid: 1\r\ndata: \u20ac\u2028\U0001f600\r\n\r\nevent: t\ndata: b\n\nretry: 5\rdata\r\r"
        wanted = [
            SSEEvent("message", "\u20ac\u2028\U0001f600", "1"),
            SSEEvent("t", "b", "1"),
            SSEEvent("message", "", "1", 5),
        ]
        forms: list[Any] = [stream, stream.encode()]
        for form in forms:
            for cut in range(len(form) + 1):
                events = world.chunks(world.source([form[:cut], form[cut:]]))
                self.assertEqual(await world.rest(events), wanted)

    @in_both_worlds
    async def test_what_other_clients_lines_get_wrong(self, world: World) -> None:
        # as bytes.splitlines and str.splitlines cut them, the reason why from_chunks is recommended
        self.assertEqual(
            await world.rest(world.chunks(world.source([b"data: a\r", b"\ndata: b\r\n\r\n"]))),
            [SSEEvent(data="a\nb")],
        )
        self.assertEqual(
            await world.rest(world.chunks(world.source(["data: a\u2028b\n\n"]))), [SSEEvent(data="a\u2028b")]
        )

    @in_both_worlds
    async def test_from_chunks_is_the_same_class(self, world: World) -> None:
        class Mine(world.lines):  # type: ignore[misc]
            pass

        events = Mine.from_chunks(world.source([b"data: a\n\n"]))
        self.assertIsInstance(events, Mine)
        self.assertEqual(await world.rest(events), [SSEEvent(data="a")])

    def test_a_file_in_blocks(self) -> None:
        stream = b"".join(b"data: %d\r\n\r\n" % number for number in range(500))
        file = io.BytesIO(stream)
        events = EventSource.from_chunks(iter(lambda: file.read(37), b""))
        self.assertEqual([event.data for event in events], [str(number) for number in range(500)])


    def test_what_is_asked_between_events_changes_nothing(self) -> None:
        source = EventSource.from_chunks([b"data: a\n\ndata: b\n\ndata: c\n\nretry: 5\ndata: d\n", b"\n"])
        seen = [(event.data, source.retry, source.unfinished) for event in source]
        self.assertEqual([data for data, _, _ in seen], ["a", "b", "c", "d"])
        self.assertEqual(source.retry, 5)


class Files(unittest.TestCase):
    STREAM = "\ufeffid: 1\ndata: \u20ac\u2028\x85\x0b\n\nevent: t\ndata: b\ndata: c\n\ndata: unfinished\n"
    WANTED = (SSEEvent("message", "\u20ac\u2028\x85\x0b", "1"), SSEEvent("t", "b\nc", "1"))

    def setUp(self) -> None:
        handle, self.path = tempfile.mkstemp()
        os.close(handle)
        self.addCleanup(os.unlink, self.path)

    def write(self, end: str) -> None:
        with open(self.path, "wb") as file:
            file.write(self.STREAM.replace("\n", end).encode())

    def test_text(self) -> None:
        for end in ("\n", "\r\n", "\r"):
            self.write(end)
            for newline in (None, ""):
                for encoding in ("utf-8", "utf-8-sig"):
                    with self.subTest(end=end, newline=newline, encoding=encoding):
                        with open(self.path, encoding=encoding, newline=newline) as file:
                            self.assertEqual(tuple(EventSource(file)), self.WANTED)

    def test_binary(self) -> None:
        for end in ("\n", "\r\n"):
            for buffering in (-1, 0):
                self.write(end)
                with self.subTest(end=end, buffering=buffering), open(self.path, "rb", buffering) as file:
                    self.assertEqual(tuple(EventSource(file)), self.WANTED)

    def test_binary_with_cr_is_for_from_chunks(self) -> None:
        self.write("\r")
        with open(self.path, "rb") as file, self.assertRaisesRegex(ValueError, "from_chunks"):
            list(EventSource(file))
        with open(self.path, "rb") as file:
            self.assertEqual(tuple(EventSource.from_chunks(file)), self.WANTED)

    def test_a_file_that_grows(self) -> None:
        # like tail -f: an end is not for ever
        with open(self.path, "w", encoding="utf-8") as writer, open(self.path, encoding="utf-8") as reader:
            events = EventSource(reader.readline() for _ in iter(int, 1))
            writer.write("data: a\n\n")
            writer.flush()
            self.assertEqual(next(iter(events)), SSEEvent(data="a"))
            writer.write("data: b\n\n")
            writer.flush()
            self.assertEqual(next(iter(events)), SSEEvent(data="b"))


class StandardInput(unittest.TestCase):
    def start(self, source: str, **environment: str) -> subprocess.Popen[bytes]:
        program = (
            "import sys\n"
            "from sse import EventSource\n"
            f"for event in EventSource({source}):\n"
            "    print(ascii((event.event, event.data, event.id, event.retry)), flush=True)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        )
        guard = threading.Timer(30, child.kill)  # so that a child that hangs fails and does not hang the tests
        guard.start()
        self.addCleanup(guard.join)
        self.addCleanup(guard.cancel)
        return child

    def test_each_event_as_its_blank_line_comes(self) -> None:
        for source in ("sys.stdin", "sys.stdin.buffer"):
            with self.subTest(source), self.start(source) as child:
                assert child.stdin and child.stdout
                for data in ("a", "\u20ac\u2028b", "c"):
                    child.stdin.write(f"id: 1\ndata: {data}\n\n".encode())
                    child.stdin.flush()
                    # the next event is only sent when this one has come out: waiting for it would never end
                    self.assertEqual(child.stdout.readline().decode().strip(), ascii(("message", data, "1", None)))
                child.stdin.write(b"data: unfinished\n")
                child.stdin.close()
                self.assertEqual(child.stdout.read(), b"")
                self.assertEqual(child.wait(), 0)

    def test_stray_bytes(self) -> None:
        with self.start("sys.stdin", PYTHONIOENCODING="utf-8:surrogateescape") as child:
            output, _ = child.communicate(b"data: a\xffb\n\ndata: c\n\n")
            first, second = output.decode().splitlines()
            self.assertRegex(ast.literal_eval(first)[1], "^a(\udcff|\ufffd+)b$")
            self.assertEqual(second, ascii(("message", "c", "", None)))
            self.assertEqual(child.wait(), 0)


if __name__ == "__main__":
    unittest.main()
