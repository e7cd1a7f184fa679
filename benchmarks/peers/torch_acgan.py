"""A training step of an AC-GAN by hand in PyTorch: a peer for the benchmark of ours.

It runs in an environment of its own, without this package: `benchmarks/README.md` says how to make
it. Networks and losses are those of `dagen_keras.models.ACGAN`, with as many parameters in every
layer. A step updates both players once: the discriminator by a batch of real images and one of
detached generated ones, the generator by the same generated images through the discriminator,
whose parameters gather no gradient meanwhile.

It prints one line of JSON on stdout: the median step in milliseconds, the number of elements of
each parameter, and the mean losses of the first 10 steps.
"""

import argparse
import json
import math
import statistics
import time
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

CLASSES, LATENT, FILTERS = 10, 100, 64
WARM_UP = 10


def widths(shape):
    """Filters of the discriminator's convolutions; the generator's are the same, mirrored."""
    doublings = max(2, (-(-max(shape[:2]) // 8) - 1).bit_length())
    return [FILTERS * 2**layer for layer in range(doublings)]


class Generator(nn.Module):
    def __init__(self, shape, layout):
        super().__init__()
        *self.sides, channels = shape
        filters = widths(shape)[::-1]
        small = [-(-side // 2 ** len(filters)) for side in self.sides]
        self.layout = layout
        self.embed = nn.Embedding(CLASSES, LATENT)
        self.dense = nn.Linear(LATENT, filters[0] * math.prod(small), bias=False)
        self.map = nn.Unflatten(1, (filters[0], *small))
        layers = []
        for before, after in pairwise([*filters, channels]):
            last = len(layers) == 3 * (len(filters) - 1)
            layers += [nn.BatchNorm2d(before, eps=1e-3, momentum=0.1), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(before, after, 4, 2, padding=1, bias=last)]
        self.layers = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, z, labels):
        x = self.map(self.dense(z * self.embed(labels)))
        x = self.layers(x.contiguous(memory_format=self.layout))
        top, left = ((n - side) // 2 for n, side in zip(x.shape[2:], self.sides, strict=True))
        return x[:, :, top : top + self.sides[0], left : left + self.sides[1]]


class Discriminator(nn.Module):
    def __init__(self, shape):
        super().__init__()
        *sides, before = shape
        layers = []
        for after in widths(shape):  # 4x4 of stride 2, halving an odd side upwards.
            padding = [1 + side % 2 for side in sides]
            layers += [nn.Conv2d(before, after, 4, 2, padding), nn.LeakyReLU(0.2, inplace=True)]
            layers += [nn.Dropout(0.3)]
            sides, before = [-(-side // 2) for side in sides], after
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.real = nn.Linear(before * math.prod(sides), 1)
        self.named = nn.Linear(before * math.prod(sides), CLASSES)

    def forward(self, images):
        x = self.layers(2 * images - 1)
        return self.real(x)[:, 0], self.named(x)


def error(logit, named, labels, real):
    """The mean error of a batch that ought to be judged real, or generated, and of its classes."""
    return functional.softplus(-logit if real else logit).mean() + functional.cross_entropy(
        named, labels
    )


def step(generator, discriminator, optimizers, images, labels):
    for optimizer in optimizers:
        optimizer.zero_grad()
    n = len(images)
    fake = generator(torch.randn(n, LATENT), labels)
    logit, named = discriminator(torch.cat([images, fake.detach()]))
    d_loss = error(logit[:n], named[:n], labels, True) / 2
    d_loss = d_loss + error(logit[n:], named[n:], labels, False) / 2
    d_loss.backward()
    discriminator.requires_grad_(False)
    g_loss = error(*discriminator(fake), labels, True)
    g_loss.backward()
    discriminator.requires_grad_(True)
    for optimizer in optimizers:
        optimizer.step()
    return d_loss.item(), g_loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(28, 28, 1))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    players = Generator(options.shape, layout), Discriminator(options.shape)
    for player in players:
        player.to(memory_format=layout).train()
    optimizers = [
        torch.optim.Adam(player.parameters(), 2e-4, betas=(0.5, 0.999), eps=1e-7, fused=True)
        for player in players
    ]
    height, width, channels = options.shape
    n = options.batch * (WARM_UP + options.steps)
    images = torch.rand(n, channels, height, width).contiguous(memory_format=layout)
    labels = torch.randint(CLASSES, (n,))
    losses, milliseconds = [], []
    for chosen in torch.randperm(n).split(options.batch):
        start = time.perf_counter()
        losses.append(step(*players, optimizers, images[chosen], labels[chosen]))
        milliseconds.append(1000 * (time.perf_counter() - start))
    d_loss, g_loss = (statistics.mean(first) for first in zip(*losses[:10], strict=True))
    found = {
        "ms": statistics.median(milliseconds[WARM_UP:]),
        "parameters": [p.numel() for player in players for p in player.parameters()],
        "discriminator_loss": d_loss,
        "generator_loss": g_loss,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
