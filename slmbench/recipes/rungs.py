"""What a rung of a recipe can be: a training, a few-shot method, a cascade of two earlier rungs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from slmbench.common.errors import UsageError
from slmbench.methods.training.options import TrainingOptions


class Table(BaseModel):
    """A table of a recipe file: a word that is not known is a mistake of spelling, not something to pass over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Rung(Table):
    """What every rung has."""

    name: Name
    #: What else to say where no model hub is reachable: keys of the rung.
    offline: dict[str, Any] = Field(default_factory=dict)


class _SeededRung(_Rung):
    """What every rung has that draws by chance."""

    seed: int = 42
    #: Several seeds make a rung each, as if it were written that often.
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1)


class TrainingRung(_SeededRung):
    """One trained classifier: a model, a method, hyper-parameters (defaults where not given)."""

    model: str = "tfidf"
    method: Literal["full", "lora", "linear", "space", "pretrained", "tfidf"] = "full"
    layers: int | None = None
    epochs: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    max_length: int | None = None
    truncation_side: Literal["left", "right"] | None = None
    precision: Literal["auto", "fp32", "bf16"] | None = None
    device: str | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    warmup_ratio: float | None = None
    select_by: Literal["loss", "accuracy", "macro_f1"] | None = None
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_dropout: float | None = None
    lora_targets: tuple[str, ...] | None = None
    latents: int | None = None
    inter: Literal["A", "B", "C"] | None = None
    inter_weight: float | None = None
    intra_weight: float | None = None
    ce_weight: float | None = None
    space_pooling: Literal["masked", "padded"] | None = None
    #: Name of an earlier rung whose soft labels to learn.
    teacher: Name | None = None
    #: Further reviews for the teacher to label.
    unlabelled: int | Literal["all"] | None = None
    temperature: float | None = None
    hard_weight: float | None = None

    def check(self) -> None:
        """Check what the types cannot say.

        Raises:
            UsageError: A value is out of its range, or one goes with another that is missing.
        """
        if self.unlabelled is not None and self.teacher is None:
            raise UsageError("unlabelled goes with teacher")
        self.options()

    def options(self, **changes: Any) -> TrainingOptions:
        """Return the rung's hyper-parameters.

        Args:
            **changes: What only the ladder knows, such as where the teacher's run lies.
        """
        return TrainingOptions(
            **{**self.model_dump(exclude={"name", "model", "offline", "unlabelled", "seeds"}), **changes}
        )


class FewshotRung(_SeededRung):
    """One few-shot method."""

    model: str
    method: Literal["cloze", "setfit", "probe", "nli", "prompt"]
    shots: int | None = None
    max_length: int | None = None
    device: str | None = None
    template: str | None = None
    words: dict[str, tuple[str, ...]] | None = None
    top_n: int | None = None
    protocol: str | None = None
    #: Name of an earlier rung whose answers stand in for missing ones (study 000's inheritance).
    inherit_from: Name | None = None
    answer_by: Literal["likelihood", "calibrated", "generate"] | None = None
    chat: bool | None = None
    max_new_tokens: int | None = None
    labelled_rows: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    pairs: int | None = None

    def given(self, **changes: Any) -> dict[str, Any]:
        """Return what was chosen, as arguments of the method's options.

        Args:
            **changes: What only the ladder knows, such as where an earlier rung's run lies.
        """
        own = self.model_dump(exclude={"name", "model", "method", "offline", "seed", "seeds"}, exclude_none=True)
        return {**own, **changes}


class CascadeRung(_Rung):
    """A small classifier that passes what it is unsure of to a larger one; both are earlier rungs."""

    method: Literal["cascade"]
    small: Name
    large: Name
    threshold: float | None = Field(default=None, gt=0, le=1)

    #: What tables show as its model.
    @property
    def model(self) -> str:
        """Both members in one phrase."""
        return f"{self.small} > {self.large}"


Rung = TrainingRung | FewshotRung | CascadeRung
