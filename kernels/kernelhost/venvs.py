"""A virtual environment of a notebook's own, `.venv` in its working folder: made if need be, then becomes the program
that was to be run, with the environment's Python.

Run as a program by the kernelspec's own interpreter, inside the kernel's cage and sandbox: whatever links lie in the
folder lead it nowhere else. Nothing of ours is imported. What the kernel's own environment has is seen from the new
one, so ipykernel need not be installed again; what is installed goes into the new one alone.
"""

import fcntl
import os
import shlex
import shutil
import site
import subprocess
import sys
import venv

_NAME = ".venv"
_LINK = "_of_the_kernel.pth"
# The one in the kernel's own environment would install there.
_PIP = """#!/bin/sh
exec {python} -m pip "$@"
"""


def make(folder: str) -> str:
    """The environment's interpreter. Exits with a sentence when there can be none."""
    path = os.path.join(folder, _NAME)
    python = os.path.join(path, "bin", "python")
    with open(os.path.join(folder, f"{_NAME}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two kernels may begin in one folder
        if not os.access(python, os.X_OK):
            shutil.rmtree(path, ignore_errors=True)  # of an interpreter that is gone
            create(path)
        packages = os.path.join(path, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
        if not os.path.isdir(packages):
            sys.exit(
                f"The folder has a {_NAME} of another Python than the kernel's {sys.version_info[0]}."
                f"{sys.version_info[1]}: remove it, or choose a kernel of its version."
            )
        lines = [f"import site; site.addsitedir({place!r})\n" for place in site.getsitepackages()]
        with open(os.path.join(packages, _LINK), "w") as file:
            file.writelines(lines)
        for name in ("pip", "pip3"):
            script = os.path.join(path, "bin", name)
            if not os.path.lexists(script) or is_ours(script):  # the folder may be elsewhere than it was
                with open(script, "w") as file:
                    file.write(_PIP.format(python=shlex.quote(python)))
                os.chmod(script, 0o755)
    return python


def is_ours(script: str) -> bool:
    if os.path.islink(script):
        return False
    with open(script, errors="replace") as file:
        return file.read(1_000).endswith(_PIP.partition("{python}")[2])


def create(path: str) -> None:
    uv = shutil.which("uv", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]))
    if uv is not None:
        command = [uv, "venv", "--quiet", "--no-project", "--no-config", "--python", sys.executable, path]
        if subprocess.run(command, check=False).returncode == 0:
            return
        shutil.rmtree(path, ignore_errors=True)
    venv.create(path, symlinks=True, with_pip=False)


def main() -> None:
    folder, *program = sys.argv[1:]
    try:
        python = make(folder)
    except OSError as error:
        sys.exit(f"The virtual environment cannot be made in the working folder: {error.strerror}.")
    bins = [os.path.dirname(python), os.path.dirname(sys.executable)]
    environment = os.environ | {
        "VIRTUAL_ENV": os.path.dirname(bins[0]),
        "PATH": os.pathsep.join([*bins, os.environ.get("PATH", os.defpath)]),
    }
    for name in ("PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        environment.pop(name, None)
    flags = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)]
    os.execve(python, [python, *flags, *program], environment)


if __name__ == "__main__":
    main()
