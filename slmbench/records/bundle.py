"""The record of an exported bundle: its forms, how each was checked, and what profiling needs to know."""

from __future__ import annotations

from typing import Any, Literal

from slmbench.records.base import Part, Record
from slmbench.records.cascade import CascadeFacts
from slmbench.records.predictions import Evaluated
from slmbench.records.run import CorpusIdentity
from slmbench.statistics import PairedDifference


class Parity(Part):
    """How a form's outputs differ from the reference on the same reviews."""

    against: str
    reviews: int
    label_flips: int
    max_abs_logit_diff: float


class FormRecord(Evaluated):
    """One form of the classifier: a file, its predictions on the test rows, and the verdict on it."""

    file: str
    bytes: int
    sha256: str
    parity: Parity
    accepted: bool
    reason: str
    #: How predictions were made: accuracy of dynamic int8 depends on batch and padding.
    regime: str
    isa: str | None = None
    difference_to_fp32: PairedDifference | None = None


class WorkloadLengths(Part):
    """Lengths of the test reviews, so that a device without the corpus measures with the right lengths."""

    test_hash: str
    tokens: list[int]


class BundleRecord(Record):
    """A deployable folder: Hugging Face files plus ``bundle.json``, which this is."""

    kind = "bundle"

    path: str
    model: str
    method: str
    run: str
    run_key: str | None
    runtime: Literal["onnx", "tfidf", "cascade"]
    architecture: str
    labels: list[str]
    max_length: int | None
    total_parameters: int
    parameters_without_embeddings: int
    base_license: str | None
    corpus: CorpusIdentity
    lengths: WorkloadLengths
    forms: dict[str, FormRecord]
    #: Bytes that every form needs beside its own file: tokenizer, configuration.
    shared_bytes: int
    #: Of a cascade, whose one form is ``cascade.json`` and whose shared bytes are both members.
    cascade: CascadeFacts | None = None
    hardware: dict[str, Any]
    software: dict[str, str]

    @property
    def needs_onnxruntime(self) -> bool:
        """Whether onnxruntime runs any of it; the rest is numpy."""
        runtimes = (self.cascade.small.runtime, self.cascade.large.runtime) if self.cascade else (self.runtime,)
        return "onnx" in runtimes
