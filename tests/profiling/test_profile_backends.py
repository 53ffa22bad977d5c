"""Providers of onnxruntime, memory of a GPU, and the labels given while a form is timed."""

import re
import shutil

import numpy as np
import onnxruntime
import pytest
from profiling_helpers import steady, task_of
from rich.console import Console
from sealing import reseal

from slmbench.cascade import CascadeOptions, cascade
from slmbench.cli.views.profiles import profile_table
from slmbench.common.files import content_key
from slmbench.instruments.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.profiling import ProfileOptions, process, profile
from slmbench.profiling.backends import BACKENDS
from slmbench.profiling.identity import profile_key
from slmbench.profiling.measuring import find_cells
from slmbench.profiling.process import MeasuredProcess
from slmbench.records import BundleRecord, GpuPeaks, ProfileRecord, Served, read_record

FP32 = ("fp32",)


def measure(folder, output, **options):
    (record,) = profile([folder], ProfileOptions(**{"forms": FP32, "processes": 2, **options}), output=output)
    assert read_record(ProfileRecord, output / f"{record.name}.json") == record
    return record


# --- providers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({}, "onnxruntime-cpu"),
        ({"backend": "openvino"}, "openvino-cpu"),
        ({"device": "cuda"}, "onnxruntime-cuda"),
    ],
    ids=["cpu", "openvino", "cuda"],
)
def test_the_worker_is_told_the_backend_and_the_record_says_it(bundle, tmp_path, pretend, options, setting):
    made = pretend({"ms": steady()})

    record = measure(bundle, tmp_path, **options)

    backend = BACKENDS[record.backend]
    assert {(one.task["loader"], one.task["device"]) for one in made} == {(backend.loader, record.device)}
    assert f"{record.backend}-{record.device}" == setting
    assert f".fp32.{setting}-{record.threads}t." in record.name


def test_keys_of_onnxruntime_on_the_cpu_are_what_they_always_were(bundle):
    options = ProfileOptions(forms=FP32)
    (cell,) = find_cells([bundle], options)
    versions = software_versions()

    assert profile_key(cell, options) == content_key(
        stage="profile/4",
        bundle=cell.bundle.key,
        file=cell.bundle.forms["fp32"].sha256,
        machine=hardware_fingerprint()["fingerprint"],
        backend="onnxruntime",
        device="cpu",
        threads=usable_cores(),
        processes=options.processes,
        time_limit_s=options.time_limit_s,
        versions={name: versions.get(name) for name in ("onnxruntime", "numpy", "tokenizers", "python")},
    )


def test_keys_tell_pauses_between_sessions_apart(bundle):
    ways = [{}, {"sessions": 2}, {"sessions": 2, "session_gap_min": 5.0}]
    options = [ProfileOptions(forms=FP32, processes=5, **way) for way in ways]
    (cell,) = find_cells([bundle], options[0])
    assert len({profile_key(cell, one) for one in options}) == 3
    # Without a second session there is no pause.
    single = [ProfileOptions(forms=FP32, session_gap_min=gap) for gap in (5.0, 30.0)]
    assert profile_key(cell, single[0]) == profile_key(cell, single[1])


def test_keys_tell_backends_and_the_versions_of_their_packages_apart(bundle, monkeypatch):
    ways = [ProfileOptions(forms=FP32, **way) for way in ({}, {"backend": "openvino"}, {"device": "cuda"})]
    (cell,) = find_cells([bundle], ways[0])
    before = [profile_key(cell, way) for way in ways]
    newer = {**software_versions(), "onnxruntime-ep-openvino": "99", "onnxruntime-gpu": "99"}
    monkeypatch.setattr("slmbench.profiling.identity.software_versions", lambda _: newer)
    after = [profile_key(cell, way) for way in ways]

    assert len(set(before + after)) == 5
    assert before[0] == after[0]


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="onnxruntime has CUDA here"
)
def test_a_provider_that_is_not_there_is_a_failed_cell(bundle, floor_bundle, tmp_path):
    failures = {}
    options = ProfileOptions(forms=FP32, device="cuda", processes=1)

    records = list(
        profile(
            [bundle, floor_bundle],
            options,
            output=tmp_path / "profiles",
            failed=lambda cell, error: failures.update({cell.folder: str(error)}),
        )
    )

    assert records == []
    assert re.search(r"onnxruntime cannot use cuda here: pip install 'onnxruntime-gpu", failures[bundle])
    assert "is a TF-IDF bundle, which runs on the CPU only: leave out the provider" in failures[floor_bundle]


