"""Streaming HTTP/1.1 for Python: one file, standard library only, Python 3.10+.

    from httpclient import get

    with get("https://example.com/feed", stream=True) as response:
        for line in response.iter_lines():
            print(line)

In reading order: errors; what is sent (``URL``, ``Request``, redirects); the route to a server
(proxies, and who is named when something fails); what is received (``Headers``, ``ResponseParser``:
bytes in, head and body out, no I/O); TLS over two memory buffers; the two shells that do I/O,
``_BlockingWire`` on sockets and ``_AsyncWire`` on asyncio; responses; ``Exchange`` and
``AsyncExchange``, one request and its answer, written once for both; ``request``/``get``/``post``
and their ``async_`` twins; ``ASGITransport`` and ``WSGITransport``, web applications in the place
of a wire. Each request has a connection of its own and there is no pool: this is for answers that
last.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from errno import EINPROGRESS, EWOULDBLOCK, errorcode
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
    "ASGITransport", "AsyncExchange", "AsyncResponse", "BodyError", "CertificateError",
    "ConnectError", "Exchange", "HTTPClientError", "Headers", "InvalidRequestError",
    "ProtocolError", "ProxyError", "RedirectError", "RequestTimeout", "Response", "ResponseParser",
    "StatusError", "WSGITransport", "async_get", "async_post", "async_request", "get", "post",
    "request",
]  # fmt: skip

_READ = 65536  # bytes asked of a socket at a time; what is there is handed over, however little
_MAX_HEAD = 65536  # bytes of a head, of trailers
_MAX_INTERIM = 64  # answers of 1xx before the one that counts
_MAX_CHUNK_LINE = 8192  # bytes
_MAX_LINE = 64 * 2**20  # bytes of a line that `iter_lines` gives
_MOMENT = 0.005  # seconds of silence before a blocking read takes the precise way


# --- errors -------------------------------------------------------------------------------------


class HTTPClientError(Exception):
    """Base of all errors here. `fatal`: to try again cannot help.

    Texts hold no user-info, query or header value; what another side wrote is shown cut short.
    """

    fatal = False


class InvalidRequestError(HTTPClientError, ValueError):
    """What the caller gave cannot be sent; nothing was."""

    fatal = True


class ConnectError(HTTPClientError, ConnectionError):
    """No answer: not resolved, refused, reset, or closed before the head was complete."""


class ProxyError(ConnectError):
    """The proxy, not the server, could not be reached, does not speak HTTP, or refused."""


class RequestTimeout(HTTPClientError, TimeoutError):
    """`timeout` or `idle_timeout` has passed."""


class BodyError(HTTPClientError, ConnectionError):
    """The body was cut short, or its framing or coding is broken."""


class ProtocolError(HTTPClientError, ConnectionError):
    """The answer is not HTTP/1, or is coded in a way not understood here."""

    fatal = True


class CertificateError(HTTPClientError, ConnectionError):
    """The server's certificate was not accepted, or the client's, or its lack of one, by it."""

    fatal = True


class RedirectError(HTTPClientError, ConnectionError):
    """A redirect that is not followed: too many, to an insecure or impossible place."""

    fatal = True


class StatusError(HTTPClientError):
    """Raised by `raise_for_status`; `response` has the rest (pickled: without its connection)."""

    def __init__(self, message: str, response: Any = None) -> None:
        super().__init__(message)
        self.response = response


def _reason(error: BaseException) -> str:
    """Why, in our words or the system's. asyncio has its own words, and may put several errors into
    one, so what counts is the first error number among the causes.
    """
    causes = [error]
    for cause in causes:
        if isinstance(cause, HTTPClientError):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno:
            number, words = cause.errno, cause.strerror or str(cause)
            if type(cause).__module__ != "builtins":  # name resolution and TLS have other numbers
                return words
            winsock = getattr(socket, "errorTab", {})  # on Windows
            return winsock.get(number) or (os.strerror(number) if number in errorcode else words)
        causes += getattr(cause, "exceptions", ())
        if cause.__cause__ is not None and cause.__cause__ not in causes:
            causes.append(cause.__cause__)
    return str(error) or type(error).__name__


def _shown(text: str | bytes, most: int = 100) -> str:
    """Text of another side as a message may show it: on one line, at most so many characters, and
    escaped what does not print, such as control characters and those that turn its direction.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    text = re.sub(r"[ \t\r\n]+", " ", text.strip(" \t\r\n")[: 20 * most])
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: most + 1])
    return text if len(text) <= most else text[:most] + "..."


# --- what is sent -------------------------------------------------------------------------------

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_FIELD_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110, 5.5
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_URL = re.compile(
    r"(?i:(https?))://(?:([^/?#\\]*)@)?"  # scheme, user-info
    r"(\[[0-9A-Fa-f:.]+(?:%[^\]/?#@]+)?\]|[^\[\]:/?#@\\]+)(?::([0-9]*))?"  # host, port
    r"([/?][^#]*)?(?:#.*)?"  # path and query
)
# What is neither reserved nor unreserved (RFC 3986, 2.2, 2.3), nor "%"
_UNENCODED = re.compile(rb"[^!#-;=?-\[\]_a-z~]")
# Methods that are meant in whatever case they are written (Fetch, "normalize a method"), and PATCH
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
# Header lines that are for this client to set, and those that another origin may see
_OURS = set(
    "connection content-length expect keep-alive proxy-connection te trailer transfer-encoding"
    " upgrade".split()
)
_HARMLESS = set(
    "accept accept-encoding accept-language cache-control content-type last-event-id"
    " user-agent".split()
)


