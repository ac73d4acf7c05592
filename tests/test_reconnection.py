"""The rules for wait, count and give-up, on the object that holds them: without a socket, and with
a clock of the test's.
"""

from __future__ import annotations

import random  # noqa: F401  # for `sys.modules`
import sys
import unittest
from email.utils import formatdate
from typing import Any
from unittest import mock

import sse
from sse import TRANSIENT_STATUSES, SSEConnectionError, SSEContentTypeError, SSEHTTPError

LOST = ConnectionResetError("lost")


class Certificate(OSError):
    verify_code = 20


def status(code: int, **headers: str) -> SSEHTTPError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SSEHTTPError(code, "http://a/", headers=named)


class Rules(unittest.TestCase):
    """`now` is the clock; an attempt fails at once unless a test lets time pass."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.delivered = 0
        self.rules: Any = None

    def given(self, **options: Any) -> Any:
        client = sse.SSEClient("http://a/", **options)
        self.now, self.delivered = 1000.0, 0
        self.rules = client._reconnection
        return self.rules

    def failed(self, error: BaseException | None = LOST) -> Any:
        return self.rules.failed(error, self.now, self.delivered)

    def waits(self, count: int, error: BaseException | None = LOST) -> list[Any]:
        return [self.failed(error) for _ in range(count)]


class Waits(Rules):
    def test_the_interval_itself_is_waited_by_default(self) -> None:
        self.given()
        self.assertEqual(self.waits(4), [3.0] * 4)
        self.given(retry_interval=250)
        self.assertEqual(self.waits(4), [0.25] * 4)

    def test_what_the_server_sent_replaces_the_option(self) -> None:
        self.given(retry_interval=250).interval = 7000
        self.assertEqual(self.waits(2), [7.0, 7.0])

    def test_the_first_attempt_is_due_at_once(self) -> None:
        self.assertEqual(self.given().left(self.now), 0.0)

    def test_at_least_100_ms_from_the_second_in_a_row_on(self) -> None:
        self.given(retry_interval=0)
        self.assertEqual(self.waits(4), [0.0, 0.1, 0.1, 0.1])
        self.given().interval = 10  # a server asks for it
        self.assertEqual(self.waits(3), [0.01, 0.1, 0.1])
        self.given(retry_interval=101)
        self.assertEqual(self.waits(3), [0.101] * 3)

    def test_a_delivered_event_starts_the_row_anew(self) -> None:
        self.given(retry_interval=0)
        for _ in range(3):
            self.delivered += 1
            self.assertEqual(self.failed(), 0.0)
        self.assertEqual(self.failed(), 0.1)

    def test_backoff_draws_between_the_interval_and_its_multiple(self) -> None:
        self.given(retry_interval=1000, backoff=2, max_retry_interval=9000)
        for share, expected in ((0.0, [1.0] * 6), (1.0, [1.0, 2.0, 4.0, 8.0, 9.0, 9.0])):
            draw = mock.patch(
                "random.uniform", lambda low, high, share=share: low + (high - low) * share
            )
            with self.subTest(share), draw:
                self.delivered += 1
                self.assertEqual(self.waits(6), expected)

    def test_backoff_leaves_zero(self) -> None:
        self.given(retry_interval=0, backoff=2)
        with mock.patch("random.uniform", lambda low, high: high):
            self.assertEqual(self.waits(4), [0.0, 0.2, 0.4, 0.8])

    def test_backoff_never_draws_less_than_the_interval(self) -> None:
        self.given(retry_interval=60_000, backoff=3, max_retry_interval=1000)
        self.assertEqual(self.waits(5), [60.0] * 5)

    def test_backoff_is_drawn(self) -> None:
        self.given(retry_interval=1000, backoff=4)
        self.failed()
        drawn = set(self.waits(20))
        self.assertGreater(len(drawn), 1)
        self.assertTrue(all(1.0 <= wait <= 30.0 for wait in drawn), drawn)

    def test_what_draws_is_loaded_with_the_client(self) -> None:
        """When a connection was lost there may be no descriptor left for it."""
        with mock.patch.dict(sys.modules):
            del sys.modules["random"]
            self.given(backoff=2)
            with mock.patch.object(sys, "meta_path", []):
                self.waits(2)

    def test_backoff_beyond_what_a_number_holds(self) -> None:
        for backoff in (2, 2.0, 1e300, float("inf")):
            self.given(retry_interval=1000, backoff=backoff)
            with self.subTest(backoff), mock.patch("random.uniform", lambda low, high: high):
                self.assertEqual(self.waits(1200)[-1], 30.0)

    def test_a_wait_ends_at_a_fixed_moment(self) -> None:
        """A caller who gives a step up and asks again does not start the wait anew."""
        rules = self.given()
        self.failed()
        self.now += 50.0  # meanwhile nobody asked
        self.assertEqual(rules.left(self.now), 3.0)
        for left in (2.5, 1.0, 0.0, 0.0):
            self.assertEqual(rules.left(1050.0 + 3.0 - left), left)
        self.assertEqual(rules.left(2000.0), 0.0)
        self.failed()
        self.assertEqual(rules.left(2000.0), 3.0)


class GivenUp(Rules):
    """By the caller, who leaves a step, or asks for another connection."""

    def test_an_open_connection_is_no_failure(self) -> None:
        rules = self.given(max_retries=1)
        self.failed()
        for _ in range(3):
            rules.opened = self.now
            self.assertEqual(self.failed(sse._GIVEN_UP), 0.0)
            self.assertEqual((rules.left(self.now), rules.retries), (0.0, 1))
        self.assertIsNone(self.failed())

    def test_an_attempt_counts(self) -> None:
        self.given(max_retries=2)
        self.assertEqual(self.waits(3, sse._GIVEN_UP), [3.0, 3.0, None])

    def test_what_is_not_sent_twice_cannot_be_given_up(self) -> None:
        for opened in (None, 1000.0):
            self.given(method="POST").opened = opened
            self.assertIsNone(self.failed(sse._GIVEN_UP))

    def test_another_connection_is_made_at_once(self) -> None:
        """And does not wait for the rest of a wait that it has ended."""
        rules = self.given(max_retries=1)
        self.failed()
        self.assertEqual(rules.left(self.now), 3.0)
        self.assertEqual(self.failed(sse._RESTART), 0.0)
        self.assertEqual((rules.left(self.now), rules.retries), (0.0, 1))


class RetryAfter(Rules):
    def after(self, value: str, date: str | None = None, **options: Any) -> float:
        self.given(retry_on_status=TRANSIENT_STATUSES, **options)
        headers = {"Retry-After": value} if date is None else {"Retry-After": value, "Date": date}
        return float(self.failed(status(503, **headers)))

    def test_seconds(self) -> None:
        for value, wait in {
            "5": 5.0,
            "0": 3.0,
            "2": 3.0,
            "007": 7.0,
            "3600": 3600.0,
            "3601": 3600.0,
            "9" * 5000: 3600.0,
            "-5": 3.0,
            "+5": 3.0,
            "1.5": 3.0,
            "٥": 3.0,
            "": 3.0,
            "soon": 3.0,
        }.items():
            with self.subTest(value[:9]):
                self.assertEqual(self.after(value), wait)

    def test_a_date_by_the_clock_of_the_answer(self) -> None:
        """Two hours ahead of ours, or a year behind."""
        for skew in (0, 7200, -31_536_000):
            there = 1_800_000_000 + skew
            with self.subTest(skew), mock.patch("time.time", lambda: 1_800_000_000.0):
                then, now = formatdate(there + 20, usegmt=True), formatdate(there, usegmt=True)
                self.assertEqual(self.after(then, now), 20.0)

    def test_a_date_without_a_date(self) -> None:
        with mock.patch("time.time", lambda: 1_800_000_000.0):
            for seconds, wait in ((20, 20.0), (-20, 3.0), (7200, 3600.0)):
                then = formatdate(1_800_000_000 + seconds, usegmt=True)
                for date in (None, "yesterday"):
                    with self.subTest(seconds, date=date):
                        self.assertEqual(self.after(then, date), wait)

    def test_dates_that_are_none(self) -> None:
        for value in (
            "Wed, 99 Foo 2026",
            "Mon, 01 Jan 99999 00:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:59 -9999",
            "x" * 9,
        ):
            with self.subTest(value):
                self.assertLessEqual(self.after(value, "0"), 3600.0)

    def test_it_is_a_floor(self) -> None:
        self.assertEqual(self.after("5", retry_interval=9000), 9.0)
        with mock.patch("random.uniform", lambda low, high: high):
            self.given(retry_on_status={503}, backoff=2)
            self.assertEqual(self.waits(3, status(503, Retry_After="7")), [7.0, 7.0, 12.0])

    def test_of_other_answers_it_is_ignored(self) -> None:
        self.given()
        error = ConnectionResetError()
        error.headers = {"Retry-After": "9"}  # type: ignore[attr-defined]
        self.assertEqual(self.failed(error), 3.0)


class Counts(Rules):
    def test_none_by_default(self) -> None:
        self.given()
        self.assertNotIn(None, self.waits(1000))
        self.assertEqual(self.rules.retries, 1000)

    def test_max_retries(self) -> None:
        for most in range(4):
            self.given(max_retries=most)
            with self.subTest(most):
                self.assertEqual(self.waits(most + 1), [3.0] * most + [None])
                self.assertEqual(self.rules.retries, most)

    def test_an_event_delivered_starts_anew(self) -> None:
        self.given(max_retries=1)
        for _ in range(5):
            self.delivered += 3
            self.assertEqual(self.failed(), 3.0)
        self.assertIsNone(self.failed())

    def test_ten_steady_seconds_start_anew(self) -> None:
        """As behind a gateway that ends quiet connections after 16 to 30 s."""
        for seconds, wait in ((0.0, None), (9.9, None), (10.0, 3.0), (16.0, 3.0)):
            rules = self.given(max_retries=1)
            with self.subTest(seconds):
                self.assertEqual(self.failed(), 3.0)
                for _ in range(3):
                    rules.opened = self.now
                    self.now += seconds
                    self.assertEqual(self.failed(None), wait)

    def test_also_if_they_end_by_the_callers_wish(self) -> None:
        for wish in (sse._RESTART, sse._GIVEN_UP):
            rules = self.given(max_retries=3)
            self.waits(3)
            rules.opened, self.now = self.now, self.now + 90
            self.assertEqual(self.failed(wish), 0.0)
            self.assertEqual(rules.retries, 0)
            self.assertEqual(self.waits(4), [3.0, 3.0, 3.0, None])

    def test_an_attempt_that_takes_long_to_fail_is_not_steady(self) -> None:
        self.given(max_retries=1)
        self.rules.opened = self.now
        self.now += 20.0
        self.failed()
        self.now += 20.0  # another attempt, which never opened
        self.assertIsNone(self.failed())

    def test_an_attempt_given_up_counts(self) -> None:
        self.given(max_retries=2)
        given_up = sse._Ours("the caller gave the attempt up")
        self.assertEqual(self.waits(3, given_up), [3.0, 3.0, None])


class GivingUp(Rules):
    def test_what_is_tried_again(self) -> None:
        for error in (
            None,
            LOST,
            TimeoutError(),
            EOFError(),
            OSError(24, "Too many open files"),
            ConnectionRefusedError(),
            sse._Silence("silence"),
            sse._Ours("headers were cancelled"),
        ):
            with self.subTest(repr(error)):
                self.given()
                self.assertEqual(self.failed(error), 3.0)
                self.given(method="POST")
                self.assertIsNone(self.failed(error))
                self.given(method="POST", reconnect=True)
                self.assertEqual(self.failed(error), 3.0)
                self.given(reconnect=False)
                self.assertIsNone(self.failed(error))

    def test_what_is_not(self) -> None:
        deep = ConnectionError("a library's own words")
        deep.__cause__ = OSError("again")
        deep.__cause__.__cause__ = Certificate()
        fatal = ConnectionError("no HTTP")
        fatal.fatal = True  # type: ignore[attr-defined]
        for error in (
            status(404),
            status(503),
            SSEContentTypeError("http://a/", "text/html"),
            sse.SSEEventTooLargeError(1),
            Certificate(),
            deep,
            fatal,
            OSError(Certificate()),
            ValueError(),
            RuntimeError(),
            SSEConnectionError("", 0, None),
        ):
            with self.subTest(repr(error)):
                self.given()
                self.assertIsNone(self.failed(error))

    def test_statuses_that_were_named(self) -> None:
        """Of any method, for naming them is the wish to repeat it."""
        for method in ("GET", "POST"):
            self.given(method=method, retry_on_status={503}, max_retries=2)
            with self.subTest(method):
                self.assertIsNone(self.failed(status(500)))
                self.assertEqual(self.waits(3, status(503)), [3.0, 3.0, None])

    def test_a_status_is_no_reason_to_send_it_again_for_a_drop(self) -> None:
        self.given(method="POST", retry_on_status={503})
        self.assertEqual(self.failed(status(503)), 3.0)
        self.assertIsNone(self.failed(LOST))


if __name__ == "__main__":
    unittest.main()
