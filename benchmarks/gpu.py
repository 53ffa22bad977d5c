"""Ways to answer on one GPU, in turns, against the pipeline of transformers; and study 003's table.

    python benchmarks/gpu.py [--model FOLDER] [--reviews FILE.csv] [--minutes 14] [--output profiles/reference/gpu]
    python benchmarks/gpu.py --device cpu --tiny        # the same path with tiny models; its figures mean nothing

It needs torch and transformers, and a checkout for the tokenizer and the sizes of models. The model is a fine-tuned
classifier (a run's ``model/``), the reviews a CSV with the column ``text``. Without them it is a BERT of base size
and made-up reviews as long as IMDb's, which it learns before anything is timed: untrained, its labels are chance.

Every way answers all reviews once a round, in turns, from text to label; a thread beside it makes the tokens. "model"
begins with the tokens. Labels are compared with those of torch in fp32, padded. A way that does not
run here is listed with the reason; after the minutes are over no further way is begun.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import random
import statistics
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import transformers
from gpu_ways import GRAPH_TOKENS, Answer, Batch, NotHereError, bert_packed, cuda_graphs, onnx_cuda, padded

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks" / "studies"))
from study_003 import LARGE_REVIEWS, STUDY_S  # noqa: E402

#: The aims: throughput over torch in fp32, and the share of labels that may differ from its.
FASTER, OTHER_LABELS = 3.9, 0.005
#: IMDb's words per review as a log-normal distribution: half have 174 or fewer, 95 % have 598 or fewer.
SPREAD = math.log(598 / 174) / 1.645
#: Reviews that are tokenised, and then sorted by length, together.
WINDOW = 1024
MAX_LENGTH = 512
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
#: A graph is captured in the second pass over a shape and replayed from the third on.
WARM_UPS = 3
#: Sizes of batches of study 003's table.
STUDY_BATCHES = (1, 32)
PIPELINE = "transformers pipeline"
BASELINE = "torch padded fp32"


@dataclass(frozen=True)
class Scale:
    """How much of everything; ``--tiny`` is for the path, not for figures."""

    reviews: int = 4096
    words: int = 174
    batch_tokens: int = 16_384
    rounds: int = 5
    alone: int = 100
    steps: int = 600
    study_passes: int = 3


TINY = Scale(reviews=24, words=20, batch_tokens=512, rounds=2, alone=4, steps=2, study_passes=1)


@dataclass
class Way:
    """One way to answer, and what was measured of it.

    Attributes:
        name: What tables call it.
        seconds: Of each round, from text to label.
        model_seconds: Of each round, from tokens to label.
        alone_ms: Of each review that was answered by itself, from text to label.
        other_labels: Share of the labels that differ from the baseline's.
        reason: Why there are no figures.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    model_seconds: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    other_labels: float | None = None
    reason: str | None = None


def made_up_reviews(count: int, median_words: int) -> tuple[list[str], list[int]]:
    """Return reviews and their labels, which most of their telling words agree with."""
    draw = random.Random(0)
    words = [word for word in json.loads(tokenizer_file().read_text())["model"]["vocab"] if word.isalpha()]
    draw.shuffle(words)
    telling, plain = [words[:50], words[50:100]], words[100:5000]
    texts, labels = [], []
    for number in range(count):
        label = number % 2
        text = draw.choices(plain, k=max(8, round(draw.lognormvariate(math.log(median_words), SPREAD))))
        for place in range(0, len(text), 8):
            text[place] = draw.choice(telling[label if draw.random() < 0.8 else 1 - label])
        texts.append(" ".join(text))
        labels.append(label)
    return texts, labels


def tokenizer_file() -> Path:
    """Return the tokenizer of bert-base-uncased that is in the checkout."""
    return ROOT / "exported" / "bert-tiny-imdb" / "tokenizer.json"


def published(name: str) -> dict:
    """Return a published configuration from slmbench's files, with its ``model_type``."""
    for file in (ROOT / "slmbench" / "profiling" / "architectures").glob("*.toml"):
        family = tomllib.loads(file.read_text(encoding="utf-8"))
        for key, facts in family["models"].items():
            if name in (key, key.rpartition("/")[2]):
                return {"model_type": family["model_type"], **facts["config"]}
    raise SystemExit(f"no configuration of {name} is in slmbench/profiling/architectures")


#: Of each family, the sizes of a model of a few kilobytes.
SMALL = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "electra": {"embedding_size": 32, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 2},
}


