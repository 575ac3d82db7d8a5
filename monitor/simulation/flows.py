"""Workflows, as the platform writes them: whole, their steps and their groups.

The shape is that of a deploy's `workflow` in the public document of a release. What the
platform of 2026 adds to it (`owner_name`, `step_groups`, …) is written as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.simulation.answers import (
    Detail,
    Document,
    Mark,
    account,
    composite_status,
    record,
    time_of,
    without,
    without_zeros,
)
from monitor.simulation.cast import related_id
from monitor.simulation.life import Flow, Life, Occurrence, Rollout, Row
from monitor.simulation.relations import Relations

INSTALLS, BRANCHES = "installs", "app_branches"

_ENDS = frozenset({"success", "error", "cancelled"})
_ENDS_OF_ROWS = _ENDS | {
    *("approved", "auto-skipped", "approval-denied", "not-attempted", "discarded"),
}
_NOT_BEGUN = frozenset({"", "pending", "queued", "not-attempted"})
_TITLES = {
    "manual_deploy": ("Deploying to install", "Deployed to install"),
    "deploy_components": ("Deploying all components", "Deployed all components"),
}


def write_flow(
    rollout: Rollout,
    flow: Flow,
    seconds: float,
    *,
    has_steps: bool = True,
    has_additions: bool = True,
) -> Document:
    """Write a workflow as its own endpoint answers, its steps in their promised order.

    `has_additions` are the fields that came after the public documents.
    """
    detail, cast = rollout.scenario.detail, rollout.cast
    life = rollout.marks(flow.life, seconds)
    steps = write_rows(rollout, flow, seconds) if has_steps else []
    if rollout.is_thin:
        steps = [without(row, "policy_validation") for row in steps]
    finished_at = _finished_at(rollout, flow, seconds)
    if detail is Detail.THIN:
        thin = {
            "id": flow.id,
            "owner_id": flow.owner_id,
            "owner_type": flow.owner_type,
            "status": {"status": life[-1].status},
            "finished_at": finished_at,
        }
        return without_zeros(thin) | {"steps": steps or None}
    document = record(cast, flow.id, life[0].at, life[-1].at) | {
        "approval_option": "prompt",
        "created_by": account(cast),
        "execution_time": _nanoseconds(life[0], life[-1]),
        "finished": bool(finished_at),
        "finished_at": finished_at,
        "metadata": _metadata(flow),
        "name": _name(flow, has_ended=bool(finished_at)),
        "owner_id": flow.owner_id,
        "owner_type": flow.owner_type,
        "started_at": time_of(life[0].at),
        "status": composite_status(cast, life),
        "step_error_behavior": "abort",
        "steps": steps,
        "type": flow.type,
    }
    if has_additions:
        groups = write_groups(rollout, flow, seconds) if has_steps else []
        document |= {"owner_name": flow.owner_name, "step_groups": groups}
    if detail is Detail.FAT:
        relations = Relations(cast, flow.id, life, flow.owner_id)
        document |= {} if rollout.is_thin else relations.of_a_workflow()
        document |= {
            "created_by": relations.account(),
            "links": {"ui": f"/{cast.org_id}/installs/{flow.owner_id}"},
            "status": {"history": [], "metadata": {"step_idx": 1}} | document["status"],
        }
    document = without_zeros(document, unless=detail is Detail.FAT)
    # The one zero value that is never left out.
    return document | {"plan_only": rollout.scenario.is_preview}


CUSTOMERS_VALUE = "s3cret-of-a-customer"
"""What a customer entrusted to the platform, which has it in clear among a workflow's metadata."""


def _metadata(flow: Flow) -> Document:
    """Write a workflow's metadata: a flat map of texts."""
    metadata: Document = {"owner_name": flow.owner_name, "workflow-name-suffix": flow.subject}
    if flow.owner_type == INSTALLS:
        metadata |= {
            "install_id": flow.owner_id,
            "RUNENV_LICENCE_KEY": CUSTOMERS_VALUE,
            "changed_input_values": f'{{"licence_key":"{CUSTOMERS_VALUE}"}}',
        }
    return metadata | dict(flow.metadata)