class URL:
    """An http or https URL taken apart.

    Raises `InvalidRequestError`, without repeating what may be secret.
    """

    __slots__ = ("authority", "host", "origin", "port", "scheme", "target", "userinfo")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a URL is a string, not {type(text).__name__}")
        text = text.strip(" ")
        match = _URL.fullmatch(text) if not _CONTROL.search(text) else None
        if match is None:
            address = "https?://([^/?#]*@)?[0-9a-f]*:[0-9a-f]*:[^/?#@]*([/?#]|$)"
            why = "not a URL of the form http(s)://host[:port][/path][?query]"
            if _CONTROL.search(text):
                why = "the URL has control characters"
            elif not re.match("https?://", text, re.IGNORECASE):
                why = "the URL does not begin with http:// or https://"
            elif re.match(address, text, re.IGNORECASE):
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
        octets = ("/" + (target or "").removeprefix("/")).encode("utf-8", "surrogatepass")
        self.target = _UNENCODED.sub(lambda match: b"%%%02X" % match[0][0], octets).decode()

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def shown(self) -> str:
        """For messages: without user-info and query, cut short."""
        return _shown(str(self).partition("?")[0], 200)


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
            why = "the zone of the IPv6 address is not the name of an interface"
            raise InvalidRequestError(why)
        return address.lower() + (percent and "%" + zone)
    if len(host) > 255:  # RFC 1035, 2.3.4; IDNA takes long for what is longer
        raise InvalidRequestError("the host name of the URL is longer than 255 characters")
    if not host.isascii():
        # The library has IDNA 2003, which takes these for other names than browsers do.
        if set(host) & set("ßς\u200c\u200d"):
            why = "host names with ß, ς, ZWJ, ZWNJ: give them in their ASCII form (xn--...)"
            raise InvalidRequestError(why)
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            why = "the host name of the URL is not a valid international name"
            raise InvalidRequestError(why) from None
    if not re.fullmatch(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?", host):
        raise InvalidRequestError("the host name of the URL is not valid")
    return host.lower()


def _basic(userinfo: str) -> str:
    """Credentials of a URL as basic authentication (RFC 7617)."""
    from binascii import b2a_base64
    from urllib.parse import unquote_to_bytes

    user, _, password = userinfo.partition(":")
    credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return "Basic " + b2a_base64(credentials, newline=False).decode()


def _pairs(option: str, given: Any) -> Iterator[tuple[Any, Any]]:
    """The members of a mapping, or pairs, in which a name may come twice."""
    for pair in given.items() if hasattr(given, "items") else given:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{option} are a mapping of names to values, or (name, value) pairs")
        yield pair[0], pair[1]


def _header_lines(headers: Any) -> list[tuple[str, str]]:
    """Header lines that can be sent; or why they cannot."""
    lines = []
    for name, value in _pairs("headers", headers or ()):
        if not isinstance(name, str):
            raise TypeError(f"the name of a header is {type(name).__name__}, not a string")
        if not _TOKEN.fullmatch(name):
            raise InvalidRequestError(f"'{_shown(name, 40)}' is not the name of a header")
        if name.lower() in _OURS:
            raise InvalidRequestError(f"the header {name} is for this client to set")
        if not isinstance(value, str):
            kind = type(value).__name__
            raise TypeError(f"the value of the header {name} is {kind}, not a string")
        if not _FIELD_VALUE.fullmatch(value):
            why = "has control characters or some beyond Latin-1"
            raise InvalidRequestError(f"the header {name} {why}")
        lines.append((name, value.strip(" \t")))
    return lines


def _content_bytes(content: Any) -> bytes | None:
    """A body to be sent. A buffer is copied, for the caller may use it again."""
    if content is None or isinstance(content, bytes):
        return content
    if isinstance(content, str):
        if _SURROGATE.search(content):
            why = "content has lone surrogates, which UTF-8 cannot carry; for JSON: json="
            raise InvalidRequestError(why)
        return content.encode()
    try:
        return bytes(memoryview(content))
    except TypeError:
        kind = type(content).__name__
        raise TypeError(f"content is bytes or str, not {kind}; for JSON: json=") from None


class Request:
    """One request, checked: method, `URL`, header lines, body.

    `hops` are the URLs on the way to this one, itself the last, as messages may show them; a method
    that a redirect changed is noted behind the URL.
    """

    __slots__ = ("content", "headers", "hops", "method", "url")

    def __init__(
        self, method: str, url: str | URL, headers: Any = None, content: Any = None
    ) -> None:
        if not isinstance(method, str) or not _TOKEN.fullmatch(method):
            raise InvalidRequestError("the method is not a token (RFC 9110, 9.1), such as GET")
        self.method = method.upper() if method.upper() in _METHODS else method
        self.url = url if isinstance(url, URL) else URL(url)
        self.content = _content_bytes(content)
        self.headers = _header_lines(headers)
        self.hops: tuple[str, ...] = (self.url.shown(),)

    def lines(self, proxy: URL | None = None) -> list[tuple[str, str]]:
        """Our header lines, without those that the caller gave too, and the caller's."""
        ours = {"Host": self.url.authority, "User-Agent": "stdlib-sse", "Accept": "*/*"}
        ours["Accept-Encoding"] = "gzip, deflate"
        if self.url.userinfo is not None:
            ours["Authorization"] = _basic(self.url.userinfo)
        if proxy is not None and proxy.userinfo is not None:
            ours["Proxy-Authorization"] = _basic(proxy.userinfo)
        given = {name.lower() for name, _ in self.headers}
        lines = [line for line in ours.items() if line[0].lower() not in given] + self.headers
        lines.append(("Connection", "close"))  # RFC 9112, 9.3: there will be no second request
        if self.content is not None or self.method in ("POST", "PUT", "PATCH"):
            lines.append(("Content-Length", str(len(self.content or b""))))
        return lines

    def encode(self, proxy: URL | None = None) -> bytes:
        """Head and body (RFC 9112, 2.1, 3); with `proxy` in the form for one (3.2.2)."""
        target = self.url.target if proxy is None else str(self.url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.lines(proxy))
        head = f"{self.method} {target} HTTP/1.1\r\n{lines}\r\n"
        return head.encode("latin-1") + (self.content or b"")

    def redirected(
        self, status: int, headers: Headers, most: int, confined: bool
    ) -> Request | None:
        """The request that follows (Fetch, "HTTP-redirect fetch"), `None` if this is no redirect.

        `most` redirects are followed in all, below 0 none is looked at; `confined`: only to this
        origin. Raises `RedirectError` for what must not be followed.
        """
        is_redirect = status in (301, 302, 303, 307, 308) and most >= 0
        locations = {place for place in headers.get_list("location") if place and is_redirect}
        if not locations:
            return None
        hops = self.hops
        try:
            if len(hops) > most:
                raise RedirectError(f"more than {most} redirects")
            if len(locations) > 1:
                raise RedirectError("the answer names several places to go to")
            url = self._location(locations.pop())
            same = url.origin == self.url.origin
            if confined and not same:
                raise RedirectError(f"to {url.shown()}, which cannot be reached this way")
            if self.url.scheme == "https" and url.scheme == "http":
                raise RedirectError(f"from https to {url.shown()}: refused")
            hops += (url.shown(),)
            method, content, lines = self.method, self.content, self.headers
            see_other = status == 303 and method not in ("GET", "HEAD")
            if see_other or (status in (301, 302) and method == "POST"):
                method, content = "GET", None
                lines = [line for line in lines if not line[0].lower().startswith("content-")]
                hops = (*hops[:-1], f"{hops[-1]} ({self.method} became GET)")
            upgrade = ("http", url.host, 80), ("https", url.host, 443)
            if same or (self.url.origin, url.origin) == upgrade:
                url.userinfo = self.url.userinfo
            elif content is not None:
                raise RedirectError("a body is not sent to another origin")
            else:
                lines = [line for line in lines if line[0].lower() in _HARMLESS]
        except RedirectError as error:
            raise RedirectError(f"redirect {status}, {' -> '.join(hops)}: {error}") from None
        following = Request(method, url, lines, content)
        following.hops = hops
        return following

    def _location(self, location: str) -> URL:
        """Where a server sends us. Its text is UTF-8, and its user-info is not for us."""
        from urllib.parse import urljoin

        location = location.encode("latin-1").decode("utf-8", "replace")
        try:
            absolute = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location)
            url = URL(location if absolute else urljoin(str(self.url), location))
        except ValueError as error:
            # urljoin's own text repeats user-info
            why = error if isinstance(error, InvalidRequestError) else "not a valid URL"
            place = re.split("[?#]", location)[0]
            place = _shown(re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:|)([/\\]*).*@", r"\1\2", place), 200)
            raise RedirectError(f"'{place}' is not a place to go to: {why}") from None
        url.userinfo = None
        return url