def configuration(name: str, *, tiny: bool) -> transformers.PretrainedConfig:
    """Return a published configuration, or one of its family with the sizes of a tiny model."""
    facts = published(name)
    kind = facts.pop("model_type")
    return transformers.AutoConfig.for_model(kind, **{**facts, **(SMALL[kind] if tiny else {})})


def learned(texts: list[str], labels: list[int], tokenizer: Callable, scale: Scale, device: str, *, tiny: bool):
    """Return a BERT of base size that has learned half of the reviews for some steps."""
    torch.manual_seed(0)
    config = configuration("bert-base-uncased", tiny=tiny)
    model = transformers.BertForSequenceClassification(config).to(device).train()
    model.config.pad_token_id = tokenizer.pad_token_id
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    draw = random.Random(1)
    for step in range(scale.steps):
        for group in optimiser.param_groups:
            group["lr"] = 1e-4 * min(1.0, (step + 1) / 60)
        rows = draw.choices(range(len(texts)), k=32)
        batch = tokenizer(
            [texts[row] for row in rows], truncation=True, max_length=128, padding=True, return_tensors="pt"
        )
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = model(**batch.to(device), labels=torch.tensor([labels[row] for row in rows], device=device)).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return model.eval()


class Bench:
    """Reviews, a tokenizer and a device that all ways share.

    Args:
        tokenizer: The model's.
        texts: The reviews.
        device: ``cuda`` or ``cpu``.
        scale: How much of everything.
    """

    def __init__(self, tokenizer: Callable, texts: list[str], device: str, scale: Scale) -> None:
        self.tokenizer = tokenizer
        self.texts = texts
        self.device = device
        self.scale = scale

    @cached_property
    def ids(self) -> list[list[int]]:
        """The ids of all reviews."""
        return self.tokens(self.texts)

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of texts."""
        return self.tokenizer(texts, truncation=True, max_length=MAX_LENGTH, return_attention_mask=False)["input_ids"]

    def batches(self, ids: list[list[int]]) -> Iterator[list[int]]:
        """Yield rows of similar length, as many as fill a batch when they are padded to multiples of 64 tokens."""
        rows = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        while rows:
            longest = -(-len(ids[rows[0]]) // GRAPH_TOKENS) * GRAPH_TOKENS
            size = max(1, self.scale.batch_tokens // longest)
            yield rows[:size]
            rows = rows[size:]

    def run(self, answer: Answer, windows: Iterator[list[list[int]]]) -> list[int]:
        """Return the label of each text of tokenised windows; the device is asked for them once, at the end."""
        found, order, start = [], [], 0
        for ids in windows:
            for rows in self.batches(ids):
                found.append(answer(Batch([ids[row] for row in rows])).argmax(-1))
                order += [start + row for row in rows]
            start += len(ids)
        labels = [0] * start
        for row, label in zip(order, torch.cat(found).tolist(), strict=True):
            labels[row] = label
        return labels

    def from_text(self, answer: Answer) -> list[int]:
        """Answer all reviews; a thread tokenises the next ones meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            parts = [self.texts[start : start + WINDOW] for start in range(0, len(self.texts), WINDOW)]
            return self.run(answer, pool.map(self.tokens, parts))


class FromTokens:
    """A way that is a function from batches to logits."""

    def __init__(self, bench: Bench, answer: Answer) -> None:
        self._bench = bench
        self._answer = answer

    def all(self) -> list[int]:
        """Return all labels, from text."""
        return self._bench.from_text(self._answer)

    def model_only(self) -> None:
        """Answer all reviews, tokenised before."""
        ids = self._bench.ids
        self._bench.run(self._answer, (ids[start : start + WINDOW] for start in range(0, len(ids), WINDOW)))

    def one(self, text: str) -> int:
        """Return the label of one review, from text."""
        return int(self._answer(Batch(self._bench.tokens([text]))).argmax())


class ByPipeline:
    """The pipeline of transformers, as its documentation shows it."""

    model_only = None

    def __init__(self, bench: Bench, model: torch.nn.Module) -> None:
        self._texts = bench.texts
        self._ask = transformers.pipeline(
            "text-classification", model=model, tokenizer=bench.tokenizer, device=bench.device, batch_size=32
        )

    def _labels(self, found: list[dict]) -> list[int]:
        return [self._ask.model.config.label2id[one["label"]] for one in found]

    def all(self) -> list[int]:
        """Return all labels, from text."""
        return self._labels(self._ask(self._texts, truncation=True, max_length=MAX_LENGTH))

    def one(self, text: str) -> int:
        """Return the label of one review, from text."""
        return self._labels(self._ask([text], truncation=True, max_length=MAX_LENGTH))[0]


