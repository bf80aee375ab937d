"""Evidence from end to end: what is fetched beside an artifact, what is checked, recorded, shown and refused."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Desk
from tests.support.keys import MinisignKey, OpenPgpKey, real_bundles
from tests.support.origin import Response
from tests.support.world import World

SOURCE = "3.13.15/Python-3.13.15.tar.xz"
NAME = "python-3.13.x-source-release-xz"
TOOL = b"the tool, version one\n" * 100
OTHER = b"the tool, version two\n" * 100


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def selector(desk: Desk, **more: Any) -> None:
    one = {"selector": "python:3.13.*", **more.pop("resource", {})}
    desk.manifest(json.dumps({"version": 1, "resources": [one], **more}))


def tool(desk: Desk, world: World, *, evidence: Any = None, **more: Any) -> None:
    """A manifest with one file and what has to vouch for it."""
    one = {"name": "tool", "url": f"{world.url}/dl/tool.tar.gz", **more.pop("resource", {})}
    if evidence is not None:
        one["evidence"] = evidence
    desk.manifest(json.dumps({"version": 1, "resources": [one], **more}))


def configuration(desk: Desk, **settings: Any) -> dict[str, str]:
    """The variables by which a command takes these settings from the user's file."""
    path = desk.home / "config.yaml"
    path.write_text(json.dumps(settings))
    return {"DLM_CONFIG_FILE": str(path), "DLM_NO_CONFIG": ""}


def without(desk: Desk, *modules: str) -> dict[str, str]:
    """The variables by which a command finds none of some libraries."""
    folder = desk.home / "without"
    folder.mkdir(exist_ok=True)
    lines = ["import sys", *(f"sys.modules[{module!r}] = None" for module in modules)]
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return {"PYTHONPATH": str(folder)}


def pieces(desk: Desk, name: str = "tool") -> list[dict[str, str]]:
    found: list[dict[str, str]] = desk.entry(name)["artifacts"][0].get("evidence", [])
    return found


@pytest.fixture
def served(world: World) -> World:
    """An origin with the tool."""
    world.file("/dl/tool.tar.gz", TOOL)
    return world


def test_checksums(served: World, desk: Desk) -> None:
    sums = served.file("/dl/SHA256SUMS", f"{sha256(b'x')}  other\n{sha256(TOOL)}  tool.tar.gz\n".encode())
    tool(desk, served, evidence={"checksums": sums})
    assert "+ tool  tool.tar.gz  [checksums]" in desk.dlm("lock").ok().err
    assert pieces(desk) == [{"kind": "checksums", "source": sums}]
    assert desk.entry("tool")["request"]["evidence"] == {"checksums": sums}
    asked = served.count
    desk.dlm("lock").ok()
    assert served.count == asked, "what is locked is not looked at again"
    desk.dlm("sync", "--frozen").ok()
    assert (desk.root / "tool.tar.gz").read_bytes() == TOOL
    assert "checksums" in desk.dlm("list").ok().out
    shown = desk.dlm("show", "tool").ok().out
    assert "    evidence: checksums\n      checksums (https://origin/dl/SHA256SUMS)\n" in shown
    artifact = desk.dlm("show", "tool", "--format", "json").ok().document["result"]["artifacts"][0]
    assert artifact["step"] == "checksums"


@pytest.mark.parametrize("name", ["SHA512SUMS", "sums-{version}.txt"])
def test_checksums_of_other_algorithms_and_names(served: World, desk: Desk, name: str) -> None:
    digest = hashlib.sha512(TOOL).hexdigest()
    served.file(f"/dl/{name.format(version='1.4')}", f"SHA512 (tool.tar.gz) = {digest}\n".encode())
    tool(desk, served, evidence={"checksums": f"{served.url}/dl/{name}"}, resource={"version": "1.4"})
    desk.dlm("lock").ok()
    assert [one["kind"] for one in pieces(desk)] == ["checksums"]


