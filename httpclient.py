"""Streaming HTTP/1.1 for Python: one file, standard library only, Python 3.10+.

    from httpclient import get

    with get("https://example.com/feed", stream=True) as response:
        for line in response.iter_lines():
            print(line)

In reading order: errors; what is sent (`URL`, `Request`, redirects); the route to a server
(proxies, and who is named when something fails); what is received (`Headers`, `ResponseParser`:
bytes in, head and body out, no I/O); TLS over two memory buffers; the two shells that do I/O,
`_BlockingWire` on sockets and `_AsyncWire` on asyncio; responses; `Exchange` and `AsyncExchange`,
one request and its answer, written once for both; `request`/`get`/`post` and their `async_` twins;
`ASGITransport` and `WSGITransport`, web applications in the place of a wire; for sse.py alone, the
clients of other libraries. Each request has a connection of its own and there is no pool: this is
for answers that last.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import sys
from _signal import NSIG, getsignal  # type: ignore[import-not-found]  # without `enum`
from _thread import RLock  # that of `threading`, which takes a millisecond to import
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from itertools import chain, count, repeat, starmap
from math import inf
from operator import methodcaller
from time import get_clock_info, monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import ssl
    from typing import Any, TypeVar

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

else:  # what the annotations below mean to typing.get_type_hints() and to checks at run time
    Any = _Options = _T = object

    class Unpack:
        def __class_getitem__(cls, options):
            return options


__all__ = [
    "ASGITransport", "AsyncExchange", "AsyncResponse", "BodyError", "CertificateError",
    "ConnectError", "Exchange", "HTTPClientError", "Headers", "InvalidRequestError",
    "ProtocolError", "ProxyError", "RedirectError", "RequestTimeout", "Response", "ResponseParser",
    "StatusError", "WSGITransport", "async_get", "async_post", "async_request", "get", "post",
    "request",
]  # fmt: skip

_READ = 65536  # bytes asked of a socket at a time; what is there is handed over, however little
_MAX_HEAD = 65536  # bytes of a head with all interim ones before it, of trailers
_MAX_CHUNK_LINE = 8192  # bytes
_MAX_LINE = 64 * 2**20  # bytes of a line that `iter_lines` gives


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
            words = cause.strerror or str(cause)
            if type(cause).__module__ != "builtins":  # name resolution and TLS have other numbers
                return words
            return _strerror(cause.errno, words)
        causes += getattr(cause, "exceptions", ())
        if cause.__cause__ is not None and cause.__cause__ not in causes:
            causes.append(cause.__cause__)
    return str(error) or type(error).__name__


def _strerror(number: int, otherwise: str = "") -> str:
    """The system's words for an error; those of Winsock are in a table of their own."""
    known = os.strerror(number) if number in errno.errorcode else otherwise
    return getattr(socket, "errorTab", {}).get(number, known)  # type: ignore[no-any-return]


def _shown(text: str | bytes, most: int = 100) -> str:
    """Text of another side as a message may show it: on one line, at most so many characters, and
    escaped what does not print, such as control characters and those that turn its direction.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not text.isprintable() or " " in text:
        # This much of a long text will do, even if most of it is white space.
        text = " ".join(re.findall(r"[^ \t\r\n]+", text[: 20 * most]))[: most + 1]
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= most else text[:most] + "..."


def _octets(data: bytes) -> str:
    """Text of another side, quoted, where blanks may be what is wrong with it: each is shown. It is
    cut where our query would begin if it repeats our request.
    """
    shown, cut, _ = data.partition(b"?")
    return repr(shown)[1:] + "..." * len(cut)


# --- what is sent -------------------------------------------------------------------------------

# To compile a pattern takes 0.1 to 0.3 ms, which a program that starts has to wait for. So those
# that the first event does not need are strings, and what characters there are is asked otherwise.
_HEXADECIMAL = "0123456789ABCDEFabcdef"
_NAME = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # of a host
_TOKEN = _NAME + "!#$%&'*+^`|~"  # RFC 9110, 5.6.2
_UNCARRIED = "has control characters or some beyond Latin-1"
_ENCODED = _NAME + "%~!#$&'()*+,/:;=?@[]"  # reserved, unreserved (RFC 3986, 2.2, 2.3), and "%"
# Methods that are meant in whatever case they are written (Fetch, "normalize a method"), and PATCH
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Header lines that are for this client to set, and those that anybody may see
RESERVED = set(
    "connection content-length expect keep-alive proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
HARMLESS = set(
    "accept accept-encoding accept-language cache-control content-type last-event-id "
    "user-agent".split()
)


def _only(characters: str, text: str) -> bool:
    """Is there a text, of these characters alone?"""
    return text != "" and not text.strip(characters)


def _is_field_value(text: str) -> bool:
    """Can a header line carry it (RFC 9110, 5.5)?"""
    plain = text.isascii() and text.isprintable()
    return plain or re.fullmatch(r"[\t -~\x80-\xff]*", text) is not None


def _is_received(text: str) -> bool:
    """Is it to be read as a value, though it may not be one to send? Control characters may be kept
    (RFC 9110, 5.5), as clients do, but for those that somebody takes for an end.
    """
    return text.isprintable() or set(text).isdisjoint("\0\v\f\r")


class URL:
    """An http or https URL taken apart.

    Raises `InvalidRequestError`, without repeating what may be secret.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a URL is a string, not {type(text).__name__}")
        text = text.strip(" ")
        control = not text.isprintable() and re.search(r"[\x00-\x1f\x7f]", text)
        scheme, _, rest = text.partition("#")[0].partition("://")
        authority = rest.replace("?", "/").partition("/")[0]
        userinfo, at, place = authority.rpartition("@")
        end = place.find("]") + 1 if place.startswith("[") else len(place.partition(":")[0])
        host, colon, port = place[:end], place[end : end + 1], place[end + 1 :]
        formed = host and colon in ("", ":") and not port.strip("0123456789")
        if control or not formed or scheme.lower() not in _DEFAULT_PORTS or "\\" in authority:
            address = "(?i)https?://([^/?#]*@)?[0-9a-f]*:[0-9a-f]*:[^/?#@]*([/?#]|$)"
            why = "not a URL of the form http(s)://host[:port][/path][?query]"
            if control:
                why = "the URL has control characters"
            elif not re.match("(?i)https?://", text):
                why = "the URL does not begin with http:// or https://"
            elif re.match(address, text):
                why = "the URL has an IPv6 address without brackets"
            elif "@" in text:
                why += " [in a name or password / ? # \\ are written %2F %3F %23 %5C]"
            # A name and a password may stand before any @, wherever the rest of it is misplaced.
            given = "" if "@" in text else _shown(re.split("[?#]", text, maxsplit=1)[0])
            raise InvalidRequestError(f"{why}: '{given}'" if given else why)
        self.scheme = scheme.lower()
        self.userinfo = userinfo if at else None
        self.host = _host(host)
        self.port = _port(port) if port else _DEFAULT_PORTS[self.scheme]
        if not 0 < self.port < 65536:
            raise InvalidRequestError("the port of a URL is a number from 1 to 65535")
        self.target = "/" + rest[len(authority) :].removeprefix("/")
        if not _only(_ENCODED, self.target):
            octets = _utf8(self.target)
            characters = (chr(o) if chr(o) in _ENCODED else f"%{o:02X}" for o in octets)
            self.target = "".join(characters)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def hostname(self) -> str:
        """The host as URLs and header lines have it, without the zone of an IPv6 address."""
        return f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.hostname if default else f"{self.hostname}:{self.port}"

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
        try:  # of its spellings the usual one (RFC 5952), so that it is one origin
            packed = socket.inet_pton(socket.AF_INET6, address)
            address = socket.inet_ntop(socket.AF_INET6, packed)
        except (OSError, ValueError):
            raise InvalidRequestError("the address in brackets is not IPv6") from None
        if percent and not re.fullmatch(r"(?a)[\w-]{1,15}(\.[\w-]{1,15}){0,2}", zone):
            raise InvalidRequestError("the zone of the IPv6 address is no name of an interface")
        return address + percent + zone
    if len(host) > 255:  # RFC 1035, 2.3.4; IDNA takes long for what is longer
        raise InvalidRequestError("the host name of the URL is longer than 255 characters")
    if not host.isascii():
        # The library has IDNA 2003, which takes these for other names than browsers do.
        why = "host names with ß, ς, ZWJ, ZWNJ: give them in their ASCII form (xn--...)"
        if set(host) & set("ßẞς\u200c\u200d"):
            raise InvalidRequestError(why)
        why = "the host name of the URL is not a valid international name"
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise InvalidRequestError(why) from None
    labels = host.removesuffix(".").split(".")
    if not _only(_NAME, host) or "" in labels or max(map(len, labels)) > 63:
        raise InvalidRequestError("the host name of the URL is not valid")
    return host.lower()


def _utf8(text: str) -> bytes:
    """Text of a URL in UTF-8; what stands for a byte of another encoding is that byte again, as
    Python has it in the environment and the command line (PEP 383).
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # other surrogates
        return text.encode("utf-8", "surrogatepass")


def _basic(userinfo: str) -> str:
    """Credentials of a URL as basic authentication (RFC 7617)."""
    from binascii import b2a_base64
    from urllib.parse import unquote_to_bytes

    user, _, password = _utf8(userinfo).partition(b":")
    credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return "Basic " + b2a_base64(credentials, newline=False).decode()


def _pairs(option: str, given: Any) -> Iterator[tuple[Any, Any]]:
    """The members of a mapping, or pairs, in which a name may come twice; none of `None`."""
    pairs = given.items() if hasattr(given, "items") else given or ()
    for pair in pairs if hasattr(pairs, "__iter__") else [pairs]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{option} are a mapping of names to values, or (name, value) pairs")
        yield pair[0], pair[1]


def header_lines(headers: Any) -> list[tuple[str, str]]:
    """Header lines that can be sent; or why they cannot."""
    lines = []
    for name, value in _pairs("headers", headers):
        if not isinstance(name, str):
            raise TypeError(f"the name of a header is {type(name).__name__}, not a string")
        if not _only(_TOKEN, name):
            raise InvalidRequestError(f"'{_shown(name, 40)}' is not the name of a header")
        if name.lower() in RESERVED:
            raise InvalidRequestError(f"the header {name} is for this client to set")
        if not isinstance(value, str):
            kind = type(value).__name__
            raise TypeError(f"the value of the header {name} is {kind}, not a string")
        if not _is_field_value(value):
            raise InvalidRequestError(f"the header {name} {_UNCARRIED}")
        lines.append((name, value.strip(" \t")))
    return lines


def _joined(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header lines by name, those of one name, in any case, joined (RFC 9110, 5.3)."""
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in lines:
        name = names.setdefault(name.lower(), name)
        between = "; " if name.lower() == "cookie" else ", "
        joined[name] = f"{joined[name]}{between}{value}" if name in joined else value
    return joined


def _content_bytes(content: Any) -> bytes | None:
    """A body to be sent. A buffer is copied, for the caller may use it again."""
    if content is None or isinstance(content, bytes):
        return content
    if isinstance(content, str):
        if re.search(r"[\ud800-\udfff]", content):  # an error of encode() would hold all of it
            why = "content has lone surrogates, which UTF-8 cannot carry; for JSON: json="
            raise InvalidRequestError(why)
        return content.encode()
    try:
        return bytes(memoryview(content))
    except TypeError:
        kind = type(content).__name__
        raise TypeError(f"content is bytes or str, not {kind}; for JSON: json=") from None


