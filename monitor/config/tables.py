"""The configuration before it is checked: tables of keys, and the names of their locations."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from monitor.config.checks import shown
from monitor.config.sections import LISTS


def is_table(given: object) -> bool:
    """Whether something is a section, as it is written or as a value made of it."""
    return isinstance(given, dict | BaseModel)


def table_of(given: object) -> dict[str, Any]:
    """Return the keys that were set in a section; none for anything else."""
    if not isinstance(given, BaseModel):
        return dict(given) if isinstance(given, dict) else {}
    return {
        field.alias or name: getattr(given, name)
        for name, field in type(given).model_fields.items()
        if name in given.model_fields_set
    }


def tables_in(given: Mapping[str, Any], name: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the tables of a list such as [[watch]], by location; skips anything else."""
    rows = given.get(name, ())
    if not isinstance(rows, list | tuple):
        return {}
    return {(name, index): table_of(row) for index, row in enumerate(rows) if is_table(row)}


def keys_set(table: Mapping[str, Any], keys: Iterable[str]) -> tuple[str, ...]:
    """Return those of the keys that the table sets."""
    return tuple(key for key in keys if table.get(key) is not None)


def location_of(keys: tuple[int | str, ...]) -> str:
    """Write a location as people find it in the file: `poll.interval`, `[[watch]] #2 interval`."""
    match keys:
        case (str(section),):
            return f"[[{section}]]" if section in LISTS else f"[{section}]"
        case (str(section), int(index), *rest) if section in LISTS:
            return " ".join((f"[[{section}]] #{index + 1}", *filter(None, [_path(rest)])))
        case _:
            return _path(keys)


def _path(keys: Iterable[int | str]) -> str:
    parts = [f" #{key + 1}" if isinstance(key, int) else f".{toml_key(key)}" for key in keys]
    return "".join(parts).lstrip(".")


def model_at(root: type[BaseModel], keys: Iterable[int | str]) -> type[BaseModel]:
    """Return the model whose keys belong at a location."""
    model = root
    for key in keys:
        if isinstance(key, str):
            annotation = model.model_fields[key].annotation
            parts = (annotation, *get_args(annotation))
            (model,) = (p for p in parts if isinstance(p, type) and issubclass(p, BaseModel))
    return model


def known_keys(root: type[BaseModel], keys: Iterable[int | str]) -> tuple[str, ...]:
    """Return the keys that can be set at a location, as they are written."""
    fields = model_at(root, keys).model_fields
    return tuple(field.alias or name for name, field in fields.items())


def toml_key(key: str) -> str:
    """Write a key as TOML would: quoted and escaped unless it is a plain one."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else shown(key)


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """Say that a name is not known, and which one may be meant."""
    nearest = difflib.get_close_matches(name, known, n=1)
    if nearest:
        return f"unknown {what}; did you mean {nearest[0]}?"
    return f"unknown {what}; known are {', '.join(known)}"
