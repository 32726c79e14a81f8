"""That the benchmark of kernels runs, with little of each; what it measures is for a machine that does nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_table_of_ours_beside_its_peers_comes_out() -> None:
    command = [sys.executable, "-m", "bench.kernels", "--quick"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=230)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()[1:]
    assert head.split()[:3] == ["raw", "kernelhost", "jupyter_server"]
    told = {re.split(r"\s{2,}", line.strip())[0]: line for line in lines}
    times = [re.findall(r"([\d.]+) ms", line)[:3] for line in lines if " ms " in line]
    assert [len(each) for each in times] == [3] * 6
    assert all(float(value) > 0 for each in times for value in each)
    assert re.findall(r"[\d.]+", told["lines lost"])[1] == "0.00"
