"""What a person can do where Slack refuses every message for a channel, in place of its code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Remedy(NamedTuple):
    """What is wrong, as it continues a sentence, and what to do about it."""

    wrong: str
    advice: str


_ARCHIVED: Final = Remedy(
    "the channel is archived", "Unarchive it, or name another channel in the configuration."
)
_NOT_FOUND: Final = Remedy(
    "no such channel, or the app may not see it",
    "Was it deleted or renamed? Correct its name in the configuration. Is it private? Invite the"
    " app to it: /invite @ and the app's name, in the channel.",
)
_NOT_A_MEMBER: Final = Remedy(
    "the app is not in the channel", "Invite it: /invite @ and the app's name, in the channel."
)
_READ_ONLY: Final = Remedy(
    "the app may not post in the channel",
    "Let it post there in the channel's settings, or name another channel.",
)
_TOKEN: Final = Remedy(
    "Slack rejects the app's token",
    "Reinstall the app to the workspace, and put its new bot token (xoxb-…) into slack.bot_token"
    " or its file: it is taken up without a restart.",
)
_WEBHOOK: Final = Remedy(
    "the incoming webhook was removed or switched off",
    "Make a new one in the app's settings, and put its URL into the configuration.",
)
_SCOPE: Final = Remedy(
    "the app lacks a permission",
    "Add the scopes of `nuon-monitor init --slack-manifest` to the app, and reinstall it.",
)
_WORKSPACE: Final = Remedy(
    "the workspace does not let the app in", "Ask an administrator of the workspace to approve it."
)
_REMEDIES: Mapping[str, Remedy] = {
    **dict.fromkeys(("is_archived", "channel_is_archived"), _ARCHIVED),
    "channel_not_found": _NOT_FOUND,
    **dict.fromkeys(("not_in_channel", "user_not_in_channel"), _NOT_A_MEMBER),
    **dict.fromkeys(
        (
            *("restricted_action", "restricted_action_read_only_channel"),
            *("restricted_action_thread_only_channel", "channel_is_limited_access"),
            *("restricted_action_non_threadable_channel", "messages_tab_disabled"),
            "posting_to_general_channel_denied",
        ),
        _READ_ONLY,
    ),
    **dict.fromkeys(
        (
            *("invalid_auth", "not_authed", "token_revoked", "token_expired"),
            *("account_inactive", "is_inactive", "not_allowed_token_type"),
        ),
        _TOKEN,
    ),
    **dict.fromkeys(
        ("invalid_token", "no_service", "no_service_id", "no_team", "no_active_hooks"), _WEBHOOK
    ),
    **dict.fromkeys(("missing_scope", "no_permission"), _SCOPE),
    **dict.fromkeys(
        (
            *("access_denied", "org_login_required", "ekm_access_denied", "team_disabled"),
            *("team_access_not_granted", "two_factor_setup_required", "accesslimited"),
            *("enterprise_is_restricted", "action_prohibited"),
        ),
        _WORKSPACE,
    ),
}
_CODE = re.compile(r"\bSlack answered (?P<code>[a-z_]+)\b")
_OTHER: Final = "Unarchive it, invite the app to it, or name another channel in the configuration."


def remedy_for_refusal(reason: str) -> Remedy:
    """Return what a refusal means and what to do; the reason itself where that is not known."""
    found = _CODE.search(reason)
    return _REMEDIES.get(found["code"] if found else "", Remedy(reason, _OTHER))
