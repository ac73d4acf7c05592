"""Server-Sent Events for Python: one file, standard library only, Python 3.10+.

    from sse import connect

    with connect("https://api.example.com/events") as events:
        for event in events:
            print(event.event, event.data)

In reading order: events and errors; ``SSEParser`` (bytes in, events out, no I/O); ``EventSource`` and
``AsyncEventSource`` (the parser over any iterable); the reconnection rules, written once for ``SSEClient`` and
``AsyncSSEClient`` (``connect``, ``async_connect``); the command line. Only the clients need ``httpclient.py``
beside this file. Section names in comments are those of the WHATWG HTML standard, "Server-sent events".
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from inspect import iscoroutinefunction

TYPE_CHECKING = False  # typing itself costs half of the import time allowed here
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from ssl import SSLContext
    from typing import Any, TypeVar

    _T = TypeVar("_T")
    Headers = Mapping[str, str]
    Params = Mapping[str, object] | Iterable[tuple[str, object]]

__all__ = [
    "TRANSIENT_STATUSES", "AsyncEventSource", "AsyncSSEClient", "EventSource", "SSEClient", "SSEConnectionError",
    "SSEContentTypeError", "SSEError", "SSEEvent", "SSEEventTooLargeError", "SSEHTTPError", "SSEParser",
    "async_connect", "connect",
]  # fmt: skip
__version__ = "1.0.0"

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that usually pass: for ``connect(url, retry_on_status=TRANSIENT_STATUSES)``."""

_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # those of bidirectional text, too
_DAY = 24 * 60 * 60 * 1000  # ms; the longest reconnection time a server can ask for
_MAX_EVENT_SIZE = 64 * 2**20


# --- events and errors ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One event: its type, its data, the last event ID in force, and the `retry` (ms) of its own block, if any."""

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """The data decoded as JSON. Raises `ValueError` naming type, id and the first characters of the data."""
        import json

        try:
            return json.loads(self.data)
        except ValueError as error:
            start = self.data if len(self.data) <= 60 else self.data[:60] + "…"
            what = f"data of event {self.event!r} (id {self.id!r})"
            raise ValueError(f"{what} is not JSON: {error}: {start!r}") from error


class _Slots:
    """`SSEEvent` before it is frozen: the same slots, filled by plain assignment, then `__class__` is set.

    A frozen dataclass assigns through object.__setattr__: 380 ns an event against 130 this way. More than three values
    assigned in one line go through a tuple, which takes a sixth longer.
    """

    __slots__ = SSEEvent.__slots__


def _shown(text: str) -> str:
    """Foreign text for a message or a terminal: control characters escaped."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def _safe(url: str) -> str:
    """A URL for a message: without user-info, query and fragment."""
    return _shown(re.sub(r"^((?:[^/]*://)?)[^/]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0]))


class SSEError(Exception):
    """Base of everything the clients and the parser raise for what came, or did not come, over the network."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class SSEConnectionError(SSEError):
    """No connection, or no more: what the last attempt failed with is `last_error` (and `__cause__`).

    `retries`: reconnections tried in a row. `delivered`: events handed over in all. `last_event_id`: where to
    resume. `unfinished`: the event that the end of the stream cut off, if its data had begun, else `None`.
    """

    delivered: int = 0
    last_event_id: str = ""
    unfinished: SSEEvent | None = None

    def __init__(self, url: str, retries: int, last_error: BaseException | None) -> None:
        super().__init__(_safe(url), retries, last_error)
        self.url, self.retries, self.last_error = url, retries, last_error

    def __str__(self) -> str:
        cause = _cause(self.last_error) + (" inside an event" if self.unfinished else "")
        counts = (self.delivered, "event{} delivered"), (self.retries, "reconnection{} tried in a row")
        facts = ", ".join(f"{count} {what.format('s' * (count > 1))}" for count, what in counts if count)
        return f"{self.args[0]}: {cause}" + (f" ({facts})" if facts else "")


class SSEHTTPError(SSEError):
    """The server answered with a status that does not open a stream. `body` holds at most 64 KiB of its answer."""

    def __init__(self, status_code: int, url: str, *, reason: str = "", headers: Any = None, body: bytes = b"") -> None:
        super().__init__(status_code, _safe(url))
        self.status_code, self.url, self.reason, self.headers, self.body = status_code, url, reason, headers, body

    @property
    def text(self) -> str:
        """The body as text (UTF-8, malformed bytes replaced)."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body decoded as JSON; raises `ValueError` if it is not."""
        import json

        return json.loads(self.body)

    def _said(self) -> str:
        text = f"HTTP {self.status_code} {_shown(self.reason)}".rstrip()
        return text + (f": {_shown(self.text[:500].strip())}{'…' * (len(self.text) > 500)}" if self.body else "")

    def __str__(self) -> str:
        hint = " [to wait and try again: retry_on_status=TRANSIENT_STATUSES]"
        return f"{self.args[1]}: {self._said()}{hint if self.status_code in TRANSIENT_STATUSES else ''}"


class SSEContentTypeError(SSEError):
    """The answer is not an event stream but `content_type`; `body` holds its beginning (at most 64 KiB)."""

    def __init__(self, content_type: str, url: str, *, body: bytes = b"") -> None:
        super().__init__(content_type, _safe(url))
        self.content_type, self.url, self.body = content_type, url, body

    def __str__(self) -> str:
        got = f"content type {_shown(self.content_type)!r}" if self.content_type else "no content type"
        begins = f", beginning {_shown(self.body[:200].decode('utf-8', 'replace'))!r}" if self.body else ""
        hint = "does the request ask for a stream?" if "json" in self.content_type else "content_type=None accepts any"
        return f"{self.args[1]}: not an event stream but {got}{begins} [{hint}]"


