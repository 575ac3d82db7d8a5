"""How each answer of Slack, or to a webhook, is judged: refused, for later, or perhaps arrived."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from monitor.deliver.slack import SlackChannel
from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal
from tests.support.faults import Scene, answer, drip, never_answer, raw, reset, response, truncate
from tests.support.slack_destination import (
    HELLO,
    json_answer,
    page,
    post,
    refused,
    verdict,
    webhook_verdict,
)


def edit(destination: SlackChannel) -> Awaitable[object]:
    return destination.edit(HELLO, channel_id="C1", ts="1.2")


# How answers are judged: refusals


REFUSALS = {
    Refusal.CREDENTIALS: "invalid_auth not_authed token_revoked token_expired account_inactive"
    " missing_scope no_permission not_allowed_token_type access_denied org_login_required"
    " accesslimited enterprise_is_restricted",
    Refusal.CHANNEL: "channel_not_found not_in_channel is_archived restricted_action"
    " restricted_action_read_only_channel restricted_action_thread_only_channel"
    " restricted_action_non_threadable_channel",
    Refusal.MESSAGE: "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long"
    " no_text invalid_arg_name invalid_metadata_format metadata_too_large",
    Refusal.CARD: "message_not_found cant_update_message edit_window_closed thread_not_found"
    " restricted_action_thread_locked",
    Refusal.QUOTA: "message_limit_exceeded",
    Refusal.UNKNOWN: "a_code_of_tomorrow",
}


@pytest.mark.parametrize(
    ("code", "refusal"),
    [(code, refusal) for refusal, codes in REFUSALS.items() for code in codes.split()],
)
async def test_a_refusal_says_what_is_refused(code: str, refusal: Refusal) -> None:
    for call in (post, edit):
        error = await verdict(refused(code), call=call)

        assert isinstance(error, DestinationRejected)
        assert (error.refusal, error.code) == (refusal, code)


async def test_a_missing_scope_is_named() -> None:
    error = await verdict(refused("missing_scope", needed="chat:write"))

    json_answer = (
        "Slack answered missing_scope to chat.postMessage (the app needs the scope chat:write)"
    )
    assert str(error) == json_answer


# How answers are judged: again later


RATE = {
    "429 with the seconds": (
        json_answer(
            {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"}
        ),
        30.0,
    ),
    "429 as a page of a proxy": (page(429, Retry_After="7"), 7.0),
    "429 in plain text": (
        answer(b"slow down", status=429, headers={"Content-Type": "text/plain"}),
        1.0,
    ),
    "429 without a number": (page(429, Retry_After="soon"), 1.0),
    "429 with a date": (page(429, Retry_After="Fri, 31 Dec 2027 23:59:59 GMT"), 1.0),
    "429 with no number at all": (page(429, Retry_After="nan"), 1.0),
    "429 with zero": (page(429, Retry_After="0"), 1.0),
    "429 with a week": (page(429, Retry_After="604800"), 3600.0),
    "ratelimited with HTTP 200": (refused("ratelimited"), 1.0),
    "rate_limited with HTTP 200": (refused("rate_limited"), 1.0),
}


@pytest.mark.parametrize(("scene", "seconds"), RATE.values(), ids=RATE.keys())
async def test_over_the_rate_it_waits_as_long_as_slack_says(scene: Scene, seconds: float) -> None:
    error = await verdict(scene)

    assert isinstance(error, DestinationUnavailable)
    assert (error.retry_after, error.in_doubt) == (seconds, False)


PASSING = {
    "service_unavailable": refused("service_unavailable"),
    "team_added_to_org": refused("team_added_to_org"),
    "a proxy that wants a password": page(407),
    "a page that the network's owner puts in between": page(451),
}


@pytest.mark.parametrize("scene", PASSING.values(), ids=PASSING.keys())
async def test_a_passing_failure_is_for_later_and_did_not_arrive(scene: Scene) -> None:
    error = await verdict(scene)

    assert isinstance(error, DestinationUnavailable)
    assert (error.retry_after, error.in_doubt) == (None, False)


async def test_a_503_that_names_a_time_is_taken_at_its_word_where_nothing_was_posted() -> None:
    error = await verdict(page(503, Retry_After="120"), call=edit)

    assert isinstance(error, DestinationUnavailable)
    assert (error.retry_after, error.in_doubt) == (120.0, False)


IN_DOUBT = {
    "internal_error": refused("internal_error"),
    "internal_error with 500": json_answer({"ok": False, "error": "internal_error"}, status=500),
    "fatal_error": refused("fatal_error"),
    "request_timeout": refused("request_timeout"),
    "service_unavailable with 503": json_answer(
        {"ok": False, "error": "service_unavailable"}, status=503
    ),
    "a 500 page": page(500),
    "an empty 500": answer(b"", status=500),
    "a 503 page": page(503),
    "a 503 that names a time": page(503, Retry_After="120"),
    "a 502 page": page(502),
    "a 504 page": page(504),
    "a 408 page": page(408),
    "not ok, and no reason": json_answer({"ok": False}),
    "ok, and no ts": json_answer({"ok": True, "channel": "C1"}),
    "ok, and no channel": json_answer({"ok": True, "ts": "1.2"}),
    "an empty 200": answer(b""),
    "an empty 204": answer(b"", status=204),
    "an empty object": json_answer({}),
    "a list": json_answer([1]),
    "an empty list": json_answer([]),
    "a string": json_answer("ok"),
    "null": json_answer(None),
    "a page": page(200),
    "plain text": answer(b"ok", headers={"Content-Type": "text/plain"}),
    "half an answer": answer(b'{"ok": tr', headers={"Content-Type": "application/json"}),
    "bytes that are no text": answer(b"\xff\xfe", headers={"Content-Type": "application/json"}),
    "a compressed file": answer(b"\x1f\x8b", headers={"Content-Type": "application/gzip"}),
    "a reset after the request was read": reset(),
    "an end after the request was read": truncate(b""),
    "an answer cut off": truncate(response(b"{", content_length=100)),
    "something that is not HTTP": raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
}


@pytest.mark.parametrize("scene", IN_DOUBT.values(), ids=IN_DOUBT.keys())
async def test_a_post_without_a_clear_answer_may_have_arrived(scene: Scene) -> None:
    error = await verdict(scene)

    assert isinstance(error, DestinationUnavailable)
    assert error.in_doubt


@pytest.mark.parametrize(
    "scene",
    [never_answer(), drip(b"HTTP/1.1 200 OK\r\n" * 100, every=0.02)],
    ids=["hangs", "drips"],
)
async def test_a_post_that_is_not_answered_in_time_may_have_arrived(scene: Scene) -> None:
    error = await verdict(scene, timeout=0.1)

    assert isinstance(error, DestinationUnavailable)
    assert error.in_doubt
    assert str(error).endswith("chat.postMessage: no answer in time")


async def test_an_edit_without_a_clear_answer_can_simply_be_repeated() -> None:
    for scene in (reset(), page(502), refused("internal_error"), answer(b"")):
        error = await verdict(scene, call=edit)

        assert isinstance(error, DestinationUnavailable)
        assert not error.in_doubt


# Webhooks


WEBHOOK_REFUSALS: dict[str, tuple[int, Refusal]] = {
    "invalid_payload": (400, Refusal.MESSAGE),
    "no_text": (400, Refusal.MESSAGE),
    "action_prohibited": (403, Refusal.CREDENTIALS),
    "invalid_token": (403, Refusal.CREDENTIALS),
    "no_service": (404, Refusal.CREDENTIALS),
    "no_team": (404, Refusal.CREDENTIALS),
    "channel_not_found": (404, Refusal.CHANNEL),
    "channel_is_archived": (410, Refusal.CHANNEL),
}


@pytest.mark.parametrize("code", WEBHOOK_REFUSALS)
async def test_a_webhook_says_what_it_refuses(code: str) -> None:
    status, refusal = WEBHOOK_REFUSALS[code]

    error = await webhook_verdict(page(status, code.encode()))

    assert isinstance(error, DestinationRejected)
    assert (error.refusal, error.code) == (refusal, code)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_webhook_that_is_gone_without_a_word_is_waited_for(status: int) -> None:
    error = await webhook_verdict(page(status))

    assert isinstance(error, DestinationRejected)
    assert error.refusal is Refusal.CREDENTIALS


@pytest.mark.parametrize(
    ("scene", "in_doubt"),
    [
        (page(500, b"rollup_error"), True),
        (page(503), True),
        (page(429, Retry_After="3"), False),
        (page(502), True),
        (page(504), True),
        (page(200), True),
        (answer(b""), True),
        (reset(), True),
        (truncate(response(b"o", content_length=2)), True),
    ],
)
async def test_a_webhook_that_fails_for_now_is_tried_later(scene: Scene, in_doubt: bool) -> None:
    error = await webhook_verdict(scene)

    assert isinstance(error, DestinationUnavailable)
    assert error.in_doubt is in_doubt


async def test_a_webhook_that_hangs_may_have_delivered() -> None:
    error = await webhook_verdict(never_answer(), timeout=0.1)

    assert isinstance(error, DestinationUnavailable)
    assert error.in_doubt


async def test_a_webhooks_limit_is_waited_for() -> None:
    limited = json_answer(
        {"ok": False, "error": "rate_limited"}, status=429, headers={"Retry-After": "9"}
    )

    error = await webhook_verdict(limited)

    assert isinstance(error, DestinationUnavailable)
    assert error.retry_after == 9.0
