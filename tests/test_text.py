"""Text to tokens and back, with the real Qwen3 tokenizer and with our small one."""

import json
import shutil
import time
import unicodedata

import pytest

from transfer_reasoning.small_suite.tokenizer import train_tokenizer
from transfer_reasoning.text import Text, copy_tokenizer, truncate_at_stop
from transfer_reasoning.types import InputError

USER = {"role": "user", "content": "What is 2+2?"}
ASKED = "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
NO_THOUGHT = "<think>\n\n</think>\n\n"
HOSTILE = [
    "",
    " two  spaces , don 't tidy .\r\n\ttab \n\n\n end ",
    "\u00e9 e\u0301 \U0001f600 \U0001f469\u200d\U0001f4bb \u202e\u0000\ufffd \u4f60",
    "<think>a</think> \\boxed{\\frac{1}{2}} {{ messages }} {% raw %}",
]
PAGES = "{% for i in range(99999) %}{{ 'x' * 1000000 }}{% endfor %}"  # 100 GB
ENDLESS = (
    "{{% for i in range(99999) %}}{{% for j in range(99999) %}}{}{{% endfor %}}"
    "{{% endfor %}}"
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    rows = [
        {"problem": f"what is {n} plus {n} ?", "response": f"it is \\boxed{{{2 * n}}}"}
        for n in range(200)
    ]
    train_tokenizer(folder, rows)
    return Text(folder)


@pytest.fixture(scope="module")
def qwen(shared_data):
    return Text(shared_data / "qwen3_tokenizer")


@pytest.fixture(params=["small", "qwen"])
def text(request):
    return request.getfixturevalue(request.param)


def changed(text: Text, folder, **fields) -> Text:
    """The same tokenizer with other fields in its config."""
    for file in text.folder.iterdir():
        shutil.copyfile(file, folder / file.name)
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))
    return Text(folder)


@pytest.mark.parametrize(
    ("thinking", "ending"), [(None, ""), (True, ""), (False, NO_THOUGHT)]
)
def test_the_template_asks_and_closes_the_thought_only_when_told(
    text, thinking, ending
):
    assert text.render([USER], thinking=thinking) == ASKED + ending
    assert text.decode(text.prompt([USER], thinking=thinking)) == (
        "user\nWhat is 2+2?\nassistant\n" + ending
    )


@pytest.mark.parametrize("words", HOSTILE)
def test_decoding_gives_back_what_was_encoded(text, words):
    ids = text.encode(words)
    composed = lambda string: unicodedata.normalize("NFC", string)  # as Qwen3 does
    assert composed(text.decode(ids)) == composed(words)
    assert all(0 <= token < text.vocab_size for token in ids)
    assert text.encode_all([words, "x", words]) == [
        tuple(ids), tuple(text.encode("x")), tuple(ids),
    ]  # fmt: skip


def test_half_a_surrogate_pair_is_replaced_and_breaks_nothing(text):
    assert text.decode(text.encode("a\ud800b")) == "a?b"
    assert text.encode_all([]) == []


def test_qwen3_is_encoded_as_everywhere(qwen):
    assert qwen.encode("Hello world") == [9707, 1879]
    assert qwen.vocab_size == 151_669
    assert (qwen.stop_ids, qwen.end_id) == ((151_645,), 151_645)
    assert qwen.decode([9707, 151_645, 1879, 151_643]) == "Hello world"
    assert qwen.decode(qwen.encode("<think>\nhm\n</think>")) == "<think>\nhm\n</think>"


def test_stop_ids_are_the_tokenizers_and_the_generation_configs(small, tmp_path):
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [0, 2]}')
    assert changed(small, tmp_path).stop_ids == (0, 2)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 1}')
    assert Text(tmp_path).stop_ids == (1, 2)
    assert Text(tmp_path).end_id == small.end_id == 2


@pytest.mark.parametrize("stop", ["Question:", "\n\n", "?", "\U0001f600", "lo wor"])
def test_a_cut_is_the_shortest_prefix_that_holds_the_stop_string(text, stop):
    words = "hello world \U0001f600\n\nQuestion: what? \n\nQuestion: again?"
    ids = text.encode(words)
    prefixes = [text.decode(ids[:count]) for count in range(len(ids) + 1)]
    shortest = next(n for n, prefix in enumerate(prefixes) if stop in prefix)
    assert text.cut_at_stop(ids, [stop]) == shortest
    assert text.cut_at_stop(ids, ["never", stop]) == shortest
    kept = truncate_at_stop(prefixes[shortest], [stop])
    assert kept == truncate_at_stop(words, [stop]) == words.split(stop)[0]


def test_a_text_without_the_stop_string_is_not_cut(text):
    assert text.cut_at_stop(text.encode("hello"), ["?"]) is None
    assert text.cut_at_stop([], ["?"]) is None
    assert text.cut_at_stop(text.encode("hello?"), []) is None
    assert truncate_at_stop("hello", ["?"]) == "hello"


def test_the_earliest_of_several_stop_strings_ends_the_text():
    assert truncate_at_stop("a END b STOP c", ["STOP", "END"]) == "a "


def test_copied_files_are_the_same_tokenizer(small, tmp_path):
    copy_tokenizer(small.folder, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert Text(tmp_path).render([USER], thinking=None) == ASKED


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ messages[7].content }}", "chat template refuses"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% for %}", "chat template refuses"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "chat template refuses"),
        (ENDLESS.format(""), "more than 3 s"),
        (ENDLESS.format("{{ i }}"), "characters"),
        (
            "{% macro m() %}" + PAGES + "{% endmacro %}{{ m() }}",
            "characters",
        ),
        (7, "chat template refuses"),
        (None, "has no chat template"),
    ],
)
def test_a_template_that_cannot_is_named_soon(small, tmp_path, template, message):
    began = time.process_time()
    with pytest.raises(InputError, match=message):
        changed(small, tmp_path, chat_template=template).render([USER], thinking=None)
    assert time.process_time() - began < 5


def test_an_empty_conversation_is_refused(text):
    with pytest.raises(InputError, match="empty conversation"):
        text.render([], thinking=None)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"model": 3}'])
def test_a_broken_tokenizer_folder_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=str(tmp_path)):
        Text(tmp_path)


def test_a_tokenizer_without_an_end_is_refused_where_a_response_needs_one(
    small, tmp_path
):
    copy_tokenizer(small.folder, tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text())
    assert small.end_id in small.stop_ids
    file.write_text(json.dumps({k: v for k, v in config.items() if k != "eos_token"}))
    with pytest.raises(InputError, match="names no eos_token"):
        assert Text(tmp_path).end_id
