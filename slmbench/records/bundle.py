"""The record of an exported bundle: its forms, how each was checked, and what profiling needs to know."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from slmbench.edge.runtime import are_labels, is_file_name
from slmbench.records.ancestors import Ancestor
from slmbench.records.base import Part, Record
from slmbench.records.cascade import CascadeFacts
from slmbench.records.documents import FileName, is_reading
from slmbench.records.predictions import Evaluated
from slmbench.records.roofline import Operations
from slmbench.records.run import CorpusIdentity, SeedIdentity, Truncation
from slmbench.records.sealed_answers import SealedAnswers
from slmbench.statistics import PairedDifference
from slmbench.statistics.verdicts import GateResult


class Parity(Part):
    """How a form's outputs differ from the reference on the same reviews."""

    against: str
    reviews: int
    #: Reviews with another label, those without an answer included.
    label_flips: int
    #: Over the reviews with an answer; ``None`` where there is none.
    max_abs_logit_diff: float | None
    #: Reviews whose logits are NaN or infinite, which is no answer.
    not_finite: int = 0


class Flip(Part):
    """A test review for which a form predicts another label than the reference."""

    row_id: str
    truth: str
    reference: str
    label: str
    #: Probabilities of the predicted labels.
    reference_score: float
    score: float
    #: The beginning of the review.
    text: str


class BatchInvariance(Part):
    """What happens to a form's answers when reviews are run in padded batches instead of one at a time."""

    batch_tokens: int
    reviews: int
    label_flips: int
    max_abs_logit_diff: float | None
    #: Test reviews at most; fewer sufficed where the result was certain before (``slmbench.statistics.sequential``).
    #: ``None`` in older bundles, which ran all of them.
    planned: int | None = None
    #: Whether batches are shown to cost less accuracy than counts between forms; ``None`` in older bundles.
    result: GateResult | None = None
    #: In batches, on these reviews.
    accuracy: float
    difference: PairedDifference


GainVerdict = Literal["faster", "smaller", "faster_and_smaller", "none"]


class Gain(Part):
    """Whether a form has an advantage over fp32 on the machine that exported it.

    Times are of single reviews, the two forms alternating; a ``speedup`` above 1 is faster than fp32.
    """

    reviews: int
    fp32_ms: list[float]
    form_ms: list[float]
    speedup: float
    speedup_ci95: tuple[float, float]
    #: Bytes of the form over those of fp32.
    size_ratio: float
    #: Older bundles have spaces in it.
    verdict: Annotated[GainVerdict, BeforeValidator(lambda word: word.replace(" ", "_"))]
    sentence: str


class GraphFacts(Part):
    """What is in an ONNX file: which fusions happened, what is quantized, what stays in float."""

    opset: int
    nodes: int
    #: Number of nodes by operator, the most frequent first; contributed operators are fusions.
    operators: dict[str, int]
    fused: dict[str, int]
    #: Fusions that onnxruntime has and that did not happen.
    missing_fusions: list[str]
    quantized_products: int
    float_products: int
    #: Matrix products of one review; ``None`` where they cannot be counted (``uncounted`` says why), and in older
    #: bundles.
    operations: Operations | None = None
    uncounted: str | None = None


class SearchStep(Part):
    """One step of the sensitivity search: the number of products kept in float, and the agreement with fp32."""

    kept: int
    agreement: float
    bytes: int


class SensitivitySearch(Part):
    """Which matrix products cost a form its accuracy, found on training reviews; see ``slmbench.export.sensitivity``.

    ``divergence`` is the mean Kullback-Leibler divergence of fp32's probabilities from those of a model in which
    only this product is quantized, in nats, most harmful first.
    """

    reviews: int
    divergence: dict[str, float]
    steps: list[SearchStep]
    kept: list[str]
    #: Share of the same reviews to which the form gave fp32's label before products were kept in float; ``None`` in
    #: older bundles, which searched for what lost accuracy on the test reviews.
    agreement_before: float | None = None


#: What the test reviews show of a form; see ``slmbench.export.guard``.
FormVerdict = Literal["accepted", "refused", "undecided"]


#: What is limited; ``recall`` of each label.
LossQuantity = Literal["accuracy", "recall", "macro_f1"]


