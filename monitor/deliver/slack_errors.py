"""What Slack's answers and failures mean: each becomes the `DestinationError` for what is next.

The codes are those of https://docs.slack.dev/reference/methods and, for incoming webhooks, of
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Awaitable, Mapping
from types import SimpleNamespace
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError

from monitor.errors import (
    DestinationError,
    DestinationRejected,
    DestinationUnavailable,
    Refusal,
)
from monitor.text import plain

T = TypeVar("T")

_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 3600.0


def _codes(refusal: Refusal, codes: str) -> dict[str, Refusal]:
    return dict.fromkeys(codes.split(), refusal)


_REFUSALS: Mapping[str, Refusal] = {
    **_codes(
        Refusal.CREDENTIALS,
        "invalid_auth not_authed token_revoked token_expired account_inactive missing_scope"
        " no_permission not_allowed_token_type access_denied org_login_required"
        " ekm_access_denied team_access_not_granted two_factor_setup_required accesslimited"
        " enterprise_is_restricted"
        # Of an incoming webhook.
        " action_prohibited invalid_token no_service no_service_id no_team team_disabled"
        " no_active_hooks posting_to_general_channel_denied",
    ),
    **_codes(
        Refusal.CHANNEL,
        "channel_not_found not_in_channel is_archived channel_is_archived restricted_action"
        " restricted_action_read_only_channel restricted_action_thread_only_channel"
        " restricted_action_non_threadable_channel channel_is_limited_access messages_tab_disabled"
        " user_not_in_channel is_inactive",
    ),
    **_codes(
        Refusal.MESSAGE,
        "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text"
        " invalid_arg_name invalid_arguments invalid_array_arg invalid_charset"
        " invalid_form_data invalid_post_type missing_post_type invalid_json json_not_object"
        " block_mismatch metadata_too_large metadata_must_be_sent_from_app invalid_metadata_format"
        " invalid_metadata_schema invalid_payload",
    ),
    **_codes(
        Refusal.CARD,
        "message_not_found cant_update_message edit_window_closed thread_not_found"
        " restricted_action_thread_locked cannot_reply_to_message",
    ),
    **_codes(Refusal.QUOTA, "message_limit_exceeded"),
}
TOKEN_CODES = frozenset(
    "invalid_auth not_authed token_revoked token_expired account_inactive".split()
)
"""Those of a token that Slack refuses for every call."""
RATE_CODES = frozenset({"ratelimited", "rate_limited"})
_PASSING = frozenset(
    "service_unavailable team_added_to_org external_channel_migrating update_failed"
    " rollup_error".split()
)
_IN_DOUBT = frozenset({"internal_error", "fatal_error", "request_timeout"})
# An answer without a code is not from Slack itself, or incomplete. With these statuses the call
# may have been carried out, as with each from 500 on, whatever its code; some of the others will
# not end by themselves.
_DOUBTFUL = frozenset({200, 201, 202, 204, 408})
_WORDLESS: Mapping[int, Refusal] = {
    **dict.fromkeys((401, 403, 404, 410), Refusal.CREDENTIALS),
    **dict.fromkeys((400, 413), Refusal.MESSAGE),
}


async def judged(what: str, call: Awaitable[T], *, is_post: bool = False) -> T:
    """Make a call; any failure becomes a `DestinationError` that says what happens next."""
    try:
        return await call
    except DestinationError:
        raise
    except Exception as error:  # noqa: BLE001 - slack-sdk fails in many ways on odd answers
        failure = _destination_error(what, error, is_post=is_post)
    # Not within the `except`: the libraries' errors hold addresses and headers, which are
    # secrets here, and would stay with this one as its context.
    raise failure


def _destination_error(what: str, error: Exception, *, is_post: bool) -> DestinationError:
    match error:
        case SlackApiError():
            return _api_error(what, error, is_post=is_post)
        case (
            aiohttp.ClientConnectorError()
            | aiohttp.ConnectionTimeoutError()
            | aiohttp.ClientHttpProxyError()
        ):
            return DestinationUnavailable(f"cannot connect to Slack: {_reason(error)}")
        case aiohttp.ClientError() | TimeoutError() | OSError():
            return DestinationUnavailable(
                f"the connection to Slack broke during {what}: {_reason(error)}",
                in_doubt=is_post,
            )
        case _:
            # An AttributeError on plain text, a UnicodeDecodeError on bytes, and so on.
            return DestinationUnavailable(
                f"Slack's answer to {what} cannot be understood ({type(error).__name__})",
                in_doubt=is_post,
            )


def _api_error(what: str, error: SlackApiError, *, is_post: bool) -> DestinationError:
    response = error.response
    # The SDK's own answer, or aiohttp's where the SDK could not read it.
    status: int = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    headers = getattr(response, "headers", None) or {}
    needed = data.get("needed") if isinstance(data, dict) else None
    detail = f" (the app needs the scope {plain(str(needed), 80)})" if needed else ""
    return _verdict(what, status, code, headers, is_post=is_post, detail=detail)


def webhook_error(status: int, headers: Mapping[str, str], body: str) -> DestinationError:
    """Return the error that a webhook's answer means, if it is not that of a success."""
    return _verdict("the incoming webhook", status, _webhook_code(body), headers, is_post=True)


