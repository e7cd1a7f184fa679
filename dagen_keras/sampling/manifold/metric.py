"""The RHVAE's Riemannian metric: a mixture of kernels on the latent space."""

import numpy as np
from keras import ops

from dagen_keras import backend

# Up to so many dimensions, what is done with a matrix is written out entry by entry, and G^-1 and
# its derivatives come of one sum over the centroids.
UNROLLED = 3
# A bound on float32's relative rounding error in a sum of matrices, with room.
ROUNDING = 2e-6


class RiemannianMetric:
    """The metric G of a latent space, given by its inverse.

    G^-1(z) = sum_i L_i L_i^T exp(-|z - c_i|^2 / T^2) + lambda I

    It is small (a unit step is short) where there are centroids c_i, and far away from them it
    tends to I / lambda. All methods take points `z` of shape (n, d), row by row, and are written
    in `keras.ops`: they can be differentiated and compiled.

    Args:
        centroids: the c_i, shape (m, d).
        cholesky_factors: the lower triangular L_i, shape (m, d, d).
        temperature: T, a length in the latent space.
        regularization: lambda; no eigenvalue of G^-1 is below it.

    Raises:
        ValueError: if a shape or a number is not as described.

    Example:
        >>> metric = RiemannianMetric(centroids, factors, temperature=0.8, regularization=1e-3)
        >>> metric.log_volume(points)

    Reference: Chadebec, Mantoux and Allassonniere, Geometry-Aware Hamiltonian Variational
    Auto-Encoder (2020), eq. 15.
    """

    def __init__(self, centroids, cholesky_factors, temperature, regularization):
        shape, expected = tuple(cholesky_factors.shape), tuple(centroids.shape)
        if len(expected) != 2 or shape[1:] != (expected[1],) * 2 or shape[0] != expected[0]:
            raise ValueError(
                "centroids must have shape (m, d) and cholesky_factors (m, d, d); got "
                f"{expected} and {shape}."
            )
        for name, value in (("temperature", temperature), ("regularization", regularization)):
            if not value > 0:
                raise ValueError(f"{name} must be positive; got {value!r}.")
        self.centroids = centroids
        self.cholesky_factors = cholesky_factors
        self.temperature = temperature
        self.regularization = regularization
        self.latent_dim = expected[1]
        # M_i = L_i L_i^T and (c_i, 1), and all their products, flat: what is summed over i.
        d = self.latent_dim
        self._matrices = ops.reshape(
            ops.matmul(cholesky_factors, ops.swapaxes(cholesky_factors, 1, 2)), (-1, d * d)
        )
        self._around = ops.concatenate([centroids, ops.ones_like(centroids[:, :1])], axis=1)
        if d <= UNROLLED:
            terms = self._matrices[:, :, None] * self._around[:, None, :]
            self._terms = ops.reshape(terms, (-1, d * d * (d + 1)))

    def inverse_tensor(self, z):
        """G^-1(z), shape (n, d, d).

        Raises:
            ValueError: if the points are not of d dimensions.
        """
        d = self.latent_dim
        if len(z.shape) != 2 or z.shape[1] != d:
            raise ValueError(f"points must have shape (n, {d}); got {tuple(z.shape)}.")
        return self.inverse_tensor_of(self.sums(z))

    def sums(self, z):
        """The sums over i of which G^-1 at z and its derivatives are made, a row a point.

        In few dimensions those of M_i k_i(z) (c_i, 1), shape (n, d, d, d + 1), where
        M_i = L_i L_i^T and k_i is the kernel; in more, where these are many, the kernel (n, m).
        """
        d, kernel = self.latent_dim, self.kernel(z)
        if d > UNROLLED:
            return kernel
        return ops.reshape(ops.matmul(kernel, self._terms), (-1, d, d, d + 1))

    def inverse_tensor_of(self, sums):
        """G^-1, shape (n, d, d), of the `sums` of points."""
        d = self.latent_dim
        if d > UNROLLED:
            mixture = ops.reshape(ops.matmul(sums, self._matrices), (-1, d, d))
        else:
            mixture = sums[..., d]
        return mixture + self.regularization * ops.eye(d, dtype=mixture.dtype)

    def tensor(self, z):
        """G(z), shape (n, d, d)."""
        return self.tensor_and_log_volume(z)[0]

    def log_volume(self, z):
        """log sqrt det G(z), shape (n,): the log volume element."""
        return self.tensor_and_log_volume(z)[1]

    def tensor_and_log_volume(self, z):
        """G(z) and log sqrt det G(z), for the price of one."""
        return self.inverted(self.inverse_tensor(z))

    def inverted(self, inverse_tensor):
        """G and log sqrt det G of G^-1, for the price of one."""
        return _invert(inverse_tensor, self.regularization)

    def inverse_tensor_gradient(self, z, weights):
        """Gradient in z of sum_jk weights_jk G^-1_jk(z), the weights held fixed: shape (n, d).

        Every force of this geometry is of this form: the geodesics' has weights q q^T / 2, that of
        log sqrt det G^-1 has weights G / 2.

        Args:
            z: points (n, d).
            weights: symmetric matrices (n, d, d).
        """
        return self.gradient_of(self.sums(z), z, weights)

    def gradient_of(self, sums, z, weights):
        """`inverse_tensor_gradient` at points z of these `sums`."""
        d = self.latent_dim
        if d > UNROLLED:
            flat = ops.reshape(weights, (-1, d * d))
            pulls = sums * ops.matmul(flat, ops.transpose(self._matrices))
            total = ops.matmul(pulls, self._around)
        else:
            total = ops.sum(weights[..., None] * sums, axis=(1, 2))
        return (-2 / self.temperature**2) * (z * total[:, d:] - total[:, :d])

    def energy(self, z, momentum):
        """q^T G^-1(z) q / 2, shape (n,): what geodesics conserve."""
        return 0.5 * ops.sum(momentum * self.raised(z, momentum), axis=-1)

    def raised(self, z, momentum):
        """G^-1(z) q, shape (n, d): the velocity of a momentum q."""
        return multiply(self.inverse_tensor(z), momentum)

    def lowered(self, z, velocity):
        """G(z) v, shape (n, d): the momentum of a velocity v."""
        return multiply(self.tensor(z), velocity)

    def support(self):
        """Centre (d,) and radius of the ball S: 3 T beyond the outermost centroid.

        Far away sqrt det G^-1 tends to lambda^(d/2) and not to 0, so a density proportional to
        it needs a compact set S (eq. 3 of Chadebec and Allassonniere; the ball is our choice).
        """
        centroids = np.asarray(self.centroids)
        center = centroids.mean(axis=0)
        reach = np.linalg.norm(centroids - center, axis=1).max()
        return center, float(reach + 3 * self.temperature)

    def kernel(self, z):
        """exp(-|z - c_i|^2 / T^2), shape (n, m)."""
        if self.latent_dim > UNROLLED:
            squares = ops.sum(ops.square(z[:, None] - self.centroids[None]), axis=-1)
        else:
            squares = sum(
                ops.square(z[:, j, None] - self.centroids[None, :, j])
                for j in range(self.latent_dim)
            )
        return ops.exp(squares * (-1 / self.temperature**2))


