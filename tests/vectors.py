"""Byte streams and what they mean: one table for every way into the parser.

Each vector names the rule it holds the parser to. The expectations were written by hand from the
standard (WHATWG HTML, "Server-sent events", below: "the standard"), never taken from a parser's output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Event = tuple[str, str, str, int | None]  # event, data, id, retry: the order of SSEEvent's fields

DAY = 24 * 60 * 60 * 1000  # the longest reconnection time, in milliseconds
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Vector:
    """A stream, and the state of a fresh parser after all of it."""

    name: str
    rule: str
    stream: bytes
    events: tuple[Event, ...]
    last_event_id: str
    retry: int | None
    comments: tuple[str, ...]

    @property
    def text(self) -> str | None:
        """The stream as text where it is well-formed (a BOM stays in it), else None."""
        try:
            return self.stream.decode("utf-8")
        except UnicodeDecodeError:
            return None


VECTORS: list[Vector] = []


def ev(data: str, event: str = "message", id: str = "", retry: int | None = None) -> Event:
    return (event, data, id, retry)


def add(
    name: str,
    rule: str,
    stream: str | bytes,
    *events: Event,
    last_event_id: str | None = None,
    retry: int | None = None,
    comments: tuple[str, ...] = (),
) -> None:
    """Put a vector into the table; the final id is that of the last event unless it is given."""
    if isinstance(stream, str):
        stream = stream.encode("utf-8")
    if last_event_id is None:
        last_event_id = events[-1][2] if events else ""
    VECTORS.append(Vector(name, rule, stream, events, last_event_id, retry, comments))


def split_lines(stream: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The complete lines of a stream as (content, terminator), and what is left without a terminator."""
    pieces = re.split(b"(\r\n|\n|\r)", stream)
    return list(zip(pieces[0:-1:2], pieces[1::2], strict=True)), pieces[-1]


# The byte order mark -------------------------------------------------------------------------------

RULE = "one leading BOM is dropped"
add("bom", RULE, BOM + b"data: a\n\n", ev("a"))
add("bom before a comment", RULE, BOM + b": a\n", comments=(" a",))
add("bom before a blank line", RULE, BOM + b"\n\ndata: a\n\n", ev("a"))
add("bom before CRLF", RULE, BOM + b"\r\ndata: a\r\n\r\n", ev("a"))
add("bom alone", RULE, BOM)
add("bom and nothing complete", RULE, BOM + b"data: a")
add("bom is dropped from the first field only", RULE, BOM + b"id: 1\ndata: a\n\n", ev("a", id="1"))
add("empty stream", RULE, b"")

RULE = "only one BOM, and only at the very beginning"
add("double bom spoils the first field", RULE, BOM + BOM + b"data: a\ndata: b\n\n", ev("b"))
add("double bom before a colon is no comment", RULE, BOM + BOM + b": a\n\n")
add(
    "bom in mid-stream belongs to the name",
    RULE,
    b"data: a\n\n" + BOM + b"data: b\n\ndata: c\n\n",
    ev("a"),
    ev("c"),
)
add("bom after a blank line belongs to the name", RULE, b"\n" + BOM + b"data: a\ndata: b\n\n", ev("b"))
add("bom after CR belongs to the name", RULE, b"\r" + BOM + b"data: a\rdata: b\r\r", ev("b"))
add("bom within data stays", RULE, b"data: " + BOM + b"a" + BOM + b"\n\n", ev("\ufeffa\ufeff"))
add("bom after the colon is not a space", RULE, b"data:" + BOM + b" a\n\n", ev("\ufeff a"))
add("bom within an id stays", RULE, b"id:" + BOM + b"\ndata\n\n", ev("", id="\ufeff"))
add("bom of UTF-16 is nothing special", RULE, b"\xff\xfedata: a\ndata: b\n\n", ev("b"))

RULE = "the beginning of a BOM that is not one is malformed text"
add("one byte of a bom", RULE, b"\xefdata: a\ndata: b\n\n", ev("b"))
add("two bytes of a bom", RULE, b"\xef\xbbdata: a\ndata: b\n\n", ev("b"))
add("two bytes of a bom before LF", RULE, b"\xef\xbb\ndata: b\n\n", ev("b"))
add("one byte of a bom before a bom", RULE, b"\xef" + BOM + b"data: a\ndata: b\n\n", ev("b"))
add("two bytes of a bom before a bom", RULE, b"\xef\xbb" + BOM + b"data: a\ndata: b\n\n", ev("b"))
add("two bytes of a bom at the end", RULE, b"\xef\xbb")
add("a character one off a bom", RULE, b"\xef\xbb\xbedata: a\ndata: b\n\n", ev("b"))
add("a character below a bom", RULE, b"\xef\xba\xbfdata: a\ndata: b\n\n", ev("b"))

# Line ends -----------------------------------------------------------------------------------------

