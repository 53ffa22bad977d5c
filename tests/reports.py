"""What tests of reports share: comparing and writing the report in one go, as the command line does."""

from __future__ import annotations

import importlib.util

import pytest

from slmbench.compare import Measurements, compare, read_measurements
from slmbench.report import write_report


@pytest.fixture
def without_matplotlib(monkeypatch):
    """Let matplotlib be missing, as in the base install: no time is spent on plots that are not looked at."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
    )


def compare_and_report(paths, report_dir, progress=None, **options):
    """Compare profiles, write the report folder, and return the record."""
    told = {} if progress is None else {"progress": progress}
    measured = read_measurements(paths, **told) if paths else Measurements([])
    record = compare(measured, **options)
    write_report(record, measured.profiles, report_dir, **told)
    return record
