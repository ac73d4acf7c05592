"""The clients against servers, balancers and proxies written by others, in both worlds."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import CA, CERTS, PYTHON_SERVERS, Program, Run, follow, free_port, python_server

from httpclient import ProxyError
from sse import TRANSIENT_STATUSES, SSEConnectionError, SSEEvent, SSEHTTPError

Report = Callable[[str], None]
KEY_PAIR = str(CERTS / "client.pem")


def numbers(events: list[SSEEvent]) -> list[int]:
    return [int(event.id) for event in events]


def check_feed(events: list[SSEEvent], count: int) -> int:
    """Each event came exactly once and in order, and every new connection resumed where the one before ended.
    Returns how many connections it took.
    """
    assert numbers(events) == list(range(1, count + 1))
    resumed = [json.loads(event.data)["resumed"] for event in events]
    starts = [i for i in range(count) if i == 0 or resumed[i] != resumed[i - 1]]
    assert [resumed[i] for i in starts] == [str(i or "") for i in starts]
    return len(starts)


def latency(events: list[SSEEvent], arrivals: list[float]) -> str:
    delays = [
        (arrived - json.loads(event.data)["sent"]) * 1000
        for event, arrived in zip(events, arrivals, strict=True)
    ]
    return f"median {statistics.median(delays):.2f} ms, worst {max(delays):.2f} ms"


# Configurations


def folder_for_anybody() -> Path:
    """Servers started by root go on as somebody else, who must be able to write there."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o777)
    return folder


NGINX = """
{user}
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    ssl_certificate {certs}/server.pem; ssl_certificate_key {certs}/server.pem;
    proxy_buffering off;
    proxy_set_header Host $http_host;
    server {{
        listen 127.0.0.1:{tls} ssl;
        listen unix:{folder}/socket;
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; }}
        location /gzip/ {{
            gzip on; gzip_types text/event-stream; gzip_min_length 1; gzip_proxied any;
            proxy_pass http://127.0.0.1:{upstream}/; proxy_http_version 1.1;
        }}
        # what nginx does when nobody tells it otherwise: it speaks HTTP/1.0 to the server behind it
        location /1.0/ {{ proxy_pass http://127.0.0.1:{upstream}/; proxy_http_version 1.0; }}
        location /until-close/ {{
            chunked_transfer_encoding off;
            proxy_pass http://127.0.0.1:{upstream}/; proxy_http_version 1.0;
        }}
    }}
    server {{
        listen 127.0.0.1:{mutual} ssl;
        ssl_client_certificate {certs}/ca.pem; ssl_verify_client on;
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; }}
    }}
    server {{
        listen 127.0.0.1:{plain};
        location / {{ return 308 https://127.0.0.1:{tls}$request_uri; }}
    }}
}}
"""


class Nginx:
    """nginx in front of the feed at the port `upstream`."""

    def __init__(self, run: Run, upstream: int) -> None:
        self.folder = folder_for_anybody()
        tls, mutual, plain = free_port(), free_port(), free_port()
        config = self.folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        ports = {"upstream": upstream, "tls": tls, "mutual": mutual, "plain": plain}
        config.write_text(NGINX.format(user=user, folder=self.folder, certs=CERTS, **ports))
        self.program = run("nginx", "-c", config, "-p", self.folder, "-e", "stderr", port=tls)
        self.url = f"https://127.0.0.1:{tls}"
        self.mutual_url = f"https://127.0.0.1:{mutual}"
        self.plain_url = f"http://127.0.0.1:{plain}"
        self.socket = str(self.folder / "socket")


HAPROXY = """
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 300ms
    retries 0
listen feed
    bind 127.0.0.1:{port}
    server feed 127.0.0.1:{upstream}
"""

TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 50
LogLevel Error
{authentication}
"""

SQUID = """
http_port 127.0.0.1:{port}
pid_filename none
access_log none
cache_log stdio:{folder}/cache.log
cache_store_log none
coredump_dir {folder}
cache deny all
cache_mem 0
shutdown_lifetime 0 seconds
memory_cache_shared off
{authentication}
http_access {allowed}
http_access deny all
"""
SQUID_PASSWORDS = """#!/bin/sh
while read -r user password; do
    if [ "$user $password" = "us@er p:w%20%C3%A4" ]; then echo OK; else echo ERR; fi
