"""Redirects, followed as browsers follow them, and what is not taken along."""

from __future__ import annotations

import socket
import time
import unittest
from typing import Any
from unittest import mock

from httpclient import HTTPClientError, RedirectError, Request
from sse import SSEConnectionError, SSEHTTPError
from tests.server import (
    CA,
    CHUNKED,
    Connection,
    Script,
    Server,
    answer,
    chunk,
    head,
    redirect,
    refused_port,
    stream,
)
from tests.worlds import World, in_all_ways, in_both_worlds

HERE = answer("data: here\n\n")
SECRET_HEADERS = {
    "Authorization": "Bearer t",
    "Cookie": "a=b",
    "Proxy-Authorization": "Basic x",
    "X-Api-Key": "k",
    "X-Goog-Api-Key": "k",
    "Referer": "http://here/",
    "Origin": "http://here",
}
SAFE_HEADERS = {
    "Accept": "text/event-stream, */*",
    "Accept-Encoding": "gzip",
    "Accept-Language": "de",
    "Cache-Control": "no-store",
    "User-Agent": "me/1",
    "Last-Event-ID": "7",
}


def moved(location: str) -> Script:
    """A redirect to a place that may be named relative to `{authority}`, that of the server itself."""
    return lambda conn: conn.send(redirect(location.format(authority=conn.server.authority)))


