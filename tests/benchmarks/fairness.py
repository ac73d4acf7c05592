"""Fairness: ten streams with an event every 10 ms, alone and beside one that brings all that can be taken."""

from __future__ import annotations

from typing import Any

import peers
from measure import Row, Section, percentile, turns
from processes import Failed, Workspace

EVERY, STREAMS = 0.01, 10
PERCENTS = {50: "p50", 99: "p99", 100: "the longest"}


def run(found: list[str], quick: bool, space: Workspace) -> list[Section]:
    n, rounds = (50, 1) if quick else (300, 3)
    acks = space.acks()
    rows = []
    with space.server(acks) as slow, space.server(acks) as fast:
        urls = {"alone": "", "beside the flood": f"{fast}/flood"}
        answers: dict[str, dict[str, Any]] = {case: {} for case in urls}
        for turn in turns([name for name in found if name in peers.ASYNC], rounds):
            for name in turn:
                for case, flood in urls.items():
                    answer = delays(space, acks, name, flood, f"{slow}/slow?n={n}&every={EVERY}", n)
                    answers[case].setdefault(name, []).append(answer)
    for case, of in answers.items():
        for percent, title in PERCENTS.items():
            cells = {
                name: next((a for a in rounds_ if isinstance(a, str)), None)
                or min(percentile(a["delays"], percent) / 1e6 for a in rounds_)
                for name, rounds_ in of.items()
            }
            rows.append(Row(f"{case}, delay of the slow ones, {title}", "ms", cells))
    flooded = {n: [a["rate"] for a in r if isinstance(a, dict)] for n, r in answers["beside the flood"].items()}
    rates = {name: max(r) for name, r in flooded.items() if r}
    rows.append(Row("events taken from the flood meanwhile", "1/s", rates))
    return [Section(f"Fairness: {STREAMS} streams with {1 / EVERY:.0f} events/s beside a flood", rows)]


def delays(space: Workspace, acks: str, name: str, flood: str, slow: str, n: int) -> dict[str, Any] | str:
    with space.worker("async", name, acks) as client:
        try:
            return client.call("fair", limit=60.0, flood=flood, slow=slow, n=n, streams=STREAMS)
        except TimeoutError:
            return "starved"
        except Failed as error:
            print(f"  {name}: {error}", flush=True)
            return "failed"
