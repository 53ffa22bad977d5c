"""Cloze: what the model is asked, what is made of its answers, and what the record says of both."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from starter_helpers import fetch_or_skip
from study_000 import study_corpus
from tiny import byte_level_bpe, masked_lm_folder, model_folder
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.methods.declarations.fewshot import CLOZE
from slmbench.methods.fewshot import fewshot
from slmbench.methods.fewshot.cloze_prompts import MIN_REVIEW, ClozePrompts, Template, share_room, word_token
from slmbench.methods.fewshot.cloze_scores import load_with_head, word_scores
from slmbench.methods.protocols import CLOZE_TEMPLATE
from slmbench.methods.runs import draw_shots
from slmbench.models import find_model, load_tokenizer
from slmbench.records import RunRecord, read_record

HAVE_MASKED_LM = ("bert", "distilbert", "albert", "electra", "mpnet", "roberta", "deberta-v2", "modernbert")
STUDY = Template(CLOZE_TEMPLATE)


def options(seed=42, **changes):
    return CLOZE.choose({"device": "cpu", **changes}, seed=seed)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny random masked language model that knows the words negative and positive."""
    return masked_lm_folder(tmp_path_factory.mktemp("cloze") / "tiny-mlm", initializer_range=0.5, seed=31)


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=60, test_size=30)


@pytest.fixture(scope="module")
def ask(base, corpus, tmp_path_factory):
    """Run a cloze with the tiny model."""

    def run(**changes):
        return fewshot(str(base), corpus, options(**changes), output=tmp_path_factory.mktemp("runs") / "run")

    return run


@pytest.fixture(scope="module")
def one_by_one(base, corpus):
    """The vocabulary's logits at the mask of each test review, the plain way: a batch of one, the whole head."""
    return plain_logits(base, [f"{text}, this review is [MASK]." for text in corpus.test.texts])


def plain_logits(folder, strings):
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    rows = []
    for string in strings:
        batch = tokenizer(string, return_tensors="pt")
        place = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
        with torch.inference_mode():
            rows.append(model(**batch).logits[0, place].numpy())
    return np.stack(rows)


def tokens_of(folder, *words):
    tokenizer = load_tokenizer(find_model(str(folder)).folder)
    return [tokenizer.convert_tokens_to_ids(word) for word in words]


def study_rule(logits, positive, negative):
    """The study's rule, row by row, 1 for positive, 0 for negative, -1 for unknown."""
    said = []
    for row in logits:
        likeliest = np.argsort(-row)[:30]
        said.append(1 if positive in likeliest else 0 if negative in likeliest else -1)
    return said


# What the model is asked


@pytest.mark.parametrize("kind", HAVE_MASKED_LM)
def test_scores_are_those_of_the_whole_head_on_one_review_at_a_time(tmp_path, kind):
    folder = masked_lm_folder(tmp_path / kind, kind)
    texts = ["a good movie", "the worst film ever", "i loved the plot and the cast of this superb movie", "dull"]
    files = find_model(str(folder))
    tokenizer = load_tokenizer(files.folder)
    tokens = tokens_of(folder, "positive", "negative", "good")
    prompts = list(ClozePrompts(tokenizer, STUDY, 60).of(texts))

    scores = word_scores(load_with_head(files), tokenizer, prompts, tokens, SILENT)

    expected = plain_logits(folder, [f"{text}, this review is [MASK]." for text in texts])
    shifted = expected - np.log(np.exp(expected).sum(1, keepdims=True))
    assert scores.log_probabilities == pytest.approx(shifted[:, tokens], abs=1e-4)
    assert scores.ranks.tolist() == [[int((row > row[token]).sum()) for token in tokens] for row in expected]


def test_only_the_review_is_shortened_and_the_mask_survives(base):
    tokenizer = load_tokenizer(base)
    prompts = list(ClozePrompts(tokenizer, STUDY, 20).of(["good " * 200, "a good movie"]))

    # A tokenizer of few words: "review" is one of letters here.
    frame = tokenizer.tokenize(", this review is [MASK].")
    room = 20 - len(frame) - 2
    assert tokenizer.convert_ids_to_tokens(prompts[0].columns["input_ids"]) == [
        "[CLS]",
        *["good"] * room,
        *frame,
        "[SEP]",
    ]
    assert [prompt.review_cut for prompt in prompts] == [True, False]
    for prompt in prompts:
        assert prompt.columns["input_ids"][prompt.mask] == tokenizer.mask_token_id
        assert {len(column) for column in prompt.columns.values()} == {len(prompt.columns["input_ids"])}


