"""Where what is queued goes when its destination is no longer in the configuration."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitor.deliver.relocation import successor

WATCH = "watch rel1"
Entries = Mapping[str, tuple[str, ...]]

CASES: Mapping[str, tuple[Entries, Entries, str, str | None]] = {
    "its watch has another channel": (
        {WATCH: ("#old",)},
        {WATCH: ("#new",)},
        WATCH,
        "#new",
    ),
    "its watch leads to two, one of them new": (
        {WATCH: ("#old", "#kept")},
        {WATCH: ("#kept", "#new")},
        WATCH,
        "#new",
    ),
    "its watch leads to one of the two that it led to": (
        {WATCH: ("#old", "#kept")},
        {WATCH: ("#kept",)},
        WATCH,
        "#kept",
    ),
    "a route has another channel, its watch has not": (
        {"route ops": ("#old",), WATCH: ("#releases",)},
        {"route ops": ("#new",), WATCH: ("#releases",)},
        WATCH,
        "#new",
    ),
    "its watch and a route led there": (
        {"route ops": ("#old",), WATCH: ("#old",)},
        {"route ops": ("#ops",), WATCH: ("#new",)},
        WATCH,
        "#new",
    ),
    "it is about no watch, and watches and a digest led there": (
        {"digest 1 of 1": ("#old",), WATCH: ("#old",)},
        {"digest 1 of 1": ("#management",), WATCH: ("#new",)},
        "",
        "#new",
    ),
    "a digest has another channel": (
        {"digest 1 of 1": ("#old",), WATCH: ("#releases",)},
        {"digest 1 of 1": ("#new",), WATCH: ("#releases",)},
        "",
        "#new",
    ),
    "its watch was elsewhere, and one with a longer id led there": (
        {"watch rel12": ("#old",), WATCH: ("#releases",), "route ops": ("#old",)},
        {"watch rel12": ("#twelve",), WATCH: ("#releases",), "route ops": ("#new",)},
        WATCH,
        "#new",
    ),
    "the route that led there is gone": (
        {"route ops": ("#old",), WATCH: ("#releases",)},
        {WATCH: ("#releases",)},
        WATCH,
        None,
    ),
    "its watch is gone": ({WATCH: ("#old",)}, {"watch rel2": ("#new",)}, "", None),
    "nothing is known of an earlier configuration": ({}, {WATCH: ("#new",)}, WATCH, "#new"),
    "nothing is known at all": ({}, {WATCH: ("#new",)}, "", None),
}


@pytest.mark.parametrize(("earlier", "now", "watch", "goes_to"), CASES.values(), ids=CASES)
def test_it_goes_where_its_watch_or_its_route_leads_now(
    earlier: Entries, now: Entries, watch: str, goes_to: str | None
) -> None:
    assert successor("#old", earlier, now, watch) == goes_to
