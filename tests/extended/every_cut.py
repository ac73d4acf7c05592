"""A long conversation, broken off after each single byte in every way:

    python tests/extended/every_cut.py [--step N] [--only plain|tls] [--workers N]

The conversation: a redirect, a head, a chunked gzip body with every kind of field, a drop, and the
same again for the rest of the events, up to a 204. A relay on TCP lets so many bytes of one
connection through (over TLS: of its records, from the handshake on) and then cuts, resets,
half-closes it or falls silent. All that follows is served well.

With reconnection, each event comes once, whole and in order, whatever was broken off. Without,
what came is the beginning of that; an answer that was not complete raises `SSEConnectionError`,
with the cause and the right place to resume, and one that was ends quietly. Nothing hangs, nothing
is left behind. `--step 1` is the whole, half an hour on two cores; test_every_cut.py does a
part of it in CI.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import concurrent.futures
import contextlib
import faulthandler
import gc
import gzip
import io
import logging
import multiprocessing
import os
import select
import socket
import struct
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
import sse
from sse import SSEConnectionError, SSEEvent
from tests.server import CA, NO_CONTENT, Connection, Server, head, redirect
from tests.worlds import HastyAsyncSSEClient, HastySSEClient

WAYS = ("cut", "reset", "half-close", "stall")
SILENCE = 0.05  # seconds that a client waits for what does not come

# The events, in blocks that each leave another last event ID, by which a server goes on there.

BLOCKS: list[tuple[str, str]] = [  # the ID in force behind the block, and its text
    ("1", ": a comment\nid: 1\ndata: the first\n\n"),
    ("2", "retry: 7\r\nevent: greeting\r\nid: 2\r\ndata: two\r\ndata: lines\r\n\r\n"),
    ("3", "id:3\rdata:no space\r\r"),
    ("3b", "id: 3b\n\n"),
    ("4", "data: \u00e9\u20ac\U0001f600 and a \u2028 inside\nid: 4\nunknown: x\nnothing\n\n"),
    ("5", "id: 5\ndata\n\n"),
    ("5c", "event: lost\nid: 5c\n:only a comment\n\n"),
    ("6", "event: long\nid: 6\n" + "".join(f"data: line {n} of many\n" for n in range(40)) + "\n"),
    ("7", 'id: 7\nretry: x\nretry: 12\ndata: {"json": [1, 2]}\n\n'),
    ("8", "id: 8\nevent: last\ndata:  two spaces\ndata\n\n"),
]
HALF = 5  # blocks in the answer that is dropped
EVENTS = sse.SSEParser().feed("\ufeff" + "".join(text for _, text in BLOCKS))
IDS = [last_id for last_id, _ in BLOCKS]


def pieces(first: int, end: int) -> Iterator[bytes]:
    """Those blocks as a gzip stream, each flushed and in a chunk of its own: sizes in any form,
    with extensions.
    """
    compressed = io.BytesIO()
    with gzip.GzipFile(fileobj=compressed, mode="wb", mtime=0) as file:
        for number in range(first, end):
            file.write((("\ufeff" if number == first else "") + BLOCKS[number][1]).encode())
            file.flush()
            data = compressed.getvalue()
            compressed.seek(0)
            compressed.truncate()
            size = [b"%x", b"0%X", b"%x;name=value"][number % 3] % len(data)
            yield size + b"\r\n" + data + b"\r\n"
    data = compressed.getvalue()
    yield b"%x\r\n%b\r\n" % (len(data), data)


HEAD = head("Transfer-Encoding: chunked", "Content-Encoding: gzip", "X-Long: " + "x" * 30)
END = b"0\r\nTrailer: x\r\n\r\n"


def serve(conn: Connection) -> None:
    """Answer with a redirect, the blocks after the last event ID, or, behind the last, 204."""
    last_id = conn.request.header("Last-Event-ID")
    first = IDS.index(last_id) + 1 if last_id else 0
    if conn.request.target == "/":
        return conn.send(redirect("/feed", "307 Temporary Redirect"))
    if first == len(BLOCKS):
        return conn.send(NO_CONTENT)
    dropped = first < HALF and conn.request.header("X-Whole") is None
    for piece in (HEAD, *pieces(first, HALF if dropped else len(BLOCKS)), b"" if dropped else END):
        conn.send(piece)  # over TLS in a record of its own
    return conn.cut() if dropped else None


class Relay:
    """Stands before a server. Of the `broken`-th connection it lets `most` bytes through to the
    client.
    """

    def __init__(self, port: int, way: str, broken: int, most: int) -> None:
        self.target, self.way, self.broken, self.most = ("127.0.0.1", port), way, broken, most
        self.sizes: list[int] = []  # bytes that were let through, by connection
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.listener.getsockname()[1]
        self.waker, self.wake = socket.socketpair()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def close(self) -> None:
        self.wake.close()
        for thread in self.threads:
            thread.join()
        self.listener.close()
        self.waker.close()

    def _accept(self) -> None:
        while True:
            if self.waker in select.select([self.listener, self.waker], [], [])[0]:
                return
            client, _ = self.listener.accept()
            self.sizes.append(0)
            thread = threading.Thread(
                target=self._pass, args=(client, len(self.sizes) - 1), daemon=True
            )
            self.threads.append(thread)
            thread.start()

    def _pass(self, client: socket.socket, number: int) -> None:
        with client, socket.create_connection(self.target) as server, contextlib.suppress(OSError):
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            left = self.most if number == self.broken else -1
            while left:
                ready = select.select([client, server, self.waker], [], [])[0]
                if self.waker in ready:
                    return
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    server.sendall(data)
                if server in ready:
                    data = server.recv(min(65536, left) if left > 0 else 65536)
                    client.sendall(data)
                    self.sizes[number] += len(data)
                    left -= len(data) if left > 0 else 0
                    if not data:
                        if number == self.broken:
                            left = 0  # shorter than told, as signatures are: break it here
                        else:
                            return
            if self.way == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif self.way in ("half-close", "stall"):
                if self.way == "half-close":
                    client.shutdown(socket.SHUT_WR)
                while self.waker not in (ready := select.select([client, self.waker], [], [])[0]):
                    if client in ready and not client.recv(65536):
                        return


@dataclass(frozen=True)
class Job:
    """Conversations to be broken off in the same way at different places (connection, bytes)."""

    asynchronous: bool
    tls: bool
    way: str
    again: bool  # with reconnection
    places: tuple[tuple[int, int], ...]


def follow(job: Job, url: str) -> tuple[list[SSEEvent], BaseException | None, str]:
    """The events, what ended them, and the last event ID."""
    options: dict[str, Any] = {
        "verify": CA,
        "proxy": "",
        "retry_interval": 0,
        "idle_timeout": None,
        "timeout": None,
    }
    if job.way == "stall":
        options["timeout"], options["idle_timeout"] = 10 * SILENCE, SILENCE
    if not job.again:
        options.update(reconnect=False, headers={"X-Whole": "yes"})
        if job.way == "stall":
            options["timeout"] = SILENCE
    events: list[SSEEvent] = []

    def blocking() -> str:
        with HastySSEClient(url, **options) as client:
            clients.append(client)
            events.extend(client)
            return client.last_event_id

    async def awaiting() -> str:
        async with HastyAsyncSSEClient(url, **options) as client:
            clients.append(client)
            async for event in client:
                events.append(event)
            last_event_id = client.last_event_id
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return last_event_id

    clients: list[Any] = []
    try:
        return events, None, asyncio.run(awaiting()) if job.asynchronous else blocking()
    except sse.SSEError as error:
        return events, error, clients[0].last_event_id if clients else ""


def converse(job: Job, broken: int, most: int) -> tuple[list[int], str]:
    """One conversation, and what of it was wrong. Returns the bytes of its connections and the
    outcome.
    """
    with Server(serve, tls=job.tls, repeat=True) as server:
        relay = Relay(server.port, job.way, broken, most)
        try:
            scheme = "https" if job.tls else "http"
            events, error, last_id = follow(job, f"{scheme}://127.0.0.1:{relay.port}/")
        finally:
            relay.close()
    if job.again:
        assert error is None, error
        assert events == EVENTS, events
        assert last_id == IDS[-1], last_id
        return relay.sizes, "resumed, each event once"
    assert events == EVENTS[: len(events)], events
    if error is None:
        assert events == EVENTS, "ended quietly before the end"
        return relay.sizes, "complete"
    assert isinstance(error, SSEConnectionError), repr(error)
    assert isinstance(error.last_error, OSError), repr(error.last_error)
    assert error.last_event_id == last_id, (error.last_event_id, last_id)
    assert error.delivered == len(events), (error.delivered, len(events))
    # What will be asked for is just what was not delivered.
    place = IDS.index(last_id) + 1 if last_id else 0
    rest = sse.SSEParser(last_id).feed("".join(text for _, text in BLOCKS[place:]))
    assert [*events, *rest] == EVENTS, (last_id, len(events))
    # What was let through has come, unless the system drops it (reset) or the limit is so short
    # that a busy machine is taken for silence.
    if not job.tls and broken == 1 and (job.way in ("cut", "half-close") or SILENCE >= 1):
        # With the last chunk the body is complete if an end follows; trailers may follow silence.
        body = [*pieces(0, len(BLOCKS)), END if job.way == "stall" else END[:3]]
        assert most < len(HEAD) + sum(map(len, body)), "an error, though the body was complete"
        whole = sum(len(HEAD) + sum(map(len, body[: n + 1])) <= most for n in range(len(BLOCKS)))
        least = len(sse.SSEParser().feed("".join(text for _, text in BLOCKS[:whole])))
        assert len(events) >= least, (len(events), least)
    kind = type(error.last_error).__name__
    return relay.sizes, f"{kind} before the first event" if not events else f"{kind} between events"


def work(job: Job) -> tuple[collections.Counter[str], list[str]]:
    """All places of a job: counts of what came of them, and what was wrong."""
    warnings.simplefilter("error")
    logging.getLogger("sse").addHandler(logging.NullHandler())
    outcomes: collections.Counter[str] = collections.Counter()
    wrong = []
    unseen: list[str] = []
    sys.unraisablehook = lambda seen: unseen.append(f"{seen.exc_value!r} in {seen.object!r}")
    converse(job, 9, 0)  # what is loaded once
    gc.collect()
    before = open_files()
    for broken, most in job.places:
        faulthandler.dump_traceback_later(60, exit=True)  # a hang says where
        try:
            outcomes[converse(job, broken, most)[1]] += 1
        except Exception as error:
            wrong.append(
                f"{job.way} after byte {most} of connection {broken}, {job!r:.60}: {error!r}"
            )
    faulthandler.cancel_dump_traceback_later()
    gc.collect()
    if open_files() != before:
        wrong.append(f"{open_files()} descriptors instead of {before}: {job!r:.100}")
    return outcomes, wrong + unseen


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def jobs(step: int, layers: tuple[bool, ...] = (False, True), size: int = 50) -> Iterator[Job]:
    """All of it, every `step`-th place, in each kind of job at others."""
    shift = 0
    for tls in layers:
        for again in (True, False):
            whole = converse(Job(False, tls, "cut", again, ()), 9, 0)[0]
            places = [
                (n, most) for n, total in enumerate(whole[:4]) for most in range(1, total + 1)
            ]
            for asynchronous in (False, True):
                for way in WAYS:
                    shift += 1
                    mine = places[shift * 7 % step :: step]
                    for start in range(0, len(mine), size):
                        yield Job(asynchronous, tls, way, again, tuple(mine[start : start + size]))


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--step", type=int, default=1, help="only every N-th place")
    # More than there are cores, because where a server falls silent everybody waits.
    options.add_argument("--workers", type=int, default=6 * (os.cpu_count() or 1))
    options.add_argument("--only", choices=("plain", "tls"))
    given = options.parse_args()
    layers = {None: (False, True), "plain": (False,), "tls": (True,)}[given.only]
    began, counts = time.monotonic(), collections.defaultdict[Any, Any](collections.Counter)
    failures: list[str] = []
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(given.workers, context) as workers:
        # Those that wait most begin first, so that none is left alone at the end.
        todo = sorted(jobs(given.step, layers), key=lambda job: job.way != "stall")
        waiting = {workers.submit(work, job): job for job in todo}
        for done in concurrent.futures.as_completed(waiting):
            job = waiting[done]
            outcomes, wrong = done.result()
            world, layer = "async" if job.asynchronous else "sync", "TLS" if job.tls else "plain"
            title = f"{world:5} {layer:5} {job.way}"
            counts[title, job.again] += outcomes
            failures += wrong
            for text in wrong:
                print("WRONG:", text, flush=True)
    for (title, again), outcomes in sorted(
        counts.items(), key=lambda pair: (pair[0][1], pair[0][0])
    ):
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        print(f"{title:22} {'reconnecting' if again else 'once':12} {told}")
    total = sum(sum(outcomes.values()) for outcomes in counts.values())
    seconds, wrong_ones = time.monotonic() - began, len(failures)
    print(f"{total + wrong_ones} conversations in {seconds:.0f} s, {wrong_ones} wrong")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
