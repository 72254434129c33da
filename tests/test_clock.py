from __future__ import annotations

import pytest

from cordboard.clock import Clock


class Machine:
    def __init__(self) -> None:
        self.wall, self.steady = 1_800_000_000.0, 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> Clock:
    return Clock(lambda: machine.wall, lambda: machine.steady)


@pytest.mark.parametrize("step", [3600.0, -3600.0, 5.0])
def test_a_step_of_the_machines_clock_is_not_ours_while_a_call_lives(
    machine: Machine, clock: Clock, step: float
) -> None:
    began = clock()
    machine.pass_by(10)
    machine.wall += step
    clock.follow(quiet=False)
    assert clock() - began == pytest.approx(10)
    assert clock.behind() == pytest.approx(step)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_it_follows_when_nobody_is_on_the_phone(
    machine: Machine, clock: Clock, step: float
) -> None:
    machine.wall += step
    clock.follow(quiet=True)
    assert clock() == pytest.approx(machine.wall)
    assert clock.behind() == 0


def test_what_is_less_than_a_second_is_no_step(machine: Machine, clock: Clock) -> None:
    machine.wall += 0.4
    clock.follow(quiet=True)
    assert clock() == pytest.approx(machine.wall - 0.4)
