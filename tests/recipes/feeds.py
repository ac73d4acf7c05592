"""Follow two kinds of feed that know no event IDs, and lose as little as they allow.

    python3 -m tests.recipes.feeds ntfy https://ntfy.sh/mytopic
    python3 -m tests.recipes.feeds pocketbase http://localhost:8090 posts/*

ntfy keeps messages, and is asked for those after the last one seen. PocketBase keeps none, and
knows nobody any more whose connection was lost: each connection has to subscribe anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from httpclient import post
from sse import connect


def ntfy(topic_url: str, since: str = "", **options: Any) -> Iterator[dict[str, Any]]:
    """The messages of a topic. `since`: the ID of the last message seen, "all", or a time such as
    "10m"; to go on after a restart, save the "id" of each message that was dealt with.
    """

    def params() -> dict[str, str]:  # called for each attempt
        return {"since": since} if since else {}

    with connect(f"{topic_url}/sse", params=params, **options) as events:
        for event in events:
            if event.event == "message":  # the others are "open" and "keepalive"
                message = event.json()
                since = message["id"]
                yield message


def pocketbase(
    base_url: str, subscriptions: list[str], token: str = "", **options: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What changes: the subscription that it is about, and the action with its record."""
    headers = {"Authorization": token} if token else {}
    with connect(f"{base_url}/api/realtime", **options) as events:
        for event in events:
            change = event.json()
            if event.event == "PB_CONNECT":
                wanted = {"clientId": change["clientId"], "subscriptions": subscriptions}
                post(f"{base_url}/api/realtime", json=wanted, headers=headers).raise_for_status()
            else:
                yield event.event, change


if __name__ == "__main__":
    import sys

    if sys.argv[1] == "ntfy":
        for message in ntfy(sys.argv[2]):
            print(message["message"])
    else:
        for topic, change in pocketbase(sys.argv[2], sys.argv[3:]):
            print(topic, change["action"], change["record"]["id"])
