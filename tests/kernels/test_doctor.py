"""`kernelhost doctor` and `/healthz`: what they say was tried."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from kernelhost.config import Config
from kernelhost.confining import Confining, NoSandbox, Walls, build_walls
from kernelhost.doctor import broken, facts
from kernelhost.limits import GIB, Limits

from tests.kernels.client import GatewayProcess


def doctor(*arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "kernelhost.cli", "doctor", *arguments]
    return subprocess.run(line, capture_output=True, text=True)


def test_the_doctor_starts_a_kernel_and_says_what_holds_it(tmp_path: Path) -> None:
    ran = doctor("--root", str(tmp_path), "--memory", "2GiB", "--disk", "1GiB")
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("Limits are held by ")
    assert any(line.split()[:3] == ["memory", "2.0", "GiB"] for line in lines)
    assert any("working folder" in line and "1.0 GiB  by the watch" in line for line in lines)
    assert any(line.startswith("The sandbox is ") for line in lines)
    assert any(line.startswith("A kernel starts in ") for line in lines)
    assert (ran.returncode == 1) == any(line.startswith("BROKEN") for line in lines)


def test_what_is_broken_is_an_exit_code_and_a_sentence(tmp_path: Path) -> None:
    ran = doctor("--root", str(tmp_path / "none"), "--sandbox", "none")
    assert ran.returncode == 1
    assert f"BROKEN: The folder {tmp_path / 'none'} cannot be written: choose another --root." in ran.stdout


def test_kernels_of_root_without_a_sandbox_are_broken(tmp_path: Path) -> None:
    walls = Walls(Confining(Limits(memory_bytes=GIB)), "none", "bubblewrap is not installed")
    found = facts(Config("a-token"), walls)
    assert found["cage"]["limits"]["memory_bytes"]["value"] == GIB
    assert found["sandbox"]["why_not_higher"] == "bubblewrap is not installed"
    for as_root in (True, False):
        found["sandbox"]["as_root"] = as_root
        assert any("as root without a sandbox" in sentence for sentence in broken(found, tmp_path)) == as_root


def test_a_sandbox_that_was_asked_for_and_does_not_work_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSandbox, match=r"bubblewrap is not installed; .* choose --sandbox none"):
        build_walls(Confining(Limits(), "bwrap"), tmp_path)
    with pytest.raises(NoSandbox):
        build_walls(Confining(Limits(), "auto", "none"), tmp_path)
    walls = build_walls(Confining(Limits(), "auto"), tmp_path)
    assert (walls.level, walls.why_not_higher.startswith("bubblewrap is not installed")) == ("none", True)


def test_rule_10_healthz_tells_everyone_that_it_lives_and_those_with_the_token_the_rest(
    gateway: GatewayProcess,
) -> None:
    assert httpx.get(f"{gateway.url}/healthz", trust_env=False).json() == {"status": "ok"}
    told = gateway.http.get("/healthz").json()
    assert set(told) == {"status", "cage", "sandbox", "gpus", "mps", "machine"}
    assert told["sandbox"]["level"] == "none"
    assert told["sandbox"]["why_not_higher"] == "the gateway was started with --sandbox none"
    assert told["cage"]["limits"]["files"] == {"value": 65536, "by": "rlimits"}
