"""What a request to the platform says and what an answer brings."""

from __future__ import annotations

import gzip

from tests.support.faults import FaultyServer, answer, raw
from tests.support.platform_client import PATH, TOKEN, client_of


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
