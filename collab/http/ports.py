"""Opening a server that runs in the notebook's kernel: an address for the person who asks, and for nobody else."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.executions import Executions
from collab.http._request import access_of, object_of, services_of
from collab.model import Role
from collab.origins import output_template

_MIN_PORT: Final = 1024
_MAX_PORT: Final = 65535


async def open_port(request: Request) -> Response:
    access = await access_of(request, Role.RUNNER, "Opening a port of the runtime")
    services = services_of(request)
    port = (await object_of(request)).get("port")
    if not isinstance(port, int) or isinstance(port, bool) or not _MIN_PORT <= port <= _MAX_PORT:
        raise HTTPException(400, f"'port' is a number from {_MIN_PORT} to {_MAX_PORT}.")
    template = output_template(request.state.host, services.config)
    if not template:
        sentence = "Ports need an output origin; the server's operator sets COLLAB_OUTPUT_ORIGIN (docs/deploy.md)."
        raise HTTPException(409, sentence)
    async with services.rooms.use(access.notebook.id) as room:
        runs = room.runs
        if not isinstance(runs, Executions):
            raise HTTPException(503, "This server has no runtime.")
        kernel = runs.kernel
        if kernel is None:
            raise HTTPException(409, "There is no runtime; run the cell that starts the server first.")
        if runs.attachment.server is not None:
            raise HTTPException(409, "Ports of an attached Jupyter server are not reached from here.")
    label = services.ports.open(access.notebook.id, access.caller, kernel.id, port)
    return JSONResponse({"url": f"{template.replace('{label}', label)}/"}, 201)


routes = [Route("/api/notebooks/{id}/ports", open_port, methods=["POST"])]
