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
