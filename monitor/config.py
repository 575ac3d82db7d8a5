"""The configuration: a TOML file, the environment and files with secrets, as one frozen value.

Four layers, the higher ones first: variables that begin with `NUON_MONITOR_`, the file, the
variables that the platform's and Slack's own tools read, the defaults. pydantic-settings
merges them. What it would pass over in silence (a missing file, an unknown variable) is
looked for here, and whatever is wrong is said at once, in one `ConfigError`.

A secret's value is in no message and in no `repr`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from monitor.errors import ConfigError, Problem
from monitor.model import Target

WATCH_KINDS = ("release",)
"""The keys of a [[watch]] that say what is watched: each has exactly one of them."""

# Keys of which only one can be set. The secrets among them can each be in a file of their own.
_ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "nuon": ("api_token", "api_token_file"),
    "slack": ("bot_token", "bot_token_file", "webhook_url", "webhook_url_file"),
    "heartbeat": ("url", "url_file"),
}
_MISSING: Mapping[str, str] = {
    "nuon": "missing: set it or api_token_file, or NUON_API_TOKEN in the environment",
    "slack": (
        "missing: set it or webhook_url, or either as a …_file, or SLACK_BOT_TOKEN or"
        " SLACK_WEBHOOK_URL in the environment"
    ),
}

# Slack's own hosts for incoming webhooks, the second one that of GovSlack: docs.slack.dev/govslack
_WEBHOOK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})

_PREFIX = "NUON_MONITOR_"
_CONFIG_VARIABLE = "NUON_MONITOR_CONFIG"
_USUAL_FILES = (Path("monitor.toml"), Path("/etc/nuon-monitor/monitor.toml"))

# What other tools read; each counts only where the configuration says nothing.
_BORROWED_VARIABLES: Mapping[str, tuple[str, str]] = {
    "NUON_API_URL": ("nuon", "api_url"),
    "NUON_API_TOKEN": ("nuon", "api_token"),
    "NUON_ORG_ID": ("nuon", "org_id"),
    "SLACK_BOT_TOKEN": ("slack", "bot_token"),
    "SLACK_WEBHOOK_URL": ("slack", "webhook_url"),
}

# Kubernetes gives every container such variables for each service of its namespace, and a
# service of this program is likely to be called nuon-monitor.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES_VARIABLE = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)=.*"
    r"|\w+_PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)

_ID_PREFIXES: Mapping[str, str] = {
    "rel": "release",
    "dpl": "install deploy",
    "inl": "install",
    "int": "installer",
    "app": "app",
    "cmp": "component",
    "bld": "build",
    "org": "org",
    "inw": "workflow",
    "iws": "workflow step",
    "job": "runner job",
    "iar": "action workflow run",
}
_PLATFORM_ID = re.compile(r"([a-z]{3})[a-z0-9]{23}")

_PLACE = re.compile(r"\[\[watch\]\]|(?<![\w/])[a-z]+\.[a-z_]+\b")

_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,5})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?"
    r"(?:(?P<seconds>[0-9]{1,9})s)?(?:(?P<milliseconds>[0-9]{1,9})ms)?"
)
# A date further away than this may not exist any more for Python.
_LONGEST_DURATION = timedelta(days=36_500)
_UNITS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("m", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", timedelta(milliseconds=1)),
)

_GENTLE_INTERVAL = timedelta(seconds=5)


def parse_duration(text: str) -> timedelta:
    """Read a duration as people write it: `250ms`, `15s`, `5m`, `1h30m`, `7d`.

    Raises ValueError for anything else, for zero and for more than 36500d.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration")
    duration = timedelta(**{unit: int(number or 0) for unit, number in match.groupdict().items()})
    if not timedelta(0) < duration <= _LONGEST_DURATION:
        raise ValueError("not a positive duration of at most 36500d")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads it; less than a millisecond is left out."""
    parts = []
    for unit, size in _UNITS:
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _expects(phrase: str, *, hides_value: bool = False) -> WrapValidator:
    """Refuse whatever the type refuses with one sentence of ours.

    pydantic's own sentences speak to programmers, and may quote a secret.
    """

    def validate(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValueError:
            pass  # raised below, so that the refused value is not in the new error's context
        raise ValueError(f"expected {phrase}" + ("" if hides_value else f", found {_shown(value)}"))

    return WrapValidator(validate)


def _shown(value: object) -> str:
    """Write a value as a message can bear it: short, on one line, nothing unprintable."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _as_duration(value: object) -> timedelta:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("neither a text nor a duration")


