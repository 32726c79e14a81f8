"""Jupyter's kernel REST contract (kernels.md section 3). Errors are JSON: `{"message": one sentence, "reason"}`."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from kernelhost.auth import is_allowed, is_own_origin
from kernelhost.body import BadBody, read_body, text_of
from kernelhost.channels import Channels
from kernelhost.config import Config
from kernelhost.gpus.gpus import NoneFree, TooMuch
from kernelhost.kernel import KernelFailed
from kernelhost.kernels import Full, IdTaken, Kernels, NoSpec
from kernelhost.link import Link
from kernelhost.quotas import TooOften

# The jupyter_server whose contract this is; VS Code reads it.
_CONTRACT: Final = "2.21.1"
_RESOURCES: Final = ("api", "kernels", "kernelspecs", "sessions", "terminals")

Handler = Callable[[Request], Awaitable[Response]]


def kernels_of(request: Request | WebSocket) -> Kernels:
    return cast(Kernels, request.state.kernels)


def config_of(request: Request | WebSocket) -> Config:
    return cast(Config, request.state.config)


def failure(
    status: int, sentence: str, headers: Mapping[str, str] | None = None, reason: str | None = None
) -> Response:
    return JSONResponse({"message": sentence, "reason": reason}, status, headers=headers)


def signed_in(handler: Handler) -> Handler:
    async def checked(request: Request) -> Response:
        if not is_allowed(request, config_of(request).token):
            return failure(403, "This gateway needs its token: send 'Authorization: token ...'.")
        request.state.activity()
        return await handler(request)

    return checked


async def version(request: Request) -> Response:
    return JSONResponse({"version": _CONTRACT})


async def root(request: Request) -> Response:
    return PlainTextResponse("A Jupyter kernel gateway.\n")


async def status(request: Request) -> Response:
    kernels = kernels_of(request)
    active = [kernel.last_activity for kernel in kernels.all]
    return JSONResponse(
        {
            "started": kernels.started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "last_activity": max([*active, kernels.started]).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "connections": sum(len(kernel.clients) for kernel in kernels.all),
            "kernels": len(kernels.all),
        }
    )


async def me(request: Request) -> Response:
    """Who shows the token may do all that there is to do here."""
    name = "kernelhost"
    identity = {
        "username": name,
        "name": name,
        "display_name": name,
        "initials": "K",
        "avatar_url": None,
        "color": None,
    }
    try:
        asked: object = json.loads(request.query_params.get("permissions", "{}"))
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not all(
        isinstance(actions, list) and all(isinstance(action, str) for action in actions) for actions in asked.values()
    ):
        return failure(400, "The permissions should be a JSON dict of lists of actions.")
    granted = {resource: actions if resource in _RESOURCES else [] for resource, actions in asked.items()}
    return JSONResponse({"identity": identity, "permissions": granted})


async def specs(request: Request) -> Response:
    found = kernels_of(request).specs
    return JSONResponse({"default": found.default(), "kernelspecs": found.entries()})


async def spec(request: Request) -> Response:
    name = request.path_params["name"]
    entry = kernels_of(request).specs.entry(name)
    return JSONResponse(entry) if entry else failure(404, f"There is no kernel '{name:.60}'.")


async def spec_file(request: Request) -> Response:
    path = kernels_of(request).specs.resource(request.path_params["name"], request.path_params["file"])
    return FileResponse(path) if path else failure(404, "There is no such file.")


async def listing(request: Request) -> Response:
    return JSONResponse([kernel.model() for kernel in kernels_of(request).all])


async def start(request: Request) -> Response:
    try:
        value = await read_body(request)
        name, id, path = (text_of(value, field) for field in ("name", "kernel_id", "path"))
        environment = value.get("env") or {}
        if not isinstance(environment, dict):
            raise BadBody("The field 'env' is an object.")
        kernel = await kernels_of(request).start(name, id, path, environment)
    except BadBody as error:
        return failure(error.status, str(error))
    except (NoSpec, ValueError, IdTaken, Full, TooOften, KernelFailed) as error:
        return start_failure(error)
    return JSONResponse(kernel.model(), 201, headers={"Location": f"/api/kernels/{kernel.id}"})


def start_failure(error: Exception) -> Response:
    """The answer to what Kernels.start raises."""
    if isinstance(error, IdTaken):
        return failure(409, str(error))
    if isinstance(error, TooOften):
        return failure(429, str(error), headers={"Retry-After": str(error.retry_after_s)})
    if isinstance(error, NoneFree):
        return none_free(error)
    if isinstance(error, TooMuch):
        return failure(403, str(error))
    if isinstance(error, Full):
        return failure(503, str(error), headers={"Retry-After": "30"})
    return failure(503 if isinstance(error, KernelFailed) else 400, str(error))


def none_free(error: NoneFree) -> Response:
    value = {"message": str(error), "reason": "gpu_queue", "position": error.position}
    return JSONResponse(value, 503, headers={"Retry-After": str(error.retry_after_s)})


def with_kernel(handler: Callable[[Request, Link], Awaitable[Response]]) -> Handler:
    async def found(request: Request) -> Response:
        id = request.path_params["id"]
        kernel = kernels_of(request).get(id)
        return no_kernel(request) if kernel is None else await handler(request, kernel)

    return signed_in(found)


def no_kernel(request: Request) -> Response:
    id = request.path_params["id"]
    return failure(404, f"Kernel does not exist: {id:.60}", reason=request.state.upkeep.why_ended(id))


async def get(request: Request, kernel: Link) -> Response:
    return JSONResponse(kernel.model())


async def delete(request: Request) -> Response:
    """Of one that only waits for a GPU too: it gives up its place."""
    kernels, id = kernels_of(request), request.path_params["id"]
    left = kernels.gpus.leave(id)
    if kernels.get(id) is None and not left:
        return no_kernel(request)
    kernels.remove(id)
    return Response(status_code=204)


async def gpus(request: Request) -> Response:
    kernels = kernels_of(request)
    kernels.settle_gpus()
    return JSONResponse(kernels.gpus.listing())


async def interrupt(request: Request, kernel: Link) -> Response:
    await kernel.interrupt()
    return Response(status_code=204)


async def restart(request: Request, kernel: Link) -> Response:
    try:
        await kernel.restart()
    except NoneFree as error:
        return none_free(error)
    except KernelFailed as error:
        return failure(500, str(error))
    return JSONResponse(kernel.model())


async def channels(socket: WebSocket) -> None:
    config = config_of(socket)
    kernel = kernels_of(socket).get(socket.path_params["id"])
    session = socket.query_params.get("session_id", "")
    if not is_own_origin(socket, config.origins) or not is_allowed(socket, config.token):
        await socket.send_denial_response(failure(403, "This gateway needs its token."))
    elif kernel is None:
        await socket.send_denial_response(failure(404, f"Kernel does not exist: {socket.path_params['id']:.60}"))
    elif len({client.session for client in kernel.clients} - {session}) >= config.max_sockets:
        sentence = f"This kernel has {config.max_sockets} connections, as many as may be; close one first."
        await socket.send_denial_response(failure(403, sentence))
    else:
        socket.state.activity()
        client = Channels(socket, session, config.binary)
        await client.serve(kernel, socket.query_params.get("after"))


async def nothing(request: Request) -> Response:
    return failure(404, "There is nothing at this address.")


routes: list[BaseRoute] = [
    Route("/", root),
    Route("/api", version),
    Route("/api/status", signed_in(status)),
    Route("/api/me", signed_in(me)),
    Route("/api/kernelspecs", signed_in(specs)),
    Route("/api/kernelspecs/{name}", signed_in(spec)),
    Route("/kernelspecs/{name}/{file}", signed_in(spec_file)),
    Route("/api/gpus", signed_in(gpus)),
    Route("/api/kernels", signed_in(listing)),
    Route("/api/kernels", signed_in(start), methods=["POST"]),
    Route("/api/kernels/{id}", with_kernel(get)),
    Route("/api/kernels/{id}", signed_in(delete), methods=["DELETE"]),
    Route("/api/kernels/{id}/interrupt", with_kernel(interrupt), methods=["POST"]),
    Route("/api/kernels/{id}/restart", with_kernel(restart), methods=["POST"]),
    WebSocketRoute("/api/kernels/{id}/channels", channels),
    Route("/{rest:path}", nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
