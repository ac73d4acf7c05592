"""Server-Sent Events for Python: one file, standard library only, Python 3.10+.

    from sse import connect

    with connect("https://api.example.com/events") as events:
        for event in events:
            print(event.event, event.data)

In reading order: events and errors; `SSEParser` (bytes in, events out, no I/O); `EventSource` and
`AsyncEventSource` (the parser over any iterable); other libraries' responses; the options; the
reconnection (what follows from a failure, no I/O); the attempt (one connection); `SSEClient` and
`AsyncSSEClient` (`connect`, `async_connect`); the command line, which can be cut off. Only the
clients need httpclient.py beside this file.
Section names in comments are those of the WHATWG HTML standard, "Server-sent events".
"""

from __future__ import annotations

import _thread
import os
import re
import sys
import time
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)  # fmt: skip
from functools import cache, partial, wraps
from itertools import chain, starmap
from math import inf
from operator import attrgetter
from types import SimpleNamespace

TYPE_CHECKING = False  # to import typing would take half as long as to import all of this
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from dataclasses import dataclass
    from ssl import SSLContext
    from typing import Any, Generic, Literal, Protocol, TypeVar

    _Items = TypeVar("_Items")  # what a source takes, lines or pieces, in either world
    _ASource = TypeVar("_ASource", bound="_Source[Any]")
    _Made = TypeVar("_Made")  # what a callable makes headers as, and what sends, in either world
    _Transport = TypeVar("_Transport")

    class Response(Protocol):
        """The head of the answer that the events come from."""

        @property
        def status_code(self) -> int: ...
        @property
        def headers(self) -> Any: ...
        @property
        def url(self) -> Any: ...

    class BlockingClient(Protocol):
        """Another library's client for `connect`: a `requests.Session`, an `httpx.Client`."""

        def __enter__(self) -> Any: ...
        def __exit__(self, kind: Any, error: Any, trace: Any, /) -> Any: ...
        def close(self) -> None: ...

    class AwaitedClient(Protocol):
        """Another library's client for `async_connect`: `httpx.AsyncClient`, `aiohttp`'s."""

        async def __aenter__(self) -> Any: ...
        async def __aexit__(self, kind: Any, error: Any, trace: Any, /) -> Any: ...

    State = Literal["connecting", "open", "closed"]
else:  # what the annotations below mean to typing.get_type_hints() and to checks at run time
    Any = Response = BlockingClient = AwaitedClient = Awaitable = SSLContext = object
    State, _Items, _ASource, _Made, _Transport = str, *[object] * 4

    class Generic:
        __slots__ = ()

        def __class_getitem__(cls, parameters):
            return cls

    def dataclass(**options: object) -> Any:
        return lambda made: made


Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Params = Mapping[str, object] | Iterable[tuple[str, object]]

__all__ = [
    "TRANSIENT_STATUSES", "AsyncEventSource", "AsyncSSEClient", "EventSource", "SSEClient",
    "SSEConnectionError", "SSEContentTypeError", "SSEError", "SSEEvent", "SSEEventTooLargeError",
    "SSEHTTPError", "SSEParser", "async_connect", "connect",
]  # fmt: skip
__version__ = "1.1.0"

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525), 529})
"""Statuses that usually pass: for `connect(url, retry_on_status=TRANSIENT_STATUSES)`."""

_EVENT_STREAM = "text/event-stream"
_MAX_EVENT_SIZE = 64 * 2**20
_DAY = 24 * 60 * 60 * 1000  # ms; the longest reconnection time that a server can ask for


# --- events and errors --------------------------------------------------------------------------


class _LazyFields:
    """What makes `SSEEvent` a dataclass to the functions of dataclasses, once one of them asks.

    Importing dataclasses takes longer than all else that is needed up to the first event.
    """

    def __set_name__(self, owner: Any, name: str) -> None:
        kinds, defaults = owner.__annotations__.items(), owner.__init__.__defaults__
        self._name, self._given = name, [*zip(kinds, defaults, strict=True)]

    def __get__(self, event: object, owner: type) -> Any:
        from dataclasses import field, make_dataclass

        fields = [(name, kind, field(default=default)) for (name, kind), default in self._given]
        made = getattr(make_dataclass("SSEEvent", fields, frozen=True), self._name)
        setattr(owner, self._name, made)
        return made