# --- the route: proxies, and who is named when something fails -----------------------------------


class _Route:
    """The way to a server: directly, by a Unix socket or through a proxy.

    `peer` is whom to connect to, `name` whom messages name; `proxy` the one that answers, which is
    none behind a tunnel.
    """

    __slots__ = ("connected", "name", "peer", "proxy", "url")

    def __init__(self, url: URL, proxy: str | None, uds: str | None) -> None:
        self.url = url
        self.proxy = _proxy_for(url, proxy) if uds is None else None
        self.peer = self.proxy or url
        self.name = f"the proxy {self.proxy.authority}" if self.proxy else uds or url.authority
        self.connected = False

    def failed(self, why: str) -> ConnectError:
        """What to raise if the connection cannot be made, or is lost before the answer."""
        if self.connected:
            return ConnectError(f"{self.name} closed the connection: {why}")
        kind = ConnectError if self.proxy is None else ProxyError
        return kind(f"cannot connect to {self.name}: {why}")

    def proxy_failed(self, what: str, fatal: bool = False) -> ProxyError:
        error = ProxyError(f"{self.name} {what}")
        error.fatal = fatal
        return error

    def tunnel_request(self) -> bytes:
        """What asks the proxy for a tunnel to the server (RFC 9110, 9.3.6)."""
        host = self.url.host.partition("%")[0]
        host = f"[{host}]:{self.url.port}" if ":" in host else f"{host}:{self.url.port}"
        lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
        if self.peer.userinfo is not None:
            lines.append(f"Proxy-Authorization: {_basic(self.peer.userinfo)}")
        return "\r\n".join([*lines, "", ""]).encode()

    def tunnelled(self, answer: ResponseParser) -> None:
        """The proxy has answered: from now on the server speaks. Or raises `ProxyError`."""
        status = answer.status_code
        if not 200 <= status < 300:
            fatal = 400 <= status < 500 and status not in (408, 425, 429)  # as 407: wrong password
            raise self.proxy_failed(f"refused: {status} {_shown(answer.reason)}", fatal)
        if answer.unread:
            raise self.proxy_failed("sent more than its answer")
        self.proxy, self.name = None, self.url.authority


def _proxy(text: str, source: str = "proxy=") -> URL | None:
    """The proxy that an option or a variable names."""
    text = text.strip(" \t")
    scheme = re.match("([A-Za-z][A-Za-z0-9+.-]*)://", text)
    try:
        if scheme and scheme[1].lower() != "http":
            why = f"proxies are http://host:port; {scheme[1]} proxies are not supported"
            raise InvalidRequestError(why)
        return URL(text if scheme else "http://" + text) if text else None
    except InvalidRequestError as error:
        raise InvalidRequestError(f"the address of the proxy ({source}): {error}") from None


def _proxy_for(url: URL, option: str | None) -> URL | None:
    """`option`, or what the environment says of this URL."""
    if option is not None:
        return _proxy(option)
    source, address = _variable(f"{url.scheme}_proxy", "all_proxy")
    rules = _variable("no_proxy")[1].lower()
    if address and any(_matches(url, rule) for rule in re.split(r"[\s,]+", rules)):
        return None
    return _proxy(address, source)


def _variable(*names: str) -> tuple[str, str]:
    """The first of these variables that says something: its name and value.

    A name in small letters, even if it is empty, overrides the one in capitals. Under CGI,
    HTTP_PROXY is the header "Proxy" of whoever asks; where the system knows no case, http_proxy is
    that too, and REQUEST_METHOD, by which CGI is known, is found in small letters as well.
    """
    for name in names:
        for form, cgi in ((name, "request_method"), (name.upper(), "REQUEST_METHOD")):
            value = os.environ.get(form)
            if value is not None and not (name == "http_proxy" and cgi in os.environ):
                if value:
                    return form, value
                break
    return "", ""


def _matches(url: URL, rule: str) -> bool:
    """Does this item of NO_PROXY mean the URL? An item is `*`, a domain or suffix, an address or a
    network, each with or without a port.
    """
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


# --- what is received: RFC 9112, without I/O ----------------------------------------------------

_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*))?")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t -~\x80-\xff]*)")
_FOLD = re.compile(rb"\n[\t ]+")  # RFC 9112, 5.2: obs-fold, to be read as a space
_HEAD_END = re.compile(rb"\n\r?\n")  # a bare LF ends a line here, as RFC 9112, 2.2 lets it
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t -~\x80-\xff]*)?")
# A Content-Type, taken apart (MIME Sniffing, 4.4). Nothing in these patterns is tried twice.
_LIST_ITEM = re.compile(r'(?:[^",]+|"(?:[^"\\]+|\\.)*(?:"|\\?\Z))+', re.DOTALL)
_MIME_TYPE = re.compile(rf"[ \t]*({_TOKEN.pattern})/({_TOKEN.pattern})[ \t]*(?=;|$)")
_PARAMETER = re.compile(r';[ \t]*([^;=]*)(?:="((?:[^"\\]|\\.)*)"?[^;]*|=([^;]*))?', re.DOTALL)
# Content codings: those decoded here, and those that are real, but not known here. All other words
# mean that nothing was done to the content, as in Fetch ("handle content codings").
_DECODED = ("gzip", "x-gzip", "deflate")
_NOT_DECODED = ("br", "compress", "dcb", "dcz", "x-compress", "zstd")
_sizes: dict[bytes, int] = {}  # of chunk lines met before; only short ones, so they are few


class Headers(Mapping[str, str]):
    """Header fields by name, in any case. Several lines of one name are joined by ", "; `get_list`
    tells them apart.
    """

    __slots__ = ("_lines", "_values")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = tuple(lines)
        self._values: dict[str, list[str]] | None = None  # by names in small letters, see __iter__

    def get_list(self, name: str) -> list[str]:
        """The value of each line of this name, in any case; none is an empty list."""
        name = name.lower()
        if self._values is not None:
            return [*self._values.get(name, ())]
        return [value for key, value in self._lines if key.lower() == name]

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        """Who iterates asks for each value next, as dict() does; so this prepares for it."""
        names: dict[str, str] = {}
        values: dict[str, list[str]] = {}
        for key, value in self._lines:
            names.setdefault(key.lower(), key)
            values.setdefault(key.lower(), []).append(value)
        self._values = values
        return iter(names.values())

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._lines})

    def items(self) -> Any:
        """Every line, in the order received."""
        return self._lines

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self._lines)
        return f"Headers of {_shown(names, 500)}"  # values may be secret


def _mime_type(value: str) -> tuple[str, str]:
    """The type/subtype of a Content-Type, all its lines joined by commas, and its charset, both in
    small letters and empty if there is none (Fetch, "extract a MIME type": of several the last
    valid one counts, with the charset of one before it that is the same).
    """
    found = charset = ""
    for item in map(re.Match.group, _LIST_ITEM.finditer(value)):
        match = _MIME_TYPE.match(item)
        if match is None or match[1] == match[2] == "*":
            continue
        essence = f"{match[1]}/{match[2]}".lower()
        if essence != found:
            found, charset = essence, ""
        for parameter in _PARAMETER.finditer(item, match.end()):
            name, quoted, plain = parameter.groups("")
            if name.lower() == "charset" and (quoted or plain.strip(" \t'")):
                charset = re.sub(r"\\(.)", r"\1", quoted) or plain.strip(" \t'")
                break  # the first one counts
    return found, charset.lower()


