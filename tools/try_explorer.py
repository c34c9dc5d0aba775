"""Try what notebooks show in a real browser: JupyterLab in headless Chromium, through selenium.

    pip install 'aecore[notebook]' jupyterlab selenium
    python tools/try_explorer.py [folder for screenshots]

It needs Chromium and its driver (Debian: chromium, chromium-driver). A notebook is run in which
small models are trained, shown and explored. What is asserted: no cell fails but the one that is to
fail, whose traceback is short; training has a bar, and a long one has it unasked; the model is
shown as HTML; and moving a slider, choosing a class, or clicking or dragging on the map changes the
picture within 200 ms, widgets and browser included. Screenshots are of models and explorers in the
light and in the dark theme.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from aecore.datasets import FASHION_CLASSES
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CELLS = {
    "bar": "import numpy as np, pandas as pd, aecore as ae\n"
    "X, y, X_test, y_test = ae.datasets.load_fashion_small()\n"
    "names = ae.datasets.FASHION_CLASSES\n"
    "arch = ae.Dense((128,))\n"
    "model = ae.VAE(arch, latent_dim=2, loss='bce', epochs=40, validation_fraction=0.1,\n"
    "               verbose=1, random_state=0).fit(X)",
    "model": "model",
    "explore-plane": "ae.plot.explore(model, X_test, y_test, class_names=names)",
    "explore-classes": "labels = np.array(names)[y]\n"
    "cvae = ae.CVAE(arch, latent_dim=8, loss='bce', epochs=30, random_state=0).fit(X, labels)\n"
    "ae.plot.explore(cvae, X_test, np.array(names)[y_test])",
    "explore-properties": "def measured(X):\n"
    "    ink = X[..., 0] / 255\n"
    "    wide, high = (ink.max(axis) > 0.2 for axis in (1, 2))\n"
    "    return pd.DataFrame({'brightness': ink.mean((1, 2)), 'width': wide.sum(1),\n"
    "                         'height': high.sum(1)})\n"
    "by_size = ae.CVAE(arch, latent_dim=4, loss='bce', epochs=30, random_state=0)\n"
    "by_size.fit(X, measured(X))\n"
    "ae.plot.explore(by_size, X_test, measured(X_test), sliders={0: 'first', 2: 'third'})",
    "explore-lines": "t = np.linspace(0, 6, 60)\n"
    "rng = np.random.default_rng(0)\n"
    "waves = np.sin(t * rng.uniform(1, 3, (400, 1)) + rng.uniform(0, 6, (400, 1)))[..., None]\n"
    "lines = ae.Autoencoder(ae.Dense((64,)), latent_dim=3, epochs=60, random_state=0).fit(waves)\n"
    "ae.plot.explore(lines, waves)",
    "unfitted": "ae.VAE(ae.Conv((8, 16)), latent_dim=4)",
    "detector": "ae.AnomalyDetector(contamination=0.02).fit(rng.normal(size=(300, 6)))",
    "long": "ae.Autoencoder(ae.Dense((512, 512)), 64, epochs=80, random_state=0).fit(X)",
    "error": "ae.VAE(loss='bce').fit(3.0 * X)",
}
FAILS = "error"

# Notes when a key goes down or a button is clicked, and when the picture it changes is there.
WATCH = """
const image = arguments[0];
window.started = window.took = null;
const start = () => { window.started = performance.now(); };
document.addEventListener('keydown', start, true);
document.addEventListener('pointerdown', start, true);
if (window.watching) window.watching.disconnect();
window.watching = new MutationObserver(() => {
  image.decode().then(() => {
    if (window.took === null) window.took = performance.now() - window.started; });
});
window.watching.observe(image, {attributes: true, attributeFilter: ['src']});
"""
ERRORS = """
return window.jupyterapp.shell.currentWidget.content.widgets.map(cell =>
  cell.model.sharedModel.outputs.filter(o => o.output_type === 'error')
    .map(o => o.traceback.join('\\n')).join());
"""
IS_LIGHT = "return document.body.dataset.jpThemeLight === 'true'"
BYTES = """
const [image, done] = arguments;
fetch(image.src).then(r => r.arrayBuffer()).then(b => done(Array.from(new Uint8Array(b)).join()));
"""


def wait(what, condition, seconds=60):
    """Return what a condition gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            if found := condition():
                return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


