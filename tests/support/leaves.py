"""Each field of the two documents that says how something fares, alone in a thin answer.

Such a field is known by its name. What the documents leave empty, as `{}` or `"<any>"`, although
it has a status, is filled in; so is what a status record and an approval's response hold (the
platform's public source, December 2025). Times are no such fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Row = dict[str, Any]

WORD = "a-word-of-its-own"

_SPEAKING = frozenset(
    {
        *("status", "state", "health", "healthy", "reason", "open", "finished", "failed"),
        *("error", "retry", "retried", "retryable", "skippable", "skipped"),
        *("approval", "response", "note", "answer"),
    }
)
"""Words of a field's name, of which any makes it one that says how something fares."""
_SPEAKING_NAMES = ("execution_count", "response.type")

_RECORD = {
    "status": "<string>",
    "status_human_description": "<string>",
    "metadata": {"err_message": "<string>"},
    "history": [{"status": "<string>", "status_human_description": "<string>"}],
}
_STATED = {"id": "<string>", "status": "<string>", "status_description": "<string>"}
_RESPONSE = {"type": "<string>", "note": "<string>"}
_ELIDED: dict[str, Row] = {
    "status_v2": _RECORD,
    "response": _RESPONSE,
    "approval": {"id": "<string>", "response": _RESPONSE},
    "policy_validation": {"id": "<string>", "status": "<string>", "response": "<string>"},
    "log_stream": {"open": True},
    **dict.fromkeys(("workflow_step", "installWorkflowStep"), _STATED),
    **dict.fromkeys(("executions", "runner_job", "runner_jobs", "steps"), _STATED),
    **dict.fromkeys(("action_workflow", "action_workflow_runs", "runs", "releases"), _STATED),
    **dict.fromkeys(("workflow", "install_action_workflow_runs", "install_deploys"), _STATED),
    "install_sandbox_runs": _STATED,
}
"""What stands in a field that a document leaves empty."""


class Leaf(NamedTuple):
    """A field, by its path, such as `release_steps[].status`, and what it holds in the document."""

    path: str
    value: Any

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


def leaves(document: Row) -> dict[str, Leaf]:
    """Return all fields of a document that say how something fares, by their paths."""
    found = (leaf for leaf in _walk(_filled(document, ""), "") if _speaks(leaf.path))
    return {leaf.path: leaf for leaf in found}


def thin(leaf: Leaf, root: Row) -> Iterator[tuple[Row, Row]]:
    """Yield answers without and with what one field says; several pairs where it depends.

    `root` is what no answer goes without. Beside the field stands what gives it a meaning: a
    description has a status, a remedy something that failed.
    """
    for holder, before, after in _pairs(leaf):
        yield _nested(holder, before, root), _nested(holder, after, root)


def _pairs(leaf: Leaf) -> Iterator[tuple[str, Row, Row]]:
    """Yield the path of the object that has the field, and what it holds before and after."""
    holder, _, name = leaf.path.rpartition(".")
    record, _, part = holder.rpartition(".")
    if part == "metadata":
        yield record, {"status": "queued"}, {"status": "error", part: {name: WORD}}
    elif part == "history[]":
        queued = {"status": "queued", "created_at_ts": 1_764_590_400}
        passed = {"status": "executing", "created_at_ts": 1_764_590_401} | {name: WORD}
        yield record, {"status": "queued"}, {"status": "error", "history": [queued, passed]}
    elif name == "status":
        yield holder, {"status": "queued"}, {"status": WORD}
    elif "description" in name:
        yield holder, {"status": "queued"}, {"status": "error", name: WORD}
    elif name == "note":
        yield holder, {}, {"type": "approve", name: WORD}
    elif isinstance(leaf.value, str):
        yield holder, {}, {name: WORD}
    else:
        # What can be done, or was, means something once it failed; an end, once it went well.
        for status in ("error", "success"):
            beside = {"status": {"status": status}, "retryable": True}
            was, is_now = (False, True) if leaf.value is True else (0, 7)
            yield holder, beside | {name: was}, beside | {name: is_now}


def _nested(holder: str, held: Row, root: Row) -> Row:
    """Return an answer that has nothing but one object at a path, and ids on the way there."""
    answer = dict(root)
    here = answer
    for number, segment in enumerate(filter(None, holder.split("."))):
        below: Row = {"id": f"id{number}"}
        name = segment.removesuffix("[]")
        here[name] = below if name == segment else [below]
        here = below
    here.update(held)
    return answer


def _speaks(path: str) -> bool:
    name = path.rpartition(".")[2]
    if path.endswith(_SPEAKING_NAMES) or name == "err_message":
        return True
    words = re.findall("[a-z]+", name)
    return not name.endswith("_at") and not _SPEAKING.isdisjoint(words)


def _walk(value: Any, path: str) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _walk(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for below in value[:1]:
            yield from _walk(below, f"{path}[]")
    else:
        yield Leaf(path, value)


def _filled(value: Any, path: str) -> Any:
    """Return a document with what it leaves empty."""
    name = path.rpartition(".")[2].removesuffix("[]")
    if isinstance(value, list):
        return [_filled(below, f"{path}[]") for below in value]
    if isinstance(value, dict) and "status_human_description" in value:
        return _RECORD
    if value in ({}, "<any>"):
        return _elided(name, path, value)
    if not isinstance(value, dict):
        return value
    return {key: _filled(below, f"{path}.{key}" if path else key) for key, below in value.items()}


def _elided(name: str, path: str, value: Any) -> Any:
    if name == "status":
        return _RECORD if value == {} else value
    if path.endswith("policy_validation.response"):
        return value  # the policy engine's own text, and nobody's answer
    if path.endswith("[]") or not name.endswith("s"):
        return _ELIDED.get(name, value)
    # What an action's config has as its steps says what is to be done, and not how it fares.
    return [_ELIDED[name]] if name in _ELIDED and name != "steps" else value
