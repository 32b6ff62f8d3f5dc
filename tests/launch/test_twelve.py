"""All twelve benchmarks on a small random Qwen3 with the real tokenizer, end to end.

Recorded text where it lies beside the checkout (a seeded sample), else rows written for
this; what each ran on is printed.
"""

import json
import math

import pytest

from tests.benchmarks import twelve
from tests.launch.commands import run
from tests.real_tokenizer import write_small_qwen3
from transfer_reasoning.benchmarks import BENCHMARKS
from transfer_reasoning.benchmarks.loading import load_examples

LIMIT, MAX_TOKENS, SAMPLES = {"standard": 2, "paper": 1}, 8, 1  # of each task
FIELDS = {
    *("id", "part", "cluster", "sample", "prompt", "prompt_tokens", "tokens"),
    *("response", "finish_reason", "fields", "gold", "correct", "extracted", "reason"),
    *("metrics", "points", "out_of", "settings"),
}
SETTINGS = {
    *("protocol", "benchmark_version", "grader", "decoding", "thinking", "seed"),
    *("data_revision", "data_digest"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, shared_data):
    """A data folder, and a model beside it."""
    home = tmp_path_factory.mktemp("twelve")
    origins = twelve.write_data(home / "data", shared_data, count=20)
    print("\n" + "\n".join(f"{name:14s} {of}" for name, of in origins.items()))
    assert set(origins) == set(BENCHMARKS)
    write_small_qwen3(home / "model", shared_data)
    return home


def evaluate(home, protocol):
    return run(
        "launch.evaluate",
        "--config=configs/evaluate.py",
        f"--workdir={home / protocol}",
        f"--config.model.path={home / 'model'}",
        f"--config.data_dir={home / 'data'}",
        f"--config.protocol={protocol}",
        f"--config.limit={LIMIT[protocol]}",
        f"--config.max_tokens={MAX_TOKENS}",
        f"--config.samples={SAMPLES}",
        "--config.sampler.slots=16",
        "--config.sampler.prefill_rows=4",
        timeout=600,
    )


@pytest.mark.parametrize(
    "protocol", ["standard", pytest.param("paper", marks=pytest.mark.campaign)]
)
def test_all_twelve_run_and_run_once(home, protocol):
    done = evaluate(home, protocol)
    assert done.returncode == 0, done.stderr
    scores = json.loads((home / protocol / "scores.json").read_text())["scores"]
    assert set(scores) == set(BENCHMARKS)
    for name, benchmark in BENCHMARKS.items():
        examples = load_examples(
            benchmark, data_dir=home / "data", protocol=protocol, limit=LIMIT[protocol]
        )
        file = home / protocol / "records" / f"{name}.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        drawn = benchmark.protocols[protocol].decoding is not None
        each = range(SAMPLES if drawn else 1)
        expected = [(example.id, number) for example in examples for number in each]
        assert [(r["id"], r["sample"]) for r in records] == expected
        for record in records:
            assert record.keys() >= FIELDS
            assert record["settings"].keys() >= SETTINGS
            assert drawn == ("logprobs" not in record)
            assert record["tokens"]
            assert len(record["tokens"]) <= MAX_TOKENS or not drawn
            assert 0 <= record["points"] <= record["out_of"]
        values = scores[name]
        assert values["n"] == len(examples)
        assert 0 <= values["ci_low"] <= values["mean"] <= values["ci_high"] <= 100
        numbers = [v for v in values.values() if isinstance(v, int | float)]
        assert all(map(math.isfinite, numbers))
    before = {
        file: file.stat().st_mtime_ns for file in (home / protocol).rglob("*.json*")
    }
    again = evaluate(home, protocol)
    assert (again.returncode, "already done" in again.stdout) == (0, True)
    assert before == {file: file.stat().st_mtime_ns for file in before}