def _is_one_word(text: str) -> bool:
    """Tell whether a text can stand in a header or a URL as it is: printable ASCII, no spaces."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def _checked_word(text: str) -> str:
    if not _is_one_word(text):
        raise ValueError("not one word")
    return text


def _checked_line(text: str) -> str:
    if not text.isprintable() or not text.strip() or len(text) > 200:
        raise ValueError("not a line of text")
    return text


def _checked_id(text: str) -> str:
    if not _is_one_word(text) or len(text) > 200 or text == "." or ".." in text:
        raise ValueError("not an id")
    if any(sign in text for sign in "/?#"):
        raise ValueError("would change the path of a request")
    return text


def _checked_channel(text: str) -> str:
    if not text.isprintable() or text.strip("#") == "" or " " in text or len(text) > 100:
        raise ValueError("not a channel")
    return text


def _split_web_url(text: str) -> SplitResult:
    parts = urlsplit(text)
    if not _is_one_word(text) or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http or https URL with a host")
    if parts.port == 0:  # reading it also raises ValueError for what is no port at all
        raise ValueError("not a port")
    return parts


def _checked_web_url(text: str) -> str:
    _split_web_url(text)
    return text


def _checked_base_url(text: str) -> str:
    parts = _split_web_url(text)
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("more than a base URL")
    return text.rstrip("/")


def _checked_file(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError("not a readable file") from error
    return path


def _checked_store_url(text: str) -> str:
    if not re.fullmatch(r"sqlite:///[^?#]+", text) or text == "sqlite:///:memory:":
        raise ValueError("not a database file")
    return text


def _split_address(text: str) -> tuple[str, int]:
    """Split `host:port`, an IPv6 address being in brackets; raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65_535:
        raise ValueError("not host:port")
    return match[1] or match[2], int(match[3])


def _checked_listen(text: str) -> str:
    if text:
        _split_address(text)
    return text


def _for_secret(check: Callable[[str], str]) -> AfterValidator:
    def validate(secret: SecretStr) -> SecretStr:
        check(secret.get_secret_value())
        return secret

    return AfterValidator(validate)


Duration = Annotated[
    timedelta,
    BeforeValidator(_as_duration),
    _expects('a duration such as "250ms", "15s", "5m", "1h30m" or "7d"'),
]
Id = Annotated[
    str,
    AfterValidator(_checked_id),
    _expects('an id, up to 200 signs without spaces, "/", "?", "#" and ".."'),
]
Line = Annotated[str, AfterValidator(_checked_line), _expects("a line of text in quotes")]
Channel = Annotated[
    str,
    AfterValidator(_checked_channel),
    _expects('a channel such as "#releases" or "C0123456789"'),
]
Count = Annotated[int, Field(strict=True, ge=1), _expects("a whole number, at least 1")]
BaseUrl = Annotated[
    str,
    AfterValidator(_checked_base_url),
    _expects(
        "an http or https URL with a host, without a user, password or query", hides_value=True
    ),
]
Token = Annotated[
    SecretStr,
    _for_secret(_checked_word),
    _expects("a token without spaces and line breaks", hides_value=True),
]
SecretUrl = Annotated[
    SecretStr,
    _for_secret(_checked_web_url),
    _expects("an http or https URL with a host", hides_value=True),
]
SecretFile = Annotated[Path, _expects("the path of a file in quotes")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nuon(_Section):
    """How the platform is reached. `load_config` returns none without an org and a token."""

    api_url: BaseUrl = "https://api.nuon.co"
    """Without a slash at its end."""
    org_id: Id | None = None
    api_token: Token | None = None
    api_token_file: SecretFile | None = None
    dashboard_url: BaseUrl = "https://app.nuon.co"
    """Without a slash at its end."""
    timeout: Duration = timedelta(seconds=30)
    """For one whole request, its answer included."""
    max_concurrent_requests: Count = 8
    ca_file: (
        Annotated[Path, AfterValidator(_checked_file), _expects("the path of a readable file")]
        | None
    ) = None
    proxy: SecretUrl | None = None


class Slack(_Section):
    """Where messages go: by a bot token or by an incoming webhook, never both."""

    bot_token: Token | None = None
    bot_token_file: SecretFile | None = None
    webhook_url: SecretUrl | None = None
    webhook_url_file: SecretFile | None = None
    channel: Channel | None = None
    """Of all watches that name none; for a bot token only."""
    api_url: Annotated[BaseUrl, AfterValidator(lambda url: f"{url}/")] = "https://slack.com/api/"
    """With one slash at its end."""


class Poll(_Section):
    """How often the platform is asked."""

    interval: Duration = timedelta(seconds=15)
    settled_interval: Duration = timedelta(minutes=5)
    """Of what has come to its end, which may still be tried again."""
    forget_after: Duration = timedelta(days=7)
    """How long something must have been settled for its polls to cease."""
    unreachable_after: Count = 3
    """Polls that fail in a row before people are told."""


class Stall(_Section):
    """When something that does not change is told to hang."""

    after: Duration = timedelta(minutes=30)
    remind_every: Duration = timedelta(hours=4)


class Watch(_Section):
    """One thing to be observed."""

    release: Id | None = None
    name: Line | None = None
    channel: Channel | None = None
    interval: Duration | None = None
    labels: Annotated[
        Mapping[str, str],
        AfterValidator(lambda labels: MappingProxyType(dict(labels))),
        _expects('a table of texts such as { team = "core" }', hides_value=True),
    ] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def target(self) -> Target:
        (target,) = (Target(kind, getattr(self, kind)) for kind in _said(dict(self), WATCH_KINDS))
        return target


class Store(_Section):
    """Where snapshots and the outbox are kept."""

    url: Annotated[
        str,
        AfterValidator(_checked_store_url),
        _expects('a database file such as "sqlite:///nuon-monitor.db"', hides_value=True),
    ] = "sqlite:///nuon-monitor.db"
    keep: Duration = timedelta(days=90)


class Http(_Section):
    """Where the status page, health and metrics are served."""

    listen: Annotated[
        str,
        AfterValidator(_checked_listen),
        _expects('"host:port" such as "127.0.0.1:8080", or "" for none'),
    ] = "127.0.0.1:8080"

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; None if nothing is to be served."""
        return _split_address(self.listen) if self.listen else None


class Log(_Section):
    """What is logged, to standard output."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _expects('"debug", "info", "warning" or "error"'),
    ] = "info"
    format: Annotated[Literal["auto", "text", "json"], _expects('"auto", "text" or "json"')] = (
        "auto"
    )


