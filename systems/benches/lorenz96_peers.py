"""Lorenz-96 by RK4 in NumPy and in JAX, on one thread, for `cargo bench -p scorecast-systems --bench lorenz96`.

Reads one request a line, "PEER MEMBERS DIM STEPS", and answers with one line for each way of writing it, from the
plainest on: its name, the least seconds of a few runs and the mean square of the final state, separated by tabs; an
empty line ends the answer. The first answer names the peers that this Python has, with their versions.
"""
import os
import sys
import time

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"
for library in ["OMP", "OPENBLAS", "MKL"]:
    os.environ[f"{library}_NUM_THREADS"] = "1"

DT, F = 0.05, 8.0
versions = {}
try:
    import numpy as np

    versions["numpy"] = np.__version__
except ImportError as missing:
    sys.exit(f"skipped: {missing}")
try:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    versions["jax"] = jax.__version__
except ImportError:
    jax = None


def start(members, dim):
    """[member, component]: the same numbers as the Rust side's, from integers."""
    index = np.arange(members * dim).reshape(members, dim)
    return 8.0 + (index * 7919 % 1000) * 1e-3


def rk4(drift, x, dt):
    k1 = drift(x)
    k2 = drift(x + dt / 2 * k1)
    k3 = drift(x + dt / 2 * k2)
    k4 = drift(x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def numpy_roll(x, steps):
    """The textbook: np.roll, new arrays."""

    def drift(x):
        return (np.roll(x, -1, -1) - np.roll(x, 2, -1)) * np.roll(x, 1, -1) - x + F

    for _ in range(steps):
        x = rk4(drift, x, DT)
    return x


class Padded:
    """A ring along axis 0 with its ends repeated, slices for neighbours, every result into a buffer made beforehand."""

    def __init__(self, shape):
        padded = (shape[0] + 3,) + shape[1:]
        self.x, self.stage = np.empty(padded), np.empty(padded)
        self.k, self.sum, self.scratch = np.empty(shape), np.empty(shape), np.empty(shape)

    def drift(self, padded, out):
        padded[:2], padded[-1:] = padded[-3:-1], padded[2:3]
        np.subtract(padded[3:], padded[:-3], out=out)
        np.multiply(out, padded[1:-2], out=out)
        np.subtract(out, padded[2:-1], out=out)
        np.add(out, F, out=out)

    def step(self):
        x, stage = self.x[2:-1], self.stage[2:-1]
        self.drift(self.x, self.sum)
        np.multiply(self.sum, DT / 2, out=self.scratch)
        np.add(x, self.scratch, out=stage)
        for ahead in (DT / 2, DT):
            self.drift(self.stage, self.k)
            np.multiply(self.k, ahead, out=self.scratch)
            np.multiply(self.k, 2.0, out=self.k)
            np.add(self.sum, self.k, out=self.sum)
            np.add(x, self.scratch, out=stage)
        self.drift(self.stage, self.k)
        np.add(self.sum, self.k, out=self.sum)
        np.multiply(self.sum, DT / 6, out=self.sum)
        np.add(x, self.sum, out=x)


def numpy_padded(block):
    """Members along the last axis, `block` of them at a time so that the buffers stay in cache."""

    def run(x, steps):
        members, dim = x.shape
        out = np.empty_like(x)
        width = min(block, members)
        ring = Padded((dim, width) if members > 1 else (dim,))
        for first in range(0, members, width):
            rows = slice(first, first + width)
            if x[rows].shape[0] < width:
                ring = Padded((dim, x[rows].shape[0]))
            ring.x[2:-1] = x[rows].T if members > 1 else x[0]
            for _ in range(steps):
                ring.step()
            out[rows] = ring.x[2:-1].T if members > 1 else ring.x[2:-1]
        return out

    return run


def numpy_blocked(block):
    """One long ring, all four stages for `block` values at a time: 8 more on the left and 4 on the right."""

    def run(x, steps):
        dim = x.shape[1]
        now, after = np.empty(dim + 12), np.empty(dim + 12)
        k, total, scratch, stage = (np.empty(block + 12) for _ in range(4))
        now[8:-4] = x[0]

        def drift(x, out):
            np.subtract(x[3:], x[:-3], out=out)
            np.multiply(out, x[1:-2], out=out)
            np.subtract(out, x[2:-1], out=out)
            np.add(out, F, out=out)

        for _ in range(steps):
            now[:8], now[-4:] = now[-12:-4], now[8:12]
            for first in range(0, dim, block):
                n = min(block, dim - first)
                x = now[first : first + n + 12]
                drift(x, total[: n + 9])
                np.multiply(total[: n + 9], DT / 2, out=scratch[: n + 9])
                np.add(x[2:-1], scratch[: n + 9], out=stage[: n + 9])
                for passed, ahead in ((1, DT / 2), (2, DT)):
                    m = n + 9 - 3 * passed
                    here = slice(2 * passed, 2 * passed + m)
                    drift(stage[: m + 3], k[:m])
                    np.multiply(k[:m], ahead, out=scratch[:m])
                    np.multiply(k[:m], 2.0, out=k[:m])
                    np.add(total[here], k[:m], out=total[here])
                    np.add(x[2 + 2 * passed : 2 + 2 * passed + m], scratch[:m], out=stage[:m])
                drift(stage[: n + 3], k[:n])
                np.add(total[6 : 6 + n], k[:n], out=k[:n])
                np.multiply(k[:n], DT / 6, out=k[:n])
                np.add(x[8:-4], k[:n], out=after[8 + first : 8 + first + n])
            now, after = after, now
        return now[8:-4].reshape(1, dim).copy()

    return run


def jax_ways():
    def roll(axis):
        def drift(x):
            return (jnp.roll(x, -1, axis) - jnp.roll(x, 2, axis)) * jnp.roll(x, 1, axis) - x + F

        return drift

    def slices(axis):
        def drift(x):
            n = x.shape[axis]
            cut = lambda a, b: jax.lax.slice_in_dim(padded, a, b, axis=axis)
            ends = [jax.lax.slice_in_dim(x, n - 2, n, axis=axis), x, jax.lax.slice_in_dim(x, 0, 1, axis=axis)]
            padded = jnp.concatenate(ends, axis)
            return (cut(3, n + 3) - cut(0, n)) * cut(1, n + 1) - x + F

        return drift

    def way(drift, transposed):
        @jax.jit
        def jitted(x, steps):
            return jax.lax.fori_loop(0, steps, lambda _, x: rk4(drift, x, DT), x)

        def prepare(x):
            return jax.device_put(x.T.copy() if transposed else x)

        def run(x, steps):
            return jitted(x, steps).block_until_ready()

        return prepare, run, (lambda x: np.asarray(x).T) if transposed else np.asarray

    return {
        "roll": way(roll(-1), False),
        "roll, members last": way(roll(0), True),
        "slices": way(slices(-1), False),
        "slices, members last": way(slices(0), True),
    }


def ways(peer, members):
    if peer == "jax":
        return {} if jax is None else jax_ways()
    plain = lambda run: (lambda x: x, run, lambda x: x)
    found = {"np.roll": plain(numpy_roll), "padded, out=": plain(numpy_padded(members))}
    if members > 1:
        for block in (64, 128, 256):
            found[f"padded, out=, {block} members at a time"] = plain(numpy_padded(block))
    else:
        for block in (4096, 16384):
            found[f"out=, stages in blocks of {block}"] = plain(numpy_blocked(block))
    return found


def measure(way, x, steps):
    prepare, run, finish = way
    x = prepare(x)
    least = float("inf")
    begun = time.perf_counter()
    for repeat in range(20):
        before = time.perf_counter()
        out = run(x, steps)
        least = min(least, time.perf_counter() - before)
        if repeat and time.perf_counter() - begun > 0.2:
            break
    return least, float(np.mean(finish(out) ** 2))


for peer, version in versions.items():
    print(peer, version, sep="\t")
print(flush=True)
made = {}
for line in sys.stdin:
    peer, *numbers = line.split()
    members, dim, steps = map(int, numbers)
    for name, way in made.setdefault((peer, members), ways(peer, members)).items():
        print(name, *measure(way, start(members, dim), steps), sep="\t")
    print(flush=True)
