"""Applications called in-process (ASGI, WSGI), and transports of other makers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import gc
import itertools
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpclient
import sse
from httpclient import ASGITransport, ConnectError, RequestTimeout, WSGITransport, transport_of
from sse import SSEConnectionError, SSEContentTypeError, SSEHTTPError
from tests.worlds import AsyncWorld, Checked, SyncWorld, World, in_both_worlds, is_async

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
STREAM = (b"content-type", b"text/event-stream")
URL = "http://app.test/events"


class Oops(Exception):
    pass


def without_unix_sockets() -> Any:
    """As on some systems."""
    return mock.patch.object(httpclient, "socket", SimpleNamespace(**{
        name: value for name, value in vars(socket).items() if name != "AF_UNIX"
    }))  # fmt: skip


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers or [STREAM])}


def body(data: str, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data.encode(), "more_body": more}


class App:
    """An ASGI application that notes how it is called and how it is left; `respond` is what it does."""

    def __init__(self, respond: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.respond = respond
        self.scopes: list[Message] = []
        self.running = 0
        self.left: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError("as many applications do")
        self.scopes.append(scope)
        self.running += 1
        try:
            await self.respond(scope, receive, send)
        except BaseException as error:
            self.left.append(type(error).__name__)
            raise
        else:
            self.left.append("returned")
        finally:
            self.running -= 1


# Header lines that would change the framing, or are none: name, value, how it is told.
NOT_TO_BE_SENT = [
    ("X", "secret\r\nContent-Length: 3\r\n\r\nfoo", "header X has control characters"),
    ("X", "secret\n", "header X has"),
    ("X", "\0", "header X has"),
    ("X", "secret\x7f", "header X has"),
    ("X\r\nY", "secret", "has no valid name"),
    ("X Y", "secret", "has no valid name"),
    ("X:", "secret", "has no valid name"),
    ("", "secret", "has no valid name"),
    ("X\xe9", "secret", "has no valid name"),
    ("Content-Length", "three", "Content-Length is not one number"),
    ("content-length", "-1", "Content-Length is not one number"),
    ("Content-Length", "1, 1", "Content-Length is not one number"),
    ("Content-Length", "", "Content-Length is not one number"),
]


async def until_disconnected(scope: Message, receive: Receive, send: Send) -> None:
    """Two events, then silence until the client has gone."""
    await send(start())
    await send(body("id: 1\ndata: a\n\n"))
    await send(body("id: 2\ndata: b\n\n"))
    while (await receive())["type"] != "http.disconnect":
        pass


async def without_end(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    for number in range(100_000):  # without end, as long as someone ends it
        await send(body(f"data: {number}\n\n"))
    raise AssertionError("nobody did")


async def whole(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body("data: a\n\ndata: b\n\n", more=False))


class ASGI(AsyncWorld):
    def client(self, app: Any, url: str = URL, **options: Any) -> Any:
        return self.connect(url, transport=ASGITransport(app), **options)

    def test_an_endless_endpoint(self) -> None:
        for respond in (until_disconnected, without_end):
            app = App(respond)
            with self.subTest(respond.__name__), self.client(app) as client:
                self.assertEqual(client.response.status_code, 200)
                next(client), next(client)
                self.assertEqual((app.running, client.state), (1, "open"))
            self.assertEqual(app.running, 0)
            self.assertNotIn("AssertionError", app.left)

    def test_the_application_is_told_that_the_client_has_gone(self) -> None:
        app = App(until_disconnected)
        with self.client(app) as client:
            next(client)
        self.assertEqual(app.left, ["returned"])

    def test_without_unix_sockets(self) -> None:
        async def main() -> bytes:
            async with await ASGITransport(App(whole))("GET", URL) as response:
                content: bytes = await response.aread()
                return content

        with without_unix_sockets():
            self.assertEqual(self.run_async(main()), b"data: a\n\ndata: b\n\n")

    def test_one_that_does_not_care(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body("data: a\n\n"))
            await asyncio.sleep(1000)

        app = App(respond)
        with mock.patch("httpclient._GRACE", 0.02), self.client(app) as client:
            next(client)
        self.assertEqual((app.running, app.left), (0, ["CancelledError"]))

    def test_it_runs_no_further_than_it_is_read(self) -> None:
        sent = []

        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            for _ in range(1000):
                await send(body("data: x\n\n" * 1000))
                sent.append(1)

        with self.client(App(respond)) as client:
            next(client)
            self.run_async(asyncio.sleep(0.01))
        self.assertLess(len(sent), 100)

    def test_scope(self) -> None:
        app = App(whole)
        url = "https://app.test:8443/caf%C3%A9/a%2Fb?q=%20&x"
        with self.client(app, url, headers={"X-Api-Key": "k"}, last_event_id="7", reconnect=False) as client:
            list(client)
        (scope,) = app.scopes
        self.assertEqual((scope["type"], scope["method"], scope["scheme"]), ("http", "GET", "https"))
        self.assertEqual((scope["path"], scope["raw_path"]), ("/café/a/b", b"/caf%C3%A9/a%2Fb"))
        self.assertEqual((scope["query_string"], scope["root_path"]), (b"q=%20&x", ""))
        self.assertEqual((scope["http_version"], scope["asgi"]["version"][0]), ("1.1", "3"))
        self.assertEqual(tuple(scope["server"]), ("app.test", 8443))
        headers = dict(scope["headers"])
        self.assertEqual(len(headers), len([*scope["headers"]]))
        self.assertEqual((headers[b"host"], headers[b"x-api-key"]), (b"app.test:8443", b"k"))
        self.assertEqual((headers[b"last-event-id"], headers[b"accept"]), (b"7", b"text/event-stream"))

    def test_request_body(self) -> None:
        received: list[bytes] = []

        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            while True:
                message = await receive()
                received.append(message["body"])
                if not message.get("more_body"):
                    break
            await whole(scope, receive, send)

        app = App(respond)
        with self.client(app, method="POST", json={"a": 1}) as client:
            self.assertEqual([event.data for event in client], ["a", "b"])
        self.assertEqual(b"".join(received).replace(b" ", b""), b'{"a":1}')
        self.assertEqual(dict(app.scopes[0]["headers"])[b"content-type"], b"application/json")

    def test_reconnection(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            number = len(app.scopes)
            if number == 3:
                await send({"type": "http.response.start", "status": 204})
                await send({"type": "http.response.body"})
            else:
                await send(start())
                await send(body(f"id: {number}\ndata: {number}\n\n", more=False))

        app = App(respond)
        with self.client(app) as client:
            self.assertEqual([event.data for event in client], ["1", "2"])
        ids = [dict(scope["headers"]).get(b"last-event-id") for scope in app.scopes]
        self.assertEqual(ids, [None, b"1", b"2"])

    def test_refusals(self) -> None:
        async def not_found(scope: Message, receive: Receive, send: Send) -> None:
            await send(start(404, (b"content-type", b"application/json"), (b"x-a", b"1")))
            await send(body('{"detail": ', more=True))
            await send(body('"gone"}', more=False))

        async def page(scope: Message, receive: Receive, send: Send) -> None:
            await send(start(200, (b"content-type", b"text/html")))
            await send(body("<p>", more=False))

        with self.assertRaises(SSEHTTPError) as caught, self.client(App(not_found)):
            pass
        self.assertEqual((caught.exception.status_code, caught.exception.json()), (404, {"detail": "gone"}))
        self.assertEqual(caught.exception.headers["X-A"], "1")
        with self.assertRaises(SSEContentTypeError), self.client(App(page)):
            pass

    def test_redirects(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            if scope["path"] == "/there":
                return await whole(scope, receive, send)
            location = "http://elsewhere.test/" if scope["path"] == "/away" else "/there"
            await send(start(307, (b"location", location.encode())))
            await send(body("", more=False))

        app = App(respond)
        with self.client(app, reconnect=False) as client:
            self.assertEqual(client.response.url, "http://app.test/there")
            self.assertEqual(len(list(client)), 2)
        with self.assertRaises(SSEConnectionError) as caught, self.client(app, "http://app.test/away") as client:
            pass
        self.assertIn("elsewhere.test", str(caught.exception))
        self.assertEqual([scope["path"] for scope in app.scopes], ["/events", "/there", "/away"])

    def test_what_it_raises_reaches_the_caller(self) -> None:
        async def at_once(scope: Message, receive: Receive, send: Send) -> None:
            raise Oops

        async def before_the_body(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            raise Oops

        async def after_an_event(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body("data: a\n\n"))
            await asyncio.sleep(0)
            raise Oops

        for respond, events in ((at_once, 0), (before_the_body, 0), (after_an_event, 1)):
            with self.subTest(respond.__name__):
                client = self.client(App(respond))
                received = []
                with self.assertRaises(Oops), client:
                    for event in client:
                        received.append(event)
                self.assertEqual((len(received), client.waits, list(client)), (events, [], []))

    def test_what_it_raises_after_its_answer_reaches_the_caller(self) -> None:
        """As middleware does: one answers with a 500 and raises again, another ends the body and raises then."""

        async def in_its_place(scope: Message, receive: Receive, send: Send) -> None:
            await send(start(500))
            await send(body("Internal Server Error", more=False))
            raise Oops

        async def after_an_event(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body("data: a\n\n"))
            await send(body("", more=False))
            await asyncio.sleep(0.01)
            raise Oops

        async def after_its_length(scope: Message, receive: Receive, send: Send) -> None:
            await send(start(200, STREAM, (b"content-length", b"9")))
            await send(body("data: a\n\n"))
            await asyncio.sleep(0.01)
            await send(body("", more=False))
            raise Oops

        async def before_its_length(scope: Message, receive: Receive, send: Send) -> None:
            await send(start(200, STREAM, (b"content-length", b"99")))
            await send(body("data: a\n\n"))
            await send(body("", more=False))
            raise Oops

        for respond, events in ((in_its_place, 0), (after_an_event, 1), (after_its_length, 1), (before_its_length, 1)):
            with self.subTest(respond.__name__):
                app = App(respond)
                client = self.client(app)
                received = []
                with self.assertRaises(Oops), client:
                    for event in client:
                        received.append(event)
                self.assertEqual((len(received), client.waits, list(client)), (events, [], []))
                self.assertEqual(app.left, ["Oops"])

    def test_an_os_error_after_its_answer_is_no_lost_connection(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await whole(scope, receive, send)
            raise OSError("disk full")

        client = self.client(App(respond))
        with self.assertRaisesRegex(RuntimeError, "disk full"), client:
            list(client)

    def test_head(self) -> None:
        """Without a body for the client, the application has one to send nevertheless."""

        async def raising(scope: Message, receive: Receive, send: Send) -> None:
            await whole(scope, receive, send)
            raise Oops

        async def head(respond: Any) -> list[str]:
            app = App(respond)
            async with await ASGITransport(app)("HEAD", URL) as response:
                await response.aread()
            return app.left

        self.assertEqual(self.run_async(head(whole)), ["returned"])
        with self.assertRaises(Oops):
            self.run_async(head(raising))
        with mock.patch("httpclient._GRACE", 0.02):
            self.assertEqual(self.run_async(head(until_disconnected)), ["returned"])
            self.assertEqual(self.run_async(head(without_end)), ["ConnectionResetError"])

    def test_left_before_its_answer_is_read(self) -> None:
        """One that is about to return has returned by then."""

        async def main() -> int:
            async with await ASGITransport(app)("GET", URL):
                await asyncio.sleep(0.01)
            return app.running

        app = App(whole)
        self.assertEqual((self.run_async(main()), app.left), (0, ["returned"]))

    def test_what_it_does_after_its_answer_goes_on(self) -> None:
        for read in (True, False):
            done: list[str] = []

            async def respond(scope: Message, receive: Receive, send: Send, done: list[str] = done) -> None:
                await whole(scope, receive, send)
                self.assertEqual((await receive())["type"], "http.request")
                self.assertEqual((await receive())["type"], "http.disconnect")
                await asyncio.sleep(0.05)
                done.append("in the background")

            async def main(app: App, read: bool = read) -> None:
                async with await ASGITransport(app)("GET", URL) as response:
                    if read:
                        self.assertEqual(await response.aread(), b"data: a\n\ndata: b\n\n")
                    else:
                        await asyncio.sleep(0.01)
                self.assertEqual(app.running, 1)
                gc.collect()
                while app.running:
                    await asyncio.sleep(0.01)

            with self.subTest(read=read), mock.patch("httpclient._GRACE", 0.02):
                self.run_async(main(App(respond)))
                self.assertEqual(done, ["in the background"])

    def test_one_that_returns_too_early(self) -> None:
        """As a server does that closes the connection without an answer, or in the middle of it."""

        async def nothing(scope: Message, receive: Receive, send: Send) -> None:
            pass

        async def no_end(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body("data: a\n\n"))

        for respond in (nothing, no_end):
            with self.subTest(respond.__name__), self.assertRaises((SSEConnectionError, RuntimeError)):
                with self.client(App(respond), max_retries=0) as client:
                    list(client)

    def test_one_that_never_answers(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await asyncio.sleep(1000)

        app = App(respond)
        with self.assertRaises(SSEConnectionError), self.client(app, timeout=0.05, max_retries=0):
            pass
        self.assertEqual(app.running, 0)

    def test_one_that_falls_silent(self) -> None:
        app = App(until_disconnected)
        with self.assertRaises(SSEConnectionError), self.client(app, idle_timeout=0.05, max_retries=0) as client:
            list(client)
        self.assertEqual(app.running, 0)

    def test_cancelled(self) -> None:
        app = App(until_disconnected)

        async def main() -> None:
            async with sse.async_connect(URL, transport=ASGITransport(app)) as client:
                async for _ in client:
                    pass

        async def cancel() -> None:
            task = asyncio.ensure_future(main())
            while not app.running:
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        self.run_async(cancel())
        self.assertEqual(app.running, 0)

    def test_cancelled_while_it_is_left(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await asyncio.sleep(1000)

        async def main() -> None:
            response = await ASGITransport(app)("GET", URL)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(response.aclose(), 0.02)

        app = App(respond)
        self.run_async(main())
        self.assertEqual((app.running, app.left), (0, ["CancelledError"]))

    def test_one_that_swallows_its_cancellation(self) -> None:
        """It is left alone after a moment, and what it raises then is seen by nobody."""

        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body("data: a\n\n"))
            while not ended.is_set():
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    swallowed.append(1)
            raise Oops

        async def main() -> None:
            async with await ASGITransport(app)("GET", URL):
                await asyncio.sleep(0.01)
            self.assertEqual((app.running, swallowed), (1, [1]))
            ended.set()
            while app.running:
                await asyncio.sleep(0)

        app, ended, swallowed = App(respond), asyncio.Event(), []  # type: ignore[var-annotated]
        with mock.patch("httpclient._GRACE", 0.02):
            self.run_async(main())

    def test_cancelled_again_and_again_while_it_is_left(self) -> None:
        """As anyio's scopes do it: in each turn of the loop, until the task has ended."""

        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0.02)  # a second cancellation would show itself here
                app.left.append("cleaned up")

        async def leave() -> None:
            response = await ASGITransport(app)("GET", URL)
            waiting.set()
            await response.aclose()

        async def main(times: int) -> None:
            waiting.clear()
            task = asyncio.ensure_future(leave())
            await waiting.wait()
            while not task.done() and times:
                times -= 1
                task.cancel()
                await asyncio.sleep(0)
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual((app.running, app.left), (0, ["cleaned up", "CancelledError"]))

        for times in (1, 2, 1_000_000):
            with self.subTest(times=times):
                app, waiting = App(respond), asyncio.Event()
                self.run_async(main(times))

    def test_interrupted_and_not_released(self) -> None:
        """One that does not care that the client has gone is not left behind."""

        async def main() -> None:
            response = await ASGITransport(app)("GET", URL)
            response._exchange.interrupt()
            while app.running:
                await asyncio.sleep(0.001)
            with self.assertRaises(ConnectError):
                await response.aread()

        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await asyncio.sleep(1000)

        app = App(respond)
        with mock.patch("httpclient._GRACE", 0.02):
            self.run_async(main())
        self.assertEqual(app.left, ["CancelledError"])

    def test_timeout_of_a_transport_called_directly(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            if scope["path"] == "/there":
                await asyncio.sleep(1000)
            await send(start(307, (b"location", b"/there")))
            await send(body("", more=False))

        app, grace = App(respond), mock.patch("httpclient._GRACE", 0.02)
        with grace, self.assertRaisesRegex(RequestTimeout, "^no answer within timeout$"):
            self.run_async(ASGITransport(app)("GET", URL, timeout=0.2))
        self.assertEqual((len(app.scopes), app.running), (2, 0))

    def test_timeout_ends_with_the_head(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await asyncio.sleep(0.25)
            await send(body("data: a\n\n", more=False))

        async def main() -> bytes:
            async with await ASGITransport(App(respond))("GET", URL, timeout=0.2) as response:
                content: bytes = await response.aread()
                return content

        self.assertEqual(self.run_async(main()), b"data: a\n\n")

    def test_a_cancelled_read_loses_nothing(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            for number in range(20):
                await asyncio.sleep(0.002)
                await send(body(f"{number} ", more=number < 19))

        async def main() -> list[str]:
            async with await ASGITransport(App(respond))("GET", URL) as response:
                read, received = response._exchange.read, b""
                while not received.endswith(b"19 "):
                    task = asyncio.ensure_future(read())
                    await asyncio.wait({task}, timeout=0.001)
                    task.cancel()
                    try:
                        received += await task
                    except asyncio.CancelledError:
                        self.assertTrue(response._exchange.whole)
                return received.decode().split()

        self.assertEqual(self.run_async(main()), [str(number) for number in range(20)])

    def test_what_http_could_not_carry(self) -> None:
        """It is the application's error, raised where it sends it, and none of it is received."""

        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            status, header = scope["state"]["case"]
            await send({"type": "http.response.start", "status": status, "headers": header})
            raise AssertionError("it was sent")

        for status, headers, kind, text in (
            *((200, [(name.encode("latin-1"), value.encode("latin-1"))], RuntimeError, text)
              for name, value, text in NOT_TO_BE_SENT),
            (200, [("x", b"1")], TypeError, "header 'x' is of str and bytes, not bytes"),
            (200, [(b"x", 1)], TypeError, "header b'x' is of bytes and int, not bytes"),
            (200, [(b"x", None)], TypeError, "NoneType"),
            (99, [], RuntimeError, "status '99'"),
            (101, [], RuntimeError, "status '101'"),
            (None, [], RuntimeError, "status 'None'"),
            ("200\r\nX: y", [], RuntimeError, "status"),
        ):  # fmt: skip
            app = App(respond)
            transport = ASGITransport(app)
            transport._state = {"case": (status, headers)}
            with self.subTest(status=status, headers=headers):
                with self.assertRaisesRegex(kind, f"the application's .*{text}") as caught:
                    self.run_async(transport("GET", URL))
                self.assertNotIn("secret", str(caught.exception))
                self.assertEqual(app.left, [kind.__name__])

    def test_what_it_sends_is_a_body(self) -> None:
        for wrong in ("text", 5, None, ["a"]):

            async def respond(
                scope: Message, receive: Receive, send: Send, wrong: Any = wrong
            ) -> None:
                await send(start())
                await send({"type": "http.response.body", "body": wrong})

            async def main(app: Any) -> None:
                async with await ASGITransport(app)("GET", URL) as response:
                    await response.aread()

            with self.assertRaisesRegex(TypeError, f"body is {type(wrong).__name__}, not bytes"):
                self.run_async(main(App(respond)))

    def test_a_large_piece(self) -> None:
        async def respond(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body("x" * 200_000))
            await send(body("y", more=False))

        async def main(app: Any) -> bytes:
            async with await ASGITransport(app)("GET", URL) as response:
                return await response.aread()

        self.assertEqual(self.run_async(main(App(respond))), b"x" * 200_000 + b"y")

    def test_messages_in_another_order(self) -> None:
        for messages, due in (
            ([body("x")], "http.response.start"),
            ([{"type": "http.response.push"}], "http.response.start"),
            ([start(), start()], "http.response.body"),
            ([start(), body("x"), {"type": "websocket.close"}], "http.response.body"),
        ):

            async def respond(
                scope: Message, receive: Receive, send: Send, messages: Any = messages
            ) -> None:
                for message in messages:
                    await send(message)
                await receive()

            async def main(app: Any) -> None:
                async with await ASGITransport(app)("GET", URL) as response:
                    await response.aread()

            told = f"the application sent '{messages[-1]['type']}' where '{due}' is due"
            with self.subTest(told), self.assertRaisesRegex(RuntimeError, told):
                self.run_async(main(App(respond)))

    def test_many_at_once(self) -> None:
        app = App(until_disconnected)
        transport = ASGITransport(app)

        async def one() -> list[str]:
            received = []
            async with sse.async_connect(URL, transport=transport) as client:
                async for event in client:
                    received.append(event.data)
                    if len(received) == 2:
                        break
            return received

        async def main() -> list[list[str]]:
            return await asyncio.gather(*(one() for _ in range(20)))

        self.assertEqual(self.run_async(main()), [["a", "b"]] * 20)
        self.assertEqual((len(app.scopes), app.running), (20, 0))


Lifespan = Callable[[Message, Receive, Send], Awaitable[None]]


def failing(event: str, *, raising: bool = False) -> Lifespan:
    """An application whose startup or shutdown fails."""

    async def lifespan(scope: Message, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != f"lifespan.{event}":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": f"lifespan.{event}.failed", "message": "no database"})
        if raising:
            raise Oops

    return lifespan


class ASGILifespan(AsyncWorld):
    async def run_lifespan(self, app: Any) -> None:
        async with ASGITransport(app):
            await asyncio.sleep(0)

    def test_state(self) -> None:
        """What the application keeps in it reaches every request, each in a dictionary of its own."""
        connection = object()
        states: list[Message] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await receive()
                scope["state"].update(connection=connection)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
            else:
                states.append(dict(scope["state"]))
                scope["state"]["more"] = 1
                await whole(scope, receive, send)

        async def main() -> None:
            async with ASGITransport(app) as transport:
                for _ in range(2):
                    async with await transport("GET", URL) as response:
                        await response.aread()

        self.run_async(main())
        self.assertEqual(states, [{"connection": connection}] * 2)

    def test_failed(self) -> None:
        for event in ("startup", "shutdown"):
            for raising in (False, True):
                with self.subTest(event, raising=raising):
                    with self.assertRaisesRegex(RuntimeError, f"{event}.*no database") as caught:
                        self.run_async(self.run_lifespan(failing(event, raising=raising)))
                    self.assertIs(type(caught.exception.__cause__), Oops if raising else type(None))

    def test_raised(self) -> None:
        async def at_startup(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            raise Oops

        async def at_shutdown(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise Oops

        async def at_the_end(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            raise Oops

        for app in (at_startup, at_shutdown, at_the_end):
            with self.subTest(app.__name__), self.assertRaises(Oops):
                self.run_async(self.run_lifespan(app))

    def test_applications_without_lifespan(self) -> None:
        """ASGI, "Lifespan Protocol": a server goes on if the application raises when it is called for
        that, or returns. One that asked what it is to do and raises then has failed in doing it.
        """

        async def raises(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                raise ValueError("Django can only handle ASGI/HTTP connections")
            await whole(scope, receive, send)

        async def fails_to_read(scope: Message, receive: Receive, send: Send) -> None:
            await whole(scope["path"] and scope, receive, send)

        def raises_before_it_is_awaited(scope: Message, receive: Receive, send: Send) -> Any:
            if scope["type"] != "http":
                raise OSError("no such protocol")
            return whole(scope, receive, send)

        async def returns(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await whole(scope, receive, send)

        async def returns_later(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                return await whole(scope, receive, send)
            await receive()

        async def main(app: Any) -> bytes:
            async with ASGITransport(app) as transport:
                async with await transport("GET", URL) as response:
                    content: bytes = await response.aread()
                    return content

        for app in (raises, fails_to_read, raises_before_it_is_awaited, returns, returns_later):
            with self.subTest(app.__name__):
                self.assertEqual(self.run_async(main(app)), b"data: a\n\ndata: b\n\n")

    def test_failed_before_it_was_asked(self) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with self.assertRaisesRegex(RuntimeError, "startup failed: no database"):
            self.run_async(self.run_lifespan(app))

    def test_another_message(self) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send({"type": "lifespan.shutdown.complete"})

        with self.assertRaisesRegex(RuntimeError, "where 'lifespan.startup.complete' is due"):
            self.run_async(self.run_lifespan(app))

    async def fails_and_stays(self, event: str) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await failing(event)(scope, receive, send)
            while not ended.is_set():
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    pass

        ended = asyncio.Event()
        with self.assertRaisesRegex(RuntimeError, f"{event} failed: no database"):
            await self.run_lifespan(app)
        ended.set()
        await asyncio.sleep(0)

    def test_one_that_swallows_its_cancellation(self) -> None:
        for event in ("startup", "shutdown"):
            with self.subTest(event), mock.patch("httpclient._GRACE", 0.02):
                self.run_async(self.fails_and_stays(event))

    def test_one_that_leaves_without_a_word(self) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()

        self.run_async(self.run_lifespan(app))

    def test_a_slow_shutdown(self) -> None:
        log: list[str] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await asyncio.sleep(0.1)
            log.append("flushed")
            await send({"type": "lifespan.shutdown.complete"})

        with mock.patch("httpclient._GRACE", 0.02):
            self.run_async(self.run_lifespan(app))
        self.assertEqual(log, ["flushed"])

    def left_when_cancelled(self, *, started: bool) -> list[str]:
        left: list[str] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            try:
                if started:
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                await asyncio.sleep(1000)
            except BaseException as error:
                left.append(type(error).__name__)
                raise

        async def main() -> None:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(self.run_lifespan(app), 0.03)

        with mock.patch("httpclient._GRACE", 0.02):
            self.run_async(main())
        return left

    def test_cancelled(self) -> None:
        """In its startup or its shutdown: the application is not left behind."""
        for started in (False, True):
            with self.subTest(started=started):
                self.assertEqual(self.left_when_cancelled(started=started), ["CancelledError"])


class Body:
    """The iterable of a WSGI application; it knows whether it was closed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        if self.closed:
            raise AssertionError("closed twice")
        self.closed = True


class WSGI(SyncWorld):
    def client(self, app: Any, url: str = URL, **options: Any) -> Any:
        return self.connect(url, transport=WSGITransport(app), **options)

    def app(self, pieces: Iterable[bytes], status: str = "200 OK", *headers: tuple[str, str]) -> Any:
        """An application that answers with these pieces; it keeps its `environ` and its `body`."""

        def app(environ: dict[str, Any], start_response: Any) -> Body:
            app.environ = environ  # type: ignore[attr-defined]
            app.body = Body(pieces)  # type: ignore[attr-defined]
            start_response(status, list(headers or [("Content-Type", "text/event-stream")]))
            return app.body  # type: ignore[attr-defined,no-any-return]

        return app

    def test_an_endless_endpoint(self) -> None:
        yielded: list[int] = []

        def pieces() -> Iterator[bytes]:
            while True:
                yielded.append(1)
                yield b"data: x\n\n"

        app = self.app(pieces())
        with self.client(app) as client:
            next(client), next(client)
            self.assertFalse(app.body.closed)
            self.assertLess(len(yielded), 10)
        self.assertTrue(app.body.closed)

    def test_without_unix_sockets(self) -> None:
        with without_unix_sockets():
            self.assertEqual(WSGITransport(self.app([b"a"]))("GET", URL).read(), b"a")

    def test_a_generator_is_closed(self) -> None:
        ended: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            try:
                yield b"data: x\n\n"
                yield b"data: y\n\n"
            finally:
                ended.append("closed")

        with self.client(app) as client:
            next(client)
            self.assertEqual(ended, [])
        self.assertEqual(ended, ["closed"])

    def test_environ(self) -> None:
        app = self.app([b""])
        url = "https://app.test:8443/caf%C3%A9/a%2Fb?q=%20&x"
        options: dict[str, Any] = {"method": "POST", "json": {"a": 1}, "headers": {"X-Api-Key": "k"}}
        with self.client(app, url, last_event_id="7", **options) as client:
            list(client)
        environ = app.environ
        self.assertEqual((environ["REQUEST_METHOD"], environ["wsgi.url_scheme"]), ("POST", "https"))
        self.assertEqual(environ["PATH_INFO"].encode("latin-1").decode(), "/café/a/b")
        self.assertEqual((environ["QUERY_STRING"], environ["SCRIPT_NAME"]), ("q=%20&x", ""))
        self.assertEqual((environ["SERVER_NAME"], environ["SERVER_PORT"]), ("app.test", "8443"))
        self.assertEqual((environ["HTTP_HOST"], environ["HTTP_X_API_KEY"]), ("app.test:8443", "k"))
        self.assertEqual((environ["HTTP_LAST_EVENT_ID"], environ["CONTENT_TYPE"]), ("7", "application/json"))
        self.assertEqual(environ["wsgi.version"], (1, 0))
        content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        self.assertEqual(content.replace(b" ", b""), b'{"a":1}')
        for name in ("wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "SERVER_PROTOCOL"):
            self.assertIn(name, environ)
        self.assertNotIn("HTTP_CONTENT_TYPE", environ)

    def test_several_lines_of_one_header(self) -> None:
        app = self.app([b""])
        headers = [("X-A", "1"), ("Cookie", "a=1"), ("x-a", "2"), ("cookie", "b=2")]
        WSGITransport(app)("GET", URL, headers=headers).read()
        self.assertEqual((app.environ["HTTP_X_A"], app.environ["HTTP_COOKIE"]), ("1, 2", "a=1; b=2"))

    def test_reconnection(self) -> None:
        ids: list[str | None] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            ids.append(environ.get("HTTP_LAST_EVENT_ID"))
            if len(ids) == 3:
                start_response("204 No Content", [])
                return []
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return [f"id: {len(ids)}\ndata: {len(ids)}\n\n".encode()]

        with self.client(app) as client:
            self.assertEqual([event.data for event in client], ["1", "2"])
        self.assertEqual(ids, [None, "1", "2"])

    def test_refusals(self) -> None:
        app = self.app([b'{"detail": ', b'"gone"}'], "404 Not Found", ("Content-Type", "application/json"))
        with self.assertRaises(SSEHTTPError) as caught, self.client(app):
            pass
        error = caught.exception
        self.assertEqual((error.status_code, error.reason, error.json()), (404, "Not Found", {"detail": "gone"}))
        self.assertTrue(app.body.closed)

    def test_redirects(self) -> None:
        paths: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            paths.append(environ["PATH_INFO"])
            if paths[-1] == "/there":
                start_response("200 OK", [("Content-Type", "text/event-stream")])
                return [b"data: x\n\n"]
            location = "http://elsewhere.test/" if paths[-1] == "/away" else "/there"
            start_response("302 Found", [("Location", location)])
            return []

        with self.client(app, reconnect=False) as client:
            self.assertEqual(len(list(client)), 1)
        with self.assertRaises(SSEConnectionError), self.client(app, "http://app.test/away"):
            pass
        self.assertEqual(paths, ["/events", "/there", "/away"])

    def test_start_response_and_write(self) -> None:
        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("500 Oops", [])
            try:
                raise ValueError
            except ValueError:
                import sys

                write = start_response("200 OK", [("Content-Type", "text/event-stream")], sys.exc_info())
            write(b"data: a\n\n")
            return [b"", b"data: b\n\n"]

        with self.client(app, reconnect=False) as client:
            self.assertEqual([event.data for event in client], ["a", "b"])

    def test_start_response_when_iteration_has_begun(self) -> None:
        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            yield b"data: a\n\n"

        with self.client(app, reconnect=False) as client:
            self.assertEqual(len(list(client)), 1)

    def test_what_it_raises_reaches_the_caller(self) -> None:
        def at_once(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            raise Oops

        def after_an_event(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            yield b"data: a\n\n"
            raise Oops

        for app, events in ((at_once, 0), (after_an_event, 1)):
            client = self.client(app)
            received = []
            with self.assertRaises(Oops), client:
                for event in client:
                    received.append(event)
            self.assertEqual((len(received), client.waits, list(client)), (events, [], []))

    def test_an_os_error_of_its_own_is_no_lost_connection(self) -> None:
        """Wherever it is raised."""

        class Closing(Body):
            def close(self) -> None:
                raise FileNotFoundError("report.csv")

        def opening(environ: dict[str, Any], start_response: Any) -> Any:
            raise FileNotFoundError("report.csv")

        def iterating(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            yield b"data: a\n\n"
            raise FileNotFoundError("report.csv")

        def closing(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return Closing([b"data: a\n\n"])

        for app in (opening, iterating, closing):
            client = self.client(app)
            with self.subTest(app.__name__), self.assertRaisesRegex(RuntimeError, "failed: FileNotFound"):
                for _ in client:
                    self.assertEqual(client.waits, [])

    def test_what_http_could_not_carry(self) -> None:
        """It is the application's error, raised where it starts its answer."""
        for status, headers, kind, text in (
            *(("200 OK", [(name, value)], RuntimeError, text)
              for name, value, text in NOT_TO_BE_SENT),
            ("200 OK", [("X", "\u20ac secret")], RuntimeError, "header X has .* beyond Latin-1"),
            ("200 OK", [("X", 1)], TypeError, "header 'X' is of str and int, not str"),
            ("200 OK", [(b"x", b"y")], TypeError, "bytes and bytes, not str"),
            ("200 OK", [("Content-Length", "1"), ("content-length", "2")], RuntimeError, "one number"),
            ("99 No", [], RuntimeError, "status '99 No'"),
            ("100 Continue", [], RuntimeError, "status"),
            ("200OK", [], RuntimeError, "status"),
            ("200 OK\r\nX: y", [], RuntimeError, "status"),
            (200, [], None, ""),
        ):  # fmt: skip
            raised: list[str] = []

            def app(
                environ: Any, start_response: Any, case: Any = (status, headers),
                raised: list[str] = raised,
            ) -> list[bytes]:  # fmt: skip
                try:
                    start_response(*case)
                except Exception as error:
                    raised.append(type(error).__name__)
                    raise
                return []

            with self.subTest(status=status, headers=headers):
                if kind is None:
                    self.assertEqual(WSGITransport(app)("GET", URL).status_code, 200)
                    continue
                with self.assertRaisesRegex(kind, f"the application's .*{text}") as caught:
                    WSGITransport(app)("GET", URL)
                self.assertNotIn("secret", str(caught.exception))
                self.assertEqual(raised, [kind.__name__])

    def test_lengths_that_agree(self) -> None:
        length = ("Content-Length", "3")
        response = WSGITransport(self.app([b"abc"], "200 OK", length, length))("GET", URL)
        self.assertEqual(response.read(), b"abc")

    def test_it_runs_to_its_end(self) -> None:
        """Also behind a body whose end its length has told, as under a server."""
        for headers in ([], [("Content-Length", "10")]):
            for after in (None, Oops(), FileNotFoundError("report.csv")):
                ended: list[object] = []

                def pieces(after: Exception | None = after, ended: list[object] = ended) -> Iterator[bytes]:
                    yield b"data: a\n\n\n"
                    yield b""
                    ended.append(after)
                    if after is not None:
                        raise after

                app = self.app(pieces(), "200 OK", ("Content-Type", "text/event-stream"), *headers)
                client, received = self.client(app, reconnect=False), []
                with self.subTest(headers=headers, after=after):
                    expected = RuntimeError if isinstance(after, OSError) else type(after)
                    with self.assertRaises(expected) if after else contextlib.nullcontext(), client:
                        for event in client:
                            received.append(event.data)
                    self.assertEqual((received, ended, app.body.closed), (["a"], [after], True))

    def test_but_not_beyond_its_length(self) -> None:
        app = self.app((b"%d" % n for n in itertools.count()), "200 OK", ("Content-Length", "3"))
        self.assertEqual(WSGITransport(app)("GET", URL).read(), b"012")
        self.assertEqual(next(app.body.pieces), b"4")
        self.assertTrue(app.body.closed)

    def test_timeout_of_a_transport_called_directly(self) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            time.sleep(0.02)
            start_response("200 OK", [])
            bodies.append(Body([b"a"]))
            return bodies[-1]

        bodies: list[Body] = []
        with self.assertRaisesRegex(RequestTimeout, "^no answer within timeout$"):
            WSGITransport(app)("GET", URL, timeout=0.01)
        self.assertTrue(bodies[0].closed)
        self.assertEqual(WSGITransport(app)("GET", URL, timeout=20.0).read(), b"a")

    def test_what_a_signal_handler_raises_comes_out_as_it_is(self) -> None:
        """Whatever its class, and though it closes the connection."""

        def pieces() -> Iterator[bytes]:
            yield b"a"
            signal.raise_signal(signal.SIGINT)
            yield b"b"

        def through(error: BaseException, closing: bool) -> None:
            def handler(*_: Any) -> None:
                if closing:
                    response.close()
                raise error

            app = self.app(pieces())
            response = WSGITransport(app)("GET", URL)
            wire = response._exchange._wire
            self.assertEqual((wire.recv_now(), wire.whole), (b"a", True))
            before = signal.signal(signal.SIGINT, handler)
            try:
                with self.assertRaises(type(error)) as caught:
                    wire.recv_now()
            finally:
                signal.signal(signal.SIGINT, before)
            self.assertIs(caught.exception, error)
            self.assertEqual((wire.whole, app.body.closed), (False, closing))
            response.close()
            self.assertTrue(app.body.closed)

        for error in (TimeoutError("deadline"), SystemExit(7), Oops()):
            for closing in (False, True):
                with self.subTest(repr(error), closing=closing):
                    through(error, closing)

    def test_nor_is_it_changed_while_the_iterable_is_closed(self) -> None:
        class Closing(Body):
            def close(self) -> None:
                signal.raise_signal(signal.SIGINT)

        def handler(*_: Any) -> None:
            raise TimeoutError("deadline")

        def app(environ: dict[str, Any], start_response: Any) -> Body:
            start_response("200 OK", [])
            return Closing([b"a"])

        response = WSGITransport(app)("GET", URL)
        before = signal.signal(signal.SIGINT, handler)
        try:
            self.assertRaisesRegex(TimeoutError, "deadline", response.close)
        finally:
            signal.signal(signal.SIGINT, before)

    def test_closed_by_another_thread(self) -> None:
        """While the application computes: its iterable is closed when it is done with that."""
        computing, closed = threading.Event(), threading.Event()
        left: list[threading.Thread] = []

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            try:
                yield b"data: a\n\n"
                computing.set()
                closed.wait(10)
                yield b"data: b\n\n"
            finally:
                left.append(threading.current_thread())

        def close() -> None:
            computing.wait(10)
            client.close()
            closed.set()

        with self.client(app) as client:
            thread = threading.Thread(target=close)
            thread.start()
            self.assertEqual([event.data for event in client], ["a"])
            self.assertEqual((closed.is_set(), left), (True, [threading.current_thread()]))
            thread.join()

    def test_a_reader_is_told_that_it_was_closed(self) -> None:
        app = self.app([b"a", b"b"])
        response = WSGITransport(app)("GET", URL)
        pieces = response.iter_bytes()
        self.assertEqual(next(pieces), b"a")
        response.close()
        self.assertTrue(app.body.closed)
        with self.assertRaises(ConnectError):
            next(pieces)

    def test_closed_by_the_application_itself(self) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"data: a\n\n"
            client.close()
            yield b"data: b\n\n"

        app = self.app(pieces())
        with self.client(app) as client:
            self.assertEqual(len(list(client)), 1)
            self.assertTrue(app.body.closed)


class FakeResponse:
    """What glue around another HTTP library returns, in either world."""

    def __init__(self, pieces: Iterable[bytes | Exception], status_code: int, headers: Mapping[str, str]) -> None:
        self.pieces, self.status_code, self.headers = pieces, status_code, headers
        self.url = "http://final.test/"
        self.closed = 0

    def iter_bytes(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for piece in self.iter_bytes():
            await asyncio.sleep(0)
            yield piece

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


@in_both_worlds
class Foreign(World):
    def setUp(self) -> None:
        super().setUp()
        self.calls: list[tuple[Any, ...]] = []
        self.responses: list[FakeResponse] = []

    def transport(self, *answers: Any) -> Callable[..., Any]:
        """A transport which raises or answers in turn: each answer is an exception or pieces of a body."""
        remaining = iter(answers)

        def send(method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> FakeResponse:
            self.calls.append((method, url, dict(headers), content, timeout))
            answer = next(remaining)
            if isinstance(answer, Exception):
                raise answer
            if not isinstance(answer, FakeResponse):
                answer = FakeResponse(answer, 200, {"content-type": "text/event-stream"})
            self.responses.append(answer)
            return answer

        async def send_async(*args: Any, **options: Any) -> FakeResponse:
            await asyncio.sleep(0)
            return send(*args, **options)

        return send_async if is_async(self) else send

    def test_events(self) -> None:
        transport = self.transport([b"id: 1\nda", b"ta: x\n\n"], FakeResponse([], 204, {}))
        with self.connect(URL, transport=transport, timeout=7.0) as client:
            self.assertEqual(client.response.url, "http://final.test/")
            self.assertEqual([event.data for event in client], ["x"])
        first, second = self.calls
        self.assertEqual((first[0], first[1], first[4]), ("GET", URL, 7.0))
        self.assertEqual(first[2].get("Accept"), "text/event-stream")
        self.assertIn(second[2]["Last-Event-ID"], ("1", b"1"))
        self.assertEqual([response.closed > 0 for response in self.responses], [True, True])

    def test_body(self) -> None:
        transport = self.transport([b"data: x\n\n"])
        with self.connect(URL, transport=transport, method="POST", content=b"body") as client:
            self.assertEqual(len(list(client)), 1)
        self.assertEqual((self.calls[0][0], self.calls[0][3]), ("POST", b"body"))

    def test_drops(self) -> None:
        for drop in (OSError("gone"), ConnectionResetError(), TimeoutError(), EOFError("cut")):
            with self.subTest(drop=drop):
                transport = self.transport(drop, [b"data: x\n\n", drop], FakeResponse([], 204, {}))
                with self.connect(URL, transport=transport) as client:
                    self.assertEqual(len(list(client)), 1)
                    self.assertEqual(client.waits, [3.0, 3.0])

    def test_other_exceptions_reach_the_caller(self) -> None:
        for answers in ([Oops()], [[b"data: x\n\n", Oops()]]):
            client = self.connect(URL, transport=self.transport(*answers))
            with self.assertRaises(Oops), client:
                list(client)
            self.assertEqual((client.waits, client.state), ([], "closed"))
        self.assertTrue(all(response.closed for response in self.responses))

    def test_refusals(self) -> None:
        answer = FakeResponse([b'{"a"', b": 1}"], 404, {"Content-Type": "application/json"})
        with self.assertRaises(SSEHTTPError) as caught:
            with self.connect(URL, transport=self.transport(answer)):
                pass
        self.assertEqual((caught.exception.status_code, caught.exception.json()), (404, {"a": 1}))
        self.assertTrue(answer.closed)
        answer = FakeResponse([b"<p>"], 200, {"Content-Type": "text/html"})
        with self.assertRaises(SSEContentTypeError), self.connect(URL, transport=self.transport(answer)):
            pass
        self.assertTrue(answer.closed)

    def test_a_base_url_of_the_client_is_told(self) -> None:
        """A relative URL alone would leave out which host it was."""

        def refuse(*args: Any, **options: Any) -> Any:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

        async def refuse_later(*args: Any, **options: Any) -> Any:
            refuse()

        base = "http://me:s3cret@host.test/v1/"
        send = refuse_later if is_async(self) else refuse
        for name, base_url, url, wanted in (
            ("base_url", base, "/feed?s3cret", "http://host.test/v1/feed"),
            ("base_url", "http://host.test", "feed", "http://host.test/feed"),
            ("base_url", base, "http://other.test/feed", "http://other.test/feed"),
            ("base_url", "", "http://other.test/feed", "http://other.test/feed"),
            ("base_url", None, "/feed", "/feed"),
            ("_base_url", base, "/feed", "http://host.test/feed"),  # aiohttp
            ("_base_url", base, "feed", "http://host.test/v1/feed"),
        ):
            with self.subTest(name, base_url=base_url, url=url):
                attributes = {name: base_url, "__call__": staticmethod(send)}
                session = foreign("myapp", "Client", **attributes)
                client = self.connect(url, transport=session, max_retries=1)
                self.assertIn(f" GET {wanted} ", repr(client))
                with self.assertLogs("sse", "WARNING") as log:
                    with self.assertRaises(SSEConnectionError) as caught, client:
                        pass
                text, args = str(caught.exception), repr(caught.exception.args)
                self.assertEqual(text.partition(": ")[0], wanted)
                self.assertIn(f"{wanted}: ", log.output[0])
                self.assertNotIn("s3cret", log.output[0] + text + args)

    def test_closed_in_the_middle(self) -> None:
        with self.connect(URL, transport=self.transport([b"data: x\n\n"] * 3)) as client:
            next(client)
        self.assertTrue(self.responses[0].closed)


def foreign(package: str, name: str, **attributes: Any) -> Any:
    """An instance of a class that looks like that of another library."""
    return type(name, (), {"__module__": f"{package}.inner", **attributes})()


class Recorder:
    """Notes how it is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **options: Any) -> str:
        self.calls.append((args, options))
        return "what the library returns"


class Limits:
    """The time limits of a client of httpx or aiohttp."""

    def __init__(self, **seconds: float | None) -> None:
        self.seconds = seconds

    def __getattr__(self, name: str) -> float | None:
        return self.seconds[name]


class OtherClients(Checked):
    """`transport_of`, without the libraries: tests/extended/ has them."""

    LINES = (("Accept", "a"), ("X-Two", "1"), ("Cookie", "a=b"), ("x-two", "2"), ("Cookie", "c=d"))

    def send(self, client: Any, asynchronous: bool, headers: Any = LINES) -> None:
        send = transport_of(client, asynchronous)
        sent = send("PUT", "http://a/", headers=headers, content=b"x", timeout=3.0)
        self.assertEqual(sent, "what the library returns")

    def test_requests_and_niquests(self) -> None:
        for package, name, asynchronous in (
            ("requests", "Session", False),
            ("niquests", "Session", False),
            ("niquests", "AsyncSession", True),
        ):
            request = Recorder()
            more = {"__aenter__": None} if asynchronous else {}
            with self.subTest(package=package, name=name):
                self.send(foreign(package, name, request=request, **more), asynchronous)
                ((args, options),) = request.calls
                self.assertEqual(args, ("PUT", "http://a/"))
                headers = {"Accept": "a", "X-Two": "1, 2", "Cookie": "a=b; c=d"}
                timeout = (3.0, None) if asynchronous else 3.0
                wanted = {"headers": headers, "data": b"x", "timeout": timeout, "stream": True}
                self.assertEqual(options, wanted)

    def test_httpx(self) -> None:
        for package in ("httpx", "httpx2"):
            for name, asynchronous in (("Client", False), ("AsyncClient", True)):
                limits = Limits(connect=1.0, read=2.0, write=None, pool=9.0)
                build, send = Recorder(), Recorder()
                more: dict[str, Any] = {"aclose": None} if asynchronous else {}
                more |= {"timeout": limits, "build_request": build, "send": send}
                more["stream"] = SimpleNamespace(__module__=f"{package}.inner")
                with self.subTest(package=package, name=name):
                    self.send(foreign(package, name, **more), asynchronous, {"X": "\xe9"})
                    ((args, options),) = build.calls
                    self.assertEqual(args, ("PUT", "http://a/"))
                    self.assertEqual(options["headers"], [(b"X", b"\xe9")])
                    read = None if asynchronous else 3.0
                    self.assertEqual(options["timeout"], (1.0, read, 3.0, 3.0))
                    self.assertEqual(send.calls[0][1], {"stream": True, "follow_redirects": True})

    def test_httpx_derived_with_a_stream_of_its_own(self) -> None:
        """Its answer is not closed by the end of the `with` block that it is for."""
        limits = Limits(connect=None, read=None, write=None, pool=None)
        closed: list[str] = []

        class Answer:
            def close(self) -> None:
                closed.append("close")

            async def aclose(self) -> None:
                closed.append("aclose")

        class Opening:
            def __enter__(self) -> Any:
                self.answer = Answer()
                return self.answer

            def __exit__(self, *exception: object) -> None:
                self.answer.close()

            async def __aenter__(self) -> Any:
                return self.__enter__()

            async def __aexit__(self, *exception: object) -> None:
                await self.answer.aclose()

        def stream(client: object, *args: Any, **options: Any) -> Opening:
            opened.append((args, sorted(options)))
            return Opening()

        opened: list[Any] = []
        for name, asynchronous in (("Client", False), ("AsyncClient", True)):
            more: dict[str, Any] = {"aclose": None} if asynchronous else {}
            client = foreign("httpx", name, timeout=limits, stream=stream, **more)
            with self.subTest(name):
                send = transport_of(client, asynchronous)
                sent = send("PUT", "http://a/", headers=(), content=b"x", timeout=3.0)
                answer = asyncio.run(sent) if asynchronous else sent
                self.assertEqual(closed, [])
                asyncio.run(answer.aclose()) if asynchronous else answer.close()
                self.assertEqual(closed.pop(), "aclose" if asynchronous else "close")
        asked = (("PUT", "http://a/"), ["content", "follow_redirects", "headers", "timeout"])
        self.assertEqual(opened, [asked, asked])

    def test_aiohttp(self) -> None:
        request = Recorder()
        limits = Limits(total=300.0, connect=None, sock_connect=30.0, sock_read=5.0)
        session = foreign("aiohttp", "ClientSession", request=request, timeout=limits)
        sent = {"Last-Event-ID": "\u017e".encode().decode("latin-1"), "X": "\xe9"}
        self.send(session, True, sent)
        ((args, options),) = request.calls
        self.assertEqual((args, options["data"]), (("PUT", "http://a/"), b"x"))
        self.assertEqual(options["headers"], [("Last-Event-ID", "\u017e"), ("X", "\xe9")])
        wanted = {"total": None, "connect": None, "sock_connect": 30.0}
        self.assertEqual(options["timeout"].seconds, wanted)

    def test_derived_classes_are_known_and_other_packages_are_not(self) -> None:
        request = Recorder()
        session = foreign("requests", "Session", request=request)
        derived = type("OAuthSession", (type(session),), {"__module__": "myapp"})()
        self.send(derived, False)
        text = "transport= takes requests.Session.*, not sqlalchemy.Session$"
        with self.assertRaisesRegex(TypeError, text):
            transport_of(foreign("sqlalchemy", "Session"), False)

    def test_a_part_of_another_client(self) -> None:
        """Such as httpx.ASGITransport, which has the name of ours."""
        for package, part in (("httpx", "handle_async_request"), ("httpx2", "handle_request")):
            thing = foreign(package, "ASGITransport", **{part: None})
            text = rf"not {package}.ASGITransport; .* Client or AsyncClient\(transport=...\)$"
            for asynchronous in (False, True):
                with self.assertRaisesRegex(TypeError, text):
                    transport_of(thing, asynchronous)

    def test_other_callables_are_taken_as_they_are(self) -> None:
        async def awaited(method: str, url: str, **options: Any) -> None: ...

        for transport, asynchronous in (
            (lambda method, url, *, headers, content, timeout: None, False),
            (lambda *args, **options: None, True),  # it may return what can be awaited
            (Recorder(), False),
            (len, False),
            (awaited, True),
            (WSGITransport(len), False),
            (ASGITransport(len), True),
        ):
            self.assertIs(transport_of(transport, asynchronous), transport)

    def test_what_is_for_the_other_world(self) -> None:
        async def awaited(method: str, url: str, **options: Any) -> None: ...

        for transport, asynchronous, name in (
            (ASGITransport(len), True, "ASGITransport"),
            (WSGITransport(len), False, "WSGITransport"),
            (foreign("requests", "Session"), False, "requests.Session"),
            (foreign("httpx", "Client"), False, "httpx.Client"),
            (foreign("httpx2", "AsyncClient"), True, "httpx2.AsyncClient"),
            (foreign("aiohttp", "ClientSession"), True, "aiohttp.ClientSession"),
            (awaited, True, "a coroutine function"),
        ):
            right, wrong = ("async_connect", "connect")[:: 1 if asynchronous else -1]
            with self.subTest(name):
                text = rf"={name} is for {right}\(\), not for {wrong}\(\)"
                with self.assertRaisesRegex(TypeError, text):
                    transport_of(transport, not asynchronous)

    def test_classes_in_the_place_of_their_instances(self) -> None:
        for kind, name in (
            (ASGITransport, "ASGITransport"),
            (WSGITransport, "WSGITransport"),
            (type(foreign("httpx", "Client")), "httpx.Client"),
        ):
            for asynchronous in (False, True):
                with self.assertRaisesRegex(TypeError, f"an instance of {name}, not the class"):
                    transport_of(kind, asynchronous)

    def test_bare_applications(self) -> None:
        async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

        def wsgi(environ: Any, start_response: Any) -> Any: ...

        class Framework:
            def __call__(self, env: Any, start_response: Any) -> Any: ...

        @functools.wraps(asgi)
        async def wrapped(*args: Any) -> None: ...

        for app, name in (
            (asgi, "ASGI"),
            (App(whole), "ASGI"),
            (App(whole).__call__, "ASGI"),
            (wrapped, "ASGI"),
            (wsgi, "WSGI"),
            (Framework(), "WSGI"),
        ):
            for asynchronous in (False, True):
                text = rf"is a bare {name} application: .*connect\(\) takes transport={name}Tran"
                with self.subTest(app=app), self.assertRaisesRegex(TypeError, text):
                    transport_of(app, asynchronous)

    def test_what_cannot_be_a_transport(self) -> None:
        for asynchronous, choice in ((False, "requests.Session"), (True, "aiohttp.ClientSession")):
            for thing in ("http://proxy", 3, object(), asyncio):
                with self.assertRaisesRegex(TypeError, f"transport= takes .*{choice}.* function"):
                    transport_of(thing, asynchronous)
