import pytest

from dagen_keras import papers
from dagen_keras.runs import RunError
from dagen_keras.runs.run import EMPTY
from dagen_keras.study import PROFILES


def test_a_paper_is_a_folder_and_is_found_by_its_name():
    assert set(papers.KEYS) >= {"akula", "chadebec", "chen_liu", "garay_maestre", "guruswamy"}
    assert all(papers.get(key).key == key for key in papers.KEYS)
    assert papers.get("guruswamy").title


@pytest.mark.parametrize("key", ["garay", "reported", "legacy", "", "akula.data"])
def test_unknown_papers_are_refused_with_the_known_ones(key):
    with pytest.raises(RunError, match=f"unknown paper '{key}'; known are .*garay_maestre"):
        papers.get(key)


def test_papers_come_once_in_the_order_of_their_notebooks():
    names = [study.notebook for study in papers.get_all()]
    assert names == sorted(names)
    assert len(set(names)) == len(papers.KEYS)
    named = papers.get_all(["guruswamy", "akula", "guruswamy"])
    assert [study.key for study in named] == ["guruswamy", "akula"]


@pytest.mark.parametrize("key", papers.KEYS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_paper_lists_cells_and_reports_nothing_yet_at_every_profile(key, profile):
    study = papers.get(key)
    if profile not in study.profiles:
        assert profile == "overnight"
        with pytest.raises(RunError, match=f"{key} has no profile 'overnight' yet"):
            study.settings(profile)
        return
    settings = study.settings(profile)
    cells = study.cells(settings, EMPTY)
    keys = {cell.key(key, study.protocol_version, "0" * 16) for cell in cells}
    assert 1 < len(keys) <= len(cells)
    report = study.report(EMPTY, settings)
    assert {claim.verdict for claim in report.claims} == {"not decided"}
    assert report.errata
