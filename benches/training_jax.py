"""The nets of benches/training.rs in JAX jit, written plainly: ms a training step and ms an evaluation, as JSON.

python training_jax.py THREADS. AdamW, clipping and the average of the weights by hand, as ours; data and noise are drawn
once and stay on the device, which is to the favour of JAX.
"""

import json
import os
import sys

threads = int(sys.argv[1])
os.sched_setaffinity(0, set(range(threads)))
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"
os.environ["OMP_NUM_THREADS"] = str(threads)

import jax
import jax.numpy as jnp
import numpy as np
from training_nets import KERNEL, MEMBERS, NETS, WAVES, median

FEATURES = 1 + 2 * WAVES


def start(net, rng):
    draw = lambda *shape: jnp.asarray(rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:])), jnp.float32)
    layer = lambda *shape: {"weight": draw(*shape), "bias": jnp.zeros(shape[0], jnp.float32)}
    width, conv = net["width"], net["kind"] == "conv"
    mix = (lambda o, i: layer(o, KERNEL, i)) if conv else (lambda o, i: layer(o, i))
    shared = 1 if conv else net["components"]
    weights = {"stem": mix(width, net["inputs"] * shared), "head": layer(net["outputs"] * shared, width)}
    if net["levels"]:
        weights["level"] = [layer(width, FEATURES), layer(width, width)]
    weights["blocks"] = [
        {"first": mix(width, width), "second": mix(width, width)} | ({"film": layer(2 * width, width)} if net["levels"] else {})
        for _ in range(net["blocks"])
    ]
    return weights


def linear(x, layer):
    return x @ layer["weight"].T + layer["bias"]


def convolution(x, layer):
    p = KERNEL // 2
    x = jnp.concatenate([x[:, -p:], x, x[:, :p]], axis=1)
    kernel = jnp.transpose(layer["weight"], (1, 2, 0))
    return jax.lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")) + layer["bias"]


def windows(x, layer):
    p = KERNEL // 2
    x = jnp.concatenate([x[:, -p:], x, x[:, :p]], axis=1)
    x = jnp.concatenate([x[:, k : x.shape[1] - 2 * p + k] for k in range(KERNEL)], axis=2)
    return x @ layer["weight"].reshape(layer["weight"].shape[0], -1).T + layer["bias"]


def features(c):
    w = 16.0 ** (jnp.arange(WAVES) / (WAVES - 1))
    phase = c[:, None] * w
    return jnp.concatenate([c[:, None], jnp.cos(phase), jnp.sin(phase)], axis=1)


def forward(net, mix_conv, weights, x, levels):
    conv = net["kind"] == "conv"
    mix = mix_conv if conv else linear
    x = x if conv else x.reshape(x.shape[0], -1)
    if net["levels"]:
        first, second = weights["level"]
        e = jax.nn.silu(linear(jax.nn.silu(linear(features(levels), first)), second))
    h = mix(x, weights["stem"])
    for block in weights["blocks"]:
        z = mix(h, block["first"])
        if net["levels"]:
            gain, shift = jnp.split(linear(e, block["film"]), 2, axis=-1)
            z = z * (1 + gain[:, None] if conv else 1 + gain) + (shift[:, None] if conv else shift)
        h = h + mix(jax.nn.silu(z), block["second"])
    return linear(h, weights["head"]).reshape(x.shape[0], net["components"], net["outputs"])


def loss(net, mix, weights, x, levels, target):
    out = forward(net, mix, weights, x, levels)
    if net["outputs"] == 1:
        return jnp.mean((out - target) ** 2)
    mean, raw = out[..., :1], out[..., 1:]
    l = -12 + 15 * jax.nn.sigmoid(raw)
    return jnp.mean(l + (target - mean) ** 2 * jnp.exp(-l)) / 2


def step(net, mix):
    def update(state, x, levels, target):
        w, m, v, mean, t = state
        g = jax.grad(lambda w: loss(net, mix, w, x, levels, target))(w)
        norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(g)))
        g = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / norm), g)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, v, g)
        rate, decay = 1e-3, 1e-3
        adam = lambda w, m, v: w * (1 - rate * decay) - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.99**t)) + 1e-8)
        w = jax.tree.map(adam, w, m, v)
        mean = jax.tree.map(lambda mean, w: 0.99 * mean + 0.01 * w, mean, w)
        return w, m, v, mean, t

    return jax.jit(update, donate_argnums=0)


def measured(net, mix):
    rng = np.random.default_rng(0)
    weights = start(net, rng)
    normal = lambda *shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)
    batch, components = net["batch"], net["components"]
    x, levels, target = normal(batch, components, net["inputs"]), normal(batch), normal(batch, components, 1)
    zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
    copy = jax.tree.map(jnp.copy, weights)
    state = [(copy, zeros(), zeros(), jax.tree.map(jnp.copy, weights), jnp.float32(0))]
    one = step(net, mix)

    def train(count):
        for _ in range(count):
            state[0] = one(state[0], x, levels, target)
        jax.block_until_ready(state[0])

    evaluate = jax.jit(lambda w, x, c: forward(net, mix, w, x, c))
    members, level = normal(MEMBERS, components, net["inputs"]), normal(1)

    def sample(count):
        for _ in range(count):
            out = evaluate(weights, members, level)
        jax.block_until_ready(out)

    return median(train, 20), median(sample, 20)


result = {}
for name, net in NETS.items():
    if len(sys.argv) > 2 and sys.argv[2] != name:
        continue
    # the faster of two forms of a convolution
    forms = [convolution, windows] if net["kind"] == "conv" else [linear]
    both = [measured(net, mix) for mix in forms]
    result[name] = {"training": min(t for t, _ in both), "sampling": min(s for _, s in both)}
print(json.dumps(result))
