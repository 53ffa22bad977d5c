"""The script for GPUs, on the CPU with tiny models: its ways answer alike, and its whole path runs."""

import json

import gpu
import pytest
import torch
import transformers
from gpu_ways import Batch, NotHereError, bert_packed, cuda_graphs, onnx_cuda, padded
from tiny import configuration


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return transformers.BertForSequenceClassification(configuration("bert")).eval()


@pytest.mark.parametrize("lengths", [[3, 40, 1, 17], [64], [5]])
def test_all_ways_give_the_same_logits(model, lengths):
    draw = torch.Generator().manual_seed(1)
    batch = Batch([torch.randint(5, 130, (length,), generator=draw).tolist() for length in lengths])
    with torch.inference_mode():
        plain = torch.cat([model(torch.tensor([ids])).logits for ids in batch.ids])
        for way in (padded(model, "cpu"), bert_packed(model, "cpu"), cuda_graphs(model, "cpu", 256)):
            assert torch.allclose(way(batch), plain, atol=1e-5)


def test_what_is_not_here_is_said(model, tmp_path):
    other = transformers.AutoModelForSequenceClassification.from_config(configuration("distilbert"))
    with pytest.raises(NotHereError, match="distilbert"):
        bert_packed(other, "cpu")
    with pytest.raises(NotHereError, match="onnx"):
        onnx_cuda(tmp_path / "model.onnx", 0, "cpu")


def test_the_whole_path(tmp_path, capsys):
    words = ["--device", "cpu", "--tiny", "--without", "fp16", "compiled", "graphs", "--output", str(tmp_path)]
    document = gpu.main(words)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text()) == json.loads(json.dumps(document))
    ways = {way["name"]: way for way in document["ways"]}
    assert {name for name, way in ways.items() if way["reason"]} == {"ONNX Runtime model"}
    assert ways["torch padded fp32"]["other_labels"] == 0
    for way in ways.values():
        assert way["reason"] or len(way["seconds"]) == gpu.TINY.rounds
    assert document["aims"]["aim"] == gpu.FASTER
    assert [row["reason"] for row in document["study_003"]] == [None] * 6
    shown = capsys.readouterr().out
    assert all(name in shown for name in ways)
