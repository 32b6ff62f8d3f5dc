"""Requests in, completions out: the host side of sampling.

    1. requests are grouped by prompt, prompts by length bucket
    2. a batch of prompts is prefilled; each cache is copied to all its samples
    3. all slots decode on the device; when a quarter of them is done, the finished
       rows are read, and waiting samples take their places

Scheduling is a pure function of the requests and of lengths that every host knows, so
hosts never disagree. What a request yields depends on its prompt, its seed and address
and the number of slots, not on its neighbours, its slot or the order of requests.
Tokens in, tokens out: no text is seen here.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from transfer_reasoning.model.attention import cache_columns
from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.decoder import (
    Params,
    abstract_params,
    param_axes,
    unstack_layers,
)
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.sampling import decode
from transfer_reasoning.sampling.choose import Draw, Sampling
from transfer_reasoning.shapes import bucket
from transfer_reasoning.types import InputError

ADDRESS_LENGTH = 3
KEY_LIMIT = 2**32
ROW_BLOCK = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One sample to draw.

    Attributes:
        prompt: token ids, at least one.
        max_tokens: budget of the response, stop token included.
        seed, address: the key of the draw is fold_in over the address (up to three
            non-negative integers, e.g. step, prompt, sample) from the seed's key.
        replay: response tokens to feed instead of drawing, so that the same program
            scores them; drawing goes on after them.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    seed: int = 0
    address: tuple[int, ...] = ()
    replay: tuple[int, ...] = ()


class Completion(NamedTuple):
    """A response: tokens, the log-probability of each (nats), and why it ended.

    `finish_reason` is "stop" (a stop token or stop string, which is the last of
    `tokens`) or "length" (the budget was used up: the response is cut off).
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str


