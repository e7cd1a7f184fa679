"""The conditional GAN, whose two players are told the class."""

import keras

from dagen_keras.models import dcgan
from dagen_keras.models.gan import GAN
from dagen_keras.models.training import predict


@keras.saving.register_keras_serializable("dagen_keras")
class CGAN(GAN):
    """A generative adversarial network whose two players are told the class.

    Its losses, arguments and training are those of every `GAN`.

    Args:
        image_shape, n_classes, ...: as for `GAN`; its discriminator takes [images, labels].

    Example:
        >>> gan = CGAN(x.shape[1:], n_classes=10)
        >>> gan.compile(gan_optimizer())
        >>> gan.fit(x, y, batch_size=64, epochs=25)
        >>> threes = gan.generate(np.full(100, 3), seed=0)

    Reference: Mirza and Osindero (2014); Guruswamy et al., section IV.B.
    """

    offers = (*GAN.offers, "log-odds")

    def _new_discriminator(self):
        return dcgan.conditional_discriminator(
            self.image_shape, self.n_classes, self.filters, self.dropout
        )

    def judged(self, images, labels):
        return [images, labels]

    def log_odds(self, images, labels):
        """The discriminator's log D / (1 - D) of images.

        With a `real_share` of 0.5 an optimal discriminator's is log p_data - log p_model.

        Args:
            images, labels: as for `fit`.

        Returns:
            Its logits of "real", without dropout, float32 (n,).

        Raises:
            ValueError: if images or labels are not as for `fit`.
        """
        images, labels = self._checked(images, labels)
        inputs = self.judged(images, labels.astype("int32"))
        inputs = inputs[0] if len(inputs) == 1 else inputs
        outputs = predict(self.discriminator, inputs, batch_size=200)
        return keras.tree.flatten(outputs)[0][:, 0]
