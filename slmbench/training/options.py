"""What can be chosen about a training, and what is chosen when nothing is said."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from slmbench.errors import UsageError
from slmbench.models.architectures import architecture_of, lora_targets

METHODS = ("full", "lora", "tfidf")

Precision = Literal["auto", "fp32", "bf16"]
Selection = Literal["loss", "accuracy", "macro_f1"]
Side = Literal["left", "right"]


#: Fewer leave hardly a word between the special tokens.
LEAST_TOKENS = 4


@dataclass(frozen=True)
class TrainingOptions:
    """Hyper-parameters; ``None`` means the default of the method and architecture (see :func:`resolve`).

    Attributes:
        method: ``full`` trains all weights, ``lora`` low-rank adapters and the head, ``tfidf`` the floor.
        epochs: Passes over the training rows.
        learning_rate: Peak rate; it falls linearly to zero.
        batch_size: Reviews a step.
        max_length: Longest input in tokens.
        truncation_side: Which end of a longer review is cut off.
        precision: Arithmetic of training; ``auto`` is bf16 autocast where the processor has it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        layers: Keep only the first so many encoder layers.
        dropout: Every dropout probability of the base model.
        weight_decay: Of AdamW.
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
        }
        for option, value in positive.items():
            if value is not None and not value > 0:
                raise UsageError(f"{option} must be above 0, not {value}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be at least 0 and below 2^32, not {self.seed}")
        if self.max_length is not None and self.max_length < LEAST_TOKENS:
            raise UsageError(f"--max-length must be at least {LEAST_TOKENS}, not {self.max_length}")
        for option, value in {"--dropout": self.dropout, "--lora-dropout": self.lora_dropout}.items():
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"{option} must be at least 0 and below 1, not {value}")
        if self.hard_weight is not None and not 0 <= self.hard_weight <= 1:
            raise UsageError(f"--hard-weight must be between 0 and 1, not {self.hard_weight}")
        if self.teacher is None and (self.temperature is not None or self.hard_weight is not None):
            raise UsageError("--temperature and --hard-weight go with --teacher")
        self._check_belonging()

    def _check_belonging(self) -> None:
        """Refuse options that the method would pass over in silence."""
        lora = {name for name in _names(self) if name.startswith("lora_")}
        others = _names(self) - lora - {"method", "seed", "precision", "device", "allow_pickle"}
        foreign = lora if self.method == "full" else lora | others if self.method == "tfidf" else set()
        for name in sorted(foreign):
            if getattr(self, name) is not None:
                raise UsageError(f"{name.replace('_', ' ')} cannot be chosen for method {self.method}")

    def hyperparameters(self) -> dict[str, Any]:
        """Return what belongs in the run's record: everything chosen but the seed, which it has of its own."""
        left_out = {"seed", "method", "report_to", "allow_pickle", "teacher"}
        if self.teacher is None:
            left_out |= {"temperature", "hard_weight"}
        if self.method != "lora":
            left_out |= {"lora_r", "lora_alpha", "lora_dropout", "lora_targets"}
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
    else:
        rate = 3e-4 if hidden_size <= 192 else 1e-4 if hidden_size <= 512 else 3e-5
        recipe = {**_FULL, "learning_rate": rate}
    if options.teacher is not None:
        recipe |= {"temperature": 2.0, "hard_weight": 0.5}
    missing = {name: value for name, value in recipe.items() if getattr(options, name) is None}
    return replace(options, **missing)