class Heartbeat(_Section):
    """A dead man's switch: called as long as all is well."""

    url: SecretUrl | None = None
    url_file: SecretFile | None = None


class Config(BaseSettings):
    """The whole configuration, complete and free of contradictions.

    Raises ConfigError, with every problem, however it is made; `load_config` makes it from the
    file and the environment.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, case_sensitive=True)

    nuon: Nuon = Nuon()
    slack: Slack = Slack()
    poll: Poll = Poll()
    stall: Stall = Stall()
    watch: tuple[Watch, ...] = ()
    store: Store = Store()
    http: Http = Http()
    log: Log = Log()
    heartbeat: Heartbeat = Heartbeat()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the layers that `load_config` hands in; `os.environ` never counts by itself."""
        given = init_settings()
        return tuple(
            InitSettingsSource(settings_cls, layer) for layer in given.get("layers", (given,))
        )

    @model_validator(mode="wrap")
    @classmethod
    def _tell_every_problem(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, dict):
            return build(given)
        tables, problems = _with_secret_files(given)
        config = None
        try:
            config = build(tables)
        except ValidationError as error:
            problems += [_problem(detail, tables) for detail in error.errors(include_url=False)]
        problems += _contradictions(given)
        problems += _stray_webhook(_table(tables.get("slack")))
        if config is None or problems:
            raise ConfigError(tuple(problems))
        return config


