"""Architecture-only profiles: refused with the arithmetic, or timed with random weights, never with an accuracy."""

import importlib
import io
import json
import re
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from slmbench.cli.views.profiles import architecture_view
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT
from slmbench.profiling.architectures import (
    ArchitectureOptions,
    PublishedModel,
    arithmetic_lines,
    arithmetic_of,
    find_architecture,
    profile_architecture,
    random_weights,
    sizing,
)
from slmbench.records import read_record
from slmbench.records.architecture import ArchitectureRecord
from slmbench.records.roofline import CeilingRecord, GemmTiming

BERT = PublishedModel(
    "someone/tiny-bert",
    "bert",
    ("classification",),
    {
        "vocab_size": 130,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
        "type_vocab_size": 2,
    },
    "a test",
)
T5 = PublishedModel(
    "someone/tiny-t5",
    "t5",
    ("generation", "classification"),
    {
        "vocab_size": 130,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 32,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
    },
    "a test",
)
GPT2 = PublishedModel(
    "someone/tiny-gpt2",
    "gpt2",
    ("classification", "generation"),
    {"vocab_size": 130, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 129},
    "a test",
)
CEILING = CeilingRecord(
    name="c",
    device="cpu",
    threads=1,
    timings=[GemmTiming(library="x", version="1", precision="fp32", size=1000, best_s=0.01, calls=3)],
    hardware={},
    software={},
)


class Said(list):
    """Progress that keeps what it is told."""

    task = SILENT.task
    say = list.append


def options(**changes):
    return ArchitectureOptions(**{"lengths": (8, 16), "threads": 1, "time_limit_s": 0.02, **changes})


def needs(model, **changes):
    given = {"tokens": 16, "batch_size": 1, "device": "cpu", "dtype": "fp32", **changes}
    return arithmetic_of(model, model.tasks[0], **given)


@pytest.fixture
def free_bytes(monkeypatch):
    return lambda amount: monkeypatch.setattr(sizing, "_free_here", lambda: amount)


def test_the_arithmetic_is_that_of_the_configuration():
    counted = needs(BERT)

    assert counted.weight_bytes["fp32"] == 4 * counted.parameters
    assert counted.weight_bytes["bf16"] == 2 * counted.parameters
    assert counted.weight_bytes["int8"] == counted.parameters
    assert counted.parameters - counted.parameters_without_embeddings == (130 + 66 + 2) * 32
    # Hidden states twice; queries, keys, values; scores of four heads twice: a feed-forward layer holds less.
    assert counted.activation_bytes == 4 * 16 * (2 * 32 + 3 * 32 + 2 * 4 * 16)
    assert needs(BERT, batch_size=3).activation_bytes == 3 * counted.activation_bytes
    assert counted.needed_bytes == sum(
        (counted.weight_bytes["fp32"], counted.activation_bytes, counted.runtime_bytes)
    )
    assert counted.available_bytes > 0


def test_what_cannot_fit_is_refused_with_the_arithmetic(free_bytes):
    free_bytes(20_000_000_000)

    said = Said()
    with pytest.raises(SlmbenchError) as refused:
        profile_architecture(find_architecture("google/flan-ul2"), options(), progress=said)

    assert said == arithmetic_lines(find_architecture("google/flan-ul2"), needs(find_architecture("google/flan-ul2")))
    sentence = str(refused.value)
    assert "19,459,613,696 parameters × 4 bytes (fp32) = 77.8 GB" in sentence
    assert "20.0 GB are free here" in sentence
    assert "a machine with more memory" in sentence


def test_a_refusal_names_the_type_that_would_fit(free_bytes):
    free_bytes(25_000_000_000)

    with pytest.raises(SlmbenchError, match=r"44\.5 GB.*25\.0 GB are free here: --dtype bf16 takes 22\.8 GB"):
        profile_architecture(find_architecture("flan-t5-xxl"), options())


def test_what_just_fits_is_not_refused(free_bytes):
    needed = needs(BERT).needed_bytes
    free_bytes(needed)
    assert needs(BERT).fits is True
    free_bytes(needed - 1)
    assert needs(BERT).fits is False


@pytest.mark.parametrize("cached", ["inactive_file", "total_inactive_file"])
def test_files_that_a_container_has_read_do_not_take_its_memory(tmp_path, monkeypatch, cached):
    told = {"memory.max": "8_000_000_000", "memory.current": "6_000_000_000"}
    for name, value in told.items():
        (tmp_path / name).write_text(f"{int(value)}\n")
    monkeypatch.setattr(sizing, "_CONTROL_GROUPS", [tuple(str(tmp_path / name) for name in told)])
    monkeypatch.setattr(sizing.psutil, "virtual_memory", lambda: SimpleNamespace(available=64_000_000_000))

    assert needs(BERT).available_bytes == 2_000_000_000
    (tmp_path / "memory.stat").write_text(f"anon 1000000000\nfile 5000000000\n{cached} 4500000000\n")
    assert needs(BERT).available_bytes == 6_500_000_000


