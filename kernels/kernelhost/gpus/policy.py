"""What the operator lets kernels have of the GPUs: the flags --gpus, --gpu-share, --gpu-most and --gpu-default."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from kernelhost.gpus.fake import fake
from kernelhost.gpus.nvml import Device, NoNvml, Nvml, driver
from kernelhost.gpus.wish import BadWish, Share, Whole, Wish, parse_wish

_ONE: Final = Whole(1)


@dataclass(frozen=True, slots=True)
class Policy:
    """`devices`: "auto" is all there are, "off" leaves GPUs alone, "fake:..." pretends some, else which by number or
    UUID. `any_is`: what "any" stands for. `most`: of how many GPUs one kernel may have, None for no bound. `unasked`:
    what a kernel gets that does not say."""

    devices: str = "auto"
    any_is: Wish = _ONE
    most: Fraction | None = None
    unasked: Wish | None = None


DEFAULT: Final = Policy()


def add_gpu_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("GPUs", "Requests ask for them, with KERNEL_GPUS and KERNEL_GPU_MEMORY.")
    group.add_argument(
        "--gpus",
        default="auto",
        metavar="WHICH",
        help="given to kernels: auto (all), off (all kernels see all), 0,2 or UUIDs, or fake:2x24GiB",
    )
    group.add_argument("--gpu-share", default="1", metavar="N", help="what a kernel gets that asks for any (1)")
    group.add_argument("--gpu-most", default="", metavar="N", help="that one kernel may have (no bound)")
    group.add_argument("--gpu-default", default="0", metavar="N", help="what a kernel gets that does not ask (0)")


def read_policy(devices: str, share: str, most: str, unasked: str) -> Policy:
    """Of the four flags. Raises BadWish."""
    if devices.startswith("fake:"):
        fake(devices.removeprefix("fake:"))
    elif not re.fullmatch(r"auto|off|(\d{1,2}|(GPU|MIG)-[\w/-]{1,80})(,(\d{1,2}|(GPU|MIG)-[\w/-]{1,80}))*", devices):
        raise BadWish(f"'{devices:.40}' names no GPUs; write --gpus auto, off, or numbers and UUIDs with commas.")
    any_is = parse_wish(share, "", _ONE)
    if any_is is None:
        raise BadWish("--gpu-share is what a kernel gets that asks for any GPU: a share such as 0.25, or a count.")
    bound = parse_wish(most, "", any_is) if most else None
    limit: Fraction | None = None
    match bound:
        case Whole():
            limit = Fraction(bound.count)
        case Share():
            limit = bound.fraction
    if limit is not None and size_of(any_is) > limit:
        raise BadWish(f"--gpu-share {share} is more than --gpu-most {most}; lower the one or raise the other.")
    return Policy(devices, any_is, limit, parse_wish(unasked, "", any_is))


def size_of(wish: Wish) -> Fraction:
    """In GPUs; nothing for a share that is told in memory alone, which depends on the device."""
    match wish:
        case Whole():
            return Fraction(wish.count)
        case Share():
            return wish.fraction or Fraction(0)


def nvml_of(policy: Policy) -> Nvml:
    if policy.devices == "off":
        return NoNvml()
    return fake(policy.devices.removeprefix("fake:")) if policy.devices.startswith("fake:") else driver()


def allowed(policy: Policy, devices: Sequence[Device]) -> list[Device]:
    """Those that the policy names, by number or by the beginning of their UUID."""
    if policy.devices in ("auto", "off") or policy.devices.startswith("fake:"):
        return list(devices)
    names = policy.devices.split(",")
    return [
        device
        for number, device in enumerate(devices)
        if any(name == str(number) or device.uuid.startswith(name) for name in names if name)
    ]
