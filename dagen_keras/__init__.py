"""Five papers on generative data augmentation, reproduced in Keras.

Importing the package is cheap; Keras is imported with the first name that needs it.
"""

import importlib
import importlib.util
import os

from dagen_keras import tensorflow_log

__version__ = "0.1.0"

# Keras picks its backend when it is first imported. Where TensorFlow is absent, JAX serves.
if "KERAS_BACKEND" not in os.environ and importlib.util.find_spec("tensorflow") is None:
    os.environ["KERAS_BACKEND"] = "jax"
if os.environ.get("KERAS_BACKEND", "tensorflow") not in ("tensorflow", "jax"):
    raise ImportError(
        "the environment variable KERAS_BACKEND must be 'tensorflow' or 'jax', or not set; got "
        f"{os.environ['KERAS_BACKEND']!r}."
    )
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tensorflow_log.drop_at_import()

_SUBPACKAGES = (
    "augment",
    "backend",
    "datasets",
    "evaluate",
    "models",
    "papers",
    "plots",
    "runs",
    "sampling",
    "study",
)


def __getattr__(name):
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "load_model":
        return importlib.import_module(f"{__name__}.models").load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
