"""Checkpoints: bit-exact across dtypes and shardings; the newest are kept."""

import contextlib
import resource

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding

from tests.runtime.states import (
    SPECS,
    abstract_on,
    assert_bits_equal,
    biggest_file,
    flip_a_bit,
    resume,
    sharded,
)
from transfer_reasoning.runtime.checkpoint import Checkpoints, load_verified
from transfer_reasoning.runtime.manifest import verify


@pytest.mark.parametrize("there", [8, 1])
def test_restored_bits_equal_saved_bits_on_other_devices(finished, meshes, there):
    (step, parts), warnings = resume(finished, meshes[there])
    assert (step, warnings) == (30, [])
    assert_bits_equal(parts, 30)
    for name, spec in SPECS.items():
        assert parts["params"][name].sharding == NamedSharding(meshes[there], spec)


def test_saved_on_one_device_is_restored_on_eight(tmp_path, meshes):
    checkpoints = Checkpoints(tmp_path, keep=1, warn=pytest.fail)
    checkpoints.save(7, sharded(7, meshes[1]))
    checkpoints.wait()
    (step, parts), _ = resume(tmp_path, meshes[8])
    assert step == 7
    assert_bits_equal(parts, 7)


def test_parts_can_be_loaded_alone(finished, meshes):
    params = {"params": abstract_on(meshes[1])["params"]}
    assert load_verified(finished / "000010", params).keys() == {"params"}


def test_donating_the_state_right_after_a_save_loses_nothing(tmp_path, meshes):
    overwrite = jax.jit(
        lambda tree: jax.tree.map(jnp.zeros_like, tree), donate_argnums=0
    )
    checkpoints = Checkpoints(tmp_path, keep=9, warn=pytest.fail)
    for step in (1, 2):
        state = sharded(step, meshes[8])
        checkpoints.save(step, state)
        overwrite(state)
    checkpoints.wait()
    for step in (1, 2):
        restored = load_verified(tmp_path / f"{step:06d}", abstract_on(meshes[1]))
        assert_bits_equal(restored, step)


def save_small(checkpoints, *steps):
    for step in steps:
        checkpoints.save(step, {"params": {"w": jnp.full(3, step)}})
    checkpoints.wait()


def test_only_the_newest_finished_steps_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2, warn=pytest.fail)
    save_small(checkpoints, 1, 2, 3, 4)
    assert checkpoints.steps() == [3, 4]


def test_a_damaged_newer_step_does_not_push_out_good_ones(tmp_path):
    save_small(Checkpoints(tmp_path, keep=1, warn=pytest.fail), 30)
    flip_a_bit(biggest_file(tmp_path / "000030"))
    resumed = Checkpoints(tmp_path, keep=1, warn=pytest.fail)
    save_small(resumed, 10, 20)
    assert resumed.steps() == [20, 30]
    verify(tmp_path / "000020")
    save_small(resumed, 30)
    assert resumed.steps() == [30]
    verify(tmp_path / "000030")


@contextlib.contextmanager
def full_disk():
    """No file may grow beyond a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_save_is_raised_and_leaves_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1, warn=pytest.fail)
    save_small(checkpoints, 1)
    with full_disk(), pytest.raises(OSError, match="000002"):
        save_small(checkpoints, 2)
    verify(tmp_path / "000001")
    save_small(checkpoints, 2)
    assert checkpoints.steps() == [2]


def test_a_directory_that_cannot_be_made_fails_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file", keep=1, warn=pytest.fail)
    with pytest.raises(OSError, match="File exists"):
        checkpoints.save(1, {"params": {"w": jnp.ones(3)}})
