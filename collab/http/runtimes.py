"""The runtime of a notebook: what can be chosen, what it used, and what it has executed (docs/runtime.md)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab import notebook
from collab.auth import Caller
from collab.executions import Executions
from collab.http._request import access_of, services_of
from collab.model import NotebookId, Role
from collab.room import Room
from collab.runtime import Device, Gpus, RuntimeFailed
from collab.services import Services
from collab.takeover import cell_of_run
from collab.usage import read_usage
from collab.wishes import read_wishes

_MAX_RUNS: Final = 200
_NEWEST: Final = 2**63 - 1


async def choices(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.RUNNER, "Choosing the runtime")
    async with services.rooms.use(access.notebook.id) as room:
        runs = _runs_of(room)
        try:
            specs, gpus = await runs.runtime.specs(), await runs.runtime.gpus()
        except RuntimeFailed as error:
            raise HTTPException(503, str(error)) from error
        attached = runs.attachment.server
        body = {
            "kernels": [asdict(spec) for spec in specs],
            "chosen": {"kernel": notebook.kernelspec(room.doc), **asdict(read_wishes(room.doc))},
            "attached": attached.url if attached is not None else "",
            "may_attach": access.role is Role.OWNER and runs.attachment.is_possible,
            "gpus": None if gpus is None else await _gpus(services, access.caller, room, gpus),
        }
    return JSONResponse(body)


async def _gpus(services: Services, caller: Caller, room: Room, gpus: Gpus) -> Mapping[str, Any]:
    """Everyone may see that a device is held; whose it is, only who may see that Notebook (kernels.md G3)."""
    kernels = await services.store.kernels()
    titles: dict[str, str] = {}
    for kernel in {kernel for device in gpus.devices for kernel, _ in device.held}:
        id = kernels.get(kernel)
        row = await services.store.notebook(id) if id is not None else None
        if id is not None and row is not None and await services.auth.role(caller, id) is not None:
            titles[kernel] = row.title
    return {"devices": [_device(device, room.id, kernels, titles) for device in gpus.devices], "waiting": gpus.waiting}


def _device(
    device: Device, here: NotebookId, kernels: Mapping[str, NotebookId], titles: Mapping[str, str]
) -> Mapping[str, Any]:
    return {
        "uuid": device.uuid,
        "name": device.name,
        "memory_total_bytes": device.memory_total_bytes,
        "free_fraction": device.free_fraction,
        "held": [
            {
                "fraction": share.fraction,
                "memory_bytes": share.memory_bytes,
                "here": kernels.get(kernel) == here,
                "title": titles.get(kernel),
                "notebook": kernels.get(kernel) if kernel in titles else None,
            }
            for kernel, share in device.held
        ],
    }


async def usage(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.VIEWER, "Seeing what the runtime uses")
    async with services.rooms.use(access.notebook.id) as room:
        runs = _runs_of(room)
        kernel = runs.kernel
        try:
            samples = await runs.runtime.usage(kernel.id) if kernel is not None else ()
        except RuntimeFailed as error:
            raise HTTPException(503, str(error)) from error
    read = [sample for value in samples if (sample := read_usage(value, cell_of_run)) is not None]
    return JSONResponse(
        {
            "samples": [asdict(sample) for sample in read],
            "limits": asdict(kernel.limits) if kernel is not None and kernel.limits is not None else None,
            "gpus": [asdict(gpu) for gpu in kernel.gpus] if kernel is not None else [],
        }
    )


async def executed(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.VIEWER, "Seeing what was run")
    limit = _number(request, "limit", 50, _MAX_RUNS)
    before = _number(request, "before", _NEWEST, _NEWEST)
    found = await services.store.runs(access.notebook.id, before, limit + 1)
    runs = [{key: value for key, value in asdict(run).items() if key != "run"} for run in found[:limit]]
    return JSONResponse({"runs": runs, "more": len(found) > limit})


def _runs_of(room: Room) -> Executions:
    if not isinstance(room.runs, Executions):
        raise HTTPException(503, "This server has no runtime.")
    return room.runs


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= most:
        bound = "" if most == _NEWEST else f" and at most {most}"
        raise HTTPException(400, f"'{name}' is a whole number of at least 1{bound}.")
    return int(text)


routes = [
    Route("/api/notebooks/{id}/runtime", choices),
    Route("/api/notebooks/{id}/runtime/usage", usage),
    Route("/api/notebooks/{id}/runs", executed),
]
