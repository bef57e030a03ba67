"""Settings: one TOML file, overridden by the environment; each has a unit in its name, a default, bounds and a help text.

``ARCHIPEL_DICOM__AE_TITLE=NORTH`` overrides ``ae_title`` of the table ``[dicom]``. An option that does not exist refuses to start.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from archipel.kit.errors import Invalid


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Table):
    """Where the index is kept."""

    url: str = Field("", description="SQLAlchemy address; empty: SQLite in the data folder.")
    pool_size: int = Field(16, ge=2, le=200, description="Connections kept open by one process.")


class BlobSettings(_Table):
    """Where the bytes are kept."""

    url: str = Field("", description="file:///folder or s3+https://endpoint/bucket; empty: files in the data folder.")
    access_key: str = Field("", description="S3 access key.")
    secret_key: str = Field("", description="S3 secret key; give it by the environment, not by the file.")
    region: str = Field("", description="S3 region.")
    key_file: str = Field(
        "", description="File of the keys under which objects are encrypted, outside of the data folder. Empty: not encrypted."
    )
    local: str = Field(
        "",
        description="Folder of this machine that takes what arrives, before the S3 store, to which sealed objects are copied. Empty: none.",
    )
    local_hours: int = Field(72, ge=1, le=87_600, description="How long a sealed object stays in that folder once its copy was read back.")


class HttpSettings(_Table):
    """The HTTP doors."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    body_bytes_max: int = Field(64 << 30, ge=1 << 20, description="Largest request body (STOW-RS, upload).")
    head_s: int = Field(30, ge=1, le=3600, description="Wait for the head of a request on an open connection.")
    stall_s: int = Field(
        120, ge=1, le=3600, description="Wait for the next bytes within the body of a request, and for a reader to take some of its answer."
    )
    connection_count_max: int = Field(2000, ge=1, le=100_000, description="Connections open at once.")
    address_connection_count_max: int = Field(
        400, ge=1, le=100_000, description="Connections open at once from one address; trusted proxies may open more."
    )
    json_bytes_max: int = Field(4 << 20, ge=1 << 10, description="Largest JSON body.")
    session_hours: int = Field(12, ge=1, le=72, description="Life of a web session without use.")
    secure_cookies: bool = Field(False, description="Mark cookies Secure; set it wherever the platform is reached by HTTPS.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; none by default."
    )
    public_url: str = Field("", description="Address under which people reach the platform.")
    metrics_token: str = Field(
        "", description="Bearer token that /metrics asks for; empty: it answers this machine alone. Give it by the environment."
    )
    health_port: int = Field(-1, ge=-1, le=65535, description="Port of health and metrics alone; -1: none, 0: a free one.")
    search_count_max: int = Field(1000, ge=200, le=10_000, description="Most rows of one QIDO-RS answer.")


class DicomSettings(_Table):
    """The DICOM listener (DIMSE)."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(11112, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    ae_title: str = Field("ARCHIPEL", min_length=1, max_length=16, description="Our AE title.")
    associations_max: int = Field(100, ge=1, le=5000, description="Associations open at once.")
    associations_per_device_max: int = Field(20, ge=1, le=1000, description="Associations open at once from one AE title.")
    pdu_bytes_max: int = Field(131_072, ge=4096, le=1 << 20, description="Largest P-DATA-TF PDU that we take.")
    artim_s: int = Field(30, ge=1, le=300, description="Wait for the association request and for the end of a connection (PS3.8 ARTIM).")
    idle_s: int = Field(600, ge=5, le=86_400, description="Wait for the next message on an open association.")
    stall_s: int = Field(60, ge=1, le=3600, description="Wait for the next bytes within a message.")
    private_sop_classes: tuple[str, ...] = Field((), description="Private storage SOP classes to accept.")
    accept_unknown_sop_classes: bool = Field(False, description="Accept any abstract syntax that is offered as a storage class.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses of balancers that say who calls by the PROXY protocol (version 1), as they then must; not with TLS."
    )
    note_deadline_hours: int = Field(72, ge=1, le=8760, description="How long a rejection note is tried at a device that does not answer.")
    tls_port: int = Field(-1, ge=-1, le=65535, description="Port of the TLS listener; -1: none.")
    tls_certificate: str = Field("", description="PEM file of our certificate chain.")
    tls_key: str = Field("", description="PEM file of our private key.")
    tls_client_ca: str = Field("", description="PEM file of the authorities whose client certificates we take.")


class MllpSettings(_Table):
    """The HL7 v2 listener (MLLP)."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(-1, ge=-1, le=65535, description="TCP port of the plain listener; -1: none, 0: a free one.")
    allow_plain: bool = Field(False, description="Whether the plain listener may have an address beyond this machine.")
    tls_port: int = Field(-1, ge=-1, le=65535, description="Port of the TLS listener; -1: none, 0: a free one.")
    tls_certificate: str = Field("", description="PEM file of our certificate chain.")
    tls_key: str = Field("", description="PEM file of our private key.")
    tls_client_ca: str = Field("", description="PEM file of the authorities whose client certificates we take.")
    connection_count_max: int = Field(128, ge=1, le=5000, description="Connections open at once.")
    address_connection_count_max: int = Field(32, ge=1, le=5000, description="Connections open at once from one address.")
    message_bytes_max: int = Field(32 << 20, ge=64 << 10, le=64 << 20, description="Largest message.")
    idle_s: int = Field(3600, ge=1, le=86_400, description="Wait for the next message on an open connection.")
    message_s: int = Field(120, ge=1, le=3600, description="Time for one message to arrive whole, and for a sender to take an answer.")
    keep_days: int = Field(
        365, ge=1, le=36_500, description="How long applied and refused messages are kept; failed ones stay until they are replayed."
    )