def _parse_fields(lines: bytes, kind: type[HTTPClientError]) -> list[tuple[str, str]]:
    """Field lines of a head or of trailers (RFC 9112, 5), all with their ends. Raises `kind`."""
    parsed = []
    for line in _FOLD.sub(b" ", lines.replace(b"\r\n", b"\n")).split(b"\n")[:-1]:
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            name = _shown(line.partition(b":")[0], 40)
            raise kind(f"the answer has a malformed header line: '{name}'")
        parsed.append((match[1].decode("ascii"), match[2].strip(b" \t").decode("latin-1")))
    return parsed


def _listed(headers: Headers, name: str) -> list[str]:
    """The members of a header that is a list (RFC 9110, 5.6.1), in small letters."""
    lines = headers.get_list(name)
    return [member.strip(" \t").lower() for line in lines for member in line.split(",")]


class ResponseParser:
    """The answer to one request: feed what arrives, and `b""` when no more will; then take head and
    body.

    `status_code` is 0 until the head is complete. `read` gives the next piece of the decoded body,
    `None` when it needs to be fed first, `b""` at the end; `pending` tells that it may have
    something without being fed. Raises `ProtocolError` and `BodyError`; the latter, and what a
    decoder has to say, only after all that came before it was read. Memory is bounded by what is
    fed at a time.

    One reader after the other (`_Head`, then the one for the framing of the body, chosen once) is
    given `unread`, and returns what it makes of that and what it has to see again. The `read` of a
    framing is told, too, whether the connection is closed; `finished`: it has read the whole body.
    """

    __slots__ = (
        "_closed", "_decoder", "_reader", "coding", "headers", "http_version", "pending", "reason",
        "status_code", "unread",
    )  # fmt: skip

    def __init__(self, method: str = "GET") -> None:
        self.status_code = 0
        self.reason = ""
        self.http_version = ""
        self.headers = Headers()
        self.coding = ""  # of the content, where it has to be decoded
        self.pending = False
        self.unread = b""  # what arrived, and is not used yet
        self._closed = False  # no more bytes will come
        self._reader: Any = _Head(method)
        self._decoder: Any = None

    def feed(self, data: bytes) -> None:
        self.unread = self.unread + data if self.unread else data
        self._closed = not data
        self.pending = True
        if not self.status_code:
            head, self.unread = self._reader.read(self.unread)
            if head is not None:
                self.http_version, self.status_code, self.reason, self.headers = head
                codings = _listed(self.headers, "content-encoding")
                self.coding = ", ".join(c for c in codings if c in _DECODED + _NOT_DECODED)
                self._decoder = _Decoder(self.coding) if self.coding else None
                self._reader = self._reader.body_reader(self.status_code, self.headers)
            elif self._closed:
                raise ConnectError("the connection was closed before the answer was complete")

    def read(self) -> bytes | None:
        decoder = self._decoder
        if decoder is None:
            return self._read_framed()
        data = b""
        while not data:
            framed = b"" if decoder.more else self._read_framed()
            if framed is None:
                return None
            if not framed and not decoder.more:
                decoder.finish()
                return b""
            data = decoder.decode(framed)
        self.pending = self.pending or decoder.more
        return data

    def _read_framed(self) -> bytes | None:
        """The body without its framing, but in its coding."""
        reader = self._reader
        data: bytes
        data, self.unread = reader.read(self.unread, self._closed)
        self.pending = self.unread != b"" or reader.finished
        return data if data or reader.finished else None

    def receive(self, data: bytes) -> bytes | None:
        """`feed`, then `read`. A whole chunk by itself, which is what a server sends that flushes
        each event, takes a short way that needs 0.4 of the time.
        """
        end = data.find(b"\r\n")
        size = _sizes.get(data[:end])
        if size and len(data) == end + size + 4 and data.endswith(b"\r\n"):
            reader = self._reader
            if type(reader) is _Chunked and not (reader.left or self.unread or self.coding):
                return data[end + 2 : -2]
        self.feed(data)
        return self.read()


class _Head:
    """Reads the head of the answer (RFC 9112, 4, 5), behind any interim ones (RFC 9110, 15.2)."""

    __slots__ = ("_interim", "_method", "_searched")

    def __init__(self, method: str) -> None:
        self._method = method
        self._interim = 0  # how many of them there were
        self._searched = 0  # from here on the buffer may hold the end of the head

    def read(self, buffer: bytes) -> tuple[tuple[str, int, str, Headers] | None, bytes]:
        """Version, status, reason and headers, or `None` as yet; what was not used."""
        while buffer:
            end = _HEAD_END.search(buffer, self._searched)
            self._searched = 0 if end else len(buffer) - 2
            if (end.end() if end else len(buffer)) > _MAX_HEAD:
                raise ProtocolError(f"the head of the answer is larger than {_MAX_HEAD} bytes")
            if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
                hint = " [an https server? see the URL]" if buffer[:1] == b"\x15" else ""
                raise ProtocolError(f"the answer is not HTTP/1: '{_shown(buffer[:40])}'{hint}")
            if end is None:
                break
            first, _, fields = buffer[: end.start() + 1].partition(b"\n")
            buffer = buffer[end.end() :]
            match = _STATUS_LINE.fullmatch(first.removesuffix(b"\r"))
            if match is None:
                shown = _shown(first[:40])
                raise ProtocolError(f"the answer has a malformed status line: '{shown}'")
            version, status, reason = (group.decode("latin-1") for group in match.groups(b""))
            headers = Headers(_parse_fields(fields, ProtocolError))
            if status == "101":
                raise ProtocolError("the server switched protocols (101), which nobody asked for")
            if status[0] != "1":
                return (version, int(status), reason.strip(" \t"), headers), buffer
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise ProtocolError(f"more than {_MAX_INTERIM} interim answers (1xx)")
        return None, buffer

    def body_reader(self, status: int, headers: Headers) -> Any:
        """RFC 9112, 6.3: message body length. What is refused there is read where clients read it:
        a connection serves one request, so nothing can be smuggled in what others read otherwise.
        """
        tunnel = self._method == "CONNECT" and status < 300
        if self._method == "HEAD" or status in (204, 304) or tunnel:
            return _Length(0)
        codings = set(_listed(headers, "transfer-encoding")) - {"identity"}
        if codings == {"chunked"}:  # said twice, too, in HTTP/1.0, and beside a length
            return _Chunked()
        if codings:
            names = _shown(", ".join(sorted(codings)), 40)
            raise ProtocolError(f"transfer coding '{names}' is not supported")
        lengths = set(_listed(headers, "content-length"))
        if not lengths:
            return _UntilClose()
        length = lengths.pop()
        if lengths or not re.fullmatch("[0-9]{1,18}", length):
            raise ProtocolError("the answer has conflicting or malformed values of Content-Length")
        return _Length(int(length))


class _UntilClose:
    """Reads a body that ends with the connection."""

    finished = False

    def read(self, buffer: bytes, closed: bool) -> tuple[bytes, bytes]:
        self.finished = closed
        return buffer, b""