class SSEEventTooLargeError(SSEError):
    """An event grew past `limit` bytes, finished or not."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"an event is larger than max_event_size={self.limit} bytes; raise it, or None for no limit"


# --- the parser: "Parsing an event stream", "Interpreting an event stream" --------------------------------------

_HEAD = re.compile(r"((?::.*\n+){0,4})(?:event: (.*)\n)?data: ")  # what many events in a row may begin with
_KEPT = 4096  # bytes of an unfinished block that are kept as they are; of a larger one, lines are taken as they end
_LOOSE = 16384  # characters of data that are kept line by line
_SLACK = 8192  # bytes over the limit that an unfinished line may have when it brings no data


class SSEParser:
    """Bytes in, events out: the whole of the standard's parsing, without I/O.

    `last_event_id`: the ID in force before the stream begins. `max_event_size`: bytes of data that one event may
    have, `None` for no limit. `on_comment`: called during `feed` with the text after the colon, when its line is
    complete. Attributes: `last_event_id`, that of the last finished block, and `retry` in ms, `None` until sent.
    Time is linear in the bytes fed, however they are cut. One parser is for one stream.
    """

    __slots__ = (
        "_between", "_cr", "_data", "_error", "_events", "_head", "_head_type", "_id", "_kept", "_limit", "_loose",
        "_more", "_most", "_on_comment", "_open", "_own_retry", "_packed", "_size", "_start", "_type", "last_event_id",
        "retry",
    )  # fmt: skip

    def __init__(
        self, last_event_id: str = "", max_event_size: int | None = _MAX_EVENT_SIZE,
        on_comment: Callable[[str], object] | None = None,
    ) -> None:  # fmt: skip
        self.last_event_id = self._id = last_event_id
        self.retry: int | None = None
        self._limit = float("inf") if max_event_size is None else max_event_size
        self._most = _KEPT if self._limit > _KEPT else self._limit  # bytes to keep as they are
        self._on_comment: Any = on_comment
        self._error: SSEEventTooLargeError | None = None
        self._events: list[SSEEvent] = []  # what the current feed returns
        self._kept: Any = b""  # the unfinished block while it is small, else its unfinished line, a bytearray
        self._cr = False  # the last byte was a CR, an LF now belongs to it
        self._between = False  # nothing is left of what came before: whole blocks can be taken as they are
        self._start = True  # nothing is decoded yet: a byte order mark may come
        self._head, self._head_type = "data: ", "message"  # the last match of _HEAD
        self._open = False  # something of the current block is in what follows, the standard's buffers
        self._type = ""
        self._data: str | None = None  # the first line of data
        self._more: list[str] = []  # the others
        self._own_retry: int | None = None
        self._loose = 0  # no more characters than this are in lines of data that _size does not count
        self._packed = 0  # so many items of _more are many lines each
        self._size = 0  # bytes of the first line and of these

    def feed(self, chunk: bytes | str) -> list[SSEEvent]:
        """The events that `chunk`, any piece of the stream, completes.

        Raises `SSEEventTooLargeError` when an *earlier* call met an event over the limit: that call still returned
        the events before it.
        """
        if self._error is not None:
            raise self._error
        try:
            if self._between and chunk.__class__ is bytes and chunk.endswith(b"\n\n") and 13 not in chunk:
                text, head = chunk.decode("utf-8", "replace"), self._head
                if len(chunk) < self._most and text.startswith(head) and "\n" not in (data := text[len(head) : -2]):
                    new: Any = _Slots()  # an event sent alone: what `_blocks` would do, a third faster
                    new.event, new.data = self._head_type, data
                    new.id, new.retry = self._id, None
                    new.__class__ = SSEEvent
                    events = self._events = [new]
                    return events
                self._events = []
                self._blocks(text)  # whole blocks: what the rest comes to, a sixth faster
            else:
                self._events = []
                self._feed(chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk)
                self._between = not (self._kept or self._cr or self._open or self._start)
        except BaseException as error:  # on_comment may raise anything
            self._between = False
            if not isinstance(error, SSEEventTooLargeError):
                raise
            self._error = error
        return self._events

    def _feed(self, chunk: bytes) -> None:
        """Any chunk: line ends become LF."""
        if self._cr and chunk:
            self._cr, chunk = False, chunk.removeprefix(b"\n")
        if 13 in chunk:  # an int: five times cheaper than b"\r" on small pieces
            self._cr = chunk[-1] == 13
            without = chunk.replace(b"\r", b"")  # with the count still cheaper than to replace the pairs
            if len(chunk) - len(without) == chunk.count(b"\r\n"):
                chunk = without
            else:
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._between and chunk.endswith(b"\n\n"):
            self._blocks(self._decode(chunk))
        elif 10 in chunk:
            self._feed_lines(chunk)
        else:
            self._kept += chunk
            if len(self._kept) > self._most:
                self._bound()

    def _feed_lines(self, chunk: bytes) -> None:
        """A chunk with line ends. Whole blocks are taken at once; an unfinished one is kept while it is small."""
        kept = self._kept
        if isinstance(kept, bytearray):  # a long line, which is not to be copied once more
            end = chunk.index(10)
            kept += chunk[:end]
            line = self._decode(kept)
            self._kept = kept = b""
            self._lines(line)
            chunk = chunk[end + 1 :]
        elif kept:
            chunk = kept + chunk
        end = -1 if self._open else chunk.rfind(b"\n\n", max(0, len(kept) - 1))
        if end >= 0:
            blocks, self._kept, chunk = chunk[: end + 2], chunk[end + 2 :], chunk[end + 2 :]
            # not always by _decode: for pieces of 64 bytes the call makes 3 to 9 %
            self._blocks(self._decode(blocks) if self._start else blocks.decode("utf-8", "replace"))
        else:
            self._kept = chunk
        new = 0 if end >= 0 else kept.rfind(b"\n") + 1  # lines before this were there already
        if self._open or (10 in chunk and (self._on_comment is not None or chunk.find(b"retry", new) >= 0)):
            self._take_lines()  # what comments and `retry` say does not wait for the blank line
        if len(self._kept) > self._most:
            self._bound()

    def _take_lines(self) -> None:
        """Interpret the complete lines of what is kept."""
        kept = self._kept
        end = kept.rfind(b"\n") + 1
        if end:
            self._kept = kept[end:]
            self._lines(self._decode(kept[: end - 1]))

    def _bound(self) -> None:
        """What is kept has become large: take its lines; the last one is bounded, and not kept if it is ignored."""
        if isinstance(self._kept, bytes):
            self._take_lines()
            self._kept = bytearray(self._kept)
        kept = self._kept
        if len(kept) + self._size > self._limit + 9:  # a byte order mark and "data: " do not count
            start = bytes(kept[:9])
            if self._start:
                start = start.removeprefix(b"\xef\xbb\xbf")
            if start.startswith(b"data:"):
                raise SSEEventTooLargeError(int(self._limit))
            if len(kept) > self._limit + _SLACK:
                if start.startswith((b"event:", b"id:", b"id:" if self._on_comment is None else b":")):
                    raise SSEEventTooLargeError(int(self._limit))
                kept[:] = b"?"

    def _decode(self, data: bytes | bytearray) -> str:
        text, start, self._start = data.decode("utf-8", "replace"), self._start, False
        return text.removeprefix("\ufeff") if start else text

    def _blocks(self, text: str) -> None:
        """Whole blocks, each with its blank line, while none is open: `_lines`, or a short cut.

        Servers send many events in a row that differ in nothing but one line of data. Split at what they have in
        common, they take 0.7 of the time that interpreting each line takes, with an `event` line 0.5.
        """
        head = self._head
        if not text.startswith(head):
            match = _HEAD.match(text)
            if match is None or (match[1] and self._on_comment is not None):
                return self._lines(text[:-1])
            head = self._head = match[0]
            self._head_type = match[2] or "message"
        data = text[len(head) : -2]
        datas = data.split("\n\n" + head) if "\n" in data else (data,)
        if "\n" in datas[0] or 4 * len(text) > self._limit:  # a character has at most 4 bytes
            return self._lines(text[:-1])
        type, id, append = self._head_type, self._id, self._events.append
        for data in datas:
            if "\n" in data:  # more than that one line, or another block
                self._lines(f"{head}{data}\n")
                id = self._id
            else:
                new: Any = _Slots()
                new.event, new.data = type, data
                new.id, new.retry = id, None
                new.__class__ = SSEEvent
                append(new)

    def _lines(self, text: str) -> None:
        """Complete lines, with LF between them. Bounds what they bring before it is a whole event."""
        lines = text.split("\n")
        if self._size + 4 * (self._loose + len(text)) <= self._limit:  # a character has at most 4 bytes
            self._interpret(lines)
            self._loose = self._loose + len(text) if self._open else 0
            if self._loose > _LOOSE:
                self._pack()
        else:
            for line in lines:
                self._interpret((line,))
                self._pack()

    def _interpret(self, lines: Iterable[str]) -> None:
        """ "Interpreting an event stream". The usual beginnings come first: short cuts, the last branch would do."""
        type, data, more = self._type, self._data, self._more
        id, last, retry = self._id, self.last_event_id, self._own_retry
        append, packed, size = self._events.append, self._packed, self._size
        try:
            for line in lines:
                if (value := line.removeprefix("data: ")) != line:
                    if data is None:
                        data = value
                    else:
                        more.append(value)
                elif not line:  # "dispatch the event"
                    if data is not None:
                        new: Any = _Slots()
                        new.event, new.data = type or "message", data
                        new.id, new.retry = id, retry
                        if more:
                            new.data = "\n".join((data, *more))
                            more.clear()
                        new.__class__ = SSEEvent
                        append(new)
                        data, packed, size = None, 0, 0
                    elif id != last:
                        self._id_alone(id)
                    type, last, retry = "", id, None
                elif (value := line.removeprefix("event: ")) != line:
                    type = value
                elif (value := line.removeprefix("id: ")) != line and "\0" not in line:
                    id = value
                elif line.startswith(":"):
                    if self._on_comment is not None:
                        self._comment(line[1:])
                else:  # "process the field"
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if name == "data":
                        if data is None:
                            data = value
                        else:
                            more.append(value)
                    elif name == "event":
                        type = value
                    elif name == "id" and "\0" not in value:
                        id = value
                    elif name == "retry" and value.isascii() and value.isdigit():
                        retry = self.retry = min(int((value.lstrip("0") or "0")[:9]), _DAY)
        finally:
            self._type, self._data, self._id = type, data, id
            self.last_event_id, self._own_retry = last, retry
            self._open = data is not None or type != "" or retry is not None or id != last
            self._packed, self._size = packed, size

    def _pack(self) -> None:
        """Join the loose lines of data, for 60 bytes for each would be a large multiple, and count their bytes."""
        more, packed = self._more, self._packed
        if self._data is not None and not self._size:
            self._size = _size(self._data)
        if len(more) > packed:
            text = "\n".join(more[packed:])
            more[packed:] = [text]
            self._packed += 1
            self._size += 1 + _size(text)
        if self._size > self._limit:
            raise SSEEventTooLargeError(int(self._limit))
        self._loose = 0

    def _comment(self, text: str) -> None:
        self._on_comment(text)

    def _id_alone(self, id: str) -> None:
        """An ID comes into force without an event: nothing to do but for the clients."""

    def _unfinished(self) -> SSEEvent | None:
        """The event that the end of the stream cuts off, if its data had begun. The standard discards it."""
        self._take_lines()
        data, line = [*([] if self._data is None else [self._data]), *self._more], self._decode(self._kept)
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        return SSEEvent(self._type or "message", "\n".join(data), self._id, self._own_retry) if data else None


def _size(text: str) -> int:
    """Bytes that `text` had when it was received; each U+FFFD may stand for a single malformed one."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - 2 * text.count("\ufffd")