def find_config(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file that is named, else the usual one that exists, else None.

    Raises ConfigError if a file was named that does not exist.
    """
    variable = environ.get(_CONFIG_VARIABLE)
    if path is not None and not _exists(path):
        raise ConfigError((Problem("--config", f"there is no file {path}"),))
    if path is not None:
        return path
    if variable and not _exists(Path(variable)):
        raise ConfigError((Problem(_CONFIG_VARIABLE, f"there is no file {variable}"),))
    if variable:
        return Path(variable)
    return next((usual for usual in _USUAL_FILES if _exists(usual)), None)


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration from the file that `find_config` finds and from `environ`.

    Raises ConfigError with every problem at once, each at the place where it can be mended.
    """
    file = find_config(path, environ)
    environment, names, unknown_variables = _from_environment(environ)
    document, document_problems = _read_document(file) if file else ({}, ())
    if document_problems:
        raise ConfigError((*document_problems, *unknown_variables))
    document = _unless_said(document, environment)
    borrowed, borrowed_names = _borrowed(environ, environment, document)

    problems = list(unknown_variables)
    config = None
    layers: dict[str, Any] = {"layers": (environment, document, borrowed)}
    try:
        config = Config(**layers)
    except ConfigError as error:
        problems += (_renamed(problem, borrowed_names | names) for problem in error.problems)
    if config is not None and not problems:
        return config
    if file is None and "watch" not in environment:
        usual = " and ".join(str(usual) for usual in _USUAL_FILES)
        problems.insert(0, Problem("", f"no configuration file: looked for {usual}; see --config"))
    raise ConfigError(tuple(problems))


def warnings(config: Config) -> tuple[str, ...]:
    """Return what is allowed, but probably not meant."""
    return (
        *_interval_warnings(config),
        *_id_warnings(config),
        *_connection_warnings(config),
        *_slack_warnings(config.slack),
    )


def _interval_warnings(config: Config) -> Iterator[str]:
    poll = config.poll
    intervals = [
        ("poll.interval", poll.interval),
        ("poll.settled_interval", poll.settled_interval),
        *(
            (f"{_place(('watch', index))} interval", watch.interval)
            for index, watch in enumerate(config.watch)
            if watch.interval is not None
        ),
    ]
    if not _is_loopback(config.nuon.api_url):
        for place, interval in intervals:
            if interval < _GENTLE_INTERVAL:
                yield (
                    f"{place}: {format_duration(interval)} burdens the platform;"
                    f" {format_duration(_GENTLE_INTERVAL)} or more is gentler"
                )
    if poll.settled_interval < poll.interval:
        yield "poll.settled_interval: shorter than poll.interval, so what is settled is polled more"
    if config.stall.after < poll.interval:
        yield "stall.after: shorter than poll.interval, so what merely waits for a poll is told"


def _id_warnings(config: Config) -> Iterator[str]:
    ids = [
        (f"{_place(('watch', index))} {watch.target.kind}", watch.target.kind, watch.target.id)
        for index, watch in enumerate(config.watch)
    ]
    if config.nuon.org_id:
        ids.append(("nuon.org_id", "org", config.nuon.org_id))
    for place, kind, id_ in ids:
        match = _PLATFORM_ID.fullmatch(id_)
        looks_like = _ID_PREFIXES.get(match[1], kind) if match else kind
        if looks_like != kind:
            yield f"{place}: {id_} looks like the id of another kind: {looks_like}"


def _connection_warnings(config: Config) -> Iterator[str]:
    urls = [("nuon.api_url", config.nuon.api_url), ("slack.api_url", config.slack.api_url)]
    if config.slack.webhook_url:
        urls.append(("slack.webhook_url", config.slack.webhook_url.get_secret_value()))
    if config.heartbeat.url:
        urls.append(("heartbeat.url", config.heartbeat.url.get_secret_value()))
    for place, url in urls:
        if urlsplit(url).scheme == "http" and not _is_loopback(url):
            yield f"{place}: http sends secrets where others can read them; https does not"


def _slack_warnings(slack: Slack) -> Iterator[str]:
    if slack.webhook_url and slack.channel:
        yield "slack.channel: has no effect, because a webhook always posts to its own channel"
    if slack.bot_token and not slack.bot_token.get_secret_value().startswith("xoxb-"):
        yield "slack.bot_token: does not look like a bot's token, which begins with xoxb-"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # something is there; reading it will say what is wrong
    return True


def _read_document(file: Path) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Return the file's tables, or what is wrong with it."""
    try:
        content = file.read_bytes()
    except OSError as error:
        return {}, (Problem(str(file), f"cannot be read: {error.strerror}"),)
    try:
        return tomllib.loads(content.decode("utf-8-sig")), ()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return {}, (Problem(str(file), f"expected UTF-8, found other bytes at line {line}"),)
    except tomllib.TOMLDecodeError as error:
        return {}, (Problem(str(file), f"expected TOML: {error}"),)


def _variables() -> dict[str, tuple[str, ...]]:
    """Return the name of every variable of ours, with the keys that it stands for."""
    return {
        _PREFIX + "__".join(keys).upper(): keys
        for section in Config.model_fields
        for keys in (
            [(section,)] if section == "watch" else [(section, key) for key in _known((section,))]
        )
    }


def _from_environment(
    environ: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, str], tuple[Problem, ...]]:
    """Return what our own variables say, the place that each stands for, and unknown ones."""
    variables = _variables()
    tables: dict[str, Any] = {}
    names: dict[str, str] = {}
    problems = []
    for name, text in environ.items():
        if not name.startswith(_PREFIX) or name == _CONFIG_VARIABLE:
            continue
        if name in variables:
            keys = variables[name]
            names[_place(keys)] = name
            table = tables if keys == ("watch",) else tables.setdefault(keys[0], {})
            table[keys[-1]] = _typed(keys, text)
        elif not _KUBERNETES_VARIABLE.fullmatch(f"{name}={text}"):
            known = (*variables, _CONFIG_VARIABLE)
            problems.append(Problem(_key(name), _unknown("variable", name.upper(), known)))
    return tables, names, tuple(problems)


