"""Many threads at once: readers, closers and reconnecters.

What is found here only rarely is found soonest on a free-threaded Python. `SSE_TEST_ROUNDS` multiplies
how long it goes on.
"""

from __future__ import annotations

import random
import sys
import threading
import unittest
from functools import partial
from typing import Any

import sse
from tests.server import CA, CHUNKED, PATIENCE, Connection, Server, chunk, head
from tests.worlds import ROUNDS, Checked, at_once

THREADS = 4
STREAMS = 8 * ROUNDS  # one after the other, for each of the threads
BLOCK = "".join(f"id: {number}\ndata: {number}\n\n" for number in range(1, 201))


def endless(conn: Connection) -> None:
    """Numbered events from 1 on, as many as the client takes."""
    conn.send(head(CHUNKED))
    while True:
        conn.send(chunk(BLOCK))


class Stream:
    """A client, the thread that reads it, and those that disturb it, each after so many events."""

    def __init__(self, url: str, seed: int, **options: Any) -> None:
        self.client = sse.connect(url, retry_interval=0, **options)
        self.seen = 0
        pick = random.Random(seed)
        self.closing = threading.Event()
        reconnecting = [threading.Event() for _ in range(5)]
        self.reconnecting = reconnecting
        places = sorted(pick.sample(range(1, 1500), 6))
        self.moments = dict(zip(places, [*reconnecting, self.closing], strict=True))

    def read(self) -> None:
        """Each event follows the one before, or is the first one of another connection."""
        last = 0
        try:
            for event in self.client:
                assert event.data == event.id, event
                number = int(event.data)
                assert number in (last % 200 + 1, 1), f"{number} after {last}"
                last = number
                self.seen += 1
                if self.seen in self.moments:
                    self.moments[self.seen].set()
        finally:
            for moment in self.moments.values():
                moment.set()

    def reconnect(self) -> None:
        for moment in self.reconnecting:
            assert moment.wait(PATIENCE)
            self.client.reconnect()

    def close(self) -> None:
        assert self.closing.wait(PATIENCE)
        self.client.close()


class Stress(Checked):
    def disturb(self, **server_options: Any) -> None:
        options = {"verify": CA} if server_options else {}

        def streams(url: str, seed: int) -> None:
            for number in range(STREAMS):
                stream = Stream(url, 1000 * seed + number, **options)
                at_once([stream.read, stream.reconnect, stream.close, stream.close])
                self.assertEqual(stream.client.state, "closed")

        with Server(endless, repeat=True, **server_options) as server:
            at_once([lambda seed=seed: streams(server.url, seed) for seed in range(THREADS)])

    def test_readers_closers_and_reconnecters(self) -> None:
        self.disturb()

    def test_the_same_over_tls(self) -> None:
        self.disturb(tls=True)

    def test_a_parser_for_each_thread(self) -> None:
        """What parsers share must not mix their events."""

        def parse(seed: int) -> None:
            pick = random.Random(seed)
            for _ in range(10 * ROUNDS):
                parser, events, rest = (
                    sse.SSEParser(),
                    0,
                    BLOCK.replace("data: ", f"data: {seed}-").encode(),
                )
                while rest:
                    size = pick.randrange(1, 400)
                    for event in parser.feed(rest[:size]):
                        events += 1
                        self.assertEqual((event.id, event.data), (str(events), f"{seed}-{events}"))
                    rest = rest[size:]
                self.assertEqual(events, 200)

        at_once([lambda seed=seed: parse(seed) for seed in range(THREADS)])

    def test_of_many_who_iterate_one_does(self) -> None:
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-5)  # seconds
        for number in range(STREAMS):
            taken: list[str] = []
            refused: list[str] = []

            def take(client: sse.SSEClient, taken: list[str], refused: list[str]) -> None:
                for _ in range(20):
                    try:
                        taken.append(next(client).data)
                    except RuntimeError as error:
                        refused.append(str(error))
                    except StopIteration:
                        return

            until = (lambda event: False) if number % 2 else None  # of the two ways to the next event each
            with self.subTest(number), Server(endless) as server, sse.connect(server.url, until=until) as client:
                at_once([partial(take, client, taken, refused)] * THREADS)
                self.assertEqual(len(taken) + len(refused), 20 * THREADS)
                self.assertEqual(sorted(taken, key=int), [str(n + 1) for n in range(len(taken))])


if __name__ == "__main__":
    unittest.main()
