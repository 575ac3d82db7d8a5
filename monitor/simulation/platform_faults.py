"""How the simulated platform answers where it does not give what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from aiohttp import web

from monitor.simulation.api_errors import ApiError
from monitor.simulation.routes import json_of, json_response


class FaultKind(StrEnum):
    """How the platform misbehaves."""

    RESET = "reset"
    """The connection breaks before any answer."""
    STATUS = "status"
    """A status of its own: 500 as the platform's JSON, others as a load balancer's HTML."""
    SLOW = "slow"
    """The right answer, late."""
    TRUNCATED = "truncated"
    """Half of the right JSON, as if it were all."""
    EMPTY = "empty"
    """200 and no body."""
    UNAUTHORIZED = "unauthorized"
    """401, as if the token had been revoked."""
    NO_ROUTE = "no route"
    """The plain 404 of a platform whose version has no such route."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A misbehaviour, of each request with the given probability.

    `status` and `retry_after` (seconds) belong to `STATUS`, `delay` (real seconds) to `SLOW`.
    A platform that refuses connections is one that has been stopped: `stop()`, `start()`.
    """

    kind: FaultKind
    probability: float = 1.0
    status: int = 500
    retry_after: int | None = None
    delay: float = 1.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A fault that lasts from one virtual moment to another."""

    fault: Fault
    begins: datetime
    ends: datetime


def wrong_answer(fault: Fault) -> web.Response | None:
    """Return what is answered instead; None if the right answer comes after all."""
    if fault.kind is FaultKind.EMPTY:
        return json_response(b"")
    if fault.kind is FaultKind.NO_ROUTE:
        return no_route()
    if fault.kind is FaultKind.UNAUTHORIZED:
        return error_answer(
            ApiError(HTTPStatus.UNAUTHORIZED, "invalid token", "the token was revoked")
        )
    if fault.kind is not FaultKind.STATUS:
        return None
    status = HTTPStatus(fault.status)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        response = error_answer(ApiError(status, "timeout", "the request took too long"))
    else:
        title = f"{status.value} {status.phrase}"
        response = web.Response(
            status=status,
            text=f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>",
            content_type="text/html",
        )
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def truncate(response: web.StreamResponse) -> None:
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = response.body[: len(response.body) // 2]


def error_answer(error: ApiError) -> web.Response:
    response = json_of(
        {
            "error": error.error,
            "user_error": error.status is not HTTPStatus.INTERNAL_SERVER_ERROR,
            "description": error.description,
        }
    )
    response.set_status(error.status)
    return response


def no_route() -> web.Response:
    return web.Response(status=HTTPStatus.NOT_FOUND, text="404 page not found")