# --- memory of a GPU ------------------------------------------------------------------------------------------


def peaks(nvml, reserved=None):
    return {
        "nvml_bytes": nvml,
        "nvml_source": "NVML, this process",
        "allocated_bytes": reserved and reserved - 1,
        "reserved_bytes": reserved,
    }


def shown(records):
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(profile_table(records))
    return captured.get()


def test_gpu_memory_is_the_largest_of_the_processes_and_shown_where_there_is_any(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "gpu": peaks(600_000_000)}, {"ms": steady(), "gpu": peaks(700_000_000)})
    on_gpu = measure(bundle, tmp_path, device="cuda")
    pretend({"ms": steady()})
    on_cpu = measure(bundle, tmp_path)

    assert on_gpu.memory.gpu == GpuPeaks(nvml_bytes=700_000_000, nvml_source="NVML, this process")
    assert on_cpu.memory.gpu is None
    assert "GPU" in shown([on_gpu, on_cpu])
    assert " 700 " in shown([on_gpu, on_cpu])
    assert "GPU" not in shown([on_cpu])


def test_where_the_driver_does_not_tell_torchs_allocator_is_shown(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "gpu": {**peaks(None, 321_000_000), "nvml_source": "no NVML"}})

    record = measure(bundle, tmp_path, device="cuda")

    assert record.memory.gpu.reserved_bytes == 321_000_000
    assert " 321 " in shown([record])


def test_opening_meters_is_no_part_of_a_cold_start(tiny_bundle, monkeypatch):
    slow_meter = """
from slmbench.profiling import worker

class Metered(worker.Worker):
    def __init__(self, task):
        super().__init__(task)
        self.started["meter_ms"] = 1e7

worker.Worker = Metered
worker.main()
"""
    monkeypatch.setattr(process, "WORKER", ("-c", slow_meter))

    with MeasuredProcess(task_of(tiny_bundle, texts=["a"])) as made:
        assert -1e7 < made.cold_ms < -9e6


# --- labels given while timing --------------------------------------------------------------------------------


@pytest.fixture
def both(floor_bundle, tiny_bundle, tmp_path):
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=tmp_path / "both")
    return tmp_path / "both"


@pytest.mark.parametrize("which", ["tiny_bundle", "floor_bundle", "both"])
def test_what_is_timed_answers_as_its_record_says(request, tmp_path, which):
    folder = request.getfixturevalue(which)
    form = next(iter(read_record(BundleRecord, folder / "bundle.json").forms))

    record = measure(folder, tmp_path / "profiles", forms=(form,), processes=1, time_limit_s=0.5, threads=1)

    timed = len(record.latency.samples_ms)
    assert record.served == Served(reviews=min(timed, record.corpus.reviews), differing=0)
    assert not any("another label" in warning for warning in record.warnings)


def test_the_profile_of_a_cascade_says_what_it_is_made_of(both, tmp_path):
    bundle = read_record(BundleRecord, both / "bundle.json")
    record = measure(both, tmp_path / "profiles", forms=("fp32+fp32",), processes=1, time_limit_s=0.5, threads=1)

    members = record.cascade.small, record.cascade.large
    for member, inside in zip(members, (bundle.cascade.small, bundle.cascade.large), strict=True):
        assert (member.name, member.form, member.sha256) == (inside.name, inside.form, inside.sha256)
    assert (record.cascade.threshold, record.cascade.routed) == (0.9, bundle.cascade.routed)
    assert record.cascade.sweep == bundle.cascade.sweep
    assert record.form_sha256 == bundle.forms[record.form].sha256