class _Length:
    """Reads a body of known length, such as 0."""

    def __init__(self, length: int) -> None:
        self.left = length  # bytes to come
        self.finished = not length

    def read(self, buffer: bytes, closed: bool) -> tuple[bytes, bytes]:
        data = buffer[: self.left]
        self.left -= len(data)
        self.finished = not self.left
        if closed and not data and not self.finished:
            raise BodyError(f"the body was cut short, {self.left} bytes are missing")
        return data, b""


class _Chunked:
    """Reads chunks (RFC 9112, 7.1)."""

    __slots__ = ("_searched", "finished", "left")

    def __init__(self) -> None:
        self.left = 0  # bytes to come of a chunk and its line end; -1 when the last chunk has come
        self.finished = False
        self._searched = 0  # from here on what follows the last chunk may hold its end

    def read(self, buffer: bytes, closed: bool) -> tuple[bytes, bytes]:
        """All chunk data in the buffer, in one pass. An error waits until that was read: what is
        wrong stays in the buffer.
        """
        pieces: list[bytes] = []
        position, find, sizes = 0, buffer.find, _sizes
        try:
            while self.left >= 0:
                if self.left:  # within a chunk, or before its line end
                    data_end = position + self.left - 2
                    pieces.append(buffer[position:data_end])
                    position += len(pieces[-1])
                    self.left -= len(pieces[-1])
                    line_end = buffer[data_end : data_end + 2]
                    if not b"\r\n".startswith(line_end):
                        raise BodyError("a chunk of the body does not end where its size says")
                    if len(line_end) < 2:
                        break
                    position, self.left = position + 2, 0
                while (end := find(b"\r\n", position)) >= 0:
                    line = buffer[position:end]
                    size = sizes.get(line) or _chunk_size(line)
                    start = end + 2
                    stop = start + size
                    if not size or buffer[stop : stop + 2] != b"\r\n":
                        break
                    pieces.append(buffer[start:stop])
                    position = stop + 2
                else:
                    if len(buffer) - position > _MAX_CHUNK_LINE:
                        why = f"a chunk line of the body is longer than {_MAX_CHUNK_LINE} bytes"
                        raise BodyError(why)
                    break
                if size:  # not all of it is here, or it does not end as it should
                    position, self.left = start, size + 2
                else:
                    position, self.left = end, -1
            if self.left < 0 and not self.finished:
                self._drop_trailers(buffer[position:], closed)
        except BodyError:
            if not any(pieces):
                raise
        data = b"".join(pieces)
        if closed and not data and not self.finished:
            missing = f", {self.left - 2} bytes are missing" if self.left > 2 else ""
            raise BodyError("the body was cut short" + missing)
        return data, b"" if self.finished else buffer[position:]

    def _drop_trailers(self, rest: bytes, closed: bool) -> None:
        """Check what follows the last chunk, from its line end on (7.1.2). With the last chunk the
        body is complete, also where the connection is closed within the trailers (8).
        """
        end = _HEAD_END.search(rest, self._searched)
        if (end.end() if end else len(rest)) > _MAX_HEAD:
            raise BodyError(f"the trailers of the body are larger than {_MAX_HEAD} bytes")
        if end:
            self._searched = 0
            _parse_fields(rest[2 : end.start() + 1], BodyError)
        else:
            self._searched = len(rest) - 2
        self.finished = closed or end is not None


def _chunk_size(line: bytes) -> int:
    match = _CHUNK_LINE.fullmatch(line)
    if match is None or len(line) > _MAX_CHUNK_LINE:
        raise BodyError(f"malformed chunk size in the body: '{_shown(line[:20])}'")
    size = int(match[1], 16)
    if len(line) < 4:
        _sizes[line] = size  # to look it up is five times faster
    return size


class _Decoder:
    """gzip and deflate as they stream (RFC 9110, 8.4.1), at most `_READ` bytes at a time, so that a
    bomb goes off slowly.

    zlib gives out nothing of a piece that is broken somewhere. What came before the break is
    decoded a second time, from a copy of zlib's state that is a few pieces old: to copy it for each
    piece takes four times as long as to decode an event.
    """

    __slots__ = ("_broken", "_coding", "_copy", "_since", "_zlib", "more")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._broken = False
        self._zlib: Any = None
        self._copy: Any = None  # of `_zlib`, before it was given the pieces in `_since`
        self._since: list[bytes] = []
        self.more = False  # does what was given so far make more?

    def decode(self, data: bytes) -> bytes:
        """The next that can be decoded with `data`, or with `b""` if there is `more`."""
        import zlib

        if self._broken:
            raise BodyError(f"the body is not valid {self._coding}")
        if self._zlib is None:
            if self._coding not in _DECODED:  # refused only now: an empty body can be in any coding
                shown = _shown(self._coding, 40)
                raise ProtocolError(f"content coding '{shown}' is not supported")
            # Servers send deflate with a head (RFC 1950, 2.2) and without, and browsers take both.
            raw = self._coding == "deflate" and data[0] & 15 != 8
            self._start(zlib.decompressobj(-15 if raw else 15 if self._coding == "deflate" else 31))
        elif self._zlib.eof:
            if self._coding == "deflate":
                raise BodyError("the body goes on after the end of its deflate stream")
            data = self._zlib.unused_data + data
            self._start(zlib.decompressobj(31))  # one more member (RFC 1952, 2.2)
        elif len(self._since) == 16:
            self._start(self._zlib)
        data = self._zlib.unconsumed_tail + data
        self._since.append(data)
        try:
            decoded: bytes = self._zlib.decompress(data, _READ)
        except zlib.error:
            self._broken = self.more = True
            return self._before_break()
        self.more = self._zlib.unused_data != b"" if self._zlib.eof else len(decoded) == _READ
        return decoded

    def _start(self, decompressor: Any) -> None:
        self._zlib, self._copy, self._since = decompressor, decompressor.copy(), []

    def _before_break(self) -> bytes:
        """What comes before the place where the last piece is broken."""
        import zlib

        decoded: list[bytes] = []
        try:
            for piece in self._since[:-1]:
                self._copy.decompress(piece, _READ)
            for byte in self._since[-1]:
                made = self._copy.decompress(bytes([byte]), _READ)
                decoded.append(made)
        except zlib.error:
            pass
        return b"".join(decoded)

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
    """The connection was ended by us."""

    def __init__(self, text: str = "the connection was closed") -> None:
        super().__init__(text)


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


# --- responses ----------------------------------------------------------------------------------


def _run(step: Coroutine[Any, None, _T]) -> _T:
    """Run a coroutine over a blocking wire: it never suspends, one step ends it."""
    try:
        step.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise RuntimeError("a blocking wire suspended")


