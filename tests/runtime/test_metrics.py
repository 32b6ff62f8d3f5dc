"""The training log: a line a step, one step late, and an end to endless NaN."""

import jax.numpy as jnp
import pytest

from transfer_reasoning.runtime.metrics import MetricsLog
from transfer_reasoning.runtime.records import read_jsonl
from transfer_reasoning.types import InputError


@pytest.fixture
def log_to(tmp_path):
    def start(last_step=0, shown=None, **options):
        show = (lambda row: None) if shown is None else shown.append
        return MetricsLog(
            tmp_path / "log.jsonl", last_step=last_step, show=show, **options
        )

    return start


def test_rows_are_written_one_step_late_and_in_order(tmp_path, log_to):
    shown = []
    log = log_to(shown=shown)
    for step in (1, 2, 3):
        log.log(step, {"nll": jnp.float32(step / 2), "grad_norm": 1.0})
        assert [row["step"] for row in shown] == list(range(1, step))
    log.close()
    assert read_jsonl(tmp_path / "log.jsonl") == shown
    assert shown == [{"step": s, "nll": s / 2, "grad_norm": 1.0} for s in (1, 2, 3)]


def test_a_resumed_log_goes_on_where_the_checkpoint_was(tmp_path, log_to):
    log = log_to()
    for step in (1, 2, 3, 4):
        log.log(step, {"run": 1})
    log.close()
    log = log_to(last_step=2)
    log.log(3, {"run": 2})
    log.close()
    rows = read_jsonl(tmp_path / "log.jsonl")
    assert [(row["step"], row["run"]) for row in rows] == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -jnp.inf])
def test_what_json_cannot_say_is_null(tmp_path, log_to, bad):
    log = log_to()
    log.log(1, {"nll": bad})
    log.close()
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "nll": null}\n'


def log_gradients(log, norms):
    for step, norm in enumerate(norms, start=1):
        log.log(step, {"grad_norm": norm})
    log.close()


NAN = float("nan")


def test_bad_gradients_that_are_not_in_a_row_end_nothing(log_to):
    log_gradients(log_to(), [1.0, NAN, NAN, 1.0, NAN, float("inf"), 1.0])


@pytest.mark.parametrize("before", [0, 2])
def test_three_bad_gradients_in_a_row_end_the_run(log_to, before):
    norms = [1.0] * before + [NAN, float("inf"), NAN, 1.0]
    with pytest.raises(InputError, match=f"up to step {before + 3};"):
        log_gradients(log_to(), norms)


def test_the_last_bad_step_ends_a_run_that_is_closed(tmp_path, log_to):
    log = log_to(max_bad_steps=2)
    log.log(1, {"grad_norm": NAN})
    log.log(2, {"grad_norm": NAN})
    with pytest.raises(InputError, match="lower the learning rate"):
        log.close()
    assert [row["step"] for row in read_jsonl(tmp_path / "log.jsonl")] == [1, 2]
