"""Lines for curl, as browsers copy them and documentation shows them, with `sse` in its place.

Each is run by bash twice, once with curl and once with a function of that name that is this
project's command, and the two requests are compared as a server saw them. They differ in what
`UNLIKE_CURL` lists, and in nothing else.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sse
from tests.server import CHUNKED, LAST_CHUNK, NO_CONTENT, Connection, Request, Server, chunk, head

pytestmark = pytest.mark.needs("curl", "bash")

UNLIKE_CURL = """
user-agent        stdlib-sse, also where the line wants none
accept            text/event-stream for */*; --json accepts that besides application/json
accept-encoding   identity, also for --compressed and a line that wants what is not decoded here
cache-control     no-cache, unless the line decides on it
connection        close, always; proxy-connection, te, keep-alive and the like are not sent
content-length    0 for POST, PUT, PATCH without a body (RFC 9110, 8.6)
cookie            several -b are joined by "; " (RFC 6265, 4.2.1), by ";" in curl 7
target            %2F of -G stays as it was written, curl 7 writes %2f (RFC 3986, 6.2.2.1: the same)
"""

LINES = {
    "Chrome, EventSource": r"""
curl 'URL/feed?channel=7&since=2024-01-01' \
  -H 'accept: text/event-stream' \
  -H 'accept-language: en-GB,en;q=0.9,de;q=0.8' \
  -H 'cache-control: no-cache' \
  -b 'session=0123abcd; theme=dark' \
  -H 'pragma: no-cache' \
  -H 'referer: https://app.example/' \
  -H 'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"' \
  -H 'sec-ch-ua-mobile: ?0' \
  -H 'sec-ch-ua-platform: "Linux"' \
  -H 'sec-fetch-dest: empty' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'
""",
    "Chrome, fetch with a quoted body": r"""
curl 'URL/chat' \
  -H 'accept: */*' \
  -H 'authorization: Bearer abc.def-ghi_jkl' \
  -H 'content-type: application/json' \
  -H 'origin: https://app.example' \
  --data-raw $'{"text":"It\'s 5 o\'clock\\n\u00fcber \'all\' $PATH @home"}' \
  --compressed
""",
    "Chrome, a certificate that is ignored, HTTP/1 headers": r"""
curl 'URL/a%20b?x=%7B%7D' \
  -H 'Accept: text/event-stream' \
  -H 'Accept-Encoding: gzip, deflate, br, zstd' \
  -H 'Connection: keep-alive' \
  -H 'Cookie: a=b' \
  -H 'DNT: 1' \
  --insecure
""",
    "Chrome, double quotes as for cmd": r"""
curl "URL/chat" -H "accept: text/event-stream" -H "x-empty;" \
  -H "content-type: application/json" --data-raw "{\"stream\":true,\"n\":[1,2]}"
""",
    "Chrome, a multipart body": r"""
curl 'URL/form' -H 'content-type: multipart/form-data; boundary=----WebKit7Q' --data-raw \
  $'------WebKit7Q\r\nContent-Disposition: form-data; name="q"\r\n\r\nhi\r\n------WebKit7Q--\r\n'
""",
    "Firefox, GET": r"""
curl 'URL/events' --compressed \
  -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0' \
  -H 'Accept: text/event-stream' -H 'Accept-Language: de,en-US;q=0.7,en;q=0.3' \
  -H 'Accept-Encoding: gzip, deflate, br, zstd' -H 'Last-Event-ID: 17-é' \
  -H 'Connection: keep-alive' \
  -H 'Sec-Fetch-Mode: cors' -H 'Pragma: no-cache' -H 'Cache-Control: no-cache' -H 'TE: trailers'
""",
    "Firefox, POST": r"""
curl 'URL/graphql/stream' --compressed -X POST -H 'Accept: text/event-stream' \
  -H 'content-type: application/json' -H 'Origin: https://app.example' \
  -H 'Content-Length: 39' --data-raw '{"query":"subscription { ticks(n:3) }"}'
