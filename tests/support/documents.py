"""The platform's two public documents, as the contract that served answers are held against.

The samples are the example answers of the documents, unaltered: `"<string>"`, `123`, `true`
stand for a type, a word for a closed set, `{}` for an object of any content and `"<any>"`
for any value at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SAMPLES = Path(__file__).parent.parent / "samples"
_ANYTHING = "<any>"


def release() -> dict[str, Any]:
    """Return the documented answer of `GET /v1/releases/{release_id}`."""
    document: dict[str, Any] = _sample("get-a-release")
    return document


def served_release() -> dict[str, Any]:
    """Return the same with the build that servers have beside it, of which no document knows."""
    document = release()
    deploy = document["release_steps"][0]["install_deploys"][0]
    return document | {"build": deploy["component_build"]}


def documented_deploy() -> dict[str, Any]:
    """Return an install deploy as the same document has it below a step."""
    deploy: dict[str, Any] = release()["release_steps"][0]["install_deploys"][0]
    return deploy


def installer() -> dict[str, Any]:
    """Return the documented answer of `GET /v1/installers/{installer_id}`."""
    document: dict[str, Any] = _sample("get-an-installer")
    return document


def thin(name: str) -> Any:
    """Return an answer as the servers really give it: a release, its deploy elsewhere, and so on.

    Small, made by hand after the platform's public source of December 2025 and later.
    """
    return _sample(f"thin/{name}")


def contradictions(served: Any, documented: Any, path: str = "$") -> Iterator[str]:
    """Yield what an answer has that its document does not, or has of another type.

    Null is never a contradiction: any field can be null.
    """
    if documented == _ANYTHING or served is None:
        return
    if _type_of(served) != _type_of(documented):
        yield f"{path}: {_type_of(served)} instead of {_type_of(documented)}"
    elif isinstance(documented, dict) and documented:
        for key, value in served.items():
            if key in documented:
                yield from contradictions(value, documented[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: not in the document"
    elif isinstance(documented, list):
        for row in served:
            yield from contradictions(row, documented[0], f"{path}[]")


def omissions(served: Any, documented: Any, path: str = "$") -> Iterator[str]:
    """Yield the documented fields that an answer does not have; lists by their first row."""
    if documented == _ANYTHING:
        return
    if isinstance(documented, dict):
        for key, value in documented.items():
            if key in served:
                yield from omissions(served[key], value, f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(documented, list):
        if served:
            yield from omissions(served[0], documented[0], f"{path}[]")
        else:
            yield f"{path}[]"


def _sample(name: str) -> Any:
    return json.loads((_SAMPLES / f"{name}.json").read_bytes())


def _type_of(value: Any) -> str:
    # The documents write every number as 123: integers, all of them.
    names = {dict: "object", list: "list", str: "string", bool: "boolean", int: "integer"}
    return names.get(type(value), type(value).__name__)
