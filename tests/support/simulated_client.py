"""Asking the simulated platform over HTTP, as its own clients do."""

from __future__ import annotations

from typing import Any

import httpx

from monitor.simulation.answers import Document
from monitor.simulation.platform import SimulatedPlatform


def client_of(platform: SimulatedPlatform) -> httpx.AsyncClient:
    """Return a client with the token and the organisation that a platform expects."""
    headers = {"Authorization": f"Bearer {platform.token}", "X-Nuon-Org-ID": platform.org_id}
    return httpx.AsyncClient(base_url=platform.base_url, headers=headers)


async def read(client: httpx.AsyncClient, path: str, **query: str | int) -> Any:
    """Return what is answered, which must not be an error."""
    answer = await client.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read_all(client: httpx.AsyncClient, path: str, limit: int = 100) -> list[Document]:
    """Read every page of a list."""
    found: list[Document] = []
    while True:
        answer = await client.get(path, params={"offset": len(found), "limit": limit})
        found.extend(answer.json())
        if answer.headers["X-Nuon-Page-Next"] == "false":
            return found
