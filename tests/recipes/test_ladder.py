"""A whole ladder: every cell once, failures kept as rows, nothing done twice."""

import json

import pytest
from factories import profile_record
from listener import Listener
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.stages import STAGES
from slmbench.compare import Constraints, RegressionGate
from slmbench.recipes import run_recipe
from slmbench.records import write_record

LADDER = """
name = "small"

[corpus]
name = "{corpus}"
train_size = 80
test_size = 24

[[rungs]]
name = "baseline"
method = "tfidf"

[[rungs]]
name = "missing"
model = "./there-is-no-such-model"

[[rungs]]
name = "tiny"
model = "{base}"
epochs = 1
batch_size = 8
learning_rate = 5e-3
max_length = 16
precision = "fp32"
device = "cpu"

[export]
forms = ["fp32", "int8"]
max_accuracy_drop = 1.0

[profile]
processes = 1
time_limit_s = 0.3
"""


def created(folder):
    """When each record under a folder was made."""
    return {
        path.relative_to(folder): json.loads(path.read_text(encoding="utf-8"))["created"]
        for pattern in ("runs/*/run.json", "exported/*/bundle.json", "profiles/*.json")
        for path in folder.glob(pattern)
    }


@pytest.fixture(scope="module")
def ladder(tmp_path_factory, small_corpus_file, tiny_base):
    """The folder a recipe was run in, its record, and what was said while it ran."""
    folder = tmp_path_factory.mktemp("ladder")
    text = LADDER.format(corpus=small_corpus_file.as_posix(), base=tiny_base.as_posix())
    (folder / "small.toml").write_text(text, encoding="utf-8")
    ears = Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        record = run_recipe("small.toml", command=["slmbench", "compare"], progress=ears)
    return folder, record, ears.said


def test_each_cell_is_a_row(ladder):
    _, record, said = ladder

    measured = {(row.name, row.form) for row in record.rows if row.failure is None}
    assert measured == {("baseline", "fp32"), ("tiny", "fp32"), ("tiny", "int8")}
    assert record.recommended is not None
    assert (record.name, record.command) == ("small", ["slmbench", "compare"])
    assert [text for text in said if text.startswith("[")] == ["[1/3] baseline", "[2/3] missing", "[3/3] tiny"]
    assert len({row.test_hash for row in record.rows if row.failure is None}) == 1


def test_a_rung_that_fails_is_a_row_with_its_reason(ladder):
    _, record, _ = ladder

    (failed,) = [row for row in record.rows if row.failure]
    assert (failed.name, failed.model) == ("missing", "./there-is-no-such-model")
    assert failed.failure == "there is no model folder ./there-is-no-such-model"
    assert failed.accuracy is None
    assert [rejection.why for rejection in record.rejected if rejection.name == "missing"] == [
        "failed: there is no model folder ./there-is-no-such-model"
    ]


def test_the_report_is_written(ladder):
    folder, record, _ = ladder
    report = folder / "comparisons/small"

    assert {"comparison.json", "report.md"} <= {file.name for file in report.iterdir()}
    assert json.loads((report / "comparison.json").read_text(encoding="utf-8")) == json.loads(record.to_json())
    text = (report / "report.md").read_text(encoding="utf-8")
    assert "there is no model folder" in text
    assert record.recommended.name in text


def test_where_the_time_went_is_in_the_record_and_in_the_report(ladder):
    folder, record, _ = ladder
    stages = {(one.stage, one.rung) for one in record.stages}
    assert {("training", "tiny"), ("testing", "tiny"), ("training", "baseline")} <= stages
    assert {
        ("judging", "tiny"),
        ("judging", "baseline"),
        ("judging_batches", "tiny"),
        ("quantizing", "tiny"),
    } <= stages
    assert {("profiling", "tiny"), ("profiling", "baseline"), ("corpus", None), ("deciding", None)} <= stages
    assert {one.stage for one in record.stages} <= set(STAGES)
    assert set(record.stage_rungs) >= {"baseline", "tiny"}
    assert record.stage_rungs[-1] is None
    by_rung = sum(record.stage_seconds(None, rung) for rung in record.stage_rungs)
    assert by_rung == pytest.approx(record.stage_seconds())
    for file in ("report.html", "report.md"):
        text = (folder / "comparisons" / "small" / file).read_text(encoding="utf-8")
        assert all(title in text for title in record.stage_titles.values())


def test_rungs_are_named_by_the_recipe_and_foldered_by_it(ladder):
    folder, *_ = ladder

    assert sorted(path.name for path in (folder / "exported").iterdir()) == ["small-baseline", "small-tiny"]
    bundle = json.loads((folder / "exported/small-tiny/bundle.json").read_text(encoding="utf-8"))
    assert bundle["name"] == "tiny"


