"""What holds for every test: nobody may say a secret, and children start with default signals."""

from tests.support.processes import give_children_default_signals
from tests.support.secret_scan import _listening, pytest_runtest_makereport

__all__ = ["_listening", "pytest_runtest_makereport"]

give_children_default_signals()
