"""The nets of benches/training.rs in PyTorch, run eagerly: ms a training step and ms an evaluation, as JSON.

python training_torch.py THREADS [NET]. AdamW, clipping and the average of the weights are those of PyTorch, over all weights at
once; data and noise are drawn once, which is to the favour of PyTorch.
"""

import json
import os
import sys

threads = int(sys.argv[1])
os.sched_setaffinity(0, set(range(threads)))
os.environ["OMP_NUM_THREADS"] = str(threads)

import torch
from torch import nn
from torch.nn import functional as F
from training_nets import KERNEL, MEMBERS, NETS, WAVES, median

torch.set_num_threads(threads)
torch.manual_seed(0)


class Net(nn.Module):
    """Channels before positions, as PyTorch's convolutions have them."""

    def __init__(self, net):
        super().__init__()
        width, self.conv, self.levels = net["width"], net["kind"] == "conv", net["levels"]
        circular = dict(padding=KERNEL // 2, padding_mode="circular")
        mix = (lambda i, o: nn.Conv1d(i, o, KERNEL, **circular)) if self.conv else nn.Linear
        shared = 1 if self.conv else net["components"]
        self.stem = mix(net["inputs"] * shared, width)
        self.first = nn.ModuleList(mix(width, width) for _ in range(net["blocks"]))
        self.second = nn.ModuleList(mix(width, width) for _ in range(net["blocks"]))
        outputs = net["outputs"] * shared
        self.head = nn.Conv1d(width, outputs, 1) if self.conv else nn.Linear(width, outputs)
        if self.levels:
            self.embedding = nn.Sequential(nn.Linear(1 + 2 * WAVES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
            self.film = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(net["blocks"]))
            self.register_buffer("frequencies", 16.0 ** (torch.arange(WAVES) / (WAVES - 1)))

    def forward(self, x, levels):
        if self.levels:
            phase = levels[:, None] * self.frequencies
            e = self.embedding(torch.cat([levels[:, None], phase.cos(), phase.sin()], dim=1))
        h = self.stem(x)
        for index, (first, second) in enumerate(zip(self.first, self.second)):
            z = first(h)
            if self.levels:
                film = self.film[index](e)
                gain, shift = (film[..., None] if self.conv else film).chunk(2, dim=1)
                z = z * (1 + gain) + shift
            h = h + second(F.silu(z))
        return self.head(h)


def loss(net, out, target):
    if net["outputs"] == 1:
        return F.mse_loss(out, target)
    mean, raw = out.chunk(2, dim=1)
    l = -12 + 15 * torch.sigmoid(raw)
    return (l + (target - mean) ** 2 * torch.exp(-l)).mean() / 2


def measured(net):
    model = Net(net)
    weights = list(model.parameters())
    average = [w.detach().clone() for w in weights]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, foreach=True)
    batch, components = net["batch"], net["components"]
    fields = lambda rows, count: torch.randn(rows, count, components) if model.conv else torch.randn(rows, count * components)
    x, levels, target = fields(batch, net["inputs"]), torch.randn(batch), fields(batch, 1)

    def train(count):
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            loss(net, model(x, levels), target).backward()
            nn.utils.clip_grad_norm_(weights, 1.0, foreach=True)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, weights, 0.01)

    members, level = fields(MEMBERS, net["inputs"]), torch.randn(1)

    @torch.inference_mode()
    def sample(count):
        for _ in range(count):
            model(members, level)

    return {"training": median(train, 20), "sampling": median(sample, 20)}


print(json.dumps({name: measured(net) for name, net in NETS.items() if len(sys.argv) < 3 or sys.argv[2] == name}))
