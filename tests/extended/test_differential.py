"""The response parser against others: h11, the standard library's, and what clients make of it.

Well-formed answers, cut anywhere, must give the same status, headers and body. Of damaged ones,
none that h11 refuses is accepted, but for what `LENIENT` lists with its reason; what both accept
means the same to both. Of what is read although a strict reader refuses it (`LIBERAL`), aiohttp,
urllib3 and curl are asked as well, over a socket: who reads it must read the same.
`python3 -m tests.extended.test_differential` prints that as a table.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import io
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import aiohttp
import h11
import httpx
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

import httpclient
from httpclient import BodyError, ConnectError, ProtocolError, ResponseParser
from tests.server import Server


@dataclass
class Outcome:
    """What a parser made of an answer; `refused` says why it did not."""

    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    refused: str = ""


def ours(method: str, pieces: list[bytes]) -> Outcome:
    parser, body = ResponseParser(method), b""
    try:
        for piece in [*filter(None, pieces), b""]:
            parser.feed(piece)
            data: bytes | None = None
            while parser.status_code and (data := parser.read()):
                body += data
            if data == b"":
                break
        else:
            raise AssertionError("no end was found")
    except (BodyError, ConnectError, ProtocolError) as error:
        return Outcome(refused=str(error))
    return Outcome(parser.status_code, parser.reason, comparable(parser.headers.items()), body)


def comparable(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """h11 hands over names in lower case, and the fields that frame the body in the form it understood. How many
    blanks stand for a folded line's end is left open (RFC 9112, 5.2).
    """
    lines = [(name.lower(), re.sub(r"[ \t]+", " ", value)) for name, value in headers]
    return tuple(line for line in lines if line[0] not in ("content-length", "transfer-encoding"))


def by_h11(method: str, pieces: list[bytes]) -> Outcome:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=65536)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "localhost")]))
    connection.send(h11.EndOfMessage())
    outcome = Outcome()
    try:
        for piece in [*filter(None, pieces), b""]:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    outcome.status = event.status_code
                    outcome.reason = event.reason.decode("latin-1").strip(" \t")
                    lines = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                    outcome.headers = comparable(lines)
                elif isinstance(event, h11.Data):
                    outcome.body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    return outcome
                elif not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                    return Outcome(refused=f"{event!r}")
    except h11.RemoteProtocolError as error:
        return Outcome(refused=str(error))
    raise AssertionError("h11 found no end")


def by_the_standard_library(method: str, raw: bytes) -> Outcome:
    class Socket:
        def makefile(self, mode: str) -> io.BytesIO:
            return io.BytesIO(raw)

    response = http.client.HTTPResponse(Socket(), method=method)  # type: ignore[arg-type]
    response.begin()
    headers = comparable((name, value.strip(" \t")) for name, value in response.getheaders())
    return Outcome(response.status, response.reason.strip(" \t"), headers, response.read())


# Well-formed answers

name = st.sampled_from([b"X", b"x-a", b"DATE", b"Set-Cookie", b"set-cookie", b"!#$%&'*+-.^_`|~09aZ"])
value = st.one_of(
    st.sampled_from([b"", b"v", b"a b", b"a\tb", b'"q;,:=", (c)', b"Sat, 21 Nov 2026 09:15:42 GMT", b"\xe4"]),
    st.text("!~a:; \t\x80\xff", max_size=20).map(lambda text: text.strip(" \t").encode("latin-1")),
)
space = st.sampled_from([b"", b" ", b"\t", b"  "])
field_line = st.tuples(name, st.just(b":"), space, value, space, st.just(b"\r\n")).map(b"".join)
field_lines = st.lists(field_line, max_size=4).map(b"".join)
body = st.one_of(
    st.binary(max_size=60), st.sampled_from([b"", b"0\r\n\r\n", b"\r\n" * 30, b"0123456789" * 7000])
)


@st.composite
def chunked(draw: Any, content: bytes) -> bytes:
    out = b""
    while content:
        size = draw(st.integers(1, len(content)))
        digits = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % size
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b'; a="b c"']))
        out += digits + extension + b"\r\n" + content[:size] + b"\r\n"
        content = content[size:]
    return out + draw(st.sampled_from([b"0", b"000", b"0;last"])) + b"\r\n" + draw(field_lines) + b"\r\n"


@dataclass
class Answer:
    method: str
    interim: bytes
    raw: bytes
    """Without `interim`."""

    @property
    def all(self) -> bytes:
        return self.interim + self.raw


CHUNKED_LINES = [
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding:Chunked\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
]


@st.composite
def answers(draw: Any, framings: tuple[str, ...] = ("length", "close", "chunked")) -> Answer:
    method = draw(st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 206, 302, 304, 404, 418, 500, 599, 999]))
    reason = draw(value)
    content = draw(body)
    framing = draw(st.sampled_from(framings))
    lines = draw(field_lines)
    if framing == "length":
        lines += b"Content-Length: %d\r\n" % len(content)
        encoded = content
    elif framing == "chunked":
        lines += draw(st.sampled_from(CHUNKED_LINES))
        encoded = draw(chunked(content))
    else:
        encoded = content
    if method == "HEAD" or status in (204, 304):
        encoded = b""
    interim = b""
    if version == b"1.1":
        for number in draw(st.lists(st.sampled_from([100, 102, 103]), max_size=3)):
            interim += b"HTTP/1.1 %d \r\n%b\r\n" % (number, draw(field_lines))
    return Answer(method, interim, b"HTTP/%b %d %b\r\n%b\r\n%b" % (version, status, reason, lines, encoded))


def cut(raw: bytes, positions: list[int]) -> list[bytes]:
    borders = sorted({0, len(raw), *(position % (len(raw) + 1) for position in positions)})
    return [raw[start:end] for start, end in pairwise(borders)]


cuts = st.lists(st.integers(0, 1_000_000), max_size=8)


@settings(max_examples=600, deadline=None)
@given(answers(), cuts)
def test_well_formed(answer: Answer, positions: list[int]) -> None:
    found = ours(answer.method, cut(answer.all, positions))
    assert not found.refused
    assert found == by_h11(answer.method, [answer.all])
    if not (found.status in (204, 304) and b"hunked" in answer.raw):  # there it waits for a body
        assert found == by_the_standard_library(answer.method, answer.raw)


@settings(max_examples=100, deadline=None)
@given(answers(), st.integers(1, 7))
def test_small_pieces(answer: Answer, size: int) -> None:
    raw = answer.all[:3000]  # mostly heads; a body that is cut short is refused either way
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
    found, whole = ours(answer.method, pieces), ours(answer.method, [raw])
    assert (found.refused != "", found.status, found.body) == (whole.refused != "", whole.status, whole.body)


@settings(max_examples=300, deadline=None)
@given(answers(), st.integers(1, 1_000_000), cuts)
def test_cut_short(answer: Answer, length: int, positions: list[int]) -> None:
    """Both notice, or both cannot: the beginning of a body that its closing ends is a body."""
    raw = answer.all[: length % len(answer.all)]
    found, other = ours(answer.method, cut(raw, positions)), by_h11(answer.method, [raw])
    if not (other.refused and behind_the_last_chunk(answer.method, raw, found)):
        assert (found.refused == "") == (other.refused == "")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(body, min_size=1, max_size=3),
    st.sampled_from(["gzip", "x-gzip", "GZIP", "deflate", "raw deflate"]),
    st.sampled_from([b"length", b"chunked", b"close"]),
    cuts,
    st.data(),
)
def test_coded(parts: list[bytes], coding: str, framing: bytes, positions: list[int], data: Any) -> None:
    if "gzip" in coding.lower():
        packed = b"".join(map(gzip.compress, parts))  # several members are one stream
    else:
        packer = zlib.compressobj(wbits=15 if coding == "deflate" else -15)
        packed = b"".join(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts)
        packed += packer.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n" % coding.split()[-1].encode()
    if framing == b"length":
        raw = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(packed), packed)
    elif framing == b"chunked":
        raw = b"%bTransfer-Encoding: chunked\r\n\r\n%b" % (head, data.draw(chunked(packed)))
    else:
        raw = head + b"\r\n" + packed
    found = ours("GET", cut(raw, positions))
    assert (found.refused, found.body) == ("", b"".join(parts))
    short = raw[: raw.rindex(b"\r\n0") if framing == b"chunked" else -1]
    assert ours("GET", cut(short, positions)).refused


# Damaged ones

ODD = [
    b"\r", b"\n", b"\r\n", b"\n\n", b"\0", b"\x0b", b"\x7f", b"\x80", b" ", b"\t", b":", b";", b",", b"+",
    b"-", b"_", b"0x", b"0", b"1", b"f", b"g", b"/", b"HTTP/1.1 ", b"HTTP/2 ", b" : ", b"\r\n ", b"\r\n\t",
    b"Content-Length: 5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "\u0663".encode(),
    b"0\r\n\r\n", b"ffffffffffffffffff",
]  # fmt: skip


@st.composite
def damaged(draw: Any) -> tuple[str, bytes]:
    answer = draw(answers())
    raw = answer.all
    for _ in range(draw(st.integers(1, 3))):
        # mostly in the head and in the first chunk lines
        where = draw(st.integers(0, min(len(raw), draw(st.sampled_from([20, 200, 200, 100_000])))))
        remove = draw(st.sampled_from([0, 0, 1, 2, 5]))
        raw = raw[:where] + draw(st.sampled_from([b"", *ODD])) + raw[where + remove :]
    return answer.method, raw


def without_body(method: str, raw: bytes, found: Outcome) -> bool:
    return method == "HEAD" or found.status in (204, 304) or raw.startswith(b"HTTP/1.1 1")


def in_trailers(method: str, raw: bytes, found: Outcome) -> bool:
    """A field that frames follows the last chunk."""
    return re.search(rb"\n0+(?:;[^\n]*)?\r?\n[^\0]*(?i:content-length|transfer-encoding)", raw) is not None


def only_chunked(method: str, raw: bytes, found: Outcome) -> bool:
    """No coding is named but identity and chunked, in the head that counts; members may be empty."""
    lines = re.findall(rb"(?i)\ntransfer-encoding:([^\n]*)", raw.partition(b"\n\r\n")[0])
    words = {word.strip(b" \t\r").lower() for line in lines for word in line.split(b",")}
    return words <= {b"identity", b"chunked", b""}


def behind_the_last_chunk(method: str, raw: bytes, found: Outcome) -> bool:
    return re.search(rb"\n0+[ \t]*(?:;[^\n]*)?\r\n", raw) is not None


# What we accept although h11 refuses it: its complaint, when, and why.
LENIENT: list[tuple[str, Callable[[str, bytes, Outcome], bool], str]] = [
    (
        "Transfer-Encoding|Content-Length",
        without_body,
        "RFC 9112, 6.3, rule 1: such an answer ends with its head, whatever these fields say",
    ),
    (
        "Transfer-Encoding|Content-Length",
        in_trailers,
        "RFC 9110, 6.5.1: fields that frame mean nothing in trailers, which are dropped",
    ),
    (
        r"illegal chunk header: bytearray\(b'[0-9a-fA-F]+[ \\t]+;",
        lambda method, raw, found: True,
        "RFC 9112, 7.1.1: blanks before the semicolon are part of the grammar",
    ),
    (
        "Only Transfer-Encoding: chunked is supported|multiple Transfer-Encoding headers",
        only_chunked,
        "all clients read identity, and chunked said twice",
    ),
    (
        "Content-Length",
        lambda method, raw, found: re.search(rb"(?i)\ntransfer-encoding:", raw) is not None,
        "RFC 9112, 6.3, rule 3: chunked wins, whatever the length says",
    ),
    (
        "without sending complete message body|peer unexpectedly closed connection",
        behind_the_last_chunk,
        "RFC 9112, 8: with the last chunk the body is complete",
    ),
]


@settings(max_examples=1000, deadline=None)
@given(damaged(), cuts)
def test_damaged(case: tuple[str, bytes], positions: list[int]) -> None:
    method, raw = case
    found, other = ours(method, cut(raw, positions)), by_h11(method, [raw])
    if found.refused:
        return
    if not other.refused:
        assert found == other
    elif not any(re.search(text, other.refused) and when(method, raw, found) for text, when, _ in LENIENT):
        raise AssertionError(f"h11 says {other.refused!r}, but we took it for {found}")


# What a strict reader refuses and clients read

OK = b"HTTP/1.1 200 OK\r\n"
TE = b"Transfer-Encoding: "
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = TE + b"chunked\r\n"
LENGTH = b"Content-Length: 5\r\n"
LIBERAL = {
    "`Transfer-Encoding: identity`, until close": OK + TE + b"identity\r\n\r\nhello",
    "`Transfer-Encoding: identity`, a length": OK + TE + b"identity\r\n" + LENGTH + b"\r\nhello",
    "`Transfer-Encoding: chunked, chunked`": OK + TE + b"chunked, chunked\r\n\r\n" + CHUNKS,
    "`Transfer-Encoding: chunked` in two lines": OK + CHUNKED + CHUNKED + b"\r\n" + CHUNKS,
    "`Transfer-Encoding: identity, chunked`": OK + TE + b"identity, chunked\r\n\r\n" + CHUNKS,
    "`Transfer-Encoding: , chunked,`": OK + TE + b", chunked,\r\n\r\n" + CHUNKS,
    "ESC and DEL in a value": OK + b"X: a\x1bb\x7f\r\n" + LENGTH + b"\r\nhello",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "chunked beside a length": OK + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "chunked beside a malformed length": OK + b"Content-Length: x\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "chunked beside two lengths": OK + LENGTH[:-3] + b"3\r\n" + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "last chunk, no empty line": OK + CHUNKED + b"\r\n" + CHUNKS[:-2],
    "last chunk, cut trailers": OK + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"X: y\r\nZ",
    "`Content-Encoding: none`": OK + b"Content-Encoding: none\r\n" + LENGTH + b"\r\nhello",
    "`Content-Encoding: UTF-8`": OK + b"Content-Encoding: UTF-8\r\n" + LENGTH + b"\r\nhello",
    "`Content-Encoding: x-new`": OK + b"Content-Encoding: x-new\r\n" + LENGTH + b"\r\nhello",
    "`Content-Encoding: none, gzip`": OK
    + b"Content-Encoding: none, gzip\r\n\r\n"
    + gzip.compress(b"hello"),
}  # fmt: skip


def by_aiohttp(url: str) -> bytes:
    async def read() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.read()

    return asyncio.run(read())


def by_urllib3(url: str) -> bytes:
    return urllib3.request("GET", url, retries=False).data


def by_httpx(url: str) -> bytes:
    return httpx.get(url).content


def by_curl(url: str) -> bytes:
    command = ["curl", "-sS", "--compressed", url]
    return subprocess.run(command, capture_output=True, check=True, timeout=20).stdout


def by_ours(url: str) -> bytes:
    return httpclient.get(url).content


CLIENTS: dict[str, Callable[[str], bytes]] = {
    "ours": by_ours, "aiohttp": by_aiohttp, "urllib3": by_urllib3, "httpx": by_httpx,
}  # fmt: skip
if shutil.which("curl"):
    CLIENTS["curl"] = by_curl


def readings() -> Iterable[tuple[str, dict[str, str]]]:
    """What each client makes of each form."""
    for form, raw in LIBERAL.items():
        found = {}
        outcome = by_h11("GET", [raw])
        found["h11"] = "refuses" if outcome.refused else "reads"
        if outcome.body not in (b"", b"hello") and "gzip" not in form:
            found["h11"] = f"otherwise: {outcome.body!r}"
        for client, read in CLIENTS.items():
            with Server(raw) as server:
                try:
                    body = read(server.url)
                    found[client] = "reads" if body == b"hello" else f"otherwise: {body[:20]!r}"
                except Exception:
                    found[client] = "refuses"
        yield form, found


def test_liberal(report: Callable[[str], None]) -> None:
    """Ours reads them all; whoever reads them reads the same, but for what is listed here."""
    otherwise = []
    for form, found in readings():
        assert found["ours"] == "reads", (form, found)
        assert "reads" in {found[name] for name in found if name != "ours"}, (form, found)
        otherwise += [f"{form}: {name} {how}" for name, how in found.items() if "other" in how]
    for line in otherwise:
        report(line)


@settings(max_examples=200, deadline=None)
@given(
    answers(framings=("chunked",)),
    st.sampled_from([
        b"chunked, chunked", b"identity,chunked", b"Chunked\r\nTransfer-Encoding: chunked",
        b"chunked\r\nContent-Length: x", b"chunked\r\nContent-Length: 1\r\nContent-Length: 2",
    ]),
    cuts,
)
def test_liberal_forms_mean_what_strict_ones_do(
    answer: Answer, words: bytes, positions: list[int]
) -> None:
    strict = re.sub(rb"(?i)chunked\r", b"chunked\r", answer.raw, count=1)
    liberal = re.sub(rb"(?i)chunked\r", words + b"\r", answer.raw, count=1)
    found = ours(answer.method, cut(answer.interim + liberal, positions))
    assert found == ours(answer.method, [answer.interim + strict])


def main() -> None:
    rows = [*readings()]
    clients = list(rows[0][1])
    print("| the answer |", " | ".join(clients), "|")
    print("| --- |", " | ".join("---" for _ in clients), "|")
    for form, found in rows:
        print(f"| {form} |", " | ".join(found[client] for client in clients), "|")


if __name__ == "__main__":
    main()
