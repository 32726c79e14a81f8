"""`GET /healthz`: that the gateway is there, for whoever asks; with the token, what holds kernels here and by what."""

from typing import cast

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kernelhost.auth import is_allowed
from kernelhost.confining import Walls
from kernelhost.doctor import facts
from kernelhost.handlers import config_of


async def health(request: Request) -> Response:
    config, walls = config_of(request), cast(Walls | None, request.state.walls)
    if walls is None or not is_allowed(request, config.token):
        return JSONResponse({"status": "ok"})
    found = await anyio.to_thread.run_sync(facts, config, walls)
    return JSONResponse({"status": "ok"} | found)


routes: list[BaseRoute] = [Route("/healthz", health)]
