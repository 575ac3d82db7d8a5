"""Names are made of the words that `docs/glossary.md` has, and of none that it rules out."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from monitor.config import Config
from monitor.metrics import Metrics
from monitor.model import EventKind
from monitor.store.tables import metadata

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def rows_below(heading: str, document: Path) -> Iterator[list[str]]:
    """Yield the rows of the table below a heading, each as its cells."""
    _, _, section = document.read_text("utf-8").partition(f"\n{heading}\n")
    for line in section.partition("\n## ")[0].splitlines():
        if line.startswith("| ") and not line.startswith(("| out", "| ---", "| field")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


OUT = {
    word.strip(): (instead, frozenset(re.findall(r"`(\w+)`", exceptions)))
    for words, instead, exceptions in rows_below("## Words that are out", GLOSSARY)
    for word in words.split(",")
}


def offence(name: str) -> str:
    """Return what is wrong with a name; empty for nothing."""
    for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name):
        instead, exceptions = OUT.get(word.lower(), ("", frozenset()))
        if instead and name not in exceptions:
            return f"{name}: not {word.lower()!r} but {instead}"
    return ""


def offences(names: Iterable[str]) -> list[str]:
    return sorted({found for name in names if (found := offence(name))})


def sources() -> list[Path]:
    return sorted([*(ROOT / "monitor").rglob("*.py"), *(ROOT / "tests" / "support").rglob("*.py")])


def identifiers(file: Path) -> Iterator[str]:
    yield from file.relative_to(ROOT).with_suffix("").parts
    with tokenize.open(file) as source:
        for token in tokenize.generate_tokens(io.StringIO(source.read()).readline):
            if token.type == tokenize.NAME:
                yield token.string


def logged(tree: ast.Module) -> Iterator[str]:
    """Yield the names of the log events of a module, and those of their fields."""
    for call in ast.walk(tree):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                args=[event],
                keywords=fields,
            ) if level in LOG_LEVELS:
                yield from (field.arg or "" for field in fields)
                if isinstance(event, ast.Constant):
                    yield str(event.value)


def json_fields() -> Iterator[str]:
    """Yield the fields that the document promises and the keys that the commands write."""
    text = (ROOT / "docs" / "json.md").read_text("utf-8")
    yield from re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    for file in (ROOT / "monitor" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Dict):
                keys = (key for key in node.keys if isinstance(key, ast.Constant))
                yield from (str(key.value) for key in keys)


def configuration_keys(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            properties = schema.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            for value in schema.values():
                yield from configuration_keys(value)
        case list():
            for value in schema:
                yield from configuration_keys(value)


def metric_names() -> Iterator[str]:
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            yield metric._name
            yield from metric._labelnames


def column_names() -> Iterator[str]:
    for table in metadata.sorted_tables:
        yield table.name
        yield from (column.name for column in table.columns)
        yield from (str(index.name) for index in table.indexes)


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_identifiers_are_made_of_the_words_of_the_glossary(file: Path) -> None:
    assert offences(identifiers(file)) == []


def test_log_events_and_their_fields_are_made_of_the_words_of_the_glossary() -> None:
    names = {name for file in sources() for name in logged(ast.parse(file.read_text("utf-8")))}

    assert {"poll_failed", "target"} <= names
    assert offences(names) == []


def test_fields_of_json_are_made_of_the_words_of_the_glossary() -> None:
    names = set(json_fields())

    assert {"watches[].title", "notified"} <= names
    assert offences(names) == []


def test_keys_of_the_configuration_are_made_of_the_words_of_the_glossary() -> None:
    names = set(configuration_keys(Config.model_json_schema()))

    assert {"watch", "settled_interval"} <= names
    assert offences(names) == []


def test_metrics_and_their_labels_are_made_of_the_words_of_the_glossary() -> None:
    names = set(metric_names())

    assert {"nuon_monitor_polls", "outcome"} <= names
    assert offences(names) == []


def test_events_are_made_of_the_words_of_the_glossary() -> None:
    assert offences(EventKind) == []


def test_tables_and_columns_are_made_of_the_words_of_the_glossary() -> None:
    names = set(column_names())

    assert {"notification", "alert_key"} <= names
    assert offences(names) == []


@pytest.mark.parametrize(
    "name", ["sink_refuses", "is_told", "TOLD", "ToldOnce", "not_told[].since", "blind"]
)
def test_a_word_that_is_out_is_found_wherever_it_stands_in_a_name(name: str) -> None:
    assert offence(name)


@pytest.mark.parametrize("name", ["MemoryError", "goner", "destination_refuses", "toldo"])
def test_other_words_are_no_offence(name: str) -> None:
    assert not offence(name)
