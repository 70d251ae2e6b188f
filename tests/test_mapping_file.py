"""The weight mapping: what is left over, what is tied, its words and its file."""

import json

import numpy as np
import pytest

from common.errors import Refused
from common.mapping.decision import decide
from common.mapping.mapping import load
from common.mapping.proposal import propose
from common.mapping.transforms import transform_of
from tests.mapped import CASES, F, H, case, drawn, leaf, leaves, torch_rnn

LENET = leaves("Conv2d", conv1__weight=(6, 1, 5, 5), conv1__bias=(6,), conv2__weight=(16, 6, 5, 5))


def test_what_has_no_counterpart_is_named():
    port = leaves("Conv", conv1__kernel=(5, 5, 1, 6), conv2__kernel=(3, 3, 6, 16))
    mapping = propose(LENET, port)
    assert mapping.left_over["reference"] == {
        "conv1.bias": "bias of conv1 (6,) has no counterpart in the port",
        "conv2.weight": "weight of conv2 (16, 6, 5, 5) has no counterpart in the port",
    }
    assert mapping.left_over["port"] == {
        "conv2.kernel": "kernel of conv2 (3, 3, 6, 16) has no counterpart in the reference"
    }
    assert len(mapping.notes) == 3
    assert not mapping.complete


def test_a_part_of_a_leaf_that_is_left_over_is_named():
    port = leaves("GRU", c__dense_i__kernel=(F, 3 * H), c__dense_i__bias=(3 * H,))
    port += leaves("GRU", c__dense_h__kernel=(H, 3 * H))  # NNX has no bias of the new gate
    assert propose(torch_rnn(3), port).notes == [
        "3 of 9 elements of rnn.bias_hh_l0 have no counterpart in the port, the first at [6]"
    ]


@pytest.mark.parametrize("owners", [("wte", "head"), ("wte",)])
def test_slopes_of_a_tied_leaf_are_added(owners):
    reference = [leaf("wte.weight", (5, F), "Embedding", owners=owners)]
    port = leaves({"emb": "Embed", "head": "Dense"}, emb__embedding=(5, F), head__kernel=(F, 5))
    mapping = propose(reference, port)
    assert mapping.complete
    assert mapping.tied == (("emb.embedding", "head.kernel"),)
    assert "added" in mapping.slope_words(mapping.entries[0])
    theirs, ours = drawn(reference), drawn(port, 1)
    assert set(mapping.pull(theirs)) == {"emb.embedding"}
    added = mapping.gather(ours)
    assert set(added) == {"emb.embedding"}
    whole = ours["emb.embedding"] + ours["head.kernel"].T
    np.testing.assert_array_equal(added["emb.embedding"], whole)


def test_two_tied_leaves_are_one_entry():
    shared = leaf("wte.weight", (5, F), "Embedding", owners=("wte", "head"))
    port = [leaf("emb.embedding", (5, F), "Embed", owners=("emb", "out"))]
    mapping = propose([shared], port)
    assert mapping.complete
    assert mapping.tied == ()


def test_values_are_rounded_once_and_new():
    mapping, values, _, _ = case("square")
    made = mapping.apply(values, "float32")["fc.kernel"]
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, values["fc.weight"].T.astype("float32"))
    assert not np.shares_memory(mapping.apply(values, "float64")["fc.kernel"], values["fc.weight"])


def test_rows_are_what_a_person_reads():
    mapping, *_ = case("square")
    assert mapping.rows() == [
        ("fc.kernel", "(4, 4)", "fc.weight", "(4, 4)", "permute 1 0", "by name")
    ]


@pytest.mark.parametrize("name", CASES)
def test_a_mapping_is_written_and_read(name, tmp_path):
    reference, _, port, *_ = CASES[name]
    mapping, values, residual, _ = case(name)
    mapping = decide(mapping, values, residual)
    mapping.save(tmp_path / "mapping.json")
    again = load(tmp_path / "mapping.json", reference, port)
    assert again.rows() == mapping.rows()
    assert again.complete
    given = json.loads((tmp_path / "mapping.json").read_text())
    assert given["left_over"] == {"reference": {}, "port": {}}


