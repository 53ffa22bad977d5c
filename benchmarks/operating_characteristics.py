"""How often decisions are wrong: the whole rule replayed on simulated rows, and on recorded sessions of measurement.

    python benchmarks/operating_characteristics.py [--replays 2000] [--only PART] [--sessions DIR] [--markdown]
        [--into FILE]

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
from functools import partial
from pathlib import Path

from error_rates.accuracy import accuracy_rates
from error_rates.forms import form_rates
from error_rates.rates import COLUMNS, Rate
from error_rates.selection import selection_rates
from error_rates.sessions import recorded_rates, session_rates, simulated_rates
from error_rates.times import percentile_rates, versus_rates
from recorded_sessions import SESSIONS

#: The parts by name: titles, and what returns their rates.
PARTS: dict[str, tuple[str, Callable[[int, int], list[Rate]]]] = {
    "accuracy": ("Accuracy of two models, where only one is right on 8 % of the reviews", accuracy_rates),
    "forms": ("Forms at export, limit 1 point", form_rates),
    "selection": ("The accuracy of what is chosen", selection_rates),
    "percentiles": ("Percentiles", percentile_rates),
    "versus": ("Time, two forms alternately", versus_rates),
    "session": ("Time, rows of one session", session_rates),
    "sessions": ("Time, two sessions, simulated", simulated_rates),
    "recorded": ("Time, two sessions, recorded", recorded_rates),
}
SEED = 20


#: Between these lines of a document stand the tables.
BEGIN, END = "<!-- tables of operating_characteristics.py -->\n", "<!-- end of tables -->\n"


def main() -> int:
    """Compute the rates and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=2000, help="of each rate")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; all when not given")
    parser.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    parser.add_argument("--sessions", type=Path, action="append", help="more folders of recorded sessions")
    parser.add_argument("--into", type=Path, help="a document whose tables are replaced")
    arguments = parser.parse_args()
    began, missed, goals, tables = time.monotonic(), 0, 0, ""
    write = markdown if arguments.markdown else plain
    folders = [SESSIONS, *(arguments.sessions or [])]
    parts = {**PARTS, "recorded": (PARTS["recorded"][0], partial(recorded_rates, folders=folders))}
    for name in arguments.only or PARTS:
        title, rates_of = parts[name]
        rates = rates_of(arguments.replays, SEED)
        print(write(title, rates), flush=True)
        tables += markdown(title, rates) + "\n"
        missed += sum(rate.missed for rate in rates)
        goals += sum(rate.goal is not None for rate in rates)
    summary = f"{goals - missed} of {goals} goals are reached, with {arguments.replays:,} replays a rate."
    print(summary)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if arguments.into:
        before, _, rest = arguments.into.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        arguments.into.write_text(f"{before}{BEGIN}\n{tables}{summary}\n{END}{after}", encoding="utf-8")
    return int(missed > 0)


def markdown(title: str, rates: list[Rate]) -> str:
    """Return one table in Markdown; shares are in per cent."""
    rows = [COLUMNS, ["---", *["---:"] * 4, "---"], *(rate.cells() for rate in rates)]
    return f"**{title}**\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def plain(title: str, rates: list[Rate]) -> str:
    """Return one table for a terminal; shares are in per cent."""
    rows = [list(COLUMNS), *(rate.cells() for rate in rates)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [title]
    for what, *numbers in rows:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append(f"  {what.ljust(widths[0])}  {'  '.join(aligned)}".rstrip())
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