class LossCheck(Part):
    """What a form loses of one quantity against fp32 on the test reviews, and whether that is allowed."""

    quantity: LossQuantity
    #: Whose recall it is.
    label: str | None = None
    #: Test reviews that it is measured on.
    reviews: int
    #: The form's quantity minus that of fp32, as a fraction, and its one-sided 95 % bounds.
    difference: float
    low: float
    high: float
    #: Largest loss allowed.
    limit: float
    result: GateResult
    #: Test reviews that would settle an inconclusive one in four of five cases.
    reviews_to_settle: int | None = None


class FormRecord(Evaluated):
    """One form of the classifier: a file, its predictions on the test rows, and whether it is accepted."""

    file: FileName
    bytes: int
    sha256: str
    parity: Parity
    #: Whether it may be shipped: an undecided one only where that was asked for.
    accepted: bool
    reason: str
    #: Older bundles were accepted by the estimate alone, without bounds.
    verdict: FormVerdict
    #: The losses that were judged; none of fp32 and in older bundles.
    checks: list[LossCheck] = Field(default_factory=list)
    #: Test reviews that would settle an undecided form in four of five cases.
    reviews_to_settle: int | None = None
    #: How predictions were made: accuracy of dynamic int8 depends on batch and padding.
    regime: str
    isa: str | None = None
    difference_to_fp32: PairedDifference | None = None
    #: The first reviews whose label changed; ``parity.label_flips`` counts all.
    flips: list[Flip] = Field(default_factory=list)
    batching: BatchInvariance | None = None
    gain: Gain | None = None
    graph: GraphFacts | None = None
    search: SensitivitySearch | None = None
    #: How it was made: preset, calibration, block size.
    settings: dict[str, Any] = Field(default_factory=dict)
    #: Known of accepted forms, where the corpus has confirmation rows; ``None`` in older bundles.
    confirmation: SealedAnswers | None = None

    @model_validator(mode="before")
    @classmethod
    def _decided_without_bounds(cls, fields: Any) -> Any:
        """Fill in the verdict of older bundles."""
        if isinstance(fields, dict) and "verdict" not in fields and "accepted" in fields:
            return {**fields, "verdict": "accepted" if fields["accepted"] else "refused"}
        return fields


class DifferingText(Part):
    """A text for which the file with the tokenizer inside gives other token ids or logits than the bundle."""

    name: str
    what: str


class TokenizerInside(Part):
    """The file with the tokenizer inside, or why it was not written.

    Attributes:
        file: The file below the bundle's folder; ``None``, as its size and hash, when it was refused.
        made_from: File of the form that it contains.
        texts: Fixed texts compared: token ids and logits.
        reviews: Test reviews compared: token ids.
        differing: Fixed texts that differ, and the first of the test reviews that do.
        differing_reviews: How many test reviews have other token ids.
        max_abs_logit_diff: Over the fixed texts.
        accepted: Whether it was written.
        reason: Why, in a sentence.
    """

    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    made_from: str
    texts: int = 0
    reviews: int = 0
    differing: list[DifferingText] = Field(default_factory=list)
    differing_reviews: int = 0
    max_abs_logit_diff: float | None = None
    accepted: bool
    reason: str


class ManifestFile(Part):
    """A file of the bundle as it was written."""

    bytes: int
    sha256: str


class ManifestText(Part):
    """A fixed text and its token ids after truncation as trained; ``None`` where there are no token ids."""

    name: str
    text: str
    ids: list[int] | None


class Manifest(Part):
    """A bundle's answers on the machine that exported it, so that any other machine can be compared with it.

    ``files`` are all files but ``bundle.json``, by path below the bundle's folder; ``logits`` are by form, one row a
    text, each text run alone.
    """

    files: dict[str, ManifestFile]
    tokenizer_sha256: str | None
    texts: list[ManifestText]
    logits: dict[str, list[list[float]]]

    @model_validator(mode="after")
    def _one_row_a_text(self, info: ValidationInfo) -> Self:
        if is_reading(info):
            for form, rows in self.logits.items():
                if len(rows) != len(self.texts) or len(set(map(len, rows))) > 1:
                    raise ValueError(f"logits.{form[:100]}: they are not one row of labels for each text")
        return self


class WorkloadLengths(Part):
    """Lengths of the test reviews in tokens, with which a device without the corpus is measured."""

    test_hash: str
    tokens: list[int]

    @field_validator("tokens")
    @classmethod
    def _some(cls, tokens: list[int], info: ValidationInfo) -> list[int]:
        if is_reading(info) and not (tokens and min(tokens) >= 0 and max(tokens) <= MAX_TOKENS):
            raise ValueError(f"there are none, or of more than {MAX_TOKENS:,} tokens")
        return tokens


