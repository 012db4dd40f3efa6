//! Whether an answer can be one to what was asked.
//!
//! Invariant: absence is never concluded from an answer that is not whole: keys come in their order,
//! inside the range, and as many as etcd says there are unless it says that there are more.

use super::{
    EtcdError, KeyValue, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest,
    LeaseRevokeResponse, RangeRequest, RangeResponse, StatusRequest, StatusResponse, TxnRequest,
    TxnResponse,
};

/// A request, by which its answer is judged.
pub(super) trait Asked {
    type Answer;

    fn makes_sense_of(&self, answer: &Self::Answer) -> Result<(), EtcdError>;
}

impl Asked for RangeRequest {
    type Answer = RangeResponse;

    fn makes_sense_of(&self, answer: &RangeResponse) -> Result<(), EtcdError> {
        let now = answer.header.as_ref().map_or(0, |header| header.revision);
        if now < self.revision {
            return Err(EtcdError::Nonsense("it is older than what it tells"));
        }
        let at = if self.revision > 0 {
            self.revision
        } else {
            now
        };
        let mut last: Option<&KeyValue> = None;
        for kv in &answer.kvs {
            if last.is_some_and(|last| last.key >= kv.key) {
                return Err(EtcdError::Nonsense("keys are not in their order"));
            }
            if !self.asks_for(&kv.key) {
                return Err(EtcdError::Nonsense("a key that was not asked for"));
            }
            if !(1..=at).contains(&kv.mod_revision) {
                return Err(EtcdError::Nonsense("a key of another revision"));
            }
            last = Some(kv);
        }
        let told = i64::try_from(answer.kvs.len()).unwrap_or(i64::MAX);
        let fits = if self.count_only {
            told == 0 && answer.count >= 0
        } else if answer.more {
            told > 0 && told < answer.count
        } else {
            told == answer.count
        };
        if fits {
            Ok(())
        } else {
            Err(EtcdError::Nonsense("keys are missing"))
        }
    }
}

impl RangeRequest {
    fn asks_for(&self, key: &[u8]) -> bool {
        match &*self.range_end {
            [] => key == &*self.key,
            // To the end of all keys.
            [0] => key >= &*self.key,
            end => key >= &*self.key && key < end,
        }
    }
}

macro_rules! anything {
    ($($request:ty => $answer:ty),+) => {
        $(impl Asked for $request {
            type Answer = $answer;

            fn makes_sense_of(&self, _: &$answer) -> Result<(), EtcdError> {
                Ok(())
            }
        })+
    };
}

anything!(
    LeaseGrantRequest => LeaseGrantResponse,
    LeaseRevokeRequest => LeaseRevokeResponse,
    StatusRequest => StatusResponse,
    TxnRequest => TxnResponse
);

#[cfg(test)]
mod tests {
    use super::super::ResponseHeader;
    use super::*;

    fn kv(key: &'static str, mod_revision: i64) -> KeyValue {
        KeyValue {
            key: key.into(),
            mod_revision,
            ..KeyValue::default()
        }
    }

    fn answer(kvs: Vec<KeyValue>, more: bool, count: i64) -> RangeResponse {
        RangeResponse {
            header: Some(ResponseHeader {
                cluster_id: 1,
                revision: 9,
                ..ResponseHeader::default()
            }),
            kvs,
            more,
            count,
        }
    }

    #[test]
    fn an_answer_that_is_not_whole_is_none() {
        let asked = RangeRequest {
            key: "b".into(),
            range_end: "d".into(),
            limit: 2,
            revision: 7,
            ..RangeRequest::default()
        };
        for (kvs, more, count, fits) in [
            (vec![], false, 0, true),
            (vec![kv("b", 1), kv("c", 7)], false, 2, true),
            (vec![kv("b", 1), kv("c", 7)], true, 3, true),
            // Fewer than there are.
            (vec![], false, 1, false),
            (vec![kv("b", 1)], false, 2, false),
            (vec![], true, 2, false),
            (vec![kv("b", 1), kv("c", 7)], true, 2, false),
            // Of another range, or in another order, or twice.
            (vec![kv("a", 1)], false, 1, false),
            (vec![kv("d", 1)], false, 1, false),
            (vec![kv("c", 1), kv("b", 1)], false, 2, false),
            (vec![kv("b", 1), kv("b", 1)], false, 2, false),
            // From later, or from nowhere.
            (vec![kv("b", 8)], false, 1, false),
            (vec![kv("b", 0)], false, 1, false),
        ] {
            let answer = answer(kvs, more, count);
            assert_eq!(asked.makes_sense_of(&answer).is_ok(), fits, "{answer:?}");
        }
        let later = RangeRequest {
            revision: 10,
            ..asked.clone()
        };
        assert!(later.makes_sense_of(&answer(vec![], false, 0)).is_err());
        let one = RangeRequest {
            key: "b".into(),
            ..RangeRequest::default()
        };
        assert!(
            one.makes_sense_of(&answer(vec![kv("b", 9)], false, 1))
                .is_ok()
        );
        assert!(
            one.makes_sense_of(&answer(vec![kv("bb", 9)], false, 1))
                .is_err()
        );
        let count = RangeRequest {
            count_only: true,
            ..asked
        };
        assert!(count.makes_sense_of(&answer(vec![], false, 5)).is_ok());
    }
}
