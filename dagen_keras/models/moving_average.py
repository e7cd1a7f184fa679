"""A network whose weights are a moving average of another one's."""

import keras
from keras import ops


class MovingAverage(keras.layers.Layer):
    """An exponential moving average of a network's weights and statistics, while it is trained.

    The momentum is t / (t + 10) after t updates, until that is more than `momentum`: the average
    is over some last tenth of the updates, and what the network started from is soon forgotten.

    Args:
        network: a functional or Sequential model; it is copied.
        momentum: the largest, in (0, 1).

    Attributes:
        network: the average, a model of its own that is not trained.
    """

    def __init__(self, network, momentum, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.network = keras.models.clone_model(network)
        self.network.set_weights(network.get_weights())
        self.updates = self.add_weight((), "zeros", name="updates")
        self.trainable = False
        self.built = True

    def update(self, network):
        """Takes the network as it is now into the average."""
        momentum = ops.minimum(self.momentum, self.updates / (self.updates + 10))
        for mean, value in zip(self.network.variables, network.variables, strict=True):
            mean.assign(momentum * mean + (1 - momentum) * value)
        self.updates.assign_add(1.0)
