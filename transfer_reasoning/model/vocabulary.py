"""The vocabulary: its rows by token, and in chunks, so that no [B, T, V] array exists.

With V = 151,936 and 16k tokens that array alone would be 9.3 GiB in float32. Products
accumulate, and everything after them is, in float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.model.attention import MASKED_SCORE
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.model.products import times_turned

LARGEST = 16_384


class Chunks(NamedTuple):
    """How a vocabulary is taken; hashable, static in jit.

    Chunk i holds columns i, i + n, i + 2n, ...: a strided slice leaves a vocabulary
    sharded in blocks where it is, a contiguous one would gather it.
    """

    vocab: int
    largest: int = LARGEST
    temperature: float = 1.0
    layout: Layout | None = None

    @property
    def count(self) -> int:
        """How many; a divisor of the vocabulary where one is near."""
        least = -(-self.vocab // self.largest)
        divisors = (n for n in range(least, 2 * least) if self.vocab % n == 0)
        return next(divisors, least)

    @property
    def width(self) -> int:
        """Columns of each, but for padding."""
        return -(-self.vocab // self.count)

    def cut(self, table_VD: jax.Array) -> jax.Array:
        """The table as [columns of a chunk, chunks, D]."""
        padding = self.count * self.width - self.vocab
        padded = jnp.pad(table_VD, ((0, padding), (0, 0))) if padding else table_VD
        return padded.reshape(self.width, self.count, -1)

    def columns(self, index: jax.Array, leading: int = 0) -> jax.Array:
        """Which of the vocabulary a chunk holds, int32 [C] after `leading` ones."""
        columns_C = index + self.count * jnp.arange(self.width, dtype=jnp.int32)
        return jnp.expand_dims(columns_C, tuple(range(leading)))

    def logits(
        self, hidden_BTD: jax.Array, cut_table: jax.Array, index: jax.Array
    ) -> jax.Array:
        """Of one chunk, divided by the temperature; float32 [B, T, C]."""
        part_CD = jax.lax.dynamic_index_in_dim(cut_table, index, 1, keepdims=False)
        logits_BTC = times_turned(hidden_BTD, part_CD, jnp.float32) / self.temperature
        if self.vocab == self.count * self.width:
            return logits_BTC
        real_11C = self.columns(index, hidden_BTD.ndim - 1) < self.vocab
        return jnp.where(real_11C, logits_BTC, MASKED_SCORE)

    def holds(self, index: jax.Array, targets_BT: jax.Array) -> jax.Array:
        """Which column of a chunk is a target's, bool [B, T, C]."""
        return self.columns(index, targets_BT.ndim) == targets_BT[..., None]

    def pick(
        self, logits_BTC: jax.Array, index: jax.Array, targets_BT: jax.Array
    ) -> jax.Array:
        """The targets' logits where a chunk holds them, else 0; float32 [B, T]."""

        def read(logits_BTC, targets_BT):
            # There the sum below has all logits written again, with zeros.
            column_BT = jnp.clip((targets_BT - index) // self.count, 0, self.width - 1)
            found_BT1 = jnp.take_along_axis(logits_BTC, column_BT[..., None], axis=-1)
            held_BT = index + self.count * column_BT == targets_BT
            return jnp.where(held_BT, found_BT1[..., 0], 0.0)

        def add(logits_BTC, targets_BT):
            held_BTC = self.holds(index, targets_BT)
            return jnp.sum(jnp.where(held_BTC, logits_BTC, 0.0), axis=-1)

        return jax.lax.platform_dependent(logits_BTC, targets_BT, cpu=read, default=add)


@jax.custom_vjp
def look_up(table_VD: jax.Array, tokens_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows of a table by token, and the table, for a head that is tied to it.

    The derivative of the rows is added to that of the head where it lies: by itself it
    would be a second table, nearly all zeros.
    """
    return table_VD[tokens_BT], table_VD


def _looked_up(table_VD, tokens_BT):
    return look_up(table_VD, tokens_BT), tokens_BT


def _look_up_backward(tokens_BT, slopes):
    rows_BTD, table_VD = slopes
    at_once = lambda table_VD, tokens, rows: table_VD.at[tokens].add(rows)

    def one_by_one(table_VD, tokens_BT, rows_BTD):
        # XLA's CPU backend would write the whole table anew for these few rows.
        flat = tokens_BT.reshape(-1), rows_BTD.reshape(-1, rows_BTD.shape[-1])
        add = lambda table_VD, row: (table_VD.at[row[0]].add(row[1]), None)
        return jax.lax.scan(add, table_VD, flat, unroll=8)[0]

    added_VD = jax.lax.platform_dependent(
        table_VD, tokens_BT, rows_BTD, cpu=one_by_one, default=at_once
    )
    return added_VD, None


look_up.defvjp(_looked_up, _look_up_backward)
