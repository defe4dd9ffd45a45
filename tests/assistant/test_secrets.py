"""What counts as a secret, and what must not; `|` is taken out of the cases, so that no scanner takes them for real."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist.secrets import has_secret, is_secret_path, without_secrets

# The source, and what of it must be gone.
SECRETS = [
    ('KEY_ID = "AKIA|Q3EGRSDFG7WXMTPL"', "AKIA|Q3EGRSDFG7WXMTPL"),
    ("aws_secret_access_key = wJalr|XUtnFEMI/K7MDENG+bPxRfiCY93kQp4TzL", "wJalr|XUtnFEMI/K7MDENG+bPxRfiCY93kQp4TzL"),
    ("AWS_SECRET_KEY: 'k9Zt|XUtnFEMI/K7MDENG+bPxRfiCY93kQp4TzLa'", "k9Zt|XUtnFEMI/K7MDENG+bPxRfiCY93kQp4TzLa"),
    (
        "git clone https://ghp_|0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R@github.com/x/y",
        "ghp_|0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R",
    ),
    ("# github_pat_|11ABCDE0Y0abcdefghij_klmnopqrstuvwxyz0123456789ABCDEFGHIJKL", "github_pat_|11ABCDE0Y0abcdefghij"),
    ("x = glpat-|Zk3pTq9vWm2xYs7bLc4d", "glpat-|Zk3pTq9vWm2xYs7bLc4d"),
    ('post("xoxb-|2345678901-2345678901-AbCdEfGhIjKlMnOp")', "xoxb-|2345678901-2345678901-AbCdEfGhIjKlMnOp"),
    ("https://hooks.slack.com/services/T0|A1B2C3D/B0A1B2C3D/a1B2c3D4e5F6g7H8i9J0k1L2", "T0|A1B2C3D/B0A1B2C3D"),
    (
        "https://hooks.slack.com/workflows/T0|A1B2C3D/A0A1B2C3D/481516234/mgFqWz3kPT9vXm2xYs7bLc4d",
        "mgFqWz3kPT9vXm2xYs7bLc4d",
    ),
    (
        "https://hooks.slack.com/triggers/E0|A1B2C3D/481516234/9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    ),
    ("x = glrt-|Zk3pTq9vWm2xYs7bLc4d", "glrt-|Zk3pTq9vWm2xYs7bLc4d"),
    ("register(GR13|48941Zk3pTq9vWm2xYs7bLc4d)", "GR13|48941Zk3pTq9vWm2xYs7bLc4d"),
    (
        "https://api.telegram.org/bot48151623|42:AAZk3pTq9vWm2xYs7bLc4dHf8jQuVwXzEgI/send",
        "48151623|42:AAZk3pTq9vWm2xYs7bLc4dHf8jQuVwXzEgI",
    ),
    ("mail('9f8e7d6c|5b4a39281706f5e4d3c2b1a0-us21')", "9f8e7d6c|5b4a39281706f5e4d3c2b1a0-us21"),
    ("# sq0csp-|Zk3pTq9vWm2xYs7bLc4dHf8jQuVwXzEgIk0MoRtPa5N", "sq0csp-|Zk3pTq9vWm2xYs7bLc4dHf8jQuVwXzEgIk0MoRtPa5N"),
    (
        "curl -H X-JFrog-Art-Api:AKCp|8Zk3pTq9vWm2xYs7bLc4dHf8jQuVwXzEgIk0MoRtPa5N9f8e7d6c5b4a39281706f5e4d3",
        "AKCp|8Zk3pTq9vWm2xYs7bLc4dHf8j",
    ),
    (
        "discord.run('MTA4|MTUxNjIzNDI4MTUxNjIzNA.GZk3pT.q9vWm2xYs7bLc4dHf8jQuVwXzEgIk0MoRtPa')",
        "MTA4|MTUxNjIzNDI4MTUxNjIzNA.GZk3pT",
    ),
    ("//registry/:_authToken=9f8e7d6c|-5b4a-4928-8706-f5e4d3c2b1a0", "9f8e7d6c|-5b4a-4928-8706-f5e4d3c2b1a0"),
    (
        ("PuTTY-User-Key-File-|3: ssh-ed25519\nPrivate-Lines: 1\nAAAAIJl3dIeudNqd0DPMRD6OIh65\nPrivate-MAC: 1f"),
        "AAAAIJl3dIeudNqd0DPMRD6OIh65",
    ),
    ("service_key = 'Zk3pTq9v|Wm2xYs7bLc4d'", "Zk3pTq9v|Wm2xYs7bLc4d"),
    ("stripe.api_key = 'sk_live_|4eC39HqLyjWDarjtT1zdp7dc'", "sk_live_|4eC39HqLyjWDarjtT1zdp7dc"),
    ("whsec_|MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_|MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("maps?key=AIza|SyD3kLm9Qr7Tv2Wx5Yz8Ab1Cd4Ef6Gh0IjK", "AIza|SyD3kLm9Qr7Tv2Wx5Yz8Ab1Cd4Ef6Gh0IjK"),
    ("client_secret: GOCSPX-|a1B2c3D4e5F6g7H8i9J0k1L2m3N4", "GOCSPX-|a1B2c3D4e5F6g7H8i9J0k1L2m3N4"),
    ("OpenAI('sk-|proj-Zk3pTq9vWm2xYs7bLc4dHf8j')", "sk-|proj-Zk3pTq9vWm2xYs7bLc4dHf8j"),
    ("# sk-|ant-api03-Zk3pTq9vWm2xYs7bLc4dHf8j", "sk-|ant-api03-Zk3pTq9vWm2xYs7bLc4dHf8j"),
    ("hf_|ZkpTqvWmxYsbLcdHfjNrQuVwXzAcEgIkMo", "hf_|ZkpTqvWmxYsbLcdHfjNrQuVwXzAcEgIkMo"),
    ("//registry/:_authToken=npm_|a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "npm_|a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
    ("SG.|a1B2c3D4e5F6g7H8i9J0k1.a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V", "a1B2c3D4e5F6g7H8i9J0k1.|a1B2"),
    ("jwt = 'eyJ|hbGciOiJIUzI1NiJ9.eyJ|zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N'", "dozjgNryP4J3jVmNHl0w5N"),
    ("Authorization: Bearer Zk3p|Tq9vWm2xYs7bLc4dHf8j", "Zk3p|Tq9vWm2xYs7bLc4dHf8j"),
    (
        "AccountKey=a1B2c3D4|e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6==;",
        "a1B2c3D4|e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0",
    ),
    ("DATABASE_URL=postgres://app:q7|Zr-9!kd@db.internal:5432/app", "q7|Zr-9!kd"),
    ('password = "hunter2|!Xq"', "hunter2|!Xq"),
    ('{"db_password": "tr0ub4dor&3"}', "tr0ub4dor&3"),
    ("PASSWD='Zk3p|Tq9v'", "Zk3p|Tq9v"),
    ('const apiKey: string = "9f8e|7d6c5b4a39281706f5e4d3c2b1a0";', "9f8e|7d6c5b4a39281706f5e4d3c2b1a0"),
    ("API_TOKEN=Zk3p|Tq9vWm2xYs7bLc4dHf8j", "Zk3p|Tq9vWm2xYs7bLc4dHf8j"),
    ('config["secret_key"] = b"q8#Vz|1pLw0xTn5rKc7mJ"', "q8#Vz|1pLw0xTn5rKc7mJ"),
    ("client-secret: Zk3p|Tq9vWm2xYs7bLc4dHf8j", "Zk3p|Tq9vWm2xYs7bLc4dHf8j"),
    (
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1c7+9z5Pad7OejecsQ0b\nu3aUpFxZzqgm\n"
            "-----END RSA PRIVATE KEY-----\nx = 1"
        ),
        "MIIEowIBAAKCAQEA1c7+9z5Pad7OejecsQ0b",
    ),
    (
        "K = '''-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
    ),
    (
        'k = "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIrYSSNQFaA2Hwf1\\n-----END EC PRIVATE KEY-----"',
        "MHcCAQEEIIrYSSNQFaA2Hwf1",
    ),
]
HARMLESS = [
    "requests==2.31.0 --hash=sha256:58cd2187c01e70e6e26505bca751777aa9f2ee0b7f4300988b709f44e013003f",
    '"integrity": "sha512-9NET910DNaIPngYnLLPeg+Ogzqsi9uM4mSboU5y6p8S5DzMTVEsJZrawi+BoDNUVBa2DhJqQYUFvMDfgU062LQ=="',
    'commit = "8f449cbd36636002d4db5bd8d8e6e63dea17e6b8"',
    'test_id = "550e8400-e29b-41d4-a716-446655440000"',
    'password = os.environ["DB_PASSWORD"]',
    "password = getpass.getpass('Password: ')",
    'password = ""',
    'password = "password"',
    'password = "changeme123"',
    'PASSWORD = "<your password>"',
    'PASSWORD = "${DB_PASSWORD}"',
    'token = "{token}"',
    'secret_name = "projects/main/secrets/database-login-2"',
    "api_key: str | None = None",
    'TOKEN_KIND = "access_token"',
    'tokenizer = "cl100k_base_with_special_tokens"',
    "max_tokens = 4096_0000_0000_0000",
    'public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65"',
    "def get_secret_by_identifier_and_version(identifier: str, version2: int) -> str: ...",
    "self.cancellation_token = self._build_cancellation_token_for_request2(request)",
    "https://user@example.com/a:b@c",
    "postgres://postgres:postgres@localhost/test",
    "https://$USER:$PASSWORD@host/",
    "re.compile(r'-----BEGIN [A-Z ]*PRIVATE KEY-----')",
    '"-----BEGIN PRIVATE KEY-----" + body + "-----END PRIVATE KEY-----"',
    "task-management-system-with-a-long-name-2024",
    "ask-for-more-than-twenty-characters-here-1",
    "key = lambda item: (item.start_line, -item.end_line, item.name)",
    "primary_key = 'customer_order_line_item_id_v2'",
    "eyJ is how a token begins",
    "Authorization: Bearer <token>",
    "form.password.data == form.password2.data",
    'raise ValueError("token must be at least 16 characters: a1b2")',
    "passenger = 'Zk3pTq9vWm'",
]
SECRET_PATHS = (
    ".env .env.local prod/.env.production config.env server.pem tls/private.key id_rsa .ssh/id_ed25519 credentials"
    " .aws/credentials .aws/config .netrc .npmrc .pypirc kubeconfig .kube/config .docker/config.json secrets.yaml"
    " terraform.tfstate prod.tfvars store.jks .git-credentials .htpasswd Service-Account-1.json"
)
OPEN_PATHS = (
    "env.py environment.ts src/secrets.py keys.go id_rsa.pub key.rs config.json .github/config.yml monkey.py"
    " credentials.py docker/config.py token.py npmrc.md public_key.txt"
)


@pytest.mark.parametrize(("source", "secret"), SECRETS)
def test_a_secret_is_found_and_taken_out(source: str, secret: str) -> None:
    source, secret = source.replace("|", ""), secret.replace("|", "")
    assert secret in source
    assert has_secret(source)
    clean = without_secrets(source)
    assert secret not in clean
    assert not has_secret(clean)
    assert clean.count("\n") == source.count("\n")


@pytest.mark.parametrize("source", HARMLESS)
def test_what_only_looks_like_a_secret_stays(source: str) -> None:
    assert without_secrets(source) == source
    assert not has_secret(source)


def test_only_the_value_is_replaced() -> None:
    assert (
        without_secrets('a = 1\npassword = "hunter2!Xq"  # old\nb = 2\n') == 'a = 1\npassword = "..."  # old\nb = 2\n'
    )


@pytest.mark.parametrize("path", SECRET_PATHS.split())
def test_a_file_of_secrets_is_known_by_its_name(path: str) -> None:
    assert is_secret_path(path)


@pytest.mark.parametrize("path", OPEN_PATHS.split())
def test_source_files_are_no_files_of_secrets(path: str) -> None:
    assert not is_secret_path(path)


def test_what_stands_between_two_keys_is_no_part_of_either() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n"
    between = "digest = 58cd2187c01e70e6e26505bca751777aa9f2ee0b\n"
    text = key.format("...") + between + key.format("MIIEowIBAAKCAQEA1c7+9z5Pad7OejecsQ0b")
    assert without_secrets(text) == key.format("...") + between + key.format("...")
    assert without_secrets(key.format("...") + between + key.format("...")).count(between) == 1


PIECES = [secret.replace("|", "") for secret, _ in SECRETS] + HARMLESS + ["\n", " ", "İ", "é = 1", "'", '"']


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8))
def test_a_clean_text_is_clean_and_keeps_its_lines(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    clean = without_secrets(text)
    assert clean.count("\n") == text.count("\n")
    assert without_secrets(clean) == clean
