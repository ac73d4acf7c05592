"""Proxies, given or found in the environment. The proxies here answer for any host, so no name is ever resolved."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import sys
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from httpclient import (
    ConnectError,
    HTTPClientError,
    InvalidRequestError,
    ProxyError,
    RequestTimeout,
)
from sse import SSEHTTPError
from tests.server import (
    CA,
    Connection,
    Script,
    Server,
    answer,
    redirect,
    refused_port,
    silent,
    stream,
    unanswered_port,
)
from tests.worlds import World, in_all_ways, in_both_worlds, patiently

PROXIED = answer("data: proxied\n\n")
DIRECT = answer("data: direct\n\n")


def tunnel(reply: str = "HTTP/1.1 200 Connection established\r\n\r\n") -> Script:
    """The script of a proxy that is asked to CONNECT and of the server behind it."""

    def script(conn: Connection) -> None:
        conn.send(reply)
        conn.start_tls()
        conn.read_request()
        conn.send(PROXIED)

    return script


def basic(user_and_password: str) -> str:
    return "Basic " + base64.b64encode(user_and_password.encode()).decode()


def with_user(url: str, user: str) -> str:
    return url.replace("://", f"://{user}@")


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    with mock.patch.dict(os.environ, variables):
        yield


@in_all_ways
class Given(World):
    def test_http(self) -> None:
        with Server(PROXIED) as proxy:
            url = "http://user:pass@service.test:8080/path?q=1#fragment"
            result = self.fetch(url, proxy=proxy.url, headers={"X-Api-Key": "k"})
            self.assertEqual(result.data, ["proxied"])
        request = proxy.requests[0]
        self.assertEqual((request.method, request.target), ("GET", "http://service.test:8080/path?q=1"))
        self.assertEqual(request.header("Host"), "service.test:8080")
        self.assertEqual(request.header("Authorization"), basic("user:pass"))
        self.assertEqual(request.header("X-Api-Key"), "k")
        self.assertNotIn("proxy-authorization", request.names())

    def test_targets(self) -> None:
        for url, target, host in (
            ("http://service.test", "http://service.test/", "service.test"),
            ("http://service.test:80/a", "http://service.test/a", "service.test"),
            ("http://SERVICE.test?x", "http://service.test/?x", "service.test"),
            ("http://[2001:db8::1]:81/", "http://[2001:db8::1]:81/", "[2001:db8::1]:81"),
            ("http://bücher.test/é", "http://xn--bcher-kva.test/%C3%A9", "xn--bcher-kva.test"),
        ):
            with self.subTest(url), Server(PROXIED) as proxy:
                self.fetch(url, proxy=proxy.url)
                self.assertEqual((proxy.requests[0].target, proxy.requests[0].header("Host")), (target, host))

    def test_https(self) -> None:
        with Server(tunnel()) as proxy:
            options: dict[str, Any] = {"verify": CA, "headers": {"Authorization": "t", "X-Api-Key": "k"}}
            result = self.fetch("https://localhost/path?q=1", proxy=proxy.url, **options)
            self.assertEqual(result.data, ["proxied"])
        connect, request = proxy.requests
        self.assertEqual((connect.method, connect.target), ("CONNECT", "localhost:443"))
        self.assertEqual(connect.header("Host"), "localhost:443")
        self.assertTrue({"authorization", "x-api-key"}.isdisjoint(connect.names()))
        self.assertEqual((request.method, request.target), ("GET", "/path?q=1"))
        self.assertEqual((request.header("Host"), request.header("X-Api-Key")), ("localhost", "k"))

    def test_answers_to_connect(self) -> None:
        for reply in (
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: x\r\n\r\n",
        ):
            with self.subTest(reply), Server(tunnel(reply)) as proxy:
                self.assertEqual(self.fetch("https://[::1]:4433/", proxy=proxy.url, verify=CA).data, ["proxied"])
                self.assertEqual(proxy.requests[0].target, "[::1]:4433")

    def test_an_ipv6_zone_is_none_of_its_business(self) -> None:
        with Server(tunnel()) as proxy:
            self.fetch("https://[::1%25eth0]/", proxy=proxy.url, verify=CA)
            self.assertEqual((proxy.requests[0].target, proxy.requests[0].header("Host")), ("[::1]:443", "[::1]:443"))

    def test_certificates_are_those_of_the_target(self) -> None:
        with Server(tunnel()) as proxy, self.assertRaises(HTTPClientError) as caught:
            self.fetch("https://service.test/", proxy=proxy.url, verify=CA)
        self.assertNotIsInstance(caught.exception, ProxyError)

    def test_basic_authentication(self) -> None:
        for user, value in (
            ("user:pass", basic("user:pass")),
            ("us%3Aer:p%40ss%2F", basic("us:er:p@ss/")),
            ("user", basic("user:")),
            ("us%C3%A9r:%E2%9C%93", basic("usér:✓")),
        ):
            with self.subTest(user), Server(PROXIED) as proxy:
                self.fetch("http://service.test/", proxy=with_user(proxy.url, user))
                self.assertEqual(proxy.requests[0].header("Proxy-Authorization"), value)
            with self.subTest(user), Server(tunnel()) as proxy:
                self.fetch("https://localhost/", proxy=with_user(proxy.url, user), verify=CA)
                connect, request = proxy.requests
                self.assertEqual(connect.header("Proxy-Authorization"), value)
                self.assertNotIn("proxy-authorization", request.names())

    def test_credentials_that_are_no_utf_8(self) -> None:
        """As Python gives them out of an environment that is not in the locale's encoding."""
        for user, octets in (("us:p\udce4ss", b"us:p\xe4ss"), ("\udce4%E4é", b"\xe4\xe4\xc3\xa9:"),
                             ("\ud800:\udce4", "\ud800:\udce4".encode("utf-8", "surrogatepass"))):  # fmt: skip
            value = "Basic " + base64.b64encode(octets).decode()
            with self.subTest(ascii(user)), Server(PROXIED) as proxy:
                self.fetch(with_user("http://service.test/", user), proxy=with_user(proxy.url, user))
                for name in ("Authorization", "Proxy-Authorization"):
                    self.assertEqual(proxy.requests[0].header(name), value)
        with Server(PROXIED) as proxy, environment(HTTP_PROXY=with_user(proxy.url, "us:p\udce4ss")):
            self.fetch("http://service.test/\udce4")
            value = "Basic " + base64.b64encode(b"us:p\xe4ss").decode()
            self.assertEqual(proxy.requests[0].header("Proxy-Authorization"), value)
            self.assertEqual(proxy.requests[0].target, "http://service.test/%E4")

    def test_none(self) -> None:
        with Server(DIRECT) as server, Server() as proxy:
            with environment(HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url):
                self.assertEqual(self.fetch(server.url, proxy="").data, ["direct"])

    def test_given_it_overrides_the_environment(self) -> None:
        with Server(PROXIED) as proxy, Server() as other:
            with environment(HTTP_PROXY=other.url, NO_PROXY="*"):
                self.assertEqual(self.fetch("http://service.test/", proxy=proxy.url).data, ["proxied"])

    def test_redirects_go_through_it(self) -> None:
        with Server(redirect("http://other.test/there"), PROXIED) as proxy:
            result = self.fetch("http://service.test/", proxy=with_user(proxy.url, "a:b"))
            self.assertEqual(result.url, "http://other.test/there")
        self.assertEqual(proxy.requests[1].target, "http://other.test/there")
        self.assertEqual(proxy.requests[1].header("Proxy-Authorization"), basic("a:b"))


