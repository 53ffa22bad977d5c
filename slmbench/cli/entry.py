"""Where the program begins, before any of its modules is imported: a signal then ends it as one does later."""

from __future__ import annotations

import signal

from slmbench.cli.endings import ENDING, end_at_once


def main() -> None:
    """Run the program."""
    for number, usual in ENDING.items():
        if signal.getsignal(number) is usual:  # not where it is ignored, as by nohup
            signal.signal(number, end_at_once)
    from slmbench.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
