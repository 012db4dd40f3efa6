//! Hashes over what is kept, by which the next start tells whether it is whole.

use aws_lc_rs::digest::{Context, SHA256};

use super::super::ledger::{Kept, Kind};
use super::{Meta, Owns};

pub(super) const fn number(kind: Kind) -> i64 {
    match kind {
        Kind::InForce => 0,
        Kind::Faulty => 1,
    }
}

pub(super) fn hash(row: &Kept) -> u128 {
    let mut context = Context::new(&SHA256);
    context.update(&number(row.kind).to_be_bytes());
    context.update(&row.revision.to_be_bytes());
    part(&mut context, &row.name);
    part(&mut context, row.value.as_deref().unwrap_or_default());
    let digest = context.finish();
    let first = digest.as_ref().first_chunk::<16>();
    first.map_or(0, |chunk| u128::from_be_bytes(*chunk))
}

pub(super) fn seal(owns: &Owns, meta: &Meta, sum: u128) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    part(&mut context, owns.prefix.as_bytes());
    part(&mut context, owns.endpoints.join("\n").as_bytes());
    context.update(&[u8::from(meta.doubted)]);
    context.update(&meta.cluster.to_be_bytes());
    context.update(&meta.revision.to_be_bytes());
    context.update(&meta.confirmed.to_be_bytes());
    if let Some((revision, value)) = &meta.beat {
        context.update(&revision.to_be_bytes());
        part(&mut context, value);
    }
    context.update(&sum.to_be_bytes());
    context.finish().as_ref().to_vec()
}

/// With its length, so that no two rows have the same bytes.
fn part(context: &mut Context, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    context.update(&length.to_be_bytes());
    context.update(bytes);
}
