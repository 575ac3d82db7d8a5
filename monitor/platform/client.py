"""The platform's API over HTTP: a path in, one whole answer out, or an error that says what to do.

Knows nothing of what an answer means. Every way in which a request can fail becomes one of the
`NuonError`s.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.request import Request

import aiohttp
import httpx
import xxhash
from httpx_aiohttp import AiohttpTransport

from monitor import __version__
from monitor.errors import (
    ConfigError,
    MalformedAnswer,
    NuonError,
    NuonRejected,
    NuonUnavailable,
    Problem,
)
from monitor.platform.failures import (
    beneath_httpx,
    broke_before_an_answer,
    clean,
    header,
    reason_of,
    redirected,
    refusal,
    sentence,
)

# Longer than the five minutes between two polls of what is settled, shorter than the 350 s after
# which a NAT gateway or network load balancer of AWS forgets a connection without a word.
_KEPT_IDLE_SECONDS = 340.0
# Enough for any error of the platform; a proxy's page of any size is not worth more.
_ERROR_BYTES = 64 * 1024
# Building a request takes as long as a fifth of the whole exchange, and polls repeat themselves.
_REMEMBERED_REQUESTS = 4096

_REDACTED = b"..."
# A shorter one could not be told apart from words and numbers.
_SHORTEST_SECRET_BYTES = 8
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, decompressed and never empty, and what the headers say about it.

    `api_version` is the git reference that the platform was built from, no number to compare.
    `fingerprint` is equal for equal bytes. Most polls need no more than that, so the body is
    only put together when it is asked for.
    """

    fingerprint: bytes
    api_version: str | None
    trace_id: str | None
    next_page: bool
    # As it came; a platform may repeat the token that it was sent.
    _parts: tuple[bytes, ...] = field(repr=False)
    _clean: Callable[[bytes], bytes] = field(repr=False)

    @property
    def body(self) -> bytes:
        return self._clean(b"".join(self._parts))


class NuonClient:
    """Asks one platform, as one organisation.

    At most `max_concurrent_requests` are in flight; others wait for a place. From there on a
    request has `timeout` for everything, the last byte of the answer included. `ca_file` is
    trusted beside the usual authorities. Redirects are never followed and cookies never kept.
    """

    def __init__(
        self,
        *,
        api_url: str,
        org_id: str,
        api_token: str,
        timeout: timedelta,
        max_concurrent_requests: int,
        ca_file: Path | None = None,
        proxy: str | None = None,
        max_answer_bytes: int = 64 * 1024 * 1024,
        user_agent: str = f"nuon-release-monitor/{__version__}",
    ) -> None:
        """Connect to nothing yet; raises `ConfigError` for what can never be sent or read."""
        self._api_url = api_url.rstrip("/")
        self._token = _header_value("nuon.api_token", api_token)
        self._secret = self._token.encode()
        self._headers = httpx.Headers(
            {
                "Authorization": f"Bearer {self._token}",
                "X-Nuon-Org-ID": _header_value("nuon.org_id", org_id),
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": user_agent,
            }
        )
        self._timeout = timeout.total_seconds()
        self._max_answer_bytes = max_answer_bytes
        self._slots = asyncio.Semaphore(max_concurrent_requests)
        self._tls = _tls(ca_file)
        self._proxy = proxy
        self._pool_size = max_concurrent_requests
        self.api_version: str | None = None
        """What the newest answer said; see `Answer`."""
        self._client = self._connect(keep_alive=True)
        self._fresh_client = self._connect(keep_alive=False)
        self._remembered_request = lru_cache(_REMEMBERED_REQUESTS)(self._request)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to `GET path`; `path` begins with a slash and is already quoted.

        Raises nothing but `NuonUnavailable`, `NuonRejected`, `NuonNotFound` and `MalformedAnswer`.
        """
        try:
            request = self._request(path, params) if params else self._remembered_request(path)
            async with self._slots, asyncio.timeout(self._timeout):
                return await self._ask(request, path)
        except NuonError:
            raise
        except TimeoutError as error:
            reason = f"no complete answer within {self._timeout:g} s"
            raise NuonUnavailable(sentence(path, reason)) from error
        except Exception as error:  # what the libraries raise is an open set
            cause = beneath_httpx(error)
            failure = NuonUnavailable(sentence(path, reason_of(cause)))
            if not isinstance(cause, aiohttp.ClientResponseError):
                raise failure from error
        # Not chained, not even as its context: it holds the request's headers.
        raise failure

    async def aclose(self) -> None:
        """Close every connection; requests in flight fail as `NuonUnavailable`."""
        await self._client.aclose()
        await self._fresh_client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _connect(self, *, keep_alive: bool) -> httpx.AsyncClient:
        def session() -> aiohttp.ClientSession:
            connector = aiohttp.TCPConnector(
                ssl=self._tls,
                limit=self._pool_size,
                force_close=not keep_alive,
                keepalive_timeout=_KEPT_IDLE_SECONDS if keep_alive else None,
            )
            return aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), proxy=self._proxy
            )

        # The session is made by hand: the transport's own keeps cookies, and hands a proxy's
        # password to aiohttp in a way that is deprecated there.
        transport = AiohttpTransport(client=session, verify=self._tls)
        # No time-outs here: httpx's are per read, and the deadline in `get` covers them all.
        no_timeout = httpx.Timeout(None)
        return httpx.AsyncClient(
            transport=transport, timeout=no_timeout, cookies=_NoCookies(), trust_env=False
        )

    def _request(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Request:
        return httpx.Request("GET", self._api_url + path, params=params, headers=self._headers)

    async def _ask(self, request: httpx.Request, path: str) -> Answer:
        try:
            response = await self._send(request)
        except (httpx.RemoteProtocolError, httpx.InvalidURL) as error:
            # httpx reads the address even of a redirect that it is not to follow.
            raise NuonRejected(sentence(path, redirected("an address that is none"))) from error
        self._redact_headers(response)
        self.api_version = header(response, "x-nuon-api-version") or self.api_version
        try:
            if response.status_code != HTTPStatus.OK:
                raise await self._refusal(response, path)
            parts = await _read(response, path, limit=self._max_answer_bytes)
        finally:
            await response.aclose()

        if not any(parts):
            raise MalformedAnswer(sentence(path, "an empty answer", response))
        return Answer(
            fingerprint=_fingerprint(parts),
            api_version=header(response, "x-nuon-api-version"),
            trace_id=header(response, "x-nuon-trace-id"),
            next_page=response.headers.get("x-nuon-page-next", "").lower() == "true",
            _parts=parts,
            _clean=self._without_token,
        )

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Send, once more on a new connection if a kept one turned out to be dead.

        aiohttp by itself asks a second time too, but on whatever connection it has kept, and
        after a platform's restart those are all dead.
        """
        try:
            return await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            if not broke_before_an_answer(beneath_httpx(error)):
                raise
        return await self._fresh_client.send(request, stream=True)

    def _without_token(self, content: bytes) -> bytes:
        """Take out the token, for a platform that repeats what it was sent."""
        if len(self._secret) < _SHORTEST_SECRET_BYTES:
            return content
        return content.replace(self._secret, _REDACTED)

    def _redact_headers(self, response: httpx.Response) -> None:
        raw = response.headers.raw
        if any(self._secret in value for _, value in raw):
            redacted = [(name, self._without_token(value)) for name, value in raw]
            response.headers = httpx.Headers(redacted)

    async def _refusal(self, response: httpx.Response, path: str) -> NuonError:
        try:
            body = b"".join(await _read(response, path, limit=_ERROR_BYTES))
        except MalformedAnswer:
            body = b""
        return refusal(response, path, body, token=self._token)


