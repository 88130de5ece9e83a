"""Settings files and tables of labels, valid and hostile, for the fuzz test."""

from __future__ import annotations

import random

SETTINGS = """\
method: cyclegan
preset: tiny
data: {holdout_fraction: 0.1}
medium_settings: {size: 64, resize_mode: scale}
networks:
  width: 32
  residual: auto
training:
  steps: 100
  device: cpu
  # a comment
  minutes: null
"""
TABLE = "file,smiling,hair\n" + "".join(f"{i:03}.png,{i % 2},{('black', 'blond')[i % 2]}\n" for i in range(20))


def make_settings() -> dict[str, bytes]:
    """Return settings files: file name -> content."""
    lines = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))
    merges = "\n".join(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}], k{i}: 1}}" for i in range(1, 12))
    texts = {
        "valid": SETTINGS,
        "aliases": f"l0: &l0 [x, x]\n{lines}\ntraining: *l11\n",
        "merges": f"m0: &m0 {{a: 1}}\n{merges}\ntraining: *m11\n",
        "cycle": "training: &a [*a]\n",
        "deep": "training: " + "[" * 5000 + "]" * 5000,
        "deep-blocks": "\n".join("  " * i + "a:" for i in range(400)),
        "large-integer": "training: {steps: " + "9" * 10_000 + "}",
        "hexadecimal": "training: {steps: 0x" + "f" * 10_000 + "}",
        "sexagesimal": "training: {steps: 1" + ":59" * 5000 + "}",
        "float": "training: {minutes: 1e999999}",
        "date": "training: {steps: 2020-13-45}",
        "repeated": "training: {steps: 5}\ntraining: {steps: 6}\n",
        "repeated-inside": "training: {steps: 5, minutes: 1, steps: 6}\n",
        "object": "training: !!python/object/apply:os.system ['true']\n",
        "tags": "training: {steps: !!int x, minutes: !!float y, device: !!bool 7}\n",
        "set": "training: !!set {steps, minutes}\n",
        "key": "training: {? [a, b] : 1}\n",
        "binary": "training: !!binary '####'\n",
        "long": "training: {device: '" + "x" * 1_000_000 + "'}\n",
        "long-key": "x" * 100_000 + ": 1\n",
        "list": "- training\n- steps\n",
        "number": "12",
        "types": "training: [1]\nnetworks: 7\nmethod: {a: 1}\n",
        "values": "training: {steps: {a: [1, 2]}, minutes: [], device: 3}\nnetworks: {width: wide}\n",
        "many": "\n".join(f"k{i}: 1" for i in range(20_000)),
        "empty": "",
        "tabs": "training:\n\tsteps: 5\n",
        "documents": "method: cyclegan\n---\nmethod: gan\n",
    }
    files = {f"{name}.yaml": text.encode() for name, text in texts.items()}
    files["utf16.yaml"] = SETTINGS.encode("utf-16")
    files["latin1.yaml"] = "method: cyclégan\n".encode("latin-1")
    files["bom.yaml"] = b"\xef\xbb\xbf" + SETTINGS.encode()
    files["nul.yaml"] = SETTINGS.encode().replace(b"cpu", b"c\0u")
    return files


def make_tables() -> dict[str, bytes]:
    """Return tables of labels: file name -> content."""
    columns = ",".join(f"c{i}" for i in range(1_000_000))
    texts = {
        "valid": TABLE,
        "semicolons": TABLE.replace(",", ";"),
        "tabs": TABLE.replace(",", "\t"),
        "open-quote": TABLE.replace("005.png,1", '005.png,"1'),
        "open-quote-at-end": TABLE + '020.png,0,"black\n',
        "quote-inside": TABLE.replace("black", 'bla"ck'),
        "nul": TABLE.replace("black", "bla\0ck"),
        "columns": f"file,{columns}\na.png{',0' * 1_000_000}\n",
        "equal-columns": f"file{',smiling' * 100_000}\na.png{',0' * 100_000}\n",
        "long-cell": f"file,smiling\na.png,{'1' * 1_000_000}\n",
        "carriage-returns": TABLE.replace("\n", "\r"),
        "windows": TABLE.replace("\n", "\r\n"),
        "short-row": TABLE.replace("007.png,1,blond", "007.png,1"),
        "contradiction": TABLE + "000.png,1,blond\n",
        "header-only": "file,smiling,hair\n",
        "empty": "",
        "blank-lines": TABLE.replace("\n", "\n\n"),
        "celeba": "2\nsmiling glasses\na.png 1 -1\nb.png -1 1\n",
        "celeba-cut": "2\n",
        "absolute": "file,smiling\n/etc/passwd,1\n../../x.png,0\n",
        "formula": 'file,smiling\n"=cmd|x!A1",1\n',
    }
    files = {f"{name}.csv": text.encode() for name, text in texts.items()}
    files["bom.csv"] = b"\xef\xbb\xbf" + TABLE.encode()
    files["utf16.csv"] = TABLE.encode("utf-16")
    files["latin1.csv"] = TABLE.replace("black", "schwärz").encode("latin-1")
    return files


def edit_text(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Insert, remove or repeat a few tokens of a text."""
    tokens = [
        b":",
        b",",
        b'"',
        b"'",
        b"\n",
        b"- ",
        b"&a ",
        b"*a",
        b"{",
        b"}",
        b"[",
        b"]",
        b"!!int ",
        b"\0",
        b"\t",
        b"|",
        b"? ",
    ]
    edited = bytearray(content[:5000])
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(len(edited) + 1)
        kind = rng.randrange(3)
        if kind == 0:
            edited[at:at] = rng.choice(tokens)
        elif kind == 1:
            del edited[at : at + rng.randrange(1, 20)]
        else:
            other = rng.choice(others)[:5000]
            start = rng.randrange(len(other) + 1)
            edited[at:at] = other[start : start + 40]
    return bytes(edited)


def edit_files(files: dict[str, bytes], count: int, seed: int) -> list[tuple[str, bytes]]:
    """Return all files, and `count` edited ones: (name, content)."""
    rng, contents = random.Random(seed), list(files.values())
    names = list(files)
    edited = [(f"edited-{i:05}-{names[i % len(names)]}", i % len(names)) for i in range(count)]
    return [*files.items(), *((name, edit_text(contents[index], rng, contents)) for name, index in edited)]
