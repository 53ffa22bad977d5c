"""The shipped configurations: parameters as published, operations and bytes as study 003 counted them."""

import pytest

from slmbench.common.errors import UsageError
from slmbench.profiling.architectures import architecture_names, find_architecture
from slmbench.profiling.architectures.families import answer_tokens, blueprint

#: Parameters with a head of two labels: as the studies counted them (DistilBERT, ALBERT, ELECTRA) and as transformers
#: counts what the hub holds.
CLASSIFIERS = {
    "distilbert-base-uncased": 66_955_010,
    "distilbert-base-cased": 65_783_042,
    "bert-base-uncased": 109_483_778,
    "bert-base-cased": 108_311_810,
    "albert-base-v2": 11_685_122,
    "google/electra-base-discriminator": 109_483_778,
    "xlnet-base-cased": 117_310_466,
    "roberta-large": 355_361_794,
    "gpt2": 124_441_344,
    "minilm-l6": 22_713_986,
    "microsoft/mpnet-base": 109_488_002,
    "bert-tiny": 4_386_178,
}
#: Parameters of language models; of the two largest as study 003 gives them.
GENERATORS = {
    "gpt2": 124_439_808,
    "google/flan-t5-small": 76_961_152,
    "google/flan-t5-base": 247_577_856,
    "google/flan-t5-large": 783_150_080,
    "google/flan-t5-xl": 2_849_757_184,
    "google/flan-t5-xxl": 11_135_332_352,
    "google/flan-ul2": 19_459_613_696,
}
#: Study 003's table of memory and FLOPs: fp32 weights in MiB, thop's MACs at 8 tokens and parameters in millions.
STUDY_003 = {
    "distilbert-base-uncased": (255, 340.649, 43.121),
    "google/electra-base-discriminator": (418, 680.683, 85.648),
    "google/flan-t5-xxl": (42_478, 86_990, 10_888),
    "google/flan-ul2": (74_233, 154_636, 19_344),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_its_published_parameters(name):
    assert blueprint(find_architecture(name), "classification").parameters == CLASSIFIERS[name]


@pytest.mark.parametrize("name", GENERATORS)
def test_a_language_model_has_its_published_parameters(name):
    assert blueprint(find_architecture(name), "generation").parameters == GENERATORS[name]


def test_every_configuration_is_held_against_a_published_number():
    checked = {find_architecture(name).name for name in (*CLASSIFIERS, *GENERATORS)}
    assert checked == set(architecture_names())


@pytest.mark.parametrize(("name", "task"), [(n, t) for n in architecture_names() for t in find_architecture(n).tasks])
def test_transformers_makes_the_same_of_a_configuration(name, task):
    import torch
    import transformers

    model = find_architecture(name)
    config = transformers.AutoConfig.for_model(model.model_type, **model.config, num_labels=2)
    language = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    auto = transformers.AutoModelForSequenceClassification if task == "classification" else language
    with torch.device("meta"):
        made = auto.from_config(config)
    made.tie_weights()
    assert blueprint(model, task).parameters == sum(parameter.numel() for parameter in made.parameters())


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("google/electra-base-discriminator", "classification"),
        ("microsoft/mpnet-base", "classification"),
        ("google/flan-t5-small", "generation"),
        ("google/flan-t5-xxl", "generation"),
    ],
)
def test_torch_counts_the_same_operations_where_a_model_runs_without_values(name, task):
    import torch
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    model = find_architecture(name)
    config = transformers.AutoConfig.for_model(model.model_type, **model.config, num_labels=2)
    kind = "AutoModelForSequenceClassification" if task == "classification" else "AutoModelForSeq2SeqLM"
    with torch.device("meta"):
        made = getattr(transformers, kind).from_config(config).eval()
    for tokens in (8, 64):
        ids = torch.zeros((1, tokens), dtype=torch.long, device="meta")
        more = {"decoder_input_ids": ids[:, :1], "use_cache": False} if task == "generation" else {}
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            made(input_ids=ids, attention_mask=torch.ones_like(ids), **more)
        macs = blueprint(model, task).full(answer_tokens(model, task)).at(tokens)
        assert counter.get_total_flops() == 2 * macs


@pytest.mark.parametrize("name", STUDY_003)
def test_study_003_counted_the_same(name):
    mebibytes, macs, parameters = STUDY_003[name]
    model = find_architecture(name)
    # It loaded the large ones as language models, and gave thop all four with a classification head.
    assert round(4 * blueprint(model, model.tasks[0]).parameters / 2**20) == mebibytes
    plan, answer = blueprint(model, "classification"), answer_tokens(model, "classification")
    # thop counts linear layers, and of a layer norm four operations a number.
    counted = plan.linear(answer).at(8) + 4 * 8 * plan.normalised
    digits = 3 if macs < 1000 else 0
    assert round(counted / 1e6, digits) == macs
    own_norm = 0 if plan.normalised else plan.vectors
    # Tables are not layers, and neither are the norms of T5; the norm over DistilBERT's embeddings is one.
    assert round((plan.parameters_without_embeddings - own_norm) / 1e6, digits) == parameters


def test_bert_base_by_the_formula():
    plan = blueprint(find_architecture("bert-base-uncased"), "classification")
    answer = answer_tokens(find_architecture("bert-base-uncased"), "classification")
    for tokens in (128, 512):
        weights = 12 * (4 * 768**2 + 2 * 768 * 3072) * tokens + 768**2 + 768 * 2
        assert plan.linear(answer).at(tokens) == weights
        assert plan.full(answer).at(tokens) == weights + 12 * 2 * tokens**2 * 768
    # As the literature has it: 22.4 GFLOPs at 128 tokens, 96.6 at 512.
    assert round(2 * plan.full(answer).at(128) / 1e9, 1) == 22.3
    assert round(2 * plan.full(answer).at(512) / 1e9, 1) == 96.6


def test_generating_a_token_reads_the_review_once_and_classifying_with_t5_twice():
    model = find_architecture("google/flan-t5-small")
    layers, width, projected, inner = 8, 512, 384, 1024
    encoder = layers * (4 * width * projected + 3 * width * inner)
    step = layers * (6 * width * projected + 3 * width * inner) + width * 32128
    made_of_the_review = layers * 2 * width * projected

    work = blueprint(model, "generation").full(answer_tokens(model, "generation"))

    assert work.const == step + layers * 2 * projected
    assert work.per_token == encoder + made_of_the_review + layers * 2 * projected
    assert work.per_token2 == layers * 2 * projected
    twice = blueprint(model, "classification").full(answer_tokens(model, "classification"))
    assert twice.per_token2 == 3 * layers * 2 * projected


def test_models_are_found_by_any_of_their_names():
    assert find_architecture("BERT-base-uncased") is find_architecture("google-bert/bert-base-uncased")
    assert find_architecture("flan-t5-xxl").name == "google/flan-t5-xxl"
    assert find_architecture("siebert/sentiment-roberta-large-english").name == "FacebookAI/roberta-large"
    for name in architecture_names():
        assert find_architecture(name).source == f"https://huggingface.co/{name}/blob/main/config.json"
    with pytest.raises(UsageError, match=r"'bert-bas-uncased'.* did you mean 'bert-base-uncased'\?"):
        find_architecture("bert-bas-uncased")
