"""`GET /nbextensions/{path}`, as the classic Notebook has it: the JavaScript that packages of widgets bring along, from
the environments of the kernels here."""

from pathlib import Path
from typing import Final

import anyio
from jupyter_core.paths import jupyter_path
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from kernelhost.handlers import failure, kernels_of, signed_in

_SHARED: Final = Path("share/jupyter/nbextensions")


def find(path: str, programs: list[str]) -> Path | None:
    """`programs` are what kernels are started with, whose environments have such files."""
    places = [Path(place) for place in jupyter_path("nbextensions")]
    places += [Path(program).parent.parent / _SHARED for program in programs if Path(program).is_absolute()]
    for place in places:
        file = (place / path).resolve()
        if file.suffix == ".js" and file.is_relative_to(place.resolve()) and file.is_file():
            return file
    return None


async def nbextension(request: Request) -> Response:
    programs = [str(entry["spec"]["argv"][0]) for entry in kernels_of(request).specs.entries().values()]
    found = await anyio.to_thread.run_sync(find, request.path_params["path"], programs)
    return FileResponse(found, media_type="text/javascript") if found else failure(404, "There is no such file.")


routes: list[BaseRoute] = [Route("/nbextensions/{path:path}", signed_in(nbextension))]