RULE = "lines end with LF, CR or CRLF, in any mix"
ENDS = {"LF": "\n", "CR": "\r", "CRLF": "\r\n"}
for name, end in ENDS.items():
    add(
        f"all fields with {name}", RULE,
        end.join(["event: t", "id: 1", "retry: 5", "data: a", "data: b", "", "data: c", "", ""]),
        ev("a\nb", "t", "1", 5), ev("c", id="1"), retry=5,
    )  # fmt: skip
for first, a in ENDS.items():
    for second, b in ENDS.items():
        # CR directly followed by LF is a single line end: there is no blank line between the two fields
        merged = first == "CR" and second == "LF"
        add(
            f"data, {first}, blank, {second}", RULE, f"data: a{a}{b}data: b\n\n",
            *([ev("a\nb")] if merged else [ev("a"), ev("b")]),
        )  # fmt: skip
        add(f"data, {first}, data, {second}", RULE, f"data: a{a}data: b{b}data: c\n\n", ev("a\nb\nc"))
        for third, c in ENDS.items():
            if not merged:
                add(
                    f"data, {first}, blank, {second}, blank, {third}", RULE,
                    f"data: a{a}{b}{c}data: b{c}data: c\n\n", ev("a"), ev("b\nc"),
                )  # fmt: skip
add("LF CR is two line ends", RULE, "data: a\n\rdata: b\n\r", ev("a"), ev("b"))
add("LF CR LF is two line ends", RULE, "data: a\n\r\ndata: b\n\r\n", ev("a"), ev("b"))
add("CR LF LF is two line ends", RULE, "data: a\r\n\ndata: b\r\n\n", ev("a"), ev("b"))
add("CR CR LF is two line ends", RULE, "data: a\r\r\ndata: b\r\r\n", ev("a"), ev("b"))
add("CR CR LF LF is three line ends", RULE, "data: a\r\r\n\ndata: b\r\r\n\n", ev("a"), ev("b"))
add("CR within a stream of LF", RULE, "data: a\rdata: b\ndata: c\n\n", ev("a\nb\nc"))
add(
    "CR within the first of many lines",
    RULE,
    "data: a\revent: t\ndata: b\n\ndata: c\n\n",
    ev("a\nb", "t"),
    ev("c"),
)
add("LF within a stream of CRLF", RULE, "data: a\r\ndata: b\ndata: c\r\n\r\n", ev("a\nb\nc"))
add("LF within a stream of CR", RULE, "data: a\rdata: b\ndata: c\r\r", ev("a\nb\nc"))
add("CRLF within a stream of LF", RULE, "data: a\ndata: b\r\ndata: c\n\n", ev("a\nb\nc"))
add("CR ends a comment within LF", RULE, ": x\rdata: a\n\n", ev("a"), comments=(" x",))
add("CRCR within a stream of LF", RULE, "data: a\n\ndata: b\r\rdata: c\n\n", ev("a"), ev("b"), ev("c"))
add("CR at the very end of the stream", RULE, "data: a\r\r", ev("a"))
add("CRLF, CR at the very end of the stream", RULE, "data: a\r\n\r", ev("a"))
add("CR in front of the first field", RULE, "\rdata: a\n\n", ev("a"))
add("LF in front of the first field", RULE, "\ndata: a\n\n", ev("a"))

RULE = "nothing but LF and CR ends a line"
OTHER_BREAKS = {
    "U+2028": "\u2028", "U+2029": "\u2029", "U+0085": "\x85", "VT": "\x0b", "FF": "\x0c",
    "FS": "\x1c", "GS": "\x1d", "RS": "\x1e", "US": "\x1f",
}  # fmt: skip
for name, char in OTHER_BREAKS.items():
    add(f"{name} in data", RULE, f"data: a{char}b{char}{char}data: c\n\n", ev(f"a{char}b{char}{char}data: c"))
    add(f"{name} at both ends of data", RULE, f"data:{char}a{char}\r\n\r\n", ev(f"{char}a{char}"))
    add(f"{name} alone is no blank line", RULE, f"data: a\n{char}\ndata: b\n\n", ev("a\nb"))
    add(
        f"{name} in type and id",
        RULE,
        f"event:{char}t\nid:{char}1{char}\ndata\n\n",
        ev("", f"{char}t", f"{char}1{char}"),
    )
    add(f"{name} in a comment", RULE, f":{char}a{char}data: b\n\n", comments=(f"{char}a{char}data: b",))
    add(f"{name} before a name", RULE, f"{char}data: a\ndata{char}: b\ndata: c\n\n", ev("c"))
add("C1 bytes are malformed, not line ends", RULE, b"data: a\x85b\n\n", ev("a\ufffdb"))

RULE = "any number of blank lines dispatches an event once"
for name, end in ENDS.items():
    add(
        f"many blank lines with {name}",
        RULE,
        f"data: a{end}" + end * 500 + f"data: b{end}" + end * 500,
        ev("a"),
        ev("b"),
    )
    add(f"nothing but blank lines with {name}", RULE, end * 300)
add("blank lines first", RULE, "\n\n\r\r\r\n\r\n\n\rdata: a\n\n", ev("a"))
add("an event, once, with its id and type", RULE, "event: t\nid: 1\ndata: a\n\n\n\n\n", ev("a", "t", "1"))

