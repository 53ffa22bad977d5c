"""Builders of realistic records, so that a test names only what it is about.

Predictions of different models are made on the same reviews with a shared difficulty: like real models, they
err on the same reviews. ``accuracy`` is met exactly (to one review) and everything is deterministic.
"""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from slmbench.records import (
    BundleRecord,
    ColdStart,
    Conditions,
    CorpusIdentity,
    Energy,
    EpochLog,
    FormRecord,
    Latency,
    LengthQuantiles,
    Memory,
    Parity,
    Predictions,
    ProfileRecord,
    RunRecord,
    ServerLoad,
    Throughput,
    TrainCost,
    WorkloadIdentity,
    WorkloadLengths,
)
from slmbench.records.bundle import Manifest
from slmbench.records.cascade import MemberIdentity, ProfiledCascade
from slmbench.records.predictions import batched_regime
from slmbench.records.roofline import GemmTiming, Roofline
from slmbench.records.sweep import SweepPoint, SweepRecord

LABELS = ["negative", "positive"]

MACHINE = {
    "cpu_model": "Intel(R) Xeon(R) Processor",
    "isa": ["avx2", "avx512f", "avx512_vnni"],
    "physical_cores": 1,
    "cores_available": 2,
    "memory_bytes": 16 * 2**30,
    "governor": None,
    "virtualised": True,
    "hypervisor": "KVM",
    "os": "Linux",
    "machine_arch": "x86_64",
    "gpu": [],
    "machine": "Intel(R) Xeon(R) Processor (2 cores, AVX-512 VNNI)",
    "fingerprint": "1f0c2a9b7d3e4f55",
}
RASPBERRY = {
    **MACHINE,
    "cpu_model": "Raspberry Pi 5 Model B",
    "isa": ["asimd", "asimddp"],
    "physical_cores": 4,
    "cores_available": 4,
    "memory_bytes": 8 * 2**30,
    "governor": "ondemand",
    "virtualised": False,
    "hypervisor": None,
    "machine_arch": "aarch64",
    "machine": "Raspberry Pi 5 Model B (4 cores, NEON dot product)",
    "fingerprint": "99aa00bb11cc22dd",
}
SOFTWARE = {
    "python": "3.11.9",
    "slmbench": "0.1.0",
    "numpy": "2.1.0",
    "onnxruntime": "1.20.1",
    "tokenizers": "0.20.3",
}


def row_ids(reviews: int = 1000, corpus: str = "imdb") -> list[str]:
    """Content hashes of the test reviews of a made-up corpus."""
    return [hashlib.sha256(f"{corpus}-{i}".encode()).hexdigest()[:16] for i in range(reviews)]


def predictions(
    accuracy: float = 0.86,
    *,
    who: str = "minilm-l6",
    reviews: int = 1000,
    corpus: str = "imdb",
    labels: list[str] = LABELS,
    noise: float = 0.35,
) -> Predictions:
    """Predictions that are right on ``accuracy`` of the reviews.

    ``noise`` says how far a model's errors are its own: 0 makes the errors of all models nested.
    """
    shared = np.random.default_rng(zlib.crc32(corpus.encode()))
    difficulty = shared.normal(size=reviews)
    truth = shared.permutation(np.arange(reviews) % len(labels))
    own = np.random.default_rng(zlib.crc32(who.encode()))
    score = difficulty + noise * own.normal(size=reviews)
    right = np.empty(reviews, dtype=bool)
    # The easiest reviews are classified right; the margin shrinks towards the boundary, as a real ROC needs.
    order = np.argsort(score)
    correct = round(accuracy * reviews)
    right[order[:correct]], right[order[correct:]] = True, False
    margin = np.empty(reviews)
    margin[order] = np.abs(np.arange(reviews) - correct + 0.5) / reviews
    others = len(labels) - 1
    certainty = 1 - np.exp(-np.abs(5 * margin + 0.8 * own.normal(size=reviews)))
    top = 1 / len(labels) + (1 - 1 / len(labels)) * np.clip(certainty, 0.01, 0.999)
    predicted = np.where(right, truth, (truth + 1 + own.integers(0, others, reviews)) % len(labels))
    probabilities = np.repeat(((1 - top) / others)[:, None], len(labels), axis=1)
    probabilities[np.arange(reviews), predicted] = top
    return Predictions.of(list(labels), row_ids(reviews, corpus), truth.tolist(), probabilities)


