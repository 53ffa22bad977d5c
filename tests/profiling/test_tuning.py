"""Finding the fastest setting, keeping it for this bundle and machine, and reading it back."""

import shutil

import pytest
from profiling_helpers import FakeProcess, steady
from sealing import reseal

from slmbench.edge import Classifier
from slmbench.edge.runtime import BundleFiles
from slmbench.edge.tuned import Tuned, tuned_settings, tuning_path
from slmbench.errors import SlmbenchError, UsageError
from slmbench.profiling import sweeps, tuning
from slmbench.profiling.tuning import tune
from slmbench.records import BundleRecord, read_record
from slmbench.records.tuning import TuningRecord


class Measured(FakeProcess):
    """Takes so many milliseconds a review; batches of 512 tokens save a third."""

    def __init__(self, ms):
        super().__init__(steady(ms))
        self._each = ms

    def _batches(self, batch_tokens, each=False, reviews=None):
        return {"s": self._each * reviews / 1e3 * (0.67 if batch_tokens == 512 else 1.0)}


@pytest.fixture
def imagined(monkeypatch, tmp_path):
    """Let settings take made-up times, from a function of the task; returns the tasks, in the order started."""
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 4)
    monkeypatch.setattr(tuning, "providers_here", lambda record: ["cpu"])

    def install(ms):
        tasks = []

        def start(task):
            tasks.append(task)
            return Measured(ms(task))

        for module in (sweeps, tuning):
            monkeypatch.setattr(module, "MeasuredProcess", start)
        return tasks

    return install


def times(task):
    return {"fp32": 3.0, "int8": 2.0}[task["form"]] * {1: 1.0, 2: 0.9, 4: 2.0}[task["threads"]]


def kept(bundle):
    """What is known of a bundle here."""
    return tuned_settings(BundleFiles.open(bundle).seal)


def test_the_fastest_setting_is_kept_for_this_machine(bundle, imagined, tmp_path):
    tasks = imagined(times)
    assert kept(bundle) is None

    record = tune(bundle, time_limit_s=0.01)

    assert record.chosen.model_dump() == {"form": "int8", "provider": "cpu", "threads": 2}
    assert record.batch_tokens == 512
    assert record.sentence.startswith("int8 on cpu with 2 threads is fastest here: 1.8 ms a review; many reviews are")
    assert "in batches of 512 tokens (829 a second)" in record.sentence
    assert kept(bundle) == Tuned("int8", "cpu", 2, 512)
    assert read_record(TuningRecord, tuning_path(record.seal)) == record
    assert tuning_path(record.seal).is_relative_to(tmp_path / "home")
    # The first round tries all, later ones only what is near the fastest, in the opposite order.
    order = [(task["form"], task["threads"]) for task in tasks]
    assert order[:6] == [(form, threads) for form in ("fp32", "int8") for threads in (1, 2, 4)]
    assert order[6:8] == [("int8", 2), ("int8", 1)]
    assert order[8:10] == [("int8", 1), ("int8", 2)]
    # Nothing was added to the bundle, whose manifest lists every file.
    assert BundleFiles.open(bundle).damaged() == []


def test_a_bundle_that_was_exported_again_is_not_tuned(bundle, imagined):
    imagined(times)
    tune(bundle, time_limit_s=0.01)
    reseal(bundle, lambda document: document.update(key="made from other weights"))

    assert kept(bundle) is None


def test_the_edge_runtime_runs_a_bundle_as_it_was_tuned(bundle, imagined):
    imagined(lambda task: times(task) * {"fp32": 0.5, "int8": 1.0}[task["form"]])
    tune(bundle, time_limit_s=0.01)

    assert Classifier(bundle).form == "int8"
    classifier = Classifier(bundle, tuned=True)
    assert (classifier.tuned, classifier.form, classifier.batch_tokens) == (True, "fp32", 512)


def test_forms_that_the_export_refused_are_not_tried(bundle, imagined):
    reseal(bundle, lambda document: document["forms"]["int8"].update(accepted=False))
    tasks = imagined(times)

    assert tune(bundle, time_limit_s=0.01).chosen.form == "fp32"
    assert {task["form"] for task in tasks} == {"fp32"}


def test_a_setting_that_fails_leaves_the_others(bundle, imagined):
    def ms(task):
        if task["form"] == "int8":
            raise SlmbenchError("it was killed")
        return times(task)

    imagined(ms)

    record = tune(bundle, time_limit_s=0.01)

    assert record.chosen.form == "fp32"
    assert {one.failure for one in record.candidates if one.setting.form == "int8"} == {"it was killed"}


def test_nothing_that_runs_is_an_error_with_every_reason(bundle, imagined):
    def ms(task):
        raise SlmbenchError("it was killed")

    imagined(ms)

    with pytest.raises(
        SlmbenchError, match="no candidate could be measured: fp32 on cpu with 1 thread: it was killed"
    ):
        tune(bundle)


def test_what_cannot_be_tuned(bundle, imagined):
    imagined(times)
    shutil.copytree(bundle, bundle.parent / "another")
    with pytest.raises(SlmbenchError, match="holds several bundles: name one"):
        tune(bundle.parent)
    with pytest.raises(UsageError, match="there is no bundle folder"):
        tune(bundle / "nowhere")
    with pytest.raises(UsageError, match="--time-limit must be above 0"):
        tune(bundle, time_limit_s=0)
    reseal(bundle, lambda document: [form.update(accepted=False) for form in document["forms"].values()] and None)
    with pytest.raises(SlmbenchError, match="has no accepted form to tune"):
        tune(bundle)


def test_the_floor_runs_in_one_way_only(floor_bundle, imagined):
    tasks = imagined(lambda task: 0.5)

    record = tune(floor_bundle, time_limit_s=0.01)

    assert {(task["form"], task["threads"]) for task in tasks} == {("fp32", 1)}
    assert record.chosen.provider == "cpu"
    assert Classifier(floor_bundle, tuned=True).tuned


def test_providers_are_those_installed(bundle):
    assert "cpu" in tuning.providers_here(read_record(BundleRecord, bundle / "bundle.json"))