def _typed(keys: tuple[str, ...], text: str) -> object:
    """Give a variable's text the type that its key has in TOML, where it can have it."""
    is_json = keys == ("watch",) or _model_at(keys[:-1]).model_fields[keys[-1]].annotation is int
    try:
        return json.loads(text) if is_json else text
    except ValueError:
        return text


def _borrowed(
    environ: Mapping[str, str], *higher_layers: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the variables of other tools say beyond the higher layers, and their places."""
    tables: dict[str, Any] = {}
    for variable, (section, key) in _BORROWED_VARIABLES.items():
        if environ.get(variable):
            tables.setdefault(section, {})[key] = environ[variable]
    for layer in higher_layers:
        tables = _unless_said(tables, layer)
    names = {
        _place(keys): variable
        for variable, keys in _BORROWED_VARIABLES.items()
        if keys[1] in tables.get(keys[0], {})
    }
    return tables, names


def _unless_said(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer without what a higher one says.

    Of keys that exclude each other one speaks for all: a token from the environment takes the
    place of the token's file that the document names.
    """
    kept: dict[str, Any] = {}
    for section, table in lower.items():
        said = _table(higher.get(section))
        alternatives = _ALTERNATIVES.get(section, ())
        hidden = {*said, *(alternatives if _said(said, alternatives) else ())}
        kept[section] = (
            {key: value for key, value in table.items() if key not in hidden}
            if isinstance(table, dict)
            else table
        )
    return kept


def _is_table(given: object) -> bool:
    return isinstance(given, dict | BaseModel)


def _table(given: object) -> dict[str, Any]:
    """Return a section as keys and values; what is no section says nothing."""
    return dict(given) if isinstance(given, dict | BaseModel) else {}


def _said(table: Mapping[str, Any], keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if table.get(key) is not None)


def _with_secret_files(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the tables with the secrets that they name files for, and what could not be read."""
    tables = dict(given)
    problems = []
    for section, alternatives in _ALTERNATIVES.items():
        table = _table(given.get(section))
        said = _said(table, alternatives)
        for key in said:
            secret_key = key.removesuffix("_file")
            if secret_key in said or not isinstance(table[key], str | Path):
                continue
            try:
                secret = Path(table[key]).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                problems.append(
                    Problem(_place((section, key)), f"cannot read {table[key]}: {reason}")
                )
                continue
            if not secret:
                problems.append(Problem(_place((section, key)), f"{table[key]} is empty"))
                continue
            tables[section] = {**table, secret_key: SecretStr(secret)}
    return tables, problems


def _contradictions(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is missing, and what cannot hold together with something else."""
    nuon = given.get("nuon", {})
    if _is_table(nuon) and not _said(_table(nuon), ("org_id",)):
        yield Problem("nuon.org_id", "missing: set it, or NUON_ORG_ID in the environment")
    for section, alternatives in _ALTERNATIVES.items():
        if not _is_table(given.get(section, {})):
            continue  # which is a problem of its own
        said = _said(_table(given.get(section)), alternatives)
        if not said and section in _MISSING:
            yield Problem(_place((section, alternatives[0])), _MISSING[section])
        for key in said[1:]:
            yield Problem(
                _place((section, key)),
                f"set together with {_place((section, said[0]))}: keep one of the two",
            )
    yield from _watch_contradictions(given.get("watch", ()), _table(given.get("slack")))


def _stray_webhook(slack: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a webhook that is not Slack's: its URL is a secret, and messages would go astray.

    Where `slack.api_url` leads to something else, a webhook may lead there too, or to loopback.
    """
    try:
        webhook = _split_web_url(_revealed(slack.get("webhook_url")))
        api = _split_web_url(_revealed(slack.get("api_url", Slack().api_url)))
    except ValueError:
        return  # which is a problem of its own
    if webhook.scheme == "https" and webhook.hostname in _WEBHOOK_HOSTS:
        return
    if api.geturl().rstrip("/") != Slack().api_url.rstrip("/") and (
        webhook.hostname == api.hostname or _is_loopback(webhook.geturl())
    ):
        return
    key = "webhook_url_file" if _said(slack, ("webhook_url_file",)) else "webhook_url"
    yield Problem(
        _place(("slack", key)),
        "expected a webhook of Slack's own, https://hooks.slack.com/…;"
        " one at another host needs slack.api_url to name that host",
    )


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def _watch_contradictions(watches: object, slack: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(watches, list | tuple):
        return
    if not watches:
        yield Problem("[[watch]]", 'nothing to watch: add a [[watch]] with release = "rel…"')
    places = {
        _place(("watch", index)): _table(watch)
        for index, watch in enumerate(watches)
        if _is_table(watch)
    }
    first_places: dict[tuple[str, str], str] = {}
    for place, watch in places.items():
        kinds = _said(watch, WATCH_KINDS)
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            kinds_known = ", ".join(WATCH_KINDS)
            yield Problem(place, f"expected exactly one of: {kinds_known}; found {found}")
        for kind in kinds:
            id_ = _shown(watch[kind])
            first_place = first_places.setdefault((kind, id_), place)
            if first_place != place:
                yield Problem(f"{place} {kind}", f"{id_} is watched by {first_place} already")
        yield from _channel_contradictions(f"{place} channel", watch, slack)


def _channel_contradictions(
    place: str, watch: Mapping[str, Any], slack: Mapping[str, Any]
) -> Iterator[Problem]:
    has_channel = bool(_said(watch, ("channel",)))
    if _said(slack, ("bot_token", "bot_token_file")):
        if not has_channel and not _said(slack, ("channel",)):
            yield Problem(place, "missing: a bot token needs one, here or in slack.channel")
    elif has_channel and _said(slack, ("webhook_url", "webhook_url_file")):
        yield Problem(place, "a webhook cannot choose a channel: leave it out or use a bot token")


def _problem(detail: ErrorDetails, given: Mapping[str, Any]) -> Problem:
    """Put what pydantic found into our words; the refused value is only in those of `_expects`."""
    keys = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return Problem(_place(keys), _unknown("key", str(keys[-1]), _known(keys[:-1])))
    if detail["type"] == "tuple_type":
        return Problem(_place(keys), "expected a list of tables, each written as [[watch]]")
    if detail["type"] != "value_error":  # all that is left: a section is no table
        return Problem(_place(keys), "expected a table with keys")
    file_keys = (keys[0], f"{keys[-1]}_file")
    is_from_file = bool(_said(_table(given.get(str(keys[0]))), file_keys[1:]))
    return Problem(_place(file_keys if is_from_file else keys), str(detail["ctx"]["error"]))


def _renamed(problem: Problem, names: Mapping[str, str]) -> Problem:
    """Speak of the variables that keys were read from instead of the keys."""

    def rename(text: str) -> str:
        return _PLACE.sub(lambda place: names.get(place[0], place[0]), text)

    return Problem(rename(problem.place), rename(problem.expected))


def _place(keys: tuple[int | str, ...]) -> str:
    """Name a place as people find it in the file: `poll.interval`, `[[watch]] #2 interval`."""
    match keys:
        case ("watch",):
            return "[[watch]]"
        case ("watch", int(index), *rest):
            return " ".join((f"[[watch]] #{index + 1}", *(_key(key) for key in rest)))
        case (str(section),) if section in Config.model_fields:
            return f"[{section}]"
        case _:
            return ".".join(_key(key) for key in keys)


def _key(key: int | str) -> str:
    """Write a key as TOML would: quoted and escaped unless it is a plain one."""
    text = str(key)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _shown(text)


def _unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    if nearest:
        return f"unknown {what}; did you mean {nearest[0]}?"
    return f"unknown {what}; known are {', '.join(known)}"


def _model_at(keys: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model whose keys stand at a place."""
    if not keys:
        return Config
    return Watch if keys[0] == "watch" else type(Config.model_fields[str(keys[0])].default)


def _known(keys: tuple[int | str, ...]) -> tuple[str, ...]:
    return tuple(_model_at(keys).model_fields)
