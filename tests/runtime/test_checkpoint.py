"""Checkpoints: bit-exact across dtypes and shardings, and never a damaged one."""

import contextlib
import resource
import shutil

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from tests.tiny import mesh_of
from transfer_reasoning.runtime.checkpoint import (
    MANIFEST,
    Checkpoints,
    CorruptCheckpointError,
    load_verified,
    verify,
)
from transfer_reasoning.types import InputError

SPECS = {
    "float32": PartitionSpec(("data", "fsdp"), "tensor"),
    "bfloat16": PartitionSpec("fsdp", None),
    "int32": PartitionSpec(None, "tensor"),
    "key": PartitionSpec(),
}


def host_state(seed: int):
    """Arrays of every bit pattern that must survive: NaN payloads, -0, subnormals."""
    rng = np.random.default_rng(seed)
    bits = lambda dtype: rng.integers(0, np.iinfo(dtype).max, (8, 4), dtype)
    return {
        "float32": bits(np.uint32).view(np.float32),
        "bfloat16": bits(np.uint16).view(ml_dtypes.bfloat16),
        "int32": bits(np.uint32).view(np.int32),
        "key": np.asarray(jax.random.key_data(jax.random.key(seed))),
    }


def sharded(seed: int, mesh):
    placed = {
        name: jax.device_put(value, NamedSharding(mesh, SPECS[name]))
        for name, value in host_state(seed).items()
    }
    return {"params": placed, "opt_state": {"count": jnp.int32(seed)}}


def abstract_on(mesh):
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
        sharded(0, mesh),
    )


def assert_bits_equal(restored, seed: int):
    for name, value in host_state(seed).items():
        got = np.asarray(restored["params"][name])
        assert got.dtype == value.dtype, name
        np.testing.assert_array_equal(got.view(np.uint8), value.view(np.uint8), name)
    assert int(restored["opt_state"]["count"]) == seed


@pytest.fixture(scope="module")
def meshes():
    return {8: mesh_of(2, 2, 2), 1: mesh_of(1, 1, 1)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, meshes):
    """A run with checkpoints at steps 10, 20 and 30, saved from 8 devices."""
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoints = Checkpoints(folder, keep=5, warn=pytest.fail)
    for step in (10, 20, 30):
        checkpoints.save(step, sharded(step, meshes[8]))
    checkpoints.wait()
    return folder


@pytest.fixture
def damaged(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def data_files(step_folder):
    files = (p for p in step_folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return sorted(str(p.relative_to(step_folder)) for p in files)


def resume(folder, mesh):
    warnings: list[str] = []
    checkpoints = Checkpoints(folder, keep=5, warn=warnings.append)
    return checkpoints.restore_latest(abstract_on(mesh)), warnings


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


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(bytes(content))


def cut_in_half(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def make_unreadable(file):
    """Reading it is an input/output error, as on a broken disk."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


DAMAGES = {
    "flipped bit": flip_a_bit,
    "half": cut_in_half,
    "no bytes": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
    "appended": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    "unreadable": make_unreadable,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_any_file_is_found(finished, tmp_path, damage):
    names = data_files(finished / "000030")
    assert len(names) > 3
    for number, name in enumerate(names):
        if not (finished / "000030" / name).stat().st_size:
            continue
        copy = shutil.copytree(finished / "000030", tmp_path / str(number))
        damage(copy / name)
        with pytest.raises(CorruptCheckpointError) as caught:
            verify(copy)
        assert str(copy / name) in str(caught.value)


def test_resume_walks_back_to_the_newest_step_that_verifies(damaged, meshes):
    big = max(
        (damaged / "000030").rglob("*"),
        key=lambda p: p.stat().st_size if p.is_file() else -1,
    )
    flip_a_bit(big)
    (damaged / "000020" / MANIFEST).unlink()
    (step, parts), warnings = resume(damaged, meshes[1])
    assert step == 10
    assert_bits_equal(parts, 10)
    first, second = warnings
    assert str(big) in first
    assert "does not match its digest" in first
    assert "000020 has no readable manifest.json" in second
    assert all("\n" not in warning for warning in warnings)


def write_manifest(text: str):
    return lambda folder: (folder / MANIFEST).write_text(text)


def add_a_file(folder):
    (folder / "params" / "new").write_text("")


BROKEN_STEPS = {
    "killed between data and manifest": lambda folder: (folder / MANIFEST).unlink(),
    "killed before any data": lambda folder: (
        shutil.rmtree(folder),
        folder.mkdir(),
    ),
    "torn manifest": write_manifest('{"files": {"a'),
    "manifest of another kind": write_manifest("[]"),
    "manifest with a list": write_manifest('{"files": [], "step": 30}'),
    "manifest with nothing": write_manifest('{"files": {}, "step": 30}'),
    "manifest of bytes": lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"),
    "extra file": add_a_file,
    "a file in its place": lambda folder: (
        shutil.rmtree(folder),
        folder.write_text(""),
    ),
}


@pytest.mark.parametrize("break_step", BROKEN_STEPS.values(), ids=BROKEN_STEPS)
def test_an_unfinished_step_is_passed_over(damaged, meshes, break_step):
    break_step(damaged / "000030")
    (step, _), warnings = resume(damaged, meshes[1])
    assert (step, len(warnings)) == (20, 1)


def test_leftovers_of_other_programs_are_no_steps(damaged, meshes):
    (damaged / "000040.orbax-checkpoint-tmp").mkdir()
    (damaged / "model").mkdir()
    (damaged / "notes.txt").write_text("")
    (step, _), warnings = resume(damaged, meshes[1])
    assert (step, warnings) == (30, [])


@pytest.mark.parametrize("make", [True, False])
def test_nothing_to_resume_is_none(tmp_path, meshes, make):
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()
    assert resume(folder, meshes[1]) == (None, [])


def test_a_damaged_step_named_as_a_model_is_a_clear_error(damaged, meshes):
    (damaged / "000030" / MANIFEST).unlink()
    with pytest.raises(InputError, match="expected a finished step"):
        load_verified(damaged / "000030", abstract_on(meshes[1]))


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
    flip_a_bit(tmp_path / "000030" / data_files(tmp_path / "000030")[-1])
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
    with full_disk(), pytest.raises(OSError, match="000002 was not saved"):
        save_small(checkpoints, 2)
    verify(tmp_path / "000001")
    save_small(checkpoints, 2)
    assert checkpoints.steps() == [2]


def test_a_directory_that_cannot_be_made_fails_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file", keep=1, warn=pytest.fail)
    with pytest.raises(OSError, match="File exists"):
        checkpoints.save(1, {"params": {"w": jnp.ones(3)}})
