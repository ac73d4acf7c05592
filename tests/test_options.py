"""What the clients refuse before a byte is sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, Iterable
from types import SimpleNamespace
from typing import Any

from sse import AsyncEventSource, AsyncSSEClient, EventSource, SSEClient, async_connect, connect
from tests.server import CA, Server
from tests.worlds import World, in_both_worlds, is_async

URL = "http://127.0.0.1:9/"


async def transport(*args: object, **options: object) -> object:
    raise AssertionError("is not called")


BAD_URLS: tuple[Any, ...] = (
    "",
    "/path",
    "//host/path",
    "host/path",
    "localhost:8000",
    "http:/host",
    "http://",
    "http:///path",
    "http://user@/",
    "http://:80/",
    "ftp://host/",
    "file:///etc/passwd",
    "ws://host/",
    "http://host:port/",
    "http://host:99999/",
    "http://host:-1/",
    "http://host:+80/",
    "http://host:8_0/",
    "http://ho st/",
    "http://host\\evil.example/",
    "http://host<>/",
    "http://ho%20st/",
    "http://[::1/",
    "http://::1/",
    "http://[nonsense]/",
    "http://[127.0.0.1]/",
    "http://host/a\nb",
    "http://host/a\rb",
    "http://host/\x00",
    "http://host\n/",
    "http://us\ner@host/",
    "http://faß.de/",
    "http://a..b/",
    "http://" + "a" * 64 + ".example/",
    None,
    7,
    b"http://host/",
)

BAD_HEADERS: tuple[Any, ...] = (
    {"X": "a\nb"},
    {"X": "a\rb"},
    {"X": "a\r\nHost: evil"},
    {"X": "a\0b"},
    {"X\n": "a"},
    {"X\r\nY": "a"},
    {"X Y": "a"},
    {"X:": "a"},
    {"": "a"},
    {"é": "a"},
    {"X": "\ud800"},
    {"Content-Length": "3"},
    {"content-length": "3"},
    {"Transfer-Encoding": "chunked"},
    {"X": None},
    {"X": 3},
    {3: "X"},
    "X: y",
    7,
)

BAD_OPTIONS: tuple[dict[str, Any], ...] = (
    {"method": ""},
    {"method": "GE T"},
    {"method": "GET / HTTP/1.1\r\nX: y\r\n\r\n"},
    {"method": "GÉT"},
    {"verify": None},
    {"verify": ""},
    {"verify": 3},
    {"retry_interval": -1},
    {"retry_interval": "3000"},
    {"max_retries": -2},
    {"max_retries": "3"},
    {"max_retries": None},
    {"timeout": -1},
    {"timeout": "30"},
    {"idle_timeout": -1},
    {"idle_timeout": "30"},
    {"idle_timeout": float("inf")},
    {"timeout": float("nan")},
    {"timeout": 10**400},
    {"retry_interval": float("inf")},
    {"content_type": 5},
    {"content_type": ""},
    {"timeout": True},
    {"max_retries": True},
    {"max_event_size": True},
    {"follow_redirects": 7},
    {"follow_redirects": None},
    {"reconnect": 1},
    {"until": transport},
    {"on_open": transport},
    {"backoff": "2"},
    {"max_retry_interval": -1},
    {"max_event_size": -1},
    {"max_event_size": "64"},
    {"last_event_id": None},
    {"last_event_id": 42},
    {"params": 7},
    {"content": object()},
    {"json": object()},
    {"json": 1, "content": b"1"},
    {"until": "[DONE]"},
    {"on_open": "x"},
    {"on_error": 1},
    {"on_comment": 1},
    {"retry_on_status": 503},
    {"retry_on_status": {"503"}},
    {"proxy": "socks5://localhost:1080"},
    {"proxy": "https://localhost:3128"},
    {"proxy": "http://"},
    {"proxy": 7},
    {"uds": 7},
    {"uds": ""},
    {"transport": "x"},
    {"no_such_option": 1},
)


@in_both_worlds
class Options(World):
    def refuses(self, url: Any, **options: Any) -> None:
        with self.subTest(url=url, **options), self.assertRaises((ValueError, TypeError)):
            self.connect(url, **options)

    def test_urls(self) -> None:
        for url in BAD_URLS:
            self.refuses(url)

    def test_an_open_answer_in_the_place_of_a_url(self) -> None:
        """As sseclient-py takes it."""
        answer = SimpleNamespace(status_code=200, headers={}, raw=None)
        with self.assertRaisesRegex(TypeError, "EventSource.from_response"):
            connect(answer)  # type: ignore[arg-type]

    def test_a_url_of_another_type_is_not_shown(self) -> None:
        """As bytes, or as yarl, httpx and pydantic have it: it may hold a password or a key."""
        for make in (connect, async_connect):
            with self.assertRaisesRegex(TypeError, r"str\(url\).*got bytes$"):
                make(b"http://me:s3cret@h/?key=s3cret")  # type: ignore[arg-type]

    def test_content_that_cannot_be_encoded_is_not_shown(self) -> None:
        """UnicodeEncodeError holds all of it."""
        for make in (connect, async_connect):
            with self.assertRaisesRegex(ValueError, "lone surrogates.*json=") as caught:
                make(URL, content="s3cret\ud83d")
            self.assertNotIn("s3cret", repr(caught.exception))
            self.assertIsNone(caught.exception.__context__)

    def test_headers(self) -> None:
        function = transport if is_async(self) else lambda *args, **options: None
        for headers in BAD_HEADERS:
            for options in ({}, {"transport": function}):
                self.refuses(URL, headers=headers, **options)

    def test_a_header_that_cannot_be_sent_is_not_shown(self) -> None:
        """UnicodeEncodeError holds all of it. Made by a callable, it is an error of the first step."""
        headers = {"Authorization": "Bearer \u201cs3cret\u201d"}
        function = transport if is_async(self) else lambda *args, **options: None
        for options in ({}, {"transport": function}):
            for given in (headers, lambda: headers):
                with self.subTest(given=given, **options):
                    with self.assertRaisesRegex(ValueError, "Authorization has .*Latin-1") as caught:
                        with self.connect(URL, headers=given, **options):
                            pass
                    self.assertNotIn("s3cret", f"{caught.exception!r}{caught.exception.args}")

    def test_others(self) -> None:
        for options in BAD_OPTIONS:
            self.refuses(URL, **options)

    def test_a_last_event_id_that_would_break_the_request(self) -> None:
        """Either it is refused, or it is left out; it never gets onto the wire."""
        for event_id in ("a\nb", "a\rb", "a\0b", "\r\nX: y", "\ud800"):
            with self.subTest(event_id), Server(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
                try:
                    client = self.connect(server.url, last_event_id=event_id)
                except ValueError:
                    continue
                with client:
                    pass
                self.assertNotIn("last-event-id", server.requests[0].names())
                self.assertNotIn("x", server.requests[0].names())

    def test_one_that_there_is_not(self) -> None:
        for name, hint in (
            ("auth", "instead: headers="), ("max_connect_retry", "instead: max_retries="),
            ("max_retry", "instead: max_retries="), ("jsn", "instead: json="), ("zzzz", "'zzzz'$"),
            ("whole_url", "no option 'whole_url'"), ("last_event", "instead: last_event_id=$"),
            ("connect_timeout", "instead: timeout=$"), ("exit_events", "instead: until=$"),
            ("ssl", "instead: verify=.*SSLContext$"), ("on_close", "instead: on_error=$"),
            ("event_types", "'event_types'$"), ("port", "'port'$"),  # near to none of ours
            ("sse_read_timeout", "instead: idle_timeout=$"), ("http_client", "instead: transport=$"),
            ("option", "instead: method=$"), ("encoding", "always UTF-8$"),
            ("max_attempts", "instead: max_retries=$"), ("files", "content=.*Content-Type$"),
            ("connect", "instead: the URL"), ("error_strategy", "instead: max_retries=$"),
            ("query_params", "instead: params=$"),
        ):  # fmt: skip
            for make in (connect, async_connect):
                with self.subTest(name), self.assertRaisesRegex(TypeError, hint):
                    make("http://h/", **{name: 1})  # type: ignore[arg-type]

    def test_one_of_a_derived_class(self) -> None:
        class Client(SSEClient):
            def __init__(self, url: str, *, auth: str) -> None:
                super().__init__(url, headers={"Authorization": auth})

        self.assertEqual(Client("http://h/", auth="Bearer x").state, "connecting")

    def test_with_in_the_wrong_world(self) -> None:
        """What is said is what to write instead; neither is taken for an iterable of the other."""

        async def mixed_up() -> None:
            async with connect(URL):  # type: ignore[attr-defined]
                pass

        if is_async(self):
            text = r"^async_connect\(\) is for `async with`.* connect\(\)$"
            with self.assertRaisesRegex(TypeError, text):
                with async_connect(URL):  # type: ignore[attr-defined]
                    pass
        else:
            text = r"^connect\(\) is for `with`.* async_connect\(\)$"
            with self.assertRaisesRegex(TypeError, text):
                asyncio.run(mixed_up())
        self.assertIsInstance(connect(URL), Iterable)
        self.assertNotIsInstance(connect(URL), AsyncIterable)
        self.assertIsInstance(async_connect(URL), AsyncIterable)
        self.assertNotIsInstance(async_connect(URL), Iterable)

    def test_a_relative_url(self) -> None:
        text = "^the URL does not begin with http:// or https://: '/feed'$"
        with self.assertRaisesRegex(ValueError, text):
            self.connect("/feed?token=s3cret")

    def test_with_a_transport_of_ones_own(self) -> None:
        context = ssl.create_default_context(cafile=CA)
        for options in ({"verify": False}, {"verify": CA}, {"verify": context}, {"proxy": ""}, {"uds": "/s"},
                        {"follow_redirects": False}):  # fmt: skip
            with self.subTest(**options), self.assertRaises(TypeError):
                self.connect(URL, transport=transport, **options)
        def function(*args: object, **options: object) -> object:
            return None

        self.connect(URL, transport=transport if is_async(self) else function).close()

    def test_a_method_in_small_letters(self) -> None:
        """Those that the standard knows mean the same in any case, others do not (Fetch, "normalize a method")."""
        for method, sent in (("get", b"GET"), ("post", b"POST"), ("report", b"report"), ("REPORT", b"REPORT")):
            client = self.connect(URL, method=method)
            self.assertEqual(client._options.reconnect, method == "get")
            self.assertEqual(client._request.encode(None).split()[0], sent)
            client.close()

    def test_a_content_type_for_an_open_answer(self) -> None:
        kind = AsyncEventSource if is_async(self) else EventSource
        for content_type, error in ((7, TypeError), ("", ValueError)):
            with self.assertRaisesRegex(error, "^content_type must be a media type, or None for any; got "):
                kind.from_response(SimpleNamespace(), content_type=content_type)

    def test_only_the_url_is_positional(self) -> None:
        with self.assertRaisesRegex(TypeError, "only the URL"):
            connect(URL, {})  # type: ignore[call-arg,arg-type]

    def test_defaults(self) -> None:
        client = self.connect(URL)
        self.assertEqual((client.retry_interval, client.last_event_id, client.state), (3000, "", "connecting"))
        client.close()

    def test_names(self) -> None:
        self.assertIs(connect, SSEClient)
        self.assertIs(async_connect, AsyncSSEClient)
