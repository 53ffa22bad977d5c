"""A trimmed vocabulary: the corpus keeps its tokens and answers, other texts are spelled with shorter pieces."""

import json
import random

import numpy as np
import pytest
import torch
from tiny import WORDS, model_folder

from slmbench.common.errors import UsageError
from slmbench.models import find_model, load_classifier, load_tokenizer
from slmbench.models.vocabulary import check_trimmable, trim_vocabulary

CORPUS = ["the film was great", "a boring plot", "we loved it 7 times"]
LABELS = ["negative", "positive"]


def opened(folder):
    return load_classifier(find_model(str(folder)), LABELS, new_head=True).eval(), load_tokenizer(folder)


def logits(model, tokenizer, texts):
    with torch.inference_mode():
        return model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()


def tokens(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


@pytest.fixture(scope="module", params=["bert", "distilbert", "albert", "mpnet", "xlnet"])
def trimmed(request, tmp_path_factory):
    """A model before and after, each with its tokenizer."""
    folder = model_folder(tmp_path_factory.mktemp("whole") / request.param, request.param)
    model, tokenizer = opened(folder)
    before = logits(model, tokenizer, CORPUS)
    return before, model, tokenizer, trim_vocabulary(model, tokenizer, CORPUS)


def test_texts_of_the_corpus_keep_their_tokens_and_answers(trimmed):
    before, model, whole, found = trimmed
    assert logits(model, found.tokenizer, CORPUS) == pytest.approx(before, abs=1e-6)
    for text in CORPUS:
        assert tokens(found.tokenizer, text) == tokens(whole, text)
    assert len(found.kept) == len(found.tokenizer) == model.config.vocab_size < len(whole)
    assert model.get_input_embeddings().num_embeddings == len(found.kept)
    assert model.config.pad_token_id == found.tokenizer.pad_token_id
    assert found.places_of_other_pieces([*CORPUS, "superb"], 32, "head") == [3]


def test_every_token_has_the_row_that_it_had(trimmed):
    _, model, whole, found = trimmed
    table = model.get_input_embeddings().weight.detach()
    for token, new in found.tokenizer.get_vocab().items():
        assert torch.equal(table[new], found.table[whole.get_vocab()[token]])


def test_other_words_are_spelled_with_shorter_pieces(trimmed):
    _, _, whole, found = trimmed
    generator = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*WORDS, *("".join(generator.choices(letters, k=generator.randint(1, 12))) for _ in range(200))]
    for word in words:
        spelled = tokens(found.tokenizer, word)
        assert "[UNK]" not in spelled
        inside = [token for token in spelled if token not in found.tokenizer.all_special_tokens]
        assert "".join(token.removeprefix("##") for token in inside) == word
    assert "[UNK]" in tokens(found.tokenizer, "\u4e2d") == tokens(whole, "\u4e2d")


def test_the_rest_of_the_vocabulary_can_be_put_back(trimmed):
    before, model, whole, found = trimmed
    again = found.restored(model)
    assert logits(again, whole, CORPUS) == pytest.approx(before, abs=1e-6)
    assert torch.equal(again.get_input_embeddings().weight.detach(), found.table)
    assert again.config.vocab_size == len(found.table) > model.config.vocab_size


def test_it_is_saved_and_loaded_like_any_other(trimmed, tmp_path):
    before, model, _, found = trimmed
    model.save_pretrained(tmp_path)
    found.tokenizer.save_pretrained(tmp_path)
    again, tokenizer = opened(tmp_path)
    assert logits(again, tokenizer, CORPUS) == pytest.approx(before, abs=1e-6)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["type"] == "WordPiece"
    assert np.unique(list(tokenizer.get_vocab().values())).tolist() == list(range(len(found.kept)))


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
def test_other_kinds_of_tokenizer_are_refused(kind):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = models.BPE({"a": 0, "<unk>": 1}, [], unk_token="<unk>") if kind == "BPE" else models.Unigram([("a", 0.0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(made))
    with pytest.raises(UsageError, match=f"'mine' has a {kind} tokenizer"):
        check_trimmable(tokenizer, "mine")
