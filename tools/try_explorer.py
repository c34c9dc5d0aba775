"""Try what notebooks show in a real browser: JupyterLab in headless Chromium, through selenium.

    pip install 'aecore[notebook]' jupyterlab selenium
    python tools/try_explorer.py [folder for screenshots]

It needs Chromium and its driver (Debian: chromium, chromium-driver). A notebook is run in which a
small VAE is trained, shown and explored. What is asserted: no cell fails, training has a bar, the
model is shown as HTML, and moving a slider or choosing a class changes the picture within 200 ms,
widgets and browser included. Screenshots are of the model in the light and in the dark theme, and
of the explorer.
"""

from __future__ import annotations

import contextlib
import json
import os
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

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CELLS = [
    "import aecore as ae\n"
    "X, y, X_test, y_test = ae.datasets.load_digits()\n"
    "arch = ae.Dense((64,))\n"
    "model = ae.VAE(arch, latent_dim=2, loss='bce', epochs=30, verbose=1, random_state=0).fit(X)",
    "model",
    "ae.plot.explore(model, X_test, y_test)",
    "cvae = ae.CVAE(arch, latent_dim=2, loss='bce', epochs=10, random_state=0).fit(X, y)\n"
    "ae.plot.explore(cvae, X_test, y_test)",
    "ae.VAE(ae.Conv((8, 16)), latent_dim=4)",
    "ae.plot.reconstructions(model, X_test, y_test, error=True)",
]

# Notes when a key goes down or a button is clicked, and when the picture it changes is there.
WATCH = """
const image = arguments[0];
window.started = window.took = null;
const start = () => { window.started = performance.now(); };
document.addEventListener('keydown', start, true);
document.addEventListener('click', start, true);
new MutationObserver(() => {
  image.decode().then(() => {
    if (window.took === null) window.took = performance.now() - window.started; });
}).observe(image, {attributes: true, attributeFilter: ['src']});
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
         "execution_count": None} for i, source in enumerate(CELLS)
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
        found.append(wait("another picture", lambda: driver.execute_script("return window.took")))
        after = driver.execute_async_script(BYTES, image)
        assert after != before, "the picture's bytes are as before"
        assert after.startswith("137,80,78,71"), "the picture is no PNG file"
    return found


def try_explorer(driver, cell, choose):
    """Move the first slider, or choose classes; return the times."""
    # in the order of the panel: the original, what is decoded, the map
    _, decoded, codes = wait("three pictures", lambda: (
        found := cell.find_elements(By.CSS_SELECTOR, "img.widget-image")) and len(found) == 3
        and found)  # fmt: skip
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", decoded)
    if choose:
        buttons = cell.find_elements(By.CSS_SELECTOR, ".widget-toggle-button")
        assert [b.text for b in buttons] == [str(i) for i in range(10)]
        return timed_change(driver, decoded, lambda i: buttons[(3 * i + 1) % 10].click(), 8)
    handle = cell.find_element(By.CSS_SELECTOR, ".noUi-handle")
    before = driver.execute_async_script(BYTES, codes)
    handle.click()
    found = timed_change(driver, decoded, lambda i: handle.send_keys(Keys.ARROW_RIGHT), 20)
    assert driver.execute_async_script(BYTES, codes) != before, "the cross has not moved"
    return found


def run(driver, base, token, out):
    driver.get(f"{base}/lab/tree/try.ipynb?token={token}")
    wait("the notebook", lambda: len(cells(driver)) == len(CELLS))
    wait("the kernel", lambda: driver.execute_script(
        "const k = window.jupyterapp.shell.currentWidget.sessionContext;"
        "return k.isReady && k.session.kernel.status === 'idle'"))  # fmt: skip
    command(driver, "notebook:run-all-cells")
    wait("all cells", lambda: is_done(driver), 120)
    errors = [e.text for e in driver.find_elements(By.CSS_SELECTOR, "[data-mime-type*=error]")]
    assert not errors, errors
    shown = cells(driver)
    bar = wait("the bar", lambda: shown[0].find_element(By.CSS_SELECTOR, ".jp-OutputArea").text)
    assert "epoch 30/30" in " ".join(bar.split()), bar
    assert shown[0].find_elements(By.CSS_SELECTOR, ".widget-inline-hbox, .widget-hprogress"), (
        "the bar of training is no widget"
    )
    model = shown[1].find_element(By.CSS_SELECTOR, ".aecore")
    for fold in model.find_elements(By.TAG_NAME, "details"):
        driver.execute_script("arguments[0].open = true", fold)
    for theme in ("Light", "Dark"):
        command(driver, "apputils:change-theme", {"theme": f"JupyterLab {theme}"})
        wait("the theme", lambda t=theme: driver.execute_script(IS_LIGHT) == (t == "Light"))
        time.sleep(1)
        for name, cell in (("model", shown[1]), ("unfitted", shown[4])):
            picture = cell.find_element(By.CSS_SELECTOR, ".jp-OutputArea")
            driver.execute_script("arguments[0].scrollIntoView()", picture)
            picture.screenshot(str(out / f"{name}-{theme.lower()}.png"))
    command(driver, "apputils:change-theme", {"theme": "JupyterLab Light"})
    for name, cell, choose in (("slider", shown[2], False), ("class", shown[3], True)):
        took = try_explorer(driver, cell, choose)
        cell.screenshot(str(out / f"explore-{name}.png"))
        median = statistics.median(took)
        print(f"{name}: {median:.0f} ms from key or click to picture ({max(took):.0f} at most)")
        assert median < 200
    shown[0].screenshot(str(out / "bar.png"))
    shown[5].screenshot(str(out / "figure.png"))


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
