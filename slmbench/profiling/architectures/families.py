"""The blueprint of each family, computed from its configuration by hand.

Why not torch's meta device with its FLOP counter: requirements are computed also where torch is not installed, as
polynomials that hold at every length, and most of these models do not run on the meta device (BERT, DistilBERT,
ALBERT, RoBERTa, GPT-2, XLNet and T5's classification head read values, which tensors there do not have). Tests
compare these sums with torch: parameters of every configuration, operations of those that run (ELECTRA, MPNet, T5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from slmbench.profiling.architectures.blueprint import Attention, Blueprint, Product
from slmbench.profiling.architectures.configurations import PublishedModel, Task
from slmbench.records.roofline import Polynomial

if TYPE_CHECKING:
    Config = Mapping[str, Any]


def blueprint(model: PublishedModel, task: Task, labels: int = 2) -> Blueprint:
    """Return what a model consists of.

    Args:
        model: From :func:`slmbench.profiling.architectures.find_architecture`.
        task: One of its tasks; it decides the head.
        labels: Labels of a classification head.
    """
    return _FAMILIES[model.model_type](model.config, task, labels)


def answer_tokens(model: PublishedModel, task: Task) -> Polynomial:
    """Return how many tokens a decoder reads for a review of n tokens.

    One where a token is generated; a T5 with a classification head reads the review once more.
    """
    twice = model.model_type == "t5" and task == "classification"
    return Polynomial(per_token=1) if twice else Polynomial(const=1)


def _head(*widths: int) -> tuple[Product, ...]:
    """Return layers over one vector of the review."""
    return tuple(Product(a, b, "review") for a, b in pairwise(widths))


def _encoder(
    width: int,
    inner: int,
    layers: int,
    heads: int,
    embedding: int,
    tables: tuple[int, ...],
    head: tuple[Product, ...],
    *,
    stored: int | None = None,
    extra_tables: tuple[tuple[int, int], ...] = (),
) -> Blueprint:
    """Return an encoder of BERT's kind: one normalisation on the embeddings and two a layer, biases everywhere.

    Args:
        width: Of the hidden states.
        inner: Of the feed-forward layers.
        layers: How many layers are applied.
        heads: Attention heads.
        embedding: Width of the embeddings; a product widens them where they are narrower.
        tables: Rows of the tables of embeddings.
        head: Layers above the encoder.
        stored: How many layers have weights of their own; all when not given.
        extra_tables: Tables of other widths.
    """
    stored = layers if stored is None else stored
    return Blueprint(
        products=(
            *(() if embedding == width else (Product(embedding, width),)),
            Product(width, width, applied=4 * layers, stored=4 * stored),
            Product(width, inner, applied=layers, stored=stored),
            Product(inner, width, applied=layers, stored=stored),
            *head,
        ),
        attention=(Attention(layers, 2 * width),),
        tables=(*((rows, embedding) for rows in tables), *extra_tables),
        vectors=2 * embedding + 2 * 2 * width * stored,
        width=width,
        inner=inner,
        projected=3 * width,
        heads=heads,
        normalised=embedding + 2 * width * layers,
    )


def _bertlike(
    c: Config, head: tuple[Product, ...], *, stored: int | None = None, relative: int | None = None
) -> Blueprint:
    heads = c["num_attention_heads"]
    tables = (c["vocab_size"], c["max_position_embeddings"], *((c["type_vocab_size"],) if relative is None else ()))
    return _encoder(
        c["hidden_size"],
        c["intermediate_size"],
        c["num_hidden_layers"],
        heads,
        c.get("embedding_size", c["hidden_size"]),
        tables,
        head,
        stored=stored,
        extra_tables=() if relative is None else ((relative, heads),),
    )


def _bert(c: Config, _: Task, labels: int) -> Blueprint:
    return _bertlike(c, _head(c["hidden_size"], c["hidden_size"], labels))


def _albert(c: Config, _: Task, labels: int) -> Blueprint:
    stored = c["num_hidden_groups"] * c["inner_group_num"]
    return _bertlike(c, _head(c["hidden_size"], c["hidden_size"], labels), stored=stored)


def _mpnet(c: Config, _: Task, labels: int) -> Blueprint:
    head = _head(c["hidden_size"], c["hidden_size"], labels)
    return _bertlike(c, head, relative=c["relative_attention_num_buckets"])


def _distilbert(c: Config, _: Task, labels: int) -> Blueprint:
    width, tables = c["dim"], (c["vocab_size"], c["max_position_embeddings"])
    return _encoder(width, c["hidden_dim"], c["n_layers"], c["n_heads"], width, tables, _head(width, width, labels))


def _xlnet(c: Config, _: Task, labels: int) -> Blueprint:
    """XLNet compares queries with keys and with relative positions, which have a matrix of their own."""
    width, inner, layers, heads = c["d_model"], c["d_inner"], c["n_layer"], c["n_head"]
    # A layer: biases of three kinds of scores, two segment vectors, two normalisations; all share one mask vector.
    vectors = layers * (3 * width + 2 * width + 2 * 2 * width) + width
    return Blueprint(
        products=(
            Product(width, width, bias=False, applied=4 * layers, stored=4 * layers),
            Product(width, width, "position", bias=False, applied=layers, stored=layers),
            Product(width, inner, applied=layers, stored=layers),
            Product(inner, width, applied=layers, stored=layers),
            *_head(width, width, labels),
        ),
        attention=(Attention(layers, 2 * width), Attention(layers, width, keys="position")),
        tables=((c["vocab_size"], width),),
        vectors=vectors,
        width=width,
        inner=inner,
        # Keys of the relative positions are twice as many as tokens, and so are the scores against them.
        projected=5 * width,
        heads=2 * heads,
        normalised=2 * width * layers,
    )


def _gpt2(c: Config, task: Task, labels: int) -> Blueprint:
    width, layers, words = c["n_embd"], c["n_layer"], c["vocab_size"]
    classifies = task == "classification"
    # The head is applied to every token; the words' table serves as the output layer, for the last token only.
    head = Product(width, labels, bias=False) if classifies else Product(width, words, "review", bias=False, stored=0)
    return Blueprint(
        products=(
            Product(width, width, applied=4 * layers, stored=4 * layers),
            Product(width, 4 * width, applied=layers, stored=layers),
            Product(4 * width, width, applied=layers, stored=layers),
            head,
        ),
        attention=(Attention(layers, 2 * width),),
        tables=((words, width), (c["n_positions"], width)),
        vectors=2 * width * (2 * layers + 1),
        width=width,
        inner=4 * width,
        projected=3 * width,
        heads=c["n_head"],
        normalised=width * (2 * layers + 1),
    )


def _t5(c: Config, task: Task, labels: int) -> Blueprint:
    width, inner, words, heads = c["d_model"], c["d_ff"], c["vocab_size"], c["num_heads"]
    projected = heads * c["d_kv"]
    encoder, decoder = c["num_layers"], c["num_decoder_layers"]

    def into(layers: int, matrices: int, rows: Any) -> Product:
        """Queries, keys or values of so many layers."""
        return Product(width, projected, rows, bias=False, applied=matrices * layers, stored=matrices * layers)

    def out(layers: int, matrices: int, rows: Any) -> Product:
        return Product(projected, width, rows, bias=False, applied=matrices * layers, stored=matrices * layers)

    def feed_forward(layers: int, rows: Any) -> tuple[Product, Product]:
        """Gated: two matrices in, one out."""
        return (
            Product(width, inner, rows, bias=False, applied=2 * layers, stored=2 * layers),
            Product(inner, width, rows, bias=False, applied=layers, stored=layers),
        )

    if task == "classification":
        head = _head(width, width, labels)
    else:
        head = (Product(width, words, "answer", bias=False, stored=0 if c["tie_word_embeddings"] else 1),)
    return Blueprint(
        products=(
            into(encoder, 3, "token"),
            out(encoder, 1, "token"),
            *feed_forward(encoder, "token"),
            # A decoder layer has its own queries, keys and values, and queries to the encoder; the keys and values
            # for those are made of the review.
            into(decoder, 4, "answer"),
            into(decoder, 2, "token"),
            out(decoder, 2, "answer"),
            *feed_forward(decoder, "answer"),
            *head,
        ),
        attention=(
            Attention(encoder, 2 * projected),
            Attention(decoder, 2 * projected, "answer", "answer"),
            Attention(decoder, 2 * projected, "answer", "token"),
        ),
        # Words once, and a bias for every distance and head in the first layer of either stack.
        tables=((words, width), (2 * c["relative_attention_num_buckets"], heads)),
        vectors=width * (2 * encoder + 1 + 3 * decoder + 1),
        width=width,
        inner=2 * inner,
        projected=3 * projected,
        heads=heads,
    )


_FAMILIES: dict[str, Callable[[Config, Task, int], Blueprint]] = {
    "bert": _bert,
    "distilbert": _distilbert,
    "albert": _albert,
    "electra": _bert,
    "roberta": _bert,
    "mpnet": _mpnet,
    "xlnet": _xlnet,
    "gpt2": _gpt2,
    "t5": _t5,
}
