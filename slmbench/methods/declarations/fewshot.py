"""The methods of ``slmbench fewshot``: a pretrained model and few labelled examples, or none."""

from __future__ import annotations

from dataclasses import replace

from slmbench.common.errors import UsageError
from slmbench.methods.declarations.shared import (
    BATCH_SIZE,
    CLASS_WEIGHT,
    DEVICE,
    LEARNING_RATE,
    LONG_TEXTS,
    MAX_LENGTH,
    variations,
)
from slmbench.methods.method import Method
from slmbench.methods.options import MethodOptions, Option
from slmbench.methods.protocols import CLOZE_TEMPLATE, MAX_NEW_TOKENS, PROMPTS, STUDY_000
from slmbench.methods.words import Words, parse_words

_NEEDS = {"torch": "train"}
_PROTOCOLS = "Protocols of published studies"

_SHOTS = Option("shots", int, "Labelled examples per label, drawn by the seed", 0, min=0, flags=("--shots", "-k"))
_TEMPLATE = Option(
    "template", str, "Text around a review: cloze {text} and {mask}, prompt {text} and {labels}, nli {label}"
)
_WORDS = Option(
    "words",
    Words,
    "Words that stand for each label: positive=good,great;negative=bad (nli uses the first)",
    default_text="the labels' names",
    parse=parse_words,
)
_PROTOCOL = Option(
    "protocol",
    str,
    "Follow a study's protocol exactly; study-000 for cloze, study-003-… for prompt",
    default_text="none",
    panel=_PROTOCOLS,
)


def _check_template(template: str, *places: str) -> None:
    for place in places:
        if template.count(place) != 1:
            raise UsageError(f"--template {template!r} must contain {place} exactly once")


def _refuse(options: MethodOptions, *names: str) -> None:
    """Refuse options that a protocol fixes."""
    chosen = [option.flag for option in options.declared if option.name in names and option.name in options.given]
    if chosen:
        raise UsageError(f"--protocol {options.protocol} has its own rule: leave out {' and '.join(chosen)}")


def _cloze_rules(options: MethodOptions) -> None:
    _check_template(options.template, "{text}", "{mask}")
    if options.protocol:
        if options.shots:
            raise UsageError(
                f'--protocol {options.protocol} has no examples: its "shots" are --labelled-rows {options.shots}'
            )
        _refuse(options, "template", "words", "top_n")


def _cloze_variant(options: MethodOptions) -> list[str]:
    words = ["cloze", f"{options.shots}shot"]
    if options.protocol:
        words.append(options.protocol)
    elif options.top_n is not None:
        words.append(f"top{options.top_n}")
    if options.labelled_rows:
        words.append(f"{options.labelled_rows}rows")
    return [*words, "inheriting"] if options.inherit_from else words


CLOZE = Method(
    name="cloze",
    help="A masked language model fills in the word that names the label",
    stage="fewshot",
    factory="slmbench.methods.fewshot.cloze:Cloze",
    options=(
        _SHOTS,
        MAX_LENGTH.by_default(512),
        DEVICE,
        _TEMPLATE.by_default(CLOZE_TEMPLATE),
        _WORDS,
        Option(
            "top_n", int, "Give no label unless a word is among the N most likely tokens", default_text="off", min=1
        ),
        replace(_PROTOCOL, choices=(STUDY_000,)),
        Option(
            "labelled_rows",
            int,
            "study-000: test rows, from the first on, that get their true label as prediction; 12 in the study",
            0,
            min=0,
            panel=_PROTOCOLS,
            goes_with="protocol",
        ),
        Option(
            "inherit_from",
            str,
            "study-000: run on the same test rows whose predictions replace missing ones",
            panel=_PROTOCOLS,
            goes_with="protocol",
            names_run=True,
        ),
    ),
    needs=_NEEDS,
    card="used as published, answering by a cloze",
    rules=_cloze_rules,
    variant=_cloze_variant,
)


def _shots_variant(options: MethodOptions) -> list[str]:
    return [options.method, f"{options.shots}shot"]


def _probe_variant(options: MethodOptions) -> list[str]:
    return [*_shots_variant(options), *variations(options)]


