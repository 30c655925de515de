from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.redaction_speed import ALPHABET
from perflab.vocabulary.redact import LOOKED_AT, LineByLine, beginning, redact, redact_values
from perflab.vocabulary.text import one_line

SECRET_TEXTS = [
    "Authorization: Bearer hunter2",
    "authorization=Basic hunter2",
    "sent bearer hunter2 to /a",
    "postgresql://user:hunter2@db/x",
    "serve --db-password hunter2 --port 1",
    "serve --api-key=hunter2",
    "password: 'hunter2'",
    '{"access_token": "hunter2"}',
    "GET /a?x=hunter2&y=1 failed",
    "Set-Cookie: hunter2; Path=/",
    "X-API_KEY: hunter2",
    "Authorization: Token hunter2",
    "Cookie: theme=dark; session=hunter2",
    "serve --password='two hunter2'",
    "serve --password 'two hunter2' --port 1",
    "postgresql://user:p@hunter2@db/x",
    r'{"body": "{\"token\": \"hunter2\"}"}',
    "DB_PASS=hunter2 serve",
    "PGPWD=hunter2",
    "refused eyJhbGciOiJub25lIn0.hunter2.",
    # Of the kind that a pattern with fewer ways to match might miss.
    "the access-token hunter2",
    "my.X-Api-Key:hunter2",
    "token pass secret_word = hunter2",
    "a-eyJ.eyJhbGciOiJub25lIn0.hunter2",
    "eyJhbGciOiJub25lIn0.a.b.c.hunter2",
    "İ PASSWORD=hunter2",
    "password='two hunter2",
    "--Token 'two hunter2",
    "--x -y--pwd\t\nhunter2",
    "cookie cookie-cookie\t=\t'hunter2'",
    # URLs: with a name, without one, with a password that somebody forgot to quote.
    "GET http://bob:hunter2@host/x",
    "redis://:hunter2@host",
    "http://bob:pa/hunter2@host/x",
    # Headers of several words, in the ways in which clients and languages show them.
    'Authorization: Digest username="u", realm="r", response="hunter2"',
    "{'Authorization': 'Digest username=\"u\", response=\"hunter2\"', 'Accept': '*/*'}",
    r'{"headers": "Authorization: Digest username=\"u\", response=\"hunter2\""}',
    'sent Digest username="u", response="hunter2"',
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=hunter2",
    "[('accept', '*/*'), ('authorization', 'Bearer hunter2')]",
    "[(b'cookie', b'session=hunter2')]",
    'Cookie: a="x"; session="hunter2"',
    "Proxy-Authorization: Negotiate hunter2",
    '{"headers": {"cookie": ["a=hunter2", "b=hunter2"], "Authorization": ["Bearer hunter2"]}}',
    "map[Accept:[*/*] Authorization:[Bearer hunter2] Cookie:[session=hunter2]]",
    '{"api-token": ["hunter2", "x hunter2"]}',
    "X-Auth-Key: hunter2",
    # What names mean elsewhere.
    "/callback?code=hunter2&state=1",
    "/x?key=hunter2",
    "/x?a=1&sig=hunter2",
    "/x?session=hunter2",
    "/x?sid=hunter2",
    "/x?auth=hunter2",
    "/x?jwt=hunter2",
    "/x?otp=hunter2",
    "/x;jsessionid=hunter2",
    "https://b/x?X-Amz-Signature=hunter2",
    "/x#id_token=hunter2",
    "/login?next=%2Fhome%3Ftoken%3Dhunter2%26a%3D1",
    "refresh_token%3Dhunter2",
    "orders.api.key=hunter2",
    "username=bob&otp=hunter2",
    "sessionid=hunter2; csrftoken=1",
    "PHPSESSID=hunter2",
    '{"otp": "hunter2"}',
    "'session' => 'hunter2'",
    "password == 'hunter2'",
    "password := 'hunter2'",
    "AccountKey=hunter2;EndpointSuffix=core",
    "<wsse:Password Type='text'>hunter2</wsse:Password>",
    '<input name="csrf_token" value="hunter2">',
    "CREATE ROLE bob LOGIN PASSWORD 'hunter2'",
    "IDENTIFIED BY 'two hunter2'",
    # Python, as a traceback shows it.
    'self.client.get("/", auth=("bob", "hunter2"))',
    "HTTPBasicAuth('bob', 'two hunter2')",
    "{'url': '/', 'auth': (user, 'hunter2')}",
    # Commands.
    "curl -u bob:hunter2 http://h/",
    "curl -ubob:hunter2 http://h/",
    "curl --user 'bob:two hunter2' http://h/",
    r'{"command": "curl -u \"bob:two hunter2\" http://h/"}',
    "curl --proxy-user=bob:hunter2",
    "curl -H 'Authorization: Bearer hunter2' http://h/",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
    r"-----BEGIN PRIVATE KEY-----\nhunter2\n",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1 - a\n\nhunter2",
]
# Of each a shape alone: nothing near it says what it is. Made up, in two pieces, so that nobody takes them for real.
TAIL = "hunter2Hunter2hunter2Hunter2hunter2Hunter2"
HEX = "0123456789abcdef" * 2
TOKENS = [
    *("ghp_" + TAIL, "github_pat_" + TAIL, "glpat-" + TAIL, "xoxb-" + TAIL, "xapp-1-" + TAIL, "AKIA" + "ABCDEFGH" * 2),
    *("AIza" + TAIL, "ya29." + TAIL, "GOCSPX-" + TAIL, "sk_live_" + TAIL, "sk-proj-" + TAIL, "sk-" + TAIL),
    *("npm_" + TAIL, "pypi-AgE" + TAIL, "hvs." + TAIL, "SG." + TAIL + "." + TAIL, "SK" + HEX, "dop_v1_" + TAIL),
    *("shpat_" + TAIL, "whsec_" + TAIL, "LS0tLS1CRUdJTi" + TAIL, "AGE-SECRET-KEY-1" + TAIL, "dapi" + HEX),
    "hooks.slack.com/services/" + TAIL,
]


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_secrets_are_taken_out(text: str) -> None:
    assert "hunter2" not in redact(text)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("around", ["{}", "/reset/{}:now", "refused '{}'", "id={}&x=1", "({})"])
