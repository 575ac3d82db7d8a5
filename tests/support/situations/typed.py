"""Situations, typed as a person would: what each needs of a configuration and a command line."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from monitor.config import DAYS, format_duration
from monitor.decide.routing import Rule
from monitor.decide.windows import Once, Window
from monitor.model import Level, Named, Subject


def toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def watch_of(subject: Subject) -> str:
    labels = ", ".join(f"{name} = {toml(value)}" for name, value in subject.labels.items())
    name = f"name = {toml(subject.watch.name)}" if subject.watch.name else ""
    return f'[[watch]]\napp = "{subject.watch.id}"\n{name}\nlabels = {{ {labels} }}'


def route_of(rule: Rule) -> str:
    patterns = rule.matcher.patterns.items()
    match = "\n".join(f"match.{key} = {toml(list(values))}" for key, values in patterns)
    destination = (
        "drop = true" if rule.destination is None else f"channel = {toml(rule.destination)}"
    )
    lines = [
        "[[route]]",
        destination,
        match,
        f"name = {toml(rule.name)}" if rule.name else "",
        f"events = {toml([str(event) for event in rule.events])}",
        f"mention = {toml([str(m.id or m.kind) for m in rule.mentions])}",
        f"lasting = {toml(format_duration(rule.lasting))}" if rule.lasting else "",
    ]
    if rule.destination is not None:
        lines += [
            f"continue = {toml(rule.continues)}",
            f"min_failed = {rule.min_failed}",
        ]
    return "\n".join(lines)


def quiet_of(window: Window) -> str:
    when = window.when
    if isinstance(when, Once):
        span = f"from = {when.begins.isoformat()}\nto = {when.ends.isoformat()}"
    else:
        days = toml([DAYS[day] for day in sorted(when.days)])
        span = f'from = "{when.begins:%H:%M}"\nto = "{when.ends:%H:%M}"\ndays = {days}'
    return "\n".join(
        (
            "[[quiet]]",
            span,
            f"name = {toml(window.name)}" if window.name else "",
            f"zone = {toml(when.zone.key)}",
            f"then = {toml(str(window.then))}",
            f"routes = {toml(list(window.routes))}",
            f"events = {toml([str(event) for event in window.events])}",
        )
    )


def typed(subject: Subject, at: datetime) -> list[str]:
    """Return the arguments that say what a subject is."""
    arguments = ["--event", str(subject.event), "--at", at.isoformat()]
    arguments += ["--level", "rollout" if subject.level is Level.ROLLOUT else "part"]
    for key in ("app", "component", "install"):
        named: Named = getattr(subject, key)
        if named.id or named.name:
            arguments += [f"--{key}", named.id]
    arguments += ["--watch", subject.watch.name or subject.watch.id]
    arguments += [x for kind in (subject.kind, subject.part_kind) if kind for x in ("--kind", kind)]
    if subject.name:
        arguments += ["--name", subject.name]
    if subject.started_by:
        arguments += ["--started-by", subject.started_by]
    if subject.age:
        arguments += ["--lasting", format_duration(subject.age)]
    if subject.notified_destinations is not None:
        arguments += [
            x
            for destination in subject.notified_destinations or ("",)
            for x in ("--notified-in", destination)
        ]
    return [*arguments, "--failed", str(subject.failed)]


def outcome_of(page: dict[str, Any]) -> list[str]:
    """Write what JSON says as the table of situations does."""

    def where(one: dict[str, Any]) -> str:
        return " ".join((one["destination"], *one["mentions"]))

    def until(one: dict[str, Any], form: str) -> str:
        return f"{datetime.fromisoformat(one['until']):{form}}"

    lines = [where(one) for one in page["notified"]]
    for one in page["held"]:
        verb = "held" if one["then"] == "summary" else "dropped"
        lines.append(f"{verb} {where(one)} until {until(one, '%Y-%m-%d %H:%M')}")
    for one in page["waiting"]:
        due = f" until {until(one, '%H:%M')}" if one["until"] else ""
        needed = f" for {one['needs_failed']} failed" if one["needs_failed"] else ""
        lines.append(f"waits {where(one)}{due}{needed}")
    return lines + ["silenced"] * (page["silence"] is not None)
