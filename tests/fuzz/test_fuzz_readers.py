"""Every reader of strangers' files is fuzzed: whatever it is given, it answers or says one sentence."""

import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import fuzz_readers
import pytest

#: Inputs of each reader: in ``make test``; in ``make test-hard`` those that are changed, and as many that coverage
#: guides; and those of hypothesis.
SAMPLE, ALL, EXAMPLES = 250, 100_000, 3_000


@pytest.fixture
def readers():
    with tempfile.TemporaryDirectory(dir=fuzz_readers.disk()) as folder:
        yield fuzz_readers.Readers(Path(folder))


def fuzz(readers, name, number, seed):
    """Give a reader so many changed files; returns how many it accepted."""
    chance = random.Random(f"{name} {seed}")
    known, read, accepted = fuzz_readers.seeds(name), getattr(readers, name), 0
    for _ in range(number):
        content = fuzz_readers.changed(chance.choice(known), chance)
        try:
            accepted += fuzz_readers.consume(read, content)
        except BaseException:
            print(f"{name} fails on {content[:3000]!r}")
            raise
    return accepted


@pytest.mark.parametrize("name", fuzz_readers.NAMES)
def test_sound_files_are_accepted(readers, name):
    for content in fuzz_readers.seeds(name):
        if name in ("cascade", "graph"):  # whose members and weights are not there
            assert not fuzz_readers.consume(getattr(readers, name), content)
        else:
            assert fuzz_readers.consume(getattr(readers, name), content)


@pytest.mark.parametrize("name", fuzz_readers.NAMES)
def test_a_sample_of_changed_files(readers, name):
    accepted = fuzz(readers, name, SAMPLE, 0)
    assert accepted < SAMPLE


@pytest.mark.hard
@pytest.mark.parametrize("name", fuzz_readers.NAMES)
def test_changed_files(readers, name):
    accepted = fuzz(readers, name, ALL, 1)
    print(f"{name}: {ALL:,} inputs, {accepted:,} accepted")
    assert accepted < ALL


@pytest.mark.hard
@pytest.mark.parametrize("name", fuzz_readers.NAMES)
def test_files_of_hypothesis(readers, name):
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies

    read, known = getattr(readers, name), fuzz_readers.seeds(name)
    values = strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
        lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
        max_leaves=10,
    )
    whole = strategies.binary(max_size=300) | values.map(lambda value: fuzz_readers.json.dumps(value).encode())
    edits = strategies.randoms(use_true_random=False).map(
        lambda chance: fuzz_readers.changed(chance.choice(known), chance)
    )

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)
    @hypothesis.given(whole | edits)
    def every_input(content):
        fuzz_readers.consume(read, content)

    every_input()


@pytest.mark.hard
@pytest.mark.parametrize("name", fuzz_readers.NAMES)
def test_inputs_guided_by_coverage(name):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install 'slmbench[fuzz]'")
    target = Path(fuzz_readers.__file__).with_name("coverage_guided.py")
    done = subprocess.run(
        [sys.executable, target, name, f"-runs={ALL}", "-seed=1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(target.parents[1]), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    print(*re.findall(r"Done \d+ runs.*", done.stderr), name)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {ALL} runs" in done.stderr
