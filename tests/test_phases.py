"""The limit of one phase of a connection ends with it."""

from __future__ import annotations

import contextlib
import threading
import unittest
from collections.abc import Iterator

import sse
from sse import SSEConnectionError
from tests.server import Connection, Server, answer, chunk, head
from tests.worlds import World, in_both_worlds, needs_prompt_finalizers, patiently


@in_both_worlds
class Phases(World):
    def test_timeout_says_nothing_about_the_body(self) -> None:
        """Neither does it where silence has no limit, nor where a longer one."""
        never = threading.Event()

        def scenario(factor: int) -> None:
            def script(conn: Connection) -> None:
                conn.send(head("Transfer-Encoding: chunked"))
                never.wait(0.25 * factor)  # longer than what must not be in force any more
                conn.send(chunk("data: late\n\n"))
                conn.stall()

            clients = []
            with Server(script, script) as server, contextlib.ExitStack() as stack:
                for silence in (None, 30.0):
                    options = {"timeout": 0.2 * factor, "idle_timeout": silence, "max_retries": 0}
                    stack.enter_context(client := self.connect(server.url, **options))
                    clients.append(client)
                for client in clients:
                    self.assertEqual(next(client).data, "late")

        patiently(scenario)

    def test_reconnect_asked_for_in_on_error_does_not_wait(self) -> None:
        with Server(head(), answer("data: x\n\n", type="text/event-stream")) as server:
            client = self.connect(server.url, retry_interval=3_600_000, on_error=lambda *_: reconnect())
            reconnect = getattr(client, "inner", client).reconnect
            with client:
                self.assertEqual(next(client).data, "x")
                self.assertEqual(client.waits, [])

    def test_a_path_no_socket_can_have(self) -> None:
        with self.assertRaises(SSEConnectionError), self.connect("http://a/", uds="/" + "x" * 500, max_retries=0):
            pass


class Torn:
    """A response of a library that breaks in its own way when it is closed under a reader."""

    status_code, url, headers = 200, "http://a/", {"Content-Type": "text/event-stream"}
    closed = False

    def iter_bytes(self) -> Iterator[bytes]:
        yield b"data: x\n\n"
        while not self.closed:
            yield b":\n"
        raise ValueError("read of closed file")

    def close(self) -> None:
        self.closed = True


class Reconnecting(unittest.TestCase):
    def test_what_a_library_makes_of_its_close_is_no_error(self) -> None:
        with sse.connect("http://a/", transport=lambda *_, **__: Torn()) as client:
            next(client)
            client.reconnect()
            self.assertEqual(next(client).data, "x")


class Dropped(unittest.TestCase):
    @needs_prompt_finalizers
    def test_a_source_is_let_go_with_its_iterator(self) -> None:
        """At once: what it holds open does not wait for the garbage collector."""
        for make in (sse.EventSource, sse.EventSource.from_chunks):
            ended: list[bool] = []

            def lines(ended: list[bool] = ended) -> Iterator[str]:
                try:
                    yield from ("data: x\n", "\n") * 2
                finally:
                    ended.append(True)

            events = make(lines())
            next(events)
            del events
            self.assertEqual(ended, [True])
