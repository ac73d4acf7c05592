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

import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

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

    A frozen dataclass assigns through object.__setattr__: 380 ns an event against 130 this way.
    """

    __slots__ = ("data", "event", "id", "retry")
    event: str
    data: str
    id: str
    retry: int | None


def _shown(text: str) -> str:
    """Foreign text for a message: control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _safe(url: str) -> str:
    """A URL for a message: without user-info, query and fragment."""
    scheme, slashes, rest = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("://")
    host, slash, path = rest.partition("/")
    return _shown(scheme + slashes + host.rpartition("@")[2] + slash + path)


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
        self.url = url
        self.retries = retries
        self.last_error = last_error

    def __str__(self) -> str:
        cause = _cause(self.last_error) + (" inside an event" if self.unfinished else "")
        counts = (self.delivered, "events delivered"), (self.retries, "reconnections tried in a row")
        facts = ", ".join(f"{count} {what}" for count, what in counts if count)
        return f"{self.args[0]}: {cause}" + (f" ({facts})" if facts else "")


class SSEHTTPError(SSEError):
    """The server answered with a status that does not open a stream. `body` holds at most 64 KiB of its answer."""

    def __init__(
        self, status_code: int, url: str, *, reason: str = "", headers: Any = None, body: bytes = b""
    ) -> None:
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

    def __str__(self) -> str:
        text = f"{self.args[1]}: HTTP {self.status_code} {_shown(self.reason)}".rstrip()
        if self.body:
            text += ": " + _shown(self.text[:500].strip()) + ("…" if len(self.text) > 500 else "")
        if self.status_code in TRANSIENT_STATUSES:
            text += " [to wait and try again: retry_on_status=TRANSIENT_STATUSES]"
        return text


