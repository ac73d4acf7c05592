"""What others hand in: read as all read it, shown on one line, and never more than data.

Others are servers, proxies and the environment; the caller too, whose values may be odd, but are
not secret errors of ours.
"""

from __future__ import annotations

import asyncio
import builtins
import copy
import encodings
import gzip
import json
import os
import pickle
import random
import socket
import ssl
import tracemalloc
import types
import unittest
import zlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import httpclient
from httpclient import (
    BodyError,
    ConnectError,
    Headers,
    HTTPClientError,
    InvalidRequestError,
    ProxyError,
    RedirectError,
    Request,
    ResponseParser,
    StatusError,
)
from tests.server import CA, CHUNKED, Connection, Script, Server, answer, chunk, head, redirect
from tests.worlds import World, in_all_ways, in_both_worlds

HERE = answer("data: here\n\n")
PROBLEM = '{\n  "error": {\n    "message": "too\\tmany",\n    "code": 429\n  }\n}\n'


class ContentTypes(unittest.TestCase):
    def test_the_last_valid_one_counts(self) -> None:
        """Fetch, "extract a MIME type"."""
        for lines, expected in (
            (["text/event-stream"], ("text/event-stream", "")),
            ([" Text/Event-Stream ; Charset=UTF-8 "], ("text/event-stream", "utf-8")),
            (["text/html", "text/event-stream"], ("text/event-stream", "")),
            (["text/html, text/event-stream"], ("text/event-stream", "")),
            (["text/event-stream", ""], ("text/event-stream", "")),
            (["text/event-stream", "*/*"], ("text/event-stream", "")),
            (["text/event-stream", "nonsense"], ("text/event-stream", "")),
            (["text/plain;charset=gbk", "text/html"], ("text/html", "")),
            (["text/html;charset=gbk;a=b", "text/html;x=y"], ("text/html", "gbk")),
            (["text/html;charset=gbk", "x/x", "text/html;x=y"], ("text/html", "")),
            (["text/html;charset=gbk", "text/html;charset=utf-8"], ("text/html", "utf-8")),
            (["text/html;charset=a;charset=b"], ("text/html", "a")),
            (["text/html;charset=;charset=b"], ("text/html", "b")),
            (["text/html; a; =b; charset=b"], ("text/html", "b")),
            (['text/html;charset="gbk"'], ("text/html", "gbk")),
            (['text/html;charset="g\\bk'], ("text/html", "gbk")),
            (['text/html;x="a,b;charset=no", text/plain;charset=x'], ("text/plain", "x")),
            (['text/html;x=";charset=no";charset=yes'], ("text/html", "yes")),
            (['text/html;x=" ', " text/plain"], ("text/html", "")),
            (['text/html;x="\\"', " text/plain"], ("text/html", "")),
            (["text/html;charset='utf-8'"], ("text/html", "utf-8")),
            ([], ("", "")),
            (["*/*"], ("", "")),
            (["text"], ("", "")),
            (["text/"], ("", "")),
            (["/html"], ("", "")),
            (["text/ html"], ("", "")),
            (["text/html x"], ("", "")),
            (["charset=utf-8"], ("", "")),
        ):
            with self.subTest(lines):
                self.assertEqual(httpclient._mime_type(", ".join(lines)), expected)

    def test_names_that_are_no_charsets(self) -> None:
        """They would decode ASCII to something else, take minutes, or warn."""
        text = "a-9ca \\u0041 +AGE- =41 é"
        for name in (
            "punycode", "idna", "unicode_escape", "raw-unicode-escape", "utf-7", "rot13", "base64",
            "quopri", "zip", "undefined", "charmap", "", "../x", "a" * 9999,
        ):  # fmt: skip
            with self.subTest(name[:20]):
                self.assertEqual(httpclient._decode(text.encode(), name), text)

    def test_names_of_charsets(self) -> None:
        for name, data in (
            ("latin-1", b"\xe9"), ("iso-8859-1", b"\xe9"), ("windows-1252", b"\xe9"),
            ("utf-16", "é".encode("utf-16")), ("utf8", b"\xc3\xa9"), ("gb2312", b"\xa8\xa6"),
            ("cp437", b"\x82"), ("macintosh", b"\x8e"), ("utf-16le", b"\xe9\0"),
        ):  # fmt: skip
            with self.subTest(name):
                self.assertEqual(httpclient._decode(data, name), "é")
        self.assertEqual(httpclient._decode(b"\xc5", "koi8-u"), "\u0435")

    def test_unknown_names_are_not_kept(self) -> None:
        kept: Any = encodings._cache  # type: ignore[attr-defined]
        before = len(kept)
        for number in range(50):
            self.assertEqual(httpclient._decode(b"\xc3\xa9", f"x-unknown-{number}"), "é")
            self.assertEqual(httpclient._decode(b"\xc3\xa9", f"cp{number}99999"), "é")
        self.assertLessEqual(len(kept), before + 1)