""",
    "Safari": r"""
curl 'URL/events?topic=a,b' \
-X 'GET' \
-H 'Accept: text/event-stream' \
-H 'Accept-Encoding: gzip, deflate' \
-H 'Cache-Control: no-cache' \
-H 'Sec-Fetch-Site: same-origin' \
-H 'User-Agent: Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605'
""",
    "chat completions": r"""
curl URL/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $TOKEN" \
  -d '{
    "model": "small",
    "stream": true,
    "messages": [{"role": "user", "content": "Why is the sea salty? Grüße"}]
  }'
""",
    "messages with a version header": r"""
curl --request POST --url URL/v1/messages \
     --header "x-api-key: $TOKEN" \
     --header "api-version: 2023-06-01" \
     --header "content-type: application/json" \
     --no-buffer \
     --data \
'{"model": "large", "max_tokens": 64, "stream": true,
  "messages": [{"role": "user", "content": "Hello"}]}'
""",
    "a key in the query": r"""
curl "URL/v1beta/models/fast:streamGenerateContent?alt=sse&key=${TOKEN}" \
  -H 'Content-Type: application/json' --no-buffer -X POST \
  -d '{"contents":[{"parts":[{"text": "Tell me about clouds"}]}]}'
""",
    "a form type for JSON, as for a local model": r"""
curl URL/api/generate -d '{"model": "tiny", "prompt": "Count to three", "options": {"seed": 1}}'
""",
    "--json": r"""
curl -N --json '{"inputs": "one", "stream": true}' URL/generate_stream
""",
    "--json with the accept that MCP asks for": r"""
curl -sS --json @request.json -H 'Accept: application/json, text/event-stream' \
  -H 'Mcp-Session-Id: 12' URL/mcp
""",
    "short options together": r"""
curl -sNfXPOST URL/run -H'X-Trace: 1' -HContent-Type:text/plain -da=1
""",
    "a body from a file": r"""
curl -sSN URL/v1 -H 'Content-Type: application/json' -d @request.json
""",
    "a body from a file as it is": r"""
curl URL/v1 -H 'Content-Type: application/json' --data-binary @request.json
""",
    "a body from standard input": r"""
printf 'one\r\ntwo' | curl -N URL/v1 -H 'Content-Type: text/plain' -d @-
""",
    "publish to a hub": r"""
curl -d 'topic=https://example.com/books/1' -d 'data={"status":"sold"}' -d type=update -d retry=5 \
  -H 'Authorization: Bearer abc' -X POST URL/.well-known/mercure
""",
    "subscribe to a hub": r"""
curl -N -G URL/.well-known/mercure -d topic=a%2Fb -d 'topic=c' -H 'Accept: text/event-stream'
""",
    "a query added to a query": r"""
curl --get 'URL/search?limit=10' --data 'q=x' -H 'X-Lang: de' -H 'x-lang: en'
""",
    "basic authentication": r"""
curl -u 'name:pa:ss wörd' URL/stream
""",
    "user-info in the URL, no scheme": r"""
curl -s user:secret@HOST/topic/sse
""",
    "agent, referer, cookies": r"""
curl -A 'probe/1.0' -e https://example.com/a -b 'a=1; b=2' -b c=3 URL/
""",
    "headers that override options": r"""
curl -A 'probe/1.0' -b a=1 -u u:p -H 'User-Agent: other' -H 'Cookie: z=26' \
  -H 'Authorization: Bearer x' URL/
""",
    "headers removed and empty": r"""
curl -H 'Accept:' -H 'User-Agent:' -H 'Content-Type:' -H 'Expect:' \
  -H 'X-Nothing:' -H 'X-Empty;' -d x URL/
""",
    "another host": r"""
curl -H 'Host: virtual.example' URL/events
""",
    "a tool's export": r"""
curl --location --request DELETE 'URL/streams/7' --header 'Accept: application/json' \
  --max-time 20 --connect-timeout 5