done
"""

USER, PASSWORD = "us%40er", "p%3Aw%20%C3%A4"  # us@er and "p:w ä", as a URL has them


def tinyproxy(run: Run, authenticated: bool) -> Program:
    port, folder = free_port(), folder_for_anybody()
    # its configuration takes nothing but letters and digits
    authentication = "BasicAuth alice secret" if authenticated else ""
    (folder / "conf").write_text(TINYPROXY.format(port=port, authentication=authentication))
    return run("tinyproxy", "-d", "-c", folder / "conf", port=port)


def squid(run: Run, authenticated: bool) -> Program:
    port, folder = free_port(), folder_for_anybody()
    helper = folder / "passwords"
    helper.write_text(SQUID_PASSWORDS)
    helper.chmod(0o755)
    authentication, allowed = "", "allow localhost"
    if authenticated:
        authentication = f"auth_param basic program {helper}\nacl known proxy_auth REQUIRED"
        allowed = "allow known"
    (folder / "conf").write_text(
        SQUID.format(port=port, folder=folder, authentication=authentication, allowed=allowed)
    )
    return run("squid", "-N", "-f", folder / "conf", port=port)


def mitmproxy(run: Run, authenticated: bool) -> Program:
    port = free_port()
    authentication = ["--proxyauth", "alice:secret"] if authenticated else []
    settings = {
        "confdir": mitmproxy_folder(),
        "ssl_verify_upstream_trusted_ca": CA,
        "stream_large_bodies": 1,  # else it keeps a body until it has ended
    }
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return run(
        *("mitmdump", "-q", "--listen-host", "127.0.0.1", "-p", port), *options, *authentication, port=port
    )


@cache
def mitmproxy_folder() -> Path:
    """Where it keeps the authority that it makes for itself."""
    return folder_for_anybody()


PROXIES = {
    "tinyproxy": (tinyproxy, "alice:secret"),
    "squid": (squid, f"{USER}:{PASSWORD}"),
    "mitmdump": (mitmproxy, "alice:secret"),
}


@pytest.fixture(scope="module")
def feed(run_once: Run) -> Program:
    return python_server(run_once, "uvicorn")


@pytest.fixture(scope="module")
def nginx(run_once: Run, feed: Program) -> Nginx:
    return Nginx(run_once, feed.port)


# Servers


@pytest.mark.parametrize("server", PYTHON_SERVERS)
def test_events_arrive_when_sent(server: str, world: str, run: Run, report: Report) -> None:
    arrivals: list[float] = []
    url = python_server(run, server).url + "/feed?gap=0.02"
    events = follow(world, url, count=30, on_event=lambda event: arrivals.append(time.time()))
    check_feed(events, 30)
    report(f"{server}, {world}: {latency(events, arrivals)}")


@pytest.mark.parametrize("server", PYTHON_SERVERS)
def test_killed_and_restarted(server: str, world: str, run: Run) -> None:
    program = python_server(run, server)
    failures: list[Exception | None] = []

    def on_event(event: SSEEvent) -> None:
        if event.id == "10":
            program.kill()

    def on_error(error: Exception | None, delay: float | None) -> None:
        failures.append(error)
        if len(failures) == 2:  # the first is the drop; now it was seen to be down as well
            program.start()

    url = program.url + "/feed?end=30"
    events = follow(world, url, on_event=on_event, on_error=on_error, retry_interval=50)
    assert check_feed(events, 30) == 2
    assert all(failures[:2])


def test_an_end_for_good(world: str, feed: Program) -> None:
    """The server ends after each five events, and with 204 in the end."""
    clients: list[Any] = []
    failures: list[Exception | None] = []
    events = follow(
        world,
        feed.url + "/feed?gap=0&end=5",
        on_client=clients.append,
        on_error=lambda error, delay: failures.append(error),
        retry_interval=1,
    )
    assert check_feed(events, 5) == 1
    assert failures == [None]
    assert clients[0].state == "closed"
    assert clients[0].response.status_code == 204


# nginx


@pytest.mark.needs("nginx")
class TestNginx:
    @pytest.mark.parametrize("path", ["/feed", "/1.0/feed", "/until-close/feed"])
    def test_events_arrive_when_sent(self, path: str, world: str, nginx: Nginx, report: Report) -> None:
        arrivals: list[float] = []
        url = nginx.url + path + "?gap=0.02"
        events = follow(world, url, count=30, on_event=lambda event: arrivals.append(time.time()), verify=CA)
        check_feed(events, 30)
        report(f"nginx over TLS {path}, {world}: {latency(events, arrivals)}")

    def test_gzip(self, world: str, nginx: Nginx, report: Report) -> None:
        codings: list[str] = []
        arrivals: list[float] = []
        events = follow(
            world,
            nginx.url + "/gzip/feed?gap=0.02",
            count=30,
            on_client=lambda client: codings.append(client.response.headers["content-encoding"]),
            on_event=lambda event: arrivals.append(time.time()),
            headers={"Accept-Encoding": "gzip"},
            verify=CA,
        )
        check_feed(events, 30)
        assert codings == ["gzip"]
        report(f"nginx over TLS with gzip, {world}: {latency(events, arrivals)}")

    def test_not_zipped_unasked(self, world: str, nginx: Nginx) -> None:
        codings: list[object] = []
        follow(
            world,
            nginx.url + "/gzip/feed",
            count=3,
            on_client=lambda client: codings.append(client.response.headers.get("content-encoding")),
            verify=CA,
        )
        assert codings == [None]

    def test_gzip_is_resumed(self, world: str, nginx: Nginx) -> None:
        """Each connection has a compressor of its own, and the end of one is the end of its body."""
        url = nginx.url + "/gzip/feed?gap=0&end=20"
        events = follow(world, url, headers={"Accept-Encoding": "gzip"}, verify=CA, retry_interval=1)
        assert check_feed(events, 20) == 1

    @pytest.mark.parametrize("server", PYTHON_SERVERS)
    def test_server_behind_it_killed_and_restarted(self, server: str, world: str, run: Run) -> None:
        program = python_server(run, server)
        nginx = Nginx(run, program.port)
        statuses: list[int] = []

        def on_event(event: SSEEvent) -> None:
            if event.id == "10":
                program.kill()

        def on_error(error: Exception | None, delay: float | None) -> None:
            if isinstance(error, SSEHTTPError):
                if not statuses:
                    program.start()
                statuses.append(error.status_code)

        events = follow(
            world,
            nginx.url + "/feed?end=30",
            on_event=on_event,
            on_error=on_error,
            retry_interval=50,
            retry_on_status=TRANSIENT_STATUSES,
            verify=CA,
        )
        assert check_feed(events, 30) == 2
        assert set(statuses) == {502}

    def test_killed_itself(self, world: str, feed: Program, run: Run) -> None:
        """TLS is cut without close_notify, in the middle of a chunked body."""
        nginx = Nginx(run, feed.port)
        failures: list[Exception | None] = []

        def on_event(event: SSEEvent) -> None:
            if event.id == "10":
                nginx.program.kill()

        def on_error(error: Exception | None, delay: float | None) -> None:
            failures.append(error)
            if len(failures) == 2:
                Path(nginx.socket).unlink()  # what it left behind would keep it from starting
                nginx.program.start()

        url = nginx.url + "/feed?end=30"
        events = follow(world, url, on_event=on_event, on_error=on_error, retry_interval=50, verify=CA)
        assert check_feed(events, 30) == 2
        assert all(failures[:2])

    def test_unix_socket(self, world: str, nginx: Nginx) -> None:
        events = follow(world, "http://localhost/feed?gap=0&end=5", uds=nginx.socket, retry_interval=1)
        check_feed(events, 5)

    def test_redirect_to_https(self, world: str, nginx: Nginx) -> None:
        urls: list[str] = []
        events = follow(
            world,
            nginx.plain_url + "/feed?gap=0&end=12",
            on_client=lambda client: urls.append(client.response.url),
            last_event_id="2",
            retry_interval=1,
            verify=CA,
        )
        assert numbers(events) == list(range(3, 13))
        assert json.loads(events[0].data)["resumed"] == "2"
        assert urls == [nginx.url + "/feed?gap=0&end=12"]

    def test_client_certificate(self, world: str, nginx: Nginx) -> None:
        context = ssl.create_default_context(cafile=CA)
        context.load_cert_chain(KEY_PAIR)
        url = nginx.mutual_url + "/feed?gap=0&end=5"
        check_feed(follow(world, url, verify=context, retry_interval=1), 5)

    def test_client_certificate_missing(self, world: str, nginx: Nginx) -> None:
        with pytest.raises(SSEHTTPError) as caught:
            follow(world, nginx.mutual_url + "/feed", verify=CA)
        assert caught.value.status_code == 400
        assert b"certificate" in caught.value.body

    @pytest.mark.parametrize("verify", [True, str(CERTS / "selfsigned.pem")])
    def test_unknown_authority(self, verify: object, world: str, nginx: Nginx) -> None:
        with pytest.raises(SSEConnectionError, match=r"(?i)certificate") as caught:
            follow(world, nginx.url + "/feed", verify=verify)
        assert caught.value.retries == 0

    def test_not_verified(self, world: str, nginx: Nginx) -> None:
        check_feed(follow(world, nginx.url + "/feed?gap=0&end=5", verify=False, retry_interval=1), 5)


# haproxy


@pytest.mark.needs("haproxy")
def test_balancer_that_cuts_idle_connections(world: str, feed: Program, run: Run, tmp_path: Path) -> None:
    """haproxy ends a connection that was silent for 300 ms, after every four events: the feed goes on."""
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=feed.port))
    balancer = run("haproxy", "-db", "-f", config, port=port)
    failures: list[Exception | None] = []
    events = follow(
        world,
        balancer.url + "/feed?burst=4&end=12",
        on_error=lambda error, delay: failures.append(error),
        retry_interval=1,
    )
    assert check_feed(events, 12) == 3
    assert len(failures) == 3
    # the chunked bodies were cut, the last one ended
    assert [type(failure) is type(None) for failure in failures] == [False, False, True]


@pytest.mark.needs("haproxy")
def test_balancer_without_servers(world: str, run: Run, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=free_port()))
    balancer = run("haproxy", "-db", "-f", config, port=port)
    with pytest.raises(SSEHTTPError) as caught:
        follow(world, balancer.url + "/feed")
    assert caught.value.status_code == 503
    assert "TRANSIENT_STATUSES" in str(caught.value)


# Proxies


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in PROXIES]
)
def proxy_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["open", "authenticated"])
def proxy(request: pytest.FixtureRequest, proxy_name: str, run_once: Run) -> Iterator[tuple[str, Program]]:
    start, credentials = PROXIES[proxy_name]
    program = start(run_once, request.param)
    yield (f"{credentials}@" if request.param else ""), program
    program.kill()


def trusted(proxy_name: str) -> str:
    """The proxy that breaks TLS open signs with an authority of its own."""
    return str(mitmproxy_folder() / "mitmproxy-ca-cert.pem") if proxy_name == "mitmdump" else CA


class TestProxy:
    def test_http(self, world: str, proxy: tuple[str, Program], feed: Program) -> None:
        credentials, program = proxy
        url = feed.url + "/feed?gap=0.01&end=12"
        events = follow(world, url, proxy=f"http://{credentials}127.0.0.1:{program.port}", retry_interval=1)
        check_feed(events, 12)

    @pytest.mark.needs("nginx")
    def test_https(self, world: str, proxy: tuple[str, Program], proxy_name: str, nginx: Nginx) -> None:
        credentials, program = proxy
        events = follow(
            world,
            nginx.url + "/feed?gap=0.01&end=12",
            proxy=f"http://{credentials}127.0.0.1:{program.port}",
            retry_interval=1,
            verify=trusted(proxy_name),
        )
        check_feed(events, 12)

    @pytest.mark.needs("nginx")
    def test_from_the_environment(
        self,
        world: str,
        proxy: tuple[str, Program],
        proxy_name: str,
        nginx: Nginx,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        credentials, program = proxy
        monkeypatch.setenv("https_proxy", f"http://{credentials}127.0.0.1:{program.port}")
        events = follow(
            world, nginx.url + "/feed?gap=0&end=3", retry_interval=1, verify=trusted(proxy_name)
        )
        check_feed(events, 3)
        monkeypatch.setenv("no_proxy", "example.com, 127.0.0.0/8")
        program.kill()  # nobody asks it any more
        try:
            url = nginx.url + "/feed?gap=0&end=3"
            check_feed(follow(world, url, retry_interval=1, verify=CA, max_retries=1), 3)
        finally:
            program.start()
            program.wait()

    @pytest.mark.parametrize("credentials", ["", "alice:wrong@", "alice@"])
    @pytest.mark.needs("nginx")
    def test_wrong_credentials(
        self, world: str, proxy: tuple[str, Program], credentials: str, nginx: Nginx, feed: Program
    ) -> None:
        right, program = proxy
        if not right:
            return  # there is nothing to get wrong
        bad = f"http://{credentials}127.0.0.1:{program.port}"
        with pytest.raises(SSEConnectionError) as refused:
            follow(world, nginx.url + "/feed", proxy=bad, verify=False, max_retries=0)
        assert isinstance(refused.value.last_error, ProxyError)
        assert re.search(r"40[17]", str(refused.value))  # tinyproxy says 401 if it was given a wrong password
        assert "wrong" not in str(refused.value)
        with pytest.raises((SSEHTTPError, SSEConnectionError), match=r"40[17]"):
            follow(world, feed.url + "/feed", proxy=bad, max_retries=0)
