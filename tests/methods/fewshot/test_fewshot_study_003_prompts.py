"""Study 003's prompts letter for letter, and its parsing and counting rules."""

import pytest

from slmbench.methods.fewshot.prompting.prompts import build_frame
from slmbench.methods.protocols import (
    PROMPTS,
    UNKNOWN,
    parse_labels,
    parse_sentiment,
    top_k_accuracy_fair,
    top_k_accuracy_study,
)

LABELS = ["Books", "Music", "Video", "Electronics", "Health & Personal Care"]
BOOKS, MUSIC, VIDEO, ELECTRONICS, HEALTH = range(5)


def prompt(name, labels, text):
    return build_frame(PROMPTS[name].template_for(labels), labels).around(text)


def test_the_sentiment_prompt():
    assert prompt("study-003-sentiment", ["negative", "positive"], "I like it") == (
        "Please perform sentiment classification task.\n"
        "Given the sentence, assign a sentiment label from ['negative', 'positive']\n"
        "Return label only without any other text.\n"
        "Sentence:\n"
        "I like it."
    )


def test_the_category_prompt_for_one_label():
    assert prompt("study-003-category-t5", ["Books", "Shoes"], "Warm and dry") == (
        "Please perform classification task.\n"
        "Select one category that best fit the content of the review from ['Books', 'Shoes'].\n"
        "Example: \n"
        "Customer review: 'I loved this thriller novel! It kept me on the edge of my seat.'\n"
        "Output: Books\n\n"
        "Customer review:\n"
        "Warm and dry."
    )


@pytest.mark.parametrize(
    ("name", "number", "output"),
    [
        ("study-003-category-t5-top2", "two", "Books, Electronics"),
        ("study-003-category-t5-top3", "three", "Books, Electronics, Sports"),
        ("study-003-category-t5-top4", "four", "Books, Electronics, Sports, Tools"),
        ("study-003-category-t5-top5", "five", "Books, Electronics, Sports, Tools, Health & Personal Care"),
        ("study-003-category-ul2", "three", "Books, Electronics, Video"),
    ],
)
def test_the_category_prompts_for_several_labels(name, number, output):
    said = prompt(name, LABELS, "x")
    assert f"multi labels classification task.\nSelect the {number} categories " in said
    assert f"\nOutput: {output}\n\nCustomer review:\nx." in said
    assert ("Output format: first label, second label, third label\n" in said) == name.endswith("ul2")
    assert PROMPTS[name].labels_asked == len(output.split(", "))


@pytest.mark.parametrize("name", PROMPTS)
def test_a_review_with_braces_and_quotes_stays_as_it_is(name):
    assert "it's {text} and {labels}" in prompt(name, LABELS, "it's {text} and {labels}")


@pytest.mark.parametrize("answer", ["Negative", "negative.", " negative", "negative\n", "", "It is negative"])
def test_a_sentiment_counts_only_letter_for_letter(answer):
    assert parse_sentiment(answer, ["negative", "positive"]) == UNKNOWN
    assert parse_sentiment("negative", ["negative", "positive"]) == 0


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        ("Books", [BOOKS]),
        ("Books, Music, Video", [BOOKS, MUSIC, VIDEO]),
        ("Output: Books, Music", [BOOKS, MUSIC]),
        ("first label: Books, second label: Health & Personal Care", [BOOKS, HEALTH]),
        ("Output: first: Music", [MUSIC]),
        ("books", [UNKNOWN]),
        ("Books,Music", [UNKNOWN]),
        ("Garden, Books", [UNKNOWN, BOOKS]),
        ("", [UNKNOWN]),
    ],
)
def test_lists_of_labels(answer, ids):
    assert parse_labels(answer, LABELS) == ids


def test_single_right_answers_lose_top_2_by_the_studys_count_alone():
    # As the study's Books: every first label right, yet fewer hits among the first two.
    said = ["Books", "Books, Music", "Books, Video, Music", "Books"]
    answers = [parse_labels(text, LABELS) for text in said]
    truth = [BOOKS] * 4
    assert [top_k_accuracy_study(answers, truth, k) for k in (1, 2, 3)] == [1.0, 0.5, 0.25]
    assert [top_k_accuracy_fair(answers, truth, k) for k in (1, 2, 3)] == [1.0, 1.0, 1.0]


def test_a_later_label_counts_from_its_place_on():
    answers = [[MUSIC, BOOKS, VIDEO], [MUSIC, BOOKS], [UNKNOWN, BOOKS]]

    def right(rule, k):
        return [rule([answer], [BOOKS], k) for answer in answers]

    for rule in (top_k_accuracy_study, top_k_accuracy_fair):
        assert right(rule, 1) == [0, 0, 0]
        assert right(rule, 2) == [1, 1, 1]
    assert right(top_k_accuracy_study, 3) == [1, 0, 0]
    assert right(top_k_accuracy_fair, 3) == [1, 1, 1]
