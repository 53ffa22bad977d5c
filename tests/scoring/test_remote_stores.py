"""The same in stores that fsspec opens: its memory, and this machine's files as if they were far away."""

import pytest

from slmbench.common.errors import UsageError
from slmbench.scoring.predicting import predict_files

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def names(system, folder):
    return sorted(path.removeprefix(folder).lstrip("/") for path in system.find(folder))


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_from_memory_into_memory(floor_bundle, rows, here, memory, kind):
    rows(kind)
    here_too = predict_files(floor_bundle, "in", "out", shard_rows=60, workers=1)
    memory.put(str(here / "in"), "/lake/in", recursive=True)

    record = predict_files(floor_bundle, f"memory://lake/in/*.{kind}", "memory://lake/out", shard_rows=60, workers=1)

    assert record.summary == here_too.summary
    for file in sorted((here / "out/answers").iterdir()):
        assert memory.cat_file(f"/lake/out/answers/{file.name}") == file.read_bytes()
    before = {name: memory.info(f"/lake/out/{name}")["created"] for name in names(memory, "/lake/out")}
    assert sorted(before) == sorted(
        str(path.relative_to(here / "out")) for path in (here / "out").rglob("*") if path.is_file()
    )
    memory.rm_file("/lake/out/answers/part-000001." + kind)
    predict_files(floor_bundle, f"memory://lake/in/*.{kind}", "memory://lake/out", shard_rows=60, workers=1)
    after = {name: memory.info(f"/lake/out/{name}")["created"] for name in names(memory, "/lake/out")}
    assert {name for name in after if after[name] != before[name]} == {
        f"answers/part-000001.{kind}",
        "manifests/part-000001.json",
        "scoring.json",
    }
    with pytest.raises(UsageError, match="shard rows"):
        predict_files(floor_bundle, f"memory://lake/in/*.{kind}", "memory://lake/out", shard_rows=50, workers=1)


def test_a_changed_object_is_refused(floor_bundle, rows, here, memory):
    rows("jsonl")
    memory.put(str(here / "in"), "/lake/in", recursive=True)
    predict_files(floor_bundle, "memory://lake/in", "out", shard_rows=60, workers=1)
    memory.pipe_file("/lake/in/100.jsonl", memory.cat_file("/lake/in/100.jsonl").replace(b"the", b"not", 1))
    with pytest.raises(UsageError, match=r"100\.jsonl"):
        predict_files(floor_bundle, "memory://lake/in", "out", shard_rows=60, workers=1)


def test_processes_share_a_store(floor_bundle, rows, here):
    rows("parquet")
    predict_files(floor_bundle, "in", "out", shard_rows=60, workers=1)
    predict_files(floor_bundle, f"local://{here}/in", f"local://{here}/far", shard_rows=60, workers=2)
    for file in sorted((here / "out/answers").iterdir()):
        assert (here / "far/answers" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("url", ["memory://nothing/*.parquet", "memory://nothing"])
def test_nothing_there(floor_bundle, memory, url):
    with pytest.raises(UsageError, match="nothing"):
        predict_files(floor_bundle, url, "out")
