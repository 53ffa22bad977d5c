"""Runs in torch: which forms there are, what a record says of one, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from profiling_helpers import children

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.compare.cells import name_cells
from slmbench.edge import Classifier
from slmbench.instruments.devices import has_bf16
from slmbench.profiling import ProfileOptions, agreement, prepared, profile, worker
from slmbench.profiling.backends import TORCH as BACKEND
from slmbench.profiling.bundle_cells import find_bundle_cells
from slmbench.profiling.identity import finished_profile, profile_key
from slmbench.profiling.sweeps import sweep
from slmbench.profiling.torch.backend import WARM_UP_PASSES
from slmbench.profiling.torch.run_cells import find_run_cells
from slmbench.profiling.versus import versus
from slmbench.records import RunRecord, Served, read_record

TORCH = ProfileOptions(backend="torch", forms=("fp32",), processes=1, time_limit_s=0.3, threads=1)
NATIVE = ["torch-fp32", "torch-bf16"] if has_bf16() else ["torch-fp32"]


@pytest.fixture(scope="module")
def measured(tiny_run, tmp_path_factory):
    """The folder and the record of a run in torch; a process that imports torch takes seconds."""
    output = tmp_path_factory.mktemp("profiles")
    (record,) = profile([tiny_run], TORCH, output=output)
    return output, record


@pytest.mark.slow
def test_a_run_is_measured_in_each_native_precision(tiny_run, tmp_path):
    options = ProfileOptions(backend="torch", processes=1, time_limit_s=0.3, threads=1)

    records = list(profile([tiny_run], options, output=tmp_path))

    assert [record.form for record in records] == NATIVE
    assert sorted(file.stem for file in tmp_path.iterdir()) == sorted(record.name for record in records)
    for half in records[1:]:
        assert half.predictions.probabilities != records[0].predictions.probabilities
        check_accuracy(half, read_record(RunRecord, tiny_run / "run.json"))


def test_a_record_of_a_run(measured, tiny_run, tiny_bundle):
    output, record = measured
    run = read_record(RunRecord, tiny_run / "run.json")

    assert [file.stem for file in output.iterdir()] == [record.name]
    assert children() == []
    assert (record.bundle, record.backend, record.device, record.threads) == (run.name, "torch", "cpu", 1)
    assert (record.model, record.method, record.labels) == (run.model, run.method, run.predictions.labels)
    assert (record.total_parameters, record.trained_on) == (run.total_parameters, run.corpus)
    assert record.ancestors == run.ancestors
    assert run.ancestors
    assert ".torch-fp32.torch-cpu-1t." in record.name
    assert record.latency.p50_ms > 0 and record.throughput.reviews_per_second > 0
    assert record.cold.processes_ms[0] > record.cold.load_ms[0] > 0
    # Torch itself is in the process, as it is in an app.
    assert record.memory.peak_bytes > record.memory.load_bytes > 50_000_000
    weights = (tiny_run / "model/model.safetensors").stat().st_size
    assert record.memory.model_bytes == weights < record.size_bytes < weights + 100_000
    assert record.corpus.inputs == "reviews"
    assert record.corpus.tokens_max == max(Classifier(tiny_bundle).token_lengths(_texts(run)))
    assert record.regime == "one review at a time, no padding"
    assert record.accepted


def test_the_accuracy_is_that_of_the_very_form(measured, tiny_run):
    run, fp32 = read_record(RunRecord, tiny_run / "run.json"), measured[1]
    check_accuracy(fp32, run)
    assert fp32.accuracy == run.test.accuracy
    assert np.abs(np.subtract(fp32.predictions.probabilities, run.predictions.probabilities)).max() < 1e-4


def check_accuracy(record, run):
    assert record.predictions.row_ids == run.predictions.row_ids
    assert record.predictions.truth == run.predictions.truth
    assert record.served == Served(reviews=min(len(record.latency.samples_ms), record.corpus.reviews), differing=0)
    flips = int((record.predictions.predicted() != run.predictions.predicted()).sum())
    reviews = len(run.predictions.row_ids)
    assert record.reason == f"{flips} of {reviews} test reviews get another label than the run gave them"


def _texts(run):
    from slmbench.corpora import load_again

    return load_again(run.corpus.options, run.corpus.test_hash).test.texts


def test_a_table_tells_a_run_in_torch_from_its_bundle(measured, tiny_bundle, tmp_path):
    (onnx,) = profile([tiny_bundle], ProfileOptions(forms=("fp32",), processes=1, time_limit_s=0.1), output=tmp_path)
    on_openvino = onnx.model_copy(update={"backend": "openvino"})

    labels = [cell.label for cell in name_cells([onnx, measured[1]])]

    assert labels == [f"{onnx.bundle} fp32", f"{onnx.bundle} torch-fp32"]
    # Alone, too: nothing beside it says that onnxruntime's own provider was not meant.
    assert [cell.label for cell in name_cells([on_openvino])] == [f"{onnx.bundle} fp32 (openvino)"]


def test_a_measured_run_is_found_unless_torch_is_another(measured, tiny_run, monkeypatch):
    output, record = measured
    (cell,) = find_run_cells([tiny_run], TORCH)

    assert finished_profile(cell, TORCH, output) == output / f"{record.name}.json"
    monkeypatch.setattr("slmbench.profiling.identity.software_versions", lambda _: {**record.software, "torch": "99"})
    assert finished_profile(cell, TORCH, output) is None


def test_forms_have_keys_of_their_own(tiny_run):
    options = ProfileOptions(backend="torch", forms=("fp32", "bf16", "bf16-compile"))

    keys = [profile_key(cell, options) for cell in find_run_cells([tiny_run], options)]

    assert len(set(keys)) == 3


# --- which forms and runs ---------------------------------------------------------------------------------------


def test_forms_are_named_once_however_they_are_written(tiny_run):
    options = ProfileOptions(backend="torch", forms=("bf16-compile", "torch-fp32", "fp32", "fp32-eager"))

    cells = find_run_cells([tiny_run.parent], options)

    assert [cell.form for cell in cells] == ["torch-bf16-compile", "torch-fp32"]
    assert cells[0].name == f"{cells[0].run.name} torch-bf16-compile"


@pytest.mark.parametrize("has", [True, False])
def test_bf16_is_measured_by_itself_only_where_the_cpu_has_it(tiny_run, monkeypatch, has):
    monkeypatch.setattr("slmbench.profiling.torch.forward.has_bf16", lambda: has)

    forms = [cell.form for cell in find_run_cells([tiny_run], ProfileOptions(backend="torch"))]

    assert forms == (["torch-fp32", "torch-bf16"] if has else ["torch-fp32"])


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_on_a_gpu_bf16_needs_ampere(tiny_run, monkeypatch, capability, has):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: capability)

    cells = find_run_cells([tiny_run], ProfileOptions(backend="torch", device="cuda"))

    assert [cell.precision for cell in cells] == (["fp32", "bf16", "fp16"] if has else ["fp32", "fp16"])
    options = ProfileOptions(backend="torch", device="cuda")
    assert {prepared.task_of(cell.folder, cell.form, options)["device"] for cell in cells} == {"cuda"}


@pytest.mark.parametrize("forms", [None, ("bf16-graphs",)])
def test_a_gpu_that_is_not_there_is_said(tiny_run, monkeypatch, forms):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(SlmbenchError, match="there is no device 'cuda' here"):
        find_run_cells([tiny_run], ProfileOptions(backend="torch", device="cuda", forms=forms))


@pytest.mark.parametrize(
    ("forms", "says"),
    [
        (("int8",), "torch on cpu has no 'int8': choose among fp32, bf16"),
        (("fp16",), "torch on cpu has no 'fp16'"),
        (("bf16-graphs",), "torch on cpu has no 'graphs': choose among eager, compile"),
    ],
)
def test_forms_that_the_device_does_not_have(tiny_run, forms, says):
    with pytest.raises(UsageError, match=says):
        find_run_cells([tiny_run], ProfileOptions(backend="torch", forms=forms))


def test_runs_and_bundles_are_not_taken_for_each_other(tiny_run, tiny_bundle, tmp_path):
    with pytest.raises(UsageError, match="--backend torch: .* is a bundle, not a run: name the run"):
        find_run_cells([tiny_run, tiny_bundle], TORCH)
    with pytest.raises(UsageError, match="is a run, not a bundle: .*`slmbench export .*--backend torch"):
        find_bundle_cells([tiny_bundle, tiny_run], ProfileOptions())
    with pytest.raises(UsageError, match="no run at .*nowhere"):
        find_run_cells([tmp_path / "nowhere"], TORCH)
    with pytest.raises(UsageError, match="--backend torch: .* holds no run"):
        find_run_cells([tmp_path], TORCH)


def test_without_a_folder_it_is_runs(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "runs/tiny")
    shutil.copytree(tiny_run, "runs/.tiny.building-x")

    assert [cell.folder.name for cell in find_run_cells([], TORCH)] == ["tiny"]


def test_curves_and_turns_are_for_bundles(tiny_run, tiny_bundle):
    says = "sweep and versus measure bundles: leave out --backend torch"
    with pytest.raises(UsageError, match=says):
        list(sweep([tiny_run], "batch", TORCH))
    with pytest.raises(UsageError, match=says):
        versus(str(tiny_run), str(tiny_bundle), TORCH)


def test_without_its_reviews_a_run_has_no_accuracy(tiny_run, tmp_path, monkeypatch):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    document["corpus"]["options"]["name_or_path"] = "/nowhere/reviews.csv"
    (run / "run.json").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(agreement, "MeasuredProcess", None)

    says = "in torch cannot be measured: the reviews of .* are not on this machine"
    with pytest.raises(SlmbenchError, match=says):
        list(profile([run], TORCH, output=tmp_path / "profiles"))


def test_a_run_without_a_torch_model_is_a_failed_cell(floor_run, tmp_path):
    failures = []

    found = profile(
        [floor_run], TORCH, output=tmp_path, failed=lambda cell, error: failures.append((cell.name, str(error)))
    )

    assert list(found) == []
    ((name, reason),) = failures
    assert name.endswith(" torch-fp32")
    assert reason.endswith("has no torch model (tfidf): measure its bundle instead")


# --- in the worker ----------------------------------------------------------------------------------------------


def task_of(run, **changes):
    usual = {"loader": BACKEND.loader, "form": "torch-fp32", "device": "cpu", "threads": 1}
    return {"folder": str(run), "texts": ["a good film", "bad", "the worst film ever"], **usual, **changes}


def test_precision_and_mode_reach_torch(tiny_run, monkeypatch):
    prepared = []

    def prepare(model, device, precision, mode):
        prepared.append((device, precision, mode))
        return lambda batch: model(**batch).logits.detach()

    monkeypatch.setattr("slmbench.profiling.torch.backend.prepare_forward", prepare)

    made = worker.Worker(task_of(tiny_run, form="torch-bf16-compile"))

    assert prepared == [("cpu", "bf16", "compile")]
    assert made.started["load_ms"] > 0
    assert made.started["meter_ms"] < 1
    assert made.memory("samples")["gpu"] is None


@pytest.mark.parametrize(
    ("mode", "asked_for"),
    [("eager", [64, 64]), ("compile", [None, 64, 64, 64]), ("graphs", [None, None, 64, 64, 64, 64])],
)
def test_shapes_are_paid_for_before_anything_is_timed(monkeypatch, mode, asked_for):
    """Compiled models pay for each new shape once, CUDA graphs twice (run, then captured): an app does so before."""
    asked = []

    class Counted:
        labels = ("negative", "positive")
        warm_up_passes = WARM_UP_PASSES[mode]

        def predict(self, text):
            return [type("Prediction", (), {"label": "positive"})]

        def predict_proba(self, texts, batch_tokens=None):
            asked.append((list(texts), batch_tokens))

    monkeypatch.setattr(worker, "_load", lambda task: Counted())
    made = worker.Worker(task_of("nowhere"))

    assert made.answer({"do": "single", "rows": [0, 1]})["labels"] == [1, 1]
    made.answer({"do": "single", "rows": [0]})
    made.answer({"do": "batches", "batch_tokens": 64})
    made.answer({"do": "batches", "batch_tokens": 64})

    assert [tokens for _, tokens in asked] == asked_for
    assert all(len(texts) == 3 for texts, _ in asked)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for the CPU with g++")
def test_a_compiled_run_is_measured(tiny_run, tmp_path):
    options = ProfileOptions(backend="torch", forms=("fp32-compile",), processes=1, time_limit_s=0.3)

    (record,) = profile([tiny_run], options, output=tmp_path)

    assert record.form == "torch-fp32-compile"
    assert record.served.differing == 0
