"""SSEParser and SSEEvent: every vector at every cut, prompt delivery, bounded memory, linear work."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import random
import re
import time
import tracemalloc
import typing
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

import sse
from sse import SSEError, SSEEvent, SSEEventTooLargeError, SSEParser
from tests.vectors import BOM, LONG, VECTORS, Event, Vector, split_lines

Chunk = bytes | str
SHORT = 400  # streams up to this length are cut at every place
MIB = 1024 * 1024


def fields(event: SSEEvent) -> Event:
    return (event.event, event.data, event.id, event.retry)


def outcome(chunks: Iterable[Chunk]) -> tuple[object, ...]:
    """What a fresh parser makes of these chunks, in the shape of a vector's expectation."""
    comments: list[str] = []
    parser = SSEParser(on_comment=comments.append)
    events = [fields(event) for chunk in chunks for event in parser.feed(chunk)]
    return tuple(events), parser.last_event_id, parser.retry, tuple(comments)


def expected(vector: Vector) -> tuple[object, ...]:
    return vector.events, vector.last_event_id, vector.retry, vector.comments


def forms(vector: Vector) -> Iterator[Any]:
    """The stream as bytes, and as text where it can be."""
    yield vector.stream
    if vector.text is not None:
        yield vector.text


def pieces(stream: Any, size: int) -> list[Any]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def random_cuts(stream: Any, source: random.Random) -> list[Any]:
    """The stream in pieces of random length, empty ones among them."""
    cuts = sorted(source.randrange(len(stream) + 1) for _ in range(source.randrange(1, 12)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


class EveryVector(unittest.TestCase):
    maxDiff = 2000
    longest = 3 * 10**4  # to be fed byte by byte

    def check(self, cut: Callable[[Any], Iterable[list[Any]]], vectors: Iterable[Vector] = VECTORS) -> None:
        for vector in vectors:
            for stream in forms(vector):
                for chunks in cut(stream):
                    if outcome(chunks) != expected(vector):
                        with self.subTest(vector.name, rule=vector.rule):
                            shown = chunks if len(stream) <= SHORT else [len(chunk) for chunk in chunks]
                            self.assertEqual(outcome(chunks), expected(vector), f"cut into {shown}")
                        break

    def test_whole(self) -> None:
        self.check(lambda stream: [[stream]])

    def test_byte_by_byte(self) -> None:
        self.check(lambda stream: [pieces(stream, 1)], [v for v in VECTORS if len(v.stream) <= self.longest])

    def test_in_small_pieces(self) -> None:
        self.check(lambda stream: [pieces(stream, size) for size in (2, 3, 5, 7, 64) if size >= len(stream) / SHORT])

    def test_every_cut_in_two(self) -> None:
        self.check(
            lambda stream: ([stream[:cut], stream[cut:]] for cut in range(len(stream) + 1)),
            [vector for vector in VECTORS if len(vector.stream) <= SHORT],
        )

    def test_every_cut_in_three(self) -> None:
        self.check(
            lambda stream: (
                [stream[:first], stream[first:second], stream[second:]]
                for second in range(len(stream) + 1)
                for first in range(second + 1)
            ),
            [vector for vector in VECTORS if len(vector.stream) <= 20],
        )

    def test_random_cuts(self) -> None:
        source = random.Random(20)
        self.check(lambda stream: [random_cuts(stream, source) for _ in range(5)])

    def test_empty_chunks_change_nothing(self) -> None:
        def with_gaps(stream: Any) -> list[list[Any]]:
            gap = stream[:0]
            return [[gap] + [part for byte in pieces(stream, 1) for part in (byte, gap, gap)]]

        self.check(with_gaps, [vector for vector in VECTORS if len(vector.stream) <= SHORT])

    def test_streams_without_a_line_end_leave_no_trace(self) -> None:
        for vector in VECTORS:
            rest = split_lines(vector.stream)[1]
            if rest:
                with self.subTest(vector.name):
                    self.assertEqual(outcome([vector.stream]), outcome([vector.stream[: -len(rest)]]))


class EveryVectorThePlainWay(EveryVector):
    """Without the short cuts for events sent alone and for runs of like ones, whose meaning the plain way defines."""

    longest = 10**4

    def setUp(self) -> None:
        patch = mock.patch.object(sse, "_HEAD", re.compile("(?!)"))
        patch.start()
        self.addCleanup(patch.stop)

    test_every_cut_in_three = test_in_small_pieces = None  # type: ignore[assignment]
    test_empty_chunks_change_nothing = None  # type: ignore[assignment]


class SentAlone(unittest.TestCase):
    """A block at a time, as servers flush them, which has a short cut of its own."""

    BLOCKS = (
        "data: a\n\n", "data: bb\n\n", "data: \n\n", "data:\n\n", "data:c\n\n", "data\n\n", "data: é\n\n", "\n",
        ": c\n\n", "data: a\ndata: b\n\n", "data: a\n\ndata: b\n\n", "event: x\ndata: a\n\n", "event: x\n\n",
        "event: y\ndata: b\n\n", "id: 1\ndata: a\n\n", "id: 2\n\n", "id\n\n", "retry: 5\n\n", "retry: 6\ndata: a\n\n",
        ": c\ndata: a\n\n", "data: a\nid: 3\n\n", "data: a\r\n\r\n", "data: a\r\r", "data: a\n", "event: x\n",
        "\ufeffdata: a\n\n", "dat", "id: 4\nevent: x\ndata: a\n\n", "event: x\nid: 5\ndata: a\n\n",
        ": c\nid: 6\nid: 7\ndata: a\n\n", "event: x\nevent: y\ndata: a\n\n", "id: 8\0\ndata: a\n\n",
        "id: \ndata: a\n\n", "id: 9\ndata: a\n\nid: 9\ndata: b\n\n", "id: 1\ndata: a\ndata: b\n\n",
        "id: 1\nevent: x\nid: 2\ndata: a\n\n",
    )  # fmt: skip

    def taken(self, chunks: list[bytes], limit: int | None, comments: list[str] | None) -> object:
        parser = SSEParser(max_event_size=limit, on_comment=None if comments is None else comments.append)
        events = []
        try:
            for chunk in [*chunks, b""]:
                events += [fields(event) for event in parser.feed(chunk)]
        except SSEEventTooLargeError:
            return events, comments, "too large"
        return events, comments, parser.last_event_id, parser.retry

    def test_as_byte_by_byte(self) -> None:
        source = random.Random(27)
        for _ in range(800):
            few = source.sample(self.BLOCKS, 6)
            chunks = [block.encode() for block in source.choices(few, k=12)]
            if source.random() < 0.2:
                chunks.insert(6, b"data: \xff\n\n")
            limit = source.choice((None, 1, 7, 8, 100))
            comments: tuple[list[str] | None, list[str] | None] = ([], []) if source.random() < 0.3 else (None, None)
            with self.subTest(chunks=chunks, limit=limit):
                plain = [bytes([byte]) for byte in b"".join(chunks)]
                self.assertEqual(self.taken(chunks, limit, comments[0]), self.taken(plain, limit, comments[1]))


class Promptness(unittest.TestCase):
    """An event is returned by the call that brings the last byte of its blank line."""

    SCRIPTS: tuple[tuple[str, list[tuple[Chunk, list[str]]]], ...] = (
        ("LF", [(b"data: a\n", []), (b"\n", ["a"]), (b"data: b\n\n", ["b"])]),
        ("CR, not waiting for LF", [(b"data: a\r", []), (b"\r", ["a"]), (b"data: b\r\r", ["b"])]),
        ("CRLF, at its CR", [(b"data: a\r\n", []), (b"\r", ["a"]), (b"\n", []), (b"data: b\r\n\r", ["b"]),
        (b"\n", [])]),
        ("CRLF, cut between the lines", [(b"data: a\r", []), (b"\n", []), (b"\r\n", ["a"])]),
        ("CRLF, all in one", [(b"data: a\r\n\r\n", ["a"]), (b"data: b\r\n\r\n", ["b"])]),
        ("LF, CR", [(b"data: a\n", []), (b"\r", ["a"]), (b"\n", []), (b"data: b\n\r", ["b"])]),
        ("CR, LF LF", [(b"data: a\r", []), (b"\n", []), (b"\n", ["a"])]),
        ("several in one call", [(b"data: a\n\ndata: b\n\ndata: c\n\ndata: d", ["a", "b", "c"]), (b"\n\n",
        ["d"])]),
        ("the end of one, all of the next", [(b"data: a\ndat", []), (b"a: b\n\ndata: c\n\nda", ["a\nb",
        "c"])]),
        ("byte by byte", [(bytes([byte]), []) for byte in b"data: a\n"] + [(b"\n", ["a"])]),
        ("after a BOM in pieces", [(BOM[:1], []), (BOM[1:2], []), (BOM[2:], []), (b"data: a\n\n", ["a"])]),
        ("after a BOM in one", [(BOM + b"data: a\n\n", ["a"])]),
        ("BOM and blank line in pieces", [(BOM[:2], []), (BOM[2:] + b"data: a\r\r", ["a"])]),
        ("after heartbeats", [(b": \n\n", []), (b":\n", []), (b"\n", []), (b"data: a\n\n", ["a"]),
        (b":\n\n", [])]),
        ("a long one", [(b"data: " + LONG.encode(), []), (b"\n", []), (b"\n", [LONG])]),
        ("text", [("data: \u20ac\r", []), ("\r", ["\u20ac"]), ("\ndata: b\n\ndata: c\n\n", ["b", "c"])]),
        ("text with a BOM", [("\ufeff", []), ("data: a\n\n", ["a"])]),
    )  # fmt: skip

    def test_scripts(self) -> None:
        for name, script in self.SCRIPTS:
            parser = SSEParser()
            for step, (chunk, datas) in enumerate(script):
                with self.subTest(name, step=step):
                    self.assertEqual([event.data for event in parser.feed(chunk)], datas)

    def test_every_event_and_comment_comes_with_its_own_line_end(self) -> None:
        for vector in VECTORS:
            if len(vector.stream) > 20_000:
                continue
            blank_ends: set[int] = set()
            comment_ends: list[int] = []
            offset = 0
            for content, end in split_lines(vector.stream)[0]:
                start, offset = offset, offset + len(content) + len(end)
                if start == 0:
                    content = content.removeprefix(BOM)
                complete = offset - len(end) + 1  # the CR of a CRLF is enough
                if not content:
                    blank_ends.add(complete)
                elif content.startswith(b":"):
                    comment_ends.append(complete)
            comments: list[str] = []
            heard: list[int] = []
            parser = SSEParser(on_comment=comments.append)
            with self.subTest(vector.name):
                for fed in range(1, len(vector.stream) + 1):
                    if parser.feed(vector.stream[fed - 1 : fed]):
                        self.assertIn(fed, blank_ends)
                    heard += [fed] * (len(comments) - len(heard))
                self.assertEqual(heard, comment_ends)

    def test_comments_in_order_during_feed(self) -> None:
        comments: list[str] = []
        parser = SSEParser(on_comment=comments.append)
        for chunk, so_far in [
            (b":a", []), (b"\r", ["a"]), (b"\n", ["a"]), (b":b\ndata: x\n:c\n\n:d", ["a", "b", "c"]),
            (b"", ["a", "b", "c"]), (b"\n", ["a", "b", "c", "d"]),
        ]:  # fmt: skip
            parser.feed(chunk)
            self.assertEqual(comments, so_far)

    def test_state_after_each_call(self) -> None:
        parser = SSEParser()
        for chunk, last_event_id, retry in [
            (b"", "", None), (b"retry: 5", "", None), (b"\r", "", 5), (b"id: 1\n", "", 5), (b"data: a\n",
            "", 5),
            (b"\n", "1", 5), (b"id\nretry: 6\n", "1", 6), (b"retry: x\n\n", "", 6), (b"id: 2\n\nid: 3\n",
            "2", 6),
        ]:  # fmt: skip
            parser.feed(chunk)
            self.assertEqual((parser.last_event_id, parser.retry), (last_event_id, retry), chunk)


class Parser(unittest.TestCase):
    def test_starts_from_a_given_id(self) -> None:
        parser = SSEParser("seed")
        self.assertEqual(parser.last_event_id, "seed")
        (first,) = parser.feed(b"data: a\n\n")
        self.assertEqual((first.id, parser.last_event_id), ("seed", "seed"))
        self.assertEqual([event.id for event in parser.feed(b"id: 1\n\ndata: b\n\nid\ndata: c\n\n")], ["1", ""])
        self.assertEqual(parser.last_event_id, "")

    def test_given_id_by_keyword_survives_blocks_without_data(self) -> None:
        parser = SSEParser(last_event_id="seed")
        self.assertEqual(parser.feed(b"\n\n: x\n\nevent: t\n\nid: a\0\n\n"), [])
        self.assertEqual(parser.last_event_id, "seed")

    def test_parsers_do_not_share_state(self) -> None:
        one, other = SSEParser(), SSEParser()
        one.feed(b"id: 1\nretry: 5\n\nevent: t\ndata: a\r")
        self.assertEqual([fields(event) for event in other.feed(b"\ndata: b\n\n")], [("message", "b", "", None)])
        self.assertEqual((other.last_event_id, other.retry), ("", None))

    def test_returns_a_new_list_each_time(self) -> None:
        parser = SSEParser()
        first = parser.feed(b"data: a\n\n")
        kept = list(first)
        self.assertEqual(parser.feed(b""), [])
        second = parser.feed(b"data: b\n\n")
        self.assertEqual(first, kept)
        self.assertIsInstance(second, list)
        self.assertIsNot(first, second)

    def test_text_that_is_not_utf8(self) -> None:
        # as sys.stdin delivers a stray byte in the C locale (error handler surrogateescape)
        for chunks in (["data: a\udcffb\n\n"], ["data: a", "\udcff", "b\n\n"]):
            parser = SSEParser()
            (event,) = [event for chunk in chunks for event in parser.feed(chunk)]
            self.assertRegex(event.data, "^a(\udcff|\ufffd+)b$")

    def test_what_on_comment_raises_reaches_the_caller(self) -> None:
        def refuse(text: str) -> None:
            raise LookupError(text)

        parser = SSEParser(on_comment=refuse)
        self.assertEqual(len(parser.feed(b"data: a\n\n")), 1)
        with self.assertRaisesRegex(LookupError, "^ no$"):
            parser.feed(b": no\n")

    def test_what_on_comment_raises_leaves_a_parser_that_goes_on(self) -> None:
        """The line that raised is done with; all else that was fed with it comes with the next call."""

        def refuse(text: str) -> None:
            raise LookupError(text)

        for before in ("", "data: a\n\n"):
            for comment in (":\n\n", "data: b\n:\n\n"):
                with self.subTest(before, comment=comment):
                    parser = SSEParser(on_comment=refuse)
                    parser.feed(before.encode())
                    with self.assertRaises(LookupError):
                        parser.feed(comment.encode())
                    kept = ["b"] * comment.startswith("data")
                    events = parser.feed(b"data: c\n\n")
                    self.assertEqual([event.data for event in events], [*kept, "c"])

    def test_what_on_comment_raises_in_a_large_chunk(self) -> None:
        """What is behind the comment comes with the next call, too, however much it is."""

        def refuse(text: str) -> None:
            raise LookupError(text)

        block = "data: " + "x" * 90 + "\n\n"
        parser = SSEParser(on_comment=refuse)
        with self.assertRaises(LookupError):
            parser.feed(block * 500 + ":\n\n" + block * 3000)
        self.assertEqual(len(parser.feed(b"")), 3500)

    def test_what_on_comment_raises_before_an_event_that_is_too_large(self) -> None:
        """What came before the comment is told first; then the next call has no more to tell than the error."""

        def refuse(text: str) -> None:
            raise LookupError(text)

        parser = SSEParser(max_event_size=5, on_comment=refuse)
        self.assertRaises(LookupError, parser.feed, b"data: a\n\n:\ndata: b\n\ndata: 123456\n\n")
        self.assertEqual([event.data for event in parser.feed(b"")], ["a", "b"])
        self.assertRaises(SSEEventTooLargeError, parser.feed, b"")

    def test_a_limit_or_a_piece_of_a_wrong_kind(self) -> None:
        for limit in (0, -1, "big", float("nan")):
            with self.subTest(limit=limit), self.assertRaisesRegex((ValueError, TypeError), "max_event"):
                SSEParser(max_event_size=limit)  # type: ignore[arg-type]
        for piece in (None, 5, [b"x"]):
            with self.subTest(piece=piece), self.assertRaisesRegex(TypeError, "bytes or str"):
                SSEParser().feed(piece)  # type: ignore[arg-type]

    def test_memory_that_is_used_again(self) -> None:
        for make in (bytearray, lambda data: memoryview(bytearray(data))):
            parser, buffer = SSEParser(), make(b"data: a\n")
            self.assertEqual(parser.feed(buffer), [])
            buffer[:] = b"        "
            self.assertEqual([event.data for event in parser.feed(b"\n")], ["a"])

    def test_no_bytes_raise(self) -> None:
        source = random.Random(7)
        tokens = [
            b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b":", b": ", b" ", b"data", b"event", b"id", b"retry",
            b"data: x", b"data:",
            b"id: 1", b"retry: 5", b"5", b"\0", BOM, BOM[:1], BOM[:2], b"\xff", b"\xc3", b"\xe2\x82",
            b"\xed\xa0\x80", b"\xe2\x80\xa8",
        ]  # fmt: skip
        for number in range(1000):
            if number % 3:
                stream = b"".join(source.choice(tokens) for _ in range(source.randrange(60)))
            else:
                stream = source.randbytes(source.randrange(300))
            with self.subTest(number):
                whole = outcome([stream])
                self.assertEqual(outcome(pieces(stream, 1)), whole, stream)
                self.assertEqual(outcome(random_cuts(stream, source)), whole, stream)


class EventSemantics(unittest.TestCase):
    """A parsed event is in every respect the event one would construct."""

    def setUp(self) -> None:
        self.constructed = SSEEvent("t", "a\nb", "1", 5)
        self.plain = SSEEvent(data="c", id="1")
        self.parsed, self.parsed_plain = SSEParser().feed(b"event: t\nid: 1\nretry: 5\ndata: a\ndata: b\n\ndata: c\n\n")

    def test_defaults(self) -> None:
        self.assertEqual(fields(SSEEvent()), ("message", "", "", None))
        self.assertEqual(
            [(field.name, field.default) for field in dataclasses.fields(SSEEvent)],
            [("event", "message"), ("data", ""), ("id", ""), ("retry", None)],
        )
        self.assertEqual(SSEEvent("e", "d", "i", 1), SSEEvent(event="e", data="d", id="i", retry=1))

    def test_equal_and_hashed_alike(self) -> None:
        self.assertEqual(self.parsed, self.constructed)
        self.assertEqual(self.constructed, self.parsed)
        self.assertEqual(self.parsed_plain, self.plain)
        self.assertEqual(hash(self.parsed), hash(self.constructed))
        self.assertEqual({self.parsed, self.constructed, self.parsed_plain, self.plain}, {self.constructed, self.plain})
        for other in (
            SSEEvent("u", "a\nb", "1", 5), SSEEvent("t", "a", "1", 5), SSEEvent("t", "a\nb", "2", 5),
            SSEEvent("t", "a\nb", "1"),
            ("t", "a\nb", "1", 5), None,
        ):  # fmt: skip
            self.assertNotEqual(self.parsed, other)

    def test_same_type_and_shape(self) -> None:
        for event in (self.parsed, self.parsed_plain):
            self.assertIs(type(event), SSEEvent)
            self.assertEqual([type(value) for value in fields(event)[:3]], [str, str, str])
        self.assertEqual(repr(self.parsed), repr(self.constructed))
        self.assertEqual(repr(self.parsed_plain), "SSEEvent(event='message', data='c', id='1', retry=None)")

    def test_frozen(self) -> None:
        for event in (self.parsed, self.constructed):
            for name in ("event", "data", "id", "retry", "other"):
                with self.subTest(name), self.assertRaises((dataclasses.FrozenInstanceError, TypeError)):
                    setattr(event, name, "x")
                with (
                    self.subTest(name, what="del"),
                    self.assertRaises((dataclasses.FrozenInstanceError, TypeError)),
                ):
                    delattr(event, name)
        self.assertEqual(fields(self.parsed), ("t", "a\nb", "1", 5))

    def test_pickle(self) -> None:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for event in (self.parsed, self.parsed_plain, self.constructed, SSEEvent()):
                with self.subTest(protocol=protocol):
                    again = pickle.loads(pickle.dumps(event, protocol))
                    self.assertEqual(again, event)
                    self.assertIs(type(again), SSEEvent)
                    self.assertEqual(hash(again), hash(event))

    def test_copy(self) -> None:
        for event in (self.parsed, self.constructed):
            for duplicate in (copy.copy(event), copy.deepcopy(event), dataclasses.replace(event)):
                self.assertEqual(duplicate, event)
                self.assertIs(type(duplicate), SSEEvent)
                with self.assertRaises(dataclasses.FrozenInstanceError):
                    duplicate.data = "x"  # type: ignore[misc]

    def test_dataclass_functions(self) -> None:
        for event in (self.parsed, self.constructed):
            self.assertTrue(dataclasses.is_dataclass(event))
            self.assertEqual(dataclasses.replace(event, data="z"), SSEEvent("t", "z", "1", 5))
            self.assertEqual(dataclasses.asdict(event), {"event": "t", "data": "a\nb", "id": "1", "retry": 5})
            self.assertEqual(dataclasses.astuple(event), ("t", "a\nb", "1", 5))

    def test_its_fields_have_types_for_who_asks_at_run_time(self) -> None:
        """Pydantic makes events without any attribute if the class has no annotations."""
        types = {"event": str, "data": str, "id": str, "retry": int | None}
        self.assertEqual(typing.get_type_hints(SSEEvent), types)

    def test_structural_matching(self) -> None:
        match self.parsed:
            case SSEEvent("t", data, id="1", retry=retry):
                self.assertEqual((data, retry), ("a\nb", 5))
            case _:
                self.fail("no match")

    def test_events_outlive_the_parser(self) -> None:
        parser = SSEParser()
        (first,) = parser.feed(b"event: t\nid: 1\ndata: a\n\n")
        parser.feed(b"event: u\nid: 2\nretry: 1\ndata: b\n\ndata: c")
        del parser
        self.assertEqual(first, SSEEvent("t", "a", "1"))

    def test_json(self) -> None:
        for data, value in [
            ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}), ("3", 3), ('"\u2028\u00e9"', "\u2028\u00e9"),
            ("[\n1,\n2\n]", [1, 2]),
        ]:  # fmt: skip
            self.assertEqual(SSEEvent(data=data).json(), value)
        (event,) = SSEParser().feed(b'data: {"a":\ndata:  "b"}\n\n')
        self.assertEqual(event.json(), {"a": "b"})

    def test_json_error_tells_which_event(self) -> None:
        for event in (
            SSEEvent("update", "<html>oops", "evt-7"),
            SSEParser().feed("event: update\nid: evt-7\ndata: <html>oops\n\n")[0],
        ):
            with self.assertRaises(ValueError) as caught:
                event.json()
            for part in ("update", "evt-7", "<html>oops"):
                self.assertIn(part, str(caught.exception))

    def test_json_error_escapes_once(self) -> None:
        with self.assertRaises(ValueError) as caught:
            SSEEvent("a\x1b\\", '"\\n\x1b"x', "\u202e").json()
        for part in (r"'a\x1b\'", r"'\u202e'", "'\"\\n\\x1b\"x'"):
            self.assertIn(part, str(caught.exception))

    def test_json_error_without_data(self) -> None:
        with self.assertRaises(ValueError) as caught:
            SSEEvent("priming", "", "evt-8").json()
        self.assertIn("priming", str(caught.exception))
        self.assertIn("evt-8", str(caught.exception))

    def test_json_error_shows_the_beginning_only(self) -> None:
        with self.assertRaises(ValueError) as caught:
            SSEEvent(data="[DONE] " + "x" * MIB).json()
        self.assertIn("[DONE]", str(caught.exception))
        self.assertLess(len(str(caught.exception)), 1000)


