"""The candidates: how each library is made to parse bytes, take lines, and read a stream from the network.

Every peer is driven the way its own documentation or client drives it, and where there is a choice, the way
that is cheaper for the peer. Nothing here imports a library before it is asked for: a benchmark of one must
not carry the others.

wreq and pyreqwest are HTTP clients written in Rust, without SSE: "wreq + sse" is its stream of bytes
under the `EventSource` of this project, which is the best that their users can have.
"""

from __future__ import annotations

import codecs
import importlib.metadata
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

Parse = Callable[[Iterable[bytes]], int]  # takes chunks, returns how many events came out
Lines = Callable[[Iterable[str]], int]

OURS = "sse"
BEFORE = "before"  # another version of this project, where --before names one
# The name used in the tables, the distribution, the module.
PEERS = [
    ("httpx-sse", "httpx-sse", "httpx_sse"),
    ("launchdarkly", "launchdarkly-eventsource", "ld_eventsource"),
    ("sseclient-py", "sseclient-py", "sseclient"),
    ("requests-sse", "requests-sse", "requests_sse"),
    ("aiohttp-sse-client", "aiohttp-sse-client", "aiohttp_sse_client"),
    ("openai", "openai", "openai"),
    ("httpx2", "httpx2", "httpx2"),
    ("niquests", "niquests", "niquests"),
    ("wreq + sse", "wreq", "wreq"),
    ("pyreqwest + sse", "pyreqwest", "pyreqwest"),
]
NAMES = [OURS, BEFORE, *(name for name, _, _ in PEERS)]
# niquests installs another library in the place of urllib3, so these cannot be measured beside it.
OVER_URLLIB3 = {"launchdarkly", "sseclient-py", "requests-sse"}


def find() -> tuple[dict[str, str], list[str]]:
    """The peers that are installed, with their versions, and the names of those that are not."""
    found, missing = {}, []
    for name, distribution, module in PEERS:
        if importlib.util.find_spec(module) is not None:
            found[name] = importlib.metadata.version(distribution)
        else:
            missing.append(distribution)
    if "niquests" in found:
        for name in OVER_URLLIB3 & set(found):
            del found[name]
            missing.append(f"{name} (niquests replaces the urllib3 that it needs)")
    return found, missing


def add_before(directory: Path) -> None:
    """Let the `sse.py` in a directory be one more candidate of each comparison."""
    spec = importlib.util.spec_from_file_location("sse_before", directory / "sse.py")
    assert spec is not None and spec.loader is not None, directory
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    PARSERS[BEFORE] = partial(ours_parser, module.__name__)
    LINES[BEFORE] = partial(ours_lines, module.__name__)
    for table in (SYNC, ASYNC, BODIES, ASYNC_BODIES):
        # A client process finds the other version under the name of this one.
        table[BEFORE] = table[OURS]  # type: ignore[index]


class EndOfInputError(Exception):
    """Stops the peers that would wait and reconnect when their input ends."""


def stop() -> None:
    raise EndOfInputError


# Parsing bytes


def parser(name: str) -> Parse:
    return PARSERS[name]()


def ours_parser(module: str = OURS) -> Parse:
    SSEParser = importlib.import_module(module).SSEParser

    def parse(chunks: Iterable[bytes]) -> int:
        n, feed = 0, SSEParser().feed
        for chunk in chunks:
            for _ in feed(chunk):
                n += 1
        return n

    return parse


def httpx_sse_parser() -> Parse:
    """Its EventSource over a response that is nothing but the decoder httpx puts under `iter_text()`."""
    from httpx_sse import EventSource

    class Response:
        def __init__(self, chunks: Iterable[bytes]) -> None:
            self.headers = {"content-type": "text/event-stream"}
            self.chunks = chunks

        def iter_text(self) -> Iterator[str]:
            decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
            for chunk in self.chunks:
                yield decode(chunk)

    def parse(chunks: Iterable[bytes]) -> int:
        n, response = 0, Response(chunks)
        for _ in EventSource(response).iter_sse():
            n += 1
        return n

    return parse


def launchdarkly_parser() -> Parse:
    from ld_eventsource.reader import _BufferedLineReader, _SSEReader

    def parse(chunks: Iterable[bytes]) -> int:
        n = 0
        for _ in _SSEReader(_BufferedLineReader.lines_from(chunks)).events_and_comments():
            n += 1
        return n

    return parse


