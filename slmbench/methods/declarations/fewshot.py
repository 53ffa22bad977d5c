"""The few-shot methods: a pretrained model and few labelled examples, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slmbench.methods.method import Method

FEWSHOT: tuple[Method, ...] = ()
