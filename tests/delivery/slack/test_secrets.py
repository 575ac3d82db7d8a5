"""No error and no log holds a webhook's URL or a token."""

from __future__ import annotations

import logging

import pytest

from monitor.deliver.slack import SlackClient
from monitor.simulation.slack import SimulatedSlack
from tests.support.faults import Scene, never_answer, raw, reset, truncate
from tests.support.slack_destination import (
    find_by_id,
    page,
    post,
    refused,
    verdict,
    webhook_verdict,
    whole_story,
)


@pytest.mark.parametrize(
    "scene",
    [
        reset(),
        truncate(b"HTTP/1.1 200"),
        page(404),
        page(500),
        raw(b"garbage\r\n\r\n"),
        never_answer(),
    ],
)
async def test_no_error_holds_the_webhooks_url_or_the_token(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    errors = [
        await verdict(scene, timeout=0.1),
        await verdict(scene, call=find_by_id, timeout=0.1),
        await webhook_verdict(scene, timeout=0.1),
    ]

    told = "".join(map(whole_story, errors)) + "".join(map(repr, errors))
    assert "s3cretw0rd" not in told
    assert "s3cretw0rd" not in caplog.text


async def test_not_even_the_most_talkative_log_holds_the_webhooks_url(
    slack: SimulatedSlack, client: SlackClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    await post(client.webhook(slack.webhook_url))
    await post(client.channel("#releases"))

    assert slack.webhook_url not in caplog.text
    assert "hello" not in caplog.text


async def test_a_foreign_word_in_an_answer_stays_one_plain_line() -> None:
    error = await verdict(refused("<!channel>\x1b[31m\nx" * 100))

    assert str(error).isprintable()
    assert len(str(error)) < 200
