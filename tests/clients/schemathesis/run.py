"""Made-up requests for every operation that the server's own OpenAPI v3 documents name, with schemathesis.

Each answer must be a declared one: no 500, no other code, type or shape, and in time. What the documents leave to the
reader, as upstream's do, is added first: that a refusal is a Status. Requests that never end by design are left out.
"""

import base64
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

import yaml

CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
])
EXAMPLES = 3
"""Requests for each operation."""

SECONDS = 400
"""For all documents together. Those that are left when time is up are told, and not tested."""

PATIENCE = 120
"""Seconds for a document that is under way when time is up."""

REFUSALS = ["400", "403", "404", "405", "406", "409", "410", "413", "415", "422", "429", "504"]
STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"

ENDLESS = ("/watch/", "/proxy", "/exec", "/attach", "/portforward", "/log")
"""Parts of paths whose answers are streams, or somebody else's."""

NAMES = ["a", "b", "default", "kubernetes", "node-1"]
"""So few, that what one request makes another one finds."""


def settings(folder):
    """The server's address, and its certificates as files, out of the kubeconfig."""
    config = yaml.safe_load(pathlib.Path(os.environ["KUBECONFIG"]).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    held = {
        "ca": cluster["certificate-authority-data"],
        "cert": user["client-certificate-data"],
        "key": user["client-key-data"],
    }
    for name, data in held.items():
        (folder / name).write_bytes(base64.b64decode(data))
    return cluster["server"]


def waiting():
    """Parts of messages that are known, with what they wait for: `schemathesis PART: REASON`."""
    lines = pathlib.Path(os.environ["WAITING"]).read_text().splitlines()
    mine = [line.removeprefix("schemathesis ") for line in lines if line.startswith("schemathesis ")]
    return dict(line.split(": ", 1) for line in mine)


def get(server, folder, path):
    context = ssl.create_default_context(cafile=folder / "ca")
    context.load_cert_chain(folder / "cert", folder / "key")
    with urllib.request.urlopen(server + path, context=context, timeout=30) as answer:
        return json.load(answer)


def complete(document):
    """The document with what all clients know besides."""
    schemas = document["components"]["schemas"]
    refusal = {"description": "refused", "content": {"application/json": {"schema": {}}}}
    if STATUS in schemas:
        refusal["content"]["application/json"]["schema"] = {"$ref": f"#/components/schemas/{STATUS}"}
    for name in ("io.k8s.api.core.v1.Event", "io.k8s.api.events.v1.Event"):
        if event := schemas.get(name):
            # Events of the older form have no such time; upstream answers with null where its document wants a time.
            event["required"] = [field for field in event.get("required", []) if field != "eventTime"]
            event["properties"]["eventTime"] = {"type": "string", "nullable": True}
    for path in list(document["paths"]):
        if any(part in path for part in ENDLESS):
            del document["paths"][path]
            continue
        item = document["paths"][path]
        item["parameters"] = tame(item.get("parameters", []))
        for operation in item.values():
            if isinstance(operation, dict):
                operation["parameters"] = tame(operation.get("parameters", []))
                operation["responses"] |= {code: refusal for code in REFUSALS}
    return document


def tame(parameters):
    """A watch would not end, and a name that is always another finds nothing."""
    for parameter in parameters:
        if parameter["name"] in ("name", "namespace"):
            parameter["schema"] = {"type": "string", "enum": NAMES}
        elif parameter["name"] in ("timeoutSeconds", "gracePeriodSeconds"):
            parameter["schema"] = {"type": "integer", "minimum": 0, "maximum": 2}
    return [parameter for parameter in parameters if parameter["name"] not in ("watch", "follow")]


def test(server, folder, name, document, seconds):
    """Whether schemathesis found nothing, with what it said."""
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", server, "--tls-verify", str(folder / "ca"),
        "--request-cert", str(folder / "cert"), "--request-cert-key", str(folder / "key"), "--checks", CHECKS,
        "--phases", "fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1", "--no-shrink", "--workers", "2",
        "--request-timeout", "10", "--max-response-time", "10", "--suppress-health-check", "all", "--mode", "all",
        "--continue-on-failure", "--no-color", "--warnings", "off",
    ]
    started = time.monotonic()
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        return False, f"{name}: not done in time"
    return done.returncode == 0, f"{name}: {time.monotonic() - started:.0f} s\n{done.stdout}{done.stderr}"


def is_known(said, parts):
    """Whether nothing is wrong but what is known, and what schemathesis stumbled over by itself."""
    if "= FAILURES =" in said or "= ERRORS =" not in said:
        return False
    errors = re.split(r"^_{3,} .* _{3,}$", said.split("= SUMMARY =")[0], flags=re.MULTILINE)[1:]
    return all("Runtime Error" in error or any(part in error for part in parts) for error in errors)


def main(folder):
    server = settings(folder)
    end = time.monotonic() + SECONDS
    wanted, listed = sys.argv[1:], waiting()
    wrong, all_said = [], ""
    for name, place in sorted(get(server, folder, "/openapi/v3")["paths"].items()):
        if wanted and name not in wanted:
            continue
        document = complete(get(server, folder, place["serverRelativeURL"]))
        if not document["paths"]:
            continue
        if time.monotonic() > end:
            print(f"{name}: left out, since time is up")
            continue
        good, said = test(server, folder, name, document, end - time.monotonic())
        all_said += said
        good = good or is_known(said, listed)
        print(said.splitlines()[0], "well" if good else "wrong", flush=True)
        if not good:
            wrong.append(said)
    unseen = [] if wanted else [part for part in listed if part not in all_said]
    wrong += [f"`{part}` is not seen any more, though it waits for: {listed[part]}" for part in unseen]
    print("\n\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="skiff-schemathesis-") as place_of_files:
        sys.exit(main(pathlib.Path(place_of_files)))
