"""A simulated Nuon platform: an HTTP server on loopback that runs releases by scenarios.

It answers the routes that a watcher of releases reads, with the headers, pages and errors of
the real one, and misbehaves when it is told to (`Fault`). What it serves is decided by
`scenarios`, so `rollout()` is an oracle: it knows all that happened and will happen.

As a process of its own it prints one line of JSON that says where it is and what it runs:

    python -m monitor.simulation.platform --scenario demo --speed 60
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from types import TracebackType

import msgspec
from aiohttp import web

from monitor.simulation import answers
from monitor.simulation.answers import Cast, Document
from monitor.simulation.scenarios import (
    BEGINNING,
    ORG_ID,
    SCENARIOS,
    Clock,
    Rollout,
    Scenario,
    chance_of,
    install_of,
    timeline,
)

TOKEN = "nuon-s3cret-simulated"  # noqa: S105 - opens nothing but the simulation
API_VERSION = "0.19.700"
_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100
_REMEMBERED_REQUESTS = 10_000


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


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that was answered; status 0 if its connection was broken instead."""

    at: datetime
    path: str
    status: int


class _ApiError(Exception):
    """An answer of the platform that is an error."""

    def __init__(self, status: HTTPStatus, error: str, description: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = description


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SimulatedPlatform:
    """The platform. `token`, `fault` and `next_faults` may be changed while it runs.

    `shuffle` gives lists another order whenever something changed, `reshuffle` at every
    answer; without either they keep the order of creation. While nothing changes, answers
    are the same bytes, unless `reshuffle` is on.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        token: str = TOKEN,
        org_id: str = ORG_ID,
        seed: int = 0,
        shuffle: bool = True,
        reshuffle: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.token = token
        self.org_id = org_id
        self.fault: Fault | None = None
        """What is wrong with every request, until it is set to None."""
        self.next_faults: deque[Fault] = deque()
        """What is wrong with the next requests, one each."""
        self.requests: deque[RequestRecord] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._outages: list[Outage] = []
        self._seed = seed
        self._shuffle = shuffle
        self._reshuffle = reshuffle
        self._chance = chance_of(seed)
        self._rollouts: dict[str, Rollout] = {}
        self._installs: dict[str, tuple[str, Cast]] = {}
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._runner: web.AppRunner | None = None
        self._address = ("127.0.0.1", 0)

    def add(
        self, scenario: str | Scenario, *, seed: int | None = None, starts_in: float = 0.0
    ) -> str:
        """Let a release begin in so many virtual seconds; return its id.

        ValueError if the same scenario with the same seed is there already.
        """
        played = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
        begins_at = self.clock.now() + timedelta(seconds=starts_in - played.age)
        own_seed = self._seed + len(self._rollouts) if seed is None else seed
        rollout = timeline(played, own_seed, begins_at=begins_at, org_id=self.org_id)
        if rollout.id in self._rollouts:
            raise ValueError(f"scenario {played.name} with seed {own_seed} is there already")
        self._rollouts[rollout.id] = rollout
        for number in range(sum(played.steps)):
            install_id, name = install_of(number)
            self._installs[install_id] = (name, rollout.cast)
        return rollout.id

    def rollout(self, release_id: str) -> Rollout:
        """Return all that happens to a release, the future included."""
        return self._rollouts[release_id]

    def seconds_of(self, release_id: str) -> float:
        """Return how far a release is: virtual seconds since it was created."""
        rollout = self._rollouts[release_id]
        return (self.clock.now() - rollout.begins_at).total_seconds()

    def plan_outage(self, fault: Fault, *, begins_in: float, lasts: float) -> None:
        """Let a fault hold for a while, in virtual seconds from now."""
        begins = self.clock.now() + timedelta(seconds=begins_in)
        self._outages.append(Outage(fault, begins, begins + timedelta(seconds=lasts)))

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the base URL. After a `stop`, port 0 means the port of before."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, port or self._address[1])
        await site.start()
        self._runner = runner
        self._address = (host, int(runner.addresses[0][1]))
        return self.base_url

    async def stop(self) -> None:
        """Close all connections and refuse new ones; what happens goes on happening."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        await runner.cleanup()

    @property
    def base_url(self) -> str:
        host, port = self._address
        return f"http://{host}:{port}"

    async def __aenter__(self) -> SimulatedPlatform:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._around])
        application.router.add_get("/v1/releases/{id}", self._get_release)
        application.router.add_get("/v1/releases/{id}/steps", self._get_steps)
        application.router.add_get("/v1/apps/{id}/releases", self._list_of_app)
        application.router.add_get("/v1/components/{id}/releases", self._list_of_component)
        application.router.add_get("/v1/installs/{id}", self._get_install)
        application.router.add_get("/v1/apps/{id}", self._get_app)
        application.router.add_get("/v1/components/{id}", self._get_component)
        return application

    @web.middleware
    async def _around(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Judge the request, answer it or misbehave, and remember it."""
        fault = self._fault_now()
        if fault and fault.kind is FaultKind.RESET:
            self._remember(request, 0)
            # aiohttp sees that the connection is gone and drops the answer below.
            if request.transport:
                request.transport.abort()
            return web.Response()
        if fault and fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.delay)
        response = await self._answer(request, handler, fault)
        response.headers["X-Nuon-API-Version"] = API_VERSION
        response.headers["X-Nuon-Trace-ID"] = self._chance.randbytes(16).hex()
        self._remember(request, response.status)
        return response

    async def _answer(
        self, request: web.Request, handler: _Handler, fault: Fault | None
    ) -> web.StreamResponse:
        instead = fault and _wrong_answer(fault)
        if instead:
            return instead
        if request.match_info.http_exception is not None:
            return _no_route()
        try:
            self._authorize(request)
            response = await handler(request)
        except _ApiError as error:
            return _error(error)
        if fault and fault.kind is FaultKind.TRUNCATED:
            _truncate(response)
        return response

    def _authorize(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise _ApiError(HTTPStatus.UNAUTHORIZED, "invalid token", "this token opens nothing")
        org_id = request.headers.get("X-Nuon-Org-ID", "")
        if not org_id:
            raise _ApiError(
                HTTPStatus.FORBIDDEN, "no org ID", "the X-Nuon-Org-ID header is missing"
            )
        if org_id != self.org_id:
            raise _ApiError(
                HTTPStatus.FORBIDDEN, f"no org {org_id}", "this token may not see that organisation"
            )

    def _fault_now(self) -> Fault | None:
        if self.next_faults:
            return self.next_faults.popleft()
        now = self.clock.now()
        planned = (o.fault for o in self._outages if o.begins <= now < o.ends)
        fault = next(planned, self.fault)
        if fault is None or self._chance.random() >= fault.probability:
            return None
        return fault

    def _remember(self, request: web.Request, status: int) -> None:
        self.requests.append(RequestRecord(self.clock.now(), request.path, status))

    async def _get_release(self, request: web.Request) -> web.Response:
        rollout, seconds = self._find(request.match_info["id"])
        return _json(self._written_once(rollout, seconds))

    async def _get_steps(self, request: web.Request) -> web.Response:
        rollout, seconds = self._find(request.match_info["id"])
        steps: list[Document] = self._state(rollout, seconds).get("release_steps") or []
        order = {step.id: step.created for step in rollout.steps}
        steps.sort(key=lambda step: order[step["id"]], reverse=True)
        return _page(request, steps)

    async def _list_of_app(self, request: web.Request) -> web.Response:
        app_id = request.match_info["id"]
        return self._list_releases(request, lambda rollout: rollout.cast.app_id == app_id)

    async def _list_of_component(self, request: web.Request) -> web.Response:
        component_id = request.match_info["id"]
        return self._list_releases(
            request, lambda rollout: rollout.cast.component_id == component_id
        )

    def _list_releases(
        self, request: web.Request, belongs: Callable[[Rollout], bool]
    ) -> web.Response:
        now = self.clock.now()
        there = [
            (rollout, seconds)
            for rollout in self._rollouts.values()
            if belongs(rollout)
            and rollout.exists_at(seconds := (now - rollout.begins_at).total_seconds())
        ]
        there.sort(key=lambda row: row[0].begins_at, reverse=True)
        rows = [answers.release_row(rollout.state_at(seconds)) for rollout, seconds in there]
        return _page(request, rows)

    async def _get_install(self, request: web.Request) -> web.Response:
        install_id = request.match_info["id"]
        if install_id not in self._installs:
            raise _not_found("install", install_id)
        name, cast = self._installs[install_id]
        return _json_of(answers.install(cast, install_id, name, BEGINNING))

    async def _get_app(self, request: web.Request) -> web.Response:
        app_id = request.match_info["id"]
        for rollout in self._rollouts.values():
            if rollout.cast.app_id == app_id:
                return _json_of(answers.app(rollout.cast, BEGINNING))
        raise _not_found("app", app_id)

    async def _get_component(self, request: web.Request) -> web.Response:
        component_id = request.match_info["id"]
        for rollout in self._rollouts.values():
            if rollout.cast.component_id == component_id:
                return _json_of(answers.component(rollout.cast, BEGINNING))
        raise _not_found("component", component_id)

    def _find(self, release_id: str) -> tuple[Rollout, float]:
        rollout = self._rollouts.get(release_id)
        if rollout is None:
            raise _not_found("release", release_id)
        seconds = self.seconds_of(release_id)
        if not rollout.exists_at(seconds):
            raise _not_found("release", release_id)
        return rollout, seconds

    def _written_once(self, rollout: Rollout, seconds: float) -> bytes:
        """Return the release's bytes, kept for as long as nothing changes."""
        version = rollout.version_at(seconds)
        kept = self._kept.get(rollout.id)
        if kept is None or kept[0] != version or self._reshuffle:
            kept = (version, msgspec.json.encode(self._state(rollout, seconds)))
            self._kept[rollout.id] = kept
        return kept[1]

    def _state(self, rollout: Rollout, seconds: float) -> Document:
        """Return the release with its lists in the order of this answer."""
        state = rollout.state_at(seconds)
        if not self._shuffle and not self._reshuffle:
            return state
        version = rollout.version_at(seconds)
        own = chance_of(self._seed, rollout.id, version)
        chance = self._chance if self._reshuffle else own
        steps = state.get("release_steps") or []
        chance.shuffle(steps)
        for step in steps:
            chance.shuffle(step.get("install_deploys") or [])
        return state


def _wrong_answer(fault: Fault) -> web.Response | None:
    """Return what is answered instead; None if the right answer comes after all."""
    if fault.kind is FaultKind.EMPTY:
        return _json(b"")
    if fault.kind is FaultKind.NO_ROUTE:
        return _no_route()
    if fault.kind is FaultKind.UNAUTHORIZED:
        return _error(_ApiError(HTTPStatus.UNAUTHORIZED, "invalid token", "the token was revoked"))
    if fault.kind is not FaultKind.STATUS:
        return None
    status = HTTPStatus(fault.status)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        response = _error(_ApiError(status, "timeout", "the request took too long"))
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


def _truncate(response: web.StreamResponse) -> None:
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = response.body[: len(response.body) // 2]


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _json_of(document: Document | Sequence[Document]) -> web.Response:
    return _json(msgspec.json.encode(document))


def _error(error: _ApiError) -> web.Response:
    response = _json_of(
        {
            "error": error.error,
            "user_error": error.status is not HTTPStatus.INTERNAL_SERVER_ERROR,
            "description": error.description,
        }
    )
    response.set_status(error.status)
    return response


def _not_found(kind: str, entity_id: str) -> _ApiError:
    return _ApiError(HTTPStatus.NOT_FOUND, f"unable to get {kind} {entity_id}", "not found")


def _no_route() -> web.Response:
    return web.Response(status=HTTPStatus.NOT_FOUND, text="404 page not found")


def _page(request: web.Request, rows: Sequence[Document]) -> web.Response:
    """Answer one page of rows. What is no number is ignored, pages count from 1."""
    limit = min(_number(request, "limit") or _DEFAULT_LIMIT, _MAX_LIMIT)
    page = _number(request, "page")
    offset = (page - 1) * limit if page else _number(request, "offset")
    response = _json_of(rows[offset : offset + limit])
    response.headers["X-Nuon-Page-Next"] = "true" if offset + limit < len(rows) else "false"
    response.headers["X-Nuon-Page-Offset"] = str(offset)
    response.headers["X-Nuon-Page-Limit"] = str(limit)
    return response


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else 0


async def _serve(arguments: argparse.Namespace) -> None:
    platform = SimulatedPlatform(Clock(arguments.speed), token=arguments.token, seed=arguments.seed)
    releases = {name: platform.add(name) for name in arguments.scenario}
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await platform.start(port=arguments.port)
    about = {
        "base_url": platform.base_url,
        "token": platform.token,
        "org_id": platform.org_id,
        "releases": releases,
    }
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()
    await stopped.wait()
    await platform.stop()


def main() -> None:
    """Run a simulated platform until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m monitor.simulation.platform",
        description="A simulated Nuon platform on loopback.",
        epilog="\n".join(f"  {name:16} {each.summary}" for name, each in SCENARIOS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--scenario",
        action="append",
        choices=SCENARIOS,
        metavar="NAME",
        help="a release to run, see below; may be repeated; default: demo",
    )
    parser.add_argument("--seed", type=int, default=0, help="for ids and times; default: 0")
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds in a real one")
    parser.add_argument("--token", default=TOKEN, help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.scenario = arguments.scenario or ["demo"]
    asyncio.run(_serve(arguments))


if __name__ == "__main__":
    main()
