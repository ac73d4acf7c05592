"""Other event loops and green threads, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import CHUNKED, NO_CONTENT, Connection, Server, chunk, head, stream

TOP = Path(__file__).parents[2]
EVENTS = [f"data: {number}\n\n" for number in range(20)]


def python(
    *arguments: str, seconds: int = 110, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Where it ends well, nothing was said on stderr that is not a test's."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", *arguments],
        cwd=TOP, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def program(text: str, *arguments: str) -> str:
    """What a program prints; it must not print anything to stderr."""
    done = python("-c", textwrap.dedent(text), *arguments)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def url() -> Iterator[str]:
    """Twenty events and a cut; ten of them once more; the end."""
    scripts = stream("retry: 1\n\n", *EVENTS, end="cut"), stream(*EVENTS[:10]), NO_CONTENT
    with Server(*scripts) as server:
        yield server.url


EXPECTED = [*map(str, range(20)), *map(str, range(10))]


@pytest.mark.timeout(500)
@pytest.mark.parametrize("loop", ["uvloop", *["eager"] * (sys.version_info >= (3, 12))])
def test_the_asynchronous_tests_on(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    done = python("-m", "unittest", "-k", "Async", "-k", "async", seconds=480, SSE_TEST_LOOP=loop)
    ran = re.search(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)
    assert ran and int(ran[1]) > 300, done.stderr


NESTED = """
import asyncio, sys
import nest_asyncio
import sse

async def small():
    await asyncio.sleep(0)
    return 1

def helper():
    "As libraries have it whose functions must be called without await, in notebooks for example."
    return asyncio.get_event_loop().run_until_complete(small())

import logging
logging.getLogger("sse").setLevel(logging.ERROR)  # of the cut, which is no fault here

async def main():
    unseen = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unseen.append(context))
    async with sse.async_connect(sys.argv[1]) as events:
        async for event in events:
            assert helper() == 1
            print(event.data)
    assert not unseen, (len(unseen), unseen[0])

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
nest_asyncio.apply(loop)
loop.run_until_complete(main())
loop.close()
"""


def test_a_helper_that_runs_the_loop_inside_the_iteration(url: str) -> None:
    pytest.importorskip("nest_asyncio", reason="needs nest-asyncio")
    assert program(NESTED, url).split() == EXPECTED


FLOOD = NESTED.replace("            print(event.data)\n", "").replace(
    "            assert helper() == 1\n",
    "            assert helper() == 1\n            if int(event.data) == 2000: break\n",
)


def test_the_same_while_events_keep_coming() -> None:
    """What arrives while the loop is run from within must not wake a task that is running."""
    pytest.importorskip("nest_asyncio", reason="needs nest-asyncio")

    def script(conn: Connection) -> None:
        conn.send(head(CHUNKED))
        for number in range(100_000):
            conn.send(chunk(f"data: {number}\n\n"))

    with Server(script) as server:
        program(FLOOD, server.url)


GREEN = """
{patch}
import sys

import sse
from {library} import sleep, spawn

def others():
    "Goes on while the client waits, in the same thread of the system."
    while not over:
        turns.append(1)
        sleep(0.001)

turns, over = [], []
thread = spawn(others)
with sse.connect(sys.argv[1], timeout=20) as events:
    for event in events:
        print(event.data)
over.append(1)
thread.{join}()
assert len(turns) > 1

def close():
    sleep(0.05)
    client.close()

client = sse.connect(sys.argv[2], idle_timeout=20)
next(client)
thread = spawn(close)
assert list(client) == []  # blocked until somebody closes
thread.{join}()
print("closed")

client = sse.connect(sys.argv[2], idle_timeout=0.05, max_retries=0)
try:
    list(client)
except sse.SSEConnectionError as error:
    print("silent")
"""
LIBRARIES = {  # how the standard library is made to switch, and what it is called to wait for a thread
    "gevent": ("from gevent import monkey; monkey.patch_all()", "join"),
    "eventlet": ("import eventlet; eventlet.monkey_patch()", "wait"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_green_threads(library: str, url: str) -> None:
    pytest.importorskip(library)
    patch, join = LIBRARIES[library]
    text = GREEN.format(library=library, patch=patch, join=join)
    with Server(stream("data: x\n\n", end="open"), repeat=True) as quiet:
        # eventlet warns of itself, on import and in each start
        done = python("-W", "ignore::DeprecationWarning", "-c", text, url, quiet.url)
    assert done.stdout.split() == [*EXPECTED, "closed", "silent"]
