"""Asks a cloud's metadata address where this machine stands, when the user wants it: the only request we ever make.

The address (169.254.169.254) is link-local and answers only inside a cloud. No proxy, no redirect, a second for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchsuite.errors import DataError, UnavailableError
from benchsuite.machine import place
from benchsuite.machine.place import Place

ADDRESS, PORT = "169.254.169.254", 80
SECONDS = 1.0
LARGEST = 1 << 20
TOKEN_PATH, TOKEN_HEADER = "/latest/api/token", "X-aws-ec2-metadata-token"


@dataclass(frozen=True, slots=True)
class Door:
    """Where one cloud keeps its document: ``path``, and the headers that show that a program of this machine asks."""

    path: str
    headers: Mapping[str, str]


DOORS: Mapping[str, Door] = {
    "AWS": Door("/latest/dynamic/instance-identity/document", {}),
    "Azure": Door("/metadata/instance?api-version=2021-02-01", {"Metadata": "true"}),
    "GCP": Door("/computeMetadata/v1/instance/?recursive=true", {"Metadata-Flavor": "Google"}),
    "OCI": Door("/opc/v2/instance/", {"Authorization": "Bearer Oracle"}),
    "Scaleway": Door("/conf?format=json", {}),
}
"""As the clouds' own documentation and cloud-init's datasources name them."""

Fetch = Callable[[str, str, Mapping[str, str]], bytes | None]


def ask(known: Place, fetch: Fetch | None = None) -> Place:
    """What the metadata address answers; the cloud that the firmware names is asked first.

    Raises ``UnavailableError`` when no cloud answers.
    """
    get = fetch or _fetch
    order = sorted(DOORS, key=lambda name: name != known.provider)
    for provider in order if known.provider not in DOORS else order[:1]:
        data = get("GET", DOORS[provider].path, {**DOORS[provider].headers, **_token(provider, get)})
        if data is None:
            continue
        try:
            return replace(place.from_document(data), source="metadata address").over(known)
        except DataError:
            continue
    remedy = "Give the document by file (--metadata FILE), or say it: --provider and --instance."
    raise UnavailableError(f"No cloud answers at the metadata address {ADDRESS}.", remedy)


def _token(provider: str, get: Fetch) -> Mapping[str, str]:
    """AWS answers version 2 of its protocol only with a token that lives for a minute."""
    if provider != "AWS":
        return {}
    token = get("PUT", TOKEN_PATH, {f"{TOKEN_HEADER}-ttl-seconds": "60"})
    return {TOKEN_HEADER: token.decode("ascii", "replace")} if token else {}


def _fetch(method: str, path: str, headers: Mapping[str, str]) -> bytes | None:
    """The body of a 200 answer, else ``None``."""
    import http.client

    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=SECONDS)
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.read(LARGEST) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
