"""What a prompt looks like, and what is cut where it is too long."""

import pytest
from tiny import plain_bpe

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.methods.declarations.fewshot import DEFAULT_PROMPT
from slmbench.methods.fewshot.prompting.answers import first_labels, mentioned_labels
from slmbench.methods.fewshot.prompting.language_models import LanguageModel
from slmbench.methods.fewshot.prompting.prompts import (
    Frame,
    answer_tokens,
    build_frame,
    check_answers,
    encode_prompts,
    fit_frame,
    frame_tokens,
    shorten,
)

LABELS = ["negative", "positive"]
CHAT = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}[/]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer(prompt_texts):
    return plain_bpe(prompt_texts)


def fit(tokenizer, demonstrations=(), *, positions=256, max_review=40, template=DEFAULT_PROMPT, chat=False):
    loaded = LanguageModel(None, tokenizer, is_seq2seq=False, positions=positions)
    return fit_frame(loaded, template, LABELS, demonstrations, max_review=max_review, answer=3, chat=chat)


def test_the_built_in_prompt():
    assert build_frame(DEFAULT_PROMPT, LABELS).around("I like it") == (
        "Classify each review as one of: negative, positive.\n\nReview: I like it\nCategory:"
    )


def test_demonstrations_repeat_what_stands_around_the_review_and_not_the_instructions():
    frame = build_frame(
        "Judge.\n\nRules.\n\nSay: {text}\nSo: ", LABELS, [("bad {text}", "negative"), ("ok", "positive")]
    )
    assert frame.around("fine") == (
        "Judge.\n\nRules.\n\nSay: bad {text}\nSo: negative\n\nSay: ok\nSo: positive\n\nSay: fine\nSo:"
    )


def test_a_prompt_without_an_empty_line_is_repeated_whole():
    frame = build_frame("{text} =>", LABELS, [("bad", "negative")])
    assert frame.around("fine") == "bad => negative\n\nfine =>"


def test_chat_turns(tokenizer):
    tokenizer.chat_template = CHAT
    frame = build_frame(DEFAULT_PROMPT, LABELS, [("bad", "negative")], chat=tokenizer)
    tokenizer.chat_template = None
    assert frame.around("fine") == (
        "[user]Classify each review as one of: negative, positive.\n\nReview: bad\nCategory:[/]"
        "[assistant]negative[/][user]Review: fine\nCategory:[/][assistant]\n"
    )
    assert not frame.special_tokens
    assert frame.answer_lead == ""


@pytest.mark.parametrize("text", ["the film was good", "", "  good\n", "é good… naïve film 10/10", "the " * 90])
def test_only_the_review_is_cut(tokenizer, text):
    frame = build_frame(DEFAULT_PROMPT, LABELS)
    whole = tokenizer(frame.around(text.strip()))["input_ids"]
    room = 12
    prompts = encode_prompts(tokenizer, frame, [text], room)
    (ids,) = prompts.ids
    head, tail = tokenizer(frame.before.rstrip(" "))["input_ids"], tokenizer("\nCategory:")["input_ids"][1:]
    assert ids[: len(head)] == head
    assert ids[-len(tail) :] == tail
    assert frame_tokens(tokenizer, frame) == (head, tail)
    if len(whole) <= len(head) + room + len(tail):
        assert (ids, prompts.cut) == (whole, 0)
    else:
        assert prompts.cut == 1
        assert ids == whole[: len(head) + room] + whole[-len(tail) :]


def test_a_token_across_the_reviews_end_is_kept():
    # One token for a full stop and a new line, as Llama 3 has.
    class Tokenizer:
        def __call__(self, texts, **_):
            return {"input_ids": [[1, 2, 3, 4, 5]], "offset_mapping": [[(0, 3), (3, 6), (6, 9), (9, 11), (11, 13)]]}

    prompts = encode_prompts(Tokenizer(), Frame("Say", "\nSo"), ["aaabbb."], room=1)
    assert prompts.ids == [[1, 2, 4, 5]]


def test_demonstrations_share_what_the_review_leaves(tokenizer):
    shots = [("good " * 50, "positive"), ("bad", "negative")]
    fitted = fit(tokenizer, shots, positions=128, max_review=30)
    assert fitted.shortened == 1
    assert fitted.frame.before.count("good") == fitted.demonstration_tokens < 50
    assert fitted.room == 30
    assert fitted.longest + 3 <= 128
    assert fitted.longest == sum(map(len, frame_tokens(tokenizer, fitted.frame))) + fitted.room


def test_a_review_keeps_half_of_a_short_context(tokenizer):
    fitted = fit(tokenizer, [("good " * 99, "positive")], positions=128, max_review=500)
    bare = sum(map(len, frame_tokens(tokenizer, build_frame(DEFAULT_PROMPT, LABELS))))
    assert fitted.room >= (128 - bare - 3) // 2
    assert fitted.longest + 3 <= 128


def test_too_many_demonstrations_are_refused(tokenizer):
    with pytest.raises(UsageError, match=r"20 demonstrations leave \d+ tokens for each .* fewer --shots"):
        fit(tokenizer, [("good film", "positive")] * 20)


def test_a_prompt_longer_than_the_context_is_refused(tokenizer):
    with pytest.raises(SlmbenchError, match=r"takes \d+ tokens of the 20 this model can read: shorten it"):
        fit(tokenizer, positions=20)


def test_shortened_texts_are_their_own_beginning(tokenizer):
    assert shorten(tokenizer, " the film was good ", 99) == "the film was good"
    assert shorten(tokenizer, "the film was good", 2) == "the film"


def test_a_label_follows_the_prompt_with_its_space(tokenizer):
    ids = answer_tokens(tokenizer, build_frame(DEFAULT_PROMPT, LABELS), "positive", is_seq2seq=False)
    assert tokenizer.decode(ids) == " positive"
    ids = answer_tokens(tokenizer, Frame("", "\n", special_tokens=False), "positive", is_seq2seq=False)
    assert tokenizer.decode(ids) == "positive"


def test_a_label_that_begins_another_one_is_refused():
    with pytest.raises(UsageError, match="'Video games' begins with 'Video'"):
        check_answers([("Video games", [5, 6]), ("Books", [7]), ("Video", [5])])


WORDS = {"video": ("Video",), "games": ("Video Games",), "health": ("Health & Personal Care", "medicine")}


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("Video", [0]),
        ("  VIDEO!\n", [0]),
        ("I'd say **Video Games**, or video.", [1, 0]),
        ("health & personal  care.", [2]),
        ("Medicine; health & personal care", [2]),
        ("videos", []),
        ("", []),
        ("...", []),
    ],
)
def test_a_written_answer_is_read_with_goodwill(answer, labels):
    assert mentioned_labels(answer, WORDS) == labels
    assert first_labels([answer], WORDS) == [labels[0] if labels else None]