class Request:
    """One request, checked: method, `URL`, header lines, body. It can be sent more than once.

    `hops`, if redirects led here, are the URLs on the way to this one, itself the last, as messages
    may show them; a method that a redirect changed is noted behind the URL.
    """

    def __init__(self, method: str, url: str | URL, headers: Any = (), content: Any = None) -> None:
        if not isinstance(method, str) or not _only(_TOKEN, method):
            raise InvalidRequestError("the method is not a token (RFC 9110, 9.1), such as GET")
        self.method = method.upper() if method.upper() in _METHODS else method
        self.url = url if isinstance(url, URL) else URL(url)
        self.content = _content_bytes(content)
        self.headers = header_lines(headers)
        self.hops: tuple[str, ...] = ()

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
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.lines(proxy)])
        head = f"{self.method} {target} HTTP/1.1\r\n{lines}\r\n"
        return head.encode("latin-1") + (self.content or b"")

    def redirected(self, answer: ResponseParser, most: int, confined: bool) -> Request | None:
        """The request that follows (Fetch, "HTTP-redirect fetch"), `None` if this is no redirect.

        `most` redirects are followed in all, below 0 none is looked at; `confined`: only to this
        origin. Raises `RedirectError` for what must not be followed.
        """
        status = answer.status_code
        if status not in (301, 302, 303, 307, 308) or most < 0:
            return None
        locations = set(filter(None, answer.headers.get_list("location")))
        if not locations:
            return None
        hops = self.hops or (self.url.shown(),)
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
                lines = [line for line in lines if line[0].lower() in HARMLESS]
        except RedirectError as error:
            raise RedirectError(f"redirect {status}, {_way(hops)}: {error}") from None
        following = Request(method, url, lines, content)
        following.hops = hops
        return following

    def _location(self, location: str) -> URL:
        """Where a server sends us (RFC 3986, 5.2): in UTF-8, or bytes that stay what they are. Its
        user-info is not for us.
        """
        location = location.encode("latin-1").decode("utf-8", "surrogateescape")
        base, absolute = self.url, location
        if not re.match("[A-Za-z][A-Za-z0-9+.-]*:|//", location):
            path = base.target.partition("?")[0]
            starts = {"#": base.target, "?": path, "/": ""}
            start = starts.get(location[0], path.rpartition("/")[0] + "/")
            absolute = f"//{base.authority}{start}{location}"
        try:
            url = URL(f"{base.scheme}:{absolute}" if absolute.startswith("//") else absolute)
        except InvalidRequestError as error:
            userinfo, _, place = re.split("[?#]", location)[0].rpartition("@")
            start = re.sub(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*).*", r"\1", userinfo)
            place = _shown(start + place, 200)
            raise RedirectError(f"'{place}' is not a place to go to: {error}") from None
        url.target = _without_dots(url.target)
        if url.hostname == base.hostname:
            url.host = base.host  # with its zone, which means something on this machine alone
        url.userinfo = None
        return url


def _without_dots(target: str) -> str:
    """RFC 3986, 5.2.4: "remove dot segments" of a path, which its query may follow."""
    path, mark, query = target.partition("?")
    kept: list[str] = []
    for segment in (path + "/" if path.endswith(("/.", "/..")) else path).split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return f"/{'/'.join(kept)}{mark}{query}"


def _way(hops: tuple[str, ...]) -> str:
    """The URLs on a way, for a message: of many only where it begins and ends."""
    most, left_out = 6, f"({len(hops) - 5} more)"
    return " -> ".join(hops if len(hops) <= most else (*hops[:3], left_out, *hops[-2:]))


# --- the route: proxies, and who is named when something fails -----------------------------------


class _Route:
    """The way to a server: directly, by a Unix socket or through a proxy.

    `peer` is whom to connect to, `name` whom messages name; `proxy` the one that answers, which is
    none behind a tunnel.
    """

    def __init__(self, url: URL, proxy: str | None, uds: str | None) -> None:
        self.url = url
        self.proxy = _proxy_for(url, proxy) if uds is None else None
        self.peer = self.proxy or url
        self.name = f"the proxy {self.proxy.authority}" if self.proxy else uds or url.authority
        self.connected = False

    def explain(self, error: OSError, timeout: float | None) -> None:
        """Raise a clearer error for one before the head has come, or return if it is clear already.

        A proxy is named, and a limit given in seconds. A `BodyError` of TLS becomes a
        `ConnectError`, for there is no body yet. A proxy that does not answer by HTTP is asked no
        more.
        """
        if isinstance(error, RequestTimeout):
            raise RequestTimeout(f"{self.name}: {error}={timeout:g} seconds") from error
        unnamed = self.proxy is not None and type(error) in (ConnectError, ProtocolError)
        if isinstance(error, HTTPClientError) and not (unnamed or isinstance(error, BodyError)):
            return
        why = _reason(error)
        if self.connected and self.proxy is not None:
            raise self._proxy_failed(f"failed: {why}", isinstance(error, ProtocolError)) from error
        if self.connected:
            raise ConnectError(f"{self.name} closed the connection: {why}") from error
        kind = ConnectError if self.proxy is None else ProxyError
        raise kind(f"cannot connect to {self.name}: {why}") from error

    def _proxy_failed(self, what: str, fatal: bool = False) -> ProxyError:
        error = ProxyError(f"{self.name} {what}")
        error.fatal = fatal
        return error

    def tunnel_request(self) -> bytes:
        """What asks the proxy for a tunnel to the server (RFC 9110, 9.3.6)."""
        host = f"{self.url.hostname}:{self.url.port}"
        lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
        if self.peer.userinfo is not None:
            lines.append(f"Proxy-Authorization: {_basic(self.peer.userinfo)}")
        return "\r\n".join([*lines, "", ""]).encode()

    def enter_tunnel(self, answer: ResponseParser) -> None:
        """The proxy has answered: from now on the server speaks. Or raises `ProxyError`."""
        status = answer.status_code
        if not 200 <= status < 300:
            fatal = 400 <= status < 500 and status not in (408, 425, 429)  # as 407: wrong password
            raise self._proxy_failed(f"refused: {status} {_shown(answer.reason)}".rstrip(), fatal)
        if answer.unread:
            raise self._proxy_failed("sent more than its answer")
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
    rules = _variable("no_proxy")[1].lower() if address else ""
    spared = any(_matches(url, rule) for rule in re.split(r"[\s,]+", rules)) if rules else False
    return None if spared or not address else _proxy(address, source)


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
    """Does it mean the URL: `*`, a domain, a suffix, an address, a network, or one with a port?"""
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
    if not suffix.isascii():
        try:
            suffix = _host(suffix)
        except InvalidRequestError:
            return False
    return rule == "*" or (suffix != "" and f".{host}".endswith(f".{suffix}"))


# --- what is received: RFC 9112, without I/O ----------------------------------------------------

_HEAD_END = re.compile(rb"\n\r?\n")  # a bare LF ends a line here, as RFC 9112, 2.2 lets it
# A Content-Type, taken apart (MIME Sniffing, 4.4). Nothing in these patterns is tried twice.
_LIST_ITEM = r'(?s:[^",]+|"(?:[^"\\]+|\\.)*(?:"|\\?\Z))+'
_MIME_TYPE = rf"[ \t]*([{_TOKEN}]+)/([{_TOKEN}]+)[ \t]*(?=;|$)"
_PARAMETER = r';[ \t]*([^;=]*)(?:="((?s:[^"\\]|\\.)*)"?[^;]*|=([^;]*))?'
# Content codings: those decoded here, and those that are real, but not known here. All other words
# mean that nothing was done to the content, as in Fetch ("handle content codings").
_DECODED = ("gzip", "x-gzip", "deflate")
_NOT_DECODED = ("br", "compress", "dcb", "dcz", "x-compress", "zstd")
_PADDING = b"\0 \t\r\n"  # may follow the end of a coded body, as gzip(1) and other clients have it
_REPLAYED = 16  # pieces kept to be decoded again: with fewer, zlib's state is copied more often
_TRAILERS = -1  # what is left of a body in chunks when the last of them has come
_sizes: dict[bytes, int] = {}  # of chunk lines met before, short and plain ones: at most 11,000
_next_sizes: dict[bytes, int] = {}  # the same, of these lines behind the line end of a chunk


class Headers(Mapping[str, str]):
    """Header fields by name, in any case. Several lines of one name are joined by ", "; `get_list`
    tells them apart.
    """

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        names: list[str] = []
        # By name in small letters: the values of its lines, an LF between two, which none can hold.
        # Strings, no lists, for the garbage collector looks at what contains something again and
        # again, which was a fifth of what it costs to open one of thousands of streams.
        values: dict[str, str] = {}
        for name, value in lines:
            names.append(name)
            key = name.lower()
            values[key] = f"{values[key]}\n{value}" if key in values else value
        self._names, self._values = tuple(names), values

    def get_list(self, name: str) -> list[str]:
        """The value of each line of this name, in any case; none is an empty list."""
        values = self._values.get(name.lower())
        return [] if values is None else values.split("\n")

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()].replace("\n", ", ")

    def __iter__(self) -> Iterator[str]:
        first = {name.lower(): name for name in reversed(self._names)}
        return map(first.__getitem__, self._values)

    def __len__(self) -> int:
        return len(self._values)

    def items(self) -> Any:
        """Every line, in the order received."""
        values = {key: iter(self.get_list(key)) for key in self._values}
        return tuple((name, next(values[name.lower()])) for name in self._names)

    def __repr__(self) -> str:
        return f"Headers of {_shown(', '.join(self._names), 500)}"  # values may be secret


def _mime_type(value: str) -> tuple[str, str]:
    """The type/subtype of a Content-Type, all its lines joined by commas, and its charset, both in
    small letters and empty if there is none (Fetch, "extract a MIME type": of several the last
    valid one counts, with the charset of one before it that is the same).
    """
    found = charset = ""
    for item in map(re.Match.group, re.finditer(_LIST_ITEM, value)):
        match = re.match(_MIME_TYPE, item)
        if match is None or match[1] == match[2] == "*":
            continue
        essence = f"{match[1]}/{match[2]}".lower()
        if essence != found:
            found, charset = essence, ""
        for parameter in re.finditer(_PARAMETER, item[match.end() :]):
            name, quoted, plain = parameter.groups("")
            if name.lower() == "charset" and (quoted or plain.strip(" \t'")):
                charset = re.sub(r"\\(.)", r"\1", quoted) or plain.strip(" \t'")
                break  # the first one counts
    return found, charset.lower()