def test_checksums_that_list_other_bytes(served: World, desk: Desk) -> None:
    sums = served.file("/dl/SHA256SUMS", f"{sha256(OTHER)}  tool.tar.gz\n".encode())
    tool(desk, served, evidence={"checksums": sums})
    ran = desk.dlm("sync")
    assert ran.code == 4
    assert "error: tool: https://origin/dl/SHA256SUMS lists another sha256 for tool.tar.gz" in ran.err
    assert "hint: do not use this file" in ran.err
    assert desk.tree() == {}
    assert not desk.lockfile.exists()


def test_evidence_that_is_not_there(served: World, desk: Desk) -> None:
    tool(desk, served, evidence={"minisign": MinisignKey().public})
    ran = desk.dlm("lock")
    assert ran.code == 4
    assert "tool: the minisign evidence of tool.tar.gz is not there: https://origin/dl/tool.tar.gz.minisig" in ran.err
    assert not desk.lockfile.exists()


def test_evidence_that_cannot_be_had_now(served: World, desk: Desk) -> None:
    served.route("/dl/tool.tar.gz.minisig", Response(500))
    tool(desk, served, evidence={"minisign": MinisignKey().public})
    ran = desk.dlm("lock", "--retries", "0")
    assert ran.code == 1
    assert "tool.tar.gz.minisig" in ran.err


def test_a_sidecar_that_is_too_large(served: World, desk: Desk) -> None:
    served.file("/dl/tool.tar.gz.minisig", b"x" * 20_000)
    tool(desk, served, evidence={"minisign": MinisignKey().public})
    ran = desk.dlm("lock")
    assert ran.code == 6
    assert "the limit for such a file" in ran.err


def test_minisign(served: World, desk: Desk) -> None:
    key = MinisignKey()
    served.file("/dl/tool.tar.gz.minisig", key.sign(TOOL))
    tool(desk, served, evidence={"minisign": key.public})
    desk.dlm("sync").ok()
    assert pieces(desk) == [{"kind": "minisign", "key": key.public}]
    other = MinisignKey(b"\2" * 32, b"8" * 8)
    tool(desk, served, evidence={"minisign": other.public})
    ran = desk.dlm("lock")
    assert ran.code == 4
    assert "is signed by the minisign key" in ran.err
    assert "hint: if that signer is right, correct `evidence:` of tool in the manifest" in ran.err
    assert pieces(desk) == [{"kind": "minisign", "key": key.public}], "the lockfile stands as it was"


def test_openpgp_whose_key_is_fetched(served: World, desk: Desk) -> None:
    key = OpenPgpKey()
    served.file("/dl/tool.tar.gz.sig", key.sign(TOOL))
    address = served.file("/keys/releaser.asc", key.public)
    tool(desk, served, evidence={"openpgp": {"fingerprint": key.fingerprint, "key": address}})
    desk.dlm("sync").ok()
    assert pieces(desk) == [{"kind": "openpgp", "fingerprint": key.fingerprint}]
    assert served.paths.count("/dl/tool.tar.gz.asc") == 1, "the likeliest sibling is asked for first"


def test_openpgp_whose_key_stands_in_the_configuration(served: World, desk: Desk) -> None:
    key = OpenPgpKey()
    (desk.home / "keys.asc").write_bytes(key.public)
    served.file("/dl/tool.tar.gz.asc", key.sign(TOOL))
    tool(desk, served, evidence={"openpgp": key.fingerprint})
    refused = desk.dlm("lock")
    assert refused.code == 2
    assert f"needs the public key of {key.fingerprint}, which was not given" in refused.err
    desk.dlm("lock", variables={"DLM_OPENPGP_KEYS": str(desk.home / "keys.asc")}).ok()
    assert pieces(desk) == [{"kind": "openpgp", "fingerprint": key.fingerprint}]
    lost = desk.dlm("lock", "--accept-hash", "tool", variables={"DLM_OPENPGP_KEYS": str(desk.home / "gone.asc")})
    assert lost.code == 2
    assert "gone.asc of openpgp_keys cannot be read" in lost.err


