"""Finding the fastest setting, keeping it for this bundle and machine, and reading it back."""

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from profiling_helpers import Clock, FakeProcess, FirstOnesShort, steady
from sealing import reseal

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier
from slmbench.edge.runtime import BundleFiles
from slmbench.instruments.tuned import tuned_settings, tuning_path
from slmbench.profiling import sampling, sweeps, tuning, versus
from slmbench.profiling.tuning import tune
from slmbench.records import BundleRecord, read_record
from slmbench.records.tuning import TuningRecord

#: Time of a review in batches of so many tokens, relative to that of one alone.
SAVED = {512: 0.67, 1024: 0.8}


class Measured(FakeProcess):
    """Takes so many milliseconds a review; in batches of 512 tokens it saves a third, of 1,024 a fifth.

    ``wrong`` is the number of reviews that get another label than ``labels`` says, by token budget.
    """

    def __init__(self, ms, labels, wrong):
        super().__init__(steady(ms), labels=_mislabelled(labels, wrong.get(None, 0)))
        self._each, self._right, self._wrong = ms, labels, wrong

    def _batches(self, batch_tokens, each=False, reviews=None):
        return {"s": self._each * reviews / 1e3 * SAVED.get(batch_tokens, 1.0)}

    def _answers(self, rows, batch_tokens=None):
        labels = _mislabelled(self._right, self._wrong.get(batch_tokens, 0))
        return {"probabilities": np.eye(2)[[labels[row] for row in rows]].tolist()}


def _mislabelled(labels, wrong):
    """Give other labels to the first so many, or where it is negative to the last."""
    if wrong < 0:
        return labels[:wrong] + [1 - label for label in labels[wrong:]]
    return [1 - label for label in islice(labels, wrong)] + labels[wrong:]


@pytest.fixture
def imagined(monkeypatch, tmp_path):
    """Let settings take made-up times, from a function of the task; returns the tasks, in the order started.

    They label reviews as the bundle's record does, but for as many as ``wrong`` says, another function of the task.
    """
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 4)
    monkeypatch.setattr(tuning, "providers_here", lambda record, progress: ["cpu"])
    monkeypatch.setattr(versus, "wait_until_idle", lambda pid: None)
    # No time passes while single reviews are sampled: every setting gets to all of them, on any machine.
    monkeypatch.setattr(sampling, "time", Clock())

    def install(ms, wrong=lambda task: {}):
        tasks = []

        def start(task):
            tasks.append(task)
            taken = ms(task)
            form = read_record(BundleRecord, Path(task["folder"]) / "bundle.json").forms[task["form"]]
            return Measured(taken, form.predictions.predicted().tolist(), wrong(task))

        for module in (sweeps, tuning, versus):
            monkeypatch.setattr(module, "MeasuredProcess", start)
        return tasks

    return install


def times(task):
    return {"fp32": 3.0, "int8": 2.0}[task["form"]] * {1: 1.0, 2: 0.9, 4: 2.0, None: 1.2}[task["threads"]]


def without_reviews(bundle):
    """Let a bundle's corpus be away: words are timed, to which nobody knows answers."""
    reseal(bundle, lambda document: document["corpus"]["options"].update(name_or_path="gone.csv"))


def kept(bundle):
    """What is known of a bundle here."""
    return tuned_settings(bundle)


def test_the_fastest_setting_is_kept_for_this_machine(bundle, imagined, tmp_path):
    tasks = imagined(times)
    assert kept(bundle) == {}

    record = tune(bundle, time_limit_s=0.01)

    assert record.chosen.model_dump() == {"form": "int8", "provider": "cpu", "threads": 2}
    assert record.batch_tokens == 512
    facts = ("int8 on cpu with 2 threads", "1.8 ms", "512 tokens", "829 reviews/s", "1.33× as fast", "1.33–1.33")
    assert all(fact in record.sentence for fact in facts)
    # Two workers of two threads are no faster than one, four of one thread are slower.
    assert [(crew.workers, crew.threads) for crew in record.crews] == [(2, 2), (4, 1)]
    assert kept(bundle) == {"form": "int8", "threads": 2, "provider": "cpu", "batch_tokens": 512}
    assert read_record(TuningRecord, tuning_path(record.seal)) == record
    assert tuning_path(record.seal).is_relative_to(tmp_path / "home")
    # The first round tries all, later ones only what is near the fastest, in the opposite order.
    order = [(task["form"], task["threads"]) for task in tasks]
    assert order[:6] == [(form, threads) for form in ("fp32", "int8") for threads in (1, 2, 4)]
    # Before any is dropped, the fastest is asked for the labels of all reviews.
    assert order[6] == ("int8", 2)
    assert order[7:9] == [("int8", 2), ("int8", 1)]
    assert order[9:11] == [("int8", 1), ("int8", 2)]
    (chosen,) = (one for one in record.candidates if one.labels is not None)
    assert (chosen.setting, chosen.labels.reviews) == (record.chosen, record.corpus.reviews)
    # Nothing was added to the bundle, whose manifest lists every file.
    assert BundleFiles.open(bundle).damaged() == []


