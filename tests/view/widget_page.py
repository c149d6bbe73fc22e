"""A widget's front end in a real browser, with a model that stands in for the notebook's.

`page_of` makes a page from a widget's own state; `opened` opens it, runs a script in it, and
gives what the script returned. The script sees ``model``, ``el``, and ``sent`` (what was sent to Python).
"""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from requiring import cannot

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>widget</title>
<style>{theme}</style><style>{css}</style></head>
<body {body}><div id="root"></div>
<script type="application/json" id="given">{given}</script>
<script type="module">
{esm}
</script>
<script type="module">
const given = JSON.parse(document.getElementById("given").textContent);
const bytes = (text) => {{
  const raw = atob(text);
  // Bytes of a message begin anywhere: so do these.
  const held = new Uint8Array(raw.length + 3);
  for (let i = 0; i < raw.length; i++) held[i + 3] = raw.charCodeAt(i);
  return new DataView(held.buffer, 3);
}};
const state = {{ ...given.state }};
for (const name of given.binary) state[name] = bytes(state[name]);
const listeners = new Map();
const sent = [];
let held = {{}};
const model = {{
  get: (name) => state[name],
  set(name, value) {{ state[name] = value; held[name] = value; }},
  save_changes() {{ if (Object.keys(held).length) sent.push({{ set: held }}); held = {{}}; }},
  send(content) {{ sent.push(content); }},
  on(name, act) {{ listeners.set(name, [...(listeners.get(name) ?? []), act]); }},
  off(name, act) {{ listeners.set(name, (listeners.get(name) ?? []).filter((other) => other !== act)); }},
}};
// What Python does: all traits of a message first, then their listeners.
const arrive = (traits) => {{
  Object.assign(state, traits);
  for (const name of Object.keys(traits)) for (const act of listeners.get(`change:${{name}}`) ?? []) act();
}};
const listening = () => [...listeners.values()].flat().length;
const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const el = document.getElementById("root");
const answer = (told) => fetch("/answer", {{ method: "POST", body: JSON.stringify(told) }});
try {{
  const found = globalThis.frontEnd;
  const widget = typeof found === "function" ? await found() : found;
  await widget.initialize?.({{ model }});
  let end = await widget.render({{ model, el }});
  await drawn();
  const result = await (async () => {{ {script} }})();
  await answer({{ result: result ?? null }});
}} catch (problem) {{
  await answer({{ problem: String(problem.stack ?? problem) }});
}}
</script></body></html>
"""

#: What JupyterLab's themes say, as much of it as the style sheets ask for.
LIGHT = """:root { --jp-layout-color0: #fff; --jp-layout-color1: #fff; --jp-layout-color2: #eee;
--jp-layout-color3: #bdbdbd;
--jp-ui-font-color1: rgba(0,0,0,.87); --jp-ui-font-color2: rgba(0,0,0,.54); --jp-border-color1: #bdbdbd;
--jp-border-color2: #e0e0e0; --jp-brand-color1: #1976d2; --jp-success-color1: #388e3c; --jp-error-color1: #d32f2f; }
body { background: #fff; }"""
DARK = """:root { --jp-layout-color0: #111; --jp-layout-color1: #212121; --jp-layout-color2: #424242;
--jp-layout-color3: #616161;
--jp-ui-font-color1: #fff; --jp-ui-font-color2: rgba(255,255,255,.7); --jp-border-color1: #616161;
--jp-border-color2: #424242; --jp-brand-color1: #64b5f6; --jp-success-color1: #388e3c; --jp-error-color1: #d32f2f; }
body { background: #111; }"""


def page_of(widget, script="", *, dark=False, more=None):
    """A page with *widget*, and *script* in it; *more* is given to the script."""
    state = {name: value for name, value in widget.get_state().items() if not name.startswith("_")}
    state = {name: value for name, value in state.items() if name not in ("layout", "tooltip", "tabbable")}
    binary = [name for name, value in state.items() if isinstance(value, bytes | memoryview)]
    for name in binary:
        state[name] = base64.b64encode(bytes(state[name])).decode()
    given = {"state": state, "binary": binary, "more": more}
    esm = str(widget._esm).replace("export default ", "globalThis.frontEnd = ")
    assert esm.count("globalThis.frontEnd = ") == 1
    assert "</" not in esm
    text = json.dumps(given).replace("<", "\\u003c")
    body = f'data-jp-theme-light="{"false" if dark else "true"}"'
    return _PAGE.format(theme=DARK if dark else LIGHT, css=widget._css, body=body, esm=esm, given=text, script=script)


def browser():
    """Where Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((where for name in names if (where := shutil.which(name))), None)
    if found is None:
        cannot("no Chromium is installed")
    return found


@contextlib.contextmanager
def served(page):
    """An address where *page* is, and a queue of the answers that it sends."""
    answers = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            if self.path == "/":
                self.wfile.write(page.encode())

        def do_POST(self):
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", answers
        finally:
            server.shutdown()
            thread.join()


def opened(folder, widget, script, *, more=None, dark=False, seconds=120.0):
    """What *script* returns in a page with *widget*."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
               "--disable-background-networking", "--window-size=1000,900", "--remote-debugging-port=0",
               f"--user-data-dir={folder / 'profile'}"]  # fmt: skip
    said = folder / "chromium.log"
    with served(page_of(widget, script, dark=dark, more=more)) as (address, answers), said.open("w") as log:
        runs = subprocess.Popen([browser(), *options, address], stdout=log, stderr=log)
        try:
            answer = _answer(runs, answers, time.monotonic() + seconds)
        finally:
            runs.terminate()
            runs.wait(30)
    if answer is None:
        cannot(f"Chromium does not run here: {said.read_text()[-500:]}")
    assert "problem" not in answer, answer["problem"]
    return answer["result"]


def _answer(runs, answers, end):
    """The first answer; None if the browser died before it gave one."""
    while True:
        assert time.monotonic() < end, "the page never answered"
        try:
            return answers.get(timeout=0.1)
        except queue.Empty:
            if runs.poll() is not None and answers.empty():
                return None