class SSEContentTypeError(SSEError):
    """The answer is not an event stream but `content_type`; `body` holds its beginning (at most 64 KiB)."""

    def __init__(self, content_type: str, url: str, *, body: bytes = b"") -> None:
        super().__init__(content_type, _safe(url))
        self.content_type, self.url, self.body = content_type, url, body

    def __str__(self) -> str:
        got = f"content type {_shown(self.content_type)!r}" if self.content_type else "no content type"
        begins = f", beginning {_shown(self.body[:200].decode('utf-8', 'replace'))!r}" if self.body else ""
        return f"{self.args[1]}: not an event stream but {got}{begins} [content_type=None accepts any]"


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
        self,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
        on_comment: Callable[[str], object] | None = None,
    ) -> None:
        self.last_event_id = self._id = last_event_id
        self.retry: int | None = None
        self._limit = float("inf") if max_event_size is None else max_event_size
        self._most = _KEPT if self._limit > _KEPT else self._limit  # bytes to keep as they are
        self._on_comment = on_comment
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
        events = self._events = []
        try:
            if self._between and chunk.__class__ is bytes and chunk.endswith(b"\n\n") and 13 not in chunk:
                self._blocks(chunk)  # for servers that send an event at a time: what the rest comes to, a sixth faster
            else:
                self._feed(chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk)
                self._between = not (self._kept or self._cr or self._open or self._start)
        except BaseException as error:  # on_comment may raise anything
            self._between = False
            if not isinstance(error, SSEEventTooLargeError):
                raise
            self._error = error
        return events

    def _feed(self, chunk: bytes) -> None:
        """Any chunk: line ends become LF."""
        if self._cr and chunk:
            self._cr = False
            if chunk[0] == 10:
                chunk = chunk[1:]
        if 13 in chunk:  # an int: five times cheaper than b"\r" on small pieces
            self._cr = chunk[-1] == 13
            without = chunk.replace(b"\r", b"")  # with the count still cheaper than to replace the pairs
            if len(chunk) - len(without) == chunk.count(b"\r\n"):
                chunk = without
            else:
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if 10 in chunk:
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
        if self._open:
            end = chunk.rfind(b"\n") + 1
            if end:
                self._lines(self._decode(chunk[: end - 1]))
        else:
            end = chunk.rfind(b"\n\n", max(0, len(kept) - 1)) + 2
            if end > 1:
                self._blocks(chunk[:end])
            else:
                end = 0
        self._kept = rest = chunk[end:]
        new = 0 if end else kept.rfind(b"\n") + 1  # lines before this were there already
        if 10 in rest and (self._on_comment is not None or rest.find(b"retry", new) >= 0):
            self._take_lines()  # what they say does not wait for their blank line
        elif len(rest) > self._most:
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
        text = data.decode("utf-8", "replace")
        if self._start:
            self._start = False
            return text.removeprefix("\ufeff")
        return text

    def _blocks(self, blocks: bytes) -> None:
        """Whole blocks, each with its blank line, while none is open: `_lines`, or a short cut.

        Servers send many events in a row that differ in nothing but one line of data. Split at what they have in
        common, they take 0.7 of the time that interpreting each line takes, with an `event` line 0.5.
        """
        text = self._decode(blocks) if self._start else blocks.decode("utf-8", "replace")
        head = self._head
        if not text.startswith(head):
            match = _HEAD.match(text)
            if match is None or (match[1] and self._on_comment is not None):
                return self._lines(text[:-1])
            head = self._head = match[0]
            self._head_type = match[2] or "message"
        data = text[len(head) : -2]
        datas = data.split("\n\n" + head) if "\n" in data else (data,)
        if "\n" in datas[0] or len(blocks) > self._limit:
            return self._lines(text[:-1])
        type, id, append = self._head_type, self._id, self._events.append
        for data in datas:
            if "\n" in data:  # more than that one line, or another block
                self._lines(f"{head}{data}\n")
                id = self._id
            else:
                new: Any = _Slots()
                new.event, new.data, new.id, new.retry = type, data, id, None
                new.__class__ = SSEEvent
                append(new)
        return None

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
        type, data, more, id = self._type, self._data, self._more, self._id
        last, retry, append = self.last_event_id, self._own_retry, self._events.append
        packed, size = self._packed, self._size
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
                        new.event, new.data, new.id, new.retry = type or "message", data, id, retry
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
            self._type, self._data, self._id, self.last_event_id, self._own_retry = type, data, id, last, retry
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
        if self._on_comment is not None:
            self._on_comment(text)

    def _id_alone(self, id: str) -> None:
        """An ID comes into force without an event: nothing to do but for the clients."""

    def _unfinished(self) -> SSEEvent | None:
        """The event that the end of the stream cuts off, if its data had begun. The standard discards it."""
        self._take_lines()
        data, line = [*([] if self._data is None else [self._data]), *self._more], self._kept.decode("utf-8", "replace")
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
        limit = self._parser._limit // 4  # so many characters are no more bytes than an event may have
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
        if line.endswith(("\n", "\r")):
            line = line[:-2] if line.endswith("\r\n") else line[:-1]
        if "\n" in line or "\r" in line:
            raise ValueError("an item with a line break inside is not a line; for pieces cut anywhere use from_chunks")
        self._parser._lines(line.removeprefix("\ufeff") if first else line)
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
        cls,
        chunks: Iterable[bytes] | Iterable[str],
        *,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> EventSource:
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
            line, data, type, id = "", None, "", parser._id
            try:
                for line in self._iterator:
                    if not line:
                        if data is None or not isinstance(line, str):
                            break
                        new: Any = _Slots()
                        new.event, new.data, new.id, new.retry = type or "message", data, id, None
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
        lines = [f"event: {type}"] if type else []
        if id != self._parser._id:
            lines.append(f"id: {id}")
        if data is not None:
            lines += [f"data: {line}" for line in data.split("\n")]
        if lines:
            self._type = str
            self._parser._lines("\n".join(lines))

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
        self,
        lines: AsyncIterable[str] | AsyncIterable[bytes],
        *,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> None:
        self._begin(lines, aiter(lines), False, last_event_id, max_event_size)

    @classmethod
    def from_chunks(
        cls,
        chunks: AsyncIterable[bytes] | AsyncIterable[str],
        *,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> AsyncEventSource:
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
            for name in ("aclose", "close"):
                if hasattr(closable, name):
                    done = getattr(closable, name)()
                    if hasattr(done, "__await__"):
                        await done
                    break

    close = aclose


# --- the clients: the rules, shared by both worlds --------------------------------------------------------------
# The rules are coroutines that know no event loop. Their I/O goes through a link, the connection of one attempt:
#   await open(request, timeout) -> response; await read() -> bytes, b"" at the end; waiting() and read_now() instead
#   of that, where there is a cheaper way; limit(seconds) for all reads to come; stop(): nothing but what has arrived;
#   interrupt(): abort, from any thread or task; await release(). `httpclient.Exchange` is one, `_Foreign` makes one of
#   transport=.
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


def _httpclient() -> Any:
    """The module beside this one, wherever the two were copied to."""
    from importlib import import_module

    name = (__package__ + "." if __package__ else "") + "httpclient"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError("the clients need httpclient.py beside sse.py, or transport=", name=name) from None


def _cause(error: BaseException | None) -> str:
    """Why, for a message. Texts of other libraries may show URLs with their secrets, so only their type is told."""
    if error is None:
        return "the server ended the stream"
    if isinstance(error, SSEError) or hasattr(error, "fatal"):
        return _shown(str(error))
    return getattr(error, "strerror", None) or type(error).__name__


def _header(headers: Any, name: str) -> str:
    """A header of any library's response; not all of their mappings ignore case."""
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _sendable(value: str) -> bool:
    """Does this ID reach the server as it is (RFC 9110, 5.5)?"""
    return value == value.strip(" \t") and not any((c < " " and c != "\t") or c == "\x7f" for c in value)


def _retry_after(value: str) -> float:
    """Seconds to wait (RFC 9110, 10.2.3: a number or a date); 0 if it says neither."""
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_RETRY_AFTER)
    from email.utils import parsedate_to_datetime

    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)


