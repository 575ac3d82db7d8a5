"""The platform's API over HTTP: a path in, one whole answer out, or an error that says what to do.

Knows nothing of what an answer means. Every way in which a request can fail becomes one of the
`NuonError`s, whose sentence never holds the token and holds no more than a cleaned excerpt of
what the platform wrote.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import Request

import aiohttp
import httpx
import msgspec
import xxhash
from httpx_aiohttp import AiohttpTransport

from monitor import __version__
from monitor.errors import (
    ConfigError,
    MalformedAnswer,
    NuonError,
    NuonNotFound,
    NuonRejected,
    NuonUnavailable,
    Problem,
)

# Longer than the five minutes between two polls of what is settled, shorter than the 350 s after
# which a NAT gateway or network load balancer of AWS forgets a connection without a word.
_KEPT_IDLE_SECONDS = 340.0
_LONGEST_RETRY_AFTER = 3600.0
_EXCERPT_CHARACTERS = 200
# Enough for any error of the platform; a proxy's page of any size is not worth more.
_ERROR_BYTES = 64 * 1024
# Building a request takes as long as a fifth of the whole exchange, and polls repeat themselves.
_REMEMBERED_REQUESTS = 4096

_REDACTED = b"..."
# A shorter one could not be told apart from words and numbers.
_SHORTEST_SECRET = 8
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
            raise NuonUnavailable(_sentence(path, reason)) from error
        except Exception as error:  # what the libraries raise is an open set
            cause = _beneath_httpx(error)
            failure = NuonUnavailable(_sentence(path, _reason(cause)))
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
            raise NuonRejected(_sentence(path, _redirected("an address that is none"))) from error
        self._redact_headers(response)
        self.api_version = _header(response, "x-nuon-api-version") or self.api_version
        try:
            if response.status_code != HTTPStatus.OK:
                raise await self._refusal(response, path)
            parts = await _read(response, path, limit=self._max_answer_bytes)
        finally:
            await response.aclose()

        if not any(parts):
            raise MalformedAnswer(_sentence(path, "an empty answer", response))
        return Answer(
            fingerprint=_fingerprint(parts),
            api_version=_header(response, "x-nuon-api-version"),
            trace_id=_header(response, "x-nuon-trace-id"),
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
            if not _broke_before_an_answer(_beneath_httpx(error)):
                raise
        return await self._fresh_client.send(request, stream=True)

    def _without_token(self, said: bytes) -> bytes:
        """Take out the token, for a platform that repeats what it was sent."""
        is_missing_route = len(self._secret) >= _SHORTEST_SECRET
        return said.replace(self._secret, _REDACTED) if is_missing_route else said

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
        said = _platform_error(body)
        excerpt = _clean((said.description or said.error or "").replace(self._token, "…"))
        status = response.status_code
        reason = f"{_status_text(status)}: {excerpt}" if excerpt else _status_text(status)

        if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            retry_after = _retry_after(response.headers.get("retry-after"), now=datetime.now(UTC))
            return NuonUnavailable(_sentence(path, reason, response), retry_after=retry_after)
        if status == HTTPStatus.NOT_FOUND and said.is_the_platforms:
            reason = f"the platform has no such record ({reason})"
            return NuonNotFound(_sentence(path, reason, response))
        if status == HTTPStatus.NOT_FOUND:
            reason = f"{reason}; {_missing_route(_header(response, 'x-nuon-api-version'))}"
            return NuonRejected(_sentence(path, reason, response), is_missing_route=True)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            where = _host(response.headers.get("location", ""))
            reason = f"{_status_text(status)}, {_redirected(where)}"
            return NuonRejected(_sentence(path, reason, response))
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return MalformedAnswer(_sentence(path, f"{reason}, where 200 was due", response))
        hint = _FEATURE_HINT if said.is_of_feature else _HINTS.get(status, _NO_HINT)
        return NuonRejected(_sentence(path, f"{reason}; {hint}", response))


_AGAIN = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,  # the platform's "not ready yet"
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)

_HINTS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "the platform does not take this request: check the watch's id",
    HTTPStatus.UNAUTHORIZED: "the token is not accepted: check nuon.api_token",
    HTTPStatus.FORBIDDEN: "the token may not read this: check nuon.api_token and nuon.org_id",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "the proxy wants a user: check nuon.proxy",
    HTTPStatus.UNPROCESSABLE_ENTITY: "the platform does not take this: check the watch's id",
}
_FEATURE_HINT = "ask whoever runs the platform to turn it on for your organisation"
_NO_HINT = "see what the platform says"

# The first that fits counts; aiohttp's own tree, the narrower ones first.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (
        aiohttp.ClientConnectorCertificateError,
        (
            "the certificate of {0.host} does not verify ({0.certificate_error.verify_message}):"
            " if an authority of your own has signed it, name that authority in nuon.ca_file"
        ),
    ),
    (aiohttp.ClientSSLError, "TLS with {0.host}:{0.port} fails: is it https there?"),
    (aiohttp.ClientConnectorDNSError, "the name {0.host} cannot be resolved"),
    (
        aiohttp.ClientProxyConnectionError,
        "the proxy {0.host}:{0.port} cannot be reached ({0.os_error}): check nuon.proxy",
    ),
    (aiohttp.ClientConnectorError, "no connection to {0.host}:{0.port} ({0.os_error})"),
    (aiohttp.ClientHttpProxyError, "the proxy refuses ({0.status}): check nuon.proxy"),
    (aiohttp.ClientResponseError, "what answered there does not speak HTTP"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientConnectionError, "the connection broke before an answer came"),
)


class _PlatformError(msgspec.Struct, frozen=True):
    """The body of the platform's own errors, as far as it is one."""

    error: str | None = None
    description: str | None = None
    user_error: bool | None = None

    @property
    def is_the_platforms(self) -> bool:
        return self.user_error is not None or bool(self.error and self.description)

    @property
    def is_of_feature(self) -> bool:
        """Whether the organisation lacks what the platform has, as app branches are for some."""
        return (self.error or "").startswith("feature not enabled")


