from collections.abc import Callable

from kernelhost.pace import UNREAD, Pace

from tests.kernels.client import GatewayProcess

MB = 1_000_000


def test_what_comes_slowly_is_told_at_once() -> None:
    pace = Pace(MB, 0.0)
    assert [pace.told(count, now) for count, now in ((MB, 0.0), (MB + 10, 0.5), (2 * MB, 1.5))] == [MB, MB + 10, 2 * MB]
    assert not pace.is_slowing


def test_what_comes_too_fast_is_told_at_the_rate() -> None:
    pace = Pace(MB, 0.0)
    assert [pace.told(100 * MB, float(now)) for now in range(4)] == [MB, 2 * MB, 3 * MB, 4 * MB]
    assert pace.is_slowing


def test_quiet_time_is_not_saved_up() -> None:
    pace = Pace(MB, 0.0)
    pace.told(0, 100.0)
    assert pace.told(50 * MB, 100.0) == MB


def test_it_slows_only_when_the_launcher_waits() -> None:
    pace = Pace(MB, 0.0)
    pace.told(UNREAD // 2, 0.0)
    assert not pace.is_slowing


def test_a_cell_that_prints_too_fast_is_slowed_and_told_so(start_gateway: Callable[..., GatewayProcess]) -> None:
    gateway = start_gateway("--output-rate", "500KB")
    id = gateway.start()
    with gateway.channel(id, v1=True) as channel:
        code = f"""
import sys, time
began = time.monotonic()
for _ in range(34): sys.stdout.write("x" * {MB})
sys.stdout.flush()
print("took", time.monotonic() - began)
"""
        run = channel.execute(code)
        assert channel.reply(run)["content"]["status"] == "ok"
        text = channel.text(run)
    assert text.count("x") >= 34 * MB  # all of it came
    assert float(text.split("took ")[1].split()[0]) > 0.5  # the part over what may be unread, at the rate
    assert "[Output is slowed down to 500 KiB a second, the limit of this runtime.]" in text
    gateway.delete(id)
