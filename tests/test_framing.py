"""How an answer is framed (RFC 9112), cut short, or compressed: by `request` and by the clients alike."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import unittest
import zlib
from collections.abc import Iterable
from unittest import mock

import httpclient
from httpclient import (
    BodyError,
    ConnectError,
    HTTPClientError,
    ProtocolError,
    ProxyError,
    ResponseParser,
)
from sse import SSEConnectionError, SSEEventTooLargeError, SSEHTTPError
from tests.server import CHUNKED, LAST_CHUNK, Connection, Script, Server, chunk, head
from tests.worlds import World, in_all_ways, in_both_worlds

BODY = b"data: x\n\n"  # 9 bytes
LENGTH = "Content-Length: 9"
OK = b"HTTP/1.1 200 OK\r\n"
FRAMED = b"Content-Length: 9\r\n\r\n" + BODY

# Answers in good order. All of them say BODY.
GOOD: dict[str, bytes] = {
    "length": head(LENGTH) + BODY,
    "length with zeros": head("Content-Length: 0009") + BODY,
    "length in capitals": head("CONTENT-LENGTH:9") + BODY,
    "chunks": head(CHUNKED) + chunk(BODY) + LAST_CHUNK,
    "chunks of a byte": head(CHUNKED) + b"".join(chunk(bytes([byte])) for byte in BODY) + LAST_CHUNK,
    "chunked in capitals": head("TRANSFER-ENCODING:Chunked") + chunk(BODY) + LAST_CHUNK,
    "size with zeros": head(CHUNKED) + b"0000009\r\n" + BODY + b"\r\n000\r\n\r\n",
    "size in small hex": head(CHUNKED) + chunk(b":\n" + BODY[:8]) + chunk(BODY[8:]) + LAST_CHUNK,
    "size in capital hex": head(CHUNKED) + b"B\r\n:\n" + BODY + b"\r\n" + LAST_CHUNK,
    "chunk extensions": head(CHUNKED) + b'9;a;b=c;d="e;\tf"\r\n' + BODY + b"\r\n0;last\r\n\r\n",
    "white space before an extension": head(CHUNKED) + b"9 ; a = b\r\n" + BODY + b"\r\n" + LAST_CHUNK,
    "trailers": head(CHUNKED) + chunk(BODY) + b"0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n",
    "until close": head() + BODY,
    "until close, said to keep alive": head("Connection: keep-alive") + BODY,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "HTTP/1.0 with a length": b"HTTP/1.0 200 OK\r\n" + FRAMED,
    "no reason": b"HTTP/1.1 200 \r\n" + FRAMED,
    "no reason and no space": b"HTTP/1.1 200\r\n" + FRAMED,
    "reason in Latin-1": b"HTTP/1.1 200 Gr\xfc\xdfe\r\n" + FRAMED,
    "one 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" + head(LENGTH) + BODY,
    "several 1xx": b"HTTP/1.1 102 x\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n"
    + head(LENGTH)
    + BODY,
    "empty header value": head("X-Empty:", "X-Blank:   ", LENGTH) + BODY,
    "white space around values": head("X-Tabbed:\t a\t", "Content-Length: \t9 \t") + BODY,
    "bytes beyond ASCII in a value": b"HTTP/1.1 200 OK\r\nX: caf\xe9 \xe2\x9c\x93\r\n" + FRAMED,
    "folded value": head("X-Folded: a", " b", "\tc", LENGTH) + BODY,
    "value folded by a tab": head("X-Folded: a", "\tb", LENGTH) + BODY,
    "bare LF in the head": (head(LENGTH).replace(b"\r\n", b"\n")) + BODY,
    "many headers": head(*(f"X-{number}: {number}" for number in range(90)), LENGTH) + BODY,
    "a large header": head("X-Large: " + "x" * 8000, LENGTH) + BODY,
    "more than the length says": head(LENGTH) + BODY + b"data: smuggled\n\n",
    "more after the last chunk": head(CHUNKED) + chunk(BODY) + LAST_CHUNK + chunk(BODY),
    "coding identity": head(LENGTH, "Content-Encoding: identity") + BODY,
    # What a strict reader refuses, and all clients read.
    "control characters in a value": b"HTTP/1.1 200 OK\r\nX: a\x01\x1b\x1f\x7fb\r\n" + FRAMED,
    "control characters in the reason": b"HTTP/1.1 200 \x01O\x7fK\r\n" + FRAMED,
    "control characters in a trailer": head(CHUNKED) + chunk(BODY) + b"0\r\nX: \x01\r\n\r\n",
    "chunked and empty members": head("Transfer-Encoding: , chunked ,") + chunk(BODY) + LAST_CHUNK,
    "chunked twice": head("Transfer-Encoding: chunked, chunked") + chunk(BODY) + LAST_CHUNK,
    "chunked in two lines": head(CHUNKED, CHUNKED) + chunk(BODY) + LAST_CHUNK,
    "chunked and identity": head("Transfer-Encoding: identity, chunked") + chunk(BODY) + LAST_CHUNK,
    "chunked in HTTP/1.0": head(CHUNKED).replace(b"/1.1", b"/1.0") + chunk(BODY) + LAST_CHUNK,
    "chunked beside a length": head(LENGTH, CHUNKED) + chunk(BODY) + LAST_CHUNK,
    "chunked beside a bad length": head(CHUNKED, "Content-Length: x") + chunk(BODY) + LAST_CHUNK,
    "chunked beside two lengths": head("Content-Length: 1", CHUNKED, LENGTH)
    + chunk(BODY)
    + LAST_CHUNK,
    "transfer coding identity": head("Transfer-Encoding: Identity", LENGTH) + BODY,
    "until close, transfer coding identity": head("Transfer-Encoding: identity") + BODY,
    "until close, after the last chunk": head(CHUNKED) + chunk(BODY) + b"0\r\n",
    "until close, within the trailers": head(CHUNKED) + chunk(BODY) + b"0;last\r\nX: y\r\nZ",
} | {
    f"coding {coding!r}": head(LENGTH, f"Content-Encoding: {coding}") + BODY
    for coding in ("none", "UTF-8", "", "X-New", "utf-8, none", "identity, identity", "aws-chunked")
}  # fmt: skip
# Those whose end is told by the connection alone.
BY_CLOSE = {name for name in GOOD if name.startswith("until close") or name == "HTTP/1.0"}
# Those in which no more than the rest of the trailers is missing then.
BY_LAST_CHUNK = {"until close, after the last chunk", "until close, within the trailers"}

BAD_HEADS: dict[str, bytes] = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "another protocol": b"FTP/1.1 200 OK\r\n" + FRAMED,
    "protocol in small letters": b"http/1.1 200 OK\r\n" + FRAMED,
    "HTTP/0.9": b"<html>\r\n\r\n</html>",
    "HTTP/2": b"HTTP/2 200 OK\r\n" + FRAMED,
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n" + FRAMED,
    "version of two digits": b"HTTP/1.10 200 OK\r\n" + FRAMED,
    "no status": b"HTTP/1.1\r\n" + FRAMED,
    "status of two digits": b"HTTP/1.1 20 OK\r\n" + FRAMED,
    "status of four digits": b"HTTP/1.1 2000 OK\r\n" + FRAMED,
    "status below 100": b"HTTP/1.1 099 OK\r\n" + FRAMED,
    "status of letters": b"HTTP/1.1 abc OK\r\n" + FRAMED,
    "status with a sign": b"HTTP/1.1 +20 OK\r\n" + FRAMED,
    "status of other digits": "HTTP/1.1 ２００ OK\r\n".encode() + FRAMED,
    "two spaces": b"HTTP/1.1  200 OK\r\n" + FRAMED,
    "tab": b"HTTP/1.1\t200 OK\r\n" + FRAMED,
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\n" + FRAMED,
    "no colon": OK + b"X-Header\r\n" + FRAMED,
    "no name": OK + b": x\r\n" + FRAMED,
    "space before the colon": OK + b"X-Header : x\r\n" + FRAMED,
    "space in a name": OK + b"X Header: x\r\n" + FRAMED,
    "space before the first name": OK + b" X-Header: x\r\n" + FRAMED,
    "byte beyond ASCII in a name": OK + b"X\xe9: x\r\n" + FRAMED,
    "NUL in a value": OK + b"X: a\0b\r\n" + FRAMED,
    "VT in a value": OK + b"X: a\x0bb\r\n" + FRAMED,
    "FF in the reason": b"HTTP/1.1 200 O\x0cK\r\n" + FRAMED,
    "CR in a value": OK + b"X: a\rb\r\n" + FRAMED,
    "CR before the line end": OK + b"X: a\r\r\n" + FRAMED,
    "two lengths": OK + b"Content-Length: 8\r\n" + FRAMED,
    "two lengths in one": OK + b"Content-Length: 9, 8\r\n\r\n" + BODY,
    "unknown transfer coding": OK + b"Transfer-Encoding: gzip\r\n\r\n" + BODY,
    "transfer coding with another": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk(BODY) + LAST_CHUNK,
    "chunked not last": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + chunk(BODY) + LAST_CHUNK,
    "identity and another": OK + b"Transfer-Encoding: identity, gzip\r\n\r\n" + BODY,
    "nearly chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n" + chunk(BODY) + LAST_CHUNK,
    "chunked with a tail": OK + b"Transfer-Encoding: chunked\x0b\r\n\r\n" + chunk(BODY) + LAST_CHUNK,
    "no transfer coding": OK + b"Transfer-Encoding:\r\n\r\n" + chunk(BODY) + LAST_CHUNK,
} | {
    f"length {length!r}": OK + b"Content-Length: %b\r\n\r\n" % length.encode() + BODY
    for length in ("+9", "-9", "-0", "0x9", "1_0", "", "9 9", "9.0", "9e0", "９", "٩", "9;", "nine", "9" * 5000)
}  # fmt: skip

BAD_CHUNKS: dict[str, bytes] = {
    f"size {size!r}": size + b"\r\n" + BODY + b"\r\n" + LAST_CHUNK
    for size in (b"+9", b"-9", b"0x9", b"9_", b"0_9", b"", b" 9", b"g", b"9.0", b"9,", b"\xd9\xa9", b"9\x0b", b"\x009")
} | {
    "size of a thousand digits": b"9" * 1000 + b"\r\n" + BODY,
    "size beyond all bounds": b"F" * 17 + b"\r\n" + BODY,
    "data longer than its size": b"8\r\n" + BODY + b"\r\n" + LAST_CHUNK,
    "no line end after the data": b"9\r\n" + BODY + LAST_CHUNK,
    "a size that came before in its place": 2 * (b"09\r\n" + BODY) + b"\r\n" + LAST_CHUNK,
    "bare LF alone": b"9\n" + BODY + b"\n",  # no CRLF follows
    "bare LF after the size": b"9\n" + BODY + b"\r\n" + LAST_CHUNK,
    "bare LF after the data": b"9\r\n" + BODY + b"\n" + LAST_CHUNK,
    "bare LF in an extension": b"9;a\nb\r\n" + BODY + b"\r\n" + LAST_CHUNK,
    "bare CR in an extension": b"9;a\rb\r\n" + BODY + b"\r\n" + LAST_CHUNK,
    "NUL in an extension": b"9;a\0b\r\n" + BODY + b"\r\n" + LAST_CHUNK,
    "malformed trailer": chunk(BODY) + b"0\r\nno colon\r\n\r\n",
}

CUT: dict[str, bytes] = {
    "in a length": head("Content-Length: 10") + BODY,
    "right after the head": head("Content-Length: 10"),
    "in HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n" + BODY,
    "before the last chunk": head(CHUNKED) + chunk(BODY),
    "in a size": head(CHUNKED) + b"9",
    "in an extension": head(CHUNKED) + b"9;a",
    "in a chunk": head(CHUNKED) + b"9\r\nda",
    "after a chunk's data": head(CHUNKED) + b"9\r\n" + BODY,
    "in the last chunk": head(CHUNKED) + chunk(BODY) + b"0",
    "in the line end of the last chunk": head(CHUNKED) + chunk(BODY) + b"0\r",
}


def dripped(data: bytes) -> Script:
    return lambda conn: conn.drip(data)


def held_open(data: bytes) -> Script:
    def script(conn: Connection) -> None:
        conn.send(data)
        conn.stall()

    return script


def endless(start: bytes, pieces: Iterable[bytes]) -> Script:
    """Sends without end, or until the client has had enough."""

    def script(conn: Connection) -> None:
        conn.send(start)
        while True:
            for piece in pieces:
                conn.send(piece * 100)

    return script


@in_all_ways
class Framing(World):
    def outcomes(self, scripts: dict[str, Script]) -> Iterable[tuple[str, str]]:
        """For each script the name of it, and the body or the class of the error."""
        with Server(*scripts.values()) as server:
            for name in scripts:
                try:
                    yield name, repr(self.fetch(server.url).data)
                except HTTPClientError as error:
                    self.assertTrue(str(error))
                    self.assertIsInstance(error, ConnectionError)
                    yield name, type(error).__name__

    def assert_outcome(self, scripts: dict[str, Script], expected: str) -> None:
        self.assertEqual([*self.outcomes(scripts)], [(name, expected) for name in scripts])

    def test_good_answers(self) -> None:
        scripts: dict[str, Script] = {name: lambda conn, data=data: conn.send(data) for name, data in GOOD.items()}
        self.assert_outcome(scripts, "['x']")

    def test_good_answers_byte_by_byte(self) -> None:
        self.assert_outcome({name: dripped(GOOD[name]) for name in GOOD if "large" not in name}, "['x']")

    def test_the_end_of_the_body_is_the_end(self) -> None:
        """Also where the server keeps the connection open."""
        self.assert_outcome({name: held_open(GOOD[name]) for name in GOOD.keys() - BY_CLOSE}, "['x']")

    def test_malformed_heads(self) -> None:
        self.assert_outcome({name: held_open(data) for name, data in BAD_HEADS.items()}, "ProtocolError")

    def test_blanks_that_are_wrong_are_shown(self) -> None:
        for answer, shown in (
            (b"\r\n" + OK + b"\r\n", r"'\r\nHTTP/1.1 200 OK"),
            (b"HTTP/1.1  200 OK\r\n\r\n", "'HTTP/1.1  200 OK"),
            (OK + b"X : y\r\n\r\n", "'X '"),
            (head(CHUNKED) + b" 5\r\n", "' 5'"),
        ):
            with self.subTest(answer), Server(answer) as server:
                with self.assertRaises(HTTPClientError) as caught:
                    self.fetch(server.url)
                self.assertIn(shown, str(caught.exception))

    def test_a_malformed_header_is_named_without_its_value(self) -> None:
        long = b"Set-Cookie" + b"x" * 30 + b"s3cret: a\0"
        for line in (b"Set-Cookie: s3cret\0", b"Set-Cookie: a\0s3cret:", long):
            for script in (OK + line + b"\r\n\r\n", head(CHUNKED) + b"0\r\n" + line + b"\r\n\r\n"):
                with self.subTest(script), Server(script) as server:
                    with self.assertRaises(HTTPClientError) as caught:
                        self.fetch(server.url)
                    self.assertIn("Set-Cookie", str(caught.exception))
                    self.assertNotIn("s3cret", str(caught.exception))

    def test_malformed_chunks(self) -> None:
        scripts = {name: held_open(head(CHUNKED) + data) for name, data in BAD_CHUNKS.items()}
        self.assert_outcome(scripts, "BodyError")

    def test_cut_bodies(self) -> None:
        self.assert_outcome({name: lambda conn, d=data: conn.send(d) for name, data in CUT.items()}, "BodyError")

    def test_cut_heads(self) -> None:
        whole = head("X: y", LENGTH)
        scripts: dict[str, Script] = {
            f"after {size} bytes": lambda conn, size=size: conn.send(whole[:size]) for size in range(len(whole))
        }
        self.assert_outcome(scripts, "ConnectError")

    def test_a_body_cut_without_close_notify(self) -> None:
        """A length and chunks say where the body ends; without them it is TLS that says it."""
        for name, data in GOOD.items():
            with self.subTest(name), Server(lambda conn, data=data: (conn.send(data), conn.cut()), tls=True) as server:
                if name in BY_CLOSE - BY_LAST_CHUNK:
                    with self.assertRaises(BodyError):
                        self.fetch(server.url, verify=False)
                else:
                    self.assertEqual(self.fetch(server.url, verify=False).data, ["x"])

    def test_a_head_cut_over_tls(self) -> None:
        for end in (Connection.cut, Connection.close, Connection.reset):
            with self.subTest(end), Server(lambda conn, end=end: (conn.send(OK), end(conn)), tls=True) as server:
                with self.assertRaises(ConnectError):
                    self.fetch(server.url, verify=False)

    def test_good_answers_over_tls(self) -> None:
        with Server(*GOOD.values(), tls=True) as server:
            for name in GOOD:
                with self.subTest(name):
                    self.assertEqual(self.fetch(server.url, verify=False).data, ["x"])

    def test_lines_of_blanks(self) -> None:
        """Malformed at their very end, which takes a careless pattern half a minute to find out."""
        blanks = b" " * 65_000 + b"\0\r\n\r\n"
        self.assert_outcome({"head": OK + b"a:" + blanks, "status line": OK[:-4] + blanks}, "ProtocolError")
        scripts: dict[str, Script] = {
            "trailer": head(CHUNKED) + b"0\r\na:" + blanks,
            "chunk extension": head(CHUNKED) + b"9" + blanks,
            "value of a chunk extension": head(CHUNKED) + b"9;a=" + blanks,
        }
        self.assert_outcome(scripts, "BodyError")

    def test_what_has_no_end(self) -> None:
        numbers = (b"X-%d: y\r\n" % number for number in itertools.count())
        scripts: dict[str, tuple[Script, type[HTTPClientError] | tuple[type[HTTPClientError], ...]]] = {
            "status line": (endless(b"HTTP/1.1 200 ", [b"x"]), ProtocolError),
            "no line at all": (endless(b"", [b"x"]), ProtocolError),
            "header line": (endless(OK, [b"x"]), ProtocolError),
            "header value": (endless(OK + b"X: ", [b"x"]), ProtocolError),
            "folded value": (endless(OK + b"X: y\r\n", [b" y\r\n"]), ProtocolError),
            "headers": (endless(OK, numbers), ProtocolError),
            "1xx": (endless(b"", [b"HTTP/1.1 100 Continue\r\n\r\n"]), ProtocolError),
            "empty lines": (endless(b"", [b"\r\n"]), ProtocolError),
            "size": (endless(head(CHUNKED), [b"0"]), (BodyError, ProtocolError)),
            "chunk extension": (endless(head(CHUNKED) + b"1;", [b"x"]), (BodyError, ProtocolError)),
            "trailers": (endless(head(CHUNKED) + b"0\r\n", [b"x: y\r\n"]), (BodyError, ProtocolError)),
            "trailer": (endless(head(CHUNKED) + b"0\r\nX: ", [b"y"]), (BodyError, ProtocolError)),
        }
        for name, (script, expected) in scripts.items():
            with self.subTest(name), Server(script) as server:
                tracemalloc.start()
                try:
                    with self.assertRaises(expected):
                        self.fetch(server.url)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                self.assertLess(peak, 8 * 2**20)


@in_both_worlds
class LastChunk(World):
    """With it the body is complete, whatever becomes of the connection then."""

    def test_lost_or_cut_behind_it(self) -> None:
        packed = gzip.compress(BODY)
        for tls, end, tail in itertools.product(
            (False, True), (Connection.close, Connection.cut, Connection.reset), (b"0\r\n", b"0;last\r\nX: y\r\nZ")
        ):
            for body, lines in ((BODY, [CHUNKED]), (packed, [CHUNKED, "Content-Encoding: gzip"])):

                def script(conn: Connection, data: bytes = head(*lines) + chunk(body) + tail, end: Script = end) -> None:
                    conn.send(data)
                    conn.wait("read")
                    end(conn)

                with self.subTest(tls=tls, end=end.__name__, tail=tail, lines=lines):
                    with Server(script, tls=tls) as server:
                        with self.get(server.url, stream=True, verify=False) as response:
                            pieces = response.iter_bytes()
                            self.assertEqual(next(pieces), BODY)
                            server.signal("read")
                            self.assertEqual(list(pieces), [])
                    with Server(script, tls=tls) as server:
                        with self.connect(server.url, reconnect=False, verify=False) as client:
                            self.assertEqual(next(client).data, "x")
                            server.signal("read")
                            self.assertEqual(list(client), [])

    def test_what_is_wrong_before_or_behind_it_stays_wrong(self) -> None:
        packed = gzip.compress(BODY)[:-1]
        for data in (
            head(CHUNKED, "Content-Encoding: gzip") + chunk(packed) + b"0\r\n",
            head(CHUNKED) + chunk(BODY) + b"0\r\nno colon\r\n\r\n",
            head(CHUNKED) + chunk(BODY) + b"0\r",
            head("Content-Length: 10") + BODY,
        ):
            with self.subTest(data), Server(lambda conn, d=data: (conn.send(d), conn.cut()), tls=True) as server:
                self.assertRaises(BodyError, self.get, server.url, verify=False)


@in_both_worlds
class Bodiless(World):
    """Answers whose headers speak of a body that does not come. The server keeps the connection open."""

    def test_status(self) -> None:
        for status in ("204 x", "304 x"):
            for line in (LENGTH, CHUNKED, "X: y"):
                script = held_open(head(line, status=status))
                with self.subTest(status=status, line=line), Server(script) as server:
                    with self.get(server.url, stream=True) as response:
                        self.assertEqual(response.read(), b"")

    def test_none_in_any_coding(self) -> None:
        """What is not there need not be decoded."""
        for coding in ("gzip", "br", "zstd"):
            for script in (head("Content-Length: 0", f"Content-Encoding: {coding}"),
                           head(CHUNKED, f"Content-Encoding: {coding}") + LAST_CHUNK,
                           head(f"Content-Encoding: {coding}", status="204 x")):  # fmt: skip
                with self.subTest(script), Server(script) as server:
                    self.assertEqual(self.get(server.url).content, b"")

    def test_head(self) -> None:
        for line in (LENGTH, CHUNKED, "X: y", "Content-Encoding: gzip", "Content-Encoding: br"):
            with self.subTest(line=line), Server(held_open(head(line))) as server:
                with self.request("HEAD", server.url, stream=True) as response:
                    self.assertEqual(([*response.iter_bytes()], response.status_code), ([], 200))

    def test_no_content_by_connect(self) -> None:
        for line in (LENGTH, CHUNKED, "X: y"):
            script = held_open(head(line, status="204 x"))
            with self.subTest(line=line), Server(script) as server, self.connect(server.url) as client:
                self.assertEqual(list(client), [])


@in_both_worlds
class Unframed(World):
    """Answers that do not tell where their body ends, by what is known here: it is not read."""

    LINES = ("Transfer-Encoding: gzip, chunked", "Content-Length: nine", "Content-Length: 9, 8")

    def test_their_status_counts(self) -> None:
        for line in self.LINES:
            with self.subTest(line), Server(head(line, status="401 No") + BODY, repeat=True) as server:
                with self.assertRaises(SSEHTTPError) as caught, self.connect(server.url):
                    pass
                self.assertEqual((caught.exception.status_code, caught.exception.body), (401, b""))
                with self.get(server.url, stream=True) as response:
                    self.assertEqual(response.status_code, 401)
                    self.assertRaises(ProtocolError, response.read)
            busy = head(line, status="503 Busy") + BODY
            with self.subTest(line), Server(busy, head(LENGTH) + BODY) as server:
                with self.connect(server.url, retry_on_status={503}) as client:
                    self.assertEqual(next(client).data, "x")
            moved = head(line, "Location: /there", status="302 Found")
            with self.subTest(line), Server(moved, head(LENGTH) + BODY) as server:
                self.assertEqual(self.get(server.url).content, BODY)
            with self.subTest(line), Server(head(line, status="407 Who")) as proxy:
                with self.assertRaisesRegex(ProxyError, "refused: 407 Who"):
                    self.get("https://service.test/", proxy=proxy.url)

    def test_a_stream_is_refused_for_good(self) -> None:
        for line in self.LINES:
            with self.subTest(line), Server(head(line) + BODY) as server:
                client = self.connect(server.url)
                with self.assertRaisesRegex(SSEConnectionError, "not supported|values of Content-Length"), client:
                    next(client)
                self.assertEqual((len(server.requests), client.waits, client.state), (1, [], "closed"))


def compressed(kind: str, *pieces: bytes) -> list[bytes]:
    """The pieces as a server sends them that flushes after each; the last one also ends the coding."""
    window = {"gzip": 31, "zlib": 15, "raw": -15}[kind]
    coder = zlib.compressobj(wbits=window)
    blocks = [coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*blocks, coder.flush()]


CODINGS = {"gzip": "gzip", "zlib": "deflate", "raw": "deflate"}


@in_all_ways
class Codings(World):
    def test_whole(self) -> None:
        body = BODY * 100
        for kind, coding in CODINGS.items():
            packed = b"".join(compressed(kind, body))
            for script in (
                head(f"Content-Length: {len(packed)}", f"Content-Encoding: {coding}") + packed,
                head(CHUNKED, f"Content-Encoding: {coding.upper()}") + chunk(packed) + LAST_CHUNK,
                head(f"Content-Encoding: {coding}") + packed,
                dripped(head(f"Content-Encoding: {coding}") + packed),
            ):
                with self.subTest(kind), Server(script) as server:
                    self.assertEqual(self.fetch(server.url).data, ["x"] * 100)

    def test_x_gzip(self) -> None:
        with Server(head("Content-Encoding: x-gzip") + gzip.compress(BODY)) as server:
            self.assertEqual(self.fetch(server.url).data, ["x"])

    def test_several_members(self) -> None:
        packed = gzip.compress(BODY) + gzip.compress(b"") + gzip.compress(BODY)
        for script in (head("Content-Encoding: gzip") + packed, dripped(head("Content-Encoding: gzip") + packed)):
            with Server(script) as server:
                self.assertEqual(self.fetch(server.url).data, ["x", "x"])

    def test_padded(self) -> None:
        """What gzip(1) and other clients pass over behind the end: zeros, a line end of the server's."""
        for kind, coding in CODINGS.items():
            packed = b"".join(compressed(kind, BODY))
            for padding in (b"\n", b"\r\n", bytes(1000), b" \t\0\n"):
                for script in (
                    head(f"Content-Encoding: {coding}") + packed + padding,
                    head(CHUNKED, f"Content-Encoding: {coding}") + chunk(packed) + chunk(padding) * 3 + LAST_CHUNK,
                    dripped(head(f"Content-Encoding: {coding}") + packed + padding[:9]),
                ):
                    with self.subTest(kind, padding=padding), Server(script) as server:
                        self.assertEqual(self.fetch(server.url).data, ["x"])
        packed = gzip.compress(BODY) + bytes(9)
        for script in (head("Content-Encoding: gzip") + 3 * packed, dripped(head("Content-Encoding: gzip") + 3 * packed)):
            with Server(script) as server:
                self.assertEqual(self.fetch(server.url).data, ["x", "x", "x"])

    def test_cut_short(self) -> None:
        """By its own account, although the framing is whole."""
        for kind, coding in CODINGS.items():
            packed = b"".join(compressed(kind, BODY))
            for size in range(1, len(packed)):
                script = head(CHUNKED, f"Content-Encoding: {coding}") + chunk(packed[:size]) + LAST_CHUNK
                with self.subTest(kind, size=size), Server(script) as server, self.assertRaises(BodyError):
                    self.fetch(server.url)

    def test_broken(self) -> None:
        for coding in ("gzip", "deflate"):
            packed = b"".join(compressed("gzip", BODY))
            for data in (b"data: x\n\n", packed[:20] + b"\xff" * 20, b"\x1f\x8b" + bytes(20)):
                with self.subTest(coding, data=data), Server(head(f"Content-Encoding: {coding}") + data) as server:
                    with self.assertRaises(BodyError):
                        self.fetch(server.url)

    def test_what_comes_before_the_break_is_read(self) -> None:
        """However the bytes were cut."""
        packed = zlib.compress(BODY)
        for broken, why in (
            (packed + b"more", "goes on after the end of its deflate stream"),
            (packed + gzip.compress(BODY), "goes on after the end of its deflate stream"),
            (packed + b"\r\n" + packed, "goes on after the end of its deflate stream"),
            (gzip.compress(BODY) + b"\r\nmore", "is not valid gzip"),
            (gzip.compress(BODY)[:-8] + bytes(8), "is not valid gzip"),
        ):
            coding = "deflate" if broken.startswith(packed) else "gzip"
            for size in (1, len(broken)):
                with self.subTest(coding, size=size):
                    parser = ResponseParser()
                    parser.feed(head(f"Content-Encoding: {coding}"))
                    got = b""
                    with self.assertRaisesRegex(BodyError, why):
                        for start in range(0, len(broken), size):
                            parser.feed(broken[start : start + size])
                            while data := parser.read():
                                got += data
                    self.assertEqual(got, BODY)

    def test_others_are_refused_by_name(self) -> None:
        for coding in (
            "br", "zstd", "compress", "X-Compress", "dcb", "DCZ", "gzip, br", "br, none",
            "gzip, gzip",
        ):  # fmt: skip
            with self.subTest(coding), Server(head(f"Content-Encoding: {coding}") + BODY) as server:
                with self.assertRaises(ProtocolError) as caught:
                    self.fetch(server.url)
                self.assertIn(f"'{coding.lower().removesuffix(', none')}'", str(caught.exception))

    def test_a_word_that_is_none_beside_one_that_is(self) -> None:
        for coding in ("none, gzip", "gzip, UTF-8"):
            script = head(f"Content-Encoding: {coding}") + gzip.compress(BODY)
            with self.subTest(coding), Server(script) as server:
                self.assertEqual(self.fetch(server.url).data, ["x"])