@in_all_ways
class Following(World):
    def test_codes(self) -> None:
        for code in (301, 302, 303, 307, 308):
            with self.subTest(code), Server(redirect("/there", f"{code} x"), HERE) as server:
                result = self.fetch(server.url + "/", headers={"X-Api-Key": "k"})
                self.assertEqual((result.data, result.status_code), (["here"], 200))
                self.assertEqual(result.url, server.url + "/there")
                self.assertEqual(server.requests[1].header("X-Api-Key"), "k")

    def test_methods_and_bodies(self) -> None:
        """POST becomes GET for 301 and 302, anything for 303; nothing else changes."""
        for code in (301, 302, 303, 307, 308):
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
                to_get = code == 303 or (method == "POST" and code in (301, 302))
                body = b"" if method == "GET" else b"body"
                options: dict[str, Any] = {"content": body, "headers": {"Content-Type": "a/b"}} if body else {}
                with self.subTest(code, method=method), Server(redirect("/there", f"{code} x"), HERE) as server:
                    self.fetch(server.url + "/", method=method, **options)
                    request = server.requests[1]
                    self.assertEqual(request.method, "GET" if to_get else method)
                    self.assertEqual(request.body, b"" if to_get else body)
                    kept = bool(body) and not to_get
                    self.assertEqual(request.header("Content-Type"), "a/b" if kept else None)
                    self.assertEqual(request.header("Content-Length"), "4" if kept else None)

    def test_targets(self) -> None:
        for location, target in (
            ("there", "/a/there"),
            ("/there", "/there"),
            ("../there", "/there"),
            ("./there/", "/a/there/"),
            ("?y=2", "/a/b?y=2"),
            ("/there?y=%20#fragment", "/there?y=%20"),
            ("/a/../there", "/there"),
            ("//{authority}/there", "/there"),
            ("http://{authority}/there", "/there"),
            ("HTTP://{authority}", "/"),
            ("http://{authority}?y=2", "/?y=2"),
            ("http://user:pass@{authority}/there", "/there"),
            ("/th ere", "/th%20ere"),
            ("/%C3%A9%2f", "/%C3%A9%2f"),
            ("/é?ü=✓", "/%C3%A9?%C3%BC=%E2%9C%93"),
            (" /there\t", "/there"),
        ):
            with self.subTest(location), Server(moved(location), HERE) as server:
                self.assertEqual(self.fetch(server.url + "/a/b?x=1").data, ["here"])
                request = server.requests[1]
                self.assertEqual(request.target, target)
                self.assertNotIn("authorization", request.names())

    def test_the_body_of_a_redirect_is_not_waited_for(self) -> None:
        def script(conn: Connection) -> None:
            conn.send(head(CHUNKED, "Location: /there", status="302 Found"), chunk("moved"))
            conn.stall()

        with Server(script, HERE) as server:
            self.assertEqual(self.fetch(server.url).data, ["here"])
            server.wait_gone(1)

    def test_to_another_origin_only_the_safe_headers_go_along(self) -> None:
        with Server(HERE) as there, Server(redirect(there.url + "/there")) as server:
            url = server.url.replace("://", "://user:pass@")
            self.fetch(url, headers={**SECRET_HEADERS, **SAFE_HEADERS})
            self.assertEqual(server.requests[0].header("X-Api-Key"), "k")
            request = there.requests[0]
            self.assertEqual(request.names() - {"host", "connection"}, {name.lower() for name in SAFE_HEADERS})
            for name, value in SAFE_HEADERS.items():
                self.assertEqual(request.header(name), value)
            self.assertEqual(request.header("Host"), there.authority)

    def test_user_info_gives_no_credentials_to_another_origin(self) -> None:
        with Server(HERE) as there, Server(redirect(there.url.replace("://", "://a:b@"))) as server:
            self.fetch(server.url.replace("://", "://user:pass@"))
            self.assertIn("authorization", server.requests[0].names())
            self.assertNotIn("authorization", there.requests[0].names())

    def test_user_info_stays_within_the_origin(self) -> None:
        with Server(redirect("/there"), HERE) as server:
            self.fetch(server.url.replace("://", "://user:pass@"))
            self.assertEqual(len({request.header("Authorization") for request in server.requests}), 1)
            self.assertIn("authorization", server.requests[1].names())

    def test_the_host_header_of_the_caller_stays_with_its_origin(self) -> None:
        with Server(HERE) as there, Server(redirect(there.url)) as server:
            self.fetch(server.url, headers={"Host": "virtual.example"})
            self.assertEqual(server.requests[0].header("Host"), "virtual.example")
            self.assertEqual(there.requests[0].header("Host"), there.authority)

    def test_a_body_does_not_go_to_another_origin(self) -> None:
        for code in (307, 308):
            with Server() as there, Server(redirect(there.url, f"{code} x")) as server:
                with self.assertRaises(RedirectError):
                    self.fetch(server.url, method="POST", content=b"secret")
        with Server(HERE) as there, Server(redirect(there.url, "303 x")) as server:
            self.fetch(server.url, method="POST", content=b"secret")
            self.assertEqual((there.requests[0].method, there.requests[0].body), ("GET", b""))

    def test_refused(self) -> None:
        for location in (
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/event-stream,data:x",
            "http://",
            "http://[::1",
            "http://127.0.0.1:port/",
            "http://127.0.0.1:99999/",
            "http://ho st/",
            "http://fa\u00df.de/",
            "http://a..b/",
            "http://%/",
            "http://127.0.0.1\\@127.0.0.1/",
            "http://[fe80::1%25" + "a" * 100 + "]/",
        ):
            with self.subTest(location), Server(redirect(location)) as server:
                with self.assertRaises(RedirectError) as caught:
                    self.fetch(server.url)
                self.assertIs(caught.exception.fatal, True)

    def test_control_characters_do_not_get_through(self) -> None:
        for location in (b"/a\x01b", b"/a\x7fb", b"/a\tb", b"/\xff\xfe", b"/a\x1bb", b"http://h\x01/", b"/a\x85b"):
            moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % location
            with self.subTest(location), Server(moved, HERE) as server:
                try:
                    self.fetch(server.url)
                except HTTPClientError as error:
                    self.assertNotIsInstance(error, ValueError)  # that is for what the caller did
                for request in server.requests[1:]:
                    self.assertTrue(request.target.isascii() and request.target.isprintable(), request.target)

    def test_loops(self) -> None:
        for locations in (["/"], ["/a", "/"]):
            scripts = [redirect(location) for location in locations * 30]
            with self.subTest(locations), Server(*scripts) as server:
                with self.assertRaises(RedirectError) as caught:
                    self.fetch(server.url + "/")
                self.assertLessEqual(len(server.requests), 21)
                self.assertIs(caught.exception.fatal, True)

    def test_of_many_hops_the_middle_is_left_out(self) -> None:
        scripts = [redirect(f"/hop{n:02}") for n in range(30)]
        with Server(*scripts) as server, self.assertRaises(RedirectError) as caught:
            self.fetch(server.url + "/start")
        text = str(caught.exception)
        for part in ("/start -> ", "/hop01 -> (16 more) -> ", "/hop18 -> ", "/hop19: more than 20"):
            self.assertIn(part, text)
        self.assertNotIn("/hop02", text)
        self.assertNotIn("/hop17", text)

    def test_nor_are_they_beside_a_status(self) -> None:
        scripts = [redirect(f"/hop{n:02}") for n in range(12)]
        with Server(*scripts, answer("no", status="404 Not Found")) as server:
            with self.assertRaises(SSEHTTPError) as caught, self.connect(server.url + "/start"):
                pass
        text = r"/start -> .*/hop01 -> \(8 more\) -> .*/hop10 -> .*/hop11\]"
        self.assertRegex(str(caught.exception), text)

    def test_the_error_names_every_hop_without_secrets(self) -> None:
        hops = ["/one?key=s3cret", "/two?key=s3cret#s3cret", "http://user:s3cret@{authority}/three", "ftp://elsewhere/"]
        with Server(*map(moved, hops)) as server, self.assertRaises(RedirectError) as caught:
            self.fetch(server.url.replace("://", "://user:s3cret@") + "/start?key=s3cret")
        text = str(caught.exception)
        for part in ("/start", "/one", "/two", "/three", "elsewhere"):
            self.assertIn(part, text)
        self.assertNotIn("s3cret", text + repr(caught.exception))

    def test_nor_secrets_of_what_is_no_url(self) -> None:
        for location in (
            "https:/user:s3cret@host/there",
            "http:user:s3cret@host/there",
            "http:user:s3cret@a@host/there",
            "http:\\\\user:s3cret@host/there",
            "http://user:s3/cret@host/there",
            "user:s3cret@host/there",
            "//user:s3cret@host:port/there",
            "ftp://user:s3cret@host/there?s3cret@s3cret",
        ):
            with self.subTest(location), Server(redirect(location)) as server:
                with self.assertRaises(RedirectError) as caught:
                    self.fetch(server.url)
                self.assertIn("host", str(caught.exception))
                self.assertIn("there", str(caught.exception))
                self.assertNotRegex(str(caught.exception), "s3|cret")

    def test_to_where_nobody_listens(self) -> None:
        port = refused_port()
        with Server(redirect(f"http://127.0.0.1:{port}/there")) as server:
            with self.assertRaises(ConnectionError) as caught:
                self.fetch(server.url)
            self.assertIn(str(port), str(caught.exception))

    def test_from_https_to_http_is_refused(self) -> None:
        with Server() as there, Server(redirect(there.url), tls=True) as server:
            with self.assertRaises(RedirectError):
                self.fetch(server.url, verify=CA)

    def test_from_http_to_https(self) -> None:
        with Server(HERE, tls=True) as there, Server(redirect(there.url)) as server:
            result = self.fetch(server.url, verify=CA, headers={"X-Api-Key": "k"})
            self.assertEqual((result.data, result.url), (["here"], there.url + "/"))
            self.assertNotIn("x-api-key", there.requests[0].names())  # another port is another origin

    def test_from_http_to_https_on_the_default_ports_is_no_other_origin(self) -> None:
        """Seen through a proxy, which may take any host to be its own."""

        def secure(conn: Connection) -> None:
            self.assertEqual((conn.request.method, conn.request.target), ("CONNECT", "service.example:443"))
            conn.send("HTTP/1.1 200 OK\r\n\r\n")
            conn.start_tls()
            conn.read_request()
            conn.send(HERE)

        for location, same in (("https://service.example/there", True), ("https://other.example/there", False)):
            tunnel = secure if same else answer(status="403 Forbidden")
            with self.subTest(location), Server(redirect(location), tunnel) as proxy:
                options: dict[str, Any] = {"proxy": proxy.url, "verify": False, "headers": {"X-Api-Key": "k"}}
                if same:
                    self.assertEqual(self.fetch("http://service.example/", **options).data, ["here"])
                    self.assertEqual(proxy.requests[2].header("X-Api-Key"), "k")
                else:
                    with self.assertRaises(HTTPClientError):
                        self.fetch("http://service.example/", **options)

    def test_a_unix_socket_has_no_other_origins(self) -> None:
        with Server(redirect("/there"), HERE, redirect("http://other.example/"), family="unix") as server:
            self.assertEqual(self.fetch("http://localhost/", uds=server.path).data, ["here"])
            with self.assertRaises(RedirectError):
                self.fetch("http://localhost/", uds=server.path)

    def test_certificates_are_checked_at_every_hop(self) -> None:
        with Server(HERE, tls="wrong") as there, Server(redirect(there.url), tls=True) as server:
            with self.assertRaises(HTTPClientError):
                self.fetch(server.url, verify=CA)
        self.assertEqual(there.requests, [])


    def test_on_an_address_with_a_zone(self) -> None:
        family, name = socket.AF_INET6, "fe80::1%eth0"
        with Server(redirect("/there", "307 x"), HERE, family="ipv6") as server:
            found = [(family, socket.SOCK_STREAM, 6, "", ("::1", server.port))]
            with mock.patch("socket.getaddrinfo", return_value=found) as asked:
                url = f"http://[{name.replace('%', '%25')}]:{server.port}/"
                self.assertEqual(self.fetch(url, method="POST", content=b"x").data, ["here"])
            self.assertEqual([call.args[0] for call in asked.call_args_list], [name, name])
            self.assertEqual(server.requests[1].header("Host"), f"[fe80::1]:{server.port}")


