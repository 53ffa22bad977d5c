"""What the counters of a machine tell, and what is said of those that do not."""

import time
from pathlib import Path

import pytest
from energy_fakes import Time, Zone, machine

from slmbench.instruments.energy import EnergyMeter, EnergySources, find_sources
from slmbench.instruments.energy.counters import CounterError, CumulativeCounter, PowerIntegral

TREE = [
    ("intel-rapl:0", "package-0"),
    ("intel-rapl:0:0", "core"),
    ("intel-rapl:0:1", "uncore"),
    ("intel-rapl:0:2", "dram"),
    ("intel-rapl:1", "package-1"),
    ("intel-rapl:1:2", "dram"),
    ("intel-rapl:2", "psys"),
    ("intel-rapl-mmio:0", "package-0"),
]


def read_around(sources, work, seconds=1.0):
    clock = Time()
    with EnergyMeter(sources, clock=clock) as meter:
        work()
        clock.sleep(seconds)
    return meter.reading


def test_packages_and_their_memory_are_added_and_nothing_twice(sysfs):
    zones = [Zone(sysfs, zone, name, microjoules=1_000_000) for zone, name in TREE]
    sources = find_sources(machine(), sysfs=sysfs)

    reading = read_around(sources, lambda: [zone.add(10.0 ** (1 + number)) for number, zone in enumerate(zones[:2])])
    assert "RAPL dram-0" in reading.reason

    reading = read_around(sources, lambda: [zone.add(2**number) for number, zone in enumerate(zones)])
    assert reading.joules == pytest.approx(2**0 + 2**3 + 2**4 + 2**5)
    assert reading.quality == "measured"
    assert reading.source == (
        "counters of the whole machine: RAPL package-0, RAPL dram-0, RAPL package-1, RAPL dram-1"
    )


def test_an_amd_processor_is_read_alike(sysfs):
    package = Zone(sysfs, "intel-rapl:0", "package-0", wraps_at=65_532_610_987)
    Zone(sysfs, "intel-rapl:0:0", "core")

    assert read_around(find_sources(machine(), sysfs=sysfs), lambda: package.add(5)).joules == pytest.approx(5)


def test_a_counter_that_wraps_around_goes_on(sysfs):
    package = Zone(sysfs, "intel-rapl:0", "package-0", microjoules=65_532_000_000, wraps_at=65_532_610_987)

    reading = read_around(find_sources(machine(), sysfs=sysfs), lambda: package.show(4_389_013))

    assert reading.joules == pytest.approx(5.0)


def test_a_counter_that_was_set_back_tells_nothing(sysfs):
    package = Zone(sysfs, "intel-rapl:0", "package-0", microjoules=900_000_000)

    reading = read_around(find_sources(machine(), sysfs=sysfs), lambda: package.show(0))

    assert reading.joules is None
    assert reading.quality is None
    assert "RAPL package-0 was reset" in reading.reason


def test_a_region_below_the_resolution_tells_nothing(sysfs, package):
    reading = read_around(find_sources(machine(), sysfs=sysfs), lambda: package.add(0.2), seconds=0.004)

    assert reading.joules is None
    assert reading.reason.startswith("too short: 0.004 s, 0.02 s")


def test_a_counter_that_vanishes_is_a_reason(sysfs, package):
    sources = find_sources(machine(), sysfs=sysfs)

    reading = read_around(sources, lambda: (package.folder / "energy_uj").unlink())

    assert reading.joules is None
    assert "RAPL counter package-0 could not be read any more" in reading.reason


def test_a_counter_that_cannot_be_started_is_a_reason_though_it_can_be_read_later():
    readings = iter([CounterError("the counter was busy"), 5.0, 6.0])

    def read():
        now = next(readings)
        if isinstance(now, CounterError):
            raise now
        return now

    counter = CumulativeCounter("busy", read, 0.001)
    with EnergyMeter(EnergySources((counter,), source="counters")) as meter:
        pass

    assert (meter.reading.joules, meter.reading.reason) == (None, "the counter was busy")


def test_a_region_that_fails_leaves_its_own_error(sysfs, package):
    sources = find_sources(machine(), sysfs=sysfs)

    def work():
        package.folder.joinpath("energy_uj").unlink()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read_around(sources, work)


