"""Makes the certificates of the tests: `python make_certs.py` (needs the package `cryptography` and `openssl`).

They are test data, kept in the repository so that the tests need nothing installed; the private keys protect
nothing. All of them but `company` satisfy `ssl.VERIFY_X509_STRICT`, the default from Python 3.13 on.
Each `.pem` file of an end entity holds its certificate and its key; `hashed/` is a CA directory as
OpenSSL wants it.
"""

from __future__ import annotations

import subprocess
from datetime import datetime, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = Path(__file__).parent
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
END = datetime(2090, 1, 1, tzinfo=timezone.utc)
LOCAL: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)
Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=ca, crl_sign=ca,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def certificate(
    name: str,
    *alternatives: x509.GeneralName,
    issuer: Authority | None = None,
    ca: bool = False,
    client: bool = False,
    identified: bool = True,
    end: datetime = END,
) -> Authority:
    """A certificate and its key; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signing_key = issuer or (None, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(key_usage(ca=ca), critical=True)
    )
    if identified:
        subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key())
        builder = builder.add_extension(subject_key, critical=False).add_extension(issuer_key, critical=False)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if issuer:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(signing_key, hashes.SHA256()), key


def write(name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None = None) -> None:
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    if key:
        pem += key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    (HERE / f"{name}.pem").write_bytes(pem)


def main() -> None:
    ca = certificate("Test CA", ca=True)
    write("ca", ca[0])
    write("server", *certificate("localhost", *LOCAL, issuer=ca))
    write("wrong", *certificate("wrong.example", x509.DNSName("wrong.example"), issuer=ca))
    expired = datetime(2024, 1, 2, tzinfo=timezone.utc)
    write("expired", *certificate("localhost", *LOCAL, issuer=ca, end=expired))
    write("selfsigned", *certificate("localhost", *LOCAL, ca=True))
    write("client", *certificate("Test client", issuer=ca, client=True))
    company = certificate("Company CA", ca=True, identified=False)
    write("company_ca", company[0])
    write("company", *certificate("localhost", *LOCAL, issuer=company, identified=False))

    hashed = HERE / "hashed"
    hashed.mkdir(exist_ok=True)
    for old in hashed.iterdir():
        old.unlink()
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(HERE / "ca.pem")]
    digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (hashed / f"{digest}.0").write_bytes((HERE / "ca.pem").read_bytes())


if __name__ == "__main__":
    main()