@in_both_worlds
class NotFollowing(World):
    def test_statuses_that_are_no_redirects(self) -> None:
        for status in ("300 x", "304 x", "305 x", "306 x", "200 x", "404 x"):
            with self.subTest(status), Server(redirect("/there", status)) as server:
                self.assertEqual(self.get(server.url).status_code, int(status[:3]))

    def test_if_not_wished(self) -> None:
        with Server(redirect("/there")) as server:
            response = self.get(server.url, follow_redirects=False)
            self.assertEqual((response.status_code, response.headers["location"]), (302, "/there"))
        with Server(redirect("/there")) as server:
            with self.assertRaises(SSEHTTPError) as caught, self.connect(server.url, follow_redirects=False):
                pass
            self.assertEqual(caught.exception.status_code, 302)

    def test_limit(self) -> None:
        for limit in (0, 1, 3):
            with self.subTest(limit), Server(*[redirect("/again")] * (limit + 1)) as server:
                with self.assertRaises(RedirectError):
                    self.get(server.url, max_redirects=limit)
                self.assertEqual(len(server.requests), limit + 1)
            with self.subTest(limit), Server(*[redirect("/again")] * limit, HERE) as server:
                self.assertEqual(self.get(server.url, max_redirects=limit).status_code, 200)

    def test_head_stays_head(self) -> None:
        for code in (301, 302, 303, 307, 308):
            with Server(redirect("/there", f"{code} x"), head("Content-Length: 5")) as server:
                self.request("HEAD", server.url)
                self.assertEqual(server.requests[1].method, "HEAD")


