"""`request` and its kin: what is sent, how it gets there, and what the response offers."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import gc
import gzip
import inspect
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpclient
from httpclient import (
    BodyError,
    CertificateError,
    ConnectError,
    HTTPClientError,
    InvalidRequestError,
    ProtocolError,
    ProxyError,
    RedirectError,
    RequestTimeout,
    StatusError,
)
from tests.server import (
    CA,
    CHUNKED,
    LAST_CHUNK,
    Connection,
    Script,
    Server,
    answer,
    chunk,
    head,
    redirect,
    refused_port,
    silent,
    stream,
    unanswered_port,
)
from tests.worlds import (
    AsyncWorld,
    World,
    in_all_ways,
    in_both_worlds,
    is_async,
    needs_prompt_finalizers,
    patiently,
)

HERE = answer("data: here\n\n")


@contextlib.contextmanager
def resolving(*addresses: tuple[str, int]) -> Iterator[list[str]]:
    """Every host name has these addresses. Yields the names that were asked for."""
    asked: list[str] = []
    answers = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in addresses
    ]

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        asked.append(host.decode() if isinstance(host, bytes) else host)
        return answers

    with mock.patch("socket.getaddrinfo", getaddrinfo):
        yield asked


def connected_to(port: int) -> list[socket.socket]:
    """The open sockets of clients of this server."""
    found = []
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket) and thing.fileno() >= 0:
            with contextlib.suppress(OSError):
                if thing.getpeername()[1:2] == (port,):
                    found.append(thing)
    return found


@in_both_worlds
class Responses(World):
    def test_whole(self) -> None:
        body = '{"name": "Grüße"}'
        script = answer(body, "X-A: 1", "X-B: 2", "x-a: 3", status="201 Made", type="application/json")
        with Server(script) as server:
            response = self.get(server.url + "/x?y=1")
        self.assertEqual((response.status_code, response.reason, response.ok), (201, "Made", True))
        self.assertEqual((response.http_version, response.url), ("HTTP/1.1", server.url + "/x?y=1"))
        self.assertEqual((response.content, response.text), (body.encode(), body))
        self.assertEqual(response.json(), {"name": "Grüße"})
        self.assertIs(response.raise_for_status() or response, response)

    def test_headers(self) -> None:
        with Server(answer("", "X-A: 1", "X-B: 2", "x-a: 3", "X-Last:")) as server:
            headers = self.get(server.url).headers
        self.assertEqual((headers["x-a"], headers["X-A"], headers["x-b"], headers["X-LAST"]), ("1, 3", "1, 3", "2", ""))
        self.assertEqual((headers.get_list("X-a"), headers.get_list("nope")), (["1", "3"], []))
        self.assertEqual((headers.get("nope"), headers.get("nope", "x"), "x-B" in headers), (None, "x", True))
        self.assertNotIn("nope", headers)
        with self.assertRaises(KeyError):
            headers["nope"]
        lines = [(name.lower(), value) for name, value in headers.items()]
        self.assertEqual([line for line in lines if line[0] == "x-a"], [("x-a", "1"), ("x-a", "3")])
        names = [name.lower() for name in headers]
        self.assertEqual((names, len(headers)), ([*dict.fromkeys(name for name, _ in lines)], len(names)))

    def test_http_version(self) -> None:
        with Server(b"HTTP/1.0 200 OK\r\n\r\nbody") as server:
            self.assertEqual(self.get(server.url).http_version, "HTTP/1.0")

    def test_statuses(self) -> None:
        for status, ok in (("200 x", True), ("299 x", True), ("400 x", False), ("404 x", False), ("599 x", False)):
            with self.subTest(status), Server(answer("why not", "X: y", status=status)) as server:
                response = self.get(server.url + "/path?s3cret")
                self.assertEqual(response.ok, ok)
                if not ok:
                    with self.assertRaises(StatusError) as caught:
                        response.raise_for_status()
                    self.assertIs(caught.exception.response, response if not is_async(self) else response.inner)
                    self.assertIn(status[:3], str(caught.exception))
                    self.assertIn("why not", str(caught.exception))
                    self.assertNotIn("s3cret", str(caught.exception))

    def test_the_connection_of_a_whole_response_is_closed(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(HERE)
            conn.stall()

        with Server(script) as server:
            response = self.get(server.url)
            server.wait_gone(1)
        self.assertEqual(response.content, b"data: here\n\n")

    def test_streamed(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED))
            for number in range(3):
                conn.send(chunk(str(number)))
                conn.wait(str(number))
            conn.stall()

        with Server(script) as server:
            with self.get(server.url, stream=True) as response:
                pieces = response.iter_bytes()
                for number in "012":
                    self.assertEqual(next(pieces), number.encode())
                    server.signal(number)
            server.wait_gone(1)

    def test_read(self) -> None:
        with Server(answer("x" * 1_000_000)) as server, self.get(server.url, stream=True) as response:
            self.assertEqual(response.read(), b"x" * 1_000_000)

    def test_iterated_after_it_was_read(self) -> None:
        for options in ({}, {"stream": True}):
            with self.subTest(**options), Server(answer("a\nb\n")) as server:
                with self.get(server.url, **options) as response:
                    response.read()
                    for _ in range(2):
                        self.assertEqual([*response.iter_lines()], ["a", "b"])
                        self.assertEqual([*response.iter_bytes()], [b"a\nb\n"])
        with Server(answer("")) as server:
            response = self.get(server.url)
            self.assertEqual(([*response.iter_lines()], [*response.iter_bytes()]), ([], []))

    def test_iterated_over_once(self) -> None:
        """What would give the rest only, or nothing, says so; the iteration itself goes on."""
        with Server(stream("a\nb\n", "c\nd\n")) as server, self.get(server.url, stream=True) as response:
            lines = response.iter_lines()
            self.assertEqual(next(lines), "a")
            for again in (response.read, lambda: next(response.iter_lines()), lambda: next(response.iter_bytes())):
                with self.assertRaisesRegex(RuntimeError, "already"):
                    again()
            self.assertEqual([*lines], ["b", "c", "d"])
            for again in (response.read, lambda: response.content, lambda: [*response.iter_bytes()]):
                self.assertRaises(RuntimeError, again)

    def test_closed_before_its_end(self) -> None:
        with Server(stream("x", end="open")) as server:
            response = self.get(server.url, stream=True)
            response.close()
            response.close()
            server.wait_gone(1)

    def test_what_had_arrived_when_it_was_closed(self) -> None:
        """Bytes behind the head, pieces that are not unpacked yet: who goes on is told that it was closed."""
        packed = answer(gzip.compress(bytes(1_000_000)), "Content-Encoding: gzip")
        for script, before in ((answer("a\nb\n"), 0), (packed, 0), (packed, 1)):
            with self.subTest(before=before), Server(script) as server:
                response = self.get(server.url, stream=True)
                pieces = response.iter_bytes()
                for _ in range(before):
                    next(pieces)
                response.close()
                self.assertRaises(ConnectError, next, pieces)

    def test_text(self) -> None:
        for type, text in (
            ("text/plain", "é\ufffd"),
            ("text/plain; charset=UTF-8", "é\ufffd"),
            ("text/plain; charset=latin-1", "Ã©ÿ"),
            ("text/plain; charset=nonsense", "é\ufffd"),
            ("text/plain; charset=idna", "é\ufffd"),
            ("text/plain; charset=undefined", "é\ufffd"),
            ("text/plain; charset=zlib", "é\ufffd"),
            ('text/plain; charset="utf-8"', "é\ufffd"),
        ):
            with self.subTest(type), Server(answer(b"\xc3\xa9\xff", type=type)) as server:
                self.assertEqual(self.get(server.url).text, text)

    def test_one_that_came_before_the_request_was_sent_to_its_end(self) -> None:
        """And whose connection has ended on both sides by the time it is read."""

        def script(conn: Connection) -> None:
            conn.send(answer("too large", status="413 Content Too Large"))
            conn.half_close()
            conn.read_request()
            conn.stall()

        with Server(script, read=False) as server:
            with self.request("POST", server.url, content=b"x" * 5_000_000, stream=True) as response:
                if is_async(self):
                    self.idle(lambda: bool(server.requests))
                    for _ in range(10):
                        self.turn()
                self.assertEqual(response.read(), b"too large")

    def test_json_that_is_none(self) -> None:
        with Server(answer("<p>")) as server:
            self.assertRaises(ValueError, self.get(server.url).json)

    @needs_prompt_finalizers
    def test_dropped_unclosed(self) -> None:
        with Server(stream("x", end="open")) as server:
            response = self.get(server.url, stream=True)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del response
                gc.collect()
                self.turn()
            self.assertIn(ResourceWarning, [warning.category for warning in caught])
            server.wait_gone(1)


class TwoReaders(AsyncWorld):
    def test_the_second_does_not_end_the_first(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("a"))
            conn.wait("refused")
            conn.send(chunk("b"), LAST_CHUNK)

        async def main(server: Server) -> bytes:
            async with await httpclient.async_get(server.url, stream=True) as response:
                first = asyncio.ensure_future(response.aread())
                await asyncio.sleep(0)
                with self.assertRaises(RuntimeError):
                    await response.aread()
                server.signal("refused")
                return await first

        with Server(script) as server:
            self.assertEqual(self.run_async(main(server)), b"ab")


LINES: dict[bytes, list[str]] = {
    b"": [],
    b"a": ["a"],
    b"a\n": ["a"],
    b"a\nb\n": ["a", "b"],
    b"a\rb\r": ["a", "b"],
    b"a\r\nb\r\n": ["a", "b"],
    b"a\n\rb": ["a", "", "b"],
    b"a\r\n\nb": ["a", "", "b"],
    b"\r\r\n\n\n\r": ["", "", "", "", ""],
    b"a\x0bb\x0cc\x1cd\x1de\x1ef\n": ["a\x0bb\x0cc\x1cd\x1de\x1ef"],
    "a\x85b\u2028c\u2029d\n".encode(): ["a\x85b\u2028c\u2029d"],
    "é✓𝕏\n".encode(): ["é✓𝕏"],
    b"\xff\xc3\n\xa9\n": ["\ufffd\ufffd", "\ufffd"],
    b"\xf0\x9f\r\n\x98\x80": ["\ufffd", "\ufffd\ufffd"],
}


@in_both_worlds
class Lines(World):
    def test_line_ends(self) -> None:
        for body, lines in LINES.items():
            for script in (answer(body), stream(*(bytes([byte]) for byte in body))):
                with self.subTest(body), Server(script) as server:
                    with self.get(server.url, stream=True) as response:
                        self.assertEqual([*response.iter_lines()], lines)

    def test_line_ends_byte_by_byte(self) -> None:
        for body, expected in LINES.items():
            lines = httpclient._Lines()
            pieces = [*(bytes([byte]) for byte in body), b""]
            self.assertEqual([line for piece in pieces for line in lines.feed(piece)], expected, body)

    def test_a_line_arrives_when_it_is_complete(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED))
            for number, line in enumerate((b"a\n", b"b\r", b"\nc\r\n")):
                conn.send(chunk(line))
                conn.wait(str(number))
            conn.stall()

        with Server(script) as server, self.get(server.url, stream=True) as response:
            lines = response.iter_lines()
            for number, line in enumerate("abc"):
                self.assertEqual(next(lines), line)
                server.signal(str(number))

    def test_cut(self) -> None:
        with Server(stream("a\nb", end="cut")) as server, self.get(server.url, stream=True) as response:
            lines = response.iter_lines()
            self.assertEqual(next(lines), "a")
            with self.assertRaises(BodyError):
                [*lines]


@in_all_ways
class Requests(World):
    def test_targets(self) -> None:
        for path, target in (
            ("", "/"),
            ("/", "/"),
            ("?x=1", "/?x=1"),
            ("#fragment", "/"),
            ("/a#fragment?x", "/a"),
            ("/a b?c d", "/a%20b?c%20d"),
            ("/é/✓?ü=𝕏", "/%C3%A9/%E2%9C%93?%C3%BC=%F0%9D%95%8F"),
            ("/%20%2F%c3%a9?%26=%3D", "/%20%2F%c3%a9?%26=%3D"),
            ("/a+b?c+d", "/a+b?c+d"),
            ("/;,:@!$&'()*+=~-._", "/;,:@!$&'()*+=~-._"),
            ("/?a=/?:@!$'()*,;~", "/?a=/?:@!$'()*,;~"),
            ('/"<>`{}|^', "/%22%3C%3E%60%7B%7D%7C%5E"),
            ("//double//slash/", "//double//slash/"),
            ("/?", "/?"),
        ):
            with self.subTest(path), Server(HERE) as server:
                self.fetch(server.url + path)
                target = server.requests[0].target if path == "/?" else target  # both are right
                self.assertEqual(server.requests[0].target, target)

    def test_params(self) -> None:
        for url, params, target in (
            ("/", {"a": "1"}, "/?a=1"),
            ("/?a=0", {"a": "1", "b": "2"}, "/?a=0&a=1&b=2"),
            ("/#fragment", {"a": "1"}, "/?a=1"),
            ("/?a=%20", {"b": "%20"}, "/?a=%20&b=%2520"),
            ("/", {}, "/"),
        ):
            with self.subTest(url, params=params), Server(HERE) as server:
                self.fetch(server.url + url, params=params)
                self.assertEqual(server.requests[0].target, target)

    def test_user_info(self) -> None:
        for user, value in (
            ("user:pass", "user:pass"),
            ("user", "user:"),
            ("user:", "user:"),
            (":pass", ":pass"),
            ("us%3Aer:p%40s%2Fs", "us:er:p@s/s"),
            ("usér:✓", "usér:✓"),
            ("user:a:b", "user:a:b"),
        ):
            with self.subTest(user), Server(HERE) as server:
                self.fetch(server.url.replace("://", f"://{user}@"))
                request = server.requests[0]
                encoded = base64.b64encode(value.encode()).decode()
                self.assertEqual(request.header("Authorization"), f"Basic {encoded}")
                self.assertEqual(request.header("Host"), server.authority)

    def test_own_authorization_is_stronger_than_user_info(self) -> None:
        with Server(HERE) as server:
            self.fetch(server.url.replace("://", "://user:pass@"), headers={"authorization": "Bearer t"})
            self.assertEqual(server.requests[0].header("Authorization"), "Bearer t")

    def test_bodies(self) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with self.subTest(method), Server(HERE, HERE) as server:
                self.fetch(server.url, method=method, json={"a": "é"})
                self.fetch(server.url, method=method, content=b"\0\r\n\r\n", headers={"Content-Type": "a/b"})
                one, two = server.requests
                self.assertEqual((json.loads(one.body), one.header("Content-Type")), ({"a": "é"}, "application/json"))
                self.assertEqual((two.body, two.header("Content-Type")), (b"\0\r\n\r\n", "a/b"))

    def test_kinds_of_content(self) -> None:
        body = "é✓".encode()
        for content in (body, bytearray(body), memoryview(body), body.decode()):
            with self.subTest(type(content)), Server(HERE) as server:
                self.request("POST", server.url, content=content)
                self.assertEqual(server.requests[0].body, body)

    def test_a_body_larger_than_all_buffers(self) -> None:
        def script(conn: Connection) -> None:
            conn.wait("go")
            conn.read_request()
            conn.send(HERE)

        with Server(script, read=False) as server:
            threading.Timer(0.05, server.signal, ["go"]).start()
            self.fetch(server.url, method="POST", content=b"x" * 5_000_000)
            self.assertEqual(len(server.requests[0].body), 5_000_000)

    def test_an_answer_before_the_body_was_read(self) -> None:
        """A server may refuse a large body by answering at once and closing."""

        def script(conn: Connection) -> None:
            conn.read()
            conn.send(answer("too large", status="413 Content Too Large"))
            conn.half_close()
            conn.stall()

        with Server(script, read=False) as server:
            try:
                status = self.fetch(server.url, method="POST", content=b"x" * 5_000_000).status_code
            except Exception as error:
                status = getattr(error, "status_code", 0)
            self.assertEqual(status, 413)

    def test_header_values(self) -> None:
        values = {"X-Empty": "", "X-Quoted": '"a, b"; c', "X-Spaced": "a  b"}
        with Server(HERE) as server:
            self.fetch(server.url, headers={**values, "X-Latin": "caf\xe9"})
            for name, value in values.items():
                self.assertEqual(server.requests[0].header(name), value)
            self.assertIn(b"X-Latin: caf\xe9\r\n", server.requests[0].raw)

    def test_header_values_beyond_latin1_are_refused(self) -> None:
        with Server() as server, self.assertRaises(ValueError):
            self.fetch(server.url, headers={"X": "✓"})


@in_all_ways
class Addresses(World):
    def test_ipv6(self) -> None:
        with Server(HERE, family="ipv6") as server:
            self.assertEqual(self.fetch(server.url).data, ["here"])
            self.assertEqual(server.requests[0].header("Host"), f"[::1]:{server.port}")

    def test_an_ipv6_zone_is_for_the_socket_alone(self) -> None:
        with Server(HERE, family="ipv6") as server, resolving(("::1", server.port)) as asked:
            self.assertEqual(self.fetch(f"http://[fe80::1%25eth0]:{server.port}/").data, ["here"])
        self.assertEqual(asked[0], "fe80::1%eth0")
        self.assertEqual(server.requests[0].header("Host"), f"[fe80::1]:{server.port}")

    def test_an_ipv6_zone_that_cannot_be_one(self) -> None:
        for zone in ("a" * 100, "", "ä", "a b", "a..b", ".", "a%20b", "1]["):
            with self.subTest(zone), self.assertRaises(InvalidRequestError):
                self.fetch(f"http://[fe80::1%25{zone}]/")

    def test_unix_socket(self) -> None:
        with Server(HERE, HERE, HERE, family="unix") as server:
            self.assertEqual(self.fetch("http://any.test/", uds=pathlib.Path(server.path)).data, ["here"])
            server.requests.clear()
            self.assertEqual(self.fetch("http://any.test/path", uds=server.path).data, ["here"])
            self.assertEqual(server.requests[0].header("Host"), "any.test")
            self.assertEqual(server.requests[0].target, "/path")
            self.fetch("http://any.test:8080/", uds=Path(server.path))
            self.assertEqual(server.requests[1].header("Host"), "any.test:8080")

    def test_unix_socket_over_tls(self) -> None:
        with Server(HERE, family="unix", tls=True) as server:
            self.assertEqual(self.fetch("https://localhost/", uds=server.path, verify=CA).data, ["here"])

    def test_unix_socket_that_is_not_there(self) -> None:
        with self.assertRaises(ConnectError) as caught:
            self.fetch("http://localhost/", uds="/no/such/socket")
        self.assertIn("/no/such/socket", str(caught.exception))

    def test_refused(self) -> None:
        port = refused_port()
        with self.assertRaises(ConnectError) as caught:
            self.fetch(f"http://127.0.0.1:{port}/?s3cret")
        error = caught.exception
        self.assertIn(f"127.0.0.1:{port}", str(error))
        self.assertNotIn("s3cret", str(error))
        self.assertIs(error.fatal, False)

    def test_a_socket_that_reaches_itself_is_refused(self) -> None:
        """A port on which nobody listens may be the one that the system gives to who connects."""
        for host, family in (("127.0.0.1", socket.AF_INET), ("[::1]", socket.AF_INET6)):
            with self.subTest(host), socket.socket(family) as holder:
                try:
                    holder.bind((host.strip("[]"), 0))
                except OSError as error:
                    self.skipTest(str(error))
                place = holder.getsockname()

                class Same(httpclient._Connecting):  # type: ignore[misc, name-defined]
                    def __init__(self, address: Any, place: Any = place, holder: socket.socket = holder) -> None:
                        super().__init__(address)
                        holder.close()
                        self.sock.bind(place)

                with mock.patch("httpclient._Connecting", Same), self.assertRaises(ConnectError) as caught:
                    self.fetch(f"http://{host}:{place[1]}/?s3cret", timeout=10)
                self.assertIn("cannot connect to ", str(caught.exception))
                self.assertIs(caught.exception.fatal, False)

    def test_a_server_that_repeats_the_request_does_not_show_its_query(self) -> None:
        def repeat(before: bytes) -> Script:
            def script(conn: Connection) -> None:
                conn.send(before + conn.request.raw + b"\r\n\r\n")

            return script

        for before in (b"", b"-ERR ", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", head(CHUNKED)):
            with self.subTest(before), Server(repeat(before)) as server:
                with self.assertRaises(HTTPClientError) as caught:
                    self.fetch(server.url + "/?k=s3cret")
                self.assertIn("'", str(caught.exception))
                self.assertNotIn("s3", str(caught.exception))

    def test_unknown_host(self) -> None:
        failure = mock.patch("socket.getaddrinfo", side_effect=socket.gaierror(-2, "Name or service not known"))
        with failure, self.assertRaises(ConnectError) as caught:
            self.fetch("http://nowhere.test/")
        self.assertIn("nowhere.test", str(caught.exception))
        self.assertIs(caught.exception.fatal, False)

    def test_every_address_is_tried(self) -> None:
        with Server(HERE) as server:
            addresses = [("127.0.0.1", refused_port()), ("::1", refused_port()), ("127.0.0.1", server.port)]
            with resolving(*addresses):
                self.assertEqual(self.fetch("http://service.test/").data, ["here"])
        with resolving(*addresses[:2]), self.assertRaises(ConnectError):
            self.fetch("http://service.test/")

    def test_a_name_without_an_address(self) -> None:
        none = mock.patch("socket.getaddrinfo", return_value=[])
        with none, self.assertRaisesRegex(ConnectError, "service.test: the name has no address"):
            self.fetch("http://service.test/")

    def test_an_address_of_a_kind_that_the_system_does_not_know(self) -> None:
        """As IPv6 is where it is switched off."""
        with Server(HERE) as server:
            strange, usual = [
                (family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)) for family in (99, socket.AF_INET)
            ]
            with mock.patch("socket.getaddrinfo", lambda *args, **options: [strange, usual]):
                self.assertEqual(self.fetch("http://service.test/").data, ["here"])

    def test_international_names(self) -> None:
        with Server(HERE, repeat=True) as server, resolving(("127.0.0.1", server.port)) as asked:
            for name, ascii_name in (
                ("bücher.test", "xn--bcher-kva.test"),
                ("BÜCHER.test", "xn--bcher-kva.test"),
                ("xn--bcher-kva.test", "xn--bcher-kva.test"),
                ("SERVICE.test", "service.test"),
                ("under_score.test", "under_score.test"),
                ("b%C3%BCcher.test", None),
                ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ):
                with self.subTest(name):
                    asked.clear()
                    if ascii_name is None:  # browsers decode it; to refuse it is as good
                        with contextlib.suppress(ValueError):
                            self.fetch(f"http://{name}/")
                            self.assertEqual({*asked}, {"xn--bcher-kva.test"})
                        continue
                    self.fetch(f"http://{name}/")
                    self.assertEqual({*asked}, {ascii_name})
                    self.assertEqual(server.requests[-1].header("Host"), ascii_name)

    def test_names_that_would_be_mapped_otherwise_than_by_browsers(self) -> None:
        for name in ("faß.test", "FAẞ.test", "βόλος.test", "a\u200db.test", "a\u200cb.test", "xn--a\u00df.test"):
            with self.subTest(name), self.assertRaises(ValueError):
                self.fetch(f"http://{name}/")

    def test_the_port_is_left_out_where_it_is_the_default(self) -> None:
        with Server(HERE, repeat=True) as server, resolving(("127.0.0.1", server.port)):
            for url, host in (
                ("http://service.test", "service.test"),
                ("http://service.test:80", "service.test"),
                ("http://service.test:", "service.test"),
                ("http://service.test:00000000080", "service.test"),
                ("http://service.test:0" + "0" * 5000 + "8080", "service.test:8080"),
                ("http://service.test:443", "service.test:443"),
                ("HTTP://service.test:8080", "service.test:8080"),
            ):
                with self.subTest(url):
                    self.fetch(url)
                    self.assertEqual(server.requests[-1].header("Host"), host)

    def test_ports_that_are_none(self) -> None:
        for port in ("0", "0000000", "65536", "800000", "080000", "9" * 5000, "+80", " 80", "٨٠"):
            with self.subTest(port), self.assertRaises(InvalidRequestError):
                self.fetch(f"http://127.0.0.1:{port}/")

    def test_blanks_around_a_url(self) -> None:
        with Server(HERE, repeat=True) as server:
            self.fetch(f"  {server.url}/a  ")
            self.request("GET", f" {server.url}/a  ", params={"b": "c"})
            self.assertEqual([request.target for request in server.requests], ["/a", "/a?b=c"])

    def test_a_backslash_ends_no_user_info(self) -> None:
        """Browsers take it for a slash, and would go to the host before it."""
        with Server() as server:
            for url in (f"http://127.0.0.1\\@{server.authority}/", f"http://a:b\\c@{server.authority}/"):
                with self.subTest(url), self.assertRaises(InvalidRequestError):
                    self.fetch(url)

    @unittest.skipUnless(sys.platform == "linux", "looks into /proc")
    def test_socket_options(self) -> None:
        seen: list[tuple[int, ...]] = []

        def script(conn: Connection) -> None:
            for descriptor in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(descriptor))) as client:
                    if client.getsockname() == conn.sock.getpeername():
                        keepalive = client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                        options = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_NODELAY
                        seen.append((keepalive, *(client.getsockopt(socket.IPPROTO_TCP, name) for name in options)))
            conn.send(HERE)

        with Server(script) as server:
            self.fetch(server.url)
        self.assertEqual(seen, [(1, 60, 15, 4, 1)])


@in_both_worlds
class Injection(World):
    """What a caller gives cannot end the line it is in. Nothing is sent, nothing is even connected to."""

    def refuses(self, method: str = "GET", path: str = "/", **options: Any) -> None:
        with self.subTest(method, path=path, **options), Server() as server:
            with self.assertRaises(ValueError) as caught:
                self.request(method, server.url + path, **options)
            self.assertIsInstance(caught.exception, InvalidRequestError)
            self.assertEqual(server.connections, [])

    def test_methods(self) -> None:
        for method in ("", " ", "GET ", "G T", "GET\r\nX: y", "GET\n", "GET\0", "GÉT", "GET /x HTTP/1.1\r\n\r\nGET"):
            self.refuses(method)

    def test_targets(self) -> None:
        for character in "\r\n\0":
            self.refuses(path=f"/a{character}b")
            self.refuses(path=f"/?a{character}b")
            self.refuses(path=f"/{character}")
            self.refuses(path=f"/#{character}")
        self.refuses(path="/ HTTP/1.1\r\nX: y")

    def test_headers(self) -> None:
        for character in "\r\n\0":
            for value in (f"a{character}b", character, f"a{character}", f"{character}a"):
                self.refuses(headers={"X": value})
            self.refuses(headers={f"X{character}": "a"})
        for name in ("", " ", "X Y", "X:", "é", "(x)", "X\t"):
            self.refuses(headers={name: "a"})
        for name in ("Content-Length", "transfer-encoding"):
            self.refuses(headers={name: "1"})

    def test_hosts(self) -> None:
        for host in ("a\r\nb", "a\0b", "a b", "a\tb", "[::1]\n", "a\\b"):
            with self.subTest(host), self.assertRaises(ValueError):
                self.request("GET", f"http://{host}/")

    def test_messages(self) -> None:
        """They say what is wrong with what, and show no query and nothing that may be user-info."""
        for url, part in (
            ("127.0.0.1/a?s3cret", "does not begin with http:// or https://: '127.0.0.1/a'"),
            ("/feed?key=s3cret", "the URL does not begin with http:// or https://: '/feed'"),
            ("/feed#s3cret", "the URL does not begin with http:// or https://: '/feed'"),
            ("/feed\u202e\x85", "http:// or https://: '/feed\\u202e\\x85'"),
            ("/" + 500 * "a", f"http:// or https://: '/{99 * 'a'}...'"),
            ("ftp://s3cret@host/", "the URL does not begin with http:// or https://"),
            ("me:s3cret?@host/feed", "the URL does not begin with http:// or https://"),
            ("", "the URL does not begin with http:// or https://"),
            ("http:/a", "the URL does not begin with http:// or https://: 'http:/a'"),
            ("http://user:s3cret@/", "not a URL of the form"),
            ("http://user:s3cret@[::1/", "not a URL of the form"),
            ("http://user:s3cret\\@host/", "[in a name or password / ? # \\ are written %2F %3F %23 %5C]"),
            ("http://user:s3cret#@host/", "[in a name or password / ? # \\ are written %2F %3F %23 %5C]"),
            ("http://s3cret@[::1]80/", "not a URL of the form"),
            ("http://s3cret@a[b]/", "the host name"),
            ("http://s3cret@[\ud800]/", "the address in brackets is not IPv6"),
            ("http://::1:8080/a?s3cret", "IPv6 address without brackets: 'http://::1:8080/a'"),
            ("https://s3cret@fe80::1/", "IPv6 address without brackets"),
            ("http://host/\x01?\ns3cret", "the URL has control characters: 'http://host/\\x01'"),
            ("http://ho st/s3cret", "the host name"),
        ):
            with self.subTest(url):
                with self.assertRaises(InvalidRequestError) as caught:
                    self.request("GET", url)
                self.assertIn(part, str(caught.exception))
                self.assertNotIn("s3cret", str(caught.exception))
        options: dict[str, Any]
        for options, part in (
            ({"headers": {"Authorization": None}}, "value of the header Authorization is NoneType, not a string"),
            ({"headers": {"X-Number": 1}}, "value of the header X-Number is int, not a string"),
            ({"headers": {b"X": "y"}}, "name of a header is bytes, not a string"),
            ({"content": {"a": "b"}}, "content is bytes or str, not dict; for JSON: json="),
            ({"json": object()}, "json= cannot be encoded: Object of type object"),
            ({"timout": 5}, "request() got an unexpected keyword argument 'timout'"),
            ({"proxy": 1}, "proxy is a string"),
            ({"uds": b"/tmp/x"}, "uds"),
        ):
            with self.subTest(part):
                with self.assertRaises(TypeError) as wrong_type:
                    self.request("POST", "http://127.0.0.1:1/", **options)
                self.assertIn(part, str(wrong_type.exception))

    def test_what_is_encoded_may_be_anything(self) -> None:
        with Server(HERE) as server:
            self.get(server.url, params={"a\r\nb": "c\0d\r\n"})
            self.assertEqual(server.requests[0].target, "/?a%0D%0Ab=c%00d%0D%0A")

    def test_proxies(self) -> None:
        for proxy in ("http://us\r\ner:pass@127.0.0.1:1", "http://127.0.0.1\n:1", "http://"):
            self.refuses(proxy=proxy)


@in_both_worlds
class Timeouts(World):
    def times_out(self, url: str, **options: Any) -> None:
        with self.assertRaises(RequestTimeout) as caught:
            self.fetch(url, **options)
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertIs(caught.exception.fatal, False)
        limit = f"no answer within timeout={options.get('timeout', 30):g} seconds"
        if "idle_timeout" in options:
            limit = f"silence for idle_timeout={options['idle_timeout']:g} seconds"
        self.assertTrue(str(caught.exception).endswith(limit), caught.exception)

    @unittest.skipUnless(sys.platform == "linux", "other systems do not leave a full backlog unanswered")
    def test_connecting(self) -> None:
        with unanswered_port() as port:
            self.times_out(f"http://127.0.0.1:{port}/", timeout=0.1)

    def test_handshake(self) -> None:
        with Server(silent, read=False) as server:
            self.times_out(f"https://{server.authority}/", timeout=1 / 9)  # not all of its digits are told

    def test_head(self) -> None:
        for beginning in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"):

            def script(conn: Connection, beginning: bytes = beginning) -> None:
                conn.send(beginning)
                conn.stall()

            for tls in (False, True):
                with self.subTest(beginning, tls=tls), Server(script, tls=tls) as server:
                    self.times_out(server.url, timeout=0.05, verify=CA)

    def test_sending(self) -> None:
        """A server that does not read the body."""

        def script(conn: Connection) -> None:
            conn.wait("never")

        with Server(script, read=False) as server:
            self.times_out(server.url, timeout=0.1, method="POST", content=b"x" * 5_000_000)

    def test_an_answer_before_the_request_was_read(self) -> None:
        """RFC 9112, 9.5. The second server reads on, and gets the rest while it answers."""
        body = bytes(range(256)) * 20_000

        def refuses(conn: Connection) -> None:
            conn.send(answer("too large", status="413 Content Too Large"))
            conn.wait("answered")

        def accepts(conn: Connection) -> None:
            conn.send("HTTP/1.1 103 Early Hints\r\n\r\n")
            received = conn.read_request().body
            conn.send(HERE if received == body else answer("another body", status="400 Bad Request"))
            conn.wait("answered")

        for tls in (False, True):
            for script, status in ((refuses, 413), (accepts, 200)):
                with self.subTest(script.__name__, tls=tls), Server(script, read=False, tls=tls) as server:
                    response = self.request("POST", server.url, content=body, timeout=20.0, verify=CA)
                    self.assertEqual(response.status_code, status)
                    server.signal("answered")

    def test_what_trickles_in_does_not_extend_it(self) -> None:
        """Headers, 1xx answers and redirects all share one time."""
        never = threading.Event()

        def trickle(conn: Connection) -> None:
            conn.send("HTTP/1.1 200 OK\r\nX: ")
            while not never.wait(0.02):
                conn.send("x")

        def hints(conn: Connection) -> None:
            while not never.wait(0.02):
                conn.send("HTTP/1.1 103 Early Hints\r\n\r\n")

        def hop(conn: Connection) -> None:
            never.wait(0.04)
            conn.send(redirect("/"))

        for script in (trickle, hints, hop):
            with self.subTest(script.__name__), Server(script, repeat=True) as server:
                self.times_out(server.url, timeout=0.06)

    def limit(self, response: Any, seconds: float) -> None:
        async def limit() -> None:
            response.limit(seconds)

        if is_async(self):
            self.run_async(limit())  # type: ignore[attr-defined]
        else:
            response.limit(seconds)

    def test_what_goes_on_arriving_does_not_extend_it(self) -> None:
        """One more look is allowed, for a process that was stopped."""

        def script(conn: Connection) -> None:
            conn.send(head(), bytes(200_000))
            conn.server.signal("sent")
            while True:
                conn.send(bytes(1_000_000))

        for tls in (False, True):
            with self.subTest(tls=tls), Server(script, tls=tls) as server:
                response = self.get(server.url, stream=True, verify=CA)
                self.limit(response, 1e-6)
                server.wait("sent")
                with self.assertRaises(RequestTimeout):
                    for _ in zip(range(1000), response.iter_bytes(), strict=False):
                        pass
                response.close()

    def test_silence_in_the_body(self) -> None:
        for tls in (False, True):
            with Server(stream("data: x\n\n", end="open"), tls=tls) as server:
                self.times_out(server.url, timeout=3600.0, idle_timeout=0.05, verify=CA)  # not by the timer of the head

    @unittest.skipUnless(hasattr(signal, "setitimer"), "there are no interval timers here")
    def test_signals_do_not_extend_silence(self) -> None:
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # as a profiler does
        try:
            with Server(stream("data: x\n\n", end="open")) as server:
                self.times_out(server.url, idle_timeout=0.1)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def test_the_body_may_take_longer_than_the_head(self) -> None:
        never = threading.Event()

        def scenario(factor: int) -> None:
            def script(conn: Connection) -> None:
                conn.send(head(CHUNKED))
                for byte in b"data: x\n\n":
                    never.wait(0.03 * factor)
                    conn.send(chunk(bytes([byte])))
                conn.send(b"0\r\n\r\n")

            with Server(script) as server:
                result = self.fetch(server.url, timeout=0.2 * factor, idle_timeout=30.0)
                self.assertEqual(result.data, ["x"])

        patiently(scenario)

    def test_no_limit(self) -> None:
        never = threading.Event()

        def script(conn: Connection) -> None:
            never.wait(0.1)
            conn.send(HERE)

        for idle_timeout in (None, 0.05):  # which is for an open stream
            with Server(script) as server:
                self.assertEqual(self.fetch(server.url, timeout=None, idle_timeout=idle_timeout).data, ["here"])


@in_both_worlds
class HappyEyeballs(World):
    @unittest.skipUnless(sys.platform == "linux", "other systems do not leave a full backlog unanswered")
    def test_an_address_that_does_not_answer_does_not_hold_up_the_next(self) -> None:
        with Server(HERE) as server, unanswered_port() as port:
            with resolving(("127.0.0.1", port), ("127.0.0.1", server.port)):
                self.assertEqual(self.fetch("http://service.test/", timeout=20.0).data, ["here"])

    @unittest.skipUnless(sys.platform == "linux", "other systems do not leave a full backlog unanswered")
    def test_a_limit_while_two_addresses_do_not_answer(self) -> None:
        with unanswered_port() as port, unanswered_port() as other:
            with resolving(("127.0.0.1", port), ("127.0.0.1", other)):
                with mock.patch("httpclient._HEAD_START", 0.01), self.assertRaises(RequestTimeout):
                    self.fetch("http://service.test/", timeout=0.05)

    def test_the_addresses_of_both_families_take_turns(self) -> None:
        with Server(HERE) as server, resolving(("::1", refused_port()), ("::1", 9), ("127.0.0.1", server.port)):
            self.assertEqual(self.fetch("http://service.test/", timeout=20.0).data, ["here"])


class Races(AsyncWorld):
    def test_a_cancel_at_any_moment_leaves_no_socket(self) -> None:
        async def main(server: Server) -> None:
            for turns in range(30):
                task = asyncio.ensure_future(httpclient.async_get("http://service.test/", stream=True))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await (await task).aclose()
                for _ in range(5):
                    await asyncio.sleep(0)
                self.assertEqual(connected_to(server.port), [], turns)

        with Server(HERE, repeat=True) as server, resolving(*[("127.0.0.1", server.port)] * 2):
            gc.collect()
            gc.disable()  # it would close what was forgotten
            try:
                asyncio.run(main(server))
            finally:
                gc.enable()


class Turns(AsyncWorld):
    def test_what_unpacks_to_much_lets_other_tasks_run(self) -> None:
        async def main(server: Server) -> None:
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            async with await httpclient.async_get(server.url, stream=True) as response:
                counting = asyncio.ensure_future(count())
                pieces = [len(piece) async for piece in response.aiter_bytes()]
                counting.cancel()
            self.assertEqual(sum(pieces), 20_000_000)
            self.assertGreaterEqual(turns, len(pieces) - 1)

        with Server(answer(gzip.compress(bytes(20_000_000)), "Content-Encoding: gzip")) as server:
            self.run_async(main(server))


class Interface(unittest.TestCase):
    def test_exceptions(self) -> None:
        for error, bases in {
            InvalidRequestError: (ValueError,),
            ConnectError: (ConnectionError,),
            RequestTimeout: (TimeoutError,),
            BodyError: (ConnectionError,),
            ProtocolError: (ConnectionError,),
            CertificateError: (ConnectionError,),
            RedirectError: (ConnectionError,),
            ProxyError: (ConnectError,),
            StatusError: (),
        }.items():
            with self.subTest(error):
                self.assertTrue(issubclass(error, HTTPClientError))
                for base in bases:
                    self.assertTrue(issubclass(error, base))

    def test_the_options_that_an_editor_shows_are_those_there_are(self) -> None:
        source = ast.parse(inspect.getsource(httpclient))
        shown = next(node for node in ast.walk(source) if isinstance(node, ast.ClassDef) and node.name == "_Options")
        names = [line.target.id for line in shown.body if isinstance(line, ast.AnnAssign)]  # type: ignore[attr-defined]
        taken = inspect.signature(httpclient._request).parameters.values()
        self.assertEqual(names, [option.name for option in taken if option.kind is option.KEYWORD_ONLY])
        for function in ("request", "get", "post", "async_request", "async_get", "async_post"):
            annotation = inspect.signature(getattr(httpclient, function)).parameters["options"].annotation
            self.assertEqual(annotation, "Unpack[_Options]")

    def test_shortcuts(self) -> None:
        with Server(HERE, HERE) as server:
            self.assertEqual(httpclient.get(server.url).text, "data: here\n\n")
            self.assertEqual(httpclient.post(server.url, content=b"x").status_code, 200)
            self.assertEqual([request.method for request in server.requests], ["GET", "POST"])

    def test_asynchronous_shortcuts(self) -> None:
        async def main(url: str) -> None:
            self.assertEqual((await httpclient.async_get(url)).text, "data: here\n\n")
            self.assertEqual((await httpclient.async_post(url, content=b"x")).status_code, 200)
            async with await httpclient.async_get(url, stream=True) as response:
                self.assertEqual([line async for line in response.aiter_lines()], ["data: here", ""])
            async with await httpclient.async_get(url, stream=True) as response:
                self.assertEqual(b"".join([piece async for piece in response.aiter_bytes()]), b"data: here\n\n")

        with Server(HERE, repeat=True) as server:
            asyncio.run(main(server.url))