def corpus_identity(
    *, corpus: str = "imdb", reviews: int = 1000, train_reviews: int = 1000, **changes
) -> CorpusIdentity:
    """Identity of a corpus whose test rows are ``row_ids(reviews, corpus)``."""
    return CorpusIdentity(
        **{
            "name": corpus,
            "source": f"starter:{corpus}",
            "labels": LABELS,
            "train_reviews": train_reviews,
            "validation_reviews": 100,
            "test_reviews": reviews,
            "train_hash": hashlib.sha256(f"{corpus}-train-{train_reviews}".encode()).hexdigest(),
            "test_hash": predictions(reviews=reviews, corpus=corpus).rows_hash(),
            "label_balance": {
                "train": {"negative": 500, "positive": 500},
                "test": {"negative": 500, "positive": 500},
            },
            "words": LengthQuantiles(p5=64, p50=174, p95=598, max=2470),
            "duplicates_dropped": 96,
            "conflicting_dropped": 0,
            "skipped_rows": 0,
            "options": {"name": corpus},
            "notes": [],
            **changes,
        }
    )


def run_record(
    name: str = "minilm-l6", *, accuracy: float = 0.86, method: str = "full", reviews: int = 1000, **changes
) -> RunRecord:
    """A finished training run."""
    return RunRecord(
        **{
            "name": name,
            "path": f"runs/{name}",
            "key": hashlib.sha256(name.encode()).hexdigest(),
            "model": name,
            "model_source": f"starter:{name}",
            "base_sha256": "5" * 64,
            "weights_sha256": "6" * 64,
            "architecture": "TfidfClassifier" if method == "tfidf" else "BertForSequenceClassification",
            "base_license": "Apache-2.0",
            "method": method,
            "seed": 0,
            "max_length": None if method == "tfidf" else 256,
            "hyperparameters": {"lr": 1e-4, "epochs": 3},
            "trainable_parameters": 22_713_986,
            "total_parameters": 22_713_986,
            "parameters_without_embeddings": 10_795_778,
            "corpus": corpus_identity(reviews=reviews),
            "train": TrainCost(
                seconds=112.0,
                reviews_per_second=26.8,
                epochs=3,
                peak_rss_bytes=1_900_000_000,
                device="cpu",
                precision="bf16",
                best_epoch=3,
                selected_by="validation_accuracy",
                history=[EpochLog(epoch=e, train_loss=0.6 / e, validation_accuracy=0.8 + e / 50) for e in (1, 2, 3)],
            ),
            "predictions": predictions(accuracy, who=name, reviews=reviews),
            "hardware": dict(MACHINE),
            "software": dict(SOFTWARE),
            **changes,
        }
    )


def form_record(form: str = "fp32", *, accuracy: float = 0.86, who: str = "minilm-l6", **changes) -> FormRecord:
    """One form of a bundle."""
    return FormRecord(
        **{
            "file": "onnx/model.onnx" if form == "fp32" else "onnx/model_quantized.onnx",
            "bytes": 90_900_000 if form == "fp32" else 22_900_000,
            "sha256": "7" * 64,
            "parity": Parity(against="torch fp32", reviews=200, label_flips=0, max_abs_logit_diff=3e-6),
            "accepted": True,
            "reason": "no label flips in 200 reviews",
            "predictions": predictions(accuracy, who=f"{who}-{form}"),
            "regime": "one review at a time",
            "isa": None if form == "fp32" else "avx512_vnni",
            **changes,
        }
    )


