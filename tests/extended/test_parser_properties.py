"""The parser against the slow reference: generated streams, random cuts, every way in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference import Event, Reference, complete_lines, decode_utf8, interpret, interpret_lines

from sse import AsyncEventSource, EventSource, SSEEvent, SSEEventTooLargeError, SSEParser
from tests.vectors import BOM, VECTORS

Stream = TypeVar("Stream", bytes, str)

ENDS = [b"\n", b"\r", b"\r\n"]
SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\x1f"

# Whatever may matter where it should not: parts of fields, of line ends, of characters
FRAGMENTS = [
    *ENDS, b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r", b":", b" ", b": ", b"::", b"\0", b"\t", b"5", b"00",
    b"86400000", b"x",
    b"data", b"data:", b"data: ", b"event", b"event:", b"event: t", b"id", b"id:", b"id: 1", b"retry",
    b"retry:", b"retry: 5",
    b"Data: x", b"datax", b"dat", b"even", b"i", b"retr", b"foo: bar", b"data: x\n", b"data:x\r\n",
    b"data: x\n\n",
    b"event: t\ndata: x\n\n", b"id: 1\n\n", b":\n\n", BOM, BOM[:1], BOM[:2], BOM[1:], b"\xff", b"\x80",
    b"\xc3", b"\xc3\xa9",
    b"\xe2\x82", b"\xe2\x82\xac", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80",
    *(char.encode() for char in SEPARATORS),
]  # fmt: skip

fragments = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join)

# Streams as a server means them, most of them well-formed
values = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "  ",
            "a",
            "5",
            "007",
            "data: a",
            ":",
            "\0",
            "{}",
            "86400001",
            "\ufeff",
            "+5",
            "1_0",
            "\u0665",
        ]
    ),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12),
    st.text("0123456789", min_size=1, max_size=12),
    st.text("a:" + SEPARATORS, max_size=6),
)
names = st.sampled_from(
    [
        "data",
        "data",
        "data",
        "data",
        "event",
        "id",
        "retry",
        "",
        "foo",
        "Data",
        "datas",
        " data",
        "\ufeffdata",
    ]
)
field_lines = st.tuples(names, st.sampled_from([":", ": ", ":  ", ": ", ""]), values).map(
    lambda parts: parts[0] + parts[1] + parts[2] if parts[1] else parts[0]
)
lines = st.one_of(field_lines, field_lines, field_lines, field_lines, st.just(""), st.just(""), values)


@st.composite
def structured(draw: st.DrawFn) -> bytes:
    """Lines of fields with blank lines among them, with one kind of line end or all kinds in turns."""
    ends = st.just(draw(st.sampled_from(ENDS))) if draw(st.booleans()) else st.sampled_from(ENDS)
    pieces = [line.encode() + draw(ends) for line in draw(st.lists(lines, max_size=24))]
    return (
        draw(st.sampled_from([b"", b"", b"", BOM, BOM + BOM]))
        + b"".join(pieces)
        + draw(st.sampled_from([b"", b"", b"data: x", b"\r"]))
    )


@st.composite
def alike(draw: st.DrawFn) -> bytes:
    """Many blocks of one shape and one or two strange ones: what a fast path sees, and what ends it."""
    end = draw(st.sampled_from(ENDS))
    shape = draw(
        st.lists(st.sampled_from(["data: #", "data:#", "event: t", "id: #", ": c", "retry: 5", "data"]), max_size=4)
    )
    block = b"".join(line.encode() + end for line in shape) + end
    strange = draw(st.lists(st.one_of(fragments, structured()), max_size=2))
    blocks = [block.replace(b"#", str(number).encode()) for number in range(draw(st.integers(1, 12)))]
    for odd in strange:
        blocks.insert(draw(st.integers(0, len(blocks))), odd)
    return b"".join(blocks)


streams = st.one_of(fragments, structured(), alike(), st.binary(max_size=60))
cuts = st.lists(st.integers(0, 400), max_size=8)
ids = st.sampled_from(["", "", "seed", "\u20ac"])


def cut(stream: Stream, places: Iterable[int]) -> list[Stream]:
    bounds = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


def pieces(stream: Stream, size: int) -> list[Stream]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def fields(event: SSEEvent) -> Event:
    return (event.event, event.data, event.id, event.retry)


def feed(chunks: Iterable[Any], last_event_id: str = "") -> Reference:
    """What the parser makes of the chunks, in the reference's terms."""
    result = Reference()
    parser = SSEParser(last_event_id=last_event_id, on_comment=result.comments.append)
    for chunk in chunks:
        result.events += map(fields, parser.feed(chunk))
    result.last_event_id, result.retry = parser.last_event_id, parser.retry
    return result


def iterate(events: EventSource) -> Reference:
    got = [fields(event) for event in events]
    return Reference(events.last_event_id, events.retry, got)


def iterate_async(make: Any, items: Iterable[Any], **options: Any) -> Reference:
    async def source() -> AsyncIterator[Any]:
        for item in items:
            yield item

    async def run() -> Reference:
        events = make(source(), **options)
        got = [fields(event) async for event in events]
        return Reference(events.last_event_id, events.retry, got)

    return asyncio.run(run())


def without_comments(reference: Reference) -> Reference:
    return Reference(reference.last_event_id, reference.retry, reference.events)


def text_of(stream: bytes) -> str:
    """The stream as a text layer would pass it on: decoded, with its BOM."""
    return stream.decode("utf-8", "replace")


