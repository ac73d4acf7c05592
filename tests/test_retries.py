"""How often, and after how long, a client tries again."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any
from unittest import mock

from sse import TRANSIENT_STATUSES, SSEConnectionError, SSEHTTPError
from tests.server import NO_CONTENT, Connection, Script, Server, answer, head, refused_port, stream
from tests.worlds import World, in_both_worlds, is_async

EVENT = stream("data: x\n\n")
NOTHING = stream()
SILENCE = stream(":\n")
UNAVAILABLE = answer("busy", status="503 Service Unavailable")


@in_both_worlds
class Counting(World):
    def test_refused(self) -> None:
        port = refused_port()
        client = self.connect(f"http://127.0.0.1:{port}/feed", max_retries=3)
        with self.assertRaises(SSEConnectionError) as caught, client:
            pass
        error = caught.exception
        self.assertEqual(client.waits, [3.0] * 3)
        self.assertEqual((error.retries, error.delivered), (3, 0))
        self.assertEqual(error.url, f"http://127.0.0.1:{port}/feed")
        self.assertIsInstance(error.last_error, ConnectionError)
        self.assertIs(error.__cause__, error.last_error)
        self.assertIn(f"127.0.0.1:{port}", str(error))

    def test_zero_means_never(self) -> None:
        for script in (NOTHING, EVENT, b"", stream("data: x\n\n", end="cut")):
            with self.subTest(script), Server(script) as server:
                client = self.connect(server.url, max_retries=0)
                with self.assertRaises(SSEConnectionError), client:
                    list(client)
                self.assertEqual(client.waits, [])

    def test_a_server_that_accepts_and_closes_is_given_up(self) -> None:
        """So is one that says something in between, as long as it is no event."""
        for pieces in ([], [":\n\n"], ["id: 1\n\n"], ["retry: 5\n\n", "event: x\n\n"], ["data: unfinished\n"]):
            for end in ("clean", "cut"):
                with self.subTest(pieces=pieces, end=end), Server(*[stream(*pieces, end=end)] * 4) as server:
                    client = self.connect(server.url, max_retries=3)
                    with self.assertRaises(SSEConnectionError) as caught, client:
                        list(client)
                    self.assertEqual((caught.exception.retries, len(server.requests)), (3, 4))

    def test_only_an_event_resets_the_count(self) -> None:
        with Server(EVENT, NOTHING, EVENT, NOTHING, NOTHING) as server:
            client = self.connect(server.url, max_retries=2)
            received = []
            with self.assertRaises(SSEConnectionError) as caught, client:
                received.extend(event.data for event in client)
            self.assertEqual((len(server.requests), caught.exception.delivered), (5, 2))

    def test_staying_open_for_ten_seconds_resets_the_count(self) -> None:
        now, passed = time.monotonic, [0.0]
        for seconds, requests in ((9, 2), (11, 5)):

            def advance(_: object, seconds: float = seconds) -> None:
                passed[0] += seconds

            with (
                self.subTest(seconds=seconds),
                mock.patch("time.monotonic", lambda: now() + passed[0]),
                Server(*[SILENCE] * (requests - 1), NO_CONTENT if requests == 5 else SILENCE) as server,
            ):
                client = self.connect(server.url, max_retries=1, on_comment=advance)
                if requests == 5:
                    with client:
                        self.assertEqual(list(client), [])
                else:
                    with self.assertRaises(SSEConnectionError), client:
                        list(client)

    def test_giving_up_is_final(self) -> None:
        with Server(stream("id: 4\ndata\n\n", end="cut"), b"", b"") as server:
            client = self.connect(server.url, max_retries=2)
            with self.assertRaises(SSEConnectionError) as caught, client:
                list(client)
            self.assertEqual(caught.exception.last_event_id, "4")
            self.assertEqual((client.state, list(client)), ("closed", []))

    def test_unlimited(self) -> None:
        with Server(*[b""] * 50, NO_CONTENT) as server, self.connect(server.url) as client:
            self.assertEqual(len(client.waits), 50)


@in_both_worlds
class Waiting(World):
    """The waits are noted by the client of these tests, not spent."""

    def waits(self, *scripts: Script | bytes, **options: object) -> list[float]:
        with Server(*scripts, NO_CONTENT) as server, self.connect(server.url, **options) as client:
            list(client)
            waits: list[float] = client.waits
            return waits

    def test_own_interval(self) -> None:
        self.assertEqual(self.waits(NOTHING, NOTHING, retry_interval=250), [0.25, 0.25])
        self.assertEqual(sum(self.waits(NOTHING, retry_interval=0)), 0)

    def test_the_servers_interval(self) -> None:
        for pieces, milliseconds in (
            (["retry: 50\n\n"], 50),
            (["data: x\nretry: 50\n\n"], 50),
            (["retry: 50\n"], 50),  # in force when its line ends
            (["data: x\nretry: 50\r"], 50),
            (["retry: 50"], 3000),  # its line does not
            (["retry: 50\n\n", "retry: 70\n\n"], 70),
            (["retry: 50\n\n", "retry: -1\nretry: +1\nretry: 1_0\nretry:\nretry: ٣\nretry: 1.5\n\n"], 50),
            (["retry: 99999999999\n\n"], 86_400_000),
            (["retry: " + "9" * 5000 + "\n\n"], 86_400_000),
        ):
            with self.subTest(pieces=pieces), Server(stream(*pieces), b"", NO_CONTENT) as server:
                with self.connect(server.url) as client:
                    self.assertEqual(client.retry_interval, 3000)
                    list(client)
                    self.assertEqual(client.waits, [milliseconds / 1000, max(0.1, milliseconds / 1000)])
                    self.assertEqual(client.retry_interval, milliseconds)

    def test_no_wait_at_all(self) -> None:
        self.assertEqual(self.waits(stream("retry: 0\n\n"), b""), [0.1])  # from the second in a row on

    def test_backoff(self) -> None:
        bounds: list[tuple[float, float]] = []

        def upper(low: float, high: float) -> float:
            bounds.append((low, high))
            return high

        options = {"backoff": 2.0, "retry_interval": 1000, "max_retry_interval": 10_000}
        with mock.patch("random.uniform", upper):
            self.assertEqual(self.waits(*[b""] * 6, **options), [1, 2, 4, 8, 10, 10])
            self.assertEqual([low for low, _ in bounds], [0] * len(bounds))
            self.assertEqual(self.waits(b"", b"", EVENT, b"", **options), [1, 2, 1, 2])
            self.assertEqual(self.waits(b"", b"", b"", retry_interval=1000), [1, 1, 1])
        with mock.patch("random.uniform", lambda low, high: low):
            self.assertEqual(self.waits(*[b""] * 4, **options), [1, 1, 1, 1])

    def test_backoff_starts_from_the_servers_interval(self) -> None:
        with mock.patch("random.uniform", lambda low, high: high):
            waits = self.waits(stream("retry: 200\n\n"), b"", b"", backoff=3.0)
        for wait, expected in zip(waits, [0.2, 0.6, 1.8], strict=True):
            self.assertAlmostEqual(wait, expected)

    def test_never_less_than_the_base(self) -> None:
        with mock.patch("random.uniform", lambda low, high: high):
            waits = self.waits(b"", b"", backoff=2.0, retry_interval=5000, max_retry_interval=1000)
        self.assertEqual(waits, [5.0, 5.0])

    def test_backoff_grows_beyond_all_numbers(self) -> None:
        client = self.connect(f"http://127.0.0.1:{refused_port()}", backoff=100.0, max_retries=200)
        with mock.patch("random.uniform", lambda low, high: high), self.assertRaises(SSEConnectionError), client:
            pass
        self.assertEqual(client.waits, [3.0] + [30.0] * 199)


def unavailable(retry_after: str) -> bytes:
    return answer("busy", f"Retry-After: {retry_after}", status="503 Service Unavailable")


@in_both_worlds
class RetryAfter(World):
    def wait_for(self, script: bytes) -> float:
        with Server(script, NO_CONTENT) as server:
            with self.connect(server.url, retry_on_status=TRANSIENT_STATUSES) as client:
                (wait,) = client.waits
        assert isinstance(wait, float)
        return wait

    def test_seconds(self) -> None:
        for value, wait in (
            ("7", 7.0),
            ("3600", 3600.0),
            ("3601", 3600.0),
            ("9" * 5000, 3600.0),
            ("1", 3.0),
            ("0000000007", 7.0),
            ("0", 3.0),
            ("", 3.0),
            ("-5", 3.0),
            ("30.5", 30.5),
            ("7.0", 7.0),
            ("0.493", 3.0),
            (".5", 3.0),
            ("1.5.2", 3.0),
            ("1e3", 3.0),
            ("1_000", 3.0),
            ("٣٠", 3.0),
            ("soon", 3.0),
        ):
            with self.subTest(value):
                self.assertEqual(self.wait_for(unavailable(value)), wait)

    def test_date(self) -> None:
        soon = formatdate(time.time() + 100, usegmt=True)
        self.assertTrue(90 < self.wait_for(unavailable(soon)) <= 100)
        with mock.patch.dict(os.environ, TZ="America/New_York"):  # RFC 9110, 5.6.7: each of its forms is UTC
            time.tzset()
            for form in ("%a %b %d %H:%M:%S %Y", "%A, %d-%b-%y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S -0000"):
                value = time.strftime(form, time.gmtime(time.time() + 100))
                self.assertTrue(90 < self.wait_for(unavailable(value)) <= 100, value)
        time.tzset()
        for value, wait in (
            (formatdate(time.time() - 100, usegmt=True), 3.0),
            (formatdate(time.time() + 5000, usegmt=True), 3600.0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
            ("Fri, 31 Foo 2099 23:59:59 GMT", 3.0),
            ("Thu, 01 Jan 0001 00:00:00 +2359", 3.0),
        ):
            with self.subTest(value):
                self.assertEqual(self.wait_for(unavailable(value)), wait)
        # What Python before 3.10.7 makes of this one.
        with mock.patch("email.utils.parsedate_to_datetime", side_effect=IndexError):
            self.assertEqual(self.wait_for(unavailable("17 June , 2022")), 3.0)


@in_both_worlds
class Statuses(World):
    def test_those_named_are_drops(self) -> None:
        for wish in ({503}, [503], (503,), frozenset([503, 404]), TRANSIENT_STATUSES):
            with self.subTest(wish=wish), Server(UNAVAILABLE, UNAVAILABLE, EVENT, NO_CONTENT) as server:
                with self.connect(server.url, retry_on_status=wish) as client:
                    self.assertEqual(client.waits, [3.0, 3.0])
                    self.assertEqual(len(list(client)), 1)

    def test_others_are_not(self) -> None:
        with Server(UNAVAILABLE, answer(status="404 Not Found")) as server:
            with self.assertRaises(SSEHTTPError), self.connect(server.url, retry_on_status={503}):
                pass

    def test_transient_statuses(self) -> None:
        self.assertEqual(set(TRANSIENT_STATUSES), {408, 425, 429, 500, 502, 503, 504, *range(520, 525), 529})

    def test_one_that_a_session_of_requests_has_tried_again_itself(self) -> None:
        """By urllib3's `Retry(status_forcelist=[503])`: there is no answer then, but an error."""

        class ResponseError(Exception):
            __module__ = "urllib3.exceptions"

        class RetryError(OSError):  # as requests.exceptions.RetryError, a drop by its class
            pass

        def transport(*_: object, **__: object) -> Any:
            tries.append(1)
            max_retries = Exception("url: /?key=s3cret")
            max_retries.reason = ResponseError("too many 503 error responses")  # type: ignore[attr-defined]
            raise RetryError(max_retries)

        async def awaited(*_: object, **__: object) -> Any:
            return transport()

        for options, expected in (
            ({}, 1),
            ({"retry_on_status": {504}}, 1),
            ({"retry_on_status": {503}}, 3),
            ({"retry_on_status": {503}, "method": "POST"}, 3),
        ):
            tries: list[int] = []
            with self.subTest(**options), self.assertRaises(SSEConnectionError) as caught:
                with self.connect(
                    "http://h/", transport=awaited if is_async(self) else transport, max_retries=2, **options
                ):
                    pass
            self.assertEqual(len(tries), expected)
            self.assertRegex(str(caught.exception), "http://h/: HTTP 503 to each try of the session's own")

    def test_they_count(self) -> None:
        with Server(*[UNAVAILABLE] * 4) as server:
            client = self.connect(server.url, retry_on_status=TRANSIENT_STATUSES, max_retries=3)
            with self.assertRaises(SSEConnectionError) as caught, client:
                pass
        cause = caught.exception.last_error
        assert isinstance(cause, SSEHTTPError)
        self.assertEqual((cause.status_code, cause.text), (503, "busy"))
        self.assertIn("503", str(caught.exception))

    def test_a_storm_with_backoff(self) -> None:
        with mock.patch("random.uniform", lambda low, high: high), Server(*[UNAVAILABLE] * 5, NO_CONTENT) as server:
            with self.connect(server.url, retry_on_status={503}, backoff=2.0, retry_interval=100) as client:
                waits = client.waits
        for wait, expected in zip(waits, [0.1, 0.2, 0.4, 0.8, 1.6], strict=True):
            self.assertAlmostEqual(wait, expected)

    def test_an_event_stream_of_that_status_is_still_a_drop(self) -> None:
        with Server(head(status="500 Oops") + b"data: x\n\n", NO_CONTENT) as server:
            with self.connect(server.url, retry_on_status={500}) as client:
                self.assertEqual(list(client), [])

    def test_204_can_not_be_retried_into_a_stream(self) -> None:
        with Server(NO_CONTENT) as server, self.connect(server.url, retry_on_status=TRANSIENT_STATUSES) as client:
            self.assertEqual(list(client), [])


