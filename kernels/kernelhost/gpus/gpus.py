"""Gives GPUs to kernels: finds the devices, keeps ledger and line, and watches that nobody takes more than its part."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import anyio

from kernelhost.gpus.grant import NOTHING, Grant, variables
from kernelhost.gpus.groups import Groups
from kernelhost.gpus.ledger import Ledger
from kernelhost.gpus.line import MAX_WAITING, Line, LineFull
from kernelhost.gpus.mps import running_mps
from kernelhost.gpus.nvml import Device, Nvml, NvmlFailed
from kernelhost.gpus.overuse import Interrupt, Overuse, Stop
from kernelhost.gpus.policy import DEFAULT, Policy, allowed, size_of
from kernelhost.gpus.sample import Sample, sample
from kernelhost.gpus.wish import BadWish, Wish, gib, read_wish
from kernelhost.kernel import KernelFailed
from kernelhost.machine import Device as DeviceUsage
from kernelhost.usage import GpuUsage

log = logging.getLogger(__name__)

_SAMPLE_EVERY_S: Final = 1.0
_RETRY_AFTER_S: Final = 10


class TooMuch(ValueError):
    """No kernel may have this, now or later; the message is one sentence."""


class NoneFree(KernelFailed):
    """Who asks again gets one by and by; the message says so. `position` counts from 1, None without a place."""

    def __init__(self, sentence: str, position: int | None) -> None:
        super().__init__(sentence)
        self.position = position
        self.retry_after_s = _RETRY_AFTER_S


class Watched(Protocol):
    """The kernels, to the watch."""

    def roots(self) -> Mapping[int, str]:
        """The kernel of each process that is the first of one: all that it starts are its."""

    def members(self) -> Mapping[int, str]:
        """The kernel of each process that is a kernel's, without those of ours."""

    async def gpu_overused(self, kernel: str, sentence: str) -> None:
        """Tells the people of a kernel, and interrupts it."""

    async def gpu_stopped(self, kernel: str, sentence: str) -> None:
        """Stops it, for this reason."""


