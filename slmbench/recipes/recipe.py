"""Reading and checking a recipe file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator

from slmbench.common.errors import UsageError, first_line
from slmbench.common.places import named_path
from slmbench.common.suggestions import did_you_mean
from slmbench.compare import Constraints, DecisionRule
from slmbench.corpora.formats import FORMATS, format_of
from slmbench.corpora.known_corpora import CORPORA
from slmbench.edge.runtime import read_bytes
from slmbench.export import (
    DEFAULT_CALIBRATION,
    DEFAULT_FORMS,
    DEFAULT_MAX_ACCURACY_DROP,
    FORMS,
    Calibration,
    CalibrationMethod,
)
from slmbench.profiling import ProfileOptions
from slmbench.profiling.backends import BACKENDS, TORCH
from slmbench.profiling.torch.forward import parse_form
from slmbench.recipes.rungs import CascadeRung, MethodRung, Name, RecipeTable, Rung, Share

#: Larger files are refused: recipes are written by hand.
MAX_RECIPE_BYTES = 1 << 20
#: Of a dotted key, or a line before its first ``=``: tomllib takes a time that grows with their square.
MAX_DOTS = 200
#: Where the recipes that come with slmbench are.
_OWN = Path(str(resources.files("slmbench.recipes")))
#: Keys of the corpus table that name a corpus.
_CORPORA = ("name", "test_corpus", "unlabelled_corpus")
#: Kinds of rung, by which pydantic names the place of a mistake.
_KINDS = ("method", "cascade")


def _kind(rung: Any) -> str:
    """Return a rung's kind, which its method determines."""
    method = rung.get("method") if isinstance(rung, dict) else rung.method
    return "cascade" if method == "cascade" else "method"


AnyRung = Annotated[
    Annotated[MethodRung, Tag("method")] | Annotated[CascadeRung, Tag("cascade")], Discriminator(_kind)
]


class CorpusTable(RecipeTable):
    """Keyword arguments of ``load_corpus``; with ``folds`` every rung is cross-validated instead of trained once."""

    name: str = "imdb"
    train_size: int | Literal["all"] | None = None
    test_size: int | Literal["all"] | None = None
    text_column: str | None = None
    label_column: str | None = None
    stars: Literal["drop", "negative", "neutral"] = "drop"
    bins: tuple[float, ...] | None = None
    test_corpus: str | None = None
    test_share: Share | None = None
    folds: int | None = Field(default=None, ge=2)
    group_column: str | None = None
    time_column: str | None = None
    unlabelled_corpus: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    skip_bad_rows: bool = False

    def reading(self) -> dict[str, Any]:
        """Return the keyword arguments of ``load_corpus`` besides the name and the folds."""
        return self.model_dump(exclude={"name", "folds"})


class ExportTable(RecipeTable):
    """Which forms to make, how, and the accuracy that they may lose; the options of ``slmbench export``."""

    forms: tuple[str, ...] = Field(default=DEFAULT_FORMS, min_length=1)
    max_accuracy_drop: Share = Field(default=DEFAULT_MAX_ACCURACY_DROP, ge=0, le=1)
    max_class_drop: Share | None = Field(default=None, ge=0, le=1)
    accept_undecided: bool = False
    calibration: CalibrationMethod = DEFAULT_CALIBRATION.method
    calibration_reviews: int = Field(default=DEFAULT_CALIBRATION.reviews, ge=1)
    calibration_corpus: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of :func:`slmbench.export.export`."""
        return {
            "forms": self.forms,
            "max_accuracy_drop": self.max_accuracy_drop,
            "max_class_drop": self.max_class_drop,
            "accept_undecided": self.accept_undecided,
            "calibration": Calibration(self.calibration, self.calibration_reviews, self.calibration_corpus),
        }

    @field_validator("forms")
    @classmethod
    def _known(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        for form in forms:
            try:
                FORMS[form]
            except UsageError as error:
                raise ValueError(str(error)) from None
        return forms


class ProfileTable(RecipeTable):
    """Where and how to profile: every form on every device with every backend that supports it.

    ``torch_forms`` are the precisions and modes of the backend ``torch``, such as ``fp32`` or ``bf16-compile``; by
    default those that the device supports natively.
    """

    devices: tuple[str, ...] = Field(default=("cpu",), min_length=1)
    backends: tuple[str, ...] = Field(default=("onnxruntime",), min_length=1)
    torch_forms: tuple[str, ...] | None = Field(default=None, min_length=1)
    threads: int | None = Field(default=None, ge=1)
    processes: int = Field(default=5, ge=1)
    sessions: int = Field(default=1, ge=1)
    session_gap_min: float = Field(default=30.0, ge=0)
    time_limit_s: float = Field(default=20.0, gt=0)
    sustained_s: float | None = Field(default=None, gt=0)

    def settings(self) -> list[ProfileOptions]:
        """Return the profiling options, one for each backend and device that fit together.

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
                        sessions=self.sessions,
                        session_gap_min=self.session_gap_min,
                        time_limit_s=self.time_limit_s,
                        sustained_s=self.sustained_s,
                    )
                )
        for options in found:
            options.check_sessions()
        for device in self.devices:
            if not any(options.device == device for options in found):
                served = (f"{name} runs on {', '.join(BACKENDS[name].devices)}" for name in self.backends)
                raise UsageError(f"no backend runs on {device}: {'; '.join(served)}")
        if self.torch_forms and TORCH.name not in self.backends:
            raise UsageError("torch_forms goes with the backend torch")
        return found


