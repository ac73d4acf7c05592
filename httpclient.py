"""Streaming HTTP/1.1 for Python: one file, standard library only, Python 3.10+.

    from httpclient import get

    with get("https://example.com/feed", stream=True) as response:
        for line in response.iter_lines():
            print(line)

In reading order: errors; what is sent (URL, request, redirects, proxies); ``ResponseParser`` (bytes in, head and body
out, no I/O); TLS over two memory buffers; the two shells that do I/O, ``_BlockingWire`` on sockets and ``_AsyncWire``
on asyncio; responses; ``Exchange`` and ``AsyncExchange``, one request and its answer, written once for both;
``request``/``get``/``post`` and their ``async_`` twins; ``ASGITransport`` and ``WSGITransport``, web applications in
the place of a wire. One connection for each request, no pool: made for answers that last.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from errno import EINPROGRESS, EWOULDBLOCK
from math import inf
from struct import pack
from threading import RLock
from time import monotonic
from types import coroutine

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Coroutine, Sequence
    from typing import Any, NoReturn, TypeVar

    from typing_extensions import TypedDict, Unpack

    _T = TypeVar("_T")

    class _Options(TypedDict, total=False):
        """What `request` and its kin take beside method and URL; `request` explains them."""

        stream: bool
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
        params: Mapping[str, object] | Sequence[tuple[str, object]] | None
        json: object
        content: bytes | bytearray | memoryview | str | None
        timeout: float | None
        idle_timeout: float | None
        verify: bool | str | os.PathLike[str] | ssl.SSLContext
        proxy: str | None
        uds: str | os.PathLike[str] | None
        follow_redirects: bool
        max_redirects: int


__all__ = [
    "ASGITransport", "AsyncExchange", "AsyncResponse", "BodyError", "CertificateError", "ConnectError", "Exchange",
    "HTTPClientError", "Headers", "InvalidRequestError", "ProtocolError", "ProxyError", "RedirectError",
    "RequestTimeout", "Response", "ResponseParser", "StatusError", "WSGITransport", "async_get", "async_post",
    "async_request", "get", "post", "request",
]  # fmt: skip

_READ = 65536  # bytes asked of a socket at a time; what is there is handed over, however little
_MAX_HEAD = 65536  # bytes of a head, of trailers
_MAX_CHUNK_LINE = 8192
_MOMENT = 0.005  # seconds of silence before a blocking read takes the precise way
_MAX_INTERIM = 64  # answers of 1xx before the one that counts


# --- errors -----------------------------------------------------------------------------------------------------


class HTTPClientError(Exception):
    """Base of all errors here. `fatal`: to try again cannot help. Texts hold no user-info, query or header value."""

    fatal = False


class InvalidRequestError(HTTPClientError, ValueError):
    """What the caller gave cannot be sent; nothing was."""

    fatal = True


class ConnectError(HTTPClientError, ConnectionError):
    """No answer: not resolved, refused, reset, or closed before the head was complete."""


class ProxyError(ConnectError):
    """The proxy, not the server, could not be reached or refused."""


class RequestTimeout(HTTPClientError, TimeoutError):
    """`timeout` or `idle_timeout` has passed."""


class BodyError(HTTPClientError, ConnectionError):
    """The body was cut short, or its framing or coding is broken."""


class ProtocolError(HTTPClientError, ConnectionError):
    """The answer is not HTTP/1, or is coded in a way not understood here."""

    fatal = True


class CertificateError(HTTPClientError, ConnectionError):
    """The server's certificate was not accepted, or the server did not accept the client's or its lack of one."""

    fatal = True


class RedirectError(HTTPClientError, ConnectionError):
    """A redirect that is not followed: too many, to an insecure or impossible place."""

    fatal = True


class StatusError(HTTPClientError):
    """Raised by `raise_for_status`; `response` has the rest."""

    def __init__(self, message: str, response: Any) -> None:
        super().__init__(message)
        self.response = response


def _reason(error: OSError) -> str:
    """Why, in the system's words. asyncio puts its own in their place, and several errors into one text."""
    number = re.search(r"\[Errno ([0-9]+)\]", str(error))
    return os.strerror(int(number[1])) if number else error.strerror or str(error)


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


# --- what is sent -----------------------------------------------------------------------------------------------

_URL = re.compile(
    r"(?i:(https?))://(?:([^/?#\\]*)@)?(\[[0-9A-Fa-f:.]+(?:%[^\]/?#@]+)?\]|[^\[\]:/?#@\\]+)(?::([0-9]*))?([/?][^#]*)?(?:#.*)?"
)
_UNENCODED = re.compile(rb"[^!#-;=?-\[\]_a-z~]")  # neither reserved nor unreserved (RFC 3986, 2.2, 2.3), nor "%"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_FIELD_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110, 5.5
# Header lines that are for this client to set, and those that another origin may see
_OURS = set("connection content-length expect keep-alive proxy-connection te trailer transfer-encoding upgrade".split())
_HARMLESS = set("accept accept-encoding accept-language cache-control content-type last-event-id user-agent".split())


class URL:
    """An http or https URL taken apart. Raises `InvalidRequestError` without repeating what may be secret."""

    __slots__ = ("authority", "host", "origin", "port", "scheme", "target", "userinfo")

    def __init__(self, text: str) -> None:
        text = text.strip(" ")
        match = _URL.fullmatch(text) if not _CONTROL.search(text) else None
        if match is None:
            why = "not a URL of the form http(s)://host[:port][/path][?query]"
            if _CONTROL.search(text):
                why = "the URL has control characters"
            elif not re.match("https?://", text, re.IGNORECASE):
                why = "the URL does not begin with http:// or https://"
            elif re.match("https?://([^/?#]*@)?[0-9a-f]*:[0-9a-f]*:[^/?#@]*([/?#]|$)", text, re.IGNORECASE):
                why = "the URL has an IPv6 address without brackets"
            raise InvalidRequestError(why)
        scheme, self.userinfo, host, port, target = match.groups()
        self.scheme = scheme.lower()
        self.host = _host(host)
        default = 443 if self.scheme == "https" else 80
        self.port = _port(port) if port else default
        if not 0 < self.port < 65536:
            raise InvalidRequestError("the port of a URL is a number from 1 to 65535")
        self.origin = (self.scheme, self.host, self.port)
        name = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        self.authority = name if self.port == default else f"{name}:{self.port}"
        target = "/" + (target or "").removeprefix("/")
        self.target = _UNENCODED.sub(lambda m: b"%%%02X" % m[0][0], target.encode("utf-8", "surrogatepass")).decode()

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def shown(self) -> str:
        """For messages: without user-info and query."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"


def _port(digits: str) -> int:
    """Leading zeros do no harm; a number beyond all bounds would take int() long."""
    return int(digits.lstrip("0")[:6] or 0)


def _host(host: str) -> str:
    if host[0] == "[":
        address, percent, zone = host[1:-1].partition("%")
        zone = zone.removeprefix("25")
        try:
            socket.inet_pton(socket.AF_INET6, address)
        except OSError:
            raise InvalidRequestError("the address in brackets is not IPv6") from None
        if percent and not re.fullmatch(r"[\w-]{1,15}(\.[\w-]{1,15}){0,2}", zone, re.ASCII):
            raise InvalidRequestError("the zone of the IPv6 address is not the name of an interface")
        return address.lower() + (percent and "%" + zone)
    if not host.isascii():
        if set(host) & set("ßς\u200c\u200d"):  # IDNA 2003, which is in the library, would go elsewhere than browsers
            raise InvalidRequestError("host names with ß, ς, ZWJ, ZWNJ: give them in their ASCII form (xn--...)")
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise InvalidRequestError("the host name of the URL is not a valid international name") from None
    if not re.fullmatch(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?", host):
        raise InvalidRequestError("the host name of the URL is not valid")
    return host.lower()


def _basic(userinfo: str) -> str:
    """Credentials of a URL as basic authentication (RFC 7617)."""
    from binascii import b2a_base64
    from urllib.parse import unquote_to_bytes

    user, _, password = userinfo.partition(":")
    return "Basic " + b2a_base64(unquote_to_bytes(user) + b":" + unquote_to_bytes(password), newline=False).decode()


class Request:
    """One request, checked: method, `URL`, header lines, body."""

    __slots__ = ("content", "headers", "method", "url")

    def __init__(self, method: str, url: str | URL, headers: Any = None, content: bytes | str | None = None) -> None:
        if not _TOKEN.fullmatch(method):
            raise InvalidRequestError("the method is not a token (RFC 9110, 9.1)")
        if not isinstance(content, (bytes, bytearray, memoryview, str, type(None))):
            raise TypeError(f"content is bytes or str, not {type(content).__name__}; for JSON: json=")
        if isinstance(content, str):
            content = content.encode()
        self.method = method
        self.url = url if isinstance(url, URL) else URL(url)
        self.content = None if content is None else bytes(content)
        self.headers: list[tuple[str, str]] = []
        for name, value in headers.items() if hasattr(headers, "items") else headers or ():
            if not isinstance(name, str):
                raise TypeError(f"the name of a header is {type(name).__name__}, not a string")
            if not _TOKEN.fullmatch(name):
                raise InvalidRequestError(f"{_shown(name[:40])!r} is not the name of a header")
            if name.lower() in _OURS:
                raise InvalidRequestError(f"the header {name} is for this client to set")
            if not isinstance(value, str):
                raise TypeError(f"the value of the header {name} is {type(value).__name__}, not a string")
            if not _FIELD_VALUE.fullmatch(value):
                raise InvalidRequestError(f"the header {name} has control characters or some beyond Latin-1")
            self.headers.append((name, value.strip(" \t")))

    def lines(self, proxy: URL | None = None) -> list[tuple[str, str]]:
        """Ours, but for those the caller has, and the caller's."""
        ours = {"Host": self.url.authority, "User-Agent": "stdlib-sse", "Accept": "*/*"}
        ours["Accept-Encoding"] = "gzip, deflate"
        if self.url.userinfo is not None:
            ours["Authorization"] = _basic(self.url.userinfo)
        if proxy is not None and proxy.userinfo is not None:
            ours["Proxy-Authorization"] = _basic(proxy.userinfo)
        given = {name.lower() for name, _ in self.headers}
        lines = [line for line in ours.items() if line[0].lower() not in given] + self.headers
        lines.append(("Connection", "close"))  # RFC 9112, 9.3: a client without persistent connections says so
        if self.content is not None or self.method in ("POST", "PUT", "PATCH"):
            lines.append(("Content-Length", str(len(self.content or b""))))
        return lines

    def encode(self, proxy: URL | None = None) -> bytes:
        """Head and body (RFC 9112, 2.1, 3); with `proxy` in the form for one (3.2.2)."""
        target = self.url.target if proxy is None else str(self.url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.lines(proxy))
        return f"{self.method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + (self.content or b"")

    def redirected(self, status: int, headers: Headers, hops: list[str], most: int, confined: bool) -> Request | None:
        """The request that follows this answer, `None` if it is no redirect (Fetch, "HTTP-redirect fetch").

        `hops` are the URLs so far, as they may be shown; `most` of them are followed; `confined`: to this origin.
        Raises `RedirectError` for what must not be followed.
        """
        location = headers.get("location", "") if status in (301, 302, 303, 307, 308) else ""
        if not location or most < 0:
            return None
        try:
            if len(hops) > most:
                raise RedirectError(f"more than {most} redirects")
            url = self._location(location)
            same = url.origin == self.url.origin
            if confined and not same:
                raise RedirectError(f"to {url.shown()}, which cannot be reached this way")
            if self.url.scheme == "https" and url.scheme == "http":
                raise RedirectError(f"from https to {url.shown()}: refused")
            hops.append(url.shown())
            method, content, lines = self.method, self.content, self.headers
            if (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST"):
                method, content = "GET", None
                lines = [line for line in lines if not line[0].lower().startswith("content-")]
            if same or (self.url.origin, url.origin) == (("http", url.host, 80), ("https", url.host, 443)):
                url.userinfo = self.url.userinfo
            elif content is not None:
                raise RedirectError("a body is not sent to another origin")
            else:
                lines = [line for line in lines if line[0].lower() in _HARMLESS]
        except RedirectError as error:
            raise RedirectError(f"redirect {status}, {' -> '.join(hops)}: {error}") from None
        return Request(method, url, lines, content)

    def _location(self, location: str) -> URL:
        """Where a server sends us. Its text is UTF-8, and its user-info is not for us."""
        from urllib.parse import urljoin

        location = location.encode("latin-1").decode("utf-8", "replace")
        try:
            absolute = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location)
            url = URL(location if absolute else urljoin(str(self.url), location))
        except ValueError as error:
            shown = re.split("[?#]", location)[0]
            shown = _shown(re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:|)([/\\]*).*@", r"\1\2", shown)[:200])
            raise RedirectError(f"{shown!r} is not a place to go to: {error}") from None
        url.userinfo = None
        return url


