"""The rungs of a recipe: a method with its options, or a cascade of two earlier rungs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from slmbench.cascade import CascadeOptions
from slmbench.common.errors import UsageError
from slmbench.common.shares import parse_share
from slmbench.common.suggestions import did_you_mean
from slmbench.methods.known_methods import METHODS, methods_with
from slmbench.methods.method import Method
from slmbench.methods.options import DEFAULT_SEED, MethodOptions


class RecipeTable(BaseModel):
    """A table of a recipe file; an unknown key is refused, with a suggestion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f"there is no key '{key}'{did_you_mean(key, cls.model_fields)}")
        return values


def _share(value: Any) -> Any:
    """Read a share that is written with its unit, such as ``"1%"``."""
    try:
        return parse_share(value) if isinstance(value, str) else value
    except UsageError as error:
        raise ValueError(str(error)) from None


#: A fraction, or a string such as ``"1%"``.
Share = Annotated[float, BeforeValidator(_share)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class MethodRung(RecipeTable):
    """One run: a method, the model that it starts from, and the method's options as further keys.

    Attributes:
        name: Name of the rung.
        model: Starter model, folder, run or hub name; the method's name when it takes no model.
        method: Name of the method.
        seed: Seed of everything random.
        seeds: Several runs, a rung each: the seeds, or how many from ``seed`` up.
        offline: Other values of keys, used where no model hub is reachable.
        ship: Whether it may be chosen: it is exported and profiled. A teacher that is too large for that is not.
        given: The options, by name.
    """

    name: Name
    model: str = ""
    method: str = "full"
    seed: int = DEFAULT_SEED
    seeds: int | tuple[int, ...] | None = None
    offline: dict[str, Any] = Field(default_factory=dict)
    ship: bool = True
    given: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: Any) -> Any:
        """Move all other keys into ``given``; :attr:`options` checks that they are options of the method."""
        if not isinstance(values, dict):
            return values
        own = {key: value for key, value in values.items() if key in cls.model_fields and key != "given"}
        method = own.get("method", cls.model_fields["method"].default)
        if method in METHODS and not METHODS[method].takes_model:
            own["model"] = method  # as in the record of its run
        return {**own, "given": {key: value for key, value in values.items() if key not in own}}

    def changed(self, **changes: Any) -> MethodRung:
        """Return the rung with other values of its keys or of the method's options."""
        return MethodRung.model_validate({**self.document(), **changes})

    def document(self) -> dict[str, Any]:
        """Return what its table in a file has."""
        return {**self.model_dump(exclude={"given"}, exclude_unset=True), **self.given}

    @property
    def declared(self) -> Method:
        """The method.

        Raises:
            UsageError: There is no such method.
        """
        return METHODS[self.method]

    @property
    def options(self) -> MethodOptions:
        """The method's options.

        Raises:
            UsageError: There is no such method or option, a value is out of range, or the method lacks a model.
        """
        method = self.declared
        known = {option.name for option in method.options if not option.keyboard_only}
        for key in self.given:
            if key not in known:
                if any(option.name == key for option in method.options):
                    raise UsageError(f"'{key}' is an option of the command line only")
                hint = did_you_mean(key, {*type(self).model_fields, *known} - {"given"})
                others = ", ".join(methods_with(key))
                where = f"; methods that have it: {others}" if others else hint
                raise UsageError(f"there is no key '{key}' with method '{method.name}'{where}")
        if not self.model:
            raise UsageError(f"method '{method.name}' needs a model")
        return method.choose(self.given, seed=self.seed)

    def references(self, as_named: Callable[[str], str] = str) -> dict[str, Any]:
        """Return the options that name earlier rungs.

        Args:
            as_named: What becomes of each name.
        """
        given = self.options.given
        return {
            option.name: tuple(map(as_named, given[option.name])) if option.repeated else as_named(given[option.name])
            for option in self.declared.options
            if option.names_run and option.name in given
        }

    @property
    def referred(self) -> list[str]:
        """The names of the earlier rungs that it builds on."""
        named = self.references().values()
        return [name for value in named for name in ([value] if isinstance(value, str) else value)]

    def per_seed(self) -> list[MethodRung]:
        """Return one rung per seed; the first keeps the name, so that others can refer to it.

        Raises:
            UsageError: There is no seed, or both a seed and a list of seeds.
        """
        if self.seeds is None:
            return [self]
        seeds = self.seeds
        if isinstance(seeds, int):
            seeds = tuple(range(self.seed, self.seed + seeds))
        elif "seed" in self.model_fields_set:
            raise UsageError("it has seed and a list of seeds, give one")
        if not seeds:
            raise UsageError("seeds must be a list of seeds, or a number of seeds of at least 1")
        names = [self.name, *(f"{self.name}-seed{seed}" for seed in seeds[1:])]
        return [self.changed(name=name, seed=seed, seeds=None) for name, seed in zip(names, seeds, strict=True)]


class CascadeRung(RecipeTable):
    """A small classifier that passes uncertain reviews on to a larger one; both are earlier rungs.

    The keys below ``large`` are the options of ``slmbench cascade``.
    """

    name: Name
    method: Literal["cascade"]
    small: Name
    large: Name
    threshold: float | None = None
    max_routed: Share | None = None
    small_form: str | None = None
    large_form: str | None = None
    validation_size: int = CascadeOptions.validation_size
    offline: dict[str, Any] = Field(default_factory=dict)

    @property
    def model(self) -> str:
        """Both members, shown in tables as the model."""
        return f"{self.small} > {self.large}"

    def references(self, as_named: Callable[[str], str] = str) -> dict[str, str]:
        """Return the keys that name an earlier rung; see :meth:`MethodRung.references`."""
        return {"small": as_named(self.small), "large": as_named(self.large)}

    @property
    def referred(self) -> list[str]:
        """The names of the earlier rungs that it builds on."""
        return [self.small, self.large]

    @property
    def options(self) -> CascadeOptions:
        """How to join the two.

        Raises:
            UsageError: A value is out of its range, or two contradict each other.
        """
        options = CascadeOptions(
            threshold=self.threshold,
            max_routed=self.max_routed,
            small_form=self.small_form,
            large_form=self.large_form,
            validation_size=self.validation_size,
        )
        options.check()
        return options

    def changed(self, **changes: Any) -> CascadeRung:
        """Return the rung with other values of its keys."""
        return CascadeRung.model_validate({**self.document(), **changes})

    def document(self) -> dict[str, Any]:
        """Return what its table in a file has."""
        return self.model_dump(exclude_unset=True)


Rung = MethodRung | CascadeRung
