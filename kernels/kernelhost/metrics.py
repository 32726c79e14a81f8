"""Prometheus metrics. Counters are kept here; gauges are read when somebody scrapes, of the kernels there are then, so
that a label never outlives its kernel."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kernelhost.machine import Machine
from kernelhost.usage import Report, Usage

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_STATES: Final = ("starting", "idle", "busy", "restarting", "dead")
_START_BUCKETS_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)
# By how the reason of a death begins or what it has in it; reasons themselves are without number, and no label.
_CAUSES: Final = (
    ("idle", "Idle for"),
    ("lifetime", "lifetime of"),
    ("memory", "Out of memory"),
    ("gpu", "of GPU memory"),
    ("stopped", "was shut down"),
    ("killed", "killed from outside"),
    ("crashed", "crashed in native code"),
    ("signal", "ended by signal"),
    ("exited", "ended by its own code"),
    ("not started", "could not be started"),
    ("host", "hosts the kernel"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is when somebody scrapes; mappings are by kernel. `gpus` by device: bytes promised."""

    states: Mapping[str, str]
    connections: int
    reports: Mapping[str, Report]
    usages: Mapping[str, Usage]
    machine: Machine | None
    gpus: Mapping[str, int]
    gpu_queue: int


class Metrics:
    """`scene` is asked at each scrape."""

    def __init__(self, scene: Callable[[], Scene]) -> None:
        self._scene = scene
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._starts = Counter("kernelhost_starts", "Kernels asked for", ["outcome"], registry=self._registry)
        self._start_s = Histogram(
            "kernelhost_start_seconds",
            "From the request for a kernel until it answers",
            buckets=_START_BUCKETS_S,
            registry=self._registry,
        )
        self._deaths = Counter("kernelhost_deaths", "Kernels that ended, by cause", ["cause"], registry=self._registry)
        for cause in [cause for cause, _ in _CAUSES] + ["other"]:
            self._deaths.labels(cause)
        for outcome in ("started", "failed"):
            self._starts.labels(outcome)

    def count_start(self, seconds: float | None) -> None:
        """How long it took; None for one that failed."""
        self._starts.labels("failed" if seconds is None else "started").inc()
        if seconds is not None:
            self._start_s.observe(seconds)

    def count_death(self, reason: str) -> None:
        self._deaths.labels(cause_of(reason)).inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client."""
        scene = self._scene()
        states = [(("state", state), sum(value == state for value in scene.states.values())) for state in _STATES]
        yield _gauge("kernelhost_kernels", "Kernels there are", states)
        yield GaugeMetricFamily("kernelhost_connections", "Clients connected to kernels", scene.connections)
        reports = scene.reports
        yield _by_kernel("held_requests", "Requests that wait for their turn", {k: r.held for k, r in reports.items()})
        yield _by_kernel(
            "journal_bytes", "Output kept for clients that are away", {k: r.journal_bytes for k, r in reports.items()}
        )
        dropped = CounterMetricFamily(
            "kernelhost_kernel_dropped_bytes", "Output dropped at the journal's bound", labels=["kernel"]
        )
        for kernel, report in reports.items():
            dropped.add_metric([kernel], report.dropped_bytes)
        yield dropped
        usages = scene.usages
        yield _by_kernel("cpu_percent", "Of one core", {k: u.cpu_percent for k, u in usages.items()})
        yield _by_kernel("memory_bytes", "Of all its processes", {k: u.memory_bytes for k, u in usages.items()})
        yield _by_kernel("processes", "Processes it has", {k: u.processes for k, u in usages.items()})
        disks = {k: u.disk_bytes for k, u in usages.items() if u.disk_bytes is not None}
        yield _by_kernel("disk_bytes", "Of its working folder", disks)
        gpu_memory = GaugeMetricFamily(
            "kernelhost_kernel_gpu_memory_bytes", "GPU memory its processes use", labels=["kernel", "gpu"]
        )
        for kernel, usage in usages.items():
            for gpu in usage.gpus:
                gpu_memory.add_metric([kernel, gpu.uuid], gpu.memory_bytes)
        yield gpu_memory
        promised = [(("gpu", uuid), size) for uuid, size in scene.gpus.items()]
        yield _gauge("kernelhost_gpu_promised_bytes", "GPU memory promised to kernels", promised)
        yield GaugeMetricFamily("kernelhost_gpu_queue", "Kernels that wait for a GPU", scene.gpu_queue)
        if scene.machine is not None:
            yield from _of_machine(scene.machine)


def cause_of(reason: str) -> str:
    return next((cause for cause, words in _CAUSES if words in reason), "other")


def _of_machine(machine: Machine) -> Iterator[Metric]:
    yield GaugeMetricFamily("kernelhost_machine_cpu_percent", "Of all cores together", machine.cpu_percent)
    yield GaugeMetricFamily("kernelhost_machine_memory_bytes", "In use", machine.memory_bytes)
    yield GaugeMetricFamily("kernelhost_machine_memory_total_bytes", "There are", machine.memory_total_bytes)
    yield GaugeMetricFamily("kernelhost_machine_disk_bytes", "In use where kernels work", machine.disk_bytes)
    yield GaugeMetricFamily("kernelhost_machine_disk_total_bytes", "There are", machine.disk_total_bytes)
    memory = [(("gpu", gpu.uuid), gpu.memory_bytes) for gpu in machine.gpus]
    yield _gauge("kernelhost_gpu_memory_bytes", "GPU memory in use", memory)
    load = [(("gpu", gpu.uuid), gpu.utilisation) for gpu in machine.gpus if gpu.utilisation is not None]
    yield _gauge("kernelhost_gpu_utilisation_percent", "GPU in use", load)


def _by_kernel(name: str, about: str, values: Mapping[str, float]) -> Metric:
    return _gauge(f"kernelhost_kernel_{name}", about, [(("kernel", kernel), value) for kernel, value in values.items()])


def _gauge(name: str, about: str, values: Iterable[tuple[tuple[str, str], float]]) -> Metric:
    values = list(values)
    family = GaugeMetricFamily(name, about, labels=[values[0][0][0]] if values else ["of"])
    for (_, value_of), value in values:
        family.add_metric([value_of], value)
    return family
