"""A backend whose users upload and download files, without a byte of them passing through it.

Upload: the page asks this backend, which records the upload and signs a URL. The page sends the file to the storage
service, which reports it here by webhook, and the page learns of it by server-sent events. Download: this backend
decides who may, and redirects to a signed URL.
"""

import json
import os
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import httpx
from flask import Flask, Response, abort, g, redirect, render_template, request, session
from standardwebhooks import Webhook, WebhookVerificationError

BUCKET = "uploads"
DATABASE = os.environ.get("DATABASE", "backend.sqlite3")
PING_SECONDS = 15

app = Flask(__name__)
app.secret_key = os.environ["SESSION_KEY"]
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
storage = httpx.Client(
    base_url=os.environ.get("STORAGE_URL", "http://127.0.0.1:8001"), headers={"X-API-Key": os.environ["SERVICE_KEY"]}
)
# The open pages of each user. They are in memory, so this backend is one process with many threads; with several,
# PostgreSQL's NOTIFY or Redis would tell the others.
pages: defaultdict[str, set[SimpleQueue[str]]] = defaultdict(set)


@app.get("/")
def page() -> str:
    return render_template("page.html", user=session.get("user"))


@app.post("/login")
def login() -> Response:
    """Believe any name. Yours checks a password."""
    session["user"] = request.form["user"]
    return redirect("/")  # type: ignore[return-value]


@app.post("/uploads")
def begin_upload() -> dict[str, str]:
    """Record an upload, and return the URL to send the file to."""
    user, upload, filename = current_user(), uuid.uuid4().hex, request.json["filename"]
    file_id = f"{user}/{upload}"
    database().execute("INSERT INTO uploads (id, user, filename) VALUES (?, ?, ?)", (upload, user, filename))
    signed = ask_storage(
        "/files/initiate-upload",
        {"bucket_id": BUCKET, "file_id": file_id, "filename": filename, "notify": upload, "expires_in": 600},
    )
    return {"id": upload, "upload_url": signed["upload_url"]}


@app.post("/webhook")
def receive_event() -> tuple[str, int]:
    """Take an event of the storage service. The same one may come again, and an older one after a newer one."""
    try:
        event = webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        abort(401)
    upload = event["data"].get("notify")
    if event["type"] in ("file.created", "file.replaced") and upload is not None:
        newer = database().execute(
            "UPDATE uploads SET size = ?, sequence = ? WHERE id = ? AND sequence < ? RETURNING user",
            (event["data"]["size"], event["sequence"], upload, event["sequence"]),
        )
        for row in newer.fetchall():
            tell(row["user"], {"id": upload, "size": event["data"]["size"]})
    return "", 204


@app.get("/events")
def events() -> Response:
    """Tell the page of each finished upload, for as long as it listens."""
    user, queue = current_user(), SimpleQueue[str]()
    pages[user].add(queue)

    def stream() -> Iterator[str]:
        try:
            yield ": connected\n\n"
            while True:
                try:
                    yield f"data: {queue.get(timeout=PING_SECONDS)}\n\n"
                except Empty:
                    yield ": still here\n\n"  # notices a page that is gone
        finally:
            pages[user].discard(queue)

    return Response(stream(), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@app.get("/uploads/<upload>")
def download(upload: str) -> Response:
    """Redirect to the file, if it belongs to this user."""
    user = current_user()
    row = database().execute("SELECT * FROM uploads WHERE id = ? AND user = ?", (upload, user)).fetchone()
    if row is None or row["size"] is None:
        abort(404)
    signed = ask_storage(
        "/files/initiate-download", {"bucket_id": BUCKET, "file_id": f"{user}/{upload}", "expires_in": 60}
    )
    return redirect(signed["download_url"])  # type: ignore[return-value]


def current_user() -> str:
    user: str = session.get("user") or abort(401)
    return user


def database() -> sqlite3.Connection:
    """Return the connection of this request."""
    if "database" not in g:
        g.database = sqlite3.connect(DATABASE, isolation_level=None)
        g.database.row_factory = sqlite3.Row
        g.database.execute(
            "CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, user TEXT NOT NULL, filename TEXT NOT NULL,"
            " size INTEGER, sequence INTEGER NOT NULL DEFAULT -1)"
        )
    return g.database  # type: ignore[no-any-return]


@app.teardown_appcontext
def close_database(_: object) -> None:
    if "database" in g:
        g.database.close()


def ask_storage(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call the storage service. Its refusals have a `detail` that may be shown to users."""
    answer = storage.post(path, json=body)
    if answer.status_code == 404 and answer.json()["code"] == "bucket_not_found":
        storage.post("/buckets", json={"name": BUCKET})
        answer = storage.post(path, json=body)
    if answer.is_error:
        abort(Response(answer.json()["detail"], 502))
    return answer.json()  # type: ignore[no-any-return]


def tell(user: str, message: dict[str, Any]) -> None:
    for queue in list(pages[user]):
        queue.put(json.dumps(message))