def write_rows(rollout: Rollout, flow: Flow, seconds: float) -> list[Document]:
    """Write the rows of a workflow's steps that are there, in their promised order."""
    missing = rollout.missing_at(seconds)
    there = [r for r in flow.rows if r.life[0].at <= seconds and r.id not in missing]
    there.sort(key=lambda row: (row.group, row.index, row.life[0].at))
    rows = [write_row(rollout, flow, row, seconds) for row in there]
    if rollout.scenario.has_idless_step:
        rows.append({"name": "notify", "status": {"status": "success"}, "execution_type": "system"})
    return rows


def write_row(rollout: Rollout, flow: Flow, row: Row, seconds: float) -> Document:
    """Write one row of a workflow's steps."""
    cast, detail = rollout.cast, rollout.scenario.detail
    life = rollout.marks(row.life, seconds)
    now = life[-1]
    if detail is Detail.THIN:
        thin = {
            "id": row.id,
            "name": row.name,
            "status": {"status": now.status},
            "idx": row.index,
            "group_idx": row.group,
        }
        return without_zeros(thin)
    has_begun = any(mark.status not in _NOT_BEGUN for mark in life)
    has_ended = now.status in _ENDS_OF_ROWS
    document = record(cast, row.id, life[0].at, now.at) | {
        "approval": write_approval(rollout, row, seconds),
        "created_by": account(cast),
        "execution_time": _nanoseconds(life[0], now),
        "execution_type": row.execution_type,
        "finished": has_ended,
        "finished_at": time_of(now.at) if has_ended else "",
        "group_idx": row.group,
        "idx": row.index,
        "install_workflow_id": flow.id,
        "name": row.name,
        "owner_id": flow.owner_id,
        "owner_type": flow.owner_type,
        "retried": now.status == "discarded",
        "retryable": True,
        "skippable": True,
        "started_at": time_of(life[0].at) if has_begun else "",
        "status": composite_status(cast, life),
        "step_target_id": row.target_id if has_begun else "",
        "step_target_type": row.target_type if has_begun else "",
        "workflow_id": flow.id,
    }
    if detail is Detail.FAT:
        relations = Relations(cast, row.id, life, flow.owner_id)
        document["status"] = {"history": [], "metadata": {"step_idx": 1}} | document["status"]
        document |= {
            "created_by": relations.account(),
            "links": {"ui": f"/{cast.org_id}/installs/{flow.owner_id}"},
            "metadata": {"component": cast.component_name},
            "policy_validation": relations.policy_validation(),
            "approval": relations.approval() | (document["approval"] or {"response": {}}),
        }
    elif row.approval and document["approval"]:
        document["policy_validation"] = _write_policy(rollout, flow, row, life)
    return without_zeros(document, unless=detail is Detail.FAT) | {"group_retry_idx": 0}


def _write_policy(rollout: Rollout, flow: Flow, row: Row, life: Sequence[Mark]) -> Document:
    """Write what the policies said of a plan."""
    policy = Relations(rollout.cast, row.id, life, flow.owner_id).policy_validation()
    return policy | {"install_workflow_step_id": row.id}


def write_approval(rollout: Rollout, row: Row, seconds: float) -> Document | None:
    """Write the approval that a step asks for; None before there is one.

    It is there while its plan is still being checked, and stays without a response where
    its step came to another end.
    """
    life = [o for o in row.life if o.at <= seconds]
    asked = next((o for o in life if o.status in _ASKING), None)
    if not row.approval or asked is None:
        return None
    document = record(rollout.cast, related_id("iwa", row.id), rollout.moment(asked.at)) | {
        "installWorkflowStepID": row.id,
        "owner_id": row.target_id,
        "owner_type": row.target_type,
        "runner_job_id": related_id("job", row.target_id),
        "type": row.approval,
        "workflow_step_id": row.id,
    }
    response = _response([o.status for o in life if o.at >= asked.at])
    if response:
        document["response"] = _write_response(rollout, row, response, asked.at)
    return document


