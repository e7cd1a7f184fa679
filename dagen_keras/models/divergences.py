"""Divergences of a diagonal Gaussian N(mean, exp(log_var)) from the prior N(0, I)."""

from keras import ops


def kl(mean, log_var):
    """The Kullback-Leibler divergence KL(N(mean, exp(log_var)) || N(0, I)).

    Args:
        mean, log_var: arrays (n, d).

    Returns:
        One value a row, (n,), in nats.

    Reference: Kingma and Welling, Auto-Encoding Variational Bayes (2013), appendix B. Eq. 4 of
    Chen and Liu has a product where the sum over dimensions belongs.
    """
    return 0.5 * ops.sum(ops.expm1(log_var) - log_var + ops.square(mean), axis=-1)


def wasserstein2(mean, log_var):
    """The squared 2-Wasserstein distance of N(mean, exp(log_var)) from N(0, I).

    Args:
        mean, log_var: arrays (n, d).

    Returns:
        |mean|^2 + |sigma - 1|^2 of each row, (n,).

    Reference: Givens and Shortt, A class of Wasserstein metrics (1984). Eq. 3 of Chen and Liu has
    +2 where -2 belongs, and they call the square "W2".
    """
    return ops.sum(ops.square(mean) + ops.square(ops.expm1(0.5 * log_var)), axis=-1)


def t_value(mean, log_var):
    """T = 2 (W2^2 - KL), twice what replacing the KL by W2^2 adds to the loss, (n,).

    In terms of sigma it is sum(log sigma^2 + (sigma - 2)^2 + mean^2) - d: 0 at the prior, and with
    mean 0 negative for every sigma < 1. With another mean it can be positive there.

    Reference: Chen and Liu, proof of proposition 1 and appendix C.
    """
    return 2 * (wasserstein2(mean, log_var) - kl(mean, log_var))


def t_gradient(mean, log_var):
    """The gradient of `t_value`: dT/dmean = 2 mean and dT/dsigma = 2 (sigma - 1)^2 / sigma.

    The latter is never negative, for sigma > 1 either.

    Args:
        mean, log_var: arrays (n, d).

    Returns:
        dT/dmean and dT/dsigma, each (n, d).
    """
    sigma_less_1 = ops.expm1(0.5 * log_var)
    return 2 * mean, 2 * ops.square(sigma_less_1) * ops.exp(-0.5 * log_var)


DIVERGENCES = {"kl": kl, "wasserstein2": wasserstein2}
