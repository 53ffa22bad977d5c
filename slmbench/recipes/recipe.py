"""What a recipe file says, checked."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator

from slmbench.common.errors import UsageError
from slmbench.export import DEFAULT_FORMS, FORMS
from slmbench.methods.registry import method_of, methods_of
from slmbench.profiling import ProfileOptions
from slmbench.profiling.backends import BACKENDS, TORCH
from slmbench.profiling.torch.forward import parse_form
from slmbench.recipes.rungs import CascadeRung, FewshotRung, Name, Rung, Table, TrainingRung

if TYPE_CHECKING:
    from slmbench.methods.options import MethodOptions


#: Kinds of rung, by which pydantic names the place of a mistake.
KINDS = ("training", "fewshot", "cascade")
_FEWSHOT = {method.name for method in methods_of("fewshot")}


def _kind(rung: Any) -> str:
    """Tell a rung's kind from its method."""
    method = rung.get("method") if isinstance(rung, dict) else rung.method
    return "cascade" if method == "cascade" else "fewshot" if method in _FEWSHOT else "training"


AnyRung = Annotated[
    Annotated[TrainingRung, Tag("training")]
    | Annotated[FewshotRung, Tag("fewshot")]
    | Annotated[CascadeRung, Tag("cascade")],
    Discriminator(_kind),
]


class CorpusTable(Table):
    """Keyword arguments of ``load_corpus``."""

    name: str = "imdb"
    train_size: int | Literal["all"] | None = None
    test_size: int | Literal["all"] | None = None
    text_column: str | None = None
    label_column: str | None = None
    stars: Literal["drop", "negative", "neutral"] = "drop"
    test_corpus: str | None = None
    skip_bad_rows: bool = False