class Gpus:
    def __init__(self, nvml: Nvml, policy: Policy = DEFAULT, now: Callable[[], float] = time.monotonic) -> None:
        self._nvml = nvml
        self._policy = policy
        self._now = now
        self._ledger = Ledger(allowed(policy, _devices(nvml)))
        self._line = Line()
        self._overuse = Overuse()
        self._groups = Groups(nvml, os.getpid())
        self._sample = Sample({}, ())
        for device in self._ledger.devices:
            log.info("A GPU is given to kernels", extra={"gpu": device.uuid, "device": device.name})

    @property
    def devices(self) -> tuple[Device, ...]:
        return self._ledger.devices

    def wish(self, env: Mapping[str, object], metadata: Mapping[str, object]) -> Wish | None:
        """What a kernel asks for that is started with these. Raises BadWish, and TooMuch for what nobody may have."""
        if self._policy.devices == "off":
            return None
        asks = any(env.get(name) is not None for name in ("KERNEL_GPUS", "KERNEL_GPU_MEMORY"))
        asks = asks or any(metadata.get(name) is not None for name in ("gpus", "gpu_memory"))
        if not asks:
            return self._policy.unasked if self.devices else None
        wish = read_wish(env, metadata, self._policy.any_is)
        if wish is None:
            return None
        if not self.devices:
            raise BadWish("There is no GPU on this machine: ask for none, with KERNEL_GPUS=0.")
        most = self._policy.most
        if most is not None and size_of(wish) > most:
            raise TooMuch(f"A kernel may have {float(most):g} GPU here, and this one asks for {wish}.")
        if Ledger(self.devices).place(wish, most) is None:
            raise TooMuch(f"No kernel can have {wish} here: {self._inventory()}.")
        return wish

    def take(self, kernel: str, wish: Wish | None, keeps_place: bool = True) -> Grant:
        """First come, first served: nobody passes one who waits for more. A kernel that holds some keeps it.
        `keeps_place` is for a kernel whose id its client knows, and can ask with again. Raises NoneFree."""
        if wish is None:
            return NOTHING
        if kernel in self._ledger.grants:
            return self._ledger.grants[kernel]
        now = self._now()
        ledger = self._ledger.copy()
        ahead = list(self._line.ahead(kernel, now))
        grants = []
        for other, other_wish in ahead:
            grant = ledger.place(other_wish, self._policy.most)
            if grant is not None:
                ledger.hold(other, grant)
            grants.append(grant)
        mine = ledger.place(wish, self._policy.most)
        if mine is None or None in grants:
            raise self._none_free(kernel, wish, keeps_place, len(ahead), now)
        self._line.leave(kernel)
        self._ledger.hold(kernel, mine)
        return mine

    def settle(self, living: Mapping[str, Grant]) -> None:
        """Frees what kernels held that have died, and holds again what kernels have that outlived the gateway, or that
        were dead and live again with nobody having taken it meanwhile. The watch stops those that came too late."""
        for kernel in set(self._ledger.grants) - set(living):
            self._ledger.free(kernel)
        for kernel, grant in living.items():
            if grant.parts and kernel not in self._ledger.grants and self._ledger.has_room(grant):
                self._ledger.hold(kernel, grant)

    def leave(self, kernel: str) -> bool:
        """Gives up its place in the line; False if it had none."""
        return self._line.leave(kernel)

    def grant(self, kernel: str) -> Grant:
        return self._ledger.grants.get(kernel, NOTHING)

    def variables(self, grant: Grant) -> dict[str, str]:
        """For the kernel's environment. A kernel without GPUs sees none; where there are none, or where they are
        nothing to us, nothing is said of them."""
        if not self.devices and not grant.parts:
            return {}
        return variables(grant, running_mps(os.environ) if grant.parts else None)

    def listing(self) -> dict[str, object]:
        """As `GET /api/gpus` has it (G3: everyone may see who holds what)."""
        return {
            "devices": [
                {
                    "uuid": room.device.uuid,
                    "name": room.device.name,
                    "memory_total_bytes": room.device.memory_bytes,
                    "free_fraction": round(float(room.fraction), 4),
                    "held": [
                        {
                            "kernel": kernel,
                            "fraction": round(float(part.fraction), 4),
                            "memory_bytes": part.memory_bytes,
                        }
                        for kernel, part in self._ledger.held(room.device.uuid)
                    ],
                }
                for room in self._ledger.rooms()
            ],
            "queue": [
                {"kernel": kernel, "position": at, "wish": str(wish)}
                for at, (kernel, wish) in enumerate(self._line.waiting(self._now()), start=1)
            ],
        }

    def promised(self) -> dict[str, int]:
        """Bytes, by device."""
        held = self._ledger.held
        return {device.uuid: sum(part.memory_bytes for _, part in held(device.uuid)) for device in self.devices}

    @property
    def waiting(self) -> int:
        """How many kernels stand in line."""
        return len(list(self._line.waiting(self._now())))

    def used(self, kernel: str) -> tuple[GpuUsage, ...]:
        """By a kernel's processes together, at the last sample."""
        return tuple(
            GpuUsage(uuid, process.memory_bytes or 0, process.utilisation)
            for uuid, process in self._sample.used.get(kernel, {}).items()
        )

    def machine(self) -> tuple[DeviceUsage, ...]:
        """All devices, at the last sample."""
        return self._sample.devices

    async def watch(self, kernels: Watched) -> None:
        """Samples once a second, while there are devices."""
        while self.devices:
            await anyio.sleep(_SAMPLE_EVERY_S)
            await self.look(kernels)

    async def look(self, kernels: Watched) -> None:
        """One sample, and what follows from it."""
        roots, members, grants = kernels.roots(), kernels.members(), dict(self._ledger.grants)

        def in_thread() -> Sample:
            self._groups.hold(members, grants)
            return sample(self._nvml, self.devices, roots)

        # A driver in trouble can take seconds.
        self._sample = await anyio.to_thread.run_sync(in_thread, abandon_on_cancel=True)
        memory = {
            kernel: {uuid: process.memory_bytes or 0 for uuid, process in of_kernel.items()}
            for kernel, of_kernel in self._sample.used.items()
        }
        for step in self._overuse.note(memory, self._ledger.grants):
            log.warning("A kernel is over its share of a GPU", extra={"kernel": step.kernel, "what": step.sentence})
            match step:
                case Interrupt():
                    await kernels.gpu_overused(step.kernel, step.sentence)
                case Stop():
                    await kernels.gpu_stopped(step.kernel, step.sentence)

    def _none_free(self, kernel: str, wish: Wish, keeps_place: bool, ahead: int, now: float) -> NoneFree:
        in_use = sum(not room.is_empty for room in self._ledger.rooms())
        sentence = f"No GPU is free: {in_use} of {len(self.devices)} in use."
        if not keeps_place:
            return NoneFree(f"{sentence} {ahead} wait for one; ask with a kernel_id to get a place in line.", None)
        try:
            position = self._line.ask(kernel, wish, now)
        except LineFull:
            return NoneFree(f"{sentence} The line is full, with {MAX_WAITING} waiting; ask again later.", None)
        return NoneFree(f"{sentence} You are {_ordinal(position)} in line.", position)

    def _inventory(self) -> str:
        sizes = ", ".join(gib(device.memory_bytes) for device in self.devices[:8])
        most = self._policy.most
        bound = f", and a kernel may have {float(most):g}" if most is not None else ""
        return f"there {'is 1 GPU' if len(self.devices) == 1 else f'are {len(self.devices)} GPUs'} of {sizes}{bound}"


def _devices(nvml: Nvml) -> list[Device]:
    try:
        return nvml.devices()
    except NvmlFailed as error:
        log.warning("The GPUs cannot be listed, so none is used", extra={"error": str(error)})
        return []


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
