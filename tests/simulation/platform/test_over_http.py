"""The simulated platform over HTTP: releases, lists, names and refusals."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import ORG_ID
from tests.support.clock import Clock


def in_id_order(document: Any) -> Any:
    """The same document with its lists of records in one order."""
    if isinstance(document, dict):
        return {key: in_id_order(value) for key, value in document.items()}
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return sorted(map(in_id_order, document), key=lambda row: str(row.get("id")))
    return document


async def test_a_release_is_served_as_it_stands(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    release_id = platform.add("demo")
    clock.advance(400)

    answer = await client.get(f"/v1/releases/{release_id}")

    assert answer.status_code == 200
    assert answer.headers["X-Nuon-API-Version"]
    assert answer.headers["X-Nuon-Trace-ID"]
    assert in_id_order(answer.json()) == in_id_order(platform.rollout(release_id).state_at(400))


async def test_the_same_bytes_come_while_nothing_changes(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    clock.advance(86_400)
    first = await client.get(path)
    clock.advance(86_400)

    assert (await client.get(path)).content == first.content


async def test_lists_come_in_another_order_when_something_changed(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    release_id = platform.add("one-by-one")
    seen = set()
    for _ in range(20):
        clock.advance(60)
        answer = (await client.get(f"/v1/releases/{release_id}")).json()
        seen.add(tuple(step["id"] for step in answer["release_steps"]))

    assert len(seen) > 1


async def test_a_platform_can_reshuffle_every_answer(clock: Clock) -> None:
    async with SimulatedPlatform(clock, reshuffle=True) as platform:
        release_id = platform.add("one-by-one")
        headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": ORG_ID}
        url = f"{platform.base_url}/v1/releases/{release_id}"
        async with httpx.AsyncClient(headers=headers) as client:
            seen = {(await client.get(url)).content for _ in range(10)}

    assert len(seen) > 1


async def test_a_platform_can_keep_the_order_of_creation(clock: Clock) -> None:
    async with SimulatedPlatform(clock, shuffle=False) as platform:
        release_id = platform.add("one-by-one")
        headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": ORG_ID}
        async with httpx.AsyncClient(base_url=platform.base_url, headers=headers) as client:
            answer = (await client.get(f"/v1/releases/{release_id}")).json()

    assert answer == platform.rollout(release_id).state_at(0)


async def test_a_deleted_release_is_not_found(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('deleted')}"
    before = await client.get(path)
    clock.advance(3600)
    after = await client.get(path)

    assert before.status_code == 200
    assert after.status_code == 404
    assert after.json().keys() == {"error", "user_error", "description"}


async def test_a_release_is_not_there_before_it_begins(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    path = f"/v1/releases/{platform.add('happy', starts_in=60)}"
    before = await client.get(path)
    clock.advance(61)

    assert before.status_code == 404
    assert (await client.get(path)).json()["status"] == "queued"


@pytest.mark.parametrize(
    ("name", "status"), [("already-failed", "error"), ("already-done", "active")]
)
async def test_some_releases_are_over_when_they_are_first_seen(
    platform: SimulatedPlatform, client: httpx.AsyncClient, name: str, status: str
) -> None:
    answer = await client.get(f"/v1/releases/{platform.add(name)}")

    assert answer.json()["status"] == status


async def test_steps_are_listed_newest_first_in_pages(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    release_id = platform.add("one-by-one")
    path = f"/v1/releases/{release_id}/steps"
    newest_first = [step.id for step in reversed(platform.rollout(release_id).steps)]

    first = await client.get(path, params={"limit": 4})
    second = await client.get(path, params={"limit": 4, "offset": 4})

    assert [step["id"] for step in first.json() + second.json()] == newest_first
    assert [page.headers["X-Nuon-Page-Next"] for page in (first, second)] == ["true", "false"]
    assert second.headers["X-Nuon-Page-Offset"] == "4"
    assert second.headers["X-Nuon-Page-Limit"] == "4"


@pytest.mark.parametrize("owner", ["apps", "components"])
async def test_releases_are_listed_newest_first_in_pages(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock, owner: str
) -> None:
    added = []
    for _ in range(12):
        added.append(platform.add("happy"))
        clock.advance(1)
    cast = platform.rollout(added[0]).cast
    path = f"/v1/{owner}/{cast.app_id if owner == 'apps' else cast.component_id}/releases"

    first = await client.get(path)
    second = await client.get(path, params={"page": 2})

    assert len(first.json()) == 10
    assert [row["id"] for row in first.json() + second.json()] == added[::-1]
    assert [page.headers["X-Nuon-Page-Next"] for page in (first, second)] == ["true", "false"]


async def test_a_new_release_pushes_the_old_ones_down(
    platform: SimulatedPlatform, client: httpx.AsyncClient, clock: Clock
) -> None:
    old = [platform.add("happy"), platform.add("failure")]
    path = f"/v1/apps/{platform.rollout(old[0]).cast.app_id}/releases"
    clock.advance(1)
    new = platform.add("happy")

    pushed = (await client.get(path, params={"offset": 1})).json()

    assert {row["id"] for row in pushed} == set(old)
    assert (await client.get(path, params={"limit": 1})).json()[0]["id"] == new


async def test_a_listed_release_tells_nothing_of_its_steps(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    cast = platform.rollout(platform.add("happy")).cast

    (row,) = (await client.get(f"/v1/apps/{cast.app_id}/releases")).json()

    assert row["status"] == "queued"
    assert not row.keys() & {"release_steps", "total_release_steps"}


async def test_a_page_of_more_than_a_hundred_rows_is_refused(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    cast = platform.rollout(platform.add("happy")).cast

    page = await client.get(f"/v1/apps/{cast.app_id}/releases", params={"limit": 101})

    assert (page.status_code, page.json()["user_error"]) == (400, True)


async def test_names_are_served_for_installs_apps_and_components(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    rollout = platform.rollout(platform.add("happy"))
    install_id = rollout.steps[0].install_ids[0]

    install = (await client.get(f"/v1/installs/{install_id}")).json()
    app = (await client.get(f"/v1/apps/{rollout.cast.app_id}")).json()
    component = (await client.get(f"/v1/components/{rollout.cast.component_id}")).json()

    assert (install["name"], install["app_id"]) == ("acme-prod", app["id"])
    assert app["name"] == "storefront"
    assert (component["name"], component["app_id"]) == ("checkout-api", app["id"])


@pytest.mark.parametrize("kind", ["releases", "apps", "components", "installs"])
async def test_what_is_not_there_is_answered_by_the_platforms_own_404(
    client: httpx.AsyncClient, kind: str
) -> None:
    answer = await client.get(f"/v1/{kind}/abc")

    assert answer.status_code == 404
    assert answer.json()["user_error"] is True


async def test_an_unknown_route_is_answered_by_a_plain_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/nothing-of-the-kind")

    assert (answer.status_code, answer.text) == (404, "404 page not found")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"X-Nuon-Org-ID": ""}, 403),
        ({"X-Nuon-Org-ID": "orgother"}, 403),
    ],
)
async def test_a_wrong_token_or_org_is_refused(
    platform: SimulatedPlatform, client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.get(f"/v1/releases/{platform.add('happy')}", headers=headers)

    assert answer.status_code == status
    assert answer.json().keys() == {"error", "user_error", "description"}


async def test_the_same_release_cannot_be_added_twice(platform: SimulatedPlatform) -> None:
    platform.add("happy", seed=3)

    with pytest.raises(ValueError, match="happy with seed 3"):
        platform.add("happy", seed=3)


async def test_requests_are_remembered(
    platform: SimulatedPlatform, client: httpx.AsyncClient
) -> None:
    path = f"/v1/releases/{platform.add('happy')}"
    await client.get(path)
    await client.get("/v1/releases/unknown")

    remembered = [(record.path, record.status) for record in platform.requests]

    assert remembered == [(path, 200), ("/v1/releases/unknown", 404)]
