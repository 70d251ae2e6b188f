"""A Keras 3 model, whichever framework it computes in: layers and weights.

`torch/module_keras.py` and `jax/module_keras.py` ask it in their tensors.
"""

import re
from contextlib import ExitStack, contextmanager

import keras
from common.errors import Refused
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE
from keras.src.utils.naming import to_snake_case

#: What a model may be told to compute in instead of what it was made in.
FLOATS = ("float32", "float64")

#: Layers that end with the activation that they were given.
ACTIVATED = (
    *(keras.layers.Dense, keras.layers.EinsumDense),
    *(keras.layers.Conv1D, keras.layers.Conv1DTranspose),
    *(keras.layers.Conv2D, keras.layers.Conv2DTranspose),
    *(keras.layers.Conv3D, keras.layers.Conv3DTranspose),
    *(keras.layers.DepthwiseConv1D, keras.layers.SeparableConv1D),
    *(keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D),
)


def walked(layer, path=""):
    """Every layer by every path, as defined, the model first."""
    yield path, layer
    for name, part in named(layer, layer._layers).items():
        yield from walked(part, f"{path}.{name}" if path else name)


def named(layer, held):
    """Layers or variables that a layer holds, by what somebody called them.

    Differs: each has a name, but one that Keras counted ("dense_3") depends
    on what was made before; then that of the attribute says more.
    """
    attributes = {}
    for name, value in {
        **layer.__dict__.get("_modules", {}),
        **vars(layer),
    }.items():
        for place, one in places(name, value):
            attributes.setdefault(id(one), place)
    found = {}
    for one in held:
        attribute, name = attributes.get(id(one), "_"), one.name
        if not attribute.startswith("_") or (
            is_counted(one) and attribute != "_"
        ):
            name = attribute.strip("_")
        else:
            name = name.replace(".", "_")
        found[name if name not in found else f"{name}_{len(found)}"] = one
    return found


def places(name, value):
    """What an attribute is, or holds if it is a list, by what it is called."""
    if not isinstance(value, (list, tuple, dict)):
        yield name, value
    elif not name.startswith("_"):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(f"{name}.{key}", value[key])


def is_counted(one):
    """Whether Keras has made up its name."""
    stem = re.escape(to_snake_case(type(one).__name__))
    return re.fullmatch(rf"{stem}(_\d+)?", one.name) is not None


def weights(model):
    """(name, owners, kind, variable, trained) of each float, once.

    A frozen layer's are trained all the same: whether somebody updates them
    is not the layer's arithmetic. A recurrent layer owns those of its cell.
    """
    found, layers = {}, {}
    for path, layer in walked(model):
        layers[path] = layer
        above = path.rpartition(".")[0]
        is_cell = path and isinstance(layers.get(above), keras.layers.RNN)
        owner = above if is_cell else path
        both = layer._trainable_variables, layer._non_trainable_variables
        trained = set(map(id, both[0]))
        for role, variable in named(layer, [*both[0], *both[1]]).items():
            if "float" not in keras.backend.standardize_dtype(
                variable._dtype
            ):
                continue
            name = f"{path}.{role}" if path else role
            first = name, [], type(layer).__name__, variable
            first += (id(variable) in trained,)
            found.setdefault(id(variable), first)[1].append(owner)
    for name, owners, kind, variable, is_trained in found.values():
        yield name, tuple(owners), kind, variable, is_trained


def callers(model):
    """The layers whose calls are looked at, by path.

    A recurrent layer is one call of one layer: its cell runs in a loop that
    can be looked into in one framework and not in the other.
    """
    found, loops = {}, []
    for path, layer in walked(model):
        if any(not one or path.startswith(f"{one}.") for one in loops):
            continue
        if isinstance(layer, keras.layers.RNN):
            loops.append(path)
        found.setdefault(id(layer), (path, layer))
    return dict(found.values())


def endings(model):
    """What a layer ends with that elsewhere stands behind it, by its path.

    The activation that it was given; of a recurrent layer that returns no
    sequence the choice of the last step. What is one layer alone is left as
    it is.

    Returns:
        path -> what the layer is without it, and it.
    """
    found = {}
    for path, layer in callers(model).items():
        ending = ending_of(layer) if path else None
        if ending is not None:
            found[path] = ending
    return found


