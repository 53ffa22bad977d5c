"""How likely each label is as the answer to a prompt.

A decoder processes the common beginning of all prompts (instructions, demonstrations) once: the keys and values of
that part are copied for every batch. An encoder-decoder encodes each prompt once for any number of labels.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import SILENT, Progress
from slmbench.edge import batches_by_tokens
from slmbench.methods.fewshot.prompting.language_models import LanguageModel

#: Maximum tokens of a padded batch, which bounds the memory for keys and values.
BATCH_TOKENS = 4096


class Scorer(Protocol):
    """One way to score answers."""

    def __call__(self, prompts: Sequence[Sequence[int]], progress: Progress = SILENT) -> np.ndarray:
        """Score every answer after every prompt; returns shape (prompts, answers), float32."""


def make_scorer(loaded: LanguageModel, answers: Sequence[Sequence[int]], *, first_tokens: bool) -> Scorer:
    """Return the scorer of a model.

    Args:
        loaded: The model.
        answers: Token ids of each answer to score.
        first_tokens: Score an answer by the logit of its first token instead of its whole log-likelihood; for
            decoders only.
    """
    if loaded.is_seq2seq:
        return Seq2SeqScorer(loaded, answers)
    return DecoderScorer(loaded, answers, first_tokens=first_tokens)


class DecoderScorer:
    """Scores answers with a model that continues texts; see :func:`make_scorer`."""

    def __init__(self, loaded: LanguageModel, answers: Sequence[Sequence[int]], *, first_tokens: bool) -> None:
        self._model = loaded.model
        self._pad = int(loaded.tokenizer.pad_token_id)
        self._answers = [list(answer) for answer in answers]
        self._first_tokens = first_tokens
        self._accepts = set(inspect.signature(loaded.model.forward).parameters)

    def __call__(
        self, prompts: Sequence[Sequence[int]], progress: Progress = SILENT, *, share: bool = True
    ) -> np.ndarray:
        """Score every answer after every prompt.

        Args:
            prompts: Token ids.
            progress: Receives progress.
            share: Process the common beginning of the prompts once.

        Returns:
            Shape (prompts, answers), float32: logits of first tokens, or log-likelihoods of whole answers, summed
            over their tokens.

        Raises:
            SlmbenchError: The architecture has no cache of keys and values.
        """
        import torch

        common = _common_length(prompts) if share else 0
        continued = not self._first_tokens and max(map(len, self._answers)) > 1
        budget = BATCH_TOKENS // (len(self._answers) if continued else 1)
        out = np.empty((len(prompts), len(self._answers)), dtype=np.float32)
        with torch.inference_mode(), progress.task("scoring", total=len(prompts), unit="reviews") as task:
            past = self._read([prompts[0][:common]], None)[1] if common else None
            for rows in batches_by_tokens([len(prompt) for prompt in prompts], budget):
                batch = [prompts[row][common:] for row in rows]
                out[rows] = self._score(batch, copy.deepcopy(past), continued).float().cpu().numpy()
                task.advance(len(rows))
        return out

    def _score(self, batch: list[Any], past: Any, continued: bool) -> Any:
        import torch

        logits, past, mask = self._read(batch, past)
        first = torch.tensor([answer[0] for answer in self._answers], device=logits.device)
        if self._first_tokens:
            return logits[:, first]
        scores = logits.log_softmax(-1)[:, first]
        return scores + self._continue(past, mask) if continued else scores

    def _read(self, batch: Sequence[Sequence[int]], past: Any) -> tuple[Any, Any, Any]:
        """Process prompts after a common past.

        Returns:
            Logits at the last tokens, shape (rows, vocabulary); the past after them; the mask, shape
            (rows, tokens), past included.
        """
        import torch

        ids, mask = left_padded(batch, self._pad)
        if past is not None:
            past.batch_repeat_interleave(len(batch))
            mask = torch.cat([torch.ones(len(batch), past.get_seq_length(), dtype=mask.dtype), mask], 1)
        logits, past = self._forward(ids, mask.to(self._model.device), past, keep=1)
        return logits[:, -1], past, mask.to(self._model.device)

    def _continue(self, past: Any, mask: Any) -> Any:
        """Return the log-likelihood of each answer after its first token, shape (rows, answers)."""
        import torch

        rows, answers, longest = len(mask), len(self._answers), max(map(len, self._answers))
        padded = torch.tensor([answer + [self._pad] * (longest - len(answer)) for answer in self._answers])
        there = torch.tensor([[1] * len(answer) + [0] * (longest - len(answer)) for answer in self._answers])
        padded, there = padded.repeat(rows, 1).to(mask.device), there.repeat(rows, 1).to(mask.device)
        past.batch_repeat_interleave(answers)
        mask = torch.cat([mask.repeat_interleave(answers, 0), there[:, :-1]], 1)
        logits, _ = self._forward(padded[:, :-1], mask, past, keep=longest - 1)
        each = logits.log_softmax(-1).gather(-1, padded[:, 1:, None])[..., 0]
        return (each * there[:, 1:]).sum(-1).view(rows, answers)

    def _forward(self, ids: Any, mask: Any, past: Any, keep: int) -> tuple[Any, Any]:
        from transformers import DynamicCache

        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        extra = {"position_ids": positions, "logits_to_keep": keep}
        out = self._model(
            input_ids=ids.to(mask.device),
            attention_mask=mask,
            past_key_values=past,
            use_cache=True,
            **{name: value for name, value in extra.items() if name in self._accepts},
        )
        if not isinstance(out.past_key_values, DynamicCache):
            raise SlmbenchError(
                f"architecture '{self._model.config.model_type}' has no cache of keys and values that can be"
                " copied: use --answer-by generate"
            )
        return out.logits[:, -keep:], out.past_key_values


class Seq2SeqScorer:
    """Scores answers with an encoder-decoder: log-likelihoods summed over tokens, including the end token."""

    def __init__(self, loaded: LanguageModel, answers: Sequence[Sequence[int]]) -> None:
        self._model = loaded.model
        self._pad = int(loaded.tokenizer.pad_token_id)
        self._answers = [list(answer) for answer in answers]

    def __call__(self, prompts: Sequence[Sequence[int]], progress: Progress = SILENT) -> np.ndarray:
        """Score every answer after every prompt; returns shape (prompts, answers), float32."""
        import torch

        out = np.empty((len(prompts), len(self._answers)), dtype=np.float32)
        with torch.inference_mode(), progress.task("scoring", total=len(prompts), unit="reviews") as task:
            for rows in batches_by_tokens([len(prompt) for prompt in prompts], BATCH_TOKENS):
                out[rows] = self._score([prompts[row] for row in rows]).float().cpu().numpy()
                task.advance(len(rows))
        return out

    def _score(self, batch: list[Any]) -> Any:
        import torch

        ids, mask = self._padded(batch)
        states = self._model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        answers = len(self._answers)
        labels, there = self._padded(self._answers)
        shifted = self._model.prepare_decoder_input_ids_from_labels(labels=labels)
        out = self._model(
            encoder_outputs=(states.repeat_interleave(answers, 0),),
            attention_mask=mask.repeat_interleave(answers, 0),
            decoder_input_ids=shifted.repeat(len(batch), 1),
            use_cache=False,
        )
        wanted = labels.repeat(len(batch), 1)[..., None]
        each = torch.log_softmax(out.logits, -1).gather(-1, wanted)[..., 0]
        return (each * there.repeat(len(batch), 1)).sum(-1).view(len(batch), answers)

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        import torch

        longest = max(map(len, rows))
        ids = torch.tensor([list(row) + [self._pad] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return ids.to(self._model.device), mask.to(self._model.device)


def left_padded(batch: Sequence[Sequence[int]], pad: int) -> tuple[Any, Any]:
    """Return ids and mask, shape (rows, tokens), padded on the left: every row ends at the same position."""
    import torch

    longest = max(map(len, batch))
    ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in batch])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in batch])
    return ids, mask


def _common_length(prompts: Sequence[Sequence[int]]) -> int:
    """Return the length of the common beginning of all prompts; at least one token of each is left over."""
    shortest = min(map(len, prompts))
    places = (place for place in range(shortest) if any(row[place] != prompts[0][place] for row in prompts))
    return min(next(places, shortest), shortest - 1)
