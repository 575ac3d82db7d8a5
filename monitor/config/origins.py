"""Where a secret may go, by where it came from.

The file `./monitor.toml` that nobody named may be a stranger's: it came with a checkout, or lay
in a directory that others use. What it says is followed all the same, but it does not lead a
secret away that is not its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.config.files import CONFIG_VARIABLE, ConfigFile
from monitor.config.tables import keys_set, location_of, table_of, tables_in
from monitor.errors import Problem

SENT_TO: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("nuon", "api_token"): ("api_url", "proxy", "ca_file"),
    ("slack", "bot_token"): ("api_url",),
    # Addresses that are secrets lead to the host that they name themselves.
    ("nuon", "proxy"): (),
    ("slack", "webhook_url"): (),
    ("heartbeat", "url"): (),
    ("heartbeat", "fail_url"): (),
    ("route", "webhook_url"): (),
}
"""Every secret key, by section, with the keys of its section that say who gets to see it."""

_Tables = Mapping[str, Any]


def has_secrets(document: _Tables) -> bool:
    """Whether a document holds a secret itself; a proxy is one only with a password."""
    return any(
        key != "proxy" or "@" in str(table[key])
        for section, key in SENT_TO
        for table in (table_of(document.get(section)), *tables_in(document, section).values())
        if table.get(key) is not None
    )


def misdirected(
    file: ConfigFile, document: _Tables, variables: Sequence[_Tables], names: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield each secret that a file found in the working directory would send where it says.

    `variables` are the layers that the environment sets, `names` has the variable of each
    location in them. The document is without what the environment overrides.
    """
    if not file.may_be_a_strangers:
        return
    for (section, secret), keys in SENT_TO.items():
        table = table_of(document.get(section))
        ways = keys_set(table, keys)
        source = _source(section, secret, table, variables, names) if ways else ""
        for key in ways if source else ():
            yield Problem(
                location_of((section, key)),
                f"{file} says so, which nobody has named, and {source} would go there:"
                f" if you trust that file, name it, by --config {file.path}"
                f" or {CONFIG_VARIABLE}={file.path}",
            )


def _source(
    section: str,
    secret: str,
    table: _Tables,
    variables: Sequence[_Tables],
    names: Mapping[str, str],
) -> str:
    """Return where a secret comes from, empty if that is the document itself."""
    file_key = f"{secret}_file"
    for layer in variables:
        for key in keys_set(table_of(layer.get(section)), (secret, file_key)):
            return f"{names[location_of((section, key))]} of the environment"
    path = table.get(file_key)
    # A file beside the document came with it; one elsewhere is somebody's own. A link that came
    # with the document may lead there as well.
    if isinstance(path, str) and not Path(path).resolve().is_relative_to(Path.cwd().resolve()):
        return f"the secret in {path}"
    return ""