def _check(condition: object, message: str, error: type[Exception] = ValueError) -> None:
    if not condition:
        raise error(message)


class _Comment(str):
    """A comment, in its place among the events."""


class _Id(str):
    """The ID of a block without data, in its place among the events."""

    @property
    def id(self) -> str:
        return str(self)


class _InOrder(SSEParser):
    """The clients' parser: what comes between events is handed over between them; `between` counts it."""

    __slots__ = ("between",)
    between: int

    def _comment(self, text: str) -> None:
        self._events.append(_Comment(text))  # type: ignore[arg-type]
        self.between += 1

    def _id_alone(self, id: str) -> None:
        self._events.append(_Id(id))  # type: ignore[arg-type]
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
    reconnect: `None` is yes for GET and no for other methods, whose requests are then never sent twice.
    until: the first event this predicate accepts is the last one; a stream that ends before it is dropped.
    retry_on_status: statuses to wait and try again on, e.g. `TRANSIENT_STATUSES`. Others raise `SSEHTTPError`.
    backoff, max_retry_interval: the n-th wait in a row is drawn between the interval and interval * backoff**(n-1),
        at most `max_retry_interval` ms; never shorter than the interval or than the server's `Retry-After`.
    max_event_size: bytes of data one event may have; `None` for no limit.
    content_type: the media type to insist on; `None` for any.
    follow_redirects, proxy, uds: as for `httpclient.request`.
    on_open(response), on_error(exception or `None` for a clean end, seconds to the next attempt or `None`),
        on_comment(text): called in stream order; what they raise reaches the caller and closes the client.
    transport: another HTTP library: transport(method, url, headers=, content=, timeout=) -> response.

    Raises `ValueError` and `TypeError` for bad arguments at once, when connecting and iterating `SSEConnectionError`,
    `SSEHTTPError`, `SSEContentTypeError`, `SSEEventTooLargeError`. An answer of 204 ends the iteration quietly.
    """

    __slots__ = (
        "__weakref__", "_backoff", "_closed", "_content", "_content_type", "_delay", "_delivered", "_direct",
        "_entered", "_follow_redirects", "_headers", "_http", "_idle_timeout", "_json", "_last", "_link",
        "_made_for", "_made_request", "_max_event_size", "_max_retries", "_max_retry_interval", "_method",
        "_on_comment", "_on_error", "_on_open", "_opened", "_params", "_parser", "_proxy", "_ready",
        "_reconnect", "_restart", "_retries", "_retry_interval", "_retry_on_status", "_state", "_timeout",
        "_transport", "_uds", "_until", "_url", "_verify", "_waker", "response",
    )  # fmt: skip

    def __init__(
        self,
        url: str,
        *,
        headers: Headers | Callable[[], Any] | None = None,
        timeout: float | None = 30.0,
        idle_timeout: float | None = 300.0,
        retry_interval: int = 3000,
        max_retries: int = -1,
        verify: bool | str | SSLContext = True,
        last_event_id: str = "",
        method: str = "GET",
        params: Params | Callable[[], Any] | None = None,
        json: Any = None,
        content: bytes | str | None = None,
        reconnect: bool | None = None,
        until: Callable[[SSEEvent], object] | None = None,
        retry_on_status: Collection[int] = (),
        backoff: float = 1.0,
        max_retry_interval: int = 30000,
        max_event_size: int | None = _MAX_EVENT_SIZE,
        content_type: str | None = "text/event-stream",
        follow_redirects: bool = True,
        proxy: str | None = None,
        uds: str | None = None,
        on_open: Callable[[Any], object] | None = None,
        on_error: Callable[[BaseException | None, float | None], object] | None = None,
        on_comment: Callable[[str], object] | None = None,
        transport: Callable[..., Any] | None = None,
    ) -> None:
        self._link: Any = None  # the current attempt's connection
        _check(isinstance(url, str) and isinstance(method, str), "url and method are strings", TypeError)
        for name, number in (("timeout", timeout), ("idle_timeout", idle_timeout), ("max_event_size", max_event_size)):
            _check(number is None or isinstance(number, (int, float)), f"{name} is a number or None", TypeError)
            _check(number is None or number > 0, f"{name} is above 0, or None for no limit")
        for name, number in (("retry_interval", retry_interval), ("max_retry_interval", max_retry_interval)):
            _check(isinstance(number, (int, float)), f"{name} is a number of ms", TypeError)
            _check(number >= 0, f"{name} is 0 or more")
        _check(isinstance(max_retries, int), "max_retries is an int", TypeError)
        _check(max_retries >= -1, "max_retries is -1 (no limit), 0 (never) or more")
        _check(isinstance(backoff, (int, float)) and backoff >= 1, "backoff is 1.0 (constant waits) or more")
        _check(isinstance(last_event_id, str), "last_event_id is a string", TypeError)
        _check(not set(last_event_id) & {"\r", "\n", "\0"}, "last_event_id has line breaks or NUL")
        statuses = isinstance(retry_on_status, Collection) and all(isinstance(n, int) for n in retry_on_status)
        _check(statuses, "retry_on_status is a collection of numbers", TypeError)
        _check(json is None or content is None, "json or content, not both", TypeError)
        for hook in (until, on_open, on_error, on_comment, transport):
            _check(hook is None or callable(hook), "until, on_..., transport are callables", TypeError)
        self._url, self._method = url, method.upper()
        self._headers, self._params = headers, params
        self._json = json is not None
        if self._json:
            from json import dumps

            content = dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._content = content.encode() if isinstance(content, str) else content
        self._timeout, self._idle_timeout = timeout, idle_timeout
        self._retry_interval, self._backoff, self._max_retry_interval = retry_interval, backoff, max_retry_interval
        self._max_retries, self._retry_on_status = max_retries, frozenset(retry_on_status)
        self._reconnect = self._method == "GET" if reconnect is None else bool(reconnect)
        self._until, self._on_open, self._on_error, self._on_comment = until, on_open, on_error, on_comment
        self._max_event_size = max_event_size
        self._content_type = content_type and content_type.lower()
        self._verify, self._proxy, self._uds, self._follow_redirects = verify, proxy, uds, follow_redirects
        self._transport = transport
        self._ready: list[Any] = []  # events, _Comment and _Id to hand over, the next one last
        self._last: Any = _Id(last_event_id)  # handed over: an event, or the ID of a block without data
        self._http: Any = None
        if transport is None:
            self._http = _httpclient()
            self._http.check(verify, proxy, uds)
        else:
            _check(verify is True and proxy is None and uds is None, "verify, proxy, uds: set in transport", TypeError)
        self._made_for: str | None = None if callable(headers) or callable(params) else last_event_id
        self._made_request = self._request(None if callable(headers) else headers, None if callable(params) else params)
        self._parser = _InOrder(last_event_id)
        self._direct = False  # ready are only events, which nothing has to look at
        self._delivered = 0
        self._retries = 0  # reconnections in a row
        self._delay: float | None = None  # seconds to wait before the next attempt
        self._opened = 0.0  # when, monotonic
        self._restart = False  # reconnect() was called
        self._entered = False
        self._waker: Any = None  # ends a wait
        self._state = "connecting"  # or "open"
        self._closed = False  # only ever set, by whichever thread: what another one does to _state cannot undo it
        self.response: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._method} {_safe(self._url)} {self.state}>"

    def __del__(self) -> None:
        link = getattr(self, "_link", None)
        if link is not None:
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
        return self._retry_interval

    @property
    def last_event_id(self) -> str:
        """The last event ID of what was handed over: a checkpoint to resume from."""
        last = self._last
        for item in reversed(self._ready):
            if item.__class__ is not _Id:
                break
            last = item
        return last.id  # type: ignore[no-any-return]

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

    # What a world provides: a link, an interruptible wait and its end.

    def _new_link(self) -> Any:
        raise NotImplementedError

    async def _wait(self, seconds: float) -> None:
        raise NotImplementedError

    def _wake(self) -> None:
        raise NotImplementedError

    # The rules.

    async def _advance(self, opening: bool = False) -> SSEEvent | None:
        """The next event, `None` at the end. With `opening`: until the connection is open, or never will be."""
        try:
            while not self._closed:
                if self._ready and not opening and (event := self._hand_over()) is not None:
                    if self._until is not None and self._until(event):
                        await self._finish()
                    return event
                if self._state == "connecting":
                    await self._connect()
                elif opening or self._link is None:
                    break
                elif self._parser._error is not None:
                    await self._lost(self._parser._error)
                else:
                    try:
                        chunk = await self._link.read()
                    except Exception as error:
                        await self._lost(error)
                    else:
                        if chunk:
                            self._receive(chunk)
                        else:
                            await self._lost(None)
            return None
        except Exception:
            await self._finish()
            raise
        except BaseException:
            await self._broken_off()
            raise

    async def _broken_off(self) -> None:
        """Cancelled, or Ctrl-C: a `with` around the loop keeps the connection for resuming."""
        if self._state == "connecting" or not self._entered:
            await self._release()
            if self._state == "open":
                self._state = "connecting"
            if not self._reconnect:
                await self._finish()

    def _hand_over(self) -> SSEEvent | None:
        ready = self._ready
        while ready:
            item = ready.pop()
            if item.__class__ is _Comment:
                if self._on_comment is not None:
                    self._on_comment(str(item))
                continue
            self._last = item
            if item.__class__ is SSEEvent:
                return item
        return None

    async def _connect(self) -> None:
        """One attempt: "fetch", then "process response"."""
        if self._delay is not None:
            if not self._restart:  # by on_error, say
                await self._wait(self._delay)
            self._delay = None
        if self._made_for is None or self._made_for != self.last_event_id:
            self._made_request = self._request(await self._made(self._headers), await self._made(self._params))
            if self._made_for is not None:
                self._made_for = self.last_event_id
        link = self._link = self._new_link()
        self._restart = False
        if self._closed:  # meanwhile, by another thread or task
            return await self._finish()
        try:
            response = await link.open(self._made_request, self._timeout)
        except Exception as error:
            return await self._lost(error)
        if self._closed:
            return await self._release(link)
        self.response = response
        status, url = response.status_code, str(response.url)
        if status == 204:
            return await self._finish()
        if not 200 <= status < 300:
            reason, body = str(getattr(response, "reason", "") or ""), await self._body(link)
            return await self._lost(SSEHTTPError(status, url, reason=reason, headers=response.headers, body=body))
        content_type = _header(response.headers, "content-type")
        if self._content_type not in (None, content_type.partition(";")[0].strip(" \t").lower()):
            return await self._lost(SSEContentTypeError(content_type, url, body=await self._body(link)))
        self._parser = _InOrder(self.last_event_id, self._max_event_size, self._on_comment)
        self._parser.between = 0
        self._opened = time.monotonic()
        self._state = "open"
        if self._on_open is not None and not self._closed:
            self._on_open(response)

    async def _made(self, option: Any) -> Any:
        """An option's value for this attempt."""
        if callable(option):
            option = option()
            if hasattr(option, "__await__"):
                option = await option
        return option

    def _request(self, headers: Any, params: Any) -> Any:
        """What a link opens: a checked `httpclient.Request`, or the arguments of a caller's transport."""
        merged = {"Accept": "text/event-stream", "Cache-Control": "no-cache", "Accept-Encoding": "identity"}
        if self._json:
            merged["Content-Type"] = "application/json"
        if headers is not None:
            _check(hasattr(headers, "items"), "headers are a mapping, or a callable returning one", TypeError)
            given = {str(name).lower() for name in headers}
            merged = {name: value for name, value in merged.items() if name.lower() not in given} | dict(headers)
        last_event_id = self.last_event_id
        if last_event_id:
            if _sendable(last_event_id):
                merged = {name: value for name, value in merged.items() if name.lower() != "last-event-id"}
                merged["Last-Event-ID"] = last_event_id.encode().decode("latin-1")  # its UTF-8 bytes
            else:
                _log("warning", "the last event ID has control characters or outer spaces and is not sent")
        url = self._url
        if params:
            from urllib.parse import urlencode

            url, hash, fragment = url.partition("#")
            url += ("&" if "?" in url else "?") + urlencode(params, doseq=True) + hash + fragment
        if self._http is not None:
            return self._http.Request(self._method, url, merged, self._content)
        return self._method, url, merged, self._content

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
        ready: list[Any] = parser.feed(chunk)
        if parser.retry is not None:
            self._retry_interval = parser.retry
        if ready:
            events = len(ready) - parser.between
            if events:
                self._delivered += events  # or they will be, before this is asked for
                self._retries = 0
            self._direct = self._until is None and not parser.between
            parser.between = 0
            ready.reverse()
            self._ready = ready
            if self._closed:  # meanwhile, by another thread
                self._ready = []

    async def _lost(self, error: Exception | None) -> None:
        """The connection failed with `error`, or ended: "reestablish the connection" or "fail the connection"."""
        opened = self._state == "open"
        await self._release()
        if self._closed:
            return
        self._state = "connecting"
        dropped = error is None or isinstance(error, (OSError, EOFError))
        if self._restart and not isinstance(error, SSEError):  # whatever the link made of being stopped
            return
        by_status = isinstance(error, SSEHTTPError) and error.status_code in self._retry_on_status
        if not (dropped or by_status):
            if isinstance(error, SSEError):
                await self._give_up(error, error)
            raise error  # type: ignore[misc]
        if opened and time.monotonic() - self._opened >= _STEADY:
            self._retries = 0
        fatal = getattr(error, "fatal", False) or hasattr(error, "verify_code")  # a certificate, in any library
        if fatal or not (self._reconnect or by_status) or self._retries == self._max_retries:
            unfinished = self._parser._unfinished() if opened else None
            if error is None and not (self._reconnect or self._until or unfinished):
                return await self._give_up(None, None)
            failure = SSEConnectionError(self._url, self._retries, error)
            failure.delivered, failure.last_event_id = self._delivered, self.last_event_id
            failure.unfinished = unfinished
            return await self._give_up(error, failure)
        self._retries += 1
        self._delay = self._next_delay()
        if by_status:
            self._delay = max(self._delay, _retry_after(_header(error.headers, "retry-after")))  # type: ignore
        level, url = ("info" if error is None else "warning"), _safe(self._url)
        _log(level, "%s: %s; attempt %d in %.1f s", url, _cause(error), self._retries, self._delay)
        if self._on_error is not None:
            self._on_error(error, self._delay)

    async def _give_up(self, error: Exception | None, failure: Exception | None) -> None:
        await self._finish()
        if self._on_error is not None:
            self._on_error(error, None)
        if failure is not None:
            raise failure from (error if error is not failure else None)

    def _next_delay(self) -> float:
        """Seconds before this reconnection, the `_retries`-th in a row."""
        base, longest = float(self._retry_interval), float(self._max_retry_interval)
        if self._backoff == 1 or self._retries == 1:
            return base / 1000
        from random import uniform

        try:
            longest = min(base * self._backoff ** (self._retries - 1), longest)
        except OverflowError:
            pass
        return (base + uniform(0, max(0.0, longest - base))) / 1000

    async def _finish(self) -> None:
        self._closed = True
        self._ready = []
        await self._release()

    async def _release(self, link: Any = None) -> None:
        link, self._link = link or self._link, None
        if link is not None:
            await link.release()