def test_slopes_that_are_not_the_transforms_are_said_in_the_file(tmp_path):
    mapping, *_ = case("lstm")
    mapping.save(tmp_path / "m.json")
    said = {
        e["port"]: e.get("slope") for e in json.loads((tmp_path / "m.json").read_text())["entries"]
    }
    assert said["c.hi.bias"] == "that of either term"
    assert said["c.hi.kernel"] is None


GOOD = {"port": "conv1.kernel", "reference": ["conv1.weight"], "transform": "permute 2 3 1 0"}
REFUSED = {
    "no JSON": ("{", "is no JSON"),
    "no entries": ("[]", "has no list of entries"),
    "another version": ('{"schema_version": 9, "entries": []}', "schema_version 9; this reads 1"),
    "no entry": ([7], "7 is no entry"),
    "port unknown": ([GOOD | {"port": "conv1.kernal"}], "no leaf 'conv1.kernal'; 'conv1.kernel'"),
    "reference unknown": ([GOOD | {"reference": ["conv9.weight"]}], "has no leaf 'conv9.weight'"),
    "reference no list": ([GOOD | {"reference": "conv1.weight"}], "must be a list of names"),
    "twice": ([GOOD, GOOD], "entry 1: the port's 'conv1.kernel' has an entry already"),
    "shape": ([GOOD | {"transform": "permute 2 3 0 1"}], "makes (5, 5, 6, 1)"),
    "does not fit": ([GOOD | {"transform": "permute 1 0"}], "'permute 1 0' does not fit"),
    "no word": ([GOOD | {"transform": "turn 1 0"}], "no transform is called 'turn 1 0'"),
    "no numbers": ([GOOD | {"transform": "blocks 1"}], "the numbers of 'blocks 1'"),
    "no text": ([GOOD | {"transform": 7}], "must be words"),
    "decided": ([GOOD | {"decided": "by luck"}], "decided is 'by luck'"),
    "several left": (
        [GOOD | {"reference": ["conv1.weight", "conv2.weight"]}],
        "leaves 2 arrays",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_file_is_refused_in_one_line(name, tmp_path):
    given, words = REFUSED[name]
    if not isinstance(given, str):
        given = json.dumps({"schema_version": 1, "entries": given})
    path = tmp_path / "mapping.json"
    path.write_text(given)
    port = leaves("Conv", conv1__kernel=(5, 5, 1, 6))
    with pytest.raises(Refused) as refused:
        load(path, LENET, port)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused, match="cannot be read"):
        load(tmp_path / "none.json", LENET, [])


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("identity", "identity"),
        ("permute 1 0; permute 1 0", "identity"),
        ("permute 2 3 1 0; permute 3 2 0 1", "identity"),
        ("permute 1 0; reshape 8 2; reshape 4 4", "permute 1 0; reshape 4 4"),
        ("blocks 0 1 of 2 on 1; take 3", "take 3"),
        ("regroup 1 3x5x5 1 2 0; flip 0", "regroup 1 3x5x5 1 2 0; flip 0"),
    ],
)
def test_words_are_read_and_written(text, shorter):
    assert str(transform_of(text)) == shorter
    assert transform_of(str(transform_of(text))) == transform_of(text)


@pytest.mark.parametrize(
    "words",
    [
        "permute 0 0",
        "reshape 5",
        "regroup 0 2x2 1 0",
        "regroup 0 2x3 0 0",
        "blocks 2 of 2",
        "blocks 0 of 0",
        "blocks 0 of 4",
        "take 9",
        "take 0 1",
        "join 5",
        "zeros 3 of 3",
        "flip 7",
    ],
)
def test_steps_that_do_not_fit_are_refused(words):
    with pytest.raises(Refused, match="does not fit"):
        transform_of(words).shape([(6, 4)])
