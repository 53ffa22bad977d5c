"""Carbon intensity of electricity: the user's figure, or a country's from codecarbon's table; never a guess."""

from __future__ import annotations

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.suggestions import did_you_mean
from slmbench.instruments.energy.codecarbon_data import grid_mixes, installed_version
from slmbench.records.energy import GridFactor


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
