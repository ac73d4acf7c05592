"""Some of the places of `interruptions`, others each time; all of them: its own command."""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import time

import pytest

from tests.extended import interruptions

SECONDS = float(os.environ.get("SSE_TEST_INTERRUPTIONS", "15"))  # for each kind


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors as Linux shows them")
@pytest.mark.parametrize("kind", ["signals", "cancellations"])
def test_interrupted_anywhere(kind: str) -> None:
    logging.getLogger("sse").addHandler(logging.NullHandler())
    seed = random.randrange(1000)
    wrong, count, end = [], 0, time.monotonic() + SECONDS
    with interruptions.server() as urls:
        runs = list(interruptions.points(urls, [kind], 307 if kind == "signals" else 7, seed))
        random.Random(seed).shuffle(runs)
        gc.collect()
        gc.freeze()  # what is here before need not be looked at after each run
        for name, run in runs:
            failure = interruptions.failed(run)
            count += 1
            if failure:
                wrong.append(f"{name}: {failure}")
            if time.monotonic() > end:
                break
    gc.unfreeze()
    print(f"{count} of {len(runs)} runs, seed {seed}")
    assert not wrong, f"seed {seed}:\n" + "\n".join(wrong)
