//! Every credential against a fake Entra, identity service or command line.

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use huntbook_azure::Error;
use huntbook_azure::cloud::Cloud;
use huntbook_azure::credential::{
    AzureCli, AzureDeveloperCli, CertificateKey, Credential, DeviceCode, Directory, GivenToken, ManagedIdentity, Proof,
    ServicePrincipal, TokenSource, default_chain,
};
use huntbook_azure::secret::Secret;
use huntbook_azure::secret_source::SecretSource;
use serde_json::{Value, json};
use support::{Act, Received, Server, json, run, status, transport};

const SCOPE: &str = "https://api.loganalytics.io/.default";
const TENANT: &str = "contoso.onmicrosoft.com";
const CLIENT: &str = "99999999-8888-7777-6666-555555555555";

fn grant(token: &str) -> Act {
    json(200, &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token}))
}

fn deny(code: &str, description: &str) -> Act {
    json(400, &json!({"error": code, "error_description": description}))
}

fn token(credential: impl Credential + 'static) -> Result<String, String> {
    let source = TokenSource::new(credential);
    let transport = transport();
    let result = run(source.token(&transport, SCOPE));
    let shown = format!("{source:?} {:?} {result:?}", source.won());
    assert!(!shown.contains("planted"), "{shown}");
    result.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
}

fn principal(server: &Server, proof: Proof) -> ServicePrincipal {
    ServicePrincipal::new(Directory::at(&server.address(), TENANT).unwrap(), CLIENT, proof)
}

fn test_key() -> CertificateKey {
    CertificateKey::from_pem_file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/test-only.pem"))).unwrap()
}

#[test]
fn a_client_secret() {
    let server = Server::start(|_, _| grant("planted-token-1"));
    let proof = || Proof::Secret(Secret::new("planted+secret/é&="));
    assert_eq!(token(principal(&server, proof())).unwrap(), "planted-token-1");
    let request = &server.received()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/contoso.onmicrosoft.com/oauth2/v2.0/token")
    );
    let field = |name| request.field(name);
    assert_eq!(field("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(field("client_id").as_deref(), Some(CLIENT));
    assert_eq!(field("scope").as_deref(), Some(SCOPE));
    assert_eq!(field("client_secret").as_deref(), Some("planted+secret/é&="));

    let server = Server::start(|_, _| deny("invalid_client", "AADSTS7000215: Invalid client secret.\r\nTrace ID: 1"));
    let error = token(principal(&server, proof())).unwrap_err();
    assert!(
        error.contains("AADSTS7000215: Invalid client secret. (invalid_client)") && !error.contains("Trace"),
        "{error}"
    );
}

/// The signature and the claims, as Entra checks them.
fn check_assertion(request: &Received, address: &str) {
    let assertion = request.field("client_assertion").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let pem = include_bytes!("keys/test-only.pem");
    let key =
        <rustls::pki_types::PrivatePkcs8KeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(pem).unwrap();
    let key = ring::rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let public =
        ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PSS_2048_8192_SHA256, key.public().as_ref());
    public.verify(signed.as_bytes(), &decode(signature)).expect("signed with PS256 by the certificate's key");
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    // By `openssl x509 -outform DER | openssl dgst -sha256`.
    assert_eq!(
        header,
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": "6U6ALYWIR__FyEN4Rq--4rqtvoNNyz1Mw_E0EWtzCnY"})
    );
    let claims: Value = serde_json::from_slice(&decode(claims)).unwrap();
    assert_eq!(claims["aud"], json!(format!("{address}/{TENANT}/oauth2/v2.0/token")));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT), &json!(CLIENT)));
    assert!(claims["exp"].as_u64().unwrap() > claims["nbf"].as_u64().unwrap());
}

#[test]
fn a_certificate_signs_an_assertion() {
    let server = Server::start(|_, _| grant("planted-token-2"));
    assert_eq!(token(principal(&server, Proof::Certificate(Box::new(test_key())))).unwrap(), "planted-token-2");
    check_assertion(&server.received()[0], &server.address());
    let folder = tempfile::tempdir().unwrap();
    let pfx = folder.path().join("x.pfx");
    std::fs::write(&pfx, [0x30, 0x82, 1, 2]).unwrap();
    let error = CertificateKey::from_pem_file(&pfx).err().unwrap().to_string();
    assert!(error.contains("openssl pkcs12"), "{error}");
}

