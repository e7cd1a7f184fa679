"""The pages that show reports: `index.html` of a profile, and `README.md` of the results."""

import re
import struct
from pathlib import Path

import jinja2
import pandas as pd

from dagen_keras import files
from dagen_keras.runs import formatting
from dagen_keras.runs.report_files import naming, read_json
from dagen_keras.study.report import POWER

COMMITTED = "overnight"  # The profile whose results are in git, and in `README.md`.
GENERATED = "<!-- Written by run_all.py, which overwrites this file. -->"
RULES = (
    "A claim is decided by exact signed-rank tests over seeds, in two looks, at 8 and at 16, alpha "
    f"0.01 in all; estimates are Hodges and Lehmann's. {POWER}"
)


def write_index(profile_directory):
    """Writes `index.html` from what the papers' directories hold.

    The page needs no network: its style is inside, its figures lie beside it. Where a report is
    damaged, the page says so and how to make it again, and has the others. Of the profile
    "overnight" it writes `README.md` into the directory above as well, unless one is there that
    it did not write.
    """
    papers, damaged = [], []
    for summary_file in sorted(profile_directory.glob("*/summary.json")):
        directory = summary_file.parent
        try:
            papers.append(_paper(directory))
        except Exception as error:  # Files that nobody here wrote may hold anything.
            again = how_to_make_again(directory.name, profile_directory.name)
            damaged.append({"key": directory.name, "why": why(error), "again": again})
    papers.sort(key=lambda paper: paper["place"])
    shown = {"papers": papers, "damaged": damaged, "profile": profile_directory.name}
    readme = profile_directory.parent / "README.md"
    if profile_directory.name == COMMITTED and _may_be_replaced(readme):
        files.write(readme, _render("readme.md", **shown))
    pages = {
        f"results at “{path.parent.name}”": f"../{path.parent.name}/index.html"
        for path in sorted(profile_directory.parent.glob("*/index.html"))
        if path.parent != profile_directory
    }
    if _is_generated(readme):
        pages[f"“{COMMITTED}” in brief"] = "../README.md"
    files.write(profile_directory / "index.html", _render("page.html", **shown, pages=pages))


def how_to_make_again(key, profile):
    """The command that makes a paper's report anew from its ledger."""
    return f"python run_all.py {key} --profile {profile} --no-compute"


def brief(directory):
    """What a paper's report says in short, and when it was `written`.

    Raises:
        ValueError, KeyError, TypeError: where its files are not what a report writes.
    """
    summary = read_json(directory / "summary.json", dict)
    return {
        "profile": directory.parent.name,
        "written": summary["written"],
        "data": summary["data"],
        "computed": f"{summary['cells'] - summary['missing']} of {summary['cells']} cells",
        "answer": summary["answer"],
        "verdicts": formatting.counted(read_json(directory / "claims.json", list)),
    }


def committed(directory):
    """The `brief` of a paper at the profile that decides, where it lies beside another; else {}."""
    if directory.parent.name == COMMITTED:
        return {}
    try:
        return brief(directory.parent.parent / COMMITTED / directory.name)
    except (ValueError, KeyError, TypeError):
        return {}


def _may_be_replaced(readme):
    return _is_generated(readme) or not readme.exists()


def _is_generated(readme):
    return readme.is_file() and readme.read_bytes().startswith(GENERATED.encode())


def _paper(directory):
    """A paper's part of the pages: what stands in the first table, its HTML and its Markdown.

    Raises:
        Exception: of any kind, where the files of its report are not what a report writes.
    """
    paper = {"answer": "", **read_json(directory / "summary.json", dict)}
    claims = paper["claims"] = read_json(directory / "claims.json", list)
    for table in paper["tables"]:
        path = directory / "tables" / f"{table['name']}.csv"
        with naming(path):
            frame = pd.read_csv(
                path, dtype=str, encoding="utf-8", keep_default_na=False, na_values=[""]
            )
        table["columns"] = formatting.columns(frame)
        table["rows"] = range(len(frame))
    for figure in paper["figures"]:
        figure["width"], figure["height"] = _size(directory / "figures" / f"{figure['name']}.png")
    names = {"notebook": "notebook.ipynb", "ledger": "runs.jsonl"}
    paper["files"] = {what: name for what, name in names.items() if (directory / name).is_file()}
    paper["seeds"] = _seeds(claims, paper["settings"])
    paper["verdicts"] = formatting.counted(claims)
    paper["decided"] = [claim for claim in claims if claim["verdict"] != "not decided"]
    paper["open"] = [claim for claim in claims if claim["verdict"] == "not decided"]
    paper["ran_on"] = "; ".join(paper["devices"])
    paper["committed"] = committed(directory)
    return {
        **{name: str(paper[name]) for name in ("key", "title", "question", "answer", "data")},
        **{name: paper[name] for name in ("verdicts", "seeds", "ran_on", "committed")},
        "place": str(paper.get("notebook", paper["key"])),
        "html": _render("paper.html", paper=paper),
        "markdown": _render("paper.md", paper=paper, profile=directory.parent.name),
    }


def _seeds(claims, settings):
    """How many seeds the claims have so far, and how many they are to have."""
    pairs = [claim["n"] for claim in claims if claim["looks"]]  # Others compare no seeds.
    few, many = min(pairs, default=0), max(pairs, default=0)
    computed = f"{few} to {many}" if few < many else f"{many}"
    return f"{computed} of {settings['seeds']}"


def _size(path):
    """Width and height of a PNG file, in pixels.

    Raises:
        ValueError: if it cannot be read or is no PNG file; names it.
    """
    with naming(path):
        start = path.read_bytes()[:24]
        if not start.startswith(b"\x89PNG\r\n\x1a\n") or len(start) < 24:
            raise ValueError("it is no PNG file")
        return struct.unpack(">II", start[16:])


def why(error):
    """An error in a line of at most 200 characters."""
    said = " ".join(str(error).split()).rstrip(".")
    if not isinstance(error, ValueError):
        said = f"{type(error).__name__}: {said}"
    return said if len(said) <= 200 else said[:200] + "..."


def _render(name, **shown):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = formatting.number
    environment.filters["stated"] = formatting.stated
    environment.filters["duration"] = formatting.duration
    environment.filters["plain"] = _plain
    shown |= {"rules": RULES, "generated": GENERATED}
    return environment.get_template(name).render(shown)


def _plain(text):
    """A text that Markdown shows as it is, on one line, also in a table."""
    return re.sub(r"([\\`*|<\[$~])", r"\\\1", " ".join(str(text).split()))
