"""``profile``: what a record says, which cells are measured, and what is done when one fails."""

import json
import shutil

import numpy as np
import psutil
import pytest
from ceilings import ceiling_of
from listener import Listener
from profiling_helpers import Clock, FakeProcess, children, steady, wild
from sealing import reseal

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT
from slmbench.compare.cells import Cell
from slmbench.edge import Classifier
from slmbench.instruments.energy import EnergySources
from slmbench.instruments.energy.energy_sources import CorePower
from slmbench.instruments.roofline import ceiling
from slmbench.profiling import ProfileOptions, profile, scenarios, sustained, turns, workload
from slmbench.profiling.identity import finished_profile
from slmbench.profiling.measuring import find_cells
from slmbench.profiling.workload import choose_workload
from slmbench.records import BundleRecord, Energy, ProfileRecord, read_record

QUICK = ProfileOptions(forms=("int8",), processes=1, time_limit_s=0.2)


def record_of(folder):
    return read_record(BundleRecord, folder / "bundle.json")


def test_a_record_of_real_processes(bundle, tmp_path):
    options = ProfileOptions(forms=("int8",), processes=2, time_limit_s=0.4, threads=1)

    (record,) = profile([bundle], options, output=tmp_path / "profiles", command=["slmbench", "profile"])

    made = record_of(bundle)
    assert (record.bundle, record.form, record.backend, record.device) == (made.name, "int8", "onnxruntime", "cpu")
    assert (record.threads, record.scenario, record.command) == (1, "single", ["slmbench", "profile"])
    assert len(record.latency.processes_ms) == 2
    assert all(len(process) >= 10 and min(process) > 0 for process in record.latency.processes_ms)
    assert record.latency.samples_ms == [ms for process in record.latency.processes_ms for ms in process]
    # The first of the two started from a cold cache where that is possible here.
    warm = 2 if record.cold.cold_cache_ms is None else 1
    assert (record.cold.no_cold_cache is None) == (record.cold.cold_cache_ms is not None)
    assert len(record.cold.processes_ms) == len(record.cold.load_ms) == warm
    assert all(cold > load > 0 for cold, load in zip(record.cold.processes_ms, record.cold.load_ms, strict=True))
    first, second = record.throughput.processes_s
    # A second pass where the first process has not shown that passes are alike.
    assert (len(first), len(second)) == (2, 1 if max(first) <= 1.03 * min(first) else 2)
    assert record.throughput.reviews_per_second > 0
    assert record.memory.source in ("VmHWM", "ru_maxrss")
    assert record.memory.peak_bytes > record.memory.load_bytes > 0
    phases = {phase.name: phase.peak_bytes for phase in record.memory.phases}
    assert list(phases) == ["interpreter", "load", "first answer", "samples", "batches"]
    assert phases["load"] >= phases["interpreter"] > 0
    # Batches come after what is the peak of serving.
    assert record.memory.peak_bytes == max(peak for name, peak in phases.items() if name != "batches")
    assert record.memory.model_bytes == made.forms["int8"].bytes
    assert record.latency.reviews == record.corpus.reviews
    assert record.throughput.labels.reviews == record.corpus.reviews
    assert record.throughput.passes_s == first + second
    assert record.size_bytes == made.forms["int8"].bytes + made.shared_bytes
    assert record.predictions == made.forms["int8"].predictions
    assert record.hardware["fingerprint"]
    assert children() == []
    assert json.loads((tmp_path / "profiles" / f"{record.name}.json").read_text(encoding="utf-8")) == json.loads(
        record.to_json()
    )


def test_single_reviews_are_held_against_the_machines_ceiling(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady(2.0)})
    monkeypatch.setattr(ceiling, "machine_ceiling", lambda *_, **more: ceiling_of(1e9))

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)

    operations = read_record(BundleRecord, bundle / "bundle.json").forms["fp32"].graph.operations
    tokens = record.corpus.tokens_p50
    assert record.roofline.macs == operations.full.at(tokens) > operations.linear.at(tokens) > 0
    assert record.roofline.achieved == pytest.approx(2 * operations.full.at(tokens) / 1e9 / 2e-3, rel=0.01)
    (offline,) = profile([bundle], ProfileOptions(forms=("fp32",), scenario="offline"), output=tmp_path)
    assert offline.roofline is None


