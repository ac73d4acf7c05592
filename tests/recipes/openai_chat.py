"""Stream a chat completion of OpenAI, or of one of the many servers that copy its interface.

    OPENAI_API_KEY=... python3 -m tests.recipes.openai_chat "Tell me a joke"

The base URL of others ends in /v1, too: http://localhost:8000/v1 for vLLM,
http://localhost:11434/v1 for Ollama.
"""

from __future__ import annotations

from collections.abc import Iterator

from sse import SSEEvent, connect


def is_done(event: SSEEvent) -> bool:
    return event.data == "[DONE]"  # which is not JSON


def chat(base_url: str, api_key: str, model: str, messages: list[dict[str, str]]) -> Iterator[str]:
    """The text of the answer in pieces, as they come. An answer that is cut short raises."""
    with connect(
        f"{base_url}/chat/completions",
        method="POST",
        headers={"Authorization": f"Bearer {api_key}"},
        json={"model": model, "messages": messages, "stream": True},
        until=is_done,
    ) as events:
        for event in events:
            if is_done(event) or not event.data:
                continue
            chunk = event.json()
            if "error" in chunk:
                raise RuntimeError(f"the provider gave up in the middle: {chunk['error']}")
            for choice in chunk.get("choices", ()):  # none, or no list, in the chunk with the usage
                if text := (choice.get("delta") or {}).get("content"):  # no delta: Azure's filters
                    yield text


if __name__ == "__main__":
    import os
    import sys

    question = [{"role": "user", "content": sys.argv[1]}]
    key = os.environ["OPENAI_API_KEY"]
    for piece in chat("https://api.openai.com/v1", key, "gpt-5-mini", question):
        print(piece, end="", flush=True)
    print()
