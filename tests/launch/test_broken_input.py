"""Models and data that are missing, cut off or of another kind: told in one line."""

import json
import shutil
from pathlib import Path

import pytest

from tests.launch.commands import assert_refused, run

MODEL = "seed_0/base/train/model"
BASE = "--config=configs/small/base.py:smoke"
EVALUATE = ("launch.evaluate", "--config=configs/evaluate.py:smoke")
DISTILL = ("launch.distill", "--config=configs/distill.py:smoke")


@pytest.fixture
def model(smoke_study, tmp_path) -> Path:
    """A copy of a good model folder, to be broken."""
    return Path(shutil.copytree(smoke_study.workdir / MODEL, tmp_path / "model"))


@pytest.fixture
def texts(tmp_path) -> Path:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "1 + 1"}\n')
    return file


def score(model: object, texts: object, tmp_path: Path):
    output = tmp_path / "out.jsonl"
    done = run(
        "launch.score", f"--model={model}", f"--input={texts}", f"--output={output}"
    )
    assert output.exists() == (done.returncode == 0)
    return done


def rewrite(file: Path, **changes: object) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | changes))


def cut(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])


def shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    names = {"x": "model-00001.safetensors", "y": "model-00002.safetensors"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))


WEIGHTS, CONFIG = "model.safetensors", "config.json"
BREAKAGES = {
    "no config": (lambda f: (f / CONFIG).unlink(), "no config.json"),
    "half a config": (lambda f: cut(f / CONFIG, 40), "config.json is not JSON"),
    "list as config": (lambda f: (f / CONFIG).write_text("[]"), "no JSON object"),
    "other family": (lambda f: rewrite(f / CONFIG, model_type="gpt2"), "'gpt2'"),
    "moe": (lambda f: rewrite(f / CONFIG, num_experts=8), "'num_experts'"),
    "word as size": (lambda f: rewrite(f / CONFIG, hidden_size="x"), "expected an int"),
    "word as number": (lambda f: rewrite(f / CONFIG, rms_norm_eps="x"), "config.json"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "no model.safetensors"),
    "cut header": (lambda f: cut(f / WEIGHTS, 100), "cut off"),
    "cut weights": (lambda f: cut(f / WEIGHTS, 9_000), "cut off"),
    "empty weights": (lambda f: cut(f / WEIGHTS, 0), "cut off"),
    "list as header": (
        lambda f: (f / WEIGHTS).write_bytes(b"\x02" + bytes(7) + b"[]"),
        "header is list",
    ),
    "missing shard": (shard, "model-00002.safetensors"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_model_folder_is_refused_by_file(name, model, texts, tmp_path):
    damage, said = BREAKAGES[name]
    damage(model)
    assert_refused(score(model, texts, tmp_path), str(model), said, "expected")


@pytest.mark.parametrize("file", ["tokenizer.json", "generation_config.json"])
def test_an_unreadable_tokenizer_is_refused_by_file(file, model, texts, tmp_path):
    (model / file).write_text("{")
    assert_refused(score(model, texts, tmp_path), str(model), "expected")


def test_a_missing_tokenizer_is_refused(model, texts, tmp_path):
    (model / "tokenizer.json").unlink()
    assert_refused(score(model, texts, tmp_path), str(model), "no tokenizer.json")


@pytest.mark.parametrize("name", ["nowhere", "some/folder/below"])
def test_a_model_that_is_nowhere_is_refused(name, texts, tmp_path):
    assert_refused(score(name, texts, tmp_path), name, "hub id", "expected")


def test_an_empty_folder_is_no_model(texts, tmp_path):
    (tmp_path / "empty").mkdir()
    done = score(tmp_path / "empty", texts, tmp_path)
    assert_refused(done, "no config.json", "Hugging Face")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ('{"text": "a b c"}\n{"text": ', "line 2 is not JSON"),
        ('["text"]\n', "line 1 is list"),
    ],
)
def test_a_broken_data_file_is_refused_by_line(content, said, tmp_path):
    """Whatever reads JSON lines does it alike: a tool and a stage stand for all."""
    file = tmp_path / "rows.jsonl"
    if content is not None:
        file.write_text(content)
    assert_refused(score("nowhere", file, tmp_path), str(file), said)
    workdir = f"--workdir={tmp_path / 'w'}"
    assert_refused(run(*DISTILL, workdir, f"--config.problems={file}"), str(file), said)


def test_rows_of_the_wrong_kind_are_refused_by_number(smoke_study, tmp_path):
    texts = tmp_path / "texts.jsonl"
    for row in ({"text": 5}, {"tokens": ["a", "b"]}):
        texts.write_text('{"text": "1 + 1"}\n' + json.dumps(row))
        done = score(smoke_study.workdir / MODEL, texts, tmp_path)
        assert_refused(done, "row 2", "expected")


def test_a_stage_that_was_refused_for_its_data_goes_on_when_they_are_there(
    smoke_study, tmp_path
):
    data = tmp_path / "data.jsonl"
    train = (
        *("launch.train", BASE, f"--workdir={tmp_path / 'w'}"),
        f"--config.model.tokenizer={smoke_study.workdir / 'seed_0/suite/tokenizer'}",
        f"--config.source.data={data}",
        "--config.optimizer.num_steps=1",
        "--config.optimizer.warmup_steps=0",
    )
    assert_refused(run(*train), str(data), "does not exist")
    data.write_text('{"problem": "1 + 1", "response": "2"}\n')
    done = run(*train)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('--config.benchmarks=("nope",)', ["nope", "math500"]),
        ("--config.benchmarks=()", ["benchmarks is empty", "math500"]),
        ("--config.protocol=loose", ["loose", "paper, standard"]),
        ("--config.thinking=maybe", ["maybe", "default, on, off"]),
        ("--config.data_dir=nowhere", ["nowhere", "cannot be loaded"]),
        ("--config.limit=-1", ["limit is -1"]),
        ("--config.sampler.slots=0", ["sampler.slots is 0"]),
    ],
)
def test_evaluate_refuses_before_a_device_is_touched(change, said, tmp_path):
    workdir = f"--workdir={tmp_path / 'w'}"
    assert_refused(run(*EVALUATE, workdir, "--config.data_dir=.", change), *said)