#: Longest review whose length is believed.
MAX_TOKENS = 1_000_000


#: Files that transformers.js looks for, by its ``dtype`` (its ``DEFAULT_DTYPE_SUFFIX_MAPPING``).
TRANSFORMERS_JS_FILES = {
    "onnx/model.onnx": "fp32",
    "onnx/model_fp16.onnx": "fp16",
    "onnx/model_quantized.onnx": "q8",
    "onnx/model_int8.onnx": "int8",
    "onnx/model_q4.onnx": "q4",
}


class BundleRecord(Record):
    """A deployable folder: Hugging Face files plus ``bundle.json``, which this is."""

    kind = "bundle"
    made_by = "slmbench export"
    file: ClassVar[str] = "bundle.json"
    rows_in = "forms"
    shown = "form bytes accuracy parity.label_flips gain.speedup accepted reason"

    path: str
    model: str
    method: str
    run: str
    run_key: str | None
    runtime: Literal["onnx", "tfidf", "static", "cascade"]
    architecture: str
    labels: list[str]
    max_length: int | None
    #: What is read of longer reviews; ``head`` in older bundles.
    long_texts: str = "head"
    total_parameters: int
    parameters_without_embeddings: int
    base_license: str | None
    corpus: CorpusIdentity
    #: Which seed of the runs that differ only in that; ``None`` of cascades and in older records.
    trained_as: SeedIdentity | None = None
    #: Reviews that shaped it; ``None`` in records from before they were kept.
    ancestors: list[Ancestor] | None = None
    #: How much of the test reviews it does not read; ``None`` where nothing is cut by tokens, and in older records.
    truncation: Truncation | None = None
    lengths: WorkloadLengths
    forms: dict[str, FormRecord]
    #: Bytes that every form needs besides its own file: tokenizer, configuration.
    shared_bytes: int
    #: Set for a cascade, whose one form is ``cascade.json`` and whose shared bytes are both members.
    cascade: CascadeFacts | None = None
    hardware: dict[str, Any]
    software: dict[str, str]
    #: The file with the tokenizer inside, if requested.
    with_tokenizer: TokenizerInside | None = None
    manifest: Manifest
    #: SHA-256 of every byte before it in the file (``slmbench.edge.runtime.sealed``).
    seal: str | None = None

    @model_validator(mode="after")
    def _belongs_together(self, info: ValidationInfo) -> Self:
        """Check a record of a file: what it names lies in the bundle, and its parts are about the same labels."""
        if not is_reading(info):
            return self
        if not self.forms or not all(is_file_name(form) and "/" not in form for form in self.forms):
            raise ValueError("forms: there are none, or one is not named like a file")
        if bad := next((name for name in self.manifest.files if not is_file_name(name)), None):
            raise ValueError(f"manifest.files: {bad!r:.100} is not the name of a file below the folder")
        if not are_labels(self.labels):
            raise ValueError(f"labels: {self.labels!r:.100} are not two or more different names")
        for name, form in self.forms.items():
            if sorted(form.predictions.labels) != sorted(self.labels):
                raise ValueError(f"forms.{name}.predictions.labels: they are not those of the bundle")
            rows = self.manifest.logits.get(name, [])
            if rows and len(rows[0]) != len(self.labels):
                raise ValueError(f"manifest.logits.{name}: they are not one for each label")
        machine = self.hardware.get("machine")
        if not isinstance(machine, str) or not machine:
            raise ValueError(f"hardware.machine: it is missing, or no text: {machine!r:.100}")
        return self

    @property
    def needs_onnxruntime(self) -> bool:
        """Whether onnxruntime runs any of it; the rest is numpy."""
        runtimes = (self.cascade.small.runtime, self.cascade.large.runtime) if self.cascade else (self.runtime,)
        return "onnx" in runtimes

    def runs_in(self, form: str) -> list[str]:
        """Return which runtimes run a form: ``slmbench.edge`` always, ``onnxruntime``, ``transformers.js``.

        TF-IDF, static models and cascades are no ONNX files. transformers.js finds files by name, has no XLNet, and
        reads the head of a long text only. An app with onnxruntime alone turns texts into tokens itself.
        """
        if self.runtime != "onnx":
            return ["slmbench.edge"]
        found = self.forms[form].file in TRANSFORMERS_JS_FILES
        found = found and self.architecture != "xlnet" and self.long_texts == "head"
        return ["slmbench.edge", "onnxruntime", *(["transformers.js"] if found else [])]
