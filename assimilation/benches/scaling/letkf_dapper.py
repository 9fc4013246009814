"""Seconds of one LETKF analysis of DAPPER on a ring of 1,000 components, all observed, N = 24, 21 values near each.

Run by `cargo bench --bench scaling` where this Python has DAPPER (`pip install dapper`); exits 77 where it has not.
Distances and batches are made beforehand. One point a batch, like the filter beside it.
"""
import sys
import time

try:
    import numpy as np
    from dapper.da_methods.ensemble import local_analyses
    from dapper.tools.localization import nd_Id_localization
    from dapper.tools.randvars import GaussRV
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SIZE, MEMBERS, RADIUS = 1000, 24, 10

rng = np.random.default_rng(1)
truth = 3 * rng.standard_normal(SIZE)
ensemble = truth + 0.2 * rng.standard_normal((MEMBERS, SIZE))
observed = truth + rng.standard_normal(SIZE)
error = GaussRV(C=1, M=SIZE).C
batches, taper = nd_Id_localization((SIZE,), (1,))(RADIUS, "x2y", "Step")
assert all(len(taper(batch)[0]) == 2 * RADIUS + 1 for batch in batches[:3])

times = []
for _ in range(4):
    start = time.perf_counter()
    local_analyses(ensemble.copy(), ensemble.copy(), error, observed, batches, taper)
    times.append(time.perf_counter() - start)
print(min(times))
