"""Put content, style and result side by side: the README's picture.

python docs/compose_readme_picture.py CONTENT STYLE RESULT OUT.jpg
"""

from __future__ import annotations

import sys

from PIL import Image, ImageDraw

HEIGHT = 300
GAP = 44
WHITE = (255, 255, 255)
INK = (90, 90, 90)


def main(names: list[str], out: str) -> None:
    """Scale all to one height, and join them with a plus and an equals sign."""
    pictures = []
    for name in names:
        with Image.open(name) as image:
            width = round(image.width * HEIGHT / image.height)
            pictures.append(image.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS))
    total = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (total, HEIGHT), WHITE)
    draw = ImageDraw.Draw(sheet)
    left = 0
    for picture, sign in zip(pictures, ["+", "=", None], strict=True):
        sheet.paste(picture, (left, 0))
        left += picture.width
        if sign:
            draw_sign(draw, left + GAP // 2, HEIGHT // 2, sign)
        left += GAP
    sheet.save(out, quality=90)


def draw_sign(draw: ImageDraw.ImageDraw, x: int, y: int, sign: str) -> None:
    """Draw a plus or an equals sign without needing a font."""
    if sign == "+":
        draw.line((x - 9, y, x + 9, y), INK, 4)
        draw.line((x, y - 9, x, y + 9), INK, 4)
    else:
        draw.line((x - 9, y - 5, x + 9, y - 5), INK, 4)
        draw.line((x - 9, y + 5, x + 9, y + 5), INK, 4)


if __name__ == "__main__":
    main(sys.argv[1:4], sys.argv[4])
