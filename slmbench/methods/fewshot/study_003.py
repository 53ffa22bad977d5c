"""Study 003's prompts and how it read the answers.

The study (Xiao, Li and Chen, 2024) asked Flan-T5-XXL and Flan-UL2 for the polarity of Amazon reviews and for their
product category, greedily and with at most 20 tokens, and compared them with small classifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Stands for the id of a label that is not in the list, the study's 99.
UNKNOWN = -1
_SENTIMENT = (
    "Please perform sentiment classification task.\n"
    "Given the sentence, assign a sentiment label from {labels}\n"
    "Return label only without any other text.\n"
    "Sentence:\n"
    "{text}."
)
_DEMONSTRATION = "I loved this thriller novel! It kept me on the edge of my seat."
_CATEGORY = (
    "Please perform {task} task.\n"
    "Select {choice} that best fit the content of the review from {{labels}}.\n"
    "{extra}Example: \n"
    f"Customer review: '{_DEMONSTRATION}'\n"
    "Output: {output}\n\n"
    "Customer review:\n"
    "{{text}}."
)
#: What the demonstration answers: its first k labels where k are asked for.
_OUTPUT = ("Books", "Electronics", "Sports", "Tools", "Health & Personal Care")
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True)
class Protocol:
    """One of the study's prompts.

    Attributes:
        template: With ``{labels}`` for the list of labels and ``{text}`` for the review.
        labels_asked: How many labels the answer shall name; 0 for the sentiment prompt, whose answer has to be a
            label and nothing else.
        shown: Labels that the demonstration in the prompt answers with.
    """

    template: str
    labels_asked: int
    shown: tuple[str, ...] = ()

    @property
    def is_category(self) -> bool:
        """Whether the answer is a list of labels."""
        return self.labels_asked > 0

    def template_for(self, labels: Sequence[str]) -> str:
        """Return the template with the labels listed as the study did, as a Python list."""
        return self.template.replace("{labels}", str(list(labels)))


def _category(task: str, choice: str, shown: tuple[str, ...], extra: str = "") -> Protocol:
    text = _CATEGORY.format(task=task, choice=choice, extra=extra, output=", ".join(shown))
    return Protocol(text, len(shown), shown)


_SEVERAL = "multi labels classification"
#: The prompts by name. Of the prompts for several labels only parts are known; the words between these are those of
#: the prompt for one label.
PROTOCOLS = {
    "study-003-sentiment": Protocol(_SENTIMENT, 0),
    "study-003-category-t5": _category("classification", "one category", _OUTPUT[:1]),
    **{
        f"study-003-category-t5-top{asked}": _category(_SEVERAL, f"the {number} categories", _OUTPUT[:asked])
        for asked, number in _NUMBERS.items()
    },
    "study-003-category-ul2": _category(
        _SEVERAL,
        "the three categories",
        ("Books", "Electronics", "Video"),
        extra="Output format: first label, second label, third label\n",
    ),
}


def protocol_named(name: str) -> Protocol:
    """Return a protocol.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"--protocol {name}: choose among {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def parse_sentiment(answer: str, labels: Sequence[str]) -> int:
    """Return the id of the label that an answer is, letter for letter, or :data:`UNKNOWN`."""
    return labels.index(answer) if answer in labels else UNKNOWN


def parse_labels(answer: str, labels: Sequence[str]) -> list[int]:
    """Read a list of labels as the study did.

    Args:
        answer: Split at commas followed by a space; of each part, what stands behind its last colon counts, without
            space around it.
        labels: The labels there are.

    Returns:
        One id for each part, in the answer's order; :data:`UNKNOWN` for a part that is no label.
    """
    parts = [part.rpartition(":")[2].strip() for part in answer.split(", ")]
    return [labels.index(part) if part in labels else UNKNOWN for part in parts]


def top_k_hits_study(answers: Sequence[Sequence[int]], truth: Sequence[int], k: int) -> np.ndarray:
    """Say which answers count as right among the first k as the study counted.

    An answer of fewer than k labels is wrong, so that for k above 1 a single right label counts for nothing.

    Args:
        answers: From :func:`parse_labels`.
        truth: True label ids.
        k: How many labels may be named.

    Returns:
        Shape (answers,), bool.
    """
    return np.array([len(said) >= k and true in said[:k] for said, true in zip(answers, truth, strict=True)])


def top_k_hits_fair(answers: Sequence[Sequence[int]], truth: Sequence[int], k: int) -> np.ndarray:
    """Say which answers have the true label among their first k, however many they name.

    Args:
        answers: From :func:`parse_labels`.
        truth: True label ids.
        k: How many labels may be named.

    Returns:
        Shape (answers,), bool.
    """
    return np.array([true in said[:k] for said, true in zip(answers, truth, strict=True)])
