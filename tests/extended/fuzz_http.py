"""`fuzz_http.py --seconds N`: coverage-guided fuzzing (atheris) of what is made of foreign input.

Answers: no exceptions but those documented, the same outcome however the bytes are cut, nothing
kept but what was fed just now. What a proxy answers to CONNECT: a tunnel or a `ProxyError`. Chains
of redirects, URLs, header lines, NO_PROXY: no exceptions but those documented, never a request
other than one well-formed head. Content types, charsets, error bodies: nothing raised, messages
short and printable. Retry-After and Date: a wait within its bounds. Inputs that once failed are
kept in `CASES`, which pytest runs, too.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import logging
import os
import re
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports() if atheris and __name__ == "__main__" else contextlib.nullcontext():
    import httpclient
    import sse
    from httpclient import (
        URL,
        BodyError,
        ConnectError,
        Exchange,
        Headers,
        HTTPClientError,
        InvalidRequestError,
        ProtocolError,
        RedirectError,
        Request,
        Response,
        ResponseParser,
        StatusError,
    )

logging.getLogger("sse").addHandler(logging.NullHandler())  # else each wait would be printed
METHODS = ["GET", "HEAD", "POST", "CONNECT"]
HEAD = re.compile(
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [!-~]+ HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t -~\x80-\xff]*\r\n)+\r\n"
)
MOST = 1 << 20  # bytes of a decoded body that are looked at


def parse(method: str, pieces: list[bytes]) -> tuple[object, ...]:
    """What becomes of an answer: its head and the length of its body, or the error and when it came."""
    parser, size, data = ResponseParser(method), 0, None
    try:
        for piece in [*filter(None, pieces), b""]:
            parser.feed(piece)
            while parser.status_code and size < MOST and (data := parser.read()):
                size += len(data)
            assert len(parser.unread) <= len(piece) + 2 * 65536
            if data == b"" or size >= MOST:
                return parser.status_code, parser.reason, tuple(parser.headers.items()), min(size, MOST)
    except (BodyError, ConnectError, ProtocolError) as error:
        check_text(error)
        return type(error).__name__, parser.status_code, min(size, MOST)
    raise AssertionError("fed all and its end, and it still waits")


def check_text(error: HTTPClientError) -> None:
    text = str(error)
    assert text and text.isprintable() and len(text) < 2000, text


def fuzz_answer(data: bytes) -> None:
    method, step, raw = METHODS[data[0] % 4], data[1] or 256, data[2:]
    whole = parse(method, [raw])
    cut = parse(method, [raw[i : i + step] for i in range(0, len(raw), step)])
    assert whole == cut, (whole, cut)


def fuzz_url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape" if data[0] & 1 else "replace")
    try:
        url = URL(text)
    except InvalidRequestError:
        return
    assert str(URL(str(url))) == str(url)
    assert HEAD.fullmatch(Request("GET", url).encode())
    assert HEAD.fullmatch(Request("GET", url).encode(proxy=URL("http://user:password@proxy")))


def fuzz_redirect(data: bytes) -> None:
    base, _, location = data.decode("latin-1").partition("\n")
    location = location.replace("\n", "")  # which ends a header line
    headers = {"Authorization": "secret", "Accept": "text/event-stream"}
    try:
        request = Request("GET", base, headers)
    except InvalidRequestError:
        return
    for status in (302, 303, 307):  # a chain
        before = request
        try:
            answer = ResponseParser()
            answer.status_code, answer.headers = status, Headers([("Location", location)])
            there = before.redirected(answer, 20, confined=False)
        except RedirectError as error:
            check_text(error)
            return
        if there is None:
            assert not location
            return
        head = there.encode()
        assert HEAD.fullmatch(head)
        if there.url.origin != before.url.origin and there.url.host != before.url.host:
            assert b"secret" not in head
        assert (before.url.scheme, there.url.scheme) != ("https", "http")
        assert all(hop.isprintable() and "?" not in hop for hop in there.hops)
        request = there


def fuzz_tunnel(data: bytes) -> None:
    """The answer to CONNECT."""
    route = httpclient._Route(URL("https://server.test/"), "http://user:secret@proxy.test", None)
    parser = ResponseParser("CONNECT")
    try:
        for piece in (data[1:][: data[0]], data[1:][data[0] :], b""):
            if not parser.status_code:
                parser.feed(piece)
        route.enter_tunnel(parser)
    except (ConnectError, ProtocolError) as error:
        check_text(error)
        assert "secret" not in str(error)
    else:
        assert (route.name, route.proxy) == ("server.test", None)
        assert re.match(rb"\s*HTTP/1\.[01] (1..[^\0]*?\nHTTP/1\.[01] )?2", data[1:]), data


def fuzz_response(data: bytes) -> None:
    """Content types and bodies of errors."""
    content_type, _, content = data.partition(b"\n")
    value = content_type.decode("latin-1")
    essence, charset = httpclient._mime_type(value)
    assert essence == "" or re.fullmatch("[^/]+/[^/]+", essence)
    assert essence or not charset
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 400 Bad\r\n\r\n")
    parser.headers = Headers([("Content-Type", value)])
    response = Response(Exchange(), parser, Request("GET", "http://localhost/"))
    response._content = content
    assert isinstance(response.text, str)
    with contextlib.suppress(ValueError):
        response.json()
    try:
        response.raise_for_status()
    except StatusError as error:
        check_text(error)
    whole, cut = httpclient._Lines(), httpclient._Lines()
    lines = whole.feed(content) + whole.feed(b"") if content else []
    assert lines == [line for byte in content for line in cut.feed(bytes([byte]))] + cut.feed(b"")


class Busy:
    """A response of another transport."""

    status_code, url = 503, "http://localhost/"

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def iter_bytes(self) -> list[bytes]:
        return []

    def close(self) -> None:
        pass


def fuzz_retry_after(data: bytes) -> None:
    value, _, date = data.decode("latin-1").partition("\n")
    waits = []

    def failed(error: object, seconds: float | None) -> None:
        waits.append(seconds)
        client.close()

    client = sse.SSEClient(
        "http://localhost/",
        transport=lambda *_, **__: Busy({"retry-after": value, "date": date}),
        retry_on_status={503},
        on_error=failed,
    )
    with client:
        pass
    assert waits[0] is not None and 3 <= waits[0] <= 3600, waits


def fuzz_request(data: bytes) -> None:
    method, name, value, *_ = [*data.decode("utf-8", "replace").split("\n", 2), "", ""]
    try:
        request = Request(method, "http://localhost/", {name: value}, None)
    except InvalidRequestError:
        return
    assert HEAD.fullmatch(request.encode())


def fuzz_no_proxy(data: bytes) -> None:
    host, _, rules = data.decode("latin-1").partition("\n")
    try:
        url = URL(f"http://{host}/")
    except InvalidRequestError:
        return
    for rule in rules.lower().split():
        assert httpclient._matches(url, rule) in (True, False)


TARGETS = [
    fuzz_answer, fuzz_answer, fuzz_answer, fuzz_url, fuzz_redirect, fuzz_request, fuzz_no_proxy,
    fuzz_tunnel, fuzz_response, fuzz_retry_after,
]  # fmt: skip


def fuzz(data: bytes) -> None:
    if len(data) > 3:
        TARGETS[data[0] % len(TARGETS)](data[1:])


OK = b"HTTP/1.1 200 OK\r\n"
GZIP = gzip.compress(b"data: x\n\n", mtime=0)
CASES = [
    # answers: which target, method, size of the pieces, bytes
    b"\0\0\0" + OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6;a=b\r\ndata: \r\n3\r\nx\n\n\r\n0\r\nTrailer: x\r\n\r\n",
    b"\0\0\1" + OK + b"Content-Length: 9\r\n\r\ndata: x\n\n",
    b"\0\0\3HTTP/1.0 200\nServer: x\r\n folded\r\n\r\ndata: x\n\n",
    b"\0\0\2HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"\r\n",
    b"\0\0\5" + OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(GZIP) + GZIP,
    b"\0\0\5" + OK + b"Content-Encoding: deflate\r\n\r\n" + GZIP[10:-8],
    b"\0\0\0" + OK + b"Content-Encoding: gzip, br\r\n\r\n" + GZIP,
    b"\0\1\0" + OK + b"Content-Length: 5, 5\r\n\r\n",
    b"\0\0\0HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\0\0\0" + OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\0\3\0HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01",
    b"\0\0\0" + OK + b"Transfer-Encoding: identity, chunked, chunked\r\n\r\n1\r\nx\r\n0\r\n",
    b"\0\0\0HTTP/1.0 200\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n"
    b"1\r\nx\r\n0\r\nX: y",
    b"\0\0\7" + OK + b"Content-Encoding: gzip\r\n\r\n" + GZIP + GZIP[:-4] + b"\0\0\0\0",
    # URLs
    b"\3https://user:p%40ss@ex%61mple.org:8443/a%20b/../c?d=e f&g=%#h",
    "\3http://bücher.example/ä?ö".encode(),
    b"\3http://[fe80::1%25eth0]:80/",
    b"\4http://a/b/c?d\n../e;f?g#h",
    b"\4https://a/\n//b:80/\x80\xff",
    b"\4http://a\nhttp://user@a:0x50/",
    b"\5GET\nX-Name\nvalue, \xc3\xa4",
    b"\6localhost\nlocalhost:80 .example.com 127.0.0.0/8 [::1] ::1/128 * *.a 10.0.0.0/99",
    b"\4http://a\n//user:s3cret@ex\xe2\x84\x80mple/",
    # answers to CONNECT: size of the first piece
    b"\7\5HTTP/1.1 200 Connection established\r\n\r\n",
    b"\7\5HTTP/1.1 502 [Errno 99999999999999999999]\r\nVia: x\r\n\r\nno",
    b"\7\0HTTP/1.1 407 who\r\nProxy-Authenticate: Basic\r\n\r\n",
    b"\7\0[Errno 13]\r\n\r\n",
    # content types and bodies
    b'\x08text/html;x=",";charset=punycode, text/plain ; charset="g\\bk"\n'
    b'{\n  "a": "\xe2\x80\xae"\n}\r\n\r',
    b"\x08*/*, text/html;charset=utf-16\n\xff\xfea\0[[[[",
    # Retry-After and Date
    b"\x0930\n",
    b"\x09Sat, 21 Nov 2026 09:15:42 GMT\nSat, 21 Nov 2026 09:15:40 GMT",
    b"\x09Saturday, 21-Nov-94 08:49:37 GMT\nSat Nov 21 08:49:37 1994",
]


def test_cases() -> None:
    for case in CASES:
        fuzz(case)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=60)
    seconds = arguments.parse_args().seconds
    if atheris is None:
        sys.exit("atheris is not installed")
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            Path(folder, str(number)).write_bytes(case)
        settings = {"max_total_time": seconds, "timeout": 10, "rss_limit_mb": 1024, "max_len": 2048}
        options = [f"-{name}={value}" for name, value in settings.items()]
        artifacts = f"-artifact_prefix={tempfile.gettempdir()}{os.sep}fuzz_http-"
        atheris.Setup([sys.argv[0], *options, artifacts, "-print_final_stats=1", folder], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
