"""A client of the platform, and what it makes of scenes of a server."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.errors import NuonError
from monitor.platform.client import NuonClient
from tests.support.faults import FaultyServer, Scene, answer

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


def secrets_of(error: BaseException) -> str:
    """Return all that a log could show of an error: its traceback and the repr of its causes."""
    shown = traceback.format_exception(error)
    cause: BaseException | None = error
    while cause is not None:
        shown.append(repr(cause))
        cause = cause.__cause__
    return "".join(shown)
