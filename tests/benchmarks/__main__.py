"""All benchmarks of speed, one after the other: `python -m tests.benchmarks`."""

from __future__ import annotations

import subprocess
import sys

_ALL = ("polls", "decoding", "daemon")

for name in _ALL:
    sys.stdout.write(f"\n{name}\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)
