"""Chen and Liu: Towards Better Data Augmentation using Wasserstein Distance in VAE."""

from dagen_keras.papers.chen_liu import experiment
from dagen_keras.papers.chen_liu.experiment import compute
from dagen_keras.papers.chen_liu.grid import (
    LATENT_DIM,
    METHODS,
    PARAMETERS,
    PROFILES,
    cells,
    follow_up,
)
from dagen_keras.papers.chen_liu.results import report
from dagen_keras.runs.paper import Paper

PAPER = Paper(
    key="chen_liu",
    title="Towards Better Data Augmentation using Wasserstein Distance in Variational Auto-encoder",
    reference="Z. Chen, P. Liu. 2021.",
    question=(
        "Does replacing the KL term of a VAE by the squared 2-Wasserstein distance to the prior "
        "give better samples and better classifiers?"
    ),
    notebook="02_chen_liu.ipynb",
    protocol_version=1,
    parameters=PARAMETERS,
    profiles=PROFILES,
    cells=cells,
    compute=compute,
    report=report,
    follow_up=follow_up,
)

__all__ = ["LATENT_DIM", "METHODS", "PAPER", "experiment"]
