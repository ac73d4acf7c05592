"""Other libraries' clients as `transport=`, and their open answers in `from_response`.

Each scenario runs over each library that is installed, blocking and asynchronous. niquests replaces
the urllib3 of its environment, so that it needs one of its own.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import importlib
import re
import signal
import ssl
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from conftest import run_and_settle

from sse import (
    AsyncEventSource,
    EventSource,
    SSEConnectionError,
    SSEContentTypeError,
    SSEEvent,
    SSEHTTPError,
    async_connect,
    connect,
)
from tests.server import (
    CA,
    CHUNKED,
    LAST_CHUNK,
    NO_CONTENT,
    Connection,
    Server,
    answer,
    chunk,
    head,
    silent,
    stream,
)


def imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"needs {name}")


@dataclass(frozen=True)
class Library:
    name: str
    kind: str  # the class of its client
    asynchronous: bool

    def __str__(self) -> str:
        return f"{self.name}.{self.kind}"

    def client(self, *, trust: str | None = None, seconds: float | None = None) -> Any:
        """A client that trusts a CA, with time limits of its own."""
        module = imported(self.name)
        make = getattr(module, self.kind)
        context = None if trust is None else ssl.create_default_context(cafile=trust)
        if self.name == "aiohttp":
            options = (
                {}
                if seconds is None
                else {"timeout": module.ClientTimeout(sock_read=seconds, total=seconds)}
            )
            return make(connector=module.TCPConnector(ssl=context or True), **options)
        if self.name in ("httpx", "httpx2"):
            return make(verify=context or True, timeout=5 if seconds is None else seconds)
        session = make()
        session.trust_env = False
        session.verify = trust or True
        return session

    def follow(self, url: str, with_client: Callable[[Any], object] = lambda client: None,
               with_events: Callable[[Any, SSEEvent], object] = lambda events, event: None,
               made: dict[str, Any] | None = None, **options: Any) -> list[SSEEvent]:  # fmt: skip
        """All the events at `url`, by a client of this library; `with_events` is told of each."""
        seen: list[SSEEvent] = []
        options.setdefault("max_retries", 5)

        def follow() -> None:
            with self.client(**made or {}) as client:
                with_client(client)
                with connect(url, transport=client, **options) as events:
                    for event in events:
                        seen.append(event)
                        with_events(events, event)

        async def awaiting() -> None:
            async with self.client(**made or {}) as client:
                with_client(client)
                async with async_connect(url, transport=client, **options) as events:
                    async for event in events:
                        seen.append(event)
                        with_events(events, event)

        if self.asynchronous:
            run_and_settle(awaiting())
        else:
            follow()
        return seen

    def read(self, url: str, with_event: Callable[[SSEEvent], object] = lambda event: None,
             **options: Any) -> list[SSEEvent]:  # fmt: skip
        """The events of one open answer, by `from_response`; `with_event` is called with each."""
        seen: list[SSEEvent] = []

        def take(event: SSEEvent) -> None:
            seen.append(event)
            with_event(event)

        async def awaiting() -> None:
            async with self.client() as client:
                response = await self.open(client, url)
                try:
                    made: Any = AsyncEventSource.from_response(response, **options)
                    async for event in await made if hasattr(made, "__await__") else made:
                        take(event)
                finally:
                    done = response.aclose() if hasattr(response, "aclose") else response.close()
                    if hasattr(done, "__await__"):
                        await done

        if self.asynchronous:
            run_and_settle(awaiting())
        else:
            with self.client() as client, closing(self.open(client, url)) as response:
                for event in EventSource.from_response(response, **options):
                    take(event)
        return seen

    def open(self, client: Any, url: str, **options: Any) -> Any:
        if self.name in ("httpx", "httpx2"):
            return client.send(client.build_request("GET", url), stream=True)
        return client.get(url) if self.name == "aiohttp" else client.get(url, stream=True, **options)


LIBRARIES = [
    Library("requests", "Session", False), Library("niquests", "Session", False),
    Library("httpx", "Client", False), Library("httpx2", "Client", False),
    Library("httpx", "AsyncClient", True), Library("httpx2", "AsyncClient", True),
    Library("niquests", "AsyncSession", True), Library("aiohttp", "ClientSession", True),
]  # fmt: skip


def installed(request: pytest.FixtureRequest) -> Library:
    chosen: Library = request.param
    imported(chosen.name)
    return chosen


BLOCKING = [library for library in LIBRARIES if not library.asynchronous]
AWAITED = [library for library in LIBRARIES if library.asynchronous]
library = pytest.fixture(params=LIBRARIES, ids=str, name="library")(installed)
blocking = pytest.fixture(params=BLOCKING, ids=str, name="blocking")(installed)
awaited = pytest.fixture(params=AWAITED, ids=str, name="awaited")(installed)


def event(name: str) -> str:
    return f"id: {name}\ndata: {name}\n\n"


def data(events: list[SSEEvent]) -> list[str]:
    return [event.data for event in events]


def gzip_singly(*parts: str) -> list[bytes]:
    """Each part flushed for itself, and the end."""
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(part.encode()) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*pieces, packer.flush()]


def in_step(framing: str, coding: str) -> Callable[[Connection], None]:
    """Three events, each sent when the one before was seen: who holds one back waits for ever."""

    def script(conn: Connection) -> None:
        parts = [event("1"), event("2"), event("3")]
        pieces = gzip_singly(*parts) if coding else [part.encode() for part in parts]
        lines = ["Content-Encoding: gzip"] if coding else []
        lines += {
            "chunked": [CHUNKED],
            "close": [],
            "length": [f"Content-Length: {sum(map(len, pieces))}"],
        }[framing]
        conn.send(head(*lines))
        for number, piece in enumerate(pieces):
            if number in (1, 2):
                conn.wait(str(number))
            conn.send(chunk(piece) if framing == "chunked" else piece)
        if framing == "chunked":
            conn.send(LAST_CHUNK)
        elif framing == "close":
            conn.cut()

    return script


FRAMINGS = pytest.mark.parametrize("framing", ["chunked", "length", "close"])
CODINGS = pytest.mark.parametrize("coding", ["", "gzip"], ids=["identity", "gzip"])


class TestTransport:
    def test_request(self, library: Library) -> None:
        def prepare(client: Any) -> None:
            if library.name != "aiohttp":  # whose headers are given when it is made
                client.headers.update({"X-Own": "client", "X-Both": "client"})

        with Server(answer(event("1")), NO_CONTENT) as server:
            headers = {"X-Both": "request", "accept": "text/*"}
            library.follow(
                server.url + "/a?b=c", prepare,
                method="POST", json={"a": 1}, headers=headers, last_event_id="ž1",
                reconnect=True, retry_interval=1,
            )  # fmt: skip
        for request in server.requests:
            assert (request.method, request.target, request.body) == ("POST", "/a?b=c", b'{"a":1}')
            assert request.header("Accept") == "text/*"
            assert request.header("Cache-Control") == "no-cache"
            assert request.header("Accept-Encoding") == "identity"
            assert request.header("Content-Type") == "application/json"
            assert request.header("X-Both") == "request"
            if library.name != "aiohttp":
                assert request.header("X-Own") == "client"
        assert [request.header("Last-Event-ID") for request in server.requests] == ["ž1", "1"]

    def test_accept_of_the_client(self, library: Library) -> None:
        """It stands if it names an event stream, among others: MCP servers want that."""
        both = "application/json, text/event-stream"

        def prepare(own: str, client: Any) -> None:
            if library.name == "aiohttp":  # whose headers are given when it is made
                client._default_headers["Accept"] = own
            else:
                client.headers["Accept"] = own

        for own, options, sent in (
            (both, {}, both),
            (both, {"headers": {"accept": "text/*"}}, "text/*"),
            ("application/json", {}, "text/event-stream"),
            ("*/*", {}, "text/event-stream"),
        ):
            with Server(answer(event("1"))) as server:
                library.follow(server.url, partial(prepare, own), reconnect=False, **options)
            assert server.requests[0].header("Accept") == sent

    @FRAMINGS
    @CODINGS
    def test_each_event_as_it_arrives(self, framing: str, coding: str, library: Library) -> None:
        with Server(in_step(framing, coding)) as server:
            seen = library.follow(
                server.url,
                with_events=lambda events, event: server.signal(event.data),
                reconnect=False,
            )
        assert data(seen) == ["1", "2", "3"]

    @pytest.mark.parametrize("end", ["clean", "cut", "reset"])
    def test_resumes(self, end: str, library: Library) -> None:
        """A cut that arrives together with events loses none of them."""
        errors: list[Any] = []
        last = "Connection: close"  # or a pool may take it for one that it can use again

        def first(conn: Connection) -> None:
            conn.send(head(CHUNKED, last), chunk(event("1") + event("2")))
            conn.send(chunk("id: lost\ndata: lost"))
            if end == "reset":  # which may destroy what is on its way
                conn.wait("2")
            {"clean": lambda: conn.send(LAST_CHUNK), "cut": conn.cut, "reset": conn.reset}[end]()

        with Server(first, answer(event("3"), last), NO_CONTENT) as server:
            seen = library.follow(
                server.url,
                with_events=lambda events, event: server.signal(event.data),
                retry_interval=1,
                on_error=lambda error, delay: errors.append(error),
            )
        assert data(seen) == ["1", "2", "3"]
        assert [request.header("Last-Event-ID") for request in server.requests] == [None, "2", "3"]
        assert [error is None for error in errors] == [end == "clean", True]

    def test_a_broken_body_is_a_drop(self, library: Library) -> None:
        broken = head(CHUNKED, "Content-Encoding: gzip") + chunk("this is not gzip") + LAST_CHUNK
        with Server(broken, NO_CONTENT) as server:
            assert library.follow(server.url, retry_interval=1) == []
        assert len(server.requests) == 2

    def test_a_broken_chunk_is_a_drop(self, library: Library) -> None:
        """Also when it arrives together with an event, which comes before it."""

        def broken(conn: Connection) -> None:
            conn.send(head(CHUNKED, "Connection: close"), chunk(event("1")))
            conn.wait("1")
            conn.send(chunk(event("2")), "<br>Warning\r\n")

        with Server(broken, NO_CONTENT) as server:
            signal = lambda _, event: server.signal(event.data)  # noqa: E731
            seen = library.follow(server.url, with_events=signal, retry_interval=1, idle_timeout=5)
        assert data(seen) == ["1", "2"]

    def test_a_refused_connection_is_a_drop(self, library: Library) -> None:
        with Server() as server:
            url = server.url
        with pytest.raises(SSEConnectionError, match=r"refused|ConnectionError") as caught:
            library.follow(url, retry_interval=1, max_retries=1)
        assert caught.value.retries == 1

    def test_silence_is_a_drop(self, library: Library) -> None:
        def quiet(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")))
            conn.stall()

        with Server(quiet, NO_CONTENT) as server:
            assert data(library.follow(server.url, retry_interval=1, idle_timeout=0.2)) == ["1"]

    def test_no_answer_is_a_drop(self, library: Library) -> None:
        with Server(silent, NO_CONTENT) as server:
            assert library.follow(server.url, retry_interval=1, timeout=0.3) == []
        assert len(server.requests) == 2

    def test_what_is_told_of_a_drop(self, library: Library) -> None:
        """In words that name the option, or what happened, whichever library it was."""

        def cut(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")), "9\r\nda")
            conn.cut()

        for script, limits, told in (
            (silent, {"timeout": 0.3}, "timeout"),
            (stream(event("1"), end="open"), {"idle_timeout": 0.3}, "silence for .*idle_timeout"),
            (cut, {}, "the body was cut short|without sending complete message body"),
        ):
            with Server(script) as server, pytest.raises(SSEConnectionError) as caught:
                library.follow(server.url, max_retries=0, **limits)
            assert re.search(f"/?: .*({told})", str(caught.value)), str(caught.value)

    def test_time_limits_for_reading_end_no_quiet_stream(self, library: Library) -> None:
        def quiet(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")))
            time.sleep(0.6)
            conn.send(chunk(event("2")), LAST_CHUNK)

        with Server(quiet) as server:
            assert data(library.follow(server.url, made={"seconds": 0.3}, reconnect=False)) == [
                "1",
                "2",
            ]

    @pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
    def test_close_ends_a_read_that_blocks(self, tls: bool, library: Library) -> None:
        threads: list[threading.Thread] = []
        tasks: list[Any] = []

        def quiet(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")))
            conn.stall()

        def close(events: Any, event: SSEEvent) -> None:
            if library.asynchronous:
                tasks.append(asyncio.get_running_loop().call_later(0.1, lambda: tasks.append(
                    asyncio.ensure_future(events.close()))))  # fmt: skip
            else:
                threads.append(threading.Timer(0.1, events.close))
                threads[0].start()

        with Server(quiet, tls=tls) as server:
            made = {"trust": CA if tls else None}
            assert data(library.follow(server.url, with_events=close, made=made)) == ["1"]
        for thread in threads:
            thread.join()

    def test_reconnect_while_a_read_blocks(self, library: Library) -> None:
        threads: list[threading.Thread] = []
        errors: list[Any] = []

        def quiet(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")))
            conn.stall()

        def reconnect(events: Any, event: SSEEvent) -> None:
            if library.asynchronous:
                asyncio.get_running_loop().call_later(0.1, events.reconnect)
            else:
                threads.append(threading.Timer(0.1, events.reconnect))
                threads[0].start()

        with Server(quiet, NO_CONTENT) as server:
            on_error = lambda error, delay: errors.append(error)  # noqa: E731
            assert data(library.follow(server.url, with_events=reconnect, on_error=on_error)) == [
                "1"
            ]
        assert errors == []
        for thread in threads:
            thread.join()

    def test_a_bad_certificate_is_fatal(self, library: Library) -> None:
        with Server(NO_CONTENT, tls="expired", repeat=True) as server:
            with pytest.raises(SSEConnectionError, match="certificate has expired"):
                library.follow(server.url, made={"trust": CA}, retry_interval=1)
        assert server.requests == []

    @pytest.mark.parametrize("url", ["nonsense://host/", "http://[::1"])
    def test_a_bad_url_is_an_error_at_once(self, url: str, library: Library) -> None:
        with pytest.raises((ValueError, SSEConnectionError, RuntimeError, Exception)) as caught:
            library.follow(url, retry_interval=1, max_retries=3)
        assert getattr(caught.value, "retries", 0) == 0

    def test_too_many_redirects_are_an_error_at_once(self, library: Library) -> None:
        moved = answer(b"", "Location: /", "Connection: close", status="302 Found")
        with Server(moved, repeat=True) as server:
            with pytest.raises(Exception) as caught:
                library.follow(server.url, retry_interval=1)
        assert "redirect" in f"{type(caught.value).__name__} {caught.value}".lower()
        assert len(server.requests) < 40

    def test_status(self, library: Library) -> None:
        with Server(answer("no such feed", status="404 Not Found")) as server:
            with pytest.raises(SSEHTTPError, match="no such feed") as caught:
                library.follow(server.url)
        assert caught.value.status_code == 404

    def test_content_type(self, library: Library) -> None:
        with Server(answer("<html>", type="text/html")) as server:
            with pytest.raises(SSEContentTypeError, match="text/html"):
                library.follow(server.url)

    def test_response_and_url(self, library: Library) -> None:
        opened: list[Any] = []

        def note(response: Any) -> None:
            facts = response.status_code, str(response.url), response.headers["content-type"]
            opened.append(facts)

        moved = answer(b"", "Location: /b", "Connection: close", status="302 Found")
        with Server(moved, answer(event("1"))) as server:
            library.follow(server.url + "/a", reconnect=False, on_open=note)
        assert opened == [(200, server.url + "/b", "text/event-stream")]

    @pytest.mark.parametrize("error", [TimeoutError("deadline"), OSError("mine"), KeyError("mine")])
    def test_what_a_signal_handler_raises_comes_out(
        self, error: Exception, blocking: Library
    ) -> None:
        """As it is, whatever the library makes of it: it is never taken for a lost connection."""

        def handler(*_: Any) -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise error

        def quiet(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")))
            conn.stall()

        before = signal.signal(signal.SIGALRM, handler)
        try:
            with Server(quiet) as server, pytest.raises(type(error)) as caught:
                blocking.follow(
                    server.url,
                    with_events=lambda *_: signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1),
                    retry_interval=1,
                )
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert caught.value is error

    @pytest.mark.parametrize("times", [1, 2, 1_000_000])
    def test_cancelled(self, times: int, awaited: Library) -> None:
        """Once, twice, or in each turn of the loop, as anyio's scopes do it: nothing is left."""
        unseen: list[Any] = []

        async def follow(url: str, client: Any, began: asyncio.Event) -> None:
            async with async_connect(url, transport=client) as events:
                async for _ in events:
                    began.set()

        async def main(url: str, times: int) -> None:
            loop, began = asyncio.get_running_loop(), asyncio.Event()
            loop.set_exception_handler(lambda _, context: unseen.append(context))
            async with awaited.client() as client:
                task = asyncio.ensure_future(follow(url, client, began))
                await began.wait()
                while times and not task.done():
                    times -= 1
                    task.cancel()
                    await asyncio.sleep(0)
                with pytest.raises(asyncio.CancelledError):
                    await task
                gc.collect()
                if awaited.name != "niquests":  # which has tasks of its own
                    assert asyncio.all_tasks() == {asyncio.current_task()}

        def quiet(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")))
            conn.stall()

        with Server(quiet) as server:
            run_and_settle(main(server.url, times), debug=False)
        assert unseen == []

    def test_connections_are_given_back(self, library: Library) -> None:
        """A body that was read to its end leaves its connection to the client's pool."""

        def twice(conn: Connection) -> None:
            conn.send(answer(event("1")))
            conn.read_request()
            conn.send(answer(event("2")))
            conn.read_request()
            conn.send(NO_CONTENT)

        with Server(twice) as server:
            assert data(library.follow(server.url, retry_interval=1)) == ["1", "2"]
        assert len(server.connections) == 1


class TestWhatClientsBring:
    def test_base_url(self) -> None:
        httpx = imported("httpx")
        with (
            Server(answer(event("1"))) as server,
            httpx.Client(base_url=server.url + "/v1") as client,
        ):
            with connect("/feed", transport=client, reconnect=False) as events:
                assert data(list(events)) == ["1"]
        assert server.requests[0].target == "/v1/feed"

    def test_authentication_cookies_and_hooks_of_httpx(self) -> None:
        httpx = imported("httpx")
        seen: list[str] = []

        class Renewed(httpx.Auth):  # type: ignore[misc, name-defined]
            def auth_flow(self, request: Any) -> Iterator[Any]:
                response = yield request
                if response.status_code == 401:
                    request.headers["Authorization"] = "Bearer new"
                    yield request

        hooks = {
            "request": [lambda r: seen.append("request")],
            "response": [lambda r: seen.append("response")],
        }
        refused = answer(b"", "Connection: close", status="401 Unauthorized")
        with Server(refused, answer(event("1")), repeat=True) as server:
            with httpx.Client(auth=Renewed(), cookies={"a": "b"}, event_hooks=hooks) as client:
                with connect(server.url, transport=client, reconnect=False) as events:
                    assert data(list(events)) == ["1"]
        assert server.requests[-1].header("Authorization") == "Bearer new"
        assert server.requests[-1].header("Cookie") == "a=b"
        assert "request" in seen and "response" in seen

    def test_authentication_cookies_and_hooks_of_requests(self) -> None:
        requests = imported("requests")
        seen: list[int] = []
        with Server(answer(event("1"))) as server, requests.Session() as session:
            session.auth = ("user", "password")
            session.cookies.set("a", "b")
            session.hooks["response"].append(
                lambda response, **_: seen.append(response.status_code)
            )
            with connect(server.url, transport=session, reconnect=False) as events:
                assert data(list(events)) == ["1"]
        assert server.requests[0].header("Authorization") == "Basic dXNlcjpwYXNzd29yZA=="
        assert server.requests[0].header("Cookie") == "a=b"
        assert seen == [200]

    def test_what_their_hooks_make_of_a_status(self) -> None:
        """It reaches the caller as it is, and is not tried again."""
        requests, aiohttp = imported("requests"), imported("aiohttp")

        async def main(url: str) -> None:
            async with aiohttp.ClientSession(raise_for_status=True) as session:
                async with async_connect(url, transport=session, max_retries=3):
                    pass

        missing = answer("no such feed", "Connection: close", status="404 Not Found")
        with Server(missing, missing) as server, requests.Session() as session:
            session.hooks["response"].append(lambda response, **_: response.raise_for_status())
            with pytest.raises(requests.HTTPError, match="404"):
                connect(server.url, transport=session, max_retries=3).__enter__()
            with pytest.raises(aiohttp.ClientResponseError, match="404"):
                run_and_settle(main(server.url), debug=False)
        assert len(server.requests) == 2

    def test_what_aiohttp_has_the_class_of_a_status_for(self) -> None:
        """A proxy that fails, and an answer that is not HTTP, are drops as in other libraries."""
        aiohttp = imported("aiohttp")

        async def main(url: str, proxy: str | None) -> None:
            async with aiohttp.ClientSession(proxy=proxy) as session:
                async with async_connect(
                    url, transport=session, max_retries=1, retry_interval=0
                ) as events:
                    raise AssertionError(events)

        for script, proxied in ((b"garbage\r\n\r\n", False), (answer(status="502 x"), True)):
            with Server(script, script) as server:
                url, proxy = ("https://h/", server.url) if proxied else (server.url, None)
                with pytest.raises(SSEConnectionError):
                    run_and_settle(main(url, proxy), debug=False)
            assert len(server.requests) == 2

    def test_base_url_and_headers_of_aiohttp(self) -> None:
        aiohttp = imported("aiohttp")

        async def main(url: str) -> list[SSEEvent]:
            headers = {"Authorization": "Bearer secret", "X-Own": "1", "Accept": "text/*"}
            async with aiohttp.ClientSession(
                url, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                async with async_connect("/feed", transport=session, reconnect=False) as events:
                    return [event async for event in events]

        with Server(answer(event("1"))) as server:
            assert data(run_and_settle(main(server.url), debug=False)) == ["1"]
        assert server.requests[0].header("Authorization") == "Bearer secret"
        assert server.requests[0].header("X-Own") == "1"
        assert (
            server.requests[0].header("Accept") == "text/event-stream"
        )  # those of a request go before

    @pytest.mark.parametrize("wish", [set(), {503}], ids=["an error", "a drop by wish"])
    def test_a_status_that_a_session_tries_again_itself(self, wish: set[int]) -> None:
        requests, urllib3 = imported("requests"), imported("urllib3")
        retry = urllib3.util.Retry(total=1, status_forcelist=[503], backoff_factor=0)
        with Server(answer("busy", "Connection: close", status="503 Busy"), repeat=True) as server:
            with requests.Session() as session:
                adapter = requests.adapters.HTTPAdapter(max_retries=retry)
                session.mount("http://", adapter)
                client = connect(server.url, transport=session, retry_on_status=wish,
                                 max_retries=1, retry_interval=1)  # fmt: skip
                with pytest.raises(SSEConnectionError, match="HTTP 503 to each try"), client:
                    pass
        assert len(server.requests) == (4 if wish else 2)

    def test_a_class_derived_from_a_client(self) -> None:
        requests = imported("requests")

        class Own(requests.Session):  # type: ignore[misc, name-defined]
            pass

        with Server(answer(event("1"))) as server, Own() as session:
            with connect(server.url, transport=session, reconnect=False) as events:
                assert data(list(events)) == ["1"]

    @pytest.mark.parametrize("package", ["httpx", "httpx2"])
    def test_a_class_derived_with_a_way_of_its_own(self, package: str) -> None:
        """As authlib's clients, which take their token there."""
        module: Any = imported(package)

        class Own(module.Client):  # type: ignore[misc, name-defined]
            def stream(self, *request: Any, **how: Any) -> Any:
                return super().stream(*request, auth=("user", "password"), **how)

        class AsyncOwn(module.AsyncClient):  # type: ignore[misc, name-defined]
            @asynccontextmanager
            async def stream(self, *request: Any, **how: Any) -> Any:
                async with super().stream(*request, auth=("user", "password"), **how) as response:
                    yield response

        async def main(url: str) -> list[str]:
            async with (
                AsyncOwn() as client,
                async_connect(url, transport=client, retry_interval=1) as events,
            ):
                return [event.data async for event in events]

        def twice(conn: Connection) -> None:
            conn.send(answer(event("1")))
            conn.read_request()
            conn.send(head(CHUNKED), chunk(event("2")))

        with Server(twice, NO_CONTENT, twice, NO_CONTENT) as server:
            with Own() as client:
                with connect(server.url, transport=client, retry_interval=1) as events:
                    assert data(list(events)) == ["1", "2"]
            assert run_and_settle(main(server.url), debug=False) == ["1", "2"]
        assert len(server.connections) == 4
        for request in server.requests:
            assert request.header("Authorization") == "Basic dXNlcjpwYXNzd29yZA=="


class TestMocks:
    URL = "http://example.invalid/feed"
    HEADERS = {"Content-Type": "text/event-stream"}  # noqa: RUF012

    def sync(self, client: Any) -> list[str]:
        with connect(self.URL, transport=client, reconnect=False) as events:
            return data(list(events))

    async def awaited(self, client: Any) -> list[str]:
        async with client, async_connect(self.URL, transport=client, reconnect=False) as events:
            return data([event async for event in events])

    def test_mock_transport(self) -> None:
        httpx = imported("httpx")
        transport = httpx.MockTransport(
            lambda request: httpx.Response(200, headers=self.HEADERS, text=event("1"))
        )
        with httpx.Client(transport=transport) as client:
            assert self.sync(client) == ["1"]
        assert asyncio.run(self.awaited(httpx.AsyncClient(transport=transport))) == ["1"]

    def test_respx(self) -> None:
        respx, httpx = imported("respx"), imported("httpx")
        with respx.mock:
            respx.get(self.URL).respond(200, headers=self.HEADERS, text=event("1"))
            with httpx.Client() as client:
                assert self.sync(client) == ["1"]
            assert asyncio.run(self.awaited(httpx.AsyncClient())) == ["1"]

    def test_pytest_httpx(self, request: pytest.FixtureRequest) -> None:
        imported("pytest_httpx")
        httpx, mock = imported("httpx"), request.getfixturevalue("httpx_mock")
        stream = imported("pytest_httpx").IteratorStream([b"data: 1\n", b"\n", b"data: 2\n\n"])
        mock.add_response(url=self.URL, headers=self.HEADERS, stream=stream)
        mock.add_response(url=self.URL, headers=self.HEADERS, text=event("3"))
        with httpx.Client() as client:
            assert self.sync(client) == ["1", "2"]
        assert asyncio.run(self.awaited(httpx.AsyncClient())) == ["3"]

    def test_responses(self) -> None:
        responses, requests = imported("responses"), imported("requests")
        with responses.RequestsMock() as mock, requests.Session() as session:
            mock.add(
                "GET", self.URL, body=event("1") + event("2"), content_type="text/event-stream"
            )
            assert self.sync(session) == ["1", "2"]

    def test_requests_mock(self) -> None:
        requests_mock, requests = imported("requests_mock"), imported("requests")
        with requests_mock.Mocker() as mock, requests.Session() as session:
            mock.get(self.URL, headers=self.HEADERS, text=event("1") + event("2"))
            assert self.sync(session) == ["1", "2"]

    def test_aioresponses(self) -> None:
        aioresponses, aiohttp = imported("aioresponses"), imported("aiohttp")

        async def main() -> list[str]:
            try:
                with aioresponses.aioresponses() as mock:
                    mock.get(self.URL)
                    async with aiohttp.ClientSession() as session, session.get(self.URL):
                        pass
            except TypeError as error:
                pytest.skip(f"needs aioresponses that fits this aiohttp: {error}")
            with aioresponses.aioresponses() as mock:
                mock.get(self.URL, headers=self.HEADERS, body=event("1") + event("2"))
                return await self.awaited(aiohttp.ClientSession())

        assert run_and_settle(main(), debug=False) == ["1", "2"]


class TestFromResponse:
    @FRAMINGS
    @CODINGS
    def test_each_event_as_it_arrives(self, framing: str, coding: str, library: Library) -> None:
        with Server(in_step(framing, coding)) as server:
            seen = library.read(server.url, lambda event: server.signal(event.data))
        assert data(seen) == ["1", "2", "3"]

    def test_closed_while_the_next_event_is_awaited(self, library: Library) -> None:
        """By another thread or task: the iteration ends, and so does the connection; over niquests'
        AsyncSession when the time limit of its read has passed.
        """
        limit = {"timeout": 1} if str(library) == "niquests.AsyncSession" else {}

        async def main(url: str) -> list[str]:
            async with library.client() as client:
                response = await library.open(client, url, **limit)
                events = AsyncEventSource.from_response(response)
                told = asyncio.Event()

                async def follow() -> list[str]:
                    seen = []
                    async for event in events:
                        seen.append(event.data)
                        told.set()
                    return seen

                following = asyncio.create_task(follow())
                await told.wait()
                await asyncio.sleep(0)  # it waits for the next one
                await events.aclose()
                return await following

        def follow(url: str) -> list[str]:
            told, seen = threading.Event(), []
            with library.client() as client:
                events = EventSource.from_response(library.open(client, url))

                def follow() -> None:
                    for event in events:
                        seen.append(event.data)
                        told.set()

                thread = threading.Thread(target=follow)
                thread.start()
                told.wait()
                events.close()
                thread.join()
            return seen

        with Server(stream(event("1"), end="open")) as server:
            if library.asynchronous:
                assert run_and_settle(main(server.url), debug=False) == ["1"]
            else:
                assert follow(server.url) == ["1"]
            server.wait_gone(1)

    def test_an_answer_that_was_read_before(self, blocking: Library) -> None:
        with Server(answer(event("1"))) as server, blocking.client() as client:
            assert data(list(EventSource.from_response(client.get(server.url)))) == ["1"]

    def test_an_answer_of_aiohttp_that_was_read_before(self) -> None:
        aiohttp = imported("aiohttp")

        async def main(url: str) -> list[SSEEvent]:
            async with aiohttp.ClientSession() as client, client.get(url) as response:
                await response.read()
                made: Any = AsyncEventSource.from_response(response)
                source = await made if hasattr(made, "__await__") else made
                return [event async for event in source]

        with Server(answer(event("1"))) as server:
            assert data(run_and_settle(main(server.url), debug=False)) == ["1"]

    def test_an_answer_of_aiohttp_that_the_caller_has_iterated_over(self) -> None:
        aiohttp = imported("aiohttp")

        async def main(url: str) -> None:
            async with aiohttp.ClientSession() as client, client.get(url) as response:
                async for _ in response.content:
                    pass
                with pytest.raises(ValueError, match="its body read, before"):
                    AsyncEventSource.from_response(response)

        with Server(answer(event("1"))) as server:
            run_and_settle(main(server.url), debug=False)

    def test_status(self, library: Library) -> None:
        with Server(answer("no such feed", status="404 Not Found")) as server:
            with pytest.raises(SSEHTTPError, match="no such feed") as caught:
                library.read(server.url)
        assert (caught.value.status_code, caught.value.url.rstrip("/")) == (404, server.url)

    def test_content_type(self, library: Library) -> None:
        page = answer("<html>", type="text/html")
        with Server(page, repeat=True) as server:
            with pytest.raises(SSEContentTypeError, match="text/html"):
                library.read(server.url)
            assert library.read(server.url, content_type=None) == []

    def test_a_cut_is_an_error(self, library: Library) -> None:
        def cut(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(event("1")), "9\r\nda")
            conn.cut()

        with (
            Server(cut) as server,
            pytest.raises(Exception, match=r"(?i)incomplete|cut|payload|not completed"),
        ):
            library.read(server.url)


@contextmanager
def urllib_of(url: str) -> Iterator[Any]:
    with urllib.request.urlopen(url, timeout=20) as response:
        yield response


@contextmanager
def http_client_of(url: str) -> Iterator[Any]:
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)) as connection:
        connection.request("GET", "/")
        yield connection.getresponse()


