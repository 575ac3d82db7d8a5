"""The files of the configuration: which one is read, what is in it, and the files with secrets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from monitor import files
from monitor.config.mistakes import ALTERNATIVES, ROUTE_DESTINATIONS
from monitor.config.tables import keys_set, location_of, table_of
from monitor.errors import ConfigError, Problem

COMMAND_LINE = "--config"
CONFIG_VARIABLE = "NUON_MONITOR_CONFIG"
_USUAL_FILES = (Path("monitor.toml"), Path("/etc/nuon-monitor/monitor.toml"))

NO_FILE = Problem(
    "",
    f"no configuration file: looked for {' and '.join(map(str, _USUAL_FILES))};"
    " `nuon-monitor init` writes one",
)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The file that is read, and who named it; nobody, if it was only found."""

    path: Path
    named_by: str = ""

    @property
    def may_be_a_strangers(self) -> bool:
        """Whether whoever filled the working directory may have put it there."""
        return not self.named_by and not self.path.is_absolute()

    @property
    def notice(self) -> str:
        """Which file it is, for people; empty where they said so on the command line."""
        return "" if self.named_by == COMMAND_LINE else str(self)

    def __str__(self) -> str:
        if self.may_be_a_strangers:
            return f"./{self.path} of the working directory"
        return f"{self.path}, from {self.named_by}" if self.named_by else str(self.path)


def find_config(path: Path | None, environ: Mapping[str, str]) -> ConfigFile | None:
    """Return the file that is named, else the usual one that exists, else None.

    Raises ConfigError if a file was named that does not exist.
    """
    variable = environ.get(CONFIG_VARIABLE)
    named = ConfigFile(path, COMMAND_LINE) if path is not None else None
    if named is None and variable:
        named = ConfigFile(Path(variable), CONFIG_VARIABLE)
    if named is not None and not _exists(named.path):
        raise ConfigError((Problem(named.named_by, f"there is no file {named.path}"),))
    return named or next((ConfigFile(usual) for usual in _USUAL_FILES if _exists(usual)), None)


def read_document(file: ConfigFile) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Return the file's tables, or what is wrong with it."""
    try:
        found = files.read(file.path, limit=files.DOCUMENT_LIMIT)
        link = files.Access.of(file.path.lstat())
    except OSError as error:
        return {}, (Problem(str(file.path), f"cannot be read: {error.strerror}"),)
    distrust = () if file.named_by else _distrust(file, found.access, link)
    return ({}, distrust) if distrust else _parsed(file.path, found.bytes)


def _distrust(file: ConfigFile, access: files.Access, link: files.Access) -> tuple[Problem, ...]:
    """Say why a file that was only found, by way of a link maybe, is not to be followed."""
    named = f"if you trust it, name it, by --config {file.path} or {CONFIG_VARIABLE}={file.path}"
    for owner in (access, link):
        if not owner.is_ours:
            whose = f"belongs to another user (uid {owner.owner}), who may say in it what they like"
            return (Problem(str(file), f"{whose}: {named}"),)
    if access.others_may_write:
        remedy = f"others may write it (mode {access}): chmod go-w {file.path}; or, {named}"
        return (Problem(str(file), remedy),)
    return ()


def _parsed(file: Path, content: bytes) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    try:
        return tomllib.loads(content.decode("utf-8-sig")), ()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return {}, (Problem(str(file), f"expected UTF-8, found other bytes at line {line}"),)
    except tomllib.TOMLDecodeError as error:
        return {}, (Problem(str(file), f"expected TOML: {error}"),)


def with_secret_files(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the tables with the secrets read from files, and which files could not be read."""
    tables = dict(given)
    problems = []
    for section, alternatives in ALTERNATIVES:
        if section in tables:
            tables[section], found = _with_secrets((section,), tables[section], alternatives)
            problems += found
    routes = tables.get("route")
    if isinstance(routes, list | tuple):
        rows = [
            _with_secrets(("route", i), row, ROUTE_DESTINATIONS) for i, row in enumerate(routes)
        ]
        tables["route"] = [row for row, _ in rows]
        problems += [problem for _, found in rows for problem in found]
    return tables, problems


def _with_secrets(
    keys: tuple[int | str, ...], given: object, alternatives: tuple[str, ...]
) -> tuple[object, list[Problem]]:
    """Return one table with the secrets read from files, and which files could not be read."""
    table = table_of(given)
    present = keys_set(table, alternatives)
    problems = []
    secrets = {}
    for key in present:
        secret_key = key.removesuffix("_file")
        if secret_key in present or not isinstance(table[key], str | Path):
            continue
        try:
            secret = files.read(Path(table[key]), limit=files.SECRET_LIMIT).bytes.decode().strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            problems.append(
                Problem(location_of((*keys, key)), f"cannot read {table[key]}: {reason}")
            )
            continue
        if not secret:
            problems.append(Problem(location_of((*keys, key)), f"{table[key]} is empty"))
            continue
        secrets[secret_key] = SecretStr(secret)
    return ({**table, **secrets} if secrets else given), problems


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # it exists; reading it will say what is wrong
    return True
