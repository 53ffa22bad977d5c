"""Every form of a tiny model: made, judged on the same reviews, described; and the guard that rescues or refuses."""

import csv
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from slmbench.common.errors import UsageError
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import FORMS, Calibration, export
from slmbench.export.graph import unweighted_nodes, weighted_nodes
from slmbench.records import BundleRecord, RunRecord, read_record


@pytest.fixture(scope="module")
def all_forms(tiny_run, tmp_path_factory):
    """The tiny run in every form there is."""
    folder = tmp_path_factory.mktemp("forms") / "tiny"
    export(
        tiny_run,
        forms=list(FORMS.names),
        max_accuracy_drop=1,
        calibration=Calibration("minmax", 16),
        output=folder,
    )
    return folder


@pytest.fixture(scope="module")
def record(all_forms):
    return read_record(BundleRecord, all_forms / "bundle.json")


def test_every_form_loads_and_answers_as_its_record_says(all_forms, record):
    assert list(record.forms) == list(FORMS.names)
    texts = ["good great superb", "bad awful boring", "the movie was fine"]
    wanted = Classifier(all_forms, form="fp32").predict_proba(texts)
    for name, form in record.forms.items():
        assert form.file == FORMS[name].file
        assert Classifier(all_forms, form=name).predict_proba(texts) == pytest.approx(wanted, abs=0.2), name
        assert form.parity.reviews == record.corpus.test_reviews
    # What fusion and half precision do is rounding.
    assert record.forms["fused"].parity.max_abs_logit_diff < 1e-4
    assert record.forms["fp16"].parity.max_abs_logit_diff < 0.05
    assert 0 < record.forms["int8-weights"].parity.max_abs_logit_diff < 0.5


def test_nothing_made_on_the_way_is_left(all_forms, record):
    files = {path.name for path in (all_forms / "onnx").iterdir()}
    assert files == {form.file.rpartition("/")[2] for form in record.forms.values()}
    assert not list(all_forms.glob("scratch*"))


def test_the_record_says_what_the_graph_holds(record):
    facts = {name: form.graph for name, form in record.forms.items()}
    # Two layers of six products each, the pooler and the head.
    assert (facts["fp32"].quantized_products, facts["fp32"].float_products) == (0, 14)
    assert facts["int8"].float_products == 0
    assert facts["int8"].quantized_products >= 14
    assert facts["int8-static"].quantized_products == 12
    assert facts["int4-weights"].quantized_products == 12
    assert "MatMulNBits" in facts["int4-weights"].operators
    # As in int8, but for the tables.
    assert facts["int8-int4"].float_products == 0
    assert facts["int8-int4"].operators["MatMulInteger"] == facts["int8"].operators["MatMulInteger"]
    assert "GatherBlockQuantized" in facts["int8-int4"].operators
    assert "QAttention" in facts["int8-fused"].operators
    assert facts["fused"].operators["Attention"] == 2
    # onnxruntime merges at load what fusion merges ahead of time.
    assert "layer norm with residual" not in {*facts["fp32"].fused, *facts["int8"].fused}
    assert set(facts["fused"].fused) == {
        "attention",
        "layer norm with residual",
        "GELU",
        "embeddings with layer norm",
    }
    for found in facts.values():
        assert not set(found.fused) & set(found.missing_fusions)


def test_how_each_form_was_made(record):
    settings = {name: form.settings for name, form in record.forms.items()}
    assert settings["int8-static"]["calibration"] == "minmax"
    assert settings["int8-static"]["calibration_reviews"] == 16
    assert settings["int4-weights"] == {"bits": 4, "block": 32}
    assert settings["int8-int4"]["embedding_bits"] == 4
    assert record.forms["int8"].isa == settings["int8"]["preset"]
    assert record.forms["int8-weights"].isa is None


