"""What kernels and the machine use, over REST and the feed's WebSocket; none of it is in Jupyter's contract."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from kernelhost.auth import is_allowed, is_own_origin
from kernelhost.feed import serve_feed
from kernelhost.handlers import config_of, failure, signed_in, with_kernel
from kernelhost.kernel import Kernel
from kernelhost.meters import Meters


def meters_of(request: Request | WebSocket) -> Meters:
    meters = request.state.meters
    assert isinstance(meters, Meters)
    return meters


async def kernel_usage(request: Request, kernel: Kernel) -> Response:
    meters = meters_of(request)
    meters.look()
    samples = [sample.json() for sample in meters.samples(kernel.id)]
    return JSONResponse({"samples": samples, "limits": kernel.model().get("limits")})


async def usage(request: Request) -> Response:
    meters = meters_of(request)
    meters.look()
    machine = meters.machine.json() if meters.machine is not None else None
    return JSONResponse({"machine": machine, "kernels": {id: sample.json() for id, sample in meters.all().items()}})


async def feed(socket: WebSocket) -> None:
    config = config_of(socket)
    if not is_own_origin(socket, config.origins) or not is_allowed(socket, config.token):
        await socket.send_denial_response(failure(403, "This gateway needs its token."))
        return
    socket.state.activity()
    await serve_feed(socket, meters_of(socket))


routes: list[BaseRoute] = [
    Route("/api/kernels/{id}/usage", with_kernel(kernel_usage)),
    Route("/api/usage", signed_in(usage)),
    WebSocketRoute("/api/feed", feed),
]