def test_a_key_that_is_not_there(served: World, desk: Desk) -> None:
    key = OpenPgpKey()
    served.file("/dl/tool.tar.gz.asc", key.sign(TOOL))
    gone = f"{served.url}/keys/gone.asc"
    tool(desk, served, evidence={"openpgp": {"fingerprint": key.fingerprint, "key": gone}})
    ran = desk.dlm("lock")
    assert ran.code == 4
    assert "the OpenPGP public key of tool.tar.gz is not there: https://origin/keys/gone.asc" in ran.err


def test_evidence_of_many_files(world: World, desk: Desk) -> None:
    key = MinisignKey()
    for name in ("a.bin", "b.bin"):
        world.file(f"/many/{name}", name.encode())
        world.file(f"/many/{name}.minisig", key.sign(name.encode()))
    one = {"name": "many", "base": f"{world.url}/many/", "files": ["a.bin", "b.bin"]}
    desk.manifest(json.dumps({"version": 1, "resources": [{**one, "evidence": {"minisign": key.public}}]}))
    desk.dlm("lock").ok()
    assert [step["kind"] for artifact in desk.entry("many")["artifacts"] for step in artifact["evidence"]] == [
        "minisign",
        "minisign",
    ]


def test_credentials_go_with_the_sidecar_of_the_same_origin(served: World, desk: Desk) -> None:
    key = MinisignKey()
    served.file("/dl/tool.tar.gz.minisig", key.sign(TOOL))
    tool(desk, served, evidence={"minisign": key.public}, resource={"headers": {"X-Token": "${DLM_AUTH_TOOL}"}})
    desk.dlm("lock", variables={"DLM_AUTH_TOOL": "hush-hush"}).ok()
    assert [request.get("x-token") for request in served.origin.of("/dl/tool.tar.gz.minisig")] == ["hush-hush"]


def test_the_lower_steps(world: World, desk: Desk) -> None:
    stated = base64.b64encode(hashlib.sha256(TOOL).digest()).decode()
    md5 = base64.b64encode(hashlib.md5(TOOL, usedforsecurity=False).digest()).decode()
    world.route("/dl/repr", Response(200, (("Repr-Digest", f"sha-256=:{stated}:"),), TOOL))
    world.route("/dl/md5", Response(200, (("Content-MD5", md5),), TOOL))
    world.route("/dl/none", Response(200, (), TOOL))
    resources = [{"url": f"{world.url}/dl/{name}"} for name in ("repr", "md5", "none")]
    resources.append({"name": "pinned", "url": f"{world.url}/dl/none", "dest": "p/", "sha256": sha256(TOOL)})
    desk.manifest(json.dumps({"version": 1, "resources": resources}))
    report = desk.dlm("lock", "--format", "json").ok().document["result"]
    assert {one["name"]: one["evidence"][0]["step"] for one in report["changes"]} == {
        "repr": "transport-digest",
        "md5": "transport-digest",
        "none": "first-use",
        "pinned": "manifest-digest",
    }
    assert pieces(desk, "repr") == [{"kind": "transport-digest", "source": "repr-digest"}]
    assert pieces(desk, "md5") == [{"kind": "transport-digest", "source": "content-md5"}]
    listed = desk.dlm("list").ok().out
    assert [line.split()[4] for line in listed.splitlines()] == [
        "transport-digest",
        "first-use",
        "manifest-digest",
        "transport-digest",
    ]


# -- python.org -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(world: World) -> World:
    """python.org with a bundle and an SBOM beside a source; their bytes are made up."""
    for suffix in (".sigstore", ".spdx.json"):
        world.site.put(f"{SOURCE}{suffix}")
    return world