def _parse_fields(lines: bytes, kind: type[HTTPClientError]) -> list[tuple[str, str]]:
    """Field lines of a head or of trailers (RFC 9112, 5), all with their ends. Raises `kind`."""
    parsed = []
    text = lines.decode("latin-1").replace("\r\n", "\n")
    if "\n " in text or "\n\t" in text:  # obs-fold, to be read as a space (RFC 9112, 5.2)
        text = re.sub(r"\n[\t ]+", " ", text)
    for line in text.split("\n")[:-1]:
        name, colon, value = line.partition(":")
        if not (colon and _only(_TOKEN, name) and _is_received(value)):
            shown = _octets(name[:40].encode("latin-1"))
            raise kind(f"the answer has a malformed header line: {shown}")
        parsed.append((name, value.strip(" \t")))
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
    something without being fed. Raises `ProtocolError`, `ConnectError` for an end before that of
    the head, and `BodyError`; this, and what a decoder has to say, only after all that came before
    it was read. Memory is bounded by what is fed at a time.

    One reader after the other, `_Head` and the one of the framing, is given `unread`, and returns
    what it makes of that and what it has to see again.
    """

    __slots__ = (
        "_closed", "_decoder", "_method", "_reader", "coding", "headers", "http_version", "pending",
        "reason", "status_code", "unread",
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
        self._method = method
        self._reader: Any = _Head()
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
                self.coding = ", ".join([c for c in codings if c in _DECODED + _NOT_DECODED])
                self._decoder = _Decoder(self.coding) if self.coding else None
                self._reader = _framing(self._method, self.status_code, self.headers)
            elif self._closed:
                raise ConnectError("the connection was closed before the answer was complete")

    def read(self) -> bytes | None:
        decoder = self._decoder
        if decoder is None:
            return self._read_framed() if self.status_code else None
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

    @property
    def complete(self) -> bool:
        """Can nothing of the body be missing but its trailers (RFC 9112, 8)?"""
        return getattr(self._reader, "left", None) == _TRAILERS

    def _read_framed(self) -> bytes | None:
        """The body without its framing, but in its coding."""
        reader = self._reader
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

    def __init__(self) -> None:
        self._interim = 0  # bytes of these
        self._searched = 0  # from here on the buffer may hold the end of the head

    def read(self, buffer: bytes) -> tuple[tuple[str, int, str, Headers] | None, bytes]:
        """Version, status, reason and headers, or `None` as yet; what was not used."""
        while buffer:
            end = _HEAD_END.search(buffer, self._searched)
            self._searched = 0 if end else len(buffer) - 2
            if self._interim + (end.end() if end else len(buffer)) > _MAX_HEAD:
                whose = "the answer with all interim ones (1xx)" if self._interim else "the answer"
                raise ProtocolError(f"the head of {whose} is larger than {_MAX_HEAD} bytes")
            if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
                hint = " [an https server? see the URL]" if buffer[:1] == b"\x15" else ""
                raise ProtocolError(f"the answer is not HTTP/1: {_octets(buffer[:40])}{hint}")
            if end is None:
                break
            first, _, fields = buffer[: end.start() + 1].partition(b"\n")
            buffer = buffer[end.end() :]
            version, _, rest = first.removesuffix(b"\r").decode("latin-1").partition(" ")
            status, _, reason = rest.partition(" ")
            number = len(status) == 3 and _only("0123456789", status) and status[0] != "0"
            if version not in ("HTTP/1.0", "HTTP/1.1") or not (number and _is_received(reason)):
                shown = _octets(first[:40])
                raise ProtocolError(f"the answer has a malformed status line: {shown}")
            headers = Headers(_parse_fields(fields, ProtocolError))
            if status == "101":
                raise ProtocolError("the server switched protocols (101), which nobody asked for")
            if status[0] != "1":
                return (version, int(status), reason.strip(" \t"), headers), buffer
            self._interim += end.end()
        return None, buffer


# The framings. Each is a class with `read(buffer, closed)`, which returns the data in the buffer
# and what is not used yet, and is told whether the connection is closed; and with `finished`: the
# whole body was read, and from then on `read` returns nothing. It raises only where it has no data
# to return; what follows the body is dropped. To add one is to write it, and to choose it in
# `_framing`.


def _framing(method: str, status: int, headers: Headers) -> Any:
    """RFC 9112, 6.3: message body length. What is refused there is read where clients read it: a
    connection serves one request, so nothing can be smuggled in what others read otherwise.
    """
    tunnel = method == "CONNECT" and status < 300
    if method == "HEAD" or status in (204, 304) or tunnel:
        return _Length(0)
    codings = set(_listed(headers, "transfer-encoding")) - {"identity"}
    if codings - {""} == {"chunked"}:  # said twice, too, in HTTP/1.0, and beside a length
        return _Chunked()
    if codings:
        names = _shown(", ".join(_listed(headers, "transfer-encoding")), 40)
        return _Refused(f"transfer coding '{names}' is not supported")
    lengths = set(_listed(headers, "content-length"))
    if not lengths:
        return _UntilClose()
    length = lengths.pop()
    if lengths or not re.fullmatch("[0-9]{1,18}", length):
        return _Refused("the answer has conflicting or malformed values of Content-Length")
    return _Length(int(length))


class _Refused:
    """Reads nothing: nobody knows where the body ends. The head may be all that is wanted of it."""

    def __init__(self, why: str) -> None:
        self._why = why

    def read(self, buffer: bytes, closed: bool) -> tuple[bytes, bytes]:
        raise ProtocolError(self._why)


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
        self.left = 0  # bytes to come of a chunk and its line end, or `_TRAILERS`
        self.finished = False
        self._searched = 0  # from here on what follows the last chunk may hold its end

    def read(self, buffer: bytes, closed: bool) -> tuple[bytes, bytes]:
        """All chunk data in the buffer, in one pass. An error waits until that was read: what is
        wrong stays in the buffer.
        """
        pieces: list[bytes] = []
        position, left, find = 0, self.left, buffer.find
        try:
            while left != _TRAILERS:
                if not left:  # a chunk line comes next
                    end = find(b"\r\n", position)
                    if end < 0:
                        if len(buffer) - position > _MAX_CHUNK_LINE:
                            why = f"a chunk line of the body is longer than {_MAX_CHUNK_LINE} bytes"
                            raise BodyError(why)
                        if find(b"\n", position) >= 0:  # a bare LF, behind which no CRLF may come
                            raise BodyError("a chunk line of the body ends with a bare LF")
                        break
                    line = buffer[position:end]
                    size = _sizes.get(line) or _chunk_size(line)
                    if not size:
                        position, left = end, _TRAILERS
                        break
                    position, left = end + 2, size + 2
                stop = position + left
                pieces.append(buffer[position : stop - 2])
                # Mostly, the line end of this chunk and the line of the next are known as one.
                end = find(b"\r\n", stop)
                known = _next_sizes.get(buffer[stop - 2 : end])
                if known and end > 0:
                    position, left = end + 2, known + 2
                    continue
                line_end = buffer[stop - 2 : stop]
                if line_end != b"\r\n":  # not all of it is here, or it is wrong
                    position += len(pieces[-1])
                    left -= len(pieces[-1])
                    if not b"\r\n".startswith(line_end):
                        raise BodyError("a chunk of the body does not end where its size says")
                    break
                position, left = stop, 0
            if left == _TRAILERS and not self.finished:
                self._drop_trailers(buffer[position:], closed)
        except BodyError:
            if not any(pieces):
                raise
        self.left = left
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
    digits, _, extensions = line.decode("latin-1").partition(";")
    digits = digits.rstrip(" \t")
    right = _only(_HEXADECIMAL, digits) and len(digits) <= 16 and _is_field_value(extensions)
    if not right or len(line) > _MAX_CHUNK_LINE:
        raise BodyError(f"malformed chunk size in the body: {_octets(line[:20])}")
    size = int(digits, 16)
    if len(line) < 4 and line.isalnum():
        _sizes[line] = _next_sizes[b"\r\n" + line] = size  # to look it up is five times faster
    return size


class _Decoder:
    """gzip and deflate as they stream (RFC 9110, 8.4.1), at most `_READ` bytes at a time, so that a
    bomb goes off slowly.

    zlib gives out nothing of a piece that is broken somewhere. What came before the break is
    decoded a second time, from a copy of zlib's state that is at most `_REPLAYED` pieces old: to
    copy it for each piece would take four times as long as to decode an event.
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
            data = (self._zlib.unused_data if self.more else data).lstrip(_PADDING)
            if not data:
                self.more = False
                return b""
            if self._coding == "deflate":
                raise BodyError("the body goes on after the end of its deflate stream")
            self._start(zlib.decompressobj(31))  # one more member (RFC 1952, 2.2)
        elif len(self._since) == _REPLAYED:
            self._start(self._zlib)
        decoder: Any = self._zlib
        data = decoder.unconsumed_tail + data
        self._since.append(data)
        try:
            decoded: bytes = decoder.decompress(data, _READ)
        except zlib.error:
            self._broken = self.more = True
            return self._before_break()
        self.more = decoder.unused_data != b"" if decoder.eof else len(decoded) == _READ
        return decoded

    def _start(self, decompressor: Any) -> None:
        self._zlib, self._copy, self._since = decompressor, decompressor.copy(), []

    def _before_break(self) -> bytes:
        """What comes before the place where the last piece is broken."""
        import zlib

        decoded = bytearray()
        try:
            for piece in self._since[:-1]:
                self._copy.decompress(piece, _READ)
            for byte in self._since[-1]:
                decoded += self._copy.decompress(bytes([byte]), _READ)
        except zlib.error:
            pass
        return bytes(decoded)

    def finish(self) -> None:
        if self._zlib is not None and not self._zlib.eof:
            raise BodyError(f"the body was cut short inside its {self._coding} stream")


# --- TLS: a layer over either wire, without I/O of its own ------------------------------------

_RECORD = 16384  # bytes of the largest record (RFC 8446, 5.1): one read takes all that it holds
_contexts: dict[Any, Any] = {}  # SSLContexts by what they were made of


