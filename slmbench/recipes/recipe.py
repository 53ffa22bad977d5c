"""What a recipe file says, checked."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slmbench.errors import UsageError
from slmbench.training.options import TrainingOptions


class _Table(BaseModel):
    # A word that is not known is a mistake of spelling, not something to pass over.
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusTable(_Table):
    """Keyword arguments of ``load_corpus``."""

    name: str = "imdb"
    train_size: int | Literal["all"] | None = None
    test_size: int | Literal["all"] | None = None
    text_column: str | None = None
    label_column: str | None = None
    stars: Literal["drop", "negative", "neutral"] = "drop"
    test_corpus: str | None = None
    skip_bad_rows: bool = False


class Rung(_Table):
    """One classifier of the ladder: a model, a method, hyper-parameters (defaults where not given)."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: str = "tfidf"
    method: Literal["full", "lora", "tfidf"] = "full"
    seed: int = 42
    layers: int | None = None
    epochs: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    max_length: int | None = None
    truncation_side: Literal["left", "right"] | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    dropout: float | None = None
    weight_decay: float | None = None
    warmup_ratio: float | None = None
    select_by: Literal["loss", "accuracy", "macro_f1"] | None = None
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_dropout: float | None = None
    lora_targets: tuple[str, ...] | None = None

    def options(self) -> TrainingOptions:
        """Return the rung's hyper-parameters."""
        return TrainingOptions(**self.model_dump(exclude={"name", "model"}))


class ExportTable(_Table):
    """Which forms to make, and what they may lose."""

    forms: tuple[Literal["fp32", "int8"], ...] = Field(default=("fp32", "int8"), min_length=1)
    max_accuracy_drop: float = Field(default=0.01, ge=0, le=1)


class ProfileTable(_Table):
    """How to measure."""

    device: Literal["cpu"] = "cpu"
    backend: Literal["onnxruntime"] = "onnxruntime"
    threads: int | None = Field(default=None, ge=1)
    processes: int = Field(default=3, ge=1)
    time_limit_s: float = Field(default=20.0, gt=0)


class Recipe(_Table):
    """A ladder."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    corpus: CorpusTable = CorpusTable()
    rungs: tuple[Rung, ...] = Field(min_length=1)
    export: ExportTable = ExportTable()
    profile: ProfileTable = ProfileTable()


def find_recipe(name: str) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with slmbench.

    Raises:
        UsageError: There is neither.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UsageError(f"there is no recipe file {path}")
        return path
    own = Path(str(resources.files("slmbench.recipes")))
    if (own / f"{name}.toml").is_file():
        return own / f"{name}.toml"
    known = ", ".join(sorted(file.stem for file in own.glob("*.toml")))
    raise UsageError(f"there is no recipe '{name}'; there are: {known}, or give a TOML file")


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Raises:
        UsageError: It is not TOML, or says something a recipe cannot say.
    """
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {error}") from None
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"the recipe {path} is wrong at '{where}': {first['msg'].lower()}") from None
    names = [rung.name for rung in recipe.rungs]
    if len(set(names)) < len(names):
        raise UsageError(f"the recipe {path} has two rungs of one name")
    for rung in recipe.rungs:
        try:
            rung.options().check()
        except UsageError as error:
            raise UsageError(f"the recipe {path} is wrong in rung '{rung.name}': {error}") from None
    return recipe