# Fields ----------------------------------------------------------------------------------------------

RULE = "one space after the colon is removed, no more and nothing else"
add("no space", RULE, "data:a\n\n", ev("a"))
add("one space", RULE, "data: a\n\n", ev("a"))
add("two spaces", RULE, "data:  a\n\n", ev(" a"))
add("only spaces", RULE, "data:   \n\n", ev("  "))
add("trailing spaces", RULE, "data: a  \n\n", ev("a  "))
add("a tab", RULE, "data:\ta\n\n", ev("\ta"))
add("a space and a tab", RULE, "data: \ta\t\n\n", ev("\ta\t"))
add("a no-break space", RULE, "data:\u00a0a\n\n", ev("\u00a0a"))
add("an ideographic space", RULE, "data:\u3000a\u3000\n\n", ev("\u3000a\u3000"))
add("spaces in type and id", RULE, "event:  t \nid:  1 \ndata: a\n\n", ev("a", " t ", " 1 "))
add("no space in type and id", RULE, "event:t\nid:1\ndata:a\n\n", ev("a", "t", "1"))
add("tabs in type and id", RULE, "event:\tt\nid:\t1\ndata: a\n\n", ev("a", "\tt", "\t1"))
add("with and without a space in one block", RULE, "data:a\ndata: b\ndata:c\ndata:  d\n\n", ev("a\nb\nc\n d"))
add("with a space first, then without", RULE, "data: a\ndata:b\n\ndata:c\ndata: d\n\n", ev("a\nb"), ev("c\nd"))
add("space-less blocks among others", RULE, "data: a\n\ndata:b\n\ndata: c\n\n", ev("a"), ev("b"), ev("c"))

RULE = "the value is everything after the first colon"
add("more colons", RULE, "data: a:b: c:\n\n", ev("a:b: c:"))
add("colons only", RULE, "data:::\n\n", ev("::"))
add("a space between colons", RULE, "data: : a\n\n", ev(": a"))
add("a URL as an id", RULE, "id: http://[::1]:80/?a=b\ndata: a\n\n", ev("a", id="http://[::1]:80/?a=b"))
add("data that looks like a field", RULE, "data: data: a\n\n", ev("data: a"))
add("data that looks like a field, tight", RULE, "data:data:a\ndata:data:\n\n", ev("data:a\ndata:"))
add("data that looks like other fields", RULE, "data: event: t\ndata: id: 1\ndata: retry: 5\ndata: :\n\n",
    ev("event: t\nid: 1\nretry: 5\n:"))  # fmt: skip
add(
    "data with escaped line breaks",
    RULE,
    r"data: \ndata: a\n\ndata: b\r\n" + "\n\n",
    ev(r"\ndata: a\n\ndata: b\r\n"),
)
add("other values that look like data", RULE, "event: data: t\nid: data: 1\n: data: c\ndata: a\n\n",
    ev("a", "data: t", "data: 1"), comments=(" data: c",))  # fmt: skip
add("JSON", RULE, 'data: {"a": "b: c", "d": [1,\ndata:  2]}\n\n', ev('{"a": "b: c", "d": [1,\n 2]}'))

RULE = "without a colon the whole line is the name, the value is empty"
add("data alone", RULE, "data\n\n", ev(""))
add("data alone, twice", RULE, "data\ndata\n\n", ev("\n"))
add("data alone after data", RULE, "data: a\ndata\n\n", ev("a\n"))
add("data alone before data", RULE, "data\ndata: a\n\n", ev("\na"))
add("data alone between data", RULE, "data: a\ndata\ndata: b\n\n", ev("a\n\nb"))
add("event alone resets the type", RULE, "event: t\nevent\ndata: a\n\n", ev("a"))
add("id alone clears the id", RULE, "id: 1\ndata: a\n\nid\ndata: b\n\n", ev("a", id="1"), ev("b"))
add("retry alone is ignored", RULE, "retry: 5\nretry\ndata: a\n\n", ev("a", retry=5), retry=5)
add("unknown names alone", RULE, "a\ndata: b\nfoo\n\n", ev("b"))
add("a name followed by a space", RULE, "data \ndata: a\nid \nevent \n\n", ev("a"))

RULE = "unknown fields are ignored"
for line in [
    "foo: bar", "foo", "x:", "datax: a", "data-x: a", "dat: a", "dat", "dataa", "datadata: a", "eventx: t",
    "even: t",
    "idx: 1", "ids: 1", "i: 1", "retryx: 5", "retr: 5", "last-event-id: 1", " data: a", "\tdata: a",
    "data : a", "id : 1",
    "event : t", "retry : 5", " id: 1", "\x00data: a", "da\x00ta: a", "data\x00: a", "id\x00: 1",
    '"data": a', "data=a", "d",
    "-data: a", "\u0434ata: a", "\u00efd: 1", "\uff44\uff41\uff54\uff41: a", "{}", "\u200bdata: a",
    "data\u200b: a",
]:  # fmt: skip
    add(f"unknown: {line!r}", RULE, f"{line}\ndata: a\n{line}\n\n{line}\n\n", ev("a"))
