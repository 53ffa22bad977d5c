"""What a method declares about itself; everything that lists, checks, documents or runs methods reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, get_args

from slmbench.common.errors import require_extra
from slmbench.methods.options import DEFAULT_SEED, MethodOptions, Option

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.outcome import RunMethod

#: The commands that make runs.
Stage = Literal["finetune", "fewshot"]
STAGES: tuple[Stage, ...] = get_args(Stage)
#: Names that no option may have: parameters of every command, and keys of every rung of a recipe.
RESERVED = {"name", "model", "method", "seed", "seeds", "offline", "given", "options", "corpus", "output", "command"}


@dataclass(frozen=True)
class Method:
    """One way to a classifier.

    Code is named, ``"package.module:name"``, and imported when it is needed, so that a declaration costs no import of
    a training library.

    Attributes:
        name: What commands, recipes and records call it.
        help: What it does, in one line.
        stage: The command that runs it: ``finetune``, or ``fewshot`` for few labelled examples or none.
        factory: Called with the model's name, the corpus, the options and a progress; returns the
            :class:`~slmbench.methods.runs.RunMethod`.
        options: What can be chosen about it.
        needs: Modules that have to be installed, each with the extra of slmbench that brings it.
        picks_epoch: Whether validation rows only pick an epoch; if not, they are learned from like training rows.
        takes_model: Whether it starts from a pretrained model.
        card: How the classifier was made, for the model card, in a phrase; "fine-tuned by" the method when not given.
        rules: Checks what one option alone cannot say; called with the options, raises ``UsageError``.
        variant: Returns the words between model and corpus in folder names, called with the options; the method's
            name when not given.
    """

    name: str
    help: str
    stage: Stage
    factory: str | Callable[..., RunMethod]
    options: tuple[Option, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    picks_epoch: bool = False
    takes_model: bool = True
    card: str = ""
    rules: str | Callable[[MethodOptions], None] | None = None
    variant: str | Callable[[MethodOptions], list[str]] | None = None

    def __post_init__(self) -> None:
        """Check the names of the options and fill in the phrase for the model card.

        Raises:
            ValueError: Two options have one name, or one has a name that commands and recipes use for something else.
        """
        names = [option.name for option in self.options]
        taken = [name for name in names if name in RESERVED or names.count(name) > 1]
        if taken:
            raise ValueError(f"method '{self.name}' cannot have an option '{taken[0]}': the name is taken")
        object.__setattr__(self, "card", self.card or f"fine-tuned by `{self.name}`")

    def choose(self, given: Mapping[str, Any], *, seed: int = DEFAULT_SEED) -> MethodOptions:
        """Return options of this method.

        Args:
            given: Values by name; ``None`` means that nothing was chosen.
            seed: Seed of everything random.

        Raises:
            UsageError: There is no such option, a value is out of range, or options contradict each other.
        """
        options = MethodOptions(self.name, self.options, given, seed)
        if self.rules is not None:
            _code(self.rules)(options)
        return options

    def folder_words(self, options: MethodOptions) -> list[str]:
        """Return the words between model and corpus in the default name of a run's folder."""
        if self.variant is not None:
            return list(_code(self.variant)(options))
        return [self.name] if self.takes_model else []

    def prepare(self, model: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> RunMethod:
        """Return the method with every choice settled.

        Raises:
            SlmbenchError: A module is missing, the model cannot be had, or an option does not fit it.
        """
        for module, extra in self.needs.items():
            require_extra(module, extra, f"method {self.name}")
        return _code(self.factory)(model, corpus, options, progress)


def _code(named: str | Callable[..., Any]) -> Callable[..., Any]:
    return resolve_name(named) if isinstance(named, str) else named