class SSEClient(_Client):
    __doc__ = _Client.__doc__
    __slots__ = ()

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
        while self._direct:  # nothing but events: what `_advance` does, a third cheaper for want of coroutines
            ready, link = self._ready, self._link
            if ready:
                self._last = event = ready.pop()
                return event  # type: ignore[no-any-return]
            if link is None or self._state != "open" or self._parser._error is not None:
                break
            chunk = link.read_now()
            if not chunk:
                break
            self._receive(chunk)
        event = _run(self._advance())
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """End the iteration and the connection at once, from any thread; events not handed over are discarded."""
        self._closed = True
        self._ready = []
        link, self._link = self._link, None
        if link is not None:
            link.interrupt()
        self._wake()

    def _new_link(self) -> Any:
        if self._transport is not None:
            return _Foreign(self._transport)
        return self._http.Exchange(self._verify, self._proxy, self._uds, self._follow_redirects, self._idle_timeout)

    async def _wait(self, seconds: float) -> None:
        from threading import Event

        self._waker = Event()
        if not self._closed and not self._restart:  # set before the waker was there
            self._waker.wait(seconds)

    def _wake(self) -> None:
        waker = self._waker
        if waker is not None:
            waker.set()


class AsyncSSEClient(_Client):
    __doc__ = _Client.__doc__
    __slots__ = ()

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
            ready, link = self._ready, self._link
            if ready:
                self._last = event = ready.pop()
                return event  # type: ignore[no-any-return]
            if link is None or self._state != "open" or self._parser._error is not None:
                break
            waiting = link.waiting()
            if waiting is not None:
                try:
                    await waiting
                except BaseException:
                    await self._broken_off()
                    raise
            chunk = link.read_now()
            if not chunk:
                break
            self._receive(chunk)
        event = await self._advance()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """End the iteration and the connection at once, from any task; events not handed over are discarded."""
        self._closed = True
        self._ready = []
        link, self._link = self._link, None
        self._wake()
        if link is not None:
            link.interrupt()
            await link.release()

    aclose = close

    def _new_link(self) -> Any:
        if self._transport is not None:
            return _AsyncForeign(self._transport, self._idle_timeout)
        return self._http.AsyncExchange(
            self._verify, self._proxy, self._uds, self._follow_redirects, self._idle_timeout
        )

    async def _wait(self, seconds: float) -> None:
        from asyncio import get_running_loop

        loop = get_running_loop()
        self._waker = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await self._waker
        finally:
            timer.cancel()

    def _wake(self) -> None:
        waker = self._waker
        if waker is not None and not waker.done():
            waker.set_result(None)


