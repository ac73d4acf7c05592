"""The server of the network benchmarks, a process of its own: `server.py ACKS [CERTIFICATE]` prints its port.

One blocking thread per connection, because that is the cheapest way to one `send` per event. What it sends is
chosen by the path:

    /bulk?n=&size=     n events of `size` characters, an HTTP chunk each, in as few sends as the kernel takes
    /single?n=&size=   the same, but each event is sent only after the client has taken the one before it
    /latency?n=        the same, the data being the time of the send
    /slow?n=&every=    n events that carry the time of their send, one every `every` seconds
    /flood             events for as long as the client takes them
    /idle              one event, then silence

"Has taken" is learned from ACKS, a file of eight bytes that the client maps into its memory and counts up: an
answer over the network would cost the client more than some of what is measured.
"""

from __future__ import annotations

import mmap
import os
import resource
import socket
import ssl
import sys
import threading
import time
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
END = b"0\r\n\r\n"
PATIENCE = 10.0  # seconds without an answer after which a client counts as gone

idle: list[socket.socket] = []


def event(data: str) -> bytes:
    return b"data: %s\n\n" % data.encode()


def chunk(block: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(block), block)


@lru_cache
def text(size: int) -> str:
    """JSON of `size` characters, as language models send it word by word."""
    start = '{"id":"chatcmpl-9x","object":"chat.completion.chunk","choices":[{"delta":{"content":"'
    end = '"}}]}'
    return f"{start}{'x' * (size - len(start) - len(end))}{end}"


@lru_cache
def bulk(n: int, size: int) -> bytes:
    return HEAD + chunk(event(text(size))) * n + END


def serve(sock: socket.socket, acks: memoryview, context: ssl.SSLContext | None) -> None:
    keep = False
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        request = b""
        while b"\r\n\r\n" not in request:
            received = sock.recv(65536)
            if not received:
                return
            request += received
        url = urlsplit(request.split(b" ", 2)[1].decode())
        keep = url.path == "/idle"
        answer(sock, url.path, dict(parse_qsl(url.query)), acks)
    except OSError:
        pass  # clients leave as soon as they have what they wanted
    finally:
        if keep:
            idle.append(sock)
        else:
            sock.close()


def answer(sock: socket.socket, path: str, query: dict[str, str], acks: memoryview) -> None:
    n, size = int(query.get("n", 0)), int(query.get("size", 180))
    if path == "/bulk":
        sock.sendall(bulk(n, size))
    elif path == "/idle":
        sock.sendall(HEAD + chunk(event("first")))
    elif path == "/flood":
        block = bulk(2000, 180)[len(HEAD) : -len(END)]
        sock.sendall(HEAD)
        while True:
            sock.sendall(block)
    elif path == "/slow":
        every = float(query["every"])
        sock.sendall(HEAD)
        for _ in range(n):
            time.sleep(every)
            sock.sendall(chunk(event(str(time.monotonic_ns()))))
        sock.sendall(END)
    else:
        start, same = HEAD, chunk(event(text(size)))
        for i in range(n):
            # The head goes out with the first event, so that for a bare `recv` each read is one event.
            sock.sendall(start + (same if path == "/single" else chunk(event(str(time.monotonic_ns())))))
            start = b""
            patience = time.monotonic() + PATIENCE
            while acks[0] <= i:
                if time.monotonic() > patience:
                    return
                time.sleep(20e-6)
        sock.sendall(END)


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open(sys.argv[1], "r+b") as file:
        acks = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    threading.Thread(target=accept, args=(listener, acks, context), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()  # ends with the parent, however that ends
    os._exit(0)


def accept(listener: socket.socket, acks: memoryview, context: ssl.SSLContext | None) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, acks, context), daemon=True).start()


if __name__ == "__main__":
    main()