def _decode(content: bytes, charset: str) -> str:
    """Text in a charset that is known and is one, else in UTF-8; malformed bytes are replaced.

    Not every name of Python's is a charset: with some of them ("punycode", "idna") a megabyte takes
    minutes, and each unknown one that is looked up stays in memory. So the names are looked for
    among the aliases first. UTF-7 can hide what text says, so browsers do not know it either.
    """
    from encodings.aliases import aliases

    name = re.sub(r"[^a-z0-9]+", "_", charset)
    codec = aliases.get(name, name)
    if codec not in {*aliases.values(), "cp874", "koi8_u"} - {"utf_7"}:
        codec = "utf_8"
    try:
        return content.decode(codec, "replace")
    except (LookupError, ValueError):  # it is for something else than text, such as "zlib"
        return content.decode("utf-8", "replace")


class _Lines:
    """Lines as the event stream standard has them: they end with LF, CR or CRLF, nothing else."""

    def __init__(self) -> None:
        self._line = bytearray()  # the beginning of one
        self._cr = False  # the last byte was one: an LF that follows belongs to it
        self.ended = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that end in `data`; with `b""`, the end of the body, what is left. Raises
        `BodyError` for a line without end, rather than keep more and more of it.
        """
        self.ended = not data
        if self.ended and self._line:
            data = b"\n"
        elif self._cr and data[:1] == b"\n":
            data = data[1:]
        self._cr = data[-1:] == b"\r"
        first, *others = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._line += first
        if len(self._line) > _MAX_LINE:
            raise BodyError(f"a line is longer than {_MAX_LINE >> 20} MiB; iter_bytes() reads on")
        if not others:
            return []
        lines = [bytes(self._line), *others[:-1]]
        self._line = bytearray(others[-1])
        return [line.decode("utf-8", "replace") for line in lines]


class _Answer:
    """What both responses have: the head, and the body once it was read.

    `url` is the final one, without user-info and fragment. `hops` are the URLs that led there,
    itself the last, without queries and cut short, a changed method noted. `via` is the proxy,
    host:port, if the answer may be its own; behind a tunnel (https) it cannot.
    """

    def __init__(self, exchange: Exchange, parser: ResponseParser, request: Request) -> None:
        self._exchange = exchange
        self.status_code, self.reason = parser.status_code, parser.reason
        self.http_version, self.headers = parser.http_version, parser.headers
        self.url, self.hops, self.via = str(request.url), request.hops, exchange.via
        self._content: bytes | None = None
        self._begun = False

    def __getstate__(self) -> dict[str, Any]:
        """A pickled response has no connection, and of the body what was read."""
        return {**vars(self), "_exchange": type(self._exchange)(), "_begun": True}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.url.partition('?')[0]}>"

    @property
    def ok(self) -> bool:
        """Is the status 2xx?"""
        return 200 <= self.status_code < 300

    @property
    def route(self) -> str:
        """How the answer came, for messages: redirects, a proxy; empty if there were none."""
        redirects = f"[redirected: {' -> '.join(self.hops)}]" if len(self.hops) > 1 else ""
        proxy = f"[through the proxy {self.via}]" if self.via else ""
        return f"{redirects} {proxy}".strip()

    def raise_for_status(self) -> None:
        """Raise `StatusError` for 4xx and 5xx.

        It shows the route, and the beginning of the body if that was read.
        """
        if self.status_code >= 400:
            url = _shown(self.url.partition("?")[0], 200)
            head = f"{url}: HTTP {self.status_code} {_shown(self.reason)}".rstrip()
            body = f": {_shown(self.text, 500)}" if self._content else ""
            raise StatusError(f"{head} {self.route}".rstrip() + body, self)

    @property
    def content(self) -> bytes:
        """The body, which must have been read: without `stream=True` it was."""
        if self._content is None:
            raise RuntimeError("the body was not read: stream=False, read() or aread()")
        return self._content

    @property
    def text(self) -> str:
        """The body as text, in UTF-8 or the charset that the content type names; malformed bytes
        are replaced.
        """
        return _decode(self.content, _mime_type(self.headers.get("content-type", ""))[1])

    def json(self) -> Any:
        """The body decoded as JSON; raises `ValueError` if it is not, or nested too deeply."""
        import json

        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("the body is JSON that is nested too deeply") from None

    def _begin(self) -> Callable[[], Coroutine[Any, Any, bytes]]:
        """What gives the next piece of the body, or of what was kept of it."""
        if self._content is not None:
            kept = iter([self._content])

            async def again() -> bytes:
                return next(kept, b"")

            return again
        if self._begun:
            why = "was already iterated over, or is being read; only read() and aread() keep it"
            raise RuntimeError(f"the body {why}")
        self._begun = True
        return self._exchange.read

    async def _read(self) -> bytes:
        """All of the body, however large; kept as `content`. `RuntimeError` if it was already
        iterated over.
        """
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
    """An answer whose body arrives when asked for, once; a context manager.

    `status_code`, `reason`, `http_version`, `headers`; `url`, the final one; `hops`, the URLs that
    led there, and `via`, the proxy that may have given the answer itself.
    """

    def iter_bytes(self) -> Iterator[bytes]:
        """The decoded body in pieces as they arrive: once, or, if it was read and so is kept, as
        often as wanted.

        Raises `BodyError` if it is cut, `RequestTimeout` on silence, `ConnectError` after
        `close()`, `RuntimeError` if it was already iterated over.
        """
        read = self._begin()
        while data := _run(read()):
            yield data

    def iter_lines(self) -> Iterator[str]:
        """`iter_bytes` by lines without their ends (LF, CR, CRLF), in UTF-8, each as soon as it is
        complete. A line over 64 MiB is a `BodyError`.
        """
        read, lines = self._begin(), _Lines()
        while not lines.ended:
            yield from lines.feed(_run(read()))

    def read(self) -> bytes:
        """All of the body, however large; kept as `content`. `RuntimeError` if it was already
        iterated over.
        """
        return _run(self._read())

    def close(self) -> None:
        """Close the connection, from any thread, at once: who is reading gets a `ConnectError`."""
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
        """Close the connection, from any task: who is reading gets a `ConnectError`. A body that
        was read stays.
        """
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
    via = ""  # the proxy whose answer this is

    async def open(self, request: Request, timeout: float | None = None) -> Any:
        """Send, wait for the head of the answer, `timeout` seconds in all, return the response. An error closes all."""
        expires = None if timeout is None else monotonic() + timeout
        most, confined = self._max_redirects, self._uds is not None
        try:
            while True:
                parser = await self._send(request, expires)
                follow = request.redirected(parser.status_code, parser.headers, most, confined)
                if follow is None:
                    break
                await self._wire.release()
                request = follow
        except BaseException:
            await self.release()
            raise
        self._parser, self._wire.expires, self._wire.idle = parser, None, self._idle
        return self._new_response(self, parser, request)

    async def _send(self, request: Request, expires: float | None) -> ResponseParser:
        if self._application is not None:
            self._wire = self._stream = self._application(request)
            return await self._head(request.method)
        url, route = request.url, _Route(request.url, self._proxy, self._uds)
        wire = self._wire = self._stream = self._new_wire(expires)
        if self._interrupted:
            raise _Closed
        try:
            await wire.connect(route.peer.host, route.peer.port, self._uds)
            route.connected = True
            if route.proxy is not None and url.scheme == "https":
                await self._tunnel(route)
            self.via = "" if route.proxy is None else route.proxy.authority
            if url.scheme == "https":
                self._stream = _TLS(wire, _context(self._verify), url.host)
                await self._stream.handshake()
            await self._stream.send(request.encode(route.proxy))
            return await self._head(request.method)
        except RequestTimeout as error:
            raise RequestTimeout(f"{route.name}: {error}") from error
        except OSError as error:
            if type(error) in (ConnectError, ProtocolError) and route.proxy is not None:
                # The same whether asked for http or https. What does not speak HTTP is no proxy,
                # and to ask it again does not help.
                fatal = isinstance(error, ProtocolError)
                raise route.proxy_failed(f"failed: {error}", fatal) from error
            if isinstance(error, HTTPClientError) and not isinstance(error, BodyError):
                raise
            raise route.failed(_reason(error)) from error

    async def _tunnel(self, route: _Route) -> None:
        try:
            await self._stream.send(route.tunnel_request())
            answer = await self._head("CONNECT")
        except (RequestTimeout, ProtocolError):
            raise
        except OSError as error:
            raise route.proxy_failed(f"failed: {_reason(error)}") from error
        route.tunnelled(answer)

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
            limits = "seconds above 0, at most 1e6, or None for no limit"
            raise InvalidRequestError(f"timeout, idle_timeout are {limits}")
    if not isinstance(proxy, (str, type(None))):
        raise TypeError("proxy is a string")
    if not isinstance(uds, (str, os.PathLike, type(None))):
        raise TypeError("uds is a string or a path")
    if uds is not None and not hasattr(socket, "AF_UNIX"):
        raise InvalidRequestError("uds: this system has no Unix sockets")
    if uds == "":
        raise InvalidRequestError("uds is empty")
    if not isinstance(verify, bool):
        _context(verify)
    if proxy:
        _proxy(proxy)
        if uds is not None:
            raise InvalidRequestError("proxy or uds, not both")


# --- requests -----------------------------------------------------------------------------------


def _with_params(url: str, params: Any) -> str:
    """The URL with these added to its query; a value of `None` is left out, a list comes as often
    as it has members.
    """
    from urllib.parse import urlencode

    pairs = []
    for name, values in _pairs("params", params):
        several = hasattr(values, "__len__") and not isinstance(values, (str, bytes))
        pairs += [(name, value) for value in (values if several else [values]) if value is not None]
    if not pairs:
        return url
    url, hash, fragment = url.strip(" ").partition("#")
    query = urlencode(pairs, errors="surrogatepass")
    return f"{url}{'&' if '?' in url else '?'}{query}{hash}{fragment}"


async def _request(
    exchange: Callable[..., Exchange], method: str, url: str, *, stream: bool = False,
    headers: Any = None, params: Any = None, json: Any = None, content: Any = None,
    timeout: float | None = 30.0, idle_timeout: float | None = 300.0, verify: Any = True,
    proxy: str | None = None, uds: Any = None, follow_redirects: bool = True,
    max_redirects: int = 20,
) -> Any:  # fmt: skip
    """What both worlds make of the options."""
    if json is not None:
        from json import dumps

        if content is not None:
            raise TypeError("json or content, not both")
        # In ASCII, which can carry all that json() ever returned: lone surrogates, too.
        content = dumps(json, allow_nan=False, separators=(",", ":"))
    if params and isinstance(url, str):
        url = _with_params(url, params)
    check(verify, proxy, uds, timeout, idle_timeout)
    if not isinstance(max_redirects, int) or max_redirects < 0:
        raise InvalidRequestError("max_redirects is a number, 0 or more")
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
    """Send a request and return its `Response`; with `stream=True` before its body, which is then
    read as it arrives.

    headers: a mapping, or pairs, in which a name may come twice.
    params: a mapping or pairs, appended to the query; values of `None` are left out.
    json, or content (bytes, or str as UTF-8): the body.
    timeout: seconds to the head of the answer, 30 by default, `None` for no limit.
    idle_timeout: seconds of silence in the body, 300 by default, `None` for no limit.
    verify: `True`, `False`, a CA file or directory, an `ssl.SSLContext`.
    proxy: `None` for what the environment says (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), `""`
    for none, "http://user:password@host:port".
    uds: the path of a Unix socket to connect to.
    follow_redirects: `True`; max_redirects: 20.

    Raises `InvalidRequestError` (a `ValueError`) or `TypeError` before anything is sent;
    `ConnectError`, `ProxyError`, `ProtocolError`, `CertificateError`, `RedirectError`, `BodyError`
    (`ConnectionError`s); `RequestTimeout` (a `TimeoutError`).
    """
    return _run(_request(Exchange, method, url, **options))  # type: ignore[no-any-return]


def get(url: str, **options: Unpack[_Options]) -> Response:
    """`request` with GET: `with get(url, stream=True) as response: ...`"""
    return request("GET", url, **options)


def post(url: str, **options: Unpack[_Options]) -> Response:
    """`request` with POST."""
    return request("POST", url, **options)


async def async_request(method: str, url: str, **options: Unpack[_Options]) -> AsyncResponse:
    """`request` on asyncio: `async with await async_request(method, url, stream=True) as response:
    ...`
    """
    return await _request(AsyncExchange, method, url, **options)  # type: ignore[no-any-return]


async def async_get(url: str, **options: Unpack[_Options]) -> AsyncResponse:
    """`async_request` with GET."""
    return await async_request("GET", url, **options)


async def async_post(url: str, **options: Unpack[_Options]) -> AsyncResponse:
    """`async_request` with POST."""
    return await async_request("POST", url, **options)


# --- web applications called in-process -------------------------------------------------------------------------


def _answer_head(status: str, lines: Iterable[tuple[str, str]]) -> bytes:
    """Without Transfer-Encoding: chunks are the server's business (RFC 9112, 6.1), and there are none."""
    fields = [f"{name}: {value}" for name, value in lines if name.lower() != "transfer-encoding"]
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def _failed(error: BaseException) -> RuntimeError:
    """What the caller gets for an application's OSError, which would look like a lost connection."""
    return RuntimeError(f"the application failed: {type(error).__name__}: {error}")