def test_reviews_that_there_was_no_time_for_are_not_counted(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady(2.0)})
    monkeypatch.setattr(ceiling, "machine_ceiling", lambda *_, **more: ceiling_of(1e9))
    lengths = read_record(BundleRecord, bundle / "bundle.json").lengths.tokens

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",), time_limit_s=1e-9), output=tmp_path)

    assert {len(ms) for ms in record.latency.processes_ms} == {10}
    assert record.roofline.tokens == np.median(lengths[:10]) != record.corpus.tokens_p50
    (warning,) = (one for one in record.warnings if "were timed in the time limit" in one)
    assert f"only the first 10 of {len(lengths)} reviews" in warning
    (whole,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)
    assert not any("in the time limit: their" in one for one in whole.warnings)
    assert len(whole.latency.processes_ms[0]) >= len(lengths)


def test_bundles_whose_profiles_would_replace_each_other_are_refused(bundle, tmp_path, pretend):
    made = pretend({"ms": steady(2.0)})
    other = shutil.copytree(bundle, tmp_path / "elsewhere" / bundle.name)

    with pytest.raises(UsageError, match=r"tiny.* would replace each other"):
        list(profile([bundle, other], output=tmp_path / "profiles"))
    assert made == []
    # One bundle that is named twice is measured once.
    assert len(list(profile([bundle, bundle], ProfileOptions(forms=("fp32",)), output=tmp_path / "profiles"))) == 1


def test_a_ceiling_that_a_form_exceeds_is_measured_anew(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady(2.0)})
    asked = []

    def measured(device, threads, *, again=False, progress):
        asked.append(again)
        return ceiling_of(1e12 if again else 1e3)

    monkeypatch.setattr(ceiling, "machine_ceiling", measured)

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)

    assert asked == [False, True]
    assert record.roofline.achieved < 1


def test_a_ceiling_that_cannot_be_measured_costs_no_profile(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady(2.0)})

    def fail(*_, **more):
        raise SlmbenchError("the measurement of matrix products was killed by signal 9 (out of memory?)")

    monkeypatch.setattr(ceiling, "machine_ceiling", fail)

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)

    assert record.roofline is None
    assert record.latency.p50_ms == pytest.approx(2.0, rel=0.01)


def test_energy_is_asked_last_of_the_last_process_over_all_reviews(bundle, tmp_path, pretend, monkeypatch):
    made = pretend({"ms": steady(2.0)})
    power = CorePower(watts=10.0, cores=2, source="CPU time x 10 W")
    monkeypatch.setattr(turns, "find_sources", lambda *_: EnergySources(estimate=power, source=power.source))
    monkeypatch.setattr(scenarios, "measure_energy", worked_five_times)

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=2, grid="360"), output=tmp_path)

    under_meter = [row for request in made[1].asked[-6:-1] for row in request["rows"]]
    assert under_meter == [number % record.corpus.reviews for number in range(len(under_meter))]
    assert made[0].asked[-2]["do"] == "memory"  # and no energy
    assert record.energy.joules_per_1000 == pytest.approx(1000 * 36.0)
    assert record.energy.gco2e_per_1000 == pytest.approx(36_000 / 3.6e6 * 360)
    assert record.energy.grid.source == "360 gCO2e/kWh, as given"


def worked_five_times(work, sources, cpu_time):
    reviews = sum(work() for _ in range(5))
    assert cpu_time() > 0
    return Energy(joules_per_review=36.0, quality="estimated", source=sources.source, reviews=reviews)


def test_the_floor_is_measured_like_any_bundle(floor_bundle, tmp_path):
    (record,) = profile([floor_bundle], ProfileOptions(processes=1, time_limit_s=0.2), output=tmp_path)

    assert (record.form, record.backend, record.threads) == ("fp32", "numpy", 1)
    assert record.latency.p50_ms > 0


