"""The platform's client against real HTTP, well behaved and not."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import traceback
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from monitor.errors import (
    ConfigError,
    MalformedAnswer,
    NuonError,
    NuonNotFound,
    NuonRejected,
    NuonUnavailable,
)
from monitor.platform.client import NuonClient
from tests.support.faults import (
    Certificate,
    FaultyServer,
    Scene,
    answer,
    answer_and_close,
    answer_when,
    drip,
    gzip_bomb,
    never_answer,
    raw,
    redirect,
    reset,
    response,
    self_signed,
    truncate,
)

TOKEN = "s3cret-token-of-the-vendor"
PATH = "/v1/releases/relw6bnjkqxtb7mzdvd0y2hs9a"


def client_of(
    url: str,
    *,
    timeout: float = 10.0,
    max_concurrent_requests: int = 8,
    ca_file: Path | None = None,
    proxy: str | None = None,
    max_answer_bytes: int = 1 << 20,
) -> NuonClient:
    return NuonClient(
        api_url=url,
        org_id="orgw6bnjkqxtb7mzdvd0y2hs9a",
        api_token=TOKEN,
        timeout=timedelta(seconds=timeout),
        max_concurrent_requests=max_concurrent_requests,
        ca_file=ca_file,
        proxy=proxy,
        max_answer_bytes=max_answer_bytes,
    )


async def failure(*scenes: Scene, timeout: float = 10.0) -> NuonError:
    """Return the error that a request meets when the platform plays these scenes."""
    async with FaultyServer(*scenes) as server, client_of(server.url, timeout=timeout) as client:
        with pytest.raises(NuonError) as caught:
            await client.get(PATH)
        return caught.value


def platform_error(
    status: int, error: object, description: object = "", headers: Mapping[str, str] | None = None
) -> Scene:
    body = {"error": error, "user_error": True, "description": description}
    return answer(json.dumps(body).encode(), status=status, headers=headers)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


# What a request says and what an answer brings


async def test_a_request_names_the_token_the_organisation_and_who_asks() -> None:
    async with FaultyServer() as server, client_of(server.url) as client:
        await client.get(PATH)

    (request,) = server.requests
    assert (request.method, request.target) == ("GET", PATH)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["x-nuon-org-id"] == "orgw6bnjkqxtb7mzdvd0y2hs9a"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["user-agent"].startswith("nuon-release-monitor/")


async def test_an_api_url_may_have_a_path_and_a_trailing_slash() -> None:
    async with FaultyServer() as server, client_of(f"{server.url}/nuon/") as client:
        await client.get(PATH)

    assert server.requests[0].target == f"/nuon{PATH}"


async def test_parameters_are_quoted_into_the_query() -> None:
    async with FaultyServer() as server, client_of(server.url) as client:
        await client.get("/v1/workflows", {"limit": "100", "created_at_gte": "2025-12-01T00:00+01"})

    assert server.requests[0].target == (
        "/v1/workflows?limit=100&created_at_gte=2025-12-01T00:00%2B01"
    )


async def test_an_answer_brings_its_body_version_trace_and_whether_a_page_follows() -> None:
    headers = {
        "X-Nuon-API-Version": "0.19.700",
        "X-Nuon-Trace-ID": "4bf92f35",
        "X-Nuon-Page-Next": "true",
    }
    async with (
        FaultyServer(answer(b'{"id": "rel"}', headers=headers)) as server,
        client_of(server.url) as client,
    ):
        got = await client.get(PATH)

    assert got.body == b'{"id": "rel"}'
    assert (got.api_version, got.trace_id, got.next_page) == ("0.19.700", "4bf92f35", True)


async def test_an_answer_without_the_platforms_headers_is_an_answer_all_the_same() -> None:
    async with FaultyServer() as server, client_of(server.url) as client:
        got = await client.get(PATH)

    assert (got.api_version, got.trace_id, got.next_page) == (None, None, False)


async def test_a_compressed_answer_is_unpacked() -> None:
    body = b'{"id": "rel"}' * 10_000
    packed = answer(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    async with FaultyServer(packed) as server, client_of(server.url) as client:
        assert (await client.get(PATH)).body == body


async def test_an_answer_in_chunks_is_put_together() -> None:
    chunked = raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n"
    )
    async with FaultyServer(chunked) as server, client_of(server.url) as client:
        assert (await client.get(PATH)).body == b"{} "


async def test_a_cookie_that_a_proxy_sets_is_not_sent_back() -> None:
    async with (
        FaultyServer(answer(headers={"Set-Cookie": "sticky=1; Path=/"})) as server,
        client_of(server.url.replace("127.0.0.1", "localhost")) as client,
    ):
        await client.get(PATH)
        await client.get(PATH)

    assert "cookie" not in server.requests[1].headers


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
    assert error.is_missing_route
    assert "this platform does not serve such a path: is it of another version" in str(error)


async def test_a_route_that_the_platform_lacks_is_told_with_what_it_was_built_from() -> None:
    headers = {"X-Nuon-API-Version": "5f1c0de"}

    error = await failure(answer(b"404 page not found", status=404, headers=headers))

    assert "this platform, built from 5f1c0de, does not serve such a path" in str(error)


async def test_a_feature_that_the_organisation_lacks_is_no_wrong_id() -> None:
    description = "This operation requires the 'app-branches' feature"

    error = await failure(platform_error(400, "feature not enabled: app-branches", description))

    assert type(error) is NuonRejected
    assert not error.is_missing_route
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
        ("999999", 3600.0),
        ("9" * 5000, None),
        (http_date(timedelta(days=400)), 3600.0),
        (http_date(timedelta(days=-400)), 0.0),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("Thu, 99 Foo 2025 25:61:61 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
        ("", None),
        (None, None),
    ],
    ids=[
        *["now", "seconds", "very long", "endless digits", "next year", "last year", "negative"],
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
    headers = {"Retry-After": http_date(timedelta(minutes=30))}

    error = await failure(answer(b"", status=503, headers=headers))

    assert isinstance(error, NuonUnavailable)
    assert error.retry_after is not None
    assert 1500 < error.retry_after <= 1800


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_token_never_follows_a_redirect(status: int) -> None:
    async with (
        FaultyServer() as elsewhere,
        FaultyServer(redirect(f"{elsewhere.url}/login?next=x", status=status)) as server,
        client_of(server.url) as client,
    ):
        with pytest.raises(NuonRejected, match=r"redirected to 127\.0\.0\.1, .*set nuon.api_url"):
            await client.get(PATH)

    assert elsewhere.connections == 0


@pytest.mark.parametrize("location", ["/login", "", "http://[::bad", "http://a b\x80/", "mailto:x"])
async def test_a_redirect_to_anywhere_is_refused(location: str) -> None:
    error = await failure(redirect(location))

    assert type(error) is NuonRejected
    assert "set nuon.api_url" in str(error)


# Answers that are not what was promised


async def test_an_empty_answer_is_malformed() -> None:
    error = await failure(answer(b""))

    assert type(error) is MalformedAnswer
    assert str(error) == f"GET {PATH}: an empty answer"


async def test_an_empty_answer_that_claims_to_be_compressed_is_malformed() -> None:
    error = await failure(answer(b"", headers={"Content-Encoding": "gzip"}))

    assert type(error) is MalformedAnswer


async def test_an_answer_as_long_as_the_limit_is_taken() -> None:
    async with (
        FaultyServer(answer(b"x" * 1000)) as server,
        client_of(server.url, max_answer_bytes=1000) as client,
    ):
        assert len((await client.get(PATH)).body) == 1000


@pytest.mark.parametrize(
    "scene",
    [
        answer(b"x" * 1001),
        answer(gzip.compress(b"x" * 1001), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["plain", "compressed"],
)
async def test_an_answer_beyond_the_limit_is_not_read_to_its_end(scene: Scene) -> None:
    async with (
        FaultyServer(scene) as server,
        client_of(server.url, max_answer_bytes=1000) as client,
    ):
        with pytest.raises(MalformedAnswer, match="more than the 1,000 bytes"):
            await client.get(PATH)


async def test_a_gzip_bomb_is_never_unpacked_into_memory() -> None:
    bomb = answer(gzip_bomb(mebibytes=64), headers={"Content-Encoding": "gzip"})
    async with (
        FaultyServer(bomb) as server,
        client_of(server.url, max_answer_bytes=1000) as client,
    ):
        tracemalloc.start()
        with pytest.raises(MalformedAnswer, match="more than the 1,000 bytes"):
            await client.get(PATH)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 2 << 20


@pytest.mark.parametrize(
    ("encoding", "body", "complaint"),
    [
        ("gzip", b"{}", "damaged gzip"),
        ("gzip", gzip.compress(b"{}")[:-9] + b"\x00" * 9, "damaged gzip"),
        ("gzip", gzip.compress(b"{}") + b"more", "behind the end of its gzip stream"),
        ("br", b"{}", "compressed as br, which was not asked for"),
        ("gzip, gzip", b"{}", "compressed as gzip, gzip"),
    ],
    ids=["not gzip", "wrong checksum", "more behind it", "another encoding", "twice"],
)
async def test_an_answer_that_cannot_be_unpacked_is_malformed(
    encoding: str, body: bytes, complaint: str
) -> None:
    error = await failure(answer(body, headers={"Content-Encoding": encoding}))

    assert type(error) is MalformedAnswer
    assert complaint in str(error)


@pytest.mark.parametrize(
    "payload",
    [
        response(b'{"id": "r', content_length=500),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}" * 999)[:-12],
        response(b'{"error": "x', status=401, content_length=500),
    ],
    ids=["length", "chunks", "gzip without a length", "of an error"],
)
async def test_an_answer_that_breaks_off_is_no_answer(payload: bytes) -> None:
    error = await failure(truncate(payload))

    assert type(error) is NuonUnavailable
    assert "the answer broke off" in str(error)


@pytest.mark.parametrize(
    "payload",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02\x03" * 100 + b"\r\n\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=["ssh", "binary", "status", "length", "endless header"],
)
async def test_what_does_not_speak_http_is_unavailable(payload: bytes) -> None:
    error = await failure(truncate(payload))

    assert type(error) is NuonUnavailable
    assert str(error) == f"GET {PATH}: what answered there does not speak HTTP"


# Connections


@pytest.mark.parametrize(
    "scene",
    [
        never_answer(),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        drip(response(b"x" * 1000), every=0.01),
        drip(response(b"x" * 1000, status=500), every=0.01),
    ],
    ids=["silence", "a body that stops", "byte by byte", "an error byte by byte"],
)
async def test_a_request_ends_at_its_deadline_however_the_answer_comes(scene: Scene) -> None:
    error = await failure(scene, timeout=0.2)

    assert type(error) is NuonUnavailable
    assert str(error) == f"GET {PATH}: no complete answer within 0.2 s"


async def test_a_refused_connection_names_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with client_of(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(NuonUnavailable, match=f"no connection to 127.0.0.1:{port} "):
                await client.get(PATH)


async def test_a_name_that_does_not_resolve_is_named() -> None:
    # Too long for any name server to be asked.
    name = ".".join(["n" * 60] * 5)
    async with client_of(f"http://{name}") as client:
        with pytest.raises(NuonUnavailable, match=f"the name {name} cannot be resolved"):
            await client.get(PATH)


async def test_a_path_that_cannot_be_sent_is_told_in_one_line() -> None:
    async with client_of("http://127.0.0.1:1") as client:
        with pytest.raises(NuonUnavailable, match="GET /v1/releases/a b: the request failed"):
            await client.get("/v1/releases/a\nb")


async def test_a_connection_that_is_cut_off_before_the_request_is_read_is_unavailable() -> None:
    async with FaultyServer() as server, client_of(server.url) as client:
        server.on_connect = reset()

        with pytest.raises(NuonUnavailable, match=r"broke before an answer|no connection"):
            await client.get(PATH)


async def test_a_platform_that_cuts_every_request_off_is_unavailable() -> None:
    error = await failure(reset())

    assert type(error) is NuonUnavailable
    assert str(error) == f"GET {PATH}: the connection broke before an answer came"


async def test_polls_share_a_kept_connection() -> None:
    async with FaultyServer() as server, client_of(server.url) as client:
        for _ in range(5):
            await client.get(PATH)

    assert server.connections == 1


async def test_a_connection_that_a_refusal_came_on_is_kept() -> None:
    async with (
        FaultyServer(platform_error(409, "not ready"), answer()) as server,
        client_of(server.url) as client,
    ):
        with pytest.raises(NuonUnavailable):
            await client.get(PATH)
        await client.get(PATH)

    assert server.connections == 1


async def test_a_kept_connection_that_was_closed_costs_no_poll() -> None:
    async with (
        FaultyServer(answer_and_close()) as server,
        client_of(server.url) as client,
    ):
        for _ in range(5):
            assert (await client.get(PATH)).body == b"{}"

    assert server.connections == 5


async def test_kept_connections_that_all_died_cost_no_poll() -> None:
    """As after a restart of the platform behind a proxy: each is found dead when it is used."""
    everyone_is_here = asyncio.Event()
    async with (
        FaultyServer(answer_when(everyone_is_here)) as server,
        client_of(server.url) as client,
    ):
        async with asyncio.TaskGroup() as polls:
            for _ in range(8):
                polls.create_task(client.get(PATH))
            await server.until(lambda: server.in_flight == 8)
            everyone_is_here.set()
        server.play(reset(), reset(), answer())

        assert (await client.get(PATH)).body == b"{}"

    assert server.requests[-1].connection == 9


async def test_a_poll_after_every_kept_connection_was_reset_succeeds() -> None:
    async with FaultyServer() as server, client_of(server.url) as client:
        await client.get(PATH)
        server.reset_all()

        assert (await client.get(PATH)).body == b"{}"


async def test_no_more_requests_are_in_flight_than_allowed() -> None:
    released = asyncio.Event()
    async with (
        FaultyServer(answer_when(released)) as server,
        client_of(server.url, max_concurrent_requests=3) as client,
        asyncio.TaskGroup() as polls,
    ):
        for _ in range(20):
            polls.create_task(client.get(PATH))
        await server.until(lambda: server.in_flight == 3)
        released.set()

    assert len(server.requests) == 20
    assert server.most_in_flight == 3


async def test_waiting_for_a_place_does_not_count_against_the_deadline() -> None:
    slow = drip(response(b"{}"), every=0.002)
    async with (
        FaultyServer(slow) as server,
        client_of(server.url, timeout=1.0, max_concurrent_requests=1) as client,
    ):
        answers = await asyncio.gather(*(client.get(PATH) for _ in range(15)))

    assert len(answers) == 15


async def test_the_platform_is_seen_again_after_400_requests_that_hung() -> None:
    async with (
        FaultyServer(never_answer()) as server,
        client_of(server.url, timeout=0.1, max_concurrent_requests=100) as client,
    ):
        ends = await asyncio.gather(*(client.get(PATH) for _ in range(400)), return_exceptions=True)
        server.play(answer())

        assert {type(end) for end in ends} == {NuonUnavailable}
        for _ in range(100):
            assert (await client.get(PATH)).body == b"{}"


async def test_the_platform_is_seen_again_after_400_requests_that_were_cancelled() -> None:
    async with (
        FaultyServer(never_answer()) as server,
        client_of(server.url, max_concurrent_requests=100) as client,
    ):
        polls = [asyncio.create_task(client.get(PATH)) for _ in range(400)]
        await server.until(lambda: server.in_flight == 100)
        for poll in polls:
            poll.cancel()
        ends = await asyncio.gather(*polls, return_exceptions=True)
        server.play(answer())

        assert {type(end) for end in ends} == {asyncio.CancelledError}
        answers = await asyncio.gather(*(client.get(PATH) for _ in range(200)))
        assert len(answers) == 200


async def test_a_closed_client_closes_its_connections() -> None:
    async with FaultyServer(answer(), never_answer()) as server:
        async with client_of(server.url) as client:
            await client.get(PATH)
            poll = asyncio.create_task(client.get(PATH))
            await server.until(lambda: server.in_flight == 1)

        with pytest.raises(NuonUnavailable):
            await poll
        await server.until(lambda: server.in_flight == 0)


# TLS


async def test_an_authority_of_ones_own_is_trusted_when_it_is_named(
    certificate: Certificate,
) -> None:
    async with (
        FaultyServer(tls=certificate.server) as server,
        client_of(server.url, ca_file=certificate.ca_file) as client,
    ):
        assert (await client.get(PATH)).body == b"{}"
        assert server.url.startswith("https://")


async def test_a_certificate_that_does_not_verify_points_to_ca_file(
    certificate: Certificate,
) -> None:
    async with FaultyServer(tls=certificate.server) as server, client_of(server.url) as client:
        with pytest.raises(NuonUnavailable, match=r"certificate of 127.0.0.1 .* nuon\.ca_file$"):
            await client.get(PATH)

    assert server.requests == []


async def test_a_certificate_for_another_name_says_so(certificate: Certificate) -> None:
    async with FaultyServer(tls=certificate.server) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        async with client_of(url, ca_file=certificate.ca_file) as client:
            with pytest.raises(NuonUnavailable, match="certificate is not valid for 'localhost'"):
                await client.get(PATH)


async def test_https_where_plain_http_is_spoken_is_told_as_such() -> None:
    async with (
        FaultyServer() as server,
        client_of(server.url.replace("http:", "https:")) as client,
    ):
        server.on_connect = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with pytest.raises(NuonUnavailable, match=r"TLS with 127\.0\.0\.1:.* is it https there"):
            await client.get(PATH)


@pytest.mark.parametrize("content", [None, "no certificate", ""])
def test_a_ca_file_that_cannot_be_used_is_a_mistake_of_the_configuration(
    content: str | None, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)

    with pytest.raises(ConfigError) as caught:
        client_of("http://127.0.0.1:1", ca_file=ca_file)

    assert [problem.location for problem in caught.value.problems] == ["nuon.ca_file"]


# A proxy


async def test_a_plain_request_goes_through_the_proxy_with_its_password() -> None:
    async with FaultyServer() as proxy:
        address = proxy.url.replace("http://", "http://me:pass@")
        async with client_of("http://nuon.invalid", proxy=address) as client:
            assert (await client.get(PATH)).body == b"{}"

    (request,) = proxy.requests
    assert request.target == f"http://nuon.invalid{PATH}"
    assert request.headers["proxy-authorization"] == "Basic bWU6cGFzcw=="
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_proxy_never_sees_the_token_of_an_encrypted_request() -> None:
    async with FaultyServer(answer(b"no", status=407)) as proxy:
        address = proxy.url.replace("http://", "http://me:pass@")
        async with client_of("https://nuon.invalid", proxy=address) as client:
            with pytest.raises(NuonUnavailable, match=r"the proxy refuses \(407\)") as caught:
                await client.get(PATH)

    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", "nuon.invalid:443")
    assert TOKEN not in str(request.headers)
    assert "pass" not in secrets_of(caught.value)
    assert "bWU6cGFzcw" not in secrets_of(caught.value)


async def test_a_proxy_that_is_down_is_named() -> None:
    async with FaultyServer() as proxy:
        address = proxy.url.replace("http://", "http://me:pass@")
    async with client_of("https://nuon.invalid", proxy=address) as client:
        with pytest.raises(NuonUnavailable, match=r"the proxy 127.* check nuon\.proxy") as caught:
            await client.get(PATH)

    assert "me:pass" not in "".join(traceback.format_exception(caught.value))


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultyServer() as proxy, FaultyServer() as server, client_of(server.url) as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)

        await client.get(PATH)

    assert proxy.connections == 0


# Secrets


def secrets_of(error: BaseException) -> str:
    """Return all that a log could show of an error: its traceback and the repr of its causes."""
    shown = traceback.format_exception(error)
    cause: BaseException | None = error
    while cause is not None:
        shown.append(repr(cause))
        cause = cause.__cause__
    return "".join(shown)


@pytest.mark.parametrize(
    "scene",
    [
        platform_error(401, TOKEN, TOKEN),
        platform_error(404, TOKEN, TOKEN),
        redirect(f"http://{TOKEN}@127.0.0.1/{TOKEN}"),
        answer(b""),
        truncate(b"no HTTP\r\n\r\n"),
        truncate(response(b"{", content_length=9)),
        reset(),
        never_answer(),
    ],
    ids=["401", "404", "redirect", "empty", "garbage", "truncated", "reset", "silence"],
)
async def test_no_error_shows_the_token(scene: Scene) -> None:
    error = await failure(scene, timeout=0.5)

    assert TOKEN not in secrets_of(error)


@pytest.mark.parametrize("token", ["tök€n", "line\nbreak", "return\r"])
def test_a_token_that_no_header_can_carry_is_a_mistake_that_does_not_show_it(token: str) -> None:
    with pytest.raises(ConfigError, match=r"nuon\.api_token") as caught:
        NuonClient(
            api_url="http://127.0.0.1:1",
            org_id="org",
            api_token=token,
            timeout=timedelta(seconds=1),
            max_concurrent_requests=1,
        )

    assert token not in secrets_of(caught.value)


def test_an_empty_token_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"nuon\.api_token: printable ASCII on one line"):
        NuonClient(
            api_url="http://127.0.0.1:1",
            org_id="org",
            api_token="",
            timeout=timedelta(seconds=1),
            max_concurrent_requests=1,
        )
