# SPDX-License-Identifier: Apache-2.0
"""Those who get the messages: Slack's side of an incoming webhook, a mail server, a language model."""

import email
import email.policy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

# https://api.slack.com/reference/messaging/attachments, .../block-kit, .../rate-limits
SLACK_TEXT, SLACK_TEXT_SHOWN, SLACK_ATTACHMENTS, SLACK_BLOCKS, SLACK_BUTTONS = 40_000, 4_000, 20, 50, 5
SLACK_KEYS = {"channel", "username", "text", "attachments", "blocks", "icon_emoji", "icon_url", "link_names", "mrkdwn",
              "thread_ts", "unfurl_links", "unfurl_media"}


def slack_faults(message):
    """What Slack would answer 400 to, or cut off."""
    faults = [f"unknown key {key}" for key in set(message) - SLACK_KEYS]
    attachments = message.get("attachments", [])
    if not (message.get("text") or attachments or message.get("blocks")):
        faults.append("no_text")
    if len(message.get("text") or "") > SLACK_TEXT:
        faults.append("msg_too_long")
    if len(attachments) > SLACK_ATTACHMENTS:
        faults.append("too_many_attachments")
    if len(message.get("blocks", [])) > SLACK_BLOCKS:
        faults.append("invalid_blocks")
    for a in attachments:
        if not (a.get("text") or a.get("fallback")):
            faults.append("an attachment with neither text nor fallback")
        if len(a.get("text", "")) > SLACK_TEXT_SHOWN or len(a.get("title", "")) > 300:
            faults.append("text that is cut off")
        if len(a.get("actions") or []) > SLACK_BUTTONS:
            faults.append("too many buttons")
        for action in a.get("actions") or []:
            if action.get("type") != "button" or not action.get("text") or not action.get("url", "").startswith("http"):
                faults.append(f"a button that leads nowhere: {action}")
        if any(not f.get("title") and not f.get("value") for f in a.get("fields") or []):
            faults.append("an empty field")
    return faults


class _Web:
    """An HTTP server on a free port; answer(path, decoded body) gives (status, text)."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, text = answer(self.path, json.loads(body))
                raw = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Slack(_Web):
    """Keeps what Slack would take; refuses, as Slack does, what it would not."""

    def __init__(self):
        self.messages, self.refused = [], []
        super().__init__(self.take)

    def take(self, _path, message):
        faults = slack_faults(message)
        if faults:
            self.refused.append((faults, message))
            return 400, faults[0]
        self.messages.append(message["attachments"][0])
        return 200, "ok"


class Hooks(_Web):
    """A receiver of evalX' webhooks that refuses those to /bad."""

    def __init__(self):
        super().__init__(lambda path, _body: (500, "no") if path == "/bad" else (200, "ok"))


class Model(_Web):
    """A language model that always says the same."""

    def __init__(self):
        answer = {"choices": [{"message": {"role": "assistant", "content": "Look at line 1."}}]}
        super().__init__(lambda _path, _body: (200, json.dumps(answer)))


class Mail:
    """An SMTP server; messages are email.message.EmailMessage."""

    def __init__(self):
        self.messages = []
        self.controller = None

    async def handle_DATA(self, _server, _session, envelope):
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"

    def start(self, port):
        self.controller = Controller(self, hostname="127.0.0.1", port=port)
        self.controller.start()

    def stop(self):
        self.controller.stop()
