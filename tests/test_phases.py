"""The limit of one phase of a connection ends with it."""

from __future__ import annotations

import threading

from tests.server import Connection, Server, chunk, head
from tests.worlds import World, in_both_worlds


@in_both_worlds
class Phases(World):
    def test_timeout_says_nothing_about_the_body(self) -> None:
        """Neither does it where silence has no limit, nor where a longer one."""
        never = threading.Event()

        def script(conn: Connection) -> None:
            conn.send(head("Transfer-Encoding: chunked"))
            never.wait(0.5)  # longer than the limit that must not be in force any more
            conn.send(chunk("data: late\n\n"))
            conn.stall()

        for idle_timeout in (None, 30.0):
            with self.subTest(idle_timeout=idle_timeout), Server(script) as server:
                options = {"timeout": 0.25, "idle_timeout": idle_timeout, "max_retries": 0}
                with self.connect(server.url, **options) as client:
                    self.assertEqual(next(client).data, "late")
