"""The Slack destination over real HTTP: what it sends, and how it judges each way to fail."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.deliver.slack import SlackChannel, SlackClient, SlackWebhook
from monitor.errors import (
    CannotLook,
    DestinationError,
    DestinationRejected,
    DestinationUnavailable,
    Refusal,
)
from monitor.model import Message, MessageRef
from monitor.simulation.slack import Rates, SimulatedSlack
from tests.support.faults import (
    FaultyServer,
    Scene,
    answer,
    drip,
    never_answer,
    raw,
    reset,
    response,
    self_signed,
    truncate,
)

HELLO = Message("hello", ({"type": "section", "text": {"type": "plain_text", "text": "hello"}},))
SECRET_PATH = "/services/T0SECRET/B0SECRET/s3cretw0rd"
TOKEN = "xoxb-s3cretw0rd"
EARLIER = datetime.now(UTC) - timedelta(minutes=1)
SLOW = 3600.0


@pytest.fixture(autouse=True)
def _quiet_sdk() -> None:
    """The SDK logs each block that it does not know; the simulation checks with it."""
    logging.getLogger("slack_sdk.models").setLevel(logging.CRITICAL)


@pytest.fixture
async def slack() -> AsyncIterator[SimulatedSlack]:
    async with SimulatedSlack(("releases", "ops"), rates=False) as running:
        yield running


@pytest.fixture
async def client(slack: SimulatedSlack) -> AsyncIterator[SlackClient]:
    async with SlackClient(api_url=slack.api_url, token=slack.token) as entered:
        yield entered


async def post(
    destination: SlackChannel | SlackWebhook,
    message: Message = HELLO,
    *,
    key: str = "k1",
    thread: MessageRef | None = None,
    is_broadcast: bool = False,
) -> MessageRef:
    return await destination.post(message, key=key, thread=thread, is_broadcast=is_broadcast)


async def error_of(call: Awaitable[object]) -> DestinationError:
    with pytest.raises(DestinationError) as failed:
        await call
    return failed.value


def refused(code: str, **facts: object) -> Scene:
    """Answer as Slack does when it does not want to."""
    return said({"ok": False, "error": code, **facts})


def said(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Scene:
    return answer(
        json.dumps(body).encode(),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def page(status: int, body: bytes = b"<html><h1>Sorry</h1></html>", **headers: str) -> Scene:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(body, status=status, headers={"Content-Type": "text/html", **named})


async def verdict(
    *scenes: Scene, call: Callable[[SlackChannel], Awaitable[object]] = post, timeout: float = 30
) -> DestinationError:
    """Return how a call is judged that meets these scenes."""
    async with (
        FaultyServer(*scenes) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN, timeout=timeout) as client,
    ):
        error = await error_of(call(client.channel("#releases")))
        assert len(server.requests) <= len(scenes), "it is not for the destination to try again"
        return error


async def webhook_verdict(*scenes: Scene, timeout: float = 30) -> DestinationError:
    async with (
        FaultyServer(*scenes) as server,
        SlackClient(api_url=f"{server.url}/api/", token=None, timeout=timeout) as client,
    ):
        return await error_of(post(client.webhook(f"{server.url}{SECRET_PATH}")))


def edit(destination: SlackChannel) -> Awaitable[object]:
    return destination.edit(HELLO, channel_id="C1", ts="1.2")


def find_by_id(destination: SlackChannel) -> Awaitable[object]:
    return destination.find("k1", thread=MessageRef("C1", "1.2"), since=EARLIER)


# What is sent


async def test_a_post_shows_blocks_and_text_in_the_channel(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.channel("#releases"))

    (seen,) = slack.channel("releases").messages
    assert (seen.channel_id, seen.ts) == (posted.channel_id, posted.ts)
    assert (seen.text, list(seen.blocks)) == ("hello", list(HELLO.blocks))


async def test_a_channel_is_named_by_id_or_by_name_with_or_without_its_sign(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    for channel in ("#ops", "ops", slack.channel("ops").id):
        await post(client.channel(channel))

    assert len(slack.channel("ops").messages) == 3


async def test_a_reply_stands_in_its_thread_only(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    card = await post(client.channel("#releases"))

    await post(client.channel("#releases"), thread=card)

    (root,) = slack.channel("releases").messages
    assert [reply.text for reply in root.replies] == ["hello"]


async def test_a_broadcast_reply_stands_in_the_channel_as_well(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    card = await post(client.channel("#releases"))

    await post(client.channel("#releases"), thread=card, is_broadcast=True)

    root, reply = slack.channel("releases").messages
    assert reply.thread_ts == root.ts


async def test_an_edit_replaces_blocks_and_text(slack: SimulatedSlack, client: SlackClient) -> None:
    destination = client.channel("#releases")
    posted = await post(destination)

    await destination.edit(Message("just text"), channel_id=posted.channel_id, ts=posted.ts)

    (seen,) = slack.channel("releases").messages
    assert (seen.text, list(seen.blocks)) == ("just text", [])


async def test_a_webhook_message_arrives_and_has_no_address(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.webhook(slack.webhook_url))

    assert posted == MessageRef("", "")
    assert [seen.text for seen in slack.channel("releases").messages] == ["hello"]


async def test_text_is_never_formatted_linked_or_unfurled() -> None:
    async with (
        FaultyServer(said({"ok": True, "channel": "C1", "ts": "1.2"})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        await post(client.channel("#releases"))

    sent = json.loads(server.requests[0].body)
    off = ("mrkdwn", "link_names", "unfurl_links", "unfurl_media")
    assert [sent[name] for name in off] == [False] * 4
    assert sent["parse"] == "none"


async def test_greeting_tells_whose_token_it_is_and_lets_messages_be_linked(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    assert client.permalink(MessageRef("C1", "12.34")) is None

    assert await client.check_token() == "Simulated"

    link = client.permalink(MessageRef("C1", "12.34"))
    assert link == f"{slack.url}/archives/C1/p1234"


async def test_a_bad_token_does_not_greet(slack: SimulatedSlack, client: SlackClient) -> None:
    slack.revoke_token()

    error = await error_of(client.check_token())

    assert isinstance(error, DestinationRejected)
    assert error.refusal is Refusal.CREDENTIALS
    assert str(error) == "Slack answered token_revoked to auth.test"


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

    said = "Slack answered missing_scope to chat.postMessage (the app needs the scope chat:write)"
    assert str(error) == said


# How answers are judged: again later

RATE = {
    "429 with the seconds": (
        said({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"}),
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
    "service_unavailable with 503": said({"ok": False, "error": "service_unavailable"}, status=503),
    "team_added_to_org": refused("team_added_to_org"),
    "a 500 page": page(500),
    "a 503 page": page(503),
    "an empty 500": answer(b"", status=500),
    "a proxy that wants a password": page(407),
    "a page that the network's owner puts in between": page(451),
}


@pytest.mark.parametrize("scene", PASSING.values(), ids=PASSING.keys())
async def test_a_passing_failure_is_for_later_and_did_not_arrive(scene: Scene) -> None:
    error = await verdict(scene)

    assert isinstance(error, DestinationUnavailable)
    assert (error.retry_after, error.in_doubt) == (None, False)


async def test_a_503_that_names_a_time_is_taken_at_its_word() -> None:
    error = await verdict(page(503, Retry_After="120"))

    assert isinstance(error, DestinationUnavailable)
    assert error.retry_after == 120.0


IN_DOUBT = {
    "internal_error": refused("internal_error"),
    "internal_error with 500": said({"ok": False, "error": "internal_error"}, status=500),
    "fatal_error": refused("fatal_error"),
    "request_timeout": refused("request_timeout"),
    "a 502 page": page(502),
    "a 504 page": page(504),
    "a 408 page": page(408),
    "not ok, and no reason": said({"ok": False}),
    "ok, and no ts": said({"ok": True, "channel": "C1"}),
    "ok, and no channel": said({"ok": True, "ts": "1.2"}),
    "an empty 200": answer(b""),
    "an empty 204": answer(b"", status=204),
    "an empty object": said({}),
    "a list": said([1]),
    "an empty list": said([]),
    "a string": said("ok"),
    "null": said(None),
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


# Before the request was sent


async def test_a_refused_connection_did_not_deliver() -> None:
    async with FaultyServer() as server:
        url = server.url
    async with SlackClient(api_url=f"{url}/api/", token=TOKEN) as client:
        error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt


async def test_a_name_that_does_not_resolve_did_not_deliver() -> None:
    # A name this long is refused by the resolver itself, without asking anybody.
    name = ".".join(["a" * 60] * 5)
    async with SlackClient(api_url=f"http://{name}/api/", token=TOKEN) as client:
        error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt


async def test_a_certificate_that_is_not_trusted_did_not_deliver(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    async with (
        FaultyServer(tls=certificate.server) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt
    assert "certificate" in str(error)


async def test_a_server_that_speaks_no_tls_did_not_deliver() -> None:
    async with FaultyServer() as server:
        url = server.url.replace("http", "https")
        server.on_connect = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        async with SlackClient(api_url=f"{url}/api/", token=TOKEN) as client:
            error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt


async def test_a_proxy_that_refuses_did_not_deliver(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultyServer(page(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:s3cretw0rd@"))
        async with SlackClient(api_url="https://slack.invalid/api/", token=TOKEN) as client:
            error = await error_of(post(client.channel("#releases")))

    assert isinstance(error, DestinationUnavailable)
    assert not error.in_doubt
    assert "s3cretw0rd" not in whole_story(error)


# Looking whether a post arrived


async def test_a_post_is_found_by_its_key_in_a_channel_named_either_way(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.channel("#releases"), key="k7")
    await post(client.channel("#releases"), key="k8")

    for channel in ("#releases", "releases", posted.channel_id):
        found = await client.channel(channel).find("k7", thread=None, since=EARLIER)
        assert found == posted


async def test_what_did_not_arrive_is_not_found(client: SlackClient) -> None:
    await post(client.channel("#releases"), key="k7")

    assert await client.channel("#releases").find("k8", thread=None, since=EARLIER) is None


async def test_a_reply_is_found_in_its_thread(client: SlackClient) -> None:
    destination = client.channel("#releases")
    card = await post(destination, key="card")
    reply = await post(destination, key="reply", thread=card)

    assert await destination.find("reply", thread=card, since=EARLIER) == reply


async def test_what_a_person_wrote_does_not_disturb_the_look(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    await post(client.webhook(slack.webhook_url))

    assert await client.channel("#releases").find("k1", thread=None, since=EARLIER) is None


async def test_a_post_is_found_on_a_later_page(client: SlackClient) -> None:
    destination = client.channel("#releases")
    posted = await post(destination, key="old")
    for number in range(250):
        await post(destination, key=f"newer {number}")

    assert await destination.find("old", thread=None, since=EARLIER) == posted


async def test_a_public_channel_is_found_by_name_without_the_scope_for_private_ones(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    posted = await post(client.channel("#releases"))
    slack.scopes -= {"groups:read", "groups:history"}

    found = await client.channel("#releases").find("k1", thread=None, since=EARLIER)

    assert found == posted


async def test_a_private_channel_is_found_by_name(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.add_channel("secret-plans", is_private=True)
    posted = await post(client.channel("#secret-plans"))

    found = await client.channel("#secret-plans").find("k1", thread=None, since=EARLIER)

    assert found == posted


@pytest.mark.parametrize("scope", ["channels:history", "channels:read"])
async def test_without_the_scope_nobody_can_look(
    slack: SimulatedSlack, client: SlackClient, scope: str
) -> None:
    slack.scopes -= {scope, "groups:read"}

    error = await error_of(client.channel("#releases").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, CannotLook)
    assert scope in str(error)


async def test_a_look_with_a_bad_token_says_nothing_of_what_may_be_read(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.revoke_token()

    error = await error_of(client.channel("#releases").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, DestinationRejected)
    assert error.refusal is Refusal.CREDENTIALS


async def test_nobody_can_look_into_a_channel_without_the_bot(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.add_channel("elsewhere", is_member=False)

    error = await error_of(client.channel("#elsewhere").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, CannotLook)


async def test_nobody_can_look_through_a_webhook(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    destination = client.webhook(slack.webhook_url)

    assert isinstance(
        await error_of(destination.find("k1", thread=None, since=EARLIER)), CannotLook
    )


async def test_a_look_over_the_rate_is_for_later(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    slack.fail("429", "conversations.history", retry_after=60)

    error = await error_of(client.channel("#releases").find("k1", thread=None, since=EARLIER))

    assert isinstance(error, DestinationUnavailable)
    assert error.retry_after == 60.0


@pytest.mark.parametrize("scene", [reset(), page(503), answer(b"")])
async def test_a_look_that_broke_is_for_later(scene: Scene) -> None:
    error = await verdict(scene, call=find_by_id)

    assert isinstance(error, DestinationUnavailable)


async def test_a_look_that_may_read_one_page_a_minute_does_not_begin_anew_for_ever(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    destination = client.channel("#releases")
    for number in range(201):
        await post(destination, key=f"newer {number}")
    slack.rates = Rates(seconds_per_read=SLOW, burst_of_reads=1)

    error = await error_of(destination.find("k1", thread=None, since=EARLIER))

    assert isinstance(error, CannotLook)


async def test_a_look_at_a_part_only_is_no_proof_that_a_post_is_not_there() -> None:
    more = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}
    error = await verdict(*[said(more)] * 5, call=find_by_id)

    assert isinstance(error, CannotLook)


@pytest.mark.parametrize(
    "messages",
    [
        [{"ts": "1.2"}],
        [{"ts": "1.2", "metadata": None}],
        [{"ts": "1.2", "metadata": {"event_payload": None}}],
        [{"ts": "1.2", "metadata": {"event_payload": {"key": "other"}}}],
        None,
    ],
)
async def test_messages_of_others_are_not_taken_for_ours(messages: Any) -> None:
    async with (
        FaultyServer(said({"ok": True, "messages": messages})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        assert await find_by_id(client.channel("#releases")) is None


# Asking for a channel


async def test_a_channel_is_checked_without_a_message(
    slack: SimulatedSlack, client: SlackClient
) -> None:
    assert await client.channel(slack.channel("ops").id).check() == "ops"
    assert await client.channel("#ops").check() == "ops"
    assert isinstance(await error_of(client.channel("#nowhere").check()), CannotLook)
    assert isinstance(await error_of(client.channel("C0NOWHERE").check()), DestinationRejected)
    assert slack.channel("ops").messages == []


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
        (page(500, b"rollup_error"), False),
        (page(503), False),
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
    limited = said({"ok": False, "error": "rate_limited"}, status=429, headers={"Retry-After": "9"})

    error = await webhook_verdict(limited)

    assert isinstance(error, DestinationUnavailable)
    assert error.retry_after == 9.0


# Secrets


def whole_story(error: BaseException) -> str:
    """Return what a log would show of an error, with all that stands behind it."""
    return "".join(traceback.format_exception(error))


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


# Many at once


async def test_a_hundred_posts_share_a_few_connections() -> None:
    async with (
        FaultyServer(said({"ok": True, "channel": "C1", "ts": "1.2"})) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        for _ in range(100):
            await post(client.channel("#releases"))

    assert server.connections == 1


async def test_a_cancelled_post_is_cancelled() -> None:
    async with (
        FaultyServer(never_answer()) as server,
        SlackClient(api_url=f"{server.url}/api/", token=TOKEN) as client,
    ):
        posting = asyncio.create_task(post(client.channel("#releases")))
        await server.until(lambda: server.in_flight == 1)
        posting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await posting
