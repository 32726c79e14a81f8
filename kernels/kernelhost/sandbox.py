"""A kernel's own view of the machine, made by bubblewrap: which files, processes and network there are for it.

Inside, the working folder is at /content and is the home too; the connection file and the sockets are in /run/kernel.
What is kept out is in docs/isolation.md; how much of it works here is found by running it (`probe`).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernelhost.confinement import Network
from kernelhost.seccomp import filter_program

WORK: Final = "/content"
RUN: Final = "/run/kernel"
_TMP_BYTES: Final = 2 << 30
_PROBE_WITHIN_S: Final = 20.0
# Of /etc what programs look up; no other users' settings, no keys.
_ETC: Final = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "OpenCL",
    "passwd",
    "pki",
    "profile",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "terminfo",
    "timezone",
    "vulkan",
)
_SYSTEM: Final = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
# Where root may write with no capability at all, in a namespace of its own too: settings of the whole machine.
_SETTINGS: Final = tuple(
    f"/proc/{name}" for name in ("acpi", "asound", "bus", "fs", "irq", "mtrr", "scsi", "sys", "sysrq-trigger")
)
_SYSFS: Final = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_SYSFS_OF_GPUS: Final = ("/sys/bus", "/sys/devices", "/sys/module")
# Variables that name places which are not there inside, or are elsewhere.
_PLACES: Final = ("HOME", "IPYTHONDIR", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "JUPYTER_PATH", "JUPYTER_DATA_DIR")
_DISPLAYS: Final = ("DISPLAY", "WAYLAND_DISPLAY")


@dataclass(frozen=True, slots=True)
class Box:
    """`work` and `run` are the folders outside; `programs` are seen but cannot be changed, `hidden` are seen as empty
    wherever something else would show them."""

    work: Path
    run: Path
    programs: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ()
    network: Network = "host"


def options(box: Box) -> list[str]:
    """bwrap's, without descriptors and the command."""
    made: set[str] = {"/", "/usr", "/etc", "/tmp", "/proc", "/dev"}
    words = ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--unshare-net"] if box.network == "none" else []
    words += ["--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    words += ["--new-session", "--die-with-parent", "--hostname", "kernel"]
    words += ["--ro-bind", "/usr", "/usr"]
    for path in _SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    words += ["--perms", "0755", "--dir", "/etc"]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path in _SETTINGS:
        words += ["--ro-bind-try", path, path]
    for path in ("/tmp", "/dev/shm"):
        words += ["--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", path]
    for path in _SYSFS_OF_GPUS if box.devices else _SYSFS:
        words += [*_parents(Path(path), made), "--ro-bind-try", path, path]
    for device in box.devices:
        words += ["--dev-bind-try", device, device]
    programs = _outermost(box.programs)
    for program in programs:
        words += [*_parents(program, made), "--ro-bind", str(program), str(program)]
    words += ["--bind", str(box.work), WORK]
    for secret in box.hidden:
        if any(program in secret.parents for program in programs):
            words += _cover(secret, secret)
        if box.work in secret.parents:
            words += _cover(secret, Path(WORK) / secret.relative_to(box.work))
    words += [*_parents(Path(RUN), made), "--bind", str(box.run), RUN]
    # Mapped by us: whoever could make it shorter would end us by it.
    words += ["--ro-bind-try", str(box.run / "read"), f"{RUN}/read"]
    return [*words, "--remount-ro", "/", "--chdir", WORK]


def _cover(secret: Path, seen: Path) -> list[str]:
    if secret.is_dir():
        return ["--tmpfs", str(seen)]
    return ["--ro-bind", "/dev/null", str(seen)] if secret.exists() else []


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Without those that are in another, or that everyone sees anyway."""
    outer: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if not any(parent in (path, *path.parents) for parent in (Path("/usr"), *outer)):
            outer.append(path)
    return outer


def _parents(path: Path, made: set[str]) -> list[str]:
    """Folders that lead there; those that bwrap makes by itself nobody else may enter (B1)."""
    words: list[str] = []
    for parent in reversed(path.parents):
        if str(parent) not in made:
            made.add(str(parent))
            words += ["--perms", "0755", "--dir", str(parent)]
    return words


def programs_of(command: Sequence[str], environment: Mapping[str, str]) -> list[Path]:
    """What has to be seen for a command to run: its files, and the installation that each program belongs to."""
    found: list[Path] = []
    for word in command:
        if os.path.isabs(word) and os.path.exists(word):
            found.append(Path(word))
    program = shutil.which(command[0], path=environment.get("PATH")) or command[0]
    found += _installations(Path(program))
    return [path for path in found if path.parent != path]


def _installations(program: Path) -> list[Path]:
    """The prefix of each link that leads from `program` to the file it is; a virtual environment names another."""
    prefixes: list[Path] = []
    for _ in range(10):
        if program.parent.name in ("bin", "Scripts", "sbin"):
            prefix = program.parent.parent
            prefixes.append(prefix)
            prefixes += _base_of(prefix)
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / os.readlink(program)))
    return prefixes


def _base_of(environment: Path) -> list[Path]:
    try:
        lines = (environment / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return []
    homes = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"]
    return [prefix for home in homes for prefix in (Path(home).parent, Path(os.path.realpath(home)).parent)]


def inside(environment: Mapping[str, str], program: str) -> dict[str, str]:
    """The variables of a kernel that runs inside: no place outside is named, and what was installed beside its program
    is found first."""
    kept = {
        key: value
        for key, value in environment.items()
        if key not in _PLACES and key not in _DISPLAYS and not key.startswith("XDG_")
    }
    path = [os.path.dirname(program), kept.get("PATH") or os.defpath]
    return kept | {"HOME": WORK, "TMPDIR": "/tmp", "PATH": os.pathsep.join(filter(None, path))}


def descriptors(words: Sequence[str]) -> tuple[list[str], list[int]]:
    """bwrap's command line for these options, which `ps` does not show, and the descriptors to pass to it."""
    given = [_pipe("\0".join(words).encode())]
    line = ["bwrap", "--args", str(given[0])]
    if (program := filter_program()) is not None:
        given.append(_pipe(program))
        line += ["--seccomp", str(given[1])]
    return line, given


def _pipe(content: bytes) -> int:
    """The end to read it from. A pipe holds 64 KB, and these are a few."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        os.write(writing, content)
    finally:
        os.close(writing)
    return reading


def probe(network: Network, folder: Path) -> str:
    """Empty when a sandbox works for this user on this machine, else a clause that says why not.

    `folder` is one that may be shown; nothing is written to it."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed; on Debian and Ubuntu the package is 'bubblewrap'"
    box = Box(folder, folder, tuple(_installations(Path(sys.executable))), network=network)
    line, given = descriptors(options(box))
    try:
        ran = subprocess.run(
            [*line, "--", sys.executable, "-c", "import ctypes"],
            env=inside({}, sys.executable),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=given,
            text=True,
            timeout=_PROBE_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run ({error})"
    finally:
        for descriptor in given:
            os.close(descriptor)
    said = ran.stderr.strip().splitlines()
    return "" if ran.returncode == 0 else f"bubblewrap fails here ({said[-1] if said else ran.returncode})"
