"""How often something may be done, on a clock that the tests move (kernels.md A8)."""

import pytest
from kernelhost.quotas import Quota, TooOften


def test_a8_the_time_to_wait_is_told_and_then_it_works_again() -> None:
    quota = Quota("Runtimes are reset", 2, 60)
    quota.use(100)
    quota.use(130)
    with pytest.raises(TooOften, match=r"^Runtimes are reset 2 times in 60 s at most; try again in 20 s\.$") as error:
        quota.use(140.5)
    assert error.value.retry_after_s == 20
    quota.use(160)
    with pytest.raises(TooOften):
        quota.use(189.9)
    quota.use(190)


def test_what_was_refused_does_not_count() -> None:
    quota = Quota("This is done", 1, 10)
    quota.use(0)
    for now_s in range(1, 10):
        with pytest.raises(TooOften, match="once in 10 s"):
            quota.use(now_s)
    quota.use(10)


def test_each_key_has_its_own_count_and_old_keys_are_forgotten() -> None:
    quota = Quota("This is done", 1, 10)
    for key in range(1_000):
        quota.use(key / 100, str(key))
    with pytest.raises(TooOften):
        quota.use(10, "999")
    quota.use(30, "a")
    assert quota.size == 1


def test_there_is_always_a_second_to_wait() -> None:
    quota = Quota("This is done", 1, 10)
    quota.use(0)
    with pytest.raises(TooOften) as error:
        quota.use(9.999)
    assert error.value.retry_after_s == 1
