"""The configuration as a whole: merged from the file and the environment, and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_origin

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from monitor.config.files import (
    CONFIG_VARIABLE,
    NO_FILE,
    ConfigFile,
    find_config,
    read_document,
    with_secret_files,
)
from monitor.config.ids import ids_of_other_kinds
from monitor.config.mistakes import (
    ALTERNATIVES,
    contradictions,
    refusal,
    stray_webhooks,
    unsound_templates,
)
from monitor.config.origins import has_secrets, misdirected
from monitor.config.sections import (
    LISTS,
    Digest,
    Heartbeat,
    Http,
    Log,
    Notify,
    Nuon,
    Poll,
    Quiet,
    Route,
    Slack,
    Stall,
    Store,
    Templates,
    Watch,
)
from monitor.config.tables import (
    keys_set,
    known_keys,
    location_of,
    model_at,
    table_of,
    toml_key,
    unknown,
)
from monitor.errors import ConfigError, Problem

_PREFIX = "NUON_MONITOR_"

# The variables of other tools; each counts only where the configuration sets nothing.
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

# What is required even for commands that only ask the platform.
_STAND_INS: Mapping[str, Any] = {
    "slack": {"webhook_url": "https://hooks.slack.com/services/none"},
    "watch": [{"approvals": True}],
}

_Tables = Mapping[str, Any]

_LOCATION = re.compile(r"\[\[[a-z]+\]\]|(?<![\w/])[a-z]+\.[a-z_]+\b")


class Config(BaseSettings):
    """The whole configuration, complete and free of contradictions.

    However it is made, it raises ConfigError with every problem; `load_config` makes it from the
    file and the environment.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, case_sensitive=True)

    nuon: Nuon = Nuon()
    slack: Slack = Slack()
    poll: Poll = Poll()
    stall: Stall = Stall()
    notify: Notify = Notify()
    watch: tuple[Watch, ...] = ()
    route: tuple[Route, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    digest: tuple[Digest, ...] = ()
    templates: Templates = Field(default_factory=Templates)
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
        """Use the layers that `load_config` passes; `os.environ` is never read directly."""
        given = init_settings()
        return tuple(
            InitSettingsSource(settings_cls, layer) for layer in given.get("layers", (given,))
        )

    @model_validator(mode="wrap")
    @classmethod
    def _raise_every_problem(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, dict):
            return build(given)
        tables, problems = with_secret_files(given)
        config = None
        try:
            config = build(tables)
        except ValidationError as error:
            details = error.errors(include_url=False)
            problems += [refusal(detail, tables, cls) for detail in details]
        problems += contradictions(given)
        problems += ids_of_other_kinds(given)
        problems += stray_webhooks(tables)
        problems += unsound_templates(tables)
        if config is None or problems:
            raise ConfigError(tuple(problems))
        return config


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration with the file that it was read from, if any."""

    config: Config
    file: ConfigFile | None
    file_has_secrets: bool = False
    has_store: bool = True
    """Whether it says where the store is, or only sections were read that do not."""

    @property
    def source(self) -> str:
        """Where the configuration comes from, for people."""
        return str(self.file or "the environment alone")


def load_config(
    path: Path | None, environ: Mapping[str, str], *, only: Collection[str] = ()
) -> Config:
    """Read the configuration as `load_with_file` does."""
    return load_with_file(path, environ, only=only).config


def load_with_file(
    path: Path | None, environ: Mapping[str, str], *, only: Collection[str] = ()
) -> Loaded:
    """Read the configuration from the file that `find_config` finds and from `environ`.

    With `only`, just these sections are read and checked; ignore the others of the result.
    Raises ConfigError with every problem at once, each with the location to correct.
    """
    file = find_config(path, environ)
    document, problems = read_document(file) if file else ({}, ())
    config: Config | None = None
    if not problems:
        config, problems = _merged(file, document, environ, only)
    else:
        problems = (*problems, *_from_environment(environ)[2])
    if config is None or problems:
        raise ConfigError(problems, file=file.notice if file else "")
    has_store = not only or "store" in only
    return Loaded(config, file, has_secrets(document), has_store)


def _merged(
    file: ConfigFile | None,
    document: _Tables,
    environ: Mapping[str, str],
    only: Collection[str],
) -> tuple[Config | None, tuple[Problem, ...]]:
    """Return the configuration, where there is one, and what is wrong with it."""
    environment, names, unknown_variables = _from_environment(environ)
    document = _unless_set(document, environment)
    borrowed, borrowed_names = _borrowed(environ, environment, document)
    layers: tuple[_Tables, ...] = (environment, document, borrowed)
    if only:
        layers = (*_only(only, layers), _STAND_INS)
    config, found = _built(layers)
    names |= borrowed_names
    problems = [*unknown_variables, *(_renamed(one, names) for one in found)]
    if file is not None:
        read = {key: table for key, table in document.items() if not only or key in only}
        problems += misdirected(file, read, (environment, borrowed), names)
    if problems and file is None and "watch" not in environment and not only:
        problems.insert(0, NO_FILE)
    return config, tuple(problems)


def _only(sections: Collection[str], layers: Iterable[_Tables]) -> Iterator[_Tables]:
    for layer in layers:
        yield {name: table for name, table in layer.items() if name in sections}


def _built(layers: tuple[_Tables, ...]) -> tuple[Config | None, tuple[Problem, ...]]:
    """Return the configuration, or what is wrong with it."""
    settings: dict[str, Any] = {"layers": layers}
    try:
        return Config(**settings), ()
    except ConfigError as error:
        return None, error.problems


def _variables() -> dict[str, tuple[str, ...]]:
    """Return every variable of ours with the keys that it sets."""
    return {
        _PREFIX + "__".join(keys).upper(): keys
        for section in Config.model_fields
        for keys in (
            [(section,)]
            if section in LISTS
            else [(section, key) for key in known_keys(Config, (section,))]
        )
    }


def _from_environment(
    environ: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, str], tuple[Problem, ...]]:
    """Return what our own variables set, their names by location, and unknown ones."""
    variables = _variables()
    tables: dict[str, Any] = {}
    names: dict[str, str] = {}
    problems = []
    for name, text in environ.items():
        if not name.startswith(_PREFIX) or name == CONFIG_VARIABLE:
            continue
        if name in variables:
            keys = variables[name]
            names[location_of(keys)] = name
            table = tables if len(keys) == 1 else tables.setdefault(keys[0], {})
            table[keys[-1]] = _typed(keys, text)
        elif not _KUBERNETES_VARIABLE.fullmatch(f"{name}={text}"):
            known = (*variables, CONFIG_VARIABLE)
            problems.append(Problem(toml_key(name), unknown("variable", name.upper(), known)))
    return tables, names, tuple(problems)


def _typed(keys: tuple[str, ...], text: str) -> object:
    """Give a variable's text the type that its key has in TOML, where it can have it."""
    field = model_at(Config, keys[:-1]).model_fields[keys[-1]]
    is_json = (
        keys[0] in LISTS
        or field.annotation in {bool, int}
        or get_origin(field.annotation) is Mapping
    )
    try:
        return json.loads(text) if is_json else text
    except ValueError:
        return text


def _borrowed(
    environ: Mapping[str, str], *higher_layers: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what only the variables of other tools set, and their names by location."""
    tables: dict[str, Any] = {}
    for variable, (section, key) in _BORROWED_VARIABLES.items():
        if environ.get(variable):
            tables.setdefault(section, {})[key] = environ[variable]
    for layer in higher_layers:
        tables = _unless_set(tables, layer)
    names = {
        location_of(keys): variable
        for variable, keys in _BORROWED_VARIABLES.items()
        if keys[1] in tables.get(keys[0], {})
    }
    return tables, names


def _unless_set(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer without what a higher one sets.

    Of keys that exclude each other, one overrides all: a token from the environment replaces
    the token's file that the document names.
    """
    kept: dict[str, Any] = {}
    for section, table in lower.items():
        set_above = table_of(higher.get(section))
        hidden = {
            *set_above,
            *(
                key
                for of, alternatives in ALTERNATIVES
                if of == section and keys_set(set_above, alternatives)
                for key in alternatives
            ),
        }
        kept[section] = (
            {key: value for key, value in table.items() if key not in hidden}
            if isinstance(table, dict)
            else table
        )
    return kept


def _renamed(problem: Problem, names: Mapping[str, str]) -> Problem:
    """Name the variables that keys were read from instead of the keys."""

    def rename(text: str) -> str:
        return _LOCATION.sub(lambda location: names.get(location[0], location[0]), text)

    return Problem(rename(problem.location), rename(problem.expected))