add("only unknown fields", RULE, "foo: bar\nbaz\n\n")
add("unknown fields with CRLF", RULE, "foo: bar\r\ndata: a\r\nbaz\r\n\r\n", ev("a"))

RULE = "field names are compared literally, case matters"
for line in [
    "Data: a",
    "DATA: a",
    "dAta",
    "Event: t",
    "EVENT: t",
    "ID: 1",
    "Id: 1",
    "iD",
    "Retry: 5",
    "RETRY: 5",
]:
    add(f"case: {line!r}", RULE, f"{line}\ndata: b\n\n{line}\n\n", ev("b"))

RULE = "fields in any order"
add("data first", RULE, "data: a\nid: 1\nevent: t\nretry: 5\n\n", ev("a", "t", "1", 5), retry=5)
add("data in the middle", RULE, "retry: 5\nid: 1\ndata: a\nevent: t\n\n", ev("a", "t", "1", 5), retry=5)
add("data last", RULE, "event: t\nretry: 5\nid: 1\ndata: a\n\n", ev("a", "t", "1", 5), retry=5)
add("id, event, data", RULE, "id: 1\nevent: t\ndata: a\n\n", ev("a", "t", "1"))
add("event, id, data", RULE, "event: t\nid: 1\ndata: a\n\n", ev("a", "t", "1"))
add("data around everything", RULE, "data: a\nevent: t\ndata: b\nid: 1\ndata: c\n\n", ev("a\nb\nc", "t", "1"))
add("different shapes in a row", RULE,
    "data: a\n\nevent: t\ndata: b\n\nid: 1\ndata: c\n\nevent: u\nid: 2\ndata: d\ndata: e\n\ndata: f\n\n",
    ev("a"), ev("b", "t"), ev("c", id="1"), ev("d\ne", "u", "2"), ev("f", id="2"))  # fmt: skip
add("many events of one shape", RULE, "".join(f"event: t\ndata: {n}\nid: {n}\n\n" for n in range(40)),
    *(ev(str(n), "t", str(n)) for n in range(40)))  # fmt: skip

# Comments --------------------------------------------------------------------------------------------

RULE = "a line that starts with a colon is a comment"
add("comment", RULE, ": a\n\n", comments=(" a",))
add("empty comment", RULE, ":\n", comments=("",))
add("comment without a space", RULE, ":a\n", comments=("a",))
add("comment unchanged", RULE, ":  a : b\t \n", comments=("  a : b\t ",))
add("comment of colons", RULE, ":::\n", comments=("::",))
add("comment that looks like a field", RULE, ":data: a\n:id: 1\n:event: t\n:retry: 5\n\n",
    comments=("data: a", "id: 1", "event: t", "retry: 5"))  # fmt: skip
add(
    "comments around fields",
    RULE,
    ":a\ndata: b\n:c\ndata: d\n:e\n\n:f\n\n:g\n",
    ev("b\nd"),
    comments=("a", "c", "e", "f", "g"),
)
add("a comment is not a blank line", RULE, "data: a\n:\n:\ndata: b\n\n", ev("a\nb"), comments=("", ""))
add(
    "a comment keeps type and id",
    RULE,
    "event: t\n:\nid: 1\n:\ndata: a\n\n",
    ev("a", "t", "1"),
    comments=("", ""),
)
add("comments with every line end", RULE, ":a\r:b\n:c\r\n:d\r\r:e\n\n", comments=("a", "b", "c", "d", "e"))
add("a space before the colon is a field", RULE, " : a\n\n")
add("comment with NUL", RULE, ":\x00a\x00\n", comments=("\x00a\x00",))
add("malformed comment", RULE, b":\xffa\xc3\n", comments=("\ufffda\ufffd",))
add("comment beyond ASCII", RULE, ": \u00e9\u20ac\U0001f600\n", comments=(" \u00e9\u20ac\U0001f600",))
add("unfinished comment", RULE, ":a\n:b", comments=("a",))
add("heartbeats only", RULE, ": ping\n\n" * 20, comments=(" ping",) * 20)
add("heartbeats between events", RULE, ": ping\n\ndata: a\n\n: ping\n\n: ping\n\ndata: b\n\n", ev("a"),
    ev("b"),
    comments=(" ping",) * 3)  # fmt: skip

# data --------------------------------------------------------------------------------------------------

