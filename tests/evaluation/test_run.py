"""Records of an evaluation: one per sample, whatever else runs beside it."""

import dataclasses

import pytest

from tests.tiny import TINY, random_params
from transfer_reasoning.evaluation.records import keep, kept
from transfer_reasoning.evaluation.run import count_samples, evaluate
from transfer_reasoning.grading.graders import GRADERS
from transfer_reasoning.grading.pool import GraderPool
from transfer_reasoning.sampling.engine import Sampler
from transfer_reasoning.small_suite import tasks
from transfer_reasoning.small_suite.corpus import base_corpus
from transfer_reasoning.small_suite.tokenizer import train_tokenizer
from transfer_reasoning.text import Text
from transfer_reasoning.types import InputError

SUITE = tasks.benchmarks("test")
BUDGET = 12
CHAIN, SORT = "chain", "sort"  # under `paper`, one is drawn and one is greedy


def items_of(name, count=3):
    rows = tasks.question_rows(name, "test", count)
    return [tasks.to_example(row, number) for number, row in enumerate(rows)]


CHOSEN = {name: (SUITE[name], items_of(name)) for name in (CHAIN, SORT)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`evaluate` with a small random model."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(folder, base_corpus(300, 0))
    text = Text(folder)
    config = dataclasses.replace(TINY, vocab_size=text.vocab_size, num_layers=1)
    sampler = Sampler(config, slots=8, prefill_rows=4, stop_ids=text.stop_ids)
    sampler.update(random_params(config))
    with GraderPool(1) as pool:

        def call(items, **changed):
            settings = {"protocol": "paper", "seed": 0, "max_tokens": BUDGET} | changed
            return evaluate(items, sampler=sampler, text=text, pool=pool, **settings)

        call.text = text
        yield call


@pytest.fixture(scope="module")
def records(run):
    return run(CHOSEN, samples=2)


def first_samples(rows):
    return [row for row in rows if row["sample"] == 0]


def test_every_sample_of_every_item_has_its_record_in_order(records):
    for name, (_, examples) in CHOSEN.items():
        expected = [(e.id, sample) for e in examples for sample in range(2)]
        assert [(r["id"], r["sample"]) for r in records[name]] == expected


def test_records_hold_what_was_asked_said_and_graded(run, records):
    for name, (benchmark, examples) in CHOSEN.items():
        protocol = benchmark.protocols["paper"]
        by_id = {example.id: example for example in examples}
        for record in records[name]:
            example = by_id[record["id"]]
            asked = run.text.prompt(protocol.to_messages(example), thinking=None)
            assert record["prompt_tokens"] == asked
            assert record["response"] == run.text.decode(record["tokens"])
            assert (record["fields"], record["gold"]) == (example.fields, example.gold)
            verdict = GRADERS[protocol.grader](example.gold, record["response"])
            assert dataclasses.asdict(verdict).items() <= record.items()
            stopped = record["tokens"][-1] in run.text.stop_ids
            assert record["finish_reason"] == ("stop" if stopped else "length")
            assert stopped or len(record["tokens"]) == BUDGET


def test_samples_of_a_drawn_item_differ_and_of_a_greedy_one_do_not(records):
    for name, differ in ((CHAIN, True), (SORT, False)):
        rows = records[name]
        for first, second in zip(rows[::2], rows[1::2], strict=True):
            assert (first["tokens"] != second["tokens"]) == differ


def test_benchmarks_alone_give_the_records_they_give_together(run, records):
    for name in CHOSEN:
        assert run({name: CHOSEN[name]}, samples=2) == {name: records[name]}


def test_neither_order_nor_company_of_items_changes_a_record(run, records):
    backwards = {n: (b, e[::-1]) for n, (b, e) in reversed(CHOSEN.items())}
    again = run(backwards, samples=2)
    key = lambda record: (record["id"], record["sample"])
    for name in CHOSEN:
        assert sorted(again[name], key=key) == sorted(records[name], key=key)
        some = run({name: (SUITE[name], CHOSEN[name][1][1:2])}, samples=2)
        assert some[name] == records[name][2:4]


def test_fewer_samples_are_the_first_of_more(run, records):
    once = run(CHOSEN, samples=1)
    assert once == {name: first_samples(rows) for name, rows in records.items()}
    assert run(CHOSEN) == once  # the suite's protocols draw one sample


def test_the_seed_moves_drawn_responses_only(run, records):
    other = run(CHOSEN, samples=1, seed=1)
    assert other[SORT] == first_samples(records[SORT])
    assert other[CHAIN] != first_samples(records[CHAIN])


def test_the_budget_can_be_lowered_and_not_raised(run, records):
    short = run(CHOSEN, samples=1, max_tokens=4)
    for name, rows in short.items():
        for row, whole in zip(rows, first_samples(records[name]), strict=True):
            assert row["tokens"] == whole["tokens"][:4]
    whole = run({SORT: CHOSEN[SORT]}, max_tokens=10_000)[SORT]
    assert max(len(row["tokens"]) for row in whole) <= tasks.MAX_TOKENS


def test_a_response_ends_before_the_first_stop_string(run, records):
    whole = records[SORT][0]
    middle = len(whole["response"]) // 2
    stop = whole["response"][middle : middle + 3]
    protocol = SUITE[SORT].protocols["paper"]
    decoding = dataclasses.replace(protocol.decoding, stop=(stop,))
    stopping = dataclasses.replace(protocol, decoding=decoding)
    benchmark = dataclasses.replace(SUITE[SORT], protocols={"paper": stopping})
    (cut, *_) = run({SORT: (benchmark, CHOSEN[SORT][1])})[SORT]
    assert cut["response"] == whole["response"].partition(stop)[0]
    assert cut["tokens"] == whole["tokens"][: len(cut["tokens"])]
    assert cut["finish_reason"] == "stop"


def test_two_items_that_ask_the_same_are_drawn_apart(run):
    example = items_of(CHAIN, 1)[0]
    twins = [example, dataclasses.replace(example, id="twin")]
    first, second = run({CHAIN: (SUITE[CHAIN], twins)})[CHAIN]
    assert first["prompt_tokens"] == second["prompt_tokens"]
    assert first["tokens"] != second["tokens"]


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_progress_adds_up_to_the_announced_count(run, samples):
    told = []
    done = run(CHOSEN, samples=samples, on_finished=told.append)
    expected = count_samples(CHOSEN, "paper", samples)
    assert sum(told) == expected == sum(map(len, done.values()))


def test_a_stopped_evaluation_goes_on_to_the_same_records(run, records, tmp_path):
    """Stopped after the first benchmark; what is on disk is not asked again."""

    def keep_one(name, rows):
        keep(tmp_path, name, rows)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(CHOSEN, samples=2, on_records=keep_one)
    before = kept(tmp_path, CHOSEN)
    assert list(before) == [CHAIN]
    missing = {name: CHOSEN[name] for name in CHOSEN if name not in before}
    run(missing, samples=2, on_records=lambda *done: keep(tmp_path, *done))
    assert kept(tmp_path, CHOSEN) == records


@pytest.mark.parametrize("items", [{}, {CHAIN: (SUITE[CHAIN], [])}])
def test_an_empty_selection_is_refused(run, items):
    with pytest.raises(InputError, match="no items"):
        run(items)
