"""The methods of ``slmbench finetune``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from slmbench.common.errors import UsageError
from slmbench.methods.declarations.shared import (
    ALLOW_PICKLE,
    BATCH_SIZE,
    CLASS_WEIGHT,
    DEVICE,
    EPOCHS,
    LEARNING_RATE,
    LONG_TEXTS,
    MAX_LENGTH,
    PRECISION,
    TRUNCATION_SIDE,
    WEIGHT_DECAY,
    Size,
    check_long_texts,
    parse_label_map,
    parse_size,
    variations,
)
from slmbench.methods.method import Method
from slmbench.methods.options import ByModel, MethodOptions, Option

_DISTILLATION = "Distillation"
_NEEDS = {"torch": "train"}


def _by_width(architecture: str, hidden_size: int) -> float:
    """The rate of full fine-tuning falls with the width: BERT-tiny has 128, MiniLM 384, BERT-base 768."""
    return 3e-4 if hidden_size <= 192 else 1e-4 if hidden_size <= 512 else 3e-5


def _by_study(usual: Any, study_001: Any) -> ByModel:
    """A default of LoRA, with study 001's value (LoRA on 1,000 IMDb reviews) for the architectures it trained."""

    def value(architecture: str, hidden_size: int) -> Any:
        from slmbench.models.architectures import architecture_of

        facts = architecture_of(architecture)
        return study_001 if facts and facts.study_001_targets else usual

    shown = [f"{one:g}" if isinstance(one, float) else str(one) for one in (usual, study_001)]
    return ByModel(f"{shown[0]} (ALBERT, DistilBERT: {shown[1]})", value)


def _targets(architecture: str, hidden_size: int) -> tuple[str, ...]:
    from slmbench.models.architectures import lora_targets

    return lora_targets(architecture)


def _one_layer_learns_fast(architecture: str, hidden_size: int) -> float:
    """A frozen encoder of these leaves one layer to train (see ``models.native_heads``): it bears a high rate."""
    return 1e-2 if architecture in ("bert", "albert", "xlnet") else 3e-4


LAYERS = Option("layers", int, "Keep only the first N encoder layers", default_text="all", min=1)
# benchmarks/finetune_speed.py (--ways slmbench frozen) measures what half of the layers gains and loses.
_FROZEN_LAYERS = Option(
    "frozen_layers",
    int,
    "Lower layers that stay as they are, embeddings included: their outputs on the reviews are computed once",
    0,
    min=0,
    keyed_by_default=False,
)
_VOCABULARY = Option(
    "vocabulary",
    str,
    "Pieces with a row of their own in the embedding table: all, or those that the corpus uses, its unlabelled"
    " reviews included",
    "full",
    choices=("full", "corpus"),
    keyed_by_default=False,
)
SELECT_BY = Option(
    "select_by",
    str,
    "What picks the epoch: the lowest validation loss, or the last epoch within one standard error of the best"
    " validation score; of tfidf, the score in cross-validation that picks the settings",
    "accuracy",
    choices=("loss", "accuracy", "macro_f1"),
)
# On a CPU, drawing random numbers for dropout costs more than the arithmetic of a small encoder; in
# benchmarks/finetune_speed.py the accuracy without it is no lower.
_DROPOUT = Option("dropout", float, "Every dropout probability of the model", 0.0, min=0, below=1)
_WARMUP_RATIO = Option(
    "warmup_ratio", float, "Share of the steps over which the learning rate rises", 0.1, min=0, max=1
)
_ENCODER = (
    EPOCHS.by_default(3.0),
    LEARNING_RATE.by_default(ByModel("3e-4 at width 128, 1e-4 at 384, 3e-5 at 768", _by_width)),
    BATCH_SIZE,
    MAX_LENGTH,
    TRUNCATION_SIDE,
    PRECISION,
    LONG_TEXTS,
    DEVICE,
    LAYERS,
    _FROZEN_LAYERS,
    _VOCABULARY,
    _DROPOUT,
    WEIGHT_DECAY,
    _WARMUP_RATIO,
    SELECT_BY,
    CLASS_WEIGHT,
)
_TEACHER = (
    Option(
        "teacher",
        tuple[str, ...],
        "Run whose soft labels to learn; given several times, the mean of their probabilities",
        panel=_DISTILLATION,
        recorded=False,
        names_run=True,
        repeated=True,
    ),
    Option(
        "unlabelled",
        Size,
        "Further reviews for the teachers to label, or 'all'",
        default_text="0",
        panel=_DISTILLATION,
        recorded=False,
        goes_with="teacher",
        parse=parse_size,
    ),
    Option(
        "temperature",
        float,
        "Softens the labels of teachers and student",
        2.0,
        above=0,
        panel=_DISTILLATION,
        goes_with="teacher",
    ),
    Option(
        "hard_weight",
        float,
        "Weight of the true labels beside the teachers'",
        0.5,
        min=0,
        max=1,
        panel=_DISTILLATION,
        goes_with="teacher",
    ),
)
_TRAINER = (
    Option(
        "report_to",
        str,
        "Experiment tracker that the Trainer reports to",
        choices=("tensorboard", "mlflow", "trackio", "wandb"),
        recorded=False,
    ),
    ALLOW_PICKLE,
)


