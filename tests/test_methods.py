"""Requests with other methods and bodies, ends without reconnection, and `until`."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpclient
from sse import SSEConnectionError, SSEEvent, SSEHTTPError
from tests.server import (
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    Connection,
    Server,
    answer,
    chunk,
    head,
    refused_port,
    stream,
)
from tests.worlds import World, in_both_worlds

TOKENS = "data: a\n\ndata: b\n\n"
DONE = "data: [DONE]\n\n"


def is_done(event: SSEEvent) -> bool:
    return event.data == "[DONE]"


@in_both_worlds
class Sending(World):
    def send(self, **options: Any) -> Any:
        with Server(NO_CONTENT) as server:
            with self.connect(server.url + "/v1?a=1", **options):
                pass
        return server.requests[0]

    def test_json(self) -> None:
        request = self.send(method="POST", json={"model": "x", "text": "Grüße ✓"})
        self.assertEqual((request.method, request.target), ("POST", "/v1?a=1"))
        self.assertEqual(request.header("Content-Type"), "application/json")
        self.assertEqual(request.header("Accept"), "text/event-stream")
        self.assertEqual(request.header("Content-Length"), str(len(request.body)))
        self.assertEqual(json.loads(request.body), {"model": "x", "text": "Grüße ✓"})

    def test_json_that_is_false(self) -> None:
        for value in ({}, [], 0, False, ""):
            with self.subTest(value=value):
                self.assertEqual(json.loads(self.send(method="POST", json=value).body), value)

    def test_own_content_type_replaces_that_of_json(self) -> None:
        request = self.send(method="POST", json=1, headers={"content-type": "application/x+json"})
        self.assertEqual(request.header("Content-Type"), "application/x+json")

    def test_content(self) -> None:
        request = self.send(method="PUT", content=b"\x00\xff\r\n")
        self.assertEqual((request.method, request.body), ("PUT", b"\x00\xff\r\n"))

    def test_an_empty_body_has_its_length_told(self) -> None:
        self.assertEqual(self.send(method="POST").header("Content-Length"), "0")

    def test_params(self) -> None:
        request = self.send(params={"q": "a b&c=d", "é": "✓+", "n": "1"})
        self.assertRegex(request.target, r"^/v1\?a=1&q=a(\+|%20)b%26c%3Dd&%C3%A9=%E2%9C%93%2B&n=1$")

    def test_iterators_are_not_used_up_by_the_first_attempt(self) -> None:
        with Server(stream("data: x\n\n", end="cut"), NO_CONTENT) as server:
            headers, params = iter([("Authorization", "Bearer x")]), iter([("q", "1")])
            with self.connect(server.url, headers=headers, params=params, retry_interval=0) as events:
                self.assertEqual([event.data for event in events], ["x"])
        for request in server.requests:
            self.assertEqual((request.target, request.header("Authorization")), ("/?q=1", "Bearer x"))
        self.assertEqual(len(server.requests), 2)

    def test_iterators_among_the_values_neither(self) -> None:
        with Server(stream("data: x\n\n", end="cut"), NO_CONTENT) as server:
            params = {"q": map(str, [1, 2]), "r": (n for n in (3, None))}
            with self.connect(server.url, params=params, retry_interval=0) as events:
                self.assertEqual([event.data for event in events], ["x"])
        self.assertEqual([request.target for request in server.requests], ["/?q=1&q=2&r=3"] * 2)

    def test_get_with_a_body(self) -> None:
        self.assertEqual(self.send(json=[1]).body, b"[1]")


@in_both_worlds
class SentOnce(World):
    """What may cost money is not sent twice."""

    METHODS = ("POST", "PUT", "DELETE", "QUERY")

    def test_a_clean_end_is_the_end(self) -> None:
        for method in self.METHODS:
            for script in (stream(TOKENS), answer(TOKENS), head() + TOKENS.encode()):
                with self.subTest(method), Server(script) as server:
                    with self.connect(server.url, method=method, json=1) as client:
                        self.assertEqual([event.data for event in client], ["a", "b"])
                        self.assertEqual((client.state, client.waits, list(client)), ("closed", [], []))

    def test_cut_at_every_byte(self) -> None:
        whole_answers = (
            head(CHUNKED) + chunk("id: 1\ndata: a\n\n") + chunk("data: b\n\n") + LAST_CHUNK,
            answer("id: 1\ndata: a\n\n"),
        )
        for whole in whole_answers:
            # Complete with the last chunk (RFC 9112, 8), or with its length
            complete = len(whole.removesuffix(b"\r\n"))
            cuts = [whole[:size] for size in range(complete)]
            with Server(*cuts) as server:
                for part in cuts:
                    client = self.connect(server.url, method="POST", json={"prompt": "hello"})
                    received = []
                    with self.subTest(part[-20:]), self.assertRaises(SSEConnectionError) as caught, client:
                        received.extend(event.data for event in client)
                    self.assertEqual((client.waits, client.state), ([], "closed"))
                    error = caught.exception
                    self.assertEqual((error.delivered, error.retries), (part.count(b"\n\n"), 0))
                    self.assertEqual(error.last_event_id, "1" if error.delivered else "")
                    self.assertIsNotNone(error.__cause__)
                self.assertEqual(len(server.requests), len(cuts))

    def test_not_even_when_the_connect_fails(self) -> None:
        client = self.connect(f"http://127.0.0.1:{refused_port()}", method="POST", json=1)
        with self.assertRaises(SSEConnectionError), client:
            pass
        self.assertEqual(client.waits, [])

    def test_unless_wished(self) -> None:
        with Server(stream("id: 1\ndata: a\n\n", end="cut"), b"", NO_CONTENT) as server:
            options: dict[str, Any] = {"method": "POST", "json": {"x": 1}, "reconnect": True}
            with self.connect(server.url, **options) as client:
                self.assertEqual([event.data for event in client], ["a"])
        self.assertEqual([r.body for r in server.requests], [server.requests[0].body] * 3)
        self.assertEqual([r.method for r in server.requests], ["POST"] * 3)
        self.assertEqual([r.header("Last-Event-ID") for r in server.requests], [None, "1", "1"])

    def test_retry_on_status_is_such_a_wish_for_its_statuses_alone(self) -> None:
        busy = answer(status="429 Too Many Requests")
        options: dict[str, Any] = {"method": "POST", "json": 1, "retry_on_status": {429}}
        with Server(busy, busy, stream(TOKENS)) as server, self.connect(server.url, **options) as client:
            self.assertEqual(len(list(client)), 2)
            self.assertEqual(client.waits, [3.0, 3.0])
        for last in (stream(TOKENS, end="cut"), b""):
            with Server(busy, last) as server:
                client = self.connect(server.url, **options)
                with self.assertRaises(SSEConnectionError), client:
                    list(client)
                self.assertEqual(client.waits, [3.0])
        with Server(busy, answer(status="500 x")) as server, self.assertRaises(SSEHTTPError):
            with self.connect(server.url, **options):
                pass

    def test_get_without_reconnection(self) -> None:
        with Server(stream(TOKENS)) as server, self.connect(server.url, reconnect=False) as client:
            self.assertEqual(len(list(client)), 2)
        with Server(stream("id: 5\n" + TOKENS, end="cut")) as server:
            client = self.connect(server.url, reconnect=False)
            with self.assertRaises(SSEConnectionError) as caught, client:
                list(client)
            error = caught.exception
            self.assertEqual((error.delivered, error.last_event_id, client.waits), (2, "5", []))
            self.assertIs(error.__cause__, error.last_error)
            self.assertIn("2", str(error))

    def test_a_reset_while_the_request_is_sent_is_no_clean_end(self) -> None:
        with self.assertRaises(SSEConnectionError) as caught:
            self.answered_early(Connection.reset)
        self.assertIsInstance(caught.exception.last_error, httpclient.BodyError)

    def test_a_clean_end_while_the_request_is_sent(self) -> None:
        def end(conn: Connection) -> None:
            conn.half_close()
            conn.reset()

        self.answered_early(end)

    def answered_early(self, end: Callable[[Connection], None]) -> None:
        """The first event comes, and the body ends, before the server has read the request."""

        def script(conn: Connection) -> None:
            received = b""
            while b"\r\n\r\n" not in received:
                received += conn.read()
            conn.send(head() + TOKENS.encode())
            conn.wait("read")
            end(conn)
            conn.server.signal("ended")

        with Server(script, read=False) as server:
            with self.connect(server.url, content=b"x" * 10_000_000) as client:
                self.assertEqual([next(client).data, next(client).data], ["a", "b"])
                server.signal("read")
                self.idle(lambda: server.signalled("ended"))
                self.assertEqual(list(client), [])

    def test_ends_of_a_body_that_only_ends_by_closing_are_clean(self) -> None:
        with Server(head() + TOKENS.encode()) as server, self.connect(server.url, method="POST") as client:
            self.assertEqual(len(list(client)), 2)


@in_both_worlds
class Unfinished(World):
    def test_a_clean_end_within_a_block_with_data(self) -> None:
        for rest, unfinished in (
            ("data: [DONE]", SSEEvent(data="[DONE]")),
            ("data: x\n", SSEEvent(data="x")),
            ("data: x\r", SSEEvent(data="x")),
            ("event: end\ndata: x\ndata: y", SSEEvent("end", "x\ny")),
        ):
            for script in (stream(TOKENS + rest), answer(TOKENS + rest), head() + (TOKENS + rest).encode()):
                with self.subTest(rest), Server(script) as server:
                    client = self.connect(server.url, method="POST")
                    received: list[str] = []
                    with self.assertRaises(SSEConnectionError) as caught, client:
                        for event in client:
                            received.append(event.data)
                    self.assertEqual(received, ["a", "b"])
                    error = caught.exception
                    self.assertEqual((error.delivered, error.unfinished), (2, unfinished))

    def test_a_clean_end_within_a_block_without_data(self) -> None:
        for rest in (":", ": comment\n", "id: 3\n", "event: x", "retry: 5\n", "dat", "\r"):
            with self.subTest(rest), Server(stream(TOKENS + rest)) as server:
                with self.connect(server.url, method="POST") as client:
                    self.assertEqual(len(list(client)), 2)

    def test_with_reconnection_it_is_an_end_as_any_other(self) -> None:
        with Server(stream("id: 1\ndata: a\n\nid: 2\ndata: x"), NO_CONTENT) as server:
            with self.connect(server.url) as client:
                self.assertEqual([event.data for event in client], ["a"])
        self.assertEqual(server.requests[1].header("Last-Event-ID"), "1")


@in_both_worlds
class Until(World):
    def test_the_accepted_event_is_the_last(self) -> None:
        for method in ("GET", "POST"):
            with self.subTest(method), Server(stream(TOKENS + DONE + TOKENS, end="open")) as server:
                with self.connect(server.url, method=method, until=is_done) as client:
                    self.assertEqual([event.data for event in client], ["a", "b", "[DONE]"])
                    server.wait_gone(1)
                    self.assertEqual((client.state, list(client)), ("closed", []))

    def test_the_connection_is_closed_before_the_last_event_is_handed_over(self) -> None:
        """`next()` is all a caller may ever do."""
        with Server(stream(DONE, end="open")) as server:
            client = self.connect(server.url, until=is_done)
            self.assertEqual(next(client).data, "[DONE]")
            server.wait_gone(1)
            client.close()

    def test_an_end_before_it_is_a_drop(self) -> None:
        for script in (stream(TOKENS), answer(TOKENS), head() + TOKENS.encode()):
            with Server(script) as server:
                client = self.connect(server.url, method="POST", until=is_done)
                with self.assertRaises(SSEConnectionError) as caught, client:
                    list(client)
                self.assertEqual((caught.exception.delivered, client.waits), (2, []))

    def test_the_error_says_what_was_missed(self) -> None:
        missed = ", and `until` had accepted no event"
        for rest, until, text in (
            ("", is_done, "the server ended the stream" + missed),
            ("data: x", is_done, "the server ended the stream inside an event" + missed),
            ("data: x", None, "the server ended the stream inside an event ("),
        ):
            with self.subTest(text), Server(stream(TOKENS, rest)) as server:
                with self.assertRaises(SSEConnectionError) as caught:
                    with self.connect(server.url, method="POST", until=until) as client:
                        list(client)
                error = caught.exception
                self.assertIn(text, str(error))
                self.assertIn("2 events delivered", str(error))
                self.assertIsNone(error.last_error)
                for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
                    self.assertEqual(str(twin), str(error))

    def test_and_is_followed_by_a_reconnect_where_that_is_on(self) -> None:
        with Server(stream(TOKENS), stream(TOKENS, end="cut"), stream(DONE)) as server:
            with self.connect(server.url, until=is_done) as client:
                self.assertEqual([event.data for event in client], [*"abab", "[DONE]"])

    def test_what_it_raises_reaches_the_caller(self) -> None:
        def broken(event: SSEEvent) -> bool:
            raise LookupError(event.data)

        with Server(stream(TOKENS, end="open")) as server:
            client = self.connect(server.url, until=broken)
            with self.assertRaisesRegex(LookupError, "a"), client:
                next(client)
            server.wait_gone(1)
            self.assertEqual((client.state, list(client)), ("closed", []))

    def test_a_cut_after_it_does_not_matter(self) -> None:
        for rest in (b"", b"zz", b"ffff\r\ndata: x\n\n"):
            with self.subTest(rest), Server(head(CHUNKED) + chunk(DONE) + rest) as server:
                with self.connect(server.url, method="POST", until=is_done) as client:
                    self.assertEqual(len(list(client)), 1)
