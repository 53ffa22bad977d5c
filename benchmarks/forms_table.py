"""The table of docs/export.md: size, accuracy loss and speed of each form of some bundles.

    python benchmarks/forms_table.py BUNDLE... [--profiles profiles]

Accuracy, loss and flips are from the bundles' records, measured by export on the run's test reviews; time and
memory are from `slmbench profile` on this machine. A form without a profile has dashes there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.records import BundleRecord, ProfileRecord, read_record


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--profiles", type=Path, default=Path("profiles"))
    arguments = parser.parse_args()
    profiles = [read_record(ProfileRecord, path) for path in sorted(arguments.profiles.glob("*.json"))]
    here = hardware_fingerprint()
    measured = {
        (profile.bundle, profile.form): profile
        for profile in profiles
        if profile.hardware["fingerprint"] == here["fingerprint"]
    }
    print(f"{here['machine']}\n")
    print(
        "| bundle, form | MB | accuracy [95 %] | against fp32 [95 %] | p | flips | in batches | p50 ms [95 %]"
        " | reviews/s | peak MB | verdict |"
    )
    print("|---|" + "---:|" * 9 + "---|")
    for folder in arguments.bundles:
        bundle = read_record(BundleRecord, folder / "bundle.json")
        for name in bundle.forms:
            print(line(bundle, name, measured.get((bundle.name, name))))


def line(bundle: BundleRecord, name: str, profile: ProfileRecord | None) -> str:
    """Return a form's row."""
    form = bundle.forms[name]
    loss, low_high = form.difference_to_fp32, form.evaluation.accuracy_ci95
    times = memory = rate = "–"
    if profile is not None:
        interval = profile.latency.ci95_ms
        times = f"{profile.latency.p50_ms:.3g}" + (f" [{interval[0]:.3g}–{interval[1]:.3g}]" if interval else "")
        memory = f"{profile.memory.peak_bytes / 1e6:.0f}" if profile.memory.peak_bytes else "–"
        rate = f"{profile.throughput.reviews_per_second:.0f}" if profile.throughput else "–"
    kept = f", {len(form.search.kept)} products in float" if form.search and form.accepted else ""
    cells = [
        f"{bundle.name} {name}",
        f"{form.bytes / 1e6:.1f}",
        f"{100 * form.accuracy:.1f} % [{100 * low_high[0]:.1f}–{100 * low_high[1]:.1f}]",
        f"{100 * loss.difference:+.1f} [{100 * loss.ci95[0]:+.1f}, {100 * loss.ci95[1]:+.1f}]" if loss else "",
        f"{loss.p_value:.2g}" if loss else "",
        f"{form.parity.label_flips}/{form.parity.reviews}" if loss else "",
        f"{form.batching.label_flips}" if form.batching else "",
        times,
        rate,
        memory,
        ("accepted" if form.accepted else "refused") + kept,
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
