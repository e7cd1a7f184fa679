"""What the released differentiation of the RHVAE's loss changes in a trained model.

The released code of Chadebec and Allassonniere has the loss of the paper, but takes gradients of
the Hamiltonian by automatic differentiation as it goes:

- those of leapfrog steps 1 and 2 are constants in backpropagation;
- from the second leapfrog step on, the momentum is a function of the point through step 3, so that
  the force of step 1 is the total derivative of the Hamiltonian and not the partial one.

For each seed two models of each class start from the same weights and see the same images, 40 of
each of three digits, until the training loss has not fallen for 20 passes: Table 4's settings. Both
are then measured as ours: the loss of the formulas, by the mean over 20 draws, on the images
trained on and on 200 others of the class; and the accuracy of a support vector machine of 200
images a class drawn along the manifold (HMC), alone, on all test images of the three digits.

    python benchmarks/released_training.py released_training.jsonl --data-dir DIR [--seeds 8]
    python benchmarks/released_training.py released_training.jsonl --table

The file gets a line for each seed as soon as it is done; seeds that are there are not run again.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dagen_keras import backend, datasets, models
from dagen_keras.evaluate import hodges_lehmann
from dagen_keras.models.rhvae import MAX_KICK, MAX_MOVE, damped_rows
from dagen_keras.sampling.manifold.metric import multiply

MEASURES = ("passes", "loss, images trained on", "loss, unseen images", "accuracy, %")
DIGITS, TRAINED, UNSEEN, DRAWN, DRAWS = (0, 1, 2), 40, 200, 200, 20


class ReleasedRHVAE(models.RHVAE):
    """An `RHVAE` whose loss is differentiated as in the released code and in pythae 0.1.2."""

    def flow(self, images, mean, log_var, cholesky_factors, noise, momentum_noise):
        metric = self._metric(mean, cholesky_factors)
        targets = ops.reshape(images, (ops.shape(images)[0], -1))
        z = z_0 = mean + ops.exp(0.5 * log_var) * noise
        rho_0 = multiply(cholesky_factors, momentum_noise) / self.sqrt_beta_zero
        inverse_s_before = inverse_s_0 = 1 / self.sqrt_beta_zero
        max_move = MAX_MOVE * self.temperature

        def rho_at(z):
            return rho_0

        for k in range(1, self.n_leapfrog + 1):
            kick = ops.zeros_like(z)
            for _ in range(3):

                def hamiltonian(z, kick=kick, rho_at=rho_at):
                    logits = ops.reshape(self._logits(z), ops.shape(targets))
                    potential = 0.5 * ops.sum(z**2, axis=-1) + metric.log_volume(z)
                    likelihood = self._log_likelihood(targets, logits)
                    return metric.energy(z, rho_at(z) + kick) + potential - likelihood

                _, gradient = backend.value_and_gradient(hamiltonian, z)
                kick = damped_rows(-0.5 * self.step_size * gradient, MAX_KICK)[0]
                kick = ops.stop_gradient(kick)
            rho_half = rho_at(z) + kick
            velocity = ops.stop_gradient(metric.raised(z, rho_half))
            z = z + damped_rows(self.step_size * velocity, max_move)[0]
            inverse_s = (1 - inverse_s_0) * (k / self.n_leapfrog) ** 2 + inverse_s_0

            def rho_at(z, rho_half=rho_half, tempering=inverse_s / inverse_s_before):
                kick = self._kick(metric, z, rho_half, self._measure(metric, targets, z))
                return tempering * (rho_half + damped_rows(kick, MAX_KICK)[0])

            inverse_s_before = inverse_s
        rho = rho_at(z)
        log_p = self._log_likelihood(targets, ops.reshape(self._logits(z), ops.shape(targets)))
        # Of the constants log(2 pi) d / 2 one is left.
        log_prior = -0.5 * ops.sum(z**2, axis=-1)
        log_momentum = -metric.energy(z, rho) - metric.log_volume(z)
        log_noise = -0.5 * ops.sum(noise**2, axis=-1) + 0.5 * self.latent_dim * np.log(2 * np.pi)
        divergence = log_noise - 0.5 * ops.sum(log_var, axis=-1) - log_prior - log_momentum
        return {"z_0": z_0, "z": z, "rho": rho, "reconstruction": -log_p, "divergence": divergence}


def reusable(model_class):
    def build():
        shape = (28, 28, 1)
        networks = models.dense_encoder(2, shape), models.dense_decoder(2, shape)
        return model_class(*networks, models.dense_metric_network(2, shape))

    return models.ReusableModel(build, optimizer=lambda: keras.optimizers.Adam(1e-3))


def run(data, seed, ways):
    """The measures of both models of a seed."""
    ours, found = ways["ours"], {"seed": seed}
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(data.y_train == digit)) for digit in DIGITS]
    tested = np.isin(data.y_test, DIGITS)
    for name, way in ways.items():
        drawn, measures = [], []
        for digit, own in zip(DIGITS, rows, strict=True):
            images, unseen = data.x_train[own[:TRAINED]], data.x_train[own[TRAINED:][:UNSEEN]]
            trained = way.fresh(backend.subseed(seed, digit))
            losses = models.fit_passes(trained, images, 1500, 200, patience=20).history["loss"]
            weights = trained.get_weights()
            model = ours.fresh(0)
            model.set_weights(weights)
            both = [
                np.mean([model.evaluate(x, batch_size=200, verbose=0)[0] for _ in range(DRAWS)])
                for x in (images, unseen)
            ]
            model.update_metric(images)
            drawn.append(model.generate(DRAWN, backend.subseed(seed, digit, "drawn"), "hmc"))
            measures.append([len(losses), *both])
        x, y = np.concatenate(drawn).reshape(-1, 784), np.repeat(DIGITS, DRAWN)
        machine = make_pipeline(StandardScaler(), SVC()).fit(x, y)
        accuracy = machine.score(data.x_test[tested].reshape(-1, 784), data.y_test[tested])
        values = *np.mean(measures, axis=0).tolist(), 100 * accuracy
        found[name] = dict(zip(MEASURES, values, strict=True))
    return found


def table(lines):
    """Means over seeds, and the Hodges-Lehmann estimate of the difference with its interval."""
    frames = {name: pd.DataFrame([line[name] for line in lines]) for name in ("ours", "released")}
    says = "| | ours | released | released minus ours (95 %) |\n| --- | --- | --- | --- |\n"
    for name in MEASURES:
        one, other = (frame[name] for frame in frames.values())
        estimate, low, high = hodges_lehmann(other - one)
        difference = f"{estimate:+.1f} ({low:+.1f} to {high:+.1f})"
        says += f"| {name} | {one.mean():.1f} | {other.mean():.1f} | {difference} |\n"
    return says


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="JSON lines")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    lines = [json.loads(line) for line in lines]
    missing = set(range(options.seeds)) - {line["seed"] for line in lines}
    if missing and not options.table:
        data = datasets.load("mnist", data_dir=options.data_dir)
        ways = {"ours": reusable(models.RHVAE), "released": reusable(ReleasedRHVAE)}
        for seed in sorted(missing):
            lines.append(run(data, seed, ways))
            with options.results.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(lines[-1], flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
