"""`layouts.py WHEEL`: the ways in which people get the two files into their programs, each tried by
a few lines against a local server: installed from the wheel into an empty environment, copied side by
side, copied into a package, either frozen into one file by PyInstaller, and sse.py copied alone.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import venv
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SOURCE = Path(__file__).parent.parent
PROGRAM = """
with {connect}("{url}") as events:
    for event in events:
        print(event.id, event.event, event.data)
"""
ASYNC_PROGRAM = """
import asyncio
async def main():
    async with {connect}("{url}") as events:
        async for event in events:
            print(event.id, event.event, event.data)
asyncio.run(main())
"""
EXPECTED = "1 greeting hello\n2 message world\n"


class Feed(BaseHTTPRequestHandler):
    """Two events, one on each connection; then it is over."""

    def do_GET(self) -> None:
        seen = self.headers.get("Last-Event-ID", "0")
        if seen == "2":
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        events = {"0": b"retry: 1\nevent: greeting\nid: 1\ndata: hello\n\n", "1": b"id: 2\ndata: world\n\n"}
        self.wfile.write(events[seen])

    def log_message(self, format: str, *args: object) -> None:
        pass


def run(*command: object, cwd: Path, fails: bool = False, seconds: int = 60) -> tuple[str, str]:
    """What a command prints. It sees nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
    if (done.returncode != 0) is not fails:
        sys.exit(f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def expect(what: str, got: object, expected: object) -> None:
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")
    print(f"{what}: ok")


def installed(wheel: Path, folder: Path, url: str) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expect("the wheel holds", names, {"sse.py", "httpclient.py"})
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", wheel, cwd=folder)
    imports = "from sse import connect, async_connect\n"
    for name, program in {"sync": PROGRAM, "async": ASYNC_PROGRAM}.items():
        text = program.format(connect="connect" if name == "sync" else "async_connect", url=url)
        out, err = run(python, "-W", "error", "-c", imports + text, cwd=folder)
        expect(f"installed, {name}", (out, err), (EXPECTED, ""))
    versions = "import sse, importlib.metadata as m; print(sse.__version__, m.version('stdlib-sse'))"
    module, distribution = run(python, "-c", versions, cwd=folder)[0].split()
    expect("version of module and distribution", module, distribution)
    command = folder / "venv/bin/sse"
    expect("sse --help", run(command, "--help", cwd=folder)[0].startswith("usage: "), True)
    out, _ = run(command, "--format", "data", url, cwd=folder)
    expect("sse URL", out.split(), ["hello", "world"])


def copied(folder: Path, url: str) -> None:
    flat, tree = folder / "flat", folder / "tree"
    vendor = tree / "myapp/vendor"
    for place in (flat, vendor):
        place.mkdir(parents=True)
        for module in ("sse.py", "httpclient.py"):
            shutil.copy(SOURCE / module, place)
    for package in (vendor, vendor.parent):
        (package / "__init__.py").touch()
    for name, top, module in (("side by side", flat, "sse"), ("into a package", tree, "myapp.vendor.sse")):
        both = ""
        for connect, program in {"connect": PROGRAM, "async_connect": ASYNC_PROGRAM}.items():
            text = f"from {module} import {connect}\n" + program.format(connect=connect, url=url)
            both += text
            (top / "program.py").write_text(text)
            out, err = run(sys.executable, "-W", "error", "program.py", cwd=top)
            expect(f"copied {name}, {connect}", (out, err), (EXPECTED, ""))
        if can_freeze():
            frozen(name, top, both)
        out, _ = run(sys.executable, "-m", module, "--format", "data", url, cwd=top)
        expect(f"python -m {module} URL", out.split(), ["hello", "world"])
    out, _ = run(sys.executable, "sse.py", "--format", "data", url, cwd=flat)
    expect("python sse.py URL", out.split(), ["hello", "world"])


def can_freeze() -> bool:
    """PyInstaller puts Python's shared library into the program; not every Python has one."""
    folder, name = map(sysconfig.get_config_var, ("LIBDIR", "INSTSONAME"))
    shared = sysconfig.get_config_var("Py_ENABLE_SHARED") and os.path.exists(f"{folder}/{name}")
    return bool(shared) and importlib.util.find_spec("PyInstaller") is not None


def frozen(name: str, top: Path, text: str) -> None:
    """One file that runs where there is nothing else: what it imports is found by reading the source."""
    (top / "program.py").write_text(text)
    options = ("--onefile", "--log-level", "ERROR")
    run(sys.executable, "-m", "PyInstaller", *options, "program.py", cwd=top, seconds=300)
    elsewhere = top / "elsewhere"
    elsewhere.mkdir()
    shutil.move(top / "dist/program", elsewhere)
    out, err = run(elsewhere / "program", cwd=elsewhere)
    expect(f"copied {name}, frozen", (out, err), (EXPECTED * 2, ""))


def alone(folder: Path, url: str) -> None:
    (folder / "alone").mkdir()
    shutil.copy(SOURCE / "sse.py", folder / "alone")
    program = "from sse import EventSource\nprint([e.data for e in EventSource(['data: a', ''])])"
    expect("alone, lines", run(sys.executable, "-c", program, cwd=folder / "alone")[0], "['a']\n")
    program = f"from sse import connect\nconnect({url!r})"
    _, err = run(sys.executable, "-c", program, cwd=folder / "alone", fails=True)
    last = err.strip().splitlines()[-1]
    expect("alone, a client: names what is missing", "ImportError" in last and "httpclient.py" in last, True)


def main() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Feed) as server, tempfile.TemporaryDirectory() as name:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/events"
        installed(Path(sys.argv[1]).resolve(), Path(name), url)
        copied(Path(name), url)
        alone(Path(name), url)
        server.shutdown()
    if not can_freeze():
        print("NOT FROZEN: PyInstaller or the shared library of this Python is missing")


main()