@pytest.fixture(scope="module")
def bert_record(tmp_path_factory):
    """A profile in a process of its own."""
    return profile_architecture(BERT, options(batch_size=2), ceiling=CEILING)


@pytest.fixture
def in_this_process(monkeypatch):
    """Answer as the child does: importing transformers once more for every model would take most of the time."""

    def answer(module, request, **_):
        written = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(json.dumps(request) + "\n"))
            patch.setattr(sys, "stdout", written)
            importlib.import_module(module).main()
        return json.loads(written.getvalue())

    monkeypatch.setattr(random_weights, "ask_child", answer)
    monkeypatch.setattr(random_weights, "machine_ceiling", lambda *_, **__: CEILING)


def check(record, batch_size):
    assert [timing.tokens for timing in record.timings] == [8, 16]
    for timing in record.timings:
        assert timing.samples_ms  # how many fit into the time limit depends on what else runs
        low, high = timing.ci95_ms or (timing.p50_ms, timing.p50_ms)
        assert low <= timing.p50_ms <= high
        assert timing.peak_bytes is None or timing.peak_bytes >= record.loaded_bytes >= record.runtime_bytes > 0
        assert timing.roofline.macs == batch_size * record.arithmetic.full.at(timing.tokens)
    # No second warning: transformers made as many parameters as were computed.
    (warning,) = record.warnings
    assert "random weights" in warning and "accuracy" in warning


def test_a_profile_has_times_and_memory_and_what_of_the_ceiling_was_reached(bert_record):
    check(bert_record, batch_size=2)
    for timing in bert_record.timings:
        # The ceiling is 2e9 operations in 0.01 s.
        assert timing.roofline.achieved == pytest.approx(2 * timing.roofline.macs / timing.p50_ms * 1e3 / 2e11)


def test_a_profile_says_that_weights_are_random_and_has_no_accuracy(bert_record):
    assert bert_record.weights == "random"
    document = bert_record.model_dump_json(by_alias=True)
    assert '"schema":"slmbench.architecture/1"' in document
    assert not re.search(r'"[^"]*accuracy"\s*:', document)


@pytest.mark.parametrize(
    ("model", "task", "dtype"),
    [(T5, "generation", "fp32"), (T5, "classification", "fp32"), (GPT2, "generation", "bf16")],
)
def test_language_models_generate_or_classify(model, task, dtype, in_this_process, tmp_path):
    record = profile_architecture(model, options(task=task, dtype=dtype), output=tmp_path)

    check(record, batch_size=1)
    assert (record.task, record.dtype) == (task, dtype)
    # The ceiling of bf16 is not known.
    assert all((timing.roofline.achieved is None) == (dtype == "bf16") for timing in record.timings)
    assert read_record(ArchitectureRecord, tmp_path / f"{record.name}.json").timings == record.timings


def test_what_is_measured_otherwise_has_a_place_of_its_own(in_this_process, tmp_path, monkeypatch):
    quick = {"lengths": (8,), "time_limit_s": 0.001}
    for changes in ({}, {"batch_size": 2}, {"threads": 2}, {"batch_size": 2}):
        profile_architecture(BERT, options(**quick, **changes), output=tmp_path)
    elsewhere = {**random_weights.hardware_fingerprint(), "fingerprint": "0123456789abcdef"}
    monkeypatch.setattr(random_weights, "hardware_fingerprint", lambda: elsewhere)
    profile_architecture(BERT, options(**quick), output=tmp_path)

    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task": "generation"}, "cannot be profiled at generation: choose classification"),
        ({"device": "tpu"}, "there is no device 'tpu' for architectures"),
        ({"dtype": "int4"}, "there is no type 'int4'"),
        ({"lengths": (8, 67)}, "has positions for 66 tokens, not for 67"),
        ({"lengths": (0,)}, "must be 1 or more"),
        ({"batch_size": 0}, "must be 1 or more"),
    ],
)
def test_options_that_make_no_sense(changes, says):
    with pytest.raises(UsageError, match=says):
        profile_architecture(BERT, options(**changes))


def test_a_gpu_that_is_not_there(in_this_process):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SlmbenchError, match="there is no device 'cuda' here; available: cpu"):
        profile_architecture(BERT, options(device="cuda"))


def test_two_positions_of_roberta_are_never_used():
    with pytest.raises(UsageError, match="has positions for 512 tokens, not for 513"):
        profile_architecture(find_architecture("roberta-large"), options(lengths=(513,)))


def test_views_say_what_a_person_has_to_know(bert_record, free_bytes):
    free_bytes(30_000_000_000)
    model = find_architecture("google/flan-t5-xxl")
    lines = arithmetic_lines(model, needs(model, tokens=512))
    console = Console(width=200, record=True)
    console.print(*architecture_view(bert_record))
    text = console.export_text()

    assert "11,135,332,352 parameters" in lines[0]
    assert lines[1] == "weights: 44.54 GB in fp32, 22.27 GB in bf16, 11.14 GB in int8"
    assert lines[-1].endswith("30.00 GB free")
    assert "random weights, accuracy unknown" in text
    assert "ceiling" in text
    assert "accuracy is unknown" in text
