"""Processor seconds of one update of the ensemble score filter in NumPy, with the published one-member score, for each line that asks.

Run by `cargo bench --bench sampler` with the numbers of members and steps; a line is a number of components and 1 where the
arctangent is observed. Arrays of 64-bit floats, whole ensembles at a time, one thread.
"""
import sys
import time

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

MEMBERS, STEPS = int(sys.argv[1]), int(sys.argv[2])
EPS_ALPHA, EPS_BETA, CLIP = 0.5, 0.025, 1000.0


def likelihood_score(z, y, arctan):
    if arctan:
        return (y - np.arctan(z)) / (0.05**2 * (1 + z * z))
    return y - z


def update(forecast, y, arctan, rng):
    z = forecast.std(axis=0, ddof=1) * rng.standard_normal(forecast.shape)
    dt = 1 / STEPS
    for step in range(STEPS):
        t = 1 - step * dt
        alpha, beta_square = 1 - (1 - EPS_ALPHA) * t, EPS_BETA + (1 - EPS_BETA) * t
        drift = -(1 - EPS_ALPHA) / alpha
        diffusion_square = 1 - EPS_BETA - 2 * drift * beta_square
        score = (alpha * forecast - z) / beta_square + (1 - t) * likelihood_score(z, y, arctan)
        np.clip(score, -CLIP, CLIP, out=score)
        z += dt * (diffusion_square * score - drift * z)
        z += np.sqrt(diffusion_square * dt) * rng.standard_normal(z.shape)
    return z


print(f"NumPy {np.__version__}", flush=True)
rng = np.random.default_rng(1)
cases = {}
for line in sys.stdin:
    components, arctan = (int(word) for word in line.split())
    if components not in cases:
        cases = {components: (rng.standard_normal((MEMBERS, components)), rng.standard_normal(components))}
    forecast, y = cases[components]
    start = time.process_time()
    update(forecast, y, bool(arctan), rng)
    print(time.process_time() - start, flush=True)
