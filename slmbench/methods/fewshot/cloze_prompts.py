"""Cloze prompts: a template around a review, demonstrations before it, cut to a length so that the mask survives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerFast

#: A shorter piece of a demonstration says nothing of the review it is from; then rather one fewer.
LEAST_DEMONSTRATION = 8
#: Room a template has to leave for the review.
LEAST_REVIEW = 4
#: Reviews tokenised at once: character offsets are large, and needed only until a prompt is cut.
_CHUNK = 64


class Filled(NamedTuple):
    """A filled template, and where in it the review and the word stand (character ranges)."""

    string: str
    text: tuple[int, int]
    word: tuple[int, int]


@dataclass(frozen=True)
class Template:
    """What stands around a review and the word that says its label: ``{text}`` and ``{mask}``, once each."""

    pattern: str

    def check(self) -> None:
        """Check the places.

        Raises:
            UsageError: One is missing, or is there twice.
        """
        for place in ("{text}", "{mask}"):
            if self.pattern.count(place) != 1:
                raise UsageError(
                    f"--template {self.pattern!r} has to hold {place} exactly once, as in '{{text}} It was {{mask}}.'"
                )

    def fill(self, text: str, word: str, offset: int = 0) -> Filled:
        """Put a review and a word into their places.

        Args:
            text: The review, as it is: braces in it mean nothing.
            word: A word, or the tokenizer's mask.
            offset: Added to the character ranges, for a string that will stand further on.
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


class Prompt(NamedTuple):
    """A tokenised prompt.

    Attributes:
        columns: What the tokenizer gives (``input_ids``, ``attention_mask``, …), not padded.
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
    """Makes prompts that fit into a model.

    Only reviews are cut, at their end; the template and the mask always stay whole. The review may have half of the
    room, and what the demonstrations leave; these share the rest evenly. Where less than
    :data:`LEAST_DEMONSTRATION` tokens of one would be left, the first round of demonstrations (one of each label)
    is dropped. What a review's prompt is depends on nothing but the review.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        template: Template,
        max_length: int,
        demonstrations: Sequence[tuple[str, str]] = (),
        round_size: int = 1,
    ) -> None:
        """Settle what every prompt begins with.

        Args:
            tokenizer: The model's; it has a mask token.
            template: What to put the reviews into.
            max_length: Longest prompt in tokens.
            demonstrations: Reviews, each with the word of its label.
            round_size: How many demonstrations make a round.

        Raises:
            UsageError: The template leaves no room for a review.
        """
        self._tokenizer = tokenizer
        self._template = template
        self._max_length = max_length
        self._round_size = round_size
        frame = len(tokenizer(template.fill("", tokenizer.mask_token).string)["input_ids"])
        if frame + LEAST_REVIEW > max_length:
            raise UsageError(
                f"--max-length {max_length}: the template alone takes {frame} tokens, and a review needs"
                f" {LEAST_REVIEW} more"
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

    def of(self, texts: Sequence[str]) -> Iterator[Prompt]:
        """Make the prompt of each review, in order."""
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

    def _cut(self, columns: dict[str, list[int]], spans: np.ndarray, filled: Filled) -> Prompt:
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
        # The mask is the token that ends where the template's mask does: a review may hold one of its own, and
        # some tokenizers let it swallow the space before it.
        is_mask = np.asarray(columns["input_ids"]) == self._tokenizer.mask_token_id
        (place,) = np.flatnonzero(is_mask & (spans[:, 1] == filled.word[1]))
        return Prompt(
            columns={name: np.asarray(column)[keep].tolist() for name, column in columns.items()},
            mask=int(keep[:place].sum()),
            review_cut=kept_review < len(review),
            demonstrations_cut=sum(size > cap for size in sizes[dropped:]),
            demonstrations_dropped=dropped,
        )


def share_room(
    room: int, review: int, demonstrations: Sequence[int], frames: Sequence[int], round_size: int
) -> tuple[int, int, int]:
    """Divide the tokens a prompt may have.

    Args:
        room: Tokens there are for the review and all of the demonstrations.
        review: Tokens of the review.
        demonstrations: Tokens of each demonstration's review.
        frames: Tokens of the template around each.
        round_size: How many demonstrations are dropped together, from the first on.

    Returns:
        Tokens of the review to keep, how many demonstrations to drop, and the most tokens of a review to keep in
        each of the others.
    """
    for dropped in range(0, len(demonstrations), round_size):
        wanted = demonstrations[dropped:]
        left = room - sum(frames[dropped:])
        kept_review = min(review, max(left // 2, left - sum(wanted)))
        cap = _even_cap(wanted, left - kept_review)
        if kept_review >= min(review, LEAST_REVIEW) and cap >= min(LEAST_DEMONSTRATION, max(wanted)):
            return kept_review, dropped, cap
    return min(review, room), len(demonstrations), 0


def word_token(tokenizer: PreTrainedTokenizerFast, template: Template, word: str, model: str) -> int:
    """Return the token a word is at the mask's place.

    Args:
        tokenizer: The model's.
        template: Where the word would stand: with a space before it, byte-level tokenizers have another token.
        word: A verbaliser.
        model: What to call the model.

    Raises:
        UsageError: The word is several tokens, none, or runs into the text around it.
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
            f"--words: '{word}' runs into the text beside {{mask}} in {template.pattern!r} for '{model}'"
            f" (token '{tokenizer.convert_ids_to_tokens(ids[0])}'); set the mask apart"
        )
    return int(ids[0])


def _even_cap(lengths: Sequence[int], budget: int) -> int:
    """Return the most that each of some lengths may keep, so that together they stay within a budget."""
    left = budget
    for place, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - place)
        if length > share:
            return share
        left -= length
    return max(lengths)


def _tight(string: str, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return character ranges of tokens without the white space some tokenizers count to the word after it."""
    spans = []
    for start, end in offsets:
        blank = end - start - len(string[start:end].lstrip())
        spans.append((start + blank, end))
    return np.asarray(spans)


def _within(spans: np.ndarray, characters: tuple[int, int]) -> np.ndarray:
    """Return the indices of the tokens that lie inside a range of characters; special tokens lie nowhere."""
    start, end = characters
    return np.flatnonzero((spans[:, 0] >= start) & (spans[:, 1] <= end) & (spans[:, 1] > spans[:, 0]))
