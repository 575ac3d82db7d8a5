"""What the platform refuses, and when to come again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from monitor.errors import (
    MalformedAnswer,
    NuonError,
    NuonNotFound,
    NuonRejected,
    NuonUnavailable,
    Unserved,
)
from tests.support.faults import answer
from tests.support.platform_client import PATH, TOKEN, failure, platform_error

# What the platform refuses


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (400, NuonRejected, "check the watch's id"),
        (401, NuonRejected, "check nuon.api_token"),
        (403, NuonRejected, "check nuon.api_token and nuon.org_id"),
        (404, NuonNotFound, "no such record"),
        (405, NuonRejected, "405 Method Not Allowed"),
        (407, NuonRejected, "check nuon.proxy"),
        (408, NuonUnavailable, "408"),
        (409, NuonUnavailable, "409 Conflict"),
        (422, NuonRejected, "check the watch's id"),
        (425, NuonUnavailable, "425"),
        (429, NuonUnavailable, "429 Too Many Requests"),
        (500, NuonUnavailable, "500 Internal Server Error"),
        (503, NuonUnavailable, "503 Service Unavailable"),
        (520, NuonUnavailable, "520"),
        (201, MalformedAnswer, "where 200 was due"),
        (499, NuonRejected, "499"),
    ],
)
async def test_a_refusal_is_told_by_what_happens_next_and_quotes_the_platform(
    status: int, kind: type[NuonError], advice: str
) -> None:
    headers = {"X-Nuon-Trace-ID": "4bf92f35"}

    error = await failure(platform_error(status, "short", "in full words", headers))

    assert type(error) is kind
    assert str(error).startswith(f"GET {PATH}: ")
    assert advice in str(error)
    assert "in full words" in str(error)
    assert str(error).endswith("(trace 4bf92f35)")


async def test_a_404_that_is_not_the_platforms_own_means_a_platform_of_another_version() -> None:
    error = await failure(answer(b"404 page not found", status=404))

    assert type(error) is NuonRejected
    assert error.unserved is Unserved.ADDRESS
    assert "this platform does not serve such a path: is it of another version" in str(error)


async def test_a_route_that_the_platform_lacks_is_told_with_what_it_was_built_from() -> None:
    headers = {"X-Nuon-API-Version": "5f1c0de"}

    error = await failure(answer(b"404 page not found", status=404, headers=headers))

    assert isinstance(error, NuonRejected)
    assert error.unserved is Unserved.ROUTE
    assert "this platform, built from 5f1c0de, does not serve such a path" in str(error)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "feature not enabled: app-branches"),
        (403, "Feature not enabled"),
        (500, "app branches feature not enabled for this organization"),
    ],
)
async def test_a_feature_that_the_organisation_lacks_is_no_wrong_id(status: int, name: str) -> None:
    description = "This operation requires the 'app-branches' feature"

    error = await failure(platform_error(status, name, description))

    assert type(error) is NuonRejected
    assert error.unserved is Unserved.FEATURE
    assert description in str(error)
    assert "ask whoever runs the platform to turn it on" in str(error)
    assert "check the watch's id" not in str(error)


async def test_a_404_with_json_of_someone_else_is_not_taken_for_a_deleted_record() -> None:
    error = await failure(answer(b'{"error": "Not Found", "path": "/"}', status=404))

    assert type(error) is NuonRejected


async def test_a_404_with_error_and_description_is_the_platforms_own() -> None:
    body = b'{"error": "not found", "description": "unable to get release"}'

    error = await failure(answer(body, status=404))

    assert type(error) is NuonNotFound


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"[]",
        b'{"error": {}}',
        b'{"error": "\\ud800"}',
        b'{"error": "\xff"}',
        b"[" * 60_000,
        b"x" * 200_000,
    ],
    ids=["empty", "page", "list", "no text", "half a character", "not UTF-8", "deep", "long"],
)
async def test_a_refusal_with_any_body_is_told_by_its_status(body: bytes) -> None:
    error = await failure(answer(body, status=502))

    assert type(error) is NuonUnavailable
    assert str(error) == f"GET {PATH}: 502 Bad Gateway"


async def test_an_error_text_of_the_platform_is_one_short_printable_line() -> None:
    hostile = "bad\x1b[31m\r\nforged: line\u202e\u2028" + "x" * 5000

    error = await failure(platform_error(400, "e", hostile))

    assert str(error).isprintable()
    assert "bad [31m forged: line xxx" in str(error)
    assert len(str(error)) < 400


async def test_a_trace_id_cannot_forge_a_line() -> None:
    error = await failure(platform_error(500, "e", headers={"X-Nuon-Trace-ID": "a\x1b[2Jb\t" * 99}))

    assert str(error).isprintable()
    assert len(str(error)) < 400


async def test_a_platform_that_repeats_the_token_does_not_get_it_into_a_message() -> None:
    error = await failure(platform_error(401, "e", f"the token {TOKEN} is unknown"))

    assert TOKEN not in str(error)
    assert "the token … is unknown" in str(error)


# When to come again


def http_date(ahead: timedelta) -> str:
    return format_datetime(datetime.now(UTC) + ahead, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("999999", 180.0),
        ("9" * 5000, None),
        ("9" * 30, 180.0),
        (http_date(timedelta(days=400)), 180.0),
        (http_date(timedelta(days=-400)), 0.0),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("Thu, 99 Foo 2025 25:61:61 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 180.0),
        ("", None),
        (None, None),
    ],
    ids=[
        *[
            "now",
            "seconds",
            "very long",
            "endless digits",
            "beyond any date",
            "next year",
            "last year",
            "negative",
        ],
        *["a word", "no integer", "no date", "the last date", "empty", "missing"],
    ],
)
async def test_what_a_busy_platform_asks_for_is_waited_within_reason(
    asked: str | None, waits: float | None
) -> None:
    headers = {} if asked is None else {"Retry-After": asked}

    error = await failure(answer(b"", status=429, headers=headers))

    assert isinstance(error, NuonUnavailable)
    assert error.retry_after == waits


async def test_a_date_to_come_again_at_is_turned_into_seconds() -> None:
    headers = {"Retry-After": http_date(timedelta(minutes=2))}

    error = await failure(answer(b"", status=503, headers=headers))

    assert isinstance(error, NuonUnavailable)
    assert error.retry_after is not None
    assert 60 < error.retry_after <= 120


async def test_who_asks_for_a_longer_pause_than_it_gets_is_quoted_with_it() -> None:
    error = await failure(answer(b"", status=503, headers={"Retry-After": "3600"}))

    assert (
        "503 Service Unavailable; it asks to wait for 1 h, and is asked again after 3 min"
        in str(error)
    )
