"""Prompted language models: a prompt around each review, its label by likelihood or from what the model writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from slmbench.common.errors import UsageError
from slmbench.methods.fewshot.answering import FewshotOptions

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.fewshot.words import Words
    from slmbench.methods.runs import RunMethod

#: How a label comes out of a language model.
ANSWER_BY = ("likelihood", "calibrated", "generate")
#: The most tokens that study 003 let a model write, and enough for a label.
NEW_TOKENS = 20


@dataclass(frozen=True)
class PromptOptions(FewshotOptions):
    """Options of ``--method prompt``.

    ``max_length`` is that of the review: instructions and demonstrations come on top of it.

    Attributes:
        answer_by: ``likelihood`` of each label's words, ``calibrated`` likelihood, or ``generate``: what the model
            writes. ``None`` is likelihood, and with a protocol generate.
        template: A prompt with ``{text}`` and, where the labels shall be listed, ``{labels}``; what stands before
            the last empty line before ``{text}`` is said once, the rest for every demonstration.
        words: What the model may say for each label; its name when not given. The prompt names the first of them.
        protocol: One of :data:`slmbench.methods.fewshot.study_003.PROTOCOLS`.
        max_new_tokens: Most tokens of a generated answer.
        chat: Wrap the prompt in the tokenizer's chat template.
    """

    method: ClassVar[str] = "prompt"

    answer_by: str | None = None
    template: str | None = None
    words: Words | None = None
    protocol: str | None = None
    max_new_tokens: int = NEW_TOKENS
    chat: bool = False

    @property
    def how(self) -> str:
        """Which of :data:`ANSWER_BY` it is, the default filled in."""
        return self.answer_by or ("generate" if self.protocol else "likelihood")

    def variant(self) -> list[str]:
        """Add the protocol and the way of answering."""
        asked = [self.protocol] if self.protocol else []
        return [*super().variant(), *asked, self.how, *(["chat"] if self.chat else [])]

    def check(self) -> None:
        """Check what can be checked without a model.

        Raises:
            UsageError: A value is out of its range, or two options contradict each other.
        """
        from slmbench.methods.fewshot.prompting.frames import split_template
        from slmbench.methods.fewshot.study_003 import protocol_named

        super().check()
        if self.how not in ANSWER_BY:
            raise UsageError(f"--answer-by {self.answer_by}: choose among {', '.join(ANSWER_BY)}")
        if self.max_new_tokens < 2:
            raise UsageError(f"an answer needs at least 2 new tokens, not {self.max_new_tokens}")
        if self.template is not None:
            split_template(self.template)
        if self.protocol is not None:
            protocol_named(self.protocol)
            if self.template is not None:
                raise UsageError("--protocol brings its own prompt: leave --template out")
            if self.shots:
                raise UsageError("--protocol brings its own demonstration: leave --shots out")

    def making(self, model: str, corpus: Corpus, progress: Progress) -> RunMethod:
        """Return the method with every choice settled.

        Raises:
            SlmbenchError: The model cannot be had, or an option does not fit it.
        """
        from slmbench.methods.fewshot.prompting.asking import PromptAnswering

        return PromptAnswering(model, corpus, self, progress)