_PROBE_OPTIONS = (replace(_SHOTS, default=8, min=1), MAX_LENGTH, LONG_TEXTS, DEVICE, CLASS_WEIGHT)
PROBE = Method(
    name="probe",
    help="Logistic regression on a frozen encoder's embeddings: the baseline of setfit",
    stage="fewshot",
    factory="slmbench.methods.fewshot.probe:LinearProbe",
    options=_PROBE_OPTIONS,
    needs=_NEEDS,
    card="a logistic regression on its frozen embeddings",
    variant=_probe_variant,
)
SETFIT = Method(
    name="setfit",
    help="Train the encoder on pairs of the examples, then a logistic regression on its embeddings",
    stage="fewshot",
    factory="slmbench.methods.fewshot.setfit:SetFit",
    options=(
        *_PROBE_OPTIONS,
        Option("epochs", int, "Passes over the pairs", 1, above=0),
        replace(BATCH_SIZE, help="Pairs per step, two reviews each"),
        LEARNING_RATE.by_default(2e-5),
        Option("pairs", int, "Maximum number of pairs", default_text="40 per example", min=2),
    ),
    needs={**_NEEDS, "setfit": "setfit"},
    card="fine-tuned by SetFit",
    variant=_probe_variant,
)


def _nli_rules(options: MethodOptions) -> None:
    if "{label}" not in options.template:
        raise UsageError(f"--template {options.template!r} must contain {{label}}")


NLI = Method(
    name="nli",
    help="An entailment model judges 'This review is positive.'; uses no examples",
    stage="fewshot",
    factory="slmbench.methods.fewshot.nli:Entailment",
    options=(MAX_LENGTH.by_default(512), DEVICE, _TEMPLATE.by_default("This review is {label}."), _WORDS),
    needs=_NEEDS,
    card="used as published, answering by entailment",
    rules=_nli_rules,
)

#: The prompt when none is given. It lists the labels, because a small model has no other way to know them; of ten
#: wordings this one ranked training reviews best (ROC AUC of SmolLM2-135M on IMDb and on Amazon product categories).
DEFAULT_PROMPT = "Classify each review as one of: {labels}.\n\nReview: {text}\nCategory:"


def answer_mode(options: MethodOptions) -> str:
    """Return how a prompted model answers: ``likelihood``, ``calibrated`` or ``generate``."""
    return str(options.answer_by or ("generate" if options.protocol else "likelihood"))


def _prompt_rules(options: MethodOptions) -> None:
    _check_template(options.template, "{text}")
    if options.protocol:
        _refuse(options, "template", "shots")


def _prompt_variant(options: MethodOptions) -> list[str]:
    words = [*_shots_variant(options), options.protocol, answer_mode(options), "chat" if options.chat else None]
    return [word for word in words if word]


PROMPT = Method(
    name="prompt",
    help="A language model is prompted with the review",
    stage="fewshot",
    factory="slmbench.methods.fewshot.prompt:PromptedModel",
    options=(
        _SHOTS,
        replace(MAX_LENGTH, help="Maximum review length in tokens; the rest of the prompt is added", default=512),
        DEVICE,
        _TEMPLATE.by_default(DEFAULT_PROMPT, "Classify each review as one of: {labels}. …"),
        _WORDS,
        replace(_PROTOCOL, choices=tuple(PROMPTS)),
        Option(
            "answer_by",
            str,
            "Likelihood of each label's words, calibrated likelihood, or generated text",
            default_text="likelihood; with --protocol generate",
            choices=("likelihood", "calibrated", "generate"),
        ),
        Option("max_new_tokens", int, "Maximum tokens of a generated answer", MAX_NEW_TOKENS, min=2),
        Option("chat", bool, "Wrap the prompt in the tokenizer's chat template", default=False),
    ),
    needs=_NEEDS,
    card="used as published, answering a prompt",
    rules=_prompt_rules,
    variant=_prompt_variant,
)

FEWSHOT: tuple[Method, ...] = (CLOZE, SETFIT, PROBE, NLI, PROMPT)
