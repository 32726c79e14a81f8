"""REST calls that keep a kernel, or give it back as new: extend, reset, reset all. Not in Jupyter's contract."""

from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kernelhost.body import BadBody, read_body
from kernelhost.culling import NotExtended
from kernelhost.emptying import NotEmptied
from kernelhost.handlers import failure, kernels_of, signed_in, with_kernel
from kernelhost.kernel import KernelFailed
from kernelhost.link import Link
from kernelhost.quotas import TooOften
from kernelhost.resets import FolderInUse
from kernelhost.upkeep import Upkeep


def upkeep_of(request: Request) -> Upkeep:
    return cast(Upkeep, request.state.upkeep)


async def extend(request: Request, kernel: Link) -> Response:
    try:
        upkeep_of(request).culler.extend(kernel.id)
    except NotExtended as error:
        return failure(403, str(error))
    return Response(status_code=204)


async def reset(request: Request, kernel: Link) -> Response:
    try:
        body = await read_body(request)
        await upkeep_of(request).resets.reset(kernel, body.get("folder") is True)
    except BadBody as error:
        return failure(error.status, str(error))
    except TooOften as error:
        return too_often(error)
    except FolderInUse as error:
        return failure(409, str(error))
    except (KernelFailed, NotEmptied) as error:
        return failure(500, str(error))
    return JSONResponse(kernel.model())


async def reset_all(request: Request) -> Response:
    try:
        body = await read_body(request)
        failed = await upkeep_of(request).resets.reset_all(body.get("folder") is True)
    except BadBody as error:
        return failure(error.status, str(error))
    except TooOften as error:
        return too_often(error)
    models = [kernel.model() for kernel in kernels_of(request).all]
    return JSONResponse({"kernels": models} | ({"failed": failed} if failed else {}))


def too_often(error: TooOften) -> Response:
    return failure(429, str(error), headers={"Retry-After": str(error.retry_after_s)})


routes: list[BaseRoute] = [
    Route("/api/kernels/{id}/extend", with_kernel(extend), methods=["POST"]),
    Route("/api/kernels/{id}/reset", with_kernel(reset), methods=["POST"]),
    Route("/api/reset", signed_in(reset_all), methods=["POST"]),
]
