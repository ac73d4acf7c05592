"""What users write, for type checkers: nothing here is run. `mistakes` are errors, and nothing else."""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, TypedDict

import httpclient
import sse
from sse import (
    TRANSIENT_STATUSES,
    AsyncEventSource,
    AsyncSSEClient,
    EventSource,
    SSEClient,
    SSEConnectionError,
    SSEContentTypeError,
    SSEError,
    SSEEvent,
    SSEEventTooLargeError,
    SSEHTTPError,
    SSEParser,
    async_connect,
    connect,
)

URL = "https://example.org/events"


def follow() -> None:
    with connect(URL, last_event_id="7", retry_interval=1000, max_retries=5) as events:
        for event in events:
            text: str = event.data
            retry: int | None = event.retry
            print(event.id.upper(), event.event.lower(), text, retry, event.json()["delta"])
        state: str = events.state
        saved: str = events.last_event_id
        wait: int = events.retry_interval
        print(state, saved, wait)
    events.close()


async def follow_async() -> None:
    async with async_connect(
        URL, headers={"Authorization": "Bearer t"}, idle_timeout=60.0
    ) as events:
        async for event in events:
            print(event.data.strip())
            if event.event == "done":
                break
        async for event in events:
            print(event)
    events.reconnect()
    await events.close()
    await events.aclose()


def in_a_class() -> None:
    class Feed:
        def __init__(self, url: str) -> None:
            self.client: SSEClient = connect(url)

        def __iter__(self) -> Iterator[SSEEvent]:
            return iter(self.client)

    class AsyncFeed:
        def __init__(self, url: str) -> None:
            self.client: AsyncSSEClient = async_connect(url)

        async def events(self) -> AsyncIterator[SSEEvent]:
            async for event in self.client:
                yield event

    print(Feed(URL), AsyncFeed(URL))


def response_while_it_is_read() -> None:
    with connect(URL) as events:
        assert events.response is not None
        status: int = events.response.status_code
        limit: str | None = events.response.headers.get("x-ratelimit-remaining")
        url: str = events.response.url
        print(status, limit, url)