class TransferTable(RecipeTable):
    """A rung evaluated on another corpus, without training."""

    rung: Name
    corpus: str
    text_column: str | None = None
    label_column: str | None = None
    test_size: int | None = None
    label_map: dict[str, str] = Field(default_factory=dict)


class OfflineTable(RecipeTable):
    """Substitutes where no model hub is reachable.

    ``models`` maps names of hub models to starter items; ``corpus`` replaces keys of the corpus table.
    """

    models: dict[str, str] = Field(default_factory=dict)
    corpus: dict[str, Any] = Field(default_factory=dict)


class DecisionTable(RecipeTable):
    """What counts as equal, and by which metric: the fields of :class:`slmbench.compare.DecisionRule`."""

    model_margin: Share | None = None
    form_margin: Share | None = None
    time_margin: Share | None = None
    metric: str | None = None
    accept_undecided: bool | None = None

    def rule(self, over: Mapping[str, Any] | None = None) -> DecisionRule:
        """Return the rule.

        Args:
            over: Values of the caller by name; they override the recipe's.

        Raises:
            UsageError: A margin is out of range, or there is no such metric.
        """
        return DecisionRule(**{**self.model_dump(exclude_none=True), **(over or {})})


class Recipe(RecipeTable):
    """A recipe: everything that one file describes."""

    name: Name
    #: Sentences about the protocol; shown with the results.
    notes: tuple[str, ...] = ()
    corpus: CorpusTable = CorpusTable()
    rungs: tuple[AnyRung, ...] = Field(min_length=1)
    transfer: tuple[TransferTable, ...] = ()
    offline: OfflineTable = OfflineTable()
    export: ExportTable = ExportTable()
    profile: ProfileTable = ProfileTable()
    #: Limits for the recommendation, by the names of :class:`slmbench.compare.Constraints`.
    limits: dict[str, Share] = Field(default_factory=dict)
    #: Margins and the metric that decides, by the names of :class:`slmbench.compare.DecisionRule`.
    decision: DecisionTable = DecisionTable()

    def constraints(self, over: Constraints | None = None) -> Constraints:
        """Return the limits for the recommendation.

        Args:
            over: Limits of the caller; they override the recipe's.

        Raises:
            UsageError: There is no such limit, or one is out of range.
        """
        return Constraints(**{**self.limits, **(over.as_dict() if over else {})})

    def document(self) -> dict[str, Any]:
        """Return what a file has that describes the same, as it can be written in JSON."""
        tables = self.model_dump(exclude={"rungs"}, exclude_unset=True)
        return {**tables, "rungs": [rung.document() for rung in self.rungs]}


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
    known = sorted(file.stem for file in _OWN.glob("*.toml"))
    if name in known:
        return _OWN / f"{name}.toml"
    hint = did_you_mean(name, known)
    raise UsageError(f"there is no recipe '{name}'{hint} (recipes: {', '.join(known)}, or a TOML file)")


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Paths in it are relative to the file; in a recipe that comes with slmbench, to the working folder.

    Raises:
        UsageError: It is not TOML, or a key or value is wrong; the message names the place and the nearest key.
    """
    try:
        text = read_bytes(path, MAX_RECIPE_BYTES).decode()
        document: dict[str, Any] = {} if _has_deep_keys(text) else tomllib.loads(text)
    except (ValueError, OSError, RecursionError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {first_line(error)}") from None
    if _has_deep_keys(text):
        raise UsageError(f"the recipe {path} cannot be read: a key has more than {MAX_DOTS} dots")
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in _KINDS)
        what = first["msg"].removeprefix("Value error, ")
        place = f" at '{where}'" if where else ""
        raise UsageError(f"the recipe {path} is wrong{place}: {what}") from None
    with _wrong(path, "'limits'"):
        recipe.constraints()
    with _wrong(path, "'decision'"):
        recipe.decision.rule()
    with _wrong(path, "'profile'"):
        recipe.profile.settings()
    if recipe.corpus.folds is not None:
        _check_folds(recipe, path)
    recipe = _one_rung_per_seed(recipe, path)
    if path.parent != _OWN:
        recipe = _found_beside(path.parent, recipe)
    _check_rungs(recipe, path)
    return recipe


def _has_deep_keys(text: str) -> bool:
    return any(line.partition("=")[0].count(".") > MAX_DOTS for line in text.splitlines())


@contextmanager
def _wrong(path: Path, where: str) -> Iterator[None]:
    """Name the place of a mistake.

    Raises:
        UsageError: The block raised one.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"the recipe {path} is wrong in {where}: {error}") from None


