//! The blob client against Azurite, the emulator of Azure Storage: `HUNTBOOK_AZURITE` is the address of a running one,
//! such as http://127.0.0.1:10000. `tests/python/test_blob.py` starts one from npm and runs the commands against it.

use huntbook_azure::blob::{Auth, BlobAccount, BlobError, BlobErrorKind, ConnectionString, Location};

const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn emulator() -> Option<(BlobAccount, String)> {
    let Ok(address) = std::env::var("HUNTBOOK_AZURITE") else {
        eprintln!("SKIPPED: HUNTBOOK_AZURITE names no running Azurite");
        return None;
    };
    let text = format!("AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint={address}/devstoreaccount1");
    Some((BlobAccount::connect(ConnectionString::parse(&text).unwrap()).unwrap(), address))
}

fn any(_: usize) -> Result<(), BlobError> {
    Ok(())
}

async fn put(account: &BlobAccount, container: &str, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
    let mut writer = account.write(container, name, Some(bytes.len() as u64), false);
    writer.write(bytes).await?;
    writer.finish().await
}

#[tokio::test]
async fn blobs_of_any_name_are_written_listed_read_and_removed() {
    let Some((account, _)) = emulator() else { return };
    let container = "names";
    account.make_container(container).await.unwrap();
    account.make_container(container).await.unwrap();
    let names = ["a//b.json", "a/c d+e%20&?#é.json", "a/x=1/y.json", "top.json", "a/quote'\".json"];
    for name in names {
        put(&account, container, name, name.as_bytes()).await.unwrap();
        assert_eq!(account.read_all(container, name).await.unwrap(), name.as_bytes());
    }
    let all = account.list(container, "", true, any).await.unwrap();
    let mut listed: Vec<&str> = all.blobs.iter().map(|blob| blob.name.as_str()).collect();
    listed.sort_unstable();
    let mut wanted = names.to_vec();
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    let below = account.list(container, "a/", false, any).await.unwrap();
    assert_eq!(below.folders, ["a//", "a/x=1/"]);
    for name in names {
        account.delete(container, name).await.unwrap();
    }
    assert_eq!(account.delete(container, "top.json").await.unwrap_err().kind, BlobErrorKind::NotFound);
    assert!(account.containers().await.unwrap().iter().any(|name| name == container));
}

#[tokio::test]
async fn a_blob_of_many_blocks_is_whole_or_not_there() {
    let Some((account, _)) = emulator() else { return };
    let container = "blocks";
    account.make_container(container).await.unwrap();
    let bytes: Vec<u8> = (0..20_000_001u32).map(|at| (at % 251) as u8).collect();
    let mut half = account.write(container, "big.bin", None, false);
    half.write(&bytes).await.unwrap();
    drop(half);
    assert!(
        account.list(container, "", true, any).await.unwrap().blobs.is_empty(),
        "blocks without a list are not seen"
    );
    put(&account, container, "big.bin", &bytes).await.unwrap();
    assert_eq!(put(&account, container, "big.bin", &bytes).await.unwrap_err().kind, BlobErrorKind::Exists);
    assert_eq!(put(&account, container, "big.bin", b"x").await.unwrap_err().kind, BlobErrorKind::Exists);
    assert!(account.read_all(container, "big.bin").await.unwrap() == bytes);
    let info = account.properties(container, "big.bin").await.unwrap();
    assert_eq!(info.bytes, bytes.len() as u64);
    let mut part = account.read(container, "big.bin", 9_000_000, Some(1000), Some(&info.etag)).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = part.next().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert!(read == bytes[9_000_000..9_001_000]);
    let mut replaced = account.write(container, "big.bin", None, true);
    replaced.write(b"small").await.unwrap();
    replaced.finish().await.unwrap();
    let changed = account.read(container, "big.bin", 0, None, Some(&info.etag)).await.err().unwrap();
    assert_eq!(changed.kind, BlobErrorKind::Changed);
    account.delete(container, "big.bin").await.unwrap();
}

#[tokio::test]
async fn what_is_refused_says_why_and_nothing_secret() {
    let Some((account, address)) = emulator() else { return };
    let missing = account.list("no-such-container", "", true, any).await.unwrap_err();
    assert_eq!(missing.kind, BlobErrorKind::NotFound);
    assert!(missing.to_string().contains("ContainerNotFound"), "{missing}");
    let wrong = KEY.replace("Eby8", "AAAA");
    let text = format!("AccountName=devstoreaccount1;AccountKey={wrong};BlobEndpoint={address}/devstoreaccount1");
    let stranger = BlobAccount::connect(ConnectionString::parse(&text).unwrap()).unwrap();
    let refused = stranger.list("ccc", "", true, any).await.unwrap_err();
    assert_eq!(refused.kind, BlobErrorKind::Denied, "{refused}");
    assert!(!refused.to_string().contains("AAAA"), "{refused}");
    let Location::Azure(place) = Location::parse(&format!(
        "{address}/devstoreaccount1/ccc/x?sv=2023-11-03&sig=c2VjcmV0&se=2020-01-01&sr=b&sp=r"
    ))
    .unwrap() else {
        panic!("an address")
    };
    let huntbook_azure::blob::AccountRef::Endpoint { endpoint, sas: Some(sas) } = place.account else {
        panic!("a signature")
    };
    let expired = BlobAccount::at(&endpoint, &Auth::Sas(sas)).unwrap().read_all("ccc", "x").await.unwrap_err();
    assert_eq!(expired.kind, BlobErrorKind::Denied, "{expired}");
    assert!(expired.to_string().contains("good until 2020-01-01"), "{expired}");
    assert!(!format!("{expired} {expired:?}").contains("c2VjcmV0"), "{expired}");
    let anonymous = BlobAccount::at(&endpoint, &Auth::Anonymous).unwrap().read_all("ccc", "x").await.unwrap_err();
    assert!(matches!(anonymous.kind, BlobErrorKind::Denied | BlobErrorKind::NotFound), "{anonymous}");
}
