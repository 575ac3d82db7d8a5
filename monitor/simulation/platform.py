"""A simulated Nuon platform: an HTTP server on loopback that runs rollouts by scenarios.

It answers the routes that a watcher reads, with the headers, pages and errors of the real one,
be it of old or of today (`Age`), and misbehaves when it is told to (`Fault`). What it serves
is decided by `scenarios`, so `rollout()` is an oracle: it knows all that happened and will
happen.

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
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import TracebackType

from aiohttp import web

from monitor.simulation.ages import BRANCHES_PATH, GIT_REF, IN_NO_VERSION, Age, Branches
from monitor.simulation.answers import Shape
from monitor.simulation.api_errors import ApiError
from monitor.simulation.org import Org
from monitor.simulation.platform_faults import (
    Fault,
    FaultKind,
    Outage,
    error_answer,
    no_route,
    truncate,
    wrong_answer,
)
from monitor.simulation.routes import (
    IN_BOTH,
    IN_OLD,
    IN_TODAY,
    json_of,
)
from monitor.simulation.scenarios import (
    DIALECTS,
    ORG_ID,
    SCENARIOS,
    SCENARIOS_OF_TODAY,
    Clock,
    Rollout,
    Scenario,
    chance_of,
    timeline,
)

__all__ = ["EVERY_SCENARIO", "TOKEN", "Age", "Branches", "RequestRecord", "SimulatedPlatform"]

TOKEN = "nuon-s3cret-simulated"  # noqa: S105 - opens nothing but the simulation
EVERY_SCENARIO: Mapping[str, Scenario] = {**SCENARIOS, **SCENARIOS_OF_TODAY}
"""All that can be added by its name."""
_REMEMBERED_REQUESTS = 10_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that was answered; status 0 if its connection was broken instead."""

    at: datetime
    path: str
    status: int


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SimulatedPlatform:
    """The platform. `age`, `token`, `fault` and `next_faults` may be changed while it runs.

    `shape` says how much its answers have; what was added before it was changed keeps its own.

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
        age: Age = Age.ALL,
        shape: Shape = Shape.THIN,
        replica_lag: float = 0.0,
        shuffle: bool = True,
        reshuffle: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.age = age
        self.branches = Branches.SERVED
        self.replica_lag = replica_lag
        """Seconds by which one of two replicas is behind: each answers about half of it all."""
        self.token = token
        self.org_id = org_id
        self.fault: Fault | None = None
        """What is wrong with every request, until it is set to None."""
        self.next_faults: deque[Fault] = deque()
        """What is wrong with the next requests, one each."""
        self.seconds_per_answer = 0.0
        """Virtual seconds that pass with each answer: lists move while they are read."""
        self.requests: deque[RequestRecord] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._outages: list[Outage] = []
        self._seed = seed
        self._chance = chance_of(seed)
        self._replica_chance = chance_of(seed, "replica")
        self._org = Org(self.clock, org_id, seed=seed, shuffle=shuffle, reshuffle=reshuffle)
        self.shape = shape
        self._runner: web.AppRunner | None = None
        self._address = ("127.0.0.1", 0)

    def add(
        self,
        scenario: str | Scenario,
        *,
        seed: int | None = None,
        starts_in: float = 0.0,
        dialect: str = "release",
    ) -> str:
        """Let a rollout begin in so many virtual seconds; return the id to watch it by.

        A dialect is a kind of target: release, run, workflow or installer. ValueError if the
        same scenario with the same seed is there already.
        """
        played = EVERY_SCENARIO[scenario] if isinstance(scenario, str) else scenario
        begins_at = self.clock.now() + timedelta(seconds=starts_in - played.age)
        own_seed = self._seed + len(self._rollouts) if seed is None else seed
        rollout = timeline(
            played,
            own_seed,
            begins_at=begins_at,
            org_id=self.org_id,
            dialect=dialect,
            shape=self.shape,
        )
        if rollout.id in self._rollouts:
            raise ValueError(f"scenario {played.name} with seed {own_seed} is there already")
        self._org.add(rollout)
        return rollout.id

    def rollout(self, target_id: str) -> Rollout:
        """Return all that happens to a release, a run, …: the future included."""
        return self._rollouts[target_id]

    def find(self, target_id: str) -> Rollout | None:
        """Return the same, or None for an id that is not there."""
        return self._rollouts.get(target_id)

    def seconds_of(self, target_id: str) -> float:
        """Return how far a rollout is: virtual seconds since it was created."""
        return self._org.seconds_of(self._rollouts[target_id])

    @property
    def shape(self) -> Shape:
        return self._shape

    @shape.setter
    def shape(self, shape: Shape) -> None:
        self._shape = shape
        self._org.is_thin = shape is Shape.THIN

    @property
    def _rollouts(self) -> dict[str, Rollout]:
        return self._org.rollouts

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
        application = web.Application(middlewares=[self._middleware])
        application.router.add_get("/version", self._get_version)
        for path in {**IN_TODAY, **IN_OLD, **IN_BOTH}:
            application.router.add_get(path, self._get)
        return application

    @web.middleware
    async def _middleware(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
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
        response.headers["X-Nuon-API-Version"] = self.age.header
        response.headers["X-Nuon-Trace-ID"] = self._chance.randbytes(16).hex()
        self._remember(request, response.status)
        self.clock.advance(self.seconds_per_answer)
        return response

    async def _answer(
        self, request: web.Request, handler: _Handler, fault: Fault | None
    ) -> web.StreamResponse:
        instead = fault and wrong_answer(fault)
        if instead:
            return instead
        try:
            if request.match_info.http_exception is not None:
                self._authorize(request)
                return no_route()
            response = await handler(request)
        except ApiError as error:
            return error_answer(error)
        if fault and fault.kind is FaultKind.TRUNCATED:
            truncate(response)
        return response

    def _authorize(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise ApiError(HTTPStatus.UNAUTHORIZED, "invalid token", "this token opens nothing")
        org_id = request.headers.get("X-Nuon-Org-ID", "")
        if not org_id:
            raise ApiError(HTTPStatus.FORBIDDEN, "no org ID", "the X-Nuon-Org-ID header is missing")
        if org_id != self.org_id:
            raise ApiError(
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

    async def _get(self, request: web.Request) -> web.StreamResponse:
        """Answer a path in the way of this age."""
        route = request.match_info.route.resource
        path = route.canonical if route else ""
        answer = self.age.routes.get(path)
        self._authorize(request)
        if answer is None or (path == IN_NO_VERSION and self.shape is Shape.THIN):
            return no_route()
        if path.startswith(BRANCHES_PATH):
            self.branches.refuse()
        try:
            with self._org.lagging(self._lag_of_a_replica()):
                return answer(self._org, request)
        except LookupError as error:
            what = f"unable to get {request.path.removeprefix('/v1/')}"
            raise ApiError(HTTPStatus.NOT_FOUND, what, "not found") from error

    def _lag_of_a_replica(self) -> float:
        is_behind = self.replica_lag and self._replica_chance.random() < 0.5
        return self.replica_lag if is_behind else 0.0

    async def _get_version(self, _request: web.Request) -> web.StreamResponse:
        return json_of({"version": self.age.version, "git_ref": GIT_REF})


async def _serve(arguments: argparse.Namespace) -> None:
    platform = SimulatedPlatform(
        Clock(arguments.speed),
        token=arguments.token,
        seed=arguments.seed,
        age=Age(arguments.age),
        shape=Shape(arguments.shape),
        replica_lag=arguments.replica_lag,
    )
    targets = {name: platform.add(name, dialect=arguments.dialect) for name in arguments.scenario}
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await platform.start(port=arguments.port)
    about = {
        "base_url": platform.base_url,
        "token": platform.token,
        "org_id": platform.org_id,
        f"{arguments.dialect}s": targets,
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
        epilog="\n".join(f"  {name:16} {each.summary}" for name, each in EVERY_SCENARIO.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--scenario",
        action="append",
        choices=EVERY_SCENARIO,
        metavar="NAME",
        help="what to run, see below; may be repeated; default: demo",
    )
    parser.add_argument(
        "--dialect", choices=DIALECTS, default="release", help="as what; default: %(default)s"
    )
    parser.add_argument(
        "--age", choices=[*Age], default=Age.ALL, help="of the platform; default: %(default)s"
    )
    parser.add_argument(
        "--shape",
        choices=[*Shape],
        default=Shape.THIN,
        help="of its answers; default: %(default)s",
    )
    parser.add_argument(
        "--replica-lag",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how far one of two replicas is behind; default: %(default)s",
    )
    parser.add_argument("--seed", type=int, default=0, help="for ids and times; default: 0")
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds in a real one")
    parser.add_argument("--token", default=TOKEN, help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.scenario = arguments.scenario or ["demo"]
    asyncio.run(_serve(arguments))


if __name__ == "__main__":
    main()
