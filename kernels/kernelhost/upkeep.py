"""What goes on beside the kernels: their meters, when they end, their resets and quotas. Put together here, and told to
whoever asks for a kernel's model."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import anyio

from kernelhost.config import Config
from kernelhost.culling import WORK_PERCENT, Culler
from kernelhost.kernels import Kernels
from kernelhost.machine import sample_machine
from kernelhost.meters import Meters, Notice
from kernelhost.metrics import Metrics, Scene
from kernelhost.resets import Resets

_MAX_ENDED: Final = 1_000


class Upkeep:
    """Use `run()` in a task group."""

    def __init__(self, config: Config, kernels: Kernels) -> None:
        self._kernels = kernels
        self._ended: OrderedDict[str, str] = OrderedDict()
        gpus = kernels.gpus
        self.meters = Meters(lambda: list(kernels.all), lambda: sample_machine(config.root, gpus.machine), gpus.used)
        self.culler = Culler(
            config.culling,
            lambda: kernels.all,
            lambda kernel: self.meters.works(kernel, config.culling.work_over_s, WORK_PERCENT),
            self.meters.notify,
            self._end,
            config.extend_lifetime,
        )
        self.resets = Resets(config.root, lambda: kernels.all)
        self.metrics = Metrics(self._scene)
        kernels.noticed = self._notice
        kernels.extras = self._extras
        kernels.ended = self.metrics.count_death
        kernels.asked = self.metrics.count_start

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.meters.run)
            tasks.start_soon(self.culler.run)
            tasks.start_soon(self._kernels.gpus.watch, self)

    # -- the watch over GPUs ------------------------------------------------------------------------------------------

    def members(self) -> Mapping[int, str]:
        return self.meters.owners()

    def roots(self) -> Mapping[int, str]:
        """The kernel of each process that is one's own: of its host, and of those that left that one's tree."""
        return {**self.meters.owners(), **{kernel.pid: kernel.id for kernel in self._kernels.all if kernel.pid}}

    async def gpu_overused(self, kernel: str, sentence: str) -> None:
        if (found := self._kernels.get(kernel)) is not None:
            found.notice("gpu", sentence)
            await found.interrupt()

    async def gpu_stopped(self, kernel: str, sentence: str) -> None:
        if (found := self._kernels.get(kernel)) is not None:
            found.stop_for(sentence)

    # -----------------------------------------------------------------------------------------------------------------

    def why_ended(self, kernel: str) -> str | None:
        """Of a kernel that was ended here, for who asks for it later."""
        return self._ended.get(kernel)

    def _extras(self, kernel: str) -> dict[str, object]:
        usage = self.meters.last(kernel)
        return self.culler.model(kernel) | ({"usage": usage.json()} if usage is not None else {})

    def _notice(self, kernel: str, kind: str, text: str) -> None:
        if kind in ("died", "restarted"):
            self.metrics.count_death(text)
        self.meters.notify(Notice(kernel, kind, text))

    def _end(self, kernel: str, reason: str) -> None:
        self._ended[kernel] = reason
        if len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)
        self._kernels.remove(kernel, reason)

    def _scene(self) -> Scene:
        kernels = self._kernels.all
        reports = {kernel.id: self.meters.report(kernel.id) for kernel in kernels}
        return Scene(
            {kernel.id: kernel.state for kernel in kernels},
            sum(len(kernel.clients) for kernel in kernels),
            {id: report for id, report in reports.items() if report is not None},
            self.meters.all(),
            self.meters.machine,
            self._kernels.gpus.promised(),
            self._kernels.gpus.waiting,
        )
