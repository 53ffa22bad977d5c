"""What the machine did while it was measured, and how it is put into words."""

from types import SimpleNamespace

import psutil
import pytest

from slmbench.profiling import conditions
from slmbench.profiling.conditions import Seen, Watch, causes, conditions_of, fastest_clock_mhz, why_unsteady

CALM = {"virtualised": False}


class System:
    """Counters that move only when told; two processes: ours, and the measured one."""

    def __init__(self, monkeypatch, clock=2000.0):
        self.busy, self.steal, self.ours, self.now, self.clock = 100.0, 5.0, 20.0, 50.0, clock
        monkeypatch.setattr(conditions, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(conditions, "psutil", self)
        self.Error = psutil.Error

    def cpu_times(self):
        return SimpleNamespace(user=self.busy, nice=0.0, system=0.0, steal=self.steal)

    def cpu_count(self, logical):
        return 4

    def Process(self, pid=None):
        return SimpleNamespace(cpu_times=lambda: SimpleNamespace(user=self.ours if pid else 0.0, system=0.0))

    def cpu_freq(self, percpu):
        return [SimpleNamespace(current=800.0), SimpleNamespace(current=self.clock)]

    def passes(self, seconds, ours=0.0, others=0.0, steal=0.0, clock=2000.0):
        self.now += seconds
        self.ours += ours
        self.busy += ours + others
        self.steal += steal
        self.clock = clock


def test_shares_are_of_all_cores_and_without_the_measured_process(monkeypatch):
    system = System(monkeypatch)
    watch = Watch(7)
    system.passes(5.0, ours=9.0, others=3.0, steal=2.0, clock=2500.0)
    watch.look()
    system.passes(5.0, ours=9.0, others=5.0, steal=2.0, clock=2100.0)

    seen = watch.end()

    assert seen.others == pytest.approx(8 / 40)
    assert seen.steal == pytest.approx(4 / 40)
    assert seen.clocks == (2000.0, 2500.0)


def test_a_moment_says_nothing_of_shares(monkeypatch):
    system = System(monkeypatch)
    watch = Watch(7)
    system.passes(0.05, others=0.1)

    assert (watch.end().others, watch.end().steal) == (None, None)


def test_a_process_that_has_gone_leaves_shares_unknown(monkeypatch):
    system = System(monkeypatch)
    watch = Watch(7)
    system.passes(5.0)

    def gone():
        raise psutil.NoSuchProcess(7)

    monkeypatch.setattr(system, "cpu_times", gone)
    assert watch.end().others is None


def test_a_system_that_tells_no_clock(monkeypatch):
    system = System(monkeypatch)
    for answer in ([], None):
        monkeypatch.setattr(system, "cpu_freq", lambda percpu, answer=answer: answer)
        assert fastest_clock_mhz() is None
    assert Watch(7).end().clocks is None


@pytest.mark.parametrize(
    ("seen", "hardware", "says"),
    [
        ([Seen(0.31, 0.0, None)], CALM, ["other processes used 31 % of the CPU meanwhile"]),
        ([Seen(0.0, 0.22, None)], CALM, ["the hypervisor gave 22 % of the CPU to other machines meanwhile"]),
        ([Seen(0.0, 0.0, (1800.0, 3600.0))], CALM, ["between 1,800 and 3,600 MHz"]),
        ([Seen(0.0, 0.0, (2000.0, 2000.0)), Seen(0.0, 0.0, (2500.0, 2500.0))], CALM, ["between 2,000 and 2,500 MHz"]),
        ([Seen(0.0, 0.0, (2000.0, 2010.0))], {"virtualised": True}, ["virtual"]),
        ([Seen(0.0, 0.0, (2000.0, 2010.0))], CALM, ["no visible cause"]),
        (
            [Seen(None, None, None)],
            CALM,
            ["no visible cause (other processes and the clock"],
        ),
        ([Seen(0.4, 0.3, None)], {"virtualised": True}, ["other processes used 40", "the hypervisor", "virtual"]),
    ],
)
def test_causes_are_named(seen, hardware, says):
    found = causes(conditions_of(seen), hardware)

    assert len(found) == len(says)
    assert all(phrase in sentence for phrase, sentence in zip(says, found, strict=True))


@pytest.mark.parametrize(
    ("seen", "warned"),
    [(Seen(0.0, 0.3, None), "30 %"), (Seen(0.2, 0.0, None), "20 %"), (Seen(0.02, 0.02, None), None)],
)
def test_steal_warns_as_other_processes_do(seen, warned):
    found = why_unsteady(conditions_of([Seen(0.0, 0.0, None), seen]), CALM, suspected=False)

    assert bool(found) == (warned is not None)
    assert all(warned in sentence for sentence in found)
