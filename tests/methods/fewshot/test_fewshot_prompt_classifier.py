"""Prompts written as classifier folders: the same scores without a prompt, exported like any other."""

import re
import shutil

import numpy as np
import pytest
import torch
from tiny import language_model_folder

from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.declarations.fewshot import PROMPT
from slmbench.methods.fewshot import fewshot
from slmbench.models import find_model, load_classifier, load_tokenizer


def ask(model, corpus, folder, **options):
    return fewshot(str(model), corpus, PROMPT.choose({"device": "cpu", **options}), output=folder / "run")


def folder_logits(run, folder, texts):
    """Logits of the model folder in one padded batch."""
    tokenizer = load_tokenizer(folder / "run" / "model", max_length=run.max_length)
    model = load_classifier(find_model(str(folder / "run")), run.corpus.labels).eval()
    batch = tokenizer(list(texts), truncation=True, max_length=run.max_length, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**batch).logits.numpy()


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("max_length", [500, 9])
def test_the_folder_says_what_the_prompt_says(taught_lm, lm_corpus, tmp_path, shots, max_length):
    run = ask(taught_lm, lm_corpus, tmp_path, shots=shots, max_length=max_length)
    assert run.has_model
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    np.testing.assert_allclose(folder_logits(run, tmp_path, lm_corpus.test.texts), logits, atol=1e-4)
    assert run.weights_sha256 != run.base_sha256


def test_gpt2_is_written_too(tiny_lm, lm_corpus, tmp_path):
    run = ask(tiny_lm("gpt2"), lm_corpus, tmp_path)
    assert run.has_model
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    np.testing.assert_allclose(folder_logits(run, tmp_path, lm_corpus.test.texts), logits, atol=1e-4)


def test_a_chat_is_written_with_its_turns(taught_lm, lm_corpus, tmp_path):
    shutil.copytree(taught_lm, tmp_path / "chatty")
    (tmp_path / "chatty" / "chat_template.jinja").write_text(
        "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>\n{% endfor %}{{ '<s>assistant:\\n' }}"
    )
    run = ask(tmp_path / "chatty", lm_corpus, tmp_path, chat=True)
    assert run.has_model
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    np.testing.assert_allclose(folder_logits(run, tmp_path, lm_corpus.test.texts), logits, atol=1e-4)


def test_a_run_becomes_a_bundle_that_needs_no_prompt(taught_lm, lm_corpus, tmp_path):
    run = ask(taught_lm, lm_corpus, tmp_path, shots=1, max_length=20)
    bundle = export(tmp_path / "run", forms=["fp32", "int8"], max_accuracy_drop=0.2, output=tmp_path / "bundle")
    assert bundle.forms["fp32"].accepted
    assert bundle.forms["fp32"].parity.max_abs_logit_diff < 1e-3
    classifier = Classifier(tmp_path / "bundle", form="fp32")
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    texts = lm_corpus.test.texts
    np.testing.assert_allclose(classifier.predict_logits(texts), logits, atol=1e-3)
    np.testing.assert_allclose(classifier.predict_logits(texts, batch_tokens=4096), logits, atol=1e-3)
    assert max(classifier.token_lengths([*texts, "good " * 500])) == run.max_length
    assert classifier.predict("  loved it, great and wonderful film \n")[0].label == "positive"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answer_by": "calibrated"}, "cannot be exported: only .* first tokens"),
        ({"answer_by": "generate"}, "cannot be exported: only .* first tokens"),
        (
            {"words": {"negative": ("bad", "awful"), "positive": ("good",)}},
            "cannot be exported: only .* first tokens",
        ),
        ({"template": "{labels}: {text}"}, "cannot be exported: the prompt ends with"),
    ],
)
def test_what_is_no_classifier_says_why(taught_lm, lm_corpus, tmp_path, options, said):
    run = ask(taught_lm, lm_corpus, tmp_path, **options)
    assert not run.has_model
    assert not (tmp_path / "run" / "model").exists()
    assert any(re.search(said, note) for note in run.notes)


def test_a_tokenizer_that_reads_reviews_otherwise_is_refused(taught_lm, tmp_path):
    # A review that holds a special token is split there before the prompt's space is put in front.
    rows = [f"{text},{label}" for text, label in [("good </s> film", "positive"), ("bad </s> plot", "negative")]]
    file = tmp_path / "odd.csv"
    file.write_text("text,label\n" + "\n".join(row.replace(" ", f" {n} ", 1) for n in range(60) for row in rows))
    run = ask(taught_lm, load_corpus(str(file), train_size=20, test_size=9), tmp_path)
    assert not run.has_model
    assert any("reviews its tokenizer gives other tokens" in note for note in run.notes)


def test_a_model_too_large_for_one_onnx_file_is_not_written(tmp_path, prompt_texts, lm_corpus, monkeypatch):
    folder = language_model_folder(tmp_path / "lm", "llama", prompt_texts)
    monkeypatch.setattr("slmbench.methods.fewshot.prompting.classifier.MAX_BYTES", 1000)
    run = ask(folder, lm_corpus, tmp_path)
    assert not run.has_model
    assert any("larger than the 2 GiB of an ONNX file" in note for note in run.notes)
