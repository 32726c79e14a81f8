import sys
from pathlib import Path

import pytest
from kernelhost.environment import kernel_environment, working_folder
from kernelhost.spec import Spec

SECRETS = {
    "COLLAB_TOKEN": "s",
    "COLLAB_GATEWAY_TOKEN": "s",
    "KERNELHOST_TOKEN": "s",
    "JUPYTER_TOKEN": "s",
    "AWS_SECRET_ACCESS_KEY": "s",
    "GITHUB_TOKEN": "s",
    "DATABASE_URL": "s",
    "XDG_RUNTIME_DIR": "s",
    "KERNEL_OF_THE_GATEWAY": "s",
}


def test_b5_a_kernel_gets_what_is_named_and_nothing_else() -> None:
    kept = {"PATH": "/bin", "HOME": "/home/a", "LANG": "C", "LC_ALL": "C", "TZ": "UTC", "IPYTHONDIR": "/i"}
    assert kernel_environment(kept | SECRETS, {}) == kept | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


def test_b5_a_client_sets_kernel_variables_only() -> None:
    asked = {"KERNEL_USER": "me", "PATH": "/evil", "LD_PRELOAD": "x", "KERNEL_WORKING_DIR": "/", "KERNEL_N": 1}
    asked["KERNEL_NULL"] = "a\0b"
    assert kernel_environment({"PATH": "/bin", "MPLBACKEND": "agg"}, asked) == {
        "PATH": "/bin",
        "MPLBACKEND": "agg",
        "KERNEL_USER": "me",
    }


def spec(*argv: str, **env: str) -> Spec:
    return Spec("x", argv, env, "python", "signal", Path("/specs/x"))


def test_a_kernelspec_adds_variables_and_refers_to_those_there_are() -> None:
    base = {"PATH": "/bin"}
    assert spec("x", PATH="/x:${PATH}", OTHER="$NONE", A="1").environment(base) == {
        "PATH": "/x:/bin",
        "OTHER": "$NONE",
        "A": "1",
    }


def test_ipykernel_is_started_by_our_launcher_and_other_kernels_as_they_say() -> None:
    file = Path("/c/k.json")
    command = spec("/py", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}").command(file)
    assert (command[0], Path(command[2]).name, command[3:]) == ("/py", "launcher.py", ["-f", "/c/k.json"])
    assert spec("ir", "{resource_dir}/a", "{unknown}", "{connection_file}").command(file) == [
        "ir",
        "/specs/x/a",
        "{unknown}",
        "/c/k.json",
    ]
    assert spec("python3", "-m", "other").command(file) == [sys.executable, "-m", "other"]


@pytest.mark.parametrize(
    ("path", "folder"),
    [(None, "."), ("", "."), (7, "."), ("a/b", "a/b"), ("/a/", "a"), ("a/note.ipynb", "a"), ("file", ".")],
)
def test_a_kernel_works_in_the_folder_that_its_path_names(tmp_path: Path, path: object, folder: str) -> None:
    (tmp_path / "file").touch()
    made = working_folder(tmp_path, path)
    assert made == (tmp_path / folder).resolve()
    assert made.is_dir()


@pytest.mark.parametrize("path", ["..", "a/../../b", "out/x", "a\0b", "file/below", "x" * 5000])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "out").symlink_to("/")
    with pytest.raises(ValueError, match=r"^The .*\.$"):
        working_folder(tmp_path, path)
