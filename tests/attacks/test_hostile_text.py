"""Text that wants to be more than text, wherever somebody else writes: everywhere it stays text.

A platform whose every word is hostile, a Slack that answers with such words, and our own
configuration; looked at is all that the real monitor sends, logs, serves and prints of it.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp import web
from rich.console import Console

from monitor.cli import main
from monitor.compose import render
from monitor.compose.terminal import draw_channel
from monitor.decide.diff import Difference
from monitor.decide.events import decide
from monitor.deliver.slack import SlackClient
from monitor.kinds import KINDS
from monitor.kinds.wire import Memo
from monitor.model import Entity, Message, MessageRef, Snapshot, Target
from monitor.service import logs
from monitor.service.app import App
from monitor.service.build import build
from monitor.service.health import HealthServer
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.slack import Posted, Version
from monitor.store import Store
from tests.support import documents
from tests.support.block_kit import complaints
from tests.support.builders import PATIENCE
from tests.support.clock import NOON
from tests.support.delivery import AT_ONCE
from tests.support.faults import FaultyServer, answer
from tests.support.world import World, a_world

SIGN = "EVIL"
"""In every hostile text, so that one can see whether it is shown at all."""

HOSTILE = {
    "mentions": f"<!channel> <!here> <!everyone> <@U1> <!subteam^S1|@ops> @channel {SIGN}",
    "a forged link": f"<http://x.example/|Open in Nuon> <https://x.example|your bank> {SIGN}",
    "bare addresses": f"http://x.example/{SIGN} mailto:a@x.example www.x.example slack://open",
    "a forged date": f"<!date^1^{{date}}^https://x.example|{SIGN}>",
    "formats": f"*{SIGN}* _a_ ~b~ `c` ```d``` > e\n> f\n* g\n1. h",
    "entities": f"&lt;!channel&gt; &amp;lt; &#60; {SIGN}",
    "emoji": f":tada: :rotating_light::skin-tone-2: {SIGN}",
    "turned writing": f"\u202e\u2066{SIGN}\u2069\u202c\u200fgpj.exe\u061c",
    "unseen": f"\u200b\u200d\ufeff\u2060{SIGN}\U000e0041\ufe0f\u00ad\u3164\u2800",
    "terminal codes": f"\x1b[31m\x1b[2J\x1b[H{SIGN}\x1b]0;t\x07\x1b(0\x1bc\x1b[6n",
    "terminal links": f"\x1b]8;;http://x.example\x1b\\{SIGN}\x1b]8;;\x1b\\\x1b]52;c;cm0=\x07",
    "eight-bit codes": f"\x9b31m{SIGN}\x9d0;t\x9c\x90q\x9c\x85\x84",
    "broken codes": f"\x1b\x1b[[{SIGN}\x1b]\x1b[9999999999;",
    "lines": f'{SIGN}\r\n\n2026-03-02 12:00:00 [error] forged\n{{"event": "sent"}}\u2028x\u2029',
    "nothing": f"\x00\x00{SIGN}\x00\x01\x08\x7f",
    "a page": f"<script>alert(1)</script><img src=x onerror=y>{SIGN}\"'></body>",
    "zalgo": SIGN[:1] + "\u0301\u0302\u0303\u0304\u0489" * 40 + SIGN[1:],
    "a path": f"../../../etc/passwd?{SIGN}#x%2e%2e%2f;$(id)|`id`",
    "templates": f"[bold]{SIGN}[/] {{0}} {{event}} %s %(x)s ${{jndi:ldap://x.example}} {{{{7*7}}}}",
    "sql": f"'; DROP TABLE targets; -- {SIGN}",
    "a megabyte": f"{SIGN} " + "<!channel>" * 100_000,
    "a wide megabyte": f"{SIGN}" + "\U0001f4a3\u0301" * 250_000,
}

each_text = pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in HOSTILE.items()])

# Not text, but what the document is held together by.
_STRUCTURE = frozenset({"created_at", "updated_at", "delay"})
# Of a megabyte in each field the whole document would be refused for its size.
_MUCH = 4_000


def poisoned(value: Any, text: str, *, spares: frozenset[str]) -> Any:
    """Return a document with each string replaced; in a list no two entries are the same."""
    if isinstance(value, dict):
        return {
            key: part if key in spares else poisoned(part, text, spares=spares)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [
            poisoned(part, f"{number}.{text}", spares=spares) for number, part in enumerate(value)
        ]
    return text if isinstance(value, str) else value


class HostilePlatform(SimulatedPlatform):
    """Tells of its releases with hostile words in every field, names and headers."""

    text = SIGN
    spares = _STRUCTURE | {"status"}

    async def _get(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._get(request)
        match request.path.split("/"):
            case ["", "v1", "releases", _] if isinstance(answer, web.Response):
                return self._poisoned(answer)
            case ["", "v1", "installs" | "components" | "apps", _]:
                app_id = f"app{self.text[:50]}"
                return web.json_response({"name": self.text, "app_id": app_id})
            case ["", "v1", "installs", install_id, "deploys", deploy_id]:
                return web.json_response(self._explanation(install_id, deploy_id))
            case _:
                return answer

    def _explanation(self, install_id: str, deploy_id: str) -> dict[str, Any]:
        """Return what explains a deploy, whose own answer says little."""
        job = {"id": "job1", "type": self.text, "status": "failed", "status_description": self.text}
        return {
            "id": unquote(deploy_id),
            "install_id": unquote(install_id),
            "component_name": self.text,
            "runner_jobs": [job],
            "oci_artifact": {"id": "art1", "tag": self.text, "repository": self.text},
        }

    def _poisoned(self, answer: web.Response) -> web.Response:
        assert isinstance(answer.body, bytes)
        document = json.loads(answer.body)
        text = self.text[:_MUCH]
        steps = poisoned(document["release_steps"], text, spares=self.spares)
        for step in steps:
            for number, deploy in enumerate(step.get("install_deploys") or ()):
                # It begins as the platform's own ids do, or nobody would ask for its name.
                deploy["install_id"] = f"inl{number}{text[:200]}"
        document = poisoned(
            document, text, spares=self.spares | {"release_steps", "id", "component_id"}
        )
        whole = {"release_steps": steps, "status_description": self.text}
        body = msgspec.json.encode(document | whole)
        return web.Response(body=body, content_type="application/json")


@dataclass
class Surfaces:
    """What was shown, by where it was; the daemon's log is among it, in both forms."""

    shown: dict[str, str] = field(default_factory=dict)
    json: dict[str, str] = field(default_factory=dict)

    def judge(self) -> None:
        for where, shown in self.shown.items():
            assert unseen_signs(shown) == [], where
            assert max(map(len, shown.splitlines()), default=0) < 20_000, where
        for where, said in self.json.items():
            assert said.isascii(), where
            assert unseen_signs(said) == [], where


