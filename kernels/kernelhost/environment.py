"""What a kernel finds in its environment: what programs need, and nothing of ours (kernels.md, rule 7)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_KEPT: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|TERM|DISPLAY|XDG_(?!RUNTIME_DIR)\w+"
    r"|VIRTUAL_ENV|CONDA_\w+|PYTHON\w+|LD_LIBRARY_PATH|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|(?:HTTP|HTTPS|NO|ALL)_PROXY|(?:OMP|MKL|OPENBLAS|NUMEXPR|NUMBA)_\w+|CUDA_\w+|NVIDIA_\w+|NCCL_\w+|HSA_\w+|ROC\w+"
    r"|KERNELHOST_COLAB|MPL\w*|IPYTHONDIR|JAVA_HOME|R_\w+|JULIA_\w+|JUPYTER_PATH|JUPYTER_DATA_DIR|SYSTEMROOT|USERPROFILE|APPDATA|LOCALAPPDATA",
    re.IGNORECASE,
)
_FROM_CLIENT: Final = re.compile(r"KERNEL_[A-Z0-9_]{1,60}")
# A null byte, and halves of characters, which JSON can spell and no program can be given.
_UNUSABLE: Final = re.compile("[\0\ud800-\udfff]")
_NOT_KEPT: Final = ("KERNEL_WORKING_DIR", "KERNEL_LAUNCH_TIMEOUT")
_MAX_DEPTH: Final = 64


def kernel_environment(ours: Mapping[str, str], asked: Mapping[str, object]) -> dict[str, str]:
    """Ours without what is not named above, and the client's KERNEL_* variables."""
    environment = {key: value for key, value in ours.items() if _KEPT.fullmatch(key)}
    for key, value in asked.items():
        if not isinstance(value, str) or _UNUSABLE.search(value):
            continue
        if _FROM_CLIENT.fullmatch(key) and key not in _NOT_KEPT:
            environment[key] = value
    environment.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    return environment


def working_folder(root: Path, path: object) -> Path:
    """The folder below `root` that `path` names, made if it is not there; `root` itself for no path, and for the path
    of a file (stock clients name the notebook) the folder that it is in.

    Raises ValueError for a path that leads out of it.
    """
    text = path if isinstance(path, str) else ""
    if "\0" in text:
        raise ValueError("The path has a null byte in it.")
    if text.count("/") > _MAX_DEPTH:
        raise ValueError(f"The path has more than {_MAX_DEPTH} folders in it.")
    top = root.resolve()
    folder = (top / text.strip("/")).resolve()
    if folder != top and top not in folder.parents:
        raise ValueError("The path leads out of the gateway's folder.")
    try:
        if folder.is_file() or (folder.suffix == ".ipynb" and not folder.is_dir()):
            folder = folder.parent
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The folder '{text:.100}' cannot be made: {error.strerror}.") from error
    return folder
