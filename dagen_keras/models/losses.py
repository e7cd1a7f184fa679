"""What Keras promises of every loss, for models that bring their own."""

from keras import ops


def mean_over_images(values, sample_weight=None):
    """The mean of one value an image (n,), each times its weight, as Keras's losses take it."""
    if sample_weight is None:
        return ops.mean(values)
    return ops.mean(values * ops.cast(ops.reshape(sample_weight, (-1,)), values.dtype))


def with_losses_of(model, loss):
    """`loss` and what layers and regularizers of the model add to it."""
    for more in model.losses:
        loss = loss + ops.sum(ops.cast(more, loss.dtype))
    return loss