def bundle_record(name: str = "minilm-l6", *, accuracy: float = 0.86, reviews: int = 1000, **changes) -> BundleRecord:
    """An exported bundle with fp32 and int8."""
    return BundleRecord(
        **{
            "name": name,
            "path": f"exported/{name}",
            "model": name,
            "method": "full",
            "run": name,
            "run_key": hashlib.sha256(name.encode()).hexdigest(),
            "runtime": "onnx",
            "architecture": "BertForSequenceClassification",
            "labels": LABELS,
            "max_length": 256,
            "total_parameters": 22_713_986,
            "parameters_without_embeddings": 10_795_778,
            "base_license": "Apache-2.0",
            "corpus": corpus_identity(reviews=reviews),
            "lengths": WorkloadLengths(
                test_hash=corpus_identity(reviews=reviews).test_hash, tokens=[64, 128, 200, 256] * 50
            ),
            "manifest": Manifest(files={}, tokenizer_sha256=None, texts=[], logits={}),
            "forms": {
                "fp32": form_record("fp32", accuracy=accuracy, who=name),
                "int8": form_record("int8", accuracy=accuracy, who=name),
            },
            "shared_bytes": 711_000,
            "hardware": dict(MACHINE),
            "software": dict(SOFTWARE),
            **changes,
        }
    )


def latency_samples(p50_ms: float, *, count: int = 200, processes: int = 3, spread: float = 0.1) -> list[list[float]]:
    """Samples of so many reviews in each process, whose median is ``p50_ms``, with a long tail of long reviews."""
    quantiles = (np.arange(count) + 0.5) / count
    offsets = quantiles - 0.5
    samples = p50_ms * np.exp(spread * offsets + np.where(offsets > 0, 3.2 * offsets**3, 2 * offsets**3))
    shuffled = np.random.default_rng(0).permutation(samples)
    # Processes differ by a hundredth, one each way.
    return [(shuffled * factor).tolist() for factor in np.linspace(0.99, 1.01, processes)]


def profile_record(
    bundle: str = "minilm-l6",
    form: str = "fp32",
    *,
    accuracy: float = 0.86,
    p50_ms: float = 30.0,
    size_mb: float = 90.9,
    samples: int = 200,
    spread: float = 0.1,
    peak_mb: float | None = 260.0,
    reviews: int = 1000,
    corpus: str = "imdb",
    method: str = "full",
    noise: float = 0.35,
    machine: dict = MACHINE,
    labels: list[str] = LABELS,
    **changes,
) -> ProfileRecord:
    """One measured cell; ``changes`` replace whole fields of the record."""
    said = changes.pop("predictions", None) or predictions(
        accuracy, who=f"{bundle}-{form}", reviews=reviews, corpus=corpus, labels=labels, noise=noise
    )
    threads = changes.get("threads", 2)
    return ProfileRecord(
        **{
            "name": f"{bundle}-{form}-onnxruntime-cpu-{threads}-single-{machine['fingerprint'][:8]}",
            "created": "2026-01-10T12:00:00+00:00",
            "bundle": bundle,
            "form": form,
            "backend": "numpy" if method == "tfidf" else "onnxruntime",
            "device": "cpu",
            "threads": 2,
            "scenario": "single",
            "model": bundle,
            "method": method,
            "architecture": "TfidfClassifier" if method == "tfidf" else "BertForSequenceClassification",
            "total_parameters": 22_713_986,
            "parameters_without_embeddings": 10_795_778,
            "labels": labels,
            "accepted": True,
            "reason": "no label flips in 200 reviews",
            "latency": Latency(processes_ms=latency_samples(p50_ms, count=samples, spread=spread), reviews=200),
            "throughput": Throughput(
                batch_tokens=2048,
                reviews=200,
                tokens=54_800,
                passes_s=[0.16 * p50_ms, 0.17 * p50_ms, 0.165 * p50_ms],
            ),
            "memory": Memory(
                load_bytes=int(size_mb * 1.2e6),
                peak_bytes=None if peak_mb is None else int(peak_mb * 1e6),
                source="VmHWM",
            ),
            "cold": ColdStart(processes_ms=[340.0, 352.0, 361.0], load_ms=[120.0, 125.0, 119.0]),
            "energy": Energy(),
            "size_bytes": int(size_mb * 1e6),
            "predictions": said,
            "regime": "one review at a time",
            "trained_on": corpus_identity(corpus=corpus, reviews=reviews, labels=labels),
            "corpus": WorkloadIdentity(
                name=corpus,
                test_hash=said.rows_hash(),
                inputs="reviews",
                reviews=200,
                tokens_p50=221,
                tokens_max=256,
            ),
            "warnings": [],
            "hardware": dict(machine),
            "software": dict(SOFTWARE),
            **changes,
        }
    )


