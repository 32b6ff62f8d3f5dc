"""An installed package has every module and file that a checkout has."""

import fnmatch
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOP = ("transfer_reasoning", "configs", "launch", "analysis")
IN_CHECKOUT_ONLY = {"launch/install.sh"}  # what sets a checkout up


@pytest.fixture(scope="module")
def distribution():
    pytest.importorskip("setuptools")
    from distutils.core import run_setup  # setuptools' own

    return run_setup(str(ROOT / "setup.py"), stop_after="init")


def files_under(name: str) -> list[pathlib.Path]:
    files = (ROOT / name).rglob("*")
    return [p for p in files if p.is_file() and "__pycache__" not in p.parts]


@pytest.mark.parametrize("name", TOP)
def test_every_file_is_installed(distribution, monkeypatch, name):
    monkeypatch.chdir(ROOT)
    for file in files_under(name):
        package = ".".join(file.parent.relative_to(ROOT).parts)
        assert package in distribution.packages, file
        place = file.relative_to(ROOT).as_posix()
        if file.suffix == ".py" or place in IN_CHECKOUT_ONLY:
            continue
        patterns = distribution.package_data.get(package, [])
        assert any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns), file


def test_tests_are_not_installed(distribution):
    assert not [name for name in distribution.packages if not name.startswith(TOP)]
