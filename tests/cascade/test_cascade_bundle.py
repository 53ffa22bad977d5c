"""A cascade from its two members: what is asked of which reviews, what is recorded, when it is made again."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
from factories import profile_record
from sealing import reseal

from slmbench.cascade import CascadeOptions, cascade
from slmbench.compare import compare
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.edge.runtime import CascadeBackend
from slmbench.export import export
from slmbench.export.manifest import write_bundle
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.profiling import ProfileOptions, profile
from slmbench.records import BundleRecord, read_record, write_record


@pytest.fixture(scope="module")
def record(both):
    return read_record(BundleRecord, both / "bundle.json")


@pytest.fixture(scope="module")
def test_rows(many_reviews):
    return load_corpus(str(many_reviews)).test


def test_the_folder(both):
    files = {str(file.relative_to(both)) for file in both.rglob("*") if file.is_file()}
    members = {
        f"{member}/{name}"
        for member in ("small", "large")
        for name in ("README.md", "ancestors.npz", "bundle.json", "config.json", "tfidf.json", "tfidf.npz")
    }
    assert files == {"README.md", "ancestors.npz", "bundle.json", "cascade.json", "cascade.png", *members}
    assert [folder.name for folder in both.parent.iterdir()] == ["both"]
    assert (both / "cascade.png").read_bytes().startswith(b"\x89PNG")


def test_it_answers_as_its_members_do(record, bundles, both, test_rows):
    small, large = (Classifier(bundle) for bundle in bundles)
    texts = test_rows.texts
    sure = small.predict_proba(texts).max(1) >= record.cascade.threshold
    wanted = np.where(sure[:, None], small.predict_proba(texts), large.predict_proba(texts))
    found = Classifier(both)
    assert found.form == "fp32+fp32"
    assert found.predict_proba(texts) == pytest.approx(wanted)
    (form,) = record.forms.values()
    assert np.asarray(form.predictions.probabilities) == pytest.approx(wanted, abs=1e-6)
    assert form.predictions.row_ids == test_rows.row_ids
    assert (form.parity.reviews, form.parity.label_flips, form.parity.max_abs_logit_diff) == (len(texts), 0, 0.0)
    assert form.accepted
    assert record.cascade.routed == pytest.approx(1 - sure.mean())
    assert 0 < record.cascade.routed < 1


def test_members_and_differences(record, bundles, test_rows):
    facts = record.cascade
    for member, bundle in zip((facts.small, facts.large), bundles, strict=True):
        own = read_record(BundleRecord, bundle / "bundle.json")
        assert member.evaluation == own.forms["fp32"].evaluation
        assert (member.name, member.form, member.sha256) == (own.name, "fp32", own.forms["fp32"].sha256)
        assert member.bytes == own.forms["fp32"].bytes + own.shared_bytes
    form = record.forms["fp32+fp32"]
    assert facts.large.accuracy > facts.small.accuracy
    assert facts.against_small.difference == pytest.approx(form.accuracy - facts.small.accuracy)
    assert facts.against_large.difference == pytest.approx(form.accuracy - facts.large.accuracy)
    right = facts.test.right(facts.threshold)
    assert (right == form.predictions.right()).all()
    assert len(right) == len(test_rows)


def test_the_threshold_is_chosen_on_reviews_that_neither_member_met(record, many_reviews, test_rows):
    facts = record.cascade
    assert facts.validation.kind == "unseen"
    chosen_on = facts.validation.routing.row_ids
    strong = load_corpus(str(many_reviews), train_size=300)
    met = {*strong.train.row_ids, *strong.validation.row_ids, *test_rows.row_ids}
    assert set(load_corpus(str(many_reviews), train_size=18).train.row_ids) <= met
    assert not met & set(chosen_on)
    assert len(chosen_on) == len(set(chosen_on)) == strong.train_pool - 300
    assert facts.chosen.startswith("the least routing within one standard error")
    # Nothing that no threshold looks at was asked of the large model.
    asked = [answer is not None for answer in facts.validation.routing.large_right]
    assert asked == [sure < 0.99 for sure in facts.validation.routing.confidence]


def test_the_sweep_goes_from_the_small_model_alone_to_the_large_one(record):
    facts = record.cascade
    first, last = facts.sweep[0], facts.sweep[-1]
    assert (first.threshold, last.threshold) == (0.33, 0.99)
    assert (first.routed, first.accuracy, first.ms) == (0.0, facts.small.accuracy, facts.small_ms)
    assert (last.routed, last.accuracy) == (1.0, facts.large.accuracy)
    assert last.ms == pytest.approx(facts.small_ms + facts.large_ms)
    routed = [row.routed for row in facts.sweep]
    assert routed == sorted(routed)
    chosen = next(row for row in facts.sweep if row.threshold == facts.threshold)
    assert (chosen.routed, chosen.ms, chosen.validation_routed) == (facts.routed, facts.ms, facts.validation_routed)
    assert facts.break_even == pytest.approx(1 - facts.small_ms / facts.large_ms)


def test_the_three_are_timed_on_the_same_reviews(record, test_rows):
    timing = record.cascade.timing
    for rounds in (timing.small_ms, timing.large_ms, timing.cascade_ms):
        assert [len(taken) for taken in rounds] == [len(test_rows)] * 5
        assert min(min(taken) for taken in rounds) > 0
    assert timing.routed == record.cascade.test.routed(record.cascade.threshold).tolist()
    assert timing.mean_ms["large"] == pytest.approx(np.mean(timing.large_ms))
    assert (record.cascade.small_ms, record.cascade.large_ms) == (timing.mean_ms["small"], timing.mean_ms["large"])


def test_the_record_is_that_of_a_bundle(record, bundles, both):
    small, large = (read_record(BundleRecord, bundle / "bundle.json") for bundle in bundles)
    assert (record.runtime, record.method, record.name) == ("cascade", "cascade", "both")
    assert record.lengths == small.lengths
    assert record.corpus == large.corpus
    assert record.total_parameters == small.total_parameters + large.total_parameters
    assert record.base_license is None
    form = record.forms["fp32+fp32"]
    assert form.bytes == (both / "cascade.json").stat().st_size
    files = [file for file in both.rglob("*") if file.name in ("config.json", "tfidf.json", "tfidf.npz")]
    assert record.shared_bytes == sum(file.stat().st_size for file in files)
    assert not record.needs_onnxruntime


def test_the_members_inside_can_be_used_alone(both, bundles):
    for inside, bundle in zip(("small", "large"), bundles, strict=True):
        copy = read_record(BundleRecord, both / inside / "bundle.json")
        assert (copy.path, copy.name, list(copy.forms)) == (str(both / inside), bundle.name, ["fp32"])
        assert Classifier(both / inside).predict(["a good film"]) == Classifier(bundle).predict(["a good film"])


def test_the_card(both, record):
    card = (both / "README.md").read_text()
    assert card.startswith("# both\n")
    assert f"| {record.cascade.threshold:.4g} ← |" in card
    assert "| weak fp32 alone |" in card and "| strong fp32 alone |" in card and "| the cascade |" in card
    assert "![accuracy against runtime](cascade.png)" in card
    assert "\n\n\n" not in card


def test_the_same_again_is_not_made_again(both, bundles, tmp_path):
    folder = shutil.copytree(both, tmp_path / "both")
    before = (folder / "bundle.json").stat().st_mtime_ns
    cascade(*bundles, output=folder)
    assert (folder / "bundle.json").stat().st_mtime_ns == before
    (folder / "small" / "tfidf.npz").write_bytes(b"cut")
    cascade(*bundles, output=folder)
    assert (folder / "bundle.json").stat().st_mtime_ns != before
    assert Classifier(folder).predict(["a good film"]) == Classifier(both).predict(["a good film"])
    record = cascade(*bundles, CascadeOptions(threshold=0.9), output=folder)
    assert (record.cascade.threshold, record.cascade.chosen) == (0.9, "given")


def test_a_threshold_that_is_given(bundles, tmp_path):
    record = cascade(*bundles, CascadeOptions(threshold=0.625), output=tmp_path / "given", name="mine")
    facts = record.cascade
    assert record.name == "mine"
    assert [row.threshold for row in facts.sweep if 0.62 <= row.threshold <= 0.63] == [0.62, 0.625, 0.63]
    assert facts.validation is not None
    everything = cascade(*bundles, CascadeOptions(threshold=1.0), output=tmp_path / "all")
    assert everything.cascade.routed == 1.0
    assert everything.forms["fp32+fp32"].accuracy == everything.cascade.large.accuracy


def test_a_limit_on_what_is_routed(bundles, record, tmp_path):
    limited = cascade(*bundles, CascadeOptions(max_routed=0.1), output=tmp_path / "limited").cascade
    assert limited.validation_routed <= 0.1 < record.cascade.validation_routed
    assert "among those that route at most 10.0 %" in limited.chosen


def test_runs_are_exported_on_the_way(floors, record, tmp_path):
    made = cascade(*floors, output=tmp_path / "of-runs")
    assert made.cascade.threshold == record.cascade.threshold
    assert made.forms["fp32+fp32"].predictions == record.forms["fp32+fp32"].predictions
    assert [folder.name for folder in tmp_path.iterdir()] == ["of-runs"]
    assert json.loads((tmp_path / "of-runs/small/bundle.json").read_text())["path"].endswith("of-runs/small")


def test_labels_in_another_order(bundles, record, tmp_path):
    turned = shutil.copytree(bundles[1], tmp_path / "turned")
    order = [2, 0, 1]
    with np.load(turned / "tfidf.npz") as arrays:
        columns = {name: arrays[name] if name == "idf" else arrays[name][order] for name in arrays.files}
    np.savez_compressed(turned / "tfidf.npz", **columns)

    def turn(document):
        document["labels"] = [document["labels"][label] for label in order]
        document["forms"]["fp32"]["bytes"] = (turned / "tfidf.npz").stat().st_size

    reseal(turned, turn)

    made = cascade(bundles[0], turned, output=tmp_path / "cascade")

    assert made.labels == ["negative", "neutral", "positive"]
    assert made.forms["fp32+fp32"].predictions == record.forms["fp32+fp32"].predictions
    assert made.cascade.large.accuracy == record.cascade.large.accuracy


def test_a_large_model_that_never_helps(bundles, tmp_path):
    record = cascade(*bundles[::-1], output=tmp_path / "backwards")
    (form,) = record.forms.values()
    assert record.cascade.routed == 0
    assert not form.accepted
    assert form.reason.startswith("weak is never used") and form.reason.endswith("ship strong alone")
    assert any(note.startswith("weak alone is less accurate than strong alone") for note in record.cascade.notes)


def test_a_cascade_that_is_not_better_than_its_small_member_says_so_first(bundles, record, tmp_path):
    (form,) = record.forms.values()
    assert record.cascade.against_small.difference > 0 and form.reason.startswith("not shown") is False
    worse = cascade(*bundles[::-1], CascadeOptions(threshold=0.9), output=tmp_path / "backwards")
    (form,) = worse.forms.values()
    assert form.accepted and worse.cascade.routed > 0
    assert form.reason.startswith("not shown to be more accurate than strong alone")


def test_a_bundle_that_is_not_its_members_is_refused(bundles, tmp_path, monkeypatch):
    class Turned(CascadeBackend):
        def logits(self, items):
            return super().logits(items)[:, ::-1]

    monkeypatch.setattr("slmbench.cascade.building.CascadeBackend", Turned)
    (form,) = cascade(*bundles, output=tmp_path / "turned").forms.values()
    assert not form.accepted
    assert form.parity.label_flips > 0
    assert f"{form.parity.label_flips} of {form.parity.reviews} labels differ" in form.reason


def test_few_reviews_choose_with_a_warning(bundles, tmp_path):
    facts = cascade(*bundles, CascadeOptions(validation_size=30), output=tmp_path / "few").cascade
    assert len(facts.validation.routing.row_ids) == 30
    assert "threshold" in facts.notes[0] and "only 30 reviews" in facts.notes[0]


def test_without_unseen_reviews_those_that_picked_an_epoch_choose(many_reviews, bundles, tmp_path):
    corpus = load_corpus(str(many_reviews), train_size="all", validation_fraction=0.3)
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    # Takes the place of a transformer, which only picks an epoch on validation rows.
    bundle = export(tmp_path / "run", output=tmp_path / "all")
    write_bundle(bundle.model_copy(update={"method": "full"}), tmp_path / "all")

    facts = cascade(bundles[0], tmp_path / "all", output=tmp_path / "cascade").cascade

    assert facts.validation.kind == "validation"
    chosen_on = set(facts.validation.routing.row_ids)
    assert chosen_on <= set(corpus.validation.row_ids)
    # No threshold is chosen on rows that TF-IDF learned from.
    weak = load_corpus(str(many_reviews), train_size=18)
    assert not chosen_on & {*weak.train.row_ids, *weak.validation.row_ids}
    assert any("the threshold was chosen on validation reviews" in note for note in facts.notes)


def test_the_times_of_profiles(bundles, tmp_path):
    for name, p50 in (("weak", 2.0), ("strong", 40.0)):
        profile = profile_record(name, p50_ms=p50, method="tfidf")
        write_record(profile, tmp_path / f"{name}.json")
    paths = (tmp_path / "weak.json", tmp_path / "strong.json")

    facts = cascade(*bundles, CascadeOptions(profiles=paths), output=tmp_path / "cascade").cascade

    assert facts.profiled.machine == "Intel(R) Xeon(R) Processor (2 cores, AVX-512 VNNI)"
    assert facts.large_ms == pytest.approx(20 * facts.small_ms)
    assert facts.break_even == pytest.approx(0.95)
    assert facts.ms == pytest.approx(facts.small_ms + facts.routed * facts.large_ms)
    assert facts.timing.mean_ms["small"] != facts.small_ms


def test_forms_of_a_transformer(tiny_bundle, floor_bundle, tmp_path):
    made = cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9), output=tmp_path / "int8")
    assert list(made.forms) == ["fp32+int8"]
    assert made.needs_onnxruntime
    assert made.forms["fp32+int8"].isa == read_record(BundleRecord, tiny_bundle / "bundle.json").forms["int8"].isa
    assert not (tmp_path / "int8/large/onnx/model.onnx").exists()
    options = CascadeOptions(threshold=0.9, large_form="fp32")
    made = cascade(floor_bundle, tiny_bundle, options, output=tmp_path / "fp32")
    assert list(made.forms) == ["fp32+fp32"]
    assert made.forms["fp32+fp32"].isa is None
    # Both members of the fixtures took every review: there is none left to choose on, so nothing is swept there.
    assert made.cascade.validation is None
    assert made.cascade.validation_routed is None


def test_without_matplotlib_there_is_no_plot(bundles, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    cascade(*bundles, output=tmp_path / "plain")
    assert not (tmp_path / "plain/cascade.png").exists()
    assert "cascade.png" not in (tmp_path / "plain/README.md").read_text()


def test_the_default_folder_is_named_after_the_members(bundles, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = cascade(*bundles, command=["slmbench", "cascade"])
    assert (record.path, record.command) == ("exported/weak+strong", ["slmbench", "cascade"])
    assert (tmp_path / "exported/weak+strong/bundle.json").is_file()


def test_export_of_a_cascade_s_member_stays_itself(bundles, floors):
    # Making cascades of a bundle has not touched it.
    record = read_record(BundleRecord, bundles[0] / "bundle.json")
    assert export(floors[0], output=bundles[0]) == record


def test_a_comparison_knows_the_members_of_a_profiled_cascade(bundles, both, record, tmp_path):
    options = ProfileOptions(processes=1, time_limit_s=0.1, threads=1)
    assert len(list(profile([*bundles, both], options, output=tmp_path))) == 3
    (fact,) = compare([tmp_path]).cascades
    assert fact.startswith(f"{record.name} fp32+fp32")
    assert fact.index("weak fp32 (") < fact.index("strong fp32 (")
    assert f"{100 * record.cascade.routed:.1f} % of the test reviews" in fact