def sseclient_parser() -> Parse:
    from sseclient import SSEClient

    def parse(chunks: Iterable[bytes]) -> int:
        n = 0
        for _ in SSEClient(chunks).events():
            n += 1
        return n

    return parse


def requests_sse_parser() -> Parse:
    """There is no parser to call: its event source is given a real response of requests over the chunks."""
    import requests
    from requests_sse import EventSource

    class Raw:
        def __init__(self, chunks: Iterable[bytes]) -> None:
            self.chunks = chunks

        def stream(self, *args: object, **options: object) -> Iterable[bytes]:
            return self.chunks

    def parse(chunks: Iterable[bytes]) -> int:
        n = 0
        response = requests.Response()
        response.status_code = 200
        response.raw = Raw(chunks)
        source = EventSource("http://localhost/", session=object(), on_error=stop)
        source._response, source._data_generator = response, response.iter_lines()
        try:
            for _ in source:
                n += 1
        except EndOfInputError:
            pass
        return n

    return parse


def aiohttp_sse_client_parser() -> Parse:
    """Likewise over a real StreamReader of aiohttp, filled in advance: its coroutine never has to wait."""
    import asyncio

    from aiohttp import StreamReader
    from aiohttp_sse_client.client import EventSource

    class Protocol:
        _reading_paused = False

        def pause_reading(self, **options: object) -> None: ...

        def resume_reading(self, **options: object) -> None: ...

    class Response:
        status = 200

        def __init__(self, content: StreamReader) -> None:
            self.content = content

    loop = asyncio.new_event_loop()

    async def run(chunks: Iterable[bytes]) -> int:
        n = 0
        reader = StreamReader(Protocol(), 2**40, loop=loop)
        for chunk in chunks:
            reader.feed_data(chunk)
        reader.feed_eof()
        source = EventSource("http://localhost/", session=object(), on_error=stop)
        source._response = Response(reader)
        try:
            async for _ in source:
                n += 1
        except EndOfInputError:
            pass
        return n

    return lambda chunks: loop.run_until_complete(run(chunks))


def openai_parser() -> Parse:
    from openai._streaming import SSEDecoder

    def parse(chunks: Iterable[bytes]) -> int:
        n = 0
        for _ in SSEDecoder().iter_bytes(iter(chunks)):
            n += 1
        return n

    return parse


def httpx2_parser() -> Parse:
    """Its EventSource over a response of its own, whose stream is the chunks."""
    import httpx2

    class Chunks(httpx2.SyncByteStream):
        def __init__(self, chunks: Iterable[bytes]) -> None:
            self.chunks = chunks

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.chunks)

    request = httpx2.Request("GET", "http://localhost/")
    headers = {"content-type": "text/event-stream"}

    def parse(chunks: Iterable[bytes]) -> int:
        response = httpx2.Response(200, headers=headers, stream=Chunks(chunks), request=request)
        n = 0
        for _ in httpx2.EventSource(response):
            n += 1
        return n

    return parse


def niquests_parser() -> Parse:
    """The extension that its responses have, over a response that is nothing but the chunks."""
    from types import SimpleNamespace

    from urllib3.contrib.webextensions.sse import ServerSideEventExtensionFromHTTP

    class Response:
        _fp, _police_officer = SimpleNamespace(_dsa=None), None

        def __init__(self, chunks: Iterable[bytes]) -> None:
            self.chunks = chunks

        def stream(self, *args: object, **options: object) -> Iterator[bytes]:
            return iter(self.chunks)

    def parse(chunks: Iterable[bytes]) -> int:
        n, extension = 0, ServerSideEventExtensionFromHTTP()
        extension.start(Response(chunks))
        for _ in iter(extension.next_payload, None):
            n += 1
        return n

    return parse


PARSERS: dict[str, Callable[[], Parse]] = {
    OURS: ours_parser,
    "httpx-sse": httpx_sse_parser,
    "launchdarkly": launchdarkly_parser,
    "sseclient-py": sseclient_parser,
    "requests-sse": requests_sse_parser,
    "aiohttp-sse-client": aiohttp_sse_client_parser,
    "openai": openai_parser,
    "httpx2": httpx2_parser,
    "niquests": niquests_parser,
}


# Taking lines