def _proxy(text: str, source: str = "proxy=") -> URL | None:
    """The proxy that an option or a variable names."""
    text = text.strip(" \t")
    scheme = re.match("([A-Za-z][A-Za-z0-9+.-]*)://", text)
    try:
        if scheme and scheme[1].lower() != "http":
            raise InvalidRequestError(f"proxies are http://host:port; {scheme[1]} proxies are not supported")
        return URL(text if scheme else "http://" + text) if text else None
    except InvalidRequestError as error:
        raise InvalidRequestError(f"the address of the proxy ({source}): {error}") from None


def _proxy_for(url: URL, option: str | None) -> URL | None:
    """`option`, or what the environment says of this URL."""
    if option is not None:
        return _proxy(option)
    source, address = _variable(f"{url.scheme}_proxy", "all_proxy")
    if address and any(_matches(url, rule) for rule in re.split(r"[\s,]+", _variable("no_proxy")[1].lower())):
        return None
    return _proxy(address, source)


def _variable(*names: str) -> tuple[str, str]:
    """The first of these that is set, in small letters or capitals, and its value."""
    for name in [form for small in names for form in (small, small.upper())]:
        if os.environ.get(name) and (name != "HTTP_PROXY" or "REQUEST_METHOD" not in os.environ):
            return name, os.environ[name]  # under CGI, HTTP_PROXY is the header "Proxy" of whoever asks
    return "", ""


def _matches(url: URL, rule: str) -> bool:
    """Does this item of NO_PROXY mean the URL? `*`, a domain or suffix, an address or network, each with a port."""
    host = url.host.partition("%")[0].removesuffix(".")
    match = re.fullmatch(r"(?:\[(.*)\]|([^:]*))(?::([0-9]+))?", rule)
    if match is not None:
        if match[3] and _port(match[3]) != url.port:
            return False
        rule = match[1] or match[2] or ""
    if "/" in rule or ":" in rule or re.fullmatch(r"[0-9.]+", rule):
        from ipaddress import ip_address, ip_network

        try:
            return ip_address(host) in ip_network(rule, strict=False)
        except ValueError:
            return False
    suffix = rule.removeprefix("*").strip(".")
    return rule == "*" or (suffix != "" and f".{host}".endswith(f".{suffix}"))


# --- what is received: RFC 9112, without I/O --------------------------------------------------------------------

_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*))?")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t -~\x80-\xff]*)")
_HEAD_END = re.compile(rb"\n\r?\n")  # a bare LF is a line end here as RFC 9112, 2.2 lets a recipient have it
_FOLD = re.compile(rb"\n[\t ]+")  # RFC 9112, 5.2: obs-fold, to be read as a space
_sizes: dict[bytes, int] = {}  # of chunk lines met before
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t -~\x80-\xff]*)?")