def test_batches_and_gain_are_told(record):
    for name, form in record.forms.items():
        # Too few reviews to be certain before all were run.
        assert form.batching.reviews == form.batching.planned == record.corpus.test_reviews
        assert form.batching.result in ("pass", "fail", "inconclusive")
        assert form.batching.accuracy == pytest.approx(form.accuracy + form.batching.difference.difference)
        assert (form.gain is None) == (name == "fp32")
    # No padding changes what fp32 says.
    assert record.forms["fp32"].batching.label_flips == 0
    assert record.forms["fp32"].batching.max_abs_logit_diff < 1e-4
    gain = record.forms["int8"].gain
    assert gain.size_ratio == pytest.approx(record.forms["int8"].bytes / record.forms["fp32"].bytes)
    assert gain.speedup == pytest.approx(np.median(np.array(gain.fp32_ms) / np.array(gain.form_ms)), rel=0.05)


def test_flips_are_listed_with_their_texts(tiny_run, small_corpus_file, tmp_path):
    """A model that is sure of nothing: rounding its weights to four bits changes some labels."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    damp(run, "classifier.weight", 1e-3)
    made = export(run, forms=["fp32", "int4-weights"], max_accuracy_drop=1, output=tmp_path / "bundle")
    form = made.forms["int4-weights"]
    reviews = small_corpus_file.read_text()
    assert len(form.flips) == form.parity.label_flips
    rows = dict(zip(form.predictions.row_ids, form.predictions.truth, strict=True))
    for flip in form.flips:
        assert flip.reference != flip.label
        assert flip.text in reviews
        assert made.labels[rows[flip.row_id]] == flip.truth
        assert 0.5 <= flip.score <= 1


def damp(run, name, factor):
    """Scale a weight of a run, and make its recorded answers those of the changed model."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from slmbench.corpora import load_corpus

    weights = load_file(run / "model" / "model.safetensors")
    weights[name] = (weights[name] * factor).astype(np.float32)
    save_file(weights, run / "model" / "model.safetensors", metadata={"format": "pt"})
    record = read_record(RunRecord, run / "run.json")
    texts = load_corpus(**record.corpus.options).test.texts
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    model = AutoModelForSequenceClassification.from_pretrained(run / "model").eval()
    with torch.no_grad():
        rows = [
            model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=32)).logits[0].numpy()
            for text in texts
        ]
    np.save(run / "test_logits.npy", np.stack(rows))


def outlier_channels(run, factor=2.0**13):
    """Make a run hostile to int8 without changing what it computes.

    One channel of the attention's values becomes very large and is made small again by the next product: fp32 does
    not mind, but the range of the activations between leaves the other channels hardly a step of an 8-bit scale
    (the outlier features of Dettmers et al. 2022, "LLM.int8()").
    """
    path = run / "model" / "model.safetensors"
    weights = load_file(path)
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        weights[f"{layer}.attention.self.value.weight"][0] *= factor
        weights[f"{layer}.attention.self.value.bias"][0] *= factor
        weights[f"{layer}.attention.output.dense.weight"][:, 0] /= factor
    save_file(weights, path, metadata={"format": "pt"})


@pytest.fixture(scope="module")
def hostile(tiny_run, tmp_path_factory):
    """The tiny run with outlier channels, exported: its run and its record."""
    folder = tmp_path_factory.mktemp("hostile")
    run = shutil.copytree(tiny_run, folder / "run")
    outlier_channels(run)
    # 41 test reviews show no smaller loss to be kept, even where no label changes.
    return run, export(run, max_accuracy_drop=0.1, output=folder / "bundle"), folder / "bundle"


def test_a_model_hostile_to_int8_trips_the_guard_and_is_rescued(hostile):
    _, made, folder = hostile
    int8 = made.forms["int8"]
    assert made.forms["fp32"].accepted
    assert int8.search.agreement_before < 0.8
    assert int8.accepted
    assert int8.checks[0].low > -0.1
    assert "products kept in float" in int8.reason
    # It found the products that the outliers go into, and no more than it needed.
    kept = int8.search.kept
    assert any("attention/output/dense" in name for name in kept)
    assert len(kept) < len(int8.search.divergence) / 2
    harm = int8.search.divergence
    assert list(harm.values()) == sorted(harm.values(), reverse=True)
    assert list(harm)[: len(kept)] == kept == int8.settings["kept_in_float"]
    assert int8.graph.float_products == sum("embeddings" not in name for name in kept)
    assert int8.search.steps[-1].kept == len(kept)
    assert int8.search.steps[-1].agreement >= 0.9
    texts = ["good great superb", "bad awful boring"]
    assert [answer.label for answer in Classifier(folder, form="int8").predict(texts)] == ["positive", "negative"]