def _webhook_code(body: str) -> str:
    """Return the code of a webhook's answer: plain text, or JSON from a proxy before it."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(body).get("error") or "")
    words = body.strip()
    return words if words.replace("_", "").isalnum() and len(words) < 60 else ""


def _verdict(
    what: str,
    status: int,
    code: str,
    headers: Mapping[str, str],
    *,
    is_post: bool,
    detail: str = "",
) -> DestinationError:
    shown = plain(code, 80) if code else f"HTTP {status}"
    sentence = f"Slack answered {shown} to {what}{detail}"
    retry_after = _retry_after(headers)
    if status == 429 or code in RATE_CODES:
        return DestinationUnavailable(sentence, retry_after=retry_after or _SHORTEST_WAIT_SECONDS)
    if is_post and _may_be_done(code, status):
        # However long it asks to wait: it is searched for before it is sent again.
        return DestinationUnavailable(sentence, in_doubt=True)
    refusal = _refusal(code, status)
    if refusal is None:
        return DestinationUnavailable(sentence, retry_after=retry_after)
    return DestinationRejected(sentence, refusal=refusal, code=code or f"http_{status}")


def _may_be_done(code: str, status: int) -> bool:
    if code in _REFUSALS:
        return False
    return code in _IN_DOUBT or status >= 500 or (not code and status in _DOUBTFUL)


def _refusal(code: str, status: int) -> Refusal | None:
    """Return what an answer refuses; None for a failure that passes by itself."""
    if not code:
        return _WORDLESS.get(status)
    if code in _REFUSALS:
        return _REFUSALS[code]
    return None if code in _PASSING | _IN_DOUBT or status >= 500 else Refusal.UNKNOWN


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that were asked for, within reason; None where none were."""
    try:
        seconds = float(headers.get("Retry-After") or "")
    except ValueError:
        return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)


def _reason(error: BaseException) -> str:
    """Name an error without its text, which can hold a webhook's URL."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return plain(str(error.os_error), 120) or "connection refused"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


async def refuse_redirect(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    redirect: aiohttp.TraceRequestRedirectParams,
) -> None:
    """Follow none: the token and what is posted are for the configured host only."""
    where = plain(redirect.response.headers.get("Location", ""), 500).split("?")[0]
    host = urlsplit(where).hostname if "//" in where else None
    raise DestinationRejected(
        f"Slack's address redirects to {host or 'another path'}, and redirects are not followed:"
        " check slack.api_url or slack.webhook_url",
        refusal=Refusal.CREDENTIALS,
        code="redirected",
    )