@in_all_ways
class Failing(World):
    def test_a_tunnel_refused_is_the_fault_of_the_proxy(self) -> None:
        for name, script in {
            "authentication": answer("who are you", status="407 Proxy Authentication Required"),
            "forbidden": answer("no", status="403 Forbidden"),
            "bad gateway": answer("no route", status="502 Bad Gateway"),
            "redirect": redirect("http://login.test/"),
            "closed": b"",
            "garbage": b"nope\r\n\r\n",
            "reset": lambda conn: conn.reset(),
        }.items():
            with self.subTest(name), Server(script) as proxy:
                with self.assertRaises(ProxyError) as caught:
                    self.fetch("https://service.test/", proxy=proxy.url)
                error = caught.exception
                self.assertIsInstance(error, ConnectError)
                self.assertIn("proxy", str(error).lower())
                if isinstance(script, bytes) and b" 4" in script[:10]:
                    self.assertIn(script[9:12].decode(), str(error))

    def test_a_proxy_that_is_not_there(self) -> None:
        port = refused_port()
        for url in ("http://service.test/", "https://service.test/"):
            with self.subTest(url), self.assertRaises(ProxyError) as caught:
                self.fetch(url, proxy=f"http://127.0.0.1:{port}")
            self.assertIn("proxy", str(caught.exception).lower())
            self.assertIn(f"127.0.0.1:{port}", str(caught.exception))

    def test_a_proxy_that_never_answers(self) -> None:
        for url in ("http://service.test/", "https://service.test/"):
            with self.subTest(url), Server(silent) as proxy:
                with self.assertRaises(RequestTimeout) as caught:
                    self.fetch(url, proxy=proxy.url, timeout=0.05)
                self.assertIn(f"the proxy {proxy.authority}", str(caught.exception))

    @unittest.skipUnless(sys.platform == "linux", "other systems do not leave a full backlog unanswered")
    def test_a_proxy_that_cannot_be_connected_to(self) -> None:
        with unanswered_port() as port, self.assertRaises(RequestTimeout) as caught:
            self.fetch("https://service.test/", proxy=f"127.0.0.1:{port}", timeout=0.05)
        self.assertIn(f"the proxy 127.0.0.1:{port}", str(caught.exception))

    def test_what_fails_behind_a_tunnel_has_the_name_of_the_server(self) -> None:
        def ends(name: str, secure: bool) -> Script:
            def script(conn: Connection) -> None:
                conn.send("HTTP/1.1 200 OK\r\n\r\n")
                if secure:
                    conn.start_tls()
                    conn.read_request()
                getattr(conn, name)()

            return script

        for secure in (False, True):
            for name in ("cut", "reset", "stall"):

                def scenario(factor: int, name: str = name, secure: bool = secure) -> None:
                    timeout = 0.1 * factor if name == "stall" else 20.0
                    error = RequestTimeout if name == "stall" else ConnectError
                    with Server(ends(name, secure)) as proxy:
                        with self.assertRaises(error) as caught:
                            options = {"proxy": proxy.url, "verify": CA, "timeout": timeout}
                            self.fetch("https://localhost:8443/", **options)
                        self.assertIn("localhost:8443", str(caught.exception))
                        self.assertNotIn(proxy.authority, str(caught.exception))

                with self.subTest(name, secure=secure):
                    patiently(scenario)

    def test_a_malformed_one_is_said_to_be_the_proxy(self) -> None:
        for proxy in ("http://user:s3cret@proxy:port", "http://", "127.0.0.1:99999", "user:s3://cret@host", "a b"):
            for variables in ({}, {"HTTP_PROXY": proxy}, {"all_proxy": proxy}):
                with self.subTest(proxy, **variables), environment(**variables):
                    with self.assertRaises(InvalidRequestError) as caught:
                        self.fetch("http://service.test/", proxy=None if variables else proxy)
                    text = str(caught.exception)
                    self.assertRegex(text, f"the proxy .*{' '.join(variables) or 'proxy='}")
                    self.assertNotRegex(text, "s3|cret")

    def test_blanks_around_its_address(self) -> None:
        for blanks in ("  {}  ", "\t{}"):
            with Server(PROXIED, repeat=True) as proxy:
                for address in (proxy.url, proxy.authority):
                    text = blanks.format(address)
                    self.assertEqual(self.fetch("http://service.test/", proxy=text).data, ["proxied"])
                    with environment(HTTP_PROXY=text):
                        self.assertEqual(self.fetch("http://service.test/").data, ["proxied"])
        with Server(DIRECT) as server:
            self.assertEqual(self.fetch(server.url, proxy=" ").data, ["direct"])

    def test_a_server_that_fails_behind_a_proxy_is_no_fault_of_the_proxy(self) -> None:
        def cut(conn: Connection) -> None:
            conn.send("HTTP/1.1 200 OK\r\n\r\n")
            conn.start_tls()
            conn.read_request()
            conn.cut()

        with Server(cut) as proxy, self.assertRaises(ConnectError) as caught:
            self.fetch("https://localhost/", proxy=proxy.url, verify=CA)
        self.assertNotIsInstance(caught.exception, ProxyError)

    def test_other_kinds_are_refused_by_name(self) -> None:
        for scheme in ("socks4", "socks5", "socks5h", "https"):
            for options, variables in (
                ({"proxy": f"{scheme}://user:s3cret@proxy.test:1080"}, {}),
                ({}, {"ALL_PROXY": f"{scheme}://user:s3cret@proxy.test:1080"}),
            ):
                with self.subTest(scheme, **variables), environment(**variables):
                    with self.assertRaises((HTTPClientError, ValueError)) as caught:
                        self.fetch("http://service.test/", **options)
                    text = str(caught.exception)
                    self.assertIn(scheme, text.lower())
                    self.assertNotIn("s3cret", text)


