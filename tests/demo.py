"""What a reconnecting client is for, in three seconds: `python3 tests/demo.py`.

A server in this process breaks the connection in the middle of an event. The client comes back, says by
`Last-Event-ID` what it has seen, gets the rest, and stops when the server answers 204. The left column tells who
speaks. No network, nothing installed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sse import connect

NEWS = ["doors open", "band on stage", "first song", "second song\n(with a guest)", "encore", "lights on"]
PACE = 0.2  # seconds between two events


class News(BaseHTTPRequestHandler):
    """Sends three of the news after the last one seen; the first time it hangs up in the middle of the fourth."""

    protocol_version = "HTTP/1.1"
    cut_already = False

    def do_GET(self) -> None:
        last = self.headers["Last-Event-ID"]
        say("server", f"asked for {self.path}" + (f", Last-Event-ID: {last}" if last else ""))
        seen = int(last or 0)
        if seen == len(NEWS):
            say("server", "answers 204: there will be no more")
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.send("retry: 500\n: come back after half a second\n\n")
        for number in range(seen + 1, seen + 4):
            time.sleep(PACE)
            self.send(event(number))
        time.sleep(PACE)
        if not News.cut_already:
            News.cut_already = True
            say("server", f"hangs up in the middle of event {seen + 4}")
            self.send(event(seen + 4)[:20])
            self.close_connection = True  # and the chunk that marks the end is never sent
        else:
            say("server", "ends the stream")
            self.wfile.write(b"0\r\n\r\n")

    def send(self, text: str) -> None:
        piece = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def log_message(self, format: str, *args: object) -> None:
        pass


def event(number: int) -> str:
    data = "".join(f"data: {line}\n" for line in NEWS[number - 1].split("\n"))
    return f"event: news\nid: {number}\n{data}\n"


def say(who: str, what: str) -> None:
    print(f"{who:8}{what}", flush=True)


def on_open(response: Any) -> None:
    say("client", f"connected: {response.status_code} {response.reason}")


def on_error(error: BaseException | None, delay: float | None) -> None:
    say("client", f"lost: {error or 'a clean end'}; trying again in {delay} s")


def follow(url: str) -> None:
    with connect(url, proxy="", on_open=on_open, on_error=on_error) as events:
        for event in events:
            say("client", f"  id {event.id}  {event.event}: {event.data!r}")
    assert events.response is not None
    say("client", f"the end: {events.response.status_code} after event {events.last_event_id}")


def main() -> None:
    logging.getLogger("sse").setLevel(logging.ERROR)  # its warning says what on_error says here
    with ThreadingHTTPServer(("127.0.0.1", 0), News) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            follow(f"http://127.0.0.1:{server.server_port}/news")
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main()