def test_the_winner_is_held_against_the_untuned_bundle_side_by_side(bundle, imagined):
    tasks = imagined(times)

    record = tune(bundle, time_limit_s=0.01)

    # The very last one is asked for the labels it gives in batches.
    last = [(task["form"], task["threads"]) for task in tasks][-13:-1]
    assert last == [("int8", 2), ("int8", None), ("int8", None), ("int8", 2)] * 3
    assert record.untuned_form == "int8"
    assert record.speed_up.value == pytest.approx(2.4 / 1.8, rel=0.01)


def test_a_setting_that_is_shown_to_be_slower_than_the_untuned_bundle_is_not_kept(bundle, imagined):
    imagined(lambda task: times(task) * (0.5 if task["threads"] is None else 1.0))

    record = tune(bundle, time_limit_s=0.01)

    assert record.slower_than_untuned and record.speed_up.ci95[1] < 1
    assert record.chosen.model_dump() == {"form": "int8", "provider": "cpu", "threads": None}
    assert kept(bundle) == {}
    assert "0.67×" in record.sentence and "int8 on cpu with 2 threads is fastest" in record.sentence


def test_labels_are_checked_on_all_reviews_when_time_was_over_after_few(bundle, imagined):
    def late(task):
        """The last reviews get other labels: those that are timed show nothing."""
        return {None: 0} if task["form"] == "fp32" else {None: -6}

    imagined(lambda task: times(task), wrong=late)

    record = tune(bundle, time_limit_s=0.01)

    assert record.chosen.form == "fp32"
    assert any("6 of 41" in (one.failure or "") for one in record.candidates if one.setting.form == "int8")


def test_a_tuning_beside_other_work_says_so(bundle, imagined, monkeypatch):
    imagined(times)
    seen = tuning.conditions_of
    monkeypatch.setattr(
        tuning, "conditions_of", lambda all_seen: seen(all_seen).model_copy(update={"others_share": [0.0, 0.4]})
    )

    (warning,) = tune(bundle, time_limit_s=0.01).warnings

    assert "other processes used 40 % of the CPU meanwhile" in warning


def test_nothing_gained_is_said(bundle, imagined):
    imagined(lambda task: times(task | {"threads": task["threads"] or 2}))

    sentence = tune(bundle, time_limit_s=0.01).sentence

    assert "no significant difference" in sentence.lower()
    assert "1.00× as fast" in sentence


def test_two_that_do_not_fit_side_by_side_leave_the_choice_unconfirmed(bundle, imagined):
    def ms(task):
        if task["threads"] is None:
            raise SlmbenchError("it was killed")
        return times(task)

    imagined(ms)

    record = tune(bundle, time_limit_s=0.01)

    assert (record.chosen.threads, record.pairs, record.speed_up) == (2, [], None)
    assert record.sentence.endswith("(829 reviews/s)")


def test_a_setting_that_labels_otherwise_is_not_chosen_however_fast(bundle, imagined):
    imagined(times, wrong=lambda task: {None: 6} if task["form"] == "int8" else {})

    record = tune(bundle, time_limit_s=0.01)

    assert record.chosen.form == "fp32"
    reasons = {one.failure for one in record.candidates if one.setting.form == "int8"}
    assert reasons == {"6 of 41 reviews got another label than where the form was exported"}


def test_a_single_other_label_may_be_chance(bundle, imagined):
    imagined(times, wrong=lambda task: {None: 1})

    assert tune(bundle, time_limit_s=0.01).chosen.form == "int8"


def test_a_token_budget_that_labels_otherwise_is_not_chosen_however_fast(bundle, imagined, monkeypatch):
    imagined(times, wrong=lambda task: {512: 6})

    record = tune(bundle, time_limit_s=0.01)

    assert record.batch_tokens == 1024
    assert [(one.value, one.served.differing, one.refused) for one in record.budget_labels] == [
        (512, 6, True),
        (1024, 0, False),
    ]
    assert kept(bundle)["batch_tokens"] == 1024


