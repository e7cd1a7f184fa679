"""Guruswamy, Sukthanker and Gronquist: On Data Augmentation Using GANs."""

from dagen_keras.papers.guruswamy import experiment
from dagen_keras.papers.guruswamy.data import prepare
from dagen_keras.papers.guruswamy.experiment import compute
from dagen_keras.papers.guruswamy.grid import METHODS, PARAMETERS, PROFILES, cells
from dagen_keras.papers.guruswamy.results import report
from dagen_keras.papers.legacy import Paper

PAPER = Paper(
    key="guruswamy",
    title="On Data Augmentation Using GANs",
    reference="D. Guruswamy, R. Sukthanker, P. Gronquist.",
    question=(
        "When classes are imbalanced, does filling the sparse ones with images of a "
        "class-conditional GAN help?"
    ),
    notebook="04_guruswamy.ipynb",
    protocol_version=1,
    parameters=PARAMETERS,
    profiles=PROFILES,
    cells=cells,
    compute=compute,
    report=report,
)

__all__ = ["METHODS", "PAPER", "experiment", "prepare"]
