"""How the tests run a benchmark: as anybody does, for a moment."""

import subprocess
import sys

from benchmarks import servers


def short_run(name: str) -> str:
    """What `python -m benchmarks.NAME --short` prints; it says nothing else."""
    ran = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--short"],
        cwd=servers.ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "MISSED" not in ran.stdout
    return ran.stdout
