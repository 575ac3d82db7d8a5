"""Connections to the platform: deadlines, kept ones, how many at once."""

from __future__ import annotations

import asyncio
import socket

import pytest

from monitor.errors import NuonUnavailable
from tests.support.faults import (
    FaultyServer,
    Scene,
    answer,
    answer_and_close,
    answer_when,
    drip,
    never_answer,
    raw,
    reset,
    response,
)
from tests.support.platform_client import PATH, client_of, failure, platform_error


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
