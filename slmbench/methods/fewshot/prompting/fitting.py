"""Sharing out a model's context: instructions whole, then the review, then the demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.methods.fewshot.prompting.encoding import frame_tokens, shorten
from slmbench.methods.fewshot.prompting.frames import Frame, build_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.methods.fewshot.prompting.loading import LanguageModel

#: Most tokens that all demonstrations take together, however long the model's context is: every review attends to
#: them, and holds a copy of their keys and values.
DEMONSTRATION_TOKENS = 2048
#: A demonstration or a review of fewer tokens says nothing.
FEWEST_TOKENS = 8


@dataclass(frozen=True)
class Fitted:
    """A frame that leaves room for a review.

    Attributes:
        frame: What stands around each review.
        room: Longest review in tokens.
        longest: Longest prompt in tokens.
        demonstration_tokens: Longest demonstration in tokens, its frame left out; ``None`` without any.
        shortened: How many demonstrations were cut to that.
    """

    frame: Frame
    room: int
    longest: int
    demonstration_tokens: int | None = None
    shortened: int = 0


def fit_frame(
    loaded: LanguageModel,
    template: str,
    labels: Sequence[str],
    demonstrations: Sequence[tuple[str, str]],
    *,
    max_review: int,
    answer: int,
    chat: bool,
) -> Fitted:
    """Build a frame whose prompts fit the model's context.

    A review gets what it asks for, but at most half of the room when there are demonstrations; they share the rest
    evenly.

    Args:
        loaded: The model.
        template: See :func:`slmbench.methods.fewshot.prompting.frames.build_frame`.
        labels: What stands for each label.
        demonstrations: Labelled reviews: text and what stands for its label.
        max_review: Longest review in tokens.
        answer: Tokens to keep free for the answer.
        chat: Whether to apply the tokenizer's chat template.

    Raises:
        UsageError: The template is wrong, or there is no room for so many demonstrations.
        SlmbenchError: The instructions leave no room for a review.
    """
    tokenizer = loaded.tokenizer
    wrap = tokenizer if chat else None
    bare = _tokens(tokenizer, build_frame(template, labels, chat=wrap))
    limit = loaded.positions or bare + answer + max_review + DEMONSTRATION_TOKENS
    free = limit - bare - answer
    if free < FEWEST_TOKENS:
        raise SlmbenchError(
            f"the prompt without a review takes {bare} tokens of the {limit} this model can read: shorten it"
        )
    each, shortened = None, 0
    if demonstrations:
        review = min(max_review, max(free // 2, free - DEMONSTRATION_TOKENS))
        share = min(DEMONSTRATION_TOKENS, free - review) // len(demonstrations)
        each = min(max_review, share - _around_demonstration(tokenizer, template, labels, wrap))
        if each < FEWEST_TOKENS:
            raise UsageError(
                f"{len(demonstrations)} demonstrations leave {max(0, each)} tokens for each beside a review: ask for"
                " fewer --shots"
            )
        cut = [(shorten(tokenizer, text, each), word) for text, word in demonstrations]
        shortened = sum(short != text.strip() for (short, _), (text, _) in zip(cut, demonstrations, strict=True))
        frame = build_frame(template, labels, cut, chat=wrap)
    else:
        frame = build_frame(template, labels, chat=wrap)
    taken = _tokens(tokenizer, frame)
    room = min(max_review, limit - taken - answer)
    return Fitted(frame, room, taken + room, each, shortened)


def _tokens(tokenizer: Any, frame: Frame) -> int:
    return sum(map(len, frame_tokens(tokenizer, frame)))


def _around_demonstration(tokenizer: Any, template: str, labels: Sequence[str], wrap: Any | None) -> int:
    """Return the most tokens that one empty demonstration adds to a prompt."""
    alone = _tokens(tokenizer, build_frame(template, labels, chat=wrap))
    counts = [_tokens(tokenizer, build_frame(template, labels, [("", word)], chat=wrap)) for word in labels]
    return max(counts) - alone + 1  # one more where a cut text meets what follows it
