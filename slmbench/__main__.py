"""``python -m slmbench``, as launchers of several processes call it."""

from slmbench.cli.entry import main

if __name__ == "__main__":
    main()