RULE = "data lines are joined with LF, exactly one LF at the end is removed"
add("two lines", RULE, "data: a\ndata: b\n\n", ev("a\nb"))
add("lines of CRLF are joined with LF", RULE, "data: a\r\ndata: b\r\n\r\n", ev("a\nb"))
add("empty data with a colon", RULE, "data:\n\n", ev(""))
add("empty data with a space", RULE, "data: \n\n", ev(""))
add("two empty data lines", RULE, "data:\ndata:\n\n", ev("\n"))
add("three empty data lines", RULE, "data\ndata:\ndata: \n\n", ev("\n\n"))
add("empty lines at the end", RULE, "data: a\ndata:\ndata:\n\n", ev("a\n\n"))
add("empty lines at the beginning", RULE, "data:\ndata:\ndata: a\n\n", ev("\n\na"))
add("empty lines in the middle", RULE, "data: a\ndata:\ndata\ndata: b\n\n", ev("a\n\n\nb"))
add("empty events in a row", RULE, "data\n\ndata:\n\ndata: \n\n", ev(""), ev(""), ev(""))
add("three shapes of emptiness", RULE, "data\n\ndata\ndata\n\ndata:", ev(""), ev("\n"))
add(
    "thirty lines",
    RULE,
    "".join(f"data: line {n}\n" for n in range(30)) + "\n",
    ev("\n".join(f"line {n}" for n in range(30))),
)
add("thirty lines, every third without a space", RULE,
    "".join(("data:" if n % 3 else "data: ") + f"{n}\r\n" for n in range(30)) + "\r\n",
    ev("\n".join(map(str, range(30)))))  # fmt: skip
add("MCP's priming event", RULE, "id: 1\ndata: \n\nid: 2\ndata: a\n\n", ev("", id="1"), ev("a", id="2"))
add("nothing is carried into the next event", RULE, "data: a\ndata: b\n\ndata: c\n\n", ev("a\nb"), ev("c"))

RULE = "NUL is data"
add("NUL in data", RULE, "data: \x00a\x00\n\n", ev("\x00a\x00"))
add("NUL instead of data", RULE, "data:\x00\n\n", ev("\x00"))
add("NUL in the type", RULE, "event: a\x00b\ndata: a\n\n", ev("a", "a\x00b"))
add(
    "other control characters are data",
    RULE,
    "data: \x01\x02\x07\x08\x1b[0m\x7f\n\n",
    ev("\x01\x02\x07\x08\x1b[0m\x7f"),
)

RULE = "without a data field there is no event"
add("type only", RULE, "event: t\n\n")
add("retry only", RULE, "retry: 5\n\n", retry=5)
add("comment only", RULE, ":\n\n", comments=("",))
add(
    "everything but data",
    RULE,
    "event: t\nid: 1\nretry: 5\n:\nfoo: bar\n\n",
    last_event_id="1",
    retry=5,
    comments=("",),
)

# event -------------------------------------------------------------------------------------------------

RULE = "the last type wins"
add("type", RULE, "event: t\ndata: a\n\n", ev("a", "t"))
add("two types", RULE, "event: t\nevent: u\ndata: a\n\n", ev("a", "u"))
add("types around data", RULE, "event: t\ndata: a\nevent: u\n\n", ev("a", "u"))
add("type after data", RULE, "data: a\nevent: t\n\n", ev("a", "t"))
add("the type message, spelt out", RULE, "event: message\ndata: a\n\n", ev("a"))
add("type beyond ASCII", RULE, "event: \u00e9\U0001f600\ndata: a\n\n", ev("a", "\u00e9\U0001f600"))
add("type with colons", RULE, "event: a:b:\ndata: a\n\n", ev("a", "a:b:"))

RULE = "an empty type means message"
add("empty type", RULE, "event:\ndata: a\n\n", ev("a"))
add("empty type with a space", RULE, "event: \ndata: a\n\n", ev("a"))
add("empty type after a type", RULE, "event: t\nevent:\ndata: a\n\n", ev("a"))
add("type after an empty type", RULE, "event:\nevent: t\ndata: a\n\n", ev("a", "t"))
add("a type of one space", RULE, "event:  \ndata: a\n\n", ev("a", " "))

RULE = "a blank line resets the type"
add("type after an event", RULE, "event: t\ndata: a\n\ndata: b\n\n", ev("a", "t"), ev("b"))
add("type of a block without data", RULE, "event: t\n\ndata: a\n\n", ev("a"))
add("type of a block without data, next has its own", RULE, "event: t\n\nevent: u\ndata: a\n\n", ev("a", "u"))
add("type of a block with an id only", RULE, "event: t\nid: 1\n\ndata: a\n\n", ev("a", id="1"))

# id ----------------------------------------------------------------------------------------------------

RULE = "the last event ID persists"
add("id", RULE, "id: 1\ndata: a\n\n", ev("a", id="1"))
add(
    "id goes on",
    RULE,
    "id: 1\ndata: a\n\ndata: b\n\nevent: t\ndata: c\n\n",
    ev("a", id="1"),
    ev("b", id="1"),
    ev("c", "t", "1"),
)
add(
    "id changes",
    RULE,
    "id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c\n\n",
    ev("a", id="1"),
    ev("b", id="2"),
    ev("c", id="2"),
)
add("id is not there before it comes", RULE, "data: a\n\nid: 1\ndata: b\n\n", ev("a"), ev("b", id="1"))
add("id after data", RULE, "data: a\nid: 1\n\n", ev("a", id="1"))
add("two ids, the last wins", RULE, "id: 1\nid: 2\ndata: a\n\n", ev("a", id="2"))
add("ids around data", RULE, "id: 1\ndata: a\nid: 2\n\n", ev("a", id="2"))
add("id beyond ASCII", RULE, "id: \u00e9\u2713\U0001f600\ndata: a\n\n", ev("a", id="\u00e9\u2713\U0001f600"))
add("malformed id", RULE, b"id: a\xff\ndata: a\n\n", ev("a", id="a\ufffd"))
add("id is text, not a number", RULE, "id: 007\ndata: a\n\n", ev("a", id="007"))