def until_too_large(parser: SSEParser, chunks: Iterable[Chunk]) -> tuple[list[str], SSEEventTooLargeError | None]:
    """Feed everything, one call more, and say what came before the refusal, if there was one."""
    datas: list[str] = []
    try:
        for chunk in chunks:
            datas += [event.data for event in parser.feed(chunk)]
        datas += [event.data for event in parser.feed("" if isinstance(chunk, str) else b"")]
    except SSEEventTooLargeError as error:
        return datas, error
    return datas, None


class MaxEventSize(unittest.TestCase):
    LIMIT = 12

    # events whose data takes exactly LIMIT bytes, and ones that take a byte more
    FITTING = (
        "data: 123456789012\n\n", "data:123456789012\n\n", "data: 12345\ndata: 789012\n\n",
        "data:12345\r\ndata: 789012\r\n\r\n",
        "data" + "\ndata" * 12 + "\n\n", "data:\r" + "data:\r" * 12 + "\r",
        "data: " + "\u20ac" * 4 + "\n\n", "data: \u00e9\ndata: 456789012\n\n",
        "event: type\nid: 1\ndata: 1234567\n\n", "data: 1234567\nid: 1\nretry: 5\nevent: type\n\n",
        ": comment, comment\ndata: 123456789012\n: comment\n\n", "foo: bar, bar, bar\ndata: 123456789012\n\n",
        "data:  23456789012\n\n", "data: 1234567890\ndata\ndata\n\n", "data\ndata\ndata: 1234567890\n\n",
        "\ufeffdata: 123456789012\n\n", "\ufeffdata:12345\rdata:789012\r\r",
    )  # fmt: skip
    OVER = (
        "data: 1234567890123\n\n", "data:1234567890123\n\n", "data: 123456\ndata: 890123\n\n",
        "data:123456\r\ndata: 890123\r\n\r\n",
        "data" + "\ndata" * 13 + "\n\n", "data:\r" + "data:\r" * 13 + "\r",
        "data: " + "\u20ac" * 4 + "3\n\n", "data: \u00e9\ndata: 4567890123\n\n",
        "event: type\nid: 1\ndata: 12345678\n\n",
        "data: 12345678\nid: 1\nretry: 5\nevent: type\n\n",
        ": comment, comment\ndata: 1234567890123\n: comment\n\n",
        "foo: bar, bar, bar\ndata: 1234567890123\n\n",
        "data:  234567890123\n\n", "data: 1234567890\ndata\ndata\ndata\n\n",
        "data\ndata\ndata\ndata: 1234567890\n\n",
        "\ufeffdata: 1234567890123\n\n", "\ufeffdata:12345\rdata:7890123\r\r",
    )  # fmt: skip

    def cuts(self, text: str) -> Iterator[list[Any]]:
        # as text, sizes may be counted in characters: the boundary is the same for ASCII only
        for stream in (text.encode(), text) if text.isascii() else (text.encode(),):
            yield [stream]
            yield pieces(stream, 1)
            for cut in range(1, len(stream)):
                yield [stream[:cut], stream[cut:]]

    def test_the_event_before_does_not_count(self) -> None:
        """Also where one piece has the end of that and the beginning of the next, which is unfinished."""
        stream = b"data: 123456\ndata: 89012\n\ndata: 123456789012\n\n"
        for first in range(1, len(stream)):
            for second in range(first + 1, len(stream)):
                chunks = [stream[:first], stream[first:second], stream[second:]]
                for on_comment in (None, repr):
                    datas, error = until_too_large(SSEParser("", self.LIMIT, on_comment), chunks)
                    self.assertEqual((error, len(datas)), (None, 2), chunks)

    def test_exactly_the_limit_is_accepted(self) -> None:
        for fitting in self.FITTING:
            for chunks in self.cuts(fitting + "data: after\n\n" + fitting.removeprefix("\ufeff")):
                datas, error = until_too_large(SSEParser(max_event_size=self.LIMIT), chunks)
                if error is not None or len(datas) != 3:
                    with self.subTest(fitting):
                        self.assertIsNone(error, chunks)
                        self.assertEqual(len(datas), 3, chunks)
                    break

    def test_one_byte_more_is_refused_after_the_events_before_it(self) -> None:
        for over in self.OVER:
            bom, over = over[: over.startswith("\ufeff")], over.removeprefix("\ufeff")
            for chunks in self.cuts(bom + "data: a\n\ndata: b\n\n" + over + "data: after\n\n"):
                datas, error = until_too_large(SSEParser(max_event_size=self.LIMIT), chunks)
                if error is None or datas != ["a", "b"]:
                    with self.subTest(over):
                        self.assertEqual(datas, ["a", "b"], chunks)
                        self.assertIsNotNone(error, chunks)
                    break

    def test_events_before_it_in_the_same_chunk_are_returned_first(self) -> None:
        parser = SSEParser(max_event_size=self.LIMIT)
        events = parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: 1234567890123\n\ndata: after\n\n")
        self.assertEqual([fields(event) for event in events], [("message", "a", "1", None)])
        self.assertEqual(parser.last_event_id, "1")
        with self.assertRaises(SSEEventTooLargeError) as caught:
            parser.feed(b"")
        self.assertEqual(caught.exception.limit, self.LIMIT)
        self.assertIn(str(self.LIMIT), str(caught.exception))
        self.assertIsInstance(caught.exception, SSEError)
        self.assertEqual(parser.last_event_id, "1")

    def test_a_refused_stream_stays_refused(self) -> None:
        parser = SSEParser(max_event_size=self.LIMIT)
        until_too_large(parser, [b"data: 1234567890123\n\ndata: a\n\n"])
        for chunk in (b"", b"\n\n", b"data: b\n\n"):
            with self.assertRaises(SSEEventTooLargeError):
                parser.feed(chunk)

    def test_what_was_counted_belongs_to_one_event(self) -> None:
        """An event ends and the next begins in one chunk, after lines of the first were counted."""
        parser = SSEParser(max_event_size=100_000)
        sizes = []
        for chunk in ("data: " + "a" * 20000, "data: " + "b" * 20000, "\ndata: c\ndata: d", "data: " + "e" * 14000,
                      "data: " + "f" * 10000, "data: " + "g" * 40000, "\n"):  # fmt: skip
            sizes += [len(event.data) for event in parser.feed(chunk + "\n")]
        self.assertEqual(sizes, [40001, 64006])

    def test_a_line_without_data_does_not_undo_the_count(self) -> None:
        parser = SSEParser(max_event_size=100)
        for line in ("data: " + "a" * 90, ":", "data: " + "b" * 9, "data: cc"):
            self.assertEqual(parser.feed(line + "\n"), [])
        self.assertEqual(parser.feed(b"\n"), [])
        with self.assertRaises(SSEEventTooLargeError):
            parser.feed(b"")

    def test_the_limit_is_for_each_event(self) -> None:
        datas, error = until_too_large(SSEParser(max_event_size=self.LIMIT), [b"data: 123456789012\n\n" * 50] * 3)
        self.assertIsNone(error)
        self.assertEqual(len(datas), 150)

    def test_a_limit_in_the_middle_of_a_large_chunk(self) -> None:
        chunk = b"data: 123456789012\n\n" * 2000 + b"data: 1234567890123\n\n" + b"data: a\n\n" * 2000
        datas, error = until_too_large(SSEParser(max_event_size=self.LIMIT), [chunk])
        self.assertEqual(len(datas), 2000)
        self.assertIsNotNone(error)

    def test_blocks_without_data_are_not_events(self) -> None:
        stream = b": a comment longer than that\n\nfoo: a field longer than that\n\ndata: a\n\n"
        for chunks in ([stream], pieces(stream, 1)):
            self.assertEqual(until_too_large(SSEParser(max_event_size=self.LIMIT), chunks), (["a"], None))

    def test_none_is_no_limit_and_the_default_is_64_mib(self) -> None:
        stream = b"data: " + b"x" * (64 * MIB) + b"\n\n"
        (event,) = SSEParser().feed(stream)
        self.assertEqual(len(event.data), 64 * MIB)
        del event
        stream = b"data:" + stream[5:]  # the space is removed, so put a byte more behind it
        stream = stream[:-2] + b"x\n\n"
        (event,) = SSEParser(max_event_size=None).feed(stream)
        self.assertEqual(len(event.data), 64 * MIB + 1)
        del event
        datas, error = until_too_large(SSEParser(), [stream])
        self.assertEqual(datas, [])
        self.assertEqual(error and error.limit, 64 * MIB)