def sidecar_requests(world: World) -> list[str]:
    return [path.rpartition("/")[2] for path in world.paths if path.endswith((".sigstore", ".asc", ".spdx.json"))]


def test_sidecars_that_say_nothing_are_passed_over(sealed: World, desk: Desk) -> None:
    selector(desk)
    ran = desk.dlm("lock").ok()
    assert (
        f"warning: {NAME}: the Sigstore bundle of {NAME} (Python-3.13.15.tar.xz) cannot be read; it proves" in ran.err
    )
    assert pieces(desk, NAME) == []
    assert sorted(sidecar_requests(sealed)) == ["Python-3.13.15.tar.xz.sigstore", "Python-3.13.15.tar.xz.spdx.json"]


def test_a_bundle_about_other_bytes(world: World, desk: Desk) -> None:
    bundle = next(one for one in real_bundles() if one.filename == "Python-3.13.13.tar.xz")
    world.site.put(f"{SOURCE}.sigstore", bundle.data)
    selector(desk)
    ran = desk.dlm("sync")
    assert ran.code == 4
    assert f"error: {NAME}: the Sigstore bundle of {NAME} (Python-3.13.15.tar.xz) is about other bytes" in ran.err
    assert f"signed {bundle.sha256}" in ran.err
    assert desk.tree() == {}
    assert not desk.lockfile.exists()


def test_no_bundle_is_a_recorded_absence_unless_one_is_demanded(world: World, desk: Desk) -> None:
    selector(desk)
    desk.dlm("lock").ok()
    assert pieces(desk, NAME) == [{"kind": "sigstore", "absent": "missing"}]
    assert sidecar_requests(world) == []
    assert "      no sigstore: there was none\n" in desk.dlm("show", NAME).ok().out
    demanding = configuration(desk, policy={"evidence": {"*.python.org": "signature"}})
    refused = desk.dlm("sync", "--frozen", variables=demanding)
    assert refused.code == 6
    assert "policy demands signature for www.python.org, and it has first-use only" in refused.err
    assert f"hint: run `dlm lock -P {NAME}` to look for evidence anew" in refused.err
    assert desk.tree() == {}
    anew = desk.dlm("lock", "-P", NAME, variables=demanding)
    assert anew.code == 6
    assert "there is no sigstore sidecar beside it" in anew.err


def test_an_sbom_that_states_the_digest(world: World, desk: Desk) -> None:
    body = world.site.body(SOURCE)
    package: dict[str, Any] = {"packageFileName": "Python-3.13.15.tar.xz", "checksums": []}
    for digest, code in ((sha256(body), 0), (sha256(TOOL), 4)):
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": digest}]
        document = {"spdxVersion": "SPDX-2.3", "packages": [package]}
        world.site.put(f"{SOURCE}.spdx.json", json.dumps(document).encode())
        selector(desk)
        desk.lockfile.unlink(missing_ok=True)
        assert desk.dlm("lock").code == code
        if not code:
            assert pieces(desk, NAME)[0]["kind"] == "spdx"


def test_an_openpgp_signature_of_python_org(world: World, desk: Desk) -> None:
    key, other = OpenPgpKey(), OpenPgpKey("Other <other@example.org>")
    world.site.put(f"{SOURCE}.asc", key.sign(world.site.body(SOURCE)))
    (desk.home / "keys.asc").write_bytes(key.public)
    (desk.home / "other.asc").write_bytes(other.public)
    selector(desk)
    ran = desk.dlm("lock", variables={"DLM_OPENPGP_KEYS": str(desk.home / "other.asc")}).ok()
    assert "which is none of those asked for; it proves nothing and is passed over" in ran.err
    assert [one["kind"] for one in pieces(desk, NAME)] == ["sigstore"]
    desk.lockfile.unlink()
    desk.dlm("lock", variables={"DLM_OPENPGP_KEYS": str(desk.home / "keys.asc")}).ok()
    assert pieces(desk, NAME) == [
        {"kind": "openpgp", "fingerprint": key.fingerprint},
        {"kind": "sigstore", "absent": "missing"},
    ]


