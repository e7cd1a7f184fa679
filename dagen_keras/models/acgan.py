"""The auxiliary-classifier GAN, and the schedule of its third variant."""

import keras
from keras import ops

from dagen_keras import backend
from dagen_keras.models import dcgan
from dagen_keras.models.cgan import CGAN
from dagen_keras.models.networks import check_dtypes
from dagen_keras.models.vae import Sampling


@keras.saving.register_keras_serializable("dagen_keras")
class ACGAN(CGAN):
    """An auxiliary-classifier GAN: the discriminator names the class instead of being told.

    Both players also minimise the cross-entropy of the class that the discriminator names, of
    real and of generated images (Guruswamy et al., eqs. 2 and 3).

    With an `encoder` it is the paper's AC-GAN on ALI: in every batch half of the generator's
    inputs are draws of the encoder's posterior of the batch's real images, and half are noise.
    With `mask` the former count for the class and not for real or fake (eq. 5), in both players'
    losses.

    Args:
        encoder: a trained model from images to [mean, log_var], each (n, latent_dim), such as
            that of an `ALI`; it is copied and not trained further. None: all inputs are noise.
        mask: whether images from the encoder's codes are left out of the real/fake loss.
        **kwargs: as for `CGAN`; its discriminator takes images alone and returns
            [logit of "real" (n, 1), logits of the classes (n, n_classes)].

    Reference: Odena et al. (2017); Guruswamy et al., sections IV.B and V.
    """

    serialized = (*CGAN.serialized, "encoder")

    def __init__(self, image_shape, n_classes=1, *args, encoder=None, mask=True, **kwargs):
        if n_classes == 1:
            raise ValueError(
                "an ACGAN names the class, so it needs n_classes of 2 or more (in an Augmenter: "
                "conditional=True); a GAN of one class is a CGAN."
            )
        super().__init__(image_shape, n_classes, *args, **kwargs)
        self.encoder, self.mask = None, mask
        if encoder is not None:
            if encoder.output_shape != 2 * [(None, self.latent_dim)]:
                raise ValueError(
                    f"encoder must return a mean and a log-variance of {self.latent_dim} "
                    f"dimensions, the generator's; it returns {encoder.output_shape}."
                )
            check_dtypes(encoder)
            self.encoder = keras.models.clone_model(encoder)
            self.encoder.set_weights(encoder.get_weights())
            self.encoder.trainable = False
            self.sampling = Sampling(codes_seed(self.seed))

    def _new_discriminator(self):
        return dcgan.classifying_discriminator(
            self.image_shape, self.n_classes, self.filters, self.dropout
        )

    def discriminator_inputs(self, images, labels, training):
        z = self.draw(ops.shape(images)[0])
        if self.encoder is not None:
            codes = self.sampling(*self.encoder(images, training=False))
            z = ops.where(self._from_encoder(labels)[:, None], codes, z)
        fake = self.generator([z, labels], training=training)
        return self.judged(images, labels), self.judged(fake, labels)

    def judged(self, images, labels):
        return [images]

    def cross_entropies(self, outputs, labels, real, weight=1.0):
        named = keras.losses.sparse_categorical_crossentropy(labels, outputs[1], from_logits=True)
        return super().cross_entropies(outputs, labels, real, weight) + named

    def weight_of_fake(self, labels):
        if self.encoder is None or not self.mask:
            return 1.0
        noise = 1 - ops.cast(self._from_encoder(labels), "float32")
        return noise / ops.mean(noise)

    def _from_encoder(self, labels):
        """Which rows of a batch have a code of the encoder: the first half."""
        n = ops.shape(labels)[0]
        return ops.arange(n) < n // 2

    def get_config(self):
        return {**super().get_config(), "mask": self.mask}


@keras.saving.register_keras_serializable("dagen_keras")
class EveryThirdEpoch:
    """A share of real images that differs in every third epoch: AC-GAN v3 with its defaults."""

    def __init__(self, share=0.75, third=0.5):
        self.share = share
        self.third = third

    def __call__(self, epoch):
        return self.third if epoch % 3 == 2 else self.share

    def get_config(self):
        return {"share": self.share, "third": self.third}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def codes_seed(seed):
    """The seed of an encoder's draws, which are not to be the generator's noise."""
    return None if seed is None else backend.subseed(seed, "codes")