connect = SSEClient
async_connect = AsyncSSEClient


class _Link:
    """What links have in common that know nothing cheaper than `read`."""

    def waiting(self) -> None:
        return None

    def read_now(self) -> None:
        return None


class _Foreign(_Link):
    """A link over a caller's transport. Its own timeouts are all there are while it blocks."""

    def __init__(self, transport: Callable[..., Any]) -> None:
        self._transport = transport
        self._response: Any = None

    async def open(self, request: Any, timeout: float | None) -> Any:
        method, url, headers, content = request
        self._response = self._transport(method, url, headers=headers, content=content, timeout=timeout)
        self._chunks = iter(self._response.iter_bytes())
        return self._response

    async def read(self) -> bytes:
        return next(filter(None, self._chunks), b"")

    def limit(self, seconds: float) -> None:
        pass

    def interrupt(self) -> None:
        if self._response is not None:
            self._response.close()

    stop = interrupt

    async def release(self) -> None:
        self.interrupt()


class _AsyncForeign(_Link):
    """The same over asyncio. Each step is a task, so that it can be interrupted, or awaited again after a cancel."""

    def __init__(self, transport: Callable[..., Any], idle_timeout: float | None) -> None:
        self._transport = transport
        self._seconds = idle_timeout
        self._response: Any = None
        self._chunks: Any = None
        self._task: Any = None

    async def open(self, request: Any, timeout: float | None) -> Any:
        method, url, headers, content = request
        step = self._transport(method, url, headers=headers, content=content, timeout=timeout)
        self._response = await self._within(timeout, step)
        self._chunks = aiter(self._response.aiter_bytes())
        return self._response

    async def read(self) -> bytes:
        while not (chunk := await self._within(self._seconds, None)):
            if chunk is None:
                return b""
        return chunk  # type: ignore[no-any-return]

    async def _within(self, seconds: float | None, step: Any) -> Any:
        import asyncio

        if self._task is None:
            self._task = asyncio.ensure_future(step if step is not None else self._next())
        task = self._task
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError(f"nothing came for {seconds} seconds")
        self._task = None
        if task.cancelled():
            raise ConnectionAbortedError("the connection was closed")
        return task.result()

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)

    def limit(self, seconds: float) -> None:
        self._seconds = seconds

    def interrupt(self) -> None:
        if self._task is not None:
            self._task.cancel()

    stop = interrupt

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
            if hasattr(self._chunks, "aclose"):
                await self._chunks.aclose()
            await response.aclose()


