import pytest

from dagen_keras import papers
from dagen_keras.runs import RunError


def test_a_paper_is_a_folder_and_is_found_by_its_name():
    assert set(papers.KEYS) >= {"akula", "chadebec", "chen_liu", "garay_maestre", "guruswamy"}
    assert all(papers.get(key).key == key for key in papers.KEYS)


@pytest.mark.parametrize("key", ["garay", "reported", "", "akula.cells"])
def test_unknown_papers_are_refused_with_the_known_ones(key):
    with pytest.raises(RunError, match=f"unknown paper '{key}'; known are .*garay_maestre"):
        papers.get(key)


def test_papers_come_once_in_the_order_of_their_notebooks():
    names = [study.notebook for study in papers.get_all()]
    assert names == sorted(names)
    assert len(set(names)) == len(papers.KEYS)
    named = papers.get_all(["guruswamy", "akula", "guruswamy"])
    assert [study.key for study in named] == ["guruswamy", "akula"]
