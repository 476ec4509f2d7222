"""The key-encryption key in the real Secret Service: gnome-keyring on a session bus of its own, unlocked and locked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PATIENCE = 90

SESSION = """
import asyncio, json, os, subprocess, sys, time
import secretstorage
from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.keydesk import create, rotate
from apiloom.app.gateway.place import read_place
from apiloom.base.errors import ApiloomError
from apiloom.console.house import KeyAsk
from apiloom.vault.keyrings import read_entry, write_entry

folder, told = sys.argv[1], {}
around = {"APILOOM_KEY": "keyring:apiloom/main"}
place = read_place(folder + "/house", around)


async def opened():
    grounds = await open_grounds(place, environment=around)
    try:
        return grounds.custody.fingerprint
    finally:
        await grounds.close()


def refusal(work):
    try:
        work()
    except ApiloomError as error:
        return [error.code, error.sentence()]
    return ["nothing", ""]


def daemon(*words, password):
    running = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--components=secrets", *words],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    if password is not None:
        running.stdin.write(password)
    running.stdin.close()
    end = time.monotonic() + 20
    while not named() and time.monotonic() < end:
        time.sleep(0.05)
    return running


def owned():
    # asked of the bus alone: to ask the service itself would start one
    asked = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus",
             "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]
    return b"true" in subprocess.run(asked, capture_output=True).stdout


def named():
    if not owned():
        return False
    try:
        return bool(secretstorage.Collection(secretstorage.dbus_init()).collection_path)
    except secretstorage.exceptions.SecretStorageException:
        return False


def stop(running):
    running.terminate()
    running.wait(20)
    end = time.monotonic() + 20
    while owned() and time.monotonic() < end:
        time.sleep(0.05)


bus = os.environ["DBUS_SESSION_BUS_ADDRESS"]
os.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + folder + "/nowhere"
told["none"] = refusal(lambda: asyncio.run(create(place)))
os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus
running = daemon("--unlock", password=b"a password")
try:
    told["made"] = dict(asyncio.run(create(place)))
    told["opened"] = asyncio.run(opened())
    told["rotated"] = asyncio.run(rotate(place, KeyAsk(word="rotate"), lambda _: None))["now"]
    told["again"] = asyncio.run(opened())
    write_entry("shop", "main", read_entry("apiloom", "main"))
    told["entries"] = len(read_entry("shop", "main").reveal().split())
    told["missing"] = read_entry("shop", "nobody") is None
finally:
    stop(running)
running = daemon(password=None)
try:
    told["locked"] = refusal(lambda: asyncio.run(opened()))
finally:
    stop(running)
print(json.dumps(told))
"""


def test_the_secret_service_keeps_the_key_and_a_locked_one_is_refused_without_asking(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    around = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    done = subprocess.run(
        ["dbus-run-session", "--", sys.executable, "-c", SESSION, str(tmp_path)],
        env=around,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["none"][0] == "keyring.unusable"
    assert told["made"]["fingerprint"] == told["opened"]
    assert told["again"] == told["rotated"] != told["opened"]
    assert told["entries"] == 2
    assert told["missing"]
    code, sentence = told["locked"]
    assert code == "keyring.unusable"
    assert "locked" in sentence
    assert "a password" not in done.stdout + done.stderr