#[test]
fn a_workload_identity_reads_its_file_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "planted-federated-1\n").unwrap();
    let server = Server::start(|request, _| grant(&format!("for-{}", request.field("client_assertion").unwrap())));
    let credential = principal(&server, Proof::FederatedFile(file.clone()));
    let transport = transport();
    let fetch = || huntbook_azure::run(&|| false, async { Ok(credential.token(&transport, SCOPE).await?) }).unwrap();
    assert_eq!(fetch().secret.expose(), "for-planted-federated-1");
    std::fs::write(&file, "planted-federated-2").unwrap();
    assert_eq!(fetch().secret.expose(), "for-planted-federated-2");
    let gone = principal(&server, Proof::FederatedFile("/no/such/token".into()));
    assert!(token(gone).unwrap_err().contains("/no/such/token"));
}

#[test]
fn a_managed_identity_of_a_machine_and_of_an_app() {
    let in_an_hour = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600;
    let answer =
        move |token: &str| json!({"access_token": token, "expires_on": in_an_hour.to_string(), "resource": "r"});
    let machine = Server::start(move |request, number| match (request.header("metadata"), number) {
        (Some("true"), 0) => status(429, &[("retry-after", "0")]),
        (Some("true"), _) => json(200, &answer("planted-machine")),
        _ => status(400, &[]),
    });
    let credential = ManagedIdentity::machine(Some(&machine.address()), Some("my-id".into())).unwrap();
    assert_eq!(token(credential).unwrap(), "planted-machine");
    assert_eq!(
        machine.received()[0].target,
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fapi.loganalytics.io&client_id=my-id"
    );

    let app = Server::start(move |request, _| match request.header("x-identity-header") {
        Some("planted-header") => json(200, &answer("planted-app")),
        _ => status(401, &[]),
    });
    let address = format!("{}/msi/token", app.address());
    let env: HashMap<&str, &str> =
        [("IDENTITY_ENDPOINT", address.as_str()), ("IDENTITY_HEADER", "planted-header")].into();
    let credential = ManagedIdentity::from_env(&|name| env.get(name).map(|value| (*value).to_owned()), None).unwrap();
    assert_eq!(token(credential).unwrap(), "planted-app");
    assert!(
        app.received()[0].target.starts_with("/msi/token?api-version=2019-08-01&resource=https"),
        "{:?}",
        app.received()
    );

    assert!(ManagedIdentity::machine(Some("http://evil.example"), None).is_err());
}

#[cfg(unix)]
fn script(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[cfg(unix)]
#[test]
fn the_command_lines_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("arguments");
    let az = script(
        &folder,
        "az",
        &format!(
            "echo \"$@\" > '{}'\necho '{{\"accessToken\":\"planted-az\",\"expires_on\":4102444800}}'",
            log.display()
        ),
    );
    assert_eq!(token(AzureCli::at(&az, Some(TENANT)).unwrap()).unwrap(), "planted-az");
    let arguments = std::fs::read_to_string(&log).unwrap();
    assert_eq!(arguments.trim(), format!("account get-access-token --output json --scope {SCOPE} --tenant {TENANT}"));
    let old =
        script(&folder, "old", "echo '{\"accessToken\":\"planted-old\",\"expiresOn\":\"2099-12-31 23:59:59.000000\"}'");
    assert_eq!(token(AzureCli::at(&old, None).unwrap()).unwrap(), "planted-old");
    let azd = script(&folder, "azd", "echo '{\"token\":\"planted-azd\",\"expiresOn\":\"2099-12-31T23:59:59Z\"}'");
    assert_eq!(token(AzureDeveloperCli::at(&azd, None).unwrap()).unwrap(), "planted-azd");
    let signed_out = script(&folder, "out", "echo 'ERROR: Please run az login' >&2\nexit 1");
    let error = token(AzureCli::at(&signed_out, None).unwrap()).unwrap_err();
    assert!(error.contains("ERROR: Please run az login") && error.contains("`az login`"), "{error}");
    assert!(token(AzureCli::at("/no/such/az", None).unwrap()).unwrap_err().contains("not installed"));
    for tenant in ["--help", "a b", "", "x;y"] {
        assert!(AzureCli::at(&az, Some(tenant)).is_err(), "{tenant}");
    }
}

