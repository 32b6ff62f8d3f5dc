r"""Training data, once, into files that are read by number.

    python -m launch.prepare --config=configs/prepare.py:math_rl_48k --workdir=DIR \
        [--config.source=COPY] [--config.data_dir=BENCHMARKS]

Reads a corpus, or any source of rows with problem and answer or response; leaves out
bad rows where that is asked for, problems that come twice, and problems that overlap
with benchmarks. Writes problems/ (TensorFlow Datasets, one record a problem),
overlaps.json and overlaps.md, and left_out.jsonl, a line for each bad row. Training
reads it with --config.source.data=tfds:DIR/problems/1.0.0:train.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch import build, door, overlaps
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.types import InputError


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Read, look for overlaps, write."""
    from transfer_reasoning.data import prepared
    from transfer_reasoning.runtime.records import write_jsonl

    source, to_row = _corpus(config)
    against = overlaps.benchmarks(config, shown)
    bad: list[InputError] = []
    gathered, notes = _gathered(source, to_row, config.bad_rows, bad)
    write_jsonl(workdir / "left_out.jsonl", [{"row": str(error)} for error in bad])
    records, met = overlaps.apart(gathered.records, against, config, workdir)
    if not records:
        raise InputError(f"{source} leaves no problem; expected at least one")
    notes |= {
        "corpus": config.corpus,
        "overlaps": {
            **config.overlap.to_dict(),
            "problems": met,
            "benchmarks": {
                name: {"revision": items.revision, "digest": items.digest}
                for name, items in against.items()
            },
        },
    }
    place = prepared.write(workdir, records, notes)
    rows = notes["rows"]
    shown.line(
        f"{place}: {len(records)} problems of {rows['read']} rows; left out"
        f" {sum(rows['bad'].values())} bad rows and {rows['duplicates']} duplicates;"
        f" {met} problems overlap with benchmarks (overlaps.md), policy"
        f" {config.overlap.policy}"
    )


def _corpus(config: ConfigDict) -> tuple[str, Callable[[Mapping, str], dict]]:
    """Where rows are, and what makes rows of ours of them."""
    from transfer_reasoning.data.corpora import CORPORA
    from transfer_reasoning.data.problems import own_row

    if not config.corpus:
        if not config.source:
            raise InputError(
                "config.corpus and config.source are both empty; expected a corpus, or"
                " a source of rows"
            )
        return config.source, own_row
    corpus = build.choose(CORPORA, config.corpus, "config.corpus")
    to_own = lambda row, where: own_row(corpus.to_row(row, where), where)
    return config.source or corpus.source, to_own


def _gathered(
    source: str, to_row: Callable, bad_rows: str, bad: list[InputError]
) -> tuple[Any, dict[str, Any]]:
    """The problems of a source, and what is to be noted of it."""
    from transfer_reasoning.data.problems import gather
    from transfer_reasoning.data.rows import reason
    from transfer_reasoning.data.sources import bad_row_policy, read_source

    on_bad = bad_row_policy(bad_rows, bad)
    found = read_source(source, on_bad)
    unread = len(bad)

    def own_rows() -> Iterator[Any]:
        for placed in found.rows:
            try:
                yield placed._replace(row=to_row(placed.row, placed.where))
            except InputError as error:
                on_bad(error)

    gathered = gather(own_rows(), on_bad)
    rows = {
        "read": len(found.rows) + unread,
        "bad": dict(sorted(Counter(map(reason, bad)).items())),
        "duplicates": gathered.duplicates,
        "other_answers": gathered.other_answers,
        "replaced_characters": found.replaced,
    }
    return gathered, {"source": source, "revision": found.revision, "rows": rows}


if __name__ == "__main__":
    door.start_run(run)