def all_examples(limit: int) -> settings:
    return settings(max_examples=limit, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@given(st.binary(max_size=12))
@all_examples(1000)
def test_reference_decodes_as_python_does(stream: bytes) -> None:
    assert decode_utf8(stream) == stream.removeprefix(BOM).decode("utf-8", "replace")


def test_reference_agrees_with_the_vectors() -> None:
    for vector in VECTORS:
        wanted = Reference(vector.last_event_id, vector.retry, list(vector.events), list(vector.comments))
        assert interpret(vector.stream) == wanted, vector.name


@given(streams, ids)
@all_examples(1000)
def test_bytes_whole_and_one_by_one(stream: bytes, last_event_id: str) -> None:
    wanted = interpret(stream, last_event_id)
    assert feed([stream], last_event_id) == wanted
    assert feed(pieces(stream, 1), last_event_id) == wanted


@given(streams, cuts, ids)
@all_examples(1000)
def test_after_every_chunk_everything_is_there(stream: bytes, places: list[int], last_event_id: str) -> None:
    comments: list[str] = []
    parser = SSEParser(last_event_id=last_event_id, on_comment=comments.append)
    events: list[Event] = []
    arrived = b""
    for chunk in cut(stream, places):
        arrived += chunk
        events += map(fields, parser.feed(chunk))
        assert Reference(parser.last_event_id, parser.retry, events, comments) == interpret(arrived, last_event_id)


@given(streams, cuts)
@all_examples(800)
def test_without_on_comment(stream: bytes, places: list[int]) -> None:
    parser = SSEParser()
    events = [fields(event) for chunk in cut(stream, places) for event in parser.feed(chunk)]
    wanted = interpret(stream)
    assert (events, parser.last_event_id, parser.retry) == (wanted.events, wanted.last_event_id, wanted.retry)


@given(streams, cuts)
@all_examples(800)
def test_text_in_any_cut(stream: bytes, places: list[int]) -> None:
    wanted = interpret(stream)
    text = text_of(stream)
    assert feed([text]) == wanted
    assert feed(cut(text, places)) == wanted
    assert feed(pieces(text, 1)) == wanted


@given(streams, cuts, ids)
@all_examples(800)
def test_from_chunks(stream: bytes, places: list[int], last_event_id: str) -> None:
    wanted = without_comments(interpret(stream, last_event_id))
    assert iterate(EventSource.from_chunks(cut(stream, places), last_event_id=last_event_id)) == wanted
    assert iterate(EventSource.from_chunks(cut(text_of(stream), places), last_event_id=last_event_id)) == wanted


@given(streams, ids, st.randoms(use_true_random=False))
@all_examples(800)
def test_lines(stream: bytes, last_event_id: str, source: random.Random) -> None:
    text = text_of(stream)
    bom = text[: len(text) - len(text.removeprefix("\ufeff"))]
    content = complete_lines(decode_utf8(stream))
    if not content:
        content, bom = [""], ""
    wanted = without_comments(interpret_lines(content, last_event_id))
    content[0] = bom + content[0]
    for end in ("", "\n", "\r", "\r\n", None):
        items = [line + (source.choice(["", "\n", "\r", "\r\n"]) if end is None else end) for line in content]
        assert iterate(EventSource(items, last_event_id=last_event_id)) == wanted
        assert iterate(EventSource([item.encode() for item in items], last_event_id=last_event_id)) == wanted


@given(streams, cuts)
@all_examples(500)
def test_async_agrees(stream: bytes, places: list[int]) -> None:
    wanted = without_comments(interpret(stream))
    assert iterate_async(AsyncEventSource.from_chunks, cut(stream, places)) == wanted
    content = complete_lines(decode_utf8(stream))
    if content and not content[0].startswith("\ufeff"):
        assert iterate_async(AsyncEventSource, content) == wanted
        assert iterate_async(AsyncEventSource, [line.encode() + b"\n" for line in content]) == wanted


# Sizes around a limit: lengths of data lines, so that events of just the limit and a byte more abound
sized_lines = st.one_of(
    st.integers(0, 14).map(lambda size: b"data: " + b"x" * size),
    st.integers(0, 14).map(lambda size: b"data:" + b"y" * size),
    st.integers(0, 5).map(lambda size: b"data: " + "\u20ac".encode() * size),
    st.sampled_from([b"data", b"", b"", b"", b"id: 1", b"event: t", b"retry: 5", b":", b"foo"]),
)


@given(st.lists(sized_lines, max_size=16), st.sampled_from(ENDS), cuts, st.integers(1, 60))
@example([b"data: " + b"x" * 8, b"", b"data: " + b"x" * 9, b"", b"data: x", b""], b"\n", [], 8)
@all_examples(800)
def test_too_large_after_exactly_the_events_before_it(
    content: list[bytes], end: bytes, places: list[int], limit: int
) -> None:
    # the last block is finished like the others, so that the size of each is known
    stream = b"".join(line + end for line in [*content, b""])
    wanted = interpret(stream, max_event_size=limit)
    for chunks in ([stream], cut(stream, places), pieces(stream, 1)):
        parser = SSEParser(max_event_size=limit)
        events: list[Event] = []
        too_large = False
        try:
            for chunk in [*chunks, b""]:
                events += map(fields, parser.feed(chunk))
        except SSEEventTooLargeError:
            too_large = True
        assert (events, too_large) == (wanted.events, wanted.too_large), chunks