def ours_lines(module: str = OURS) -> Lines:
    EventSource = importlib.import_module(module).EventSource

    def parse(lines: Iterable[str]) -> int:
        n = 0
        for _ in EventSource(lines):
            n += 1
        return n

    return parse


def httpx_sse_lines() -> Lines:
    from httpx_sse._decoders import SSEDecoder

    def parse(lines: Iterable[str]) -> int:
        n, decode = 0, SSEDecoder().decode
        for line in lines:
            if decode(line) is not None:
                n += 1
        return n

    return parse


def launchdarkly_lines() -> Lines:
    from ld_eventsource.reader import _SSEReader

    def parse(lines: Iterable[str]) -> int:
        n = 0
        for _ in _SSEReader(lines).events_and_comments():
            n += 1
        return n

    return parse


def openai_lines() -> Lines:
    from openai._streaming import SSEDecoder

    def parse(lines: Iterable[str]) -> int:
        n, decode = 0, SSEDecoder().decode
        for line in lines:
            if decode(line) is not None:
                n += 1
        return n

    return parse


def httpx2_lines() -> Lines:
    from httpx2._sse import _SSEEventDecoder

    def parse(lines: Iterable[str]) -> int:
        n, decode = 0, _SSEEventDecoder().decode
        for line in lines:
            if decode(line) is not None:
                n += 1
        return n

    return parse


LINES: dict[str, Callable[[], Lines]] = {
    OURS: ours_lines,
    "httpx-sse": httpx_sse_lines,
    "launchdarkly": launchdarkly_lines,
    "openai": openai_lines,
    "httpx2": httpx2_lines,
}


# Reading from the network. Each class holds what a program makes once (a session, a pool, a TLS context);
# `stream` returns a context manager for one stream, `events` the iterator over what entering it gave. All have
# the same limit on silence, ours by default: to notice that nothing comes has its price, in every library.


class Ours:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from sse import connect

        self.connect = connect
        self.options = {"verify": cafile or True, "idle_timeout": silence, "timeout": silence and 30.0}

    def stream(self, url: str) -> Any:
        return self.connect(url, **self.options)

    def events(self, entered: Any) -> Any:
        return entered


class HttpxSSE:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import httpx
        import httpx_sse

        self.client = httpx.Client(verify=context(cafile), timeout=silence)
        self.connect = httpx_sse.connect_sse

    def stream(self, url: str) -> Any:
        return self.connect(self.client, "GET", url)

    def events(self, entered: Any) -> Any:
        return entered.iter_sse()


class LaunchDarkly:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import urllib3
        from ld_eventsource import SSEClient
        from ld_eventsource.config import ConnectStrategy

        self.pool = urllib3.PoolManager(ca_certs=cafile, timeout=urllib3.Timeout(read=silence))
        self.strategy, self.client = ConnectStrategy.http, SSEClient

    def stream(self, url: str) -> Any:
        return self.client(self.strategy(url, pool=self.pool))

    def events(self, entered: Any) -> Any:
        return iter(entered.events)


class SSEClientPy:
    """Over requests, as its page shows it."""

    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import requests
        from sseclient import SSEClient

        self.session, self.client, self.silence = requests.Session(), SSEClient, silence
        self.session.verify = cafile or True

    def stream(self, url: str) -> Any:
        return closing(self.session.get(url, stream=True, timeout=self.silence))

    def events(self, entered: Any) -> Any:
        return self.client(entered).events()


class RequestsSSE:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import requests
        from requests_sse import EventSource

        self.session, self.source, self.silence = requests.Session(), EventSource, silence
        self.session.verify = cafile or True

    def stream(self, url: str) -> Any:
        return self.source(url, session=self.session, timeout=self.silence)

    def events(self, entered: Any) -> Any:
        return entered


class OpenAI:
    """Its decoder over the HTTP client it brings along, which is what its streams are made of."""

    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import httpx2
        from openai._streaming import SSEDecoder

        self.client = httpx2.Client(verify=context(cafile), timeout=silence)
        self.decoder = SSEDecoder

    def stream(self, url: str) -> Any:
        return self.client.stream("GET", url)

    def events(self, entered: Any) -> Any:
        return self.decoder().iter_bytes(entered.iter_bytes())


class Httpx2:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import httpx2

        self.stream = httpx2.Client(verify=context(cafile), timeout=silence).sse

    def events(self, entered: Any) -> Any:
        return iter(entered)


