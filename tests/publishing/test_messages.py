"""What the Hub refuses, said in words that a person can act on."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.forks import strangers

REVIEWS = "text,label\n" + "".join(f"avaliação número {n},{'bom' if n % 2 else 'ruim'}\n" for n in range(20))
WORDS = ["dataset=csv", "dataset.path=reviews.csv", "model=custom", "model.name_or_path=org/gated"]


class Gate(BaseHTTPRequestHandler):
    """The Hub's answer to a stranger who asks for a gated model."""

    def do_GET(self) -> None:
        body = json.dumps({"error": "Access to model org/gated is restricted."}).encode()
        self.send_response(401)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("X-Error-Message", "Access to model org/gated is restricted.")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Silent."""


def test_a_gated_model_without_a_token_says_how_to_get_in(tmp_path):
    (tmp_path / "reviews.csv").write_text(REVIEWS, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))
    }
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "hf")}
    done = strangers().start(*WORDS, cwd=tmp_path, only=environment).ended()
    server.shutdown()
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for part in ("org/gated", "hf auth login"):
        assert part in done.stderr
