"""The moving-over guide of the README: each library's program, and ours that takes its place.

Both halves of each example run against the same server, and have to print the same and to have
asked for the same.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import Request, Server, stream

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(r"^<!-- moving over -->\n```python\n(.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^# before: (\S+)\n(.*?)^# after\n(.*?)(?=^# before|\Z)", re.M | re.S)
MODULES = {
    "sseclient-py": "sseclient",
    "aiohttp-sse-client": "aiohttp_sse_client",
    "httpx-sse": "httpx_sse",
    "requests-sse": "requests_sse",
    "launchdarkly-eventsource": "ld_eventsource",
    "httpx2": "httpx2",
}
FEED = (
    ': welcome\nid: 42\ndata: {"n": 1}\n\n'
    'event: progress\nid: 43\ndata: {"n": 2}\n\n'
    ':heartbeat\nevent: done\nid: 44\ndata: {"n": 3}\n\n'
)
HEADERS = ("Authorization", "X-Key", "Last-Event-ID", "Content-Type", "Accept")


@dataclass
class Example:
    library: str
    theirs: str
    ours: str


def examples() -> list[Example]:
    """All are in one fence, which begins with the imports that they share."""
    (fence,) = FENCE.findall(README.read_text("utf-8"))
    imports = fence.partition("# before")[0]
    return [
        Example(name, imports + before, imports + after)
        for name, before, after in EXAMPLE.findall(fence)
    ]


def run(code: str, end: str) -> tuple[str, Request]:
    """What a program prints, given a `url` whose stream ends in this way, and what it asked for."""
    compiled = compile(code, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    printed = io.StringIO()
    with Server(stream(FEED, end=end)) as server, contextlib.redirect_stdout(printed):
        result = eval(compiled, {"url": server.url + "/feed"})
        if inspect.iscoroutine(result):
            asyncio.run(result)
    (request,) = server.requests
    return printed.getvalue(), request


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.library)
# Some of these libraries leave it to the garbage collector to close what they opened.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_before_and_after(example: Example) -> None:
    pytest.importorskip(MODULES[example.library])
    # Who breaks out of the loop would reconnect at the end of the stream.
    end = "open" if "break" in example.ours else "clean"
    before, theirs = run(example.theirs, end)
    after, ours = run(example.ours, end)
    assert before == after
    assert len(after.splitlines()) >= 3
    assert (ours.method, ours.target, ours.body) == (theirs.method, theirs.target, theirs.body)
    assert [ours.header(name) for name in HEADERS] == [theirs.header(name) for name in HEADERS]


def test_each_library_has_an_example() -> None:
    assert [example.library for example in examples()] == list(MODULES)
    for example in examples():
        assert example.ours.count("\n") <= example.theirs.count("\n"), example.library
