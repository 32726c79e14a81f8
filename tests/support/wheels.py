"""A wheel made on the fly: installing it needs no network."""

import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str) -> Path:
    """Of a package with one module, `name`, that says hello when asked for `WORD`."""
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "WORD = 'hello'\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
        record = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
        wheel.writestr(f"{about}/RECORD", record)
    return path
