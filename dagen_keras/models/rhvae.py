"""The Riemannian Hamiltonian variational autoencoder."""

import math

import keras
import numpy as np
from keras import layers, ops

from dagen_keras import backend, checks
from dagen_keras.models import dcgan, inputs, losses
from dagen_keras.models.callbacks import WarnOfHigherLoss
from dagen_keras.models.networks import (
    check_dtypes,
    dense_decoder,
    dense_encoder,
    dense_metric_network,
)
from dagen_keras.models.training import as_list, predict
from dagen_keras.models.vae import BaseVAE
from dagen_keras.sampling.manifold.metric import RiemannianMetric, multiply

# Bounds that a sane trajectory does not meet; see `RHVAE`. Moves are in temperatures.
MAX_LOG_VAR = 10.0
MAX_LOG_FACTOR = 5.0
MAX_KICK = 5.0
MAX_MOVE = 1.0


@keras.saving.register_keras_serializable("dagen_keras")
class RHVAE(BaseVAE):
    """A VAE that learns a Riemannian metric of its latent space.

    Each image x gives, besides its posterior, a lower triangular L_x. The metric is
    G^-1(z) = sum_x L_x L_x^T exp(-|z - mean_x|^2 / T^2) + lambda I. A draw z_0 of the posterior
    is moved by leapfrog steps of H(z, rho) = -log p(x, z) + rho^T G^-1(z) rho / 2 +
    log det G(z) / 2 with tempering, and the loss of an image is
    -log p(x|z_K) - log N(z_K; 0, I) - log N(rho_K; 0, G(z_K)) + log N(eps; 0, I) - sum log_var / 2.

    While training, the sum runs over the batch. After `fit`, `metric` is the `RiemannianMetric` of
    its images; it is saved with the model.

    A leapfrog step that would kick a momentum by more than 5, or move a point by more than a
    temperature, has left the sane region: it is not taken for that image. Log-variances beyond +-10
    and entries of L beyond e^5 are `damped`. On the paper's MNIST settings, once trained, kicks
    stay below 0.5, moves below 0.3 temperatures, L below 4.

    These bounds hold the integrator, not the optimizer. No training ends with NaN in silence: a
    loss or weights that are not finite raise `NonFiniteLossError`, and a loss that ends a fifth or
    more above its start is told by a warning. Of 240 hard trainings of 300 updates
    (`benchmarks/rhvae_nan.py`; on each backend ten for each optimizer and learning rate), all with
    Adam up to 1e-2 and with RMSprop up to 1e-3 ended below their start, and 19 of 20 with RMSprop
    at 1e-2; at 0.1 only 13 of 40 with either did. SGD ended below it up to 1e-3, but for one; from
    1e-2 on 27 of 40 raised the error and 7 ended above. What ended above was mostly far above, by
    up to 1e21 times: weights that the first updates threw far off (RMSprop comes back, in hundreds
    of updates), or latents that SGD drove away, where the bounds alone keep it finite.

    Args:
        encoder: a model from images to [mean, log_var], each (n, d).
        decoder: a model from (n, d) to images in [0, 1] whose last layer is
            `Activation("sigmoid")`.
        metric_network: a model from images to (n, d (d + 1) / 2): the logarithms of the diagonal
            of L_x, then its strictly lower part, row by row.
        n_leapfrog: leapfrog steps K (the paper's n_lf).
        step_size: their length (epsilon_lf).
        temperature: T of the metric.
        regularization: lambda of the metric.
        sqrt_beta_zero: initial tempering, sqrt(beta_0).
        likelihood: "bernoulli", or "normal" with variance 1: half the squared error.
        seed: seed of the noise; None draws one.

    Example:
        >>> rhvae = chadebec_rhvae(latent_dim=2)
        >>> rhvae.compile("adam")
        >>> rhvae.fit(images, batch_size=200, epochs=500)
        >>> rhvae.metric.log_volume(points)

    Reference: Chadebec, Mantoux and Allassonniere, Geometry-Aware Hamiltonian Variational
    Auto-Encoder (2020); as Chadebec and Allassonniere (2021) use it. The loss leaves out
    -log q(rho_0 | z_0), which their code leaves out as well.
    """

    offers = (*BaseVAE.offers, "metric")
    serialized = (*BaseVAE.serialized, "metric_network")

    def __init__(
        self,
        encoder,
        decoder,
        metric_network,
        n_leapfrog=3,
        step_size=1e-2,
        temperature=0.8,
        regularization=1e-3,
        sqrt_beta_zero=0.3,
        likelihood="bernoulli",
        seed=None,
        **kwargs,
    ):
        logits = logits_of(decoder)
        super().__init__(encoder, decoder, seed, **kwargs)
        n_leapfrog = checks.integer(n_leapfrog, "n_leapfrog")
        for name, value in (
            ("step_size", step_size),
            ("temperature", temperature),
            ("regularization", regularization),
            ("sqrt_beta_zero", sqrt_beta_zero),
        ):
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive; got {value!r}.")
        if likelihood not in ("bernoulli", "normal"):
            raise ValueError(f"likelihood must be 'bernoulli' or 'normal'; got {likelihood!r}.")
        d = self.latent_dim
        if metric_network.output_shape[-1] != d * (d + 1) // 2:
            raise ValueError(
                f"metric_network must have {d * (d + 1) // 2} outputs for {d} latent dimensions; "
                f"it has {metric_network.output_shape[-1]}."
            )
        check_dtypes(metric_network)
        self.metric_network = metric_network
        self.n_leapfrog = n_leapfrog
        self.step_size = step_size
        self.temperature = temperature
        self.regularization = regularization
        self.sqrt_beta_zero = sqrt_beta_zero
        self.likelihood = likelihood
        # Not the seed of the posterior's noise: the two draws have to be independent.
        momentum_seed = None if seed is None else backend.subseed(seed, "momentum")
        self.momentum_seed = keras.random.SeedGenerator(momentum_seed)
        self.metric = None
        self._logits = logits

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Keras's `fit`; afterwards `metric` is that of the images in `x`.

        Where `x` comes but once, a generator, or without end, it is None: `update_metric(images)`.

        Raises:
            ValueError: if `x`, or a batch where it comes in batches, is not of images in [0, 1].
            NonFiniteLossError: if the loss, or a weight, becomes NaN or infinite; says where.

        Warns:
            UserWarning: if the loss ends well above its start; with both.
        """
        callbacks = [*as_list(callbacks), WarnOfHigherLoss(f"the model '{self.name}'")]
        history = super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)
        images = inputs.all_images(x)
        self.metric = None
        if images is not None:
            self.update_metric(images)
        return history

    def update_metric(self, images):
        """Sets `metric` to the one whose sum runs over `images`, (n, height, width, channels)."""
        images = self.checked_images(images)
        mean = self.encode(images)
        factors = ops.convert_to_numpy(self.cholesky_factors(predict(self.metric_network, images)))
        self.metric = self._metric(mean, factors)

    def call(self, images, training=False):
        mean, log_var = self.encoder(images)
        log_var = damped(log_var, MAX_LOG_VAR)
        return {
            "reconstruction": self.decoder(mean),
            "latent": mean,
            "mean": mean,
            "log_var": log_var,
            "cholesky_factors": self.cholesky_factors(self.metric_network(images)),
        }

    def cholesky_factors(self, entries):
        """The lower triangular L_x (n, d, d) of the metric network's outputs."""
        d = self.latent_dim
        rows, columns = np.tril_indices(d, -1)
        placement = np.zeros((d * (d + 1) // 2, d, d), "float32")
        placement[range(d), range(d), range(d)] = 1
        placement[range(d, len(placement)), rows, columns] = 1
        diagonal = ops.exp(damped(entries[:, :d], MAX_LOG_FACTOR))
        lower = damped(entries[:, d:], math.exp(MAX_LOG_FACTOR))
        flat = ops.concatenate([diagonal, lower], axis=1)
        return ops.reshape(ops.matmul(flat, placement.reshape(len(placement), -1)), (-1, d, d))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        shape = ops.shape(y_pred["mean"])
        flow = self.flow(
            x,
            y_pred["mean"],
            y_pred["log_var"],
            y_pred["cholesky_factors"],
            keras.random.normal(shape, seed=self.sampling.seed_generator),
            keras.random.normal(shape, seed=self.momentum_seed),
        )
        terms = (flow[name] for name in ("reconstruction", "divergence"))
        return self._loss(*(losses.mean_over_images(term, sample_weight) for term in terms))

    def flow(self, images, mean, log_var, cholesky_factors, noise, momentum_noise):
        """The Hamiltonian flow of a batch, and what the loss needs of its end.

        Args:
            images: the batch, (n, height, width, channels).
            mean, log_var, cholesky_factors: what `call` says of it.
            noise, momentum_noise: draws of N(0, I), (n, d): the posterior's and the momentum's.

        Returns:
            A dictionary: `z_0`, `z`, `rho` (n, d) and, with one value an image, the terms of the
            loss: `reconstruction`, -log p(x|z_K), and `divergence`, all the rest.
        """
        metric = self._metric(mean, cholesky_factors)
        targets = ops.reshape(images, (-1, math.prod(self._logits.output_shape[1:])))
        z = z_0 = mean + ops.exp(0.5 * log_var) * noise
        rho = multiply(cholesky_factors, momentum_noise) / self.sqrt_beta_zero
        at_z = self._measure(metric, targets, z)
        inverse_s_before = inverse_s_0 = 1 / self.sqrt_beta_zero
        max_move = MAX_MOVE * self.temperature
        for k in range(1, self.n_leapfrog + 1):
            rho_half = rho
            for _ in range(3):
                kick, sane_start = damped_rows(self._kick(metric, z, rho_half, at_z), MAX_KICK)
                rho_half = rho + kick
            velocity = multiply(at_z["inverse_tensor"], rho_half)
            move, sane_move = damped_rows(self.step_size * velocity, max_move)
            z_next = z + move
            at_next = self._measure(metric, targets, z_next)
            kick, sane_end = damped_rows(self._kick(metric, z_next, rho_half, at_next), MAX_KICK)
            sane = ops.logical_and(ops.logical_and(sane_start, sane_move), sane_end)
            z, rho = ops.where(sane, z_next, z), ops.where(sane, rho_half + kick, rho)
            at_z = {name: _where(sane, at_next[name], old) for name, old in at_z.items()}
            inverse_s = (1 - inverse_s_0) * (k / self.n_leapfrog) ** 2 + inverse_s_0
            rho = rho * (inverse_s / inverse_s_before)
            inverse_s_before = inverse_s
        log_p = self._log_likelihood(targets, at_z["logits"])
        constant = 0.5 * self.latent_dim * math.log(2 * math.pi)
        log_prior = -0.5 * ops.sum(ops.square(z), axis=-1) - constant
        energy = 0.5 * ops.sum(rho * multiply(at_z["inverse_tensor"], rho), axis=-1)
        log_momentum = -energy - at_z["log_volume"] - constant
        log_noise = -0.5 * ops.sum(ops.square(noise), axis=-1) - constant
        divergence = log_noise - 0.5 * ops.sum(log_var, axis=-1) - log_prior - log_momentum
        return {"z_0": z_0, "z": z, "rho": rho, "reconstruction": -log_p, "divergence": divergence}

    def _metric(self, centroids, cholesky_factors):
        return RiemannianMetric(centroids, cholesky_factors, self.temperature, self.regularization)

    def _measure(self, metric, targets, z):
        """What the flow asks of decoder and metric at z, a row an image; the kernel but once."""

        def logits_at(z):
            return ops.reshape(ops.cast(self._logits(z), "float32"), ops.shape(targets))

        def slope(logits):
            return self._log_likelihood_slope(targets, logits)

        logits, gradient = backend.value_and_gradient(logits_at, z, slope)
        sums = metric.sums(z)
        inverse_tensor = metric.inverse_tensor_of(sums)
        tensor, log_volume = metric.inverted(inverse_tensor)
        return {
            "logits": logits,
            "log_likelihood_gradient": gradient,
            "sums": sums,
            "inverse_tensor": inverse_tensor,
            "tensor": tensor,
            "log_volume": log_volume,
        }

    def _log_likelihood(self, targets, logits):
        """log p(x|z) of each image, shape (n,)."""
        if self.likelihood == "normal":
            return -0.5 * ops.sum(ops.square(targets - ops.sigmoid(logits)), axis=-1)
        return ops.sum(targets * logits - ops.softplus(logits), axis=-1)

    def _log_likelihood_slope(self, targets, logits):
        """The gradient of log p(x|z) in the logits, (n, pixels).

        By hand: of the likelihood, differentiated twice, TensorFlow makes nine products of this
        shape at each point of the flow; of this, differentiated once, one.
        """
        probabilities = ops.sigmoid(logits)
        residuals = targets - probabilities
        if self.likelihood == "normal":
            return residuals * probabilities * (1.0 - probabilities)
        return residuals

    def _kick(self, metric, z, rho, at_z):
        """-(epsilon / 2) dH/dz, shape (n, d); rho is held fixed."""
        weights = 0.5 * (rho[:, :, None] * rho[:, None, :] - at_z["tensor"])
        gradient = metric.gradient_of(at_z["sums"], z, weights)
        force = at_z["log_likelihood_gradient"] - z - gradient
        return 0.5 * self.step_size * force

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.metric is not None:
            store["metric_centroids"] = self.metric.centroids
            store["metric_cholesky_factors"] = self.metric.cholesky_factors

    def load_own_variables(self, store):
        names = set(store.keys())  # A store has keys, but it is not iterable.
        super().load_own_variables(
            {name: store[name] for name in names if not name.startswith("metric_")}
        )
        if "metric_centroids" in store:
            self.metric = self._metric(
                np.array(store["metric_centroids"]), np.array(store["metric_cholesky_factors"])
            )

    def get_config(self):
        names = (
            "n_leapfrog",
            "step_size",
            "temperature",
            "regularization",
            "sqrt_beta_zero",
            "likelihood",
        )
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }


def chadebec_rhvae(latent_dim=2, image_shape=(28, 28, 1), hidden=(400,), **settings):
    """An `RHVAE` with the networks of Chadebec and Allassonniere, Table 5.

    Args:
        latent_dim: dimension of the latent space.
        image_shape: (height, width, channels).
        hidden: units of the encoder's ReLU layers, the decoder's in reverse; (1000, 400) for
            OASIS. The metric network has one layer of 400.
        **settings: settings of `RHVAE`; the defaults are Table 4's.
    """
    return RHVAE(
        dense_encoder(latent_dim, image_shape, hidden),
        dense_decoder(latent_dim, image_shape, hidden[::-1]),
        dense_metric_network(latent_dim, image_shape),
        **settings,
    )


def conv_rhvae(latent_dim=16, image_shape=(32, 32, 3), filters=32, temperature=3.0, **settings):
    """An `RHVAE` with the networks of `conv_vae`, and a metric network like its encoder.

    Args:
        latent_dim, image_shape, filters: as for `conv_vae`.
        temperature: T of the metric, by default about half the sqrt(2 d) that draws of N(0, I) are
            apart in 16 dimensions: at 0.8 no random walk, of the default 200 steps, ever left its
            centroid; at 2 one in eight did; from 4 on they ended outside of the data.
        **settings: other settings of `RHVAE`.
    """
    sizes = image_shape, latent_dim, filters
    return RHVAE(
        dcgan.encoder(*sizes),
        dcgan.decoder(*sizes),
        dcgan.metric_network(*sizes),
        temperature=temperature,
        **settings,
    )


def damped(values, bound):
    """`values` where they are within +-`bound`; beyond, they approach twice the bound.

    It is smooth, and its gradient never vanishes, so training can come back.
    """
    excess = ops.maximum(ops.abs(values) / bound, 1.0)
    return values / excess * (2.0 - 1.0 / excess)


def damped_rows(vectors, bound):
    """`vectors` (n, d), `damped` in length; and (n, 1), which of them are within `bound`."""
    squares = ops.sum(ops.square(vectors / bound), axis=-1, keepdims=True)
    excess = ops.sqrt(ops.maximum(squares, 1.0))
    return vectors / excess * (2.0 - 1.0 / excess), squares <= 1.0


def _where(rows, new, old):
    """`new` where `rows` (n, 1) say so, else `old`, both (n, ...)."""
    return ops.where(ops.reshape(rows, (-1,) + (1,) * (len(new.shape) - 1)), new, old)


def logits_of(decoder):
    """The decoder without its last sigmoid.

    Raises:
        ValueError: if its last layer is not `Activation("sigmoid")`.
    """
    last = decoder.layers[-1]
    if not isinstance(last, layers.Activation) or last.activation is not keras.activations.sigmoid:
        raise ValueError(
            "the decoder must end with the layer Activation('sigmoid'), so that the likelihood "
            f"can take the logits before it; it ends with {last.__class__.__name__} '{last.name}'."
        )
    return keras.Model(decoder.inputs, last.input, name="logits")
