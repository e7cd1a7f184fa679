"""A picture of real images beside new ones, a row a class."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLUMNS, LEAST, GAP, LINE = 8, 48, 4, 16  # Images a side; pixels.


def contact_sheet(found, made: dict[str, np.ndarray]) -> Image.Image:
    """Up to eight real images of each class on the left, up to eight new ones on the right.

    Args:
        found: the real ones, `LabelledImages`.
        made: new ones by class, uint8 (n, height, width, channels).
    """
    height, width = found.images.shape[1:3]
    scale = -(-LEAST // min(height, width))
    cell_height, cell_width = height * scale + GAP, width * scale + GAP
    row = cell_height + LINE
    half = COLUMNS * cell_width
    sheet = Image.new("RGB", (2 * half + 4 * GAP, LINE + len(made) * row + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    draw.text((GAP, 2), "real", "black", font)
    draw.text((half + 3 * GAP, 2), "new", "black", font)
    for number, (label, images) in enumerate(made.items()):
        top = LINE + number * row
        draw.text((GAP, top), str(label), "black", font)
        real = found.images[found.labels == label]
        for left, shown in ((GAP, real), (half + 3 * GAP, images)):
            for column, image in enumerate(shown[:COLUMNS]):
                picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
                picture = picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)
                sheet.paste(picture.convert("RGB"), (left + column * cell_width, top + LINE))
    return sheet
