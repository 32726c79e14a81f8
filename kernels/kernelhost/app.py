"""The gateway's composition root."""

import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kernelhost import (
    health,
    nbextensions,
    port_handlers,
    reports,
    session_handlers,
    terminal_handlers,
    upkeep_handlers,
)
from kernelhost.config import Config
from kernelhost.confining import Walls
from kernelhost.cors import Cors
from kernelhost.environment import kernel_environment
from kernelhost.gpus.gpus import Gpus
from kernelhost.gpus.policy import nvml_of
from kernelhost.handlers import failure, routes
from kernelhost.kernels import Kernels
from kernelhost.opening import Opening
from kernelhost.sessions import Sessions
from kernelhost.terminals import Terminals
from kernelhost.upkeep import Upkeep


def create_app(config: Config, end: Callable[[], None] = lambda: None, walls: Walls | None = None) -> ASGIApp:
    """`end` is called when nobody has asked for anything for `config.orphan_after_s` and no code runs."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        asked = [time.monotonic()]

        def activity() -> None:
            asked[0] = time.monotonic()

        async def watch(kernels: Kernels) -> None:
            while config.orphan_after_s > 0:
                await anyio.sleep(min(config.orphan_after_s / 4, 30.0))
                if any(kernel.clients or kernel.state not in ("idle", "dead") for kernel in kernels.all):
                    activity()
                if time.monotonic() - asked[0] > config.orphan_after_s:
                    end()
                    return

        all = Kernels(
            config.root,
            config.keep_bytes,
            config.data,
            config.alone_s,
            config.max_kernels,
            config.max_starts,
            config.pool,
        )
        all.revival = config.revival
        all.walls = walls
        all.gpus = Gpus(nvml_of(config.gpus), config.gpus)
        async with all.running() as kernels, anyio.create_task_group() as tasks:
            upkeep = Upkeep(config, kernels)
            tasks.start_soon(watch, kernels)
            tasks.start_soon(upkeep.run)
            kept = config.data / "sessions.json" if config.data is not None else None
            sessions = Sessions(kept, lambda id: kernels.get(id) is not None)
            given = {"kernels": kernels, "config": config, "walls": walls, "activity": activity, "upkeep": upkeep}
            async with terminals_of(config) as terminals:
                yield given | {"sessions": sessions, "terminals": terminals}
            tasks.cancel_scope.cancel()

    app = Starlette(
        routes=[
            *health.routes,
            *reports.routes,
            *upkeep_handlers.routes,
            *port_handlers.routes,
            *nbextensions.routes,
            *session_handlers.routes,
            *terminal_handlers.routes,
            *routes,
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: on_http_exception, Exception: on_error},
    )
    return Cors(Opening(app), config.origins)


@asynccontextmanager
async def terminals_of(config: Config) -> AsyncIterator[Terminals | None]:
    if not config.terminals:
        yield None
        return
    command = [os.environ.get("SHELL") or shutil.which("bash") or "/bin/sh", "-l"]
    async with Terminals(config.root, command, kernel_environment(os.environ, {})).running() as terminals:
        yield terminals


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failure(error.status_code, f"{error.detail}.", headers=error.headers)


async def on_error(request: Request, error: Exception) -> Response:
    return failure(500, "Something went wrong in the gateway; its log says what.")
