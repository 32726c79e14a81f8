"""Usage in the shapes that other tools' pages show: jupyter-resource-usage's extension of JupyterLab, and Colab's."""

import socket
from collections.abc import Mapping
from typing import Final

import psutil  # type: ignore[import-untyped]

from kernelhost.machine import Machine
from kernelhost.usage import Usage

# The extension shows a warning from here on.
_WARN_BELOW_PART: Final = 0.1


def all_kernels(machine: Machine, kernels: Mapping[str, Usage]) -> dict[str, object]:
    """`/api/metrics/v1`: what all kernels use together, of the machine."""
    used, total = sum(usage.memory_bytes for usage in kernels.values()), machine.memory_total_bytes
    percent = sum(usage.cpu_percent for usage in kernels.values())
    return {
        "rss": used,
        "limits": {
            "memory": {"rss": total, "pss": total, "warn": total - used < total * _WARN_BELOW_PART},
            "cpu": {"cpu": machine.cpu_count, "warn": False},
            "disk": {
                "disk": machine.disk_total_bytes,
                "warn": machine.disk_total_bytes - machine.disk_bytes < machine.disk_total_bytes * _WARN_BELOW_PART,
            },
        },
        "cpu_percent": round(percent, 1),
        "cpu_count": machine.cpu_count,
        "disk_used": machine.disk_bytes,
        "disk_total": machine.disk_total_bytes,
    }


def one_kernel(id: str, pid: int | None, usage: Usage | None, machine: Machine | None) -> dict[str, object]:
    """`/api/metrics/v1/kernel_usage/get_usage/{id}`: as ipykernel answers its `usage_request`."""
    if usage is None or machine is None:
        return {"kernel_id": id, "content": {"reason": "timeout", "timeout_ms": 0}}
    content: dict[str, object] = {
        "hostname": socket.gethostname(),
        "pid": pid,
        "kernel_cpu": usage.cpu_percent,
        "kernel_memory": usage.memory_bytes,
        "cpu_count": machine.cpu_count,
        "host_cpu_percent": machine.cpu_percent,
        "host_virtual_memory": psutil.virtual_memory()._asdict(),
        "host_usage_flag": True,
    }
    return {"kernel_id": id, "content": content}


def colab(machine: Machine, used: frozenset[str]) -> dict[str, object]:
    """`/api/colab/resources`; `used` are the GPUs that kernels hold or held."""
    return {
        "memory": {
            "totalBytes": machine.memory_total_bytes,
            "freeBytes": machine.memory_total_bytes - machine.memory_bytes,
        },
        "disks": [
            {
                "filesystem": {
                    "label": "kernels",
                    "totalBytes": machine.disk_total_bytes,
                    "usedBytes": machine.disk_bytes,
                }
            }
        ],
        "gpus": [
            {
                "name": gpu.name,
                "memoryUsedBytes": gpu.memory_bytes,
                "memoryTotalBytes": gpu.memory_total_bytes,
                "gpuUtilization": (gpu.utilisation or 0.0) / 100,
                "memoryUtilization": gpu.memory_bytes / gpu.memory_total_bytes if gpu.memory_total_bytes else 0.0,
                "everUsed": gpu.uuid in used,
            }
            for gpu in machine.gpus
        ],
    }
