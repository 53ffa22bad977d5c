"""What can be chosen about a training, and what is chosen when nothing is said."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from slmbench.common.errors import UsageError
from slmbench.methods.training.space import Inter
from slmbench.models.architectures import architecture_of, lora_targets
from slmbench.models.configuration import MIN_TOKENS

METHODS = ("full", "lora", "linear", "space", "pretrained", "tfidf")

Precision = Literal["auto", "fp32", "bf16"]
Selection = Literal["loss", "accuracy", "macro_f1"]
Side = Literal["left", "right"]
SpacePooling = Literal["masked", "padded"]


#: Methods that train a head on a frozen encoder.
FROZEN = ("linear", "space")
#: Options of study 002's head.
SPACE_OPTIONS = {"latents", "inter", "inter_weight", "intra_weight", "ce_weight", "space_pooling"}


@dataclass(frozen=True)
class TrainingOptions:
    """Hyper-parameters; ``None`` means the default of the method and architecture (see :func:`resolve`).

    Attributes:
        method: ``full`` trains all weights, ``lora`` low-rank adapters and the head, ``linear`` the head of
            transformers on the frozen encoder, ``space`` study 002's head on it, ``tfidf`` the floor;
            ``pretrained`` trains nothing and takes a classifier as it was published.
        epochs: Passes over the training rows.
        learning_rate: Peak rate, which falls linearly to zero; of a head on a frozen encoder it is constant.
        batch_size: Reviews a step.
        max_length: Longest input in tokens.
        truncation_side: Which end of a longer review is cut off.
        precision: Arithmetic of training, or of the frozen encoder; ``auto`` is bf16 autocast where the processor
            has it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        layers: Keep only the first so many encoder layers.
        dropout: Every dropout probability of the base model.
        weight_decay: Of AdamW; of a head on a frozen encoder, of Adam.
        warmup_ratio: Share of steps over which the rate rises.
        select_by: What picks the epoch kept: ``accuracy`` and ``macro_f1`` on the validation rows keep the last
            epoch within one standard error of the best (see ``training.selection``), ``loss`` the lowest loss.
        lora_r: Rank of the adapters.
        lora_alpha: Scale of the adapters.
        lora_dropout: Dropout before the adapters.
        lora_targets: Module name endings to adapt.
        teacher: Folder of a run whose soft labels to learn from (see ``training.distillation``).
        temperature: Softens teacher and student alike; above 0.
        hard_weight: Weight in [0, 1] of the true labels beside the teacher's, on labelled rows.
        latents: Dimensions of each concept space.
        inter: Version of the loss between concept spaces (see ``training.space``).
        inter_weight: Its weight.
        intra_weight: Weight of the loss within concept spaces.
        ce_weight: Weight of cross-entropy beside the two.
        space_pooling: ``masked`` means over the tokens of a review, ``padded`` also over padding up to the longest
            training review, as the study did.
        plots: Draw the training curves, and of ``space`` where tokens lie in the spaces.
        allow_pickle: Load ``*.bin`` weights.
        report_to: Experiment tracker the Trainer reports to.
        seed: Seed of initialisation, order and dropout.
    """

    method: str = "full"
    epochs: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    max_length: int | None = None
    truncation_side: Side | None = None
    precision: Precision = "auto"
    device: str = "auto"
    layers: int | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    warmup_ratio: float | None = None
    select_by: Selection | None = None
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_dropout: float | None = None
    lora_targets: tuple[str, ...] | None = None
    teacher: str | None = None
    temperature: float | None = None
    hard_weight: float | None = None
    latents: int | None = None
    inter: Inter | None = None
    inter_weight: float | None = None
    intra_weight: float | None = None
    ce_weight: float | None = None
    space_pooling: SpacePooling | None = None
    plots: bool = False
    allow_pickle: bool = False
    report_to: str | None = None
    seed: int = 42

    def check(self) -> None:
        """Check what can be checked without a model.

        Raises:
            UsageError: A value is out of its range.
        """
        if self.method not in METHODS:
            raise UsageError(f"--method {self.method}: choose one of {', '.join(METHODS)}")
        positive = {
            "--epochs": self.epochs,
            "--lr": self.learning_rate,
            "--batch-size": self.batch_size,
            "--max-length": self.max_length,
            "--layers": self.layers,
            "--lora-r": self.lora_r,
            "--lora-alpha": self.lora_alpha,
            "--temperature": self.temperature,
            "--latents": self.latents,
        }
        for option, value in positive.items():
            if value is not None and not value > 0:
                raise UsageError(f"{option} must be above 0, not {value}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be at least 0 and below 2^32, not {self.seed}")
        if self.max_length is not None and self.max_length < MIN_TOKENS:
            raise UsageError(f"--max-length must be at least {MIN_TOKENS}, not {self.max_length}")
        for option, value in {"--dropout": self.dropout, "--lora-dropout": self.lora_dropout}.items():
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"{option} must be at least 0 and below 1, not {value}")
        if self.hard_weight is not None and not 0 <= self.hard_weight <= 1:
            raise UsageError(f"--hard-weight must be between 0 and 1, not {self.hard_weight}")
        weights = {
            "--inter-weight": self.inter_weight,
            "--intra-weight": self.intra_weight,
            "--ce-weight": self.ce_weight,
        }
        for option, value in weights.items():
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"{option} must be at least 0, not {value}")
        if self.teacher is None and (self.temperature is not None or self.hard_weight is not None):
            raise UsageError("--temperature and --hard-weight go with --teacher")
        self._check_belonging()

    def _check_belonging(self) -> None:
        """Refuse options that the method would pass over in silence."""
        lora = {name for name in _names(self) if name.startswith("lora_")}
        others = _names(self) - lora - {"method", "seed", "precision", "device", "allow_pickle", "plots"}
        # The encoder stands still, the rate is constant, and the Hugging Face Trainer has no part in it.
        moving = {"dropout", "warmup_ratio", "teacher", "temperature", "hard_weight", "report_to"}
        foreign = {
            "full": lora | SPACE_OPTIONS,
            "lora": SPACE_OPTIONS,
            "linear": lora | SPACE_OPTIONS | moving,
            "space": lora | moving,
            "pretrained": lora | others - {"max_length", "truncation_side"},
            "tfidf": lora | others,
        }[self.method]
        if self.plots and self.method not in FROZEN:
            raise UsageError(f"plots cannot be chosen for method {self.method}")
        for name in sorted(foreign):
            if getattr(self, name) is not None:
                raise UsageError(f"{name.replace('_', ' ')} cannot be chosen for method {self.method}")

    def hyperparameters(self) -> dict[str, Any]:
        """Return what belongs in the run's record: everything chosen but the seed, which it has of its own."""
        left_out = {"seed", "method", "report_to", "allow_pickle", "teacher", "plots"}
        if self.teacher is None:
            left_out |= {"temperature", "hard_weight"}
        if self.method != "lora":
            left_out |= {"lora_r", "lora_alpha", "lora_dropout", "lora_targets"}
        if self.method != "space":
            left_out |= SPACE_OPTIONS
        if self.method in FROZEN:
            left_out |= {"warmup_ratio", "dropout"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}


