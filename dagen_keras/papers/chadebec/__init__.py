"""Chadebec and Allassonniere: Data Augmentation with VAEs and Manifold Sampling."""

from dagen_keras.papers.chadebec import geometry, released
from dagen_keras.papers.chadebec.experiment import compute
from dagen_keras.papers.chadebec.grid import PARAMETERS, PROFILES, cells
from dagen_keras.papers.chadebec.results import report
from dagen_keras.papers.legacy import Paper

PAPER = Paper(
    key="chadebec",
    title="Data Augmentation with Variational Autoencoders and Manifold Sampling",
    reference="C. Chadebec, S. Allassonnière. DGM4MICCAI 2021, LNCS 13003.",
    question=(
        "With some hundred images, is it better to sample a VAE's latent space along its learned "
        "geometry than from the prior?"
    ),
    notebook="03_chadebec.ipynb",
    protocol_version=1,
    parameters=PARAMETERS,
    profiles=PROFILES,
    cells=cells,
    compute=compute,
    report=report,
)

__all__ = ["PAPER", "geometry", "released"]
