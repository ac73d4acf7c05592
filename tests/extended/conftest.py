"""What the extended tests share: programs run as servers, both clients driven by one function, and the rule
that nothing is skipped silently.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sse import SSEEvent, async_connect, connect

HERE = Path(__file__).parent
T = TypeVar("T")
CERTS = HERE.parent / "certs"
CA = str(CERTS / "ca.pem")

os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where Debian puts nginx, haproxy and squid
for name in list(os.environ):
    if name.lower() in {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}:
        del os.environ[name]


# Nothing is skipped silently

NOT_TO_BE_HAD = set(os.environ.get("NOT_TO_BE_HAD", "").split())
surprising: list[str] = []
lines: list[str] = []


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for command in marker.args:
            if not shutil.which(command):
                pytest.skip(f"needs {command}")


def note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI, a test may be skipped only for want of what could not be installed."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        wanted = re.search(r"needs (\S+)", reason) or re.search(r"could not import '(\w+)", reason)
        if not wanted or wanted[1] not in NOT_TO_BE_HAD:
            surprising.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    note_skip(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if surprising and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for title, texts in (("measured, not asserted", lines), ("SKIPPED WITHOUT A GOOD REASON", surprising)):
        if texts:
            terminalreporter.section(title)
            for text in texts:
                terminalreporter.line(text)


@pytest.fixture
def report() -> Callable[[str], None]:
    """Takes a line for the end of the run's output."""
    return lines.append


# Programs


def free_port() -> int:
    """A port for a program to listen on, now and when it is started again: not one of those that the system
    gives to whoever connects meanwhile.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_768)
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue


class Program:
    """A server program; it is up when it accepts connections on `port`."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.command, self.port, self.log = command, port, log
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=HERE, start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert self.process
            assert self.process.poll() is None, f"{self.command} ended:\n{self.log.read_text()}"
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                assert time.monotonic() < deadline, f"{self.command} is not up:\n{self.log.read_text()}"
                time.sleep(0.01)

    def kill(self) -> None:
        """Without warning, and with all its children."""
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None


Run = Callable[..., Program]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """`run(*command, port=port)` starts a program and waits for it; all are killed at the end."""
    yield from runner(tmp_path)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The same for the whole session."""
    yield from runner(tmp_path_factory.mktemp("programs"))


def runner(folder: Path) -> Iterator[Run]:
    programs: list[Program] = []

    def run(*command: object, port: int) -> Program:
        program = Program([str(part) for part in command], port, folder / f"{len(programs)}.log")
        programs.append(program)
        program.start()
        program.wait()
        return program

    yield run
    for program in programs:
        program.kill()


PYTHON_SERVERS: dict[str, Callable[[int], list[object]]] = {
    "uvicorn": lambda port: [
        *("-m", "uvicorn", "--factory", "apps:starlette_app"),
        *("--host", "127.0.0.1", "--port", port, "--log-level", "warning"),
    ],
    "aiohttp": lambda port: ["-m", "aiohttp.web", "-H", "127.0.0.1", "-P", port, "apps:aiohttp_app"],
    "gunicorn": lambda port: [
        *("-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", 8),
        *("--log-level", "warning", "apps:flask_app()"),
    ],
    "waitress": lambda port: [
        *("-m", "waitress", "--host", "127.0.0.1", "--port", port, "--threads", 8, "--call", "apps:flask_app")
    ],
}


def python_server(run: Run, name: str) -> Program:
    port = free_port()
    return run(sys.executable, *PYTHON_SERVERS[name](port), port=port)


# Clients


def follow(
    world: str,
    url: str,
    *,
    count: int | None = None,
    on_event: Callable[[SSEEvent], object] = lambda event: None,
    on_client: Callable[[Any], object] = lambda client: None,
    **options: Any,
) -> list[SSEEvent]:
    """The events at `url`, all or the first `count`, by the sync or the async client."""
    events: list[SSEEvent] = []

    def enough(event: SSEEvent) -> bool:
        events.append(event)
        on_event(event)
        return len(events) == count

    def blocking() -> None:
        with connect(url, **options) as client:
            on_client(client)
            for event in client:
                if enough(event):
                    break

    async def awaiting() -> None:
        async with async_connect(url, **options) as client:
            on_client(client)
            async for event in client:
                if enough(event):
                    break
        # sse-starlette, called in-process, has a task that watches over the loop
        tasks = {task for task in asyncio.all_tasks() if "sse_starlette" not in repr(task)}
        assert tasks == {asyncio.current_task()}

    blocking() if world == "sync" else asyncio.run(awaiting(), debug=True)
    return events


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run_and_settle(main: Coroutine[Any, Any, T], debug: bool = True) -> T:
    """`asyncio.run`, which ends when the loop has no connection left: aiohttp closes those over TLS
    behind its `close()`, as its documentation says, and the loop's end would leave them open.
    """

    async def settling() -> T:
        result = await main
        selector: Any = getattr(asyncio.get_running_loop(), "_selector", None)
        deadline = time.monotonic() + 30
        while selector and len(selector.get_map()) > 1 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)  # but for the loop's own socket
        return result

    return asyncio.run(settling(), debug=debug)