def test_each_process_times_the_same_reviews_as_often(bundle, tmp_path, pretend):
    made = pretend({"ms": steady()})

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=3), output=tmp_path)

    timed = [process.rows[20:] for process in made]  # after two windows of warm-up
    assert timed[0] == timed[1] == timed[2] == list(range(len(record.latency.processes_ms[0])))
    assert all(process.asked[-1] == {"do": "end"} for process in made)
    # Memory is read before the batches of the throughput passes can raise it; a few batches go before those timed.
    kinds = [request["do"] for request in made[0].asked]
    assert kinds[kinds.index("memory") :] == ["memory", "batches", "batches", "batches", "memory", "end"]
    assert [request["reviews"] for request in made[0].asked if "reviews" in request] == [32]


@pytest.mark.parametrize(("limit_s", "further"), [(20.0, 21), (0.4, 0)])
def test_fast_forms_are_timed_on_further_reviews(bundle, tmp_path, pretend, monkeypatch, limit_s, further):
    monkeypatch.setattr(workload, "REVIEWS", 20)
    monkeypatch.setattr(workload, "REVIEWS_IN_ALL", 41)
    made = pretend({"ms": steady(6.0)})
    options = ProfileOptions(forms=("fp32",), processes=2, time_limit_s=limit_s)

    (record,) = profile([bundle], options, output=tmp_path)

    # 21 reviews of 6 ms are more than half of 0.2 s; time for which is in the limit of a process.
    assert (
        record.latency.further_ms is None
        if not further
        else [len(ms) for ms in record.latency.further_ms] == [21, 21]
    )
    assert all(("further" in [request["do"] for request in process.asked]) == bool(further) for process in made)
    assert record.latency.different == record.corpus.reviews == 20
    there = f"there are {20 + further}"
    assert there in record.latency.unsupported["p99_ms"] and there in record.latency.unsupported["p95_ms"]


def test_a_real_process_times_further_reviews(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(workload, "REVIEWS", 20)
    monkeypatch.setattr(workload, "REVIEWS_IN_ALL", 41)

    (record,) = profile([bundle], QUICK.with_forms("fp32"), output=tmp_path)

    assert [len(ms) for ms in record.latency.further_ms] == [21] and min(record.latency.further_ms[0]) > 0


def test_steady_latencies_need_no_note(bundle, tmp_path, pretend):
    pretend({"ms": steady()})

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=3), output=tmp_path)

    assert record.latency.note is None
    assert len(record.latency.samples_ms) >= 130
    assert record.latency.here_ci95_ms == pytest.approx((2.0, 2.0), rel=0.01)
    # However often each of the 41 reviews was timed.
    assert (record.latency.p95_ms, record.latency.p99_ms) == (None, None)
    assert "130 different" in record.latency.unsupported["p95_ms"] and "41" in record.latency.unsupported["p95_ms"]
    assert not [warning for warning in record.warnings if "virtual" not in warning]


def test_an_interval_that_did_not_close_is_noted(bundle, tmp_path, pretend):
    pretend({"ms": wild()})
    options = ProfileOptions(forms=("fp32",), processes=1, time_limit_s=1e-9)

    (record,) = profile([bundle], options, output=tmp_path)

    assert all(fact in record.latency.note for fact in ("median", "±3 %", "1e-09 s", "10 samples"))
    assert record.latency.p95_ms is None
    assert "130" in record.latency.unsupported["p95_ms"]


def test_processes_that_disagree_are_noted(bundle, tmp_path, pretend):
    pretend({"ms": steady(2.0)}, {"ms": steady(3.0)})

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=2), output=tmp_path)

    assert any("medians of the processes differ by 50 %" in warning for warning in record.warnings)
    (why,) = [warning for warning in record.warnings if warning.startswith("why it may be unsteady: ")]
    assert len(why) > 40
    assert len(record.conditions.others_share) == 2
    assert record.latency.process_p50_ms == pytest.approx([2.0, 3.0])


def test_other_work_on_the_machine_is_noted(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady()})
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 88.0)

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)

    assert "the CPU was 88 % busy with other work just before the measurement" in record.warnings


def test_memory_that_the_system_does_not_tell_is_null(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "peak": None, "load": None})

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)

    assert (record.memory.peak_bytes, record.memory.load_bytes, record.memory.source) == (None, None, None)
    assert (record.memory.phases, record.memory.phases_apart) == (None, None)


