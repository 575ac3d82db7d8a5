"""Events, and what routes, thresholds, windows and silences make of each, in plain words."""

from __future__ import annotations

from tests.support.situations.parts import Situation
from tests.support.situations.routes import ROUTE_SITUATIONS
from tests.support.situations.times import TIME_SITUATIONS

__all__ = ["SITUATIONS", "Situation"]

SITUATIONS: dict[str, Situation] = ROUTE_SITUATIONS | TIME_SITUATIONS