RULE = "an empty id clears the last event ID"
add("empty id", RULE, "id: 1\ndata: a\n\nid:\ndata: b\n\n", ev("a", id="1"), ev("b"))
add("empty id with a space", RULE, "id: 1\ndata: a\n\nid: \ndata: b\n\n", ev("a", id="1"), ev("b"))
add("empty id after an id", RULE, "id: 1\nid:\ndata: a\n\n", ev("a"))
add("id after an empty id", RULE, "id:\nid: 1\ndata: a\n\n", ev("a", id="1"))
add("empty id in a block of its own", RULE, "id: 1\ndata: a\n\nid\n\ndata: b\n\n", ev("a", id="1"), ev("b"))
add(
    "cleared stays cleared",
    RULE,
    "id: 1\ndata: a\n\nid\ndata: b\n\ndata: c\n\n",
    ev("a", id="1"),
    ev("b"),
    ev("c"),
)
add("an id of one space", RULE, "id:  \ndata: a\n\n", ev("a", id=" "))

RULE = "an id that contains NUL is ignored"
add("id with NUL", RULE, "id: a\x00b\ndata: a\n\n", ev("a"))
add("id that is NUL", RULE, "id:\x00\ndata: a\n\n", ev("a"))
add("id with NUL at its end", RULE, "id: 1\x00\ndata: a\n\n", ev("a"))
add(
    "id with NUL keeps the former block's",
    RULE,
    "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n",
    ev("a", id="1"),
    ev("b", id="1"),
)
add("id with NUL keeps the same block's", RULE, "id: 1\nid: 2\x00\ndata: a\n\n", ev("a", id="1"))
add("id after one with NUL", RULE, "id: 1\x00\nid: 2\ndata: a\n\n", ev("a", id="2"))
add("id with NUL in a block of its own", RULE, "id: 1\n\nid: \x00\n\ndata: a\n\n", ev("a", id="1"))
add("NUL in data leaves the id alone", RULE, "id: 1\ndata: \x00\n\n", ev("\x00", id="1"))

RULE = "a blank line commits the id, with or without data"
add("id alone", RULE, "id: 1\n\n", last_event_id="1")
add("id alone, then data", RULE, "id: 1\n\ndata: a\n\n", ev("a", id="1"))
add("id alone after an event", RULE, "id: 1\ndata: a\n\nid: 2\n\n", ev("a", id="1"), last_event_id="2")
add("ids alone", RULE, "id: 1\n\nid: 2\r\rid: 3\r\n\r\n", last_event_id="3")
add("an id waits for its blank line", RULE, "id: 1\n\nid: 2\n", last_event_id="1")

# retry -------------------------------------------------------------------------------------------------

RULE = "retry takes ASCII digits"
add("retry", RULE, "retry: 1500\n\n", retry=1500)
add("retry without a space", RULE, "retry:1500\n\n", retry=1500)
add("retry of zero", RULE, "retry: 0\ndata: a\n\n", ev("a", retry=0), retry=0)
add("retry with leading zeros", RULE, "retry: 000123\ndata: a\n\n", ev("a", retry=123), retry=123)
add("retry of zeros", RULE, "retry: 0000\n", retry=0)
add("retry of five thousand zeros and a five", RULE, "retry: " + "0" * 5000 + "5\n", retry=5)
add("two retries, the last wins", RULE, "retry: 1\nretry: 2\ndata: a\n\n", ev("a", retry=2), retry=2)
add("retries in two blocks", RULE, "retry: 1\n\nretry: 2\n\n", retry=2)

RULE = "retry with anything but ASCII digits is ignored"
for value in [
    "", " ", "+5", "-1", "-0", "1_0", "1.5", "1e3", "0x10", " 5", "5 ", "5\t", "\t5", "5s", "5ms", "a",
    "five", "5,000", "5 0",
    "\u0665", "\u0661\u0662", "\u00b2", "\u0967", "\uff15", "\u2460", "5\u0665", "\x005", "5\x00", "5\x0b",
    "\ufeff5", "None", "nan", "inf",
    "5:", ":5", "5;", "1\u00a0",
]:  # fmt: skip
    add(f"retry: {value!r}", RULE, f"retry: {value}\ndata: a\n\n", ev("a"))