def served(qps: float, bundle: str = "minilm-l6", *, bound: float | None = None, **changes) -> ProfileRecord:
    """One cell of the server scenario: at a rate of arrival, or at the highest found that keeps a bound."""
    samples = latency_samples(changes.get("p50_ms", 30.0))
    # What is left of each without its wait is the service time, here of a server that is busy for half of the time.
    waits = [[max(0.0, ms - 500 / qps) for ms in process] for process in samples]
    load = ServerLoad(qps=qps, seed=0, processes_wait_ms=waits, processes_s=[200 / qps] * 3, max_p95_ms=bound)
    way = f"{qps:g}qps" if bound is None else f"p95-{bound:g}ms"
    return profile_record(
        bundle,
        **{"name": f"{bundle}-server-{way}", "scenario": "server", "load": load, "throughput": None, **changes},
    )


def batched(batch_tokens: int, bundle: str = "minilm-l6", *, seconds: float = 1.0, **changes) -> ProfileRecord:
    """One cell of the offline scenario: passes over 200 reviews that take so many seconds."""
    passes = [[seconds * factor for factor in (0.99, 1.0, 1.01)] for _ in range(3)]
    throughput = Throughput(
        batch_tokens=batch_tokens,
        reviews=200,
        tokens=54_800,
        passes_s=[one for process in passes for one in process],
        processes_s=passes,
    )
    return profile_record(
        bundle,
        **{
            "name": f"{bundle}-offline-{batch_tokens}",
            "scenario": "offline",
            "regime": batched_regime(batch_tokens),
            "throughput": throughput,
            **changes,
        },
    )


def ladder(machine: dict = MACHINE, slower: float = 1.0) -> list[ProfileRecord]:
    """The quickstart ladder as it comes out: floor, bert-tiny, minilm-l6 at 3 and 6 layers; fp32 and int8."""
    rungs = [
        ("tfidf", "fp32", 0.839, 0.62, 1.3, 96, "tfidf", 31_207),
        ("bert-tiny", "fp32", 0.822, 1.31, 18.3, 121, "full", 4_386_178),
        ("bert-tiny", "int8", 0.820, 1.02, 5.3, 112, "full", 4_386_178),
        ("minilm-l6-3layers", "fp32", 0.855, 14.8, 70.0, 214, "full", 17_389_826),
        ("minilm-l6-3layers", "int8", 0.853, 7.05, 18.2, 152, "full", 17_389_826),
        ("minilm-l6", "fp32", 0.874, 29.6, 91.6, 262, "full", 22_713_986),
        ("minilm-l6", "int8", 0.871, 13.9, 23.6, 173, "full", 22_713_986),
    ]
    return [
        profile_record(
            bundle,
            form,
            accuracy=accuracy,
            p50_ms=p50 * slower,
            size_mb=size,
            peak_mb=peak,
            method=method,
            total_parameters=parameters,
            noise=0.12 if form == "int8" else 0.35,
            machine=machine,
            **({"predictions": requantized(bundle, accuracy)} if form == "int8" else {}),
        )
        for bundle, form, accuracy, p50, size, peak, method, parameters in rungs
    ]


