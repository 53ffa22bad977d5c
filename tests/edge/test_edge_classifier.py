"""The classifier an app holds: order, batches, streams, and texts as people write them."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from learnable import reviews
from sealing import reseal
from tokenizers import Tokenizer

from slmbench.common.errors import UsageError
from slmbench.edge import Classifier, batches_by_tokens

TEXTS = [text for text, _ in reviews(["negative", "positive"], 60, seed=9)]
ODD_TEXTS = [
    "",
    " ",
    "\n\t",
    "good " * 5000,
    "x" * 20_000,
    "good 😀👩‍👩‍👧‍👦🇩🇪 film",
    "\u202bفيلم جيد جدا\u202c and שלום",
    "a\x00b \x07bad\x1b[31m \ufffe good\u200b film\u00ad",
    "e\u0301 é \ufb01lm ǆ İstanbul ß",
    "很好的电影 とても良い 영화",
    "GOOD, good; (bad)!!! <br /><br /> &amp; [CLS] [SEP] [PAD] [MASK] [UNK]",
    "don't can't it's 3.5/10 http://a.b/c?d=e#f @me #tag",
    "𝕲𝖔𝖔𝖉 ｆｉｌｍ ½ ①",
]


@pytest.fixture(scope="module", params=["fp32", "int8"])
def classifier(request, tiny_bundle):
    return Classifier(tiny_bundle, form=request.param)


@pytest.fixture(scope="module")
def fp32(tiny_bundle):
    return Classifier(tiny_bundle, form="fp32")


@pytest.fixture(scope="module")
def floor(floor_bundle):
    return Classifier(floor_bundle)


def test_a_prediction(classifier):
    (good,) = classifier.predict(["loved it superb wonderful good great movie"])
    (bad,) = classifier.predict(["hated it awful terrible bad worst movie"])
    assert (good.label, bad.label) == ("positive", "negative")
    for found in (good, bad):
        assert list(found.scores) == classifier.labels == ["negative", "positive"]
        assert found.score == max(found.scores.values()) == found.scores[found.label] > 0.5
        assert sum(found.scores.values()) == pytest.approx(1)
    label, score, scores = good
    assert json.dumps({"label": label, "score": score, "scores": scores})


def test_answers_come_in_the_order_of_the_texts(classifier):
    alone = [classifier.predict([text])[0] for text in TEXTS]
    assert classifier.predict(TEXTS) == alone
    assert classifier.predict(TEXTS[::-1]) == alone[::-1]
    assert {found.label for found in alone} == {"negative", "positive"}


def test_the_same_text_gets_the_same_answer(classifier):
    first, second, other, third = classifier.predict([TEXTS[0], TEXTS[0], TEXTS[1], TEXTS[0]])
    assert first == second == third != other


def test_one_string_is_one_text(classifier):
    assert classifier.predict(TEXTS[0]) == classifier.predict([TEXTS[0]])


def test_no_texts(classifier):
    assert classifier.predict([]) == []
    assert classifier.predict([], batch_tokens=100) == []
    assert classifier.predict_logits([]).shape == (0, 2)


@pytest.mark.parametrize("batch_tokens", [1, 40, 500, 100_000])
def test_batches_give_the_same_answers_in_the_same_order(fp32, batch_tokens):
    texts = [*TEXTS, "", TEXTS[0], "good " * 100]
    alone, together = fp32.predict_logits(texts), fp32.predict_logits(texts, batch_tokens=batch_tokens)
    assert together == pytest.approx(alone, abs=1e-5)
    labels = [found.label for found in fp32.predict(texts, batch_tokens=batch_tokens)]
    assert labels == [found.label for found in fp32.predict(texts)]


def test_more_texts_than_a_window_in_batches(floor):
    texts = [f"{TEXTS[number % 60]} {'the ' * (number % 7)}" for number in range(1100)]
    assert floor.predict(texts, batch_tokens=4000) == floor.predict(texts)


def test_probabilities_are_the_softmax_of_the_logits(fp32):
    logits = fp32.predict_logits(TEXTS).astype(float)
    wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert fp32.predict_proba(TEXTS) == pytest.approx(wanted, abs=1e-6)


def test_a_stream_that_does_not_read_ahead_takes_one_text_at_a_time(classifier):
    taken = []

    def source():
        for text in TEXTS:
            taken.append(text)
            yield text

    stream = classifier.stream(source(), read_ahead=False)
    assert taken == []
    first = next(stream)
    assert taken == TEXTS[:1]
    assert [first, *stream] == classifier.predict(TEXTS)
    assert taken == TEXTS


def test_a_stream_in_batches_takes_a_window_at_a_time(floor):
    taken = 0

    def source():
        nonlocal taken
        while True:  # without end: only a stream can classify it
            taken += 1
            yield TEXTS[taken % 60]

    stream = floor.stream(source(), batch_tokens=1000)
    next(stream)
    assert taken == 512
    for _ in range(512):
        next(stream)
    assert taken == 1024


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_the_answers(tiny_bundle, fp32, threads):
    found = Classifier(tiny_bundle, form="fp32", threads=threads).predict_logits(TEXTS[:10])
    assert found == pytest.approx(fp32.predict_logits(TEXTS[:10]), abs=1e-5)


@pytest.mark.parametrize("kind", ["fp32", "int8", "floor"])
@pytest.mark.parametrize("batch_tokens", [None, 200])
def test_one_classifier_in_several_threads(tiny_bundle, floor_bundle, kind, batch_tokens):
    shared = Classifier(floor_bundle) if kind == "floor" else Classifier(tiny_bundle, form=kind)

    def ask(number):
        return shared.predict(TEXTS[number:] + TEXTS[:number], batch_tokens=batch_tokens)

    alone = [ask(number) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(40))) == alone


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_texts_as_people_write_them(classifier, floor, text):
    for either in (classifier, floor):
        alone, batched = either.predict([text])[0], either.predict([text, "good"], batch_tokens=10)[0]
        assert np.isfinite(alone.score)
        assert sum(alone.scores.values()) == pytest.approx(1)
        assert alone.label == batched.label or abs(alone.score - 0.5) < 1e-3


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_token_ids_are_those_of_transformers(tiny_bundle, tiny_run, text):
    from transformers import AutoTokenizer

    for folder in (tiny_bundle, tiny_run / "model"):
        wanted = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=32)
        found = Tokenizer.from_file(str(tiny_bundle / "tokenizer.json")).encode(text)
        assert found.ids == wanted["input_ids"]
        assert found.type_ids == wanted["token_type_ids"]
        assert found.attention_mask == wanted["attention_mask"]
        assert len(found.ids) <= 32


def test_token_lengths_are_those_of_the_truncated_texts(fp32, floor):
    assert fp32.token_lengths(["", "good film", "good " * 5000]) == [2, 4, 32]
    assert floor.token_lengths(["", "good film", "good " * 5000]) == [0, 2, 5000]


def test_the_answers_of_the_edge_are_those_of_torch(fp32, tiny_run):
    from slmbench.common.progress import SILENT
    from slmbench.methods.training.inference import classifier_logits
    from slmbench.models import find_model, load_classifier, load_tokenizer

    model = load_classifier(find_model(str(tiny_run)), fp32.labels)
    texts = TEXTS + ODD_TEXTS
    wanted = classifier_logits(model, load_tokenizer(tiny_run / "model"), texts, 32, SILENT)
    assert fp32.predict_logits(texts) == pytest.approx(wanted, abs=1e-4)


def test_texts_are_cut_on_the_side_they_were_cut_in_training(tiny_bundle, tmp_path):
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    assert (tokenizer["truncation"]["direction"], tokenizer["truncation"]["max_length"]) == ("Right", 32)
    start, end = "good " * 40 + "bad", "bad " + "good " * 40
    right = Classifier(tiny_bundle)
    assert right.predict(start)[0] == right.predict("good " * 40)[0] != right.predict(end)[0]
    tokenizer["truncation"]["direction"] = "Left"
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    reseal(folder)
    left = Classifier(folder)
    assert left.predict(end)[0] == left.predict("good " * 40)[0] != left.predict(start)[0]


def test_batches_hold_a_budget_of_tokens_and_every_item_once():
    lengths = np.random.default_rng(0).integers(1, 60, 200).tolist()
    batches = batches_by_tokens(lengths, 128)
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    for batch in batches:
        assert len(batch) * max(lengths[index] for index in batch) <= 128
    longest = [max(lengths[index] for index in batch) for batch in batches]
    assert longest == sorted(longest)


def test_an_item_beyond_the_budget_has_a_batch_of_its_own():
    assert batches_by_tokens([500, 3, 400], 100) == [[1], [2], [0]]
    assert batches_by_tokens([], 100) == []


def test_half_a_surrogate_pair_is_read_as_the_replacement_character(tiny_bundle):
    classifier = Classifier(tiny_bundle)
    broken = classifier.predict_logits(["good \ud800 film"])
    assert np.array_equal(broken, classifier.predict_logits(["good \ufffd film"]))


@pytest.mark.parametrize("missing", [None, float("nan"), 5, b"bytes"])
def test_what_is_no_text_is_one_sentence(fp32, floor, missing):
    for classifier in (fp32, floor):
        with pytest.raises(UsageError, match="a text is a string, not"):
            classifier.predict(["A superb film.", missing])


QUESTIONS = ("predict", "predict_proba", "predict_logits", "token_lengths")


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_table_or_dictionary_is_not_answered_by_its_names(fp32, floor, ask):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a superb film"], "label": ["positive"]}, index=[7])
    for classifier in (fp32, floor):
        for whole in ({"text": "a superb film"}, frame, frame[["text"]], None, 7):
            with pytest.raises(UsageError, match="texts are wanted"):
                getattr(classifier, ask)(whole)
        given = (frame["text"], ("a superb film",), iter(["a superb film"]))
        found = [getattr(classifier, ask)(texts) for texts in given]
        assert all(repr(one) == repr(found[0]) for one in found)


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_refused(tiny_bundle, threads):
    with pytest.raises(UsageError, match="threads must be at least 1"):
        Classifier(tiny_bundle, threads=threads)
