"""The kernelspecs of this machine: what kernels there can be, and how each is started."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from jupyter_client.kernelspec import KernelSpecManager

from kernelhost.spec import Spec

# Provisioners that start a kernel here as we do; any other does so in our place.
OURS: Final = ("local-provisioner", "kernelhost-local", "kernelhost-sandboxed")


class Specs:
    def __init__(self) -> None:
        self._manager = KernelSpecManager()

    def entries(self) -> dict[str, dict[str, Any]]:
        """As `GET /api/kernelspecs` has them, those without a program left out."""
        found: dict[str, dict[str, Any]] = {}
        for name, entry in self._manager.get_all_specs().items():
            spec = {"env": {}, "interrupt_mode": "signal", "metadata": {}} | entry["spec"]
            if spec.get("argv"):
                found[name] = {"name": name, "spec": spec, "resources": _resources(name, Path(entry["resource_dir"]))}
        return found

    def default(self) -> str:
        names = self.entries()
        return "python3" if "python3" in names else next(iter(names), "python3")

    def entry(self, name: str) -> dict[str, Any] | None:
        """In any case; `python` is what old notebooks call whatever Python there is."""
        found, name = self.entries(), name.lower()
        return found.get(name) or (found.get("python3") if name == "python" else None)

    def get(self, name: str) -> Spec | None:
        entry = self.entry(name)
        if entry is None:
            return None
        name, spec = entry["name"], entry["spec"]
        folder = Path(self._manager.get_all_specs()[name]["resource_dir"])
        env = {str(key): str(value) for key, value in spec["env"].items()}
        mode: Literal["signal", "message"] = "message" if spec["interrupt_mode"] == "message" else "signal"
        named = spec["metadata"].get("kernel_provisioner") if isinstance(spec["metadata"], dict) else None
        strange = isinstance(named, dict) and named.get("provisioner_name", OURS[0]) not in OURS
        return Spec(
            name,
            tuple(map(str, spec["argv"])),
            env,
            str(spec["language"]),
            mode,
            folder,
            named if strange else None,
        )

    def metadata(self, name: str) -> Mapping[str, object]:
        """What a kernelspec says of itself that Jupyter does not read, such as what it wants of the GPUs."""
        entry = self.entry(name)
        found = entry["spec"]["metadata"] if entry is not None else None
        return found if isinstance(found, dict) else {}

    def resource(self, name: str, file: str) -> Path | None:
        """A kernelspec's own file, such as its logo."""
        entry = self._manager.get_all_specs().get(name.lower())
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