class ArchiveSettings(_Table):
    """Receiving and keeping."""

    group_count_max: int = Field(64, ge=1, le=1000, description="Instances that share one durable write and one transaction.")
    group_wait_ms: int = Field(0, ge=0, le=1000, description="How long a group waits for more instances once it has one.")
    queue_count_max: int = Field(256, ge=1, le=10_000, description="Instances that may wait to be written; senders wait beyond it.")
    memory_bytes_max: int = Field(64 << 20, ge=8 << 20, description="Memory for all arriving instances together.")
    memory_bytes_each: int = Field(4 << 20, ge=64 << 10, description="An arriving instance past this size goes to a file.")
    instance_bytes_max: int = Field(64 << 30, ge=1 << 20, description="Largest instance.")
    quiet_s: int = Field(60, ge=1, le=86_400, description="A study has settled when nothing came for this long.")
    seal: bool = Field(True, description="Whether the series of a settled study become one object each, and its index small.")
    recompress: bool = Field(
        True, description="Whether uncompressed images are kept as lossless HTJ2K once sealed; they are given back as sent."
    )
    sweep_after_hours: int = Field(
        48, ge=1, le=8760, description="Objects whose contents were sealed elsewhere go after this; longer than between two backups."
    )
    verify_every_days: float = Field(
        30, ge=0, le=3650, description="How often all stored bytes are read again and compared with their digests; 0: only by the command."
    )
    verify_bytes_per_s: int = Field(20_000_000, ge=0, description="How fast that may read, all processes together; 0: without bound.")
    free_bytes_min: int = Field(256 << 20, ge=0, description="Free disk below which new instances are refused.")
    zip_bytes_max: int = Field(64 << 30, ge=1 << 20, description="Most bytes that an uploaded or imported archive may expand to.")
    zip_ratio_max: int = Field(200, ge=10, le=1100, description="Most times that an archive member may expand.")


class PixelSettings(_Table):
    """Decoding and rendering, in child processes."""

    processes: int = Field(2, ge=1, le=64, description="Child processes.")
    memory_bytes_max: int = Field(2 << 30, ge=256 << 20, description="Memory of one child.")
    seconds_max: int = Field(60, ge=1, le=3600, description="Time for one piece of work.")
    cache_bytes_max: int = Field(
        1 << 30, ge=0, description="Rendered images and thumbnails kept in the data folder, the least recently used going first; 0: none."
    )


