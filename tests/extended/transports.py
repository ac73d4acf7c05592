"""Glue for `transport=`: other HTTP libraries carry the events. To be copied; the README shows one of them.

A transport returns an answer with `status_code`, `headers`, `url`, `iter_bytes` (async: `aiter_bytes`) and
`close` (`aclose`). Connections that fail are `OSError`, so each library's own errors are translated;
anything else it raises reaches the caller. The async client keeps its own `timeout` and `idle_timeout`. A
blocking library has to do that itself: here `timeout` bounds its connecting, `idle_timeout` any silence,
before the head as well.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import requests
import urllib3


def httpx_transport(client: httpx.Client, idle_timeout: float | None = 300) -> Any:
    def transport(method: str, url: str, *, headers: Any, content: Any, timeout: float | None) -> Any:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        limits = httpx.Timeout(timeout, read=idle_timeout)
        request = client.build_request(method, url, headers=encoded, content=content, timeout=limits)
        try:
            response = client.send(request, stream=True, follow_redirects=True)
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from error

        def iter_bytes() -> Any:
            try:
                yield from response.iter_bytes()
            except httpx.TransportError as error:
                raise ConnectionError(str(error)) from error

        return SimpleNamespace(
            status_code=response.status_code, headers=response.headers, url=str(response.url),
            iter_bytes=iter_bytes, close=response.close,
        )  # fmt: skip

    return transport


def async_httpx_transport(client: httpx.AsyncClient) -> Any:
    async def transport(method: str, url: str, *, headers: Any, content: Any, timeout: float | None) -> Any:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        request = client.build_request(method, url, headers=encoded, content=content, timeout=None)
        try:
            response = await client.send(request, stream=True, follow_redirects=True)
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from error

        async def aiter_bytes() -> Any:
            try:
                async for chunk in response.aiter_bytes():
                    yield chunk
            except httpx.TransportError as error:
                raise ConnectionError(str(error)) from error

        return SimpleNamespace(
            status_code=response.status_code, headers=response.headers, url=str(response.url),
            aiter_bytes=aiter_bytes, aclose=response.aclose,
        )  # fmt: skip

    return transport


def requests_transport(session: requests.Session, idle_timeout: float | None = 300) -> Any:
    def transport(method: str, url: str, *, headers: Any, content: Any, timeout: float | None) -> Any:
        response = session.request(
            method, url, headers=headers, data=content, timeout=(timeout, idle_timeout), stream=True
        )  # its exceptions are OSErrors

        def iter_bytes() -> Any:
            try:  # iter_content() waits for a full block or, without chunks, for the end of the body
                while chunk := response.raw.read1(65536, decode_content=True):
                    yield chunk
            except urllib3.exceptions.HTTPError as error:
                raise ConnectionError(str(error)) from error

        return SimpleNamespace(
            status_code=response.status_code, headers=response.headers, url=response.url,
            iter_bytes=iter_bytes, close=response.close,
        )  # fmt: skip

    return transport


def aiohttp_transport(session: aiohttp.ClientSession) -> Any:
    async def transport(method: str, url: str, *, headers: Any, content: Any, timeout: float | None) -> Any:
        decoded = {name: value.encode("latin-1").decode() for name, value in headers.items()}  # sent as UTF-8
        limits = aiohttp.ClientTimeout(total=None)
        try:
            response = await session.request(method, url, headers=decoded, data=content, timeout=limits)
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error

        async def aiter_bytes() -> Any:
            try:
                async for chunk in response.content.iter_any():
                    yield chunk
            except aiohttp.ClientError as error:
                raise ConnectionError(str(error)) from error

        async def aclose() -> None:
            response.close()

        return SimpleNamespace(
            status_code=response.status, headers=response.headers, url=str(response.url),
            aiter_bytes=aiter_bytes, aclose=aclose,
        )  # fmt: skip

    return transport