class Shown(unittest.TestCase):
    def test_on_one_line_escaped_once_and_cut_short(self) -> None:
        for text, shown in (
            ("plain, ünïcode ☃", "plain, ünïcode ☃"),
            (PROBLEM, '{ "error": { "message": "too\\tmany", "code": 429 } }'),
            ("\t a \r\n\r\n b ", "a b"),
            ("\x1b[31m\x07\x7f\x9b", "\\x1b[31m\\x07\\x7f\\x9b"),
            ("a\u200eb\u200fc\u061cd\u202ee\u2066f", "a\\u200eb\\u200fc\\u061cd\\u202ee\\u2066f"),
            ("a\u2028b\u2029c\x85d\x0be", "a\\u2028b\\u2029c\\x85d\\x0be"),
            ("\ud800\ufeff\U000e0001", "\\ud800\\ufeff\\U000e0001"),
            ("it's \"quoted\" \\ once", "it's \"quoted\" \\ once"),
            ("x" * 100, "x" * 100),
            ("x" * 101, "x" * 100 + "..."),
            (b"\x15\x03\x01 caf\xe9", "\\x15\\x03\\x01 café"),
        ):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(httpclient._shown(text), shown)

    def test_reasons_come_from_numbers_not_from_texts(self) -> None:
        refused = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")
        several = OSError("Multiple exceptions: [Errno 111] a, [Errno 113] b")
        caused = OSError("it failed")
        caused.__cause__ = refused
        circular = OSError("round")
        circular.__cause__ = circular
        unknown = socket.gaierror(-2, "Name or service not known")
        cases: list[tuple[BaseException, str]] = [
            (refused, os.strerror(111)),
            (several, str(several)),
            (caused, os.strerror(111)),
            (circular, "round"),
            (unknown, "Name or service not known"),
            (ssl.SSLError(1, "[SSL] wrong"), "[SSL] wrong"),
            (httpclient.ProtocolError("[Errno 13] x"), "[Errno 13] x"),
            (TimeoutError(), "TimeoutError"),
            (OSError(2**70, "no such number"), "no such number"),
            (OSError("two", "words"), "words"),
        ]
        if group := getattr(builtins, "ExceptionGroup", None):  # from Python 3.11 on
            cases.append((group("several", [ValueError("x"), refused]), os.strerror(111)))
        for error, reason in cases:
            with self.subTest(error):
                self.assertEqual(httpclient._reason(error), reason)

    def test_numbers_of_winsock(self) -> None:
        table = {10061: "The target refused"}
        with mock.patch.object(socket, "errorTab", table, create=True):
            self.assertEqual(httpclient._reason(OSError(10061, "x")), "The target refused")


