"""A quarter of a minute of soak.py: whatever happens to a connection, each event once, and nothing
is left behind.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="what a process holds is read from /proc"
)
def test_a_day_in_a_moment() -> None:
    program = Path(__file__).with_name("soak.py")
    command = [sys.executable, str(program), "--minutes", "0.2", "--streams", "200"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
