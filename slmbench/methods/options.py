"""Options of methods: declared once; the command line, recipes, checks, records and docs are derived from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from slmbench.common.errors import UsageError
from slmbench.common.suggestions import did_you_mean

#: Seed of a run when none is given; folder names do not mention it.
DEFAULT_SEED = 42


@dataclass(frozen=True)
class ByModel:
    """A default that depends on the pretrained model.

    Attributes:
        text: What help and docs say about it: ``3e-5 at width 768``.
        of: Returns the value, given the architecture (``model_type`` of ``config.json``) and the hidden size.
    """

    text: str
    of: Callable[[str, int], Any]


@dataclass(frozen=True)
class Option:
    """One option of a method.

    Attributes:
        name: The key in recipes and records, and in Python; the flag is the same with dashes unless ``flags`` is
            given.
        type: Its Python type: ``int``, ``float``, ``bool``, ``str``, ``tuple[str, ...]`` and what pydantic knows
            beyond them.
        help: What it is, in one line.
        default: Its value when it is not chosen, or a :class:`ByModel`.
        default_text: What help shows as the default when the value explains nothing: ``all`` for ``None``.
        choices: The values there are, where there are few.
        min: Smallest value.
        max: Largest value.
        above: Every value is larger than this.
        below: Every value is smaller than this.
        flags: Its spellings on the command line, the preferred one first.
        goes_with: Name of the option that this one depends on.
        parse: Reads a value written as text, where the command line cannot read ``type``; raises ``UsageError``.
        panel: Heading in ``--help`` and docs; that of the method, or of common options, when not given.
        keyboard_only: Whether it exists on the command line only: it is no recipe key and not recorded.
        recorded: Whether it is a hyper-parameter in the run's record and part of the run's key.
        names_run: Whether the value is the folder of a run; in a recipe it is the name of an earlier rung.
        repeated: Whether it may be given several times; the value is a tuple, in a recipe a list.
        keyed_by_default: Whether its default is recorded; not of an option that came after others, so that the keys
            of runs made before it stay what they are.
    """

    name: str
    type: Any
    help: str
    default: Any = None
    default_text: str | None = None
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None
    flags: tuple[str, ...] = ()
    goes_with: str | None = None
    parse: Callable[[str], Any] | None = None
    panel: str | None = None
    keyboard_only: bool = False
    recorded: bool = True
    names_run: bool = False
    repeated: bool = False
    keyed_by_default: bool = True

    @property
    def flag(self) -> str:
        """The preferred spelling on the command line."""
        return self.flags[0] if self.flags else f"--{self.name.replace('_', '-')}"

    @property
    def shown_default(self) -> str:
        """The default as help and docs show it."""
        if self.default_text is not None:
            return self.default_text
        if isinstance(self.default, ByModel):
            return self.default.text
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        if isinstance(self.default, tuple):
            return ",".join(self.default)
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return "none" if self.default is None else str(self.default)

    def by_default(self, default: Any, text: str | None = None) -> Option:
        """Return the same option with another default, for a method of its own."""
        return replace(self, default=default, default_text=text)

    def checked(self, value: Any) -> Any:
        """Return a value as the option's type.

        Raises:
            UsageError: It has another type, is out of range, or is none of the choices.
        """
        from pydantic import TypeAdapter, ValidationError

        if self.repeated and isinstance(value, str):
            value = (value,)
        if self.parse is not None and isinstance(value, str):
            try:
                value = self.parse(value)
            except UsageError as error:
                raise UsageError(f"{self.flag} {error}") from None
        try:
            value = TypeAdapter(self.type).validate_python(value)
        except ValidationError as error:
            raise UsageError(f"{self.flag} {value!r}: {error.errors()[0]['msg'].lower()}") from None
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            raise UsageError(f"{self.flag} {value}: choose one of {', '.join(self.choices)}{hint}")
        wrong = [
            isinstance(value, float) and not isfinite(value),
            self.min is not None and not value >= self.min,
            self.max is not None and not value <= self.max,
            self.above is not None and not value > self.above,
            self.below is not None and not value < self.below,
        ]
        if any(wrong):
            raise UsageError(f"{self.flag} must be {self.range or 'a finite number'}, not {value}")
        return value

    @property
    def range(self) -> str:
        """The range as a phrase; empty when every value of the type is allowed."""
        ends = {"at least": self.min, "above": self.above, "at most": self.max, "below": self.below}
        return " and ".join(f"{word} {end:g}" for word, end in ends.items() if end is not None)


@dataclass(frozen=True)
class MethodOptions:
    """What was chosen about a run, checked; every option of the method is an attribute.

    An option that was not chosen has its default; one that depends on the model is ``None`` until :meth:`for_model`
    fills it in.

    Attributes:
        method: Name of the method.
        declared: Its options.
        given: Values by name, of those chosen.
        seed: Seed of everything random.
    """

    method: str
    declared: tuple[Option, ...]
    given: Mapping[str, Any] = field(default_factory=dict)
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: The method has no such option, a value is out of range, or an option is given without the one
                that it goes with.
        """
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be at least 0 and below 2^32, not {self.seed}")
        known = {option.name: option for option in self.declared}
        checked = {}
        for name, value in self.given.items():
            if value is None or value == []:  # the command line's list of an option that was not given
                continue
            if name not in known:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{flag} is no option of method '{self.method}'{did_you_mean(name, known)}")
            checked[name] = known[name].checked(value)
        for name in checked:
            other = known[name].goes_with
            if other is not None and checked.get(other) is None:
                raise UsageError(f"{known[name].flag} goes with {known[other].flag}")
        object.__setattr__(self, "given", checked)

    def __getattr__(self, name: str) -> Any:
        """Return the value of an option."""
        state = self.__dict__
        for option in state.get("declared", ()):
            if option.name == name:
                default = None if isinstance(option.default, ByModel) or not self._applies(option) else option.default
                return state["given"].get(name, default)
        raise AttributeError(f"method '{state.get('method')}' has no option '{name}'")

    def replace(self, **changes: Any) -> MethodOptions:
        """Return the same options with other values.

        Args:
            **changes: Values by name; ``None`` means the default.
        """
        seed = changes.pop("seed", self.seed)
        return MethodOptions(self.method, self.declared, {**self.given, **changes}, seed)

    def for_model(self, architecture: str, hidden_size: int) -> MethodOptions:
        """Return the options with every default filled in.

        Args:
            architecture: ``model_type`` of the model's configuration.
            hidden_size: Its width.

        Raises:
            UsageError: There is no default for this model.
        """
        filled = {}
        for option in self.declared:
            if option.name not in self.given and self._applies(option):
                default = option.default
                filled[option.name] = (
                    default.of(architecture, hidden_size) if isinstance(default, ByModel) else default
                )
        return self.replace(**filled)

    def hyperparameters(self) -> dict[str, Any]:
        """Return what belongs in the run's record: all that is recorded, defaults included, but for the seed."""
        return {
            option.name: getattr(self, option.name)
            for option in self.declared
            if option.recorded and not option.keyboard_only and self._applies(option)
            if option.keyed_by_default or getattr(self, option.name) != option.default
        }

    def _applies(self, option: Option) -> bool:
        """Return whether the option that another one goes with was chosen."""
        return option.goes_with is None or self.given.get(option.goes_with) is not None
