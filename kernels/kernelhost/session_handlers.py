"""`/api/sessions`, as jupyter_server has it: stock clients start kernels by it (kernels.md section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kernelhost.body import BadBody, read_body, text_of
from kernelhost.handlers import config_of, failure, kernels_of, signed_in, start_failure
from kernelhost.ids import KERNEL_ID
from kernelhost.kernel import KernelFailed
from kernelhost.kernels import Full, IdTaken, NoSpec
from kernelhost.quotas import TooOften
from kernelhost.sessions import Session, Sessions, TooManySessions


@dataclass(frozen=True, slots=True)
class Wish:
    """What a body asks for; empty is what it does not speak of."""

    path: str
    name: str
    type: str
    kernel_id: str
    kernel_name: str


def read_wish(value: Mapping[str, object]) -> Wish:
    """Raises BadBody. The oldest clients have the path in `notebook`."""
    notebook, kernel = value.get("notebook"), value.get("kernel") or {}
    if not isinstance(kernel, dict):
        raise BadBody("The field 'kernel' is an object with an 'id' or a 'name'.")
    path, kind = text_of(value, "path"), text_of(value, "type")
    if isinstance(notebook, dict):
        path, kind = text_of(notebook, "path") or text_of(notebook, "name") or path, "notebook"
    return Wish(path, text_of(value, "name"), kind, text_of(kernel, "id"), text_of(kernel, "name"))


def folder_of(root: Path, path: str) -> str:
    """Below `root` the folder that a session's path is in, or the nearest above it that there is: a path may name
    nothing at all."""
    folder = PurePosixPath(path.strip("/")).parent
    while folder.name and not (root / folder).is_dir():
        folder = folder.parent
    return str(folder)


async def listing(request: Request) -> Response:
    return JSONResponse([_model(request, session) for session in sessions_of(request).all])


async def create(request: Request) -> Response:
    sessions = sessions_of(request)
    try:
        wish = read_wish(await read_body(request))
        if not wish.path or not wish.type:
            return failure(400, f"The field '{'type' if wish.path else 'path'}' is missing.")
        async with sessions.alone(wish.path):
            session = sessions.of_path(wish.path)
            if session is None:
                sessions.check_room()
                kernel = await _kernel(request, wish, wish.path)
                session = sessions.add(wish.path, wish.name, wish.type, kernel)
    except BadBody as error:
        return failure(error.status, str(error))
    except TooManySessions as error:
        return failure(503, str(error), headers={"Retry-After": "30"})
    except NoSpec as error:
        return JSONResponse({"message": str(error), "short_message": f"{wish.kernel_name} not found"}, 501)
    except (ValueError, IdTaken, Full, TooOften, KernelFailed) as error:
        return start_failure(error)
    return JSONResponse(_model(request, session), 201, headers={"Location": f"/api/sessions/{session.id}"})


async def get(request: Request) -> Response:
    session = _found(request)
    return JSONResponse(_model(request, session)) if session is not None else _unknown(request)


async def change(request: Request) -> Response:
    session = _found(request)
    if session is None:
        return _unknown(request)
    sessions, kernels = sessions_of(request), kernels_of(request)
    try:
        wish = read_wish(await read_body(request))
        kernel = session.kernel
        if wish.kernel_id:
            if kernels.get(wish.kernel_id) is None:
                return failure(400, f"No such kernel: {wish.kernel_id:.60}")
            kernel = wish.kernel_id
        elif wish.kernel_name:
            kernel = await _kernel(request, wish, wish.path or session.path)
    except BadBody as error:
        return failure(error.status, str(error))
    except NoSpec as error:
        return JSONResponse({"message": str(error), "short_message": f"{wish.kernel_name} not found"}, 501)
    except (ValueError, IdTaken, Full, TooOften, KernelFailed) as error:
        return start_failure(error)
    present = sessions.get(session.id)
    if present is None:  # it was closed while its new kernel started
        if not wish.kernel_id and kernel != session.kernel:
            kernels.remove(kernel)
        return _unknown(request)
    path, name, kind = wish.path or present.path, wish.name or present.name, wish.type or present.type
    changed = replace(present, path=path, name=name, type=kind, kernel=kernel)
    sessions.put(changed)
    if kernel != present.kernel:
        kernels.remove(present.kernel)
    return JSONResponse(_model(request, changed))


async def close(request: Request) -> Response:
    sessions, kernels = sessions_of(request), kernels_of(request)
    session = sessions.get(request.path_params["id"])
    if session is None:
        return _unknown(request)
    sessions.remove(session.id)
    if kernels.get(session.kernel) is None:
        return failure(410, "The session's kernel had ended before it.")
    kernels.remove(session.kernel)
    return Response(status_code=204)


async def _kernel(request: Request, wish: Wish, path: str) -> str:
    """One that runs already, or a new one in the path's folder; an id that can be no kernel's is not heeded, as old
    clients make one up. Raises what Kernels.start does."""
    kernels = kernels_of(request)
    if wish.kernel_id and kernels.get(wish.kernel_id) is not None:
        return wish.kernel_id
    folder = folder_of(config_of(request).root, path)
    id = wish.kernel_id if KERNEL_ID.fullmatch(wish.kernel_id) else ""
    return (await kernels.start(wish.kernel_name, id, folder, {})).id


def sessions_of(request: Request) -> Sessions:
    return cast(Sessions, request.state.sessions)


def _found(request: Request) -> Session | None:
    session = sessions_of(request).get(request.path_params["id"])
    return session if session is not None and kernels_of(request).get(session.kernel) is not None else None


def _model(request: Request, session: Session) -> dict[str, object]:
    kernel = kernels_of(request).get(session.kernel)
    # It can end between one step and the next; what is said then is that it is dead.
    return session.model(kernel.model() if kernel is not None else {"id": session.kernel, "execution_state": "dead"})


def _unknown(request: Request) -> Response:
    return failure(404, f"Session not found: {request.path_params['id']:.60}")


routes: list[BaseRoute] = [
    Route("/api/sessions", signed_in(listing)),
    Route("/api/sessions", signed_in(create), methods=["POST"]),
    Route("/api/sessions/{id}", signed_in(get)),
    Route("/api/sessions/{id}", signed_in(change), methods=["PATCH"]),
    Route("/api/sessions/{id}", signed_in(close), methods=["DELETE"]),
]