# --- the parser over any iterable -------------------------------------------------------------------------------


class _Source:
    """What `EventSource` and `AsyncEventSource` share: a parser, and how it is given lines and chunks."""

    __slots__ = ("_chunks", "_iterator", "_last_id", "_most", "_parser", "_plain", "_ready", "_source", "_type")

    def _begin(self, source: Any, iterator: Any, chunks: bool, last_event_id: str, max_event_size: int | None) -> None:
        if isinstance(source, (str, bytes)):
            raise TypeError("one str or bytes is no iterable of lines; for a whole stream: from_chunks([stream])")
        self._source, self._iterator, self._chunks = source, iterator, chunks
        self._parser = SSEParser(last_event_id, max_event_size)
        self._ready = self._parser._events  # the next one last
        self._last_id = last_event_id
        self._type: Any = None  # str or bytes: the first line decides
        self._plain = chunks  # not for the fast path
        limit = self._parser._limit / 4  # so many characters are no more bytes than an event may have
        self._most = _KEPT if limit > _KEPT else limit  # characters of data there

    @property
    def last_event_id(self) -> str:
        """The last event ID in force: of the event handed over last, or of a block without data right after it."""
        return self._last_id if self._ready else self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time the stream asked for, in ms; `None` if it did not."""
        return self._parser.retry

    def _pop(self) -> SSEEvent:
        event = self._ready.pop()
        self._last_id = event.id
        return event

    def _take(self, item: Any) -> None:
        """A chunk, or a line the plain way."""
        if self._chunks:
            self._ready = self._parser.feed(item)
            self._ready.reverse()
            return
        first = self._type is None
        if first:
            self._type = bytes if isinstance(item, bytes) else str
        if not isinstance(item, self._type):
            raise TypeError(f"lines are {self._type.__name__} like the first one, not {type(item).__name__}")
        line = item if isinstance(item, str) else item.decode("utf-8", "replace")
        line = line.removesuffix("\n").removesuffix("\r")
        if "\n" in line or "\r" in line:
            raise ValueError("an item with a line break inside is not a line; for pieces cut anywhere use from_chunks")
        self._plain = True
        try:
            self._parser._lines(line.removeprefix("\ufeff") if first else line)
        except SSEEventTooLargeError as error:
            self._parser._error = error
            raise
        self._plain = self._parser._open or line is not item

    def _check(self) -> None:
        """Raise the error that came after the events handed over by now."""
        if self._parser._error is not None:
            raise self._parser._error


class EventSource(_Source):
    """The events of an iterable of lines, `str` or `bytes`, with or without their terminators.

    A list, an open file, `sys.stdin`, `response.iter_lines()`; for pieces cut anywhere see `from_chunks`. An event
    is yielded when its blank line is read, nothing is read ahead, and a loop left early can be resumed. Raises
    `ValueError` for an item that is not one line, `TypeError` when `str` and `bytes` are mixed,
    `SSEEventTooLargeError` for an event over `max_event_size` bytes, and whatever the iterable raises.
    """

    __slots__ = ()

    def __init__(
        self,
        lines: Iterable[str] | Iterable[bytes],
        *,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> None:
        self._begin(lines, iter(lines), False, last_event_id, max_event_size)

    @classmethod
    def from_chunks(
        cls, chunks: Iterable[bytes] | Iterable[str], *,
        last_event_id: str = "", max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> EventSource:  # fmt: skip
        """The events of a stream that comes in pieces cut anywhere, such as httpx's `iter_bytes()`."""
        new = cls.__new__(cls)
        new._begin(chunks, iter(chunks), True, last_event_id, max_event_size)
        return new

    def __iter__(self) -> EventSource:
        return self

    def __next__(self) -> SSEEvent:
        """The usual lines in local variables, for `str` without terminators: 4 times as fast as one by one.

        A line of another kind goes the plain way, with what there was of its block.
        """
        parser, most = self._parser, self._most
        while not self._ready:
            if self._plain:
                self._check()
                self._take(next(self._iterator))
                continue
            line, data = "", None
            type, id = "", parser._id
            try:
                for line in self._iterator:
                    if not line:
                        if data is None or not isinstance(line, str):
                            break
                        new: Any = _Slots()
                        new.event, new.data = type or "message", data
                        new.id, new.retry = id, None
                        new.__class__ = SSEEvent
                        parser._id = parser.last_event_id = id
                        self._type = str
                        return new  # type: ignore[no-any-return]
                    elif "\n" in line or "\r" in line:
                        break
                    elif (value := line.removeprefix("data: ")) != line:
                        joined = value if data is None else f"{data}\n{value}"
                        if len(joined) > most:
                            break
                        data = joined
                    elif (value := line.removeprefix("event: ")) != line:
                        type = value
                    elif (value := line.removeprefix("id: ")) != line and "\0" not in line:
                        id = value
                    else:
                        break
                else:
                    raise StopIteration
            except BaseException:
                self._put_back(data, type, id)
                if isinstance(line, str):
                    raise
            else:
                self._put_back(data, type, id)
            self._take(line)
        return self._pop()

    def _put_back(self, data: str | None, type: str, id: str) -> None:
        """Give the parser what there is of a block."""
        parser = self._parser
        if data is not None or type or id != parser._id:
            parser._data, parser._type, parser._id, parser._loose = data, type, id, len(data or "")
            parser._open = self._plain = True
            self._type = str

    def close(self) -> None:
        """Close the source, if it can be closed; the iteration ends."""
        self._ready, self._iterator, source = [], iter(()), self._iterator
        for closable in {id(source): source, id(self._source): self._source}.values():
            if hasattr(closable, "close"):
                closable.close()