def _variant(options: MethodOptions) -> list[str]:
    layers = [f"{options.layers}layers"] if options.layers is not None else []
    trimmed = ["trimmed"] if getattr(options, "vocabulary", "full") != "full" else []
    frozen = [f"{count}frozen"] if (count := getattr(options, "frozen_layers", 0)) else []
    return [*layers, *frozen, *trimmed, options.method, *_taught(options), *variations(options)]


def _taught(options: MethodOptions) -> list[str]:
    teachers = [Path(one).name for one in options.given.get("teacher", ())]
    return [f"from-{'+'.join(teachers) if len(teachers) < 4 else f'{len(teachers)}-teachers'}"] if teachers else []


FULL = Method(
    name="full",
    help="Train all weights",
    stage="finetune",
    factory="slmbench.methods.training.transformer:TransformerTraining",
    options=(*_ENCODER, *_TEACHER, *_TRAINER),
    rules=check_long_texts,
    needs=_NEEDS,
    picks_epoch=True,
    variant=_variant,
)

#: Study 001's values where they differ, by name; its targets per architecture are in ``models.architectures``.
_STUDY_001 = {
    "epochs": _by_study(5.0, 10.0),
    "learning_rate": 1e-3,
    "batch_size": _by_study(16, 4),
    "max_length": _by_study(256, 512),
    "truncation_side": _by_study("right", "left"),
    "warmup_ratio": _by_study(0.1, 0.0),
    "select_by": _by_study("accuracy", "loss"),
}
LORA = Method(
    name="lora",
    help="Train low-rank adapters and the head, merged into the weights at the end",
    stage="finetune",
    factory="slmbench.methods.training.transformer:TransformerTraining",
    options=(
        *(option.by_default(_STUDY_001[option.name]) if option.name in _STUDY_001 else option for option in _ENCODER),
        Option("lora_r", int, "Rank of the adapters", _by_study(8, 4), min=1),
        Option("lora_alpha", int, "Scale of the adapters", _by_study(16, 32), min=1),
        Option("lora_dropout", float, "Dropout before the adapters", _by_study(0.0, 0.01), min=0, below=1),
        Option(
            "lora_targets",
            tuple[str, ...],
            "Endings of the names of the modules to adapt, comma-separated",
            ByModel("query and value projections; study 001's for ALBERT and DistilBERT", _targets),
            parse=lambda text: tuple(text.split(",")),
        ),
        *_TEACHER,
        *_TRAINER,
    ),
    rules=check_long_texts,
    needs=_NEEDS,
    picks_epoch=True,
    variant=_variant,
)

_FROZEN = (
    EPOCHS.by_default(30.0),
    LEARNING_RATE.by_default(
        ByModel("1e-2 where one layer is trained (BERT, ALBERT, XLNet), else 3e-4", _one_layer_learns_fast)
    ),
    BATCH_SIZE.by_default(32),
    MAX_LENGTH,
    TRUNCATION_SIDE,
    PRECISION,
    LONG_TEXTS,
    DEVICE,
    LAYERS,
    WEIGHT_DECAY.by_default(0.0),
    SELECT_BY,
    CLASS_WEIGHT,
)
_PLOTS = Option(
    "plots",
    bool,
    "Draw the training curves and, of space, the tokens in the concept spaces",
    default=False,
    recorded=False,
)


def _frozen_rules(options: MethodOptions) -> None:
    check_long_texts(options)
    if options.epochs != int(options.epochs):
        raise UsageError(f"--epochs {options.epochs}: method {options.method} trains in whole epochs")


LINEAR = Method(
    name="linear",
    help="Train the head of transformers on the frozen encoder",
    stage="finetune",
    factory="slmbench.methods.training.frozen:FrozenHeadTraining",
    options=(*_FROZEN, _PLOTS, ALLOW_PICKLE),
    needs=_NEEDS,
    picks_epoch=True,
    rules=_frozen_rules,
    variant=_variant,
)

