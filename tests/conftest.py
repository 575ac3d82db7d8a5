"""What holds for every test: no log output but what a test asks for."""

from __future__ import annotations

import structlog

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
