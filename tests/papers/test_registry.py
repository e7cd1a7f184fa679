import pytest

from dagen_keras import papers
from dagen_keras.papers.legacy import RunError, resolve_parameters
from dagen_keras.papers.legacy import PROFILES


def test_unknown_papers_are_refused_with_the_known_ones():
    with pytest.raises(RunError, match="unknown paper 'garay'; known are .*garay_maestre"):
        papers.get("garay")


@pytest.mark.parametrize("key", papers.KEYS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_paper_lists_cells_and_reports_nothing_yet_at_every_profile(key, profile):
    import pandas as pd

    paper = papers.get(key)
    assert paper.key == key
    parameters = resolve_parameters(paper, profile)
    cells = paper.cells(parameters)
    keys = [cell.key(paper, "0" * 16) for cell in cells]
    places = [(c.table, c.row, c.column, c.seed) for c in cells]
    assert len(set(places)) == len(places)
    assert len(keys) > 1
    assert all(cell.cost > 0 for cell in cells)
    empty = pd.DataFrame(columns=["table", "row", "column", "seed"])
    report = paper.report(empty, parameters)
    assert {claim.verdict for claim in report.claims} == {"not decided"}
    assert report.errata


def test_papers_come_in_the_order_of_their_notebooks():
    names = [paper.notebook for paper in papers.get_all()]
    assert names == sorted(names)
    assert len(set(names)) == len(papers.KEYS)
