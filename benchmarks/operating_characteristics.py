"""How often decisions are wrong: the whole rule replayed on simulated rows, and on recorded sessions of measurement.

    python benchmarks/operating_characteristics.py [--replays 2000] [--markdown] [--only PART]

Every rate has a bound (95 %, one-sided), the rate of the rules before verdicts had margins, and where there is one a
goal. Simulated are answers of classifiers that disagree on a given share of the reviews, and times of processes that
differ by given factors; recorded are the sessions in ``benchmarks/sessions`` (``record_session.py``). The exit status
is 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from error_rates.accuracy import accuracy_rates
from error_rates.forms import form_rates
from error_rates.rates import COLUMNS, Rate
from error_rates.selection import selection_rates
from error_rates.sessions import recorded_rates
from error_rates.times import percentile_rates, session_rates, versus_rates

#: The parts by name: titles, and what returns their rates.
PARTS: dict[str, tuple[str, Callable[[int, int], list[Rate]]]] = {
    "accuracy": ("Accuracy of two models, right on 8 % of the reviews alone", accuracy_rates),
    "forms": ("Forms at export, limit 1 point", form_rates),
    "selection": ("The accuracy of what is chosen", selection_rates),
    "percentiles": ("Percentiles", percentile_rates),
    "versus": ("Time, two forms alternately", versus_rates),
    "session": ("Time, rows of one session", session_rates),
    "recorded": ("Time, sessions apart", recorded_rates),
}
SEED = 20


def main() -> int:
    """Compute the rates and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=2000, help="of each rate")
    parser.add_argument("--markdown", action="store_true", help="print the tables as in docs/measuring.md")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; all when not given")
    arguments = parser.parse_args()
    began, missed, goals = time.monotonic(), 0, 0
    for name in arguments.only or PARTS:
        title, rates_of = PARTS[name]
        rates = rates_of(arguments.replays, SEED)
        print_part(title, rates, markdown=arguments.markdown)
        missed += sum(rate.missed for rate in rates)
        goals += sum(rate.goal is not None for rate in rates)
    print(f"{goals - missed} of {goals} goals are reached ({arguments.replays:,} replays a rate).")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return int(missed > 0)


def print_part(title: str, rates: list[Rate], *, markdown: bool) -> None:
    """Print one table; shares are in per cent."""
    rows = [list(COLUMNS), *(rate.cells() for rate in rates)]
    if markdown:
        print(f"**{title}**\n")
        rows.insert(1, ["---", *["---:"] * 3, "---:", "---"])
        for row in rows:
            print(f"| {' | '.join(row)} |")
    else:
        print(title)
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        for what, *numbers in rows:
            aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
            print(f"  {what.ljust(widths[0])}  {'  '.join(aligned)}".rstrip())
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