fn device_server(answers: Vec<Act>) -> Server {
    Server::start(move |request, number| {
        if request.target.ends_with("/devicecode") {
            return json(
                200,
                &json!({"user_code": "ABCD-EFGH", "device_code": "planted-device-code", "expires_in": 900, "interval": 0,
                    "verification_uri": "https://microsoft.com/devicelogin", "message": "Open the page and enter ABCD-EFGH."}),
            );
        }
        answers.get(number - 1).cloned().unwrap_or(Act::Hang)
    })
}

fn device(server: &Server, shown: &Arc<Mutex<Vec<String>>>) -> DeviceCode {
    let shown = Arc::clone(shown);
    DeviceCode::new(Directory::at(&server.address(), "organizations").unwrap(), CLIENT, move |prompt| {
        shown.lock().unwrap().push(format!("{} {}", prompt.verification_uri, prompt.message));
    })
}

#[test]
fn a_device_code_is_shown_and_waited_for() {
    let pending = deny("authorization_pending", "AADSTS70016");
    let granted =
        json(200, &json!({"expires_in": 3599, "access_token": "planted-device", "refresh_token": "planted-refresh"}));
    let server = device_server(vec![pending.clone(), pending, granted, grant("planted-renewed")]);
    let shown = Arc::default();
    let source = TokenSource::new(device(&server, &shown));
    let transport = transport();
    assert_eq!(run(source.token(&transport, SCOPE)).unwrap().expose(), "planted-device");
    assert_eq!(*shown.lock().unwrap(), ["https://microsoft.com/devicelogin Open the page and enter ABCD-EFGH."]);
    // Another service needs no second sign-in.
    assert_eq!(run(source.token(&transport, "https://other/.default")).unwrap().expose(), "planted-renewed");
    let last = server.received().pop().unwrap();
    assert_eq!(last.field("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(last.field("scope").as_deref(), Some("https://other/.default offline_access"));
    assert_eq!(shown.lock().unwrap().len(), 1);
}

#[test]
fn a_device_code_that_is_declined_or_too_old() {
    for (code, words) in
        [("authorization_declined", "declined"), ("expired_token", "expired"), ("bad_verification_code", "odd")]
    {
        let server = device_server(vec![deny("authorization_pending", ""), deny(code, "odd")]);
        let error = token(device(&server, &Arc::default())).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_sign_in_can_be_interrupted_while_it_is_slowed_down() {
    let server = device_server(vec![deny("slow_down", "")]);
    let source = TokenSource::new(device(&server, &Arc::default()));
    let transport = transport();
    let cancelled = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while server.received().len() < 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(50));
            cancelled.store(true, Ordering::SeqCst);
        });
        let result = huntbook_azure::run(&|| cancelled.load(Ordering::SeqCst), source.token(&transport, SCOPE));
        assert!(result.unwrap_err().is_cancelled());
    });
    assert_eq!(server.received().len(), 2, "after slow_down it waits five seconds");
}

