"""A coverage-guided fuzzer: the parser against the slow reference, in cuts the fuzzer chooses.

Runs by itself (``python tests/extended/fuzz_parser.py -runs=20000``, the default; any option of libFuzzer is
passed on) and as a test. Without atheris, which is only made for some platforms, it says that it was skipped.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

RUNS = 20_000
INSIDE = "--inside"  # of the process that libFuzzer ends, started by the one that cleans up
DICTIONARY = [
    "\\x0a", "\\x0d", "\\x0d\\x0a", "\\x0a\\x0a", "\\x0d\\x0d", ":", ": ", "data", "data:", "data: ",
    "event", "event: t",
    "id", "id: 1", "retry", "retry: 5", "\\x00", "\\xef\\xbb\\xbf", "\\xe2\\x80\\xa8", "\\xc2\\x85",
    "\\xf0\\x9f\\x98", "\\xff",
    "data: a\\x0a\\x0a", "event: t\\x0adata: a\\x0a\\x0a", "id: 1\\x0adata: a\\x0a\\x0a", ":\\x0a\\x0a",
]  # fmt: skip


def check(given: bytes) -> None:
    """The first bytes say where to cut the rest; after each piece parser and reference agree."""
    from reference import Event, Reference, interpret

    from sse import SSEEvent, SSEParser

    def fields(event: SSEEvent) -> Event:
        return (event.event, event.data, event.id, event.retry)

    count = given[0] % 8 if given else 0
    stream = given[1 + count :]
    bounds = [0, *sorted(place % (len(stream) + 1) for place in given[1 : 1 + count]), len(stream)]
    result = Reference()
    parser = SSEParser(on_comment=result.comments.append)
    for start, end in pairwise(bounds):
        result.events += map(fields, parser.feed(stream[start:end]))
        result.last_event_id, result.retry = parser.last_event_id, parser.retry
        wanted = interpret(stream[:end])
        assert result == wanted, f"{bounds}, {stream!r}: {result} instead of {wanted}"
    quiet = SSEParser()
    text = stream.decode("utf-8", "replace")
    middle = (bounds[1] * 7) % (len(text) + 1)
    again = [fields(event) for piece in (text[:middle], text[middle:]) for event in quiet.feed(piece)]
    assert again == result.events, f"{middle}, {text!r}: {again} instead of {result.events}"


def fuzz(scratch: Path, options: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["sse"]):
        import sse  # noqa: F401
    from tests.vectors import VECTORS

    corpus = scratch / "corpus"
    corpus.mkdir()
    for number, vector in enumerate(VECTORS):
        if len(vector.stream) <= 200:
            corpus.joinpath(str(number)).write_bytes(bytes([3, 9, 40, 90]) + vector.stream)
    dictionary = scratch / "dictionary"
    dictionary.write_text("".join(f'"{word}"\n' for word in DICTIONARY), encoding="ascii")
    # a failure prints its input in base64, so that no file has to be kept of it
    defaults = [
        "-max_len=256",
        "-seed=1",
        "-verbosity=0",
        f"-dict={dictionary}",
        f"-artifact_prefix={scratch}/",
    ]
    atheris.Setup([sys.argv[0], *defaults, *options, str(corpus)], check)
    atheris.Fuzz()


def main() -> int:
    if importlib.util.find_spec("atheris") is None:
        print("SKIPPED tests/extended/fuzz_parser.py: atheris is not installed", file=sys.stderr)
        return 0
    options = sys.argv[1:]
    if not any(option.startswith(("-runs=", "-max_total_time=")) for option in options):
        options = [f"-runs={RUNS}", *options]
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.call([sys.executable, __file__, INSIDE, scratch, *options])


def test_fuzz_parser() -> None:
    import pytest

    pytest.importorskip("atheris", reason="tests/extended/fuzz_parser.py needs atheris")
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        fuzz(Path(sys.argv[2]), sys.argv[3:])
    sys.exit(main())