@contextlib.contextmanager
def jupyter(folder):
    """Start JupyterLab on a folder; yield its address and token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {f"JUPYTER_{kind}_DIR": str(folder / f".{kind}") for kind in ("CONFIG", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
               "--LabApp.expose_app_in_browser=True"]  # fmt: skip
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"), "IPYTHONDIR": str(folder / ".py")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(folder / ".workspaces")}
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
        try:
            base = f"http://127.0.0.1:{port}"
            ready = f"{base}/api/status?token={token}"
            wait("JupyterLab", lambda: urllib.request.urlopen(ready, timeout=1).status == 200)
            yield base, token
        finally:
            server.terminate()
            server.wait(20)


def browser():
    """Start headless Chromium."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1300,2600", "--hide-scrollbars"):  # fmt: skip
        options.add_argument(argument)
    # With its path given, selenium doesn't look for a driver to download.
    driver = shutil.which("chromedriver")
    return webdriver.Chrome(options, webdriver.ChromeService(driver) if driver else None)


def notebook():
    """Return the notebook's text."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "source": source,
         "execution_count": None} for i, source in enumerate(CELLS.values())
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def command(driver, name, arguments=None):
    driver.execute_script("window.jupyterapp.commands.execute(arguments[0], arguments[1] || {})",
                          name, arguments)  # fmt: skip


def cells(driver):
    return driver.find_elements(By.CSS_SELECTOR, ".jp-CodeCell")


def is_done(driver):
    """Whether all cells have been run."""
    prompts = [c.find_element(By.CSS_SELECTOR, ".jp-InputPrompt").text for c in cells(driver)]
    return len(prompts) == len(CELLS) and all(p.strip("[]: ").isdigit() for p in prompts)


def timed_change(driver, image, act, times):
    """Act several times; return how long each took to change the picture, in milliseconds."""
    driver.execute_script(WATCH, image)
    found = []
    for i in range(times):
        before = driver.execute_async_script(BYTES, image)
        driver.execute_script("window.took = null")
        act(i)
        took = wait("another picture", lambda: driver.execute_script("return window.took"))
        after = wait("other bytes", lambda old=before: (
            new := driver.execute_async_script(BYTES, image)) != old and new, 5)  # fmt: skip
        found.append(took)
        assert after.startswith("137,80,78,71"), "the picture is no PNG file"
    return found


def parts_of(cell):
    """Return the map and the picture of what is decoded."""
    codes = wait("the map", lambda: cell.find_element(By.CSS_SELECTOR, ".aecore-map"))
    decoded = wait("the picture", lambda: cell.find_element(By.CSS_SELECTOR, "img.widget-image"))
    return codes, decoded


def cross_of(cell):
    return cell.find_element(By.CSS_SELECTOR, ".aecore-cross").get_attribute("style")


def texts(cell):
    return " ".join(cell.find_element(By.CSS_SELECTOR, ".aecore-explore").text.split())


def move_slider(driver, cell, decoded):
    handle = cell.find_element(By.CSS_SELECTOR, ".noUi-handle")
    handle.click()
    time.sleep(1)  # for what the click itself may change
    return timed_change(driver, decoded, lambda i: handle.send_keys(Keys.ARROW_RIGHT), 20)


def choose_class(driver, cell, decoded):
    buttons = cell.find_elements(By.CSS_SELECTOR, ".widget-toggle-button")
    assert sorted(b.text for b in buttons) == sorted(FASHION_CLASSES)
    return timed_change(driver, decoded, lambda i: buttons[(3 * i + 1) % 10].click(), 8)


def click_map(driver, cell, decoded):
    """Click at places of the map, far apart: another code is decoded, where the cross is then."""
    codes, _ = parts_of(cell)
    places, width, height = [], codes.size["width"], codes.size["height"]

    def act(i):
        across, down = (0.3, 0.55, 0.4, 0.6)[i], (0.3, 0.6, 0.65, 0.4)[i]
        here = ActionChains(driver).move_to_element_with_offset(
            codes, int((across - 0.5) * width), int((down - 0.5) * height))  # fmt: skip
        here.click().perform()
        time.sleep(0.3)
        places.append((across, down, cross_of(cell)))

    found = timed_change(driver, decoded, act, 4)
    assert len({cross for *_, cross in places}) == 4, places
    return found, places


def drag_on_map(driver, cell, decoded):
    """Hold the pointer down and move it: pictures follow."""
    codes, _ = parts_of(cell)
    before = driver.execute_async_script(BYTES, decoded)
    chain = ActionChains(driver, duration=20).move_to_element(codes).click_and_hold()
    for _ in range(12):
        chain.move_by_offset(7, -4)
    chain.release().perform()
    time.sleep(0.5)
    assert driver.execute_async_script(BYTES, decoded) != before, "dragging changes nothing"


def check_explorer(driver, name, cell):
    """Try all ways to move of an explorer; return what each took at the median."""
    codes, decoded = parts_of(cell)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", decoded)
    took = {}
    if name != "explore-lines":  # whose sliders and map are those of the others
        before = cross_of(cell)
        took["slider"] = move_slider(driver, cell, decoded)
        if name != "explore-properties":  # whose first slider is a property's
            assert cross_of(cell) != before, "the cross has not moved"
    if name == "explore-classes":
        took["class"] = choose_class(driver, cell, decoded)
    took["click"], places = click_map(driver, cell, decoded)
    if name == "explore-plane":
        for across, down, cross in places:  # the very place
            left, top = (float(n) for n in re.findall(r"([\d.]+)%", cross))
            assert abs(left - 100 * across) < 1 and abs(top - 100 * down) < 1, (places, cross)
        assert "nearest original" in texts(cell)
    drag_on_map(driver, cell, decoded)
    said = texts(cell)
    assert "decoded" in said and "original" in said or name == "explore-lines", said
    for word in {"explore-properties": ("brightness", "width", "height", "first", "third")}.get(
        name, ()
    ):
        assert word in said, said
    return took


def run(driver, base, token, out):
    driver.get(f"{base}/lab/tree/try.ipynb?token={token}")
    wait("the notebook", lambda: len(cells(driver)) == len(CELLS))
    wait("the kernel", lambda: driver.execute_script(
        "const k = window.jupyterapp.shell.currentWidget.sessionContext;"
        "return k.isReady && k.session.kernel.status === 'idle'"))  # fmt: skip
    command(driver, "notebook:run-all-cells")
    shown = dict(zip(CELLS, cells(driver), strict=True))
    unasked = wait("a bar that nobody asked for", lambda: shown["long"].find_elements(
        By.CSS_SELECTOR, ".widget-inline-hbox, .widget-hprogress"), 200)  # fmt: skip
    shown["long"].screenshot(str(out / "bar-unasked.png"))
    assert unasked
    wait("all cells", lambda: is_done(driver), 200)
    assert not shown["long"].find_elements(By.CSS_SELECTOR, ".widget-hprogress"), "it stays"
    errors = dict(zip(CELLS, driver.execute_script(ERRORS), strict=True))
    text = re.sub("\x1b\\[[0-9;]*m", "", errors.pop(FAILS))
    assert not any(errors.values()), errors
    assert len(re.findall("^(?:File |Cell In)", text, re.MULTILINE)) == 2, text
    shown[FAILS].screenshot(str(out / "error.png"))
    bar = wait("the bar", lambda: shown["bar"].find_element(By.CSS_SELECTOR, ".jp-OutputArea").text)
    assert "epoch 40/40" in " ".join(bar.split()), bar
    assert shown["bar"].find_elements(By.CSS_SELECTOR, ".widget-inline-hbox, .widget-hprogress"), (
        "the bar of training is no widget"
    )
    shown["bar"].screenshot(str(out / "bar.png"))
    model = shown["model"].find_element(By.CSS_SELECTOR, ".aecore")
    for fold in model.find_elements(By.TAG_NAME, "details"):
        driver.execute_script("arguments[0].open = true", fold)
    for name, cell in shown.items():
        if name.startswith("explore"):
            for what, took in check_explorer(driver, name, cell).items():
                median = statistics.median(took)
                print(f"{name}: {what}: {median:.0f} ms to the picture ({max(took):.0f} at most)")
                assert median < 200
    for theme in ("Light", "Dark"):
        command(driver, "apputils:change-theme", {"theme": f"JupyterLab {theme}"})
        wait("the theme", lambda t=theme: driver.execute_script(IS_LIGHT) == (t == "Light"))
        time.sleep(1)
        for name, cell in shown.items():
            if name not in ("bar", "long", "error"):
                picture = cell.find_element(By.CSS_SELECTOR, ".jp-OutputArea")
                driver.execute_script("arguments[0].scrollIntoView()", picture)
                time.sleep(0.2)
                picture.screenshot(str(out / f"{name}-{theme.lower()}.png"))


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "try.ipynb").write_text(notebook())
        settings = folder / ".settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
        with jupyter(folder) as (base, token), contextlib.ExitStack() as stack:
            driver = browser()
            stack.callback(driver.quit)
            try:
                run(driver, base, token, out)
            except BaseException:
                driver.save_screenshot(str(out / "failed.png"))
                (out / "server.log").write_text((folder / "server.log").read_text())
                raise
    print(f"screenshots are in {out}")


if __name__ == "__main__":
    main()
