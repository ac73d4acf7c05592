"""Every fence of Python in the README is run, with its URLs turned to a local server.

A fence finds nothing defined but `url`, and may await at its top level. A comment on the line
before it changes that: `<!-- a test file -->` gives it to pytest; `<!-- moving over -->` leaves it
to test_moving.py; `<!-- not run: reason -->` leaves it out, and the reason is printed at the end.
All are type-checked. What else the README says and a test can hold it to is below.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import httpclient
import sse
from tests.extended import test_moving

README = Path(__file__).parents[2] / "README.md"
TESTS = README.parent / "tests"
CONTRIBUTING = TESTS / "README.md"  # for those who carry on
FENCE = re.compile(r"(?:^<!-- (.*?) -->\n)?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Fence:
    line: int
    code: str
    comment: str


def fences() -> list[Fence]:
    text = README.read_text() if README.exists() else ""
    return [
        Fence(text.count("\n", 0, found.start(2)), found[2], found[1] or "")
        for found in FENCE.finditer(text)
    ]


FENCES = fences()
NOT_RUN = [fence for fence in FENCES if fence.comment.startswith("not run:")]
TEST_FILES = [fence for fence in FENCES if fence.comment == "a test file"]
RUN = [fence for fence in FENCES if not fence.comment]


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
    "chat/completions": events(
        delta("Hel"), {"choices": [{"index": 0, "delta": None}, {"index": 1}]}, delta("lo"), {"usage": {}}, "[DONE]"
    ),
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


def run(fence: Fence, server: str) -> None:
    code = re.sub(r"https?://(?=[\w[])(?:[^\s/\"'@]*@)?[\w.-]+(?::\d+)?", server, fence.code)
    tree = ast.parse("\n" * fence.line + code, str(README))
    compiled = compile(tree, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result: Any = eval(compiled, {"__name__": "__main__", "url": server + "/events"})
    if inspect.iscoroutine(result):
        asyncio.run(result, debug=True)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("fence", RUN, ids=lambda f: f"line {f.line}")
def test_fence(fence: Fence, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, certificate in {"company-ca.pem": "ca.pem", "me.pem": "client.pem"}.items():
        shutil.copy(TESTS / "certs" / certificate, name)
    run(fence, server)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("marker", ["asyncio", "anyio"])
@pytest.mark.parametrize("fence", TEST_FILES, ids=lambda f: f"line {f.line}")
def test_a_test_file(fence: Fence, marker: str, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip(f"pytest_{marker}" if marker == "asyncio" else marker)
    code = fence.code.replace("@pytest.mark.asyncio", f"@pytest.mark.{marker}")
    file = tmp_path / "test_theirs.py"
    file.write_text(code + "\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file.name]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=50,
        env=os.environ | {"PYTHONPATH": str(README.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


def test_types_of_the_fences(tmp_path: Path) -> None:
    """As in a program of the reader's, who need not annotate his functions."""
    pytest.importorskip("mypy")
    programs = {f"line_{fence.line}.py": fence.code for fence in RUN + TEST_FILES}
    for example in test_moving.examples():  # of which only our half is ours
        programs[f"after_{test_moving.MODULES[example.library]}.py"] = example.ours
    for name, code in programs.items():
        body = textwrap.indent(code, "    ")
        (tmp_path / name).write_text(f"async def program(url: str) -> None:\n{body}", "utf-8")
    options = "--strict --allow-untyped-defs --allow-incomplete-defs --allow-untyped-calls"
    command = [sys.executable, "-m", "mypy", "--config-file=", *options.split()]
    ended = subprocess.run(
        [*command, "--disable-error-code=import-untyped", *programs], cwd=tmp_path,
        capture_output=True, text=True, timeout=100,
        env=os.environ | {"MYPYPATH": str(README.parent)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.timeout(30)
def test_what_a_librarys_client_raises_by_itself(server: str) -> None:
    """It reaches the caller as it is, with `transport=`: the README names it."""
    httpx, requests = pytest.importorskip("httpx"), pytest.importorskip("requests")
    aiohttp = pytest.importorskip("aiohttp")
    closed = httpx.Client()
    closed.close()

    async def awaited(client: Any, url: str, close: Any = None) -> None:
        if close is not None:
            await close()
        async with sse.async_connect(url, transport=client):
            pass

    async def with_aiohttp() -> None:
        session = aiohttp.ClientSession()
        await awaited(session, server, session.close)

    with pytest.raises(httpx.UnsupportedProtocol), httpx.Client() as client:
        sse.connect("/feed", transport=client).__enter__()
    with pytest.raises(httpx.UnsupportedProtocol):
        asyncio.run(awaited(httpx.AsyncClient(), "/feed"))
    with pytest.raises(requests.exceptions.MissingSchema), requests.Session() as session:
        sse.connect("/feed", transport=session).__enter__()
    with pytest.raises(RuntimeError, match="closed"):
        sse.connect(server, transport=closed).__enter__()
    with pytest.raises(RuntimeError, match="closed"):
        client = httpx.AsyncClient()
        asyncio.run(awaited(client, server, client.aclose))
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(with_aiohttp())
    text = README.read_text("utf-8")
    for name in ("httpx.UnsupportedProtocol", "requests.exceptions.MissingSchema", "RuntimeError"):
        assert f"`{name}`" in text


def test_the_readme_is_shown_in_full(report: Callable[[str], None]) -> None:
    assert len(RUN) >= 9
    moving = [fence for fence in FENCES if fence.comment == "moving over"]
    assert len(TEST_FILES) == len(moving) == 1
    assert len(RUN + NOT_RUN + TEST_FILES + moving) == README.read_text().count("```python")
    for fence in NOT_RUN:
        report(f"README.md, line {fence.line}, {fence.comment}")


# What it names


def test_links() -> None:
    text = re.sub(r"^```.*?^```$", "", README.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (README.parent / target).exists(), target


def test_the_table_of_names() -> None:
    text = README.read_text("utf-8").partition("\n## Names\n")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]*) \|", text, re.M)))
    public = {name for module in (sse, httpclient) for name in module.__all__}
    aside = {"httpclient"} | {"AsyncSSEClient", "SSEClient"} - set(named)  # in the other column
    assert set(named) | aside == public | {"httpclient"}
    assert len(named) == len(set(named))


def test_the_tests_of_the_threat_model_exist() -> None:
    section = README.read_text("utf-8").partition("\n## What a hostile world can do\n")[2]
    section = section.partition("\n## ")[0]
    named = re.findall(r"`(test_\w+)\.(\w+)\.(test_\w+)`", section)
    assert len(named) >= 40
    for module, kind, test in named:  # of tests/
        tree = ast.parse((TESTS / f"{module}.py").read_text("utf-8"))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        tests = {item.name for item in classes[kind].body if isinstance(item, ast.FunctionDef)}
        assert test in tests, f"{module}.{kind}.{test}"
    for row in section.splitlines():
        assert not row.startswith("| ") or "`test" in row or "---" in row or row.startswith("| who")


def test_the_tables_of_options_and_statuses() -> None:
    text = README.read_text("utf-8")
    table = text.partition("\n## Options\n")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]*) \|", table, re.M)))
    options = [name for name, option in inspect.signature(sse.SSEClient.__init__).parameters.items()
               if option.kind is option.KEYWORD_ONLY]  # fmt: skip
    assert sorted(named) == sorted(options)
    (statuses,) = re.findall(r"`retry_on_status=TRANSIENT_STATUSES` \(([^)]*)\)", text)
    numbers = set()
    for first, last in re.findall(r"(\d+)(?:\s+to\s+(\d+))?", statuses):
        numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == sse.TRANSIENT_STATUSES


