"""The page of a comparison: one file, without a network."""

import base64
import html
import io

from dagen_keras.augment.comparison import Comparison
from dagen_keras.augment.contact_sheet import contact_sheet
from dagen_keras.augment.methods import CHEAP, METHODS
from dagen_keras.datasets.folder import LabelledImages

STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.advice { font-size: 1.3rem; border-left: .3rem solid; padding-left: 1rem; }
.scroll { overflow-x: auto; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 40rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .5rem; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; } img { max-width: 100%; background: white; }
"""


def page(comparison: Comparison, labelled: LabelledImages) -> str:
    """The page as HTML: advice, scores by method, verdicts, samples, and what was left out."""
    n_splits = comparison.frame["split"].nunique()
    height, width, channels = labelled.images.shape[1:]
    about = (
        f"{len(labelled.names):,} images of {len(labelled.classes)} classes, {height}x{width}"
        f"{', colour' if channels == 3 else ''}; {n_splits} splits, a quarter of the images tested "
        "in each. All methods have the same splits, classifier, updates and first weights."
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Do generated images help?</title><style>{STYLE}</style><main>",
        "<h1>Do generated images help a classifier of these?</h1>",
        f"<p class=advice>{html.escape(comparison.advice)}</p><p>{about}</p>",
        _table(
            "Accuracy by method, in percent, with 95 % intervals",
            ("method", "accuracy", "balanced accuracy", "copies", "seconds a split"),
            [_row(comparison, name) for name in comparison.scores],
        ),
    ]
    if comparison.verdicts:
        rows = [
            (
                name,
                f"{one.estimate:+.1f} ({one.low:.1f} to {one.high:.1f})",
                "" if p is None or p != p else f"{p:.3f}",
                f"{one.visible:.1f}",
            )
            for name, (one, p) in comparison.verdicts.items()
        ]
        caption = (
            "Each generative method against the cheap one that the other splits named best: points "
            "of balanced accuracy; p by the corrected resampled t-test and Holm; the difference "
            "that would have been seen four times in five"
        )
        parts.append(_table(caption, ("method", "difference", "p", "visible"), rows))
    for name, samples in comparison.samples.items():
        content = io.BytesIO()
        contact_sheet(labelled, samples).save(content, "PNG")
        data = base64.b64encode(content.getvalue()).decode()
        title = html.escape(METHODS[name].title if name in METHODS else name)
        alt = f"real images on the left, those of {title} on the right"
        parts.append(f"<h2>{title}</h2><img alt='{alt}' src='data:image/png;base64,{data}'>")
    out = {**comparison.left_out, **labelled.skipped}
    if out:
        items = "".join(f"<li>{html.escape(f'{k}: {v}')}</li>" for k, v in out.items())
        parts.append(f"<h2>Left out</h2><ul>{items}</ul>")
    return "\n".join([*parts, "</main></html>"]) + "\n"


def _row(comparison, name):
    rows = comparison.frame[comparison.frame["method"] == name]
    scores = comparison.scores[name].values()
    cells = [f"{mean:.1f} ({low:.1f} to {high:.1f})" for mean, low, high in scores]
    copies = rows["copies"].mean() if "copies" in rows else float("nan")
    shown = "" if copies != copies else f"{100 * copies:.0f} %"
    return CHEAP.get(name, name), *cells, shown, f"{rows['seconds'].median():.0f}"


def _table(caption, header, rows):
    head = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f"<div class=scroll tabindex=0><table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