class Headers(Mapping[str, str]):
    """Header fields by name, in any case. Several lines of one name are joined by ", "; `get_list` tells them apart."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = tuple(lines)

    def get_list(self, name: str) -> list[str]:
        """The value of each line of this name, in any case; none is an empty list."""
        name = name.lower()
        return [value for key, value in self._lines if key.lower() == name]

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter({key.lower(): key for key, _ in self._lines}.values())

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._lines})

    def items(self) -> Any:
        """Every line, in the order received."""
        return self._lines

    def __repr__(self) -> str:
        return f"Headers of {', '.join(key for key, _ in self._lines)}"  # values may be secret


def _parse_fields(lines: bytes, kind: type[HTTPClientError]) -> list[tuple[str, str]]:
    """Field lines of a head or of trailers (RFC 9112, 5), all with their ends. Raises `kind`."""
    parsed = []
    for line in _FOLD.sub(b" ", lines.replace(b"\r\n", b"\n")).split(b"\n")[:-1]:
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            raise kind(f"the answer has a malformed header line: {line.partition(b':')[0][:40]!r}")
        parsed.append((match[1].decode("ascii"), match[2].strip(b" \t").decode("latin-1")))
    return parsed


def _listed(headers: Headers, name: str) -> list[str]:
    """The members of a header that is a list (RFC 9110, 5.6.1), in small letters."""
    return [value.strip(" \t").lower() for line in headers.get_list(name) for value in line.split(",")]


class ResponseParser:
    """The answer to one request: feed what arrives, and `b""` when no more will; then take head and body.

    `status_code` is 0 until the head is complete. `read()` gives the next piece of the decoded body, `None` when it
    needs to be fed first, `b""` at the end. Raises `ProtocolError` and `BodyError`; the latter, and what a decoder
    has to say, only after all that came before it was read. Memory is bounded by what is fed at a time.
    """

    __slots__ = (
        "_buffer", "_decoder", "_ended", "_error", "_framing", "_interim", "_left", "_method", "_searched",
        "coding", "headers", "http_version", "pending", "reason", "status_code",
    )  # fmt: skip

    def __init__(self, method: str = "GET") -> None:
        self.status_code = 0
        self.reason = ""
        self.http_version = ""
        self.headers = Headers()
        self._method = method
        self._buffer = b""
        self._searched = 0  # from here on it may hold the end of the head, or of the trailers
        self._ended = False  # no more bytes will come
        self.pending = False  # may `read` have something without being fed?
        self._interim = 0
        self._framing = "head"
        self._left = 0  # bytes of a length, or of the current chunk and its line end
        self.coding = ""
        self._decoder: Any = None
        self._error: HTTPClientError | None = None  # to raise when what came before it was read

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        self._ended = not data
        self.pending = True
        while self._framing == "head" and self._buffer:
            end = _HEAD_END.search(self._buffer, self._searched)
            self._searched = 0 if end else len(self._buffer) - 2
            if (end.end() if end else len(self._buffer)) > _MAX_HEAD:
                raise ProtocolError(f"the head of the answer is larger than {_MAX_HEAD} bytes")
            if not self._buffer.startswith(b"HTTP/1."[: len(self._buffer)]):
                hint = " [an https server? see the URL]" if self._buffer[:1] == b"\x15" else ""
                raise ProtocolError(f"the answer is not HTTP/1: {self._buffer[:40]!r}{hint}")
            if end is None:
                break
            head, self._buffer = self._buffer[: end.start() + 1], self._buffer[end.end() :]
            self._parse_head(head)
        if self._framing == "head" and self._ended:
            raise ConnectError("the server closed the connection before its answer was complete")

    def _parse_head(self, head: bytes) -> None:
        first, _, fields = head.partition(b"\n")
        match = _STATUS_LINE.fullmatch(first.removesuffix(b"\r"))
        if match is None:
            raise ProtocolError(f"the answer has a malformed status line: {first[:40]!r}")
        version, status, reason = match.groups(b"")
        headers = Headers(_parse_fields(fields, ProtocolError))
        if status[0] == 49 and status != b"101":  # "1": RFC 9110, 15.2
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise ProtocolError(f"more than {_MAX_INTERIM} interim answers (1xx)")
            return
        self.http_version, self.status_code = "HTTP/" + version.decode(), int(status)
        self.reason, self.headers = reason.decode("latin-1").strip(" \t"), headers
        self._framing = self._body_framing(version)
        self.coding = ", ".join(c for c in _listed(headers, "content-encoding") if c not in ("", "identity"))

    def _body_framing(self, version: bytes) -> str:
        """RFC 9112, 6.3: message body length."""
        status = self.status_code
        if status == 101:
            raise ProtocolError("the server switched protocols (101), which nobody asked for")
        if self._method == "HEAD" or status in (204, 304) or (self._method == "CONNECT" and 200 <= status < 300):
            return "none"
        codings = _listed(self.headers, "transfer-encoding")
        lengths = set(_listed(self.headers, "content-length"))
        if codings:
            if lengths:
                raise ProtocolError("the answer has both Content-Length and Transfer-Encoding")
            if codings != ["chunked"] or version == b"1.0":
                raise ProtocolError(f"transfer coding {_shown(', '.join(codings)[:40])!r} is not supported")
            return "chunked"
        if lengths:
            length = lengths.pop()
            if lengths or not re.fullmatch("[0-9]{1,18}", length):
                raise ProtocolError("the answer has conflicting or malformed values of Content-Length")
            self._left = int(length)
            return "length"
        return "close"

    def read(self) -> bytes | None:
        if not self.coding:
            return self._read_raw()
        if self._decoder is None:
            self._decoder = _Decoder(self.coding)
        data = b""
        while not data:
            framed = b"" if self._decoder.more else self._read_raw()
            if framed is None:
                return None
            if not framed and not self._decoder.more:
                self._decoder.finish()
                return b""
            data = self._decoder.decode(framed)
        self.pending = self.pending or self._decoder.more
        return data

    def _read_raw(self) -> bytes | None:
        """The body without its framing."""
        if self._error is not None:
            raise self._error
        if self._framing == "chunked":
            data = self._unchunk()
        elif self._framing == "length":
            data, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(data)
            if not self._left:
                self._framing = "none"
        elif self._framing == "close":
            data, self._buffer = self._buffer, b""
            if self._ended:
                self._framing = "none"
        else:
            return b""
        self.pending = self._buffer != b"" or self._framing == "none" or self._error is not None
        if data or self._framing == "none":
            return data
        if self._ended:
            missing = self._left - 2 * (self._framing == "chunked")
            raise BodyError("the body was cut short" + (f", {missing} bytes are missing" if missing > 0 else ""))
        return None

    def receive(self, data: bytes) -> bytes | None:
        """`feed`, then `read`. A whole chunk by itself, which is what a server sends that flushes each event, takes the
        short way, 0.4 of the time.
        """
        end = data.find(b"\r\n")
        size = _sizes.get(data[:end])
        whole = size and len(data) == end + size + 4 and data.endswith(b"\r\n")
        if whole and self._framing == "chunked" and not (self._left or self._buffer or self.coding):
            return data[end + 2 : -2]
        self.feed(data)
        return self.read()

    def _unchunk(self) -> bytes:
        """All chunk data in the buffer, in one pass (RFC 9112, 7.1)."""
        buffer, position, pieces = self._buffer, 0, []
        find, sizes = buffer.find, _sizes
        try:
            while True:
                if self._left:  # within a chunk, or before its line end
                    stop = position + self._left
                    pieces.append(buffer[position : stop - 2])
                    line_end = buffer[stop - 2 : stop]
                    if not b"\r\n".startswith(line_end):
                        raise BodyError("a chunk of the body does not end where its size says")
                    if len(line_end) < 2:
                        position += len(pieces[-1])
                        self._left -= len(pieces[-1])
                        break
                    position, self._left = stop, 0
                while (end := find(b"\r\n", position)) >= 0:
                    line = buffer[position:end]
                    size = sizes.get(line) or self._chunk_size(line)
                    start, stop = end + 2, end + 2 + size
                    if not size or buffer[stop : stop + 2] != b"\r\n":
                        break
                    pieces.append(buffer[start:stop])
                    position = stop + 2
                else:
                    if len(buffer) - position > _MAX_CHUNK_LINE:
                        raise BodyError(f"a chunk line of the body is longer than {_MAX_CHUNK_LINE} bytes")
                    break
                if not size:  # the last chunk; the trailers behind it (7.1.2) are checked and dropped
                    trailers = _HEAD_END.search(buffer, max(end, self._searched))
                    self._searched = len(buffer) - position - 2
                    if (trailers.end() if trailers else len(buffer)) - end > _MAX_HEAD:
                        raise BodyError(f"the trailers of the body are larger than {_MAX_HEAD} bytes")
                    if trailers:
                        _parse_fields(buffer[end + 2 : trailers.start() + 1], BodyError)
                        self._framing, position = "none", len(buffer)
                    break
                position, self._left = start, size + 2  # it is not all here, or does not end as it should
        except BodyError as error:
            if not any(pieces):
                raise
            self._error = error
        self._buffer = buffer[position:]
        return b"".join(pieces)

    def _chunk_size(self, line: bytes) -> int:
        match = _CHUNK_LINE.fullmatch(line)
        if match is None or len(line) > _MAX_CHUNK_LINE:
            raise BodyError(f"malformed chunk size in the body: {line[:20]!r}")
        size = int(match[1], 16)
        if len(line) < 4:
            _sizes[line] = size  # there are few of them, and to look one up is five times faster
        return size


class _Decoder:
    """gzip and deflate as they stream (RFC 9110, 8.4.1), at most `_READ` bytes at a time: a bomb goes off slowly."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._zlib: Any = None
        self._broken = False
        self.more = False  # does what was given so far make more?

    def decode(self, data: bytes) -> bytes:
        """The next that can be decoded with `data`, or with `b""` if there is `more`."""
        import zlib

        if self._broken:
            raise BodyError(f"the body is not valid {self._coding}")
        if self._zlib is None:
            if self._coding not in ("gzip", "x-gzip", "deflate"):  # an empty body can be in any
                raise ProtocolError(f"content coding {_shown(self._coding[:40])!r} is not supported")
            wbits = 31
            if self._coding == "deflate":  # servers send it with a head (RFC 1950, 2.2) and without, browsers take both
                wbits = 15 if data[0] & 15 == 8 else -15
            self._zlib = zlib.decompressobj(wbits)
        elif self._zlib.eof:
            if self._coding == "deflate":
                raise BodyError("the body goes on after the end of its deflate stream")
            data = self._zlib.unused_data + data
            self._zlib = zlib.decompressobj(31)  # one more member (RFC 1952, 2.2)
        data = self._zlib.unconsumed_tail + data
        before = self._zlib.copy()
        try:
            decoded: bytes = self._zlib.decompress(data, _READ)
            self.more = self._zlib.unused_data != b"" if self._zlib.eof else len(decoded) == _READ
        except zlib.error:
            self._broken = self.more = True
            decoded = b""
            try:
                for byte in data:  # what comes before the place where it is broken
                    decoded += before.decompress(bytes([byte]), _READ)
            except zlib.error:
                pass
        return decoded

    def finish(self) -> None:
        if self._zlib is not None and not self._zlib.eof:
            raise BodyError(f"the body was cut short inside its {self._coding} stream")


# --- TLS: a layer over either shell, without I/O of its own -----------------------------------------------------

_contexts: dict[Any, ssl.SSLContext] = {}


