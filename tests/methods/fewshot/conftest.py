"""Tiny language models whose tokenizers know the reviews, the prompts and the labels."""

import pytest
import torch
from learnable import reviews
from tiny import language_model_folder

from slmbench.corpora import load_corpus
from slmbench.methods.declarations.fewshot import DEFAULT_PROMPT
from slmbench.methods.fewshot.prompting.prompts import build_frame

LABELS = ["negative", "positive"]


@pytest.fixture(scope="session")
def prompt_texts():
    """What the tokenizers of the tiny language models learn."""
    own = [f"{text}\nCategory: {label}\n\n" for text, label in reviews(["negative", "positive"], 60)]
    return [*own, DEFAULT_PROMPT, "Sentence: neutral\n", *["negative positive neutral"] * 5]


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory, prompt_texts):
    """``tiny_lm(kind)``: the folder of a tiny random Llama, GPT-2 or T5."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = language_model_folder(tmp_path_factory.mktemp("lm") / f"tiny-{kind}", kind, prompt_texts)
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def taught_lm(tmp_path_factory, tiny_lm):
    """The folder of a tiny Llama that learned to answer the built-in prompt, mostly right."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_lm("llama"))
    model = AutoModelForCausalLM.from_pretrained(tiny_lm("llama"))
    frame = build_frame(DEFAULT_PROMPT, LABELS)
    rows = [
        (
            tokenizer(frame.around(text))["input_ids"],
            tokenizer(f" {label}</s>", add_special_tokens=False)["input_ids"],
        )
        for text, label in reviews(LABELS, 200, seed=5)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    torch.manual_seed(0)
    for _ in range(6):
        for batch in torch.randperm(len(rows)).view(-1, 20).tolist():
            longest = max(len(prompt) + len(answer) for prompt, answer in (rows[row] for row in batch))
            ids = torch.full((len(batch), longest), 2)
            labels = torch.full((len(batch), longest), -100)
            for place, row in enumerate(batch):
                prompt, answer = rows[row]
                ids[place, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
                labels[place, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
            model(input_ids=ids, attention_mask=(ids != 2).long(), labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("lm") / "taught-llama"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def lm_corpus(small_corpus_file):
    """A corpus of the small reviews with 24 test rows."""
    return load_corpus(str(small_corpus_file), train_size=60, test_size=24)
