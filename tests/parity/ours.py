"""What we say of the same tokens."""

import functools

import jax

from transfer_reasoning.model.decoder import forward, head_table
from transfer_reasoning.model.score import logits
from transfer_reasoning.sampling.choose import Sampling
from transfer_reasoning.sampling.engine import Request, Sampler


@functools.partial(jax.jit, static_argnames="config")
def logprobs(params, tokens, positions, segments, config):
    """Log-probabilities of the whole vocabulary, [B, T, V]."""
    hidden = forward(params, tokens, positions, segments, config=config).hidden_BTD
    return jax.nn.log_softmax(logits(hidden, head_table(params, config)))


def decoded_logprobs(params, config, sequences, starts):
    """The sampler's log-probabilities of sequences fed to it, each from its start."""
    sampler = Sampler(config, slots=2, prefill_rows=2, stop_ids=())
    sampler.update(params)
    requests = [
        Request(
            prompt=tuple(sequence[:start]),
            replay=tuple(sequence[start:]),
            max_tokens=len(sequence) - start,
        )
        for sequence, start in zip(sequences, starts, strict=True)
    ]
    completions = sampler.generate(requests, Sampling(temperature=1))
    assert [c.tokens for c in completions] == [r.replay for r in requests]
    return [completion.logprobs for completion in completions]
