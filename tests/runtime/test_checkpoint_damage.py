"""Damaged and unfinished checkpoints: every one is found, and resume walks back."""

import shutil

import pytest

from tests.runtime.states import (
    abstract_on,
    assert_bits_equal,
    data_files,
    flip_a_bit,
    resume,
)
from transfer_reasoning.runtime.checkpoint import (
    MANIFEST,
    CorruptCheckpointError,
    load_verified,
    verify,
)
from transfer_reasoning.types import InputError


@pytest.fixture
def damaged(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


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
