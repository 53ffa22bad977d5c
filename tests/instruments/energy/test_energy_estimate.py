"""Without counters: the design power of a processor that is known for sure, and else nothing."""

import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from energy_fakes import Time, machine

from slmbench.instruments.energy import EnergyMeter, find_sources
from slmbench.instruments.energy.codecarbon_data import thermal_design_power

TESTER = "Tester(R) Core(TM) 9000X CPU @ 3.60GHz"


def read_of(sources, *, cpu_seconds, seconds):
    clock, used = Time(), iter([5.0, 5.0 + cpu_seconds])
    with EnergyMeter(sources, lambda: next(used), clock) as meter:
        clock.sleep(seconds)
    return meter.reading


@pytest.mark.parametrize(
    ("model", "watts"),
    [
        (TESTER, 96.0),
        ("Tester Core 9000X 8-Core Processor", 96.0),
        ("13th Gen Tester Core 9000XT with Radeon Graphics", 120.0),
        ("TESTER  CORE 9000X", 96.0),
        ("Tester Core 9000", None),
        ("Tester Core 9000X3D", None),
        ("Tester Core", None),
        ("Twice 100", None),
        ("Garbled 7", None),
    ],
)
def test_a_processor_is_known_by_its_whole_name_or_not_at_all(codecarbon, model, watts):
    assert thermal_design_power(model) == watts


def test_the_power_of_a_core_times_the_time_it_worked(codecarbon, sysfs):
    sources = find_sources(machine(TESTER, cores=8), sysfs=sysfs)

    reading = read_of(sources, cpu_seconds=6.0, seconds=4.0)

    assert reading.joules == pytest.approx(96 / 8 * 6)
    assert reading.quality == "estimated"
    assert reading.source == (
        f"CPU time × 96 W design power of '{TESTER}' (codecarbon 9.8.7) / 8 cores; cores that wait cost nothing"
    )
    assert "codecarbon" not in sys.modules


def test_more_threads_than_cores_draw_no_more_than_the_processor(codecarbon, sysfs):
    sources = find_sources(machine(TESTER, cores=2), sysfs=sysfs)

    assert read_of(sources, cpu_seconds=16.0, seconds=4.0).joules == pytest.approx(96 * 4)


def test_two_processors_have_twice_the_power(codecarbon, sysfs):
    for cpu in range(4):
        topology = sysfs / f"devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{cpu // 2}\n")

    sources = find_sources(machine(TESTER, cores=4), sysfs=sysfs)

    assert read_of(sources, cpu_seconds=1.0, seconds=4.0).joules == pytest.approx(2 * 96 / 4)
    assert "2 × 96 W" in sources.source


def test_a_little_cpu_time_tells_nothing(codecarbon, sysfs):
    reading = read_of(find_sources(machine(TESTER), sysfs=sysfs), cpu_seconds=0.05, seconds=4.0)

    assert (reading.joules, reading.quality) == (None, None)
    assert "0.05 s of CPU time" in reading.reason


def test_a_process_that_died_under_the_meter_is_not_asked(codecarbon, sysfs):
    """It has ended with an error of its own, which is the one to show."""
    alive = iter([5.0])  # asked a second time, it would raise StopIteration
    meter = EnergyMeter(find_sources(machine(TESTER), sysfs=sysfs), lambda: next(alive))

    def work():
        with meter:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_counters_come_before_any_estimate(codecarbon, sysfs, package):
    sources = find_sources(machine(TESTER), sysfs=sysfs)

    assert sources.counters
    assert sources.estimate is None


@pytest.mark.parametrize(
    ("hardware", "reason"),
    [
        (machine("AMD EPYC"), "no power known for 'AMD EPYC'"),
        (machine("Intel(R) Xeon(R) CPU @ 2.20GHz"), "no power known for 'Intel(R) Xeon(R) CPU @ 2.20GHz'"),
        (machine("Nobody 5"), "no power known for 'Nobody 5'"),
        (machine(TESTER, virtualised=True), f"no power known for this virtual machine's share of '{TESTER}'"),
        (machine(TESTER, cores=None), f"no power known for one core of '{TESTER}': its number of cores is unknown"),
    ],
)
def test_what_is_not_known_is_not_guessed(codecarbon, sysfs, hardware, reason):
    sources = find_sources(hardware, sysfs=sysfs)

    assert sources.estimate is None
    assert sources.reason == f"no counters readable, and {reason}"


def test_without_codecarbon_the_extra_is_named_where_it_would_help(no_codecarbon, sysfs):
    assert find_sources(machine(TESTER), sysfs=sysfs).reason.endswith("pip install 'slmbench[energy]'")
    assert "pip" not in find_sources(machine("AMD EPYC"), sysfs=sysfs).reason


def test_names_as_systems_give_them_are_found_in_the_real_table():
    try:
        distribution("codecarbon")
    except PackageNotFoundError:
        pytest.skip("codecarbon is not installed")
    named = {
        "AMD EPYC 7763 64-Core Processor": 280,
        "Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz": 145,
        "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz": 45,
        "13th Gen Intel(R) Core(TM) i7-1360P": 28,
        "AMD Ryzen 7 5800X 8-Core Processor": 105,
        "Apple M1": 10,
        "AMD EPYC": None,
        "Intel(R) Xeon(R) Processor @ 2.60GHz": None,
        "Raspberry Pi 5 Model B Rev 1.0": None,
    }

    assert {name: thermal_design_power(name) for name in named} == named