@in_both_worlds
class CodingsStreamed(World):
    def test_each_event_arrives_when_it_was_flushed(self) -> None:
        for kind, coding in CODINGS.items():
            blocks = compressed(kind, *(b"data: %d\n\n" % number for number in range(5)))

            def script(conn: Connection, blocks: list[bytes] = blocks, coding: str = coding) -> None:
                conn.send(head(CHUNKED, f"Content-Encoding: {coding}"))
                for number, block in enumerate(blocks):
                    conn.send(chunk(block))
                    conn.wait(str(number))
                conn.stall()

            with self.subTest(kind), Server(script) as server, self.connect(server.url) as client:
                for number in range(5):
                    self.assertEqual(next(client).data, str(number))
                    server.signal(str(number))

    def test_a_bomb_goes_off_step_by_step(self) -> None:
        size = 30_000_000
        packed = b"".join(compressed("gzip", bytes(size)))
        with Server(head("Content-Encoding: gzip") + packed) as server:
            with self.get(server.url, stream=True) as response:
                tracemalloc.start()
                try:
                    total = sum(map(len, response.iter_bytes()))
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
        self.assertEqual(total, size)
        self.assertLess(peak, 8 * 2**20)

    def test_a_bomb_of_an_event_stops_at_the_limit(self) -> None:
        packed = b"".join(compressed("gzip", b"data: " + bytes(30_000_000)))
        with Server(head("Content-Encoding: gzip") + packed) as server:
            tracemalloc.start()
            try:
                with self.assertRaises(SSEEventTooLargeError), self.connect(server.url, max_event_size=1_000_000) as c:
                    next(c)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        self.assertLess(peak, 16 * 2**20)


