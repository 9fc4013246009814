"""The networks of FlowDAS and SDA for Lorenz-63 in PyTorch, trained as `flowdas_lorenz63.toml` and the test
`measured::published_networks` train them, and scored in the same way. Needs torch, numpy and h5py.

    scorecast simulate benches/published/sda_lorenz63.toml --out data.nc
    python benches/published/pytorch.py flowdas data.nc FORECAST.nc...   (files that `scorecast forecast` wrote, for the starts)
    python benches/published/pytorch.py score data.nc FORECAST.nc...     (these alone)
    python benches/published/pytorch.py sda data.nc
"""

import math
import sys
import time

import h5py
import numpy as np
import torch
from torch import nn

SEEDS = (1, 2, 3)
NOISE = 0.025
DT = 0.025
# left out at either end of [0, 1], as in the Rust training
END = 1e-3


def read(path):
    """Training, validation and test trajectories, each [case, time, component]."""
    with h5py.File(path) as file:
        states = file["state"][...].astype(np.float64)
        split = file["split"][...]
        names = file["split"].attrs["flag_meanings"]
        names = (names.decode() if isinstance(names, bytes) else names).split()
        values = np.ravel(file["split"].attrs["flag_values"])
    of = dict(zip(names, values))
    part = lambda word: states[split == next(of[name] for name in of if name.startswith(word))]
    return part("train"), part("valid"), part("test")


def rk4(x):
    """One step of the deterministic system."""

    def slope(x):
        a, b, c = x[..., 0], x[..., 1], x[..., 2]
        return np.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], -1)

    k1 = slope(x)
    k2 = slope(x + DT / 2 * k1)
    k3 = slope(x + DT / 2 * k2)
    k4 = slope(x + DT * k3)
    return x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def spread(members):
    """The mean distance of two members of [case, member, component], case by case."""
    count = members.shape[1]
    apart = sum(np.linalg.norm(members - np.roll(members, shift, 1), axis=-1).sum(1) for shift in range(1, count))
    return apart / (count * (count - 1))


def energy_score(members, truth):
    """The fair energy score of members against [case, component], case by case."""
    return np.linalg.norm(members - truth[:, None], axis=-1).mean(1) - spread(members) / 2


def crps(members, truth):
    """The fair CRPS, a mean over components, case by case."""
    return np.mean([energy_score(members[..., c : c + 1], truth[..., c : c + 1]) for c in range(3)], 0)


def excess(members, mean):
    """How much larger the energy score is than that of the exact law, expected over truths, case by case: in closed form, with
    E|a + s N| = s sqrt(2 / pi) exp(-|a|^2 / 2 s^2) + (|a| + s^2 / |a|) erf(|a| / s sqrt(2)) in three dimensions."""
    off, s = np.linalg.norm(members - mean[:, None], axis=-1), math.sqrt(NOISE)
    erf = torch.erf(torch.tensor(off / s / math.sqrt(2))).numpy()
    near = s * math.sqrt(2 / math.pi) * np.exp(-(off**2) / (2 * NOISE)) + (off + NOISE / off) * erf
    return near.mean(1) - spread(members) / 2 - 2 * s / math.sqrt(math.pi)


def linear_decay(optimizer, steps):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)


