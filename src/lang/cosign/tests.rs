//! Keys of every kind on signatures that OpenSSL made, and what is said of those that are not supported.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Hash, PublicKey, Unverified};

const MESSAGE: &[u8] = b"a message";
const RSA: &str = "
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3CxmQD8Wymr3KHlFg9Dx
KMUmE02cNuSjqFieWqAhB++0mD0Dti1nTNXdif8rFJR7G7+O31cAmQJrEbn50ZmK
PKnSB7zWwXlyawObWzXa8GsqNTJWmuCCUh1KXOoZyAiZa4Py5mI7pBfvdN7TOxbD
M1HQ09SaXrnEdvkl5hPg3NHXE3IlX8cPJGOFksTbXxrSlU78P+wodqTK5UxxmNO8
Czt6Bks7zKp1Rp2tAxtUH2E9ZnTGYC8bK1wVjlSv2WhRnQ7SaJSdvL65qWllblTo
giVZTZ+MvMPiYAqS+Jb584HGIci1dRzruPo9dXj0r5U8Ag76ns4+1RFmYTIlsbpc
awIDAQAB
";
const RSA_SHA256: &str = "
pSF/JoyWggOEc7+UC5ZFQqAjLs6SMckOTBwh8MDaIrtiwVJIIxMOXV8k99kZlukIKVCUWUQ62/+OtxBdJU04jz4xejLN7evE
xh8JLhEUiq4ngye+93Hf7LP47uP7lZSGAwrG2rqQw8iX4p1o4m5A58ImGBHm3XMs2K6aOiUXWKK/wU9R1TH6M65ds1NUfJAm
wtmytafF/l9JA+mEQ73EdTI42OiRTjlkoJSiZSzty6fXtsjzIziOSkplI0xevGG//CUoxoHs/4fECeYcqt2rzWHmgZBB2tUl
1xcIODh7Ln6ReBsrBoKsplZeHujmXhW4LTM/Wl1AEv2uJ2/JoejRYg==
";
const RSA_SHA512: &str = "
XLx+fEbe1K9JnwGBjehLVGSUAiP46KVUBhCEKja3rmc3TOcYAi2J77DBRbvlW10Tl5BJFpbDrZTbJjZIRm0esQcVqGz4TmiH
PuHFGFgpKH1ZIvpwwAEhyUEBqtJ2LV0FIaacET/08o0HKrtQecgA66OSSQtjZwVMzjPb4p8O+wZmza+whl4wINsPb8HkeDxy
UniBh4RjWU0LG1F+d4EQG+oYn2EFGzdbugUiB7jmkLCcVWc1YfzdNaPH54vPnZQRYo9TKsX3ibHNVBEMincGp3XroJHQ/W0v
CSMAGVWevT8WoLRk445wh9NKI7Tncl67upQDrcIUMSkGo3PnY8tUmQ==
";
const P384: &str = "
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEooOFz6KdTNDuYGblKMrzi+RFrjaxANIr
PdsGzu22TBdbdndSqG4SVcL0HDNygl7zO0EHa3BjZ3ptgPbn6mliZZfqAfks9qRy
giYHIc3YjBv/x8Nn15OESa1+aqjxemhq
";
const P384_SHA256: &str = "
MGQCMGWUh/5DSzEYzyiaYdLznaJvyqj5ty2dOWNLJal4oKY5Dwd5yU2s6xXzvnh2o++XCgIwbBGShAVwxEuNfmclNB24O/ju
zTGhrD1HRNQxTQaaSo2ombr1/+2yiwb3A/yh42M9
";
const P256: &str = "
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcPN4Z+30pv1zsMA0eV33BeH8j3jI
ypIliuiHU/orBYMBzauC4jR8PoDi6qGjD5OBI5DxLVAJHqHyqeGwrRpWkg==
";
const P256_SHA256: &str = "
MEQCIE0ntPskoLBb0xz11Ye+OzWhEdRfgpQlIMIh2AP8oR2AAiAdBor2vMb4DSn2yrR2b+vIfvG5lNOaYZB26chrvar5bg==
";
const P256_SHA384: &str = "
MEUCIFNx8/5TA2aVbP5ipUOK6VQFjwZVuZLShqk3XvBnfmaoAiEA6b6R//13mLxNTqrvHIJO6WBHovCcSHUfgMlfsj59UpA=
";
const P521: &str = "
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQA/TniooiwKeL/C8L/CCiS+9DPORUg
Ix+6i7lFq9ZXLbpmJfzW7B0vY+YOhkNLQS1W0EogJXSCELec4yn2k2DlUngA+TfV
099Nv1CtQDt/iPBzRALVFLq/GZ1csAyuj0ADt+LQ3F+3/5Tppe9aDxy3PqrieTX4
QDCqP7ZBuZ2KbVkWc9M=
";
const ED25519: &str = "
MCowBQYDK2VwAyEAWiNiCR6LrLU/f4JYdT8xKmNxBUhm2mRqQDbj4KlO0fU=
";
const ED25519_SIGNATURE: &str = "
3DEu4bUEx/mDimudP/xHmbcRsBRnzmxbDmc+xJxNSj8gudLlyXItatLhWTOsTzyvQjhcyF4rQOnyme3c5tmvCg==
";