def _context(verify: Any) -> ssl.SSLContext:
    """The TLS settings for a value of `verify`: made once, for it costs 20 ms to read the system's certificates."""
    import ssl

    if isinstance(verify, ssl.SSLContext):
        if verify.protocol == ssl.PROTOCOL_TLS_SERVER:
            raise InvalidRequestError("verify is an ssl.SSLContext for servers: PROTOCOL_TLS_SERVER")
        return verify
    if not isinstance(verify, (bool, str, os.PathLike)):
        raise TypeError("verify is True, False, the path of a CA file or directory, or an ssl.SSLContext")
    if verify == "":
        raise InvalidRequestError("verify is empty; only False disables the check of certificates")
    key = (verify, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = _contexts.get(key)
    if context is None:
        path = None if isinstance(verify, bool) else os.fspath(verify)
        where = {"capath": path} if path and os.path.isdir(path) else {"cafile": path}
        try:
            context = ssl.create_default_context(**where)
        except OSError as error:  # ssl.SSLError is one
            raise InvalidRequestError(f"verify={path!r} is not a file or directory of CA certificates") from error
        context.set_alpn_protocols(["http/1.1"])
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _contexts[key] = context
    return context


class _TLS:
    """TLS between a wire and the protocol, through two memory buffers.

    Against asyncio's and the sockets' own TLS: a cut is told from an end, a blocked read can be woken from another
    thread by shutting the socket down, and an idle stream takes a ninth of the memory.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "_wire")

    def __init__(self, wire: Any, context: ssl.SSLContext, host: str) -> None:
        import ssl

        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = host.partition("%")[0].removesuffix(".")
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    async def handshake(self) -> None:
        import ssl

        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._more()
            except ssl.SSLError as error:
                await self._flush()  # the alert that tells the server
                name = self._object.server_hostname
                if re.search("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE", str(error)):
                    raise ProtocolError(f"{name} does not speak TLS [is it http:// ?]") from error
                hint = " [does it want a client certificate?]" if "HANDSHAKE_FAILURE" in str(error) else ""
                failed = ConnectError(f"TLS with {name} failed: {error.reason or error}{hint}")
                raise self._uncertified(error) or failed from error
        await self._flush()

    def _uncertified(self, error: ssl.SSLError) -> CertificateError | None:
        """What to raise if it is about certificates: the server's; ours, of which only alerts tell (RFC 8446, 6.2), in
        TLS 1.3 when our handshake is over (4.4.2.4).
        """
        import ssl

        name = self._object.server_hostname
        if isinstance(error, ssl.SSLCertVerificationError):
            unknown = 18 <= error.verify_code <= 21  # self-signed, or of an unknown issuer
            why = error.verify_message + " [verify= takes the file of the CA that signed it]" * unknown
            return CertificateError(f"the certificate of {name} was not accepted: {why}")
        if re.search("ALERT.*(CERTIFICATE|UNKNOWN.CA)", str(error), re.IGNORECASE):
            why = f"{error.reason or error} [verify= takes an ssl.SSLContext with load_cert_chain()]"
            return CertificateError(f"{name} wants a client certificate that it accepts: {why}")
        return None

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._wire.send(self._outgoing.read())

    async def _more(self) -> None:
        await self._flush()
        data = await self._wire.recv()
        if not data:
            raise BodyError("the connection was cut, TLS was not closed (RFC 8446, 6.1)")
        self._incoming.write(data)

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        await self._flush()

    async def recv(self) -> bytes:
        """What was received and can be decrypted; `b""` only for an end that the peer declared."""
        import ssl

        pieces: list[bytes] = []
        while not pieces:
            try:
                while self._incoming.pending or self._object.pending() or not pieces:
                    pieces.append(self._object.read(_READ))
                    if not pieces[-1]:
                        break
            except ssl.SSLWantReadError:
                if not pieces:
                    await self._more()
            except ssl.SSLZeroReturnError:
                break
            except ssl.SSLError as error:
                if not pieces:
                    cut = BodyError(f"the connection was cut: {error.reason or error}")
                    raise self._uncertified(error) or cut from error
        return b"".join(pieces)


# --- the two shells: connect, send, receive, interrupt ----------------------------------------------------------

_IN_PROGRESS = EWOULDBLOCK if os.name == "nt" else EINPROGRESS
_SETTINGS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)
]  # no delay; probes that find out within 2 minutes when the peer, or a NAT on the way, has gone


def _tune(sock: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _SETTINGS:
            sock.setsockopt(level, option, value)


def _shut_down(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # not connected any more


class _Closed(ConnectError):
    def __init__(self) -> None:
        super().__init__("the connection was closed")


class _BlockingWire:
    """A socket that blocks, interruptible from any thread.

    What wakes a blocked call on every system is shutdown(), not close(): a descriptor closed under a reader leaves it
    blocked, and may be another's by then. So `interrupt` shuts down, and closes only if nobody is inside a call;
    else the thread inside closes on its way out. Its coroutines never suspend.
    """

    def __init__(self, expires: float | None) -> None:
        self.expires = expires  # monotonic; when set, it bounds all calls together
        self.idle: float | None = None  # seconds, for each receive
        self._lock = RLock()  # held for moments only; reentrant for the sake of signal handlers
        self._sock: socket.socket | None = None
        self._inside = False
        self.closed = False
        self._timeout: float | None = -1.0  # the socket's
        self._unsent = memoryview(b"")

    async def connect(self, host: str, port: int, uds: str | None) -> None:
        if uds is not None:
            addresses: list[Any] = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", uds)]
        else:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for left in range(len(addresses), 0, -1):
            family, kind, protocol, _, address = addresses[-left]
            seconds = self._seconds()
            self._inside = True
            try:
                self._sock = socket.socket(family, kind, protocol)
                return self._try(self._sock, address, seconds and seconds / left)
            except OSError:
                if left == 1:
                    raise
                with self._lock:
                    if self._sock is not None:
                        self._sock.close()
            finally:
                self._leave()

    def _try(self, sock: socket.socket, address: Any, seconds: float | None) -> None:
        """Connect without blocking, for shutdown() does nothing to a socket that is not on its way; then wait."""
        from selectors import EVENT_WRITE, DefaultSelector

        sock.setblocking(False)
        error = sock.connect_ex(address)
        if error == _IN_PROGRESS and not self.closed:
            with DefaultSelector() as selector:
                selector.register(sock, EVENT_WRITE)
                if not selector.select(seconds):
                    raise RequestTimeout("it did not answer in time")
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        _tune(sock)

    def _seconds(self) -> float | None:
        if self.expires is None:
            return None
        seconds = self.expires - monotonic()
        if seconds <= 0:
            raise RequestTimeout("the time for an answer (timeout) is over")
        return seconds

    def _set_timeout(self, sock: socket.socket, seconds: float | None) -> None:
        """Bound each call. The first moment of silence is left to the system where it can: Python's way, a poll()
        before each recv(), is a sixth of what an event costs that is flushed alone. The moment is short because each
        signal that is handled starts it anew.
        """
        self._timeout = seconds
        if seconds and seconds > _MOMENT and self.expires is None and os.name == "posix":
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, pack("@ll", 0, int(_MOMENT * 1e6)))
                sock.settimeout(None)
                if os.get_blocking(sock.fileno()):  # gevent's sockets only look so
                    return
            except OSError:
                pass  # a system that wants another structure
        sock.settimeout(seconds)

    def _leave(self) -> None:
        self._inside = False
        if self.closed:
            with self._lock:
                if self._sock is not None:
                    self._sock.close()
            raise _Closed

    async def send(self, data: bytes) -> None:
        """All, unless the server has something to say before; then what is left goes out while that is received."""
        self._inside = True  # and then see if it is closed; `interrupt` does the reverse, so one of them sees the other
        try:
            if self.closed or self._sock is None:
                raise _Closed
            self._timeout = self._seconds()
            self._sock.settimeout(self._timeout)
            self._unsent = memoryview(bytes(self._unsent) + data)
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
            self._push(self._sock)
        except (BrokenPipeError, ConnectionResetError):
            self._unsent = memoryview(b"")  # the server may have answered before: let us see
        except TimeoutError:
            raise RequestTimeout("the request could not be sent in time (timeout)") from None
        finally:
            self._leave()

    def _push(self, sock: socket.socket) -> None:
        """Send until something can be received: a server may answer before it read the request (RFC 9112, 9.5)."""
        from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

        while self._unsent:
            with DefaultSelector() as selector:
                selector.register(sock, EVENT_READ | EVENT_WRITE)
                ready = selector.select(self.idle if self.expires is None else self._seconds())
            if not ready:
                raise TimeoutError
            if ready[0][1] & EVENT_READ:
                break
            self._unsent = self._unsent[sock.send(self._unsent) :]

    async def recv(self) -> bytes:
        return self.recv_now()

    def recv_now(self) -> bytes:
        self._inside = True  # as in `send`, with _leave written out: this is done for every piece
        try:
            seconds = self.idle if self.expires is None else self._seconds()
            if self.closed or self._sock is None:
                raise _Closed
            if seconds != self._timeout:
                self._set_timeout(self._sock, seconds)
            if self._unsent:
                self._push(self._sock)
            try:
                return self._sock.recv(_READ)
            except BlockingIOError:  # the moment is over: Python's clock goes on when a signal was handled
                self._timeout = seconds - _MOMENT  # type: ignore[operator]
                self._sock.settimeout(self._timeout)
                return self._sock.recv(_READ)
        except TimeoutError as error:
            if isinstance(error, HTTPClientError):
                raise
            what = "no answer" if self.expires is not None else "silence"
            raise RequestTimeout(f"{what} for {seconds:.1f} seconds") from None
        finally:
            self._inside = False
            if self.closed:
                self._leave()

    def stop(self) -> None:
        """No more bytes than have arrived."""
        with self._lock:  # against a close, after which the descriptor may be another's
            if self._sock is not None:
                _shut_down(self._sock)

    def interrupt(self) -> None:
        self.closed = True
        with self._lock:
            self.stop()
            if self._sock is not None and not self._inside:
                self._sock.close()

    async def release(self) -> None:
        self.interrupt()


class _Signal:
    """A future for one task, to be awaited again and again, without a result."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_loop")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False  # by this, and what follows, a task knows a future
        self._callback: Any = None
        self._context: Any = None

    result = type(None)  # returns None, too, and is no frame to enter

    def get_loop(self) -> Any:
        return self._loop

    def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
        self._callback, self._context = callback, context

    def done(self) -> bool:
        return self._callback is None

    def cancel(self, msg: Any = None) -> bool:
        """Wake the task. `False` is for: not cancelled; then it cancels itself in its next step."""
        self.set_soon()
        return False

    def set_soon(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)