class Places(unittest.TestCase):
    """What a `Location` is taken for, without a server."""

    def place(self, url: str, location: str | bytes) -> str:
        location = location.encode() if isinstance(location, str) else location
        return str(Request("GET", url)._location(location.decode("latin-1")))

    def test_references(self) -> None:
        """The examples of RFC 3986, 5.4, and some more: each reference and the target that it leads to."""
        for base, references in (
            (
                "http://a/b/c/d;p?q",
                """g /b/c/g  ./g /b/c/g  g/ /b/c/g/  /g /g  ?y /b/c/d;p?y  g?y /b/c/g?y  #s /b/c/d;p?q  g#s /b/c/g
                g?y#s /b/c/g?y  ;x /b/c/;x  g;x /b/c/g;x  g;x?y#s /b/c/g;x?y  . /b/c/  ./ /b/c/  .. /b/  ../ /b/
                ../g /b/g  ../.. /  ../../ /  ../../g /g  ../../../g /g  ../../../../g /g  /./g /g  /../g /g
                g. /b/c/g.  .g /b/c/.g  g.. /b/c/g..  ..g /b/c/..g  ./../g /b/g  ./g/. /b/c/g/  g/./h /b/c/g/h
                g/../h /b/c/h  g;x=1/./y /b/c/g;x=1/y  g;x=1/../y /b/c/y  g?y/./x /b/c/g?y/./x
                g?y/../x /b/c/g?y/../x  g#s/../x /b/c/g  http://a/../g /g  //a/../g /g  http://a /""",
            ),
            ("http://a/p/https://up/x", "n /p/https://up/n  ../n /p/https://n  ? /p/https://up/x?"),
            ("http://a/x?y", "a//b /a//b  /b; /b;  ? /x?  # /x?y  /a/..//b //b  ./a:b /a:b  /.. /  \\g /%5Cg"),
            ("http://a//x", "?y //x?y  # //x  y //y  /y /y  . //  .. /"),
        ):
            for reference, target in zip(*[iter(references.split())] * 2, strict=True):
                self.assertEqual(self.place(base, reference), f"http://a{target}", (base, reference))

    def test_the_zone_of_an_address_is_kept(self) -> None:
        """Servers do not know it. It is not shown, but connected to."""
        request = Request("GET", "http://[fe80::1%25eth0]:81/a")
        for location, origin in (
            ("/b", request.url.origin),
            ("//[fe80::1]:81/b", request.url.origin),
            ("http://[FE80::1%25lo]:81/b", request.url.origin),
            ("http://[fe80::1]:82/b", ("http", "fe80::1%eth0", 82)),
            ("http://[fe80::2]:81/b", ("http", "fe80::2", 81)),
        ):
            self.assertEqual(request._location(location).origin, origin)

    def test_an_address_is_one_in_each_of_its_spellings(self) -> None:
        url = Request("GET", "http://[0:0::0:1]/").url
        for location in ("http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80/", "http://[::0.0.0.1]/"):
            self.assertEqual(Request("GET", url)._location(location).origin, url.origin)
        self.assertEqual(str(Request("GET", "http://[2001:DB8:0::A]/").url), "http://[2001:db8::a]/")

    def test_bytes_that_are_no_utf_8_stay_what_they_are(self) -> None:
        for location, place in (
            (b"/caf\xe9?q=\xe9", "http://a/caf%E9?q=%E9"),
            (b"/caf\xc3\xa9?q=\xe9", "http://a/caf%C3%A9?q=%E9"),
            (b"/\xed\xa0\x80\xff", "http://a/%ED%A0%80%FF"),
            (b"http://b\xc3\xbccher.test/\xe9", "http://xn--bcher-kva.test/%E9"),
        ):
            self.assertEqual(self.place("http://a/", location), place)
        with self.assertRaises(RedirectError) as caught:
            self.place("http://a/", b"http://b\xfccher.test/")
        self.assertTrue(str(caught.exception).isascii())

    def test_the_longest_are_taken_apart_in_linear_time(self) -> None:
        """Some hundredths of a second each; one with a backtracking pattern takes ten seconds."""
        size = 150_000
        for location in (
            "x:" + size * "/", "x:/" + size * "\\", "x:" + size * "/@", "http://" + size * "@", size * "../",
            "http://" + size * "a:", "http://[" + size * ":", size * "a/", size * "?", size * "\xe9", "x:" + size * "a",
        ):  # fmt: skip
            started = time.process_time()
            try:
                Request("GET", "http://a/" + 1000 * "a/")._location(location)
            except RedirectError as error:
                self.assertLess(len(str(error)), 500)
            self.assertLess(time.process_time() - started, 3, location[:9])


