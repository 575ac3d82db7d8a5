"""No error of the platform's client shows a secret."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.errors import ConfigError
from monitor.platform.client import NuonClient
from tests.support.faults import Scene, answer, never_answer, redirect, reset, response, truncate
from tests.support.platform_client import TOKEN, failure, platform_error, secrets_of


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
