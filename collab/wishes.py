"""What a Notebook wishes its runtime to be, beside the kernelspec: kept in the notebook's own metadata, under `collab`,
so that it is in the exported file. Pure. What a wish is worth is for the gateway to say.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from collab import notebook
from collab.commands import BadCommand, ChooseRuntime, parse_command
from collab.notebook import SERVER_ORIGIN, NotebookDoc

_OURS: Final = "collab"


@dataclass(frozen=True, slots=True)
class Wishes:
    """Empty: the gateway's default."""

    gpus: str = ""
    gpu_memory: str = ""
    memory: str = ""
    cpus: str = ""
    venv: bool = False

    @property
    def variables(self) -> dict[str, str]:
        """As a start takes them, in `env`."""
        named = {
            "KERNEL_GPUS": self.gpus,
            "KERNEL_GPU_MEMORY": self.gpu_memory.replace(" ", ""),
            "KERNEL_MEMORY": self.memory.replace(" ", ""),
            "KERNEL_CPUS": self.cpus,
            "KERNEL_VENV": "1" if self.venv else "",
        }
        return {name: value for name, value in named.items() if value}


def read_wishes(doc: NotebookDoc) -> Wishes:
    """None at all where the metadata holds something else: it may come from anywhere."""
    wished = _mapping(_mapping(_metadata(doc).get(_OURS)).get("runtime"))
    try:
        command = parse_command({**wished, "type": "choose_runtime", "kernel": "any"})
    except BadCommand:
        return Wishes()
    assert isinstance(command, ChooseRuntime)
    return _of(command)


def write_choice(doc: NotebookDoc, choice: ChooseRuntime, language: str) -> None:
    """`language` is the kernelspec's; empty when it is not known."""
    metadata = dict(_metadata(doc))
    ours, wishes = dict(_mapping(metadata.get(_OURS))), _of(choice)
    ours.pop("runtime", None)
    if wishes != Wishes():
        ours["runtime"] = {key: value for key, value in asdict(wishes).items() if value}
    metadata.pop(_OURS, None)
    with doc.transaction(origin=SERVER_ORIGIN):
        meta = notebook.roots(doc).meta
        meta["kernelspec"] = choice.kernel
        if language:
            meta["language"] = language
        meta["metadata"] = json.dumps(metadata | ({_OURS: ours} if ours else {}))


def _of(choice: ChooseRuntime) -> Wishes:
    return Wishes(choice.gpus, choice.gpu_memory, choice.memory, choice.cpus, choice.venv)


def _metadata(doc: NotebookDoc) -> Mapping[str, Any]:
    text = notebook.roots(doc).meta.get("metadata")
    try:
        return _mapping(json.loads(text)) if isinstance(text, str) else {}
    except ValueError:
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
