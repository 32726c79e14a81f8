"""How one kind of kernel is started; where kernelspecs are found is not known here, as host processes do without
jupyter_client."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

LAUNCHER: Final = Path(__file__).with_name("launcher.py")
# Where `google.colab` is: beside the launcher where it is installed, beside its package in a checkout.
COLAB: Final = next(
    (folder for folder in (LAUNCHER.with_name("colab"), LAUNCHER.parent.with_name("colab")) if folder.is_dir()), None
)
_PYTHONS: Final = ("python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}")


@dataclass(frozen=True, slots=True)
class Spec:
    """`argv` and the values of `env` have their placeholders still. `provisioner` is the kernelspec's own, which starts
    the kernel in our place: a name and perhaps a config, as jupyter_client has it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    language: str
    interrupt_mode: Literal["signal", "message"]
    folder: Path
    provisioner: Mapping[str, Any] | None = None

    def command(self, connection_file: Path) -> list[str]:
        """ipykernel is started by our launcher (kernels.md section 8); a bare `python` is ours, not that of PATH."""
        values = {"connection_file": str(connection_file), "prefix": sys.prefix, "resource_dir": str(self.folder)}
        argv = [re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), part) for part in self.argv]
        if argv[0] in _PYTHONS:
            argv[0] = sys.executable
        for at in range(1, len(argv) - 1):
            if argv[at] == "-m" and argv[at + 1] in ("ipykernel_launcher", "ipykernel") and "-f" in argv[at:]:
                return [*argv[:at], str(LAUNCHER), *argv[at + 2 :]]
        return argv

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with this spec's own variables, in which `${NAME}` stands for one of `base`."""
        return {**base, **{key: Template(value).safe_substitute(base) for key, value in self.env.items()}}