add("retry, then a bad one", RULE, "retry: 7\nretry: x\ndata: a\n\n", ev("a", retry=7), retry=7)
add("retry, then an empty one", RULE, "retry: 7\nretry:\ndata: a\n\n", ev("a", retry=7), retry=7)
add("a bad retry, then a good one", RULE, "retry: -7\nretry: 7\ndata: a\n\n", ev("a", retry=7), retry=7)
add("a bad retry does not undo a former block's", RULE, "retry: 7\n\nretry: x\ndata: a\n\n", ev("a"), retry=7)
add("malformed retry", RULE, b"retry: 5\xff\n\n")

RULE = "retry of more than 24 h counts as 24 h"
add("24 h", RULE, f"retry: {DAY}\ndata: a\n\n", ev("a", retry=DAY), retry=DAY)
add("one less than 24 h", RULE, f"retry: {DAY - 1}\ndata: a\n\n", ev("a", retry=DAY - 1), retry=DAY - 1)
add("one more than 24 h", RULE, f"retry: {DAY + 1}\ndata: a\n\n", ev("a", retry=DAY), retry=DAY)
add("eight digits, leading zeros", RULE, f"retry: 00{DAY}\n", retry=DAY)
add("twenty digits", RULE, f"retry: {'9' * 20}\n\n", retry=DAY)
add("five thousand digits", RULE, f"retry: {'1' * 5000}\ndata: a\n\n", ev("a", retry=DAY), retry=DAY)
add("five thousand zeros", RULE, f"retry: {'0' * 5000}\ndata: a\n\n", ev("a", retry=0), retry=0)

RULE = "retry takes effect when its line ends"
add("retry without a blank line", RULE, "retry: 5\n", retry=5)
add("retry ended by CR", RULE, "retry: 5\r", retry=5)
add("retry ended by CRLF", RULE, "retry: 5\r\n", retry=5)
add("retry without a line end", RULE, "retry: 5")
add("retry without a line end, over one with", RULE, "retry: 5\nretry: 6", retry=5)
add("retry within an unfinished block", RULE, "data: a\nretry: 5\nid: 1\n", retry=5)
add(
    "retry in an unfinished block after an event",
    RULE,
    "id: 1\ndata: a\n\nretry: 5\ndata: b\n",
    ev("a", id="1"),
    retry=5,
)

RULE = "an event's own retry is that of its block"
add("retry in the block", RULE, "retry: 5\ndata: a\n\n", ev("a", retry=5), retry=5)
add("retry after the data", RULE, "data: a\nretry: 5\n\n", ev("a", retry=5), retry=5)
add(
    "retry is not the next event's",
    RULE,
    "retry: 5\ndata: a\n\ndata: b\n\n",
    ev("a", retry=5),
    ev("b"),
    retry=5,
)
add("retry in a block of its own", RULE, "retry: 5\n\ndata: a\n\n", ev("a"), retry=5)
add("retry in a block with an id", RULE, "id: 1\nretry: 5\n\ndata: a\n\n", ev("a", id="1"), retry=5)
add(
    "each its own retry",
    RULE,
    "retry: 1\ndata: a\n\nretry: 2\ndata: b\n\n",
    ev("a", retry=1),
    ev("b", retry=2),
    retry=2,
)

# UTF-8 -------------------------------------------------------------------------------------------------

RULE = "the stream is UTF-8"
add("two, three and four bytes", RULE, "data: \u00e9\u20ac\U0001f600\n\n", ev("\u00e9\u20ac\U0001f600"))
add("every position", RULE,
    "data: a\u00e9b\u20acc\U0001f600d\u00e9\u20ac\U0001f600\r\ndata:\U0001f600\r\n\r\n",
    ev("a\u00e9b\u20acc\U0001f600d\u00e9\u20ac\U0001f600\n\U0001f600"))  # fmt: skip
add("the edges of the code space", RULE,
    "data: \x7f\x80\u07ff\u0800\ud7ff\ue000\ufffe\uffff\U00010000\U0010ffff\n\n",
    ev("\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffe\uffff\U00010000\U0010ffff"))  # fmt: skip
add("combining characters are left alone", RULE, "data: e\u0301 \u00e9\n\n", ev("e\u0301 \u00e9"))
add("a replacement character sent as such", RULE, "data: \ufffd\n\n", ev("\ufffd"))

RULE = "malformed bytes become U+FFFD, one for each maximal part"
for name, bad, marks in [
    ("lone continuation", b"\x80", 1),
    ("two continuations", b"\x80\xbf", 2),
    ("C0 and C1", b"\xc0\xc1", 2),
    ("overlong slash, two bytes", b"\xc0\xaf", 2),
    ("overlong slash, three bytes", b"\xe0\x80\xaf", 3),
    ("overlong slash, four bytes", b"\xf0\x80\x80\xaf", 4),
    ("overlong LF", b"\xc0\x8a", 2),
    ("a surrogate", b"\xed\xa0\x80", 3),
    ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80", 6),
    ("beyond U+10FFFF", b"\xf4\x90\x80\x80", 4),
    ("F5", b"\xf5", 1),
    ("F5 with continuations", b"\xf5\x80\x80\x80", 4),
    ("FE and FF", b"\xfe\xff", 2),
    ("one of two bytes missing", b"\xc3", 1),
    ("one of three bytes missing", b"\xe2\x82", 1),
    ("one of four bytes missing", b"\xf0\x9f\x98", 1),
    ("two of four bytes missing", b"\xf0\x9f", 1),
    ("cut sequences in a row", b"\xe2\x82\xe2\x82\xf0\x9f\x98\xc3", 4),
]:
    add(f"{name}, within", RULE, b"data: a" + bad + b"b\n\n", ev("a" + "\ufffd" * marks + "b"))
    for end_name, end in ENDS.items():
        end_bytes = end.encode()
        add(f"{name}, before {end_name}", RULE,
            b"data: a" + bad + end_bytes + b"data: b" + end_bytes * 2 + b":\n",
            ev("a" + "\ufffd" * marks + "\nb"), comments=("",))  # fmt: skip
