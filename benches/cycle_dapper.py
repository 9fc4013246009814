"""Seconds a cycle of DAPPER on Sakov & Oke's Lorenz-96 (n = 40), statistics included: one JSON line.

Run by `cargo bench --bench cycle` where this Python has DAPPER (`pip install dapper`); exits 77 where it has not.
"""
import json
import sys
import time

try:
    import dapper
    import dapper.da_methods as da
    from dapper.mods.Lorenz96.sakov2008 import HMM
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

CYCLES = 1000
HMM.tseq.BurnIn = 5
dapper.rc.liveplotting_enabled = False


def measure(method, cycles=CYCLES):
    HMM.tseq.Ko = cycles
    dapper.set_seed(3001)
    xx, yy = HMM.simulate()
    start = time.process_time()
    method.assimilate(HMM, xx, yy)
    seconds = time.process_time() - start
    method.stats.average_in_time()
    return {
        "seconds_per_cycle": seconds / cycles,
        "rmse": float(method.avrgs.err.rms.a.val),
    }


print(
    json.dumps(
        {
            "dapper": dapper.__version__ if hasattr(dapper, "__version__") else "unknown",
            "etkf": measure(da.EnKF("Sqrt", N=24, infl=1.013, rot=True)),
            "enkf": measure(da.EnKF("PertObs", N=40, infl=1.06)),
            "enkf_n": measure(da.EnKF_N(N=24, xN=2.0, rot=True)),
            "letkf": measure(da.LETKF(N=7, infl=1.04, rot=True, loc_rad=4), 300),
            "eakf": measure(da.SL_EAKF(N=7, infl=1.07, rot=True, loc_rad=6), 300),
            "ienks": measure(da.iEnKS("Sqrt", N=24, infl=1.013, rot=True, Lag=1, nIter=10), 300),
        }
    )
)