fn pem(key: &str) -> String {
    format!("-----BEGIN PUBLIC KEY-----{key}-----END PUBLIC KEY-----\n")
}

#[track_caller]
fn check(key: &str, hash: Hash, signature: &str, refusal: &str) {
    let key = PublicKey::from_pem(&pem(key), hash).unwrap();
    let signature = STANDARD.decode(signature.replace('\n', "")).unwrap();
    assert_eq!(key.verify(MESSAGE, &signature), Ok(()));
    assert_eq!(key.verify(b"another message", &signature), Err(refusal.to_owned()));
    assert_eq!(key.verify(MESSAGE, &signature[1..]), Err(refusal.to_owned()));
    assert_eq!(key.verify(MESSAGE, b""), Err(refusal.to_owned()));
}

#[test]
fn signatures_of_every_kind_of_key_are_verified() {
    let ecdsa = "invalid signature when validating ASN.1 encoded signature";
    check(RSA, Hash::Sha256, RSA_SHA256, "crypto/rsa: verification error");
    check(RSA, Hash::Sha512, RSA_SHA512, "crypto/rsa: verification error");
    check(P384, Hash::Sha256, P384_SHA256, ecdsa);
    check(P256, Hash::Sha256, P256_SHA256, ecdsa);
    check(P256, Hash::Sha384, P256_SHA384, ecdsa);
    check(ED25519, Hash::Sha256, ED25519_SIGNATURE, "failed to verify signature");
    let key = PublicKey::from_pem(&pem(RSA), Hash::Sha256).unwrap();
    let other_hash = STANDARD.decode(RSA_SHA512.replace('\n', "")).unwrap();
    assert!(key.verify(MESSAGE, &other_hash).is_err());
}

#[test]
fn keys_that_are_not_supported_are_named() {
    let unknown = |text: &str, hash| match PublicKey::from_pem(text, hash) {
        Err(Unverified::Unknown(message)) => message,
        other => panic!("{other:?}"),
    };
    let curve = "public keys of the algorithm 1.2.840.10045.2.1 on 1.3.132.0.35 are not supported";
    assert_eq!(unknown(&pem(P521), Hash::Sha256), curve);
    let hash = "signatures by ECDSA over sha512 are not supported";
    assert_eq!(unknown(&pem(P256), Hash::Sha512), hash);
    assert_eq!(
        Hash::of("sha224"),
        Err(Unverified::Unknown("signatures over sha224 are not supported".into()))
    );
    let invalid = "invalid signature algorithm provided md5".to_owned();
    assert_eq!(Hash::of("md5"), Err(Unverified::No(invalid)));
}

#[test]
fn what_is_no_key_is_refused() {
    for text in ["", "k", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----", &pem("\nMCow\n")] {
        let refused = PublicKey::from_pem(text, Hash::Sha256);
        let is_no =
            matches!(&refused, Err(Unverified::No(why)) if why.starts_with("failed to load public key"));
        assert!(is_no, "{text}: {refused:?}");
    }
}
