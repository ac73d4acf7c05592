"""Stay with the server that a load balancer chose: keep its cookies over reconnects.

python3 -m tests.recipes.sticky_cookies https://example.com/feed
"""

from __future__ import annotations

from typing import Any

from sse import connect


class Cookies:
    """What `Set-Cookie` said, for one host: names and values, but not scopes and lifetimes."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def keep(self, response: Any) -> None:
        """For `on_open`."""
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._values[name.strip()] = value.strip()

    def headers(self) -> dict[str, str]:
        """For `headers`."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._values.items())
        return {"Cookie": cookies} if cookies else {}


def follow(url: str, **options: Any) -> Any:
    """A client that brings back the cookies it was given."""
    cookies = Cookies()
    return connect(url, headers=cookies.headers, on_open=cookies.keep, **options)


if __name__ == "__main__":
    import sys

    with follow(sys.argv[1]) as events:
        for event in events:
            print(event.event, event.data)