class Niquests:
    """Its scheme for event streams, and the extension that this makes of a response."""

    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import niquests

        self.session, self.silence = niquests.Session(), silence
        self.session.verify = cafile or True

    @contextmanager
    def stream(self, url: str) -> Iterator[Any]:
        extension = self.session.get(niquests_url(url), timeout=self.silence).extension
        try:
            yield extension
        finally:
            extension.close()

    def events(self, entered: Any) -> Any:
        return iter(entered.next_payload, None)


class Wreq:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from wreq import blocking

        from sse import EventSource

        self.client, self.source = blocking.Client(**wreq_options(cafile, silence)), EventSource

    @contextmanager
    def stream(self, url: str) -> Iterator[Any]:
        with self.client.get(url) as response, response.stream() as chunks:
            yield chunks

    def events(self, entered: Any) -> Any:
        return self.source.from_chunks(entered)


class Pyreqwest:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from pyreqwest.client import SyncClientBuilder

        from sse import EventSource

        self.client = pyreqwest_options(SyncClientBuilder(), cafile, silence).build()
        self.source = EventSource

    def stream(self, url: str) -> Any:
        # Its default collects 64 KiB before the first byte is handed over.
        return self.client.get(url).streamed_read_buffer_limit(0).build_streamed()

    def events(self, entered: Any) -> Any:
        return self.source.from_chunks(iter(entered.body_reader.read_chunk, None))


class AsyncOurs:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from sse import async_connect

        self.connect = async_connect
        self.options = {"verify": cafile or True, "idle_timeout": silence, "timeout": silence and 30.0}

    def stream(self, url: str) -> Any:
        return self.connect(url, **self.options)

    def events(self, entered: Any) -> Any:
        return aiter(entered)


class AsyncHttpxSSE:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import httpx
        import httpx_sse

        limits = httpx.Limits(max_connections=None)
        self.client = httpx.AsyncClient(verify=context(cafile), timeout=silence, limits=limits)
        self.connect = httpx_sse.aconnect_sse

    def stream(self, url: str) -> Any:
        return self.connect(self.client, "GET", url)

    def events(self, entered: Any) -> Any:
        return entered.aiter_sse()


class AsyncLaunchDarkly:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from ld_eventsource.async_client import AsyncSSEClient
        from ld_eventsource.config.async_connect_strategy import AsyncConnectStrategy

        self.session = aiohttp_session(cafile, silence)
        self.strategy, self.client = AsyncConnectStrategy.http, AsyncSSEClient

    def stream(self, url: str) -> Any:
        return self.client(self.strategy(url, session=self.session))

    def events(self, entered: Any) -> Any:
        return aiter(entered.events)


class AiohttpSSEClient:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from aiohttp_sse_client.client import EventSource

        self.session, self.source = aiohttp_session(cafile, silence), EventSource

    def stream(self, url: str) -> Any:
        return self.source(url, session=self.session)

    def events(self, entered: Any) -> Any:
        return entered


class AsyncOpenAI:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import httpx2
        from openai._streaming import SSEDecoder

        limits = httpx2.Limits(max_connections=None)
        self.client = httpx2.AsyncClient(verify=context(cafile), timeout=silence, limits=limits)
        self.decoder = SSEDecoder

    def stream(self, url: str) -> Any:
        return self.client.stream("GET", url)

    def events(self, entered: Any) -> Any:
        return self.decoder().aiter_bytes(entered.aiter_bytes())


class AsyncHttpx2:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import httpx2

        limits = httpx2.Limits(max_connections=None)
        client = httpx2.AsyncClient(verify=context(cafile), timeout=silence, limits=limits)
        self.stream = client.sse

    def events(self, entered: Any) -> Any:
        return aiter(entered)


class AsyncNiquests:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import niquests

        self.session, self.silence = niquests.AsyncSession(pool_maxsize=100_000), silence
        self.session.verify = cafile or True

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Any]:
        response = await self.session.get(niquests_url(url), timeout=self.silence)
        try:
            yield response.extension
        finally:
            await response.extension.close()

    async def events(self, entered: Any) -> Any:
        while (event := await entered.next_payload()) is not None:
            yield event


