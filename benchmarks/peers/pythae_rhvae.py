"""RHVAE and its manifold sampler as pythae 0.1.2 has them: a peer for the benchmarks of ours.

It runs in an environment of its own, without this package:

    python -m venv pythae-env
    pythae-env/bin/pip install torch==2.13.0  # a CPU build is enough
    pythae-env/bin/pip install pythae==0.1.2

Each command prints lines of JSON on stdout, and anything else on stderr:

    pythae-env/bin/python pythae_rhvae.py train --images images.npz --ways '[["Adam", 0.001]]'

`step` times a training step (forward, backward, optimizer), `sample` pythae's `RHVAESampler`: one
line. `train` trains on all `images` of the file, (n, height, width, 1) in [0, 1], as one batch, and
prints one line a training: its first loss, the mean of its last ones, whether all weights are
finite, and the error if there was one. It ends at the first loss that is not finite.

The networks are the paper's (pythae's defaults have 512 hidden units in encoder and decoder); the
metric network is pythae's default, which has the paper's 400. With `--filters` they are
convolutional, as those of our `conv_rhvae`. What pythae's model calls
`beta_zero` is used as sqrt(beta_0), while its sampler takes the square root of its own.
"""

import argparse
import contextlib
import importlib.metadata
import json
import logging
import math
import statistics
import sys
import time
import traceback
from itertools import pairwise

import numpy as np
import torch
from pythae.models import RHVAE, RHVAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.models.nn.default_architectures import Metric_MLP
from pythae.samplers import RHVAESampler, RHVAESamplerConfig
from torch import nn


def relu_layers(*sizes):
    return [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]