_ASKING = frozenset({"checking-plan", "approval-awaiting"})
_GOES_ON = frozenset({"approved", "in-progress", "success"})


_NOTES = {"approve": "the plan looks right", "deny": "not during the sale"}


def _write_response(rollout: Rollout, row: Row, response: str, since: float) -> Document:
    """Write who answered an approval, with their note: nobody where it needed no person."""
    at = next(o.at for o in row.life if o.at >= since and o.status not in _ASKING)
    document = record(rollout.cast, related_id("iwr", row.id), rollout.moment(at)) | {
        "install_workflow_step_approval_id": related_id("iwa", row.id),
        "note": _NOTES.get(response, ""),
        "type": response,
    }
    return document | ({"created_by": account(rollout.cast)} if response in _NOTES else {})


def _response(words: list[str]) -> str:
    if "approval-denied" in words:
        return "deny"
    if _GOES_ON.isdisjoint(words):
        return ""
    return "approve" if "approval-awaiting" in words else "auto-approve"


def write_groups(rollout: Rollout, flow: Flow, seconds: float) -> list[Document]:
    """Write the groups of a workflow's steps, without their steps."""
    missing = rollout.missing_at(seconds)
    return [
        _group(rollout, flow, index, seconds)
        for index, group in enumerate(flow.groups)
        if group.life[0].at <= seconds and group.id not in missing
    ]


def _group(rollout: Rollout, flow: Flow, index: int, seconds: float) -> Document:
    group = flow.groups[index]
    life = rollout.marks(group.life, seconds)
    if rollout.scenario.detail is Detail.THIN:
        thin = {"id": group.id, "group_idx": index, "status": {"status": life[-1].status}}
        return without_zeros(thin)
    document = record(rollout.cast, group.id, life[0].at, life[-1].at) | {
        "workflow_id": flow.id,
        "group_idx": index,
        "name": group.name,
        "parallel": True,
        "status": composite_status(rollout.cast, life),
    }
    return without_zeros(document)


def _finished_at(rollout: Rollout, flow: Flow, seconds: float) -> str:
    """Return when it ended: written a little before the status that says how."""
    *_, last = (o for o in flow.life if o.at <= seconds)
    later = next((o for o in flow.life if o.at > seconds), None)
    return time_of(rollout.moment(last.at)) if _has_ended(last, later) else ""


def _has_ended(last: Occurrence, later: Occurrence | None) -> bool:
    if last.status == "success" and later is not None and later.status in _ENDS:
        return True
    is_final = later is None or later.status == "retrying"
    return is_final and (_is_end(last) or "retries_exhausted" in last.metadata)


def _is_end(occurrence: Occurrence) -> bool:
    return occurrence.status in _ENDS and not occurrence.description.startswith(_BETWEEN)


_BETWEEN = "finished executing step"


def with_pauses(life: Life, groups: Sequence[Life]) -> Life:
    """Return a workflow's life as older servers write it: a success after every step.

    Such a `success` is no end: another `in-progress` follows, and `finished_at` is not set.
    """
    made = list(life)
    for number, group in enumerate(groups, start=1):
        for o in group:
            if o.status == "in-progress" and not _is_repeated(group, o):
                words = "in-progress", f"executing step {number}"
            elif o.status == "success":
                words = "success", f"{_BETWEEN} {number}"
            else:
                continue
            made.append(replace(life[0], at=o.at, status=words[0], description=words[1]))
    return tuple(sorted(made, key=lambda o: o.at))


def _is_repeated(life: Life, occurrence: Occurrence) -> bool:
    index = life.index(occurrence)
    return index > 0 and life[index - 1].status == occurrence.status


def _nanoseconds(begun: Mark, ended: Mark) -> int:
    return int((ended.at - begun.at).total_seconds() * 1e9)


def _name(flow: Flow, *, has_ended: bool) -> str:
    """Return a name as the platform derives it: another one once it has ended, or none."""
    before, after = _TITLES.get(flow.type, ("", ""))
    return f"{after if has_ended else before} ({flow.subject})".strip()
