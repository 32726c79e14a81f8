"""What the launcher tells frameworks of a GPU's share, in an interpreter of its own as it is for a kernel."""

import subprocess
import sys
from pathlib import Path

from kernelhost import launcher

TORCH = """
_queued, bounds, started = [], {}, False
def _lazy_call(call):
    call() if started else _queued.append(call)
def init():
    global started
    started = True
    for call in _queued: call()
def device_count():
    assert started, "CUDA was started too early"
    return 2
def set_per_process_memory_fraction(fraction, device):
    assert started, "CUDA was started too early"
    bounds[device] = fraction
"""


def run(folder: Path, code: str, share: str = "0.2292") -> str:
    here = Path(launcher.__file__)
    start = f"import importlib.util as u; spec = u.spec_from_file_location('launcher', {str(here)!r})\n"
    start += "ours = u.module_from_spec(spec); spec.loader.exec_module(ours); ours.share_gpu()\n"
    environment = {"KERNELHOST_GPU_SHARE": share, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", start + code], env=environment, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def torch(folder: Path, cuda: str) -> None:
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text("from torch import cuda\n")
    (folder / "torch" / "cuda.py").write_text(cuda)


def test_torch_has_the_bound_once_it_starts_cuda(tmp_path: Path) -> None:
    torch(tmp_path, TORCH)
    code = "import torch; print(torch.cuda.bounds); torch.cuda.init(); print(torch.cuda.bounds)"
    assert run(tmp_path, code) == "{}\n{0: 0.2292, 1: 0.2292}"
    assert run(tmp_path, code, share="") == "{}\n{}"


def test_no_variable_of_ours_is_left_and_torch_may_be_another_or_none(tmp_path: Path) -> None:
    code = "import os; print('KERNELHOST_GPU_SHARE' in os.environ)\ntry: import torch\nexcept ImportError: print(2)"
    assert run(tmp_path, code) == "False\n2"
    torch(tmp_path, "answer = 42")
    assert run(tmp_path, "import torch; print(torch.cuda.answer)") == "42"
