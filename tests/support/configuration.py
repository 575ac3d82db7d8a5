"""The configuration of the tests: one template, of which each test says only what is its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping

_USUAL: Mapping[str, Mapping[str, object]] = {
    # Port 9 discards what is sent there: nobody answers.
    "nuon": {"api_url": "http://127.0.0.1:9", "org_id": "org1", "api_token": "a-s3cret-token"},
    "slack": {"bot_token": "xoxb-s3cret", "channel": "#releases"},
    "store": {"url": "sqlite:///nuon-monitor.db"},
    "http": {"listen": ""},
}


def configuration(*tables: str, **sections: Mapping[str, object]) -> str:
    """Return a configuration as TOML: the usual one with a section's own keys, then more tables.

    A key with the value None is left out, whatever is usual.
    """
    names = dict.fromkeys((*_USUAL, *sections))
    return "\n".join(
        (*(_section(name, _USUAL.get(name, {}), sections.get(name, {})) for name in names), *tables)
    )


def keys(text: str) -> Mapping[str, object]:
    """Return keys that were written as TOML."""
    return tomllib.loads(text)


def _section(name: str, usual: Mapping[str, object], own: Mapping[str, object]) -> str:
    # Texts, numbers, booleans and lists are written in JSON as in TOML.
    lines = (f"{k} = {json.dumps(v)}" for k, v in {**usual, **own}.items() if v is not None)
    return "\n".join((f"[{name}]", *lines, ""))
