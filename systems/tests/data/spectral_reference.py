"""Reference numbers for spectral.rs, by methods that share nothing with the crate's: `python spectral_reference.py`.

Kuramoto-Sivashinsky and Navier-Stokes: plain complex transforms, products without aliasing by padding to twice the
points, integrated by SciPy's adaptive DOP853 or Radau. Quasi-geostrophic: loops over points, and a sparse LU
factorization for the Helmholtz equation. Needs NumPy and SciPy.
"""
import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import diags, identity, kron
from scipy.sparse.linalg import splu


def show(name, values):
    print(name, "[" + ", ".join(f"{v:.12e}" for v in values) + "]")


def galerkin(n):
    k = np.fft.fftfreq(n, 1 / n)
    return k, np.abs(k) <= (n - 1) // 3


def product(a, b, n):
    """The coefficients of a product of two cut-off fields of n^d points, from 2 n points a direction."""
    d = a.ndim
    at = np.ix_(*[np.fft.fftfreq(n, 1 / n).astype(int)] * d)

    def field(c):
        big = np.zeros((2 * n,) * d, complex)
        big[at] = c
        return np.fft.ifftn(big) * (2 * n) ** d

    return (np.fft.fftn(field(a) * field(b)) / (2 * n) ** d)[at]


def kuramoto_sivashinsky(n=64, length=22.0):
    k, keep = galerkin(n)
    q = 2 * np.pi * k / length
    x = length * np.arange(n) / n
    u = np.cos(2 * np.pi * x / length) * (1 + np.sin(4 * np.pi * x / length))

    def rate(_, u):
        c = np.fft.fft(u) / n
        p = c * keep
        c = (q**2 - q**4) * c - 0.5j * q * keep * product(p, p, n)
        return np.fft.ifft(c).real * n

    show("KS drift", rate(0, u)[::16])
    end = solve_ivp(rate, (0, 10), u, method="Radau", rtol=1e-10, atol=1e-11).y[:, -1]
    show("KS t=10", end[::16])


def navier_stokes(n=32, nu=0.025, drag=0.1):
    k, keep = galerkin(n)
    kx, ky = k[None, :], k[:, None]
    keep = keep[None, :] & keep[:, None]
    k2 = kx**2 + ky**2
    x = (2 * np.pi * np.arange(n) / n)[None, :]
    y = x.T
    w = np.sin(x) * np.cos(2 * y) + np.cos(3 * x - y + 0.5) + 0.7 * np.sin(2 * x + 3 * y)
    f = -4 * np.cos(4 * y)
    inverse = np.where(k2 > 0, 1 / np.where(k2 > 0, k2, 1), 0)

    def rate(_, w):
        w = w.reshape(n, n)
        c = np.fft.fft2(w) / n**2
        p = c * keep
        psi = -p * inverse
        advection = product(-1j * ky * psi, 1j * kx * p, n) + product(1j * kx * psi, 1j * ky * p, n)
        c = -(nu * k2 + drag) * c - keep * advection
        return (np.fft.ifft2(c).real * n**2 + f).ravel()

    pick = [3 * n + 5, 10 * n + 20, 17 * n + 2, 31 * n + 31]
    show("NS drift", rate(0, w.ravel())[pick])
    end = solve_ivp(rate, (0, 1), w.ravel(), method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    show("NS t=1", end[pick])


def quasi_geostrophic(n=33, froude=1600.0, eps=1e-5, visc=2e-11, dt=1.25, steps=8):
    h = 1 / (n - 1)
    m = n - 2
    second = diags([np.ones(m - 1), -2 * np.ones(m), np.ones(m - 1)], [-1, 0, 1]) / h**2
    laplace = (kron(second, identity(m)) + kron(identity(m), second)).tocsc()
    solve = splu((laplace - froude * identity(m * m)).tocsc()).solve
    y = np.arange(n) * h
    wind = np.repeat(-2 * np.pi * np.sin(2 * np.pi * y[1:-1]), m)

    def pad(inner):
        full = np.zeros((n, n))
        full[1:-1, 1:-1] = inner.reshape(m, m)
        return full

    def arakawa(a, b):
        out = np.zeros((n, n))
        for j in range(1, n - 1):
            for i in range(1, n - 1):
                A = lambda s, t: a[j + t, i + s]
                B = lambda s, t: b[j + t, i + s]
                out[j, i] = (
                    (B(0, -1) + B(1, -1) - B(0, 1) - B(1, 1)) * (A(1, 0) + A(0, 0))
                    - (B(-1, -1) + B(0, -1) - B(-1, 1) - B(0, 1)) * (A(0, 0) + A(-1, 0))
                    + (B(1, 0) + B(1, 1) - B(-1, 0) - B(-1, 1)) * (A(0, 1) + A(0, 0))
                    - (B(1, -1) + B(1, 0) - B(-1, -1) - B(-1, 0)) * (A(0, 0) + A(0, -1))
                    + (B(1, 0) - B(0, 1)) * (A(1, 1) + A(0, 0))
                    - (B(0, -1) - B(-1, 0)) * (A(0, 0) + A(-1, -1))
                    + (B(0, 1) - B(-1, 0)) * (A(-1, 1) + A(0, 0))
                    - (B(1, 0) - B(0, -1)) * (A(0, 0) + A(1, -1))
                )
        return -out[1:-1, 1:-1].ravel() / (12 * h * h)

    def rate(psi):
        full, lap = pad(psi), laplace @ psi
        psi_x = ((full[1:-1, 2:] - full[1:-1, :-2]) / (2 * h)).ravel()
        q = lap - froude * psi
        jacobian = arakawa(full, pad(q))
        return solve(-psi_x - eps * jacobian - visc * (laplace @ (laplace @ lap)) + wind)

    X, Y = np.meshgrid(y[1:-1], y[1:-1])
    psi = (20 * np.sin(np.pi * X) * np.sin(2 * np.pi * Y) + 9 * np.sin(3 * np.pi * X) * np.sin(np.pi * Y)).ravel()
    pick = [3 * n + 5, 10 * n + 20, 17 * n + 2, 25 * n + 30]
    show("QG drift", pad(rate(psi)).ravel()[pick])
    for _ in range(steps):
        a = rate(psi)
        b = rate(psi + dt / 2 * a)
        c = rate(psi + dt / 2 * b)
        psi = psi + dt / 6 * (a + 2 * b + 2 * c + rate(psi + dt * c))
    show(f"QG after {steps} steps of {dt}", pad(psi).ravel()[pick])


kuramoto_sivashinsky()
navier_stokes()
quasi_geostrophic()
