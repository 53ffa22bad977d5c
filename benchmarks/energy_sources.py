"""Energy counters of this machine, its idle power, and the energy per review of a bundle run in this process.

    python benchmarks/energy_sources.py [BUNDLE] [--form int8] [--grid DEU]

Without a bundle it prints only the counters and the idle power.
"""

from __future__ import annotations

import argparse
from itertools import cycle
from pathlib import Path

from slmbench.common.progress import SILENT
from slmbench.edge import Classifier
from slmbench.instruments.energy import find_sources, grid_factor, measure_energy, measure_idle
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.profiling.workload import choose_workload
from slmbench.records import BundleRecord, read_record


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--form")
    parser.add_argument("--grid")
    said = parser.parse_args()
    hardware = hardware_fingerprint()
    sources = find_sources(hardware)
    print(f"machine: {hardware['machine']}, virtualised: {hardware['virtualised']}")
    print(f"source:  {sources.source or sources.reason}")
    if sources.counters:
        idle = measure_idle(sources)
        print(f"idle:    {idle.reason or f'{idle.watts:.1f} W, parts differ by {idle.spread_watts:.2f} W'}")
    if said.bundle:
        record = read_record(BundleRecord, said.bundle / "bundle.json")
        texts = cycle(choose_workload(record, said.bundle, SILENT).texts)
        classifier = Classifier(said.bundle, form=said.form)
        use = measure_energy(lambda: len(classifier.predict(next(texts))), sources)
        print(use.model_copy(update={"grid": grid_factor(said.grid) if said.grid else None}).sentence)


if __name__ == "__main__":
    main()
