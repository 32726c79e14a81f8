"""Built files as they are sent: packed, as the build made them, to whoever takes that."""

from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path

from starlette.responses import FileResponse


def built_file(file: Path, asked: Mapping[str, str], headers: Mapping[str, str]) -> FileResponse:
    """`asked` are the request's headers, with names in lower case or in any."""
    packed = file.with_name(f"{file.name}.gz")
    answer = {**headers, "Vary": "Accept-Encoding"}
    if not _takes_gzip(asked.get("accept-encoding", "")) or not packed.is_file():
        return FileResponse(file, headers=answer)
    kind = guess_type(file.name)[0] or "application/octet-stream"
    return FileResponse(packed, media_type=kind, headers=answer | {"Content-Encoding": "gzip"})


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110, 12.5.3, as far as browsers and scripts use it."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