def test_tokens_of_known_shapes_are_taken_out_wherever_they_are(token: str, around: str) -> None:
    front, back = around.split("{}")
    shown = redact_values(around.replace("{}", token))
    assert shown.startswith(front)
    assert shown.endswith(back)
    assert token[-8:] not in shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "token expired",
            "503 Service Unavailable",
            "http://h:1/a/b",
            "status 401",
            "compass=3",
            "re-eyJab",
            "a--b c",
        ),
        *("http://h:8080/@me", "http://h:80/a@b", "/users/@me", "bob@example.org", "at 12:30:15", "sort_key=name"),
        *("footpath: 3", "auth: 2 of 3", "session: 12 users", "pin the version", "spin=3", "design=5", "author='x'"),
        *(
            "-----BEGIN CERTIFICATE-----\nabc",
            "curl -u bob",
            "sk-learn",
            "glossary-of-terms-and-definitions",
        ),
        *(
            "Cookies",
            "<Token expired> then",
            "code: 404",
            "key: value",
            '{"code": "not_found"}',
            "basically all",
            "the bearer token is not valid",
        ),
        *(
            "locust_stats.csv",
            "gh_pages",
            "/api/v1/auth/login",
            "auth p95_ms at 20 users",
            "[auth] 12 %",
            "users-0020-r1",
        ),
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_secret_that_is_cut_in_two_is_not_left_half_visible(text: str) -> None:
    for cut in range(1, len(text)):
        padding = "x" * (LOOKED_AT - cut - 1) + " "
        assert "hun" not in redact(beginning(padding + text)), cut


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_that_is_cut_in_two_is_not_left_half_visible(token: str) -> None:
    for cut in range(1, len(token)):
        shown = redact(beginning("x" * (LOOKED_AT - cut - 1) + " " + token))
        assert "unter2" not in shown, cut
        assert HEX[:8] not in shown, cut


@given(st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join))
def test_what_is_redacted_stays_as_it_is(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def test_a_private_key_is_taken_out_line_by_line_and_what_follows_stays() -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", "", *["hunter2" * 9 + "="] * 3]
    for end in (["-----END RSA PRIVATE KEY-----"], []):
        lines = LineByLine()
        shown = [lines.redact(line) for line in ["before", *key, *end, "it is refused: why", "after"]]
        assert "hunter2" not in "".join(shown)
        assert (shown[0], shown[-2:]) == ("before", ["it is refused: why", "after"])


def test_a_long_text_is_shortened_as_a_short_one() -> None:
    assert beginning("a" * LOOKED_AT) == "a" * LOOKED_AT
    shown = redact(beginning("GET http://h/a " + "x" * 16_000))
    assert shown.startswith("GET http://h/a xxx")
    assert shown.endswith("…")
    assert one_line(shown) == one_line("GET http://h/a " + "x" * 16_000)


def test_letters_of_all_scripts_leave_the_places_of_secrets_as_they_are() -> None:
    every = "".join(map(chr, range(1, 0xD800))) + "".join(map(chr, range(0xE000, sys.maxunicode + 1)))
    assert redact_values(every + " token=hunter2 " + every).count("token=… ") == 1
