"""Akula, Chauk, Karanth and Ramaswami: Image Data Generation with GAN, VAE, and Sampling."""

from dagen_keras.papers.akula import experiment
from dagen_keras.papers.akula.data import feature_space, prepare
from dagen_keras.papers.akula.experiment import compute
from dagen_keras.papers.akula.grid import METHODS, PARAMETERS, PROFILES, cells
from dagen_keras.papers.akula.results import report
from dagen_keras.papers.legacy import Paper

PAPER = Paper(
    key="akula",
    title="Image Data Generation with GAN, VAE, and Sampling",
    reference="A. Akula, E. Chauk, H. Karanth, S. Ramaswami.",
    question=(
        "On cats against dogs, which images help a classifier most: a VAE's or a GAN's, and drawn "
        "plainly or by a better sampler?"
    ),
    notebook="05_akula.ipynb",
    protocol_version=1,
    parameters=PARAMETERS,
    profiles=PROFILES,
    cells=cells,
    compute=compute,
    report=report,
)

__all__ = ["METHODS", "PAPER", "experiment", "feature_space", "prepare"]
