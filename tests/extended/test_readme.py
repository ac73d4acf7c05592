"""Every fence of Python in the README is run, with its URLs turned to a local server.

A fence finds the public names of both modules, `asyncio` and `url` defined, and may await at its top level. A
comment on the line before it changes that: `<!-- continued -->` runs it after the fence before, in the same
namespace; `<!-- not run: reason -->` leaves it out, and the reason is printed at the end.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import httpclient
import sse

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(r"(?:^<!-- (.*?) -->\n)?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Fence:
    line: int
    code: str
    comment: str


def fences() -> list[Fence]:
    text = README.read_text() if README.exists() else ""
    return [Fence(text.count("\n", 0, m.start(2)), m[2], m[1] or "") for m in FENCE.finditer(text)]


FENCES = fences()
NOT_RUN = [fence for fence in FENCES if fence.comment.startswith("not run:")]


# The server: an answer for each kind of API, by what its path contains


def events(*data: Any, kinds: bool = False) -> str:
    """Each item is the data of an event; with `kinds` its `type` names the event, as some APIs do."""
    blocks = []
    for item in data:
        kind = f"event: {item['type']}\n" if kinds else ""
        blocks.append(f"{kind}data: {item if isinstance(item, str) else json.dumps(item)}\n\n")
    return "".join(blocks)


def delta(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


ANSWERS = {
    "chat/completions": events(delta("Hel"), delta("lo"), "[DONE]"),
    "responses": events(
        {"type": "response.output_text.delta", "delta": "Hello"},
        {"type": "response.completed", "response": {"status": "completed"}},
        kinds=True,
    ),
    "messages": events(
        {"type": "message_start", "message": {}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "message_stop"},
        kinds=True,
    ),
    "streamGenerateContent": events({"candidates": [{"content": {"parts": [{"text": "Hello"}]}}]}),
}
FEED = "".join(f'id: evt-{n}\ndata: {{"n": {n}, "progress": {n}}}\n\n' for n in (43, 44, 45))
DONE = events("[DONE]")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: set[str]

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path  # a proxy is sent whole URLs
        body = next((body for part, body in ANSWERS.items() if part in path), FEED + DONE)
        if path in self.seen and self.command == "GET":
            self.send_response(204)
            self.end_headers()
            return
        self.seen.add(path)
        raw = ("retry: 1\n\n" + body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    handler = type("OneHandler", (Handler,), {"seen": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# Running


LINES = ["event: greeting", "data: hello", "", "data: line 1", "data: line 2", ""]


async def async_line_source() -> AsyncIterator[str]:
    for line in LINES:
        yield line


def names(url: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__", "asyncio": asyncio, "url": url}
    for module in (httpclient, sse):
        namespace |= {name: getattr(module, name) for name in module.__all__}
    return namespace | {"async_line_source": async_line_source()}


def run(fence: Fence, namespace: dict[str, Any], server: str) -> None:
    code = re.sub(r"https?://(?=[\w[])(?:[^\s/\"'@]*@)?[\w.-]+(?::\d+)?", server, fence.code)
    tree = ast.parse("\n" * fence.line + code, str(README))
    compiled = compile(tree, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result: Any = eval(compiled, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result, debug=True)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("fence", [f for f in FENCES if f not in NOT_RUN], ids=lambda f: f"line {f.line}")
def test_fence(fence: Fence, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("events.txt").write_text("\n".join(LINES))
    for name, certificate in {"company-ca.pem": "ca.pem", "me.pem": "client.pem"}.items():
        shutil.copy(README.parent / "tests/certs" / certificate, name)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO("\n".join(LINES).encode())))
    chain = [fence]
    while chain[0].comment.startswith("continued"):
        chain.insert(0, FENCES[FENCES.index(chain[0]) - 1])
    namespace = names(server + "/events")
    for part in chain:
        run(part, namespace, server)


def test_the_readme_is_shown_in_full(report: Callable[[str], None]) -> None:
    assert len(FENCES) - len(NOT_RUN) >= 5
    assert len(FENCES) == README.read_text().count("```python")
    for fence in NOT_RUN:
        report(f"README.md, line {fence.line}, {fence.comment}")