def test_the_card_says_what_was_kept(hostile):
    card = (hostile[2] / "README.md").read_text()
    assert hostile[1].forms["int8"].reason in card


def test_what_can_be_kept_is_what_has_weights(all_forms):
    fp32 = all_forms / "onnx/model.onnx"
    weighted, others = weighted_nodes(fp32), unweighted_nodes(fp32)
    assert len(weighted) == len(set(weighted)) == 14 + 3  # products, and the three embedding tables
    assert not set(weighted) & set(others)


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (Calibration("best"), "--calibration best: choose among minmax, entropy, percentile"),
        (Calibration("minmax", 0), "--calibration-reviews 0: at least one review is needed"),
    ],
)
def test_a_calibration_that_is_wrong(tiny_run, tmp_path, calibration, said):
    with pytest.raises(UsageError, match=said):
        export(tiny_run, forms=["int8-static"], calibration=calibration, output=tmp_path / "bundle")


def test_ranges_are_found_on_texts_without_labels(tiny_run, small_corpus_file, tmp_path):
    run = read_record(RunRecord, tiny_run / "run.json")
    corpus = load_corpus(str(small_corpus_file))
    file = tmp_path / "seen.csv"
    own = [f"the movie number {word} was seen" for word in ("one", "two", "best", "sad", "slow")]
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([["comment"], *([text] for text in [*corpus.test.texts, *own, own[0]])])

    def exported(folder, path=str(file), reviews=16):
        calibration = Calibration("minmax", reviews, path)
        return export(
            tiny_run, forms=["int8-static"], max_accuracy_drop=1, calibration=calibration, output=tmp_path / folder
        )

    bundle = exported("bundle")
    # The test reviews in the file calibrate nothing.
    assert bundle.forms["int8-static"].settings["calibration_reviews"] == len(own)
    (used,) = [one for one in bundle.ancestors if one.what == "calibration"]
    assert used.rows == len(own)
    assert exported("fewer", reviews=3).forms["int8-static"].settings["calibration_reviews"] == 3
    assert exported("training", path=None).key != bundle.key
    assert exported("bundle").created == bundle.created
    assert run.predictions.row_ids == bundle.forms["int8-static"].predictions.row_ids
    file.write_text("comment\n" + "\n".join(corpus.test.texts[:3]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="--calibration-corpus"):
        exported("none")


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_the_other_calibrations(tiny_run, tmp_path, method, capsys):
    made = export(
        tiny_run,
        forms=["int8-static"],
        max_accuracy_drop=1,
        calibration=Calibration(method, 4),
        output=tmp_path / "bundle",
    )
    assert made.forms["int8-static"].settings["calibration"] == method
    assert made.forms["int8-static"].graph.quantized_products == 12
    assert capsys.readouterr().out == ""
    # The key covers what the form was made with.
    again = Calibration(method, 5)
    assert export(
        tiny_run, forms=["int8-static"], max_accuracy_drop=1, calibration=again, output=tmp_path / "b"
    ).key != (made.key)


def test_with_its_tokenizer_inside(tiny_run, tmp_path):
    pytest.importorskip("onnxruntime_extensions")
    made = export(tiny_run, max_accuracy_drop=1, with_tokenizer=True, output=tmp_path / "bundle")
    inside = made.with_tokenizer
    assert inside.accepted
    assert inside.made_from == "onnx/model_quantized.onnx"
    assert inside.reviews == made.corpus.test_reviews
    assert made.manifest.files[inside.file].sha256 == inside.sha256
    plain = json.loads((tmp_path / "bundle/bundle.json").read_text())
    assert plain["shared_bytes"] < inside.bytes