class WSGITransport:
    """Call a WSGI application (PEP 3333) as `connect(url, transport=WSGITransport(app))` does a server.

    The body is pulled from the application piece by piece, so an endless one streams. What the application raises
    reaches the caller. `close()` closes its iterable; from another thread, while the application computes, it returns
    at once and the iterable is closed when that is done.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def __call__(
        self, method: str, url: str, *, headers: Any = None, content: bytes | None = None, timeout: float | None = None
    ) -> Response:
        exchange = Exchange(uds="")  # as with a Unix socket, no other origin can be reached
        exchange._application = lambda request: _WSGIWire(self.app, request)
        return _run(exchange.open(Request(method, url, headers, content), timeout))  # type: ignore[no-any-return]


class _WSGIWire:
    """A call of the application, which runs when something is to be received."""

    def __init__(self, app: Callable[..., Any], request: Request) -> None:
        self.closed = self._started = self._sent = self._inside = False
        self._ready: list[bytes] = []  # the head, and what is written, go before the iterable's next piece
        self._pieces: Iterator[bytes] = filter(None, self._call(app, request))

    def _call(self, app: Callable[..., Any], request: Request) -> Iterator[bytes]:
        import io
        import sys
        from itertools import chain
        from urllib.parse import unquote_to_bytes

        path, _, query = request.url.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method, "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query, "SERVER_NAME": request.url.host, "SERVER_PORT": str(request.url.port),
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.url.scheme, "wsgi.input": io.BytesIO(request.content or b""),
            "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
        for name, value in request.lines():
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
            before = [environ[key]] if key in environ else []  # RFC 3875, 4.1.18: several lines become one
            environ[key] = ("; " if key == "HTTP_COOKIE" else ",").join([*before, value])
        self._result = app(environ, self._start_response)
        for piece in chain([b""], self._result, [b""]):  # the head waits for no piece; one may be written at the end
            self._ready.append(piece)
            data = b"".join(self._ready)
            self._ready.clear()
            yield data

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if exc_info and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self._started = True
        self._ready[:] = [_answer_head(status, headers)]
        return self._ready.append

    async def recv(self) -> bytes:
        self._inside = True  # as in _BlockingWire: who is inside closes on the way out
        try:
            data = b"" if self.closed else next(self._pieces, b"")
        except (OSError, EOFError) as error:
            raise _failed(error) from error
        finally:
            self._inside = False
            if self.closed:
                self._close()
                raise _Closed
        if not self._started:
            raise RuntimeError("the application did not call start_response")
        self._sent = True
        return data

    def _close(self) -> None:
        result = self.__dict__.pop("_result", None)  # in one step: of two threads one closes it
        self._pieces = iter(())  # the call refers to this wire: without it nothing waits for the garbage collector
        if hasattr(result, "close"):
            result.close()

    def interrupt(self) -> None:
        self.closed = True
        if not self._inside:
            self._close()

    async def release(self) -> None:
        self.interrupt()

    end = release


class ASGITransport:
    """Call an ASGI application as `async_connect(url, transport=ASGITransport(app))` does a server.

    The application runs as a task; each `send` waits until its piece is taken, so an endless endpoint streams. What
    it raises reaches the caller, also after its answer: the end of the body waits half a second for it to return.
    `aclose()` gives it `http.disconnect` and cancels it if it goes on, unless it has answered completely: then what it
    does in the background is left to it.
    As a context manager, `async with ASGITransport(app) as transport`, it runs the lifespan events too: startup and
    shutdown take the time they take, `RuntimeError` says that one failed, requests get the application's state.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app
        self._lifespan: Any = None
        self._state: dict[str, Any] = {}

    async def __call__(
        self, method: str, url: str, *, headers: Any = None, content: bytes | None = None, timeout: float | None = None
    ) -> AsyncResponse:
        exchange = AsyncExchange(uds="")  # as with a Unix socket, no other origin can be reached
        exchange._application = self._wire
        return await exchange.open(Request(method, url, headers, content), timeout)  # type: ignore[no-any-return]

    def _wire(self, request: Request) -> _ASGIWire:
        from urllib.parse import unquote

        path, _, query = request.url.target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "method": request.method, "scheme": request.url.scheme, "path": unquote(path), "raw_path": path.encode(),
            "root_path": "", "query_string": query.encode(), "client": ("127.0.0.1", 0),
            "server": (request.url.host, request.url.port),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in request.lines()],
            "state": self._state.copy(),
        }  # fmt: skip
        body = {"type": "http.request", "body": request.content or b"", "more_body": False}
        return _ASGIWire(self.app, scope, body, {"type": "http.disconnect"})

    async def __aenter__(self) -> ASGITransport:
        self._state = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        self._lifespan = _ASGIWire(self.app, scope, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        try:
            await self._event("startup")
        except BaseException:
            await self._lifespan.release()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._lifespan.gone.set()
        try:
            await self._event("shutdown")
        except BodyError:
            pass  # it left without a word
        finally:
            await self._lifespan.release()
        self._lifespan.check()

    async def _event(self, event: str) -> None:
        message = await self._lifespan.sent(f"lifespan.{event}.complete", f"lifespan.{event}.failed")
        if message["type"].endswith("failed"):
            await self._lifespan.release()
            cause = self._lifespan.error()
            raise RuntimeError(f"the application's {event} failed: {message.get('message', '')}") from cause


_GRACE = 0.5  # seconds for the application to return, after its answer or when told that the client has gone
_running: set[Any] = set()  # the loop does not hold tasks


class _ASGIWire:
    """A running application: what it receives first and last, and what it has sent, each message until it is taken."""

    def __init__(self, app: Callable[..., Any], scope: Any, first: Any, last: Any) -> None:
        import asyncio

        self._first, self._last = first, last
        self.closed = self._answered = self._over = False  # _over: what it still sends is dropped
        self.gone = asyncio.Event()  # the client
        self._messages: asyncio.Queue[Any] = asyncio.Queue()  # `None`: no more will come
        self._due = "http.response.start"
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))
        self._task.add_done_callback(lambda _: self._messages.put_nowait(None))
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _receive(self) -> Any:
        if self._first is None:
            await self.gone.wait()
            return self._last  # gone is gone, however often it is asked
        first, self._first = self._first, None
        return first

    async def _send(self, message: Any) -> None:
        if self.closed and message["type"].startswith("http."):
            raise ConnectionResetError("the client has gone")  # as ASGI 2.4 has it
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._answered = True
        if self._over:
            await _pause()
        else:
            self._messages.put_nowait(message)
            await self._messages.join()
        if self._answered:
            self.gone.set()

    async def sent(self, *due: str) -> Any:
        """The application's next message. Raises what the application raised instead."""
        message = await self._messages.get()
        self._messages.task_done()
        if message is None:
            self._messages.put_nowait(None)
            if self.closed:
                raise _Closed
            self.check()
            raise BodyError("the application ended before its answer was complete")
        if message["type"] not in due:
            raise RuntimeError(f"the application sent {message['type']!r} where {due[0]!r} is due")
        return message

    def error(self) -> BaseException | None:
        """What the application, which has ended, raised."""
        return None if self._task.cancelled() else self._task.exception()

    def check(self) -> None:
        error = self.error()
        if isinstance(error, (OSError, EOFError)):
            raise _failed(error) from error
        if error is not None:
            raise error

    async def recv(self) -> bytes:
        while self._due:
            message = await self.sent(self._due)
            if self._due == "http.response.start":
                self._due = "http.response.body"
                lines = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())]
                return _answer_head(str(message["status"]), lines)
            if not message.get("more_body"):
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
        self.closed = True
        self.gone.set()
        self._drop()
        self._messages.put_nowait(None)

    async def end(self) -> None:
        import asyncio

        if not self.closed:
            self._drop()
            await asyncio.wait({self._task}, timeout=_GRACE)
            if self._task.done():
                self.check()
                self.closed = True
            elif self._answered:
                self.interrupt()
            else:
                await self.release()

    async def release(self) -> None:
        import asyncio

        if self._answered and self.closed:
            return  # it had its time, and what it does in the background is left to it
        self.interrupt()
        if not self._answered:  # else what it raises has been seen by nobody, and the loop says so
            self._task.add_done_callback(lambda _: self.error())
        try:
            await asyncio.wait({self._task}, timeout=_GRACE)
        finally:
            if not self._answered:
                self._task.cancel()
                await asyncio.wait({self._task})