def test_without_the_extra(sealed: World, desk: Desk) -> None:
    selector(desk)
    ran = desk.dlm("sync", variables=without(desk, "sigstore")).ok()
    assert ran.err.count("dlm[sigstore]") == 1
    assert (
        "warning: the Sigstore bundle of Python-3.13.15.tar.xz was not checked: that needs"
        " `pip install 'dlm[sigstore]'`" in ran.err
    )
    assert pieces(desk, NAME) == []
    assert (desk.root / "Python-3.13.15.tar.xz").is_file()
    assert "Python-3.13.15.tar.xz.sigstore" not in sidecar_requests(sealed)
    with_nothing = desk.lockfile.read_bytes()
    desk.lockfile.unlink()
    desk.dlm("lock").ok()
    assert desk.lockfile.read_bytes() == with_nothing


def test_without_the_extra_where_a_signature_is_demanded(sealed: World, desk: Desk) -> None:
    selector(desk, policy={"evidence": {"www.python.org": "signature"}})
    ran = desk.dlm("sync", variables=without(desk, "sigstore"))
    assert ran.code == 6
    assert "hint: install what checks signatures with `pip install 'dlm[sigstore]'`" in ran.err
    assert desk.tree() == {}


def test_without_the_extra_that_the_manifest_needs(served: World, desk: Desk) -> None:
    tool(desk, served, evidence={"openpgp": "A" * 40})
    ran = desk.dlm("lock", variables=without(desk, "pysequoia"))
    assert ran.code == 2
    assert "install them with `pip install 'dlm[openpgp]'`" in ran.err


def test_who_signs_a_line_can_be_overridden(world: World, desk: Desk) -> None:
    bundle = next(one for one in real_bundles() if one.filename == "Python-3.13.13.tar.xz")
    selector(desk, resource={"evidence": {"sigstore": {"identity": "me@example.org", "issuer": "https://example.org"}}})
    world.site.put(f"{SOURCE}.sigstore", bundle.data)
    assert desk.dlm("lock").code == 4
    variables = configuration(desk, python_identities={"3.13": {"identity": "me@example.org"}})
    ran = desk.dlm("lock", variables=variables)
    assert ran.code == 2
    assert "expected identity and issuer below 3.13" in ran.err


def test_a_root_of_trust_that_cannot_be_read(world: World, desk: Desk) -> None:
    bundle = next(one for one in real_bundles() if one.filename == "Python-3.13.13.tar.xz")
    document = json.loads(bundle.data)
    digest = hashlib.sha256(world.site.body(SOURCE)).digest()
    document["messageSignature"]["messageDigest"]["digest"] = base64.b64encode(digest).decode()
    world.site.put(f"{SOURCE}.sigstore", json.dumps(document).encode())
    selector(desk)
    ran = desk.dlm("lock", variables={"DLM_SIGSTORE_TRUSTED_ROOT": str(desk.home / "no-root.json")})
    assert ran.code == 1
    assert "the root of trust for Sigstore cannot be read" in ran.err
    forged = desk.dlm("lock")
    assert forged.code == 4
    assert "does not fit its bytes" in forged.err


# -- policy ---------------------------------------------------------------------------------------------------------


def test_a_manifest_raises_policy_and_never_lowers_it(served: World, desk: Desk) -> None:
    tool(desk, served, policy={"evidence": {"127.0.0.1": "checksums"}})
    ran = desk.dlm("sync")
    assert ran.code == 6
    assert "error: tool: tool.tar.gz: policy demands checksums for" in ran.err
    assert desk.tree() == {}
    lenient = {"evidence": {"*": "first-use"}}
    tool(desk, served, policy=lenient)
    ran = desk.dlm("sync", variables=configuration(desk, policy={"evidence": {"*": "signature"}}))
    assert ran.code == 6
    assert "policy demands signature" in ran.err
    desk.dlm("sync").ok()