def ending_of(layer):
    """What one layer is without its ending, and that; None: it has none."""
    if isinstance(layer, keras.layers.RNN):
        whole = {"return_sequences": True, "compute_mask": no_mask}
        return None if layer.return_sequences else (whole, last)
    activation = layer.activation if type(layer) in ACTIVATED else None
    if activation in (None, keras.activations.linear):
        return None
    return {"activation": None}, activation


def last(returned):
    """The last step of a sequence, and the states if they came with it."""
    if keras.ops.is_tensor(returned):
        return returned[:, -1]
    sequence, *states = returned
    return sequence[:, -1], *states


def no_mask(inputs, mask=None):
    """The mask of what has no steps."""


def seeds(model):
    """The variables that say what is drawn next."""
    return [
        generator.state
        for layer in {id(x): x for _, x in walked(model)}.values()
        for generator in layer._seed_generators
    ]


def refuse_unbuilt(model):
    """Refuse a model some of whose weights are not there yet."""
    for path, layer in walked(model):
        if not layer.built:
            raise Refused(
                f"{path or type(model).__name__} of Keras has no weights yet;"
                " call the model once before"
            )


@contextmanager
def computed_in(model, dtype):
    """Have all of a model compute in float32 or float64; then as it was.

    Whole numbers stay whole: an input that nobody said the dtype of makes
    floats of tokens, of which an embedding makes whole numbers again.

    Differs: Keras casts to what a thing was made in: what comes to a layer to
    its policy's dtype, what comes to a functional model to that of its
    symbolic inputs, what is assigned to a variable to its own. And whatever
    was asked for, off TensorFlow `result_type`, by which many operations
    choose what they compute in, makes float32 of float64 (3.15.1,
    backend/common/dtypes.py: "to be aligned with JAX's default behavior").

    Yields:
        what is left out of a layer, and follows it, by its path (`endings`).
    """
    with ExitStack() as undo:

        def put(one, name, value):
            if name in vars(one):
                undo.callback(setattr, one, name, vars(one)[name])
            else:
                undo.callback(delattr, one, name)
            setattr(one, name, value)

        undo.callback(keras.config.set_floatx, keras.config.floatx())
        keras.config.set_floatx(dtype)
        wide = BIT64_TO_BIT32_DTYPE["float64"]
        undo.callback(BIT64_TO_BIT32_DTYPE.update, float64=wide)
        BIT64_TO_BIT32_DTYPE["float64"] = dtype
        for layer in {id(x): x for _, x in walked(model)}.values():
            if layer.compute_dtype in FLOATS and not layer.quantization_mode:
                put(layer, "_dtype_policy", keras.DTypePolicy(dtype))
            if getattr(layer, "_dtype", None) in FLOATS:
                put(layer, "_dtype", dtype)
            whole = getattr(layer, "_functional", None) or layer
            for symbolic in getattr(whole, "_inputs", ()):
                if symbolic.dtype in FLOATS:
                    put(symbolic, "_dtype", None)
        for *_, variable, _ in weights(model):
            if variable._dtype in FLOATS:
                put(variable, "_dtype", dtype)
        layers, behind = callers(model), {}
        for path, (without, ending) in endings(model).items():
            behind[path] = ending
            for name, value in without.items():
                put(layers[path], name, value)
        yield behind


@contextmanager
def holding(pairs):
    """Variables with other values, for as long as it lasts.

    Args:
        pairs: (variable, tensor).

    Yields:
        the scope; its `get_current_value` says what a variable is now.

    See: https://keras.io/api/utils/python_utils/ (`StatelessScope`)
    """
    scope = keras.StatelessScope()
    # Not by its argument, which casts to the dtype a variable was made in.
    scope.state_mapping.update({id(one): value for one, value in pairs})
    with scope:
        yield scope


def arguments(model, inputs, names):
    """How the whole is called with its inputs.

    Differs: a functional model takes one argument, made like its inputs.
    """
    structure = getattr(model, "_inputs_struct", None)
    if structure is None and names is None:
        return tuple(inputs), {}
    if names is not None:
        told = dict(zip(names, inputs, strict=True))
        return ((), told) if structure is None else ((told,), {})
    return (keras.tree.pack_sequence_as(structure, list(inputs)),), {}


def settings(layer):
    """What a layer was made with."""
    try:
        made = layer.get_config()
    except Exception:
        # Somebody's own layer need not say it, and is told so by an error.
        return {}
    return {n: x for n, x in made.items() if n not in ("trainable", "dtype")}
