"""A scripted server on raw sockets: exact bytes at exact moments.

A script is run for each connection, the i-th script for the i-th one: a function that is given the `Connection`,
or just the bytes to answer a request with. A script that fails, a connection too many and a thread that does not
end fail the test when the server is closed. Nothing sleeps: scripts and tests wait for one another by `signal`.

    with Server(stream("data: hello\\n\\n", end="cut"), NO_CONTENT) as server:
        ...
    assert [request.target for request in server.requests] == ["/", "/"]
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import socket
import ssl
import struct
import tempfile
import threading
import traceback
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CERTS = Path(__file__).with_name("certs")
CA = str(CERTS / "ca.pem")
PATIENCE = 60.0  # seconds after which a wait counts as a hang; no passing test comes near


class Gone(Exception):
    """The peer has gone, or the server is being closed: the end of a script, not a failure of it."""


# Building answers


def head(*lines: str, status: str = "200 OK", type: str | None = "text/event-stream") -> bytes:
    """The head of an answer; `lines` are further header lines."""
    content_type = [] if type is None else [f"Content-Type: {type}"]
    fields = [f"HTTP/1.1 {status}", *content_type, *lines, "", ""]
    return "\r\n".join(fields).encode()


def encoded(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def chunk(data: str | bytes) -> bytes:
    data = encoded(data)
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


def answer(body: str | bytes = b"", *lines: str, status: str = "200 OK", type: str | None = None) -> bytes:
    """A whole answer, framed by its length. The type of a 200 is that of an event stream if not told."""
    body = encoded(body)
    if type is None:
        type = "text/event-stream" if status.startswith("200") else "text/plain"
    return head(f"Content-Length: {len(body)}", *lines, status=status, type=type) + body


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {location}", status=status)


def stream(*pieces: str | bytes, end: str = "clean", lines: tuple[str, ...] = ()) -> Script:
    """An event stream, each piece in a chunk of its own, that ends `clean`, `cut` (closed without the last
    chunk), by a `reset`, or `open`: it stays silent until the client goes away.
    """

    def script(conn: Connection) -> None:
        conn.send(head(CHUNKED, *lines), *map(chunk, pieces))
        if end == "clean":
            conn.send(LAST_CHUNK)
        elif end == "cut":
            conn.cut()
        elif end == "reset":
            conn.reset()
        else:
            conn.stall()

    return script


def silent(conn: Connection) -> None:
    """The script that never answers."""
    conn.stall()


# One connection


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        """The value of the one header of this name; None without one. Sent twice is a failure."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}


