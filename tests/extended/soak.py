"""A week in a few minutes, and many streams at once:

    python tests/extended/soak.py [--minutes N] [--streams N]

First, clients of both worlds, plain and over TLS, follow feeds whose connections are lost all the
time, in every way: ended, cut within a chunk or a block, reset, half-closed, silent, refused,
answered with 503 or half a head, through redirects. Each attempt has a token of its own, made by a
callable; a token that comes twice is refused for good. The clocks jump, by a week in all;
descriptors are short at times; memory is limited; clients are closed and made anew, by others, and
told to reconnect. Each feed is checked event by event: once, in order, whole. What the process
holds is measured after a tenth of the time, and at the end, and must be the same.

Then so many asyncio streams at once (300; 10,000 need as many descriptors), each cut at random
until it has its twenty events.

The server is a process of its own. Figures are printed; exit status 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import gc
import itertools
import json
import logging
import os
import random
import resource
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
CA = str(ROOT / "tests/certs/ca.pem")
WEEK = 7 * 24 * 3600.0


def text(number: int) -> str:
    """The data of an event: of many sizes, now and then large."""
    large = "\n" + "y" * 200_000 if number % 997 == 0 else ""
    return f"{number} \u20ac " + "x" * (number * 7919 % 300) + large


def block(number: int) -> str:
    comment = ":\n" if number % 5 == 0 else ""
    lines = "".join(f"data: {line}\n" for line in text(number).split("\n"))
    return f"{comment}id: {number}\nevent: e{number % 7}\n{lines}\n"


# The server: a process of its own


class Feeds:
    """Any number of endless feeds; each answer serves some events and is lost in some way."""

    def __init__(self) -> None:
        self.chance = random.Random(1)
        self.counts: collections.Counter[str] = collections.Counter()
        self.tokens: set[str] = set()
        self.end = sys.maxsize  # of a feed; behind it: 204

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.serve(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chance = self.chance
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        target = top[0].split(" ")[1]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in top[1:])
        }
        kind = chance.choices(
            ["stream", "redirect", "503", "nothing", "half a head"], [80, 8, 4, 4, 4]
        )[0]  # fmt: skip
        if target == "/counts":
            body = json.dumps(self.counts).encode()
            self.counts.clear()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return await writer.drain()
        if target.startswith("/end/"):
            self.end = int(target[5:])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return await writer.drain()
        token = headers.get("authorization", "") + target
        if token in self.tokens:
            self.counts["TOKENS THAT CAME TWICE"] += 1
            writer.write(b"HTTP/1.1 401 Old\r\nContent-Length: 0\r\n\r\n")
            return await writer.drain()
        self.tokens.add(token)
        self.counts["attempts"] += 1
        if kind != "stream":
            self.counts[kind] += 1
        if kind == "redirect" and target.count("-") < 3:
            head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {target}-\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
        elif kind == "503":
            writer.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy")
        elif kind == "half a head":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-"[: chance.randrange(26)])
        elif kind != "nothing":
            await self.stream(writer, int(headers.get("last-event-id", 0)))
        await writer.drain()
        return None

    async def stream(self, writer: asyncio.StreamWriter, number: int) -> None:
        chance = self.chance
        if number >= self.end:
            writer.write(b"HTTP/1.1 204 Over\r\n\r\n")
            return
        framing = chance.choice(["chunked", "chunked", "gzip", "until close"])
        coded = zlib.compressobj(1, wbits=31) if framing == "gzip" else None
        lines = {"chunked": "Transfer-Encoding: chunked\r\n", "until close": ""}
        lines["gzip"] = lines["chunked"] + "Content-Encoding: gzip\r\n"
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{lines[framing]}\r\n".encode()
        )
        for _ in range(chance.randrange(30)):
            several = range(number + 1, min(self.end, number + chance.randrange(1, 9)) + 1)
            number = several[-1] if several else number
            data = ("retry: 1\n" + "".join(map(block, several))).encode()
            if coded:
                data = coded.compress(data) + coded.flush(zlib.Z_SYNC_FLUSH)
            writer.write(data if framing == "until close" else b"%x\r\n%b\r\n" % (len(data), data))
            await writer.drain()
        way = chance.choices(
            ["ended", "cut", "reset", "half-closed", "silent"], [20, 30, 30, 17, 3]
        )[0]
        self.counts[way] += 1
        if way == "ended":
            writer.write(
                (coded.flush() and b"")
                if coded
                else b""
                if framing == "until close"
                else b"0\r\n\r\n"
            )
        else:
            data = (block(number + 1) if number < self.end else ":\n\n").encode()
            data = data if framing == "until close" else b"%x\r\n%b\r\n" % (len(data), data)
            writer.write(data[: chance.randrange(len(data))] if not coded else b"5\r\n123")
        await writer.drain()
        if way == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif way == "half-closed" and writer.can_write_eof():
            writer.write_eof()
            await asyncio.sleep(0.2)
        elif way == "silent":
            await asyncio.sleep(10)


async def run_server() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT / "tests/certs/server.pem")
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # what it sends to who has gone
    # Not of those that the system gives to who asks for any: while all are refused, nobody else
    # may take them, for the clients would follow him.
    feeds, ports = Feeds(), random.sample(range(20_000, 32_000), 2)
    print_ports = True
    while True:
        servers = []
        for number, layer in enumerate((None, context)):
            server = await asyncio.start_server(
                feeds, "127.0.0.1", ports[number], ssl=layer, backlog=4096, reuse_address=True
            )
            servers.append(server)
        if print_ports:
            print(*ports, flush=True)
            print_ports = False
        await asyncio.sleep(random.uniform(2, 6))
        for server in servers:  # for a moment all are refused
            server.close()
        feeds.counts["refused for a moment"] += 1
        await asyncio.sleep(0.02)


# What a process holds


def held() -> dict[str, int]:
    gc.collect()
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    return {
        "memory (KiB)": int(status["VmRSS"].split()[0]),
        "descriptors": len(os.listdir("/proc/self/fd")) - 1,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }


class Clocks:
    """The monotonic and the wall clock, which can be put forward."""

    def __init__(self) -> None:
        self.forward = 0.0
        monotonic, wall = time.monotonic, time.time
        time.monotonic = lambda: monotonic() + self.forward
        time.time = lambda: wall() + self.forward
        self.real = monotonic


CLOCKS = Clocks()  # before the modules take the clocks as they are
import httpclient  # noqa: E402
import sse  # noqa: E402


class Soak:
    def __init__(self, ports: list[int]) -> None:
        self.urls = [f"http://127.0.0.1:{ports[0]}/", f"https://127.0.0.1:{ports[1]}/"]
        self.wrong: list[str] = []
        self.events = self.made = 0
        self.errors: collections.Counter[str] = collections.Counter()
        self.done: collections.Counter[str] = collections.Counter()
        self.tokens = itertools.count(1)
        self.clients: dict[str, Any] = {}
        self.over = False

    def options(self) -> dict[str, Any]:
        def headers() -> dict[str, str]:
            return {"Authorization": f"Bearer {next(self.tokens)}"}

        async def later() -> dict[str, str]:
            await asyncio.sleep(0)
            return headers()

        def on_error(error: BaseException | None, delay: float | None) -> None:
            name = type(error).__name__ if error else "clean end"
            number = (
                getattr(error, "errno", None) or getattr(error.__cause__, "errno", None)
                if error
                else None
            )
            self.errors[f"{name} {os.strerror(number)}" if number else name] += 1

        return {
            "headers": headers, "verify": CA, "proxy": "",
            "retry_interval": 1, "idle_timeout": 1.0, "timeout": 5.0,
            "retry_on_status": sse.TRANSIENT_STATUSES, "on_error": on_error, "later": later,
        }  # fmt: skip

    def check(self, name: str, seen: int, event: sse.SSEEvent) -> int:
        if (event.id, event.event, event.data) != (
            str(seen + 1),
            f"e{(seen + 1) % 7}",
            text(seen + 1),
        ):
            self.wrong.append(f"{name}: after {seen} came {event!r:.200}")
        self.events += 1
        return int(event.id)

    def blocking(self, name: str, url: str) -> None:
        seen = 0
        try:
            while not self.over:
                options = self.options()
                del options["later"]
                with sse.connect(url + name, last_event_id=str(seen or ""), **options) as client:
                    self.clients[name] = client
                    self.made += 1
                    for event in client:
                        seen = self.check(name, seen, event)
        except BaseException as error:
            self.wrong.append(f"{name}: {error!r}")

    async def awaiting(self, name: str, url: str) -> None:
        seen = 0
        try:
            while not self.over:
                options = self.options()
                options["headers"] = options.pop("later")
                async with sse.async_connect(
                    url + name, last_event_id=str(seen or ""), **options
                ) as client:
                    self.clients[name] = client
                    self.made += 1
                    async for event in client:
                        seen = self.check(name, seen, event)
        except BaseException as error:
            self.wrong.append(f"{name}: {error!r}")

    async def close(self, name: str) -> None:
        client = self.clients[name]
        if name.startswith("async"):
            await client.close()
        else:
            client.close()

    async def trouble(self, seconds: float) -> None:
        """What befalls a process, until its time is over."""
        begun, chance = CLOCKS.real(), random.Random(2)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        while (passed := CLOCKS.real() - begun) < seconds:
            await asyncio.get_running_loop().run_in_executor(
                None, threading.Event().wait, chance.uniform(0.05, 0.4)
            )
            deed = chance.choice(["jump", "short", "close", "reconnect", "nothing"])
            name = chance.choice(list(self.clients))
            self.done[deed] += 1
            if deed == "jump":
                CLOCKS.forward = max(
                    CLOCKS.forward, WEEK * passed / seconds + chance.uniform(0, 3600)
                )
            elif deed == "short":
                resource.setrlimit(resource.RLIMIT_NOFILE, (16, hard))
                await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 0.05)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            elif deed == "close":
                await self.close(name)
            elif deed == "reconnect":
                with contextlib.suppress(RuntimeError):
                    self.clients[name].reconnect()

    async def run(self, seconds: float) -> None:
        threads, tasks = [], []
        for number in range(3):
            for url in self.urls:
                name = f"{number}{url.partition(':')[0]}"
                thread = threading.Thread(target=self.blocking, args=(f"sync{name}", url))
                thread.start()
                threads.append(thread)
                tasks.append(asyncio.ensure_future(self.awaiting(f"async{name}", url)))
        while len(self.clients) < 12 and not self.wrong:
            await asyncio.sleep(0.01)
        await self.trouble(seconds / 10)
        limit_memory(128)
        first, begun_at = held(), (self.events, self.made)
        await self.trouble(seconds * 9 / 10)
        last = held()
        self.over = True
        for name in self.clients:
            await self.close(name)
        while any(thread.is_alive() for thread in threads) or not all(
            task.done() for task in tasks
        ):
            for name in list(self.clients):  # one may have been made anew meanwhile
                await self.close(name)
            await asyncio.sleep(0.01)
        end = held()
        print(f"{self.events} events, {self.made} clients, {next(self.tokens) - 1} tokens")
        print(dict(self.done))
        print(f"the clocks went {CLOCKS.forward / 86400:.2f} days forward")
        print("told to on_error:", dict(self.errors.most_common()))
        print(f"{'':14} {'after 1/10':>12} {'at the end':>12} {'all closed':>12}")
        for key in first:
            print(f"{key:14} {first[key]:12} {last[key]:12} {end[key]:12}")
        print(f"between: {self.events - begun_at[0]} events, {self.made - begun_at[1]} clients")
        if end["tasks"] != 1 or last["memory (KiB)"] > first["memory (KiB)"] + 16_384:
            self.wrong.append("something has grown")
        if (
            last["objects"] > 1.1 * first["objects"] + 5000
            or last["descriptors"] > first["descriptors"] + 12
        ):
            self.wrong.append("something was left behind")

    async def many(self, count: int) -> None:
        """So many streams at once, each cut at random until it has its events."""
        done = 0
        before, begun = held(), CLOCKS.real()
        httpclient.get(self.urls[0] + "end/20").close()
        most = 0

        async def one(number: int) -> None:
            nonlocal done
            options = self.options()
            options.update(headers=options.pop("later"), idle_timeout=60.0, timeout=60.0)
            seen = 0
            async with sse.async_connect(f"{self.urls[0]}many{number}", **options) as client:
                async for event in client:
                    seen = self.check(f"stream {number}", seen, event)
            done += seen == 20

        tasks = [asyncio.ensure_future(one(number)) for number in range(count)]
        while not all(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=0.2)
            with open("/proc/self/statm") as file:
                most = max(most, int(file.read().split()[1]) * 4)
        for task in tasks:
            if task.exception() is not None:
                self.wrong.append(repr(task.exception()))
        del tasks
        after = held()
        seconds = CLOCKS.real() - begun
        print(f"\n{count} streams: {done} with all of their 20 events once, in {seconds:.0f} s;"
              f" memory {before['memory (KiB)']} KiB, at most {most} KiB")  # fmt: skip
        print(
            f"descriptors {before['descriptors']} -> {after['descriptors']}, tasks {after['tasks']}"
        )
        if done != count or after["descriptors"] > before["descriptors"] + 1:
            self.wrong.append(f"{count - done} streams have not all of their events")


def limit_memory(mebibytes: int) -> None:
    """No more address space than now and so much."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + mebibytes * 2**20, resource.RLIM_INFINITY))


