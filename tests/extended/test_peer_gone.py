"""Keepalive finds that the peer is gone: its packets are dropped by a real packet filter, in a
network namespace of the test's own, and nobody hangs up.

The program below runs in that namespace, for one scenario. With keepalive's own limits the system
would take two minutes to find out; here it takes three seconds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import httpclient
import sse
from tests.server import CA, CHUNKED, Connection, Server, chunk, head

NAMESPACE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
PHASES = ("reading", "reading over TLS", "reading without a limit", "head")


@pytest.mark.needs("unshare", "ip", "nft")
@pytest.mark.parametrize("phase", PHASES)
def test_peer_gone(phase: str, world: str) -> None:
    if subprocess.run([*NAMESPACE, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs unshare to be allowed")
    program = [sys.executable, "-m", "tests.extended.test_peer_gone", world, phase]
    done = subprocess.run(
        [*NAMESPACE, *program],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told, first, last = done.stdout.splitlines()
    assert "Connection timed out" in told  # the system's words, not those of a limit of ours
    assert (first, last) == (("", "2") if phase == "head" else ("1", "2"))


def script(conn: Connection) -> None:
    number = len(conn.server.connections)
    if conn.request.target == "/head" and number == 1:
        conn.server.signal("asked")
    else:
        conn.send(head(CHUNKED), chunk(f"data: {number}\n\n"))
    conn.stall()


def main(world: str, phase: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    short = {socket.TCP_KEEPIDLE: 1, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 2}
    httpclient._SETTINGS = [
        (level, option, short.get(option, value) if level == socket.IPPROTO_TCP else value)
        for level, option, value in httpclient._SETTINGS
    ]
    told: list[str] = []
    with Server(script, repeat=True, tls="TLS" in phase) as server:

        def cut() -> None:
            chain = "type filter hook input priority 0; tcp dport"
            table = f"add table inet cut {{ chain input {{ {chain} {server.port} drop; }}; }}"
            subprocess.run(["nft", table], check=True)

        def mend(error: Any, wait: Any) -> None:
            told.append(str(error))
            subprocess.run(["nft", "delete table inet cut"], check=True)

        def cut_when_asked() -> None:
            server.wait("asked")
            cut()

        options: dict[str, Any] = {
            "on_error": mend, "retry_interval": 1, "verify": CA, "max_retries": 1, "timeout": None,
            "idle_timeout": None if "limit" in phase else 300.0,
        }  # fmt: skip
        waiting = threading.Thread(target=cut_when_asked)
        if phase == "head":
            waiting.start()
        events = follow(world, f"{server.url}/{phase[:4]}", phase, cut, options)
    if phase == "head":
        waiting.join()
    print(*told, *events, sep="\n")


def follow(world: str, url: str, phase: str, cut: Any, options: dict[str, Any]) -> list[str]:
    """The data of the event before the connection is cut, and of the one after it."""
    first = ""
    if world == "sync":
        with sse.connect(url, **options) as client:
            if phase != "head":
                first = next(client).data
                cut()
            return [first, next(client).data]

    async def following() -> list[str]:
        first = ""
        async with sse.async_connect(url, **options) as client:
            if phase != "head":
                first = (await anext(client)).data
                cut()
            return [first, (await anext(client)).data]

    return asyncio.run(following())


if __name__ == "__main__":
    main(*sys.argv[1:])
