"""A smaller vocabulary: the pieces of a WordPiece tokenizer that a corpus uses, and their rows of the table.

At each place of a word WordPiece takes the longest piece that fits (Devlin et al. 2019, § 3). Without pieces that no
text of the corpus uses, all of its texts therefore keep their tokens. In other texts a piece that was left out is
spelled with shorter ones: every piece of one character stays, so that ``[UNK]`` is given only for words with a
character that has no piece of its own. A token never gets the id of another one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.models.long_texts import encode_texts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

#: Texts that are tokenised at once.
_TEXTS = 1000


@dataclass(frozen=True)
class TrimmedVocabulary:
    """Which pieces of a tokenizer stay.

    Attributes:
        tokenizer: The tokenizer with these pieces alone.
        whole: The tokenizer that it was made from.
        kept: Old id of each new id, ascending, shape (pieces,), int64.
        table: The embedding table of the whole vocabulary, shape (old pieces, width), before training.
    """

    tokenizer: PreTrainedTokenizerFast
    whole: PreTrainedTokenizerFast
    kept: np.ndarray
    table: torch.Tensor

    def restored(self, model: PreTrainedModel) -> PreTrainedModel:
        """Return a trained model with the whole vocabulary again: rows that were left out are as they were before.

        Args:
            model: A model that was trained with :attr:`tokenizer`.

        Returns:
            A copy of it for :attr:`whole`.
        """
        copy = deepcopy(model)
        trained = copy.get_input_embeddings().weight.detach()
        table = self.table.to(trained.device, trained.dtype).clone()
        table[self.kept] = trained
        _set_table(copy, table, self.whole)
        return copy

    def places_of_other_pieces(self, texts: Sequence[str], max_length: int, how: str) -> list[int]:
        """Return the places of the texts that have a piece that was left out, in what is read of them.

        Args:
            texts: The texts.
            max_length: Maximum input length in tokens.
            how: How long texts are read.
        """
        encoded = encode_texts(self.whole, texts, max_length, how)
        stays = np.zeros(len(self.table), dtype=bool)
        stays[self.kept] = True
        rows = zip(encoded.columns["input_ids"], encoded.texts.tolist(), strict=True)
        return sorted({text for ids, text in rows if not stays[ids].all()})


def check_trimmable(tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    """Check that a tokenizer's vocabulary can be trimmed.

    Raises:
        UsageError: It is no WordPiece tokenizer. Without a piece, the others of BPE and Unigram are put together in
            another way, also in texts that do not have that piece.
    """
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = document["model"].get("type")
    if kind != "WordPiece":
        raise UsageError(
            f"--vocabulary corpus: '{name}' has a {kind} tokenizer; only the vocabulary of a WordPiece tokenizer can"
            " be trimmed without changing how the texts are split: leave it out"
        )
    _renumbered_template(document.get("post_processor"), defaultdict(int), name)


def trim_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> TrimmedVocabulary:
    """Leave only those pieces in a model that texts use, its special and added tokens, and all of one character.

    Args:
        model: A model with the tokenizer's embedding table; it is changed.
        tokenizer: A WordPiece tokenizer; it is not changed.
        texts: The texts of the corpus, of which every token counts, also beyond the length that a model reads.

    Returns:
        The new tokenizer and what stayed.

    Raises:
        UsageError: See :func:`check_trimmable`.
    """
    name = str(tokenizer.name_or_path)
    check_trimmable(tokenizer, name)
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    kept = _kept(document, texts)
    new_ids = {old: new for new, old in enumerate(kept)}
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = {piece: new_ids[old] for piece, old in vocabulary.items() if old in new_ids}
    for token in document["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    _renumbered_template(document["post_processor"], new_ids, name)
    if document["padding"]:
        document["padding"]["pad_id"] = new_ids[document["padding"]["pad_id"]]
    table = model.get_input_embeddings().weight.detach().clone()
    made = TrimmedVocabulary(_opened(document, tokenizer, new_ids), tokenizer, np.array(kept), table)
    _set_table(model, table[kept].clone(), made.tokenizer)
    return made


def _kept(document: dict[str, Any], texts: Sequence[str]) -> list[int]:
    """Return the ids of the pieces that stay, ascending."""
    from tokenizers import Tokenizer

    # Neither cut nor padded.
    counting = Tokenizer.from_str(json.dumps({**document, "truncation": None, "padding": None}))
    prefix = document["model"]["continuing_subword_prefix"]
    kept = {token["id"] for token in document["added_tokens"]}
    kept |= {old for piece, old in document["model"]["vocab"].items() if len(piece.removeprefix(prefix)) == 1}
    kept |= {old for piece, old in document["model"]["vocab"].items() if piece == document["model"]["unk_token"]}
    for start in range(0, len(texts), _TEXTS):
        for encoding in counting.encode_batch(list(texts[start : start + _TEXTS])):
            kept.update(encoding.ids)
    return sorted(kept)


def _renumbered_template(template: dict[str, Any] | None, new_ids: Mapping[int, int], name: str) -> None:
    """Give the special tokens that are put around a text their new ids.

    Raises:
        UsageError: It is put around in a way that is not known here.
    """
    if template is None:
        return
    if template["type"] == "Sequence":
        for part in template["processors"]:
            _renumbered_template(part, new_ids, name)
    elif template["type"] == "TemplateProcessing":
        for token in template["special_tokens"].values():
            token["ids"] = [new_ids[old] for old in token["ids"]]
    elif template["type"] in ("BertProcessing", "RobertaProcessing"):
        for place in ("sep", "cls"):
            template[place] = [template[place][0], new_ids[template[place][1]]]
    else:
        raise UsageError(
            f"--vocabulary corpus: the tokenizer of '{name}' puts special tokens around a text in a way"
            f" ({template['type']}) that is not known here: leave it out"
        )


def _opened(
    document: dict[str, Any], tokenizer: PreTrainedTokenizerFast, new_ids: dict[int, int]
) -> PreTrainedTokenizerFast:
    """Return a tokenizer of the same class and settings for another ``tokenizer.json``."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tokenizer.save_pretrained(folder)
        (folder / "vocab.txt").unlink(missing_ok=True)  # tokenizer.json holds the vocabulary
        (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        settings = folder / "tokenizer_config.json"
        config = json.loads(settings.read_text(encoding="utf-8"))
        if added := config.get("added_tokens_decoder"):
            config["added_tokens_decoder"] = {str(new_ids[int(old)]): token for old, token in added.items()}
        settings.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        made = type(tokenizer).from_pretrained(folder, local_files_only=True)
    made.model_max_length = tokenizer.model_max_length
    made.truncation_side = tokenizer.truncation_side
    made.model_input_names = tokenizer.model_input_names
    return made


def _set_table(model: PreTrainedModel, table: torch.Tensor, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give a model another embedding table, and the ids of a tokenizer's special tokens."""
    from torch import nn

    pads = model.get_input_embeddings().padding_idx is not None
    padding = tokenizer.pad_token_id if pads else None
    model.set_input_embeddings(nn.Embedding.from_pretrained(table, freeze=False, padding_idx=padding))
    model.config.vocab_size = len(table)
    for token in ("pad", "unk", "cls", "sep", "mask", "bos", "eos"):
        key = f"{token}_token_id"
        if getattr(model.config, key, None) is not None and getattr(tokenizer, key, None) is not None:
            setattr(model.config, key, getattr(tokenizer, key))
