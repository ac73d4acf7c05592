"""Stream a message of Anthropic's Claude.

ANTHROPIC_API_KEY=... python3 -m tests.recipes.anthropic_messages "Tell me a joke"
"""

from __future__ import annotations

from collections.abc import Iterator

from sse import SSEEvent, connect


def is_last(event: SSEEvent) -> bool:
    return event.event in {"message_stop", "error"}


def ask(base_url: str, api_key: str, model: str, question: str) -> Iterator[str]:
    """The text of the answer in pieces, as they come. An error, or an answer cut short, raises."""
    with connect(
        f"{base_url}/v1/messages",
        method="POST",
        headers={"x-api-key": api_key, "anthropic-version": "2023-06-01"},
        json={
            "model": model,
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": question}],
            "stream": True,
        },
        until=is_last,
    ) as events:
        for event in events:
            if event.event == "error":  # such as overloaded_error, after a good beginning
                raise RuntimeError(f"the provider gave up in the middle: {event.data}")
            if event.event == "content_block_delta":  # "ping" and kinds yet unknown are passed over
                delta = event.json()["delta"]
                if delta["type"] == "text_delta":
                    yield delta["text"]


if __name__ == "__main__":
    import os
    import sys

    key = os.environ["ANTHROPIC_API_KEY"]
    for piece in ask("https://api.anthropic.com", key, "claude-sonnet-4-5", sys.argv[1]):
        print(piece, end="", flush=True)
    print()
