"""MindSpore's compiled function does not see Parameter.set_data; torch's sees data set anew.

ops.assign and copy_ write in place and are seen, but after a set_data the compiled function is cut
loose: a later ops.assign does not reach it either. JAX is handed its parameters at each call.
torch.compile's default backend was seen to do the same as this one, which needs no C++ compiler.
"""

TOPIC = "update"
WHY = "Weights loaded after the first step are used by nobody, and nothing says so."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.compile.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.jit.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.Parameter.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.assign.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    weight, x = torch.tensor([1.0]), torch.tensor([2.0])

    def scale(x):
        return weight * x

    compiled = torch.compile(scale, backend="aot_eager")
    seen = [compiled(x).item()]
    weight.copy_(torch.tensor([3.0]))
    seen.append(compiled(x).item())
    weight.data = torch.tensor([4.0])
    seen.append(compiled(x).item())
    weight.copy_(torch.tensor([5.0]))
    seen.append(compiled(x).item())
    return {
        "twice the weight 1": seen[0],
        "3 written in place": seen[1],
        "4 set as new data": seen[2],
        "5 written in place after that": seen[3],
        "the weight itself": weight.item(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    weight, x = jnp.array([1.0]), jnp.array([2.0])

    def scale(weight, x):
        return weight * x

    compiled = jax.jit(scale)
    seen = [compiled(weight, x).item()]
    weight = weight.at[0].set(3.0)  # a new array, as all are
    seen.append(compiled(weight, x).item())
    weight = jnp.array([4.0])
    seen.append(compiled(weight, x).item())
    weight = weight.at[0].set(5.0)
    seen.append(compiled(weight, x).item())
    return {
        "twice the weight 1": seen[0],
        "3 written in place": seen[1],
        "4 set as new data": seen[2],
        "5 written in place after that": seen[3],
        "the weight itself": weight.item(),
    }


def mindspore():
    import mindspore
    from mindspore import Parameter, Tensor, ops

    weight, x = Parameter(Tensor([1.0]), name="weight"), Tensor([2.0])

    def scale(x):
        return weight * x

    compiled = mindspore.jit(scale)
    seen = [compiled(x).item()]
    ops.assign(weight, Tensor([3.0]))
    seen.append(compiled(x).item())
    weight.set_data(Tensor([4.0]))
    seen.append(compiled(x).item())
    ops.assign(weight, Tensor([5.0]))
    seen.append(compiled(x).item())
    return {
        "twice the weight 1": seen[0],
        "3 written in place": seen[1],
        "4 set as new data": seen[2],
        "5 written in place after that": seen[3],
        "the weight itself": weight.asnumpy().item(),
    }


CLAIM = {
    "torch": {
        "twice the weight 1": 2.0,
        "3 written in place": 6.0,
        "4 set as new data": 8.0,
        "5 written in place after that": 10.0,
        "the weight itself": 5.0,
    },
    "jax": {
        "twice the weight 1": 2.0,
        "3 written in place": 6.0,
        "4 set as new data": 8.0,
        "5 written in place after that": 10.0,
        "the weight itself": 5.0,
    },
    "mindspore": {
        "twice the weight 1": 2.0,
        "3 written in place": 6.0,
        "4 set as new data": 6.0,
        "5 written in place after that": 6.0,
        "the weight itself": 5.0,
    },
}
