"""Machines with counters, and with codecarbon's tables or without."""

import importlib
import sys

import pytest
from energy_fakes import FakeNvml, Zone, lay_codecarbon

POWERS = [
    ("Tester Core 9000X", "96.0"),
    ("Tester Core 9000XT", "120.0"),
    ("Twice 100", "10"),
    ("Twice 100", "20"),
    ("Garbled 7", "27.29.5"),
]
MIXES = {
    "AAA": {"carbon_intensity": 360.0, "country_name": "Aland", "year": 2022},
    "ZZZ": {"carbon_intensity": 0, "country_name": "Zedland", "year": 2009},
}


@pytest.fixture
def sysfs(tmp_path):
    """An empty sysfs."""
    (tmp_path / "sys").mkdir()
    return tmp_path / "sys"


@pytest.fixture
def package(sysfs):
    """The counter of its one processor."""
    return Zone(sysfs, "intel-rapl:0", "package-0", microjoules=7_000_000)


@pytest.fixture
def codecarbon(tmp_path, monkeypatch):
    """An installed codecarbon with made-up tables, before any real one."""
    lay_codecarbon(tmp_path / "site", POWERS, MIXES)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.fixture
def no_codecarbon(monkeypatch):
    """Whatever is installed, no codecarbon is found."""
    data = importlib.import_module("slmbench.instruments.energy.codecarbon_data")

    def absent(name):
        raise data.PackageNotFoundError(name)

    monkeypatch.setattr(data, "distribution", absent)


@pytest.fixture
def nvml(monkeypatch):
    """The machine's NVML, in place of ``pynvml``."""
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake
