"""Energy of a review: idle power subtracted, nothing negative, carbon only of a grid that is named."""

import pytest
from energy_fakes import Time, machine

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.instruments.energy import (
    EnergyReading,
    EnergySources,
    Idle,
    energy_per_review,
    find_sources,
    grid_factor,
    measure_energy,
    measure_idle,
)
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.records.energy import Energy, GridFactor

MEASURED = EnergyReading(4.0, 100.0, "measured", "counters")


def test_idle_power_is_subtracted():
    use = energy_per_review(MEASURED, Idle(watts=10.0, spread_watts=1.0), reviews=30)

    assert use == Energy(
        joules_per_review=(100 - 4 * 10) / 30,
        quality="measured",
        source="counters",
        seconds=4.0,
        reviews=30,
        idle_watts=10.0,
    )


@pytest.mark.parametrize(("idle", "added"), [(Idle(24.0, 2.0), "1 W to 24 W"), (Idle(30.0, 0.5), "-5 W to 30 W")])
def test_what_drowns_in_idle_power_is_not_told(idle, added):
    use = energy_per_review(MEASURED, idle, reviews=30)

    assert (use.joules_per_review, use.quality) == (None, None)
    assert use.reason == f"the reviews added {added} of idle power, which varies by {idle.spread_watts:.2g} W itself"


@pytest.mark.parametrize(
    ("reading", "idle", "reason"),
    [
        (EnergyReading(0.001, reason="too short"), Idle(1.0), "too short"),
        (MEASURED, Idle(reason="it was set back"), "the idle power is unknown: it was set back"),
        (MEASURED, None, "the idle power is unknown: it was not measured"),
    ],
)
def test_what_is_unknown_stays_unknown(reading, idle, reason):
    use = energy_per_review(reading, idle, reviews=3)

    assert (use.joules_per_review, use.quality, use.reason) == (None, None, reason)


def test_an_estimate_has_no_idle_part():
    use = energy_per_review(EnergyReading(2.0, 50.0, "estimated", "a table"), None, reviews=100)

    assert (use.joules_per_review, use.quality, use.idle_watts) == (0.5, "estimated", None)


def test_idle_power_and_how_far_it_wanders(sysfs, package):
    sources, powers = find_sources(machine(), sysfs=sysfs), iter([12.0, 9.0, 12.0])
    watched = Time()

    def sleep(seconds):
        package.add(next(powers) * seconds)
        watched.sleep(seconds)

    idle = measure_idle(sources, 3.0, sleep, clock=watched)

    assert idle.watts == pytest.approx(11.0)
    assert idle.spread_watts == pytest.approx(3.0)


def test_idle_power_that_cannot_be_read_says_why(sysfs, package):
    idle = measure_idle(find_sources(machine(), sysfs=sysfs), 0.09)

    assert idle.watts is None
    assert "RAPL package-0" in idle.reason


def test_work_is_repeated_under_the_meter(codecarbon, sysfs):
    sources = find_sources(machine("Tester Core 9000X", cores=8), sysfs=sysfs)
    used = iter([1.0, 3.5])
    calls = []

    def work():
        calls.append(1)
        return 7

    use = measure_energy(work, sources, lambda: next(used), seconds=0.02)

    assert use.reviews == 7 * len(calls) > 0
    assert use.seconds >= 0.02
    assert use.quality == "estimated"
    # CPU time is capped at all cores for as long as it took.
    assert use.joules_per_review == pytest.approx(96 / 8 * min(2.5, 8 * use.seconds) / use.reviews)


def test_where_nothing_tells_energy_nothing_is_run():
    def work():
        raise AssertionError("it was run")

    assert measure_energy(work, EnergySources(reason="no way")) == Energy(reason="no way")


# --- carbon and words -------------------------------------------------------------------------------------------


def test_a_grid_is_a_number_or_a_country(codecarbon):
    assert grid_factor("450") == GridFactor(gco2e_per_kwh=450.0, source="450 gCO2e/kWh, as given")
    assert grid_factor("aaa") == GridFactor(
        gco2e_per_kwh=360.0, source="360 gCO2e/kWh, Aland 2022 (codecarbon 9.8.7)"
    )


@pytest.mark.parametrize("said", ["-1", "nan", "inf", "AAB", "ZZZ", "Aland", ""])
def test_a_grid_that_is_none_is_refused(codecarbon, said):
    with pytest.raises(UsageError, match="--grid"):
        grid_factor(said)


def test_countries_need_their_table(no_codecarbon):
    assert grid_factor("0").gco2e_per_kwh == 0
    with pytest.raises(SlmbenchError, match=r"pip install 'slmbench\[energy\]'"):
        grid_factor("DEU")


def test_energy_in_a_sentence():
    use = Energy(joules_per_review=0.36, quality="measured", source="counters", seconds=4, reviews=30, idle_watts=10)
    grid = GridFactor(gco2e_per_kwh=400.0, source="400 gCO2e/kWh, as given")

    assert use.sentence == ("energy: 360 J per 1,000 reviews, measured: counters, 10 W of idle power subtracted")
    assert use.model_copy(update={"grid": grid}).sentence == (
        "energy: 360 J and 0.04 gCO2e (400 gCO2e/kWh, as given) per 1,000 reviews, measured: counters,"
        " 10 W of idle power subtracted"
    )


def test_a_machine_that_tells_nothing_says_so(sysfs):
    sources = find_sources(machine("AMD EPYC"), sysfs=sysfs)

    assert measure_energy(lambda: 1, sources).sentence == (
        "energy unknown on this machine: no counters readable, and no power known for 'AMD EPYC'"
    )


def test_this_machine_tells_something_or_says_why():
    sources = find_sources(hardware_fingerprint())

    assert bool(sources.counters or sources.estimate) == (sources.reason is None)
