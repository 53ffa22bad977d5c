"""GGUF files: a tiny Llama written as one, read back as the model it was, its tokenizer as the file says."""

import numpy as np
import pytest
import torch
from starter_helpers import fetch_or_skip
from transformers import AutoModelForCausalLM, AutoTokenizer

from slmbench.common.errors import SlmbenchError
from slmbench.corpora import load_corpus
from slmbench.methods.declarations.fewshot import PROMPT
from slmbench.methods.fewshot import fewshot
from slmbench.methods.fewshot.prompting.language_models import load_language_model
from slmbench.models.model_files import find_language_model

gguf = pytest.importorskip("gguf")
_PLACES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(source, path, *, kind=None, **facts):
    """Write a Llama folder as GGUF, its matrices as they are or quantized to a kind."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_vocab_size(config.vocab_size)
    backend = __import__("json").loads(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(backend["model"]["vocab"], key=backend["model"]["vocab"].get))
    writer.add_token_types([3] * 3 + [1] * (config.vocab_size - 3))
    writer.add_token_merges([" ".join(pair) for pair in backend["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    for name, value in facts.items():
        getattr(writer, name)(value)
    for name, tensor in model.model.named_parameters():
        values = tensor.detach().numpy()
        place = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}.get(name)
        if name.startswith("layers."):
            _, layer, rest = name.split(".", 2)
            rest = rest.removesuffix(".weight")
            place = f"blk.{layer}.{_PLACES[rest]}.weight"
            if rest in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = config.num_attention_heads if rest[10] == "q" else config.num_key_value_heads
                rows, columns = values.shape
                values = values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        raw = kind is not None and values.ndim == 2
        values = gguf.quantize(values, kind) if raw else values.astype(np.float32)
        writer.add_tensor(place, values, raw_dtype=kind if raw else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_the_model_it_was_made_from(tiny_lm, tmp_path):
    path = write_gguf(tiny_lm("llama"), tmp_path / "tiny.gguf", add_add_bos_token=False)
    files = find_language_model(str(path))
    assert (files.folder, files.gguf, files.source) == (tmp_path, "tiny.gguf", "directory")
    loaded = load_language_model(files, "cpu")
    plain = AutoModelForCausalLM.from_pretrained(tiny_lm("llama"))
    ids = loaded.tokenizer("the film was good", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(ids).logits, plain(ids).logits, atol=1e-4, rtol=1e-4)
    assert loaded.notes == ()
    assert loaded.positions == 256


@pytest.mark.parametrize("adds", [True, False])
def test_its_tokenizer_adds_a_begin_token_only_where_the_file_says_so(tiny_lm, tmp_path, adds):
    path = write_gguf(tiny_lm("llama"), tmp_path / "tiny.gguf", add_add_bos_token=adds)
    tokenizer = load_language_model(find_language_model(str(path)), "cpu").tokenizer
    wanted = AutoTokenizer.from_pretrained(tiny_lm("llama"))
    assert tokenizer("a good film")["input_ids"] == wanted("a good film")["input_ids"][0 if adds else 1 :]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "<pad>")
    assert tokenizer.decode(tokenizer(" é film")["input_ids"], skip_special_tokens=True) == " é film"


def test_a_quantized_file_says_so_in_the_record(taught_lm, lm_corpus, tmp_path):
    path = write_gguf(taught_lm, tmp_path / "tiny-Q8_0.gguf", kind=gguf.GGMLQuantizationType.Q8_0)
    run = fewshot(str(path), lm_corpus, PROMPT.choose({"device": "cpu"}), output=tmp_path / "run")
    assert "8 bit (tiny-Q8_0.gguf)" in run.notes[0]
    assert run.test.accuracy > 0.8


def test_a_damaged_file_is_one_sentence(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nothing")
    with pytest.raises(SlmbenchError, match=r"the GGUF file bad\.gguf cannot be read") as raised:
        load_language_model(find_language_model(str(tmp_path / "bad.gguf")), "cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_smollm2_on_imdb(tmp_path):
    fetch_or_skip("smollm2-135m", "imdb")
    corpus = load_corpus("imdb", train_size=20, test_size=4)
    # Calibrated, for a plain run would write the half gigabyte of its classifier.
    options = PROMPT.choose({"answer_by": "calibrated", "max_length": 32, "device": "cpu"})
    run = fewshot("smollm2-135m", corpus, options, output=tmp_path / "run")
    assert "4 bit" in run.notes[0]
    assert (run.model_source, run.base_license, run.architecture) == ("starter", "Apache-2.0", "llama")
    assert run.details["scored_by"] == "first token"
    assert 134e6 < run.total_parameters < 135e6