#[test]
fn tokens_are_kept_and_renewed_ahead_by_one_request() {
    let server = Server::start(|_, number| {
        let body = json!({"expires_in": 3, "access_token": format!("planted-{number}")});
        Act::After(Duration::from_millis(50), Box::new(json(200, &body)))
    });
    let source = TokenSource::new(principal(&server, Proof::Secret(Secret::new("planted-secret"))));
    let transport = transport();
    let all_at_once = || {
        let tokens = run(async {
            let wanted = (0..8).map(|_| source.token(&transport, SCOPE));
            futures_util::future::try_join_all(wanted).await
        });
        tokens.unwrap().iter().map(|token| token.expose().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(all_at_once(), vec!["planted-0"; 8]);
    // Half of its three seconds are over, the token is not.
    std::thread::sleep(Duration::from_millis(1700));
    assert_eq!(all_at_once(), vec!["planted-1"; 8]);
    assert_eq!(server.received().len(), 2);
    run(source.token(&transport, "https://vault.azure.net/.default")).unwrap();
    assert_eq!(server.received().len(), 3, "each scope has a token of its own");
}

#[test]
fn the_chain_says_who_won_or_why_nobody_did() {
    let server = Server::start(|_, _| grant("planted-chain"));
    let env: HashMap<&str, String> = [
        ("AZURE_CLIENT_ID", CLIENT.to_owned()),
        ("AZURE_TENANT_ID", TENANT.to_owned()),
        ("AZURE_CLIENT_SECRET", "planted-secret".to_owned()),
        ("AZURE_AUTHORITY_HOST", server.address()),
    ]
    .into();
    let chain = default_chain(Cloud::Public, None, &|name| env.get(name).cloned()).unwrap();
    let source = TokenSource::new(chain);
    assert_eq!(source.won(), None);
    let transport = transport();
    assert_eq!(run(source.token(&transport, SCOPE)).unwrap().expose(), "planted-chain");
    assert_eq!(source.won().unwrap(), format!("the client secret of application {CLIENT} in tenant {TENANT}"));

    let server = Server::start(|request, _| {
        if request.target.starts_with("/metadata") {
            status(404, &[])
        } else {
            deny("unauthorized_client", "AADSTS700016: no app")
        }
    });
    let env: HashMap<&str, String> = [
        ("AZURE_CLIENT_ID", CLIENT.to_owned()),
        ("AZURE_TENANT_ID", TENANT.to_owned()),
        ("AZURE_CLIENT_SECRET", "planted-secret".to_owned()),
        ("AZURE_AUTHORITY_HOST", server.address()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.address()),
    ]
    .into();
    let error = token(default_chain(Cloud::Public, None, &|name| env.get(name).cloned()).unwrap());
    // An `az` that is signed in on the tester's machine would win.
    if let Err(error) = error {
        for words in ["AADSTS700016", "AZURE_FEDERATED_TOKEN_FILE", "managed identity", "Azure CLI", "device code"] {
            assert!(error.contains(words), "{words} is missing in {error}");
        }
    }
}

#[test]
fn a_given_token_that_has_expired() {
    let jwt =
        |expiry: u64| format!("planted.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(json!({"exp": expiry}).to_string()));
    assert!(token(GivenToken::new(Secret::new(jwt(1_000_000_000)))).unwrap_err().contains("expired"));
    assert_eq!(token(GivenToken::new(Secret::new(jwt(4_102_444_800)))).unwrap(), jwt(4_102_444_800));
    assert_eq!(token(GivenToken::new(Secret::new("planted-opaque"))).unwrap(), "planted-opaque");
}

fn vault(resource: &'static str) -> Server {
    Server::start(move |request, _| match request.header("authorization") {
        Some("Bearer planted-vault-token") => json(200, &json!({"value": "planted-key", "id": "i"})),
        Some(_) => status(403, &[]),
        None => {
            let challenge =
                format!("Bearer authorization=\"https://login.microsoftonline.com/t\", resource=\"{resource}\"");
            Act::Reply(401, vec![("www-authenticate", challenge)], Vec::new())
        }
    })
}

#[test]
fn a_vault_gets_a_token_only_if_it_asks_as_a_vault_does() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let scopes = Arc::clone(&asked);
    let entra = Server::start(move |request, _| {
        scopes.lock().unwrap().push(request.field("scope").unwrap());
        grant("planted-vault-token")
    });
    let source = SecretSource::parse("secret://hunt/wsSharedKey").unwrap().unwrap();
    let resolve = |vault: &Server| {
        let tokens = TokenSource::new(principal(&entra, Proof::Secret(Secret::new("planted-secret"))));
        let (transport, endpoint) = (transport(), vault.endpoint());
        run(source.resolve(&transport, Some(&tokens), Cloud::Public, Some(&endpoint)))
    };
    let good = vault("http://localhost");
    assert_eq!(resolve(&good).unwrap().expose(), "planted-key");
    assert_eq!(good.received()[1].target, "/secrets/wsSharedKey?api-version=7.4");
    assert_eq!(*asked.lock().unwrap(), ["http://localhost/.default"]);
    for resource in ["https://management.azure.com", "https://vault.azure.net", "https://evil.example", "x"] {
        let bad = vault(resource);
        let error = resolve(&bad).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{resource}: {error}");
        assert!(bad.received().iter().all(|request| request.header("authorization").is_none()));
    }
    assert_eq!(asked.lock().unwrap().len(), 1, "no token was even asked for");
}