@in_all_ways
class TextOfPeers(World):
    def fails(self, script: Script | bytes, url: str = "", **options: Any) -> HTTPClientError:
        with Server(script) as server, self.assertRaises(HTTPClientError) as caught:
            self.fetch(url or server.url, **{k: v.format(server.url) for k, v in options.items()})
        return caught.exception

    def test_what_a_proxy_says_is_not_parsed(self) -> None:
        for line in (
            "HTTP/1.1 502 [Errno 99999999999999999999]",
            "HTTP/1.1 502 [Errno 13]",
            "[Errno 99999999999999999999]",
            "HTTP/1.1 200 [Errno 13]\r\nbad line [Errno 13]",
        ):
            for url in ("https://service.test/", "http://service.test/"):
                if url.startswith("http:") and " 502 " in line:
                    continue
                with self.subTest(line, url=url):
                    error = self.fails(f"{line}\r\n\r\n".encode(), url, proxy="{}")
                    self.assertIs(type(error), ProxyError)
                    self.assertNotIn(os.strerror(13), str(error))
                    self.assertIn("the proxy 127.0.0.1:", str(error))

    def test_a_proxy_that_does_not_speak_http_is_fatal_for_http_and_https(self) -> None:
        for data in (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x05\xff\n\n", b"HTTP/1.1 2 x\r\n\r\n"):
            for scheme in ("http", "https"):
                with self.subTest(data, scheme=scheme):
                    error = self.fails(data, f"{scheme}://service.test/", proxy="{}")
                    self.assertIs(type(error), ProxyError)
                    self.assertIs(error.fatal, True)

    def test_a_proxy_that_only_hangs_up_is_not(self) -> None:
        for scheme in ("http", "https"):
            error = self.fails(b"", f"{scheme}://service.test/", proxy="{}")
            self.assertEqual((type(error), error.fatal), (ProxyError, False))
            self.assertIn("the proxy 127.0.0.1:", str(error))

    def test_it_is_short_and_on_one_line(self) -> None:
        odd = "\x1b[1m\u202e\u2028" + "\\x" * 9
        long = "x" * 60_000
        for name, script in {
            "not HTTP": f"{odd}{long}\r\n\r\n".encode(),
            "status line": f"HTTP/1.1 {odd}{long}\r\n\r\n".encode(),
            "header line": b"HTTP/1.1 200 OK\r\n" + f"{odd}{long}\r\n\r\n".encode(),
            "transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \xe2\x80\xae%b\r\n\r\n"
            % long.encode(),
            "place": redirect(f"ftp://a/\u202e{long}"),
            "long place": redirect(f"http://127.0.0.1:0/{long}"),
            "chunk size": head(CHUNKED) + odd.encode() + b"\r\n",
            "coding": head("Content-Encoding: " + "br," * 9999) + b"x",
        }.items():
            with self.subTest(name):
                text = str(self.fails(script))
                self.assertTrue(text.isprintable(), ascii(text))
                self.assertLess(len(text), 600)
                self.assertNotIn("\\" * 4, text)

    def test_transfer_codings_are_told_in_their_order(self) -> None:
        for codings in ("gzip, chunked", "chunked, gzip"):
            self.assertIn(f"'{codings}'", str(self.fails(head(f"Transfer-Encoding: {codings}"))))

    def test_a_redirect_to_what_is_no_name_shows_no_secret(self) -> None:
        """The library's own text would."""
        for location in ("//user:s3cret@ex\u2100mple/", "http://user:s3cret@[x]/"):
            error = self.fails(redirect(location))
            self.assertNotRegex(str(error), "s3|cret")
            self.assertIs(type(error), RedirectError)

    def test_a_redirect_to_several_places(self) -> None:
        moved = b"HTTP/1.1 302 x\r\nLocation: /a\r\nLocation: /b\r\n\r\n"
        self.assertIn("several places", str(self.fails(moved)))
        same = b"HTTP/1.1 302 x\r\nLocation: /a\r\nLocation: /a\r\n\r\n"
        with Server(same, HERE) as server:
            self.assertEqual(self.fetch(server.url).data, ["here"])
            self.assertEqual(server.requests[1].target, "/a")


@in_both_worlds
class Answers(World):
    def status_error(self, script: bytes, *more: bytes, **options: Any) -> StatusError:
        method = options.pop("method", "GET")
        with Server(script, *more) as server:
            url = options.pop("url", server.url + "/start?key=s3cret")
            if "proxy" in options:
                options["proxy"] = server.url
            response = self.request(method, url, **options)
            with self.assertRaises(StatusError) as caught:
                response.raise_for_status()
        self.assertNotIn("s3cret", str(caught.exception))
        return caught.exception

    def test_a_body_of_json_is_shown_on_one_line(self) -> None:
        error = self.status_error(answer(PROBLEM, status="429 Too  Many"))
        shown = '{ "error": { "message": "too\\tmany", "code": 429 } }'
        self.assertTrue(str(error).endswith(f"/start: HTTP 429 Too Many: {shown}"), error)

    def test_a_large_body_is_cut_short(self) -> None:
        error = self.status_error(answer("<\n" * 600_000, status="500 x"))
        self.assertLess(len(str(error)), 700)

    def test_redirects_are_named_and_the_method_that_they_changed(self) -> None:
        gone = answer("no", status="405 Method Not Allowed")
        error = self.status_error(redirect("/there?key=s3cret", "301 x"), gone, method="POST")
        hops = error.response.hops
        self.assertEqual([hop.rpartition("/")[2] for hop in hops],
                         ["start", "there (POST became GET)"])  # fmt: skip
        self.assertIn(f"[redirected: {hops[0]} -> {hops[1]}]: no", str(error))
        error = self.status_error(redirect("/there", "308 x"), gone, method="POST")
        self.assertNotIn("became", str(error))
        self.assertIn("/start -> http://", str(error))

    def test_a_proxy_is_named_where_the_status_may_be_its_own(self) -> None:
        error = self.status_error(answer(status="502 x"), url="http://service.test/", proxy="")
        self.assertRegex(str(error), r"HTTP 502 x \[through the proxy 127\.0\.0\.1:\d+\]")
        self.assertRegex(error.response.via, r"127\.0\.0\.1:\d+")
        error = self.status_error(answer(status="502 x"))
        self.assertEqual((error.response.via, error.response.route), ("", ""))

        def tunnel(conn: Connection) -> None:
            conn.send("HTTP/1.1 200 OK\r\n\r\n")
            conn.start_tls()
            conn.read_request()
            conn.send(answer(status="502 x"))

        with Server(tunnel) as proxy:
            response = self.get("https://localhost/", proxy=proxy.url, verify=CA)
            self.assertEqual((response.status_code, response.via), (502, ""))

    def test_via_is_that_of_the_last_hop(self) -> None:
        with Server(HERE) as server, Server(redirect(server.url)) as proxy:
            with mock.patch.dict(os.environ, {"http_proxy": proxy.url, "no_proxy": "127.0.0.1"}):
                response = self.get("http://service.test/")
                self.assertEqual((response.text, response.via), ("data: here\n\n", ""))

    def test_json_that_is_nested_too_deeply(self) -> None:
        with Server(answer("[" * 200_000)) as server, self.assertRaises(ValueError):
            self.get(server.url).json()

    def test_errors_and_what_they_hold_can_be_pickled_and_copied(self) -> None:
        error = self.status_error(answer("no", "X-Why: x", status="500 x"))
        if hasattr(error.response, "inner"):
            error.response = error.response.inner
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            self.assertEqual((type(twin), str(twin)), (StatusError, str(error)))
            there = twin.response
            self.assertEqual((there.status_code, there.text, there.headers["x-why"], there.url),
                             (500, "no", "x", error.response.url))  # fmt: skip

    def test_a_pickled_response_that_was_not_read(self) -> None:
        with Server(HERE) as server, self.get(server.url, stream=True) as response:
            twin = pickle.loads(pickle.dumps(getattr(response, "inner", response)))
            self.assertEqual(twin.status_code, 200)
            self.assertRaises(RuntimeError, lambda: twin.content)

    def test_a_line_without_end(self) -> None:
        with mock.patch("httpclient._MAX_LINE", 1000):
            for size, fits in ((1000, True), (1001, False)):
                for end in (b"\n", b"\r\n", b""):
                    body = b"x" * size + end
                    with self.subTest(size, end=end), Server(answer(body)) as server:
                        with self.get(server.url, stream=True) as response:
                            lines = iter(response.iter_lines())
                            if fits:
                                self.assertEqual([*lines], ["x" * size])
                            else:
                                with self.assertRaisesRegex(BodyError, "a line is longer"):
                                    next(lines)

    def test_its_memory_is_bounded(self) -> None:
        def endless(conn: Connection) -> None:
            conn.send(head())
            while True:
                conn.send(b"x" * 65536)

        with mock.patch("httpclient._MAX_LINE", 2**20), Server(endless) as server:
            with self.get(server.url, stream=True) as response:
                tracemalloc.start()
                try:
                    with self.assertRaises(BodyError):
                        next(iter(response.iter_lines()))
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
        self.assertLess(peak, 4 * 2**20)


class Exceptions(unittest.TestCase):
    def test_all_can_be_pickled_and_copied(self) -> None:
        kinds = [each for each in vars(httpclient).values()
                 if isinstance(each, type) and issubclass(each, HTTPClientError)]  # fmt: skip
        self.assertGreater(len(kinds), 10)
        for kind in kinds:
            for error in (kind("why"), *([kind()] if kind is httpclient._Closed else [])):
                error.fatal = True
                again = pickle.loads(pickle.dumps(error))
                for twin in (again, copy.copy(error), copy.deepcopy(error)):
                    with self.subTest(kind):
                        self.assertIs(type(twin), kind)
                        self.assertEqual((str(twin), twin.fatal), (str(error), True))


class Name(str):
    """A name that counts how often it is looked at."""

    looks = 0

    def lower(self) -> str:
        Name.looks += 1
        return super().lower()


class Linear(unittest.TestCase):
    """What a peer makes large takes work in proportion."""

    def test_headers_as_a_dictionary(self) -> None:
        for same in (False, True):
            Name.looks = 0
            headers = Headers([(Name("X" if same else f"X-{n}"), "y") for n in range(2000)])
            found = dict(headers)
            self.assertEqual(len(found), len(headers))
            self.assertEqual(found, {name: headers[name] for name in headers})
            self.assertLess(Name.looks, 10 * 2000)

    def test_they_are_those_that_came(self) -> None:
        headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
        self.assertEqual(dict(headers), {"A": "1, 3", "b": "2"})
        self.assertEqual(headers.get_list("a"), ["1", "3"])
        self.assertEqual(list(headers.items()), [("A", "1"), ("b", "2"), ("a", "3")])
        self.assertIn("B", headers)
        self.assertNotIn("c", headers)

    def test_host_names(self) -> None:
        """IDNA takes the square of their length in some releases of Python."""
        for host in ("ä" * 256, "a." * 128):
            with self.assertRaisesRegex(InvalidRequestError, "longer than 255 characters"):
                Request("GET", f"http://{host}/")

    def test_what_comes_before_a_break_however_late_it_comes(self) -> None:
        """Without zlib's state being copied for each piece."""
        for pieces in (1, 15, 16, 17, 40):
            coder = zlib.compressobj(wbits=31)
            good = [coder.compress(b"%d\n" % n) + coder.flush(zlib.Z_SYNC_FLUSH)
                    for n in range(pieces)]  # fmt: skip
            last = coder.compress(b"last\n") + coder.flush(zlib.Z_SYNC_FLUSH) + b"\xff" * 9
            parser, got = ResponseParser(), b""
            parser.feed(head(CHUNKED, "Content-Encoding: gzip"))
            with self.subTest(pieces), self.assertRaises(BodyError):
                for piece in [*good, last]:
                    parser.feed(chunk(piece))
                    while data := parser.read():
                        got += data
            self.assertEqual(got, b"".join(b"%d\n" % n for n in range(pieces)) + b"last\n")

    def test_a_bomb_that_is_broken_at_its_end(self) -> None:
        packed = gzip.compress(bytes(20_000_000))[:-8] + bytes(8)
        parser, size = ResponseParser(), 0
        tracemalloc.start()
        try:
            parser.feed(head("Content-Encoding: gzip"))
            with self.assertRaises(BodyError):
                for start in range(0, len(packed), 10_000):
                    parser.feed(packed[start : start + 10_000])
                    while data := parser.read():
                        size += len(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertEqual(size, 20_000_000)
        self.assertLess(peak, 4 * 2**20)


class Caseless(Mapping[str, str]):
    """Variables as Windows has them."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = {name.upper(): value for name, value in variables.items()}

    def __getitem__(self, name: str) -> str:
        return self._variables[name.upper()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


class Variables(unittest.TestCase):
    def proxy(self, variables: Mapping[str, str], url: str = "http://service.test/") -> str:
        with mock.patch.object(os, "environ", variables):
            proxy = httpclient._proxy_for(httpclient.URL(url), None)
            return proxy.host if proxy else ""

    def test_small_letters_override_capitals_even_if_empty(self) -> None:
        for variables, expected in (
            ({"http_proxy": "", "HTTP_PROXY": "http://a"}, ""),
            ({"http_proxy": "http://b", "HTTP_PROXY": "http://a"}, "b"),
            ({"http_proxy": "", "ALL_PROXY": "http://c"}, "c"),
            ({"http_proxy": "", "all_proxy": "", "ALL_PROXY": "http://c"}, ""),
            ({"HTTP_PROXY": "http://a", "no_proxy": "", "NO_PROXY": "*"}, "a"),
            ({"HTTP_PROXY": "http://a", "NO_PROXY": "*"}, ""),
            ({"HTTP_PROXY": "", "ALL_PROXY": "http://c"}, "c"),
        ):
            with self.subTest(**variables):
                self.assertEqual(self.proxy(variables), expected)

    def test_under_cgi(self) -> None:
        cgi = {"HTTP_PROXY": "http://forged", "REQUEST_METHOD": "GET"}
        self.assertEqual(self.proxy(cgi), "")
        self.assertEqual(self.proxy({**cgi, "http_proxy": "http://a"}), "a")
        self.assertEqual(self.proxy({**cgi, "HTTPS_PROXY": "http://b"}, "https://x.test/"), "b")

    def test_where_the_system_knows_no_case(self) -> None:
        cgi = {"HTTP_PROXY": "http://forged", "REQUEST_METHOD": "GET"}
        self.assertEqual(self.proxy(Caseless(cgi)), "")
        self.assertEqual(self.proxy(Caseless({**cgi, "ALL_PROXY": "http://c"})), "c")
        self.assertEqual(self.proxy(Caseless({"HTTP_PROXY": "http://a"})), "a")


@in_both_worlds
class OfTheCaller(World):
    def sent(self, method: str = "POST", **options: Any) -> Any:
        with Server(HERE) as server:
            self.request(method, server.url, **options)
            return server.requests[0]

    def test_methods_that_are_known_in_any_case(self) -> None:
        for method in ("post", "Put", "patch", "delete", "get", "options"):
            self.assertEqual(self.sent(method).method, method.upper())
        self.assertEqual(self.sent("query").method, "query")

    def test_buffers_are_copied(self) -> None:
        for kind in (bytearray, memoryview, lambda data: memoryview(bytearray(data))[::1]):
            self.assertEqual(self.sent(content=kind(b"data")).body, b"data")
        buffer = bytearray(b"before")
        request = Request("POST", "http://h/", None, buffer)
        buffer[:] = b"after!"
        self.assertTrue(request.encode().endswith(b"before"))

    def test_lone_surrogates(self) -> None:
        for text, received in (("\ud83d" + "\ude00", "\U0001f600"), ("\ud83d", "\ud83d")):
            body = self.sent(json={"a": text}).body
            self.assertTrue(body.isascii())
            self.assertEqual(json.loads(body), {"a": received})
        with self.assertRaises(InvalidRequestError) as caught:
            self.request("POST", "http://127.0.0.1:1/", content="s3cret\ud83d")
        shown = f"{caught.exception!r}{caught.exception.__context__!r}"
        self.assertNotIn("s3cret", shown)

    def test_params_that_are_none_are_left_out(self) -> None:
        for params, target in (
            ({"a": None}, "/"),
            ({"a": None, "b": 0, "c": ""}, "/?b=0&c="),
            ([("a", 1), ("b", None), ("a", 2)], "/?a=1&a=2"),
            ({"a": [1, None, 2], "b": []}, "/?a=1&a=2"),
            ({"a": range(2), b"b": b"c"}, "/?a=0&a=1&b=c"),
            ({"a": map(str, [1, 2])}, "/?a=1&a=2"),
            ({}, "/"),
        ):
            with self.subTest(params):
                self.assertEqual(self.sent("GET", params=params).target, target)

    def test_a_header_twice(self) -> None:
        request = self.sent("GET", headers=[("X-A", "1"), ("X-B", "2"), ("x-a", "3")])
        lines = [line for line in request.headers if line[0].lower() in ("x-a", "x-b")]
        self.assertEqual(lines, [("X-A", "1"), ("X-B", "2"), ("x-a", "3")])

    def test_types_that_do_not_fit(self) -> None:
        options: dict[str, Any]
        for options, part in (
            ({"headers": "X: y"}, "headers are a mapping of names to values, or"),
            ({"headers": ["X: y"]}, "headers are a mapping of names to values, or"),
            ({"headers": 5}, "headers are a mapping of names to values, or"),
            ({"params": 5}, "params are a mapping of names to values, or"),
            ({"headers": [("a", "b", "c")]}, "headers are a mapping of names to values, or"),
            ({"params": "a=b"}, "params are a mapping of names to values, or"),
            ({"headers": {"X": ["a", "b"]}}, "value of the header X is list, not a string"),
            ({"content": 5}, "content is bytes or str, not int"),
            ({"uds": 5}, "uds is a string or a path"),
            ({"follow_redirects": "no"}, "follow_redirects is True or False, not str"),
            ({"follow_redirects": 0}, "follow_redirects is True or False, not int"),
        ):
            with self.subTest(part), self.assertRaises(TypeError) as caught:
                self.request("POST", "http://127.0.0.1:1/", **options)
            self.assertIn(part, str(caught.exception))
        with self.assertRaisesRegex(TypeError, "a URL is a string, not bytes"):
            self.request("GET", b"http://127.0.0.1:1/")
        for name in ("timeout", "idle_timeout"):
            for wrong in (True, "5", 0, -1, 1e7, float("nan")):
                with self.subTest(name, wrong=wrong):
                    with self.assertRaisesRegex(ValueError, "are seconds above 0"):
                        self.request("GET", "http://127.0.0.1:1/", **{name: wrong})
        for wrong in (-1, "5", None, True):
            with self.assertRaisesRegex(ValueError, "max_redirects is a number"):
                self.request("GET", "http://127.0.0.1:1/", max_redirects=wrong)

    def test_a_unix_socket_where_there_are_none(self) -> None:
        names = {name: value for name, value in vars(socket).items() if name != "AF_UNIX"}
        with mock.patch.object(httpclient, "socket", types.SimpleNamespace(**names)):
            with self.assertRaisesRegex(ValueError, "this system has no Unix sockets"):
                self.get("http://localhost/", uds="/tmp/x")


class Closing(unittest.TestCase):
    def test_is_told_as_a_connection_error(self) -> None:
        self.assertIsInstance(httpclient._Closed(), ConnectError)


class Applications(unittest.TestCase):
    """What applications in-process hand over, whatever it is: an answer, or an error that names it."""

    NAMES = "X", "x-y", "Content-Type", "Content-Length", "Transfer-Encoding", "", "X Y", "X\r\nY", "\xe9", "X:", None, 5
    VALUES = "a", "a\r\nY: b\r\n\r\nfoo", "\0", "\xe9", "\u20ac", None, 5, "3", "9" * 30, "-1", "0x5", "chunked"
    STATUSES = "200 OK", "200", "abc", "99 x", "200 OK\r\nY: b", "", None, 204, "304 x", "500 Oops", "1000"
    PIECES = b"", b"data: x\n\n", b"foo", "text", None, 7, bytearray(b"y")

    def run_wsgi(self, status: Any, headers: list[Any], pieces: list[Any]) -> Any:
        def app(environ: Any, start_response: Any) -> list[Any]:
            start_response(status, headers)
            return pieces

        return httpclient.WSGITransport(app)("GET", "http://app.test/", timeout=5.0).read

    def run_asgi(self, status: Any, headers: list[Any], pieces: list[Any]) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})

        async def main() -> bytes:
            response = await httpclient.ASGITransport(app)("GET", "http://app.test/", timeout=5.0)
            self.heard.append(response)
            async with response:
                return await response.aread()

        return lambda: asyncio.run(main())

    def test_whatever_they_hand_over(self) -> None:
        source = random.Random(31)
        answered = 0
        for number in range(600):
            in_bytes = number % 2 and source.random() < 0.8
            headers = [(source.choice(self.NAMES), source.choice(self.VALUES)) for _ in range(source.randrange(3))]
            if in_bytes:
                headers = [tuple(t.encode("utf-8") if isinstance(t, str) else t for t in pair) for pair in headers]
            status = source.choice(self.STATUSES)
            if number % 2 and isinstance(status, str) and status[:3].isdigit():
                status = int(status[:3])
            pieces = [source.choice(self.PIECES) for _ in range(source.randrange(3))]
            self.heard: list[Any] = []
            with self.subTest(status=status, headers=headers, pieces=pieces):
                try:
                    if number % 2:
                        body = self.run_asgi(status, headers, pieces)()
                    else:
                        body = self.run_wsgi(status, headers, pieces)()
                except (RuntimeError, TypeError, httpclient.HTTPClientError):
                    continue
                answered += 1
                handed = b"".join(bytes(p) for p in pieces if isinstance(p, (bytes, bytearray)))
                self.assertTrue(handed.startswith(body), (handed, body))
                for response in self.heard:
                    self.assertNotIn("y", response.headers)
        self.assertGreater(answered, 20)
