"""Tools that change how the two files run: checkers of types at run time, and a frozen clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import NO_CONTENT, Server, answer, stream

TOP = Path(__file__).parents[2]
HOOKS = {
    "beartype": "from beartype import claw; claw.beartype_packages(('sse', 'httpclient'))",
    "typeguard": "import typeguard; typeguard.install_import_hook(['sse', 'httpclient'])",
    "freezegun": "import freezegun; freezegun.freeze_time('2020-02-02', real_asyncio=True).start()",
}
PROGRAM = """
import asyncio, logging, sys
HOOK
import httpclient
import sse
from sse import EventSource, SSEParser, async_connect, connect

url, silent = sys.argv[1:]
seen = []
options = {
    "headers": lambda: {"X-Token": "t"},
    "params": {"a": 1},
    "timeout": 20,
    "on_open": lambda response: seen.append(response.status_code),
    "on_error": lambda error, delay: seen.append(delay),
    "on_comment": seen.append,
}

def follow():
    with connect(url, **options) as events:
        for event in events:
            print("sync", event.id, event.event, event.data, event.json())
        print(events.state, events.last_event_id)
        print(events.response.status_code, events.retry_interval)
    with connect(url, method="POST", json={"a": 1}, reconnect=False) as events:
        print(next(events).data)

async def follow_async():
    async with async_connect(url, **options) as events:
        async for event in events:
            print("async", event.id, event.event, event.data, event.json())
        print(events.state, events.last_event_id)
        print(events.response.status_code, events.retry_interval)
    async with async_connect(url, method="POST", json={"a": 1}, reconnect=False) as events:
        print((await anext(events)).data)
    answer = await httpclient.async_get(url)
    print(answer.status_code, len(answer.text))

async def idle_async():
    client = async_connect(silent, idle_timeout=0.05, max_retries=0)
    try:
        await anext(client)
        await anext(client)
    except sse.SSEConnectionError as error:
        print("silence", error.retries)

def idle():
    client = connect(silent, idle_timeout=0.05, max_retries=0)
    try:
        next(client)
        next(client)
    except sse.SSEConnectionError as error:
        print("silence", error.retries)

print([event.data for event in EventSource(["data: a", ""])])
print([event.data for event in SSEParser().feed(b"data: a\\n\\n")])
follow()
answer = httpclient.get(url)
print(answer.status_code, len(answer.text))
try:
    connect(silent + "/missing").__enter__()
except sse.SSEHTTPError as error:
    print(error.status_code, error.text)
idle()
asyncio.run(follow_async())
asyncio.run(idle_async())
print(len(seen))
"""
EVENT = "event: e\ndata: {}\nid: 1\n\n"
FEED = [
    stream("retry: 1\n\n: hi\n\n", EVENT, end="cut"),
    answer(EVENT),
    NO_CONTENT,
    answer(EVENT),
    answer(EVENT),
]
FOLLOWED = "{0} 1 e {{}} {{}}\n{0} 1 e {{}} {{}}\nclosed 1\n204 1\n{{}}\n200 25\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    for name in ("sse.py", "httpclient.py"):
        shutil.copy(TOP / name, tmp_path)
    yield tmp_path


@pytest.mark.parametrize("hook", ["none", *HOOKS])
def test_a_program_under(hook: str, folder: Path) -> None:
    if hook != "none":
        pytest.importorskip(hook)
    (folder / "program.py").write_text(PROGRAM.replace("HOOK", HOOKS.get(hook, "")))
    missing = answer("not here", status="404 Not Found")
    quiet = stream("data: x\n\n", end="open")
    with Server(*FEED, *FEED) as feed, Server(missing, quiet, quiet) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "program.py", feed.url, server.url],
            cwd=folder, env=os.environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.stdout, done.returncode) == (
        "['a']\n['a']\n"
        + FOLLOWED.format("sync")
        + "404 not here\nsilence 0\n"
        + FOLLOWED.format("async")
        + "silence 0\n10\n",
        0,
    ), done.stderr
    assert "Traceback" not in done.stderr
