"""The kernelspecs of this machine: what kernels there can be, and how each is started."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

from jupyter_client.kernelspec import KernelSpecManager

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_PYTHONS: Final = ("python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}")


@dataclass(frozen=True, slots=True)
class Spec:
    """`argv` and the values of `env` have their placeholders still."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    language: str
    interrupt_mode: Literal["signal", "message"]
    folder: Path

    def command(self, connection_file: Path) -> list[str]:
        """ipykernel is started by our launcher (kernels.md section 8); a bare `python` is ours, not that of PATH."""
        values = {"connection_file": str(connection_file), "prefix": sys.prefix, "resource_dir": str(self.folder)}
        argv = [re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), part) for part in self.argv]
        if argv[0] in _PYTHONS:
            argv[0] = sys.executable
        for at in range(1, len(argv) - 1):
            if argv[at] == "-m" and argv[at + 1] in ("ipykernel_launcher", "ipykernel") and "-f" in argv[at:]:
                return [*argv[:at], str(_LAUNCHER), *argv[at + 2 :]]
        return argv

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with this spec's own variables, in which `${NAME}` stands for one of `base`."""
        return {**base, **{key: Template(value).safe_substitute(base) for key, value in self.env.items()}}


class Specs:
    def __init__(self) -> None:
        self._manager = KernelSpecManager()

    def entries(self) -> dict[str, dict[str, Any]]:
        """As `GET /api/kernelspecs` has them, those without a language or a program left out."""
        found: dict[str, dict[str, Any]] = {}
        for name, entry in self._manager.get_all_specs().items():
            spec = {"env": {}, "interrupt_mode": "signal", "metadata": {}} | entry["spec"]
            if spec.get("argv") and spec.get("language") and spec.get("display_name"):
                found[name] = {"name": name, "spec": spec, "resources": _resources(name, Path(entry["resource_dir"]))}
        return found

    def default(self) -> str:
        names = self.entries()
        return "python3" if "python3" in names else next(iter(names), "python3")

    def get(self, name: str) -> Spec | None:
        entry = self.entries().get(name)
        if entry is None:
            return None
        spec = entry["spec"]
        folder = Path(self._manager.get_all_specs()[name]["resource_dir"])
        env = {str(key): str(value) for key, value in spec["env"].items()}
        mode: Literal["signal", "message"] = "message" if spec["interrupt_mode"] == "message" else "signal"
        return Spec(name, tuple(map(str, spec["argv"])), env, str(spec["language"]), mode, folder)

    def resource(self, name: str, file: str) -> Path | None:
        """A kernelspec's own file, such as its logo."""
        entry = self._manager.get_all_specs().get(name)
        if entry is None or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", file) or file == "kernel.json":
            return None
        path = Path(entry["resource_dir"]) / file
        return path if path.is_file() else None


def _resources(name: str, folder: Path) -> dict[str, str]:
    resources = {}
    for file in sorted(os.listdir(folder)) if folder.is_dir() else []:
        if file.startswith("logo-"):
            resources[Path(file).stem] = f"/kernelspecs/{name}/{file}"
        elif file in ("kernel.js", "kernel.css"):
            resources[file] = f"/kernelspecs/{name}/{file}"
    return resources
