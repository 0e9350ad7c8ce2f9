use proptest::prelude::*;

use super::*;

fn values(secrets: &[&str]) -> Values {
    Values::new(secrets.iter().copied())
}

const SECRET: &str = "s3cr3t+/=\"key'&<>värde";

#[test]
fn a_registered_value_in_all_its_forms() {
    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    let values = values(&[SECRET]);
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let mut texts = vec![
        format!("a {SECRET} b"),
        format!("u={encoded}&x=1"),
        format!("u={}&x=1", encoded.to_lowercase()),
        serde_json::json!({ "key": SECRET }).to_string(),
        serde_json::json!({ "text": serde_json::json!({ "key": SECRET }).to_string() }).to_string(),
        format!("{SECRET:?}"),
        SECRET
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
    ];
    for around in ["", "a", "ab", "user:"] {
        texts.push(BASE64_STANDARD.encode(format!("{around}{SECRET}{around}")));
        texts.push(BASE64_URL_SAFE.encode(format!("{around}{SECRET}")));
    }
    for text in texts {
        assert!(redact_with(&values, &text).contains(MARK), "{text}");
    }
    assert_eq!(redact_with(&values, "nothing here"), "nothing here");
}

#[test]
fn a_private_key_is_found_by_its_lines() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----";
    assert!(redact_with(&values(&[key]), "  MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\n").contains(MARK));
}

#[test]
fn what_looks_like_a_secret_of_azure() {
    let none = values(&[]);
    for (text, expected) in [
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abcDEF123+/==;EndpointSuffix=core.windows.net",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=[redacted];EndpointSuffix=core.windows.net",
        ),
        (
            "https://a.blob.core.windows.net/c?sv=1&sig=abc%2Bdef%3D%3D&sp=r",
            "https://a.blob.core.windows.net/c?sv=1&sig=[redacted]&sp=r",
        ),
        ("?se=2026-01-01T00%3A00%3A00Z&x", "?se=[redacted]&x"),
        ("SharedAccessSignature=sv=2024&sig=abcdefgh", "SharedAccessSignature=[redacted]"),
        ("Authorization: Bearer abcdefghijklmnop.q", "Authorization: Bearer [redacted]"),
        ("SharedKey 1111-22:abcdefghijklmnop==", "SharedKey [redacted]"),
        ("{\"access_token\": \"abc def ghi\", \"n\": 1}", "{\"access_token\": \"[redacted]\", \"n\": 1}"),
        ("{\\\"client_secret\\\":\\\"abcdefgh\\\"}", "{\\\"client_secret\\\":\\\"[redacted]\\\"}"),
        ("grant=x&client_secret=abc~defgh&y=1", "grant=x&client_secret=[redacted]&y=1"),
        ("Server=x;User=y;Password=pw;Z=1", "Server=x;User=y;Password=[redacted];Z=1"),
        ("x-api-key: abcdefgh12", "x-api-key: [redacted]"),
        ("token eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln. It", "token [redacted]. It"),
    ] {
        assert_eq!(redact_with(&none, text), expected);
    }
    for prose in [
        "the bearer of news",
        "a design=abcdefghij",
        "eyJ1c2VyIjoibWUifQ==",
        "access_token is a claim",
        "let access_tokens = 3;",
        "SigninLogs | where se=1",
        "use=abcdefghij2026-01-01",
    ] {
        assert_eq!(redact_with(&none, prose), prose);
    }
}

#[test]
fn the_cells_of_the_original_notebooks() {
    // They print what they read from the vault.
    let connection = "DefaultEndpointsProtocol=https;AccountName=hunt;AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4==;EndpointSuffix=core.windows.net";
    let values = values(&["Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4=="]);
    assert!(!redact_with(&values, &format!("connectionString: {connection}")).contains("Zm9v"));
    assert_eq!(redact_with(&values, "key: Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4=="), "key: [redacted]");
}

fn streamed(values: &Values, text: &str, cuts: &[usize]) -> String {
    let mut stream = Stream::new();
    let mut out = String::new();
    let mut rest = text;
    for cut in cuts {
        let mut at = (*cut).min(rest.len());
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (piece, tail) = rest.split_at(at);
        out.push_str(&stream.pass_with(values, piece, false));
        rest = tail;
    }
    out.push_str(&stream.pass_with(values, rest, false));
    out.push_str(&stream.pass_with(values, "", true));
    out
}

#[test]
fn a_registered_value_is_gone_for_the_whole_process() {
    register("planted-registered-value");
    register("tiny");
    assert_eq!(text("a planted-registered-value, tiny"), "a [redacted], tiny");
    let mut stream = Stream::new();
    let shown = [stream.push("a planted-regi"), stream.push("stered-value b"), stream.finish()].concat();
    assert_eq!(shown, "a [redacted] b");
    let secret = crate::secret::Secret::new("planted-by-secret");
    assert_eq!(text(secret.expose()), MARK);
}

#[test]
fn text_without_a_secret_passes_at_once() {
    let mut stream = Stream::new();
    assert_eq!(stream.pass_with(&values(&["hunter2"]), "progress 10 %", false), "progress 10 %");
    assert_eq!(stream.pass_with(&values(&["hunter2"]), " hun", false), " ");
    assert_eq!(stream.pass_with(&values(&["hunter2"]), "ting", false), "hunting");
}

#[test]
fn a_secret_without_end_takes_no_memory() {
    let mut stream = Stream::new();
    let mut out = stream.pass_with(&values(&[]), "AccountKey=aaaaaaaaaaaa", false);
    for _ in 0..1000 {
        out.push_str(&stream.pass_with(&values(&[]), &"b".repeat(1000), false));
        assert!(stream.held.len() < 100);
    }
    out.push_str(&stream.pass_with(&values(&[]), "; ok", false));
    out.push_str(&stream.pass_with(&values(&[]), "", true));
    assert_eq!(out, "AccountKey=[redacted]; ok");
}

#[test]
fn a_secret_that_may_go_on_as_a_registered_one_keeps_its_keyword() {
    let values = values(&["hunter2", "p;q-long secret"]);
    for (text, cuts) in [
        ("AccountKey=abcdefgh123;?sig=abcdefghij&", &[5, 3, 1, 3, 7, 0, 0, 0][..]),
        ("AccountKey=abcdefgh123;", &[2, 6, 4, 6, 1][..]),
    ] {
        assert_eq!(streamed(&values, text, cuts), redact_with(&values, text));
    }
}

proptest! {
    #[test]
    fn pieces_are_redacted_like_the_whole(
        parts in prop::collection::vec(prop_oneof![
            Just("hunter2".to_owned()), Just("p;q-long secret".to_owned()), Just("AccountKey=abcdefgh123;".to_owned()),
            Just("?sig=abcdefghij&".to_owned()), Just(" Bearer abcdefghijklmnopqrstu ".to_owned()),
            Just(" eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln ".to_owned()), Just("{\"access_token\":\"abcdefghij\"}".to_owned()),
            "[a-zA-Z0-9 ;&=.\"é]{0,6}",
        ], 1..8),
        cuts in prop::collection::vec(0_usize..9, 0..40),
    ) {
        let values = values(&["hunter2", "p;q-long secret"]);
        let text = parts.concat();
        prop_assert_eq!(streamed(&values, &text, &cuts), redact_with(&values, &text));
    }
}
