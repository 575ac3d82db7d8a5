"""Processes that tests start end with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.orphans import ENDING_WITH_US
from tests.support.processes import until

_STARTED = """
import subprocess, time
from tests.support.orphans import ENDING_WITH_US
subprocess.Popen([*ENDING_WITH_US, "sh", "-c", "echo $$; exec sleep 60"])
time.sleep(60)
"""
_FORKED = """
import os, time
from tests.support.orphans import die_with_parent
child = os.fork()
if child == 0:
    die_with_parent()
    print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not ENDING_WITH_US, reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("code", [_STARTED, _FORKED], ids=["started", "forked"])
async def test_a_process_ends_when_the_test_that_started_it_is_killed(code: str) -> None:
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.kill()
    parent.wait()
    parent.stdout.close()

    await until(lambda: not _is_alive(child))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # What nobody waits for may remain as an entry that says how it ended.
    return b"\nState:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