class _AsyncWire(_Signal):
    """The same on asyncio: a protocol, and the future that one waiting task awaits for what it received.

    It is its own asyncio.Protocol, without the base class, so that asyncio is not loaded for the sake of it.
    """

    __slots__ = ("_buffer", "_connecting", "_due", "_ended", "_error", "_paused", "_sock", "_timer", "_transport",
                 "_until", "closed", "expires", "idle")  # fmt: skip

    def __init__(self, expires: float | None) -> None:
        import asyncio

        super().__init__(asyncio.get_running_loop())
        self.expires = expires
        self.idle: float | None = None
        self._transport: Any = None
        self._buffer = b""
        self._ended = self.closed = self._paused = False
        self._error: BaseException | None = None
        self._sock: socket.socket | None = None
        self._connecting: Any = None  # the future that `connect` waits for
        self._timer: asyncio.TimerHandle | None = None
        self._until = self._due = inf  # when, monotonic: nothing happened, the timer looks

    # what asyncio calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if hasattr(transport, "max_size"):  # asyncio asks for so much that each read would map and unmap memory
            transport.max_size = _READ

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) > _READ and not self._paused:  # nobody takes it: slow the sender down
            self._paused = True
            self._transport.pause_reading()
        callback, self._callback = self._callback, None
        if callback is not None:
            # Now, as no task is running here: in its next turn the loop would first ask the system for news, a fifth of
            # what an event costs that is flushed alone.
            self._context.run(callback, self)

    def eof_received(self) -> None:
        self._ended = True
        self.set_soon()

    def connection_lost(self, error: BaseException | None) -> None:
        self._ended = True
        self._transport = None  # of no use any more, not even to be closed
        self._error = self._error or error
        self.set_soon()

    def pause_writing(self) -> None:
        pass  # a request's body is in memory anyway

    resume_writing = pause_writing

    # what the protocol calls

    async def connect(self, host: str, port: int, uds: str | None) -> None:
        import asyncio

        if self.expires is not None:
            self._until = self.expires
            self._start_timer()
        try:
            await self._watch(self._connect(host, port, uds))
        except asyncio.CancelledError:
            if not self.closed:  # else it was `interrupt` that cancelled
                raise
        if self.closed:
            raise self._why()

    async def _connect(self, host: str, port: int, uds: str | None) -> None:
        if uds is not None:
            addresses: list[Any] = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", uds)]
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                socket.inet_pton(family, host)
                addresses = [(family, socket.SOCK_STREAM, 0, "", (host, port))]
            except OSError:
                addresses = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        sockets: list[socket.socket] = []
        error = await (self._try(addresses[0], sockets) if len(addresses) == 1 else self._race(addresses, sockets))
        if not sockets:
            raise error or OSError(f"{host} has no address")
        self._sock = sockets[0]
        _tune(self._sock)
        await self._loop.create_connection(lambda: self, sock=self._sock)

    async def _race(self, addresses: list[Any], sockets: list[socket.socket]) -> OSError | None:
        """Try the next address when the last one has failed, or has had 250 ms (RFC 8305, 5). asyncio's own race loses
        the socket if it is cancelled in the moment of success.
        """
        import asyncio

        error: OSError | None = None
        running: set[asyncio.Task[OSError | None]] = set()
        nth = {address[0]: itertools.count() for address in addresses}
        queue = sorted(addresses, key=lambda address: next(nth[address[0]]))  # families in turns (4)
        try:
            while (queue or running) and not sockets:
                if queue:
                    running.add(asyncio.ensure_future(self._try(queue.pop(0), sockets)))
                wait = 0.25 if queue else None
                done, running = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                error = next((task.result() for task in done), error)
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        finally:
            for task in running:
                task.cancel()
        return error

    async def _try(self, address: Any, sockets: list[socket.socket]) -> OSError | None:
        """Connect, and add the socket unless another was faster; or return why not."""
        sock = None
        try:
            sock = socket.socket(*address[:3])
            sock.setblocking(False)
            await self._loop.sock_connect(sock, address[4])
            if not sockets:
                sockets.append(sock)
            return None
        except OSError as error:
            return error
        finally:
            if sock is not None and sock not in sockets:
                sock.close()

    @coroutine
    def _watch(self, connecting: Any) -> Generator[Any, None, None]:
        """Await, and know for what: to cancel that does not take a task, which costs a connect a third more."""
        steps = connecting.__await__()
        try:
            self._connecting = next(steps)
            while True:
                try:
                    yield self._connecting
                except BaseException as error:
                    self._connecting = steps.throw(error)
                else:
                    self._connecting = next(steps)
        except StopIteration:
            pass
        finally:
            self._connecting = None

    async def send(self, data: bytes) -> None:
        if self.closed:
            raise _Closed
        if self._transport is not None:  # else the server may have answered all the same: recv tells
            self._transport.write(data)

    @coroutine
    def recv(self) -> Generator[Any, None, bytes]:
        while not self._buffer:
            if self.closed or self._error is not None:
                raise self._why()
            if self._ended:
                return b""
            if self._callback is not None:  # of two who wait, one would wait for ever
                raise RuntimeError("another task is waiting for this connection")
            until = self.expires
            if until is None:
                until = inf if self.idle is None else monotonic() + self.idle
            self._until = until
            if until < self._due:  # else the timer that there is looks; to set one each time costs as much as a read
                self._start_timer()
            self._asyncio_future_blocking = True
            yield self
        data, self._buffer = self._buffer, b""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._until
        self._timer = self._loop.call_later(self._due - monotonic(), self._tick)

    def _tick(self) -> None:
        self._timer, self._due = None, inf
        if (self.done() and self._connecting is None) or self._until == inf:
            return
        if self._until - monotonic() > 0.001:
            self._start_timer()
        else:
            what = "no answer in time (timeout)" if self.expires is not None else f"silence for {self.idle:.1f} seconds"
            self._error = RequestTimeout(what)
            self.interrupt()

    def _why(self) -> BaseException:
        """Why nothing more can be received. Told once, for an error that was raised refers to this wire."""
        error, self._error = self._error, None
        return error or _Closed()

    def stop(self) -> None:
        if self._connecting is not None:
            self.interrupt()
        elif self._sock is not None:
            _shut_down(self._sock)

    def interrupt(self) -> None:
        self.closed, self._buffer = True, b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop.is_closed():  # nobody is left to close it but its finalizer
            self._transport = None
        elif self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()
        self.set_soon()

    async def release(self) -> None:
        self.interrupt()
        await _pause()  # the transport closes its socket in the loop's next turn


@coroutine
def _pause() -> Generator[None, None, None]:
    """One turn of the loop: `asyncio.sleep(0)` without asyncio."""
    yield


# --- responses --------------------------------------------------------------------------------------------------------


def _run(step: Coroutine[Any, None, _T]) -> _T:
    """Run a coroutine over a blocking wire: it never suspends, one step ends it."""
    try:
        step.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise RuntimeError("a blocking wire suspended")


class _Lines:
    """Lines as the event stream standard has them: they end with LF, CR or CRLF and nothing else."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._cr = False  # the last byte was one: an LF that follows belongs to it
        self.ended = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that end in `data`; with `b""`, the end of the body, what is left."""
        self.ended = not data
        if self.ended and self._line:
            data = b"\n"
        elif self._cr and data[:1] == b"\n":
            data = data[1:]
        self._cr = data[-1:] == b"\r"
        *lines, rest = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if lines:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        self._line += rest
        return [line.decode("utf-8", "replace") for line in lines]


