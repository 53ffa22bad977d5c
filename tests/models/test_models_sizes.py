"""Parameter counts against arithmetic."""

from tiny import configuration

from slmbench.models import count_parameters

VOCABULARY, WIDTH, POSITIONS, INNER = 130, 32, 66, 64


def classifier(kind, **changes):
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_config(configuration(kind, num_labels=2, **changes))


def linear(inputs, outputs):
    return inputs * outputs + outputs


def test_a_bert():
    tables = (VOCABULARY + POSITIONS + 2) * WIDTH
    norm = 2 * WIDTH
    layer = 4 * linear(WIDTH, WIDTH) + norm + linear(WIDTH, INNER) + linear(INNER, WIDTH) + norm
    head = linear(WIDTH, WIDTH) + linear(WIDTH, 2)
    counts = count_parameters(classifier("bert"))
    assert counts.total == counts.trainable == tables + norm + 2 * layer + head
    assert counts.without_embeddings == counts.total - tables


def test_layers_that_share_their_weights_count_once():
    two, twelve = (count_parameters(classifier("albert", num_hidden_layers=layers)) for layers in (2, 12))
    assert two == twelve
    assert two.total - two.without_embeddings == (VOCABULARY + POSITIONS + 2) * 16
    one, four = (count_parameters(classifier("bert", num_hidden_layers=layers)).total for layers in (1, 4))
    assert four > one


def test_tied_tables_count_once():
    from transformers import BertForMaskedLM

    model = BertForMaskedLM(configuration("bert"))
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    counts = count_parameters(model)
    by_hand = {id(weights): weights.numel() for _, weights in model.named_parameters(remove_duplicate=False)}
    assert counts.total == sum(by_hand.values())
    assert counts.total - counts.without_embeddings == (VOCABULARY + POSITIONS + 2) * WIDTH


def test_frozen_parameters_are_not_trainable():
    model = classifier("bert")
    for parameter in model.base_model.parameters():
        parameter.requires_grad = False
    counts = count_parameters(model)
    assert counts.trainable == linear(WIDTH, 2)
    assert counts.total > counts.trainable