add("Latin-1", RULE, b"data: caf\xe9\n\n", ev("caf\ufffd"))
add("a malformed name", RULE, b"data\xff: a\n\xffdata: b\ndata: c\n\n", ev("c"))
add("a malformed type", RULE, b"event: \xff\ndata: c\n\n", ev("c", "\ufffd"))
add(
    "malformed bytes do not end the stream",
    RULE,
    b"data: \xff\n\ndata: a\n\n\xff\n\ndata: b\n\n",
    ev("\ufffd"),
    ev("a"),
    ev("b"),
)
add(
    "a cut sequence does not eat the line end",
    RULE,
    b"data: \xf0\n\ndata: \xf0\r\r",
    ev("\ufffd"),
    ev("\ufffd"),
)
add("a cut sequence at the end", RULE, b"data: a\n\n\xf0\x9f", ev("a"))

# The end -----------------------------------------------------------------------------------------------

RULE = "an unfinished block is discarded, its id and type too"
add("unfinished line", RULE, "data: a\n\ndata: b", ev("a"))
add("unfinished block", RULE, "data: a\n\ndata: b\n", ev("a"))
add("unfinished block ended by CR", RULE, "data: a\r\rdata: b\r", ev("a"))
add("unfinished block ended by CRLF", RULE, "data: a\r\n\r\ndata: b\r\n", ev("a"))
add("the id of an unfinished block", RULE, "id: 1\ndata: a\n\nid: 2\ndata: b\n", ev("a", id="1"))
add("the clearing id of an unfinished block", RULE, "id: 1\ndata: a\n\nid\ndata: b\n", ev("a", id="1"))
add("the id of an unfinished block without data", RULE, "id: 1\n")
add("an unfinished id", RULE, "id: 1\ndata: a\n\nid: 2", ev("a", id="1"))
add("only an unfinished block", RULE, "event: t\nid: 1\ndata: a")
add("the standard's shape: comment, id, cleared id, rest", RULE,
    ": stream\n\ndata: one\nid: 1\n\ndata:two\nid\n\ndata:  three",
    ev("one", id="1"), ev("two"), comments=(" stream",))  # fmt: skip

# Size --------------------------------------------------------------------------------------------------

RULE = "lines and events of any length"
LONG = "x" * 70_000
add("a long line", RULE, f"data: {LONG}\n\ndata: a\n\n", ev(LONG), ev("a"))
add("a long line with CRLF", RULE, f"data: {LONG}\r\n\r\ndata: a\r\n\r\n", ev(LONG), ev("a"))
add("a long line with CR", RULE, f"data: {LONG}\r\rdata: a\r\r", ev(LONG), ev("a"))
add("long lines", RULE, f"data: {LONG}\ndata:{LONG}\ndata\n\n", ev(f"{LONG}\n{LONG}\n"))
add("a long line beyond ASCII", RULE, f"data: {LONG}\u20ac{LONG}\n\n", ev(f"{LONG}\u20ac{LONG}"))
add("a long line, malformed", RULE, b"data: " + b"\xff" * 20_000 + b"\n\n", ev("\ufffd" * 20_000))
add("a long type and id", RULE, f"event: {LONG}\nid: {LONG}\ndata: a\n\n", ev("a", LONG, LONG))
add("a long comment", RULE, f":{LONG}\ndata: a\n\n", ev("a"), comments=(LONG,))
add("a long unknown field", RULE, f"foo: {LONG}\n{LONG}\ndata: a\n\n", ev("a"))
add("a long line of colons", RULE, "data" + ":" * 70_000 + "\n\n", ev(":" * 69_999))
add("a long line of spaces", RULE, "data:" + " " * 70_000 + "\n\n", ev(" " * 69_999))
add("many lines", RULE, "data: x\n" * 5000 + "\n", ev("\n".join("x" * 5000)))
add("many empty lines", RULE, "data\n" * 5000 + "\n", ev("\n" * 4999))
add(
    "many comments in a block",
    RULE,
    "data: a\n" + ":\n" * 5000 + "data: b\n\n",
    ev("a\nb"),
    comments=("",) * 5000,
)
add(
    "many ids in a block",
    RULE,
    "".join(f"id: {n}\n" for n in range(2000)) + "data: a\n\n",
    ev("a", id="1999"),
)
