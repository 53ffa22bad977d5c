"""Options that several methods have; each method gives them its own defaults."""

from __future__ import annotations

from typing import Literal

from slmbench.common.errors import UsageError
from slmbench.methods.options import MethodOptions, Option

#: Shortest input one may ask for, in tokens: fewer leave no room for words between the special tokens.
MIN_TOKENS = 4

Size = int | Literal["all"]


def parse_size(text: str) -> Size:
    """Return a number of reviews, or ``"all"``.

    Raises:
        UsageError: It is neither a number above 0 nor the word.
    """
    if text != "all" and (not text.isdecimal() or int(text) == 0):
        raise UsageError(f"{text}: give a number above 0, or all")
    return "all" if text == "all" else int(text)


def parse_label_map(text: str) -> dict[str, str]:
    """Read ``spam=negative,ham=positive``.

    Raises:
        UsageError: It is not pairs of labels, or a label has two meanings.
    """
    labels: dict[str, str] = {}
    for pair in text.split(","):
        own, _, meant = (part.strip() for part in pair.rpartition("="))
        if not own or not meant or own in labels:
            raise UsageError(f"{text}: write LABEL=LABEL once for each label, separated by commas")
        labels[own] = meant
    return labels


MAX_LENGTH = Option("max_length", int, "Maximum input length in tokens", 256, min=MIN_TOKENS)
TRUNCATION_SIDE = Option(
    "truncation_side", str, "End of a longer review that is cut off", "right", choices=("right", "left")
)
LONG_TEXTS = Option(
    "long_texts",
    str,
    "What is read of a longer review: its head, a quarter from its head and the rest from its tail, or all of it in"
    " windows whose logits are averaged",
    "head",
    choices=("head", "head-tail", "windows"),
    keyed_by_default=False,
)
PRECISION = Option(
    "precision",
    str,
    "Arithmetic; auto is bf16 autocast where the processor is fast at it",
    "auto",
    choices=("auto", "fp32", "bf16"),
)
DEVICE = Option("device", str, "auto, cpu, cuda or mps", "auto")
ALLOW_PICKLE = Option(
    "allow_pickle", bool, "Load *.bin weights, which can run code", default=False, keyboard_only=True
)
EPOCHS = Option("epochs", float, "Passes over the training reviews", above=0)
LEARNING_RATE = Option("learning_rate", float, "Peak learning rate", above=0, flags=("--lr", "--learning-rate"))
BATCH_SIZE = Option("batch_size", int, "Reviews per step", 16, min=1)
CLASS_WEIGHT = Option(
    "class_weight",
    str,
    "Weight of each class in the loss; balanced gives rare and common classes the same total",
    "none",
    choices=("none", "balanced"),
    keyed_by_default=False,
)
WEIGHT_DECAY = Option("weight_decay", float, "Weight decay of the optimizer", 0.01, min=0)


def check_long_texts(options: MethodOptions) -> None:
    """Check that what is read of long reviews is said once.

    Raises:
        UsageError: It is said twice, or the pooling of study 002 is asked for.
    """
    if options.long_texts == LONG_TEXTS.default:
        return
    flag = f"{LONG_TEXTS.flag} {options.long_texts}"
    if options.given.get("truncation_side") == "left":
        raise UsageError(f"{flag} and {TRUNCATION_SIDE.flag} left contradict each other: leave one out")
    if options.given.get("space_pooling") == "padded":
        raise UsageError(f"{flag}: padded means are for reviews cut at their end: leave one out")


def variations(options: MethodOptions) -> list[str]:
    """Return what a folder's name says of the weights of classes and of long texts, where they are not the usual."""
    own = {option.name for option in options.declared}
    later = [option for option in (CLASS_WEIGHT, LONG_TEXTS) if option.name in own]
    return [value for option in later if (value := getattr(options, option.name)) != option.default]
