"""Eight more seeds, for the claims that they may decide."""

import json

from runs.toy import two_looks

from dagen_keras.runs import Run


def _run(tmp_path, near, far):
    run = Run(two_looks(near, far), "quick", results=tmp_path)
    assert run.compute(progress=False) == []
    return run


def _claims(run):
    found = json.loads((run.directory / "claims.json").read_text())
    return {claim["id"]: (claim["verdict"], claim["looks"], claim["n"]) for claim in found}


def _seeds(run, claim):
    return sorted(set(run.frame().query("claim == @claim")["seed"]))


def test_an_open_claim_within_reach_gets_eight_more_seeds_and_a_decided_one_does_not(tmp_path):
    run = _run(tmp_path, near=0.7, far=9.0)
    assert _seeds(run, "near") == list(range(16))
    assert _seeds(run, "far") == list(range(8))
    claims = _claims(run)
    assert claims["far"] == ("reproduced", 1, 8)
    assert claims["near"][1:] == (2, 16)
    again = Run(run.study, "quick", results=tmp_path)
    assert [str(cell) for cell in again.cells] == [str(cell) for cell in run.cells]
    assert len(again.cells) == 48
    before = run.ledger.path.read_bytes()
    assert again.compute(progress=False) == []
    assert again.ledger.path.read_bytes() == before
    assert _claims(again) == claims


def test_a_hopeless_claim_gets_none(tmp_path):
    run = _run(tmp_path, near=0.0, far=9.0)
    assert _claims(run) == {"near": ("not decided", 1, 8), "far": ("reproduced", 1, 8)}
    assert len(run.cells) == 32


def test_fewer_or_more_seeds_are_asked_for_by_hand_and_get_none(tmp_path):
    for seeds in (7, 9):
        run = Run(two_looks(0.7, 9.0), "quick", {"seeds": seeds}, results=tmp_path)
        run.compute(progress=False)
        assert len(run.cells) == 4 * seeds


def test_the_second_look_waits_until_the_first_is_whole(tmp_path):
    run = Run(two_looks(0.7, 9.0), "quick", results=tmp_path)
    run.compute(progress=False)
    lines = run.ledger.path.read_text().splitlines()
    run.ledger.path.write_text("\n".join(lines[1:32]) + "\n")
    assert len(run.cells) == 32
    assert [cell.seed for cell in run.missing().values()] == [0]