def by_token(valid: str) -> Script:
    def script(conn: Connection) -> None:
        if conn.request.header("Authorization") == f"Bearer {valid}":
            conn.send(answer("data: x\n\n"))
        else:
            conn.send(answer('{"error": "expired"}', status="401 Unauthorized"))

    return script


@in_both_worlds
class MadeAnew(World):
    """Headers and params that are made for each attempt."""

    def counting(self, make: Callable[[int], Mapping[str, str]]) -> Callable[[], Mapping[str, str]]:
        calls = itertools.count(1)
        return lambda: make(next(calls))

    def test_headers(self) -> None:
        for form in self.forms():
            function = form(self.counting(lambda n: {"X-Attempt": str(n), "Accept": "a/b"}))
            with Server(EVENT, b"", NO_CONTENT) as server, self.connect(server.url, headers=function) as client:
                list(client)
            self.assertEqual([request.header("X-Attempt") for request in server.requests], ["1", "2", "3"])
            self.assertEqual({request.header("Accept") for request in server.requests}, {"a/b"})

    def test_once_an_attempt_also_when_redirected(self) -> None:
        function = self.counting(lambda n: {"X-Attempt": str(n)})
        with Server(answer(b"", "Location: /b", status="307 x"), NO_CONTENT) as server:
            with self.connect(server.url + "/a", headers=function):
                pass
        self.assertEqual([r.header("X-Attempt") for r in server.requests], ["1", "1"])

    def test_params(self) -> None:
        function = self.counting(lambda n: {"attempt": str(n)})
        with Server(EVENT, NO_CONTENT) as server, self.connect(server.url + "/?a=0", params=function) as client:
            list(client)
        self.assertEqual([r.target for r in server.requests], ["/?a=0&attempt=1", "/?a=0&attempt=2"])

    def test_token_renewal(self) -> None:
        for form in self.forms():
            function = form(self.counting(lambda n: {"Authorization": f"Bearer {n}"}))
            with Server(by_token("2"), by_token("2")) as server:
                client = self.connect(server.url, headers=function, retry_on_status={401})
                with client:
                    self.assertEqual(next(client).data, "x")

    def test_renewal_in_vain_is_bounded(self) -> None:
        for form in self.forms():
            function = form(lambda: {"Authorization": "Bearer stale"})
            with Server(*[by_token("fresh")] * 3) as server:
                client = self.connect(server.url, headers=function, retry_on_status={401}, max_retries=2)
                with self.assertRaises(SSEConnectionError) as caught, client:
                    pass
            cause = caught.exception.last_error
            assert isinstance(cause, SSEHTTPError)
            self.assertEqual(cause.status_code, 401)

    def test_what_they_raise_reaches_the_caller(self) -> None:
        def fail() -> Mapping[str, str]:
            raise LookupError("no token")

        for form in self.forms():
            with Server() as server:
                client = self.connect(server.url, headers=form(fail))
                with self.assertRaisesRegex(LookupError, "no token"), client:
                    pass
                self.assertEqual((client.state, client.waits), ("closed", []))

    def test_what_they_return_is_checked(self) -> None:
        for bad in ({"X": "a\r\nb: c"}, {"Content-Length": "3"}, {"a b": "c"}):
            for form in self.forms():
                function = form(lambda bad=bad: bad)
                with self.subTest(bad), Server() as server, self.assertRaises(ValueError):
                    with self.connect(server.url, headers=function):
                        pass
