"""The simulated Slack on loopback, over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Literal, Self

import msgspec
from aiohttp import web

from monitor.simulation.slack.api import METHODS_ON_MESSAGES, WebApi
from monitor.simulation.slack.faults import Fault, go_wrong, strike
from monitor.simulation.slack.late import Late
from monitor.simulation.slack.messages import Json, plain_text
from monitor.simulation.slack.refusals import Refused, refusal, webhook_refusal
from monitor.simulation.slack.workspace import REAL_RATES, SCOPES, WEBHOOK_PATH, Rates, Workspace

_REMEMBERED_REQUESTS = 10_000
_BODY_LIMIT = 4 * 2**20  # bytes


@dataclass(frozen=True)
class Request:
    """One call; `outcome` is `ok`, Slack's error code or the kind of a fault."""

    method: str
    channel: str
    outcome: str


@dataclass(frozen=True)
class _Outcome:
    """What became of a call, its answer, and the `ts` of the message that it posted."""

    code: str
    answer: web.Response
    ts: str | None = None


class SimulatedSlack(Workspace):
    """A workspace that answers over HTTP, fails on request, and remembers what it was asked."""

    def __init__(
        self,
        channels: Iterable[str] = ("releases",),
        *,
        rates: Rates | Literal[False] = REAL_RATES,
        scopes: Iterable[str] = SCOPES,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(channels, rates=rates, scopes=scopes)
        self.faults: list[Fault] = []
        self.requests: deque[Request] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._web_api = WebApi(self, lambda: self.url)
        self._port = port
        self._chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._changed = asyncio.Event()
        self._late = Late(self._changed.set)
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a `stop` on the same port again, with all that was there before."""
        app = web.Application(client_max_size=_BODY_LIMIT)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/services/{secret:.*}", self._webhook)
        app.router.add_get("/_seen", self._seen)
        app.router.add_post("/_fault", self._add_fault)
        app.router.add_delete("/_fault", self._clear_faults)
        self._stopping.clear()
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and cut every connection: Slack is down until the next `start`.

        What is on its way is stored.
        """
        self._stopping.set()
        await self.settle()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        return f"{self.url}{WEBHOOK_PATH}"

    def fail(
        self,
        kind: str,
        method: str | None = None,
        *,
        times: int | None = 1,
        probability: float = 1.0,
        retry_after: int = 1,
        stored_after: float = 0.0,
        answered_after: float = 0.0,
    ) -> None:
        """Let the next calls go wrong, see `Fault`; several stand in line."""
        self.faults.append(
            Fault(kind, method, times, probability, retry_after, stored_after, answered_after)
        )

    def slow_down(self, seconds: float = 10.0) -> None:
        """Let each message and each reading break, or be done and answered, that late or sooner."""
        for method in (*METHODS_ON_MESSAGES, "webhook"):
            self.fail("slow", method, times=None, stored_after=seconds, answered_after=seconds)

    async def settle(self) -> None:
        """Store at once what is on its way, though its sender may have given up long ago."""
        await self._late.settle()

    async def wait_until(self, is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
        """Return once a condition holds, asked after each call; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params, refused = {}, None
        try:
            params = await _params(request)
        except Refused as wrong:
            refused = wrong

        def call() -> _Outcome:
            try:
                if refused is not None:
                    raise refused
                bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
                answer = {"ok": True, **self._web_api.call(method, params, bearer)}
            except Refused as error:
                return _Outcome(error.code, refusal(error))
            posted = answer["ts"] if method == "chat.postMessage" else None
            return _Outcome("ok", web.json_response(answer), posted)

        answer = await self._answer(request, method, params.get("channel"), call)
        answer.headers["X-OAuth-Scopes"] = ",".join(sorted(self.scopes))
        return answer

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()

        def receive() -> _Outcome:
            try:
                ts = self._web_api.receive(request.path, body)
            except Refused as error:
                return _Outcome(error.code, webhook_refusal(error))
            return _Outcome("ok", web.Response(text="ok"), ts)

        return await self._answer(request, "webhook", self.webhook_channel, receive)

    async def _answer(
        self,
        request: web.Request,
        method: str,
        channel: object,
        carry_out: Callable[[], _Outcome],
    ) -> web.StreamResponse:
        """Carry out a call and answer it, or run into a fault before, after or instead."""
        fault = strike(self.faults, method, self._chance)
        if fault is None:
            outcome = carry_out()
            self._note(method, channel, outcome.code)
            return outcome.answer
        self._note(method, channel, fault.kind)
        began = asyncio.get_running_loop().time()
        given = None
        if fault.is_answered:
            given = await self._carried_out(fault, carry_out)
        elif fault.is_carried_out and fault.stored_after > 0:
            self._late.after(fault.stored_after, carry_out)
        elif fault.is_carried_out:
            carry_out()
        passed = asyncio.get_running_loop().time() - began
        await asyncio.sleep(max(0.0, fault.answered_after - passed))
        return given.answer if given else await go_wrong(fault, request, self._stopping)

    async def _carried_out(self, fault: Fault, carry_out: Callable[[], _Outcome]) -> _Outcome:
        """Carry out what is answered late: before the answer or, unseen until later, at once."""
        if fault.stored_after <= fault.answered_after:
            storing = self._late.after(fault.stored_after, carry_out)
            # Its caller may give up meanwhile, which stops nothing.
            return await asyncio.shield(storing)
        outcome = carry_out()
        if outcome.ts is not None:
            post = self.find(outcome.ts)
            post.is_findable = False
            self._late.after(fault.stored_after, lambda: setattr(post, "is_findable", True))
        return outcome

    def _note(self, method: str, channel: object, outcome: str) -> None:
        self.requests.append(Request(method, str(channel or ""), outcome))
        self._changed.set()

    async def _seen(self, _: web.Request) -> web.Response:
        channels = {
            channel.name: {
                "id": channel.id,
                "is_archived": channel.is_archived,
                "notifications": channel.notifications(),
                "posts": [
                    {
                        **asdict(post),
                        "replies": [r.ts for r in post.replies],
                        "plain": plain_text(post),
                    }
                    for post in channel.posts
                ],
            }
            for channel in self.channels.values()
        }
        requests = [asdict(request) for request in self.requests]
        return web.json_response({"channels": channels, "requests": requests})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self.faults.append(msgspec.json.decode(await request.read(), type=Fault))
        except msgspec.DecodeError as wrong:
            raise web.HTTPBadRequest(text=str(wrong)) from wrong
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(status=HTTPStatus.NO_CONTENT)


async def _params(request: web.Request) -> Json:
    """Return the arguments of a call, from the query and from a form or a JSON body."""
    params: Json = dict(request.query)
    if request.content_type != "application/json":
        return params | dict(await request.post())
    try:
        body = await request.json()
    except ValueError as wrong:
        raise Refused("invalid_json") from wrong
    if not isinstance(body, dict):
        raise Refused("json_not_object")
    return params | body
