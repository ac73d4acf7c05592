"""The recipes against what the providers send, byte for byte, and against the official MCP server."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, free_port

from sse import SSEConnectionError, SSEEvent, SSEHTTPError, SSEParser, connect
from tests.recipes import (
    anthropic_messages,
    checkpoint,
    feeds,
    gemini,
    job_progress,
    many_streams,
    mcp_session,
    openai_chat,
    openai_responses,
    sticky_cookies,
)
from tests.server import (
    CHUNKED,
    NO_CONTENT,
    Connection,
    Request,
    Script,
    Server,
    answer,
    chunk,
    head,
    stream,
)

RECIPES = Path(__file__).parents[1] / "recipes"
README = RECIPES.parents[1] / "README.md"


# What the providers send

# Azure says what its filters found in chunks without choices, and in choices without a delta, or with null; others
# send the usage in a chunk that has no list of choices at all.
OPENAI_CHAT = """\
data: {"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}

data: {"id":"chatcmpl-CkQ1","object":"chat.completion.chunk","created":1757000000,"model":"gpt-5-mini-2025-08-07",\
"service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"",\
"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Zq0"}

data: {"id":"chatcmpl-CkQ1","object":"chat.completion.chunk","created":1757000000,"model":"gpt-5-mini-2025-08-07",\
"choices":[{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"a"}

: OPENROUTER PROCESSING

data: {"id":"chatcmpl-CkQ1","object":"chat.completion.chunk","created":1757000000,"model":"gpt-5-mini-2025-08-07",\
"choices":[{"index":0,"delta":{"content":"lo\u2028– ☃"},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-CkQ1","object":"chat.completion.chunk","created":1757000000,"model":"gpt-5-mini-2025-08-07",\
"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

data: {"id":"chatcmpl-CkQ1","object":"chat.completion.chunk","created":1757000000,"model":"gpt-5-mini-2025-08-07",\
"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}

data: {"id":"","object":"","created":0,"model":"","choices":[{"index":0,"finish_reason":null,\
"content_filter_offsets":{"check_offset":44}}]}

data: {"id":"","object":"","created":0,"model":"","choices":[{"index":0,"delta":null,"finish_reason":null}]}

data: {"id":"chatcmpl-CkQ1","object":"chat.completion.chunk","usage":{"total_tokens":12}}

data: [DONE]

"""
OPENAI_CHAT_ERROR = 'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n'

OPENAI_RESPONSES = """\
event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_68","object":"response",\
"status":"in_progress","output":[]}}

event: response.in_progress
data: {"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_68","status":"in_progress"}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_68",\
"type":"message","status":"in_progress","content":[],"role":"assistant"}}

event: response.content_part.added
data: {"type":"response.content_part.added","sequence_number":3,"item_id":"msg_68","output_index":0,\
"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_68","output_index":0,\
"content_index":0,"delta":"Hel","logprobs":[],"obfuscation":"Vw8sYq"}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_68","output_index":0,\
"content_index":0,"delta":"lo\u2028– ☃","logprobs":[],"obfuscation":"x1"}

event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":6,"item_id":"msg_68","output_index":0,\
"content_index":0,"text":"Hello\u2028– ☃","logprobs":[]}

event: response.completed
data: {"type":"response.completed","sequence_number":7,"response":{"id":"resp_68","status":"completed",\
"usage":{"input_tokens":9,"output_tokens":3,"total_tokens":12}}}

"""
OPENAI_RESPONSES_ERROR = """\
event: error
data: {"type":"error","sequence_number":5,"code":"server_error","message":"The server had an error","param":null}

"""

ANTHROPIC = """\
event: message_start
data: {"type":"message_start","message":{"model":"claude-sonnet-4-5","id":"msg_01","type":"message",\
"role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}   }

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}          }

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo\u2028– ☃"}  }

event: content_block_stop
data: {"type":"content_block_stop","index":0     }

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3} }

event: message_stop
data: {"type":"message_stop"           }

"""
ANTHROPIC_ERROR = """\
event: error
data: {"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}

"""

GEMINI = """\
data: {"candidates": [{"content": {"parts": [{"text": "A greeting is asked for.","thought": true}],"role": "model"},\
"index": 0}],"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 31},"modelVersion": "gemini-2.5-flash",\
"responseId": "hQ"}

data: {"candidates": [{"content": {"parts": [{"text": "Hel"}],"role": "model"},"index": 0}],\
"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 32},"modelVersion": "gemini-2.5-flash","responseId": "hQ"}

data: {"candidates": [{"content": {"parts": [{"text": "lo\u2028– ☃"}],"role": "model"},"finishReason": "STOP",\
"index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 3,"totalTokenCount": 34},\
"modelVersion": "gemini-2.5-flash","responseId": "hQ"}

""".replace("\n", "\r\n")
GEMINI_ERROR = """\
data: {"error": {"code": 503,"message": "The model is overloaded. Please try again later.","status": "UNAVAILABLE"}}

""".replace("\n", "\r\n")

TEXT = "Hello\u2028– ☃"
Ask = Callable[[str], Iterator[str]]
QUESTION = [{"role": "user", "content": "Say hello"}]

PROVIDERS: dict[str, tuple[Ask, str, str, str]] = {
    "OpenAI chat": (
        lambda url: openai_chat.chat(url + "/v1", "KEY", "gpt-5-mini", QUESTION),
        "/v1/chat/completions", OPENAI_CHAT, OPENAI_CHAT_ERROR,
    ),
    "OpenAI responses": (
        lambda url: openai_responses.respond(url + "/v1", "KEY", "gpt-5-mini", "Say hello"),
        "/v1/responses", OPENAI_RESPONSES, OPENAI_RESPONSES_ERROR,
    ),
    "Anthropic": (
        lambda url: anthropic_messages.ask(url, "KEY", "claude-sonnet-4-5", "Say hello"),
        "/v1/messages", ANTHROPIC, ANTHROPIC_ERROR,
    ),
    "Gemini": (
        lambda url: gemini.generate(url, "KEY", "gemini-2.5-flash", "Say hello"),
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", GEMINI, GEMINI_ERROR,
    ),
}  # fmt: skip


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> tuple[Ask, str, str, str]:
    return PROVIDERS[request.param]


def blocks(recording: str) -> list[str]:
    """Its pieces, each with its blank line."""
    return re.findall(r".+?\n\r?\n", recording, re.DOTALL)


class TestProviders:
    def test_an_answer(self, provider: tuple[Ask, str, str, str]) -> None:
        ask, path, recording, _ = provider
        end = "clean" if recording == GEMINI else "open"  # nothing else tells that Gemini's is over
        byte_by_byte = stream(*(bytes([byte]) for byte in recording.encode()), end=end)
        for script in (stream(recording, end=end), byte_by_byte):
            with Server(script) as server:
                assert "".join(ask(server.url)) == TEXT
            (request,) = server.requests
            assert (request.method, request.target) == ("POST", path)
            assert "KEY" in request.raw.decode()
            assert request.header("Content-Type") == "application/json"
            assert "Say hello" in json.dumps(json.loads(request.body))

    def test_it_comes_as_it_is_written(self, provider: tuple[Ask, str, str, str]) -> None:
        """The first piece is there while the server waits to be told to go on."""
        ask, _, recording, _ = provider
        first = next(n for n, block in enumerate(blocks(recording), 1) if "Hel" in block)

        def script(conn: Connection) -> None:
            pieces = blocks(recording)
            conn.send(head(CHUNKED), *map(chunk, pieces[:first]))
            conn.wait("go on")
            conn.send(*map(chunk, pieces[first:]), b"0\r\n\r\n")

        with Server(script) as server:
            pieces = ask(server.url)
            assert next(pieces) == "Hel"
            server.signal("go on")
            assert "".join(pieces) == TEXT.removeprefix("Hel")

    def test_cut_anywhere_it_raises_and_is_not_sent_again(self, provider: tuple[Ask, str, str, str]) -> None:
        ask, _, recording, _ = provider
        whole = blocks(recording)
        for count in range(len(whole)):
            for end in ("clean", "cut", "reset"):
                with Server(stream(*whole[:count], end=end)) as server:
                    with pytest.raises((SSEConnectionError, RuntimeError)):
                        list(ask(server.url))
                    assert len(server.requests) == 1

    def test_an_error_in_the_stream(self, provider: tuple[Ask, str, str, str]) -> None:
        ask, _, recording, error = provider
        said = json.loads(error.partition("data: ")[2])
        message = said.get("error", said)["message"]
        for count in range(3):
            with Server(stream(*blocks(recording)[:count], error, end="open")) as server:
                with pytest.raises(RuntimeError, match=re.escape(message)):
                    list(ask(server.url))

    def test_an_error_instead_of_a_stream(self, provider: tuple[Ask, str, str, str]) -> None:
        ask = provider[0]
        error = {"error": {"type": "insufficient_quota", "message": "You exceeded your current quota"}}
        refusal = answer(json.dumps(error), status="429 Too Many Requests", type="application/json")
        with Server(refusal) as server, pytest.raises(SSEHTTPError, match="exceeded your current quota") as raised:
            list(ask(server.url))
        assert raised.value.json() == error
        assert "KEY" not in str(raised.value)


class TestGemini:
    @pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY"])
    def test_an_answer_that_was_stopped(self, reason: str) -> None:
        with Server(stream(GEMINI.replace("STOP", reason))) as server, pytest.raises(RuntimeError, match=reason):
            list(PROVIDERS["Gemini"][0](server.url))

    def test_a_question_that_was_blocked(self) -> None:
        blocked = 'data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},"modelVersion": "gemini"}\r\n\r\n'
        with Server(stream(blocked)) as server, pytest.raises(RuntimeError, match="PROHIBITED_CONTENT"):
            list(PROVIDERS["Gemini"][0](server.url))


MCP_ANSWER = """\
id: 1
data:

data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}

data: {"jsonrpc":"2.0","id":7,"method":"ping"}

data: {"jsonrpc":"2.0","id":7,"result":{}}

"""


class TestTheTableOfEnds:
    """The README's `until` for each API, on its answer and, where the stream can have one, on its error."""

    RUNS = (
        ("OpenAI chat", OPENAI_CHAT, "[DONE]"),
        ("OpenAI responses", OPENAI_RESPONSES, '{"type":"response.completed"'),
        ("OpenAI responses", OPENAI_RESPONSES_ERROR, '{"type":"error"'),
        ("Anthropic messages", ANTHROPIC, '{"type":"message_stop"'),
        ("Anthropic messages", ANTHROPIC_ERROR, '{"type":"error"'),
        ("MCP", MCP_ANSWER, '{"jsonrpc":"2.0","id":7,"result"'),
    )

    @pytest.mark.parametrize("api, recording, last", RUNS)
    def test_the_last_event_is_delivered_and_nothing_after_it(self, api: str, recording: str, last: str) -> None:
        (until,) = (eval(code) for name, code in self.rows() if name.startswith(api))
        with Server(stream(recording + "data: too late\n\n", end="open")) as server:
            with connect(server.url, method="POST", until=until) as events:
                delivered = [event.data for event in events]
        assert len(delivered) == len(SSEParser().feed(recording))
        assert delivered[-1].startswith(last)

    def rows(self) -> list[tuple[str, str]]:
        rows = re.findall(r"^\| ([^|]+) \| `(lambda e: .*)` \|$", README.read_text("utf-8"), re.M)
        assert len(rows) == 4
        return rows


# Feeds


class TestManyStreams:
    def test_each_is_followed_over_its_reconnects(self) -> None:
        feed = (stream("id: 1\ndata: a\n\n", end="cut"), stream("id: 2\ndata: b\n\n"), NO_CONTENT)
        seen: dict[str, list[str]] = {}

        async def handle(url: str, event: SSEEvent) -> None:
            seen.setdefault(url, []).append(event.data)

        with Server(*feed) as one, Server(*feed) as two, Server(*feed) as three:
            urls = [server.url for server in (one, two, three)]
            asyncio.run(many_streams.follow_all(urls, handle, retry_interval=1), debug=True)
        assert seen == {url: ["a", "b"] for url in urls}
        assert [request.header("Last-Event-ID") for request in one.requests] == [None, "1", "2"]

    def test_one_that_fails_ends_all(self) -> None:
        async def handle(url: str, event: SSEEvent) -> None:
            working.signal("failing")

        def fail(conn: Connection) -> None:
            working.wait("failing")
            conn.send(answer("gone", status="410 Gone"))

        with Server(stream("data: a\n\n", end="open")) as working, Server(fail) as failing:
            with pytest.raises(Exception) as raised:
                asyncio.run(many_streams.follow_all([working.url, failing.url], handle), debug=True)
            working.wait_gone(1)
        errors = getattr(raised.value, "exceptions", (raised.value,))
        assert [type(error) for error in errors] == [SSEHTTPError]


class TestStickyCookies:
    def test_they_come_back(self) -> None:
        first = (
            "Set-Cookie: AWSALB=node-7; Expires=Sat, 28 Nov 2026 09:00:00 GMT; Path=/; Secure; Partitioned",
            "Set-Cookie: lang=en; Max-Age=60",
        )
        scripts = (
            stream("data: a\n\n", end="cut", lines=first),
            stream("data: b\n\n", lines=("Set-Cookie: AWSALB=node-8; Path=/",)),
            NO_CONTENT,
        )
        with Server(*scripts) as server, sticky_cookies.follow(server.url, retry_interval=1) as events:
            assert [event.data for event in events] == ["a", "b"]
        sent = [request.header("Cookie") for request in server.requests]
        assert sent == [None, "AWSALB=node-7; lang=en", "AWSALB=node-8; lang=en"]


class TestCheckpoint:
    def test_a_restart(self, tmp_path: Path) -> None:
        saved = tmp_path / "feed.checkpoint"
        handled: list[str] = []

        def dies_at_three(event: SSEEvent) -> None:
            if event.data == "3" and "3" not in died:
                died.append("3")
                raise KeyboardInterrupt
            handled.append(event.data)

        died: list[str] = []
        with Server(from_id) as server, pytest.raises(KeyboardInterrupt):
            checkpoint.follow(server.url, saved, dies_at_three)
        assert (handled, saved.read_text()) == (["1", "2"], "2")
        with Server(from_id, NO_CONTENT) as server:
            checkpoint.follow(server.url, saved, dies_at_three, retry_interval=1)
        assert (handled, saved.read_text()) == (["1", "2", "3", "4", "5"], "5")
        assert [request.header("Last-Event-ID") for request in server.requests] == ["2", "5"]
        assert list(tmp_path.iterdir()) == [saved]


def from_id(conn: Connection) -> None:
    """The events up to 5 that follow the client's last one."""
    last = int(conn.request.header("Last-Event-ID") or 0)
    stream(*(f"id: {n}\ndata: {n}\n\n" for n in range(last + 1, 6)))(conn)


class TestJobProgress:
    STARTED = answer('{"id": "j1"}', status="201 Created", type="application/json")

    def run(self, *scripts: Script | bytes) -> tuple[Any, list[float], list[Request]]:
        progress: list[float] = []
        with Server(self.STARTED, *scripts) as server:
            result = job_progress.run_job(server.url, {"size": 3}, progress.append, retry_interval=1)
        return result, progress, server.requests

    def test_through_bad_weather(self) -> None:
        result, progress, requests = self.run(
            stream('id: 1\nevent: progress\ndata: {"percent": 20}\n\n', "id: 2\neve", end="cut"),
            answer("busy", status="503 Service Unavailable"),
            stream('id: 2\nevent: progress\ndata: {"percent": 70}\n\n'),
            stream('id: 3\nevent: done\ndata: {"answer": 42}\n\n', end="open"),
        )
        assert (result, progress) == ({"answer": 42}, [20, 70])
        assert [request.method for request in requests] == ["POST", "GET", "GET", "GET", "GET"]
        assert {request.target for request in requests[1:]} == {"/jobs/j1/events"}
        assert [request.header("Last-Event-ID") for request in requests[1:]] == [None, "1", "1", "2"]

    def test_failure(self) -> None:
        with pytest.raises(job_progress.JobFailed, match="out of disk"):
            self.run(stream("event: failed\ndata: out of disk\n\n"))
        with pytest.raises(job_progress.JobFailed, match="no more"):
            self.run(NO_CONTENT)


class TestFeedsWithoutIDs:
    def test_ntfy_is_asked_for_what_came_after_the_last_message(self) -> None:
        def message(id: str) -> str:
            about = f'"id":"{id}","time":1,"event":"message","topic":"t"'
            return f'data: {{{about},"message":"hello {id}"}}\n\n'

        opened = 'event: open\ndata: {"id":"o","time":1,"event":"open","topic":"t"}\n\n'
        alive = 'event: keepalive\ndata: {"id":"k","time":1,"event":"keepalive","topic":"t"}\n\n'
        scripts = (
            stream(opened, message("a1"), alive, end="cut"),
            stream(opened, end="reset"),
            stream(opened, message("b2"), message("c3")),
            NO_CONTENT,
        )
        with Server(*scripts) as server:
            messages = feeds.ntfy(f"{server.url}/t", retry_interval=1)
            seen = [message["message"] for message in messages]
        assert seen == ["hello a1", "hello b2", "hello c3"]
        targets = [request.target for request in server.requests]
        assert targets == ["/t/sse", "/t/sse?since=a1", "/t/sse?since=a1", "/t/sse?since=c3"]

    def test_pocketbase_is_subscribed_to_by_each_connection(self) -> None:
        def connected(id: str) -> str:
            return f'id:{id}\nevent:PB_CONNECT\ndata:{{"clientId":"{id}"}}\n\n'

        def change(id: str) -> str:
            return f'id:x\nevent:posts/*\ndata:{{"action":"create","record":{{"id":"{id}"}}}}\n\n'

        def first(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(connected("one")))
            server.wait_requests(2)  # it has subscribed
            conn.send(chunk(change("r1")))
            conn.cut()

        def third(conn: Connection) -> None:
            conn.send(head(CHUNKED), chunk(connected("two")))
            server.wait_requests(4)
            conn.send(chunk(change("r2")))
            conn.stall()

        accepted = answer(b"", status="204 No Content")
        with Server(first, accepted, third, accepted) as server:
            changes = feeds.pocketbase(server.url, ["posts/*"], "TOKEN", retry_interval=1)
            seen = [next(changes), next(changes)]
            changes.close()
        assert [topic for topic, _ in seen] == ["posts/*", "posts/*"]
        assert [change["record"]["id"] for _, change in seen] == ["r1", "r2"]
        posts = [request for request in server.requests if request.method == "POST"]
        assert [json.loads(post.body) for post in posts] == [
            {"clientId": "one", "subscriptions": ["posts/*"]},
            {"clientId": "two", "subscriptions": ["posts/*"]},
        ]
        assert {post.header("Authorization") for post in posts} == {"TOKEN"}

    def test_a_page_of_horizon_is_followed_by_the_next(self) -> None:
        """Nothing but what the client does by itself: the README's table says so."""
        hello = 'retry: 1\nevent: open\ndata: "hello"\n\n'
        byebye = 'retry: 1\nevent: close\ndata: "byebye"\n\n'
        pages = (
            stream(hello, 'id: 11\ndata: {"sequence":1}\n\n', byebye),
            stream(hello, 'id: 12\ndata: {"sequence":2}\n\n', byebye),
            NO_CONTENT,
        )
        with Server(*pages) as server:
            with connect(f"{server.url}/ledgers", params={"cursor": "now"}) as events:
                seen = [event.data for event in events if event.event not in {"open", "close"}]
        assert seen == ['{"sequence":1}', '{"sequence":2}']
        resumed = [request.header("Last-Event-ID") for request in server.requests]
        assert resumed == [None, "11", "12"]


# MCP


@pytest.fixture
def mcp_server(run: Run) -> Callable[[str], str]:
    pytest.importorskip("mcp")

    def start(app: str) -> str:
        port = free_port()
        factory = ("-m", "uvicorn", "--factory", f"mcp_app:{app}")
        program = run(
            sys.executable, *factory, "--host", "127.0.0.1", "--port", port, "--log-level", "warning", port=port
        )
        return program.url + "/mcp"

    return start


class TestMCP:
    def test_a_session(self, mcp_server: Callable[[str], str]) -> None:
        heard: list[Any] = []
        with mcp_session.MCPSession(mcp_server("events"), on_message=heard.append) as session:
            assert session.headers["Mcp-Session-Id"]
            tools = session.request("tools/list")["tools"]
            assert {tool["name"] for tool in tools} == {"count", "broken"}
            call = {"name": "count", "arguments": {"to": 5, "hang_up_after": 0}, "_meta": {"progressToken": "p"}}
            result = session.request("tools/call", call)
        assert result["content"][0]["text"] == "counted to 5"
        assert [message["params"]["progress"] for message in heard] == [1, 2, 3, 4, 5]
        with pytest.raises(mcp_session.MCPError, match="404"):  # DELETE has ended the session
            session.request("tools/list")

    @pytest.mark.parametrize("hang_up_after", [1, 3, 5])
    def test_the_server_hangs_up_and_is_asked_for_the_rest(
        self, mcp_server: Callable[[str], str], hang_up_after: int
    ) -> None:
        heard: list[Any] = []
        with mcp_session.MCPSession(mcp_server("events"), on_message=heard.append) as session:
            arguments = {"to": 5, "hang_up_after": hang_up_after}
            call = {"name": "count", "arguments": arguments, "_meta": {"progressToken": "p"}}
            result = session.request("tools/call", call)
        assert result["content"][0]["text"] == "counted to 5"
        assert [message["params"]["progress"] for message in heard] == [1, 2, 3, 4, 5]

    def test_errors(self, mcp_server: Callable[[str], str]) -> None:
        with mcp_session.MCPSession(mcp_server("events")) as session:
            assert session.request("tools/call", {"name": "broken"})["isError"]
            with pytest.raises(mcp_session.MCPError, match="ethod"):
                session.request("no/such/method")
            assert session.request("ping") == {}

    def test_answers_in_json(self, mcp_server: Callable[[str], str]) -> None:
        with mcp_session.MCPSession(mcp_server("plain")) as session:
            result = session.request("tools/call", {"name": "count", "arguments": {"to": 2, "hang_up_after": 0}})
        assert result["content"][0]["text"] == "counted to 2"

    def test_the_name_of_json_is_in_any_case(self) -> None:
        pong = answer('{"jsonrpc":"2.0","id":1,"result":{}}', type="Application/JSON; charset=utf-8")
        with Server(pong) as server:
            assert mcp_session.MCPSession(server.url).request("ping") == {}

    def test_the_bytes(self) -> None:
        """What goes over the wire, when the line breaks in the middle of the answer."""
        hello = '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}'
        progress = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}'
        ping = '{"jsonrpc":"2.0","id":2,"method":"ping"}'  # the numbers of the two sides have nothing in common
        result = '{"jsonrpc":"2.0","id":2,"result":{"tools":[]}}'
        session_id = "Mcp-Session-Id: s1"
        scripts = (
            answer(f"event: message\r\ndata: {hello}\r\n\r\n", session_id),
            answer("", status="202 Accepted"),
            stream("id: 7_0\r\nretry: 1\r\ndata: \r\n\r\n",
                   f"id: 7_1\r\nevent: message\r\ndata: {progress}\r\n\r\n", "id: 7_2\r\ndata: {", end="reset"),
            stream("id: 7_1a\r\nretry: 1\r\ndata: \r\n\r\n"),
            stream(f"id: 7_2\r\nevent: message\r\ndata: {ping}\r\n\r\n",
                   f"id: 7_3\r\nevent: message\r\ndata: {result}\r\n\r\n", end="open"),
            answer("", status="202 Accepted"),
            answer("", status="200 OK", type="text/plain"),
        )  # fmt: skip
        heard: list[Any] = []
        with Server(*scripts) as server:
            with mcp_session.MCPSession(server.url, "TOKEN", on_message=heard.append) as session:
                assert session.request("tools/list") == {"tools": []}
        assert heard == [json.loads(progress)]
        requests = server.requests
        assert [request.method for request in requests] == ["POST", "POST", "POST", "GET", "GET", "POST", "DELETE"]
        assert [request.header("Last-Event-ID") for request in requests] == [
            *(None, None, None), *("7_1", "7_1a"), *(None, None),
        ]  # fmt: skip
        assert json.loads(requests[5].body) == {"jsonrpc": "2.0", "id": 2, "result": {}}
        assert [request.header("Mcp-Session-Id") for request in requests] == [None] + 6 * ["s1"]
        assert [request.header("MCP-Protocol-Version") for request in requests] == [None] + 6 * ["2025-11-25"]
        for request in requests:
            assert request.header("Authorization") == "Bearer TOKEN"
            accept = {"POST": "application/json, text/event-stream", "GET": "text/event-stream", "DELETE": "*/*"}
            assert request.header("Accept") == accept[request.method]

    def test_what_the_server_says_of_its_own_accord(self) -> None:
        changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        feed = f"id: 1\ndata:\n\nid: 2\ndata: {json.dumps(changed)}\n\n"
        with Server(stream(feed, end="open")) as server:
            messages = mcp_session.MCPSession(server.url).messages()
            assert next(messages) == changed
            messages.close()
        with Server(answer("", status="405 Method Not Allowed")) as server, pytest.raises(SSEHTTPError, match="405"):
            next(mcp_session.MCPSession(server.url).messages())


# The files themselves


def recipe_files() -> list[Path]:
    return sorted(RECIPES.glob("*.py"))


@pytest.mark.parametrize("file", recipe_files(), ids=lambda file: file.stem)
def test_a_recipe_is_named_and_runs_as_it_says(file: Path) -> None:
    assert f"(tests/recipes/{file.name})" in README.read_text("utf-8")
    assert f"tests.recipes.{file.stem}" in (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "")
    command = [sys.executable, "-m", f"tests.recipes.{file.stem}"]
    unasked = subprocess.run(command, cwd=README.parent, env={}, capture_output=True, text=True, timeout=30)
    # Nobody said what to ask: it gets as far as looking for that.
    assert not unasked.stderr or unasked.stderr.rpartition("\n")[0].splitlines()[-1].startswith(
        ("IndexError", "KeyError: 'OPENAI_API_KEY'", "KeyError: 'ANTHROPIC_API_KEY'", "KeyError: 'GEMINI_API_KEY'")
    )
