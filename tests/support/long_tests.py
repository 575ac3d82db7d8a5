"""Which tests run at their full length: with `NUON_MONITOR_LONG_TESTS=1`, as in `.ci/full`.

Without it a long test is a smoke of itself: fewer seeds, scenarios, days or documents.
"""

from __future__ import annotations

import os

import pytest

IS_LONG = os.environ.get("NUON_MONITOR_LONG_TESTS") == "1"
LONG_DEADLINE_SECONDS = 3600

long_only = pytest.mark.skipif(not IS_LONG, reason="takes minutes: set NUON_MONITOR_LONG_TESTS=1")