# --- the command line -------------------------------------------------------------------------------------------


def _show(event: SSEEvent, form: str) -> str:
    if form == "data":
        return event.data
    if form == "raw":
        type = f"event: {event.event}\n" if event.event != "message" else ""
        id = f"id: {event.id}\n" if event.id else ""
        return type + id + "".join(f"data: {line}\n" for line in event.data.split("\n"))
    if form == "jsonl":
        import json

        return json.dumps({"event": event.event, "data": event.data, "id": event.id, "retry": event.retry})
    return f"{event.event}: {event.data}" + (f"  [{event.id}]" if event.id else "")


def _printer(form: str) -> Callable[[SSEEvent], None]:
    """Print events; to a terminal without the control characters that could command it."""
    import sys

    out, terminal = sys.stdout, sys.stdout.isatty()
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="backslashreplace")

    def show(event: SSEEvent) -> None:
        text = _show(event, form)
        if terminal:
            text = "\n".join(_shown(line) for line in text.split("\n"))
        out.write(text + "\n")
        out.flush()

    return show


def _options(argv: list[str] | None) -> Any:
    import argparse

    parser = argparse.ArgumentParser("sse", description="Print the events of a Server-Sent Events stream as they come.")
    add = parser.add_argument
    add("url", metavar="URL", help="the stream to follow, or - to parse standard input")
    add("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a request header")
    add("-X", "--request", metavar="METHOD", help="the request method (GET, or POST with -d)")
    add("-d", "--data", metavar="DATA", help="the request body, @FILE to read it from a file, @- from standard input")
    add("-k", "--insecure", action="store_true", help="do not check the server's certificate")
    add("--last-event-id", default="", metavar="ID", help="resume after this event")
    add("--max-retries", type=int, default=-1, metavar="N", help="reconnections in a row (no limit)")
    add("--idle-timeout", type=float, default=300.0, metavar="SECONDS", help="silence that counts as a drop (300)")
    add("--format", choices=("text", "data", "jsonl", "raw"), default="text", help="how to print an event (text)")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser.parse_args(argv)


