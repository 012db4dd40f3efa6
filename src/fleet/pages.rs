//! Keys and values read page by page, at one revision.
//!
//! Invariant: what all pages hold stood there at one moment, that of the first. A page that is too
//! large for one answer is read again as two.
//!
//! etcd counts everything from a page's first key to the end of the range that is asked for, however
//! few keys it then tells. So many keys are asked for in [`Parts`]: 500,000 policies read by pages of
//! 500 took 109 s without, and 20 s with them, on the same busy machine (`bench/fleet.md`).

use bytes::Bytes;

use super::etcd::{EtcdError, KeyValue, RangeRequest, ResponseHeader, Session};

/// Keys of one page.
const LIMIT: i64 = 500;

/// From here on a range is read in parts.
const MANY: i64 = 10_000;

/// A range, cut where the names in it, tenants' ids, have another first byte.
pub(super) struct Parts {
    prefix: Bytes,
    end: Bytes,
    is_cut: bool,
}

impl Parts {
    /// A range of all keys that begin with `prefix`, whole at first.
    pub(super) const fn of(prefix: Bytes, end: Bytes) -> Self {
        Self {
            prefix,
            end,
            is_cut: false,
        }
    }

    /// The end of the part that begins with `key`.
    pub(super) fn end_after(&self, key: &[u8]) -> Bytes {
        let name = key.strip_prefix(&*self.prefix).unwrap_or_default();
        let mut cuts = (0..=u8::MAX).map(|byte| format!("{byte:02x}"));
        match cuts.find(|cut| self.is_cut && cut.as_bytes() > name) {
            Some(cut) => [&self.prefix[..], cut.as_bytes()].concat().into(),
            None => self.end.clone(),
        }
    }

    /// Where the next page begins, after one that began with `key`, ended with `last`, and said
    /// whether its part has more, and how many keys that has. None: it was the last.
    pub(super) fn next(
        &mut self,
        key: &[u8],
        last: Option<&[u8]>,
        more: bool,
        count: i64,
    ) -> Option<Bytes> {
        let end = self.end_after(key);
        self.is_cut |= count > MANY;
        match last {
            Some(last) if more => Some([last, &[0]].concat().into()),
            Some(_) | None => (end != self.end).then_some(end),
        }
    }
}

/// Where reading stands.
pub(super) struct Pages {
    /// None: all was read.
    begin: Option<Bytes>,
    parts: Parts,
    limit: i64,
    header: Option<ResponseHeader>,
}

impl Pages {
    /// Of this range; at the revision of the first page.
    pub(super) fn new((begin, end): (Vec<u8>, Vec<u8>)) -> Self {
        let begin = Bytes::from(begin);
        Self {
            parts: Parts::of(begin.clone(), end.into()),
            begin: Some(begin),
            limit: LIMIT,
            header: None,
        }
    }

    /// The same, at the revision that somebody read before.
    #[must_use]
    pub(super) fn at(self, header: ResponseHeader) -> Self {
        Self {
            header: Some(header),
            ..self
        }
    }

    /// The next page. None: there are no more.
    ///
    /// # Errors
    /// [`EtcdError`].
    pub(super) async fn next(
        &mut self,
        session: &Session,
    ) -> Result<Option<Vec<KeyValue>>, EtcdError> {
        let Some(begin) = self.begin.clone() else {
            return Ok(None);
        };
        loop {
            let request = RangeRequest {
                key: begin.clone(),
                range_end: self.parts.end_after(&begin),
                limit: self.limit,
                revision: self.header.as_ref().map_or(0, |header| header.revision),
                ..RangeRequest::default()
            };
            let page = match session.range(request).await {
                Err(EtcdError::TooLarge) if self.limit > 1 => {
                    self.limit /= 2;
                    continue;
                }
                page => page?,
            };
            if self.header.is_none() {
                self.header = page.header;
            }
            let last = page.kvs.last().map(|kv| kv.key.as_ref());
            self.begin = self.parts.next(&begin, last, page.more, page.count);
            return Ok(Some(page.kvs));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads keys as etcd tells them.
    fn read(keys: &[String], limit: usize) -> (Vec<String>, usize) {
        let mut parts = Parts::of("/p/".into(), "/p0".into());
        let (mut begin, mut read, mut pages) = (Some(Bytes::from_static(b"/p/")), Vec::new(), 0);
        while let Some(key) = begin {
            let end = parts.end_after(&key);
            let inside = |it: &&String| it.as_bytes() >= &key[..] && it.as_bytes() < &end[..];
            let part: Vec<_> = keys.iter().filter(inside).cloned().collect();
            let page = &part[..part.len().min(limit)];
            let last = page.last().map(|last| last.as_bytes());
            let count = i64::try_from(part.len()).unwrap();
            begin = parts.next(&key, last, part.len() > limit, count);
            read.extend_from_slice(page);
            pages += 1;
        }
        (read, pages)
    }

    #[test]
    fn every_key_is_read_once_whatever_it_is() {
        let ids =
            |count: u32| (0..count).map(|n| format!("/p/{:08x}-0000", n.wrapping_mul(0x9e37_79b9)));
        for count in [0, 1, 499, 500, 501, 10_001, 20_000] {
            let odd = ["", "beat", "00", "0", "ff", "fg", "FF", "zz", "\u{ff}", "~"];
            let mut keys: Vec<_> = ids(count)
                .chain(odd.map(|name| format!("/p/{name}")))
                .collect();
            keys.sort();
            let (read, pages) = read(&keys, 500);
            assert_eq!(read, keys, "{count}");
            // A few keys are not asked for 256 times.
            assert!(
                pages <= if count > 10_000 { 300 } else { 22 },
                "{count}: {pages}"
            );
        }
    }

    #[test]
    fn parts_are_cut_once_there_are_many() {
        let mut parts = Parts::of("/p/".into(), "/p0".into());
        assert_eq!(parts.end_after(b"/p/"), "/p0");
        assert_eq!(
            parts.next(b"/p/", Some(b"/p/00aa"), true, 20_000).unwrap(),
            "/p/00aa\0"
        );
        for (key, end) in [
            ("/p/00aa\0", "/p/01"),
            ("/p/01", "/p/02"),
            ("/p/0F", "/p/0a"),
            ("/p/9f", "/p/a0"),
            ("/p/fe7", "/p/ff"),
            ("/p/ff", "/p0"),
            ("/p/zz", "/p0"),
        ] {
            assert_eq!(parts.end_after(key.as_bytes()), end, "{key}");
        }
        assert_eq!(parts.next(b"/p/01", None, false, 0).unwrap(), "/p/02");
        assert_eq!(parts.next(b"/p/ff", None, false, 0), None);
    }
}
