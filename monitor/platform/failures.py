"""What a failed request means: each failure becomes a `NuonError` whose sentence says what to do.

No sentence holds the token, and none more than a cleaned excerpt of what the platform wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import httpx
import msgspec

from monitor.errors import (
    MalformedAnswer,
    NuonError,
    NuonNotFound,
    NuonRejected,
    NuonUnavailable,
    Unserved,
)
from monitor.text import duration_words

_LONGEST_RETRY_AFTER = timedelta(minutes=3)
"""Nobody would be notified of anything for longer, because of one answer."""
_EXCERPT_CHARACTERS = 200

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
_FEATURE_HINT = (
    "this platform does not serve it to your organisation:"
    " ask whoever runs the platform to turn it on"
)
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
        """Whether the organisation lacks what the platform has, as app branches are for some.

        400 `feature not enabled: …`, on older platforms 500 `app branches feature not enabled for
        this organization` (its public source, December 2025).
        """
        return "feature not enabled" in f"{self.error} {self.description}".lower()


_error_decoder = msgspec.json.Decoder(_PlatformError)


def refusal(response: httpx.Response, path: str, body: bytes, *, token: str) -> NuonError:
    """Return what any answer but a 200 means; `body` is empty where it could not be read."""
    error = _platform_error(body)
    status = response.status_code
    excerpt = clean((error.description or error.error or "").replace(token, "…"))
    reason = f"{_status_text(status)}: {excerpt}" if excerpt else _status_text(status)

    if status >= HTTPStatus.BAD_REQUEST and error.is_of_feature:
        reason = f"{reason}; {_FEATURE_HINT}"
        return NuonRejected(sentence(path, reason, response), unserved=Unserved.FEATURE)
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unavailable(response, path, reason)
    if status == HTTPStatus.NOT_FOUND:
        return _not_found(response, path, reason, is_the_platforms=error.is_the_platforms)
    if status < HTTPStatus.BAD_REQUEST:
        return _no_error(response, path, reason)
    hint = _HINTS.get(status, _NO_HINT)
    return NuonRejected(sentence(path, f"{reason}; {hint}", response))


def _unavailable(response: httpx.Response, path: str, reason: str) -> NuonError:
    asked = _retry_after(response.headers.get("retry-after"), now=datetime.now(UTC))
    if asked is None:
        return NuonUnavailable(sentence(path, reason, response))
    if asked > _LONGEST_RETRY_AFTER:
        reason = (
            f"{reason}; it asks to wait for {duration_words(asked)},"
            f" and is asked again after {duration_words(_LONGEST_RETRY_AFTER)}"
        )
    wait = min(asked, _LONGEST_RETRY_AFTER).total_seconds()
    return NuonUnavailable(sentence(path, reason, response), retry_after=wait)


def _not_found(
    response: httpx.Response, path: str, reason: str, *, is_the_platforms: bool
) -> NuonError:
    """Tell a record that is not there from a path that is not served."""
    if is_the_platforms:
        reason = f"the platform has no such record ({reason})"
        return NuonNotFound(sentence(path, reason, response))
    api_version = header(response, "x-nuon-api-version")
    reason = f"{reason}; {_missing_route(api_version)}"
    unserved = Unserved.ADDRESS if api_version is None else Unserved.ROUTE
    return NuonRejected(sentence(path, reason, response), unserved=unserved)


def _no_error(response: httpx.Response, path: str, reason: str) -> NuonError:
    """Return what a redirect means, or a success of another kind than the one that was due."""
    status = response.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return MalformedAnswer(sentence(path, f"{reason}, where 200 was due", response))
    where = _host(response.headers.get("location", ""))
    return NuonRejected(sentence(path, f"{_status_text(status)}, {redirected(where)}", response))


def _platform_error(body: bytes) -> _PlatformError:
    try:
        return _error_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _PlatformError()


def beneath_httpx(error: Exception) -> BaseException:
    """Return aiohttp's error, where httpx's is a mere wrapper, and a misleading one, of it."""
    return (isinstance(error, httpx.HTTPError) and error.__cause__) or error


def broke_before_an_answer(error: BaseException) -> bool:
    """Whether a connection that was there broke: one that was kept for long may be dead."""
    broke = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    return broke and not isinstance(error, aiohttp.ClientConnectorError)


def reason_of(error: BaseException) -> str:
    """Return why a request brought no answer, in words that hold nothing of the request."""
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


def redirected(where: str) -> str:
    """Return what a redirect to somewhere means, and what to do."""
    return (
        f"redirected to {where}, and redirects are not followed, lest the token end up elsewhere;"
        " set nuon.api_url to where the API itself is"
    )


def _host(location: str) -> str:
    try:
        return clean(urlsplit(location).hostname or "") or "another path"
    except ValueError:
        return "an address that is none"


def _retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Return how long a `Retry-After` asks to wait; None if it is unclear."""
    if not value:
        return None
    try:
        wait = timedelta(seconds=int(value)) if value.isdecimal() else _until(value, now)
    except ValueError:
        return None
    except OverflowError:  # a number of seconds far beyond any date
        return timedelta.max
    return max(wait, timedelta())


def _until(http_date: str, now: datetime) -> timedelta:
    date = parsedate_to_datetime(http_date)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)) - now


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def header(response: httpx.Response, name: str) -> str | None:
    """Return a header as it can be shown; None where it is missing or empty."""
    return clean(response.headers.get(name, "")) or None


def sentence(path: str, reason: str, response: httpx.Response | None = None) -> str:
    """Return an error's sentence, with the id by which the platform's logs know the request."""
    trace_id = header(response, "x-nuon-trace-id") if response else None
    return f"GET {clean(path)}: {reason}" + (f" (trace {trace_id})" if trace_id else "")


def clean(text: str) -> str:
    """Return untrusted text as one line of printable characters, cut to an excerpt."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else f"{line[: _EXCERPT_CHARACTERS - 1]}…"
