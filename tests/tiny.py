"""Tiny random models and tokenizers, built in memory: every architecture in a few kilobytes."""

from __future__ import annotations

from pathlib import Path

WORDS = (  # noqa: SIM905
    "the a movie film was is and but not very good bad great awful boring superb plot actor acting story "
    "scene i we it this that never always loved hated enjoyed watched wonderful terrible fine dull bright "
    "music script cast poor rich slow fast ending beginning funny sad worst best ever one two time"
).split()

ARCHITECTURES = (
    "bert",
    "distilbert",
    "albert",
    "electra",
    "mpnet",
    "roberta",
    "deberta-v2",
    "xlnet",
    "modernbert",
)
#: Options of a static classifier that is fitted in a moment.
SMALL_STATIC = {"words": 300, "buckets": 1000, "dimensions": 8}


def wordpiece(folder: Path, kind: str = "bert") -> None:
    """Write a small fast tokenizer of the kind an architecture uses."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLNetTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = list("abcdefghijklmnopqrstuvwxyz")
    vocabulary = special + WORDS + [w for w in letters if w not in WORDS] + ["##" + c for c in letters]
    table = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(table, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    left = kind == "xlnet"
    template = ("$A:0 [SEP]:0 [CLS]:2", "$A:0 $B:1") if left else ("[CLS]:0 $A:0 [SEP]:0", "$A:0 $B:1")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template[0],
        pair=template[1],
        special_tokens=[("[CLS]", table["[CLS]"]), ("[SEP]", table["[SEP]"])],
    )
    names = ["input_ids", "attention_mask"]
    if kind in ("bert", "albert", "electra", "deberta-v2", "xlnet"):
        names.insert(1, "token_type_ids")
    # XLNet's own class brings its padding: on the left, with a token type of its own.
    own = {"bos_token": "[CLS]", "eos_token": "[SEP]", "additional_special_tokens": []} if left else {}
    (XLNetTokenizerFast if left else PreTrainedTokenizerFast)(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
        model_input_names=names,
        **own,
    ).save_pretrained(folder)


def configuration(kind: str, **changes):
    """Return a tiny configuration of an architecture."""
    import transformers as t

    common = {"vocab_size": 130, "pad_token_id": 0}
    bertlike = {
        **common,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
    }
    made = {
        "bert": lambda: t.BertConfig(**{**bertlike, **changes}),
        "distilbert": lambda: t.DistilBertConfig(
            **{
                **common,
                "dim": 32,
                "n_layers": 2,
                "n_heads": 4,
                "hidden_dim": 64,
                "max_position_embeddings": 66,
                **changes,
            }
        ),
        "albert": lambda: t.AlbertConfig(**{**bertlike, "embedding_size": 16, **changes}),
        "electra": lambda: t.ElectraConfig(**{**bertlike, "embedding_size": 16, **changes}),
        "mpnet": lambda: t.MPNetConfig(**{**bertlike, **changes}),
        "roberta": lambda: t.RobertaConfig(**{**bertlike, "pad_token_id": 0, **changes}),
        "deberta-v2": lambda: t.DebertaV2Config(
            **{
                **bertlike,
                "relative_attention": True,
                "pos_att_type": ["p2c", "c2p"],
                "position_buckets": 16,
                **changes,
            }
        ),
        "xlnet": lambda: t.XLNetConfig(
            **{**common, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, **changes}
        ),
        "modernbert": lambda: t.ModernBertConfig(
            **{
                **bertlike,
                "cls_token_id": 2,
                "sep_token_id": 3,
                "bos_token_id": 2,
                "eos_token_id": 3,
                **changes,
            }
        ),
    }
    return made[kind]()


def model_folder(folder: Path, kind: str = "bert", seed: int = 0, labels: int = 2, **changes) -> Path:
    """Write a random classifier of an architecture and its tokenizer; returns the folder."""
    import torch
    from transformers import AutoModelForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = configuration(kind, **changes)
    config.num_labels = labels
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    wordpiece(folder, kind)
    return folder


def masked_lm_folder(
    folder: Path, kind: str = "bert", seed: int = 0, words: tuple[str, ...] = ("negative", "positive"), **changes
) -> Path:
    """Write a random masked language model whose tokenizer knows some words more; returns the folder."""
    import json

    import torch
    from transformers import AutoModelForMaskedLM

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    AutoModelForMaskedLM.from_config(configuration(kind, **changes)).save_pretrained(folder)
    wordpiece(folder, kind)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary.update({word: len(vocabulary) + place for place, word in enumerate(words)})
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


def byte_level_bpe(folder: Path, texts: list[str]) -> None:
    """Write a byte-level BPE tokenizer as RoBERTa's, which learned the words of some texts."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        # As RoBERTa's, it swallows the space before it.
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        model_max_length=64,
    ).save_pretrained(folder)


def language_model_folder(folder: Path, kind: str, texts: list[str], seed: int = 0, **changes) -> Path:
    """Write a random language model (llama, gpt2 or t5) whose tokenizer learned the words of some texts."""
    import torch
    import transformers as t

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    tokenizer = sentencepiece_like(texts) if kind == "t5" else plain_bpe(texts)
    size = {"vocab_size": len(tokenizer)}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    made = {
        "llama": lambda: t.LlamaForCausalLM(
            t.LlamaConfig(
                **{
                    **size,
                    **ends,
                    "hidden_size": 32,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 4,
                    "num_key_value_heads": 2,
                    "intermediate_size": 64,
                    "max_position_embeddings": 256,
                    "tie_word_embeddings": True,
                    **changes,
                }
            )
        ),
        "gpt2": lambda: t.GPT2LMHeadModel(
            t.GPT2Config(**{**size, **ends, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, **changes})
        ),
        "t5": lambda: t.T5ForConditionalGeneration(
            t.T5Config(
                **{
                    **size,
                    "d_model": 32,
                    "d_kv": 8,
                    "d_ff": 64,
                    "num_layers": 2,
                    "num_heads": 4,
                    "pad_token_id": 0,
                    "eos_token_id": 1,
                    "decoder_start_token_id": 0,
                    **changes,
                }
            )
        ),
    }
    model = made[kind]()
    # Random weights of the usual size make every next token about as likely as another.
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def plain_bpe(texts: list[str]):
    """Return a byte-level BPE tokenizer as GPT-2's, which adds a begin token as Llama's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<s>", "</s>", "<pad>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
    )


def sentencepiece_like(texts: list[str]):
    """Return a unigram tokenizer as T5's: a space is part of the word after it, an end token comes last."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