@in_both_worlds
class StatusOfProxies(World):
    def test_of_plain_requests(self) -> None:
        """Nothing tells whether the proxy or the server gave it."""
        for status in (407, 502):
            with Server(answer("no", status=f"{status} x"), repeat=True) as proxy:
                self.assertEqual(self.get("http://service.test/", proxy=proxy.url).status_code, status)
                with self.assertRaises(SSEHTTPError) as caught:
                    with self.connect("http://service.test/", proxy=proxy.url):
                        pass
                self.assertEqual(caught.exception.status_code, status)

    def test_a_proxy_is_asked_anew_at_each_attempt(self) -> None:
        with Server(b"", stream("data: x\n\n"), answer(status="204 x")) as proxy:
            with self.connect("http://service.test/", proxy=proxy.url) as client:
                self.assertEqual(len(list(client)), 1)
        self.assertEqual({request.target for request in proxy.requests}, {"http://service.test/"})


@in_both_worlds
class Environment(World):
    def answers(self, server: Server, proxy: Server, url: str = "", **variables: str) -> str:
        with environment(**variables):
            return self.fetch(url or server.url).data[0]

    def test_variables(self) -> None:
        with Server(DIRECT, repeat=True) as server, Server(PROXIED, repeat=True) as proxy:
            without_scheme = proxy.authority
            for variables, expected in (
                ({}, "direct"),
                ({"HTTP_PROXY": proxy.url}, "proxied"),
                ({"http_proxy": proxy.url}, "proxied"),
                ({"ALL_PROXY": proxy.url}, "proxied"),
                ({"all_proxy": proxy.url}, "proxied"),
                ({"HTTP_PROXY": without_scheme}, "proxied"),
                ({"HTTPS_PROXY": proxy.url, "https_proxy": proxy.url}, "direct"),
                ({"HTTP_PROXY": ""}, "direct"),
                ({"HTTP_PROXY": proxy.url, "NO_PROXY": ""}, "proxied"),
                ({"HTTP_PROXY": proxy.url, "REQUEST_METHOD": "GET"}, "direct"),
                ({"http_proxy": proxy.url, "REQUEST_METHOD": "GET"}, "proxied"),
            ):
                with self.subTest(**variables):
                    self.assertEqual(self.answers(server, proxy, **variables), expected)

    def test_variables_for_https(self) -> None:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            with self.subTest(name), Server(tunnel()) as proxy, environment(**{name: proxy.url}):
                self.assertEqual(self.fetch("https://localhost/", verify=CA).data, ["proxied"])
        with Server(DIRECT, tls=True) as server, environment(HTTP_PROXY="http://127.0.0.1:1"):
            self.assertEqual(self.fetch(server.url, verify=CA).data, ["direct"])

    def test_no_proxy_for_an_address(self) -> None:
        with Server(DIRECT, repeat=True) as server, Server(PROXIED, repeat=True) as proxy:
            for value, expected in (
                ("127.0.0.1", "direct"),
                (f"127.0.0.1:{server.port}", "direct"),
                (f"127.0.0.1:000000{server.port}", "direct"),
                ("127.0.0.1:1", "proxied"),
                ("127.0.0.0/8", "direct"),
                ("127.0.0.1/32", "direct"),
                ("127.0.0.2/32", "proxied"),
                ("10.0.0.0/8, 127.0.0.0/24", "direct"),
                ("10.0.0.0/8", "proxied"),
                ("127.0.0", "proxied"),
                ("7.0.0.1", "proxied"),
                (".0.0.1", "proxied"),
                ("::1,localhost", "proxied"),
                ("127.0.0.0/99,nonsense/8,[,]", "proxied"),
                ("*", "direct"),
                (f"*:{server.port}", "direct"),
                ("*:1", "proxied"),
                (" a.test , 127.0.0.1 ", "direct"),
            ):
                for name in ("NO_PROXY", "no_proxy"):
                    with self.subTest(value, name=name):
                        variables = {"HTTP_PROXY": proxy.url, name: value}
                        self.assertEqual(self.answers(server, proxy, **variables), expected)

    def test_no_proxy_for_an_ipv6_address(self) -> None:
        with Server(DIRECT, repeat=True, family="ipv6") as server, Server(PROXIED, repeat=True) as proxy:
            for value, expected in (
                ("::1", "direct"),
                ("[::1]", "direct"),
                ("0:0:0:0:0:0:0:1", "direct"),
                (f"[::1]:{server.port}", "direct"),
                ("[::1]:1", "proxied"),
                ("::/64", "direct"),
                ("::1/128", "direct"),
                ("fd00::/8", "proxied"),
                ("1", "proxied"),
                ("127.0.0.0/8", "proxied"),
            ):
                with self.subTest(value):
                    self.assertEqual(self.answers(server, proxy, HTTP_PROXY=proxy.url, NO_PROXY=value), expected)

    def test_no_proxy_for_a_name(self) -> None:
        lookup = socket.getaddrinfo

        def numeric_only(host: Any, *args: Any, **options: Any) -> Any:
            if host != "127.0.0.1":
                raise socket.gaierror(socket.EAI_NONAME, "not to be resolved")
            return lookup(host, *args, **options)

        with Server(PROXIED, repeat=True) as proxy, mock.patch("socket.getaddrinfo", numeric_only):
            for value, url, is_direct in (
                ("service.test", "http://service.test/", True),
                ("service.test", "http://sub.service.test/", True),
                ("service.test", "http://otherservice.test/", False),
                ("service.test", "http://service.test.other/", False),
                (".service.test", "http://sub.service.test/", True),
                (".service.test", "http://otherservice.test/", False),
                ("*.service.test", "http://sub.service.test/", True),
                ("SERVICE.Test", "http://service.TEST/", True),
                ("service.test:80", "http://service.test/", True),
                ("service.test:8080", "http://service.test:8080/", True),
                ("service.test:8080", "http://service.test/", False),
                ("a.test,  service.test", "http://service.test/", True),
                ("test", "http://service.test/", True),
                ("est", "http://service.test/", False),
                ("", "http://service.test/", False),
                ("bücher.test", "http://bücher.test/", True),
                ("*.BÜCHER.test:80", "http://sub.xn--bcher-kva.test/", True),
                ("xn--bcher-kva.test", "http://bücher.test/", True),
                (".cher.test,ü,faß.test,\udce4", "http://bücher.test/", False),
            ):
                with self.subTest(ascii(value), url=url), environment(HTTP_PROXY=proxy.url, NO_PROXY=value):
                    if is_direct:
                        with self.assertRaises(ConnectError) as caught:
                            self.fetch(url)
                        self.assertNotIsInstance(caught.exception, ProxyError)
                    else:
                        self.assertEqual(self.fetch(url).data, ["proxied"])

    def test_it_is_looked_up_for_every_hop(self) -> None:
        with Server(DIRECT) as server, Server(redirect(server.url)) as proxy:
            with environment(HTTP_PROXY=proxy.url, NO_PROXY="127.0.0.1"):
                self.assertEqual(self.fetch("http://service.test/").data, ["direct"])

    def test_a_unix_socket_needs_no_proxy(self) -> None:
        with Server(DIRECT, family="unix") as server, environment(HTTP_PROXY="http://127.0.0.1:1"):
            self.assertEqual(self.fetch("http://localhost/", uds=server.path).data, ["direct"])