@dataclass(frozen=True)  # to checkers of types; at run time see _LazyFields
class SSEEvent:
    """One event: type, data, the last event ID in force, and the `retry` (ms) of its own block.

    A frozen dataclass: compared, hashed, copied, pickled and matched by its four fields.
    """

    event: str
    data: str
    id: str
    retry: int | None
    __slots__ = __match_args__ = ("event", "data", "id", "retry")
    if not TYPE_CHECKING:
        __dataclass_fields__ = _LazyFields()
        __dataclass_params__ = _LazyFields()

    def __init__(
        self, event: str = "message", data: str = "", id: str = "", retry: int | None = None
    ) -> None:
        for name, value in zip(SSEEvent.__match_args__, (event, data, id, retry), strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        self._refuse_change(name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse_change(name)
        object.__delattr__(self, name)

    def _refuse_change(self, name: str) -> None:
        """As in every frozen dataclass, what a class derived adds to the fields is its own."""
        if type(self) is SSEEvent or name in SSEEvent.__match_args__:
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"events are frozen: {name!r} cannot be set")

    def _values(self) -> tuple[str, str, str, int | None]:
        return self.event, self.data, self.id, self.retry

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SSEEvent) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        pairs = zip(SSEEvent.__match_args__, self._values(), strict=True)
        shown = ", ".join(f"{name}={value!r}" for name, value in pairs)
        return f"{type(self).__qualname__}({shown})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return super().__reduce_ex__(max(protocol, 2))  # those before know no slots

    def __setstate__(self, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
        for name, value in ((state[0] or {}) | state[1]).items():  # what a class derived adds first
            object.__setattr__(self, name, value)

    def __replace__(self, **changes: Any) -> SSEEvent:  # copy.replace() of Python 3.13
        values: dict[str, Any] = dict(zip(SSEEvent.__match_args__, self._values(), strict=True))
        return type(self)(**values | changes)

    def json(self) -> Any:
        """The data decoded as JSON.

        Raises `ValueError`, naming type, id and the first characters of the data, if it is not
        JSON or is nested too deeply.
        """
        import json

        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            what = f"data of event '{_shown(self.event, 60)}' (id '{_shown(self.id, 60)}')"
            why = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ValueError(f"{what} is not JSON: {why}: '{_shown(self.data, 60)}'") from error

    def encode(self) -> bytes:
        """The event as a server sends it, with its blank line; a parser makes the same event of it.
        Behind an event with an ID, one without needs `b"id\\n"` before it.

        Raises `ValueError` for what a stream cannot carry: a line break (CR or LF) in type or id,
        NUL in the id, CR in the data, an empty type, a `retry` that is no whole number of ms from
        0 to one day, lone surrogates.
        """
        if set(self.event) & set("\r\n"):
            raise ValueError("the type of an event cannot have line breaks on the wire")
        if set(self.id) & set("\r\n\0"):
            raise ValueError("the id of an event cannot have line breaks or NUL on the wire")
        if not self.event:
            raise ValueError("the type of an event cannot be empty on the wire")
        if "\r" in self.data:
            raise ValueError("the data of an event cannot have CR on the wire, only LF")
        if self.retry is not None and not (isinstance(self.retry, int) and 0 <= self.retry <= _DAY):
            raise ValueError(f"retry is a whole number of ms from 0 to {_DAY} on the wire")
        lines = [] if self.event == "message" else [f"event: {self.event}"]
        lines += [f"id: {self.id}"] if self.id else []
        lines += [] if self.retry is None else [f"retry: {self.retry:d}"]
        lines += [f"data: {line}" for line in self.data.split("\n")]
        return "\n".join([*lines, "", ""]).encode()


class _Slots:
    """`SSEEvent` before it is frozen: the same slots, filled by plain assignment."""

    __slots__ = SSEEvent.__match_args__


def _make_event(event: str, data: str, id: str, retry: int | None) -> SSEEvent:
    """Make an event of what was parsed: 130 ns, where `__init__` of a frozen class takes 500.

    Two values are assigned in a line, and two: four in one would go through a tuple.
    """
    new: Any = _Slots()
    new.event, new.data = event, data
    new.id, new.retry = id, retry
    new.__class__ = SSEEvent
    return new  # type: ignore[no-any-return]


_new_event: Any = object.__new__
_setters = [vars(SSEEvent)[name].__set__ for name in SSEEvent.__match_args__]
_set_event, _set_data, _set_id, _set_retry = _setters


def _make_event_in_parallel(event: str, data: str, id: str, retry: int | None) -> SSEEvent:
    """The same without assigning `__class__`, for which free-threaded Python stops all threads."""
    new: SSEEvent = _new_event(SSEEvent)
    _set_event(new, event)
    _set_data(new, data)
    _set_id(new, id)
    _set_retry(new, retry)
    return new


_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
if not _GIL:
    _make_event = _make_event_in_parallel

# Control characters, those of bidirectional text, lone surrogates. Compiled when it is needed, for
# that takes half a millisecond, and the first event does not wait for it.
_UNSHOWABLE = "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"


def _escaped(text: str, kept: str = "") -> str:
    """Foreign text for a terminal: nothing in it, but for what is `kept`, can command it."""
    return re.sub(_UNSHOWABLE, lambda m: m[0] if m[0] in kept else ascii(m[0])[1:-1], text)


def _shown(text: str, most: int = 300) -> str:
    """Foreign text for a message: white space collapsed, cut short, escaped."""
    beginning = re.sub("[ \t-\r]+", " ", text[: 4 * most]).strip(" ")
    cut = len(beginning) > most or len(text) > 4 * most
    return _escaped(beginning[:most]) + "…" * cut


def _safe(url: str) -> str:
    """A URL for a message: without user-info, query and fragment."""
    return _shown(re.sub(r"^((?:[^/]*://)?)[^/]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0]))


def _whole(url: str, client: Any) -> str:
    """A URL for a message, with the base URL that another library's client puts before it."""
    base = str(getattr(client, "base_url", None) or "")
    if not base:  # aiohttp's, from where the URL is a link
        base = str(getattr(client, "_base_url", None) or "")
        base = "/".join(base.split("/")[:3]) if url.startswith("/") else base
    if not base or re.match("[A-Za-z][A-Za-z0-9+.-]*:", url):
        return url
    return f"{base.rstrip('/')}/{url.lstrip('/')}"


def _carried(value: Any) -> Any:
    """What an error holds; of what pickle cannot bring back, such as locks, a copy."""
    import pickle

    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # of whatever class that library's `__reduce__` or `__init__` raises
        return value.copy() if hasattr(value, "copy") else value  # pickle tells what is wrong
    return value


class SSEError(Exception):
    """Base of what the clients and the parser raise for what the network brought, or did not."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: _carried(value) for name, value in self.__dict__.items()}
        return type(self), self.args, state


class SSEConnectionError(SSEError, ConnectionError):
    """No connection, or no more.

    `url`: what was asked for. `last_error`: what the last attempt failed with, also the cause;
    `None` if the server just ended the stream. A copy has of another library's but the words.
    `retries`: reconnections tried since an event was delivered, or a connection held for 10 s; 0 if
    there was none. `delivered`: events handed over by this client in all, over all its connections.
    `last_event_id`: that of the last of them, to resume there. `unfinished`: the event that the end
    of the last connection cut off, as far as it came, if its data had begun; else `None`. It was
    not delivered.
    """

    delivered: int = 0
    last_event_id: str = ""
    unfinished: SSEEvent | None = None
    _missed = False  # did the stream end although `until` had accepted no event?

    def __init__(self, url: str, retries: int, last_error: BaseException | None) -> None:
        self.args = _safe(url), retries, _words(last_error)  # OSError would read an errno
        self.url, self.retries, self.last_error = url, retries, last_error

    def __reduce__(self) -> tuple[Any, ...]:
        kind, args, state = super().__reduce__()
        return kind, args, state | {"last_error": _words(self.last_error)}

    def __str__(self) -> str:
        cause = _cause(self.last_error) + (" inside an event" if self.unfinished else "")
        cause += ", and `until` had accepted no event" if self._missed else ""
        counts = {"event{} delivered": self.delivered}
        counts["reconnection{} tried in a row"] = self.retries
        facts = ", ".join(f"{n} {what.format('s' * (n > 1))}" for what, n in counts.items() if n)
        return f"{self.args[0]}: {cause}" + (f" ({facts})" if facts else "")


class _AnswerError(SSEError):
    """An answer that opens no stream; `body` holds at most its first 64 KiB."""

    def __init__(
        self, what: Any, url: str, *, reason: str = "", headers: Any = None, body: bytes = b""
    ) -> None:
        super().__init__(what, _safe(url))
        self.url, self.reason, self.headers, self.body = url, reason, headers, body

    def _where(self) -> str:
        return f"{self.args[1]}: " if self.url else ""  # http.client does not tell it

    @property
    def text(self) -> str:
        """The body as text (UTF-8, malformed bytes replaced)."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body decoded as JSON; raises `ValueError` if it is not."""
        import json

        return json.loads(self.body)


class SSEHTTPError(_AnswerError):
    """The server answered with a status that does not open a stream.

    `status_code`, `url`, `reason`, `headers`, and `body`: the first 64 KiB of what it said, as
    far as they came within 5 s; also as `text` and `json()`.
    """

    def __init__(
        self, status_code: int, url: str, *,
        reason: str = "", headers: Any = None, body: bytes = b"", route: str = "",
        again: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(status_code, url, reason=reason, headers=headers, body=body)
        self.status_code = status_code
        self._route = route  # redirects and a proxy on the way to this answer
        self._again = again  # is there an option to ask for it?

    def _said(self) -> str:
        text = f"HTTP {self.status_code} {_shown(self.reason)}".rstrip()
        text += f" {self._route}" if self._route else ""
        return text + (f": {_shown(self.text)}" if self.body else "")

    def __str__(self) -> str:
        hint = " [to wait and try again: retry_on_status=TRANSIENT_STATUSES]"
        passes = self._again and self.status_code in TRANSIENT_STATUSES
        return self._where() + self._said() + hint * passes


class SSEContentTypeError(_AnswerError):
    """The answer is no event stream but `content_type`; the rest is as in `SSEHTTPError`."""

    def __init__(
        self, content_type: str, url: str, *, status_code: int = 200,
        reason: str = "", headers: Any = None, body: bytes = b"", wanted: str = _EVENT_STREAM,
    ) -> None:  # fmt: skip
        super().__init__(content_type, url, reason=reason, headers=headers, body=body)
        self.content_type, self.status_code = content_type, status_code
        self._wanted = wanted

    def __str__(self) -> str:
        shown = f"content type '{_shown(self.content_type)}'"
        got = shown if self.content_type else "no content type"
        begins = f", beginning '{_shown(self.text, 200)}'" if self.body else ""
        kind = _media_type([self.content_type])
        wanted = "an event stream" if self._wanted == _EVENT_STREAM else f"'{self._wanted}'"
        if re.search("ndjson|jsonl|stream.json", kind):
            hint = " [lines of JSON: httpclient.request(..., stream=True) and iter_lines()]"
        elif kind.endswith("json"):
            hint = " [does the request ask for a stream?]"
        elif kind.endswith("html"):
            hint = " [a page for people: a login, an error, or another URL is needed]"
        else:
            hint = " [content_type=None accepts any]"
        return f"{self._where()}not {wanted} but {got}{begins}{hint}"


class SSEEventTooLargeError(SSEError):
    """An event grew past `limit` bytes of data, type and id together, finished or not."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        text = f"an event is larger than max_event_size={self.limit} bytes"
        return text + "; raise it, or None for no limit"


# --- the parser: "Parsing an event stream", "Interpreting an event stream" ----------------------
# `SSEParser._push` turns bytes into complete lines and puts them into a mailbox, `_Stream`. The
# generator `_interpret` takes them from there and yields events, each made when it is asked for,
# then `None`: more lines, please. It refers to the mailbox and not to the parser, so that a parser
# is freed with its last reference and not by the garbage collector.

# What stands before the data: heartbeats, ID and type in any order.
_HEAD = re.compile(r"((?::.*\n+){0,4})(?:(?:id: ([^\0\n]*)|event: (.*))\n){0,2}data: ")
_PIECE = 65536  # bytes taken at a time, so that a large chunk is not held in several forms at once
_KEPT = 4096  # bytes of an unfinished block that wait for its blank line
_LINE = 60  # bytes that a line takes in memory beside its characters
_SINGLE = 8192  # bytes of memory for lines of data that are kept singly
_SLACK = 8192  # bytes over the limit that an unfinished line may have when it brings no data
_IGNORED = b"ignored"  # an unknown field: stands for a line that is too long to keep and ignored


class _Stream:
    """What a parser and the interpreter of its lines tell each other."""

    __slots__ = ("begun", "block", "error", "last_event_id", "lines", "retry", "size", "text")

    def __init__(self, last_event_id: str) -> None:
        self.text = ""  # complete lines, LF behind each, until all that they bring is handed over
        self.lines: Iterator[str] | None = None  # the caller's, to go on with behind `text`
        self.begun = False  # something was interpreted: no byte order mark can come any more
        self.last_event_id = last_event_id  # "last event ID string": set when a block ends
        self.retry: int | None = None  # "reconnection time" in ms
        # Of the block that goes on in the next text: type, lines of data, ID, retry.
        self.block: tuple[str, list[str], str, int | None] | None = None
        self.size = 0  # bytes of data in it, as far as they were counted
        self.error: BaseException | None = None  # what ends the stream, or what `lines` raised


def _interpret(stream: _Stream, limit: int, comments: bool) -> Generator[Any, None, None]:
    """ "Interpreting an event stream": yields events, comments as `str` if wanted, and `None`.

    The block under construction is in local variables. Beside the plain way, line by line, there
    is one short cut, for blocks of one line of data with an ID, a type and heartbeats before it:
    one that comes alone takes 0.7 of the time, and many in a row that differ in nothing but that
    line, split at what they share, take 0.3 to 0.5.
    """
    type, id, retry = "", stream.last_event_id, None
    lines: list[str] = []  # of data in the open block; the first `joined` are many lines each
    joined = size = 0  # `size`: bytes of those
    single = 0  # bytes of memory that the others take, as far as they are lines of the caller's
    head, head_id, head_type = "\r", None, ""  # before the line of data; no text begins with CR
    allowed = limit // 4  # so many characters are never more bytes than `limit`
    room = allowed - len(id)  # so many may come for the short cut; 0 while a block is open
    nothing: Any = None  # the value of these while nothing is at hand, so that nothing is kept
    text = match = runs = run = line = name = value = whole = data = apart = nothing
    while not stream.text:
        yield None
    stream.begun, stream.text = True, stream.text.removeprefix("\ufeff")
    while True:
        text, given = stream.text, stream.lines
        if not text:
            yield None
            continue
        small = len(text) <= room and given is None  # then no event in it can be too large
        if small and text.endswith("\n\n"):
            alike = text.startswith(head)
            if not alike and text[0] in ":dei":  # what _HEAD can begin with
                match = _HEAD.match(text)
                if match is not None and not (comments and match[1]):
                    head, alike = match[0], True
                    head_id, head_type = match[2], match[3] or "message"
                match = None  # nothing of what was taken is kept, and it refers to the whole text
            if alike:
                run = text[len(head) : -2]
                if "\n" not in run:  # one block
                    if head_id is not None:
                        id = stream.last_event_id = head_id
                        room = allowed - len(id)
                    text, stream.text = None, ""
                    yield _make_event(head_type, run, id, None)
                    run = None
                    continue
                if head_id is None:
                    border = f"\n\n{head}"
                    runs = run.split(border)
                    for run in runs:
                        if "\n" in run:  # the first block of more lines: from it on the plain way
                            if run is not runs[0]:
                                text = head + border.join(runs[runs.index(run) :]) + "\n\n"
                            break
                        yield _make_event(head_type, run, id, None)
                    else:
                        text = runs = run = None
                        stream.text = ""
                        continue
        runs = text[:-1].split("\n") if given is None else chain((text[:-1],), given)
        text = stream.text = "\n"  # not kept twice: it only says that something is still to come
        try:
            for line in runs:
                if (value := line.removeprefix("data: ")) == line:
                    if line:  # the usual forms first, which the general one would cover
                        if (value := line.removeprefix("event: ")) != line:
                            type = value
                            continue
                        if (value := line.removeprefix("id: ")) != line:
                            id = id if "\0" in value else value
                            continue
                        if given is not None:
                            line = _without_end(line)
                    if not line:  # "dispatch the event"
                        if given is not None:
                            whole = "".join(lines)  # of one line that very line, not a copy
                            if "\n" in whole or "\r" in whole or "\n" in id or "\r" in id:
                                id, *lines[joined:] = map(_without_end, (id, *lines[joined:]))
                            if "\n" in type or "\r" in type:
                                type = _without_end(type)
                        if lines:
                            data = "\n".join(lines)
                            large = not small and len(data) + len(type) + len(id) > allowed
                            if large and _size(data) + _size(type) + _size(id) > limit:
                                yield from _stopped(stream, limit)
                            stream.last_event_id = id
                            yield _make_event(type or "message", data, id, retry)
                            lines.clear()
                            joined = size = single = 0
                        else:
                            stream.last_event_id = id
                        type, retry = "", None
                        continue
                    # "process the field"
                    if line[0] == ":":
                        if comments:
                            yield line[1:]
                        continue
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if name == "event":
                        type = value
                    elif name == "id" and "\0" not in value:
                        id = value
                    elif name == "retry" and value.isascii() and value.isdigit():
                        digits = value.lstrip("0")[:9]  # int() takes long for many
                        stream.retry = retry = min(int(digits or "0"), _DAY)
                    if name != "data":
                        continue
                if given is not None and lines:
                    single += len(value) + _LINE
                    if single > _SINGLE:
                        lines.append(value)
                        break  # to be joined; the source goes on with the next of its lines
                lines.append(value)
            if given is not None and (lines or type):
                type, id, *lines[joined:] = map(_without_end, (type, id, *lines[joined:]))
        except BaseException as error:
            if given is None or isinstance(error, GeneratorExit):
                raise
            # The ends of these lines are still there where it was not their own fault.
            apart = [t.removesuffix("\n").removesuffix("\r") for t in (type, id, *lines[joined:])]
            type, id, *lines[joined:] = apart
            if not isinstance(line, str):
                error = _no_line(str, line)
            # without this frame in its traceback: whoever clears that would end us
            at = error.__traceback__
            stream.error = error.with_traceback(at.tb_next if at is not None else None)
            del at
        brought = 0  # characters of the lines that are kept singly
        if len(lines) > joined:  # the block goes on with the next text
            apart, single = lines[joined:], 0
            brought = sum(map(len, apart)) + len(apart)
            if brought + len(apart) * _LINE > _SINGLE or size + 4 * brought > limit:
                lines[joined:] = ["\n".join(apart)]
                size, brought = size + _size(lines[joined]) + 1, 0
                joined += 1
                if size > limit + 1:
                    yield from _stopped(stream, limit)
        stream.size, stream.text, stream.lines = size + brought, "", None
        goes_on = lines or type or retry is not None or id is not stream.last_event_id
        room = 0 if goes_on else allowed - len(id)
        stream.block = (type, lines, id, retry) if goes_on else None
        text = runs = run = line = name = value = whole = data = apart = nothing
        yield None


def _stopped(stream: _Stream, limit: int) -> Iterator[None]:
    """The event is too large: nothing comes after the events before it."""
    stream.error, stream.text = SSEEventTooLargeError(limit), ""
    while True:
        yield None


def _size(text: str) -> int:
    """Bytes that `text` had when it was received; each U+FFFD may stand for one malformed byte."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass")) - 2 * text.count("\ufffd")


def _sliced(chunk: Any) -> Iterator[bytes]:
    """A chunk in pieces of at most `_PIECE` bytes. What its owner may use again is copied."""
    if isinstance(chunk, str):
        chunk = chunk.encode("utf-8", "surrogatepass")
    elif not isinstance(chunk, bytes):
        try:
            chunk = bytes(memoryview(chunk))
        except TypeError:
            raise TypeError(f"a piece is bytes or str, not {type(chunk).__name__}") from None
    return (chunk[start : start + _PIECE] for start in range(0, len(chunk), _PIECE))


class SSEParser:
    """Bytes in, events out: the whole of the standard's parsing, without I/O.

    `last_event_id`: the ID in force before the stream begins. `max_event_size`: bytes of data,
    type and ID together that one event may have, `None` for no limit. `on_comment`: called during
    `feed` with the text after the colon, when its line is complete. Time is linear in the bytes
    fed, however they are cut; memory is bounded by `max_event_size`. One parser is for one stream.
    """

    __slots__ = (
        "_items", "_kept", "_limit", "_may_wait", "_on_comment", "_skip_lf", "_stream", "_untold",
    )  # fmt: skip

    def __init__(
        self,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
        on_comment: Callable[[str], object] | None = None,
    ) -> None:
        _check_option("max_event_size", max_event_size)
        self._limit: Any = sys.maxsize if max_event_size is None else max_event_size
        self._on_comment = on_comment
        self._stream = _Stream(last_event_id)
        self._items = _interpret(self._stream, self._limit, on_comment is not None)
        self._kept = bytearray()  # what is not interpreted yet, without a blank line
        # Bytes of an unfinished block that need not be interpreted yet; comments do not wait.
        self._may_wait = 0 if on_comment is not None else min(_KEPT, self._limit)
        self._skip_lf = False  # the last byte was a CR: an LF now belongs to it
        self._untold: Iterable[Any] = ()  # items that `feed` could not return: on_comment raised

    @property
    def last_event_id(self) -> str:
        """The last event ID in force, that of the last finished block."""
        return self._stream.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in ms; `None` if it did not."""
        self._settle()
        return self._stream.retry

    def _settle(self) -> None:
        """Have the lines interpreted that wait for the rest of their block."""
        end = self._kept.rfind(b"\n") + 1
        if end and not self._stream.text:
            self._stream.text = self._kept[:end].decode("utf-8", "replace")
            del self._kept[:end]
            # No event ends in these lines, and none of them waits where comments are wanted: so
            # only `None` can come, and nothing if the parser was broken off.
            next(self._items, None)

    @property
    def unfinished(self) -> SSEEvent | None:
        """The event that an end of the stream now would cut off, if its data has begun; `None`
        while events are ready.
        """
        self._settle()
        stream = self._stream
        if stream.text or self._untold:
            return None
        type, lines, id, retry = stream.block or ("", [], stream.last_event_id, None)
        block = [f"event: {type}"] if retry is None else [f"event: {type}", f"retry: {retry}"]
        if lines:
            block += [f"data: {line}" for line in "\n".join(lines).split("\n")]
        half = self._kept.decode("utf-8", "replace")
        block += [half if stream.begun else half.removeprefix("\ufeff"), "", ""]
        parser = SSEParser(id, None)
        parser._stream.text = "\n".join(block)
        return next(parser._items)  # type: ignore[no-any-return]

    def feed(self, chunk: bytes | bytearray | memoryview | str) -> list[SSEEvent]:
        """The events that `chunk`, any piece of the stream, completes.

        Raises `SSEEventTooLargeError` when an *earlier* call met an event over the limit: that
        call still returned the events before it. What `on_comment` raises comes out, too; then
        the next call returns what came before that comment, and goes on behind it.
        """
        if self._stream.error is not None:
            if self._untold:
                return self._without_comments([])
            raise self._stream.error
        small = chunk.__class__ is bytes and len(chunk) <= _PIECE
        pieces: Any = (chunk,) if small else _sliced(chunk)
        items: list[Any] = []
        for piece in pieces:
            if self._push(piece):
                for item in self._items:
                    if item is None:
                        break
                    items.append(item)
                else:
                    raise RuntimeError("this parser was broken off inside feed(), it cannot go on")
        return items if self._on_comment is None else self._without_comments(items)

    def _without_comments(self, items: list[Any]) -> list[SSEEvent]:
        """The events among `items`, after `on_comment` was called for the others."""
        events: list[SSEEvent] = []
        items, self._untold = [*self._untold, *items], ()
        for n, item in enumerate(items, 1):
            if item.__class__ is SSEEvent:
                events.append(item)
                continue
            try:
                self._on_comment(item)  # type: ignore[misc]
            except BaseException:
                self._untold = events + items[n:]
                raise
        return events

    def _push(self, chunk: bytes) -> bool:
        """Keep `chunk`; is there something now to be interpreted?

        An unfinished block waits, while it is small, for all of its lines: to interpret it as they
        come takes twice as long where they come one by one. With `on_comment` no line waits, and
        who asks for `retry` has those interpreted that do.
        """
        if self._skip_lf and chunk:
            self._skip_lf, chunk = False, chunk.removeprefix(b"\n")
        if 13 in chunk:  # an int: five times cheaper than b"\r" on small pieces
            # A CR at the end ends its line at once; an LF right behind it is dropped.
            self._skip_lf = chunk[-1] == 13
            without = chunk.replace(b"\r", b"")  # even with the count cheaper than to replace pairs
            if len(chunk) - len(without) == chunk.count(b"\r\n"):
                chunk = without
            else:
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        kept = self._kept
        if not kept and chunk.endswith(b"\n\n"):
            self._stream.text = chunk.decode("utf-8", "replace")
            return True
        before = len(kept)
        kept += chunk
        if 10 not in chunk and len(kept) <= self._may_wait:  # it ends nothing
            return False
        end = kept.rfind(b"\n\n", before and before - 1) + 2  # behind the last blank line
        if end == 1:  # not found; the first line may be blank itself
            end = int(kept[0] == 10)
        if len(kept) - end > self._may_wait:
            size = 0 if end else self._stream.size  # which is of the block that a blank line ends
            start = before if before > self._may_wait else end  # no line has ended before it
            end = max(end, kept.rfind(b"\n", start) + 1)
            if len(kept) - end + size > self._limit:
                self._bound(end, size)
        if not end:
            return False
        self._stream.text = kept[:end].decode("utf-8", "replace")
        del kept[:end]
        return True

    def _bound(self, start: int, size: int) -> None:
        """The unfinished line, which begins at `start`, behind data of that size in its block, is
        large: it is refused, or not kept if it is ignored.
        """
        line = self._kept[start : start + 10]
        if not (self._stream.begun or start):
            line = line.removeprefix(b"\xef\xbb\xbf")
        brings_data = line.startswith(b"data:")
        allowed = len("\ufeffdata: ".encode()) - size if brings_data else _SLACK
        if len(self._kept) - start <= self._limit + allowed:
            return
        wanted = brings_data or line.startswith((b"event:", b"id:"))
        if wanted or (self._on_comment is not None and line.startswith(b":")):
            self._stream.error = SSEEventTooLargeError(self._limit)
        else:
            self._kept[start:] = _IGNORED


# --- the parser over any iterable ---------------------------------------------------------------


class _Source(Generic[_Items]):
    """The events of an iterable of lines, `str` or `bytes`, with or without their terminators.

    A list, an open file, `sys.stdin`; for pieces cut anywhere see `from_chunks`, for an answer of
    any HTTP library `from_response`. An event is yielded when its blank line is read, nothing is
    read ahead, and a loop left early can be resumed. Raises `ValueError` for an item that is not
    one line, `TypeError` when `str` and `bytes` are mixed, `SSEEventTooLargeError` for an event
    over `max_event_size` bytes, and whatever the iterable raises.
    """

    __slots__ = ("_kind", "_parser", "_reader", "_rest", "_source")
    _iterate: Callable[[Any], Any]  # `iter` or `aiter`

    def __init__(
        self,
        lines: _Items,
        *,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> None:
        _check_lines(lines, self._iterate is aiter)
        self._begin(lines, None, last_event_id, max_event_size)

    @classmethod
    def from_chunks(
        cls: type[_ASource],
        chunks: _Items,
        *,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> _ASource:
        """The events of a stream in pieces cut anywhere, such as httpx's `iter_bytes()`."""
        new = cls.__new__(cls)
        new._begin(chunks, SSEParser, last_event_id, max_event_size)
        return new

    def _begin(self, source: Any, kind: type | None, last_event_id: str, limit: int | None) -> None:
        self._source = source  # to be closed
        self._reader: Any = self._iterate(source)
        self._kind: Any = kind  # of the lines: the first decides; SSEParser: pieces cut anywhere
        self._rest: Iterable[bytes] = ()  # of a large piece, as an iterator
        self._parser = SSEParser(last_event_id, limit)

    @property
    def last_event_id(self) -> str:
        """The last event ID in force: of the last event, or of a block without data behind it."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time the stream asked for, in ms; `None` if it did not."""
        return self._parser.retry

    @property
    def unfinished(self) -> SSEEvent | None:
        """The event that the end of what was read cuts off; `None` while events are ready."""
        return self._parser.unfinished

    def _goes_on(self, parser: SSEParser) -> bool:
        """Is there more to interpret of what was read? Raises what ended that."""
        if self._rest and any(map(parser._push, self._rest)):  # to the first that brings something
            return True
        error = parser._stream.error
        if error is None:
            return False
        if not isinstance(error, SSEEventTooLargeError):
            parser._stream.error = None  # of the caller's iterator, which may go on
        try:
            raise error
        finally:
            del error

    def _take(self, parser: SSEParser, item: Any, more: Iterator[Any] | None = None) -> None:
        """A piece, or a line with those that can be had behind it."""
        if self._kind is SSEParser:
            self._rest = _sliced(item)
            return
        kind = self._kind = self._kind or (bytes if isinstance(item, bytes) else str)
        line, stream = _line(kind, item), parser._stream
        if more is not None:
            plain = kind is str and line == item
            stream.lines = more if plain else map(partial(_line, kind), more)
        stream.text = f"{line}\n"


_BROKEN_OFF = "this source was broken off inside a step and cannot go on"


def _no_line(kind: Any, item: Any) -> TypeError:
    others = isinstance(item, (str, bytes))
    wanted = f"all be {kind.__name__}, as the first was" if others else "be str or bytes"
    return TypeError(f"lines must {wanted}; this one is {type(item).__name__}")


def _line(kind: Any, item: Any) -> str:
    """An item as a line without its end. Raises what is wrong with it."""
    if not isinstance(item, kind):
        raise _no_line(kind, item)
    line: str = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
    return _without_end(line)


def _without_end(line: str) -> str:
    """A line without its terminator, if it came with one."""
    line = line.removesuffix("\n").removesuffix("\r")
    if "\n" in line or "\r" in line:
        raise ValueError(
            "an item with a line break inside is not a line; for pieces cut anywhere: from_chunks"
        )
    return line


def _check_lines(source: Any, awaited: bool) -> None:
    """Raise a `TypeError` that names the right way for what is taken for lines and is none."""
    name, wanted = _LINE_SOURCES[awaited]
    other, there = _LINE_SOURCES[not awaited]
    is_text = isinstance(source, str)
    if is_text and re.match("https?://", source, re.IGNORECASE):
        raise TypeError(f"a URL is no iterable of lines: {'async_' * awaited}connect(url)")
    if is_text or isinstance(source, (bytes, bytearray)):
        raise TypeError(
            f"one string is no iterable of lines; for a whole stream: {name}.from_chunks([stream])"
        )
    if hasattr(source, "headers") and (hasattr(source, "status_code") or hasattr(source, "status")):
        raise TypeError(f"a response is no iterable of lines: {name}.from_response(response)")
    if not hasattr(source, wanted):
        hint = f"; for it: {other}" if hasattr(source, there) else ""
        raise TypeError(f"{type(source).__name__} is no iterable of lines{hint}")


_LINE_SOURCES = ("EventSource", "__iter__"), ("AsyncEventSource", "__aiter__")


class EventSource(_Source[Iterable[str] | Iterable[bytes]]):
    __doc__ = _Source.__doc__
    __slots__ = ()
    _iterate = staticmethod(iter)

    @classmethod
    def from_response(
        cls,
        response: Any,
        *,
        content_type: str | None = _EVENT_STREAM,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> EventSource:
        """The events of an open answer of requests, niquests, httpx, httpx2, urllib3, http.client,
        urllib or `httpclient`: its body, decoded, in pieces as they arrive. `close()` closes it.

        Raises `SSEHTTPError` for a status that does not open a stream and `SSEContentTypeError`
        for another type than `content_type` (`None`: any); both have the beginning of the body.
        An answer that was closed, or read without being kept, before: `ValueError`; of httpx and
        `httpclient` an error of their own, at the first step.
        """
        _check_option("content_type", content_type)
        facts, link = _facts(response), _BlockingForeign(None)
        refusal = _refusal(facts, content_type, again=False)
        if refusal is not None:
            raise refusal(body=_run(link.beginning(response)))
        _check_unread(response, facts)
        link.take(response)
        pieces = iter(link.next_piece, b"")
        new = cls.from_chunks(pieces, last_event_id=last_event_id, max_event_size=max_event_size)
        new._source = link
        return new

    def __iter__(self) -> EventSource:
        return self

    def __next__(self) -> SSEEvent:
        parser = self._parser
        for event in parser._items:
            if event is not None:
                return event  # type: ignore[no-any-return]
            if not self._goes_on(parser):
                reader = self._reader
                self._take(parser, next(reader), reader)
                if self._parser is not parser:  # closed, by the source itself or another thread
                    self._rest = ()
                    raise StopIteration
        raise RuntimeError(_BROKEN_OFF)

    def close(self) -> None:
        """Close the source, if it can be closed; the iteration ends. Only what `from_response` made
        may be closed while another thread waits for its next event.
        """
        self._parser = SSEParser(self._parser.last_event_id)  # first: `__next__` looks at it last
        reader, self._reader, self._rest = self._reader, iter(()), ()
        for closable in {id(reader): reader, id(self._source): self._source}.values():
            if hasattr(closable, "close"):
                closable.close()


class AsyncEventSource(_Source[AsyncIterable[str] | AsyncIterable[bytes]]):
    """`EventSource` over an asynchronous iterable."""

    __slots__ = ()
    _iterate = staticmethod(aiter)

    @classmethod
    def from_response(
        cls,
        response: Any,
        *,
        content_type: str | None = _EVENT_STREAM,
        last_event_id: str = "",
        max_event_size: int | None = _MAX_EVENT_SIZE,
    ) -> AsyncEventSource:
        """`EventSource.from_response` for open answers of httpx, httpx2, niquests, aiohttp and
        `httpclient`. `SSEHTTPError` and `SSEContentTypeError` are raised by the first step.
        """
        _check_option("content_type", content_type)
        pieces, facts = _apieces(response), _facts(response)
        refusal = _refusal(facts, content_type, again=False)
        if refusal is None:
            _check_unread(response, facts)
        chunks = pieces if refusal is None else _raise_refusal(response, refusal)
        new = cls.from_chunks(chunks, last_event_id=last_event_id, max_event_size=max_event_size)
        new._source = response
        return new

    def __aiter__(self) -> AsyncEventSource:
        return self

    async def __anext__(self) -> SSEEvent:
        parser = self._parser
        for event in parser._items:
            if event is not None:
                return event  # type: ignore[no-any-return]
            if self._goes_on(parser):
                continue
            reader, item = self._reader, None
            if reader is not None:
                try:
                    item = await anext(reader)
                except Exception as error:
                    if self._reader is reader or _from_handler(error) is not None:
                        raise
            if reader is None or self._reader is not reader:  # closed, perhaps by another task
                raise StopAsyncIteration
            self._take(parser, item)
        raise RuntimeError(_BROKEN_OFF)

    async def aclose(self) -> None:
        """Close the source, if it can be closed; the iteration ends. Only what `from_response` made
        may be closed while another task waits for its next event (over niquests, which does not end
        a read, that waits for its time limit).
        """
        reader, self._reader, self._rest = self._reader, None, ()
        self._parser = SSEParser(self._parser.last_event_id)
        ended = await _aclose(self._source) and getattr(reader, "ag_running", False)
        if reader is not self._source and not ended:  # if so, by whoever is inside
            await _aclose(reader)

    async def close(self) -> None:
        """The same as `aclose`."""
        await self.aclose()


async def _raise_refusal(response: Any, refusal: Callable[..., SSEError]) -> AsyncIterator[bytes]:
    """Raise what tells of an answer that is no stream, with the beginning of it."""
    import asyncio

    link = _AsyncForeign if asyncio._get_running_loop() else _ForeignElsewhere
    raise refusal(body=await link(None).beginning(response))
    yield b""  # which makes this an iterator, as the answer's other pieces are


# --- other libraries' responses ------------------------------------------------------------------
# Open answers of requests, niquests, httpx, httpx2, urllib3 (from 1.26 on), aiohttp, http.client
# and `httpclient`, known by what they can do: nothing is imported for them. What is needed of
# them: who they are (`_facts`), the decoded body in pieces as they arrive (`_pieces`, `_apieces`),
# a bound for each read (`_limit_reads`), an end to a read that blocks (`_wake_reader`), and which
# of their errors mean that the connection was lost (`_is_drop`).

# Where the libraries that block keep the socket: http.client gives its own away to the response
# when the connection will not be used again, urllib3's and niquests' connections keep theirs.
_SOCKETS = ("raw.connection.sock", "connection.sock", "raw._fp.fp.raw._sock", "_fp.fp.raw._sock",
            "fp.raw._sock", "_exchange._wire._sock")  # fmt: skip

# Errors by package and class: of a lost connection or a broken body, though no `OSError`; and
# what is no drop though it derives from one: the caller's mistakes, too many redirects, and what
# a hook of his makes of a status. These come again each time, so they reach the caller.
_DROPS = set(
    "httpx.TransportError httpx.DecodingError aiohttp.ClientError urllib3.HTTPError "
    "http.HTTPException zlib.error builtins.OSError builtins.EOFError".split()
)
_NO_DROPS = set(
    "httpx.UnsupportedProtocol httpx.LocalProtocolError requests.HTTPError "
    "requests.TooManyRedirects aiohttp.ClientResponseError aiohttp.NonHttpUrlClientError "
    "urllib.HTTPError http.InvalidURL builtins.ValueError builtins.TypeError".split()
)
_FORKS = {"httpx2": "httpx", "niquests": "requests", "urllib3_future": "urllib3"}

# What aiohttp says of a proxy that fails, and, as the cause, of an answer that is not HTTP, by the
# class that it also has for a status.
_DROPS_AFTER_ALL = {"aiohttp.ClientHttpProxyError", "aiohttp.HttpProcessingError"}

_LIBRARIES = "requests, niquests, httpx, httpx2, urllib3, aiohttp, http.client or httpclient"


def _no_answer(thing: Any, kind: str = "of one of these") -> TypeError:
    """What tells of something given as an open answer that is none."""
    name = f"{type(thing).__module__}.{type(thing).__name__}".removeprefix("builtins.")
    if hasattr(thing, "__await__") or hasattr(thing, "gen"):  # of a context manager
        return TypeError(f"{name} is no open answer; open it first, by `with` or `await`")
    return TypeError(
        f"{name} is no open answer {kind}: {_LIBRARIES}; from_chunks takes pieces of any other"
    )


def _facts(response: Any) -> SimpleNamespace:
    """What an answer of any library says before its body. Raises `TypeError` if it is none."""
    status = getattr(response, "status_code", None) or getattr(response, "status", None)
    if not isinstance(status, int):
        raise _no_answer(response)
    if not hasattr(response.headers, "items"):
        kind = type(response.headers).__name__
        raise TypeError(f"the headers of an answer are a mapping, not {kind}")
    reason = getattr(response, "reason_phrase", None) or getattr(response, "reason", None) or ""
    try:
        url = getattr(response, "url", None) or ""  # none in http.client
    except RuntimeError:  # httpx, for what was made without a request
        url = ""
    route = getattr(response, "route", "")  # httpclient's, who tells of redirects and a proxy
    route = route if isinstance(route, str) else ""
    return SimpleNamespace(
        status_code=status, reason=str(reason), headers=response.headers, url=str(url), route=route
    )


def _body_read_before(response: Any) -> list[bytes]:
    """The body of an answer that was read to its end: it is kept in the answer."""
    kept = [getattr(response, name, None) for name in ("_content", "_body")]
    return [body for body in kept if isinstance(body, bytes)]


def _check_unread(response: Any, facts: Any) -> None:
    """Raise `ValueError` if a body is gone that was to come: http.client, what is built on it, and
    aiohttp read `b""` then, as at an end. httpx and `httpclient` raise an error of their own.
    """
    own = hasattr(response, "iter_bytes") or hasattr(response, "aiter_bytes")
    if own or _body_read_before(response):
        return
    raw = response.raw if hasattr(response, "raw") else getattr(response, "content", response)
    if hasattr(raw, "at_eof"):  # aiohttp's
        closed = raw.total_bytes > 0 and raw.at_eof()
    else:
        closed = raw.isclosed() if hasattr(raw, "isclosed") else getattr(raw, "closed", False)
    if closed and facts.status_code != 204 and _header(facts.headers, "content-length") != ["0"]:
        raise ValueError("the answer was closed, or its body read, before: no event can come of it")


def _pieces(response: Any) -> Iterator[bytes]:
    """The decoded body of an answer in pieces as they arrive, none of them empty.

    Not through `iter_content()` of requests, which waits for a full block or, without chunks, for
    the end of the body. Raises `TypeError` for what is no answer that is open and blocks.
    """
    stream = getattr(response, "stream", None)
    awaited = hasattr(stream, "__aiter__") and not hasattr(stream, "__iter__")  # httpx's
    if hasattr(response, "iter_bytes") and not awaited:  # httpx, httpclient, what transport= wants
        pieces = response.iter_bytes()
        if hasattr(pieces, "__iter__"):
            return filter(None, pieces)
        awaited = True  # as what openai makes of an answer
    if awaited or hasattr(response, "aiter_bytes"):
        raise TypeError("an answer of an asynchronous client is for AsyncEventSource")
    if kept := _body_read_before(response):
        return filter(None, kept)
    raw = getattr(response, "raw", response)
    if hasattr(raw, "read_chunked"):
        # Before urllib3 2.1 there is no read1().
        read = _read_urllib3 if hasattr(raw, "read1") else _read_old_urllib3
        return iter(partial(read, raw), b"")
    if hasattr(raw, "read1"):
        codings = _header(raw.headers, "content-encoding") if hasattr(raw, "headers") else []
        return iter(_decoded(partial(_read_framed, raw), codings), b"")
    raise _no_answer(response, "of a library that blocks")


def _read_urllib3(raw: Any) -> bytes:
    """The next piece of a body that urllib3 decodes; `b""` at the end."""
    while True:
        ended = raw.closed  # else `b""` only says that the decoder holds everything back
        data: bytes = raw.read1(_PIECE, decode_content=True)
        if data or ended:
            return data


def _read_old_urllib3(raw: Any) -> bytes:
    """The same by the parts of urllib3, put together as its read1() does it later."""
    raw._init_decoder()  # which it does once
    while True:
        piece = _read_framed(raw._fp)
        data: bytes = raw._decode(piece, True, not piece)
        if not piece:
            raw.release_conn()
        if data or not piece:
            return data


def _read_framed(response: Any) -> bytes:
    """The next piece of a body without its framing, from http.client."""
    data: bytes = response.read1(_PIECE)
    if not data:
        if getattr(response, "length", None):  # which http.client does not tell
            raise ConnectionError(f"the body was cut short, {response.length} bytes are missing")
        response.close()  # for the next request; read1() of older Pythons leaves that undone
    return data


def _decoded(framed: Callable[[], bytes], codings: list[str]) -> Callable[[], bytes]:
    """What reads a body in a coding, gzip or deflate; any unknown word means identity."""
    words = [word.strip(" \t").lower() for word in ",".join(codings).split(",")]
    known = "gzip x-gzip deflate br zstd compress x-compress dcb dcz".split()
    coding = ", ".join([word for word in words if word in known])
    if not coding:
        return framed
    if coding not in known[:3]:
        raise ValueError(f"content coding {coding} cannot be decoded here [Accept-Encoding: gzip]")
    import zlib

    decoder: Any = None
    unused = b""
    more = False  # may zlib hold back something of what it was given?
    broken = False

    def read() -> bytes:
        nonlocal decoder, unused, more, broken
        while not broken:
            piece, unused = unused, b""
            if not (piece or more):
                piece = framed()
                if not piece and (decoder is None or decoder.eof):
                    return b""
                if not piece:
                    raise ConnectionError(f"the body was cut short inside its {coding} stream")
            if decoder is not None and decoder.eof:
                piece = piece.lstrip(b"\0 \t\r\n")  # padding, as `httpclient` has it
                if not piece:
                    continue
            if decoder is None or decoder.eof:  # gzip can have several members (RFC 1952, 2.2)
                headless = coding == "deflate" and piece[0] & 15 != 8  # without that of RFC 1950
                decoder = zlib.decompressobj(-15 if headless else 47)
            before, data = decoder.copy(), bytearray()
            try:
                data += decoder.decompress(piece, _PIECE)
                unused = decoder.unconsumed_tail or decoder.unused_data
            except zlib.error:
                broken = True
                try:  # zlib gives out nothing of such a piece, byte by byte what comes before
                    for byte in piece:
                        data += before.decompress(bytes([byte]))
                except zlib.error:
                    pass
            more = len(data) == _PIECE and not decoder.eof
            if data:
                return bytes(data)
        raise ConnectionError(f"the body is not valid {coding}")

    return read


class _AsyncReads:
    """The pieces that a coroutine function reads from `source`, to the first that is empty."""

    def __init__(self, read: Callable[[Any], Any], source: Any) -> None:
        self._read, self._source = read, source

    def __aiter__(self) -> _AsyncReads:
        return self

    async def __anext__(self) -> bytes:
        data: bytes = await self._read(self._source)
        if not data:
            raise StopAsyncIteration
        return data


def _apieces(response: Any) -> AsyncIterator[bytes]:
    """`_pieces` for the libraries that are awaited. A piece may be empty."""
    stream = getattr(response, "stream", None)
    blocks = hasattr(stream, "__iter__") and not hasattr(stream, "__aiter__")  # httpx's
    if hasattr(response, "aiter_bytes") and not blocks:  # httpx, httpclient, as transport= wants
        return aiter(response.aiter_bytes())
    pieces: Any = hasattr(response, "iter_bytes") and not blocks and response.iter_bytes()
    if hasattr(pieces, "__aiter__"):  # of what openai makes of an answer
        return aiter(pieces)
    if blocks or pieces:
        raise TypeError("an answer of a client that blocks is for EventSource")
    if kept := _body_read_before(response):
        return _AsyncReads(_read_kept, kept)
    raw = getattr(response, "raw", None)
    if hasattr(raw, "read_chunked") and not _is_blocking_callable(getattr(raw, "read1", None)):
        # niquests; asked first, for its `content` is a coroutine
        return _AsyncReads(_read_niquests, raw)
    content = getattr(response, "content", None)
    if hasattr(content, "readany"):
        return _AsyncReads(_read_aiohttp, content)
    raise _no_answer(response, "of a library that is awaited")


async def _read_kept(kept: list[bytes]) -> bytes:
    return kept.pop() if kept else b""


async def _read_niquests(raw: Any) -> bytes:
    while True:
        ended = raw.closed  # as in `_read_urllib3`
        data: bytes = await raw.read1(_PIECE, decode_content=True)
        if data or ended:
            return data


async def _read_aiohttp(content: Any) -> bytes:
    try:
        data: bytes = await content.readany()
    except Exception as error:  # it does not give out what arrived before the connection was lost
        data = b"".join(content._buffer)[content._buffer_offset :]
        content._buffer.clear()
        content._buffer_offset = 0
        if not data and type(error) is RuntimeError and not content._protocol.connected:
            # It has closed the connection itself, because of a chunk that is none.
            raise ConnectionError("the body is broken, or was cut short") from error
        if not data:
            raise
    return data


def _socket_of(response: Any) -> Any:
    """The socket under a blocking library's answer, `None` if it has none, or gave it back."""
    if getattr(response, "is_closed", False):  # httpx, whose pool may have lent it to another
        return None
    stream = getattr(response, "extensions", {}).get("network_stream")  # httpx
    sock: Any = stream and stream.get_extra_info("socket")
    for path in _SOCKETS:
        try:
            sock = sock or attrgetter(path)(response)
        except (AttributeError, ValueError):  # ValueError: of a file that is closed
            pass
    while hasattr(sock, "socket"):  # TLS within TLS, pyOpenSSL
        sock = sock.socket
    return sock


def _wake_reader(response: Any) -> bool:
    """End a read that blocks in another thread, at once; `False` if there is no way to.

    A descriptor that is closed leaves the reader blocked, and the libraries' `close()` waits for
    it. Shutting the connection down wakes it, under TLS below TLS: `SSLSocket.shutdown()` would
    let the reader go on with what is encrypted. Other streams of one HTTP/2 connection end, too.
    """
    import socket

    sock = _socket_of(response)
    if sock is None:
        return False
    known = isinstance(sock, socket.socket)
    try:
        (socket.socket.shutdown if known else type(sock).shutdown)(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # not connected any more
    return True


def _limit_reads(response: Any, seconds: float | None) -> None:
    """Bound each read to come of an answer whose library blocks; nothing if there is no way to."""
    if hasattr(response, "limit"):  # httpclient's
        return response.limit(seconds, each=True)  # type: ignore[no-any-return]
    try:
        response.request.extensions["timeout"]["read"] = seconds  # httpx looks here at each body
    except (AttributeError, KeyError, RuntimeError):
        sock = _socket_of(response)
        if sock is not None:
            sock.settimeout(seconds)


def _refusal(
    facts: Any, content_type: str | None, again: bool = True
) -> Callable[..., SSEError] | None:
    """What makes the error, given `body=`, for an answer that is no stream; `None` for a stream and
    for a 204, which ends one.
    """
    status, kinds = facts.status_code, _header(facts.headers, "content-type")
    wanted = content_type and content_type.partition(";")[0].strip().lower()
    ok = 200 <= status < 300
    if status == 204 or (ok and wanted in (None, _media_type(kinds))):
        return None
    told = {"reason": facts.reason, "headers": facts.headers}
    if not ok:
        return partial(SSEHTTPError, status, facts.url, route=facts.route, again=again, **told)
    told |= {"status_code": status, "wanted": content_type}
    return partial(SSEContentTypeError, ", ".join(kinds), facts.url, **told)


def _chain(error: BaseException, context: bool = False) -> list[BaseException]:
    """An error and what it says it came of, the outermost first.

    By `raise from`, or as an argument or `reason`, as in requests and urllib3. By `__context__`
    only if asked for: that may be an error which the caller was handling when he called us.
    """
    chain = [error]
    for link in chain:  # which grows meanwhile
        others = [link.__context__] if context else []
        for cause in (link.__cause__, getattr(link, "reason", None), *link.args, *others):
            if isinstance(cause, BaseException) and all(cause is not known for known in chain):
                chain.append(cause)
    return chain


def _is_drop(error: BaseException | None) -> bool:
    """Was the connection lost, or not made, in any library? `None`, a clean end, is a drop, too."""
    if error is None or _is_certificate(error):
        return True
    kinds, causes = _kinds(error), _kinds(error.__cause__)
    lost = kinds & _DROPS and not kinds & _NO_DROPS
    return not isinstance(error, SSEError) and bool(lost or (kinds | causes) & _DROPS_AFTER_ALL)


def _kinds(error: BaseException | None) -> set[str]:
    """Package and class of an error, and of what that derives from; a fork is as its origin."""
    kinds = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__]
    return {f"{_FORKS.get(package, package)}.{name}" for package, name in kinds}


def _is_certificate(error: BaseException) -> bool:
    """Was a certificate not accepted, in any library?"""
    return any(hasattr(cause, "verify_code") for cause in _chain(error))


def _is_final(error: BaseException | None) -> bool:
    """Would another attempt meet it again? `fatal` is what `httpclient` says of its errors."""
    if error is None:
        return False
    fatal = any(getattr(cause, "fatal", 0) for cause in _chain(error))
    return fatal or _is_certificate(error) or _status(error) is not None


def _status(error: BaseException | None) -> int | None:
    """The status that an error tells of: an answer's, or that at which urllib3's `Retry` gave up,
    as a session of requests may have it.
    """
    if isinstance(error, SSEHTTPError):
        return error.status_code
    for cause in [] if error is None else _chain(error):
        if "urllib3.ResponseError" in _kinds(cause):
            found = re.search(r"\b[0-9]{3}\b", str(cause))
            return int(found[0]) if found else None
    return None


# --- the options ---------------------------------------------------------------------------------


def _is_blocking_callable(value: Any) -> bool:
    """Is it a callable, and not a coroutine function?"""
    call = value.func if isinstance(value, partial) else value
    code = getattr(call, "__code__", None) or getattr(type(call).__call__, "__code__", None)
    return callable(value) and not (code is not None and code.co_flags & 0x80)  # CO_COROUTINE


# Of an option: the class of its values, a test of them, and what both want in words.
_SECONDS = (int, float), lambda n: 0 < n <= 1e6, "a number of seconds above 0, at most 1e6, or None"
_MS = (int, float), lambda n: 0 <= n <= 1e9, "a number of ms from 0 to 1e9"
_HOOK = object, _is_blocking_callable, "a plain function"
_CHECKS: dict[str, tuple[Any, Callable[[Any], object] | None, str]] = {
    "url": (str, None, "a string, such as str(url) (an answer is for EventSource.from_response)"),
    "timeout": _SECONDS,
    "idle_timeout": _SECONDS,
    "retry_interval": _MS,
    "max_retry_interval": _MS,
    "max_retries": (int, lambda n: n >= -1, "a whole number: -1 (no limit), 0 (never) or more"),
    "last_event_id": (str, lambda text: not set(text) & set("\r\n\0"), "a string of one line"),
    "method": (str, None, "a string or None"),
    "content": ((bytes, bytearray, memoryview, str), None, "bytes or str (json= encodes all else)"),
    "until": (*_HOOK[:2], 'a plain function, such as lambda event: event.data == "[DONE]"'),
    "reconnect": (bool, None, "True, False, or None (GET alone)"),
    "follow_redirects": (bool, None, "True or False"),
    "retry_on_status": (
        Collection,
        lambda statuses: all(isinstance(status, int) for status in statuses),
        "a collection of numbers, such as TRANSIENT_STATUSES",
    ),
    "backoff": ((int, float), lambda n: n >= 1, "a factor: 1.0 (constant waits) or more"),
    "max_event_size": ((int, float), lambda n: 0 < n < 2**63, "a number of bytes above 0, or None"),
    "content_type": (str, len, "a media type, or None for any"),
    "on_open": _HOOK,
    "on_error": _HOOK,
    "on_comment": _HOOK,
}


# The limits and the demand that `None` lifts.
_LIFTED = ("timeout", "idle_timeout", "max_event_size", "content_type")


def _check_option(name: str, value: Any) -> None:
    kind, test, wanted = _CHECKS[name]
    if value is None and name in _LIFTED:
        return
    good = isinstance(value, kind) and (value.__class__ is not bool or kind is bool)
    if not (good and (test is None or test(value))):
        error = ValueError if good and kind is not object else TypeError
        secret = name in ("url", "content")  # or it may be
        shown = type(value).__name__ if secret else _shown(repr(value), 60)
        raise error(f"{name} must be {wanted}; got {shown}")


_FOREIGN_OPTIONS = {  # what other libraries have, and what to write here
    "auth token api_key": 'headers={"Authorization": ...}, or user:password@ in the URL',
    "cookies cookie": 'headers={"Cookie": ...}',
    "user_agent": 'headers={"User-Agent": ...}',
    "data form": "json=, or content= with an encoded body (urllib.parse.urlencode)",
    "files": "content= with an encoded body, and headers= with its Content-Type",
    "body": "content=",
    "connect": "the URL by itself, headers= and transport= beside it",
    "query_params": "params=",
    "option": "method=",
    "cert key": "verify= with an ssl.SSLContext that has load_cert_chain()",
    "ssl ssl_context verify_ssl insecure cafile": "verify=, False, a CA file or an SSLContext",
    "proxies": "proxy=",
    "allow_redirects": "follow_redirects=",
    "session client http_client pool": "transport=",
    "event_source response": "EventSource.from_response(response)",
    "connect_timeout": "timeout=",
    "read_timeout resp_read_timeout sse_read_timeout": "idle_timeout=",
    "timeout_total": "timeout= for the head, idle_timeout= for silence; none is for all",
    "retries max_connect_retry max_attempts max_reconnects error_strategy": "max_retries=",
    "retry retry_delay initial_retry_delay": "retry_interval= in ms",
    "reconnect_delay reconnection_time": "retry_interval= in ms",
    "backoff_factor retry_delay_strategy": "backoff=",
    "max_delay": "max_retry_interval= in ms",
    "valid_http_codes raise_for_status": "retry_on_status=",
    "last_id latest_event_id lastEventId": "last_event_id=",
    "exit_events": "until=",
    "on_message on_event": "a loop, for event in connect(url)",
    "on_connect": "on_open=",
    "on_close on_disconnect": "on_error=",
    "logger": 'logging.getLogger("sse")',
    "stream chunk_size": "leave it out, for the answer is always read as it arrives",
    "encoding char_enc": "leave it out, for an event stream is always UTF-8",
}


class _Options:
    """The options of a client, checked, as attributes; they make its requests.

    Those that were not given are attributes of the class, which it gets below `_Client` from the
    defaults of its `__init__`, and need no check.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self, given: dict[str, Any]) -> None:
        for name, default in _Client._defaults.items():
            value = given[name]
            if value is not default:
                if name in _CHECKS:
                    _check_option(name, value)
                elif name in ("headers", "params") and not callable(value):
                    value = _pairs(name, value)  # an iterator would be empty at the second attempt
                setattr(self, name, value)
        content = self.content
        if self.json is not None:
            from json import dumps

            if content is not None:
                raise TypeError("json or content, not both")
            try:  # in ASCII, because what json.loads() has returned may hold half of an emoji
                content = dumps(self.json, allow_nan=False, separators=(",", ":"))
            except (TypeError, ValueError, RecursionError) as error:
                raise TypeError(f"json= cannot be encoded: {error}") from None
        if isinstance(content, str):
            if not content.isascii() and re.search("[\ud800-\udfff]", content):
                why = "content has lone surrogates, which UTF-8 cannot carry; for JSON: json="
                raise ValueError(why)  # an error of encode() would hold all of it
            content = content.encode()
        elif content is not None:
            content = bytes(content)
        method = ("GET" if content is None else "POST") if self.method is None else self.method
        self.content: Any = content
        self.method: Any = method
        self.reconnect: Any = method.upper() == "GET" if self.reconnect is None else self.reconnect
        self.url: Any = self.url.strip(" ")
        self.whole_url = _whole(self.url, self.transport)  # for messages
        self.send: Any = self.transport  # or, of another library's client, what sends by it

    @property
    def is_client(self) -> bool:
        """Is the transport another library's client, and no function?"""
        return self.send is not self.transport

    def request(self, last_event_id: str, headers: Any, params: Any) -> Any:
        """What a link opens: a checked `httpclient.Request`, or a call of the transport."""
        ours = {"Accept": _EVENT_STREAM, "Cache-Control": "no-cache", "Accept-Encoding": "identity"}
        if self.json is not None:
            ours["Content-Type"] = "application/json"
        own = getattr(self.transport, "headers", None) if self.is_client else None
        if isinstance(own, Mapping) and _EVENT_STREAM in str(_header(own, "accept")).lower():
            del ours["Accept"]  # a session's, which names more than ours, as MCP servers want it
        lines = [] if headers is None else _pairs("headers", headers)
        if last_event_id:
            if why := _unsendable(last_event_id):
                _log("warning", "the last event ID %s and is not sent", why)
            else:
                lines = [line for line in lines if str(line[0]).lower() != "last-event-id"]
                utf8 = last_event_id.encode().decode("latin-1")
                lines.append(("Last-Event-ID", utf8))
        given = {str(name).lower() for name, _ in lines}
        merged = [line for line in ours.items() if line[0].lower() not in given] + lines
        url = self.url
        if params:
            from urllib.parse import urlencode

            pairs = []
            for name, values in _pairs("params", params):
                several = hasattr(values, "__len__") and not isinstance(values, (str, bytes))
                pairs += [(name, v) for v in (values if several else [values]) if v is not None]
            query = urlencode(pairs, errors="surrogatepass")
            url, hash, fragment = url.partition("#")
            url += (("&" if "?" in url else "?") + query if query else "") + hash + fragment
        if self.transport is None:
            return _httpclient().Request(self.method, url, merged, self.content)
        try:
            merged = _httpclient().header_lines(merged)
        except ImportError:
            pass  # sse.py by itself, with a function as transport: that has to look at them
        names = {name.lower() for name, _ in merged}
        sent = dict(merged) if len(names) == len(merged) else merged
        return partial(self.send, self.method, url, headers=sent, content=self.content)


def _pairs(name: str, option: Any) -> list[tuple[str, Any]]:
    try:
        pairs = option.items() if hasattr(option, "items") else option
        if isinstance(option, str):
            raise TypeError
        return [(name, [*value] if hasattr(value, "__next__") else value) for name, value in pairs]
    except (TypeError, ValueError):
        what = "a mapping, pairs of name and value, or a callable that returns one of them"
        raise TypeError(f"{name} must be {what}") from None


_LONGEST_ID = 8192  # bytes; servers answer 431 to much longer header lines, on every attempt


def _unsendable(last_event_id: str) -> str:
    """Why an ID cannot be sent (RFC 9110, 5.5), or nothing."""
    if re.search(r"[\0-\x08\n-\x1f\x7f]|^[ \t]|[ \t]\Z", last_event_id):
        return "has control characters or outer spaces"
    if len(last_event_id.encode("utf-8", "surrogatepass")) > _LONGEST_ID:
        return f"is longer than {_LONGEST_ID} bytes"
    return "has lone surrogates" if re.search("[\ud800-\udfff]", last_event_id) else ""


# --- the reconnection: what follows from a failure, without I/O ----------------------------------

_STEADY = 10.0  # seconds; a connection that stayed open that long is no failure in a row
_LONGEST_RETRY_AFTER = 3600.0  # seconds
_LEAST_AGAIN = 100.0  # ms to wait from the second reconnection in a row on


class _Reconnection:
    """Counts the reconnections in a row, and says when the next attempt may begin, or none.

    Times are seconds of a monotonic clock that the caller reads.
    """

    __slots__ = ("_options", "_wait", "_wait_ends", "delivered", "interval", "opened", "retries")

    def __init__(self, options: _Options) -> None:
        self._options = options
        self.interval: Any = options.retry_interval  # ms, until the server sends `retry`
        self.retries = 0  # in a row
        self.delivered = 0  # events, at the last failure
        self.opened: float | None = None  # when, if the connection is open
        self._wait: Any = 0.0  # seconds before the next attempt
        self._wait_ends: float | None = None  # a fixed moment, once it was asked how long it lasts
        if options.backoff != 1:
            import random  # noqa: F401  # for `_drawn`, when there may be no descriptor left for it

    def failed(self, error: BaseException | None, now: float, delivered: int) -> float | None:
        """What follows from an attempt that ended with `error`, `None` for a clean end.

        `delivered`: events in all. Returns the seconds to wait for the next attempt, `None` if
        there is none. All is noted at the end, so a signal's exception leaves nothing half done.
        """
        options, opened, wait = self._options, self.opened, None
        steady = opened is not None and now - opened >= _STEADY
        retries = 0 if steady or delivered != self.delivered else self.retries
        if error is _RESTART or (error is _GIVEN_UP and opened is not None and options.reconnect):
            wait = 0.0  # no failure, so it is not counted
        else:
            by_status = self.by_status(error)
            again = by_status or (options.reconnect and _is_drop(error) and not _is_final(error))
            if again and retries != options.max_retries:
                retries += 1
                wait = self._drawn(retries)
                if by_status:
                    wait = max(wait, _retry_after(getattr(error, "headers", {})))
        self.opened, self.retries, self.delivered = None, retries, delivered
        self._wait, self._wait_ends = wait, None
        return wait

    def left(self, now: float) -> float:
        """Seconds until the next attempt may begin; the wait begins when this is asked first."""
        if self._wait_ends is None:
            self._wait_ends = now + self._wait
            return self._wait  # type: ignore[no-any-return]
        return max(0.0, self._wait_ends - now)

    def by_status(self, error: BaseException | None) -> bool:
        """Is it an answer whose status `retry_on_status` names?"""
        return _status(error) in self._options.retry_on_status

    def _drawn(self, retries: int) -> float:
        """Seconds before the reconnection of that number in a row."""
        options, base = self._options, float(self.interval)
        if retries == 1:
            return base / 1000
        base, longest = max(base, _LEAST_AGAIN), float(options.max_retry_interval)
        if options.backoff == 1:
            return base / 1000
        from random import uniform

        try:
            longest = min(base * options.backoff ** (retries - 1), longest)
        except OverflowError:
            pass
        return (base + uniform(0, max(0.0, longest - base))) / 1000


def _from_handler(error: BaseException) -> BaseException | None:
    """What a signal handler raised, if `error` is that or came of it; else `None`.

    Python calls a handler with the frame that it interrupts: a frame of a traceback that was given
    the frame before it as an argument is a handler's, whatever class of exception it raised; and so
    is one that runs the code of a handler now installed, which may have deleted that argument. What
    our caller was handling when he called us is not looked at: a frame around ours caught it.
    """
    from _signal import NSIG, getsignal  # type: ignore[import-not-found]

    installed = {
        getattr(handler, "__code__", getattr(type(handler).__call__, "__code__", None))
        for handler in filter(callable, map(getsignal, range(1, NSIG)))
    }
    around, frame = set(), sys._getframe(1)
    while frame is not None:
        if frame.f_globals is not globals():
            around.add(frame)
        frame = frame.f_back  # type: ignore[assignment]
    raised = []
    for found in _chain(error, context=True):
        trace = found.__traceback__
        if trace is not None and trace.tb_frame in around:
            continue
        while trace is not None and trace.tb_next is not None:
            before, trace = trace.tb_frame, trace.tb_next
            if trace.tb_frame.f_code in installed or _was_given(trace.tb_frame, before):
                raised.append(found)
                break
    # A library may give its own error the traceback of the one that is inside it.
    inside = _chain(raised[0]) if raised else ()
    return next((e for e in reversed(inside) if any(e is found for found in raised)), None)


def _theirs(error: BaseException | None) -> BaseException | None:
    """What the caller did, if `error` came of it: he interrupts, cancels, or a handler raises."""
    return _from_handler(error) if isinstance(error, Exception) else error


def _was_given(frame: Any, value: object) -> bool:
    """Is `value` one of the arguments with which the function of `frame` was called?"""
    code, values = frame.f_code, frame.f_locals
    if not code.co_flags & 0x01:  # CO_OPTIMIZED: else it is a module's or a class's
        return False
    count = code.co_argcount + code.co_kwonlyargcount
    given = [values.get(name) for name in code.co_varnames[:count]]
    if code.co_flags & 0x04:  # CO_VARARGS
        rest = values.get(code.co_varnames[count])
        given += rest if isinstance(rest, tuple) else ()
    if isinstance(values, dict):  # before 3.13 a copy that would keep what it refers to
        values.clear()
    return any(argument is value for argument in given)


# What blocking libraries tell by a class alone, or by a text with the URL. requests has an error of
# its own for a time limit only until the head has come.
_SAID = {
    "requests.ReadTimeout": "no answer within timeout",
    "urllib3.ReadTimeoutError": "silence for idle_timeout",
    "httpx.ReadTimeout": "silence for timeout, or idle_timeout in an open stream",
    "http.IncompleteRead": "the body was cut short",
    "aiohttp.ClientPayloadError": "the body was cut short, or is broken",
}


def _is_ours(error: BaseException | None) -> bool:
    """Is it told in our words, which hold no secret? `fatal`: an error of `httpclient`."""
    return error is None or isinstance(error, (SSEError, _Ours)) or hasattr(error, "fatal")


def _words(error: BaseException | None) -> BaseException | None:
    """An error that can be shown and kept: instead of a library's, which may quote a URL, why."""
    return error if _is_ours(error) else _Ours(_cause(error))


def _cause(error: BaseException | None) -> str:
    """Why, for a message: in the system's words if possible, for a library's may hold secrets."""
    if error is None:
        return "the server ended the stream"
    if isinstance(error, SSEHTTPError):
        return error._said()
    if _is_ours(error):
        return _shown(str(error), 1000)
    for found in reversed(_chain(error)):
        if isinstance(found, ConnectionError) and found.errno:
            return os.strerror(found.errno)  # asyncio puts its own words in place of the system's
        text = getattr(found, "verify_message", None) or getattr(found, "strerror", None)
        if isinstance(text, str):
            return _shown(text)
    if (status := _status(error)) is not None:
        return f"HTTP {status} to each try of the session's own Retry"
    said = [_SAID[kind] for found in _chain(error) for kind in _kinds(found) & {*_SAID}]
    if said:
        return said[0]
    name, text = type(error).__name__, str(error)
    return f"{name}: {_shown(text)}" if text and not set(text) & set("/?@=&:%") else name


def _header(headers: Any, name: str) -> list[str]:
    """The values of a header in any library's response; not all of their mappings ignore case."""
    if hasattr(type(headers), "get_list"):  # httpclient's and httpx's
        return headers.get_list(name)  # type: ignore[no-any-return]
    return [value for key, value in headers.items() if key.lower() == name]


_TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _media_type(values: list[str]) -> str:
    """The essence of the last valid media type (Fetch, "extract a MIME type"; RFC 9110, 5.6.2)."""
    found, joined = "", ",".join(values)
    items = joined.split(",")
    if '"' in joined:  # which may quote a comma
        items = re.findall(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', joined)
    for item in items:
        essence = item.partition(";")[0].strip(" \t")
        type, _, subtype = essence.partition("/")
        if type and subtype and not f"{type}{subtype}".strip(_TOKEN) and essence != "*/*":
            found = essence.lower()
    return found


def _retry_after(headers: Any) -> float:
    """Seconds to wait, at most 1 h (RFC 9110, 10.2.3: a number, or a date by its own clock)."""
    value, clock = (next(iter(_header(headers, name)), "") for name in ("retry-after", "date"))
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):  # some servers send a fraction
        seconds = float(value)
    else:
        then, now = _date(value), _date(clock)
        seconds = 0.0 if then is None else then - (time.time() if now is None else now)
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)


def _date(value: str) -> float | None:
    """Seconds since the epoch of a date in a header."""
    if not value:
        return None
    try:
        from datetime import timezone
        from email.utils import parsedate_to_datetime

        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp()  # 5.6.7: always GMT
    except (TypeError, ValueError, IndexError, OverflowError, ImportError, OSError) as error:
        if _from_handler(error) is not None:
            raise
        return None  # for want of descriptors, too; IndexError before Python 3.10.7


# --- the attempt: one connection ------------------------------------------------------------------
# The rules are coroutines that know no event loop. Their I/O goes through a link:
#   await open(request, timeout) -> response; await read() -> bytes, b"" at the end; blocking links
#   have read_now(), the same without a coroutine, `None` if only `read` can go on; limit(seconds)
#   bounds all reads to come together; stop(): nothing but what has arrived; interrupt(): abort,
#   from any thread, task or signal handler; await release(); `whole`: after an exception from
#   outside, such as Ctrl-C, was no byte lost? `httpclient.Exchange` is one, `_BlockingForeign`
#   makes one of transport=. Blocking links never suspend, so one step brings a rule to its end.

_BODY_SIZE, _BODY_SECONDS = 65536, 5.0  # bounds for the body of an error


def _log(level: str, *args: object) -> None:
    try:
        import logging
    except (ImportError, OSError) as error:  # no descriptor is left to load it with
        if _from_handler(error) is not None:
            raise
        return
    getattr(logging.getLogger("sse"), level)(*args)


@cache
def _httpclient() -> Any:
    """The module beside this one, wherever the two were copied to."""
    try:
        if TYPE_CHECKING:
            httpclient: Any = None
        elif __package__:
            from . import httpclient
        else:
            import httpclient
    except ImportError as error:
        if error.name not in ("httpclient", __package__):
            raise
        folder = os.path.dirname(os.path.abspath(__file__))
        where = f"it was looked for in {folder} (where python -P and -I do not look)"
        text = f"the clients need httpclient.py beside sse.py, or a function as transport=; {where}"
        raise ImportError(text, name="httpclient") from None
    return httpclient


def _run(rule: Any) -> Any:
    """The result of a coroutine over a link that blocks."""
    try:
        rule.send(None)
    except StopIteration as done:
        return done.value
    rule.close()
    raise TypeError("coroutine functions are for the asynchronous client")


class _Ours(OSError):
    """An attempt's failure of our own making."""


class _Silence(_Ours, TimeoutError):
    """A time limit of ours over what others do."""


_SLICE = 0.25 if os.name == "nt" else 1e6  # seconds; Windows sees Ctrl-C only between two waits
_MOMENT = 0.05  # seconds in which what has arrived gets through another library
_GRACE = 1.0  # seconds for another library's client to take its connection back
_closing: set[Any] = set()  # tasks that take longer to give something back; the loop holds none


def _closed_gate() -> Any:
    """What a thread can wait for. Unlike an Event it can be opened by a signal's handler."""
    gate = _thread.allocate_lock()
    gate.acquire()
    return gate


def _open_gate(gate: Any) -> None:
    try:
        gate.release()
    except RuntimeError:
        pass  # it is open


def _in_thread(function: Callable[..., object], *arguments: Any) -> bool:
    """Call it in a thread, if one can be had: there may be too many, or the interpreter ends. In
    one step: `threading.Thread` would not get over what a signal's handler raises.
    """
    try:
        _thread.start_new_thread(function, arguments)
    except RuntimeError as error:
        if _from_handler(error) is not None:
            raise
        return False
    return True


def _opens(gate: Any, seconds: float) -> bool:
    """Wait for a gate, at most so many seconds; is it open?"""
    while seconds > 0:
        if gate.acquire(timeout=min(seconds, _SLICE)):
            return True
        seconds -= _SLICE
    return False


class _ForeignLink:
    """A link over a transport: another library's client (`is_client`) or the caller's function."""

    def __init__(self, idle_timeout: float | None, is_client: bool = False) -> None:
        self._idle = idle_timeout
        self._is_client = is_client
        self._process = os.getpid()  # in a forked child the connection is the parent's
        self.closed = False

    async def beginning(self: Any, response: Any) -> bytes:
        """That of the body of an open answer, which is closed behind it."""
        try:
            self.take(response)
            return await _beginning(self)
        except (ValueError, RuntimeError) as error:  # it cannot be decoded, or was read before
            if _from_handler(error) is not None:
                raise
            return b""
        finally:
            await self.release()


def _as_bytes(piece: Any) -> bytes:
    """A piece that a transport hands over. Raises `TypeError` if it is nothing of that kind."""
    return piece if piece.__class__ is bytes else b"".join(_sliced(piece))


class _BlockingForeign(_ForeignLink):
    """Over one that blocks, interruptible from any thread, as `httpclient`'s own: who is inside a
    call closes on the way out, for the libraries' `close()` waits for a read that blocks. Nothing
    interrupts a library before there is a response, so its client sends in a thread, which is left
    to itself when the wait is given up, and closes what it gets then. The caller's function is
    called in his own thread, to which it may be bound: it ends when it returns.
    """

    whole = False  # what a signal's handler raises leaves the libraries' readers broken

    def __init__(self, idle_timeout: float | None, is_client: bool = False) -> None:
        super().__init__(idle_timeout, is_client)
        self._opened: list[Any] = []  # the response, from when it is there until it is closed
        self._failures: list[BaseException] = []  # what the transport raised in its place
        self._gate = _closed_gate()  # of who waits for one of the two
        self._watched: Any = None  # gate of who bounds all reads of an error's body together
        self._pieces: Iterator[bytes] = iter(())
        self._inside = False

    async def open(self, request: Any, timeout: float | None) -> Any:
        send = partial(request, timeout=timeout)
        if self._is_client:
            self._open_apart(send, timeout)
        else:
            # In one step of the interpreter: what a signal's handler raises when the transport has
            # returned finds the response where `release` looks for it.
            self._opened.extend(starmap(send, [()]))
        response = self._opened[0]
        if hasattr(response, "__await__"):
            raise TypeError("an asynchronous transport is for async_connect")
        _limit_reads(response, self._idle)
        self._pieces = _pieces(response)
        return response

    def _open_apart(self, send: Callable[[], Any], timeout: float | None) -> None:
        from contextvars import copy_context

        if self.closed:
            raise ConnectionAbortedError
        if not _in_thread(copy_context().run, self._send, send):
            self._send(send)
        # A process that was stopped looks at what has arrived.
        in_time = _opens(self._gate, inf if timeout is None else timeout + _MOMENT)
        if self.closed:
            raise ConnectionAbortedError
        if not in_time:
            raise _Silence(f"no answer within timeout={timeout:g} seconds")
        if self._failures:
            raise self._failures.pop()

    def _send(self, send: Callable[[], Any]) -> None:
        try:
            self._opened.append(send())
        except BaseException as error:
            self._failures.append(error)
        if self.closed:  # asked for when the response is there, and `interrupt` does the reverse
            self._close()
        _open_gate(self._gate)

    def take(self, response: Any) -> None:
        self._opened, self._pieces = [response], _pieces(response)

    async def read(self) -> bytes:
        self._inside = True  # and then see if it is closed; `interrupt` does the reverse
        try:
            if self.closed:
                raise ConnectionAbortedError
            return _as_bytes(next(self._pieces, b""))
        finally:
            self._inside = False
            if self.closed:
                self._close()

    def read_now(self) -> None:
        """`None`: there is no cheaper way than `read`."""

    def limit(self, seconds: float) -> None:
        """The libraries bound each read by itself, and a body may come byte by byte."""
        for response in self._opened:
            _limit_reads(response, seconds)
        if self._watched is None:
            self._watched = _closed_gate()
            _in_thread(self._watch, self._watched, seconds)

    def _watch(self, gate: Any, seconds: float) -> None:
        if not _opens(gate, seconds):
            self.stop()

    def stop(self) -> None:
        if not (self._opened and all(map(_wake_reader, self._opened))):
            self.interrupt()

    def interrupt(self) -> None:
        self.closed = True
        _open_gate(self._gate)
        for response in self._opened:
            if self._process != os.getpid():  # what is said in closing would reach the server
                self._opened = [_socket_of(response) or response]
                self._close()
            elif not (self._inside and _wake_reader(response)):
                self._close()

    def _close(self) -> None:
        for response in self._opened:
            try:
                response.close()
            except Exception as error:  # to raise it would hide what else there is to say
                if _from_handler(error) is not None:
                    raise
        self._opened = []

    async def release(self) -> None:
        self.interrupt()
        if self._watched is not None:
            _open_gate(self._watched)

    # For `EventSource`, whose source it is.
    close = interrupt

    def next_piece(self) -> bytes:
        """What `read` gives; `b""` once it was closed, by whichever thread."""
        piece = b""
        try:
            piece = _run(self.read())
        except Exception as error:
            if not self.closed or _from_handler(error) is not None:
                raise
        return b"" if self.closed else piece


class _AsyncForeign(_ForeignLink):
    """Over one of asyncio. Each step of the library is a task: who awaits it may be cancelled and
    await it again, and `interrupt` has it cancelled, never who awaits. All tasks run in one
    context, as a generator's steps do, where Python can do that (3.11).
    """

    def __init__(self, idle_timeout: float | None, is_client: bool = False) -> None:
        super().__init__(idle_timeout, is_client)
        self._response: Any = None
        self._pieces: Any = None
        self._loop: Any = None  # in which the library's steps run
        self._context: dict[str, Any] = {}  # of the tasks, as an argument
        self._step: Any = None  # the task of the step that goes on
        self._begun = 0.0  # when, by the loop's clock
        self._extra = _MOMENT  # seconds in which what has arrived is looked at, if it is late
        self._closer: Any = None  # the task that gives the connection back
        self.whole = True  # no piece was handed over since `read` was called

    async def open(self, request: Any, timeout: float | None) -> Any:
        if self.closed:
            raise ConnectionAbortedError
        step = request(timeout=timeout)
        if not hasattr(step, "__await__"):
            if hasattr(step, "close"):
                step.close()
            raise TypeError("a synchronous transport is for connect")
        self.take(await self._within(timeout, lambda: step, "no answer within timeout"))
        return self._response

    def take(self, response: Any) -> None:
        self._response = response  # to be closed, even if it cannot be read
        self._pieces = _apieces(response)

    async def read(self) -> bytes:
        self.whole = True  # the step goes on, whatever happens to who awaits it
        piece, step = None, partial(anext, self._pieces, ...)
        while not piece:
            piece = await self._within(self._idle, step, "silence for idle_timeout")
        if piece is ...:  # the end
            return b""
        self.whole = False
        return _as_bytes(piece)

    def limit(self, seconds: float | None) -> None:
        self._idle = seconds

    async def _within(self, seconds: float | None, step: Callable[[], Any], what: str) -> Any:
        """The result of a step that may take so many seconds, however often it is awaited."""
        import asyncio

        if self.closed:
            raise ConnectionAbortedError
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            if sys.version_info >= (3, 11):
                from contextvars import copy_context

                self._context["context"] = copy_context()
        clock = self._loop.time
        if self._step is None:
            self._step, self._begun = self._task(step), clock()
            if seconds != 0:  # else it is stopped: all steps to come have one moment together
                self._extra = _MOMENT
        task = self._step
        if not task.done():
            left = None if seconds is None else max(0.0, self._begun + seconds - clock())
            await asyncio.wait({task}, timeout=left)
        if not task.done():
            late = clock()
            try:
                await asyncio.wait({task}, timeout=self._extra)
            finally:
                self._extra = max(0.0, self._extra - (clock() - late))
        if not task.done():
            raise _Silence(f"{what}={seconds:g} seconds")
        self._step = None
        if task.cancelled():
            raise ConnectionAbortedError
        return task.result()

    def _task(self, step: Callable[[], Any]) -> Any:
        async def result() -> Any:
            return await step()

        coroutine = result()
        try:
            return self._loop.create_task(coroutine, **self._context)
        except TypeError:  # of a task factory that knows no contexts
            self._context = {}
            return self._loop.create_task(coroutine)

    def stop(self) -> None:
        """What has arrived is there within a moment of the library's time."""
        self._idle, step = 0.0, self._step
        if self._response is None:
            self.interrupt()
        elif step is not None and not self._is_left():
            loop = self._loop
            loop.call_soon_threadsafe(loop.call_later, _MOMENT, self._interrupt_step, step)

    def _interrupt_step(self, step: Any) -> None:
        if self._step is step:
            self.interrupt()

    def interrupt(self) -> None:
        """May be called from wherever a client is dropped: another thread, a signal's handler."""
        if not self.closed:  # a second cancel breaks what the libraries do because of the first
            self.closed = True
            if not self._is_left():
                self._loop.call_soon_threadsafe(self._give_back)

    def _is_left(self) -> bool:
        """Is the loop of the connection closed, or another process's, which shares its selector?"""
        return self._process != os.getpid() or self._loop is None or self._loop.is_closed()

    def _give_back(self) -> None:
        if self._closer is None:
            self._closer = self._task(self._close)
            _closing.add(self._closer)
            self._closer.add_done_callback(_closing.discard)

    async def release(self) -> None:
        """Give the connection back, once, whoever is cancelled meanwhile and how often."""
        self.interrupt()
        if self._is_left():
            return
        self._give_back()
        await _finished(self._closer, _GRACE)
        if self._closer.done():
            self._closer.result()  # what a signal's handler raised in it

    async def _close(self) -> None:
        import asyncio

        task, self._step = self._step, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None and self._response is None:
                self._response = task.result()  # it came when nobody waited for it any more
        for closable in (self._pieces, self._response):
            try:
                await _aclose(closable)
            except Exception as error:  # to raise it would hide what else there is to say
                if _from_handler(error) is not None:
                    raise


class _ForeignElsewhere(_AsyncForeign):
    """Over one of another event loop, such as trio's: a time limit ends no step, but comes between
    two of them.
    """

    async def _within(self, seconds: float | None, step: Callable[[], Any], what: str) -> Any:
        return await step()

    async def release(self) -> None:
        await self._close()


async def _aclose(closable: Any) -> bool:
    """Close what may be closed, as it can be. Can it be?"""
    close = getattr(closable, "aclose", None) or getattr(closable, "close", None)
    done: Any = close and close()
    if hasattr(done, "__await__"):
        await done
    return close is not None


async def _finished(task: Any, seconds: float) -> None:
    """Wait until a task is done, at most `seconds`; only then be cancelled, if that was asked."""
    import asyncio

    clock, cancelled = asyncio.get_running_loop().time, None
    end = clock() + seconds
    while not task.done() and (left := end - clock()) > 0:
        try:
            await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError as error:  # anyio's scopes do it in each turn of the loop
            cancelled = error
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled  # its traceback refers to this frame


# Ends of an attempt beside what its link raises. Nobody is told of the last two, but for a failure
# where there is no other attempt.
_CLEAN: Any = _Ours("the server ended the stream")
_GIVEN_UP: Any = _Ours("the caller gave the attempt up")
_RESTART: Any = _Ours("reconnect() was called")
_BUSY = "another task or thread is waiting for events of this client"
# Here no other thread runs between two instructions without a call or jump, elsewhere it may.
_ONE_AT_A_TIME = _GIL and sys.implementation.name == "cpython"


class _Attempt:
    """One connection: its link, and the parser of its stream once it is open."""

    __slots__ = ("end", "given_up", "link", "parser", "process")

    def __init__(self, link: Any) -> None:
        self.link = link
        self.parser: SSEParser | None = None
        self.end: BaseException | None = None  # why, if it has ended
        self.given_up = _GIVEN_UP  # why, when the caller gives it up
        self.process = os.getpid()  # in a forked child it is the parent's

    def give_up(self) -> Any:
        """End it by the caller's wish. Returns what its end was before, which it does not keep: an
        exception refers to frames, and they to the attempt.
        """
        end, self.end = self.end, self.given_up
        return end

    async def open(
        self, request: Any, timeout: float | None, options: _Options, last_event_id: str
    ) -> Any:
        """ "Fetch", "process response". Returns the response; for a stream there is a parser.

        Raises `SSEHTTPError` and `SSEContentTypeError` for other answers than that and a 204.
        """
        response = await self.link.open(request, timeout)
        # Those of httpclient are in these words themselves.
        facts = response if options.transport is None else _facts(response)
        refusal = _refusal(facts, options.content_type)
        if refusal is not None:
            self.given_up = refusal(body=b"")  # the body may take long, and adds little to that
            raise refusal(body=await _beginning(self.link))
        if facts.status_code != 204:
            self.parser = SSEParser(last_event_id, options.max_event_size, options.on_comment)
        return response if hasattr(response, "status_code") else facts


async def _beginning(link: Any) -> bytes:
    """The beginning of an error's body, bounded in bytes and in time, as far as it came."""
    body, end = b"", time.monotonic() + _BODY_SECONDS
    try:
        while len(body) < _BODY_SIZE and (left := end - time.monotonic()) > 0:
            link.limit(left)
            chunk = await link.read()
            if not chunk:
                break
            body += chunk
    except Exception as error:
        if _from_handler(error) is not None or not _is_drop(error):
            raise
        _log("debug", "the body of the error is incomplete: %s", _cause(error))
    return body[:_BODY_SIZE]


# --- the clients --------------------------------------------------------------------------------


class _Client(Generic[_Made, _Transport]):
    """Follow the event stream at `url`, reconnecting when it is lost ("Processing model").

    A context manager and an iterator over `SSEEvent`; a loop that was left can be resumed. Options:

    headers: mapping or pairs, or a callable that makes them for each attempt (asynchronous client:
        also a coroutine function). They replace the defaults `Accept`, `Accept-Encoding`,
        `Cache-Control`, `User-Agent`. An `OSError` that the callable raises counts as a drop.
    timeout: seconds from the start of an attempt to the head of the answer; `None` for no limit.
    idle_timeout: seconds without a byte until an open stream counts as dropped; `None`: no limit.
    retry_interval: ms between connections until the server sends `retry`.
    max_retries: reconnections in a row before `SSEConnectionError`; -1 for no limit, 0 for none at
        all. Each event delivered, and a connection open for 10 seconds, start the row anew.
    verify: `True`; `False` to check no certificate; a CA file or directory; an `ssl.SSLContext`.
    last_event_id: where to resume.
    method, params, json, content: the request; without `method` GET, or POST if there is a body.
        `params` may be a callable, as `headers`.
    reconnect: `None` is yes for GET and no for other methods, whose requests are then never sent
        twice. Without it a clean end ends the iteration: `False` is for streams that end.
    until: the first event this predicate accepts is the last one; a stream that ends before it
        counts as dropped.
    retry_on_status: statuses to wait and try again on, e.g. `TRANSIENT_STATUSES`. Others raise
        `SSEHTTPError`.
    backoff, max_retry_interval: the n-th wait in a row is drawn between the interval and
        interval * backoff**(n-1), at most `max_retry_interval` ms; never shorter than the interval,
        from the second on than 100 ms, or than the server's `Retry-After`.
    max_event_size: bytes of data, type and ID that one event may have; `None` for no limit.
    content_type: the media type to insist on; `None` for any.
    follow_redirects, proxy, uds: as for `httpclient.request`.
    on_open(response), on_error(exception or `None` for a clean end, seconds to the next attempt or
        `None`), on_comment(text): called in stream order; what they raise reaches the caller and
        closes the client.
    transport: another HTTP library's client as it is (`requests`, `httpx`, `aiohttp`, …), or
        transport(method, url, headers=, content=, timeout=) -> an object with `status_code`,
        `headers`, `url`, `iter_bytes()`, `close()` (a coroutine function; `aiter_bytes()`,
        `aclose()`). Its `headers` are a dict; pairs if a name comes twice.

    Attributes: `response`, the answer that the events come from, or came from last, or the 204 that
    ended them, `None` before the first (`status_code`, `headers`, `url`, and whatever else those of
    `transport` have); `state`, `last_event_id`, `retry_interval`. One thread or task iterates;
    others may `close()` or `reconnect()`. Raises `ValueError` and `TypeError` for bad arguments at
    once; when connecting and iterating `SSEConnectionError`, `SSEHTTPError`, `SSEContentTypeError`,
    `SSEEventTooLargeError`, and `ValueError` for a proxy that the environment names and that cannot
    be used. An answer of 204 ends the iteration quietly. What a signal handler
    raises, and a cancellation, comes out of the call it interrupts; the client can be iterated on.
    """

    __slots__ = (
        "__weakref__", "_attempt", "_busy", "_closed", "_delivered", "_failure", "_flowing",
        "_held", "_inside", "_options", "_reconnection", "_request", "_restart", "_turn", "_waker",
        "last_event_id", "response",
    )  # fmt: skip
    _asynchronous: bool
    _exchange: str  # what makes a link in this world: a name in httpclient, or this
    _foreign: Any
    _wait: Callable[..., Any]  # for seconds, or until `_waker` is called
    _awaited: Callable[..., Any]  # the result of the caller's coroutine

    def __init__(
        self,
        url: str,
        *,
        headers: Headers | Callable[[], _Made] | None = None,
        timeout: int | float | None = 30.0,
        idle_timeout: int | float | None = 300.0,
        retry_interval: int = 3000,
        max_retries: int = -1,
        verify: bool | str | os.PathLike[str] | SSLContext = True,
        last_event_id: str = "",
        method: str | None = None,
        params: Params | Callable[[], Any] | None = None,
        json: Any = None,
        content: bytes | bytearray | memoryview | str | None = None,
        reconnect: bool | None = None,
        until: Callable[[SSEEvent], object] | None = None,
        retry_on_status: Collection[int] = (),
        backoff: int | float = 1.0,
        max_retry_interval: int = 30000,
        max_event_size: int | None = _MAX_EVENT_SIZE,
        content_type: str | None = _EVENT_STREAM,
        follow_redirects: bool = True,
        proxy: str | None = None,
        uds: str | os.PathLike[str] | None = None,
        on_open: Callable[[Response], object] | None = None,
        on_error: Callable[[Exception | None, float | None], object] | None = None,
        on_comment: Callable[[str], object] | None = None,
        transport: _Transport | None = None,
    ) -> None:
        given = locals()
        self._attempt: _Attempt | None = None  # the connection, until it is given back
        self._closed = False  # only ever set, by whichever thread
        options = self._options = _Options(given)
        if transport is None:
            _httpclient().check(verify, proxy, uds)
        elif not (verify is True and proxy is None and uds is None and follow_redirects is True):
            raise TypeError("set verify, proxy, uds, follow_redirects on the client in transport=")
        else:
            try:
                options.send = _httpclient().transport_of(transport, self._asynchronous)
            except ImportError:  # sse.py by itself: then it must be a function
                if not callable(transport):
                    raise
        # What is wrong with the request is told at once; it is kept for the first attempt.
        fixed = [None if callable(it) else it for it in (options.headers, options.params)]
        self._request = options.request(last_event_id, *fixed)
        self._reconnection = _Reconnection(options)
        self._delivered = 0  # events
        self._failure: Exception | None = None  # to raise when the connection is given back
        self._held: Any = None  # an item of the parser that is not handed over yet
        self._flowing: _Attempt | None = None  # the attempt whose next event takes the short way
        self._inside: bool | None = None  # the `with` block? `None` before it
        self._restart = False  # reconnect() was called
        self._busy = False  # somebody is inside of a step, to the hand-over of its event
        if not _ONE_AT_A_TIME:
            self._turn = _thread.RLock()  # of the thread inside
        self._waker: Callable[[], object] | None = None  # ends a wait
        self.last_event_id: str = last_event_id
        self.response: Response | None = None

    # Those of all options, taken here, before a checker of types can decorate `__init__`.
    _defaults = (__init__.__kwdefaults__ or {}) | {"url": ""}

    if not TYPE_CHECKING:  # checkers know from __init__ which options there are

        def __new__(cls, *arguments: Any, **options: Any) -> Any:
            unknown = [name for name in options if name not in cls._defaults]
            if unknown and cls.__init__ is _Client.__init__:  # a class derived may have its own
                from difflib import get_close_matches

                name = min(unknown)
                hints = [hint for names, hint in _FOREIGN_OPTIONS.items() if name in names.split()]
                hints += [f"{near}=" for near in get_close_matches(name, cls._defaults, 1, 0.8)]
                instead = "".join(f"; instead: {hint}" for hint in hints[:1])
                raise TypeError(f"there is no option {name!r}{instead}")
            if len(arguments) > 1 and cls.__init__ is _Client.__init__:
                raise TypeError('only the URL goes without a name: connect(url, method="POST")')
            return super().__new__(cls)

        __new__.__wrapped__ = __init__  # whose signature counts, for help() and the like

        def __enter__(self, *exception: object) -> None:
            # `with` in the world of `async with`, or the reverse; each class has its own two.
            if self._asynchronous:
                raise TypeError("async_connect() is for `async with`; outside asyncio: connect()")
            raise TypeError("connect() is for `with`; in asyncio: async_connect()")

        __exit__ = __aenter__ = __aexit__ = __enter__

    def __repr__(self) -> str:
        options = self._options
        return f"<{type(self).__name__} {options.method} {_safe(options.whole_url)} {self.state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a client cannot be copied or pickled; make another one by its options")

    def __del__(self) -> None:
        attempt = getattr(self, "_attempt", None)
        if attempt is not None and attempt.end is None and not sys.is_finalizing():
            attempt.link.interrupt()
            if attempt.process == os.getpid():
                import warnings

                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    @property
    def state(self) -> State:
        """`"connecting"` (also before the first attempt, and waiting), `"open"`, `"closed"`."""
        if self._closed:
            return "closed"
        attempt = self._attempt
        if attempt is None or attempt.end is not None or attempt.parser is None:
            return "connecting"
        return "open"

    @property
    def retry_interval(self) -> int:
        """The current reconnection time in ms: the option's, until the server sends `retry`."""
        attempt = self._attempt
        asked = None if attempt is None or attempt.parser is None else attempt.parser._stream.retry
        return self._reconnection.interval if asked is None else asked

    def reconnect(self) -> None:
        """Drop the connection and open a new one at once; this is not reported as an error.

        What had arrived is delivered first. Raises `RuntimeError` if the client may not reconnect:
        with `reconnect=False`, and for methods other than GET without `reconnect=True`.
        """
        if not self._options.reconnect:
            raise RuntimeError("this client does not reconnect; pass reconnect=True to allow it")
        self._restart = True
        attempt, waker = self._attempt, self._waker
        if attempt is not None and attempt.process == os.getpid():
            attempt.link.stop()
        elif attempt is not None:
            attempt.link.interrupt()  # what has arrived is the parent's
        if waker is not None:
            waker()

    def _end(self, failure: Exception | None = None, last: SSEEvent | None = None) -> None:
        """Nothing more is handed over but `last` or `failure`; whatever goes on is interrupted."""
        self._failure, self._held, self._closed = failure, last, True
        attempt, waker = self._attempt, self._waker
        if attempt is not None:
            attempt.end = _GIVEN_UP
        if waker is not None:
            waker()
        if attempt is not None:
            attempt.link.interrupt()

    def _new_link(self) -> Any:
        options = self._options
        if options.transport is not None:
            return self._foreign(options.idle_timeout, options.is_client)
        route = options.verify, options.proxy, options.uds, options.follow_redirects
        return getattr(_httpclient(), self._exchange)(*route, options.idle_timeout)

    # The rules. Three things are never taken for each other: what the caller does (a signal's
    # handler raises, a task is cancelled) comes out as it is; what we end ourselves (`_end`,
    # `reconnect`) ends quietly; all else that a link raises is a loss. A handler may run at every
    # call, also while another's exception is dealt with. So what comes out of a link is noted in
    # the `end` of the attempt first, by an assignment alone, and what follows from it, which can
    # be done anew, is found out in one place.

    async def _advance(self, opening: bool = False) -> SSEEvent | None:
        """The next event, `None` at the end. With `opening`: until the connection is open, or over.

        Event, or failure at the end, are kept until they are handed over; `_busy` is unset then.
        """
        self._flowing = theirs = None
        try:
            self._busy = True
            while True:
                attempt = self._attempt
                if attempt is None:
                    if self._closed:
                        return self._held  # type: ignore[no-any-return]
                    await self._connect()
                elif attempt.end is not None:
                    if _theirs(attempt.end) is not None:
                        raise attempt.give_up()
                    await attempt.link.release()
                    self._judge(attempt)
                elif self._reconnection.opened is None:  # interrupted again before it was noted
                    attempt.end = _GIVEN_UP
                elif opening:
                    return None
                elif (event := self._pull(attempt)) is not None:
                    return event
                else:
                    await self._read(attempt)
        except BaseException as error:
            attempt = self._attempt
            if attempt is not None and attempt.end is None:
                attempt.end = _GIVEN_UP  # before a call that another handler may break off
            theirs = self._broken_off(error)
            if attempt is not None and attempt.end is not None:
                if not isinstance(error, GeneratorExit):  # then nothing can be awaited any more
                    await attempt.link.release()
                if self._closed:
                    self._attempt = None
            self._busy = False  # here too, for a handler may come at the beginning of `finally`
            if theirs is None or theirs is error:
                raise
            raise theirs from None
        finally:
            theirs = None  # which refers to this frame
            if opening:  # nothing is handed over
                self._busy = False

    def _broken_off(self, error: BaseException) -> BaseException | None:
        """A step ends with `error`. Returns what of it the caller did, `None` if nothing: then one
        of his callbacks raised it, and the client is closed.

        A connection that he broke off stays within `with`, and where there cannot be another one;
        but only if nothing that it has received is lost.
        """
        attempt, theirs = self._attempt, _theirs(error)
        if theirs is None:
            self._end()
        if attempt is not None:
            if _theirs(attempt.end) is not None:  # he interrupted twice, nearly at once
                attempt.give_up()
            is_open = attempt.end is _GIVEN_UP and self._reconnection.opened is not None
            last = not self._options.reconnect or self._options.max_retries == 0
            wanted = not self._closed and (self._inside or last)
            if is_open and wanted and (self._held is not None or attempt.link.whole):
                attempt.end = None
                if self._closed:  # meanwhile, by another thread
                    attempt.give_up()
            if attempt.end is not None:
                attempt.link.interrupt()
        return theirs

    def _pull(self, attempt: _Attempt) -> SSEEvent | None:
        """The next event of what was read, which stays held; `None` if there is no more of it."""
        parser: Any = attempt.parser
        while attempt.end is None:
            item = self._held
            if item is None:
                item = next(parser._items, _GIVEN_UP)
            if item is None:
                self.last_event_id = parser._stream.last_event_id
                attempt.end = parser._stream.error or attempt.end
                return None
            if item is _GIVEN_UP:  # an exception has passed through the items, which ended them
                attempt.end = item
                return None
            if item.__class__ is str:
                self._held = None
                self._call("on_comment", item)
                continue
            self._held = item  # until it is handed over: Ctrl-C in `until` loses nothing
            if self._options.until is not None:
                last = self._call("until", item)
                if self._closed:
                    self._held = None
                elif last:
                    self._end(last=item)
            return self._held  # type: ignore[no-any-return]
        return None

    def _call(self, name: str, *arguments: Any) -> Any:
        """What a hook, or `until`, returns. A coroutine would be a yes, or do nothing."""
        result = getattr(self._options, name)(*arguments)
        if hasattr(result, "__await__") and hasattr(result, "close"):
            result.close()
            raise TypeError(f"{name} must be {_CHECKS[name][2]}; this one returns a coroutine")
        return result

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # its traceback refers to this frame

    async def _read(self, attempt: _Attempt) -> None:
        if attempt.end is not None:  # in `_pull`: the stream's error, or what a callback did
            return
        try:
            chunk = await attempt.link.read()
            if chunk:
                attempt.parser._push(chunk)  # type: ignore[union-attr]
            else:
                attempt.end = _CLEAN
        except BaseException as error:
            attempt.end = error

    async def _connect(self) -> None:
        """One attempt, when it is due."""
        reconnection = self._reconnection
        wait = reconnection.left(time.monotonic())
        if wait and not self._restart:
            await self._wait(wait)
        if self._closed:
            return
        attempt = _Attempt(self._new_link())
        self._restart = False  # before another thread sees the attempt
        self._attempt = attempt
        try:
            response = await self._open(attempt)
        except BaseException as error:
            attempt.end = error
            return
        if self._closed or self._restart:
            attempt.end = _GIVEN_UP
            return
        self.response = response
        if attempt.parser is None:  # 204
            self._end()
            return
        if self._options.on_open is not None:
            self._call("on_open", response)
        reconnection.opened = time.monotonic()

    async def _open(self, attempt: _Attempt) -> Any:
        options, timeout = self._options, self._options.timeout
        made = callable(options.headers) or callable(options.params)
        request, self._request = self._request, None
        if request is None or made or self.last_event_id != options.last_event_id:
            headers, timeout = await self._made(options.headers, timeout)
            params, timeout = await self._made(options.params, timeout)
            request = options.request(self.last_event_id, headers, params)
        if self._closed or self._restart:  # perhaps before it was known which link to interrupt
            return None
        return await attempt.open(request, timeout, options, self.last_event_id)

    async def _made(self, option: Any, timeout: Any) -> tuple[Any, Any]:
        """An option's value for this attempt, and the seconds that are left then."""
        if not callable(option):
            return option, timeout
        if self._closed or self._restart:
            return None, timeout
        begun, option = time.monotonic(), option()
        if hasattr(option, "__await__"):
            option = await self._awaited(option, timeout)
        if timeout is not None:
            timeout = max(0.001, timeout - (time.monotonic() - begun))
        return option, timeout

    def _judge(self, attempt: _Attempt) -> None:
        """What follows from the end of an attempt whose connection is given back."""
        if self._closed:
            self._attempt = None
            return
        options, reconnection, parser = self._options, self._reconnection, attempt.parser
        error = None if attempt.end is _CLEAN else attempt.end
        if parser is not None and parser.retry is not None:
            reconnection.interval = parser.retry
        if self._restart and not isinstance(error, SSEError):
            error = _RESTART  # whatever the link made of it
        wait = reconnection.failed(error, time.monotonic(), self._delivered)
        failure: Any = error
        if wait is None:
            if _is_drop(error) or reconnection.by_status(error):
                failure = self._failed(error, None if parser is None else parser.unfinished)
            self._end(failure)
        self._attempt = self._held = None
        attempt.give_up()
        if wait is not None:
            if error is _RESTART or error is _GIVEN_UP:
                return
            level, n = "info" if error is None else "warning", reconnection.retries
            url = _safe(options.whole_url)
            _log(level, "%s: %s; attempt %d in %.1f s", url, _cause(error), n, wait)
        elif not (failure is None or isinstance(failure, SSEError)):
            return  # not the attempt failed, but the caller's code
        if options.on_error is not None:
            self._call("on_error", error, wait)

    def _failed(self, error: Any, unfinished: SSEEvent | None) -> SSEConnectionError | None:
        """The failure that a last drop is; `None` for a clean end at which nothing is missing."""
        options = self._options
        if error is None and not (options.reconnect or options.until or unfinished):
            return None
        failure = SSEConnectionError(options.whole_url, self._reconnection.retries, error)
        failure.delivered, failure.last_event_id = self._delivered, self.last_event_id
        failure.unfinished, failure.__cause__ = unfinished, error
        failure._missed = error is None and options.until is not None
        return failure


for _name in _Client._defaults:
    setattr(_Options, _name, _Client._defaults[_name])


class SSEClient(_Client[Headers, "BlockingClient | Callable[..., Response]"]):
    __doc__ = _Client.__doc__
    __slots__ = ()
    _asynchronous, _exchange, _foreign = False, "Exchange", _BlockingForeign

    def __enter__(self) -> SSEClient:
        _enter(self)
        self._step(opening=True)
        self._raise_failure()
        self._inside = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._inside = False
        self.close()

    def __iter__(self) -> Iterator[SSEEvent]:
        return self

    def __next__(self) -> SSEEvent:
        attempt: Any = self._flowing
        if attempt is not None and attempt.end is None and not self._busy:
            parser = attempt.parser
            try:  # the short way: what `_advance` does, without coroutines
                try:
                    self._busy = True
                    for item in parser._items:
                        if item.__class__ is SSEEvent:
                            self.last_event_id = item.id
                            self._delivered += 1
                            return item
                        if item is not None or parser._stream.error is not None:
                            self._held = item
                            break
                        self.last_event_id = parser._stream.last_event_id
                        chunk = attempt.link.read_now()
                        if not chunk:
                            break
                        parser._push(chunk)
                finally:
                    self._busy = False
            except BaseException as error:  # of a handler perhaps, which PyPy runs in `finally` too
                self._busy, attempt.end = False, error  # whose it is will be found out
        elif attempt is not None and _theirs(attempt.end) is not None:
            attempt.give_up()  # what interrupts a step comes out of that step, or not at all
        if not self._busy:
            try:
                try:
                    self._busy = True  # no call and no jump on the way, so no other thread
                    event = self._step()
                    if event is None:
                        self._raise_failure()
                        raise StopIteration
                    flowing = self._attempt if self._options.until is None else None
                    # No call and no jump from here on, so no handler, which would lose the event.
                    self.last_event_id, self._held, self._flowing = event.id, None, flowing
                    self._delivered += 1
                    return event
                finally:
                    self._busy = False
            except BaseException:  # once more, as above: `finally` may have been broken off
                self._busy = False
                raise
        raise RuntimeError(_BUSY)

    def _step(self, opening: bool = False) -> SSEEvent | None:
        """`_advance`, which over blocking links one step brings to its end."""
        return _run(self._advance(opening))  # type: ignore[no-any-return]

    def close(self) -> None:
        """End iteration and connection at once, from any thread; discard what is undelivered."""
        self._end()

    async def _wait(self, seconds: float) -> None:
        gate = _closed_gate()
        self._waker = partial(_open_gate, gate)
        if not (self._closed or self._restart):
            _opens(gate, seconds)
        self._waker = None

    async def _awaited(self, option: Any, timeout: Any) -> Any:
        return await option


if not _ONE_AT_A_TIME:
    _next = SSEClient.__next__

    @wraps(_next)
    def _next_in_turn(client: SSEClient) -> SSEEvent:
        if not client._turn.acquire(blocking=False):  # another thread is inside
            raise RuntimeError(_BUSY)
        try:
            return _next(client)
        finally:
            client._turn.release()

    SSEClient.__next__ = _next_in_turn  # type: ignore[assignment]


def _enter(client: _Client[Any, Any]) -> None:
    if client._inside is not None:
        raise RuntimeError("this client was entered already; make a new one for each `with`")
    if client._busy:
        raise RuntimeError(_BUSY)


class AsyncSSEClient(
    _Client["Headers | Awaitable[Headers]", "AwaitedClient | Callable[..., Awaitable[Any]]"]
):
    __doc__ = _Client.__doc__
    __slots__ = ()
    _asynchronous, _exchange, _foreign = True, "AsyncExchange", _AsyncForeign

    def _new_link(self) -> Any:
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            hint = "under trio: AsyncEventSource.from_response() over an answer of httpx"
            raise RuntimeError(f"async_connect() runs on asyncio's event loop; {hint}") from None
        return super()._new_link()

    async def __aenter__(self) -> AsyncSSEClient:
        _enter(self)
        await self._advance(opening=True)
        self._raise_failure()
        self._inside = True
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._inside = False
        await self.close()

    def __aiter__(self) -> AsyncIterator[SSEEvent]:
        return self

    async def __anext__(self) -> SSEEvent:
        attempt: Any = self._flowing
        if attempt is not None and attempt.end is None and not self._busy:
            parser = attempt.parser
            self._busy = True  # the short way: what `_advance` does, with a coroutine less
            try:
                for item in parser._items:
                    if item.__class__ is SSEEvent:
                        self.last_event_id = item.id
                        self._delivered += 1
                        return item
                    if item is not None or parser._stream.error is not None:
                        self._held = item
                        break
                    self.last_event_id = parser._stream.last_event_id
                    chunk = await attempt.link.read()
                    if not chunk:
                        attempt.end = _CLEAN
                        break
                    parser._push(chunk)
            except BaseException as error:
                attempt.end = error  # whose it is will be found out
            finally:
                self._busy = False
        elif attempt is not None and _theirs(attempt.end) is not None:
            attempt.give_up()  # what interrupts a step comes out of that step, or not at all
        if self._busy:
            raise RuntimeError(_BUSY)
        try:
            self._busy = True
            event = await self._advance()
            if event is None:
                self._raise_failure()
                raise StopAsyncIteration
            flowing = self._attempt if self._options.until is None else None
            # No call and no jump from here on, so no handler: one that raises would lose the event.
            self.last_event_id, self._held, self._flowing = event.id, None, flowing
            self._delivered += 1
            return event
        finally:
            self._busy = False

    async def close(self) -> None:
        """End iteration and connection at once, from any task; discard what is undelivered."""
        attempt = self._attempt
        self._end()
        if attempt is not None:
            await attempt.link.release()

    async def aclose(self) -> None:
        """The same as `close`."""
        await self.close()

    async def _wait(self, seconds: float) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        gate = loop.create_future()
        self._waker = lambda: loop.call_soon_threadsafe(gate.cancel)  # from a handler too
        try:
            if not (self._closed or self._restart):
                await asyncio.wait({gate}, timeout=seconds)
        finally:
            self._waker = None

    async def _awaited(self, option: Any, timeout: Any) -> Any:
        """The result of the caller's coroutine, in a task, so that `close` need not cancel us."""
        import asyncio

        task, in_time = asyncio.ensure_future(option), False
        self._waker = lambda: task.get_loop().call_soon_threadsafe(task.cancel)
        try:
            if not (self._closed or self._restart):
                await asyncio.wait({task}, timeout=timeout)
            in_time = task.done()
        finally:
            self._waker = None
            if task.cancel():  # it goes on; what it raises now, nobody needs
                task.add_done_callback(lambda task: task.cancelled() or task.exception())
                if not isinstance(sys.exc_info()[1], GeneratorExit):  # then nothing can be awaited
                    await _finished(task, _GRACE)
        if self._closed or self._restart:
            return None
        if not in_time:
            what = f"headers or params took longer than timeout={self._options.timeout:g} seconds"
            raise _Silence(what)
        if task.cancelled():
            raise _Ours("the coroutine that makes headers or params was cancelled")
        return task.result()


connect = SSEClient
async_connect = AsyncSSEClient


# --- the command line ---------------------------------------------------------------------------
# Needed by nothing above: cut it off if you will not use it. The help is also the table of options
# that `_arguments` reads: two spaces before an option, its value in capitals.

_HELP = """\
usage: sse [options] URL

Print the events of a Server-Sent Events stream as they come; reconnect when it is lost, if the
method is GET. The URL - stands for a stream on standard input. These options are curl's, so that
its command lines work:

  -H, --header LINE             a request header 'Name: value'; 'Name:' removes a default header
                                (not Accept-Encoding, Host, User-Agent; Accept is */* then);
                                'Name;' sends it empty
  -X, --request METHOD          the method (GET; POST if there is a body)
  -d, --data DATA               the body; @FILE reads it from a file, @- from standard input, in
                                both cases without line breaks; several are joined by &
      --data-binary DATA        the same, but what is read is sent as it is
      --data-raw DATA           the same, but @ has no meaning
      --json DATA               as --data-binary, sent as JSON; several are joined as they are
  -G, --get                     the data is the query of the URL
  -u, --user NAME:PASSWORD      basic authentication; asks for the password if it is missing
  -A, --user-agent TEXT         the header User-Agent ('' for the default)
  -b, --cookie COOKIES          the header Cookie, 'name=value; name=value'
  -e, --referer URL             the header Referer
  -x, --proxy URL               the proxy, '' for none (default: HTTPS_PROXY etc. decide)
  -k, --insecure                do not check the server's certificate
      --cacert FILE             certificates of CAs to trust instead of the system's
  -E, --cert FILE               a client certificate; FILE:PASSWORD if the key is encrypted
      --key FILE                its key, if that has a file of its own
      --unix-socket PATH        connect to this socket, whatever the host of the URL
  -m, --max-time SECONDS        give up after this time (0: no limit)
      --connect-timeout SECONDS how long the head of an answer may take (30; 0: no limit)
      --url URL                 the URL
  -o, --output FILE             print to a file
  -i, --include                 print the heads of answers, too
  -v, --verbose                 show requests and answers on stderr, without what may be secret

Accepted and ignored:

      -N, --no-buffer  -s, --silent  -S, --show-error  -L, --location  -f, --fail
      --fail-with-body  --no-progress-meter  --compressed  --http1.1

And these are not curl's:

      --last-event-id ID        resume after this event
      --max-retries N           reconnections in a row after the first stream (default -1: no limit)
      --no-reconnect            end when the stream ends
      --idle-timeout SECONDS    silence that counts as a lost connection (300; 0: no limit)
      --format FORMAT           text, data, jsonl, or raw for an event stream again (text)
  -V, --version
  -h, --help

Exit status: 0 at the end of the stream, or when nobody reads the output; 1 for a failure; 2 for
wrong usage, before anything is sent; 130 for Ctrl-C.
"""
_Arguments = list[tuple[str, str]]  # the options in their order: long name and value


def _require(condition: object, text: str, kind: type[Exception] = ValueError) -> None:
    if not condition:
        raise kind(text)


class _Unwritable(Exception):
    """The output cannot be written; no `OSError`, which the client would take for a drop."""


class _Printer:
    """Holds what is printed until `flush`, which comes before the client waits for more: what came
    together is written together, in half the time, and nothing waits for what is not there yet.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.add = self.texts.append

    def begin(self, file: Any) -> None:
        """Print to `file`, in UTF-8 as the stream is; only a terminal may have another."""
        self.file, self.terminal = file, file.isatty()
        if hasattr(file, "reconfigure"):  # not a StringIO that somebody put in the place of stdout
            encoding = file.encoding if self.terminal else "utf-8"
            file.reconfigure(encoding=encoding, errors="backslashreplace", newline="\n")

    def flush(self) -> None:
        text = "".join(self.texts)
        self.texts.clear()
        if self.terminal:
            text = _escaped(text, "\n\t")
        try:
            self.file.write(text)
            self.file.flush()
        except OSError as error:
            _give_up(self.file)
            raise _Unwritable(error) from None

    def before_each(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, with a flush before the next one is waited for."""
        for chunk in chunks:
            yield chunk
            self.flush()


def _give_up(file: Any) -> None:
    """Let what is still in it go nowhere: Python would try again at its end, and make 120 of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def _say(text: str) -> None:
    """Print a line on stderr, if that can be done."""
    try:
        if sys.stderr is not None:
            print(_escaped(text, "\t"), file=sys.stderr, flush=True)
    except OSError:
        _give_up(sys.stderr)


def _worded(text: str) -> str:
    """In the words of the command line: without advice for programmers, the options by their flags,
    and a host that the URL has named not again.
    """
    text = re.sub(r" \[[^\[\]]*=[^\[\]]*\]\Z", "", text)
    if not re.search(": (HTTP [0-9]|not an event stream)", text):  # which quote the server
        text = re.sub(r"\A(https?://([^/ ]+)[^ ]*): \2: ", r"\1: ", text)
        for name, flag in (
            ("idle_timeout=", "--idle-timeout "), ("timeout=", "--connect-timeout "),
            ("last_event_id", "--last-event-id"), ("verify=", "--cacert "), ("proxy=", "--proxy"),
            (", or a function as transport=", ""), ("max_event_size=", ""),
            ("; raise it, or None for no limit", ""),
        ):  # fmt: skip
            text = text.replace(name, flag)
    return text


def _arguments(argv: list[str]) -> _Arguments:
    """The options in order, by their long names, each with its value; the URL is one of them.

    As curl reads them: short ones may be written together, and a value may begin with a dash.
    """
    options = re.findall(r"  (?:-(\w), )?--([\w.-]+)(?: ([A-Z:]+))?", _HELP)
    names = {short: name for short, name, _ in options}
    valued = {name: value != "" for _, name, value in options}
    found, waiting = [], argv[::-1]
    while waiting:
        argument = waiting.pop()
        if argument == "-" or not argument.startswith("-"):
            found.append(("url", argument))
            continue
        if argument.startswith("--"):
            flag, attached, value = argument.partition("=")
            name = flag[2:]
        else:
            flag, attached, value = argument[:2], argument[2:], argument[2:]
            name = names.get(flag[1], "")
        _require(name in valued, f"{flag} is not an option here; see sse --help")
        if valued[name] and not attached:
            _require(waiting, f"{flag} needs a value; see sse --help")
            value = waiting.pop()
        elif attached and not valued[name]:
            _require(flag != f"--{name}", f"{flag} takes no value")
            waiting.append("-" + value)  # the next short ones
        found.append((name, value))
    return found


def _seconds(options: dict[str, str], name: str, default: str) -> float | None:
    """The value of an option; `None`, no limit, for 0."""
    try:
        seconds = float(options.get(name, default))
    except ValueError:
        seconds = -1.0
    _require(0 <= seconds <= 1e6, f"--{name} is a number of seconds from 0 to 1000000")
    return seconds or None


def _text(argument: str) -> str:
    """An argument as UTF-8, whatever the locale has made of it; other bytes are surrogates."""
    return os.fsencode(argument).decode("utf-8", "surrogateescape")


def _stdin() -> Any:
    _require(sys.stdin, "standard input is closed")
    return sys.stdin.buffer


def _input(stdin: Any, limit: float | None, deadline: float) -> Iterator[bytes]:
    """Standard input as it comes, to the deadline; Windows looks at that between pieces only."""
    while (left := deadline - time.monotonic()) > 0:
        if limit and os.name == "posix":
            from select import select

            if not select([stdin], [], [], left)[0]:
                return
        if not (chunk := stdin.read1(_PIECE)):
            return
        yield chunk


def _output(path: str) -> Any:
    """A context manager that gives the file to print to."""
    if path == "-":
        from contextlib import nullcontext
        from io import RawIOBase

        _require(sys.stdout, "standard output is closed")
        if isinstance(getattr(sys.stdout, "buffer", None), RawIOBase):  # as with python -u
            # It would leave out what the system did not take at once.
            return open(sys.stdout.fileno(), "w", encoding=sys.stdout.encoding, closefd=False)
        return nullcontext(sys.stdout)
    try:
        return open(path, "w")
    except OSError as error:
        raise ValueError(f"--output: cannot write {path}: {error.strerror}") from None


def _body(arguments: _Arguments) -> bytes | None:
    """What -d and its kin make together."""
    body = None
    for name, value in arguments:
        if name not in ("data", "data-binary", "data-raw", "json"):
            continue
        piece = os.fsencode(value)
        if value.startswith("@") and name != "data-raw":
            try:
                if value == "@-":
                    piece = _stdin().read()  # empty the second time
                else:
                    with open(value[1:], "rb") as file:
                        piece = file.read()
            except OSError as error:
                raise ValueError(f"--{name}: cannot read {value[1:]}: {error.strerror}") from None
            if name == "data":
                piece = piece.translate(None, b"\r\n\0")
        body = piece if body is None else body + (b"" if name == "json" else b"&") + piece
    return body


def _basic(user: str) -> str:
    """The credentials of -u (RFC 7617)."""
    from base64 import b64encode

    if ":" not in user:
        import warnings
        from getpass import GetPassWarning, getpass

        try:
            with warnings.catch_warnings():  # of a password that would be seen, or is not typed
                warnings.simplefilter("error", GetPassWarning)
                user += ":" + getpass(f"Password of {user}: ")
        except (EOFError, GetPassWarning):
            why = "--user is NAME:PASSWORD; there is no terminal to ask for the password"
            raise ValueError(why) from None
    return "Basic " + b64encode(os.fsencode(user)).decode()


def _headers(arguments: _Arguments, form: bool) -> list[tuple[str, str | None]]:
    """The header lines that the options make; one that is not to be sent has the value `None`.
    Left out is what frames the message, and a wish for codings that `httpclient` cannot decode.
    """
    options, framing = dict(arguments), _httpclient().RESERVED
    lines: list[tuple[str, str | None]] = []
    for line in (value for name, value in arguments if name == "header"):
        name, colon, value = line.partition(":")
        empty = not colon and line.endswith(";")
        _require(colon or empty, "--header is 'Name: value'; 'Name:' for none, 'Name;' for empty")
        name, value = name.rstrip("; "), value.strip()
        codings = {coding.partition(";")[0].strip() for coding in value.split(",")}
        decodable = codings <= {"gzip", "deflate", "identity"} or name.lower() != "accept-encoding"
        if decodable and name.lower() not in framing:
            lines.append((name, value if value or empty else None))
    cookies = [value for name, value in arguments if name == "cookie" and value]
    _require(all("=" in value for value in cookies), "--cookie is 'name=value'; files are not read")
    made = {"User-Agent": options.get("user-agent"), "Referer": options.get("referer")}
    made["Cookie"] = "; ".join(cookies)
    if "user" in options:
        made["Authorization"] = _basic(options["user"])
    if "json" in options:  # curl accepts JSON alone, which not every server answers by a stream
        made["Accept"] = "text/event-stream, application/json"
        made["Content-Type"] = "application/json"
    elif form:
        made["Content-Type"] = "application/x-www-form-urlencoded"
    given = {name.lower() for name, _ in lines}
    return lines + [(n, value) for n, value in made.items() if value and n.lower() not in given]


def _verify(options: dict[str, str]) -> Any:
    """What -k, --cacert, -E and --key are to the client: its option `verify`."""
    insecure, cafile = "insecure" in options, options.get("cacert")
    if "cert" not in options:
        _require("key" not in options, "--key is the key of a --cert")
        return not insecure and (cafile or True)
    import ssl

    cert, key, password = options["cert"], options.get("key"), ""
    if not os.path.exists(cert):
        cert, _, password = cert.partition(":")
    named = f"--cacert {cafile}"
    try:
        context = ssl.create_default_context(cafile=cafile)
        named = f"--cert {cert}" + (f", --key {key}" if key else "")
        context.load_cert_chain(cert, key, password or None)
    except ssl.SSLError:
        raise ValueError(f"{named}: not PEM, not a pair, or a wrong password") from None
    except OSError as error:
        raise ValueError(f"{named}: {error.strerror}") from None
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _show_head(mark: str, first: str, lines: Iterable[tuple[str, str]]) -> None:
    """For -v: of a request, values that cannot be secret; of an answer, all but cookies."""
    _say(f"{mark} {first}")
    harmless = _httpclient().HARMLESS
    for name, value in lines:
        shown = name.lower() in harmless if mark == ">" else "cookie" not in name.lower()
        _say(f"{mark} {name}: {value if shown else '(not shown)'}")
    _say(mark)


def _limits(options: dict[str, str]) -> dict[str, Any]:
    """The options that are numbers, as those of the client."""
    retries = options.get("max-retries", "-1")
    _require(re.fullmatch("-1|[0-9]{1,9}", retries), "--max-retries is a number, -1 for no limit")
    return {
        "timeout": _seconds(options, "connect-timeout", "30"),
        "idle_timeout": _seconds(options, "idle-timeout", "300"),
        "max_retries": int(retries),
    }


def _make_client(
    arguments: _Arguments, limits: dict[str, Any], printer: _Printer, deadline: float
) -> SSEClient:
    """The client that the options ask for. Its transport is `httpclient` as always, but with header
    lines as curl takes them, and with a flush before it waits for more.
    """
    import logging

    httpclient, options = _httpclient(), dict(arguments)
    url, body = options["url"], _body(arguments)
    if not re.match("[A-Za-z][A-Za-z0-9+.-]*://", url):
        url = "http://" + url
    if "get" in options and body is not None:
        url, hash, fragment = url.partition("#")
        url += ("&" if "?" in url else "?") + os.fsdecode(body) + hash + fragment
        body = None
    url = re.sub("[\udc80-\udcff]", lambda octet: f"%{ord(octet[0]) - 0xDC00:02X}", _text(url))
    lines, decided, resume = [], set(), ""
    for name, value in _headers(arguments, body is not None):
        if name.lower() == "last-event-id":
            resume = value or ""  # for the client to send, until an event brings another
            continue
        decided.add(name.lower())
        if value is not None:
            lines.append((name, os.fsencode(value).decode("latin-1")))  # the bytes that were typed
    resume = _text(options.get("last-event-id", resume))
    why = _unsendable(resume).replace("has lone surrogates", "is not UTF-8")
    _require(not why, f"--last-event-id {why}")
    verify, proxy, uds = _verify(options), options.get("proxy"), options.get("unix-socket")
    _require(not (proxy and uds), "--proxy or --unix-socket, not both")
    httpclient.check(verify, proxy, uds)

    def transport(method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        sent = [line for line in dict(headers).items() if line[0].lower() not in decided] + lines
        if "verbose" in options:
            _show_head(">", f"{method} {_safe(url)}", sent)
        timeout = max(0.001, min(timeout or 1e6, deadline - time.monotonic()))
        response = httpclient.request(
            method, url, headers=sent, content=content, stream=True, timeout=timeout,
            idle_timeout=limits["idle_timeout"], verify=verify, proxy=proxy, uds=uds,
        )  # fmt: skip
        status = f"{response.http_version} {response.status_code} {response.reason}".rstrip()
        if "verbose" in options:
            _show_head("<", status, response.headers.items())
        if "include" in options:
            printer.add("\n".join([status, *map(": ".join, response.headers.items()), "", ""]))
            printer.flush()
        pieces = response.iter_bytes
        response.iter_bytes = lambda: printer.before_each(pieces())
        return response

    def on_error(error: Any, delay: float | None) -> None:
        if delay is not None and client.response is None:
            raise error  # what has never worked is told at once: the URL may be wrong

    class Notices(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _say(f"sse: {_worded(record.getMessage())}")

    level = logging.INFO if "verbose" in options else logging.WARNING
    logging.basicConfig(handlers=[Notices()], level=level)
    logger = logging.getLogger("sse")
    logger.setLevel(logging.CRITICAL)  # what `on_error` raises is told once
    client = SSEClient(
        url, method=options.get("request") or None, content=body, transport=transport,
        last_event_id=resume, reconnect=False if "no-reconnect" in options else None,
        retry_on_status=TRANSIENT_STATUSES, on_error=on_error,
        on_open=lambda response: logger.setLevel(logging.NOTSET), **limits,
    )  # fmt: skip
    return client


def _shows(form: str) -> Callable[[SSEEvent], str]:
    """What makes of an event the text to print."""
    last_id = ""

    def raw(event: SSEEvent) -> str:
        nonlocal last_id
        cleared, last_id = last_id and not event.id, event.id
        return ("id\n" if cleared else "") + event.encode().decode()

    if form == "jsonl":
        from json import JSONEncoder

        json = JSONEncoder().encode  # of strings, a third of the time that a dictionary takes
        return lambda event: (
            f'{{"event": {json(event.event)}, "data": {json(event.data)}, "id": {json(event.id)}, '
            f'"retry": {"null" if event.retry is None else event.retry}}}\n'
        )
    if form == "text":
        return lambda event: (
            f"{event.event}: {event.data}" + (f"  [{event.id}]\n" if event.id else "\n")
        )
    _require(form in ("data", "raw"), "--format is text, data, jsonl or raw")
    return raw if form == "raw" else lambda event: event.data + "\n"


def _print_text(text: str) -> None:
    printer = _Printer()
    printer.add(text)
    with _output("-") as file:
        printer.begin(file)
        printer.flush()


def _print_events(arguments: _Arguments) -> None:
    """Do what the options say. Raises `ValueError` if that cannot be, before anything is sent."""
    import threading

    options, printer = dict(arguments), _Printer()
    _require([name for name, _ in arguments].count("url") == 1, "one URL is needed; see sse --help")
    for name in ("cacert", "cert", "key", "output", "unix-socket"):
        _require(options.get(name) != "", f"--{name} is the name of a file, not empty")
    show = _shows(options.get("format", "text"))
    limit, limits = _seconds(options, "max-time", "0"), _limits(options)
    deadline = time.monotonic() + (limit or 1e9)
    events: Any
    if options["url"] == "-":
        chunks = _input(_stdin(), limit, deadline)
        events = EventSource.from_chunks(printer.before_each(chunks))
    else:
        events = _make_client(arguments, limits, printer, deadline)
    timer = threading.Timer(limit or 0, events.close)
    timer.daemon = True
    with _output(options.get("output", "-")) as file:
        printer.begin(file)
        try:
            if limit and options["url"] != "-":
                timer.start()
            for event in events:
                printer.add(show(event))
        except (SSEError, OSError):
            if time.monotonic() < deadline:
                raise
        finally:
            timer.cancel()
            events.close()
            printer.flush()
    _require(time.monotonic() < deadline, f"--max-time: {limit} seconds are over", TimeoutError)


def main(argv: list[str] | None = None) -> int:
    """The command `sse`; `argv` are its arguments. Returns the exit status, see `sse --help`."""
    try:
        arguments = _arguments(sys.argv[1:] if argv is None else argv)
        names = {name for name, _ in arguments}
        if names & {"help", "version"}:
            _print_text(_HELP if "help" in names else f"sse {__version__}\n")
        else:
            _print_events(arguments)
    except KeyboardInterrupt:
        return 130
    except _Unwritable as error:
        from errno import EINVAL

        cause: OSError = error.args[0]
        if isinstance(cause, BrokenPipeError) or (os.name == "nt" and cause.errno == EINVAL):
            return 0
        _say(f"sse: the output cannot be written: {cause.strerror}")
        return 1
    except (SSEError, ValueError, TypeError, OSError, ImportError) as error:
        _say(f"sse: {_worded(getattr(error, 'strerror', None) or str(error))}")
        return 2 if isinstance(error, ValueError) else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
