"""What a client tells about itself: callbacks, `reconnect()`, error bodies, the log; and what it keeps to itself."""

from __future__ import annotations

import base64
import gc
import gzip
import itertools
import logging
import socket
import threading
import traceback
import warnings
from typing import Any
from unittest import mock

import sse
from sse import SSEConnectionError, SSEContentTypeError, SSEHTTPError
from tests.server import (
    CA,
    CHUNKED,
    NO_CONTENT,
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
)
from tests.worlds import World, in_both_worlds

EVENT = stream("data: x\n\n")


class Oops(Exception):
    pass


def fail(*args: object) -> None:
    raise Oops(*args)


@in_both_worlds
class Callbacks(World):
    def test_in_the_order_of_the_stream(self) -> None:
        log: list[Any] = []
        options: dict[str, Any] = {
            "on_open": lambda response: log.append(("open", response.status_code)),
            "on_error": lambda error, delay: log.append(("error", error, delay)),
            "on_comment": lambda text: log.append(("comment", text)),
        }
        everything = stream(":a\n:  b \ndata: 1\n:c\n\n:d\n\n:\ndata: 2\n\n:e\n")
        with Server(everything, NO_CONTENT) as server, self.connect(server.url, **options) as client:
            for event in client:
                log.append(event.data)
        comments = [("comment", text) for text in ("a", "  b ", "c", "d", "", "e")]
        a, b, c, d, empty, e = comments
        self.assertEqual(log, [("open", 200), a, b, c, "1", d, empty, "2", e, ("error", None, 3.0)])

    def test_a_comment_is_told_when_its_line_is_complete(self) -> None:
        for comment in (":ping\n", ":ping\r", "data: x\n:ping\n"):

            def script(conn: Connection, comment: str = comment) -> None:
                conn.send(head(CHUNKED), chunk(comment))
                conn.wait("ping")
                conn.send(chunk("data: x\n\n"))
                conn.stall()

            with Server(script) as server, self.connect(server.url, on_comment=server.signal) as client:
                self.assertIn("x", next(client).data)

    def test_on_open_for_every_connection(self) -> None:
        seen: list[str] = []
        options = {"on_open": lambda response: seen.append(response.headers["X-Number"])}
        scripts = [stream("data: x\n\n", lines=(f"X-Number: {number}",)) for number in (1, 2)]
        with Server(*scripts, NO_CONTENT) as server, self.connect(server.url, **options) as client:
            list(client)
        self.assertEqual(seen, ["1", "2"])

    def test_on_error_is_given_the_cause_and_the_wait(self) -> None:
        seen: list[tuple[BaseException | None, float | None]] = []
        options = {"on_error": lambda *args: seen.append(args), "retry_on_status": {503}, "retry_interval": 500}
        scripts = [
            b"",
            answer("", "Retry-After: 9", status="503 x"),
            stream("data: x\n\n", end="cut"),
            EVENT,
            answer(status="404 x"),
        ]
        with Server(*scripts) as server:
            client = self.connect(server.url, **options)
            with self.assertRaises(SSEHTTPError) as caught, client:
                list(client)
        self.assertEqual([delay for _, delay in seen], [0.5, 9.0, 0.5, 0.5, None])
        self.assertIsInstance(seen[0][0], ConnectionError)
        self.assertIsInstance(seen[1][0], SSEHTTPError)
        self.assertIsInstance(seen[2][0], ConnectionError)
        self.assertIsNone(seen[3][0])
        self.assertIs(seen[4][0], caught.exception)

    def test_on_error_when_there_is_no_next_attempt(self) -> None:
        seen: list[tuple[Any, Any]] = []
        with Server(stream("data: x\n\n", end="cut")) as server:
            client = self.connect(server.url, max_retries=0, on_error=lambda *args: seen.append(args))
            with self.assertRaises(SSEConnectionError) as caught, client:
                list(client)
        (((error, delay)),) = seen
        self.assertIn(error, (caught.exception, caught.exception.last_error))
        self.assertIsNone(delay)

    def test_what_they_raise_reaches_the_caller(self) -> None:
        for name, script in (
            ("on_open", stream("data: x\n\n", end="open")),
            ("on_comment", stream(":\n\ndata: x\n\n", end="open")),
            ("on_error", b""),
        ):
            with self.subTest(name), Server(script) as server:
                client = self.connect(server.url, **{name: fail})
                with self.assertRaises(Oops), client:
                    list(client)
                self.assertEqual((client.state, list(client), client.waits), ("closed", [], []))
                if callable(script):
                    server.wait_gone(1)

    def test_events_before_a_comment_whose_callback_raises(self) -> None:
        with Server(stream("data: x\n\n:\n", end="open")) as server:
            client = self.connect(server.url, on_comment=fail)
            self.assertEqual(next(client).data, "x")
            with self.assertRaises(Oops):
                next(client)
            server.wait_gone(1)


