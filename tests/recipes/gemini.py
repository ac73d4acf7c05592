"""Stream an answer of Google's Gemini.

GEMINI_API_KEY=... python3 -m tests.recipes.gemini "Tell me a joke"

Nothing marks the end of this stream. What tells a whole answer from one that was cut is the
`finishReason` in its last chunk.
"""

from __future__ import annotations

from collections.abc import Iterator

from sse import connect


def generate(base_url: str, api_key: str, model: str, question: str) -> Iterator[str]:
    """The text of the answer in pieces, as they come. An error, or an answer cut short, raises."""
    finished = None
    with connect(
        f"{base_url}/v1beta/models/{model}:streamGenerateContent",
        params={"alt": "sse"},  # without it the answer is one long JSON array
        method="POST",
        headers={"x-goog-api-key": api_key},  # better than ?key=, which ends up in logs
        json={"contents": [{"role": "user", "parts": [{"text": question}]}]},
    ) as events:
        for event in events:
            chunk = event.json()
            if "error" in chunk:
                raise RuntimeError(f"the provider gave up in the middle: {chunk['error']}")
            finished = finished or chunk.get("promptFeedback", {}).get("blockReason")
            for candidate in chunk.get("candidates", ()):
                finished = finished or candidate.get("finishReason")
                for part in candidate.get("content", {}).get("parts", ()):
                    if "text" in part and not part.get("thought"):
                        yield part["text"]
    if finished != "STOP":
        raise RuntimeError(f"the answer is not whole: {finished or 'it was cut short'}")


if __name__ == "__main__":
    import os
    import sys

    site, key = "https://generativelanguage.googleapis.com", os.environ["GEMINI_API_KEY"]
    for piece in generate(site, key, "gemini-2.5-flash", sys.argv[1]):
        print(piece, end="", flush=True)
    print()
