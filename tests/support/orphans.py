"""Processes of a test that end with it, also where the test itself is killed.

Nobody else is left to end them then. Only Linux offers it, to the process itself; a fork has to
ask for it anew, a program that is started need not.
https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import sys

ENDING_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""What the command line of a process begins with that ends when the thread that started it does."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Let this process be killed when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