class _NoCookies(CookieJar):
    """Stays empty: httpx would parse and store cookies with every answer, and for nothing."""

    def extract_cookies(self, response: HTTPResponse, request: Request) -> None:
        """Keep nothing."""


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    tls = httpx.create_ssl_context()
    if ca_file is None:
        return tls
    try:
        tls.load_verify_locations(cafile=ca_file)
    except OSError as error:  # an ssl.SSLError is one
        expected = f"a readable file of certificates in PEM ({error.strerror or error})"
        raise ConfigError((Problem("nuon.ca_file", expected),)) from error
    return tls


def _header_value(location: str, value: str) -> str:
    if value and value.isascii() and value.isprintable():
        return value
    expected = "printable ASCII on one line: is it empty, or is there a line break in it?"
    raise ConfigError((Problem(location, expected),))


class _Decompressor(Protocol):
    """What zlib's objects do."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Uncompressed:
    """Passes on an answer that is not compressed; where it ends, httpx knows."""

    eof = True
    unused_data = b""

    def decompress(self, data: bytes, _max_length: int, /) -> bytes:
        return data


def _decompressor(response: httpx.Response, path: str) -> _Decompressor:
    match response.headers.get("content-encoding", "identity").lower():
        case "identity":
            return _Uncompressed()
        case "gzip":
            # By hand, since httpx takes a gzip stream that ends too early for a whole one.
            return zlib.decompressobj(_GZIP)
        case encoding:
            reason = f"an answer compressed as {clean(encoding)}, which was not asked for"
            raise MalformedAnswer(sentence(path, reason, response))


async def _read(response: httpx.Response, path: str, *, limit: int) -> tuple[bytes, ...]:
    """Return the decompressed body in parts; `MalformedAnswer` once it exceeds `limit` bytes."""
    decompressor = _decompressor(response, path)
    parts: list[bytes] = []
    size = 0
    try:
        async for raw in response.aiter_raw():
            part = decompressor.decompress(raw, limit + 1 - size)
            parts.append(part)
            size += len(part)
            if size > limit:
                reason = f"an answer of more than the {limit:,} bytes that are read at most"
                raise MalformedAnswer(sentence(path, reason, response))
            if decompressor.unused_data:
                reason = "an answer that goes on behind the end of its gzip stream"
                raise MalformedAnswer(sentence(path, reason, response))
    except zlib.error as error:
        raise MalformedAnswer(sentence(path, "an answer with damaged gzip", response)) from error
    if not decompressor.eof and response.num_bytes_downloaded:
        raise NuonUnavailable(sentence(path, "the answer broke off", response))
    return tuple(parts)


def _fingerprint(parts: Iterable[bytes]) -> bytes:
    fingerprint = xxhash.xxh3_128()
    for part in parts:
        fingerprint.update(part)
    return fingerprint.digest()