def test_memory_is_the_largest_of_the_processes(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "peak": 50, "load": 9}, {"ms": steady(), "peak": 70, "load": 8})

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=2), output=tmp_path)

    assert (record.memory.peak_bytes, record.memory.load_bytes) == (70, 9)


# --- what is fed in -------------------------------------------------------------------------------------------


def test_the_corpus_itself_is_timed_where_it_is_at_hand(bundle):
    made = record_of(bundle)

    fed = choose_workload(made, bundle, SILENT)

    assert fed.identity.inputs == "reviews"
    assert fed.identity.test_hash == made.corpus.test_hash
    assert Classifier(bundle).token_lengths(fed.texts) == made.lengths.tokens
    assert fed.tokens == sum(made.lengths.tokens)


@pytest.mark.parametrize("which", ["tiny_bundle", "floor_bundle"])
def test_words_of_the_same_lengths_stand_in_for_a_corpus_that_is_not_there(request, tmp_path, which):
    bundle = shutil.copytree(request.getfixturevalue(which), tmp_path / "bundle")
    reseal(bundle, lambda document: document["corpus"]["options"].update(name_or_path="/nowhere/reviews.csv"))
    made = record_of(bundle)

    fed = choose_workload(made, bundle, SILENT)

    assert fed.identity.inputs == "length-matched words"
    assert fed.identity.test_hash == made.corpus.test_hash
    assert Classifier(bundle).token_lengths(fed.texts) == made.lengths.tokens
    assert fed.tokens == sum(made.lengths.tokens)
    assert fed.identity.tokens_max == max(made.lengths.tokens)


def test_a_corpus_that_changed_is_not_timed(bundle, tmp_path, small_corpus_file):
    changed = tmp_path / "reviews.csv"
    lines = small_corpus_file.read_text(encoding="utf-8").splitlines(keepends=True)
    changed.write_text("".join(lines[:200]), encoding="utf-8")
    reseal(bundle, lambda document: document["corpus"]["options"].update(name_or_path=str(changed)))
    ears = Listener()

    fed = choose_workload(record_of(bundle), bundle, ears)

    assert fed.identity.inputs == "length-matched words"
    assert len(ears.said) == 1
    assert ears.said[0].endswith("words of the same lengths are timed instead")


# --- which cells, and which fail ------------------------------------------------------------------------------


def test_a_cell_that_fails_lets_the_others_go_on(bundle, tmp_path):
    onnx = bundle / "onnx/model.onnx"
    onnx.write_bytes(b"x" * onnx.stat().st_size)
    failures = []

    records = list(
        profile(
            [bundle],
            ProfileOptions(processes=1, time_limit_s=0.2),
            output=tmp_path / "profiles",
            failed=lambda cell, error: failures.append((cell.name, str(error))),
        )
    )

    assert [record.form for record in records] == ["int8"]
    ((name, reason),) = failures
    assert name.endswith(" fp32")
    assert "model.onnx is not the file that was exported" in reason
    assert len(list((tmp_path / "profiles").iterdir())) == 1
    assert children() == []


def test_without_anybody_to_tell_a_failure_is_raised(bundle, tmp_path):
    (bundle / "tokenizer.json").write_text("{}", encoding="utf-8")

    with pytest.raises(SlmbenchError, match=r"the measured process failed: .*tokenizer\.json has 2 bytes instead of"):
        list(profile([bundle], QUICK, output=tmp_path / "profiles"))

    assert not (tmp_path / "profiles").exists()


def test_a_folder_of_bundles_gives_the_cells_of_all(bundle):
    shutil.copytree(bundle, bundle.parent / "another")
    shutil.copytree(bundle, bundle.parent / ".another.building-x")

    cells = find_cells([bundle.parent], ProfileOptions())

    assert [(cell.folder.name, cell.form) for cell in cells] == [
        ("another", "fp32"),
        ("another", "int8"),
        ("tiny", "fp32"),
        ("tiny", "int8"),
    ]