def soak(minutes: float, streams: int) -> list[str]:
    """Both parts; what was wrong."""
    logging.getLogger("sse").addHandler(logging.NullHandler())
    logging.getLogger("sse").propagate = False
    unseen: list[str] = []
    sys.unraisablehook = lambda seen: unseen.append(f"{seen.exc_value!r} in {seen.object!r}")
    warnings.simplefilter("error", ResourceWarning)
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            case = Soak([int(port) for port in server.stdout.readline().split()])

            async def both() -> None:
                loop = asyncio.get_running_loop()
                loop.set_exception_handler(lambda _, context: unseen.append(str(context)))
                if minutes:
                    await case.run(minutes * 60)
                    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
                if streams:
                    await case.many(streams)

            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            asyncio.run(both())
            for _ in range(100):
                try:
                    counts = httpclient.get(case.urls[0] + "counts").json()
                    break
                except httpclient.ConnectError:
                    time.sleep(0.05)
            print("the server:", counts)
            case.wrong += [f"{n} {what}" for what, n in counts.items() if what.isupper()]
            return case.wrong + unseen
        finally:
            server.kill()


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--streams", type=int, default=300)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        return asyncio.run(run_server())
    wrong = soak(given.minutes, given.streams)
    for what in wrong[:50]:
        print("WRONG:", what)
    print(f"{len(wrong)} wrong")
    return sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
