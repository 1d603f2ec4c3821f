"""Draw the demonstration pair: a harbour (the content) and brushwork (the style).

Run ``python docs/draw_demo_pair.py OUTDIR``; it writes ``harbour.jpg`` and ``brushwork.jpg``.
Both are drawn by this program from a fixed seed, so they belong to nobody else.
"""

import argparse
from pathlib import Path

from demo_canvas import save_jpeg
from demo_content import draw_content
from demo_style import draw_style


def main() -> None:
    """Draw both pictures into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Draw the demonstration pair.")
    parser.add_argument("outdir", type=Path, help="the folder to write the pictures to")
    outdir = parser.parse_args().outdir
    outdir.mkdir(parents=True, exist_ok=True)
    save_jpeg(draw_content(seed=5), outdir / "harbour.jpg", quality=92)
    save_jpeg(draw_style(seed=7), outdir / "brushwork.jpg", quality=88)


if __name__ == "__main__":
    main()
