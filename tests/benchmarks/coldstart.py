"""Cold start: from the start of an interpreter to the first event in a program's hands.

That is what a function of a cloud provider pays, or a command line. Each program is as short as it
can be, and ends without cleaning up after its first event. "Without bytecode" is how the modules
start from a folder that cannot be written to if nobody has compiled them; the standard library is
compiled all the same. CPU time is judged: it contains everything but the answer of the server, and
does not count what other processes do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from math import inf
from typing import NamedTuple

import peers
from measure import OURS, Row, Section, at_most, turns
from processes import CERTS, ROOT, Workspace

SLOW = 80.0  # ms of CPU time; a peer that takes longer is measured once
END = "import os; os.write(1, b'.'); os._exit(0)"
BARE = """
import socket
sock = socket.create_connection(({host!r}, {port}))
{wrap}
sock.sendall({request!r})
while b"data:" not in sock.recv(65536): pass
{end}"""
WRAP = """
import ssl
context = ssl.create_default_context(cafile={cafile!r})
sock = context.wrap_socket(sock, server_hostname={host!r})"""
SYNC = """
from sse import connect
with connect({url!r}, verify={verify!r}) as events:
    next(events)
    {end}"""
ASYNC = """
import asyncio
from sse import async_connect
async def main():
    async with async_connect({url!r}, verify={verify!r}) as events:
        await anext(events)
        {end}
asyncio.run(main())"""
# What httpx and httpx2 take; False spares them the certificates of the system.
CONTEXT = """
import ssl
context = ssl.create_default_context(cafile={cafile!r}) if {cafile!r} else False"""
PROGRAMS = {
    "httpx-sse": """
import httpx, httpx_sse
{context}
client = httpx.Client(verify=context, timeout=300)
with httpx_sse.connect_sse(client, "GET", {url!r}) as source:
    next(iter(source.iter_sse()))
    {end}""",
    "launchdarkly": """
import urllib3
from ld_eventsource import SSEClient
from ld_eventsource.config import ConnectStrategy
pool = urllib3.PoolManager(ca_certs={cafile!r})
for event in SSEClient(ConnectStrategy.http({url!r}, pool=pool)).events:
    {end}""",
    "sseclient-py": """
import requests, sseclient
response = requests.get({url!r}, stream=True, verify={verify!r})
for event in sseclient.SSEClient(response).events():
    {end}""",
    "requests-sse": """
from requests_sse import EventSource
with EventSource({url!r}, verify={verify!r}) as source:
    next(iter(source))
    {end}""",
    "httpx2": """
import httpx2
{context}
with httpx2.Client(verify=context, timeout=300).sse({url!r}) as source:
    next(iter(source))
    {end}""",
    "niquests": """
import niquests
response = niquests.get({niquests_url!r}, verify={verify!r})
response.extension.next_payload()
{end}""",
    "wreq + sse": """
from pathlib import Path
from sse import EventSource
from wreq import blocking
client = blocking.Client(tls_verify=Path({cafile!r}) if {cafile!r} else False)
with client.get({url!r}) as response, response.stream() as chunks:
    next(iter(EventSource.from_chunks(chunks)))
    {end}""",
    "pyreqwest + sse": """
from pyreqwest.client import SyncClientBuilder
from sse import EventSource
builder = SyncClientBuilder()
if {cafile!r}:
    builder = builder.add_root_certificate_pem(open({cafile!r}, "rb").read())
request = builder.build().get({url!r}).streamed_read_buffer_limit(0)
with request.build_streamed() as response:
    next(iter(EventSource.from_chunks(iter(response.body_reader.read_chunk, None))))
    {end}""",
}


class Start(NamedTuple):
    wall: float  # ms from the start of the process to the first event
    cpu: float  # ms of CPU time of the whole process


def run(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    rounds = 3 if quick else 40
    versions = {name: str(path) for name, path in space.versions.items()}
    source = {OURS: ROOT, peers.BEFORE: space.before}
    raw = {n: str(space.copy(source[n], f"{n}-source", compiled=False)) for n in versions}
    with space.server(space.acks()) as plain, space.server(space.acks(), tls=True) as secure:
        programs = {("python alone", "floor"): ("", END)}
        for case, url in (("plain", plain), ("TLS with one CA file", secure)):
            values = fill(f"{url}/idle", secure=url is secure)
            programs[f"{case}, sync", "floor"] = ("", BARE.format(**values))
            for name, path in versions.items():
                programs[f"{case}, sync", name] = (path, SYNC.format(**values))
                programs[f"{case}, async", name] = (path, ASYNC.format(**values))
                programs[f"{case}, sync, without bytecode", name] = (
                    raw[name],
                    SYNC.format(**values),
                )
            for name in found:
                if name in PROGRAMS:
                    code = PROGRAMS[name].format(**values)
                    programs[f"{case}, sync", name] = (versions[OURS], code)
        unverified = fill(f"{secure}/idle", secure=True) | {"verify": False}
        for name, path in versions.items():
            programs["TLS, verify=False, sync", name] = (path, SYNC.format(**unverified))
        best = dict.fromkeys(programs, Start(inf, inf))
        for turn in turns(list(programs), rounds):
            for key in turn:
                if key[1] in PROGRAMS and SLOW < best[key].cpu < inf:
                    continue
                try:
                    start = started(*programs[key])
                except subprocess.SubprocessError as error:
                    print(f"  {' '.join(key)}: {error}", flush=True)
                    continue
                best[key] = Start(*map(min, best[key], start))
    return [Section("Cold start, from exec to the first event", rows(best))]


def fill(url: str, secure: bool) -> dict[str, object]:
    """What the programs are filled with."""
    rest = url.partition("://")[2]
    authority = rest.partition("/")[0]
    host, _, port = authority.partition(":")
    cafile = str(CERTS / "ca.pem") if secure else None
    return {
        "url": url,
        "niquests_url": f"{'sse' if secure else 'psse'}://{rest}",
        "host": host,
        "port": int(port),
        "request": f"GET /idle HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode(),
        "cafile": cafile,
        "verify": cafile or True,
        "context": CONTEXT.format(cafile=cafile),
        "wrap": WRAP.format(cafile=cafile, host=host) if secure else "",
        "end": END,
    }


def started(path: str, code: str) -> Start:
    """Run a program until it writes its first byte."""
    # Isolated, but with site packages, as programs have them; nothing is compiled on the way.
    insert = f"import sys; sys.path.insert(0, {path!r})\n" if path else ""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", insert + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdout is not None and process.stderr is not None
    byte = process.stdout.read(1)
    wall = time.perf_counter() - begin
    error = b"" if byte else process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if not byte:
        raise subprocess.SubprocessError(error.decode(errors="replace").strip()[-300:])
    return Start(wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3)


def rows(best: dict[tuple[str, str], Start]) -> list[Row]:
    alone = best["python alone", "floor"]
    out = []
    for case in dict.fromkeys(case for case, _ in best):
        starts = {n: start for (c, n), start in best.items() if c == case and start.wall < inf}
        cpu = Row(f"{case}, CPU", "ms", {name: start.cpu for name, start in starts.items()})
        wall = Row(f"{case}, on the clock", "ms", {n: start.wall for n, start in starts.items()})
        bound = {"plain, sync": 13.0, "TLS with one CA file, sync": 22.0}.get(case)
        if bound is not None and OURS in starts:
            over = starts[OURS].cpu - alone.cpu
            cpu.targets.append(at_most(bound, over, "ms over python alone"))
            cpu.chart = f"Cold start to the first event, {case}, CPU"
        out += [cpu, wall]
    return out