#: Study 002's losses and optimiser, for 1,000 reviews instead of its 20,000: batches of 32 instead of 256, a rate of
#: 1e-3 instead of 2e-4. The losses' weights are those of its code, the version between spaces that of its tables.
_STUDY_002 = {"epochs": 20.0, "learning_rate": 1e-3, "weight_decay": 0.01}
SPACE = Method(
    name="space",
    help="Train study 002's head of concept spaces on the frozen encoder",
    stage="finetune",
    factory="slmbench.methods.training.frozen:FrozenHeadTraining",
    options=(
        *(option.by_default(_STUDY_002[option.name]) if option.name in _STUDY_002 else option for option in _FROZEN),
        Option("latents", int, "Dimensions of each concept space", 3, min=1),
        Option("inter", str, "Loss between concept spaces", "B", choices=("A", "B", "C")),
        Option("inter_weight", float, "Weight of the loss between concept spaces", 1e-3, min=0),
        Option("intra_weight", float, "Weight of the loss within concept spaces", 1e-4, min=0),
        Option("ce_weight", float, "Weight of cross-entropy beside the two", 1.0, min=0),
        Option(
            "space_pooling",
            str,
            "Means over a review's tokens, or also over padding as in study 002",
            "masked",
            choices=("masked", "padded"),
        ),
        _PLOTS,
        ALLOW_PICKLE,
    ),
    needs=_NEEDS,
    picks_epoch=True,
    rules=_frozen_rules,
    variant=_variant,
)

PRETRAINED = Method(
    name="pretrained",
    help="Train nothing: test a classifier as it was published",
    stage="finetune",
    factory="slmbench.methods.training.pretrained:PretrainedClassifier",
    options=(
        MAX_LENGTH.by_default(None, "512, or what the model takes"),
        TRUNCATION_SIDE,
        LONG_TEXTS,
        DEVICE,
        Option(
            "label_map",
            dict[str, str],
            "Labels of the model and what the corpus calls them: neg=negative,pos=positive",
            default_text="the labels have the same names",
            parse=parse_label_map,
        ),
        ALLOW_PICKLE,
    ),
    rules=check_long_texts,
    needs=_NEEDS,
    picks_epoch=True,
    card="taken as it was published",
    variant=lambda options: [options.method, *variations(options)],
)
TFIDF = Method(
    name="tfidf",
    help="TF-IDF of word 1-2-grams and logistic regression: the baseline that every model must beat",
    stage="finetune",
    factory="slmbench.methods.training.tfidf:TfidfTraining",
    options=(
        replace(CLASS_WEIGHT, default="auto", choices=("auto", *CLASS_WEIGHT.choices)),
        replace(SELECT_BY, choices=("accuracy", "macro_f1")),
        *(option for option in _TEACHER if option.name != "temperature"),
    ),
    variant=lambda options: [
        *([options.class_weight] if options.class_weight == "balanced" else []),
        *_taught(options),
    ],
    needs={"sklearn": "train"},
    takes_model=False,
)
STATIC = Method(
    name="static",
    help="Add up rows of a table of words and hashed n-grams: vectors of words from the model, fitted with a head",
    stage="finetune",
    factory="slmbench.methods.static.training:StaticTraining",
    options=(
        Option("words", int, "Known words, at most: those in most of the reviews learned from", 30_000, min=1),
        Option("ngrams", int, "Longest n-gram, in words", 2, min=1, max=8),
        Option("buckets", int, "Rows that n-grams of two words and more share by their hash", 400_000, min=1),
        Option("dimensions", int, "Principal components of the model's vectors of words", 128, min=1),
        CLASS_WEIGHT,
        *(replace(option, default=1.0) if option.name == "temperature" else option for option in _TEACHER),
        ALLOW_PICKLE,
    ),
    variant=lambda options: [options.method, *_taught(options), *variations(options)],
    needs=_NEEDS,
    card="distilled into a table of words",
)

#: Options of ``slmbench adapt``, which trains no classifier and therefore is no method.
ADAPTATION: tuple[Option, ...] = (
    Option(
        "max_reviews",
        Size,
        "Reviews to learn from, or 'all'",
        default_text="up to 5000",
        recorded=False,
        flags=("--train-size",),
        parse=parse_size,
    ),
    EPOCHS.by_default(1.0),
    # What transformers' language-modelling examples take for width 768.
    LEARNING_RATE.by_default(
        ByModel("5e-4 at width 128, 1.7e-4 at 384, 5e-5 at 768", lambda _, width: 5 / 3 * _by_width(_, width))
    ),
    BATCH_SIZE,
    MAX_LENGTH,
    PRECISION,
    DEVICE,
    _DROPOUT,
    WEIGHT_DECAY,
    _WARMUP_RATIO,
    Option("mask_probability", float, "Share of the tokens to fill in", 0.15, above=0, below=1),
    *_TRAINER,
)
TRAINING: tuple[Method, ...] = (FULL, LORA, LINEAR, SPACE, PRETRAINED, TFIDF, STATIC)