@in_both_worlds
class Reconnect(World):
    def test_what_had_arrived_comes_first(self) -> None:
        errors: list[object] = []
        first = stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: cut\n", end="open")
        with Server(first, EVENT) as server:
            with self.connect(server.url, on_error=lambda *args: errors.append(args)) as client:
                self.assertEqual(next(client).data, "a")
                with self.assertNoLogs("sse", logging.WARNING):
                    client.reconnect()
                    self.assertEqual([next(client).data, next(client).data], ["b", "x"])
                server.wait_gone(1)
                self.assertEqual((client.waits, errors, client.state), ([], [], "open"))
        self.assertEqual(server.requests[1].header("Last-Event-ID"), "2")

    def test_it_is_not_counted(self) -> None:
        """Even where no connection brings an event; and it may be called by a callback."""
        with Server(*[stream(":\n", end="open")] * 4, EVENT) as server:
            client = self.connect(server.url, max_retries=0, on_comment=lambda text: client.reconnect())
            with client:
                self.assertEqual(next(client).data, "x")

    def test_not_where_a_request_may_be_sent_but_once(self) -> None:
        with Server(stream("data: x\n\n", end="open")) as server:
            with self.connect(server.url, method="POST") as client:
                self.assertRaises(RuntimeError, client.reconnect)
                self.assertEqual(next(client).data, "x")