def _follow(options: Any) -> Iterable[SSEEvent]:
    """The events that the command line asks for."""
    import sys

    stdin: Any = sys.stdin.buffer
    if options.url == "-":
        return EventSource.from_chunks(iter(lambda: stdin.read1(65536), b""))
    headers = {}
    for header in options.header:
        name, colon, value = header.partition(":")
        _check(colon, "a header (-H) is 'Name: value'")
        headers[name.strip()] = value.strip()
    content: Any = options.data
    if content is not None and content.startswith("@"):
        with stdin if content == "@-" else open(content[1:], "rb") as file:
            content = file.read()
    if content is not None and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = "application/x-www-form-urlencoded"  # as curl does
    client = SSEClient(
        options.url,
        method=options.request or ("GET" if content is None else "POST"),
        headers=headers,
        content=content,
        verify=not options.insecure,
        last_event_id=options.last_event_id,
        max_retries=options.max_retries,
        idle_timeout=options.idle_timeout,
        retry_on_status=TRANSIENT_STATUSES,
        on_open=lambda _: setattr(client, "_max_retries", options.max_retries),
    )
    client._max_retries = 0  # until a connection has opened: a wrong URL is told at once
    return client


def main(argv: list[str] | None = None) -> int:
    """The command `sse`; returns the exit status."""
    import os
    import sys

    options = _options(argv)
    try:
        show = _printer(options.format)
        for event in _follow(options):
            show(event)
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
        return 0
    except KeyboardInterrupt:
        return 130
    except (SSEError, ValueError, OSError) as error:
        print(f"sse: {_shown(str(error))}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