def unseen_signs(shown: str) -> list[str]:
    """Return what is not a visible character: control, direction, zero width, lone surrogates."""
    odd = {c for c in set(shown) if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"}
    ours = {"\n", "\u2060"}  # the word joiner keeps an address from becoming a link
    return sorted(map(ascii, odd - ours))


def complaints_of(world: World) -> list[str]:
    """Return what is wrong with any message that Slack was given, earlier versions included."""
    found: list[str] = []
    for post in world.channel.posts:
        versions: list[Posted | Version] = [post, *post.edits]
        for version in versions:
            message = Message(version.text, tuple(version.blocks))
            found += complaints(message)
            found += [f"leads to {url}" for url in addresses(message) if not is_ours(url, world)]
    return found


def addresses(message: Message) -> Iterator[str]:
    """Yield wherever a reader of a message can be led to."""
    context = [
        element["text"]
        for block in message.blocks
        if block["type"] == "context"
        for element in block["elements"]
        if element["type"] == "mrkdwn"  # what is plain text leads nowhere
    ]
    for marked_up in (message.text, *context):
        yield from re.findall(r"<([^!|>][^|>]*)", marked_up)
    yield from re.findall(r'"url": "([^"]*)"', json.dumps(message.blocks))


def is_ours(url: str, world: World) -> bool:
    bases = ("https://app.nuon.co/", f"{world.slack.url}/archives/")
    return url.startswith(bases) and url.isascii() and {".", ".."}.isdisjoint(url.split("/"))


@contextmanager
def logging_into(surfaces: Surfaces, form: str) -> Iterator[None]:
    """Log as the daemon does, at its most talkative."""
    stream = io.StringIO()
    logs.configure("debug", form, stream=stream)
    try:
        yield
    finally:
        structlog.reset_defaults()
        (surfaces.json if form == "json" else surfaces.shown)[f"log as {form}"] = stream.getvalue()


async def pages(app: App) -> dict[str, str]:
    """Return the pages of the daemon's HTTP side."""
    server = HealthServer(("127.0.0.1", 0), app.probes, app.metrics)
    await server.start()
    found = {}
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics"):
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as page:
                found[path] = await page.text()
    await server.stop()
    return found


class Commands:
    """Runs commands in this process and returns what they wrote."""

    def __init__(self, file: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._file = file
        self._capture = capture

    async def __call__(self, *arguments: str) -> str:
        self._capture.readouterr()
        await asyncio.to_thread(self._run, [*arguments, "-c", str(self._file)])
        written = self._capture.readouterr()
        structlog.reset_defaults()
        return written.out + written.err

    def _run(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code in (0, 1)


@pytest.fixture
def hostile_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.world.SimulatedPlatform", HostilePlatform)


@each_text
async def test_hostile_words_in_every_field_stay_words_in_messages_logs_and_pages(
    tmp_path: Path, hostile_world: None, text: str
) -> None:
    surfaces = Surfaces()
    async with a_world(tmp_path) as world:
        with logging_into(surfaces, "json" if len(text) % 2 else "text"):
            served = await watch(world, text)
        surfaces.shown["/readyz"] = served["/readyz"]
        surfaces.shown["/metrics"] = served["/metrics"]
        surfaces.shown["demo"] = as_drawn_by_the_demo(world)

        assert complaints_of(world) == []
        assert SIGN in plain_words(world.channel.posts)
        assert SIGN not in served["/metrics"]
        surfaces.judge()
    names = {file.name.split("-wal")[0].split("-shm")[0] for file in our_files(tmp_path)}
    assert names == {"monitor.toml", "nuon-monitor.db"}


@pytest.mark.parametrize(
    "text", ["terminal codes", "terminal links", "eight-bit codes", "lines", "templates", "unseen"]
)
async def test_hostile_words_stay_words_in_what_commands_print(
    tmp_path: Path, hostile_world: None, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    surfaces = Surfaces()
    async with a_world(tmp_path) as world:
        await watch(world, HOSTILE[text])
        run = Commands(tmp_path / "monitor.toml", capsys)
        (release_id,) = (watched.id for watched in watched_by(world))
        for command in ("status", f"history {release_id}"):
            surfaces.shown[command] = await run(*command.split())
            surfaces.json[command] = await run(*command.split(), "--json")
        world.clock.advance(100)
        for command in ("once --dry-run", "check --online"):
            surfaces.shown[command] = await run(*command.split())

    surfaces.judge()
    for where, said in surfaces.json.items():
        assert json.loads(said), where
    for where, shown in surfaces.shown.items():
        assert SIGN in shown, where


async def watch(world: World, text: str) -> dict[str, str]:
    """Watch a release of hostile words for a while, at last its statuses too; return the pages."""
    assert isinstance(world.platform, HostilePlatform)
    world.platform.text = text
    release_id = world.platform.add("failure", seed=1)
    async with world.monitor(release_id) as app:
        for spares in (_STRUCTURE | {"status"}, _STRUCTURE):
            world.platform.spares = spares
            await world.look(app)
            await world.look(app, after=200)
        return await pages(app)


def watched_by(world: World) -> list[Target]:
    with Store.open_readonly(world.store_url) as store:
        return [watched.target for watched in store.snapshots.load_all()]


def our_files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if not file.name.endswith((".lock", "-journal"))]


def plain_words(posts: list[Posted]) -> str:
    """Return what all messages hold, without what is stacked on the letters."""
    words = json.dumps([[post.text, list(post.blocks)] for post in posts], ensure_ascii=False)
    return "".join(c for c in words if not unicodedata.combining(c) and c != "\u0489")


_OUR_CODES = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\]8;[^;]*;(?:https?://(?:app\.nuon\.co|127\.0\.0\.1)[!-~]*)?\x1b\\"
)


def as_drawn_by_the_demo(world: World) -> str:
    """Return the channel as the demo draws it, without our own colours and links."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system="standard")
    console.print(draw_channel(world.channel))
    return _OUR_CODES.sub("", screen.getvalue())


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every string of a document."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths_in(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from paths_in(part, (*path, number))
    elif isinstance(value, str):
        yield path


def with_text(document: Any, path: tuple[str | int, ...], text: str) -> Any:
    """Return a copy of a document with another text in one place."""
    key, *rest = path
    copy = document.copy()
    copy[key] = with_text(document[key], tuple(rest), text) if rest else text
    return copy


def failed_release() -> dict[str, Any]:
    """Return the documented answer with words in it that make it a release that has failed."""
    document = documents.release()
    step = document["release_steps"][0]
    document["id"], document["status"], step["status"] = "rel1", "error", "error"
    for deploy in step["install_deploys"]:
        deploy["status"], deploy["install_id"] = "error", "inl1"
        deploy["status_v2"]["status"] = "error"
    return document


def failed_installer() -> dict[str, Any]:
    """Return the documented answer with words in it that make it one that fails and waits."""
    document = documents.installer()
    document["id"] = "int1"
    for app in document["apps"]:
        app["status"] = "error"
        for config in app["app_configs"]:
            config["status"] = "active"
            for workflow in config["app_branch"]["workflows"]:
                workflow["status"]["status"] = "approval-awaiting"
    return document


def failed_workflow() -> dict[str, Any]:
    """Return the workflow of the documented release, failed at one step, as if asked for alone."""
    deploy = failed_release()["release_steps"][0]["install_deploys"][0]
    workflow: dict[str, Any] = deploy["workflow"]
    workflow |= {"id": "inw1", "owner_type": "installs", "owner_id": "inl1"}
    workflow["status"]["status"] = "error"
    for step in workflow["steps"]:
        step["status"]["status"] = "error"
    return workflow


FAILED = {
    "release": failed_release,
    "installer": failed_installer,
    "workflow": failed_workflow,
}


def messages_of(root: Entity, kind: str) -> list[Message]:
    """Return what is told of a rollout that is seen for the first time."""
    target = Target(kind, root.id)
    snapshot = Snapshot(target, NOON, root)
    nothing = Difference((), has_moved=False)
    decision = decide(None, snapshot, nothing, None, now=NOON, stall_rules=PATIENCE)
    links = render.Links("https://app.nuon.co", "org1")
    view = render.View(snapshot, decision.state, links)
    events = decision.events
    alone = [render.reply(view, events), render.standalone(view, events)] if events else []
    return [render.card(view), *alone]


@pytest.mark.parametrize("kind", FAILED)
def test_each_hostile_text_in_each_field_of_a_document_is_no_more_than_words(kind: str) -> None:
    document = FAILED[kind]()
    identifier, decode = document["id"], KINDS[kind].decode
    fields = [path for path in paths_in(document) if path != ("id",)]
    harmless = decode(msgspec.json.encode(document), identifier, Memo(), {})
    texts = [text[:_MUCH] for text in HOSTILE.values()]
    if kind != "release":  # the same code draws it: a little of each in one will do
        texts = [SIGN + "".join(text[:60] for text in texts), HOSTILE["a megabyte"][:_MUCH]]
    assert len(fields) > 50

    used, found = 0, []
    for path in fields:
        for text in texts:
            body = msgspec.json.encode(with_text(document, path, text))
            root = decode(body, identifier, Memo(), {})
            if root == harmless:  # nobody reads this field
                break
            used += 1
            found += [(path, words) for m in messages_of(root, kind) for words in complaints(m)]

    assert used > 10 * len(texts)
    assert found == []


@asynccontextmanager
async def monitor_of(
    world: World,
    release_id: str,
    *,
    nuon: str | None = None,
    slack: str | None = None,
    name: str | None = None,
) -> AsyncIterator[App]:
    """Start a monitor that is led to another platform or Slack, or calls its watch so."""
    api_urls = {"nuon": nuon, "slack": slack}
    own = {section: f'api_url = "{url}"' for section, url in api_urls.items() if url}
    config = world.config(release_id, **own)
    watch = config.watch[0].model_copy(update={"name": name})
    changed = config.model_copy(update={"watch": (watch,)})
    async with build(changed, pace=AT_ONCE, now=world.now) as app:
        yield app


# What goes wrong on the platform, in its words


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 429, 500, 503])
async def test_hostile_errors_and_headers_stay_words(tmp_path: Path, status: int) -> None:
    surfaces = Surfaces()
    one_line = "".join(HOSTILE[name] for name in ("mentions", "a forged link", "formats"))
    one_line = one_line.replace("\n", " ") + "\x9b31m\x9d0;t\x9c"
    text = "".join(words[:300] for words in HOSTILE.values())
    headers = {
        "X-Nuon-Trace-ID": one_line,
        "X-Nuon-API-Version": one_line,
        "Retry-After": one_line,
        "Location": f"https://{one_line}/",
    }
    body = json.dumps({"id": text, "error": text, "description": text, "user_error": True})
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("failure", seed=1)
        scene = answer(body.encode(), status=status, headers=headers)
        async with (
            FaultyServer(scene) as server,
            monitor_of(world, release_id, nuon=server.url) as app,
        ):
            with logging_into(surfaces, "text"):
                for _ in range(4):
                    await world.look(app, after=30)
            served = await pages(app)
    surfaces.shown["/readyz"] = served["/readyz"]
    surfaces.judge()
    assert complaints_of(world) == []
    assert len(world.channel.posts) == 1
    assert SIGN not in served["/metrics"]


@pytest.mark.parametrize(
    "words", [rb"\ud800 EVIL", rb"EVIL \udfff", b"EVIL \xff", b"\xed\xa0\x80 EVIL", b"EVIL \n"]
)
async def test_words_that_are_no_text_are_no_observation(tmp_path: Path, words: bytes) -> None:
    surfaces = Surfaces()
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("failure", seed=1)
        body = b'{"id": "%s", "status": "error", "status_description": "%s"}'
        scene = answer(body % (release_id.encode(), words))
        async with (
            FaultyServer(scene) as server,
            monitor_of(world, release_id, nuon=server.url) as app,
        ):
            with logging_into(surfaces, "text"):
                await world.look(app)
            assert app.registry.rollout_pollers[0].polled_at is None

    assert world.channel.posts == []
    assert "poll_failed" in surfaces.shown["log as text"]
    surfaces.judge()


# Slack's words


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(words, id=name) for name, words in HOSTILE.items()),
        pytest.param(f"\ud800{SIGN}\udfff", id="half characters"),
    ],
)
async def test_a_hostile_answer_of_slack_stays_words(tmp_path: Path, text: str) -> None:
    surfaces = Surfaces()
    word = text[:300]
    said = {"ok": False, "error": word, "needed": word, "channel": word, "ts": word, "url": word}
    async with (
        FaultyServer(answer(json.dumps(said).encode(), headers=_JSON)) as faulty,
        a_world(tmp_path) as world,
    ):
        release_id = world.platform.add("failure", seed=1)
        async with monitor_of(world, release_id, slack=f"{faulty.url}/api/") as app:
            with logging_into(surfaces, "text"):
                await world.look(app, after=30)
                await world.look(app, after=30)
            served = await pages(app)
    surfaces.shown["/readyz"] = served["/readyz"]
    surfaces.judge()
    assert SIGN not in served["/metrics"]
    assert faulty.requests


_JSON = {"Content-Type": "application/json"}


async def test_a_workspace_that_names_itself_with_an_address_lends_it_to_no_link(
    tmp_path: Path,
) -> None:
    said = {"ok": True, "url": "https://x.example/|Open in Nuon> <!channel>", "team": "x"}
    async with (
        FaultyServer(answer(json.dumps(said).encode(), headers=_JSON)) as faulty,
        SlackClient(api_url=f"{faulty.url}/api/", token="xoxb-s3cret") as client,
    ):
        await client.check_token()

        assert client.permalink(MessageRef("C1", "1.2")) is None


# Our own configuration's words


@pytest.mark.parametrize(
    "name", ["mentions", "a forged link", "bare addresses", "emoji", "a page", "templates", "sql"]
)
async def test_hostile_names_in_the_configuration_stay_words(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    surfaces = Surfaces()
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("already-failed", seed=1)
        words = HOSTILE[name][:100]
        channel = "#" + words.replace(" ", "")
        async with monitor_of(world, release_id, name=words) as app:
            await world.look(app)
        with (tmp_path / "monitor.toml").open("a") as file:
            file.write(f"name = {json.dumps(words)}\nchannel = {json.dumps(channel)}\n")
        run = Commands(tmp_path / "monitor.toml", capsys)
        for command in ("status", "check --online", "test-notification"):
            surfaces.shown[command] = await run(*command.split())
            assert SIGN in surfaces.shown[command], command
        surfaces.json["status"] = await run("status", "--json")

    assert complaints_of(world) == []
    assert complaints(render.test_message(channel, NOON)) == []
    surfaces.judge()


@pytest.mark.parametrize("name", ["turned writing", "terminal codes", "lines", "nothing"])
def test_a_name_that_is_no_line_of_text_is_refused_without_being_obeyed(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monitor.toml"
    words = json.dumps(HOSTILE[name].replace("\x7f", ""))
    file.write_text(f"[[watch]]\nrelease = {words}\nname = {words}\nchannel = {words}\n{words} = 1")

    with pytest.raises(SystemExit) as left:
        main(["check", "-c", str(file)])

    assert left.value.code == 2
    written = capsys.readouterr()
    assert unseen_signs(written.out + written.err) == []
