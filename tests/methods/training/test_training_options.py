"""What is chosen when nothing is said, and what is refused before anything is loaded."""

import pytest

from slmbench.common.errors import UsageError
from slmbench.methods.training import TrainingOptions, finetune


def test_the_rate_of_full_fine_tuning_falls_with_the_width():
    rates = [TrainingOptions().for_model("bert", width).learning_rate for width in (128, 384, 768)]
    assert rates == [3e-4, 1e-4, 3e-5]


@pytest.mark.parametrize(("model_type", "targets"), [("albert", ("ffn",)), ("distilbert", ("q_lin",))])
def test_lora_of_albert_and_distilbert_takes_the_recipe_of_study_001(model_type, targets):
    chosen = TrainingOptions(method="lora").for_model(model_type, 768)
    assert chosen.lora_targets == targets
    assert (chosen.lora_r, chosen.lora_alpha, chosen.lora_dropout) == (4, 32, 0.01)
    assert (chosen.learning_rate, chosen.batch_size, chosen.epochs, chosen.weight_decay) == (1e-3, 4, 10, 0.01)
    assert (chosen.max_length, chosen.truncation_side, chosen.select_by) == (512, "left", "loss")


def test_lora_of_other_architectures_adapts_query_and_value():
    assert TrainingOptions(method="lora").for_model("bert", 384).lora_targets == ("query", "value")
    assert TrainingOptions(method="lora").for_model("mpnet", 768).lora_targets == ("attn.q", "attn.v")


def test_what_was_chosen_stays():
    chosen = TrainingOptions(
        method="lora",
        epochs=1,
        learning_rate=0.5,
        batch_size=2,
        max_length=9,
        dropout=0.3,
        lora_r=1,
        lora_targets=("x",),
    )
    found = chosen.for_model("albert", 768)
    assert {name: getattr(found, name) for name in ("epochs", "learning_rate", "batch_size", "max_length")} == {
        "epochs": 1,
        "learning_rate": 0.5,
        "batch_size": 2,
        "max_length": 9,
    }
    assert (found.dropout, found.lora_r, found.lora_targets) == (0.3, 1, ("x",))


def test_lora_of_an_unknown_architecture_has_to_name_its_targets():
    with pytest.raises(UsageError, match="no default LoRA targets are known for architecture 'gpt9'.*--lora-targets"):
        TrainingOptions(method="lora").for_model("gpt9", 768)
    assert TrainingOptions(method="lora", lora_targets=("w",)).for_model("gpt9", 768).lora_targets == ("w",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "magic"}, "'magic'.*full, lora, linear, space, pretrained, tfidf"),
        ({"epochs": 0}, "--epochs must be above 0, not 0"),
        ({"learning_rate": -1e-3}, "--lr must be above 0"),
        ({"batch_size": 0}, "--batch-size.*at least 1, not 0"),
        ({"max_length": -1}, "--max-length.*not -1"),
        ({"layers": 0}, "--layers.*not 0"),
        ({"method": "lora", "lora_r": 0}, "--lora-r .*not 0"),
        ({"method": "lora", "lora_alpha": 0}, "--lora-alpha.*not 0"),
        ({"dropout": 1.0}, "--dropout must be at least 0 and below 1"),
        ({"method": "lora", "lora_dropout": -0.1}, "--lora-dropout must be at least 0 and below 1"),
    ],
)
def test_values_out_of_range(changes, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        finetune("no model is looked for", None, TrainingOptions(**changes), output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": "tfidf", "epochs": 7}, "--epochs .*'tfidf'"),
        ({"method": "tfidf", "report_to": "wandb"}, "--report-to .*'tfidf'"),
        ({"method": "full", "lora_r": 4}, "--lora-r .*'full'"),
        ({"epochs": float("nan")}, "--epochs must be above 0"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"max_length": 1}, "--max-length must be at least 4"),
    ],
)
def test_options_that_would_be_passed_over_or_make_no_sense(changes, match):
    with pytest.raises(UsageError, match=match):
        TrainingOptions(**changes)
