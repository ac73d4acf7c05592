"""A client process: `worker.py KIND CANDIDATE ACKS SILENCE [CAFILE]`, one JSON command per line in, one answer out.

What a benchmark of clients measures is this process. KIND is `sync` or `async`; the candidate `floor` is what
no library can do without: a bare `recv`, a bare asyncio protocol. Imports wait for their command, so that a
fresh process can tell what they cost.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import socket


class Worker:
    """The commands; `acks` is where the server looks for how many events have been taken."""

    def __init__(
        self, kind: str, candidate: str, acks: memoryview, silence: float | None, cafile: str | None
    ) -> None:
        self.kind, self.candidate, self.acks, self.silence, self.cafile = kind, candidate, acks, silence, cafile
        self._made: Any = None
        self._loop: Any = None
        self._context: Any = None

    def run(self, coroutine: Any) -> Any:
        """One loop for all commands: sessions belong to the loop they were made in."""
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(coroutine)

    def peer(self) -> Any:
        if self._made is None:
            import peers

            self._made = (peers.SYNC if self.kind == "sync" else peers.ASYNC)[self.candidate](self.cafile, self.silence)
        return self._made

    async def apeer(self) -> Any:
        return self.peer()  # in the loop: aiohttp insists

    # One stream: CPU per event, latency

    def stream(self, url: str, n: int, mode: str) -> dict[str, Any]:
        """Take `n` events: all at once (`bulk`), each alone (`single`), each with its delay (`latency`)."""
        self.acks[0] = 0
        if self.candidate == "floor":
            sync, asynchronous = self.bare, self.bare_protocol
        elif self.candidate == "ssl object":
            sync, asynchronous = self.bare_object, self.bare_object_protocol
        else:
            sync, asynchronous = self.sync_stream, self.async_stream
        return sync(url, n, mode) if self.kind == "sync" else self.run(asynchronous(url, n, mode))

    def sync_stream(self, url: str, n: int, mode: str) -> dict[str, Any]:
        peer, acks, delays, taken = self.peer(), self.acks, [], 0
        start, wall = time.process_time(), time.perf_counter()
        with peer.stream(url) as entered:
            if mode == "bulk":
                for _ in peer.events(entered):
                    taken += 1
                    if taken == n:
                        break
            elif mode == "single":
                for _ in peer.events(entered):
                    acks[0] = taken = taken + 1
                    if taken == n:
                        break
            else:
                for event in peer.events(entered):
                    delays.append(time.monotonic_ns() - int(event.data))
                    acks[0] = taken = taken + 1
                    if taken == n:
                        break
            end, wall = time.process_time(), time.perf_counter() - wall
        return {"cpu": end - start, "wall": wall, "taken": taken, "delays": delays}

    async def async_stream(self, url: str, n: int, mode: str) -> dict[str, Any]:
        peer, acks, delays, taken = self.peer(), self.acks, [], 0
        start, wall = time.process_time(), time.perf_counter()
        async with peer.stream(url) as entered:
            if mode == "bulk":
                async for _ in peer.events(entered):
                    taken += 1
                    if taken == n:
                        break
            elif mode == "single":
                async for _ in peer.events(entered):
                    acks[0] = taken = taken + 1
                    if taken == n:
                        break
            else:
                async for event in peer.events(entered):
                    delays.append(time.monotonic_ns() - int(event.data))
                    acks[0] = taken = taken + 1
                    if taken == n:
                        break
            end, wall = time.process_time(), time.perf_counter() - wall
        return {"cpu": end - start, "wall": wall, "taken": taken, "delays": delays}

    def bare(self, url: str, n: int, mode: str) -> dict[str, Any]:
        acks, delays, taken, received = self.acks, [], 0, 0
        start, wall = time.process_time(), time.perf_counter()
        with self.bare_socket(url) as sock:
            if mode == "bulk":
                while chunk := sock.recv(65536):
                    received += len(chunk)
                taken = n
            while taken < n:
                chunk = sock.recv(65536)
                if mode == "latency":
                    delays.append(time.monotonic_ns() - sent(chunk))
                acks[0] = taken = taken + 1
            end, wall = time.process_time(), time.perf_counter() - wall
        return {"cpu": end - start, "wall": wall, "taken": taken, "delays": delays}

    def bare_socket(self, url: str) -> socket.socket:
        import socket

        host, port, request = get(url)
        sock = socket.create_connection((host, port))
        if self.cafile:
            sock = self.context().wrap_socket(sock, server_hostname=host)
        sock.sendall(request)
        return sock

    async def bare_protocol(self, url: str, n: int, mode: str) -> dict[str, Any]:
        delays: list[int] = []
        taken, acks = 0, self.acks

        def single(chunk: bytes) -> bool:
            nonlocal taken
            if mode == "latency":
                delays.append(time.monotonic_ns() - sent(chunk))
            acks[0] = taken = taken + 1
            return taken == n

        def bulk(chunk: bytes) -> bool:
            nonlocal taken
            if chunk.endswith(b"\r\n0\r\n\r\n"):
                taken = n
            return taken == n

        start, wall = time.process_time(), time.perf_counter()
        transport = await bare_asyncio(url, self.context(), bulk if mode == "bulk" else single, max_size=65536)
        end, wall = time.process_time(), time.perf_counter() - wall
        transport.close()
        return {"cpu": end - start, "wall": wall, "taken": taken, "delays": delays}

    # TLS without I/O: an SSL object between two buffers in memory, and a socket, or an asyncio
    # protocol, that carries the bytes. A read takes at most one record, and an event that is sent
    # alone is one.

    def bare_object(self, url: str, n: int, mode: str) -> dict[str, Any]:
        import socket

        host, port, request = get(url)
        start, wall = time.process_time(), time.perf_counter()
        tls = BareTLS(self.context(), host, request, self.acks, n)
        with socket.create_connection((host, port)) as sock:
            sock.sendall(tls.received(b""))
            while tls.taken < n:
                if answer := tls.received(sock.recv(16384)):
                    sock.sendall(answer)
            end, wall = time.process_time(), time.perf_counter() - wall
        return {"cpu": end - start, "wall": wall, "taken": tls.taken, "delays": []}

    async def bare_object_protocol(self, url: str, n: int, mode: str) -> dict[str, Any]:
        import asyncio

        host, port, request = get(url)
        start, wall = time.process_time(), time.perf_counter()
        tls = BareTLS(self.context(), host, request, self.acks, n)
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        class Protocol(asyncio.Protocol):
            __slots__ = ("transport",)

            def connection_made(self, transport: Any) -> None:
                self.transport = transport
                transport.max_size = 16384  # asyncio would ask for more than malloc() keeps
                transport.write(tls.received(b""))

            def data_received(self, chunk: bytes) -> None:
                if answer := tls.received(chunk):
                    self.transport.write(answer)
                if tls.taken == n and not done.done():
                    done.set_result(None)

        transport, _ = await loop.create_connection(Protocol, host, port)
        await done
        end, wall = time.process_time(), time.perf_counter() - wall
        transport.close()
        return {"cpu": end - start, "wall": wall, "taken": tls.taken, "delays": []}

    def context(self) -> Any:
        """For the floors; made once, as a session of a peer is."""
        if self.cafile is not None and self._context is None:
            import ssl

            self._context = ssl.create_default_context(cafile=self.cafile)
        return self._context

    # The body alone, for TLS

    def body(self, url: str) -> dict[str, Any]:
        """Read a body to its end without looking at it."""
        if self.candidate == "floor":
            return self.stream(url, 1, "bulk")
        import peers

        start, wall, received = time.process_time(), time.perf_counter(), 0
        if self.kind == "sync":
            with peers.BODIES[self.candidate](url, self.cafile) as chunks:
                for chunk in chunks:
                    received += len(chunk)
        else:

            async def read() -> int:
                received = 0
                async with peers.ASYNC_BODIES[self.candidate](url, self.cafile) as chunks:
                    async for chunk in chunks:
                        received += len(chunk)
                return received

            received = self.run(read())
        cpu, wall = time.process_time() - start, time.perf_counter() - wall
        return {"cpu": cpu, "wall": wall, "received": received}

    # The first event: all that a program pays before it, imports included

    def first(self, url: str) -> dict[str, Any]:
        start = time.perf_counter()
        if self.candidate == "floor":
            if self.kind == "sync":
                with self.bare_socket(url) as sock:
                    while b"data:" not in sock.recv(65536):
                        pass
            else:
                self.run(self.bare_first(url))
        elif self.kind == "sync":
            peer = self.peer()
            with peer.stream(url) as entered:
                next(iter(peer.events(entered)))
        else:
            self.run(self.async_first(url))
        return {"wall": time.perf_counter() - start}

    async def async_first(self, url: str) -> None:
        peer = self.peer()
        async with peer.stream(url) as entered:
            await anext(peer.events(entered))

    async def bare_first(self, url: str) -> None:
        (await bare_asyncio(url, self.context(), lambda chunk: b"data:" in chunk)).abort()

    # Many streams on one loop

    def many(self, url: str, n: int) -> dict[str, Any]:
        return self.run(self.open_many(url, n))  # type: ignore[no-any-return]

    async def open_many(self, url: str, n: int) -> dict[str, Any]:
        """Open `n` streams, a few at a time, and take one event from each: memory and CPU of one.

        Then let a task of its own wait for the next event of each, which is how most programs hold them.
        """
        import asyncio

        kept: list[Any] = []
        if self.candidate == "floor":
            context = self.context()

            async def open_one() -> Any:
                return await bare_asyncio(url, context, lambda chunk: b"data:" in chunk)

        else:
            peer = self.peer()

            async def open_one() -> Any:
                stream = peer.stream(url)
                events = peer.events(await stream.__aenter__())
                await events.__anext__()
                return stream, events

        async def open_some(count: int) -> None:
            for _ in range(count):
                kept.append(await open_one())

        async def open_all(count: int) -> None:
            await asyncio.gather(*(open_some(count // 50) for _ in range(50)))

        await open_all(50)  # whatever is loaded, allocated or cached once
        gc.collect()
        gc.freeze()  # what the collector sees from now on belongs to the streams
        before, start = resident(), time.process_time()
        await open_all(n)
        cpu = time.process_time() - start
        gc.collect()
        memory = resident() - before
        opened = n // 50 * 50
        result = {"cpu": cpu / opened, "memory": memory / opened}
        result["objects"] = len(gc.get_objects()) / opened
        result["collection"] = collection() / opened
        if self.candidate != "floor":

            async def wait(events: Any) -> None:
                await events.__anext__()

            tasks = [asyncio.ensure_future(wait(events)) for _, events in kept[50:]]
            for _ in range(3):
                await asyncio.sleep(0)
            assert not any(task.done() for task in tasks)
            result["awaited"] = (resident() - before) / opened
        return result

    # One fast stream beside slow ones

    def fair(self, flood: str, slow: str, n: int, streams: int) -> dict[str, Any]:
        return self.run(self.share(flood, slow, n, streams))  # type: ignore[no-any-return]

    async def share(self, flood: str, slow: str, n: int, streams: int) -> dict[str, Any]:
        """Delays of the events of slow streams, while another stream brings more than can be taken."""
        import asyncio

        peer = self.peer()
        delays: list[int] = []
        taken = 0

        async def take_slow() -> None:
            async with peer.stream(slow) as entered:
                left = n
                async for event in peer.events(entered):
                    delays.append(time.monotonic_ns() - int(event.data))
                    left -= 1
                    if not left:
                        break

        async def take_fast() -> None:
            nonlocal taken
            async with peer.stream(flood) as entered:
                async for _ in peer.events(entered):
                    taken += 1

        fast = asyncio.ensure_future(take_fast()) if flood else None
        start = time.perf_counter()
        await asyncio.gather(*(take_slow() for _ in range(streams)))
        wall = time.perf_counter() - start
        if fast is not None:
            fast.cancel()
            await asyncio.wait([fast])
        return {"delays": delays, "rate": taken / wall}

    # One large event: the parser alone, in a process whose memory has seen nothing else

    def large(self, shape: str, size: int, piece: int, memory: bool) -> dict[str, Any]:
        import peers

        parse = peers.parser(self.candidate)
        parse([b"data: warm\n\n"] * 3)
        pieces, n = large_stream(shape, size, piece)
        if memory:
            before = resident()
            events = parse(pieces)
            assert events == 1, events
            # Of a line of 47 bytes 41 belong to the event.
            return {"peak": peak() - before, "event": n * 41 / 47 if shape == "lines" else n}
        start = time.process_time()
        events = parse(pieces)
        cpu = time.process_time() - start
        assert events == 1, events
        pieces, _ = large_stream(shape, size, piece)
        start = time.process_time()
        for _ in pieces:  # making the pieces is no part of parsing them
            pass
        return {"cpu": cpu - (time.process_time() - start), "bytes": n}


class BareTLS:
    """The least that TLS without I/O comes to: bytes go in, an answer may come out, events count."""

    def __init__(self, context: Any, host: str, request: bytes, acks: memoryview, n: int) -> None:
        import ssl

        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self.request, self.shaken, self.want_read = request, False, ssl.SSLWantReadError
        self.acks, self.n, self.taken = acks, n, 0

    def received(self, chunk: bytes) -> bytes:
        self.incoming.write(chunk)
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
                self.tls.write(self.request)
            while self.incoming.pending and self.taken < self.n:
                self.tls.read(16384)
                self.taken += 1
                self.acks[0] = self.taken
        except self.want_read:  # half a handshake, session tickets
            pass
        return self.outgoing.read()  # type: ignore[no-any-return]


async def bare_asyncio(url: str, context: Any, finished: Callable[[bytes], bool], max_size: int | None = None) -> Any:
    """A GET by the least code that asyncio allows; returns the transport once `finished` likes a chunk.

    `max_size`: bytes to ask for at each read, where asyncio asks for so much that malloc() maps and unmaps memory.
    """
    import asyncio

    host, port, request = get(url)
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    class Protocol(asyncio.Protocol):
        __slots__ = ()

        def connection_made(self, transport: Any) -> None:
            transport.write(request)
            if max_size is not None and hasattr(transport, "max_size"):
                transport.max_size = max_size

        def data_received(self, chunk: bytes) -> None:
            if not done.done() and finished(chunk):
                done.set_result(None)

    transport, _ = await loop.create_connection(Protocol, host, port, ssl=context)
    await done
    return transport


def get(url: str) -> tuple[str, int, bytes]:
    """Host, port and a request for the floors to send."""
    parts = urlsplit(url)
    request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n\r\n"
    return parts.hostname or "", parts.port or 0, request.encode()


def sent(chunk: bytes) -> int:
    """The time in the last event of a chunk: `…data: 123\\n\\n\\r\\n`."""
    return int(chunk[chunk.rindex(b" ") : -4])


def large_stream(shape: str, size: int, piece: int) -> tuple[Iterable[bytes], int]:
    """Pieces of a stream with one event of about `size` bytes, each a new object, as from a socket."""
    if shape == "lines":
        line = b"data: " + b"x" * 40 + b"\n"
        whole = line * (size // len(line)) + b"\n"
        return (whole[i : i + piece] for i in range(0, len(whole), piece)), len(whole)
    start, end = {
        "data": (b"data: ", b"\n\n"),
        "id": (b"id: ", b"\ndata: x\n\n"),
        "comment": (b": ", b"\ndata: x\n\n"),
    }[shape]
    half, count = b"x" * (piece // 2), size // piece

    def pieces() -> Iterable[bytes]:
        yield start
        yield from map(half.__add__, repeat(half, count))
        yield end

    return pieces(), count * piece + len(start) + len(end)


def collection() -> float:
    """CPU seconds of the collector for all objects that are there now."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        gc.collect()
        best = min(best, time.process_time() - start)
    return best


def resident() -> int:
    """Bytes of memory this process occupies now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def peak() -> int:
    """The most it ever occupied. Not ru_maxrss, which begins with what the parent process had."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kind, candidate, acks, silence, *cafile = sys.argv[1:]
    with open(acks, "r+b") as file:
        cells = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
    worker = Worker(kind, candidate, cells, float(silence) or None, cafile[0] if cafile else None)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # ten thousand streams need not be closed one by one


if __name__ == "__main__":
    main()
