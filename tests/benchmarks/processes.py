"""Starting and ending the processes that benchmarks talk to: servers, client workers."""

from __future__ import annotations

import json
import os
import py_compile
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import OURS, turns
from peers import BEFORE

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CERTS = HERE.parent / "certs"
# What would send loopback traffic through a proxy, or make a library trust other certificates.
UNWANTED = ("_proxy", "_ca_bundle", "ssl_cert_file", "ssl_cert_dir", "pythonpath")


class Failed(Exception):
    """A worker could not do what it was told."""


@contextmanager
def awake() -> Iterator[None]:
    """Keep the processors awake, by processes that give way to all others.

    A client that waits for each event lets its processor fall asleep. In a virtual machine it costs
    much to wake one up, whoever does it, and what runs next finds cold caches: an event over TLS
    took 1.8 times as long as beside this, what is measured beside it 1.4 times, and no two runs
    agreed.
    """
    spin = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile 1: 1"
    if not hasattr(os, "SCHED_IDLE"):
        spin = "import os; getattr(os, 'nice', int)(19)\nwhile 1: 1"
    processes = [subprocess.Popen([sys.executable, "-S", "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Workspace:
    """A temporary directory: the counters, and compiled copies of the modules.

    `before`: a directory with another version of them, which becomes a candidate of its own.
    """

    def __init__(self, before: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="sse-bench-"))
        self.versions = {OURS: self.copy(ROOT, OURS)}
        self.modules = self.versions[OURS]
        self.before = before
        if before is not None:
            self.versions[BEFORE] = self.copy(before, BEFORE)
        self._counter = 0
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith(UNWANTED)}
        self.environment = kept | {"PYTHONPATH": str(self.modules), "PYTHONWARNINGS": "ignore"}

    def copy(self, source: Path, name: str, compiled: bool = True) -> Path:
        """The modules in a directory of their own."""
        modules = self.path / f"modules-{name}"
        modules.mkdir()
        for file in ("sse.py", "httpclient.py"):
            if (source / file).exists():
                shutil.copy(source / file, modules)
                if compiled:
                    py_compile.compile(str(modules / file), doraise=True)
        return modules

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def acks(self) -> str:
        """A new counter for a server and its clients to share."""
        self._counter += 1
        path = self.path / f"acks-{self._counter}"
        path.write_bytes(bytes(8))
        return str(path)

    @contextmanager
    def server(self, acks: str, tls: bool = False) -> Iterator[str]:
        """A server process; gives the beginning of its URLs."""
        command = [
            sys.executable,
            str(HERE / "server.py"),
            acks,
            *([str(CERTS / "server.pem")] if tls else []),
        ]
        process = self.start(command)
        try:
            yield f"http{'s' * tls}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            stop(process)

    @contextmanager
    def worker(
        self, kind: str, candidate: str, acks: str, tls: bool = False, silence: float = 300.0
    ) -> Iterator[Client]:
        """A client process for one candidate; `silence`: seconds of it that end a stream, 0 for no limit."""
        cafile = [str(CERTS / "ca.pem")] if tls else []
        # A worker loads the version that PYTHONPATH names, and knows one name for all of them.
        modules = self.versions.get(candidate, self.modules)
        known = OURS if candidate == BEFORE else candidate
        arguments = [kind, known, acks, str(silence), *cafile]
        process = self.start([sys.executable, str(HERE / "worker.py"), *arguments], modules)
        try:
            yield Client(process)
        finally:
            stop(process)

    def start(self, command: list[str], modules: Path | None = None) -> Any:
        environment = self.environment | ({"PYTHONPATH": str(modules)} if modules else {})
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment, bufsize=1
        )


def stop(process: Any) -> None:
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


class Client:
    def __init__(self, process: Any) -> None:
        self._process = process

    def call(self, do: str, *, limit: float = 120.0, **arguments: Any) -> dict[str, Any]:
        """Tell the worker to do something; `TimeoutError`, and its end, if that takes too long."""
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(limit):
                self._process.kill()
                raise TimeoutError(f"{do} took more than {limit:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the client process died")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer


def take_turns(
    workers: dict[Any, Client], rounds: int, do: str, *, remark: str = "", **arguments: Any
) -> dict[Any, list[dict[str, Any]]]:
    """The same command to every worker, in turns. One that fails is named and left out from then on."""
    answers: dict[Any, list[dict[str, Any]]] = {key: [] for key in workers}
    for turn in turns(list(workers), rounds):
        for key in turn:
            if key not in answers:
                continue
            try:
                answers[key].append(workers[key].call(do, **arguments))
            except (Failed, TimeoutError, OSError) as error:
                print(f"  {' '.join(key)}: {remark or do} failed: {error}", flush=True)
                del answers[key]
    return answers
