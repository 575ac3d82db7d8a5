"""What holds for every test: nobody may say a secret."""

from tests.support.secret_scan import _listening, pytest_runtest_makereport

__all__ = ["_listening", "pytest_runtest_makereport"]
