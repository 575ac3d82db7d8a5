"""The alarms that the documents propose are about metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.metrics import Metrics

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_metric_that_an_alarm_is_about_exists() -> None:
    named = set(re.findall(r"nuon_monitor_\w+", DOCUMENT.read_text()))
    collected = Metrics().registry.collect()
    exported = {f"{one.name}_total" if one.type == "counter" else one.name for one in collected}

    assert named
    assert named <= exported
