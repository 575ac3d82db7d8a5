"""How the simulated Slack refuses, by its Web API and by a webhook."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from monitor.simulation.slack.messages import Json


class Refused(Exception):
    """What Slack answers instead of doing it; `code` is its own word, `detail` for people."""

    def __init__(self, code: str, detail: str = "", **facts: object) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.facts = facts


def refusal(refused: Refused) -> web.Response:
    """Return the usual way to fail: HTTP 200 with `ok` false."""
    facts = dict(refused.facts)
    body: Json = {"ok": False, "error": refused.code}
    if refused.detail:
        body["response_metadata"] = {"messages": [f"[ERROR] {refused.detail}"]}
    if "retry_after" in facts:
        headers = {"Retry-After": str(facts["retry_after"])}
        return web.json_response(body, status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers)
    return web.json_response(body | facts)


_WEBHOOK_STATUS = {
    "invalid_token": 403,
    "action_prohibited": 403,
    "no_service": 404,
    "channel_not_found": 404,
    "channel_is_archived": 410,
    "rollup_error": 500,
}


def webhook_refusal(refused: Refused) -> web.Response:
    """Return a webhook's way to fail: a status, and the code as plain text."""
    if "retry_after" in refused.facts:
        return refusal(refused)
    return web.Response(status=_WEBHOOK_STATUS.get(refused.code, 400), text=refused.code)