class Connection:
    """What a script holds: the server's end of one connection.

    `gone` is set once the client's end is seen to be closed. All methods raise `Gone` after that.
    """

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.request: Request
        self.gone = False
        self.handshake_error: Exception | None = None
        self._received = b""

    # Sending

    def send(self, *pieces: str | bytes) -> None:
        """Sends the pieces in one go."""
        try:
            self.sock.sendall(b"".join(map(encoded, pieces)))
        except (OSError, ValueError):
            raise self._mark_gone() from None

    def drip(self, data: str | bytes) -> None:
        """Sends byte by byte. No-delay is set, so that each is a packet of its own as far as the kernel allows."""
        data = encoded(data)
        for position in range(len(data)):
            self.send(data[position : position + 1])

    # Receiving

    def read(self) -> bytes:
        """Some bytes from the client; `Gone` at their end."""
        try:
            data = self.sock.recv(65536)
        except (OSError, ValueError):
            data = b""
        if not data:
            raise self._mark_gone()
        return data

    def read_request(self) -> Request:
        """The next request, which becomes `request`; `Gone` if the client leaves before it is complete."""
        buffer, self._received = bytearray(self._received), b""
        while b"\r\n\r\n" not in buffer:
            buffer += self.read()
        top, _, rest = buffer.partition(b"\r\n\r\n")
        start, *lines = top.decode("utf-8", "surrogateescape").split("\r\n")
        method, target, version = start.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        while len(rest) < length:
            rest += self.read()
        body, self._received = bytes(rest[:length]), bytes(rest[length:])
        raw = bytes(top) + b"\r\n\r\n" + body
        self.request = Request(method, target, version, headers, body, raw)
        self.server._note(self.server.requests.append, self.request)
        return self.request

    # Waiting

    def stall(self) -> None:
        """Says nothing until the client has gone or the server is closed."""
        while True:
            self.read()

    def wait(self, signal: str) -> None:
        """Waits until the test, or another script, has given the signal."""
        with self.server._changed:
            arrived = self.server._changed.wait_for(
                lambda: signal in self.server._signals or self.server._closing, PATIENCE
            )
            if self.server._closing:
                raise Gone
            assert arrived, f"no signal {signal!r}"

    # Ending, gently or not

    def close(self) -> None:
        """Ends the connection as a good server does, over TLS with a close_notify."""
        self._notify_close()
        self.sock.close()

    def cut(self) -> None:
        """Closes the TCP connection; over TLS without a close_notify."""
        self.sock.close()

    def half_close(self) -> None:
        """Ends only what is sent; reading goes on."""
        self._notify_close()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_WR)

    def reset(self) -> None:
        """Ends the connection by a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def start_tls(self, context: ssl.SSLContext | None = None) -> None:
        """Goes on in TLS, as the server behind a proxy's CONNECT does."""
        context = context or server_context("server")
        try:
            # The handshake is a step of its own, so that `sock` can be shut down while it lasts.
            self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
            self.sock.do_handshake()
        except (OSError, ValueError) as error:
            self.handshake_error = error
            raise self._mark_gone() from None

    def _notify_close(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            # Not blocking, so that close_notify is sent and the client's own is not waited for.
            with contextlib.suppress(OSError, ValueError):
                self.sock.settimeout(0)
                self.sock.unwrap()

    def _mark_gone(self) -> Gone:
        if not self.server._closing:
            self.server._note(setattr, self, "gone", True)
        return Gone()


Script = Callable[[Connection], None]


@cache
def server_context(certificate: str, client_ca: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / f"{certificate}.pem")
    if client_ca:
        context.load_verify_locations(CA)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# The server


class Server:
    """Listens on a port of its own and runs one script a connection.

    `tls` names the certificate in `certs/` (`True`: the good one); `family` is "ipv4", "ipv6" or "unix". A script
    finds the request already read; with `read=False` it calls `read_request` itself, or does not. With `repeat`
    the last script serves all further connections; without it they are failures.
    """

    def __init__(
        self,
        *scripts: Script | bytes,
        tls: bool | str = False,
        client_ca: bool = False,
        family: str = "ipv4",
        read: bool = True,
        repeat: bool = False,
    ) -> None:
        self.scripts = scripts
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.failures: list[str] = []
        self._certificate = "server" if tls is True else tls
        self._client_ca = client_ca
        self._read, self._repeat = read, repeat
        self._signals: set[str] = set()
        self._changed = threading.Condition(threading.RLock())
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._cleanup = contextlib.ExitStack()
        self._listener = self._listen(family)
        self._waker, self._wake = socket.socketpair()

    def _listen(self, family: str) -> socket.socket:
        scheme = "https" if self._certificate else "http"
        if family == "unix":
            if not hasattr(socket, "AF_UNIX"):
                raise unittest.SkipTest("no Unix sockets here")
            folder = self._cleanup.enter_context(tempfile.TemporaryDirectory())
            self.path = os.path.join(folder, "socket")
            self.url = f"{scheme}://localhost"
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path)
            listener.listen()
            return listener
        if family == "ipv6":
            try:
                listener = socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=100)
            except OSError as error:
                raise unittest.SkipTest(f"no IPv6 here: {error}") from None
        else:
            listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = listener.getsockname()[1]
        self.host = "[::1]" if family == "ipv6" else "127.0.0.1"
        self.authority = f"{self.host}:{self.port}"
        self.url = f"{scheme}://{self.authority}"
        return listener

    # For the test

    def signal(self, name: str) -> None:
        """Lets whoever waits for this signal go on, now and later."""
        self._note(self._signals.add, name)

    def wait(self, signal: str) -> None:
        self.wait_until(lambda: self.signalled(signal), f"signal {signal!r}")

    def signalled(self, name: str) -> bool:
        return name in self._signals

    def wait_requests(self, count: int) -> None:
        self.wait_until(lambda: len(self.requests) >= count, f"{count} requests")

    def wait_connections(self, count: int) -> None:
        self.wait_until(lambda: len(self.connections) >= count, f"{count} connections")

    def wait_gone(self, count: int) -> None:
        """Waits until the client has been seen to leave `count` connections. Scripts that stall see that."""
        self.wait_until(lambda: sum(c.gone for c in self.connections) >= count, f"{count} ends")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: condition() or self.failures, PATIENCE):
                raise AssertionError(f"waited in vain for {what}")
            self._raise_failures()

    # Life

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all scripts and connections and raises what went wrong in them."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    # Wakes the script's thread; SSLSocket's own shutdown() would not leave it a sane socket.
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
        self._wake.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                self.failures.append(f"{thread.name} does not end")
        self._listener.close()
        self._waker.close()
        self._cleanup.close()
        self._raise_failures()

    def _raise_failures(self) -> None:
        if self.failures:
            failures, self.failures = self.failures, []
            raise AssertionError("the server's script failed:\n" + "\n".join(failures))

    def _note(self, change: Callable[..., Any], *args: Any) -> None:
        with self._changed:
            change(*args)
            self._changed.notify_all()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name=f"server {target.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._waker], [], [])
            if self._waker in ready:
                return
            sock, _ = self._listener.accept()
            with self._changed:
                connection = Connection(self, sock)
                number = len(self.connections)
                self._note(self.connections.append, connection)
                if self._closing:
                    sock.close()
                elif number < len(self.scripts) or (self._repeat and self.scripts):
                    script = self.scripts[min(number, len(self.scripts) - 1)]
                    self._start(self._serve, connection, script)
                else:
                    sock.close()
                    self._note(self.failures.append, f"connection {number + 1} was not expected")

    def _serve(self, connection: Connection, script: Script | bytes) -> None:
        try:
            with contextlib.suppress(OSError):  # a Unix socket knows no such option
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._certificate:
                connection.start_tls(server_context(self._certificate, self._client_ca))
            if self._read:
                connection.read_request()
            if isinstance(script, bytes):
                connection.send(script)
            else:
                script(connection)
            if connection.sock.fileno() >= 0:
                connection.close()
        except Gone:
            pass
        except Exception:
            self._note(self.failures.append, traceback.format_exc())
        finally:
            connection.sock.close()


@contextlib.contextmanager
def unanswered_port() -> Iterator[int]:
    """A port whose connects stay unanswered: its backlog is full. (As Linux does it: others refuse or accept.)"""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@cache
def refused_port() -> int:
    """A port on which nobody listens. It stays bound, since a port that is merely free may be taken meanwhile,
    even by the very connect that is to fail.
    """
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    atexit.register(holder.close)
    return int(holder.getsockname()[1])
