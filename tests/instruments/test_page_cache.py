"""Files dropped from the system's cache, or the reason why not."""

import os
from pathlib import Path

import pytest

from slmbench.instruments import page_cache
from slmbench.instruments.page_cache import drop_from_cache


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="needs posix_fadvise")
def test_what_is_dropped_is_no_longer_in_memory(tmp_path):
    (tmp_path / "onnx").mkdir()
    path = tmp_path / "onnx/model.onnx"
    path.write_bytes(b"weights" * 50_000)
    reason = drop_from_cache(tmp_path)
    if reason is not None:  # a folder of temporary files may lie in memory
        assert "model.onnx stayed in the cache" in reason
        return
    with path.open("rb") as file:
        assert not page_cache._is_cached(file.fileno())
        file.read()
        assert page_cache._is_cached(file.fileno())


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a file system in memory")
def test_files_in_memory_cannot_be_dropped(tmp_path):
    path = Path("/dev/shm") / f"slmbench-{os.getpid()}"
    path.write_bytes(b"weights")
    try:
        assert path.name in drop_from_cache(path)
    finally:
        path.unlink()


def test_a_system_that_cannot_says_so(tmp_path, monkeypatch):
    monkeypatch.delattr(page_cache.os, "posix_fadvise", raising=False)
    assert "no way" in drop_from_cache(tmp_path)
