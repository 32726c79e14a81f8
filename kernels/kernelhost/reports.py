"""What kernels and the machine use, over REST and the feed's WebSocket; none of it is in Jupyter's contract."""

from typing import Final, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from kernelhost.auth import is_allowed, is_own_origin
from kernelhost.feed import serve_feed
from kernelhost.handlers import config_of, failure, signed_in, with_kernel
from kernelhost.link import Link
from kernelhost.meters import Meters
from kernelhost.metrics import CONTENT_TYPE
from kernelhost.resources import all_kernels, colab, one_kernel
from kernelhost.upkeep import Upkeep

MAX_READERS: Final = 64
_BLIND: Final = "The machine's usage cannot be sampled; the gateway's log says why."


def meters_of(request: Request | WebSocket) -> Meters:
    return cast(Upkeep, request.state.upkeep).meters


async def kernel_usage(request: Request, kernel: Link) -> Response:
    meters = await looked_at(request)
    samples = [sample.json() for sample in meters.samples(kernel.id)]
    return JSONResponse({"samples": samples, "limits": kernel.model().get("limits")})


async def usage(request: Request) -> Response:
    meters = await looked_at(request)
    machine = meters.machine.json() if meters.machine is not None else None
    return JSONResponse({"machine": machine, "kernels": {id: sample.json() for id, sample in meters.all().items()}})


async def feed(socket: WebSocket) -> None:
    config, meters = config_of(socket), meters_of(socket)
    if not is_own_origin(socket, config.origins) or not is_allowed(socket, config.token):
        await socket.send_denial_response(failure(403, "This gateway needs its token."))
        return
    if meters.readers >= MAX_READERS:
        sentence = f"The feed has {MAX_READERS} readers, as many as may be; close one first."
        await socket.send_denial_response(failure(403, sentence))
        return
    socket.state.activity()
    await serve_feed(socket, meters)


async def prometheus(request: Request) -> Response:
    return Response(cast(Upkeep, request.state.upkeep).metrics.text(), media_type=CONTENT_TYPE)


async def resource_usage(request: Request) -> Response:
    meters = await looked_at(request)
    if meters.machine is None:
        return failure(503, _BLIND)
    return JSONResponse(all_kernels(meters.machine, meters.all()))


async def resource_usage_of_one(request: Request, kernel: Link) -> Response:
    meters = await looked_at(request)
    report = meters.report(kernel.id)
    pid = report.pids[0] if report is not None and report.pids else None
    return JSONResponse(one_kernel(kernel.id, pid, meters.last(kernel.id), meters.machine))


async def colab_resources(request: Request) -> Response:
    meters = await looked_at(request)
    if meters.machine is None:
        return failure(503, _BLIND)
    used = frozenset(gpu.uuid for usage in meters.all().values() for gpu in usage.gpus)
    return JSONResponse(colab(meters.machine, used))


async def looked_at(request: Request) -> Meters:
    """The meters, awake and with a first sample of the machine."""
    meters = meters_of(request)
    meters.look()
    await meters.ready.wait()
    return meters


routes: list[BaseRoute] = [
    Route("/api/kernels/{id}/usage", with_kernel(kernel_usage)),
    Route("/api/usage", signed_in(usage)),
    WebSocketRoute("/api/feed", feed),
    Route("/metrics", signed_in(prometheus)),
    Route("/api/metrics/v1", signed_in(resource_usage)),
    Route("/api/metrics/v1/kernel_usage/get_usage/{id}", with_kernel(resource_usage_of_one)),
    Route("/api/colab/resources", signed_in(colab_resources)),
]
