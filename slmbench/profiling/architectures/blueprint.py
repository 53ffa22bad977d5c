"""A model as matrices, tables and vectors, from which its parameters and operations follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from slmbench.records.roofline import Polynomial

#: Rows that a product multiplies: tokens of the review, XLNet's relative positions (two per token), tokens of the
#: answer, or one row for the review.
Rows = Literal["token", "position", "answer", "review"]


@dataclass(frozen=True)
class Product:
    """A product with a constant matrix.

    Attributes:
        inputs: Rows of the matrix.
        outputs: Its columns.
        rows: Rows that are multiplied with it.
        bias: Whether a vector is added.
        applied: Number of layers that multiply with such a matrix.
        stored: Number of such matrices: one where all layers share it, none where it is a table.
    """

    inputs: int
    outputs: int
    rows: Rows = "token"
    bias: bool = True
    applied: int = 1
    stored: int = 1

    @property
    def parameters(self) -> int:
        """Parameters of all of them."""
        return self.stored * (self.inputs + self.bias) * self.outputs


@dataclass(frozen=True)
class Attention:
    """Products of two activations: attention scores, and their product with the values.

    Attributes:
        applied: Number of layers that have it.
        width: Multiplications for every pair of a query and a key.
        queries: Rows of the queries.
        keys: Rows of the keys.
    """

    applied: int
    width: int
    queries: Rows = "token"
    keys: Rows = "token"


@dataclass(frozen=True)
class Blueprint:
    """A model with its head.

    Attributes:
        products: Products with constant matrices.
        attention: Products of two activations.
        tables: Rows and columns of the embedding tables.
        vectors: Parameters of normalisations and other vectors.
        width: Width of the hidden states.
        inner: Width of the hidden activations of a feed-forward layer.
        projected: Width of queries, keys and values together.
        heads: Attention heads.
        normalised: Values per token that ``torch.nn.LayerNorm`` normalises; T5 has a normalisation of its own.
    """

    products: tuple[Product, ...]
    attention: tuple[Attention, ...]
    tables: tuple[tuple[int, int], ...]
    vectors: int
    width: int
    inner: int
    projected: int
    heads: int
    normalised: int = 0

    @property
    def parameters_without_embeddings(self) -> int:
        """All parameters but those of the tables."""
        return sum(product.parameters for product in self.products) + self.vectors

    @property
    def parameters(self) -> int:
        """All parameters; shared ones count once."""
        return self.parameters_without_embeddings + sum(rows * columns for rows, columns in self.tables)

    def linear(self, answer: Polynomial) -> Polynomial:
        """Count products with constant matrices, in MACs of one review.

        Args:
            answer: Number of tokens of the answer, as a polynomial of the tokens of the review.
        """
        counts = _counts(answer)
        return sum((_times(counts[p.rows], p.applied * p.inputs * p.outputs) for p in self.products), Polynomial())

    def full(self, answer: Polynomial) -> Polynomial:
        """Count all products, in MACs of one review; see :meth:`linear`."""
        counts = _counts(answer)
        pairs = (_times(_product(counts[a.queries], counts[a.keys]), a.applied * a.width) for a in self.attention)
        return sum(pairs, self.linear(answer))

    def activation_elements(self, tokens: int, batch: int) -> int:
        """Estimate how many values are held at the same time: an upper bound for plain attention.

        They are the hidden states before and after a layer, and the larger of an attention (queries, keys, values,
        scores before and after softmax) and a feed-forward layer.

        Args:
            tokens: Tokens of each review.
            batch: Reviews.
        """
        attention = self.projected + 2 * self.heads * tokens
        return batch * tokens * (2 * self.width + max(attention, self.inner))


def _counts(answer: Polynomial) -> dict[Rows, Polynomial]:
    return {
        "token": Polynomial(per_token=1),
        "position": Polynomial(per_token=2),
        "review": Polynomial(const=1),
        "answer": answer,
    }


def _times(polynomial: Polynomial, factor: int) -> Polynomial:
    return Polynomial(
        const=factor * polynomial.const,
        per_token=factor * polynomial.per_token,
        per_token2=factor * polynomial.per_token2,
    )


def _product(one: Polynomial, other: Polynomial) -> Polynomial:
    """Return the product of two polynomials of first degree."""
    return Polynomial(
        const=one.const * other.const,
        per_token=one.const * other.per_token + one.per_token * other.const,
        per_token2=one.per_token * other.per_token,
    )