def convolutions(shape, filters):
    """`dagen_keras.models.dcgan`'s for 32x32 images, flat."""
    return [
        nn.Conv2d(shape[0], filters, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(filters, 2 * filters, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    ]


def transposed_convolutions(shape, filters, latent_dim):
    return [
        nn.Linear(latent_dim, 2 * filters * 8 * 8),
        nn.Unflatten(1, (2 * filters, 8, 8)),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * filters, filters, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(filters, shape[0], 4, 2, 1),
        nn.Sigmoid(),
    ]


class Encoder(BaseEncoder):
    def __init__(self, layers, units, latent_dim):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.mean = nn.Linear(units, latent_dim)
        self.log_var = nn.Linear(units, latent_dim)

    def forward(self, x):
        h = self.layers(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z))


class Metric(Metric_MLP):
    """pythae's with other layers; it flattens its images."""

    def __init__(self, config, layers, units):
        super().__init__(config)
        self.layers = nn.Sequential(nn.Unflatten(1, config.input_dim), *layers)
        self.diag = nn.Linear(units, self.latent_dim)
        self.lower = nn.Linear(units, self.latent_dim * (self.latent_dim - 1) // 2)


def make_networks(config, options):
    shape, latent_dim, filters = config.input_dim, options.latent_dim, options.filters
    if filters:
        units = 2 * filters * 8 * 8
        encoder = Encoder(convolutions(shape, filters), units, latent_dim)
        decoder = Decoder(transposed_convolutions(shape, filters, latent_dim))
        return encoder, decoder, Metric(config, convolutions(shape, filters), units)
    hidden, pixels = (1000, 400) if options.large else (400,), math.prod(shape)
    down = [nn.Flatten(), *relu_layers(pixels, *hidden)]
    encoder = Encoder(down, hidden[-1], latent_dim)
    up = relu_layers(latent_dim, *hidden[::-1])
    decoder = Decoder([*up, nn.Linear(hidden[0], pixels), nn.Sigmoid(), nn.Unflatten(1, shape)])
    return encoder, decoder, None


def make_model(shape, options):
    config = RHVAEConfig(
        input_dim=shape, latent_dim=options.latent_dim, reconstruction_loss=options.loss
    )
    config.n_lf, config.eps_lf = options.n_lf, options.step_size
    config.temperature, config.regularization = options.temperature, options.regularization
    config.beta_zero = options.sqrt_beta_zero
    return RHVAE(config, *make_networks(config, options)).train()


def training_step(model, optimizer, images):
    optimizer.zero_grad()
    loss = model({"data": images}).loss
    loss.backward()
    optimizer.step()
    return loss.item()


def step(options):
    torch.manual_seed(0)
    shape = (3, 32, 32) if options.filters else (options.pixels,)
    model = make_model(shape, options)
    # A rate this small leaves the time as it is; at 1e-3 noise soon ends pythae's training in NaN.
    optimizer = torch.optim.Adam(model.parameters(), 1e-6)
    images = torch.rand(options.batch, *shape)
    milliseconds = []
    for _ in range(5 + options.repeats):  # the first 5 to warm up
        start = time.perf_counter()
        training_step(model, optimizer, images)
        milliseconds.append(1000 * (time.perf_counter() - start))
    yield {"ms": statistics.median(milliseconds[5:]), "all_ms": milliseconds[5:]}


def sample(options):
    torch.manual_seed(0)
    model = make_model((options.pixels,), options)
    model({"data": torch.rand(options.centroids, options.pixels)})
    model.update()  # as its trainer does: the metric over all the images seen since the last time
    config = RHVAESamplerConfig(mcmc_steps_nbr=options.steps, n_lf=15, eps_lf=0.05)
    sampler = RHVAESampler(model, config)
    seconds = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        sampler.sample(options.chains, batch_size=options.chains)
        seconds.append(time.perf_counter() - start)
    yield {"seconds": statistics.median(seconds), "all_seconds": seconds}


def describe(error):
    """The kind of an error, the beginning of its text, and where in pythae's model it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " > ".join(frame.name for frame in frames if frame.filename.endswith("rhvae_model.py"))
    return f"{type(error).__name__}: {str(error)[:60]}... in {where or 'PyTorch'}"


def train(options):
    """Yields the end of a training for each of `ways`, an optimizer and a learning rate."""
    images = torch.from_numpy(np.load(options.images)["images"].astype("float32")).squeeze(-1)
    for optimizer, learning_rate in json.loads(options.ways):
        torch.manual_seed(0)
        model = make_model(tuple(images.shape[1:]), options)
        steps = getattr(torch.optim, optimizer)(model.parameters(), learning_rate)
        losses, error = [], None
        try:
            while len(losses) < options.updates and (not losses or math.isfinite(losses[-1])):
                losses.append(training_step(model, steps, images))
                model.update()
        except (ArithmeticError, RuntimeError, ValueError) as raised:
            error = describe(raised)
        yield {
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "first": losses[0] if losses else None,
            "last": statistics.fmean(losses[-options.window :]) if losses else None,
            "finite_weights": all(bool(w.isfinite().all()) for w in model.parameters()),
            "error": error,
            "warned": False,
        }


def add(parser, defaults):
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)


def parse():
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--threads", type=int, help="PyTorch's; with two on busy cores it crawls")
    add(model, {"batch": 200, "latent-dim": 2, "n-lf": 3, "step-size": 1e-2, "temperature": 0.8})
    add(model, {"regularization": 1e-3, "sqrt-beta-zero": 0.3})
    model.add_argument("--loss", choices=("bce", "mse"), default="bce")
    model.add_argument("--large", action="store_true", help="the networks for OASIS")
    convolutional = "convolutional networks of so many filters, for 3x32x32 images"
    model.add_argument("--filters", type=int, default=0, help=convolutional)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (step, sample):
        of_command = commands.add_parser(command.__name__, parents=[model])
        of_command.set_defaults(run=command)
        add(of_command, {"pixels": 784, "repeats": 20 if command is step else 1})
    add(of_command, {"chains": 100, "steps": 200, "centroids": 200})
    of_train = commands.add_parser("train", parents=[model])
    of_train.set_defaults(run=train)
    of_train.add_argument("--images", required=True, help="an .npz file with the array `images`")
    of_train.add_argument("--ways", required=True, help="JSON: pairs of optimizer, learning rate")
    add(of_train, {"updates": 300, "window": 10})
    return parser.parse_args()


def main():
    options = parse()
    logging.getLogger("pythae").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    versions = {name: importlib.metadata.version(name) for name in ("torch", "pythae")}
    versions |= {"threads": torch.get_num_threads()}
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for found in options.run(options):
            print(json.dumps(found | versions), file=stdout, flush=True)


if __name__ == "__main__":
    main()