_error_decoder = msgspec.json.Decoder(_PlatformError)


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


async def _read(response: httpx.Response, path: str, *, limit: int) -> tuple[bytes, ...]:
    """Return the decompressed body in parts; `MalformedAnswer` once it exceeds `limit` bytes."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("gzip", "identity"):
        reason = f"an answer compressed as {_clean(encoding)}, which was not asked for"
        raise MalformedAnswer(_sentence(path, reason, response))

    # By hand, since httpx takes a gzip stream that ends too early for a whole one.
    gunzip = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    try:
        async for raw in response.aiter_raw():
            part = gunzip.decompress(raw, limit + 1 - size) if gunzip else raw
            parts.append(part)
            size += len(part)
            if size > limit:
                reason = f"an answer of more than the {limit:,} bytes that are read at most"
                raise MalformedAnswer(_sentence(path, reason, response))
            if gunzip and gunzip.unused_data:
                reason = "an answer that goes on behind the end of its gzip stream"
                raise MalformedAnswer(_sentence(path, reason, response))
    except zlib.error as error:
        raise MalformedAnswer(_sentence(path, "an answer with damaged gzip", response)) from error
    if gunzip and not gunzip.eof and response.num_bytes_downloaded:
        raise NuonUnavailable(_sentence(path, "the answer broke off", response))
    return tuple(parts)


def _fingerprint(parts: Iterable[bytes]) -> bytes:
    fingerprint = xxhash.xxh3_128()
    for part in parts:
        fingerprint.update(part)
    return fingerprint.digest()


def _platform_error(body: bytes) -> _PlatformError:
    try:
        return _error_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _PlatformError()


def _beneath_httpx(error: Exception) -> BaseException:
    """Return aiohttp's error, where httpx's is a mere wrapper, and a misleading one, of it."""
    return (isinstance(error, httpx.HTTPError) and error.__cause__) or error


def _broke_before_an_answer(error: BaseException) -> bool:
    broke = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    return broke and not isinstance(error, aiohttp.ClientConnectorError)


def _reason(error: BaseException) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason.format(error)
    # Its text is unknown and may hold anything, so its name has to do.
    return f"the request failed ({type(error).__name__})"


def _missing_route(api_version: str | None) -> str:
    if api_version is None:
        return (
            "this platform does not serve such a path: is it of another version,"
            " or is nuon.api_url the address of something else?"
        )
    return f"this platform, built from {api_version}, does not serve such a path"


def _redirected(where: str) -> str:
    return (
        f"redirected to {where}, and redirects are not followed, lest the token end up elsewhere;"
        " set nuon.api_url to where the API itself is"
    )


def _host(location: str) -> str:
    try:
        return _clean(urlsplit(location).hostname or "") or "another path"
    except ValueError:
        return "an address that is none"


def _retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` asks for, at most an hour; None if it is unclear."""
    if not value:
        return None
    try:
        seconds = float(int(value)) if value.isdecimal() else _seconds_until(value, now)
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def _seconds_until(http_date: str, now: datetime) -> float:
    date = parsedate_to_datetime(http_date)
    return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _header(response: httpx.Response, name: str) -> str | None:
    return _clean(response.headers.get(name, "")) or None


def _sentence(path: str, reason: str, response: httpx.Response | None = None) -> str:
    trace_id = _header(response, "x-nuon-trace-id") if response else None
    return f"GET {_clean(path)}: {reason}" + (f" (trace {trace_id})" if trace_id else "")


def _clean(text: str) -> str:
    """Return untrusted text as one line of printable characters, cut to an excerpt."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else f"{line[: _EXCERPT_CHARACTERS - 1]}…"
