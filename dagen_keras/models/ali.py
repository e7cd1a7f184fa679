"""Adversarially learned inference, and the AC-GAN that is trained on its codes."""

import keras
import numpy as np
from keras import ops

from dagen_keras.models import dcgan
from dagen_keras.models.acgan import ACGAN, codes_seed
from dagen_keras.models.gan import GAN
from dagen_keras.models.networks import check_dtypes
from dagen_keras.models.training import predict
from dagen_keras.models.vae import Sampling


@keras.saving.register_keras_serializable("dagen_keras")
class ALI(GAN):
    """Adversarially learned inference: the discriminator tells pairs of image and code apart.

    A real image comes with a draw z of the encoder's posterior, a generated one with the noise it
    was made from; encoder and generator together minimise, non-saturating,
    -log(1 - D(x, E(x))) - log D(G(z), z). All three are told the class but the encoder, so
    that `generate` can be asked for one; the published model is not conditional. No image is judged
    without its code, so there are no log-odds of an image.

    Args:
        image_shape, n_classes, ...: as for `GAN`; its discriminator takes [images, z, labels].
        encoder: a network of your own from images to [mean, log_var], each (n, latent_dim).

    Reference: Dumoulin et al. (2017); Guruswamy et al., eq. 4.
    """

    serialized = (*GAN.serialized, "encoder")

    def __init__(self, image_shape, n_classes=1, *args, encoder=None, **kwargs):
        super().__init__(image_shape, n_classes, *args, **kwargs)
        self.encoder = encoder or dcgan.encoder(image_shape, self.latent_dim, self.filters)
        check_dtypes(self.encoder)
        self.sampling = Sampling(codes_seed(self.seed))

    def _new_discriminator(self):
        return dcgan.joint_discriminator(
            self.image_shape, self.n_classes, self.latent_dim, self.filters, self.dropout
        )

    def discriminator_inputs(self, images, labels, training):
        code = self.sampling(*self.encoder(images, training=training))
        z = self.draw(ops.shape(images)[0])
        fake = self.generator([z, labels], training=training)
        return [images, code, labels], [fake, z, labels]

    def generator_loss(self, real, fake, labels, frozen):
        """-log D(G(z), z) of the generator and -log(1 - D(x, E(x))) of the encoder."""
        of_encoder = self.cross_entropies(frozen(real), labels, real=False)
        return super().generator_loss(real, fake, labels, frozen) + ops.mean(of_encoder)

    def reconstruct(self, images, labels, seed):
        """G(z, class) for a draw z of each image's posterior: float32, of the shape of `images`.

        The posterior's mean would not do: the generator has learnt from draws, and where
        posteriors are wide their means are nothing that it has seen.

        Args:
            images, labels: as for `fit`.
            seed: fixes the draws.

        Raises:
            ValueError: if images or labels are not as for `fit`.
        """
        images, labels = self._checked(images, labels)
        mean, log_var = predict(self.encoder, images)
        noise = np.random.default_rng(seed).standard_normal(mean.shape, dtype="float32")
        z = mean + np.exp(log_var / 2) * noise
        return predict(self.generator, [z, labels.astype("int32")])


def acgan_on_ali(ali, mask=True, from_ali=False, **kwargs):
    """An untrained AC-GAN whose generator learns from a trained ALI's codes.

    Args:
        ali: a trained `ALI`.
        mask: whether images from codes are left out of the real/fake loss.
        from_ali: whether the generator starts with ALI's weights (Guruswamy et al.'s v2 as we
            read it) or from scratch (v1).
        **kwargs: other arguments of `ACGAN`.

    Raises:
        ValueError: if `ali` is none.

    Example:
        >>> gan = acgan_on_ali(ali)
        >>> gan.compile(gan_optimizer())
        >>> gan.fit(x, y, batch_size=64, epochs=25)
    """
    if not isinstance(ali, ALI):
        raise ValueError(f"ali must be an ALI, trained; got {ali!r}.")
    shared = {name: getattr(ali, name) for name in ("latent_dim", "filters", "dropout")}
    gan = ACGAN(
        ali.image_shape,
        ali.n_classes,
        generator=keras.models.clone_model(ali.generator),
        encoder=ali.encoder,
        mask=mask,
        **{**shared, **kwargs},
    )
    if from_ali:
        gan.generator.set_weights(ali.generator.get_weights())
    return gan
