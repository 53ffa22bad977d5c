"""Prompts: the text around a review, its tokens, and how a model's context is divided.

A frame is what stands before and after a review: instructions, demonstrations, chat turns. Instructions are never
truncated; the review gets its room first, then the demonstrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.methods.fewshot.prompting.language_models import LanguageModel

#: Stands for the review while a chat template is applied.
_PLACE = "<<the review stands here>>"
#: Maximum tokens of all demonstrations together, however long the model's context: every review attends to them and
#: has a copy of their keys and values.
DEMONSTRATION_TOKENS = 2048
#: A demonstration or a review of fewer tokens is useless.
MIN_TOKENS = 8


@dataclass(frozen=True)
class Frame:
    """Text before and after a review.

    Attributes:
        before: Instructions, demonstrations and the words before the review.
        after: The words between the review and the answer.
        special_tokens: Whether the tokenizer adds its begin and end tokens; a chat template contains them.
    """

    before: str
    after: str
    special_tokens: bool = True

    def around(self, text: str) -> str:
        """Return the whole prompt of a review."""
        return f"{self.before}{text}{self.after}"

    @property
    def answer_lead(self) -> str:
        """What separates the answer from the prompt: a space, unless the prompt ends with white space."""
        return "" if self.after.endswith(("\n", " ")) else " "


def _split_template(template: str) -> tuple[str, str, str]:
    """Split a prompt into its instructions and the text before and after the review.

    The last empty line before ``{text}`` ends the instructions, which occur once; the rest is repeated for every
    demonstration.

    Args:
        template: With ``{text}`` exactly once.
    """
    head, _, after = template.partition("{text}")
    cut = head.rfind("\n\n")
    instructions, before = (head[: cut + 2], head[cut + 2 :]) if cut >= 0 else ("", head)
    # A space at the end belongs to the answer: as a separate token it is rare and followed by rare words.
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
        template: With ``{text}``, and ``{labels}`` to list the labels; see the templates of ``--method prompt``.
        labels: The word of each label.
        demonstrations: Labelled reviews: text and the word of its label.
        chat: Tokenizer whose chat template wraps the prompt; every demonstration is a turn.
    """
    instructions, before, after = (part.replace("{labels}", ", ".join(labels)) for part in _split_template(template))
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


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as token ids.

    Attributes:
        ids: One list per review.
        cut: Number of reviews that were truncated.
    """

    ids: list[list[int]]
    cut: int


def encode_prompts(tokenizer: Any, frame: Frame, texts: Sequence[str], room: int) -> EncodedPrompts:
    """Tokenise prompts as whole texts, then drop the last tokens of reviews that are too long.

    A space before the review counts as part of it, because most tokenizers merge it with the first word; a token that
    extends from the review into the text after it belongs to the text after it.

    Args:
        tokenizer: A fast tokenizer.
        frame: The text around each review.
        texts: The reviews; surrounding white space is dropped.
        room: Maximum review in tokens.
    """
    parts = _parts(tokenizer, frame, [text.strip() for text in texts])
    ids = [[*before, *own[:room], *after] for before, own, after in parts]
    return EncodedPrompts(ids, sum(len(own) > room for _, own, _ in parts))


def frame_tokens(tokenizer: Any, frame: Frame) -> tuple[list[int], list[int]]:
    """Return the tokens before and after a review."""
    before, _, after = _parts(tokenizer, frame, ["good"])[0]
    return before, after


def _parts(tokenizer: Any, frame: Frame, texts: Sequence[str]) -> list[tuple[list[int], list[int], list[int]]]:
    """Return the tokens before each review, of it, and after it."""
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
    """Return a text truncated to a number of tokens, without surrounding white space."""
    text = text.strip()
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if len(spans) <= tokens else text[: spans[tokens - 1][1]].rstrip()


def answer_tokens(tokenizer: Any, frame: Frame, word: str, *, is_seq2seq: bool) -> list[int]:
    """Return the tokens of a word as the answer to a prompt.

    For a decoder they are the tokens that the word adds to the prompt's; for an encoder-decoder they are the word's
    own with the end token, as in its training.

    Raises:
        SlmbenchError: The tokenizer merges the word with the end of the prompt.
    """
    if is_seq2seq:
        return list(tokenizer(text_target=word)["input_ids"])
    # Text far before the word does not affect its tokens.
    bare = frame.around("")[-200:]
    prompt = tokenizer(bare, add_special_tokens=False)["input_ids"]
    whole = tokenizer(f"{bare}{frame.answer_lead}{word}", add_special_tokens=False)["input_ids"]
    if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
        raise SlmbenchError(
            f"the tokenizer merges '{word}' with the end of the prompt: end the prompt with a colon or a new line"
        )
    return whole[len(prompt) :]


def check_answers(answers: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Check that no answer is the beginning of another one, since it would always be at least as likely.

    Args:
        answers: Words and their tokens.

    Raises:
        UsageError: One answer begins with another one; the message names both.
    """
    for (word, tokens), (other, longer) in permutations(answers, 2):
        if list(longer[: len(tokens)]) == list(tokens):
            raise UsageError(
                f"'{other}' begins with '{word}', which is always at least as likely: choose other --words"
            )


@dataclass(frozen=True)
class FittedFrame:
    """A frame that leaves room for a review.

    Attributes:
        frame: The text around each review.
        room: Maximum review in tokens.
        longest: Maximum prompt in tokens.
        demonstration_tokens: Maximum demonstration in tokens without the text around it; ``None`` if there are none.
        shortened: Number of demonstrations truncated to that.
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
) -> FittedFrame:
    """Build a frame whose prompts fit the model's context.

    A review gets ``max_review`` tokens, but at most half of the room when there are demonstrations, which share the
    rest evenly.

    Args:
        loaded: The model.
        template: See :func:`build_frame`.
        labels: The word of each label.
        demonstrations: Labelled reviews: text and the word of its label.
        max_review: Maximum review in tokens.
        answer: Tokens to keep free for the answer.
        chat: Whether to apply the tokenizer's chat template.

    Raises:
        UsageError: There is no room for so many demonstrations.
        SlmbenchError: The instructions leave no room for a review.
    """
    tokenizer = loaded.tokenizer
    wrap = tokenizer if chat else None
    bare = _tokens(tokenizer, build_frame(template, labels, chat=wrap))
    limit = loaded.positions or bare + answer + max_review + DEMONSTRATION_TOKENS
    free = limit - bare - answer
    if free < MIN_TOKENS:
        raise SlmbenchError(
            f"the prompt without a review takes {bare} tokens of the {limit} this model can read: shorten it"
        )
    each, shortened = None, 0
    if demonstrations:
        review = min(max_review, max(free // 2, free - DEMONSTRATION_TOKENS))
        share = min(DEMONSTRATION_TOKENS, free - review) // len(demonstrations)
        each = min(max_review, share - _around_demonstration(tokenizer, template, labels, wrap))
        if each < MIN_TOKENS:
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
    return FittedFrame(frame, room, taken + room, each, shortened)


def _tokens(tokenizer: Any, frame: Frame) -> int:
    return sum(map(len, frame_tokens(tokenizer, frame)))


def _around_demonstration(tokenizer: Any, template: str, labels: Sequence[str], wrap: Any | None) -> int:
    """Return the maximum number of tokens that an empty demonstration adds to a prompt."""
    alone = _tokens(tokenizer, build_frame(template, labels, chat=wrap))
    counts = [_tokens(tokenizer, build_frame(template, labels, [("", word)], chat=wrap)) for word in labels]
    return max(counts) - alone + 1  # one more where a truncated text meets the text after it