def test_a_mask_in_the_review_is_not_taken_for_the_templates(base):
    tokenizer = load_tokenizer(base)
    template = Template("it was {mask}. {text}")
    for text in ("a [MASK] movie", "[MASK]"):
        (last,) = ClozePrompts(tokenizer, STUDY, 60).of([text])
        (first,) = ClozePrompts(tokenizer, template, 60).of([text])
        masks = np.flatnonzero(np.asarray(last.columns["input_ids"]) == tokenizer.mask_token_id)
        assert (len(masks), last.mask) == (2, masks[1])
        masks = np.flatnonzero(np.asarray(first.columns["input_ids"]) == tokenizer.mask_token_id)
        assert (len(masks), first.mask) == (2, masks[0])


def test_demonstrations_stand_before_the_review(base, corpus):
    tokenizer = load_tokenizer(base)
    shown = [("loved it", "positive"), ("hated it", "negative")]
    (prompt,) = ClozePrompts(tokenizer, STUDY, 64, shown, 2).of(["a good movie"])
    wanted = (
        "loved it, this review is positive. hated it, this review is negative. a good movie, this review is [MASK]."
    )
    assert prompt.columns == dict(tokenizer(wanted))
    assert prompt.columns["input_ids"][prompt.mask] == tokenizer.mask_token_id
    assert (prompt.demonstrations_cut, prompt.demonstrations_dropped) == (0, 0)


def test_demonstrations_give_way_to_the_review(base):
    tokenizer = load_tokenizer(base)
    shown = [("good " * 40, "positive"), ("bad " * 40, "negative"), ("best", "positive"), ("worst " * 40, "negative")]
    frame = len(tokenizer.tokenize(", this review is positive."))

    def ask(length, text):
        (prompt,) = ClozePrompts(tokenizer, STUDY, length, shown, 2).of([text])
        assert len(prompt.columns["input_ids"]) <= length
        words = tokenizer.convert_ids_to_tokens(prompt.columns["input_ids"])
        return prompt, [words.count(word) for word in ("good", "bad", "best", "worst", "movie")]

    # All fit into 40: 3 x 40 + 1 of the demonstrations, 10 of the review.
    whole = 2 + 5 * frame + 131
    assert ask(whole, "movie " * 10)[1] == [40, 40, 1, 40, 10]
    prompt, counts = ask(whole - 30, "movie " * 10)
    assert (counts, prompt.demonstrations_cut, prompt.review_cut) == ([30, 30, 1, 30, 10], 3, False)
    # Half of 101 tokens are a long review's.
    prompt, counts = ask(whole - 30, "movie " * 200)
    assert (counts, prompt.review_cut) == ([16, 16, 1, 16, 50], True)
    # With 7 tokens each the first of either label go; what they leave is shared again.
    prompt, counts = ask(2 + 5 * frame + 44, "movie " * 200)
    assert prompt.demonstrations_dropped == 2
    assert counts[:2] == [0, 0] and counts[2] == 1 and counts[3] > 7