def test_a_second_time_nothing_is_done_again(ladder, monkeypatch):
    folder, first, _ = ladder
    monkeypatch.chdir(folder)
    before = created(folder)
    assert len(before) == 2 + 2 + 3

    result = CliRunner().invoke(app, ["compare", "--recipe", "small.toml", "--json", "--max-p95-ms", "10000"])

    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert created(folder) == before
    numbers = [(row["name"], row["form"], row["p50_ms"], row["accuracy"]) for row in document["rows"]]
    assert numbers == [(row.name, row.form, row.p50_ms, row.accuracy) for row in first.rows]
    assert document["constraints"] == {"max_p95_ms": 10000}
    assert "up to date" in result.stderr


def test_only_what_is_missing_is_done_again(ladder, monkeypatch):
    folder, *_ = ladder
    monkeypatch.chdir(folder)
    before = created(folder)
    (path,) = folder.glob("profiles/small-tiny.int8.*.json")
    profile = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**profile, "created": "before", "key": "of other inputs"}), encoding="utf-8")

    run_recipe("small.toml", constraints=Constraints(min_accuracy=0.1), report_dir=folder / "report")

    after = created(folder)
    renewed = path.relative_to(folder)
    assert after.pop(renewed) != "before"
    assert after == {name: made for name, made in before.items() if name != renewed}


def test_a_front_and_a_baseline_go_with_a_recipe(ladder, monkeypatch):
    folder, *_ = ladder
    monkeypatch.chdir(folder)
    words = ("--pareto", "accuracy,size", "--baseline", "profiles", "--fail-if-slower", "5%", "--fail-if-worse", "1")

    result = CliRunner().invoke(app, ["compare", "--recipe", "small.toml", "--json", *words])

    # Nothing was measured again, so nothing got slower; the rung that failed had no profile before either. But so few
    # test reviews cannot show that a limit of one point is kept.
    assert result.exit_code == 3, result.stderr
    document = json.loads(result.stdout)
    assert document["decisions"][0]["front_axes"] == ["accuracy", "size"]
    assert document["baseline"]["failures"] == []
    assert [check["p50_ratio"] for check in document["baseline"]["checks"]] == [1, 1, 1]


def test_a_recipe_fails_a_build_when_a_rung_got_slower_than_profiles_of_before(ladder, monkeypatch):
    folder, *_ = ladder
    monkeypatch.chdir(folder)
    (path,) = folder.glob("profiles/small-baseline.fp32.*.json")
    before = json.loads(path.read_text(encoding="utf-8"))
    quick = [[ms / 400 for ms in process] for process in before["latency"]["processes_ms"]]
    (folder / "before").mkdir()
    faster = {**before, "latency": {**before["latency"], "processes_ms": quick}}
    (folder / "before/baseline.json").write_text(json.dumps(faster), encoding="utf-8")

    result = CliRunner().invoke(
        app, ["compare", "--recipe", "small.toml", "--baseline", "before", "--fail-if-slower", "5%"]
    )

    assert result.exit_code == 1
    assert "error: baseline fp32 is 400× slower" in result.stderr
    assert (folder / "comparisons/small/report.html").exists()


def test_every_rung_that_failed_fails_a_gate_against_a_row(ladder, monkeypatch):
    folder, *_ = ladder
    monkeypatch.chdir(folder)
    record = run_recipe("small.toml", baseline=RegressionGate("baseline fp32", 1e6), report_dir=folder / "report")
    assert record.baseline.failures == [
        "missing could not be measured (there is no model folder ./there-is-no-such-model), so no limit of the"
        " baseline can be checked"
    ]


@pytest.mark.parametrize("against", ["flor fp32", "elsewhere"])
def test_a_baseline_that_cannot_be_is_found_before_any_work(tmp_path, monkeypatch, against):
    monkeypatch.chdir(tmp_path)
    write_record(profile_record("something-else"), tmp_path / "elsewhere/one.json")
    text = LADDER.format(corpus="there-is-no-such-file.csv", base="x")
    (tmp_path / "small.toml").write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=f"the baseline '{against}' is .* whose rungs are baseline, missing, tiny"):
        run_recipe("small.toml", baseline=RegressionGate(against))


