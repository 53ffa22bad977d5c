"""Protocols of published studies, which a run can follow exactly.

Study 000 (Cabestany & Adsuar) had BERT and DistilBERT fill in a blank after review titles; its published tables are
recomputed by ``benchmarks/studies/study_000.py``. Study 003 (Xiao, Li and Chen, 2024) prompted Flan-T5-XXL and
Flan-UL2 for the sentiment of Amazon reviews and for their product category, decoding greedily up to 20 tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Study 000's name on the command line.
STUDY_000 = "study-000"
#: What follows a title in study 000, the mask's place marked; also the template of a cloze when none is chosen.
CLOZE_TEMPLATE = "{text}, this review is {mask}."
#: In study 000 a word counts when it is among this many most likely tokens.
CLOZE_TOP_N = 30

#: The maximum of generated tokens in study 003, which is enough for a label.
MAX_NEW_TOKENS = 20
#: Stands for the id of a label that is not in the list; 99 in study 003.
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
#: The demonstration's answer: the first k of these labels when k are asked for.
_OUTPUT = ("Books", "Electronics", "Sports", "Tools", "Health & Personal Care")
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True)
class StudyPrompt:
    """One of study 003's prompts.

    Attributes:
        template: With ``{labels}`` for the list of labels and ``{text}`` for the review.
        labels_asked: How many labels the answer should name; 0 for the sentiment prompt, whose answer has to be a
            label and nothing else.
        shown: Labels in the answer of the prompt's own demonstration.
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


def _category(task: str, choice: str, shown: tuple[str, ...], extra: str = "") -> StudyPrompt:
    text = _CATEGORY.format(task=task, choice=choice, extra=extra, output=", ".join(shown))
    return StudyPrompt(text, len(shown), shown)


_SEVERAL = "multi labels classification"
#: Study 003's prompts by name. Of the prompts for several labels only parts are known; the words between them are
#: those of the prompt for one label.
PROMPTS = {
    "study-003-sentiment": StudyPrompt(_SENTIMENT, 0),
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


def parse_sentiment(answer: str, labels: Sequence[str]) -> int:
    """Return the id of the label that an answer equals, letter for letter, or :data:`UNKNOWN`."""
    return labels.index(answer) if answer in labels else UNKNOWN


def parse_labels(answer: str, labels: Sequence[str]) -> list[int]:
    """Read a list of labels as study 003 did.

    Args:
        answer: Split at commas followed by a space; of each part, the text after its last colon counts, without
            surrounding space.
        labels: The possible labels.

    Returns:
        One id for each part, in the answer's order; :data:`UNKNOWN` for a part that is no label.
    """
    parts = [part.rpartition(":")[2].strip() for part in answer.split(", ")]
    return [labels.index(part) if part in labels else UNKNOWN for part in parts]


def top_k_accuracy_study(answers: Sequence[Sequence[int]], truth: Sequence[int], k: int) -> float:
    """Return the share of answers that are right among the first k by study 003's rule.

    An answer of fewer than k labels is wrong, so for k above 1 a single right label counts for nothing.

    Args:
        answers: From :func:`parse_labels`.
        truth: True label ids.
        k: Number of labels that count.
    """
    return _share(len(answer) >= k and true in answer[:k] for answer, true in zip(answers, truth, strict=True))


def top_k_accuracy_fair(answers: Sequence[Sequence[int]], truth: Sequence[int], k: int) -> float:
    """Return the share of answers that have the true label among their first k, however many they name.

    Args:
        answers: From :func:`parse_labels`.
        truth: True label ids.
        k: Number of labels that count.
    """
    return _share(true in answer[:k] for answer, true in zip(answers, truth, strict=True))


def _share(right: Iterable[bool]) -> float:
    counted = list(right)
    return sum(counted) / len(counted)