@in_both_worlds
class ErrorBodies(World):
    def error(self, script: Script | bytes) -> SSEHTTPError:
        with Server(script) as server:
            with self.assertRaises(SSEHTTPError) as caught, self.connect(server.url):
                pass
        return caught.exception

    def test_large(self) -> None:
        body = bytes(range(32, 127)) * 3000
        self.assertEqual(self.error(answer(body, status="500 x")).body, body[: 64 * 1024])

    def test_endless(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED, status="500 x"))
            while True:
                conn.send(chunk(b"all work and no play " * 100))

        self.assertEqual(len(self.error(script).body), 64 * 1024)

    def test_stalled(self) -> None:
        """Whatever the other timeouts are; a body that trickles in does not extend the time."""
        never = threading.Event()

        def stalled(conn: Connection) -> None:
            conn.send(head(CHUNKED, status="500 x"), chunk("why"))
            conn.stall()

        def trickling(conn: Connection) -> None:
            conn.send(head(CHUNKED, status="500 x"), chunk("why"))
            while not never.wait(0.02):
                conn.send(chunk(" "))

        self.assertEqual(sse._BODY_SECONDS, 5.0)
        for script in (stalled, trickling):
            for tls in (False, True):
                with (
                    self.subTest(script.__name__, tls=tls),
                    mock.patch("sse._BODY_SECONDS", 0.05),
                    Server(script, tls=tls) as server,
                    self.assertRaises(SSEHTTPError) as caught,
                    self.connect(server.url, timeout=None, idle_timeout=None, verify=CA),
                ):
                    pass
                self.assertEqual(caught.exception.text.strip(), "why")

    def test_of_another_content_type(self) -> None:
        def endless(conn: Connection) -> None:
            conn.send(head(CHUNKED, type="text/html"), chunk(b"<p>"))
            while True:
                conn.send(chunk(b"<p>" * 1000))

        def stalled(conn: Connection) -> None:
            conn.send(head(CHUNKED, type="text/html"), chunk("<p>"))
            conn.stall()

        for script in (endless, stalled):
            with (
                self.subTest(script.__name__),
                mock.patch("sse._BODY_SECONDS", 0.1),
                Server(script) as server,
                self.assertRaises(SSEContentTypeError) as caught,
                self.connect(server.url),
            ):
                pass
            self.assertTrue(caught.exception.body.startswith(b"<p>"))
            self.assertLessEqual(len(caught.exception.body), 64 * 1024)

    def test_a_compressed_body_is_bounded_after_decoding(self) -> None:
        bomb = answer(gzip.compress(bytes(50_000_000)), "Content-Encoding: gzip", status="500 x")
        self.assertEqual(self.error(bomb).body, bytes(64 * 1024))

    def test_cut_short(self) -> None:
        for script in (
            head("Content-Length: 99", status="400 x") + b"half",
            head(CHUNKED, status="400 x") + chunk("half") + b"zz",
            head("Content-Encoding: br", status="400 x") + b"half",
        ):
            self.assertEqual(self.error(script).status_code, 400)

    def test_not_utf8(self) -> None:
        error = self.error(answer(b"\xff\xfe caf\xe9", status="500 x"))
        self.assertEqual((error.body, error.text), (b"\xff\xfe caf\xe9", "\ufffd\ufffd caf\ufffd"))
        self.assertIn("caf", str(error))

    def test_not_json(self) -> None:
        self.assertRaises(ValueError, self.error(answer("<p>", status="500 x")).json)
        self.assertRaises(ValueError, self.error(answer(b"\xff", status="500 x")).json)
        self.assertRaises(ValueError, self.error(answer(b"", status="500 x")).json)

    def test_no_body(self) -> None:
        error = self.error(b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual((error.reason, error.body, error.text), ("", b"", ""))


@in_both_worlds
class Log(World):
    def records(self, *scripts: Script | bytes, level: int = logging.WARNING, **options: Any) -> list[str]:
        with Server(*scripts) as server, self.assertLogs("sse", logging.INFO) as logs:
            try:
                with self.connect(server.url, **options) as client:
                    list(client)
            except sse.SSEError:
                pass
        return [record.getMessage() for record in logs.records if record.levelno == level]

    def test_a_failed_attempt_is_a_warning(self) -> None:
        port = refused_port()
        with self.assertLogs("sse", logging.WARNING) as logs, self.assertRaises(SSEConnectionError):
            with self.connect(f"http://127.0.0.1:{port}/", max_retries=2, retry_interval=1500):
                pass
        waits = [record.getMessage() for record in logs.records if "1.5" in record.getMessage()]
        self.assertEqual(len(waits), 2)
        for attempt, message in enumerate(waits, 1):
            self.assertIn(f"127.0.0.1:{port}", message)
            self.assertIn("refused", message.lower())
            self.assertIn(str(attempt), message.replace("127.0.0.1", "").replace("1.5", "").replace(str(port), ""))

    def test_drops_are_warnings(self) -> None:
        for script in (stream("data: x\n\n", end="cut"), b"", b"HTTP/1.1 200"):
            self.assertEqual(len(self.records(script, NO_CONTENT)), 1)

    def test_a_clean_end_is_information(self) -> None:
        self.assertEqual(self.records(EVENT, NO_CONTENT), [])
        self.assertEqual(len(self.records(EVENT, NO_CONTENT, level=logging.INFO)), 1)

    def test_text_of_the_server_has_its_control_characters_escaped(self) -> None:
        script = answer("\x1b[31mred\x9b\r\n", status="503 x")
        messages = self.records(script, NO_CONTENT, retry_on_status={503})
        self.assertTrue(messages)
        for message in messages:
            self.assertTrue(message.isprintable(), message)

    def test_other_text_of_the_server_stays_as_it_is(self) -> None:
        body = "Bonjour\xa0! 東京\u3000大阪 👨\u200d👩"
        (message,) = self.records(answer(body, status="503 x"), NO_CONTENT, retry_on_status={503})
        self.assertIn(f": HTTP 503 x: {body}; attempt 1 in", message)
        self.assertEqual(message.count("http://"), 1)

    def test_an_id_that_cannot_be_sent_is_left_out_and_logged(self) -> None:
        """If this one can be sent, it was."""
        script = stream("id: a\x01b\ndata\n\n")
        with Server(script, NO_CONTENT) as server, self.assertLogs("sse", logging.INFO) as logs:
            with self.connect(server.url) as client:
                list(client)
        sent = server.requests[1].header("Last-Event-ID")
        warned = any(record.levelno >= logging.WARNING for record in logs.records)
        self.assertEqual((sent, warned) in [("a\x01b", False), (None, True)], True, (sent, logs.output))


SECRETS = ("s3cret-user", "s3cret-pass", "s3cret-query", "s3cret-param", "s3cret-header", "s3cret-body", "s3cret-proxy")


@in_both_worlds
class Secrets(World):
    """What is planted everywhere a secret may stand in a request turns up nowhere else."""

    def setUp(self) -> None:
        super().setUp()
        self.seen: list[str] = []
        handler = logging.Handler(0)
        handler.emit = lambda record: self.seen.append(logging.Formatter().format(record))  # type: ignore[method-assign]
        logger = logging.getLogger()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(0)
        self.addCleanup(logger.removeHandler, handler)
        self.addCleanup(logger.setLevel, level)

    def note_error(self, error: BaseException | None) -> None:
        while error is not None:
            lines = traceback.TracebackException.from_exception(error).format_exception_only()
            self.seen += [str(error), repr(error), repr(error.args), *lines]
            for name in ("last_error", "hops"):
                self.seen.append(str(getattr(error, name, "")))
            error = error.__cause__ or error.__context__

    def options(self) -> dict[str, Any]:
        return {
            "headers": {"Authorization": "Bearer s3cret-header", "X-Api-Key": "s3cret-header"},
            "params": {"token": "s3cret-param"},
            "retry_on_status": {503},
            "max_retries": 1,
        }

    def secret_url(self, url: str) -> str:
        secret = url.replace("://", "://s3cret-user:s3cret-pass@")
        return secret + "/fetch/https://example.test/path?key=s3cret-query#s3cret-query"

    def run_client(self, url: str, **options: Any) -> None:
        options = {**self.options(), **options}
        options["on_error"] = lambda error, delay: self.note_error(error)
        try:
            client = self.connect(self.secret_url(url), **options)
            self.seen.append(repr(client))
            with client:
                self.seen += [repr(client), str(client), repr(client.response)]
                list(client)
        except Exception as error:
            self.note_error(error)
        self.seen += [repr(client), str(client.response)]

    def run_request(self, url: str, **options: Any) -> None:
        options = {**self.options(), **options}
        del options["retry_on_status"], options["max_retries"]
        try:
            with self.request(options.pop("method", "GET"), self.secret_url(url), stream=True, **options) as response:
                self.seen += [repr(response), str(response)]
                response.raise_for_status()
                b"".join(response.iter_bytes())
        except Exception as error:
            self.note_error(error)

    def check(self) -> None:
        spellings = [*SECRETS]
        for secret in ("s3cret-user:s3cret-pass", "s3cret-user:s3cret-proxy"):
            spellings.append(base64.b64encode(secret.encode()).decode())
        for text in self.seen:
            for secret in spellings:
                self.assertNotIn(secret, text)
        self.assertTrue(self.seen)

    def test_answers_of_all_kinds(self) -> None:
        scripts: dict[str, list[Script | bytes]] = {
            "nothing": [b""],
            "reset": [lambda conn: conn.reset()],
            "not HTTP": [b"nope\r\n\r\n"],
            "bad header": [b"HTTP/1.1 200 OK\r\nbad\r\n\r\n"],
            "not found": [answer(status="404 x")],
            "unavailable": [answer(status="503 x")],
            "type": [answer("x", type="text/html")],
            "cut": [stream("data: x\n\n", end="cut"), NO_CONTENT],
            "clean": [EVENT, NO_CONTENT],
            "coding": [answer("x", "Content-Encoding: br")],
            "redirect loop": [redirect("?again")],
            "redirect elsewhere": [redirect(f"http://127.0.0.1:{refused_port()}/elsewhere")],
            "redirect refused": [redirect("gopher://elsewhere/")],
        }
        bodies: tuple[dict[str, Any], ...] = (
            {},
            {"method": "POST", "json": "s3cret-body"},
            {"method": "PUT", "content": b"s3cret-body"},
        )
        for (name, script), body in itertools.product(scripts.items(), bodies):
            for run in (self.run_client, self.run_request):
                with self.subTest(name, body=body, run=run.__name__), Server(*script, repeat=True) as server:
                    run(server.url, **body)
                    self.check()

    def test_connections_that_fail(self) -> None:
        for run in (self.run_client, self.run_request):
            run(f"http://127.0.0.1:{refused_port()}")
            with mock.patch("socket.getaddrinfo", side_effect=socket.gaierror(-2, "Name not known")):
                run("http://host.test")
            with Server(silent, silent) as server:
                run(server.url, timeout=0.05)
            with Server(NO_CONTENT, NO_CONTENT, tls="wrong") as server:
                run(server.url)
            with Server(b"", b"", tls=False, read=False) as server:
                run(server.url.replace("http:", "https:"))
        self.check()

    def test_proxies(self) -> None:
        refusals = [answer(status="407 x"), answer(status="502 x"), b"", b"nope\r\n\r\n"]
        for run in (self.run_client, self.run_request):
            for script in refusals:
                for target in ("http://127.0.0.1:1", "https://127.0.0.1:1"):
                    with Server(script, repeat=True) as server:
                        proxy = server.url.replace("://", "://s3cret-user:s3cret-proxy@")
                        run(target, proxy=proxy)
            run("http://127.0.0.1:1", proxy=f"http://s3cret-user:s3cret-proxy@127.0.0.1:{refused_port()}")
        self.check()

    def test_options_that_are_refused(self) -> None:
        for url, options in (
            ("http://s3cret-user:s3cret-pass@ho st/", {}),
            ("gopher://s3cret-user:s3cret-pass@host/?s3cret-query", {}),
            ("http://s3cret-user:s3cret-pass@host:port/?s3cret-query", {}),
            ("http://s3cret-user:s3cret-pass@host:99999/?s3cret-query", {}),
            ("http://s3cret-user:s3cret-pass@[::1/?s3cret-query", {}),
            ("http://host/?s3cret-query\n", {}),
            ("http://host/", {"headers": {"Authorization": "s3cret-header\n"}}),
            ("http://host/", {"headers": {"Authorization": "s3cret-header\udc80"}}),
            ("http://host/", {"proxy": "http://s3cret-user:s3cret-proxy@host:port"}),
            ("http://host/", {"proxy": "socks5://s3cret-user:s3cret-proxy@host"}),
            ("http://host/", {"proxy": "https://s3cret-user:s3cret-proxy@host"}),
        ):
            for make in (self.connect, self.get):
                with self.subTest(url, options=options):
                    with self.assertRaises(ValueError) as caught:
                        with make(url, **options):
                            pass
                    self.note_error(caught.exception)
        self.check()

    def test_a_client_dropped_unclosed(self) -> None:
        with Server(stream("data: x\n\n", end="open")) as server:
            client = self.connect(self.secret_url(server.url), **self.options())
            next(client)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del client
                gc.collect()
                self.turn()
            server.wait_gone(1)
        self.seen += [str(warning.message) for warning in caught]
        self.assertTrue(caught)
        self.check()