def test_forms_are_taken_from_the_bundles_that_have_them(bundle, floor_bundle):
    cells = find_cells([bundle, floor_bundle], ProfileOptions(forms=("int8",)))

    assert [(cell.folder, cell.form) for cell in cells] == [(bundle, "int8")]


@pytest.mark.parametrize(
    ("places", "forms", "says"),
    [
        (["nowhere"], None, "no bundle at .*nowhere"),
        (["."], None, "holds no bundle"),
        (["bundles/tiny"], ("int8", "fp16"), "has no form fp16; it has: fp32, int8"),
        (["bundles"], ("fp16",), "has no form fp16"),
        (["bundles/tiny", "bundles/tiny"], ("fp16",), "has no form fp16; it has: fp32, int8"),
    ],
)
def test_cells_that_are_not_there(bundle, tmp_path, places, forms, says):
    with pytest.raises(UsageError, match=says):
        find_cells([tmp_path / place for place in places], ProfileOptions(forms=forms))


def test_without_a_folder_it_is_exported(bundle, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    bundle.parent.joinpath("exported").mkdir()
    shutil.move(bundle, "exported/tiny")

    assert [cell.form for cell in find_cells([], ProfileOptions())] == ["fp32", "int8"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ProfileOptions(device="tpu"), "--device tpu: choose among cpu, cuda"),
        (ProfileOptions(backend="tflite"), "no backend 'tflite'.*onnxruntime, openvino, torch"),
        (ProfileOptions(backend="openvino", device="cuda"), "--device cuda: choose among cpu .*openvino"),
        (ProfileOptions(threads=0), "--threads must be at least 1"),
        (ProfileOptions(processes=0), "--processes must be at least 1"),
        (ProfileOptions(time_limit_s=0), "--time-limit must be above 0"),
        (ProfileOptions(batch_tokens=0), "--batch-tokens must be at least 1"),
        (ProfileOptions(scenario="party"), "--scenario party: choose among single, offline, server"),
        (ProfileOptions(scenario="server"), "--scenario server needs --qps RATE, or --max-p95-ms X"),
        (ProfileOptions(scenario="server", qps=5, max_p95_ms=5), "--scenario server needs --qps RATE, or"),
        (ProfileOptions(scenario="server", qps=-1), "--qps must be above 0"),
        (ProfileOptions(qps=5), "--qps is an option of --scenario server"),
    ],
)
def test_options_out_of_range(bundle, options, says):
    with pytest.raises(UsageError, match=says):
        list(profile([bundle], options))


# --- finished cells -------------------------------------------------------------------------------------------


@pytest.fixture
def measured(bundle, tmp_path, pretend):
    """A cell that has been measured, its options, and the folder of its record."""
    pretend({"ms": steady()})
    options = ProfileOptions(forms=("fp32",))
    list(profile([bundle], options, output=tmp_path / "profiles"))
    (cell,) = find_cells([bundle], options)
    return cell, options, tmp_path / "profiles"


def test_a_measured_cell_is_found(measured):
    cell, options, folder = measured

    path = finished_profile(cell, options, folder)

    assert path in list(folder.iterdir())
    assert read_record(ProfileRecord, path).form == "fp32"


