"""What the studies under the pages are made of: small, and of data that means mischief."""

from __future__ import annotations

from tests.conftest import TOY

SIZE = ("training.epochs=20", "ladder.repeats=3", "split.test_fraction=0.3", "engine=inline")
MISCHIEF = "</script><script>document.title='owned'</script>"
SPECIES = ("pale whistler", MISCHIEF, "O'Hara & <b>frog</b>")
OVERRIDES = (*TOY[:1], "data=rfcx", *TOY[-1:], *SIZE)
SWEEP = (
    *OVERRIDES,
    "kind=sweep",
    "name=plane",
    "sweep.repeats=2",
    "sweep.n_trials=8",
    "sweep.space.lstm_width.values=[4,16,64]",
    "sweep.space.dense_layers.values=[0,3]",
    "sweep.sampler=random",
)