class Pieces(unittest.TestCase):
    """What comes in small pieces is not looked at again with each of them."""

    FIELDS = b"a:\n" * 20_000

    def outcome(self, parser: ResponseParser, data: bytes) -> bytes | None:
        for position in range(len(data)):
            parser.feed(data[position : position + 1])
            if parser.status_code:
                body = parser.read()
        return body

    def looked_at(self, start: bytes, end: bytes) -> int:
        """How many bytes are searched for the end of head or trailers in all."""
        pattern, looked = httpclient._HEAD_END, 0

        def search(data: bytes, position: int = 0) -> object:
            nonlocal looked
            looked += len(data) - max(position, 0)
            return pattern.search(data, position)

        with mock.patch("httpclient._HEAD_END", mock.Mock(search=search)):
            self.assertEqual(self.outcome(ResponseParser(), start + self.FIELDS + end), b"")
        return looked

    def test_a_head(self) -> None:
        self.assertLess(self.looked_at(OK, b"Content-Length: 0\n\r\n"), 5 * len(self.FIELDS))

    def test_trailers(self) -> None:
        self.assertLess(self.looked_at(head(CHUNKED) + b"0\r\n", b"\r\n"), 5 * len(self.FIELDS))

    def test_before_the_head_there_is_nothing_to_read(self) -> None:
        parser = ResponseParser()
        self.assertIsNone(parser.read())
        self.assertIsNone(parser.receive(OK[:9]))
        self.assertEqual(parser.receive(OK[9:] + b"\r\nx"), b"x")
        self.assertRaises(ConnectError, ResponseParser().feed, b"")

    def test_interim_answers_without_end_are_told_from_one_large_head(self) -> None:
        for head_, text in ((OK + 70000 * b"x", "the head of the answer is"), (6000 * b"HTTP/1.1 100\r\n\r\n", "1xx")):
            with self.assertRaisesRegex(ProtocolError, text):
                ResponseParser().feed(head_)

    def test_each_end_is_found_wherever_it_is_cut(self) -> None:
        for end in (b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"):
            start = OK[:-2] + b"\nTransfer-Encoding: chunked" + end + b"0\r\nX: y"
            for size in range(1, len(start + end)):
                parser = ResponseParser()
                parser.feed(b"HTTP/1.1 103 x" + end + (start + end)[:size])
                if parser.status_code:
                    self.assertIsNone(parser.read())
                parser.feed((start + end)[size:])
                self.assertEqual(parser.read(), b"", (end, size))


class Receive(unittest.TestCase):
    """`receive`, with its short cut, agrees with `feed` and `read`, whatever comes before and after."""

    PIECES = (
        chunk(BODY), chunk(BODY)[:-1], chunk(BODY)[:-2], chunk(BODY) + b"9", chunk(BODY)[:5], b"\n", b"\r\n", b"9\r\n",
        BODY, b"9\r\n" + BODY + b"xx", b"9;a=b\r\n" + BODY + b"\r\n", b"+9\r\n" + BODY + b"\r\n",
        chunk(BODY) + chunk(BODY), LAST_CHUNK, chunk(chunk(BODY)),
    )  # fmt: skip

    def outcome(self, pieces: Iterable[bytes], short_cut: bool, headers: str) -> list[object]:
        parser, got = ResponseParser(), []
        parser.feed(head(headers))
        got.append(parser.read())
        parser.feed(chunk(BODY))  # whose size is known from now on
        try:
            while got[-1] != b"" and (got[-1] or not parser.pending):
                got.append(parser.read())
            for piece in pieces:
                if short_cut:
                    data = parser.receive(piece)
                else:
                    parser.feed(piece)
                    data = parser.read()
                while data:
                    got.append(data)
                    data = parser.read() if parser.pending else None
                if data == b"":
                    break
        except HTTPClientError as error:
            got.append(str(error))
        return [b"".join(piece for piece in got if isinstance(piece, bytes)), got[-1]]

    def test_agrees(self) -> None:
        for headers in (CHUNKED, "Content-Length: 50", "X-Until: close"):
            for pieces in itertools.product(self.PIECES, repeat=3):
                if self.outcome(pieces, True, headers) != self.outcome(pieces, False, headers):
                    self.assertEqual(
                        self.outcome(pieces, True, headers), self.outcome(pieces, False, headers), (headers, pieces)
                    )
