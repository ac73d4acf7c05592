"""The command line: what it sends, prints and says, and how it ends."""

from __future__ import annotations

import base64
import contextlib
import errno
import inspect
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import sse
from sse import SSEParser
from tests.server import (
    CA,
    CERTS,
    CHUNKED,
    NO_CONTENT,
    PATIENCE,
    Connection,
    Request,
    Script,
    Server,
    answer,
    chunk,
    head,
    redirect,
    refused_port,
    silent,
    stream,
)
from tests.worlds import Checked, at_once, patiently

EVENT = stream("data: x\n\n")
OPTIONS = inspect.signature(sse.SSEClient).parameters  # whose names nobody has to know here
FILES = "cacert", "cert", "key", "output", "unix-socket"
FORM = "application/x-www-form-urlencoded"


class Done:
    """What the command printed and returned."""

    def __init__(self, status: int, out: bytes, err: str) -> None:
        self.status, self.out, self.err = status, out.decode(), err


class Command(Checked):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(logging.getLogger("sse").setLevel, logging.NOTSET)
        # what ignores Ctrl-C, such as a job in a shell's background, has children that do so too
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def run_here(self, *args: str, stdin: bytes = b"") -> Done:
        """Runs the command in this process."""
        printed, err = io.BytesIO(), io.StringIO()
        out = io.TextIOWrapper(printed, encoding="ascii")
        given = io.TextIOWrapper(io.BytesIO(stdin))
        with (
            mock.patch.multiple(sys, stdin=given, stdout=out, stderr=err),
            mock.patch("logging.basicConfig"),
        ):
            status = sse.main(list(args))
            out.flush()
        return Done(status, printed.getvalue(), err.getvalue())

    def start(self, *args: str | bytes, **options: Any) -> Any:
        """Starts the command as a process of its own."""
        command = [sys.executable, "-S", "-W", "error", str(sse.__file__), *args]
        options = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.PIPE,
        } | options
        process: Any = subprocess.Popen(command, **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)

    def finish(self, process: subprocess.Popen[bytes]) -> Done:
        out, err = process.communicate(timeout=PATIENCE)
        return Done(process.returncode, out or b"", (err or b"").decode())

    def interrupt(self, process: subprocess.Popen[bytes]) -> Done:
        """Ctrl-C, pressed again after some seconds, as users do: of a signal that comes in the last
        moment before a system call, Python takes no notice until that call ends.
        """
        for _ in range(int(PATIENCE / 5)):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
                break
        return self.finish(process)

    def sent(self, *args: str, stdin: bytes = b"", path: str = "/p") -> Request:
        """The request that these arguments make."""
        with Server(NO_CONTENT) as server:
            done = self.run_here(*args, server.url + path, stdin=stdin)
            self.assertEqual((done.status, done.out, done.err), (0, "", ""), args)
        return server.requests[0]


