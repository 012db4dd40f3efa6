//! Signing keys.
//!
//! RSA keys are made once per process, because a new pair takes a tenth of a second and a test run
//! starts many mocks.

use std::io;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use crate::jwt::b64;

/// Which of the mock's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// Published for enterprise tenants and used for them from the start.
    Enterprise,
    /// Published for enterprise tenants and used after a rotation.
    EnterpriseNext,
    /// Published for personal accounts only.
    Personal,
    /// Not published, unless a test does so: a rollover that nobody was told of.
    Unpublished,
}

impl KeyName {
    /// Every key.
    pub const ALL: [Self; 4] = [
        Self::Enterprise,
        Self::EnterpriseNext,
        Self::Personal,
        Self::Unpublished,
    ];

    /// The word for it in control requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enterprise => "enterprise",
            Self::EnterpriseNext => "enterprise-next",
            Self::Personal => "personal",
            Self::Unpublished => "unpublished",
        }
    }

    /// The key that a word means.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == word)
    }
}

/// An RSA key of 2048 bits with its self-signed certificate.
pub struct SigningKey {
    pair: KeyPair,
    kid: String,
    certificate: Vec<u8>,
}

impl SigningKey {
    fn generate() -> io::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(io::Error::other)?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(io::Error::other)?;
        let der = PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec());
        let subject = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256)
            .map_err(io::Error::other)?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(
            rcgen::DnType::CommonName,
            "accounts.accesscontrol.windows.net",
        );
        let certificate = params
            .self_signed(&subject)
            .map_err(io::Error::other)?
            .der()
            .to_vec();
        let kid = b64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        Ok(Self {
            pair,
            kid,
            certificate,
        })
    }

    /// The key's id, which is its certificate's SHA-1 thumbprint, as at Entra.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as PEM (`RSA PUBLIC KEY`), for attempts to use it as an HMAC secret.
    pub fn public_pem(&self) -> String {
        let body = BASE64_STANDARD.encode(self.pair.public_key().as_ref());
        format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----\n")
    }

    /// The RS256 signature over `input`; empty if the library refuses, which it does not for a good
    /// key.
    pub fn sign(&self, input: &[u8]) -> Vec<u8> {
        let mut signature = vec![0u8; self.pair.public_modulus_len()];
        match self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            input,
            &mut signature,
        ) {
            Ok(()) => signature,
            Err(_) => Vec::new(),
        }
    }

    /// The public key as a member of a key set (JWK); `issuer` is the member that only v2 key sets
    /// have.
    pub fn jwk(&self, issuer: Option<&str>) -> Value {
        let public = self.pair.public_key();
        let mut jwk = json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": b64(public.modulus().big_endian_without_leading_zero()),
            "e": b64(public.exponent().big_endian_without_leading_zero()),
            "x5c": [BASE64_STANDARD.encode(&self.certificate)],
        });
        if let (Some(issuer), Some(members)) = (issuer, jwk.as_object_mut()) {
            members.insert("cloud_instance_name".into(), json!("microsoftonline.com"));
            members.insert("issuer".into(), json!(issuer));
        }
        jwk
    }
}

/// All keys of a provider.
pub struct KeyRing {
    enterprise: SigningKey,
    enterprise_next: SigningKey,
    personal: SigningKey,
    unpublished: SigningKey,
}

impl KeyRing {
    /// The process's keys, made at the first call.
    pub fn shared() -> io::Result<Arc<Self>> {
        static RING: OnceLock<Arc<KeyRing>> = OnceLock::new();
        if let Some(ring) = RING.get() {
            return Ok(Arc::clone(ring));
        }
        let ring = Arc::new(Self::generate()?);
        Ok(Arc::clone(RING.get_or_init(|| ring)))
    }

    fn generate() -> io::Result<Self> {
        Ok(Self {
            enterprise: SigningKey::generate()?,
            enterprise_next: SigningKey::generate()?,
            personal: SigningKey::generate()?,
            unpublished: SigningKey::generate()?,
        })
    }

    /// One key by its name.
    pub fn key(&self, name: KeyName) -> &SigningKey {
        match name {
            KeyName::Enterprise => &self.enterprise,
            KeyName::EnterpriseNext => &self.enterprise_next,
            KeyName::Personal => &self.personal,
            KeyName::Unpublished => &self.unpublished,
        }
    }
}
