"""The weight mapping of real networks, by their names, shapes and order."""

import pytest

from common.mapping.mapping import Source
from common.mapping.proposal import propose
from tests.mapped import E, leaf, leaves

NORM = ("weight", "bias", "running_mean", "running_var")


def resnet18():
    """The leaves of torchvision's `resnet18(num_classes=10)`."""
    found = []

    def pair(conv, norm, size, inputs, outputs):
        found.append(leaf(f"{conv}.weight", (outputs, inputs, size, size), "Conv2d"))
        for role in NORM:
            trained = "running" not in role
            found.append(leaf(f"{norm}.{role}", (outputs,), "BatchNorm2d", trained))
        found.append(leaf(f"{norm}.num_batches_tracked", (), "BatchNorm2d", False, dtype="int64"))

    pair("conv1", "bn1", 7, 3, 64)
    inputs = 64
    for block in range(8):
        outputs, path = 64 * 2 ** (block // 2), f"layer{1 + block // 2}.{block % 2}"
        pair(f"{path}.conv1", f"{path}.bn1", 3, inputs, outputs)
        pair(f"{path}.conv2", f"{path}.bn2", 3, outputs, outputs)
        if inputs != outputs:
            pair(f"{path}.downsample.0", f"{path}.downsample.1", 1, inputs, outputs)
        inputs = outputs
    return [*found, *leaves("Linear", fc__weight=(10, 512), fc__bias=(10,))]


def in_other_words(name):
    """A leaf of mindcv's ResNet as torchvision calls it."""
    path, _, role = name.rpartition(".")
    path = path.replace("classifier", "fc").replace("down_sample", "downsample")
    roles = {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    return f"{path}.{roles.get(role, role)}"


def mindcv_resnet(reference):
    """The leaves of mindcv's `resnet18`: its names, its order (statistics before gamma)."""
    words = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"}
    words |= {"running_var": "moving_variance"}
    found = []
    for one in reference:
        path, _, role = one.name.rpartition(".")
        kind = {"BatchNorm2d": "BatchNorm2d", "Linear": "Dense"}.get(one.kind, "Conv2d")
        if one.kind == "BatchNorm2d" and role in words:
            role = words[role]
        path = path.replace("downsample", "down_sample").replace("fc", "classifier")
        if role != "num_batches_tracked":
            found.append(leaf(f"{path}.{role}", one.value.shape, kind, one.trained))
    return sorted(found, key=lambda one: (_first(found, one), one.trained))


def _first(found, one):
    return next(n for n, other in enumerate(found) if other.owners == one.owners)


def test_the_residual_network_of_two_libraries_is_mapped_by_name():
    reference = resnet18()
    mapping = propose(reference, mindcv_resnet(reference))
    assert mapping.complete, mapping.notes
    assert len(mapping.entries) == 62 + 40
    for entry in mapping.entries:
        assert entry.source == Source((in_other_words(entry.port),))
        assert entry.decided == "by name"
    assert not any("num_batches_tracked" in name for name in mapping.reference)


def test_names_that_are_half_alike_tell_nothing_by_themselves():
    """Order does, and is said to: numbers may then exchange the two."""
    reference = leaves("Linear", a__left__weight=(3, 3), a__right__weight=(3, 3))
    shapes = {"trunk__stem__left_arm__weight": (3, 3), "trunk__stem__right_arm__weight": (3, 3)}
    mapping = propose(reference, leaves("Dense", **shapes))
    assert [entry.source.reference for entry in mapping.entries] == [
        ("a.left.weight",), ("a.right.weight",),
    ]  # fmt: skip
    assert {entry.decided for entry in mapping.entries} == {"by order"}


def test_a_square_feature_map_may_have_been_flattened_before_a_linear_module():
    kinds = {"conv": "Conv2d", "fc": "Linear"}
    reference = leaves(kinds, conv__weight=(8, 3, 3, 3), fc__weight=(10, 128))
    mapping = propose(reference, leaves(kinds, conv__kernel=(3, 3, 3, 8), fc__kernel=(128, 10)))
    (entry,) = [entry for entry in mapping.entries if entry.port == "fc.kernel"]
    ways = [str(source.transform) for source in (entry.source, *entry.candidates)]
    assert ways == ["regroup 1 8x4x4 1 2 0; permute 1 0", "permute 1 0"]


@pytest.mark.slow
def test_the_real_networks_have_these_names():
    torchvision = pytest.importorskip("torchvision")
    net = torchvision.models.resnet18(num_classes=10)
    ours = [(one.name, one.value.shape) for one in resnet18()]
    assert ours == [(name, tuple(tensor.shape)) for name, tensor in net.state_dict().items()]
    mindcv = pytest.importorskip("mindcv")
    net = mindcv.create_model("resnet18", num_classes=10)
    ours = [(one.name, one.value.shape) for one in mindcv_resnet(resnet18())]
    assert ours == [(name, tuple(p.shape)) for name, p in net.parameters_and_names()]


def flax_resnet(shortcut_first):
    """The leaves, order and counterparts of a Flax ResNet-18, numbered through all stages."""
    found, counterparts = [], {}

    def add(path, kind, counterpart, **shapes):
        counterparts[path] = counterpart
        for role, shape in shapes.items():
            kept = "batch_stats" if role in ("mean", "var") else "params"
            found.append(leaf(f"{kept}.{path}.{role}", shape, kind, kept == "params", (path,)))

    def pair(conv, norm, size, inputs, outputs, *counterpart):
        add(conv, "Conv", counterpart[0], kernel=(size, size, inputs, outputs))
        roles = dict.fromkeys(("scale", "bias", "mean", "var"), (outputs,))
        add(norm, "BatchNorm", counterpart[1], **roles)

    pair("conv_init", "bn_init", 7, 3, 64, "conv1", "bn1")
    inputs = 64
    for block in range(8):
        outputs = 64 * 2 ** (block // 2)
        mine, theirs = f"ResNetBlock_{block}", f"layer{1 + block // 2}.{block % 2}"
        ways = [
            (f"{mine}.Conv_{n}", f"{mine}.BatchNorm_{n}", 3, (inputs, outputs)[n], outputs,
             f"{theirs}.conv{n + 1}", f"{theirs}.bn{n + 1}")
            for n in range(2)
        ]  # fmt: skip
        if inputs != outputs:
            short = (f"{mine}.conv_proj", f"{mine}.norm_proj", 1, inputs, outputs)
            short += (f"{theirs}.downsample.0", f"{theirs}.downsample.1")
            ways.insert(0 if shortcut_first else 2, short)
        for way in ways:
            pair(*way)
        inputs = outputs
    add("Dense_0", "Dense", "fc", kernel=(512, 10), bias=(10,))
    order = {path: number for number, path in enumerate(counterparts)}
    return found, order, counterparts


@pytest.mark.parametrize("shortcut_first", [False, True])
@pytest.mark.parametrize("arranged", ["executed", "sorted"])
def test_other_names_and_another_order_are_mapped_without_help(shortcut_first, arranged):
    port, order, counterparts = flax_resnet(shortcut_first)
    if arranged == "sorted":  # as a dict under jit has them
        port = sorted(port, key=lambda one: one.name)
    mapping = propose(resnet18(), port, {}, order)
    assert mapping.complete, mapping.notes
    for entry in mapping.entries:
        path = entry.port.split(".", 1)[1].rpartition(".")[0]
        assert entry.source.reference[0].rpartition(".")[0] == counterparts[path]
    words = {str(e.source.transform) for e in mapping.entries if "kernel" in e.port}
    assert words == {"permute 2 3 1 0", "permute 1 0"}


def test_layers_of_one_shape_are_told_by_order_if_names_say_nothing():
    reference = leaves("Linear", **{f"f__{n}__weight": (E, E) for n in (0, 2, 4)})
    port = leaves("Dense", **{f"{n}__kernel": (E, E) for n in ("zeta", "alpha", "mid")})
    order = {"alpha": 1, "mid": 0, "zeta": 2}
    made = {e.port: e.source.reference[0] for e in propose(reference, port, {}, order).entries}
    assert made == {
        "mid.kernel": "f.0.weight",
        "alpha.kernel": "f.2.weight",
        "zeta.kernel": "f.4.weight",
    }


def test_numbers_that_start_elsewhere_are_no_other_layers():
    reference = leaves("Conv2d", **{f"conv{n}__weight": (4, 4, 3, 3) for n in (0, 1, 2)})
    port = leaves("Conv2d", **{f"conv{n}__weight": (4, 4, 3, 3) for n in (1, 2, 3)})
    made = [e.source.reference[0] for e in propose(reference, port).entries]
    assert made == ["conv0.weight", "conv1.weight", "conv2.weight"]


WIDTH, DEPTH, VOCABULARY = 12, 3, 7


def transformer():
    """A timm-like vision transformer: names, kinds, shapes."""
    e = WIDTH
    found = [leaf("cls_token", (1, 1, e)), leaf("pos_embed", (1, 5, e))]
    found += leaves("Conv2d", patch_embed__proj__weight=(e, 3, 4, 4), patch_embed__proj__bias=(e,))
    for n in range(DEPTH):
        for name, kind, shape in (
            ("norm1", "LayerNorm", (e,)),
            ("attn.qkv", "Linear", (3 * e, e)),
            ("attn.proj", "Linear", (e, e)),
            ("norm2", "LayerNorm", (e,)),
            ("mlp.fc1", "Linear", (4 * e, e)),
            ("mlp.fc2", "Linear", (e, 4 * e)),
        ):
            path = f"blocks.{n}.{name}"
            found += [leaf(f"{path}.weight", shape, kind), leaf(f"{path}.bias", shape[:1], kind)]
    found += leaves("LayerNorm", norm__weight=(e,), norm__bias=(e,))
    return [*found, *leaves("Linear", head__weight=(10, e), head__bias=(10,))]


def flax_transformer():
    """Flax's vision transformer, sorted by name, and what each module is in timm's."""
    e, heads = WIDTH, 3
    each, inner = (heads, e // heads), (e, heads, e // heads)
    found, counterparts = [], {}

    def add(path, counterpart, kind, kernel, bias, role="kernel"):
        counterparts[path] = counterpart
        found.append(leaf(f"params.{path}.{role}", kernel, kind))
        found.append(leaf(f"params.{path}.bias", bias, kind))

    add("embedding", "patch_embed.proj", "Conv", (4, 4, 3, e), (e,))
    add("head", "head", "Dense", (e, 10), (10,))
    add("Transformer.encoder_norm", "norm", "LayerNorm", (e,), (e,), "scale")
    for n in range(DEPTH):
        mine, theirs = f"Transformer.encoderblock_{n}", f"blocks.{n}"
        for m in range(2):
            path = f"{mine}.LayerNorm_{2 * m}"
            add(path, f"{theirs}.norm{m + 1}", "LayerNorm", (e,), (e,), "scale")
        add(f"{mine}.MlpBlock_3.Dense_0", f"{theirs}.mlp.fc1", "Dense", (e, 4 * e), (4 * e,))
        add(f"{mine}.MlpBlock_3.Dense_1", f"{theirs}.mlp.fc2", "Dense", (4 * e, e), (e,))
        attention = f"{mine}.MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            add(f"{attention}.{name}", f"{theirs}.attn.qkv", "DenseGeneral", inner, each)
        add(f"{attention}.out", f"{theirs}.attn.proj", "DenseGeneral", (*each, e), (e,))
    found.append(leaf("params.cls", (1, 1, e)))
    found.append(leaf("params.Transformer.posembed_input.pos_embedding", (1, 5, e)))
    return sorted(found, key=lambda one: one.name), counterparts


def test_a_transformer_is_mapped_from_packed_to_split_attention():
    port, counterparts = flax_transformer()
    mapping = propose(transformer(), port)
    assert mapping.complete, mapping.notes
    made = {e.port.removeprefix("params."): e.source.reference for e in mapping.entries}
    assert made.pop("cls") == ("cls_token",)
    assert made.pop("Transformer.posembed_input.pos_embedding") == ("pos_embed",)
    assert {
        path.rpartition(".")[0]: names[0].rpartition(".")[0] for path, names in made.items()
    } == counterparts
    attention = "Transformer.encoderblock_1.MultiHeadDotProductAttention_1"
    assert mapping.counterparts[attention] == "blocks.1.attn"


def gpt():
    """GPT-2 as published, its matrices (in, out), its embedding the output layer's, too."""
    e = WIDTH
    found = [leaf("wte.weight", (VOCABULARY, e), "Embedding", owners=("wte", "lm_head"))]
    found.append(leaf("wpe.weight", (VOCABULARY, e), "Embedding"))
    for n in range(DEPTH):
        for name, kind, shape in (
            ("ln_1", "LayerNorm", (e,)),
            ("attn.c_attn", "Conv1D", (e, 3 * e)),
            ("attn.c_proj", "Conv1D", (e, e)),
            ("ln_2", "LayerNorm", (e,)),
            ("mlp.c_fc", "Conv1D", (e, 4 * e)),
            ("mlp.c_proj", "Conv1D", (4 * e, e)),
        ):
            found.append(leaf(f"h.{n}.{name}.weight", shape, kind))
            found.append(leaf(f"h.{n}.{name}.bias", shape[-1:], kind))
    return found


LOOPED = {
    **{"tok": 0, "pos": 1, "layers.norm1": 2, "layers.qkv": 3, "layers.out": 4},
    **{"layers.norm2": 5, "layers.fc1": 6, "layers.fc2": 7, "head": 8},
}


def looped_gpt():
    """The same, its layers stacked, its output layer's matrix its own."""
    e, n = WIDTH, DEPTH
    found = leaves(
        "Dense",
        layers__qkv__kernel=(n, e, 3 * e),
        layers__qkv__bias=(n, 3 * e),
        layers__out__kernel=(n, e, e),
        layers__out__bias=(n, e),
        layers__fc1__kernel=(n, e, 4 * e),
        layers__fc1__bias=(n, 4 * e),
        layers__fc2__kernel=(n, 4 * e, e),
        layers__fc2__bias=(n, e),
        head__kernel=(e, VOCABULARY),
    )
    for norm in ("norm1", "norm2"):
        found += [leaf(f"layers.{norm}.{r}", (n, e), "LayerNorm") for r in ("scale", "bias")]
    return found + [leaf(f"{p}.embedding", (VOCABULARY, e), "Embed") for p in ("tok", "pos")]


def test_a_tied_transformer_is_mapped_to_one_that_loops_over_its_layers():
    mapping = propose(gpt(), looped_gpt(), {}, LOOPED)
    assert mapping.complete, mapping.notes
    made = {e.port: e for e in mapping.entries}
    for port, reference in {
        "layers.qkv.kernel": "attn.c_attn.weight",
        "layers.fc2.kernel": "mlp.c_proj.weight",
        "layers.norm2.scale": "ln_2.weight",
    }.items():
        names = tuple(f"h.{n}.{reference}" for n in range(DEPTH))
        assert made[port].source.reference == names
        assert made[port].module == made[port].counterpart == ""
    assert mapping.tied == (("head.kernel", "tok.embedding"),)


def test_a_transformer_that_loops_is_mapped_back():
    mapping = propose(looped_gpt(), gpt(), LOOPED)
    names = {e.port: str(e.source.transform) for e in mapping.entries}
    assert names["h.2.attn.c_attn.bias"] == "take 2"
    assert mapping.left_over["reference"] == {
        "head.kernel": f"kernel of head ({WIDTH}, {VOCABULARY}) has no counterpart in the port"
    }


@pytest.mark.parametrize("names", ["abcd", ("parts_q", "parts_k", "parts_v", "parts_o")])
@pytest.mark.parametrize("back", [False, True], ids=["from", "to"])
def test_queries_keys_and_values_may_be_called_anything(names, back):
    called = leaves("Linear", **{f"{n}__weight": (E, E) for n in ("q", "k", "v", "out")})
    other = leaves("Dense", **{f"{n}__kernel": (E, E) for n in names})
    reference, port = (other, called) if back else (called, other)
    found = propose(reference, port)
    assert found.complete, found.notes
    made = {entry.port: entry.source.reference for entry in found.entries}
    pairs = zip(port, reference, strict=True)
    assert made == {one.name: (origin.name,) for one, origin in pairs}
