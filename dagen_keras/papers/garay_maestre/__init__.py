"""Garay-Maestre, Gallego and Calvo-Zaragoza: Data Augmentation via Variational Auto-Encoders."""

from dagen_keras.papers.garay_maestre.experiment import compute
from dagen_keras.papers.garay_maestre.grid import PARAMETERS, PROFILES, cells
from dagen_keras.papers.garay_maestre.results import report
from dagen_keras.runs.paper import Paper

PAPER = Paper(
    key="garay_maestre",
    title="Data Augmentation via Variational Auto-Encoders",
    reference="U. Garay-Maestre, A.-J. Gallego, J. Calvo-Zaragoza. CIARP 2018, LNCS 11401.",
    question=(
        "With 50 to 1,000 labelled digits, how much does a classifier gain from images drawn "
        "from one VAE a class?"
    ),
    notebook="01_garay_maestre.ipynb",
    protocol_version=1,
    parameters=PARAMETERS,
    profiles=PROFILES,
    cells=cells,
    compute=compute,
    report=report,
)