def _names(options: TrainingOptions) -> set[str]:
    return {field.name for field in fields(options)}


#: Study 001's recipe (LoRA on 1,000 IMDb reviews; targets per architecture in ``models.architectures``).
STUDY_001 = {
    "epochs": 10.0,
    "learning_rate": 1e-3,
    "batch_size": 4,
    "max_length": 512,
    "truncation_side": "left",
    "weight_decay": 0.01,
    "warmup_ratio": 0.0,
    "select_by": "loss",
    "lora_r": 4,
    "lora_alpha": 32,
    "lora_dropout": 0.01,
}

_FULL = {
    "epochs": 3.0,
    "batch_size": 16,
    "max_length": 256,
    "truncation_side": "right",
    "weight_decay": 0.01,
    "warmup_ratio": 0.1,
    "select_by": "accuracy",
    # On a CPU, drawing random numbers for dropout costs more than the arithmetic of a small encoder; in
    # benchmarks/finetune_speed.py the accuracy without it is no lower.
    "dropout": 0.0,
}
_LINEAR = {
    "epochs": 30.0,
    "batch_size": 32,
    "max_length": 256,
    "truncation_side": "right",
    "weight_decay": 0.0,
    "select_by": "accuracy",
}
#: Architectures whose frozen encoder leaves one layer to train (see ``models.native_heads``): it bears a high rate.
_ONE_LAYER = ("bert", "albert", "xlnet")
#: Study 002's losses and optimiser, for 1,000 reviews instead of its 20,000: batches of 32 instead of 256, a rate of
#: 1e-3 instead of 2e-4. The losses' weights are those of its code, the version between spaces that of its tables.
_SPACE = {
    **_LINEAR,
    "epochs": 20.0,
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "latents": 3,
    "inter": "B",
    "inter_weight": 1e-3,
    "intra_weight": 1e-4,
    "ce_weight": 1.0,
    "space_pooling": "masked",
}
_LORA = {**_FULL, "epochs": 5.0, "learning_rate": 1e-3, "lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.0}


def resolve(options: TrainingOptions, model_type: str, hidden_size: int) -> TrainingOptions:
    """Fill in what was not chosen.

    The rate of full fine-tuning falls with the width of the model: 3e-5 at 768 (BERT-base class), 1e-4 at 384
    (MiniLM), 3e-4 at 128 (BERT-tiny).

    Args:
        options: What was chosen.
        model_type: Architecture, as in ``config.json``.
        hidden_size: Width of the model.

    Returns:
        Options without ``None``, but for ``layers`` and ``report_to``.

    Raises:
        UsageError: LoRA is wanted for an architecture whose targets are unknown and not given.
    """
    if options.method == "lora":
        facts = architecture_of(model_type)
        recipe: dict[str, Any] = dict(STUDY_001 if facts and facts.study_001_targets else _LORA)
        recipe.setdefault("dropout", 0.0)
        if options.lora_targets is None:
            recipe["lora_targets"] = lora_targets(model_type)
    elif options.method in FROZEN:
        rate = 1e-2 if model_type in _ONE_LAYER else 3e-4
        recipe = dict(_SPACE) if options.method == "space" else {**_LINEAR, "learning_rate": rate}
    else:
        rate = 3e-4 if hidden_size <= 192 else 1e-4 if hidden_size <= 512 else 3e-5
        recipe = {**_FULL, "learning_rate": rate}
    if options.teacher is not None:
        recipe |= {"temperature": 2.0, "hard_weight": 0.5}
    missing = {name: value for name, value in recipe.items() if getattr(options, name) is None}
    return replace(options, **missing)
