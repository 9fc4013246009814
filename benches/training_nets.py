"""What the peers of benches/training.rs measure alike: its nets, and how."""

import time

REPEATS = 9
MEMBERS = 256
NETS = {
    "conv, default, denoising": dict(kind="conv", components=40, inputs=2, outputs=1, width=32, blocks=3, levels=True, batch=128),
    "conv, default, likelihood": dict(kind="conv", components=40, inputs=1, outputs=2, width=35, blocks=3, levels=False, batch=128),
    "conv of 64 channels": dict(kind="conv", components=40, inputs=1, outputs=1, width=64, blocks=4, levels=False, batch=64),
    "mlp of 256 channels": dict(kind="mlp", components=40, inputs=2, outputs=1, width=256, blocks=4, levels=True, batch=256),
    "mlp, default, denoising": dict(kind="mlp", components=3, inputs=2, outputs=1, width=128, blocks=3, levels=True, batch=128),
    "mlp, tiny": dict(kind="mlp", components=3, inputs=2, outputs=1, width=54, blocks=3, levels=True, batch=128),
}
KERNEL, WAVES = 5, 7


def median(call, count):
    call(count)
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        call(count)
        times.append((time.perf_counter() - begun) / count)
    return 1e3 * sorted(times)[REPEATS // 2]
