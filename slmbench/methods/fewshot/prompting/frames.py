"""Frames: what stands before and after a review in a prompt, with instructions, demonstrations and chat turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Asked when no prompt is given. The labels are named, because a small model has no other way to know them; of ten
#: wordings this one ranked training reviews best (ROC AUC of SmolLM2-135M on IMDb and on Amazon product categories).
TEMPLATE = "Classify each review as one of: {labels}.\n\nReview: {text}\nCategory:"
#: Stands for the review while a chat template is applied.
_PLACE = "<<the review stands here>>"


@dataclass(frozen=True)
class Frame:
    """Text before and after a review.

    Attributes:
        before: Instructions, demonstrations, the words that lead in the review.
        after: The words that lead in the answer.
        special_tokens: Whether the tokenizer adds its own begin and end tokens; a chat template brings them.
    """

    before: str
    after: str
    special_tokens: bool = True

    def around(self, text: str) -> str:
        """Return the whole prompt of a review."""
        return f"{self.before}{text}{self.after}"

    @property
    def answer_lead(self) -> str:
        """What parts the prompt from the answer: a space, unless the prompt ends a line."""
        return "" if self.after.endswith(("\n", " ")) else " "


def split_template(template: str) -> tuple[str, str, str]:
    """Split a prompt into its instructions and what stands before and after the review.

    The last empty line before ``{text}`` ends the instructions, which are said once; the rest is repeated for every
    demonstration.

    Raises:
        UsageError: ``{text}`` is missing or there twice.
    """
    if template.count("{text}") != 1:
        raise UsageError(f"--template needs {{text}} exactly once, where the review goes: {template!r}")
    head, _, after = template.partition("{text}")
    cut = head.rfind("\n\n")
    instructions, before = (head[: cut + 2], head[cut + 2 :]) if cut >= 0 else ("", head)
    # A space at the end belongs to the answer: as a token of its own it is rare, and leads to rare words.
    return instructions, before, after.rstrip(" ")


def build_frame(
    template: str,
    labels: Sequence[str],
    demonstrations: Sequence[tuple[str, str]] = (),
    *,
    chat: Any | None = None,
) -> Frame:
    """Build the frame of a prompt.

    Args:
        template: With ``{text}``, and ``{labels}`` where they shall be listed; see :func:`split_template`.
        labels: What stands for each label.
        demonstrations: Labelled reviews: text and what stands for its label.
        chat: Tokenizer whose chat template wraps the prompt; every demonstration is a turn.

    Raises:
        UsageError: ``{text}`` is missing or there twice.
    """
    instructions, before, after = (part.replace("{labels}", ", ".join(labels)) for part in split_template(template))
    if chat is None:
        frame = Frame("", after)
        shown = [f"{before}{text}{after}{frame.answer_lead}{word}\n\n" for text, word in demonstrations]
        return Frame("".join([instructions, *shown, before]), after)
    turns: list[dict[str, str]] = []
    for text, word in demonstrations:
        turns.append({"role": "user", "content": f"{before}{text}{after}"})
        turns.append({"role": "assistant", "content": word})
    turns.append({"role": "user", "content": f"{before}{_PLACE}{after}"})
    turns[0]["content"] = instructions + turns[0]["content"]
    rendered = chat.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    opened, _, closed = rendered.rpartition(_PLACE)
    return Frame(opened, closed, special_tokens=False)