class FlowDas(nn.Module):
    """h <- h + silu(layer(h)) + e, e = silu(embed(sin, cos of 2 pi w c)) of time and condition."""

    def __init__(self, width=256, blocks=5, scale=30.0):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, width // 2) * scale, requires_grad=False)
        self.embed, self.stem = nn.Linear(4 * width, width), nn.Linear(3, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.head = nn.Linear(width, 3)

    def forward(self, x, s, condition):
        known = torch.cat([s.expand(len(x), 1), condition], 1)
        phase = (2 * math.pi * known[..., None] * self.w).flatten(1)
        e = nn.functional.silu(self.embed(torch.cat([phase.sin(), phase.cos()], 1)))
        h = self.stem(x)
        for block in self.blocks:
            h = h + nn.functional.silu(block(h)) + e
        return self.head(h)


def flowdas(train, test, files, seeds, steps=3000, batch=256):
    mean, sd = train.mean((0, 1)), train.std((0, 1))
    scaled = torch.tensor((train - mean) / sd, dtype=torch.float32)
    cases, times, _ = scaled.shape
    starts, truth, ours = None, None, []
    for path in files:
        with h5py.File(path) as file:
            ours.append(file["forecast"][:, :, :, 0].reshape(-1, *file["forecast"].shape[2:3], 3))
            truth = file["truth"][:, :, 0].reshape(-1, 3)
            starts = np.rint(file["time"][...] / DT).astype(int)
    before = test[:, starts].reshape(-1, 3)
    exact = rk4(before)[:, None] + math.sqrt(NOISE) * np.random.default_rng(7).standard_normal(ours[0].shape)
    report = lambda name, drawn: print(
        f"{name:12} crps {crps(drawn, truth).mean():.5f} energy {energy_score(drawn, truth).mean():.5f} "
        f"excess of energy {excess(drawn, rk4(before)).mean():+.5f} "
        f"bias {np.sqrt(((drawn.mean(1) - rk4(before)) ** 2).mean()):.4f} sd {drawn.std(1, ddof=1).mean():.4f}",
        flush=True,
    )
    report("exact", exact)
    for index, drawn in enumerate(ours):
        report(f"ours {index + 1}", drawn)
    for seed in seeds:
        torch.manual_seed(seed)
        begun, net = time.time(), FlowDas()
        weights = [w for w in net.parameters() if w.requires_grad]
        optimizer = torch.optim.Adam(weights, lr=2e-3)
        decay = linear_decay(optimizer, steps)
        for _ in range(steps):
            case, at = torch.randint(cases, (batch,)), torch.randint(times - 1, (batch,))
            c, z = scaled[case, at], scaled[case, at + 1]
            s = END + (1 - 2 * END) * torch.rand(batch, 1)
            xi = torch.randn_like(z)
            x = (1 - s) * c + s**2 * z + (1 - s) * s.sqrt() * xi
            loss = (net(x, s, c) - (2 * s * z - c - s.sqrt() * xi)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            decay.step()
        seconds = time.time() - begun
        with torch.no_grad():
            known = torch.tensor((before - mean) / sd, dtype=torch.float32).repeat_interleave(ours[0].shape[1], 0)
            x, levels = known.clone(), 600
            for k in range(levels):
                s = torch.full((1, 1), k / levels)
                x = x + net(x, s, known) / levels + (1 - k / levels) * math.sqrt(1 / levels) * torch.randn_like(x)
        drawn = (x.double().numpy() * sd + mean).reshape(ours[0].shape)
        count = sum(w.numel() for w in weights)
        report(f"torch {seed}", drawn)
        print(f"  {count} weights, last loss {loss.item():.4f}, {seconds:.0f} s of training", flush=True)


class Block(nn.Sequential):
    def __init__(self, width):
        norm = nn.LayerNorm(width, elementwise_affine=False)
        super().__init__(norm, nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, x):
        return x + super().forward(x)


class Sda(nn.Module):
    """A residual perceptron of a window and of its time."""

    def __init__(self, numbers=15, width=128, blocks=5):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, 256), nn.SiLU(), nn.Linear(256, 32))
        self.net = nn.Sequential(
            nn.Linear(numbers + 32, width), *(Block(width) for _ in range(blocks)), nn.Linear(width, numbers), Block(numbers)
        )

    def forward(self, x, t):
        phase = math.pi * torch.arange(1, 17) * t
        e = self.time(torch.cat([phase.cos(), phase.sin()], -1))
        return self.net(torch.cat([x, e.expand(len(x), 32)], 1))


ETA = 1e-3


def level(t):
    alpha = torch.cos(math.acos(math.sqrt(ETA)) * t) ** 2
    return alpha, (1 - alpha**2 + ETA**2).sqrt()


def sda(train, valid, steps=20000, batch=64, frames=5):
    mean, sd = train.mean((0, 1)), train.std((0, 1))
    scaled = torch.tensor((train - mean) / sd, dtype=torch.float32)
    held = torch.tensor((valid - mean) / sd, dtype=torch.float32)

    def windows(states, count):
        case, at = torch.randint(len(states), (count,)), torch.randint(states.shape[1] - frames + 1, (count,))
        return states[case[:, None], at[:, None] + torch.arange(frames)].flatten(1)

    for seed in SEEDS:
        torch.manual_seed(seed)
        begun, net = time.time(), Sda()
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-3)
        decay = linear_decay(optimizer, steps)
        for _ in range(steps):
            z = windows(scaled, batch)
            t = END + (1 - 2 * END) * torch.rand(batch, 1)
            (alpha, sigma), eps = level(t), torch.randn_like(z)
            loss = (net(alpha * z + sigma * eps, t) - eps).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            decay.step()
        seconds = time.time() - begun
        losses = []
        with torch.no_grad():
            for t in (0.1, 0.3, 0.5, 0.7, 0.9):
                z, t = windows(held, 16384), torch.full((1, 1), t)
                (alpha, sigma), eps = level(t), torch.randn_like(z)
                losses.append((net(alpha * z + sigma * eps, t) - eps).square().mean().item())
            x, levels = torch.randn(4096, 3 * frames), 256
            for k in range(levels, 0, -1):
                t, to = torch.full((1, 1), k / levels), torch.full((1, 1), (k - 1) / levels)
                (a, s), (b, r) = level(t), level(to)
                x = b / a * x + (r - b / a * s) * net(x, t)
        drawn = x.double().numpy().reshape(-1, frames, 3) * sd + mean
        off = drawn[:, 1:] - rk4(drawn[:, :-1])
        logs = -0.5 * ((off**2).sum(-1) / NOISE + 3 * math.log(2 * math.pi * NOISE))
        count = sum(w.numel() for w in net.parameters())
        print(
            f"torch {seed}: {count} weights, losses {' '.join(f'{loss:.5f}' for loss in losses)}, "
            f"rms of a step {math.sqrt((off**2).mean() / NOISE):.3f} of the exact, median {np.sqrt(np.median(off**2) / NOISE) / 0.67449:.3f}, "
            f"log p {logs.mean():.2f} (exact {-1.5 - 1.5 * math.log(2 * math.pi * NOISE):.3f}), {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted, (of_train, of_valid, of_test) = sys.argv[1], read(sys.argv[2])
    if wanted == "sda":
        sda(of_train, of_valid)
    else:
        flowdas(of_train, of_test, sys.argv[3:], SEEDS if wanted == "flowdas" else ())