def ways_of(bench: Bench, model: torch.nn.Module, onnx: Path) -> dict[str, Callable]:
    """Return, by name, what makes each way; the baseline comes first."""
    device, state = bench.device, {name: value.cpu() for name, value in model.state_dict().items()}

    def in_type(precision: str) -> torch.nn.Module:
        copy = type(model)(model.config)
        copy.load_state_dict(state)
        return copy.to(device=device, dtype=TYPES[precision]).eval()

    def of(make: Callable, precision: str, *given, **named) -> Callable:
        return lambda: FromTokens(bench, make(in_type(precision), device, *given, **named))

    halves = ("bf16", "fp16")
    return {
        BASELINE: of(padded, "fp32"),
        **{
            f"{PIPELINE} {kind}": partial(lambda kind: ByPipeline(bench, in_type(kind)), kind)
            for kind in ("fp32", *halves)
        },
        **{f"torch padded {kind}": of(padded, kind) for kind in halves},
        **{f"torch packed {kind}": of(bert_packed, kind) for kind in halves},
        "torch padded bf16, compiled": of(padded, "bf16", compiled=True),
        "torch packed bf16, compiled": of(bert_packed, "bf16", compiled=True),
        "torch padded bf16, CUDA graphs": of(cuda_graphs, "bf16", bench.scale.batch_tokens),
        f"ONNX Runtime {onnx.stem}": lambda: FromTokens(
            bench, onnx_cuda(onnx, model.config.pad_token_id or 0, device)
        ),
    }


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Return how long something takes, the device's work included."""
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(bench: Bench, makers: dict[str, Callable], ends: float) -> list[Way]:
    """Warm every way up and compare its labels, then time all in turns."""
    ways, ready, expected = [], {}, []
    for name, make in makers.items():
        ways.append(way := Way(name))
        if time.perf_counter() > ends:
            way.reason = "the minutes were over"
            continue
        began = time.perf_counter()
        try:
            answers = make()
            for _ in range(WARM_UPS):
                labels = answers.all()
            for text in bench.texts[: bench.scale.alone] * WARM_UPS:
                answers.one(text)
        except Exception as error:  # whatever a compiler or a driver raises is the reason
            way.reason = f"{type(error).__name__}: {error}" if not isinstance(error, NotHereError) else str(error)
            way.reason = way.reason.splitlines()[0][:300]
            if not expected:
                raise  # without the baseline there is nothing to compare with
            print(f"{name}: {way.reason}", flush=True)
            continue
        expected = expected or labels
        way.other_labels = sum(one != other for one, other in zip(labels, expected, strict=True)) / len(labels)
        ready[name] = answers
        print(f"{name}: warm after {time.perf_counter() - began:.1f} s", flush=True)
    for number in range(bench.scale.rounds):
        if time.perf_counter() > ends and number > 1:
            break
        turn = [way for way in ways if way.name in ready]
        turn = turn[number % len(turn) :] + turn[: number % len(turn)]
        for way in turn:
            answers = ready[way.name]
            way.seconds.append(seconds_of(answers.all, bench.device))
            if answers.model_only:
                way.model_seconds.append(seconds_of(answers.model_only, bench.device))
            chosen = bench.texts[number :: bench.scale.rounds][: bench.scale.alone // bench.scale.rounds]
            way.alone_ms += [1e3 * seconds_of(partial(answers.one, text), bench.device) for text in chosen]
    return ways


def print_ways(ways: list[Way], reviews: int) -> dict:
    """Print the table and the aims; returns what the aims found."""
    middle = {way.name: reviews / statistics.median(way.seconds) for way in ways if way.seconds}
    base = middle[BASELINE]
    print(f"\n{'':34} {'reviews/s':>9} {'of fp32':>8} {'model/s':>9} {'alone ms':>8} {'other labels':>12}")
    for way in ways:
        if not way.seconds:
            print(f"{way.name:34} {way.reason}")
            continue
        rate = f"{reviews / statistics.median(way.model_seconds):,.0f}" if way.model_seconds else "–"
        figures = f"{middle[way.name]:>9,.0f} {middle[way.name] / base:>7.2f}x {rate:>9}"
        print(f"{way.name:34} {figures} {statistics.median(way.alone_ms):>8.2f} {way.other_labels:>12.2%}")
    exact = {way.name for way in ways if way.seconds and way.other_labels <= OTHER_LABELS}
    best = max(exact, key=middle.__getitem__)
    ratio, over = middle[best] / base, middle[best] / middle.get(f"{PIPELINE} fp32", math.nan)
    verdict = "reached" if ratio >= FASTER else "missed"
    print(
        f"\naim: {FASTER} times torch fp32, at most {OTHER_LABELS:.1%} other labels:"
        f" {verdict}, {ratio:.2f} times ({best})"
    )
    print(f"     {over:.2f} times the pipeline in fp32")
    for way in ways:
        if way.seconds and way.name not in exact:
            print(f"     {way.name}: {way.other_labels:.2%} other labels, not counted")
    return {"aim": FASTER, "reached": ratio >= FASTER, "best": best, "ratio": ratio, "over_pipeline": over}


def study_table(bench: Bench, ends: float, *, tiny: bool) -> list[dict]:
    """Print study 003's table: seconds of its models for 953 reviews, with random weights."""
    lengths = sorted(32 * math.ceil(len(ids) / 32) for ids in bench.ids[:LARGE_REVIEWS])
    rows = []
    print(f"\nstudy 003, {len(lengths)} reviews, random weights, seconds without tokenising")
    print(f"{'':42} {'batch 1':>9} {'batch 32':>9} {'study (A100, fp32, batch 1)':>28}")
    for name, study_s in STUDY_S.items():
        for precision in ("bf16",) if "flan" in name else ("fp32", "bf16"):
            row: dict = {"model": name, "precision": precision, "study_s": study_s, "seconds": {}, "reason": None}
            rows.append(row)
            try:
                row["seconds"] = study_times(name, lengths, precision, bench, ends, tiny=tiny)
            except (NotHereError, torch.OutOfMemoryError) as error:
                row["reason"] = str(error).splitlines()[0][:200]
            shown = " ".join(f"{seconds:>9.2f}" for seconds in row["seconds"].values()) or row["reason"]
            print(f"{name + ' ' + precision:42} {shown} {study_s:>28}", flush=True)
            if bench.device == "cuda":
                torch.cuda.empty_cache()
    return rows


def study_times(
    name: str, lengths: list[int], precision: str, bench: Bench, ends: float, *, tiny: bool
) -> dict[int, float]:
    """Return, by size of batch, the seconds of all reviews: the median time of each length, times how often it comes.

    Raises:
        NotHereError: The minutes are over, or the model is larger than the device's memory.
    """
    config, device = configuration(name, tiny=tiny), bench.device
    kind = (
        transformers.AutoModelForSeq2SeqLM
        if config.model_type == "t5"
        else transformers.AutoModelForSequenceClassification
    )
    with torch.device("meta"):
        needed = sum(one.numel() for one in kind.from_config(config).parameters()) * TYPES[precision].itemsize
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else math.inf
    if needed * 1.1 > free:
        raise NotHereError(f"needs {needed / 1e9:.0f} GB for its weights, {free / 1e9:.0f} GB are free")
    usual = torch.get_default_dtype()
    torch.set_default_dtype(TYPES[precision])
    try:
        with torch.device(device):
            model = kind.from_config(config).eval()
    finally:
        torch.set_default_dtype(usual)
    found = {}
    for size in STUDY_BATCHES:
        counts = Counter(max(lengths[start : start + size]) for start in range(0, len(lengths), size))
        total = 0.0
        for length, times in counts.items():
            if time.perf_counter() > ends:
                raise NotHereError("the minutes were over")
            given = {"input_ids": torch.randint(5, 1000, (size, length), device=device)}
            given["attention_mask"] = torch.ones_like(given["input_ids"])
            if config.model_type == "t5":  # one token is scored, a label's
                given["decoder_input_ids"] = torch.zeros((size, 1), dtype=torch.long, device=device)
            passes = [seconds_of(partial(model, **given), device) for _ in range(bench.scale.study_passes + 1)]
            total += times * statistics.median(passes[1:])
        found[size] = total
    return found


def machine(device: str) -> dict:
    """Return what ran."""
    facts: dict = {"python": platform.python_version(), "system": platform.platform(), "cpu": platform.processor()}
    for name in ("torch", "transformers", "tokenizers", "onnxruntime-gpu", "onnxruntime", "flash-attn", "triton"):
        with suppress(PackageNotFoundError):
            facts[name] = version(name)
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        facts |= {"gpu": card.name, "memory_bytes": card.total_memory, "capability": f"{card.major}.{card.minor}"}
        facts |= {"cuda": torch.version.cuda, "tf32": torch.backends.cuda.matmul.allow_tf32}
    return facts


def read_reviews(file: Path, count: int) -> list[str]:
    """Return texts of a CSV, in an order that its own does not decide."""
    with file.open(encoding="utf-8", newline="") as lines:
        texts = [line["text"] for line in csv.DictReader(lines)]
    random.Random(0).shuffle(texts)
    return texts[:count]


def main(words: list[str] | None = None) -> dict:
    """Measure and print; returns what is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a fine-tuned classifier with its tokenizer")
    parser.add_argument("--reviews", type=Path, help="CSV with the column text")
    parser.add_argument("--onnx", type=Path, help="the model as ONNX; by default onnx/model.onnx beside it")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--minutes", type=float, default=14.0)
    parser.add_argument(
        "--without", nargs="*", default=[], help="words: ways with one of them in their name are left out"
    )
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--output", type=Path)
    said = parser.parse_args(words)
    if said.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA GPU here; --device cpu --tiny runs the path without one")
    began = time.perf_counter()
    ends, scale = began + 60 * said.minutes, TINY if said.tiny else Scale()
    transformers.logging.set_verbosity_error()

    made_up, labels = made_up_reviews(2 * scale.reviews, scale.words)
    if said.model:
        tokenizer = transformers.AutoTokenizer.from_pretrained(said.model)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(said.model).to(said.device).eval()
    else:
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(tokenizer_file()),
            pad_token="[PAD]",
            unk_token="[UNK]",
            cls_token="[CLS]",
            sep_token="[SEP]",
        )
        half = scale.reviews
        model = learned(made_up[half:], labels[half:], tokenizer, scale, said.device, tiny=said.tiny)
    texts = read_reviews(said.reviews, scale.reviews) if said.reviews else made_up[: scale.reviews]
    bench = Bench(tokenizer, texts, said.device, scale)
    onnx = said.onnx or (said.model or Path()) / "onnx" / "model.onnx"
    makers = ways_of(bench, model, onnx)
    makers = {name: make for name, make in makers.items() if not any(word in name for word in said.without)}
    facts = machine(said.device)
    what = f"{said.model or 'BERT of base size, made here'}, {model.num_parameters() / 1e6:.1f}M parameters"
    tokens = sum(map(len, bench.ids)) / len(texts)
    print(f"{facts.get('gpu', said.device)}: {what}; {len(texts)} {'real' if said.reviews else 'made-up'} reviews")
    print(f"of {tokens:.0f} tokens on average, at most {MAX_LENGTH}; {scale.rounds} rounds in turns, medians")
    with torch.inference_mode():
        # A third of the time is the study's.
        ways = measure(bench, makers, began + 40 * said.minutes)
        answered = FromTokens(bench, padded(model, said.device)).all() if not said.reviews else []
        right = (
            sum(one == other for one, other in zip(answered, labels, strict=False)) / len(texts) if answered else None
        )
        if right is not None:
            print(
                f"the model gives {right:.1%} of the made-up reviews their label;"
                " the nearer to 50 %, the less equal labels say"
            )
        aims = print_ways(ways, len(texts))
        study = study_table(bench, ends, tiny=said.tiny)
    took = time.perf_counter() - began
    print(f"\n{took / 60:.1f} minutes")
    document = {
        "benchmark": "gpu",
        "command": ["python", "benchmarks/gpu.py", *(sys.argv[1:] if words is None else words)],
        "machine": facts,
        "device": said.device,
        "model": what,
        "accuracy_on_made_up": right,
        "reviews": {"count": len(texts), "tokens": tokens, "made_up": not said.reviews},
        "ways": [asdict(way) for way in ways],
        "aims": aims,
        "study_003": study,
        "seconds": took,
    }
    if said.output:
        said.output.mkdir(parents=True, exist_ok=True)
        name = "-".join(facts.get("gpu", said.device).lower().split())
        (said.output / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document


if __name__ == "__main__":
    main()
