"""Scores and answers of tiny random models, against the plain way to compute them."""

import numpy as np
import pytest
import torch

from slmbench.methods.declarations.fewshot import DEFAULT_PROMPT
from slmbench.methods.fewshot.prompting.answers import generate_answers
from slmbench.methods.fewshot.prompting.label_scores import make_scorer
from slmbench.methods.fewshot.prompting.language_models import load_language_model
from slmbench.methods.fewshot.prompting.prompts import build_frame, encode_prompts
from slmbench.models.model_files import find_language_model

TEXTS = ["the film was good", "bad", "a " + "boring plot and " * 9, "i loved it", "é"]
ANSWERS = [[30], [41, 42, 43], [30, 44]]


def load(folder):
    return load_language_model(find_language_model(str(folder)), "cpu")


@pytest.fixture
def prompts(request):
    """Prompts with demonstrations, so that they have much in common."""

    def make(loaded):
        shown = [("great film", "positive"), ("worst plot", "negative")]
        frame = build_frame(DEFAULT_PROMPT, ["negative", "positive"], shown)
        return encode_prompts(loaded.tokenizer, frame, TEXTS, 99).ids

    return make


def plain_likelihood(model, prompt, answer):
    """Sum an answer's log-probabilities in one pass over one sequence."""
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    return sum(float(logits[len(prompt) - 1 + place, token]) for place, token in enumerate(answer))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_whole_answers_of_a_decoder(tiny_lm, prompts, kind):
    loaded = load(tiny_lm(kind))
    ids = prompts(loaded)
    scores = make_scorer(loaded, ANSWERS, first_tokens=False)(ids)
    plain = [[plain_likelihood(loaded.model, prompt, answer) for answer in ANSWERS] for prompt in ids]
    np.testing.assert_allclose(scores, plain, atol=1e-4)
    assert np.ptp(scores) > 1  # not all alike, which would prove nothing


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("first_tokens", [True, False])
def test_reading_the_common_part_once_changes_nothing(tiny_lm, prompts, kind, first_tokens):
    loaded = load(tiny_lm(kind))
    ids = prompts(loaded)
    answers = [[30], [41, 7], [52]]
    scorer = make_scorer(loaded, answers, first_tokens=first_tokens)
    np.testing.assert_allclose(scorer(ids), scorer(ids, share=False), atol=1e-4)
    # Twice the same prompt: all but one token is common.
    np.testing.assert_allclose(scorer([ids[0], ids[0]]), scorer(ids, share=False)[[0, 0]], atol=1e-4)


def test_first_tokens_are_scored_by_their_logits(tiny_lm, prompts):
    loaded = load(tiny_lm("llama"))
    ids = prompts(loaded)
    scores = make_scorer(loaded, [[30], [41, 42]], first_tokens=True)(ids)
    with torch.inference_mode():
        plain = [loaded.model(torch.tensor([prompt])).logits[0, -1, [30, 41]].tolist() for prompt in ids]
    np.testing.assert_allclose(scores, plain, atol=1e-4)


def test_answers_of_an_encoder_decoder(tiny_lm, prompts):
    loaded = load(tiny_lm("t5"))
    assert loaded.is_seq2seq
    ids = prompts(loaded)
    answers = [[30, 1], [41, 42, 43, 1]]
    scores = make_scorer(loaded, answers, first_tokens=False)(ids)

    def by_loss(prompt, answer):
        with torch.inference_mode():
            loss = loaded.model(torch.tensor([prompt]), labels=torch.tensor([answer])).loss
        return -float(loss) * len(answer)  # the loss is the mean over the answer's tokens

    plain = [[by_loss(prompt, answer) for answer in answers] for prompt in ids]
    np.testing.assert_allclose(scores, plain, atol=1e-4)
    assert np.ptp(scores[:, 0]) > 0.01


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_generation_takes_the_likeliest_token_each_time(tiny_lm, prompts, kind):
    loaded = load(tiny_lm(kind))
    ids = prompts(loaded)
    said = generate_answers(loaded, ids, 6)
    for prompt, text in zip(ids, said, strict=True):
        answer = [0] if kind == "t5" else []
        for _ in range(6):
            with torch.inference_mode():
                if kind == "t5":
                    out = loaded.model(torch.tensor([prompt]), decoder_input_ids=torch.tensor([answer]))
                else:
                    out = loaded.model(torch.tensor([prompt + answer]))
            answer.append(int(out.logits[0, -1].argmax()))
            if answer[-1] == 1:
                break
        assert text == loaded.tokenizer.decode(answer, skip_special_tokens=True)