class ExportTable(Table):
    """Which forms to make, and what they may lose."""

    forms: tuple[str, ...] = Field(default=DEFAULT_FORMS, min_length=1)
    max_accuracy_drop: float = Field(default=0.01, ge=0, le=1)

    @field_validator("forms")
    @classmethod
    def _known(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        for form in forms:
            try:
                FORMS[form]
            except UsageError as error:
                raise ValueError(str(error)) from None
        return forms


class ProfileTable(Table):
    """Where and how to measure: every form on every device with every backend that runs there.

    ``torch_forms`` are the precisions and modes of the backend ``torch``, such as ``fp32`` or ``bf16-compile``; those
    that the device has natively when there are none.
    """

    devices: tuple[str, ...] = Field(default=("cpu",), min_length=1)
    backends: tuple[str, ...] = Field(default=("onnxruntime",), min_length=1)
    torch_forms: tuple[str, ...] | None = Field(default=None, min_length=1)
    threads: int | None = Field(default=None, ge=1)
    processes: int = Field(default=5, ge=1)
    time_limit_s: float = Field(default=20.0, gt=0)

    def settings(self) -> list[ProfileOptions]:
        """Return how to measure, one for each backend and device that go together.

        Raises:
            UsageError: A backend does not exist, a device is served by none, or torch has none of the forms on it.
        """
        found = []
        for backend in dict.fromkeys(self.backends):
            for device in dict.fromkeys(self.devices):
                if device not in BACKENDS[backend].devices:
                    continue
                forms = self.torch_forms if backend == TORCH.name else None
                for form in forms or ():
                    parse_form(form, device)
                found.append(
                    ProfileOptions(
                        forms=forms,
                        device=device,
                        backend=backend,
                        threads=self.threads,
                        processes=self.processes,
                        time_limit_s=self.time_limit_s,
                    )
                )
        for device in self.devices:
            if not any(options.device == device for options in found):
                served = (f"{name} runs on {', '.join(BACKENDS[name].devices)}" for name in self.backends)
                raise UsageError(f"no backend runs on {device}: {'; '.join(served)}")
        if self.torch_forms and TORCH.name not in self.backends:
            raise UsageError("torch_forms goes with the backend torch")
        return found


class TransferTable(Table):
    """A run scored on another corpus, without training."""

    rung: Name
    corpus: str
    text_column: str | None = None
    label_column: str | None = None
    test_size: int | None = None
    label_map: dict[str, str] = Field(default_factory=dict)


class OfflineTable(Table):
    """What stands in for what where no model hub is reachable.

    ``models`` maps names of hub models to starter items; ``corpus`` replaces keys of the corpus table.
    """

    models: dict[str, str] = Field(default_factory=dict)
    corpus: dict[str, Any] = Field(default_factory=dict)


class Recipe(Table):
    """A ladder."""

    name: Name
    title: str = ""
    #: What a reader has to know of the protocol; shown with the results.
    notes: tuple[str, ...] = ()
    corpus: CorpusTable = CorpusTable()
    rungs: tuple[AnyRung, ...] = Field(min_length=1)
    transfer: tuple[TransferTable, ...] = ()
    offline: OfflineTable = OfflineTable()
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
        where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
        what = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise UsageError(f"the recipe {path} is wrong at '{where}': {what}") from None
    recipe = _one_rung_a_seed(recipe, path)
    _check_rungs(recipe, path)
    try:
        recipe.profile.settings()
    except UsageError as error:
        raise UsageError(f"the recipe {path} is wrong in 'profile': {error}") from None
    return recipe


def _one_rung_a_seed(recipe: Recipe, path: Path) -> Recipe:
    """Write rungs with ``seeds`` out, a rung a seed; the first keeps the name, by which others refer to it."""
    rungs: list[Rung] = []
    for rung in recipe.rungs:
        seeds = None if isinstance(rung, CascadeRung) else rung.seeds
        if seeds is None:
            rungs.append(rung)
            continue
        if "seed" in rung.model_fields_set:
            raise UsageError(f"the recipe {path} is wrong in rung '{rung.name}': it has seed and seeds, give one")
        names = [rung.name, *(f"{rung.name}-seed{seed}" for seed in seeds[1:])]
        rungs += [
            rung.model_copy(update={"name": name, "seed": seed, "seeds": None})
            for name, seed in zip(names, seeds, strict=True)
        ]
    return recipe.model_copy(update={"rungs": tuple(rungs)})


def _check_rungs(recipe: Recipe, path: Path) -> None:
    """Check what the types cannot say: names are one rung's, options are in range, references look back."""
    earlier: set[str] = set()
    for rung in recipe.rungs:
        if rung.name in earlier:
            raise UsageError(f"the recipe {path} has two rungs of one name")
        for other in references(rung):
            if other not in earlier:
                raise UsageError(
                    f"the recipe {path} is wrong in rung '{rung.name}': no earlier rung is named '{other}'"
                )
        try:
            if isinstance(rung, TrainingRung):
                rung.check()
            elif isinstance(rung, FewshotRung):
                fewshot_options(rung)
        except UsageError as error:
            raise UsageError(f"the recipe {path} is wrong in rung '{rung.name}': {error}") from None
        earlier.add(rung.name)
    for transfer in recipe.transfer:
        if transfer.rung not in earlier:
            raise UsageError(f"the recipe {path} is wrong in 'transfer': there is no rung '{transfer.rung}'")


def references(rung: Rung) -> list[str]:
    """Return the names of the earlier rungs that a rung builds on."""
    if isinstance(rung, CascadeRung):
        return [rung.small, rung.large]
    other = rung.teacher if isinstance(rung, TrainingRung) else rung.inherit_from
    return [other] if other else []


def fewshot_options(rung: FewshotRung, **changes: Any) -> MethodOptions:
    """Return the options of a few-shot rung.

    Args:
        rung: The rung.
        **changes: What only the ladder knows, such as where an earlier rung's run lies.

    Raises:
        UsageError: The method has no such option.
    """
    return method_of("fewshot", rung.method).choose(rung.given(**changes), seed=rung.seed)