class AsyncEventSource(_Source):
    """`EventSource` over an asynchronous iterable."""

    __slots__ = ()

    def __init__(
        self, lines: AsyncIterable[str] | AsyncIterable[bytes], *,
        last_event_id: str = "", max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> None:  # fmt: skip
        self._begin(lines, aiter(lines), False, last_event_id, max_event_size)

    @classmethod
    def from_chunks(
        cls, chunks: AsyncIterable[bytes] | AsyncIterable[str], *,
        last_event_id: str = "", max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> AsyncEventSource:  # fmt: skip
        """The events of a stream that comes in pieces cut anywhere, such as httpx's `aiter_bytes()`."""
        new = cls.__new__(cls)
        new._begin(chunks, aiter(chunks), True, last_event_id, max_event_size)
        return new

    def __aiter__(self) -> AsyncEventSource:
        return self

    async def __anext__(self) -> SSEEvent:
        while not self._ready:
            self._check()
            if self._iterator is None:
                raise StopAsyncIteration
            self._take(await anext(self._iterator))
        return self._pop()

    async def aclose(self) -> None:
        """Close the source, if it can be closed; the iteration ends."""
        self._ready, self._iterator, source = [], None, self._iterator
        for closable in {id(source): source, id(self._source): self._source}.values():
            close = getattr(closable, "aclose", None) or getattr(closable, "close", None)
            done: Any = close and close()
            if hasattr(done, "__await__"):
                await done

    close = aclose


# --- the clients: the rules, shared by both worlds --------------------------------------------------------------
# The rules are coroutines that know no event loop. Their I/O goes through a link, the connection of one attempt:
#   await open(request, timeout) -> response; await read() -> bytes, b"" at the end; blocking ones have read_now(), the
#   same if there is a cheaper way, else `None`; limit(seconds) for all reads to come; stop(): nothing but what has
#   arrived; interrupt(): abort, from any thread or task; await release(). `httpclient.Exchange` is one, `_Foreign`
#   makes one of transport=.
# Blocking links never suspend, so one step of `_run` brings a rule to its end; asyncio awaits the same rules.

_BODY_SIZE, _BODY_SECONDS = 65536, 5.0  # bounds for the body of an error
_STEADY = 60.0  # seconds; a connection that stayed open that long is no failure in a row
_LONGEST_RETRY_AFTER = 3600.0  # seconds


def _run(rule: Coroutine[Any, None, _T]) -> _T:
    try:
        rule.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    rule.close()
    raise TypeError("coroutine functions are for the asynchronous client")


def _log(level: str, *args: object) -> None:
    import logging

    getattr(logging.getLogger("sse"), level)(*args)


@cache
def _httpclient() -> Any:
    """The module beside this one, wherever the two were copied to."""
    name = (__package__ + "." if __package__ else "") + "httpclient"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError("the clients need httpclient.py beside sse.py, or transport=", name=name) from None


class _Silence(TimeoutError):
    """A time limit of ours over what others do."""


def _cause(error: BaseException | None) -> str:
    """Why, for a message. Texts of other libraries may show URLs with their secrets, so only their type is told."""
    if error is None:
        return "the server ended the stream"
    if isinstance(error, SSEHTTPError):
        return error._said()
    if isinstance(error, (SSEError, _Silence)) or hasattr(error, "fatal"):
        return _shown(str(error))
    return getattr(error, "strerror", None) or type(error).__name__


def _header(headers: Any, name: str) -> str:
    """A header of any library's response; not all of their mappings ignore case."""
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _retry_after(value: str) -> float:
    """Seconds to wait (RFC 9110, 10.2.3: a number or a date); 0 if it says neither."""
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_RETRY_AFTER)
    from datetime import timezone
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
        seconds = date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp() - time.time()  # 5.6.7: always GMT
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)


def _check(condition: object, message: str, error: type[Exception] = ValueError) -> None:
    if not condition:
        raise error(message)


class _Foreign:
    """A link over a caller's transport, whose own timeouts are all there are while it blocks."""

    def __init__(self, idle_timeout: float | None) -> None:
        self._seconds = idle_timeout
        self._response: Any = None
        self._chunks: Any = None
        self._task: Any = None
        self._stopped = False

    async def open(self, request: Any, timeout: float | None) -> Any:
        self._response = request(timeout=timeout)
        _check(not hasattr(self._response, "__await__"), "an asynchronous transport is for async_connect", TypeError)
        self._chunks = iter(self._response.iter_bytes())
        return self._response

    async def read(self) -> bytes:
        return next(filter(None, self._chunks), b"")

    def read_now(self) -> None:
        """Nothing is cheaper than `read`."""

    def limit(self, seconds: float) -> None:
        self._seconds = seconds

    def interrupt(self) -> None:
        if self._response is not None:
            try:
                self._response.close()
            except Exception as error:  # it helps nobody, and must not hide what else there is to say
                _log("debug", "closing failed: %s", _cause(error))

    def stop(self) -> None:
        self.interrupt()

    async def release(self) -> None:
        self.interrupt()