class Tokens:
    def __init__(self) -> None:
        self.token = "t"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def headers_async(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def headers_of_every_kind(tokens: Tokens) -> None:
    connect(URL, headers=tokens.headers)
    connect(URL, headers={"X-A": "b"})
    connect(URL, headers=[("X-A", "b"), ("X-A", "c")])
    async_connect(URL, headers=tokens.headers)
    async_connect(URL, headers=tokens.headers_async)
    async_connect(URL, headers=lambda: {"X-A": "b"})


def callbacks() -> None:
    def on_error(error: Exception | None, delay: float | None) -> None:
        print(error, delay if delay is None else delay + 1.0)

    def on_comment(comment: str) -> None:
        print(comment.strip())

    seen: list[str] = []
    connect(URL, on_error=on_error, on_comment=on_comment)
    connect(URL, on_comment=seen.append, on_open=lambda response: print(response.status_code))
    async_connect(URL, on_error=on_error, until=lambda event: event.data == "[DONE]")


def llm(question: str, key: str) -> Iterator[str]:
    body: dict[str, Any] = {"stream": True, "messages": [{"role": "user", "content": question}]}
    with connect(
        URL,
        method="POST",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        params={"version": "1", "limit": 5},
        timeout=None,
        retry_on_status=TRANSIENT_STATUSES,
        until=lambda event: event.data == "[DONE]",
        verify=ssl.create_default_context(),
    ) as events:
        for event in events:
            if event.data != "[DONE]":
                yield event.json()["choices"][0]["delta"]["content"]


def errors() -> int:
    try:
        follow()
    except SSEHTTPError as error:
        print(
            error.status_code,
            error.reason,
            error.headers.get("retry-after"),
            error.text,
            error.json(),
        )
        return error.status_code
    except SSEContentTypeError as error:
        print(error)
    except SSEEventTooLargeError as error:
        print(error)
    except SSEConnectionError as error:
        last: BaseException | None = error.last_error
        print(error.url, error.retries, last)
    except SSEError as error:
        print(error)
    return 0


def without_a_client(lines: list[str], chunks: Iterator[bytes]) -> list[SSEEvent]:
    parser = SSEParser(max_event_size=None, on_comment=print)
    events: list[SSEEvent] = parser.feed(b"data: x\n\n") + parser.feed("data: y\n\n")
    for event in EventSource(lines):
        events.append(event)
    events.extend(EventSource(sys.stdin))
    source = EventSource.from_chunks(chunks)
    events.append(next(source))
    source.close()
    return [*events, SSEEvent(), SSEEvent("message", "data", "id", 5), SSEEvent(data="x")]


async def without_a_client_async(lines: AsyncIterator[bytes]) -> None:
    async for event in AsyncEventSource(lines):
        print(event.data)
    source = AsyncEventSource.from_chunks(lines)
    print(await source.__anext__())
    await source.aclose()


class Options(TypedDict, total=False):
    headers: dict[str, str]
    max_retries: int


def options_passed_on(**options: Any) -> SSEClient:
    settings: Options = {"max_retries": 3}
    connect(URL, **settings)
    return connect(URL, **options)


class Answer:
    """What a transport of one's own returns."""

    status_code = 200
    headers = {"content-type": "text/event-stream"}
    url = URL

    def iter_bytes(self) -> Iterator[bytes]:
        yield b"data: x\n\n"

    def close(self) -> None:
        pass


class AsyncAnswer:
    status_code = 200
    headers = {"content-type": "text/event-stream"}
    url = URL

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        yield b"data: x\n\n"

    async def aclose(self) -> None:
        pass


def send(
    method: str, url: str, *, headers: dict[str, str], content: bytes | None, timeout: float | None
) -> Answer:
    return Answer()


async def send_async(
    method: str, url: str, *, headers: dict[str, str], content: bytes | None, timeout: float | None
) -> AsyncAnswer:
    return AsyncAnswer()


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    pass


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    return []


class LikeRequests:
    def __enter__(self) -> LikeRequests:
        return self

    def __exit__(self, *args: object) -> None: ...
    def close(self) -> None: ...


class LikeHttpx(LikeRequests):
    def __exit__(  # type: ignore[override, unused-ignore]
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...


class LikeAiohttp:
    async def __aenter__(self) -> LikeAiohttp:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...

    async def close(self) -> None: ...


def transports() -> None:
    connect(URL, transport=LikeRequests())
    connect(URL, transport=LikeHttpx())
    async_connect(URL, transport=LikeAiohttp())
    connect(URL, transport=send)
    connect(URL, transport=httpclient.WSGITransport(wsgi))
    async_connect(URL, transport=send_async)
    async_connect(URL, transport=httpclient.ASGITransport(asgi))


def requests_without_events() -> None:
    response = httpclient.get(URL, timeout=5.0)
    response.raise_for_status()
    print(response.status_code + 1, response.text.strip(), response.json(), response.ok)
    with httpclient.get(URL, stream=True) as streamed:
        for line in streamed.iter_lines():
            print(line.strip())
        for piece in streamed.iter_bytes():
            print(piece.decode())
    print(httpclient.post(URL, json={"a": 1}).headers["content-type"].lower())


async def requests_without_events_async() -> None:
    response = await httpclient.async_get(URL)
    print(response.text.strip())
    async with await httpclient.async_get(URL, stream=True) as streamed:
        async for line in streamed.aiter_lines():
            print(line.strip())
    print((await httpclient.async_post(URL, content=b"a")).status_code)


def mistakes(tokens: Tokens) -> None:
    connect(URL, max_retry=5)  # type: ignore
    connect(URL, timeout="5")  # type: ignore
    connect(URL, headers=5)  # type: ignore
    connect(URL, headers=tokens.headers_async)  # type: ignore
    connect(URL, on_error=lambda error: None)  # type: ignore
    connect(URL, transport=httpclient.ASGITransport(asgi))  # type: ignore
    connect(URL, transport=send_async)  # type: ignore
    async_connect(URL, transport=httpclient.WSGITransport(wsgi))  # type: ignore
    async_connect(URL, transport=send)  # type: ignore
    connect(URL, transport=LikeAiohttp())  # type: ignore
    async_connect(URL, transport=LikeHttpx())  # type: ignore
    SSEEvent("message", "data").data = "x"  # type: ignore
    sse.connect(URL).last_event_id.nothing  # type: ignore
