"""Connecting, iterating, resuming: what every user of `connect` and `async_connect` relies on."""

from __future__ import annotations

import copy
import errno
import pathlib
import pickle
import subprocess
import sys
import tempfile
import threading
import unittest
from typing import Any

import httpclient
import sse
from sse import (
    SSEConnectionError,
    SSEContentTypeError,
    SSEError,
    SSEEvent,
    SSEEventTooLargeError,
    SSEHTTPError,
)
from tests.server import (
    CA,
    CHUNKED,
    LAST_CHUNK,
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
from tests.worlds import World, attributes, in_both_worlds, patiently

EVENT = "data: x\n\n"


class Unpicklable(OSError):
    """What another library raised: a lock cannot be pickled, and unpickling gives one argument."""

    def __init__(self, first: str, lock: object) -> None:
        super().__init__(first)
        self.lock = lock


@in_both_worlds
class Connecting(World):
    def test_events_arrive(self) -> None:
        first = stream("event: greeting\ndata: hello\n\ndata: 1\nid: 7\n\n", "data: 2\nretry: 5\n\n")
        with Server(first, NO_CONTENT) as server, self.connect(server.url) as client:
            received = list(client)
        self.assertEqual(
            received,
            [SSEEvent("greeting", "hello"), SSEEvent(data="1", id="7"), SSEEvent(data="2", id="7", retry=5)],
        )

    def test_an_event_arrives_while_the_stream_goes_on(self) -> None:
        """In one chunk or in many, with the blank line or the last CR as the last byte."""
        for pieces in ([EVENT], ["da", "ta: x\n", "\n"], ["data: x\r\r"], ["data: x\r\n\r\n"]):
            with self.subTest(pieces=pieces), Server(stream(*pieces, end="open")) as server:
                with self.connect(server.url) as client:
                    self.assertEqual(next(client).data, "x")
                server.wait_gone(1)

    def test_request(self) -> None:
        with Server(NO_CONTENT) as server:
            with self.connect(server.url + "/events?a=1"):
                pass
        request = server.requests[0]
        self.assertEqual((request.method, request.target, request.version), ("GET", "/events?a=1", "HTTP/1.1"))
        self.assertEqual(request.header("Host"), server.authority)
        self.assertEqual(request.header("Accept"), "text/event-stream")
        self.assertEqual(request.header("Cache-Control"), "no-cache")
        self.assertEqual(request.header("Accept-Encoding"), "identity")
        self.assertTrue({"last-event-id", "content-length", "transfer-encoding"}.isdisjoint(request.names()))
        self.assertEqual(request.body, b"")

    def test_own_headers_replace_ours(self) -> None:
        headers = {"accept": "application/json, text/event-stream", "USER-AGENT": "me", "X-Extra": "1"}
        given = dict(headers)
        with Server(NO_CONTENT) as server:
            with self.connect(server.url, headers=headers):
                pass
        for name, value in given.items():
            self.assertEqual(server.requests[0].header(name), value)
        self.assertEqual(headers, given)

    def test_response_before_the_first_event(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head("X-Request-Id: 17", status="201 Created"))
            conn.wait("looked")
            conn.send(EVENT)

        with Server(script) as server:
            with self.connect(server.url + "/a", reconnect=False) as client:
                self.assertEqual(client.response.status_code, 201)
                self.assertEqual(client.response.headers["x-request-id"], "17")
                self.assertEqual(client.response.url, server.url + "/a")
                server.signal("looked")
                self.assertEqual([event.data for event in client], ["x"])

    def test_without_with(self) -> None:
        with Server(stream(EVENT, end="open")) as server:
            client = self.connect(server.url)
            self.assertEqual(server.connections, [])
            self.assertEqual(next(client).data, "x")
            client.close()
            server.wait_gone(1)
            self.assertEqual(list(client), [])

    def test_state(self) -> None:
        states: list[str] = []
        options: dict[str, Any] = {
            "on_open": lambda response: states.append(client.state),
            "on_error": lambda error, delay: states.append(client.state),
        }
        with Server(stream(EVENT), stream(EVENT, end="open")) as server:
            client = self.connect(server.url, **options)
            self.assertEqual(client.state, "connecting")
            with client:
                self.assertEqual(client.state, "open")
                for _ in client:
                    break
                self.assertEqual(client.state, "open")
                next(client)
            self.assertEqual(client.state, "closed")
        self.assertEqual(states, ["open", "connecting", "open"])

    def test_204_at_once(self) -> None:
        with Server(NO_CONTENT) as server, self.connect(server.url) as client:
            self.assertEqual(client.state, "closed")
            self.assertEqual(client.response.status_code, 204)
            self.assertEqual(list(client), [])

    def test_204_ends_for_good(self) -> None:
        with Server(stream(EVENT), NO_CONTENT) as server, self.connect(server.url) as client:
            self.assertEqual(len(list(client)), 1)
            self.assertEqual(client.state, "closed")
            self.assertEqual(list(client), [])
        self.assertEqual(len(server.requests), 2)

    def test_closed_before_entered(self) -> None:
        with Server() as server:
            client = self.connect(server.url)
            client.close()
            with client:
                self.assertEqual(list(client), [])
            self.assertEqual(client.state, "closed")


@in_both_worlds
class Leaving(World):
    """A loop left early can be resumed, and nothing is lost."""

    def test_resumed_within_a_chunk(self) -> None:
        with Server(stream("data: 1\n\ndata: 2\n\ndata: 3\n\n"), NO_CONTENT) as server:
            with self.connect(server.url) as client:
                for expected in "12":
                    for event in client:
                        self.assertEqual(event.data, expected)
                        break
                self.assertEqual([event.data for event in client], ["3"])

    def test_resumed_while_the_next_event_arrives(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: 1\n\nda"))
            conn.wait("left")
            conn.send(chunk("ta: 2\n\n"))
            conn.stall()

        with Server(script) as server, self.connect(server.url) as client:
            for event in client:
                self.assertEqual(event.data, "1")
                break
            server.signal("left")
            for event in client:
                self.assertEqual(event.data, "2")
                break

    def test_last_event_id_is_that_of_the_event_handed_over(self) -> None:
        with Server(stream("id: 1\ndata\n\nid: 2\ndata\n\nid: 3\ndata\n\n", end="open")) as server:
            with self.connect(server.url) as client:
                self.assertEqual(client.last_event_id, "")
                for number in "123":
                    self.assertEqual(next(client).id, number)
                    self.assertEqual(client.last_event_id, number)

    def test_the_id_of_a_block_without_data_counts_after_what_came_before(self) -> None:
        blocks = "id: 1\ndata: 1\n\ndata: 2\n\nid: 9\n\n"
        with Server(stream(blocks, end="cut"), NO_CONTENT) as server:
            with self.connect(server.url) as client:
                next(client)
                self.assertEqual(client.last_event_id, "1")
                self.assertEqual(len(list(client)), 1)
                self.assertEqual(client.last_event_id, "9")
        self.assertEqual(server.requests[1].header("Last-Event-ID"), "9")

    def test_a_checkpoint_loses_nothing(self) -> None:
        """Whoever saves `last_event_id` after each event and starts anew from it sees every event once."""
        ids = range(1, 6)

        def script(conn: Connection) -> None:
            after = int(conn.request.header("Last-Event-ID") or 0)
            blocks = [f"id: {number}\ndata: {number}\n\n" for number in ids if number > after]
            conn.send(answer("".join(blocks)) if blocks else NO_CONTENT)

        seen, checkpoint = [], ""
        with Server(script, repeat=True) as server:
            for _ in ids:
                with self.connect(server.url, last_event_id=checkpoint) as client:
                    seen.append(next(client).data)
                    checkpoint = client.last_event_id
        self.assertEqual(seen, list("12345"))


BLOCK = b"id: 7\ndata: x\n\n"


def cut_answer(data: bytes) -> Script:
    def script(conn: Connection) -> None:
        conn.send(data)
        conn.cut()

    return script


def kept_open(conn: Connection) -> None:
    conn.send(head(CHUNKED), chunk(BLOCK), LAST_CHUNK)
    conn.stall()


def reset_at_once(conn: Connection) -> None:
    conn.reset()


def reset_after_the_event(conn: Connection) -> None:
    conn.send(head(CHUNKED), chunk(b"id: 7\ndata: x\n\nid: 8\ndata: cut"))
    conn.wait("received")
    conn.reset()


# Every way to lose a connection, and whether the event of id 7 had been received by then.
DROPS: dict[str, tuple[Script | bytes, bool]] = {
    "clean end of chunks": (stream(BLOCK), True),
    "clean end of chunks, socket kept open": (kept_open, True),
    "end of a length": (answer(BLOCK), True),
    "end of the connection": (head() + BLOCK, True),
    "end of the connection within a block": (head() + BLOCK + b"id: 8\ndata: cut", True),
    "no last chunk": (stream(BLOCK, end="cut"), True),
    "cut in a chunk": (cut_answer(head(CHUNKED) + chunk(BLOCK) + b"20\r\nid: 8\ndata: cut\n"), True),
    "cut in a chunk size": (cut_answer(head(CHUNKED) + chunk(BLOCK) + b"2"), True),
    "cut in a length": (cut_answer(head("Content-Length: 99") + BLOCK + b"id: 8\ndata: cut\n"), True),
    "broken chunk size": (cut_answer(head(CHUNKED) + chunk(BLOCK) + b"zz\r\n"), True),
    "reset": (reset_after_the_event, True),
    "closed before the head": (cut_answer(b""), False),
    "closed in the head": (cut_answer(head()[:30]), False),
    "reset before the head": (reset_at_once, False),
}  # fmt: skip


@in_both_worlds
class Resuming(World):
    def test_every_drop_is_resumed(self) -> None:
        for name, (script, delivered) in DROPS.items():
            with self.subTest(name), Server(script, stream("data: y\n\n"), NO_CONTENT) as server:
                received = []
                with self.connect(server.url + "/feed") as client:
                    for event in client:
                        received.append((event.id, event.data))
                        server.signal("received")
                    self.assertEqual(client.waits, [3.0, 3.0])
                first, event_id = ([("7", "x")], "7") if delivered else ([], "")
                self.assertEqual(received, [*first, (event_id, "y")])
                self.assertEqual([r.target for r in server.requests], ["/feed"] * 3)
                self.assertEqual([r.header("Last-Event-ID") or "" for r in server.requests[1:]], [event_id] * 2)

    def test_every_drop_without_reconnection_is_an_error_with_a_cause(self) -> None:
        for name, (script, delivered) in DROPS.items():
            if "end of" in name:
                continue
            with self.subTest(name), Server(script) as server:
                client = self.connect(server.url, max_retries=0)
                with self.assertRaises(SSEConnectionError) as caught, client:
                    for _ in client:
                        server.signal("received")
                error = caught.exception
                self.assertIsInstance(error.last_error, Exception)
                self.assertIs(error.__cause__, error.last_error)
                self.assertEqual((error.retries, error.delivered), (0, int(delivered)))
                self.assertEqual(error.last_event_id, "7" if delivered else "")
                self.assertEqual((client.waits, client.state, list(client)), ([], "closed", []))

    def test_silence_is_a_drop(self) -> None:
        scripts = silent, stream(EVENT, end="open"), NO_CONTENT

        def scenario(factor: int) -> None:
            options = {"timeout": 0.2 * factor, "idle_timeout": 0.1 * factor}
            with Server(*scripts) as server, self.connect(server.url, **options) as client:
                self.assertEqual(len(list(client)), 1)
                self.assertEqual(client.waits, [3.0, 3.0])

        patiently(scenario)

    def test_any_byte_is_life(self) -> None:
        """A comment now and then keeps the stream alive, for longer in all than the idle timeout."""

        never = threading.Event()

        def scenario(factor: int) -> None:
            def script(conn: Connection) -> None:
                conn.send(head(CHUNKED))
                for _ in range(5):
                    never.wait(0.05 * factor)
                    conn.send(chunk(":\n"))
                conn.send(chunk(EVENT))
                conn.stall()

            options = {"idle_timeout": 0.2 * factor, "max_retries": 0}
            with Server(script) as server, self.connect(server.url, **options) as client:
                self.assertEqual(next(client).data, "x")

        patiently(scenario)

    def test_a_slow_consumer_is_no_silence(self) -> None:
        """What came while the caller was busy counts, however long that took."""
        never = threading.Event()

        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk("data: 1\n\n"))
            conn.wait("received")
            conn.send(chunk("data: 2\n\n"))
            conn.server.signal("sent")
            conn.stall()

        with Server(script) as server, self.connect(server.url, idle_timeout=0.05, max_retries=0) as client:
            next(client)
            server.signal("received")
            server.wait("sent")
            never.wait(0.1)
            self.assertEqual(next(client).data, "2")

    def test_a_slow_consumer_slows_the_server_down(self) -> None:
        for tls in (False, True):

            def script(conn: Connection) -> None:
                conn.send(head(), EVENT)
                conn.sock.settimeout(0.1)
                for _ in range(64):
                    conn.send("data: " + "x" * 2**20 + "\n\n")  # Gone, once it is not read for that long
                conn.server.signal("all was read")

            with self.subTest(tls=tls), Server(script, tls=tls) as server:
                with self.connect(server.url, verify=CA) as client:
                    next(client)
                    self.idle(lambda server=server: bool(server.connections[0].gone))
                self.assertFalse(server.signalled("all was read"))

    def test_a_header_of_the_same_name_is_not_sent_twice(self) -> None:
        with Server(stream("id: 1\ndata\n\n"), NO_CONTENT) as server:
            with self.connect(server.url, headers={"last-event-id": "own"}) as client:
                list(client)
            for request in server.requests:
                self.assertIn(request.header("Last-Event-ID"), ("own", "1"))

    def test_the_id_goes_along_as_utf8(self) -> None:
        for event_id in ("✓", "é", "𝕏 y", "a,b;c=\"d\""):
            with self.subTest(event_id), Server(stream(f"id: {event_id}\ndata\n\n"), NO_CONTENT) as server:
                with self.connect(server.url, last_event_id=event_id[::-1].strip()) as client:
                    list(client)
                self.assertIn(f"Last-Event-ID: {event_id[::-1]}\r\n".encode().lower(), server.requests[0].raw.lower())
                self.assertIn(f"Last-Event-ID: {event_id}\r\n".encode().lower(), server.requests[1].raw.lower())

    def test_an_empty_id_clears_it(self) -> None:
        with Server(stream("id: 1\ndata\n\nid\ndata\n\n"), stream("data\n\n"), NO_CONTENT) as server:
            with self.connect(server.url, last_event_id="0") as client:
                self.assertEqual([event.id for event in client], ["1", "", ""])
        self.assertEqual([r.header("Last-Event-ID") for r in server.requests], ["0", None, None])

    def test_an_id_stays_in_force_over_a_reconnect(self) -> None:
        with Server(stream("id: 1\ndata\n\n"), stream("data\n\n"), NO_CONTENT) as server:
            with self.connect(server.url, last_event_id="0") as client:
                self.assertEqual([event.id for event in client], ["1", "1"])

    def test_the_point_to_resume_from_is_in_force_from_the_start(self) -> None:
        with Server(stream("data\n\n"), NO_CONTENT) as server:
            with self.connect(server.url, last_event_id="evt-42") as client:
                self.assertEqual(client.last_event_id, "evt-42")
                self.assertEqual([event.id for event in client], ["evt-42"])

    def test_an_id_that_the_server_chose_never_raises(self) -> None:
        """Nor does it bring anything else into the next request."""
        for event_id in ("a\x01b", "\x7f", "\ufffd", "\t tab", "a\x0b\x0c\x1c\x85\u2028b", "x" * 100_000):
            with self.subTest(event_id[:20]), Server(stream(f"id: {event_id}\ndata\n\n"), NO_CONTENT) as server:
                with self.connect(server.url) as client:
                    self.assertEqual([event.id for event in client], [event_id])
                names = server.requests[1].names() - {"last-event-id"}
                self.assertEqual(names, server.requests[0].names())

    def test_the_original_url_is_requested_again(self) -> None:
        with Server(stream("id: 1\ndata\n\n"), repeat=True) as target:
            hop = redirect(target.url + "/moved", "301 Moved Permanently")
            with Server(hop, NO_CONTENT) as server, self.connect(server.url + "/original") as client:
                self.assertEqual(client.response.url, target.url + "/moved")
                self.assertEqual(len(list(client)), 1)
            self.assertEqual([r.target for r in server.requests], ["/original"] * 2)
            self.assertEqual(server.requests[1].header("Last-Event-ID"), "1")

    def test_the_id_follows_a_redirect(self) -> None:
        with Server(NO_CONTENT) as target, Server(redirect(target.url)) as server:
            with self.connect(server.url, last_event_id="7"):
                pass
        self.assertEqual(target.requests[0].header("Last-Event-ID"), "7")


@in_both_worlds
class Refusals(World):
    """Answers that are neither a stream nor a drop."""

    def test_statuses(self) -> None:
        statuses = "205 x", "206 x", "300 x", "304 x", "400 x", "401 x", "404 x", "407 x", "429 x", "500 x", "503 x"
        for status in statuses[2:]:
            with self.subTest(status), Server(answer("why", status=status)) as server:
                client = self.connect(server.url)
                with self.assertRaises(SSEHTTPError) as caught, client:
                    pass
                self.assertEqual(caught.exception.status_code, int(status[:3]))
                self.assertEqual((client.state, list(client), client.waits), ("closed", [], []))

    def test_http_error_tells_everything(self) -> None:
        body = '{"error": {"code": "insufficient_quota", "message": "Zahlen Sie – jetzt"}}'
        script = answer(body, "X-Request-Id: 17", status="403 No Money", type="application/json")
        with Server(script) as server:
            with self.assertRaises(SSEHTTPError) as caught, self.connect(server.url + "/v1"):
                pass
        error = caught.exception
        self.assertEqual((error.status_code, error.reason, error.url), (403, "No Money", server.url + "/v1"))
        self.assertEqual(error.headers["x-request-id"], "17")
        self.assertEqual((error.body, error.text), (body.encode(), body))
        self.assertEqual(error.json()["error"]["code"], "insufficient_quota")
        for part in ("403", "No Money", "insufficient_quota"):
            self.assertIn(part, str(error))
        self.assertNotIn("retry_on_status", str(error))

    def test_transient_errors_say_how_to_have_them_retried(self) -> None:
        for status in (408, 425, 429, 500, 502, 503, 504):
            with self.subTest(status), Server(answer(status=f"{status} x")) as server:
                with self.assertRaisesRegex(SSEHTTPError, "retry_on_status=TRANSIENT_STATUSES"):
                    with self.connect(server.url):
                        pass

    def test_status_is_looked_at_before_the_type(self) -> None:
        with Server(answer("<p>no</p>", status="404 Not Found", type="text/html")) as server:
            with self.assertRaises(SSEHTTPError), self.connect(server.url):
                pass

    def test_a_refusal_after_a_reconnect(self) -> None:
        with Server(stream(EVENT), answer(status="410 Gone")) as server:
            with self.connect(server.url) as client:
                self.assertEqual(next(client).data, "x")
                with self.assertRaises(SSEHTTPError):
                    next(client)
                self.assertEqual(list(client), [])

    def test_types_accepted(self) -> None:
        types = (
            "text/event-stream",
            "Text/Event-Stream",
            "text/event-stream;charset=utf-8",
            "text/event-stream; charset=windows-1252",
            "text/event-stream ;x",
            'text/html; title="a, b", text/event-stream; x="\\", c/d"',
        )
        for type in types:
            with self.subTest(type), Server(answer("data: °\n\n", type=type)) as server:
                with self.connect(server.url, reconnect=False) as client:
                    self.assertEqual([event.data for event in client], ["°"])

    def test_types_refused(self) -> None:
        types = (
            "text/event-streamfoo",
            "text/event",
            "text/html; text/event-stream",
            'text/html; x="a, text/event-stream, b"',
            "application/json",
            "",
        )
        for script in (*(answer(EVENT, type=type) for type in types), head(type=None)):
            with self.subTest(script), Server(script) as server:
                with self.assertRaises(SSEContentTypeError) as caught, self.connect(server.url + "/x"):
                    pass
                self.assertEqual(caught.exception.url, server.url + "/x")

    def test_type_error_shows_what_came_instead(self) -> None:
        with Server(answer("<title>Log in</title>", type="Text/HTML; charset=utf-8")) as server:
            with self.assertRaises(SSEContentTypeError) as caught, self.connect(server.url):
                pass
        self.assertIn("text/html", caught.exception.content_type.lower())
        self.assertIn(b"<title>Log in", caught.exception.body)
        self.assertIn("text/html", str(caught.exception).lower())

    def test_another_type_can_be_asked_for(self) -> None:
        cases = [("application/x-stream", "Application/X-Stream; a=b"), (None, "text/plain"), (None, None)]
        for wanted, sent in cases:
            script = head(type=sent) + EVENT.encode()
            with self.subTest(wanted=wanted, sent=sent), Server(script) as server:
                with self.connect(server.url, content_type=wanted, reconnect=False) as client:
                    self.assertEqual(len(list(client)), 1)

    def test_a_redirect_to_nowhere(self) -> None:
        for lines in ([], ["Location:"]):
            script = head(*lines, "Content-Length: 0", status="302 Found")
            with self.subTest(lines), Server(script) as server:
                with self.assertRaises(SSEError), self.connect(server.url):
                    pass

    def test_what_cannot_work_is_not_tried_again(self) -> None:
        for name, script in {
            "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
            "garbage": bytes(range(256)) * 4,
            "refused redirect": redirect("ftp://localhost/"),
        }.items():
            with self.subTest(name), Server(script) as server:
                client = self.connect(server.url)
                with self.assertRaises(SSEConnectionError) as caught, client:
                    pass
                self.assertIsNotNone(caught.exception.__cause__)
                self.assertEqual((client.waits, client.state), ([], "closed"))

    def test_a_certificate_that_fails_is_not_tried_again(self) -> None:
        with Server(NO_CONTENT, tls="selfsigned") as server:
            client = self.connect(server.url)
            with self.assertRaises(SSEConnectionError), client:
                pass
            self.assertEqual(client.waits, [])
        self.assertEqual(server.requests, [])

    def test_an_event_too_large(self) -> None:
        large = "data: " + "x" * 5000 + "\n\n"
        with Server(stream(EVENT, EVENT + large, end="open")) as server:
            with self.connect(server.url, max_event_size=1000) as client:
                self.assertEqual([next(client).data, next(client).data], ["x", "x"])
                with self.assertRaises(SSEEventTooLargeError) as caught:
                    next(client)
                self.assertEqual((caught.exception.limit, client.state, list(client)), (1000, "closed", []))
                server.wait_gone(1)

    def test_no_limit(self) -> None:
        with Server(stream("data: " + "x" * 100_000 + "\n\n")) as server:
            with self.connect(server.url, max_event_size=None, reconnect=False) as client:
                self.assertEqual(len(next(client).data), 100_000)


@in_both_worlds
class Exceptions(World):
    def failures(self) -> list[SSEError]:
        """One of each class, as it is raised."""
        cases: list[tuple[Script | bytes, dict[str, Any]]] = [
            (answer('{"a": 1}', status="500 Oops", type="application/json"), {}),
            (answer("<p>", type="text/html"), {}),
            (stream("data: " + "x" * 2000), {"max_event_size": 100}),
            (stream("id: 3\ndata: x\n\n", "data: rest"), {"reconnect": False}),
            (stream("id: 3\ndata: x\n\n", end="cut"), {"max_retries": 0}),
        ]
        errors = []
        for script, options in cases:
            with Server(script) as server, self.assertRaises(SSEError) as caught:
                with self.connect(server.url + "/x", **options) as client:
                    list(client)
            errors.append(caught.exception)
        with self.assertRaises(SSEError) as caught, self.connect(f"http://127.0.0.1:{refused_port()}", max_retries=1):
            pass
        return [*errors, caught.exception]

    def test_clients_do_not(self) -> None:
        """A copy would close the connection of the original when it is dropped."""
        for client in (sse.connect("http://127.0.0.1:1/"), sse.async_connect("http://127.0.0.1:1/")):
            for way in (copy.copy, copy.deepcopy, pickle.dumps, lambda client: pickle.dumps(client, 0)):
                with self.subTest(client, way=way), self.assertRaisesRegex(TypeError, "cannot be copied or pickled"):
                    way(client)

    def test_they_pickle_and_copy(self) -> None:
        for error in self.failures():
            pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
            for twin in (*pickled, copy.copy(error), copy.deepcopy(error)):
                with self.subTest(error=error):
                    self.assertIs(type(twin), type(error))
                    self.assertEqual(str(twin), str(error))
                    self.assertEqual(repr(attributes(twin)), repr(attributes(error)))

    def test_they_pickle_and_copy_whatever_other_libraries_put_into_them(self) -> None:
        url = "http://localhost/x"

        class Fields(dict[str, str]):
            def __reduce__(self) -> Any:
                raise TypeError("a view of memory that is not ours")

        for error in (
            sse.SSEConnectionError(url, 3, Unpicklable("why", threading.Lock())),
            sse.SSEConnectionError(url, 3, Unpicklable("why", None)),
            sse.SSEHTTPError(503, url, headers=Fields({"Retry-After": "5"}), body=b"x"),
            sse.SSEContentTypeError("text/html", url, headers=Fields({"Retry-After": "5"})),
        ):
            for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
                with self.subTest(error=error):
                    self.assertIs(type(twin), type(error))
                    self.assertEqual(str(twin), str(error))
                    if not isinstance(twin, sse.SSEConnectionError):
                        self.assertEqual(twin.headers["Retry-After"], "5")

    def test_what_another_library_quotes_is_not_passed_on(self) -> None:
        """As requests quotes the URL with its query; the cause of its error tells more than itself."""
        quoting = OSError("max retries exceeded with url: /?key=s3cret")
        quoting.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "s3cret")
        error = sse.SSEConnectionError("http://h/?key=1", 3, quoting)
        self.assertIs(error.last_error, quoting)
        twins = pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)
        for twin in (error, *twins):
            self.assertRegex(str(twin), r"^http://h/: Connection refused \(3 ")
            self.assertEqual(str(twin.args[2]), "Connection refused")
            self.assertNotIn("s3cret", f"{twin!r}{twin.args}{pickle.dumps(twin)!r}")

    def test_what_cannot_be_pickled_otherwise_is_told_by_pickle(self) -> None:
        class Handle:
            def __reduce__(self) -> Any:
                raise TypeError("a handle cannot be pickled")

        error = sse.SSEError("why")
        error.handle = Handle()  # type: ignore[attr-defined]
        self.assertIs(copy.copy(error).handle, error.handle)
        with self.assertRaisesRegex(TypeError, "a handle cannot be pickled"):
            pickle.dumps(error)

    def test_classes(self) -> None:
        self.assertEqual(
            [type(error) for error in self.failures()],
            [SSEHTTPError, SSEContentTypeError, SSEEventTooLargeError] + 3 * [SSEConnectionError],
        )

    def test_text_of_a_server_is_shown_without_control_characters(self) -> None:
        body = "\x1b[31mred\x07\u009b\u202e\r\n"
        for script in (
            answer(body, status="500 \x1b[31mOops", type="text/plain"),
            answer(body, type="text/\x1b[31m"),
            answer(body, "Location: http://\x1b[31m/", status="302 Found"),
            b"\x1b[31m not HTTP \r\n\r\n",
        ):
            with self.subTest(script), Server(script) as server:
                with self.assertRaises(SSEError) as caught, self.connect(server.url):
                    pass
                text = str(caught.exception) + repr(caught.exception) + str(caught.exception.__cause__)
                self.assertTrue(text.replace("\n", "").isprintable(), text)

    def test_they_can_be_made_by_hand(self) -> None:
        error = SSEHTTPError(429, "http://h/", reason="Slow", headers={"a": "b"}, body=b'{"x": 1}')
        self.assertEqual((error.status_code, error.url, error.json()), (429, "http://h/", {"x": 1}))
        cause = ConnectionResetError("gone")
        lost = SSEConnectionError("http://h/", 3, cause)
        self.assertEqual((lost.url, lost.retries, lost.last_error), ("http://h/", 3, cause))
        self.assertEqual((lost.delivered, lost.last_event_id, lost.unfinished), (0, "", None))


class CutOff(unittest.TestCase):
    """Nothing needs the command line, or what stands in the place of connections: the last section
    of one file, the last two of the other.
    """

    PROGRAM = """
import asyncio, sys
from sse import async_connect, connect
with connect(sys.argv[1], reconnect=False) as events:
    print(*(event.data for event in events))
async def main():
    async with async_connect(sys.argv[1], reconnect=False) as events:
        print(*[event.data async for event in events])
asyncio.run(main())
"""

    def test_the_last_sections(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Server(stream(EVENT), repeat=True) as server:
            for module, title, sections in (
                (sse, "the command line", 1),
                (httpclient, "web applications called in-process", 2),
            ):
                path = pathlib.Path(str(module.__file__))
                kept, cut, *_ = path.read_text(encoding="utf-8").rsplit("\n# --- ", sections)
                self.assertTrue(cut.startswith(title), cut[:80])
                pathlib.Path(folder, path.name).write_text(kept, encoding="utf-8")
            command = [sys.executable, "-W", "error", "-c", self.PROGRAM, server.url]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.stdout, done.stderr, done.returncode), ("x\nx\n", "", 0))
