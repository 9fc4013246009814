"""Seconds a step of the two-dimensional Navier-Stokes equation in NumPy: one line, seconds and the final enstrophy.

Run by `cargo bench -p scorecast-systems --bench navier_stokes`, with the points a side, the step, the number of steps
and of repeats. The same algorithm as the crate's: ETDRK4, real transforms, four of them a stage, products cut off at a
third. Exits 77 where this Python has no NumPy.
"""
import sys
import time

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

n, dt, steps, repeats = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
NU, M, CHI = 1e-3, 4, 1.0

kx = np.arange(n // 2 + 1)[None, :]
ky = np.fft.fftfreq(n, 1 / n)[:, None]
cut = (n - 1) // 3
keep = (kx <= cut) & (abs(ky) <= cut)
k2 = kx**2 + ky**2
inverse = keep / np.where(k2 > 0, k2, 1)
to_u, to_v = 1j * ky * inverse, -1j * kx * inverse
of_p, of_q = keep * (kx**2 - ky**2), keep * kx * ky
force = np.zeros(k2.shape)
force[M, 0] = force[-M, 0] = -0.5 * M * CHI * n * n


def nonlinear(c):
    u, v = np.fft.irfft2(to_u * c, s=(n, n)), np.fft.irfft2(to_v * c, s=(n, n))
    return of_p * np.fft.rfft2(u * v) + of_q * np.fft.rfft2(v * v - u * u) + force


z = -NU * k2 * dt
r = z[..., None] + np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)
mean = lambda values: dt * values.mean(-1).real
whole, half = np.exp(z), np.exp(z / 2)
q = mean((np.exp(r / 2) - 1) / r)
f1 = mean((-4 - r + np.exp(r) * (4 - 3 * r + r**2)) / r**3)
f2 = mean(2 * (2 + r + np.exp(r) * (r - 2)) / r**3)
f3 = mean((-4 - 3 * r - r**2 + np.exp(r) * (4 - r)) / r**3)


def step(c):
    n1 = nonlinear(c)
    hc = half * c
    a = hc + q * n1
    na = nonlinear(a)
    nb = nonlinear(hc + q * na)
    nd = nonlinear(half * a + q * (2 * nb - n1))
    return whole * c + f1 * n1 + f2 * (na + nb) + f3 * nd


x = 2 * np.pi * np.arange(n) / n
start = 3 * np.cos(2 * x[None, :] + 1) * np.sin(3 * x[:, None]) + 2 * np.cos(x[None, :] - 4 * x[:, None])
times = []
for _ in range(repeats):
    c = np.fft.rfft2(start)
    begun = time.perf_counter()
    for _ in range(steps):
        c = step(c)
    times.append((time.perf_counter() - begun) / steps)
w = np.fft.irfft2(c, s=(n, n))
print(sorted(times)[repeats // 2], 0.5 * (w * w).mean())