""",
    "a method without a body": r"""
curl -X POST URL/restart
""",
    "through a proxy": r"""
curl -x PROXY http://sse.example:8080/events?x=1
""",
    "a socket of the system": r"""
curl --unix-socket SOCKET 'http://localhost/events?filters=%7B%7D'
""",
}

REQUEST = '{\n  "jsonrpc": "2.0",\r\n  "id": 1\n}\n'


def run(command: str, line: str, folder: Path, server: Server) -> subprocess.CompletedProcess[str]:
    """Runs a line in bash; `command` comes before it."""
    for word, value in (
        ("URL", server.url), ("HOST", server.url.removeprefix("http://")),
        ("PROXY", server.url), ("SOCKET", getattr(server, "path", "")),
    ):  # fmt: skip
        line = line.replace(word, value)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "TOKEN": "a-b",
    }
    return subprocess.run(
        ["bash", "-c", f"{command}\n{line.strip()}"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


OURS = f'curl() {{ {sys.executable} -S {sse.__file__} "$@"; }}'
CURLS = ""
ADDED = {  # by ours, where curl sends none
    "accept": "*/*",
    "accept-encoding": "identity",
    "cache-control": "no-cache",
    "user-agent": "stdlib-sse",
}


def as_ours(request: Request, line: str) -> list[tuple[str, str]]:
    """The header lines of curl's request with the differences of `UNLIKE_CURL`."""
    accepted = re.search("-H ['\"]?accept:|--header ['\"]accept:", line, re.IGNORECASE)
    expected = [("connection", "close")]
    for name, value in headers(request):
        if name == "user-agent" and value.startswith("curl/"):
            value = ADDED[name]
        if name == "accept" and not accepted:
            value = "text/event-stream" + ", application/json" * (value == "application/json")
        if name == "accept-encoding" and "br" in value:
            value = ADDED[name]
        if name == "cookie":
            value = re.sub(r";(?! )", "; ", value)
        if name not in ("connection", "proxy-connection", "te"):
            expected.append((name, value))
    added = ADDED | ({"content-length": "0"} if request.method in ("POST", "PUT", "PATCH") else {})
    there = dict(headers(request))
    return sorted(expected + [line for line in added.items() if line[0] not in there])


def headers(request: Request) -> list[tuple[str, str]]:
    """In order, names in small letters; the port left out, which differs from server to server."""
    here = re.compile(r"^127\.0\.0\.1:\d+$")
    return sorted((name.lower(), here.sub("HERE", value)) for name, value in request.headers)


def target(request: Request) -> str:
    return re.sub("%[0-9a-f]{2}", lambda match: match[0].upper(), request.target)


@pytest.mark.parametrize("name", LINES)
def test_as_curl(name: str, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(REQUEST, newline="")
    line, requests = LINES[name], []
    for command in (CURLS, OURS):
        with Server(NO_CONTENT, family="unix" if "SOCKET" in line else "ipv4") as server:
            done = run(command, line, tmp_path, server)
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
        requests += server.requests
    by_curl, by_us = requests
    assert (by_us.method, target(by_us)) == (by_curl.method, target(by_curl))
    assert by_us.body == by_curl.body
    assert headers(by_us) == as_ours(by_curl, line)


def test_the_same_output() -> None:
    """What `--format raw` prints is read like what curl prints."""
    text = "event: a\nid: 1\ndata: x\ndata: y\n\ndata: z\n\n"

    def script(conn: Connection) -> None:
        conn.send(head(CHUNKED), chunk(text), LAST_CHUNK)

    outputs = []
    ours = [sys.executable, "-S", str(sse.__file__), "--format", "raw", "--no-reconnect"]
    for command in (["curl", "-sN"], ours):
        with Server(script) as server:
            done = subprocess.run(
                [*command, server.url], capture_output=True, check=True, timeout=60
            )
        outputs.append(sse.SSEParser().feed(done.stdout))
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 2