class Sending(Command):
    """Options that are curl's mean what they mean to curl."""

    def test_method_and_body(self) -> None:
        lines = self.file("lines", b"a\r\nb\0\n")
        at = "@" + lines
        for args, method, type, body in (
            ([], "GET", None, b""),
            (["-X", "DELETE"], "DELETE", None, b""),
            (["-XPUT"], "PUT", None, b""),
            (["-d", "a=1"], "POST", FORM, b"a=1"),
            (["-da=1", "--data", "b=2", "--data-raw", "c"], "POST", FORM, b"a=1&b=2&c"),
            (["--data=a=1"], "POST", FORM, b"a=1"),
            (["-d", ""], "POST", FORM, b""),
            (["-d", "a\nb"], "POST", FORM, b"a\nb"),
            (["-d", "grüß"], "POST", FORM, "grüß".encode()),
            (["-d", at], "POST", FORM, b"ab"),
            (["--data-binary", at, "-d", at], "POST", FORM, b"a\r\nb\0\n&ab"),
            (["--data-raw", "@x"], "POST", FORM, b"@x"),
            (
                ["-X", "GET", "-d", "{}", "-H", "content-type: text/plain"],
                "GET",
                "text/plain",
                b"{}",
            ),
            (["-d", "{}", "-H", "Content-Type:"], "POST", None, b"{}"),
            (["--json", '{"a":', "--json", "1}"], "POST", "application/json", b'{"a":1}'),
            (["--json", at, "-d", "x"], "POST", "application/json", b"a\r\nb\0\n&x"),
            (["-d", "@-"], "POST", FORM, b"given"),
            (["-d", "@-", "-d", "@-"], "POST", FORM, b"given&"),
            (["-d", "-x", "-X", "PATCH"], "PATCH", FORM, b"-x"),
        ):
            with self.subTest(args=args):
                request = self.sent(*args, stdin=b"giv\nen")
                got = (request.method, request.target, request.header("Content-Type"), request.body)
                self.assertEqual(got, (method, "/p", type, body))

    def test_the_data_as_query(self) -> None:
        for path, args, target in (
            ("/p", ["-d", "a=1", "-d", "b=ü"], "/p?a=1&b=%C3%BC"),
            ("/p?x#y", ["-d", "a=1"], "/p?x&a=1"),
            ("/p", [], "/p"),
            ("/p", ["--data-binary", "@" + self.file("latin-1", b"q=\xfc")], "/p?q=%FC"),
            (os.fsdecode(b"/\xfc?q=\xc3\xbc\xfc"), ["-d", "a"], "/%FC?q=%C3%BC%FC&a"),
        ):
            with self.subTest(path=path, args=args):
                request = self.sent("-G", *args, path=path)
                self.assertEqual(
                    (request.method, request.target, request.body), ("GET", target, b"")
                )
                self.assertIsNone(request.header("Content-Type"))

    def headers(self, *args: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.sent(*args).headers:
            found.setdefault(name.lower(), []).append(value)
        del found["host"], found["connection"]
        return found

    OURS = {  # noqa: RUF012
        "accept": ["text/event-stream"],
        "accept-encoding": ["identity"],
        "cache-control": ["no-cache"],
        "user-agent": ["stdlib-sse"],
    }

    def test_headers(self) -> None:
        basic = "Basic " + base64.b64encode("me:ä:b".encode()).decode()
        for args, more in (
            ([], {}),
            (["-H", "X-A: 1", "-HX-B:2", "-H", "x-a:  3 "], {"x-a": ["1", "3"], "x-b": ["2"]}),
            (["-H", "X-A;"], {"x-a": [""]}),
            (["-H", "X-A:", "-H", "X-B: "], {}),
            (["-H", "X-A: ü"], {"x-a": ["ü"]}),
            (["-H", "accept: */*"], {"accept": ["*/*"]}),
            (["-H", "Cache-Control:"], {"cache-control": None}),
            (["-A", "me/1"], {"user-agent": ["me/1"]}),
            (["-A", "me/1", "-H", "user-agent: you"], {"user-agent": ["you"]}),
            (["-e", "http://r/"], {"referer": ["http://r/"]}),
            (["-b", "a=1; b=2", "-b", "c=3"], {"cookie": ["a=1; b=2; c=3"]}),
            (["-b", "a=1", "-H", "Cookie: b=2"], {"cookie": ["b=2"]}),
            (["-u", "me:ä:b"], {"authorization": [basic]}),
            (["-u", "me:x", "-H", "Authorization: Bearer x"], {"authorization": ["Bearer x"]}),
            (["-H", "Last-Event-ID: ü7"], {"last-event-id": ["ü7"]}),
            (["-H", "Last-Event-ID: 7", "--last-event-id", "8"], {"last-event-id": ["8"]}),
            (["--last-event-id", "-x"], {"last-event-id": ["-x"]}),
            (["-H", "Accept-Encoding: gzip, deflate, br, zstd", "--compressed"], {}),
            (
                ["-H", "Accept-Encoding: gzip;q=1, deflate"],
                {"accept-encoding": ["gzip;q=1, deflate"]},
            ),
            (["-H", "Accept-Encoding:"], {}),
            (["-H", "User-Agent:", "-H", "accept:"], {"accept": ["*/*"]}),
            (["-A", ""], {}),
            (["-sSNLf", "--http1.1", "--no-buffer", "--fail-with-body"], {}),
        ):
            with self.subTest(args=args):
                expected = {
                    name: value for name, value in (self.OURS | more).items() if value is not None
                }
                self.assertEqual(self.headers(*args), expected)

    def test_json(self) -> None:
        found = self.headers("--json", "{}")
        self.assertEqual(found["accept"], ["text/event-stream, application/json"])
        found = self.headers("--json", "{}", "-H", "Accept: text/event-stream")
        self.assertEqual(found["accept"], ["text/event-stream"])

    def test_framing_headers_of_a_copied_line(self) -> None:
        lines = (
            "Connection: keep-alive",
            "Content-Length: 77",
            "Transfer-Encoding: chunked",
            "TE: trailers",
            "Keep-Alive: timeout=5",
            "Upgrade: h2c",
            "Expect: 100-continue",
            "Proxy-Connection: keep-alive",
        )
        request = self.sent("-d", "x", *(part for line in lines for part in ("-H", line)))
        self.assertEqual(
            (request.header("Connection"), request.header("Content-Length")), ("close", "1")
        )
        self.assertFalse(
            request.names() & {"transfer-encoding", "te", "keep-alive", "upgrade", "expect"}
        )

    def test_host(self) -> None:
        self.assertEqual(self.sent("-H", "Host: example.com").header("Host"), "example.com")
        self.assertIn("127.0.0.1", self.sent("-H", "Host:").header("Host") or "")

    def test_password_asked_for(self) -> None:
        with mock.patch("getpass.getpass", return_value="secret") as asked:
            value = self.sent("-u", "me").header("Authorization") or ""
        asked.assert_called_once_with("Password of me: ")
        self.assertEqual(base64.b64decode(value.removeprefix("Basic ")), b"me:secret")
        with mock.patch("getpass.getpass", side_effect=EOFError):
            done = self.run_here("-u", "me", "http://h/")
        self.assertEqual(done.status, 2)
        self.assertIn("--user", done.err)

    @unittest.skipUnless(hasattr(os, "setsid"), "no sessions here, so no terminal to be without")
    def test_no_terminal_to_ask_for_a_password(self) -> None:
        """Standard input is not taken for it, and nothing is said but that."""
        process = self.start("-d", "@-", "-u", "me", "http://h/", start_new_session=True)
        out, err = process.communicate(b"body\n", timeout=PATIENCE)
        text = b"sse: --user is NAME:PASSWORD; there is no terminal to ask for the password"
        self.assertEqual((process.returncode, out, err.splitlines()), (2, b"", [text]))

    def test_ways_to_the_server(self) -> None:
        with Server(NO_CONTENT, family="unix") as server:
            self.assertEqual(self.run_here("--unix-socket", server.path, "http://h/p").status, 0)
        self.assertEqual(server.requests[0].header("Host"), "h")
        with Server(NO_CONTENT) as proxy:
            self.assertEqual(self.run_here("-x", proxy.authority, "http://h/p").status, 0)
        self.assertEqual(proxy.requests[0].target, "http://h/p")
        with Server(redirect("/q"), NO_CONTENT) as server:  # -L or not
            self.assertEqual(
                self.run_here("--url", server.authority + "/p").status, 0
            )  # http:// without saying so
        self.assertEqual([request.target for request in server.requests], ["/p", "/q"])

    def test_certificates(self) -> None:
        client = str(CERTS / "client.pem")
        for args in (
            ["--cacert", CA],
            ["-k"],
            ["--cacert", CA, "-E", client],
            ["-k", "--cert", client],
        ):
            with (
                self.subTest(args=args),
                Server(NO_CONTENT, tls=True, client_ca=client in args) as server,
            ):
                self.assertEqual(self.run_here(*args, server.url).status, 0)
        with Server(NO_CONTENT, tls=True) as server:
            done = self.run_here("-E", client, server.url)
        self.assertEqual(done.status, 1)
        self.assertIn("certificate", done.err)
        pair = Path(client).read_text()
        key, cert = re.findall("(?s)-----BEGIN .*?-----END [^\n]*\n", pair)
        if "PRIVATE" in cert:
            key, cert = cert, key
        args = ["--cacert", CA, "--cert", self.file("cert", cert), "--key", self.file("key", key)]
        with Server(NO_CONTENT, tls=True, client_ca=True) as server:
            self.assertEqual(self.run_here(*args, server.url).status, 0)
        with Server(NO_CONTENT, tls=True, client_ca=True) as server:  # a password that no key needs
            self.assertEqual(
                self.run_here("--cacert", CA, "-E", client + ":pw", server.url).status, 0
            )


class Printing(Command):
    STREAM = (
        "data: a\n\nevent: e\nid: 1\ndata: b\ndata: \u00fc\nretry: 5\n\nid\ndata: c\n\ndata: \n\n"
    )

    def printed(self, *args: str, events: str = STREAM) -> str:
        done = self.run_here(*args, "-", stdin=events.encode())
        self.assertEqual((done.status, done.err), (0, ""))
        with Server(stream(events)) as server:
            over_http = self.run_here("--no-reconnect", *args, server.url)
        self.assertEqual((over_http.status, over_http.err), (0, ""))
        self.assertEqual(over_http.out, done.out)
        return done.out

    def test_formats(self) -> None:
        self.assertEqual(self.printed(), "message: a\ne: b\nü  [1]\nmessage: c\nmessage: \n")
        self.assertEqual(self.printed("--format", "data"), "a\nb\nü\nc\n\n")
        parsed = SSEParser().feed(self.STREAM)
        lines = self.printed("--format", "jsonl")
        self.assertEqual(lines, "".join(json.dumps(asdict(event)) + "\n" for event in parsed))
        self.assertEqual(SSEParser().feed(self.printed("--format=raw")), parsed)

    def test_an_id_that_was_cleared(self) -> None:
        events = "id: 1\ndata: a\n\nid:\ndata: b\n\ndata: c\n\nid: 2\ndata: d\n\nid\n\ndata: e\n\n"
        raw = self.printed("--format", "raw", events=events)
        self.assertEqual([event.id for event in SSEParser().feed(raw)], ["1", "", "", "2", ""])

    def test_to_a_file(self) -> None:
        path = self.folder / "out"
        with Server(stream(self.STREAM)) as server:
            done = self.run_here("--no-reconnect", "-o", str(path), server.url)
        self.assertEqual((done.status, done.out), (0, ""))
        self.assertEqual(
            path.read_bytes(), "message: a\ne: b\nü  [1]\nmessage: c\nmessage: \n".encode()
        )

    def test_heads(self) -> None:
        body = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nX: 1\r\n\r\ndata: x\n\n"
        with Server(body) as server:
            done = self.run_here("-i", "--no-reconnect", server.url)
        self.assertEqual(
            done.out, "HTTP/1.1 200 OK\ncontent-type: text/event-stream\nX: 1\n\nmessage: x\n"
        )

    def test_verbose(self) -> None:
        url = "http://name:hidden0@{}/p?key=hidden1"
        args = ["-v", "--no-reconnect", "-H", "X-Api-Key: hidden2", "-b", "a=hidden3"]
        args += ["-u", "a:hidden4", "-d", "hidden5"]
        with Server(stream("data: x\n\n", lines=("X: 1", "Set-Cookie: a=hidden6"))) as server:
            done = self.run_here(*args, url.format(server.authority))
        self.assertEqual((done.status, done.out), (0, "message: x\n"))
        self.assertNotIn("hidden", done.err)
        for line in (
            f"> POST {server.url}/p", "> X-Api-Key: (not shown)", "> Accept: text/event-stream",
            "< HTTP/1.1 200 OK", "< X: 1", "< Set-Cookie: (not shown)",
        ):  # fmt: skip
            self.assertIn(line + "\n", done.err)

    def test_help_and_version(self) -> None:
        self.assertEqual(self.run_here("-V").out, f"sse {sse.__version__}\n")
        done = self.run_here("http://h/", "-sh")
        self.assertEqual((done.status, done.out[:6], done.err), (0, "usage:", ""))
        self.assertLessEqual(max(map(len, done.out.splitlines())), 100)
        for words in ("if the\nmethod is GET", "default -1: no limit", "this time (0: no limit)"):
            self.assertIn(words, done.out)

    def test_when_it_comes(self) -> None:
        """Nothing holds an event back, not even what the client itself passes over."""

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: a\n\n"))
            conn.wait("a")
            conn.send(chunk("data: b\n\n: c\n\nid: 1\n\ndata: half"))
            conn.wait("b")
            conn.send(chunk("\n\n"))
            conn.stall()

        with Server(script) as server:
            process = self.start(server.url)
            assert process.stdout is not None
            for data in ("a", "b", "half"):
                self.assertEqual(process.stdout.readline().split()[1].decode(), data)
                server.signal(data)
            done = self.interrupt(process)
            self.assertEqual((done.status, done.err), (130, ""))
        process = self.start("--format", "data", "-")
        assert process.stdin is not None and process.stdout is not None
        for text in ("a", "b"):
            process.stdin.write(f"data: {text}\n\n".encode())
            process.stdin.flush()
            self.assertEqual(process.stdout.readline().decode(), text + "\n")
        self.assertEqual(self.finish(process).status, 0)

    @unittest.skipUnless(hasattr(os, "openpty"), "no terminals here")
    def test_on_a_terminal(self) -> None:
        master, slave = os.openpty()
        with open(master, "rb", buffering=0) as terminal:
            events = "data: \x1b[31mred\x07\u202e\u009b\tü\ndata: b\n\n"
            process = self.start("--format", "data", "-", stdout=slave)
            os.close(slave)
            process.communicate(events.encode(), timeout=PATIENCE)
            shown = b""
            while shown.count(b"\n") < 2:
                shown += terminal.read(1000)
        self.assertNotIn(b"\x1b", shown)
        self.assertIn(b"\\x1b[31mred\\x07\\u202e\\x9b\t", shown)

    def test_any_encoding(self) -> None:
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        for variables in ({"PYTHONIOENCODING": "ascii"}, plain):
            process = self.start("--format", "data", "-", env=os.environ | variables)
            out, err = process.communicate("data: ü😀\n\n".encode(), timeout=PATIENCE)
            self.assertEqual((out.decode(), err), ("ü😀\n", b""))

    def test_arguments_in_any_encoding(self) -> None:
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        with Server(NO_CONTENT) as server:
            args = ["--last-event-id", "ü", "-H", "X: ü", "-d", "q=ü", "-G", server.url + "/ü"]
            octets = [arg.encode() if os.name == "posix" else arg for arg in args]
            done = self.finish(self.start(*octets, env=os.environ | plain))
        self.assertEqual((done.status, done.err), (0, ""))
        (request,) = server.requests
        headers = request.header("Last-Event-ID"), request.header("X")
        self.assertEqual((request.target, headers), ("/%C3%BC?q=%C3%BC", ("ü", "ü")))


class Ending(Command):
    def follow(
        self, *scripts: Script | bytes, args: list[str] | None = None
    ) -> tuple[Done, list[Request]]:
        with Server(*scripts) as server:
            done = self.run_here(*(args or []), server.url)
        return done, server.requests

    def test_a_stream_that_ends(self) -> None:
        done, _ = self.follow(EVENT, args=["--no-reconnect"])
        self.assertEqual((done.status, done.out), (0, "message: x\n"))
        done, _ = self.follow(EVENT, args=["-X", "POST"])
        self.assertEqual((done.status, done.out), (0, "message: x\n"))
        done, _ = self.follow(stream("data: x\n\n", end="cut"), args=["--no-reconnect"])
        self.assertEqual((done.status, done.out), (1, "message: x\n"))
        self.assertIn("cut short", done.err)
        done, requests = self.follow(stream("retry: 1\nid: 7\ndata: x\n\n"), NO_CONTENT)
        self.assertEqual((done.status, done.out), (0, "message: x  [7]\n"))
        self.assertEqual(requests[1].header("Last-Event-ID"), "7")

    def test_the_first_attempt(self) -> None:
        """What has never worked is told at once, even what is tried again later; and only once."""
        unavailable = answer("later", status="503 Service Unavailable")
        for args in ([], ["--max-retries", "5"], ["--max-retries", "0"]):
            done, _ = self.follow(unavailable, args=args)
            self.assertEqual((done.status, done.out), (1, ""))
            self.assertRegex(
                done.err, r"\Asse: http://127[^\n]*: HTTP 503 Service Unavailable: later\n\Z"
            )
            done = self.run_here(*args, f"http://127.0.0.1:{refused_port()}/")
            self.assertEqual((done.status, done.out), (1, ""))
            self.assertRegex(done.err, r"\Asse: [^\n]*127.0.0.1[^\n]*refused[^\n]*\n\Z")

    def test_retries_count_from_the_first_stream(self) -> None:
        first, unavailable = stream("retry: 1\ndata: x\n\n", end="cut"), answer(status="503 No")
        done, requests = self.follow(
            first, unavailable, EVENT, NO_CONTENT, args=["--max-retries", "2"]
        )
        self.assertEqual((done.status, done.out, len(requests)), (0, "message: x\nmessage: x\n", 4))
        done, requests = self.follow(first, unavailable, unavailable, args=["--max-retries", "2"])
        self.assertEqual((done.status, len(requests)), (1, 3))
        self.assertIn("503", done.err)
        done, requests = self.follow(first, args=["--max-retries", "0"])
        self.assertEqual((done.status, len(requests)), (1, 1))

    def test_notices(self) -> None:
        with Server(stream("retry: 1\ndata: x\n\n", end="cut"), NO_CONTENT) as server:
            done = self.finish(self.start(server.url))
        self.assertEqual((done.status, done.out), (0, "message: x\n"))
        self.assertRegex(done.err, r"\Asse: http://127[^\n]*cut short[^\n]*\n\Z")
        with Server(answer(status="503 No")) as server:
            done = self.finish(self.start(server.url))
        self.assertRegex(done.err, r"\Asse: http://127[^\n]*503[^\n]*\n\Z")

    def test_notices_in_its_own_words(self) -> None:
        """Options by their flags, the host once, and what the server said as it did."""
        said, first = "idle_timeout=3", stream("retry: 1\ndata: x\n\n")
        for script, told, most in (
            (stream(end="open"), "silence for --idle-timeout {} seconds", "-1"),
            (silent, "no answer within --connect-timeout {} seconds", "1"),
            (answer(said, status="503 No"), f"HTTP 503 No: {said}", "-1"),
        ):

            def scenario(factor: int, script: Any = script, told: str = told, most: str = most) -> None:
                seconds = f"{0.2 * factor:g}"
                args = ["--connect-timeout", seconds, "--idle-timeout", seconds, "--max-retries", most]
                with Server(first, script, *([NO_CONTENT] if most == "-1" else [])) as server:
                    done = self.finish(self.start(*args, server.url))
                self.assertEqual(done.status, int(most == "1"), done.err)
                line = f"sse: {server.url}: {told.format(seconds)}"
                self.assertRegex(done.err, rf"(?m)^{re.escape(line)}(;| \()")

            with self.subTest(told=told):
                patiently(scenario)

    def test_time_is_over(self) -> None:
        def opened(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: x\n\n"))
            conn.stall()

        waiting = stream("retry: 100000\ndata: x\n\n")
        for script, out in ((silent, ""), (opened, "message: x\n"), (waiting, "message: x\n")):

            def scenario(factor: int, script: Script = script, out: str = out) -> None:
                seconds = f"{0.2 * factor}"
                done, _ = self.follow(script, args=["-m", seconds])
                self.assertEqual((done.status, done.out), (1, out))
                self.assertEqual(done.err, f"sse: --max-time: {seconds} seconds are over\n")

            with self.subTest(script=script):
                patiently(scenario)
        done, _ = self.follow(EVENT, args=["-m", "60", "--no-reconnect"])
        self.assertEqual((done.status, done.out), (0, "message: x\n"))
        done, _ = self.follow(silent, args=["--connect-timeout", "0.1"])
        self.assertEqual((done.status, done.err.count("\n")), (1, 1))
        self.assertIn("0.1", done.err)

    @unittest.skipUnless(os.name == "posix", "no pipe can be waited for here")
    def test_time_is_over_on_standard_input(self) -> None:
        def scenario(factor: int) -> None:
            seconds = f"{0.5 * factor}"
            process = self.start("-m", seconds, "-")
            process.stdin.write(b"data: x\n\ndata: half")
            process.stdin.flush()
            process.wait(PATIENCE)  # although its input does not end
            done = self.finish(process)
            self.assertEqual((done.status, done.out), (1, "message: x\n"))
            self.assertEqual(done.err, f"sse: --max-time: {seconds} seconds are over\n")

        patiently(scenario)
        out, err = self.start("-m", "600", "-").communicate(b"data: x\n\n", timeout=PATIENCE)
        self.assertEqual((out, err), (b"message: x\n", b""))

    def test_idle_timeout(self) -> None:
        done, _ = self.follow(
            stream("data: x\n\n", end="open"), args=["--idle-timeout", "0.1", "--no-reconnect"]
        )
        self.assertEqual((done.status, done.out, done.err.count("\n")), (1, "message: x\n", 1))

    def test_a_closed_pipe(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED))
            while True:
                conn.send(chunk("data: x\n\n"))

        with Server(script) as server:
            process = self.start(server.url)
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.wait(PATIENCE), 0)
            assert process.stderr is not None
            self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(len(server.requests), 1)  # and is not taken for a lost connection

    def test_a_closed_pipe_on_windows(self) -> None:
        """There it is EINVAL, which elsewhere is an error like any other."""
        with open(self.folder / "out", "w") as file:
            broken = mock.Mock(fileno=file.fileno, isatty=file.isatty)
            broken.write.side_effect = OSError(errno.EINVAL, "Invalid argument")
            for system, status, told in (("nt", 0, ""), ("posix", 1, "Invalid argument")):
                given, err = io.TextIOWrapper(io.BytesIO(b"data: x\n\n")), io.StringIO()
                streams = mock.patch.multiple(sys, stdin=given, stdout=broken, stderr=err)
                with streams, mock.patch("os.name", system):
                    self.assertEqual(sse.main(["-"]), status)
                self.assertIn(told, err.getvalue())
                self.assertEqual(err.getvalue().count("\n"), status)

    @unittest.skipUnless(os.name == "posix", "no SIGINT to be sent here")
    def test_interrupted(self) -> None:
        waiting = stream("retry: 100000\ndata: x\n\n", end="cut")
        for script, out in ((silent, ""), (waiting, "message: x\n")):
            with Server(script) as server:
                process = self.start(server.url)
                server.wait_requests(1)
                if out:
                    assert process.stdout is not None and process.stderr is not None
                    self.assertEqual(process.stdout.readline().decode(), out)
                    self.assertIn(b"attempt 1", process.stderr.readline())
                done = self.interrupt(process)
            self.assertEqual((done.status, done.out, done.err), (130, "", ""))

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_a_full_disk(self) -> None:
        with Server(EVENT, EVENT) as server:
            with open("/dev/full", "wb") as full:
                done = self.finish(self.start(server.url, stdout=full))
            self.assertEqual((done.status, done.err.count("\n")), (1, 1))
            self.assertIn("No space left", done.err)
            done = self.finish(self.start("-o", "/dev/full", server.url))
            self.assertEqual((done.status, done.err.count("\n")), (1, 1))
            self.assertIn("No space left", done.err)
            self.assertNotIn("Errno", done.err)

    @unittest.skipUnless(os.name == "posix", "no pipes here that do not block")
    def test_output_that_is_taken_in_part(self) -> None:
        """Nothing is left out without a word, without buffers neither, as in containers."""
        for unbuffered in ("", "1"):
            with self.subTest(unbuffered=unbuffered):
                reader, writer = os.pipe()
                os.set_blocking(writer, False)
                env = os.environ | {"PYTHONUNBUFFERED": unbuffered}
                process = self.start("--format", "data", "-", stdout=writer, env=env)
                os.close(writer)
                with open(reader, "rb") as pipe:
                    events = b"data: %s\n\n" % (b"x" * 1_000_000)
                    err = process.communicate(events, timeout=PATIENCE)[1]
                    self.assertLess(len(pipe.read()), 1_000_000)
                self.assertEqual((process.returncode, err.count(b"\n")), (1, 1))
                self.assertIn(b"the output cannot be written", err)

    def test_without_buffers(self) -> None:
        for args in (["-"], ["--format", "raw", "-"], ["-V"]):
            env = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "ascii"}
            events = "data: ü😀\n\n".encode()
            out, err = self.start(*args, env=env).communicate(events, timeout=PATIENCE)
            self.assertEqual((out.decode(), err), (self.run_here(*args, stdin=events).out, b""))

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_what_cannot_be_said(self) -> None:
        """It changes nothing in the status, whether stderr is full or has lost its reader."""
        env = os.environ | {"PYTHONUNBUFFERED": ""}
        reader, broken = os.pipe()
        os.close(reader)
        with open(broken, "wb", 0) as pipe, open("/dev/full", "wb", 0) as full:
            for stderr in (pipe, full):
                cut = stream("retry: 1\ndata: x\n\n", end="cut")
                with Server(cut, NO_CONTENT, answer(status="404 No")) as server:
                    for args, status in (
                        (["--bogus"], 2),
                        (["-v", server.url], 0),
                        ([server.url], 1),
                    ):
                        with self.subTest(stderr=stderr, args=args):
                            done = self.finish(self.start(*args, stderr=stderr, env=env))
                            self.assertEqual(done.status, status)

    def test_help_that_nobody_reads(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        process = self.start("--help", stdout=writer)
        os.close(writer)
        done = self.finish(process)
        self.assertEqual((done.status, done.err), (0, ""))

    def test_input_that_cannot_be_read(self) -> None:
        stdin = io.TextIOWrapper(io.BytesIO())
        error = IsADirectoryError(errno.EISDIR, "Is a directory")
        with mock.patch.object(stdin.buffer, "read1", side_effect=error):
            out, err = io.StringIO(), io.StringIO()
            with mock.patch.multiple(sys, stdin=stdin, stdout=out, stderr=err):
                self.assertEqual(sse.main(["-"]), 1)
        self.assertEqual((out.getvalue(), err.getvalue()), ("", "sse: Is a directory\n"))

    @unittest.skipUnless(os.name == "posix", "no POSIX shell here")
    def test_closed_from_the_start(self) -> None:
        def run(arguments: str) -> Any:
            program = f"{sys.executable} -S {sse.__file__} {arguments}"
            return subprocess.run(
                program, shell=True, capture_output=True, input=b"", timeout=PATIENCE, check=False
            )

        def refused(arguments: str) -> None:
            done = run(arguments)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (2, 1), done.stderr)
            self.assertIn(b"standard ", done.stderr)

        def silenced(url: str) -> None:
            done = run(f"{url} 2>&-")
            self.assertEqual((done.returncode, done.stdout), (1, b""))

        closed = "- >&-", "- <&-", "-d @- http://h/ <&-"
        with Server(answer(status="404 No")) as server:
            at_once([*(partial(refused, c) for c in closed), partial(silenced, server.url)])


