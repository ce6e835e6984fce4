"""What `--help` says, read from `conf/`: groups and options, each with the first sentence of its file.

Hydra's own help copies every schema for each group it lists, and takes four times as long as importing Hydra does.
"""

from __future__ import annotations

import re
from pathlib import Path

ASKED: tuple[list[str], ...] = ([], ["--help"], ["-h"])
"""The arguments that get this help; with any other beside them, Hydra shows the config they compose. None are among
them: a study takes minutes, and is run when it is asked for."""

_USAGE = "python -m rfcx_lab +experiment=NAME [group=option] [key=value]"
_ENDING = """\
* is the default. Any value can be overridden, as in training.epochs=50.

python -m rfcx_lab +experiment=ladder --cfg job   shows every key with its value, and runs nothing
python -m rfcx_lab --hydra-help                   Hydra's own flags"""


def describe(conf: Path) -> str:
    """The whole text, for the groups and options under `conf`."""
    chosen = dict(re.findall(r"^  - (\w+): (\w+)$", (conf / "config.yaml").read_text(encoding="utf-8"), re.MULTILINE))
    groups = sorted(path for path in conf.iterdir() if path.is_dir())
    width = max(len(path.stem) for path in conf.glob("*/*.yaml")) + 4
    text = ["Finds, with evidence, where an audio classifier begins to overfit.", "", _USAGE, ""]
    for group in sorted(groups, key=lambda group: group.name != "experiment"):  # first: no run goes without one
        text.append(f"{'+' if group.name not in chosen else ''}{group.name}=")
        for path in sorted(group.glob("*.yaml")):
            name = path.stem + ("*" if chosen.get(group.name) == path.stem else "")
            text.append(f"  {name:<{width}}{_first_sentence(path)}".rstrip())
    return "\n".join([*text, "", _ENDING])


def _first_sentence(path: Path) -> str:
    """Of a config's opening comment; a package directive is none."""
    comment = re.match(r"(?:# @.*\n)?((?:# .*\n)*)", path.read_text(encoding="utf-8"))
    text = " ".join(line.removeprefix("# ") for line in comment[1].splitlines()) if comment else ""
    return re.sub(r"(?<=[.?!]) .*", "", text)
