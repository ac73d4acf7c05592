"""Servers and callers that do anything at any moment, by chance but repeatably.

Whatever happens, a client sees every event once and in order, raises nothing but the documented exceptions, and
leaves nothing behind. `SSE_TEST_ROUNDS` multiplies the number of rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import Any

import sse
from tests.server import CA, CHUNKED, LAST_CHUNK, Connection, Server, answer, chunk, head, redirect
from tests.worlds import ROUNDS, AsyncWorld, World, in_both_worlds

BODY = b"x" * 300_000  # more than a socket takes at once
NEVER = threading.Event()


class Chaos:
    """A script that answers by chance, but as a good feed does: with the events after the `Last-Event-ID`."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def __call__(self, conn: Connection) -> None:
        chance = self.chance
        start = chance.choice(["stream"] * 8 + ["early", "nothing", "half", "status", "redirect", "garbage", "silence"])
        if start == "early":  # before the request has been read
            conn.send(answer("", status="503 x"))
            if chance.random() < 0.5:
                conn.half_close()
            conn.read_request()
            return
        conn.read_request()
        if start == "stream":
            self.stream(conn, int(conn.request.header("Last-Event-ID") or 0))
        elif start == "half":
            conn.send(head(CHUNKED)[: chance.randrange(60)])
        elif start == "status":
            conn.send(answer("busy", status="503 x"))
        elif start == "redirect":
            conn.send(redirect("/elsewhere", "307 x"))
        elif start == "garbage":
            conn.send(head(CHUNKED) + b"garbage\r\n")
        elif start == "silence":
            conn.stall()
        self.end(conn)

    def stream(self, conn: Connection, number: int) -> None:
        conn.send(head(CHUNKED))
        for _ in range(self.chance.randrange(8)):
            data = b""
            for _ in range(self.chance.randrange(4)):
                number += 1
                data += b":\n" + b"id: %d\ndata: %d\n\n" % (number, number)
            data += self.chance.choice([b"", b"", b":\n", b"id: 999\ndata: cut short"])
            whole = chunk(data) if data else b""
            cut = self.chance.randrange(len(whole) + 1)
            conn.send(whole[:cut])
            if b"999" in data:
                return
            NEVER.wait(self.chance.choice([0, 0, 0.0005]))
            conn.send(whole[cut:])
        if self.chance.random() < 0.3:
            conn.send(LAST_CHUNK)

    def end(self, conn: Connection) -> None:
        way = self.chance.choice(["half-close", "cut", "reset", "close", "stall"])
        if way == "half-close":
            conn.half_close()
            conn.stall()
        elif way == "cut":
            conn.cut()
        elif way == "reset":
            conn.reset()
        elif way == "stall":
            conn.stall()


def options(chance: random.Random) -> dict[str, Any]:
    method = chance.choice(["GET", "GET", "POST"])
    return {
        "method": method,
        "content": BODY if method == "POST" or chance.random() < 0.2 else None,
        "reconnect": chance.choice([None, None, True, False]),
        "max_retries": chance.choice([0, 3, 20]),
        "retry_on_status": chance.choice([(), {503}]),
        "timeout": 0.05,
        "idle_timeout": 0.02,
        "verify": CA,
    }


@in_both_worlds
class AtRandom(World):
    def test_it(self) -> None:
        for seed in range(25 * ROUNDS):
            chance = random.Random(seed)
            with (
                self.subTest(seed=seed),
                Server(Chaos(seed), repeat=True, read=False, tls=chance.random() < 0.3) as server,
                contextlib.suppress(sse.SSEError),
                self.connect(server.url, **options(chance)) as client,
            ):
                self.use(client, chance)

    def use(self, client: Any, chance: random.Random) -> None:
        seen = 0
        for _ in range(chance.randrange(1, 40)):
            deed = chance.choice(["next"] * 8 + ["turn", "pause", "reconnect", "close"])
            if deed == "next":
                event = next(client, None)
                if event is None:
                    break
                seen += 1
                self.assertEqual((event.id, event.data), (str(seen), str(seen)))
                self.assertEqual(client.last_event_id, event.id)
            elif deed == "turn":
                self.turn()
            elif deed == "pause":
                NEVER.wait(0.002)
            elif deed == "reconnect":
                with contextlib.suppress(RuntimeError):
                    client.reconnect()
            elif chance.random() < 0.3:
                client.close()


class Cancelled(AsyncWorld):
    """A task that is cancelled again and again, and goes on all the same."""

    def test_it(self) -> None:
        for seed in range(25 * ROUNDS):
            chance = random.Random(seed)
            with self.subTest(seed=seed), Server(Chaos(seed), repeat=True, read=False, tls=seed % 3 == 0) as server:
                with contextlib.suppress(sse.SSEError):
                    self.run_async(self.use(server.url, chance))

    async def use(self, url: str, chance: random.Random) -> None:
        seen = 0
        async with sse.async_connect(url, retry_interval=0, **options(chance)) as client:
            for _ in range(chance.randrange(1, 40)):
                task = asyncio.ensure_future(client.__anext__())
                for _ in range(chance.choice([0, 1, 2, 3, 5, 10, 1000])):
                    if not task.done():
                        await asyncio.sleep(0)
                task.cancel()
                try:
                    event = await task
                except asyncio.CancelledError:
                    continue
                except StopAsyncIteration:
                    break
                seen += 1
                self.assertEqual((event.id, event.data), (str(seen), str(seen)))