class Telling(Command):
    """Errors are one line, in the command line's own words."""

    def check(self, done: Done, status: int, *words: str) -> None:
        self.assertEqual((done.status, done.out), (status, ""), done.err)
        self.assertRegex(done.err, r"\Asse: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, done.err)
        names = [name for name in OPTIONS if "_" in name] + [f"{name}=" for name in OPTIONS]
        told = done.err.replace(str(self.folder), "")
        for name in (*names, "None", "True", "False", "Errno", "connect("):
            self.assertNotIn(name, told)

    def test_wrong_usage(self) -> None:
        missing, bad = str(self.folder / "missing"), self.file("bad", "no certificate")
        # all that the ssl module of PyPy says
        lacking = "Error" if sys.implementation.name == "pypy" else "No such file"
        client = str(CERTS / "client.pem")
        url = f"http://127.0.0.1:{refused_port()}/"
        for words, args in (
            ("one URL", []),
            ("one URL", [url, url]),
            ("one URL", ["-s"]),
            ("URL", [""]),
            ("--nonsense", ["--nonsense", url]),
            ("--nonsense", ["--nonsense=secret", url]),
            ("-F", ["-sFa=secret", url]),
            ("--head", ["--head", url]),  # abbreviations are none of ours
            ("-X", [url, "-X"]),
            ("--request", [url, "--request"]),
            ("--silent", [url, "--silent=yes"]),
            ("--header", ["-H", "secret", url]),
            ("--cookie", ["-b", "secret", url]),
            ("--cookie", ["-b", "a=1", "-b", "secret", url]),
            ("--format", ["--format", "xml", url]),
            ("--max-retries", ["--max-retries", "-2", url]),
            ("--max-retries", ["--max-retries", "many", url]),
            ("--idle-timeout", ["--idle-timeout", "-1", url]),
            ("--idle-timeout", ["--idle-timeout", "nan", url]),
            ("--max-time", ["-m", "soon", url]),
            ("--connect-timeout", ["--connect-timeout", "1e9", url]),
            ("--last-event-id", ["--last-event-id", "a\nb", url]),
            ("--last-event-id has", ["--last-event-id", " 41", url]),
            ("--last-event-id has", ["-H", "Last-Event-ID: 4\x011", url]),
            ("--last-event-id is longer", ["--last-event-id", "4" * 8193, url]),
            ("--last-event-id is not UTF-8", ["--last-event-id", os.fsdecode(b"\xfc"), url]),
            (f"--data: cannot read {missing}: No such file", ["-d", "@" + missing, url]),
            (f"--json: cannot read {missing}: No such file", ["--json", "@" + missing, url]),
            (
                f"--output: cannot write {self.folder}: Is a directory",
                ["-o", str(self.folder), url],
            ),
            (f"--cacert '{missing}'", ["--cacert", missing, "https://h/"]),
            (f"--cacert '{bad}'", ["--cacert", bad, "https://h/"]),
            (f"--cacert {bad}", ["--cacert", bad, "-E", client, "https://h/"]),
            (f"--cert {missing}: {lacking}", ["-E", missing, "https://h/"]),
            (f"--cert {bad}", ["-E", bad, "https://h/"]),
            (f"--cert {client}, --key {bad}", ["-E", client, "--key", bad, "https://h/"]),
            ("--cert", ["--key", client, "https://h/"]),
            *((f"--{name} is the name of a file", [f"--{name}", "", url]) for name in FILES),
            ("(--proxy): proxies are http://host:port", ["-x", "socks5://h:1080", url]),
            ("(--proxy)", ["-x", "http://h:port", url]),
            ("--proxy", ["-x", "http://h", "--unix-socket", "/s", url]),
            ("http://", ["ftp://host/"]),
            ("host name of the URL", ["http://ho st/"]),
            ("method", ["-X", "A B", url]),
            ("header", ["-H", "X: a\x01b", url]),
            ("header", ["-H", "A B: x", url]),
        ):
            with self.subTest(args=args):
                done = self.run_here(*args)
                self.check(done, 2, words)
                self.assertNotIn("secret", done.err)
                if words in ("--format", "--max-retries", "--idle-timeout", "--max-time"):
                    self.assertEqual(self.run_here(*args[:-1], "-").err, done.err)

    def test_failures(self) -> None:
        def told(*scripts: Script | bytes, **options: Any) -> Done:
            with Server(*scripts, **options) as server:
                return self.run_here("--no-reconnect", server.url)

        self.check(
            told(answer('{"x": "no"}\n', status="401 Unauthorized")),
            1,
            "HTTP 401 Unauthorized",
            "no",
        )
        self.check(
            told(answer("<html>", type="text/html")),
            1,
            "not an event stream",
            "text/html",
            "<html>",
        )
        self.check(
            told(answer("{}", type="application/json")),
            1,
            "not an event stream",
            "application/json",
        )
        self.check(told(redirect("ftp://h/")), 1, "redirect 302")
        self.check(told(b"SSH-2.0-x\r\n"), 1, "not HTTP")
        self.check(told(head("Content-Encoding: br") + b"x"), 1, "'br'")
        self.check(told(stream("data: x", end="cut")), 1, "cut short")
        with Server(NO_CONTENT, tls=True) as server:
            self.check(self.run_here(server.url), 1, "certificate")
        self.check(
            self.run_here("--unix-socket", str(self.folder / "s"), "http://h/"), 1, "No such file"
        )
        port = refused_port()
        self.check(
            self.run_here("-x", f"u:secret@127.0.0.1:{port}", "http://h/"),
            1,
            "the proxy",
            str(port),
        )
        with Server(
            answer("secret=1&retry_on_status=TRANSIENT_STATUSES [a=b]", status="503 No")
        ) as server:
            done = self.run_here(server.url)
        self.assertEqual(done.status, 1)

    def test_the_body_of_a_refusal_that_never_ends(self) -> None:
        for type, status in (("text/plain", "500 No"), ("text/html", "200 OK")):

            def script(conn: Connection, type: str = type, status: str = status) -> None:
                conn.send(head("Content-Length: 100", type=type, status=status), "so far")
                conn.stall()

            with mock.patch("sse._BODY_SECONDS", 0.1), Server(script) as server:
                self.check(self.run_here(server.url), 1, "so far")

    def test_an_event_too_large(self) -> None:
        client = partial(sse.SSEClient, max_event_size=10)
        with (
            mock.patch("sse.SSEClient", client),
            Server(stream("data: 1234567890123\n\n")) as server,
        ):
            self.check(self.run_here(server.url), 1, "an event is larger than 10 bytes")

    def test_without_the_sibling(self) -> None:
        copy = self.file("sse.py", Path(str(sse.__file__)).read_bytes())
        done = subprocess.run(
            [sys.executable, "-S", copy, "http://h/"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.check(Done(done.returncode, done.stdout.encode(), done.stderr), 1, "httpclient.py")
        done = subprocess.run(
            [sys.executable, "-S", copy, "-"],
            input="data: x\n\n", capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stdout), (0, "message: x\n"))


if __name__ == "__main__":
    unittest.main()
