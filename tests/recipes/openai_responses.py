"""Stream an answer of OpenAI's responses API.

OPENAI_API_KEY=... python3 -m tests.recipes.openai_responses "Tell me a joke"
"""

from __future__ import annotations

from collections.abc import Iterator

from sse import SSEEvent, connect

FAILED = {"response.failed", "response.incomplete", "error"}


def is_last(event: SSEEvent) -> bool:
    return event.event == "response.completed" or event.event in FAILED


def respond(base_url: str, api_key: str, model: str, question: str) -> Iterator[str]:
    """The text of the answer in pieces, as they come. A failure, or an early end, raises."""
    with connect(
        f"{base_url}/responses",
        method="POST",
        headers={"Authorization": f"Bearer {api_key}"},
        json={"model": model, "input": question, "stream": True},
        until=is_last,
    ) as events:
        for event in events:
            if event.event == "response.output_text.delta":
                yield event.json()["delta"]
            elif event.event in FAILED:
                raise RuntimeError(f"{event.event}: {event.data}")


if __name__ == "__main__":
    import os
    import sys

    key = os.environ["OPENAI_API_KEY"]
    for piece in respond("https://api.openai.com/v1", key, "gpt-5-mini", sys.argv[1]):
        print(piece, end="", flush=True)
    print()
