"""Sentences that agree with the numbers, and verdicts at the edge of an interval."""

import re

import pytest

from analysis import findings, gains
from analysis.findings import CLAIMS, FAILED, HELD, OPEN, decide
from analysis.names import label
from analysis.results import Study
from tests.analysis.made_up import GROUPS, POINT, counts
from transfer_reasoning.intervals import Interval

TINY = 1e-12


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.0, 2.0, HELD),
        (TINY, 2.0, HELD),
        (0.0, 2.0, OPEN),
        (-1.0, 2.0, OPEN),
        (0.0, 0.0, OPEN),
        (-2.0, 0.0, OPEN),
        (-2.0, -TINY, FAILED),
    ],
)
def test_only_an_interval_beside_zero_decides(low, high, verdict):
    assert decide(Interval((low + high) / 2, low, high)) == verdict


def mean(name, group, seed):
    return POINT * sum(counts(name, seed)[task] for task in GROUPS[group]) / 4


def over(first, second, group):
    """How much more `first` scores than `second`."""
    return lambda seed: mean(first, group, seed) - mean(second, group, seed)


MATH, OTHER, NON = GROUPS
QUANTITIES = {
    "off-policy SFT gains on mathematics": over("off_policy_sft", "base", MATH),
    "on-policy RL gains on mathematics": over("on_policy_rl", "base", MATH),
    "off-policy SFT gains more on mathematics than on-policy RL": over(
        "off_policy_sft", "on_policy_rl", MATH
    ),
    "off-policy SFT gains on other reasoning": over("off_policy_sft", "base", OTHER),
    "on-policy RL gains on other reasoning": over("on_policy_rl", "base", OTHER),
    "off-policy SFT loses on non-reasoning": over("base", "off_policy_sft", NON),
    "on-policy SFT gains on non-reasoning": over("on_policy_sft", "base", NON),
    "on-policy RL gains on non-reasoning": over("on_policy_rl", "base", NON),
    "on-policy SFT keeps more non-reasoning than off-policy SFT": over(
        "on_policy_sft", "off_policy_sft", NON
    ),
    "on-policy RL keeps more non-reasoning than off-policy RL": over(
        "on_policy_rl", "off_policy_rl", NON
    ),
    "off-policy RL keeps more non-reasoning than off-policy SFT": over(
        "off_policy_rl", "off_policy_sft", NON
    ),
}


def seed_alone(study, seed):
    return Study(study.config, study.groups, {seed: study.seeds[seed]}, study.marks)


def test_every_claim_is_tested_here():
    assert [claim.text for claim in CLAIMS] == list(QUANTITIES)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_claim_is_decided_by_its_quantity(study, seed):
    found = findings.verdicts(seed_alone(study, seed))
    assert [claim for claim, _, _ in found] == list(CLAIMS)
    for claim, value, verdict in found:
        assert value.low <= value.mean <= value.high
        assert value.mean == pytest.approx(QUANTITIES[claim.text](seed))
        assert verdict == decide(value)


CLAIM = re.compile(r"(o[nf]f?-policy [^(;:]*?) \(([+-]\d+\.\d)\)")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seeds_sentence_names_every_claim_once_under_its_verdict(
    study, summary, seed
):
    sentence = summary["findings"][2 + seed]
    prefix = f"Seed {seed}, of the paper's ordering "
    assert sentence.startswith(prefix)
    found = {}
    for part in sentence.removeprefix(prefix).removesuffix(".").split("; "):
        verdict, _, claims = part.partition(": ")
        for text, value in CLAIM.findall(claims):
            assert text not in found
            found[text] = (verdict, value)
    expected = {
        claim.text: (verdict, f"{QUANTITIES[claim.text](seed):+.1f}")
        for claim, _, verdict in findings.verdicts(seed_alone(study, seed))
    }
    assert found == expected
    assert {verdict for verdict, _ in found.values()} == {HELD, FAILED, OPEN}


@pytest.mark.parametrize(
    ("place", "name"), [(0, "off_policy_sft"), (1, "on_policy_rl")]
)
def test_the_headline_is_that_of_the_table(summary, place, name):
    """Three groups, in points with their intervals, each with what became of it."""
    said = {HELD: "gained on", FAILED: "lost on", OPEN: "showed no clear change on"}
    by_group = summary["settings"][name]["gains"]
    words = {"mathematics": "math", "other reasoning": "other", "non-reasoning": "non"}
    parts = [
        f"{said[decide(Interval(v['mean'], v['ci_low'], v['ci_high']))]} {group}"
        f" ({v['mean']:+.1f} [{v['ci_low']:+.1f}, {v['ci_high']:+.1f}])"
        for group, v in ((long, by_group[short]) for long, short in words.items())
    ]
    sentence = summary["findings"][place]
    assert sentence.lower() == f"{label(name)} {', '.join(parts)}.".lower()
    assert len(summary["findings"]) == 2 + len(summary["seeds"])


def test_the_table_of_claims_agrees_with_the_sentences(study, summary):
    for seed in ("0", "1"):
        found = findings.verdicts(seed_alone(study, int(seed)))
        for row, (claim, value, verdict) in zip(
            summary["ordering"], found, strict=True
        ):
            cell = row["by_seed"][seed]
            assert (row["claim"], cell["verdict"]) == (claim.text, verdict)
            assert cell["mean"] == pytest.approx(value.mean)
            assert (cell["ci_low"], cell["ci_high"]) == (value.low, value.high)


def test_a_loss_is_a_gain_turned_round(study):
    (loss,) = [value for value in findings.verdicts(study) if "loses" in value[0].text]
    gain = gains.gain(study, "off_policy_sft", GROUPS[NON])
    assert loss[1] == pytest.approx((-gain.mean, -gain.high, -gain.low))
    assert loss[2] == HELD


@pytest.mark.parametrize("kept", ["on_policy_rl", "on_policy_rl_no_kl"])
def test_a_study_of_fewer_models_says_what_it_can(study, kept):
    runs = {seed: {n: r[n] for n in ("base", kept)} for seed, r in study.seeds.items()}
    config = {**study.config, "settings": [kept], "controls": []}
    small = Study(config, study.groups, runs, study.marks)
    headline, first, _ = findings.sentences(small)
    assert headline.startswith(f"O{label(kept)[1:]} gained on mathematics (+")
    claims = CLAIM.findall(first)
    assert all(text.startswith("on-policy RL gains on") for text, _ in claims)
    assert len(claims) == (3 if kept == "on_policy_rl" else 0)
    assert claims or first == "Seed 0, of the paper's ordering nothing was tested."
