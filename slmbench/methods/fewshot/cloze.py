"""Cloze: a masked language model fills in the word that says a review's label. Nothing is trained.

The idea is that of pattern and verbaliser (Schick and Schütze 2021, "Exploiting Cloze Questions for Few Shot Text
Classification and Natural Language Inference"), without their training; study 000's variant of it is a protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from slmbench.common.errors import UsageError
from slmbench.methods.fewshot import study_000
from slmbench.methods.fewshot.answering import FewshotOptions
from slmbench.methods.fewshot.cloze_prompts import Template

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.fewshot.cloze_answering import ClozeAnswering
    from slmbench.methods.fewshot.words import Words


@dataclass(frozen=True)
class ClozeOptions(FewshotOptions):
    """What can be chosen about a cloze.

    Attributes:
        shots: Demonstrations per label, drawn from the training rows and put before each review: the template
            filled in with the label's first word. With the protocol ``study-000`` it is how many rows at the
            start of the test rows get their true label as prediction, 12 in the study; no prompt changes.
        max_length: Longest prompt in tokens, 512 when ``None``; never more than the model has positions for.
        template: Holds ``{text}`` and ``{mask}``, once each; never shortened.
        words: Words of each label, each a single token; ``None`` takes the labels' own names.
        top_n: Give no label where none of the words is among so many likeliest tokens; ``None`` always decides.
        protocol: ``study-000`` takes that study's rule instead: *positive* among the 30 likeliest tokens means
            positive, else *negative* among them means negative, else no label.
        inherit_from: Folder of a run on the same test rows whose predictions the undecided rows take over, as in
            the study, where a variable was not reset; goes with the protocol.
    """

    method: ClassVar[str] = "cloze"

    template: str = study_000.TEMPLATE
    words: Words | None = None
    top_n: int | None = None
    protocol: str | None = None
    inherit_from: str | None = None

    def check(self) -> None:
        """Check what can be checked without a model.

        Raises:
            UsageError: A value is out of its range, or options contradict each other.
        """
        super().check()
        Template(self.template).check()
        if self.top_n is not None and self.top_n < 1:
            raise UsageError(f"--top-n must be at least 1, not {self.top_n}")
        if self.protocol not in (None, study_000.PROTOCOL):
            raise UsageError(f"--protocol {self.protocol}: there is only '{study_000.PROTOCOL}'")
        if self.protocol is None and self.inherit_from is not None:
            raise UsageError(f"--inherit-from goes with --protocol {study_000.PROTOCOL}")
        if self.protocol is not None:
            changed = {
                "--template": self.template != study_000.TEMPLATE,
                "--words": self.words is not None,
                "--top-n": self.top_n is not None,
            }
            if chosen := [option for option, is_changed in changed.items() if is_changed]:
                raise UsageError(f"--protocol {self.protocol} has its own rule: leave out {' and '.join(chosen)}")

    def variant(self) -> list[str]:
        """Add the rule of decision."""
        rule = self.protocol or (f"top{self.top_n}" if self.top_n is not None else None)
        return [*super().variant(), *([rule] if rule else []), *(["inheriting"] if self.inherit_from else [])]

    def making(self, model: str, corpus: Corpus, progress: Progress) -> ClozeAnswering:
        """Return the method with every choice settled; see :mod:`slmbench.methods.fewshot.cloze_answering`."""
        from slmbench.methods.fewshot.cloze_answering import ClozeAnswering

        return ClozeAnswering(model, corpus, self, progress)