class _AsyncForeign(_Foreign):
    """The same over asyncio. Each step is a task, so that it can be interrupted, or awaited again after a cancel."""

    async def open(self, request: Any, timeout: float | None) -> Any:
        step = request(timeout=timeout)
        _check(hasattr(step, "__await__"), "a synchronous transport is for connect", TypeError)
        self._response = await self._within(timeout, lambda: step)
        self._chunks = aiter(self._response.aiter_bytes())
        return self._response

    async def read(self) -> bytes:
        while not (chunk := await self._within(self._seconds, lambda: anext(self._chunks, None))):
            if chunk is None:
                return b""
        return chunk  # type: ignore[no-any-return]

    async def _within(self, seconds: float | None, step: Callable[[], Any]) -> Any:
        import asyncio

        if self._stopped:
            raise ConnectionAbortedError
        task = self._task = self._task or asyncio.ensure_future(step())
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise _Silence(f"nothing came for {seconds:g} seconds")
        self._task = None
        if task.cancelled():
            raise ConnectionAbortedError
        return task.result()

    def stop(self) -> None:
        self._stopped = True
        self.interrupt()

    def interrupt(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def release(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            import asyncio

            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None and self._response is None:
                self._response = task.result()
        response, self._response = self._response, None
        if response is not None:
            for closable in (self._chunks, response):
                try:
                    if hasattr(closable, "aclose"):
                        await closable.aclose()
                except Exception as error:
                    _log("debug", "closing failed: %s", _cause(error))


class _Id(SSEEvent):
    """The ID of a block without data, in its place among the events."""

    __slots__ = ()


class _InOrder(SSEParser):
    """The clients' parser: comments (as `str`) and lone IDs, in their place among the events; `between` counts them."""

    __slots__ = ("between",)
    between: int

    def _comment(self, text: str) -> None:
        self._events.append(text)  # type: ignore[arg-type]
        self.between += 1

    def _id_alone(self, id: str) -> None:
        self._events.append(_Id(id=id))
        self.between += 1


class _Client:
    """Follow the event stream at `url`, reconnecting when it is lost ("server-sent events", "Processing model").

    A context manager and an iterator over `SSEEvent`; a loop that was left can be resumed. Options:

    headers: mapping, or a callable that makes one for each attempt (asynchronous client: also a coroutine
        function). They replace the defaults `Accept`, `Cache-Control`, `Accept-Encoding`.
    timeout: seconds from the start of an attempt to the head of the answer; `None` for no limit.
    idle_timeout: seconds without a byte until an open stream counts as dropped; `None` for no limit.
    retry_interval: ms between connections until the server sends `retry`.
    max_retries: reconnections in a row before `SSEConnectionError`; -1 for no limit, 0 for none at all. Each event
        delivered, and a connection open for 60 seconds, start the row anew.
    verify: `True`; `False` to check no certificate; a CA file or directory; an `ssl.SSLContext`.
    last_event_id: where to resume.
    method, params, json, content: the request; `params` may be a callable, as `headers`.
    reconnect: `None` is yes for GET and no for other methods, whose requests are then never sent twice. Without it
        a clean end ends the iteration: `False` is for streams that end.
    until: the first event this predicate accepts is the last one; a stream that ends before it is dropped.
    retry_on_status: statuses to wait and try again on, e.g. `TRANSIENT_STATUSES`. Others raise `SSEHTTPError`.
    backoff, max_retry_interval: the n-th wait in a row is drawn between the interval and interval * backoff**(n-1),
        at most `max_retry_interval` ms; never shorter than the interval or than the server's `Retry-After`.
    max_event_size: bytes of data one event may have; `None` for no limit.
    content_type: the media type to insist on; `None` for any.
    follow_redirects, proxy, uds: as for `httpclient.request`.
    on_open(response), on_error(exception or `None` for a clean end, seconds to the next attempt or `None`),
        on_comment(text): called in stream order; what they raise reaches the caller and closes the client.
    transport: another HTTP library: transport(method, url, headers=, content=, timeout=) -> an object with
        `status_code`, `headers`, `url`, `iter_bytes()`, `close()` (a coroutine function; `aiter_bytes()`, `aclose()`).

    Attributes: `response`, that of the last attempt (`status_code`, `reason`, `headers`, `url`), `None` before it;
    `state`, `last_event_id`, `retry_interval`. One thread or task iterates; others may `close()` or `reconnect()`.
    Raises `ValueError` and `TypeError` for bad arguments at once, when connecting and iterating `SSEConnectionError`,
    `SSEHTTPError`, `SSEContentTypeError`, `SSEEventTooLargeError`. An answer of 204 ends the iteration quietly.
    """

    __slots__ = (
        "__weakref__", "_advancing", "_backoff", "_closed", "_content", "_content_type", "_delay", "_delivered",
        "_direct", "_entered", "_failure", "_follow_redirects", "_headers", "_idle_timeout", "_json", "_last", "_link",
        "_made_for", "_made_request", "_max_event_size", "_max_retries", "_max_retry_interval", "_method",
        "_on_comment", "_on_error", "_on_open", "_opened", "_params", "_parser", "_proxy", "_ready",
        "_reconnect", "_restart", "_retries", "_retry_interval", "_retry_on_status", "_state", "_timeout",
        "_transport", "_uds", "_unread", "_until", "_url", "_verify", "_waker", "response",
    )  # fmt: skip
    _exchange: str  # what makes a link in this world: a name in httpclient, or this
    _foreign: type[_Foreign]
    _waits: bool  # can it be broken off only where it waits?
    _wait: Callable[..., Any]  # for seconds, or until `_waker` is called
    _awaited: Callable[..., Any]  # the result of the caller's coroutine

    def __init__(
        self, url: str, *, headers: Headers | Callable[[], Any] | None = None, timeout: float | None = 30.0,
        idle_timeout: float | None = 300.0, retry_interval: int = 3000, max_retries: int = -1,
        verify: bool | str | os.PathLike[str] | SSLContext = True, last_event_id: str = "", method: str = "GET",
        params: Params | Callable[[], Any] | None = None, json: Any = None, content: bytes | str | None = None,
        reconnect: bool | None = None, until: Callable[[SSEEvent], object] | None = None,
        retry_on_status: Collection[int] = (), backoff: float = 1.0, max_retry_interval: int = 30000,
        max_event_size: int | None = _MAX_EVENT_SIZE, content_type: str | None = "text/event-stream",
        follow_redirects: bool = True, proxy: str | None = None, uds: str | os.PathLike[str] | None = None,
        on_open: Callable[[Any], object] | None = None,
        on_error: Callable[[BaseException | None, float | None], object] | None = None,
        on_comment: Callable[[str], object] | None = None, transport: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        self._link: Any = None  # the current attempt's connection
        _check(isinstance(url, str) and isinstance(method, str), "url and method are strings", TypeError)
        for name, number, most in (
            ("timeout", timeout, 1e6), ("idle_timeout", idle_timeout, 1e6), ("max_event_size", max_event_size, 2**63),
        ):  # fmt: skip
            _check(number is None or isinstance(number, (int, float)), f"{name} is a number or None", TypeError)
            _check(number is None or 0 < number <= most, f"{name} is above 0, at most {most:g}, or None for no limit")
        for name, number in (("retry_interval", retry_interval), ("max_retry_interval", max_retry_interval)):
            _check(isinstance(number, (int, float)), f"{name} is a number of ms", TypeError)
            _check(0 <= number <= 1e9, f"{name} is from 0 to 1e9")
        _check(isinstance(max_retries, int), "max_retries is an int", TypeError)
        _check(max_retries >= -1, "max_retries is -1 (no limit), 0 (never) or more")
        _check(isinstance(backoff, (int, float)) and backoff >= 1, "backoff is 1.0 (constant waits) or more")
        _check(isinstance(last_event_id, str), "last_event_id is a string", TypeError)
        _check(not set(last_event_id) & {"\r", "\n", "\0"}, "last_event_id has line breaks or NUL")
        statuses = isinstance(retry_on_status, Collection) and all(isinstance(n, int) for n in retry_on_status)
        _check(statuses, "retry_on_status is a collection of numbers", TypeError)
        _check(json is None or content is None, "json or content, not both", TypeError)
        for hook in (until, on_open, on_error, on_comment):
            _check(hook is None or callable(hook), "until, on_open, on_error, on_comment are callables", TypeError)
            _check(not iscoroutinefunction(hook), "until, on_open, on_error, on_comment are plain functions", TypeError)
        _check(transport is None or callable(transport), "transport is a callable", TypeError)
        _check(content_type is None or isinstance(content_type, str), "content_type is a string or None", TypeError)
        self._url, self._method, self._headers, self._params = url, method.upper(), headers, params
        self._json = json is not None
        if self._json:
            from json import dumps

            content = dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._content = content.encode() if isinstance(content, str) else content
        self._timeout, self._idle_timeout, self._max_event_size = timeout, idle_timeout, max_event_size
        self._retry_interval, self._backoff, self._max_retry_interval = retry_interval, backoff, max_retry_interval
        self._max_retries, self._retry_on_status = max_retries, frozenset(retry_on_status)
        self._reconnect = self._method == "GET" if reconnect is None else bool(reconnect)
        self._until, self._on_open, self._on_error = until, on_open, on_error
        self._on_comment: Any = on_comment
        self._content_type = content_type and content_type.partition(";")[0].strip().lower()
        self._verify, self._proxy, self._uds, self._follow_redirects = verify, proxy, uds, follow_redirects
        self._transport = transport
        self._ready: list[Any] = []  # events, comments and lone IDs to hand over, the next one last
        self._last = SSEEvent(id=last_event_id)  # handed over: an event, or the ID of a block without data
        if transport is None:
            _httpclient().check(verify, proxy, uds)
        else:
            _check(verify is True and proxy is None and uds is None, "verify, proxy, uds: set in transport", TypeError)
        self._made_for = last_event_id
        self._made_request = self._request(None if callable(headers) else headers, None if callable(params) else params)
        self._direct = False  # nothing but events is ready, which nothing has to look at, and more may be read
        self._delivered = self._retries = 0  # events in all, reconnections in a row
        self._delay = 0.0  # seconds to wait before the next attempt
        self._opened = 0.0  # when, monotonic
        self._restart = False  # reconnect() was called
        self._entered = False
        self._waker: Callable[[], object] | None = None  # ends a wait
        self._unread: Exception | bytes | None = None  # what a read failed with, or the end, for the rules to see
        self._failure: Exception | None = None  # to raise when the connection is given back
        self._advancing = False
        self._parser: Any = None  # of the connection that opened last
        self._state = "connecting"  # or "open"
        self._closed = False  # only ever set, by whichever thread: what another one does to _state cannot undo it
        self.response: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._method} {_safe(self._url)} {self.state}>"

    def __del__(self) -> None:
        link = getattr(self, "_link", None)
        if link is not None:
            if not self._closed:
                import warnings

                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            link.interrupt()

    @property
    def state(self) -> str:
        """`"connecting"` (before the first attempt and while waiting, too), `"open"` or `"closed"`."""
        return "closed" if self._closed else self._state

    @property
    def retry_interval(self) -> int:
        """The current reconnection time in ms: the option's, until the server sends `retry`."""
        asked = None if self._parser is None else self._parser.retry
        return self._retry_interval if asked is None else asked

    @property
    def last_event_id(self) -> str:
        """The last event ID of what was handed over: a checkpoint to resume from."""
        last = self._last
        for item in reversed(self._ready):
            if item.__class__ is not _Id:
                break
            last = item
        return last.id

    def reconnect(self) -> None:
        """Drop the connection and open a new one at once, after what had arrived; this is not reported as an error.

        Raises `RuntimeError` if the client may not reconnect (methods other than GET without `reconnect=True`).
        """
        _check(self._reconnect, "this client does not reconnect; pass reconnect=True to allow it", RuntimeError)
        self._restart = True
        link = self._link
        if link is not None:
            link.stop()
        self._wake()

    def _wake(self) -> None:
        waker = self._waker
        if waker is not None:
            waker()

    def _abort(self) -> Any:
        """Interrupt whatever goes on, and have nothing more to hand over; returns the link there was."""
        self._end(None)
        link, self._link = self._link, None
        self._wake()
        if link is not None:
            link.interrupt()
        return link

    def _new_link(self) -> Any:
        if self._transport is not None:
            return self._foreign(self._idle_timeout)
        exchange = getattr(_httpclient(), self._exchange)
        return exchange(self._verify, self._proxy, self._uds, self._follow_redirects, self._idle_timeout)

    # The rules.

    async def _advance(self, opening: bool = False) -> SSEEvent | None:
        """The next event, `None` at the end. With `opening`: until the connection is open, or never will be.

        Wherever it is cancelled, it can go on: each step leaves behind what is to be done next.
        """
        _check(not self._advancing, "another task or thread is waiting for events of this client", RuntimeError)
        self._advancing = True
        try:
            while True:
                if self._closed or self._state == "connecting":
                    await self._release()
                if self._closed:
                    break
                if opening and self._state == "open":
                    return None
                try:
                    event = await self._step(opening)
                    if event is not None:
                        return event
                except Exception as error:
                    self._end(error)
            self._over()
            return None
        except BaseException as error:
            if not isinstance(error, Exception):
                await self._broken_off(error)
            raise
        finally:
            self._advancing = False

    async def _step(self, opening: bool) -> SSEEvent | None:
        if self._ready and not opening and (event := self._hand_over()) is not None:
            if self._until is not None and self._until(event):
                self._end(None)
                if self._link is not None:
                    self._link.interrupt()
            return event
        link = self._link
        if self._state == "connecting":
            await self._connect()
        elif link is None:
            pass  # closed meanwhile
        elif self._parser._error is not None:
            self._lost(self._parser._error)
        elif self._unread is not None:
            lost, self._unread = self._unread, None
            self._lost(lost if isinstance(lost, Exception) else None)
        else:
            try:
                chunk = await link.read()
            except Exception as error:
                self._lost(error)
            else:
                if chunk:
                    self._receive(chunk)
                else:
                    self._lost(None)
        return None

    async def _broken_off(self, error: BaseException) -> None:
        """Cancelled, or Ctrl-C. Who cancels a task that waits loses nothing, and `with` keeps the connection; a signal
        may have come between any two instructions, so that what was received is to be received again.
        """
        if self._state == "open" and self._entered and self._waits:
            return
        self._delivered -= sum(item.__class__ is SSEEvent for item in self._ready)
        self._state, self._direct, self._ready = "connecting", False, []
        if not (self._reconnect or self._closed):
            self._end(self._failed(error))
        if self._link is not None:
            self._link.interrupt()
        await self._release()

    def _hand_over(self) -> SSEEvent | None:
        while ready := self._ready:  # or a callback closes
            item = ready.pop()
            if item.__class__ is str:
                self._on_comment(item)
            else:
                self._last = item
                if item.__class__ is SSEEvent:
                    return item
        return None

    async def _connect(self) -> None:
        """One attempt: "fetch", then "process response"."""
        if self._delay and not self._restart:  # by on_error, say
            await self._wait(self._delay)
        self._delay, timeout, start = 0.0, self._timeout, time.monotonic()
        if callable(self._headers) or callable(self._params) or self._made_for != self.last_event_id:
            try:
                self._made_request = self._request(await self._made(self._headers), await self._made(self._params))
            except _Silence as error:
                return self._lost(error)
            self._made_for = self.last_event_id
            if timeout is not None:
                timeout = max(0.001, timeout - (time.monotonic() - start))
        link = self._link = self._new_link()
        self._unread = None  # of the last one, if Ctrl-C came before the rules saw it
        self._restart = False
        if self._closed:  # meanwhile, by another thread or task
            return None
        try:
            response = await link.open(self._made_request, timeout)
        except Exception as error:
            return self._lost(error)
        if self._closed:
            return None
        if self._restart:  # while a name was resolved, which cannot be interrupted
            return self._lost(None)
        self.response = response
        status, url = response.status_code, str(response.url)
        if status == 204:
            return self._end(None)
        if not 200 <= status < 300:
            reason, body = str(getattr(response, "reason", "") or ""), await self._body(link)
            return self._lost(SSEHTTPError(status, url, reason=reason, headers=response.headers, body=body))
        content_type = _header(response.headers, "content-type")
        if self._content_type not in (None, content_type.partition(";")[0].strip(" \t").lower()):
            return self._lost(SSEContentTypeError(content_type, url, body=await self._body(link)))
        self._retry_interval = self.retry_interval
        self._parser = _InOrder(self.last_event_id, self._max_event_size, self._on_comment)
        self._parser.between = 0
        self._opened = time.monotonic()
        self._state = "open"
        if self._on_open is not None and not self._closed:
            self._on_open(response)
        return None

    async def _made(self, option: Any) -> Any:
        """An option's value for this attempt."""
        if callable(option):
            option = option()
            if hasattr(option, "__await__"):
                option = await self._awaited(option)
        return option

    def _request(self, headers: Any, params: Any) -> Any:
        """What a link opens: a checked `httpclient.Request`, or the caller's transport with all but its timeout."""
        merged = {"Accept": "text/event-stream", "Cache-Control": "no-cache", "Accept-Encoding": "identity"}
        if self._json:
            merged["Content-Type"] = "application/json"
        if headers is not None:
            _check(hasattr(headers, "items"), "headers are a mapping, or a callable returning one", TypeError)
            given = {str(name).lower() for name in headers}
            merged = {name: value for name, value in merged.items() if name.lower() not in given} | dict(headers)
        last_event_id = self.last_event_id
        if last_event_id and re.search(r"[\0-\x08\n-\x1f\x7f]|^[ \t]|[ \t]\Z", last_event_id):  # RFC 9110, 5.5
            _log("warning", "the last event ID has control characters or outer spaces and is not sent")
        elif last_event_id:
            merged = {name: value for name, value in merged.items() if name.lower() != "last-event-id"}
            merged["Last-Event-ID"] = last_event_id.encode().decode("latin-1")  # its UTF-8 bytes
        url = self._url.strip(" ")
        if params:
            from urllib.parse import urlencode

            url, hash, fragment = url.partition("#")
            url += ("&" if "?" in url else "?") + urlencode(params, doseq=True) + hash + fragment
        if self._transport is not None:
            return partial(self._transport, self._method, url, headers=merged, content=self._content)
        return _httpclient().Request(self._method, url, merged, self._content)

    async def _body(self, link: Any) -> bytes:
        """The beginning of an error's body, bounded in bytes and in time."""
        body, end = b"", time.monotonic() + _BODY_SECONDS
        link.limit(_BODY_SECONDS)
        try:
            while len(body) < _BODY_SIZE and time.monotonic() < end and (chunk := await link.read()):
                body += chunk
        except (OSError, EOFError) as error:
            _log("debug", "the body of the error is incomplete: %s", _cause(error))
        return body[:_BODY_SIZE]

    def _receive(self, chunk: bytes) -> None:
        """The events of a piece of the stream become ready."""
        parser = self._parser
        ready = parser.feed(chunk)
        direct, events = self._until is None and parser._error is None, len(ready)
        if parser.between:
            direct, events, parser.between = False, events - parser.between, 0
        self._direct = direct
        if events:
            self._delivered += events  # or they will be, before this is asked for
            self._retries = 0
        if ready:
            ready.reverse()
            self._ready = ready
            if self._closed:  # meanwhile, by another thread
                self._ready = []

    def _lost(self, error: Exception | None) -> None:
        """The connection failed with `error`, or ended: "reestablish the connection" or "fail the connection"."""
        opened, self._state, self._direct = self._state == "open", "connecting", False
        if self._link is not None:
            self._link.interrupt()
        dropped = error is None or isinstance(error, (OSError, EOFError))
        if self._closed or (self._restart and not isinstance(error, SSEError)):  # whatever the link made of it
            return
        by_status = isinstance(error, SSEHTTPError) and error.status_code in self._retry_on_status
        if not (dropped or by_status or isinstance(error, SSEError)):
            return self._end(error)
        if opened and time.monotonic() - self._opened >= _STEADY:
            self._retries = 0
        fatal = getattr(error, "fatal", False) or hasattr(error, "verify_code")  # a certificate, in any library
        again = (dropped and self._reconnect) or by_status
        if not again or fatal or self._retries == self._max_retries:
            unfinished = self._parser._unfinished() if opened and dropped else None
            if isinstance(error, SSEError) and not by_status:
                self._end(error)
            elif error is None and not (self._reconnect or self._until or unfinished):
                self._end(None)
            else:
                self._end(self._failed(error, unfinished))
            if self._on_error is not None:
                self._on_error(error, None)
            return
        self._retries += 1
        floor = _retry_after(_header(error.headers, "retry-after")) if by_status else 0.0  # type: ignore[union-attr]
        self._delay = max(floor, self._next_delay())
        level, url = ("info" if error is None else "warning"), _safe(self._url)
        _log(level, "%s: %s; attempt %d in %.1f s", url, _cause(error), self._retries, self._delay)
        if self._on_error is not None:
            self._on_error(error, self._delay)

    def _failed(self, error: BaseException | None, unfinished: SSEEvent | None = None) -> SSEConnectionError:
        failure = SSEConnectionError(self._url, self._retries, error)
        failure.delivered, failure.last_event_id = self._delivered, self.last_event_id
        failure.unfinished, failure.__cause__ = unfinished, error
        return failure

    def _next_delay(self) -> float:
        """Seconds before this reconnection, the `_retries`-th in a row."""
        base, longest = float(self.retry_interval), float(self._max_retry_interval)
        if self._backoff == 1 or self._retries == 1:
            return base / 1000
        from random import uniform

        try:
            longest = min(base * self._backoff ** (self._retries - 1), longest)
        except OverflowError:
            pass
        return (base + uniform(0, max(0.0, longest - base))) / 1000

    def _end(self, failure: Exception | None) -> None:
        self._closed, self._direct, self._ready, self._failure = True, False, [], failure

    def _over(self) -> None:
        failure, self._failure, self._unread = self._failure, None, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # it refers to this frame

    async def _release(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.release()


class SSEClient(_Client):
    __doc__ = _Client.__doc__
    __slots__ = ()
    _exchange, _foreign, _waits = "Exchange", _Foreign, False

    def __enter__(self) -> SSEClient:
        _run(self._advance(opening=True))
        self._entered = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered = False
        self.close()

    def __iter__(self) -> Iterator[SSEEvent]:
        return self

    def __next__(self) -> SSEEvent:
        try:
            while self._direct:  # nothing but events: what `_advance` does, a third cheaper for want of coroutines
                ready = self._ready
                if ready:
                    self._last = event = ready.pop()
                    return event  # type: ignore[no-any-return]
                link = self._link
                if link is None:
                    break
                try:
                    chunk = link.read_now()
                except Exception as error:
                    self._unread = error
                    break
                if not chunk:
                    break
                self._receive(chunk)
        except BaseException as error:
            _run(self._broken_off(error))
            raise
        event = _run(self._advance())
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """End the iteration and the connection at once, from any thread; events not handed over are discarded."""
        self._abort()

    async def _wait(self, seconds: float) -> None:
        from queue import Empty, SimpleQueue  # an Event would deadlock if a signal's handler sets it

        queue: SimpleQueue[None] = SimpleQueue()
        self._waker = partial(queue.put, None)
        if not self._closed and not self._restart:  # before the waker was there
            try:
                queue.get(timeout=seconds)
            except Empty:
                pass

    async def _awaited(self, option: Any) -> Any:
        return await option


class AsyncSSEClient(_Client):
    __doc__ = _Client.__doc__
    __slots__ = ()
    _exchange, _foreign, _waits = "AsyncExchange", _AsyncForeign, True

    async def __aenter__(self) -> AsyncSSEClient:
        await self._advance(opening=True)
        self._entered = True
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._entered = False
        await self.close()

    def __aiter__(self) -> AsyncIterator[SSEEvent]:
        return self

    async def __anext__(self) -> SSEEvent:
        while self._direct:  # as in SSEClient
            ready = self._ready
            if ready:
                self._last = event = ready.pop()
                return event  # type: ignore[no-any-return]
            link = self._link
            if link is None or self._advancing:
                break
            self._advancing = True
            try:
                chunk = await link.read()
            except Exception as error:
                self._unread = error
                break
            except BaseException as error:
                await self._broken_off(error)
                raise
            finally:
                self._advancing = False
            if not chunk:
                self._unread = chunk  # not to be asked for again: a caller's iterator might wait for ever
                break
            self._receive(chunk)
        event = await self._advance()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """End the iteration and the connection at once, from any task; events not handed over are discarded."""
        if (link := self._abort()) is not None:
            await link.release()

    aclose = close

    async def _wait(self, seconds: float) -> None:
        import asyncio

        event = asyncio.Event()
        self._waker = event.set
        timer = asyncio.get_running_loop().call_later(seconds, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()

    async def _awaited(self, option: Any) -> Any:
        import asyncio

        task = asyncio.ensure_future(option)
        self._waker = lambda: self._closed and task.cancel()
        try:
            await asyncio.wait({task}, timeout=self._timeout)
        finally:
            self._waker = None
            task.cancel()
        if not task.done():
            raise _Silence(f"headers or params took longer than {self._timeout} seconds")
        return None if task.cancelled() else task.result()


connect = SSEClient
async_connect = AsyncSSEClient


# --- the command line -------------------------------------------------------------------------------------------


def _show(event: SSEEvent, form: str) -> str:
    if form == "data":
        return event.data
    if form == "raw":
        type = f"event: {event.event}\n" if event.event != "message" else ""
        id = f"id: {event.id}\n" if event.id else ""
        return f"{type}{id}data: " + event.data.replace("\n", "\ndata: ") + "\n"
    if form == "jsonl":
        import json

        return json.dumps(asdict(event))
    return f"{event.event}: {event.data}" + (f"  [{event.id}]" if event.id else "")


def _options(argv: list[str] | None) -> dict[str, Any]:
    """What the command line says, most of it under the names that the client has for it."""
    import argparse

    parser = argparse.ArgumentParser("sse", description="Print the events of a Server-Sent Events stream as they come.")
    add = parser.add_argument
    add("url", metavar="URL", help="the stream to follow, or - to parse standard input")
    add("-H", "--header", dest="headers", action="append", default=[], metavar="'NAME: VALUE'", help="a request header")
    add("-X", "--request", dest="method", metavar="METHOD", help="the request method (GET, or POST with -d)")
    add("-d", "--data", dest="content", metavar="DATA",
        help="the request body, @FILE to read it from a file, @- from standard input")  # fmt: skip
    add("-k", "--insecure", dest="verify", action="store_false", help="do not check the server's certificate")
    add("--last-event-id", default="", metavar="ID", help="resume after this event")
    add("--max-retries", type=int, default=-1, metavar="N", help="reconnections in a row (no limit)")
    add("--idle-timeout", type=float, default=300.0, metavar="SECONDS",
        help="silence that counts as a drop (300; 0: no limit)")  # fmt: skip
    add("--format", choices=("text", "data", "jsonl", "raw"), default="text", help="how to print an event (text)")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return vars(parser.parse_args(argv))


def _follow(url: str, headers: list[str], method: str | None, content: Any, **options: Any) -> Iterable[SSEEvent]:
    """The events that the command line asks for."""
    stdin: Any = sys.stdin and sys.stdin.buffer
    _check(stdin or not (url == "-" or content == "@-"), "standard input is closed")
    if url == "-":
        return EventSource.from_chunks(iter(lambda: stdin.read1(65536), b""))
    named = {}
    for header in headers:
        name, colon, value = header.partition(":")
        _check(colon, "a header (-H) is 'Name: value'")
        named[name.strip()] = value.strip()
    if content is not None and content.startswith("@"):
        with stdin if content == "@-" else open(content[1:], "rb") as file:
            content = file.read()
    if content is not None and "content-type" not in map(str.lower, named):
        named["Content-Type"] = "application/x-www-form-urlencoded"  # as curl does
    method = method or ("GET" if content is None else "POST")
    client = SSEClient(
        url, method=method, headers=named, content=content, retry_on_status=TRANSIENT_STATUSES,
        on_open=lambda _: setattr(client, "_max_retries", max_retries), **options,
    )  # fmt: skip
    max_retries, client._max_retries = client._max_retries, 0  # until one has opened: a wrong URL is told at once
    return client


def main(argv: list[str] | None = None) -> int:
    """The command `sse`; returns the exit status."""
    options, out = _options(argv), sys.stdout
    form, options["idle_timeout"] = options.pop("format"), options["idle_timeout"] or None
    try:
        _check(out, "standard output is closed")
        terminal = out.isatty()
        if hasattr(out, "reconfigure"):
            out.reconfigure(errors="backslashreplace")
        for event in _follow(**options):
            text = _show(event, form)
            if terminal:  # without the control characters that could command it
                text = "\n".join(map(_shown, text.split("\n")))
            out.write(text + "\n")
            out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # nothing is left to flush at exit
    except KeyboardInterrupt:
        return 130
    except (SSEError, ValueError, OSError, ImportError) as error:
        print(f"sse: {_shown(str(error))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