def test_a_form_that_cannot_be_measured_is_a_row_with_its_reason(ladder, monkeypatch):
    folder, *_ = ladder
    monkeypatch.chdir(folder)
    (path,) = folder.glob("profiles/small-tiny.fp32.*.json")
    onnx = folder / "exported/small-tiny/onnx/model.onnx"
    content, profile = onnx.read_bytes(), path.read_text(encoding="utf-8")
    onnx.write_bytes(b"x" * len(content))
    path.unlink()

    record = run_recipe("small.toml", report_dir=folder / "report")

    (failed,) = [row for row in record.rows if row.failure and row.name == "tiny"]
    assert failed.form == "fp32"
    assert "model.onnx is not the file that was exported" in failed.failure
    assert {(row.name, row.form) for row in record.rows if not row.failure} == {
        ("baseline", "fp32"),
        ("tiny", "int8"),
    }
    onnx.write_bytes(content)
    path.write_text(profile, encoding="utf-8")


def test_a_ladder_of_failures_is_a_failure(tmp_path, monkeypatch, small_corpus_file):
    monkeypatch.chdir(tmp_path)
    rungs = '[[rungs]]\nname = "missing"\nmodel = "./nowhere"\n'
    (tmp_path / "bad.toml").write_text(
        f'name = "bad"\n{rungs}[corpus]\nname = "{small_corpus_file.as_posix()}"\n', encoding="utf-8"
    )

    with pytest.raises(SlmbenchError, match="every cell of the recipe failed: missing: there is no model folder"):
        run_recipe("bad.toml")

    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_a_corpus_that_is_not_there_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text(
        'name = "bad"\n[corpus]\nname = "nowhere.csv"\n[[rungs]]\nname = "a"\nmethod = "tfidf"\n', encoding="utf-8"
    )

    with pytest.raises(SlmbenchError, match=r"there is no file nowhere\.csv"):
        run_recipe("bad.toml")

    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def elsewhere(folder, monkeypatch, profile):
    """Run the ladder again with other words in its table of profiles."""
    monkeypatch.chdir(folder)
    text = (folder / "small.toml").read_text(encoding="utf-8")
    (folder / "elsewhere.toml").write_text(text.replace("[profile]\n", f"[profile]\n{profile}\n"), encoding="utf-8")
    return run_recipe("elsewhere.toml", report_dir=folder / "elsewhere")


@pytest.mark.slow
def test_a_device_that_is_not_there_fails_its_own_cells_only(ladder, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    folder, first, _ = ladder
    profile = 'devices = ["cpu", "cuda"]\nbackends = ["onnxruntime", "torch"]\ntorch_forms = ["fp32"]'

    record = elsewhere(folder, monkeypatch, profile)

    failed = {row.label: row.failure for row in record.rows if row.failure and row.name != "missing"}
    # The TF-IDF baseline runs in one way, and that was measured.
    assert set(failed) == {"tiny fp32 (cuda)", "tiny int8 (cuda)", "tiny (torch, cuda)"}
    assert "cannot use cuda here" in failed["tiny int8 (cuda)"]
    assert failed["tiny (torch, cuda)"].startswith("there is no device 'cuda' here")
    measured = {row.label for row in record.rows if row.failure is None}
    assert {row.label for row in first.rows if row.failure is None} < measured
    assert "tiny torch-fp32" in measured


def test_with_folds_every_rung_is_cross_validated(tmp_path, monkeypatch, small_corpus_file):
    monkeypatch.chdir(tmp_path)
    text = f'name = "few"\n[corpus]\nname = "{small_corpus_file.as_posix()}"\nfolds = 3\n'
    (tmp_path / "few.toml").write_text(text + '[[rungs]]\nname = "baseline"\nmethod = "tfidf"\n', encoding="utf-8")

    record = run_recipe("few.toml")

    (row,) = record.rows
    kept = json.loads((tmp_path / "runs/few-baseline-3folds/cross_validation.json").read_text(encoding="utf-8"))
    # 240 reviews, each tested once, in three runs.
    assert (row.test_reviews, len(kept["folds"])) == (240, 3)
    assert row.accuracy == kept["accuracy"] and list(row.accuracy_ci95) == kept["accuracy_ci95"]
    assert "3 folds" in row.unprofiled and record.recommended is None


def test_a_rung_that_is_not_shipped_is_tested_and_neither_exported_nor_profiled(
    tmp_path, monkeypatch, small_corpus_file
):
    monkeypatch.chdir(tmp_path)
    head, _, rest = LADDER.partition('[[rungs]]\nname = "missing"')
    tail = rest[rest.index("[export]") :]
    text = head.replace('method = "tfidf"', 'method = "tfidf"\nship = false') + tail
    (tmp_path / "teachers.toml").write_text(text.format(corpus=small_corpus_file.as_posix()), encoding="utf-8")
    record = run_recipe("teachers.toml")
    (row,) = record.rows
    assert row.accuracy > 0.5
    assert row.unprofiled
    assert record.recommended is None
    assert (tmp_path / "runs/small-baseline/run.json").is_file()
    assert not (tmp_path / "exported").exists()