class ProviderSettings(_Table):
    """A provider of identities, by OpenID Connect: one ``[[signin.providers]]``. ``docs/operate/signin.md`` explains each option."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    label_fr: str = Field(min_length=1, max_length=80)
    label_en: str = Field(min_length=1, max_length=80)
    issuer: str = Field(pattern=r"^https://|^http://(127\.0\.0\.1|localhost)(:|/|$)")
    client_id: str = Field(min_length=1)
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid",)
    acr: tuple[str, ...] = ()
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...] = (
        "RS256",
        "ES256",
    )
    rpps_claim: str = ""
    rpps_prefix: str = ""
    two_factors: bool = False


class SignInSettings(_Table):
    """Signing in to the web app."""

    second_factor_roles: tuple[str, ...] = Field(
        (),
        description="Roles whose people sign in with a second factor at every site; a site may ask for more. Tokens go without.",
    )
    key_file: str = Field(
        "",
        description="File of the keys under which the secrets of one-time codes are encrypted. Empty: signin.keys in the data folder, "
        "made when it is first needed; with PostgreSQL name one that all machines have.",
    )
    providers: tuple[ProviderSettings, ...] = Field(
        (), description="Providers of identities (OpenID Connect), each a [[signin.providers]]."
    )
    provider_answer_s: int = Field(10, ge=1, le=60, description="Wait for an answer of a provider.")
    provider_bytes_max: int = Field(1 << 20, ge=1 << 10, description="Largest answer of a provider.")


class AuditSettings(_Table):
    """The audit trail: its signature, its times, where it is sent."""

    key_file: str = Field("", description="PEM file of the Ed25519 key that signs the chain; empty: audit.key in the data folder.")
    former_keys: tuple[str, ...] = Field((), description="PEM files of the public keys that signed before this one.")
    access_months: int = Field(
        0, ge=0, le=1200, description="How long records of reading are kept; 0: for good. CNIL 2021-122: 6 to 12 months, 36 if justified."
    )
    act_months: int = Field(
        0, ge=0, le=1200, description="How long records of all other acts are kept; 0: for good. As the record itself: 240 (CSP R1112-7)."
    )
    verify_every_days: float = Field(7, ge=0, le=3650, description="How often the whole chain is verified; 0: only by the command.")
    source_id: str = Field("archipel", min_length=1, max_length=64, description="Our name in what is sent (AuditSourceID).")
    syslog_host: str = Field("", description="Receiver of audit messages by syslog over TLS (IHE ITI-20). Empty: not sent.")
    syslog_port: int = Field(6514, ge=1, le=65535, description="Its port.")
    syslog_ca: str = Field("", description="PEM file of the authorities that we trust for it; empty: those of the machine.")
    syslog_certificate: str = Field("", description="PEM file of our certificate chain for it.")
    syslog_key: str = Field("", description="PEM file of the key of that certificate.")
    fhir_url: str = Field(
        "", pattern=r"^(https?://.*)?$", description="FHIR R4 server that gets each record as an AuditEvent. Empty: not sent."
    )


class TraceSettings(_Table):
    """Traces, sent to an OpenTelemetry collector."""

    otlp_url: str = Field("", description="Where spans are sent, OTLP over HTTP: http://collector:4318/v1/traces. Empty: no traces.")
    ratio: float = Field(1.0, ge=0, le=1, description="Share of the traces that begin here; a caller's own are as it says.")


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(env_prefix="ARCHIPEL_", env_nested_delimiter="__", extra="forbid", frozen=True)

    data: Path = Field(Path("var"), description="The data folder.")
    spool: str = Field(
        "", description="Folder of what is arriving and being converted, encrypted under passing keys; empty: in the data folder."
    )
    log_json: bool = Field(False, description="Logs as JSON lines.")
    log_requests: bool = Field(False, description="One log line for each request and DICOM message, with its duration.")
    time_zone: str = Field("Europe/Paris", description="Zone of sites that name none.")
    database: DatabaseSettings = DatabaseSettings()
    blobs: BlobSettings = BlobSettings()
    http: HttpSettings = HttpSettings()
    dicom: DicomSettings = DicomSettings()
    mllp: MllpSettings = MllpSettings()
    archive: ArchiveSettings = ArchiveSettings()
    pixels: PixelSettings = PixelSettings()
    traces: TraceSettings = TraceSettings()
    audit: AuditSettings = AuditSettings()
    signin: SignInSettings = SignInSettings()

    @model_validator(mode="after")
    def _has_an_address_for_providers(self) -> Settings:
        ids = [provider.id for provider in self.signin.providers]
        if ids and not self.http.public_url:
            raise ValueError("signin.providers need http.public_url, the address to which they send people back")
        if len(set(ids)) < len(ids):
            raise ValueError("two signin.providers have one id")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values arrive as arguments."""
        return env_settings, init_settings

    @property
    def database_url(self) -> str:
        """The database's address, the embedded default filled in."""
        return self.database.url or f"sqlite:///{self.data.absolute() / 'archipel.db'}"

    @property
    def objects(self) -> str:
        """Where the bytes are, for people and for the processes that must agree on it."""
        return f"file://{Path(self.blobs.local).absolute()} and {self.blobs_url}" if self.blobs.local else self.blobs_url

    @property
    def blobs_url(self) -> str:
        """The object store's address, the embedded default filled in."""
        return self.blobs.url or f"file://{self.data.absolute() / 'blobs'}"


def load_settings(data: Path, config: Path | None = None, **overrides: Any) -> Settings:
    """Read the configuration file (``archipel.toml`` in the data folder when none is named) and the environment.

    ``overrides`` are tables given on the command line, e.g. ``http={"port": 80}``; they win over both.
    """
    path = config or data / "archipel.toml"
    values: dict[str, Any] = {}
    if config or path.exists():
        try:
            values = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:  # not TOML, or not UTF-8
            raise Invalid(f"The configuration file {path} cannot be read: {error}", code="settings") from error
    values["data"] = data
    _refuse_unknown_environment()
    try:
        settings = Settings(**values).model_copy(update={"data": data})
        for table, options in overrides.items():
            given = {k: v for k, v in options.items() if v is not None}
            current = getattr(settings, table)
            settings = settings.model_copy(update={table: type(current)(**{**current.model_dump(), **given})})
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Invalid(f"The settings are not valid: {reasons}", code="settings") from error
    except SettingsError as error:
        raise Invalid(f"The settings are not valid: {error}", code="settings") from error
    return settings


def _refuse_unknown_environment() -> None:
    """A variable that names no option is a misspelt one; those of the test suite are not ours."""
    known = {name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):
        table = variable.removeprefix("ARCHIPEL_").partition("__")[0]
        if variable.startswith("ARCHIPEL_") and table not in known and not table.startswith("TEST_"):
            raise Invalid(f"The environment names an option that does not exist: {variable}.", code="settings", field=variable)
