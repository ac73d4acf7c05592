"""https: which certificates are good enough, for whom, and what is said about the others."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
from typing import Any
from unittest import mock

import httpclient
import sse
from httpclient import (
    CertificateError,
    ConnectError,
    HTTPClientError,
    InvalidRequestError,
    ProtocolError,
)
from tests.server import CA, CERTS, Connection, Gone, Server, answer, server_context, stream
from tests.worlds import World, in_all_ways, in_both_worlds

HERE = answer("data: here\n\n")


def client_context(**settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CA)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@in_all_ways
class Certificates(World):
    def test_trusted(self) -> None:
        with Server(HERE, tls=True, repeat=True) as server:
            for verify in (CA, pathlib.Path(CA), str(CERTS / "hashed"), client_context()):
                with self.subTest(verify):
                    self.assertEqual(self.fetch(server.url, verify=verify).data, ["here"])
                    named = server.url.replace("127.0.0.1", "localhost")
                    self.assertEqual(self.fetch(named, verify=verify).data, ["here"])

    def test_an_ipv6_address(self) -> None:
        with Server(HERE, tls=True, family="ipv6") as server:
            self.assertEqual(self.fetch(server.url, verify=CA).data, ["here"])

    def test_not_trusted(self) -> None:
        unknown, other = True, False
        for certificate, verify, issuer in (
            ("server", True, unknown),
            ("selfsigned", True, unknown),
            ("selfsigned", CA, unknown),
            ("expired", CA, other),
            ("wrong", CA, other),
            ("wrong", client_context(), other),
            ("server", str(CERTS / "selfsigned.pem"), unknown),
        ):
            with self.subTest(certificate, verify=verify), Server(HERE, tls=certificate) as server:
                with self.assertRaises(CertificateError) as caught:
                    self.fetch(server.url, verify=verify)
                self.assertIs(caught.exception.fatal, True)
                self.assertIsInstance(caught.exception, ConnectionError)
                self.assertEqual("[verify= takes the file of the CA" in str(caught.exception), issuer is unknown)
                self.assertIn("127.0.0.1", str(caught.exception))
                self.assertEqual(server.requests, [])

    def test_a_name_that_is_not_in_the_certificate(self) -> None:
        with Server(HERE, tls="wrong") as server, self.assertRaises(CertificateError) as caught:
            self.fetch(server.url.replace("127.0.0.1", "localhost"), verify=CA)
        self.assertIn("localhost", str(caught.exception))

    def test_not_checked(self) -> None:
        lax = client_context(check_hostname=False, verify_mode=ssl.CERT_NONE)
        for certificate in ("server", "selfsigned", "expired", "wrong"):
            with Server(HERE, tls=certificate, repeat=True) as server:
                for verify in (False, lax):
                    with self.subTest(certificate, verify=verify):
                        self.assertEqual(self.fetch(server.url, verify=verify).data, ["here"])

    def test_one_that_is_not_checked_does_not_spoil_the_next(self) -> None:
        with Server(HERE, tls="selfsigned", repeat=True) as server:
            self.fetch(server.url, verify=False)
            with self.assertRaises(CertificateError):
                self.fetch(server.url, verify=True)
            self.fetch(server.url, verify=str(CERTS / "selfsigned.pem"))
            with self.assertRaises(CertificateError):
                self.fetch(server.url, verify=CA)

    def test_an_authority_that_is_not_there(self) -> None:
        with Server(HERE, tls=True) as server:
            with self.assertRaises((OSError, ValueError)) as caught:
                self.fetch(server.url, verify="/no/such/file.pem")
            self.assertIn("/no/such/file.pem", str(caught.exception))
        self.assertEqual(server.requests, [])

    def test_a_file_that_is_no_authority(self) -> None:
        with Server(HERE, tls=True) as server:
            with self.assertRaises((OSError, ValueError)) as caught:
                self.fetch(server.url, verify=__file__)
            self.assertIn(os.path.basename(__file__), str(caught.exception))

    def test_client_certificate(self) -> None:
        context = client_context()
        context.load_cert_chain(CERTS / "client.pem")
        with Server(HERE, tls=True, client_ca=True, repeat=True) as server:
            self.assertEqual(self.fetch(server.url, verify=context).data, ["here"])
            with self.assertRaises(HTTPClientError):
                self.fetch(server.url, verify=CA)
        self.assertEqual(len(server.requests), 1)

    def test_a_client_certificate_that_is_missing(self) -> None:
        """In TLS 1.3 the client hears of it after its handshake, in TLS 1.2 in various words."""
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTS / "server.pem")
            context.load_verify_locations(CA)
            context.verify_mode = ssl.CERT_REQUIRED
            context.maximum_version = version

            def script(conn: Connection, context: ssl.SSLContext = context) -> None:
                with contextlib.suppress(Gone):
                    conn.start_tls(context)
                with contextlib.suppress(OSError):  # what a server leaves unread when it closes resets the connection
                    while os.read(conn.sock.fileno(), 65536):
                        pass

            with self.subTest(version), Server(script, read=False) as server:
                with self.assertRaises(HTTPClientError) as caught:
                    self.fetch(f"https://{server.authority}/", verify=CA)
                self.assertIn("client certificate", str(caught.exception))
                if version is ssl.TLSVersion.TLSv1_3:
                    self.assertIsInstance(caught.exception, CertificateError)
                    self.assertIn("load_cert_chain", str(caught.exception))

    def test_a_client_certificate_that_is_not_accepted(self) -> None:
        for description in (42, 43, 44, 45, 46, 48, 116):  # RFC 8446, 6.2

            def script(conn: Connection, description: int = description) -> None:
                conn.read()
                conn.send(bytes([21, 3, 3, 0, 2, 2, description]))
                conn.stall()

            with self.subTest(description), Server(script, read=False) as server:
                with self.assertRaises(CertificateError) as caught:
                    self.fetch(f"https://{server.authority}/", verify=CA)
                self.assertIn("load_cert_chain", str(caught.exception))

    def test_a_context_that_is_for_servers(self) -> None:
        with Server() as server, self.assertRaises(ValueError) as caught:
            self.fetch(f"https://{server.authority}/", verify=server_context("server"))
        self.assertIn("verify", str(caught.exception))
        self.assertEqual(server.connections, [])

    def test_server_name_indication(self) -> None:
        names: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTS / "server.pem")
        context.sni_callback = lambda sock, name, context: names.append(name)  # type: ignore[assignment,misc]

        def script(conn: Connection) -> None:
            conn.start_tls(context)
            conn.read_request()
            conn.send(HERE)

        with Server(script, script, read=False) as server:
            for host in ("localhost", "127.0.0.1"):
                self.fetch(f"https://{host}:{server.port}/", verify=CA)
        self.assertEqual(names, ["localhost", None])

    def test_versions(self) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTS / "server.pem")
            context.minimum_version = context.maximum_version = version

            def script(conn: Connection, context: ssl.SSLContext = context) -> None:
                conn.start_tls(context)
                conn.read_request()
                conn.send(HERE)

            with self.subTest(version), Server(script, read=False) as server:
                self.assertEqual(self.fetch(f"https://{server.authority}/", verify=CA).data, ["here"])

    def test_large_bodies(self) -> None:
        """More than the buffers between hold, in both directions."""
        size = 5_000_000
        with Server(answer("data: " + "x" * size + "\n\n"), tls=True) as server:
            result = self.fetch(server.url, method="POST", content=b"y" * size, verify=CA)
            self.assertEqual((len(result.data[0]), len(server.requests[0].body)), (size, size))

    def test_a_server_that_speaks_no_tls(self) -> None:
        for beginning in (answer(status="400 x"), b"<html></html>", b"SSH-2.0-OpenSSH\r\n"):

            def script(conn: Connection, beginning: bytes = beginning) -> None:
                conn.read()
                conn.send(beginning)
                conn.stall()

            with self.subTest(beginning), Server(script, read=False) as server:
                with self.assertRaises(ProtocolError) as caught:
                    self.fetch(f"https://{server.authority}/")
                self.assertIn("127.0.0.1 does not speak TLS", str(caught.exception))
                self.assertIs(caught.exception.fatal, True)

    def test_a_server_that_closes(self) -> None:
        with Server(lambda conn: None, read=False) as server, self.assertRaises(ConnectError):
            self.fetch(f"https://{server.authority}/")

    def test_a_server_that_speaks_nothing_but_tls(self) -> None:
        with Server(HERE, tls=True) as server, self.assertRaises(HTTPClientError) as caught:
            self.fetch(f"http://{server.authority}/")
        self.assertIsInstance(caught.exception, ConnectionError)

    def test_an_alert_in_the_handshake(self) -> None:
        def script(conn: Connection) -> None:
            conn.read()
            conn.send(bytes([21, 3, 3, 0, 2, 2, 40]))  # a fatal handshake_failure

        with Server(script, read=False) as server, self.assertRaises(HTTPClientError) as caught:
            self.fetch(f"https://{server.authority}/", verify=CA)
        self.assertIsInstance(caught.exception, ConnectionError)

    def test_garbage_in_the_stream(self) -> None:
        """Something between the two writes into the connection."""

        def script(conn: Connection) -> None:
            conn.send(answer("data: x\n\n", "X: y")[:40])
            os.write(conn.sock.fileno(), b"garbage " * 10)
            conn.cut()

        with Server(script, tls=True) as server, self.assertRaises(HTTPClientError) as caught:
            self.fetch(server.url, verify=CA)
        self.assertIsInstance(caught.exception, ConnectionError)


@in_all_ways
class Authorities(World):
    """What is wrong with the certificates of authorities is told, and what to do."""

    def refused(self, url: str, **options: Any) -> str:
        with self.assertRaises(CertificateError) as caught:
            self.fetch(url, **options)
        return str(caught.exception)

    def test_a_company_that_python_3_13_refuses(self) -> None:
        strict = ssl.create_default_context(cafile=CERTS / "company_ca.pem")
        strict.verify_flags |= ssl.VERIFY_X509_STRICT
        lax = ssl.create_default_context(cafile=CERTS / "company_ca.pem")
        lax.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with Server(HERE, tls="company", repeat=True) as server:
            text = self.refused(server.url, verify=strict)
            self.assertIn("context.verify_flags &= ~ssl.VERIFY_X509_STRICT", text)
            self.assertEqual(self.fetch(server.url, verify=lax).data, ["here"])

    def test_a_variable_that_names_nothing(self) -> None:
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            with Server(HERE, tls=True) as server, mock.patch.dict(os.environ, {name: "/none/such"}):
                self.assertIn(f"{name} names '/none/such', which does not", self.refused(server.url))

    def test_a_file_that_may_not_be_read(self) -> None:
        """Told as what it is, and not as something about the server that may pass."""
        refusal = PermissionError(errno.EACCES, "Permission denied")
        with Server(HERE, tls=True) as server, tempfile.NamedTemporaryFile() as file:
            # Who runs this may be allowed to read everything: so it is empty, as for OpenSSL.
            with (
                mock.patch.dict(os.environ, {"SSL_CERT_FILE": file.name, "SSL_CERT_DIR": str(CERTS)}),
                mock.patch("builtins.open", side_effect=refusal),
                mock.patch("os.access", return_value=False),
            ):
                text = self.refused(server.url)
            self.assertIn(f"the CA certificates in '{file.name}' cannot be read", text)
            with (
                mock.patch("ssl.create_default_context", side_effect=refusal),
                self.assertRaises(InvalidRequestError) as caught,
            ):
                self.fetch(server.url, verify=file.name)
            said = os.strerror(errno.EACCES)
            self.assertEqual(str(caught.exception), f"verify='{file.name}' cannot be read: {said}")
            with self.assertRaisesRegex(InvalidRequestError, "is not a file or directory of CA"):
                self.fetch(server.url, verify=file.name)

    def test_none_at_all(self) -> None:
        with Server(HERE, tls=True, repeat=True) as server, tempfile.TemporaryDirectory() as folder:
            empty = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": folder}
            with mock.patch.dict(os.environ, empty):
                self.assertIn("no CA certificates at all", self.refused(server.url))
                # There may be some later: what was made without is not kept.
                (pathlib.Path(folder) / next((CERTS / "hashed").iterdir()).name).write_text(
                    pathlib.Path(CA).read_text()
                )
                self.assertEqual(self.fetch(server.url).data, ["here"])

    def test_without_a_check_none_is_read(self) -> None:
        refuse = mock.patch("ssl.SSLContext.load_default_certs", side_effect=AssertionError)
        none_kept = mock.patch.dict(httpclient._contexts, clear=True)
        with Server(HERE, tls="selfsigned") as server, refuse, none_kept:
            self.assertEqual(self.fetch(server.url, verify=False).data, ["here"])


@in_both_worlds
class Streams(World):
    def test_events_arrive_when_sent(self) -> None:
        def script(conn: Connection) -> None:
            conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for number in range(5):
                conn.send(f"data: {number}\n\n")
                conn.wait(str(number))
            conn.stall()

        with Server(script, tls=True) as server, self.connect(server.url, verify=CA) as client:
            for number in range(5):
                self.assertEqual(next(client).data, str(number))
                server.signal(str(number))

    def test_cut_and_resumed(self) -> None:
        first = stream("id: 1\ndata: x\n\n", end="cut")
        with Server(first, stream("data: y\n\n"), answer(status="204 x"), tls=True) as server:
            with self.connect(server.url, verify=CA) as client:
                self.assertEqual([event.data for event in client], ["x", "y"])
        self.assertEqual(server.requests[1].header("Last-Event-ID"), "1")

    def test_an_end_that_comes_with_the_last_event(self) -> None:
        """In one piece, and without framing: an end, not a cut."""

        def script(conn: Connection) -> None:
            conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            conn.wait("open")
            conn.send("data: x\n\n")
            conn.close()
            server.signal("closed")

        with Server(script, tls=True) as server:
            with self.connect(server.url, verify=CA, reconnect=False) as client:
                server.signal("open")
                server.wait("closed")
                self.assertEqual([event.data for event in client], ["x"])

    def test_an_alert_that_comes_with_the_last_event(self) -> None:
        def script(conn: Connection) -> None:
            conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            conn.wait("open")
            conn.send("data: x\n\n")
            os.write(conn.sock.fileno(), b"garbage " * 10)
            server.signal("sent")
            conn.stall()  # a client that does not remember what it saw would wait for ever

        with Server(script, tls=True) as server:
            with self.connect(server.url, verify=CA, reconnect=False) as client:
                server.signal("open")
                server.wait("sent")
                self.assertEqual(next(client).data, "x")
                with self.assertRaises(sse.SSEConnectionError):
                    next(client)

    def test_closing_tells_the_server(self) -> None:
        with Server(stream("data: x\n\n", end="open"), tls=True) as server:
            with self.connect(server.url, verify=CA) as client:
                next(client)
            server.wait_gone(1)


class EnvironmentOfTLS(World):
    """The default context is made once a process; so these are processes of their own."""

    def test_variables(self) -> None:
        program = (
            "import sys, httpclient\n"
            "try: print(httpclient.get(sys.argv[1]).status_code)\n"
            "except httpclient.CertificateError: print('refused')\n"
        )
        path = os.path.dirname(os.path.abspath(httpclient.__file__))
        known = {
            "refused": [{}], "200": [{"SSL_CERT_FILE": CA}, {"SSL_CERT_DIR": str(CERTS / "hashed")}],
        }  # fmt: skip
        with Server(HERE, tls=True, repeat=True) as server, contextlib.ExitStack() as stack:
            started = []
            for outcome, environments in known.items():
                for variables in environments:
                    process = subprocess.Popen(
                        [sys.executable, "-c", program, server.url],
                        env={**os.environ, "PYTHONPATH": path, **variables},
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    )  # fmt: skip
                    started.append((outcome, stack.enter_context(process)))
            for outcome, process in started:
                self.assertEqual(process.communicate(timeout=60), (outcome + "\n", ""))