def _check_folds(recipe: Recipe, path: Path) -> None:
    """Check that every rung can be cross-validated: it stands for itself, and is of one seed."""
    for rung in recipe.rungs:
        with _wrong(path, f"rung '{rung.name}'"):
            if isinstance(rung, CascadeRung) or rung.referred:
                raise UsageError("with folds a rung cannot build on another, which has seen the reviews of the folds")
            if rung.seeds is not None:
                raise UsageError("folds and seeds each make several runs: give one of them")


def _one_rung_per_seed(recipe: Recipe, path: Path) -> Recipe:
    """Replace each rung with ``seeds`` by one rung per seed."""
    rungs: list[Rung] = []
    for rung in recipe.rungs:
        with _wrong(path, f"rung '{rung.name}'"):
            rungs += [rung] if isinstance(rung, CascadeRung) else rung.per_seed()
    return recipe.model_copy(update={"rungs": tuple(rungs)})


def _found_beside(folder: Path, recipe: Recipe) -> Recipe:
    """Turn paths that are relative to the recipe's folder into absolute ones."""
    corpus = {key: _beside(folder, value) for key in _CORPORA if (value := getattr(recipe.corpus, key)) is not None}
    stand_in = dict(recipe.offline.corpus)
    stand_in |= {key: _beside(folder, stand_in[key]) for key in _CORPORA if key in stand_in}
    models = {name: _beside(folder, model, is_corpus=False) for name, model in recipe.offline.models.items()}
    return recipe.model_copy(
        update={
            "corpus": recipe.corpus.model_copy(update=corpus),
            "export": recipe.export.model_copy(
                update={"calibration_corpus": _beside(folder, found)}
                if (found := recipe.export.calibration_corpus) is not None
                else {}
            ),
            "rungs": tuple(
                rung.changed(model=_beside(folder, rung.model, is_corpus=False))
                if isinstance(rung, MethodRung) and rung.model
                else rung
                for rung in recipe.rungs
            ),
            "transfer": tuple(
                table.model_copy(update={"corpus": _beside(folder, table.corpus)}) for table in recipe.transfer
            ),
            "offline": OfflineTable(models=models, corpus=stand_in),
        }
    )


def _beside(folder: Path, name: str, *, is_corpus: bool = True) -> str:
    """Return the absolute path of a file or folder that a recipe names; other names stay as they are."""
    path = named_path(name)
    if path.is_absolute() or folder.resolve() == Path.cwd() or (is_corpus and name in CORPORA):
        return name
    looks_local = name.startswith(".") or (is_corpus and (format_of(path) in FORMATS or path.suffix == ".gz"))
    is_pattern = is_corpus and any(sign in name for sign in "*?[")
    beside = named_path(folder / path)
    return str(beside.absolute()) if looks_local or is_pattern or beside.exists() else name


def _check_rungs(recipe: Recipe, path: Path) -> None:
    """Check that names are unique, options are valid, and references name earlier rungs."""
    earlier: set[str] = set()
    for rung in recipe.rungs:
        if rung.name in earlier:
            raise UsageError(f"the recipe {path} has two rungs named '{rung.name}'")
        with _wrong(path, f"rung '{rung.name}'"):
            _ = rung.options
            for other in rung.referred:
                if other not in earlier:
                    raise UsageError(f"no earlier rung is named '{other}'{did_you_mean(other, earlier)}")
        earlier.add(rung.name)
    for transfer in recipe.transfer:
        if transfer.rung not in earlier:
            hint = did_you_mean(transfer.rung, earlier)
            raise UsageError(f"the recipe {path} is wrong in 'transfer': there is no rung '{transfer.rung}'{hint}")