@pytest.fixture
def flipped(bundle):
    """Labels as the bundle's record has them, but for some rows."""

    def flip(*rows):
        said = read_record(BundleRecord, bundle / "bundle.json").forms["fp32"].predictions.predicted().tolist()
        return [1 - label if row in rows else label for row, label in enumerate(said)]

    return flip


def test_reviews_with_other_labels_are_counted_once_and_warned_of(bundle, tmp_path, pretend, flipped):
    pretend({"ms": steady(), "labels": flipped(3, 5)}, {"ms": steady(), "labels": flipped(5)})

    record = measure(bundle, tmp_path)

    reviews = record.corpus.reviews
    assert record.served == Served(reviews=reviews, differing=2)
    sentence = f"2 of {reviews} reviews got another label here than where the form was exported"
    assert f"{sentence}: run `slmbench verify`" in record.warnings
    assert record.predictions == read_record(BundleRecord, bundle / "bundle.json").forms["fp32"].predictions


def test_on_another_provider_the_accuracy_is_that_providers_own(bundle, tmp_path, pretend, flipped):
    exported = read_record(BundleRecord, bundle / "bundle.json").forms["fp32"].predictions
    right = next(row for row, label in enumerate(exported.predicted()) if label == exported.truth[row])
    made = pretend({"ms": steady(), "labels": flipped(right)})

    record = measure(bundle, tmp_path, backend="openvino")

    # The first process answers all test reviews, those after it are timed and answer alike.
    assert [request["do"] for request in made[0].asked if request["do"] != "end"] == ["answers"] * 3
    assert made[0].task["loader"] == BACKENDS["openvino"].loader
    assert record.predictions.row_ids == exported.row_ids
    assert record.accuracy == pytest.approx(np.mean(exported.predicted() == exported.truth) - 1 / len(exported.truth))
    assert record.served.differing == 0
    reviews = len(exported.row_ids)
    assert f"1 of {reviews} test reviews get another label on openvino than where it was exported" in record.warnings


def test_another_provider_without_the_reviews_says_whose_accuracy_it_is(bundle, tmp_path, pretend):
    reseal(bundle, lambda document: document["corpus"]["options"].update(name_or_path="gone.csv"))
    pretend({"ms": steady()})

    record = measure(bundle, tmp_path, backend="openvino")

    (warning,) = [one for one in record.warnings if "accuracy" in one]
    assert warning.startswith(
        "its accuracy is that of the CPU where it was exported, on openvino it may be another: "
    )
    assert record.predictions == read_record(BundleRecord, bundle / "bundle.json").forms["fp32"].predictions


def test_whose_labels_differ_is_said_in_a_table_of_several(bundle, tmp_path, pretend, flipped):
    pretend({"ms": steady(), "labels": flipped(0)}, {"ms": steady(), "labels": flipped()})
    options = ProfileOptions(processes=1)

    records = list(profile([bundle], options, output=tmp_path))

    assert f"{records[0].bundle} fp32: 1 of {records[0].corpus.reviews} reviews got another label" in shown(records)
    assert "int8: 1 of" not in shown(records)


def test_labels_of_a_tie_are_the_same_answer(bundle, tmp_path, pretend, flipped):
    def tie(document):
        document["forms"]["fp32"]["predictions"]["probabilities"][3] = [0.5, 0.5]

    reseal(bundle, tie)
    pretend({"ms": steady(), "labels": flipped(3)})

    assert measure(bundle, tmp_path).served.differing == 0


def test_without_reviews_or_one_at_a_time_there_is_nothing_to_hold_against(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "labels": [0]})
    assert measure(bundle, tmp_path, scenario="offline").served is None
    assert measure(bundle, tmp_path, scenario="server", qps=50.0, time_limit_s=1.0).served is None
    elsewhere = shutil.copytree(bundle, tmp_path / "elsewhere")
    reseal(elsewhere, lambda document: document["corpus"]["options"].update(name_or_path="/nowhere/reviews.csv"))
    assert measure(elsewhere, tmp_path).served is None