class Bounded(unittest.TestCase):
    """Streams without end, or with an end far away: memory is bounded by the limit."""

    LIMIT = MIB // 32

    def pour(self, first: bytes, again: bytes, total: int, **options: Any) -> tuple[bool, int, int]:
        """Feed ``first``, then ``again`` until refused or ``total``: (refused, bytes fed, peak of memory)."""
        parser = SSEParser(max_event_size=self.LIMIT, **options)
        repeat = max(1, 1024 // len(again))
        tracemalloc.start()
        try:
            parser.feed(first)
            fed = 0
            while fed < total:
                try:
                    events = parser.feed(again * repeat)  # a new object each time, as from a socket
                except SSEEventTooLargeError:
                    return True, fed, tracemalloc.get_traced_memory()[1]
                self.assertEqual(events, [])
                fed += len(again) * repeat
            return False, fed, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_what_can_never_become_an_event_is_refused(self) -> None:
        for name, first, again in [
            ("a line of data", b"data: ", b"x"),
            ("a line of data after an event's beginning", b"id: 1\ndata: a\ndata: ", b"x"),
            ("lines of data", b"", b"data: " + b"x" * 94 + b"\n"),
            ("short lines of data", b"", b"data: xy\n"),
            ("short lines of data with CRLF", b"", b"data: xy\r\n"),
            ("short lines of data among others", b"", b":\ndata: xy\nid: 1\n"),
            ("empty lines of data", b"", b"data\n"),
            ("data beyond ASCII", b"data: ", b"\xe2\x82\xac"),
            ("a malformed line of data", b"data: ", b"\xff"),
            ("an id", b"id: ", b"x"),
            ("a type", b"event: ", b"x"),
        ]:
            with self.subTest(name):
                refused, fed, peak = self.pour(first, again, 8 * self.LIMIT)
                self.assertTrue(refused, f"not refused after {fed} bytes")
                self.assertLess(peak, 10 * self.LIMIT)

    def test_what_is_ignored_is_neither_refused_nor_kept(self) -> None:
        for name, first, again in [
            ("a comment", b":", b"x"),
            ("a comment within an event", b"data: a\n:", b"x"),
            ("a comment beyond ASCII", b":", b"\xe2\x82\xac"),
            ("comments", b"", b": xxxxxxxxxxxx\n"),
            ("comments within an event", b"data: a\n", b": xxxxxxxxxxxx\n"),
            ("empty comments within an event", b"data: a\n", b":\r\n"),
            ("an unknown field", b"foo: ", b"x"),
            ("an unknown name", b"", b"x"),
            ("unknown fields within an event", b"data: a\n", b"foo: xxxxxxxxxxxx\n"),
            ("ids within an event", b"data: a\n", b"id: xxxxxxxxxxxx\n"),
            ("types within an event", b"data: a\n", b"event: xxxxxxxxxxxx\r"),
            ("retries within an event", b"data: a\n", b"retry: 5000\n"),
            ("ids", b"", b"id: xxxxxxxxxxxx\n\n"),
            ("blank lines", b"", b"\n"),
            ("blank lines of CR", b"", b"\r"),
        ]:
            with self.subTest(name):
                refused, fed, peak = self.pour(first, again, 5 * self.LIMIT)
                self.assertFalse(refused, f"refused after {fed} bytes")
                self.assertLess(peak, 3 * self.LIMIT)

    def test_what_is_told_to_on_comment_is_bounded_too(self) -> None:
        _, _, peak = self.pour(b":", b"x", 8 * self.LIMIT, on_comment=lambda text: None)
        self.assertLess(peak, 10 * self.LIMIT)

    def test_long_digits_are_bounded(self) -> None:
        _, _, peak = self.pour(b"retry: ", b"0", 8 * self.LIMIT)
        self.assertLess(peak, 10 * self.LIMIT)

    def test_an_event_after_what_is_ignored(self) -> None:
        ignored = b"x" * (3 * self.LIMIT)
        for name, line in [
            ("comment", b": " + ignored),
            ("unknown field", b"foo: " + ignored),
            ("unknown name", ignored),
        ]:
            for end in (b"\n", b"\r", b"\r\n"):
                stream = b"data: a" + end + line + end + b"data: b" + end + end
                for size in (len(stream), 1000, 4096):
                    with self.subTest(name, end=end, size=size):
                        parser = SSEParser(max_event_size=self.LIMIT)
                        self.assertEqual(until_too_large(parser, pieces(stream, size)), (["a\nb"], None))

    def test_a_byte_order_mark_is_one_on_the_first_line_alone(self) -> None:
        parser = SSEParser(max_event_size=self.LIMIT)
        parser.feed(b":\n\xef\xbb\xbfdata: " + b"x" * (self.LIMIT + 20_000))  # an unknown field
        self.assertEqual([event.data for event in parser.feed(b"\ndata: a\n\n")], ["a"])

    def test_half_an_event_that_is_malformed(self) -> None:
        parser = SSEParser()
        parser.feed(b"data: \xff")
        assert parser.unfinished is not None
        self.assertEqual(parser.unfinished.data, "\ufffd")

    def test_on_comment_hears_of_comments_only(self) -> None:
        comments: list[str] = []
        parser = SSEParser(max_event_size=self.LIMIT, on_comment=comments.append)
        for line in (b"foo: " + b"x" * (2 * self.LIMIT), b"x" * (2 * self.LIMIT), b"foo: :" + b":" * (2 * self.LIMIT)):
            for piece in pieces(line + b"\n:a\n", 1000):
                parser.feed(piece)
        self.assertEqual(comments, ["a"] * 3)

    def test_nothing_is_kept_of_a_long_stream(self) -> None:
        parser = SSEParser()
        block = b": ping\n\nevent: t\nid: 1\nretry: 5\ndata: " + b"x" * 100 + b"\n\n"
        tracemalloc.start()
        try:
            for _ in range(300):
                parser.feed(block)
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(1200):
                parser.feed(block)
            self.assertLess(tracemalloc.get_traced_memory()[0] - before, 4096)
        finally:
            tracemalloc.stop()

    def test_nothing_is_kept_of_what_was_handed_over(self) -> None:
        for name, block in (
            ("one block", b"data: " + b"x" * 20_000 + b"\n\n"),
            ("one with an id", b"id: 1\ndata: " + b"x" * 20_000 + b"\n\n"),
            ("many", (b"data: " + b"x" * 100 + b"\n\n") * 300),
            ("many with ids", (b"id: 1\ndata: " + b"x" * 100 + b"\n\n") * 300),
            ("of two lines", (b"data: " + b"x" * 100 + b"\ndata\n\n") * 300),
            ("comments", (b": " + b"x" * 100 + b"\n\n") * 300),
        ):
            for on_comment in (None, repr):
                with self.subTest(name, comments=on_comment is not None):
                    parser = SSEParser(on_comment=on_comment)
                    tracemalloc.start()
                    try:
                        parser.feed(block)
                        parser.feed(b"")
                        self.assertLess(tracemalloc.get_traced_memory()[0], 4096)
                    finally:
                        tracemalloc.stop()


class Linear(unittest.TestCase):
    """Work grows with the bytes received, however they are cut."""

    def allocated(self, parser: SSEParser, chunks: Iterable[bytes]) -> tuple[int, int, list[SSEEvent]]:
        """What the calls allocated in sum, whether kept or not: (sum, peak over all, events).

        A parser that copies its buffer at each call allocates quadratically many bytes in sum.
        """
        total = peak = 0
        events: list[SSEEvent] = []
        tracemalloc.start()
        try:
            for chunk in chunks:
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                events += parser.feed(chunk)
                top = tracemalloc.get_traced_memory()[1]
                total += top - before
                peak = max(peak, top)
            return total, peak, events
        finally:
            tracemalloc.stop()

    def test_a_long_line_in_pieces(self) -> None:
        size, piece = 8 * MIB, 1024

        def chunks() -> Iterator[bytes]:
            yield b"data: "
            for _ in range(size // piece):
                yield b"x" * piece  # made here, so that what the parser keeps of it is counted
            yield b"\n"
            yield b"\n"

        total, peak, (event,) = self.allocated(SSEParser(), chunks())
        self.assertEqual(len(event.data), size)
        overhead = 100 * (size // piece)  # of the pieces as objects
        self.assertLessEqual(peak, 3 * size + overhead)
        self.assertLessEqual(total, 8 * size)

    def test_many_lines_in_pieces(self) -> None:
        stream = (b"data: " + b"x" * 58 + b"\n") * 100_000 + b"\n"
        slices = (stream[start : start + 1000] for start in range(0, len(stream), 1000))
        total, peak, (event,) = self.allocated(SSEParser(), slices)
        self.assertEqual(len(event.data), 59 * 100_000 - 1)
        self.assertLessEqual(peak, 6 * len(stream))
        self.assertLessEqual(total, 16 * len(stream))

    def test_nothing_is_searched_again_and_again(self) -> None:
        # Searching and backtracking show in no count. A quadratic parser needs minutes of processor time
        # for these, a linear one a fraction of a second: the bound is there to end the former.
        limit = 10.0
        for name, first, again, piece, size in [
            ("a line of data in tiny pieces", b"data: ", b"x", 16, 2 * MIB),
            ("a comment in tiny pieces", b":", b"x", 16, 2 * MIB),
            ("an id in tiny pieces", b"id:", b"x", 16, 2 * MIB),
            ("lines of data in tiny pieces", b"", b"data: xxxxxxxx\n", 15, MIB // 2),
            ("comments within an event in tiny pieces", b"data: a\n", b": xxxxxxxxxxxx\n", 15, MIB // 2),
            ("CR lines of data in tiny pieces", b"", b"data: xxxxxxxx\r", 15, MIB // 2),
            ("blank lines in tiny pieces", b"", b"\n", 16, MIB // 2),
            ("a line of data", b"data: ", b"x", MIB // 8, MIB // 8),
            ("a line of colons", b"", b":", MIB // 8, MIB // 8),
            ("a line of data and colons", b"", b"data:", MIB // 8, MIB // 8),
            ("a line of spaces", b"data:", b" ", MIB // 8, MIB // 8),
            ("comments", b"", b":\n", MIB // 8, MIB // 8),
            ("comments with spaces", b"", b": \n", MIB // 8, MIB // 8),
            ("comments within an event", b"data: a\n", b": x\n", MIB // 8, MIB // 8),
            ("lines of data", b"", b"data: a\n", MIB // 8, MIB // 8),
            ("CRLF lines of data", b"", b"data: a\r\n", MIB // 8, MIB // 8),
            ("lines of empty data", b"", b"data\n", MIB // 8, MIB // 8),
            ("lines of empty data with colon", b"", b"data:\n", MIB // 8, MIB // 8),
            ("ids", b"", b"id: 1\n", MIB // 8, MIB // 8),
            ("types", b"", b"event: t\n", MIB // 8, MIB // 8),
            (
                "all fields but no blank line",
                b"",
                b"event: t\nid: 1\ndata: a\nretry: 5\n: c\n",
                MIB // 8,
                MIB // 8,
            ),
            ("unknown fields", b"", b"foo\n", MIB // 8, MIB // 8),
            ("blank lines", b"", b"\n", MIB // 8, MIB // 8),
            ("blank lines of CR", b"", b"\r", MIB // 8, MIB // 8),
            ("blank lines of CRLF", b"", b"\r\n", MIB // 8, MIB // 8),
            ("CR and LF in turns", b"", b"\n\r", MIB // 8, MIB // 8),
            ("NUL", b"data: ", b"\0", MIB // 8, MIB // 8),
            ("malformed bytes", b"data: ", b"\xff", MIB // 8, MIB // 8),
            ("BOMs", b"", BOM, MIB // 8, MIB // 8),
            ("digits", b"retry: ", b"1", MIB // 8, MIB // 8),
            ("small events", b"", b"data: a\n\n", MIB // 8, MIB // 8),
            ("small CR events", b"", b"data: a\r\r", MIB // 8, MIB // 8),
            ("small events, each after a comment", b"", b":\ndata: a\n\n", MIB // 8, MIB // 8),
        ]:
            parser = SSEParser()
            chunk = again * max(1, piece // len(again))
            started = time.process_time()
            parser.feed(first)
            for fed in range(0, size, len(chunk)):
                parser.feed(chunk)
                if fed % 4096 < len(chunk) and time.process_time() - started > limit:
                    break
            parser.feed(b"\n\n")
            with self.subTest(name):
                self.assertLess(time.process_time() - started, limit)


if __name__ == "__main__":
    unittest.main()