def test_no_prompt_is_longer_than_it_may_be():
    for room, review, sizes, frame in product((5, 40, 200), (0, 1, 30, 500), ([3], [0, 90], [9, 9, 70, 4]), (2, 11)):
        kept, dropped, cap = share_room(room, review, sizes, [frame] * len(sizes), len(sizes) // 2 or 1)
        shown = [min(size, cap) for size in sizes[dropped:]]
        assert kept + sum(shown) + frame * len(shown) <= room
        assert min(review, MIN_REVIEW) <= kept <= review


def test_the_word_is_the_token_at_the_masks_place(tmp_path):
    byte_level_bpe(tmp_path, ["it was positive.", "positive"] * 9)
    tokenizer = load_tokenizer(tmp_path)
    after_space = word_token(tokenizer, Template("{text} it was {mask}."), "positive", "tiny")
    at_the_start = word_token(tokenizer, Template("{mask} it was: {text}"), "positive", "tiny")
    assert tokenizer.convert_ids_to_tokens([after_space, at_the_start]) == ["Ġpositive", "positive"]
    # The mask swallows the space before it; a word in its place brings it along.
    (prompt,) = ClozePrompts(tokenizer, Template("{text} it was {mask}."), 30, [("it", "positive")]).of(["it"])
    pieces = tokenizer.convert_ids_to_tokens(prompt.columns["input_ids"])
    assert (pieces[prompt.mask], pieces.count("Ġpositive")) == ("<mask>", 1)


# What is made of the answers


def test_a_label_is_as_likely_as_its_likeliest_word(ask, base, corpus, one_by_one):
    record = ask(words={"negative": ("bad", "awful", "negative"), "positive": ("great",)})
    logits = one_by_one - np.log(np.exp(one_by_one).sum(1, keepdims=True))
    negative = logits[:, tokens_of(base, "bad", "awful", "negative")].max(1)
    positive = logits[:, tokens_of(base, "great")[0]]

    assert np.load(Path(record.path) / "test_logits.npy") == pytest.approx(
        np.stack([negative, positive], 1), abs=1e-3
    )
    assert (record.predictions.predicted() == (positive > negative)).all()
    assert set(record.predictions.predicted()) == {0, 1}
    assert record.test.abstained == 0


def test_no_label_where_no_word_is_among_the_likeliest(ask, base, corpus, one_by_one):
    record = ask(top_n=30)
    tokens = tokens_of(base, "negative", "positive")
    ranks = np.stack([(one_by_one > one_by_one[:, [token]]).sum(1) for token in tokens], axis=1)
    expected = np.where(ranks.min(1) < 30, ranks.argmin(1), -1)

    assert record.predictions.predicted().tolist() == expected.tolist()
    assert set(expected) == {-1, 0, 1}
    truth = np.asarray(corpus.test.labels)
    assert record.details["unknown"] == {
        "negative": int((expected[truth == 0] == -1).sum()),
        "positive": int((expected[truth == 1] == -1).sum()),
    }
    assert f"{(expected == -1).sum()} of 30 reviews got no label" in " ".join(record.notes)
    assert [word["median_rank"] for word in record.details["words"]] == (np.median(ranks, axis=0) + 1).tolist()


def test_the_protocol_is_the_studys_rule(ask, base, one_by_one):
    said = ask(protocol="study-000").predictions.predicted().tolist()
    negative, positive = tokens_of(base, "negative", "positive")
    assert said == study_rule(one_by_one, positive, negative)
    assert set(said) == {-1, 0, 1}
    # It prefers positive whatever the ranks.
    both = [row for row, word in zip(said, one_by_one, strict=True) if word[negative] > word[positive]]
    assert 1 in both


def test_the_protocols_first_rows_can_keep_their_label(ask, corpus):
    zero, twelve = ask(protocol="study-000"), ask(protocol="study-000", labelled_rows=12)
    said = twelve.predictions.predicted()
    assert said[:12].tolist() == corpus.test.labels[:12]
    assert (said[12:] == zero.predictions.predicted()[12:]).all()
    assert (twelve.shots, twelve.hyperparameters["labelled_rows"], twelve.details["labelled_rows"]) == (0, 12, 12)
    assert any("12 rows" in note and "true label" in note for note in twelve.notes)
    assert twelve.details["demonstrations"] == []


def test_undecided_rows_inherit_as_in_the_study(ask):
    earlier, alone = ask(), ask(protocol="study-000")
    heir = ask(protocol="study-000", inherit_from=earlier.path)
    own = alone.predictions.predicted()
    assert (heir.predictions.predicted() == np.where(own < 0, earlier.predictions.predicted(), own)).all()
    assert heir.test.abstained == 0
    assert heir.details["inherited"] == (own < 0).sum() > 0
    # What that run could not decide either stays undecided.
    nothing = ask(protocol="study-000", inherit_from=alone.path)
    assert (nothing.predictions.predicted() == own).all()
    assert nothing.details["inherited"] == 0


# What the record says


def test_the_record_says_what_was_asked(ask, base, corpus):
    record = ask(shots=1, template="{text} it was {mask}.", max_length=50)
    path = Path(record.path)
    assert {file.name for file in path.iterdir()} == {"README.md", "ancestors.npz", "run.json", "test_logits.npy"}
    assert json.loads((path / "run.json").read_text())["method"] == "cloze"
    assert read_record(RunRecord, path / "run.json").predictions == record.predictions
    assert (record.shots, record.max_length, record.has_model, record.architecture) == (1, 50, False, "bert")
    assert (record.trainable_parameters, record.train.seconds) == (0, 0)
    assert record.total_parameters > record.parameters_without_embeddings > 0
    assert record.base_sha256 == record.weights_sha256
    assert record.answering.seconds > 0
    assert record.answering.reviews_per_second == pytest.approx(30 / record.answering.seconds)
    settled = {
        "template": "{text} it was {mask}.",
        "words": {"negative": ("negative",), "positive": ("positive",)},
        "device": "cpu",
    }
    assert {name: record.hyperparameters[name] for name in settled} == settled
    assert record.details["demonstrations"] == draw_shots(corpus, 1, 42).row_ids
    assert record.predictions.row_ids == corpus.test.row_ids


def test_shortened_prompts_are_counted_in_a_note(ask):
    cut, demonstrations = ask(shots=3, max_length=66).notes
    assert cut == "20 of 30 reviews were shortened so that the prompt fits 66 tokens"
    assert demonstrations == (
        "the 6 demonstrations did not all fit into 66 tokens: some were shortened in 24 of 30 prompts,"
        " up to 4 left out in 30 of 30 prompts"
    )
    assert ask(shots=1, max_length=40).notes == [
        "the 2 demonstrations did not all fit into 40 tokens: up to 2 left out in 30 of 30 prompts"
    ]
    assert ask().notes == []


def test_the_same_again_is_found_and_other_choices_are_not(base, corpus, tmp_path, monkeypatch):
    def key(**changes):
        return CLOZE.prepare(str(base), corpus, options(**changes), SILENT).key

    first = fewshot(str(base), corpus, options(shots=1), output=tmp_path / "run")
    monkeypatch.setattr("slmbench.methods.fewshot.cloze.load_with_head", lambda files: pytest.fail("asked again"))
    assert fewshot(str(base), corpus, options(shots=1), output=tmp_path / "run").created == first.created
    others = [{}, {"seed": 7}, {"template": "{text} {mask}"}, {"top_n": 3}, {"max_length": 30}]
    keys = {first.key, *(key(shots=1, **other) for other in others[1:]), key(), key(protocol="study-000")}
    assert len(keys) == 7


def test_a_run_that_holds_a_masked_language_model_can_be_asked(base, corpus, tmp_path, ask):
    run = tmp_path / "adapted"
    (run / "model").parent.mkdir()
    (run / "model").symlink_to(base)
    (run / "run.json").write_text("{}")
    record = fewshot(str(run), corpus, options(), output=tmp_path / "answers")
    assert record.predictions == ask().predictions


# What is refused


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"template": "{text}, this review is good."}, r"\{mask\} exactly once"),
        ({"template": "it was {mask}"}, r"\{text\} exactly once"),
        ({"template": "{text} {mask} {mask}"}, r"\{mask\} exactly once"),
        ({"top_n": 0}, "--top-n must be at least 1"),
        ({"protocol": "study-001"}, "--protocol study-001: choose one of study-000"),
        ({"inherit_from": "runs/x"}, "--inherit-from goes with --protocol"),
        ({"labelled_rows": 12}, "--labelled-rows goes with --protocol"),
        ({"protocol": "study-000", "shots": 12}, "--labelled-rows 12"),
        ({"protocol": "study-000", "top_n": 5}, "leave out --top-n"),
        (
            {
                "protocol": "study-000",
                "template": "{text} {mask}",
                "words": {"negative": ("bad",), "positive": ("good",)},
            },
            "leave out --template and --words",
        ),
        ({"protocol": "study-000", "labelled_rows": 31}, "--labelled-rows 31: .* only 30 test rows"),
        ({"protocol": "study-000", "inherit_from": "nowhere"}, "--inherit-from: there is no run at nowhere"),
        ({"shots": 31}, "--shots 31: .* only 30 labelled"),
        ({"max_length": 12}, "--max-length 12: the template alone takes"),
        ({"device": "tpu"}, "there is no device 'tpu'"),
        ({"words": {"negative": ("bad",)}}, "label 'positive' has no words"),
        (
            {"words": {"negative": ("bad movie",), "positive": ("good",)}},
            r"'bad movie' is 2 tokens .* \('bad', 'movie'\)",
        ),
        ({"words": {"negative": ("bäd☃",), "positive": ("good",)}}, "'bäd☃' is not in the vocabulary"),
        ({"words": {"negative": ("good", "bad"), "positive": ("Good",)}}, "'Good' stands for both"),
        (
            {"template": "{text} a{mask}", "words": {"negative": ("nd",), "positive": ("good",)}},
            "'nd' is merged with the text",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(base, corpus, tmp_path, changes, sentence):
    with pytest.raises(SlmbenchError, match=sentence):
        fewshot(str(base), corpus, options(**changes), output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_the_head_is_refused(corpus, tmp_path, tiny_run):
    for model in (model_folder(tmp_path / "classifier"), tiny_run):
        with pytest.raises(UsageError, match="comes without a masked-language-model head .* would be random"):
            fewshot(str(model), corpus, with_known_words(), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_architecture_without_masks_is_refused(corpus, tmp_path):
    with pytest.raises(UsageError, match="'.*' is of architecture 'xlnet', which has no masked language model"):
        fewshot(str(model_folder(tmp_path / "xlnet", "xlnet")), corpus, with_known_words(), output=tmp_path / "run")


def test_a_tokenizer_without_a_mask_is_refused(base, corpus, tmp_path):
    folder = tmp_path / "maskless"
    folder.mkdir()
    for file in base.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        document = json.loads((folder / name).read_text())
        document.pop("mask_token")
        (folder / name).write_text(json.dumps(document))
    with pytest.raises(UsageError, match="has no mask token"):
        fewshot(str(folder), corpus, options(), output=tmp_path / "run")


def test_the_protocol_knows_two_labels_and_its_own_rows(base, corpus, ask, tmp_path):
    renamed = replace(corpus, label_names=["bad", "good"])
    with pytest.raises(UsageError, match="negative and positive; those of .* are: bad, good"):
        fewshot(str(base), renamed, options(protocol="study-000"), output=tmp_path / "run")
    fewer = replace(corpus, test=replace(corpus.test, row_ids=corpus.test.row_ids[::-1]))
    with pytest.raises(UsageError, match="was tested on other rows"):
        fewshot(str(base), fewer, options(protocol="study-000", inherit_from=ask().path), output=tmp_path / "run")


def test_the_command(base, small_corpus_file, tmp_path):
    def say(*words):
        shared = ("--model", base, "--method", "cloze", "--corpus", small_corpus_file, "--device", "cpu")
        sizes = ("--train-size", 60, "--test-size", 30, "--output", tmp_path / "run")
        return CliRunner().invoke(app, ["fewshot", *map(str, (*shared, *sizes, *words))])

    done = say("--json", "--top-n", 30, "--words", "negative=bad,awful;positive=good", "--template", "{text} {mask}")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["method"], record["hyperparameters"]["top_n"]) == ("cloze", 30)
    assert record["hyperparameters"]["words"] == {"negative": ["bad", "awful"], "positive": ["good"]}
    wrong = say("--template", "{text} is good")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "{mask} exactly once" in " ".join(wrong.stderr.split())


def with_known_words():
    return options(words={"negative": ("bad",), "positive": ("good",)})


# The study's own rows


def test_an_empty_title_and_copies_are_answered(base, tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("title,label\n,negative\ngood movie,positive\ngood movie,positive\n")
    record = fewshot(str(base), study_corpus(file), options(protocol="study-000"), output=tmp_path / "run")
    assert record.corpus.test_reviews == 3
    assert record.predictions.predicted()[1] == record.predictions.predicted()[2]


# Real weights


@pytest.fixture
def starter_items():
    """The starter weights and reviews, fetched into the user's cache where they are missing."""
    fetch_or_skip("bert-tiny", "minilm-l6", "imdb")


@pytest.mark.slow
def test_bert_tiny_orders_reviews_better_than_chance(starter_items, tmp_path):
    reviews = load_corpus("imdb", train_size=20, test_size=100)
    records = {}
    for protocol in (None, "study-000"):
        output = tmp_path / str(protocol)
        records[protocol] = fewshot("bert-tiny", reviews, options(protocol=protocol, max_length=128), output=output)
    # It says "positive" of nearly everything, but of praise with more conviction.
    assert records[None].test.roc_auc > 0.55
    short = [text for text in reviews.test.texts if len(text.split()) < 80]
    rows = [row for row, text in enumerate(reviews.test.texts) if text in short]
    logits = plain_logits(find_model("bert-tiny").folder, [f"{text}, this review is [MASK]." for text in short])
    negative, positive = tokens_of("bert-tiny", "negative", "positive")
    assert len(short) >= 5
    assert records["study-000"].predictions.predicted()[rows].tolist() == study_rule(logits, positive, negative)


@pytest.mark.slow
def test_a_sentence_encoder_comes_without_the_head(starter_items, tmp_path):
    reviews = load_corpus("imdb", train_size=20, test_size=10)
    with pytest.raises(UsageError, match="'minilm-l6' comes without a masked-language-model head"):
        fewshot("minilm-l6", reviews, options(), output=tmp_path / "run")
