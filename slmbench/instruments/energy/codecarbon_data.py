"""codecarbon's tables, read where pip put them: the power of processors and the carbon intensity of grids.

Only its files are read; its code is never imported, because that takes seconds and uses the network
(codecarbon#1352).
"""

from __future__ import annotations

import csv
import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.suggestions import did_you_mean
from slmbench.records.energy import GridFactor

#: What systems add to a processor's name beside the maker's model.
_ADDED = re.compile(
    r"\((?:r|tm|c)\)|@.*|\bcpu\b|\bprocessor\b|\b\d+-cores?\b|\b\d+th gen\b|\b(?:with|w/) radeon.*", re.IGNORECASE
)


def installed_version() -> str | None:
    """Return the version of codecarbon, or ``None`` when it is not installed."""
    try:
        return distribution("codecarbon").version
    except PackageNotFoundError:
        return None


def thermal_design_power(model: str) -> float | None:
    """Return the thermal design power of a processor in watts, when the table has exactly that model.

    Complete names are compared, without what systems add to them: i7-9750H is not i7-9750HF.

    Args:
        model: The name as the system gives it.

    Returns:
        ``None`` when codecarbon is not installed, the table lacks the model, or has it with different powers.
    """
    wanted = model_name(model)
    path = _data("hardware/cpu_power.csv")
    if path is None:
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == 2 and model_name(row[0]) == wanted]
    try:
        powers = {float(power) for _, power in rows}
    except ValueError:  # the table has entries such as "27.29.5"
        return None
    return powers.pop() if len(powers) == 1 else None


def model_name(name: str) -> str:
    """Return a processor's name in lower case, without what systems add to it."""
    return " ".join(_ADDED.sub(" ", name).lower().split())


def grid_mixes() -> dict[str, dict[str, Any]]:
    """Return each country's electricity by its three-letter code (ISO 3166-1); empty without codecarbon.

    ``carbon_intensity`` is in gCO2e/kWh, of the ``year``; the figures are Our World in Data's.
    """
    path = _data("private_infra/global_energy_mix.json")
    return json.loads(path.read_text(encoding="utf-8")) if path else {}


def _data(name: str) -> Path | None:
    try:
        path = Path(str(distribution("codecarbon").locate_file(f"codecarbon/data/{name}")))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def grid_factor(text: str) -> GridFactor:
    """Return the carbon intensity that an option gives.

    Args:
        text: Grams of CO2 equivalent per kilowatt-hour, or a country's three-letter code such as ``DEU``.

    Raises:
        UsageError: It is a negative number, or not a country's code.
        SlmbenchError: It is a code, and codecarbon, whose table has them, is not installed.
    """
    try:
        grams = float(text)
    except ValueError:
        return _country(text.strip().upper())
    if not 0 <= grams < float("inf"):
        raise UsageError(f"--grid {text}: grams of CO2 equivalent per kWh must be 0 or more, and finite")
    return GridFactor(gco2e_per_kwh=grams, source=f"{grams:g} gCO2e/kWh, as given")


def _country(code: str) -> GridFactor:
    version = installed_version()
    if version is None:
        raise SlmbenchError(
            f"--grid {code}: countries are looked up in codecarbon's table, give gCO2e/kWh as a number or"
            " pip install 'slmbench[energy]'"
        )
    mixes = grid_mixes()
    # Countries without a figure have a 0 in the table.
    mix = mixes.get(code)
    if mix is None or not mix["carbon_intensity"]:
        raise UsageError(
            f"--grid {code}: give gCO2e/kWh as a number, or the three-letter code of a country that has a figure,"
            f" such as DEU{did_you_mean(code, mixes)}"
        )
    grams = float(mix["carbon_intensity"])
    source = f"{grams:g} gCO2e/kWh, {mix['country_name']} {mix['year']} (codecarbon {version})"
    return GridFactor(gco2e_per_kwh=grams, source=source)
