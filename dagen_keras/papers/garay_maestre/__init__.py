"""Garay-Maestre, Gallego and Calvo-Zaragoza: Data Augmentation via Variational Auto-Encoders."""

from dagen_keras.papers import listed, words
from dagen_keras.papers.garay_maestre import cells, protocol, report
from dagen_keras.study import Study

STUDY = Study(
    key="garay_maestre",
    title="Data Augmentation via Variational Auto-Encoders",
    reference="U. Garay-Maestre, A.-J. Gallego, J. Calvo-Zaragoza. CIARP 2018, LNCS 11401.",
    question=(
        "With 50 to 1,000 labelled digits, how much does a classifier gain from images drawn "
        "from one VAE a class?"
    ),
    notebook="01_garay_maestre.ipynb",
    protocol_version=2,
    profiles=protocol.PROFILES,
    cells=protocol.cells,
    compute=cells.COMPUTE,
    claims=protocol.CLAIMS,
    listed=listed("garay_maestre"),
    data=report.data,
    tables=report.tables,
    figures=report.figures,
    errata=report.errata,
    words=words("garay_maestre"),
)