@pytest.mark.parametrize(
    ("share", "best_alone", "wanted"),
    [
        ({2: 0.7}, 2, {"threads": 2, "workers": 2}),
        ({2: 0.7, 4: 0.4}, 2, {"threads": 1, "workers": 4}),
        # One inference by all cores, many by one core each: what a classifier does that is told nothing.
        ({4: 0.4}, 4, {}),
    ],
)
def test_workers_are_kept_where_many_reviews_run_best_with_them(bundle, imagined, share, best_alone, wanted):
    def with_workers(task):
        alone = times(task) / (3 if task["threads"] == best_alone else 1)
        if "workers" not in task:
            return alone
        return 2.0 / 3 * {1: 1.0, 2: 0.9, 4: 2.0}[best_alone] * share.get(task["workers"], 1.5)

    imagined(with_workers)
    record = tune(bundle, time_limit_s=0.01)

    assert (record.chosen.threads, record.workers) == (best_alone, max(share))
    assert kept(bundle) == {"form": "int8", "provider": "cpu", "batch_tokens": 512, **wanted}


def test_words_have_no_labels_to_keep_to(bundle, imagined):
    without_reviews(bundle)
    imagined(times, wrong=lambda task: {None: 30, 512: 30})

    record = tune(bundle, time_limit_s=0.01)

    assert record.corpus.inputs == "length-matched words"
    assert (record.chosen.form, record.batch_tokens, record.budget_labels) == ("int8", 512, [])


def test_a_bundle_that_was_exported_again_is_not_tuned(bundle, imagined):
    imagined(times)
    tune(bundle, time_limit_s=0.01)
    reseal(bundle, lambda document: document.update(key="made from other weights"))

    assert kept(bundle) == {}


def test_the_edge_runtime_runs_a_bundle_as_it_was_tuned(bundle, imagined):
    imagined(lambda task: times(task) * {"fp32": 0.5, "int8": 1.0}[task["form"]])
    tune(bundle, time_limit_s=0.01)

    assert Classifier(bundle).form == "int8"
    classifier = Classifier(bundle, **kept(bundle))
    assert (classifier.form, classifier.batch_tokens) == ("fp32", 512)


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

    with pytest.raises(SlmbenchError, match="no setting can be chosen: fp32 on cpu with 1 thread: it was killed"):
        tune(bundle)


def test_what_cannot_be_tuned(bundle, imagined):
    imagined(times)
    shutil.copytree(bundle, bundle.parent / "another")
    with pytest.raises(SlmbenchError, match="holds several bundles: name one"):
        tune(bundle.parent)
    with pytest.raises(UsageError, match="no bundle at .*nowhere"):
        tune(bundle / "nowhere")
    with pytest.raises(UsageError, match="--time-limit must be above 0"):
        tune(bundle, time_limit_s=0)
    reseal(bundle, lambda document: [form.update(accepted=False) for form in document["forms"].values()] and None)
    with pytest.raises(SlmbenchError, match="has no accepted form to tune"):
        tune(bundle)


def test_a_setting_that_gets_to_more_reviews_is_not_judged_by_their_lengths(bundle, imagined, monkeypatch):
    without_reviews(bundle)
    imagined(times)
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 1)
    clock = Clock()
    for module in (sweeps, tuning, versus):
        monkeypatch.setattr(
            module, "MeasuredProcess", lambda task: FirstOnesShort({"fp32": 12.0, "int8": 10.0}[task["form"]], clock)
        )
    for module in (sampling, sweeps):
        monkeypatch.setattr(module, "time", clock)

    record = tune(bundle, time_limit_s=15)

    # In the time that fp32 has for 35 reviews int8 gets to 40, of which half are long.
    assert record.chosen.form == "int8"
    fp32, int8 = record.candidates
    assert [len(ms) for ms in fp32.processes_ms] == [len(ms) for ms in int8.processes_ms]


def test_the_floor_runs_in_one_way_only(floor_bundle, imagined):
    tasks = imagined(lambda task: 0.5)

    record = tune(floor_bundle, time_limit_s=0.01)

    assert {(task["form"], task["threads"]) for task in tasks} == {("fp32", 1)}
    assert record.chosen.provider == "cpu"
    assert Classifier(floor_bundle, **kept(floor_bundle)).form == "fp32"


def test_providers_are_those_installed(bundle):
    assert "cpu" in tuning.providers_here(read_record(BundleRecord, bundle / "bundle.json"))
