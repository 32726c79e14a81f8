"""What a host process is told on its own descriptor, before anything else: the one kernel that it is to run."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kernelhost.confinement import OPEN, Confinement
from kernelhost.revival import Revival
from kernelhost.spec import Spec


@dataclass(frozen=True, slots=True)
class Document:
    """`rows` is the folder of the registry, `temp` a short one for sockets. `alone_s`: how long it goes on while no
    gateway is there; 0 ends it with its gateway. `generation` is that of the last process of this kernel. `gpus`: what
    it was promised of them, as `Grant.to_json` has it; the gateway's own, and kept here while that is away. `pooled`:
    it is nobody's yet."""

    id: str
    spec: Spec
    environment: Mapping[str, str]
    cwd: Path
    rows: Path
    temp: Path
    keep_bytes: int
    alone_s: float
    generation: int = 0
    confinement: Confinement = OPEN
    gpus: tuple[Mapping[str, Any], ...] = ()
    pooled: bool = False
    revival: Revival = Revival()  # noqa: RUF009 - a value

    def encode(self) -> bytes:
        spec = {
            "name": self.spec.name,
            "argv": self.spec.argv,
            "env": dict(self.spec.env),
            "language": self.spec.language,
            "interrupt_mode": self.spec.interrupt_mode,
            "folder": str(self.spec.folder),
            "provisioner": self.spec.provisioner,
        }
        value = {
            "id": self.id,
            "spec": spec,
            "environment": dict(self.environment),
            "cwd": str(self.cwd),
            "rows": str(self.rows),
            "temp": str(self.temp),
            "keep_bytes": self.keep_bytes,
            "alone_s": self.alone_s,
            "generation": self.generation,
            "confinement": self.confinement.as_json(),
            "gpus": self.gpus,
            "pooled": self.pooled,
            "revival": asdict(self.revival),
        }
        return json.dumps(value).encode()


def decode_document(data: bytes) -> Document:
    """Of what `encode` made."""
    value = json.loads(data)
    spec = value["spec"]
    return Document(
        value["id"],
        Spec(
            spec["name"],
            tuple(spec["argv"]),
            spec["env"],
            spec["language"],
            spec["interrupt_mode"],
            Path(spec["folder"]),
            spec["provisioner"],
        ),
        value["environment"],
        Path(value["cwd"]),
        Path(value["rows"]),
        Path(value["temp"]),
        value["keep_bytes"],
        value["alone_s"],
        value["generation"],
        Confinement.from_json(value["confinement"]),
        tuple(value["gpus"]),
        value["pooled"],
        Revival(**value["revival"]),
    )