def requantized(bundle: str, accuracy: float) -> Predictions:
    """Predictions of an int8 form: those of fp32 (same errors) at a slightly different accuracy."""
    return predictions(accuracy, who=f"{bundle}-fp32")


def cascade_profile(
    small: ProfileRecord, large: ProfileRecord, threshold: float = 0.7, *, p50_ms: float = 5.0, **changes
) -> ProfileRecord:
    """A cascade of two profiled forms: the small one's answer where it is sure, the large one's where it is not."""
    sure, other = (np.asarray(member.predictions.probabilities) for member in (small, large))
    routed = sure.max(1) < threshold
    facts = ProfiledCascade(
        threshold=threshold,
        chosen="given",
        small=member_identity(small),
        large=member_identity(large),
        routed=float(routed.mean()),
        break_even=1 - small.latency.mean_ms / large.latency.mean_ms,
        sweep=[],
    )
    said = small.predictions.model_copy(
        update={"probabilities": np.where(routed[:, None], other, sure).round(6).tolist()}
    )
    return profile_record(
        f"{small.bundle}+{large.bundle}",
        f"{small.form}+{large.form}",
        **{
            "method": "cascade",
            "predictions": said,
            "p50_ms": p50_ms,
            "machine": small.hardware,
            "cascade": facts,
            **changes,
        },
    )


def member_identity(profile: ProfileRecord) -> MemberIdentity:
    """The form that a profile measured, as a member of a cascade."""
    return MemberIdentity(
        name=profile.bundle,
        form=profile.form,
        runtime="tfidf" if profile.method == "tfidf" else "onnx",
        model=profile.model,
        method=profile.method,
        total_parameters=profile.total_parameters,
        bytes=profile.size_bytes,
        sha256=profile.form_sha256 or "7" * 64,
    )


def sweep_record(
    bundle: str = "minilm-l6",
    form: str = "int8",
    axis: str = "threads",
    ms: dict[int, float] | None = None,
    *,
    machine: dict = MACHINE,
    **changes,
) -> SweepRecord:
    """One curve: median milliseconds by setting, three processes of 20 samples each around them."""
    around = np.linspace(0.94, 1.06, 20)
    points = [
        SweepPoint(value=value, processes_ms=[(middle * level * around).tolist() for level in (0.97, 1.0, 1.04)])
        for value, middle in (ms or {1: 14.0, 2: 8.0, 4: 9.0}).items()
    ]
    return SweepRecord(
        **{
            "name": f"{bundle}.{form}.{machine['fingerprint'][:8]}.by-{axis}",
            "created": "2026-01-10T13:00:00+00:00",
            "bundle": bundle,
            "form": form,
            "backend": "onnxruntime",
            "device": "cpu",
            "threads": None if axis == "threads" else 2,
            "axis": axis,
            "points": points,
            "corpus": profile_record().corpus,
            "conditions": Conditions(others_share=[None], steal_share=[None], clock_mhz=[None]),
            "hardware": dict(machine),
            "software": dict(SOFTWARE),
            **changes,
        }
    )


def roofline(gmacs: float = 2.4, seconds: float = 0.03, gflops: float = 400.0) -> Roofline:
    """What a cell reached: 2 × ``gmacs`` operations in ``seconds`` under a ceiling of ``gflops`` a second."""
    best_s = 2 * 1024**3 / gflops / 1e9
    timing = GemmTiming(library="onnxruntime", version="1.20.1", precision="fp32", size=1024, best_s=best_s, calls=9)
    return Roofline(
        tokens=221, seconds=seconds, macs=gmacs * 1e9, macs_linear=0.9 * gmacs * 1e9, flops={"fp32": 2e9 * gmacs},
        ceilings={"fp32": timing},
    )  # fmt: skip