class _Answer:
    """What both responses have: the head, and the body once it was read."""

    def __init__(self, exchange: Exchange, parser: ResponseParser, url: URL) -> None:
        self._exchange = exchange
        self.status_code, self.reason = parser.status_code, parser.reason
        self.http_version, self.headers = parser.http_version, parser.headers
        self.url = str(url)  # the final one, without user-info and fragment
        self._content: bytes | None = None
        self._begun = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.url.partition('?')[0]}>"

    @property
    def ok(self) -> bool:
        """Is the status 2xx?"""
        return 200 <= self.status_code < 300

    def raise_for_status(self) -> None:
        """Raise `StatusError` for 4xx and 5xx; it shows the beginning of the body if that was read."""
        if self.status_code >= 400:
            text = f"{self.url.partition('?')[0]}: HTTP {self.status_code} {_shown(self.reason)}".rstrip()
            raise StatusError(text + (f": {_shown(self.text[:500].strip())}" if self._content else ""), self)

    @property
    def content(self) -> bytes:
        """The body, which must have been read: without `stream=True` it was."""
        if self._content is None:
            raise RuntimeError("the body was not read: stream=False, read() or aread()")
        return self._content

    @property
    def text(self) -> str:
        """The body as UTF-8 text, or in the charset the content type names; malformed bytes are replaced."""
        charset = re.search(r"charset=[\"']?([\w.:-]+)", self.headers.get("content-type", ""), re.IGNORECASE)
        content = self.content
        try:
            return content.decode(charset[1] if charset else "utf-8", "replace")
        except (LookupError, ValueError):  # not known, or one such as "idna", which is for other things
            return content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body decoded as JSON; raises `ValueError` if it is not."""
        import json

        return json.loads(self.content)

    def _begin(self) -> Callable[[], Coroutine[Any, Any, bytes]]:
        """What gives the next piece of the body, or of what was kept of it."""
        if self._content is not None:
            kept = iter([self._content])

            async def again() -> bytes:
                return next(kept, b"")

            return again
        if self._begun:
            raise RuntimeError("the body was already iterated over, or is being read; only read() and aread() keep it")
        self._begun = True
        return self._exchange.read

    async def _read(self) -> bytes:
        """All of the body, however large; kept as `content`. `RuntimeError` if it was already iterated over."""
        if self._content is None:
            read, pieces = self._begin(), []
            try:
                while data := await read():
                    pieces.append(data)
                self._content = b"".join(pieces)
            finally:
                await self._exchange.release()
        return self._content


class Response(_Answer):
    """An answer whose body arrives when asked for, once; a context manager."""

    def iter_bytes(self) -> Iterator[bytes]:
        """The decoded body in pieces as they arrive; once, or as often as wanted if it was read: then what is kept.

        Raises `BodyError` if it is cut, `RequestTimeout` on silence, `ConnectError` after `close()`, `RuntimeError` if
        it was already iterated over.
        """
        read = self._begin()
        while data := _run(read()):
            yield data

    def iter_lines(self) -> Iterator[str]:
        """`iter_bytes` by lines without their ends (LF, CR, CRLF), each as soon as it is complete; UTF-8."""
        read, lines = self._begin(), _Lines()
        while not lines.ended:
            yield from lines.feed(_run(read()))

    def read(self) -> bytes:
        """All of the body, however large; kept as `content`. `RuntimeError` if it was already iterated over."""
        return _run(self._read())

    def close(self) -> None:
        """Close the connection, from any thread and at once: who is reading gets a `ConnectError`."""
        self._exchange.interrupt()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncResponse(_Answer):
    """`Response` for asyncio: `aiter_bytes`, `aiter_lines`, `aread`, `aclose`, `async with`."""

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """As `Response.iter_bytes`."""
        read = self._begin()
        while data := await read():
            yield data

    async def aiter_lines(self) -> AsyncIterator[str]:
        """As `Response.iter_lines`."""
        read, lines = self._begin(), _Lines()
        while not lines.ended:
            for line in lines.feed(await read()):
                yield line

    aread = _Answer._read

    async def aclose(self) -> None:
        """Close the connection, from any task: who is reading gets a `ConnectError`. A read body stays."""
        await self._exchange.release()

    async def __aenter__(self) -> AsyncResponse:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


# --- one request and its answer ---------------------------------------------------------------------------------


def _raise(error: OSError) -> NoReturn:
    """Raise what a read raises for it."""
    try:
        if isinstance(error, HTTPClientError):
            raise error
        raise BodyError(f"the connection was lost: {_reason(error)}") from error
    finally:
        del error  # its traceback refers to this frame


class Exchange:
    """One request and its answer, redirects and proxies included, over blocking sockets.

    The methods are coroutines that never suspend; `interrupt` and `stop` may be called from any thread.
    """

    def __init__(
        self, verify: Any = True, proxy: str | None = None, uds: str | os.PathLike[str] | None = None,
        follow_redirects: bool = True, idle_timeout: float | None = None, max_redirects: int = 20,
    ) -> None:  # fmt: skip
        self._verify, self._proxy, self._uds = verify, proxy, None if uds is None else os.fspath(uds)
        self._max_redirects = max_redirects if follow_redirects else -1
        self._idle = idle_timeout
        self._wire: Any = None
        self._stream: Any = None  # the wire, or TLS over it
        self._parser: Any = None
        self._interrupted = False

    _new_wire: Callable[..., Any] = _BlockingWire
    _new_response: Callable[..., Any] = Response
    _turn: Callable[..., Any] | None = None
    _application: Callable[[Request], Any] | None = None  # in-process, what takes the place of a wire

    async def open(self, request: Request, timeout: float | None = None) -> Any:
        """Send, wait for the head of the answer, `timeout` seconds in all, return the response. An error closes all."""
        expires = None if timeout is None else monotonic() + timeout
        hops, most, confined = [request.url.shown()], self._max_redirects, self._uds is not None
        try:
            while True:
                parser = await self._send(request, expires)
                follow = request.redirected(parser.status_code, parser.headers, hops, most, confined)
                if follow is None:
                    break
                await self._wire.release()
                request = follow
        except BaseException:
            await self.release()
            raise
        self._parser, self._wire.expires, self._wire.idle = parser, None, self._idle
        return self._new_response(self, parser, request.url)

    async def _send(self, request: Request, expires: float | None) -> ResponseParser:
        if self._application is not None:
            self._wire = self._stream = self._application(request)
            return await self._head(request.method)
        url, proxy = request.url, None if self._uds is not None else _proxy_for(request.url, self._proxy)
        wire = self._wire = self._stream = self._new_wire(expires)
        if self._interrupted:
            raise _Closed
        peer, kind, name, failed = url, ConnectError, self._uds or url.authority, "cannot connect to %s"
        if proxy is not None:
            peer, kind, name = proxy, ProxyError, f"the proxy {proxy.authority}"
        try:
            await wire.connect(peer.host, peer.port, self._uds)
            kind, failed = ConnectError, "%s closed the connection"
            if proxy is not None and url.scheme == "https":
                await self._tunnel(url, proxy)
                proxy, name = None, url.authority
            if url.scheme == "https":
                self._stream = _TLS(wire, _context(self._verify), url.host)
                await self._stream.handshake()
            await self._stream.send(request.encode(proxy))
            return await self._head(request.method)
        except RequestTimeout as error:
            raise RequestTimeout(f"{name}: {error}") from error
        except OSError as error:
            if isinstance(error, HTTPClientError) and not isinstance(error, BodyError):
                raise
            raise kind(f"{failed % name}: {_reason(error)}") from error

    async def _tunnel(self, url: URL, proxy: URL) -> None:
        """RFC 9110, 9.3.6: CONNECT."""
        host = f"[{url.host.partition('%')[0]}]" if ":" in url.host else url.host
        lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}"]
        if proxy.userinfo is not None:
            lines.append(f"Proxy-Authorization: {_basic(proxy.userinfo)}")
        try:
            await self._stream.send("\r\n".join([*lines, "", ""]).encode())
            answer = await self._head("CONNECT")
        except RequestTimeout:
            raise
        except OSError as error:
            raise ProxyError(f"the proxy {proxy.authority} failed: {_reason(error)}") from error
        status = answer.status_code
        if not 200 <= status < 300:
            refused = ProxyError(f"the proxy {proxy.authority} refused: {status} {_shown(answer.reason)}")
            refused.fatal = 400 <= status < 500 and status not in (408, 425, 429)  # such as 407: wrong password
            raise refused
        if answer._buffer:
            raise ProxyError(f"the proxy {proxy.authority} sent more than its answer")

    async def _head(self, method: str) -> ResponseParser:
        parser = ResponseParser(method)
        while not parser.status_code:
            parser.feed(await self._stream.recv())
        return parser

    async def read(self) -> bytes:
        """The next piece of the body, as it arrives; `b""` at the end, when the connection is closed already."""
        parser, data = self._parser, None
        try:
            if parser.pending:
                if parser.coding and self._turn is not None:
                    await self._turn()  # little that is received may be decoded for long: let others run
                data = parser.read()
            while data is None:
                data = parser.receive(await self._stream.recv())
        except OSError as error:
            _raise(error)
        if data:
            return data  # type: ignore[no-any-return]
        if self._application is None:
            self._wire.interrupt()
        else:
            await self._wire.end()  # which may raise what the application does after its answer
        return b""

    def read_now(self) -> bytes | None:
        """`read` without a coroutine, which blocks; `None` if only `read` can go on."""
        if self._stream is not self._wire or self._parser.pending:
            return None
        try:
            return self._parser.receive(self._wire.recv_now())  # type: ignore[no-any-return]
        except OSError as error:
            _raise(error)

    def limit(self, seconds: float | None) -> None:
        """Bound all reads to come together."""
        self._wire.expires = None if seconds is None else monotonic() + seconds

    def stop(self) -> None:
        """Let reads end after what has arrived."""
        if self._wire is not None:
            self._wire.stop()

    def interrupt(self) -> None:
        """Abort: whoever is inside a call gets a `ConnectError`."""
        self._interrupted = True
        if self._wire is not None:
            self._wire.interrupt()

    async def release(self) -> None:
        """Give the connection back."""
        if self._wire is not None:
            await self._wire.release()


class AsyncExchange(Exchange):
    """The same on asyncio; `interrupt` and `stop` are for other tasks of the same loop."""

    _new_wire, _new_response, _turn = _AsyncWire, AsyncResponse, staticmethod(_pause)

    def __del__(self) -> None:
        if self._wire is not None and not self._wire.closed:  # the loop would keep the connection for ever
            import warnings

            warnings.warn("an AsyncResponse was not closed", ResourceWarning, source=self, stacklevel=2)
            self.interrupt()


def check(verify: Any, proxy: Any, uds: Any, *seconds: Any) -> None:
    """Raise `ValueError` or `TypeError` now for what `Exchange` could not use."""
    for number in seconds:
        if number is not None and not (isinstance(number, (int, float)) and 0 < number <= 1e6):
            raise InvalidRequestError("timeout, idle_timeout are seconds above 0, at most 1e6, or None for no limit")
    if not (isinstance(proxy, (str, type(None))) and isinstance(uds, (str, os.PathLike, type(None)))):
        raise TypeError("proxy is a string, uds a string or a path")
    if uds == "":
        raise InvalidRequestError("uds is empty")
    if not isinstance(verify, bool):
        _context(verify)
    if proxy:
        _proxy(proxy)
        if uds is not None:
            raise InvalidRequestError("proxy or uds, not both")


# --- requests ---------------------------------------------------------------------------------------------------------


async def _request(
    exchange: Callable[..., Exchange], method: str, url: str, *, stream: bool = False, headers: Any = None,
    params: Any = None, json: Any = None, content: Any = None, timeout: float | None = 30.0,
    idle_timeout: float | None = 300.0, verify: Any = True, proxy: str | None = None, uds: Any = None,
    follow_redirects: bool = True, max_redirects: int = 20,
) -> Any:  # fmt: skip
    """What both worlds make of the options."""
    if json is not None:
        from json import dumps

        if content is not None:
            raise TypeError("json or content, not both")
        content = dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if params:
        from urllib.parse import urlencode

        url, hash, fragment = url.strip(" ").partition("#")
        url += ("&" if "?" in url else "?") + urlencode(params, doseq=True) + hash + fragment
    check(verify, proxy, uds, timeout, idle_timeout)
    request = Request(method, url, headers, content)
    if json is not None and not any(name.lower() == "content-type" for name, _ in request.headers):
        request.headers.append(("Content-Type", "application/json"))
    opened = exchange(verify, proxy, uds, follow_redirects, idle_timeout, max_redirects)
    response = await opened.open(request, timeout)
    if not stream:
        await response._read()
    return response


_request.__qualname__ = "request"  # by which Python names it when there is no such option


def request(method: str, url: str, **options: Unpack[_Options]) -> Response:
    """Send a request and return its `Response`; with `stream=True` before its body, which is then read as it arrives.

    headers: mapping or pairs. params: appended to the query. json, or content (bytes, or str as UTF-8): the body.
    timeout: seconds to the head of the answer, 30 by default. idle_timeout: seconds of silence in the body, 300.
    verify: `True`, `False`, a CA file or directory, an `ssl.SSLContext`. proxy: `None` for what the environment
    says (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), `""` for none, "http://user:password@host:port". uds: the
    path of a Unix socket to connect to. follow_redirects, max_redirects (20).

    Raises `InvalidRequestError` (a `ValueError`) before anything is sent; `ConnectError`, `ProxyError`,
    `ProtocolError`, `CertificateError`, `RedirectError`, `BodyError` (`ConnectionError`s); `RequestTimeout`
    (a `TimeoutError`).
    """
    return _run(_request(Exchange, method, url, **options))  # type: ignore[no-any-return]


def get(url: str, **options: Unpack[_Options]) -> Response:
    """`request` with GET: `with get(url, stream=True) as response: ...`"""
    return request("GET", url, **options)


def post(url: str, **options: Unpack[_Options]) -> Response:
    """`request` with POST."""
    return request("POST", url, **options)


async def async_request(method: str, url: str, **options: Unpack[_Options]) -> AsyncResponse:
    """`request` on asyncio: `async with await async_request(method, url, stream=True) as response: ...`"""
    return await _request(AsyncExchange, method, url, **options)  # type: ignore[no-any-return]


async def async_get(url: str, **options: Unpack[_Options]) -> AsyncResponse:
    """`async_request` with GET."""
    return await async_request("GET", url, **options)


async def async_post(url: str, **options: Unpack[_Options]) -> AsyncResponse:
    """`async_request` with POST."""
    return await async_request("POST", url, **options)


# --- web applications called in-process ----------------------------------------------------------

# They take the place of a wire: the same words (`expires`, `idle`, `closed`, `whole`, `recv`,
# `stop`, `interrupt`, `release`), and `end()`, for an application goes on after its answer.

_GRACE = 0.5  # seconds to return after the answer, when the client has gone, when cancelled
_FINAL_STATUS = re.compile(r"[2-9][0-9][0-9](?: [\t -~\x80-\xff]*)?")


def _from_handler(error: BaseException) -> bool:
    """Was it raised by a signal handler?

    Python calls a handler with the frame that it interrupts. So a frame in a traceback that was
    given the frame before it as an argument is a handler's.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        before, trace = trace.tb_frame, trace.tb_next
        code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
        given = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
        if code.co_flags & 0x04:  # inspect.CO_VARARGS
            rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
            given.extend(values.get(rest, ()))
        if any(value is before for value in given):
            return True
    return False


