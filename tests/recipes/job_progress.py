"""Start a long job and follow its progress to the end, whatever happens to the connection.

python3 -m tests.recipes.job_progress https://example.com
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from httpclient import post
from sse import TRANSIENT_STATUSES, connect


class JobFailed(Exception):
    pass


def run_job(base_url: str, job: Any, on_progress: Callable[[float], object], **options: Any) -> Any:
    """The job's result. It is started once; only looking at it is repeated after a drop."""
    answer = post(f"{base_url}/jobs", json=job)
    answer.raise_for_status()
    with connect(
        f"{base_url}/jobs/{answer.json()['id']}/events",
        retry_on_status=TRANSIENT_STATUSES,
        max_retries=20,
        backoff=2,
        **options,
    ) as events:
        for event in events:
            if event.event == "progress":
                on_progress(event.json()["percent"])
            elif event.event == "failed":
                raise JobFailed(event.data)
            elif event.event == "done":
                return event.json()
    raise JobFailed("the server knows no more of this job")  # it answered 204


if __name__ == "__main__":
    import sys

    def show(percent: float) -> None:
        print(f"{percent} %", end="\r", flush=True)

    print(run_job(sys.argv[1], {"size": 3}, show))