def test_long_regions_are_read_in_between():
    """At 2,000 W a counter of 20 J wraps around every 10 ms: read at both ends only, most rounds would be lost."""
    shown = iter(range(0, 10**9, 15))  # 15 J more at each reading
    counter = CumulativeCounter("fast", lambda: next(shown) % 20, update_s=1e-4, wraps_at=20.0)

    with EnergyMeter(EnergySources((counter,), source="a test")) as meter:
        for _ in range(1000):
            time.sleep(0.01)
            if counter.joules >= 60:
                break

    assert meter.reading.joules >= 60


def test_counters_for_root_only_say_how_to_open_them(sysfs, package, monkeypatch):
    read = Path.read_text

    def guarded(path, *args, **kwargs):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", guarded)

    sources = find_sources(machine(), sysfs=sysfs)

    assert sources.counters == ()
    assert sources.reason == (
        "the RAPL counters may be read by root only: allow it with"
        " `sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj`, and no power known for 'AMD EPYC'"
    )


def test_a_damaged_zone_makes_the_whole_unreadable(sysfs, package):
    Zone(sysfs, "intel-rapl:1", "package-1")
    (sysfs / "class/powercap/intel-rapl:1/max_energy_range_uj").write_text("?")

    assert "the RAPL counter intel-rapl:1 cannot be read" in find_sources(machine(), sysfs=sysfs).reason


def test_memory_alone_is_not_taken_for_the_machine(sysfs):
    Zone(sysfs, "intel-rapl:0", "psys")
    Zone(sysfs, "intel-rapl:1", "dram")

    assert find_sources(machine(), sysfs=sysfs).reason == "no counters readable, and no power known for 'AMD EPYC'"


def test_power_is_integrated_over_time():
    clock, watts = Time(), [100.0]
    power = PowerIntegral("power", lambda: watts[0], 0.1, clock)
    power.start()
    for watts[0], pause in ((200.0, 1.0), (200.0, 2.0), (0.0, 1.0)):
        clock.sleep(pause)
        power.poll()

    assert power.joules == pytest.approx(150 + 400 + 100)


# --- the GPU's --------------------------------------------------------------------------------------------------


def test_a_gpu_is_added_to_the_processor(sysfs, package, nvml):
    sources = find_sources(machine(), "cuda", sysfs=sysfs)

    def work():
        package.add(20)
        nvml.millijoules += 100_000

    reading = read_around(sources, work, seconds=3)
    assert (reading.joules, reading.quality) == (pytest.approx(120), "measured")
    assert reading.source == "counters of the whole machine: NVML NVIDIA Test GPU, RAPL package-0"
    # The GPU's counter is the slower of the two.
    assert read_around(sources, work, seconds=1).reason.startswith("too short: 1 s, 2 s")


def test_without_counters_of_the_processor_the_gpu_says_that_they_lack(sysfs, nvml):
    source = find_sources(machine(), "cuda", sysfs=sysfs).source

    assert source.endswith("; without the processor's energy, which has no readable counter")


def test_an_idle_gpu_is_left_out_of_what_the_processor_does(sysfs, package, nvml):
    assert [counter.name for counter in find_sources(machine(), sysfs=sysfs).counters] == ["RAPL package-0"]


def test_the_power_of_a_gpu_without_a_counter_is_integrated(sysfs, nvml):
    nvml.millijoules = None
    (counter,) = find_sources(machine(), "cuda", sysfs=sysfs).counters

    counter.start()
    time.sleep(0.02)
    counter.poll()

    assert counter.name == "NVML power of NVIDIA Test GPU"
    assert counter.joules > 0


def test_a_gpu_that_tells_nothing_leaves_the_whole_unknown(sysfs, package, nvml):
    nvml.millijoules = nvml.milliwatts = None

    sources = find_sources(machine(), "cuda", sysfs=sysfs)

    assert sources.counters == ()
    assert sources.reason == "the energy of the GPU is not readable (NVML: Not Supported)"


def test_a_gpu_that_stops_telling_is_a_reason(sysfs, nvml):
    sources = find_sources(machine(), "cuda", sysfs=sysfs)

    reading = read_around(sources, lambda: setattr(nvml, "millijoules", None), seconds=3)

    assert reading.reason == "NVML could not be read any more (NVML: Not Supported)"
