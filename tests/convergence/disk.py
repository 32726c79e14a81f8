"""A disk that can be full for the server that the fuzz starts, and for nobody else."""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "faults" / "full_disk.c"


class Disk:
    def __init__(self, data: Path, folder: Path) -> None:
        """`folder` is for what it needs itself."""
        self._data = data
        self._library = folder / "full_disk.so"
        self._sign = folder / "full"

    def prepare(self) -> dict[str, str]:
        """What the server's environment needs. Without a compiler it is never full."""
        compiler = shutil.which("cc")
        if compiler is None:
            return {}
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE, "-ldl"], check=True)
        return {"LD_PRELOAD": str(self._library), "FULL_FOLDER": str(self._data), "FULL_FILE": str(self._sign)}

    def fill(self) -> None:
        self._sign.touch()

    def empty(self) -> None:
        self._sign.unlink(missing_ok=True)
