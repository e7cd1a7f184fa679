"""Chen and Liu: Towards Better Data Augmentation using Wasserstein Distance in VAE."""

from dagen_keras.papers import listed, words
from dagen_keras.papers.chen_liu import cells, protocol, report
from dagen_keras.study import Study

STUDY = Study(
    key="chen_liu",
    title="Towards Better Data Augmentation using Wasserstein Distance in Variational Auto-encoder",
    reference="Z. Chen, P. Liu. 2021.",
    question=(
        "Does replacing the KL term of a VAE by the squared 2-Wasserstein distance to the prior "
        "give better samples and better classifiers?"
    ),
    notebook="02_chen_liu.ipynb",
    protocol_version=2,
    profiles=protocol.PROFILES,
    cells=protocol.cells,
    compute=cells.COMPUTE,
    claims=protocol.CLAIMS,
    listed=listed("chen_liu"),
    data=report.data,
    tables=report.tables,
    figures=report.figures,
    errata=report.errata,
    words=words("chen_liu"),
)
