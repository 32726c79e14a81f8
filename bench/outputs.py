"""What outputs cost the people who have the notebook open, in two browsers, and the time from `display()` to pixels
beside JupyterLab.

usage: python -m bench.outputs [--quick] [--only animation,html,plots,tqdm,pixels]

One page types all the while, eight keys a second. A frame counts as long when the browser says so (over 50 ms).
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what outputs cost a page.")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it runs")
    parser.add_argument("--only", default="", help="some of animation, html, plots, tqdm, pixels, joined by commas")
    given = parser.parse_args()
    binaries = Path(sys.executable).parent
    variables = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
        "BENCH_ONLY": given.only,
        "BENCH_QUICK": "1" if given.quick else "0",
    }
    command = [binaries / "npx", "--prefix", "frontend", "vitest", "run", "--config", "frontend/vitest.bench.config.ts"]
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
