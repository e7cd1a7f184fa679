"""What helps a GAN of few images: differentiable augmentation, and an averaged generator."""

import keras
import numpy as np
import pytest
from keras import ops

from dagen_keras import backend, models

SHAPE, CLASSES = (8, 8, 1), 3
N = 4000


def augmented(policy, images, seed=0):
    """Images changed, both in [-1, 1], as the paper has them."""
    layer = models.DiffAugment(policy, seed)
    return 2 * np.array(layer(ops.convert_to_tensor((images + 1) / 2))) - 1


@pytest.mark.parametrize(("side", "most"), [(8, 1), (28, 4), (32, 4), (50, 6)])
def test_translation_shifts_each_image_and_moves_grey_in(side, most):
    x = np.zeros((300, side, side, 1), "float32")
    x[:, side // 2, side // 2] = 1
    rows, columns = np.nonzero(augmented(["translation"], x)[..., 0] > 0.5)[1:]
    assert len(rows) == 300  # The pixel of each image is there once.
    for at in (rows, columns):
        assert set(at - side // 2) == set(range(-most, most + 1))
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.2
    edge = augmented(["translation"], np.ones((300, side, side, 1), "float32"))
    assert set(np.unique(edge.round(6))) == {0, 1}


def test_translation_moves_a_whole_image():
    x = np.random.default_rng(0).uniform(-1, 1, (20, 8, 9, 3)).astype("float32")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for before, after in zip(padded, augmented(["translation"], x), strict=True):
        shifted = [before[i : i + 8, j : j + 9] for i in range(3) for j in range(3)]
        assert min(np.abs(after - one).max() for one in shifted) < 1e-5


@pytest.mark.parametrize("side", [8, 28, 33])
def test_cutout_is_a_square_of_half_the_sides_cut_off_at_the_edges(side):
    cut = augmented(["cutout"], np.ones((1000, side, side, 1), "float32"))[..., 0] == 0
    half = int(side / 2 + 0.5)
    heights, widths = cut.any(axis=2).sum(axis=1), cut.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(heights * widths, cut.sum(axis=(1, 2)))
    for sides in (heights, widths):
        assert (sides.min(), sides.max()) == ((half + 1) // 2, half)
    # A centre is anywhere in the image: a whole square where it is half of its side from the edge.
    whole = (side - 2 * (half // 2) + 1 - half % 2) / (side + 1 - half % 2)
    assert np.mean(heights == half) == pytest.approx(whole, abs=0.06)


def test_colours_have_the_papers_moments():
    pixel = np.array([0.4, -0.2, 0.25], "float32")
    x = np.broadcast_to(pixel, (N, 2, 2, 3)).copy()
    x[:, 0] *= -1  # The image's mean is 0.
    found = augmented(["color"], x)
    error = 4 / np.sqrt(N)
    grey = x.mean(axis=-1, keepdims=True)
    # Brightness b, saturation s and contrast c are independent with means 0, 1 and 1.
    np.testing.assert_allclose(found.mean(axis=0), x.mean(axis=0), atol=error * 0.5)
    # Contrast leaves the image's mean: that of brightness, U(-1/2, 1/2).
    means = found.mean(axis=(1, 2, 3))
    assert means.min() < -0.49 and means.max() > 0.49
    assert np.var(means) == pytest.approx(1 / 12, abs=0.006)
    # What is coloured has s c, of second moment (4/3) (13/12); grey without its mean has c.
    coloured = (found - found.mean(axis=-1, keepdims=True)) / (x - grey)
    assert (coloured**2).mean() == pytest.approx(4 / 3 * 13 / 12, rel=0.06)
    assert coloured.min() > -1e-4 and coloured.max() < 3
    contrast = (found.mean(axis=-1) - means[:, None, None])[:, 1, 1] / grey[0, 1, 1, 0]
    assert contrast.min() == pytest.approx(0.5, abs=0.02)
    assert contrast.max() == pytest.approx(1.5, abs=0.02)


def test_the_policy_chooses_and_the_seed_fixes_the_draws():
    x = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(augmented([], x), x, atol=1e-6)
    np.testing.assert_array_equal(augmented(["color"], x, 1), augmented(["color"], x, 1))
    assert not np.allclose(augmented(["color"], x, 1), augmented(["color"], x, 2))
    assert not np.array_equal(augmented(models.DiffAugment().policy, x), augmented(["color"], x))
    with pytest.raises(ValueError, match="policy must be of color, translation, cutout; got 'f"):
        models.DiffAugment(["flip"])


def test_gradients_flow_through_every_change():
    layer = models.DiffAugment(seed=0)
    x = ops.convert_to_tensor(np.random.default_rng(0).random((6, 4), dtype="float32"))

    def total(rows):
        return ops.sum(layer(ops.reshape(rows, (-1, 2, 2, 1))), axis=(1, 2, 3))

    _, gradient = backend.value_and_gradient(total, x)
    assert np.isfinite(gradient).all() and (np.abs(gradient) > 1e-3).any(axis=1).all()


def small(model_class=models.ACGAN, **settings):
    with backend.seeded(0):
        gan = model_class(SHAPE, CLASSES, latent_dim=4, filters=4, seed=1, **settings)
    gan.compile(keras.optimizers.SGD(0.1))
    return gan


def data(n=12):
    return np.random.default_rng(0).random((n, *SHAPE), dtype="float32"), np.arange(n) % CLASSES


def weights(model):
    return [np.array(v) for v in model.variables]


class Half(keras.layers.Layer):
    """Halves images."""

    def call(self, images):
        return images / 2


@pytest.mark.parametrize("model_class", [models.CGAN, models.ACGAN, models.ALI])
def test_both_players_see_augmented_images_real_and_generated(model_class):
    gan, seen = small(model_class, augmentation=Half(), dropout=0.0), []
    plain = small(model_class, dropout=0.0)
    discriminate = gan.discriminate
    gan.discriminate = lambda inputs, *rest: seen.append(inputs) or discriminate(inputs, *rest)
    x, y = data()
    gan.compute_loss(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
    first, last = np.array(seen[0][0]), np.array(seen[-1][0])
    np.testing.assert_allclose(first[:12], x / 2, rtol=1e-6)
    np.testing.assert_array_equal(last, first[12:])  # The generator's loss.
    assert len(first) == 24 and first[12:].max() <= 0.5
    # A score of plain images is a score of plain images.
    if model_class is not models.ALI:
        np.testing.assert_allclose(gan.log_odds(x, y), plain.log_odds(x, y), rtol=1e-5)


@pytest.mark.slow
def test_without_the_new_arguments_nothing_changes():
    x, y = data()
    one = small()
    other = small(augmentation=models.DiffAugment([]), generator_ema=0.9)
    for gan in (one, other):
        gan.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(
        weights(one.generator) + weights(one.discriminator),
        weights(other.generator) + weights(other.discriminator),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    third = small(augmentation=models.DiffAugment())
    third.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert not np.allclose(third.generate([0], 0), one.generate([0], 0), atol=1e-6)


def test_the_average_is_that_of_a_loop_over_updates():
    x, y = data(4)
    gan, path = small(generator_ema=0.3), []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: path.append(weights(gan.generator))
    )
    start = gan.generate([0, 1], 0)
    gan.fit(x, y, batch_size=4, epochs=7, shuffle=False, verbose=0, callbacks=[note])
    mean = path[0]
    for t, now in enumerate(path):
        momentum = min(0.3, t / (t + 10))
        mean = [momentum * m + (1 - momentum) * n for m, n in zip(mean, now, strict=True)]
    for ours, by_hand in zip(weights(gan.average.network), mean, strict=True):
        np.testing.assert_allclose(ours, by_hand, rtol=1e-4, atol=1e-6)
    drawn = gan.generate([0, 1], 0)
    assert not np.allclose(drawn, start, atol=1e-5)
    gan.generator.set_weights([0 * w for w in gan.generator.get_weights()])
    np.testing.assert_array_equal(gan.generate([0, 1], 0), drawn)  # It is the average that draws.
    gan.evaluate(x, y, verbose=0)
    for ours, by_hand in zip(weights(gan.average.network), mean, strict=True):
        np.testing.assert_allclose(ours, by_hand, rtol=1e-4, atol=1e-6)


def test_a_fresh_model_averages_afresh():
    x, y = data()
    reusable = models.ReusableModel(
        lambda: models.CGAN(SHAPE, CLASSES, 4, 4, generator_ema=0.9), optimizer="sgd"
    )
    drawn = []
    for seed in (3, 4, 3):
        gan = reusable.fresh(seed)
        gan.fit(models.ShuffledBatches((x, y), 4), epochs=2, shuffle=False, verbose=0)
        drawn.append(gan.generate([0, 1, 2], 0))
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_saving_keeps_both(tmp_path):
    x, y = data()
    gan = small(augmentation=models.DiffAugment(["cutout"], seed=5), generator_ema=0.9)
    gan.fit(x, y, batch_size=4, epochs=2, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = models.load_model(tmp_path / "gan.keras")
    np.testing.assert_allclose(loaded.generate([2, 0], 7), gan.generate([2, 0], 7), atol=1e-6)
    assert loaded.augmentation.policy == ("cutout",) and loaded.generator_ema == 0.9


@pytest.mark.parametrize("momentum", [0, 1, -0.1, "0.9", True])
def test_a_momentum_outside_its_range_is_refused(momentum):
    with pytest.raises(ValueError, match=r"generator_ema must be in \(0, 1\), or None"):
        small(generator_ema=momentum)
