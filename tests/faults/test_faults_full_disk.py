"""Disks that are full, at one size after another: one sentence, nothing half written, and more room is enough."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile

import pytest
from faults_helpers import leftovers, run, whole_records

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import build_aside
from slmbench.common.full_disk import DiskFullError, full_disk

TRAIN = ("finetune", "--model", "base", "--corpus", "reviews.csv", "--epochs", "2", "--max-length", "16")
MEASURE = ("profile", "bundle", "--form", "fp32", "--processes", "1", "--time-limit", "0.2")
EXPORT = ("export", "run", "--form", "fp32", "--form", "int8", "--max-accuracy-drop", "0.9")
SHARDS = ("--shard-rows", "80", "--workers", "1")
#: What is there before all of it is: each record, each shard.
BIT_BY_BIT = ("profile", "shards")
#: The last word is what is written, on the small disk.
WRITING = {
    "finetune": (*TRAIN, "--precision", "fp32", "--device", "cpu", "--output", "small/run"),
    "export": (*EXPORT, "--output", "small/bundle"),
    "profile": (*MEASURE, "--output", "small/profiles"),
    "predict": ("predict", "bundle", "--input", "reviews.csv", "--output", "small/answers.csv"),
    "shards": ("predict", "bundle", "--input", "reviews.csv", *SHARDS, "--output", "small/labels"),
    "report": ("compare", "profiles", "--report", "small/report"),
}


class SmallDisk:
    """A disk in memory."""

    def __init__(self, place):
        self.place = place
        place.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(place)], capture_output=True)
        if made.returncode:
            pytest.skip(f"no disk can be mounted here: {made.stderr.decode().strip()}")

    def resize(self, kilobytes):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.place)], check=True)

    def close(self):
        subprocess.run(["umount", "-l", str(self.place)], check=True)


@pytest.fixture
def disk(place, monkeypatch, request):
    """A small disk as ``small`` in the working folder, or of another name, beside what commands work on."""
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    made = SmallDisk(place / "work" / getattr(request, "param", "small"))
    monkeypatch.chdir(place / "work")
    monkeypatch.setenv("SLMBENCH_HOME", str(place / "home"))
    yield made
    made.close()


def fill_until_it_fits(disk, name, factor):
    """Run a command on a disk that grows until it is large enough; returns how often it was not."""
    words = WRITING[name]
    kilobytes = 8.0
    failed = 0
    while True:
        disk.resize(int(kilobytes))
        result = run(*words)
        if result.exit_code == 0:
            return failed
        failed += 1
        errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
        assert (result.exit_code, len(errors)) == (1, 1), result.stderr
        assert f"no space left in {disk.place}" in errors[0]
        assert not os.path.lexists(words[-1]) or name in BIT_BY_BIT
        # The epochs that were done, and where shards are written, are kept for the next call.
        assert [left for left in leftovers(disk.place) if ".checkpoints-" not in left and ".aside" not in left] == []
        kilobytes *= factor
        assert kilobytes < 100_000


@pytest.mark.parametrize("factor", [6, pytest.param(1.15, marks=pytest.mark.hard)])
@pytest.mark.parametrize("name", WRITING)
def test_a_disk_that_is_too_small_is_one_sentence(disk, name, factor):
    if name == "report":
        assert run(*MEASURE).exit_code == 0
    assert fill_until_it_fits(disk, name, factor) >= 1
    assert os.path.exists(WRITING[name][-1])
    assert leftovers(disk.place) == []
    assert (len(whole_records(disk.place)) > 0) == (name != "predict")


@pytest.mark.hard
@pytest.mark.parametrize("disk", ["runs", "exported", "profiles", "comparisons"], indirect=True)
def test_a_ladder_stops_on_a_full_disk_and_goes_on_with_more_room(disk):
    result = run("compare", "--recipe", "small.toml")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: no space left in {disk.place}")
    disk.resize(50_000)
    assert run("compare", "--recipe", "small.toml").exit_code == 0
    assert leftovers(disk.place) == []


def test_a_cache_that_is_full_is_one_sentence(disk, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(disk.place))
    words = ("finetune", "--method", "linear", "--model", "base", "--corpus", "reviews.csv", "--max-length", "16")
    result = run(*words, "--output", "linear")
    assert (result.exit_code, len(result.stderr.splitlines()[-1:])) == (1, 1)
    assert result.stderr.splitlines()[-1].startswith(f"error: no space left in {disk.place}")
    assert not os.path.exists("linear") and leftovers(disk.place) == []
    disk.resize(10_000)
    assert run(*words, "--output", "linear").exit_code == 0


def test_an_export_needs_no_room_for_temporary_files(disk, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(disk.place))
    assert run(*EXPORT, "--output", "elsewhere").exit_code == 0
    assert leftovers(disk.place) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_stdout_that_is_full_is_one_sentence(floor_bundle):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "slmbench.cli.app", "predict", str(floor_bundle), "a good film"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no space left")
    assert len(done.stderr.splitlines()) == 1


def numpy_writes(path):
    import numpy as np

    np.save(path, np.zeros(100_000))


def safetensors_writes(path):
    import torch
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(100_000)}, path)


def torch_writes(path):
    import torch

    torch.save({"x": torch.zeros(100_000)}, path)


def tokenizers_writes(path):
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordPiece({f"w{number}": number for number in range(10_000)})).save(str(path))


def parquet_writes(path):
    import numpy as np
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": np.random.default_rng(0).random(100_000)}), path)


@pytest.mark.parametrize("write", [numpy_writes, safetensors_writes, torch_writes, tokenizers_writes, parquet_writes])
def test_what_libraries_raise_is_recognised(disk, write):
    disk.resize(40)
    with (
        pytest.raises(DiskFullError, match="no space left in") as caught,
        build_aside(disk.place / "made") as building,
    ):
        write(building / "file")
    assert str(disk.place) in str(caught.value)
    assert os.listdir(disk.place) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("100000 requested and 5104 written"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
        Exception("No space left on device (os error 28)"),
        RuntimeError("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Protobuf serialization failed."),
        SlmbenchError("the measured process failed: OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_full_disk_is_found_behind_other_errors(tmp_path, error):
    def hidden():
        try:
            raise error
        except type(error):
            raise SlmbenchError("the weights cannot be read: train the run again") from None

    with pytest.raises(DiskFullError, match="no space left"), build_aside(tmp_path / "made"):
        hidden()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "No space left on device"), ValueError("no space"), OSError()]
)
def test_other_errors_stay_what_they_are(tmp_path, error):
    assert full_disk(error) is None
    with pytest.raises(type(error)) as caught, build_aside(tmp_path / "made"):
        raise error
    assert caught.value is error