def test_a_demand_is_met(served: World, desk: Desk) -> None:
    key = MinisignKey()
    demanding = configuration(desk, policy={"evidence": {"*": "signature"}})
    tool(desk, served)
    desk.dlm("lock").ok()
    refused = desk.dlm("lock", variables=demanding)
    assert refused.code == 6
    assert "ask for what its makers publish under `evidence:` in the manifest" in refused.err
    for command in (("lock", "--check"), ("sync", "--locked"), ("sync", "--check"), ("fetch",)):
        assert desk.dlm(*command, variables=demanding).code == 6
    served.file("/dl/tool.tar.gz.minisig", key.sign(TOOL))
    tool(desk, served, evidence={"minisign": key.public})
    desk.dlm("sync", variables=demanding).ok()
    desk.dlm("sync", "--frozen", variables=demanding).ok()
    assert served.paths.count("/dl/tool.tar.gz") == 1, "the bytes were in the cache"


def test_a_policy_that_cannot_be(served: World, desk: Desk) -> None:
    tool(desk, served, policy={"evidence": {"example.org": "sworn"}, "network": {}})
    ran = desk.dlm("lock")
    assert ran.code == 2
    assert "policy.evidence.example.org: 'sworn' is no step of evidence; known are first-use," in ran.err
    assert "policy.network: 'network' is no policy that a manifest can tighten" in ran.err
    tool(desk, served)
    ran = desk.dlm("lock", variables=configuration(desk, policy={"evidence": {"a b": "signature"}}))
    assert ran.code == 2
    assert "is no host" in ran.err


def test_an_evidence_that_cannot_be_meant(served: World, desk: Desk) -> None:
    tool(desk, served, evidence={"sigstore": {"identity": "me@example.org"}, "minisign": "RW", "notary": "x"})
    ran = desk.dlm("lock")
    assert ran.code == 2
    assert "resources[0].evidence.sigstore.issuer: is missing" in ran.err
    assert "resources[0].evidence.minisign: a minisign public key has 56 characters" in ran.err
    assert "resources[0].evidence.notary: unknown; known are checksums, minisign, openpgp, sigstore" in ran.err


# -- later locks ----------------------------------------------------------------------------------------------------


def versioned(desk: Desk, world: World, version: str, **more: Any) -> None:
    one = {"name": "tool", "url": f"{world.url}/{{version}}/tool", "version": version, **more}
    desk.manifest(json.dumps({"version": 1, "resources": [one]}))


def test_a_later_lock_drops_no_step_silently(world: World, desk: Desk) -> None:
    key = MinisignKey()
    world.file("/1/tool", TOOL)
    world.file("/1/tool.minisig", key.sign(TOOL))
    world.file("/2/tool", OTHER)
    versioned(desk, world, "1", evidence={"minisign": key.public})
    desk.dlm("lock").ok()
    before = desk.lockfile.read_bytes()
    versioned(desk, world, "2")
    ran = desk.dlm("sync")
    assert ran.code == 6
    assert "error: tool would be vouched for by first-use only; what is locked has signature" in ran.err
    assert "hint: if that is right, run `dlm lock --allow-weaker-evidence` with what you asked for" in ran.err
    assert desk.lockfile.read_bytes() == before
    assert desk.tree() == {}
    ran = desk.dlm("lock", "--allow-weaker-evidence").ok()
    assert f"warning: tool is no longer vouched for by minisign ({key.public})" in ran.err
    assert pieces(desk) == []


