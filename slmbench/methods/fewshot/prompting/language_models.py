"""Loading a language model and its tokenizer: decoders, encoder-decoders, and GGUF files dequantized to fp32."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError, first_line, require_extra
from slmbench.models import ModelFiles, load_tokenizer
from slmbench.models.configuration import position_limit, read_config
from slmbench.models.model_loading import load_weights
from slmbench.models.weights_check import WeightsReport, check_weights

#: Endings of class names in ``config.json`` of models that continue a text.
_CONTINUES = ("ForCausalLM", "LMHeadModel")


@dataclass(frozen=True)
class LanguageModel:
    """A language model, loaded.

    Attributes:
        model: In fp32, in evaluation mode, on its device.
        tokenizer: A fast tokenizer with a padding token.
        is_seq2seq: Whether an encoder reads the prompt and a decoder answers (T5), or one decoder does both.
        positions: Maximum input in tokens, or ``None`` without a limit.
        notes: Caveats about its results, as sentences.
    """

    model: Any
    tokenizer: Any
    is_seq2seq: bool
    positions: int | None
    notes: tuple[str, ...] = ()


def load_language_model(files: ModelFiles, device: str) -> LanguageModel:
    """Load a decoder or an encoder-decoder.

    Args:
        files: From :func:`slmbench.models.model_files.find_language_model`.
        device: Where to run it.

    Raises:
        UsageError: The model is an encoder or a classifier.
        SlmbenchError: The files cannot be read, or a GGUF file needs the ``llm`` extra.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    if files.gguf:
        require_extra("gguf", "llm", "a model in GGUF form")
        with _without_bars():
            model, tokenizer, notes = _load_gguf(files)
        return LanguageModel(model.to(device).eval(), tokenizer, False, position_limit(model.config), notes)
    config = read_config(files)
    loader = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    _check_kind(config, files.name)
    tokenizer = load_tokenizer(files.folder)
    model, found = load_weights(loader, files, "a language model", config=config)
    check_weights(files, model, WeightsReport.of(found), new_head=False)
    return LanguageModel(model.to(device).eval(), tokenizer, config.is_encoder_decoder, position_limit(config))


def _check_kind(config: Any, name: str) -> None:
    """Refuse encoders: transformers would give them a language-model head of random weights."""
    classes = config.architectures or []
    if not config.is_encoder_decoder and classes and not any(one.endswith(_CONTINUES) for one in classes):
        raise UsageError(
            f"'{name}' ({classes[0]}) is not a generative language model: use it with --method cloze or nli, or"
            " choose one that is, such as smollm2-135m"
        )


def _load_gguf(files: ModelFiles) -> tuple[Any, Any, tuple[str, ...]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from_file = {"gguf_file": files.gguf, "local_files_only": True}
    try:
        facts = _gguf_facts(files)
        loaded = AutoTokenizer.from_pretrained(files.folder, **from_file)
        model = AutoModelForCausalLM.from_pretrained(files.folder, **from_file)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        raise SlmbenchError(f"the GGUF file {files.gguf} cannot be read: {first_line(error)}") from None
    bits = facts["bits"]
    notes = (f"weights dequantized from {bits} bit ({files.gguf}) and run in fp32",) if bits < 16 else ()
    return model.float(), _gguf_tokenizer(loaded, facts), notes


def _gguf_tokenizer(loaded: Any, facts: dict[str, Any]) -> Any:
    """Return the tokenizer as the file describes it.

    The conversion in transformers (4.57) always adds a begin token before every text and uses it as end token too,
    and it loses the space at the beginning of an answer.
    """
    from tokenizers import decoders, processors
    from transformers import PreTrainedTokenizerFast

    backend = loaded.backend_tokenizer
    if facts.get("tokenizer.ggml.add_bos_token") is False:
        backend.post_processor = processors.ByteLevel(trim_offsets=False)  # one that adds no token
    if facts.get("tokenizer.ggml.model") == "gpt2":
        backend.decoder = decoders.ByteLevel()
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    tokens = {
        role: backend.id_to_token(int(facts[key]))
        for role, name in names.items()
        if (key := f"tokenizer.ggml.{name}_token_id") in facts
    }
    tokens.setdefault("pad_token", tokens.get("eos_token") or backend.id_to_token(0))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **tokens)
    tokenizer.chat_template = loaded.chat_template
    return tokenizer


def _gguf_facts(files: ModelFiles) -> dict[str, Any]:
    """Return the scalar values in a GGUF file's header, and ``bits``: the bits per weight of most of its weights."""
    from gguf import GGUFReader, GGUFValueType

    reader = GGUFReader(files.folder / str(files.gguf))
    facts: dict[str, Any] = {}
    for name, field in reader.fields.items():
        if field.types and field.types[0] != GGUFValueType.ARRAY:
            value = field.parts[field.data[0]]
            facts[name] = bytes(value).decode() if field.types[0] == GGUFValueType.STRING else value[0].item()
    weights: dict[Any, int] = {}
    for tensor in reader.tensors:
        weights[tensor.tensor_type] = weights.get(tensor.tensor_type, 0) + int(tensor.n_elements)
    # Named Q4_1, IQ3_S, F16, …: the first digits are the bits of a weight without the scales of its block.
    bits = re.search(r"\d+", max(weights, key=weights.__getitem__).name)
    return {**facts, "bits": int(bits[0]) if bits else 32}


@contextmanager
def _without_bars() -> Iterator[None]:
    """Within the block, transformers shows no progress bar while it reads a GGUF file."""
    from transformers import modeling_gguf_pytorch_utils as reading

    bar = reading.tqdm
    reading.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        reading.tqdm = bar