class AsyncWreq:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        import wreq

        from sse import AsyncEventSource

        self.client, self.source = wreq.Client(**wreq_options(cafile, silence)), AsyncEventSource

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Any]:
        async with await self.client.get(url) as response, response.stream() as chunks:
            yield chunks

    def events(self, entered: Any) -> Any:
        return aiter(self.source.from_chunks(entered))


class AsyncPyreqwest:
    def __init__(self, cafile: str | None, silence: float | None) -> None:
        from pyreqwest.client import ClientBuilder

        from sse import AsyncEventSource

        self.client = pyreqwest_options(ClientBuilder(), cafile, silence).build()
        self.source = AsyncEventSource

    def stream(self, url: str) -> Any:
        return self.client.get(url).streamed_read_buffer_limit(0).build_streamed()

    def events(self, entered: Any) -> Any:
        return aiter(self.source.from_chunks(pyreqwest_chunks(entered.body_reader)))


async def pyreqwest_chunks(reader: Any) -> AsyncIterator[Any]:
    while (chunk := await reader.read_chunk()) is not None:
        yield chunk


def niquests_url(url: str) -> str:
    scheme, _, rest = url.partition(":")
    return f"{'sse' if scheme == 'https' else 'psse'}:{rest}"


def wreq_options(cafile: str | None, silence: float | None) -> dict[str, Any]:
    limit = {} if silence is None else {"read_timeout": timedelta(seconds=silence)}
    return {"no_proxy": True, "tls_verify": Path(cafile) if cafile else False, **limit}


def pyreqwest_options(builder: Any, cafile: str | None, silence: float | None) -> Any:
    builder = builder.no_proxy().max_connections(None)
    if silence is not None:
        builder = builder.read_timeout(timedelta(seconds=silence))
    return builder.add_root_certificate_pem(Path(cafile).read_bytes()) if cafile else builder


def context(cafile: str | None) -> Any:
    """Without a file it is about plain HTTP, and httpx need not read the system's certificates."""
    import ssl

    return ssl.create_default_context(cafile=cafile) if cafile else False


def aiohttp_session(cafile: str | None, silence: float | None) -> Any:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, ssl=context(cafile) if cafile else True)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=silence)
    return aiohttp.ClientSession(connector=connector, timeout=timeout)


SYNC: dict[str, Callable[[str | None, float | None], Any]] = {
    OURS: Ours,
    "httpx-sse": HttpxSSE,
    "launchdarkly": LaunchDarkly,
    "sseclient-py": SSEClientPy,
    "requests-sse": RequestsSSE,
    "openai": OpenAI,
    "httpx2": Httpx2,
    "niquests": Niquests,
    "wreq + sse": Wreq,
    "pyreqwest + sse": Pyreqwest,
}
ASYNC: dict[str, Callable[[str | None, float | None], Any]] = {
    OURS: AsyncOurs,
    "httpx-sse": AsyncHttpxSSE,
    "launchdarkly": AsyncLaunchDarkly,
    "aiohttp-sse-client": AiohttpSSEClient,
    "openai": AsyncOpenAI,
    "httpx2": AsyncHttpx2,
    "niquests": AsyncNiquests,
    "wreq + sse": AsyncWreq,
    "pyreqwest + sse": AsyncPyreqwest,
}


# The bodies alone, for the throughput of TLS


@contextmanager
def ours_body(url: str, cafile: str | None) -> Iterator[Iterator[bytes]]:
    import httpclient

    with httpclient.get(url, stream=True, verify=cafile or True) as response:
        yield response.iter_bytes()


@contextmanager
def httpx_body(url: str, cafile: str | None) -> Iterator[Iterator[bytes]]:
    import httpx

    client = httpx.Client(verify=context(cafile), timeout=300)
    with client, client.stream("GET", url) as response:
        yield response.iter_bytes()


@asynccontextmanager
async def ours_async_body(url: str, cafile: str | None) -> Any:
    import httpclient

    async with await httpclient.async_get(url, stream=True, verify=cafile or True) as response:
        yield response.aiter_bytes()


@asynccontextmanager
async def httpx_async_body(url: str, cafile: str | None) -> Any:
    import httpx

    client = httpx.AsyncClient(verify=context(cafile), timeout=300)
    async with client, client.stream("GET", url) as response:
        yield response.aiter_bytes()


BODIES = {OURS: ours_body, "httpx-sse": httpx_body}
ASYNC_BODIES = {OURS: ours_async_body, "httpx-sse": httpx_async_body}
