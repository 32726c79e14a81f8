"""Composition root: opens what is stored, finds the kernel gateway, and puts the routes behind the hosts."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import anyio
import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp

from collab import imports
from collab.auth import Auth
from collab.config import Config
from collab.data import Data
from collab.executions import Executions
from collab.feed import Feeds
from collab.gateway import Gateway
from collab.http import (
    blobs,
    commands,
    errors,
    library,
    links,
    merges,
    notebooks,
    pages,
    people,
    ports,
    runtimes,
    secrets,
    shell,
    widgets,
)
from collab.jupyter_runtime import JupyterRuntime
from collab.jupyter_server import Address
from collab.origins import Origins
from collab.ports import Ports
from collab.resets import Resets
from collab.room import Room
from collab.rooms import Rooms
from collab.secrets import Secrets
from collab.services import Services
from collab.sockets import notebook_socket
from collab.store.blobs import Blobs
from collab.store.sqlite import open_sqlite
from collab.store.store import StoreError
from collab.sweeping import sweep_with

log = logging.getLogger(__name__)

ROUTES: Final[list[BaseRoute]] = [
    *(
        route
        for module in (
            pages,
            shell,
            people,
            library,
            notebooks,
            links,
            blobs,
            merges,
            commands,
            runtimes,
            ports,
            secrets,
            widgets,
        )
        for route in module.routes
    ),
    WebSocketRoute("/api/notebooks/{id}/socket", notebook_socket),
]


@dataclass(slots=True)
class Ending:
    """How the program is being ended; kernels outlive it unless somebody pressed Ctrl+C."""

    keep_kernels: bool = True


def create_app(config: Config, data: Data, ending: Ending) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_sqlite(data.database))
            kept = Blobs(data.blobs)
            # Never through a proxy of the environment: the gateway is on loopback, or the operator's own.
            # And without cookies: a Jupyter server's would count for the next notebook, whatever token that has.
            no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, cookies=no_cookies))
            fixed = Address(config.gateway_url, config.gateway_token) if config.gateway_url else None
            gateway = Gateway(http, data.folder, fixed, config.gateway_flags)

            async def end() -> None:
                if not ending.keep_kernels:
                    await gateway.stop()

            # When the Rooms are closed, so that none of them sees its kernel die, and when nobody reads the feed any
            # more, who would have the gateway started again.
            stack.push_async_callback(end)
            resets = Resets(JupyterRuntime(http, gateway, "collab"))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            feeds = Feeds(gateway, tasks)
            kept_secrets = Secrets(store, data.secret)

            def runs_of(room: Room) -> Executions:
                runtime = JupyterRuntime(http, gateway, f"collab-{room.id}")
                omit = config.omit_outputs
                return Executions(
                    room, runtime, store, kept, feeds, config.attach, resets.reset_all, kept_secrets, omit
                )

            await _first_notebook(store, kept, data)
            sweep = sweep_with(store, kept)
            rooms = await stack.enter_async_context(Rooms(store, runs_of, config.room_grace_s, sweep=sweep).running())
            resets.rooms = rooms
            auth = Auth(store, data.token, data.secret)
            doors = Ports(gateway, auth, store)
            stack.push_async_callback(doors.close)
            yield {"services": Services(config, store, kept, rooms, auth, kept_secrets, doors), "ports": doors}

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: errors.on_http_exception,
            StoreError: errors.on_store_error,
            Exception: errors.on_error,
        },
    )
    # A redirect to the address without its slash would name the scheme that a proxy spoke with us.
    app.router.redirect_slashes = False
    return Origins(app, config)


async def _first_notebook(store: Any, kept: Blobs, data: Data) -> None:
    """A new server greets with one notebook; whoever deletes it does not get it again."""
    if not data.is_new:
        return
    await imports.import_notebook(store, kept, imports.WELCOME.read_bytes(), "Welcome")
    data.is_new = False