@in_both_worlds
class SecondAttempts(World):
    """A client's second attempt never knows less than its first."""

    def test_after_a_redirect(self) -> None:
        with Server(stream("id: 7\ndata\n\n", end="cut"), stream("data: [DONE]\n\n")) as there:
            hop = redirect(there.url, "303 See Other")
            with Server(hop, hop) as server:
                client = self.connect(
                    server.url.replace("://", "://user:pass@") + "/start?a=1",
                    method="POST",
                    json={"x": 1},
                    params={"b": "2"},
                    headers=SECRET_HEADERS | {"Authorization": "own"},
                    reconnect=True,
                    until=lambda event: event.data == "[DONE]",
                )
                with client:
                    self.assertEqual(len(list(client)), 2)
            first, second = server.requests
            self.assertEqual((first.method, first.target), ("POST", "/start?a=1&b=2"))
            self.assertEqual((second.method, second.target, second.body), (first.method, first.target, first.body))
            self.assertEqual(set(second.headers) - set(first.headers), {("Last-Event-ID", "7")})
            self.assertEqual(set(first.headers) - set(second.headers), set())

    def test_after_a_refused_redirect(self) -> None:
        """What was refused is final for a client, but a further request starts anew."""
        with Server(redirect("ftp://x/"), HERE) as server:
            with self.assertRaises(SSEConnectionError), self.connect(server.url, headers=SECRET_HEADERS):
                pass
            with self.connect(server.url, headers=SECRET_HEADERS) as client:
                self.assertEqual(next(client).data, "here")
        self.assertEqual(*(request.headers for request in server.requests))
