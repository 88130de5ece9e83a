"""Make the race's task of icons: two icon themes, with icons of the same name as true pairs for testing.

    apt-get install oxygen-icon-theme elementary-xfce-icon-theme
    python -m benchmarks.icons /usr/share/icons $DATA

OUT/icons/test/THEME contains the icons of the names that all chosen themes have, OUT/icons/train/THEME the others. Each
vendor draws its icons anew, so the truth of a pair is loose: shapes differ. Figures are of the packages of Debian 12.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

THEMES = ("oxygen", "elementary-xfce")


def find_icons(theme: Path, size: int) -> dict[str, Path]:
    """Return the smallest picture of at least `size` pixels a side for each name, of all PNG files of a theme."""
    best: dict[str, tuple[int, Path]] = {}
    for path in sorted(theme.rglob("*.png")):
        with Image.open(path) as image:
            side = min(image.size)
        if side >= size and (path.stem not in best or side < best[path.stem][0]):
            best[path.stem] = (side, path)
    return {name: path for name, (_, path) in best.items()}


def write_icon(source: Path, target: Path, size: int) -> None:
    """Write an icon of `size` pixels a side on white."""
    with Image.open(source) as image:
        icon = image.convert("RGBA").resize((size, size), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", icon.size, "white")
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.alpha_composite(white, icon).convert("RGB").save(target)


def make_task(themes: Path, names: Sequence[str], out: Path, size: int) -> None:
    """Write train/THEME and test/THEME of the task; icons of a name in all themes are test pairs."""
    icons = {name: find_icons(themes / name, size) for name in names}
    common = set.intersection(*(set(found) for found in icons.values()))
    for theme, found in icons.items():
        for name, path in found.items():
            write_icon(path, out / ("test" if name in common else "train") / theme / f"{name}.png", size)


def main(argv: Sequence[str]) -> int:
    """Make the task's folders."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.icons", description=__doc__.partition("\n")[0])
    parser.add_argument("icons", type=Path, help="folder of the icon themes, for example /usr/share/icons")
    parser.add_argument("out", type=Path, help="folder of the tasks; icons/ is made in it")
    parser.add_argument("--themes", default=",".join(THEMES))
    parser.add_argument("--size", type=int, default=64)
    args = parser.parse_args(argv)
    make_task(args.icons, args.themes.split(","), args.out / "icons", args.size)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
