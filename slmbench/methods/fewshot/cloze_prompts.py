"""Cloze prompts: a template around a review, demonstrations before it, truncated so that the mask is always kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

#: A shorter piece of a demonstration is useless; one demonstration is dropped instead.
MIN_DEMONSTRATION = 8
#: Tokens a template has to leave for the review.
MIN_REVIEW = 4
#: Reviews tokenised at once: character offsets are large, and needed only until a prompt is truncated.
_CHUNK = 64


class Filled(NamedTuple):
    """A filled template with the character ranges of the review and of the word."""

    string: str
    text: tuple[int, int]
    word: tuple[int, int]


@dataclass(frozen=True)
class Template:
    """The text around a review and around the word that names its label: ``{text}`` and ``{mask}``, once each."""

    pattern: str

    def fill(self, text: str, word: str, offset: int = 0) -> Filled:
        """Fill in a review and a word.

        Args:
            text: The review; braces in it have no meaning.
            word: A word, or the tokenizer's mask.
            offset: Added to the character ranges, for a string that will be appended to another.
        """
        values = {"{text}": text, "{mask}": word}
        first, second = sorted(values, key=self.pattern.index)
        before, _, rest = self.pattern.partition(first)
        between, _, after = rest.partition(second)
        first_end = len(before) + len(values[first])
        ranges = {
            first: (offset + len(before), offset + first_end),
            second: (offset + first_end + len(between), offset + first_end + len(between) + len(values[second])),
        }
        string = before + values[first] + between + values[second] + after
        return Filled(string, ranges["{text}"], ranges["{mask}"])


class ClozePrompt(NamedTuple):
    """A tokenised prompt.

    Attributes:
        columns: The tokenizer's output (``input_ids``, ``attention_mask``, …), not padded.
        mask: Position of the mask among the tokens.
        review_cut: Whether the review was shortened.
        demonstrations_cut: How many demonstrations were shortened.
        demonstrations_dropped: How many were left out.
    """

    columns: dict[str, list[int]]
    mask: int
    review_cut: bool
    demonstrations_cut: int
    demonstrations_dropped: int


class ClozePrompts:
    """Builds prompts that fit into a model.

    Only reviews are truncated, at their end; the template and the mask are always kept whole. The review gets half of
    the room and whatever the demonstrations do not need; these share the rest evenly. When less than
    :data:`MIN_DEMONSTRATION` tokens of one would be left, the first round of demonstrations (one of each label)
    is dropped. A review's prompt does not depend on the other reviews.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        template: Template,
        max_length: int,
        demonstrations: Sequence[tuple[str, str]] = (),
        round_size: int = 1,
    ) -> None:
        """Build what every prompt begins with.

        Args:
            tokenizer: The model's; it has a mask token.
            template: Filled with the reviews.
            max_length: Maximum prompt length in tokens.
            demonstrations: Reviews, each with the word of its label.
            round_size: Number of demonstrations in a round.

        Raises:
            UsageError: The template leaves no room for a review.
        """
        self._tokenizer = tokenizer
        self._template = template
        self._max_length = max_length
        self._round_size = round_size
        frame = len(tokenizer(template.fill("", tokenizer.mask_token).string)["input_ids"])
        if frame + MIN_REVIEW > max_length:
            raise UsageError(
                f"--max-length {max_length}: the template alone takes {frame} tokens, and a review needs"
                f" {MIN_REVIEW} more"
            )
        self._beginning = ""
        self._blocks: list[tuple[int, int]] = []
        self._texts: list[tuple[int, int]] = []
        for text, word in demonstrations:
            start = len(self._beginning)
            filled = template.fill(text, word, start)
            self._beginning += filled.string + " "
            self._blocks.append((start, len(self._beginning)))
            self._texts.append(filled.text)

    def of(self, texts: Sequence[str]) -> Iterator[ClozePrompt]:
        """Yield the prompt of each review, in order."""
        for start in range(0, len(texts), _CHUNK):
            filled = [
                self._template.fill(text, self._tokenizer.mask_token, len(self._beginning))
                for text in texts[start : start + _CHUNK]
            ]
            strings = [self._beginning + each.string for each in filled]
            encoded = self._tokenizer(strings, return_offsets_mapping=True)
            offsets = encoded.pop("offset_mapping")
            for row, (string, each) in enumerate(zip(strings, filled, strict=True)):
                columns = {name: column[row] for name, column in encoded.items()}
                yield self._cut(columns, _tight(string, offsets[row]), each)

    def _cut(self, columns: dict[str, list[int]], spans: np.ndarray, filled: Filled) -> ClozePrompt:
        review = _within(spans, filled.text)
        texts = [_within(spans, text) for text in self._texts]
        blocks = [_within(spans, block) for block in self._blocks]
        sizes = [len(text) for text in texts]
        frames = [len(block) - size for block, size in zip(blocks, sizes, strict=True)]
        room = self._max_length - (len(spans) - len(review) - sum(sizes) - sum(frames))
        kept_review, dropped, cap = share_room(room, len(review), sizes, frames, self._round_size)
        cut = [review[kept_review:], *blocks[:dropped], *(text[cap:] for text in texts[dropped:])]
        keep = np.ones(len(spans), dtype=bool)
        keep[np.concatenate(cut)] = False
        # The mask is the token that ends where the template's mask does: a review may contain a mask token too, and
        # in some tokenizers the mask includes the space before it.
        is_mask = np.asarray(columns["input_ids"]) == self._tokenizer.mask_token_id
        (place,) = np.flatnonzero(is_mask & (spans[:, 1] == filled.word[1]))
        return ClozePrompt(
            columns={name: np.asarray(column)[keep].tolist() for name, column in columns.items()},
            mask=int(keep[:place].sum()),
            review_cut=kept_review < len(review),
            demonstrations_cut=sum(size > cap for size in sizes[dropped:]),
            demonstrations_dropped=dropped,
        )


