"""`python3 tests/benchmarks/hostile.py`: what a peer can make large in HTTP.

It prints time and memory against size.

Each case is measured at a size and at four times that size, in this process: CPU time, minimum of
three, and peak of what Python allocates (that of zlib is not seen). "growth" is by how much the
time for a byte grew: 1 is linear, 4 is the square. Sizes are those of the bytes that the peer
sends (of a bomb, packed); a head ends at 64 KiB, so its cases begin with a quarter of that. Of
cases of one kind the two slowest are printed. Status 1 if one takes more than linear time, or
raises what is not documented.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from encodings.aliases import aliases
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpclient
from httpclient import HTTPClientError, Request, ResponseParser

Case = Callable[[int], Callable[[], object]]
OK = b"HTTP/1.1 200 OK\r\n"
HEAD = 15 * 1024  # bytes; four times that is just within the limit
BODY = 256 * 1024
CASES: dict[str, tuple[int, Case]] = {}


def case(name: str, size: int) -> Callable[[Case], Case]:
    def add(make: Case) -> Case:
        CASES[name] = size, make
        return make

    return add


def parse(raw: bytes, piece: int = 65536) -> Callable[[], object]:
    """Feed and read to the end, as the clients do."""
    pieces = [raw[start : start + piece] for start in range(0, len(raw), piece)]

    def run() -> None:
        parser = ResponseParser()
        for data in [*pieces, b""]:
            parser.feed(data)
            while parser.status_code and parser.read():
                pass

    return run


def fields(line: bytes, size: int) -> bytes:
    return OK + line * (size // len(line) - 1) + b"\r\n"


def chunked(pieces: Iterable[bytes], end: bytes = b"0\r\n\r\n") -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(pieces) + end


def using(headers: httpclient.Headers, use: Callable[[Any], object]) -> Callable[[], object]:
    return lambda: use(headers)


def repeated(text: str, size: int) -> str:
    return text * (size // len(text))


# Heads

for line in (b"a:\n", b"X-%d: y\r\n", b" folded\r\n", b"X: y\r\n"):
    case(f"head of lines {line!r}", HEAD)(lambda n, line=line: parse(fields(line, n)))
case("head of one line", HEAD)(lambda n: parse(OK + b"X: " + b"y" * (n - 30) + b"\r\n\r\n"))
case("head without end", HEAD)(lambda n: parse(OK + b"X: " + b" " * (n - 30) + b"\0\r\n\r\n"))
case("head byte by byte", HEAD)(lambda n: parse(fields(b"a:\n", n), 1))
case("interim answers", 16 * HEAD)(
    lambda n: parse((b"HTTP/1.1 103 x\r\nX: " + b"y" * (n // 64) + b"\r\n\r\n") * 63 + OK + b"\r\n")
)
case("dict(headers), all different", HEAD)(
    lambda n: using(httpclient.Headers((f"X{i}", "") for i in range(n // 6)), dict)
)
case("dict(headers), all of one name", HEAD)(
    lambda n: using(httpclient.Headers([("X", "y")] * (n // 6)), dict)
)
for text in (
    ",",
    '"',
    '",',
    "\\",
    '"\\',
    ";",
    " ",
    "a/b,",
    "a/b;c=d,",
    "a/b;charset=c;",
    '="',
    "a/",
    "=;",
):
    case(f"Content-Type of {text!r}", HEAD)(
        lambda n, text=text: using(
            httpclient.Headers([("Content-Type", "a/b" + repeated(text, n))]),
            lambda headers: httpclient._mime_type(headers["content-type"]),
        )
    )
for name in ("Transfer-Encoding", "Content-Encoding", "Content-Length"):
    for text in ("gzip,", ",", " ", "1,"):
        raw = name.encode() + b": "
        case(f"{name} of {text!r}", HEAD)(
            lambda n, raw=raw, text=text: parse(
                OK + raw + repeated(text, n - 100).encode() + b"\r\n\r\nx"
            )
        )

# Redirects

for text in (
    "/a", "/../", "/./", "a/../", "?", "#", "%", "\\", "@", ":", "http://a@", "//", "//a.",
    "http://[",
    "http://[:", "http://a:0", "http://ä.", "http://ä", "//\u2100", "http:0:", "x:@", "é",
):  # fmt: skip

    def follow(n: int, text: str = text) -> Callable[[], object]:
        request = Request("GET", "http://user:password@localhost/a/b/c", {"Accept": "x"})
        location = repeated(text, n // 2)
        if text.startswith(("http", "//a", "//\u2100")):
            location = text + repeated(text.rpartition("/")[2], n // 2)
        answer = httpclient.ResponseParser()
        answer.status_code = 302
        answer.headers = httpclient.Headers([("Location", location.encode().decode("latin-1"))])
        return lambda: request.redirected(answer, 20, False)

    case(f"Location of {text!r}", HEAD)(follow)

# Bodies

case("chunks of a byte", BODY)(lambda n: parse(chunked([b"1\r\nx\r\n" * (n // 6)])))
case("chunks byte by byte", BODY // 16)(lambda n: parse(chunked([b"1\r\nx\r\n" * (n // 6)]), 1))
case("chunks with long extensions", BODY)(
    lambda n: parse(chunked([(b"1;" + b"x" * 8000 + b"\r\nx\r\n") * (n // 8000)]))
)
case("one chunk in pieces of a byte", BODY // 16)(
    lambda n: parse(chunked([b"%x\r\n%b\r\n" % (n, b"x" * n)]), 1)
)
case("long extensions byte by byte", BODY // 16)(
    lambda n: parse(chunked([(b"1;" + b"x" * 8000 + b"\r\nx\r\n") * (n // 8000)]), 1)
)
case("trailers", HEAD)(lambda n: parse(chunked([], b"0\r\n" + b"a:\n" * (n // 3 - 9) + b"\r\n")))
case("trailers byte by byte", HEAD)(
    lambda n: parse(chunked([], b"0\r\n" + b"a:\n" * (n // 3 - 9) + b"\r\n"), 1)
)
case("length, byte by byte", BODY // 16)(
    lambda n: parse(OK + b"Content-Length: %d\r\n\r\n" % n + b"x" * n, 1)
)
GZIP = OK + b"Content-Encoding: gzip\r\n\r\n"
case("gzip bomb", BODY // 16)(lambda n: parse(GZIP + gzip.compress(bytes(n * 1000))))
case("gzip bomb, broken at its end", BODY // 16)(
    lambda n: parse(GZIP + gzip.compress(bytes(n * 1000))[:-8] + bytes(8))
)
case("gzip, broken, byte by byte", BODY // 16)(
    lambda n: parse(
        GZIP
        + gzip.compress(bytes(itertools.islice(itertools.cycle(range(256)), n)), 0)[:-8]
        + bytes(8),
        1,
    )
)
case("gzip of empty members", BODY)(lambda n: parse(GZIP + gzip.compress(b"") * (n // 20)))
case("deflate of empty blocks", BODY)(
    lambda n: parse(
        OK
        + b"Content-Encoding: deflate\r\n\r\n"
        + zlib.compress(b"")[:2]
        + b"\0\0\0\xff\xff" * (n // 5)
    )
)


def lines(text: bytes, piece: int) -> Case:
    def make(n: int) -> Callable[[], object]:
        raw = text * (n // len(text))

        def run() -> None:
            found = httpclient._Lines()
            for start in range(0, n, piece):
                found.feed(raw[start : start + piece])

        return run

    return make


for text in (b"x", b"\n", b"\r", b"\r\n", b"\xff", b"x\n"):
    for piece in (1, 65536):
        size = BODY // 16 if piece == 1 else BODY
        case(f"iter_lines over {text!r} in pieces of {piece}", size)(lines(text, piece))


def response(content: bytes, *lines: tuple[str, str]) -> httpclient.Response:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n")
    parser.headers = httpclient.Headers(lines)
    made = httpclient.Response(httpclient.Exchange(), parser, Request("GET", "http://localhost/"))
    made._content = content
    return made


for text in ("x", " ", "\n", "\u202e", "\0"):
    case(f"error body of {text!r}", BODY)(
        lambda n, text=text: response(repeated(text, n).encode()).raise_for_status
    )
for text in ("[", '{"a":', '"', "1", "-", '"\\ud83d', "1e"):
    case(f"json() of {text!r}", BODY)(
        lambda n, text=text: response(repeated(text, n).encode()).json
    )
NAMES = sorted(
    {*aliases.values(), "punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
)
for name in NAMES:
    for unit in (b"-99", b"\xff", b"\x1b$B", b"+AG"):
        case(f"charset={name}, body of {unit!r}", BODY // 4)(
            lambda n, name=name, unit=unit: lambda: httpclient._decode(unit * (n // 3), name)
        )


def measure(run: Callable[[], object], rounds: int) -> tuple[float, int]:
    """Seconds of CPU; peak of memory in bytes."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        attempt(run)
        best = min(best, time.process_time() - start)
    tracemalloc.start()
    try:
        attempt(run)
        return best, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def attempt(run: Callable[[], object]) -> None:
    try:
        run()
    except (HTTPClientError, ValueError) as error:
        assert isinstance(error, HTTPClientError) or "json" in run.__qualname__, error
        assert len(str(error)) < 1000, len(str(error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument(
        "--all", action="store_true", help="print every case, not only the slowest of a kind"
    )
    arguments = parser.parse_args()
    bad = 0
    rows = []
    for name, (size, make) in CASES.items():
        if arguments.only not in name:
            continue
        small, _ = measure(make(size), 3)
        large, peak = measure(make(4 * size), 3)
        growth = large / max(small, 1e-6) / 4
        if growth > 2 and large > 0.002:  # once more, in quiet
            growth = measure(make(4 * size), 9)[0] / max(measure(make(size), 9)[0], 1e-6) / 4
        wrong = growth > 2 and large > 0.002
        bad += wrong
        if sys.stderr.isatty():
            print(f"\r{len(rows)} of {len(CASES)}", end="", file=sys.stderr, flush=True)
        rows.append((name, 4 * size, large, growth, peak, wrong))
    print(f"{'':52} {'bytes':>8} {'ms':>8} {'ns/byte':>8} {'growth':>7} {'peak/size':>9}")
    shown: dict[str, int] = {}
    for name, size, seconds, growth, peak, wrong in sorted(rows, key=lambda row: -row[2] / row[1]):
        kind = name.split(" of ")[0].split("=")[0].split(" over ")[0]
        shown[kind] = shown.get(kind, 0) + 1
        if not arguments.all and shown[kind] > 2 and not wrong:
            continue
        figures = f"{size:8} {seconds * 1e3:8.2f} {seconds / size * 1e9:8.1f}"
        figures += f" {growth:7.2f} {peak / size:9.1f}"
        print(f"{name[:52]:52} {figures}{'  NOT LINEAR' if wrong else ''}")
    print(f"{len(rows)} cases, {bad} not linear")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
