"""From frames and reviews to token ids: the review is cut to what there is room for, never the instructions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.methods.fewshot.prompting.frames import Frame


@dataclass(frozen=True)
class Prompts:
    """Prompts as token ids.

    Attributes:
        ids: One list a review.
        cut: How many reviews were cut.
    """

    ids: list[list[int]]
    cut: int


def encode_prompts(tokenizer: Any, frame: Frame, texts: Sequence[str], room: int) -> Prompts:
    """Tokenise prompts as whole texts, then drop the last tokens of reviews that are too long.

    A space before the review counts as its own, for most tokenizers make one token of it and the first word; a token
    that reaches from the review into what follows it belongs to what follows.

    Args:
        tokenizer: A fast tokenizer.
        frame: What stands around each review.
        texts: The reviews; space at their ends is dropped.
        room: Longest review in tokens.
    """
    parts = _parts(tokenizer, frame, [text.strip() for text in texts])
    ids = [[*before, *own[:room], *after] for before, own, after in parts]
    return Prompts(ids, sum(len(own) > room for _, own, _ in parts))


def frame_tokens(tokenizer: Any, frame: Frame) -> tuple[list[int], list[int]]:
    """Return the tokens before and after a review."""
    before, _, after = _parts(tokenizer, frame, ["good"])[0]
    return before, after


def _parts(tokenizer: Any, frame: Frame, texts: Sequence[str]) -> list[tuple[list[int], list[int], list[int]]]:
    """Return the tokens before each review, its own, and those after it."""
    encoded = tokenizer(
        [frame.around(text) for text in texts],
        add_special_tokens=frame.special_tokens,
        return_offsets_mapping=True,
    )
    begin, parts = len(frame.before.rstrip(" ")), []
    for text, ids, spans in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        end = len(frame.before) + len(text)
        own = [place for place, (_, last) in enumerate(spans) if begin < last <= end]
        first, stop = (own[0], own[-1] + 1) if own else (len(ids), len(ids))
        parts.append((ids[:first], ids[first:stop], ids[stop:]))
    return parts


def shorten(tokenizer: Any, text: str, tokens: int) -> str:
    """Return as much of a text as fits so many tokens, without space at its ends."""
    text = text.strip()
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if len(spans) <= tokens else text[: spans[tokens - 1][1]].rstrip()


def answer_tokens(tokenizer: Any, frame: Frame, word: str, *, is_seq2seq: bool) -> list[int]:
    """Return the tokens by which a model says a word after a prompt.

    Those of a decoder are what the word adds to the prompt's tokens; those of an encoder-decoder are the word's own
    with the end token, as it was trained.

    Raises:
        SlmbenchError: The tokenizer melts the word into the prompt.
    """
    if is_seq2seq:
        return list(tokenizer(text_target=word)["input_ids"])
    # What stands far before the word does not matter to its tokens.
    bare = frame.around("")[-200:]
    prompt = tokenizer(bare, add_special_tokens=False)["input_ids"]
    whole = tokenizer(f"{bare}{frame.answer_lead}{word}", add_special_tokens=False)["input_ids"]
    if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
        raise SlmbenchError(
            f"the tokenizer melts '{word}' into the end of the prompt: end the prompt with a colon or a new line"
        )
    return whole[len(prompt) :]


def check_answers(answers: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Check that no answer is the beginning of another one, which would always be likelier.

    Args:
        answers: Words and their tokens.

    Raises:
        UsageError: One is; the message names both.
    """
    for (word, tokens), (other, longer) in permutations(answers, 2):
        if list(longer[: len(tokens)]) == list(tokens):
            raise UsageError(
                f"'{other}' begins with '{word}', which is always at least as likely: choose other --words"
            )