def test_the_command_lines_options() -> None:
    text = README.read_text("utf-8").partition("\n## Command line\n")[2].partition("\n## ")[0]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    named = set(re.findall(r"(?<![\w-])(--?[A-Za-z][\w.-]*)", prose))
    known = set(re.findall(r"(?<![\w-])(--?[A-Za-z][\w.-]*)", sse._HELP))
    assert named <= known, named - known


@pytest.mark.parametrize("module, column", [("sse", 0), ("httpclient", 2)])
def test_the_map_of_both_files(module: str, column: int) -> None:
    """It names their sections in order."""
    text = CONTRIBUTING.read_text("utf-8").partition("\nProtocol")[0]
    rows = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", text, re.M)[2:]]
    source = (README.parent / f"{module}.py").read_text("utf-8")
    sections = re.findall(r"^# --- ([^:\n]*?)(?::.*)? -+$", source, re.M)
    assert "; ".join(row[column] for row in rows).split("; ") == sections


def test_the_names_on_the_way_of_a_chunk() -> None:
    text = CONTRIBUTING.read_text("utf-8").partition("The way of a chunk")[2]
    text = text.partition("\n\n| to add")[0]
    files = (README.parent / name for name in ("sse.py", "httpclient.py"))
    source = "".join(file.read_text("utf-8") for file in files)
    named = set(re.findall(r"`(?:\w+\.)?(\w+)`", text)) - {"until", "on_comment"}  # options
    assert len(named) >= 12
    for name in named:
        assert re.search(rf"(?:def |class |self\.){name}\b", source), name
