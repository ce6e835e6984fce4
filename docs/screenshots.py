"""The pictures in the README, taken anew from what runs have left: report, data page, MLflow UI, Optuna dashboard.

    make ladder && make look && make sweep
    python docs/screenshots.py --runs runs

The newest of each is shown. The two servers are started on free ports, and end with the script; every picture is taken
once what it is about is there to be seen. Needs Chromium (apt-get install chromium). Half a minute.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
WIDTH, WIDE, HEIGHT, LOW = 820, 980, 860, 620  # a README shows them half as wide: letters must stay legible
SHARPNESS = 1.5
MOST_BYTES = 200_000
PATIENCE = 300_000  # milliseconds, for a machine with other work to do
ASSISTANT = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"  # once opened by itself, it stays closed
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Take all four, or say in a sentence what is missing."""
    options = _options()
    study, look, sweep = options.study, options.look, options.sweep
    report = (study or _newest(options.runs, "studies/*/*/verdict.json", "make ladder").parent) / "report.html"
    data = (look or _newest(options.runs, "studies/*/*/data.html", "make look").parent) / "data.html"
    trials = sweep or _newest(options.runs, "optuna/*.log", "make sweep")
    store = _newest(options.runs, "mlflow.db", "make ladder")
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        _serving("mlflow", "ui", "--backend-store-uri", f"sqlite:///{store.resolve()}", "--workers", "1") as mlflow,
        _serving("optuna-dashboard", str(trials.resolve())) as dashboard,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", device_scale_factor=SHARPNESS
        )
        page.set_default_timeout(PATIENCE)
        page.add_init_script(f"localStorage.setItem('{ASSISTANT}', 'true')")
        for name, width, height, show in (
            ("report", WIDTH, HEIGHT, lambda: page.goto(report.resolve().as_uri())),
            ("data", WIDE, HEIGHT * WIDE // WIDTH, lambda: page.goto(data.resolve().as_uri())),
            ("mlflow", WIDTH, LOW, lambda: _show_mlflow(page, mlflow, store, report.parent)),
            ("optuna", WIDTH, LOW, lambda: _show_dashboard(page, dashboard)),
        ):
            page.set_viewport_size({"width": width, "height": height})
            show()
            _settle(page)
            kept = _keep(page.screenshot(), options.out / f"{name}.png")
            print(f"{kept}: {kept.stat().st_size / 1000:.0f} kB")
        browser.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs", help="a runs_dir")
    parser.add_argument("--study", type=Path, help="a folder with report.html, in place of the newest")
    parser.add_argument("--look", type=Path, help="a folder with data.html, in place of the newest")
    parser.add_argument("--sweep", type=Path, help="a storage of Optuna, in place of the newest")
    parser.add_argument("--out", type=Path, default=HERE / "screenshots")
    return parser.parse_args()


def _newest(runs: Path, pattern: str, command: str) -> Path:
    found = sorted(runs.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit(f"{runs} has no {pattern}: run {command} first, or name another folder with --runs.")
    return found[-1]


def _chromium() -> str:
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    return path or sys.exit("No Chromium is installed: apt-get install chromium.")


@contextmanager
def _serving(program: str, *arguments: str) -> Iterator[str]:
    """A server on a free port, once it answers; its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [str(Path(sys.executable).parent / program), *arguments, "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(command, env=environment, start_new_session=True, **quiet)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE / 1000
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{' '.join(command)} does not answer.")
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it serves pictures alone: there is nothing to be put in order
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def _show_mlflow(page: Page, address: str, store: Path, study: Path) -> None:
    """Both losses of a fit: of the rung at which overfitting begins, or of the recommended one."""
    experiment, run = _telling_fit(store, study)
    page.goto(f"{address}/#/experiments/{experiment}/runs/{run}/model-metrics?workflowType=machine_learning")
    page.locator("[data-component-id$='toggle_sidebar_button']").click()
    page.get_by_placeholder("Search metric charts").fill("loss/(train|val)$")
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length == 2")
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length >= 2")


def _telling_fit(store: Path, study: Path) -> tuple[str, str]:
    import json

    from mlflow import MlflowClient

    verdict = json.loads((study / "verdict.json").read_text())
    rung = verdict["begins_to_overfit"]["trained_to_the_end"]["rung"] or verdict["recommended"]["rung"]
    client = MlflowClient(tracking_uri=f"sqlite:///{store.resolve()}")
    experiment = client.get_experiment_by_name(study.parent.name)
    if experiment is None:
        sys.exit(f"{store} has no experiment {study.parent.name}; name the study's folder with --study.")
    wanted = f"tags.level = 'fit' and tags.rung = '{rung}'"
    runs = client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])
    overfit = [run for run in runs if run.data.tags.get("status") == "overfit"] or runs
    return experiment.experiment_id, overfit[0].info.run_id


def _show_dashboard(page: Page, address: str) -> None:
    """The study's own page, where its frontier is drawn."""
    page.goto(f"{address}/dashboard/studies/0")
    plot = page.locator('[id="user-defined-plot:frontier"]')
    plot.locator(".heatmaplayer image").wait_for(state="attached")
    plot.evaluate("(one) => scrollTo(0, one.getBoundingClientRect().top + scrollY - 120)")  # below the page's bar


def _settle(page: Page) -> None:
    """Wait until fonts are there and two looks at the page are alike."""
    page.evaluate("document.fonts.ready")
    before, deadline = page.screenshot(), time.monotonic() + 30
    while time.monotonic() < deadline:
        page.wait_for_timeout(500)
        after = page.screenshot()
        if after == before:
            return
        before = after


def _keep(shot: bytes, path: Path) -> Path:
    """Write a picture with as many colours as `MOST_BYTES` have room for."""
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    for colours in (256, 128, 64, 32, 16):
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    return path


if __name__ == "__main__":
    main()