def share_room(
    room: int, review: int, demonstrations: Sequence[int], frames: Sequence[int], round_size: int
) -> tuple[int, int, int]:
    """Divide the tokens of a prompt between the review and the demonstrations.

    Args:
        room: Tokens available for the review and all of the demonstrations.
        review: Tokens of the review.
        demonstrations: Tokens of each demonstration's review.
        frames: Tokens of the template around each.
        round_size: Number of demonstrations dropped together, from the first on.

    Returns:
        Tokens of the review to keep, number of demonstrations to drop, and maximum tokens of a review to keep in each
        of the others.
    """
    for dropped in range(0, len(demonstrations), round_size):
        wanted = demonstrations[dropped:]
        left = room - sum(frames[dropped:])
        kept_review = min(review, max(left // 2, left - sum(wanted)))
        cap = _even_cap(wanted, left - kept_review)
        if kept_review >= min(review, MIN_REVIEW) and cap >= min(MIN_DEMONSTRATION, max(wanted)):
            return kept_review, dropped, cap
    return min(review, room), len(demonstrations), 0


def word_token(tokenizer: PreTrainedTokenizerFast, template: Template, word: str, model: str) -> int:
    """Return a word's token at the position of the mask.

    Args:
        tokenizer: The model's.
        template: Where the word would be: after a space, byte-level tokenizers use another token for it.
        word: A word that stands for a label.
        model: The model's name, for messages.

    Raises:
        UsageError: The word is unknown, several tokens, or merged with the text around it.
    """
    filled = template.fill("", word)
    encoded = tokenizer(filled.string, return_offsets_mapping=True)
    spans = _tight(filled.string, encoded["offset_mapping"])
    touching = np.flatnonzero((spans[:, 0] < filled.word[1]) & (spans[:, 1] > filled.word[0]))
    ids = [encoded["input_ids"][index] for index in touching]
    if len(ids) == 1 and ids[0] == tokenizer.unk_token_id:
        raise UsageError(f"--words: '{word}' is not in the vocabulary of '{model}'; choose another word")
    if len(ids) != 1:
        pieces = ", ".join(f"'{token}'" for token in tokenizer.convert_ids_to_tokens(ids))
        raise UsageError(
            f"--words: '{word}' is {len(ids)} tokens for '{model}' ({pieces}), and a cloze fills one mask:"
            " choose a word that is a single token, as in --words 'label=word;label=word'"
        )
    if tuple(spans[touching[0]]) != filled.word:
        raise UsageError(
            f"--words: '{word}' is merged with the text beside {{mask}} in {template.pattern!r} for '{model}'"
            f" (token '{tokenizer.convert_ids_to_tokens(ids[0])}'); put a space around the mask"
        )
    return int(ids[0])


def _even_cap(lengths: Sequence[int], budget: int) -> int:
    """Return the largest cap at which some lengths together stay within a budget."""
    left = budget
    for place, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - place)
        if length > share:
            return share
        left -= length
    return max(lengths)


def _tight(string: str, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return character ranges of tokens without the leading white space that some tokenizers include."""
    spans = []
    for start, end in offsets:
        blank = end - start - len(string[start:end].lstrip())
        spans.append((start + blank, end))
    return np.asarray(spans)


def _within(spans: np.ndarray, characters: tuple[int, int]) -> np.ndarray:
    """Return the indices of the tokens inside a range of characters; special tokens are in none."""
    start, end = characters
    return np.flatnonzero((spans[:, 0] >= start) & (spans[:, 1] <= end) & (spans[:, 1] > spans[:, 0]))