def test_a_kind_that_goes_while_the_step_stays_is_said(world: World, desk: Desk) -> None:
    key = MinisignKey()
    for version, body in (("1", TOOL), ("2", OTHER)):
        world.file(f"/{version}/tool", body)
        world.file(f"/{version}/tool.minisig", key.sign(body))
        world.file(f"/{version}/SUMS", f"{sha256(body)}  tool\n".encode())
    both = {"minisign": key.public, "checksums": f"{world.url}/{{version}}/SUMS"}
    versioned(desk, world, "1", evidence=both)
    desk.dlm("lock").ok()
    assert [one["kind"] for one in pieces(desk)] == ["checksums", "minisign"]
    versioned(desk, world, "2", evidence={"minisign": key.public})
    assert "warning: tool is no longer vouched for by checksums" in desk.dlm("lock").ok().err


def test_the_same_bytes_keep_what_vouched_for_them(served: World, desk: Desk) -> None:
    key = MinisignKey()
    served.file("/dl/tool.tar.gz.minisig", key.sign(TOOL))
    tool(desk, served, evidence={"minisign": key.public})
    desk.dlm("lock").ok()
    tool(desk, served, resource={"sha256": sha256(TOOL)})
    desk.dlm("lock").ok()
    assert [one["kind"] for one in pieces(desk)] == ["manifest-digest", "minisign"]


def test_evidence_that_is_asked_for_later_is_checked_then(served: World, desk: Desk, tmp_path: Path) -> None:
    sums = served.file("/dl/SUMS", f"{sha256(OTHER)}  tool.tar.gz\n".encode())
    tool(desk, served)
    desk.dlm("lock").ok()
    tool(desk, served, evidence={"checksums": sums})
    ran = desk.dlm("lock", "--offline")
    assert ran.code == 5
    assert "what vouches for tool.tar.gz was never checked, and --offline forbids fetching it" in ran.err
    assert desk.dlm("lock").code == 4


# -- discovery ------------------------------------------------------------------------------------------------------


def test_find_evidence(served: World, desk: Desk) -> None:
    key = OpenPgpKey()
    sums = served.file("/dl/SHA256SUMS", f"{sha256(TOOL)}  tool.tar.gz\n".encode())
    served.file("/dl/tool.tar.gz.asc", key.sign(TOOL))
    served.file("/dl/tool.tar.gz.minisig", MinisignKey().sign(TOOL))
    (desk.home / "keys.asc").write_bytes(key.public)
    desk.manifest("version: 1\nresources: []  # none yet\n")
    url = f"{served.url}/dl/tool.tar.gz"
    keys = {"DLM_OPENPGP_KEYS": str(desk.home / "keys.asc")}
    ran = desk.dlm("add", url, "--find-evidence", variables=keys).ok()
    assert "it is signed by the minisign key 0807060504030201; ask for it with its public key" in ran.err
    assert desk.entry("tool.tar.gz")["request"]["evidence"] == {"checksums": sums, "openpgp": key.fingerprint}
    assert [one["kind"] for one in pieces(desk, "tool.tar.gz")] == ["checksums", "openpgp"]
    assert "# none yet" in (desk.root / "downloads.yaml").read_text()
    desk.dlm("lock", "--check").ok()


def test_find_evidence_where_there_is_none(served: World, desk: Desk) -> None:
    desk.manifest("version: 1\nresources: []\n")
    ran = desk.dlm("add", f"{served.url}/dl/tool.tar.gz", "--find-evidence").ok()
    assert "nothing beside it vouches for it" in ran.err
    assert "evidence" not in desk.entry("tool.tar.gz")["request"]


def test_found_evidence_that_contradicts(served: World, desk: Desk) -> None:
    served.file("/dl/SHA256SUMS", f"{sha256(OTHER)}  tool.tar.gz\n".encode())
    desk.manifest("version: 1\nresources: []\n")
    ran = desk.dlm("add", f"{served.url}/dl/tool.tar.gz", "--find-evidence")
    assert ran.code == 4
    assert "lists another sha256" in ran.err
    assert (desk.root / "downloads.yaml").read_text() == "version: 1\nresources: []\n"
    assert desk.dlm("add", "python:3.13.*", "--find-evidence").code == 2
