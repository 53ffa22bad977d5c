"""The target of atheris, guided by coverage: ``python tests/fuzz/coverage_guided.py READER -runs=100000``."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["slmbench"]):
    import fuzz_readers


def main() -> None:
    """Let atheris find inputs of one reader, beginning from sound files."""
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory(dir=fuzz_readers.disk()) as work:
        known, folder = Path(work) / "known", Path(work) / "folder"
        known.mkdir()
        folder.mkdir()
        for number, content in enumerate(fuzz_readers.seeds(name)):
            (known / str(number)).write_bytes(content)
        read = getattr(fuzz_readers.Readers(folder), name)
        atheris.Setup([*sys.argv, str(known)], lambda content: fuzz_readers.consume(read, content))
        atheris.Fuzz()  # which ends the process


if __name__ == "__main__":
    main()