def multiply(matrices, vectors):
    """Matrices (n, d, d) times vectors (n, d), as sums: faster than tiny products."""
    return ops.sum(matrices * vectors[:, None, :], axis=-1)


def _invert(matrices, smallest):
    """Inverses and -log sqrt det of symmetric (n, d, d) whose eigenvalues are >= `smallest`."""
    if matrices.shape[-1] <= UNROLLED:
        return _invert_written_out(matrices, smallest)
    # In float32 rounding hides `smallest` where a matrix is huge; there, and only there, add to it.
    trace = ops.trace(matrices, axis1=1, axis2=2)[:, None, None]
    identity = ops.eye(matrices.shape[-1], dtype=matrices.dtype)
    matrices = matrices + ops.relu(ROUNDING * trace - 0.1 * smallest) * identity
    lower = backend.cholesky(matrices)
    log_volume = -ops.sum(ops.log(ops.diagonal(lower, axis1=1, axis2=2)), axis=-1)
    inverse = ops.solve_triangular(lower, ops.broadcast_to(identity, ops.shape(lower)), lower=True)
    return ops.matmul(ops.swapaxes(inverse, 1, 2), inverse), log_volume


def _invert_written_out(matrices, smallest):
    """Inverses and -log sqrt det of symmetric (n, d, d) whose eigenvalues are >= `smallest`.

    Cholesky's method, entry by entry: the matrices are tiny and many. A pivot is a Schur
    complement, so it is at least `smallest`; where rounding says otherwise it is put there.
    """
    d = matrices.shape[-1]
    lower = [[None] * d for _ in range(d)]
    for k in range(d):
        pivot = matrices[:, k, k] - sum(lower[k][j] ** 2 for j in range(k))
        lower[k][k] = ops.sqrt(ops.maximum(pivot, smallest))
        for i in range(k + 1, d):
            rest = matrices[:, i, k] - sum(lower[i][j] * lower[k][j] for j in range(k))
            lower[i][k] = rest / lower[k][k]
    # Columns of the inverse of the factor, then G = L^-T L^-1.
    inverse = [[None] * d for _ in range(d)]
    for k in range(d):
        inverse[k][k] = 1 / lower[k][k]
        for i in range(k + 1, d):
            terms = sum(lower[i][j] * inverse[j][k] for j in range(k, i))
            inverse[i][k] = -terms / lower[i][i]
    rows = [
        [sum(inverse[i][j] * inverse[i][k] for i in range(max(j, k), d)) for k in range(d)]
        for j in range(d)
    ]
    log_volume = -sum(ops.log(lower[k][k]) for k in range(d))
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2), log_volume