@pytest.mark.parametrize(
    "change",
    [
        {"processes": 2},
        {"time_limit_s": 99.0},
        {"threads": 7},
        {"batch_tokens": 512},
        {"scenario": "offline"},
        {"scenario": "server", "qps": 5.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_measured_otherwise_is_not_measured(measured, change):
    cell, options, folder = measured

    other = ProfileOptions(**{"forms": options.forms, **change})

    assert finished_profile(cell, other, folder) is None


def test_another_form_or_bundle_is_not_measured(measured):
    cell, options, folder = measured
    (int8,) = find_cells([cell.folder], options.with_forms("int8"))
    reseal(cell.folder, lambda document: document.update(key="made from other weights"))
    (again,) = find_cells([cell.folder], options)

    assert finished_profile(int8, options, folder) is None
    assert finished_profile(again, options, folder) is None


def test_another_version_of_a_library_is_measured_anew(measured, monkeypatch):
    cell, options, folder = measured
    versions = dict(read_record(ProfileRecord, next(folder.iterdir())).software)
    monkeypatch.setattr("slmbench.profiling.identity.software_versions", lambda _: {**versions, "onnxruntime": "99"})

    assert finished_profile(cell, options, folder) is None


def test_a_damaged_record_is_measured_anew(measured):
    cell, options, folder = measured
    (path,) = folder.iterdir()
    path.write_text("{", encoding="utf-8")

    assert finished_profile(cell, options, folder) is None


def test_a_form_made_for_instructions_this_cpu_lacks_is_warned_of(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady()})
    made_for = json.loads((bundle / "bundle.json").read_text())["forms"]["int8"]["isa"]
    monkeypatch.setattr("slmbench.instruments.hardware.processor.cpu_features", lambda: ("sve",))

    records = {record.form: record for record in profile([bundle], output=tmp_path)}

    assert any(f"made for and checked on {made_for}" in warning for warning in records["int8"].warnings)
    assert not any("made for" in warning for warning in records["fp32"].warnings)


def test_a_start_from_a_cold_cache_stands_beside_the_others(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady(2.0)})
    dropped = []
    monkeypatch.setattr(scenarios, "drop_from_cache", lambda folder: dropped.append(folder))

    (cold,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=3), output=tmp_path)
    (alone,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=1), output=tmp_path)
    monkeypatch.setattr(scenarios, "drop_from_cache", lambda folder: "it lies in memory")
    (warm,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=3), output=tmp_path)

    assert dropped == [bundle]
    assert (cold.cold.cold_cache_ms, len(cold.cold.processes_ms), cold.cold.no_cold_cache) == (120.0, 2, None)
    assert (alone.cold.cold_cache_ms, len(alone.cold.processes_ms)) == (None, 1) and alone.cold.no_cold_cache
    assert (warm.cold.cold_cache_ms, len(warm.cold.processes_ms)) == (None, 3)
    assert warm.cold.no_cold_cache == "it lies in memory"


def test_batches_that_get_other_labels_have_no_speed_beside_the_accuracy(bundle, tmp_path, pretend, monkeypatch):
    in_batches = FakeProcess._batches

    def answers(self, batch_tokens, **asked):
        answer = in_batches(self, batch_tokens, **asked)
        labels = answer.get("labels", [])
        return {**answer, "labels": [1 - label if row < 6 else label for row, label in enumerate(labels)]}

    pretend({"ms": steady(2.0)})
    (same,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=1), output=tmp_path)
    monkeypatch.setattr(FakeProcess, "_batches", answers)
    (other,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=1), output=tmp_path)

    assert (same.throughput.labels.differing, other.throughput.labels.differing) == (0, 6)
    assert Cell(same).row.reviews_per_second and Cell(other).row.reviews_per_second is None
    assert any("6 of 41 reviews" in warning and "--scenario offline" in warning for warning in other.warnings)


def test_uninterrupted_work_is_traced(bundle, tmp_path, pretend, monkeypatch):
    clock = Clock()
    pretend({"ms": steady(2.0), "clock": clock})
    monkeypatch.setattr(sustained, "time", clock)
    monkeypatch.setattr(sustained, "fastest_clock_mhz", lambda: 2400.0)
    monkeypatch.setattr(sustained, "hottest_celsius", lambda: None)

    options = ProfileOptions(forms=("fp32",), processes=2, sustained_s=20.0)
    (record,) = profile([bundle], options, output=tmp_path)

    trace = record.sustained.trace
    assert 18 <= len(trace) <= 22 and trace[-1].at_s < 20 <= record.sustained.seconds
    # As many reviews as take about a second, and as long as before.
    assert {point.reviews for point in trace} == {500} and trace[5].relative == pytest.approx(1, rel=0.01)
    assert trace[0].clock_mhz == 2400 and record.sustained.no_clock is None
    assert trace[0].temperature_c is None and "temperature" in record.sustained.no_temperature
    assert record.sustained.slowdown.value == pytest.approx(1, rel=0.01)
    with pytest.raises(UsageError, match="--sustained"):
        profile([bundle], ProfileOptions(scenario="offline", sustained_s=20.0), output=tmp_path)