def _answer_head(status: Any, headers: Any, kind: Any) -> bytes:
    """The head of an application's answer, whose header lines are of a `kind`, `str` or `bytes`.

    What HTTP could not carry is the application's error, raised where it hands it over: `TypeError`
    or `RuntimeError`. Without Transfer-Encoding: chunks are the server's business (RFC 9112, 6.1),
    and here there are none.
    """
    if not _FINAL_STATUS.fullmatch(str(status)):
        raise RuntimeError(f"the application's status {str(status)!r:.40} is none of an answer")
    lines, lengths = [f"HTTP/1.1 {status}"], set()
    for name, value in headers:
        if not (isinstance(name, kind) and isinstance(value, kind)):
            kinds = f"{type(name).__name__} and {type(value).__name__}, not {kind.__name__}"
            raise TypeError(f"the application's header {name!r:.40} is of {kinds}")
        name, value = (p.decode("latin-1") if kind is bytes else p for p in (name, value))
        value = value.strip(" \t")
        if not _TOKEN.fullmatch(name):
            raise RuntimeError(f"the application's header {name!r:.40} has no valid name")
        if not _FIELD_VALUE.fullmatch(value):
            why = "control characters or some beyond Latin-1"
            raise RuntimeError(f"the application's header {name} has {why}")
        if name.lower() == "content-length":
            lengths.add(value)
            if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", value):
                raise RuntimeError("the application's Content-Length is not one number of bytes")
        if name.lower() != "transfer-encoding":
            lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _failed(error: BaseException) -> RuntimeError:
    """What the caller gets for an application's OSError, which would look like a lost connection
    of his own.
    """
    return RuntimeError(f"the application failed: {type(error).__name__}: {error}")


class WSGITransport:
    """Call a WSGI application (PEP 3333) in the place of a server, for
    `connect(url, transport=WSGITransport(app))`.

    The body is pulled from the application piece by piece, so an endless one streams. What the
    application raises reaches the caller. `close()` closes its iterable; from another thread, while
    the application computes, it returns at once and the iterable is closed when that is done.
    `timeout` seconds to the head of the answer cannot interrupt the application either: one that
    took longer is answered by `RequestTimeout`.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def __call__(
        self, method: str, url: str, *, headers: Any = None, content: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:  # fmt: skip
        expires = None if timeout is None else monotonic() + timeout
        exchange = Exchange()
        exchange._uds = ""  # as with a Unix socket, no other origin can be reached
        exchange._application = lambda request: _WSGIWire(self.app, request, expires)
        response: Response = _run(exchange.open(Request(method, url, headers, content)))
        return response


class _WSGIWire:
    """A call of the application, which runs when something is to be received."""

    def __init__(self, app: Callable[..., Any], request: Request, expires: float | None) -> None:
        self.expires = expires
        self.idle: float | None = None  # an application that computes cannot be interrupted
        self.closed = self._started = self._sent = self._inside = False
        self.whole = True  # what came out of an application leaves nothing of it to go on with
        self._ready: list[bytes] = []  # the head, and what is written, go before the next piece
        self._pieces: Iterator[bytes] = filter(None, self._call(app, request))

    def _call(self, app: Callable[..., Any], request: Request) -> Iterator[bytes]:
        import io
        import sys
        from itertools import chain
        from urllib.parse import unquote_to_bytes

        path, _, query = request.url.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method, "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query,
            "SERVER_NAME": request.url.host, "SERVER_PORT": str(request.url.port),
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.url.scheme,
            "wsgi.input": io.BytesIO(request.content or b""), "wsgi.errors": sys.stderr,
            "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
        for name, value in request.lines():
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
            before = [environ[key]] if key in environ else []  # RFC 3875, 4.1.18: lines become one
            environ[key] = ("; " if key == "HTTP_COOKIE" else ",").join([*before, value])
        self._result = app(environ, self._start_response)
        # The head waits for no piece, and one may be written at the end.
        for piece in chain([b""], self._result, [b""]):
            self._ready.append(piece)
            data = b"".join(self._ready)
            self._ready.clear()
            yield data

    def _start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        if exc_info and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self._ready[:] = [_answer_head(status, headers, str)]
        self._started = True
        return self._ready.append

    async def recv(self) -> bytes:
        return self.recv_now()

    def recv_now(self) -> bytes:
        self._inside, self.whole = True, False  # as in _BlockingWire: who is inside closes
        data = b""
        try:
            if not self.closed:
                data = next(self._pieces, b"")
            self.whole = True
        except (OSError, EOFError) as error:
            if _from_handler(error):
                raise
            if not self.closed:
                raise _failed(error) from error
        finally:
            self._inside = False
            if self.closed:
                self._close()
        if self.closed:
            raise _Closed
        if self.expires is not None and monotonic() > self.expires:
            raise RequestTimeout("no answer in time (timeout)")
        if not self._started:
            raise RuntimeError("the application did not call start_response")
        self._sent = True
        return data

    def _close(self) -> None:
        result = self.__dict__.pop("_result", None)  # in one step: of two threads one closes it
        self._pieces = iter(())  # which refer to this wire: nothing waits for the garbage collector
        if hasattr(result, "close"):
            result.close()

    def interrupt(self) -> None:
        self.closed = True
        if not self._inside:
            self._close()

    stop = interrupt  # nothing arrives that nobody has asked for

    async def release(self) -> None:
        self.interrupt()

    end = release


class ASGITransport:
    """Call an ASGI application in the place of a server, for
    `async_connect(url, transport=ASGITransport(app))`.

    The application runs as a task; each `send` waits until its piece is taken, so an endless
    endpoint streams. What it raises reaches the caller, also after its answer: the end of the body
    waits half a second for it to return. `aclose()` gives it `http.disconnect`, cancels it half a
    second later if it goes on, and leaves it alone if it does not end then; one that has answered
    completely is left to what it does in the background. `timeout`: seconds to the head of the
    answer, else `RequestTimeout`.

    As a context manager, `async with ASGITransport(app) as transport`, it runs the lifespan events
    too: startup and shutdown take the time they take, `RuntimeError` says that one failed, requests
    get the application's state. An application without lifespan, which raises when it is called
    for it, or returns without a word, is called for requests all the same.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app
        self._lifespan: Any = None
        self._state: dict[str, Any] = {}

    async def __call__(
        self, method: str, url: str, *, headers: Any = None, content: bytes | None = None,
        timeout: float | None = None,
    ) -> AsyncResponse:  # fmt: skip
        import asyncio

        expires = None if timeout is None else asyncio.get_running_loop().time() + timeout
        exchange = AsyncExchange()
        exchange._uds = ""  # as with a Unix socket, no other origin can be reached
        exchange._application = lambda request: self._wire(request, expires)
        request = Request(method, url, headers, content)
        return await exchange.open(request)  # type: ignore[no-any-return]

    def _wire(self, request: Request, expires: float | None) -> _ASGIWire:
        from urllib.parse import unquote

        path, _, query = request.url.target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1", "method": request.method, "scheme": request.url.scheme,
            "path": unquote(path), "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "client": ("127.0.0.1", 0),
            "server": (request.url.host, request.url.port),
            "headers": [(name.lower().encode(), value.encode("latin-1"))
                        for name, value in request.lines()],
            "state": self._state.copy(),
        }  # fmt: skip
        body = {"type": "http.request", "body": request.content or b"", "more_body": False}
        return _ASGIWire(self.app, scope, body, {"type": "http.disconnect"}, expires)

    async def __aenter__(self) -> ASGITransport:
        self._state = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        first, last = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
        lifespan = self._lifespan = _ASGIWire(self.app, scope, first, last)
        try:
            await self._event("startup")
        except BodyError:  # it returned: it has no lifespan
            self._lifespan = None
        except BaseException as error:
            if not (lifespan.untouched and isinstance(error, Exception)):
                await lifespan.release()
                raise
            self._lifespan = None
        return self

    async def __aexit__(self, *exception: object) -> None:
        lifespan = self._lifespan
        if lifespan is None:
            return
        lifespan.gone.set()
        try:
            await self._event("shutdown")
        except BodyError:
            pass  # it left without a word
        finally:
            await lifespan.release()
        lifespan.check()

    async def _event(self, event: str) -> None:
        due = f"lifespan.{event}.complete", f"lifespan.{event}.failed"
        message = await self._lifespan.sent(*due)
        if message["type"] == due[1]:
            await self._lifespan.release()
            why = f"the application's {event} failed: {message.get('message', '')}"
            raise RuntimeError(why) from self._lifespan.error()


_running: set[Any] = set()  # the loop does not hold tasks


