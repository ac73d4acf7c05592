"""A part of every_cut.py: other places for each way of breaking off, in both worlds, plain and over
TLS.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from collections import Counter

import every_cut
import pytest
from every_cut import WAYS, Job, jobs, work


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_broken_off_anywhere(tls: bool, world: str) -> None:
    chosen = [
        job for job in jobs(211 if tls else 23, (tls,)) if job.asynchronous == (world == "async")
    ]
    assert {(job.way, job.again) for job in chosen} == {
        (way, again) for way in WAYS for again in (True, False)
    }
    counts: Counter[str] = Counter()
    # in a process of its own, whose warnings are errors and whose descriptors are counted
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        for outcomes, wrong in process.map(work, chosen):
            assert not wrong
            counts += outcomes
    assert counts["resumed, each event once"] > 20


def test_what_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as an event that is lost at a reconnection, here by the server."""
    job = Job(asynchronous=False, tls=False, way="cut", again=True, places=())
    pieces = every_cut.pieces
    every_cut.converse(job, 1, 400)
    monkeypatch.setattr(every_cut, "pieces", lambda first, end: pieces(first + (first > 0), end))
    with pytest.raises(AssertionError):
        every_cut.converse(job, 1, 400)