class Sampler:
    """Draws completions from a model with a fixed number of slots.

    Args:
        config: the decoder.
        slots: sequences decoded side by side; more than one is rounded up to a multiple
            of 8, because XLA's CPU products round left-over rows differently and a
            sequence's bits would depend on its slot.
        prefill_rows: prompts prefilled together.
        stop_ids: tokens that end a response.
        train_layout, decode_layout: where the given and the decode weights live.

    Raises:
        InputError: there is no slot, or no row to prefill.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        slots: int,
        prefill_rows: int,
        stop_ids: tuple[int, ...],
        train_layout: Layout | None = None,
        decode_layout: Layout | None = None,
    ):
        if slots < 1 or prefill_rows < 1:
            raise InputError(
                f"slots is {slots} and prefill_rows {prefill_rows}; expected at least 1"
            )
        if slots > 1:
            slots = -(-slots // ROW_BLOCK) * ROW_BLOCK
        self.config, self.slots, self.prefill_rows = config, slots, prefill_rows
        self.stop_ids, self.layout = stop_ids, decode_layout
        self._prefill = jax.jit(
            lambda params, tokens, length: decode.prefill(
                params, tokens, length, config=config, layout=train_layout
            )
        )
        self._empty = jax.jit(
            lambda length: decode.empty_slots(config, slots, length, decode_layout),
            static_argnames="length",
        )
        self._insert = jax.jit(decode.insert, donate_argnums=0)
        self._advance = jax.jit(
            decode.advance,
            static_argnames=("config", "layout", "stop_ids", "greedy", "truncated"),
            donate_argnums=1,
        )
        self._idle = jax.jit(_deactivate, donate_argnums=0)
        everywhere = decode_layout and decode_layout.sharding((), ())  # all keep books
        self._keys = jax.jit(decode.request_keys, out_shardings=everywhere)
        self._books = jax.jit(decode.books, out_shardings=everywhere)
        self._copy = jax.jit(
            lambda params, previous: _decode_copy(params, config),
            out_shardings=_decode_shardings(config, decode_layout),
            donate_argnums=1,
            keep_unused=True,  # only so are the donated buffers reused
        )
        self._params: Params | None = None
        self._decode_params: Params | None = None

    def update(self, params: Params) -> None:
        """Sample from `params` from now on; the previous decode copy is overwritten."""
        if self._decode_params is None:
            abstract = abstract_params(self.config)
            zeros = lambda: _decode_copy(
                jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), abstract), self.config
            )
            shardings = _decode_shardings(self.config, self.layout)
            self._decode_params = jax.jit(zeros, out_shardings=shardings)()
        self._params = params
        self._decode_params = self._copy(params, self._decode_params)

    def release(self) -> None:
        """Give up the weights and their copy; `update` brings others."""
        self._params = self._decode_params = None

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        cut: Callable[[Sequence[int]], int | None] | None = None,
        chunk: int = 64,
        on_finished: Callable[[int], None] = lambda count: None,
        on_ended: Callable[[int, Completion], None] = lambda number, completion: None,
        keep: bool = True,
        room: int = 0,
    ) -> list[Completion]:
        """Completions of `requests`, in their order.

        `cut(response)` returns how many tokens completed a stop string, or None; it is
        asked between chunks of `chunk` tokens, so a response may be decoded a little
        past its end but never ends later. `on_finished` is told how many ended, and
        `on_ended` each place in `requests` and its completion, in the order they end;
        without `keep` it alone gets them, and the list is empty. The cache has places
        for `room` tokens, or as many as a request needs.

        Raises:
            InputError: a request is empty, too long for the model or not of its
                vocabulary; says which, by its place in `requests`.
        """
        assert self._params is not None, "call update(params) first"
        for number, request in enumerate(requests):
            _check(request, number, self.config)
        run = _Run(self, requests, sampling, cut, room)
        while run.unfinished:
            run.refill()
            run.advance(chunk)
            ended = run.collect()
            for number in ended:
                on_ended(number, run.completions[number])
                if not keep:
                    run.completions[number] = None
            on_finished(len(ended))
        return run.completions if keep else []


class _Run:
    """One call of `generate`: which request sits in which slot, and what is waiting."""

    def __init__(
        self,
        sampler: Sampler,
        requests: Sequence[Request],
        sampling: Sampling,
        cut: Callable[[Sequence[int]], int | None] | None,
        room: int,
    ):
        self.sampler, self.requests, self.cut = sampler, requests, cut
        self.sampling = sampling
        self.draw = Draw.of(sampling, sampler.config.vocab_size)
        self.completions: list = [None] * len(requests)
        self.unfinished = len(requests)
        self.occupant = [-1] * sampler.slots
        self.batches = _prompt_batches(requests, sampler.prefill_rows)
        self.waiting: deque[tuple[int, int]] = deque()  # (request, row of prefilled)
        self.prefilled: tuple[jax.Array, jax.Array] | None = None
        self.not_started = len(requests)
        longest = max((_limit(r) for r in requests), default=1)
        columns = max(longest, room)
        self.length = cache_columns(columns, sampler.config.head_dim)
        self.state = sampler._empty(length=self.length)

    def refill(self) -> None:
        """Put waiting samples into free slots, prefilling prompts as needed."""
        while self.not_started and -1 in self.occupant:
            if not self.waiting:
                self._prefill_next()
            free = [slot for slot, who in enumerate(self.occupant) if who < 0]
            placed = {}
            for slot in free[: len(self.waiting)]:
                placed[slot] = self.waiting.popleft()
                self.occupant[slot] = placed[slot][0]
            self.not_started -= len(placed)
            arrivals = self._arrivals(placed)
            self.state = self.sampler._insert(self.state, arrivals, self.prefilled)

    def advance(self, chunk: int) -> None:
        """Decode on the device until enough slots are free or `chunk` tokens passed."""
        sampler = self.sampler
        wanted = min(self.not_started, max(1, sampler.slots // 4))
        self.state = sampler._advance(
            sampler._decode_params,
            self.state,
            self.draw,
            np.int32(sampler.slots - wanted if wanted else 0),
            np.int32(chunk),
            config=sampler.config,
            layout=sampler.layout,
            stop_ids=sampler.stop_ids,
            greedy=self.sampling.greedy,
            truncated=self.sampling.truncated,
        )

    def collect(self) -> list[int]:
        """Read finished rows; returns which requests they ended."""
        books = self.sampler._books(self.state)
        active, length, tokens, logprobs = map(np.asarray, books)
        ended, stopped_early = [], np.zeros(self.sampler.slots, bool)
        for slot, index in enumerate(self.occupant):
            if index < 0:
                continue
            start = len(self.requests[index].prompt)
            response = tokens[slot, start : length[slot]].tolist()
            cut = self.cut(response) if self.cut and response else None
            if active[slot] and cut is None:
                continue
            stopped = cut is not None or response[-1] in self.sampler.stop_ids
            response = response[:cut]
            self.completions[index] = Completion(
                tuple(response),
                tuple(logprobs[slot, start : start + len(response)].tolist()),
                "stop" if stopped else "length",
            )
            self.occupant[slot], stopped_early[slot] = -1, active[slot]
            ended.append(index)
        if stopped_early.any():
            self.state = self.sampler._idle(self.state, stopped_early)
        self.unfinished -= len(ended)
        return ended

    def _prefill_next(self) -> None:
        """Prefill the next batch of prompts; all their samples start waiting."""
        length, groups = next(self.batches)
        tokens = np.zeros((self.sampler.prefill_rows, length), np.int32)
        lengths = np.zeros(self.sampler.prefill_rows, np.int32)
        for row, group in enumerate(groups):
            prompt = self.requests[group[0]].prompt
            tokens[row, : len(prompt)], lengths[row] = prompt, len(prompt)
            self.waiting.extend((index, row) for index in group)
        length = min(length, self.length)
        self.prefilled = self.sampler._prefill(
            self.sampler._params, tokens[:, :length], lengths
        )

    def _arrivals(self, placed: dict[int, tuple[int, int]]) -> decode.Arrivals:
        count = self.sampler.slots
        source: Any = np.full(count, -1, np.int32)
        tokens: Any = np.zeros((count, self.length), np.int32)
        integers: Any = np.zeros((3, count), np.int32)
        length, known, limit = integers
        seeds = np.zeros(count, np.uint32)
        addresses = np.zeros((count, ADDRESS_LENGTH), np.uint32)
        for slot, (index, row) in placed.items():
            request = self.requests[index]
            given = request.prompt + request.replay
            source[slot], tokens[slot, : len(given)] = row, given
            length[slot], known[slot] = len(request.prompt), len(given)
            limit[slot], seeds[slot] = _limit(request), request.seed
            addresses[slot, : len(request.address)] = request.address
        keys = self.sampler._keys(seeds, addresses)
        return decode.Arrivals(source, tokens, length, known, limit, keys)


def _prompt_batches(
    requests: Sequence[Request], rows: int
) -> Iterator[tuple[int, list[list[int]]]]:
    """(bucket, up to `rows` groups of request indices with one prompt each).

    A prompt is prefilled in the bucket of its own length, never of its neighbours', so
    that its bits do not depend on them.
    """
    buckets: dict[int, dict[tuple[int, ...], list[int]]] = {}
    for index, request in enumerate(requests):
        groups = buckets.setdefault(bucket(len(request.prompt)), {})
        groups.setdefault(request.prompt, []).append(index)
    for length in sorted(buckets, reverse=True):  # long prompts first: a short tail
        groups = list(buckets[length].values())
        for start in range(0, len(groups), rows):
            yield length, groups[start : start + rows]


def _limit(request: Request) -> int:
    return len(request.prompt) + request.max_tokens


def _check(request: Request, number: int, config: ModelConfig) -> None:
    where = f"request {number}"
    if not request.prompt or request.max_tokens < 1:
        raise InputError(
            f"{where} has {len(request.prompt)} prompt tokens and max_tokens"
            f" {request.max_tokens}; expected at least one of each"
        )
    unknown = [
        token
        for token in request.prompt + request.replay
        if not 0 <= token < config.vocab_size
    ]
    if unknown:
        raise InputError(
            f"{where} has token id {unknown[0]}; expected 0 to {config.vocab_size - 1}"
            " (the model's vocab_size): is the tokenizer this model's?"
        )
    if _limit(request) > config.max_positions:
        raise InputError(
            f"{where} has {len(request.prompt)} prompt tokens and max_tokens"
            f" {request.max_tokens}; expected at most {config.max_positions} together"
            " (the model's max_position_embeddings): lower max_tokens"
        )
    if len(request.replay) > request.max_tokens:
        raise InputError(
            f"{where} replays {len(request.replay)} tokens with max_tokens"
            f" {request.max_tokens}; expected max_tokens to hold them"
        )
    numbers = (request.seed, *request.address)
    too_long = len(request.address) > ADDRESS_LENGTH
    if too_long or min(numbers) < 0 or max(numbers) >= KEY_LIMIT:
        raise InputError(
            f"{where} has seed {request.seed} and address {request.address}; expected"
            f" at most {ADDRESS_LENGTH} numbers in an address, all from 0 to"
            f" {KEY_LIMIT - 1}"
        )


def _deactivate(slots: decode.Slots, stopped_B: jax.Array) -> decode.Slots:
    return slots._replace(active_B=slots.active_B & ~stopped_B)


def _decode_copy(params: Params, config: ModelConfig) -> Params:
    cast = jax.tree.map(lambda leaf: leaf.astype(config.compute_dtype), params)
    return unstack_layers(cast, config.num_layers)


def _decode_shardings(config: ModelConfig, layout: Layout | None):
    if layout is None:
        return None
    shapes = unstack_layers_abstract(config)
    axes = param_axes(config)
    per_layer = jax.tree.map(
        lambda names: names[1:], axes["layers"], is_leaf=lambda x: isinstance(x, tuple)
    )
    axes = axes | {"layers": [per_layer] * config.num_layers}
    return jax.tree.map(
        lambda leaf, names: layout.sharding(names, leaf.shape), shapes, axes
    )


def unstack_layers_abstract(config: ModelConfig) -> Params:
    """Shapes of the decode layout."""
    return jax.eval_shape(
        lambda params: unstack_layers(params, config.num_layers),
        abstract_params(config),
    )