def _context(verify: Any) -> ssl.SSLContext:
    """The TLS settings for a value of `verify`, kept, for to read the system's CA takes 20 ms."""
    global ssl  # loaded now, also for the functions below: nobody comes to them but from here
    import ssl

    if isinstance(verify, ssl.SSLContext):
        if verify.protocol == ssl.PROTOCOL_TLS_SERVER:
            raise InvalidRequestError("verify is an SSLContext for servers: PROTOCOL_TLS_SERVER")
        return verify
    if not isinstance(verify, (bool, str, os.PathLike)):
        raise TypeError("verify: True, False, the path of a CA file or directory, or an SSLContext")
    if verify == "":
        raise InvalidRequestError("verify is empty; only False disables the check of certificates")
    key = (verify, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    if key in _contexts:
        return _contexts[key]  # type: ignore[no-any-return]
    if verify is False:  # nothing is read that would not be used
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        path = None if verify is True else os.fspath(verify)
        where: Any = {"capath": path} if path and os.path.isdir(path) else {"cafile": path}
        try:
            context = ssl.create_default_context(**where)
        except OSError as error:  # ssl.SSLError is one
            if not _is_systems(error) or error.errno in _SCARCE:
                raise
            why = "is not a file or directory of CA certificates"
            if isinstance(error, PermissionError):
                why = f"cannot be read: {_reason(error)}"
            raise InvalidRequestError(f"verify={path!r} {why}") from error
        cafile = ssl.get_default_verify_paths().cafile
        if verify is True and cafile and not context.cert_store_stats()["x509"]:
            # OpenSSL does not tell when it cannot open the system's certificates, for want of
            # descriptors say. This raises the `OSError` which that is; if they may not be read,
            # there may be others, and `_missing_authorities` tells.
            with _Ignored(PermissionError):
                open(cafile, "rb").close()
    context.set_alpn_protocols(["http/1.1"])
    # A context without certificates is not kept. They are in a directory, which is read when one
    # is needed, or there may be some later.
    if verify is False or context.cert_store_stats()["x509"]:
        _contexts[key] = context
    return context


def _missing_authorities() -> str:
    """What is wrong with the CA certificates of the system, if that can be told."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        for path in filter(None, os.environ.get(name, "").split(os.pathsep)):
            if not os.path.exists(path):
                return f"{name} names {path!r}, which does not exist"
    paths = ssl.get_default_verify_paths()
    if paths.cafile and not os.access(paths.cafile, os.R_OK):
        return f"the CA certificates in {paths.cafile!r} cannot be read"
    with _Ignored(OSError):  # of a directory that cannot be read; the message that there is will do
        if paths.cafile is None and not (paths.capath and os.listdir(paths.capath)):
            where = f"neither {paths.openssl_cafile} nor {paths.openssl_capath} holds any"
            return f"no CA certificates at all: {where}; SSL_CERT_FILE can name a file"
    return "verify= takes the file of the CA that signed it"


class _TLS:
    """TLS between a wire and the protocol, through two memory buffers.

    Compared with asyncio's and the sockets' own TLS, a cut is told from an end, a blocked read is
    woken from another thread by shutting the socket down, and an idle stream takes a ninth of the
    memory. All that the wire hands over is decrypted at once, so the wire alone tells whether
    something is lost (`whole`).
    """

    __slots__ = ("_end", "_incoming", "_object", "_outgoing", "_wire")

    def __init__(self, wire: Any, context: ssl.SSLContext, host: str) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        # As bytes, for ssl looks a string up in Python's IDNA, which takes 1.3 ms to load.
        name = host.partition("%")[0].removesuffix(".").encode()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        # What follows the bytes that were decrypted last: `b""`, the end that the peer declared,
        # or an error. Both may arrive in one piece with data.
        self._end: HTTPClientError | bytes | None = None

    async def handshake(self) -> None:
        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                self._feed(await self._wire.recv())
            except ssl.SSLError as error:
                if not _is_systems(error):
                    raise
                await self._flush()  # the alert that tells the server
                raise self._failure(error, shaking=True) from error
        await self._flush()

    def _failure(self, error: ssl.SSLError, shaking: bool = False) -> HTTPClientError:
        """What to raise for it. What is wrong with our certificate only alerts tell (RFC 8446,
        6.2), in TLS 1.3 after our handshake is over (4.4.2.4).
        """
        name, text, why = self._object.server_hostname, str(error), error.reason or error
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message
            if 18 <= error.verify_code <= 21:  # self-signed, or its issuer is not known
                why += f" [{_missing_authorities()}]"
            elif 80 <= error.verify_code <= 93:  # OpenSSL's X509_V_FLAG_X509_STRICT
                why += " [Python 3.13 and later check strictly: have it made anew, or pass an "
                why += "SSLContext with context.verify_flags &= ~ssl.VERIFY_X509_STRICT]"
            return CertificateError(f"the certificate of {name} was not accepted: {why}")
        if re.search("ALERT.*(CERTIFICATE|UNKNOWN.CA)", text, re.IGNORECASE):
            why = f"{why} [verify= takes an SSLContext with load_cert_chain()]"
            return CertificateError(f"{name} wants a client certificate that it accepts: {why}")
        if not shaking:
            return BodyError(f"the connection was cut: {why}")
        if re.search("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE", text):
            return ProtocolError(f"{name} does not speak TLS [is it http:// ?]")
        hint = " [does it want a client certificate?]" if "HANDSHAKE_FAILURE" in text else ""
        return ConnectError(f"TLS with {name} failed: {why}{hint}")

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._wire.send(self._outgoing.read())

    def _feed(self, data: bytes) -> None:
        if not data:
            raise BodyError("the connection was cut, TLS was not closed (RFC 8446, 6.1)")
        self._incoming.write(data)

    def _decrypt(self) -> bytes | None:
        """All that can be decrypted now, `None` if nothing; `b""` at the end the peer declared."""
        pieces: list[bytes] = []
        try:
            while self._incoming.pending and self._end is None:
                pieces.append(self._object.read(_RECORD))
                if not pieces[-1]:
                    self._end = b""
        except OSError as error:
            if not (isinstance(error, ssl.SSLError) and _is_systems(error)):
                raise
            if not isinstance(error, ssl.SSLWantReadError):  # which says: a record is incomplete
                self._end = self._failure(error)
                self._end.__cause__ = error
        if any(pieces):
            return b"".join(pieces)
        if isinstance(self._end, HTTPClientError):
            raise _end_of(self)
        return self._end

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        await self._flush()

    async def recv(self) -> bytes:
        """What was received and can be decrypted; `b""` only for an end that the peer declared."""
        while (data := self._decrypt()) is None:
            await self._flush()  # an answer to an update of keys (RFC 8446, 4.6.3)
            self._feed(await self._wire.recv())
        return data

    def recv_now(self) -> bytes:
        """`recv` over a blocking wire, without coroutines."""
        while (data := self._decrypt()) is None:
            if self._outgoing.pending:  # seldom
                _run(self._flush)
            self._feed(self._wire.recv_now())
        return data


# --- the two wires: connect, send, receive, end ------------------------------------------------

# Three things are never mistaken for each other. What was *lost* leaves a wire as the system's
# `OSError`, or as `RequestTimeout`, which is never the system's own ETIMEDOUT. What was *ended by
# us* is `_Closed`. What *interrupts the caller*, raised by a signal handler or a cancellation,
# passes unchanged, whatever its class is: so nothing is raised in a `finally`, and before an
# `OSError` is looked at, `_is_systems` asks where it came from.
# CPython 3.12 to 3.14 compile jumps back to the top of a loop outside the `try` around it, and run
# handlers there. So where a `finally` matters, no loop ends in its `try`: that stands around a call
# instead (`_connect`, `_joined_pieces`). tests/test_interruptions.py looks at the bytecode.

_IN, _OUT = 1, 4  # POLLIN and POLLOUT
# On Linux shutdown() wakes who waits for a socket, even for its connect, and what has arrived can
# be received after it. Elsewhere waits come in slices, between which the wire's flags are looked
# at; on Windows Ctrl-C is not noticed in any other way.
_WAKES = sys.platform == "linux"
_SLICE = 0.25  # seconds
_SHORT = 0.01  # seconds between two looks at what no system call can wait for
_HEAD_START = 0.25  # seconds for an address alone, as RFC 8305, 8 recommends
_QUICK = sys.platform == "linux" and sys.maxsize > 2**32  # SO_RCVTIMEO takes two 64-bit numbers
_MOMENT = 0.005  # seconds of silence before a blocking read is followed by a poll()
_TICK = max(0.001, get_clock_info("monotonic").resolution)
_CONNECTING = {errno.EINPROGRESS, errno.EINTR, getattr(errno, "WSAEWOULDBLOCK", None)}
_OPTIMIZED, _VARARGS = 0x01, 0x04  # of inspect, which is costly to import
_SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}  # a lack that passes
_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
# No delay; and probes that find out within 2 minutes when the peer, or a NAT on the way, has gone.
_SETTINGS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, n), _PROBES[n]) for n in _PROBES if hasattr(socket, n)),
]  # fmt: skip


def _is_from_handler(error: BaseException) -> bool:
    """Was it raised by a signal handler?

    Python calls a handler with the frame that it interrupts. So a frame in a traceback that was
    given the frame before it as an argument is a handler's; and so is one that runs the code of a
    handler now installed, which may have deleted what it was given.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        before, trace = trace.tb_frame, trace.tb_next
        code = trace.tb_frame.f_code
        # `_handlers` takes long, and ssl raises whenever the record that has arrived is incomplete.
        if trace.tb_frame.f_globals.get("__name__") != "ssl" and code in _handlers():
            return True
        if not code.co_flags & _OPTIMIZED:  # a module's, whose variables are no copy
            continue
        values = trace.tb_frame.f_locals
        given = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
        if code.co_flags & _VARARGS:
            rest = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
            given.extend(rest if isinstance(rest, tuple) else ())
        if isinstance(values, dict):  # before 3.13 a copy that would keep what it refers to
            values.clear()
        if any(value is before for value in given):
            return True
    return False


def _handlers() -> set[Any]:
    """The code of the functions that Python calls for signals; of one written in C `None`."""
    functions = filter(callable, map(getsignal, range(1, NSIG)))
    return {getattr(f, "__code__", getattr(type(f).__call__, "__code__", None)) for f in functions}


def _is_systems(error: OSError) -> bool:
    """Is it the system's own error? Not if a signal handler raised it, or it is ours already."""
    return not isinstance(error, HTTPClientError) and not _is_from_handler(error)


class _Ignored:
    """`with _Ignored(*kinds)`: such an error of the system ends the block, and does not matter."""

    def __init__(self, *kinds: type[OSError]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, self._kinds) and _is_systems(error)


def _end_of(receiver: Any) -> BaseException:
    """The error that ended it; it forgets the error, whose traceback will refer to it."""
    error, receiver._end = receiver._end, None
    return error  # type: ignore[no-any-return]


def _tune(sock: socket.socket) -> None:
    for setting in _SETTINGS:
        with _Ignored(OSError):  # an option that this system does not have
            sock.setsockopt(*setting)


def _shut_down(sock: socket.socket) -> None:
    with _Ignored(OSError):  # it is not connected any more
        sock.shutdown(socket.SHUT_RDWR)


def _poll(socks: list[socket.socket], events: int, seconds: float) -> int:
    """Wait for `events` of one of the sockets; which there are, or others that the next call will
    tell. Unlike `selectors`, this needs no descriptor, and lets out whatever a handler raises.
    """
    limit = None if seconds == inf else max(0.0, seconds)
    if hasattr(select, "poll"):  # neither on Windows nor with eventlet
        poller = select.poll()
        for sock in socks:
            poller.register(sock, events)
        ready = poller.poll(limit and limit * 1000)
        return ready[0][1] if ready else 0
    reading, writing = (socks if events & kind else [] for kind in (_IN, _OUT))
    readable, writable, failed = select.select(reading, writing, socks, limit)
    return _IN * bool(readable) | _OUT * bool(writable or failed)


class _Wire:
    """What carries bytes to a server and back: a socket, asyncio, or an application in-process.

    `recv` waits for what arrives next, and gives `b""` at the end. Calls from outside:
    `interrupt()`, abort, who is inside a call gets `_Closed`; `release()`, the same, and await that
    all is given back; `stop()`, where there is a socket: receive no more than has arrived. In a
    forked child these close the descriptor and do no more. `end()`: the body is complete. `whole`:
    is nothing lost, neither received nor to be sent, if the last call was interrupted?
    """

    __slots__ = ("_late", "_process", "closed", "expires", "idle", "until")

    def __init__(self, expires: float | None) -> None:
        self.expires = expires  # a moment on the wire's clock that bounds all calls together
        self.idle: float | None = None  # if there is none, seconds of silence that end a `recv`
        self.until = inf  # when it is over with who waits; `inf`: nobody has since the last byte
        self.closed = False  # ended by us
        self._late = False  # did the last `recv` begin when `expires` had passed?
        self._process = os.getpid()  # in a forked child the connection is the parent's

    def check(self, now: float) -> None:
        """A process that was stopped looks once at what has arrived, however late it is. A peer
        that goes on sending does not extend the time.
        """
        late = self.expires is not None and now >= self.expires
        if late and self._late:
            raise self.too_late()
        self._late = late

    def deadline(self, now: float) -> float:
        """The moment until which to wait for what is to be received next. The first wait after a
        byte sets it: who gives up that wait, and asks again, is in the same silence.
        """
        if self.until == inf:
            if self.expires is not None:
                self.until = self.expires
            elif self.idle is not None:
                self.until = now + self.idle
        return self.until

    def too_late(self) -> RequestTimeout:
        if self.expires is None:
            return RequestTimeout(f"silence for idle_timeout={self.idle:g} seconds")
        return RequestTimeout("no answer within timeout")

    interrupt: Callable[[], None]

    async def end(self) -> None:
        self.interrupt()


class _Closed(ConnectError):
    """The connection was ended by us."""

    def __init__(self, text: str = "the connection was closed") -> None:
        super().__init__(text)


def _known_addresses(host: str, port: int, uds: str | None) -> list[Any]:
    """What needs no look-up, as `getaddrinfo` gives it; none for a name."""
    if uds is not None:
        return [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", uds)]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _Ignored(OSError):
        socket.inet_pton(family, host)
        return [(family, socket.SOCK_STREAM, 0, "", (host, port))]
    return []


def _resolved(host: str, port: int) -> list[Any]:
    """The addresses of a name, the families in turns (RFC 8305, 4)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    nth = {address[0]: count() for address in found}
    return sorted(found, key=lambda address: next(nth[address[0]]))


class _Connecting:
    """A socket on its way to an address, step by step, without blocking."""

    def __init__(self, address: Any) -> None:
        self.sock = socket.socket(*address[:3])
        self._address = address
        self.begun = False  # if not, the next step is to be taken `_SHORT` seconds later
        self.sock.setblocking(False)

    def step(self) -> bool:
        """Is it connected? Raises the `OSError` with which it failed."""
        internet = self._address[0] != getattr(socket, "AF_UNIX", None)
        error = 0
        if not self.begun:
            error = self.sock.connect_ex(self._address[4])
            if error == errno.EAGAIN and not internet:
                return False  # the backlog is full, and nothing tells when it is not
            self.begun = True
        if not error or error in _CONNECTING:
            if not _poll([self.sock], _OUT, 0.0):
                return False  # on this machine a connection is there at once
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if internet and not error:
            own = self.sock.getsockname()
            if own[1] == self._address[4][1] and own == self.sock.getpeername():
                error = errno.ECONNREFUSED  # nobody listens, and the system gave it this very port
        if error:
            raise OSError(error, _strerror(error))
        if internet:
            _tune(self.sock)
        return True


async def _connect(wire: Any, waiting: list[Any]) -> None:
    """Give the wire the socket that connects first."""
    running: list[_Connecting] = []
    try:
        await _race(wire, waiting, running)
    finally:
        for attempt in running:
            wire.drop(attempt.sock)


async def _race(wire: Any, waiting: list[Any], running: list[_Connecting]) -> None:
    """Another address is tried when all those before it have failed, or the last one has had its
    head start (RFC 8305, 5). The sockets of those that are left in `running` are the caller's.
    """
    if not waiting:
        raise OSError("the name has no address")
    over, until = False, inf
    while True:
        attempt = None
        try:
            if waiting and (over or not running):
                over, until = False, wire.now() + _HEAD_START
                running.append(_Connecting(waiting.pop(0)))
            for attempt in running:
                if attempt.step():
                    wire._sock = attempt.sock  # first: a handler may raise at any place
                    running.remove(attempt)
                    return
        except OSError as error:
            if attempt is not None:
                wire.drop(attempt.sock)
                running.remove(attempt)
            if not (waiting or running) or not _is_systems(error):
                raise
        else:
            over = not await wire.further(running, until if waiting else inf)


class _ThreadWire(_Wire):
    """For one thread, and any other thread or a signal handler may end it: but what is used by a
    thread is not closed under it, the thread does so on its way out. No coroutine here suspends.
    """

    def __init__(self, expires: float | None) -> None:
        super().__init__(expires)
        self._inside = False  # a call that may take long

    recv_now: Callable[[], bytes]  # what arrives next, without a coroutine
    _close: Callable[[], None]

    @staticmethod
    def now() -> float:
        return monotonic()

    def _call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """`closed` is asked for when `_inside` is set, and `interrupt` does the reverse, so one of
        the two sees what the other has done.
        """
        self._inside = True
        try:
            if self.closed:
                raise _Closed
            result = function(*arguments)
        except (OSError, EOFError) as error:
            if self.closed and not _is_from_handler(error):
                raise _Closed from None
            raise
        finally:
            self._inside = False
            if self.closed:
                self._close()
        if self.closed:
            raise _Closed
        return result

    def interrupt(self) -> None:
        self.closed = True
        if not self._inside:
            self._close()

    async def release(self) -> None:
        self._inside = False  # so it is; what a handler raises may have kept it from being noted
        self.interrupt()

    async def recv(self) -> bytes:
        return self.recv_now()


class _BlockingWire(_ThreadWire):
    """A socket. A descriptor closed under a reader leaves the reader blocked, and may be another's
    by then; so `interrupt` shuts the socket down, for who is inside to close it.
    """

    def __init__(self, expires: float | None) -> None:
        super().__init__(expires)
        self._stopped = False
        self._lock = RLock()  # held for moments; reentrant for the sake of signal handlers
        self._sock: Any = None
        self._unsent = memoryview(b"")
        # `next(self._receive)` receives, and appends what it received to `_arrived`, in one step of
        # the interpreter (PyPy's `partial` and two-argument `iter` would take several). Python runs
        # signal handlers between steps, and bytes that a handler's exception made disappear would
        # be lost without anybody knowing.
        self._receive: Iterator[None] = iter(())
        self._arrived: list[bytes] = []  # what is being handed over; none before, `b""` at the end
        self._end: OSError | None = None  # a reset, which follows what can still be received
        # Does the socket block, but for no more than a moment? `None`: not tried, for that takes
        # 13 µs, and an answer that comes in one piece needs it not.
        self._quick: bool | None = None

    @property
    def whole(self) -> bool:
        return not (any(self._arrived) or self._unsent)

    async def connect(self, host: str, port: int, uds: str | None) -> None:
        self._call(self._dial, _known_addresses(host, port, uds) or _resolved(host, port))

    def _dial(self, addresses: list[Any]) -> None:
        _run(_connect, self, addresses)
        self._receive = map(self._arrived.append, map(self._sock.recv, repeat(_READ)))

    async def further(self, running: list[_Connecting], until: float) -> bool:
        """Wait until one of the sockets may have got further; `False` if `until` came first."""
        self._sock = running[-1].sock  # to shut down one of them wakes who waits for any
        if self.closed:
            raise _Closed
        socks = [attempt.sock for attempt in running if attempt.begun]
        most = until - monotonic() if socks else _SHORT
        return self._wait(socks, _OUT, most) != 0 or not socks

    def drop(self, sock: socket.socket) -> None:
        with self._lock:
            sock.close()

    def _wait(self, socks: list[socket.socket], events: int, most: float = inf) -> int:
        """Wait for one of `events`, at most so many seconds; those there are, 0 if there are none
        or the wire was ended meanwhile.

        When the time is over, the sockets are looked at once more: a process may have been stopped
        for longer than that. What was waited counts though the clock stands still, as it does in
        tests that freeze it.
        """
        now = monotonic()
        limit = self.deadline(now)
        until = min(limit, now + most)
        left = until - now
        while True:
            pause = left if _WAKES else min(left, _SLICE)
            ready = _poll(socks, events, pause)
            if ready or self.closed or self._stopped:
                return ready
            if left <= 0:
                if until < limit:
                    return 0
                raise self.too_late()
            left = min(until - monotonic(), left - pause)

    async def send(self, data: bytes) -> None:
        """All, unless the server has something to say before; then the rest goes out later."""
        self._unsent = memoryview(bytes(self._unsent) + data)
        self._call(self._push)

    def _push(self) -> None:
        """Send until something can be received: a server may answer before it has read the request
        (RFC 9112, 9.5), and may then close.
        """
        sock, ready = self._sock, _OUT
        try:
            while self._unsent and ready and not ready & _IN:
                with _Ignored(BlockingIOError):
                    sent = sock.send(self._unsent, getattr(socket, "MSG_DONTWAIT", 0))
                    self._unsent, self.until = self._unsent[sent:], inf  # a sign of life
                if self._unsent:
                    ready = self._wait([sock], _IN | _OUT)
        except (BrokenPipeError, ConnectionResetError) as error:
            if not _is_systems(error):
                raise
            # What was answered before can still be received. Behind it stands the peer's end, if
            # the pipe is broken; if not, the system tells of the reset only here.
            self._unsent, self._quick = memoryview(b""), False
            self._end = None if isinstance(error, BrokenPipeError) else error.with_traceback(None)

    def recv_now(self) -> bytes:
        """What arrives next, `b""` at the end. The first moment of silence is left to the system
        where it can: to poll() before each recv() is a sixth of what a lone event costs.
        """
        arrived = self._arrived
        if not arrived:  # the wait before was broken off, so its limit is the one to look at
            return self._call(self._take)
        self.until = inf
        arrived.clear()  # what was there has been taken, for its reader asks for more
        if self._quick and self.expires is None and not self._unsent:
            self._inside = True  # as in `_call`, written out for what is done with every event
            try:
                if not self.closed:
                    next(self._receive)
            except BlockingIOError as error:  # the moment is over
                if not _is_systems(error):
                    raise
            finally:
                self._inside = False
                if self.closed:
                    self._close()
            if arrived and not self.closed:
                return arrived[0]
        return self._call(self._take)

    def _take(self) -> bytes:
        sock = self._sock
        if self.expires is not None:
            self.check(monotonic())
        if self._unsent:
            self._push()
        if self._quick is None and self.expires is None:
            self._quick = self._make_quick(sock)
        while self._wait([sock], _IN):
            with _Ignored(BlockingIOError):  # the system thought better of it
                next(self._receive)
                if self._end is not None and not self._arrived[0]:
                    raise _end_of(self)
                return self._arrived[0]
        return b""  # stopped

    def _make_quick(self, sock: socket.socket) -> bool:
        with _Ignored(OSError):
            if _QUICK:
                timeval = bytes(8) + int(_MOMENT * 1e6).to_bytes(8, sys.byteorder)  # a struct
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
                sock.setblocking(True)
                return os.get_blocking(sock.fileno())  # gevent's sockets only look so
        return False

    def stop(self) -> None:
        self._stopped = True
        if _WAKES and self._sock is not None and self._process == os.getpid():
            with self._lock:  # against a close, after which the descriptor may be another's
                _shut_down(self._sock)

    def interrupt(self) -> None:
        self.closed = True
        if self._sock is None:
            return
        if self._process != os.getpid():
            self._sock.close()  # without a lock, which another thread may have held while forking
            return
        with self._lock:
            _shut_down(self._sock)
            if not self._inside:
                self._sock.close()

    def _close(self) -> None:
        if self._sock is not None:
            self.drop(self._sock)


class _Wakeup:
    """What a task waits for, again and again: to asyncio's tasks a future, but without a result.

    Most of what an event costs that is flushed alone is the way from the socket to the task. With a
    Future that way leads through the loop's next turn, in which the loop first asks the system for
    news. `now` runs the task at once, inside `data_received`, where no task is running: that is a
    fifth less CPU for each such event (26 instead of 32 µs). tests/test_wires.py has the same
    class in terms of `asyncio.Future`, and runs the same scenarios with it.

    A task takes for a future what has `_asyncio_future_blocking` (asyncio.isfuture), and uses
    `get_loop`, `add_done_callback`, `result` and `cancel`.
    """

    __slots__ = (
        "_asyncio_future_blocking", "_callback", "_context", "_current_task", "_loop", "_nested",
    )  # fmt: skip

    def __init__(self, loop: Any) -> None:
        self._current_task = asyncio.current_task
        self._loop = loop
        self._nested = hasattr(loop, "_nest_patched")  # nest_asyncio: tasks may run the loop
        self._asyncio_future_blocking = False
        self._callback: Any = None  # of the task that waits
        self._context: Any = None

    def __await__(self) -> Generator[Any, None, None]:
        if self._callback is not None:  # one of the two would wait for ever
            raise RuntimeError("another task is waiting for this connection")
        self._asyncio_future_blocking = True
        yield self

    def waiting(self) -> bool:
        return self._callback is not None

    def now(self) -> None:
        """Run the task that waits. To be called by the loop alone."""
        callback = self._callback
        if self._nested or self._current_task(self._loop) is not None:
            self.soon()  # what runs this, or another task, could not be entered twice
        elif callback is not None:
            self._callback = None
            self._context.run(callback, self)

    def soon(self) -> None:
        """Have the loop run the task in its next turn."""
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)

    def get_loop(self) -> Any:
        return self._loop

    def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
        self._callback, self._context = callback, context

    result = type(None)  # it returns None, too, and is no frame to enter

    def cancel(self, msg: Any = None) -> bool:
        """Wake the task; `False` says that it is to raise CancelledError in that step by itself."""
        self.soon()
        return False


def _running_loop() -> Any:
    global asyncio  # loaded now, also for what runs on the loop below
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("the asynchronous functions run on asyncio's event loop") from None


_abandoned: list[Any] = []  # transports that must not be finalized


class _AsyncWire(_Wire):
    """A connection on asyncio, for one task, which others may end. It is its own protocol, without
    the base class, so that asyncio is not loaded for the sake of it.

    The task that connects or receives waits for `_wakeup` and for nothing that `interrupt` or the
    timer could cancel: a cancellation that it sees is the caller's.
    """

    __slots__ = (
        "_buffer", "_end", "_loop", "_sock", "_timer", "_transport", "_wakeup", "whole",
    )  # fmt: skip

    def __init__(self, expires: float | None) -> None:
        super().__init__(expires)
        self._loop = _running_loop()
        self._wakeup = _Wakeup(self._loop)
        self.whole = True
        self._sock: socket.socket | None = None
        self._transport: Any = None
        self._buffer = b""
        # What follows the buffer: `None`, more; `b""`, the peer's end; or why there is no more.
        self._end: BaseException | bytes | None = None
        self._timer: Any = None  # looks at `until`, sometimes earlier: to set one costs a read

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if hasattr(transport, "max_size"):
            transport.max_size = _READ  # asyncio asks for so much that memory is mapped each time

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        self.until = inf
        if len(self._buffer) > _READ:  # nobody takes it: slow the sender down
            self._transport.pause_reading()
        self._wakeup.now()

    def eof_received(self) -> None:
        self._end = self._end or b""
        self._wakeup.soon()

    def connection_lost(self, error: BaseException | None) -> None:
        self._transport = None  # of no use any more, not even to be closed
        if self._end is None:  # what comes first: to send more after the peer's end may fail
            self._end = error or b""
        self._wakeup.soon()

    def pause_writing(self) -> None:
        pass  # a request's body is in memory anyway

    resume_writing = pause_writing

    # What the protocol calls.

    async def connect(self, host: str, port: int, uds: str | None) -> None:
        await _connect(self, _known_addresses(host, port, uds) or await self._resolve(host, port))
        sock: Any = self._sock
        try:
            await self._loop.create_connection(lambda: self, sock=sock)
        except BaseException:
            with _Ignored(OSError):  # uvloop closes the descriptor, but not the socket
                sock.close()
            raise
        self._raise_end()  # and the caller releases the transport that there is now

    async def _resolve(self, host: str, port: int) -> list[Any]:
        try:
            looking = self._loop.run_in_executor(None, _resolved, host, port)
        except RuntimeError as error:
            if str(error) != "can't start new thread" or _is_from_handler(error):
                raise  # it is the end of all threads
            raise OSError("no thread can be started to look up its address") from error
        looking.add_done_callback(lambda _: self._wakeup.soon())
        try:
            while True:
                if looking.done():
                    return looking.result()  # type: ignore[no-any-return]
                await self._woken()
        finally:
            if not looking.cancel() and not looking.cancelled():
                looking.exception()  # has been seen

    def drop(self, sock: socket.socket) -> None:
        sock.close()

    @staticmethod
    def now() -> float:
        return _running_loop().time()  # type: ignore[no-any-return]

    async def further(self, running: list[_Connecting], until: float) -> bool:
        """As in the other wire."""
        loop, watched, timer = self._loop, [], None
        try:
            for attempt in running:
                try:
                    if attempt.begun:
                        loop.add_writer(attempt.sock.fileno(), self._wakeup.now)
                        watched.append(attempt.sock.fileno())
                except NotImplementedError:  # Windows' default loop: look from time to time
                    pass
            look = until if len(watched) == len(running) else min(until, loop.time() + _SHORT)
            if look < inf:
                timer = loop.call_at(look, self._wakeup.soon)
            await self._woken()
            return loop.time() + _TICK < until  # type: ignore[no-any-return]
        finally:
            if timer is not None:
                timer.cancel()
            for descriptor in watched if not self._orphaned() else ():
                loop.remove_writer(descriptor)

    async def send(self, data: bytes) -> None:
        if self.closed:
            raise _Closed
        if self._transport is not None:  # else the server may have answered before: recv tells
            self._transport.write(data)

    async def recv(self) -> bytes:
        self.whole = True  # what was handed over before has been taken
        if self.expires is not None:
            self.check(self._loop.time())
        while not self._buffer:
            if self._end is not None or self.closed:
                self._raise_end()
                return b""
            await self._news()
        self.whole = False
        data, self._buffer = self._buffer, b""
        if len(data) > _READ and self._transport is not None:
            self._transport.resume_reading()
        return data

    async def _woken(self) -> None:
        """Wait for news of a connect; raise what ended the wire."""
        self._raise_end()
        await self._news()
        self._raise_end()

    def _news(self) -> _Wakeup:
        """To be awaited: what happens next, the end of the time for it included. If that has come
        before, the loop looks at what has arrived; then it is over, though nobody waits so long.
        """
        now = self._loop.time()
        until = self.deadline(now)
        over = until <= now
        look = now + 2 * _TICK if over else until
        if self._timer is not None and look < self._timer.when():
            self._timer.cancel()
            self._timer = None
        if self._timer is None and look < inf:
            self._timer = self._loop.call_at(look, self, over)
        return self._wakeup

    def _raise_end(self) -> None:
        if isinstance(self._end, BaseException):
            self.interrupt()
            raise _end_of(self)
        if self.closed:
            raise _Closed

    def __call__(self, again: bool = False) -> None:
        """The timer calls. A method bound to the wire would be one more object to be collected."""
        self._timer = None
        if self.until == inf or self._end is not None or not (again or self._wakeup.waiting()):
            return
        if self.until - self._loop.time() > _TICK:
            self._timer = self._loop.call_at(self.until, self)
        elif not again:  # the process may have been stopped: let the loop look once more
            self._timer = self._loop.call_later(2 * _TICK, self, True)
        else:
            self._end = self.too_late()
            self.interrupt()

    def stop(self) -> None:
        if self._orphaned() or self._sock is None:
            return
        if _WAKES:
            _shut_down(self._sock)
        else:  # when the loop has looked at the socket once more
            self._loop.call_later(2 * _TICK, self.eof_received)

    def _orphaned(self) -> bool:
        """Is this another process than the loop's, or is the loop closed? In a forked child the
        selector is the parent's too: what it forgets here, the parent never hears of again.
        """
        return os.getpid() != self._process or self._loop.is_closed()

    def interrupt(self) -> None:
        self.closed, self._buffer = True, b""
        if self._orphaned():
            # Nobody is there to close the socket, and the transport would warn of it.
            if self._sock is not None and self._sock.fileno() >= 0:
                socket.close(self._sock.detach())  # whatever else refers to the socket
            if hasattr(self._transport, "_sock"):
                self._transport._sock = None
            elif self._transport is not None:
                _abandoned.append(self._transport)  # uvloop's, whose finalizer asks the selector
            self._transport = None
            return
        if self._loop.is_running() and asyncio._get_running_loop() is not self._loop:
            self._loop.call_soon_threadsafe(self.interrupt)  # it was dropped in another thread
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if self._wakeup.waiting():  # from a signal handler, the loop has to be woken as well
            self._loop.call_soon_threadsafe(self._wakeup.now)

    async def release(self) -> None:
        self.interrupt()
        if not self._orphaned():
            await _Turn()  # the transport closes its socket in the loop's next turn


class _Turn:
    """To be awaited: one turn of the loop, as `asyncio.sleep(0)`, without asyncio."""

    def __await__(self) -> Generator[None, None, None]:
        yield


# --- responses ----------------------------------------------------------------------------------


def _run(function: Callable[..., Coroutine[Any, None, _T]], *arguments: Any) -> _T:
    """Call a coroutine function over a blocking wire: it never suspends, one step ends it. That is
    a step of the interpreter, too, so no signal handler can leave a coroutine that has not begun,
    of which Python would warn.
    """
    try:
        next(map(methodcaller("send", None), starmap(function, [arguments])))
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

    def feed(self, data: bytes) -> list[str]:
        """The lines that end in `data`; with `b""`, the end of the body, what is left. Raises
        `BodyError` for a line without end, rather than keep more and more of it.
        """
        if self._cr:  # so there is no line yet
            data = data.removeprefix(b"\n")
        elif self._line and not data:
            data = b"\n"
        self._cr = data.endswith(b"\r")
        first, *others = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._line += first
        if len(self._line) > _MAX_LINE:
            raise BodyError(f"a line is longer than {_MAX_LINE >> 20} MiB; iter_bytes() reads on")
        if not others:
            return []
        lines: list[bytes | bytearray] = [self._line, *others[:-1]]
        self._line = bytearray(others[-1])
        return [line.decode("utf-8", "replace") for line in lines]


async def _joined_pieces(read: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
    """All that `read` gives, to the first that is empty."""
    pieces = []
    while piece := await read():
        pieces.append(piece)
    return b"".join(pieces)


class _Answer:
    """What both responses have: the head, and the body once it was read."""

    def __init__(self, exchange: Exchange, parser: ResponseParser, request: Request) -> None:
        self._exchange = exchange
        self.status_code, self.reason = parser.status_code, parser.reason
        self.http_version, self.headers = parser.http_version, parser.headers
        self.url, self._hops, self.via = str(request.url), request.hops, exchange.via
        self._content: bytes | None = None
        self._begun = False

    def __getstate__(self) -> dict[str, Any]:
        """A pickled response has no connection, and of the body what was read."""
        return {**vars(self), "_exchange": type(self._exchange)(), "_begun": True}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.url.partition('?')[0]}>"

    def limit(self, seconds: float | None, each: bool = False) -> None:
        """Bound all reads of the body to come, together or `each`: then `RequestTimeout`."""
        self._exchange.limit(seconds, each)

    @property
    def ok(self) -> bool:
        """Is the status 2xx?"""
        return 200 <= self.status_code < 300

    @property
    def hops(self) -> tuple[str, ...]:
        """The URLs that led here, itself the last; see `Response`."""
        return self._hops or (_shown(self.url.partition("?")[0], 200),)

    @property
    def route(self) -> str:
        """How the answer came, for messages: redirects, a proxy; empty if there were none."""
        redirects = f"[redirected: {_way(self._hops)}]" if self._hops else ""
        proxy = f"[through the proxy {self.via}]" if self.via else ""
        return f"{redirects} {proxy}".strip()

    def raise_for_status(self) -> None:
        """Raise `StatusError` for every status of 400 and above.

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
            read = self._begin()
            try:
                self._content = await _joined_pieces(read)
            finally:
                await self._exchange.release()
        return self._content


class Response(_Answer):
    """An answer whose body arrives when asked for, once; a context manager.

    `status_code`, `reason`, `http_version`, `headers`; `url`, the final one, without user-info and
    fragment; `hops`, the URLs that led there, itself the last, without queries and cut short, with
    a note where a redirect changed the method; `via`, the proxy (host:port) that may have given the
    answer itself, which it cannot behind a tunnel (https).
    """

    def iter_bytes(self) -> Iterator[bytes]:
        """The decoded body in pieces as they arrive: once, or, if it was read and so is kept, as
        often as wanted.

        Raises `BodyError` if it is cut, `RequestTimeout` on silence, `ProtocolError` for a coding
        that cannot be decoded (br, zstd), `ConnectError` after `close()`, `RuntimeError` if it was
        already iterated over.
        """
        read = self._begin()
        while data := _run(read):
            yield data

    def iter_lines(self) -> Iterator[str]:
        """`iter_bytes` by lines without their ends (LF, CR, CRLF), in UTF-8, each as soon as it is
        complete. A line over 64 MiB is a `BodyError`.
        """
        read, lines, data = self._begin(), _Lines(), None
        while data != b"":
            data = _run(read)
            yield from lines.feed(data)

    def read(self) -> bytes:
        """All of the body, however large; kept as `content`. `RuntimeError` if it was already
        iterated over.
        """
        return _run(self._read)

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
        read, lines, data = self._begin(), _Lines(), None
        while data != b"":
            data = await read()
            for line in lines.feed(data):
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


# --- one request and its answer ----------------------------------------------------------------


class Exchange:
    """One request and its answer, redirects and proxies included, over blocking sockets.

    The methods are coroutines that never suspend; `interrupt` and `stop` may be called from any
    thread and from signal handlers. Whatever is lost is raised as an `HTTPClientError`; what a
    signal handler raises comes out as it is.
    """

    _new_wire: Any = _BlockingWire
    _new_response: Callable[..., Any] = Response
    _turn: Callable[..., Any] | None = None
    via = ""  # the proxy whose answer this is
    _wire: Any = None

    def __init__(
        self, verify: Any = True, proxy: str | None = None,
        uds: str | os.PathLike[str] | None = None, follow_redirects: bool = True,
        idle_timeout: float | None = None, max_redirects: int = 20,
        application: Callable[[Request, float | None], Any] | None = None,
    ) -> None:  # fmt: skip
        self._application = application  # in-process: makes what takes the place of a wire
        self._verify, self._proxy = verify, proxy
        self._uds = None if uds is None else os.fspath(uds)
        self._max_redirects = max_redirects if follow_redirects else -1
        self._idle = idle_timeout
        self._stream: Any = None  # the wire, or TLS over it
        self._parser: Any = None  # of the answer, once its head is there
        self._interrupted = False

    async def open(self, request: Request, timeout: float | None = None) -> Any:
        """Send, wait for the head of the answer, `timeout` seconds in all, return the response. An
        error closes all.
        """
        expires = None if timeout is None else self._new_wire.now() + timeout
        most, confined = self._max_redirects, self._uds is not None or self._application is not None
        try:
            while True:
                parser = await self._ask(request, timeout, expires)
                follow = request.redirected(parser, most, confined)
                if follow is None:
                    break
                await self._wire.release()
                request = follow
            self._parser, self._wire.expires, self._wire.idle = parser, None, self._idle
            return self._new_response(self, parser, request)
        except GeneratorExit:  # nobody will go on, so nothing can be awaited
            self.interrupt()
            raise
        except BaseException:
            await self.release()
            raise

    async def _ask(
        self, request: Request, timeout: float | None, expires: float | None
    ) -> ResponseParser:
        if self._application is not None:
            self._wire = self._stream = self._application(request, expires)
            return await self._head(request.method)
        url, route = request.url, _Route(request.url, self._proxy, self._uds)
        try:
            context = _context(self._verify) if url.scheme == "https" else None
            wire = self._wire = self._stream = self._new_wire(expires)
            if self._interrupted:
                raise _Closed
            await wire.connect(route.peer.host, route.peer.port, self._uds)
            route.connected = True
            if route.proxy is not None and url.scheme == "https":
                await wire.send(route.tunnel_request())
                route.enter_tunnel(await self._head("CONNECT"))
            self.via = "" if route.proxy is None else route.proxy.authority
            if context is not None:
                self._stream = _TLS(wire, context, url.host)
                await self._stream.handshake()
            await self._stream.send(request.encode(route.proxy))
            return await self._head(request.method)
        except OSError as error:
            if not _is_from_handler(error):
                route.explain(error, timeout)
            raise

    async def _head(self, method: str) -> ResponseParser:
        parser = ResponseParser(method)
        while not parser.status_code:
            parser.feed(await self._stream.recv())
        return parser

    async def read(self) -> bytes:
        """The next piece of the body, as it arrives; `b""` at the end, after the connection's."""
        parser, data = self._parser, None
        if parser.pending:
            if self._wire.closed:  # what had arrived is not for who closed it
                raise _Closed
            if parser.coding and self._turn is not None:
                # Little may be decoded for long: let others run. Meanwhile nothing can be lost.
                self._wire.whole = True
                await self._turn()
                self._wire.whole = False
            data = parser.read()
        while data is None:
            try:
                arrived = await self._stream.recv()
            except OSError as error:
                if not self._over(error):
                    raise
                arrived = b""
            data = parser.receive(arrived)
        if data:
            return data  # type: ignore[no-any-return]
        await self._wire.end()  # which may raise what an application does after its answer
        return b""

    def read_now(self) -> bytes | None:
        """`read` without a coroutine, which blocks; `None`: nothing as yet, go on with `read`."""
        if self._parser.pending:
            return None
        try:
            arrived = self._stream.recv_now()
        except OSError as error:
            if not self._over(error):
                raise
            arrived = b""
        return self._parser.receive(arrived)  # type: ignore[no-any-return]

    def _over(self, error: OSError) -> bool:
        """Is the body complete, though the connection was lost or TLS cut? Raises the `BodyError`
        that is made of a loss if it is not.
        """
        lost = _is_systems(error)
        cut = isinstance(error, BodyError) and not _is_from_handler(error)
        if self._parser.complete and (lost or cut):
            return True
        if lost:
            raise BodyError(f"the connection was lost: {_reason(error)}") from error
        return False

    @property
    def whole(self) -> bool:
        """After an exception from outside came out of a call (a signal handler's, a cancellation):
        is no byte lost, so that reading can go on? If not, the connection is of no use any more.
        """
        return self._parser is not None and self._wire.whole

    def limit(self, seconds: float | None, each: bool = False) -> None:
        """Bound all reads to come together, or `each`: seconds from now, or of silence."""
        self._wire.until = inf
        if each:
            self._wire.idle = seconds
        else:
            self._wire.expires = None if seconds is None else self._new_wire.now() + seconds

    def stop(self) -> None:
        """Let reads end after what has arrived; before the answer's head, as `interrupt`."""
        if self._parser is None:
            self.interrupt()
        else:
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
    """The same on asyncio; `interrupt`, `stop` are for tasks and signal handlers of its thread."""

    _new_wire, _new_response, _turn = _AsyncWire, AsyncResponse, _Turn

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        wire = self._wire
        if wire is None or wire.closed:
            return
        self.interrupt()  # else the loop would keep the connection for ever
        if not ending() and wire._process == os.getpid():
            from warnings import warn

            warn("an AsyncResponse was not closed", ResourceWarning, source=self, stacklevel=2)


def check(verify: Any, proxy: Any, uds: Any, *seconds: Any) -> None:
    """Raise `ValueError` or `TypeError` now for what `Exchange` could not use."""
    for number in seconds:
        good = isinstance(number, (int, float)) and 0 < number <= 1e6 and number is not True
        if number is not None and not good:
            limits = "seconds above 0, at most 1e6, or None for no limit"
            raise InvalidRequestError(f"timeout, idle_timeout are {limits}")
    if not isinstance(proxy, (str, type(None))):
        raise TypeError(f"proxy is a string such as 'http://host:3128', not {type(proxy).__name__}")
    if not isinstance(uds, (str, type(None), os.PathLike)):
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
    """The URL with these added to its query: `None` is left out, a list comes once per member."""
    from urllib.parse import urlencode

    pairs = []
    for name, values in _pairs("params", params):
        values = [*values] if hasattr(values, "__next__") else values
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
        try:  # in ASCII, which can carry all that json() ever returned: lone surrogates, too
            content = dumps(json, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"json= cannot be encoded: {error}") from None
    if params and isinstance(url, str):
        url = _with_params(url, params)
    check(verify, proxy, uds, timeout, idle_timeout)
    if isinstance(max_redirects, bool) or not isinstance(max_redirects, int) or max_redirects < 0:
        raise InvalidRequestError("max_redirects is a number, 0 or more")
    if not isinstance(follow_redirects, bool):
        kind = type(follow_redirects).__name__
        raise TypeError(f"follow_redirects is True or False, not {kind}")
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
    return _run(partial(_request, Exchange, method, url, **options))  # type: ignore[no-any-return]


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


# --- web applications called in-process ----------------------------------------------------------

_GRACE = 0.5  # seconds to return after the answer, when the client has gone, when cancelled


def _answer_head(status: Any, headers: Any, kind: Any) -> bytes:
    """The head of an application's answer, whose header lines are of a `kind`, `str` or `bytes`.

    What HTTP could not carry is the application's error, raised where it hands it over: `TypeError`
    or `RuntimeError`. Without Transfer-Encoding: chunks are the server's business (RFC 9112, 6.1),
    and here there are none.
    """
    if not re.fullmatch(r"[2-9][0-9][0-9](?: [\t -~\x80-\xff]*)?", str(status)):
        raise RuntimeError(f"the application's status {str(status)!r:.40} is none of an answer")
    lines, lengths = [f"HTTP/1.1 {status}"], set()
    for name, value in headers:
        if not (isinstance(name, kind) and isinstance(value, kind)):
            kinds = f"{type(name).__name__} and {type(value).__name__}, not {kind.__name__}"
            raise TypeError(f"the application's header {name!r:.40} is of {kinds}")
        name, value = (p.decode("latin-1") if kind is bytes else p for p in (name, value))
        value = value.strip(" \t")
        if not _only(_TOKEN, name):
            raise RuntimeError(f"the application's header {name!r:.40} has no valid name")
        if not _is_field_value(value):
            raise RuntimeError(f"the application's header {name} {_UNCARRIED}")
        if name.lower() == "content-length":
            lengths.add(value)
            if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", value):
                raise RuntimeError("the application's Content-Length is not one number of bytes")
        if name.lower() != "transfer-encoding":
            lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _failed(error: BaseException) -> RuntimeError:
    """For an application's OSError, which would look like a lost connection of the caller's."""
    failed = RuntimeError(f"the application failed: {type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed


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
        exchange = Exchange(application=self._wire)
        request = Request(method, url, headers, content)
        return _run(exchange.open, request, timeout)  # type: ignore[no-any-return]

    def _wire(self, request: Request, expires: float | None) -> _WSGIWire:
        import io
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
        for name, value in _joined(request.lines()).items():  # RFC 3875, 4.1.18
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
        return _WSGIWire(self.app, environ, expires)


class _WSGIWire(_ThreadWire):
    """A call of the application, which runs when something is to be received."""

    def __init__(self, app: Callable[..., Any], environ: Any, expires: float | None) -> None:
        super().__init__(expires)
        self._started = self._sent = False
        self.whole = True  # not while the application runs, which an exception ends for good
        self._ready: list[bytes] = []  # the head, and what is written, go before the next piece
        self._pieces: Iterator[bytes] = filter(None, self._run(app, environ))

    def _run(self, app: Callable[..., Any], environ: Any) -> Iterator[bytes]:
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

    def recv_now(self) -> bytes:
        self.whole = False
        try:
            data: bytes = self._call(next, self._pieces, b"")
        except (OSError, EOFError) as error:
            if self.closed or _is_from_handler(error):
                raise
            raise _failed(error) from error
        self.whole = True
        if self.expires is not None and monotonic() > self.expires:
            raise self.too_late()
        if not self._started:
            raise RuntimeError("the application did not call start_response")
        self._sent = True
        return data

    async def end(self) -> None:
        """After all of the answer: the application runs to its end, or to a piece too many."""
        if not self.closed:
            self.recv_now()
        self.interrupt()

    def _close(self) -> None:
        result = self.__dict__.pop("_result", None)  # in one step: of two threads one closes it
        self._pieces = iter(())  # which refer to this wire: nothing waits for the garbage collector
        if hasattr(result, "close"):
            try:
                result.close()
            except (OSError, EOFError) as error:
                if _is_from_handler(error):
                    raise
                raise _failed(error) from error


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
        self._state: dict[str, Any] = {}
        self._lifespan: Any = None
        self._asked: Any = None  # what the application is to be told, and what it has told
        self._told: Any = None

    async def __call__(
        self, method: str, url: str, *, headers: Any = None, content: bytes | None = None,
        timeout: float | None = None,
    ) -> AsyncResponse:  # fmt: skip
        request = Request(method, url, headers, content)
        opening = AsyncExchange(application=self._wire).open(request, timeout)
        return await opening  # type: ignore[no-any-return]

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
        return _ASGIWire(self.app, scope, request.content or b"", expires)

    async def __aenter__(self) -> ASGITransport:
        from asyncio import Queue

        self._state, self._asked, self._told = {}, Queue(), Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        lifespan = _Application(self.app, scope, self._asked.get, self._told.put)
        lifespan.task.add_done_callback(lambda _: self._told.put_nowait(None))
        self._lifespan = lifespan
        try:
            if not await self._event("startup"):
                self._lifespan = None
        except BaseException:
            await lifespan.release()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        lifespan = self._lifespan
        if lifespan is None:
            return
        try:
            await self._event("shutdown")
        finally:
            await lifespan.release()
        lifespan.check()

    async def _event(self, event: str) -> bool:
        """Tell the application; `False` if it has ended without a word."""
        self._asked.put_nowait({"type": f"lifespan.{event}"})
        message = await self._told.get()
        if message is None:
            error = self._lifespan.error()
            if error and (event == "shutdown" or self._asked.empty()):
                raise error  # else it did not know what it was called for
            return False
        if message["type"] == f"lifespan.{event}.failed":
            await self._lifespan.release()
            why = f"the application's {event} failed: {message.get('message', '')}"
            raise RuntimeError(why) from self._lifespan.error()
        if message["type"] != f"lifespan.{event}.complete":
            raise _misplaced(message, f"lifespan.{event}.complete")
        return True


def _misplaced(message: Any, due: str) -> RuntimeError:
    return RuntimeError(f"the application sent {message['type']!r} where {due!r} is due")


_running: set[Any] = set()  # the loop does not hold tasks


class _Application:
    """A call of an ASGI application, in a task, and what it has come to."""

    def __init__(self, app: Callable[..., Any], scope: Any, receive: Any, send: Any) -> None:
        async def call() -> None:
            await app(scope, receive, send)

        self.task = _running_loop().create_task(call())
        self._cancelled = False
        _running.add(self.task)
        self.task.add_done_callback(_running.discard)

    def error(self) -> BaseException | None:
        """What it raised, if it has ended."""
        ended = self.task.done() and not self.task.cancelled()
        error = self.task.exception() if ended else None
        if isinstance(error, (OSError, EOFError)) and not _is_from_handler(error):
            return _failed(error)
        return error

    def check(self) -> None:
        error = self.error()
        if error is not None:
            raise error

    def dismiss(self) -> None:
        """It is cancelled if it goes on for long; what it raises does not matter."""
        timer = self.task.get_loop().call_later(_GRACE, self._cancel)
        self.task.add_done_callback(lambda _: timer.cancel())
        self.task.add_done_callback(lambda _: self.error())

    def _cancel(self) -> None:
        if not self._cancelled:  # a second one would break off what it does because of the first
            self._cancelled = True
            self.task.cancel()

    async def release(self, answered: bool = False) -> None:
        """`dismiss` it, unless it has answered, and wait for its end, but not for long. Who is
        cancelled meanwhile, once or in each turn, as anyio's scopes do it, is so at the end.
        """
        if not answered:
            self.dismiss()
        loop, cancelled = self.task.get_loop(), None
        until = loop.time() + (_GRACE if answered else 2 * _GRACE)
        while not self.task.done() and (left := until - loop.time()) > 0:
            try:
                await asyncio.wait({self.task}, timeout=left)
            except asyncio.CancelledError as error:
                if cancelled is None and not answered:
                    self._cancel()
                    until = loop.time() + _GRACE
                cancelled = error
                if answered:
                    break
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                del cancelled  # it refers to this frame


class _ASGIWire(_AsyncWire):
    """An application in the place of a server. To the wire it is the transport, which brings what
    the application sends, each piece when the one before was taken, and is aborted at the end.
    """

    def __init__(self, app: Any, scope: Any, body: bytes, expires: float | None) -> None:
        super().__init__(expires)
        self._transport = self
        self._request: Any = {"type": "http.request", "body": body, "more_body": False}
        self._due = "http.response.start"
        self._answered = False  # it has sent all of its answer
        self._gone = asyncio.Event()  # the client
        self._taken = asyncio.Event()  # what was sent last
        self._application = _Application(app, scope, self._receive, self._send)
        self._application.task.add_done_callback(self._returned)

    async def _receive(self) -> Any:
        if self._request is None:
            await self._gone.wait()
            return {"type": "http.disconnect"}  # however often it is asked
        request, self._request = self._request, None
        return request

    async def _send(self, message: Any) -> None:
        if self.closed:
            raise ConnectionResetError("the client has gone")  # as ASGI 2.4 has it
        data = b""
        if message["type"] == "http.response.start":
            status = message["status"]
            status = int(status) if isinstance(status, int) else status  # of an enumeration, too
            data = _answer_head(status, message.get("headers", ()), bytes)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            if not isinstance(body, (bytes, bytearray, memoryview)):
                raise TypeError(f"the application's body is {type(body).__name__}, not bytes")
            data = bytes(body)
            self._answered = self._answered or not message.get("more_body")
        self._taken.clear()
        if self._end is None:  # else there is nobody to take what it still sends
            if message["type"] != self._due:
                self._end = _misplaced(message, self._due)
            elif data:
                self.data_received(data)
            self._due = "http.response.body"
            if self._answered or self._end is not None:
                self.eof_received()
        await (self._taken.wait() if self._buffer else _Turn())
        if self._answered:
            self._gone.set()

    def _returned(self, task: Any) -> None:
        if self.closed:
            return  # if it has answered, the loop tells what it raises and nobody has seen
        error = self._application.error()
        if error is None and not self._answered:
            error = BodyError("the application ended before its answer was complete")
            if self._due == "http.response.start":
                error = RuntimeError("the application returned without an answer")
        self._end = self._end or error  # what it raises counts behind the end of its answer, too
        self.connection_lost(error)

    async def recv(self) -> bytes:
        data = await super().recv()
        self._taken.set()
        return data

    pause_reading = resume_reading = _AsyncWire.pause_writing  # it waits until its piece is taken

    def abort(self) -> None:
        """The client has gone. The application is told, and cancelled if it goes on, unless it has
        answered: what it does then in the background is left to it.
        """
        self._transport = None
        self._gone.set()
        self._taken.set()
        if not self._answered:
            self._application.dismiss()

    async def end(self) -> None:
        """After all of the answer: the application has its time to return."""
        if self.closed:
            return
        self._buffer = b""
        self.eof_received()
        self._taken.set()
        application = self._application
        await asyncio.wait({application.task}, timeout=_GRACE)
        if application.task.done():
            self.closed = True
            application.check()
        elif self._answered:
            self.interrupt()
        else:
            await self.release()

    async def release(self) -> None:
        if self._answered and self.closed:
            return  # it had its time
        self.interrupt()
        await self._application.release(self._answered)


# --- other libraries' clients --------------------------------------------------------------------


def transport_of(client: Any, asynchronous: bool) -> Callable[..., Any]:
    """What sends for `connect`, or for `async_connect` if `asynchronous`, given as `transport=`.

    The clients of other libraries become a function `transport(method, url, *, headers, content,
    timeout)` that sends by them and returns their own answer, its body not yet read:
    `requests.Session` and `niquests.Session`, `httpx.Client` and `AsyncClient`, the same of httpx2,
    `niquests.AsyncSession`, `aiohttp.ClientSession`, and what derives from these. They are known
    by their classes, nothing is imported. Any other callable is returned as it is.

    The request goes the client's own way: its authentication, base URL, cookies, hooks, pool,
    proxies and mocks hold, and what a derived class makes of `request()` (of httpx, `stream()`).
    Redirects are followed. Headers of a request go before those of the client, as in those
    libraries; a name that comes twice is one line for requests and niquests. Of the client's own
    time limits those for connecting, sending and for a place in its pool hold beside `timeout`
    (httpx, httpx2; for aiohttp `connect` and `sock_connect`). What it limits in reading, or in all,
    does not, since it would end streams that are quiet: for clients that block `timeout` stands in
    its place, until the head has come.

    Raises `TypeError` that says what to give instead: for a class in the place of its instance,
    for what is for the other world, for a bare ASGI or WSGI application, for what is not callable.
    """
    name, world, send = _recognized(client)
    if world is None:
        if callable(client):
            return client  # type: ignore[no-any-return]
        known = ", ".join(".".join(key) for key in _CLIENTS if _CLIENTS[key][0] is asynchronous)
        ours = "ASGITransport(app) or a coroutine" if asynchronous else "WSGITransport(app) or a"
        hint = ""
        if hasattr(client, "handle_request") or hasattr(client, "handle_async_request"):
            hint = "; such a part of httpx goes into its Client or AsyncClient(transport=...)"
        raise TypeError(f"transport= takes {known}, {ours} function transport(method, url, *, "
                        f"headers, content, timeout), not {name}{hint}")  # fmt: skip
    if isinstance(client, type):
        raise TypeError(f"transport= takes an instance of {name}, not the class")
    if world != asynchronous:
        right, wrong = ("async_connect", "connect") if world else ("connect", "async_connect")
        raise TypeError(f"transport={name} is for {right}(), not for {wrong}()")
    return partial(send, client) if send else client


def _recognized(client: Any) -> tuple[str, bool | None, Any]:
    """Its name; is it for asyncio (`None`: nobody can tell); what sends by it, if it does not do
    that itself. Raises `TypeError` for a bare application.
    """
    kind = client if isinstance(client, type) else type(client)
    for base in kind.__mro__:
        if base in (ASGITransport, WSGITransport):
            return base.__name__, base is ASGITransport, None
        key = base.__module__.partition(".")[0], base.__name__
        if key in _CLIENTS:
            return ".".join(key), *_CLIENTS[key]
    # The code that a call runs, if it is Python's; of what a decorator wraps, if it says so.
    function = client if hasattr(client, "__code__") else type(client).__call__
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    parameters = code.co_varnames[: code.co_argcount] if code else ()
    for last, world, name in ((("receive", "send"), "async_connect", "ASGI"),
                              (("start_response",), "connect", "WSGI")):  # fmt: skip
        if parameters[-len(last) :] == last:
            raise TypeError(f"transport= is a bare {name} application: {world}() takes "
                            f"transport={name}Transport(app)")  # fmt: skip
    if code and code.co_flags & 0x80:  # inspect.CO_COROUTINE
        return "a coroutine function", True, None
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}", None, None


def _send_by_requests(
    session: Any, method: str, url: str, *, headers: Any, content: Any, timeout: float | None
) -> Any:
    """By requests and niquests, whose headers are a mapping. A limit for the next byte would end a
    quiet stream, where `connect` is not there to lift it: in niquests' asynchronous session.
    """
    joined = _joined(_pairs("headers", headers))
    limits = (timeout, None) if hasattr(session, "__aenter__") else timeout
    return session.request(method, url, headers=joined, data=content, timeout=limits, stream=True)


def _send_by_httpx(
    client: Any, method: str, url: str, *, headers: Any, content: Any, timeout: float | None
) -> Any:
    pairs = _pairs("headers", headers)
    lines = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    own, read = client.timeout, None if hasattr(client, "aclose") else timeout
    connect, write, pool = (
        min((limit for limit in (its, timeout) if limit is not None), default=None)
        for its in (own.connect, own.write, own.pool)
    )
    limits = (connect, read, write, pool)
    how = {"headers": lines, "content": content, "timeout": limits}
    if type(client).stream.__module__.partition(".")[0] not in ("httpx", "httpx2"):
        opening = client.stream(method, url, follow_redirects=True, **how)
        return (_aleft_open if hasattr(client, "aclose") else _left_open)(opening)
    return client.send(client.build_request(method, url, **how), stream=True, follow_redirects=True)


def _left_open(opening: Any) -> Any:
    """The answer that the `stream()` of a derived class brings, which may authenticate, say. The
    `with` block that it is for would close it; that is left to whom it is handed over to.
    """
    with opening as response:
        response.close = lambda: None
    del response.close
    return response


async def _aleft_open(opening: Any) -> Any:
    async def nothing() -> None: ...

    async with opening as response:
        response.aclose = nothing
    del response.aclose
    return response


def _send_by_aiohttp(
    session: Any, method: str, url: str, *, headers: Any, content: Any, timeout: float | None
) -> Any:
    own = session.timeout
    limits = type(own)(total=None, connect=own.connect, sock_connect=own.sock_connect)
    lines = [(name, _as_utf8(value)) for name, value in _pairs("headers", headers)]
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
