"""Certificates for the time of a test, made by `openssl`: authorities, a server of 127.0.0.1, and a client."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL = shutil.which("openssl")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in one folder. `other` is an authority that has signed nothing of these."""

    folder: Path

    def file(self, name: str) -> Path:
        """`ca.crt`, `server.crt`, `server.key`, `client.crt`, `client.key` or `other.crt`."""
        return self.folder / name


def make_certificates(folder: Path) -> Certificates:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ca", "other"):
        _openssl(folder, "req", "-x509", *_KEY, *_out(name), "-days", "2", "-subj", f"/CN={name}")
    for name in ("server", "client"):
        _openssl(folder, "req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)
    return Certificates(folder)


def _out(name: str) -> tuple[str, ...]:
    return ("-keyout", f"{name}.key", "-out", f"{name}.crt")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run([str(OPENSSL), *arguments], cwd=folder, check=True, capture_output=True)