class _ASGIWire:
    """A running application: what it receives first and last, and what it has sent, each message
    until it is taken.
    """

    whole = True  # it goes on, whatever happens to who waits for it

    def __init__(
        self, app: Callable[..., Any], scope: Any, first: Any, last: Any,
        expires: float | None = None,
    ) -> None:  # fmt: skip
        import asyncio

        self.expires = expires  # by the loop's clock
        self.idle: float | None = None
        self.closed = False
        self.untouched = True  # it has neither asked for anything nor sent anything
        self.gone = asyncio.Event()  # the client
        self._first, self._last = first, last
        self._due = "http.response.start"
        self._answered = False  # it has sent all of its answer
        self._over = False  # what it still sends is dropped
        self._cancelled = False
        self._error: RequestTimeout | None = None
        self._messages: asyncio.Queue[Any] = asyncio.Queue()  # `None`: no more will come
        self._task = asyncio.ensure_future(self._run(app, scope))
        self._task.add_done_callback(lambda _: self._messages.put_nowait(None))
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _run(self, app: Callable[..., Any], scope: Any) -> None:
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        self.untouched = False
        if self._first is None:
            await self.gone.wait()
            return self._last  # however often it is asked
        first, self._first = self._first, None
        return first

    async def _send(self, message: Any) -> None:
        self.untouched = False
        kind = message["type"]
        if self.closed and kind.startswith("http."):
            raise ConnectionResetError("the client has gone")  # as ASGI 2.4 has it
        if kind == "http.response.start":
            status = message["status"]
            status = int(status) if isinstance(status, int) else status  # of an enumeration, too
            head = _answer_head(status, message.get("headers", ()), bytes)
            message = {"type": kind, "body": head}
        elif kind == "http.response.body":
            body = message.get("body", b"")
            if not isinstance(body, (bytes, bytearray, memoryview)):
                raise TypeError(f"the application's body is {type(body).__name__}, not bytes")
            self._answered = self._answered or not message.get("more_body")
        if self._over:
            await _pause()
        else:
            self._messages.put_nowait(message)
            await self._messages.join()
        if self._answered:
            self.gone.set()

    async def sent(self, *due: str) -> Any:
        """The application's next message. Raises what the application raised instead."""
        loop, timer = self._task.get_loop(), None
        seconds = self.idle if self.expires is None else self.expires - loop.time()
        if seconds is not None:
            timer = loop.call_later(seconds, self._expire)
        try:
            message = await self._messages.get()
        finally:
            if timer is not None:
                timer.cancel()
        self._messages.task_done()
        if message is None:
            self._messages.put_nowait(None)
            if self.closed:
                raise self._error or _Closed
            self.check()
            raise BodyError("the application ended before its answer was complete")
        if message["type"] not in due:
            raise RuntimeError(f"the application sent {message['type']!r} where {due[0]!r} is due")
        return message

    def _expire(self) -> None:
        silence = f"silence for {self.idle} seconds"
        late = "no answer in time (timeout)"
        self._error = RequestTimeout(silence if self.expires is None else late)
        self.interrupt()

    def error(self) -> BaseException | None:
        """What the application raised, if it has ended."""
        ended = self._task.done() and not self._task.cancelled()
        return self._task.exception() if ended else None

    def check(self) -> None:
        error = self.error()
        if isinstance(error, (OSError, EOFError)) and not _from_handler(error):
            raise _failed(error) from error
        if error is not None:
            raise error

    async def recv(self) -> bytes:
        while self._due:
            message = await self.sent(self._due)
            if self._due == "http.response.start":
                self._due = "http.response.body"
            elif not message.get("more_body"):
                self._due = ""
            if message.get("body"):
                return bytes(message["body"])
        await self.end()
        return b""

    def _drop(self) -> None:
        self._over = True
        while not self._messages.empty():  # who waits in `send` goes on
            self._messages.get_nowait()
            self._messages.task_done()

    def interrupt(self) -> None:
        """The client has gone. The application is told, and cancelled if it goes on, unless it has
        answered: then what it raises has been seen by nobody, and the loop says so.
        """
        loop, task = self._task.get_loop(), self._task
        if self.closed or loop.is_closed():
            self.closed = True
            return
        self.closed = True
        self.gone.set()
        self._drop()
        self._messages.put_nowait(None)
        if not self._answered:
            timer = loop.call_later(_GRACE, self._cancel)
            task.add_done_callback(lambda _: timer.cancel())
            task.add_done_callback(lambda _: self.error())

    stop = interrupt  # nothing arrives that nobody has asked for

    def _cancel(self) -> None:
        if not self._cancelled:  # a second one would break off what it does because of the first
            self._cancelled = True
            self._task.cancel()

    async def end(self) -> None:
        """After all of the answer: the application has its time to return."""
        import asyncio

        if not self.closed:
            self._drop()
            await asyncio.wait({self._task}, timeout=_GRACE)
            if self._task.done():
                self.closed = True
                self.check()
            elif self._answered:
                self.interrupt()
            else:
                await self.release()

    async def release(self) -> None:
        """`interrupt`, and wait until the application has ended, for a bounded time. Who is
        cancelled meanwhile, once or in each turn of the loop, as anyio's scopes do it, is cancelled
        at the end.
        """
        import asyncio

        if self._answered and self.closed:
            return  # it had its time, and what it does in the background is left to it
        self.interrupt()
        loop, cancelled = self._task.get_loop(), None
        until = loop.time() + (_GRACE if self._answered else 2 * _GRACE)
        while not self._task.done() and (left := until - loop.time()) > 0:
            try:
                await asyncio.wait({self._task}, timeout=left)
            except asyncio.CancelledError as error:
                if cancelled is None and not self._answered:
                    self._cancel()
                    until = loop.time() + _GRACE
                cancelled = error
                if self._answered:
                    break
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                del cancelled  # it refers to this frame


# --- other libraries' clients --------------------------------------------------------------------


def transport_of(client: Any, asynchronous: bool) -> Callable[..., Any]:
    """What sends for `connect`, or for `async_connect` if `asynchronous`, given as `transport=`.

    The clients of other libraries become a function `transport(method, url, *, headers, content,
    timeout)` that sends by them and returns their own answer, its body not yet read:
    `requests.Session` and `niquests.Session`, `httpx.Client` and `AsyncClient`, the same of httpx2,
    `niquests.AsyncSession`, `aiohttp.ClientSession`, and what derives from these. They are known
    by their classes, nothing is imported. Any other callable is returned as it is.

    The request goes the client's own way: its authentication, base URL, cookies, hooks, pool,
    proxies and mocks hold. Redirects are followed. Headers of a request go before those of the
    client, as in those libraries; a name that comes twice is one line for requests and niquests.
    Of the client's own time limits those for connecting, sending and for a place in its pool hold
    beside `timeout` (httpx, httpx2; for aiohttp `connect` and `sock_connect`). What it limits in
    reading, or in all, does not, since it would end streams that are quiet: for clients that block
    `timeout` stands in its place, until the head has come.

    Raises `TypeError` that says what to give instead: for a class in the place of its instance,
    for what is for the other world, for a bare ASGI or WSGI application, for what is not callable.
    """
    from functools import partial

    name, world, send = _recognized(client)
    if world is None and not callable(client):
        raise TypeError(f"transport= takes {_CHOICE[asynchronous]} transport(method, url, *, "
                        f"headers, content, timeout), not {name}")  # fmt: skip
    if world is not None and isinstance(client, type):
        raise TypeError(f"transport= takes an instance of {name}, not the class")
    if world is not None and world != asynchronous:
        right, wrong = ("async_connect", "connect") if world else ("connect", "async_connect")
        raise TypeError(f"transport={name} is for {right}(), not for {wrong}()")
    return partial(send, client) if send else client


def _recognized(client: Any) -> tuple[str, bool | None, Any]:
    """What it is called; is it for asyncio (`None`: nobody can tell); what sends by it, if that is
    not itself. Raises `TypeError` for a bare application.
    """
    kind = client if isinstance(client, type) else type(client)
    for base in kind.__mro__:
        if base in (ASGITransport, WSGITransport):
            return base.__name__, base is ASGITransport, None
        key = base.__module__.partition(".")[0], base.__name__
        if key in _CLIENTS:
            return ".".join(key), *_CLIENTS[key]
    code = _code_of(client)
    parameters = code.co_varnames[: code.co_argcount] if code else ()
    for last, world, name in ((("receive", "send"), "async_connect", "ASGI"),
                              (("start_response",), "connect", "WSGI")):  # fmt: skip
        if parameters[-len(last) :] == last:
            raise TypeError(f"transport= is a bare {name} application: {world}() takes "
                            f"transport={name}Transport(app)")  # fmt: skip
    if code and code.co_flags & 0x80:  # inspect.CO_COROUTINE
        return "a coroutine function", True, None
    return kind.__name__, None, None


def _code_of(function: Any) -> Any:
    """The code that a call runs, if it is Python's; of what a decorator wraps, if it says so."""
    function = function if hasattr(function, "__code__") else type(function).__call__
    return getattr(getattr(function, "__wrapped__", function), "__code__", None)


def _lines_of(headers: Any) -> list[tuple[str, str]]:
    return list(headers.items() if hasattr(headers, "items") else headers or ())


def _least(limit: float | None, other: float | None) -> float | None:
    """The shorter of two time limits; `None` is none."""
    return min((seconds for seconds in (limit, other) if seconds is not None), default=None)


def _send_by_requests(
    session: Any, method: str, url: str, *, headers: Any, content: Any, timeout: float | None
) -> Any:
    """By requests and niquests, whose headers are a mapping: lines of one name become one
    (RFC 9110, 5.3). A limit for the next byte would end a quiet stream, where `connect` is not
    there to lift it: in niquests' asynchronous session.
    """
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in _lines_of(headers):
        name = names.setdefault(name.lower(), name)
        between = "; " if name.lower() == "cookie" else ", "
        joined[name] = f"{joined[name]}{between}{value}" if name in joined else value
    limits = (timeout, None) if hasattr(session, "__aenter__") else timeout
    return session.request(method, url, headers=joined, data=content, timeout=limits, stream=True)


def _send_by_httpx(
    client: Any, method: str, url: str, *, headers: Any, content: Any, timeout: float | None
) -> Any:
    lines = [(name.encode(), value.encode("latin-1")) for name, value in _lines_of(headers)]
    own, read = client.timeout, None if hasattr(client, "aclose") else timeout
    connect, write, pool = (_least(limit, timeout) for limit in (own.connect, own.write, own.pool))
    limits = (connect, read, write, pool)
    request = client.build_request(method, url, headers=lines, content=content, timeout=limits)
    return client.send(request, stream=True, follow_redirects=True)


def _send_by_aiohttp(
    session: Any, method: str, url: str, *, headers: Any, content: Any, timeout: float | None
) -> Any:
    own = session.timeout
    limits = type(own)(total=None, connect=own.connect, sock_connect=own.sock_connect)
    lines = [(name, _as_utf8(value)) for name, value in _lines_of(headers)]
    return session.request(method, url, headers=lines, data=content, timeout=limits)


def _as_utf8(value: str) -> str:
    """A value of which each character stands for a byte, for a library that sends it as UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


# By package and class: is it for asyncio, and what sends?
_CLIENTS: dict[tuple[str, str], tuple[bool, Callable[..., Any]]] = {
    ("requests", "Session"): (False, _send_by_requests),
    ("niquests", "Session"): (False, _send_by_requests),
    ("niquests", "AsyncSession"): (True, _send_by_requests),
    ("httpx", "Client"): (False, _send_by_httpx),
    ("httpx", "AsyncClient"): (True, _send_by_httpx),
    ("httpx2", "Client"): (False, _send_by_httpx),
    ("httpx2", "AsyncClient"): (True, _send_by_httpx),
    ("aiohttp", "ClientSession"): (True, _send_by_aiohttp),
}
_CHOICE = {
    world: ", ".join(".".join(key) for key, known in _CLIENTS.items() if known[0] is world) + more
    for world, more in (
        (False, ", WSGITransport(app) or a function"),
        (True, ", ASGITransport(app) or a coroutine function"),
    )
}
