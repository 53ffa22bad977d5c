"""Where stages put what they make, below the working folder, and where the stages after them look for it."""

from pathlib import Path

RUNS = Path("runs")
BUNDLES = Path("exported")
PROFILES = Path("profiles")
EVALUATIONS = Path("evaluations")
COMPARISONS = Path("comparisons")