@contextmanager
def urllib3_of(url: str) -> Iterator[Any]:
    with imported("urllib3").PoolManager() as pool:
        with closing(pool.request("GET", url, preload_content=False, timeout=20)) as response:
            yield response


@contextmanager
def httpclient_of(url: str) -> Iterator[Any]:
    with imported("httpclient").get(url, stream=True) as response:
        yield response


@pytest.mark.parametrize("open_by", [urllib_of, http_client_of, urllib3_of, httpclient_of])
class TestPlainResponses:
    @FRAMINGS
    @CODINGS
    def test_each_event_as_it_arrives(
        self, framing: str, coding: str, open_by: Callable[[str], Any]
    ) -> None:
        seen: list[SSEEvent] = []
        with Server(in_step(framing, coding)) as server:
            with open_by(server.url) as response:
                for event in EventSource.from_response(response):
                    seen.append(event)
                    server.signal(event.data)
        assert data(seen) == ["1", "2", "3"]

    @pytest.mark.parametrize(
        "lines", [(CHUNKED,), ("Content-Length: 1000",)], ids=["chunked", "length"]
    )
    def test_a_cut_is_an_error(self, lines: tuple[str, ...], open_by: Callable[[str], Any]) -> None:
        seen: list[SSEEvent] = []

        def cut(conn: Connection) -> None:
            conn.send(
                head(*lines),
                *([chunk(event("1")), "9\r\nda"] if CHUNKED in lines else [event("1")]),
            )
            conn.cut()

        with Server(cut) as server:
            with (
                open_by(server.url) as response,
                pytest.raises(Exception, match=r"(?i)incomplete|cut short"),
            ):
                for each in EventSource.from_response(response):
                    seen.append(each)
        assert data(seen) == ["1"]


@pytest.mark.parametrize("thing", [None, 5, ["data: 1", ""], "data: 1"])
def test_what_is_no_answer(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"requests.*httpx"):
        EventSource.from_response(thing)


def test_wrong_worlds() -> None:
    for library in LIBRARIES:
        if library.name not in sys.modules:
            continue
        if library.asynchronous:

            async def main(library: Library = library) -> None:
                async with library.client() as client:
                    with pytest.raises(TypeError, match=rf"{library} is for async_connect\(\)"):
                        connect("http://localhost", transport=client)

            run_and_settle(main(), debug=False)
        else:
            with (
                library.client() as client,
                pytest.raises(TypeError, match=rf"{library} is for connect\(\)"),
            ):
                async_connect("http://localhost", transport=client)
        kind = getattr(sys.modules[library.name], library.kind)
        with pytest.raises(TypeError, match="takes an instance"):
            (async_connect if library.asynchronous else connect)("http://localhost", transport=kind)
