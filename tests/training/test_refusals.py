"""Training configs that cannot work are refused before anything is loaded or drawn."""

import pytest

from configs import scales
from launch import levers, train
from launch.build import Loaded
from transfer_reasoning.runtime.progress import Lines
from transfer_reasoning.runtime.records import write_jsonl
from transfer_reasoning.small_suite.corpus import base_corpus
from transfer_reasoning.small_suite.tokenizer import train_tokenizer
from transfer_reasoning.text import Text
from transfer_reasoning.types import InputError


def make_config(**changes):
    config = scales.train("smoke")
    config.source.data = "problems.jsonl"
    config.update_from_flattened_dict(changes)
    return config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("source.data", "", "config.source.data is empty"),
        (
            "source.kind",
            "both",
            "config.source.kind is 'both'; expected one of offline",
        ),
        (
            "credit.kind",
            "grpo",
            "config.credit.kind is 'grpo'; expected one of uniform",
        ),
        ("credit.keep", "worst", "keep is 'worst'; expected all or best"),
        ("objective.kl_weight", -0.1, "kl_weight is -0.1; expected 0 or more"),
        ("objective.kl_estimator", "k4", "kl_estimator is 'k4'; expected one of k1"),
        ("objective.normaliser", "sum", "normaliser is 'sum'; expected one of token"),
    ],
)
def test_a_setting_that_cannot_work_is_named(tmp_path, field, value, message):
    with pytest.raises(InputError, match=message):
        train.run(make_config(**{field: value}), tmp_path, Lines())
    assert not list(tmp_path.iterdir())


def test_rows_must_hold_the_longest_prompt_with_a_whole_response(tmp_path):
    """Not found out when after hours a response happens to be that long."""
    train_tokenizer(tmp_path, base_corpus(200, 0))
    file = tmp_path / "problems.jsonl"
    write_jsonl(file, [{"problem": "1 2 3 " * n, "answer": "6"} for n in (1, 9, 4)])
    loaded = Loaded(None, None, Text(tmp_path), None, None)
    config = make_config(**{
        "source.kind": "on_policy", "source.data": str(file),
        "objective.row_length": 60, "source.max_tokens": 40,
    })  # fmt: skip
    message = r"row_length is 60; expected room for the longest prompt, \d+ tokens, and"
    with pytest.raises(InputError, match=message):
        levers.make_source(config, loaded, Lines(), sampler=None, grade=None)
