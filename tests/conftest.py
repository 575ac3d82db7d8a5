"""What holds for every test: nobody may say a secret, and children start with default signals."""

import os

from tests.support.long_tests import IS_LONG, LONG_DEADLINE_SECONDS
from tests.support.processes import give_children_default_signals
from tests.support.secret_scan import _listening, pytest_runtest_makereport

__all__ = ["_listening", "pytest_runtest_makereport"]

give_children_default_signals()

# Configurations with tokens are for their owner alone; what a test opens up, it says.
os.umask(0o077)

if IS_LONG:  # pytest-timeout takes it before the deadline of pyproject.toml
    os.environ.setdefault("PYTEST_TIMEOUT", str(LONG_DEADLINE_SECONDS))
