"""Redirects, and answers that are not what was promised."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from monitor.errors import MalformedAnswer, NuonRejected, NuonUnavailable
from tests.support.faults import (
    FaultyServer,
    Scene,
    answer,
    gzip_bomb,
    redirect,
    response,
    truncate,
)
from tests.support.platform_client import PATH, client_of, failure

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
